/* SPDX-License-Identifier: Apache-2.0
 *
 * Talking over a console: the lease, sending, expecting.  The framed command
 * is in command.c.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "transports/console/session.h"

#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/regex.h"
#include "transports/console/hub_impl.h"
#include "transports/console/session_impl.h"

#define REGEX_LINE_BACK 8192 /* how far back a regex may begin to match */
#define MAX_PATTERNS 16

/* What is before the first byte that may match: an echo in the middle of a line
 * must not pass for the beginning of one. */
static void
remember (struct session *s, const char *byte, size_t n)
{
  if (s->window.len > 0 || n == 0)
    return;
  buf_append (&s->window, byte, 1);
  s->behind = 1;
}

int
session_open (struct hub *hub, const char *uuid, const char *console,
              enum lease_rank rank, const char *who, uint64_t deadline,
              struct session **ret_s, struct error *err)
{
  CLEANUP_FREE struct session *s = calloc (1, sizeof *s);
  char last;
  int r;

  if (!s)
    return error_errno (err, ENOMEM, "opening a dialogue");
  s->window.max = SESSION_WINDOW + SESSION_CHUNK;
  s->rank = rank;
  guest_copy (s->uuid, sizeof s->uuid, uuid);
  guest_copy (s->console, sizeof s->console, console);
  r = hub_lease (hub, uuid, console, rank, who, false, deadline, &s->lease,
                 err);
  if (r < 0)
    return r;
  s->tap = lease_tap (s->lease);
  remember (s, &last, tap_peek_ (s->tap, &last, 1));
  *ret_s = steal_ptr (&s);
  return 0;
}

void
session_close (struct session *s)
{
  if (!s)
    return;
  lease_free (s->lease);
  buf_done (&s->window);
  free (s);
}

void
session_guard (struct session *s, typing_fn *may_type, void *arg)
{
  s->may_type = may_type;
  s->may_type_arg = arg;
}

void
session_record (struct session *s, session_said_fn *fn, void *arg)
{
  s->said = fn;
  s->said_arg = arg;
}

enum typing
session_typing_ (struct session *s, char *what, size_t n)
{
  what[0] = '\0';
  return s->may_type
             ? s->may_type (s->may_type_arg, s->uuid, s->console, what, n)
             : TYPING_FREE;
}

int
session_send (struct session *s, const void *data, size_t len,
              uint64_t deadline, struct error *err)
{
  char what[120];

  if (session_typing_ (s, what, sizeof what) == TYPING_BOOTING)
    return error_set (err, EHOSTDOWN, "%s", what);
  /* Unknown: behind a prompt, most likely. */
  remember (s, " ", 1);
  if (s->said)
    s->said (s->said_arg, true, data, len);
  return lease_write (s->lease, data, len, deadline, err);
}

bool
session_saw_bytes (struct session *s)
{
  return s->bytes > 0;
}

/* ---- what comes in ---- */

void
session_pause_ (uint64_t deadline)
{
  struct timespec ts = { .tv_nsec = SESSION_PAUSE_MS * 1000000L };

  if (clock_ms () + SESSION_PAUSE_MS < deadline)
    (void) nanosleep (&ts, NULL);
}

ssize_t
session_pull_ (struct session *s, uint64_t deadline)
{
  uint64_t lost;
  size_t n;
  int r;

  for (;;)
    {
      n = tap_read (s->tap, s->chunk, sizeof s->chunk, &lost);
      s->lost += lost;
      if (n > 0)
        {
          s->bytes += n;
          if (s->said)
            s->said (s->said_arg, false, s->chunk, n);
          return (ssize_t) n;
        }
      if (lease_lost (s->lease))
        return -ECANCELED;
      if (lease_check_ (s->lease, NULL) < 0)
        return -EPIPE;
      r = tap_wait (s->tap, deadline);
      if (r == -ETIMEDOUT)
        return r;
    }
}

/* ---- expect ---- */

struct pattern
{
  const struct expect *e;
  size_t literal_len;
  struct regex *re;
  size_t seen; /* of the window: no match begins before it */
};

struct patterns
{
  struct pattern p[MAX_PATTERNS];
  unsigned n;
  struct regex_scratch *scratch;
};

struct found
{
  int index;
  size_t start, len;
};

static void
patterns_done (struct patterns *ps)
{
  for (unsigned i = 0; i < ps->n; i++)
    regex_free (ps->p[i].re);
  regex_scratch_free (ps->scratch);
}

