/* SPDX-License-Identifier: Apache-2.0
 *
 * The sinks: what each answer of a controller means, what is sent, and that
 * an answer that never comes, or never ends, does not keep the sender.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "controller-proto/bundle.h"
#include "controller-proto/sha256.h"
#include "controller-proto/ship.h"
#include "tests/lib/tmpdir.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define BODY_BYTES 300000
#define HEAD_BYTES 4096

/* One connection: reads the request (all, or only the head), answers with
 * `reply`, and then does what `then` says. */
enum then
{
  CLOSE,
  HANG,  /* until the sender goes away */
  DRIP,  /* a byte now and then, until the sender goes away */
  FLOOD, /* a body that never ends */
};

struct script
{
  const char *reply; /* NULL = none */
  bool read_body;
  enum then then;
};

struct world
{
  struct tmpdir tmp;
  int listener, item_fd;
  char url[64];
  struct script script;
  pthread_t thread;
  bool running;
  char head[HEAD_BYTES];
  size_t body;
  struct sha256 *sum;
  uint64_t stall_ms; /* of the sender's patience: much, unless that is tested */
  char got[SHA256_HEX], digest[SHA256_HEX];
};

static void
converse (struct world *w, int s)
{
  char buf[16384];
  size_t n = 0, length = 0;
  char *end = NULL, *at;

  while (end == NULL && n < HEAD_BYTES - 1)
    {
      ssize_t r = read (s, w->head + n, HEAD_BYTES - 1 - n);

      if (r <= 0)
        return;
      n += (size_t) r;
      w->head[n] = '\0';
      end = strstr (w->head, "\r\n\r\n");
    }
  if (end == NULL)
    return;
  if ((at = strcasestr (w->head, "Content-Length:")))
    length = strtoul (at + 15, NULL, 10);
  end[2] = '\0';
  w->body = n - (size_t) (end + 4 - w->head);
  sha256_add (w->sum, end + 4, w->body);
  if (w->script.read_body && strcasestr (w->head, "100-continue"))
    (void) !write (s, "HTTP/1.1 100 Continue\r\n\r\n", 25);
  while (w->script.read_body && w->body < length)
    {
      ssize_t r = read (s, buf, sizeof buf);

      if (r <= 0)
        return;
      sha256_add (w->sum, buf, (size_t) r);
      w->body += (size_t) r;
    }
  sha256_end (w->sum, w->got);
  if (w->script.reply)
    (void) !write (s, w->script.reply, strlen (w->script.reply));
  memset (buf, 'z', sizeof buf);
  while (w->script.then != CLOSE)
    {
      struct pollfd p = { .fd = s, .events = POLLRDHUP };
      ssize_t r = 1;

      if (w->script.then == FLOOD)
        r = write (s, buf, sizeof buf);
      else if (poll (&p, 1, 100) == 0 && w->script.then == DRIP)
        r = write (s, "X-A: b\r\n", 8);
      if (r < 0 || (p.revents & (POLLHUP | POLLERR | POLLRDHUP)))
        break;
    }
}

static void *
serve (void *arg)
{
  struct world *w = arg;
  CLEANUP_CLOSE int s = accept (w->listener, NULL, NULL);

  if (s >= 0)
    converse (w, s);
  return NULL;
}

