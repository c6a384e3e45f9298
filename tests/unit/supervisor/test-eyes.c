/* SPDX-License-Identifier: Apache-2.0
 *
 * Heartbeats: who is looked for and read and when, and what is told of what
 * was read.
 *
 * Loop, jobs, facts and registry are the real ones; the parser and the process
 * that reads are faked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/job.h"
#include "base/loop.h"
#include "supervisor/beats/eyes_impl.h"
#include "tests/lib/until.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A "aaaaaaaa-2222-4333-8444-555555555555"
#define EVERY_MS 10000u

struct world
{
  struct eyes_env env;
  struct transport_env transports;
  struct eyes *e;
  unsigned told, anew;
  char scheduler[FACT_TEXT_MAX], why[FACT_TEXT_MAX];
  bool panicked;
};

/* ---- what is faked ---- */

static struct
{
  const struct beater_ops *ops;
  void *arg;
  unsigned added, dropped, asked;
  bool here; /* it is read */
} beater;

int
beater_new (struct loop *loop, const char *libexec,
            const struct beater_ops *ops, void *arg, struct beater **ret,
            struct error *err)
{
  memset (&beater, 0, sizeof beater);
  beater.ops = ops;
  beater.arg = arg;
  *ret = NULL;
  return 0;
}

void
beater_free (struct beater *b)
{
}

int
beater_add (struct beater *b, uint32_t id, const struct beat_table *table,
            int fd, struct error *err)
{
  beater.added++;
  beater.here = true;
  return 0;
}

void
beater_drop (struct beater *b, uint32_t id)
{
  beater.dropped++;
  beater.here = false;
}

bool
beater_ask (struct beater *b, const uint32_t *ids, unsigned n)
{
  assert_true (n == 0 || beater.here);
  beater.asked += n;
  return true;
}

pid_t
beater_pid (const struct beater *b)
{
  return 0;
}

/* What its process, or each of its vCPUs, had of the host's processors. */
static struct
{
  bool unread;
  unsigned named;
  uint64_t run_ms, wait_ms, run_of_ms[2];
} had;

size_t
monitor_vcpus_named (int pid, struct monitor_vcpu ret[MONITOR_MAX_VCPUS])
{
  for (unsigned i = 0; i < had.named; i++)
    ret[i] = (struct monitor_vcpu){
      (int) i, 70 + (int) i, { had.run_of_ms[i] * 1000000, 0 }
    };
  return had.named;
}

bool
monitor_process_time (int pid, struct thread_time *ret)
{
  assert_int_equal (pid, 7);
  ret->run = had.run_ms * 1000000;
  ret->wait = had.wait_ms * 1000000;
  return !had.unread;
}

/* Who waits in the host's kernel. */
static struct monitor_vcpu waits;
static size_t nwaits;

size_t
monitor_blocked (int pid, struct monitor_vcpu ret[MONITOR_MAX_VCPUS])
{
  assert_int_equal (pid, 7);
  ret[0] = waits;
  return nwaits;
}

/* What the parser says: 0, or why there is no kernel. */
static int parser_says;
static unsigned looked;
static bool asked_doubt, stands;

int
find_run_ (struct job *job, void *arg)
{
  struct find *f = arg;

  looked++;
  asked_doubt = f->doubt;
  f->stands = stands;
  return parser_says == 0 ? 0
                          : error_set (&f->why, parser_says, "no kernel there");
}

void
find_free_ (void *arg)
{
  struct find *f = arg;

  guest_unref (f->guest);
  free (f);
}

/* ---- the world ---- */

static void
on_fact (const struct fact *fact, void *arg)
{
  struct world *w = arg;

  w->told++;
  if (strcmp (fact->name, "guest.scheduler") == 0)
    snprintf (w->scheduler, sizeof w->scheduler, "%s", fact->text);
  if (strcmp (fact->name, "guest.panicked") == 0)
    w->panicked = fact->b;
  if (strcmp (fact->name, "guest.beat") == 0)
    snprintf (w->why, sizeof w->why, "%s", fact->text);
}

static void
on_guest (enum guest_change change, const struct guest *was,
          const struct guest *now, void *arg)
{
  struct world *w = arg;

  eyes_guest (w->e, change, was, now);
}

