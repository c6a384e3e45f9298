/* SPDX-License-Identifier: Apache-2.0
 *
 * All shippers of the writer: one for each sink of the configuration.
 */
#include "supervisor/conf/settings.h"
#include "supervisor/writer/writer.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

struct shippers
{
  struct loop *loop;
  struct lane *disk_lane;
  struct disk *disk;
  const struct shipper_ops *ops;
  void *arg;
  struct shipper *list[SPOOL_MAX_SINKS];
  unsigned count;
};

/* What the disk thread is told. */
struct naming
{
  struct disk *disk;
  char names[SPOOL_MAX_SINKS][SPOOL_SINK_NAME];
  unsigned count;
};

int
shippers_new (struct loop *loop, struct lane *disk_lane, struct disk *d,
              const struct shipper_ops *ops, void *arg, struct shippers **ret,
              struct error *err)
{
  struct shippers *all = calloc (1, sizeof *all);

  if (all == NULL)
    return error_set (err, ENOMEM, "no memory for shipping");
  *all = (struct shippers){ .loop = loop,
                            .disk_lane = disk_lane,
                            .disk = d,
                            .ops = ops,
                            .arg = arg };
  *ret = all;
  return 0;
}

static void
name_sinks (void *arg)
{
  struct naming *n = arg;
  const char *names[SPOOL_MAX_SINKS];

  for (unsigned i = 0; i < n->count; i++)
    names[i] = n->names[i];
  spool_sinks (disk_spool (n->disk), names, n->count);
  free (n);
}

/* Before anybody picks by them: the lane keeps their order. */
static void
tell_spool (struct shippers *all)
{
  struct naming *n = calloc (1, sizeof *n);

  if (n)
    {
      n->disk = all->disk;
      n->count = all->count;
      for (unsigned i = 0; i < all->count; i++)
        snprintf (n->names[i], sizeof n->names[i], "%s",
                  shipper_name (all->list[i]));
    }
  if (n == NULL || lane_add (all->disk_lane, 0, name_sinks, n, free) < 0)
    {
      log_error ("the spool does not know the sinks: no memory");
      free (n);
    }
}

static struct shipper *
take_named (struct shippers *old, const char *name)
{
  for (unsigned i = 0; i < old->count; i++)
    if (old->list[i] && strcmp (shipper_name (old->list[i]), name) == 0)
      return steal_ptr (&old->list[i]);
  return NULL;
}

void
shippers_config (struct shippers *all, const struct config *cfg)
{
  const struct sink_config *said[SPOOL_MAX_SINKS];
  unsigned n = config_sinks (cfg, said, SPOOL_MAX_SINKS);
  struct shippers old = *all;
  struct error err = ERROR_INIT;
  const struct sink_config *of[SPOOL_MAX_SINKS];

  all->count = 0;
  for (unsigned i = 0; i < n; i++)
    {
      struct shipper *s = take_named (&old, said[i]->name);

      if (s == NULL
          && shipper_new (all->loop, all->disk_lane, all->disk,
                          said[i]->name, all->ops, all->arg, &s, &err)
                 < 0)
        {
          log_error ("nothing is sent to %s: %s", said[i]->name,
                     error_text (&err));
          continue;
        }
      of[all->count] = said[i];
      all->list[all->count++] = s;
    }
  for (unsigned i = 0; i < old.count; i++)
    shipper_retire (old.list[i]);
  tell_spool (all);
  for (unsigned i = 0; i < all->count; i++)
    shipper_config (all->list[i], cfg, of[i]);
}

void
shippers_kick (struct shippers *all)
{
  for (unsigned i = 0; i < all->count; i++)
    shipper_kick (all->list[i]);
}

void
shippers_retry (struct shippers *all)
{
  for (unsigned i = 0; i < all->count; i++)
    shipper_retry (all->list[i]);
}

void
shippers_tell (struct shippers *all)
{
  for (unsigned i = 0; all && i < all->count; i++)
    shipper_tell (all->list[i]);
}
