/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool: an item's way through it, what is refused, and what is recorded
 * as a gap.  Crashes are test-crash-spool.sh's, room and strange folders
 * test-spool-room.c's.
 */
#include "tests/unit/controller-proto/spool-bed.h"

static void
test_way (void **state)
{
  struct place *p = *state;
  struct spool_load load;
  CLEANUP_FREE char *json = NULL;
  size_t len;

  assert_string_equal (next_to (p, TO, &load), "");
  assert_int_equal (incident (p, 1), 0);
  assert_int_equal (artifact (p, 1, "console/raw.log", 100), 0);
  assert_int_equal (look (p, 1).place, SPOOL_OPEN);
  /* It is told of at once. */
  send_to (p, TO, "document 00000001 1");
  assert_string_equal (next_to (p, TO, &load), "");
  assert_int_equal (pack (p, 1), 0);
  /* Again: the answer was lost. */
  assert_int_equal (pack (p, 1), 0);
  assert_int_equal (artifact (p, 1, "late.txt", 1), -EALREADY);
  assert_string_equal (next_to (p, TO, &load), "bundle 00000001 1");
  begin (p, NULL);
  assert_int_equal (look (p, 1).place, SPOOL_READY);
  assert_string_equal (look (p, 1).digest, load.item.digest);
  send_to (p, TO, "bundle 00000001 1");
  assert_string_equal (next_to (p, TO, &load), "");
  begin (p, NULL);
  assert_int_equal (look (p, 1).place, SPOOL_SENT);
  assert_int_equal (spool_document (p->sp, id_of (1), NULL, &json, &len, &p->err),
                    0);
  assert_string_equal (json, "{\"n\":1,\"rev\":1}");
  assert_int_equal (spool_drop (p->sp, id_of (1), &p->err), 0);
  assert_int_equal (spool_drop (p->sp, id_of (1), &p->err), 0);
  begin (p, NULL);
  assert_int_equal (look (p, 1).place, SPOOL_PLACE_MAX);
}

/* A document may change at any time, and then goes again, before bundles. */
static void
test_revisions (void **state)
{
  static const char seven[] = "{\"rev\":7,\"end\":\"recovered\"}";
  struct place *p = *state;
  struct spool_load load;
  CLEANUP_FREE char *json = NULL;
  size_t len;

  assert_int_equal (incident (p, 1), 0);
  assert_int_equal (incident (p, 2), 0);
  assert_int_equal (pack (p, 1), 0);
  assert_int_equal (pack (p, 2), 0);
  spool_find (p->sp, id_of (1))->pub.since_ms = 1;
  send_to (p, TO, "document 00000001 1");
  assert_string_equal (next_to (p, TO, &load), "document 00000002 1");
  send_all (p, TO);
  assert_int_equal (look (p, 1).place, SPOOL_SENT);
  assert_int_equal (spool_incident (p->sp, id_of (1), seven, strlen (seven),
                                    true, &p->err),
                    0);
  assert_int_equal (look (p, 1).place, SPOOL_SENT);
  /* The same again, and one that was overtaken: nothing. */
  assert_int_equal (spool_incident (p->sp, id_of (1), seven, strlen (seven),
                                    true, &p->err),
                    0);
  assert_int_equal (spool_incident (p->sp, id_of (1), "{\"rev\":6}", 9, true,
                                    &p->err),
                    0);
  begin (p, NULL);
  assert_string_equal (next_to (p, TO, &load), "document 00000001 7");
  /* While that is on its way there is another. */
  assert_int_equal (spool_incident (p->sp, id_of (1), "{\"rev\":8}", 9, true,
                                    &p->err),
                    0);
  assert_int_equal (spool_sent (p->sp, TO, &load, &p->err), 0);
  send_to (p, TO, "document 00000001 8");
  assert_string_equal (next_to (p, TO, &load), "");
  assert_int_equal (spool_document (p->sp, id_of (1), NULL, &json, &len, &p->err),
                    0);
  assert_string_equal (json, "{\"rev\":8}");
  /* One that somebody dropped does not come back. */
  assert_int_equal (spool_drop (p->sp, id_of (1), &p->err), 0);
  assert_int_equal (spool_incident (p->sp, id_of (1), "{\"rev\":9}", 9, true,
                                    &p->err),
                    -ENOENT);
}