static void
guest_is (struct world *w, uint64_t start_time, enum guest_run run)
{
  struct guest *g = guest_new ();

  snprintf (g->inc.uuid, sizeof g->inc.uuid, A);
  g->inc.pid = 7;
  g->inc.start_time = start_time;
  snprintf (g->name, sizeof g->name, "a");
  snprintf (g->display, sizeof g->display, "a");
  snprintf (g->source, sizeof g->source, "rundir");
  snprintf (g->host, sizeof g->host, "/run/x");
  g->run = run;
  registry_update (w->env.registry, g);
}

static void
on_anew (const struct incarnation *inc, void *arg)
{
  assert_string_equal (inc->uuid, A);
  ((struct world *) arg)->anew++;
}

static int
setup (void **state)
{
  static const struct job_limits few = { .max_threads = 4, .grace_ms = 100 };
  struct world *w = calloc (1, sizeof *w);
  struct fact_sub *sub;

  parser_says = 0;
  looked = 0;
  asked_doubt = stands = false;
  memset (&had, 0, sizeof had);
  nwaits = 0;
  w->env.transports = &w->transports;
  w->env.interval_ms = EVERY_MS;
  w->env.anew = on_anew;
  w->env.arg = w;
  assert_int_equal (loop_new_fake (&w->env.loop, NULL), 0);
  assert_int_equal (job_pool_new (w->env.loop, &few, &w->env.jobs, NULL), 0);
  assert_int_equal (fact_bus_new (w->env.loop, 64, &w->env.bus, NULL), 0);
  assert_int_equal (fact_subscribe (w->env.bus, "test", "guest.", on_fact, w,
                                    &sub, NULL),
                    0);
  assert_int_equal (registry_new (w->env.loop, NULL, &w->env.registry, NULL),
                    0);
  assert_int_equal (eyes_new (&w->env, &w->e, NULL), 0);
  assert_int_equal (
      registry_listen (w->env.registry, on_guest, NULL, w, NULL), 0);
  guest_is (w, 100, GUEST_RUNNING);
  *state = w;
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;

  assert_int_equal (job_pool_free (w->env.jobs, UNTIL_MS), 0);
  registry_free (w->env.registry);
  eyes_free (w->e);
  fact_bus_free (w->env.bus);
  loop_free (w->env.loop);
  free (w);
  return 0;
}

static struct eyes_look
look (struct world *w)
{
  struct eyes_look l;

  assert_true (eyes_look (w->e, A, &l));
  return l;
}

/* Time passes until it is looked for once more, and that is over. */
static void
until_looked (struct world *w, uint64_t most_ms)
{
  unsigned before = looked;
  struct job_stats stats;

  for (uint64_t ms = 0; ms < most_ms && looked == before; ms += 250)
    {
      loop_advance (w->env.loop, 250);
      UNTIL_LOOP (w->env.loop,
                  (job_pool_stats (w->env.jobs, &stats), stats.running == 0));
    }
  assert_int_equal (looked, before + 1);
  assert_int_equal (loop_round (w->env.loop, 0, NULL), 0); /* facts */
}

/* A beat of a guest of one CPU. */
static void
beats (struct world *w, uint64_t at_ms, uint64_t moved, bool canary)
{
  struct beat b = {
    .at_ms = at_ms,
    .ticks = 1000 + moved * 250,
    .hz = 250,
    .cpus = 1,
    .of_cpus = 1,
    .panic_cpu = -1,
    .blocked = 3,
    .has = 1u << BEAT_TICKS | 1u << BEAT_BLOCKED,
    .canary_ok = canary,
    .cpu[0] = { .switches = 100 + moved,
                .clock_ns = (1000 + moved * 1000) * 1000000ull,
                .running = 2,
                .has = 0x3f },
  };

  beater.ops->beat (1, &b, beater.arg);
  assert_int_equal (loop_round (w->env.loop, 0, NULL), 0);
}

/* ---- who is looked for ---- */

static void
is_found_and_read (void **state)
{
  struct world *w = *state;

  assert_false (look (w).beating);
  until_looked (w, 30000);
  assert_true (look (w).beating);
  assert_int_equal (beater.added, 1);
  /* Once in an interval; and looked for once more, since it may have come up
   * just then. */
  beater.asked = 0;
  loop_advance (w->env.loop, 50000);
  assert_in_range (beater.asked, 4, 6);
  assert_int_equal (looked, 1);
  until_looked (w, 30000);
  assert_int_equal (beater.added, 2);
  assert_int_equal (beater.dropped, 0);
  loop_advance (w->env.loop, 600000);
  assert_int_equal (looked, 2);
}

