/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the spool share.
 */
#include "tests/unit/controller-proto/spool-bed.h"

void
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

int
setup (void **state)
{
  struct place *p = calloc (1, sizeof *p);

  if (tmpdir_make (&p->tmp) < 0)
    return -1;
  begin (p, NULL);
  *state = p;
  return 0;
}

int
teardown (void **state)
{
  struct place *p = *state;

  spool_close (p->sp);
  tmpdir_done (&p->tmp);
  free (p);
  return 0;
}

const char *
id_of (unsigned n)
{
  static char ids[32][40];

  snprintf (ids[n], 40, "%08x-1111-4000-8000-000000000000", n);
  return ids[n];
}

int
incident (struct place *p, unsigned n)
{
  return spool_incident (p->sp, id_of (n), "{\"n\":1}", 7, false,
                         &p->err);
}

int
ended (struct place *p, unsigned n, bool has)
{
  const char *json = has ? "{\"end\":\"recovered\"}" : "{\"end\":\"not-ended\"}";

  return spool_incident (p->sp, id_of (n), json, strlen (json), false,
                         &p->err);
}

int
artifact (struct place *p, unsigned n, const char *name, size_t len)
{
  CLEANUP_FREE char *data = malloc (len + 1);
  uint32_t x = n + 1;

  for (size_t i = 0; i < len; i++)
    data[i] = (char) ((x = x * 1664525 + 1013904223) >> 24);
  return spool_artifact (p->sp, id_of (n), name, 0, data, len, &p->err);
}

int
pack (struct place *p, unsigned n)
{
  struct spool_item item;

  return spool_pack (p->sp, id_of (n), NULL, &item, &p->err);
}

const char *
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

void
send_to (struct place *p, const char *sink, const char *what)
{
  struct spool_load load;

  assert_string_equal (next_to (p, sink, &load), what);
  assert_int_equal (spool_sent (p->sp, sink, &load, &p->err), 0);
}

void
send_all (struct place *p, const char *sink)
{
  struct spool_load load;

  while (*next_to (p, sink, &load))
    assert_int_equal (spool_sent (p->sp, sink, &load, &p->err), 0);
}

struct spool_load
load_of (unsigned n, enum spool_part part, uint64_t rev)
{
  struct spool_load load = { .part = part, .rev = rev };

  snprintf (load.item.id, sizeof load.item.id, "%s", id_of (n));
  return load;
}

void
sent_whole (struct place *p, unsigned n)
{
  struct spool_load doc = load_of (n, SPOOL_DOCUMENT, 1),
                    bundle = load_of (n, SPOOL_BUNDLE, 1);

  assert_int_equal (spool_sent (p->sp, TO, &doc, &p->err), 0);
  assert_int_equal (spool_sent (p->sp, TO, &bundle, &p->err), 0);
}

void
refused_whole (struct place *p, unsigned n, const char *why)
{
  struct spool_load doc = load_of (n, SPOOL_DOCUMENT, 1),
                    bundle = load_of (n, SPOOL_BUNDLE, 1);

  assert_int_equal (spool_sent (p->sp, TO, &doc, &p->err), 0);
  assert_int_equal (spool_park (p->sp, TO, &bundle, why, &p->err), 0);
}

struct spool_stats
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

struct spool_item
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

struct json_object *
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
