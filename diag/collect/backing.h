/* SPDX-License-Identifier: Apache-2.0
 *
 * What of this host stands behind a guest's disk (backing.c).
 */
#ifndef HANGDOG_DIAG_BACKING_H
#define HANGDOG_DIAG_BACKING_H

#include "diag/collect/collect.h"

#include <stdbool.h>

/* Where the kernel shows it: "/sys", "/proc/self/mountinfo",
 * "/proc/spl/kstat/zfs". */
struct backing_of
{
  const char *sys, *mounts, *zfs;
};

/* A device's name, which may be asked for: nothing leads out of /dev, to a file
 * system that may be dead. */
bool backing_is_device (const char *path);

/* The devices, from the one that holds that file, or is that device, down: each
 * an object.  ret_kinds: "ext4 > lvm > nvme", "" = nothing is known;
 * ret_state: the worst of them, "ok", "degraded", "suspended" (all that is
 * asked of it waits) or "dead"; NULL = not known.  Does not touch the file. */
struct json_object *backing_look (const struct backing_of *from,
                                  const char *path, char ret_kinds[200],
                                  const char **ret_state);

/* ---- of backing.c ---- */

void backing_whole_ (char *name);

#endif
