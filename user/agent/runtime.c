// SPDX-License-Identifier: BSD-2-Clause
#include "agent/runtime.h"

#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "agent/log.h"
#include "core/cleanup.h"

/* A file by which one peer is there twice is no file of ours; the first one counts. */
static void take_peers(struct runtime *runtime, const struct runtime_peer *peers, size_t count)
{
	struct peer_list *list = &runtime->agent->peers;

	for (size_t i = 0; i < count; i++)
		if (!peer_list_find(list, peers[i].cluster, &peers[i].prefix))
			peer_list_add(list, &peers[i]);
}

void runtime_load(struct runtime *runtime, struct agent *agent, struct commands *commands,
		  const char *state_dir)
{
	_cleanup_free_ struct runtime_peer *peers = NULL;
	struct error error = {};
	struct moment now;
	size_t count;

	*runtime = (struct runtime){.agent = agent, .commands = commands};
	commands->state_dir = state_dir;
	if (state_open(state_dir, &runtime->state, &error)) {
		log_line(LOG_WARNING, error.text, NULL);
		agent->keeper_error = error;
		return;
	}
	moment_now(&now);
	if (state_load(runtime->state, &now, &peers, &count, &error))
		log_line(LOG_ERR, error.text, NULL);
	take_peers(runtime, peers, count);
}

int runtime_start(struct runtime *runtime, struct error *error)
{
	struct agent *agent = runtime->agent;
	const int code = agent_start(agent, error);

	if (code != -E2BIG || !agent->peers.count)
		return code;
	log_line(LOG_ERR, "the runtime peers do not fit in with the configuration: set aside",
		 "error", error->text, "file", STATE_FILE_BAD, NULL);
	state_set_aside(runtime->state);
	peer_list_free(&agent->peers);
	return agent_start(agent, error);
}

static void log_end(void *context, const struct runtime_peer *peer)
{
	char text[PREFIX_TEXT_SIZE];

	(void)context;
	log_line(LOG_NOTICE, "runtime peer's time is over", "cluster", peer->cluster, "prefix",
		 prefix_format(&peer->prefix, text), NULL);
}

void runtime_update(struct runtime *runtime)
{
	boot_timer_set(runtime->expiry,
		       agent_expire_peers(runtime->agent, boot_ms_now(), log_end, NULL));
}

static void on_expiry(void *context)
{
	runtime_update(context);
}

static void on_report(void *context, const struct error *error)
{
	(void)context;
	if (error)
		log_line(LOG_ERR, "runtime peers are not kept", "error", error->text, NULL);
	else
		log_line(LOG_NOTICE, "runtime peers are kept again", NULL);
}

/*
 * The list is written at once: with ends by this boot's clock, and to learn early whether it can
 * be.
 */
static int open_keeper(struct runtime *runtime, struct event_base *base, struct error *error)
{
	int code = keeper_open(base, runtime->state, on_report, runtime, &runtime->keeper, error);

	if (code)
		return code;
	runtime->agent->keeper = runtime->keeper;
	code = keeper_save(runtime->keeper, &runtime->agent->peers, NULL, NULL, 0);
	return code ? error_set(error, code, "out of memory") : 0;
}

int runtime_open(struct runtime *runtime, struct event_base *base, struct error *error)
{
	int code = boot_timer_open(base, on_expiry, runtime, &runtime->expiry);

	if (code)
		return error_set(error, code, "cannot make a timer: %s", strerror(-code));
	runtime_update(runtime);
	return runtime->state ? open_keeper(runtime, base, error) : 0;
}

void runtime_close(struct runtime *runtime)
{
	keeper_close(runtime->keeper);
	state_close(runtime->state);
	boot_timer_close(runtime->expiry);
}
