/* SPDX-License-Identifier: Apache-2.0
 *
 * What the answers of a monitor mean, as facts.  They are a stranger's: QEMU
 * may be what is sick, or who answers in its place.
 */
#include "diag/collect/qmp.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "kernel/memory/regs.h"
#include "transports/monitor/look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CPUS 64
#define MAX_DISKS 32

/* ---- disks ---- */

struct disk_sum
{
  int64_t ops, ns;
};

/* Since the beginning, of all kinds of requests. */
static struct disk_sum
sum_of (struct json_object *stats)
{
  static const char *const kinds[] = { "rd", "wr", "flush" };
  struct disk_sum sum = { 0, 0 };

  for (size_t i = 0; i < ARRAY_LEN (kinds); i++)
    {
      char ops[40], ns[40];
      int64_t n, t;

      snprintf (ops, sizeof ops, "%s_operations", kinds[i]);
      snprintf (ns, sizeof ns, "%s_total_time_ns", kinds[i]);
      n = json_get_int (stats, ops, 0);
      t = json_get_int (stats, ns, 0);
      if (n < 0 || t < 0 || __builtin_add_overflow (sum.ops, n, &sum.ops)
          || __builtin_add_overflow (sum.ns, t, &sum.ns))
        return (struct disk_sum){ 0, 0 };
    }
  return sum;
}

static void
say_latency (struct collect_ctx *ctx, const char *target,
             struct disk_sum was, struct disk_sum now)
{
  char name[FACT_NAME_MAX];

  if (now.ops <= was.ops || now.ns < was.ns)
    return;
  collect_name (name, sizeof name, "disk.", target, ".latency_ms");
  collect_real (ctx, name, "monitor",
                (double) (now.ns - was.ns) / (double) (now.ops - was.ops)
                    / 1e6);
}

static struct json_object *
device_named (struct json_object *list, const char *want)
{
  for (size_t i = 0; i < json_count (list) && i < MAX_DISKS; i++)
    {
      struct json_object *dev = json_object_array_get_idx (list, i);
      char target[128];

      monitor_disk_name_ (dev, target, sizeof target);
      if (strcmp (target, want) == 0)
        return dev;
    }
  return NULL;
}

static void
latencies (struct collect_ctx *ctx, struct json_object *was,
           struct json_object *now)
{
  for (size_t i = 0; i < json_count (now) && i < MAX_DISKS; i++)
    {
      struct json_object *dev = json_object_array_get_idx (now, i), *before;
      char target[128];

      monitor_disk_name_ (dev, target, sizeof target);
      before = target[0] ? device_named (was, target) : NULL;
      if (target[0])
        qmp_latency_ (ctx, target, json_get (before, "stats"),
                      json_get (dev, "stats"));
      if (before)
        say_latency (ctx, target, sum_of (json_get (before, "stats")),
                     sum_of (json_get (dev, "stats")));
    }
}

static bool
is_io_status (const char *s)
{
  return s
         && (strcmp (s, "ok") == 0 || strcmp (s, "failed") == 0
             || strcmp (s, "nospace") == 0);
}

/* A filter that somebody put in front of it is no format. */
static bool
is_format (const char *s)
{
  return s && (strcmp (s, "raw") == 0 || strcmp (s, "qcow2") == 0);
}

static void
say_disk (struct collect_ctx *ctx, const char *target, const char *io_status,
          const char *format, int throttled)
{
  char name[FACT_NAME_MAX];

  collect_name (name, sizeof name, "disk.", target, ".io_status");
  if (is_io_status (io_status))
    collect_str (ctx, name, "monitor", io_status);
  collect_name (name, sizeof name, "disk.", target, ".image_format");
  if (is_format (format))
    collect_str (ctx, name, "monitor", format);
  collect_name (name, sizeof name, "disk.", target, ".throttled");
  if (throttled >= 0)
    collect_bool (ctx, name, "monitor", throttled > 0);
}

static void
blocks (struct collect_ctx *ctx, struct json_object *list)
{
  static const char *const limits[]
      = { "bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr" };

  for (size_t i = 0; i < json_count (list) && i < MAX_DISKS; i++)
    {
      struct json_object *dev = json_object_array_get_idx (list, i);
      struct json_object *inserted = json_get (dev, "inserted");
      char target[128];
      int throttled = 0;

      monitor_disk_name_ (dev, target, sizeof target);
      for (size_t k = 0; k < ARRAY_LEN (limits); k++)
        throttled |= json_get_int (inserted, limits[k], 0) > 0;
      if (target[0] && inserted)
        say_disk (ctx, target, json_get_str (dev, "io-status"),
                  json_get_str (inserted, "drv"), throttled);
    }
}

