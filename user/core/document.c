// SPDX-License-Identifier: BSD-2-Clause
#include "core/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

#include "core/cleanup.h"
#include "core/config.h"
#include "core/text.h"

#define DEPTH_MAX      8 /* collections within each other: a configuration needs 4 */
#define NODES_MAX      (PEERS_MAX + 300000) /* peers, and everything else */
#define PATH_SHOWN_MAX 160		    /* so that the reason always fits behind it */

int document_error(const char *path, unsigned line, struct error *error, int code,
		   const char *format, ...)
{
	size_t length = strlen(path);
	const char *cut = length > PATH_SHOWN_MAX ? "..." : "";
	struct error reason;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason.text, sizeof(reason.text), format, arguments);
	va_end(arguments);
	if (*cut)
		path += length - PATH_SHOWN_MAX;
	if (!line)
		return error_set(error, code, "%s%s: %s", cut, path, reason.text);
	return error_set(error, code, "%s%s:%u: %s", cut, path, line, reason.text);
}

/* Opens a regular file of tolerable size without ever waiting, as for the writer of a FIFO. */
static int open_regular(const char *path, size_t *size, struct error *error)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0) {
		int code = -errno;

		return document_error(path, 0, error, code, "cannot be opened: %s",
				      strerror(-code));
	}
	if (S_ISDIR(status.st_mode))
		return document_error(path, 0, error, -EISDIR, "is a directory, not a file");
	if (!S_ISREG(status.st_mode))
		return document_error(path, 0, error, -EINVAL, "is not a regular file");
	if (status.st_size > CONFIG_FILE_SIZE_MAX)
		return document_error(path, 0, error, -EFBIG,
				      "has %lld bytes, more than the %u that are read",
				      (long long)status.st_size, CONFIG_FILE_SIZE_MAX);
	*size = (size_t)status.st_size;
	return TAKE_FD(fd);
}

int document_read_file(const char *path, char **content, size_t *size, struct error *error)
{
	_cleanup_free_ char *buffer = NULL;
	_cleanup_close_ int fd = -1;
	size_t used = 0, expected = 0;

	fd = open_regular(path, &expected, error);
	if (fd < 0)
		return fd;
	buffer = malloc(expected + 1);
	if (!buffer)
		return document_error(path, 0, error, -ENOMEM, "out of memory");
	while (used <= expected) {
		ssize_t got = read(fd, buffer + used, expected + 1 - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int code = -errno;

			return document_error(path, 0, error, code, "cannot be read: %s",
					      strerror(-code));
		}
		if (!got)
			break;
		used += (size_t)got;
	}
	if (used != expected)
		return document_error(path, 0, error, -EAGAIN,
				      "changed while it was read: try again");
	*content = TAKE_POINTER(buffer);
	*size = used;
	return 0;
}

/*
 * Refuses what libyaml would take differently from an editor (other encodings and line ends) or
 * slowly (its cost grows with the square of the number of directives).
 */
static int check_characters(const char *path, const char *content, size_t size, struct error *error)
{
	unsigned line = 1;
	bool line_start = true;

	for (size_t i = 0, taken; i < size; i += taken) {
		uint32_t c = 0;

		taken = text_decode(content + i, size - i, &c);
		if (!taken)
			return document_error(path, line, error, -EINVAL,
					      "byte 0x%02x is not UTF-8",
					      (unsigned char)content[i]);
		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || (c >= 0x7f && c < 0xa0) ||
		    c == 0x2028 || c == 0x2029)
			return document_error(path, line, error, -EINVAL,
					      "control character U+%04X is not accepted", c);
		if (line_start && c == '%')
			return document_error(path, line, error, -EINVAL,
					      "a line that starts with '%%' is a YAML directive, "
					      "and these are not supported");
		line_start = c == '\n' || c == '\r';
		line += c == '\n';
	}
	return 0;
}

/* The tree while libyaml's events arrive: the collections that are still open, innermost last. */
struct builder {
	struct document *document;
	struct node *open[DEPTH_MAX];
	struct node **tail[DEPTH_MAX + 1]; /* where the next child goes, by depth */
	unsigned depth;
	unsigned documents;
	size_t nodes;
	struct error *error;
};

static int refuse(const struct builder *builder, const yaml_event_t *event, const char *reason)
{
	return document_error(builder->document->path, (unsigned)event->start_mark.line + 1,
			      builder->error, -EINVAL, "%s", reason);
}

/* Returns the new node, which belongs to the document, or NULL with the error in *@result. */
static struct node *add_node(struct builder *builder, const yaml_event_t *event,
			     enum node_kind kind, int *result)
{
	struct node *node;

	if (++builder->nodes > NODES_MAX) {
		*result = refuse(builder, event,
				 "the file holds more values than a configuration can");
		return NULL;
	}
	node = calloc(1, sizeof(*node));
	if (!node) {
		*result = document_error(builder->document->path, 0, builder->error, -ENOMEM,
					 "out of memory");
		return NULL;
	}
	node->kind = kind;
	node->line = (unsigned)event->start_mark.line + 1;
	*builder->tail[builder->depth] = node;
	builder->tail[builder->depth] = &node->next;
	if (builder->depth)
		builder->open[builder->depth - 1]->count++;
	return node;
}