static void
is_looked_for_ever_more_seldom (void **state)
{
  struct world *w = *state;

  parser_says = ENOENT;
  until_looked (w, 30000);
  assert_string_equal (w->why, "none: no kernel there");
  assert_string_equal (look (w).why, "no kernel there");
  loop_advance (w->env.loop, 25000);
  assert_int_equal (looked, 1);
  until_looked (w, 10000);
  loop_advance (w->env.loop, 55000);
  assert_int_equal (looked, 2);
  until_looked (w, 10000);
  /* Another life is another chance. */
  guest_is (w, 200, GUEST_RUNNING);
  parser_says = 0;
  until_looked (w, 15000);
  assert_true (look (w).beating);
}

static void
is_left_alone (void **state)
{
  struct world *w = *state;

  /* What can't be read will not be. */
  parser_says = EOPNOTSUPP;
  until_looked (w, 30000);
  loop_advance (w->env.loop, 3600000);
  assert_int_equal (looked, 1);
  /* Nor is one that its owner has paused. */
  parser_says = 0;
  guest_is (w, 200, GUEST_PAUSED);
  loop_advance (w->env.loop, 60000);
  assert_int_equal (looked, 1);
  guest_is (w, 200, GUEST_RUNNING);
  until_looked (w, 30000);
  guest_is (w, 200, GUEST_PAUSED);
  beater.asked = 0;
  loop_advance (w->env.loop, 60000);
  assert_int_equal (beater.asked, 0);
  /* And none at all where nobody wants them. */
  guest_is (w, 200, GUEST_RUNNING);
  eyes_interval (w->e, 0);
  loop_advance (w->env.loop, 60000);
  assert_int_equal (beater.asked, 0);
}

/* ---- what is told ---- */

static void
lives (struct world *w)
{
  until_looked (w, 30000);
  for (unsigned s = 1; s <= 5; s++)
    beats (w, s * 1000, s, true);
  assert_string_equal (w->scheduler, "alive");
}

/* It stops.  However often it is read, that is known after two seconds. */
static void
stops (struct world *w)
{
  for (unsigned s = 6; s <= 8; s++)
    {
      had.run_ms += 750;
      beats (w, s * 1000, 5, true);
    }
  /* But what lies there may be of a kernel that is no more. */
  assert_string_equal (w->scheduler, "unknown");
  assert_non_null (strstr (w->why, "looked at once more"));
}

static void
tells_a_death (void **state)
{
  struct world *w = *state;

  lives (w);
  assert_int_equal (look (w).beat->blocked, 3);
  stops (w);
  assert_false (asked_doubt);
  until_looked (w, 15000);
  assert_true (asked_doubt);
  /* It is the same; what is read from then on counts. */
  beats (w, 8400, 5, true);
  assert_string_equal (w->scheduler, "unknown");
  beats (w, 8500, 5, true);
  assert_string_equal (w->scheduler, "dead");
  assert_false (w->panicked);
  assert_non_null (strstr (w->why, "neither switched nor looked at its clock"));
  /* The same again is no news, and nothing to look at. */
  w->told = 0;
  beats (w, 11000, 5, true);
  assert_int_equal (w->told, 0);
  loop_advance (w->env.loop, 50000);
  assert_int_equal (looked, 2);
  beats (w, 12000, 6, true);
  assert_string_equal (w->scheduler, "alive");
}

/* Until it is told it is read more often. */
static void
looks_closer (void **state)
{
  struct world *w = *state;

  lives (w);
  /* Before it is known to be dead already. */
  beats (w, 5600, 5, true);
  beater.asked = 0;
  loop_advance (w->env.loop, 1000);
  assert_in_range (beater.asked, 1, 2);
  stops (w);
  until_looked (w, 15000);
  beats (w, 9000, 5, true);
  assert_string_equal (w->scheduler, "dead");
  loop_advance (w->env.loop, EVERY_MS);
  beater.asked = 0;
  loop_advance (w->env.loop, EVERY_MS);
  assert_int_equal (beater.asked, 1);
}

