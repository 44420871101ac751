// SPDX-License-Identifier: BSD-2-Clause
/* A configuration that is whole by itself, held against what is in force on this host. */
#include "cli/live.h"

#include <errno.h>

#include "cli/client.h"
#include "cli/escape.h"
#include "cli/print.h"
#include "core/cleanup.h"
#include "core/document.h"
#include "core/protocol.h"

json_t *configuration_arguments(const char *path, struct error *error)
{
	_cleanup_free_ char *content = NULL;
	size_t size = 0;
	json_t *text, *arguments;

	if (document_read_file(path, &content, &size, error))
		return NULL;
	if (size >= PROTOCOL_LONG_LINE_MAX) {
		document_error(path, 0, error, -E2BIG,
			       "has %zu bytes, and at most %u can be tried: install it and reload",
			       size, PROTOCOL_LONG_LINE_MAX);
		return NULL;
	}
	text = json_stringn(content, size);
	arguments = text ? json_pack("{s:o, s:s}", "config", text, "name", path) : NULL;
	if (!arguments)
		document_error(path, 0, error, -EINVAL, "its name or its content is not UTF-8");
	return arguments;
}

/* Whether the agent has judged the file at all, and had something against it. */
static json_t *describe_refusal(const struct error *error)
{
	_cleanup_free_ char *escaped = escape(error->text);

	return json_pack("{s:s}", "live_error", escaped ? escaped : "");
}

json_t *live_review(const struct cli *cli, const char *path, bool refuse, struct error *refusal)
{
	struct error error = {""};
	json_t *arguments = configuration_arguments(path, &error);
	json_t *result = NULL;
	int code;

	if (!arguments)
		return NULL;
	if (refuse)
		json_object_set_new(arguments, "cuts", json_string("refuse"));
	code = client_request(cli->socket, CLIENT_SLOW_TIMEOUT_MS, "check", arguments, &result,
			      &error);
	json_decref(arguments);
	if (result && code)
		*refusal = error;
	else if (code == -EREMOTEIO || code == -ETIMEDOUT)
		return describe_refusal(&error);
	return result;
}

int print_live_review(const json_t *review, FILE *out)
{
	if (json_is_string(json_object_get(review, "live_error")))
		return print_members(out, review, "warning: the agent of this host says: %s\n",
				     "live_error");
	if (!json_object_get(review, "changes"))
		return 0;
	fputs("on this host, against what is in force:\n", out);
	return print_review(review, "would cut", out);
}
