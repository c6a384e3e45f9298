/* SPDX-License-Identifier: Apache-2.0
 *
 * A look at memory in facts: the names that other vantage points use, so that
 * a rule is written once; and what stands out, by its class, with whoever is
 * the culprit.
 *
 * Two looks decide where there were two: a task in D that ran in between, a
 * lock that is passed on and a CPU that had its interrupts off for a moment
 * are no trouble.
 */
#include "diag/outside/apps_impl.h"
#include "diag/outside/outside_impl.h"

#include "base/cleanup.h"
#include "base/fact.h"
#include "kernel/wait.h"

#include <stdio.h>

/* A guest's word may be any number of them. */
#define MAX_DISKS 32
#define MAX_LOCKS 64
#define MAX_ASKED 256 /* tasks that are looked for among many */
#define DEPTH 64
#define STUCK_S 1.0 /* of one look alone: blocked for so long */

struct telling
{
  const struct outside *o;
  const struct incarnation *inc;
  outside_fact_fn *fn;
  void *arg;
};

static const char source[] = "memory";

static void
tell_text (const struct telling *t, const char *name, const char *text)
{
  struct fact f;

  fact_text (&f, t->inc, name, source, text, strlen (text));
  t->fn (&f, t->arg);
}

static void
tell_int (const struct telling *t, const char *name, int64_t v)
{
  struct fact f;

  fact_int (&f, t->inc, name, source, v);
  t->fn (&f, t->arg);
}

static void
tell_real (const struct telling *t, const char *name, double v)
{
  struct fact f;

  fact_real (&f, t->inc, name, source, v);
  t->fn (&f, t->arg);
}

static void
tell_bool (const struct telling *t, const char *name, bool v)
{
  struct fact f;

  fact_bool (&f, t->inc, name, source, v);
  t->fn (&f, t->arg);
}

/* Somebody's name as a part of one of ours: what is no name becomes "_". */
static const char *
part (const char *name, char dst[40])
{
  size_t n = 0;

  for (; *name && n < 39; name++)
    {
      char c = *name >= 'A' && *name <= 'Z' ? (char) (*name - 'A' + 'a')
                                            : *name;

      dst[n++] = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '_';
    }
  dst[n] = '\0';
  return dst;
}

/* ---- a culprit in words ---- */

/* "zoo_mutex+0x0/0x20 [zoo]" is "zoo_mutex [zoo]" here; with another offset it
 * is not the thing of that name but something in it. */
static const char *
plain_name (const char *name, char dst[OUTSIDE_PLACE])
{
  const char *plus = strstr (name, "+0x0/"), *module;

  if (!plus)
    return name;
  module = strchr (plus, ' ');
  snprintf (dst, OUTSIDE_PLACE, "%.*s%s", (int) (plus - name), name,
            module ? module : "");
  return dst;
}

void
outside_culprit_text (struct json_object *c, char *dst, size_t n)
{
  static const char *const named[] = { "lock", "disk", "device" };
  struct buf text CLEANUP_BUF = BUF_INIT (2048);
  const char *func = str_of (c, "function"), *module = str_of (c, "module");
  char plain[OUTSIDE_PLACE];

  if (func[0])
    buf_puts (&text, func);
  if (module[0])
    buf_printf (&text, " [%s]", module);
  for (size_t i = 0; i < ARRAY_LEN (named); i++)
    if (str_of (c, named[i])[0])
      buf_printf (&text, "%s%s %s", text.len ? ", " : "", named[i],
                  plain_name (str_of (c, named[i]), plain));
  if (json_get (c, "pool"))
    buf_printf (&text, "%spool %lld", text.len ? ", " : "",
                num_of (c, "pool"));
  if (json_get (c, "comm"))
    buf_printf (&text, "%s%s (%lld)", text.len ? ", " : "", str_of (c, "comm"),
                num_of (c, "pid"));
  if (json_get (c, "cpu"))
    buf_printf (&text, "%sCPU %lld", text.len ? " on " : "",
                num_of (c, "cpu"));
  if (str_of (c, "said")[0])
    buf_printf (&text, "%s%s", text.len ? ": " : "", str_of (c, "said"));
  snprintf (dst, n, "%s", buf_str (&text));
}

/* ---- what stands out ---- */

