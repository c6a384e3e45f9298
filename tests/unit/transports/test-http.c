/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP: hangdog-net as it is started by a job, against servers on loopback
 * that behave, and against those that do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/sanitize.h"
#include "tests/lib/built.h"
#include "tests/lib/tmpdir.h"
#include "transports/net/http.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tmpdir tmp;
static char libexec[PATH_MAX];
static struct http_pool *pool;

/* ---- servers ---- */

struct server
{
  int fd;
  char address[64];
  const char *answer; /* NULL = none */
  const char *more;   /* then that, again and again until nobody hears it */
  unsigned pause_ms;  /* before each of those */
  bool deaf;          /* does not wait for the question */
  bool stays;         /* does not hang up */
  bool closed;        /* does not even listen */
  unsigned times;     /* of connections; 0 = one */
  char asked[4096];
  atomic_bool stop;
  pthread_t thread;
};

static void
hear (struct server *s, int fd)
{
  size_t n = 0;

  while (n < sizeof s->asked - 1)
    {
      ssize_t k = recv (fd, s->asked + n, sizeof s->asked - 1 - n, 0);

      if (k <= 0)
        break;
      n += (size_t) k;
      s->asked[n] = '\0';
      /* With the body of a POST. */
      if (strstr (s->asked, "\r\n\r\n")
          && (!strstr (s->asked, "POST") || strstr (s->asked, "the body")))
        break;
    }
}

static void
serve_one (struct server *s, int fd)
{
  char byte;

  if (!s->deaf)
    hear (s, fd);
  if (s->answer)
    (void) !send (fd, s->answer, strlen (s->answer), MSG_NOSIGNAL);
  while (s->more && !atomic_load (&s->stop))
    {
      struct pollfd none = { .fd = -1 };

      if (s->pause_ms)
        poll (&none, 1, (int) s->pause_ms);
      if (send (fd, s->more, strlen (s->more), MSG_NOSIGNAL) < 0)
        break;
    }
  if (s->stays)
    while (recv (fd, &byte, 1, 0) > 0)
      ;
}

static void *
serve (void *arg)
{
  struct server *s = arg;

  for (unsigned i = 0; i < (s->times ? s->times : 1); i++)
    {
      int fd = accept (s->fd, NULL, NULL);

      if (fd < 0)
        return NULL;
      serve_one (s, fd);
      close (fd);
    }
  return NULL;
}

static void
server_start (struct server *s)
{
  struct sockaddr_in sa = { .sin_family = AF_INET };
  socklen_t len = sizeof sa;

  sa.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  s->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal (bind (s->fd, (struct sockaddr *) &sa, sizeof sa), 0);
  assert_int_equal (getsockname (s->fd, (struct sockaddr *) &sa, &len), 0);
  snprintf (s->address, sizeof s->address, "127.0.0.1:%u",
            ntohs (sa.sin_port));
  if (s->closed)
    return;
  assert_int_equal (listen (s->fd, 4), 0);
  assert_int_equal (pthread_create (&s->thread, NULL, serve, s), 0);
}

static void
server_end (struct server *s)
{
  atomic_store (&s->stop, true);
  shutdown (s->fd, SHUT_RDWR);
  if (!s->closed)
    pthread_join (s->thread, NULL);
  close (s->fd);
}

/* ---- asking ---- */

#define GUEST_A "aaaaaaaa-2222-4333-8444-555555555555"
#define GUEST_B "bbbbbbbb-2222-4333-8444-555555555555"

static void
ask_as (struct server *s, const struct http_ask *changed, uint64_t ms,
        struct http_result *ret)
{
  struct http_ask ask = *changed;
  struct error err = ERROR_INIT;

  ask.address = s->address;
  if (!ask.guest)
    ask.guest = GUEST_A;
  if (!ask.host)
    ask.host = "127.0.0.1";
  if (!ask.port)
    ask.port = 80;
  ask.path = "/health?x=1";
  if (!ask.method)
    ask.method = "GET";
  ask.dir = tmp.path;
  if (http_run (pool, &ask, clock_ms () + ms, ret, &err) < 0)
    fail_msg ("%s", error_text (&err));
}

