/* SPDX-License-Identifier: Apache-2.0
 *
 * Printing: rows as JSON, text escaped, tables.
 */
#include "supervisor/cli/cli.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAX_COLUMNS 10
#define ROOM_BESIDE 24 /* less is no room for text */
#define INDENT 4

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
  struct buf out CLEANUP_BUF = BUF_INIT (SIZE_MAX / 2);

  json_show (row, &out);
  puts (buf_str (&out));
  /* A row is an event for who follows through a pipe. */
  fflush (stdout);
}

void
print_json_as (struct json_object *row, const char *kind)
{
  if (!json_get (row, "row"))
    json_add_str (row, "row", kind);
  print_json (row);
}

const char *
row_str (struct json_object *row, const char *key)
{
  const char *s = json_get_str (row, key);

  return s ? s : "";
}

const char *
daemon_trouble (struct json_object *row)
{
  if (json_get_bool (row, "drain_only", false))
    return "hangdog died too often: it only drains the consoles and asks no "
           "guest; see its log, then restart it";
  if (!json_get_bool (row, "writer", true))
    return "hangdog's writer is not there: nothing is stored or sent";
  if (json_get (row, "disk_full_ms"))
    return "the disk with hangdog's state is full: evidence is being lost";
  if (json_get_str (row, "denied"))
    return json_get_str (row, "denied");
  if (json_get_str (row, "not_loaded"))
    return json_get_str (row, "not_loaded");
  if (json_get_str (row, "bad_rules"))
    return json_get_str (row, "bad_rules");
  return json_get_str (row, "bad_playbooks");
}

