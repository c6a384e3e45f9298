/* SPDX-License-Identifier: Apache-2.0
 *
 * Console logs on disk.
 *
 * What cannot be written is counted per console, and the count becomes a line
 * of the clean log as soon as writing goes well again, so that a full disk
 * mends itself when it has room and nobody is left to wonder.
 */
#include "supervisor/writer/writer_logs_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "supervisor/links/logpipe.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define PARTIAL_MS 2000
/* What quiet consoles say waits for more of it so long. */
#define WAIT_MS 6000
/* With fewer records a second all is written at once: who follows a file
 * wants to see its lines. */
#define BUSY_PUTS 50
#define CLEAN_GATHER 4096
#define UNKNOWN_MS 1000
#define FULL_RETRY_MS 1000
#define FILES_LEAST 64u
#define FILES_MOST 8192u
#define FILES_OTHER 256u /* the spool's, and what else the writer has */

/* ---- consoles ---- */

static void
lru_remove (struct logs *l, struct console *c)
{
  if (!c->in_lru)
    return;
  *(c->newer ? &c->newer->older : &l->newest) = c->older;
  *(c->older ? &c->older->newer : &l->oldest) = c->newer;
  c->newer = c->older = NULL;
  c->in_lru = false;
}

static void
lru_front (struct logs *l, struct console *c)
{
  if (l->newest == c)
    return;
  lru_remove (l, c);
  c->older = l->newest;
  if (l->newest)
    l->newest->newer = c;
  l->newest = c;
  if (l->oldest == NULL)
    l->oldest = c;
  c->in_lru = true;
}

static void
close_files (struct logs *l, struct console *c)
{
  for (unsigned i = 0; i < FILE_MAX; i++)
    if (c->fd[i] >= 0)
      {
        close (c->fd[i]);
        c->fd[i] = -1;
        l->open_files--;
      }
  lru_remove (l, c);
}

static void flush (struct logs *l, struct console *c, uint64_t now_ms);

static void
console_free (struct logs *l, struct console *c, uint64_t now_ms)
{
  flush (l, c, now_ms);
  close_files (l, c);
  buf_done (&c->line);
  buf_done (&c->clean);
  free (c);
}

struct console *
logs_find_ (struct logs *l, const char *uuid, const char *name)
{
  for (size_t i = 0; i < l->count; i++)
    if (strcmp (l->consoles[i]->uuid, uuid) == 0
        && strcmp (l->consoles[i]->name, name) == 0)
      return l->consoles[i];
  return NULL;
}

static int
grow (struct logs *l, uint32_t id)
{
  if (id >= l->cap_ids)
    {
      size_t cap = l->cap_ids ? l->cap_ids : 64;
      struct console **ids;

      while (cap <= id)
        cap *= 2;
      ids = realloc (l->by_id, cap * sizeof *ids);
      if (ids == NULL)
        return -ENOMEM;
      memset (ids + l->cap_ids, 0, (cap - l->cap_ids) * sizeof *ids);
      l->by_id = ids;
      l->cap_ids = cap;
    }
  if (l->count == l->cap)
    {
      size_t cap = l->cap ? l->cap * 2 : 64;
      struct console **all = realloc (l->consoles, cap * sizeof *all);

      if (all == NULL)
        return -ENOMEM;
      l->consoles = all;
      l->cap = cap;
    }
  return 0;
}

/* There is room for one more. */
static struct console *
find_or_make (struct logs *l, const char *uuid, const char *name)
{
  struct console *c = logs_find_ (l, uuid, name);

  if (c || (c = calloc (1, sizeof *c)) == NULL)
    return c;
  for (unsigned i = 0; i < FILE_MAX; i++)
    c->fd[i] = -1;
  c->line = (struct buf) BUF_INIT (LINE_BYTES);
  c->clean = (struct buf) BUF_INIT (CLEAN_GATHER);
  snprintf (c->uuid, sizeof c->uuid, "%s", uuid);
  snprintf (c->name, sizeof c->name, "%s", name);
  l->consoles[l->count++] = c;
  return c;
}

