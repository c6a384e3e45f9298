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
#define MAX_SHOWN 4 /* of those who wait */
#define MAX_OFF 256 /* CPUs of which it is asked for how long */
#define LATE_S 1.0      /* a timer that no interrupt came for */
#define SOFT_LATE_S 2.0 /* one that only waits for its CPU to have time */
#define OLD_REQUEST_S 5.0
#define LONG_WAIT_S 10.0
#define NO_PROGRESS_S 30.0

static void say (struct outside *o, enum outside_weight weight,
                 const char *class, struct json_object *culprit,
                 const char *fmt, ...)
    __attribute__ ((format (printf, 5, 6)));

/* Takes the culprit. */
static void
say (struct outside *o, enum outside_weight weight, const char *class,
     struct json_object *culprit, const char *fmt, ...)
{
  char *text;
  va_list ap;
  int r;

  va_start (ap, fmt);
  r = o->n < OUTSIDE_FINDINGS ? vasprintf (&text, fmt, ap) : -1;
  va_end (ap);
  if (r < 0)
    json_object_put (culprit);
  else
    o->list[o->n++]
        = (struct outside_finding){ weight, class, text, culprit };
}

/* "zoo_holder (315)" */
static void
add_who (struct buf *to, struct json_object *task)
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
      add_who (to, json_object_array_get_idx (list, i));
    }
  if (n > MAX_SHOWN)
    buf_printf (to, "%s%lld more", between, (long long) (n - MAX_SHOWN) + more);
}

/* ---- who did it ---- */

/* Of whom a row tells by name and number: and where it stands. */
static struct json_object *
culprit_of_pid (const struct outside *o, struct json_object *who)
{
  long long pid = num_of (who, "pid");
  struct json_object *cpu, *task;

  if (!json_get (who, "comm"))
    return NULL;
  task = outside_task_ (o, pid);
  cpu = outside_row_of_ (o, "cpu", "pid", pid);
  return outside_culprit_ (o, cpu ? cpu : who, cpu ? cpu : task);
}

