/* SPDX-License-Identifier: Apache-2.0
 *
 * What a rule holds and how a line is asked: between the rules and the reader,
 * private to kernel/text and its tests.
 *
 * Order: the file that was added last comes first, ours come at the end in the
 * order of the Makefile.  Within a file (ours count as one) the harmless ones
 * come first, then the others as they stand there.
 */
#ifndef HANGDOG_KERNEL_TEXT_RULES_IMPL_H
#define HANGDOG_KERNEL_TEXT_RULES_IMPL_H

#include "kernel/text/rules.h"

#include <stdatomic.h>

struct buf;
struct regex;

#define RULES_MAX 1024          /* of all files together */
#define RULES_LITERALS_MAX 8192
#define RULES_CODE_MAX (4u << 20) /* bytes of compiled expressions */
#define RULE_ANY_MAX 32
#define RULE_NOT_MAX 16
#define RULE_BY_MAX 8
#define RULE_SAMPLES_MAX 64
#define RULE_LITERAL_MIN 3
#define RULE_LITERAL_MAX 128
#define RULE_GROUPS_MAX 15      /* groups of an expression, named or not */

enum rule_where
{
  WHERE_KERNEL, /* stage_kernel_speaks() */
  WHERE_USER,   /* FROM_USER or bare text */
  WHERE_BOOT,   /* the stage is before userspace */
  WHERE_ANY,
}; /* not said: kernel; of a harmless one: any */

/* Named groups that an event has a member for. */
enum rule_member
{
  MEMBER_COMM,
  MEMBER_PID,
  MEMBER_CPU,
  MEMBER_SECONDS,
  MEMBER_SUBJECT,
  MEMBER_OTHER,
  MEMBER_FUNC,
  MEMBER_RIP,
  MEMBER_MAX,
};
extern const char *const rule_member_names[]; /* ends with NULL */

/* Texts are never NULL: "" = the file does not say. */
struct text_rule
{
  const char *name;
  const char *kind;   /* of text_kinds; "harmless" */
  bool harmless;      /* a line that matches is no head */
  enum text_severity severity;
  const char *type, *class_;
  enum rule_where where;
  const char *report; /* of text_recipes; "" = the line is all of it */
  const char *title;  /* never "" but in harmless ones */
  const char *bare;   /* when title names what was not found; "" = title, with
                         what it names left out */
  const char *alt[TEXT_ALTS_MAX];
  const char *origin; /* "boot.json", or the operator's file */
  bool builtin, replaces;
  atomic_uint given_up;
  uint16_t group[MEMBER_MAX]; /* number of the member's group, 0 = none */

  /* For the rules themselves. */
  const char *const *any, *const *nots_text;
  const char *const *yes, *const *no; /* samples */
  const char *const *by; /* "init", "init[1]" */
  unsigned n_any, n_nots, n_yes, n_no, n_by;
  struct regex *match, **nots;
  unsigned groups; /* of match */
  unsigned batch;  /* which file; ours all have 0 */
};

/* Names that "report" may have: the reader's table (report.c), ends with
 * NULL.  The loader refuses others. */
extern const char *const text_recipes[];
/* What recipes find beside the members and the groups of the line, for titles
 * ("access"): the reader's table, too, ends with NULL.  A template may name a
 * member, a named group of its rule's "match", or one of these. */
extern const char *const text_title_names[];

struct rule_span
{
  const char *text; /* within the message; NULL = the group took nothing */
  size_t len;
};

struct rule_match
{
  const struct text_rule *rule;
  struct rule_span whole;
  struct rule_span group[RULE_GROUPS_MAX + 1]; /* by number, from 1 */
  unsigned limits_hit; /* expressions given up on this line: also counted
                          where nothing matched */
};

/* The first rule that the message matches.  1 with *ret filled, also when that
 * rule is a harmless one: look at ret->rule->harmless; else 0, and of *ret only
 * limits_hit is good.  The stage is as it was when the line came (after
 * stage_line).  Any number of threads may ask at once. */
int text_rules_scan (const struct text_rules *r, const struct text_msg *msg,
                     const struct stage *stage, struct rule_match *ret);

/* What a member or any named group took; .text NULL = nothing. */
struct rule_span rule_member (const struct rule_match *m, enum rule_member w);
struct rule_span rule_named (const struct rule_match *m, const char *name,
                             size_t len);

/* kind, rule, severity, type, class_, comm, pid, cpu, seconds, subject, other,
 * rip of an event from the line that began it; leaves alone what the line did
 * not say. */
void rule_fill (const struct rule_match *m, struct text_event *e);

/* Fills in a template's {names}.  get() is asked first, returns "" or NULL for
 * what it does not know, and may be NULL; then the match (m may be NULL when
 * the line is long gone).  dst is always a string, cut at n.  Returns whether
 * every name had a value; those that had none are left out. */
typedef const char *rule_get_fn (const char *name, size_t len, void *arg);
bool rule_expand (const char *tmpl, const struct rule_match *m,
                  rule_get_fn *get, void *arg, char *dst, size_t n);

/* Without those that are built in: for tests of the engine. */
int text_rules_none (struct text_rules **ret, struct error *err);

/* One sample that went wrong: what is said of it, where it came from. */
typedef void rule_fail_fn (const struct text_rule *rule, const char *sample,
                           const char *why, void *arg);
/* All samples of all rules.  Returns how many failed.  strict asks for two
 * samples that match and two that do not of each rule. */
unsigned text_rules_try (struct text_rules *r, bool strict, rule_fail_fn *fn,
                         void *arg);

#endif
