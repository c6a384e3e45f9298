/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of tasks, sockets and control groups, gathered by application.
 */
#include "diag/outside/apps_impl.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#define BUSY 0.5 /* of the time between two looks */
#define BUSY_STILL 0.2 /* of one that runs still: its host may be short */
#define MAX_ASKED 512 /* rows whose process is looked for among many */
#define SHORT_ID 12

/* ---- whose a task is ---- */

/* Units that systems have whoever uses them, and what runs others. */
bool
app_is_system_ (const char *unit)
{
  static const char *const patterns[]
      = { "systemd-*",    "*getty*",        "ssh*.service", "dbus*",
          "cron*",        "*syslog*",       "*guest-agent*", "init.*",
          "user@*",       "session-*",      "containerd*",  "docker.service",
          "podman*",      "crio.service",   "kubelet*",     "polkit*",
          "*NetworkManager*", "chrony*",    "ntp*",         "udev*",
          "accounts-*",   "snapd*",         "unattended-*", "auditd*",
          "networking*",  "wpa_*",          "avahi*" };

  for (size_t i = 0; i < ARRAY_LEN (patterns); i++)
    if (fnmatch (patterns[i], unit, 0) == 0)
      return true;
  return false;
}

void
app_name_ (char dst[APP_NAME], const char *unit, const char *container,
           const char *runtime)
{
  if (container[0])
    snprintf (dst, APP_NAME, "%.16s-%.*s",
              runtime[0] ? runtime : "container",
              strspn (container, "0123456789abcdef") >= 32 ? SHORT_ID : 48,
              container);
  else
    snprintf (dst, APP_NAME, "%.79s", unit);
}

/* What of it there may be two: a session is no application, nor is what has no
 * unit. */
static void
key_of (struct json_object *task, char key[96], bool *alone)
{
  const char *container = str_of (task, "container");
  const char *unit = str_of (task, "unit");

  *alone = false;
  if (container[0])
    snprintf (key, 96, "c%.94s", container);
  else if (unit[0] && strncmp (unit, "session-", 8) != 0
           && strncmp (unit, "init.", 5) != 0)
    snprintf (key, 96, "u%.94s", unit);
  else
    {
      snprintf (key, 96, "p%lld", num_of (task, "tgid"));
      *alone = true;
    }
}

static struct app *
find_app (struct apps *a, const char *key)
{
  /* Those of one group stand together mostly. */
  for (size_t i = a->n; i > 0; i--)
    if (strcmp (a->list[i - 1].key, key) == 0)
      return &a->list[i - 1];
  return NULL;
}

static struct app *
app_for (struct apps *a, struct json_object *task)
{
  struct app *app;
  char key[96];
  bool alone;

  key_of (task, key, &alone);
  app = find_app (a, key);
  if (app || a->n == APPS_MAX)
    return app;
  app = &a->list[a->n++];
  snprintf (app->key, sizeof app->key, "%s", key);
  snprintf (app->cgroup, sizeof app->cgroup, "%.255s",
            str_of (task, "cgroup"));
  app->alone = alone;
  app->first = task;
  app_name_ (app->name, str_of (task, "unit"), str_of (task, "container"),
             str_of (task, "runtime"));
  app->system = alone || (key[0] == 'u' && app_is_system_ (app->name));
  return app;
}

/* ---- a thread ---- */

static bool
waits_in_futex (const struct outside *o, struct json_object *task)
{
  const char *names[8], *call;
  unsigned n = outside_frames_ (o, task, names, ARRAY_LEN (names));

  call = json_get (task, "syscall")
             ? syscall_name (o->arm, num_of (task, "syscall"))
             : NULL;
  if (call)
    return strncmp (call, "futex", 5) == 0;
  for (unsigned i = 0; i < n; i++)
    if (strncmp (names[i], "futex_", 6) == 0)
      return true;
  return false;
}

static bool
is_frame (const char *frame, const char *name)
{
  return strlen (name) == strcspn (frame, "+ ")
         && strncmp (frame, name, strlen (name)) == 0;
}

/* By its control group, of either sort, or with the whole system.  Who only
 * stands in get_signal() is in its freezer: of the stopped and the traced it
 * calls others. */
bool
outside_is_frozen_ (const struct outside *o, struct json_object *task)
{
  const char *names[4];
  unsigned n = outside_frames_ (o, task, names, ARRAY_LEN (names)), i = 0;

  while (i < n && strstr (names[i], "schedule"))
    i++;
  return i < n
         && (is_frame (names[i], "do_freezer_trap")
             || is_frame (names[i], "__refrigerator")
             || (is_frame (names[i], "get_signal")
                 && str_of (task, "state")[0] == 'S'));
}

/* It has asked a connection of the network for more, and none came. */
static bool
waits_for_peer (const struct outside *o, struct json_object *task)
{
  const char *names[8];
  unsigned n = outside_frames_ (o, task, names, ARRAY_LEN (names));

  for (unsigned i = 0; i < n; i++)
    if (is_frame (names[i], "sk_wait_data"))
      return true;
  return false;
}

