/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts: order, gaps, subscribers that come and go while they are called,
 * publishers in many threads, the table of the latest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/json.h"
#include "base/loop.h"

static const struct incarnation guest_a
    = { "11111111-2222-3333-4444-555555555555", 100, 4711, 2 };
static const struct incarnation guest_b
    = { "99999999-2222-3333-4444-555555555555", 200, 4712, 0 };

struct bed
{
  struct loop *loop;
  struct fact_bus *bus;
};

static struct bed
bed (size_t max)
{
  struct bed b = { .loop = NULL };
  struct error err = ERROR_INIT;

  assert_int_equal (loop_new_fake (&b.loop, &err), 0);
  assert_int_equal (fact_bus_new (b.loop, max, &b.bus, &err), 0);
  return b;
}

static void
unmake (struct bed *b)
{
  fact_bus_free (b->bus);
  loop_free (b->loop);
}

static void
turn (struct bed *b)
{
  struct error err = ERROR_INIT;

  assert_int_equal (loop_round (b->loop, 0, &err), 0);
}

static void
say (struct bed *b, const struct incarnation *inc, const char *name, int64_t v)
{
  struct fact f;

  fact_int (&f, inc, name, "test", v);
  fact_publish (b->bus, &f);
}

struct heard
{
  struct bed *bed;
  char text[512];
  struct fact_sub *sub, *drop, *added;
  bool add, echo;
  unsigned count;
};

static void
hear (const struct fact *f, void *arg)
{
  struct heard *h = arg;
  size_t n = strlen (h->text);
  struct error err = ERROR_INIT;

  h->count++;
  snprintf (h->text + n, sizeof h->text - n, "%s%.1s=%lld ", f->name,
            f->inc.uuid, (long long) f->i);
  if (h->drop)
    {
      fact_unsubscribe (h->drop);
      h->drop = NULL;
    }
  if (h->add)
    {
      h->add = false;
      assert_int_equal (fact_subscribe (h->bed->bus, "added", "", hear,
                                        (struct heard *) arg + 1, &h->added,
                                        &err),
                        0);
    }
  if (h->echo)
    {
      h->echo = false;
      say (h->bed, &guest_b, "echo", 1);
    }
}

static void
listen_to (struct bed *b, struct heard *h, const char *prefix)
{
  struct error err = ERROR_INIT;

  h->bed = b;
  assert_int_equal (
      fact_subscribe (b->bus, "hear", prefix, hear, h, &h->sub, &err), 0);
}

static void
test_order_and_prefix (void **state)
{
  struct bed b = bed (16);
  struct heard all = { .count = 0 }, probes = { .count = 0 };

  listen_to (&b, &all, "");
  listen_to (&b, &probes, "probe.");
  say (&b, &guest_a, "vmm.status", 1);
  say (&b, &guest_a, "probe.ssh", 2);
  say (&b, &guest_b, "probe", 3);
  say (&b, NULL, "host.psi", 4);
  assert_string_equal (all.text, "");
  turn (&b);
  assert_string_equal (all.text,
                       "vmm.status1=1 probe.ssh1=2 probe9=3 host.psi=4 ");
  assert_string_equal (probes.text, "probe.ssh1=2 ");
  fact_unsubscribe (probes.sub);
  fact_unsubscribe (NULL);
  unmake (&b);
}

/* What does not fit is counted, per guest, and told before the next fact of
 * that guest that does. */
static void
test_gap (void **state)
{
  struct bed b = bed (3);
  struct heard all = { .count = 0 };

  listen_to (&b, &all, "");
  for (int i = 1; i <= 5; i++)
    say (&b, &guest_a, "a", i);
  say (&b, &guest_b, "b", 1);
  assert_int_equal (fact_bus_dropped (b.bus), 3);
  turn (&b);
  assert_string_equal (all.text, "a1=1 a1=2 a1=3 ");
  all.text[0] = '\0';
  say (&b, &guest_a, "a", 6);
  say (&b, &guest_b, "b", 2); /* one free slot, two needed: lost, too */
  turn (&b);
  assert_string_equal (all.text, "fact.gap1=2 a1=6 ");
  all.text[0] = '\0';
  say (&b, &guest_b, "b", 3);
  turn (&b);
  assert_string_equal (all.text, "fact.gap9=2 b9=3 ");
  all.text[0] = '\0';
  say (&b, &guest_b, "b", 4);
  say (&b, &guest_a, "a", 7);
  turn (&b);
  assert_string_equal (all.text, "b9=4 a1=7 ");
  assert_int_equal (fact_bus_dropped (b.bus), 4);
  unmake (&b);
}

