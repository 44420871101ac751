// SPDX-License-Identifier: BSD-2-Clause
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/interrupt.h"
#include "cli/pcapng.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/text.h"

#define SIZE_DEFAULT (64u << 20)
#define COUNT_MAX    1000000000L
#define LAST_LINE_MS 2000 /* for the agent's last line, once this side has seen enough */

struct capture {
	const char *path; /* "-": stdout */
	long count_max;
	int64_t time_max_s; /* 0: no end */
	bool overwrite;
	struct pcapng file;
	long count;
	int64_t lost; /* -1: the agent did not say */
};

static int64_t now_ms(void)
{
	return (int64_t)monotonic_ms();
}

/* Bytes: a whole number, and k, M or G. */
static int parse_size(const char *text, uint64_t *size, struct error *error)
{
	static const char units[] = "kMG";
	const char *unit;
	uint64_t value = 0;
	const char *c = text;

	for (; isdigit((unsigned char)*c) && value < UINT64_C(1) << 40; c++)
		value = value * 10 + (uint64_t)(*c - '0');
	unit = *c ? strchr(units, *c) : NULL;
	if (unit) {
		value <<= 10 * (unit - units + 1);
		c++;
	}
	if (*c || value < 4096 || value > UINT64_C(1) << 40)
		return error_set(error, -EINVAL,
				 "size %s is not like 100000, 500k, 64M or 2G, at least 4k and at "
				 "most 1024G",
				 QUOTE(text));
	*size = value;
	return 0;
}

static int read_arguments(const struct arguments *arguments, struct capture *capture,
			  struct error *error)
{
	const char *count = arguments_option(arguments, "--count");
	const char *size = arguments_option(arguments, "--size");
	const char *time = arguments_option(arguments, "--for");

	*capture = (struct capture){
		.path = arguments_option(arguments, "-w"),
		.count_max = COUNT_MAX,
		.overwrite = arguments_option(arguments, "--overwrite"),
		.file = {.size_max = SIZE_DEFAULT},
		.lost = -1,
	};
	if (!capture->path || !*capture->path)
		return error_set(error, -EINVAL, "capture needs -w FILE, or -w - for stdout");
	if (count &&
	    parse_number(count, "number of frames", 1, COUNT_MAX, &capture->count_max, error))
		return -EINVAL;
	if (time && parse_time(time, "time", &capture->time_max_s, error))
		return -EINVAL;
	return size ? parse_size(size, &capture->file.size_max, error) : 0;
}

/* Frames are for the one who captures: nobody else may read the file. */
static int open_file(struct capture *capture, struct error *error)
{
	const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (capture->overwrite ? O_TRUNC : O_EXCL);
	int fd;

	if (!strcmp(capture->path, "-")) {
		if (isatty(STDOUT_FILENO))
			return error_set(error, -EINVAL,
					 "stdout is a terminal: pipe it, as into tcpdump -r -");
		capture->file.out = stdout;
		return 0;
	}
	fd = open(capture->path, flags, 0600);
	if (fd < 0 && errno == EEXIST)
		return error_set(error, -EEXIST, "%s exists: name another file, or add --overwrite",
				 capture->path);
	if (fd >= 0)
		capture->file.out = fdopen(fd, "w");
	if (!capture->file.out)
		return error_set(error, -errno, "cannot write %s: %s", capture->path,
				 strerror(errno));
	return 0;
}

