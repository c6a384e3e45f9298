/* SPDX-License-Identifier: Apache-2.0
 *
 * The real hangdog-writer against the real hangdog-controller, driven over
 * its channels as the keeper and the daemon do: what was accepted arrives,
 * once, whatever is killed in between; console logs; a full disk.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "supervisor/logpipe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define WAIT_MS 20000

struct world
{
  char dir[64], state[128];
  char url[128]; /* of the controller, "" without */
  pid_t controller, writer;
  int keeper, daemon; /* our ends */
  struct logpipe *lp;
  int64_t last_id;
  const char *shim;     /* for its LD_PRELOAD, NULL = none */
  rlim_t files;         /* that it may open, 0 = as many as we */
};

static char libexec[PATH_MAX];

/* ---- processes ---- */

static void
find_programs (void)
{
  const char *env = getenv ("HANGDOG_LIBEXEC");
  ssize_t n;

  if (env)
    {
      snprintf (libexec, sizeof libexec, "%s", env);
      return;
    }
  n = readlink ("/proc/self/exe", libexec, sizeof libexec - 1);
  libexec[n > 0 ? n : 0] = '\0';
  for (unsigned i = 0; i < 3; i++)
    {
      char *slash = strrchr (libexec, '/');

      if (slash && strcmp (slash, "/.libs") == 0)
        i--;
      if (slash)
        *slash = '\0';
    }
}

static void
start_controller (struct world *w, const char *token_file)
{
  char path[PATH_MAX + 32], data[128], line[128] = "";
  int out[2];
  size_t len = 0;

  snprintf (path, sizeof path, "%s/hangdog-controller", libexec);
  snprintf (data, sizeof data, "%s/controller", w->dir);
  w->url[0] = '\0';
  if (access (path, X_OK) < 0)
    return;
#ifndef WITH_CURL
  /* A writer without curl has nothing to send with. */
  return;
#endif
  assert_int_equal (pipe2 (out, O_CLOEXEC), 0);
  if ((w->controller = fork ()) == 0)
    {
      dup2 (out[1], 1);
      if (!getenv ("HD_TEST_LOUD"))
        dup2 (open ("/dev/null", O_WRONLY), 2);
      execl (path, path, "--data", data, token_file ? "--token-file" : NULL,
             token_file, (char *) NULL);
      _exit (127);
    }
  close (out[1]);
  while (len < sizeof line - 1 && strchr (line, '\n') == NULL)
    {
      ssize_t n = read (out[0], line + len, sizeof line - 1 - len);

      assert_true (n > 0);
      len += (size_t) n;
      line[len] = '\0';
    }
  close (out[0]);
  assert_int_equal (sscanf (line, "listening %127s", w->url), 1);
}

/* sink NULL = nothing is sent. */
static void
start_writer (struct world *w, const char *sink)
{
  char path[PATH_MAX + 32];
  int keeper[2], daemon[2], log[2];
  struct error err = ERROR_INIT;

  snprintf (path, sizeof path, "%s/hangdog-writer", libexec);
  assert_int_equal (
      socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, keeper), 0);
  assert_int_equal (
      socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, daemon), 0);
  assert_int_equal (pipe2 (log, O_CLOEXEC), 0);
  if ((w->writer = fork ()) == 0)
    {
      /* Out of the way first, as any of them may be 3 to 5 now. */
      int a = fcntl (keeper[1], F_DUPFD, 20), b = fcntl (daemon[1], F_DUPFD, 20),
          c = fcntl (log[0], F_DUPFD, 20);

      dup2 (a, 3), dup2 (b, 4), dup2 (c, 5);
      close (a), close (b), close (c);
      if (!getenv ("HD_TEST_LOUD"))
        dup2 (open ("/dev/null", O_WRONLY), 2);
      if (w->shim)
        setenv ("LD_PRELOAD", w->shim, 1);
      if (w->files)
        setrlimit (RLIMIT_NOFILE, &(struct rlimit){ w->files, w->files });
      execl (path, path, "--state", w->state, "--sink", sink ? sink : "",
             "--free-floor", "1KiB", (char *) NULL);
      _exit (127);
    }
  close (keeper[1]), close (daemon[1]), close (log[0]);
  w->keeper = keeper[0];
  w->daemon = daemon[0];
  if (w->lp)
    logpipe_set_fd (w->lp, log[1]);
  else
    assert_int_equal (logpipe_new (log[1], &w->lp, &err), 0);
}

