/* SPDX-License-Identifier: Apache-2.0
 *
 * What moved between two looks at one kernel: what tells stuck from slow.
 *
 * Kept by whoever looks several times.  While a look goes on it gathers what
 * is there now; the section "moved" says what is another than the time before.
 */
#ifndef HANGDOG_KERNEL_MEMORY_MOVED_H
#define HANGDOG_KERNEL_MEMORY_MOVED_H

#include <stdint.h>

struct look;
struct moved;

struct moved *moved_new (void);
void moved_free (struct moved *m);
/* Real time since the look before, where the caller knows it. */
void moved_apart (struct moved *m, uint64_t ms);

/* ---- in a look; l->moved NULL: nobody wants to know ---- */

/* A request that is with a driver; name is the disk's. */
void moved_request (struct look *l, uint64_t rq, uint64_t start_ns,
                    const char *name, unsigned queue, uint64_t tag);
/* Says rows, and makes what is there now what was there before. */
void moved_say (struct look *l);

#endif
