/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of a look: which of them are kept, and how they are found again.
 */
#include "diag/outside/outside_impl.h"

#include "base/cleanup.h"
#include "kernel/wait.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_STACKS (1u << 20)
#define MAX_KEPT 20000
#define MAX_CPUS 1024 /* a kernel may say that it has 8192: each is compared */

/* What there is one of for each CPU, and which is looked up for each of the
 * others; a lock or a pool of workers on whatever CPU is looked up by none. */
static bool
is_of_cpu (const char *kind)
{
  static const char *const kinds[] = { "cpu", "timers", "moved", "runqueue" };

  for (size_t i = 0; i < ARRAY_LEN (kinds); i++)
    if (strcmp (kind, kinds[i]) == 0)
      return true;
  return false;
}

/* ---- keeping them ---- */

static void
rows_add (struct outside_rows *l, struct json_object *row)
{
  if (l->n == l->cap)
    {
      size_t cap = l->cap ? 2 * l->cap : 64;
      struct json_object **more = realloc (l->rows, cap * sizeof *more);

      if (!more)
        return;
      l->rows = more;
      l->cap = cap;
    }
  l->rows[l->n++] = json_object_get (row);
}

static void
rows_done (struct outside_rows *l)
{
  for (size_t i = 0; i < l->n; i++)
    json_object_put (l->rows[i]);
  free (l->rows);
}

struct outside *
outside_new (void)
{
  return calloc (1, sizeof (struct outside));
}

void
outside_free (struct outside *o)
{
  if (!o)
    return;
  rows_done (&o->stacks);
  rows_done (&o->tasks);
  free (o->pids);
  rows_done (&o->told);
  rows_done (&o->before);
  for (size_t i = 0; i < o->n; i++)
    {
      free (o->list[i].text);
      json_object_put (o->list[i].culprit);
    }
  free (o);
}

/* Of a kind that findings are made of; many rows of others are not kept. */
static bool
is_wanted (const char *kind, struct json_object *row)
{
  static const char *const kinds[]
      = { "guest", "system",  "cpu",      "timers", "lock",  "deadlock",
          "disk",  "mem",     "request",  "workpool", "net", "mount",
          "moved", "spinlock", "work", "runqueue", "cgroup", "unit",
          "file",  "fs",  "zone", "sockets", "route" };

  if (strcmp (kind, "dmesg") == 0)
    return strstr (str_of (row, "text"), "Kernel panic") != NULL
           || outside_is_report_ (str_of (row, "text"));
  if (strcmp (kind, "socket") == 0)
    return strcmp (str_of (row, "state"), "listen") == 0;
  if (strcmp (kind, "process") == 0)
    return json_get (row, "tty")
           || (json_get (row, "max_files")
               && num_of (row, "files") >= num_of (row, "max_files") - 1);
  if (is_of_cpu (kind) && num_of (row, "cpu") >= MAX_CPUS)
    return false;
  for (size_t i = 0; i < ARRAY_LEN (kinds); i++)
    if (strcmp (kind, kinds[i]) == 0)
      return true;
  return false;
}

void
outside_add (struct outside *o, struct json_object *row)
{
  const char *kind = str_of (row, "row");
  long long id = num_of (row, "id");

  if (strcmp (kind, "kernel") == 0)
    o->arm = strcmp (str_of (row, "arch"), "arm64") == 0;
  else if (strcmp (kind, "task") == 0)
    {
      rows_add (&o->tasks, row);
      free (o->pids);
      o->pids = NULL;
    }
  else if (strcmp (kind, "dmesg") == 0 && num_of (row, "facility") == 0)
    {
      ended_line (&o->ended, str_of (row, "text"),
                  json_get_int (row, "us", -1));
      if (is_wanted (kind, row) && o->told.n < MAX_KEPT)
        rows_add (&o->told, row);
    }
  else if (strcmp (kind, "stack") == 0)
    {
      /* Numbers come from 1 on, one after the other; others are nobody's. */
      if (id == (long long) o->stacks.n + 1 && id <= MAX_STACKS)
        rows_add (&o->stacks, row);
    }
  else
    {
      o->cpus_beyond = o->cpus_beyond
                       || (strcmp (kind, "cpu") == 0
                           && num_of (row, "cpu") >= MAX_CPUS);
      o->processes = o->processes || strcmp (kind, "process") == 0;
      if (o->told.n < MAX_KEPT && is_wanted (kind, row))
        rows_add (&o->told, row);
    }
}

