/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes rows in, keeps what belongs together, has the rest printed.
 *
 * Stacks come before what they are of and are kept; tasks are kept until all
 * are there, to be shown with those that stand at the same place.
 */
#include "supervisor/cli/inspect_impl.h"

#include "base/json.h"
#include "supervisor/cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool
row_list_add (struct row_list *l, struct json_object *row)
{
  if (l->n == l->cap)
    {
      size_t cap = l->cap ? 2 * l->cap : 64;
      struct json_object **more = realloc (l->rows, cap * sizeof *more);

      if (!more)
        return false;
      l->rows = more;
      l->cap = cap;
    }
  l->rows[l->n++] = json_object_get (row);
  return true;
}

void
row_list_done (struct row_list *l)
{
  for (size_t i = 0; i < l->n; i++)
    json_object_put (l->rows[i]);
  free (l->rows);
  *l = (struct row_list){ NULL, 0, 0 };
}

struct inspect_view *
inspect_view_new (enum inspect_form form, FILE *to, struct inspect_past *past)
{
  struct inspect_view *v = calloc (1, sizeof *v);

  if (!v)
    return NULL;
  v->form = form;
  v->to = to;
  v->past = past;
  v->seen = outside_new ();
  if (!v->seen)
    {
      free (v);
      return NULL;
    }
  return v;
}

void
inspect_view_free (struct inspect_view *v)
{
  if (!v)
    return;
  row_list_done (&v->tasks);
  row_list_done (&v->lacks);
  outside_free (v->seen);
  if (v->body)
    fclose (v->body);
  free (v->body_text);
  free (v);
}

/* The first lines, which say of what all this is, go out at once. */
static void
choose_place (struct inspect_view *v, const char *kind)
{
  bool first = strcmp (kind, "guest") == 0 || strcmp (kind, "kernel") == 0;

  if (v->form != INSPECT_TEXT && v->form != INSPECT_TOP)
    return;
  if (!v->out)
    v->out = v->to;
  if (!first && !v->body)
    v->body = open_memstream (&v->body_text, &v->body_len);
  v->to = first || !v->body ? v->out : v->body;
}

/* Findings, and then what they were found in. */
static void
print_body (struct inspect_view *v)
{
  if (v->body)
    {
      fflush (v->body);
      v->to = v->out;
    }
  outside_judge (v->seen);
  inspect_say_findings_ (v);
  if (v->body)
    fwrite (v->body_text, 1, v->body_len, v->to);
}

static void
take (struct inspect_view *v, struct json_object *row)
{
  const char *kind = row_str (row, "row");
  bool task = strcmp (kind, "task") == 0;

  choose_place (v, kind);
  outside_add (v->seen, row);
  if (strcmp (kind, "stack") == 0)
    return;
  if (task)
    row_list_add (&v->tasks, row);
  else if (strcmp (kind, "lacks") == 0)
    row_list_add (&v->lacks, row);
  else if (v->form == INSPECT_FOLDED)
    {
      /* What a CPU does is a stack like others. */
      if (strcmp (kind, "cpu") == 0)
        row_list_add (&v->tasks, row);
    }
  else if (v->form == INSPECT_TOP)
    {
      if (strcmp (kind, "cpu") == 0)
        inspect_print_cpu_line_ (v, row);
      else if (strcmp (kind, "system") == 0 || strcmp (kind, "guest") == 0)
        inspect_print_row_ (v, kind, row);
    }
  else
    {
      if (v->tasks.n > 0)
        inspect_print_tasks_ (v);
      inspect_print_row_ (v, kind, row);
      snprintf (v->last, sizeof v->last, "%s", kind);
    }
}

static struct json_object *
parse (const char *line, size_t len)
{
  struct json_tokener *tok = json_tokener_new ();
  struct json_object *row = NULL;

  if (tok)
    row = json_tokener_parse_ex (tok, line, (int) len);
  json_tokener_free (tok);
  return row;
}

/* Of those that are passed on: what findings are made of. */
static void
keep (struct inspect_view *v, struct json_object *row)
{
  outside_add (v->seen, row);
  if (strcmp (row_str (row, "row"), "lacks") == 0)
    row_list_add (&v->lacks, row);
}

static int
take_line (struct inspect_view *v, const char *line, size_t len)
{
  struct json_object *row;
  bool pass = v->form == INSPECT_JSON;

  v->rows++;
  if (pass)
    {
      fwrite (line, 1, len, v->to);
      fputc ('\n', v->to);
    }
  row = parse (line, len);
  if (!json_object_is_type (row, json_type_object))
    {
      json_object_put (row);
      return -EBADMSG;
    }
  if (pass)
    keep (v, row);
  else
    take (v, row);
  json_object_put (row);
  return 0;
}

int
inspect_view_lines (struct inspect_view *v, const char *lines, size_t len)
{
  int r = 0;

  while (len > 0 && r == 0)
    {
      const char *end = memchr (lines, '\n', len);
      size_t n = end ? (size_t) (end - lines) : len;

      r = take_line (v, lines, n);
      lines += end ? n + 1 : n;
      len -= end ? n + 1 : n;
    }
  return r;
}

void
inspect_view_cut (struct inspect_view *v)
{
  v->cut = true;
}

void
inspect_view_end (struct inspect_view *v)
{
  if (v->form == INSPECT_FOLDED)
    inspect_print_folded_ (v);
  if (v->form == INSPECT_TOP)
    inspect_print_top_ (v);
  if (v->form == INSPECT_TEXT)
    {
      if (v->tasks.n > 0)
        inspect_print_tasks_ (v);
      inspect_print_lacks_ (v);
    }
  print_body (v);
}

int
inspect_view_worst (const struct inspect_view *v)
{
  return v->worst;
}

unsigned
inspect_view_lacks (const struct inspect_view *v)
{
  return (unsigned) v->lacks.n;
}

const char *
inspect_view_unknown (const struct inspect_view *v)
{
  for (size_t i = 0; i < v->lacks.n; i++)
    if (strcmp (row_str (v->lacks.rows[i], "what"), "section") == 0)
      return row_str (v->lacks.rows[i], "section");
  return NULL;
}

unsigned
inspect_view_rows (const struct inspect_view *v)
{
  return v->rows;
}