static int
end_process (pid_t *pid, int sig)
{
  int st = 0;

  if (*pid <= 0)
    return 0;
  kill (*pid, sig);
  waitpid (*pid, &st, 0);
  *pid = 0;
  return st;
}

static int
kill_writer (struct world *w, int sig)
{
  int st = end_process (&w->writer, sig);

  if (w->keeper >= 0)
    close (w->keeper), close (w->daemon);
  w->keeper = w->daemon = -1;
  return st;
}

static void
sink_of (struct world *w, char dst[256])
{
  snprintf (dst, 256, "{\"url\":\"%s/bundles\",\"timeout\":\"5s\"}", w->url);
}

static int
setup (void **state)
{
  struct world *w = calloc (1, sizeof *w);

  signal (SIGPIPE, SIG_IGN);
  w->keeper = w->daemon = -1;
  strcpy (w->dir, "/tmp/test-writer.XXXXXX");
  if (mkdtemp (w->dir) == NULL)
    return -1;
  snprintf (w->state, sizeof w->state, "%s/state", w->dir);
  *state = w;
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;
  pid_t pid;

  kill_writer (w, SIGKILL);
  end_process (&w->controller, SIGTERM);
  logpipe_free (w->lp);
  umount2 (w->state, MNT_DETACH);
  if ((pid = fork ()) == 0)
    {
      execlp ("rm", "rm", "-rf", w->dir, (char *) NULL);
      _exit (127);
    }
  waitpid (pid, NULL, 0);
  free (w);
  return 0;
}

/* ---- talking ---- */

static struct json_object *
op_new (const char *op, const char *incident)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "op", op);
  if (incident)
    json_add_str (o, "incident", incident);
  return o;
}

/* Reads until the answer of that id, or until op "event" comes when id is
 * 0.  What else comes is passed over. */
static int
await (struct world *w, int64_t id, const char *event, const char *incident,
       struct frame *ret)
{
  uint64_t deadline = clock_ms () + WAIT_MS;
  struct error err = ERROR_INIT;

  for (;;)
    {
      struct frame f = { 0 };
      int r = frame_read (w->daemon, &f, deadline, &err);

      if (r < 0)
        return r;
      const char *op = json_get_str (f.head, "op");
      const char *of = json_get_str (f.head, "incident");
      if (id ? json_get_int (f.head, "re", 0) == id
             : op && strcmp (op, event) == 0
                   && (!incident || (of && strcmp (of, incident) == 0)))
        {
          *ret = f;
          return 0;
        }
      frame_done (&f);
    }
}

static int64_t
send_op (struct world *w, struct json_object *head, const void *body,
         size_t len)
{
  struct error err = ERROR_INIT;

  json_add_int (head, "id", ++w->last_id);
  int r = frame_write (w->daemon, head, body, len, NULL, 0,
                       clock_ms () + WAIT_MS, &err);
  json_object_put (head);
  return r < 0 ? r : w->last_id;
}

/* Asks and waits; the code of the error answer or 0; < 0 = the writer went. */
static int
ask (struct world *w, struct json_object *head, const void *body, size_t len,
     struct frame *ret)
{
  struct frame f = { 0 };
  int64_t id = send_op (w, head, body, len);
  int r = id < 0 ? (int) id : await (w, id, NULL, NULL, &f);

  if (r < 0)
    return r;
  if (json_get (f.head, "error"))
    {
      const char *code = json_get_str (json_get (f.head, "error"), "code");

      r = code && strcmp (code, "ENOSPC") == 0 ? ENOSPC
          : code && strcmp (code, "ENOENT") == 0 ? ENOENT
                                                  : EINVAL;
    }
  if (ret && r == 0)
    *ret = f;
  else
    frame_done (&f);
  return r;
}

