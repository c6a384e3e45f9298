/* SPDX-License-Identifier: Apache-2.0
 *
 * The real hangdog-writer against receivers over TLS: what is right arrives;
 * each thing that is wrong gives one line that says what to do, leaves the
 * bundle in the spool, and does not outlive its mending.  No secret is seen
 * in what it logs, in its arguments, or in what it stores.
 */
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
#include <openssl/tls1.h>
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
static void
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

static void
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

static void
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
static void
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

static struct json_object *
op_new (const char *op, const char *incident)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "op", op);
  if (incident)
    json_add_str (o, "incident", incident);
  return o;
}

/* The next frame that answers id, or (id 0) is op of that incident. */
static void
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

static void
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
static void
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
static void
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
static void
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
static void
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

static void
write_file (struct world *w, const char *name, const char *text, mode_t mode)
{
  assert_int_equal (tmpdir_put (w->tmp.fd, name, text, strlen (text)), 0);
  assert_int_equal (fchmodat (w->tmp.fd, name, mode, 0), 0);
}

static int
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

static int
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

/* ---- what is wrong, and what is said of it ---- */

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

/* Too long a label for any resolver to ask for. */
#define NO_NAME                                                               \
  "a123456789012345678901234567890123456789012345678901234567890123456789.x"
#define CA ",\"ca-file\":\"DIR/ours.pem\""
#define TOKEN_FILE ",\"token-file\":\"DIR/token\""
#define DEVICE ",\"cert-file\":\"DIR/device.pem\",\"key-file\":\"DIR/device.key\""
#define STRANGER                                                              \
  ",\"cert-file\":\"DIR/stranger.pem\",\"key-file\":\"DIR/stranger.key\""
#define MOVED(to)                                                             \
  "HTTP/1.1 302 Found\r\nLocation: " to                                       \
  "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

static const struct trouble troubles[] = {
  { .name = "wrong CA", .more = ",\"ca-file\":\"DIR/other.pem\"",
    .say = "signed by nobody", .mend = "sink.ca-file" },
  { .name = "unknown CA", .more = "", .say = "this system trusts",
    .mend = "sink.ca-file" },
  { .name = "no CA file", .more = ",\"ca-file\":\"DIR/nothing.pem\"",
    .say = "cannot be used", .mend = "sink.ca-file" },
  { .name = "wrong name", .cert = "elsewhere",
    .say = "made for another name", .mend = "sink.url" },
  { .name = "expired", .cert = "expired", .say = "has expired",
    .mend = "renewed" },
  { .name = "not valid yet", .cert = "early", .say = "not valid yet",
    .mend = "clock" },
  { .name = "TLS 1.1", .max_version = TLS1_1_VERSION,
    .say = "offers no TLS 1.2", .mend = "switched on" },
  { .name = "no TLS", .cert = "", .say = "speaks no TLS",
    .mend = "http:// in sink.url" },
  { .name = "mute", .cert = "", .then = PEER_SILENT, .say = "begins no TLS",
    .mend = "sink.url" },
  { .name = "cut", .then = PEER_CUT, .say = "broke off with",
    .mend = "bytes sent" },
  { .name = "silent", .then = PEER_SILENT, .say = "makes no progress",
    .mend = "sink.timeout" },
  { .name = "redirect", .reply = MOVED ("https://portal.example/login"),
    .say = "points to https://portal.example/login: that is not followed",
    .mend = "sink.url" },
  { .name = "redirect to a file", .reply = MOVED ("file:///etc/passwd"),
    .say = "answers 302", .mend = "file:///etc/passwd" },
  { .name = "huge error", .then = PEER_BODY,
    .reply = "HTTP/1.1 503 Later\r\nConnection: close\r\n\r\n",
    .say = "answers 503", .mend = "not sent" },
  { .name = "no client certificate", .client_ca = "ours",
    .say = "wants a certificate of ours", .mend = "sink.cert-file" },
  { .name = "strange client certificate", .client_ca = "ours",
    .more = CA STRANGER, .say = "does not take the certificate",
    .mend = "signed by an authority that it trusts" },
  { .name = "open key",
    .more = CA ",\"cert-file\":\"DIR/device.pem\","
               "\"key-file\":\"DIR/open.key\"",
    .say = "open.key", .mend = "chmod 600", .denied = true },
  { .name = "key of another",
    .more = CA ",\"cert-file\":\"DIR/device.pem\","
               "\"key-file\":\"DIR/stranger.key\"",
    .say = "in PEM and its key", .mend = "sink.key-file", .denied = true },
  { .name = "no token file", .more = CA ",\"token-file\":\"DIR/none\"",
    .say = "the token file", .mend = "/none", .denied = true },
  { .name = "bad token", .more = CA TOKEN_FILE,
    .reply = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
    .say = "answers 401", .mend = "sink.token-file", .denied = true },
  { .name = "nobody", .host = NO_NAME, .say = "leads nowhere",
    .mend = "resolver" },
  { .name = "no proxy", .more = CA ",\"proxy\":\"http://127.0.0.1:1\"",
    .say = "the proxy cannot be used", .mend = "sink.proxy" },
};

