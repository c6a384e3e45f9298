/* SPDX-License-Identifier: Apache-2.0
 *
 * Recorded console logs: the bytes as they came, or hangdog's own log of
 * lines with their times.
 */
#include "supervisor/check/replay.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "kernel/text/line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

const char *const replay_times_names[] = { "none", "host", "kernel" };

#define STAMP 24 /* "2026-03-01T10:00:00.123Z" */
/* Of so many lines one must have a stamp, for the log to have any. */
#define LOOK_LINES 2000
/* A guest's stamp that falls by as much is another boot's. */
#define FALL_US 1000000

struct replay_log
{
  char *data;
  size_t len;
  enum replay_times times;
  /* While it is read. */
  struct splitter *splitter;
  replay_line_fn *fn;
  void *arg;
  uint64_t file_line, ms;
  uint64_t base_us, last_us; /* REPLAY_KERNEL: before this boot, and in it */
  bool stamped;              /* any, while the times are looked for */
};

/* ---- hangdog's own lines ---- */

static bool
digits (const char *p, unsigned n, int *ret)
{
  int v = 0;

  for (unsigned i = 0; i < n; i++)
    {
      if (p[i] < '0' || p[i] > '9')
        return false;
      v = v * 10 + (p[i] - '0');
    }
  *ret = v;
  return true;
}

static bool
read_stamp (const char *p, size_t len, uint64_t *ret_ms)
{
  struct tm tm = { 0 };
  int ms;
  time_t t;

  if (len < STAMP + 2 || p[4] != '-' || p[7] != '-' || p[10] != 'T'
      || p[13] != ':' || p[16] != ':' || p[19] != '.' || p[23] != 'Z'
      || !digits (p, 4, &tm.tm_year) || !digits (p + 5, 2, &tm.tm_mon)
      || !digits (p + 8, 2, &tm.tm_mday) || !digits (p + 11, 2, &tm.tm_hour)
      || !digits (p + 14, 2, &tm.tm_min) || !digits (p + 17, 2, &tm.tm_sec)
      || !digits (p + 20, 3, &ms))
    return false;
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  t = timegm (&tm);
  if (t < 0)
    return false;
  *ret_ms = (uint64_t) t * 1000 + (uint64_t) ms;
  return true;
}

static int
hex (char c)
{
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                                               : -1;
}

/* A log of lines is escaped for people.  It can't be undone in all cases: a
 * guest may have written the same by itself.  What matters is that a terminal's
 * sequences are known as such again. */
static void
unescape (struct buf *out, const char *p, size_t len)
{
  for (const char *end = p + len; p < end; p++)
    if (*p == '\\' && end - p >= 3 && p[1] == 'e'
        && (p[2] == '[' || p[2] == ']' || p[2] == '('))
      {
        buf_putc (out, '\033');
        p++;
      }
    else if (*p == '\\' && end - p >= 4 && p[1] == 'x' && hex (p[2]) >= 0
             && hex (p[3]) >= 0)
      {
        buf_putc (out, (char) (hex (p[2]) * 16 + hex (p[3])));
        p += 3;
      }
    else
      buf_putc (out, *p);
}

/* ---- lines ---- */

/* The log's clock goes on only, and by this boot's stamps. */
static void
by_stamp (struct replay_log *log, const struct text_msg *msg)
{
  if (!msg->stamped)
    return;
  if (msg->stamp_us + FALL_US < log->last_us)
    {
      log->base_us += log->last_us;
      log->last_us = 0;
    }
  if (msg->stamp_us > log->last_us && msg->stamp_us < INT64_MAX / 4)
    log->last_us = msg->stamp_us;
  log->ms = (log->base_us + log->last_us) / 1000 + 1;
}

static void
on_line (const struct text_line *line, void *arg)
{
  struct replay_log *log = arg;
  struct text_msg msg;

  prefix_strip (line, &msg);
  log->stamped |= msg.stamped && msg.from == FROM_KERNEL;
  if (log->times == REPLAY_KERNEL)
    by_stamp (log, &msg);
  if (log->fn)
    log->fn (&msg, log->file_line, log->ms, line->raw_len, log->arg);
}

