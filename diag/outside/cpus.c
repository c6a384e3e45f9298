/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands out of a guest's CPUs: those that take no interrupts, or let
 * nothing else run, and since when.
 */
#include "diag/outside/outside_impl.h"

#include "base/cleanup.h"

#include <stdio.h>

#define MAX_OFF 256 /* CPUs of which it is asked for how long */
#define SOFT_LATE_S 2.0 /* one that only waits for its CPU to have time */
#define KEPT_S 3.0 /* a turn takes milliseconds */
/* Of these it must have had so much of a processor of the host: its clock goes
 * on while it has none. */
#define KEPT_HAD_S 2.0
#define LATE_HAD_S 1.0
/* At a tick a CPU that has a task looks at its clock; one that its host does
 * not let run for a moment looks late. */
#define BEHIND_S 4.0
#define SPIN_DEPTH 6 /* frames above it */

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

/* Without registers. */
static void
add_remembered (struct buf *to, struct json_object *cpu, const char *at)
{
  const char *begun = str_of (cpu, "begun");

  if (begun[0])
    buf_printf (to, "in %s", begun);
  if (at[0] && strcmp (at, begun) != 0)
    buf_printf (to, "%sin %s by its last interrupt", begun[0] ? ", " : "", at);
  else if (!begun[0])
    buf_puts (to, "in code that was not seen");
}

/* "sh (12) in do_idle", and where exactly when that is somebody else's code. */
static void
add_cpu (const struct outside *o, struct buf *to, struct json_object *cpu)
{
  char at[OUTSIDE_PLACE] = "", top[OUTSIDE_PLACE] = "";

  outside_place (o, cpu, at, top);
  if (json_get (cpu, "comm"))
    {
      outside_add_who_ (to, cpu);
      buf_puts (to, " ");
    }
  if (!json_get (cpu, "irqs_off"))
    {
      add_remembered (to, cpu, at);
      return;
    }
  buf_printf (to, "in %s",
              at[0]                     ? at
              : str_of (cpu, "at")[0] ? str_of (cpu, "at")
                                       : "code that has no name");
  if (top[0] && strcmp (top, at) != 0)
    buf_printf (to, ", at %s", top);
}

