/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands out in a look: said first, in plain words, each with what it is
 * known by.  Whoever is woken at night reads this and then, perhaps, the rest.
 *
 * Only rows are looked at.  One look cannot tell what is so for a moment from
 * what stays so, unless something in it is late; then it says how to find out.
 */
#include "diag/outside/outside_impl.h"

#include "base/cleanup.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_LOCKS 6 /* that are described; the others are counted */
#define OLD_REQUEST_S 5.0
#define LONG_WAIT_S 10.0
#define NO_PROGRESS_S 30.0
#define SLEPT_S 5.0 /* a work, and who waits for it */

void
outside_say_ (struct outside *o, enum outside_weight weight,
              const char *class, struct json_object *culprit,
              const char *fmt, ...)
{
  char *text;
  va_list ap;
  int r;

  va_start (ap, fmt);
  r = o->n < OUTSIDE_FINDINGS ? vasprintf (&text, fmt, ap) : -1;
  va_end (ap);
  if (r < 0)
    {
      json_object_put (culprit);
      return;
    }
  o->list[o->n] = (struct outside_finding){ weight, class, text, culprit, "" };
  outside_take_key_ (o, culprit, o->list[o->n].key);
  o->n++;
}

void
outside_add_who_ (struct buf *to, struct json_object *task)
{
  if (json_get (task, "comm"))
    buf_printf (to, "%s (%lld)", str_of (task, "comm"), num_of (task, "pid"));
  else
    buf_puts (to, "nobody known");
}

/* The first few of a list, and how many there are besides. */
static void
add_some (struct buf *to, struct json_object *list, long long more,
          const char *between)
{
  size_t n = len_of (list);

  for (size_t i = 0; i < n && i < MAX_SHOWN; i++)
    {
      buf_puts (to, i ? between : "");
      outside_add_who_ (to, json_object_array_get_idx (list, i));
    }
  if (n > MAX_SHOWN)
    buf_printf (to, "%s%lld more", between, (long long) (n - MAX_SHOWN) + more);
}

/* ---- who did it ---- */

struct json_object *
outside_culprit_of_pid_ (const struct outside *o, struct json_object *who)
{
  long long pid = num_of (who, "pid");
  struct json_object *cpu, *task;

  if (!json_get (who, "comm"))
    return NULL;
  task = outside_task_ (o, pid);
  cpu = outside_row_of_ (o, "cpu", "pid", pid);
  return outside_culprit_ (o, cpu ? cpu : who, cpu ? cpu : task);
}

struct json_object *
outside_culprit_of_lock_ (const struct outside *o, struct json_object *lock)
{
  const char *name = str_of (lock, "name");
  struct json_object *c = NULL;

  if (!json_get_bool (lock, "readers", false))
    c = outside_culprit_of_pid_ (o, json_get (lock, "owner"));
  if (c && !name[0])
    name = str_of (lock, "at");
  if (c)
    json_add_text (c, "lock", name, strlen (name));
  return c;
}

static struct json_object *
named (const char *key, const char *name)
{
  struct json_object *c = json_object_new_object ();

  json_add_text (c, key, name, strlen (name));
  return c;
}

/* ---- the whole guest ---- */

static const char *
class_of_run (const char *run)
{
  static const char *const classes[][2]
      = { { "paused", "paused" },
          { "io-error", "io-error" },
          { "internal-error", "vmm-internal-error" },
          { "guest-panicked", "kernel-panic" },
          { "panicked", "kernel-panic" },
          { "shutdown", "powered-off" } };

  for (size_t i = 0; i < ARRAY_LEN (classes); i++)
    if (strcmp (run, classes[i][0]) == 0)
      return classes[i][1];
  return NULL;
}

static void
look_at_system (struct outside *o)
{
  size_t i = 0;
  const char *run = str_of (outside_next_ (o, "guest", &i), "run");

  if (run[0] && strcmp (run, "running") != 0 && strcmp (run, "unknown") != 0)
    outside_say_ (o, OUTSIDE_NOT_RUN, class_of_run (run), NULL,
         "it is %s: while its host does not run it nothing of it moves", run);
  outside_panic_ (o);
}

/* ---- who waits ---- */

double
outside_longest_ (const struct outside *o, struct json_object *list)
{
  double most = 0;

  for (size_t i = 0; i < len_of (list); i++)
    {
      struct json_object *who = json_object_array_get_idx (list, i);
      struct json_object *t = outside_task_ (o, num_of (who, "pid"));

      if (t && real_of (t, "since_s") > most)
        most = real_of (t, "since_s");
    }
  return most;
}

