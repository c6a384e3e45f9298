/* SPDX-License-Identifier: Apache-2.0
 *
 * Bindings: by which way a check is made, what it means that one of several
 * does not do, and who waits for whom.
 */
#include "bindings-bed.h"

static const struct scenario_kind *
kind_ways (void)
{
  static struct scenario_kind kind;

  kind = kind_console_command;
  kind.ask = run_check;
  return &kind;
}

#define SSH                                                                   \
  "\"address\":\"192.0.2.1:22\",\"ssh\":{\"user\":\"u\",\"key\":\"k\"},"
#define CC(name, more)                                                        \
  "{\"name\":\"" name "\",\"kind\":\"console-command\",\"command\":\"c\","    \
  "\"interval\":\"30s\"," more "\"initial-delay\":\"7s\"}"
#define LONG "\"timeout\":\"29900ms\","
#define BOTH "\"transports\":[\"console\",\"ssh\"]," SSH

/* What an attempt by the console, or by ssh, says. */
static void
play (unsigned i, enum outcome outcome, enum way_said way, const char *code)
{
  static const char *const names[] = { "console", "ssh" };

  LOCK_SCOPE (&check.m);
  check.ways[i].name = names[i];
  check.ways[i].outcome = outcome;
  check.ways[i].way = way;
  check.ways[i].code = code;
  check.ways[i].asked = 0;
}

static void
hold (unsigned i, bool wait)
{
  LOCK_SCOPE (&check.m);
  check.ways[i].wait = wait;
  pthread_cond_broadcast (&check.c);
}

static unsigned
asked (unsigned i)
{
  LOCK_SCOPE (&check.m);
  return check.ways[i].asked;
}

/* ---- one after another ---- */

#ifdef WITH_SSH
static void
assert_tried (struct world *w, const char *transport, const char *code)
{
  assert_int_equal (w->last.ntried, 1);
  assert_string_equal (w->last.tried[0].transport, transport);
  assert_string_equal (w->last.tried[0].code, code);
}

static void
test_first_that_answers (void **state)
{
  struct world *w = *state;

  bind (w, CC ("up", BOTH), kind_ways ());
  play (0, OUTCOME_OK, WAY_ANSWERS, "ok");
  play (1, OUTCOME_OK, WAY_ANSWERS, "ok");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_OK, "ok");
  assert_string_equal (w->last.transport, "console");
  assert_int_equal (w->last.ntried, 0);
  assert_int_equal (asked (1), 0);
  assert_int_equal (shells, 1);
  assert_fact (w, "reach.console", "alive");
  /* What it answers may be wrong: then the other would say the same. */
  play (0, OUTCOME_FAILED, WAY_ANSWERS, "status");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_FAILED, "status");
  assert_int_equal (asked (1), 0);
  /* And in a boot nobody else is asked. */
  play (0, OUTCOME_NO_VERDICT, WAY_GUEST, "booting");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_NO_VERDICT, "booting");
  assert_int_equal (asked (1), 0);
}

static void
test_unusable (void **state)
{
  struct world *w = *state;

  bind (w, CC ("up", BOTH), kind_ways ());
  play (0, OUTCOME_NO_VERDICT, WAY_UNUSABLE, "login-prompt");
  play (1, OUTCOME_OK, WAY_ANSWERS, "ok");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_OK, "ok");
  assert_string_equal (w->last.transport, "ssh");
  assert_tried (w, "console", "login-prompt");
  assert_string_equal (w->last.tried[0].sentence, "by console");
  assert_fact (w, "reach.console", "unusable login-prompt");
  assert_fact (w, "reach.ssh", "alive");
  assert_int_equal (shells, 0);
  /* The guest fails by who could ask it. */
  play (1, OUTCOME_FAILED, WAY_LOST, "refused");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_FAILED, "refused");
  assert_tried (w, "console", "login-prompt");
  /* Nobody could: what the first says of it. */
  play (1, OUTCOME_NO_VERDICT, WAY_UNUSABLE, "no-route");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_NO_VERDICT, "login-prompt");
  assert_string_equal (w->last.transport, "console");
  assert_tried (w, "ssh", "no-route");
  assert_int_equal (info (w)->runs, 3);
}

