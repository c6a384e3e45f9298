/* SPDX-License-Identifier: Apache-2.0
 *
 * The log pipe: both ends.
 *
 * The daemon's end keeps what the pipe did not take, up to a bound, and drops
 * whole records beyond it.  A record that went in by half is kept from its
 * first byte on: should the writer die now, its successor gets it whole.
 */
#include "supervisor/links/logpipe.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/le.h"

#include <fcntl.h>
#include <string.h>

#define HEADER 16
/* Four of the largest records: a round's worth, for a writer that is slow. */
#define QUEUE_BYTES (4 * (LOGPIPE_MAX_RECORD + HEADER))
#define READ_BYTES (128u << 10)
/* One call never keeps the loop for longer than this. */
#define READ_ROUND_BYTES (1u << 20)

/* What was dropped of one console and not told yet. */
struct gap
{
  uint32_t id;
  uint64_t bytes;
  uint64_t wall_ms;
};

struct logpipe
{
  int fd;
  unsigned char *queue;
  size_t len;
  size_t sent;  /* bytes of the record at the front that went in already */
  struct gap *gaps;
  size_t ngaps, cap_gaps;
  uint64_t dropped;
};

/* Whole length of the record at p. */
static size_t
record_size (const unsigned char *p)
{
  uint32_t len = le_get32 (p + 4);

  return HEADER + (len & LOGPIPE_GAP ? 0 : len);
}

/* ---- the daemon's end ---- */

static void
nonblock (int fd)
{
  int fl = fd >= 0 ? fcntl (fd, F_GETFL) : -1;

  if (fl >= 0)
    fcntl (fd, F_SETFL, fl | O_NONBLOCK);
}

int
logpipe_new (int fd, struct logpipe **ret, struct error *err)
{
  struct logpipe *lp = calloc (1, sizeof *lp);

  if (lp == NULL || (lp->queue = malloc (QUEUE_BYTES)) == NULL)
    {
      free (lp);
      return error_set (err, ENOMEM, "no memory for the log pipe");
    }
  lp->fd = fd;
  nonblock (fd);
  *ret = lp;
  return 0;
}

void
logpipe_free (struct logpipe *lp)
{
  if (lp == NULL)
    return;
  if (lp->fd >= 0)
    close (lp->fd);
  free (lp->gaps);
  free (lp->queue);
  free (lp);
}

void
logpipe_set_fd (struct logpipe *lp, int fd)
{
  if (lp->fd >= 0)
    close (lp->fd);
  lp->fd = fd;
  lp->sent = 0; /* the new reader knows nothing of the first half */
  nonblock (fd);
}

static void
add_record (struct logpipe *lp, uint32_t id, uint32_t len, const void *data,
            uint64_t wall_ms)
{
  unsigned char *p = lp->queue + lp->len;

  le_put32 (p, id);
  le_put32 (p + 4, len);
  le_put64 (p + 8, wall_ms);
  lp->len += HEADER;
  if (data)
    {
      memcpy (p + HEADER, data, len);
      lp->len += len;
    }
}

static void
note_gap (struct logpipe *lp, uint32_t id, uint64_t bytes, uint64_t wall_ms)
{
  lp->dropped += bytes;
  for (size_t i = 0; i < lp->ngaps; i++)
    if (lp->gaps[i].id == id)
      {
        lp->gaps[i].bytes += bytes;
        return;
      }
  if (lp->ngaps == lp->cap_gaps)
    {
      size_t cap = lp->cap_gaps ? lp->cap_gaps * 2 : 16;
      struct gap *gaps = realloc (lp->gaps, cap * sizeof *gaps);

      if (gaps == NULL)
        return; /* it remains in the total */
      lp->gaps = gaps;
      lp->cap_gaps = cap;
    }
  lp->gaps[lp->ngaps++] = (struct gap){ id, bytes, wall_ms };
}

/* Tells gap i if there is room; the marks of a huge one follow each other. */
static bool
tell_gap (struct logpipe *lp, size_t i)
{
  struct gap *g = &lp->gaps[i];

  while (g->bytes > 0)
    {
      uint32_t n = g->bytes < LOGPIPE_GAP ? (uint32_t) g->bytes
                                          : LOGPIPE_GAP - 1;

      if (QUEUE_BYTES - lp->len < HEADER)
        return false;
      add_record (lp, g->id, n | LOGPIPE_GAP, NULL, g->wall_ms);
      g->bytes -= n;
    }
  lp->gaps[i] = lp->gaps[--lp->ngaps];
  return true;
}