static void
add_place (struct app *app, const char *what)
{
  for (unsigned i = 0; i < app->nplaces; i++)
    if (strcmp (app->places[i].what, what) == 0)
      {
        app->places[i].threads++;
        return;
      }
  if (app->nplaces < APPS_PLACES)
    {
      struct app_place *p = &app->places[app->nplaces++];

      snprintf (p->what, sizeof p->what, "%.79s", what);
      p->threads = 1;
    }
}

/* How well a thread says what is amiss. */
#define FUTEX_WORTH 2
static unsigned
worth (struct json_object *task, bool stuck, bool futex)
{
  char state = str_of (task, "state")[0];
  unsigned leads = num_of (task, "pid") == num_of (task, "tgid");

  return 2
             * (state == 'T' || state == 't' ? 6
                : stuck                      ? 5
                : futex                      ? FUTEX_WORTH
                : state == 'Z'               ? 0
                                             : 1)
         + leads;
}

static void
add_task (struct apps *a, size_t i)
{
  struct json_object *task = a->o->tasks.rows[i];
  char state = str_of (task, "state")[0], at[OUTSIDE_PLACE],
       top[OUTSIDE_PLACE];
  bool stuck, futex, iced;
  struct app *app;
  unsigned w;

  if (json_get_bool (task, "kthread", false) || num_of (task, "pid") <= 1
      || !(app = app_for (a, task)))
    return;
  a->of[i] = (uint32_t) (app - a->list) + 1;
  iced = outside_is_frozen_ (a->o, task);
  stuck = state == 'D' && !iced
          && (a->lookups++ >= MAX_ASKED
              || (outside_is_stuck_ (a->o, task)
                  && !outside_is_vfork_ (a->o, task)));
  futex = state == 'S' && !iced && waits_in_futex (a->o, task);
  app->threads++;
  app->processes += num_of (task, "pid") == num_of (task, "tgid");
  app->stopped += state == 'T' || state == 't';
  app->ended += state == 'Z' || state == 'X';
  app->blocked += stuck;
  app->futex += futex;
  app->iced += iced;
  app->listening += state == 'S' && !iced && waits_for_peer (a->o, task);
  outside_place (a->o, task, at, top);
  if (at[0])
    add_place (app, at);
  w = worth (task, stuck, futex);
  if (!app->worst || w > app->worth)
    {
      app->worst = task;
      app->worth = w;
    }
}

/* ---- what belongs to a process ---- */

struct app *
apps_of_pid_ (struct apps *a, long long pid)
{
  if (a->lookups++ >= MAX_ASKED)
    return NULL;
  for (size_t i = 0; i < a->o->tasks.n; i++)
    if (a->of[i] && num_of (a->o->tasks.rows[i], "pid") == pid)
      return &a->list[a->of[i] - 1];
  return NULL;
}

static bool
is_asked (const struct apps *a, long long port)
{
  for (unsigned i = 0; a->asked && i < a->asked->nports; i++)
    if (a->asked->ports[i] == port)
      return true;
  return false;
}

/* Who only passes connections on to somebody else is not behind them. */
static bool
is_forwarder (const struct app *app)
{
  static const char *const names[] = { "docker-proxy", "rootlessport",
                                       "slirp4netns", "pasta", "conmon" };
  const char *comm = str_of (app->first, "comm");

  for (size_t i = 0; i < ARRAY_LEN (names); i++)
    if (strncmp (comm, names[i], strlen (names[i])) == 0)
      return true;
  return false;
}

/* The port that is asked for says more than any other. */
static void
add_sockets (struct apps *a)
{
  struct json_object *row;
  bool found = false;
  size_t i = 0;

  /* Some of them do not say that another is not there. */
  a->sockets = outside_next_ (a->o, "sockets", &i) != NULL;
  i = 0;
  while ((row = outside_next_ (a->o, "socket", &i)))
    {
      long long port = num_of (row, "port"), waiting = num_of (row, "waiting");
      bool asked = is_asked (a, port) && strcmp (str_of (row, "proto"), "unix");
      struct app *app;

      if (strcmp (str_of (row, "state"), "listen") != 0
          || (!asked && waiting == 0))
        continue;
      found = found || asked;
      if (!(app = apps_of_pid_ (a, num_of (row, "pid")))
          || is_forwarder (app))
        continue;
      if (asked && app->tie < APP_PORT)
        app->tie = a->asked->known ? APP_PORT : APP_COMMAND;
      if ((asked && !app->listens) || waiting > app->waiting)
        {
          /* Who has the socket says more than who began it. */
          if (app->worth < 2 * FUTEX_WORTH)
            app->worst = outside_task_ (a->o, num_of (row, "pid"));
          app->port = port;
          app->waiting = waiting;
          app->room = num_of (row, "room");
        }
      app->listens = app->listens || asked;
    }
  a->missing = a->asked && a->asked->known && a->asked->nports == 1
               && a->sockets && !found;
}