static bool
is_off (struct json_object *cpu)
{
  return json_get_bool (cpu, "irqs_off", false)
         && !json_get_bool (cpu, "halted", false)
         && strcmp (str_of (cpu, "pc"), "0x0") != 0
         && strcmp (str_of (cpu, "mode"), "kernel") == 0;
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

/* Both looks found it in the same function with its interrupts off, and in
 * between nothing else ran on it.  Others may have moved its clock: who wakes
 * somebody there does. */
static bool
same_code (const struct outside *o, struct json_object *cpu)
{
  struct json_object *was
      = outside_before_ (o, "cpu", "vcpu", num_of (cpu, "vcpu"));
  const char *at = str_of (cpu, "at"), *then = str_of (was, "at");
  struct json_object *row;
  size_t n = strcspn (at, "+"), i = 0;

  if (!was || !is_off (was) || n == 0 || strcspn (then, "+") != n
      || strncmp (at, then, n) != 0)
    return false;
  while ((row = outside_next_ (o, "moved", &i)))
    if (strcmp (str_of (row, "what"), "cpu") == 0
        && num_of (row, "cpu") == cpu_number (cpu))
      return json_get (row, "switches") && num_of (row, "switches") == 0;
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

/* The one that has the spinlock for which this one spins, if only one can be;
 * *ret_lock is the lock's row. */
static struct json_object *
spins_for (const struct outside *o, struct json_object *cpu,
           struct json_object **ret_lock)
{
  struct json_object *lock, *waiters, *maybe, *who;
  size_t i = 0;

  while ((lock = outside_next_ (o, "spinlock", &i)))
    {
      waiters = json_get (lock, "waiters");
      for (size_t k = 0; k < len_of (waiters); k++)
        if (json_get_int (json_object_array_get_idx (waiters, k), "cpu", -1)
            == cpu_number (cpu))
          {
            *ret_lock = lock;
            maybe = json_get (lock, "maybe");
            who = json_get (lock, "owner");
            if (!json_get (who, "cpu") && len_of (maybe) == 1)
              who = json_object_array_get_idx (maybe, 0);
            return json_get (who, "cpu")
                       ? outside_row_of_ (o, "cpu", "cpu", num_of (who, "cpu"))
                       : NULL;
          }
    }
  return NULL;
}

/* Of a kernel thread that no interrupt tells of it is what it was made for. */
static struct json_object *
remembered_culprit (const struct outside *o, struct json_object *cpu)
{
  struct json_object *c = outside_culprit_ (o, cpu, cpu);

  if (c && !json_get (c, "function"))
    outside_add_function_ (c, str_of (cpu, "begun"));
  return c;
}

/* Who spins is not who did it: who has the lock is. */
static struct json_object *
culprit_of_cpu (const struct outside *o, struct json_object *cpu)
{
  struct json_object *lock = NULL, *holder = spins_for (o, cpu, &lock), *c;
  const char *name = str_of (lock, "name");

  c = remembered_culprit (o, holder ? holder : cpu);
  if (!name[0])
    name = str_of (lock, "at");
  if (c && lock && name[0])
    json_add_text (c, "lock", name, strlen (name));
  return c;
}

/* Interrupts off, and something that shows for how long. */
static bool
takes_none (struct outside *o, struct json_object *cpu)
{
  struct buf text CLEANUP_BUF = BUF_INIT (8192);
  long long n = cpu_number (cpu);
  double by = late (o, n, "hrtimers");
  size_t victims;
  bool still = stands (o, n), same = same_code (o, cpu);
  char name[32];

  buf_printf (&text, "%s takes no interrupts: ", cpu_name (cpu, name));
  add_cpu (o, &text, cpu);
  if (by >= LATE_S)
    buf_printf (&text, ", %.1f s late for its timer", by);
  if (still)
    buf_puts (&text, ", and its clock stood still between two looks");
  else if (same)
    buf_puts (&text, ", and two looks found it in the same function");
  victims = add_victims (o, &text, n);
  if (by < LATE_S && !still && !same && victims == 0)
    return false;
  outside_say_ (o, OUTSIDE_LOCKUP, "hard-lockup", culprit_of_cpu (o, cpu),
                "%s", buf_str (&text));
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
  outside_say_ (o, OUTSIDE_LOCKUP, "hard-lockup",
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

/* Of the time between two looks: what of a processor the host gave it. */
static double
share_of (struct json_object *was, struct json_object *now, double apart,
          bool of_wanted)
{
  double ran = real_of (now, "ran_s") - real_of (was, "ran_s");
  double waited = real_of (now, "waited_s") - real_of (was, "waited_s");
  double all = of_wanted ? ran + waited : apart;

  if (!json_get (was, "ran_s") || !json_get (now, "ran_s") || apart <= 0
      || ran < 0 || waited < 0 || (of_wanted && all < apart / 10))
    return 1;
  return ran < all ? ran / all : 1;
}

/* Where it is not known which thread is which vCPU, all of them together stand
 * for each: what they got of what they wanted.  1: nothing is known. */
static double
share (const struct outside *o, struct json_object *cpu)
{
  long long vcpu = num_of (cpu, json_get (cpu, "vcpu") ? "vcpu" : "cpu");
  size_t i = 0, m = 0;
  struct json_object *now = outside_next_ (o, "guest", &i);
  struct json_object *was = outside_before_ (o, "guest", NULL, 0);
  struct json_object *threads = json_get (now, "vcpus");
  struct json_object *before = json_get (was, "vcpus");
  double apart = real_of (outside_next_ (o, "moved", &m), "apart_s");

  for (i = 0; i < len_of (threads) && i < MAX_OFF; i++)
    for (size_t k = 0; k < len_of (before) && k < MAX_OFF; k++)
      {
        struct json_object *a = json_object_array_get_idx (threads, i);
        struct json_object *b = json_object_array_get_idx (before, k);

        if (num_of (a, "vcpu") == vcpu && num_of (b, "vcpu") == vcpu)
          return share_of (b, a, apart, false);
      }
  return share_of (was, now, apart, true);
}

/* It asks for memory, of which there is none: it would be done long ago. */
static bool
lacks_memory (const struct outside *o, struct json_object *cpu)
{
  return o->lacks_memory && outside_asks_memory_ (o, cpu);
}

/* Between two looks it switched from task to task, if there were two. */
static bool
switched (const struct outside *o, long long cpu)
{
  struct json_object *row;
  size_t i = 0;

  while ((row = outside_next_ (o, "moved", &i)))
    if (strcmp (str_of (row, "what"), "cpu") == 0 && num_of (row, "cpu") == cpu)
      return num_of (row, "switches") > 0;
  return false;
}

/* For how long one task has had it while others want to run there; 0: it is
 * passed on. */
static double
kept_by_one (const struct outside *o, struct json_object *cpu)
{
  struct json_object *task = outside_task_ (o, num_of (cpu, "pid"));
  struct json_object *queue
      = outside_row_of_ (o, "runqueue", "cpu", cpu_number (cpu));

  if (num_of (cpu, "pid") <= 0 || num_of (queue, "running") < 2
      || !json_get_bool (task, "on_cpu", false)
      || switched (o, cpu_number (cpu)) || lacks_memory (o, cpu)
      || real_of (task, "since_s") * share (o, cpu) < KEPT_HAD_S)
    return 0;
  return real_of (task, "since_s");
}

/* Its interrupts come, and by how much what they leave for later is late. */
static double
left_late (const struct outside *o, struct json_object *cpu)
{
  double by = late (o, cpu_number (cpu), "timers");

  return by <= 0 || by * share (o, cpu) < LATE_HAD_S || lacks_memory (o, cpu)
             ? 0
             : by;
}

/* By the words of it a rule tells that the kernel's RCU is what stalls. */
static void
add_reader (struct buf *to, struct json_object *cpu)
{
  if (json_get_bool (cpu, "rcu_reader", false))
    buf_puts (to, ", as a reader of RCU that does not end");
}

/* It takes interrupts, and what those leave for later is not done, or nobody
 * else has his turn. */
static void
look_busy (struct outside *o, struct json_object *cpu)
{
  struct buf text CLEANUP_BUF = BUF_INIT (4096);
  long long n = cpu_number (cpu);
  double by = left_late (o, cpu), kept = kept_by_one (o, cpu);
  char name[32];

  if ((by < SOFT_LATE_S && kept < KEPT_S) || late (o, n, "hrtimers") >= LATE_S
      || json_get_bool (cpu, "halted", false))
    return;
  buf_printf (&text, "%s lets nothing else run: ", cpu_name (cpu, name));
  add_cpu (o, &text, cpu);
  if (kept >= KEPT_S)
    buf_printf (&text, ", for %.1f s while others wait for it", kept);
  if (by >= SOFT_LATE_S)
    buf_printf (&text, ", a timer is %.1f s late for that", by);
  add_reader (&text, cpu);
  outside_say_ (o, OUTSIDE_LOCKUP, "soft-lockup", culprit_of_cpu (o, cpu),
                "%s", buf_str (&text));
}

/* ---- without registers: by what its kernel wrote down ---- */

static bool
has_task (struct json_object *cpu)
{
  return num_of (cpu, "pid") > 0;
}

/* How many wait for it besides who has it. */
static void
add_waiting (const struct outside *o, struct buf *to, long long cpu)
{
  struct json_object *queue = outside_row_of_ (o, "runqueue", "cpu", cpu);
  long long n = num_of (queue, "running") - 1;

  if (n > 0)
    buf_printf (to, "; %lld task%s wait%s behind it", n, n > 1 ? "s" : "",
                n > 1 ? "" : "s");
}

/* It has something to run, and its clock stands while another one's goes on:
 * so no tick came.  True when that is told. */
static bool
takes_no_ticks (struct outside *o, struct json_object *cpu)
{
  struct buf text CLEANUP_BUF = BUF_INIT (8192);
  long long n = cpu_number (cpu);
  double behind
      = real_of (outside_row_of_ (o, "runqueue", "cpu", n), "behind_s");
  char name[32];

  if (!has_task (cpu) || !stands (o, n) || behind < BEHIND_S)
    return false;
  buf_printf (&text, "%s takes no interrupts: ", cpu_name (cpu, name));
  add_cpu (o, &text, cpu);
  buf_printf (&text, ", has not looked at its clock for %.1f s, nor between "
                     "two looks",
              behind);
  if (late (o, n, "hrtimers") >= LATE_S)
    buf_printf (&text, ", and is %.1f s late for its timer",
                late (o, n, "hrtimers"));
  add_waiting (o, &text, n);
  outside_say_ (o, OUTSIDE_LOCKUP, "hard-lockup", culprit_of_cpu (o, cpu),
                "%s", buf_str (&text));
  return true;
}

/* It was found where a CPU waits for another one to give a lock back. */
static bool
is_spinning (const struct outside *o, struct json_object *cpu)
{
  const char *names[SPIN_DEPTH];
  unsigned n = outside_frames_ (o, cpu, names, SPIN_DEPTH);

  for (unsigned i = 0; i < n; i++)
    if (names[i] && strstr (names[i], "_lock_slowpath"))
      return true;
  return false;
}

/* It takes ticks, and nobody else has his turn. */
static void
is_kept (struct outside *o, struct json_object *cpu)
{
  struct buf text CLEANUP_BUF = BUF_INIT (4096);
  long long n = cpu_number (cpu);
  double kept = kept_by_one (o, cpu);
  char name[32];

  if (kept < KEPT_S || stands (o, n))
    return;
  buf_printf (&text, "%s lets nothing else run: ", cpu_name (cpu, name));
  add_cpu (o, &text, cpu);
  buf_printf (&text, ", for %.1f s%s", kept,
              is_spinning (o, cpu) ? ", waiting for a spinlock" : "");
  add_reader (&text, cpu);
  add_waiting (o, &text, n);
  outside_say_ (o, OUTSIDE_LOCKUP, "soft-lockup", culprit_of_cpu (o, cpu),
                "%s", buf_str (&text));
}

static void
look_at_kept (struct outside *o, bool spinning)
{
  struct json_object *cpu;
  size_t i = 0;

  while ((cpu = outside_next_ (o, "cpu", &i)))
    if (!json_get (cpu, "irqs_off") && o->n < OUTSIDE_FINDINGS
        && is_spinning (o, cpu) == spinning)
      is_kept (o, cpu);
}

/* Who has the CPUs of a guest of which nothing moved: only its host knows
 * whether they ran meanwhile. */
bool
outside_standing_ (const struct outside *o, struct buf *to)
{
  struct json_object *cpu;
  size_t i = 0, n = 0;
  char who[OUTSIDE_PLACE];

  if (!nothing_moved (o))
    return false;
  while ((cpu = outside_next_ (o, "cpu", &i)))
    if (!json_get (cpu, "irqs_off") && has_task (cpu) && n++ < MAX_SHOWN)
      {
        struct json_object *c = remembered_culprit (o, cpu);

        outside_culprit_text (c, who, sizeof who);
        buf_printf (to, "%s%s", n > 1 ? "; " : "", who);
        json_object_put (c);
      }
  return n > 0;
}

static void
say_nothing_moved (struct outside *o)
{
  struct buf who CLEANUP_BUF = BUF_INIT (1024);

  if (outside_standing_ (o, &who))
    outside_say_ (o, OUTSIDE_LOCKUP, NULL, NULL,
         "nothing of it moved between two looks, while %s had something to "
         "do: its host does not run it, or it takes no interrupts",
         buf_str (&who));
  else
    outside_say_ (o, OUTSIDE_LOCKUP, NULL, NULL,
         "nothing of it moved between two looks: its host does not run it, or "
         "all of it sleeps, or nothing wakes it");
}

void
outside_cpus_ (struct outside *o)
{
  struct json_object *cpu;
  size_t i = 0, all = 0, off = 0, proven = 0;
  char name[32];

  while ((cpu = outside_next_ (o, "cpu", &i)))
    {
      if (!json_get (cpu, "irqs_off"))
        {
          proven += o->n < OUTSIDE_FINDINGS && takes_no_ticks (o, cpu);
          continue;
        }
      all++;
      if (is_off (cpu))
        {
          off++;
          proven += off <= MAX_OFF && o->n < OUTSIDE_FINDINGS
                    && takes_none (o, cpu);
        }
      else if (json_get_bool (cpu, "irqs_off", false) && !o->arm
               && json_get_bool (cpu, "halted", false) && !is_parked (o, cpu))
        outside_say_ (o, OUTSIDE_LOCKUP, "hard-lockup",
                      outside_culprit_ (o, cpu, cpu),
             "%s is halted with interrupts off, at %s: nothing wakes it",
             cpu_name (cpu, name), str_of (cpu, "at"));
      else
        look_busy (o, cpu);
    }
  /* Who has the lock did it: who spins for it comes after. */
  look_at_kept (o, false);
  look_at_kept (o, true);
  /* Where something moved between two looks it was so for a moment. */
  if (all > 0 && off == all && proven < all
      && (!were_two_looks (o) || nothing_moved (o)))
    all_off (o, all);
  o->irqs_off = proven;
  if (proven == 0 && nothing_moved (o))
    say_nothing_moved (o);
}
