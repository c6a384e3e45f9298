/* SPDX-License-Identifier: Apache-2.0
 *
 * What QEMU says of a guest's disks and its balloon.
 */
#include "transports/monitor/look.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "transports/monitor/libvirt.h"

#include <stdio.h>
#include <string.h>

/* Of one virtio disk; each is a question of its own, and the socket is not
 * ours for long. */
#define MAX_QUEUES 16
#define MAX_DEVICES 16

/* ---- asking ---- */

struct asking
{
  struct monitor *m;
  uint64_t deadline;
};

/* NULL: it does not know how, or did not answer. */
static struct json_object *
ask (const struct asking *a, const char *command, struct json_object *args,
     enum json_type type)
{
  struct json_object *reply = NULL;

  if (monitor_command (a->m, command, args, a->deadline, &reply, NULL) < 0)
    return NULL;
  if (json_object_is_type (reply, type))
    return reply;
  json_object_put (reply);
  return NULL;
}

static struct json_object *
with_path (const char *path)
{
  struct json_object *args = json_object_new_object ();

  json_add_str (args, "path", path);
  return args;
}

/* ---- disks ---- */

/* The disk of our list at that path of QEMU's devices. */
static struct json_object *
disk_at (struct json_object *disks, struct json_object *reply,
         const char *path)
{
  for (size_t i = 0; i < json_object_array_length (reply); i++)
    {
      struct json_object *dev = json_object_array_get_idx (reply, i);
      const char *qdev = json_get_str (dev, "qdev");
      char name[128];

      if (!qdev || strcmp (qdev, path) != 0)
        continue;
      monitor_disk_name_ (dev, name, sizeof name);
      return json_get (disks, name);
    }
  return NULL;
}

/* -1: not told. */
static int64_t
in_flight (const struct asking *a, const char *path)
{
  CLEANUP_JSON struct json_object *status
      = ask (a, "x-query-virtio-status", with_path (path), json_type_object);
  int64_t n = status ? json_get_int (status, "num-vqs", -1) : -1, all = 0;

  if (n < 0 || n > MAX_QUEUES)
    return -1;
  for (int64_t i = 0; i < n; i++)
    {
      struct json_object *args = with_path (path);
      CLEANUP_JSON struct json_object *queue = NULL;
      int64_t inuse;

      json_add_int (args, "queue", i);
      queue = ask (a, "x-query-virtio-queue-status", args, json_type_object);
      inuse = queue ? json_get_int (queue, "inuse", -1) : -1;
      if (inuse < 0 || inuse > UINT16_MAX)
        return -1;
      all += inuse;
    }
  return all;
}

static void
add_in_flight (const struct asking *a, struct json_object *disks,
               struct json_object *reply)
{
  CLEANUP_JSON struct json_object *devices
      = ask (a, "x-query-virtio", NULL, json_type_array);
  size_t n = json_count (devices);

  for (size_t i = 0; i < n && i < MAX_DEVICES; i++)
    {
      struct json_object *dev = json_object_array_get_idx (devices, i);
      const char *name = json_get_str (dev, "name");
      const char *path = json_get_str (dev, "path");
      struct json_object *disk = NULL;
      int64_t requests;

      if (name && path && strcmp (name, "virtio-blk") == 0)
        disk = disk_at (disks, reply, path);
      requests = disk ? in_flight (a, path) : -1;
      if (requests >= 0)
        json_add_int (disk, "in_flight", requests);
    }
}

static void
add_io_status (const struct asking *a, struct json_object *disks)
{
  CLEANUP_JSON struct json_object *reply
      = ask (a, "query-block", NULL, json_type_array);
  size_t n = json_count (reply);

  for (size_t i = 0; i < n; i++)
    {
      struct json_object *dev = json_object_array_get_idx (reply, i);
      const char *status = json_get_str (dev, "io-status");
      struct json_object *disk;
      char name[128];

      monitor_disk_name_ (dev, name, sizeof name);
      disk = status && name[0] ? json_get (disks, name) : NULL;
      if (disk)
        json_add_text (disk, "io_status", status, strnlen (status, 32));
    }
}