/* Where the owner of a lock is, who has the answer. */
static void
add_owner (const struct outside *o, struct buf *to, struct json_object *lock)
{
  struct json_object *owner = json_get (lock, "owner"), *t, *cpu;
  char at[OUTSIDE_PLACE] = "", top[OUTSIDE_PLACE] = "";

  if (json_get_bool (lock, "readers", false))
    {
      buf_puts (to, "readers have it");
      return;
    }
  outside_add_who_ (to, owner);
  buf_puts (to, " has it");
  if (!owner)
    return;
  t = outside_task_ (o, num_of (owner, "pid"));
  cpu = outside_row_of_ (o, "cpu", "pid", num_of (owner, "pid"));
  outside_place (o, cpu ? cpu : t, at, top);
  if (t && at[0])
    buf_printf (to, ", and is %s in %s",
                cpu ? "on a CPU" : str_of (t, "state"), at);
}

/* Of a circle: its first task, and the lock that it waits for. */
static struct json_object *
culprit_of_circle (const struct outside *o, struct json_object *tasks)
{
  struct json_object *first, *row, *c;
  const char *name;
  size_t i = 0;

  if (len_of (tasks) == 0)
    return NULL;
  first = json_object_array_get_idx (tasks, 0);
  c = outside_culprit_of_pid_ (o, first);
  for (size_t k = 1; c && k < len_of (tasks); k++)
    {
      long long pid = num_of (json_object_array_get_idx (tasks, k), "pid");

      outside_add_stack_ (o, c, outside_task_ (o, pid));
    }
  while (c && (row = outside_next_ (o, "lock", &i)))
    if (outside_waits_ (row, num_of (first, "pid")))
      {
        name = str_of (row, "name")[0] ? str_of (row, "name")
                                       : str_of (row, "at");
        json_add_text (c, "lock", name, strlen (name));
        break;
      }
  return c;
}

static void
look_at_locks (struct outside *o)
{
  struct json_object *row;
  size_t i = 0, n = 0;

  while ((row = outside_next_ (o, "deadlock", &i)) && n++ < MAX_LOCKS)
    {
      struct buf text CLEANUP_BUF = BUF_INIT (4096);
      struct json_object *tasks = json_get (row, "tasks");

      add_some (&text, tasks, num_of (row, "more_tasks"), " waits for ");
      outside_say_ (o, OUTSIDE_DEADLOCK, "lock-deadlock",
           culprit_of_circle (o, tasks),
           "DEADLOCK: %s waits for the first", buf_str (&text));
    }
  for (i = n = 0; (row = outside_next_ (o, "lock", &i));)
    {
      struct buf text CLEANUP_BUF = BUF_INIT (4096);
      struct json_object *waiters = json_get (row, "waiters");
      double s = outside_longest_ (o, waiters);

      /* A lock that is passed on all the time is no finding. */
      if (s < LATE_S || ++n > MAX_LOCKS)
        continue;
      add_some (&text, waiters, num_of (row, "more_waiters"), ", ");
      buf_printf (&text, len_of (waiters) > 1 ? " wait" : " waits");
      buf_printf (&text, " for the %s %s, for %.1f s; ", str_of (row, "kind"),
                  str_of (row, "name")[0] ? str_of (row, "name")
                                           : str_of (row, "at"),
                  s);
      add_owner (o, &text, row);
      outside_say_ (o, OUTSIDE_BLOCKED, NULL,
                    outside_culprit_of_lock_ (o, row), "%s", buf_str (&text));
    }
  if (n > MAX_LOCKS)
    outside_say_ (o, OUTSIDE_BLOCKED, NULL, NULL,
                  "%zu more locks are waited for",
         n - MAX_LOCKS);
}

static bool
waits_for_lock (const struct outside *o, long long pid)
{
  struct json_object *row;
  size_t i = 0;

  while ((row = outside_next_ (o, "lock", &i)))
    if (outside_waits_ (row, pid))
      return true;
  return false;
}

bool
outside_is_vfork_ (const struct outside *o, struct json_object *task)
{
  static const char *const names[] = { "kernel_clone", "_do_fork", "do_fork" };
  char at[OUTSIDE_PLACE] = "", top[OUTSIDE_PLACE] = "";

  outside_place (o, task, at, top);
  for (size_t i = 0; i < ARRAY_LEN (names); i++)
    if (strcmp (at, names[i]) == 0)
      return true;
  return false;
}

