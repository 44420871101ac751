// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/memory.h"

#include <event2/event.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>

#define MMAP_MIN (96u << 10)
#define RESERVE	 (256u << 10) /* bytes: more than one turn of the loop takes in small pieces */

/* Mapped, because a piece of the heap may be one that was written to: it would count as used. */
static void *reserve = MAP_FAILED;

/* Gives the reserve up for what is wanted now; it is laid aside again as soon as there is memory.
 */
static void *reallocate(void *old, size_t size)
{
	void *memory;

	if (reserve == MAP_FAILED)
		reserve = mmap(NULL, RESERVE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);
	memory = realloc(old, size);
	if (memory || !size || reserve == MAP_FAILED)
		return memory;
	munmap(reserve, RESERVE);
	reserve = MAP_FAILED;
	return realloc(old, size);
}

static void *allocate(size_t size)
{
	return reallocate(NULL, size);
}

void memory_lay_aside(void)
{
	/* Tables that are made for a moment go back to the kernel, however often they are made. */
	mallopt(M_MMAP_THRESHOLD, MMAP_MIN);
	mallopt(M_ARENA_MAX, 1); /* threads allocate a little, now and then: no heap of their own */
	event_set_mem_functions(allocate, reallocate, free);
}
