/* SPDX-License-Identifier: Apache-2.0
 *
 * Who waits for whom between CPUs (ipi.c).
 */
#ifndef HANGDOG_KERNEL_MEMORY_IPI_H
#define HANGDOG_KERNEL_MEMORY_IPI_H

#include <stdbool.h>
#include <stdint.h>

struct kernel;
struct stack;

/* The CPUs whose answer this one waits for, as its stack and what it asked
 * say; 0 when it waits for none, or none is found.  task: what it runs, 0 =
 * not known. */
unsigned ipi_waits (struct kernel *k, unsigned cpu, uint64_t task,
                    const struct stack *s, uint32_t *dst, unsigned max);
/* How many calls others asked it to make and it has not begun. */
unsigned ipi_unanswered (struct kernel *k, unsigned cpu);

#endif
