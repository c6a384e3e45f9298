/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of facts.
 */
#include "diag/facts.h"

#include <string.h>

const char *const fact_type_names[] = { [FACT_TEXT] = "text",
                                        [FACT_INT] = "int",
                                        [FACT_REAL] = "real",
                                        [FACT_BOOL] = "bool",
                                        [FACT_BOOL + 1] = NULL };

/* As facet_names has them. */
#define FACET_OF_NONE ""
#define FACET_OF_HOST "host"
#define FACET_OF_VMM "vmm"
#define FACET_OF_RUN_STATE "run-state"
#define FACET_OF_VCPU "vcpu"
#define FACET_OF_TICKS "ticks"
#define FACET_OF_SCHEDULER "scheduler"
#define FACET_OF_BLOCK "block"
#define FACET_OF_MEMORY "memory"
#define FACET_OF_NETWORK "network"
#define FACET_OF_FILESYSTEM "filesystem"
#define FACET_OF_INIT "init"
#define FACET_OF_CONSOLE "console"
#define FACET_OF_APPLICATION "application"

const struct fact_kind fact_kinds[] = {
#define FACT(name, type, unit, facet, help)                                   \
  { name, FACT_##type, unit, FACET_OF_##facet, help, false },
#define FACT_PASSES(name, type, unit, facet, help)                            \
  { name, FACT_##type, unit, FACET_OF_##facet, help, true },
#define FACT_STAYS(name)
#define FACT_SOURCE(name, help)
#include "diag/facts.def"
  { NULL, FACT_TEXT, NULL, NULL, NULL, false },
};

static const char *const staying[] = {
#define FACT(name, type, unit, facet, help)
#define FACT_PASSES(name, type, unit, facet, help)
#define FACT_STAYS(name) name,
#define FACT_SOURCE(name, help)
#include "diag/facts.def"
  NULL,
};

const struct fact_source fact_sources[] = {
#define FACT(name, type, unit, facet, help)
#define FACT_PASSES(name, type, unit, facet, help)
#define FACT_STAYS(name)
#define FACT_SOURCE(name, help) { name, help },
#include "diag/facts.def"
  { NULL, NULL },
};

/* "*" is at least one byte: "disk..moved" is no disk's. */
static bool
fits (const char *pattern, const char *name)
{
  const char *star = strchr (pattern, '*');
  size_t head = star ? (size_t) (star - pattern) : 0;

  if (!star)
    return strcmp (pattern, name) == 0;
  return strlen (name) >= strlen (pattern)
         && strncmp (pattern, name, head) == 0
         && strcmp (star + 1, name + strlen (name) - strlen (star + 1)) == 0;
}

const struct fact_kind *
fact_kind_find (const char *name)
{
  const struct fact_kind *found = NULL;

  for (const struct fact_kind *k = fact_kinds; k->name; k++)
    {
      if (strcmp (k->name, name) == 0)
        return k;
      /* The one that says more: "disk.*.fs.errors" before "disk.*.errors". */
      if (fits (k->name, name)
          && (!found || strlen (k->name) > strlen (found->name)))
        found = k;
    }
  return found;
}

bool
fact_passes (const char *name)
{
  const struct fact_kind *k = fact_kind_find (name);

  for (unsigned i = 0; staying[i]; i++)
    if (strcmp (staying[i], name) == 0)
      return false;
  return k && k->passes;
}

const struct fact_source *
fact_source_find (const char *name)
{
  for (const struct fact_source *s = fact_sources; s->name; s++)
    if (strcmp (s->name, name) == 0)
      return s;
  return NULL;
}

bool
fact_is_word (const char *words, const char *word)
{
  size_t n = strlen (word), len;

  for (; *words; words += len + (words[len] == '|'))
    {
      len = strcspn (words, "|");
      if (len == n && memcmp (words, word, n) == 0)
        return true;
    }
  return false;
}
