/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of guests when there is much of it: losing text, growing rings, many
 * consoles, one guest that is hostile beside others, one that is idle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/text-bed.h"

/* ---- a worker that lags ---- */

static void
test_room_for_one_that_lags (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct hubworld_seen seen;
  struct seen v;

  says (w, 0, BANNER);
  assert_true (heard (w, "guest.stage", 1));
  pthread_mutex_lock (&w->t->m);
  /* A large ring holds more than a second of it beyond that: this thread may
   * be kept from ending the noise in time. */
  assert_int_equal (fakecons_command (w->s.fake, "rate 0 150000"), 0);
  while (scene_sunk (&w->s, 0) < 60000)
    nap_ms (1);
  assert_int_equal (fakecons_command (w->s.fake, "rate 0 0"), 0);
  hubworld_see (&w->s.w, 0, &seen);
  assert_int_equal (seen.ring_bytes, RING_LARGE);
  pthread_mutex_unlock (&w->t->m);
  assert_true (read_beyond (w, 60000));
  see (w, &v);
  assert_int_equal (v.lost, 0);
  assert_int_equal (v.gaps, 0);
  seen_done (&v);
  end (w);
}

static void
test_no_room (void **state)
{
  const struct hub_limits limits = { .ring_total = RING_SMALL };
  struct world *w = begin (1, 0, &limits);
  struct seen v;

  says (w, 0, BANNER);
  assert_true (heard (w, "guest.stage", 1));
  pthread_mutex_lock (&w->t->m);
  assert_int_equal (fakecons_command (w->s.fake, "rate 0 1000000"), 0);
  /* The hub goes on. */
  while (scene_sunk (&w->s, 0) < 100000)
    nap_ms (1);
  assert_int_equal (fakecons_command (w->s.fake, "rate 0 0"), 0);
  pthread_mutex_unlock (&w->t->m);
  assert_true (read_beyond (w, 100000));
  see (w, &v);
  assert_in_range (v.lost, 80000, UINT64_MAX);
  assert_in_range (v.gaps, 1, 1000);
  assert_non_null (strstr (buf_str (&v.dump), " gaps="));
  seen_done (&v);
  end (w);
}

/* ---- many, coming and going ---- */

static void
test_many (void **state)
{
  struct world *w = begin (8, 20000, NULL);
  struct seen v;

  for (unsigned round = 0; round < 6; round++)
    {
      for (unsigned i = 0; i < 8; i++)
        guest (w, i, GUEST_GONE, 7, 0);
      see (w, &v);
      assert_int_equal (v.n, 0);
      seen_done (&v);
      for (unsigned i = 0; i < 8; i++)
        guest (w, i, GUEST_ADDED, 7 + round, 0);
      nap_ms (20);
      for (unsigned i = 0; i < 8; i++)
        ours (w, 'w');
    }
  assert_true (read_beyond (w, 50000));
  see (w, &v);
  assert_int_equal (v.n, 8);
  assert_int_equal (v.gaps, 0);
  assert_non_null (strstr (buf_str (&v.dump), "worker 1: consoles 4"));
  seen_done (&v);
  end (w);
}

/* A guest that said something once, and nothing since. */
static void
test_an_idle_console_is_small (void **state)
{
  struct world *w = begin (1, 0, NULL);
  struct seen v;
  size_t own = sizeof (struct text_source) + sizeof (struct text_guest)
               + sizeof (struct tap);

  says (w, 0,
        BANNER "[    1.000000] Run /init as init process\\r\\n"
               "Welcome to Debian\\r\\nweb login: ");
  assert_true (heard (w, "guest.stage", 1));
  assert_true (read_beyond (w, 129));
  nap_ms (400); /* the prompt has been given */
  for (uint64_t until = clock_ms () + WAIT_MS;; nap_ms (20))
    {
      see (w, &v);
      if (v.memory <= 4096 - own || clock_ms () > until)
        break;
      seen_done (&v);
    }
  print_message ("%zu bytes of ours, %zu of its reader\n", own, v.memory);
  assert_in_range (v.memory, 1, 4096 - own);
  seen_done (&v);
  end (w);
}

/* ---- other rules, while there is text of all kinds ---- */

static void
test_rules_come_and_go (void **state)
{
  struct world *w = begin (8, 20000, NULL);
  struct seen v;

  for (unsigned round = 0; round < 12; round++)
    {
      other_rules (w, pump_rules (round % 2 ? "odd" : "even"));
      for (unsigned i = 0; i < 8; i++)
        says (w, i,
              "[   99.000000] INFO: task x:99 blocked for more than 120 "
              "seconds.\\r\\n"
              "pump 3\\r\\n");
      guest (w, round % 8, GUEST_GONE, 7, 0);
      guest (w, round % 8, GUEST_ADDED, 8 + round, 0);
    }
  assert_true (read_beyond (w, 50000));
  see (w, &v);
  assert_int_equal (v.n, 8);
  assert_int_equal (v.gaps, 0);
  seen_done (&v);
  end (w);
}

