/* SPDX-License-Identifier: Apache-2.0
 *
 * What guests that fail together have in common.
 */
#include "supervisor/incidents/crowd.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>

const char *const crowd_kind_names[]
    = { "disk", "server", "folder", "bridge", "source", NULL };

/* How many have to fail.  Two guests are enough where few have it; of what
 * nearly all have, some fail at one time by chance. */
static const struct
{
  unsigned least;
  bool shared; /* by most guests of a host */
} rules[] = {
  [CROWD_DISK] = { 2, false },  [CROWD_SERVER] = { 2, false },
  [CROWD_FOLDER] = { 3, true }, [CROWD_BRIDGE] = { 3, true },
  [CROWD_SOURCE] = { 3, true },
};

/* ---- resources of one guest ---- */

static bool
same (const struct crowd_resource *a, const struct crowd_resource *b)
{
  return a->kind == b->kind && strcmp (a->name, b->name) == 0;
}

struct gathered
{
  struct crowd_resource *list;
  unsigned n;
};

static void
add (struct gathered *to, enum crowd_kind kind, const char *name, size_t len)
{
  struct crowd_resource *r = &to->list[to->n];

  if (to->n == CROWD_MAX_RESOURCES || len == 0)
    return;
  r->kind = kind;
  snprintf (r->name, sizeof (r->name), "%.*s", (int) len, name);
  for (unsigned i = 0; i < to->n; i++)
    if (same (&to->list[i], r))
      return;
  to->n++;
}

/* Devices lie together in /dev for no reason but that they are devices; those
 * of one volume group have a folder of their own. */
static bool
is_of_all (const char *dir, size_t len)
{
  static const char *const of_all[] = { "", "/dev", "/dev/mapper" };

  for (size_t i = 0; i < ARRAY_LEN (of_all); i++)
    if (strlen (of_all[i]) == len && memcmp (of_all[i], dir, len) == 0)
      return true;
  return strncmp (dir, "/dev/disk/", 10) == 0;
}

static void
add_disk (struct gathered *to, const struct guest_disk *disk)
{
  const char *path = disk->path, *slash = strrchr (path, '/');
  char server[sizeof (to->list->name)];

  if (path[0] != '/' && guest_disk_server (path, server, sizeof (server)))
    add (to, CROWD_SERVER, server, strlen (server));
  else
    add (to, CROWD_DISK, path, strlen (path));
  if (path[0] == '/' && !is_of_all (path, (size_t) (slash - path)))
    add (to, CROWD_FOLDER, path, (size_t) (slash - path));
}

unsigned
crowd_resources (const struct guest *g,
                 struct crowd_resource ret[CROWD_MAX_RESOURCES])
{
  struct gathered to = { ret, 0 };

  for (unsigned i = 0; i < g->ndisks; i++)
    add_disk (&to, &g->disks[i]);
  for (unsigned i = 0; i < g->nnics; i++)
    add (&to, CROWD_BRIDGE, g->nics[i].bridge, strlen (g->nics[i].bridge));
  if (strcmp (g->source, "libvirt") == 0)
    add (&to, CROWD_SOURCE, g->host, strlen (g->host));
  return to.n;
}

bool
crowd_uses (const struct guest *g, const struct crowd_resource *r)
{
  struct crowd_resource all[CROWD_MAX_RESOURCES];
  unsigned n = crowd_resources (g, all);

  for (unsigned i = 0; i < n; i++)
    if (same (&all[i], r))
      return true;
  return false;
}

/* ---- those that failed ---- */

/* A library that hangs makes nobody fail: its guests can't be asked. */
static bool
counts (const struct crowd_member *m, enum crowd_kind kind, uint64_t now_ms)
{
  return m->failed && m->failed_ms + CROWD_WINDOW_MS >= now_ms
         && (kind != CROWD_SOURCE || m->mute);
}

static void
count (const struct crowd_member *list, size_t n, uint64_t now_ms,
       const struct crowd_resource *r, struct crowd *ret)
{
  *ret = (struct crowd){ .resource = *r, .first_ms = now_ms };
  for (size_t i = 0; i < n; i++)
    {
      if (!crowd_uses (list[i].guest, r))
        continue;
      ret->users++;
      if (!counts (&list[i], r->kind, now_ms))
        continue;
      ret->failed++;
      if (list[i].failed_ms < ret->first_ms)
        ret->first_ms = list[i].failed_ms;
    }
}

static bool
is_one (const struct crowd *c)
{
  enum crowd_kind kind = c->resource.kind;

  return c->failed >= rules[kind].least
         && (rules[kind].shared ? c->failed * 2 > c->users
                                : c->failed * 2 >= c->users);
}

static bool
tells_more (const struct crowd *a, const struct crowd *b)
{
  bool shared = rules[a->resource.kind].shared;

  if (shared != rules[b->resource.kind].shared)
    return !shared;
  return a->failed != b->failed ? a->failed > b->failed
                                : a->resource.kind < b->resource.kind;
}

bool
crowd_find (const struct crowd_member *list, size_t n, size_t who,
            uint64_t now_ms, struct crowd *ret)
{
  struct crowd_resource all[CROWD_MAX_RESOURCES];
  unsigned nall = crowd_resources (list[who].guest, all);
  struct crowd c, best = { .failed = 0 };

  for (unsigned i = 0; i < nall; i++)
    {
      if (!counts (&list[who], all[i].kind, now_ms))
        continue;
      count (list, n, now_ms, &all[i], &c);
      if (is_one (&c) && (!best.failed || tells_more (&c, &best)))
        best = c;
    }
  if (!best.failed)
    return false;
  *ret = best;
  return true;
}
