// SPDX-License-Identifier: BSD-2-Clause
#include "cli/complete.h"

#include <ctype.h>
#include <string.h>

#include "../bpf/contract.h"
#include "cli/cli.h"
#include "cli/event_filter.h"
#include "core/cleanup.h"
#include "core/protocol.h"

#define TIMEOUT_MS 1000 /* somebody waits at a prompt */
#define TOKEN_MAX  32	/* of a usage line */
#define WORDS_MAX  8	/* before the one to complete */

struct completion {
	const struct completion_table *table;
	const struct command *command;
	bool is_lost;	    /* the command is none of the table */
	const char *option; /* whose value is to be completed */
	const char *words[WORDS_MAX];
	size_t word_count;
	const char *socket;
	const char *before; /* printed in front of candidates: "--in=" */
	size_t before_length;
	const char *prefix; /* what candidates begin with */
	FILE *out;
};

static void offer(const struct completion *completion, const char *candidate)
{
	if (!candidate || strncmp(candidate, completion->prefix, strlen(completion->prefix)) != 0)
		return;
	for (const char *c = candidate; *c; c++)
		if (*c <= ' ' || *c >= 0x7f)
			return; /* an agent's word that a shell could take for several */
	fprintf(completion->out, "%.*s%s\n", (int)completion->before_length, completion->before,
		candidate);
}

static json_t *ask(const struct completion *completion, const char *command)
{
	const struct cli cli = {.socket = completion->socket};
	json_t *result = NULL;
	struct error error;

	return cli_ask(&cli, TIMEOUT_MS, command, NULL, &result, &error) == STATUS_DONE ? result
											: NULL;
}

static void offer_all(const struct completion *completion, const json_t *names)
{
	for (size_t i = 0; i < json_array_size(names); i++)
		offer(completion, json_string_value(json_array_get(names, i)));
}

static void offer_interfaces(const struct completion *completion)
{
	json_t *status = ask(completion, "status");
	const json_t *interfaces = json_object_get(status, "interfaces");

	for (size_t i = 0; i < json_array_size(interfaces); i++)
		offer(completion,
		      json_string_value(json_object_get(json_array_get(interfaces, i), "name")));
	offer_all(completion, json_object_get(status, "unassigned"));
	json_decref(status);
}

static void offer_clusters(const struct completion *completion)
{
	json_t *status = ask(completion, "status");

	offer_all(completion, json_object_get(status, "clusters"));
	json_decref(status);
}

/* The peers that can be taken away again: of the cluster that the word before names. */
static void offer_peers(const struct completion *completion)
{
	const size_t count = completion->word_count;
	const char *cluster = count ? completion->words[count - 1] : "";
	json_t *peers = count ? ask(completion, "peers.list") : NULL;

	for (size_t i = 0; i < json_array_size(peers); i++) {
		const json_t *peer = json_array_get(peers, i);
		const char *source = json_string_value(json_object_get(peer, "source"));
		const char *of = json_string_value(json_object_get(peer, "cluster"));

		if (source && !strcmp(source, "runtime") && of && !strcmp(of, cluster))
			offer(completion, json_string_value(json_object_get(peer, "prefix")));
	}
	json_decref(peers);
}

static void offer_reasons(const struct completion *completion)
{
#define OFFER_REASON(id, name, verdict, text) offer(completion, name);
	REASONS(OFFER_REASON)
#undef OFFER_REASON
}

static void offer_times(const struct completion *completion)
{
	offer(completion, "30s");
	offer(completion, "15m");
	offer(completion, "1h");
	offer(completion, "7d");
}

static void offer_kinds(const struct completion *completion)
{
	for (const char *const *kind = event_kinds; *kind; kind++)
		offer(completion, *kind);
}

static void offer_files(const struct completion *completion)
{
	fputs(COMPLETE_FILES "\n", completion->out);
}

static void offer_commands(const struct completion *completion)
{
	for (size_t i = 0; i < completion->table->count; i++)
		offer(completion, completion->table->commands[i].name);
}

/* What a word of a usage line, "CLUSTER" or "list", stands for. */
static void offer_token(const struct completion *completion, const char *token)
{
	static const struct {
		const char *placeholder;
		void (*offer)(const struct completion *completion);
	} sources[] = {
		{"CLUSTER", offer_clusters}, {"COMMAND", offer_commands}, {"DIR", offer_files},
		{"FILE", offer_files},	     {"IFACE", offer_interfaces}, {"KIND", offer_kinds},
		{"PATH", offer_files},	     {"PREFIX", offer_peers},	  {"REASON", offer_reasons},
		{"TIME", offer_times},
	};

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (!strcmp(token, sources[i].placeholder))
			sources[i].offer(completion);
	if (islower((unsigned char)*token))
		offer(completion, token);
}

