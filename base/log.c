/* SPDX-License-Identifier: Apache-2.0
 *
 * The programme's own log: one line per event, one write(2) per line.
 */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A line within PIPE_BUF goes into a pipe whole or not at all, and does not
 * block once poll() has said that there is room. */
#define MAX_LINE 4096
#define MAX_MESSAGE 3000
#define MAX_NAME 192
#define UUID_LEN 36
#define STALL_MS 100

/* The one place of the house with state of its own: a process has one stderr.
 * Set once by main before there are threads. */
static struct
{
  char program[32];
  enum log_level least;
  bool json;
} state = { "", LOG_LEVEL_INFO, false };

/* The last lines, oldest first from lines[first] on; those of our own stderr
 * may have been lost by then. */
#define KEPT_MOST 256
struct kept
{
  char *text;
  size_t len;
  uint64_t wall_ms;
  char guest[UUID_LEN + 1]; /* "" = about none */
};
static struct
{
  pthread_mutex_t m;
  struct kept lines[KEPT_MOST];
  unsigned first, n;
  size_t bytes, max;
} ring = { .m = PTHREAD_MUTEX_INITIALIZER };

struct event
{
  enum log_level level;
  const char *guest, *file, *func, *msg;
  unsigned long long lost;
};

/* Lines that a stderr which takes nothing has cost so far. */
static atomic_ullong dropped;

static const char *const level_names[] = {
  [LOG_LEVEL_DEBUG] = "debug",
  [LOG_LEVEL_INFO] = "info",
  [LOG_LEVEL_WARN] = "warning",
  [LOG_LEVEL_ERROR] = "error",
};

void
log_open (const char *program, enum log_level least, bool json)
{
  snprintf (state.program, sizeof state.program, "%s", program);
  state.least = least;
  state.json = json;
}

/* What does not go out in time is dropped and counted: a reader of the log
 * that is stuck must not stop us. */
static bool
write_line (const char *p, size_t len)
{
  struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };
  /* It is waited for once, not for each line. */
  int wait = atomic_load (&dropped) > 0 ? 0 : STALL_MS;

  while (len > 0)
    {
      ssize_t n;
      int r = poll (&pfd, 1, wait);

      if (r == 0)
        return false;
      if (r < 0 && errno == EINTR)
        continue;
      n = write (STDERR_FILENO, p, len);
      if (n < 0 && (errno == EINTR || errno == EAGAIN))
        continue;
      if (n <= 0)
        return false;
      p += n;
      len -= (size_t) n;
    }
  return true;
}

/* As a member of a JSON object, at most max bytes of value: after
 * text_escape() only the quote and the backslash are left to mind. */
static void
put_json (struct buf *line, const char *key, const char *bytes, size_t len,
          size_t max)
{
  struct buf safe = BUF_INIT (max);
  const char *p;
  size_t room = max;

  text_escape (&safe, bytes, len, 0);
  buf_printf (line, ",\"%s\":\"", key);
  for (p = buf_str (&safe); *p != '\0' && room >= 8; p++)
    {
      bool quote = *p == '"' || *p == '\\';

      if (quote)
        buf_putc (line, '\\');
      buf_putc (line, *p);
      room -= quote ? 2 : 1;
    }
  /* The cut must not fall into a UTF-8 character. */
  while ((*p & 0xc0) == 0x80)
    buf_putc (line, *p++);
  buf_puts (line, *p != '\0' || safe.cut ? "...\"" : "\"");
  buf_done (&safe);
}

/* EVE names a guest UUID.VERSION.NUMBER; its log reader looks for appuuid. */
static bool
starts_with_uuid (const char *s)
{
  for (int i = 0; i < UUID_LEN; i++)
    {
      bool dash = i == 8 || i == 13 || i == 18 || i == 23;

      if (s[i] == '\0' || (dash && s[i] != '-')
          || (!dash && !strchr ("0123456789abcdefABCDEF", s[i])))
        return false;
    }
  return true;
}

static void
format_json (struct buf *line, const struct event *e)
{
  char when[32];

  buf_printf (line, "{\"level\":\"%s\",\"time\":\"%s\"",
              level_names[e->level],
              clock_format (when, sizeof when, clock_wall_ms ()));
  put_json (line, "msg", e->msg, strlen (e->msg), MAX_MESSAGE);
  buf_printf (line, ",\"pid\":%ld", (long) getpid ());
  put_json (line, "source", state.program, strlen (state.program), MAX_NAME);
  put_json (line, "func", e->func, strlen (e->func), MAX_NAME);
  put_json (line, "file", e->file, strlen (e->file), MAX_NAME);
  if (e->guest)
    put_json (line, "guest", e->guest, strlen (e->guest), MAX_NAME);
  if (e->guest && starts_with_uuid (e->guest))
    put_json (line, "appuuid", e->guest, UUID_LEN, MAX_NAME);
  if (e->lost > 0)
    buf_printf (line, ",\"lost\":%llu", e->lost);
  buf_puts (line, "}\n");
}