static int begin_file(struct capture *capture, const json_t *interfaces, struct error *error)
{
	int code = pcapng_begin(&capture->file);

	for (size_t i = 0; i < json_array_size(interfaces) && !code; i++)
		code = pcapng_name(&capture->file,
				   json_string_value(json_array_get(interfaces, i)) ?: "");
	if (!code && !capture->file.interface_count)
		code = pcapng_name(&capture->file, "none");
	if (code == -ENOSPC)
		return error_set(error, code, "there are too many interfaces for that --size");
	return code ? error_set(error, code, "cannot write %s: %s", capture->path, strerror(errno))
		    : 0;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Returns the number of bytes that @text is, or -EPROTO. */
static int read_hex(const char *text, uint8_t bytes[static PCAPNG_FRAME_MAX])
{
	int size = 0;

	for (; text[0]; text += 2) {
		if (size == PCAPNG_FRAME_MAX || digit(text[0]) < 0 || digit(text[1]) < 0)
			return -EPROTO;
		bytes[size++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
	}
	return size;
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static int add_frame(struct capture *capture, const json_t *line, struct error *error)
{
	uint8_t bytes[PCAPNG_FRAME_MAX];
	const int size = read_hex(text_of(line, "frame"), bytes);
	char comment[PCAPNG_NAME_MAX];
	const struct pcapng_frame frame = {
		.time_ns = (uint64_t)json_integer_value(json_object_get(line, "time_ns")),
		.interface = text_of(line, "interface"),
		.comment = comment,
		.ethernet = json_is_true(json_object_get(line, "ethernet")),
		.bytes = bytes,
		.size = (uint32_t)(size < 0 ? 0 : size),
		.wire_size = (uint32_t)json_integer_value(json_object_get(line, "length")),
	};
	int code;

	if (size < 0)
		return error_set(error, -EPROTO, "the agent sent a frame that makes no sense");
	snprintf(comment, sizeof(comment), "%.10s %.40s", text_of(line, "verdict"),
		 text_of(line, "reason"));
	code = pcapng_add(&capture->file, &frame);
	if (!code)
		capture->count++;
	return code == -EIO ? error_set(error, code, "cannot write %s: %s", capture->path,
					strerror(errno))
			    : code;
}

/* Takes a line of the agent. Returns 0, 1 when enough was captured, or a negative errno. */
static int take_line(struct capture *capture, const json_t *line, struct error *error)
{
	const char *event = text_of(line, "event");
	int code;

	if (!strcmp(event, "end"))
		capture->lost = json_integer_value(json_object_get(line, "lost"));
	if (*event)
		return !strcmp(event, "end");
	code = add_frame(capture, line, error);
	if (code == -ENOSPC)
		return 1;
	return code ? code : capture->count == capture->count_max;
}

/* Until enough is captured, the time is over, or somebody ends it. */
static int take_frames(struct capture *capture, struct client_stream *stream, struct error *error)
{
	const int64_t end_ms = capture->time_max_s ? now_ms() + capture->time_max_s * 1000
						   : INT64_MAX;
	int code = 0;

	while (!code && !interrupted() && now_ms() < end_ms) {
		const int64_t left_ms = end_ms - now_ms();
		json_t *line = NULL;

		code = client_stream_next(stream, &line, error);
		if (code > 0) {
			code = take_line(capture, line, error);
			json_decref(line);
		} else if (!code) {
			if (fflush(capture->file.out))
				return error_set(error, -errno, "cannot write %s: %s",
						 capture->path, strerror(errno));
			interrupt_wait(client_stream_fd(stream), -1,
				       left_ms > 1000 ? 1000 : (int)left_ms);
		}
	}
	return code < 0 ? code : 0;
}

/* Asks what was lost; frames that are still on their way are more than was wanted. */
static void take_end(struct capture *capture, struct client_stream *stream)
{
	const int64_t end_ms = now_ms() + LAST_LINE_MS;

	client_stream_finish(stream);
	while (capture->lost < 0 && now_ms() < end_ms) {
		json_t *line = NULL;
		const int code = client_stream_next(stream, &line, NULL);

		if (code < 0)
			return;
		if (!code)
			interrupt_wait(client_stream_fd(stream), -1, LAST_LINE_MS / 10);
		else if (!strcmp(text_of(line, "event"), "end"))
			capture->lost = json_integer_value(json_object_get(line, "lost"));
		json_decref(line);
	}
}

static void report(const struct cli *cli, const struct capture *capture)
{
	if (cli->json && capture->file.out != stdout) {
		printf("{\"frames\": %ld, \"bytes\": %llu, \"lost\": %lld}\n", capture->count,
		       (unsigned long long)capture->file.size, (long long)capture->lost);
		return;
	}
	fprintf(stderr, "%ld frames captured, ", capture->count);
	if (capture->lost < 0)
		fputs("and nobody knows how many were lost\n", stderr);
	else
		fprintf(stderr, "%lld lost\n", (long long)capture->lost);
}

static enum status run(const struct cli *cli, struct capture *capture, struct error *error)
{
	struct client_stream *stream = NULL;
	json_t *result = NULL;
	int code = client_stream_open(cli->socket, CLIENT_TIMEOUT_MS, "capture", NULL, &stream,
				      &result, error);

	if (code)
		return cli_status(code);
	capture->file.snap_size = PCAPNG_FRAME_MAX;
	/* Only now: an agent that refuses leaves no file, and no file is emptied for it. */
	code = open_file(capture, error);
	if (!code) {
		interrupt_catch(false);
		code = begin_file(capture, json_object_get(result, "interfaces"), error);
		if (!code)
			code = take_frames(capture, stream, error);
		take_end(capture, stream);
		if (fflush(capture->file.out) && errno != EPIPE && !code)
			code = error_set(error, -errno, "cannot write %s: %s", capture->path,
					 strerror(errno));
		report(cli, capture);
	}
	json_decref(result);
	client_stream_close(stream);
	if (capture->file.out && capture->file.out != stdout)
		fclose(capture->file.out);
	return code == -ECONNRESET ? STATUS_NO_AGENT : code ? STATUS_FAILED : STATUS_DONE;
}

enum status run_capture(const struct cli *cli, const struct arguments *arguments,
			struct error *error)
{
	_cleanup_free_ struct capture *capture = malloc(sizeof(*capture));

	if (!capture) {
		error_set(error, -ENOMEM, "out of memory");
		return STATUS_FAILED;
	}
	if (read_arguments(arguments, capture, error))
		return STATUS_USAGE;
	return run(cli, capture, error);
}
