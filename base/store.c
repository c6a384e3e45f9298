/* SPDX-License-Identifier: Apache-2.0
 *
 * The crash-safe log of records: opening, appending, replacing.
 *
 * Invariant: [0, end) of the file is what has been acknowledged (plus damage
 * that could not be taken out yet).  Every write starts at `end`, never at
 * the end of the file, so what a failed write left behind it is overwritten
 * even if it could not be cut off.
 */
#include "base/store.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/store_scan.h"

/* What was set aside is for a person to look at: the first of it tells most,
 * so a NAME.bad of this size is not added to any more. */
#define BAD_MAX (4u << 20)
#define NAME_LEN (NAME_MAX - 4) /* room for ".new" and ".bad" */

struct store
{
  int dirfd;
  int fd;
  char name[NAME_LEN + 1];
  uint64_t marker;
  uint64_t seq; /* of the last record */
  uint64_t end;
  bool dir_dirty;  /* the folder entry may not be on the disk yet */
  bool stale_tail; /* bytes beyond end could not be cut off */
  bool damaged;    /* bad records are still in the log */
  bool fresh;      /* being filled by store_replace(): synced as a whole */
  int failed;      /* fresh only: the first append that did not go well */
  struct store_stats stats;
};

static void
side_name (char dst[NAME_MAX + 1], const char *name, const char *suffix)
{
  (void) snprintf (dst, NAME_MAX + 1, "%s%s", name, suffix);
}

static int
sync_data (int fd)
{
  int r;

  do
    r = fdatasync (fd);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : 0;
}

static int
sync_folder (struct store *st)
{
  if (!st->dir_dirty)
    return 0;
  if (fsync (st->dirfd) < 0)
    return -errno;
  st->dir_dirty = false;
  return 0;
}

/* Writes the whole of iov at off; a short write is gone on with. */
static int
write_at (int fd, struct iovec *iov, int n, uint64_t off)
{
  while (n > 0)
    {
      ssize_t w = pwritev (fd, iov, n, (off_t) off);

      if (w < 0 && errno == EINTR)
        continue;
      if (w < 0)
        return -errno;
      off += (uint64_t) w;
      for (; n > 0 && (size_t) w >= iov->iov_len; iov++, n--)
        w -= (ssize_t) iov->iov_len;
      if (n > 0)
        {
          iov->iov_base = (char *) iov->iov_base + w;
          iov->iov_len -= (size_t) w;
        }
    }
  return 0;
}

/* Takes off what lies beyond end. */
static void
cut_back (struct store *st)
{
  st->stale_tail = ftruncate (st->fd, (off_t) st->end) < 0;
}

/* Appends with the given seq, without syncing. */
static int
put_record (struct store *st, uint16_t type, uint64_t seq, const void *data,
            size_t len)
{
  unsigned char file_head[STORE_FILE_HEAD], head[STORE_HEAD];
  const struct store_head h = {
    .marker = st->marker,
    .seq = seq,
    .len = (uint32_t) len,
    .data_crc = crc32c (0, data, len),
    .type = type,
  };
  struct iovec iov[3];
  uint64_t size = STORE_HEAD + (uint64_t) len;
  int n = 0;

  /* The file's head goes with the first record, so that opening a new store
   * needs no space. */
  if (st->end == 0)
    {
      store_pack_file_head (file_head, st->marker);
      iov[n++] = (struct iovec){ file_head, sizeof file_head };
      size += sizeof file_head;
    }
  store_pack_head (head, &h);
  iov[n++] = (struct iovec){ head, sizeof head };
  if (len > 0)
    iov[n++] = (struct iovec){ (void *) data, len };

  int r = write_at (st->fd, iov, n, st->end);
  if (r < 0)
    return r;
  st->end += size;
  return 0;
}

int
store_append (struct store *st, uint16_t type, const void *data, size_t len,
              struct error *err)
{
  const uint64_t before = st->end;

  if (len > STORE_MAX_RECORD)
    return error_set (err, EMSGSIZE, "%s: a record of %zu bytes is too long",
                      st->name, len);
  if (st->stale_tail)
    cut_back (st);

