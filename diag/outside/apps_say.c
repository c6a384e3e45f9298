/* SPDX-License-Identifier: Apache-2.0
 *
 * An application in words, in facts, and in a document.
 */
#include "diag/outside/apps_impl.h"

#include "base/cleanup.h"
#include "base/fact.h"

#include <stdio.h>

#define MAX_TOLD 64
#define MAX_WRITERS 3
#define MAX_THREADS 40

const char *const app_amiss_names[]
    = { "nothing", "memory", "futex", "busy",   "no-room", "throttled", "files",
        "queue", "blocked", "ended", "frozen", "stopped", NULL };
const char *const app_tie_names[]
    = { "nothing", "only", "command", "port", "named", NULL };

/* ---- a thread ---- */

/* "futex at /usr/bin/shop+0x1234": by its system call, else by the kernel's
 * function. */
static void
where_of (const struct outside *o, struct json_object *task, char *dst,
          size_t n)
{
  const char *call = json_get (task, "syscall")
                         ? syscall_name (o->arm, num_of (task, "syscall"))
                         : NULL;
  const char *user = str_of (task, "user_at");
  char at[OUTSIDE_PLACE], top[OUTSIDE_PLACE];

  outside_place (o, task, at, top);
  if (str_of (task, "state")[0] == 'R' && user[0])
    snprintf (dst, n, "%s", user);
  else
    snprintf (dst, n, "%s%s%s%s%s", call ? call : "",
              call && at[0] ? ": " : "", at, user[0] ? ", from " : "", user);
}

static void
add_where (struct buf *text, const char *word, const struct outside *o,
           struct json_object *task)
{
  char where[OUTSIDE_PLACE + 1100];

  where_of (o, task, where, sizeof where);
  if (where[0])
    buf_printf (text, ", %s %s", word, where);
}

/* ---- an application ---- */

/* "shop.service, shop (214)" */
static void
add_who (struct buf *text, const struct app *a)
{
  struct json_object *who = a->worst ? a->worst : a->first;

  if (a->name[0] && !a->alone)
    buf_printf (text, "%s, ", a->name);
  buf_printf (text, "%s (%lld)", str_of (who, "comm"), num_of (who, "pid"));
}

static void
add_throttle (struct buf *text, const struct app *a)
{
  buf_printf (text,
              ", is throttled to %.3g %% of a processor (in %lld of %lld "
              "periods)",
              100 * a->cpus, a->throttled, a->periods);
}

static void
add_amiss (struct buf *text, const struct app *a, const struct outside *o,
           enum app_amiss amiss)
{
  unsigned alive = a->threads - a->ended;
  struct json_object *who = a->worst ? a->worst : a->first;

  switch (amiss)
    {
    case APP_STOPPED:
      buf_puts (text, ", is stopped (by a signal or a debugger)");
      break;
    case APP_FROZEN:
      buf_puts (text, ", is frozen with its control group");
      break;
    case APP_ENDED:
      buf_puts (text, ", has ended, and nobody has taken notice of it");
      break;
    case APP_BLOCKED:
      add_where (text, "blocked in", o, who);
      break;
    case APP_FILES:
      buf_printf (text, ", has %lld of %lld files open that it may",
                  a->files, a->max_files);
      break;
    case APP_THROTTLED:
      add_throttle (text, a);
      add_where (text, "waits in", o, who);
      break;
    case APP_NO_ROOM:
      buf_printf (text, ", writes to %s, and %s has no room left", a->writes,
                  a->full);
      break;
    case APP_BUSY:
      buf_puts (text, ", runs without a pause");
      add_where (text, "at", o, who);
      break;
    case APP_FUTEX:
      buf_printf (text, ", %u of %u threads wait in a futex", a->futex, alive);
      if (str_of (who, "user_at")[0])
        buf_printf (text, ", from %s", str_of (who, "user_at"));
      break;
    default:
      add_where (text, "waits in", o, who);
    }
  if (amiss != APP_FUTEX && a->futex > 0 && alive > 1)
    buf_printf (text, ", %u of %u threads in a futex", a->futex, alive);
}

/* Of what its group may have. */
static void
add_bounds (struct buf *text, const struct app *a, enum app_amiss amiss)
{
  if (app_is_throttled_ (a) && amiss != APP_THROTTLED)
    add_throttle (text, a);
  if (a->oom_kills > 0)
    buf_printf (text, ", %lld killed for lack of memory in its group",
                a->oom_kills);
  else if (amiss == APP_MEMORY)
    buf_printf (text, ", its group uses %lld of %lld MiB", a->used >> 20,
                a->max >> 20);
}

