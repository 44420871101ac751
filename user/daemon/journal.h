/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * systemd's journal, spoken to in its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): an
 * entry is a datagram of lines "FIELD=value". Nothing here blocks.
 */
#ifndef BEAMFENCE_JOURNAL_H
#define BEAMFENCE_JOURNAL_H

#include <stddef.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* Sends entries to the socket @path from now on. Returns 0 or a negative errno. */
int journal_open(const char *path);

/* Ends that. */
void journal_close(void);

/*
 * Sends an entry, a line for each field. Returns 0, or a negative errno when the journal did not
 * take it: -ENOTCONN without journal_open().
 */
int journal_send(const char *entry, size_t length);

#endif
