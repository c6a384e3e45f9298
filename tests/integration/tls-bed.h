/* SPDX-License-Identifier: Apache-2.0
 *
 * The real hangdog-writer, a spool of its own and a receiver over TLS: for
 * test-tls and test-tls-trouble.
 */
#ifndef HANGDOG_TEST_TLS_BED_H
#define HANGDOG_TEST_TLS_BED_H

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/store.h"
#include "tests/fakes/tlspeer.h"
#include "tests/lib/built.h"
#include "tests/lib/tmpdir.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define WAIT_MS 60000
#define TOKEN "sesame-4711-open"
#define PROXY_PASSWORD "hush-0815"
#define INC(n) "0000000" n "-0000-4000-8000-000000000000"

struct world
{
  struct tmpdir tmp;
  const char *dir; /* its */
  char state[128];
  struct ca *ours, *other;
  struct tlspeer *peer;
  pid_t writer;
  int keeper, daemon, log;
  int64_t last_id;
  char text[65536]; /* all that it logged */
  size_t len, mark; /* what of it was looked at */
  const char *stall; /* the sender's patience: much, unless that is tested */
};

static const struct peer_plan no_plan;

/* ---- the writer ---- */

/* proxy NULL = no proxy in its environment. */
static inline void
start_writer (struct world *w, const char *proxy)
{
  int keeper[2], daemon[2], log[2];
  char path[PATH_MAX];

  built_path (path, "hangdog-writer");
  assert_int_equal (
      socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, keeper), 0);
  assert_int_equal (
      socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, daemon), 0);
  assert_int_equal (pipe2 (log, O_CLOEXEC | O_NONBLOCK), 0);
  if ((w->writer = fork ()) == 0)
    {
      int a = fcntl (keeper[1], F_DUPFD, 20),
          b = fcntl (daemon[1], F_DUPFD, 20);

      dup2 (a, 3), dup2 (b, 4), dup2 (log[1], 2);
      close (a), close (b), close (5);
      if (proxy)
        setenv ("https_proxy", proxy, 1);
      execl (path, path, "--state", w->state, "--config",
             "{\"limits\":{\"spool-free-floor\":\"1KiB\"}}", (char *) NULL);
      _exit (127);
    }
  close (keeper[1]), close (daemon[1]), close (log[1]);
  w->keeper = keeper[0];
  w->daemon = daemon[0];
  w->log = log[0];
}

static inline void
stop_writer (struct world *w)
{
  if (w->writer > 0)
    {
      kill (w->writer, SIGKILL);
      waitpid (w->writer, NULL, 0);
      close (w->keeper), close (w->daemon), close (w->log);
    }
  w->writer = 0;
}

static inline void
read_log (struct world *w, int timeout_ms)
{
  struct pollfd p = { .fd = w->log, .events = POLLIN };
  ssize_t n;

  if (poll (&p, 1, timeout_ms) <= 0)
    return;
  n = read (w->log, w->text + w->len, sizeof w->text - 1 - w->len);
  if (n > 0)
    w->len += (size_t) n;
  w->text[w->len] = '\0';
}

/* Waits for a whole line with both words, beyond the mark. */
static inline void
await_line (struct world *w, const char *a, const char *b, char dst[1024])
{
  uint64_t deadline = clock_ms () + WAIT_MS;

  for (;;)
    {
      char *at = w->text + w->mark, *end;

      while ((end = strchr (at, '\n')))
        {
          snprintf (dst, 1024, "%.*s", (int) (end - at), at);
          if (strstr (dst, a) && strstr (dst, b))
            {
              w->mark = (size_t) (end + 1 - w->text);
              return;
            }
          at = end + 1;
        }
      if (clock_ms () > deadline)
        fail_msg ("no line with \"%s\" and \"%s\" in:\n%s", a, b,
                  w->text + w->mark);
      read_log (w, 100);
    }
}

/* ---- talking to it ---- */

static inline struct json_object *
op_new (const char *op, const char *incident)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "op", op);
  if (incident)
    json_add_str (o, "incident", incident);
  return o;
}

