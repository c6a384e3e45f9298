/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs: they return, they are told to stop, they stay away, they come back
 * after all; and nothing is freed twice or never.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/loop.h"

/* A gate that job threads wait at: they block until the test lets go. */
struct gate
{
  pthread_mutex_t m;
  pthread_cond_t c;
  bool open;
  unsigned inside, freed;
};

static void
gate_init (struct gate *g)
{
  memset (g, 0, sizeof *g);
  pthread_mutex_init (&g->m, NULL);
  pthread_cond_init (&g->c, NULL);
}

static void
gate_open (struct gate *g)
{
  LOCK_SCOPE (&g->m);
  g->open = true;
  pthread_cond_broadcast (&g->c);
}

static void
gate_wait_inside (struct gate *g, unsigned n)
{
  LOCK_SCOPE (&g->m);
  while (g->inside < n)
    pthread_cond_wait (&g->c, &g->m);
}

static void
gate_wait_freed (struct gate *g, unsigned n)
{
  LOCK_SCOPE (&g->m);
  while (g->freed < n)
    pthread_cond_wait (&g->c, &g->m);
}

struct arg
{
  struct gate *gate;
  int rc;
  int value; /* written by the thread, read in done() */
};

static int
run_gate (struct job *job, void *p)
{
  struct arg *a = p;

  {
    LOCK_SCOPE (&a->gate->m);
    a->gate->inside++;
    pthread_cond_broadcast (&a->gate->c);
    while (!a->gate->open)
      pthread_cond_wait (&a->gate->c, &a->gate->m);
  }
  a->value = 42;
  return a->rc;
}

static int
run_until_stopped (struct job *job, void *p)
{
  struct arg *a = p;

  {
    LOCK_SCOPE (&a->gate->m);
    a->gate->inside++;
    pthread_cond_broadcast (&a->gate->c);
  }
  while (job_pause (job, 1))
    ;
  /* Nor is anything waited for from then on. */
  return job_pause (job, 600000) ? 0 : -ECANCELED;
}

static int
run_at_once (struct job *job, void *p)
{
  struct arg *a = p;

  a->value = strcmp (job_name (job), "quick") == 0 ? 42 : 0;
  return a->rc;
}

static void
free_arg (void *p)
{
  struct arg *a = p;
  struct gate *g = a->gate;

  free (a);
  LOCK_SCOPE (&g->m);
  g->freed++;
  pthread_cond_broadcast (&g->c);
}

struct owner
{
  struct loop *loop;
  struct job_pool *pool;
  struct gate gate;
  unsigned done;
  enum job_end end;
  int rc, value;
  const struct job_spec *again; /* start this from done() */
};

static void
done (void *p, void *arg, enum job_end end, int rc)
{
  struct owner *o = p;
  struct error err = ERROR_INIT;

  o->done++;
  o->end = end;
  o->rc = rc;
  if (end == JOB_RETURNED)
    {
      assert_non_null (arg);
      o->value = ((struct arg *) arg)->value;
      free (arg);
    }
  else
    assert_null (arg);
  if (o->again)
    {
      const struct job_spec *spec = o->again;

      o->again = NULL;
      assert_int_equal (job_start (o->pool, spec, &err), 0);
    }
}

static void
setup (struct owner *o, const struct job_limits *limits)
{
  struct error err = ERROR_INIT;

  memset (o, 0, sizeof *o);
  gate_init (&o->gate);
  assert_int_equal (loop_new_fake (&o->loop, &err), 0);
  assert_int_equal (job_pool_new (o->loop, limits, &o->pool, &err), 0);
}

static struct job_spec
spec_of (struct owner *o, int (*run) (struct job *, void *), const char *guest)
{
  struct arg *a = calloc (1, sizeof *a);

  a->gate = &o->gate;
  a->rc = 7;
  return (struct job_spec){ .name = "quick",
                            .guest = guest,
                            .lane = LANE_CONSOLE,
                            .timeout_ms = 60000,
                            .run = run,
                            .done = done,
                            .free_arg = free_arg,
                            .owner = o,
                            .arg = a };
}

static void
start (struct owner *o, const struct job_spec *spec)
{
  struct error err = ERROR_INIT;
  int r = job_start (o->pool, spec, &err);

  if (r < 0)
    fail_msg ("%s", err.msg);
}

/* Rounds until n jobs are done; the loop sleeps in between. */
static void
until_done (struct owner *o, unsigned n)
{
  struct error err = ERROR_INIT;

  while (o->done < n)
    assert_int_equal (loop_round (o->loop, 10000, &err), 0);
}

static struct job_stats
stats (struct owner *o)
{
  struct job_stats st;

  job_pool_stats (o->pool, &st);
  return st;
}

