/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules: which lines are the head of an event.
 *
 * Data, in JSON (docs/text-rules.md): literals of which one must be in the
 * message, a regular expression that takes it apart, others that forbid it,
 * what it is called, how its report is assembled (a recipe by name, see
 * report.h), and samples that must and must not match.
 *
 *   { "schema": "hangdog/text-rules/1",
 *     "rules": [ {
 *       "name": "hung-task", "kind": "hung_task", "severity": "error",
 *       "type": "HANG", "class": "",
 *       "any": ["blocked for more than"],
 *       "match": "^INFO: task (?<comm>.{1,32}):(?<pid>\\d+) blocked for more "
 *                "than (?<seconds>\\d+) seconds",
 *       "not": [],
 *       "where": "kernel",
 *       "report": "hung-task",
 *       "title": "INFO: task hung in {func}",
 *       "bare": "INFO: task hung: {comm}",
 *       "samples": { "match": ["...", "..."], "not": ["...", "..."] } } ] }
 *
 * "where": kernel (stage_kernel_speaks; the default), user (only FROM_USER or
 * bare text), boot (only before userspace), any.  "by": programmes, when a line
 * says who said it.  A rule of the kind
 * "harmless" has no title and shadows others: what it matches is no head.
 * Named groups that an event has a member for (comm, pid, cpu, seconds,
 * subject, other, func, rip) fill it; all of them may stand in titles.  First
 * rule in the order of files and lines that matches wins, those of operators
 * before ours.
 *
 * One pass over the text finds all literals of all rules; regular expressions
 * are asked only then (PCRE2, no JIT, match limits).  Compiled once, never
 * changed, shared by all threads.
 */
#ifndef HANGDOG_KERNEL_TEXT_RULES_H
#define HANGDOG_KERNEL_TEXT_RULES_H

#include "kernel/text/event.h"

struct buf;
struct error;
struct text_rules;
struct text_rule;

/* What hangdog brings along, built into the programme. */
int text_rules_new (struct text_rules **ret, struct error *err);
/* Before the first use: rules of an operator's file, ahead of all there are.
 * origin names it in errors: FILE:LINE:COL: path: what.  One that has the name
 * of a rule of ours takes its place; two of operators have not the same. */
int text_rules_add (struct text_rules *r, const char *json, size_t len,
                    const char *origin, struct error *err);
/* The same, and the file's samples are tried: if one goes wrong, the file is
 * not taken.  On any error r is what it was. */
int text_rules_take (struct text_rules *r, const char *json, size_t len,
                     const char *origin, struct error *err);
/* Samples are tried; the first that fails is the error. */
int text_rules_check (struct text_rules *r, struct error *err);
/* Rules that are used may be shared: each who keeps them has a reference.  Any
 * thread.  The last one that lets go frees them. */
const struct text_rules *text_rules_ref (const struct text_rules *r);
void text_rules_unref (const struct text_rules *r);
void text_rules_free (struct text_rules *r); /* lets go of the first one */
/* One per line: name, kind, severity, where from. */
void text_rules_each (const struct text_rules *r,
                      void (*fn) (const struct text_rule *rule, void *arg),
                      void *arg);

/* What there is to say of one; "" where its file does not. */
struct text_rule_info
{
  const char *name, *kind, *type, *class_, *title, *origin;
  enum text_severity severity;
  bool harmless; /* a line that matches is no head */
  bool builtin;
  bool replaces;     /* an operator's, and ours of that name is not asked */
  unsigned given_up; /* lines on which it took too many steps */
};
void text_rule_info (const struct text_rule *rule,
                     struct text_rule_info *ret);

/* The JSON Schema of a file of rules. */
void text_rules_schema (struct buf *b);

#endif
