/* SPDX-License-Identifier: Apache-2.0
 *
 * Where QEMU has each block of a guest's memory, by /proc/PID/maps.
 *
 * A block without a file is told by three things together: QEMU maps it on a
 * boundary of 2 MiB, leaves one page behind it that nobody may touch, and it
 * is as large as the command line says.  The kernel may have split what was
 * mapped at once, and may have joined it with what lies before it.
 */
#include "transports/memory/memory_impl.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096ull
#define HUGE (2ull << 20)
#define MAX_AREAS 65536u
#define MAX_FOUND 64u

struct area
{
  uint64_t start, end, offset, inode;
  unsigned dev_major, dev_minor;
  bool rw, shared, guard;
  const char *name; /* in the text, name_len bytes */
  size_t name_len;
};

struct areas
{
  struct area *list;
  size_t n;
};

/* ---- the text ---- */

static bool
parse_line (const char *line, size_t len, struct area *ret)
{
  char head[160], perms[5];
  struct area a = { 0 };
  int at = 0;

  snprintf (head, sizeof head, "%.*s", (int) (len < 150 ? len : 150), line);
  if (sscanf (head,
              "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n",
              &a.start, &a.end, perms, &a.offset, &a.dev_major, &a.dev_minor,
              &a.inode, &at)
          < 7
      || a.end <= a.start || strlen (perms) != 4)
    return false;
  a.rw = perms[0] == 'r' && perms[1] == 'w' && perms[2] == '-';
  a.shared = perms[3] == 's';
  a.guard = perms[0] == '-' && perms[1] == '-' && perms[2] == '-';
  if (at > 0 && (size_t) at < len)
    {
      a.name = line + at;
      a.name_len = len - (size_t) at;
    }
  *ret = a;
  return true;
}

static int
parse_maps (const char *maps, size_t len, struct areas *ret, struct error *err)
{
  struct areas all = { NULL, 0 };
  size_t cap = 0;

  while (len > 0)
    {
      const char *end = memchr (maps, '\n', len);
      size_t n = end ? (size_t) (end - maps) : len;
      size_t step = end ? n + 1 : n;

      if (all.n == cap && cap < MAX_AREAS)
        {
          struct area *more;

          cap = cap ? 2 * cap : 512;
          more = realloc (all.list, cap * sizeof *more);
          if (!more)
            {
              free (all.list);
              return error_set (err, ENOMEM, "no memory for its mappings");
            }
          all.list = more;
        }
      if (all.n == cap)
        break;
      all.n += parse_line (maps, n, &all.list[all.n]);
      maps += step;
      len -= step;
    }
  *ret = all;
  return 0;
}

/* ---- candidates ---- */

/* Where one block may be; better is more. */
struct found
{
  uint64_t va, inode;
  const struct area *first;
  unsigned better;
};

struct search
{
  const struct areas *all;
  const struct memory_plan *plan;
  const struct memory_block *block;
  const struct found *placed; /* of larger blocks */
  uint64_t size;
  bool pluggable;
  struct found found[MAX_FOUND];
  unsigned n;
};

static void
add_found (struct search *s, struct found f)
{
  if (s->n > 0 && f.better < s->found[0].better)
    return;
  if (s->n > 0 && f.better > s->found[0].better)
    s->n = 0;
  if (s->n < MAX_FOUND)
    s->found[s->n++] = f;
}

/* Not the heap and not a stack; some libraries name what they map. */
static bool
is_anonymous (const struct area *a)
{
  return a->rw && !a->shared && a->inode == 0
         && (a->name_len == 0 || strncmp (a->name, "[anon", 5) == 0);
}

/* A larger piece of memory that was plugged in, and not one of ours with
 * something that was joined with it: that would be larger by less, or begin
 * anywhere. */
