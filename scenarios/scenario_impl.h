/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share.
 */
#ifndef HANGDOG_SCENARIOS_IMPL_H
#define HANGDOG_SCENARIOS_IMPL_H

#include "scenarios/scenario.h"
#include "base/buf.h"
#include "base/regex.h"
#include "transports/console/session.h"
#include "transports/transport.h"

extern const struct json_field scenario_fields[];

/* "a" + "b" is "a.b", "" + "b" is "b". */
void scenario_path (char *dst, size_t n, const char *path, const char *key);

/* ---- what a kind does not use is a mistake, not a decoration ---- */

enum scenario_uses
{
  USES_COMMAND = 1 << 0,
  USES_ADDRESS = 1 << 1,
  USES_SEND = 1 << 2,
  USES_STEPS = 1 << 3,
  USES_STATUS = 1 << 4,
  USES_OUTPUT = 1 << 5, /* output, not-output, compare */
  USES_CONSOLE = 1 << 6,
  USES_SSH = 1 << 7,
};
int scenario_check_uses (const struct scenario *s, const struct json_doc *doc,
                         const char *path, unsigned uses, struct error *err);

/* `command` is there, and is one line.  why_line ends the sentence for one
 * that is not: "must be one line without control characters; ...". */
int scenario_check_command (const struct scenario *s,
                            const struct json_doc *doc, const char *path,
                            const char *why_line, struct error *err);

/* `address` is there and can be one. */
int scenario_check_address (const struct scenario *s,
                            const struct json_doc *doc, const char *path,
                            bool *ret_loopback, struct error *err);
/* What it means for this guest: it, or dst; NULL with ret filled (no verdict)
 * when the guest's own is not known. */
const char *scenario_address (const struct scenario *s, const struct guest *g,
                              char *dst, size_t n,
                              struct outcome_report *ret);

/* Minute of the day of "HH:MM" (24:00 = 1440), -1 if it is none. */
int hours_minute (const char *hhmm);
/* Bit 0 = sun of "mon,tue" (NULL = every day), -1 if it is none. */
int hours_days (const char *days);

/* Bytes of a regular expression in a document: fewer than base/regex.h has
 * room for, and part of the published schema. */
#define SCENARIO_REGEX_MAX 1024

/* ---- judging ---- */

void report_set (struct outcome_report *r, enum outcome outcome,
                 const char *code, const char *fmt, ...)
    __attribute__ ((format (printf, 4, 5)));
/* Guest bytes into a sentence: escaped, one line, cut. */
const char *report_quote (char *dst, size_t n, const char *bytes, size_t len);

/* What an end of talking means when it is not TALK_OK. */
void judge_talk (enum talk talk, const char *detail,
                 struct outcome_report *ret);
/* Status and output against `expect`; sets ret in every case. */
void judge_answer (const struct scenario_expect *expect, int64_t status,
                   const char *out, size_t len, struct outcome_report *ret);

/* The same, of a command: its output may be how long the guest is up. */
void judge_command (const struct scenario_expect *expect, int64_t status,
                    const char *out, size_t len, struct outcome_report *ret);

/* A stopped QEMU serves nobody, which looks like a console that somebody else
 * has.  True, with ret failed, when its process is stopped, a zombie or gone:
 * seen on the host, so it needs no answer. */
bool judge_process (const struct guest *g, struct outcome_report *ret);

/* What a kind says and judges over a console: fills ret, leaves the session
 * open.  < 0 only for our own failures. */
typedef int scenario_talk_fn (struct session *session,
                              const struct scenario *s, struct job *job,
                              struct outcome_report *ret, struct error *err);
/* The run() of a kind that talks: takes the lease, lets talk have it, gives
 * it back, and fills what every report over a console has.  Without a console
 * to be had talk is not called. */
int scenario_over_console (const struct scenario *s, const struct guest *g,
                           const struct transport_env *env, struct job *job,
                           scenario_talk_fn *talk, struct outcome_report *ret,
                           struct error *err);

#endif