static void
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

static void
test_troubles (void **state)
{
  struct world *w = *state;
  static char cert[32][200], ca[32][200];
  CLEANUP_FRAME struct frame shipped = { 0 };
  struct peer_plan plan;
  struct peer_saw saw;
  char sink[1024], line[1024], digest[65];

  w->stall = "1s";
  start_writer (w, NULL);
  pack (w, INC ("1"), digest);
  write_file (w, "open.key", "x", 0644);
  for (size_t i = 0; i < ARRAY_LEN (troubles); i++)
    {
      const struct trouble *t = &troubles[i];

      plan_of (w, t, &plan, cert[i], ca[i]);
      /* It may be that the writer tries once more as it did before, in the
       * moment between this and the reload: that is not let in either. */
      if (!plan.reply)
        plan.reply = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n"
                     "Connection: close\r\n\r\n";
      tlspeer_plan (w->peer, &plan);
      sink_of (w, "https", t->host ? t->host : "localhost",
               t->more ? t->more : CA, sink);
      reload (w, sink);
      await_line (w, t->say, t->mend, line);
      if (t->denied ? !strstr (line, "before this is mended")
                    : !strstr (line, "was not sent"))
        fail_msg ("%s: %s", t->name, line);
      printf ("%-26s %.300s\n", t->name, line);
      expect_place (w, INC ("1"), "ready");
    }
  /* All of it is mended: it goes, whole, and once. */
  plan_of (w, NULL, &plan, cert[31], ca[31]);
  tlspeer_plan (w->peer, &plan);
  w->stall = "30s";
  sink_of (w, "https", "localhost", CA, sink);
  reload (w, sink);
  await_frame (w, 0, "shipped", INC ("1"), &shipped);
  expect_place (w, INC ("1"), "sent");
  tlspeer_saw (w->peer, &saw);
  assert_string_equal (saw.digest, digest);
  assert_true (saw.version >= TLS1_2_VERSION);
  assert_null (strstr (w->text, TOKEN));
}

/* ---- what is right ---- */

static const char *secret;
static char secret_at[PATH_MAX];

static int
look_for_secret (const char *path, const struct stat *st, int type,
                 struct FTW *ftw)
{
  CLEANUP_FREE char *text = NULL;
  CLEANUP_CLOSE int fd = -1;
  ssize_t n;

  if (type != FTW_F || st->st_size == 0)
    return 0;
  fd = open (path, O_RDONLY | O_CLOEXEC);
  text = malloc ((size_t) st->st_size);
  n = read (fd, text, (size_t) st->st_size);
  if (n > 0 && memmem (text, (size_t) n, secret, strlen (secret)))
    snprintf (secret_at, sizeof secret_at, "%s", path);
  return 0;
}