static void
test_retry_times (void **state)
{
  struct place *p = *state;
  struct spool_load load;
  struct spool_item item;
  uint64_t now = clock_wall_ms ();

  assert_true (spool_next_at (p->sp, TO) == UINT64_MAX);
  assert_int_equal (incident (p, 1), 0);
  assert_int_equal (pack (p, 1), 0);
  send_to (p, TO, "document 00000001 1");
  load = load_of (1, SPOOL_BUNDLE, 1);
  spool_form_unmade (p->sp, TO, &load);
  assert_int_equal (spool_failed (p->sp, TO, &load, now + 60000, "\x1b[31mno",
                                  &p->err),
                    0);
  assert_false (spool_next (p->sp, TO, now, &load));
  assert_true (spool_next_at (p->sp, TO) == now + 60000);
  assert_true (spool_next (p->sp, TO, now + 60000, &load));
  assert_int_equal (load.unmade, 1);
  /* A clock that was set back by a year does not keep it for a year. */
  assert_true (spool_next (p->sp, TO, now - 365ull * 86400000, &load));
  /* News of it does not wait for that. */
  assert_int_equal (incident (p, 1), 0);
  send_to (p, TO, "document 00000001 2");
  begin (p, NULL);
  item = look (p, 1);
  assert_int_equal (item.at[0].part[SPOOL_BUNDLE].attempts, 1);
  assert_true (item.at[0].part[SPOOL_BUNDLE].next_ms == now + 60000);
  assert_null (strchr (item.at[0].why, '\x1b'));
  load = load_of (1, SPOOL_BUNDLE, 1);
  spool_form_unmade (p->sp, TO, &load);
  assert_int_equal (spool_park (p->sp, TO, &load, "refused", &p->err), 0);
  assert_int_equal (look (p, 1).place, SPOOL_PARKED);
  assert_true (spool_next_at (p->sp, TO) == UINT64_MAX);
  assert_string_equal (look (p, 1).at[0].why, "refused");
  assert_int_equal (spool_retry (p->sp, id_of (1), &p->err), 0);
  assert_int_equal (look (p, 1).place, SPOOL_READY);
  assert_true (spool_next (p->sp, TO, now, &load));
  assert_int_equal (load.attempts, 0);
  assert_int_equal (load.unmade, 0);
}

static void
test_order (void **state)
{
  struct place *p = *state;
  struct spool_load load;

  for (unsigned i = 5; i > 0; i--)
    {
      assert_int_equal (incident (p, i), 0);
      assert_int_equal (pack (p, i), 0);
      /* The clock's grain is no part of the order that is tested. */
      spool_find (p->sp, id_of (i))->pub.since_ms = 1000 - i;
    }
  for (unsigned i = 10; i > 0; i--)
    {
      assert_true (spool_next (p->sp, TO, clock_wall_ms (), &load));
      assert_string_equal (load.item.id, id_of (i > 5 ? i - 5 : i));
      assert_int_equal (load.part, i > 5 ? SPOOL_DOCUMENT : SPOOL_BUNDLE);
      assert_int_equal (spool_sent (p->sp, TO, &load, &p->err), 0);
    }
}

/* Each sink has a state of its own. */
static void
test_sinks (void **state)
{
  static const char *const both[] = { TO, "there" };
  static const char *const other[] = { "there", "late" };
  struct place *p = *state;
  struct spool_load load;

  spool_sinks (p->sp, both, 2);
  assert_int_equal (incident (p, 1), 0);
  assert_int_equal (pack (p, 1), 0);
  send_all (p, TO);
  assert_int_equal (look (p, 1).place, SPOOL_READY);
  assert_string_equal (next_to (p, "there", &load), "document 00000001 1");
  assert_int_equal (spool_failed (p->sp, "there", &load,
                                  clock_wall_ms () + 60000, "no", &p->err),
                    0);
  /* No bundle of nobody. */
  assert_string_equal (next_to (p, "there", &load), "");
  spool_due (p->sp, "there");
  send_to (p, "there", "document 00000001 1");
  assert_string_equal (next_to (p, "there", &load), "bundle 00000001 1");
  assert_int_equal (look (p, 1).place, SPOOL_READY);
  assert_int_equal (spool_park (p->sp, "there", &load, "413", &p->err), 0);
  /* Both had their word, and one of them refused. */
  assert_int_equal (look (p, 1).place, SPOOL_PARKED);
  begin (p, NULL);
  spool_sinks (p->sp, both, 2);
  assert_string_equal (next_to (p, TO, &load), "");
  assert_string_equal (next_to (p, "there", &load), "");
  /* Once more: only to the one that has it not. */
  assert_int_equal (spool_retry (p->sp, id_of (1), &p->err), 0);
  assert_string_equal (next_to (p, TO, &load), "");
  send_to (p, "there", "bundle 00000001 1");
  assert_int_equal (look (p, 1).place, SPOOL_SENT);
  /* What is done with is not begun anew for one that comes later; what is
   * not, is. */
  assert_int_equal (incident (p, 2), 0);
  spool_sinks (p->sp, other, 2);
  assert_string_equal (next_to (p, "late", &load), "document 00000002 1");
  send_all (p, "late");
  assert_string_equal (next_to (p, "late", &load), "");
  assert_int_equal (pack (p, 2), 0);
  send_all (p, "late");
  assert_int_equal (look (p, 2).place, SPOOL_READY);
  /* That waited for one that is gone. */
  spool_sinks (p->sp, other + 1, 1);
  assert_int_equal (look (p, 2).place, SPOOL_SENT);
  begin (p, NULL);
  assert_int_equal (look (p, 2).place, SPOOL_SENT);
}

