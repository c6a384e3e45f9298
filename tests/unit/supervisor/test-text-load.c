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
  assert_int_equal (fakecons_command (w->s.fake, "rate 0 1000000"), 0);
  while (scene_sunk (&w->s, 0) < 100000)
    nap_ms (1);
  hubworld_see (&w->s.w, 0, &seen);
  assert_int_equal (seen.ring_bytes, RING_LARGE);
  assert_int_equal (fakecons_command (w->s.fake, "rate 0 0"), 0);
  pthread_mutex_unlock (&w->t->m);
  assert_true (read_beyond (w, 100000));
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
  see (w, &v);
  print_message ("%zu bytes of ours, %zu of its reader\n", own, v.memory);
  assert_in_range (v.memory, 1, 4096 - own);
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
  };

  signal (SIGPIPE, SIG_IGN); /* of the fakes, when they are let go of */
  return cmocka_run_group_tests (tests, NULL, NULL);
}