static int
setup (void **state)
{
  struct world *w = calloc (1, sizeof *w);
  struct sockaddr_in a = { .sin_family = AF_INET };
  socklen_t len = sizeof a;
  CLEANUP_FREE char *body = malloc (BODY_BYTES);

  signal (SIGPIPE, SIG_IGN);
  /* A proxy of whoever runs this is not for loopback. */
  setenv ("no_proxy", "*", 1);
  setenv ("NO_PROXY", "*", 1);
  if (tmpdir_make (&w->tmp) < 0)
    return -1;
  a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  w->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind (w->listener, (struct sockaddr *) &a, sizeof a) < 0
      || listen (w->listener, 4) < 0
      || getsockname (w->listener, (struct sockaddr *) &a, &len) < 0)
    return -1;
  snprintf (w->url, sizeof w->url, "http://127.0.0.1:%u/in",
            ntohs (a.sin_port));
  memset (body, 'q', BODY_BYTES);
  w->item_fd = memfd_create ("item", MFD_CLOEXEC);
  (void) !write (w->item_fd, body, BODY_BYTES);
  sha256_fd (w->item_fd, w->digest, NULL, NULL);
  sha256_new (&w->sum, NULL);
  w->stall_ms = 30000;
  *state = w;
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;

  shutdown (w->listener, SHUT_RDWR);
  if (w->running)
    pthread_join (w->thread, NULL);
  close (w->listener);
  close (w->item_fd);
  sha256_free (w->sum);
  tmpdir_done (&w->tmp);
  free (w);
  return 0;
}

static enum ship_end
send_item (const char *url, struct world *w, const char *token_file,
           uint64_t *retry_ms, struct error *err)
{
  struct sink_config cfg = { .url = (char *) (uintptr_t) url,
                             .token_file = (char *) (uintptr_t) token_file,
                             .timeout_ms = w->stall_ms };
  struct ship_item item = { .id = "the-id", .name = "the-id.tar.zst",
                            .digest = w->digest, .fd = w->item_fd,
                            .size = BODY_BYTES };

  *retry_ms = 0;
  assert_non_null (sink_find (url));
  return sink_find (url)->send (&cfg, &item, retry_ms, err);
}

static enum ship_end
talk (struct world *w, struct script script, const char *token_file,
      uint64_t *retry_ms, struct error *err)
{
  enum ship_end end;

  w->script = script;
  sha256_reset (w->sum);
  w->head[0] = '\0';
  assert_int_equal (pthread_create (&w->thread, NULL, serve, w), 0);
  w->running = true;
  end = send_item (w->url, w, token_file, retry_ms, err);
  pthread_join (w->thread, NULL);
  w->running = false;
  return end;
}

/* Built without curl: there is nothing to test. */
static void
needs_http (void)
{
  if (sink_find ("http://x") == NULL)
    skip ();
}

#define REPLY(status, headers)                                                \
  "HTTP/1.1 " status "\r\n" headers                                           \
  "Content-Length: 3\r\nConnection: close\r\n\r\nhi\x1b"

static void
test_statuses (void **state)
{
  struct world *w = *state;
  static const struct
  {
    const char *reply;
    enum ship_end end;
    uint64_t retry_ms;
  } cases[] = {
    { REPLY ("200 OK", ""), SHIP_DONE, 0 },
    { REPLY ("201 Created", ""), SHIP_DONE, 0 },
    { REPLY ("204 No", ""), SHIP_DONE, 0 },
    { REPLY ("302 Found", "Location: http://127.0.0.1:1/\r\n"), SHIP_RETRY,
      0 },
    { REPLY ("400 Bad", ""), SHIP_PARK, 0 },
    { REPLY ("401 Who", ""), SHIP_DENIED, 0 },
    { REPLY ("403 No", ""), SHIP_DENIED, 0 },
    { REPLY ("404 Where", ""), SHIP_PARK, 0 },
    { REPLY ("408 Slow", ""), SHIP_RETRY, 0 },
    { REPLY ("409 Other", ""), SHIP_PARK, 0 },
    { REPLY ("413 Large", ""), SHIP_PARK, 0 },
    { REPLY ("425 Early", ""), SHIP_RETRY, 0 },
    { REPLY ("429 Many", "Retry-After: 7\r\n"), SHIP_RETRY, 7000 },
    { REPLY ("500 Oh", ""), SHIP_RETRY, 0 },
    { REPLY ("503 Later", "Retry-After: 120\r\n"), SHIP_RETRY, 120000 },
    { REPLY ("503 Never", "Retry-After: 99999999\r\n"), SHIP_RETRY, 3600000 },
    { "this is no HTTP at all\r\n\r\n", SHIP_RETRY, 0 },
  };

  needs_http ();
  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct error err = ERROR_INIT;
      struct script s = { .reply = cases[i].reply, .read_body = true };
      uint64_t retry_ms;
      enum ship_end end = talk (w, s, NULL, &retry_ms, &err);

      if (end != cases[i].end || retry_ms != cases[i].retry_ms)
        fail_msg ("%.20s: %d after %llu ms (%s)", cases[i].reply + 9,
                  (int) end, (unsigned long long) retry_ms,
                  error_text (&err));
      /* What the other side says never reaches a log as it is. */
      assert_null (strchr (error_text (&err), '\x1b'));
    }
}