void
outside_add_before (struct outside *o, struct json_object *row)
{
  const char *kind = str_of (row, "row");

  if (o->before.n < MAX_KEPT
      && (strcmp (kind, "cpu") == 0 || strcmp (kind, "mem") == 0
          || strcmp (kind, "guest") == 0 || strcmp (kind, "cgroup") == 0))
    rows_add (&o->before, row);
}

/* ---- finding one ---- */

struct json_object *
outside_next_ (const struct outside *o, const char *kind, size_t *i)
{
  while (*i < o->told.n)
    {
      struct json_object *row = o->told.rows[(*i)++];

      if (strcmp (str_of (row, "row"), kind) == 0)
        return row;
    }
  return NULL;
}

struct json_object *
outside_row_of_ (const struct outside *o, const char *kind, const char *key,
                 long long want)
{
  struct json_object *row;
  size_t i = 0;

  while ((row = outside_next_ (o, kind, &i)))
    if (json_get (row, key) && num_of (row, key) == want)
      return row;
  return NULL;
}

struct json_object *
outside_before_ (const struct outside *o, const char *kind, const char *key,
                 long long want)
{
  for (size_t i = 0; i < o->before.n; i++)
    if (strcmp (str_of (o->before.rows[i], "row"), kind) == 0
        && (!key || num_of (o->before.rows[i], key) == want))
      return o->before.rows[i];
  return NULL;
}

/* Of a guest that has a hundred thousand each is asked for often. */
struct outside_pid
{
  long long pid;
  size_t at; /* of tasks */
};

static int
by_pid (const void *a, const void *b)
{
  const struct outside_pid *x = a, *y = b;

  return x->pid != y->pid ? x->pid < y->pid ? -1 : 1
                          : (x->at > y->at) - (x->at < y->at);
}

void
outside_sort_tasks_ (struct outside *o)
{
  free (o->pids);
  o->pids = o->tasks.n ? calloc (o->tasks.n, sizeof o->pids[0]) : NULL;
  for (size_t i = 0; o->pids && i < o->tasks.n; i++)
    o->pids[i] = (struct outside_pid){ num_of (o->tasks.rows[i], "pid"), i };
  if (o->pids)
    qsort (o->pids, o->tasks.n, sizeof o->pids[0], by_pid);
}

/* The first of those with that number. */
static struct json_object *
sorted_task (const struct outside *o, long long pid)
{
  size_t low = 0, high = o->tasks.n;

  while (low < high)
    {
      size_t mid = low + (high - low) / 2;

      if (o->pids[mid].pid < pid)
        low = mid + 1;
      else
        high = mid;
    }
  return low < o->tasks.n && o->pids[low].pid == pid
             ? o->tasks.rows[o->pids[low].at]
             : NULL;
}

struct json_object *
outside_task_ (const struct outside *o, long long pid)
{
  if (o->pids)
    return sorted_task (o, pid);
  for (size_t i = 0; i < o->tasks.n; i++)
    if (num_of (o->tasks.rows[i], "pid") == pid)
      return o->tasks.rows[i];
  return NULL;
}

bool
outside_saw_all (const struct outside *o)
{
  size_t i = 0, k = 0;

  return o->tasks.n > 0 && !o->cpus_beyond && outside_next_ (o, "cpu", &i)
         && outside_next_ (o, "system", &k);
}

bool
outside_is_arm (const struct outside *o)
{
  return o->arm;
}

/* ---- where it stands ---- */

struct json_object *
outside_stack (const struct outside *o, struct json_object *row)
{
  long long id = num_of (row, "stack");

  return id >= 1 && id <= (long long) o->stacks.n ? o->stacks.rows[id - 1]
                                                  : NULL;
}

/* "vfs_read+0x9f/0x190 [ext4]" is "vfs_read [ext4]" here. */
static void
name_of (const char *frame, char *dst)
{
  const char *module = strrchr (frame, '[');

  snprintf (dst, OUTSIDE_PLACE, "%.*s%s%s", (int) strcspn (frame, "+"), frame,
            module ? " " : "", module ? module : "");
}

#define DEPTH 64

unsigned
outside_frames_ (const struct outside *o, struct json_object *row,
                 const char **names, unsigned n)
{
  struct json_object *frames = json_get (outside_stack (o, row), "frames");
  unsigned found = 0;

  for (size_t i = 0; i < len_of (frames) && found < n; i++)
    {
      const char *text
          = json_object_get_string (json_object_array_get_idx (frames, i));

      if (text)
        names[found++] = text + (strncmp (text, "? ", 2) == 0 ? 2 : 0);
    }
  return found;
}

