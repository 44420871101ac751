// SPDX-License-Identifier: BSD-2-Clause
/* Memory that is mapped and not used: it would count as this process's all the same. */
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/internal.h"

/* The whole pages from @start up to @end. */
static void spare_pages(const void *start, const void *end)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	const uintptr_t first = ((uintptr_t)start + page - 1) / page * page;
	const uintptr_t last = (uintptr_t)end / page * page;

	if (first < last)
		madvise((void *)first, last - first, MADV_DONTNEED);
}

bool fence_has_row(const struct fence *fence, int row)
{
	return row < fence->possible_cpus || row == CPU_ROWS;
}

void fence_spare_rows(const struct fence *fence)
{
	if (fence->possible_cpus < CPU_ROWS)
		spare_pages(fence->tables->host.untouched[fence->possible_cpus],
			    fence->tables->host.untouched[CPU_ROWS]);
}

void fence_spare_skeleton(const struct bpf_object_skeleton *skeleton, void *tables)
{
	madvise(tables, sizeof(struct tables), MADV_DONTNEED);
	/* Part of the executable file: read from there again where it is needed once more. */
	spare_pages(skeleton->data, (const char *)skeleton->data + skeleton->data_sz);
}