static void
test_returns (void **state)
{
  struct owner o;
  struct job_spec spec;

  setup (&o, NULL);
  spec = spec_of (&o, run_at_once, "g1");
  start (&o, &spec);
  until_done (&o, 1);
  assert_int_equal (o.end, JOB_RETURNED);
  assert_int_equal (o.rc, 7);
  assert_int_equal (o.value, 42);
  assert_int_equal (stats (&o).running, 0);
  assert_int_equal (stats (&o).threads, 0);
  assert_int_equal (stats (&o).returned, 1);
  job_pool_free (o.pool, 0);
  loop_free (o.loop);
}

static void
test_lane_is_taken (void **state)
{
  struct owner o;
  struct job_spec a, b;
  struct error err = ERROR_INIT;

  setup (&o, NULL);
  a = spec_of (&o, run_gate, "g1");
  start (&o, &a);
  b = spec_of (&o, run_at_once, "g1");
  assert_int_equal (job_start (o.pool, &b, &err), -EBUSY);
  assert_non_null (strstr (err.msg, "quick"));
  assert_non_null (strstr (err.msg, "console"));
  assert_int_equal (stats (&o).refused_busy, 1);
  b.lane = LANE_NONE;
  assert_int_equal (job_start (o.pool, &b, &err), -EINVAL);
  b.lane = LANE_MONITOR; /* another lane of it is free */
  start (&o, &b);
  until_done (&o, 1);
  b = spec_of (&o, run_at_once, "g1"); /* and another part of this one */
  b.part = "serial1";
  start (&o, &b);
  until_done (&o, 2);
  b = spec_of (&o, run_at_once, "g2"); /* and so is another guest's */
  start (&o, &b);
  until_done (&o, 3);
  /* In done() the lane is free. */
  b = spec_of (&o, run_at_once, "g1");
  o.again = &b;
  gate_open (&o.gate);
  until_done (&o, 5);
  job_pool_free (o.pool, 0);
  loop_free (o.loop);
}

struct freed
{
  struct owner *o;
  unsigned n, done_before; /* done() calls at the last of them */
  char guest[16];
  enum job_lane lane;
};

static void
on_free (const char *guest, enum job_lane lane, void *arg)
{
  struct freed *f = arg;

  f->n++;
  f->done_before = f->o->done;
  f->lane = lane;
  snprintf (f->guest, sizeof f->guest, "%s", guest);
}

/* Whoever waits for a lane is told, after done(), and of one that was written
 * off when it is back after all. */
static void
test_tells_of_free_lanes (void **state)
{
  struct job_limits limits = { .grace_ms = 100 };
  struct owner o;
  struct job_spec a;
  struct freed f = { .o = &o };
  struct job_ear ear = { .fn = on_free, .arg = &f };

  setup (&o, &limits);
  job_pool_on_free (o.pool, &ear);
  a = spec_of (&o, run_at_once, "g1");
  start (&o, &a);
  until_done (&o, 1);
  assert_int_equal (f.n, 1);
  assert_int_equal (f.done_before, 1);
  assert_string_equal (f.guest, "g1");
  assert_int_equal (f.lane, LANE_CONSOLE);
  a = spec_of (&o, run_gate, "g2");
  a.lane = LANE_MONITOR;
  a.timeout_ms = 1000;
  start (&o, &a);
  gate_wait_inside (&o.gate, 1);
  loop_advance (o.loop, 1100);
  assert_int_equal (o.done, 2);
  assert_int_equal (f.n, 1);
  gate_open (&o.gate);
  while (stats (&o).discarded > 0)
    assert_int_equal (loop_round (o.loop, 10000, NULL), 0);
  assert_int_equal (f.n, 2);
  assert_int_equal (f.lane, LANE_MONITOR);
  /* Nobody is to begin anything when all ends. */
  a = spec_of (&o, run_at_once, "g1");
  start (&o, &a);
  job_pool_free (o.pool, UINT64_MAX);
  assert_int_equal (o.done, 3);
  assert_int_equal (f.n, 2);
  loop_free (o.loop);
}

struct visitor
{
  struct job_ear ear, *other;
  unsigned n, turn, *turns;
};

static void
comes_and_goes (const char *guest, enum job_lane lane, void *arg)
{
  struct visitor *v = arg;

  v->n++;
  v->turn = ++*v->turns;
  job_ear_off (v->other);
  job_ear_off (&v->ear);
}

/* Who came last is told first; and who is told may stop listening, for others
 * too. */