static void
place (const char *const *names, unsigned n, char *at, char *top)
{
  struct wait wait;

  at[0] = top[0] = '\0';
  if (n == 0)
    return;
  wait_of (names, n, &wait);
  name_of (names[0], top);
  /* Who does nothing but wait is shown by where he came from. */
  name_of (names[wait.at < 0 ? n - 1 : (unsigned) wait.at], at);
}

void
outside_place (const struct outside *o, struct json_object *row, char *at,
               char *top)
{
  const char *names[DEPTH];
  unsigned n = outside_frames_ (o, row, names, DEPTH);

  place (names, n, at, top);
}

void
outside_place_from_ (const struct outside *o, struct json_object *row,
                     unsigned from, char dst[OUTSIDE_PLACE])
{
  const char *names[DEPTH];
  unsigned n = outside_frames_ (o, row, names, DEPTH);
  char top[OUTSIDE_PLACE];

  from = from < n ? from : n;
  place (names + from, n - from, dst, top);
}

/* What stands between a fault and panic(), on x86 and on arm64. */
static bool
leads_to_panic (const char *frame)
{
  static const char *const names[]
      = { "panic",      "vpanic",        "nmi_panic",     "oops_end",
          "no_context", "page_fault",    "bad_area",      "__bad_area",
          "do_user_addr", "do_kern_addr", "exc_",         "asm_exc_",
          "die",        "__die",         "do_trap",       "do_error_trap",
          "do_page_fault", "async_page_fault", "invalid_op", "do_invalid_op",
          "general_protection", "handle_bug", "fixup_exception",
          "make_task_dead", "rewind_stack", "el1", "do_mem_abort",
          "__do_kernel_fault", "do_translation_fault", "bug_handler",
          "brk_handler", "do_debug_exception", "<interrupt>", "check_panic",
          "__warn", "report_bug", "asm_sysvec_", "sysvec_", "watchdog_",
          "__hrtimer_run", "hrtimer_interrupt", "__sysvec_", "do_exit",
          "panic_on_rcu_stall", "print_other_cpu_stall", "print_cpu_stall",
          "check_cpu_stall", "rcu_pending", "rcu_sched_clock_irq",
          "update_process_times", "tick_sched_", "tick_nohz_handler",
          "handle_stack_overflow" };

  for (size_t i = 0; i < ARRAY_LEN (names); i++)
    if (strncmp (frame, names[i], strlen (names[i])) == 0)
      return true;
  return false;
}

unsigned
outside_behind_panic_ (const char *const *names, unsigned n)
{
  unsigned i = 0;

  while (i < n && strncmp (names[i], "panic+", 6) != 0
         && strncmp (names[i], "vpanic+", 7) != 0)
    i++;
  while (i < n && leads_to_panic (names[i]))
    i++;
  return i;
}

void
outside_panic_place_ (const struct outside *o, struct json_object *cpu,
                      char dst[OUTSIDE_PLACE])
{
  const char *names[DEPTH];
  unsigned n = outside_frames_ (o, cpu, names, DEPTH);
  unsigned i = outside_behind_panic_ (names, n);

  dst[0] = '\0';
  if (i < n)
    name_of (names[i], dst);
}

/* ---- who did it ---- */

/* "spin [zoo]" in two. */
void
outside_add_function_ (struct json_object *to, const char *at)
{
  const char *module = strstr (at, " [");
  size_t n = module ? (size_t) (module - at) : strlen (at);

  if (n > 0)
    json_add_text (to, "function", at, n);
  if (module)
    json_add_text (to, "module", module + 2, strcspn (module + 2, "]"));
}

struct json_object *
outside_culprit_ (const struct outside *o, struct json_object *who,
                  struct json_object *where)
{
  struct json_object *c = json_object_new_object ();
  char at[OUTSIDE_PLACE] = "", top[OUTSIDE_PLACE];

  /* Of a task it is where it ran last. */
  if (strcmp (str_of (who, "row"), "cpu") == 0 && json_get (who, "cpu"))
    json_add_int (c, "cpu", json_get_int (who, "cpu", 0));
  if (json_get (who, "comm"))
    {
      const char *comm = str_of (who, "comm");

      json_add_int (c, "pid", json_get_int (who, "pid", 0));
      json_add_text (c, "comm", comm, strlen (comm));
    }
  if (where)
    outside_place (o, where, at, top);
  outside_add_function_ (c, at);
  outside_add_stack_ (o, c, where ? where : who);
  return c;
}
