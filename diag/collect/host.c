/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector host: is it the host that starves, and how does the QEMU process
 * do?  Touches nothing: all is read from /proc.
 */
#include "diag/collect/cgroup.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/pressure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE (64u << 10)

/* A file of the host's numbers: the first time it is evidence, and a fact
 * comes of it; the second time only its numbers are wanted. */
static bool
numbers_of (struct collect_ctx *ctx, bool again, const char *path,
            const char *name, size_t max, struct buf *text)
{
  return again ? collect_slurp (path, text, NULL) >= 0
               : collect_copy (ctx, path, name, max, text);
}

static void
pressure (struct collect_ctx *ctx, struct otlp *o, bool again)
{
  static const char *const resources[] = { "cpu", "io", "memory" };
  static const char *const kinds[] = { "some", "full" };

  for (size_t i = 0; i < 3; i++)
    {
      struct buf text CLEANUP_BUF = BUF_INIT (1024);
      char path[40], name[FACT_NAME_MAX];

      snprintf (path, sizeof path, "/proc/pressure/%s", resources[i]);
      snprintf (name, sizeof name, "host/pressure-%s", resources[i]);
      if (!numbers_of (ctx, again, path, name, 1024, &text))
        continue;
      for (size_t k = 0; k < 2; k++)
        {
          double v;

          if (!pressure_avg10 (buf_str (&text), kinds[k], &v))
            continue;
          snprintf (name, sizeof name, "host.psi.%s.%s", resources[i],
                    kinds[k]);
          if (!again)
            collect_real (ctx, name, "host", v);
          snprintf (name, sizeof name, "system.linux.pressure.%s.%s",
                    resources[i], kinds[k]);
          otlp_gauge (o, name, "%", v, NULL, NULL);
        }
    }
}

static bool
meminfo (const char *text, const char *key, double *ret_bytes)
{
  const char *at = strstr (text, key);
  unsigned long long kib;

  if (!at || sscanf (at + strlen (key), ": %llu kB", &kib) != 1)
    return false;
  *ret_bytes = (double) kib * 1024;
  return true;
}

static void
load_and_memory (struct collect_ctx *ctx, struct otlp *o, bool again)
{
  struct buf load CLEANUP_BUF = BUF_INIT (256);
  struct buf mem CLEANUP_BUF = BUF_INIT (MAX_FILE);
  double v, total = 0, available = 0;

  if (numbers_of (ctx, again, "/proc/loadavg", "host/loadavg", 256, &load)
      && sscanf (buf_str (&load), "%lf", &v) == 1)
    {
      if (!again)
        collect_real (ctx, "host.load1", "host", v);
      if (!again)
        collect_int (ctx, "host.cpus", "host",
                     sysconf (_SC_NPROCESSORS_ONLN));
      otlp_gauge (o, "system.cpu.load_average.1m", "{run}", v, NULL, NULL);
    }
  if (!numbers_of (ctx, again, "/proc/meminfo", "host/meminfo", MAX_FILE,
                   &mem)
      || !meminfo (buf_str (&mem), "MemTotal", &total)
      || !meminfo (buf_str (&mem), "MemAvailable", &available)
      || total <= 0)
    return;
  if (!again)
    collect_real (ctx, "host.memory.available", "host", available / total);
  otlp_gauge (o, "system.memory.usage", "By", total - available,
              "system.memory.state", "used");
  otlp_gauge (o, "system.memory.usage", "By", available,
              "system.memory.state", "available");
}

/* Memory that the host itself found bad, of all its controllers. */
static void
memory_errors (struct collect_ctx *ctx, const char *sys)
{
  static const char *const counts[] = { "ce_count", "ue_count" };
  int64_t sum[2] = { 0, 0 };
  bool any = false;

  for (unsigned mc = 0; mc < 16; mc++)
    for (size_t i = 0; i < 2; i++)
      {
        struct buf text CLEANUP_BUF = BUF_INIT (32);
        char path[300];
        int64_t n;

        snprintf (path, sizeof path,
                  "%.200s/devices/system/edac/mc/mc%u/%s", sys, mc, counts[i]);
        if (collect_slurp (path, &text, NULL) < 0)
          continue;
        any = true;
        n = atoll (buf_str (&text));
        sum[i] += n > 0 && n < INT32_MAX ? n : 0;
      }
  if (!any)
    return;
  collect_int (ctx, "host.memory_errors", "host", sum[0] + sum[1]);
  collect_int (ctx, "host.memory_uncorrected", "host", sum[1]);
}

/* " MCE:  0  0   Machine check exceptions", a number for each processor. */
static void
machine_checks (struct collect_ctx *ctx, const char *interrupts)
{
  CLEANUP_FCLOSE FILE *f = fopen (interrupts, "re");
  CLEANUP_FREE char *line = NULL;
  size_t size = 0;
  int64_t sum = 0;

  while (f && getline (&line, &size, f) > 0)
    {
      char *p = line + strspn (line, " "), *end;

      if (strncmp (p, "MCE:", 4) != 0)
        continue;
      for (p += 4;; p = end)
        {
          unsigned long long n = strtoull (p, &end, 10);

          if (end == p)
            break;
          sum += n < INT32_MAX ? (int64_t) n : 0;
        }
      collect_int (ctx, "host.machine_checks", "host", sum);
      return;
    }
}

/* What the host's hardware has told of itself. */
void
host_hardware_ (struct collect_ctx *ctx, const char *sys,
                const char *interrupts)
{
  memory_errors (ctx, sys);
  machine_checks (ctx, interrupts);
}

static void
links (struct collect_ctx *ctx)
{
  CLEANUP_JSON struct json_object *doc = json_object_new_object ();

  collect_links (ctx, "/sys", doc);
  if (json_object_object_length (doc))
    collect_json (ctx, "host/links.json", doc);
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  struct cgroups groups = { .known = false };
  struct otlp o;

  otlp_begin (&o, clock_wall_ms ());
  pressure (ctx, &o, false);
  load_and_memory (ctx, &o, false);
  collect_copy (ctx, "/proc/stat", "host/stat", MAX_FILE, NULL);
  collect_copy (ctx, "/proc/diskstats", "host/diskstats", MAX_FILE, NULL);
  host_hardware_ (ctx, "/sys", "/proc/interrupts");
  links (ctx);
  collect_cgroups (ctx, &groups);
  collect_qemu (ctx, &o);
  collect_cgroups_again (ctx, &groups);
  otlp_at (&o, clock_wall_ms ());
  pressure (ctx, &o, true);
  load_and_memory (ctx, &o, true);
  collect_hostlog (ctx);
  otlp_end (&o, ctx, "metrics/host.otlp.jsonl");
  /* Last, since it asks what should answer, but need not. */
  host_room_ (ctx, "/proc/self/mountinfo");
  return 0;
}

const struct collector collect_host = {
  .name = "host",
  .summary = "host pressure, memory, kernel log; QEMU, its threads and limits",
  .touch = TOUCH_NOTHING,
  .lane = LANE_HOST,
  .budget_ms = 5000,
  .bytes = 48 << 10,
  .fades = true,
  .run = run,
};
