/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said of a guest's text, and how often: repeats, rations, the list for
 * a bundle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/text-bed.h"

/* ---- what is told how often, with the hands of the clock turned ---- */

struct unit
{
  struct loop *loop;
  struct world w; /* its facts */
  struct texts t;
  struct text_guest g;
  struct text_source s;
  struct text_worker *worker;
};

static struct unit *
unit (void)
{
  struct unit *u = calloc (1, sizeof *u);

  assert_non_null (u);
  u->worker = calloc (1, sizeof *u->worker);
  assert_non_null (u->worker);
  assert_int_equal (loop_new_fake (&u->loop, NULL), 0);
  pthread_mutex_init (&u->w.m, NULL);
  pthread_mutex_init (&u->t.m, NULL);
  assert_int_equal (fact_bus_new (u->loop, 4096, &u->t.bus, NULL), 0);
  assert_int_equal (
      fact_subscribe (u->t.bus, "test", "", on_fact, &u->w, &u->w.sub, NULL),
      0);
  u->s.all = &u->t;
  u->s.guest = &u->g;
  u->s.serial = 1;
  snprintf (u->s.console, sizeof u->s.console, "serial0");
  return u;
}

static void
unit_done (struct unit *u)
{
  text_trouble_free_ (&u->t, &u->g);
  assert_int_equal (u->t.event_bytes, 0);
  fact_bus_free (u->t.bus);
  loop_free (u->loop);
  free (u->worker);
  free (u);
}

static void
happens_as (struct unit *u, uint64_t id, const char *kind, const char *title,
            bool whole, const char *signature)
{
  struct text_event e = { .id = id,
                          .kind = text_kind_find (kind)->name,
                          .rule = "r",
                          .severity = SEVERITY_ERROR,
                          .first_line = id,
                          .last_line = id,
                          .stamp_us = (int64_t) id * 1000000,
                          .cpu = -1,
                          .pid = -1,
                          .seconds = -1 };

  snprintf (e.title, sizeof e.title, "%s", title);
  snprintf (e.signature, sizeof e.signature, "%s", signature);
  if (whole)
    text_say_event_ (u->worker, &u->s, &e);
  else
    text_say_suspect_ (u->worker, &u->s, &e);
  assert_int_equal (loop_round (u->loop, 0, NULL), 0);
}

static void
happens (struct unit *u, uint64_t id, const char *kind, const char *title,
         bool whole)
{
  happens_as (u, id, kind, title, whole, "");
}

static void
test_repeats (void **state)
{
  struct unit *u = unit ();
  uint64_t now = clock_ms (), due;

  happens (u, 1, "hung_task", "task hung: a", false);
  assert_int_equal (count (&u->w, "kernel.trouble.hung_task"), 1);
  /* The same with a better title is told, with the same one not. */
  happens (u, 1, "hung_task", "task hung in f", true);
  happens (u, 1, "hung_task", "task hung in f", true);
  assert_int_equal (count (&u->w, "kernel.trouble.hung_task"), 2);
  assert_string_equal (last (&u->w, "kernel.event.hung_task").text,
                       "task hung in f");
  for (uint64_t id = 2; id < 40; id++)
    happens (u, id, "hung_task", "task hung: b", false);
  assert_int_equal (count (&u->w, "kernel.trouble.hung_task"), 2);
  due = text_say_due_ (&u->s, now);
  assert_in_range (due, now + 1, clock_ms () + SAID_AGAIN_MS);
  assert_int_equal (text_say_due_ (&u->s, due), CLOCK_NEVER);
  assert_int_equal (loop_round (u->loop, 0, NULL), 0);
  assert_int_equal (count (&u->w, "kernel.trouble.hung_task"), 3);
  assert_string_equal (last (&u->w, "kernel.event.hung_task").text,
                       "task hung: b");
  assert_int_equal (last (&u->w, "kernel.event.hung_task").more, 37);
  /* When the latest of them was, whenever it is said. */
  assert_int_equal (last (&u->w, "kernel.event.hung_task").kernel_us,
                    39000000);
  unit_done (u);
}

static void
test_rations (void **state)
{
  struct unit *u = unit ();
  uint64_t began = clock_ms ();
  unsigned n = 0, kinds = 0, more;

  while (text_kinds[kinds].name)
    kinds++;
  /* One kind after another, so that none is a repeat. */
  for (uint64_t id = 1; id < 3000; id++)
    happens (u, id, text_kinds[id % kinds].name, "x", false);
  for (unsigned i = 0; i < kinds; i++)
    {
      char name[FACT_NAME_MAX];

      snprintf (name, sizeof name, "kernel.event.%s", text_kinds[i].name);
      n += count (&u->w, name);
    }
  /* One more for each bit of time that this took. */
  more = 10 + (unsigned) ((clock_ms () - began) / SAID_REFILL_MS);
  assert_in_range (n, kinds < SAID_BURST ? kinds : SAID_BURST,
                   SAID_BURST + more);
  assert_in_range (u->t.facts_held, 2910 - more, 2999);
  /* One of each is in the list, and then they are only more of the same. */
  assert_int_equal (u->g.trouble->nkept, EVENTS_MAX);
  unit_done (u);
}

