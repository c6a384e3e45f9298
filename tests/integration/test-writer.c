/* SPDX-License-Identifier: Apache-2.0
 *
 * Incidents in the writer: what was accepted arrives at the controller, once,
 * whatever is killed, hangs or is replaced in between.
 */
#include "config.h"

#include "tests/integration/writer-bed.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller-proto/bundle.h"
#include "tests/lib/built.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define WAIT_MS UNTIL_MS

/* Its document is there, in that revision, and came so often in vain. */
static void
list_is (struct bed *w, const char *id, int64_t rev, int64_t repeats)
{
  CLEANUP_JSON struct json_object *list = bed_controller_get (w, "/incidents");
  struct json_object *row = bed_row_of (list, id);

  assert_non_null (row);
  assert_int_equal (json_get_int (row, "rev", 0), rev);
  assert_int_equal (json_get_int (row, "repeats", -1), repeats);
}

static void
test_deliver (void **state)
{
  struct bed *w = *state;
  char id[40], sink[256], digest[65];
  CLEANUP_FRAME struct frame f = { 0 };

  bed_start_controller (w, NULL);
  if (!*w->url)
    skip ();
  bed_sink_of (w, sink);
  bed_start_writer (w, sink);
  bed_fill (w, bed_uuid (id, 1));
  assert_int_equal (bed_pack (w, id, digest), 0);
  assert_int_equal (bed_await (w, 0, "shipped", id, &f), 0);
  CLEANUP_JSON struct json_object *list = bed_controller_list (w);
  struct json_object *row = bed_row_of (list, id);
  assert_non_null (row);
  assert_string_equal (json_get_str (row, "digest"), digest);
  assert_int_equal (json_get_int (row, "repeats", -1), 0);
  /* A repeated request after that changes nothing. */
  assert_int_equal (bed_pack (w, id, digest), 0);
  list_is (w, id, 1, 0);
}

/* The revision of that incident that the sink has acknowledged. */
static void
await_rev (struct bed *w, const char *id, int64_t rev)
{
  for (;;)
    {
      CLEANUP_FRAME struct frame f = { 0 };

      assert_int_equal (bed_await (w, 0, "told", id, &f), 0);
      assert_string_equal (json_get_str (f.head, "sink"), "default");
      if (json_get_int (f.head, "rev", 0) == rev)
        return;
    }
}

/* How it ended comes after its bundle, in the document, which is sent again. */
static void
test_end_is_told (void **state)
{
  struct bed *w = *state;
  char id[40], sink[256], path[80];
  CLEANUP_FRAME struct frame f = { 0 };

  bed_start_controller (w, NULL);
  if (!*w->url)
    skip ();
  bed_sink_of (w, sink);
  bed_start_writer (w, sink);
  assert_int_equal (bed_put_rev (w, bed_uuid (id, 1), 1, "not-ended"), 0);
  /* Before there is a bundle. */
  await_rev (w, id, 1);
  assert_int_equal (bed_pack (w, id, NULL), 0);
  assert_int_equal (bed_await (w, 0, "shipped", id, &f), 0);
  assert_int_equal (bed_put_rev (w, id, 4, "recovered"), 0);
  await_rev (w, id, 4);
  snprintf (path, sizeof path, "/bundles/%s.json", id);
  CLEANUP_JSON struct json_object *doc = bed_controller_get (w, path);
  assert_string_equal (json_get_str (doc, "end"), "recovered");
  assert_int_equal (json_get_int (doc, "rev", 0), 4);
  bed_kill_writer (w, SIGKILL);
  bed_start_writer (w, sink);
  /* An older one, late: nothing happens, and nothing is sent. */
  assert_int_equal (bed_put_rev (w, id, 3, "not-ended"), 0);
  assert_int_equal (bed_put_rev (w, id, 5, "recovered"), 0);
  await_rev (w, id, 5);
  list_is (w, id, 5, 0);
  /* What somebody dropped does not come back by its end. */
  assert_int_equal (bed_ask (w, bed_op_new ("spool-drop", id), NULL, 0, NULL),
                    0);
  assert_int_equal (bed_put_rev (w, id, 6, "recovered"), ENOENT);
}

