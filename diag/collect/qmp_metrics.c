/* SPDX-License-Identifier: Apache-2.0
 *
 * What a monitor counts, as metrics: a point for each round in which it was
 * asked.  The answers are a stranger's, as in qmp_facts.c.
 */
#include "diag/collect/qmp.h"

#include "base/clock.h"
#include "base/json.h"
#include "transports/monitor/look.h"

#include <stdio.h>
#include <string.h>

#define MAX_CPUS 64
#define MAX_DISKS 32

/* What is counted of a disk, and of what it is put together: the monitor's
 * names, and libvirt's. */
static const struct
{
  const char *name, *unit;
  double scale;
  const char *qemu[3], *virt[3];
} counts[] = {
  { "vm.disk.operations", "{operation}", 1,
    { "rd_operations", "wr_operations", "flush_operations" },
    { "rd.reqs", "wr.reqs", "fl.reqs" } },
  { "vm.disk.io", "By", 1,
    { "rd_bytes", "wr_bytes", NULL },
    { "rd.bytes", "wr.bytes", NULL } },
  { "vm.disk.operation_time", "s", 1e-9,
    { "rd_total_time_ns", "wr_total_time_ns", "flush_total_time_ns" },
    { "rd.times", "wr.times", "fl.times" } },
};

static size_t
length_of (struct json_object *list, size_t most)
{
  size_t n = json_object_is_type (list, json_type_array)
                 ? json_object_array_length (list)
                 : 0;

  return n < most ? n : most;
}

/* What is not told, and what cannot be, counts as nothing. */
static void
tell_disk (struct otlp *o, size_t k, const char *target,
           struct json_object *stats, const char *prefix,
           const char *const keys[3])
{
  double sum = 0;
  bool any = false;

  for (size_t i = 0; i < 3 && keys[i]; i++)
    {
      char key[48];
      int64_t n;

      snprintf (key, sizeof key, "%s%s", prefix, keys[i]);
      n = json_get_int (stats, key, -1);
      any |= n >= 0;
      sum += n > 0 ? (double) n : 0;
    }
  if (any)
    otlp_sum (o, counts[k].name, counts[k].unit, sum * counts[k].scale,
              "system.device", target);
}

static void
tell_disks (struct otlp *o, size_t k, struct json_object *list)
{
  for (size_t i = 0; i < length_of (list, MAX_DISKS); i++)
    {
      struct json_object *dev = json_object_array_get_idx (list, i);
      char target[128];

      monitor_disk_name_ (dev, target, sizeof target);
      if (target[0])
        tell_disk (o, k, target, json_get (dev, "stats"), "", counts[k].qemu);
    }
}

static void
tell_virt_disks (struct otlp *o, size_t k, struct json_object *stats)
{
  for (unsigned i = 0; stats && i < MAX_DISKS; i++)
    {
      char key[24];
      const char *target;

      snprintf (key, sizeof key, "block.%u.name", i);
      target = json_get_str (stats, key);
      if (!target)
        break;
      snprintf (key, sizeof key, "block.%u.", i);
      tell_disk (o, k, target, stats, key, counts[k].virt);
    }
}

static void
tell_exits (struct otlp *o, unsigned vcpu, int64_t n)
{
  char number[16];

  snprintf (number, sizeof number, "%u", vcpu);
  if (n >= 0)
    otlp_sum (o, "vm.vcpu.exits", "{exit}", (double) n, "cpu.logical_number",
              number);
}

static void
tell_round (struct otlp *o, struct json_object *said)
{
  struct json_object *virt = json_get (json_get (said, "libvirt"), "stats");
  struct json_object *vcpus = json_get (said, "vcpu-stats");

  for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++)
    if (json_get (said, "blockstats"))
      tell_disks (o, k, json_get (said, "blockstats"));
    else
      tell_virt_disks (o, k, virt);
  for (unsigned i = 0; i < length_of (vcpus, MAX_CPUS); i++)
    tell_exits (o, i, qmp_kvm_count_ (vcpus, i, "exits"));
  for (unsigned i = 0; virt && !vcpus && i < MAX_CPUS; i++)
    {
      char key[40];

      /* libvirt's name, not one of a fact. */
      snprintf (key, sizeof key, "%s.%u.%s", "vcpu", i, "exits.sum");
      tell_exits (o, i, json_get_int (virt, key, -1));
    }
}

void
qmp_metrics (struct collect_ctx *ctx, const struct qmp_said *was,
             const struct qmp_said *now)
{
  const struct qmp_said *const rounds[] = { was, now };
  uint64_t wall_ms = clock_wall_ms (), us = clock_us ();
  struct otlp o;

  otlp_begin (&o, wall_ms - (us - (was->said ? was : now)->at_us) / 1000);
  for (size_t i = 0; i < 2; i++)
    if (rounds[i]->said)
      {
        otlp_at (&o, wall_ms - (us - rounds[i]->at_us) / 1000);
        tell_round (&o, rounds[i]->said);
      }
  if (json_object_array_length (o.metrics))
    otlp_end (&o, ctx, "metrics/vm.otlp.jsonl");
  else
    json_object_put (o.metrics);
}
