/* SPDX-License-Identifier: Apache-2.0
 *
 * Redaction on the way to a sink: nothing that names somebody gets there, what
 * is on disk stays as it is, whoever is killed in between, and where it cannot
 * be redacted nothing goes.
 */
#include "config.h"

#include "tests/integration/writer-bed.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/store.h"
#include "controller-proto/bundle.h"
#include "tests/lib/built.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

static const char tail[]
    = "systemd[1]: Hostname set to <shop-till-9>.\n"
      "shop-till-9 sshd[1]: Accepted publickey for gretel77 from 10.20.30.42\n"
      "kernel: no route to 10.20.30.40, password=hunter2\n";
/* Its host is told of by the evidence alone: what goes when that is there does
 * not name it. */
static const char document[]
    = "{\"schema\":\"hangdog/incident/1\",\"id\":\"%s\",\"rev\":%u,"
      "\"reason\":\"shop-till-9 sees no 10.20.30.40; gretel77 was there\","
      "\"end\":\"not-ended\"}";
static const char *const names[]
    = { "10.20.30.4", "shop-till-9", "gretel77", "hunter2" };

struct place
{
  struct bed *w;
  char out[160], sink[512];
};

/* ---- what is in them ---- */

struct looking
{
  bool clean;
  unsigned members;
  struct buf text; /* of the present member */
};

static bool
is_clean (const char *text, size_t len)
{
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (memmem (text, len, names[i], strlen (names[i])))
      return false;
  return true;
}

static bool
member (void *arg, const char *name, uint64_t size)
{
  struct looking *l = arg;

  l->members++;
  l->clean &= is_clean (name, strlen (name));
  buf_clear (&l->text);
  return true;
}

static void
data (void *arg, const void *p, size_t len)
{
  buf_append (&((struct looking *) arg)->text, p, len);
}

static void
member_end (void *arg, bool complete)
{
  struct looking *l = arg;

  l->clean &= complete && is_clean (buf_str (&l->text), l->text.len);
}

/* True: nobody is named in any of its members; its digest. */
static bool
bundle_is_clean (const char *path, char digest[65])
{
  static const struct bundle_reader_ops ops
      = { .member = member, .data = data, .member_end = member_end };
  struct looking l = { .clean = true, .text = BUF_INIT (1u << 20) };
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC);
  struct error err = ERROR_INIT;
  uint64_t size;

  assert_true (fd >= 0);
  assert_int_equal (sha256_fd (fd, digest, &size, &err), 0);
  lseek (fd, 0, SEEK_SET);
  assert_int_equal (bundle_read (fd, 1u << 24, &ops, &l, &err), 0);
  buf_done (&l.text);
  assert_true (l.members > 3);
  return l.clean;
}

static struct json_object *
document_at (const char *path)
{
  CLEANUP_FREE char *text = NULL;
  struct error err = ERROR_INIT;
  size_t len;

  if (store_get_file (AT_FDCWD, path, 1u << 20, &text, &len, &err) < 0)
    return NULL;
  assert_true (is_clean (text, len));
  return json_tokener_parse (text);
}

static void
at (const struct place *p, char path[320], const char *id, const char *ext)
{
  snprintf (path, 320, "%s/%s.%s", p->out, id, ext);
}

static const char *
kept (const struct place *p, char path[320], const char *name)
{
  snprintf (path, 320, "%s/spool/%s", p->w->state, name);
  return path;
}

static bool
is_empty (const char *path)
{
  CLEANUP_CLOSEDIR DIR *d = opendir (path);
  unsigned n = 0;

  assert_non_null (d);
  while (readdir (d))
    n++;
  return n == 2;
}

/* ---- the bed ---- */

static void
begin (struct place *p, void **state, const char *redact)
{
  struct bed *w = p->w = *state;

  built_path (w->libexec, "");
  snprintf (p->out, sizeof p->out, "%s/out", w->tmp.path);
  assert_int_equal (mkdir (p->out, 0700), 0);
  snprintf (p->sink, sizeof p->sink, "{\"url\":\"dir:%s\",\"redact\":%s}",
            p->out, redact);
}

static void
put (struct place *p, const char *id, unsigned rev)
{
  char text[400];

  snprintf (text, sizeof text, document, id, rev);
  assert_int_equal (bed_put_text (p->w, id, text), 0);
}

static void
fill (struct place *p, const char *id)
{
  put (p, id, 1);
  assert_int_equal (bed_put_artifact (p->w, id, "console/tail.log", tail,
                                      sizeof tail - 1),
                    0);
  assert_int_equal (bed_put_artifact (p->w, id, "summary.txt", "hung\n", 5), 0);
}