/* One that stands is what says after a restart that its hang was told. */
static void
test_standing_stays (void **state)
{
  struct place *p = *state;
  struct spool_limits l = { .free_floor = 1, .keep_sent = 1 };

  begin (p, &l);
  for (unsigned i = 1; i <= 4; i++)
    {
      assert_int_equal (ended (p, i, i > 2), 0);
      assert_int_equal (pack (p, i), 0);
      send_all (p, TO);
      spool_find (p->sp, id_of (i))->pub.since_ms = i;
    }
  assert_int_equal (look (p, 1).place, SPOOL_SENT);
  assert_int_equal (look (p, 2).place, SPOOL_SENT);
  assert_int_equal (look (p, 3).place, SPOOL_PLACE_MAX);
  assert_int_equal (look (p, 4).place, SPOOL_SENT);
  /* Its end is told, and then it may go. */
  assert_int_equal (ended (p, 1, true), 0);
  assert_int_equal (look (p, 1).place, SPOOL_SENT);
  send_all (p, TO);
  assert_int_equal (look (p, 1).place, SPOOL_PLACE_MAX);
}

static void
test_refused (void **state)
{
  struct place *p = *state;
  struct spool *sp = p->sp;
  struct spool_load load;
  CLEANUP_FREE char *big = malloc (SPOOL_MAX_INCIDENT + 10);

  assert_int_equal (spool_incident (sp, "../../etc/passwd", "{}", 2, false,
                                    NULL),
                    -EINVAL);
  assert_int_equal (spool_incident (sp, "AAAAAAAA-1111-4000-8000-000000000000",
                                    "{}", 2, false, NULL), -EINVAL);
  assert_true (spool_incident (sp, id_of (1), "[]", 2, false, NULL) < 0);
  assert_true (spool_incident (sp, id_of (1), "{", 1, false, NULL) < 0);
  memset (big, ' ', SPOOL_MAX_INCIDENT + 10);
  big[0] = '{', big[SPOOL_MAX_INCIDENT + 9] = '}';
  assert_true (spool_incident (sp, id_of (1), big, SPOOL_MAX_INCIDENT + 10,
                               false, NULL) < 0);
  assert_int_equal (stats (p).count[SPOOL_OPEN], 0);
  assert_int_equal (artifact (p, 1, "a", 1), -ENOENT);
  assert_int_equal (incident (p, 1), 0);
  assert_int_equal (artifact (p, 1, "../a", 1), -EINVAL);
  assert_int_equal (artifact (p, 1, "manifest.json", 1), -EINVAL);
  assert_int_equal (artifact (p, 1, "incident.json", 1), -EINVAL);
  load = load_of (1, SPOOL_DOCUMENT, 1);
  assert_int_equal (spool_sent (sp, TO, &load, NULL), 0);
  assert_int_equal (spool_sent (sp, TO, &load, NULL), -EALREADY);
  load = load_of (2, SPOOL_DOCUMENT, 1);
  assert_int_equal (spool_sent (sp, TO, &load, NULL), -ENOENT);
}

