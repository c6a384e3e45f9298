/* SPDX-License-Identifier: Apache-2.0
 *
 * The TCP check, against listeners of its own on loopback.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "transports/net/tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct server
{
  int fd;
  char address[64];
  const char *greeting; /* sent to whoever comes */
  bool answers;         /* waits for a line first */
  bool stays;           /* keeps the connection until the client closes */
  pthread_t thread;
};

static void *
serve (void *arg)
{
  struct server *s = arg;
  char line[256];
  int fd = accept (s->fd, NULL, NULL);

  if (fd < 0)
    return NULL;
  if (s->answers)
    (void) !recv (fd, line, sizeof line, 0);
  if (s->greeting)
    send (fd, s->greeting, strlen (s->greeting), MSG_NOSIGNAL);
  if (s->stays)
    (void) !recv (fd, line, sizeof line, 0);
  close (fd);
  return NULL;
}

static void
server_open (struct server *s)
{
  struct sockaddr_in sa = { .sin_family = AF_INET };
  socklen_t len = sizeof sa;

  sa.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  s->fd = socket (AF_INET, SOCK_STREAM, 0);
  assert_int_equal (bind (s->fd, (struct sockaddr *) &sa, sizeof sa), 0);
  assert_int_equal (getsockname (s->fd, (struct sockaddr *) &sa, &len), 0);
  snprintf (s->address, sizeof s->address, "127.0.0.1:%u", ntohs (sa.sin_port));
}

static int
check_against (struct server *s, struct tcp_check *check, struct buf *answer,
               uint64_t ms, struct error *err)
{
  struct tcp_result result = { .answer = answer };
  int r;

  server_open (s);
  assert_int_equal (listen (s->fd, 4), 0);
  assert_int_equal (pthread_create (&s->thread, NULL, serve, s), 0);
  check->address = s->address;
  r = tcp_check (check, clock_ms () + ms, &result, err);
  shutdown (s->fd, SHUT_RDWR);
  pthread_join (s->thread, NULL);
  close (s->fd);
  return r;
}

/* Of one whose time is over at a point that it has to have reached by then: a
 * slow machine is given more of it. */
static int
until_said (struct server *s, struct tcp_check *check, struct buf *answer,
            const char *says, struct error *err)
{
  int r = 0;

  for (uint64_t ms = 1000; ms < 60000; ms *= 3)
    {
      *err = (struct error) ERROR_INIT;
      r = check_against (s, check, answer, ms, err);
      if (strstr (err->msg, says))
        break;
    }
  return r;
}

static void
connects_and_reads (void **state)
{
  struct server plain = { .greeting = NULL };
  struct server ssh = { .greeting = "SSH-2.0-x\r\n", .stays = true };
  struct server http
      = { .greeting = "HTTP/1.0 200 OK\r\n\r\n", .answers = true };
  struct buf answer CLEANUP_BUF = BUF_INIT (4096);
  struct error err = ERROR_INIT;

  assert_int_equal (check_against (&plain, &(struct tcp_check){ .send = NULL },
                                   NULL, 60000, &err),
                    0);
  assert_int_equal (check_against (&ssh,
                                   &(struct tcp_check){ .expect = "^SSH-2" },
                                   &answer, 60000, &err),
                    0);
  assert_string_equal (buf_str (&answer), "SSH-2.0-x\r\n");
  assert_int_equal (
      check_against (&http,
                     &(struct tcp_check){ .send = "GET / HTTP/1.0\r\n\r\n",
                                          .expect = " 200 " },
                     NULL, 60000, &err),
      0);
}

