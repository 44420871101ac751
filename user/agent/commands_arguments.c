// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "agent/commands_internal.h"

int argument_string(json_t *arguments, const char *name, const char *fallback, const char **value,
		    struct error *error)
{
	json_t *argument = json_object_get(arguments, name);
	const char *text = argument ? json_string_value(argument) : fallback;

	*value = text ? text : "";
	if (!text || (argument && strlen(text) != json_string_length(argument)))
		return error_set(error, -EINVAL, "argument \"%s\" must be %sa string", name,
				 fallback ? "" : "there and ");
	return 0;
}

int argument_cuts(json_t *arguments, struct review *review, struct error *error)
{
	const char *cuts;
	const int code = argument_string(arguments, "cuts", "allow", &cuts, error);

	if (!code && strcmp(cuts, "allow") != 0 && strcmp(cuts, "refuse") != 0)
		return error_set(error, -EINVAL,
				 "argument \"cuts\" must be \"allow\" or \"refuse\"");
	review->refuse_cuts = !code && !strcmp(cuts, "refuse");
	return code;
}

int argument_number(json_t *arguments, const char *name, json_int_t fallback, json_int_t minimum,
		    json_int_t maximum, json_int_t *value, struct error *error)
{
	json_t *argument = json_object_get(arguments, name);

	*value = argument ? json_integer_value(argument) : fallback;
	if ((argument && !json_is_integer(argument)) || *value < minimum || *value > maximum)
		return error_set(error, -EINVAL,
				 "argument \"%s\" must be a whole number from %lld to %lld", name,
				 (long long)minimum, (long long)maximum);
	return 0;
}