/* The heaviest of each class. */
static void
tell_findings (const struct telling *t)
{
  const struct outside *o = t->o;
  char name[FACT_NAME_MAX], who[FACT_TEXT_MAX], clean[40];

  for (size_t i = 0; i < o->n; i++)
    {
      const struct outside_finding *f = &o->list[i];
      bool told = false, named = false;

      if (!f->class)
        continue;
      for (size_t k = 0; k < i; k++)
        if (o->list[k].class && strcmp (o->list[k].class, f->class) == 0)
          {
            told = true;
            named = named || o->list[k].culprit;
          }
      if (!told)
        {
          snprintf (name, sizeof name, "finding.%s", part (f->class, clean));
          tell_text (t, name, f->text);
        }
      if (f->culprit && !named)
        {
          outside_culprit_text (f->culprit, who, sizeof who);
          snprintf (name, sizeof name, "culprit.%s", part (f->class, clean));
          if (who[0])
            tell_text (t, name, who);
          snprintf (name, sizeof name, "stack.%s", part (f->class, clean));
          if (f->key[0])
            tell_text (t, name, f->key);
        }
    }
}

/* ---- what moved ---- */

static void
tell_moved (const struct telling *t)
{
  bool clock = false, requests = false, cpus = false, all = false;
  long long switches = 0, done = 0, open = 0;
  struct json_object *row;
  size_t i = 0;

  while ((row = outside_next_ (t->o, "moved", &i)))
    if (strcmp (str_of (row, "what"), "cpu") == 0)
      {
        cpus = true;
        clock = clock || json_get_bool (row, "clock", false);
        switches += num_of (row, "switches");
      }
    else if (strcmp (str_of (row, "what"), "guest") == 0)
      {
        all = true;
        clock = clock || json_get_bool (row, "clock", false);
      }
    else if (strcmp (str_of (row, "what"), "requests") == 0)
      {
        requests = true;
        done += num_of (row, "answered");
        open += num_of (row, "same");
      }
  if (cpus || all)
    tell_bool (t, "kernel.clock_moved", clock);
  if (cpus)
    tell_int (t, "kernel.switches", switches);
  /* A disk that rests says nothing, and its work may begin and end between. */
  if (requests && (done > 0 || open > 0))
    tell_bool (t, "disk.any_moved", done > 0);
}

/* ---- CPUs ---- */

/* Without registers those that are not proven to take none are not known to
 * take any. */
static void
tell_cpus (const struct telling *t)
{
  struct buf who CLEANUP_BUF = BUF_INIT (FACT_TEXT_MAX);
  struct json_object *row;
  bool known = t->o->irqs_off > 0;

  for (size_t i = 0; !known && (row = outside_next_ (t->o, "cpu", &i));)
    known = json_get (row, "irqs_off") != NULL;
  if (known)
    tell_int (t, "vcpu.irqs_off", (int64_t) t->o->irqs_off);
  if (outside_standing_ (t->o, &who))
    tell_text (t, "kernel.stands_with", buf_str (&who));
}

/* ---- tasks ---- */

static struct json_object *
moved_task (const struct outside *o, long long pid)
{
  struct json_object *row;
  size_t i = 0;

  while ((row = outside_next_ (o, "moved", &i)))
    if (strcmp (str_of (row, "what"), "task") == 0
        && num_of (row, "pid") == pid)
      return row;
  return NULL;
}

static bool
two_looks (const struct outside *o)
{
  size_t i = 0;

  return outside_next_ (o, "moved", &i) != NULL;
}

bool
outside_is_stuck_ (const struct outside *o, struct json_object *task)
{
  struct json_object *moved = moved_task (o, num_of (task, "pid"));

  if (moved && json_get (moved, "stuck"))
    return json_get_bool (moved, "stuck", false);
  return !two_looks (o) && real_of (task, "since_s") >= STUCK_S;
}

static bool
is_in (struct json_object *task, const char *states)
{
  const char *s = str_of (task, "state");

  return s[0] && strchr (states, s[0]);
}

static enum wait_for
waits_for (const struct outside *o, struct json_object *task)
{
  const char *names[DEPTH];
  struct wait wait;

  wait_of (names, outside_frames_ (o, task, names, DEPTH), &wait);
  return wait.what;
}

/* The first to name is who waits longest, and of those best one for a lock or
 * a disk. */
