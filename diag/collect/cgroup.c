/* SPDX-License-Identifier: Apache-2.0
 *
 * The control groups that QEMU is in, from its own up to the root: who is
 * given too little by one stands as still as who is given nothing by the
 * host.  Both hierarchies: v2, and v1 where a controller is still in that.
 */
#include "diag/collect/cgroup.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROOT "/sys/fs/cgroup"
#define MAX_LEVELS 8
#define CGROUP_NAME 160
#define HELD_BACK 0.1 /* of the time, by which a bound is felt */

/* What is kept of a group. */
static const char *const kept[] = {
  /* v2 */
  "cpu.max", "cpu.stat", "cpu.weight", "cpu.pressure", "memory.current",
  "memory.high", "memory.max", "memory.events", "memory.pressure", "io.max",
  "io.pressure", "pids.current", "pids.max", "cgroup.freeze",
  /* v1 */
  "cpu.cfs_quota_us", "cpu.cfs_period_us", "memory.usage_in_bytes",
  "memory.limit_in_bytes", "memory.failcnt", "memory.oom_control",
  "freezer.state", "blkio.throttle.read_bps_device",
  "blkio.throttle.write_bps_device",
};

static bool
read_one (const char *group, const char *name, struct buf *out)
{
  char path[600];

  snprintf (path, sizeof path, "%s/%s", group, name);
  return collect_slurp (path, out, NULL) >= 0;
}

/* A number, alone or behind its key; -1: none, or "max". */
static int64_t
number (const char *group, const char *name, const char *key)
{
  struct buf text CLEANUP_BUF = BUF_INIT (4096);
  const char *at;
  size_t n = key ? strlen (key) : 0;
  char *end;
  long long v;

  if (!read_one (group, name, &text))
    return -1;
  at = buf_str (&text);
  while (key && at && !(strncmp (at, key, n) == 0 && at[n] == ' '))
    {
      at = strchr (at, '\n');
      at = at ? at + 1 : NULL;
    }
  if (!at)
    return -1;
  at += key ? n + 1 : 0;
  v = strtoll (at, &end, 10);
  return end == at || v < 0 ? -1 : v;
}

/* ---- which ---- */

static bool
is_plain (const char *path)
{
  return path[0] == '/' && !strstr (path, "/..") && strlen (path) < 300;
}

/* "5:cpu,cpuacct:/x" and "0::/x". */
static void
add_line (struct cgroups *c, char *line)
{
  char *names = strchr (line, ':');
  char *path = names ? strchr (names + 1, ':') : NULL;
  char *save = NULL;

  if (!path)
    return;
  *path++ = '\0';
  names++;
  if (!is_plain (path))
    return;
  if (!*names)
    {
      snprintf (c->group[CGROUP_UNIFIED], sizeof c->group[0], "%s%s", ROOT,
                path);
      snprintf (c->group[CGROUP_HYBRID], sizeof c->group[0],
                "%s/unified%s", ROOT, path);
      return;
    }
  for (char *n = strtok_r (names, ",", &save); n;
       n = strtok_r (NULL, ",", &save))
    {
      int which = strcmp (n, "memory") == 0    ? CGROUP_MEMORY
                  : strcmp (n, "cpu") == 0     ? CGROUP_CPU
                  : strcmp (n, "freezer") == 0 ? CGROUP_FREEZER
                  : strcmp (n, "blkio") == 0   ? CGROUP_BLKIO
                                               : -1;

      if (which >= 0)
        snprintf (c->group[which], sizeof c->group[0], "%s/%s%s", ROOT, n,
                  path);
    }
}

static bool
find_groups (int pid, struct cgroups *c, struct error *err)
{
  struct buf text CLEANUP_BUF = BUF_INIT (16384);
  char path[48], *save = NULL;
  CLEANUP_FREE char *copy = NULL;

  snprintf (path, sizeof path, "/proc/%d/cgroup", pid);
  if (collect_slurp (path, &text, err) < 0)
    return false;
  copy = strdup (buf_str (&text));
  for (char *line = copy ? strtok_r (copy, "\n", &save) : NULL; line;
       line = strtok_r (NULL, "\n", &save))
    add_line (c, line);
  return true;
}

/* Its parent; false at the root. */
static bool
go_up (char *group)
{
  char *slash = strrchr (group, '/');

  if (!slash || strlen (group) <= strlen (ROOT) + 1)
    return false;
  *slash = '\0';
  return strlen (group) > strlen (ROOT);
}

/* ---- what they say ---- */

struct level
{
  double cpus;         /* 0 = no limit */
  int64_t throttled_us; /* -1 = not told */
  double memory;       /* of 1 of its limit, 0 = none */
  int64_t oom_kills;
  bool frozen;
  char by[CGROUP_NAME]; /* the group whose processors are the fewest, or "" */
};

static int64_t
frozen_v1 (const char *group)
{
  struct buf text CLEANUP_BUF = BUF_INIT (64);

  return read_one (group, "freezer.state", &text)
         && strncmp (buf_str (&text), "FROZEN", 6) == 0;
}

