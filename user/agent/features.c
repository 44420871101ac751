// SPDX-License-Identifier: BSD-2-Clause
#include "agent/features.h"

#include <string.h>
#include <syslog.h>

#include "agent/events.h"
#include "agent/privileges.h"
#include "core/clock.h"
#include "daemon/log.h"

#define WAIT_MIN_MS 4000 /* less than the time between two checks */
#define WAIT_MAX_MS (600 * 1000)

static enum gained retry(struct agent *agent)
{
	int code = 0;

	if (events_retry(agent->events))
		log_line(LOG_NOTICE, "drops are events again", NULL);
	if (fence_may_gain(agent->fence)) {
		privileges_raise();
		code = fence_gain(agent->fence);
		privileges_lower(fence_features(agent->fence).conntrack);
	}
	if (code > 0) {
		log_line(LOG_NOTICE, "the kernel now does what it refused before", NULL);
		features_log(agent);
	}
	if (agent_regain_watch(agent)) {
		log_line(LOG_NOTICE, "the listener watch is loaded now", NULL);
		return GAINED_WATCH;
	}
	return code > 0 ? GAINED_PROGRAMS : GAINED_NOTHING;
}

enum gained features_retry(struct features *features, struct agent *agent)
{
	const int64_t now_ms = boottime_ms();
	enum gained gained;

	if (!fence_may_gain(agent->fence) && !agent->watch_error.text[0] &&
	    !events_problem(agent->events)[0]) {
		*features = (struct features){};
		return GAINED_NOTHING;
	}
	if (now_ms < features->due_ms)
		return GAINED_NOTHING;
	gained = retry(agent);
	features->wait_ms = features->wait_ms ? 2 * features->wait_ms : WAIT_MIN_MS;
	if (features->wait_ms > WAIT_MAX_MS)
		features->wait_ms = WAIT_MAX_MS;
	features->due_ms = now_ms + features->wait_ms;
	return gained;
}

void features_log(const struct agent *agent)
{
	struct fence_lack lacks[FENCE_LACKS_MAX];
	const size_t count = fence_lacks(agent->fence, lacks);

	for (size_t i = 0; i < count; i++)
		log_line(LOG_INFO, "goes without", "what", lacks[i].why, NULL);
}
