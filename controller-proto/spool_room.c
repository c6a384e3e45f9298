/* SPDX-License-Identifier: Apache-2.0
 *
 * Room in the spool.
 *
 * Evicted are, oldest first: what all sinks have acknowledged and has ended,
 * then the bundles of what they have and still stands, of what was refused, and
 * of what still waits.  Never the document of an incident that somebody has
 * still to get, or that stands: it is small, it goes without its bundle, and
 * after a restart it is what says that a hang was told already.
 */
#include "controller-proto/spool_impl.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static uint64_t
used (const struct spool *sp)
{
  uint64_t n = 0;

  for (size_t i = 0; i < sp->count; i++)
    n += sp->items[i]->pub.bytes + sp->items[i]->json_bytes
         + spool_forms_bytes (sp->items[i]);
  return n;
}

static uint64_t
free_bytes (const struct spool *sp)
{
  struct statvfs v;

  if (fstatvfs (sp->dirfd, &v) < 0)
    return UINT64_MAX; /* not a reason to refuse anything */
  return (uint64_t) v.f_bavail * v.f_frsize;
}

/* Everybody has all of it, and nothing more will come. */
static bool
is_over (const struct spool *sp, const struct item *it)
{
  return it->pub.place == SPOOL_SENT && !it->pub.stands
         && spool_is_quiet (sp, it);
}

static bool
has_bundle (const struct item *it, enum spool_place place)
{
  return it->pub.place == place && it->pub.bundle;
}

static struct item *
older_of (struct item *a, struct item *b)
{
  return a && a->pub.since_ms <= b->pub.since_ms ? a : b;
}

static struct item *
oldest_over (struct spool *sp)
{
  struct item *best = NULL;

  for (size_t i = 0; i < sp->count; i++)
    if (is_over (sp, sp->items[i]))
      best = older_of (best, sp->items[i]);
  return best;
}

static struct item *
oldest_bundle (struct spool *sp, enum spool_place place)
{
  struct item *best = NULL;

  for (size_t i = 0; i < sp->count; i++)
    if (has_bundle (sp->items[i], place) && sp->items[i] != sp->keep)
      best = older_of (best, sp->items[i]);
  return best;
}

static void
evict_bundle (struct spool *sp, struct item *it)
{
  char name[64];

  unlinkat (sp->blobs_fd, spool_bundle_name (name, it->pub.id), 0);
  spool_forms_drop (sp, it);
  it->pub.bundle = false;
  it->pub.bytes = 0;
  it->pub.digest[0] = '\0';
  snprintf (it->pub.note, sizeof it->pub.note,
            "the bundle was removed to make room");
  spool_settle (sp, it);
  spool_write_item (sp, it, NULL, NULL);
  sp->evicted++;
}

/* waiting: also what waits. */
static bool
evict_one (struct spool *sp, bool waiting)
{
  static const enum spool_place places[]
      = { SPOOL_SENT, SPOOL_PARKED, SPOOL_READY };
  struct item *it = oldest_over (sp);

  if (it)
    {
      if (spool_drop (sp, it->pub.id, NULL) < 0)
        return false;
      sp->evicted++;
      return true;
    }
  for (unsigned i = 0; it == NULL && i < ARRAY_LEN (places) - !waiting; i++)
    it = oldest_bundle (sp, places[i]);
  if (it)
    evict_bundle (sp, it);
  return it != NULL;
}

int
spool_room (struct spool *sp, uint64_t need, enum spool_what what,
            struct error *err)
{
  uint64_t floor = what == SPOOL_CRITICAL ? 0 : sp->limits.free_floor;

  if (need > sp->limits.max_bytes && what != SPOOL_SCRATCH)
    return error_set (err, ENOSPC, "the spool may hold %llu bytes in all",
                      (unsigned long long) sp->limits.max_bytes);
  for (;;)
    {
      bool quota = need > sp->limits.max_bytes
                   || used (sp) > sp->limits.max_bytes - need;
      uint64_t left = free_bytes (sp);
      bool disk = left < floor || left - floor < need;

      if (!quota && !disk)
        return 0;
      if (evict_one (sp, what != SPOOL_SCRATCH))
        continue;
      /* It is gone in a moment, and the floor is there for others. */
      if (what == SPOOL_SCRATCH && !disk)
        return 0;
      /* A critical write tries its luck with the disk: the ballast may be
       * what it needs. */
      if (what == SPOOL_CRITICAL && !quota)
        return 0;
      /* Of a diagnosis something is to be kept: the floor is there for
       * others, but they would rather know why. */
      if (what == SPOOL_SMALL && !quota && left >= need)
        return 0;
      return error_set (err, ENOSPC, "no room in the spool: %s",
                        quota ? "it is at its limit"
                              : "the disk is full up to the floor");
    }
}

void
spool_evict_sent (struct spool *sp)
{
  for (;;)
    {
      unsigned n = 0;
      struct item *it;

      for (size_t i = 0; i < sp->count; i++)
        n += is_over (sp, sp->items[i]);
      if (n <= sp->limits.keep_sent || (it = oldest_over (sp)) == NULL
          || spool_drop (sp, it->pub.id, NULL) < 0)
        return;
    }
}

void
spool_ballast_make (struct spool *sp)
{
  CLEANUP_CLOSE int fd = -1;
  struct stat st;

  if (fstatat (sp->dirfd, SPOOL_BALLAST, &st, AT_SYMLINK_NOFOLLOW) == 0
      && st.st_blocks > 0)
    return;
  if (free_bytes (sp) < sp->limits.free_floor)
    return;
  fd = openat (sp->dirfd, SPOOL_BALLAST,
               O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  /* fallocate, not posix_fallocate: where the file system cannot reserve,
   * there is no ballast, instead of a slow one. */
  if (fd < 0)
    return;
  /* A small volume has room for a record, if not for a bundle. */
  for (off_t n = SPOOL_BALLAST_BYTES; n >= SPOOL_BALLAST_LEAST; n /= 2)
    if (fallocate (fd, 0, 0, n) == 0)
      return;
  unlinkat (sp->dirfd, SPOOL_BALLAST, 0);
}

void
spool_ballast_drop (struct spool *sp)
{
  unlinkat (sp->dirfd, SPOOL_BALLAST, 0);
}
