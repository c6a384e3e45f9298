/* SPDX-License-Identifier: Apache-2.0
 *
 * Heartbeats: whose clocks stand is not dead for that.  It must have had time
 * to run, and its kernel must be there still.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/eyes-bed.h"

#include <errno.h>
#include <string.h>

/* ---- had it its chance? ---- */

/* From then on it stands. */
static void
stand_on (struct world *w, unsigned from, unsigned to, uint64_t moved)
{
  struct job_stats stats;

  for (unsigned i = from; i <= to; i++)
    {
      beats (w, i * 1000, moved, true);
      for (unsigned k = 0; k < 4; k++)
        {
          loop_advance (w->env.loop, 250);
          UNTIL_LOOP (w->env.loop, (job_pool_stats (w->env.jobs, &stats),
                                    stats.running == 0));
        }
    }
}

/* Who is not run by its host does not move, and is not dead: it must have had
 * time, or have wanted none for long. */
static void
must_have_had_its_chance (void **state)
{
  struct world *w = *state;
  unsigned was;

  lives (w);
  was = looked;
  had.run_ms = 5000;
  stand_on (w, 6, 8, 5);
  had.run_ms = 6400;
  had.wait_ms = 20000;
  stand_on (w, 9, 30, 5);
  assert_int_equal (looked, was);
  assert_string_equal (w->scheduler, "unknown");
  /* A thread of it ended, and took its time along. */
  had.run_ms = 100;
  stand_on (w, 31, 32, 5);
  had.run_ms = 1500;
  had.wait_ms = 90000;
  stand_on (w, 33, 34, 5);
  assert_int_equal (looked, was);
  had.run_ms = 1600;
  beats (w, 35000, 5, true);
  until_looked (w, 15000);
  beats (w, 36000, 5, true);
  assert_string_equal (w->scheduler, "dead");
}

/* Halted with its interrupts off. */
static void
may_have_wanted_none (void **state)
{
  struct world *w = *state;
  unsigned was;

  lives (w);
  was = looked;
  stand_on (w, 6, 15, 5);
  assert_int_equal (looked, was);
  beats (w, 16000, 5, true);
  until_looked (w, 15000);
  beats (w, 17000, 5, true);
  assert_string_equal (w->scheduler, "dead");
}

/* A thread of it waits for the host's storage: that is not its death, and is
 * told when it lasts. */
static void
may_be_held_by_its_host (void **state)
{
  struct world *w = *state;
  unsigned was;

  lives (w);
  was = looked;
  nwaits = 1;
  waits = (struct monitor_vcpu){ -1, 71, { 5000, 0 } };
  stand_on (w, 6, 34, 5);
  assert_int_equal (looked, was);
  assert_string_equal (w->scheduler, "unknown");
  assert_non_null (strstr (w->why, "its host has its QEMU wait"));
  stand_on (w, 35, 35, 5);
  beats (w, 36000, 5, true);
  until_looked (w, 15000);
  beats (w, 37000, 5, true);
  assert_string_equal (w->scheduler, "dead");
}

/* Who serves disks waits there now and then. */
static void
may_have_others_wait (void **state)
{
  struct world *w = *state;
  unsigned was;

  lives (w);
  was = looked;
  nwaits = 1;
  for (unsigned i = 6; i <= 15; i++)
    {
      waits = (struct monitor_vcpu){ -1, 71, { 5000 + i, 0 } };
      stand_on (w, i, i, 5);
    }
  assert_int_equal (looked, was);
  waits.time.run++;
  beats (w, 16000, 5, true);
  until_looked (w, 15000);
}

/* All of it sleeps, and QEMU greets and does not answer: told in a few seconds,
 * and without a parser.  When it answers again it is not. */
static void
may_have_a_mute_qemu (void **state)
{
  struct world *w = *state;
  unsigned was;

  lives (w);
  was = looked;
  sleeps = mute_there = true;
  stand_on (w, 6, 7, 5);
  assert_string_not_equal (w->vcpus, "dead");
  stand_on (w, 8, 9, 5);
  assert_int_equal (atomic_load (&asked_qemu), 1);
  assert_string_equal (w->vcpus, "dead");
  assert_non_null (strstr (w->why, "its main loop stands"));
  stand_on (w, 10, 30, 5);
  assert_int_equal (looked, was);
  assert_int_equal (atomic_load (&asked_qemu), 1);
  assert_string_equal (w->vcpus, "dead");
  /* It answers: who seems dead now is looked at as ever. */
  mute_there = false;
  stand_on (w, 31, 42, 5);
  assert_int_equal (atomic_load (&asked_qemu), 2);
  assert_string_equal (w->vcpus, "unknown");
}