static char *
uuid (char dst[40], unsigned n)
{
  snprintf (dst, 40, "%08x-0000-4000-8000-000000000000", n);
  return dst;
}

static int
put_incident (struct world *w, const char *id)
{
  char json[128];

  snprintf (json, sizeof json, "{\"schema\":\"hangdog/incident/1\","
                               "\"id\":\"%s\"}", id);
  return ask (w, op_new ("incident", id), json, strlen (json), NULL);
}

static int
put_artifact (struct world *w, const char *id, const char *name,
              const void *data, size_t len)
{
  struct json_object *o = op_new ("artifact", id);

  json_add_str (o, "name", name);
  json_add_int (o, "offset", 0);
  return ask (w, o, data, len, NULL);
}

static int
pack (struct world *w, const char *id, char digest[65])
{
  CLEANUP_FRAME struct frame f = { 0 };
  struct json_object *o = op_new ("pack", id);

  json_object_object_add (o, "head", json_tokener_parse ("{\"x\":1}"));
  int r = ask (w, o, NULL, 0, &f);
  if (r == 0 && digest)
    snprintf (digest, 65, "%s", json_get_str (f.head, "digest"));
  return r;
}

static void
fill (struct world *w, const char *id)
{
  char text[3000];

  memset (text, 'a', sizeof text);
  assert_int_equal (put_incident (w, id), 0);
  assert_int_equal (put_artifact (w, id, "console/raw.log", text,
                                  sizeof text), 0);
  assert_int_equal (put_artifact (w, id, "summary.txt", "hung\n", 5), 0);
}

/* What the controller says it has. */
static struct json_object *
controller_list (struct world *w)
{
  struct buf b CLEANUP_BUF = BUF_INIT (4u << 20);
  struct sockaddr_in a = { .sin_family = AF_INET };
  CLEANUP_CLOSE int s = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  static const char req[]
      = "GET /bundles HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  char chunk[4096];
  ssize_t n;

  a.sin_port = htons ((uint16_t) atoi (strrchr (w->url, ':') + 1));
  a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  assert_int_equal (connect (s, (struct sockaddr *) &a, sizeof a), 0);
  assert_int_equal (write (s, req, sizeof req - 1), sizeof req - 1);
  while ((n = read (s, chunk, sizeof chunk)) > 0)
    buf_append (&b, chunk, (size_t) n);
  const char *body = strstr (buf_str (&b), "\r\n\r\n");
  assert_non_null (body);
  return json_tokener_parse (body + 4);
}

static struct json_object *
row_of (struct json_object *list, const char *id)
{
  struct json_object *rows = json_get (list, "bundles");
  struct json_object *found = NULL;

  for (size_t i = 0; i < json_object_array_length (rows); i++)
    {
      struct json_object *row = json_object_array_get_idx (rows, i);

      if (strcmp (json_get_str (row, "id"), id) == 0)
        {
          assert_null (found);
          found = row;
        }
    }
  return found;
}

static void
console_open (struct world *w, int id, const char *name)
{
  struct error err = ERROR_INIT;
  CLEANUP_JSON struct json_object *o = op_new ("console-open", NULL);

  json_add_int (o, "id", id);
  json_add_str (o, "uuid", "11111111-2222-3333-4444-555555555555");
  json_add_str (o, "name", name);
  json_add_str (o, "guest", "web");
  assert_int_equal (frame_write (w->daemon, o, NULL, 0, NULL, 0,
                                 clock_ms () + WAIT_MS, &err), 0);
}