static void
test_lost (void **state)
{
  struct world *w = *state;

  bind (w, CC ("up", BOTH), kind_ways ());
  play (0, OUTCOME_FAILED, WAY_LOST, "silent");
  play (1, OUTCOME_OK, WAY_ANSWERS, "ok");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_FAILED, "console-lost");
  assert_string_equal (w->last.sentence,
                       "it answers well over ssh, but not over console: "
                       "silent: by console");
  assert_tried (w, "console", "silent");
  assert_fact (w, "reach.console", "dead silent");
  assert_fact (w, "reach.ssh", "alive");
  /* Both: the guest, by the preferred one. */
  play (1, OUTCOME_FAILED, WAY_LOST, "timeout");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_FAILED, "silent");
  assert_tried (w, "ssh", "timeout");
  /* It answers, and is not well: that is worth more than the console. */
  play (1, OUTCOME_FAILED, WAY_ANSWERS, "status");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_FAILED, "status");
  assert_string_equal (w->last.transport, "ssh");
  /* Nor does one that can't be asked excuse the other. */
  play (1, OUTCOME_NO_VERDICT, WAY_UNUSABLE, "no-route");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_FAILED, "silent");
  play (1, OUTCOME_NO_VERDICT, WAY_ANSWERS, "output-flood");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_FAILED, "silent");
  assert_int_equal (info (w)->failures, 5);
}

static void
test_another_order (void **state)
{
  struct world *w = *state;

  bind (w, CC ("up", "\"transports\":[\"ssh\",\"console\"]," SSH), kind_ways ());
  play (0, OUTCOME_OK, WAY_ANSWERS, "ok");
  play (1, OUTCOME_FAILED, WAY_LOST, "refused");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_FAILED, "way-lost");
  assert_string_equal (w->last.transport, "console");
  assert_tried (w, "ssh", "refused");
}

/* What its snapshot has not is not asked, and is told of; one way that failed is
 * asked again. */
static void
test_absent (void **state)
{
  struct world *w = *state;
  struct guest *g = a_guest (100, GUEST_RUNNING);

  g->nconsoles = 0;
  registry_update (w->env.registry, g);
  bind (w, CC ("up", BOTH), kind_ways ());
  play (0, OUTCOME_OK, WAY_ANSWERS, "ok");
  play (1, OUTCOME_OK, WAY_ANSWERS, "ok");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_OK, "ok");
  assert_string_equal (w->last.transport, "ssh");
  assert_tried (w, "console", "console-absent");
  assert_int_equal (asked (0), 0);
  play (1, OUTCOME_FAILED, WAY_LOST, "refused");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_FAILED, "refused");
  /* It has one now. */
  registry_update (w->env.registry, a_guest (100, GUEST_RUNNING));
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_OK, "ok");
  assert_string_equal (w->last.transport, "console");
}

/* Where there is no other, who is asked says more: its QEMU may be gone. */
static void
test_absent_alone (void **state)
{
  struct world *w = *state;
  struct guest *g = a_guest (100, GUEST_RUNNING);

  g->nconsoles = 0;
  registry_update (w->env.registry, g);
  bind (w, CC ("up", ""), kind_ways ());
  play (0, OUTCOME_FAILED, WAY_GUEST, "vmm-dead");
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_FAILED, "vmm-dead");
  assert_int_equal (asked (0), 1);
}

/* ---- lanes ---- */

/* A preferred way that is not free, where another one is. */
static void
test_busy_lane (void **state)
{
  struct world *w = *state;

  bind (w,
        "{\"scenarios\":[" CC ("other", "") "," CC ("up", BOTH) "]}",
        kind_ways ());
  play (0, OUTCOME_OK, WAY_ANSWERS, "ok");
  play (1, OUTCOME_OK, WAY_ANSWERS, "ok");
  hold (0, true);
  assert_int_equal (bindings_probe (w->b, A, "other", NULL), 0);
  UNTIL_LOOP (w->env.loop, asked (0) == 1);
  assert_int_equal (bindings_probe (w->b, A, "up", NULL), 0);
  UNTIL_LOOP (w->env.loop, w->told == 1);
  assert_string_equal (w->last.transport, "ssh");
  assert_tried (w, "console", "lane-busy");
  assert_fact (w, "reach.ssh", "alive");
  assert_untold (w, "reach.console");
  hold (0, false);
  UNTIL_LOOP (w->env.loop, w->told == 2);
}