/* ---- vCPUs ---- */

static size_t
registers_of (struct json_object *said, struct vcpu_regs *dst)
{
  struct json_object *text = json_get (said, "registers");
  int n;

  if (!json_object_is_type (text, json_type_string))
    return 0;
  n = regs_parse (json_object_get_string (text),
                  (size_t) json_object_get_string_len (text), dst, MAX_CPUS,
                  NULL);
  return n > 0 ? (size_t) n : 0;
}

static void
say_registers (struct collect_ctx *ctx, const struct vcpu_regs *was,
               const struct vcpu_regs *now)
{
  char name[FACT_NAME_MAX];

  snprintf (name, sizeof name, "vcpu.%u.halted", now->index);
  collect_bool (ctx, name, "monitor", now->halted);
  snprintf (name, sizeof name, "vcpu.%u.irqs_off", now->index);
  collect_bool (ctx, name, "monitor", now->irqs_off);
  if (!was)
    return;
  snprintf (name, sizeof name, "vcpu.%u.moved", now->index);
  collect_bool (ctx, name, "monitor",
                was->pc != now->pc || was->sp != now->sp
                    || memcmp (was->gpr, now->gpr, sizeof now->gpr) != 0);
}

static void
registers (struct collect_ctx *ctx, struct json_object *was,
           struct json_object *now)
{
  CLEANUP_FREE struct vcpu_regs *before = calloc (MAX_CPUS, sizeof *before);
  CLEANUP_FREE struct vcpu_regs *after = calloc (MAX_CPUS, sizeof *after);
  size_t n, m;

  if (!before || !after)
    return;
  n = registers_of (was, before);
  m = registers_of (now, after);
  for (size_t i = 0; i < m; i++)
    {
      const struct vcpu_regs *same = NULL;

      for (size_t k = 0; k < n && !same; k++)
        if (before[k].index == after[i].index)
          same = &before[k];
      say_registers (ctx, same, &after[i]);
    }
}

int64_t
qmp_kvm_count_ (struct json_object *list, size_t at, const char *want)
{
  struct json_object *stats
      = at < json_count (list)
            ? json_get (json_object_array_get_idx (list, at), "stats")
            : NULL;

  for (size_t i = 0; i < json_count (stats) && i < 256; i++)
    {
      struct json_object *s = json_object_array_get_idx (stats, i);
      const char *name = json_get_str (s, "name");

      if (name && strcmp (name, want) == 0)
        return json_get_int (s, "value", -1);
    }
  return -1;
}

static void
say_exits (struct collect_ctx *ctx, unsigned vcpu, const int64_t was[2],
           const int64_t now[2])
{
  char name[FACT_NAME_MAX];

  snprintf (name, sizeof name, "vcpu.%u.exits", vcpu);
  if (was[0] >= 0 && now[0] >= was[0])
    collect_int (ctx, name, "monitor", now[0] - was[0]);
  snprintf (name, sizeof name, "vcpu.%u.halts", vcpu);
  if (was[1] >= 0 && now[1] >= was[1])
    collect_int (ctx, name, "monitor", now[1] - was[1]);
}

/* QEMU lists its vCPUs in their order. */
static void
exits (struct collect_ctx *ctx, struct json_object *was,
       struct json_object *now)
{
  for (unsigned i = 0; i < json_count (now) && i < MAX_CPUS; i++)
    say_exits (ctx, i,
               (int64_t[]){ qmp_kvm_count_ (was, i, "exits"),
                            qmp_kvm_count_ (was, i, "halt_exits") },
               (int64_t[]){ qmp_kvm_count_ (now, i, "exits"),
                            qmp_kvm_count_ (now, i, "halt_exits") });
}

/* ---- the rest ---- */

static void
say_text (struct collect_ctx *ctx, const char *name, const char *text)
{
  if (text)
    collect_text (ctx, name, "monitor", text, strnlen (text, 64));
}

static void
jobs (struct collect_ctx *ctx, struct json_object *list)
{
  struct json_object *job;
  const char *type, *status;
  char text[80];

  if (!json_count (list))
    return;
  job = json_object_array_get_idx (list, 0);
  type = json_get_str (job, "type");
  status = json_get_str (job, "status");
  snprintf (text, sizeof text, "%.32s %.32s", type ? type : "?",
            status ? status : "?");
  say_text (ctx, "vmm.job", text);
}