/* Waits until the log says that so many bytes were dealt with; its text. */
static char *
log_text (struct world *w, const char *name, uint64_t bytes, const char *which)
{
  uint64_t deadline = clock_ms () + WAIT_MS;

  for (;;)
    {
      CLEANUP_FRAME struct frame f = { 0 };
      struct json_object *o = op_new ("logs", NULL);

      json_add_str (o, "uuid", "11111111-2222-3333-4444-555555555555");
      json_add_str (o, "name", name);
      if (ask (w, o, NULL, 0, &f) == 0
          && (uint64_t) (json_get_int (f.head, "bytes", 0)
                         + json_get_int (f.head, "gaps", 0)) >= bytes)
        {
          CLEANUP_CLOSE int fd
              = open (json_get_str (f.head, which), O_RDONLY | O_CLOEXEC);
          char *text = calloc (1, 1u << 20);

          assert_true (fd >= 0 && read (fd, text, (1u << 20) - 1) >= 0);
          return text;
        }
      assert_true (clock_ms () < deadline);
      poll (NULL, 0, 5);
    }
}

/* ---- tests ---- */

static void
test_deliver (void **state)
{
  struct world *w = *state;
  char id[40], sink[256], digest[65];
  CLEANUP_FRAME struct frame f = { 0 };

  start_controller (w, NULL);
  if (!*w->url)
    skip ();
  sink_of (w, sink);
  start_writer (w, sink);
  fill (w, uuid (id, 1));
  assert_int_equal (pack (w, id, digest), 0);
  assert_int_equal (await (w, 0, "shipped", id, &f), 0);
  CLEANUP_JSON struct json_object *list = controller_list (w);
  struct json_object *row = row_of (list, id);
  assert_non_null (row);
  assert_string_equal (json_get_str (row, "digest"), digest);
  assert_int_equal (json_get_int (row, "repeats", -1), 0);
  /* A repeated request after that changes nothing. */
  assert_int_equal (pack (w, id, digest), 0);
  assert_int_equal (put_incident (w, id), EINVAL);
}

static void
test_open_survives (void **state)
{
  struct world *w = *state;
  CLEANUP_FRAME struct frame f = { 0 };
  char id[40], digest[65];

  start_writer (w, NULL);
  fill (w, uuid (id, 7));
  kill_writer (w, SIGKILL);
  start_writer (w, NULL);
  int64_t n = send_op (w, op_new ("open-incidents", NULL), NULL, 0);
  assert_int_equal (await (w, n, NULL, NULL, &f), 0);
  assert_string_equal (json_get_str (f.head, "incident"), id);
  assert_true (json_get_bool (f.head, "more", false));
  assert_non_null (memmem (f.body, f.body_len, "hangdog/incident/1", 18));
  assert_int_equal (pack (w, id, digest), 0);
}

/* Killed again and again, at moments that differ. */
static void
test_exactly_once (void **state)
{
  struct world *w = *state;
  char id[40], sink[256];
  unsigned kills = 0;

  start_controller (w, NULL);
  if (!*w->url)
    skip ();
  sink_of (w, sink);
  start_writer (w, sink);
  for (unsigned i = 0; i < 24; i++)
    {
      struct timespec d = { 0, (long) (i * i * 40000) };
      int r;

      uuid (id, 100 + i);
      fill (w, id);
      if (i % 2)
        r = pack (w, id, NULL);
      else
        r = send_op (w, op_new ("pack", id), NULL, 0) > 0 ? 0 : -1;
      assert_int_equal (r, 0);
      if (i % 3 == 0)
        continue;
      nanosleep (&d, NULL); /* not to wait: to kill at another moment */
      kill_writer (w, SIGKILL);
      start_writer (w, sink);
      kills++;
      /* What the daemon does with what is still open. */
      for (unsigned k = 0; k <= i; k++)
        assert_true (pack (w, uuid (id, 100 + k), NULL) >= 0);
    }
  assert_true (kills > 10);
  uint64_t deadline = clock_ms () + 60000;
  for (;;)
    {
      CLEANUP_JSON struct json_object *list = controller_list (w);

      if (json_object_array_length (json_get (list, "bundles")) == 24)
        break;
      assert_true (clock_ms () < deadline);
      /* A killed transfer waits out its backoff: hurry it. */
      for (unsigned k = 0; k < 24; k++)
        ask (w, op_new ("spool-retry", uuid (id, 100 + k)), NULL, 0, NULL);
      poll (NULL, 0, 50);
    }
  CLEANUP_JSON struct json_object *list = controller_list (w);
  for (unsigned k = 0; k < 24; k++)
    assert_non_null (row_of (list, uuid (id, 100 + k)));
}

