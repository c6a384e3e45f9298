/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames and channels, mostly against peers that do not mean well: real
 * sockets, raw bytes from the other end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "tests/lib/tmpdir.h"

static unsigned
count_fds (void)
{
  CLEANUP_CLOSEDIR DIR *d = opendir ("/proc/self/fd");
  unsigned n = 0;

  while (readdir (d))
    n++;
  return n;
}

static void
pair (int sv[2])
{
  assert_int_equal (
      socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
}

static struct json_object *
op (const char *name)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "op", name);
  return o;
}

static uint64_t
in_ms (uint64_t ms)
{
  return clock_ms () + ms;
}

/* A frame by hand: returns its length. */
static size_t
raw (char *dst, const char *head, uint32_t body_len)
{
  uint32_t v = htole32 ((uint32_t) strlen (head));

  memcpy (dst, "HDF1", 4);
  memcpy (dst + 4, &v, 4);
  v = htole32 (body_len);
  memcpy (dst + 8, &v, 4);
  memcpy (dst + 12, head, strlen (head));
  memset (dst + 12 + strlen (head), 'b', body_len);
  return 12 + strlen (head) + body_len;
}

static ssize_t
send_fds (int sock, const void *data, size_t len, int fd, unsigned n)
{
  union
  {
    char bytes[CMSG_SPACE (64 * sizeof (int))];
    struct cmsghdr align;
  } control;
  struct iovec iov = { (void *) data, len };
  struct msghdr msg = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = CMSG_SPACE (n * sizeof (int)) };
  struct cmsghdr *c;

  memset (&control, 0, sizeof control);
  c = CMSG_FIRSTHDR (&msg);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN (n * sizeof (int));
  for (unsigned i = 0; i < n; i++)
    memcpy (CMSG_DATA (c) + i * sizeof (int), &fd, sizeof fd);
  return sendmsg (sock, &msg, MSG_NOSIGNAL);
}

/* ---- blocking calls ---- */

static void
test_round_trip (void **state)
{
  CLEANUP_JSON struct json_object *head = op ("put");
  struct frame f = { .head = NULL };
  struct error err = ERROR_INIT;
  int sv[2], null = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  unsigned before = count_fds ();
  int fds[2] = { null, null };

  pair (sv);
  json_add_text (head, "what", "\xff\x1b[2J\0x", 7);
  assert_int_equal (
      frame_write (sv[0], head, "body\0!", 6, fds, 2, in_ms (5000), &err), 0);
  assert_int_equal (frame_read (sv[1], &f, in_ms (5000), &err), 0);
  assert_string_equal (json_get_str (f.head, "op"), "put");
  assert_int_equal (f.body_len, 6);
  assert_memory_equal (f.body, "body\0!", 6);
  assert_int_equal (f.nfds, 2);
  assert_true (fcntl (f.fds[0], F_GETFD) & FD_CLOEXEC);
  close (steal_fd (&f.fds[1]));
  frame_done (&f);
  frame_done (&f);
  frame_done (NULL);
  /* The end between two frames is told from the end within one. */
  close (sv[0]);
  assert_int_equal (frame_read (sv[1], &f, in_ms (5000), &err), -EPIPE);
  assert_null (f.head);
  close (sv[1]);
  assert_int_equal (count_fds (), before);
  close (null);
}

struct writer
{
  int sock, fd, r;
  size_t size;
  struct error err;
};

static void *
writer_main (void *arg)
{
  struct writer *w = arg;
  CLEANUP_JSON struct json_object *head = op ("big");
  CLEANUP_FREE char *body = malloc (w->size);

  memset (body, 'x', w->size);
  w->r = frame_write (w->sock, head, body, w->size, &w->fd, 1, in_ms (20000),
                      &w->err);
  return NULL;
}

/* More than a socket buffer: both sides wait for each other in between, and
 * the descriptor goes with the first piece only. */
static void
test_biggest (void **state)
{
  struct writer w = { .size = FRAME_MAX_BODY, .fd = STDIN_FILENO };
  struct error err = ERROR_INIT;
  CLEANUP_FRAME struct frame f = { .head = NULL };
  pthread_t thread;
  int sv[2];

  pair (sv);
  w.sock = sv[0];
  assert_int_equal (pthread_create (&thread, NULL, writer_main, &w), 0);
  assert_int_equal (frame_read (sv[1], &f, in_ms (20000), &err), 0);
  pthread_join (thread, NULL);
  assert_int_equal (w.r, 0);
  assert_int_equal (f.body_len, FRAME_MAX_BODY);
  assert_int_equal (f.nfds, 1);
  assert_int_equal (((char *) f.body)[FRAME_MAX_BODY - 1], 'x');
  close (sv[0]);
  close (sv[1]);
}

