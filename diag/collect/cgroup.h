/* SPDX-License-Identifier: Apache-2.0
 *
 * For the collector host: what control groups give QEMU (cgroup.c), and what
 * this host's kernel says (hostlog.c).
 */
#ifndef HANGDOG_DIAG_CGROUP_H
#define HANGDOG_DIAG_CGROUP_H

#include "base/error.h"
#include "diag/collect/collect.h"

enum
{
  CGROUP_UNIFIED,
  CGROUP_HYBRID, /* v2 beside v1 */
  CGROUP_CPU,
  CGROUP_MEMORY,
  CGROUP_FREEZER,
  CGROUP_BLKIO,
  CGROUP_KINDS,
};

struct cgroups
{
  bool known;
  char group[CGROUP_KINDS][400]; /* its folders, "" = it is in none */
  uint64_t at_us;
  int64_t throttled_us;
};

void collect_cgroups (struct collect_ctx *ctx, struct cgroups *c);
/* Some time later: for how much of it QEMU was held back. */
void collect_cgroups_again (struct collect_ctx *ctx, struct cgroups *c);

void collect_hostlog (struct collect_ctx *ctx);

/* What the lines of a log, as /dev/kmsg has them, say of this guest and of
 * trouble of the host not older than `since_us`; text is changed. */
void hostlog_read (struct collect_ctx *ctx, char *text, uint64_t since_us);

/* How full its file systems are: "/proc/self/mountinfo" (room.c). */
void host_room_ (struct collect_ctx *ctx, const char *mountinfo);

/* What the host's hardware has told of itself: "/sys", "/proc/interrupts"
 * (host.c). */
void host_hardware_ (struct collect_ctx *ctx, const char *sys,
                     const char *interrupts);

#endif
