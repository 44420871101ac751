// SPDX-License-Identifier: BSD-2-Clause
/* Links: the filter on one interface, pinned, so that it stays when this process ends. */
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/internal.h"
#include "kernel/pins.h"

int fence_program(const struct filter *skeleton, bool ethernet)
{
	const struct bpf_program *with_conntrack = ethernet ? skeleton->progs.filter_ethernet_ct
							    : skeleton->progs.filter_ip_ct;
	const struct bpf_program *without = ethernet ? skeleton->progs.filter_ethernet
						     : skeleton->progs.filter_ip;

	return bpf_program__autoload(with_conntrack) ? bpf_program__fd(with_conntrack)
						     : bpf_program__fd(without);
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

static void describe_refusal(const struct base *base, int code, enum attach attach, char *problem,
			     size_t problem_size)
{
	__u32 id = 0;

	if (code == -EEXIST && !bpf_xdp_query_id((int)base->ifindex, 0, &id) && !id)
		snprintf(problem, problem_size,
			 "the kernel takes no XDP program here while a device above (its bridge, "
			 "VLAN or macvlan) has one: name only one of them, or \"beamfence detach\" "
			 "and start anew");
	else if (code == -EBUSY || code == -EEXIST)
		describe_occupant(base->ifindex, problem, problem_size);
	else
		snprintf(problem, problem_size, "the kernel refuses to attach%s: %s%s",
			 attach == ATTACH_NATIVE ? " natively" : "",
			 base->refusal.words[0] ? base->refusal.words : strerror(-code),
			 attach == ATTACH_NATIVE ? " (attach: auto would try generic mode)" : "");
}

static int create_link(int program, uint32_t ifindex, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
	int fd = bpf_link_create(program, (int)ifindex, BPF_XDP, &options);

	return fd < 0 ? -errno : fd;
}

/* Natively. Where the driver refuses, its words are asked for, while nothing is attached. */
static int create_native_link(struct base *base, int program)
{
	const int fd = create_link(program, base->ifindex, XDP_FLAGS_DRV_MODE);

	if (fd != -EOPNOTSUPP && fd != -EINVAL && fd != -E2BIG && fd != -ENOSPC && fd != -ERANGE)
		return fd;
	return refusal_ask(&base->refusal, program, base->ifindex, base->name)
		       ? create_link(program, base->ifindex, XDP_FLAGS_DRV_MODE)
		       : fd;
}

/* Under "auto" natively only where that is sound: see core/native.c. */
static int create_best_link(struct base *base, int program, enum attach attach)
{
	int fd;

	base->refusal = (struct refusal){};
	base->avoided = attach == ATTACH_AUTO ? native_risk(&base->facts) : NATIVE_SOUND;
	if (attach == ATTACH_GENERIC || base->generic_only || base->avoided != NATIVE_SOUND)
		return create_link(program, base->ifindex, XDP_FLAGS_SKB_MODE);
	fd = create_native_link(base, program);
	if (fd >= 0 || attach == ATTACH_NATIVE || fd == -EBUSY || fd == -EEXIST || fd == -ENODEV)
		return fd;
	return create_link(program, base->ifindex, XDP_FLAGS_SKB_MODE);
}

static void attach_new(struct fence *fence, struct base *base, enum attach attach, char *problem,
		       size_t problem_size)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *path = NULL;

	fd = create_best_link(base, fence_program(fence->live, base->ethernet), attach);
	if (fd < 0) {
		describe_refusal(base, fd, attach, problem, problem_size);
		return;
	}
	if (pin_link_path(fence->pin_dir, base->ifindex, &path) < 0) {
		snprintf(problem, problem_size, "out of memory");
		return;
	}
	unlink(path); /* of an interface that had this index before, or not ours at all */
	if (bpf_obj_pin(fd, path) < 0) {
		snprintf(problem, problem_size, "cannot pin %s: %s", path, strerror(errno));
		return;
	}
	base->link_fd = TAKE_FD(fd);
	base->current = true;
	base->mode = query_mode(base->ifindex);
}

__u32 base_program(const struct base *base)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	if (base->link_fd < 0 || bpf_obj_get_info_by_fd(base->link_fd, &info, &size) < 0 ||
	    info.xdp.ifindex != base->ifindex)
		return 0;
	return info.prog_id;
}

bool base_is_whole(const struct fence *fence, const struct base *base, uint32_t seen_program)
{
	const __u32 program = base_program(base);

	return program && program == fence->programs[base->ethernet] && program == seen_program;
}

void base_drop_link(struct fence *fence, struct base *base)
{
	_cleanup_free_ char *path = NULL;

	if (base->link_fd < 0)
		return;
	if (pin_link_path(fence->pin_dir, base->ifindex, &path) == 0)
		unlink(path);
	close(base->link_fd);
	base->link_fd = -1;
	base->mode = ATTACHED_NOT;
	base->current = false;
	base->refresh_code = 0;
}

/*
 * A link outlives its interface, and what somebody detached by force: it is of no use then. One
 * that moved to another namespace with its interface still names the index, which may be another's
 * here by now: only the interface itself tells.
 */
static void drop_dead_link(struct fence *fence, struct base *base)
{
	const __u32 program = base_program(base);
	__u32 seen = base->seen_program;

	if (base->link_fd < 0)
		return;
	if (program && program != seen && bpf_xdp_query_id((int)base->ifindex, 0, &seen) < 0)
		seen = 0;
	if (program && program == seen)
		return;
	base->lost = true;
	base_drop_link(fence, base);
}

