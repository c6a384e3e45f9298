/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool: who has to go when room is short, and what a strange folder, or
 * one of an older layout, does to it.
 */
#include "tests/unit/controller-proto/spool-bed.h"

#include <sys/statvfs.h>

static void
test_eviction (void **state)
{
  struct place *p = *state;
  struct spool_limits l = { .free_floor = 1, .max_bytes = 120000 };

  begin (p, &l);
  for (unsigned i = 1; i <= 4; i++)
    {
      assert_int_equal (incident (p, i), 0);
      assert_int_equal (artifact (p, i, "a", 20000), 0);
      assert_int_equal (pack (p, i), 0);
      spool_find (p->sp, id_of (i))->pub.since_ms = i;
    }
  sent_whole (p, 2);
  refused_whole (p, 3, "no");
  for (unsigned i = 1; i <= 4; i++)
    assert_true (look (p, i).bytes > 20000);
  /* The acknowledged one goes first, whole. */
  assert_int_equal (incident (p, 5), 0);
  assert_int_equal (artifact (p, 5, "a", 40000), 0);
  assert_int_equal (look (p, 2).place, SPOOL_PLACE_MAX);
  assert_int_equal (look (p, 3).bytes > 0, 1);
  /* Then what was refused, then the oldest that waits: bundles only. */
  assert_int_equal (artifact (p, 5, "b", 30000), 0);
  assert_int_equal (look (p, 3).place, SPOOL_PARKED);
  assert_int_equal (look (p, 3).bytes, 0);
  assert_true (look (p, 1).bytes > 0);
  assert_int_equal (artifact (p, 5, "c", 10000), 0);
  assert_int_equal (look (p, 1).bytes, 0);
  assert_true (look (p, 4).bytes > 0);
  assert_int_equal (stats (p).evicted, 3);
  begin (p, &l);
  assert_int_equal (look (p, 1).place, SPOOL_READY);
  CLEANUP_FREE char *json = NULL;
  size_t len;
  int fd;
  assert_int_equal (spool_document (p->sp, id_of (1), NULL, &json, &len, NULL), 0);
  assert_int_equal (spool_bundle_fd (p->sp, id_of (1), &fd, NULL), -ENOENT);
  /* More than there is room for in all. */
  assert_int_equal (artifact (p, 5, "d", 119000), -ENOSPC);
  assert_true (stats (p).bytes <= l.max_bytes);
}

static void
test_floor (void **state)
{
  struct place *p = *state;
  struct spool_limits l = { .free_floor = UINT64_MAX / 2 };

  begin (p, &l);
  /* An incident may go below the floor, and so may a little evidence of it,
   * with its bundle; more may not. */
  assert_int_equal (incident (p, 1), 0);
  assert_int_equal (artifact (p, 1, "a", SPOOL_SMALL_BYTES - 1000), 0);
  assert_int_equal (artifact (p, 1, "b", 2000), -ENOSPC);
  assert_int_equal (stats (p).gaps, 1);
  assert_int_equal (pack (p, 1), 0);
  assert_true (look (p, 1).bundle);
}

/* What a form of a bundle takes while it is made: all of it, unpacked, and once
 * more, is to be free above the floor, and nobody's bundle goes for it. */
