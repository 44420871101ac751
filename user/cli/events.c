// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/event_filter.h"
#include "cli/interrupt.h"
#include "cli/print.h"
#include "core/protocol.h"

#define LAST_MAX    1536 /* more are never remembered */
#define LAST_FOLLOW 10	 /* so many of before, when there are more to come */

static int show(const struct cli *cli, const json_t *event)
{
	if (!cli->json)
		return print_event(event, stdout);
	if (json_dumpf(event, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(16)))
		return ferror(stdout) ? 0 : -ENOMEM;
	fputc('\n', stdout);
	return 0;
}

static int show_all(const struct cli *cli, const json_t *list)
{
	int code = 0;

	for (size_t i = 0; i < json_array_size(list) && !code; i++)
		code = show(cli, json_array_get(list, i));
	fflush(stdout);
	return code;
}

/* Shows what comes until somebody ends it: this side, the agent, or who reads stdout. */
static enum status follow(const struct cli *cli, const struct event_filter *filter,
			  struct client_stream *stream, struct error *error)
{
	while (!interrupted() && !ferror(stdout)) {
		json_t *event = NULL;
		int code = client_stream_next(stream, &event, error);

		if (code > 0) {
			code = event_filter_fits(filter, event) ? show(cli, event) : 0;
			json_decref(event);
		} else if (!code) {
			fflush(stdout);
			interrupt_wait(client_stream_fd(stream), -1, -1);
		}
		if (code < 0)
			return code == -ECONNRESET ? STATUS_NO_AGENT : STATUS_FAILED;
	}
	return STATUS_DONE;
}

/* On the control socket, and where that is not for this user on the one for readers. */
static int open_stream(const struct cli *cli, json_t *request, struct client_stream **stream,
		       json_t **last, struct error *error)
{
	char path[PROTOCOL_PATH_SIZE];
	int code = client_stream_open(cli->socket, CLIENT_TIMEOUT_MS, "events", request, stream,
				      last, error);

	if (code == -EACCES && protocol_read_socket(cli->socket, path) &&
	    !client_stream_open(path, CLIENT_TIMEOUT_MS, "events", request, stream, last, NULL))
		code = 0;
	return code;
}

static enum status open_and_follow(const struct cli *cli, const struct event_filter *filter,
				   json_t *arguments, size_t limit, struct error *error)
{
	struct client_stream *stream = NULL;
	enum status status;
	json_t *last = NULL;
	int code;

	json_object_set_new(arguments, "follow", json_true());
	code = open_stream(cli, arguments, &stream, &last, error);
	json_decref(arguments);
	if (code)
		return cli_status(code);
	interrupt_catch(false);
	event_filter_list(filter, last, limit);
	code = show_all(cli, last);
	status = code ? STATUS_FAILED : follow(cli, filter, stream, error);
	json_decref(last);
	client_stream_close(stream);
	return status;
}

enum status run_events(const struct cli *cli, const struct arguments *arguments,
		       struct error *error)
{
	const char *last = arguments_option(arguments, "--last");
	const bool follows = arguments_option(arguments, "--follow");
	struct event_filter filter;
	json_t *list = NULL, *request;
	enum status status;
	long limit;

	if (event_filter_read(arguments, &filter, error))
		return STATUS_USAGE;
	limit = follows && filter.since <= 0 ? LAST_FOLLOW : LAST_MAX;
	if (last && parse_number(last, "number of events", 0, LAST_MAX, &limit, error))
		return STATUS_USAGE;
	/* All of them where some will be left out; an agent remembers what it remembers. */
	request = limit == LAST_MAX || event_filter_is_any(&filter)
			  ? json_object()
			  : json_pack("{s:i}", "last", (int)limit);
	if (follows)
		return open_and_follow(cli, &filter, request, (size_t)limit, error);
	status = cli_ask(cli, CLIENT_TIMEOUT_MS, "events", request, &list, error);
	event_filter_list(&filter, list, (size_t)limit);
	if (status == STATUS_DONE && show_all(cli, list) < 0) {
		error_set(error, -ENOMEM, "out of memory");
		status = STATUS_FAILED;
	}
	json_decref(list);
	return status;
}
