/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the writer share.
 */
#include "config.h"

#include "tests/integration/writer-bed.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "tests/lib/built.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define WAIT_MS UNTIL_MS

/* ---- processes ---- */

void
bed_start_controller (struct bed *w, const char *token_file)
{
  char path[PATH_MAX], data[128], line[128] = "";
  int out[2];
  size_t len = 0;

  built_path (path, "hangdog-controller");
  snprintf (data, sizeof data, "%s/controller", w->tmp.path);
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

const char *
bed_config_of (const char *sink, char dst[BED_CONFIG])
{
  snprintf (dst, BED_CONFIG,
            "{\"sink%s\":%s,\"limits\":{\"spool-free-floor\":\"1KiB\"}}",
            sink && sink[0] == '[' ? "s" : "", sink ? sink : "{}");
  return dst;
}

void
bed_start_writer (struct bed *w, const char *sink)
{
  char path[PATH_MAX], config[BED_CONFIG];
  int keeper[2], daemon[2], log[2];
  struct error err = ERROR_INIT;

  built_path (path, "hangdog-writer");
  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, keeper),
                    0);
  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, daemon),
                    0);
  assert_int_equal (pipe2 (log, O_CLOEXEC), 0);
  if ((w->writer = fork ()) == 0)
    {
      /* Out of the way first, as any of them may be 3 to 5 now. */
      int a = fcntl (keeper[1], F_DUPFD, 20),
          b = fcntl (daemon[1], F_DUPFD, 20), c = fcntl (log[0], F_DUPFD, 20);

      dup2 (a, 3), dup2 (b, 4), dup2 (c, 5);
      close (a), close (b), close (c);
      if (!getenv ("HD_TEST_LOUD"))
        dup2 (open ("/dev/null", O_WRONLY), 2);
      if (w->shim)
        setenv ("LD_PRELOAD", w->shim, 1);
      if (w->files)
        setrlimit (RLIMIT_NOFILE, &(struct rlimit){ w->files, w->files });
      execl (path, path, "--state", w->state, "--config",
             bed_config_of (sink, config), *w->libexec ? "--libexec" : NULL,
             w->libexec, (char *) NULL);
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
bed_end_process (pid_t *pid, int sig)
{
  int st = 0;

  if (*pid <= 0)
    return 0;
  kill (*pid, sig);
  waitpid (*pid, &st, 0);
  *pid = 0;
  return st;
}

int
bed_kill_writer (struct bed *w, int sig)
{
  int st = bed_end_process (&w->writer, sig);

  if (w->keeper >= 0)
    close (w->keeper), close (w->daemon);
  w->keeper = w->daemon = -1;
  bed_forget_words (w);
  return st;
}

void
bed_sink_of (struct bed *w, char dst[256])
{
  snprintf (dst, 256, "{\"url\":\"%s/bundles\",\"timeout\":\"30s\"}", w->url);
}

int
bed_setup (void **state)
{
  struct bed *w = calloc (1, sizeof *w);

  signal (SIGPIPE, SIG_IGN);
  /* A proxy of whoever runs this is not for loopback. */
  setenv ("no_proxy", "*", 1);
  setenv ("NO_PROXY", "*", 1);
  w->keeper = w->daemon = -1;
  if (tmpdir_make (&w->tmp) < 0)
    return -1;
  snprintf (w->state, sizeof w->state, "%s/state", w->tmp.path);
  *state = w;
  return 0;
}

int
bed_teardown (void **state)
{
  struct bed *w = *state;

  bed_kill_writer (w, SIGKILL);
  bed_end_process (&w->controller, SIGTERM);
  logpipe_free (w->lp);
  umount2 (w->state, MNT_DETACH);
  tmpdir_done (&w->tmp);
  free (w);
  return 0;
}

/* ---- talking ---- */

void
bed_reload (struct bed *w, const char *sink)
{
  struct error err = ERROR_INIT;
  CLEANUP_JSON struct json_object *head = bed_op_new ("reload", NULL);
  char text[BED_CONFIG];

  bed_config_of (sink, text);
  assert_int_equal (frame_write (w->keeper, head, text, strlen (text), NULL, 0,
                                 clock_ms () + WAIT_MS, &err),
                    0);
}

struct json_object *
bed_op_new (const char *op, const char *incident)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "op", op);
  if (incident)
    json_add_str (o, "incident", incident);
  return o;
}

