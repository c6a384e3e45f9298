/* SPDX-License-Identifier: Apache-2.0
 *
 * One shell command over a console: what is on the screen before it, the
 * answer, and why none came.  What is typed for it is in frame.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "transports/console/hub_impl.h"
#include "transports/console/kline.h"
#include "transports/console/prompt.h"
#include "transports/console/session_impl.h"

#define OUTPUT_MAX (1u << 20)
#define KERNEL_MAX (256u << 10)
#define TEXT_KEEP (64u << 10)  /* searched text kept at most */
#define TEXT_TAIL 4096         /* and what is always kept of it */
#define REPLY_MAX (64u << 10)
#define KEPT_MAX (16u << 10)

#define POKE_SILENT_MS 2000 /* for a guest that is slow, but there */
#define POKE_NOISY_MS 200   /* for one that says a lot, but no prompt */
#define UNREAD_MS 200
/* A boot that has said nothing for so long does not go on by itself; systemd
 * says at least how long it has been waiting. */
#define BOOT_QUIET_MS 20000
#define XON_MS 1000

#define KEY_INTERRUPT "\x03"
#define KEY_XON "\x11"

struct dialogue
{
  struct session *s;
  struct command_result *ret;
  uint64_t deadline;
  char non[9], ce[9];
  char marker[32];   /* what all begin with, as they come back */
  struct buf lines;  /* to be typed when somebody reads them */
  bool several;      /* it is one of several lines */
  bool ended;        /* its end has been told */
  bool interrupted;  /* by us, since it was typed */
  struct kline k;
  struct buf text;   /* since the command was typed, without kernel lines */
  size_t seen;       /* of text: searched for markers */
  bool begun;        /* text starts with the command's output */
  bool echoed;
  uint64_t typed_ms, lost_before;
  size_t bytes;      /* that came since the command was typed */
};

static void
dialogue_done (struct dialogue *d)
{
  buf_done (&d->text);
  buf_done (&d->lines);
}

void
command_result_done (struct command_result *r)
{
  if (!r)
    return;
  buf_done (&r->output);
  buf_done (&r->kernel);
}

static int verdict (struct dialogue *d, enum ask_end end, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));

/* 1: the dialogue is over. */
static int
verdict (struct dialogue *d, enum ask_end end, const char *fmt, ...)
{
  va_list ap;

  d->ret->end = end;
  va_start (ap, fmt);
  (void) vsnprintf (d->ret->detail, sizeof d->ret->detail, fmt, ap);
  va_end (ap);
  return 1;
}

/* Ends the dialogue for a failed pull or write. */
static int
verdict_failed (struct dialogue *d, int rc, const struct error *err)
{
  if (rc == -ETIMEDOUT)
    return verdict (d, ASK_XOFF, "it takes no keys: its flow is stopped, or "
                    "its input is full");
  if (rc == -ECANCELED)
    return verdict (d, ASK_TAKEN, "somebody else took the console");
  return verdict (d, ASK_TAKEN, "%.150s",
                  err && err->code ? error_text (err) : "the console went");
}

static int
type (struct dialogue *d, const char *keys)
{
  struct error err = ERROR_INIT;
  char what[120];
  int r;

  if (session_typing_ (d->s, what, sizeof what) == TYPING_BOOTING)
    return verdict (d, ASK_BOOTING, "%s", what);
  r = lease_write (d->s->lease, keys, strlen (keys), d->deadline, &err);
  return r < 0 ? verdict_failed (d, r, &err) : 0;
}

/* For cleaning up behind ourselves; what comes of it does not matter. */
static void
interrupt (struct dialogue *d)
{
  d->interrupted = true;
  (void) session_send (d->s, KEY_INTERRUPT, 1, clock_ms () + 100, NULL);
}

/* ---- what is on the screen before anything is typed ---- */

static enum screen
screen_of_kept (struct dialogue *d, const char *kept, size_t n,
                const char **what)
{
  enum screen s = screen_of (kept, n, what);

  if (s == SCREEN_BOOTING && lease_quiet_ms_ (d->s->lease) > BOOT_QUIET_MS)
    s = SCREEN_UNKNOWN;
  return s;
}

