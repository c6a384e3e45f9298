/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of eyes: eyes.c says who is read, eyes_find.c has a parser
 * look for it, eyes_judge.c compares what was read, eyes_doubt.c says what of
 * that may be told, eyes_tell.c tells it.
 */
#ifndef HANGDOG_SUPERVISOR_EYES_IMPL_H
#define HANGDOG_SUPERVISOR_EYES_IMPL_H

#include "supervisor/beats/beater.h"
#include "supervisor/beats/eyes.h"

#include "base/error.h"
#include "transports/monitor/look.h"
#include "transports/transport.h"

struct fact_bus;
struct job;

#define FIND_MS 15000u
#define KEPT 24u /* beats */

enum eye_state
{
  EYE_WAITS, /* for its time to be looked for */
  EYE_FINDS,
  EYE_BEATS,
  EYE_NEVER, /* of this process */
};

struct eye
{
  const struct guest *guest;
  uint32_t id; /* 1 + its place in the list */
  enum eye_state state;
  uint64_t due_ms; /* of the look for it, or of the next beat */
  uint64_t found_ms, told_ms, beats;
  unsigned fails;
  uint64_t first_ms; /* since when this kernel is read */
  unsigned changes;  /* others came before it had lasted */
  uint64_t took_ms;  /* the last look for it */
  char why[200];
  bool sure;         /* it was looked for a second time */
  uint64_t kernel;   /* by its canary */
  uint32_t where;    /* a hash of where it is read */
  /* It seems dead: before that is told it is looked for once more, for what
   * was read may be what is left of a kernel before. */
  bool doubt;
  uint64_t doubt_ms;     /* when that is tried next */
  uint64_t confirmed_ms; /* the last beat before it was done, 0 = not yet */
  uint64_t again_ms;      /* it is not tried before that */
  bool panic_asked;       /* but for a panic, once */
  uint64_t since_ms;      /* it stands, 0 = it does not */
  struct chance *chance;  /* since then; NULL: not known */
  /* It stands, and so does all of its QEMU, for a moment by now: whether that
   * answers is asked, and who is mute is told without a second look. */
  bool asleep, asking, mute;
  uint64_t ask_ms;        /* not before that */
  uint64_t ours_until_ms; /* hangdog has its kernel print for so long */
  struct beat *kept[KEPT]; /* BEAT_FLAT() of each, the oldest first */
  unsigned nkept;
  bool judged, panicked; /* as told */
  struct beat_verdict verdict;
};

/* ---- finding: a job ---- */

struct find
{
  struct eyes *all;
  uint32_t id;
  const struct guest *guest;
  const struct transport_env *env;
  bool doubt; /* it was found before, and seems dead */
  bool stands; /* QEMU says that it does not run it now */
  bool blind;  /* nor did it say what its vCPUs do, though it could be asked */
  struct beat_table *table;
  uint64_t kernel; /* by its canary */
  uint32_t where;  /* a hash of where it is read */
  int fd;
  struct error why;
};
int find_run_ (struct job *job, void *arg);
void find_free_ (void *arg);

/* ---- whether its QEMU answers: a job, which asks it twice ---- */

#define QEMU_ASK_MS 1000u /* each time */

struct question
{
  uint32_t id;
  const struct guest *guest;
  const struct transport_env *env;
  bool mute; /* it greets, and has not answered, both times */
};
int ask_run_ (struct job *job, void *arg);
void ask_free_ (void *arg);

/* ---- doubt (eyes_doubt.c) ---- */

struct chance;
/* It goes on, or is not read now: nothing is in doubt. */
void eye_moves_ (struct eye *eye);
/* After it was judged: what of it must not be told yet is "unknown". */
void eye_question_ (struct eye *eye, const struct beat *b,
                    struct beat_verdict *v, uint64_t now_ms);
/* After that: what its QEMU's process says. */
void eye_process_ (const struct eye *eye, struct beat_verdict *v);

/* ---- telling (eyes_tell.c) ---- */

/* After it was judged, and before v becomes eye->verdict: what of it is news.
 */
void eye_tell_ (struct fact_bus *bus, struct eye *eye, const struct beat *b,
                const struct beat_verdict *v, uint64_t now_ms);
void eye_tell_text_ (struct fact_bus *bus, const struct eye *eye,
                     const char *name, const char *text);
/* What was told last is not known any more. */
void eye_untell_ (struct fact_bus *bus, struct eye *eye);

/* ---- comparing; pure ---- */

/* What was read of another life, or before a pause, is nothing to compare
 * with. */
void eye_forget_ (struct eye *eye);
void eye_keep_ (struct eye *eye, const struct beat *b);
/* Of one that is read already (nkept > 0). */
void eye_judge_ (const struct eye *eye, const struct beat *b,
                 struct beat_verdict *v);
const struct beat_facet *eye_worst_ (const struct beat_verdict *v);
bool eye_dead_ (const struct beat_verdict *v);
/* For a moment: nothing moved, and somebody has something to do. */
bool eye_stands_ (const struct eye *eye, const struct beat *b);
/* What may be told before it was looked for once more; held: its host has it
 * wait. */
void eye_doubt_ (struct beat_verdict *v, bool held);

#endif
