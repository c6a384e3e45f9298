/* SPDX-License-Identifier: Apache-2.0
 *
 * Boots that nobody tells of: what counts as one, and what does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "supervisor/watch/boots.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define A "aaaaaaaa-2222-4333-8444-555555555555"

struct world
{
  struct loop *loop;
  struct guest_registry *reg;
  struct boots *boots;
  unsigned confirmed, denied, by_text;
};

static void
on_guest (enum guest_change change, const struct guest *was,
          const struct guest *now, void *arg)
{
  struct world *w = arg;

  boots_guest (w->boots, change, was, now);
  if (change == GUEST_REBOOTED)
    w->by_text += boot_is_suspected (now->boot_by);
  else if (change == GUEST_CHANGED && boot_is_suspected (was->boot_by))
    *(now->boot_by != BOOT_BY_NOBODY ? &w->confirmed : &w->denied) += 1;
}

static void
appear (struct world *w, uint64_t start_time)
{
  struct guest *g = guest_new ();

  guest_copy (g->inc.uuid, sizeof g->inc.uuid, A);
  g->inc.pid = 7;
  g->inc.start_time = start_time;
  guest_copy (g->name, sizeof g->name, "web");
  guest_copy (g->source, sizeof g->source, "rundir");
  g->run = GUEST_RUNNING;
  registry_update (w->reg, g);
}

static int
setup (void **state)
{
  struct world *w = calloc (1, sizeof *w);

  assert_int_equal (loop_new_fake (&w->loop, NULL), 0);
  assert_int_equal (registry_new (w->loop, NULL, &w->reg, NULL), 0);
  assert_int_equal (boots_new (w->loop, w->reg, &w->boots, NULL), 0);
  assert_int_equal (registry_listen (w->reg, on_guest, NULL, w, NULL), 0);
  /* Nothing here is at the clock's beginning, where 0 means never. */
  loop_advance (w->loop, 1000000);
  appear (w, 0);
  *state = w;
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;

  registry_free (w->reg);
  boots_free (w->boots);
  loop_free (w->loop);
  free (w);
  return 0;
}

static struct incarnation
now (struct world *w)
{
  const struct guest *g CLEANUP_GUEST = NULL;

  assert_int_equal (registry_find (w->reg, A, &g, NULL), 0);
  return g->inc;
}

static void
shows_boot (struct world *w)
{
  boots_text (w->boots, A);
}

static bool
answered (struct world *w, double s)
{
  const struct incarnation inc = now (w);
  const struct uptime up = { s, 0.01 };

  return boots_answered (w->boots, &inc, loop_now (w->loop), &up);
}

static void
test_uptime (void **state)
{
  struct world *w = *state;
  struct incarnation old;

  assert_false (answered (w, 500));
  loop_advance (w->loop, 30000);
  assert_false (answered (w, 500)); /* it was paused all the time */
  assert_false (answered (w, 530));
  old = now (w);
  assert_true (answered (w, 3));
  assert_int_equal (now (w).boot, 1);
  assert_false (answered (w, 33));
  /* A late answer of the old life says nothing of the new one. */
  assert_false (
      boots_answered (w->boots, &old, 0, &(struct uptime){ 1, 0.01 }));
  assert_int_equal (now (w).boot, 1);
  assert_true (answered (w, 4)); /* and again, at once */
  assert_int_equal (now (w).boot, 2);
}

static void
test_other_process (void **state)
{
  struct world *w = *state;

  assert_false (answered (w, 500));
  appear (w, 100);
  assert_int_equal (now (w).boot, 0);
  assert_false (answered (w, 5));
  assert_int_equal (now (w).boot, 0);
}

static void
test_text (void **state)
{
  struct world *w = *state;

  shows_boot (w);
  assert_int_equal (now (w).boot, 0);
  loop_advance (w->loop, 2999);
  assert_int_equal (now (w).boot, 0);
  loop_advance (w->loop, 1);
  assert_int_equal (now (w).boot, 1);
  /* The second console of the same boot. */
  loop_advance (w->loop, 20000);
  shows_boot (w);
  loop_advance (w->loop, 5000);
  assert_int_equal (now (w).boot, 1);
}

/* One boot, seen by banner and by uptime, either first. */
static void
test_both (void **state)
{
  struct world *w = *state;

  assert_false (answered (w, 500));
  shows_boot (w);
  loop_advance (w->loop, 3000);
  assert_int_equal (now (w).boot, 1);
  assert_false (answered (w, 4));
  assert_int_equal (now (w).boot, 1);
  loop_advance (w->loop, 300000);
  assert_false (answered (w, 304));
  assert_true (answered (w, 2));
  assert_int_equal (now (w).boot, 2);
  shows_boot (w);
  loop_advance (w->loop, 10000);
  assert_int_equal (now (w).boot, 2);
}