static void
test_bounds_of_ours (void **state)
{
  CLEANUP_JSON struct json_object *head = op ("x");
  CLEANUP_JSON struct json_object *bad = json_object_new_object ();
  CLEANUP_JSON struct json_object *list = json_object_new_array ();
  CLEANUP_FREE char *body = calloc (1, FRAME_MAX_BODY + 1);
  struct error err = ERROR_INIT;
  int fds[FRAME_MAX_FDS + 1] = { 0 }, closed[1] = { 9999 };
  unsigned before = count_fds ();
  int sv[2];

  pair (sv);
  assert_int_equal (frame_write (sv[0], head, body, FRAME_MAX_BODY + 1, NULL,
                                 0, CLOCK_NEVER, &err),
                    -EMSGSIZE);
  assert_int_equal (frame_write (sv[0], head, NULL, 0, fds, FRAME_MAX_FDS + 1,
                                 CLOCK_NEVER, &err),
                    -EMSGSIZE);
  assert_int_equal (
      frame_write (sv[0], head, NULL, 0, closed, 1, CLOCK_NEVER, &err),
      -EBADF);
  assert_int_equal (
      frame_write (sv[0], list, NULL, 0, NULL, 0, CLOCK_NEVER, &err), -EINVAL);
  json_object_object_add (bad, "op", json_object_new_string ("\xff"));
  assert_int_equal (
      frame_write (sv[0], bad, NULL, 0, NULL, 0, CLOCK_NEVER, &err), -EILSEQ);
  close (sv[0]);
  close (sv[1]);
  assert_int_equal (count_fds (), before);
}

static void
test_timeouts (void **state)
{
  CLEANUP_JSON struct json_object *head = op ("x");
  CLEANUP_FREE char *body = calloc (1, FRAME_MAX_BODY);
  struct frame f = { .head = NULL };
  struct error err = ERROR_INIT;
  uint64_t t = clock_ms ();
  int sv[2];

  pair (sv);
  assert_int_equal (frame_read (sv[1], &f, in_ms (30), &err), -ETIMEDOUT);
  assert_true (clock_ms () - t >= 30);
  assert_int_equal (write (sv[0], "HDF", 3), 3);
  assert_int_equal (frame_read (sv[1], &f, in_ms (10), &err), -ETIMEDOUT);
  /* Never reading: */
  assert_int_equal (frame_write (sv[0], head, body, FRAME_MAX_BODY, NULL, 0,
                                 in_ms (10), &err),
                    -ETIMEDOUT);
  close (sv[1]);
  assert_int_equal (frame_write (sv[0], head, NULL, 0, NULL, 0, in_ms (10),
                                 &err),
                    -EPIPE);
  close (sv[0]);
}

struct hostile
{
  const char *what;
  const char *says;
  const char *bytes;
  size_t len;
};

#define BYTES(s) (s), sizeof (s) - 1

static void
test_garbage (void **state)
{
  static const struct hostile cases[] = {
    { "no magic", "magic", BYTES ("GET / HTTP/1.1\r\n") },
    { "a head of 4 GiB", "head of 4294967295",
      BYTES ("HDF1\xff\xff\xff\xff\0\0\0\0{}") },
    { "a head just too long", "head of 262145",
      BYTES ("HDF1\x01\0\x04\0\0\0\0\0{}") },
    { "a body just too long", "body of 1048577",
      BYTES ("HDF1\x02\0\0\0\x01\0\x10\0{}") },
    { "no head", "head of 0", BYTES ("HDF1\0\0\0\0\0\0\0\0") },
    { "a head of one byte", "head of 1 ", BYTES ("HDF1\x01\0\0\0\0\0\0\0{") },
    { "not JSON", "frame:1", BYTES ("HDF1\x02\0\0\0\0\0\0\0{{") },
    { "a list", "not an object", BYTES ("HDF1\x02\0\0\0\0\0\0\0[]") },
    { "NaN", "frame:1", BYTES ("HDF1\x09\0\0\0\0\0\0\0{\"a\":NaN}") },
    { "a key twice", "frame:1",
      BYTES ("HDF1\x0d\0\0\0\0\0\0\0{\"a\":1,\"a\":2}") },
    { "cut", "ended within", BYTES ("HDF1\x02\0\0\0\x05\0\0\0{}abc") },
    { "cut header", "ended within", BYTES ("HDF1\x02") },
  };
  unsigned before = count_fds ();

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct frame f = { .head = NULL };
      struct error err = ERROR_INIT;
      int sv[2], r;

      pair (sv);
      assert_int_equal (write (sv[0], cases[i].bytes, cases[i].len),
                        cases[i].len);
      close (sv[0]);
      r = frame_read (sv[1], &f, in_ms (5000), &err);
      if (r != -EPROTO || !strstr (err.msg, cases[i].says) || f.head)
        fail_msg ("%s: %d %s", cases[i].what, r, err.msg);
      close (sv[1]);
    }
  assert_int_equal (count_fds (), before);
}

