// SPDX-License-Identifier: BSD-2-Clause
/*
 * The JSON schema of the configuration (draft 7, which editors know best), made of the tables that
 * the agent reads its file by. It refuses no file that "check" takes; "check" knows more.
 */
#include <errno.h>

#include "../bpf/contract.h"
#include "cli/cli.h"
#include "core/config_form.h"
#include "core/presets.h"

#define DRAFT "http://json-schema.org/draft-07/schema#"
#define ABOUT                                                                                    \
	"The configuration of beamfence, read as YAML 1.2. \"beamfence check FILE\" also finds " \
	"what a schema cannot say."

/* Set when memory runs out: then parts are missing. */
static bool incomplete;

static void put(json_t *object, const char *name, json_t *value)
{
	incomplete |= json_object_set_new(object, name, value) < 0;
}

static void add(json_t *array, json_t *value)
{
	incomplete |= json_array_append_new(array, value) < 0;
}

static json_t *form_schema(const struct form *form);

/* Strings as [first][following]{0,max - 1}. */
static json_t *word_pattern(const struct form *form)
{
	return json_sprintf("^[%s][%s]{0,%u}$", form->first, form->following, form->max - 1);
}

/* Sets "type", and for what YAML may take for a number, true or false, those too. */
static void set_text(json_t *schema, const struct form *form, json_t *pattern)
{
	if (form->numeric)
		put(schema, "type", json_pack("[s, s, s]", "string", "number", "boolean"));
	else
		put(schema, "type", json_string("string"));
	put(schema, "pattern", pattern);
	if (form->kind == FORM_TEXT && form->max)
		put(schema, "maxLength", json_integer(form->max));
}

static void set_preset(json_t *schema)
{
	json_t *names = json_array();
	const struct preset *presets;
	size_t count;

	presets = presets_list(&count);
	for (size_t i = 0; i < count; i++)
		add(names, json_string(presets[i].name));
	put(schema, "enum", names);
}

static void set_choice(json_t *schema, const struct form *form)
{
	json_t *names = json_array();

	for (size_t i = 0; i < form->choice_count; i++)
		add(names, json_string(form->choices[i]));
	put(schema, "enum", names);
}

static void set_list(json_t *schema, const struct form *form)
{
	put(schema, "type", json_string("array"));
	put(schema, "items", form_schema(form->entry));
	put(schema, "uniqueItems", json_true());
	if (form->max)
		put(schema, "maxItems", json_integer(form->max));
}

/* One of the section's lists has an entry. */
static json_t *any_entry(const struct form *form)
{
	json_t *any = json_array();

	for (size_t i = 0; i < form->key_count; i++)
		if (form->keys[i].form->kind == FORM_LIST)
			add(any, json_pack("{s:[s], s:{s:{s:i}}}", "required", form->keys[i].name,
					   "properties", form->keys[i].name, "minItems", 1));
	return any;
}

static json_t *key_schema(const struct key *key)
{
	json_t *schema = form_schema(key->form);

	put(schema, "description", json_string(key->about));
	if (key->otherwise)
		put(schema, "default", json_loads(key->otherwise, JSON_DECODE_ANY, NULL));
	return schema;
}

static void set_section(json_t *schema, const struct form *form)
{
	json_t *properties = json_object(), *required = json_array();

	for (size_t i = 0; i < form->key_count; i++) {
		const struct key *key = &form->keys[i];

		put(properties, key->name, key_schema(key));
		if (key->missing)
			add(required, json_string(key->name));
	}
	put(schema, "type", json_string("object"));
	put(schema, "additionalProperties", json_false());
	put(schema, "properties", properties);
	put(schema, "required", required);
	if (form->empty)
		put(schema, "anyOf", any_entry(form));
}

static json_t *form_schema(const struct form *form)
{
	json_t *schema = json_object();

	switch (form->kind) {
	case FORM_SECTION:
		set_section(schema, form);
		break;
	case FORM_LIST:
		set_list(schema, form);
		break;
	case FORM_CHOICE:
		set_choice(schema, form);
		break;
	case FORM_SWITCH:
		put(schema, "type", json_pack("[s, s]", "boolean", "string"));
		put(schema, "pattern", json_string("^(false|true)$"));
		break;
	case FORM_PORT:
		put(schema, "type", json_pack("[s, s]", "integer", "string"));
		put(schema, "minimum", json_integer(1));
		put(schema, "maximum", json_integer(PORTS - 1));
		put(schema, "pattern", json_string("^" PATTERN_PORT "(-" PATTERN_PORT ")?$"));
		break;
	case FORM_PRESET:
		set_preset(schema);
		break;
	case FORM_WORD:
		set_text(schema, form, word_pattern(form));
		break;
	case FORM_TEXT:
		set_text(schema, form, json_string(form->pattern));
		break;
	}
	return schema;
}

enum status run_schema(const struct cli *cli, const struct arguments *arguments,
		       struct error *error)
{
	const struct cli as_json = {.socket = cli->socket, .json = true};
	json_t *schema = json_object();
	enum status status;

	(void)arguments;
	put(schema, "$schema", json_string(DRAFT));
	put(schema, "title", json_string("beamfence.yaml"));
	put(schema, "description", json_string(ABOUT));
	set_section(schema, &config_form);
	if (incomplete) {
		error_set(error, -ENOMEM, "out of memory");
		status = STATUS_FAILED;
	} else {
		status = cli_show(&as_json, schema, NULL, error);
	}
	json_decref(schema);
	return status;
}
