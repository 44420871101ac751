/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a BEAM's command line says of its distribution: port, name, carrier. Options after the
 * emulator's own come as "-flag value..." (erts/etc/common/erlexec.c expands ERL_FLAGS and args
 * files into it).
 */
#ifndef BEAMFENCE_CMDLINE_H
#define BEAMFENCE_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/epmd.h"

struct cmdline_facts {
	uint16_t first; /* 0: the command line names no port */
	uint16_t last;
	char node[EPMD_NAME_SIZE]; /* of -name or -sname, without its host; "": none, or several */
	bool tls;		   /* -proto_dist names a carrier with TLS */
};

/*
 * Reads @size bytes of NUL-separated arguments (/proc/PID/cmdline) and tells the range. In the
 * order in which one beats the next: "-kernel erl_epmd_node_listen_port N", "-erl_epmd_port N",
 * "-kernel inet_dist_listen_min N" with "..._max M" (min alone means one port), as in
 * lib/kernel/src/erl_epmd.erl and inet_tcp_dist.erl. Several pairs may follow one -kernel.
 *
 * Of equals: the first -kernel counts that has the parameter, and in that its last value (seen with
 * OTP 25; a sys.config, which is not read here, may turn that round). An -erl_epmd_port that comes
 * twice, or has two values, counts for nothing; of several -dist_listen the first counts.
 *
 * No port: with "-dist_listen false", for what is no decimal number, 0, a range that is reversed or
 * begins beyond 65535, and for an argument without its NUL (cut off). Arguments of the emulator,
 * plain ones and what follows -extra are not read.
 */
struct cmdline_facts cmdline_parse(const char *arguments, size_t size);

#endif
