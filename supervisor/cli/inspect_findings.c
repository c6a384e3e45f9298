/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands out in a look: said first, in plain words, each with what it is
 * known by.  Whoever is woken at night reads this and then, perhaps, the rest.
 *
 * Only rows are looked at.  One look cannot tell what is so for a moment from
 * what stays so, unless something in it is late; then it says how to find out.
 */
#include "supervisor/cli/inspect_impl.h"

#include "base/buf.h"
#include "base/json.h"
#include "supervisor/cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LOCKS 6 /* that are described; the others are counted */
#define MAX_SHOWN 4 /* of those who wait */
#define MAX_OFF 256 /* CPUs of which it is asked for how long */
#define MAX_KEPT 20000
#define LATE_S 1.0      /* a timer that no interrupt came for */
#define SOFT_LATE_S 2.0 /* one that only waits for its CPU to have time */
#define OLD_REQUEST_S 5.0
#define LONG_WAIT_S 10.0
#define NO_PROGRESS_S 30.0
#define MAX_S 1e9

static void say (struct findings *f, unsigned weight, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));

static void
say (struct findings *f, unsigned weight, const char *fmt, ...)
{
  char *text;
  va_list ap;
  int r;

  if (f->n == INSPECT_FINDINGS)
    return;
  va_start (ap, fmt);
  r = vasprintf (&text, fmt, ap);
  va_end (ap);
  if (r >= 0)
    f->list[f->n++] = (struct finding){ weight, text };
}

/* ---- rows ---- */

/* Seconds; beyond thirty years either way they are nobody's. */
static double
real (struct json_object *row, const char *key)
{
  double v = json_object_get_double (json_get (row, key));

  return v > -MAX_S && v < MAX_S ? v : 0;
}

static long long
num (struct json_object *row, const char *key)
{
  return (long long) json_get_int (row, key, 0);
}

static bool
is (struct json_object *row, const char *kind)
{
  return strcmp (row_str (row, "row"), kind) == 0;
}

static size_t
length (struct json_object *list)
{
  return json_object_is_type (list, json_type_array)
             ? json_object_array_length (list)
             : 0;
}

/* The next row of a kind, from *i on; NULL = there is none. */
static struct json_object *
next_row (const struct findings *f, const char *kind, size_t *i)
{
  while (*i < f->v->told.n)
    {
      struct json_object *row = f->v->told.rows[(*i)++];

      if (is (row, kind))
        return row;
    }
  return NULL;
}

/* The one whose member is that number. */
static struct json_object *
row_of (const struct findings *f, const char *kind, const char *key,
        long long want)
{
  struct json_object *row;
  size_t i = 0;

  while ((row = next_row (f, kind, &i)))
    if (json_get (row, key) && num (row, key) == want)
      return row;
  return NULL;
}

static struct json_object *
task_of (const struct findings *f, long long pid)
{
  for (size_t i = 0; i < f->v->tasks_told.n; i++)
    if (num (f->v->tasks_told.rows[i], "pid") == pid)
      return f->v->tasks_told.rows[i];
  return NULL;
}

/* "zoo_holder (315)" */
static void
add_who (struct buf *to, struct json_object *task)
{
  if (json_get (task, "comm"))
    buf_printf (to, "%s (%lld)", row_str (task, "comm"), num (task, "pid"));
  else
    buf_puts (to, "nobody known");
}

/* The first few of a list, and how many there are besides. */
static void
add_some (struct buf *to, struct json_object *list, long long more,
          const char *between)
{
  size_t n = length (list);

  for (size_t i = 0; i < n && i < MAX_SHOWN; i++)
    {
      buf_puts (to, i ? between : "");
      add_who (to, json_object_array_get_idx (list, i));
    }
  if (n > MAX_SHOWN)
    buf_printf (to, "%s%lld more", between, (long long) (n - MAX_SHOWN) + more);
}

/* ---- CPUs ---- */

/* Of one that was taken away the kernel's number is not known. */
static const char *
cpu_name (struct json_object *cpu, char dst[32])
{
  bool known = json_get (cpu, "cpu") != NULL;

  snprintf (dst, 32, "%s %lld", known ? "CPU" : "vCPU",
            num (cpu, known ? "cpu" : "vcpu"));
  return dst;
}

