/* SPDX-License-Identifier: Apache-2.0
 *
 * What map.c and said.c share.
 */
#ifndef HANGDOG_TRANSPORTS_MEMORY_IMPL_H
#define HANGDOG_TRANSPORTS_MEMORY_IMPL_H

#include "transports/memory/memory.h"

/* Linux takes no less at once, and nothing else of QEMU's is as large. */
#define MEMORY_LEAST_PLUGGED (128ull << 20)

/* One more thing to be careful about, with a number in it. */
void memory_note_ (struct memory_map *map, const char *fmt,
                   unsigned long long mib);

#endif