static void
await_rev (struct bed *w, const char *sink, int64_t rev)
{
  for (;;)
    {
      CLEANUP_FRAME struct frame f = { 0 };

      assert_int_equal (bed_await (w, 0, "told", NULL, &f), 0);
      if (json_get_int (f.head, "rev", 0) >= rev
          && strcmp (json_get_str (f.head, "sink"), sink) == 0)
        return;
    }
}

/* ---- tests ---- */

static void
test_folder (void **state)
{
  struct place p;
  char id[40], digest[65], sent[65], path[320];
  CLEANUP_FRAME struct frame f = { 0 };

  begin (&p, state, "true");
  bed_start_writer (p.w, p.sink);
  fill (&p, bed_uuid (id, 1));
  assert_int_equal (bed_pack (p.w, id, digest), 0);
  assert_int_equal (bed_await (p.w, 0, "shipped", id, &f), 0);
  at (&p, path, id, "tar.zst");
  assert_true (bundle_is_clean (path, sent));
  assert_string_not_equal (sent, digest);
  /* The document after that tells of both. */
  put (&p, id, 2);
  await_rev (p.w, "default", 2);
  at (&p, path, id, "json");
  CLEANUP_JSON struct json_object *doc = document_at (path);
  struct json_object *bundle = json_get (doc, "bundle");
  assert_string_equal (json_get_str (doc, "id"), id);
  assert_string_equal (json_get_str (bundle, "sha256"), digest);
  assert_string_equal (json_get_str (json_get (bundle, "redacted"), "sha256"),
                       sent);
  /* What was packed is as it was, and what was made for that is gone. */
  snprintf (path, sizeof path, "%s/spool/blobs/%s.tar.zst", p.w->state, id);
  assert_false (bundle_is_clean (path, sent));
  assert_string_equal (sent, digest);
  snprintf (path, sizeof path, "%s/spool/blobs/%s.default.tar.zst",
            p.w->state, id);
  assert_int_equal (access (path, F_OK), -1);
  assert_true (is_empty (kept (&p, path, "work")));
}

/* A real receiver, over HTTP; another sink gets it all as it is. */
static void
test_controller (void **state)
{
  struct place p;
  char id[40], digest[65], path[320], sinks[700];
  CLEANUP_FRAME struct frame one = { 0 }, two = { 0 };

  begin (&p, state, "false");
  bed_start_controller (p.w, NULL);
  if (!*p.w->url)
    skip ();
  snprintf (sinks, sizeof sinks,
            "[{\"name\":\"away\",\"url\":\"%s/bundles\",\"redact\":\"strict\"},"
            "{\"name\":\"site\",\"url\":\"dir:%s\"}]",
            p.w->url, p.out);
  bed_start_writer (p.w, sinks);
  fill (&p, bed_uuid (id, 2));
  assert_int_equal (bed_pack (p.w, id, digest), 0);
  assert_int_equal (bed_await (p.w, 0, "shipped", id, &one), 0);
  assert_int_equal (bed_await (p.w, 0, "shipped", id, &two), 0);
  CLEANUP_JSON struct json_object *list = bed_controller_list (p.w);
  struct json_object *row = bed_row_of (list, id);
  assert_string_not_equal (json_get_str (row, "digest"), digest);
  put (&p, id, 2);
  await_rev (p.w, "away", 2);
  snprintf (path, sizeof path, "/bundles/%s.json", id);
  CLEANUP_JSON struct json_object *doc = bed_controller_get (p.w, path);
  assert_true (is_clean (json_object_to_json_string (doc),
                         strlen (json_object_to_json_string (doc))));
  assert_string_equal (json_get_str (doc, "id"), id);
  at (&p, path, id, "tar.zst");
  char same[65];
  assert_false (bundle_is_clean (path, same));
  assert_string_equal (same, digest);
}

static void
write_file (const char *path, const char *text)
{
  FILE *f = fopen (path, "we");

  assert_non_null (f);
  fputs (text, f);
  fclose (f);
}

