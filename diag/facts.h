/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of facts: which names there are, and what they mean.
 *
 * A rule about a name that nobody ever says is a rule that never holds: so
 * whoever publishes a fact or asks for one is checked against this table, the
 * conditions of the ladder and what collectors bring by tests.
 */
#ifndef HANGDOG_DIAG_FACTS_H
#define HANGDOG_DIAG_FACTS_H

#include "base/fact.h"

#include <stdbool.h>

struct fact_kind
{
  const char *name; /* one "*" in it at most */
  enum fact_type type;
  const char *unit;  /* or the words it may be, with "|" between; "" = any */
  const char *facet; /* of facet_names; "" = none */
  const char *help;
  bool passes; /* long ago it says nothing of now */
};
extern const struct fact_kind fact_kinds[]; /* ends with a NULL name */
extern const char *const fact_type_names[];

/* The kind of a fact of that name, NULL = there is none.  A "*" is at least
 * one byte, and a name without one is found first. */
const struct fact_kind *fact_kind_find (const char *name);
/* Whether a fact of that name, which is long past, says nothing of now. */
bool fact_passes (const char *name);
/* One of the words, with "|" between them. */
bool fact_is_word (const char *words, const char *word);

struct fact_source
{
  const char *name, *help;
};
extern const struct fact_source fact_sources[]; /* ends with a NULL name */
const struct fact_source *fact_source_find (const char *name);

#endif