  int r = put_record (st, type, st->seq + 1, data, len);
  if (r == 0 && !st->fresh)
    r = sync_data (st->fd);
  if (r == 0 && !st->fresh)
    r = sync_folder (st);
  if (r < 0)
    {
      /* Synced as well, so that a power cut does not bring back a record
       * whose append was reported as failed. */
      st->end = before;
      cut_back (st);
      if (st->fresh && st->failed == 0)
        st->failed = r;
      else if (!st->fresh)
        (void) sync_data (st->fd);
      return error_errno (err, -r, "appending to %s", st->name);
    }
  st->seq++;
  st->stats.records++;
  return 0;
}

/* ---- a fresh log beside the old one ---- */

static int
new_marker (uint64_t *ret, struct error *err)
{
  uint64_t marker = 0;

  while (marker == 0)
    if (getrandom (&marker, sizeof marker, 0) != (ssize_t) sizeof marker)
      return error_errno (err, errno, "getrandom");
  *ret = marker;
  return 0;
}

static int
fresh_begin (const struct store *st, struct store *fresh, struct error *err)
{
  char name[NAME_MAX + 1];

  *fresh = (struct store){
    .dirfd = st->dirfd, .fd = -1, .seq = st->seq, .fresh = true
  };
  memcpy (fresh->name, st->name, sizeof fresh->name);
  int r = new_marker (&fresh->marker, err);
  if (r < 0)
    return r;
  side_name (name, st->name, ".new");
  if (unlinkat (st->dirfd, name, 0) < 0 && errno != ENOENT)
    return error_errno (err, errno, "removing the old %s", name);
  fresh->fd = openat (st->dirfd, name,
                      O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fresh->fd < 0)
    return error_errno (err, errno, "creating %s", name);
  /* Nobody else can hold it; some file systems have no locks at all. */
  (void) flock (fresh->fd, LOCK_EX | LOCK_NB);
  return 0;
}

static void
fresh_drop (struct store *fresh)
{
  char name[NAME_MAX + 1];

  if (fresh->fd < 0)
    return;
  side_name (name, fresh->name, ".new");
  (void) unlinkat (fresh->dirfd, name, 0);
  close (fresh->fd);
  fresh->fd = -1;
}

/* Puts the fresh log in the place of the old one. */
static int
fresh_commit (struct store *st, struct store *fresh, struct error *err)
{
  char name[NAME_MAX + 1];
  int r = fresh->failed;

  side_name (name, st->name, ".new");
  if (r == 0)
    r = sync_data (fresh->fd);
  if (r < 0)
    return error_errno (err, -r, "writing %s", name);
  if (renameat (st->dirfd, name, st->dirfd, st->name) < 0)
    return error_errno (err, errno, "renaming %s to %s", name, st->name);

  close (st->fd);
  st->fd = steal_fd (&fresh->fd);
  st->marker = fresh->marker;
  st->seq = fresh->seq;
  st->end = fresh->end;
  st->stale_tail = false;
  st->damaged = false;
  /* Until the folder is synced a power cut may bring the old log back: no
   * append is acknowledged before that. */
  st->dir_dirty = true;
  r = sync_folder (st);
  if (r < 0)
    return error_errno (err, -r, "syncing the folder of %s", st->name);
  return 0;
}

/* Keeps the whole damaged log as NAME.bad: a second name for it, so that
 * this takes no space and loses nothing. */
static int
keep_whole (const struct store *st, const char *bad, struct error *err)
{
  if (unlinkat (st->dirfd, bad, 0) < 0 && errno != ENOENT)
    return error_errno (err, errno, "removing the old %s", bad);
  if (linkat (st->dirfd, st->name, st->dirfd, bad, 0) < 0)
    return error_errno (err, errno, "keeping %s as %s", st->name, bad);
  return 0;
}

int
store_replace (struct store *st,
               int (*emit) (struct store *fresh, void *arg, struct error *err),
               void *arg, struct error *err)
{
  struct store fresh;

  if (st->fresh)
    return error_set (err, EINVAL, "%s is being replaced already", st->name);
  int r = fresh_begin (st, &fresh, err);
  if (r == 0)
    r = emit (&fresh, arg, err);
  if (r >= 0)
    {
      uint64_t records = fresh.stats.records;
      char bad[NAME_MAX + 1];

      /* There was no room to set the damage aside, and it goes with the old
       * log.  Best effort: compaction is what makes room. */
      side_name (bad, st->name, ".bad");
      if (st->damaged)
        (void) keep_whole (st, bad, NULL);
      r = fresh_commit (st, &fresh, err);
      if (fresh.fd < 0)
        st->stats.records = records;
    }
  fresh_drop (&fresh);
  return r < 0 ? r : 0;
}

