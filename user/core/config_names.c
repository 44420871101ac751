// SPDX-License-Identifier: BSD-2-Clause
/* Entries of interfaces.client, .cluster and .trusted: names, globs and VLANs. */
#include <ctype.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/config_read.h"
#include "core/text.h"

#define VLAN_MAX 4094
#define GLOB_MAX 63 /* bytes of a glob over interface names */

/* Whether every '[' of a glob has its ']', which may not be the first character between them. */
static bool brackets_closed(const char *glob)
{
	while ((glob = strchr(glob, '['))) {
		glob++;
		glob += *glob == '!' || *glob == '^';
		if (!*glob)
			return false;
		glob = strchr(glob + 1, ']');
		if (!glob)
			return false;
	}
	return true;
}

/*
 * Takes brackets around single characters away, where a glob has nothing else: what is left is a
 * name. True when it had any.
 */
static bool resolve_literal(char *pattern)
{
	char *out = pattern;
	bool brackets = false;

	for (const char *c = pattern; *c; c++)
		if (*c == '[' && c[1] && !strchr("!^", c[1]) && c[2] == ']') {
			brackets = true;
			c += 2;
		} else if (strchr("*?[", *c)) {
			return false;
		}
	if (!brackets)
		return false;
	for (const char *c = pattern; *c; c++) {
		if (*c == '[') {
			*out++ = c[1];
			c += 2;
		} else {
			*out++ = *c;
		}
	}
	*out = '\0';
	return true;
}

/* What is wrong with the name of an interface by the kernel (dev_valid_name()), or NULL. */
static const char *name_problem(const char *name)
{
	if (!*name)
		return "no interface is named";
	if (strlen(name) >= INTERFACE_NAME_SIZE)
		return "an interface name has at most 15 bytes";
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return "not an interface name";
	for (const char *c = name; *c; c++)
		if (isspace((unsigned char)*c) || *c == '/' || *c == ':')
			return "an interface name has no spaces, '/' or ':'";
	return NULL;
}

static const char *glob_problem(const char *glob)
{
	if (strlen(glob) > GLOB_MAX)
		return "a glob has at most 63 bytes";
	if (!brackets_closed(glob))
		return "'[' without its ']': write \"[[]\" for the character itself";
	for (const char *c = glob; *c; c++)
		if (isspace((unsigned char)*c) || *c == '/')
			return "an interface name has no spaces, '/' or ':'";
	return NULL;
}

/* Makes *@rule of the text of a name or glob, which it takes over. Returns what is wrong, or NULL.
 */
static const char *set_pattern(struct interface_rule *rule, char *text)
{
	rule->pattern = text;
	rule->literal = resolve_literal(text);
	return !rule->literal && strpbrk(text, "*?[") ? glob_problem(text) : name_problem(text);
}

/* The part after the last dot when it is all digits, else NULL. */
static const char *vlan_part(const char *entry)
{
	const char *dot = strrchr(entry, '.');

	if (!dot || !dot[1] || dot[1 + strspn(dot + 1, "0123456789")])
		return NULL;
	return dot + 1;
}

/*
 * Takes an entry for a VLAN on what the part before its last dot names. Returns 0 and leaves *@rule
 * without a pattern where it cannot be that: then it is a name, which may have dots and digits.
 */
static int read_vlan(const struct reader *reader, const char *entry, struct interface_rule *rule)
{
	const char *digits = vlan_part(entry);
	char *text;

	rule->like_vlan = digits;
	rule->vlan = digits ? (uint16_t)read_number(&digits, VLAN_MAX) : 0;
	if (!rule->vlan)
		return 0;
	text = strndup(entry, (size_t)(strrchr(entry, '.') - entry));
	if (!text)
		return reader_out_of_memory(reader);
	if (!set_pattern(rule, text) && strcmp(text, "lo") != 0) {
		rule->like_vlan = false;
		return 0;
	}
	free(TAKE_POINTER(rule->pattern));
	rule->vlan = 0;
	return 0;
}

int read_interface(struct reader *reader, const struct node *node, enum zone zone,
		   struct interface_rule *result)
{
	struct interface_rule rule = {.zone = zone, .line = node->line};
	const char *problem = NULL;
	int code = read_kind(reader, node, NODE_TEXT);

	if (!code)
		code = read_vlan(reader, node->text, &rule);
	if (code)
		return code;
	if (!rule.pattern) {
		char *text = strdup(node->text);

		if (!text)
			return reader_out_of_memory(reader);
		problem = set_pattern(&rule, text);
	}
	if (!problem && !strcmp(rule.pattern, "lo"))
		problem = "the loopback interface is never touched: take it off the list";
	if (problem) {
		free(rule.pattern);
		return reader_error(reader, node->line, "%s: %s: %s", reader->key,
				    QUOTE(node->text), problem);
	}
	*result = rule;
	return 0;
}
