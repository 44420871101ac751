// SPDX-License-Identifier: BSD-2-Clause
/* Links: the filter on one interface, pinned, so that it stays when this process ends. */
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/detach.h"
#include "kernel/internal.h"

static int link_path(const struct fence *fence, uint32_t ifindex, char **path)
{
	return asprintf(path, "%s/" PIN_LINK_PREFIX "%u", fence->pin_dir, ifindex) < 0 ? -ENOMEM
										       : 0;
}

static enum attach_mode query_mode(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query((int)ifindex, 0, &query) < 0)
		return ATTACHED_NOT;
	switch (query.attach_mode) {
	case XDP_ATTACHED_DRV:
	case XDP_ATTACHED_HW:
		return ATTACHED_NATIVE;
	case XDP_ATTACHED_SKB:
		return ATTACHED_GENERIC;
	default:
		return ATTACHED_NOT;
	}
}

/* Says which program stands in the way. Its name takes CAP_SYS_ADMIN, its number does not. */
static void describe_occupant(uint32_t ifindex, char *problem, size_t problem_size)
{
	_cleanup_close_ int fd = -1;
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info), id = 0;

	if (bpf_xdp_query_id((int)ifindex, 0, &id) < 0 || !id) {
		snprintf(problem, problem_size, "another XDP program holds the interface");
		return;
	}
	fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
		snprintf(problem, problem_size,
			 "another XDP program holds the interface: \"%s\", id %u; detach it, or "
			 "leave this interface out",
			 info.name, id);
	else
		snprintf(problem, problem_size,
			 "another XDP program holds the interface: id %u; detach it, or leave "
			 "this interface out",
			 id);
}

static int create_link(int program, uint32_t ifindex, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
	int fd = bpf_link_create(program, (int)ifindex, BPF_XDP, &options);

	return fd < 0 ? -errno : fd;
}

static int create_best_link(int program, uint32_t ifindex, enum attach attach)
{
	int fd;

	if (attach == ATTACH_GENERIC)
		return create_link(program, ifindex, XDP_FLAGS_SKB_MODE);
	fd = create_link(program, ifindex, XDP_FLAGS_DRV_MODE);
	if (fd >= 0 || attach == ATTACH_NATIVE || fd == -EBUSY || fd == -EEXIST || fd == -ENODEV)
		return fd;
	return create_link(program, ifindex, XDP_FLAGS_SKB_MODE);
}

static void attach_new(struct fence *fence, struct base *base, enum attach attach, char *problem,
		       size_t problem_size)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *path = NULL;

	fd = create_best_link(fence_program(fence->live, base->ethernet), base->ifindex, attach);
	if (fd == -EBUSY || fd == -EEXIST) {
		describe_occupant(base->ifindex, problem, problem_size);
		return;
	}
	if (fd < 0) {
		snprintf(problem, problem_size, "the kernel refuses to attach%s: %s",
			 attach == ATTACH_NATIVE ? " natively (attach: auto would try generic mode)"
						 : "",
			 strerror(-fd));
		return;
	}
	if (link_path(fence, base->ifindex, &path) < 0) {
		snprintf(problem, problem_size, "out of memory");
		return;
	}
	unlink(path); /* of an interface that had this index before */
	if (bpf_obj_pin(fd, path) < 0) {
		snprintf(problem, problem_size, "cannot pin %s: %s", path, strerror(errno));
		return;
	}
	base->link_fd = TAKE_FD(fd);
	base->current = true;
	base->mode = query_mode(base->ifindex);
}

bool base_is_attached(const struct base *base)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	return base->link_fd >= 0 && !bpf_obj_get_info_by_fd(base->link_fd, &info, &size) &&
	       info.xdp.ifindex == base->ifindex;
}

/* A link outlives its interface, and what somebody detached by force: it is of no use then. */
static void drop_dead_link(struct fence *fence, struct base *base)
{
	_cleanup_free_ char *path = NULL;

	if (base->link_fd < 0 || base_is_attached(base))
		return;
	if (link_path(fence, base->ifindex, &path) == 0)
		unlink(path);
	close(base->link_fd);
	base->link_fd = -1;
	base->mode = ATTACHED_NOT;
}

