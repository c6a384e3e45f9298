/* SPDX-License-Identifier: Apache-2.0
 *
 * Hosts that stand still: what is seen of it, and what becomes of checks.
 */
#include "bindings-bed.h"

#include "supervisor/watch/hostclock.h"

/* ---- a host that does as the test says ---- */

static struct host_sample host;
static struct hostclock *clock_;
static unsigned gaps;
static struct host_gap last_gap;

static void
take_sample (struct host_sample *ret, void *arg)
{
  struct world *w = arg;
  uint64_t now = loop_now (w->env.loop);

  host.boot_ms += now - host.mono_ms;
  host.mono_ms = now;
  *ret = host;
}

static void
on_gap (const struct host_gap *gap, void *arg)
{
  struct world *w = arg;

  gaps++;
  last_gap = *gap;
  bindings_gap (w->b, gap);
}

static int
setup_host (void **state)
{
  struct hostclock_env env = { .sample = take_sample, .gap = on_gap };
  struct world *w;

  setup (state);
  w = *state;
  gaps = 0;
  host = (struct host_sample){ .mono_ms = loop_now (w->env.loop),
                               .boot_ms = loop_now (w->env.loop),
                               .has_sched = true,
                               .cpu_some = -1,
                               .memory_full = -1 };
  env.loop = w->env.loop;
  env.arg = w;
  assert_int_equal (hostclock_new (&env, &clock_, NULL), 0);
  /* The bed's own bindings know of no host. */
  bindings_free (w->b);
  w->env.host = clock_;
  assert_int_equal (bindings_new (&w->env, &w->b, NULL), 0);
  assert_int_equal (bindings_listen (w->b, on_outcome, w, NULL), 0);
  return 0;
}

static int
teardown_host (void **state)
{
  set_waiting (false);
  until_idle (*state);
  hostclock_free (clock_); /* while there is a loop */
  return teardown (state);
}

#define H(fn) cmocka_unit_test_setup_teardown (fn, setup_host, teardown_host)

/* ---- two samples ---- */

static struct host_sample
at (uint64_t mono, uint64_t boot, uint64_t ran, uint64_t waited)
{
  return (struct host_sample){ .mono_ms = mono,
                               .boot_ms = boot,
                               .has_sched = true,
                               .ran_us = ran * 1000,
                               .waited_us = waited * 1000,
                               .cpu_some = -1,
                               .memory_full = -1 };
}

static void
compares (struct host_sample now, int want, uint64_t lasted)
{
  struct host_sample was = at (10000, 20000, 0, 0);
  struct host_gap gap;
  bool is;

  now.mono_ms += 10000;
  now.boot_ms += 20000;
  is = host_compare (&was, &now, &gap);
  assert_int_equal (is ? (int) gap.why : -1, want);
  if (!is)
    return;
  assert_int_equal (gap.lasted_ms, lasted);
  assert_int_equal (gap.from_ms, 10000);
  assert_int_equal (gap.to_ms,
                    now.mono_ms + (want == HOST_SUSPENDED ? HOST_SETTLE_MS : 0));
  assert_true (gap.says[0] != '\0');
}

static void
test_compares (void **state)
{
  struct host_sample s;

  compares (at (1000, 1000, 20, 10), -1, 0);
  compares (at (1900, 1900, 20, 10), -1, 0); /* a little late */
  compares (at (1000, 1200, 20, 10), -1, 0);
  compares (at (1000, 3601000, 20, 10), HOST_SUSPENDED, 3600000);
  compares (at (9000, 9000, 20, 10), HOST_FROZEN, 8000);
  compares (at (9000, 9000, 20, 7500), HOST_STARVED, 7500);
  compares (at (1000, 1000, 100, 700), HOST_STARVED, 700);
  compares (at (1000, 1000, 100, 300), -1, 0);
  /* Busy with itself: it stood not still. */
  compares (at (9000, 9000, 8000, 10), -1, 0);
  /* Suspended is what it is, however late the tick was. */
  compares (at (9000, 99000, 20, 10), HOST_SUSPENDED, 90000);
  s = at (1000, 1000, 20, 10);
  s.cpu_some = 100; /* others wait; we do not */
  compares (s, -1, 0);
  s.memory_full = 80; /* which one guest that swaps may have made */
  compares (s, -1, 0);
  /* Without the kernel's figures late is late. */
  s = at (9000, 9000, 0, 0);
  s.has_sched = false;
  compares (s, HOST_FROZEN, 8000);
  /* No clock goes backwards, and if one did, nothing would be said. */
  s = at (0, 0, 0, 0);
  s.mono_ms -= 5000;
  compares (s, -1, 0);
}