/* Takes the next word, option or "|" of a usage line; brackets and dots only group. */
static bool next_token(const char **text, char token[static TOKEN_MAX])
{
	static const char between[] = " []()\n.";
	const char *start = *text + strspn(*text, between);
	size_t length = *start == '|' ? 1 : strcspn(start, " []()|\n.");

	if (!*start)
		return false;
	*text = start + length;
	snprintf(token, TOKEN_MAX, "%.*s", (int)length, start);
	return true;
}

/* Finds the placeholder behind @option in @text, as IFACE in "--in IFACE". */
static bool find_placeholder(const char *text, const char *option, char token[static TOKEN_MAX])
{
	const size_t length = strcspn(option, "=");

	while (next_token(&text, token))
		if (strlen(token) == length && !memcmp(token, option, length) &&
		    next_token(&text, token))
			return true;
	return false;
}

static void complete_value(const struct completion *completion)
{
	const struct command *command = completion->command;
	char token[TOKEN_MAX];

	if (!strcmp(completion->option, "--socket="))
		offer_files(completion);
	else if (command && (find_placeholder(command->usage, completion->option, token) ||
			     find_placeholder(command->help, completion->option, token)))
		offer_token(completion, token);
}

/* Offers what the usage has after the words that are there, in each alternative that fits them. */
static void complete_word(const struct completion *completion)
{
	const char *text = completion->command->usage;
	char token[TOKEN_MAX];
	size_t at = 0;
	bool fits = true, is_value = false;

	while (next_token(&text, token)) {
		if (*token == '|') {
			at = 0;
			fits = true;
		} else if (*token == '-') {
			is_value = completion->command->options &&
				   isupper((unsigned char)text[strspn(text, " ")]);
			continue;
		} else if (!is_value) {
			if (fits && at == completion->word_count)
				offer_token(completion, token);
			else if (at < completion->word_count && islower((unsigned char)*token))
				fits = fits && !strcmp(token, completion->words[at]);
			at++;
		}
		is_value = false;
	}
}

static void offer_options(const struct completion *completion, const char *const *options)
{
	for (; options && *options; options++) {
		char name[TOKEN_MAX];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*options, "="), *options);
		offer(completion, name);
	}
}

/* The option of that name which takes a value; NULL where there is none. */
static const char *find_option(const struct completion *completion, const char *word)
{
	const char *const *const lists[] = {
		completion->table->global_options,
		completion->command ? completion->command->options : NULL,
	};
	const size_t length = strcspn(word, "=");

	for (size_t i = 0; i < 2; i++)
		for (const char *const *option = lists[i]; option && *option; option++)
			if (strlen(*option) == length + 1 && !memcmp(*option, word, length))
				return *option;
	return NULL;
}

static void take_value(struct completion *completion, const char *option, const char *value)
{
	if (option && !strcmp(option, "--socket="))
		completion->socket = value;
}

/* Takes in one of the words before the last. */
static void take_word(struct completion *completion, const char *word)
{
	if (completion->option) {
		if (!strcmp(word, "="))
			return; /* as bash splits "--in=eth0" */
		take_value(completion, completion->option, word);
		completion->option = NULL;
	} else if (*word == '-') {
		const char *value = strchr(word, '=');

		if (value)
			take_value(completion, find_option(completion, word), value + 1);
		else
			completion->option = find_option(completion, word);
	} else if (!completion->command) {
		for (size_t i = 0; i < completion->table->count; i++)
			if (!strcmp(completion->table->commands[i].name, word))
				completion->command = &completion->table->commands[i];
		completion->is_lost = !completion->command;
	} else if (completion->word_count < WORDS_MAX) {
		completion->words[completion->word_count++] = word;
	}
}

void complete(const struct completion_table *table, char **words, FILE *out)
{
	struct completion completion = {
		.table = table,
		.socket = PROTOCOL_SOCKET_DEFAULT,
		.before = "",
		.prefix = "",
		.out = out,
	};
	const char *value;

	for (; words[0] && words[1] && !completion.is_lost; words++)
		take_word(&completion, words[0]);
	if (completion.is_lost)
		return;
	if (words[0])
		completion.prefix = words[0];
	value = *completion.prefix == '-' ? strchr(completion.prefix, '=') : NULL;
	if (!completion.option && value) {
		completion.option = find_option(&completion, completion.prefix);
		completion.before = completion.prefix;
		completion.before_length = (size_t)(value + 1 - completion.prefix);
		completion.prefix = value + 1;
	}
	if (completion.option) {
		complete_value(&completion);
	} else if (*completion.prefix == '-') {
		offer_options(&completion, table->global_options);
		if (completion.command)
			offer_options(&completion, completion.command->options);
	} else if (completion.command) {
		complete_word(&completion);
	} else {
		offer_commands(&completion);
	}
}