/* ---- one that is hostile, beside others ---- */

#define TITLES 5000u
#define UNREAD_MOST (96u << 10) /* a large ring holds more */
#define FLOOD_EACH 20 /* titles in an order: all of them are others */

static unsigned
all_facts (struct world *w, const char *prefix, unsigned uuid)
{
  char of[UUID_TEXT];
  unsigned n = 0;
  LOCK_SCOPE (&w->m);

  hubworld_uuid (uuid, of, sizeof of);
  for (unsigned i = 0; i < w->nfacts; i++)
    n += strncmp (w->facts[i].name, prefix, strlen (prefix)) == 0
         && strcasecmp (w->facts[i].inc.uuid, of) == 0;
  return n;
}

static void
flood (struct world *w, unsigned *seed)
{
  char text[4000];
  size_t n = 0;

  for (unsigned i = 0; i < FLOOD_EACH; i++, ++*seed)
    n += (size_t) snprintf (
        text + n, sizeof text - n,
        *seed % 3 == 0   ? "[  9.0] WARNING: CPU: 0 PID: 9 at fs/z%u.c:1 "
                           "z%u+0x1/0x9\\r\\n"
        : *seed % 3 == 1 ? "[  9.0] BUG: unable to handle page fault for "
                           "address: %x%x\\r\\n"
                         : "[  9.0] INFO: task z%u:%u blocked for more than "
                           "120 seconds.\\r\\n",
        *seed, *seed);
  says (w, 0, text);
}

/* Another guest of the same worker: how long until its trouble is told. */
static uint64_t
latency (struct world *w, unsigned id, unsigned n)
{
  char line[160];
  uint64_t begun = clock_ms ();

  snprintf (line, sizeof line,
            "[  %u.000000] INFO: task neighbour%u:%u blocked for more than 120 "
            "seconds.\\r\\n",
            100 + n, n, 100 + n);
  says (w, id, line);
  while (clock_ms () - begun < WAIT_MS
         && all_facts (w, "kernel.trouble", id) < 1)
    nap_ms (1);
  return clock_ms () - begun;
}

static int
by_size (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

  return x < y ? -1 : x > y;
}

/* What the hub has of all of them and their readers have not. */
static uint64_t
unread (struct world *w)
{
  uint64_t sunk = 0, read = bytes_read (w);

  for (unsigned i = 0; i < 9; i++)
    sunk += scene_sunk (&w->s, i);
  return sunk > read ? sunk - read : 0;
}

/* As many as the reader takes, and two thousand of them a second at most.
 * How long others wait is judged by the one in the middle, and by how fast
 * this machine is: it may stand still, and have much else to do. */
static void
test_a_thousand_titles_a_second (void **state)
{
  struct world *w = begin (9, 0, NULL);
  uint64_t begun, took, slow, waited = 0, each[7];
  unsigned seed = 0, other = 2;
  struct seen v;

  for (unsigned i = 0; i < 9; i++)
    says (w, i, BANNER);
  assert_true (heard (w, "guest.stage", 9));
  begun = clock_ms ();
  while (seed < TITLES)
    {
      flood (w, &seed);
      /* Each of the others once. */
      if (other < 9 && seed > (other - 1) * TITLES / 10)
        {
          each[other - 2] = latency (w, other, other);
          waited += each[other - 2];
          other++;
        }
      while (seed / 2 > clock_ms () - begun)
        nap_ms (1);
      UNTIL (unread (w) < UNREAD_MOST);
    }
  took = clock_ms () - begun;
  UNTIL (unread (w) == 0);
  slow = took > waited + TITLES / 2 ? took - waited - TITLES / 2 : 0;
  assert_int_equal (other, 9);
  qsort (each, 7, sizeof each[0], by_size);
  print_message ("%u titles in %u ms, %u facts; another's within %u ms, half "
                 "of them within %u ms\n",
                 seed, (unsigned) took, all_facts (w, "kernel.", 0),
                 (unsigned) each[6], (unsigned) each[3]);
  assert_in_range (each[3], 0, 500 + slow);
  assert_in_range (each[6], 0, WAIT_MS - 1); /* told at all */
  /* Each fact of an event is one of three or four. */
  took = clock_ms () - begun;
  assert_in_range (all_facts (w, "kernel.trouble", 0), 1,
                   SAID_BURST + took / SAID_REFILL_MS + 2 * SAID_KINDS);
  see (w, &v);
  assert_int_equal (v.lost, 0);
  assert_in_range (v.memory, 1, 9 * (256u << 10));
  assert_in_range (w->t->event_bytes, 1, EVENTS_MAX * EVENT_BYTES + 8 * 4096);
  assert_in_range (v.events, seed / 2, UINT32_MAX); /* counted all the same */
  seen_done (&v);
  end (w);
}

#define T(fn) cmocka_unit_test (fn)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_room_for_one_that_lags),
    T (test_no_room),
    T (test_many),
    T (test_an_idle_console_is_small),
    T (test_rules_come_and_go),
    T (test_a_thousand_titles_a_second),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
