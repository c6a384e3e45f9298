/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer's part of a configuration that was read again: where bundles go,
 * and how much is kept.  The keeper has checked it.
 */
#include "supervisor/writer.h"

#include "base/json.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct limiting
{
  struct disk *d;
  struct writer_limits limits;
};

/* Disk thread: it counts by them. */
static void
limit (void *arg)
{
  struct limiting *l = arg;

  disk_limit (l->d, &l->limits);
  free (l);
}

static uint64_t
size_of (struct json_object *o, const char *key)
{
  int64_t n = json_get_int (o, key, 0);

  return n > 0 ? (uint64_t) n : 0;
}

static void
take_limits (struct json_object *o, struct lane *lane, struct disk *d)
{
  struct limiting *l = calloc (1, sizeof *l);

  if (l == NULL)
    return;
  l->d = d;
  l->limits.logs.total = size_of (o, "log-total");
  l->limits.spool.max_bytes = size_of (o, "spool-total");
  l->limits.spool.free_floor = size_of (o, "spool-free-floor");
  l->limits.logs.free_floor = l->limits.spool.free_floor;
  if (lane_add (lane, 0, limit, l, free) < 0)
    {
      log_error ("the limits are not taken: no memory");
      free (l);
    }
}

void
writer_reload (struct json_object *head, struct lane *disk_lane,
               struct disk *d, struct shipper *s)
{
  struct json_object *sink = json_get (head, "sink");
  struct json_object *limits = json_get (head, "limits");
  const char *text = sink ? json_object_to_json_string (sink) : "{}";
  struct sink_config cfg;
  struct error err = ERROR_INIT;

  if (limits)
    take_limits (limits, disk_lane, d);
  if (sink_parse (text, strlen (text), &cfg, &err) < 0)
    log_error ("the sink is not taken, the last good one stays: %s",
               error_text (&err));
  else
    shipper_sink (s, &cfg);
}
