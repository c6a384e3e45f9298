/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog inspect --watch: a guest's `top` from outside.
 *
 * Rows of one look are kept until its row "sample"; then all is shown at once:
 * on a terminal in the place of what was there, else as text after text.
 */
#include "supervisor/cli/inspect_impl.h"

#include "base/json.h"
#include "supervisor/cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST_TASKS 20
#define MOST_STUCK 20
#define MOST_REQUESTS 10

struct inspect_watch
{
  FILE *to;
  bool tty;
  struct row_list rows;
};

struct inspect_watch *
inspect_watch_new (FILE *to)
{
  struct inspect_watch *w = calloc (1, sizeof *w);

  if (w)
    {
      w->to = to;
      w->tty = isatty (fileno (to)) == 1;
    }
  return w;
}

void
inspect_watch_free (struct inspect_watch *w)
{
  if (!w)
    return;
  row_list_done (&w->rows);
  free (w);
}

static bool
is (struct json_object *row, const char *kind, const char *what)
{
  return strcmp (row_str (row, "row"), kind) == 0
         && (!what || strcmp (row_str (row, "what"), what) == 0);
}

static double
real (struct json_object *row, const char *key)
{
  return json_object_get_double (json_get (row, key));
}

static long long
num (struct json_object *row, const char *key)
{
  return (long long) json_get_int (row, key, 0);
}

/* Per second; a time of nothing is one in which nothing is said. */
static double
rate (struct json_object *row, const char *key)
{
  double apart = real (row, "apart_s");

  return apart > 0 ? real (row, key) / apart : 0;
}

static struct json_object *
find (const struct inspect_watch *w, const char *kind, const char *what,
      const char *key, long long value)
{
  for (size_t i = 0; i < w->rows.n; i++)
    {
      struct json_object *row = w->rows.rows[i];

      if (is (row, kind, what)
          && (!key || (json_get (row, key) && num (row, key) == value)))
        return row;
    }
  return NULL;
}

/* ---- its parts ---- */

static void
print_head (struct inspect_watch *w, struct json_object *sample)
{
  struct json_object *guest = find (w, "guest", NULL, NULL, 0);
  struct json_object *sys = find (w, "system", NULL, NULL, 0);
  struct json_object *load = json_get (sys, "load");
  char when[32], age[32];
  time_t now = time (NULL);
  struct tm tm;

  strftime (when, sizeof when, "%H:%M:%S", localtime_r (&now, &tm));
  fprintf (w->to, "%s ", when);
  print_text (w->to, row_str (guest, "guest"));
  if (json_get (sys, "uptime_s"))
    fprintf (w->to, ", up %s",
             print_age (age, sizeof age,
                        (uint64_t) (real (sys, "uptime_s") * 1000)));
  for (size_t i = 0; json_object_is_type (load, json_type_array)
                     && i < json_object_array_length (load) && i < 3;
       i++)
    fprintf (w->to, "%s%.2f", i ? " " : ", load ",
             json_object_get_double (json_object_array_get_idx (load, i)));
  if (json_get_bool (sys, "panicked", false))
    fputs (", PANICKED", w->to);
  fprintf (w->to, "; look %lld took %.1f ms\n", num (sample, "n"),
           (double) num (sample, "cpu_us") / 1000);
  if (row_str (sample, "why")[0])
    print_paragraph (w->to, "", row_str (sample, "why"));
}

static void
print_cpu (struct inspect_watch *w, struct json_object *cpu)
{
  struct json_object *moved, *vcpu;

  moved = json_get (cpu, "cpu")
              ? find (w, "moved", "cpu", "cpu", num (cpu, "cpu"))
              : NULL;
  vcpu = json_get (cpu, "vcpu")
             ? find (w, "moved", "vcpu", "vcpu", num (cpu, "vcpu"))
             : NULL;
  fprintf (w->to, "CPU %lld", num (cpu, json_get (cpu, "cpu") ? "cpu" : "vcpu"));
  if (json_get_bool (cpu, "halted", false))
    fputs (" halted", w->to);
  if (json_get_bool (cpu, "irqs_off", false))
    fputs (" IRQS-OFF", w->to);
  if (vcpu && !json_get_bool (vcpu, "pc", true)
      && !json_get_bool (cpu, "halted", false))
    fputs (" same-place", w->to);
  if (moved)
    fprintf (w->to, " %.0f switches/s%s", rate (moved, "switches"),
             json_get_bool (moved, "clock", true) ? "" : " clock-stands");
  if (json_get (cpu, "comm"))
    {
      fprintf (w->to, " %lld ", num (cpu, "pid"));
      print_text (w->to, row_str (cpu, "comm"));
    }
  if (row_str (cpu, "at")[0])
    {
      fputs (" in ", w->to);
      print_text (w->to, row_str (cpu, "at"));
    }
  fputc ('\n', w->to);
}

