/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to sysrq*.c: asking the guest's kernel by SysRq.
 *
 *   sysrq.c         the collector: which keys, in which order, what they said
 *   sysrq_ask.c     one key, over a console: ways, the kernel's line, its end
 *   sysrq_end.c     how the answers end
 *   sysrq_key.c     the guest's keyboard, and the monitor
 *   sysrq_focus.c   the input focus of QEMU's mux, there and back
 *   sysrq_where.c   which of the guest's consoles is its kernel's
 *   sysrq_level.c   what is known of it; the loglevel, there and back
 *   sysrq_shell.c   the same keys by a shell in the guest
 */
#ifndef HANGDOG_DIAG_SYSRQ_H
#define HANGDOG_DIAG_SYSRQ_H

#include "base/buf.h"
#include "diag/collector.h"

#include <stdbool.h>

#define SYSRQ_MAX_KEYS 16
#define SYSRQ_MAX_BODY (1u << 20)
#define SYSRQ_HEADER_MS 3000

enum sysrq_answer
{
  ANSWER_NONE,
  ANSWER_DISABLED,
  ANSWER_SHOWN,
};
extern const char *const sysrq_answer_names[];

/* Ways to the kernel, by their names in facts. */
enum sysrq_route
{
  ROUTE_KEYBOARD,  /* the guest's keyboard: alt-sysrq-key */
  ROUTE_BREAK,     /* monitor: chardev-send-break, then the key */
  ROUTE_CTRL_O,    /* ^O and the key */
  ROUTE_MUX_BREAK, /* ^A c, ^A b, the key, ^A c */
  ROUTE_MUX_HERE,  /* ^A b, the key: whoever has the focus; to undo only */
  ROUTE_MAX,
};
extern const char *const sysrq_route_names[];

/* What is to be seen at the end of an answer (sysrq_end.c). */
enum sysrq_end
{
  SYSRQ_END_NONE,    /* nothing stands there: quiet ends it */
  SYSRQ_END_MISSING, /* something does, and has not come */
  SYSRQ_END_CPUS,    /* the same, and the kernel waits for it */
  SYSRQ_END_SEEN,    /* a few lines may follow */
  SYSRQ_END_WHOLE,
};
/* text: from the header on, with a NUL behind it. */
enum sysrq_end sysrq_end_of (char key, const char *text, size_t len);
/* For how long nothing must come, for it to be over; 0 = it is. */
uint64_t sysrq_quiet_ms (enum sysrq_end end);

/* Somebody at a console. */
struct sysrq_asking
{
  struct collect_ctx *ctx;
  const struct guest_console *con;
  struct lease *lease; /* NULL: nothing can be typed, but keys pressed */
  struct tap *tap;
  struct tap *own_tap; /* without a lease */
  unsigned where;      /* SYSRQ_AT_*: what of it is the kernel's console */
  bool withheld;       /* a way was not gone, since that is not known */
  int route;           /* that came through; -1 = none yet */
  bool loud;           /* its loglevel hides nothing */
  bool focus;          /* that it moves is on disk */
  struct buf text;     /* since the key was sent */
  size_t header;       /* where the kernel's line begins in it */
  uint64_t overrun;    /* bytes of it that came faster than they were read */
  uint64_t took_ms;    /* from the header to its end, or until it was left */
  uint64_t ours_until; /* what is printed is known to be asked for */
  enum sysrq_end end;  /* as far as it was seen */
  bool unfinished;     /* it was still being printed when it was left */
};

struct sysrq_state;
/* con: NULL = the first that is known to be the kernel's, or else that can be
 * typed at.  known: NULL = a kernel has answered at con before.  typing: false
 * takes the console from nobody.  sysrq_close() in every case. */
int sysrq_open (struct sysrq_asking *a, const char *con,
                const struct sysrq_state *known, bool typing,
                struct error *err);
void sysrq_close (struct sysrq_asking *a);
/* By the way that is known, or each that fits. */
enum sysrq_answer sysrq_ask (struct sysrq_asking *a, char key);
/* Until what was left unfinished is over, or until then. */
void sysrq_await_quiet (struct sysrq_asking *a, uint64_t until);
/* For so long nobody takes what it prints for trouble of its own; key 0: all
 * of it is there. */
void sysrq_announce (const struct collect_ctx *ctx, char key, uint64_t ms);
/* A file and facts of what came of a key; text: from the header on.  loud: no
 * loglevel hides any of it. */
void sysrq_keep (struct collect_ctx *ctx, char key, enum sysrq_answer answer,
                 const struct buf *text, size_t from, bool loud);

/* ---- what it lets one do (sysrq_level.c) ---- */

struct sysrq_state
{
  int level; /* its console loglevel, -1 = not known */
  int mask;  /* what SysRq may do there: 1 all, 0 nothing; -1 = not known */
  bool linux_seen; /* by its memory, or by somebody in it */
  char consoles[160]; /* its kernel's, "ttyS0 hvc0 "; "" = not known */
};
/* Asks nobody in the guest, nor its monitor. */
void sysrq_look (struct collect_ctx *ctx, struct sysrq_state *ret);
/* Of what is not known yet: somebody in it is asked, by a shell; way: index
 * into inside_ways.  For a few seconds at most. */
void sysrq_look_inside (struct collect_ctx *ctx, int way,
                        struct sysrq_state *ret);
/* Does the kernel take that key from outside? */
bool sysrq_allowed (int mask, char key);
/* Whether the loglevel hides what keys would say, and can be raised and put
 * back; else a gap says why not. */
bool sysrq_can_raise (const struct sysrq_asking *a,
                      const struct sysrq_state *was);
/* With the intent on disk; of a kernel that has answered.  True: it is to be
 * put back. */
bool sysrq_raise (struct sysrq_asking *a, const struct sysrq_state *was);
void sysrq_restore (struct sysrq_asking *a, const struct sysrq_state *was);

/* ---- which console is its kernel's (sysrq_where.c) ---- */

enum
{
  SYSRQ_AT_SERIAL = 1 << 0, /* there BREAK is SysRq */
  SYSRQ_AT_HVC = 1 << 1,    /* and there ^O */
};
/* Which of these a console is known to be; NULL: a kernel has answered
 * there. */
unsigned sysrq_kernel_at (const struct collect_ctx *ctx,
                          const struct sysrq_state *state,
                          const struct guest_console *con);
/* NULL: there is none that can be typed at, or none of the name want. */
const struct guest_console *
sysrq_choose (const struct collect_ctx *ctx, const struct sysrq_state *state,
              const char *want, unsigned *ret_where);
/* Does it run Linux?  To another system the keys are keys. */
bool sysrq_is_linux (const struct collect_ctx *ctx,
                     const struct sysrq_state *state);
/* From a kernel's command line; from /proc/consoles. */
void sysrq_where_cmdline (struct sysrq_state *to, const char *cmdline);
void sysrq_where_proc (struct sysrq_state *to, const char *text, size_t len);

/* ---- the input focus of a mux (sysrq_focus.c) ---- */

/* Before it moves: on disk, once for as long as this console is open. */
int sysrq_focus_goes (struct sysrq_asking *a, struct error *err);
/* Before the console is closed, for what QEMU has not read by then it forgets,
 * and the focus stays where it is. */
void sysrq_focus_back (struct sysrq_asking *a);

/* ---- by a shell (sysrq_shell.c) ---- */

int sysrq_by_shell (struct collect_ctx *ctx, const char *keys, int way,
                    struct error *err);

#endif