/* One line of the file, without its end. */
static void
feed_clean (struct replay_log *log, struct buf *text, const char *p,
            size_t len, bool goes_on)
{
  if (!read_stamp (p, len, &log->ms) || len < STAMP + 2)
    return; /* "-- ...": one of ours */
  buf_clear (text);
  unescape (text, p + STAMP + 2, len - STAMP - 2);
  if (!goes_on)
    buf_putc (text, '\n');
  splitter_feed (log->splitter, buf_str (text), text->len, log->ms);
  /* It stood still there, or the log would not have it on two lines. */
  if (goes_on)
    (void) splitter_tick (log->splitter, log->ms + TEXT_LINE_OPEN_MS);
}

/* Whether the next line of the file goes on where this one stopped. */
static bool
goes_on (const char *p, const char *end)
{
  uint64_t ms;

  return read_stamp (p, (size_t) (end - p), &ms) && p[STAMP] == '+';
}

static void
feed_lines (struct replay_log *log, uint64_t most)
{
  struct buf text CLEANUP_BUF = BUF_INIT (4 * TEXT_LINE_MAX);
  const char *p = log->data, *end = log->data + log->len, *nl;

  for (log->file_line = 1; p < end && log->file_line <= most;
       log->file_line++)
    {
      nl = memchr (p, '\n', (size_t) (end - p));
      if (log->times == REPLAY_HOST)
        feed_clean (log, &text, p, (size_t) ((nl ? nl : end) - p),
                    nl && goes_on (nl + 1, end));
      else
        splitter_feed (log->splitter, p,
                       (size_t) ((nl ? nl + 1 : end) - p), log->ms);
      p = nl ? nl + 1 : end;
    }
}

static void
run (struct replay_log *log, uint64_t most)
{
  log->ms = 1;
  log->base_us = log->last_us = 0;
  if (splitter_new (on_line, log, &log->splitter, NULL) < 0)
    return;
  feed_lines (log, most);
  splitter_end (log->splitter);
  splitter_free (steal_ptr (&log->splitter));
}

void
replay_log_each (struct replay_log *log, replay_line_fn *fn, void *arg)
{
  log->fn = fn;
  log->arg = arg;
  run (log, UINT64_MAX);
  log->fn = NULL;
}

enum replay_times
replay_log_times (const struct replay_log *log)
{
  return log->times;
}

/* ---- opening ---- */

static enum replay_times
find_times (struct replay_log *log)
{
  const char *p = log->data, *end = log->data + log->len;
  uint64_t ms;

  /* What is ours may stand before the first of the guest's. */
  for (unsigned i = 0; i < 16 && p < end; i++)
    {
      const char *nl = memchr (p, '\n', (size_t) (end - p));

      if (read_stamp (p, (size_t) (end - p), &ms))
        return REPLAY_HOST;
      if (end - p < 3 || memcmp (p, "-- ", 3) != 0 || !nl)
        break;
      p = nl + 1;
    }
  run (log, LOOK_LINES);
  return log->stamped ? REPLAY_KERNEL : REPLAY_NONE;
}

int
replay_log_open (const char *path, struct replay_log **ret,
                 struct error *err)
{
  CLEANUP_CLOSE int fd
      = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct replay_log *log;
  struct stat st;
  int rc;

  if (fd < 0 || fstat (fd, &st) < 0)
    return error_errno (err, errno, "%s", path);
  if (!S_ISREG (st.st_mode) || (uint64_t) st.st_size > REPLAY_MAX)
    return error_set (err, EINVAL, "%s is no file of at most 256 MiB", path);
  log = calloc (1, sizeof *log);
  if (log)
    log->data = malloc ((size_t) st.st_size + 1);
  if (!log || !log->data)
    {
      replay_log_free (log);
      return error_set (err, ENOMEM, "no memory for %s", path);
    }
  rc = io_read (fd, log->data, (size_t) st.st_size, &log->len);
  if (rc < 0)
    {
      replay_log_free (log);
      return error_errno (err, -rc, "%s", path);
    }
  log->times = find_times (log);
  *ret = log;
  return 0;
}

void
replay_log_free (struct replay_log *log)
{
  if (!log)
    return;
  free (log->data);
  free (log);
}
