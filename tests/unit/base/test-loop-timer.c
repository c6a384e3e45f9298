/* SPDX-License-Identifier: Apache-2.0
 *
 * Timers of the loop: their order, those that arm themselves again, those that
 * free others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tests/unit/base/fake-loop.h"

struct trace
{
  struct loop *loop;
  char text[256];
};

struct named
{
  struct trace *trace;
  struct timer *timer, *other;
  const char *mark;
  uint64_t again;
  unsigned runs;
};

static void
trace_timer (struct timer *t, void *arg)
{
  struct named *n = arg;

  assert_ptr_equal (t, n->timer);
  assert_false (timer_armed (t));
  if (strlen (n->trace->text) < sizeof n->trace->text - 2)
    strncat (n->trace->text, n->mark, 1);
  n->runs++;
  if (n->again)
    timer_in (t, n->again);
  if (n->other)
    {
      timer_free (n->other);
      n->other = NULL;
    }
}

static struct named
named (struct trace *tr, const char *mark)
{
  return (struct named){ .trace = tr, .mark = mark };
}

static void
make_timer (struct named *n)
{
  struct error err = ERROR_INIT;

  assert_int_equal (
      loop_timer (n->trace->loop, n->mark, trace_timer, n, &n->timer, &err), 0);
}

static void
test_timer_order (void **state)
{
  struct trace tr = { .loop = fake_loop () };
  struct named a = named (&tr, "a"), b = named (&tr, "b"), c = named (&tr, "c"),
               d = named (&tr, "d");

  make_timer (&a);
  make_timer (&b);
  make_timer (&c);
  make_timer (&d);
  timer_in (a.timer, 30);
  timer_in (b.timer, 10);
  timer_in (c.timer, 10);
  timer_in (d.timer, 20);
  assert_true (timer_armed (a.timer));
  loop_advance (tr.loop, 9);
  assert_string_equal (tr.text, "");
  timer_in (a.timer, 2);          /* moves to 11 */
  timer_at (b.timer, UINT64_MAX); /* moves to never */
  loop_advance (tr.loop, 100);
  assert_string_equal (tr.text, "cad");
  timer_stop (b.timer);
  timer_stop (b.timer);
  assert_false (timer_armed (b.timer));
  loop_advance (tr.loop, 100);
  assert_string_equal (tr.text, "cad");
  timer_in (a.timer, UINT64_MAX); /* does not wrap */
  loop_advance (tr.loop, 100);
  assert_string_equal (tr.text, "cad");
  timer_free (a.timer);
  timer_free (NULL);
  loop_free (tr.loop);
}

static void
test_timer_again (void **state)
{
  struct trace tr = { .loop = fake_loop () };
  struct named a = named (&tr, "a"), b = named (&tr, "b");
  uint64_t start = loop_now (tr.loop);

  make_timer (&a);
  make_timer (&b);
  a.again = 10;
  timer_in (a.timer, 10);
  timer_in (b.timer, 25);
  loop_advance (tr.loop, 35);
  assert_string_equal (tr.text, "aaba");
  assert_int_equal (loop_now (tr.loop) - start, 35);
  loop_free (tr.loop);
}

/* A timer that wants every round must not starve the others, nor hold the
 * round, nor loop_advance(). */
static void
test_timer_every_round (void **state)
{
  struct trace tr = { .loop = fake_loop () };
  struct named a = named (&tr, "a"), b = named (&tr, "b");
  struct error err = ERROR_INIT;

  make_timer (&a);
  make_timer (&b);
  timer_in (a.timer, 0);
  assert_int_equal (loop_round (tr.loop, 0, &err), 0);
  assert_int_equal (a.runs, 1);
  assert_int_equal (loop_round (tr.loop, 0, &err), 0);
  assert_int_equal (a.runs, 1);
  a.trace = &(struct trace){ .loop = tr.loop };
  timer_in (b.timer, 5);
  a.again = 1;
  timer_in (a.timer, 1);
  loop_advance (tr.loop, 10);
  assert_int_equal (b.runs, 1);
  assert_int_equal (a.runs, 11);
  loop_free (tr.loop);
}

