// SPDX-License-Identifier: BSD-2-Clause
/*
 * The programs that explain. Of what libbpf keeps of an object that it has loaded, 0.4 MiB, two
 * programs and one page are wanted.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/internal.h"

void explaining_close(struct explaining *explaining)
{
	for (int i = 0; i < 2; i++)
		if (explaining->programs[i] >= 0)
			close(explaining->programs[i]);
	if (explaining->explanation)
		munmap(explaining->explanation, sizeof(*explaining->explanation));
	*explaining = EXPLAINING_NONE;
}

static int take(struct explaining *explaining, const struct filter *loaded)
{
	void *page;

	for (int ethernet = 0; ethernet < 2; ethernet++) {
		explaining->programs[ethernet] = fcntl(fence_program(loaded, ethernet),
						       F_DUPFD_CLOEXEC, 0);
		if (explaining->programs[ethernet] < 0)
			return -errno;
	}
	page = mmap(NULL, sizeof(*explaining->explanation), PROT_READ | PROT_WRITE, MAP_SHARED,
		    bpf_map__fd(loaded->maps.data_explanation), 0);
	if (page == MAP_FAILED)
		return -errno;
	explaining->explanation = page;
	return 0;
}

int explaining_load(const struct fence *fence, struct explaining *result)
{
	const struct map_fds maps = own_maps(fence);
	struct explaining explaining = EXPLAINING_NONE;
	struct filter *loaded = filter_load(fence, true, &maps);
	int code;

	if (!loaded)
		return -errno;
	code = take(&explaining, loaded);
	fence_spare_skeleton(loaded->skeleton, loaded->bss);
	filter__destroy(loaded);
	if (code) {
		explaining_close(&explaining);
		return code;
	}
	*result = explaining;
	return 0;
}
