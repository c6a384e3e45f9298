/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog inspect --watch: a guest's tasks from outside, again and again, with
 * what changed since the look before.
 *
 * One that is blocked comes first, then who runs, then who was given a CPU
 * most often; where each stands is the first function that is not the
 * scheduler's own.
 */
#include "supervisor/cli/inspect_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "kernel/wait.h"
#include "supervisor/cli/cli.h"

#include <stdlib.h>
#include <string.h>

struct seen
{
  int64_t pid, switches;
};

struct inspect_past
{
  struct seen *seen; /* sorted by pid */
  size_t n;
  uint64_t at_ms; /* 0 = there was no look before */
};

struct line
{
  struct json_object *row;
  double rate; /* switches a second; below 0 = not known */
  unsigned weight;
};

static int
by_pid (const void *a, const void *b)
{
  const struct seen *x = a, *y = b;

  return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static double
rate_of (const struct inspect_past *past, struct json_object *row, uint64_t now)
{
  struct seen key = { .pid = json_get_int (row, "pid", 0) };
  const struct seen *was;
  int64_t count;

  if (past->at_ms == 0 || now <= past->at_ms || past->n == 0)
    return -1;
  /* Each CPU has an idle task of that number. */
  was = key.pid == 0 ? NULL
                     : bsearch (&key, past->seen, past->n, sizeof key, by_pid);
  count = json_get_int (row, "switches", 0);
  if (!was || count < was->switches || was->switches < 0)
    return -1;
  return (double) (count - was->switches) * 1000 / (double) (now - past->at_ms);
}

static unsigned
weight_of (struct json_object *row)
{
  const char *state = row_str (row, "state");

  if (strchr (state, 'D'))
    return 2;
  return json_get_bool (row, "on_cpu", false) || strchr (state, 'R') ? 1 : 0;
}

static int
by_interest (const void *a, const void *b)
{
  const struct line *x = a, *y = b;
  int64_t p = json_get_int (x->row, "pid", 0);
  int64_t q = json_get_int (y->row, "pid", 0);

  if (x->weight != y->weight)
    return x->weight > y->weight ? -1 : 1;
  if (x->rate > y->rate || x->rate < y->rate)
    return x->rate > y->rate ? -1 : 1;
  return p < q ? -1 : p > q;
}

#define PLACE 200

/* "vfs_read+0x9f/0x190 [ext4]" is "vfs_read [ext4]" here. */
static void
name_of (const char *frame, char *dst)
{
  const char *module = strrchr (frame, '[');

  snprintf (dst, PLACE, "%.*s%s%s", (int) strcspn (frame, "+"), frame,
            module ? " " : "", module ? module : "");
}

#define DEPTH 64

void
inspect_place_ (const struct inspect_view *v, struct json_object *row,
                char *at, char *top)
{
  struct json_object *frames = json_get (inspect_stack_ (v, row), "frames");
  const char *names[DEPTH];
  struct wait wait;
  unsigned n = 0;

  at[0] = top[0] = '\0';
  if (!json_object_is_type (frames, json_type_array))
    return;
  for (size_t i = 0; i < json_object_array_length (frames) && n < DEPTH; i++)
    {
      const char *text
          = json_object_get_string (json_object_array_get_idx (frames, i));

      if (text)
        names[n++] = text + (strncmp (text, "? ", 2) == 0 ? 2 : 0);
    }
  if (n == 0)
    return;
  wait_of (names, n, &wait);
  name_of (names[0], top);
  /* Who does nothing but wait is shown by where he came from. */
  name_of (names[wait.at < 0 ? n - 1 : (unsigned) wait.at], at);
}

static void
add_line (struct inspect_view *v, struct table *t, const struct line *l)
{
  struct json_object *row = l->row;
  char pid[24], cpu[24] = "-", rate[32] = "-", since[32] = "-";
  char where[PLACE], top[PLACE];
  const char *name = row_str (row, "name")[0] ? "name" : "comm";
  const char *cells[] = { row_str (row, "state"), pid,  cpu, rate, since,
                          row_str (row, name),    where };

  snprintf (pid, sizeof pid, "%lld", (long long) json_get_int (row, "pid", 0));
  if (json_get (row, "cpu"))
    snprintf (cpu, sizeof cpu, "%lld%s",
              (long long) json_get_int (row, "cpu", 0),
              json_get_bool (row, "on_cpu", false) ? "*" : "");
  if (l->rate >= 0)
    snprintf (rate, sizeof rate, "%.1f", l->rate);
  if (json_get (row, "since_s"))
    print_age (
        since, sizeof since,
        inspect_ms_ (json_object_get_double (json_get (row, "since_s"))));
  inspect_place_ (v, row, where, top);
  table_row (t, cells);
}

static void
remember (struct inspect_view *v, struct inspect_past *past, uint64_t now)
{
  struct seen *seen = calloc (v->tasks.n + 1, sizeof *seen);

  free (past->seen);
  past->seen = seen;
  past->n = seen ? v->tasks.n : 0;
  past->at_ms = now;
  for (size_t i = 0; i < past->n; i++)
    seen[i] = (struct seen){ json_get_int (v->tasks.rows[i], "pid", 0),
                             json_get_int (v->tasks.rows[i], "switches", 0) };
  if (past->n > 0)
    qsort (seen, past->n, sizeof *seen, by_pid);
}

struct inspect_past *
inspect_past_new (void)
{
  return calloc (1, sizeof (struct inspect_past));
}

void
inspect_past_free (struct inspect_past *past)
{
  if (past)
    free (past->seen);
  free (past);
}

void
inspect_print_top_ (struct inspect_view *v)
{
  static const char *const titles[]
      = { "ST", "PID", "CPU", "SW/S", "SINCE", "COMM", "WHERE", NULL };
  struct line *lines = calloc (v->tasks.n + 1, sizeof *lines);
  struct table *t = table_new (titles);
  uint64_t now = clock_ms ();

  for (size_t i = 0; lines && i < v->tasks.n; i++)
    lines[i] = (struct line){ v->tasks.rows[i],
                              rate_of (v->past, v->tasks.rows[i], now),
                              weight_of (v->tasks.rows[i]) };
  if (lines && v->tasks.n > 0)
    qsort (lines, v->tasks.n, sizeof *lines, by_interest);
  for (size_t i = 0; lines && i < v->tasks.n; i++)
    add_line (v, t, &lines[i]);
  fputc ('\n', v->to);
  table_print (t, v->to);
  table_free (t);
  free (lines);
  remember (v, v->past, now);
  inspect_told_ (v);
}