static void
test_ears_come_and_go (void **state)
{
  struct visitor v[3] = { { .n = 0 } };
  unsigned turns = 0;
  struct owner o;
  struct job_spec a;

  setup (&o, NULL);
  for (unsigned i = 0; i < 3; i++)
    {
      v[i] = (struct visitor){ .ear = { .fn = comes_and_goes, .arg = &v[i] },
                               .other = &v[i].ear,
                               .turns = &turns };
      job_pool_on_free (o.pool, &v[i].ear);
    }
  v[2].other = &v[1].ear;
  a = spec_of (&o, run_at_once, "g1");
  start (&o, &a);
  until_done (&o, 1);
  assert_int_equal (v[2].turn, 1);
  assert_int_equal (v[0].turn, 2);
  assert_int_equal (v[1].n, 0);
  job_pool_on_free (o.pool, &v[0].ear);
  job_pool_free (o.pool, 0);
  assert_int_equal (turns, 2);
  job_ear_off (&v[0].ear);
  loop_free (o.loop);
}

static void
test_stops_at_deadline (void **state)
{
  struct owner o;
  struct job_spec spec;

  setup (&o, NULL);
  spec = spec_of (&o, run_until_stopped, "g1");
  spec.timeout_ms = 3600000;
  start (&o, &spec);
  gate_wait_inside (&o.gate, 1);
  loop_advance (o.loop, 3599999);
  assert_int_equal (o.done, 0);
  loop_advance (o.loop, 1);
  until_done (&o, 1);
  assert_int_equal (o.end, JOB_RETURNED);
  assert_int_equal (o.rc, -ECANCELED);
  job_pool_free (o.pool, 0);
  loop_free (o.loop);
}

static void
test_real_deadline (void **state)
{
  struct owner o;
  struct job_spec spec;
  uint64_t t = clock_ms ();

  setup (&o, NULL);
  spec = spec_of (&o, run_until_stopped, "g1");
  spec.timeout_ms = 20;
  start (&o, &spec);
  until_done (&o, 1); /* the thread sees the time itself */
  assert_true (clock_ms () - t >= 20);
  job_pool_free (o.pool, 0);
  loop_free (o.loop);
}

static void
test_told_to_stop (void **state)
{
  struct owner o;
  struct job_spec a, b;

  setup (&o, NULL);
  a = spec_of (&o, run_until_stopped, "g1");
  b = spec_of (&o, run_until_stopped, "g2");
  start (&o, &a);
  start (&o, &b);
  job_stop (o.pool, "g3");
  job_stop (o.pool, "g1");
  until_done (&o, 1);
  assert_int_equal (stats (&o).running, 1);
  job_stop (o.pool, "g2");
  until_done (&o, 2);
  job_pool_free (o.pool, 0);
  loop_free (o.loop);
}

static void
count_discarded (const struct job_info *info, void *arg)
{
  assert_string_equal (info->guest, "g1");
  if (info->discarded)
    ++*(unsigned *) arg;
}

static void
test_discarded (void **state)
{
  struct job_limits limits = { .grace_ms = 100 };
  struct owner o;
  struct job_spec a, b;
  struct error err = ERROR_INIT;
  unsigned n = 0;

  setup (&o, &limits);
  a = spec_of (&o, run_gate, "g1");
  a.timeout_ms = 1000;
  start (&o, &a);
  gate_wait_inside (&o.gate, 1);
  loop_advance (o.loop, 1099);
  assert_int_equal (o.done, 0);
  loop_advance (o.loop, 1);
  assert_int_equal (o.done, 1);
  assert_int_equal (o.end, JOB_DISCARDED);
  assert_int_equal (o.rc, -ETIMEDOUT);
  assert_int_equal (stats (&o).discarded, 1);
  assert_int_equal (stats (&o).running, 0);
  assert_int_equal (stats (&o).threads, 1);
  job_each (o.pool, count_discarded, &n);
  assert_int_equal (n, 1);
  /* It keeps its lane. */
  b = spec_of (&o, run_at_once, "g1");
  assert_int_equal (job_start (o.pool, &b, &err), -EBUSY);
  assert_non_null (strstr (err.msg, "does not come back"));
  /* It comes back after all: arg is freed there, done() is not called. */
  gate_open (&o.gate);
  gate_wait_freed (&o.gate, 1);
  while (stats (&o).discarded > 0)
    assert_int_equal (loop_round (o.loop, 10000, &err), 0);
  assert_int_equal (o.done, 1);
  assert_int_equal (stats (&o).threads, 0);
  assert_int_equal (stats (&o).discarded_total, 1);
  start (&o, &b);
  until_done (&o, 2);
  job_pool_free (o.pool, 0);
  loop_free (o.loop);
}