static bool
put_one (struct logpipe *lp, uint32_t id, const void *data, size_t len,
         uint64_t wall_ms)
{
  size_t need = HEADER + len;

  /* The mark of what is missing stands before what comes after it. */
  for (size_t i = 0; i < lp->ngaps; i++)
    if (lp->gaps[i].id == id)
      {
        if (lp->fd < 0 || QUEUE_BYTES - lp->len < need + HEADER
            || !tell_gap (lp, i))
          {
            note_gap (lp, id, len, wall_ms);
            return false;
          }
        break;
      }
  if (lp->fd < 0 || QUEUE_BYTES - lp->len < need)
    {
      note_gap (lp, id, len, wall_ms);
      return false;
    }
  add_record (lp, id, (uint32_t) len, data, wall_ms);
  return true;
}

bool
logpipe_put (struct logpipe *lp, uint32_t id, const void *data, size_t len,
             uint64_t wall_ms)
{
  const char *p = data;
  bool all = true;

  while (len > 0)
    {
      size_t n = len < LOGPIPE_MAX_RECORD ? len : LOGPIPE_MAX_RECORD;

      if (QUEUE_BYTES - lp->len < n + 2 * HEADER)
        logpipe_flush (lp);
      if (!put_one (lp, id, p, n, wall_ms))
        all = false;
      p += n;
      len -= n;
    }
  return all;
}

/* Takes whole records that went in off the front. */
static void
drop_sent (struct logpipe *lp, size_t n)
{
  size_t whole = 0;

  n += lp->sent;
  while (n > whole && n - whole >= record_size (lp->queue + whole))
    whole += record_size (lp->queue + whole);
  lp->sent = n - whole;
  lp->len -= whole;
  memmove (lp->queue, lp->queue + whole, lp->len);
}

void
logpipe_flush (struct logpipe *lp)
{
  while (lp->ngaps > 0 && lp->fd >= 0)
    if (!tell_gap (lp, lp->ngaps - 1))
      break;
  while (lp->fd >= 0 && lp->len > lp->sent)
    {
      ssize_t n = write (lp->fd, lp->queue + lp->sent, lp->len - lp->sent);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && errno == EAGAIN)
        return;
      if (n < 0)
        {
          /* The writer is gone; the keeper brings a new pipe. */
          logpipe_set_fd (lp, -1);
          return;
        }
      drop_sent (lp, (size_t) n);
    }
}

size_t
logpipe_pending (const struct logpipe *lp)
{
  return lp->len - lp->sent;
}

uint64_t
logpipe_dropped (const struct logpipe *lp)
{
  return lp->dropped;
}

/* ---- the writer's end ---- */

struct logpipe_reader
{
  int fd;
  unsigned char *buf;
  size_t len;
};

int
logpipe_reader_new (int fd, struct logpipe_reader **ret, struct error *err)
{
  struct logpipe_reader *r = calloc (1, sizeof *r);

  if (r == NULL || (r->buf = malloc (READ_BYTES)) == NULL)
    {
      free (r);
      return error_set (err, ENOMEM, "no memory for the log pipe");
    }
  r->fd = fd;
  nonblock (fd);
  *ret = r;
  return 0;
}

void
logpipe_reader_free (struct logpipe_reader *r)
{
  if (r == NULL)
    return;
  if (r->fd >= 0)
    close (r->fd);
  free (r->buf);
  free (r);
}

static int
deliver (struct logpipe_reader *r, logpipe_fn *fn, void *arg,
         struct error *err)
{
  size_t at = 0;

  while (r->len - at >= HEADER)
    {
      const unsigned char *p = r->buf + at;
      uint32_t id = le_get32 (p), len = le_get32 (p + 4);
      uint64_t wall_ms = le_get64 (p + 8);

      if (len & LOGPIPE_GAP)
        {
          fn (id, NULL, 0, len & ~LOGPIPE_GAP, wall_ms, arg);
          at += HEADER;
          continue;
        }
      if (len > LOGPIPE_MAX_RECORD)
        return error_set (err, EBADMSG,
                          "the log pipe: a record of %u bytes", len);
      if (r->len - at < HEADER + len)
        break;
      fn (id, p + HEADER, len, 0, wall_ms, arg);
      at += HEADER + len;
    }
  r->len -= at;
  memmove (r->buf, r->buf + at, r->len);
  return 0;
}

int
logpipe_read (struct logpipe_reader *r, logpipe_fn *fn, void *arg,
              struct error *err)
{
  size_t total = 0;

  while (total < READ_ROUND_BYTES)
    {
      ssize_t n = read (r->fd, r->buf + r->len, READ_BYTES - r->len);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && errno == EAGAIN)
        return 0;
      if (n < 0)
        return error_errno (err, errno, "the log pipe");
      if (n == 0)
        return error_set (err, EPIPE, "the log pipe has ended");
      r->len += (size_t) n;
      total += (size_t) n;
      int rc = deliver (r, fn, arg, err);
      if (rc < 0)
        return rc;
    }
  return 0;
}