static void
test_reload_and_dir (void **state)
{
  struct world *w = *state;
  CLEANUP_FRAME struct frame f = { 0 };
  struct error err = ERROR_INIT;
  char id[40], out[128], url[160], path[256];
  struct json_object *sink = json_object_new_object ();

  /* Nobody listens there. */
  start_writer (w, "{\"url\":\"http://127.0.0.1:1/x\",\"timeout\":\"1s\"}");
  fill (w, uuid (id, 3));
  assert_int_equal (pack (w, id, NULL), 0);
  snprintf (out, sizeof out, "%s/out", w->dir);
  assert_int_equal (mkdir (out, 0700), 0);
  snprintf (url, sizeof url, "dir:%s", out);
  json_add_str (sink, "url", url);
  CLEANUP_JSON struct json_object *head = op_new ("reload", NULL);
  json_object_object_add (head, "sink", sink);
  assert_int_equal (frame_write (w->keeper, head, NULL, 0, NULL, 0,
                                 clock_ms () + WAIT_MS, &err), 0);
  assert_int_equal (await (w, 0, "shipped", id, &f), 0);
  snprintf (path, sizeof path, "%s/%s.tar.zst", out, id);
  assert_int_equal (access (path, R_OK), 0);
}

static void
reload (struct world *w, const char *json)
{
  struct error err = ERROR_INIT;
  CLEANUP_JSON struct json_object *head = op_new ("reload", NULL);

  json_object_object_add (head, "sink", json_tokener_parse (json));
  assert_int_equal (frame_write (w->keeper, head, NULL, 0, NULL, 0,
                                 clock_ms () + WAIT_MS, &err), 0);
}

/* Without the token nothing goes; a reload that brings it mends that at
 * once, not after the hour that a denial is waited out. */
