/* SPDX-License-Identifier: Apache-2.0
 *
 * How the devices behind a guest's disk say that they are: thin pools of
 * device mapper, NVMe and ATA disks.  health_read() is pure; the text is an
 * opener's (OPEN_HEALTH), what is in it a kernel's or a disk's.
 */
#ifndef HANGDOG_DIAG_HEALTH_H
#define HANGDOG_DIAG_HEALTH_H

#include "diag/collect/collect.h"

/* The worse the later. */
enum pool_state
{
  POOL_NONE, /* it is none */
  POOL_OK,
  POOL_OUT_OF_DATA,
  POOL_READ_ONLY,
  POOL_NEEDS_CHECK,
  POOL_FAILED,
};
extern const char *const pool_state_names[]; /* [POOL_NONE] is "" */

enum disk_health
{
  HEALTH_UNKNOWN,
  HEALTH_OK,
  HEALTH_WARNS, /* of what may come */
  HEALTH_FAILING,
};
extern const char *const disk_health_names[]; /* [HEALTH_UNKNOWN] is "" */

struct health
{
  enum pool_state pool;
  double data, metadata; /* in use, of 1; < 0: not known */
  bool errors_if_full;   /* requests fail then; else they wait */
  enum disk_health disk;
  int64_t media_errors; /* -1 = not known */
  char why[160];        /* what a disk warns of, "" = of nothing */
  bool asleep;          /* it was not woken to be asked */
};

void health_read (const char *text, size_t len, struct health *ret);

/* What devices said, for all disks of a guest: none is asked twice. */
struct health_asked;
struct health_asked *health_asked_new (void); /* NULL: no memory */
void health_asked_free (struct health_asked *all);

/* Asks those of all these lists (of backing_look()) that were not, side by
 * side: the first of them first, those that the kernel calls dead last.
 * sleepers: only those that may be asleep. */
void health_ask_together (struct collect_ctx *ctx,
                          struct json_object *const *lists, unsigned n,
                          bool sleepers, struct health_asked *all);
/* Asks those devices (of backing_look()) and notes down in each what it said.
 * Facts are of the disk target; what could not be asked is a gap. */
void health_ask (struct collect_ctx *ctx, const char *target,
                 struct json_object *devices, struct health_asked *all);
/* One of those devices sleeps, as far as it was asked, and would be woken by a
 * read. */
bool health_slept (struct json_object *devices,
                   const struct health_asked *all);

#endif
