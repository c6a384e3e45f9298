/* SPDX-License-Identifier: Apache-2.0
 *
 * Folded stacks as a document that speedscope opens: "FRAME;...;FRAME N" a
 * line, outermost first, is what every profile of ours is made as.  Pure.
 */
#ifndef HANGDOG_DIAG_REPORT_SPEEDSCOPE_H
#define HANGDOG_DIAG_REPORT_SPEEDSCOPE_H

#include <stddef.h>

struct buf;
struct error;

struct speedscope
{
  const char *name; /* of the profile, for people */
  const char *unit; /* what N counts: "none", "nanoseconds", "milliseconds" */
};

/* out gets a frame and a stack a line, so that it can be searched; when its
 * bound was reached it is cut, and no document.  A line that is none is left
 * out, and what is not printable in a frame is "_".  < 0: no memory, and out
 * has nothing. */
int speedscope_write (const struct speedscope *s, const char *folded,
                      size_t len, struct buf *out, struct error *err);

#endif