static int
look_at_disks (const struct asking *a, struct monitor_look *ret,
               struct error *err)
{
  CLEANUP_JSON struct json_object *reply = NULL;
  int r = monitor_command (a->m, "query-blockstats", NULL, a->deadline,
                           &reply, err);

  if (r < 0)
    return r;
  if (!json_object_is_type (reply, json_type_array))
    return error_set (err, EPROTO, "query-blockstats: not a list");
  ret->disks = monitor_disks_ (reply);
  add_io_status (a, ret->disks);
  add_in_flight (a, ret->disks, reply);
  return 0;
}

/* ---- the balloon ---- */

static bool
is_balloon (struct json_object *child)
{
  const char *type = json_get_str (child, "type");

  return type && strncmp (type, "child<virtio-balloon", 20) == 0;
}

/* True when the device was found. */
static bool
balloon_in (const struct asking *a, const char *folder, int64_t *ret_s)
{
  CLEANUP_JSON struct json_object *children
      = ask (a, "qom-list", with_path (folder), json_type_array);
  size_t n = json_count (children);

  for (size_t i = 0; i < n; i++)
    {
      struct json_object *child = json_object_array_get_idx (children, i);
      const char *name = json_get_str (child, "name");
      CLEANUP_JSON struct json_object *stats = NULL;
      struct json_object *args;
      int64_t told, now = (int64_t) (clock_wall_ms () / 1000);
      char path[200];

      if (!name || !is_balloon (child))
        continue;
      snprintf (path, sizeof path, "%s/%.120s", folder, name);
      args = with_path (path);
      json_add_str (args, "property", "guest-stats");
      stats = ask (a, "qom-get", args, json_type_object);
      told = stats ? json_get_int (stats, "last-update", 0) : 0;
      /* 0: nobody has asked the guest yet. */
      if (told > 0)
        *ret_s = told < now ? now - told : 0;
      return true;
    }
  return false;
}

/* ---- the whole ---- */

static int
look_unix (const struct transport_env *env, const struct guest *g,
           unsigned wants, uint64_t deadline, enum monitor_health *ret_health,
           struct monitor_look *l, struct error *err)
{
  struct asking a = { .deadline = deadline };
  CLEANUP_JSON struct json_object *reply = NULL;
  const char *status;
  int r = monitor_open (env, g, deadline, &a.m, ret_health, err);

  if (r < 0)
    return r;
  r = monitor_command (a.m, "query-status", NULL, deadline, &reply, err);
  status = r == 0 ? json_get_str (reply, "status") : NULL;
  if (r == 0 && !status)
    r = error_set (err, EPROTO, "query-status: no status in the reply");
  if (r == 0)
    guest_copy (l->status, sizeof l->status, status);
  if (r == 0 && (wants & MONITOR_WANTS_DISKS))
    r = look_at_disks (&a, l, err);
  if (r == 0 && (wants & MONITOR_WANTS_BALLOON)
      && !balloon_in (&a, "/machine/peripheral", &l->balloon_s))
    balloon_in (&a, "/machine/peripheral-anon", &l->balloon_s);
  monitor_close (a.m);
  /* It greeted; whoever answers commands is the main loop. */
  if (r == -ETIMEDOUT)
    *ret_health = MONITOR_GREETS_ONLY;
  return r;
}

int
monitor_look (const struct transport_env *env, const struct guest *g,
              unsigned wants, uint64_t deadline,
              enum monitor_health *ret_health, struct monitor_look *ret,
              struct error *err)
{
  struct monitor_look l = { .balloon_s = -1 };
  int r;

  *ret_health = MONITOR_GONE;
  /* Typed calls there: a raw command taints. */
  if (g->monitor == MONITOR_LIBVIRT)
    {
      r = monitor_libvirt_status (g, deadline, ret_health, l.status,
                                  sizeof l.status, err);
      if (r == 0 && wants)
        r = monitor_libvirt_look (g, wants, deadline, &l, err);
    }
  else
    r = look_unix (env, g, wants, deadline, ret_health, &l, err);
  if (r < 0)
    {
      monitor_look_done (&l);
      return r;
    }
  *ret = l;
  return 0;
}