static enum screen
kept_screen (struct dialogue *d, const char **what)
{
  CLEANUP_FREE char *kept = malloc (KEPT_MAX);
  enum screen s;
  size_t n;

  *what = "";
  if (!kept)
    return SCREEN_UNKNOWN;
  if (lease_since_shell_ (d->s->lease, kept, KEPT_MAX, &n))
    {
      s = screen_of_kept (d, kept, n, what);
      /* A shell was here, and nothing since says that it went. */
      if (s == SCREEN_UNKNOWN && screen_login_lines (kept, n) == 0)
        return SCREEN_SHELL;
      return s;
    }
  n = tap_peek_ (d->s->tap, kept, TEXT_TAIL);
  return screen_of_kept (d, kept, n, what);
}

/* Types keys and looks at the reply until the screen is known, or until so
 * much time went by that it will not be.  1: the dialogue is over. */
static int
poke (struct dialogue *d, const char *keys, struct buf *reply,
      enum screen *ret_screen, const char **ret_what)
{
  uint64_t now = clock_ms (), until = now + POKE_SILENT_MS;
  uint64_t third = now + (d->deadline > now ? d->deadline - now : 0) / 3;
  struct session *s = d->s;
  ssize_t n;
  int r = type (d, keys);

  if (until > third)
    until = third;
  *ret_screen = SCREEN_UNKNOWN;
  buf_clear (reply);
  while (r == 0 && *ret_screen == SCREEN_UNKNOWN)
    {
      n = session_pull_ (s, until);
      if (n == -ETIMEDOUT)
        break;
      if (n < 0)
        return verdict_failed (d, (int) n, NULL);
      if (reply->len == 0 && clock_ms () + POKE_NOISY_MS < until)
        until = clock_ms () + POKE_NOISY_MS;
      if (reply->len + (size_t) n > REPLY_MAX)
        buf_consume (reply, reply->len / 2);
      buf_append (reply, s->chunk, (size_t) n);
      *ret_screen = screen_of (buf_str (reply), reply->len, ret_what);
      if (*ret_screen == SCREEN_UNKNOWN)
        {
          if (clock_ms () >= until)
            break;
          session_pause_ (until);
        }
    }
  return r;
}

static int
closed_verdict (struct dialogue *d, enum screen s, const char *what)
{
  switch (s)
    {
    case SCREEN_LOGIN:
      return verdict (d, ASK_LOGIN, "nobody is logged in: the console shows "
                      "a login prompt");
    case SCREEN_PASSWORD:
    case SCREEN_MAINTENANCE:
      return verdict (d, ASK_PASSWORD, "the console shows %s", what);
    case SCREEN_BOOTING:
      return verdict (d, ASK_BOOTING, "the guest boots or shuts down: its "
                      "console shows %s", what);
    default:
      return verdict (d, ASK_BOOTLOADER, "the console shows %s", what);
    }
}

/* A login prompt is on the screen: does anybody sit behind it? */
static int
try_login (struct dialogue *d, struct buf *reply)
{
  enum screen s;
  const char *what;
  int r = poke (d, "\r", reply, &s, &what);

  if (r != 0)
    return r;
  if (s == SCREEN_SHELL)
    return 0; /* somebody has logged in meanwhile */
  if (s == SCREEN_LOGIN || screen_login_lines (buf_str (reply), reply->len))
    return closed_verdict (d, SCREEN_LOGIN, "");
  if (screen_is_closed (s))
    return closed_verdict (d, s, what);
  if (reply->len == 0)
    return verdict (d, ASK_SILENT, "the console shows a login prompt, and "
                    "does not react to a key");
  return verdict (d, ASK_NO_ECHO, "the console showed a login prompt; other "
                  "output comes, but no reaction to a key");
}