/* The real ones, of a host that stands as it is. */
static void
test_reads_this_host (void **state)
{
  struct hostclock_env env = { 0 };
  struct hostclock *h;
  struct host_gap gap;

  assert_int_equal (loop_new (&env.loop, NULL), 0);
  assert_int_equal (hostclock_new (&env, &h, NULL), 0);
  assert_false (hostclock_over (h, 0, 0, &gap));
  assert_string_equal (hostclock_pressed (h), "");
  assert_false (hostclock_last (h, &gap));
  hostclock_free (h);
  hostclock_free (NULL);
  loop_free (env.loop);
}

/* ---- checks ---- */

static void
begin_failing (struct world *w)
{
  bind (w, TCP ("up", ""), kind_fake ());
  ask (w, OUTCOME_OK);
  check.outcome = OUTCOME_FAILED;
  set_waiting (true);
  assert_int_equal (bindings_probe (w->b, A, "up", NULL), 0);
  until_entered ();
}

static void
end_it (struct world *w)
{
  unsigned before = w->told;

  set_waiting (false);
  UNTIL_LOOP (w->env.loop, w->told > before);
}

static void
test_suspended_meanwhile (void **state)
{
  struct world *w = *state;

  begin_failing (w);
  loop_advance (w->env.loop, 1500);
  assert_int_equal (gaps, 0);
  host.boot_ms += 3600000;
  end_it (w);
  assert_last (w, OUTCOME_NO_VERDICT, "host-suspended");
  assert_int_equal (gaps, 1);
  assert_int_equal (info (w)->health, HEALTH_WELL);
  assert_int_equal (info (w)->failures, 0);
  /* Guests have a moment, then failures are failures. */
  loop_advance (w->env.loop, 2000);
  ask (w, OUTCOME_FAILED);
  assert_last (w, OUTCOME_NO_VERDICT, "host-suspended");
  loop_advance (w->env.loop, HOST_SETTLE_MS);
  ask (w, OUTCOME_FAILED);
  assert_last (w, OUTCOME_FAILED, "fake");
  assert_int_equal (gaps, 1);
}

/* Who answers, however badly, had the time to. */
static void
test_what_was_said_counts (void **state)
{
  struct world *w = *state;

  check.ways[0].name = "tcp";
  check.ways[0].outcome = OUTCOME_FAILED;
  check.ways[0].way = WAY_GUEST;
  check.ways[0].code = "http-status";
  begin_failing (w);
  host.boot_ms += 3600000;
  loop_advance (w->env.loop, 1500);
  end_it (w);
  assert_last (w, OUTCOME_FAILED, "http-status");
  check.ways[0].code = "timeout";
  check.ways[0].way = WAY_LOST;
  ask (w, OUTCOME_FAILED);
  assert_last (w, OUTCOME_NO_VERDICT, "host-suspended");
  assert_kept (w, "probe.up", "failed");
  assert_untold (w, "reach.tcp");
}

/* Who answers well has answered. */
static void
test_well_is_well (void **state)
{
  struct world *w = *state;

  begin_failing (w);
  check.outcome = OUTCOME_OK;
  host.boot_ms += 3600000;
  loop_advance (w->env.loop, 1500);
  end_it (w);
  assert_last (w, OUTCOME_OK, "fake");
  assert_int_equal (gaps, 1);
}

static void
test_frozen_meanwhile (void **state)
{
  struct world *w = *state;
  struct bindings_spared spared;

  assert_false (bindings_spared (w->b, 60000, &spared));
  begin_failing (w);
  loop_advance (w->env.loop, 1000);
  loop_jump (w->env.loop, 20000);
  end_it (w);
  assert_last (w, OUTCOME_NO_VERDICT, "host-frozen");
  assert_non_null (strstr (w->last.sentence, "stood still for 19s"));
  assert_true (bindings_spared (w->b, 60000, &spared));
  assert_string_equal (spared.code, "host-frozen");
  assert_int_equal (spared.guests, 1);
  assert_int_equal (spared.lasted_ms, 19000);
  loop_advance (w->env.loop, 61000);
  assert_false (bindings_spared (w->b, 60000, &spared));
}

static void
test_starved_meanwhile (void **state)
{
  struct world *w = *state;

  begin_failing (w);
  for (unsigned i = 0; i < 5; i++)
    {
      host.waited_us += 800000;
      loop_advance (w->env.loop, 1000);
    }
  end_it (w);
  assert_last (w, OUTCOME_NO_VERDICT, "host-starved");
  /* What the last answer said is still the last that is known. */
  assert_kept (w, "probe.up", "ok");
  assert_int_equal (gaps, 5);
  /* Told as one. */
  assert_true (hostclock_last (clock_, &last_gap));
  assert_int_equal (last_gap.lasted_ms, 4000);
  loop_advance (w->env.loop, 2000);
  ask (w, OUTCOME_FAILED);
  assert_last (w, OUTCOME_FAILED, "fake");
}

