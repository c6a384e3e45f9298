/* SPDX-License-Identifier: Apache-2.0
 *
 * Channels: requests and answers on the loop, ends of every kind, peers that
 * never read or flood.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "tests/unit/base/fake-loop.h"
#include "tests/unit/base/frame-peer.h"

struct side
{
  struct channel *ch;
  unsigned frames, closed, answers, failures;
  int why;
  int answer_code;
  char last[64];
  unsigned last_fds;
  bool free_in_frame, finish_in_frame, free_in_close, free_in_answer;
  bool answer_all;
};

static void
side_frame (struct channel *ch, struct frame *frame, void *arg)
{
  struct side *s = arg;

  assert_false (s->closed);
  s->frames++;
  snprintf (s->last, sizeof s->last, "%s", json_get_str (frame->head, "op"));
  s->last_fds = frame->nfds;
  if (s->answer_all)
    {
      struct json_object *head = json_object_new_object ();

      json_add_bool (head, "more", true);
      assert_int_equal (channel_reply (ch, frame, head, "1", 1, NULL, 0), 0);
      assert_int_equal (channel_reply (ch, frame, NULL, "2", 1, NULL, 0), 0);
    }
  if (s->finish_in_frame)
    channel_finish (ch);
  if (s->free_in_frame)
    {
      channel_free (ch);
      s->ch = NULL;
    }
}

static void
side_close (struct channel *ch, const struct error *why, void *arg)
{
  struct side *s = arg;

  s->closed++;
  s->why = why->code;
  if (s->free_in_close)
    {
      channel_free (ch);
      s->ch = NULL;
    }
}

static const struct channel_ops side_ops
    = { .on_frame = side_frame, .on_close = side_close };

static void
side_answer (struct frame *frame, const struct error *err, void *arg)
{
  struct side *s = arg;

  assert_true (!frame != !err);
  if (frame)
    {
      s->answers++;
      s->last_fds = frame->nfds;
    }
  else
    {
      s->failures++;
      s->answer_code = err->code;
      snprintf (s->last, sizeof s->last, "%.60s", err->msg);
    }
  if (s->free_in_answer)
    {
      channel_free (s->ch);
      s->ch = NULL;
    }
}

static void
side_new (struct loop *loop, struct side *s, int sock, size_t max)
{
  struct error err = ERROR_INIT;

  memset (s, 0, sizeof *s);
  assert_int_equal (
      channel_new (loop, "side", sock, max, &side_ops, s, &s->ch, &err), 0);
}

static int
call (struct side *s, const char *name, uint64_t timeout)
{
  struct error err = ERROR_INIT;

  return channel_call (s->ch, op (name), NULL, 0, NULL, 0, timeout, side_answer,
                       s, &err);
}

static void
test_channel_talk (void **state)
{
  unsigned before = count_fds ();
  struct loop *loop = fake_loop ();
  struct side a, b;
  int sv[2], fds[3] = { 0, 0, 0 };

  pair (sv);
  side_new (loop, &a, sv[0], 1 << 20);
  side_new (loop, &b, sv[1], 1 << 20);
  assert_int_equal (channel_send (a.ch, op ("one"), "x", 1, fds, 3), 0);
  rounds (loop, 2);
  assert_int_equal (b.frames, 1);
  assert_int_equal (b.last_fds, 3);
  assert_string_equal (b.last, "one");
  b.answer_all = true;
  assert_int_equal (call (&a, "ask", 1000), 0);
  assert_int_equal (
      channel_send (a.ch, op ("no answer wanted"), NULL, 0, NULL, 0), 0);
  rounds (loop, 3);
  assert_int_equal (b.frames, 3);
  assert_int_equal (a.answers, 2);
  loop_advance (loop, 5000);
  assert_int_equal (a.failures, 0);
  channel_free (b.ch);
  rounds (loop, 2);
  assert_int_equal (b.closed, 0);
  assert_int_equal (a.closed, 1);
  assert_int_equal (a.why, EPIPE);
  assert_int_equal (channel_send (a.ch, op ("x"), NULL, 0, NULL, 0), -EPIPE);
  channel_finish (a.ch);
  rounds (loop, 2);
  assert_int_equal (a.closed, 1);
  channel_free (a.ch);
  channel_free (NULL);
  loop_free (loop);
  assert_int_equal (count_fds (), before);
}

static void
test_call_fails (void **state)
{
  struct loop *loop = fake_loop ();
  struct side a, b;
  struct error err = ERROR_INIT;
  CLEANUP_JSON struct json_object *nothing = json_object_new_object ();
  struct frame ask = { .head = nothing };
  int sv[2];

  pair (sv);
  side_new (loop, &a, sv[0], 1 << 20);
  side_new (loop, &b, sv[1], 1 << 20);
  /* No answer in time. */
  assert_int_equal (call (&a, "ask", 1000), 0);
  rounds (loop, 2);
  loop_advance (loop, 999);
  assert_int_equal (a.failures, 0);
  loop_advance (loop, 1);
  assert_int_equal (a.failures, 1);
  assert_int_equal (a.answer_code, ETIMEDOUT);
  /* A late answer is ignored; an answer to nothing, too. */
  json_add_int (nothing, "id", 1);
  assert_int_equal (channel_reply (b.ch, &ask, NULL, NULL, 0, NULL, 0), 0);
  json_add_int (nothing, "id", 77);
  assert_int_equal (channel_reply (b.ch, &ask, NULL, NULL, 0, NULL, 0), 0);
  rounds (loop, 2);
  assert_int_equal (a.answers, 0);
  assert_int_equal (a.closed, 0);
  /* An error answer, with something for the terminal in it. */
  assert_int_equal (call (&a, "ask", 1000), 0);
  json_add_int (nothing, "id", 2);
  (void) error_set (&err, EBUSY, "held by \x1b]0;you\a");
  assert_int_equal (channel_reply_error (b.ch, &ask, &err), 0);
  rounds (loop, 2);
  assert_int_equal (a.failures, 2);
  assert_int_equal (a.answer_code, EBUSY);
  assert_null (strchr (a.last, '\x1b'));
  assert_non_null (strstr (a.last, "held by"));
  /* The end, with a request under way. */
  assert_int_equal (call (&a, "ask", CLOCK_NEVER), 0);
  channel_free (b.ch);
  rounds (loop, 2);
  assert_int_equal (a.failures, 3);
  assert_int_equal (a.answer_code, EPIPE);
  assert_int_equal (call (&a, "ask", 1000), -EPIPE);
  channel_free (a.ch);
  loop_free (loop);
}