/* 0: the command may be typed; 1: it may not, and why is in ret. */
static int
prepare (struct dialogue *d)
{
  CLEANUP_BUF struct buf reply = BUF_INIT (REPLY_MAX + SESSION_CHUNK);
  const char *what;
  char seen[120];
  enum screen s = kept_screen (d, &what);
  bool reads = lease_lines_asked_ (d->s->lease);
  int r = 0;

  for (unsigned round = 0; round < 3; round++)
    {
      if (s == SCREEN_SHELL && !reads)
        return 0;
      if (s == SCREEN_LOGIN)
        return try_login (d, &reply);
      if (screen_is_closed (s))
        return closed_verdict (d, s, what);
      /* An unfinished command would swallow ours, and then be executed: it
       * is dropped first.  So is one that waits for its lines, which nothing
       * on the screen tells. */
      if (s == SCREEN_CONTINUATION || reads)
        interrupt (d);
      else if (round > 0)
        break;
      reads = false;
      r = poke (d, KEYS_KILL "\r", &reply, &s, &what);
      if (r != 0)
        return r;
      if (s == SCREEN_UNKNOWN
          && screen_login_lines (buf_str (&reply), reply.len) > 0)
        s = SCREEN_LOGIN; /* perhaps: try_login() asks a second time */
    }
  /* A getty that takes longer than we wait would take it for a name. */
  if (s == SCREEN_UNKNOWN && reply.len == 0
      && session_typing_ (d->s, seen, sizeof seen) == TYPING_LOGIN)
    return verdict (d, ASK_SILENT, "the console showed a login prompt, and "
                    "does not react to a key");
  return 0;
}

/* ---- reading the answer ---- */

static void
append_output (struct buf *out, const char *p, size_t len)
{
  const char *cr;
  size_t n;

  while (len > 0)
    {
      cr = memchr (p, '\r', len);
      n = cr ? (size_t) (cr - p) : len;
      buf_append (out, p, n);
      n += cr != NULL;
      p += n;
      len -= n;
    }
}

static void
drop_text (struct dialogue *d, size_t n)
{
  buf_consume (&d->text, n);
  d->seen = d->seen > n ? d->seen - n : 0;
}

static bool
has (const struct buf *b, const char *s)
{
  return memmem (buf_str (b), b->len, s, strlen (s)) != NULL;
}

static void
look_for_echo (struct dialogue *d)
{
  /* Half of it is enough: a wrapped line may part the two. */
  d->echoed = d->echoed || has (&d->text, d->non) || has (&d->text, d->ce);
}

/* The letter of the next marker that is there with the end of its line, 0 =
 * none; where it stands, and what is behind the letter. */
static char
next_marker (struct dialogue *d, size_t *ret_at, const char **ret_rest)
{
  const char *text = buf_str (&d->text), *at, *nl;
  size_t len = strlen (d->marker);

  at = memmem (text + d->seen, d->text.len - d->seen, d->marker, len);
  if (!at)
    {
      if (d->text.len - d->seen >= len)
        d->seen = d->text.len - len + 1;
      return 0;
    }
  d->seen = (size_t) (at - text);
  nl = memchr (at, '\n', d->text.len - d->seen);
  if (!nl)
    return 0;
  *ret_at = d->seen;
  *ret_rest = at + len + 1;
  d->seen = (size_t) (nl + 1 - text);
  return at[len];
}

/* Keeps the text short, whatever comes. */
static void
trim (struct dialogue *d)
{
  size_t n;

  if (d->text.len <= TEXT_KEEP)
    return;
  n = d->text.len - TEXT_TAIL;
  if (d->begun)
    append_output (&d->ret->output, buf_str (&d->text), n);
  else
    look_for_echo (d);
  drop_text (d, n);
}

/* A login that took the command for a name asks for its password: no need to
 * wait for more. */
static bool
at_password (const struct dialogue *d)
{
  static const char sign[] = "assword:";
  size_t n = d->text.len < 64 ? d->text.len : 64;
  const char *tail = buf_str (&d->text) + d->text.len - n;

  return !d->begun && memmem (tail, n, sign, sizeof sign - 1)
         && screen_of (tail, n, NULL) == SCREEN_PASSWORD;
}

/* The end marker stands at at, and rest behind it.  1: it is over. */
static int
finish (struct dialogue *d, size_t at, const char *rest)
{
  struct command_result *ret = d->ret;
  uint64_t last = tap_time_of_last (d->s->tap);

  ret->took_ms = last > d->typed_ms ? last - d->typed_ms : 0;
  d->ended = true;
  lease_note_shell_ (d->s->lease);
  if (!d->begun)
    return verdict (d, ASK_CANT, "the shell did not take the lines of the "
                    "command");
  ret->status = atoi (rest);
  append_output (&ret->output, buf_str (&d->text), at);
  /* The line end that the marker itself brought. */
  if (ret->output.len > 0 && ret->output.data[ret->output.len - 1] == '\n')
    ret->output.data[--ret->output.len] = '\0';
  return verdict (d, ASK_OK, "answered in %llu ms, status %d",
                  (unsigned long long) ret->took_ms, ret->status);
}