static void
test_fd_rules (void **state)
{
  char bytes[64];
  size_t len = raw (bytes, "{\"op\":\"x\"}", 4);
  int null = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  unsigned before = count_fds ();
  struct frame f = { .head = NULL };
  struct error err = ERROR_INIT;
  int sv[2];

  /* Too many by one; too many by far; in the middle of a frame. */
  pair (sv);
  assert_int_equal (send_fds (sv[0], bytes, len, null, FRAME_MAX_FDS + 1),
                    len);
  assert_int_equal (frame_read (sv[1], &f, in_ms (5000), &err), -EPROTO);
  close (sv[0]);
  close (sv[1]);
  pair (sv);
  assert_int_equal (send_fds (sv[0], bytes, len, null, 60), len);
  assert_int_equal (frame_read (sv[1], &f, in_ms (5000), &err), -EPROTO);
  close (sv[0]);
  close (sv[1]);
  pair (sv);
  assert_int_equal (write (sv[0], bytes, 14), 14);
  assert_int_equal (send_fds (sv[0], bytes + 14, len - 14, null, 2), len - 14);
  assert_int_equal (frame_read (sv[1], &f, in_ms (5000), &err), -EPROTO);
  close (sv[0]);
  close (sv[1]);
  /* The first frame is cut, its descriptors came. */
  pair (sv);
  assert_int_equal (send_fds (sv[0], bytes, 5, null, 8), 5);
  close (sv[0]);
  assert_int_equal (frame_read (sv[1], &f, in_ms (5000), &err), -EPROTO);
  close (sv[1]);
  assert_int_equal (count_fds (), before);
  /* Eight are fine, and stay with their frame though the next is there. */
  pair (sv);
  assert_int_equal (write (sv[0], bytes, len), len);
  assert_int_equal (send_fds (sv[0], bytes, len, null, 8), len);
  assert_int_equal (frame_read (sv[1], &f, in_ms (5000), &err), 0);
  assert_int_equal (f.nfds, 0);
  frame_done (&f);
  assert_int_equal (frame_read (sv[1], &f, in_ms (5000), &err), 0);
  assert_int_equal (f.nfds, 8);
  frame_done (&f);
  close (sv[0]);
  close (sv[1]);
  assert_int_equal (count_fds (), before);
  close (null);
}

/* ---- channels ---- */

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

static struct loop *
new_loop (void)
{
  struct loop *loop = NULL;
  struct error err = ERROR_INIT;

  assert_int_equal (loop_new_fake (&loop, &err), 0);
  return loop;
}

static void
side_new (struct loop *loop, struct side *s, int sock, size_t max)
{
  struct error err = ERROR_INIT;

  memset (s, 0, sizeof *s);
  assert_int_equal (
      channel_new (loop, "side", sock, max, &side_ops, s, &s->ch, &err), 0);
}

static void
rounds (struct loop *loop, unsigned n)
{
  struct error err = ERROR_INIT;

  while (n-- > 0)
    assert_int_equal (loop_round (loop, 0, &err), 0);
}

static int
call (struct side *s, const char *name, uint64_t timeout)
{
  struct error err = ERROR_INIT;

  return channel_call (s->ch, op (name), NULL, 0, NULL, 0, timeout,
                       side_answer, s, &err);
}