static void
describe (const struct app *a, const struct outside *o, char *dst, size_t n)
{
  struct buf text CLEANUP_BUF = BUF_INIT (2048);
  enum app_amiss amiss = app_amiss_ (a);

  add_who (&text, a);
  if (a->waiting > 0 && a->room > 0)
    buf_printf (&text, ", takes no connections: %lld of %lld wait", a->waiting,
                a->room);
  else if (a->waiting > 0)
    buf_printf (&text, ", takes no connections: %lld wait", a->waiting);
  add_amiss (&text, a, o, amiss);
  add_bounds (&text, a, amiss);
  if (amiss == APP_NOTHING && a->listening > 0)
    buf_printf (&text, ", %u of its connections wait for clients that are "
                "silent", a->listening);
  snprintf (dst, n, "%s", buf_str (&text));
}

/* ---- facts ---- */

struct saying
{
  const char *source;
  const struct incarnation *inc;
  outside_fact_fn *fn;
  void *arg;
};

static void
say (const struct saying *s, const char *name, const char *text)
{
  struct fact f;

  fact_text (&f, s->inc, name, s->source, text, strlen (text));
  s->fn (&f, s->arg);
}

/* By what it is known when it comes again: which, what is amiss with it, and
 * where it waits; who is busy, or stopped, is there by chance. */
static void
key_of_app (const struct apps *apps, const struct app *a,
            char dst[FACT_TEXT_MAX])
{
  struct json_object *who = a->worst ? a->worst : a->first;
  enum app_amiss amiss = app_amiss_ (a);
  const char *call = json_get (who, "syscall")
                         ? syscall_name (apps->o->arm,
                                         num_of (who, "syscall"))
                         : NULL;
  char stack[OUTSIDE_KEY] = "";

  if (amiss == APP_BUSY || amiss == APP_STOPPED || amiss == APP_FROZEN)
    call = NULL;
  else
    outside_row_key_ (apps->o, who, stack);
  snprintf (dst, FACT_TEXT_MAX, "%.80s %s %.24s %.120s",
            a->name[0] && !a->alone ? a->name : str_of (who, "comm"),
            app_amiss_names[amiss], call ? call : "", stack);
}

static void
say_behind (const struct saying *s, const struct apps *apps,
            const struct app *a, enum app_tie tie)
{
  char text[FACT_TEXT_MAX];

  describe (a, apps->o, text, sizeof text);
  say (s, "app.culprit", text);
  key_of_app (apps, a, text);
  say (s, "stack.app", text);
  say (s, "app.amiss", app_amiss_names[app_amiss_ (a)]);
  say (s, "app.tied", app_tie_names[tie]);
}

/* Another one that is there, and is the one that was asked for, has not
 * ended. */
static void
say_ended (const struct saying *s, const struct apps *apps,
           const struct app *behind, enum app_tie tie)
{
  char text[FACT_TEXT_MAX];
  struct app_end end;

  if (!apps_ended_ (apps, &end)
      || (behind && tie > APP_ONLY && strcmp (behind->name, end.name) != 0))
    return;
  app_end_text_ (&end, text, sizeof text);
  say (s, "app.ended", text);
  say (s, "app.ended_why", ended_why_names[end.e.why]);
  say (s, "app.ended_tied",
       app_tie_names[end.tie == APP_UNTIED ? APP_ONLY : end.tie]);
}

/* Who has files open for writing where no room is left. */
static void
say_writers (const struct saying *s, const struct apps *apps)
{
  struct buf text CLEANUP_BUF = BUF_INIT (FACT_TEXT_MAX);
  unsigned n = 0;

  for (size_t i = 0; i < apps->n && n < MAX_WRITERS; i++)
    {
      const struct app *a = &apps->list[i];

      if (!a->full[0])
        continue;
      buf_puts (&text, n++ ? "; " : "");
      add_who (&text, a);
      buf_printf (&text, " to %s", a->writes);
    }
  if (n > 0)
    say (s, "fs.writers", buf_str (&text));
}

