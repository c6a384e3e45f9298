/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifest of a bundle that is packed from what a diagnosis left: it is as
 * its published schema says, and says in few words what stands elsewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "controller-proto/bundle_impl.h"
#include "tests/lib/schema-check.h"
#include "tests/lib/tmpdir.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place
{
  struct tmpdir tmp;
  int work;
  struct json_object *head, *manifest, *schema;
};

static struct json_object *
load (const char *path)
{
  const char *src = getenv ("srcdir");
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  char full[4096];

  snprintf (full, sizeof full, "%s/%s", src ? src : ".", path);
  if (json_load (full, JSON_WIRE, 1u << 20, &doc, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return json_object_get (json_root (doc));
}

static bool
on_member (void *arg, const char *name, uint64_t size)
{
  return strcmp (name, "manifest.json") == 0;
}

static void
on_data (void *arg, const void *data, size_t len)
{
  buf_append (arg, data, len);
}

static void
on_end (void *arg, bool complete)
{
}

static struct json_object *
pack (struct place *p, struct json_object *head)
{
  static const struct bundle_reader_ops ops
      = { .member = on_member, .data = on_data, .member_end = on_end };
  static const char *const order[] = { "incident.json", NULL };
  struct buf text CLEANUP_BUF = BUF_INIT (1u << 20);
  struct error err = ERROR_INIT;
  char digest[65];
  uint64_t size;

  if (bundle_pack (p->work, p->tmp.fd, "b.tar.zst", head, order, digest,
                   &size, &err)
      < 0)
    fail_msg ("%s", error_text (&err));
  CLEANUP_CLOSE int fd = openat (p->tmp.fd, "b.tar.zst", O_RDONLY | O_CLOEXEC);
  assert_int_equal (bundle_read (fd, 1u << 30, &ops, &text, &err), 0);
  return json_tokener_parse (buf_str (&text));
}

static int
setup (void **state)
{
  struct place *p = calloc (1, sizeof *p);

  if (tmpdir_make (&p->tmp) < 0)
    return -1;
  mkdirat (p->tmp.fd, "work", 0700);
  mkdirat (p->tmp.fd, "work/host", 0700);
  mkdirat (p->tmp.fd, "work/console", 0700);
  mkdirat (p->tmp.fd, "work/odd", 0700);
  p->work = openat (p->tmp.fd, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  tmpdir_put (p->work, "host/meminfo", "a\nb\nc\n", 6);
  tmpdir_put (p->work, "console/tail.raw", "x\n", 2);
  tmpdir_put (p->work, "incident.json", "{}", 2);
  tmpdir_put (p->work, "odd/thing.png", "x", 1);
  /* Longer than a member may be; a hole takes no disk. */
  int fd = openat (p->work, "host/long", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate (fd, BUNDLE_MAX_MEMBER + 5) < 0)
    return -1;
  close (fd);
  p->head = load ("tests/unit/controller-proto/head.json");
  p->schema = load ("docs/schema/bundle-1.json");
  *state = p;
  return 0;
}

static int
teardown (void **state)
{
  struct place *p = *state;

  json_object_put (p->head);
  json_object_put (p->schema);
  json_object_put (p->manifest);
  close (p->work);
  tmpdir_done (&p->tmp);
  free (p);
  return 0;
}

static void
assert_schema (struct place *p)
{
  char why[SCHEMA_PLACE] = "";

  if (!schema_ok (p->schema, p->manifest, "", why))
    fail_msg ("%s", why);
}

static const char *
str (struct json_object *o, const char *a, const char *b)
{
  const char *s = json_get_str (a ? json_get (o, a) : o, b);

  return s ? s : "";
}

static struct json_object *
named (struct json_object *m, const char *list, const char *key,
       const char *name)
{
  struct json_object *all = json_get (m, list);

  for (size_t i = 0; i < json_object_array_length (all); i++)
    {
      struct json_object *o = json_object_array_get_idx (all, i);

      if (strcmp (str (o, NULL, key), name) == 0)
        return o;
    }
  fail_msg ("no %s", name);
  return NULL;
}

static void
test_schema (void **state)
{
  struct place *p = *state;

  p->manifest = pack (p, p->head);
  assert_schema (p);
}

/* Who packs without a word of an incident packs a good bundle all the same. */
static void
test_no_head (void **state)
{
  struct place *p = *state;

  p->manifest = pack (p, NULL);
  assert_schema (p);
  assert_null (json_get (p->manifest, "verdict"));
  assert_null (json_get (p->manifest, "vm"));
}

/* One that is packed again may be on another host, and later. */
static void
test_again (void **state)
{
  struct place *p = *state;

  json_object_object_add (p->head, "source", json_object_new_object ());
  p->manifest = pack (p, p->head);
  assert_schema (p);
  assert_null (json_get (p->manifest, "host"));
  assert_null (json_get (p->manifest, "clock"));
  assert_null (json_get (json_get (p->manifest, "times"), "finished"));
}

static void
test_words (void **state)
{
  struct place *p = *state;
  struct json_object *m = p->manifest = pack (p, p->head);

  assert_string_equal (str (m, "trigger", "kind"), "console");
  assert_string_equal (str (m, "verdict", "class"), "filesystem-error");
  assert_string_equal (str (m, "vm", "kernel"), "6.1.0-13-amd64");
  assert_int_equal (json_get_int (json_get (m, "vm"), "vcpus", 0), 2);
  assert_int_equal (json_get_int (json_get (m, "analysis"), "pass", 0), 1);
  assert_int_equal (json_get_int (json_get (m, "analysis"), "fail", 0), 1);
  assert_string_equal (str (m, "redaction", "mode"), "none");
  assert_string_equal (str (m, "times", "detected"),
                       str (m, "incident", "opened"));
  assert_string_equal (str (m, "vm", "cpu"), "host");
  assert_string_equal (
      json_get_str (json_get (json_get (m, "vm"), "qemu"), "accel"), "kvm");
  assert_true (str (m, "host", "kernel")[0]);
  assert_true (str (m, "host", "cpu")[0]);
  assert_int_equal (json_get_int (json_get (m, "host"), "cpus", 0),
                    sysconf (_SC_NPROCESSORS_ONLN));
  assert_true (json_get_int (json_get (m, "host"), "mem_bytes", 0) > 1 << 20);
  assert_true (json_get_int (json_get (m, "clock"), "monotonic_ms", 0) > 0);
  assert_int_equal (strlen (str (m, "trigger", "config_sha256")), 64);
  assert_int_equal (strlen (str (m, "analysis", "ruleset_sha256")), 64);
  assert_int_equal (json_get_int (json_get (m, "limits"), "budget_ms", 0),
                    15000);
  assert_string_equal (str (m, "times", "started"), "2026-11-21T12:27:05.007Z");
  assert_string_equal (str (named (m, "attachments", "name", "f5c71bef.core"),
                            NULL, "send"), "never");
  /* It stands where a stranger looks for it, and only there. */
  assert_null (json_get (m, "terms"));
}

static void
test_collectors (void **state)
{
  struct place *p = *state;
  struct json_object *m = p->manifest = pack (p, p->head);

  assert_string_equal (str (named (m, "collectors", "name", "disk"), NULL,
                            "status"), "ok");
  /* It has a gap. */
  assert_string_equal (str (named (m, "collectors", "name", "host"), NULL,
                            "status"), "partial");
  assert_string_equal (str (named (m, "collectors", "name", "net"), NULL,
                            "status"), "timeout");
  assert_string_equal (str (named (m, "collectors", "name", "inside"), NULL,
                            "status"), "skipped");
}

static void
test_files (void **state)
{
  struct place *p = *state;
  struct json_object *m = p->manifest = pack (p, p->head), *f;

  f = named (m, "files", "path", "host/meminfo");
  assert_int_equal (json_get_int (f, "lines", -1), 3);
  assert_string_equal (str (f, NULL, "collector"), "host");
  assert_string_equal (str (f, NULL, "sensitivity"), "internal");
  assert_string_equal (str (f, NULL, "media_type"), "text/plain");
  assert_int_equal (json_get_int (json_get (f, "truncated"), "orig_bytes", 0),
                    900);
  f = named (m, "files", "path", "console/tail.raw");
  assert_string_equal (str (f, NULL, "sensitivity"), "secret");
  /* What nobody has said anything of. */
  f = named (m, "files", "path", "odd/thing.png");
  assert_string_equal (str (f, NULL, "sensitivity"), "secret");
  assert_string_equal (str (f, NULL, "media_type"), "image/png");
  f = named (m, "files", "path", "host/long");
  assert_int_equal (json_get_int (json_get (f, "truncated"), "orig_bytes", 0),
                    BUNDLE_MAX_MEMBER + 5);
  /* Both of those that hit a limit are named. */
  f = json_get (json_get (m, "limits"), "hit");
  assert_int_equal (json_object_array_length (f), 2);
}

int
main (void)
{
#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)
  const struct CMUnitTest tests[]
      = { T (test_schema), T (test_no_head), T (test_again), T (test_words),
          T (test_collectors), T (test_files) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