/* More guests than the table of gaps holds: their losses are the host's. */
static void
test_gap_of_many (void **state)
{
  struct bed b = bed (4);
  struct heard all = { .count = 0 };
  struct incarnation inc = guest_a;

  listen_to (&b, &all, "fact.gap");
  for (int i = 0; i < 4; i++)
    say (&b, NULL, "x", 0);
  for (int i = 0; i < 200; i++)
    {
      snprintf (inc.uuid, sizeof inc.uuid, "%08d", i);
      say (&b, &inc, "x", i);
    }
  assert_int_equal (fact_bus_dropped (b.bus), 200);
  turn (&b);
  say (&b, &guest_b, "x", 1);
  turn (&b);
  assert_string_equal (all.text, "fact.gap=136 ");
  unmake (&b);
}

static void
test_change_while_called (void **state)
{
  struct bed b = bed (16);
  struct heard one[2] = { { .count = 0 } }, two = { .count = 0 },
               three = { .count = 0 };

  listen_to (&b, &one[0], "");
  listen_to (&b, &two, "");
  listen_to (&b, &three, "");
  one[0].drop = three.sub; /* has not been called yet */
  one[0].add = true;
  one[0].echo = true;
  two.drop = two.sub;
  say (&b, &guest_a, "a", 1);
  say (&b, &guest_a, "a", 2);
  turn (&b);
  assert_string_equal (one[0].text, "a1=1 a1=2 ");
  assert_string_equal (one[1].text, "a1=2 "); /* added during the first */
  assert_string_equal (two.text, "a1=1 ");
  assert_string_equal (three.text, "");
  turn (&b);
  assert_string_equal (one[0].text, "a1=1 a1=2 echo9=1 ");
  unmake (&b);
}

/* ---- threads ---- */

enum { THREADS = 4, EACH = 2000 };

struct speaker
{
  struct fact_bus *bus;
  pthread_t thread;
  struct incarnation inc;
};

static void *
speak (void *arg)
{
  struct speaker *s = arg;
  struct fact f;

  for (int64_t i = 1; i <= EACH; i++)
    {
      fact_int (&f, &s->inc, "n", "thread", i);
      fact_publish (s->bus, &f);
    }
  return NULL;
}

struct tally
{
  int64_t last[THREADS], got, lost;
};

static void
count (const struct fact *f, void *arg)
{
  struct tally *t = arg;
  int who = f->inc.uuid[0] - '0';

  if (strcmp (f->name, "fact.gap") == 0)
    {
      t->lost += f->i;
      t->last[who] += f->i; /* exactly these are missing */
      return;
    }
  assert_int_equal (f->i, t->last[who] + 1);
  t->last[who] = f->i;
  t->got++;
}

/* Per publisher nothing is out of order, nothing is missing untold. */
static void
test_threads (void **state)
{
  struct bed b = bed (64);
  struct speaker s[THREADS];
  struct tally t = { .got = 0 };
  struct fact_sub *sub = NULL;
  struct error err = ERROR_INIT;

  assert_int_equal (fact_subscribe (b.bus, "count", "", count, &t, &sub, &err),
                    0);
  for (int i = 0; i < THREADS; i++)
    {
      s[i] = (struct speaker){ .bus = b.bus };
      s[i].inc.uuid[0] = (char) ('0' + i);
      assert_int_equal (pthread_create (&s[i].thread, NULL, speak, &s[i]), 0);
    }
  for (int i = 0; i < 2000; i++)
    turn (&b);
  for (int i = 0; i < THREADS; i++)
    pthread_join (s[i].thread, NULL);
  turn (&b);
  for (int i = 0; i < THREADS; i++)
    {
      /* One that fits brings out the gap before it. */
      struct fact f;

      fact_int (&f, &s[i].inc, "n", "test", EACH + 1);
      fact_publish (b.bus, &f);
      turn (&b);
      assert_int_equal (t.last[i], EACH + 1);
    }
  assert_int_equal (t.got + t.lost, THREADS * (EACH + 1));
  assert_int_equal (t.lost, fact_bus_dropped (b.bus));
  unmake (&b);
}