static const struct http_ask usual;

/* For who is known not to answer. */
#define SHORT_MS 400

/* Asks once more, with more time, where so little was given that a machine
 * with much else to do, and not the server, made the end. */
static void
ends (struct server *s, const struct http_ask *changed, uint64_t ms,
      enum http_end end, const char *says)
{
  const struct server fresh = *s;
  struct http_result r;

  for (;; ms *= 4)
    {
      *s = fresh;
      server_start (s);
      ask_as (s, changed, ms, &r);
      server_end (s);
      assert_true (r.body.len <= HTTP_BODY_MAX);
      if ((r.end == end && strstr (r.detail, says)) || ms >= 60000)
        break;
      print_message ("in %llu ms: %d: %s\n", (unsigned long long) ms,
                     (int) r.end, r.detail);
      http_result_done (&r);
    }
  if (r.end != end || !strstr (r.detail, says))
    fail_msg ("ended as %d instead of %d: %s", (int) r.end, (int) end,
              r.detail);
  http_result_done (&r);
}

#define OK "HTTP/1.1 200 OK\r\nX-Up: yes\r\nContent-Length: 5\r\n\r\nhello"

static void
test_well (void **state)
{
  struct server s = { .answer = OK };
  struct http_result r;

  server_start (&s);
  ask_as (&s, &usual, 60000, &r);
  server_end (&s);
  if (r.end != HTTP_END_OK)
    fail_msg ("%d: %s", (int) r.end, r.detail);
  assert_int_equal (r.status, 200);
  assert_string_equal (buf_str (&r.body), "hello");
  assert_non_null (strstr (buf_str (&r.headers), "X-Up: yes"));
  assert_false (r.cut);
  assert_string_equal (r.redirect, "");
  assert_int_equal (strncmp (s.asked, "GET /health?x=1 HTTP/1.1\r\n", 26), 0);
  /* Nothing that would have to be unpacked. */
  assert_null (strcasestr (s.asked, "accept-encoding"));
  http_result_done (&r);
}

static void
write_file (const char *name, const char *text, mode_t mode)
{
  char path[4200];
  FILE *f;

  snprintf (path, sizeof path, "%s/%s", tmp.path, name);
  f = fopen (path, "w");
  assert_non_null (f);
  fputs (text, f);
  fclose (f);
  assert_int_equal (chmod (path, mode), 0);
}

static void
test_what_is_said (void **state)
{
  char accept[] = "Accept: text/plain", own[] = "X-Own: 1";
  char *headers[] = { accept, own };
  struct http_ask ask = { .method = "POST", .body = "the body",
                          .headers = headers, .nheaders = 2,
                          .host = "app.lan", .port = 8080,
                          .bearer = "token" };
  struct server s = { .answer = OK };
  struct http_result r;

  write_file ("token", "s3cret\n", 0600);
  server_start (&s);
  ask_as (&s, &ask, 60000, &r);
  server_end (&s);
  if (r.end != HTTP_END_OK)
    fail_msg ("%d: %s", (int) r.end, r.detail);
  http_result_done (&r);
  assert_int_equal (strncmp (s.asked, "POST ", 5), 0);
  assert_non_null (strstr (s.asked, "\r\nHost: app.lan:8080\r\n"));
  assert_non_null (strstr (s.asked, "\r\nX-Own: 1\r\n"));
  assert_non_null (strstr (s.asked, "\r\nAuthorization: Bearer s3cret\r\n"));
  assert_null (strstr (s.asked, "Expect:"));
  assert_non_null (strstr (s.asked, "\r\n\r\nthe body"));

  s = (struct server){ .answer = OK };
  ask = (struct http_ask){ .user = "me", .password = "token" };
  server_start (&s);
  ask_as (&s, &ask, 60000, &r);
  server_end (&s);
  http_result_done (&r);
  assert_non_null (strstr (s.asked,
                           "\r\nAuthorization: Basic bWU6czNjcmV0\r\n"));
  /* The next one does not have it any more: it is the same process. */
  s = (struct server){ .answer = "HTTP/1.1 200 OK\r\n\r\n" };
  ask = (struct http_ask){ .method = "HEAD" };
  server_start (&s);
  ask_as (&s, &ask, 60000, &r);
  server_end (&s);
  assert_int_equal (r.end, HTTP_END_OK);
  http_result_done (&r);
  assert_null (strstr (s.asked, "Authorization"));
  assert_null (strstr (s.asked, "X-Own"));
  assert_int_equal (strncmp (s.asked, "HEAD ", 5), 0);
}

