/* SPDX-License-Identifier: Apache-2.0
 *
 * CPUs that spin for a lock, for the section "locks".
 */
#ifndef HANGDOG_KERNEL_MEMORY_SPIN_H
#define HANGDOG_KERNEL_MEMORY_SPIN_H

struct error;
struct look;

/* A row "spinlock" for each lock that is spun for. */
int spin_say (struct look *l, struct error *err);

#endif