/* What is not looked at cannot change anything: the wall clock. */
static void
test_runs_when_due (void **state)
{
  struct world *w = *state;
  uint64_t next;

  bind (w, TCP ("up", ""), kind_fake ());
  in_turn (w);
  next = info (w)->next_ms;
  /* A suspend stops the loop's clock as it stops all else. */
  host.boot_ms += 86400000;
  loop_advance (w->env.loop, 1000);
  assert_int_equal (gaps, 1);
  assert_int_equal (info (w)->next_ms, next);
  in_turn (w);
  assert_int_equal (info (w)->last_ms, next);
  assert_int_equal (info (w)->late, 0);
}

/* ---- many ---- */

struct due_count
{
  uint64_t from, to;
  unsigned n;
};

static void
count_due (const struct binding_info *i, void *arg)
{
  struct due_count *c = arg;

  c->n += i->next_ms >= c->from && i->next_ms < c->to;
}

static unsigned
due_within (struct world *w, uint64_t from, uint64_t to)
{
  struct due_count c
      = { loop_now (w->env.loop) + from, loop_now (w->env.loop) + to, 0 };

  bindings_each (w->b, NULL, count_due, &c);
  return c.n;
}

static void
spread_anew (const struct binding_info *i, void *arg)
{
  struct world *w = arg;

  /* By chance at once; one that was not spread is overdue. */
  assert_true (i->next_ms >= loop_now (w->env.loop));
}

static void
test_spreads_what_fell_due (void **state)
{
  struct world *w = *state;
  unsigned early = 0;

  add_guests (w, 299);
  bind (w,
        "{\"name\":\"up\",\"kind\":\"tcp\",\"interval\":\"30s\","
        "\"initial-delay\":\"1s\",\"jitter\":\"500ms\","
        "\"address\":\"192.0.2.1:1\"}",
        kind_fake ());
  assert_int_equal (due_within (w, 0, 2000), 300);
  /* Nobody looked for a minute: all are due. */
  w->told = 0;
  loop_jump (w->env.loop, 60000);
  assert_int_equal (loop_round (w->env.loop, 0, NULL), 0);
  assert_int_equal (gaps, 1);
  assert_int_equal (last_gap.why, HOST_FROZEN);
  assert_int_equal (w->told, 0);
  bindings_each (w->b, NULL, spread_anew, w);
  /* Of 300 over 30 s some 100 are due in 10 s; 40 would be 8 sigma off. */
  early = due_within (w, 0, 10000);
  assert_in_range (early, 40, 160);
  assert_int_equal (due_within (w, 0, 30000), 300);
}

static void
probe_of (struct world *w, unsigned i)
{
  char uuid[UUID_TEXT];
  unsigned before = w->told;

  name_of (uuid, i);
  assert_int_equal (bindings_probe (w->b, uuid, "up", NULL), 0);
  UNTIL_LOOP (w->env.loop, w->told > before);
}

static void
be_well (struct world *w, unsigned n)
{
  add_guests (w, n);
  /* None has its turn meanwhile. */
  bind (w,
        "{\"name\":\"up\",\"kind\":\"tcp\",\"interval\":\"1h\","
        "\"initial-delay\":\"1h\",\"retry-interval\":\"1h\","
        "\"address\":\"192.0.2.1:1\"}",
        kind_fake ());
  check.outcome = OUTCOME_OK;
  ask (w, OUTCOME_OK);
  for (unsigned i = 0; i < n; i++)
    probe_of (w, i);
  check.outcome = OUTCOME_FAILED;
  check.ways[0].name = "tcp";
  check.ways[0].outcome = OUTCOME_FAILED;
  check.ways[0].way = WAY_GUEST;
  check.ways[0].code = "timeout";
}

static void
test_a_crowd (void **state)
{
  struct world *w = *state;
  struct bindings_spared spared;

  be_well (w, 9);
  /* A host at ease: so many fail as fail. */
  probe_of (w, 0);
  assert_last (w, OUTCOME_FAILED, "timeout");
  host.cpu_some = 90;
  loop_advance (w->env.loop, 1000);
  for (unsigned i = 1; i < 5; i++)
    {
      probe_of (w, i);
      assert_last (w, OUTCOME_FAILED, "timeout");
    }
  /* The sixth of ten is one too many. */
  probe_of (w, 5);
  assert_last (w, OUTCOME_NO_VERDICT, "host-starved");
  assert_non_null (strstr (w->last.sentence, "6 of 10"));
  /* Nor do those count that are asked again. */
  probe_of (w, 1);
  assert_last (w, OUTCOME_NO_VERDICT, "host-starved");
  assert_true (bindings_spared (w->b, 60000, &spared));
  assert_string_equal (spared.code, "host-starved");
  assert_int_equal (spared.guests, 2);
  /* Who says no has answered. */
  check.ways[0].code = "refused";
  probe_of (w, 6);
  assert_last (w, OUTCOME_FAILED, "refused");
  /* Later it is a guest's own trouble again. */
  check.ways[0].code = "timeout";
  host.cpu_some = 0;
  loop_advance (w->env.loop, 31000);
  probe_of (w, 1);
  assert_last (w, OUTCOME_FAILED, "timeout");
}

