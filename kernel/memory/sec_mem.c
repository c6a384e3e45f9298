/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "mem": the kernel's own counts of its memory, by the names that it
 * has for them, and what is free in pieces of each size.
 */
#include "kernel/memory/look.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAX_COUNTS 128
#define MAX_NODES 1024
#define MAX_ZONES 8
#define MAX_ORDERS 32
#define MAX_EVENTS 1024
#define CPUS_MAX 8192u

/* "NR_FREE_PAGES" is told as "free_pages". */
static bool
short_name (const char *name, char *dst, size_t size)
{
  size_t i;

  if (strncmp (name, "NR_", 3) == 0)
    name += 3;
  for (i = 0; name[i] && i < size - 1; i++)
    {
      if (!isalnum ((unsigned char) name[i]) && name[i] != '_')
        return false;
      dst[i] = (char) tolower ((unsigned char) name[i]);
    }
  dst[i] = '\0';
  return i > 0;
}

static void
say_counts (struct look *l, const char *var, const char *type)
{
  struct kernel *k = l->k;
  uint64_t at = kernel_var (k, var), v;
  const char *name;
  char text[48];

  if (!at || !k->btf)
    return;
  for (int64_t i = 0; i < MAX_COUNTS; i++)
    {
      name = btf_enum_name (k->btf, type, i);
      /* The last of them is how many there are. */
      if (!name || strncmp (name, "NR_VM_", 6) == 0
          || !space_u64 (k->space, at + 8 * (uint64_t) i, &v))
        break;
      if (short_name (name, text, sizeof text))
        rows_int (l->rows, text, (int64_t) v < 0 ? 0 : (int64_t) v);
    }
}

/* Since it was started; each CPU counts its own. */
static void
say_events (struct look *l)
{
  static const char *const events[][2]
      = { { "PSWPIN", "swapped_in" },
          { "PSWPOUT", "swapped_out" },
          { "PGSCAN_DIRECT", "scanned_direct" },
          { "OOM_KILL", "oom_kills" } };
  struct kernel *k = l->k;
  unsigned n = kernel_cpus (k);
  uint64_t at, v, all;
  int64_t which;

  if (!k->btf || kernel_percpu (k, "vm_event_states", 0) == 0)
    return;
  for (size_t i = 0; i < ARRAY_LEN (events); i++)
    {
      if (!btf_enum (k->btf, events[i][0], &which) || which < 0
          || which >= MAX_EVENTS)
        continue;
      all = 0;
      for (unsigned cpu = 0; cpu < n && cpu < CPUS_MAX; cpu++)
        if ((at = kernel_percpu (k, "vm_event_states", cpu))
            && space_u64 (k->space, at + 8 * (uint64_t) which, &v))
          all += v;
      rows_uint (l->rows, events[i][1], all);
    }
}

/* Below it only who frees memory gets some. */
static void
say_reserve (struct look *l, uint64_t zone)
{
  uint64_t min;

  if (kernel_has (l->k, ZONE_WATERMARK)
      && space_u64 (l->k->space, zone + l->k->fields.at[ZONE_WATERMARK].offset,
                    &min))
    rows_uint (l->rows, "min", min);
}

static void
say_zone (struct look *l, unsigned node, uint64_t zone)
{
  struct kernel *k = l->k;
  uint64_t name_at, present = 0, n;
  uint32_t area = 0, orders;
  char name[32] = "";

  if (!kernel_get (k, zone, ZONE_PRESENT, &present) || present == 0
      || !btf_sizeof (k->btf, "free_area", &area) || area == 0)
    return;
  if (kernel_get (k, zone, ZONE_NAME, &name_at))
    (void) space_text (k->space, name_at, name, sizeof name);
  orders = k->fields.at[ZONE_FREE_AREA].size / area;
  rows_begin (l->rows, "zone");
  rows_uint (l->rows, "node", node);
  rows_text (l->rows, "zone", name, strlen (name));
  rows_uint (l->rows, "present", present);
  say_reserve (l, zone);
  rows_array (l->rows, "free_by_order");
  for (uint32_t i = 0; i < orders && i < MAX_ORDERS; i++)
    if (kernel_get (k, zone + k->fields.at[ZONE_FREE_AREA].offset + i * area,
                    FREE_AREA_NR, &n))
      rows_uint (l->rows, NULL, n);
  rows_array_end (l->rows);
  rows_end (l->rows);
}

static void
say_node (struct look *l, unsigned node, uint64_t at)
{
  struct kernel *k = l->k;
  uint32_t zone = 0;

  if (!kernel_has (k, NODE_ZONES) || !kernel_has (k, ZONE_FREE_AREA) || !k->btf
      || !btf_sizeof (k->btf, "zone", &zone) || zone == 0)
    return;
  for (unsigned i = 0;
       i < k->fields.at[NODE_ZONES].size / zone && i < MAX_ZONES; i++)
    say_zone (l, node, at + k->fields.at[NODE_ZONES].offset + i * zone);
}

static int
run (struct look *l, struct error *err)
{
  struct kernel *k = l->k;
  uint64_t total = kernel_var (k, "_totalram_pages"), v, nodes;

  if (total == 0) /* before 5.0 */
    total = kernel_var (k, "totalram_pages");
  if (total && space_u64 (k->space, total, &v))
    {
      rows_begin (l->rows, "mem");
      rows_uint (l->rows, "total_pages", v);
      say_counts (l, "vm_zone_stat", "zone_stat_item");
      say_counts (l, "vm_node_stat", "node_stat_item");
      say_events (l);
      rows_end (l->rows);
    }
  else
    look_lacks (l, "mem", "totals", "no symbol _totalram_pages");
  nodes = kernel_var (k, "node_data");
  for (unsigned i = 0; nodes && i < MAX_NODES; i++)
    {
      if (!space_u64 (k->space, nodes + 8 * i, &v) || v == 0)
        break;
      say_node (l, i, v);
    }
  if (!nodes && (v = kernel_var (k, "contig_page_data")))
    say_node (l, 0, v);
  return 0;
}

const struct section section_mem = {
  .name = "mem",
  .summary = "memory: the kernel's counts, and what is free by size",
  .cheap = true,
  .run = run,
};
