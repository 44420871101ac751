/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A YAML file as a tree of nodes that know their lines. Only what a configuration needs is
 * accepted: one document of UTF-8, no anchors, aliases, tags or directives, little nesting.
 */
#ifndef BEAMFENCE_DOCUMENT_H
#define BEAMFENCE_DOCUMENT_H

#include <stddef.h>

#include "core/error.h"

enum node_kind { NODE_NOTHING, NODE_TEXT, NODE_LIST, NODE_MAPPING };

struct node {
	enum node_kind kind; /* NODE_NOTHING: left empty, or null */
	unsigned line;	     /* from 1 */
	char *text;	     /* of NODE_TEXT: UTF-8 without NUL */
	size_t count;	     /* of children; those of a mapping are key, value, key, value, … */
	struct node *first;
	struct node *next; /* sibling */
};

struct document {
	const char *path; /* the caller's; what messages call it */
	struct node *root;
};

/*
 * Reads the file into *@document, which the caller frees with document_free() and which borrows
 * @path. Results and texts are those of config_load().
 */
int document_load(const char *path, struct document **document, struct error *error);

/* The same for @size bytes at @content, which messages call @path. */
int document_read(const char *path, const char *content, size_t size, struct document **document,
		  struct error *error);

/* Reads the file's bytes, as document_load() does, for the caller to free() and not yet checked. */
int document_read_file(const char *path, char **content, size_t *size, struct error *error);

void document_free(struct document *document);

/* Says "FILE:LINE: " and the rest; line 0 leaves the line out. Returns @code. */
int document_error(const char *path, unsigned line, struct error *error, int code,
		   const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