static void
test_channel_talk (void **state)
{
  unsigned before = count_fds ();
  struct loop *loop = new_loop ();
  struct side a, b;
  int sv[2], fds[3] = { 0, 0, 0 };

  pair (sv);
  side_new (loop, &a, sv[0], 1 << 20);
  side_new (loop, &b, sv[1], 1 << 20);
  assert_int_equal (
      channel_send (a.ch, op ("one"), "x", 1, fds, 3), 0);
  rounds (loop, 2);
  assert_int_equal (b.frames, 1);
  assert_int_equal (b.last_fds, 3);
  assert_string_equal (b.last, "one");
  b.answer_all = true;
  assert_int_equal (call (&a, "ask", 1000), 0);
  assert_int_equal (channel_send (a.ch, op ("no answer wanted"), NULL, 0,
                                  NULL, 0),
                    0);
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
  struct loop *loop = new_loop ();
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
  struct loop *loop = new_loop ();
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
  struct loop *loop = new_loop ();
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
      assert_int_equal (frame_read (sv[1], &f, in_ms (5000), &err), 0);
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
  struct loop *loop = new_loop ();
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
      = { "{}", "{\"op\":1}", "{\"op\":\"x\",\"re\":1}", "{\"re\":\"1\"}",
          "[1]", "x!" };
  unsigned before = count_fds ();
  struct loop *loop = new_loop ();
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
  struct loop *loop = new_loop ();
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

/* ---- sockets ---- */

static void
test_sockets (void **state)
{
  char path[80], file[80], far[200];
  struct tmpdir tmp;
  struct error err = ERROR_INIT;
  int l = -1, c = -1, x = -1;
  struct stat st;
  pid_t pid = 0;
  uid_t uid = 1;

  assert_int_equal (tmpdir_make (&tmp), 0);
  snprintf (path, sizeof path, "%s/sock", tmp.path);
  snprintf (file, sizeof file, "%s/file", tmp.path);
  memset (far, 'x', sizeof far);
  far[sizeof far - 1] = '\0';
  assert_int_equal (socket_connect (path, &x, &err), -ENOENT);
  assert_int_equal (socket_listen (far, 0600, &x, &err), -ENAMETOOLONG);
  assert_int_equal (socket_listen (path, 0660, &l, &err), 0);
  assert_int_equal (stat (path, &st), 0);
  assert_int_equal (st.st_mode & 07777, 0660);
  assert_int_equal (socket_listen (path, 0600, &x, &err), -EADDRINUSE);
  assert_int_equal (socket_connect (path, &c, &err), 0);
  assert_int_equal (socket_peer (c, &pid, &uid, NULL, &err), 0);
  assert_int_equal (pid, getpid ());
  assert_int_equal (uid, geteuid ());
  assert_true (fcntl (c, F_GETFL) & O_NONBLOCK);
  /* A listener that is full is alive. */
  assert_int_equal (listen (l, 0), 0);
  assert_int_equal (socket_connect (path, &x, &err), -EAGAIN);
  assert_int_equal (socket_listen (path, 0600, &x, &err), -EADDRINUSE);
  close (c);
  close (l);
  /* Dead: refused, and replaced. */
  assert_int_equal (socket_connect (path, &x, &err), -ECONNREFUSED);
  assert_int_equal (socket_listen (path, 0600, &l, &err), 0);
  close (l);
  /* What is no socket stays. */
  assert_int_equal (close (open (file, O_CREAT | O_WRONLY, 0600)), 0);
  assert_int_equal (socket_listen (file, 0600, &x, &err), -EADDRINUSE);
  assert_int_equal (stat (file, &st), 0);
  assert_int_equal (x, -1);
  tmpdir_done (&tmp);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_round_trip),
    cmocka_unit_test (test_biggest),
    cmocka_unit_test (test_bounds_of_ours),
    cmocka_unit_test (test_timeouts),
    cmocka_unit_test (test_garbage),
    cmocka_unit_test (test_fd_rules),
    cmocka_unit_test (test_channel_talk),
    cmocka_unit_test (test_call_fails),
    cmocka_unit_test (test_free_in_callbacks),
    cmocka_unit_test (test_never_reads),
    cmocka_unit_test (test_finish),
    cmocka_unit_test (test_channel_hostile),
    cmocka_unit_test (test_flood_is_shared),
    cmocka_unit_test (test_sockets),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
