/* SPDX-License-Identifier: Apache-2.0
 *
 * Printing: rows as JSON, text escaped, tables.
 */
#include "supervisor/cli/cli.h"

#include "base/buf.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define MAX_COLUMNS 10

struct table
{
  const char *const *titles;
  unsigned columns;
  char **cells;
  size_t rows, cap;
};

void
print_json (struct json_object *row)
{
  puts (json_object_to_json_string_ext (row, JSON_C_TO_STRING_PLAIN));
  fflush (stdout);
}

void
print_text (FILE *to, const char *s)
{
  struct buf out = BUF_INIT (64u << 10);

  text_escape (&out, s, strlen (s), 0);
  fputs (buf_str (&out), to);
  buf_done (&out);
}

struct table *
table_new (const char *const *titles)
{
  struct table *t = calloc (1, sizeof (*t));

  if (!t)
    return NULL;
  t->titles = titles;
  while (titles[t->columns] && t->columns < MAX_COLUMNS)
    t->columns++;
  return t;
}

void
table_row (struct table *t, const char *const *cells)
{
  struct buf safe;
  char **more;

  if (!t)
    return;
  if ((t->rows + 1) * t->columns > t->cap)
    {
      size_t cap = t->cap ? 2 * t->cap : 16 * MAX_COLUMNS;

      more = realloc (t->cells, cap * sizeof (*more));
      if (!more)
        return;
      t->cells = more;
      t->cap = cap;
    }
  for (unsigned i = 0; i < t->columns; i++)
    {
      safe = (struct buf) BUF_INIT (1024);
      text_escape (&safe, cells[i] ? cells[i] : "",
                   cells[i] ? strlen (cells[i]) : 0, 0);
      t->cells[t->rows * t->columns + i] = buf_steal (&safe);
    }
  t->rows++;
}

/* Characters, not bytes: continuation bytes of UTF-8 take no column. */
static int
width (const char *s)
{
  int n = 0;

  for (; s && *s; s++)
    n += ((unsigned char) *s & 0xc0) != 0x80;
  return n;
}

static void
print_cell (FILE *to, const char *s, int pad)
{
  fputs (s ? s : "", to);
  for (int n = width (s); n < pad; n++)
    fputc (' ', to);
}

void
table_print (struct table *t, FILE *to)
{
  int widths[MAX_COLUMNS] = { 0 };

  if (!t || t->rows == 0)
    return;
  for (unsigned c = 0; c < t->columns; c++)
    {
      widths[c] = width (t->titles[c]);
      for (size_t r = 0; r < t->rows; r++)
        {
          int w = width (t->cells[r * t->columns + c]);

          if (w > widths[c])
            widths[c] = w;
        }
    }
  for (unsigned c = 0; c < t->columns; c++)
    print_cell (to, t->titles[c], c + 1 < t->columns ? widths[c] + 2 : 0);
  fputc ('\n', to);
  for (size_t r = 0; r < t->rows; r++)
    {
      for (unsigned c = 0; c < t->columns; c++)
        print_cell (to, t->cells[r * t->columns + c],
                    c + 1 < t->columns ? widths[c] + 2 : 0);
      fputc ('\n', to);
    }
}

void
table_free (struct table *t)
{
  if (!t)
    return;
  for (size_t i = 0; i < t->rows * t->columns; i++)
    free (t->cells[i]);
  free (t->cells);
  free (t);
}
