/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of the console logs: opening, rotating, keeping below the limit;
 * and the records that came before their console was declared.
 */
#include "supervisor/writer/writer_logs_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES 192
/* Of all files seen while pruning, so many are candidates at a time. */
#define MAX_VICTIMS 512

static const char *const suffix[FILE_MAX] = { "raw", "log" };

static void
path_of (char dst[PATH_BYTES], const struct console *c, enum log_file f,
         unsigned n)
{
  if (n == 0)
    snprintf (dst, PATH_BYTES, "%s/%s.%s", c->uuid, c->name, suffix[f]);
  else
    snprintf (dst, PATH_BYTES, "%s/%s.%s.%u", c->uuid, c->name, suffix[f], n);
}

int
logs_open_file (struct logs *l, struct console *c, enum log_file f)
{
  char path[PATH_BYTES];
  struct stat st;
  int fd;

  if (c->fd[f] >= 0)
    return 0;
  path_of (path, c, f, 0);
  fd = openat (l->dirfd, path,
               O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0 && errno == ENOENT)
    {
      if (mkdirat (l->dirfd, c->uuid, 0700) < 0 && errno != EEXIST)
        return -errno;
      fd = openat (l->dirfd, path,
                   O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
                   0600);
    }
  if (fd < 0)
    return -errno;
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    {
      close (fd);
      return -EINVAL;
    }
  c->fd[f] = fd;
  c->size[f] = (uint64_t) st.st_size;
  c->ino[f] = (uint64_t) st.st_ino;
  l->open_files++;
  return 0;
}

int
logs_rotate (struct logs *l, struct console *c, enum log_file f)
{
  char from[PATH_BYTES], to[PATH_BYTES];
  struct stat st;

  path_of (to, c, f, l->limits.keep);
  if (fstatat (l->dirfd, to, &st, AT_SYMLINK_NOFOLLOW) == 0
      && unlinkat (l->dirfd, to, 0) == 0)
    l->on_disk -= l->on_disk < (uint64_t) st.st_size ? l->on_disk
                                                     : (uint64_t) st.st_size;
  for (unsigned n = l->limits.keep; n > 0; n--)
    {
      path_of (from, c, f, n - 1);
      path_of (to, c, f, n);
      if (renameat (l->dirfd, from, l->dirfd, to) < 0 && errno != ENOENT)
        return -errno;
    }
  if (c->fd[f] < 0)
    return 0;
  close (c->fd[f]);
  c->fd[f] = -1;
  l->open_files--;
  return logs_open_file (l, c, f);
}

/* ---- the end of a log ---- */

/* What file n of it has before the `have` bytes at the end of dst: fills dst
 * from its end towards its beginning. */