static void
test_open_survives (void **state)
{
  struct bed *w = *state;
  CLEANUP_FRAME struct frame f = { 0 };
  char id[40], digest[65];

  bed_start_writer (w, NULL);
  bed_fill (w, bed_uuid (id, 7));
  bed_kill_writer (w, SIGKILL);
  bed_start_writer (w, NULL);
  int64_t n = bed_send_op (w, bed_op_new ("incidents", NULL), NULL, 0);
  assert_int_equal (bed_await (w, n, NULL, NULL, &f), 0);
  assert_string_equal (json_get_str (f.head, "incident"), id);
  assert_string_equal (json_get_str (f.head, "place"), "open");
  assert_true (json_get_bool (f.head, "more", false));
  assert_non_null (memmem (f.body, f.body_len, "hangdog/incident/1", 18));
  assert_int_equal (bed_pack (w, id, digest), 0);
}

static bool
all_ended (struct bed *w, unsigned n)
{
  CLEANUP_JSON struct json_object *list = bed_controller_get (w, "/incidents");
  char id[40];

  for (unsigned k = 0; k < n; k++)
    if (json_get_int (bed_row_of (list, bed_uuid (id, 100 + k)), "rev", 0)
        != 9)
      return false;
  return true;
}

/* Killed again and again, at moments that differ. */
static void
test_exactly_once (void **state)
{
  struct bed *w = *state;
  char id[40], sink[256];
  unsigned kills = 0;

  bed_start_controller (w, NULL);
  if (!*w->url)
    skip ();
  bed_sink_of (w, sink);
  bed_start_writer (w, sink);
  for (unsigned i = 0; i < 24; i++)
    {
      struct timespec d = { 0, (long) (i * i * 40000) };
      int r;

      bed_uuid (id, 100 + i);
      bed_fill (w, id);
      if (i % 2)
        r = bed_pack (w, id, NULL);
      else
        r = bed_send_op (w, bed_op_new ("pack", id), NULL, 0) > 0 ? 0 : -1;
      assert_int_equal (r, 0);
      if (i % 3 == 0)
        continue;
      nanosleep (&d, NULL); /* not to wait: to kill at another moment */
      bed_kill_writer (w, SIGKILL);
      bed_start_writer (w, sink);
      kills++;
      /* What the daemon does with what is still open. */
      for (unsigned k = 0; k <= i; k++)
        assert_true (bed_pack (w, bed_uuid (id, 100 + k), NULL) >= 0);
    }
  assert_true (kills > 10);
  /* And how they ended, which is killed at, too. */
  for (unsigned k = 0; k < 24; k++)
    {
      assert_int_equal (
          bed_put_rev (w, bed_uuid (id, 100 + k), 9, "recovered"), 0);
      if (k % 8 != 7)
        continue;
      bed_kill_writer (w, SIGKILL);
      bed_start_writer (w, sink);
    }
  uint64_t deadline = clock_ms () + 60000;
  for (;;)
    {
      CLEANUP_JSON struct json_object *list = bed_controller_list (w);

      if (json_object_array_length (json_get (list, "bundles")) == 24
          && all_ended (w, 24))
        break;
      assert_true (clock_ms () < deadline);
      /* A killed transfer waits out its backoff: hurry it. */
      for (unsigned k = 0; k < 24; k++)
        bed_ask (w, bed_op_new ("spool-retry", bed_uuid (id, 100 + k)), NULL, 0,
                 NULL);
      nap_ms (50);
    }
  CLEANUP_JSON struct json_object *list = bed_controller_list (w);
  for (unsigned k = 0; k < 24; k++)
    assert_non_null (bed_row_of (list, bed_uuid (id, 100 + k)));
}

struct found
{
  struct buf names, stacks;
  bool in_stacks;
};

static bool
on_member (void *arg, const char *name, uint64_t size)
{
  struct found *f = arg;

  buf_printf (&f->names, "%s ", name);
  f->in_stacks = strcmp (name, "stacks.folded") == 0;
  return f->in_stacks;
}

