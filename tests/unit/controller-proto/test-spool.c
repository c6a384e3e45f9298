/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool: an item's way through it, what is refused, what is recorded as
 * a gap, who has to go when room is short, and what a strange folder does to
 * it.  Crashes are test-crash-spool.sh's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "controller-proto/bundle.h"
#include "controller-proto/spool_impl.h"
#include "tests/lib/tmpdir.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define TO "here"

struct place
{
  struct tmpdir tmp;
  struct spool *sp;
  struct error err;
};

static void
begin (struct place *p, const struct spool_limits *l)
{
  static const char *const here[] = { TO };
  static const struct spool_limits roomy = { .free_floor = 1 };

  spool_close (p->sp);
  p->sp = NULL;
  if (spool_open (p->tmp.fd, l ? l : &roomy, &p->sp, &p->err) < 0)
    fail_msg ("%s", error_text (&p->err));
  spool_sinks (p->sp, here, 1);
}

static int
setup (void **state)
{
  struct place *p = calloc (1, sizeof *p);

  if (tmpdir_make (&p->tmp) < 0)
    return -1;
  begin (p, NULL);
  *state = p;
  return 0;
}

static int
teardown (void **state)
{
  struct place *p = *state;

  spool_close (p->sp);
  tmpdir_done (&p->tmp);
  free (p);
  return 0;
}

static const char *
id_of (unsigned n)
{
  static char ids[32][40];

  snprintf (ids[n], 40, "%08x-1111-4000-8000-000000000000", n);
  return ids[n];
}

static int
incident (struct place *p, unsigned n)
{
  return spool_incident (p->sp, id_of (n), "{\"n\":1}", 7, false,
                         &p->err);
}

static int
ended (struct place *p, unsigned n, bool has)
{
  const char *json = has ? "{\"end\":\"recovered\"}" : "{\"end\":\"not-ended\"}";

  return spool_incident (p->sp, id_of (n), json, strlen (json), false,
                         &p->err);
}

/* Not compressible. */
static int
artifact (struct place *p, unsigned n, const char *name, size_t len)
{
  CLEANUP_FREE char *data = malloc (len + 1);
  uint32_t x = n + 1;

  for (size_t i = 0; i < len; i++)
    data[i] = (char) ((x = x * 1664525 + 1013904223) >> 24);
  return spool_artifact (p->sp, id_of (n), name, 0, data, len, &p->err);
}

static int
pack (struct place *p, unsigned n)
{
  struct spool_item item;

  return spool_pack (p->sp, id_of (n), NULL, &item, &p->err);
}

/* What is to go next, there; "" = nothing. */
static const char *
next_to (struct place *p, const char *sink, struct spool_load *ret)
{
  static char text[64];

  if (!spool_next (p->sp, sink, clock_wall_ms (), ret))
    return "";
  snprintf (text, sizeof text, "%s %.8s %llu",
            ret->part == SPOOL_DOCUMENT ? "document" : "bundle", ret->item.id,
            (unsigned long long) ret->rev);
  return text;
}

static void
send_to (struct place *p, const char *sink, const char *what)
{
  struct spool_load load;

  assert_string_equal (next_to (p, sink, &load), what);
  assert_int_equal (spool_sent (p->sp, sink, &load, &p->err), 0);
}

/* Whatever is to go now, of all. */
static void
send_all (struct place *p, const char *sink)
{
  struct spool_load load;

  while (*next_to (p, sink, &load))
    assert_int_equal (spool_sent (p->sp, sink, &load, &p->err), 0);
}

/* One part of one item, wherever it is in the order. */
static struct spool_load
load_of (unsigned n, enum spool_part part, uint64_t rev)
{
  struct spool_load load = { .part = part, .rev = rev };

  snprintf (load.item.id, sizeof load.item.id, "%s", id_of (n));
  return load;
}

static void
sent_whole (struct place *p, unsigned n)
{
  struct spool_load doc = load_of (n, SPOOL_DOCUMENT, 1),
                    bundle = load_of (n, SPOOL_BUNDLE, 1);

  assert_int_equal (spool_sent (p->sp, TO, &doc, &p->err), 0);
  assert_int_equal (spool_sent (p->sp, TO, &bundle, &p->err), 0);
}

