// SPDX-License-Identifier: BSD-2-Clause
/* Which device has which base. */
#include "kernel/internal.h"

struct base *base_find(struct fence *fence, uint32_t ifindex)
{
	for (size_t i = 1; i < ALL_BASES; i++)
		if (fence->bases[i].ifindex == ifindex)
			return &fence->bases[i];
	return NULL;
}

bool base_is_upper(const struct fence *fence, const struct base *base)
{
	return base >= fence->bases + BASES_MAX;
}

bool plan_upper_has_base(const struct plan_upper *upper)
{
	return !upper->no_room && upper->zone != ZONE_NONE;
}
