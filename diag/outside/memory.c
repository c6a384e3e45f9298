/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a guest has memory, and who has it.
 *
 * Little that could be had is no trouble of itself: it is when somebody waits
 * for it.  Who waits is told by the kernel's own clock of that (pressure), by
 * where its tasks stand and by what it counts; a kernel need not have all of
 * them.
 */
#include "diag/outside/outside_impl.h"

#include "base/cleanup.h"

/* Of all of it.  Files of the running programs are part of what could be had:
 * where there is less, they are thrown away and read again. */
#define LITTLE 0.12
#define HARDLY_ANY 0.02
#define MOST 0.3 /* who has so much of it is named */
#define DEPTH 64
#define MAX_ASKED 4000 /* tasks */

static struct json_object *
counts (const struct outside *o)
{
  size_t i = 0;
  struct json_object *row = outside_next_ (o, "mem", &i);

  return num_of (row, "total_pages") > 0 ? row : NULL;
}

/* The counters of them together, as a part of all memory. */
static double
part_of (struct json_object *mem, const char *const *names, size_t n)
{
  double pages = 0;

  for (size_t i = 0; i < n; i++)
    pages += (double) num_of (mem, names[i]);
  return pages / (double) num_of (mem, "total_pages");
}

double
outside_file_cache_ (const struct outside *o)
{
  static const char *const files[] = { "active_file", "inactive_file" };
  struct json_object *mem = counts (o);

  return mem && json_get (mem, "active_file")
             ? part_of (mem, files, ARRAY_LEN (files))
             : -1;
}

double
outside_available_ (const struct outside *o)
{
  static const char *const parts[]
      = { "free_pages", "inactive_file", "active_file", "slab_reclaimable",
          "slab_reclaimable_b" };
  struct json_object *mem = counts (o);

  return mem && json_get (mem, "free_pages")
             ? part_of (mem, parts, ARRAY_LEN (parts))
             : -1;
}

/* ---- who waits for it ---- */

static bool
begins_with_one (const char *frame, const char *const *names, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (strncmp (frame, names[i], strlen (names[i])) == 0)
      return true;
  return false;
}

static bool
has_frame (const struct outside *o, struct json_object *row,
           const char *const *names, size_t n)
{
  const char *frames[DEPTH];
  unsigned depth = outside_frames_ (o, row, frames, DEPTH);

  for (unsigned i = 0; i < depth; i++)
    if (begins_with_one (frames[i], names, n))
      return true;
  return false;
}

/* It looks for pages of others to throw away, moves them together or waits for
 * one to come back from swap.  In a control group that has none left while the
 * guest has, that is the group's affair. */
static bool
reclaims (const struct outside *o, struct json_object *task)
{
  static const char *const names[]
      = { "try_to_free_pages", "do_try_to_free_pages", "shrink_node",
          "shrink_lruvec", "shrink_folio_list", "shrink_page_list",
          "do_shrink_slab", "__alloc_pages_direct", "__alloc_pages_slowpath",
          "try_to_compact_pages", "compact_zone", "throttle_direct_reclaim",
          "out_of_memory", "do_swap_page", "swapin_", "swap_read" };
  static const char *const groups[]
      = { "try_to_free_mem_cgroup_pages", "mem_cgroup_out_of_memory" };

  return !json_get_bool (task, "kthread", false)
         && has_frame (o, task, names, ARRAY_LEN (names))
         && !has_frame (o, task, groups, ARRAY_LEN (groups));
}

bool
outside_asks_memory_ (const struct outside *o, struct json_object *row)
{
  static const char *const names[]
      = { "__alloc_pages", "__alloc_frozen_pages", "alloc_pages",
          "get_page_from_freelist", "folio_alloc", "filemap_fault",
          "filemap_get_pages", "handle_mm_fault", "__handle_mm_fault",
          "shrink_", "try_to_free_pages", "compact_zone", "balance_pgdat" };

  return has_frame (o, row, names, ARRAY_LEN (names));
}

static double
reclaimers (const struct outside *o)
{
  double n = 0;

  for (size_t i = 0; i < o->tasks.n && i < MAX_ASKED; i++)
    n += reclaims (o, o->tasks.rows[i]);
  return n;
}

double
outside_memory_pressure_ (const struct outside *o, const char *which)
{
  size_t i = 0;
  struct json_object *row = outside_next_ (o, "system", &i);

  row = json_get (row, "pressure");
  return json_get (row, which) ? real_of (row, which) : -1;
}

static double
all_wait (const struct outside *o)
{
  return outside_memory_pressure_ (o, "memory_full");
}

static double
some_wait (const struct outside *o)
{
  return outside_memory_pressure_ (o, "memory_some");
}

/* By how much one counter grew between two looks. */
static double
grown (const struct outside *o, const char *name)
{
  struct json_object *now = counts (o);
  struct json_object *was = outside_before_ (o, "mem", NULL, 0);

  return json_get (now, name) && json_get (was, name)
             ? (double) (num_of (now, name) - num_of (was, name))
             : 0;
}

static double
killed (const struct outside *o)
{
  return grown (o, "oom_kills");
}

/* Percent of all memory, between two looks. */
static double
swapped (const struct outside *o)
{
  struct json_object *mem = counts (o);
  double pages = grown (o, "swapped_in") + grown (o, "swapped_out");

  return mem ? 100 * pages / (double) num_of (mem, "total_pages") : 0;
}