/* 1: it is over. */
static int
type_lines (struct dialogue *d)
{
  CLEANUP_BUF struct buf lines = d->lines;

  d->lines = (struct buf) BUF_INIT (FRAME_MAX);
  return lines.len > 0 ? type (d, buf_str (&lines)) : 0;
}

/* Whether an end without a beginning is one: its lines were not taken.  Of one
 * line, or where bytes were lost, it is only that the beginning got lost. */
static bool
may_end (const struct dialogue *d)
{
  return d->begun || (d->several && d->s->lost == d->lost_before);
}

/* 1: it is over. */
static int
scan (struct dialogue *d)
{
  const char *rest;
  bool reads = false;
  size_t at;
  char mark;

  while ((mark = next_marker (d, &at, &rest)))
    if (mark == 'E' && *rest == ':' && may_end (d))
      return finish (d, at, rest + 1);
    else if (!d->begun && (mark == 'R' || mark == 'B'))
      {
        drop_text (d, d->seen);
        d->echoed = true;
        d->begun = mark == 'B';
        reads = mark == 'R';
      }
  trim (d);
  return reads ? type_lines (d) : 0;
}

/* 1: over; 0: until has come. */
static int
read_answer (struct dialogue *d, uint64_t until)
{
  ssize_t n;

  for (;;)
    {
      n = session_pull_ (d->s, until);
      if (n == -ETIMEDOUT)
        return 0;
      if (n < 0)
        return verdict_failed (d, (int) n, NULL);
      d->bytes += (size_t) n;
      kline_feed (&d->k, d->s->chunk, (size_t) n, &d->text, &d->ret->kernel);
      if (scan (d) != 0)
        return 1;
      if (at_password (d))
        {
          interrupt (d);
          return verdict (d, ASK_LOGIN, "nobody is logged in: the command "
                          "was taken for a user's name");
        }
      if (clock_ms () >= until)
        return 0;
      session_pause_ (until);
    }
}

/* ---- why there was no answer ---- */

static int
no_answer (struct dialogue *d, enum screen s, const char *what)
{
  if (d->begun)
    {
      interrupt (d);
      /* What has come of it is good as far as it goes. */
      append_output (&d->ret->output, buf_str (&d->text), d->text.len);
      if (s == SCREEN_PASSWORD)
        return verdict (d, ASK_NO_ANSWER, "the command began, and asks for "
                        "a password");
      return verdict (d, ASK_NO_ANSWER, "the command began, and did not end "
                      "in time");
    }
  if (screen_is_closed (s) || s == SCREEN_LOGIN)
    return closed_verdict (d, s, what);
  if (s == SCREEN_CONTINUATION)
    {
      interrupt (d);
      return verdict (d, ASK_NO_ANSWER, "the shell waits for the rest of the "
                      "command: is a quote open?");
    }
  return verdict (d, ASK_NO_ANSWER, "what was typed came back as an echo, "
                  "but was not executed in time");
}

static int
nothing_came (struct dialogue *d)
{
  int r;

  if (lease_unread_ (d->s->lease) > 0)
    return verdict (d, ASK_XOFF, "it takes no keys: its flow is stopped, its "
                    "input is full, or QEMU serves another client");
  if (d->s->rank >= LEASE_DIAGNOSIS)
    {
      r = type (d, KEY_XON);
      if (r == 0)
        r = read_answer (d, d->deadline);
      if (r != 0 && d->ret->end != ASK_OK)
        return r;
      if (r != 0 || d->text.len > 0)
        return verdict (d, ASK_XOFF, "its output was stopped (^S) and goes "
                        "on after XON");
    }
  return verdict (d, ASK_SILENT, "nothing at all came back");
}