/* ---- opening ---- */

/* Opens and locks the log.  A log that was replaced between the two is not
 * the log any more: again. */
static int
open_locked (struct store *st, struct error *err)
{
  for (int i = 0; i < 8; i++)
    {
      CLEANUP_CLOSE int fd = openat (st->dirfd, st->name,
                                     O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW
                                         | O_NONBLOCK | O_NOCTTY,
                                     0600);
      struct stat sb;

      if (fd < 0)
        return error_errno (err, errno, "opening %s", st->name);
      if (flock (fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return error_set (err, EBUSY, "%s is in use by another process",
                          st->name);
      if (fstat (fd, &sb) < 0)
        return error_errno (err, errno, "looking at %s", st->name);
      if (!S_ISREG (sb.st_mode))
        return error_set (err, EINVAL, "%s is not a regular file", st->name);
      if (sb.st_nlink > 0)
        {
          st->fd = steal_fd (&fd);
          return 0;
        }
    }
  return error_set (err, EBUSY, "%s is being replaced again and again",
                    st->name);
}

/* Hands all good records to fn and finds where the log ends. */
static int
replay (struct store *st, struct store_scan *s, store_replay_fn *fn, void *arg,
        struct error *err)
{
  struct store_item item;

  for (;;)
    {
      int r = store_scan_next (s, &item, err);

      if (r < 0)
        return error_wrap (err, "reading %s", st->name);
      switch (item.kind)
        {
        case STORE_ITEM_END:
          st->end = s->off;
          st->seq = s->seq; /* also beyond those of bad records */
          return 0;
        case STORE_ITEM_TORN:
          st->stats.torn = item.len;
          st->end = item.off;
          st->seq = s->seq;
          return 0;
        case STORE_ITEM_BAD:
          st->stats.bad++;
          break;
        case STORE_ITEM_GOOD:
          st->stats.records++;
          if (fn)
            {
              r = fn (item.type, item.data, item.data_len, arg);
              if (r < 0)
                return error_errno (err, -r, "replaying record %llu of %s",
                                    (unsigned long long) item.seq, st->name);
            }
          break;
        }
    }
}

/* Copies one bad extent to the side file, with a line that says what it is. */
static int
set_aside (const struct store *st, int fd, uint64_t off, uint64_t len)
{
  char block[4096];
  struct stat sb;
  int n = snprintf (block, sizeof block,
                    "\n# %s: %llu bad bytes at offset %llu\n", st->name,
                    (unsigned long long) len, (unsigned long long) off);

  if (fstat (fd, &sb) < 0)
    return -errno;
  uint64_t at = (uint64_t) sb.st_size;
  if (at >= BAD_MAX)
    return 0;
  struct iovec iov = { block, (size_t) n };
  int r = write_at (fd, &iov, 1, at);
  at += (uint64_t) n;
  while (r == 0 && len > 0 && at < BAD_MAX)
    {
      size_t want = len < sizeof block ? (size_t) len : sizeof block;
      ssize_t got = pread (st->fd, block, want, (off_t) off);

      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        return got < 0 ? -errno : -EIO;
      iov = (struct iovec){ block, (size_t) got };
      r = write_at (fd, &iov, 1, at);
      at += (uint64_t) got;
      off += (uint64_t) got;
      len -= (uint64_t) got;
    }
  return r;
}

/* Good records to the fresh log, bad extents to bad_fd (if not -1). */
static int
sift (struct store *st, struct store *fresh, int bad_fd, struct error *err)
{
  struct store_scan s CLEANUP (store_scan_done);
  struct store_item item;
  int r = store_scan_start (&s, st->fd, err);

  while (r == 0)
    {
      r = store_scan_next (&s, &item, err);
      if (r < 0 || item.kind == STORE_ITEM_END)
        break;
      int code = 0;
      if (item.kind == STORE_ITEM_GOOD)
        code
            = put_record (fresh, item.type, item.seq, item.data, item.data_len);
      else if (item.kind == STORE_ITEM_BAD && bad_fd >= 0)
        code = set_aside (st, bad_fd, item.off, item.len);
      if (code < 0)
        return error_errno (err, -code, "setting bad records of %s aside",
                            st->name);
    }
  return r;
}

/* Takes the damage out of the log.  The side file is durable before the log
 * that lacks those bytes is. */
static int
repair (struct store *st, bool whole, struct error *err)
{
  CLEANUP_CLOSE int bad_fd = -1;
  char bad[NAME_MAX + 1];
  struct store fresh;
  int r;

  side_name (bad, st->name, ".bad");
  if (whole)
    r = keep_whole (st, bad, err);
  else
    {
      bad_fd = openat (st->dirfd, bad,
                       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                       0600);
      r = bad_fd < 0 ? error_errno (err, errno, "opening %s", bad) : 0;
    }
  if (r < 0)
    return r;
  r = fresh_begin (st, &fresh, err);
  if (r == 0)
    r = sift (st, &fresh, bad_fd, err);
  if (r == 0 && bad_fd >= 0 && fsync (bad_fd) < 0)
    r = error_errno (err, errno, "syncing %s", bad);
  if (r == 0)
    {
      r = fresh_commit (st, &fresh, err);
      if (fresh.fd < 0)
        r = 0; /* in place; the folder is synced before the next append */
    }
  fresh_drop (&fresh);
  return r;
}

static int
load (struct store *st, store_replay_fn *fn, void *arg, struct error *err)
{
  struct store_scan s CLEANUP (store_scan_done);
  char name[NAME_MAX + 1];
  int r = store_scan_start (&s, st->fd, err);

  if (r < 0)
    return error_wrap (err, "%s", st->name);
  side_name (name, st->name, ".new");
  (void) unlinkat (st->dirfd, name, 0);
  /* A killed predecessor may have left records that are not on the disk yet;
   * whoever is told of them now acts on them.  Best effort: the next append
   * syncs them in any case. */
  if (s.size > 0)
    {
      (void) sync_data (st->fd);
      (void) sync_folder (st);
    }
  r = replay (st, &s, fn, arg, err);
  if (r < 0)
    return r;
  st->marker = s.marker;
  if (st->end == 0)
    r = new_marker (&st->marker, err);
  if (r < 0)
    return r;

  bool whole = (s.marker_lost && st->stats.bad > 0) || s.unreadable > 0;
  if (st->stats.bad > 0)
    {
      struct error why = ERROR_INIT;

      r = repair (st, whole, &why);
      st->damaged = r < 0;
      /* A full disk: go on behind the damage, and try at the next opening.
       * Without a marker or with blocks that cannot be read there is no
       * knowing what an append might destroy. */
      if (r < 0 && whole)
        return error_set (err, -r, "%s is damaged: %s", st->name,
                          error_text (&why));
    }
  if (st->stats.torn > 0)
    cut_back (st);
  return 0;
}

int
store_open (int dirfd, const char *name, store_replay_fn *fn, void *arg,
            struct store **ret_store, struct error *err)
{
  size_t len = strlen (name);

  if (len == 0 || len > NAME_LEN || strchr (name, '/'))
    return error_set (err, EINVAL, "\"%s\" is not a name for a store", name);
  struct store *st = calloc (1, sizeof *st);
  if (!st)
    return error_set (err, ENOMEM, "out of memory");
  memcpy (st->name, name, len + 1);
  st->fd = -1;
  /* The entry may have been made by a process that was killed before it
   * could sync the folder. */
  st->dir_dirty = true;
  st->dirfd = fcntl (dirfd, F_DUPFD_CLOEXEC, 3);
  int r = st->dirfd < 0 ? error_errno (err, errno, "duplicating the folder")
                        : open_locked (st, err);
  if (r == 0)
    r = load (st, fn, arg, err);
  if (r < 0)
    {
      store_close (st);
      return r;
    }
  *ret_store = st;
  return 0;
}

void
store_close (struct store *st)
{
  if (!st)
    return;
  if (st->fd >= 0)
    close (st->fd);
  if (st->dirfd >= 0)
    close (st->dirfd);
  free (st);
}

void
store_stats (const struct store *st, struct store_stats *ret)
{
  *ret = st->stats;
  ret->bytes = st->end;
}
