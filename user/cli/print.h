/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Results of the control protocol as text for people. All that came from outside is escaped, and
 * what a result lacks shows as "-". Each returns 0 or -ENOMEM.
 */
#ifndef BEAMFENCE_PRINT_H
#define BEAMFENCE_PRINT_H

#include <jansson.h>
#include <stdio.h>

#define PRINT_TIME_SIZE 32

int print_in_force(const json_t *status, FILE *out); /* what is known without an agent */
int print_status(const json_t *status, FILE *out);
int print_ports(const json_t *ports, FILE *out);
int print_peers(const json_t *peers, FILE *out);
int print_peer_added(const json_t *peer, FILE *out);
int print_peer_deleted(const json_t *peer, FILE *out);
int print_event(const json_t *event, FILE *out); /* one line */
int print_warnings(const json_t *warnings, FILE *out);
int print_counters(const json_t *counters, FILE *out);
int print_counters_moved(const json_t *counters, FILE *out); /* those that are not 0 */
int print_explanation(const json_t *explanation, FILE *out);
int print_detach(const json_t *detach, FILE *out);
int print_try(const json_t *trial, FILE *out);
int print_confirm(const json_t *confirmed, FILE *out);
int print_revert(const json_t *reverted, FILE *out);
/* What a configuration changes, and what it "cuts" or "would cut". */
int print_review(const json_t *review, const char *verb, FILE *out);

/*
 * Prints @format, in which each %s stands for the member of @object that is named next; a member
 * is text, a whole number, a truth value ("yes", "no"), or a list of these (with spaces between).
 */
int print_members(FILE *out, const json_t *object, const char *format, ...);

/* Writes seconds since 1970 as "2026-11-22T10:00:00Z" and returns @text; "" when @value is none. */
const char *print_time(const json_t *value, char text[static PRINT_TIME_SIZE]);

#endif