void
apps_facts (const struct outside *o, const struct apps_asked *asked,
            const char *source, const struct incarnation *inc,
            outside_fact_fn *fn, void *arg)
{
  const struct saying s = { source, inc, fn, arg };
  struct apps apps CLEANUP (apps_done_) = { .o = o };
  const struct app *behind;
  enum app_tie tie;
  char text[80];

  if (apps_read_ (o, asked, &apps) < 0)
    return;
  behind = apps_behind_ (&apps, &tie);
  if (behind)
    say_behind (&s, &apps, behind, tie);
  say_ended (&s, &apps, behind, tie);
  say_writers (&s, &apps);
  if (!apps.missing)
    return;
  snprintf (text, sizeof text, "nothing listens on port %u", asked->ports[0]);
  say (&s, "app.missing", text);
}

/* ---- the document ---- */

static struct json_object *
threads_of (const struct apps *apps, const struct app *a)
{
  struct json_object *list = json_object_new_array ();
  unsigned told = 0;

  for (size_t i = 0; i < apps->o->tasks.n && told < MAX_THREADS; i++)
    {
      struct json_object *task = apps->o->tasks.rows[i], *o;
      char where[OUTSIDE_PLACE + 1100];

      if (apps->of[i] != (uint32_t) (a - apps->list) + 1)
        continue;
      told++;
      where_of (apps->o, task, where, sizeof where);
      o = json_object_new_object ();
      json_add_int (o, "pid", num_of (task, "pid"));
      json_add_text (o, "comm", str_of (task, "comm"),
                     strlen (str_of (task, "comm")));
      json_add_text (o, "state", str_of (task, "state"),
                     strlen (str_of (task, "state")));
      json_add_text (o, "where", where, strlen (where));
      if (outside_stack (apps->o, task))
        json_object_object_add (
            o, "stack",
            json_object_get (json_get (outside_stack (apps->o, task),
                                       "frames")));
      json_object_array_add (list, o);
    }
  return list;
}

static struct json_object *
app_object (const struct apps *apps, const struct app *a, bool whole)
{
  struct json_object *o = json_object_new_object ();
  char text[1024];

  describe (a, apps->o, text, sizeof text);
  json_add_text (o, "what", text, strlen (text));
  json_add_text (o, "name", a->name, strlen (a->name));
  json_add_text (o, "cgroup", a->cgroup, strlen (a->cgroup));
  json_add_str (o, "amiss", app_amiss_names[app_amiss_ (a)]);
  json_add_str (o, "tied", app_tie_names[a->tie]);
  json_add_int (o, "processes", a->processes);
  json_add_int (o, "threads", a->threads);
  if (a->port)
    {
      json_add_int (o, "port", a->port);
      json_add_int (o, "waiting", a->waiting);
      json_add_int (o, "room", a->room);
    }
  if (a->max > 0)
    {
      json_add_int (o, "memory_used", a->used);
      json_add_int (o, "memory_max", a->max);
    }
  json_add_int (o, "oom_kills", a->oom_kills);
  if (a->cpus > 0)
    {
      json_object_object_add (o, "cpus", json_object_new_double (a->cpus));
      json_add_int (o, "periods", a->periods);
      json_add_int (o, "throttled", a->throttled);
    }
  if (whole)
    json_object_object_add (o, "tasks", threads_of (apps, a));
  return o;
}

struct json_object *
apps_document (const struct outside *o, const struct apps_asked *asked)
{
  struct json_object *doc = json_object_new_object ();
  struct json_object *list = json_object_new_array ();
  struct apps apps CLEANUP (apps_done_) = { .o = o };
  const struct app *behind = NULL;
  enum app_tie tie = APP_UNTIED;
  struct app_end end;
  char text[512];
  unsigned told = 0;

  if (apps_read_ (o, asked, &apps) == 0)
    behind = apps_behind_ (&apps, &tie);
  json_add_str (doc, "tied", app_tie_names[behind ? tie : APP_UNTIED]);
  if (behind)
    json_object_object_add (doc, "behind", app_object (&apps, behind, true));
  json_add_bool (doc, "nobody_listens", apps.missing);
  if (apps_ended_ (&apps, &end))
    {
      app_end_text_ (&end, text, sizeof text);
      json_add_text (doc, "ended", text, strlen (text));
    }
  for (size_t i = 0; i < apps.n && told < MAX_TOLD; i++)
    if (!apps.list[i].system)
      {
        told++;
        json_object_array_add (list, app_object (&apps, &apps.list[i], false));
      }
  json_object_object_add (doc, "applications", list);
  return doc;
}