static void
test_free_in_callbacks (void **state)
{
  unsigned before = count_fds ();
  struct loop *loop = fake_loop ();
  struct side a, b;
  int sv[2];

  /* In on_frame, with more frames waiting. */
  pair (sv);
  side_new (loop, &a, sv[0], 1 << 20);
  side_new (loop, &b, sv[1], 1 << 20);
  b.free_in_frame = true;
  a.free_in_close = true;
  for (int i = 0; i < 3; i++)
    assert_int_equal (channel_send (a.ch, op ("x"), NULL, 0, NULL, 0), 0);
  rounds (loop, 3);
  assert_int_equal (b.frames, 1);
  assert_int_equal (b.closed, 0);
  assert_int_equal (a.closed, 1);
  /* In an answer; the other request is told, before channel_free returns. */
  pair (sv);
  side_new (loop, &a, sv[0], 1 << 20);
  side_new (loop, &b, sv[1], 1 << 20);
  b.answer_all = true;
  a.free_in_answer = true;
  b.free_in_close = true;
  assert_int_equal (call (&a, "ask", 1000), 0);
  rounds (loop, 4);
  assert_int_equal (a.answers, 1);
  assert_int_equal (a.failures, 1);
  assert_int_equal (a.answer_code, ECANCELED);
  assert_int_equal (b.closed, 1);
  /* In a time-out. */
  pair (sv);
  side_new (loop, &a, sv[0], 1 << 20);
  a.free_in_answer = true;
  assert_int_equal (call (&a, "ask", 1000), 0);
  loop_advance (loop, 1000);
  assert_int_equal (a.failures, 1);
  assert_int_equal (a.closed, 0);
  close (sv[1]);
  loop_free (loop);
  assert_int_equal (count_fds (), before);
}

/* A peer that never reads costs max_queued and no more. */
static void
test_never_reads (void **state)
{
  struct loop *loop = fake_loop ();
  struct side a;
  char body[4096] = { 0 };
  int sv[2], r = 0;
  unsigned sent = 0;

  pair (sv);
  side_new (loop, &a, sv[0], 100000);
  for (int i = 0; i < 1000 && r == 0; i++)
    {
      r = channel_send (a.ch, op ("x"), body, sizeof body, NULL, 0);
      sent += r == 0;
      assert_true (channel_queued (a.ch) <= 100000);
      rounds (loop, 1);
    }
  assert_int_equal (r, -ENOBUFS);
  assert_int_equal (a.closed, 0);
  /* It does read after all: each of them, whole. */
  for (unsigned i = 0; i < sent; i++)
    {
      CLEANUP_FRAME struct frame f = { .head = NULL };
      struct error err = ERROR_INIT;

      rounds (loop, 1);
      assert_int_equal (frame_read (sv[1], &f, in_ms (60000), &err), 0);
      assert_int_equal (f.body_len, sizeof body);
    }
  assert_int_equal (channel_queued (a.ch), 0);
  channel_free (a.ch);
  close (sv[1]);
  loop_free (loop);
}