static void
test_form (void **state)
{
  struct place *p = *state;
  struct spool_limits l = { .free_floor = 1 };
  struct statvfs v;

  begin (p, &l);
  for (unsigned i = 1; i <= 3; i++)
    {
      assert_int_equal (incident (p, i), 0);
      assert_int_equal (artifact (p, i, "a", 300000), 0);
      assert_int_equal (pack (p, i), 0);
    }
  sent_whole (p, 2);
  assert_int_equal (look (p, 1).unpacked, 300000);
  assert_int_equal (spool_form_room (p->sp, id_of (1), &p->err), 0);
  begin (p, &l);
  assert_int_equal (look (p, 1).unpacked, 300000);
  assert_true (look (p, 2).bundle);
  /* Room for it as it is packed, and not for the rest. */
  assert_int_equal (fstatvfs (p->sp->dirfd, &v), 0);
  p->sp->limits.free_floor = (uint64_t) v.f_bavail * v.f_frsize;
  p->sp->limits.free_floor -= p->sp->limits.free_floor / 2;
  spool_find (p->sp, id_of (1))->pub.unpacked
      = (uint64_t) v.f_bavail * v.f_frsize / 2;
  assert_int_equal (spool_form_room (p->sp, id_of (1), &p->err), -ENOSPC);
  assert_true (look (p, 1).bundle);
  assert_true (look (p, 3).bundle);
  assert_int_equal (look (p, 2).place, SPOOL_PLACE_MAX);
  /* The quota is for what stays. */
  p->sp->limits.free_floor = 1;
  p->sp->limits.max_bytes = 1000000;
  spool_find (p->sp, id_of (1))->pub.unpacked = 2000000;
  assert_int_equal (spool_form_room (p->sp, id_of (1), &p->err), 0);
  assert_true (look (p, 3).bundle);
  p->sp->limits.max_bytes = 700000;
  assert_int_equal (spool_form_room (p->sp, id_of (1), &p->err), 0);
  assert_false (look (p, 3).bundle);
  p->sp->limits.max_bytes = 500000;
  assert_int_equal (spool_form_room (p->sp, id_of (1), &p->err), -ENOSPC);
  assert_true (look (p, 1).bundle);
}

static void
test_keep_sent (void **state)
{
  struct place *p = *state;
  struct spool_limits l = { .free_floor = 1, .keep_sent = 2 };

  begin (p, &l);
  for (unsigned i = 1; i <= 4; i++)
    {
      assert_int_equal (incident (p, i), 0);
      assert_int_equal (pack (p, i), 0);
      sent_whole (p, i);
      spool_find (p->sp, id_of (i))->pub.since_ms = i;
    }
  assert_int_equal (stats (p).count[SPOOL_SENT], 2);
  assert_int_equal (look (p, 4).place, SPOOL_SENT);
}