/* A guest's file name cannot make the spool follow a link out of itself. */
static void
test_links (void **state)
{
  struct place *p = *state;
  char path[128];

  assert_int_equal (incident (p, 1), 0);
  assert_int_equal (artifact (p, 1, "a", 3), 0);
  snprintf (path, sizeof path, "open/%s/files/out", id_of (1));
  assert_int_equal (symlinkat ("/tmp", p->tmp.fd, path), 0);
  assert_true (artifact (p, 1, "out/evil", 3) < 0);
  assert_int_equal (pack (p, 1), 0);
  assert_int_equal (access (p->tmp.path, F_OK), 0);
}

static void
test_append (void **state)
{
  struct place *p = *state;
  struct spool *sp = p->sp;
  const char *id = id_of (1);
  uint64_t own;

  assert_int_equal (incident (p, 1), 0);
  own = stats (p).bytes;
  assert_int_equal (spool_artifact (sp, id, "a", 0, "abc", 3, NULL), 0);
  assert_int_equal (spool_artifact (sp, id, "a", 3, "def", 3, NULL), 0);
  /* Repeated: the same again, not twice. */
  assert_int_equal (spool_artifact (sp, id, "a", 3, "def", 3, NULL), 0);
  assert_int_equal (stats (p).bytes, own + 6);
  /* Begun anew, shorter. */
  struct stat st;
  char path[128];
  snprintf (path, sizeof path, "open/%s/files/b", id);
  assert_int_equal (spool_artifact (sp, id, "b", 0, "abcdef", 6, NULL), 0);
  assert_int_equal (spool_artifact (sp, id, "b", 0, "xy", 2, NULL), 0);
  assert_int_equal (fstatat (p->tmp.fd, path, &st, 0), 0);
  assert_int_equal (st.st_size, 2);
  assert_int_equal (stats (p).bytes, own + 6 + 2);
  assert_int_equal (spool_artifact (sp, id, "a", 9, "x", 1, NULL), -EFBIG);
  assert_int_equal (pack (p, 1), 0);
  CLEANUP_JSON struct json_object *m = manifest_of (p, 1);
  struct json_object *gaps = json_get (m, "gaps");
  assert_int_equal (json_object_array_length (gaps), 1);
  struct json_object *g = json_object_array_get_idx (gaps, 0);
  assert_string_equal (json_get_str (g, "path"), "a");
  assert_int_equal (json_get_int (g, "bytes_lost", 0), 1);
  assert_int_equal (json_get_int (g, "from", 0), 9);
}

static void
test_gaps_survive (void **state)
{
  struct place *p = *state;
  struct spool_limits l = { .free_floor = 1, .max_artifact = 1000 };

  begin (p, &l);
  assert_int_equal (incident (p, 1), 0);
  assert_int_equal (artifact (p, 1, "big", 1001), -EFBIG);
  assert_int_equal (artifact (p, 1, "big", 1001), -EFBIG);
  begin (p, &l);
  assert_int_equal (artifact (p, 1, "ok", 1000), 0);
  assert_int_equal (pack (p, 1), 0);
  CLEANUP_JSON struct json_object *m = manifest_of (p, 1);
  struct json_object *g
      = json_object_array_get_idx (json_get (m, "gaps"), 0);
  assert_int_equal (json_get_int (g, "bytes_lost", 0), 2002);
}

#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

/* Its document is all there is, before a restart and after. */
static void
test_without_bundle (void **state)
{
  struct place *p = *state;
  struct json_object *head = json_object_new_object ();
  struct spool_item item;
  struct spool_load load;

  json_object_object_add (head, "no_bundle", json_object_new_boolean (1));
  assert_int_equal (incident (p, 1), 0);
  assert_int_equal (artifact (p, 1, "console/raw.log", 100), 0);
  assert_int_equal (spool_pack (p->sp, id_of (1), head, &item, &p->err), 0);
  json_object_put (head);
  assert_false (item.bundle);
  send_to (p, TO, "document 00000001 1");
  assert_string_equal (next_to (p, TO, &load), "");
  assert_int_equal (look (p, 1).place, SPOOL_SENT);
  begin (p, NULL);
  assert_int_equal (look (p, 1).place, SPOOL_SENT);
  assert_false (look (p, 1).bundle);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_way),
    T (test_without_bundle),
    T (test_revisions),
    T (test_retry_times),
    T (test_order),
    T (test_sinks),
    T (test_standing_stays),
    T (test_refused),
    T (test_links),
    T (test_append),
    T (test_gaps_survive),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