static int
pattern_compile (struct pattern *p, struct error *err)
{
  int r;

  if (p->e->literal)
    {
      p->literal_len = strlen (p->e->literal);
      return p->literal_len > 0 ? 0
                                : error_set (err, EINVAL, "an empty pattern");
    }
  if (!p->e->regex)
    return error_set (err, EINVAL, "a pattern that is neither literal nor "
                      "regex");
  r = regex_new (p->e->regex, &p->re, err);
  if (r < 0)
    error_wrap (err, "the pattern \"%s\"", p->e->regex);
  return r;
}

static int
patterns_compile (struct patterns *ps, const struct expect *e, unsigned n,
                  struct error *err)
{
  static const struct regex_limits limits = REGEX_LIMITS;
  int r;

  if (n == 0 || n > MAX_PATTERNS)
    return error_set (err, EINVAL, "%u patterns, not 1 to %u", n,
                      MAX_PATTERNS);
  r = regex_scratch_new (0, &limits, &ps->scratch, err);
  while (r == 0 && ps->n < n)
    {
      ps->p[ps->n].e = &e[ps->n];
      r = pattern_compile (&ps->p[ps->n++], err);
    }
  return r;
}

/* Only what no earlier look has covered is searched: a literal from where it
 * could still begin, a regex from the line that was not complete then.
 * As regex_find(). */
static int
search_one (struct patterns *ps, struct pattern *p, const struct buf *w,
            struct found *ret)
{
  const char *text = buf_str (w), *at;
  int r;

  if (p->literal_len > 0)
    {
      at = memmem (text + p->seen, w->len - p->seen, p->e->literal,
                   p->literal_len);
      if (at)
        {
          ret->start = (size_t) (at - text);
          ret->len = p->literal_len;
          return 1;
        }
      if (w->len >= p->literal_len)
        p->seen = w->len - p->literal_len + 1;
      return 0;
    }
  r = regex_find_from (p->re, ps->scratch, text, w->len, p->seen);
  if (r != 0)
    return r > 0 && !regex_span (ps->scratch, 0, &ret->start, &ret->len)
               ? -EINVAL
               : r;
  at = memrchr (text + p->seen, '\n', w->len - p->seen);
  if (at)
    p->seen = (size_t) (at + 1 - text);
  if (w->len - p->seen > REGEX_LINE_BACK)
    p->seen = w->len - REGEX_LINE_BACK;
  return 0;
}

/* The match that begins first; of equals, the pattern named first. */
static int
search (struct patterns *ps, const struct buf *w, struct found *ret)
{
  struct found f;
  int r, any = 0;

  for (unsigned i = 0; i < ps->n; i++)
    {
      r = search_one (ps, &ps->p[i], w, &f);
      if (r < 0)
        return r;
      if (r == 0 || (any && f.start >= ret->start))
        continue;
      *ret = f;
      ret->index = (int) i;
      any = 1;
    }
  return any;
}

static void
window_add (struct session *s, struct patterns *ps, size_t n)
{
  struct buf *w = &s->window;
  size_t drop;

  if (w->len + n > SESSION_WINDOW)
    {
      drop = w->len / 2;
      buf_consume (w, drop);
      s->behind = 1;
      for (unsigned i = 0; i < ps->n; i++)
        ps->p[i].seen = ps->p[i].seen > drop ? ps->p[i].seen - drop : 1;
    }
  buf_append (w, s->chunk, n);
}

int
session_expect (struct session *s, const struct expect *patterns, unsigned n,
                uint64_t deadline, struct buf *ret_before,
                struct buf *ret_match, struct error *err)
{
  CLEANUP (patterns_done) struct patterns ps = { .n = 0 };
  struct found f = { 0 };
  ssize_t got;
  int r = patterns_compile (&ps, patterns, n, err);

  if (r < 0)
    return r;
  for (unsigned i = 0; i < ps.n; i++)
    ps.p[i].seen = s->behind;
  while ((r = search (&ps, &s->window, &f)) == 0)
    {
      if (s->window.len > s->behind)
        session_pause_ (deadline);
      got = session_pull_ (s, deadline);
      if (got == -ETIMEDOUT)
        return error_set (err, ETIMEDOUT, "what was expected did not come");
      if (got < 0)
        return error_set (err, ECANCELED, "%s",
                          got == -EPIPE ? "the console went"
                                        : "somebody else took the console");
      window_add (s, &ps, (size_t) got);
    }
  if (r < 0)
    return error_set (err, -r, "what came takes too many steps to match");
  /* \K in a lookbehind may begin a match before where it was looked for. */
  if (ret_before && f.start > s->behind)
    buf_append (ret_before, buf_str (&s->window) + s->behind,
                f.start - s->behind);
  if (ret_match)
    buf_append (ret_match, buf_str (&s->window) + f.start, f.len);
  if (f.start + f.len > 0)
    {
      buf_consume (&s->window, f.start + f.len - 1);
      s->behind = 1;
    }
  return f.index;
}