/* One that does something, however little, saves or migrates it, or does not
 * get to it; and libvirt is not asked, for it does not ask QEMU. */
static void
may_have_a_busy_qemu (void **state)
{
  struct world *w = *state;

  lives (w);
  mute_there = true;
  stand_on (w, 6, 8, 5);
  sleeps = true;
  for (unsigned i = 9; i <= 13; i++)
    {
      had.run_ms += 20;
      stand_on (w, i, i, 5);
    }
  assert_int_equal (atomic_load (&asked_qemu), 0);
  assert_string_equal (w->vcpus, "unknown");
}

/* One that rests while its QEMU hangs: nobody wants a CPU, nothing moves. */
static void
rest_on (struct world *w, unsigned from, unsigned to)
{
  struct beat b = { .hz = 250, .cpus = 1, .of_cpus = 1, .panic_cpu = -1,
                    .canary_ok = true, .ticks = 9000,
                    .has = 1u << BEAT_TICKS,
                    .cpu[0] = { .switches = 900, .clock_ns = 9000000000,
                                .has = 0x3f, .idle = true } };
  struct job_stats stats;

  for (unsigned i = from; i <= to; i++)
    {
      b.at_ms = i * 1000;
      beater.ops->beat (1, &b, beater.arg);
      assert_int_equal (loop_round (w->env.loop, 0, NULL), 0);
      for (unsigned k = 0; k < 4; k++)
        {
          loop_advance (w->env.loop, 250);
          UNTIL_LOOP (w->env.loop, (job_pool_stats (w->env.jobs, &stats),
                                    stats.running == 0));
        }
    }
}

static void
may_rest_with_a_mute_qemu (void **state)
{
  struct world *w = *state;
  unsigned was;

  lives (w);
  was = looked;
  sleeps = true;
  /* Well, and asked now and then. */
  rest_on (w, 6, 36);
  assert_int_equal (atomic_load (&asked_qemu), 1);
  assert_string_equal (w->vcpus, "unknown");
  mute_there = true;
  rest_on (w, 37, 45);
  assert_int_equal (atomic_load (&asked_qemu), 2);
  assert_string_equal (w->vcpus, "dead");
  assert_non_null (strstr (w->why, "its main loop stands"));
  assert_int_equal (looked, was);
}

/* It woke while it was asked, or moved since. */
static void
may_come_back_from_it (void **state)
{
  struct world *w = *state;

  lives (w);
  sleeps = mute_there = true;
  stand_on (w, 6, 9, 5);
  assert_string_equal (w->vcpus, "dead");
  sleeps = false;
  beats (w, 10000, 5, true);
  assert_string_equal (w->vcpus, "unknown");
  beats (w, 11000, 9, true);
  assert_string_equal (w->vcpus, "alive");
  /* And is not asked all the time then. */
  sleeps = true;
  stand_on (w, 12, 16, 9);
  assert_int_equal (atomic_load (&asked_qemu), 1);
}

/* Another of its name is there before the answer: who is asked about now is
 * the other one, and he can be asked again. */
static void
may_be_replaced_while_asked (void **state)
{
  struct world *w = *state;
  struct job_stats stats = { 0 };

  lives (w);
  sleeps = mute_there = true;
  for (unsigned i = 6; stats.running == 0; i++)
    {
      assert_in_range (i, 6, 12);
      beats (w, i * 1000, 5, true);
      for (unsigned k = 0; k < 4 && stats.running == 0; k++)
        {
          loop_advance (w->env.loop, 250);
          job_pool_stats (w->env.jobs, &stats);
        }
    }
  guest_is (w, 200, GUEST_RUNNING);
  UNTIL_LOOP (w->env.loop,
              (job_pool_stats (w->env.jobs, &stats), stats.running == 0));
  assert_int_equal (atomic_load (&asked_qemu), 1);
  assert_string_not_equal (w->vcpus, "dead");
  sleeps = false;
  lives (w);
  sleeps = true;
  stand_on (w, 6, 45, 5);
  assert_int_equal (atomic_load (&asked_qemu), 2);
  assert_string_equal (w->vcpus, "dead");
}