static void
on_data (void *arg, const void *data, size_t len)
{
  struct found *f = arg;

  if (f->in_stacks)
    buf_append (&f->stacks, data, len);
}

static void
on_end (void *arg, bool complete)
{
  assert_true (complete);
}

/* The page, and the stacks as text where anybody told of a task. */
static void
has_page (const char *path, const char *stacks)
{
  static const struct bundle_reader_ops ops
      = { .member = on_member, .data = on_data, .member_end = on_end };
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC);
  struct found f = { BUF_INIT (4096), BUF_INIT (4096), false };

  assert_int_equal (bundle_read (fd, 1u << 30, &ops, &f, NULL), 0);
  assert_non_null (strstr (buf_str (&f.names), "index.html "));
  assert_int_equal (strstr (buf_str (&f.names), "stacks.folded ") != NULL,
                    stacks[0] != '\0');
  assert_int_equal (
      strstr (buf_str (&f.names), "stacks.speedscope.json ") != NULL,
      stacks[0] != '\0');
  assert_string_equal (buf_str (&f.stacks), stacks);
  buf_done (&f.names);
  buf_done (&f.stacks);
}

static void
test_reload_and_dir (void **state)
{
  struct bed *w = *state;
  static const char rows[]
      = "{\"row\":\"stack\",\"id\":\"a\",\"frames\":[\"f_waits\","
        "\"entry\"]}\n{\"row\":\"task\",\"pid\":7,\"comm\":\"c\","
        "\"state\":\"D\",\"stack\":\"a\"}\n";
  CLEANUP_FRAME struct frame f = { 0 };
  CLEANUP_FRAME struct frame g = { 0 };
  char id[40], out[128], sink[160], path[256];

  built_path (w->libexec, "");
  /* Nobody listens there. */
  bed_start_writer (w, "{\"url\":\"http://127.0.0.1:1/x\",\"timeout\":\"1s\"}");
  bed_fill (w, bed_uuid (id, 3));
  assert_int_equal (bed_pack (w, id, NULL), 0);
  snprintf (out, sizeof out, "%s/out", w->tmp.path);
  assert_int_equal (mkdir (out, 0700), 0);
  snprintf (sink, sizeof sink, "{\"url\":\"dir:%s\"}", out);
  bed_reload (w, sink);
  assert_int_equal (bed_await (w, 0, "shipped", id, &f), 0);
  snprintf (path, sizeof path, "%s/%s.tar.zst", out, id);
  assert_int_equal (access (path, R_OK), 0);
  has_page (path, "");
  bed_fill (w, bed_uuid (id, 4));
  assert_int_equal (bed_put_artifact (w, id, "memory/look.jsonl", rows,
                                      sizeof rows - 1), 0);
  assert_int_equal (bed_pack (w, id, NULL), 0);
  assert_int_equal (bed_await (w, 0, "shipped", id, &g), 0);
  snprintf (path, sizeof path, "%s/%s.tar.zst", out, id);
  has_page (path, "D;entry;f_waits 1\n");
}

/* As deep as a guest can make them, and each its own. */
static void
many_stacks (struct buf *rows)
{
  for (unsigned i = 0; i < 500; i++)
    {
      buf_printf (rows, "{\"row\":\"stack\",\"id\":\"%u\",\"frames\":[", i);
      for (unsigned k = 0; k < 32; k++)
        buf_printf (rows, "%s\"f%u_%090u\"", k ? "," : "", i, k);
      buf_printf (rows, "]}\n{\"row\":\"task\",\"pid\":%u,\"comm\":\"c\","
                        "\"state\":\"D\",\"stack\":\"%u\"}\n", i + 2, i);
    }
}

