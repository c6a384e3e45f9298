/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside a dialogue: what session.c, command.c and frame.c share.
 */
#ifndef HANGDOG_TRANSPORTS_SESSION_IMPL_H
#define HANGDOG_TRANSPORTS_SESSION_IMPL_H

#include <sys/types.h>

#include "base/buf.h"
#include "transports/console/session.h"

#define SESSION_CHUNK 8192
#define SESSION_WINDOW (256u << 10)
/* Guests write byte by byte: after a piece that was not the awaited one, let
 * more of it come before looking again. */
#define SESSION_PAUSE_MS 2
#define FRAME_MAX (SESSION_COMMAND_MAX + 512)

/* Both kill keys: together they empty the line in readline and in busybox,
 * where each kills one side of the cursor; a plain terminal line takes ^K as
 * a letter and ^U erases it with the rest.  ^E would be shorter, but moves
 * the highlight in GRUB's menu. */
#define KEYS_KILL "\x0b\x15"

struct session
{
  struct lease *lease;
  struct tap *tap; /* the lease's */
  enum lease_rank rank;
  char chunk[SESSION_CHUNK];
  struct buf window;     /* what session_expect() has not passed yet */
  size_t behind;         /* of it: the byte before, for a "^"; 0 = unknown */
  uint64_t lost;         /* bytes that came faster than we read */
  char uuid[UUID_TEXT], console[32];
  typing_fn *may_type; /* NULL: nobody is asked */
  void *may_type_arg;
  session_said_fn *said; /* NULL: nobody is told */
  void *said_arg;
  uint64_t bytes;
};

/* Waits for the next piece: > 0 bytes in s->chunk, -ETIMEDOUT, -ECANCELED
 * (the lease was taken), -EPIPE (the console went). */
ssize_t session_pull_ (struct session *s, uint64_t deadline);
void session_pause_ (uint64_t deadline);
enum typing session_typing_ (struct session *s, char *what, size_t n);

/* The command's length without what would break the frame at its end. */
int frame_check_ (const char *command, size_t *ret_len, struct error *err);
/* What is typed now, and later: true where the command is of several lines. */
bool frame_command_ (struct buf *frame, struct buf *lines, const char *non,
                     const char *ce, const char *command, size_t len);

#endif