static void
tells_how_it_failed (void **state)
{
  struct server other = { .greeting = "nothing of that kind" };
  struct server silent = { .greeting = NULL, .stays = true };
  struct server talker = { .greeting = "well,", .stays = true };
  struct server lines = { .greeting = "no\r\nyes\r\n" };
  struct server hard = { .greeting = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!" };
  struct server much = { .greeting = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
  struct buf answer CLEANUP_BUF = BUF_INIT (4096);
  struct error err = ERROR_INIT;
  struct tcp_check check = { .expect = "^yes" };

  assert_int_equal (check_against (&other, &check, &answer, 60000, &err),
                    -ENOMSG);
  assert_string_equal (buf_str (&answer), "nothing of that kind");
  /* Of a line, as in all expressions. */
  assert_int_equal (check_against (&lines, &check, NULL, 60000, &err), 0);
  assert_int_equal (until_said (&silent, &check, NULL,
                                "waiting for the answer", &err),
                    -ETIMEDOUT);
  assert_non_null (strstr (err.msg, "waiting for the answer"));
  /* It said something, and then nothing more. */
  assert_int_equal (until_said (&talker, &check, &answer,
                                "without the expected", &err),
                    -ENOMSG);
  assert_non_null (strstr (err.msg, "without the expected"));
  check.max_bytes = 8;
  assert_int_equal (check_against (&much, &check, NULL, 60000, &err), -ENOMSG);
  assert_non_null (strstr (err.msg, "8 bytes"));
  /* A pattern that would need years. */
  check.expect = "^(a+)+$";
  check.max_bytes = 0;
  assert_int_equal (check_against (&hard, &check, NULL, 60000, &err), -E2BIG);
  check.expect = "(";
  assert_int_equal (check_against (&much, &check, NULL, 60000, &err), -EINVAL);
}

static void
tells_refused_from_silent (void **state)
{
  struct tcp_result result = { .answer = NULL };
  struct server s = { .greeting = NULL };
  struct error err = ERROR_INIT;
  struct tcp_check check = { .address = s.address };
  int fill[8];

  /* Bound and not listening: refused. */
  server_open (&s);
  assert_int_equal (tcp_check (&check, clock_ms () + 60000, &result, &err),
                    -ECONNREFUSED);
  assert_non_null (strstr (err.msg, s.address));
  /* Listening with a full queue: the kernel drops what comes. */
  assert_int_equal (listen (s.fd, 0), 0);
  for (unsigned i = 0; i < ARRAY_LEN (fill); i++)
    {
      struct sockaddr_in sa;
      socklen_t len = sizeof sa;

      fill[i] = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      getsockname (s.fd, (struct sockaddr *) &sa, &len);
      (void) !connect (fill[i], (struct sockaddr *) &sa, sizeof sa);
    }
  assert_int_equal (tcp_check (&check, clock_ms () + 200, &result, &err),
                    -ETIMEDOUT);
  assert_non_null (strstr (err.msg, "while connecting"));
  for (unsigned i = 0; i < ARRAY_LEN (fill); i++)
    close (fill[i]);
  close (s.fd);
}

static void
takes_only_numbers (void **state)
{
  static const char *const bad[]
      = { "",       "localhost:22",  "127.0.0.1",      "127.0.0.1:",
          "::1:80", "[::1]80",       "[::1]:0",        "127.0.0.1:65536",
          "[::1",   "127.0.0.1:+22", "[127.0.0.1]:22", ":22",
          "[]:22",  "127.0.0.1:22x" };
  struct tcp_result result = { .answer = NULL };
  struct error err = ERROR_INIT;

  for (unsigned i = 0; i < ARRAY_LEN (bad); i++)
    if (tcp_check (&(struct tcp_check){ .address = bad[i] }, clock_ms () + 100,
                   &result, &err)
        != -EINVAL)
      fail_msg ("taken: %s (%s)", bad[i], error_text (&err));
  assert_int_not_equal (tcp_check (&(struct tcp_check){ .address = "[::1]:9" },
                                   clock_ms () + 100, &result, &err),
                        -EINVAL);
}

/* One table for all that connect: what is not in it is our own failure. */
static void
has_one_word_for_each_end (void **state)
{
  static const struct
  {
    int rc;
    enum ask_end end;
  } ends[] = {
    { -ECONNREFUSED, ASK_REFUSED },   { -ECONNRESET, ASK_DISCONNECTED },
    { -EPIPE, ASK_DISCONNECTED },     { -EHOSTUNREACH, ASK_UNREACHABLE },
    { -EHOSTDOWN, ASK_UNREACHABLE },  { -ETIMEDOUT, ASK_TIMEOUT },
    { -ENETUNREACH, ASK_NO_ROUTE },   { -ENETDOWN, ASK_NO_ROUTE },
    { -ENODEV, ASK_NO_ROUTE },        { -ENXIO, ASK_NO_ROUTE },
    { -ENONET, ASK_NO_NETNS },        { -EINVAL, ASK_MAX },
    { -ENOMEM, ASK_MAX },             { -EMFILE, ASK_MAX },
    { 0, ASK_MAX },
  };

  for (unsigned i = 0; i < ARRAY_LEN (ends); i++)
    assert_int_equal (tcp_connect_end (ends[i].rc), ends[i].end);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (connects_and_reads),
    cmocka_unit_test (tells_how_it_failed),
    cmocka_unit_test (tells_refused_from_silent),
    cmocka_unit_test (takes_only_numbers),
    cmocka_unit_test (has_one_word_for_each_end),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
