// SPDX-License-Identifier: BSD-2-Clause
/* The sections "metrics" and "control": where the agent can be asked. */
#include <sys/un.h>

#include "core/config_read.h"
#include "core/protocol.h"
#include "core/text.h"

static int read_metrics_listen(struct reader *reader, const struct key *key,
			       const struct node *value, void *target)
{
	struct config *config = target;

	(void)key;
	return read_listen(reader, value, &config->metrics_host, &config->metrics_port);
}

static const struct form form_listen = {
	.kind = FORM_TEXT,
	.pattern = "^(off|unix:/[\\s\\S]*[^/]|[0-9.]+:" PATTERN_PORT
		   "|\\[[0-9A-Fa-f:.]+\\]:" PATTERN_PORT ")$",
};
static const struct key metrics_keys[] = {
	{
		.name = "listen",
		.form = &form_listen,
		.read = read_metrics_listen,
		.about = "Where the metrics are: an address and port, such as 127.0.0.1:9369 or "
			 "[::1]:9369; unix: and the path of a socket; or off.",
		.otherwise = "\"127.0.0.1:9369\"",
	},
};
const struct form form_metrics = {.kind = FORM_SECTION, FORM_KEYS(metrics_keys)};

static int read_control_socket(struct reader *reader, const struct key *key,
			       const struct node *value, void *target)
{
	struct config *config = target;

	(void)key;
	return read_socket_path(reader, value, &config->control_socket);
}

static int read_control_group(struct reader *reader, const struct key *key,
			      const struct node *value, void *target)
{
	struct config *config = target;

	return read_word(reader, key->form, value, &config->control_group);
}

static int read_control_readers(struct reader *reader, const struct key *key,
				const struct node *value, void *target)
{
	struct config *config = target;

	return read_word(reader, key->form, value, &config->control_readers);
}

static const struct form form_group = {
	.kind = FORM_WORD,
	.first = "a-z_",
	.following = "a-z0-9_-",
	.noun = "a group's name",
	.letters = "lower-case letters, digits, '_', '-'",
	.max = 32,
};
static const struct form form_socket_path = {
	.kind = FORM_TEXT,
	.pattern = "^/[\\s\\S]*[^/]$",
	.max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1,
};
static const struct key control_keys[] = {
	{
		.name = "socket",
		.form = &form_socket_path,
		.read = read_control_socket,
		.about = "Where the control socket is. A change takes a restart.",
		.otherwise = "\"" PROTOCOL_SOCKET_DEFAULT "\"",
	},
	{
		.name = "group",
		.form = &form_group,
		.read = read_control_group,
		.about = "The group that may use it. A change takes a restart.",
		.otherwise = "\"beamfence\"",
	},
	{
		.name = "readers",
		.form = &form_group,
		.read = read_control_readers,
		.about = "A group that may look and change nothing, by the "
			 "socket " PROTOCOL_READ_SOCKET
			 " in the same directory. A change takes a restart.",
	},
};
const struct form form_control = {.kind = FORM_SECTION, FORM_KEYS(control_keys)};

int read_control(struct reader *reader, const struct key *key, const struct node *value,
		 void *target)
{
	const struct config *config = target;
	char path[PROTOCOL_PATH_SIZE];
	int result = read_section(reader, key->form, value, target);

	if (!result && config->control_readers &&
	    !protocol_read_socket(config->control_socket, path))
		return reader_error(reader, value->line,
				    "readers: their socket is " PROTOCOL_READ_SOCKET " beside %s, "
				    "which is too long or the same: name another control socket",
				    QUOTE(config->control_socket));
	return result;
}
