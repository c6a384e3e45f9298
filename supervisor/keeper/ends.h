/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection between the daemon and the writer: the keeper makes it, and
 * has those ends that wait for their process to start.
 */
#ifndef HANGDOG_SUPERVISOR_ENDS_H
#define HANGDOG_SUPERVISOR_ENDS_H

#include <stdbool.h>

struct child;
struct error;

struct ends
{
  int channel, pipe; /* -1 = none */
  bool writes;       /* the end of the log pipe that is written to */
};
#define ENDS_DAEMON { -1, -1, true }
#define ENDS_WRITER { -1, -1, false }

/* The descriptors for a child that starts: those that wait for it, or of a
 * fresh connection whose other side goes to its peer, now or when it starts. */
int ends_take (struct ends *mine, struct ends *other, struct child *peer,
               struct ends *ret, struct error *err);
void ends_close (struct ends *e);

#endif