/* Who has it, if that is known. */
static struct json_object *
culprit_of_lock (const struct outside *o, struct json_object *lock)
{
  const char *name = str_of (lock, "name");
  struct json_object *c = NULL;

  if (!json_get_bool (lock, "readers", false))
    c = culprit_of_pid (o, json_get (lock, "owner"));
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

/* ---- CPUs ---- */

/* Of one that was taken away the kernel's number is not known. */
static const char *
cpu_name (struct json_object *cpu, char dst[32])
{
  bool known = json_get (cpu, "cpu") != NULL;

  snprintf (dst, 32, "%s %lld", known ? "CPU" : "vCPU",
            num_of (cpu, known ? "cpu" : "vcpu"));
  return dst;
}

static long long
cpu_number (struct json_object *cpu)
{
  return (long long) json_get_int (cpu, "cpu", -1);
}

/* "sh (12) in do_idle", and where exactly when that is somebody else's code. */
static void
add_cpu (const struct outside *o, struct buf *to, struct json_object *cpu)
{
  char at[OUTSIDE_PLACE] = "", top[OUTSIDE_PLACE] = "";

  outside_place (o, cpu, at, top);
  if (json_get (cpu, "comm"))
    {
      add_who (to, cpu);
      buf_puts (to, " ");
    }
  buf_printf (to, "in %s",
              at[0]                     ? at
              : str_of (cpu, "at")[0] ? str_of (cpu, "at")
                                       : "code that has no name");
  if (top[0] && strcmp (top, at) != 0)
    buf_printf (to, ", at %s", top);
}

/* By how much the earliest timer of a kind is late on it. */
static double
late (const struct outside *o, long long cpu, const char *what)
{
  struct json_object *t
      = json_get (outside_row_of_ (o, "timers", "cpu", cpu), what);

  return json_object_is_type (t, json_type_object)
                 && real_of (t, "due_s") < 0
             ? -real_of (t, "due_s")
             : 0;
}

/* Two looks: its clock stands. */
static bool
stands (const struct outside *o, long long cpu)
{
  struct json_object *row;
  size_t i = 0;

  while ((row = outside_next_ (o, "moved", &i)))
    if (strcmp (str_of (row, "what"), "cpu") == 0 && num_of (row, "cpu") == cpu)
      return !json_get_bool (row, "clock", true)
             && num_of (row, "switches") == 0;
  return false;
}

static bool
were_two_looks (const struct outside *o)
{
  size_t i = 0;

  return outside_next_ (o, "moved", &i) != NULL;
}

/* Not one of its CPUs switched or looked at its clock. */
static bool
nothing_moved (const struct outside *o)
{
  struct json_object *row;
  size_t i = 0, n = 0;

  while ((row = outside_next_ (o, "moved", &i)))
    if (strcmp (str_of (row, "what"), "cpu") == 0)
      {
        if (!stands (o, num_of (row, "cpu")))
          return false;
        n++;
      }
  return n > 0;
}

/* Others that wait for its answer. */
static size_t
add_victims (const struct outside *o, struct buf *to, long long cpu)
{
  struct json_object *row;
  size_t i = 0, n = 0;

  while ((row = outside_next_ (o, "cpu", &i)))
    {
      struct json_object *list = json_get (row, "waits_for_cpus");

      for (size_t k = 0; k < len_of (list); k++)
        if (json_object_get_int64 (json_object_array_get_idx (list, k)) == cpu)
          {
            if (n++ < MAX_SHOWN)
              {
                buf_printf (to, "%sCPU %lld, ", n > 1 ? ", " : "; ",
                            num_of (row, "cpu"));
                add_cpu (o, to, row);
              }
            break;
          }
    }
  if (n > MAX_SHOWN)
    buf_printf (to, " and %zu more", n - MAX_SHOWN);
  if (n > 0)
    buf_puts (to, n == 1 ? ", waits for its answer" : ", wait for its answer");
  return n;
}

static bool
is_off (struct json_object *cpu)
{
  return json_get_bool (cpu, "irqs_off", false)
         && !json_get_bool (cpu, "halted", false)
         && strcmp (str_of (cpu, "pc"), "0x0") != 0
         && strcmp (str_of (cpu, "mode"), "kernel") == 0;
}

/* Interrupts off, and something that shows for how long. */
static bool
takes_none (struct outside *o, struct json_object *cpu)
{
  struct buf text CLEANUP_BUF = BUF_INIT (8192);
  long long n = cpu_number (cpu);
  double by = late (o, n, "hrtimers");
  size_t victims;
  bool still = stands (o, n);
  char name[32];

  buf_printf (&text, "%s takes no interrupts: ", cpu_name (cpu, name));
  add_cpu (o, &text, cpu);
  if (by >= LATE_S)
    buf_printf (&text, ", %.1f s late for its timer", by);
  if (still)
    buf_puts (&text, ", and its clock stood still between two looks");
  victims = add_victims (o, &text, n);
  if (by < LATE_S && !still && victims == 0)
    return false;
  say (o, OUTSIDE_LOCKUP, "hard-lockup", outside_culprit_ (o, cpu, cpu), "%s",
       buf_str (&text));
  return true;
}

/* Without such a thing it is what every CPU does now and then; all of them at
 * once do it rarely. */
static void
all_off (struct outside *o, size_t cpus)
{
  struct buf text CLEANUP_BUF = BUF_INIT (8192);
  struct json_object *cpu, *first = NULL;
  size_t i = 0, k = 0, n = 0;

  if (cpus == 1)
    buf_puts (&text, "its only CPU has interrupts off: ");
  else
    buf_printf (&text, "all %zu CPUs have interrupts off: ", cpus);
  while ((cpu = outside_next_ (o, "cpu", &i)) && n++ < MAX_SHOWN)
    {
      buf_puts (&text, n > 1 ? "; " : "");
      add_cpu (o, &text, cpu);
      first = first ? first : cpu;
    }
  if (!were_two_looks (o))
    buf_printf (&text, " (perhaps for this moment only%s)",
                outside_next_ (o, "guest", &k) ? ": --samples 2 tells" : "");
  /* Of several each may be the one. */
  say (o, OUTSIDE_LOCKUP, "hard-lockup",
       cpus == 1 && first ? outside_culprit_ (o, first, first) : NULL, "%s",
       buf_str (&text));
}

/* One that was taken away stands like that, too, and those that a panic on
 * another one stopped. */
static bool
is_parked (const struct outside *o, struct json_object *cpu)
{
  struct json_object *frames = json_get (outside_stack (o, cpu), "frames");
  bool kernel = strchr (str_of (cpu, "at"), '+') != NULL;

  for (size_t i = 0; i < len_of (frames); i++)
    {
      const char *text
          = json_object_get_string (json_object_array_get_idx (frames, i));

      if (text
          && (strstr (text, "play_dead") || strstr (text, "stop_this_cpu")))
        return true;
    }
  return !kernel;
}

/* It takes interrupts, and what those leave for later is not done. */
static void
look_busy (struct outside *o, struct json_object *cpu)
{
  struct buf text CLEANUP_BUF = BUF_INIT (4096);
  long long n = cpu_number (cpu);
  double by = late (o, n, "timers");
  char name[32];

  if (by < SOFT_LATE_S || late (o, n, "hrtimers") >= LATE_S
      || json_get_bool (cpu, "halted", false))
    return;
  buf_printf (&text, "%s lets nothing else run: ", cpu_name (cpu, name));
  add_cpu (o, &text, cpu);
  buf_printf (&text, ", a timer is %.1f s late for that", by);
  say (o, OUTSIDE_LOCKUP, "soft-lockup", outside_culprit_ (o, cpu, cpu), "%s",
       buf_str (&text));
}

static void
look_at_cpus (struct outside *o)
{
  struct json_object *cpu;
  size_t i = 0, all = 0, off = 0, proven = 0;
  char name[32];

  while ((cpu = outside_next_ (o, "cpu", &i)))
    {
      if (!json_get (cpu, "irqs_off"))
        continue; /* no registers */
      all++;
      if (is_off (cpu))
        {
          off++;
          proven += off <= MAX_OFF && o->n < OUTSIDE_FINDINGS
                    && takes_none (o, cpu);
        }
      else if (json_get_bool (cpu, "irqs_off", false) && !o->arm
               && json_get_bool (cpu, "halted", false) && !is_parked (o, cpu))
        say (o, OUTSIDE_LOCKUP, "hard-lockup", outside_culprit_ (o, cpu, cpu),
             "%s is halted with interrupts off, at %s: nothing wakes it",
             cpu_name (cpu, name), str_of (cpu, "at"));
      else
        look_busy (o, cpu);
    }
  if (all > 0 && off == all && proven < all)
    all_off (o, all);
  if (proven == 0 && nothing_moved (o))
    say (o, OUTSIDE_LOCKUP, NULL, NULL,
         "nothing of it moved between two looks: its host does not run it, or "
         "all of it sleeps, or nothing wakes it");
}

/* ---- the whole guest ---- */

/* The line that a panic has; its end says the same between dashes. */
static const char *
panic_text (const struct outside *o)
{
  static const char begin[] = "Kernel panic - not syncing: ";
  const char *last = NULL;
  struct json_object *row;
  size_t i = 0;

  while ((row = outside_next_ (o, "dmesg", &i)))
    if (strncmp (str_of (row, "text"), begin, strlen (begin)) == 0)
      last = str_of (row, "text") + strlen (begin);
  return last;
}

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
  size_t i = 0, k = 0;
  struct json_object *row = outside_next_ (o, "system", &i);
  struct json_object *cpu, *guest = outside_next_ (o, "guest", &k);
  const char *why, *run = str_of (guest, "run");

  if (run[0] && strcmp (run, "running") != 0 && strcmp (run, "unknown") != 0)
    say (o, OUTSIDE_NOT_RUN, class_of_run (run), NULL,
         "it is %s: while its host does not run it nothing of it moves", run);
  if (!row || !json_get_bool (row, "panicked", false))
    return;
  why = panic_text (o);
  cpu = outside_row_of_ (o, "cpu", "cpu", num_of (row, "panic_cpu"));
  say (o, OUTSIDE_DEAD, "kernel-panic",
       cpu ? outside_culprit_ (o, cpu, NULL) : NULL,
       "KERNEL PANIC on CPU %lld%s%.*s", num_of (row, "panic_cpu"),
       why ? ": " : " (its dmesg says why)",
       why ? (int) strcspn (why, "\n") : 0, why ? why : "");
}