static int open_collection(struct builder *builder, const yaml_event_t *event, enum node_kind kind)
{
	struct node *node;
	int result = 0;

	if (builder->depth == DEPTH_MAX)
		return refuse(builder, event, "nested deeper than any key of a configuration");
	node = add_node(builder, event, kind, &result);
	if (!node)
		return result;
	builder->open[builder->depth++] = node;
	builder->tail[builder->depth] = &node->first;
	return 0;
}

static bool is_null(const char *text)
{
	return !*text || !strcmp(text, "~") || !strcmp(text, "null") || !strcmp(text, "Null") ||
	       !strcmp(text, "NULL");
}

static int add_scalar(struct builder *builder, yaml_event_t *event)
{
	char *text = (char *)event->data.scalar.value;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct node *node;
	int result = 0;

	if (strlen(text) != event->data.scalar.length)
		return refuse(builder, event, "a value contains the character NUL");
	node = add_node(builder, event, plain && is_null(text) ? NODE_NOTHING : NODE_TEXT, &result);
	if (!node)
		return result;
	/* libyaml allocates with malloc(3), so the text can change hands instead of being copied.
	 */
	node->text = text;
	event->data.scalar.value = NULL;
	return 0;
}

static int refuse_extras(const struct builder *builder, const yaml_event_t *event,
			 const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		return refuse(builder, event, "anchors and aliases are not supported");
	if (tag)
		return refuse(builder, event, "tags such as !!str are not supported");
	return 0;
}

static int take_event(struct builder *builder, yaml_event_t *event)
{
	int result;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (builder->documents++)
			return refuse(builder, event, "a second document starts: only one is read");
		return 0;
	case YAML_ALIAS_EVENT:
		return refuse(builder, event, "anchors and aliases are not supported");
	case YAML_SCALAR_EVENT:
		result = refuse_extras(builder, event, event->data.scalar.anchor,
				       event->data.scalar.tag);
		return result < 0 ? result : add_scalar(builder, event);
	case YAML_SEQUENCE_START_EVENT:
		result = refuse_extras(builder, event, event->data.sequence_start.anchor,
				       event->data.sequence_start.tag);
		return result < 0 ? result : open_collection(builder, event, NODE_LIST);
	case YAML_MAPPING_START_EVENT:
		result = refuse_extras(builder, event, event->data.mapping_start.anchor,
				       event->data.mapping_start.tag);
		return result < 0 ? result : open_collection(builder, event, NODE_MAPPING);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		if (builder->depth) /* libyaml pairs them, but an analyzer cannot know */
			builder->depth--;
		return 0;
	default:
		return 0;
	}
}

static int syntax_error(const struct builder *builder, const yaml_parser_t *parser)
{
	const char *path = builder->document->path;
	unsigned line = (unsigned)parser->problem_mark.line + 1;

	if (parser->error == YAML_MEMORY_ERROR)
		return document_error(path, 0, builder->error, -ENOMEM, "out of memory");
	if (!parser->context)
		return document_error(path, line, builder->error, -EINVAL, "not valid YAML: %s",
				      parser->problem);
	return document_error(path, line, builder->error, -EINVAL,
			      "not valid YAML: %s, %s that starts on line %zu", parser->problem,
			      parser->context, parser->context_mark.line + 1);
}

static int build(struct builder *builder, yaml_parser_t *parser)
{
	for (bool end = false; !end;) {
		yaml_event_t event;
		int result;

		if (!yaml_parser_parse(parser, &event))
			return syntax_error(builder, parser);
		end = event.type == YAML_STREAM_END_EVENT;
		result = take_event(builder, &event);
		yaml_event_delete(&event);
		if (result < 0)
			return result;
	}
	return 0;
}

static void cleanup_document(struct document **document)
{
	document_free(*document);
}

int document_read(const char *path, const char *content, size_t size, struct document **document,
		  struct error *error)
{
	_cleanup_(cleanup_document) struct document *loaded = calloc(1, sizeof(*loaded));
	struct builder builder = {.document = loaded, .error = error};
	yaml_parser_t parser;
	int result;

	if (!loaded)
		return document_error(path, 0, error, -ENOMEM, "out of memory");
	loaded->path = path;
	builder.tail[0] = &loaded->root;
	result = check_characters(path, content, size, error);
	if (result < 0)
		return result;
	if (!yaml_parser_initialize(&parser))
		return document_error(path, 0, error, -ENOMEM, "out of memory");
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)content, size);
	result = build(&builder, &parser);
	yaml_parser_delete(&parser);
	if (result < 0)
		return result;
	*document = TAKE_POINTER(loaded);
	return 0;
}

int document_load(const char *path, struct document **document, struct error *error)
{
	_cleanup_free_ char *content = NULL;
	size_t size = 0;
	const int result = document_read_file(path, &content, &size, error);

	return result < 0 ? result : document_read(path, content, size, document, error);
}

/* Recursion no deeper than DEPTH_MAX. */
static void free_nodes(struct node *node)
{
	while (node) {
		struct node *next = node->next;

		free_nodes(node->first);
		free(node->text);
		free(node);
		node = next;
	}
}

void document_free(struct document *document)
{
	if (!document)
		return;
	free_nodes(document->root);
	free(document);
}