static void
tell_blocked (const struct telling *t)
{
  const struct outside *o = t->o;
  struct json_object *worst = NULL;
  int64_t count[WAIT_MAX] = { 0 }, n = 0;
  bool plain = true;
  char at[OUTSIDE_PLACE], top[OUTSIDE_PLACE], text[FACT_TEXT_MAX];

  for (size_t i = 0; i < o->tasks.n; i++)
    {
      struct json_object *task = o->tasks.rows[i];
      enum wait_for what;

      if (!is_in (task, "D")
          || (n < MAX_ASKED
              && (outside_is_vfork_ (o, task) || !outside_is_stuck_ (o, task))))
        continue;
      what = waits_for (o, task);
      n++;
      count[what]++;
      if (!worst || (plain && what != WAIT_OTHER)
          || (plain == (what == WAIT_OTHER)
              && real_of (task, "since_s") > real_of (worst, "since_s")))
        {
          worst = task;
          plain = what == WAIT_OTHER;
        }
    }
  tell_int (t, "tasks.blocked", n);
  tell_int (t, "tasks.in_io", count[WAIT_IO]);
  tell_int (t, "tasks.in_lock", count[WAIT_LOCK]);
  if (!worst)
    return;
  outside_place (o, worst, at, top);
  snprintf (text, sizeof text, "%.32s%s%s", str_of (worst, "comm"),
            at[0] ? " in " : "", at);
  tell_text (t, "tasks.culprit", text);
  outside_row_key_ (o, worst, text);
  if (text[0])
    tell_text (t, "stack.tasks", text);
  tell_real (t, "tasks.blocked_s", real_of (worst, "since_s"));
}

static const char *
state_word (struct json_object *task)
{
  static const struct
  {
    char letter;
    const char *word;
  } words[] = { { 'R', "running" }, { 'S', "sleeping" }, { 'I', "sleeping" },
                { 'D', "blocked" }, { 'T', "stopped" },  { 't', "traced" },
                { 'Z', "dead" },    { 'X', "dead" },     { 'P', "sleeping" } };

  for (size_t i = 0; i < ARRAY_LEN (words); i++)
    if (str_of (task, "state")[0] == words[i].letter)
      return words[i].word;
  return "unknown";
}

/* After a fatal signal systemd does nothing any more but wait for children: as
 * long as it is well it waits for events. */
static bool
is_frozen_init (const struct outside *o, struct json_object *init)
{
  const char *call = syscall_name (o->arm, json_get (init, "syscall")
                                               ? num_of (init, "syscall")
                                               : -1);

  return strcmp (str_of (init, "comm"), "systemd") == 0 && is_in (init, "S")
         && call
         && (strcmp (call, "waitid") == 0 || strcmp (call, "pause") == 0);
}

/* Numbers below this are given once and not again. */
#define RESERVED_PIDS 300

/* How many more there may be.  That no number is free is known by those from
 * there on, since the others are not given again. */
static void
tell_room (const struct telling *t, int64_t all, int64_t high)
{
  size_t i = 0;
  struct json_object *row = outside_next_ (t->o, "system", &i);
  int64_t pids = num_of (row, "pid_max") - RESERVED_PIDS - high;
  int64_t room = num_of (row, "max_threads") - all;

  if (!json_get (row, "pid_max") && !json_get (row, "max_threads"))
    return;
  if (!json_get (row, "max_threads")
      || (json_get (row, "pid_max") && pids < room))
    room = pids;
  tell_int (t, "tasks.room", room > 0 ? room : 0);
}

/* Processes of its users: no kernel threads, nor init. */
static bool
is_users (struct json_object *task)
{
  return !json_get_bool (task, "kthread", false) && num_of (task, "pid") > 1
         && num_of (task, "pid") == num_of (task, "tgid")
         && !is_in (task, "ZX");
}

static bool
is_stopped (const struct outside *o, struct json_object *task)
{
  return is_in (task, "Tt");
}

struct held
{
  bool (*is) (const struct outside *o, struct json_object *task);
  const char *count, *who, *share;
  bool group; /* of whom is told, too */
};

/* Those of the users' of whom that is so: how many, how large a part of all
 * that is, and the first of them.  Of the first its control group, too: it may
 * be what they have in common. */
static void
tell_held (const struct telling *t, const struct held *h, int64_t user)
{
  struct buf names CLEANUP_BUF = BUF_INIT (FACT_TEXT_MAX);
  const struct outside *o = t->o;
  int64_t n = 0;

  for (size_t i = 0; i < o->tasks.n; i++)
    {
      struct json_object *task = o->tasks.rows[i];

      if (!is_users (task) || !h->is (o, task) || n++ >= MAX_SHOWN)
        continue;
      buf_puts (&names, n > 1 ? ", " : "");
      outside_add_who_ (&names, task);
      if (h->group && str_of (task, "cgroup")[0])
        buf_printf (&names, " of %s", str_of (task, "cgroup"));
    }
  tell_int (t, h->count, n);
  if (user > 0)
    tell_real (t, h->share, (double) n / (double) user);
  if (n > MAX_SHOWN)
    buf_printf (&names, " and %lld more", (long long) n - MAX_SHOWN);
  if (n > 0)
    tell_text (t, h->who, buf_str (&names));
}

