/* SPDX-License-Identifier: GPL-2.0-only */
/* How much of the watch's tables one user may take: struct user in contract.h. */
#ifndef BEAMFENCE_USERS_H
#define BEAMFENCE_USERS_H

#include <stdbool.h>

#include "bindings.h"

/* The filter's tables: the agent puts that map in the place of this one. */
struct tables tables;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, USERS_MAX);
	__type(key, __u32);
	__type(value, struct user);
} users SEC(".maps");

/* NULL where there is no room for one more. */
static __always_inline struct user *user_find(__u32 account)
{
	const struct user none = {};
	struct user *user = bpf_map_lookup_elem(&users, &account);

	if (user)
		return user;
	bpf_map_update_elem(&users, &account, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&users, &account);
}

/*
 * A count may be below zero for a while: the agent sets it right by what it has read, and somebody
 * may come just then, and go.
 */
static __always_inline bool count_within(__u32 *count, __u32 limit)
{
	if ((__s32)__sync_fetch_and_add(count, 1) < (__s32)limit)
		return true;
	__sync_fetch_and_add(count, -1);
	return false;
}

/*
 * Takes one more of what @count of his and @others of all users' count, unless that is past a
 * limit.
 */
static __always_inline bool user_take(__u32 account, struct user *user, __u32 *count, __u32 limit,
				      __u32 *others, __u32 size)
{
	const bool system = account < SYSTEM_ACCOUNTS;

	if (!user && system)
		return true;
	if (user && count_within(count, limit)) {
		if (system || count_within(others, size - KEPT_FOR_SYSTEM))
			return true;
		__sync_fetch_and_add(count, -1);
	}
	if (user)
		__sync_fetch_and_add(&user->refused, 1);
	__sync_fetch_and_add(&tables.host.listeners_refused, 1);
	return false;
}

static __always_inline bool user_takes_listener(__u32 account)
{
	struct user *user = user_find(account);

	return user_take(account, user, &user->listeners, USER_LISTENERS_MAX,
			 &tables.host.others.listeners, LISTENERS_MAX);
}

static __always_inline bool user_takes_registration(__u32 account)
{
	struct user *user = user_find(account);

	return user_take(account, user, &user->registrations, USER_REGISTRATIONS_MAX,
			 &tables.host.others.registrations, REGISTRATIONS_MAX);
}

static __always_inline bool user_takes_binding(__u32 account)
{
	struct user *user = user_find(account);

	return user_take(account, user, &user->bindings, USER_BINDINGS_MAX,
			 &tables.host.others.bindings, BINDINGS_MAX);
}

static __always_inline void user_gives_listener(__u32 account, __u32 failed)
{
	struct user *user = bpf_map_lookup_elem(&users, &account);

	if (!user)
		return;
	__sync_fetch_and_add(&user->listeners, -1);
	if (account >= SYSTEM_ACCOUNTS)
		__sync_fetch_and_add(&tables.host.others.listeners, -1);
	if (failed)
		__sync_fetch_and_add(&user->failed, failed);
}

static __always_inline bool user_fails(__u32 account)
{
	const struct user *user = bpf_map_lookup_elem(&users, &account);

	return user && user->failed > USER_FAILED_MAX;
}

static __always_inline void user_gives_registration(__u32 account)
{
	struct user *user = bpf_map_lookup_elem(&users, &account);

	if (!user)
		return;
	__sync_fetch_and_add(&user->registrations, -1);
	if (account >= SYSTEM_ACCOUNTS)
		__sync_fetch_and_add(&tables.host.others.registrations, -1);
}

#endif