static size_t
read_before (struct logs *l, const struct console *c, unsigned n, char *dst,
             size_t have)
{
  size_t room = LOGS_TAIL - have, want, got = 0;
  CLEANUP_CLOSE int fd = -1;
  char path[PATH_BYTES];
  struct stat st;

  path_of (path, c, FILE_CLEAN, n);
  fd = openat (l->dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return 0;
  want = (uint64_t) st.st_size < room ? (size_t) st.st_size : room;
  while (got < want)
    {
      ssize_t r = pread (fd, dst + room - want + got, want - got,
                         st.st_size - (off_t) (want - got));

      if (r < 0 && errno == EINTR)
        continue;
      if (r <= 0)
        return 0;
      got += (size_t) r;
    }
  return want;
}

void
logs_tail (struct logs *l, const char *uuid,
           void (*fn) (const char *console, const void *text, size_t len,
                       void *arg),
           void *arg)
{
  CLEANUP_FREE char *text = malloc (LOGS_TAIL);

  for (size_t i = 0; text && i < l->count; i++)
    {
      const struct console *c = l->consoles[i];
      size_t have = 0, n;
      const char *nl;

      if (strcmp (c->uuid, uuid) != 0)
        continue;
      for (unsigned f = 0; f <= l->limits.keep && have < LOGS_TAIL; f++)
        {
          if ((n = read_before (l, c, f, text, have)) == 0)
            break;
          have += n;
        }
      /* A line that is cut in front says what its guest never said. */
      nl = have == LOGS_TAIL ? memchr (text, '\n', have) : NULL;
      if (nl)
        have -= (size_t) (nl + 1 - text);
      if (have > 0)
        fn (c->name, text + LOGS_TAIL - have, have, arg);
    }
}

/* ---- the limit ---- */

struct victim
{
  char path[PATH_BYTES];
  uint64_t bytes;
  int64_t mtime_ns;
};

struct hunt
{
  struct logs *l;
  bool current; /* also files that were not rotated away */
  struct victim *victims;
  size_t count;
  uint64_t total;
};

/* Of a console that somebody speaks for.  Thousands of files are asked about
 * against thousands of consoles: no copying here. */
static bool
in_use (const struct logs *l, const char *path)
{
  const char *slash = strchr (path, '/'), *dot = strrchr (path, '.');
  size_t dir = slash ? (size_t) (slash - path) : 0;
  size_t name = dot > slash ? (size_t) (dot - slash - 1) : 0;

  for (size_t i = 0; i < l->count; i++)
    {
      const struct console *c = l->consoles[i];

      if (c->declared && slash && strncmp (c->uuid, path, dir) == 0
          && c->uuid[dir] == '\0' && strncmp (c->name, slash + 1, name) == 0
          && c->name[name] == '\0')
        return true;
    }
  return false;
}

/* NAME.raw.N and NAME.log.N. */
static bool
is_rotated (const char *name)
{
  const char *dot = strrchr (name, '.');

  return dot && dot[1] >= '0' && dot[1] <= '9'
         && strspn (dot + 1, "0123456789") == strlen (dot + 1);
}

/* Keeps the MAX_VICTIMS oldest: an insertion into a sorted list. */
static void
consider (struct hunt *h, const char *path, const struct stat *st)
{
  int64_t t = (int64_t) st->st_mtim.tv_sec * 1000000000
              + st->st_mtim.tv_nsec;
  size_t at = h->count;

  if (h->count == MAX_VICTIMS && h->victims[at - 1].mtime_ns <= t)
    return;
  while (at > 0 && h->victims[at - 1].mtime_ns > t)
    at--;
  if (h->count < MAX_VICTIMS)
    h->count++;
  memmove (&h->victims[at + 1], &h->victims[at],
           (h->count - at - 1) * sizeof *h->victims);
  snprintf (h->victims[at].path, PATH_BYTES, "%s", path);
  h->victims[at].bytes = (uint64_t) st->st_size;
  h->victims[at].mtime_ns = t;
}

static void
look (struct hunt *h, int dirfd, const char *prefix)
{
  CLEANUP_CLOSEDIR DIR *d = NULL;
  int fd = openat (dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct dirent *e;

  if (fd < 0 || (d = fdopendir (fd)) == NULL)
    {
      if (fd >= 0)
        close (fd);
      return;
    }
  while ((e = readdir (d)) != NULL)
    {
      struct stat st;
      char path[PATH_BYTES];

      if (e->d_name[0] == '.'
          || fstatat (dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        continue;
      if (S_ISDIR (st.st_mode) && *prefix == '\0')
        {
          CLEANUP_CLOSE int sub
              = openat (dirfd, e->d_name,
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
          if (sub >= 0)
            look (h, sub, e->d_name);
          continue;
        }
      if (!S_ISREG (st.st_mode) || *prefix == '\0'
          || (size_t) snprintf (path, sizeof path, "%s/%s", prefix, e->d_name)
                 >= sizeof path)
        continue;
      h->total += (uint64_t) st.st_size;
      if (h->victims
          && (is_rotated (e->d_name)
              || (h->current && !in_use (h->l, path))))
        consider (h, path, &st);
    }
}

void
logs_measure (struct logs *l)
{
  struct hunt h = { .l = l };

  look (&h, l->dirfd, "");
  l->on_disk = h.total;
}

/* Only what was rotated away can be removed.  Files that grew under a higher
 * limit would keep all logs above the present one for ever. */
static void
rotate_large (struct logs *l)
{
  char path[PATH_BYTES];
  struct stat st;

  for (size_t i = 0; i < l->count; i++)
    for (int f = 0; f < FILE_MAX; f++)
      {
        path_of (path, l->consoles[i], (enum log_file) f, 0);
        if (fstatat (l->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0
            && (uint64_t) st.st_size > logs_rotate_at (l))
          logs_rotate (l, l->consoles[i], (enum log_file) f);
      }
}

void
logs_prune (struct logs *l)
{
  CLEANUP_FREE struct victim *victims = calloc (MAX_VICTIMS, sizeof *victims);
  uint64_t aim = l->limits.total - l->limits.total / 8;

  if (victims == NULL)
    return;
  for (unsigned round = 0; round < 3; round++)
    {
      struct hunt h
          = { .l = l, .victims = victims, .current = round == 2 };

      if (round == 1)
        rotate_large (l);
      look (&h, l->dirfd, "");
      l->on_disk = h.total;
      for (size_t i = 0; i < h.count && l->on_disk > aim; i++)
        if (unlinkat (l->dirfd, victims[i].path, 0) == 0)
          l->on_disk -= victims[i].bytes < l->on_disk ? victims[i].bytes
                                                      : l->on_disk;
      if (l->on_disk <= aim)
        return;
    }
}

void
logs_limit (struct logs *l, uint64_t total, uint64_t free_floor)
{
  l->limits.total = total ? total : LOGS_TOTAL;
  l->limits.free_floor = free_floor ? free_floor : LOGS_FREE_FLOOR;
  l->full_until = 0;
  if (l->on_disk > l->limits.total)
    logs_prune (l);
}

/* ---- telling ---- */

int
logs_info (struct logs *l, const char *uuid, const char *name,
           struct logs_info *ret, struct error *err)
{
  struct console *c = uuid && name ? logs_find_ (l, uuid, name) : NULL;

  if (c == NULL)
    return error_set (err, ENOENT, "no log of such a console");
  memset (ret, 0, sizeof *ret);
  snprintf (ret->raw, sizeof ret->raw, "%s/%s.raw", c->uuid, c->name);
  snprintf (ret->clean, sizeof ret->clean, "%s/%s.log", c->uuid, c->name);
  ret->bytes = c->info_bytes;
  ret->gaps = c->info_gaps;
  return 0;
}

void
logs_stats (const struct logs *l, struct logs_stats *ret)
{
  *ret = (struct logs_stats){
    .consoles = (unsigned) l->count,
    .open_files = l->open_files,
    .bytes_on_disk = l->on_disk,
    .bytes = l->stats_bytes,
    .gaps = l->stats_gaps,
    .unknown = l->stats_unknown,
  };
}

/* ---- records that came too early ---- */

struct early
{
  uint32_t id, len;
  uint64_t gap, wall_ms;
};

void
logs_keep_unknown (struct logs *l, uint32_t id, const void *data, size_t len,
                   uint64_t gap, uint64_t wall_ms, uint64_t now_ms)
{
  struct early e = { id, (uint32_t) len, gap, wall_ms };

  if (l->unknown.len + sizeof e + len > UNKNOWN_BYTES)
    {
      l->stats_unknown += len + gap;
      return;
    }
  if (l->unknown.len == 0)
    l->unknown_ms = now_ms;
  buf_append (&l->unknown, &e, sizeof e);
  if (len > 0)
    buf_append (&l->unknown, data, len);
}

void
logs_take_unknown (struct logs *l, uint32_t id, uint64_t now_ms)
{
  struct buf rest = BUF_INIT (UNKNOWN_BYTES), all = l->unknown;
  struct early e;

  /* Taken apart first, for logs_put() may put into it. */
  l->unknown = rest;
  for (size_t at = 0; at + sizeof e <= all.len; at += sizeof e + e.len)
    {
      memcpy (&e, all.data + at, sizeof e);
      logs_put (l, e.id, all.data + at + sizeof e, e.len, e.gap, e.wall_ms,
                now_ms);
    }
  buf_done (&all);
}

void
logs_drop_unknown (struct logs *l)
{
  struct early e;

  for (size_t at = 0; at + sizeof e <= l->unknown.len; at += sizeof e + e.len)
    {
      memcpy (&e, l->unknown.data + at, sizeof e);
      l->stats_unknown += e.len + e.gap;
    }
  buf_done (&l->unknown);
  l->unknown.max = UNKNOWN_BYTES;
}
