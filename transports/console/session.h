/* SPDX-License-Identifier: Apache-2.0
 *
 * Talking over a console: blocking, in a job's thread, in straight lines.
 */
#ifndef HANGDOG_TRANSPORTS_SESSION_H
#define HANGDOG_TRANSPORTS_SESSION_H

#include "base/buf.h"
#include "transports/ask.h"
#include "transports/console/hub.h"
#include "transports/transport.h"

#include <stdbool.h>
#include <stdint.h>

struct error;

struct session;

/* Takes the lease.  Errors as hub_lease(). */
int session_open (struct hub *hub, const char *uuid, const char *console,
                  enum lease_rank rank, const char *who, uint64_t deadline,
                  struct session **ret_s, struct error *err);
void session_close (struct session *s); /* NULL is fine */

/* Asked before each key from now on; NULL = nobody.  The screen alone does
 * not tell a boot that is silent for a while, and a reset may come between
 * two keys. */
void session_guard (struct session *s, typing_fn *may_type, void *arg);

/* Told from now on, in its order, what session_send() types, and what was
 * read while somebody waited: raw guest bytes.  NULL = nobody. */
typedef void session_said_fn (void *arg, bool typed, const void *data,
                              size_t len);
void session_record (struct session *s, session_said_fn *fn, void *arg);

/* -EHOSTDOWN: the guard says that the guest boots. */
int session_send (struct session *s, const void *data, size_t len,
                  uint64_t deadline, struct error *err);

struct expect
{
  const char *literal; /* or */
  const char *regex;   /* PCRE2, no JIT, match limits */
};

/* Waits until one of the n patterns is seen in what came since the last
 * expect.  Returns its index and moves behind the match; -ETIMEDOUT,
 * -ECANCELED (lost, stopping), -E2BIG (what came is too hard to match).
 * ret_before (may be NULL) gets the text before
 * the match, ret_match the match itself; both raw guest bytes.  "^" is the
 * beginning of a line: what comes first after a match or after what was sent
 * is one only where the byte before it, if it is known, ended a line. */
int session_expect (struct session *s, const struct expect *patterns,
                    unsigned n, uint64_t deadline, struct buf *ret_before,
                    struct buf *ret_match, struct error *err);

/* Anything came in this session so far. */
bool session_saw_bytes (struct session *s);

struct command_result
{
  enum ask_end end;
  int status;           /* exit status of the command, -1 if not known */
  uint64_t took_ms;     /* from the last key typed to the end marker */
  struct buf output;    /* the command's own output, kernel lines taken out */
  struct buf kernel;    /* the kernel lines that came in between */
  char detail[160];     /* one sentence for people */
};
void command_result_done (struct command_result *r);

/* Runs one shell command: types it framed by a random nonce that its own echo
 * cannot fake, and reads until the end marker.  Returns 0 with ret->end set
 * whatever the guest did; < 0 only for our own failures (-EINVAL: a command
 * that holds control characters or is longer than SESSION_COMMAND_MAX).  A long
 * one has to be in lines, for the editor of busybox takes no more than 1023
 * bytes in one: but for the first, which asks for them, they are read by the
 * guest's terminal, of which each takes 4095.  What they run must not read what
 * is typed.
 *
 * Nothing is typed where it would do harm: a boot loader, a password or
 * maintenance prompt, an initramfs shell, a guest whose services come up or
 * go down get no key at all, a login prompt at
 * most a bare carriage return (to see that it answers).  Where the screen is
 * not known, because we have just connected or because other output has
 * pushed it out, the line editor's kill keys and a carriage return go first
 * and the answer is looked at.  Half a line that somebody left there is
 * erased, never executed.  A command that does not end in time gets ^C.
 *
 * A command that prints kernel lines itself (dmesg) finds them in ret->kernel.
 * For a lease of rank LEASE_DIAGNOSIS and up, a console that says nothing at
 * all is sent XON at the end, to tell a stopped flow from a dead guest. */
#define SESSION_COMMAND_MAX 3072
int session_command (struct session *s, const char *command,
                     uint64_t deadline, struct command_result *ret,
                     struct error *err);
/* Types XON where nothing has come for quiet_ms, and waits until something
 * comes that is not the kernel's: 1; 0: nothing did.  < 0: -EHOSTDOWN, -EBUSY
 * (it takes no keys), -EAGAIN (it said something just now): nothing was
 * typed; -EPIPE, -ECANCELED: the console went, was taken. */
int session_xon (struct session *s, uint64_t quiet_ms, uint64_t deadline,
                 struct error *err);
/* How many bytes are typed for it; 0: it is no command. */
size_t session_command_typed (const char *command);

#endif
