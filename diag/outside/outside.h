/* SPDX-License-Identifier: Apache-2.0
 *
 * What a look at a guest's memory means: rows in (docs/inspect-json.md),
 * findings out.
 *
 * Pure: it asks nobody, and prints nothing.  The command line says what stands
 * out with it, and a diagnosis judges by the same.  All of the rows is the
 * guest's word: texts of findings and members of culprits hold its bytes as
 * they are, and who shows them escapes them.
 */
#ifndef HANGDOG_DIAG_OUTSIDE_OUTSIDE_H
#define HANGDOG_DIAG_OUTSIDE_OUTSIDE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

struct fact;
struct incarnation;
struct outside;

/* The heavier comes first. */
enum outside_weight
{
  OUTSIDE_NOTE,
  OUTSIDE_DEGRADED,
  OUTSIDE_BLOCKED,
  OUTSIDE_STORAGE,
  OUTSIDE_DEADLOCK,
  OUTSIDE_LOCKUP,
  OUTSIDE_DEAD,
  OUTSIDE_NOT_RUN,
  OUTSIDE_WEIGHTS,
};
extern const char *const outside_weight_names[OUTSIDE_WEIGHTS];

#define OUTSIDE_FINDINGS 24
#define OUTSIDE_KEY 240

struct outside_finding
{
  enum outside_weight weight;
  const char *class; /* of docs/verdicts.md; NULL = this alone is none */
  char *text;        /* in plain words, with what it is known by */
  /* An object: cpu pid comm function module lock disk device pool, whichever
   * is known of who did it; NULL = nobody. */
  struct json_object *culprit;
  /* What stands where: by it the same trouble is known again (wait_key()); ""
   * = by no stack. */
  char key[OUTSIDE_KEY];
};

/* NULL: no memory. */
struct outside *outside_new (void);
void outside_free (struct outside *o);
/* Takes a reference of what it needs.  Stacks come before what they are of. */
void outside_add (struct outside *o, struct json_object *row);
/* The same of the look before: what of it is compared is kept. */
void outside_add_before (struct outside *o, struct json_object *row);

/* Once all rows are there; findings stay until outside_free(). */
void outside_judge (struct outside *o);
size_t outside_count (const struct outside *o);
const struct outside_finding *outside_get (const struct outside *o, size_t i);
/* Tasks, all CPUs and the system were among the rows: that nothing stands out
 * may be said. */
bool outside_saw_all (const struct outside *o);

/* What a look says in facts of diag/facts.def, each by the source "memory" and
 * of that incarnation; after outside_judge(). */
typedef void outside_fact_fn (const struct fact *f, void *arg);
void outside_facts (const struct outside *o, const struct incarnation *inc,
                    outside_fact_fn *fn, void *arg);
/* Facts net.* of its own devices, by rows "net" of whoever saw them. */
void outside_network_facts (const struct outside *o, const char *source,
                            const struct incarnation *inc,
                            outside_fact_fn *fn, void *arg);
/* A culprit in words: "spin [zoo], zoo_spin (312) on CPU 1". */
void outside_culprit_text (struct json_object *culprit, char *dst, size_t n);

/* ---- what rows refer to ---- */

#define OUTSIDE_PLACE 200

/* The stack of a row, which has `frames`; NULL = it has none. */
struct json_object *outside_stack (const struct outside *o,
                                   struct json_object *row);
/* Where a task or CPU stands: `at` the first function that says something,
 * `top` the innermost one, each of OUTSIDE_PLACE bytes and with its module;
 * "" = not known. */
void outside_place (const struct outside *o, struct json_object *row, char *at,
                    char *top);
bool outside_is_arm (const struct outside *o);

#endif