static void
tell_users (const struct telling *t)
{
  static const struct held kinds[] = {
    { is_stopped, "tasks.stopped", "tasks.stopped_who", "tasks.stopped_share",
      false },
    { outside_is_frozen_, "tasks.frozen", "tasks.frozen_who",
      "tasks.frozen_share", true },
  };
  int64_t user = 0;

  for (size_t i = 0; i < t->o->tasks.n; i++)
    user += is_users (t->o->tasks.rows[i]);
  tell_int (t, "tasks.user", user);
  for (size_t i = 0; i < ARRAY_LEN (kinds); i++)
    tell_held (t, &kinds[i], user);
}

static void
tell_counts (const struct telling *t)
{
  const struct outside *o = t->o;
  struct json_object *init = outside_task_ (o, 1);
  int64_t all = 0, high = 0;

  for (size_t k = 0; k < o->tasks.n; k++)
    {
      all += num_of (o->tasks.rows[k], "pid") > 0;
      high += num_of (o->tasks.rows[k], "pid") >= RESERVED_PIDS;
    }
  tell_int (t, "tasks.count", all);
  tell_room (t, all, high);
  tell_text (t, "init.state",
             !init                        ? "gone"
             : is_frozen_init (o, init) ? "frozen"
                                        : state_word (init));
}

/* ---- locks ---- */

bool
outside_waits_ (struct json_object *lock, long long pid)
{
  struct json_object *list = json_get (lock, "waiters");

  for (size_t i = 0; i < len_of (list); i++)
    if (num_of (json_object_array_get_idx (list, i), "pid") == pid)
      return true;
  return false;
}

/* Its owner waits for another one: then that one is what it is about. */
static bool
owner_waits (const struct outside *o, struct json_object *lock)
{
  struct json_object *row, *owner = json_get (lock, "owner");
  size_t i = 0, n = 0;

  if (!json_get (owner, "pid"))
    return false;
  while ((row = outside_next_ (o, "lock", &i)) && n++ < MAX_LOCKS)
    if (row != lock && outside_waits_ (row, num_of (owner, "pid")))
      return true;
  return false;
}

static int64_t
waiters (struct json_object *lock)
{
  return (int64_t) len_of (json_get (lock, "waiters"))
         + num_of (lock, "more_waiters");
}

static bool
some_stuck (const struct outside *o, struct json_object *lock)
{
  struct json_object *list = json_get (lock, "waiters");

  for (size_t i = 0; i < len_of (list) && i < MAX_SHOWN; i++)
    {
      long long pid = num_of (json_object_array_get_idx (list, i), "pid");
      struct json_object *task = outside_task_ (o, pid);

      if (task && outside_is_stuck_ (o, task))
        return true;
    }
  return false;
}

/* The one that most wait for, of those whose owner waits for none. */
static void
tell_lock (const struct telling *t)
{
  const struct outside *o = t->o;
  struct json_object *row, *best = NULL, *culprit;
  bool best_waits = true;
  char who[FACT_TEXT_MAX], name[OUTSIDE_PLACE];
  size_t i = 0, n = 0;

  while ((row = outside_next_ (o, "lock", &i)) && n++ < MAX_LOCKS)
    {
      bool w = owner_waits (o, row);

      if (!some_stuck (o, row) || (best && w > best_waits))
        continue;
      if (best && w == best_waits && waiters (row) <= waiters (best))
        continue;
      best = row;
      best_waits = w;
    }
  if (!best)
    return;
  tell_int (t, "lock.waiters", waiters (best));
  tell_real (t, "lock.waited_s",
             outside_longest_ (o, json_get (best, "waiters")));
  tell_text (t, "lock.name",
             str_of (best, "name")[0] ? plain_name (str_of (best, "name"), name)
                                      : str_of (best, "at"));
  culprit = outside_culprit_of_lock_ (o, best);
  if (!culprit)
    return;
  outside_culprit_text (culprit, who, sizeof who);
  tell_text (t, "lock.owner", who);
  outside_take_key_ (o, culprit, who);
  if (who[0])
    tell_text (t, "stack.lock", who);
  json_object_put (culprit);
}

