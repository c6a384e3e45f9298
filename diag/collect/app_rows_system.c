/* SPDX-License-Identifier: Apache-2.0
 *
 * Control groups, units that failed, the kernel's log and file systems, as a
 * shell in the guest says them, into rows.
 */
#include "diag/collect/app_rows_impl.h"

#include "base/cleanup.h"
#include "diag/outside/outside.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- control groups ---- */

static struct group *
group_for (struct app_rows *r, const char *path)
{
  struct group *g;

  for (unsigned i = 0; i < r->ngroups; i++)
    if (strcmp (r->groups[i].path, path) == 0)
      return &r->groups[i];
  if (r->ngroups == MAX_GROUPS)
    return NULL;
  g = &r->groups[r->ngroups++];
  snprintf (g->path, sizeof g->path, "%.199s", path);
  return g;
}

/* "nr_periods 12", "nr_throttled 3" of cpu.stat, "1000 100000" of cpu.max. */
static void
read_quota (struct app_rows *r, const char *path, const char *file,
            const char *value, bool again)
{
  struct group *g = group_for (r, path);
  long long quota, period;

  if (!g)
    return;
  if (strcmp (file, "cpu.max") == 0
      && sscanf (value, "%lld %lld", &quota, &period) == 2 && quota > 0
      && period > 0)
    g->cpus = (double) quota / (double) period;
  else if (strncmp (value, "nr_periods ", 11) == 0)
    g->periods[again] = atoll (value + 11);
  else if (strncmp (value, "nr_throttled ", 13) == 0)
    g->throttled[again] = atoll (value + 13);
}

/* "./system.slice/shop.service/memory.max:50331648" */
void
app_rows_group_ (struct app_rows *r, char *line, bool again)
{
  char *file = strrchr (line, '/'), *value = file ? strchr (file, ':') : NULL;
  const char *path = line[0] == '.' ? line + 1 : line;
  struct json_object *row;
  bool kills;

  if (!value)
    return;
  *file++ = '\0';
  *value++ = '\0';
  kills = strcmp (file, "memory.events") == 0
          && strncmp (value, "oom_kill ", 9) == 0;
  if (strncmp (file, "cpu.", 4) == 0)
    read_quota (r, path, file, value, again);
  else if (!again && (kills || isdigit ((unsigned char) value[0])))
    {
      row = app_row_new_ ("cgroup");
      app_row_text_ (row, "cgroup", path);
      if (kills)
        json_add_int (row, "oom_kills", atoll (value + 9));
      else if (strcmp (file, "memory.max") == 0)
        json_add_int (row, "max", atoll (value));
      else if (strcmp (file, "memory.current") == 0)
        json_add_int (row, "used", atoll (value));
      else if (strcmp (file, "cgroup.freeze") == 0)
        json_add_bool (row, "frozen", value[0] == '1');
      app_row_done_ (r, row);
    }
}

/* Once both readings are there. */
void
app_rows_groups_done_ (struct app_rows *r)
{
  for (unsigned i = 0; i < r->ngroups; i++)
    for (unsigned now = 0; now < 2 && r->groups[i].cpus > 0; now++)
      {
        const struct group *g = &r->groups[i];
        struct json_object *row = app_row_new_ ("cgroup");

        app_row_text_ (row, "cgroup", g->path);
        json_object_object_add (row, "cpus", json_object_new_double (g->cpus));
        json_add_int (row, "periods", g->periods[now]);
        json_add_int (row, "throttled", g->throttled[now]);
        if (now)
          outside_add (r->to, row);
        else
          outside_add_before (r->to, row);
        json_object_put (row);
      }
}

/* "n /system.slice/docker-3b5c....scope", and what its runtime says of it:
 * "\"Name\":\"/shop", "cri.container-name\":\"shop". */
void
app_rows_name_ (struct app_rows *r, const char *line)
{
  const char *name = strrchr (line, '"');
  struct json_object *row;

  if (strncmp (line, "n ", 2) == 0)
    snprintf (r->named, sizeof r->named, "%.199s", line + 2);
  if (!name || !r->named[0])
    return;
  row = app_row_new_ ("cgroup");
  app_row_text_ (row, "cgroup", r->named);
  app_row_text_ (row, "name", name + 1 + (name[1] == '/'));
  app_row_done_ (r, row);
  r->named[0] = '\0';
}

