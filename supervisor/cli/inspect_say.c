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

#include <string.h>

static const int exit_codes[OUTSIDE_WEIGHTS] = {
  [OUTSIDE_NOTE] = EXIT_WELL,        [OUTSIDE_DEGRADED] = EXIT_DEGRADED,
  [OUTSIDE_BLOCKED] = EXIT_TROUBLE,  [OUTSIDE_STORAGE] = EXIT_TROUBLE,
  [OUTSIDE_DEADLOCK] = EXIT_TROUBLE, [OUTSIDE_LOCKUP] = EXIT_TROUBLE,
  [OUTSIDE_DEAD] = EXIT_TROUBLE,     [OUTSIDE_NOT_RUN] = EXIT_NO_VERDICT,
};

static void
print_row (FILE *to, const struct outside_finding *f)
{
  CLEANUP_JSON struct json_object *row = json_object_new_object ();
  struct buf line CLEANUP_BUF = BUF_INIT (64u << 10);

  json_add_str (row, "row", "finding");
  json_add_str (row, "weight", outside_weight_names[f->weight]);
  json_add_str (row, "class", f->class);
  if (f->culprit)
    json_object_object_add (row, "culprit", json_object_get (f->culprit));
  json_add_text (row, "text", f->text, strlen (f->text));
  json_show (row, &line);
  fprintf (to, "%s\n", buf_str (&line));
}

static void
print_paragraphs (struct inspect_view *v)
{
  bool saw_all = outside_saw_all (v->seen);
  size_t n = outside_count (v->seen);

  if (n > 0)
    fputs ("What stands out:\n", v->to);
  else if (saw_all)
    fputs (v->lacks.n > 0 || v->cut
               ? "Nothing stands out in what could be found out.\n"
               : "Nothing stands out in this look.\n",
           v->to);
  for (size_t i = 0; i < n; i++)
    print_paragraph (v->to, " * ", outside_get (v->seen, i)->text);
  if (n > 0 || saw_all)
    fputc ('\n', v->to);
}

/* Trouble before that it does not run, and that before all that is less. */
static int
worst_of (const struct outside *o)
{
  static const int order[]
      = { EXIT_TROUBLE, EXIT_NO_VERDICT, EXIT_DEGRADED, EXIT_WELL };

  for (size_t k = 0; order[k] != EXIT_WELL; k++)
    for (size_t i = 0; i < outside_count (o); i++)
      if (exit_codes[outside_get (o, i)->weight] == order[k])
        return order[k];
  return EXIT_WELL;
}

void
inspect_say_findings_ (struct inspect_view *v)
{
  v->worst = worst_of (v->seen);
  if (v->form == INSPECT_JSON)
    for (size_t i = 0; i < outside_count (v->seen); i++)
      print_row (v->to, outside_get (v->seen, i));
  else if (v->form != INSPECT_FOLDED)
    print_paragraphs (v);
}