void base_attach(struct fence *fence, struct base *base, enum attach attach, char *problem,
		 size_t problem_size)
{
	drop_dead_link(fence, base);
	if (base->link_fd < 0) {
		attach_new(fence, base, attach, problem, problem_size);
		return;
	}
	if (!base->current) {
		if (bpf_link_update(base->link_fd, fence_program(fence->live, base->ethernet),
				    NULL) < 0) {
			snprintf(problem, problem_size,
				 "the kernel refuses to replace the program of an earlier agent: "
				 "%s; the old one goes on",
				 strerror(errno));
			return;
		}
		base->current = true;
	}
	base->mode = query_mode(base->ifindex);
	if ((attach == ATTACH_NATIVE && base->mode == ATTACHED_GENERIC) ||
	    (attach == ATTACH_GENERIC && base->mode == ATTACHED_NATIVE))
		snprintf(problem, problem_size,
			 "stays attached in %s mode: changing that would take the filter off for a "
			 "moment (\"beamfence detach\" and a new start do it)",
			 attach_mode_name(base->mode));
}

void base_release(struct fence *fence, struct base *base)
{
	_cleanup_free_ char *path = NULL;

	if (base->link_fd >= 0) {
		if (link_path(fence, base->ifindex, &path) == 0)
			unlink(path);
		close(base->link_fd);
	}
	fence->tables->base_of[base->ifindex & (INTERFACE_RESIDUES - 1)] = 0;
	*base = (struct base){.link_fd = -1};
}

static void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Takes over one pinned link. One whose interface is gone has index 0 and is cleared away. */
static int adopt_link(struct fence *fence, const char *name, struct error *error)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	struct base *base = NULL;
	__u8 index;

	if (asprintf(&path, "%s/%s", fence->pin_dir, name) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return error_set(error, -errno, "cannot open the pinned link %s: %s", path,
				 strerror(errno));
	if (info.type != BPF_LINK_TYPE_XDP || !info.xdp.ifindex) {
		unlink(path);
		return 0;
	}
	index = fence->tables->base_of[info.xdp.ifindex & (INTERFACE_RESIDUES - 1)];
	if (index && index < BASES_MAX && !fence->bases[index].ifindex)
		base = &fence->bases[index];
	/* The tables do not know it: any base serves, from the end, where adopted ones are not. */
	for (size_t i = BASES_MAX - 1; i > 0 && !base; i--)
		if (!fence->bases[i].ifindex)
			base = &fence->bases[i];
	if (!base)
		return error_set(error, -E2BIG, "more links are pinned below %s than there can be",
				 fence->pin_dir);
	base->ifindex = info.xdp.ifindex;
	base->link_fd = TAKE_FD(fd);
	base->mode = query_mode(base->ifindex);
	return 0;
}

/* Entries of interfaces that went away while no agent ran. */
static void clear_stale_entries(struct fence *fence)
{
	for (size_t i = 0; i < INTERFACE_RESIDUES; i++) {
		__u8 *entry = &fence->tables->base_of[i];

		if (*entry &&
		    (*entry >= BASES_MAX || fence->bases[*entry].ifindex % INTERFACE_RESIDUES != i))
			*entry = 0;
	}
}

int fence_adopt_links(struct fence *fence, struct error *error)
{
	_cleanup_(cleanup_closedir) DIR *dir = opendir(fence->pin_dir);
	struct dirent *entry;
	int code = 0;

	if (!dir)
		return error_set(error, -errno, "cannot read %s: %s", fence->pin_dir,
				 strerror(errno));
	while (!code && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, PIN_LINK_PREFIX, strlen(PIN_LINK_PREFIX)))
			code = adopt_link(fence, entry->d_name, error);
	if (!code)
		clear_stale_entries(fence);
	return code;
}