/* What was its kernel is gone from its memory: at once, and once, whoever else
 * tells of that boot. */
static void
test_memory (void **state)
{
  struct world *w = *state;
  struct incarnation old = now (w), new;

  assert_false (answered (w, 500));
  boots_memory (w->boots, &old);
  new = now (w);
  assert_int_equal (new.boot, 1);
  assert_int_equal (w->by_text, 1);
  /* A look at the life before, the next kernel in its place, its text. */
  boots_memory (w->boots, &old);
  loop_advance (w->loop, 20000);
  boots_memory (w->boots, &new);
  assert_int_equal (w->confirmed, 0);
  shows_boot (w);
  loop_advance (w->loop, 5000);
  assert_int_equal (now (w).boot, 1);
  /* Two that do not know of each other: nobody has to be asked. */
  assert_int_equal (w->confirmed, 1);
  assert_false (answered (w, 25));
  assert_int_equal (w->confirmed, 1);
  loop_advance (w->loop, 61000);
  new = now (w);
  boots_memory (w->boots, &new);
  assert_int_equal (now (w).boot, 2);
  /* A loop of boots, in which nothing answers. */
  for (unsigned i = 0; i < 20; i++)
    {
      loop_advance (w->loop, 61000);
      new = now (w);
      boots_memory (w->boots, &new);
    }
  assert_int_equal (now (w).boot, 2);
}

/* Either first; and not what turns out to be an old log, nor a banner of long
 * after. */
static void
test_memory_and_text (void **state)
{
  struct world *w = *state;
  struct incarnation inc = now (w);

  assert_false (answered (w, 500));
  shows_boot (w);
  loop_advance (w->loop, 1000);
  boots_memory (w->boots, &inc);
  assert_int_equal (now (w).boot, 1);
  assert_int_equal (w->confirmed, 0);
  loop_advance (w->loop, 2000);
  assert_int_equal (w->confirmed, 1);
  assert_int_equal (now (w).boot, 1);

  loop_advance (w->loop, 300000);
  assert_false (answered (w, 303));
  inc = now (w);
  boots_memory (w->boots, &inc);
  assert_int_equal (now (w).boot, 2);
  shows_boot (w);
  loop_advance (w->loop, 1000);
  boots_replay (w->boots, A);
  loop_advance (w->loop, 89000);
  assert_int_equal (w->confirmed, 1);
  shows_boot (w);
  loop_advance (w->loop, 5000);
  assert_int_equal (w->confirmed, 1);
}

/* A process in its first boot has one kernel after the other. */
static void
test_memory_at_first (void **state)
{
  struct world *w = *state;
  struct incarnation inc;
  struct timespec ts;

  assert_int_equal (clock_gettime (CLOCK_BOOTTIME, &ts), 0);
  appear (w, (uint64_t) ts.tv_sec * (uint64_t) sysconf (_SC_CLK_TCK));
  inc = now (w);
  boots_memory (w->boots, &inc);
  assert_int_equal (now (w).boot, 0);
}

/* Text alone begins a new life; whether it is one, an uptime says. */
static void
test_confirmed (void **state)
{
  struct world *w = *state;

  shows_boot (w);
  loop_advance (w->loop, 3000);
  assert_int_equal (now (w).boot, 1);
  assert_int_equal (w->by_text, 1);
  loop_advance (w->loop, 20000);
  assert_int_equal (w->confirmed + w->denied, 0);
  assert_false (answered (w, 21));
  assert_int_equal (w->confirmed, 1);
  assert_false (answered (w, 21)); /* once */
  assert_int_equal (w->confirmed, 1);
  /* A kernel that is up for an hour did not begin a minute ago. */
  loop_advance (w->loop, 3600000);
  shows_boot (w);
  loop_advance (w->loop, 60000);
  assert_int_equal (w->by_text, 2);
  assert_false (answered (w, 3681));
  assert_int_equal (w->confirmed, 1);
  assert_int_equal (w->denied, 1);
  /* What an uptime shows needs no confirmation. */
  loop_advance (w->loop, 200000);
  assert_true (answered (w, 2));
  assert_int_equal (w->by_text, 2);
  assert_int_equal (w->confirmed + w->denied, 2);
}