/* ---- who waits ---- */

static double
longest (const struct outside *o, struct json_object *list)
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
  add_who (to, owner);
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
      say (o, OUTSIDE_DEADLOCK, "lock-deadlock",
           len_of (tasks) > 0
               ? culprit_of_pid (o, json_object_array_get_idx (tasks, 0))
               : NULL,
           "DEADLOCK: %s waits for the first", buf_str (&text));
    }
  for (i = n = 0; (row = outside_next_ (o, "lock", &i));)
    {
      struct buf text CLEANUP_BUF = BUF_INIT (4096);
      struct json_object *waiters = json_get (row, "waiters");
      double s = longest (o, waiters);

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
      say (o, OUTSIDE_BLOCKED, NULL, culprit_of_lock (o, row), "%s",
           buf_str (&text));
    }
  if (n > MAX_LOCKS)
    say (o, OUTSIDE_BLOCKED, NULL, NULL, "%zu more locks are waited for",
         n - MAX_LOCKS);
}

static bool
waits_for_lock (const struct outside *o, long long pid)
{
  struct json_object *row;
  size_t i = 0;

  while ((row = outside_next_ (o, "lock", &i)))
    {
      struct json_object *list = json_get (row, "waiters");

      for (size_t k = 0; k < len_of (list); k++)
        if (num_of (json_object_array_get_idx (list, k), "pid") == pid)
          return true;
    }
  return false;
}

