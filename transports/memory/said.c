/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a guest's memory is by its monitor, and what that means for where it
 * was thought to be.
 */
#include "transports/memory/memory_impl.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

void
memory_note_ (struct memory_map *map, const char *fmt, unsigned long long mib)
{
  size_t have = strlen (map->note);

  if (have > 0)
    have += (size_t) snprintf (map->note + have, sizeof map->note - have, "; ");
  if (have < sizeof map->note)
    snprintf (map->note + have, sizeof map->note - have, fmt, mib);
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

/* Whether all of it is memory by the rules: of those that look alike each is
 * where another one was thought to be. */
static bool
is_of_rules (const struct memory_map *map, uint64_t va, uint64_t len)
{
  for (unsigned i = 0; i < map->nrule && len > 0; i++)
    {
      uint64_t in = va - map->rule_va[i], has = map->ranges[i].len;

      if (in >= has)
        continue;
      if (len <= has - in)
        return true;
      /* One that goes over the hole below 4 GiB is in two pieces. */
      va += has - in;
      len -= has - in;
      i = UINT_MAX;
    }
  return false;
}

/* Out of the note, and what stands between it and the next. */
static void
cut_guess (struct memory_map *map)
{
  char *at = map->note + map->guess_at, *rest = at + map->guess_len;
  unsigned sep = map->guess_at == 0 && rest[0] ? 2 : 0;

  memmove (at, rest + sep, strlen (rest + sep) + 1);
  /* What was plugged in is told right behind it. */
  if (map->plugged_len > 0)
    {
      map->plugged_at = map->guess_at;
      map->plugged_len = (uint16_t) (map->plugged_len - sep);
    }
  map->guess_len = 0;
  map->guess = false;
}

int
memory_settle (struct memory_map *map, const struct memory_range *said,
               unsigned n, struct error *err)
{
  struct memory_map new = *map;
  uint64_t va;

  for (unsigned i = 0; i < new.nrule; i++)
    {
      struct memory_range *r = &new.ranges[i];

      if (!said_at (said, n, r->gpa, &va))
        return error_set (err, ESTALE,
                          "its monitor has no memory at %#" PRIx64
                          ", where its command line lets one think there is",
                          r->gpa);
      if (!is_of_rules (map, va, r->len))
        return differs (r->gpa, va, r->va, err);
      r->va = va;
      if (!new.file)
        r->at = va;
    }
  /* Each is somewhere else than the others. */
  for (unsigned i = 0; i < new.nrule; i++)
    for (unsigned k = 0; k < i; k++)
      if (new.ranges[i].va < new.ranges[k].va + new.ranges[k].len
          && new.ranges[k].va < new.ranges[i].va + new.ranges[i].len)
        return error_set (err, ESTALE,
                          "its monitor has the same memory at %#" PRIx64
                          " and %#" PRIx64,
                          new.ranges[k].gpa, new.ranges[i].gpa);
  cut_guess (&new);
  *map = new;
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

      if (r.len < MEMORY_LEAST_PLUGGED || range_at (map, r.gpa)
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
  memory_note_ (&more,
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