/* Blocked for long by something that is no lock of which we know. */
static void
look_at_blocked (struct outside *o)
{
  struct json_object *oldest = NULL;
  char at[OUTSIDE_PLACE] = "", top[OUTSIDE_PLACE] = "";
  size_t n = 0;

  for (size_t i = 0; i < o->tasks.n; i++)
    {
      struct json_object *t = o->tasks.rows[i];

      if (!strchr (str_of (t, "state"), 'D')
          || real_of (t, "since_s") < LONG_WAIT_S || outside_is_vfork_ (o, t)
          || (n < 100 && waits_for_lock (o, num_of (t, "pid"))))
        continue;
      n++;
      if (!oldest || real_of (t, "since_s") > real_of (oldest, "since_s"))
        oldest = t;
    }
  if (!oldest)
    return;
  outside_place (o, oldest, at, top);
  outside_say_ (o, OUTSIDE_BLOCKED, NULL, outside_culprit_ (o, oldest, oldest),
       "%zu task%s blocked (D) for more than %.0f s; longest %s (%lld), for "
       "%.0f s, in %s",
       n, n > 1 ? "s" : "", LONG_WAIT_S, str_of (oldest, "comm"),
       num_of (oldest, "pid"), real_of (oldest, "since_s"),
       at[0] ? at : "?");
}

/* ---- what serves it ---- */

/* A QEMU whose main loop waits for its storage has stopped the guest's CPUs:
 * the guest's clock, by which requests grow old, stands. */
static void
look_at_requests (struct outside *o)
{
  struct json_object *row, *disk;
  size_t i = 0, g = 0;
  bool silent = json_get_bool (outside_next_ (o, "guest", &g),
                               "monitor_silent", false);

  while ((disk = outside_next_ (o, "disk", &i)))
    {
      struct json_object *oldest = NULL;
      size_t k = 0, n = 0;

      while ((row = outside_next_ (o, "request", &k)))
        if (strcmp (str_of (row, "disk"), str_of (disk, "disk")) == 0
            && real_of (row, "age_s") >= (silent ? LATE_S : OLD_REQUEST_S))
          {
            n++;
            if (!oldest || real_of (row, "age_s") > real_of (oldest, "age_s"))
              oldest = row;
          }
      if (oldest)
        outside_say_ (o, OUTSIDE_STORAGE, "storage-stalled",
             named ("disk", str_of (disk, "disk")),
             "disk %s: %zu request%s without an answer, the oldest (%s, "
             "sector %lld) for %.1f s%s",
             str_of (disk, "disk"), n, n > 1 ? "s" : "",
             str_of (oldest, "op"), num_of (oldest, "sector"),
             real_of (oldest, "age_s"),
             silent ? " by the guest's clock, and QEMU's monitor does not"
                      " answer: QEMU waits for its storage"
                    : ": its host, or its driver");
    }
}

/* The work that its worker is at for the longest. */
static struct json_object *
culprit_of_pool (const struct outside *o, long long pool)
{
  struct json_object *row, *longest = NULL, *c;
  char at[OUTSIDE_PLACE], top[OUTSIDE_PLACE];
  size_t i = 0;

  while ((row = outside_next_ (o, "work", &i)))
    if (num_of (row, "pool") == pool
        && strcmp (str_of (row, "state"), "running") == 0
        && (!longest || real_of (row, "busy_at_most_s")
                            > real_of (longest, "busy_at_most_s")))
      longest = row;
  c = longest ? outside_culprit_of_pid_ (o, longest)
              : json_object_new_object ();
  if (!c)
    c = json_object_new_object ();
  json_add_int (c, "pool", pool);
  if (!longest)
    return c;
  outside_place (o, outside_task_ (o, num_of (longest, "pid")), at, top);
  /* Who is on a CPU has no stack in its task. */
  if (!json_get (c, "function"))
    outside_add_function_ (c, at[0] ? at : str_of (longest, "func"));
  return c;
}

/* It waits in the kernel for a work to end. */
static bool
waits_for_work (const struct outside *o, struct json_object *task)
{
  static const char *const names[]
      = { "flush_work",       "__flush_work",     "flush_workqueue",
          "__flush_workqueue", "drain_workqueue", "__cancel_work_timer",
          "__cancel_work_sync", "cancel_work_sync" };
  char at[OUTSIDE_PLACE] = "", top[OUTSIDE_PLACE] = "";

  if (!strchr (str_of (task, "state"), 'D')
      || real_of (task, "since_s") < SLEPT_S)
    return false;
  outside_place (o, task, at, top);
  for (size_t i = 0; i < ARRAY_LEN (names); i++)
    if (strcmp (at, names[i]) == 0 || strcmp (top, names[i]) == 0)
      return true;
  return false;
}

/* The work that has slept for the longest, but not for a lock: that one's
 * owner would be the culprit. */