/* ---- one fact ---- */

static void
test_text_is_cut (void **state)
{
  char text[2 * FACT_TEXT_MAX];
  struct fact f;

  /* An umlaut across the cut is not halved. */
  memset (text, 'x', sizeof text);
  memcpy (text + FACT_TEXT_MAX - 2, "\xc3\xa4", 2);
  fact_text (&f, &guest_a, "t", "test", text, sizeof text);
  assert_int_equal (strlen (f.text), FACT_TEXT_MAX - 2);
  /* A NUL hides nothing. */
  fact_text (&f, &guest_a, "t", "test", "a\0b", 3);
  assert_string_equal (f.text, "a b");
  fact_text (&f, &guest_a, "t", "test", "", 0);
  assert_string_equal (f.text, "");
  /* Names too long are cut, too. */
  text[sizeof text - 1] = '\0';
  fact_text (&f, NULL, text, text, "v", 1);
  assert_int_equal (strlen (f.name), FACT_NAME_MAX - 1);
  assert_int_equal (strlen (f.source), sizeof f.source - 1);
  assert_string_equal (f.inc.uuid, "");
}

static void
test_json (void **state)
{
  struct fact f;
  char inc[96];

  incarnation_format (inc, sizeof inc, &guest_a);
  assert_string_equal (inc, "11111111-2222-3333-4444-555555555555/100/4711/2");
  assert_true (incarnation_equal (&guest_a, &guest_a));
  assert_false (incarnation_equal (&guest_a, &guest_b));
  fact_text (&f, &guest_a, "t", "test", "\x1b[2J\xff", 5);
  {
    CLEANUP_JSON struct json_object *o = fact_to_json (&f);

    assert_string_equal (json_get_str (o, "incarnation"), inc);
    assert_null (json_get (o, "kernel_us"));
    assert_null (strchr (json_get_str (o, "value"), '\x1b'));
    assert_non_null (strstr (json_get_str (o, "value"), "[2J"));
  }
  fact_real (&f, NULL, "r", "test", NAN);
  {
    CLEANUP_JSON struct json_object *o = fact_to_json (&f);

    assert_null (json_get (o, "value"));
    assert_null (json_get (o, "incarnation"));
  }
  fact_bool (&f, NULL, "b", "test", true);
  {
    CLEANUP_JSON struct json_object *o = fact_to_json (&f);

    assert_true (json_get_bool (o, "value", false));
  }
  fact_int (&f, NULL, "i", "test", INT64_MIN);
  f.kernel_us = 71000001;
  {
    CLEANUP_JSON struct json_object *o = fact_to_json (&f);

    assert_true (json_get_int (o, "value", 0) == INT64_MIN);
    assert_int_equal (json_get_int (o, "kernel_us", 0), 71000001);
    assert_string_equal (json_get_str (o, "source"), "test");
  }
}

/* ---- the table ---- */

static void
append_name (const struct fact *f, void *arg)
{
  char *text = arg;
  size_t n = strlen (text);

  snprintf (text + n, 64 - n, "%s", f->name);
}

/* What is told of in dozens does not push out what is only said when it
 * changes, however long ago that was. */
