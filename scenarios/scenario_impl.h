/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share.
 */
#ifndef HANGDOG_SCENARIOS_IMPL_H
#define HANGDOG_SCENARIOS_IMPL_H

#include "scenarios/keys.h"
#include "scenarios/scenario.h"
#include "base/buf.h"
#include "base/regex.h"
#include "transports/ask.h"
#include "transports/console/session.h"
#include "transports/transport.h"

#include <stddef.h>

/* What every scenario has. */
extern const struct json_field scenario_fields[];
/* What a document that says nothing has; no pointers. */
extern const struct scenario scenario_defaults;
/* What one of that kind has, s->own and all: its struct begins so far behind
 * the scenario's own beginning, in the same piece of memory. */
#define SCENARIO_OWN_AT                                                       \
  ((sizeof (struct scenario) + _Alignof (max_align_t) - 1)                    \
   / _Alignof (max_align_t) * _Alignof (max_align_t))
void scenario_table (const struct scenario_kind *kind,
                     struct json_field ret[3]);

/* Bytes of a kind's name. */
#define SCENARIO_KIND_MAX 32
/* Of all kinds, NULL terminated: the array is malloc'ed.  NULL without
 * memory. */
const char **scenario_kind_names (void);

/* "a" + "b" is "a.b", "" + "b" is "b". */
void scenario_path (char *dst, size_t n, const char *path, const char *key);

/* Minute of the day of "HH:MM" (24:00 = 1440), -1 if it is none. */
int hours_minute (const char *hhmm);
/* Bit 0 = sun of "mon,tue" (NULL = every day), -1 if it is none. */
int hours_days (const char *days);

/* ---- judging ---- */

/* The way is what the code says of it: who knows better says so behind it. */
void report_set (struct outcome_report *r, enum outcome outcome,
                 const char *code, const char *fmt, ...)
    __attribute__ ((format (printf, 4, 5)));
/* Guest bytes into a sentence: escaped, one line, cut. */
const char *report_quote (char *dst, size_t n, const char *bytes, size_t len);

/* What an end of asking means when it is not ASK_OK; detail: what the way says
 * of it, or NULL. */
void judge_end (enum ask_end end, const char *detail,
                struct outcome_report *ret);
/* The same by a way that may have another word for it; NULL = the console. */
void judge_end_by (const struct transport_ops *way, enum ask_end end,
                   const char *detail, struct outcome_report *ret);
/* op: index into scenario_compare_ops. */
bool judge_holds (int op, double a, double b);
/* Status and output against `expect`; sets ret in every case. */
void judge_answer (const struct scenario_expect *expect, int64_t status,
                   const char *out, size_t len, struct outcome_report *ret);

/* The same, of a command: its output may be how long the guest is up. */
void judge_command (const struct scenario_expect *expect, int64_t status,
                    const char *out, size_t len, struct outcome_report *ret);

/* What an error of asking over the network means: 0.  Else it is none of those,
 * but a failure of our own: rc with err, and ret is as it was. */
int judge_net (int rc, const struct error *why, struct outcome_report *ret,
               struct error *err);

/* A stopped QEMU serves nobody, which looks like a console that somebody else
 * has.  True, with ret failed (WAY_GUEST: no other way leads to it), when its
 * process is stopped, a zombie or gone: seen on the host, so it needs no
 * answer. */
bool judge_process (const struct guest *g, struct outcome_report *ret);

/* ---- kinds that hear a console ---- */

/* Whether one is read: of those that it is told of by console.state. */
struct hearing
{
  char state[16];    /* the console's, "" = not known */
  uint64_t since_ms; /* it is read without a gap, 0 = it is not */
  bool named;        /* told by its own name: it is not the first */
};
/* console NULL: the guest's first. */
void hearing_fact (struct hearing *h, const char *console,
                   const struct fact *fact, uint64_t now_ms);
/* For a kind's gap(): nobody listened until then, and what the guest has said
 * meanwhile was said to nobody. */
void hearing_gap (struct hearing *h, uint64_t to_ms);
/* The same as a kind's gap(), of a state that begins with its struct hearing
 * and has nothing else that a gap would make wrong. */
void hearing_on_gap (void *state, const struct scenario *s, uint64_t from_ms,
                     uint64_t to_ms);
/* How long something is ago, for a sentence. */
char *hearing_age (char *dst, size_t n, uint64_t ms);
/* False with ret filled when nobody reads it now. */
bool hearing_judge (const struct hearing *h, struct outcome_report *ret);

/* What a kind says and judges over a console: fills ret, leaves the session
 * open.  < 0 only for our own failures. */
typedef int scenario_talk_fn (struct session *session,
                              const struct scenario *s, struct job *job,
                              struct outcome_report *ret, struct error *err);
/* The ask() of a kind that talks: takes the lease of that console (NULL: the
 * guest's first that can be typed into), lets talk have it, gives it back, and
 * fills what every report over a console has.  Without a console to be had
 * talk is not called. */
int scenario_over_console (const struct scenario *s, const struct guest *g,
                           const struct transport_env *env,
                           const char *console, struct job *job,
                           scenario_talk_fn *talk, struct outcome_report *ret,
                           struct error *err);

/* ---- kinds that combine ---- */

enum part_says
{
  PART_WELL,
  PART_FAILED, /* as often as its threshold wants it */
  PART_UNTOLD, /* no verdict, none yet, too old, or not sure yet */
};
/* why: "NAME: what it says". */
enum part_says scenario_part_says (const struct scenario_part *p, char *why,
                                   size_t n);

struct parts_told
{
  unsigned n[3];   /* by enum part_says: how many */
  size_t first[3]; /* and the first of them */
  enum part_says says[SCENARIO_MAX_PARTS];
  char why[SCENARIO_MAX_PARTS][300];
};
void scenario_parts_count (const struct scenario_part *parts, size_t n,
                           struct parts_told *ret);
/* ---- kinds that ask the guest agent ---- */

/* What an answer, or none, means but for ASK_OK: true when ret is set. */
bool judge_agent (const struct transport_ops *way, const struct guest *g,
                  const struct ask_result *said, struct outcome_report *ret);
/* Their cost(): the host's part of it. */
void scenario_cost_agent (const struct scenario *s,
                          const struct transport_ops *way,
                          struct scenario_cost *ret);
/* A path in the guest, or a program there. */
int scenario_check_in_guest (const struct scenario_at *at, const char *key,
                             const char *text);

/* ---- kinds that are one command: s->own is a struct scenario_question ---- */

struct scenario_question
{
  struct scenario_command what;
  struct scenario_ways ways;
};
extern const struct json_field scenario_question_keys[];
/* It has what each of its ways needs, and nothing that none of them has a use
 * for; why_line as of scenario_check_command(). */
int scenario_check_question (const struct scenario *s,
                             const struct scenario_at *at,
                             const char *why_line);
/* The cost() of a kind that costs what its way does, and nothing else. */
/* Bytes of a disk that a command through a mailbox takes, beside a look. */
double scenario_cost_mailbox (const char *command);
void scenario_cost_way (const struct scenario *s,
                        const struct transport_ops *way,
                        struct scenario_cost *ret);
void scenario_cost_question (const struct scenario *s,
                             const struct transport_ops *way,
                             struct scenario_cost *ret);
void scenario_hint_question (const struct scenario *s, const struct guest *g,
                             struct json_object *all);
int scenario_ask_question (const struct scenario *s, const struct guest *g,
                           const struct transport_ops *way,
                           const struct transport_env *env, struct job *job,
                           struct outcome_report *ret, struct error *err);

#endif