/* Nobody answers by the one, and the other is not free: it is waited for. */
static void
test_lost_and_busy (void **state)
{
  struct world *w = *state;

  bind (w,
        "{\"scenarios\":[" CC ("other", "\"transports\":[\"ssh\"]," SSH) ","
        CC ("up", BOTH "\"timeout\":\"5s\",") "]}",
        kind_ways ());
  play (0, OUTCOME_FAILED, WAY_LOST, "silent");
  play (1, OUTCOME_OK, WAY_ANSWERS, "ok");
  hold (1, true);
  assert_int_equal (bindings_probe (w->b, A, "other", NULL), 0);
  UNTIL_LOOP (w->env.loop, asked (1) == 1);
  assert_int_equal (bindings_probe (w->b, A, "up", NULL), 0);
  UNTIL_LOOP (w->env.loop, strstr (info (w)->held_off, "ssh lane"));
  assert_int_equal (asked (0), 1);
  assert_int_equal (w->told, 0);
  hold (1, false);
  UNTIL_LOOP (w->env.loop, w->told == 2);
  assert_last (w, OUTCOME_FAILED, "console-lost");
  assert_string_equal (info (w)->held_off, "");
  assert_int_equal (asked (1), 2);

  /* But not for ever. */
  hold (1, true);
  assert_int_equal (bindings_probe (w->b, A, "other", NULL), 0);
  UNTIL_LOOP (w->env.loop, asked (1) == 3);
  assert_int_equal (bindings_probe (w->b, A, "up", NULL), 0);
  UNTIL_LOOP (w->env.loop, strstr (info (w)->held_off, "ssh lane"));
  loop_advance (w->env.loop, 5000);
  UNTIL_LOOP (w->env.loop, w->told == 3);
  assert_last (w, OUTCOME_FAILED, "silent");
  assert_tried (w, "ssh", "lane-busy");
  assert_string_equal (info (w)->held_off, "");
  assert_int_equal (info (w)->skipped, 0);
  hold (1, false);
  UNTIL_LOOP (w->env.loop, w->told == 4);
}

/* One whose thread never comes back. */
static void
test_stuck (void **state)
{
  struct world *w = *state;

  bind (w, CC ("up", BOTH "\"timeout\":\"1s\","), kind_ways ());
  play (0, OUTCOME_OK, WAY_ANSWERS, "ok");
  play (1, OUTCOME_OK, WAY_ANSWERS, "ok");
  hold (0, true);
  assert_int_equal (bindings_probe (w->b, A, "up", NULL), 0);
  UNTIL_LOOP (w->env.loop, asked (0) == 1);
  loop_advance (w->env.loop, 2000);
  UNTIL_LOOP (w->env.loop, w->told == 1);
  assert_last (w, OUTCOME_OK, "ok");
  assert_tried (w, "console", "stuck");
  /* Its lane stays taken, and is not waited for. */
  assert_int_equal (bindings_probe (w->b, A, "up", NULL), 0);
  UNTIL_LOOP (w->env.loop, w->told == 2);
  assert_tried (w, "console", "lane-busy");
  hold (0, false);
}
#endif

/* Two that fall due while a third has their lane. */
static void
test_queue (void **state)
{
  struct world *w = *state;
  uint64_t was;

  bind (w,
        "{\"scenarios\":[" CC ("first", LONG) "," CC ("second", LONG) ","
        CC ("third", LONG) "]}",
        kind_ways ());
  play (0, OUTCOME_OK, WAY_ANSWERS, "ok");
  hold (0, true);
  assert_int_equal (bindings_probe (w->b, A, "first", NULL), 0);
  UNTIL_LOOP (w->env.loop, asked (0) == 1);
  /* All are due within the first interval. */
  was = loop_now (w->env.loop);
  loop_advance (w->env.loop, 30000 - 1);
  assert_int_equal (w->told, 0);
  assert_int_equal (asked (0), 1);
  hold (0, false);
  UNTIL_LOOP (w->env.loop, w->told == 3);
  assert_int_equal (asked (0), 3);
  /* It waited, and says so. */
  assert_true (info (w)->worst_late_ms > 0
               && info (w)->worst_late_ms < 30000);
  assert_true (loop_now (w->env.loop) - was < 30000);
  assert_int_equal (info (w)->skipped, 0);
}