/* ---- what serves it ---- */

static void
tell_disks (const struct telling *t)
{
  const struct outside *o = t->o;
  struct json_object *disk, *row;
  size_t i = 0;

  for (unsigned n = 0; n < MAX_DISKS && (disk = outside_next_ (o, "disk", &i));
       n++)
    {
      char name[FACT_NAME_MAX], clean[40];
      double oldest = 0;
      size_t k = 0;

      if (!str_of (disk, "disk")[0])
        continue;
      while ((row = outside_next_ (o, "request", &k)))
        if (strcmp (str_of (row, "disk"), str_of (disk, "disk")) == 0
            && real_of (row, "age_s") > oldest)
          oldest = real_of (row, "age_s");
      snprintf (name, sizeof name, "disk.%s.waits_s",
                part (str_of (disk, "disk"), clean));
      tell_real (t, name, oldest);
    }
}

static void
tell_memory (const struct telling *t)
{
  const struct outside *o = t->o;
  struct buf why CLEANUP_BUF = BUF_INIT (FACT_TEXT_MAX);
  struct buf who CLEANUP_BUF = BUF_INIT (FACT_TEXT_MAX);
  size_t i = 0;
  struct json_object *row = outside_next_ (o, "mem", &i);
  struct json_object *was = outside_before_ (o, "mem", NULL, 0);
  double left = outside_available_ (o), files = outside_file_cache_ (o);
  double waits = outside_memory_pressure_ (o, "memory_full");

  if (left >= 0)
    tell_real (t, "mem.available", left);
  if (files >= 0)
    tell_real (t, "mem.file_cache", files);
  if (waits >= 0)
    tell_real (t, "mem.waits", waits);
  if (outside_short_of_memory_ (o, &why))
    {
      tell_text (t, "mem.short", buf_str (&why));
      if (outside_memory_holder_ (o, &who))
        tell_text (t, "mem.held_by", buf_str (&who));
    }
  if (!json_get (row, "oom_kills"))
    return;
  tell_int (t, "mem.oom_kills", num_of (row, "oom_kills"));
  if (json_get (was, "oom_kills"))
    tell_int (t, "mem.new_oom_kills",
              num_of (row, "oom_kills") - num_of (was, "oom_kills"));
}

static void
tell_work (const struct telling *t)
{
  struct json_object *row;
  double longest = 0;
  bool there = false;
  size_t i = 0;

  while ((row = outside_next_ (t->o, "workpool", &i)))
    {
      there = true;
      if (real_of (row, "no_progress_s") > longest)
        longest = real_of (row, "no_progress_s");
    }
  if (there)
    tell_real (t, "workqueue.stuck_s", longest);
}

static void
tell_readers (const struct telling *t)
{
  struct buf who CLEANUP_BUF = BUF_INIT (FACT_TEXT_MAX);
  struct json_object *held, *waits;
  int n = outside_console_readers_ (t->o, &held);
  const char *by = outside_console_stopped_ (t->o, &waits);

  if (by[0])
    tell_text (t, "console.stopped", by);
  if (waits)
    {
      outside_add_who_ (&who, waits);
      buf_printf (&who, ", for %.0f s", real_of (waits, "since_s"));
      tell_text (t, "console.waits", buf_str (&who));
      buf_clear (&who);
    }
  if (n >= 0)
    tell_int (t, "console.readers", n);
  if (n < 0 || !held)
    return;
  outside_add_who_ (&who, held);
  tell_text (t, "console.held_by", buf_str (&who));
}

void
outside_facts (const struct outside *o, const struct incarnation *inc,
               outside_fact_fn *fn, void *arg)
{
  const struct telling t = { o, inc, fn, arg };
  size_t i = 0;
  struct json_object *row = outside_next_ (o, "system", &i);

  if (json_get (row, "panicked"))
    tell_bool (&t, "kernel.panicked", json_get_bool (row, "panicked", false));
  tell_findings (&t);
  tell_moved (&t);
  tell_cpus (&t);
  if (o->tasks.n > 0)
    {
      tell_blocked (&t);
      tell_counts (&t);
      tell_users (&t);
      tell_readers (&t);
    }
  tell_lock (&t);
  tell_disks (&t);
  tell_memory (&t);
  tell_work (&t);
  outside_network_facts (o, source, inc, fn, arg);
  outside_crowd_facts (o, source, inc, fn, arg);
}
