// SPDX-License-Identifier: BSD-2-Clause
/* Replies of the control protocol, as they are queued for a client. */
#include <errno.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>

#include "agent/control_internal.h"
#include "core/cleanup.h"
#include "core/json_text.h"
#include "core/protocol.h"

/* Queues @reply as a line. Returns 0, or a negative errno with nothing queued. */
static int queue_reply(struct client *client, json_t *reply)
{
	struct control *control = client->control;
	_cleanup_free_ char *line = json_text(reply, JSON_COMPACT);
	size_t pending = 0, length;

	if (!line)
		return -ENOMEM;
	length = strlen(line);
	for (const struct client *other = control->clients; other; other = other->next)
		pending += client_pending(other);
	if (length > CONTROL_REPLY_SMALL && pending + length > CONTROL_PENDING_MAX)
		return -E2BIG;
	line[length] = '\n'; /* in place of the terminating NUL */
	return bufferevent_write(client->stream, line, length + 1) ? -ENOMEM : 0;
}

/* Text as JSON, even when it is not UTF-8, as the rest of a line that was cut may be. */
static json_t *text_to_json(const char *text)
{
	json_t *string = json_string(text);
	char ascii[sizeof(((struct error *)NULL)->text)];
	size_t i;

	if (string)
		return string;
	for (i = 0; text[i] && i < sizeof(ascii) - 1; i++)
		ascii[i] = (char)((unsigned char)text[i] < 0x80 ? text[i] : '?');
	ascii[i] = '\0';
	return json_string(ascii);
}

/* What a program can tell of an error: see core/protocol.h. */
static const char *code_name(int code)
{
	switch (code) {
	case -EINVAL:
		return "invalid";
	case -EPROTONOSUPPORT:
		return "version";
	case -ENOSYS:
		return "unknown";
	case -EPERM:
	case -EACCES:
		return "denied";
	case -ENOENT:
	case -ENODEV:
		return "not-found";
	case -EBUSY:
		return "busy";
	case -E2BIG:
	case -EMSGSIZE:
		return "limit";
	case -ECANCELED:
		return "cuts";
	default:
		return "failed";
	}
}

/* Sends the refusal, with what it is about, which is taken over; NULL for no more than the text. */
static void reply_error(struct client *client, int code, const char *text, json_t *result)
{
	json_t *reply = json_pack("{s:i, s:b, s:o, s:s, s:o*}", "version", PROTOCOL_VERSION, "ok",
				  0, "error", text_to_json(text), "code", code_name(code), "result",
				  result);

	if (!reply || queue_reply(client, reply))
		client->last_reply = true;
	json_decref(reply);
}

void client_error(struct client *client, int code, const char *text)
{
	reply_error(client, code, text, NULL);
}

/* Sends @result, and takes it over. */
static void reply_result(struct client *client, json_t *result)
{
	json_t *reply = json_pack("{s:i, s:b, s:o}", "version", PROTOCOL_VERSION, "ok", 1, "result",
				  result ? result : json_null());
	int code = reply ? queue_reply(client, reply) : -ENOMEM;

	json_decref(reply);
	if (code == -E2BIG)
		client_error(client, -EBUSY,
			     "the reply is too large while others wait: try again later");
	else if (code)
		client_error(client, code, "the agent is out of memory");
}

void client_outcome(struct client *client, int code, json_t *result, const struct error *error)
{
	if (!code) {
		reply_result(client, result);
		return;
	}
	if (code != -ECANCELED) {
		json_decref(result);
		result = NULL;
	}
	reply_error(client, code, error->text[0] ? error->text : strerror(-code), result);
}
