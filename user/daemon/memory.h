/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for libevent. Version 2.1 crashes where some of its smaller allocations fail (the callback
 * of a watermark, the address of an HTTP connection), so it gets what was laid aside for that.
 */
#ifndef BEAMFENCE_MEMORY_H
#define BEAMFENCE_MEMORY_H

/* Before anything of libevent is used. */
void memory_lay_aside(void);

#endif
