// SPDX-License-Identifier: BSD-2-Clause
/* Whose XDP program is on an interface that wants ours, and what takes it off. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <glob.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/internal.h"
#include "kernel/pins.h"

#include "occupant.skel.h"

#define NAME_SIZE  16 /* BPF_OBJ_NAME_LEN */
#define PATH_SIZE  256

#define REMEMBERED 16 /* interfaces that others hold */

struct holder {
	__u32 ifindex;
	__u32 program;	      /* its number */
	char name[NAME_SIZE]; /* or "" */
	__u32 link;	      /* that holds it; 0: none that is known */
	char pin[PATH_SIZE];  /* where beamfence pinned that, or "" */
};

static void cleanup_skeleton(struct occupant **skeleton)
{
	occupant__destroy(*skeleton);
}

/* Runs an iterator that writes one thing at most. Whether it did. */
static bool find(const struct bpf_program *program, void *found, size_t size)
{
	_cleanup_close_ int link = bpf_link_create(bpf_program__fd(program), 0, BPF_TRACE_ITER,
						   NULL);
	_cleanup_close_ int listing = link < 0 ? -1 : bpf_iter_create(link);
	ssize_t got;

	do
		got = listing < 0 ? -1 : read(listing, found, size);
	while (got < 0 && listing >= 0 && errno == EAGAIN);
	return got == (ssize_t)size;
}

/* Loads the iterators, the second where this kernel has it. */
static struct occupant *load(const struct holder *holder, bool links)
{
	_cleanup_(cleanup_skeleton) struct occupant *skeleton = occupant__open();

	if (!skeleton)
		return NULL;
	skeleton->rodata->wanted_program = holder->program;
	skeleton->rodata->wanted_ifindex = holder->ifindex;
	bpf_program__set_autoload(skeleton->progs.find_link, links);
	return occupant__load(skeleton) ? NULL : TAKE_POINTER(skeleton);
}

static void find_name_and_link(struct holder *holder)
{
	_cleanup_(cleanup_skeleton) struct occupant *skeleton = load(holder, true);
	const bool links = skeleton;

	if (!skeleton)
		skeleton = load(holder, false);
	if (!skeleton)
		return;
	find(skeleton->progs.find_program, holder->name, sizeof(holder->name));
	holder->name[NAME_SIZE - 1] = '\0';
	if (links)
		find(skeleton->progs.find_link, &holder->link, sizeof(holder->link));
}

static bool is_pin_of(const char *path, const struct holder *holder, __u32 *link)
{
	_cleanup_close_ int fd = bpf_obj_get(path);
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	if (fd < 0 || !fd_is_bpf(fd, "link") || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ||
	    info.type != BPF_LINK_TYPE_XDP || info.xdp.ifindex != holder->ifindex ||
	    info.prog_id != holder->program)
		return false;
	*link = info.id;
	return true;
}

/* An earlier agent may have had a pin directory of another name. */
static void find_pin(struct holder *holder)
{
	char pattern[64];
	glob_t found = {};

	snprintf(pattern, sizeof(pattern), "/sys/fs/bpf/*/" PIN_LINK_PREFIX "%u", holder->ifindex);
	if (glob(pattern, GLOB_NOSORT, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc && !holder->pin[0]; i++)
		if (strlen(found.gl_pathv[i]) < PATH_SIZE &&
		    is_pin_of(found.gl_pathv[i], holder, &holder->link))
			strcpy(holder->pin, found.gl_pathv[i]);
	globfree(&found);
}

/* The kernel keeps fifteen characters of a program's name. */
static bool is_ours(const struct holder *holder)
{
	return holder->pin[0] || !strncmp(holder->name, "filter_ethernet", 15) ||
	       !strcmp(holder->name, "filter_ip") || !strcmp(holder->name, "filter_ip_ct");
}

/* What to do about it; what holds a program alone can let go of it. */
static void say_cure(const struct holder *holder, char *cure, size_t size)
{
	char name[IF_NAMESIZE] = "";

	if (holder->pin[0])
		snprintf(cure, size, "\"rm %s\" takes it off, once its agent has ended",
			 holder->pin);
	else if (holder->link)
		snprintf(cure, size,
			 "end what holds it, or \"bpftool link detach id %u\" takes it off",
			 holder->link);
	else
		snprintf(cure, size,
			 "\"ip link set dev %s xdp off\" takes it off, or the end of what holds it",
			 if_indextoname(holder->ifindex, name) ? name : "it");
}

/* Looking costs some milliseconds, and what is in the way stays there: the last is remembered. */
static const struct holder *look(__u32 ifindex, __u32 program)
{
	static struct holder known[REMEMBERED];
	struct holder *last = &known[ifindex % REMEMBERED];

	if (last->ifindex == ifindex && last->program == program)
		return last;
	*last = (struct holder){.ifindex = ifindex, .program = program};
	find_name_and_link(last);
	find_pin(last);
	return last;
}

void describe_occupant(uint32_t ifindex, char *problem, size_t problem_size)
{
	const struct holder *holder;
	char cure[PATH_SIZE + 64];
	__u32 id = 0;

	if (bpf_xdp_query_id((int)ifindex, 0, &id) < 0 || !id) {
		snprintf(problem, problem_size, "another XDP program holds the interface");
		return;
	}
	holder = look(ifindex, id);
	say_cure(holder, cure, sizeof(cure));
	snprintf(problem, problem_size, "%s holds the interface: %s%s%sid %u; %s",
		 is_ours(holder) ? "an orphan of beamfence" : "another XDP program",
		 holder->name[0] ? "\"" : "", holder->name, holder->name[0] ? "\", " : "", id,
		 cure);
}