/* ---- who has ended ---- */

void
app_rows_unit_done_ (struct app_rows *r)
{
  struct unit *u = &r->unit;
  struct json_object *row;

  if (u->id[0])
    {
      row = app_row_new_ ("unit");
      app_row_text_ (row, "unit", u->id);
      app_row_text_ (row, "result", u->result);
      app_row_text_ (row, "comm", u->comm);
      json_add_int (row, "pid", u->pid);
      json_add_int (row, "code", u->code);
      json_add_int (row, "status", u->status);
      json_add_int (row, "restarts", u->restarts);
      if (u->us > 0)
        json_add_int (row, "us", u->us);
      app_row_done_ (r, row);
    }
  *u = (struct unit){ .pid = 0 };
}

/* "Result=oom-kill", "Id=shop.service", in any order; an empty line ends
 * one. */
void
app_rows_unit_ (struct app_rows *r, const char *line)
{
  struct unit *u = &r->unit;
  const struct
  {
    const char *name;
    long long *to;
  } numbers[] = { { "ExecMainPID=", &u->pid },
                  { "ExecMainCode=", &u->code },
                  { "ExecMainStatus=", &u->status },
                  { "ExecMainExitTimestampMonotonic=", &u->us },
                  { "NRestarts=", &u->restarts } };
  const char *path = strstr (line, "path="), *base;

  if (!line[0])
    app_rows_unit_done_ (r);
  else if (strncmp (line, "Id=", 3) == 0)
    snprintf (u->id, sizeof u->id, "%.95s", line + 3);
  else if (strncmp (line, "Result=", 7) == 0)
    snprintf (u->result, sizeof u->result, "%.31s", line + 7);
  else if (strncmp (line, "ExecStart=", 10) == 0 && path)
    {
      base = path += 5;
      for (; *path && *path != ' '; path++)
        base = *path == '/' ? path + 1 : base;
      snprintf (u->comm, sizeof u->comm, "%.*s",
                (int) (path - base < 15 ? path - base : 15), base);
    }
  for (size_t i = 0; i < ARRAY_LEN (numbers); i++)
    if (strncmp (line, numbers[i].name, strlen (numbers[i].name)) == 0)
      *numbers[i].to = atoll (line + strlen (numbers[i].name));
}

/* The guest's clock, by which lines of its log are old or not. */
static void
tell_clock (struct app_rows *r)
{
  struct json_object *row;

  for (unsigned i = 0; i < r->nprocs && !r->clock; i++)
    if (r->procs[i].at > 0)
      {
        row = app_row_new_ ("system");
        json_object_object_add (row, "uptime_s",
                                json_object_new_double (r->procs[i].at));
        app_row_done_ (r, row);
        r->clock = true;
      }
}

/* "[  123.456789] shop[214]: segfault at ..." */
static void
read_log_line (struct app_rows *r, const char *line)
{
  struct json_object *row = app_row_new_ ("dmesg");
  const char *text = line[0] == '[' ? strstr (line, "] ") : NULL;
  double at;

  if (text && sscanf (line, "[%lf]", &at) == 1 && at >= 0 && at < 1e9)
    json_add_int (row, "us", (int64_t) (at * 1e6));
  app_row_text_ (row, "text", text ? text + 2 : line);
  app_row_done_ (r, row);
}

void
app_rows_log_ (struct app_rows *r, const struct inside_part *part)
{
  struct buf text CLEANUP_BUF = BUF_INIT (64 << 10);
  const char *at, *end;
  char line[512];

  tell_clock (r);
  inside_unmark (part, &text);
  at = buf_str (&text);
  end = at + text.len;
  while (app_rows_line_ (&at, end, line))
    read_log_line (r, line);
}

/* ---- file systems ---- */

void
app_rows_fs_ (struct app_rows *r, const char *line, bool inodes)
{
  struct inside_fs fs;
  struct json_object *row;

  if (!inside_df (line, inodes, &fs))
    return;
  row = app_row_new_ ("fs");
  app_row_text_ (row, "place", fs.place);
  json_add_bool (row, "full", fs.full);
  app_row_done_ (r, row);
  if (fs.full && !r->full[0])
    inside_full (&fs, r->full, sizeof r->full);
}