static void
test_finish (void **state)
{
  struct loop *loop = fake_loop ();
  CLEANUP_FREE char *body = calloc (1, 500000);
  struct side a;
  int sv[2];

  /* With an empty queue: from the loop, not from within the call. */
  pair (sv);
  side_new (loop, &a, sv[0], 1 << 20);
  channel_finish (a.ch);
  assert_int_equal (a.closed, 0);
  rounds (loop, 1);
  assert_int_equal (a.closed, 1);
  assert_int_equal (a.why, 0);
  channel_free (a.ch);
  close (sv[1]);
  /* With much to send. */
  pair (sv);
  side_new (loop, &a, sv[0], 1 << 20);
  assert_int_equal (channel_send (a.ch, op ("x"), body, 500000, NULL, 0), 0);
  channel_finish (a.ch);
  assert_int_equal (channel_send (a.ch, op ("y"), NULL, 0, NULL, 0), -EPIPE);
  assert_true (channel_queued (a.ch) > 0);
  fcntl (sv[1], F_SETFL, O_NONBLOCK);
  while (!a.closed)
    {
      rounds (loop, 1);
      assert_true (read (sv[1], body, 500000) > 0 || a.closed);
    }
  assert_int_equal (a.why, 0);
  channel_free (a.ch);
  close (sv[1]);
  /* The peer does not read: it ends all the same. */
  pair (sv);
  side_new (loop, &a, sv[0], 1 << 20);
  assert_int_equal (channel_send (a.ch, op ("x"), body, 500000, NULL, 0), 0);
  channel_finish (a.ch);
  loop_advance (loop, 5000);
  assert_int_equal (a.closed, 1);
  assert_int_equal (a.why, ETIMEDOUT);
  channel_free (a.ch);
  close (sv[1]);
  loop_free (loop);
}

/* Byte by byte it works, and what breaks the rules ends the connection. */
static void
test_channel_hostile (void **state)
{
  static const char *const bad[]
      = { "{}",  "{\"op\":1}", "{\"op\":\"x\",\"re\":1}", "{\"re\":\"1\"}",
          "[1]", "x!" };
  unsigned before = count_fds ();
  struct loop *loop = fake_loop ();
  struct side a;
  char bytes[256];
  size_t len;
  int sv[2];

  pair (sv);
  side_new (loop, &a, sv[0], 1 << 20);
  len = raw (bytes, "{\"op\":\"slow\"}", 50);
  for (size_t i = 0; i < len; i++)
    {
      assert_int_equal (a.frames, 0);
      assert_int_equal (write (sv[1], bytes + i, 1), 1);
      rounds (loop, 1);
    }
  assert_int_equal (a.frames, 1);
  /* The last words of who closes at once are heard. */
  assert_int_equal (write (sv[1], bytes, len), len);
  assert_int_equal (write (sv[1], bytes, len), len);
  close (sv[1]);
  rounds (loop, 2);
  assert_int_equal (a.frames, 3);
  assert_int_equal (a.closed, 1);
  assert_int_equal (a.why, EPIPE);
  channel_free (a.ch);

  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    {
      pair (sv);
      side_new (loop, &a, sv[0], 1 << 20);
      len = raw (bytes, bad[i], 0);
      assert_int_equal (write (sv[1], bytes, len), len);
      rounds (loop, 2);
      if (a.closed != 1 || a.frames != 0 || a.why == EPIPE)
        fail_msg ("%s: closed %u, frames %u", bad[i], a.closed, a.frames);
      channel_free (a.ch);
      close (sv[1]);
    }
  loop_free (loop);
  assert_int_equal (count_fds (), before);
}

/* A flood on one channel must leave another its turn, within a round. */
static void
test_flood_is_shared (void **state)
{
  struct loop *loop = fake_loop ();
  struct side a, b;
  char bytes[64];
  size_t len = raw (bytes, "{\"op\":\"x\"}", 0);
  int sv[2], sw[2];

  pair (sv);
  pair (sw);
  side_new (loop, &a, sv[0], 1 << 20);
  side_new (loop, &b, sw[0], 1 << 20);
  for (int i = 0; i < 200; i++)
    assert_int_equal (write (sv[1], bytes, len), len);
  assert_int_equal (write (sw[1], bytes, len), len);
  rounds (loop, 1);
  assert_int_equal (b.frames, 1);
  assert_true (a.frames > 0 && a.frames < 50);
  rounds (loop, 20);
  assert_int_equal (a.frames, 200);
  channel_free (a.ch);
  channel_free (b.ch);
  close (sv[1]);
  close (sw[1]);
  loop_free (loop);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_channel_talk),
    cmocka_unit_test (test_call_fails),
    cmocka_unit_test (test_free_in_callbacks),
    cmocka_unit_test (test_never_reads),
    cmocka_unit_test (test_finish),
    cmocka_unit_test (test_channel_hostile),
    cmocka_unit_test (test_flood_is_shared),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