static void
rearm_now (struct timer *t, void *arg)
{
  ++*(unsigned *) arg;
  timer_in (t, 0);
}

static void
test_timer_zero_delay (void **state)
{
  struct loop *loop = fake_loop ();
  struct error err = ERROR_INIT;
  struct timer *t = NULL;
  unsigned runs = 0;

  assert_int_equal (loop_timer (loop, "busy", rearm_now, &runs, &t, &err), 0);
  timer_in (t, 0);
  assert_int_equal (loop_round (loop, 1000000, &err), 0);
  assert_int_equal (runs, 1);
  assert_int_equal (loop_round (loop, 1000000, &err), 0);
  assert_int_equal (runs, 2);
  loop_advance (loop, 10); /* comes back */
  assert_true (runs > 2);
  loop_free (loop);
}

static void
test_timer_frees_another (void **state)
{
  struct trace tr = { .loop = fake_loop () };
  struct named a = named (&tr, "a"), b = named (&tr, "b"), c = named (&tr, "c");

  make_timer (&a);
  make_timer (&b);
  make_timer (&c);
  a.other = b.timer; /* due in the same pass */
  c.other = NULL;
  timer_in (a.timer, 5);
  timer_in (b.timer, 5);
  timer_in (c.timer, 5);
  loop_advance (tr.loop, 5);
  assert_string_equal (tr.text, "ac");
  c.other = c.timer; /* itself */
  timer_in (c.timer, 5);
  loop_advance (tr.loop, 5);
  assert_string_equal (tr.text, "acc");
  loop_free (tr.loop);
}

static int
by_value (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

  return x < y ? -1 : x > y;
}

struct many
{
  struct loop *loop;
  uint64_t due, *seen;
  size_t *nseen;
  struct timer *timer;
};

static void
many_fn (struct timer *t, void *arg)
{
  struct many *m = arg;

  assert_int_equal (loop_now (m->loop), m->due);
  m->seen[(*m->nseen)++] = m->due;
}

/* A heap under many flips keeps its order: compared with a sorted array. */
static void
test_timer_heap (void **state)
{
  enum
  {
    N = 500
  };
  static struct many m[N];
  static uint64_t seen[N], want[N];
  struct loop *loop = fake_loop ();
  struct error err = ERROR_INIT;
  size_t nseen = 0, nwant = 0;
  uint32_t rnd = 12345;

  for (size_t i = 0; i < N; i++)
    {
      m[i] = (struct many){ .loop = loop, .seen = seen, .nseen = &nseen };
      assert_int_equal (
          loop_timer (loop, "many", many_fn, &m[i], &m[i].timer, &err), 0);
    }
  for (size_t k = 0; k < 20 * N; k++)
    {
      size_t i = (rnd = rnd * 1103515245 + 12345) >> 8;
      struct many *x = &m[i % N];

      if (i % 5 == 0)
        timer_stop (x->timer);
      else
        {
          x->due = loop_now (loop) + 1 + (i >> 4) % 1000;
          timer_at (x->timer, x->due);
        }
    }
  for (size_t i = 0; i < N; i++)
    if (timer_armed (m[i].timer))
      want[nwant++] = m[i].due;
  qsort (want, nwant, sizeof *want, by_value);
  loop_advance (loop, 2000);
  assert_int_equal (nseen, nwant);
  assert_memory_equal (seen, want, nwant * sizeof *want);
  loop_free (loop);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_timer_order),
    cmocka_unit_test (test_timer_again),
    cmocka_unit_test (test_timer_every_round),
    cmocka_unit_test (test_timer_zero_delay),
    cmocka_unit_test (test_timer_frees_another),
    cmocka_unit_test (test_timer_heap),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
