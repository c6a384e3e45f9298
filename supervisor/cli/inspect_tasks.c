/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks of `hangdog inspect`: a table, then each stack once with all who stand
 * there; or both folded, for flame graphs.
 */
#include "supervisor/cli/inspect_impl.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"
#include "supervisor/cli/cli.h"

#include <stdlib.h>
#include <string.h>

#define MAX_NAMED 12 /* of those who stand at one place */

/* ---- the table ---- */

/* Whose it is, in short; of those that nobody knows the control group. */
static void
owner_of (struct json_object *row, char *dst, size_t n)
{
  const char *container = row_str (row, "container");
  const char *unit = row_str (row, "unit"), *kind = "", *name;

  if (container[0])
    kind = row_str (row, "runtime")[0] ? row_str (row, "runtime")
                                       : "container";
  else if (row_str (row, "machine")[0])
    kind = "machine";
  else if (!unit[0] && row_str (row, "session")[0])
    kind = "session";
  name = container[0] ? container : kind[0] ? row_str (row, kind) : unit;
  if (!kind[0])
    snprintf (dst, n, "%s", unit[0] ? unit : row_str (row, "cgroup"));
  else /* as those who run them cut their numbers */
    snprintf (dst, n, "%s:%.*s%s%s", kind, strlen (name) >= 32 ? 12 : 64, name,
              unit[0] ? "/" : "", unit);
}

static void
print_table (struct inspect_view *v)
{
  static const char *const titles[]
      = { "ST", "PID", "PPID", "CPU", "SINCE", "COMM", "UNIT", NULL };
  struct table *t = table_new (titles);

  for (size_t i = 0; i < v->tasks.n; i++)
    {
      struct json_object *row = v->tasks.rows[i];
      char pid[24], ppid[24], cpu[24] = "-", since[32] = "-", comm[80];
      char owner[1100];
      const char *cells[]
          = { row_str (row, "state"), pid, ppid, cpu, since, comm, owner };

      snprintf (pid, sizeof pid, "%lld",
                (long long) json_get_int (row, "pid", 0));
      snprintf (ppid, sizeof ppid, "%lld",
                (long long) json_get_int (row, "ppid", 0));
      if (json_get (row, "cpu"))
        snprintf (cpu, sizeof cpu, "%lld%s",
                  (long long) json_get_int (row, "cpu", 0),
                  json_get_bool (row, "on_cpu", false) ? "*" : "");
      if (json_get (row, "since_s"))
        print_age (
            since, sizeof since,
            inspect_ms_ (json_object_get_double (json_get (row, "since_s"))));
      snprintf (comm, sizeof comm,
                json_get_bool (row, "kthread", false) ? "[%s]" : "%s",
                row_str (row, row_str (row, "name")[0] ? "name" : "comm"));
      owner_of (row, owner, sizeof owner);
      table_row (t, cells);
    }
  fputc ('\n', v->to);
  table_print (t, v->to);
  table_free (t);
}

/* ---- who stands where ---- */

struct place
{
  struct json_object *stack;
  size_t first; /* of its tasks, in the list that is sorted by stack */
  size_t n;
  bool blocked; /* one of them is in state D */
};

static int64_t
stack_of (struct json_object *row)
{
  return json_get_int (row, "stack", 0);
}

static int
by_stack (const void *a, const void *b)
{
  struct json_object *x = *(struct json_object *const *) a;
  struct json_object *y = *(struct json_object *const *) b;
  int64_t p = json_get_int (x, "pid", 0), q = json_get_int (y, "pid", 0);

  if (stack_of (x) != stack_of (y))
    return stack_of (x) < stack_of (y) ? -1 : 1;
  return p < q ? -1 : p > q;
}

/* Those who wait for something that cannot be interrupted first. */
static int
by_weight (const void *a, const void *b)
{
  const struct place *x = a, *y = b;

  if (x->blocked != y->blocked)
    return x->blocked ? -1 : 1;
  if (x->n != y->n)
    return x->n > y->n ? -1 : 1;
  return x->first < y->first ? -1 : x->first > y->first;
}

static void
print_names (struct inspect_view *v, const struct place *p)
{
  struct buf text = BUF_INIT (4096);
  char label[48];

  for (size_t i = 0; i < p->n && i < MAX_NAMED; i++)
    {
      struct json_object *row = v->tasks.rows[p->first + i];

      buf_printf (&text, "%s%s/%lld %s", i ? ", " : "", row_str (row, "comm"),
                  (long long) json_get_int (row, "pid", 0),
                  row_str (row, "state"));
    }
  if (p->n > MAX_NAMED)
    buf_printf (&text, " and %zu more", p->n - MAX_NAMED);
  if (p->n == 1)
    snprintf (label, sizeof label, "\n1 task: ");
  else
    snprintf (label, sizeof label, "\n%zu tasks: ", p->n);
  print_paragraph (v->to, label, buf_str (&text));
  buf_done (&text);
}

