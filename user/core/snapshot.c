// SPDX-License-Identifier: BSD-2-Clause
#include "core/snapshot.h"

static const struct {
	const char *name;
	const char *text;
	enum verdict verdict;
} reasons[] = {
#define REASON_ROW(id, name, verdict, text) [REASON_##id] = {name, text, VERDICT_##verdict},
	REASONS(REASON_ROW)
#undef REASON_ROW
};

const char *zone_name(enum zone zone)
{
	static const char *const names[] = {"none", "client", "cluster", "trusted"};

	return zone < ZONE_COUNT ? names[zone] : "?";
}

const char *mode_name(enum mode mode)
{
	return mode == MODE_AUDIT ? "audit" : "enforce";
}

const char *verdict_name(enum verdict verdict)
{
	return verdict == VERDICT_DROP ? "drop" : "pass";
}

const char *reason_name(enum reason reason)
{
	return reason < REASON_COUNT ? reasons[reason].name : "?";
}

const char *reason_text(enum reason reason)
{
	return reason < REASON_COUNT ? reasons[reason].text : "?";
}

bool reason_is_drop(enum reason reason)
{
	return reason < REASON_COUNT && reasons[reason].verdict == VERDICT_DROP;
}

const char *attach_mode_name(enum attach_mode mode)
{
	static const char *const names[] = {"none", "native", "generic"};

	return names[mode];
}
