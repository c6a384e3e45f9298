/* SPDX-License-Identifier: Apache-2.0
 *
 * Applications that are not there any more: by the kernel's log, and by units
 * that who starts them calls failed.
 *
 * What ended long ago is seldom why something fails now: unless it is asked for
 * by its name, it has to be of the last minutes.
 */
#include "diag/outside/apps_impl.h"

#include "base/cleanup.h"
#include "kernel/memory/cgroup.h"

#include <stdio.h>
#include <string.h>

#define RECENT_S 600

/* ---- who it was ---- */

static bool
is_alive (const struct outside *o, const struct ended *e)
{
  struct json_object *task = outside_task_ (o, e->pid);

  return task && strcmp (str_of (task, "comm"), e->comm) == 0
         && !strchr ("ZX", str_of (task, "state")[0]);
}

/* Of a process that only its name is known of: all that live and are called so
 * are one unit's or container's. */
static struct json_object *
kin_of (const struct outside *o, const char *comm)
{
  struct json_object *kin = NULL;

  for (size_t i = 0; comm[0] && i < o->tasks.n; i++)
    {
      struct json_object *task = o->tasks.rows[i];

      if (strcmp (str_of (task, "comm"), comm) != 0
          || json_get_bool (task, "kthread", false))
        continue;
      if (kin
          && (strcmp (str_of (kin, "unit"), str_of (task, "unit")) != 0
              || strcmp (str_of (kin, "container"), str_of (task, "container"))
                     != 0))
        return NULL;
      kin = task;
    }
  return kin;
}

static void
name_by (struct app_end *end, const struct apps_asked *asked, const char *unit,
         const char *container, const char *runtime)
{
  if (!unit[0] && !container[0])
    return;
  app_name_ (end->name, unit, container, runtime);
  end->system = !container[0] && app_is_system_ (unit);
  if (asked && app_is_asked_ (asked, unit, container))
    end->tie = APP_NAMED;
}

static void
name_of_log (const struct apps *a, struct app_end *end)
{
  struct json_object *row = outside_row_of_ (a->o, "unit", "pid", end->e.pid);
  struct cgroup_owner owner;

  if (end->e.cgroup[0] && cgroup_owner_of (end->e.cgroup, &owner))
    name_by (end, a->asked, owner.unit, owner.container,
             owner.runtime ? owner.runtime : "");
  else if (row)
    name_by (end, a->asked, str_of (row, "unit"), "", "");
  else if ((row = kin_of (a->o, end->e.comm)))
    name_by (end, a->asked, str_of (row, "unit"), str_of (row, "container"),
             str_of (row, "runtime"));
  for (unsigned i = 0; a->asked && i < a->asked->nnames; i++)
    if (strcmp (a->asked->names[i], end->e.comm) == 0)
      end->tie = APP_NAMED;
}

/* ---- a unit that failed ---- */

static const char *
signal_name (long long n)
{
  static const char *const names[]
      = { NULL,   "HUP", "INT",  "QUIT", "ILL",  "TRAP", "ABRT",
          "BUS",  "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
          "ALRM", "TERM" };

  return n > 0 && n < (long long) ARRAY_LEN (names) ? names[n] : NULL;
}

/* "by signal 11 (SEGV)", "with exit code 3", "(timeout)" */
static void
how_of_unit (struct json_object *row, char *dst, size_t size)
{
  enum { EXITED = 1, KILLED, DUMPED };
  long long code = num_of (row, "code"), status = num_of (row, "status");
  const char *result = str_of (row, "result"), *name = signal_name (status);
  size_t n = 0;

  dst[0] = '\0';
  if (code == KILLED || code == DUMPED)
    n = (size_t) snprintf (dst, size, " by signal %d%s%s%s", (int) status,
                           name ? " (" : "", name ? name : "",
                           name ? ")" : "");
  else if (code == EXITED)
    n = (size_t) snprintf (dst, size, " with exit code %d", (int) status);
  if (n < size && result[0] && strcmp (result, "signal") != 0
      && strcmp (result, "exit-code") != 0 && strcmp (result, "success") != 0)
    snprintf (dst + n, size - n, " (%.31s)", result);
}