static bool
is_word (const struct frame *f, const char *event, const char *incident)
{
  const char *op = json_get_str (f->head, "op");
  const char *of = json_get_str (f->head, "incident");

  return op && strcmp (op, event) == 0
         && (!incident || (of && strcmp (of, incident) == 0));
}

static bool
take_word (struct bed *w, const char *event, const char *incident,
           struct frame *ret)
{
  for (unsigned i = 0; i < w->nwords; i++)
    if (is_word (&w->words[i], event, incident))
      {
        *ret = w->words[i];
        memmove (&w->words[i], &w->words[i + 1],
                 (--w->nwords - i) * sizeof w->words[0]);
        return true;
      }
  return false;
}

static void
keep_word (struct bed *w, struct frame *f)
{
  if (w->nwords == BED_WORDS)
    {
      frame_done (&w->words[0]);
      memmove (&w->words[0], &w->words[1],
               --w->nwords * sizeof w->words[0]);
    }
  w->words[w->nwords++] = *f;
}

void
bed_forget_words (struct bed *w)
{
  while (w->nwords > 0)
    frame_done (&w->words[--w->nwords]);
}

int
bed_await (struct bed *w, int64_t id, const char *event, const char *incident,
           struct frame *ret)
{
  uint64_t deadline = clock_ms () + WAIT_MS;
  struct error err = ERROR_INIT;

  if (!id && take_word (w, event, incident, ret))
    return 0;
  for (;;)
    {
      struct frame f = { 0 };
      int r = frame_read (w->daemon, &f, deadline, &err);

      if (r < 0)
        return r;
      if (id ? json_get_int (f.head, "re", 0) == id
             : is_word (&f, event, incident))
        {
          *ret = f;
          return 0;
        }
      if (json_get_str (f.head, "op"))
        keep_word (w, &f);
      else
        frame_done (&f);
    }
}

int64_t
bed_send_op (struct bed *w, struct json_object *head, const void *body,
             size_t len)
{
  struct error err = ERROR_INIT;

  json_add_int (head, "id", ++w->last_id);
  int r = frame_write (w->daemon, head, body, len, NULL, 0,
                       clock_ms () + WAIT_MS, &err);
  json_object_put (head);
  return r < 0 ? r : w->last_id;
}

int
bed_ask (struct bed *w, struct json_object *head, const void *body, size_t len,
         struct frame *ret)
{
  struct frame f = { 0 };
  int64_t id = bed_send_op (w, head, body, len);
  int r = id < 0 ? (int) id : bed_await (w, id, NULL, NULL, &f);

  if (r < 0)
    return r;
  if (json_get (f.head, "error"))
    {
      const char *code = json_get_str (json_get (f.head, "error"), "code");

      r = code && strcmp (code, "ENOSPC") == 0   ? ENOSPC
          : code && strcmp (code, "ENOENT") == 0 ? ENOENT
                                                 : EINVAL;
    }
  if (ret && r == 0)
    *ret = f;
  else
    frame_done (&f);
  return r;
}

char *
bed_uuid (char dst[40], unsigned n)
{
  snprintf (dst, 40, "%08x-0000-4000-8000-000000000000", n);
  return dst;
}

int
bed_put_incident (struct bed *w, const char *id)
{
  char json[128];

  snprintf (json, sizeof json,
            "{\"schema\":\"hangdog/incident/1\","
            "\"id\":\"%s\"}",
            id);
  return bed_put_text (w, id, json);
}

int
bed_put_text (struct bed *w, const char *id, const char *json)
{
  return bed_ask (w, bed_op_new ("incident", id), json, strlen (json), NULL);
}

int
bed_put_rev (struct bed *w, const char *id, unsigned rev, const char *end)
{
  struct json_object *o = bed_op_new ("incident", id);
  char json[160];

  snprintf (json, sizeof json,
            "{\"schema\":\"hangdog/incident/1\",\"id\":\"%s\","
            "\"rev\":%u,\"end\":\"%s\"}",
            id, rev, end);
  json_add_bool (o, "update", strcmp (end, "not-ended") != 0);
  return bed_ask (w, o, json, strlen (json), NULL);
}