static void
test_denied (void **state)
{
  struct world *w = *state;
  CLEANUP_FRAME struct frame f = { 0 };
  CLEANUP_FRAME struct frame g = { 0 };
  char id[40], token[128], sink[512];
  int fd;

  snprintf (token, sizeof token, "%s/token", w->dir);
  fd = open (token, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  assert_int_equal (write (fd, "sesame\n", 7), 7);
  close (fd);
  start_controller (w, token);
  if (!*w->url)
    skip ();
  sink_of (w, sink);
  start_writer (w, sink);
  fill (w, uuid (id, 1));
  assert_int_equal (pack (w, id, NULL), 0);
  assert_int_equal (await (w, 0, "denied", id, &f), 0);
  snprintf (sink, sizeof sink,
            "{\"url\":\"%s/bundles\",\"token-file\":\"%s\"}", w->url,
            token);
  reload (w, "{\"url\":\"gopher://x\"}"); /* not taken */
  reload (w, sink);
  assert_int_equal (await (w, 0, "shipped", id, &g), 0);
}

/* The daemon was restarted: its successor comes by the keeper. */
static void
test_new_peer (void **state)
{
  struct world *w = *state;
  struct error err = ERROR_INIT;
  CLEANUP_JSON struct json_object *head = op_new ("peer", NULL);
  int pair[2], log[2], fds[2];
  char id[40], *text;

  start_writer (w, NULL);
  console_open (w, 1, "old");
  assert_int_equal (put_incident (w, uuid (id, 1)), 0);
  close (w->daemon);
  assert_int_equal (
      socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  assert_int_equal (pipe2 (log, O_CLOEXEC), 0);
  fds[0] = pair[1], fds[1] = log[0];
  assert_int_equal (frame_write (w->keeper, head, NULL, 0, fds, 2,
                                 clock_ms () + WAIT_MS, &err), 0);
  close (pair[1]), close (log[0]);
  w->daemon = pair[0];
  logpipe_set_fd (w->lp, log[1]);
  assert_int_equal (pack (w, id, NULL), 0);
  /* The same number is another console now. */
  console_open (w, 1, "new");
  logpipe_put (w->lp, 1, "hello\n", 6, 1772359200000);
  logpipe_flush (w->lp);
  text = log_text (w, "new", 6, "raw");
  assert_string_equal (text, "hello\n");
  free (text);
}

static void
test_ping_and_stop (void **state)
{
  struct world *w = *state;
  CLEANUP_FRAME struct frame f = { 0 };
  CLEANUP_FRAME struct frame g = { 0 };
  struct error err = ERROR_INIT;
  CLEANUP_JSON struct json_object *ping = op_new ("ping", NULL);
  CLEANUP_JSON struct json_object *stop = op_new ("stop", NULL);
  int st;

  start_writer (w, NULL);
  json_add_int (ping, "id", 77);
  assert_int_equal (frame_write (w->keeper, ping, NULL, 0, NULL, 0,
                                 clock_ms () + WAIT_MS, &err), 0);
  assert_int_equal (frame_read (w->keeper, &f, clock_ms () + WAIT_MS, &err),
                    0);
  assert_int_equal (json_get_int (f.head, "re", 0), 77);
  assert_int_equal (json_get_int (f.head, "disk_busy_ms", -1), 0);
  assert_int_equal (frame_write (w->keeper, stop, NULL, 0, NULL, 0,
                                 clock_ms () + WAIT_MS, &err), 0);
  assert_int_equal (frame_read (w->keeper, &g, clock_ms () + WAIT_MS, &err),
                    -EPIPE);
  waitpid (w->writer, &st, 0);
  w->writer = 0;
  assert_int_equal (st, 0);
}

static int64_t
busy_ms (struct world *w)
{
  CLEANUP_FRAME struct frame f = { 0 };
  CLEANUP_JSON struct json_object *ping = op_new ("ping", NULL);
  struct error err = ERROR_INIT;

  json_add_int (ping, "id", ++w->last_id);
  assert_int_equal (frame_write (w->keeper, ping, NULL, 0, NULL, 0,
                                 clock_ms () + WAIT_MS, &err), 0);
  assert_int_equal (frame_read (w->keeper, &f, clock_ms () + WAIT_MS, &err),
                    0);
  return json_get_int (f.head, "disk_busy_ms", -1);
}

/* The disk hangs: the keeper is answered, and told; what was asked is
 * answered when the disk comes back. */
static void
test_hung_disk (void **state)
{
  struct world *w = *state;
  char shim[PATH_MAX + 40], hang[128], id[40];
  static const char json[] = "{\"x\":1}";
  CLEANUP_FRAME struct frame f = { 0 };
  uint64_t deadline = clock_ms () + WAIT_MS;

  snprintf (shim, sizeof shim, "%s/tests/lib/hang-shim.so", libexec);
  if (access (shim, R_OK) < 0)
    skip ();
  w->shim = shim;
  snprintf (hang, sizeof hang, "%s/hang", w->dir);
  setenv ("HD_HANG", hang, 1);
  start_writer (w, NULL);
  unsetenv ("HD_HANG");
  assert_int_equal (put_incident (w, uuid (id, 1)), 0);
  close (open (hang, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  int64_t n = send_op (w, op_new ("incident", uuid (id, 2)), json,
                       strlen (json));
  while (busy_ms (w) < 100)
    {
      assert_true (clock_ms () < deadline);
      poll (NULL, 0, 5);
    }
  struct pollfd p = { .fd = w->daemon, .events = POLLIN };
  assert_int_equal (poll (&p, 1, 0), 0);
  assert_int_equal (unlink (hang), 0);
  assert_int_equal (await (w, n, NULL, NULL, &f), 0);
  assert_null (json_get (f.head, "error"));
  while (busy_ms (w) > 50)
    assert_true (clock_ms () < deadline);
}

static void
test_state_files (void **state)
{
  struct world *w = *state;
  CLEANUP_FRAME struct frame f = { 0 };
  struct json_object *o;

  start_writer (w, NULL);
  o = op_new ("state-get", NULL);
  json_add_str (o, "name", "standing.json");
  assert_int_equal (ask (w, o, NULL, 0, NULL), ENOENT);
  o = op_new ("state-put", NULL);
  json_add_str (o, "name", "standing.json");
  assert_int_equal (ask (w, o, "{}x", 3, NULL), 0);
  kill_writer (w, SIGKILL);
  start_writer (w, NULL);
  o = op_new ("state-get", NULL);
  json_add_str (o, "name", "standing.json");
  assert_int_equal (ask (w, o, NULL, 0, &f), 0);
  assert_int_equal (f.body_len, 3);
  o = op_new ("state-put", NULL);
  json_add_str (o, "name", "../x");
  assert_int_equal (ask (w, o, "", 0, NULL), EINVAL);
  assert_int_equal (ask (w, op_new ("no-such", NULL), NULL, 0, NULL), EINVAL);
}

/* ---- console logs ---- */

static void
test_logs (void **state)
{
  struct world *w = *state;
  static const char first[] = "boot\r\n\x1b[31mred\x1b[0m\a\nhalf";
  static const char second[] = " and half\n-- 5 bytes not kept: lies --\n";
  char *text;

  start_writer (w, NULL);
  /* The records come before who they are of. */
  logpipe_put (w->lp, 5, first, strlen (first), 1772359200123);
  logpipe_flush (w->lp);
  poll (NULL, 0, 50);
  console_open (w, 5, "serial0");
  logpipe_put (w->lp, 5, second, strlen (second), 1772359201000);
  logpipe_flush (w->lp);
  text = log_text (w, "serial0", strlen (first) + strlen (second), "raw");
  assert_memory_equal (text, first, strlen (first));
  assert_string_equal (text + strlen (first), second);
  free (text);
  text = log_text (w, "serial0", 0, "clean");
  assert_string_equal (
      text, "2026-03-01T10:00:00.123Z  boot\n"
            "2026-03-01T10:00:00.123Z  \\e[31mred\\e[0m\\x07\n"
            "2026-03-01T10:00:00.123Z  half and half\n"
            "2026-03-01T10:00:01.000Z  -- 5 bytes not kept: lies --\n");
  free (text);
}

static void
test_log_gap_and_long_line (void **state)
{
  struct world *w = *state;
  char *big = malloc (20001), *text;

  memset (big, 'x', 20000);
  big[20000] = '\n';
  start_writer (w, NULL);
  console_open (w, 1, "s");
  logpipe_put (w->lp, 1, big, 20001, 1772359200000);
  logpipe_put (w->lp, 1, "tail", 4, 1772359200000);
  logpipe_flush (w->lp);
  text = log_text (w, "s", 20005, "clean");
  assert_true (strlen (text) < 8500);
  assert_non_null (strstr (text, "xxx [line cut, 20000 bytes in all]\n"));
  free (text);
  /* The daemon's own gap: a writer that stands still leaves the pipe full,
   * however fast the machine is. */
  assert_int_equal (kill (w->writer, SIGSTOP), 0);
  for (unsigned i = 0; i < 200; i++)
    logpipe_put (w->lp, 1, big, 20000, 1772359200000);
  logpipe_flush (w->lp);
  assert_int_equal (kill (w->writer, SIGCONT), 0);
  uint64_t dropped = logpipe_dropped (w->lp);
  assert_true (dropped > 0);
  uint64_t deadline = clock_ms () + WAIT_MS;
  for (uint64_t told = 0; told != dropped;)
    {
      logpipe_flush (w->lp);
      text = log_text (w, "s", 0, "clean");
      told = 0;
      for (const char *p = text; (p = strstr (p, "\n-- ")); p += 4)
        {
          assert_non_null (strstr (p, "bytes not kept: it came faster than "
                                      "it could be written --\n"));
          told += strtoull (p + 4, NULL, 10);
        }
      free (text);
      assert_true (clock_ms () < deadline);
      poll (NULL, 0, 5);
    }
  free (big);
}

/* More consoles than files may be open. */
static void
test_many_consoles (void **state)
{
  struct world *w = *state;
  CLEANUP_FRAME struct frame f = { 0 };
  char name[16], *text;

  w->files = 512; /* of which the logs leave 256 to the rest */
  start_writer (w, NULL);
  for (unsigned round = 0; round < 2; round++)
    for (int i = 0; i < 400; i++)
      {
        snprintf (name, sizeof name, "c%d", i);
        if (round == 0)
          console_open (w, i, name);
        assert_true (logpipe_put (w->lp, (uint32_t) i, name, strlen (name),
                                  1772359200000));
        assert_true (
            logpipe_put (w->lp, (uint32_t) i, "\n", 1, 1772359200000));
        logpipe_flush (w->lp);
      }
  for (int i = 0; i < 400; i += 37)
    {
      char want[64];

      snprintf (name, sizeof name, "c%d", i);
      snprintf (want, sizeof want, "c%d\nc%d\n", i, i);
      text = log_text (w, name, strlen (want), "raw");
      assert_string_equal (text, want);
      free (text);
    }
  int64_t n = send_op (w, op_new ("spool", NULL), NULL, 0);
  assert_int_equal (await (w, n, NULL, NULL, &f), 0);
  struct json_object *logs = json_get (json_get (f.head, "stats"), "logs");

  assert_int_equal (json_get_int (logs, "consoles", 0), 400);
  assert_true (json_get_int (logs, "open_files", 999) <= 256);
}

/* A volume of 2 MiB that fills up, and gets room again. */
static void
test_full_disk (void **state)
{
  struct world *w = *state;
  CLEANUP_FRAME struct frame f = { 0 };
  CLEANUP_FRAME struct frame g = { 0 };
  CLEANUP_FREE char *big = malloc (512u << 10);
  char id[40], path[256], *text;
  CLEANUP_CLOSE int fd = -1;
  ssize_t n;

  memset (big, 'z', 512u << 10);
  assert_int_equal (mkdir (w->state, 0700), 0);
  if (mount ("none", w->state, "tmpfs", 0, "size=2m,mode=0700") < 0)
    skip ();
  start_writer (w, NULL);
  console_open (w, 1, "s");
  fill (w, uuid (id, 1));
  /* Somebody else fills it. */
  snprintf (path, sizeof path, "%s/hog", w->state);
  fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  do
    n = write (fd, big, 4096);
  while (n > 0);
  logpipe_put (w->lp, 1, "lost line\n", 10, 1772359200000);
  logpipe_flush (w->lp);
  assert_int_equal (await (w, 0, "disk", NULL, &f), 0);
  assert_string_equal (json_get_str (f.head, "state"), "full");
  assert_int_equal (put_artifact (w, id, "big", big, 64u << 10), ENOSPC);
  /* An incident is still taken: that is what the ballast is for. */
  assert_int_equal (put_incident (w, uuid (id, 2)), 0);
  assert_int_equal (ftruncate (fd, 0), 0);
  assert_int_equal (await (w, 0, "disk", NULL, &g), 0);
  assert_string_equal (json_get_str (g.head, "state"), "ok");
  /* Not before the pause after a failure is over. */
  uint64_t deadline = clock_ms () + WAIT_MS;
  for (bool there = false; !there;)
    {
      logpipe_put (w->lp, 1, "kept\n", 5, 1772359200000);
      logpipe_flush (w->lp);
      text = log_text (w, "s", 0, "clean");
      there = strstr (text, "bytes not kept: the disk is full --\n")
              && strstr (text, "  kept\n");
      free (text);
      assert_true (clock_ms () < deadline);
      poll (NULL, 0, 20);
    }
  assert_int_equal (pack (w, uuid (id, 1), NULL), 0);
  assert_int_equal (pack (w, uuid (id, 2), NULL), 0);
}

#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_deliver),        T (test_open_survives),
    T (test_exactly_once),   T (test_reload_and_dir),
    T (test_ping_and_stop),  T (test_state_files),
    T (test_logs),           T (test_log_gap_and_long_line),
    T (test_many_consoles),  T (test_full_disk),
    T (test_hung_disk),      T (test_denied),
    T (test_new_peer),
  };

  find_programs ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
