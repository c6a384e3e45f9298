/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of heartbeats: one guest, and what is told of it.  Loop, jobs,
 * facts and registry are the real ones; the parser and the process that reads
 * are faked.  Included once in a programme, after cmocka.h.
 */
#ifndef HANGDOG_TESTS_EYES_BED_H
#define HANGDOG_TESTS_EYES_BED_H

#include "base/error.h"
#include "base/fact.h"
#include "base/job.h"
#include "base/loop.h"
#include "supervisor/beats/eyes_impl.h"
#include "tests/lib/until.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define A "aaaaaaaa-2222-4333-8444-555555555555"
#define EVERY_MS 10000u

struct world
{
  struct eyes_env env;
  struct transport_env transports;
  struct eyes *e;
  unsigned told, anew;
  char scheduler[FACT_TEXT_MAX], vcpus[FACT_TEXT_MAX], why[FACT_TEXT_MAX];
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

/* All of its QEMU sleeps; what comes of asking it, and how often that was. */
static bool sleeps, mute_there;
static atomic_uint asked_qemu;

bool
monitor_sleeps (int pid)
{
  assert_int_equal (pid, 7);
  return sleeps;
}

int
ask_run_ (struct job *job, void *arg)
{
  struct question *q = arg;

  atomic_fetch_add (&asked_qemu, 1);
  q->mute = mute_there;
  return 0;
}

void
ask_free_ (void *arg)
{
  struct question *q = arg;

  guest_unref (q->guest);
  free (q);
}

/* What the parser says: 0, or why there is no kernel. */
static int parser_says;
static unsigned looked;
static char order[8]; /* of whom: the first letters of their uuids */
static bool asked_doubt, stands;
static atomic_bool held; /* that of A takes its time */
static uint64_t kernel_there; /* which it finds, and where */
static uint32_t where_there;

int
find_run_ (struct job *job, void *arg)
{
  struct find *f = arg;

  while (atomic_load (&held) && strcmp (f->guest->inc.uuid, A) == 0)
    usleep (1000);
  order[looked++ % sizeof order] = f->guest->inc.uuid[0];
  asked_doubt = f->doubt;
  f->kernel = kernel_there;
  f->where = where_there;
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

static inline void
on_fact (const struct fact *fact, void *arg)
{
  struct world *w = arg;

  w->told++;
  if (strcmp (fact->name, "guest.scheduler") == 0)
    snprintf (w->scheduler, sizeof w->scheduler, "%s", fact->text);
  if (strcmp (fact->name, "guest.vcpus") == 0)
    snprintf (w->vcpus, sizeof w->vcpus, "%s", fact->text);
  if (strcmp (fact->name, "guest.panicked") == 0)
    w->panicked = fact->b;
  if (strcmp (fact->name, "guest.beat") == 0)
    snprintf (w->why, sizeof w->why, "%s", fact->text);
}

static inline void
on_guest (enum guest_change change, const struct guest *was,
          const struct guest *now, void *arg)
{
  struct world *w = arg;

  eyes_guest (w->e, change, was, now);
}

/* Beside the guest of this bed. */
static inline void
another_appears (struct world *w, char letter)
{
  struct guest *g = guest_new ();

  snprintf (g->inc.uuid, sizeof g->inc.uuid, "%c%s", letter, &A[1]);
  g->inc.pid = 7;
  g->inc.start_time = 100 + (uint64_t) letter;
  snprintf (g->name, sizeof g->name, "%c", letter);
  snprintf (g->display, sizeof g->display, "%c", letter);
  snprintf (g->source, sizeof g->source, "rundir");
  snprintf (g->host, sizeof g->host, "/run/%c", letter);
  g->run = GUEST_RUNNING;
  registry_update (w->env.registry, g);
}

static inline void
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
  g->monitor = MONITOR_UNIX;
  g->run = run;
  registry_update (w->env.registry, g);
}

static inline void
on_anew (const struct incarnation *inc, void *arg)
{
  assert_string_equal (inc->uuid, A);
  ((struct world *) arg)->anew++;
}

static inline int
setup (void **state)
{
  static const struct job_limits few = { .max_threads = 4, .grace_ms = 100 };
  struct world *w = calloc (1, sizeof *w);
  struct fact_sub *sub;

  parser_says = 0;
  looked = 0;
  asked_doubt = stands = false;
  sleeps = mute_there = false;
  atomic_store (&asked_qemu, 0);
  memset (&had, 0, sizeof had);
  nwaits = 0;
  kernel_there = where_there = 1;
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

static inline int
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

static inline struct eyes_look
look (struct world *w)
{
  struct eyes_look l;

  assert_true (eyes_look (w->e, A, &l));
  return l;
}

/* Time passes until it is looked for once more, and that is over. */
static inline void
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
static inline void
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

/* One of which its kernel says that it panicked. */
static inline void
panics_of (struct world *w, uint32_t id, uint64_t at_ms)
{
  struct beat b = {
    .at_ms = at_ms, .hz = 250, .cpus = 1, .of_cpus = 1, .panic_cpu = 0,
    .canary_ok = true, .ticks = 1000000, .has = 1u << BEAT_TICKS,
    .cpu[0] = { .switches = 500, .clock_ns = 99000000000, .has = 0x3f },
  };

  beater.ops->beat (id, &b, beater.arg);
  assert_int_equal (loop_round (w->env.loop, 0, NULL), 0);
}

static inline void
panics (struct world *w, uint64_t at_ms)
{
  panics_of (w, 1, at_ms);
}

/* ---- a life ---- */

static inline void
lives (struct world *w)
{
  until_looked (w, 30000);
  for (unsigned s = 1; s <= 5; s++)
    beats (w, s * 1000, s, true);
  assert_string_equal (w->scheduler, "alive");
}

/* It stops.  However often it is read, that is known after two seconds. */
static inline void
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

#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

#endif
