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
#include "transports/console/hub_impl.h"
#include "transports/console/session_impl.h"

#define REGEX_MATCH_LIMIT 100000
#define REGEX_DEPTH_LIMIT 1000
#define REGEX_LINE_BACK 8192 /* how far back a regex may begin to match */
#define MAX_PATTERNS 16

const char *const talk_names[TALK_MAX + 1] = {
  [TALK_OK] = "ok",
  [TALK_SILENT] = "silent",
  [TALK_NO_ECHO] = "no-echo",
  [TALK_NO_ANSWER] = "no-answer",
  [TALK_LOGIN] = "login",
  [TALK_PASSWORD] = "password",
  [TALK_BOOTLOADER] = "bootloader",
  [TALK_BOOTING] = "booting",
  [TALK_XOFF] = "xoff",
  [TALK_BUSY] = "busy",
  [TALK_LOST] = "lost",
  [TALK_ABSENT] = "absent",
  [TALK_FLOODED] = "flooded",
  [TALK_MISMATCH] = "mismatch",
};

int
session_open (struct hub *hub, const char *uuid, const char *console,
              enum lease_rank rank, const char *who, uint64_t deadline,
              struct session **ret_s, struct error *err)
{
  CLEANUP_FREE struct session *s = calloc (1, sizeof *s);
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
  pcre2_code *code;
  size_t seen; /* of the window: no match begins before it */
};

struct patterns
{
  struct pattern p[MAX_PATTERNS];
  unsigned n;
  pcre2_match_data *data;
  pcre2_match_context *context;
};

struct found
{
  int index;
  size_t start, end;
};

static void
patterns_done (struct patterns *ps)
{
  for (unsigned i = 0; i < ps->n; i++)
    pcre2_code_free (ps->p[i].code);
  pcre2_match_data_free (ps->data);
  pcre2_match_context_free (ps->context);
}

static int
pattern_compile (struct pattern *p, struct error *err)
{
  PCRE2_UCHAR why[128];
  PCRE2_SIZE at;
  int code;

  if (p->e->literal)
    {
      p->literal_len = strlen (p->e->literal);
      return p->literal_len > 0 ? 0
                                : error_set (err, EINVAL, "an empty pattern");
    }
  if (!p->e->regex)
    return error_set (err, EINVAL, "a pattern that is neither literal nor "
                      "regex");
  p->code = pcre2_compile ((PCRE2_SPTR) p->e->regex, PCRE2_ZERO_TERMINATED,
                           PCRE2_MULTILINE, &code, &at, NULL);
  if (p->code)
    return 0;
  pcre2_get_error_message (code, why, sizeof why);
  return error_set (err, EINVAL, "the pattern \"%s\", at %zu: %s",
                    p->e->regex, (size_t) at, (const char *) why);
}

static int
patterns_compile (struct patterns *ps, const struct expect *e, unsigned n,
                  struct error *err)
{
  int r;

  if (n == 0 || n > MAX_PATTERNS)
    return error_set (err, EINVAL, "%u patterns, not 1 to %u", n,
                      MAX_PATTERNS);
  ps->data = pcre2_match_data_create (1, NULL);
  ps->context = pcre2_match_context_create (NULL);
  if (!ps->data || !ps->context)
    return error_errno (err, ENOMEM, "compiling patterns");
  pcre2_set_match_limit (ps->context, REGEX_MATCH_LIMIT);
  pcre2_set_depth_limit (ps->context, REGEX_DEPTH_LIMIT);
  for (; ps->n < n; ps->n++)
    {
      ps->p[ps->n].e = &e[ps->n];
      r = pattern_compile (&ps->p[ps->n], err);
      if (r < 0)
        {
          ps->n++;
          return r;
        }
    }
  return 0;
}

/* Only what no earlier look has covered is searched: a literal from where it
 * could still begin, a regex from the line that was not complete then. */
static bool
search_one (struct patterns *ps, struct pattern *p, const struct buf *w,
            struct found *ret)
{
  const char *text = buf_str (w), *at;
  PCRE2_SIZE *v;

  if (p->literal_len > 0)
    {
      at = memmem (text + p->seen, w->len - p->seen, p->e->literal,
                   p->literal_len);
      if (at)
        {
          ret->start = (size_t) (at - text);
          ret->end = ret->start + p->literal_len;
          return true;
        }
      if (w->len >= p->literal_len)
        p->seen = w->len - p->literal_len + 1;
      return false;
    }
  if (pcre2_match (p->code, (PCRE2_SPTR) text, w->len, p->seen, 0, ps->data,
                   ps->context)
      >= 0)
    {
      v = pcre2_get_ovector_pointer (ps->data);
      ret->start = v[0];
      ret->end = v[1];
      return true;
    }
  at = memrchr (text + p->seen, '\n', w->len - p->seen);
  if (at)
    p->seen = (size_t) (at + 1 - text);
  if (w->len - p->seen > REGEX_LINE_BACK)
    p->seen = w->len - REGEX_LINE_BACK;
  return false;
}

/* The match that begins first; of equals, the pattern named first. */
static bool
search (struct patterns *ps, const struct buf *w, struct found *ret)
{
  struct found f;
  bool any = false;

  for (unsigned i = 0; i < ps->n; i++)
    if (search_one (ps, &ps->p[i], w, &f) && (!any || f.start < ret->start))
      {
        *ret = f;
        ret->index = (int) i;
        any = true;
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
      for (unsigned i = 0; i < ps->n; i++)
        ps->p[i].seen = ps->p[i].seen > drop ? ps->p[i].seen - drop : 0;
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
  while (!search (&ps, &s->window, &f))
    {
      if (s->window.len > 0)
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
  if (ret_before)
    buf_append (ret_before, buf_str (&s->window), f.start);
  if (ret_match)
    buf_append (ret_match, buf_str (&s->window) + f.start, f.end - f.start);
  buf_consume (&s->window, f.end);
  return f.index;
}
