/* SPDX-License-Identifier: Apache-2.0
 *
 * Of what a guest's kernel died.
 *
 * Mostly it is where panic() was called.  But a kernel that is told to panic
 * when something stands does so in whoever noticed: a watchdog's thread, a
 * timer, an NMI, another CPU.  That one is never the culprit: who is, the
 * kernel has said a moment before.
 */
#include "diag/outside/outside_impl.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH 64
#define COMM 64

/* How a report names it. */
enum names
{
  NAMES_TASK, /* "comm:pid blocked" */
  NAMES_CPU,  /* a number */
  NAMES_LIST, /* "1-....: (", or "P123" of a task */
};

/* The panic's text begins so, or one of its functions has that name. */
static const struct messenger
{
  const char *panic, *function; /* function NULL: its text alone */
  const char *report; /* in the line, before the name; NULL: none names one */
  enum names names;
} messengers[] = {
  { "hung_task: blocked tasks", "watchdog", "INFO: task ", NAMES_TASK },
  { "softlockup: hung tasks", "watchdog_timer_fn", "BUG: soft lockup - CPU#",
    NAMES_CPU },
  { "Hard LOCKUP", "watchdog_hardlockup_check", "hard LOCKUP on cpu ",
    NAMES_CPU },
  { "Watchdog detected hard LOCKUP", "watchdog_overflow_callback",
    "hard LOCKUP on cpu ", NAMES_CPU },
  { "RCU Stall", "panic_on_rcu_stall", "rcu: \t", NAMES_LIST },
  { "workqueue: ", "wq_watchdog_timer_fn", "BUG: workqueue lockup - pool cpus=",
    NAMES_CPU },
  /* Of panic_on_oom, and where nobody is left to be killed: whoever asked for
   * memory just then. */
  { "Out of memory: ", NULL, NULL, NAMES_TASK },
  { "System is deadlocked on memory", NULL, NULL, NAMES_TASK },
};

/* What follows in a line that is such a report. */
static const char *
reported (const struct messenger *m, const char *text)
{
  const char *at = m->report ? strstr (text, m->report) : NULL;

  if (!at)
    return NULL;
  at += strlen (m->report);
  switch (m->names)
    {
    case NAMES_TASK:
      return strstr (at, " blocked ") ? at : NULL;
    case NAMES_CPU:
      return *at >= '0' && *at <= '9' ? at : NULL;
    case NAMES_LIST:
      return (*at >= '0' && *at <= '9' && at[strspn (at, "0123456789")] == '-')
                     || strstr (at, ": P")
                 ? at
                 : NULL;
    }
  return NULL;
}

bool
outside_is_report_ (const char *text)
{
  for (size_t i = 0; i < ARRAY_LEN (messengers); i++)
    if (reported (&messengers[i], text))
      return true;
  return false;
}

static const char begin[] = "Kernel panic - not syncing: ";

static bool
is_panic (struct json_object *row)
{
  return strncmp (str_of (row, "text"), begin, strlen (begin)) == 0;
}

/* The line that a panic has; its end says the same between dashes. */
static const char *
panic_text (const struct outside *o)
{
  const char *last = NULL;
  struct json_object *row;
  size_t i = 0;

  while ((row = outside_next_ (o, "dmesg", &i)))
    if (is_panic (row))
      last = str_of (row, "text") + strlen (begin);
  return last;
}

static bool
is_in_stack (const char *const *names, unsigned n, const char *function)
{
  size_t len = strlen (function);

  for (unsigned i = 0; i < n; i++)
    if (strncmp (names[i], function, len) == 0 && strchr ("+.", names[i][len]))
      return true;
  return false;
}

/* What it said tells more than where it was. */
static const struct messenger *
messenger_of (const struct outside *o, struct json_object *cpu,
              const char *why)
{
  const char *names[DEPTH];
  unsigned n = outside_frames_ (o, cpu, names, DEPTH);

  for (size_t i = 0; why && i < ARRAY_LEN (messengers); i++)
    if (strncmp (why, messengers[i].panic, strlen (messengers[i].panic)) == 0)
      return &messengers[i];
  for (size_t i = 0; i < ARRAY_LEN (messengers); i++)
    if (messengers[i].function
        && is_in_stack (names, n, messengers[i].function))
      return &messengers[i];
  return NULL;
}

/* The last one before it panicked. */
static const char *
last_report (const struct outside *o, const struct messenger *m)
{
  const char *last = NULL, *at;
  struct json_object *row;
  size_t i = 0;

  while ((row = outside_next_ (o, "dmesg", &i)))
    if ((at = reported (m, str_of (row, "text"))))
      last = at;
  return last;
}