/* On a quiet host one guest that swaps is all that waits for memory: the others'
 * failures are theirs, unless they are many. */
static void
test_memory_alone (void **state)
{
  struct world *w = *state;

  be_well (w, 9);
  host.memory_full = 90;
  for (unsigned i = 0; i < 5; i++)
    {
      loop_advance (w->env.loop, 1000);
      probe_of (w, i);
      assert_last (w, OUTCOME_FAILED, "timeout");
    }
  assert_int_equal (gaps, 0);
  probe_of (w, 5);
  assert_last (w, OUTCOME_NO_VERDICT, "host-starved");
  assert_non_null (strstr (w->last.sentence, "memory"));
}

/* Few are no crowd, nor are half of them. */
static void
test_no_crowd (void **state)
{
  struct world *w = *state;

  be_well (w, 9);
  host.cpu_some = 90;
  loop_advance (w->env.loop, 1000);
  for (unsigned i = 0; i < 5; i++)
    {
      probe_of (w, i);
      assert_last (w, OUTCOME_FAILED, "timeout");
    }
}

/* ---- kinds that watch ---- */

static struct
{
  unsigned gaps;
  enum outcome says;
  const char *code;
} watched_;

static void *
state_new (const struct scenario *s, uint64_t now_ms)
{
  return calloc (1, 1);
}

static void
on_watch_gap (void *st, const struct scenario *s, uint64_t from_ms,
              uint64_t to_ms)
{
  watched_.gaps++;
  assert_true (to_ms > from_ms);
}

static void
on_due (void *st, const struct scenario *s, uint64_t now_ms,
        struct outcome_report *ret)
{
  ret->outcome = watched_.says;
  snprintf (ret->code, sizeof ret->code, "%s", watched_.code);
}

static const struct scenario_kind *
kind_watching (void)
{
  static const char *const facts[] = { NULL };
  static const struct scenario_watch watch
      = { .facts = facts,
          .state_new = state_new,
          .state_free = free,
          .gap = on_watch_gap,
          .due = on_due };
  static struct scenario_kind kind;

  kind = kind_tcp;
  kind.ask = NULL;
  kind.watch = &watch;
  return &kind;
}

static void
test_watches_with_grace (void **state)
{
  struct world *w = *state;

  watched_.gaps = 0;
  watched_.says = OUTCOME_OK;
  watched_.code = "fake";
  bind (w, TCP ("up", ""), kind_watching ());
  in_turn (w);
  watched_.says = OUTCOME_FAILED;
  loop_advance (w->env.loop, 1000);
  host.boot_ms += 60000;
  loop_advance (w->env.loop, 1000);
  assert_int_equal (watched_.gaps, 1);
  in_turn (w);
  assert_last (w, OUTCOME_NO_VERDICT, "host-suspended");
  in_turn (w);
  assert_last (w, OUTCOME_NO_VERDICT, "host-suspended");
  in_turn (w);
  assert_last (w, OUTCOME_FAILED, "fake");
}

/* A line that must not be said is said once: by the next time it is not heard
 * any more. */
static void
test_was_heard_in_a_gap (void **state)
{
  struct world *w = *state;

  watched_.says = OUTCOME_OK;
  watched_.code = "fake";
  bind (w, TCP ("up", ""), kind_watching ());
  in_turn (w);
  host.boot_ms += 60000;
  loop_advance (w->env.loop, 1000);
  watched_.says = OUTCOME_FAILED;
  watched_.code = "pattern-seen";
  in_turn (w);
  assert_last (w, OUTCOME_FAILED, "pattern-seen");
  watched_.code = "console-silent";
  in_turn (w);
  assert_last (w, OUTCOME_NO_VERDICT, "host-suspended");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_compares),
    cmocka_unit_test (test_reads_this_host),
    H (test_suspended_meanwhile),
    H (test_what_was_said_counts),
    H (test_well_is_well),
    H (test_frozen_meanwhile),
    H (test_starved_meanwhile),
    H (test_runs_when_due),
    H (test_spreads_what_fell_due),
    H (test_a_crowd),
    H (test_no_crowd),
    H (test_memory_alone),
    H (test_watches_with_grace),
    H (test_was_heard_in_a_gap),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
