/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a configuration is the writer's: where bundles go, and how much is
 * kept.
 */
#include "supervisor/conf/settings.h"
#include "supervisor/writer/writer.h"

#include "base/log.h"

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

void
writer_limits (const struct config *cfg, struct writer_limits *ret)
{
  ret->logs.total = cfg->limits.log_total;
  ret->spool.max_bytes = cfg->limits.spool_total;
  ret->spool.free_floor = cfg->limits.spool_free_floor;
  ret->logs.free_floor = cfg->limits.spool_free_floor;
}

void
writer_reload (const char *text, size_t len, struct lane *disk_lane,
               struct disk *d, struct shippers *all)
{
  CLEANUP_CONFIG const struct config *cfg = NULL;
  struct limiting *l = calloc (1, sizeof *l);
  struct error err = ERROR_INIT;

  if (l == NULL || config_read (text, len, "config", &cfg, &err) < 0)
    {
      log_error ("the configuration is not taken, the last good one stays: %s",
                 l ? error_text (&err) : "no memory");
      free (l);
      return;
    }
  l->d = d;
  writer_limits (cfg, &l->limits);
  if (lane_add (disk_lane, 0, limit, l, free) < 0)
    {
      log_error ("the limits are not taken: no memory");
      free (l);
    }
  shippers_config (all, cfg);
}