static void
forget_closed (struct logs *l)
{
  for (size_t id = 0; id < l->cap_ids; id++)
    if (l->by_id[id] && !l->by_id[id]->declared)
      l->by_id[id] = NULL;
  l->closed = 0;
}

/* A console that nobody speaks for any more makes way. */
static void
forget_one (struct logs *l, uint64_t now_ms)
{
  forget_closed (l);
  for (size_t i = 0; i < l->count; i++)
    if (!l->consoles[i]->declared)
      {
        console_free (l, l->consoles[i], now_ms);
        l->consoles[i] = l->consoles[--l->count];
        return;
      }
}

int
logs_declare (struct logs *l, uint32_t id, const char *uuid, const char *name,
              uint64_t now_ms, struct error *err)
{
  struct console *c;

  if (!uuid || !name || !text_is_name (uuid) || strlen (uuid) > 64
      || !text_is_name (name) || strlen (name) > 64)
    return error_set (err, EINVAL, "a console needs a uuid and a name that "
                      "are file names");
  if (id >= LOGPIPE_IDS)
    return error_set (err, EINVAL, "a console id beyond %u", LOGPIPE_IDS);
  if (l->count >= LOGPIPE_IDS)
    forget_one (l, now_ms);
  if (l->count >= LOGPIPE_IDS || grow (l, id) < 0)
    return error_set (err, ENOMEM, "no room for another console");
  c = find_or_make (l, uuid, name);
  if (c == NULL)
    return error_set (err, ENOMEM, "no memory for a console");
  c->declared = true;
  l->by_id[id] = c;
  logs_take_unknown (l, id, now_ms);
  return 0;
}

void
logs_close_id (struct logs *l, uint32_t id)
{
  if (id >= l->cap_ids || l->by_id[id] == NULL)
    return;
  l->by_id[id]->declared = false;
  l->closed = 2;
}

void
logs_forget_ids (struct logs *l)
{
  if (l->by_id)
    memset (l->by_id, 0, l->cap_ids * sizeof *l->by_id);
  for (size_t i = 0; i < l->count; i++)
    l->consoles[i]->declared = false;
  buf_clear (&l->unknown);
}

/* ---- writing ---- */

static void
lost (struct logs *l, struct console *c, uint64_t bytes, const char *why)
{
  if (bytes == 0)
    return;
  c->gap += bytes;
  c->gap_why = why;
  c->info_gaps += bytes;
  l->stats_gaps += bytes;
}

/* Only what was rotated away can be removed: with very many consoles each must
 * rotate early, or the limit would be reached by what nobody may remove. */
uint64_t
logs_rotate_at (const struct logs *l)
{
  uint64_t share = l->limits.total / (4 * (l->count + 1));

  return share < l->limits.rotate ? share : l->limits.rotate;
}

/* All of it or nothing: half a line would read as a whole one.  Returns 0 or
 * a negative errno. */
static int
write_file (struct logs *l, struct console *c, enum log_file f,
            const void *data, size_t len, uint64_t now_ms)
{
  const char *p = data;
  size_t done = 0;
  int r = 0;

  if (l->full_until > now_ms)
    return -ENOSPC;
  if ((r = logs_open_file (l, c, f)) < 0)
    return r;
  lru_front (l, c);
  if (c->size[f] > 0 && c->size[f] + len > logs_rotate_at (l)
      && (r = logs_rotate (l, c, f)) < 0)
    return r;
  if (l->on_disk + len > l->limits.total)
    {
      logs_prune (l);
      if (l->on_disk + len > l->limits.total)
        r = -EDQUOT;
    }
  while (r == 0 && done < len)
    {
      ssize_t n = write (c->fd[f], p + done, len - done);

      if (n > 0)
        done += (size_t) n;
      else if (n == 0 || errno != EINTR)
        r = n == 0 ? -EIO : -errno;
    }
  if (r < 0 && done > 0 && ftruncate (c->fd[f], (off_t) c->size[f]) < 0)
    {
      c->size[f] += done; /* it stays as it is */
      l->on_disk += done;
    }
  if (r < 0)
    {
      l->full_until = now_ms + FULL_RETRY_MS;
      return r;
    }
  c->size[f] += len;
  l->on_disk += len;
  return 0;
}