static long long
cpu_number (struct json_object *cpu)
{
  return (long long) json_get_int (cpu, "cpu", -1);
}

/* "sh (12) in do_idle", and where exactly when that is somebody else's code. */
static void
add_cpu (const struct findings *f, struct buf *to, struct json_object *cpu)
{
  char at[200] = "", top[200] = "";

  inspect_place_ (f->v, cpu, at, top);
  if (json_get (cpu, "comm"))
    {
      add_who (to, cpu);
      buf_puts (to, " ");
    }
  buf_printf (to, "in %s",
              at[0]                     ? at
              : row_str (cpu, "at")[0] ? row_str (cpu, "at")
                                       : "code that has no name");
  if (top[0] && strcmp (top, at) != 0)
    buf_printf (to, ", at %s", top);
}

/* By how much the earliest timer of a kind is late on it. */
static double
late (const struct findings *f, long long cpu, const char *what)
{
  struct json_object *o
      = json_get (row_of (f, "timers", "cpu", cpu), what);

  return json_object_is_type (o, json_type_object)
                 && real (o, "due_s") < 0
             ? -real (o, "due_s")
             : 0;
}

/* Two looks: its clock stands. */
static bool
stands (const struct findings *f, long long cpu)
{
  struct json_object *row;
  size_t i = 0;

  while ((row = next_row (f, "moved", &i)))
    if (strcmp (row_str (row, "what"), "cpu") == 0 && num (row, "cpu") == cpu)
      return !json_get_bool (row, "clock", true) && num (row, "switches") == 0;
  return false;
}

static bool
were_two_looks (const struct findings *f)
{
  size_t i = 0;

  return next_row (f, "moved", &i) != NULL;
}

/* Not one of its CPUs switched or looked at its clock. */
static bool
nothing_moved (const struct findings *f)
{
  struct json_object *row;
  size_t i = 0, n = 0;

  while ((row = next_row (f, "moved", &i)))
    if (strcmp (row_str (row, "what"), "cpu") == 0)
      {
        if (!stands (f, num (row, "cpu")))
          return false;
        n++;
      }
  return n > 0;
}