static bool
is_larger (const struct areas *all, size_t k, uint64_t start)
{
  while (k > 0 && is_anonymous (&all->list[k - 1])
         && all->list[k - 1].end == all->list[k].start)
    k--;
  return all->list[k].start % HUGE == 0
         && (start - all->list[k].start) % MEMORY_LEAST_PLUGGED == 0;
}

/* The end of a larger block looks like a smaller one. */
static bool
is_placed (const struct search *s, uint64_t va)
{
  for (unsigned i = 0; i < s->plan->n; i++)
    if (s->plan->blocks[i].size > s->block->size
        && va < s->placed[i].va + s->plan->blocks[i].size
        && va + s->size > s->placed[i].va)
      return true;
  return false;
}

static void
search_anonymous (struct search *s)
{
  const struct areas *all = s->all;

  for (size_t i = 0; i + 1 < all->n; i++)
    {
      const struct area *last = &all->list[i];
      uint64_t start, align = s->size >= HUGE ? HUGE : PAGE;
      size_t k = i;

      if (!is_anonymous (last) || !last[1].guard || last[1].start != last->end
          || last->end < s->size)
        continue;
      start = last->end - s->size;
      while (all->list[k].start > start && k > 0
             && is_anonymous (&all->list[k - 1])
             && all->list[k - 1].end == all->list[k].start)
        k--;
      if (all->list[k].start > start || start % align || is_placed (s, start)
          || (s->pluggable && all->list[k].start != start
              && is_larger (all, k, start)))
        continue;
      /* Where others may have come later, looking good says nothing. */
      add_found (s, (struct found){ start, 0, &all->list[k],
                                    s->pluggable                  ? 0
                                    : all->list[k].start != start ? 0
                                    : k == i                      ? 2
                                                                  : 1 });
    }
}

static bool
name_has (const struct area *a, const char *what)
{
  return what[0] && a->name_len >= strlen (what)
         && memmem (a->name, a->name_len, what, strlen (what)) != NULL;
}

/* How well a mapped file fits: by its own name, by that of the backend, which
 * QEMU puts into the names of files that it makes, or as some memory file. */
static unsigned
name_fits (const struct area *a, const struct memory_block *b)
{
  char made[96];

  snprintf (made, sizeof made, "qemu_back_mem._objects_%s.", b->id);
  if (b->id[0] && name_has (a, made))
    return 4;
  if (b->path[0])
    return name_has (a, b->path)                                 ? 3
           : name_has (a, "qemu_back_mem.") && name_has (a, "/") ? 1
                                                                 : 0;
  if (name_has (a, "/memfd:"))
    return b->id[0] && name_has (a, b->id) ? 3 : 2;
  return name_has (a, "/dev/zero") ? 2 : 0;
}

/* All of the file from its beginning on, in one or several pieces. */
static void
search_file (struct search *s)
{
  const struct areas *all = s->all;

  for (size_t i = 0; i < all->n; i++)
    {
      const struct area *first = &all->list[i];
      uint64_t end = first->end;
      unsigned fits;

      if (!first->rw || first->inode == 0 || first->shared != s->block->shared
          || first->offset != 0 || !(fits = name_fits (first, s->block)))
        continue;
      for (size_t k = i + 1; k < all->n && end - first->start < s->size; k++)
        {
          const struct area *a = &all->list[k];

          if (!a->rw || a->start != end || a->inode != first->inode
              || a->dev_major != first->dev_major
              || a->dev_minor != first->dev_minor
              || a->offset != end - first->start)
            break;
          end = a->end;
        }
      if (end - first->start == s->size)
        add_found (s,
                   (struct found){ first->start, first->inode, first, fits });
    }
}

/* Blocks that look alike were made in order: files of a kernel's own have
 * rising numbers, and mappings come from the top down. */
static int
by_age (const void *a, const void *b)
{
  const struct found *x = a, *y = b;

  if (x->inode != y->inode)
    return x->inode < y->inode ? -1 : 1;
  return x->va > y->va ? -1 : x->va < y->va;
}

/* ---- placing ---- */