/* Whether the guest's kernel has the other end of its first console open. */
static void
chardevs (struct collect_ctx *ctx, struct json_object *list)
{
  const struct guest *g = ctx->guest;
  const char *want = g->nconsoles ? g->consoles[0].alias : "";

  for (size_t i = 0; i < json_count (list) && i < 64; i++)
    {
      struct json_object *dev = json_object_array_get_idx (list, i);
      const char *label = json_get_str (dev, "label");

      if (label && want[0] && strcmp (label, want) == 0)
        collect_bool (ctx, "console.guest_open", "monitor",
                      json_get_bool (dev, "frontend-open", true));
    }
}

/* ---- what libvirt says by calls of its own ---- */

static int64_t
param (struct json_object *stats, const char *group, unsigned n,
       const char *what)
{
  char key[96];

  snprintf (key, sizeof key, "%s.%u.%s", group, n, what);
  return json_get_int (stats, key, -1);
}

static struct disk_sum
virt_sum (struct json_object *stats, unsigned n)
{
  static const char *const kinds[] = { "rd", "wr", "fl" };
  struct disk_sum sum = { 0, 0 };

  for (size_t i = 0; i < ARRAY_LEN (kinds); i++)
    {
      char what[16];
      int64_t ops, ns;

      snprintf (what, sizeof what, "%s.reqs", kinds[i]);
      ops = param (stats, "block", n, what);
      snprintf (what, sizeof what, "%s.times", kinds[i]);
      ns = param (stats, "block", n, what);
      if (ops > 0 && ns >= 0 && ops < INT64_MAX / 8 && ns < INT64_MAX / 8)
        {
          sum.ops += ops;
          sum.ns += ns;
        }
    }
  return sum;
}

static void
virt_facts (struct collect_ctx *ctx, struct json_object *was,
            struct json_object *now)
{
  struct json_object *stats = json_get (now, "stats");
  struct json_object *before = json_get (was, "stats");
  struct json_object *bad = json_get (now, "disk_errors");
  struct json_object *tune = json_get (now, "io_tune");

  for (unsigned i = 0; stats && i < MAX_DISKS; i++)
    {
      char key[40];
      const char *target, *said;
      struct json_object *limits;

      snprintf (key, sizeof key, "block.%u.name", i);
      target = json_get_str (stats, key);
      if (!target)
        break;
      said = json_get_str (bad, target);
      limits = json_get (tune, target);
      say_disk (ctx, target, bad ? said ? said : "ok" : NULL, NULL,
                limits ? json_get_bool (limits, "throttled", false) : -1);
      if (before)
        say_latency (ctx, target, virt_sum (before, i), virt_sum (stats, i));
    }
  for (unsigned i = 0; before && i < MAX_CPUS; i++)
    say_exits (ctx, i,
               (int64_t[]){ param (before, "vcpu", i, "exits.sum"),
                            param (before, "vcpu", i, "halt_exits.sum") },
               (int64_t[]){ param (stats, "vcpu", i, "exits.sum"),
                            param (stats, "vcpu", i, "halt_exits.sum") });
  say_text (ctx, "vmm.job", json_get_str (now, "job"));
}

static void
version (struct collect_ctx *ctx, struct json_object *said)
{
  struct json_object *qemu = json_get (said, "qemu");
  char text[64];

  if (!qemu)
    return;
  snprintf (text, sizeof text, "%lld.%lld.%lld",
            (long long) json_get_int (qemu, "major", 0),
            (long long) json_get_int (qemu, "minor", 0),
            (long long) json_get_int (qemu, "micro", 0));
  say_text (ctx, "vmm.version", text);
}

void
qmp_facts (struct collect_ctx *ctx, struct json_object *was,
           struct json_object *now)
{
  latencies (ctx, json_get (was, "blockstats"), json_get (now, "blockstats"));
  blocks (ctx, json_get (now, "block"));
  registers (ctx, was, now);
  exits (ctx, json_get (was, "vcpu-stats"), json_get (now, "vcpu-stats"));
  say_text (ctx, "vmm.migration",
            json_get_str (json_get (now, "migration"), "status"));
  jobs (ctx, json_get (now, "jobs"));
  chardevs (ctx, json_get (now, "chardev"));
  version (ctx, json_get (json_get (now, "version") ? now : was, "version"));
  if (json_get (now, "libvirt"))
    virt_facts (ctx, json_get (was, "libvirt"), json_get (now, "libvirt"));
}