/* Neither in what it logs, nor in its arguments, nor in what it stores. */
static void
expect_secret_kept (struct world *w, const char *word)
{
  char path[64], args[8192];
  CLEANUP_CLOSE int fd = -1;
  ssize_t n;

  read_log (w, 0);
  assert_null (strstr (w->text, word));
  snprintf (path, sizeof path, "/proc/%d/cmdline", (int) w->writer);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  n = read (fd, args, sizeof args);
  assert_true (n > 0);
  assert_null (memmem (args, (size_t) n, word, strlen (word)));
  secret = word;
  secret_at[0] = '\0';
  nftw (w->state, look_for_secret, 16, FTW_PHYS);
  assert_string_equal (secret_at, "");
}

static void
test_client_and_token (void **state)
{
  struct world *w = *state;
  CLEANUP_FRAME struct frame shipped = { 0 };
  char cert[200], ca[200], sink[1024], digest[65];
  struct trouble t = { .client_ca = "ours" };
  struct peer_plan plan;
  struct peer_saw saw;

  plan_of (w, &t, &plan, cert, ca);
  tlspeer_plan (w->peer, &plan);
  start_writer (w, NULL);
  sink_of (w, "https", "localhost", CA TOKEN_FILE DEVICE, sink);
  reload (w, sink);
  pack (w, INC ("2"), digest);
  await_frame (w, 0, "shipped", INC ("2"), &shipped);
  tlspeer_saw (w->peer, &saw);
  assert_string_equal (saw.client, "device");
  assert_string_equal (saw.digest, digest);
  assert_non_null (strstr (saw.head, "\r\nAuthorization: Bearer " TOKEN "\r"));
  expect_secret_kept (w, TOKEN);
  expect_secret_kept (w, "PRIVATE KEY");
}

/* The reference controller speaks TLS as well. */
static void
test_controller (void **state)
{
#ifdef WITH_CONTROLLER
  struct world *w = *state;
  CLEANUP_FRAME struct frame shipped = { 0 };
  char path[PATH_MAX], data[100], cert[100], key[100], line[200] = "";
  char sink[1024], digest[65], file[300];
  size_t len = 0;
  unsigned port;
  int out[2];
  pid_t pid;

  built_path (path, "hangdog-controller");
  snprintf (data, sizeof data, "%s/in", w->dir);
  snprintf (cert, sizeof cert, "%s/good.pem", w->dir);
  snprintf (key, sizeof key, "%s/good.key", w->dir);
  snprintf (file, sizeof file, "%s/token", w->dir);
  assert_int_equal (chmod (cert, 0600), 0);
  assert_int_equal (pipe2 (out, O_CLOEXEC), 0);
  if ((pid = fork ()) == 0)
    {
      dup2 (out[1], 1);
      dup2 (open ("/dev/null", O_WRONLY), 2);
      execl (path, path, "--data", data, "--tls-cert", cert, "--tls-key", key,
             "--token-file", file, (char *) NULL);
      _exit (127);
    }
  close (out[1]);
  while (len < sizeof line - 1 && !strchr (line, '\n'))
    {
      ssize_t n = read (out[0], line + len, sizeof line - 1 - len);

      if (n <= 0)
        break;
      line[len += (size_t) n] = '\0';
    }
  close (out[0]);
  if (sscanf (line, "listening https://127.0.0.1:%u", &port) == 1)
    {
      start_writer (w, NULL);
      snprintf (sink, sizeof sink,
                "{\"url\":\"https://localhost:%u/bundles\",\"ca-file\":"
                "\"%s/ours.pem\",\"token-file\":\"%s\"}",
                port, w->dir, file);
      reload (w, sink);
      pack (w, INC ("8"), digest);
      await_frame (w, 0, "shipped", INC ("8"), &shipped);
    }
  kill (pid, SIGTERM);
  waitpid (pid, NULL, 0);
  assert_string_not_equal (line, "");
  snprintf (file, sizeof file, "%s/bundles/%s.tar.zst", data, INC ("8"));
  assert_int_equal (access (file, R_OK), 0);
#else
  skip ();
#endif
}

