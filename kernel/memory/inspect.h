/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody from outside needs for a look: all of kernel/memory for whom
 * only the rows matter.
 */
#ifndef HANGDOG_KERNEL_MEMORY_INSPECT_H
#define HANGDOG_KERNEL_MEMORY_INSPECT_H

#include "base/rows.h"
#include "kernel/memory/kernel.h"
#include "kernel/memory/moved.h"

struct error;

/* A row "kernel", and those of the sections that are named; names NULL: of all
 * that are cheap; "all": of all.  What the guest lacks is told in rows: an
 * error is one of our own. */
int look_run (struct kernel *k, const char *const *names, struct rows *rows,
              struct error *err);

/* The same, and rows "moved" since the time before with the same m; m NULL:
 * without. */
int look_run_again (struct kernel *k, const char *const *names,
                    struct rows *rows, struct moved *m, struct error *err);

/* "registers", "vmcoreinfo", ... */
extern const char *const kernel_part_names[PART_MAX];

#endif