static void
test_dmesg (void **state)
{
  struct world *w = *state;
  const struct incarnation inc = now (w);
  uint64_t begun;

  /* It went on as the text of a kernel that is up for longer. */
  shows_boot (w);
  loop_advance (w->loop, 1000);
  boots_replay (w->boots, A);
  loop_advance (w->loop, 10000);
  assert_int_equal (now (w).boot, 0);
  /* The check that ran it is answered. */
  begun = loop_now (w->loop);
  shows_boot (w);
  loop_advance (w->loop, 500);
  assert_false (boots_answered (w->boots, &inc, begun, NULL));
  loop_advance (w->loop, 10000);
  assert_int_equal (now (w).boot, 0);
  /* One that took so long may have waited for the boot's end... */
  begun = loop_now (w->loop);
  shows_boot (w);
  loop_advance (w->loop, 2500);
  assert_false (boots_answered (w->boots, &inc, begun, NULL));
  loop_advance (w->loop, 2000);
  assert_int_equal (now (w).boot, 1);
}

static void
test_later_answer (void **state)
{
  struct world *w = *state;
  const struct incarnation inc = now (w);

  /* ... and one that began after it proves nothing. */
  shows_boot (w);
  loop_advance (w->loop, 2000);
  assert_false (boots_answered (w->boots, &inc, loop_now (w->loop), NULL));
  loop_advance (w->loop, 2000);
  assert_int_equal (now (w).boot, 1);
}

/* A process that has just begun boots for the first time, until its guest has
 * been seen up. */
static void
test_first_boot (void **state)
{
  struct world *w = *state;
  struct timespec ts;
  struct incarnation inc;

  clock_gettime (CLOCK_BOOTTIME, &ts);
  appear (w, (uint64_t) ts.tv_sec * (uint64_t) sysconf (_SC_CLK_TCK));
  shows_boot (w);
  loop_advance (w->loop, 10000);
  assert_int_equal (now (w).boot, 0);
  inc = now (w);
  assert_false (boots_answered (w->boots, &inc, loop_now (w->loop), NULL));
  shows_boot (w);
  loop_advance (w->loop, 10000);
  assert_int_equal (now (w).boot, 1);
}

/* Some are believed, then one in five minutes. */
static void
test_liar (void **state)
{
  struct world *w = *state;

  for (unsigned i = 0; i < 600; i++)
    {
      for (unsigned k = 0; k < 3; k++)
        shows_boot (w);
      loop_advance (w->loop, 6000);
    }
  assert_true (now (w).boot >= 5);
  assert_true (now (w).boot <= 4 + 12);
}

/* Nothing answers, and it says that it boots, for two days: a check that wants
 * two failures an hour apart must get them. */
static void
test_liar_for_days (void **state)
{
  struct world *w = *state;
  unsigned boots = 0, quiet = 0, longest = 0;

  for (unsigned minute = 0; minute < 2 * 24 * 60; minute++)
    {
      shows_boot (w);
      loop_advance (w->loop, 60000);
      quiet = now (w).boot == boots ? quiet + 1 : 0;
      longest = quiet > longest ? quiet : longest;
      boots = now (w).boot;
    }
  assert_true (longest > 12 * 60);
  /* It is up again: then a few are believed as they were at first. */
  (void) answered (w, 5);
  for (unsigned i = 0; i < 4; i++)
    {
      loop_advance (w->loop, 301000);
      shows_boot (w);
      loop_advance (w->loop, 3000);
      (void) answered (w, 3);
    }
  assert_int_equal (now (w).boot, boots + 4);
}

/* A check within a container says how long that one is up. */
static void
test_two_clocks (void **state)
{
  struct world *w = *state;

  for (unsigned i = 0; i < 100; i++)
    {
      assert_false (answered (w, 864000 + 60 * i));
      loop_advance (w->loop, 30000);
      assert_false (answered (w, 7200 + 60 * i));
      loop_advance (w->loop, 30000);
    }
  assert_int_equal (now (w).boot, 0);
}

static void
test_liar_by_uptime (void **state)
{
  struct world *w = *state;

  for (unsigned i = 0; i < 120; i++)
    {
      (void) answered (w, 100);
      (void) answered (w, 3);
      loop_advance (w->loop, 30000);
    }
  assert_true (now (w).boot >= 5);
  assert_true (now (w).boot <= 4 + 12);
}

static void
test_gone (void **state)
{
  struct world *w = *state;

  boots_replay (w->boots, A); /* of nobody that anything is known of */
  shows_boot (w);
  registry_gone (w->reg, "rundir", "", A);
  loop_advance (w->loop, 10000);
  shows_boot (w); /* of nobody that is known */
  assert_int_equal (registry_count (w->reg), 0);
}

#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_uptime),     T (test_other_process), T (test_text),
    T (test_both),       T (test_confirmed),     T (test_dmesg),         T (test_later_answer),
    T (test_first_boot), T (test_liar),          T (test_liar_for_days),
    T (test_two_clocks), T (test_liar_by_uptime), T (test_gone),
    T (test_memory),     T (test_memory_and_text),
    T (test_memory_at_first),
  };

  return cmocka_run_group_tests_name ("boots", tests, NULL, NULL);
}