static void
test_our_side (void **state)
{
  struct http_ask ask = { .bearer = "missing" };
  struct server s = { .answer = OK, .deaf = true };

  ends (&s, &ask, 60000, HTTP_END_UNUSABLE, "missing");
  write_file ("open", "x", 0644);
  ask.bearer = "open";
  s = (struct server){ .answer = OK, .deaf = true };
  ends (&s, &ask, 60000, HTTP_END_UNUSABLE, "chmod");
  s = (struct server){ .closed = true };
  ends (&s, &usual, 60000, HTTP_END_REFUSED, "");
}

static void
test_redirect (void **state)
{
  struct server s = { .answer = "HTTP/1.1 302 Found\r\nLocation: /b\r\n"
                                "Content-Length: 0\r\n\r\n" };
  struct http_result r;

  server_start (&s);
  ask_as (&s, &usual, 60000, &r);
  server_end (&s);
  assert_int_equal (r.end, HTTP_END_OK);
  assert_int_equal (r.status, 302);
  assert_string_equal (r.redirect, "http://127.0.0.1:80/b");
  http_result_done (&r);
}

/* ---- those that do not behave ---- */

static void
test_silent (void **state)
{
  struct server s = { .stays = true };

  ends (&s, &usual, SHORT_MS, HTTP_END_SILENT, "did not answer");
  s = (struct server){ .deaf = true };
  ends (&s, &usual, 60000, HTTP_END_RESET, "hung up");
  s = (struct server){ .answer = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"
                                 "not all" };
  ends (&s, &usual, 60000, HTTP_END_RESET, "hung up");
  s = (struct server){ .answer = "SSH-2.0-OpenSSH_9.2\r\n" };
  ends (&s, &usual, 60000, HTTP_END_PROTOCOL, "no HTTP");
}

static void
test_drips (void **state)
{
  struct server s = { .answer = "HTTP/1.1 200 OK\r\n\r\n", .more = "x",
                      .pause_ms = 20 };

  ends (&s, &usual, SHORT_MS, HTTP_END_ENDLESS, "was not done in time");
  s = (struct server){ .answer = "HTTP/1.1 200 OK\r\nX", .more = "x",
                       .pause_ms = 20 };
  ends (&s, &usual, SHORT_MS, HTTP_END_ENDLESS, "was not done in time");
}

