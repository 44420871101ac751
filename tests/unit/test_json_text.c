// SPDX-License-Identifier: BSD-2-Clause
#include "core/json_text.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

static int until_failure;

static void *fail_at(size_t size)
{
	return until_failure && !--until_failure ? NULL : malloc(size);
}

static json_t *make_reply(void)
{
	return json_pack("{s:i, s:b, s:{s:s, s:[i, n]}}", "version", 1, "ok", 1, "result",
			 "a long key that does not fit into what there was before", "text", "list",
			 7);
}

Test(json_text, writes_one_line_in_the_order_of_the_members)
{
	json_t *reply = make_reply();
	_cleanup_free_ char *text = json_text(reply, JSON_COMPACT);

	cr_assert(text);
	cr_expect_str_eq(text, "{\"version\":1,\"ok\":true,\"result\":{\"a long key that does not "
			       "fit into what there was before\":\"text\",\"list\":[7,null]}}");
	json_decref(reply);
}

Test(json_text, writes_all_of_it_or_nothing_wherever_memory_lacks)
{
	json_t *reply = make_reply();
	_cleanup_free_ char *whole = json_text(reply, JSON_COMPACT);
	int failures = 0;

	json_set_alloc_funcs(fail_at, free);
	for (int at = 1; at < 100; at++) {
		_cleanup_free_ char *text = NULL;

		until_failure = at;
		text = json_text(reply, JSON_COMPACT);
		failures += !text;
		cr_expect(!text || !strcmp(text, whole), "failure at %d: %s", at, text);
	}
	until_failure = 0;
	cr_expect_gt(failures, 0);
	json_decref(reply);
}
