/* SPDX-License-Identifier: Apache-2.0
 *
 * XON at a console that says nothing: does what its terminal holds back come?
 *
 * It is a key of the terminal itself: where nothing is held back it is dropped
 * before anybody reads it.
 */
#include <errno.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "transports/console/hub_impl.h"
#include "transports/console/kline.h"
#include "transports/console/prompt.h"
#include "transports/console/session_impl.h"

#define KEY_XON "\x11"
#define SCREEN_BYTES 4096
#define REPLY_MAX (64u << 10)

/* A boot loader or somebody who asks for a password gets no key. */
static int
may_be_typed (struct session *s, uint64_t quiet_ms, struct error *err)
{
  char kept[SCREEN_BYTES];
  const char *what = "";
  size_t n = tap_peek_ (s->tap, kept, sizeof kept);

  if (screen_is_closed (screen_of (kept, n, &what)))
    return error_set (err, EHOSTDOWN, "the console shows %s", what);
  if (lease_unread_ (s->lease) > 0)
    return error_set (err, EBUSY, "the console takes no keys");
  if (lease_quiet_ms_ (s->lease) < quiet_ms)
    return error_set (err, EAGAIN, "the console has just said something");
  return 0;
}

/* A terminal that does not know the key shows it, as any other. */
static bool
says_something (const struct buf *text)
{
  const char *p = buf_str (text);
  size_t n = text->len;

  if (n >= 2 && p[0] == '^' && p[1] == 'Q')
    p += 2, n -= 2;
  else if (n >= 1 && p[0] == KEY_XON[0])
    p++, n--;
  return n > 0 && !(n == 1 && p[0] == '^');
}

int
session_xon (struct session *s, uint64_t quiet_ms, uint64_t deadline,
             struct error *err)
{
  CLEANUP_BUF struct buf text = BUF_INIT (REPLY_MAX);
  struct kline k = KLINE_INIT;
  ssize_t n;
  int r = may_be_typed (s, quiet_ms, err);

  if (r == 0)
    r = session_send (s, KEY_XON, 1, deadline, err);
  if (r < 0)
    return r;
  while (!says_something (&text) && text.len + SESSION_CHUNK < REPLY_MAX)
    {
      n = session_pull_ (s, deadline);
      if (n == -ETIMEDOUT)
        return 0;
      if (n < 0)
        return error_set (err, (int) -n, "%s",
                          n == -EPIPE ? "the console went"
                                      : "somebody else took the console");
      kline_feed (&k, s->chunk, (size_t) n, &text, NULL);
    }
  return 1;
}