static void
put (struct place *p, const char *path, const char *text)
{
  CLEANUP_CLOSE int fd
      = openat (p->tmp.fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  assert_true (fd >= 0);
  assert_int_equal (write (fd, text, strlen (text)), (ssize_t) strlen (text));
}

/* Rubbish is set aside, never a reason not to start. */
static void
test_rubbish (void **state)
{
  struct place *p = *state;
  char path[160];

  assert_int_equal (incident (p, 1), 0);
  assert_int_equal (pack (p, 1), 0);
  assert_int_equal (incident (p, 2), 0);
  assert_int_equal (incident (p, 3), 0);
  assert_int_equal (pack (p, 3), 0);
  snprintf (path, sizeof path, "incidents/%s.json", id_of (1));
  put (p, path, "{\"spool\":{}");
  snprintf (path, sizeof path, "incidents/%s.json", id_of (2));
  put (p, path, "\xff\xfe");
  /* A bundle that is shorter than it was. */
  snprintf (path, sizeof path, "blobs/%s.tar.zst", id_of (3));
  put (p, path, "x");
  put (p, "incidents/readme.txt", "hello");
  put (p, "blobs/.x.part", "hello");
  assert_int_equal (mkdirat (p->tmp.fd, "open/lost+found", 0700), 0);
  begin (p, NULL);
  assert_int_equal (look (p, 1).place, SPOOL_PLACE_MAX);
  assert_int_equal (look (p, 2).place, SPOOL_PLACE_MAX);
  assert_int_equal (look (p, 3).place, SPOOL_READY);
  assert_int_equal (look (p, 3).bytes, 0);
  assert_false (look (p, 3).bundle);
  snprintf (path, sizeof path, "bad/incidents-%s.json", id_of (1));
  assert_int_equal (faccessat (p->tmp.fd, path, F_OK, 0), 0);
  snprintf (path, sizeof path, "bad/incidents-%s.json", id_of (2));
  assert_int_equal (faccessat (p->tmp.fd, path, F_OK, 0), 0);
  assert_true (faccessat (p->tmp.fd, "blobs/.x.part", F_OK, 0) < 0);
  assert_int_equal (incident (p, 4), 0);
}

static bool
form_is_there (struct place *p, unsigned n)
{
  char name[SPOOL_FORM_NAME];

  return faccessat (p->sp->blobs_fd, spool_form_name (name, id_of (n), TO),
                    F_OK, 0)
         == 0;
}

/* Killed between noting that it is there, or refused, and removing it. */
static void
test_form_left (void **state)
{
  struct place *p = *state;
  struct spool_form form = { .made_by = "x", .digest = "d", .bytes = 5 };

  for (unsigned i = 1; i <= 3; i++)
    {
      struct item *it;

      assert_int_equal (incident (p, i), 0);
      assert_int_equal (pack (p, i), 0);
      put (p, "work/form", "12345");
      assert_int_equal (spool_form_put (p->sp, id_of (i), TO, "form", &form,
                                        &p->err),
                        0);
      it = spool_find (p->sp, id_of (i));
      it->pub.at[0].part[SPOOL_BUNDLE].acked = i == 2;
      it->pub.at[0].part[SPOOL_BUNDLE].refused = i == 3;
      assert_int_equal (spool_write_item (p->sp, it, NULL, &p->err), 0);
    }
  begin (p, NULL);
  assert_true (form_is_there (p, 1));
  assert_false (form_is_there (p, 2));
  assert_false (form_is_there (p, 3));
}

/* As hangdog had it before documents had revisions. */
static void
test_old_format (void **state)
{
  static const char *const folders[] = { "ready", "sent", "parked" };
  struct place *p = *state;
  CLEANUP_FREE char *json = NULL;
  char path[160], text[300];
  size_t len;

  for (unsigned i = 0; i < ARRAY_LEN (folders); i++)
    {
      assert_int_equal (mkdirat (p->tmp.fd, folders[i], 0700), 0);
      snprintf (path, sizeof path, "%s/%.36s.json", folders[i], id_of (i));
      snprintf (text, sizeof text,
                "{\"spool\":{\"bytes\":5,\"digest\":\"d%u\",\"since_ms\":7,"
                "\"attempts\":3,\"next_ms\":9,\"last_error\":\"x\","
                "\"bundle\":true},\"incident\":{\"end\":\"not-ended\"}}",
                i);
      put (p, path, text);
      snprintf (path, sizeof path, "%s/%.36s.tar.zst", folders[i], id_of (i));
      put (p, path, "12345");
    }
  snprintf (path, sizeof path, "open/%s", id_of (4));
  assert_int_equal (mkdirat (p->tmp.fd, path, 0700), 0);
  snprintf (path, sizeof path, "open/%s/files", id_of (4));
  assert_int_equal (mkdirat (p->tmp.fd, path, 0700), 0);
  snprintf (path, sizeof path, "open/%s/files/a", id_of (4));
  put (p, path, "abc");
  snprintf (path, sizeof path, "open/%s/incident.json", id_of (4));
  put (p, path, "{\"end\":\"not-ended\"}");
  put (p, "parked/what-is-this", "?");
  begin (p, NULL);
  assert_int_equal (stats (p).taken_over, 4);
  assert_int_equal (stats (p).left_behind, 0);
  assert_int_equal (look (p, 0).place, SPOOL_READY);
  assert_true (look (p, 0).bundle);
  assert_int_equal (look (p, 0).bytes, 5);
  assert_string_equal (look (p, 0).digest, "d0");
  assert_int_equal (look (p, 1).place, SPOOL_SENT);
  assert_false (look (p, 1).stands);
  assert_int_equal (look (p, 2).place, SPOOL_PARKED);
  assert_int_equal (look (p, 4).place, SPOOL_OPEN);
  assert_int_equal (look (p, 4).bytes, 3);
  assert_int_equal (spool_document (p->sp, id_of (4), NULL, &json, &len, NULL), 0);
  assert_string_equal (json, "{\"end\":\"not-ended\",\"rev\":1}");
  /* What is no item of it is nobody's to remove. */
  assert_true (faccessat (p->tmp.fd, "ready", F_OK, 0) < 0);
  assert_int_equal (faccessat (p->tmp.fd, "parked/what-is-this", F_OK, 0), 0);
  begin (p, NULL);
  assert_int_equal (stats (p).taken_over, 0);
  assert_int_equal (look (p, 2).place, SPOOL_PARKED);
}

#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_eviction),
    T (test_floor),
    T (test_form),
    T (test_form_left),
    T (test_keep_sent),
    T (test_rubbish),
    T (test_old_format),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