/* Counted where the next agent finds it. */
static void note_restored(struct fence *fence, struct base *base)
{
	const struct policy_tables *policy = &fence->tables->policy[fence->tables->generation & 1];

	fence->tables->host.slots[policy->slot_of[base - fence->bases][0]].reattached++;
	base->lost = false;
	base->restored = true;
}

/*
 * A link hands its driver no program that it has already. In between there is the one that
 * explains: its verdicts are the same, and it counts nothing.
 */
static void refresh_link(const struct fence *fence, struct base *base)
{
	const int program = fence->explaining.programs[base->ethernet];

	if (!base->to_refresh)
		return;
	base->to_refresh = false;
	base->refresh_code = bpf_link_update(base->link_fd, program, NULL) < 0 ? -errno : 0;
	if (!base->refresh_code)
		base->current = false;
}

static void update_link(struct fence *fence, struct base *base, char *problem, size_t problem_size)
{
	const bool ours = base->current;

	if (ours && base_program(base) == fence->programs[base->ethernet])
		return;
	if (bpf_link_update(base->link_fd, fence_program(fence->live, base->ethernet), NULL) < 0) {
		snprintf(problem, problem_size,
			 "the kernel refuses to replace the program of %s: %s; that one goes on",
			 ours ? "somebody else" : "an earlier agent", strerror(errno));
		return;
	}
	base->current = true;
	if (ours)
		note_restored(fence, base);
}

void base_describe_mode(const struct base *base, char *note, size_t note_size)
{
	note[0] = '\0';
	if (base->mode == ATTACHED_GENERIC && base->generic_only)
		snprintf(note, note_size,
			 "not native: frames of another device come out of this one, past a "
			 "program in its driver");
	else if (base->mode == ATTACHED_GENERIC && base->avoided != NATIVE_SOUND)
		base_describe_avoided(base, note, note_size);
	else if (base->mode == ATTACHED_GENERIC)
		refusal_describe(&base->refusal, note, note_size);
}

/* Nothing can come in at present, so that the filter may be off for a moment. */
static bool may_retry_native(struct base *base, enum attach attach)
{
	if (attach == ATTACH_AUTO && base->link_fd >= 0 &&
	    refusal_look(&base->refusal, base->name) == REFUSAL_RETRY)
		return true;
	refusal_note_change(&base->refusal, base->name);
	return false;
}

void base_attach(struct fence *fence, struct base *base, enum attach attach, char *problem,
		 size_t problem_size)
{
	bool renew;

	drop_dead_link(fence, base);
	/* Or frames come in and none is judged: there is nothing to lose while nothing is attached.
	 */
	renew = base->to_generic || may_retry_native(base, attach);
	/* Before the filter is off: that takes no longer than it must. */
	if (base->link_fd < 0 || renew || !base->facts.page_size)
		base_read_facts(fence, base);
	if (renew)
		base_drop_link(fence, base);
	if (base->to_generic)
		attach = ATTACH_GENERIC;
	if (base->link_fd < 0) {
		attach_new(fence, base, attach, problem, problem_size);
		if (base->to_generic)
			base->avoided = NATIVE_FORGETS;
		base->to_generic = false;
		if (base->link_fd >= 0 && base->lost)
			note_restored(fence, base);
		return;
	}
	refresh_link(fence, base);
	update_link(fence, base, problem, problem_size);
	if (problem[0])
		return;
	base->mode = query_mode(base->ifindex);
	if (base->generic_only && attach != ATTACH_GENERIC)
		attach = ATTACH_GENERIC;
	if ((attach == ATTACH_NATIVE && base->mode == ATTACHED_GENERIC) ||
	    (attach == ATTACH_GENERIC && base->mode == ATTACHED_NATIVE))
		snprintf(problem, problem_size,
			 "stays attached in %s mode: changing that would take the filter off for a "
			 "moment (\"beamfence detach\" and a new start do it)",
			 attach_mode_name(base->mode));
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
	if (fd >= 0 && !fd_is_bpf(fd, "link"))
		return 0; /* not ours: whoever needs its name takes it */
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return error_set(error, -errno, "cannot open the pinned link %s: %s", path,
				 strerror(errno));
	if (info.type != BPF_LINK_TYPE_XDP || !info.xdp.ifindex) {
		unlink(path);
		return 0;
	}
	if (base_find(fence, info.xdp.ifindex))
		return 0; /* a second one cannot be on the same interface: it is elsewhere */
	index = fence->tables->host.base_of[info.xdp.ifindex & (INTERFACE_RESIDUES - 1)];
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

/*
 * Entries without a link: of devices above others, which keep them until the first plan, or of
 * interfaces that went away while no agent ran.
 */
static void adopt_entries(struct fence *fence)
{
	for (uint32_t i = 0; i < INTERFACE_RESIDUES; i++) {
		__u8 *entry = &fence->tables->host.base_of[i];
		struct base *base = &fence->bases[*entry];

		if (*entry >= BASES_MAX && !base->ifindex &&
		    fence->tables->host.index_of[*entry] % INTERFACE_RESIDUES == i)
			*base = (struct base){.ifindex = fence->tables->host.index_of[*entry],
					      .link_fd = -1};
		else if (*entry && base->ifindex % INTERFACE_RESIDUES != i)
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
		adopt_entries(fence);
	return code;
}