/* From then on it stands. */
static void
stand_on (struct world *w, unsigned from, unsigned to, uint64_t moved)
{
  for (unsigned i = from; i <= to; i++)
    {
      beats (w, i * 1000, moved, true);
      loop_advance (w->env.loop, 1000);
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

/* A panic says so itself, once it is seen that this kernel is there still. */
static void
tells_a_panic (void **state)
{
  struct world *w = *state;
  struct beat b = {
    .at_ms = 6000, .hz = 250, .cpus = 1, .of_cpus = 1, .panic_cpu = 0,
    .canary_ok = true, .ticks = 1000000, .has = 1u << BEAT_TICKS,
    .cpu[0] = { .switches = 500, .clock_ns = 99000000000, .has = 0x3f },
  };

  lives (w);
  had.wait_ms = 1;
  beater.ops->beat (1, &b, beater.arg);
  assert_int_equal (loop_round (w->env.loop, 0, NULL), 0);
  assert_string_equal (w->scheduler, "unknown");
  assert_false (w->panicked);
  until_looked (w, 15000);
  had.wait_ms = 900000;
  b.at_ms = 6500;
  beater.ops->beat (1, &b, beater.arg);
  assert_int_equal (loop_round (w->env.loop, 0, NULL), 0);
  assert_true (w->panicked);
  assert_string_equal (w->scheduler, "dead");
}

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

/* Its clock goes on, and one task has the CPU for twenty seconds. */
static void
tells_a_lockup (void **state)
{
  struct world *w = *state;
  struct beat b = {
    .hz = 250, .cpus = 1, .of_cpus = 1, .panic_cpu = -1, .canary_ok = true,
    .has = 1u << BEAT_TICKS,
    .cpu[0] = { .switches = 5, .running = 2, .has = 0x3f },
  };

  until_looked (w, 30000);
  for (unsigned s = 1; s <= 40; s++)
    {
      b.at_ms = s * 1000;
      b.ticks = 1000 + s * 250;
      b.cpu[0].clock_ns = s * 1000000000ull;
      beater.ops->beat (1, &b, beater.arg);
      assert_int_equal (loop_round (w->env.loop, 0, NULL), 0);
      if (s == 15)
        assert_string_not_equal (w->scheduler, "dead");
      had.run_ms += 900;
      if (s == 30)
        until_looked (w, 15000);
    }
  assert_string_equal (w->scheduler, "dead");
  assert_non_null (strstr (w->why, "runs one task for 2"));
}

static void
begins_anew_with_the_kernel (void **state)
{
  struct world *w = *state;

  until_looked (w, 30000);
  beats (w, 1000, 1, true);
  beats (w, 4000, 4, false);
  assert_false (look (w).beating);
  assert_int_equal (beater.dropped, 1);
  until_looked (w, 15000);
  assert_true (look (w).beating);
  /* Also by the first that is read. */
  beats (w, 8000, 8, false);
  assert_false (look (w).beating);
  until_looked (w, 15000);
  /* A clock that falls is another boot's, whatever else is the same. */
  beats (w, 10000, 9, true);
  assert_int_equal (w->anew, 2);
  beats (w, 14000, 2, true);
  assert_false (look (w).beating);
  assert_int_equal (w->anew, 3);
}

static void
outlives_its_reader (void **state)
{
  struct world *w = *state;
  struct error why = ERROR_INIT;

  until_looked (w, 30000);
  beater.here = false;
  beater.ops->lost (0, beater.arg);
  until_looked (w, 15000);
  assert_true (look (w).beating);
  /* Whose memory does not come back is left alone for a while. */
  beater.here = false;
  beater.ops->lost (1, beater.arg);
  assert_int_equal (loop_round (w->env.loop, 0, NULL), 0);
  assert_non_null (strstr (w->why, "does not come back"));
  loop_advance (w->env.loop, 300000);
  assert_int_equal (looked, 2);
  until_looked (w, 400000);
  /* Pages that are gone. */
  error_set (&why, EIO, "pages are gone");
  beater.ops->failed (1, &why, beater.arg);
  assert_false (look (w).beating);
  until_looked (w, 40000);
  assert_true (look (w).beating);
}

#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (is_found_and_read),       T (is_looked_for_ever_more_seldom),
    T (is_left_alone),           T (tells_a_death),
    T (looks_closer), T (must_have_had_its_chance),
    T (may_have_wanted_none), T (may_be_held_by_its_host),
    T (may_have_others_wait), T (must_have_had_it_itself),
    T (is_excused_while_it_prints_for_us), T (tells_a_panic),
    T (doubts_a_death),          T (doubts_for_long),
    T (doubts_and_does_not_find),
    T (tells_a_lockup),          T (begins_anew_with_the_kernel),
    T (outlives_its_reader),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
