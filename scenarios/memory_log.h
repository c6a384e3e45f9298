/* SPDX-License-Identifier: Apache-2.0
 *
 * What a guest's own log, read in its memory, says of file systems that are
 * mounted: not every kernel writes down elsewhere that it gave one up.
 *
 * Fed devices first, for only of theirs lines are kept; asked once, at the end.
 * Pure.
 */
#ifndef HANGDOG_SCENARIOS_MEMORY_LOG_H
#define HANGDOG_SCENARIOS_MEMORY_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_log;

struct memory_log *memory_log_new (void); /* NULL: no memory */
void memory_log_free (struct memory_log *l); /* NULL is fine */

/* A device that has a file system which is mounted. */
void memory_log_device (struct memory_log *l, const char *name);
/* A line of the kernel's own, in the order of its log.  text may be NULL. */
void memory_log_line (struct memory_log *l, int64_t us, const char *text);

/* True with its title in dst when the last that was said of a mounted device
 * is that its file system was given up; not when it was mounted anew since. */
bool memory_log_given_up (struct memory_log *l, char *dst, size_t n);

#endif