/* What another of its vCPUs has had is nothing to who stands. */
static void
must_have_had_it_itself (void **state)
{
  struct world *w = *state;
  unsigned was;

  lives (w);
  was = looked;
  had.named = 2;
  for (unsigned i = 6; i <= 14; i++)
    {
      had.run_of_ms[1] += 1000;
      stand_on (w, i, i, 5);
    }
  assert_int_equal (looked, was);
  had.run_of_ms[0] += 1500;
  beats (w, 15000, 5, true);
  until_looked (w, 15000);
}

/* Its kernel prints what it was asked for by us. */
static void
is_excused_while_it_prints_for_us (void **state)
{
  struct world *w = *state;
  unsigned was;

  lives (w);
  was = looked;
  eyes_ours (w->e, A, loop_now (w->env.loop) + 4000);
  for (unsigned i = 6; i <= 11; i++)
    {
      had.run_ms += 1000;
      stand_on (w, i, i, 5);
    }
  assert_int_equal (looked, was);
  assert_string_equal (w->scheduler, "unknown");
  /* And 3 s for what comes behind it. */
  for (unsigned i = 12; i <= 14; i++)
    {
      had.run_ms += 1000;
      stand_on (w, i, i, 5);
    }
  assert_int_equal (looked, was);
  had.run_ms += 1000;
  beats (w, 15000, 5, true);
  until_looked (w, 15000);
}

/* ---- is that kernel there still? ---- */

/* What it was read of is gone: its firmware runs, or another system. */
static void
doubts_a_death (void **state)
{
  struct world *w = *state;

  lives (w);
  stops (w);
  parser_says = ENXIO;
  until_looked (w, 15000);
  assert_false (look (w).beating);
  /* Its firmware runs. */
  assert_int_equal (w->anew, 1);
  assert_string_equal (w->scheduler, "unknown");
  assert_string_equal (w->why, "none: no kernel there");
  parser_says = 0;
  until_looked (w, 90000);
  assert_true (look (w).beating);
}

/* It was not found this time, where its memory is or in there: that is no
 * other kernel, and no life ends with it. */
static void
doubts_and_does_not_find (void **state)
{
  struct world *w = *state;

  lives (w);
  stops (w);
  parser_says = ENOENT;
  until_looked (w, 15000);
  assert_false (look (w).beating);
  assert_int_equal (w->anew, 0);
  assert_string_equal (w->scheduler, "unknown");
  assert_string_equal (w->why, "none: no kernel there");
  parser_says = 0;
  until_looked (w, 90000);
  assert_true (look (w).beating);
  assert_int_equal (w->anew, 0);
}

/* It could not be looked at, or somebody stopped it: later, then. */
static void
doubts_for_long (void **state)
{
  struct world *w = *state;

  lives (w);
  stops (w);
  parser_says = EBUSY;
  until_looked (w, 15000);
  assert_true (look (w).beating);
  assert_int_equal (w->anew, 0);
  beats (w, 12000, 5, true);
  parser_says = 0;
  stands = true;
  until_looked (w, 40000);
  beats (w, 15000, 5, true);
  beats (w, 18000, 5, true);
  assert_string_equal (w->scheduler, "unknown");
  stands = false;
  until_looked (w, 40000);
  /* It was that: now it goes on. */
  beats (w, 18100, 6, true);
  assert_string_not_equal (w->scheduler, "dead");
  beats (w, 20000, 7, true);
  assert_string_equal (w->scheduler, "alive");
}

/* It was looked for a moment ago, for it stood, and went on: to look for it all
 * the time is too dear.  That it panicked then is looked for at once; once. */
static void
has_news_when_it_panics (void **state)
{
  struct world *w = *state;
  unsigned was;

  lives (w);
  stops (w);
  until_looked (w, 15000);
  beats (w, 8100, 6, true);
  panics (w, 9000);
  until_looked (w, 1000);
  panics (w, 9500);
  assert_true (w->panicked);
  beats (w, 10000, 3000, true);
  was = looked;
  panics (w, 11000);
  loop_advance (w->env.loop, 5000);
  assert_int_equal (looked, was);
}

/* It takes its CPUs away, so that it is read by another table from then on: it
 * is the same kernel for all that.  Another one is not the one that panicked. */
