/* SPDX-License-Identifier: Apache-2.0
 *
 * What the words and numbers mean that a monitor says.
 */
#include "transports/monitor/look.h"

#include "base/cleanup.h"
#include "base/json.h"

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
