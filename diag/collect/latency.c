/* SPDX-License-Identifier: Apache-2.0
 *
 * How long requests of disks take, where somebody has QEMU count that: its
 * histograms (block-latency-histogram-set) and its statistics of intervals
 * (stats-intervals of a drive).  Nothing is switched on here.  The answers are
 * a stranger's, as in qmp_facts.c.
 */
#include "diag/collect/qmp.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME "monitor/latency.txt"
#define MAX_TEXT (32u << 10)
#define MAX_BINS 64
#define MAX_INTERVALS 16

static const struct
{
  const char *key, *name;
} kinds[] = { { "rd", "read" },
              { "wr", "write" },
              { "flush", "flush" },
              { "zap", "zone append" } };

/* Bin i has what took from_ns[i] or longer, and less than the next one. */
struct histogram
{
  size_t n;
  int64_t from_ns[MAX_BINS], count[MAX_BINS];
};

/* Of a list, -1 = that is no number there. */
static int64_t
number_at (struct json_object *list, size_t i)
{
  struct json_object *o = json_object_array_get_idx (list, i);

  return json_object_is_type (o, json_type_int) ? json_object_get_int64 (o)
                                                : -1;
}

static bool
read_histogram (struct json_object *stats, const char *kind,
                struct histogram *ret)
{
  struct json_object *o, *bounds, *bins;
  char key[40];

  snprintf (key, sizeof key, "%s_latency_histogram", kind);
  o = json_get (stats, key);
  bounds = json_get (o, "boundaries");
  bins = json_get (o, "bins");
  ret->n = json_count (bins);
  if (ret->n == 0 || ret->n > MAX_BINS || json_count (bounds) != ret->n - 1)
    return false;
  for (size_t i = 0; i < ret->n; i++)
    {
      ret->from_ns[i] = i ? number_at (bounds, i - 1) : 0;
      ret->count[i] = number_at (bins, i);
      if (ret->count[i] < 0 || (i && ret->from_ns[i] <= ret->from_ns[i - 1]))
        return false;
    }
  return true;
}

/* None where it was set anew in between, or not set then. */
static int64_t
grown (const struct histogram *was, const struct histogram *now, size_t i)
{
  if (was->n != now->n
      || memcmp (was->from_ns, now->from_ns, now->n * sizeof *now->from_ns)
             != 0)
    return 0;
  return now->count[i] > was->count[i] ? now->count[i] - was->count[i] : 0;
}

/* For people: "  10.0 ms to 50.0 ms       3  +1". */
static void
show (struct buf *out, const char *target, const char *kind,
      const struct histogram *was, const struct histogram *now)
{
  text_escape (out, target, strlen (target), 0);
  buf_printf (out, ", %s: how long requests took, how many did since somebody "
              "has QEMU count, and of them between the two looks\n", kind);
  for (size_t i = 0; i < now->n; i++)
    {
      char to[32] = "longer";

      if (i + 1 < now->n)
        snprintf (to, sizeof to, "to %.3f ms",
                  (double) now->from_ns[i + 1] / 1e6);
      buf_printf (out, "  %12.3f ms  %-18s %10" PRId64 "  +%" PRId64 "\n",
                  (double) now->from_ns[i] / 1e6, to, now->count[i],
                  grown (was, now, i));
    }
}

/* From which on the slowest request between the looks took, of all kinds; -1:
 * none that is counted. */
static int64_t
histograms (const char *target, struct json_object *was,
            struct json_object *now, struct buf *out)
{
  int64_t slowest = -1;

  for (size_t k = 0; k < ARRAY_LEN (kinds); k++)
    {
      struct histogram a = { .n = 0 }, b;

      if (!read_histogram (now, kinds[k].key, &b))
        continue;
      if (!read_histogram (was, kinds[k].key, &a))
        a.n = 0;
      show (out, target, kinds[k].name, &a, &b);
      for (size_t i = 0; i < b.n; i++)
        if (grown (&a, &b, i) > 0 && b.from_ns[i] > slowest)
          slowest = b.from_ns[i];
    }
  return slowest;
}

/* The longest of any of its intervals, -1 = none is counted. */
static int64_t
longest (struct json_object *list)
{
  int64_t most = -1;

  for (size_t i = 0; i < json_count (list) && i < MAX_INTERVALS; i++)
    for (size_t k = 0; k < ARRAY_LEN (kinds); k++)
      {
        char key[40];
        int64_t ns;

        snprintf (key, sizeof key, "max_%s_latency_ns", kinds[k].key);
        ns = json_get_int (json_object_array_get_idx (list, i), key, -1);
        most = ns > most ? ns : most;
      }
  return most;
}

static void
say (struct collect_ctx *ctx, const char *name, int64_t ns)
{
  if (ns >= 0)
    collect_real (ctx, name, "monitor", (double) ns / 1e6);
}

void
qmp_latency_ (struct collect_ctx *ctx, const char *target,
              struct json_object *was, struct json_object *now)
{
  struct buf out CLEANUP_BUF = BUF_INIT (MAX_TEXT);
  char name[FACT_NAME_MAX];

  collect_name (name, sizeof name, "disk.", target, ".slowest_ms");
  say (ctx, name, histograms (target, was, now, &out));
  collect_name (name, sizeof name, "disk.", target, ".longest_ms");
  say (ctx, name, longest (json_get (now, "timed_stats")));
  if (out.len)
    ctx->out->file (ctx->out, FILE_NAME, buf_str (&out), out.len);
}
