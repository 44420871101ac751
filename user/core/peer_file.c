// SPDX-License-Identifier: BSD-2-Clause
#include "core/peer_file.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/text.h"

#define FILE_KIND "beamfence runtime peers"

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

int64_t peer_expires_s(const struct runtime_peer *peer, const struct moment *now)
{
	return peer->ttl_s ? now->wall_s + (peer->ends_ms - now->boot_ms + 999) / 1000 : 0;
}

bool peer_is_over(const struct runtime_peer *peer, int64_t boot_ms)
{
	return peer->ttl_s && peer->ends_ms <= boot_ms;
}

static int write_peer(FILE *out, const struct runtime_peer *peer, const struct moment *now)
{
	char prefix[PREFIX_TEXT_SIZE];
	_cleanup_(cleanup_json) json_t *object =
		json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "cluster", peer->cluster,
			  "prefix", prefix_format(&peer->prefix, prefix), "comment", peer->comment,
			  "added", (json_int_t)peer->added_s, "ttl_s", (json_int_t)peer->ttl_s,
			  "expires", (json_int_t)peer_expires_s(peer, now), "ends_boottime_ms",
			  (json_int_t)(peer->ttl_s ? peer->ends_ms : 0), "uid",
			  (json_int_t)peer->uid, "pid", (json_int_t)peer->pid);

	return object && !json_dumpf(object, out, JSON_COMPACT) ? 0 : -ENOMEM;
}

int peer_file_write(FILE *out, const struct runtime_peer *peers, size_t count,
		    const struct moment *now)
{
	const char *separator = "\n";

	fprintf(out, "{\"file\":\"" FILE_KIND "\",\"version\":%d,\"boot_id\":\"%s\",\"peers\":[",
		PEER_FILE_VERSION, now->boot_id);
	for (size_t i = 0; i < count; i++) {
		if (peer_is_over(&peers[i], now->boot_ms))
			continue;
		fputs(separator, out);
		if (write_peer(out, &peers[i], now))
			return ferror(out) ? -EIO : -ENOMEM;
		separator = ",\n";
	}
	fputs("\n]}\n", out);
	return ferror(out) ? -EIO : 0;
}

/* What one file is read with. */
struct reading {
	const struct moment *now;
	bool same_boot;
	size_t index; /* of the peer being read, from 1 */
	struct error *error;
};

static int refuse(const struct reading *reading, const char *what)
{
	return error_set(reading->error, -EINVAL, "peer %zu: %s", reading->index, what);
}

static int read_text(const struct reading *reading, const json_t *object, const char *name,
		     char *text, size_t size)
{
	const json_t *value = json_object_get(object, name);
	const size_t length = json_string_length(value);

	if (!json_is_string(value) || length >= size || strlen(json_string_value(value)) != length)
		return error_set(reading->error, -EINVAL, "peer %zu: its %s is no text that fits",
				 reading->index, name);
	strcpy(text, json_string_value(value));
	return 0;
}

static int read_number(const struct reading *reading, const json_t *object, const char *name,
		       json_int_t maximum, int64_t *number)
{
	const json_t *value = json_object_get(object, name);

	*number = json_integer_value(value);
	if (!json_is_integer(value) || *number < 0 || *number > maximum)
		return error_set(reading->error, -EINVAL, "peer %zu: its %s is no number in range",
				 reading->index, name);
	return 0;
}

/* When it ends by this boot's clock; never later than the time it was given from now on. */
static int read_end(const struct reading *reading, const json_t *object, struct runtime_peer *peer)
{
	const struct moment *now = reading->now;
	int64_t expires_s, ends_ms, left_ms;
	int code = read_number(reading, object, "ttl_s", INT32_MAX, &peer->ttl_s);

	if (!code)
		code = read_number(reading, object, "expires", INT64_MAX / 4000, &expires_s);
	if (!code)
		code = read_number(reading, object, "ends_boottime_ms", INT64_MAX / 4, &ends_ms);
	if (code || !peer->ttl_s)
		return code;
	left_ms = reading->same_boot ? ends_ms - now->boot_ms : (expires_s - now->wall_s) * 1000;
	if (left_ms > peer->ttl_s * 1000)
		left_ms = peer->ttl_s * 1000;
	peer->ends_ms = now->boot_ms + left_ms;
	return 0;
}