static int
why_no_answer (struct dialogue *d)
{
  const char *what;
  enum screen s;

  if (d->s->lost > d->lost_before)
    return verdict (d, ASK_FLOODED, "%llu bytes came faster than they could "
                    "be searched",
                    (unsigned long long) (d->s->lost - d->lost_before));
  if (d->bytes == 0)
    return nothing_came (d);
  look_for_echo (d);
  s = screen_of (buf_str (&d->text), d->text.len, &what);
  if (s == SCREEN_UNKNOWN && !d->begun
      && kernel_is_young (buf_str (&d->ret->kernel)))
    return closed_verdict (d, SCREEN_BOOTING, "a kernel that has just been "
                           "started");
  if (d->echoed)
    return no_answer (d, s, what);
  if (screen_is_closed (s) || s == SCREEN_LOGIN)
    return closed_verdict (d, s, what);
  if (lease_unread_ (d->s->lease) > 0)
    return verdict (d, ASK_XOFF, "output comes, but no keys are taken");
  return verdict (d, ASK_NO_ECHO, "output comes, but no reaction to what was "
                  "typed");
}

/* ---- */

/* What was typed earlier must have been taken by now: on a guest that takes
 * nothing, commands would pile up and all run when it wakes. */
static int
wait_taken (struct dialogue *d)
{
  uint64_t until = clock_ms () + UNREAD_MS;

  if (until > d->deadline)
    until = d->deadline;
  while (lease_unread_ (d->s->lease) > 0)
    {
      if (clock_ms () + SESSION_PAUSE_MS >= until)
        return verdict (d, ASK_XOFF, "it has not taken what was typed "
                        "earlier: its flow is stopped, its input is full, or "
                        "QEMU serves another client");
      session_pause_ (until);
    }
  return 0;
}

static int
make_nonce (struct dialogue *d, struct error *err)
{
  uint32_t v[2];

  if (getrandom (v, sizeof v, 0) != sizeof v)
    return error_errno (err, errno, "making a nonce");
  snprintf (d->non, sizeof d->non, "%08x", v[0]);
  snprintf (d->ce, sizeof d->ce, "%08x", v[1]);
  snprintf (d->marker, sizeof d->marker, "HD%s%s:", d->non, d->ce);
  return 0;
}

static int
type_command (struct dialogue *d, const char *command, size_t len)
{
  CLEANUP_BUF struct buf frame = BUF_INIT (FRAME_MAX);

  d->several = frame_command_ (&frame, &d->lines, d->non, d->ce, command, len);
  d->interrupted = false;
  d->lost_before = d->s->lost;
  d->typed_ms = clock_ms ();
  if (d->several)
    lease_note_lines_ (d->s->lease);
  return type (d, buf_str (&frame));
}

/* Nobody is left waiting for lines, who would take what is typed next for
 * them.  Where no shell is any more, ^C is a key as any other. */
static void
leave (struct dialogue *d)
{
  enum ask_end end = d->ret->end;

  if (d->several && !d->ended && !d->interrupted && end != ASK_LOGIN
      && end != ASK_PASSWORD && end != ASK_BOOTLOADER && end != ASK_BOOTING)
    interrupt (d);
}

static void
await_answer (struct dialogue *d)
{
  uint64_t now = clock_ms (), until = d->deadline, reserve;

  if (d->s->rank >= LEASE_DIAGNOSIS && d->deadline > now)
    {
      /* Time for XON, only used when nothing at all has come. */
      reserve = (d->deadline - now) / 8;
      until -= reserve < XON_MS ? reserve : XON_MS;
    }
  if (read_answer (d, until) != 0)
    return;
  if (d->bytes > 0 && until < d->deadline && read_answer (d, d->deadline) != 0)
    return;
  (void) why_no_answer (d);
}

int
session_command (struct session *s, const char *command, uint64_t deadline,
                 struct command_result *ret, struct error *err)
{
  CLEANUP (dialogue_done) struct dialogue d = {
    .s = s, .ret = ret, .deadline = deadline, .k = KLINE_INIT,
    .text = BUF_INIT (TEXT_KEEP + SESSION_CHUNK + KLINE_STAMP_MAX),
    .lines = BUF_INIT (FRAME_MAX),
  };
  size_t len = 0;
  int r = frame_check_ (command, &len, err);

  if (r == 0)
    r = make_nonce (&d, err);
  if (r < 0)
    return r;
  *ret = (struct command_result){
    .end = ASK_SILENT, .status = -1,
    .output = BUF_INIT (OUTPUT_MAX), .kernel = BUF_INIT (KERNEL_MAX),
  };
  buf_clear (&s->window);
  s->behind = 0;
  if (wait_taken (&d) != 0 || prepare (&d) != 0)
    return 0;
  if (type_command (&d, command, len) == 0)
    await_answer (&d);
  leave (&d);
  return 0;
}