void
print_text (FILE *to, const char *s)
{
  struct buf out = BUF_INIT (64u << 10);

  /* Rows hold what guests chose: names, titles, what they printed. */
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

      /* A table that misses a row at the end of memory is still worth
       * printing. */
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

static int
by_first_cell (const void *a, const void *b)
{
  const char *x = *(char *const *) a, *y = *(char *const *) b;

  return strverscmp (x ? x : "", y ? y : "");
}

void
table_sort (struct table *t)
{
  if (t && t->rows > 0)
    qsort (t->cells, t->rows, t->columns * sizeof (*t->cells), by_first_cell);
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

/* Columns of the terminal; 0 when it is none: what a program reads is never
 * wrapped. */
static int
terminal_width (FILE *to)
{
  /* What is written to memory is meant for stdout. */
  int fd = fileno (to) < 0 ? STDOUT_FILENO : fileno (to);
  struct winsize ws;

  if (!isatty (fd))
    return 0;
  if (ioctl (fd, TIOCGWINSZ, &ws) < 0 || ws.ws_col < 40)
    return 80;
  return ws.ws_col;
}

/* Bytes of a line that fill at most so many columns. */
static size_t
columns_of (const char *line, size_t n, unsigned columns)
{
  unsigned used = 0;

  for (size_t i = 0; i < n; i++)
    if (((unsigned char) line[i] & 0xc0) != 0x80 && used++ == columns)
      return i;
  return n;
}

void
print_screen (const char *text)
{
  struct winsize ws;
  unsigned rows = 24, columns = 80;

  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 4)
    {
      rows = ws.ws_row;
      columns = ws.ws_col > 20 ? ws.ws_col : 20;
    }
  fputs ("\033[H\033[2J", stdout);
  for (unsigned i = 1; *text && i < rows; i++)
    {
      size_t n = strcspn (text, "\n");

      if (text[n] && i + 1 == rows && text[n + 1])
        {
          fputs ("... (the rest does not fit)", stdout);
          break;
        }
      /* One that went on in the next row would push the first ones out. */
      printf ("%.*s\n", (int) columns_of (text, n, columns), text);
      text += n + (text[n] != '\0');
    }
  fflush (stdout);
}

/* Bytes of s that fill at most room columns, ending before a space if there is
 * one. */
static size_t
fitting (const char *s, int room)
{
  size_t n = 0, space = 0;
  int columns = 0;

  while (s[n])
    {
      columns += ((unsigned char) s[n] & 0xc0) != 0x80;
      if (columns > room)
        return space ? space : n ? n : 1;
      if (s[n] == ' ' && n > 0)
        space = n;
      n++;
    }
  return n;
}

/* From the column `at` on; further lines begin there, too.  Where there is no
 * room for that the terminal wraps it. */
static void
print_wrapped (FILE *to, const char *s, int at, int limit)
{
  size_t n;

  if (limit - at < ROOM_BESIDE)
    limit = 0;
  while (limit && width (s) > limit - at)
    {
      n = fitting (s, limit - at);
      fprintf (to, "%.*s\n%*s", (int) n, s, at, "");
      s += n;
      while (*s == ' ')
        s++;
    }
  fprintf (to, "%s\n", s);
}

/* Widths of all columns; returns where the last one begins. */
static int
measure (const struct table *t, int widths[MAX_COLUMNS])
{
  int at = 0;

  for (unsigned c = 0; c < t->columns; c++)
    {
      widths[c] = width (t->titles[c]);
      for (size_t r = 0; r < t->rows; r++)
        {
          int w = width (t->cells[r * t->columns + c]);

          if (w > widths[c])
            widths[c] = w;
        }
      if (c + 1 < t->columns)
        at += widths[c] + 2;
    }
  return at;
}

static void
print_row (const struct table *t, FILE *to, size_t r, const int *widths,
           int at, int limit)
{
  const char *last = t->cells[(r + 1) * t->columns - 1];

  const char *const *cells = (const char *const *) t->cells + r * t->columns;
  unsigned used = t->columns;

  last = last ? last : "";
  /* No blanks at the end of a line. */
  while (used > 1 && !(cells[used - 1] && cells[used - 1][0]))
    used--;
  for (unsigned c = 0; c + 1 < t->columns && c < used; c++)
    print_cell (to, cells[c], c + 1 < used ? widths[c] + 2 : 0);
  /* No room beside the others: it gets lines of its own. */
  if (limit && *last && limit - at < ROOM_BESIDE && width (last) > limit - at)
    {
      fprintf (to, "\n%*s", INDENT, "");
      at = INDENT;
    }
  print_wrapped (to, last, at, limit);
}

void
table_print (struct table *t, FILE *to)
{
  int widths[MAX_COLUMNS] = { 0 }, at, limit = terminal_width (to);

  if (!t || t->rows == 0)
    return;
  at = measure (t, widths);
  for (unsigned c = 0; c < t->columns; c++)
    print_cell (to, t->titles[c], c + 1 < t->columns ? widths[c] + 2 : 0);
  fputc ('\n', to);
  for (size_t r = 0; r < t->rows; r++)
    print_row (t, to, r, widths, at, limit);
}

void
print_paragraph (FILE *to, const char *label, const char *s)
{
  struct buf safe = BUF_INIT (64u << 10);

  text_escape (&safe, s, strlen (s), 0);
  fputs (label, to);
  print_wrapped (to, buf_str (&safe), width (label), terminal_width (to));
  buf_done (&safe);
}

const char *
print_age (char *dst, size_t n, uint64_t ms)
{
  static const struct
  {
    uint64_t ms;
    const char *unit;
  } units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" } };
  unsigned i = 0;

  while (i < 3 && ms < units[i].ms)
    i++;
  if (ms < 1000)
    snprintf (dst, n, "%ums", (unsigned) ms);
  else if (ms < 10000)
    snprintf (dst, n, "%.1fs", (double) ms / 1000);
  else if (i == 3)
    snprintf (dst, n, "%us", (unsigned) (ms / 1000));
  else
    {
      uint64_t next = i < 2 ? units[i + 1].ms : 1000;

      snprintf (dst, n, "%llu%s%llu%s", (unsigned long long) (ms / units[i].ms),
                units[i].unit, (unsigned long long) (ms % units[i].ms / next),
                i < 2 ? units[i + 1].unit : "s");
    }
  return dst;
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

void
listing_row (struct listing *l, struct json_object *row,
             const char *const *cells)
{
  l->rows++;
  if (l->json)
    print_json (row);
  else
    table_row (l->table, cells);
}

int
cli_list (const struct cli *cli, const char *what, const char *const *titles,
          struct json_object *head, client_row_fn *fn)
{
  struct listing l = { .json = cli->json, .table = table_new (titles) };
  int r = cli_ask (cli, true, head, fn, &l);

  if (r == EXIT_WELL && !cli->json)
    {
      printf ("%s=%u\n", what, l.rows);
      table_print (l.table, stdout);
    }
  table_free (l.table);
  return r;
}
