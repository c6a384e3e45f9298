/* SPDX-License-Identifier: Apache-2.0
 *
 * A kernel that begins, seen in console text.
 *
 * Fed with whatever a console says, in pieces of any size; allocates nothing
 * and looks at the beginnings of lines only.  A banner is one of
 *
 *   [    0.000000] Linux version 6.1.0-...     (also with a "[    T0]")
 *   Linux version 6.1.0-...                    and on the next line
 *   Command line: ...                          (a kernel without stamps)
 *
 * since `cat /proc/version` prints the middle one, too.  `dmesg` prints the
 * first: what came after a banner tells the two apart, see stamp_us.  It is
 * text, so anybody in the guest can print it: a suspicion, no more.
 */
#ifndef HANGDOG_KERNEL_TEXT_BANNER_H
#define HANGDOG_KERNEL_TEXT_BANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BANNER_HEAD 48 /* of a line: stamp, caller, "Linux version N" */

struct banner
{
  char head[BANNER_HEAD];
  uint8_t nhead;
  bool skip;    /* the rest of this line does not matter */
  bool untimed; /* the line before was a banner without a stamp */
  uint16_t stamped;  /* lines whose stamps are still read, after a banner */
  uint64_t stamp_us; /* the latest stamp of those lines */
};
#define BANNER_INIT { .nhead = 0 }

/* How many kernels began in this piece. */
unsigned banner_feed (struct banner *b, const char *data, size_t len);

#endif