/* Who called vfork() is in state D until its child goes on by itself. */
static bool
waits_for_child (const struct outside *o, struct json_object *task)
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
          || real_of (t, "since_s") < LONG_WAIT_S || waits_for_child (o, t)
          || (n < 100 && waits_for_lock (o, num_of (t, "pid"))))
        continue;
      n++;
      if (!oldest || real_of (t, "since_s") > real_of (oldest, "since_s"))
        oldest = t;
    }
  if (!oldest)
    return;
  outside_place (o, oldest, at, top);
  say (o, OUTSIDE_BLOCKED, NULL, outside_culprit_ (o, oldest, oldest),
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
        say (o, OUTSIDE_STORAGE, "storage-stalled",
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

static void
look_at_services (struct outside *o)
{
  struct json_object *row;
  size_t i = 0;

  while ((row = outside_next_ (o, "workpool", &i)))
    if (real_of (row, "no_progress_s") >= NO_PROGRESS_S)
      say (o, OUTSIDE_DEGRADED, "workqueue-lockup", NULL,
           "%lld works of pool %lld wait, none was begun for %.0f s",
           num_of (row, "waiting"), num_of (row, "pool"),
           real_of (row, "no_progress_s"));
  for (i = 0; (row = outside_next_ (o, "net", &i));)
    if (json_get_bool (row, "tx_timed_out", false))
      say (o, OUTSIDE_DEGRADED, "network-lost",
           named ("device", str_of (row, "name")),
           "network device %s has sent nothing for %.1f s",
           str_of (row, "name"), real_of (row, "tx_silent_s"));
  for (i = 0; (row = outside_next_ (o, "mount", &i));)
    {
      const char *error = str_of (row, "write_error");
      const char *frozen = str_of (row, "frozen");

      if (error[0] || frozen[0])
        say (o, OUTSIDE_DEGRADED, error[0] ? "filesystem-error" : NULL,
             named ("device", str_of (row, "device")),
             "file system %s on %s%s%s%s%s",
             str_of (row, "type"), str_of (row, "device"),
             error[0] ? " could not write: " : "", error,
             frozen[0] ? " is frozen: " : "", frozen);
    }
}

static void
look_at_memory (struct outside *o)
{
  size_t i = 0;
  struct json_object *row = outside_next_ (o, "mem", &i);
  long long total = num_of (row, "total_pages");
  long long free = num_of (row, "free_pages");
  long long killed = num_of (row, "oom_kills");

  if (total > 0 && json_get (row, "free_pages") && free < total / 100)
    say (o, OUTSIDE_DEGRADED, "out-of-memory", NULL,
         "hardly any memory is free: %lld of %lld pages", free, total);
  if (killed > 0)
    say (o, OUTSIDE_NOTE, NULL, NULL,
         "since it was started %lld task%s killed because there was no memory",
         killed, killed > 1 ? "s were" : " was");
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
  look_at_system (o);
  look_at_cpus (o);
  look_at_locks (o);
  look_at_requests (o);
  look_at_blocked (o);
  look_at_services (o);
  look_at_memory (o);
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