/* The next frame that answers id, or (id 0) is op of that incident. */
static inline void
await_frame (struct world *w, int64_t id, const char *op,
             const char *incident, struct frame *ret)
{
  struct error err = ERROR_INIT;
  uint64_t deadline = clock_ms () + WAIT_MS;

  for (;;)
    {
      struct frame f = { 0 };

      if (frame_read (w->daemon, &f, deadline, &err) < 0)
        {
          read_log (w, 0);
          fail_msg ("waiting for %s: %s\n%s", op, error_text (&err), w->text);
        }
      if (id ? json_get_int (f.head, "re", 0) == id
             : json_get_str (f.head, "op")
                   && strcmp (json_get_str (f.head, "op"), op) == 0
                   && strcmp (json_get_str (f.head, "incident"), incident)
                          == 0)
        {
          *ret = f;
          return;
        }
      frame_done (&f);
    }
}

static inline void
ask (struct world *w, struct json_object *head, const void *body, size_t len,
     struct frame *ret)
{
  struct error err = ERROR_INIT;
  const char *op = json_get_str (head, "op");

  json_add_int (head, "id", ++w->last_id);
  assert_int_equal (frame_write (w->daemon, head, body, len, NULL, 0,
                                 clock_ms () + WAIT_MS, &err), 0);
  await_frame (w, w->last_id, op, NULL, ret);
  if (json_get (ret->head, "error"))
    fail_msg ("%s: %s", op, json_object_to_json_string (ret->head));
  json_object_put (head);
}

/* An incident with a bundle of some size, which does not compress. */
static inline void
pack (struct world *w, const char *id, char digest[65])
{
  CLEANUP_FRAME struct frame a = { 0 }, b = { 0 }, c = { 0 };
  static char noise[200000];
  struct json_object *o;
  char json[128];
  uint32_t x = 1;

  for (size_t i = 0; i < sizeof noise; i++)
    noise[i] = (char) ((x = x * 1664525u + 1013904223u) >> 24);
  snprintf (json, sizeof json, "{\"schema\":\"hangdog/incident/1\","
                               "\"id\":\"%s\"}", id);
  ask (w, op_new ("incident", id), json, strlen (json), &a);
  o = op_new ("artifact", id);
  json_add_str (o, "name", "noise.bin");
  json_add_int (o, "offset", 0);
  ask (w, o, noise, sizeof noise, &b);
  o = op_new ("pack", id);
  json_object_object_add (o, "head", json_object_new_object ());
  ask (w, o, NULL, 0, &c);
  snprintf (digest, 65, "%s", json_get_str (c.head, "digest"));
}

/* Taken when it returns: what is asked of the writer comes another way. */
static inline void
reload (struct world *w, const char *sink)
{
  CLEANUP_JSON struct json_object *head = op_new ("reload", NULL);
  CLEANUP_JSON struct json_object *ping = op_new ("ping", NULL);
  CLEANUP_FRAME struct frame f = { 0 };
  struct error err = ERROR_INIT;
  char text[1200];

  snprintf (text, sizeof text,
            "{\"sink\":%s,\"limits\":{\"spool-free-floor\":\"1KiB\"}}", sink);
  assert_int_equal (frame_write (w->keeper, head, text, strlen (text), NULL, 0,
                                 clock_ms () + WAIT_MS, &err),
                    0);
  json_add_int (ping, "id", 1);
  assert_int_equal (frame_write (w->keeper, ping, NULL, 0, NULL, 0,
                                 clock_ms () + WAIT_MS, &err),
                    0);
  assert_int_equal (frame_read (w->keeper, &f, clock_ms () + WAIT_MS, &err),
                    0);
}

/* In which place of the spool the incident is. */
static inline void
expect_place (struct world *w, const char *id, const char *place)
{
  CLEANUP_FREE char *text = NULL;
  struct error err = ERROR_INIT;
  char path[300], want[40];
  size_t len;

  snprintf (path, sizeof path, "%s/spool/incidents/%s.json", w->state, id);
  snprintf (want, sizeof want, "\"place\":\"%s\"", place);
  if (store_get_path (path, 1u << 20, &text, &len, &err) < 0
      || !strstr (text, want))
    fail_msg ("%s is not %s: %s\n%s", path, place, text ? text : "", w->text);
}