static void
test_full (void **state)
{
  struct job_limits limits
      = { .max_threads = 3, .max_discarded = 2, .grace_ms = 1 };
  struct owner o;
  struct job_spec s[4];
  const char *guests[] = { "g0", "g1", "g2", "g3" };
  struct error err = ERROR_INIT;

  setup (&o, &limits);
  for (int i = 0; i < 4; i++)
    s[i] = spec_of (&o, run_gate, guests[i]);
  s[0].timeout_ms = s[1].timeout_ms = 10;
  for (int i = 0; i < 3; i++)
    start (&o, &s[i]);
  assert_int_equal (job_start (o.pool, &s[3], &err), -EAGAIN);
  loop_advance (o.loop, 50); /* two are written off */
  assert_int_equal (stats (&o).discarded, 2);
  assert_int_equal (job_start (o.pool, &s[3], &err), -EAGAIN);
  assert_int_equal (stats (&o).refused_full, 2);
  gate_open (&o.gate);
  until_done (&o, 3);
  while (stats (&o).threads > 0)
    assert_int_equal (loop_round (o.loop, 10000, &err), 0);
  start (&o, &s[3]);
  until_done (&o, 4);
  job_pool_free (o.pool, 0);
  loop_free (o.loop);
}

/* The pool goes, the threads are stuck: done() is called for each, the rest
 * is freed by the threads themselves. */
static void
test_pool_leaves_behind (void **state)
{
  struct job_limits limits = { .grace_ms = 1 };
  struct owner o;
  struct job_spec a, b, c;

  setup (&o, &limits);
  a = spec_of (&o, run_gate, "g1");
  b = spec_of (&o, run_gate, "g2");
  c = spec_of (&o, run_until_stopped, "g3");
  b.timeout_ms = 10;
  start (&o, &a);
  start (&o, &b);
  start (&o, &c);
  gate_wait_inside (&o.gate, 3);
  loop_advance (o.loop, 20);
  assert_int_equal (o.done, 1); /* b */
  /* c comes back, however late this machine lets it run. */
  job_stop (o.pool, "g3");
  until_done (&o, 2);
  assert_int_equal (job_pool_free (o.pool, 50), 2);
  assert_int_equal (o.done, 3);
  assert_int_equal (o.end, JOB_DISCARDED);
  assert_int_equal (o.rc, -ECANCELED);
  loop_free (o.loop);
  gate_open (&o.gate);
  gate_wait_freed (&o.gate, 2);
}

static void
refused_while_closing (void *p, void *arg, enum job_end end, int rc)
{
  struct owner *o = p;
  struct job_spec again = spec_of (o, run_at_once, "g1");
  struct error err = ERROR_INIT;

  o->done++;
  free (arg);
  assert_int_equal (job_start (o->pool, &again, &err), -ECANCELED);
  free (again.arg);
}

static void
test_closing_refuses (void **state)
{
  struct owner o;
  struct job_spec a;

  setup (&o, NULL);
  a = spec_of (&o, run_until_stopped, "g1");
  a.done = refused_while_closing;
  start (&o, &a);
  assert_int_equal (job_pool_free (o.pool, 10000), 0);
  assert_int_equal (o.done, 1);
  job_pool_free (NULL, 0);
  loop_free (o.loop);
}

/* Deadlines that strike while the jobs return: each ends exactly once, either
 * way (and TSan and ASan watch). */
static void
test_race (void **state)
{
  enum { ROUNDS = 200 };
  struct job_limits limits = { .grace_ms = 1 };
  struct owner o;
  struct error err = ERROR_INIT;
  struct job_stats st;

  setup (&o, &limits);
  for (unsigned i = 0; i < ROUNDS; i++)
    {
      struct job_spec a = spec_of (&o, run_at_once, "g1");

      a.timeout_ms = 1;
      while (job_start (o.pool, &a, &err) == -EBUSY)
        assert_int_equal (loop_round (o.loop, 10000, &err), 0);
      loop_advance (o.loop, 2);
      assert_int_equal (loop_round (o.loop, 0, &err), 0);
    }
  while (stats (&o).threads > 0)
    assert_int_equal (loop_round (o.loop, 10000, &err), 0);
  st = stats (&o);
  assert_int_equal (o.done, ROUNDS);
  assert_int_equal (st.returned + st.discarded_total, ROUNDS);
  job_pool_free (o.pool, 0);
  loop_free (o.loop);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_returns),
    cmocka_unit_test (test_lane_is_taken),
    cmocka_unit_test (test_tells_of_free_lanes),
    cmocka_unit_test (test_ears_come_and_go),
    cmocka_unit_test (test_stops_at_deadline),
    cmocka_unit_test (test_real_deadline),
    cmocka_unit_test (test_told_to_stop),
    cmocka_unit_test (test_discarded),
    cmocka_unit_test (test_full),
    cmocka_unit_test (test_pool_leaves_behind),
    cmocka_unit_test (test_closing_refuses),
    cmocka_unit_test (test_race),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