static double
searched (const struct outside *o)
{
  struct json_object *mem = counts (o);

  return mem ? 100 * grown (o, "scanned_direct")
                   / (double) num_of (mem, "total_pages")
             : 0;
}

static long long
free_in (struct json_object *zone)
{
  struct json_object *list = json_get (zone, "free_by_order");
  long long pages = 0;

  for (size_t i = 0; i < len_of (list) && i < 20; i++)
    {
      int64_t n = json_object_get_int64 (json_object_array_get_idx (list, i));

      if (n > 0 && n < 1ll << 40)
        pages += (long long) n << i;
    }
  return pages;
}

/* Percent of it is in zones in which no more is left than what the kernel
 * keeps for itself. */
static double
used_up (const struct outside *o)
{
  struct json_object *row;
  double all = 0, up = 0;
  size_t i = 0;

  while ((row = outside_next_ (o, "zone", &i)))
    {
      double present = (double) num_of (row, "present");

      all += present;
      if (num_of (row, "min") > 0 && free_in (row) < num_of (row, "min"))
        up += present;
    }
  return all > 0 ? 100 * up / all : 0;
}

/* What is not so of a guest that only makes use of what it has.  Two points are
 * enough: somebody looks for some now and then where little is left. */
#define POINTS 2u
static const struct sign
{
  double (*of) (const struct outside *o);
  double from;
  unsigned points;
  const char *text;
} signs[] = {
  { all_wait, 5, 2, "everything waited for some %.0f % of the time" },
  { some_wait, 25, 2, "something waited for some %.0f % of the time" },
  { killed, 1, 2, "%.0f tasks were killed meanwhile" },
  { reclaimers, 1, 1, "tasks that look for some now: %.0f" },
  { swapped, 0.5, 2, "%.0f % went to swap or back meanwhile" },
  { searched, 1, 1, "%.0f % was searched meanwhile" },
  { used_up, 50, 2, "%.0f % is down to the kernel's reserve" },
};

/* Their texts have one number, and no other use of "%". */
static void
add_sign (struct buf *to, const struct sign *s, double v)
{
  const char *at = strstr (s->text, "%.0f");

  buf_append (to, s->text, (size_t) (at - s->text));
  buf_printf (to, "%.0f", v);
  buf_puts (to, at + 4);
}

bool
outside_short_of_memory_ (const struct outside *o, struct buf *to)
{
  double left = outside_available_ (o);
  unsigned points = 0;

  if (left < 0 || left >= LITTLE)
    return false;
  if (to)
    buf_printf (to, "%.0f %% is left", 100 * left);
  for (size_t i = 0; i < ARRAY_LEN (signs); i++)
    {
      double v = signs[i].of (o);

      if (v < signs[i].from)
        continue;
      points += signs[i].points;
      if (!to)
        continue;
      buf_puts (to, ", ");
      add_sign (to, &signs[i], v);
    }
  return points >= POINTS;
}

/* ---- who has it ---- */

static struct json_object *
largest_group (const struct outside *o)
{
  struct json_object *row, *most = NULL;
  size_t i = 0;

  while ((row = outside_next_ (o, "cgroup", &i)))
    if (strcmp (str_of (row, "cgroup"), "/") != 0
        && num_of (row, "used") > num_of (most, "used"))
      most = row;
  return most;
}

/* Without numbers: those differ when it comes again. */
bool
outside_memory_holder_ (const struct outside *o, struct buf *to)
{
  static const struct
  {
    const char *names[2], *text;
  } kinds[] = {
    { { "shmem", "" }, "shared memory and tmpfs" },
    { { "anon_mapped", "" }, "its processes" },
    { { "slab_unreclaimable", "slab_unreclaimable_b" }, "its kernel (slab)" },
  };
  struct json_object *mem = counts (o), *group = largest_group (o);
  size_t k = 0;
  double all = (double) num_of (outside_next_ (o, "guest", &k),
                                "memory_bytes");
  double most = MOST;
  int which = -1;

  for (size_t i = 0; mem && i < ARRAY_LEN (kinds); i++)
    {
      double part = part_of (mem, kinds[i].names, 2);

      if (part >= most)
        {
          most = part;
          which = (int) i;
        }
    }
  if (which < 0)
    return false;
  buf_puts (to, kinds[which].text);
  if (all > 0 && (double) num_of (group, "used") >= MOST * all)
    buf_printf (to, ", most of it of %s", str_of (group, "cgroup"));
  return true;
}

/* ---- told ---- */

void
outside_memory_ (struct outside *o)
{
  struct buf why CLEANUP_BUF = BUF_INIT (1024);
  struct json_object *mem = counts (o);
  double left = outside_available_ (o);
  long long dead = num_of (mem, "oom_kills");

  if (outside_short_of_memory_ (o, &why))
    outside_say_ (o, OUTSIDE_DEGRADED, "out-of-memory", NULL,
                  "it is short of memory: %s", buf_str (&why));
  else if (left >= 0 && left < HARDLY_ANY)
    outside_say_ (o, OUTSIDE_DEGRADED, "out-of-memory", NULL,
                  "hardly any memory is left: %.1f %% of it could be had",
                  100 * left);
  if (dead > 0)
    outside_say_ (o, OUTSIDE_NOTE, NULL, NULL,
                  "since it was started %lld task%s killed because there was "
                  "no memory",
                  dead, dead > 1 ? "s were" : " was");
}
