/* SPDX-License-Identifier: Apache-2.0
 *
 * Stacks in rows: each different one is said once, with a number that whoever
 * has it names.  Thousands of tasks have a few dozen stacks.
 */
#ifndef HANGDOG_KERNEL_MEMORY_STACKS_H
#define HANGDOG_KERNEL_MEMORY_STACKS_H

#include "kernel/memory/look.h"

struct stacks *stacks_new (void);
void stacks_free (struct stacks *s);

/* The row of this stack, unless it was said before; its number, 0 = it has no
 * frames or there is no memory. */
unsigned stacks_say (struct look *l, const struct stack *s);

/* Members of the present row: where it came from in user space. */
void stacks_user (struct look *l, const struct stack *s);

#endif