int
bed_put_artifact (struct bed *w, const char *id, const char *name,
                  const void *data, size_t len)
{
  struct json_object *o = bed_op_new ("artifact", id);

  json_add_str (o, "name", name);
  json_add_int (o, "offset", 0);
  return bed_ask (w, o, data, len, NULL);
}

int
bed_pack (struct bed *w, const char *id, char digest[65])
{
  CLEANUP_FRAME struct frame f = { 0 };
  struct json_object *o = bed_op_new ("pack", id);

  json_object_object_add (o, "head", json_tokener_parse ("{\"x\":1}"));
  int r = bed_ask (w, o, NULL, 0, &f);
  if (r == 0 && digest)
    snprintf (digest, 65, "%s", json_get_str (f.head, "digest"));
  return r;
}

void
bed_fill (struct bed *w, const char *id)
{
  char text[3000];

  memset (text, 'a', sizeof text);
  assert_int_equal (bed_put_incident (w, id), 0);
  assert_int_equal (
      bed_put_artifact (w, id, "console/raw.log", text, sizeof text), 0);
  assert_int_equal (bed_put_artifact (w, id, "summary.txt", "hung\n", 5), 0);
}

struct json_object *
bed_controller_get (struct bed *w, const char *what)
{
  struct buf b CLEANUP_BUF = BUF_INIT (4u << 20);
  struct sockaddr_in a = { .sin_family = AF_INET };
  CLEANUP_CLOSE int s = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char req[256], chunk[4096];
  ssize_t n;

  a.sin_port = htons ((uint16_t) atoi (strrchr (w->url, ':') + 1));
  a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  assert_int_equal (connect (s, (struct sockaddr *) &a, sizeof a), 0);
  snprintf (req, sizeof req,
            "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", what);
  assert_int_equal (write (s, req, strlen (req)), (ssize_t) strlen (req));
  while ((n = read (s, chunk, sizeof chunk)) > 0)
    buf_append (&b, chunk, (size_t) n);
  const char *body = strstr (buf_str (&b), "\r\n\r\n");
  assert_non_null (body);
  return json_tokener_parse (body + 4);
}

struct json_object *
bed_controller_list (struct bed *w)
{
  return bed_controller_get (w, "/bundles");
}

struct json_object *
bed_row_of (struct json_object *list, const char *id)
{
  struct json_object *rows = json_get (list, "bundles");
  struct json_object *found = NULL;

  if (!rows)
    rows = json_get (list, "incidents");

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

void
bed_console_open (struct bed *w, int id, const char *name)
{
  struct error err = ERROR_INIT;
  CLEANUP_JSON struct json_object *o = bed_op_new ("console-open", NULL);

  json_add_int (o, "id", id);
  json_add_str (o, "uuid", "11111111-2222-3333-4444-555555555555");
  json_add_str (o, "name", name);
  assert_int_equal (
      frame_write (w->daemon, o, NULL, 0, NULL, 0, clock_ms () + WAIT_MS, &err),
      0);
}

char *
bed_log_text (struct bed *w, const char *name, uint64_t bytes,
              const char *which)
{
  uint64_t deadline = clock_ms () + WAIT_MS;

  for (;;)
    {
      CLEANUP_FRAME struct frame f = { 0 };
      struct json_object *o = bed_op_new ("logs", NULL);

      json_add_str (o, "uuid", "11111111-2222-3333-4444-555555555555");
      json_add_str (o, "name", name);
      if (bed_ask (w, o, NULL, 0, &f) == 0
          && (uint64_t) (json_get_int (f.head, "bytes", 0)
                         + json_get_int (f.head, "gaps", 0))
                 >= bytes)
        {
          CLEANUP_CLOSE int fd
              = open (json_get_str (f.head, which), O_RDONLY | O_CLOEXEC);
          char *text = calloc (1, 1u << 20);

          assert_true (fd >= 0 && read (fd, text, (1u << 20) - 1) >= 0);
          return text;
        }
      assert_true (clock_ms () < deadline);
      nap_ms (5);
    }
}