/* What it did when it was interrupted: to be looked at, or to be stopped by who
 * panicked. */
static void
interrupted_place (const struct outside *o, struct json_object *cpu,
                   char dst[OUTSIDE_PLACE])
{
  const char *names[DEPTH];
  unsigned n = outside_frames_ (o, cpu, names, DEPTH), i = 0;

  while (i < n && strcmp (names[i], "<interrupt>") != 0)
    i++;
  outside_place_from_ (o, cpu, i < n ? i + 1 : 0, dst);
}

static struct json_object *
culprit_of_number (const struct outside *o, long long n)
{
  struct json_object *cpu = outside_row_of_ (o, "cpu", "cpu", n), *c;
  char at[OUTSIDE_PLACE];

  /* One that was stopped has no number any more. */
  if (!cpu)
    cpu = outside_row_of_ (o, "cpu", "vcpu", n);
  c = outside_culprit_ (o, cpu, NULL);
  interrupted_place (o, cpu, at);
  if (c)
    outside_add_function_ (c, at);
  if (c && !json_get (c, "cpu"))
    json_add_int (c, "cpu", n);
  return c;
}

/* Who is not there any more is known by what was said. */
static struct json_object *
culprit_of_task (const struct outside *o, const char *comm, size_t n,
                 long long pid)
{
  struct json_object *task = outside_task_ (o, pid);
  struct json_object *who, *c;

  if (json_get (task, "comm"))
    return outside_culprit_of_pid_ (o, task);
  who = json_object_new_object ();
  json_add_text (who, "comm", comm, n);
  json_add_int (who, "pid", pid);
  c = outside_culprit_ (o, n > 0 ? who : NULL, NULL);
  json_object_put (who);
  return c;
}

static struct json_object *
culprit_of_report (const struct outside *o, const struct messenger *m,
                   const char *at)
{
  const char *end = strstr (at, " blocked "), *colon = end;

  switch (m->names)
    {
    case NAMES_CPU:
      return culprit_of_number (o, strtol (at, NULL, 10));
    case NAMES_LIST:
      if (*at >= '0' && *at <= '9')
        return culprit_of_number (o, strtol (at, NULL, 10));
      return culprit_of_task (o, "", 0, strtol (strstr (at, ": P") + 3, NULL,
                                                10));
    case NAMES_TASK:
      while (colon > at && *colon != ':')
        colon--;
      if (colon == at || colon - at > COMM)
        return NULL;
      return culprit_of_task (o, at, (size_t) (colon - at),
                              strtol (colon + 1, NULL, 10));
    }
  return NULL;
}

static void
add_said (struct json_object *c, const char *why)
{
  char text[80];

  snprintf (text, sizeof text, "%.*s", (int) strcspn (why, "\n"), why);
  json_add_str (c, "said", text);
}

/* Where no place of it is known, what it said is all there is: the kernel
 * prints no stack of a panic behind an oops. */
static struct json_object *
culprit_of_panic (const struct outside *o, struct json_object *cpu,
                  const char *why)
{
  const struct messenger *m = messenger_of (o, cpu, why);
  const char *report = m ? last_report (o, m) : NULL;
  struct json_object *c = report ? culprit_of_report (o, m, report) : NULL;
  char at[OUTSIDE_PLACE];

  if (c)
    return c;
  /* Who brought the news has nothing to do with it. */
  if (m)
    {
      c = json_object_new_object ();
      add_said (c, why ? why : m->panic);
      return c;
    }
  c = cpu ? outside_culprit_ (o, cpu, NULL) : NULL;
  if (!c)
    return NULL;
  outside_panic_place_ (o, cpu, at);
  outside_add_function_ (c, at);
  if (why && !json_get (c, "function"))
    add_said (c, why);
  return c;
}

void
outside_panic_ (struct outside *o)
{
  size_t i = 0;
  struct json_object *cpu, *row = outside_next_ (o, "system", &i);
  const char *why;

  if (!row || !json_get_bool (row, "panicked", false))
    return;
  why = panic_text (o);
  cpu = outside_row_of_ (o, "cpu", "cpu", num_of (row, "panic_cpu"));
  outside_say_ (o, OUTSIDE_DEAD, "kernel-panic",
                culprit_of_panic (o, cpu, why),
                "KERNEL PANIC on CPU %lld%s%.*s", num_of (row, "panic_cpu"),
                why ? ": " : " (its dmesg says why)",
                why ? (int) strcspn (why, "\n") : 0, why ? why : "");
}