static const char *
reason (int r)
{
  switch (-r)
    {
    case ENOSPC:
      return "the disk is full";
    case EDQUOT:
      return "the logs are at their limit";
    default:
      return "the disk fails";
    }
}

/* ---- the clean log ---- */

/* Bytes of the clean text: the raw log has what it was made from. */
static void
put_clean (struct logs *l, struct console *c, const struct buf *out,
           uint64_t now_ms)
{
  int r = out->len > 0
              ? write_file (l, c, FILE_CLEAN, out->data, out->len, now_ms)
              : 0;

  if (r < 0)
    lost (l, c, out->len, reason (r));
}

static void
flush_clean (struct logs *l, struct console *c, uint64_t now_ms)
{
  put_clean (l, c, &c->clean, now_ms);
  /* Kept, it would be most of what a quiet console costs. */
  buf_done (&c->clean);
  c->clean.max = CLEAN_GATHER;
}

/* Text behind a hole is no part of the line before it. */
static void
forget_line (struct console *c)
{
  buf_clear (&c->line);
  c->line_open = c->line_goes_on = false;
  c->line_cut = 0;
}

static void
flush_raw (struct logs *l, struct console *c, uint64_t now_ms)
{
  int r;

  if (c->wait == NULL)
    return;
  r = write_file (l, c, FILE_RAW, c->wait->data, c->wait->len, now_ms);
  if (r < 0)
    {
      /* Their lines wait in the clean log: they are in no raw one. */
      lost (l, c, c->wait->len, reason (r));
      buf_clear (&c->clean);
      forget_line (c);
    }
  wait_room_give (l->room, c->wait);
  c->wait = NULL;
}

static void
flush (struct logs *l, struct console *c, uint64_t now_ms)
{
  flush_raw (l, c, now_ms);
  flush_clean (l, c, now_ms);
}

/* Since when something waits that the files do not have. */
static void
begin_wait (struct console *c, uint64_t now_ms)
{
  if (c->clean.len == 0 && c->wait == NULL)
    c->wait_ms = now_ms;
}

/* Writes what is in out, behind the mark of what was lost before it.  The
 * lines of a quiet console wait for each other: a write for each would be half
 * of what a writer of a thousand of them does. */
static void
write_clean (struct logs *l, struct console *c, const struct buf *out,
             uint64_t now_ms)
{
  struct buf mark CLEANUP_BUF = BUF_INIT (256);

  if (l->busy && c->gap == 0 && c->clean.len + out->len <= CLEAN_GATHER
      && c->clean.len + out->len <= logs_rotate_at (l) / 4)
    {
      begin_wait (c, now_ms);
      buf_append (&c->clean, out->data, out->len);
      return;
    }
  flush (l, c, now_ms);
  if (c->gap > 0)
    {
      log_text_gap_ (&mark, c->gap, c->gap_why);
      if (write_file (l, c, FILE_CLEAN, mark.data, mark.len, now_ms) < 0)
        {
          lost (l, c, out->len, c->gap_why);
          return;
        }
      c->gap = 0;
    }
  put_clean (l, c, out, now_ms);
}

/* The raw log's file must be known: where these bytes belong is written beside
 * them. */
static bool
may_wait (struct logs *l, struct console *c, size_t len, uint64_t now_ms)
{
  return l->busy && l->room && len <= WAIT_BYTES / 2
         && len <= logs_rotate_at (l) / 4 && l->full_until <= now_ms
         && logs_open_file (l, c, FILE_RAW) == 0;
}

/* 0 or a negative errno. */
static int
write_raw (struct logs *l, struct console *c, const char *data, size_t len,
           uint64_t wall_ms, uint64_t now_ms)
{
  if (may_wait (l, c, len, now_ms))
    {
      if (c->wait && wait_add (c->wait, data, len))
        return 0;
      flush (l, c, now_ms);
      begin_wait (c, now_ms);
      c->wait = wait_room_take (l->room);
      if (c->wait)
        {
          lru_front (l, c);
          snprintf (c->wait->uuid, sizeof c->wait->uuid, "%s", c->uuid);
          snprintf (c->wait->name, sizeof c->wait->name, "%s", c->name);
          c->wait->ino = c->ino[FILE_RAW];
          c->wait->base = c->size[FILE_RAW];
          c->wait->wall_ms = wall_ms;
          wait_add (c->wait, data, len);
          return 0;
        }
    }
  flush_raw (l, c, now_ms);
  return write_file (l, c, FILE_RAW, data, len, now_ms);
}