static void
test_request (void **state)
{
  struct world *w = *state;
  struct script s = { .reply = REPLY ("201 Created", ""), .read_body = true };
  struct error err = ERROR_INIT;
  char path[128], want[200], b64[SHA256_BASE64];
  uint64_t retry_ms;
  int fd;

  needs_http ();
  snprintf (path, sizeof path, "%s/token", w->tmp.path);
  fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  assert_int_equal (write (fd, "sesame\n", 7), 7);
  close (fd);
  assert_int_equal (talk (w, s, path, &retry_ms, &err), SHIP_DONE);
  assert_memory_equal (w->head, "PUT /in/the-id.tar.zst HTTP/1.1\r\n", 33);
  assert_non_null (strstr (w->head, "\r\nAuthorization: Bearer sesame\r\n"));
  assert_non_null (strstr (w->head, "\r\nIdempotency-Key: \"the-id\"\r\n"));
  assert_non_null (strstr (w->head, "\r\nContent-Length: 300000\r\n"));
  assert_true (sha256_hex_to_base64 (w->digest, b64));
  snprintf (want, sizeof want, "\r\nRepr-Digest: sha-256=:%s:\r\n", b64);
  assert_non_null (strstr (w->head, want));
  assert_int_equal (w->body, BODY_BYTES);
  assert_string_equal (w->got, w->digest);
}

static void
test_token_trouble (void **state)
{
  struct world *w = *state;
  struct error err = ERROR_INIT;
  char path[128];
  uint64_t retry_ms;
  int fd;

  needs_http ();
  /* Nothing is sent without it, and nobody sees it in a message. */
  snprintf (path, sizeof path, "%s/token", w->tmp.path);
  assert_int_equal (send_item (w->url, w, path, &retry_ms, &err),
                    SHIP_DENIED);
  fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  assert_int_equal (write (fd, "a\r\nX-Evil: b", 12), 12);
  close (fd);
  assert_int_equal (send_item (w->url, w, path, &retry_ms, &err),
                    SHIP_DENIED);
  assert_null (strstr (error_text (&err), "Evil"));
  chmod (path, 0644);
  assert_int_equal (send_item (w->url, w, path, &retry_ms, &err),
                    SHIP_DENIED);
}

static void
test_lost_reply (void **state)
{
  struct world *w = *state;
  struct script s = { .reply = NULL, .read_body = true, .then = CLOSE };
  struct error err = ERROR_INIT;
  uint64_t retry_ms;

  needs_http ();
  assert_int_equal (talk (w, s, NULL, &retry_ms, &err), SHIP_RETRY);
  assert_string_equal (w->got, w->digest);
  /* Nobody there at all. */
  assert_int_equal (
      send_item ("http://127.0.0.1:1/x", w, NULL, &retry_ms, &err),
      SHIP_RETRY);
}