/* Rules that are no good hold all of it back, until they are mended. */
static void
test_bad_rules (void **state)
{
  struct place p;
  char id[40], rules[200], said[220], path[320], sum[65];
  CLEANUP_FRAME struct frame no = { 0 }, f = { 0 };
  const char *why;

  snprintf (rules, sizeof rules, "%s/rules.json",
            ((struct bed *) *state)->tmp.path);
  snprintf (said, sizeof said, "\"%s\"", rules);
  write_file (rules, "{\"schema\":\"hangdog/redact-rules/1\",\n\"nme\":1}");
  begin (&p, state, said);
  bed_start_writer (p.w, p.sink);
  fill (&p, bed_uuid (id, 3));
  assert_int_equal (bed_pack (p.w, id, NULL), 0);
  assert_int_equal (bed_await (p.w, 0, "denied", NULL, &no), 0);
  why = json_get_str (no.head, "why");
  assert_non_null (strstr (why, "rules.json:2:"));
  assert_non_null (strstr (why, "nme"));
  assert_true (is_empty (p.out));
  write_file (rules, "{\"schema\":\"hangdog/redact-rules/1\",\"name\":\"x\","
                     "\"words\":[{\"as\":\"hostname\",\"word\":\"hung\"}]}");
  bed_reload (p.w, p.sink);
  assert_int_equal (bed_await (p.w, 0, "shipped", id, &f), 0);
  at (&p, path, id, "tar.zst");
  assert_true (bundle_is_clean (path, sum));
}

/* Without the programme nothing goes, and nothing is lost. */
static void
test_no_helper (void **state)
{
  struct place p;
  char id[40], path[320], sum[65];
  CLEANUP_FRAME struct frame no = { 0 }, f = { 0 };

  begin (&p, state, "true");
  p.w->libexec[0] = '\0';
  bed_start_writer (p.w, p.sink);
  fill (&p, bed_uuid (id, 4));
  assert_int_equal (bed_pack (p.w, id, NULL), 0);
  assert_int_equal (bed_await (p.w, 0, "denied", NULL, &no), 0);
  assert_true (is_empty (p.out));
  bed_kill_writer (p.w, SIGKILL);
  built_path (p.w->libexec, "");
  bed_start_writer (p.w, p.sink);
  /* What waited for the denial to end does so until it is asked for. */
  assert_int_equal (
      bed_ask (p.w, bed_op_new ("spool-retry", id), NULL, 0, NULL), 0);
  assert_int_equal (bed_await (p.w, 0, "shipped", id, &f), 0);
  at (&p, path, id, "tar.zst");
  assert_true (bundle_is_clean (path, sum));
}

/* Killed while it is made: it is made again, and nothing else ever gets out. */
static void
test_killed (void **state)
{
  struct place p;
  char id[40], path[320], sum[65];
  CLEANUP_FRAME struct frame f = { 0 };
  unsigned most = getenv ("HD_LONG") ? 100 : 12;

  begin (&p, state, "true");
  bed_start_writer (p.w, p.sink);
  fill (&p, bed_uuid (id, 5));
  at (&p, path, id, "tar.zst");
  assert_int_equal (bed_pack (p.w, id, NULL), 0);
  for (unsigned i = 0; i < most; i++)
    {
      nap_ms (i * 7 % 90);
      bed_kill_writer (p.w, SIGKILL);
      if (access (path, F_OK) == 0)
        assert_true (bundle_is_clean (path, sum));
      bed_start_writer (p.w, p.sink);
    }
  /* Refused when it got there in between, and that was noted. */
  if (bed_ask (p.w, bed_op_new ("spool-retry", id), NULL, 0, NULL) == 0)
    assert_int_equal (bed_await (p.w, 0, "shipped", id, &f), 0);
  assert_true (bundle_is_clean (path, sum));
  assert_true (is_empty (kept (&p, path, "work")));
  assert_true (is_empty (kept (&p, path, "bad")));
  snprintf (path, sizeof path, "%s/spool/blobs/%s.default.tar.zst",
            p.w->state, id);
  /* One that was sent before the last of them is told of by nobody. */
  for (unsigned i = 0; i < 100 && access (path, F_OK) == 0; i++)
    nap_ms (50);
  assert_int_equal (access (path, F_OK), -1);
}

/* ---- what a guest says, to be kept from being heard of ---- */

#define BEGIN "-----BEGIN PRIVATE KEY-----"
static const char hostile[]
    = "{\"schema\":\"hangdog/incident/1\",\"id\":\"%s\",\"rev\":%u,"
      "\"verdict\":{\"class\":\"panic\",\"sentence\":\"it says " BEGIN
      " x\",\"culprit\":\"" BEGIN "\",\"password\":12345,\"next\":\"y\"},"
      "\"reason\":\"gretel77 sees no 10.20.30.40\",\"end\":\"not-ended\"}";

static const char called[] = "Hostname set to <panic>\n/home/verdict/\n"
                             "Hostname set to <not-ended>\n";

static void
put_hostile (struct place *p, const char *id, unsigned rev)
{
  char text[600];

  snprintf (text, sizeof text, hostile, id, rev);
  assert_int_equal (bed_put_text (p->w, id, text), 0);
}

