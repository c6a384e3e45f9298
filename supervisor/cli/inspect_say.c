/* SPDX-License-Identifier: Apache-2.0
 *
 * How findings are said: as text above the rest, as rows, and as the exit
 * code.
 */
#include "supervisor/cli/inspect_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "supervisor/cli/cli.h"

#include <stdlib.h>
#include <string.h>

static const struct
{
  const char *name;
  int exit_code;
} weights[] = {
  [NOTE] = { "note", EXIT_WELL },
  [DEGRADED] = { "degraded", EXIT_DEGRADED },
  [BLOCKED] = { "blocked", EXIT_TROUBLE },
  [STORAGE] = { "storage", EXIT_TROUBLE },
  [DEADLOCK] = { "deadlock", EXIT_TROUBLE },
  [LOCKUP] = { "lockup", EXIT_TROUBLE },
  [DEAD] = { "dead", EXIT_TROUBLE },
  [NOT_RUN] = { "not-running", EXIT_NO_VERDICT },
};

static int
by_weight (const void *a, const void *b)
{
  const struct finding *x = a, *y = b;

  return x->weight < y->weight ? 1 : x->weight > y->weight ? -1 : 0;
}

static void
print_rows (const struct findings *f)
{
  for (size_t i = 0; i < f->n; i++)
    {
      CLEANUP_JSON struct json_object *row = json_object_new_object ();
      struct buf line CLEANUP_BUF = BUF_INIT (64u << 10);

      json_add_str (row, "row", "finding");
      json_add_str (row, "weight", weights[f->list[i].weight].name);
      json_add_text (row, "text", f->list[i].text, strlen (f->list[i].text));
      json_show (row, &line);
      fprintf (f->v->to, "%s\n", buf_str (&line));
    }
}

static void
print_paragraphs (const struct findings *f, bool saw_all)
{
  struct inspect_view *v = f->v;

  if (f->n > 0)
    fputs ("What stands out:\n", v->to);
  else if (saw_all)
    fputs (v->lacks.n > 0 || v->cut
               ? "Nothing stands out in what could be found out.\n"
               : "Nothing stands out in this look.\n",
           v->to);
  for (size_t i = 0; i < f->n; i++)
    print_paragraph (v->to, " * ", f->list[i].text);
  if (f->n > 0 || saw_all)
    fputc ('\n', v->to);
}

/* Trouble before that it does not run, and that before all that is less. */
static int
worst_of (const struct findings *f)
{
  static const int order[]
      = { EXIT_TROUBLE, EXIT_NO_VERDICT, EXIT_DEGRADED, EXIT_WELL };

  for (size_t k = 0; order[k] != EXIT_WELL; k++)
    for (size_t i = 0; i < f->n; i++)
      if (weights[f->list[i].weight].exit_code == order[k])
        return order[k];
  return EXIT_WELL;
}

int
inspect_say_findings_ (struct findings *f, bool saw_all)
{
  int worst = worst_of (f);

  qsort (f->list, f->n, sizeof *f->list, by_weight);
  if (f->v->form == INSPECT_JSON)
    print_rows (f);
  else if (f->v->form != INSPECT_FOLDED)
    print_paragraphs (f, saw_all);
  for (size_t i = 0; i < f->n; i++)
    free (f->list[i].text);
  f->n = 0;
  return worst;
}