/* ---- records ---- */

static void
put_data (struct logs *l, struct console *c, const char *data, size_t len,
          uint64_t wall_ms, uint64_t now_ms)
{
  struct buf out CLEANUP_BUF = BUF_INIT (CLEAN_BYTES);
  int r;

  if (!c->greeted)
    {
      /* The first file of this life: what came while nobody wrote is lost. */
      c->greeted = true;
      r = logs_open_file (l, c, FILE_CLEAN);
      lru_front (l, c);
      if (r == 0 && c->size[FILE_CLEAN] > 0)
        buf_puts (&out, "-- the writer was restarted here --\n");
    }
  if (++l->puts > BUSY_PUTS)
    l->busy = true;
  r = write_raw (l, c, data, len, wall_ms, now_ms);
  if (r < 0)
    {
      lost (l, c, len, reason (r));
      forget_line (c);
      return;
    }
  c->info_bytes += len;
  l->stats_bytes += len;
  log_text_put_ (c, &out, data, len, wall_ms, now_ms);
  if (out.len > 0 || c->gap > 0)
    write_clean (l, c, &out, now_ms);
  logs_close_oldest (l, c);
}

static void
put_dropped (struct logs *l, struct console *c, uint64_t gap, uint64_t now_ms)
{
  struct buf out CLEANUP_BUF = BUF_INIT (CLEAN_BYTES);

  if (c->line_open)
    log_text_end_ (c, &out, false);
  c->line_goes_on = false;
  if (out.len > 0)
    write_clean (l, c, &out, now_ms);
  lost (l, c, gap, "it came faster than it could be written");
  buf_clear (&out);
  write_clean (l, c, &out, now_ms);
  logs_close_oldest (l, c);
}

void
logs_put (struct logs *l, uint32_t id, const void *data, size_t len,
          uint64_t gap, uint64_t wall_ms, uint64_t now_ms)
{
  struct console *c = id < l->cap_ids ? l->by_id[id] : NULL;

  if (c == NULL)
    logs_keep_unknown (l, id, data, len, gap, wall_ms, now_ms);
  else if (len > 0)
    put_data (l, c, data, len, wall_ms, now_ms);
  else if (gap > 0)
    put_dropped (l, c, gap, now_ms);
}

/* Evicts the files that were not written to for the longest. */
void
logs_close_oldest (struct logs *l, const struct console *keep)
{
  while (l->open_files > l->limits.max_files && l->oldest
         && l->oldest != keep)
    close_files (l, l->oldest);
}

/* ---- what a killed writer left ---- */

static void
take_left (const struct wait_slot *s, void *arg)
{
  struct logs *l = arg;
  struct console *c;
  uint64_t has;

  if (l->count >= LOGPIPE_IDS || grow (l, 0) < 0
      || (c = find_or_make (l, s->uuid, s->name)) == NULL
      || logs_open_file (l, c, FILE_RAW) < 0)
    {
      l->stats_gaps += s->len;
      return;
    }
  /* It may have been killed while it wrote them. */
  has = c->ino[FILE_RAW] == s->ino && c->size[FILE_RAW] > s->base
            ? c->size[FILE_RAW] - s->base
            : 0;
  c->greeted = true;
  if (has < s->len)
    put_data (l, c, s->data + has, s->len - has, s->wall_ms, clock_ms ());
  flush (l, c, clock_ms ());
  c->greeted = false;
}

int
logs_wait_in (struct logs *l, int fd, struct error *err)
{
  int r = wait_room_new (fd, LOGPIPE_IDS, &l->room, err);

  if (r == 0)
    wait_room_left (l->room, take_left, l);
  return r;
}

/* ---- time ---- */

static void
check_room (struct logs *l, uint64_t now_ms)
{
  struct statvfs v;

  if (fstatvfs (l->dirfd, &v) == 0
      && (uint64_t) v.f_bavail * v.f_frsize < l->limits.free_floor)
    l->full_until = now_ms + 2 * FULL_RETRY_MS;
}