static void
test_table_families (void **state)
{
  struct bed b = bed (256);
  struct fact_table *t = NULL;
  struct error err = ERROR_INIT;
  char name[32];
  struct fact f;

  assert_int_equal (fact_table_new (b.bus, 8, &t, &err), 0);
  say (&b, &guest_a, "guest.intent", 1);
  say (&b, &guest_a, "vcpu-count", 1);
  say (&b, &guest_a, "vmm.status", 1);
  for (int i = 0; i < 64; i++)
    {
      snprintf (name, sizeof name, "vcpu.%d.share", i);
      fact_int (&f, &guest_a, name, "test", i);
      f.time_ms = clock_ms () + 10 + (uint64_t) i;
      fact_publish (b.bus, &f);
    }
  turn (&b);
  assert_non_null (fact_latest (t, guest_a.uuid, "guest.intent"));
  assert_non_null (fact_latest (t, guest_a.uuid, "vcpu-count"));
  assert_non_null (fact_latest (t, guest_a.uuid, "vmm.status"));
  assert_null (fact_latest (t, guest_a.uuid, "vcpu.0.share"));
  for (int i = 59; i < 64; i++)
    {
      snprintf (name, sizeof name, "vcpu.%d.share", i);
      assert_int_equal (fact_latest (t, guest_a.uuid, name)->i, i);
    }
  fact_table_free (t);
  unmake (&b);
}

static void
append_source (const struct fact *f, void *arg)
{
  char *all = arg;
  size_t n = strlen (all);

  snprintf (all + n, 64 - n, "%s%s%lld ", f->name, f->source,
            (long long) f->i);
}

/* Several say the same: each keeps its word, and the last is the latest. */
static void
test_sources (void **state)
{
  struct bed b = bed (64);
  struct fact_table *t = NULL;
  static const struct
  {
    const char *name, *source;
    int64_t value;
  } said[] = { { "b", "zoo", 1 }, { "b", "acpi", 2 }, { "a", "zoo", 3 },
               { "b", "memory", 4 }, { "bb", "acpi", 5 }, { "b", "zoo", 6 },
               { "b", "acpi", 7 } };
  static const int64_t latest[] = { 1, 2, 2, 4, 4, 6, 7 };
  struct fact f;
  char all[64] = "";

  assert_int_equal (fact_table_new (b.bus, 8, &t, NULL), 0);
  for (unsigned i = 0; i < ARRAY_LEN (said); i++)
    {
      fact_int (&f, &guest_a, said[i].name, said[i].source, said[i].value);
      f.time_ms = 7; /* the clock does not tell them apart */
      fact_publish (b.bus, &f);
      turn (&b);
      assert_int_equal (fact_latest (t, guest_a.uuid, "b")->i, latest[i]);
    }
  assert_string_equal (fact_latest (t, guest_a.uuid, "b")->source, "acpi");
  assert_int_equal (fact_latest (t, guest_a.uuid, "bb")->i, 5);
  assert_null (fact_latest (t, guest_a.uuid, "c"));
  assert_null (fact_latest (t, guest_a.uuid, ""));
  fact_each (t, guest_a.uuid, append_source, all);
  assert_string_equal (all, "azoo3 bmemory4 bzoo6 bacpi7 bbacpi5 ");
  fact_table_free (t);
  unmake (&b);
}

