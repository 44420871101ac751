// SPDX-License-Identifier: BSD-2-Clause
/*
 * Holds what the watch has against the kernel's sockets. A program that is interrupted by another
 * task misses what that task does (Linux 7 and later interrupt them): so listeners may be there
 * unseen, or be gone unheard, and counts may be off.
 */
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/internal.h"

#define ATTEMPTS	   3 /* to find a moment in which nothing changes */
#define CHECK_FAILED	   UINT64_MAX
#define CHECKS_SKIPPED_MAX 12 /* in a row, while nothing is heard of: a check costs wake-ups */

/* A listener that was gone at the last check, by what tells it from a later one. */
struct stale {
	uint64_t socket;
	uint64_t since_ns;
};

struct binding_row {
	struct binding_key key;
	struct binding binding;
};

/* What the counts would have to be. */
struct counted {
	struct fence_listener *listeners;
	int listener_count;
	struct binding_row *bindings; /* as they are */
	int binding_count;
	struct port_listeners (*ports)[PORTS];
	__u32 (*binding_counts)[STANDING_COUNT]; /* by bindings[] */
};

static void cleanup_counted(struct counted *counted)
{
	free(counted->listeners);
	free(counted->bindings);
	free(counted->ports);
	free(counted->binding_counts);
}

static uint64_t misses_of(const struct bpf_program *program)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) < 0
		       ? 0
		       : info.recursion_misses;
}

uint64_t fence_watch_missed(const struct fence *fence)
{
	return fence->tables->host.watch_missed;
}

/* The sockets that a program finds in a map and writes out. Returns how many, or an error. */
static int find_stale(const struct bpf_program *program, const struct bpf_map *map,
		      uint64_t **sockets)
{
	union bpf_iter_link_info which = {.map.map_fd = (__u32)bpf_map__fd(map)};
	LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &which,
		    .iter_info_len = sizeof(which));
	_cleanup_close_ int link = bpf_link_create(bpf_program__fd(program), 0, BPF_TRACE_ITER,
						   &options);
	_cleanup_close_ int listing = link < 0 ? -1 : bpf_iter_create(link);
	_cleanup_free_ char *found = NULL;
	size_t used = 0;
	ssize_t size;

	if (listing < 0)
		return -errno;
	do {
		char *more = realloc(found, used + 4096);

		if (!more)
			return -ENOMEM;
		found = more;
		size = read(listing, found + used, 4096);
		used += size > 0 ? (size_t)size : 0;
	} while (size > 0 || (size < 0 && errno == EAGAIN));
	if (size < 0)
		return -errno;
	*sockets = (uint64_t *)TAKE_POINTER(found);
	return (int)(used / sizeof(uint64_t));
}

static bool was_stale(const struct fence *fence, const struct stale *stale)
{
	for (size_t i = 0; i < fence->stale_count; i++)
		if (fence->stale[i].socket == stale->socket &&
		    fence->stale[i].since_ns == stale->since_ns)
			return true;
	return false;
}

