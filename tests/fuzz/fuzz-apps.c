/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody in a guest says of its processes: rows are made of it, they are
 * judged, and what comes of that is bounded and in the table of facts.
 */
#include "base/fact.h"
#include "base/json.h"
#include "diag/collect/app_rows.h"
#include "diag/facts.h"
#include "diag/outside/apps.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

static void
on_fact (const struct fact *f, void *arg)
{
  const struct fact_kind *k = fact_kind_find (f->name);

  MUST (k && k->type == f->type);
  MUST (f->type != FACT_TEXT || !k->unit[0]
        || fact_is_word (k->unit, f->text));
}

/* The first line is a command, the rest its answer. */
static void
asked_for (const char *line, size_t len, struct apps_asked *ret)
{
  char command[256];

  snprintf (command, sizeof command, "%.*s", (int) (len < 255 ? len : 255),
            line);
  apps_asked_by (NULL, NULL, ret);
  apps_asked_words (command, ret);
  MUST (ret->nports <= APPS_PORTS && ret->nunits <= APPS_WORDS);
}

static void
links (const struct inside_part *part, struct outside *o)
{
  char text[4096];

  snprintf (text, sizeof text, "%.*s",
            (int) (part->len < sizeof text ? part->len : sizeof text - 1),
            part->text);
  if (strcmp (part->name, "links") == 0)
    inside_links (text, o);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const struct incarnation inc = { .uuid = "u" };
  const char *at = (const char *) data, *end = at + size;
  const char *nl = memchr (data, '\n', size);
  struct outside *o = outside_new ();
  struct app_rows *rows = o ? app_rows_new (o) : NULL;
  struct inside_part part;
  struct apps_asked asked;

  if (rows)
    {
      asked_for (at, nl ? (size_t) (nl - at) : size, &asked);
      while (inside_next (&at, end, &part))
        {
          app_rows_part (rows, &part);
          links (&part, o);
        }
      outside_judge (o);
      outside_network_facts (o, "inside", &inc, on_fact, NULL);
      apps_facts (o, &asked, "inside", &inc, on_fact, NULL);
      json_object_put (apps_document (o, &asked));
    }
  app_rows_free (rows);
  outside_free (o);
  return 0;
}
