// SPDX-License-Identifier: BSD-2-Clause
#include "agent/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "daemon/log.h"

/* A file by which one peer is there twice is no file of ours; the first one counts. */
static void take_peers(struct runtime *runtime, const struct runtime_peer *peers, size_t count)
{
	struct peer_list *list = &runtime->agent->peers;

	for (size_t i = 0; i < count; i++)
		if (!peer_list_find(list, peers[i].cluster, &peers[i].prefix))
			peer_list_add(list, &peers[i]);
}

/* Once; where it fails, its line is in the log. */
static void open_store(struct runtime *runtime)
{
	if (runtime->store || runtime->store_error.text[0])
		return;
	if (store_open(runtime->state_dir, &runtime->store, &runtime->store_error))
		log_line(LOG_WARNING, runtime->store_error.text, NULL);
}

/* Takes the last good configuration in place of the file, which has this @reason against it. */
static int fall_back(struct runtime *runtime, const struct error *reason, struct error *error)
{
	_cleanup_free_ char *text = NULL, *name = NULL;
	struct error second = {};
	int64_t since_s;
	size_t size;
	int code = -ENOENT;

	open_store(runtime);
	if (runtime->store)
		code = store_load_config(runtime->store, &text, &size, &since_s, &second);
	else
		second = runtime->store_error;
	if (!code && asprintf(&name, "%s/" LAST_GOOD, runtime->state_dir) < 0)
		code = error_set(&second, -ENOMEM, "out of memory");
	if (!code)
		code = agent_load_last_good(runtime->agent, name, text, size, since_s, reason,
					    &second);
	if (code)
		return error_set(error, code, "%s (and %s)", reason->text, second.text);
	log_line(LOG_CRIT, "the configuration cannot be used: the last good one is put into force",
		 "error", reason->text, "file", name, NULL);
	return 0;
}

int runtime_configure(struct runtime *runtime, struct agent *agent, const char *config_path,
		      const char *state_dir, struct error *error)
{
	struct error reason;

	*runtime = (struct runtime){.agent = agent, .state_dir = state_dir};
	if (!agent_load(agent, config_path, &reason))
		return 0;
	return fall_back(runtime, &reason, error);
}

/* Whether somebody has changed the file since it was last in force. */
static void compare_with_last_good(struct runtime *runtime)
{
	struct agent *agent = runtime->agent;
	const int same = agent->good_text ? store_has_config(runtime->store, agent->good_text,
							     agent->good_size)
					  : 1;

	agent->text_is_new = !same;
}

void runtime_load(struct runtime *runtime, struct commands *commands)
{
	_cleanup_free_ struct runtime_peer *peers = NULL;
	struct error error = {};
	struct moment now;
	size_t count;

	runtime->commands = commands;
	runtime->agent->state_dir = runtime->state_dir;
	open_store(runtime);
	runtime->agent->saver_error = runtime->store_error;
	if (!runtime->store)
		return;
	compare_with_last_good(runtime);
	moment_now(&now);
	if (store_load_peers(runtime->store, &now, &peers, &count, &error))
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
		 "error", error->text, "file", STORE_PEERS_BAD, NULL);
	store_set_peers_aside(runtime->store);
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
		       agent_expire_peers(runtime->agent, boottime_ms(), log_end, NULL));
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

static void on_config_report(void *context, const struct error *error)
{
	(void)context;
	if (error)
		log_line(LOG_ERR, "the configuration is not kept as the last good one", "error",
			 error->text, NULL);
	else
		log_line(LOG_NOTICE, "the configuration is kept as the last good one again", NULL);
}

/*
 * The list is written at once: with ends by this boot's clock, and to learn early whether it can
 * be.
 */
static int open_savers(struct runtime *runtime, struct event_base *base, struct error *error)
{
	int code = saver_open(base, runtime->store, &saver_of_peers, on_report, runtime,
			      &runtime->saver, error);

	if (!code)
		code = saver_open(base, runtime->store, &saver_of_config, on_config_report, runtime,
				  &runtime->config_saver, error);
	if (code)
		return code;
	runtime->agent->saver = runtime->saver;
	runtime->agent->config_saver = runtime->config_saver;
	code = saver_save(runtime->saver, &runtime->agent->peers, NULL, NULL, 0);
	return code ? error_set(error, code, "out of memory") : 0;
}

int runtime_open(struct runtime *runtime, struct event_base *base, struct error *error)
{
	int code = boot_timer_open(base, on_expiry, runtime, &runtime->expiry);

	if (code)
		return error_set(error, code, "cannot make a timer: %s", strerror(-code));
	runtime_update(runtime);
	if (runtime->store)
		code = open_savers(runtime, base, error);
	runtime_keep_config(runtime);
	return code;
}

void runtime_keep_config(struct runtime *runtime)
{
	size_t size;
	char *text = agent_take_good(runtime->agent, &size);

	if (text && runtime->config_saver)
		saver_save_config(runtime->config_saver, text, size);
	else
		free(text);
}

void runtime_close(struct runtime *runtime)
{
	saver_close(runtime->saver);
	saver_close(runtime->config_saver);
	store_close(runtime->store);
	boot_timer_close(runtime->expiry);
}