static void
look_at (const char *group, struct level *l)
{
  struct buf text CLEANUP_BUF = BUF_INIT (64);
  int64_t quota = number (group, "cpu.cfs_quota_us", NULL);
  int64_t period = number (group, "cpu.cfs_period_us", NULL);
  int64_t used = number (group, "memory.current", NULL);
  int64_t limit = number (group, "memory.max", NULL), ns;

  if (read_one (group, "cpu.max", &text)
      && sscanf (buf_str (&text), "%" SCNd64 " %" SCNd64, &quota, &period)
             != 2)
    quota = -1;
  l->cpus = quota > 0 && period > 0 ? (double) quota / (double) period : 0;
  l->throttled_us = number (group, "cpu.stat", "throttled_usec");
  ns = number (group, "cpu.stat", "throttled_time");
  if (l->throttled_us < 0 && ns >= 0)
    l->throttled_us = ns / 1000;
  if (used < 0)
    used = number (group, "memory.usage_in_bytes", NULL);
  if (limit < 0)
    limit = number (group, "memory.limit_in_bytes", NULL);
  l->memory = used >= 0 && limit > 0 ? (double) used / (double) limit : 0;
  l->oom_kills = number (group, "memory.events", "oom_kill");
  if (l->oom_kills < 0)
    l->oom_kills = number (group, "memory.oom_control", "oom_kill");
  l->frozen = number (group, "cgroup.freeze", NULL) > 0 || frozen_v1 (group);
}

static void
keep (struct collect_ctx *ctx, const char *group)
{
  struct buf all CLEANUP_BUF = BUF_INIT (32u << 10);

  for (size_t i = 0; i < ARRAY_LEN (kept); i++)
    {
      struct buf text CLEANUP_BUF = BUF_INIT (2048);

      if (read_one (group, kept[i], &text) && text.len)
        buf_printf (&all, "== %s/%s\n%s", group, kept[i], buf_str (&text));
    }
  if (all.len)
    ctx->out->file (ctx->out, "qemu/cgroups.txt", buf_str (&all), all.len);
}

/* Of a long one its end: that has whose it is. */
static const char *
name_of (const char *group)
{
  size_t n = strlen (group);
  const char *name = group + strlen (ROOT);

  return n >= strlen (ROOT) + CGROUP_NAME ? group + n - CGROUP_NAME + 1 : name;
}

/* The worst of all levels. */
static void
look_up (const char *leaf, struct collect_ctx *ctx, struct level *worst)
{
  char group[sizeof ((struct cgroups *) 0)->group[0]];

  snprintf (group, sizeof group, "%s", leaf);
  for (unsigned i = 0; i < MAX_LEVELS && group[0]; i++)
    {
      struct level l = { .cpus = 0 };

      look_at (group, &l);
      if (ctx)
        keep (ctx, group);
      if (l.cpus > 0 && (worst->cpus == 0 || l.cpus < worst->cpus))
        {
          worst->cpus = l.cpus;
          snprintf (worst->by, sizeof worst->by, "%.*s", CGROUP_NAME - 1,
                    name_of (group));
        }
      if (l.throttled_us > worst->throttled_us)
        worst->throttled_us = l.throttled_us;
      if (l.memory > worst->memory)
        worst->memory = l.memory;
      /* Those of the groups above are others', too. */
      if (i == 0 && l.oom_kills > worst->oom_kills)
        worst->oom_kills = l.oom_kills;
      worst->frozen |= l.frozen;
      if (!go_up (group))
        break;
    }
}

static struct level
look_all (struct cgroups *c, struct collect_ctx *ctx)
{
  struct level worst = { .throttled_us = -1, .oom_kills = -1 };

  for (size_t i = 0; i < CGROUP_KINDS; i++)
    look_up (c->group[i], ctx, &worst);
  return worst;
}

void
collect_cgroups (struct collect_ctx *ctx, struct cgroups *c)
{
  struct error why = ERROR_INIT;
  struct level l;

  c->known = ctx->guest->inc.pid > 0
             && find_groups (ctx->guest->inc.pid, c, &why);
  if (!c->known)
    {
      /* Of one that is gone its state says so. */
      if (ctx->guest->inc.pid > 0)
        ctx->out->gap (ctx->out, "qemu/cgroups.txt", "%s", error_text (&why));
      return;
    }
  l = look_all (c, ctx);
  c->at_us = clock_us ();
  c->throttled_us = l.throttled_us;
  if (l.cpus > 0)
    collect_real (ctx, "qemu.cgroup.cpus", "host", l.cpus);
  if (l.memory > 0)
    collect_real (ctx, "qemu.cgroup.memory", "host", l.memory);
  if (l.oom_kills >= 0)
    collect_int (ctx, "qemu.cgroup.oom_kills", "host", l.oom_kills);
  collect_bool (ctx, "qemu.cgroup.frozen", "host", l.frozen);
}

/* Time of several processors may be lost at once. */
static void
held_back (struct collect_ctx *ctx, const struct level *l, double share)
{
  char text[CGROUP_NAME + 80];

  if (share < HELD_BACK || l->cpus <= 0 || !l->by[0])
    return;
  snprintf (text, sizeof text, "quota of %.2f processors (control group %s)",
            l->cpus, l->by);
  collect_str (ctx, "qemu.cgroup.held_back", "host", text);
}

void
collect_cgroups_again (struct collect_ctx *ctx, struct cgroups *c)
{
  struct level l;
  uint64_t now = clock_us ();
  double share;

  /* Without a pause in between there is nothing to compare. */
  if (!c->known || c->throttled_us < 0 || now < c->at_us + 100000)
    return;
  l = look_all (c, NULL);
  if (l.throttled_us < c->throttled_us)
    return;
  share = (double) (l.throttled_us - c->throttled_us)
          / (double) (now - c->at_us);
  collect_real (ctx, "qemu.cgroup.throttled", "host", share);
  held_back (ctx, &l, share);
}
