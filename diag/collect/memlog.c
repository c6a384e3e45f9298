/* SPDX-License-Identifier: Apache-2.0
 *
 * What EVE's memlogd has of a guest's console.
 *
 * In probe mode nobody is connected when a kernel says its last words.  QEMU
 * copies what the console says to its standard output all the same, and on
 * EVE that ends in memlogd, which keeps the last 5000 lines of the whole
 * device.  Its socket is asked for them ("dump", a byte 0) and answers with a
 * JSON object a line, the oldest first:
 *
 *   {"time":"2026-08-20T10:11:12.1Z","source":"guest_vm-DOMAIN","msg":"..."}
 *
 * Lines of an earlier QEMU of that domain are left out.
 */
#include "diag/collect/collect.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/opener.h"
#include "base/text.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SOCKET_NAME "memlogdq.sock"
#define WAIT_MS 2000
#define KEEP (256u << 10)
#define MAX_LINE (64u << 10) /* 8192 bytes, each escaped, and the rest */
#define MAX_ANSWER (64u << 20)
/* Older lines are shown, and nothing is concluded from them: the guest may
 * have been rebooted since. */
#define RECENT_S (15 * 60)

struct memlog
{
  char source[160];
  time_t from, recent; /* of which time on: kept; judged */
  char *line;          /* MAX_LINE */
  size_t nline;
  bool skip;
  char *text;           /* 2 * KEEP */
  size_t ntext, judged; /* recent lines begin there */
  bool judging;
  size_t lines, cut;
};

static void
memlog_done (struct memlog *m)
{
  free (m->line);
  free (m->text);
}

/* RFC 3339; the fraction does not matter. */
static bool
read_time (const char *s, time_t *ret)
{
  struct tm tm = { 0 };
  int used = 0, h, min;
  char sign;
  time_t t;

  if (!s
      || sscanf (s, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon,
                 &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used)
             != 6
      || tm.tm_year < 1970 || tm.tm_year > 9999)
    return false;
  tm.tm_year -= 1900;
  tm.tm_mon--;
  t = timegm (&tm);
  s += used;
  if (*s == '.')
    s += 1 + strspn (s + 1, "0123456789");
  if (sscanf (s, "%c%2d:%2d", &sign, &h, &min) == 3
      && (sign == '+' || sign == '-'))
    t += (sign == '+' ? -60 : 60) * (60 * h + min);
  *ret = t;
  return true;
}

/* The oldest lines make room. */
static void
make_room (struct memlog *m, size_t need)
{
  size_t drop;
  char *nl;

  if (m->ntext + need <= 2 * KEEP)
    return;
  drop = m->ntext - KEEP;
  nl = memchr (m->text + drop, '\n', m->ntext - drop);
  drop = nl ? (size_t) (nl + 1 - m->text) : m->ntext;
  memmove (m->text, m->text + drop, m->ntext - drop);
  m->ntext -= drop;
  m->cut += drop;
  m->judged = m->judged > drop ? m->judged - drop : 0;
}

static void
keep (struct memlog *m, struct json_object *msg, time_t at)
{
  const char *s = json_object_get_string (msg);
  size_t len = (size_t) json_object_get_string_len (msg);

  if (len > KEEP / 2)
    len = KEEP / 2;
  make_room (m, len + 1);
  if (at >= m->recent && !m->judging)
    {
      m->judging = true;
      m->judged = m->ntext;
    }
  memcpy (m->text + m->ntext, s, len);
  m->ntext += len;
  m->text[m->ntext++] = '\n';
  m->lines++;
}

static void
take_line (struct memlog *m)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct json_object *root, *msg;
  const char *source;
  time_t at;

  /* Most lines are of others: not worth parsing. */
  if (!memmem (m->line, m->nline, m->source, strlen (m->source))
      || json_parse (m->line, m->nline, JSON_WIRE, "memlogd", MAX_LINE, &doc,
                     NULL)
             < 0)
    return;
  root = json_root (doc);
  source = json_get_str (root, "source");
  msg = json_get (root, "msg");
  if (source && strcmp (source, m->source) == 0
      && json_object_is_type (msg, json_type_string)
      && read_time (json_get_str (root, "time"), &at) && at >= m->from)
    keep (m, msg, at);
}