/* Others that wait for its answer. */
static size_t
add_victims (const struct findings *f, struct buf *to, long long cpu)
{
  struct json_object *row;
  size_t i = 0, n = 0;

  while ((row = next_row (f, "cpu", &i)))
    {
      struct json_object *list = json_get (row, "waits_for_cpus");

      for (size_t k = 0; k < length (list); k++)
        if (json_object_get_int64 (json_object_array_get_idx (list, k)) == cpu)
          {
            if (n++ < MAX_SHOWN)
              {
                buf_printf (to, "%sCPU %lld, ", n > 1 ? ", " : "; ",
                            num (row, "cpu"));
                add_cpu (f, to, row);
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
  /* One of arm64 that was never begun stands at 0. */
  return json_get_bool (cpu, "irqs_off", false)
         && !json_get_bool (cpu, "halted", false)
         && strcmp (row_str (cpu, "pc"), "0x0") != 0
         && strcmp (row_str (cpu, "mode"), "kernel") == 0;
}

/* Interrupts off, and something that shows for how long. */
static bool
takes_none (struct findings *f, struct json_object *cpu)
{
  struct buf text CLEANUP_BUF = BUF_INIT (8192);
  long long n = cpu_number (cpu);
  double by = late (f, n, "hrtimers");
  size_t victims;
  bool still = stands (f, n);
  char name[32];

  buf_printf (&text, "%s takes no interrupts: ", cpu_name (cpu, name));
  add_cpu (f, &text, cpu);
  if (by >= LATE_S)
    buf_printf (&text, ", %.1f s late for its timer", by);
  if (still)
    buf_puts (&text, ", and its clock stood still between two looks");
  victims = add_victims (f, &text, n);
  if (by < LATE_S && !still && victims == 0)
    return false;
  say (f, LOCKUP, "%s", buf_str (&text));
  return true;
}

/* Without such a thing it is what every CPU does now and then; all of them at
 * once do it rarely. */
static void
all_off (struct findings *f, size_t cpus)
{
  struct buf text CLEANUP_BUF = BUF_INIT (8192);
  struct json_object *cpu;
  size_t i = 0, k = 0, n = 0;

  if (cpus == 1)
    buf_puts (&text, "its only CPU has interrupts off: ");
  else
    buf_printf (&text, "all %zu CPUs have interrupts off: ", cpus);
  while ((cpu = next_row (f, "cpu", &i)) && n++ < MAX_SHOWN)
    {
      buf_puts (&text, n > 1 ? "; " : "");
      add_cpu (f, &text, cpu);
    }
  if (!were_two_looks (f))
    buf_printf (&text, " (perhaps for this moment only%s)",
                next_row (f, "guest", &k) ? ": --samples 2 tells" : "");
  say (f, LOCKUP, "%s", buf_str (&text));
}

/* One that was taken away stands like that, too, and those that a panic on
 * another one stopped. */
static bool
is_parked (const struct findings *f, struct json_object *cpu)
{
  struct json_object *frames = json_get (inspect_stack_ (f->v, cpu), "frames");
  bool kernel = strchr (row_str (cpu, "at"), '+') != NULL;

  for (size_t i = 0; i < length (frames); i++)
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
look_busy (struct findings *f, struct json_object *cpu)
{
  struct buf text CLEANUP_BUF = BUF_INIT (4096);
  long long n = cpu_number (cpu);
  double by = late (f, n, "timers");
  char name[32];

  if (by < SOFT_LATE_S || late (f, n, "hrtimers") >= LATE_S
      || json_get_bool (cpu, "halted", false))
    return;
  buf_printf (&text, "%s lets nothing else run: ", cpu_name (cpu, name));
  add_cpu (f, &text, cpu);
  buf_printf (&text, ", a timer is %.1f s late for that", by);
  say (f, LOCKUP, "%s", buf_str (&text));
}

static void
look_at_cpus (struct findings *f)
{
  struct json_object *cpu;
  size_t i = 0, all = 0, off = 0, proven = 0;
  char name[32];

  while ((cpu = next_row (f, "cpu", &i)))
    {
      if (!json_get (cpu, "irqs_off"))
        continue; /* no registers */
      all++;
      if (is_off (cpu))
        {
          off++;
          proven += off <= MAX_OFF && f->n < INSPECT_FINDINGS
                    && takes_none (f, cpu);
        }
      else if (json_get_bool (cpu, "irqs_off", false) && !f->v->arm
               && json_get_bool (cpu, "halted", false) && !is_parked (f, cpu))
        say (f, LOCKUP,
             "%s is halted with interrupts off, at %s: nothing wakes it",
             cpu_name (cpu, name), row_str (cpu, "at"));
      else
        look_busy (f, cpu);
    }
  if (all > 0 && off == all && proven < all)
    all_off (f, all);
  if (proven == 0 && nothing_moved (f))
    say (f, LOCKUP,
         "nothing of it moved between two looks: its host does not run it, or "
         "all of it sleeps, or nothing wakes it");
}

/* ---- the whole guest ---- */

/* The line that a panic has; its end says the same between dashes. */
static const char *
panic_text (const struct findings *f)
{
  static const char begin[] = "Kernel panic - not syncing: ";
  const char *last = NULL;
  struct json_object *row;
  size_t i = 0;

  while ((row = next_row (f, "dmesg", &i)))
    if (strncmp (row_str (row, "text"), begin, strlen (begin)) == 0)
      last = row_str (row, "text") + strlen (begin);
  return last;
}

static void
look_at_system (struct findings *f)
{
  size_t i = 0, k = 0;
  struct json_object *row = next_row (f, "system", &i);
  struct json_object *guest = next_row (f, "guest", &k);
  const char *why, *run = row_str (guest, "run");

  if (run[0] && strcmp (run, "running") != 0 && strcmp (run, "unknown") != 0)
    say (f, NOT_RUN,
         "it is %s: while its host does not run it nothing of it moves", run);
  if (!row || !json_get_bool (row, "panicked", false))
    return;
  why = panic_text (f);
  say (f, DEAD, "KERNEL PANIC on CPU %lld%s%.*s", num (row, "panic_cpu"),
       why ? ": " : " (its dmesg says why)",
       why ? (int) strcspn (why, "\n") : 0, why ? why : "");
}

/* ---- who waits ---- */

static double
longest (const struct findings *f, struct json_object *list)
{
  double most = 0;

  for (size_t i = 0; i < length (list); i++)
    {
      struct json_object *t = task_of (
          f, num (json_object_array_get_idx (list, i), "pid"));

      if (t && real (t, "since_s") > most)
        most = real (t, "since_s");
    }
  return most;
}

/* Where the owner of a lock is, who has the answer. */
static void
add_owner (const struct findings *f, struct buf *to, struct json_object *lock)
{
  struct json_object *owner = json_get (lock, "owner"), *t, *cpu;
  char at[200] = "", top[200] = "";

  if (json_get_bool (lock, "readers", false))
    {
      buf_puts (to, "readers have it");
      return;
    }
  add_who (to, owner);
  buf_puts (to, " has it");
  if (!owner)
    return;
  t = task_of (f, num (owner, "pid"));
  cpu = row_of (f, "cpu", "pid", num (owner, "pid"));
  inspect_place_ (f->v, cpu ? cpu : t, at, top);
  if (t && at[0])
    buf_printf (to, ", and is %s in %s",
                cpu ? "on a CPU" : row_str (t, "state"), at);
}

static void
look_at_locks (struct findings *f)
{
  struct json_object *row;
  size_t i = 0, n = 0;

  while ((row = next_row (f, "deadlock", &i)) && n++ < MAX_LOCKS)
    {
      struct buf text CLEANUP_BUF = BUF_INIT (4096);

      add_some (&text, json_get (row, "tasks"), num (row, "more_tasks"),
                " waits for ");
      say (f, DEADLOCK, "DEADLOCK: %s waits for the first", buf_str (&text));
    }
  for (i = n = 0; (row = next_row (f, "lock", &i));)
    {
      struct buf text CLEANUP_BUF = BUF_INIT (4096);
      struct json_object *waiters = json_get (row, "waiters");
      double s = longest (f, waiters);

      /* A lock that is passed on all the time is no finding. */
      if (s < LATE_S || ++n > MAX_LOCKS)
        continue;
      add_some (&text, waiters, num (row, "more_waiters"), ", ");
      buf_printf (&text, length (waiters) > 1 ? " wait" : " waits");
      buf_printf (&text, " for the %s %s, for %.1f s; ", row_str (row, "kind"),
                  row_str (row, "name")[0] ? row_str (row, "name")
                                           : row_str (row, "at"),
                  s);
      add_owner (f, &text, row);
      say (f, BLOCKED, "%s", buf_str (&text));
    }
  if (n > MAX_LOCKS)
    say (f, BLOCKED, "%zu more locks are waited for", n - MAX_LOCKS);
}

static bool
waits_for_lock (const struct findings *f, long long pid)
{
  struct json_object *row;
  size_t i = 0;

  while ((row = next_row (f, "lock", &i)))
    {
      struct json_object *list = json_get (row, "waiters");

      for (size_t k = 0; k < length (list); k++)
        if (num (json_object_array_get_idx (list, k), "pid") == pid)
          return true;
    }
  return false;
}

/* Blocked for long by something that is no lock of which we know. */
static void
look_at_blocked (struct findings *f)
{
  struct json_object *oldest = NULL;
  char at[200] = "", top[200] = "";
  size_t n = 0;

  for (size_t i = 0; i < f->v->tasks_told.n; i++)
    {
      struct json_object *t = f->v->tasks_told.rows[i];

      if (!strchr (row_str (t, "state"), 'D')
          || real (t, "since_s") < LONG_WAIT_S
          || (n < 100 && waits_for_lock (f, num (t, "pid"))))
        continue;
      n++;
      if (!oldest || real (t, "since_s") > real (oldest, "since_s"))
        oldest = t;
    }
  if (!oldest)
    return;
  inspect_place_ (f->v, oldest, at, top);
  say (f, BLOCKED,
       "%zu task%s blocked (D) for more than %.0f s; longest %s (%lld), for "
       "%.0f s, in %s",
       n, n > 1 ? "s" : "", LONG_WAIT_S, row_str (oldest, "comm"),
       num (oldest, "pid"), real (oldest, "since_s"), at[0] ? at : "?");
}

/* ---- what serves it ---- */

/* A QEMU whose main loop waits for its storage has stopped the guest's CPUs:
 * the guest's clock, by which requests grow old, stands. */
static void
look_at_requests (struct findings *f)
{
  struct json_object *row, *disk;
  size_t i = 0, g = 0;
  bool silent = json_get_bool (next_row (f, "guest", &g), "monitor_silent",
                               false);

  while ((disk = next_row (f, "disk", &i)))
    {
      struct json_object *oldest = NULL;
      size_t k = 0, n = 0;

      while ((row = next_row (f, "request", &k)))
        if (strcmp (row_str (row, "disk"), row_str (disk, "disk")) == 0
            && real (row, "age_s") >= (silent ? LATE_S : OLD_REQUEST_S))
          {
            n++;
            if (!oldest || real (row, "age_s") > real (oldest, "age_s"))
              oldest = row;
          }
      if (oldest)
        say (f, STORAGE,
             "disk %s: %zu request%s without an answer, the oldest (%s, "
             "sector %lld) for %.1f s%s",
             row_str (disk, "disk"), n, n > 1 ? "s" : "",
             row_str (oldest, "op"), num (oldest, "sector"),
             real (oldest, "age_s"),
             silent ? " by the guest's clock, and QEMU's monitor does not"
                      " answer: QEMU waits for its storage"
                    : ": its host, or its driver");
    }
}

static void
look_at_services (struct findings *f)
{
  struct json_object *row;
  size_t i = 0;

  while ((row = next_row (f, "workpool", &i)))
    if (real (row, "no_progress_s") >= NO_PROGRESS_S)
      say (f, DEGRADED,
           "%lld works of pool %lld wait, none was begun for %.0f s",
           num (row, "waiting"), num (row, "pool"),
           real (row, "no_progress_s"));
  for (i = 0; (row = next_row (f, "net", &i));)
    if (json_get_bool (row, "tx_timed_out", false))
      say (f, DEGRADED, "network device %s has sent nothing for %.1f s",
           row_str (row, "name"), real (row, "tx_silent_s"));
  for (i = 0; (row = next_row (f, "mount", &i));)
    {
      const char *error = row_str (row, "write_error");
      const char *frozen = row_str (row, "frozen");

      if (error[0] || frozen[0])
        say (f, DEGRADED, "file system %s on %s%s%s%s%s",
             row_str (row, "type"), row_str (row, "device"),
             error[0] ? " could not write: " : "", error,
             frozen[0] ? " is frozen: " : "", frozen);
    }
}

static void
look_at_memory (struct findings *f)
{
  size_t i = 0;
  struct json_object *row = next_row (f, "mem", &i);
  long long total = num (row, "total_pages"), free = num (row, "free_pages");
  long long killed = num (row, "oom_kills");

  if (total > 0 && free < total / 100)
    say (f, DEGRADED, "hardly any memory is free: %lld of %lld pages", free,
         total);
  if (killed > 0)
    say (f, NOTE,
         "since it was started %lld task%s killed because there was no memory",
         killed, killed > 1 ? "s were" : " was");
}

/* ---- all of it ---- */

/* What each is made of; many rows of other kinds are not kept. */
void
inspect_keep_ (struct inspect_view *v, const char *kind,
               struct json_object *row)
{
  static const char *const kinds[]
      = { "guest", "system",  "cpu",      "timers", "lock",  "deadlock", "disk",
          "mem",   "request", "workpool", "net",    "mount", "moved",    NULL };
  bool keep = strcmp (kind, "dmesg") == 0
              && strstr (row_str (row, "text"), "Kernel panic");

  if (strcmp (kind, "kernel") == 0)
    v->arm = strcmp (row_str (row, "arch"), "arm64") == 0;
  for (size_t i = 0; kinds[i] && !keep; i++)
    keep = strcmp (kind, kinds[i]) == 0;
  if (keep && v->told.n < MAX_KEPT)
    row_list_add (&v->told, row);
}

/* Of a look that was asked for something small there is nothing to say. */
static bool
saw_all (const struct findings *f)
{
  size_t i = 0, k = 0;

  return f->v->tasks_told.n > 0 && next_row (f, "cpu", &i)
         && next_row (f, "system", &k);
}

void
inspect_print_findings_ (struct inspect_view *v)
{
  struct findings f = { .v = v };

  look_at_system (&f);
  look_at_cpus (&f);
  look_at_locks (&f);
  look_at_requests (&f);
  look_at_blocked (&f);
  look_at_services (&f);
  look_at_memory (&f);
  v->worst = inspect_say_findings_ (&f, saw_all (&f));
}