/* One whose beginning is under way looks the same: what is gone is so at two checks. */
static int drop_listeners(struct fence *fence, uint64_t *dropped)
{
	const struct bpf_map *map = fence->watch->maps.listeners;
	_cleanup_free_ uint64_t *sockets = NULL;
	_cleanup_free_ struct stale *list = NULL;
	const int count = find_stale(fence->watch->progs.find_stale_listeners, map, &sockets);
	size_t kept = 0;

	if (count < 0)
		return count;
	list = calloc((size_t)count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (int i = 0; i < count && sockets; i++) {
		struct listener listener;
		struct stale stale = {.socket = sockets[i]};

		if (bpf_map_lookup_elem(bpf_map__fd(map), &sockets[i], &listener))
			continue;
		stale.since_ns = listener.since_ns;
		if (!was_stale(fence, &stale))
			list[kept++] = stale;
		else if (!watch_drop_listener(fence, stale.socket, stale.since_ns))
			(*dropped)++;
	}
	free(fence->stale);
	fence->stale = TAKE_POINTER(list);
	fence->stale_count = kept;
	return 0;
}

int fence_watch_catch_up(struct fence *fence, uint64_t *missed, uint64_t *dropped,
			 struct error *error)
{
	uint64_t now;
	int code;

	*missed = 0;
	if (!fence->watch)
		return 0;
	now = misses_of(fence->watch->progs.watch_states) +
	      misses_of(fence->watch->progs.watch_programs);
	*missed = now - fence->watch_missed;
	if (!*missed)
		return 0;
	fence->watch_missed = now;
	fence->tables->host.watch_missed += *missed;
	code = drop_listeners(fence, dropped);
	return code ? error_set(error, code, "cannot find listeners that are gone: %s",
				strerror(-code))
		    : fence_list(fence, error);
}

static int drop_registrations(struct fence *fence)
{
	_cleanup_free_ uint64_t *sockets = NULL;
	const int count = find_stale(fence->watch->progs.find_stale_registrations,
				     fence->watch->maps.registrations, &sockets);

	for (int i = 0; i < count && sockets; i++)
		watch_drop_registration(fence, sockets[i]);
	return count < 0 ? count : 0;
}

static uint64_t begun(const struct fence *fence)
{
	return __atomic_load_n(&fence->tables->host.changes_begun, __ATOMIC_SEQ_CST);
}

static uint64_t done(const struct fence *fence)
{
	return __atomic_load_n(&fence->tables->host.changes_done, __ATOMIC_SEQ_CST);
}

static int find_binding(const struct counted *counted, const struct listener *listener)
{
	for (int i = 0; i < counted->binding_count; i++)
		if (counted->bindings[i].key.port == listener->port &&
		    !memcmp(counted->bindings[i].key.address, listener->address, 16))
			return i;
	return -1;
}

static void count_one(struct counted *counted, const struct listener *listener)
{
	const int binding = listener->reach & REACH_BINDING ? find_binding(counted, listener) : -1;

	if (listener->standing >= STANDING_COUNT)
		return;
	if (binding >= 0)
		counted->binding_counts[binding][listener->standing]++;
	if (!(listener->reach & REACH_BINDING))
		(*counted->ports)[listener->port].counts[listener->standing] +=
			(listener->reach & REACH_IPV4 ? COUNT_IPV4 : 0) +
			(listener->reach & REACH_IPV6 ? COUNT_IPV6 : 0);
}

/* Reads all that is counted. Returns 1 when nothing changed meanwhile, 0 when something did. */
static int count_all(const struct fence *fence, struct counted *counted)
{
	const uint64_t before = begun(fence);

	if (before != done(fence))
		return 0;
	counted->ports = calloc(1, sizeof(*counted->ports));
	counted->listener_count = fence_listeners(fence, &counted->listeners);
	counted->binding_count = watch_read_hash(fence->live->maps.bindings,
						 sizeof(struct binding_key), sizeof(struct binding),
						 (void **)&counted->bindings);
	if (!counted->ports || counted->listener_count < 0 || counted->binding_count < 0)
		return -ENOMEM;
	counted->binding_counts = calloc((size_t)counted->binding_count + 1,
					 sizeof(*counted->binding_counts));
	if (!counted->binding_counts)
		return -ENOMEM;
	for (int i = 0; i < counted->listener_count; i++)
		count_one(counted, &counted->listeners[i].listener);
	return begun(fence) == before;
}

/* Then there may be listeners that are counted, and have no entry. */
static bool is_full(const struct counted *counted)
{
	return counted->listener_count >= LISTENERS_MAX - 1;
}

static bool is_less(const __u32 *wanted, const __u32 *actual)
{
	for (size_t i = 0; i < STANDING_COUNT; i++)
		if ((wanted[i] & 0xffff) < (actual[i] & 0xffff) ||
		    wanted[i] >> 16 < actual[i] >> 16)
			return true;
	return false;
}

/* By the difference, which changes that come meanwhile leave as it is. */
static uint64_t correct_ports(const struct fence *fence, const struct counted *counted,
			      const struct port_listeners *actual)
{
	uint64_t corrected = 0;

	for (size_t port = 0; port < PORTS; port++) {
		const __u32 *wanted = (*counted->ports)[port].counts;

		if (!memcmp(wanted, actual[port].counts, sizeof(actual[port].counts)))
			continue;
		if (is_full(counted) && is_less(wanted, actual[port].counts))
			continue;
		corrected++;
		for (size_t i = 0; i < STANDING_COUNT; i++)
			__atomic_fetch_add(&fence->tables->here.listeners[port].counts[i],
					   wanted[i] - actual[port].counts[i], __ATOMIC_SEQ_CST);
		fence_suspect(fence->tables, 0, (uint16_t)port);
		fence_suspect(fence->tables, 1, (uint16_t)port);
	}
	return corrected;
}

static bool is_empty(const struct binding *binding)
{
	return !binding->counts[STANDING_SURE] && !binding->counts[STANDING_AUTOBOUND] &&
	       !binding->counts[STANDING_FIXED];
}

/*
 * Empty bindings are cleared away: what was counted there between look and deletion comes back
 * with it, and is put in again; what comes later is counted anew (binding_count() in counts.h).
 */
static uint64_t correct_bindings(const struct fence *fence, const struct counted *counted)
{
	const int map = bpf_map__fd(fence->live->maps.bindings);
	uint64_t corrected = 0;

	for (int i = 0; i < counted->binding_count; i++) {
		const struct binding_row *row = &counted->bindings[i];
		struct binding last = {};

		if (!memcmp(row->binding.counts, counted->binding_counts[i],
			    sizeof(row->binding.counts))) {
			if (is_empty(&row->binding) &&
			    !bpf_map_lookup_and_delete_elem(map, &row->key, &last) &&
			    !is_empty(&last))
				bpf_map_update_elem(map, &row->key, &last, BPF_NOEXIST);
			continue;
		}
		if (is_full(counted) && is_less(counted->binding_counts[i], row->binding.counts))
			continue;
		corrected += !watch_correct_binding(fence, &row->key, row->binding.counts,
						    counted->binding_counts[i]);
	}
	return corrected;
}

static bool is_nobody(const struct user *user)
{
	return !user->listeners && !user->registrations && !user->bindings && !user->failed;
}

static struct others count_others(const struct counted *counted,
				  const struct fence_registration *registrations, int count)
{
	struct others others = {};

	for (int i = 0; i < counted->listener_count; i++)
		others.listeners += counted->listeners[i].listener.account >= SYSTEM_ACCOUNTS;
	for (int i = 0; i < count; i++)
		others.registrations += registrations[i].registration.account >= SYSTEM_ACCOUNTS;
	for (int i = 0; i < counted->binding_count; i++)
		others.bindings += counted->bindings[i].binding.account >= SYSTEM_ACCOUNTS;
	return others;
}

/* What each user has: off by a change that comes meanwhile at most, and right at the next check. */
static int correct_users(const struct fence *fence, const struct counted *counted)
{
	const struct bpf_map *map = fence->watch->maps.users;
	_cleanup_free_ struct fence_registration *registrations = NULL;
	_cleanup_free_ struct fence_user *users = NULL;
	const int registration_count = fence_registrations(fence, &registrations);
	const int user_count = fence_users(fence, &users);

	if (user_count >= 0 && registration_count >= 0)
		fence->tables->host.others = count_others(counted, registrations,
							  registration_count);
	for (int i = 0; i < user_count && registration_count >= 0; i++) {
		struct user user = {.refused = users[i].user.refused,
				    .failed = users[i].user.failed / 2};

		for (int j = 0; j < counted->listener_count; j++)
			user.listeners += counted->listeners[j].listener.account ==
					  users[i].account;
		for (int j = 0; j < registration_count; j++)
			user.registrations += registrations[j].registration.account ==
					      users[i].account;
		for (int j = 0; j < counted->binding_count; j++)
			user.bindings += counted->bindings[j].binding.account == users[i].account;
		if (user_count > USERS_MAX / 2 && is_nobody(&user))
			bpf_map_delete_elem(bpf_map__fd(map), &users[i].account);
		else if (memcmp(&user, &users[i].user, sizeof(user)))
			bpf_map_update_elem(bpf_map__fd(map), &users[i].account, &user, BPF_EXIST);
	}
	return user_count < 0 ? user_count : registration_count < 0 ? registration_count : 0;
}

/* What found no room has some again: with its entry it is counted twice, until the recount. */
static void list_untracked(struct fence *fence)
{
	const uint64_t untracked = fence->tables->host.listeners_untracked;

	if (untracked == fence->untracked_listed)
		return;
	fence->untracked_listed = untracked;
	fence_list(fence, NULL);
}

/* Returns 1 when all was set right, 0 when too much changes to tell. */
static int recount(struct fence *fence, struct watch_findings *findings)
{
	_cleanup_(cleanup_counted) struct counted counted = {};
	_cleanup_free_ struct port_listeners *actual =
		malloc(sizeof(fence->tables->here.listeners));
	const uint64_t before = begun(fence);
	int code;

	if (!actual)
		return -ENOMEM;
	memcpy(actual, fence->tables->here.listeners, sizeof(fence->tables->here.listeners));
	code = count_all(fence, &counted);
	if (code <= 0 || before != begun(fence))
		return code < 0 ? code : 0;
	findings->corrected += correct_ports(fence, &counted, actual);
	findings->corrected += correct_bindings(fence, &counted);
	code = correct_users(fence, &counted);
	return code < 0 ? code : 1;
}

int fence_watch_check(struct fence *fence, struct watch_findings *findings, struct error *error)
{
	int code;

	*findings = (struct watch_findings){};
	if (!fence->watch)
		return 0;
	code = fence_watch_catch_up(fence, &findings->missed, &findings->dropped, error);
	if (code)
		return code;
	if (!findings->missed && fence->stale_count == 0 && begun(fence) == fence->checked_at &&
	    ++fence->checks_skipped < CHECKS_SKIPPED_MAX)
		return 0;
	fence->checks_skipped = 0;
	fence->checked_at = CHECK_FAILED;
	list_untracked(fence);
	if (!findings->missed)
		code = drop_listeners(fence, &findings->dropped);
	if (!code)
		code = drop_registrations(fence);
	for (int i = 0; i < ATTEMPTS && !code; i++)
		code = recount(fence, findings);
	if (code > 0)
		fence->checked_at = begun(fence);
	return code < 0 ? error_set(error, code, "cannot compare listeners and sockets: %s",
				    strerror(-code))
			: 0;
}