static void
feed (struct memlog *m, const char *data, size_t len)
{
  while (len > 0)
    {
      const char *nl = memchr (data, '\n', len);
      size_t n = nl ? (size_t) (nl - data) : len;

      m->skip = m->skip || m->nline + n > MAX_LINE;
      if (!m->skip)
        {
          memcpy (m->line + m->nline, data, n);
          m->nline += n;
        }
      if (!nl)
        return;
      if (!m->skip)
        take_line (m);
      m->nline = 0;
      m->skip = false;
      data += n + 1;
      len -= n + 1;
    }
}

static int
read_dump (struct memlog *m, int fd, uint64_t deadline, struct error *err)
{
  char buf[16384];
  size_t total = 0;
  ssize_t n;

  if (write (fd, "", 1) != 1)
    return error_errno (err, errno, "asking memlogd");
  while (total < MAX_ANSWER)
    {
      struct pollfd p = { .fd = fd, .events = POLLIN };
      uint64_t now = clock_ms ();

      if (now >= deadline)
        return error_set (err, ETIMEDOUT, "memlogd does not come to an end");
      n = read (fd, buf, sizeof buf);
      if (n > 0)
        {
          feed (m, buf, (size_t) n);
          total += (size_t) n;
        }
      else if (n == 0)
        return 0;
      else if (errno == EAGAIN)
        poll (&p, 1, (int) (deadline - now));
      else if (errno != EINTR)
        return error_errno (err, errno, "reading from memlogd");
    }
  return error_set (err, EFBIG, "memlogd says more than %u MiB",
                    MAX_ANSWER >> 20);
}

/* When this QEMU was started, by the clock that the lines are stamped with. */
static time_t
started_at (const struct incarnation *inc)
{
  time_t now = (time_t) (clock_wall_ms () / 1000);
  long hz = sysconf (_SC_CLK_TCK);
  struct timespec ts;

  if (inc->pid == 0 || hz <= 0 || clock_gettime (CLOCK_BOOTTIME, &ts) < 0)
    return now - RECENT_S;
  return now - (ts.tv_sec - (time_t) (inc->start_time / (uint64_t) hz)) - 1;
}

static void
hand_over (struct collect_ctx *ctx, const struct memlog *m)
{
  struct buf shown CLEANUP_BUF = BUF_INIT (4 * KEEP);
  const char *text = m->text;
  size_t len = m->ntext;

  if (len > KEEP)
    {
      text += len - KEEP;
      len = KEEP;
    }
  if (m->cut || m->ntext > KEEP)
    ctx->out->gap (ctx->out, "console/platform.log",
                   "cut to the last %zu KiB of %zu", len >> 10,
                   (m->ntext + m->cut) >> 10);
  text_escape (&shown, text, len, TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
  ctx->out->file (ctx->out, "console/platform.log", buf_str (&shown),
                  shown.len);
  collect_int (ctx, "console.platform.lines", "memlogd", (int64_t) m->lines);
  if (m->judging)
    collect_marks (ctx, m->text + m->judged, m->ntext - m->judged);
}

void
collect_memlog (struct collect_ctx *ctx)
{
  const struct guest *g = ctx->guest;
  const char *root = json_get_str (g->labels, "eve.root");
  const struct open_req req
      = { .kind = OPEN_UNIX, .root = root, .path = SOCKET_NAME };
  uint64_t deadline = collect_until (ctx, WAIT_MS);
  struct memlog m CLEANUP (memlog_done) = { .skip = false };
  struct opener *opener = ctx->env->opener;
  struct error why = ERROR_INIT;
  int fd CLEANUP_CLOSE = -1;
  time_t now = (time_t) (clock_wall_ms () / 1000);

  /* Labels of other sources are their owner's to choose. */
  if (!root || strcmp (g->source, "rundir") != 0)
    return;
  snprintf (m.source, sizeof m.source, "guest_vm-%s", g->name);
  m.from = started_at (&g->inc);
  m.recent = now - RECENT_S;
  m.line = malloc (MAX_LINE);
  m.text = malloc (2 * KEEP);
  if (!m.line || !m.text
      || opener->open (opener, &req, deadline, &fd, NULL, &why) < 0
      || read_dump (&m, fd, deadline, &why) < 0)
    ctx->out->gap (ctx->out, "console", "the platform's log: %s",
                   why.code ? error_text (&why) : "no memory");
  if (m.lines)
    hand_over (ctx, &m);
}
