/* SPDX-License-Identifier: BSD-2-Clause */
/* How library code says what went wrong: a negative errno as the result, and one line of text. */
#ifndef BEAMFENCE_ERROR_H
#define BEAMFENCE_ERROR_H

struct error {
	char text[512]; /* one line, no newline, only printable characters; "" when nothing was said
			 */
};

/*
 * Formats the line into @error (which may be NULL) and returns @code, a negative errno, so that
 * a caller can write: return error_set(error, -EINVAL, "port %ld is not in 1-65535", port);
 * Control characters in the outcome are replaced by '?', and what does not fit is cut.
 */
int error_set(struct error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