void
logs_sweep (struct logs *l, uint64_t now_ms)
{
  check_room (l, now_ms);
  l->busy = l->puts > BUSY_PUTS;
  l->puts = 0;
  if (l->closed > 0 && --l->closed == 0)
    forget_closed (l);
  if (l->unknown.len > 0 && now_ms - l->unknown_ms > UNKNOWN_MS)
    logs_drop_unknown (l);
  for (size_t i = 0; i < l->count; i++)
    {
      struct console *c = l->consoles[i];
      struct buf out CLEANUP_BUF = BUF_INIT (CLEAN_BYTES);

      if (c->line_open && now_ms - c->line_ms >= PARTIAL_MS)
        log_text_end_ (c, &out, false);
      if (out.len > 0 || (c->gap > 0 && l->full_until <= now_ms))
        write_clean (l, c, &out, now_ms);
      if ((c->wait || c->clean.len > 0) && now_ms - c->wait_ms >= WAIT_MS)
        flush (l, c, now_ms);
      logs_close_oldest (l, NULL);
    }
}

void
logs_flush (struct logs *l, const char *uuid, uint64_t now_ms)
{
  for (size_t i = 0; i < l->count; i++)
    if (!uuid || strcmp (l->consoles[i]->uuid, uuid) == 0)
      {
        flush (l, l->consoles[i], now_ms);
        logs_close_oldest (l, NULL);
      }
}

bool
logs_full (const struct logs *l)
{
  return l->full_until > clock_ms ();
}

/* ---- beginning and end ---- */

/* Two for each console.  Fewer than there are would mean opening one for
 * nearly every line. */
static unsigned
files_to_open (void)
{
  struct rlimit r;
  rlim_t n;

  if (getrlimit (RLIMIT_NOFILE, &r) < 0)
    return FILES_LEAST;
  r.rlim_cur = r.rlim_max < FILES_MOST + FILES_OTHER
                   ? r.rlim_max
                   : FILES_MOST + FILES_OTHER;
  (void) setrlimit (RLIMIT_NOFILE, &r);
  n = r.rlim_cur > FILES_OTHER ? r.rlim_cur - FILES_OTHER : 0;
  return n < FILES_LEAST ? FILES_LEAST : (unsigned) n;
}

int
logs_new (int dirfd, const struct logs_limits *limits, struct logs **ret,
          struct error *err)
{
  struct logs *l = calloc (1, sizeof *l);

  if (l == NULL)
    return error_set (err, ENOMEM, "no memory for the logs");
  if (limits)
    l->limits = *limits;
  if (l->limits.total == 0)
    l->limits.total = LOGS_TOTAL;
  if (l->limits.free_floor == 0)
    l->limits.free_floor = LOGS_FREE_FLOOR;
  if (l->limits.rotate == 0)
    l->limits.rotate = 4u << 20;
  if (l->limits.keep == 0)
    l->limits.keep = 4;
  if (l->limits.max_files == 0)
    l->limits.max_files = files_to_open ();
  l->unknown = (struct buf) BUF_INIT (UNKNOWN_BYTES);
  l->dirfd = fcntl (dirfd, F_DUPFD_CLOEXEC, 3);
  if (l->dirfd < 0)
    {
      free (l);
      return error_errno (err, errno, "the folder of the logs");
    }
  logs_measure (l);
  check_room (l, clock_ms ());
  *ret = l;
  return 0;
}

void
logs_free (struct logs *l)
{
  if (l == NULL)
    return;
  for (size_t i = 0; i < l->count; i++)
    {
      struct console *c = l->consoles[i];
      struct buf out CLEANUP_BUF = BUF_INIT (CLEAN_BYTES);

      if (c->line_open)
        {
          log_text_end_ (c, &out, false);
          write_clean (l, c, &out, clock_ms ());
        }
      console_free (l, c, clock_ms ());
    }
  wait_room_free (l->room);
  free (l->consoles);
  free (l->by_id);
  buf_done (&l->unknown);
  close (l->dirfd);
  free (l);
}
