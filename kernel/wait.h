/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stack waits for, and where, by the names of its functions: the same
 * answer for a SysRq dump, for a look at memory and for the class of a report.
 */
#ifndef HANGDOG_KERNEL_WAIT_H
#define HANGDOG_KERNEL_WAIT_H

#include <stddef.h>

enum wait_for
{
  WAIT_OTHER,
  WAIT_IO,
  WAIT_LOCK,
  WAIT_MAX,
};
extern const char *const wait_for_names[]; /* "", "io", "lock" */

struct wait
{
  enum wait_for what;
  int at; /* the innermost function that does not itself wait, -1 = none.  If
             there is none but the bottom of a kernel thread it is the last one
             above that. */
};

/* Innermost first, as stacks are printed.  A name ends at its "+0x1f/0x80", a
 * "." or a blank; NULL is what is only left over on the stack. */
void wait_of (const char *const *names, unsigned n, struct wait *ret);
/* Of one function: a lock above a disk is waited for because of who holds it,
 * a disk above a lock by its holder, so the first one that says so decides. */
enum wait_for wait_for (const char *name);

#define KEY_FRAMES 4
#define KEY_NAME 128
/* What a stack is known by when the same trouble comes again: its innermost
 * functions that say something, KEY_FRAMES at most, ";" between them; without
 * addresses, offsets and what a compiler appends, and without those by which
 * anybody waits, is scheduled or gets into the kernel.  As many as dst has room
 * for; "" = none says anything. */
void wait_key (const char *const *names, unsigned n, char *dst, size_t size);

#endif