static int read_peer(const struct reading *reading, const json_t *object, struct runtime_peer *peer)
{
	char text[PREFIX_TEXT_SIZE];
	int64_t uid, pid;
	int code;

	*peer = (struct runtime_peer){};
	if (!json_is_object(object))
		return refuse(reading, "it is no object");
	code = read_text(reading, object, "cluster", peer->cluster, sizeof(peer->cluster));
	if (!code && !peer->cluster[0])
		code = refuse(reading, "its cluster has no name");
	if (!code)
		code = read_text(reading, object, "comment", peer->comment, sizeof(peer->comment));
	if (!code)
		code = read_text(reading, object, "prefix", text, sizeof(text));
	if (!code && prefix_parse(text, &peer->prefix, NULL))
		code = error_set(reading->error, -EINVAL, "peer %zu: %s is no prefix",
				 reading->index, QUOTE(text));
	if (!code)
		code = read_number(reading, object, "added", INT64_MAX / 4000, &peer->added_s);
	if (!code)
		code = read_number(reading, object, "uid", UINT32_MAX, &uid);
	if (!code)
		code = read_number(reading, object, "pid", INT32_MAX, &pid);
	if (code)
		return code;
	peer->uid = (uint32_t)uid;
	peer->pid = (int32_t)pid;
	return read_end(reading, object, peer);
}

static int read_peers(struct reading *reading, const json_t *list, struct runtime_peer **peers,
		      size_t *count)
{
	const size_t total = json_array_size(list);
	_cleanup_free_ struct runtime_peer *read = NULL;
	size_t kept = 0;

	if (!json_is_array(list) || total > RUNTIME_PEERS_MAX)
		return error_set(reading->error, -EINVAL, "it has no list of at most %d peers",
				 RUNTIME_PEERS_MAX);
	read = calloc(total + 1, sizeof(*read));
	if (!read)
		return error_set(reading->error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < total; i++) {
		int code;

		reading->index = i + 1;
		code = read_peer(reading, json_array_get(list, i), &read[kept]);
		if (code)
			return code;
		kept += !peer_is_over(&read[kept], reading->now->boot_ms);
	}
	*peers = kept ? TAKE_POINTER(read) : NULL;
	*count = kept;
	return 0;
}

int peer_file_read(const char *text, size_t size, const struct moment *now,
		   struct runtime_peer **peers, size_t *count, struct error *error)
{
	struct reading reading = {.now = now, .error = error};
	json_error_t where;
	_cleanup_(cleanup_json)
		json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
	const char *kind = json_string_value(json_object_get(root, "file"));
	const char *boot_id = json_string_value(json_object_get(root, "boot_id"));
	const json_t *version = json_object_get(root, "version");

	if (!root)
		return error_set(error, -EINVAL, "line %d: not valid JSON: %s", where.line,
				 where.text);
	if (!kind || strcmp(kind, FILE_KIND) || !json_is_integer(version))
		return error_set(error, -EINVAL, "it is no file of beamfence's runtime peers");
	if (json_integer_value(version) != PEER_FILE_VERSION)
		return error_set(error, -EPROTONOSUPPORT,
				 "it is of version %" JSON_INTEGER_FORMAT ", and this agent "
				 "reads version %d",
				 json_integer_value(version), PEER_FILE_VERSION);
	reading.same_boot = boot_id && *boot_id && !strcmp(boot_id, now->boot_id);
	return read_peers(&reading, json_object_get(root, "peers"), peers, count);
}