/* It goes, in all of its places, and the rest of it says what it said. */
static void
test_no_end (void **state)
{
  struct place p;
  char id[40], path[320], sum[65];
  CLEANUP_FRAME struct frame f = { 0 };
  struct json_object *verdict, *pack;

  begin (&p, state, "true");
  bed_start_writer (p.w, p.sink);
  fill (&p, bed_uuid (id, 6));
  assert_int_equal (bed_put_artifact (p.w, id, "console/name.log", called,
                                      sizeof called - 1),
                    0);
  put_hostile (&p, id, 2);
  pack = bed_op_new ("pack", id);
  json_object_object_add (
      pack, "head",
      json_tokener_parse ("{\"facts\":[{\"name\":\"a\",\"value\":\"" BEGIN
                          "\"}],\"verdict\":{\"sentence\":\"" BEGIN
                          "\"},\"token\":123456}"));
  assert_int_equal (bed_ask (p.w, pack, NULL, 0, NULL), 0);
  assert_int_equal (bed_await (p.w, 0, "shipped", id, &f), 0);
  at (&p, path, id, "tar.zst");
  assert_true (bundle_is_clean (path, sum));
  at (&p, path, id, "json");
  CLEANUP_JSON struct json_object *doc = document_at (path);
  verdict = json_get (doc, "verdict");
  assert_string_equal (json_get_str (verdict, "sentence"),
                       "it says " BEGIN "[redacted]");
  assert_string_equal (json_get_str (verdict, "culprit"), BEGIN "[redacted]");
  assert_string_equal (json_get_str (verdict, "password"), "[redacted]");
  assert_string_equal (json_get_str (verdict, "class"), "panic");
  assert_string_equal (json_get_str (verdict, "next"), "y");
  assert_string_equal (json_get_str (doc, "end"), "not-ended");
}

/* More names than there is place for: those of the host are known all the same,
 * and where nothing is to get out by chance, little does. */
static void
flood (void **state, const char *redact, bool strict, unsigned n)
{
  static const char host[]
      = "/home/gretel77/x\nHostname set to <shop-till-9>.\n";
  struct place p;
  char id[40], path[320], sum[65];
  CLEANUP_FRAME struct frame f = { 0 };
  CLEANUP_BUF struct buf made = BUF_INIT (1u << 20);

  begin (&p, state, redact);
  bed_start_writer (p.w, p.sink);
  bed_uuid (id, n);
  for (unsigned i = 0; i < 1100; i++)
    {
      char text[32];

      snprintf (text, sizeof text, "/home/made%u/\n", i);
      buf_puts (&made, text);
    }
  assert_int_equal (bed_put_incident (p.w, id), 0);
  assert_int_equal (bed_put_artifact (p.w, id, "console/tail.log",
                                      buf_str (&made), made.len),
                    0);
  assert_int_equal (bed_put_artifact (p.w, id, "host/journal.log", host,
                                      sizeof host - 1),
                    0);
  put (&p, id, 5);
  await_rev (p.w, "default", 5);
  at (&p, path, id, "json");
  CLEANUP_JSON struct json_object *doc = document_at (path);
  assert_string_equal (json_get_str (doc, "id"), id);
  assert_int_equal (json_get_int (doc, "rev", 0), 5);
  if (strict)
    assert_string_equal (json_get_str (doc, "redaction"), "failed");
  else
    assert_non_null (strstr (json_get_str (doc, "reason"), " sees no "));
  assert_int_equal (bed_pack (p.w, id, NULL), 0);
  assert_int_equal (bed_await (p.w, 0, "shipped", id, &f), 0);
  at (&p, path, id, "tar.zst");
  assert_true (bundle_is_clean (path, sum));
}

static void
test_flood (void **state)
{
  flood (state, "true", false, 7);
}

static void
test_flood_strict (void **state)
{
  flood (state, "\"strict\"", true, 8);
}

/* ---- a host that lacks something for a moment ---- */

static int
teardown_full (void **state)
{
  struct place p = { .w = *state };
  char path[320];

  bed_kill_writer (p.w, SIGKILL);
  umount2 (kept (&p, path, "work"), MNT_DETACH);
  return bed_teardown (state);
}

/* When the document is tried again. */
static uint64_t
next_of (const char *text)
{
  CLEANUP_JSON struct json_object *o = json_tokener_parse (text);
  struct json_object *sinks = json_get (json_get (o, "spool"), "sinks");

  return (uint64_t) json_get_int (
      json_get (json_get (sinks, "default"), "document"), "next_ms", 0);
}