/* For an interval it is waited, and when it was due stays known. */
static void
test_waits_in_vain (void **state)
{
  struct world *w = *state;
  uint64_t was_due;

  bind (w,
        "{\"scenarios\":[" CC ("other", "\"quiet-hours\":["
        "{\"from\":\"00:00\",\"to\":\"24:00\"}],") "," CC ("up", "") "]}",
        kind_ways ());
  play (0, OUTCOME_OK, WAY_ANSWERS, "ok");
  hold (0, true);
  assert_int_equal (bindings_probe (w->b, A, "other", NULL), 0);
  UNTIL_LOOP (w->env.loop, asked (0) == 1);
  was_due = info (w)->next_ms;
  loop_advance (w->env.loop, was_due - loop_now (w->env.loop));
  assert_true (strstr (info (w)->held_off, "console lane"));
  assert_false (info (w)->running);
  loop_advance (w->env.loop, 29000);
  assert_int_equal (info (w)->next_ms, was_due);
  assert_int_equal (info (w)->runs, 0);
  loop_advance (w->env.loop, 1000);
  UNTIL_LOOP (w->env.loop, info (w)->runs == 1);
  assert_string_equal (w->last.code, "lane-busy");
  assert_int_equal (info (w)->skipped, 1);
  assert_int_equal (info (w)->late, 1);
  assert_int_equal (info (w)->worst_late_ms, 30000);
  assert_int_equal (asked (0), 1);
  assert_untold (w, "probe.up");
  hold (0, false);
}

/* Nobody who waits is asked what would mean nothing by now. */
static void
test_waits_and_is_paused (void **state)
{
  struct world *w = *state;

  bind (w,
        "{\"scenarios\":[" CC ("first", LONG) "," CC ("second", LONG) ","
        CC ("third", LONG) "]}",
        kind_ways ());
  play (0, OUTCOME_OK, WAY_ANSWERS, "ok");
  hold (0, true);
  assert_int_equal (bindings_probe (w->b, A, "first", NULL), 0);
  UNTIL_LOOP (w->env.loop, asked (0) == 1);
  loop_advance (w->env.loop, 30000 - 1);
  registry_update (w->env.registry, a_guest (100, GUEST_PAUSED));
  hold (0, false);
  UNTIL_LOOP (w->env.loop, w->told == 1);
  until_idle (w);
  assert_int_equal (asked (0), 1);
  loop_advance (w->env.loop, 60000);
  assert_int_equal (w->told, 1);
  assert_string_equal (info (w)->held_off, "it is paused");
  registry_update (w->env.registry, a_guest (100, GUEST_RUNNING));
  in_turn (w);
  assert_last (w, OUTCOME_OK, "ok");
}

/* Who waits, and is bound no more, or has another life. */
static void
test_waits_no_more (void **state)
{
  struct world *w = *state;

  bind (w,
        "{\"scenarios\":[" CC ("first", LONG) "," CC ("second", "") "]}",
        kind_ways ());
  play (0, OUTCOME_OK, WAY_ANSWERS, "ok");
  hold (0, true);
  assert_int_equal (bindings_probe (w->b, A, "first", NULL), 0);
  UNTIL_LOOP (w->env.loop, asked (0) == 1);
  loop_advance (w->env.loop, 30000 - 1);
  registry_update (w->env.registry, a_guest (200, GUEST_RUNNING));
  bind (w, CC ("second", ""), kind_ways ());
  hold (0, false);
  until_idle (w);
  assert_int_equal (asked (0), 1);
  assert_int_equal (w->told, 0);
  in_turn (w);
  assert_last (w, OUTCOME_OK, "ok");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
#ifdef WITH_SSH
    T (test_first_that_answers),
    T (test_unusable),
    T (test_lost),
    T (test_another_order),
    T (test_absent),
    T (test_absent_alone),
    T (test_busy_lane),
    T (test_lost_and_busy),
    T (test_stuck),
#endif
    T (test_queue),
    T (test_waits_in_vain),
    T (test_waits_and_is_paused),
    T (test_waits_no_more),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