/* host is what the url says; DIR in more stands for the folder of files. */
static inline void
sink_of (struct world *w, const char *scheme, const char *host,
         const char *more, char dst[1024])
{
  char text[600] = "";
  const char *d;

  while (more && (d = strstr (more, "DIR")))
    {
      snprintf (text + strlen (text), sizeof text - strlen (text), "%.*s%s",
                (int) (d - more), more, w->dir);
      more = d + 3;
    }
  snprintf (text + strlen (text), sizeof text - strlen (text), "%s",
            more ? more : "");
  snprintf (dst, 1024, "{\"url\":\"%s://%s:%u/bundles\",\"timeout\":\"%s\"%s}",
            scheme, host, tlspeer_port (w->peer), w->stall, text);
}

/* ---- the world ---- */

static inline void
write_file (struct world *w, const char *name, const char *text, mode_t mode)
{
  assert_int_equal (tmpdir_put (w->tmp.fd, name, text, strlen (text)), 0);
  assert_int_equal (fchmodat (w->tmp.fd, name, mode, 0), 0);
}

static inline int
setup (void **state)
{
  struct world *w = calloc (1, sizeof *w);

  signal (SIGPIPE, SIG_IGN);
  unsetenv ("https_proxy"), unsetenv ("HTTPS_PROXY");
  unsetenv ("all_proxy"), unsetenv ("ALL_PROXY");
  unsetenv ("no_proxy"), unsetenv ("NO_PROXY"), unsetenv ("http_proxy");
  if (tmpdir_make (&w->tmp) < 0)
    return -1;
  w->dir = w->tmp.path;
  snprintf (w->state, sizeof w->state, "%s/state", w->dir);
  w->ours = ca_new (w->dir, "ours");
  w->other = ca_new (w->dir, "other");
  ca_issue (w->ours, w->dir, "good", "DNS:localhost", -1, 30);
  ca_issue (w->ours, w->dir, "elsewhere", "DNS:elsewhere.example", -1, 30);
  ca_issue (w->ours, w->dir, "expired", "DNS:localhost", -30, -1);
  ca_issue (w->ours, w->dir, "early", "DNS:localhost", 2, 30);
  ca_issue (w->ours, w->dir, "device", "DNS:device-7", -1, 30);
  ca_issue (w->other, w->dir, "stranger", "DNS:device-8", -1, 30);
  write_file (w, "token", TOKEN "\n", 0600);
  w->peer = tlspeer_new ();
  w->stall = "30s";
  *state = w;
  return 0;
}

static inline int
teardown (void **state)
{
  struct world *w = *state;

  stop_writer (w);
  tlspeer_free (w->peer);
  ca_free (w->ours);
  ca_free (w->other);
  tmpdir_done (&w->tmp);
  free (w);
  return 0;
}

/* ---- what its receiver does ---- */

#define CA ",\"ca-file\":\"DIR/ours.pem\""
#define TOKEN_FILE ",\"token-file\":\"DIR/token\""
#define DEVICE                                                                \
  ",\"cert-file\":\"DIR/device.pem\",\"key-file\":\"DIR/device.key\""

struct trouble
{
  const char *name, *cert, *host, *more;
  const char *client_ca, *reply;
  const char *say, *mend; /* both in one line */
  const char *scheme;     /* NULL = https */
  int max_version;
  enum peer_then then;
  bool denied; /* nothing at all is sent until it is mended */
};

static inline void
plan_of (struct world *w, const struct trouble *t, struct peer_plan *plan,
         char cert[200], char ca[200])
{
  const char *name = t && t->cert ? t->cert : "good";

  *plan = no_plan;
  snprintf (cert, 200, "%s/%s", w->dir, name);
  plan->cert = *name ? cert : NULL;
  if (t == NULL)
    return;
  snprintf (ca, 200, "%s/%s.pem", w->dir, t->client_ca ? t->client_ca : "");
  plan->client_ca = t->client_ca ? ca : NULL;
  plan->max_version = t->max_version;
  plan->then = t->then;
  plan->reply = t->reply;
}

#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

#endif