/* Until what is kept of it says that; it is neither parked nor denied, which
 * is for an hour. */
static void
await_why (struct place *p, const char *id, const char *why)
{
  uint64_t deadline = clock_ms () + UNTIL_MS;
  char name[64], path[320];

  snprintf (name, sizeof name, "incidents/%s.json", id);
  kept (p, path, name);
  for (;;)
    {
      CLEANUP_FREE char *text = NULL;
      size_t len;

      assert_true (clock_ms () < deadline);
      if (store_get_file (AT_FDCWD, path, 1u << 20, &text, &len, NULL) == 0)
        {
          assert_null (strstr (text, "\"refused\""));
          assert_true (next_of (text) < clock_wall_ms () + 30 * 60000);
          if (strstr (text, why))
            return;
        }
      nap_ms (20);
    }
}

/* What is unpacked has room, and what comes of it has not. */
static void
test_full_disk (void **state)
{
  struct place p;
  char id[40], path[320], sum[65];
  char big[60000];
  CLEANUP_FRAME struct frame f = { 0 };

  begin (&p, state, "true");
  bed_start_writer (p.w, p.sink);
  fill (&p, bed_uuid (id, 9));
  await_rev (p.w, "default", 1);
  bed_kill_writer (p.w, SIGKILL);
  kept (&p, path, "work");
  if (mount ("none", path, "tmpfs", 0, "size=800k,mode=0700") < 0)
    skip ();
  bed_start_writer (p.w, p.sink);
  memset (big, 'x', sizeof big);
  for (unsigned i = 99; i < sizeof big; i += 100)
    big[i] = '\n';
  for (unsigned i = 0; i < 8; i++)
    {
      char name[32];

      snprintf (name, sizeof name, "host/big%u", i);
      assert_int_equal (bed_put_artifact (p.w, id, name, big, sizeof big), 0);
    }
  assert_int_equal (bed_pack (p.w, id, NULL), 0);
  await_why (&p, id, "No space left");
  bed_kill_writer (p.w, SIGKILL);
  umount2 (path, MNT_DETACH);
  bed_start_writer (p.w, p.sink);
  bed_ask (p.w, bed_op_new ("spool-retry", id), NULL, 0, NULL);
  assert_int_equal (bed_await (p.w, 0, "shipped", id, &f), 0);
  at (&p, path, id, "tar.zst");
  assert_true (bundle_is_clean (path, sum));
}

/* One that ends before it has said a word. */
static void
test_starved (void **state)
{
  static const char *const others[]
      = { "hangdog-parser", "hangdog-parser-foreign", "hangdog-report" };
  struct place p;
  char id[40], path[320], sum[65], real[PATH_MAX], dir[160];
  CLEANUP_FRAME struct frame f = { 0 };

  begin (&p, state, "true");
  snprintf (dir, sizeof dir, "%s/libexec", p.w->tmp.path);
  assert_int_equal (mkdir (dir, 0700), 0);
  for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
    {
      built_path (real, others[i]);
      snprintf (path, sizeof path, "%s/%s", dir, others[i]);
      assert_int_equal (symlink (real, path), 0);
    }
  snprintf (path, sizeof path, "%s/hangdog-redact", dir);
  write_file (path, "#!/bin/sh\nexit 1\n");
  chmod (path, 0700);
  snprintf (p.w->libexec, sizeof p.w->libexec, "%s", dir);
  bed_start_writer (p.w, p.sink);
  fill (&p, bed_uuid (id, 10));
  assert_int_equal (bed_pack (p.w, id, NULL), 0);
  await_why (&p, id, "nothing goes there unredacted");
  assert_true (is_empty (p.out));
  assert_int_equal (unlink (path), 0);
  built_path (real, "hangdog-redact");
  assert_int_equal (symlink (real, path), 0);
  assert_int_equal (
      bed_ask (p.w, bed_op_new ("spool-retry", id), NULL, 0, NULL), 0);
  assert_int_equal (bed_await (p.w, 0, "shipped", id, &f), 0);
  at (&p, path, id, "tar.zst");
  assert_true (bundle_is_clean (path, sum));
}

int
main (void)
{
#define T(fn) cmocka_unit_test_setup_teardown (fn, bed_setup, bed_teardown)
  const struct CMUnitTest tests[] = {
    T (test_folder),    T (test_controller), T (test_bad_rules),
    T (test_no_helper), T (test_killed),     T (test_no_end),
    T (test_flood),     T (test_flood_strict), T (test_starved),
    cmocka_unit_test_setup_teardown (test_full_disk, bed_setup,
                                     teardown_full),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
