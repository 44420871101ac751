// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "core/cleanup.h"

static int print_page(const json_t *page, FILE *out)
{
	fwrite(json_string_value(page), 1, json_string_length(page), out);
	return 0;
}

/* Puts the page into the new file @fd, readable to all, so that a collector may be anybody. */
static int write_page(int fd, const json_t *page)
{
	_cleanup_fclose_ FILE *out = fdopen(fd, "w");

	if (!out) {
		const int code = -errno;

		close(fd);
		return code;
	}
	fwrite(json_string_value(page), 1, json_string_length(page), out);
	if (fflush(out) || ferror(out) || fchmod(fd, 0644))
		return -errno;
	return 0;
}

/* Replaces the file at @path in one step: a collector may read it at any moment. */
static enum status write_textfile(const char *path, const json_t *page, struct error *error)
{
	_cleanup_free_ char *temporary = NULL;
	int fd, code;

	/* Collectors read what ends in .prom: this does not. */
	if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		temporary = NULL;
		error_set(error, -ENOMEM, "out of memory");
		return STATUS_FAILED;
	}
	fd = mkostemp(temporary, O_CLOEXEC);
	code = fd < 0 ? -errno : write_page(fd, page);
	if (!code && rename(temporary, path))
		code = -errno;
	if (!code)
		return STATUS_DONE;
	if (fd >= 0)
		unlink(temporary);
	error_set(error, code, "cannot write %s: %s", path, strerror(-code));
	return STATUS_FAILED;
}

enum status run_metrics(const struct cli *cli, const struct arguments *arguments,
			struct error *error)
{
	const char *path = arguments_option(arguments, "--textfile");
	json_t *page = NULL;
	enum status status;

	status = cli_ask(cli, CLIENT_TIMEOUT_MS, "metrics", NULL, &page, error);
	if (status == STATUS_DONE && !json_is_string(page)) {
		error_set(error, -EPROTO, "the agent on %s sent no metrics", cli->socket);
		status = STATUS_FAILED;
	}
	if (status == STATUS_DONE)
		status = path ? write_textfile(path, page, error)
			      : cli_show(cli, page, print_page, error);
	json_decref(page);
	return status;
}