static void
read_unit (const struct apps *a, struct json_object *row, struct app_end *end)
{
  *end = (struct app_end){ .e = { .why = ENDED_FAILED,
                                  .pid = num_of (row, "pid"),
                                  .us = json_get_int (row, "us", -1) },
                           .restarts = num_of (row, "restarts") };
  snprintf (end->e.comm, sizeof end->e.comm, "%.31s", str_of (row, "comm"));
  how_of_unit (row, end->e.how, sizeof end->e.how);
  name_by (end, a->asked, str_of (row, "unit"), "", "");
}

/* ---- which one counts ---- */

/* Seconds of the log's clock; 0 = not known. */
static double
now_of (const struct outside *o)
{
  size_t i = 0;
  struct json_object *row = outside_next_ (o, "system", &i);

  return real_of (row, json_get (row, "clock_s") ? "clock_s" : "uptime_s");
}

static bool
is_old (const struct app_end *end, double now)
{
  return now > 0 && end->e.us >= 0
         && (double) end->e.us / 1e6 + RECENT_S < now;
}

/* Named first, then what is no part of every system, then the latest; of two at
 * once what the kernel tells, which comes first. */
static bool
is_better (const struct app_end *a, const struct app_end *b)
{
  if (a->tie != b->tie)
    return a->tie > b->tie;
  if (a->system != b->system)
    return !a->system;
  return a->e.us > b->e.us;
}

static bool
is_told (const struct outside *o, long long pid)
{
  const struct ended *e;

  for (unsigned i = 0; pid > 0 && (e = ended_get (&o->ended, i)); i++)
    if (e->pid == pid)
      return true;
  return false;
}

bool
apps_ended_ (const struct apps *a, struct app_end *ret)
{
  double now = now_of (a->o);
  struct app_end end;
  struct json_object *row;
  const struct ended *e;
  bool found = false;
  size_t i = 0;

  for (unsigned k = 0; (e = ended_get (&a->o->ended, k)); k++)
    {
      end = (struct app_end){ .e = *e };
      name_of_log (a, &end);
      if (is_alive (a->o, e) || (end.tie == APP_UNTIED && is_old (&end, now))
          || (found && !is_better (&end, ret)))
        continue;
      *ret = end;
      found = true;
    }
  while ((row = outside_next_ (a->o, "unit", &i)))
    {
      read_unit (a, row, &end);
      if (is_told (a->o, end.e.pid)
          || (end.tie == APP_UNTIED && is_old (&end, now))
          || (found && !is_better (&end, ret)))
        continue;
      *ret = end;
      found = true;
    }
  return found;
}

void
app_end_text_ (const struct app_end *end, char *dst, size_t n)
{
  struct buf text CLEANUP_BUF = BUF_INIT (1024);
  const struct ended *e = &end->e;

  if (end->name[0])
    buf_puts (&text, end->name);
  if (e->comm[0])
    buf_printf (&text, "%s%s", end->name[0] ? ", " : "", e->comm);
  if (e->comm[0] && e->pid > 0)
    buf_printf (&text, " (%lld)", e->pid);
  if (e->why == ENDED_KILLED)
    buf_puts (&text, ", was killed: its control group had no memory left");
  else if (e->why == ENDED_CRASHED)
    buf_printf (&text, ", crashed: %s", e->how);
  else
    buf_printf (&text, ", has ended%s", e->how);
  if (end->restarts == 1)
    buf_puts (&text, ", was started again once");
  else if (end->restarts > 1)
    buf_printf (&text, ", was started again %lld times", end->restarts);
  snprintf (dst, n, "%s", buf_str (&text));
}
