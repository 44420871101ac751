// SPDX-License-Identifier: BSD-2-Clause
#include "agent/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>

static const unsigned int needed[] = {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON};

#define NEEDED_COUNT (sizeof(needed) / sizeof(needed[0]))

static bool types_kept; /* CAP_SYS_ADMIN is permitted, and not in use */

int privileges_check(struct error *error)
{
	if (capng_get_caps_process() < 0)
		return error_set(error, -EPERM, "cannot read the capabilities of this process");
	for (size_t i = 0; i < NEEDED_COUNT; i++)
		if (!capng_have_capability(CAPNG_EFFECTIVE, needed[i]))
			return error_set(error, -EPERM,
					 "needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON: run it as "
					 "root, or give it those capabilities");
	return 0;
}

/* Of this process, as it is to be from now on. */
static void choose(bool types, bool types_in_use)
{
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < NEEDED_COUNT; i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, needed[i]);
	if (types)
		capng_update(CAPNG_ADD, CAPNG_PERMITTED, CAP_SYS_ADMIN);
	if (types_in_use)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
}

/*
 * Where more is refused, the kernel refuses what it was for, too; fewer it refuses to nobody.
 * libcap-ng 0.8.5 wants the result to be looked at.
 */
static void apply(void)
{
	const int result = capng_apply(CAPNG_SELECT_CAPS);

	(void)result;
}

int privileges_drop(bool keep_types, struct error *error)
{
	const bool bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);

	types_kept = keep_types && capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
	choose(types_kept, false);
	if (capng_apply(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) < 0)
		return error_set(error, -EPERM, "cannot give up capabilities: %s", strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(error, -errno, "cannot set no_new_privs: %s", strerror(errno));
	return 0;
}

void privileges_raise(void)
{
	if (!types_kept)
		return;
	choose(true, true);
	apply();
}

void privileges_lower(bool for_good)
{
	if (!types_kept)
		return;
	types_kept = !for_good;
	choose(types_kept, false);
	apply();
}

void privileges_leave(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	apply();
}
