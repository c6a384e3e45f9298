/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames, mostly from peers that do not mean well: blocking calls over real
 * sockets, raw bytes from the other end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "tests/unit/base/frame-peer.h"

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
      frame_write (sv[0], head, "body\0!", 6, fds, 2, in_ms (60000), &err), 0);
  assert_int_equal (frame_read (sv[1], &f, in_ms (60000), &err), 0);
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
  assert_int_equal (frame_read (sv[1], &f, in_ms (60000), &err), -EPIPE);
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
  w->r = frame_write (w->sock, head, body, w->size, &w->fd, 1, in_ms (60000),
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
  assert_int_equal (frame_read (sv[1], &f, in_ms (60000), &err), 0);
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
  assert_int_equal (frame_write (sv[0], head, body, FRAME_MAX_BODY + 1, NULL, 0,
                                 CLOCK_NEVER, &err),
                    -EMSGSIZE);
  assert_int_equal (frame_write (sv[0], head, NULL, 0, fds, FRAME_MAX_FDS + 1,
                                 CLOCK_NEVER, &err),
                    -EMSGSIZE);
  assert_int_equal (
      frame_write (sv[0], head, NULL, 0, closed, 1, CLOCK_NEVER, &err), -EBADF);
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
  assert_int_equal (
      frame_write (sv[0], head, NULL, 0, NULL, 0, in_ms (10), &err), -EPIPE);
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
      r = frame_read (sv[1], &f, in_ms (60000), &err);
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
  assert_int_equal (send_fds (sv[0], bytes, len, null, FRAME_MAX_FDS + 1), len);
  assert_int_equal (frame_read (sv[1], &f, in_ms (60000), &err), -EPROTO);
  close (sv[0]);
  close (sv[1]);
  pair (sv);
  assert_int_equal (send_fds (sv[0], bytes, len, null, 60), len);
  assert_int_equal (frame_read (sv[1], &f, in_ms (60000), &err), -EPROTO);
  close (sv[0]);
  close (sv[1]);
  pair (sv);
  assert_int_equal (write (sv[0], bytes, 14), 14);
  assert_int_equal (send_fds (sv[0], bytes + 14, len - 14, null, 2), len - 14);
  assert_int_equal (frame_read (sv[1], &f, in_ms (60000), &err), -EPROTO);
  close (sv[0]);
  close (sv[1]);
  /* The first frame is cut, its descriptors came. */
  pair (sv);
  assert_int_equal (send_fds (sv[0], bytes, 5, null, 8), 5);
  close (sv[0]);
  assert_int_equal (frame_read (sv[1], &f, in_ms (60000), &err), -EPROTO);
  close (sv[1]);
  assert_int_equal (count_fds (), before);
  /* Eight are fine, and stay with their frame though the next is there. */
  pair (sv);
  assert_int_equal (write (sv[0], bytes, len), len);
  assert_int_equal (send_fds (sv[0], bytes, len, null, 8), len);
  assert_int_equal (frame_read (sv[1], &f, in_ms (60000), &err), 0);
  assert_int_equal (f.nfds, 0);
  frame_done (&f);
  assert_int_equal (frame_read (sv[1], &f, in_ms (60000), &err), 0);
  assert_int_equal (f.nfds, 8);
  frame_done (&f);
  close (sv[0]);
  close (sv[1]);
  assert_int_equal (count_fds (), before);
  close (null);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_round_trip),     cmocka_unit_test (test_biggest),
    cmocka_unit_test (test_bounds_of_ours), cmocka_unit_test (test_timeouts),
    cmocka_unit_test (test_garbage),        cmocka_unit_test (test_fd_rules),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