static void
is_known_by_its_canary (void **state)
{
  struct world *w = *state;

  lives (w);
  panics (w, 6000);
  where_there = 2;
  until_looked (w, 1000);
  panics (w, 7000);
  panics (w, 8000);
  assert_true (w->panicked);
}

static void
may_be_another_kernel (void **state)
{
  struct world *w = *state;

  lives (w);
  panics (w, 6000);
  kernel_there = where_there = 2;
  until_looked (w, 1000);
  panics (w, 7000);
  panics (w, 8000);
  assert_false (w->panicked);
}

/* Who looked for one rests; that is not for who seems dead. */
static void
is_looked_at_while_others_rest (void **state)
{
  struct world *w = *state;
  struct job_stats stats;

  atomic_store (&held, true);
  loop_advance (w->env.loop, 15000);
  loop_advance (w->env.loop, 10000);
  atomic_store (&held, false);
  UNTIL_LOOP (w->env.loop,
              (job_pool_stats (w->env.jobs, &stats), stats.running == 0));
  for (unsigned s = 1; s <= 5; s++)
    beats (w, s * 1000, s, true);
  stops (w);
  until_looked (w, 1000);
  assert_true (asked_doubt);
}

/* Whose look does not come back is asked for again, and nobody waits for it. */
static void
keeps_nobody_from_being_found (void **state)
{
  struct world *w = *state;
  struct job_stats stats;

  atomic_store (&held, true);
  for (unsigned i = 0; i < 120; i++)
    loop_advance (w->env.loop, 250);
  UNTIL_LOOP (w->env.loop,
              (job_pool_stats (w->env.jobs, &stats), stats.discarded == 1));
  loop_advance (w->env.loop, 11 * 60 * 1000);
  another_appears (w, 'b');
  until_looked (w, 30000);
  atomic_store (&held, false);
  UNTIL_LOOP (w->env.loop,
              (job_pool_stats (w->env.jobs, &stats), stats.threads == 0));
}

/* Who dies all the time has others wait, but not for ever. */
static void
is_not_always_before_others (void **state)
{
  struct world *w = *state;
  struct job_stats stats;

  until_looked (w, 30000);
  another_appears (w, 'c');
  until_looked (w, 30000);
  panics_of (w, 1, 1000);
  panics_of (w, 1, 2000);
  panics_of (w, 2, 1000);
  panics_of (w, 2, 2000);
  another_appears (w, 'b');
  atomic_store (&held, true);
  loop_advance (w->env.loop, 12000);
  atomic_store (&held, false);
  UNTIL_LOOP (w->env.loop,
              (job_pool_stats (w->env.jobs, &stats), stats.running == 0));
  until_looked (w, 1000);
  until_looked (w, 1000);
  assert_memory_equal (order, "acabc", 5);
}

/* Whose memory takes a parser long, which he may want, is looked at when nobody
 * else is to be. */
static void
is_behind_others_when_slow (void **state)
{
  struct world *w = *state;
  struct job_stats stats;

  atomic_store (&held, true);
  for (unsigned i = 0; i < 60; i++)
    loop_advance (w->env.loop, 250);
  atomic_store (&held, false);
  UNTIL_LOOP (w->env.loop,
              (job_pool_stats (w->env.jobs, &stats), stats.running == 0));
  another_appears (w, 'c');
  until_looked (w, 60000);
  for (unsigned id = 1; id <= 2; id++)
    {
      panics_of (w, id, 1000);
      panics_of (w, id, 2000);
    }
  until_looked (w, 1000);
  until_looked (w, 1000);
  assert_memory_equal (order, "acca", 4);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (must_have_had_its_chance),
    T (may_have_wanted_none),
    T (may_be_held_by_its_host),
    T (may_have_others_wait),
    T (may_have_a_mute_qemu),
    T (may_have_a_busy_qemu),
    T (may_rest_with_a_mute_qemu),
    T (may_be_replaced_while_asked),
    T (may_come_back_from_it),
    T (must_have_had_it_itself),
    T (is_excused_while_it_prints_for_us),
    T (doubts_a_death),
    T (doubts_and_does_not_find),
    T (doubts_for_long),
    T (has_news_when_it_panics),
    T (is_known_by_its_canary),
    T (may_be_another_kernel),
    T (is_looked_at_while_others_rest),
    T (keeps_nobody_from_being_found),
    T (is_not_always_before_others),
    T (is_behind_others_when_slow),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