static bool
same_kind (const struct memory_block *a, const struct memory_block *b)
{
  return a->size == b->size && a->shared == b->shared && a->named == b->named
         && strcmp (a->path, b->path) == 0;
}

/* Which of those that look alike is the i-th block, and how many of them the
 * plan has. */
static unsigned
rank_of (const struct memory_plan *plan, unsigned i, unsigned *ret_of)
{
  unsigned rank = 0, of = 0;

  for (unsigned k = 0; k < plan->n; k++)
    if (same_kind (&plan->blocks[k], &plan->blocks[i]))
      {
        rank += k < i;
        of++;
      }
  *ret_of = of;
  return rank;
}

static int
find_block (const struct memory_plan *plan, unsigned i, const struct areas *all,
            struct found *found, bool *ret_guess, struct error *err)
{
  const struct memory_block *b = &plan->blocks[i];
  struct search s = { .all = all,
                      .plan = plan,
                      .block = b,
                      .placed = found,
                      .size = (b->size + PAGE - 1) & ~(PAGE - 1),
                      .pluggable = plan->pluggable };
  unsigned of, rank = rank_of (plan, i, &of);

  if (b->named || b->shared)
    search_file (&s);
  else
    search_anonymous (&s);
  if (s.n == 0)
    return error_set (err, ENOENT,
                      "no mapping of its QEMU looks like its memory%s%.60s of "
                      "%" PRIu64 " MiB",
                      b->id[0] ? " " : "", b->id, b->size >> 20);
  qsort (s.found, s.n, sizeof *s.found, by_age);
  /* A file that says whose it is stands alone. */
  if (s.n == 1 && (of == 1 || s.found[0].better >= 3))
    rank = 0, of = 1;
  if (s.n != of)
    return error_set (err, EEXIST,
                      "%u mappings of its QEMU look like its memory%s%.60s of "
                      "%" PRIu64 " MiB%s",
                      s.n, b->id[0] ? " " : "", b->id, b->size >> 20,
                      plan->pluggable && s.n > of
                          ? ": as much was plugged in since it was started, "
                            "and which is which is not known"
                          : "");
  *ret_guess |= of > 1;
  found[i] = s.found[rank];
  return 0;
}

/* The largest first, as is_placed() wants it. */
static int
find_blocks (const struct memory_plan *plan, const struct areas *all,
             struct found *found, bool *ret_guess, struct error *err)
{
  uint64_t size = UINT64_MAX, next;
  int r = 0;

  do
    {
      next = 0;
      for (unsigned i = 0; i < plan->n; i++)
        if (plan->blocks[i].size < size && plan->blocks[i].size > next)
          next = plan->blocks[i].size;
      for (unsigned i = 0; i < plan->n && r == 0; i++)
        if (plan->blocks[i].size == next)
          r = find_block (plan, i, all, found, ret_guess, err);
      size = next;
    }
  while (next > 0 && r == 0);
  return r;
}

/* ---- what was plugged in later ---- */

static bool
is_found (const struct memory_plan *plan, const struct found *found,
          const struct area *a)
{
  for (unsigned i = 0; i < plan->n; i++)
    if (a->start < found[i].va + plan->blocks[i].size && a->end > found[i].va)
      return true;
  return false;
}

/* The first of those that were mapped at once with this one. */
static size_t
first_of (const struct areas *all, size_t i, const struct memory_plan *plan,
          const struct found *found)
{
  while (i > 0 && is_anonymous (&all->list[i - 1])
         && all->list[i - 1].end == all->list[i].start
         && !is_found (plan, found, &all->list[i - 1]))
    i--;
  return i;
}

/* Memory of a machine that is no block of the plan: like one without a file,
 * or a file that QEMU named as such.  How much; on the safe side where what
 * lies before it was joined with it. */