static void
add_busy (struct apps *a)
{
  struct json_object *row;
  size_t i = 0;

  while ((row = outside_next_ (a->o, "moved", &i)))
    {
      double apart = real_of (row, "apart_s"), ran = real_of (row, "ran_s");
      struct app *app;

      if (strcmp (str_of (row, "what"), "task") != 0 || apart <= 0
          || (ran < BUSY * apart
              && (ran < BUSY_STILL * apart || str_of (row, "state")[0] != 'R'))
          || !(app = apps_of_pid_ (a, num_of (row, "pid"))))
        continue;
      app->busy++;
      if (ran / apart > app->ran)
        app->ran = ran / apart;
      /* Who runs says more than who waits for him. */
      if (app->stopped == 0 && app->blocked == 0)
        app->worst = outside_task_ (a->o, num_of (row, "pid"));
    }
}

/* ---- what ties it to the scenario ---- */

/* "shop" is shop.service as well. */
static bool
is_unit (const char *want, const char *unit)
{
  size_t n = strlen (want);

  return strncmp (want, unit, n) == 0
         && (unit[n] == '\0' || strcmp (unit + n, ".service") == 0);
}

bool
app_is_asked_ (const struct apps_asked *asked, const char *unit,
               const char *container)
{
  for (unsigned i = 0; i < asked->nunits; i++)
    if (is_unit (asked->units[i], unit))
      return true;
  for (unsigned i = 0; i < asked->ncontainers && container[0]; i++)
    if (strncmp (asked->containers[i], container,
                 strlen (asked->containers[i]))
        == 0)
      return true;
  return false;
}

static void
tie_names (struct apps *a)
{
  for (size_t i = 0; a->asked && i < a->n; i++)
    if (app_is_asked_ (a->asked, str_of (a->list[i].first, "unit"),
                       str_of (a->list[i].first, "container")))
      a->list[i].tie = APP_NAMED;
  for (unsigned k = 0; a->asked && k < a->asked->nnames; k++)
    for (size_t i = 0; i < a->o->tasks.n; i++)
      if (a->of[i]
          && strcmp (str_of (a->o->tasks.rows[i], "comm"), a->asked->names[k])
                 == 0)
        a->list[a->of[i] - 1].tie = APP_NAMED;
}

int
apps_read_ (const struct outside *o, const struct apps_asked *asked,
            struct apps *ret)
{
  *ret = (struct apps){ .o = o, .asked = asked };
  ret->list = calloc (APPS_MAX, sizeof *ret->list);
  ret->of = calloc (o->tasks.n + 1, sizeof *ret->of);
  if (!ret->list || !ret->of)
    return -ENOMEM;
  for (size_t i = 0; i < o->tasks.n; i++)
    add_task (ret, i);
  add_sockets (ret);
  add_busy (ret);
  apps_bounds_ (ret);
  tie_names (ret);
  return 0;
}

void
apps_done_ (struct apps *a)
{
  free (a->list);
  free (a->of);
}

/* ---- which one it is ---- */

enum app_amiss
app_amiss_ (const struct app *a)
{
  unsigned alive = a->threads - a->ended;

  if (a->stopped > 0 && a->stopped >= alive)
    return APP_STOPPED;
  if (a->frozen || (alive > 0 && a->iced >= alive))
    return APP_FROZEN;
  if (a->threads > 0 && alive == 0)
    return APP_ENDED;
  if (a->blocked > 0)
    return APP_BLOCKED;
  if (a->stopped > 0)
    return APP_STOPPED;
  if (a->max_files > 0)
    return APP_FILES;
  if (a->busy > 0)
    return APP_BUSY;
  if (app_is_throttled_ (a))
    return APP_THROTTLED;
  if (alive > 1 && a->futex == alive)
    return APP_FUTEX;
  if (a->waiting > 0)
    return APP_QUEUE;
  if (a->oom_kills > 0 || (a->max > 0 && a->used >= a->max - a->max / 50))
    return APP_MEMORY;
  if (a->full[0])
    return APP_NO_ROOM;
  return APP_NOTHING;
}

/* What nobody is for a while when he is well. */
static bool
is_stuck (const struct app *a)
{
  enum app_amiss amiss = app_amiss_ (a);

  return amiss == APP_STOPPED || amiss == APP_FROZEN || amiss == APP_BLOCKED
         || amiss == APP_FILES || (a->waiting > 0 && a->waiting >= a->room);
}

/* Of several that one could mean the one that is worse; two alike are none. */
const struct app *
apps_behind_ (const struct apps *a, enum app_tie *ret_tie)
{
  const struct app *best = NULL, *only = NULL;
  bool twice = false;
  unsigned stuck = 0;

  for (size_t i = 0; i < a->n; i++)
    {
      const struct app *app = &a->list[i];

      if (!app->system && is_stuck (app))
        {
          only = app;
          stuck++;
        }
      if (app->tie == APP_UNTIED || (best && app->tie < best->tie))
        continue;
      if (!best || app->tie > best->tie
          || app_amiss_ (app) > app_amiss_ (best))
        {
          best = app;
          twice = false;
        }
      else if (app_amiss_ (app) == app_amiss_ (best))
        twice = true;
    }
  if (best && !twice)
    {
      *ret_tie = best->tie;
      return best;
    }
  *ret_tie = APP_ONLY;
  return !best && stuck == 1 && !a->missing ? only : NULL;
}