/* An early answer that says yes is not believed; one that says no is. */
static void
test_early (void **state)
{
  struct world *w = *state;
  struct script yes = { .reply = REPLY ("201 Created", ""), .then = CLOSE };
  struct script no = { .reply = REPLY ("413 Large", ""), .then = CLOSE };
  struct error err = ERROR_INIT;
  uint64_t retry_ms;

  needs_http ();
  assert_int_equal (ftruncate (w->item_fd, 0), 0);
  /* Large enough that the sender cannot have got rid of it. */
  assert_int_equal (ftruncate (w->item_fd, 64 << 20), 0);
  struct sink_config cfg = { .url = w->url, .timeout_ms = w->stall_ms };
  struct ship_item item = { .id = "i", .name = "i.tar.zst",
                            .digest = w->digest, .fd = w->item_fd,
                            .size = 64 << 20 };
  const struct script *both[] = { &yes, &no };
  const enum ship_end want[] = { SHIP_RETRY, SHIP_PARK };
  for (unsigned i = 0; i < 2; i++)
    {
      w->script = *both[i];
      assert_int_equal (pthread_create (&w->thread, NULL, serve, w), 0);
      enum ship_end end
          = sink_find (w->url)->send (&cfg, &item, &retry_ms, &err);
      pthread_join (w->thread, NULL);
      /* A reset may overtake the answer: then there was none. */
      if (end != want[i] && end != SHIP_RETRY)
        fail_msg ("%u: %d %s", i, (int) end, error_text (&err));
    }
}

struct slow
{
  struct script script;
  enum ship_end want, got;
  struct world *w;
  uint64_t took_ms;
  pthread_t thread;
};

static void *
talk_slowly (void *arg)
{
  struct slow *s = arg;
  struct error err = ERROR_INIT;
  uint64_t retry_ms, began = clock_ms ();

  s->got = talk (s->w, s->script, NULL, &retry_ms, &err);
  s->took_ms = clock_ms () - began;
  return NULL;
}

/* Side by side: each is waited for. */
static void
test_slow (void **state)
{
  struct slow all[] = {
    { { .reply = NULL, .read_body = true, .then = HANG }, SHIP_RETRY },
    { { .reply = NULL, .read_body = false, .then = HANG }, SHIP_RETRY },
    /* The status is known, though its end never comes. */
    { { .reply = "HTTP/1.1 200 OK\r\n", .read_body = true, .then = DRIP },
      SHIP_DONE },
    { { .reply = "HTTP/1.1 200 OK\r\n\r\n", .read_body = true,
        .then = DRIP }, SHIP_DONE },
    { { .reply = "HTTP/1.1 503 Later\r\n\r\n", .read_body = true,
        .then = DRIP }, SHIP_RETRY },
  };
  void *w;

  needs_http ();
  for (size_t i = 0; i < ARRAY_LEN (all); i++)
    {
      assert_int_equal (setup (&w), 0);
      all[i].w = w;
      all[i].w->stall_ms = 1000;
    }
  for (size_t i = 0; i < ARRAY_LEN (all); i++)
    assert_int_equal (
        pthread_create (&all[i].thread, NULL, talk_slowly, &all[i]), 0);
  for (size_t i = 0; i < ARRAY_LEN (all); i++)
    {
      pthread_join (all[i].thread, NULL);
      w = all[i].w;
      teardown (&w);
    }
  for (size_t i = 0; i < ARRAY_LEN (all); i++)
    if (all[i].got != all[i].want || all[i].took_ms > 50000)
      fail_msg ("script %zu ended as %d, and kept the sender for %llu ms", i,
                (int) all[i].got, (unsigned long long) all[i].took_ms);
}

/* A status with an endless body: the status counts, the body is cut. */
static void
test_flood (void **state)
{
  struct world *w = *state;
  struct script s = { .reply = "HTTP/1.1 201 Created\r\n\r\n",
                      .read_body = true, .then = FLOOD };
  struct error err = ERROR_INIT;
  uint64_t retry_ms, began = clock_ms ();

  needs_http ();
  assert_int_equal (talk (w, s, NULL, &retry_ms, &err), SHIP_DONE);
  assert_true (clock_ms () - began < 50000);
}