static uint64_t
find_plugged (const struct memory_plan *plan, const struct areas *all,
              const struct found *found, uint64_t *ret_id)
{
  uint64_t sum = 0, len, id = 0;

  for (size_t i = 0; i < all->n; i++)
    {
      const struct area *a = &all->list[i];

      if (is_found (plan, found, a))
        continue;
      len = 0;
      if (a->rw && a->inode != 0 && a->offset == 0
          && (name_has (a, "memory-backend") || name_has (a, "qemu_back_mem")))
        len = a->end - a->start;
      else if (is_anonymous (a) && i + 1 < all->n && a[1].guard
               && a[1].start == a->end)
        len = a->end
              - ((all->list[first_of (all, i, plan, found)].start + HUGE - 1)
                 & ~(HUGE - 1));
      if (len >= MEMORY_LEAST_PLUGGED && len <= a->end)
        {
          sum += len;
          id = (id ^ a->end) * 0x100000001b3ULL + len;
        }
    }
  *ret_id = id;
  return sum;
}

/* All of it in one shared file: then that is what is read. */
static bool
one_file (const struct memory_plan *plan, const struct found *found)
{
  for (unsigned i = 0; i < plan->n; i++)
    if (!plan->blocks[i].shared || found[i].inode == 0
        || found[i].first != found[0].first)
      return false;
  return plan->n > 0;
}

int
memory_plan_place (const struct memory_plan *plan, const char *maps, size_t len,
                   struct memory_map *ret, struct error *err)
{
  struct found found[MEMORY_MAX_BLOCKS];
  struct memory_map map = { .n = plan->npieces };
  struct areas all = { NULL, 0 };
  bool guess = false;
  int r = parse_maps (maps, len, &all, err);

  if (r == 0)
    r = find_blocks (plan, &all, found, &guess, err);
  if (r == 0)
    {
      map.file = one_file (plan, found);
      if (map.file)
        snprintf (map.mapping, sizeof map.mapping, "%" PRIx64 "-%" PRIx64,
                  found[0].first->start, found[0].first->end);
      for (unsigned i = 0; i < plan->npieces; i++)
        {
          const struct memory_piece *p = &plan->pieces[i];
          uint64_t va = found[p->block].va + p->at;

          map.ranges[i] = (struct memory_range){ p->gpa, p->len,
                                                 map.file ? p->at : va, va };
          map.size += p->len;
        }
      memcpy (map.machine, plan->machine, sizeof map.machine);
      snprintf (map.note, sizeof map.note, "%s", plan->note);
      map.guess = guess;
      map.guess_at = (uint16_t) strlen (map.note);
      if (guess)
        memory_note_ (&map, "its backends look alike: their order is a guess",
                      0);
      map.guess_len = (uint16_t) (strlen (map.note) - map.guess_at);
      if (plan->pluggable)
        map.plugged = find_plugged (plan, &all, found, &map.plugged_id);
      for (map.nrule = 0; map.nrule < map.n; map.nrule++)
        map.rule_va[map.nrule] = map.ranges[map.nrule].va;
      if (map.plugged > 0)
        {
          map.plugged_at = (uint16_t) strlen (map.note);
          memory_note_ (&map,
                     "%llu MiB seem to have been plugged in since it was "
                     "started: they are not read, and what is in them is "
                     "missing here",
                     map.plugged >> 20);
          map.plugged_len = (uint16_t) (strlen (map.note) - map.plugged_at);
        }
      *ret = map;
    }
  free (all.list);
  return r;
}

/* By the rules, which both were found by; the monitor may have been asked of
 * one of them. */
bool
memory_map_same (const struct memory_map *a, const struct memory_map *b)
{
  bool same = a->nrule == b->nrule && a->plugged_id == b->plugged_id;

  for (unsigned i = 0; same && i < a->nrule; i++)
    same = a->ranges[i].gpa == b->ranges[i].gpa
           && a->ranges[i].len == b->ranges[i].len
           && a->rule_va[i] == b->rule_va[i];
  return same;
}
