/* SPDX-License-Identifier: Apache-2.0
 *
 * Where QEMU has each block of a guest's memory, by /proc/PID/maps.
 *
 * A block without a file is told by three things together: QEMU maps it on a
 * boundary of 2 MiB, leaves one page behind it that nobody may touch, and it
 * is as large as the command line says.  The kernel may have split what was
 * mapped at once, and may have joined it with what lies before it.
 */
#include "transports/memory/memory.h"

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
/* Linux takes no less at once, and nothing else of QEMU's is as large. */
#define LEAST_PLUGGED (128ull << 20)

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
         && (start - all->list[k].start) % LEAST_PLUGGED == 0;
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
              const struct found *found)
{
  uint64_t sum = 0, len;

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
      if (len >= LEAST_PLUGGED && len <= a->end)
        sum += len;
    }
  return sum;
}

static void
note_more (struct memory_map *map, const char *fmt, unsigned long long mib)
{
  size_t have = strlen (map->note);

  if (have > 0)
    have += (size_t) snprintf (map->note + have, sizeof map->note - have, "; ");
  if (have < sizeof map->note)
    snprintf (map->note + have, sizeof map->note - have, fmt, mib);
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
      snprintf (map.note, sizeof map.note, "%s%s%s", plan->note,
                plan->note[0] && guess ? "; " : "",
                guess ? "its backends look alike: their order is a guess" : "");
      if (plan->pluggable)
        map.plugged = find_plugged (plan, &all, found);
      if (map.plugged > 0)
        {
          map.plugged_at = (uint16_t) strlen (map.note);
          note_more (&map,
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

bool
memory_map_same (const struct memory_map *a, const struct memory_map *b)
{
  bool same = a->n == b->n;

  for (unsigned i = 0; same && i < a->n; i++)
    same = a->ranges[i].gpa == b->ranges[i].gpa
           && a->ranges[i].len == b->ranges[i].len
           && a->ranges[i].va == b->ranges[i].va;
  return same;
}

/* ---- what the monitor says ---- */

/* "  0000000000100000-000000000fffffff (prio 0, ram): pc.ram @000000000010" */
static bool
parse_flat (const char *line, struct memory_range *ret)
{
  uint64_t begin, end;
  char kind[16];
  int prio;

  if (sscanf (line, " %16" SCNx64 "-%16" SCNx64 " (prio %d, %15[a-z/])", &begin,
              &end, &prio, kind)
          != 4
      || end < begin || end - begin == UINT64_MAX)
    return false;
  if (strcmp (kind, "ram") != 0 && strcmp (kind, "rom") != 0)
    return false;
  *ret = (struct memory_range){ .gpa = begin, .len = end - begin + 1 };
  return true;
}

/* A flat view belongs to whoever stands in the lines above its ranges. */
int
memory_mtree_parse (const char *text, size_t len, struct memory_range *dst,
                    unsigned max, struct error *err)
{
  bool ours = false;
  unsigned n = 0;

  while (len > 0)
    {
      const char *end = memchr (text, '\n', len);
      size_t took = end ? (size_t) (end - text) + 1 : len;
      struct memory_range r;
      char line[200];

      snprintf (line, sizeof line, "%.*s",
                (int) (took < sizeof line ? took : sizeof line - 1), text);
      if (strncmp (line, "FlatView #", 10) == 0)
        {
          if (ours && n > 0)
            break;
          ours = false;
        }
      else if (strncmp (line, " AS \"memory\"", 12) == 0)
        ours = true;
      else if (ours && parse_flat (line, &r))
        {
          if (n == max)
            return error_set (err, E2BIG, "more than %u pieces of memory", max);
          dst[n++] = r;
        }
      text += took;
      len -= took;
    }
  if (n == 0)
    return error_set (err, EBADMSG,
                      "the monitor names no memory in `info mtree -f`");
  return (int) n;
}

static const struct memory_range *
range_at (const struct memory_map *map, uint64_t gpa)
{
  for (unsigned i = 0; i < map->n; i++)
    if (gpa >= map->ranges[i].gpa
        && gpa - map->ranges[i].gpa < map->ranges[i].len)
      return &map->ranges[i];
  return NULL;
}

/* The monitor's address of our gpa, by the range of its that has it. */
static bool
said_at (const struct memory_range *said, unsigned n, uint64_t gpa,
         uint64_t *ret_va)
{
  for (unsigned i = 0; i < n; i++)
    if (gpa >= said[i].gpa && gpa - said[i].gpa < said[i].len)
      {
        *ret_va = said[i].va + (gpa - said[i].gpa);
        return true;
      }
  return false;
}

static int
differs (uint64_t gpa, uint64_t said, uint64_t ours, struct error *err)
{
  return error_set (err, ESTALE,
                    "its memory at %#" PRIx64 " is at %#" PRIx64
                    " of its QEMU, and not at %#" PRIx64
                    " as its command line lets one think",
                    gpa, said, ours);
}

int
memory_compare (const struct memory_map *map, const struct memory_range *said,
                unsigned n, struct error *err)
{
  uint64_t va;

  for (unsigned i = 0; i < map->n; i++)
    {
      const struct memory_range *r = &map->ranges[i];

      if (!said_at (said, n, r->gpa, &va))
        return error_set (err, ESTALE,
                          "its monitor has no memory at %#" PRIx64
                          ", where its command line lets one think there is",
                          r->gpa);
      if (va != r->va)
        return differs (r->gpa, va, r->va, err);
    }
  /* What it has beside that, as the firmware's, is no business of ours; nor
   * what a PC's firmware has in front of the memory until that is shadowed. */
  for (unsigned i = 0; i < n; i++)
    {
      const struct memory_range *r = range_at (map, said[i].gpa);

      if (r && (said[i].gpa < 0xa0000 || said[i].gpa >= 0x100000)
          && r->va + (said[i].gpa - r->gpa) != said[i].va)
        return differs (said[i].gpa, said[i].va, r->va + (said[i].gpa - r->gpa),
                        err);
    }
  return 0;
}

/* Pieces that the monitor has and the map has not, and that are as large as
 * only memory is. */
int
memory_take_plugged (struct memory_map *map, const struct memory_range *said,
                     unsigned n, struct error *err)
{
  struct memory_map more = *map;
  const char *rest = map->note + map->plugged_at + map->plugged_len;
  uint64_t sum = 0;

  for (unsigned i = 0; i < n; i++)
    {
      struct memory_range r = said[i];

      if (r.len < LEAST_PLUGGED || range_at (map, r.gpa)
          || range_at (map, r.gpa + r.len - 1))
        continue;
      if (more.n == MEMORY_MAX_RANGES)
        return error_set (err, E2BIG, "its memory is in too many pieces");
      r.at = r.va;
      more.ranges[more.n++] = r;
      sum += r.len;
    }
  if (sum != map->plugged)
    return error_set (err, ENOENT,
                      "of %" PRIu64 " MiB that seem to have been plugged in "
                      "its monitor knows %" PRIu64,
                      map->plugged >> 20, sum >> 20);
  more.size += sum;
  more.plugged = 0;
  snprintf (more.note + map->plugged_at, sizeof more.note - map->plugged_at,
            "%s", rest + (map->plugged_at == 0 && rest[0] ? 2 : 0));
  note_more (&more,
             "%llu MiB were plugged in since it was started: where they are "
             "its monitor said",
             sum >> 20);
  *map = more;
  return 0;
}

/* "XMM00=", "FPR0=", "FCW=", "DR0=", arm64's "Q00=", "Z0=", "P00=". */
static bool
is_vector (const char *line, size_t len)
{
  static const char *const begins[]
      = { "XMM", "YMM", "ZMM", "FPR", "FCW", "DR", "Opmask", "FPCR" };

  for (unsigned i = 0; i < ARRAY_LEN (begins); i++)
    if (len > strlen (begins[i])
        && memcmp (line, begins[i], strlen (begins[i])) == 0)
      return true;
  return len > 1 && memchr ("QZP", line[0], 3) && line[1] >= '0'
         && line[1] <= '9';
}

size_t
memory_registers_trim (char *text, size_t len)
{
  size_t out = 0;

  for (size_t at = 0, n; at < len; at += n)
    {
      const char *end = memchr (text + at, '\n', len - at);

      n = end ? (size_t) (end - (text + at)) + 1 : len - at;
      if (is_vector (text + at, n))
        continue;
      memmove (text + out, text + at, n);
      out += n;
    }
  return out;
}
