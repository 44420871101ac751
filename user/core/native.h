/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a driver can be trusted with native XDP. The one place where this is decided; pure: what
 * is asked of the kernel is read by kernel/link_facts.c.
 */
#ifndef BEAMFENCE_NATIVE_H
#define BEAMFENCE_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

#define DRIVER_NAME_SIZE 32 /* ETHTOOL_FWSTR_LEN */

struct native_facts {
	char driver[DRIVER_NAME_SIZE]; /* as ethtool -i names it; "": not known */
	bool features_known;	       /* Linux 6.3 and later tell what a driver can do */
	bool takes_buffers;	       /* ... and it gives XDP frames of several buffers */
	bool program_takes_buffers;    /* it was loaded with xdp.frags */
	uint32_t mtu;
	uint32_t max_mtu; /* 0: not known */
	uint32_t page_size;
};

enum native_risk {
	NATIVE_SOUND,
	NATIVE_LOSES,	/* frames that fill more than one buffer, once the MTU allows them */
	NATIVE_FORGETS, /* the program, while the kernel says that it is attached */
};

enum native_risk native_risk(const struct native_facts *facts);

/* Whether frames of the MTU that is set fill more than one buffer, and are lost by a driver that
 * loses them. */
bool native_loses_now(const struct native_facts *facts);

/* The greatest MTU whose frames fit one buffer, whatever driver it is. */
uint32_t native_one_buffer_mtu(uint32_t page_size);

#endif