/* An answer that never ends has told its status. */
static void
test_endless (void **state)
{
  struct world *w = *state;
  CLEANUP_FRAME struct frame a = { 0 }, b = { 0 };
  char cert[200], ca[200], sink[1024], digest[65];
  struct trouble t = { .then = PEER_HEADERS };
  struct peer_plan plan;
  uint64_t began = clock_ms ();

  w->stall = "2s";
  plan_of (w, &t, &plan, cert, ca);
  tlspeer_plan (w->peer, &plan);
  start_writer (w, NULL);
  sink_of (w, "https", "localhost", CA, sink);
  reload (w, sink);
  pack (w, INC ("3"), digest);
  await_frame (w, 0, "shipped", INC ("3"), &a);
  plan.then = PEER_BODY;
  plan.reply = "HTTP/1.1 201 Created\r\n\r\n";
  tlspeer_plan (w->peer, &plan);
  pack (w, INC ("4"), digest);
  await_frame (w, 0, "shipped", INC ("4"), &b);
  assert_true (clock_ms () - began < WAIT_MS);
}

/* The proxy of the environment, then the configuration's, then none. */
static void
test_proxy (void **state)
{
  struct world *w = *state;
  CLEANUP_FRAME struct frame a = { 0 }, b = { 0 }, c = { 0 };
  struct tlsproxy *x = tlsproxy_new (NULL), *y = tlsproxy_new (NULL);
  struct tlsproxy *z = tlsproxy_new ("HTTP/1.1 407 No\r\n"
                                     "Proxy-Authenticate: Basic\r\n"
                                     "Content-Length: 0\r\n\r\n");
  char cert[200], ca[200], sink[1024], line[1024], digest[65], more[200];
  char env[100], seen[8192];
  struct peer_plan plan;
  struct peer_saw saw;

  plan_of (w, NULL, &plan, cert, ca);
  tlspeer_plan (w->peer, &plan);
  snprintf (env, sizeof env, "http://box:%s@127.0.0.1:%u", PROXY_PASSWORD,
            tlsproxy_port (x));
  start_writer (w, env);
  sink_of (w, "https", "localhost", CA TOKEN_FILE, sink);
  reload (w, sink);
  pack (w, INC ("5"), digest);
  await_frame (w, 0, "shipped", INC ("5"), &a);
  /* The document, and the bundle. */
  assert_int_equal (tlsproxy_saw (x, seen, sizeof seen), 2);
  assert_non_null (strstr (seen, "CONNECT localhost:"));
  assert_non_null (strstr (seen, "Proxy-Authorization: Basic "));
  /* The token goes to the controller, and to it alone. */
  assert_null (strstr (seen, TOKEN));
  tlspeer_saw (w->peer, &saw);
  assert_non_null (strstr (saw.head, TOKEN));
  assert_null (strcasestr (saw.head, "Proxy-Authorization"));

  snprintf (more, sizeof more, CA ",\"proxy\":\"http://127.0.0.1:%u\"",
            tlsproxy_port (z));
  sink_of (w, "https", "localhost", more, sink);
  reload (w, sink);
  pack (w, INC ("6"), digest);
  await_line (w, "the proxy answers 407", "sink.proxy", line);
  expect_place (w, INC ("6"), "ready");
  snprintf (more, sizeof more, CA ",\"proxy\":\"http://127.0.0.1:%u\"",
            tlsproxy_port (y));
  sink_of (w, "https", "localhost", more, sink);
  reload (w, sink);
  await_frame (w, 0, "shipped", INC ("6"), &b);
  assert_int_equal (tlsproxy_saw (y, seen, sizeof seen), 2);

  sink_of (w, "https", "localhost", CA ",\"proxy\":\"none\"", sink);
  reload (w, sink);
  pack (w, INC ("7"), digest);
  await_frame (w, 0, "shipped", INC ("7"), &c);
  assert_int_equal (tlsproxy_saw (x, seen, sizeof seen), 2);
  assert_int_equal (tlsproxy_saw (y, seen, sizeof seen), 2);
  expect_secret_kept (w, PROXY_PASSWORD);
  tlsproxy_free (x);
  tlsproxy_free (y);
  tlsproxy_free (z);
}

#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_troubles),
    T (test_client_and_token),
    T (test_controller),
    T (test_endless),
    T (test_proxy),
  };

#ifndef WITH_CURL
  printf ("built without curl\n");
  return 77;
#endif
  return cmocka_run_group_tests (tests, NULL, NULL);
}