static void
format_plain (struct buf *line, const struct event *e)
{
  struct buf msg = BUF_INIT (MAX_MESSAGE);

  if (e->lost > 0)
    buf_printf (line, "(%llu lines lost here) ", e->lost);
  if (state.program[0])
    buf_printf (line, "%s: ", state.program);
  if (e->level != LOG_LEVEL_INFO)
    buf_printf (line, "%s: ", level_names[e->level]);
  if (e->guest)
    {
      text_escape (line, e->guest, strnlen (e->guest, MAX_NAME), 0);
      buf_puts (line, ": ");
    }
  text_escape (&msg, e->msg, strlen (e->msg), TEXT_KEEP_TAB);
  buf_puts (line, buf_str (&msg));
  buf_puts (line, msg.cut ? "...\n" : "\n");
  buf_done (&msg);
}

/* ---- the last lines ---- */

static void
drop_oldest (void)
{
  struct kept *k = &ring.lines[ring.first];

  ring.bytes -= k->len;
  free (k->text);
  *k = (struct kept){ 0 };
  ring.first = (ring.first + 1) % KEPT_MOST;
  ring.n--;
}

static void
keep (const char *guest, const char *text, size_t len)
{
  char *own = len <= ring.max ? strndup (text, len) : NULL;
  struct kept *k;

  if (!own)
    return;
  pthread_mutex_lock (&ring.m);
  while (ring.n == KEPT_MOST || ring.bytes + len > ring.max)
    drop_oldest ();
  k = &ring.lines[(ring.first + ring.n++) % KEPT_MOST];
  *k = (struct kept){ .text = own, .len = len, .wall_ms = clock_wall_ms () };
  snprintf (k->guest, sizeof k->guest, "%s", guest ? guest : "");
  ring.bytes += len;
  pthread_mutex_unlock (&ring.m);
}

void
log_keep (size_t bytes)
{
  pthread_mutex_lock (&ring.m);
  ring.max = bytes;
  while (ring.bytes > ring.max)
    drop_oldest ();
  pthread_mutex_unlock (&ring.m);
}

size_t
log_kept_bytes (void)
{
  size_t n;

  pthread_mutex_lock (&ring.m);
  n = ring.bytes;
  pthread_mutex_unlock (&ring.m);
  return n;
}

static bool
is_asked_for (const struct kept *k, const char *guest, uint64_t from_wall_ms)
{
  return k->wall_ms >= from_wall_ms
         && (!guest || !k->guest[0]
             || strncmp (k->guest, guest, sizeof k->guest - 1) == 0);
}

void
log_kept (const char *guest, uint64_t from_wall_ms, struct buf *out)
{
  size_t room = out->max - out->len;
  unsigned i;

  pthread_mutex_lock (&ring.m);
  /* From the last one back: how far there is room. */
  for (i = ring.n; i > 0; i--)
    {
      const struct kept *k = &ring.lines[(ring.first + i - 1) % KEPT_MOST];

      if (!is_asked_for (k, guest, from_wall_ms))
        continue;
      if (k->len > room)
        break;
      room -= k->len;
    }
  for (; i < ring.n; i++)
    {
      const struct kept *k = &ring.lines[(ring.first + i) % KEPT_MOST];

      if (is_asked_for (k, guest, from_wall_ms))
        buf_append (out, k->text, k->len);
    }
  pthread_mutex_unlock (&ring.m);
}

/* ---- one line ---- */

void
log_at (enum log_level level, const char *guest, const char *file,
        const char *func, const char *fmt, ...)
{
  struct buf line = BUF_INIT (MAX_LINE);
  struct buf msg = BUF_INIT (MAX_MESSAGE);
  int saved = errno;
  struct event e = { level, guest, file ? file : "", func ? func : "" };
  va_list ap;

  if (level < state.least || level > LOG_LEVEL_ERROR)
    return;
  va_start (ap, fmt);
  buf_vprintf (&msg, fmt, ap);
  va_end (ap);
  e.msg = buf_str (&msg);
  e.lost = atomic_load (&dropped);
  if (state.json || ring.max)
    format_json (&line, &e);
  if (ring.max)
    keep (guest, buf_str (&line), line.len);
  if (!state.json)
    {
      buf_clear (&line);
      format_plain (&line, &e);
    }
  if (!write_line (buf_str (&line), line.len))
    atomic_fetch_add (&dropped, 1);
  else if (e.lost > 0)
    atomic_fetch_sub (&dropped, e.lost);
  buf_done (&msg);
  buf_done (&line);
  errno = saved;
}