static void
test_the_list (void **state)
{
  struct buf out CLEANUP_BUF = BUF_INIT (1 << 20);
  struct unit *u = unit ();
  char title[40];
  unsigned lines = 0;

  for (uint64_t id = 1; id <= 40; id++)
    {
      snprintf (title, sizeof title, "number %u.", (unsigned) id);
      happens (u, id, "hung_task", title, false);
      if (id % 2)
        happens (u, id, "hung_task", title, true);
    }
  snprintf (u->g.uuid, sizeof u->g.uuid, "x");
  for (unsigned i = 0; i < TEXT_BUCKETS; i++)
    u->t.buckets[i] = &u->g;
  texts_events (&u->t, "x", &out);
  for (const char *p = buf_str (&out); (p = strchr (p, '\n')); p++)
    lines++;
  assert_int_equal (lines, EVENTS_MAX);
  assert_non_null (strstr (buf_str (&out), "number 1."));
  assert_non_null (strstr (buf_str (&out), "number 4."));
  assert_null (strstr (buf_str (&out), "number 5."));
  assert_null (strstr (buf_str (&out), "number 28."));
  assert_non_null (strstr (buf_str (&out), "number 29."));
  assert_true (strstr (buf_str (&out), "number 29.")
               < strstr (buf_str (&out), "number 40."));
  assert_non_null (strstr (buf_str (&out), "\"whole\":true"));
  unit_done (u);
}

static unsigned
listed (struct unit *u, struct buf *out)
{
  unsigned lines = 0;

  snprintf (u->g.uuid, sizeof u->g.uuid, "x");
  for (unsigned i = 0; i < TEXT_BUCKETS; i++)
    u->t.buckets[i] = &u->g;
  out->len = 0;
  texts_events (&u->t, "x", out);
  for (const char *p = buf_str (out); (p = strchr (p, '\n')); p++)
    lines++;
  return lines;
}

/* Ten thousand times the same does not push out what else there was. */
static void
test_the_same_again (void **state)
{
  struct buf out CLEANUP_BUF = BUF_INIT (1 << 20);
  struct unit *u = unit ();

  for (uint64_t id = 1; id <= 20; id++)
    {
      char title[40];

      snprintf (title, sizeof title, "number %u.", (unsigned) id);
      happens_as (u, id, "warning", title, false, "");
      happens_as (u, id, "warning", title, true, title);
    }
  assert_int_equal (listed (u, &out), EVENTS_MAX);
  for (uint64_t id = 100; id < 10100; id++)
    {
      happens_as (u, id, "rcu_stall", "rcu stall", false, "");
      happens_as (u, id, "rcu_stall", "rcu stall in f", true, "abc");
    }
  assert_int_equal (listed (u, &out), EVENTS_MAX);
  assert_non_null (strstr (buf_str (&out), ",\"count\":10000,\"last_time\":"));
  assert_non_null (strstr (buf_str (&out), "number 1."));
  assert_non_null (strstr (buf_str (&out), "number 10."));
  /* The same head, and another report. */
  happens_as (u, 20000, "rcu_stall", "rcu stall", false, "");
  happens_as (u, 20000, "rcu_stall", "rcu stall in g", true, "def");
  assert_int_equal (listed (u, &out), EVENTS_MAX);
  assert_non_null (strstr (buf_str (&out), "rcu stall in f"));
  assert_non_null (strstr (buf_str (&out), "rcu stall in g"));
  /* Two heads that turn out to be the same. */
  happens_as (u, 20001, "rcu_stall", "another head", false, "");
  happens_as (u, 20001, "rcu_stall", "rcu stall in g", true, "def");
  assert_int_equal (listed (u, &out), EVENTS_MAX - 1);
  assert_non_null (strstr (buf_str (&out), ",\"count\":2,"));
  happens_as (u, 20002, "rcu_stall", "the next", false, "");
  assert_int_equal (listed (u, &out), EVENTS_MAX);
  assert_non_null (strstr (buf_str (&out), "rcu stall in f"));
  unit_done (u);
}

#define T(fn) cmocka_unit_test (fn)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_repeats),
    T (test_rations),
    T (test_the_list),
    T (test_the_same_again),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