static void
refused_whole (struct place *p, unsigned n, const char *why)
{
  struct spool_load doc = load_of (n, SPOOL_DOCUMENT, 1),
                    bundle = load_of (n, SPOOL_BUNDLE, 1);

  assert_int_equal (spool_sent (p->sp, TO, &doc, &p->err), 0);
  assert_int_equal (spool_park (p->sp, TO, &bundle, why, &p->err), 0);
}

static struct spool_stats
stats (struct place *p)
{
  struct spool_stats st;

  spool_stats (p->sp, &st);
  return st;
}

static void
copy_item (const struct spool_item *item, void *arg)
{
  struct spool_item *want = arg;

  if (strcmp (item->id, want->id) == 0)
    *want = *item;
}

static struct spool_item
look (struct place *p, unsigned n)
{
  struct spool_item item = { .place = SPOOL_PLACE_MAX };

  snprintf (item.id, sizeof item.id, "%s", id_of (n));
  for (unsigned i = 0; i < SPOOL_PLACE_MAX; i++)
    spool_each (p->sp, (enum spool_place) i, copy_item, &item);
  return item;
}

/* manifest.json of a bundle. */
struct manifest
{
  struct buf text;
  bool in;
};

static bool
m_member (void *arg, const char *name, uint64_t size)
{
  return strcmp (name, "manifest.json") == 0;
}

static void
m_data (void *arg, const void *data, size_t len)
{
  buf_append (arg, data, len);
}

static void
m_end (void *arg, bool complete)
{
}

static struct json_object *
manifest_of (struct place *p, unsigned n)
{
  static const struct bundle_reader_ops ops
      = { .member = m_member, .data = m_data, .member_end = m_end };
  struct buf b CLEANUP_BUF = BUF_INIT (1u << 20);
  CLEANUP_CLOSE int fd = -1;

  assert_int_equal (spool_bundle_fd (p->sp, id_of (n), &fd, &p->err), 0);
  assert_int_equal (bundle_read (fd, 64u << 20, &ops, &b, &p->err), 0);
  return json_tokener_parse (buf_str (&b));
}

/* ---- tests ---- */

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
  assert_int_equal (spool_document (p->sp, id_of (1), &json, &len, &p->err),
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
  assert_int_equal (spool_document (p->sp, id_of (1), &json, &len, &p->err),
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
  assert_int_equal (spool_failed (p->sp, TO, &load, now + 60000, "\x1b[31mno",
                                  &p->err),
                    0);
  assert_false (spool_next (p->sp, TO, now, &load));
  assert_true (spool_next_at (p->sp, TO) == now + 60000);
  assert_true (spool_next (p->sp, TO, now + 60000, &load));
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
  assert_int_equal (spool_park (p->sp, TO, &load, "refused", &p->err), 0);
  assert_int_equal (look (p, 1).place, SPOOL_PARKED);
  assert_true (spool_next_at (p->sp, TO) == UINT64_MAX);
  assert_string_equal (look (p, 1).at[0].why, "refused");
  assert_int_equal (spool_retry (p->sp, id_of (1), &p->err), 0);
  assert_int_equal (look (p, 1).place, SPOOL_READY);
  assert_true (spool_next (p->sp, TO, now, &load));
  assert_int_equal (load.attempts, 0);
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
  assert_int_equal (spool_document (p->sp, id_of (1), &json, &len, NULL), 0);
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
  /* An incident may go below the floor, an artifact may not. */
  assert_int_equal (incident (p, 1), 0);
  assert_int_equal (artifact (p, 1, "a", 10), -ENOSPC);
  assert_int_equal (stats (p).gaps, 1);
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
  assert_int_equal (spool_document (p->sp, id_of (4), &json, &len, NULL), 0);
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
    T (test_way),     T (test_retry_times),  T (test_order),
    T (test_refused), T (test_links),        T (test_append),
    T (test_gaps_survive), T (test_eviction), T (test_floor),
    T (test_keep_sent), T (test_rubbish), T (test_revisions), T (test_sinks),
    T (test_standing_stays), T (test_old_format),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