/* Slower than the stall limit is not stalled, when we are who is slow. */
static void
test_rate (void **state)
{
  struct world *w = *state;
  struct script s = { .reply = REPLY ("201 Created", ""), .read_body = true };
  struct sink_config cfg = { .url = w->url, .timeout_ms = 1000,
                             .max_rate = 300000 };
  struct ship_item item = { .id = "i", .name = "i.tar.zst",
                            .digest = w->digest, .fd = w->item_fd,
                            .size = BODY_BYTES };
  struct error err = ERROR_INIT;
  uint64_t retry_ms, began = clock_ms ();

  needs_http ();
  w->script = s;
  sha256_reset (w->sum);
  assert_int_equal (pthread_create (&w->thread, NULL, serve, w), 0);
  assert_int_equal (
      sink_find (w->url)->send (&cfg, &item, &retry_ms, &err), SHIP_DONE);
  pthread_join (w->thread, NULL);
  assert_string_equal (w->got, w->digest);
  printf ("300000 bytes at 300000 a second: %llu ms\n",
          (unsigned long long) (clock_ms () - began));
  /* curl lets the first pieces go at once. */
  assert_true (clock_ms () - began >= 450);
}

static void
test_dir (void **state)
{
  struct world *w = *state;
  struct error err = ERROR_INIT;
  char url[128], path[128], hex[SHA256_HEX];
  uint64_t retry_ms;
  int fd;

  snprintf (url, sizeof url, "dir:%s", w->tmp.path);
  snprintf (path, sizeof path, "%s/the-id.tar.zst", w->tmp.path);
  assert_int_equal (send_item (url, w, NULL, &retry_ms, &err), SHIP_DONE);
  fd = open (path, O_RDWR | O_CLOEXEC);
  assert_int_equal (sha256_fd (fd, hex, NULL, &err), 0);
  assert_string_equal (hex, w->digest);
  assert_int_equal (send_item (url, w, NULL, &retry_ms, &err), SHIP_DONE);
  assert_int_equal (pwrite (fd, "!", 1, 0), 1);
  close (fd);
  assert_int_equal (send_item (url, w, NULL, &retry_ms, &err), SHIP_PARK);
  assert_int_equal (unlink (path), 0);
  /* What is sent is not what was packed: it rotted. */
  assert_int_equal (pwrite (w->item_fd, "!", 1, 0), 1);
  assert_int_equal (send_item (url, w, NULL, &retry_ms, &err), SHIP_PARK);
  assert_true (access (path, F_OK) < 0);
  assert_int_equal (send_item ("dir:/no/such", w, NULL, &retry_ms, &err),
                    SHIP_RETRY);
}

static void
test_table (void **state)
{
  assert_non_null (sink_find ("dir:/x"));
  assert_null (sink_find ("ftp://x"));
  assert_null (sink_find ("file:///etc/passwd"));
  assert_null (sink_find ("dir"));
  assert_null (sink_find (""));
  assert_null (sink_find (NULL));
  for (unsigned n = 0; n < 70; n++)
    for (unsigned i = 0; i < 50; i++)
      {
        uint64_t most = n < 9 ? 2000u << n : 900000;

        assert_true (ship_backoff_ms (n) <= (most < 900000 ? most : 900000));
      }
  uint64_t first = ship_backoff_ms (20);
  unsigned same = 0;
  for (unsigned i = 0; i < 20; i++)
    same += ship_backoff_ms (20) == first;
  assert_true (same < 5);
}

#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_statuses),   T (test_request), T (test_token_trouble),
    T (test_lost_reply), T (test_early),   T (test_slow),
    T (test_flood),      T (test_rate),
    T (test_dir),        T (test_table),
  };

  assert_int_equal (ship_init (NULL), 0);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