static void
test_table (void **state)
{
  struct bed b = bed (64);
  struct fact_table *t = NULL;
  struct error err = ERROR_INIT;
  char names[64] = "";
  struct fact f;

  assert_int_equal (fact_table_new (b.bus, 3, &t, &err), 0);
  assert_null (fact_latest (t, guest_a.uuid, "a"));
  say (&b, &guest_b, "c", 1);
  say (&b, &guest_a, "b", 1);
  say (&b, &guest_a, "a", 1);
  say (&b, &guest_a, "b", 2);
  say (&b, NULL, "a", 7);
  turn (&b);
  assert_int_equal (fact_latest (t, guest_a.uuid, "b")->i, 2);
  assert_int_equal (fact_latest (t, guest_a.uuid, "a")->i, 1);
  assert_int_equal (fact_latest (t, "", "a")->i, 7);
  assert_int_equal (fact_latest (t, guest_b.uuid, "c")->i, 1);
  assert_null (fact_latest (t, guest_b.uuid, "a"));
  /* A fourth name: the one silent for the longest time goes. */
  fact_int (&f, &guest_a, "b", "test", 3);
  f.time_ms = clock_ms () + 10;
  fact_publish (b.bus, &f);
  fact_int (&f, &guest_a, "d", "test", 1);
  f.time_ms = clock_ms () + 11;
  fact_publish (b.bus, &f);
  fact_int (&f, &guest_a, "c", "test", 1);
  f.time_ms = clock_ms () + 12;
  fact_publish (b.bus, &f);
  turn (&b);
  fact_each (t, guest_a.uuid, append_name, names);
  assert_string_equal (names, "bcd");
  assert_int_equal (fact_latest (t, guest_a.uuid, "b")->i, 3);
  fact_forget (t, guest_a.uuid);
  fact_forget (t, "nobody");
  assert_null (fact_latest (t, guest_a.uuid, "b"));
  assert_int_equal (fact_latest (t, guest_b.uuid, "c")->i, 1);
  names[0] = '\0';
  fact_each (t, guest_a.uuid, append_name, names);
  assert_string_equal (names, "");
  fact_table_free (t);
  fact_table_free (NULL);
  unmake (&b);
}

/* Many guests in no order. */
static void
test_table_of_many (void **state)
{
  enum { GUESTS = 300 };
  struct bed b = bed (64);
  struct fact_table *t = NULL;
  struct error err = ERROR_INIT;
  struct incarnation inc = guest_a;

  assert_int_equal (fact_table_new (b.bus, 8, &t, &err), 0);
  for (unsigned i = 0; i < GUESTS; i++)
    {
      unsigned k = i * 7919 % GUESTS;

      snprintf (inc.uuid, sizeof inc.uuid, "guest-%u", k);
      say (&b, &inc, "k", k);
      if (i % 32 == 31)
        turn (&b);
    }
  turn (&b);
  for (unsigned k = 0; k < GUESTS; k++)
    {
      snprintf (inc.uuid, sizeof inc.uuid, "guest-%u", k);
      assert_non_null (fact_latest (t, inc.uuid, "k"));
      assert_int_equal (fact_latest (t, inc.uuid, "k")->i, k);
      if (k % 3 == 0)
        fact_forget (t, inc.uuid);
    }
  for (unsigned k = 0; k < GUESTS; k++)
    {
      snprintf (inc.uuid, sizeof inc.uuid, "guest-%u", k);
      assert_int_equal (!fact_latest (t, inc.uuid, "k"), k % 3 == 0);
    }
  fact_table_free (t);
  unmake (&b);
}

static void
test_errors (void **state)
{
  struct bed b = bed (4);
  struct fact_bus *bus = NULL;
  struct fact_table *t = NULL;
  struct fact_sub *sub = NULL;
  struct error err = ERROR_INIT;
  char prefix[FACT_NAME_MAX + 1];

  memset (prefix, 'x', sizeof prefix);
  prefix[FACT_NAME_MAX] = '\0';
  assert_int_equal (fact_bus_new (b.loop, 1, &bus, &err), -EINVAL);
  assert_int_equal (
      fact_subscribe (b.bus, "long", prefix, hear, NULL, &sub, &err),
      -EINVAL);
  assert_int_equal (fact_table_new (b.bus, 0, &t, &err), -EINVAL);
  assert_null (bus);
  fact_bus_free (NULL);
  unmake (&b);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_order_and_prefix),
    cmocka_unit_test (test_gap),
    cmocka_unit_test (test_gap_of_many),
    cmocka_unit_test (test_change_while_called),
    cmocka_unit_test (test_threads),
    cmocka_unit_test (test_text_is_cut),
    cmocka_unit_test (test_json),
    cmocka_unit_test (test_sources),
    cmocka_unit_test (test_table),
    cmocka_unit_test (test_table_families),
    cmocka_unit_test (test_table_of_many),
    cmocka_unit_test (test_errors),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