static int
by_time (const void *a, const void *b)
{
  struct json_object *x = *(struct json_object *const *) a;
  struct json_object *y = *(struct json_object *const *) b;
  double p = real (x, "ran_s"), q = real (y, "ran_s");

  if (p != q)
    return p < q ? 1 : -1;
  return num (x, "switches") < num (y, "switches")   ? 1
         : num (x, "switches") > num (y, "switches") ? -1
                                                     : 0;
}

static void
print_tasks (struct inspect_watch *w)
{
  static const char *const titles[]
      = { "PID", "ST", "%CPU", "SWITCHES/S", "COMM", NULL };
  struct json_object **tasks = calloc (w->rows.n + 1, sizeof *tasks);
  struct table *t = table_new (titles);
  size_t n = 0;

  for (size_t i = 0; tasks && i < w->rows.n; i++)
    if (is (w->rows.rows[i], "moved", "task")
        && !json_get (w->rows.rows[i], "stuck"))
      tasks[n++] = w->rows.rows[i];
  if (tasks)
    qsort (tasks, n, sizeof *tasks, by_time);
  for (size_t i = 0; i < n && i < MOST_TASKS; i++)
    {
      char pid[24], cpu[24], switches[24];
      const char *cells[] = { pid, row_str (tasks[i], "state"), cpu, switches,
                              row_str (tasks[i], "comm") };

      snprintf (pid, sizeof pid, "%lld", num (tasks[i], "pid"));
      snprintf (cpu, sizeof cpu, "%.1f", 100 * rate (tasks[i], "ran_s"));
      snprintf (switches, sizeof switches, "%.1f", rate (tasks[i], "switches"));
      table_row (t, cells);
    }
  if (n > 0)
    table_print (t, w->to);
  table_free (t);
  free (tasks);
}

static void
print_blocked (struct inspect_watch *w)
{
  unsigned n = 0;

  for (size_t i = 0; i < w->rows.n; i++)
    {
      struct json_object *row = w->rows.rows[i];

      if (!is (row, "moved", "task") || !json_get (row, "stuck"))
        continue;
      if (n++ >= MOST_STUCK)
        continue;
      fprintf (w->to, "D %lld ", num (row, "pid"));
      print_text (w->to, row_str (row, "comm"));
      fputs (json_get_bool (row, "stuck", false) ? ": stuck\n" : ": moves\n",
             w->to);
    }
  if (n > MOST_STUCK)
    fprintf (w->to, "and %u more in D\n", n - MOST_STUCK);
}

static void
print_requests (struct inspect_watch *w)
{
  unsigned n = 0;

  for (size_t i = 0; i < w->rows.n; i++)
    {
      struct json_object *row = w->rows.rows[i];

      if (!is (row, "request", NULL) || n++ >= MOST_REQUESTS)
        continue;
      print_text (w->to, row_str (row, "disk"));
      fprintf (w->to, " queue %lld tag %lld ", num (row, "queue"),
               num (row, "tag"));
      print_text (w->to, row_str (row, "op"));
      fprintf (w->to, " since %.3f s\n", real (row, "age_s"));
    }
  if (n > MOST_REQUESTS)
    fprintf (w->to, "and %u more requests\n", n - MOST_REQUESTS);
}

static void
show (struct inspect_watch *w, struct json_object *sample)
{
  /* The place of the cursor, and all behind it: no flicker. */
  if (w->tty)
    fputs ("\033[H\033[J", w->to);
  print_head (w, sample);
  for (size_t i = 0; i < w->rows.n; i++)
    if (is (w->rows.rows[i], "cpu", NULL))
      print_cpu (w, w->rows.rows[i]);
  print_blocked (w);
  print_requests (w);
  print_tasks (w);
  if (!w->tty)
    fputc ('\n', w->to);
  fflush (w->to);
  row_list_done (&w->rows);
}

/* Kinds that are shown; of a large guest most rows are stacks. */
static bool
is_wanted (struct json_object *row)
{
  static const char *const kinds[]
      = { "guest", "system", "cpu", "moved", "request", NULL };

  for (unsigned i = 0; kinds[i]; i++)
    if (is (row, kinds[i], NULL))
      return true;
  return false;
}

bool
inspect_watch_row (struct inspect_watch *w, struct json_object *row)
{
  if (is (row, "sample", NULL))
    show (w, row);
  else if (is_wanted (row))
    return row_list_add (&w->rows, row);
  return true;
}
