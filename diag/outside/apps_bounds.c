/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds of an application: memory and processors of its control group, its
 * files, and room where it writes.
 */
#include "diag/outside/apps_impl.h"

#include <stdio.h>
#include <string.h>

/* ---- control groups ---- */

static bool
is_below (const char *path, const char *group)
{
  size_t n = strlen (group);

  return n > 1 && strncmp (path, group, n) == 0
         && (path[n] == '\0' || path[n] == '/');
}

static struct json_object *
group_before (const struct outside *o, const char *path)
{
  for (size_t i = 0; i < o->before.n; i++)
    if (strcmp (str_of (o->before.rows[i], "row"), "cgroup") == 0
        && strcmp (str_of (o->before.rows[i], "cgroup"), path) == 0)
      return o->before.rows[i];
  return NULL;
}

/* Of a count, whatever a guest says that it is. */
static long long
grown (struct json_object *row, struct json_object *was, const char *key)
{
  long long now = num_of (row, key), before = num_of (was, key);

  return before >= 0 && now > before ? now - before : 0;
}

/* What it may use of the processors; the tightest bound counts. */
static void
add_quota (const struct apps *a, struct app *app, struct json_object *row)
{
  struct json_object *was = group_before (a->o, str_of (row, "cgroup"));
  double cpus = real_of (row, "cpus");

  if (cpus <= 0 || (app->cpus > 0 && app->cpus <= cpus))
    return;
  app->cpus = cpus;
  app->periods = app->throttled = 0;
  if (!was)
    return;
  app->periods = grown (row, was, "periods");
  app->throttled = grown (row, was, "throttled");
}

bool
app_is_throttled_ (const struct app *a)
{
  return a->throttled > 1 && a->throttled >= a->periods - a->throttled;
}

/* The name that people gave a container. */
static void
add_name (struct app *app, struct json_object *row)
{
  const char *name = str_of (row, "name");
  size_t n = strlen (app->name);

  if (name[0] && !strchr (app->name, ' ') && n < sizeof app->name)
    snprintf (app->name + n, sizeof app->name - n, " (%.40s)", name);
}

/* A group's bound and kills are told of the groups in it, too. */
static void
add_group (const struct apps *a, struct app *app, struct json_object *row)
{
  if (app->alone || !is_below (app->cgroup, str_of (row, "cgroup")))
    return;
  app->frozen = app->frozen || json_get_bool (row, "frozen", false);
  if (num_of (row, "oom_kills") > app->oom_kills)
    app->oom_kills = num_of (row, "oom_kills");
  if (num_of (row, "max") > 0)
    {
      app->max = num_of (row, "max");
      app->used = num_of (row, "used");
    }
  add_quota (a, app, row);
  add_name (app, row);
}

/* ---- files ---- */

static void
add_open (struct apps *a, struct json_object *row)
{
  long long files = num_of (row, "files"), max = num_of (row, "max_files");
  struct app *app;

  if (max > 0 && files >= max - 1
      && (app = apps_of_pid_ (a, num_of (row, "pid"))))
    {
      app->files = files;
      app->max_files = max;
    }
}

/* The file system that a file is on: of those that there are the deepest. */
static struct json_object *
place_of (const struct outside *o, const char *path)
{
  struct json_object *row, *best = NULL;
  size_t i = 0;

  while ((row = outside_next_ (o, "fs", &i)))
    {
      const char *place = str_of (row, "place");

      if ((strcmp (place, "/") == 0 || is_below (path, place))
          && (!best || strlen (place) > strlen (str_of (best, "place"))
              || (strcmp (place, str_of (best, "place")) == 0
                  && json_get_bool (row, "full", false))))
        best = row;
    }
  return best;
}

static void
add_writer (struct apps *a, struct json_object *row)
{
  const char *path = str_of (row, "path");
  struct json_object *fs = path[0] ? place_of (a->o, path) : NULL;
  struct app *app;

  if (!fs || !json_get_bool (fs, "full", false)
      || !(app = apps_of_pid_ (a, num_of (row, "pid"))))
    return;
  snprintf (app->full, sizeof app->full, "%.79s", str_of (fs, "place"));
  snprintf (app->writes, sizeof app->writes, "%.119s", path);
}

void
apps_bounds_ (struct apps *a)
{
  struct json_object *row;
  size_t i = 0;

  while ((row = outside_next_ (a->o, "cgroup", &i)))
    for (size_t k = 0; k < a->n; k++)
      add_group (a, &a->list[k], row);
  for (i = 0; (row = outside_next_ (a->o, "process", &i));)
    add_open (a, row);
  for (i = 0; (row = outside_next_ (a->o, "file", &i));)
    add_writer (a, row);
}