static struct json_object *
sleeping_work (const struct outside *o)
{
  struct json_object *row, *longest = NULL;
  size_t i = 0;

  while ((row = outside_next_ (o, "work", &i)))
    if (strcmp (str_of (row, "state"), "running") == 0
        && real_of (row, "asleep_s") >= SLEPT_S
        && !waits_for_lock (o, num_of (row, "pid"))
        && (!longest
            || real_of (row, "asleep_s") > real_of (longest, "asleep_s")))
      longest = row;
  return longest;
}

/* It keeps no CPU, and its pool goes on: only who waits for it is stuck. */
static void
look_at_flushes (struct outside *o)
{
  struct json_object *work = sleeping_work (o), *c;

  for (size_t i = 0; work && i < o->tasks.n; i++)
    if (waits_for_work (o, o->tasks.rows[i]))
      {
        c = outside_culprit_of_pid_ (o, work);
        if (c)
          outside_add_function_ (c, str_of (work, "func"));
        outside_say_ (o, OUTSIDE_DEGRADED, "workqueue-lockup", c,
             "%s (%lld) waits for works of the kernel, of which %s, of queue "
             "%s, has slept for %.0f s",
             str_of (o->tasks.rows[i], "comm"),
             num_of (o->tasks.rows[i], "pid"), str_of (work, "func"),
             str_of (work, "queue"), real_of (work, "asleep_s"));
        return;
      }
}

static void
look_at_services (struct outside *o)
{
  struct json_object *row;
  size_t i = 0;

  look_at_flushes (o);

  while ((row = outside_next_ (o, "workpool", &i)))
    if (real_of (row, "no_progress_s") >= NO_PROGRESS_S)
      outside_say_ (o, OUTSIDE_DEGRADED, "workqueue-lockup",
                    culprit_of_pool (o, num_of (row, "pool")),
           "%lld works of pool %lld wait, none was begun for %.0f s",
           num_of (row, "waiting"), num_of (row, "pool"),
           real_of (row, "no_progress_s"));
  for (i = 0; (row = outside_next_ (o, "net", &i));)
    if (json_get_bool (row, "tx_timed_out", false))
      outside_say_ (o, OUTSIDE_DEGRADED, "network-lost",
           named ("device", str_of (row, "name")),
           "network device %s has sent nothing for %.1f s",
           str_of (row, "name"), real_of (row, "tx_silent_s"));
  for (i = 0; (row = outside_next_ (o, "mount", &i));)
    {
      const char *error = str_of (row, "write_error");
      const char *frozen = str_of (row, "frozen");

      if (json_get_bool (row, "given_up", false))
        outside_say_ (o, OUTSIDE_DEGRADED, "filesystem-error",
             named ("device", str_of (row, "device")),
             "file system %s on %s is read-only, though it was mounted for "
             "writing: its kernel gave it up after an error",
             str_of (row, "type"), str_of (row, "device"));
      else if (error[0] || frozen[0])
        outside_say_ (o, OUTSIDE_DEGRADED, error[0] ? "filesystem-error" : NULL,
             named ("device", str_of (row, "device")),
             "file system %s on %s%s%s%s%s",
             str_of (row, "type"), str_of (row, "device"),
             error[0] ? " could not write: " : "", error,
             frozen[0] ? " is frozen: " : "", frozen);
    }
}

/* ---- all of it ---- */

const char *const outside_weight_names[OUTSIDE_WEIGHTS] = {
  [OUTSIDE_NOTE] = "note",         [OUTSIDE_DEGRADED] = "degraded",
  [OUTSIDE_BLOCKED] = "blocked",   [OUTSIDE_STORAGE] = "storage",
  [OUTSIDE_DEADLOCK] = "deadlock", [OUTSIDE_LOCKUP] = "lockup",
  [OUTSIDE_DEAD] = "dead",         [OUTSIDE_NOT_RUN] = "not-running",
};

/* Heavier ones first, and those of one weight as they were found. */
static void
sort (struct outside *o)
{
  for (size_t i = 1; i < o->n; i++)
    {
      struct outside_finding f = o->list[i];
      size_t k = i;

      for (; k > 0 && o->list[k - 1].weight < f.weight; k--)
        o->list[k] = o->list[k - 1];
      o->list[k] = f;
    }
}

void
outside_judge (struct outside *o)
{
  outside_sort_tasks_ (o);
  o->lacks_memory = outside_short_of_memory_ (o, NULL);
  look_at_system (o);
  outside_cpus_ (o);
  look_at_locks (o);
  look_at_requests (o);
  look_at_blocked (o);
  look_at_services (o);
  outside_memory_ (o);
  sort (o);
}

size_t
outside_count (const struct outside *o)
{
  return o->n;
}

const struct outside_finding *
outside_get (const struct outside *o, size_t i)
{
  return i < o->n ? &o->list[i] : NULL;
}
