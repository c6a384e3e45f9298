/* SPDX-License-Identifier: Apache-2.0
 *
 * One guest's health in a word, for `list`, `status` and `wait`.  Pure.
 *
 * That one way to a guest is lost, while it is well by another, is a finding
 * and no hang: it has words of its own, and where a check really fails beside
 * it that one counts.  So it is with what a check finds in a guest that lives:
 * a certificate that ends, a console that says too much ("impaired").
 */
#ifndef HANGDOG_SUPERVISOR_WORD_H
#define HANGDOG_SUPERVISOR_WORD_H

#include "diag/incident.h"
#include "scenarios/scenario.h"

/* What the scenarios of a guest say together: all zero, then each of them. */
struct word_parts
{
  unsigned n;
  enum health worst;          /* of those that have no such finding */
  struct outcome_report lost; /* the first of those that have; code "" = none */
};
/* last: NULL before the first. */
void word_part (struct word_parts *p, enum health health,
                const struct outcome_report *last);

/* One of health_words.def; "watched": it has no scenario.  standing: its firm
 * incident, or NULL. */
const char *word_of (const struct guest *g, const struct incident *standing,
                     const struct word_parts *p);
/* The sentence of what is lost, or NULL. */
const char *word_finding (const struct incident *standing,
                          const struct word_parts *p);

#endif