static void
test_endless_headers (void **state)
{
  struct server s = { .answer = "HTTP/1.1 200 OK\r\n", .more = "X-A: b\r\n" };

  ends (&s, &usual, 60000, HTTP_END_PROTOCOL, "headers are more than");
  s = (struct server){ .more = "HTTP/1.1 100 Continue\r\n\r\n" };
  ends (&s, &usual, 60000, HTTP_END_PROTOCOL, "headers are more than");
  /* One that has no end. */
  s = (struct server){ .answer = "HTTP/1.1 200 OK\r\nX: ",
                       .more = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" };
  ends (&s, &usual, 60000, HTTP_END_PROTOCOL, "headers are more than");
}

/* More than is listened to is cut, and is an answer. */
static void
test_endless_body (void **state)
{
  static const char *const heads[]
      = { "HTTP/1.1 200 OK\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" };

  for (size_t i = 0; i < ARRAY_LEN (heads) + 1; i++)
    {
      struct server s = { .answer = heads[i % ARRAY_LEN (heads)],
                          .more = "0123456789abcdef0123456789abcdef" };
      struct http_result r;

      if (i == ARRAY_LEN (heads))
        {
          s.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
          s.more = "10\r\n0123456789abcdef\r\n";
        }
      server_start (&s);
      ask_as (&s, &usual, 60000, &r);
      server_end (&s);
      if (r.end != HTTP_END_OK)
        fail_msg ("%zu: %d: %s", i, (int) r.end, r.detail);
      assert_true (r.cut);
      assert_int_equal (r.body.len, HTTP_BODY_MAX);
      assert_int_equal (strncmp (buf_str (&r.body), "0123456789abcdef", 16),
                        0);
      http_result_done (&r);
    }
}

static void
test_tls_garbage (void **state)
{
  struct http_ask ask = { .tls = true, .port = 443 };
  struct server s = { .answer = OK, .deaf = true, .stays = true };

  ends (&s, &ask, 60000, HTTP_END_TLS, "no TLS");
  s = (struct server){ .deaf = true, .stays = true };
  ends (&s, &ask, SHORT_MS, HTTP_END_SILENT, "agree on TLS");
  /* A record that is promised, and drips. */
  s = (struct server){ .answer = "\x16\3\3\x3f\xff\2", .more = "x",
                       .pause_ms = 20, .deaf = true };
  ends (&s, &ask, SHORT_MS, HTTP_END_SILENT, "agree on TLS");
}

/* ---- the pool ---- */

/* "PID PID "; returns how many. */
static unsigned
list_children (char text[4096])
{
  char path[64];
  unsigned n = 0;
  FILE *f;

  text[0] = '\0';
  snprintf (path, sizeof path, "/proc/self/task/%d/children", getpid ());
  f = fopen (path, "r");
  if (!f)
    return 0;
  (void) !fgets (text, 4096, f);
  fclose (f);
  for (const char *p = text; (p = strchr (p, ' ')); p++)
    n++;
  return n;
}

static unsigned
children (void)
{
  char text[4096];

  return list_children (text);
}

/* Returns how many wait then, and who they are. */
static unsigned
waiting_after (const struct http_ask *ask, char who[4096])
{
  struct server s = { .answer = OK };

  ends (&s, ask, 60000, HTTP_END_OK, "");
  return list_children (who);
}

/* A server that has taken one over gets nothing else by it. */
static void
test_whose (void **state)
{
  const struct http_ask of_b = { .guest = GUEST_B },
                        other_ca = { .ca = "other.pem" },
                        bearer = { .bearer = "token" },
                        password = { .user = "me", .password = "token" };
  char first[4096], who[4096];

  write_file ("token", "s3cret\n", 0600);
  http_pool_free (pool);
  assert_int_equal (http_pool_new (libexec, &pool, NULL), 0);
  assert_int_equal (waiting_after (&bearer, who), 0);
  assert_int_equal (waiting_after (&usual, first), 1);
  assert_int_equal (waiting_after (&usual, who), 1);
  assert_string_equal (who, first);
  assert_int_equal (waiting_after (&bearer, who), 1);
  assert_int_equal (waiting_after (&password, who), 1);
  assert_string_equal (who, first);
  assert_int_equal (waiting_after (&of_b, who), 2);
  assert_int_equal (waiting_after (&other_ca, who), 3);
  assert_int_equal (waiting_after (&of_b, who), 3);
  assert_non_null (strstr (who, first));
}

#if defined(__x86_64__) || defined(__aarch64__)
static void
test_jail (void **state)
{
  char who[4096], path[64], line[128];
  unsigned found = 0;
  FILE *f;

  if (SANITIZED)
    skip ();
  assert_true (waiting_after (&usual, who) > 0);
  snprintf (path, sizeof path, "/proc/%d/status", atoi (who));
  f = fopen (path, "r");
  assert_non_null (f);
  while (fgets (line, sizeof line, f))
    found += strcmp (line, "Seccomp:\t2\n") == 0
             || strcmp (line, "NoNewPrivs:\t1\n") == 0;
  fclose (f);
  assert_int_equal (found, 2);
}
#endif

static void *
ask_slowly (void *arg)
{
  struct server *s = arg;
  struct http_result r;

  ask_as (s, &usual, 60000, &r);
  assert_int_equal (r.end, HTTP_END_OK);
  http_result_done (&r);
  return NULL;
}

/* One for each that is asked at a time, and no more than four are kept. */
static void
test_pool (void **state)
{
  enum { N = 6 };
  struct server s[N];
  pthread_t who[N];

  for (unsigned i = 0; i < N; i++)
    {
      s[i] = (struct server){ .answer = OK };
      server_start (&s[i]);
    }
  for (unsigned i = 0; i < N; i++)
    assert_int_equal (pthread_create (&who[i], NULL, ask_slowly, &s[i]), 0);
  for (unsigned i = 0; i < N; i++)
    {
      pthread_join (who[i], NULL);
      server_end (&s[i]);
    }
  assert_true (children () <= HTTP_POOL_IDLE);
}

/* What is not there is our own failure. */
static void
test_missing (void **state)
{
  struct http_pool *other;
  struct http_ask ask = { .method = "GET", .host = "x", .port = 80,
                          .path = "/", .dir = tmp.path };
  struct server s = { .deaf = true };
  struct error err = ERROR_INIT;
  struct http_result r;

  assert_int_equal (http_pool_new ("/nowhere", &other, &err), 0);
  server_start (&s);
  ask.address = s.address;
  assert_int_equal (http_run (other, &ask, clock_ms () + 60000, &r, &err),
                    -ENOEXEC);
  server_end (&s);
  http_pool_free (other);
}

/* What a check costs, for docs/kinds/http.md: HANGDOG_MEASURE=1. */
static void
test_cost (void **state)
{
  struct server s = { .answer = OK, .times = 200 };
  struct http_result r;

  if (!getenv ("HANGDOG_MEASURE"))
    skip ();
  server_start (&s);
  for (unsigned i = 0; i < 200; i++)
    {
      ask_as (&s, &usual, 60000, &r);
      assert_int_equal (r.end, HTTP_END_OK);
      http_result_done (&r);
    }
  server_end (&s);
}

static int
begin (void **state)
{
  struct error err = ERROR_INIT;
  char path[PATH_MAX];

  snprintf (libexec, sizeof libexec, "%s", built_path (path, "hangdog-net"));
  *strrchr (libexec, '/') = '\0';
  return tmpdir_make (&tmp) < 0 ? -1 : http_pool_new (libexec, &pool, &err);
}

static int
finish (void **state)
{
  http_pool_free (pool);
  assert_int_equal (children (), 0);
  tmpdir_remove (tmp.path);
  return 0;
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_well),
    cmocka_unit_test (test_what_is_said),
    cmocka_unit_test (test_our_side),
    cmocka_unit_test (test_redirect),
    cmocka_unit_test (test_silent),
    cmocka_unit_test (test_drips),
    cmocka_unit_test (test_endless_headers),
    cmocka_unit_test (test_endless_body),
    cmocka_unit_test (test_tls_garbage),
    cmocka_unit_test (test_whose),
#if defined(__x86_64__) || defined(__aarch64__)
    cmocka_unit_test (test_jail),
#endif
    cmocka_unit_test (test_pool),
    cmocka_unit_test (test_missing),
    cmocka_unit_test (test_cost),
  };

  return cmocka_run_group_tests (tests, begin, finish);
}
