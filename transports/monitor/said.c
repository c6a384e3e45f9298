/* SPDX-License-Identifier: Apache-2.0
 *
 * What the words and numbers mean that a monitor says.
 */
#include "transports/monitor/look.h"

#include "base/cleanup.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

bool
monitor_is_stopped (const char *status)
{
  static const char *const names[]
      = { "paused",      "prelaunch", "inmigrate",  "postmigrate",
          "finish-migrate", "save-vm", "restore-vm", "suspended" };

  for (unsigned i = 0; i < ARRAY_LEN (names); i++)
    if (strcmp (names[i], status) == 0)
      return true;
  return false;
}

bool
monitor_disk_moved (struct json_object *was, struct json_object *now)
{
  static const char *const counters[]
      = { "rd_ops", "wr_ops", "flush_ops", "rd_bytes", "wr_bytes", NULL };

  for (size_t i = 0; counters[i]; i++)
    if (json_get_int (now, counters[i], 0)
        != json_get_int (was, counters[i], 0))
      return true;
  return false;
}

/* The name under which a disk is known in struct guest: the drive's, or the
 * device's id without its place in QEMU's tree of objects
 * ("/machine/peripheral/virtio0/virtio-backend"), or the node's. */
void
monitor_disk_name_ (struct json_object *dev, char *dst, size_t n)
{
  static const char peripheral[] = "/machine/peripheral/";
  const char *device = json_get_str (dev, "device");
  const char *qdev = json_get_str (dev, "qdev");
  const char *node = json_get_str (dev, "node-name");

  if (device && device[0])
    guest_copy (dst, n, device);
  else if (qdev && qdev[0])
    {
      if (strncmp (qdev, peripheral, sizeof peripheral - 1) == 0)
        qdev += sizeof peripheral - 1;
      snprintf (dst, n, "%.*s", (int) strcspn (qdev, "/"), qdev);
    }
  else
    guest_copy (dst, n, node ? node : "");
}

static struct json_object *
disk_counters (struct json_object *stats)
{
  static const char *const failed[]
      = { "failed_rd_operations", "failed_wr_operations",
          "failed_flush_operations" };
  struct json_object *out = json_object_new_object ();
  int64_t errors = 0;

  json_add_int (out, "rd_bytes", json_get_int (stats, "rd_bytes", 0));
  json_add_int (out, "rd_ops", json_get_int (stats, "rd_operations", 0));
  json_add_int (out, "wr_bytes", json_get_int (stats, "wr_bytes", 0));
  json_add_int (out, "wr_ops", json_get_int (stats, "wr_operations", 0));
  json_add_int (out, "flush_ops", json_get_int (stats, "flush_operations", 0));
  for (unsigned i = 0; i < ARRAY_LEN (failed); i++)
    {
      int64_t v = json_get_int (stats, failed[i], 0);

      /* QEMU's numbers, or those of a process that answers in its place. */
      if (v > 0 && __builtin_add_overflow (errors, v, &errors))
        errors = INT64_MAX;
    }
  json_add_int (out, "errors", errors);
  return out;
}

struct json_object *
monitor_disks_ (struct json_object *reply)
{
  struct json_object *out = json_object_new_object ();

  for (size_t i = 0; i < json_object_array_length (reply); i++)
    {
      struct json_object *dev = json_object_array_get_idx (reply, i);
      struct json_object *stats = json_get (dev, "stats");
      char name[128];

      monitor_disk_name_ (dev, name, sizeof name);
      if (name[0] && stats)
        json_object_object_add (out, name, disk_counters (stats));
    }
  return out;
}