static void
test_page_of_many (void **state)
{
  struct bed *w = *state;
  CLEANUP_BUF struct buf rows = BUF_INIT (4u << 20);
  CLEANUP_FRAME struct frame f = { 0 };
  struct found found = { BUF_INIT (4096), BUF_INIT (4096), false };
  static const struct bundle_reader_ops ops
      = { .member = on_member, .data = on_data, .member_end = on_end };
  char id[40], sink[160], path[256];

  built_path (w->libexec, "");
  snprintf (sink, sizeof sink, "{\"url\":\"dir:%s\"}", w->tmp.path);
  bed_start_writer (w, sink);
  bed_fill (w, bed_uuid (id, 5));
  many_stacks (&rows);
  for (size_t at = 0, n; at < rows.len; at += n)
    {
      struct json_object *o = bed_op_new ("artifact", id);

      n = rows.len - at < (64u << 10) ? rows.len - at : 64u << 10;
      json_add_str (o, "name", "memory/look.jsonl");
      json_add_int (o, "offset", (int64_t) at);
      assert_int_equal (bed_ask (w, o, rows.data + at, n, NULL), 0);
    }
  assert_int_equal (bed_pack (w, id, NULL), 0);
  assert_int_equal (bed_await (w, 0, "shipped", id, &f), 0);
  snprintf (path, sizeof path, "%s/%s.tar.zst", w->tmp.path, id);
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC);
  assert_int_equal (bundle_read (fd, 1u << 30, &ops, &found, NULL), 0);
  assert_non_null (strstr (buf_str (&found.names), "index.html "));
  assert_non_null (strstr (buf_str (&found.names), "stacks.folded "));
  assert_non_null (strstr (buf_str (&found.names), "stacks.speedscope.json "));
  buf_done (&found.names);
  buf_done (&found.stacks);
}

/* The daemon was restarted: its successor comes by the keeper. */
static void
another_daemon (struct bed *w)
{
  struct error err = ERROR_INIT;
  CLEANUP_JSON struct json_object *head = bed_op_new ("peer", NULL);
  int pair[2], log[2], fds[2];

  close (w->daemon);
  bed_forget_words (w);
  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                    0);
  assert_int_equal (pipe2 (log, O_CLOEXEC), 0);
  fds[0] = pair[1], fds[1] = log[0];
  assert_int_equal (frame_write (w->keeper, head, NULL, 0, fds, 2,
                                 clock_ms () + WAIT_MS, &err),
                    0);
  close (pair[1]), close (log[0]);
  w->daemon = pair[0];
  logpipe_set_fd (w->lp, log[1]);
}

/* Without the token nothing goes; a reload that brings it mends that at
 * once, not after the hour that a denial is waited out. */
