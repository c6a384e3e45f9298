/* SPDX-License-Identifier: Apache-2.0
 *
 * A look at a guest: its memory is opened, what was plugged in is added, the
 * vCPUs' registers are taken, and a parser says what its kernel does.
 *
 * For jobs: one thread at a time.  The deadline that is given is that of all
 * parts together.
 */
#ifndef HANGDOG_TRANSPORTS_LOOK_GUEST_H
#define HANGDOG_TRANSPORTS_LOOK_GUEST_H

#include "base/error.h"
#include "transports/memory/look.h"
#include "transports/memory/memory.h"

struct job;

struct look_guest
{
  /* The caller's, until look_guest_close(). */
  const struct transport_env *env;
  const struct guest *guest;
  const struct job *job; /* is asked between two parts whether to stop; may be
                            NULL, may be another one each time */
  bool no_registers; /* the monitor is asked for nothing */
  bool again;        /* looks are compared with the one before ... */
  uint64_t keep_ms;  /* ... for so long */

  /* What was found; all of it 0 before that. */
  bool open;
  struct memory memory;
  char *registers; /* NULL = there are none, and why: */
  size_t registers_len;
  struct error registers_why;
  char state[MEMORY_STATE]; /* of QEMU, "" = not known */
  struct look_session *session;
  uint64_t looked_ms;
  unsigned looks; /* of the session's kind: with `again` */
};

/* What is open already is checked, and opened anew when it is elsewhere. */
int look_guest_open (struct look_guest *l, uint64_t deadline,
                     struct error *err);
/* Of what is open: is it still there?  -ESTALE. */
int look_guest_check (struct look_guest *l, uint64_t deadline,
                      struct error *err);
/* For those who have another question for their parser. */
void look_guest_registers (struct look_guest *l, uint64_t deadline);

/* A row of that name: which guest it is, how it is read, and what that did to
 * it. */
struct json_object *look_guest_row (const struct look_guest *l,
                                    const char *name);

/* Takes registers and looks.  fn is given a row "guest" and then what
 * look_ask() gives; *ret_end as of that.  After a failure the next one starts
 * another parser. */
int look_guest_ask (struct look_guest *l, struct json_object *sections,
                    uint64_t deadline, look_rows_fn *fn, void *arg,
                    struct json_object **ret_end, struct error *err);
/* The table of its heartbeat: as look_beat(). */
int look_guest_beat (struct look_guest *l, uint64_t deadline,
                     unsigned char *dst, size_t *ret_len, struct error *err);

/* The parser only, or all that is open; waits for its end: not on the loop. */
void look_guest_forget (struct look_guest *l);
void look_guest_close (struct look_guest *l);

#endif