/* What it asked the kernel for, and from where: of whoever stands alone, and
 * of those that are blocked. */
static void
print_call (struct inspect_view *v, struct json_object *row, bool alone)
{
  struct json_object *args = json_get (row, "args");
  const char *at = row_str (row, "user_at");
  struct buf text = BUF_INIT (4096);

  if (!json_get (row, "syscall")
      || !json_object_is_type (args, json_type_array))
    return;
  if (!alone)
    buf_printf (&text, "%s/%lld ", row_str (row, "comm"),
                (long long) json_get_int (row, "pid", 0));
  buf_printf (&text, "in system call %lld (",
              (long long) json_get_int (row, "syscall", 0));
  for (size_t i = 0; i < json_object_array_length (args); i++)
    buf_printf (&text, "%s%s", i ? ", " : "",
                json_object_get_string (json_object_array_get_idx (args, i)));
  buf_printf (&text, ") at %s", at[0] ? at : row_str (row, "user_pc"));
  print_paragraph (v->to, "  ", buf_str (&text));
  buf_done (&text);
}

static void
print_calls (struct inspect_view *v, const struct place *p)
{
  for (size_t i = 0; i < p->n && i < MAX_NAMED && (p->n == 1 || p->blocked);
       i++)
    print_call (v, v->tasks.rows[p->first + i], p->n == 1);
}

static size_t
gather (struct inspect_view *v, struct place *places)
{
  size_t n = 0;

  qsort (v->tasks.rows, v->tasks.n, sizeof *v->tasks.rows, by_stack);
  for (size_t i = 0; i < v->tasks.n; i++)
    {
      struct json_object *row = v->tasks.rows[i];
      struct json_object *stack = outside_stack (v->seen, row);

      if (!stack)
        continue;
      if (n == 0 || places[n - 1].stack != stack)
        places[n++] = (struct place){ .stack = stack, .first = i };
      places[n - 1].n++;
      places[n - 1].blocked |= strchr (row_str (row, "state"), 'D') != NULL;
    }
  qsort (places, n, sizeof *places, by_weight);
  return n;
}

void
inspect_print_tasks_ (struct inspect_view *v)
{
  struct place *places = calloc (v->tasks.n, sizeof *places);
  size_t n;

  print_table (v);
  n = places ? gather (v, places) : 0;
  for (size_t i = 0; i < n; i++)
    {
      print_names (v, &places[i]);
      inspect_print_trace_ (v, places[i].stack);
      print_calls (v, &places[i]);
    }
  free (places);
  row_list_done (&v->tasks);
  snprintf (v->last, sizeof v->last, "task");
}

/* ---- folded ---- */

/* A name without what would be read as something else. */
static void
add_name (struct buf *out, const char *name, size_t len)
{
  struct buf safe = BUF_INIT (1024);

  text_escape (&safe, name, len, 0);
  for (size_t i = 0; i < safe.len; i++)
    buf_putc (out, strchr ("; ", safe.data[i]) ? '_' : safe.data[i]);
  buf_done (&safe);
}

/* "vfs_read+0x9f/0x190 [ext4]" is vfs_read here. */
static void
fold (struct inspect_view *v, struct json_object *row, struct buf *out)
{
  struct json_object *stack = outside_stack (v->seen, row);
  struct json_object *frames = json_get (stack, "frames");
  const char *comm = row_str (row, "comm");

  add_name (out, comm, strlen (comm));
  for (size_t i = json_object_array_length (frames); i-- > 0;)
    {
      const char *text
          = json_object_get_string (json_object_array_get_idx (frames, i));

      buf_putc (out, ';');
      add_name (out, text ? text : "?", text ? strcspn (text, "+") : 1);
    }
}

static int
by_text (const void *a, const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

void
inspect_print_folded_ (struct inspect_view *v)
{
  char **lines = calloc (v->tasks.n + 1, sizeof *lines);
  size_t n = 0, count = 1;

  for (size_t i = 0; lines && i < v->tasks.n; i++)
    {
      struct json_object *stack = outside_stack (v->seen, v->tasks.rows[i]);
      struct buf out = BUF_INIT (64u << 10);

      if (json_object_is_type (json_get (stack, "frames"), json_type_array))
        {
          fold (v, v->tasks.rows[i], &out);
          lines[n] = buf_steal (&out);
          n += lines[n] != NULL;
        }
      buf_done (&out);
    }
  if (n > 0)
    qsort (lines, n, sizeof *lines, by_text);
  for (size_t i = 0; i < n; i++, count++)
    if (i + 1 == n || strcmp (lines[i], lines[i + 1]) != 0)
      {
        fprintf (v->to, "%s %zu\n", lines[i], count);
        count = 0;
      }
  for (size_t i = 0; i < n; i++)
    free (lines[i]);
  free (lines);
}