static void
test_denied (void **state)
{
  struct bed *w = *state;
  CLEANUP_FRAME struct frame f = { 0 };
  CLEANUP_FRAME struct frame g = { 0 };
  CLEANUP_FRAME struct frame again = { 0 };
  CLEANUP_FRAME struct frame over = { 0 };
  char id[40], token[128], sink[512];
  int fd;

  snprintf (token, sizeof token, "%s/token", w->tmp.path);
  fd = open (token, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  assert_int_equal (write (fd, "sesame\n", 7), 7);
  close (fd);
  bed_start_controller (w, token);
  if (!*w->url)
    skip ();
  bed_sink_of (w, sink);
  bed_start_writer (w, sink);
  bed_fill (w, bed_uuid (id, 1));
  assert_int_equal (bed_pack (w, id, NULL), 0);
  assert_int_equal (bed_await (w, 0, "denied", id, &f), 0);
  /* A daemon that comes later is told so, and why. */
  another_daemon (w);
  assert_int_equal (bed_await (w, 0, "denied", id, &again), 0);
  assert_non_null (json_get_str (again.head, "why"));
  snprintf (sink, sizeof sink, "{\"url\":\"%s/bundles\",\"token-file\":\"%s\"}",
            w->url, token);
  bed_reload (w, "{\"url\":\"gopher://x\"}"); /* not taken */
  bed_reload (w, sink);
  assert_int_equal (bed_await (w, 0, "retried", NULL, &over), 0);
  assert_int_equal (bed_await (w, 0, "shipped", id, &g), 0);
}

/* One that denies and one that is not there hold up no other. */
static void
test_several (void **state)
{
  struct bed *w = *state;
  CLEANUP_FRAME struct frame a = { 0 };
  CLEANUP_FRAME struct frame b = { 0 };
  CLEANUP_FRAME struct frame no = { 0 };
  CLEANUP_FRAME struct frame spool = { 0 };
  char id[40], out[160], sinks[900], path[256];
  bool one, two;

#ifndef WITH_CURL
  skip ();
#endif
  snprintf (out, sizeof out, "%s/one", w->tmp.path);
  assert_int_equal (mkdir (out, 0700), 0);
  snprintf (out, sizeof out, "%s/two", w->tmp.path);
  assert_int_equal (mkdir (out, 0700), 0);
  snprintf (sinks, sizeof sinks,
            "[{\"name\":\"away\",\"url\":\"dir:%s/none\"},"
            "{\"name\":\"denies\",\"url\":\"http://127.0.0.1:1/x\","
            "\"token-file\":\"%s/none\"},"
            "{\"name\":\"one\",\"url\":\"dir:%s/one\"},"
            "{\"name\":\"two\",\"url\":\"dir:%s/two\"}]",
            w->tmp.path, w->tmp.path, w->tmp.path, w->tmp.path);
  bed_start_writer (w, sinks);
  bed_fill (w, bed_uuid (id, 1));
  assert_int_equal (bed_pack (w, id, NULL), 0);
  assert_int_equal (bed_await (w, 0, "shipped", id, &a), 0);
  assert_int_equal (bed_await (w, 0, "shipped", id, &b), 0);
  one = strcmp (json_get_str (a.head, "sink"), "one") == 0;
  two = strcmp (json_get_str (a.head, "sink"), "two") == 0;
  assert_true (one || two);
  assert_string_equal (json_get_str (b.head, "sink"), one ? "two" : "one");
  for (unsigned i = 0; i < 4; i++)
    {
      snprintf (path, sizeof path, "%s/%s/%s%s", w->tmp.path,
                i % 2 ? "one" : "two", id, i / 2 ? ".json" : ".tar.zst");
      assert_int_equal (access (path, R_OK), 0);
    }
  assert_int_equal (bed_await (w, 0, "denied", id, &no), 0);
  assert_string_equal (json_get_str (no.head, "sink"), "denies");
  /* It is not done with: two have not had their word. */
  assert_int_equal (bed_ask (w, bed_op_new ("spool", NULL), NULL, 0, &spool),
                    0);
  struct json_object *item = json_get (spool.head, "item");
  assert_string_equal (json_get_str (item, "place"), "ready");
  assert_int_equal (json_object_array_length (json_get (item, "sinks")), 4);
}

static void
test_new_peer (void **state)
{
  struct bed *w = *state;
  char id[40], *text;

  bed_start_writer (w, NULL);
  bed_console_open (w, 1, "old");
  assert_int_equal (bed_put_incident (w, bed_uuid (id, 1)), 0);
  another_daemon (w);
  assert_int_equal (bed_pack (w, id, NULL), 0);
  /* The same number is another console now. */
  bed_console_open (w, 1, "new");
  logpipe_put (w->lp, 1, "hello\n", 6, 1772359200000);
  logpipe_flush (w->lp);
  text = bed_log_text (w, "new", 6, "raw");
  assert_string_equal (text, "hello\n");
  free (text);
}

static int64_t
busy_ms (struct bed *w)
{
  CLEANUP_FRAME struct frame f = { 0 };
  CLEANUP_JSON struct json_object *ping = bed_op_new ("ping", NULL);
  struct error err = ERROR_INIT;

  json_add_int (ping, "id", ++w->last_id);
  assert_int_equal (frame_write (w->keeper, ping, NULL, 0, NULL, 0,
                                 clock_ms () + WAIT_MS, &err),
                    0);
  assert_int_equal (frame_read (w->keeper, &f, clock_ms () + WAIT_MS, &err), 0);
  return json_get_int (f.head, "disk_busy_ms", -1);
}

static void
test_ping_and_stop (void **state)
{
  struct bed *w = *state;
  CLEANUP_FRAME struct frame f = { 0 };
  CLEANUP_FRAME struct frame g = { 0 };
  struct error err = ERROR_INIT;
  CLEANUP_JSON struct json_object *ping = bed_op_new ("ping", NULL);
  CLEANUP_JSON struct json_object *stop = bed_op_new ("stop", NULL);
  int st;

  bed_start_writer (w, NULL);
  /* It has things of its own to do when it begins. */
  UNTIL (busy_ms (w) == 0);
  json_add_int (ping, "id", 77);
  assert_int_equal (frame_write (w->keeper, ping, NULL, 0, NULL, 0,
                                 clock_ms () + WAIT_MS, &err),
                    0);
  assert_int_equal (frame_read (w->keeper, &f, clock_ms () + WAIT_MS, &err), 0);
  assert_int_equal (json_get_int (f.head, "re", 0), 77);
  assert_int_equal (json_get_int (f.head, "disk_busy_ms", -1), 0);
  assert_int_equal (frame_write (w->keeper, stop, NULL, 0, NULL, 0,
                                 clock_ms () + WAIT_MS, &err),
                    0);
  assert_int_equal (frame_read (w->keeper, &g, clock_ms () + WAIT_MS, &err),
                    -EPIPE);
  waitpid (w->writer, &st, 0);
  w->writer = 0;
  assert_int_equal (st, 0);
}

/* The disk hangs: the keeper is answered, and told; what was asked is
 * answered when the disk comes back. */
static void
test_hung_disk (void **state)
{
  struct bed *w = *state;
  char shim[PATH_MAX], hang[128], id[40];
  static const char json[] = "{\"x\":1}";
  CLEANUP_FRAME struct frame f = { 0 };

  built_path (shim, "tests/lib/hang-shim.so");
  if (access (shim, R_OK) < 0)
    skip ();
  w->shim = shim;
  snprintf (hang, sizeof hang, "%s/hang", w->tmp.path);
  setenv ("HD_HANG", hang, 1);
  bed_start_writer (w, NULL);
  unsetenv ("HD_HANG");
  assert_int_equal (bed_put_incident (w, bed_uuid (id, 1)), 0);
  close (open (hang, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  int64_t n = bed_send_op (w, bed_op_new ("incident", bed_uuid (id, 2)), json,
                           strlen (json));
  UNTIL (busy_ms (w) >= 100);
  struct pollfd p = { .fd = w->daemon, .events = POLLIN };
  assert_int_equal (poll (&p, 1, 0), 0);
  assert_int_equal (unlink (hang), 0);
  assert_int_equal (bed_await (w, n, NULL, NULL, &f), 0);
  assert_null (json_get (f.head, "error"));
  UNTIL (busy_ms (w) <= 50);
}

static void
test_state_files (void **state)
{
  struct bed *w = *state;
  CLEANUP_FRAME struct frame f = { 0 };
  struct json_object *o;

  bed_start_writer (w, NULL);
  o = bed_op_new ("state-get", NULL);
  json_add_str (o, "name", "kept.json");
  assert_int_equal (bed_ask (w, o, NULL, 0, NULL), ENOENT);
  o = bed_op_new ("state-put", NULL);
  json_add_str (o, "name", "kept.json");
  assert_int_equal (bed_ask (w, o, "{}x", 3, NULL), 0);
  bed_kill_writer (w, SIGKILL);
  bed_start_writer (w, NULL);
  o = bed_op_new ("state-get", NULL);
  json_add_str (o, "name", "kept.json");
  assert_int_equal (bed_ask (w, o, NULL, 0, &f), 0);
  assert_int_equal (f.body_len, 3);
  o = bed_op_new ("state-put", NULL);
  json_add_str (o, "name", "../x");
  assert_int_equal (bed_ask (w, o, "", 0, NULL), EINVAL);
  assert_int_equal (bed_ask (w, bed_op_new ("no-such", NULL), NULL, 0, NULL),
                    EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown (f, bed_setup, bed_teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_deliver),        T (test_open_survives), T (test_exactly_once),
    T (test_end_is_told),    T (test_several),
    T (test_reload_and_dir), T (test_page_of_many),  T (test_denied),
    T (test_new_peer),
    T (test_ping_and_stop),  T (test_hung_disk),     T (test_state_files),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
