/* SPDX-License-Identifier: Apache-2.0
 *
 * Bindings: when a check runs, what its outcome becomes, and what they tell of
 * where they ask.
 */
#include "bindings-bed.h"

/* ---- when ---- */

static void
test_runs_in_turn (void **state)
{
  struct world *w = *state;
  uint64_t now = loop_now (w->env.loop);

  bind (w, TCP ("up", ""), kind_fake ());
  assert_int_equal (bindings_count (w->b), 1);
  assert_true (info (w)->next_ms >= now && info (w)->next_ms < now + 30000);
  in_turn (w);
  assert_int_equal (w->change, HEALTH_BECAME_WELL);
  /* The next one an interval after the last began, however long it took. */
  assert_int_equal (info (w)->next_ms, info (w)->last_ms + 30000);
  in_turn (w);
  assert_int_equal (w->change, HEALTH_SAME);
  assert_int_equal (info (w)->ok, 2);
}

/* How late, of all of them: what is asked for is in no turn. */
static void
test_counts_lateness (void **state)
{
  struct world *w = *state;
  struct bindings_late late;

  bind (w, TCP ("up", ""), kind_fake ());
  bindings_late (w->b, &late);
  assert_int_equal (late.runs + late.p99_ms + late.max_ms, 0);
  ask (w, OUTCOME_OK);
  for (unsigned i = 0; i < 98; i++)
    in_turn (w);
  for (unsigned i = 0; i < 2; i++)
    {
      unsigned before = w->told;

      loop_jump (w->env.loop,
                 info (w)->next_ms - loop_now (w->env.loop) + 700);
      UNTIL_LOOP (w->env.loop, w->told > before);
    }
  bindings_late (w->b, &late);
  assert_int_equal (late.runs, 100);
  assert_int_equal (late.p50_ms, 1);
  assert_int_equal (late.p90_ms, 1);
  assert_int_equal (late.p99_ms, 700);
  assert_int_equal (late.max_ms, 700);
  assert_int_equal (late.counts[0], 98);
  assert_int_equal (late.counts[9], 2);
}

static void
test_looks_again_soon (void **state)
{
  struct world *w = *state;

  bind (w, TCP ("up", ""), kind_fake ());
  ask (w, OUTCOME_OK);
  ask (w, OUTCOME_FAILED);
  assert_int_equal (w->change, HEALTH_BECAME_SUSPECT);
  assert_int_equal (info (w)->next_ms, loop_now (w->env.loop) + 5000);
  in_turn (w);
  assert_int_equal (w->change, HEALTH_BECAME_FAILED);
  assert_int_equal (info (w)->next_ms, info (w)->last_ms + 30000);
}

static void
test_is_held_off (void **state)
{
  struct world *w = *state;

  bind (w, TCP ("up", ""), kind_fake ());
  registry_update (w->env.registry, a_guest (100, GUEST_PAUSED));
  loop_advance (w->env.loop, 60000);
  assert_int_equal (w->told, 0);
  assert_string_equal (info (w)->held_off, "it is paused");
  registry_update (w->env.registry, a_guest (100, GUEST_RUNNING));
  in_turn (w);
  assert_string_equal (info (w)->held_off, "");
}

static void
test_one_of_a_lane (void **state)
{
  struct world *w = *state;

  bind (w, "{\"scenarios\":[" TCP ("up", "") "," TCP ("other", "") "]}",
        kind_fake ());
  set_waiting (true);
  assert_int_equal (bindings_probe (w->b, A, "up", NULL), 0);
  until_entered ();
  assert_int_equal (bindings_probe (w->b, A, "other", NULL), -EBUSY);
  assert_int_equal (w->told, 0);
  set_waiting (false);
  until_idle (w);
  assert_int_equal (bindings_probe (w->b, A, "other", NULL), 0);
  UNTIL_LOOP (w->env.loop, w->told == 2);
}

/* ---- what becomes of an outcome ---- */

static void
test_changes_in_flight (void **state)
{
  struct world *w = *state;

  /* It finishes under the text that it began with. */
  bind (w, TCP ("up", "\"send\":\"old\","), kind_fake ());
  set_waiting (true);
  assert_int_equal (bindings_probe (w->b, A, "up", NULL), 0);
  until_entered ();
  bind (w, TCP ("up", "\"send\":\"new\","), kind_fake ());
  set_waiting (false);
  UNTIL_LOOP (w->env.loop, w->told == 1);
  assert_string_equal (check.asked, "old");
  ask (w, OUTCOME_OK);
  assert_string_equal (check.asked, "new");

  /* The answer of another life is none of this one. */
  set_waiting (true);
  check.outcome = OUTCOME_FAILED;
  assert_int_equal (bindings_probe (w->b, A, "up", NULL), 0);
  until_entered ();
  registry_update (w->env.registry, a_guest (200, GUEST_RUNNING));
  set_waiting (false);
  UNTIL_LOOP (w->env.loop, w->told == 3);
  assert_last (w, OUTCOME_NO_VERDICT, "replaced");
  assert_int_equal (info (w)->failures, 0);

  /* Of one that is bound no more nobody hears. */
  set_waiting (true);
  assert_int_equal (bindings_probe (w->b, A, "up", NULL), 0);
  until_entered ();
  assert_int_equal (bindings_set (w->b, NULL, 0, NULL), 0);
  set_waiting (false);
  until_idle (w);
  bind (w, TCP ("up", ""), kind_fake ());
  ask (w, OUTCOME_OK);
  assert_int_equal (w->told, 4);
}

static void
test_failures_that_are_none (void **state)
{
  struct world *w = *state;

  bind (w, TCP ("up", ""), kind_fake ());
  ask (w, OUTCOME_OK);
  assert_fact (w, "probe.up", "ok");
  typing_now = TYPING_BOOTING;
  ask (w, OUTCOME_FAILED);
  assert_last (w, OUTCOME_NO_VERDICT, "booting");
  assert_kept (w, "probe.up", "ok");
  typing_now = TYPING_LOGIN;
  meant_now = MEANT_TO_STAND;
  ask (w, OUTCOME_FAILED);
  assert_last (w, OUTCOME_NO_VERDICT, "paused");
  meant_now = MEANT_UNKNOWN;
  ask (w, OUTCOME_FAILED);
  assert_last (w, OUTCOME_NO_VERDICT, "libvirt-silent");
  assert_kept (w, "probe.up", "ok");
  assert_int_equal (info (w)->failures, 0);
  assert_int_equal (info (w)->health, HEALTH_WELL);
  meant_now = MEANT_TO_RUN;
  ask (w, OUTCOME_FAILED);
  assert_last (w, OUTCOME_FAILED, "fake");
  assert_int_equal (info (w)->failures, 1);
  assert_fact (w, "probe.up", "failed");
}

static void
test_one_that_does_not_come_back (void **state)
{
  struct world *w = *state;

  bind (w, TCP ("up", "\"timeout\":\"1s\","), kind_fake ());
  set_waiting (true);
  assert_int_equal (bindings_probe (w->b, A, "up", NULL), 0);
  until_entered ();
  loop_advance (w->env.loop, 2000);
  assert_int_equal (w->told, 1);
  assert_last (w, OUTCOME_NO_VERDICT, "stuck");
}

/* ---- what they know of a guest ---- */

static void
assert_hints (struct world *w, const char *want)
{
  CLEANUP_JSON struct json_object *got = bindings_hints (w->b, A);

  assert_string_equal (
      json_object_to_json_string_ext (got, JSON_C_TO_STRING_PLAIN), want);
}

static void
test_tells_what_it_knows (void **state)
{
  struct world *w = *state;

  assert_hints (w, "{}");
  bind (w,
        "{\"scenarios\":["
        "{\"name\":\"a\",\"kind\":\"tcp\",\"address\":\"192.0.2.1:1\","
        "\"send\":\"hello\"},"
        "{\"name\":\"b\",\"kind\":\"tcp\",\"address\":\"192.0.2.2:2\","
        "\"expect\":{\"output\":\"^SSH-\"}}]}",
        NULL);
  assert_hints (w, "{\"addresses\":["
                   "{\"scenario\":\"a\",\"address\":\"192.0.2.1:1\","
                   "\"send\":\"hello\"},"
                   "{\"scenario\":\"b\",\"address\":\"192.0.2.2:2\","
                   "\"expect\":\"^SSH-\"}]}");
}

/* ---- many ---- */

/* The outcome of each finds its binding. */
static void
probe_each (struct world *w, unsigned n)
{
  char uuid[UUID_TEXT];

  /* Of so many some are due at once: their first turn is random. */
  assert_int_equal (loop_round (w->env.loop, 0, NULL), 0);
  until_idle (w);
  w->told = 0;
  for (unsigned i = 0; i < n; i++)
    {
      name_of (uuid, i);
      assert_int_equal (bindings_probe (w->b, uuid, "e", NULL), 0);
      UNTIL_LOOP (w->env.loop, w->told == i + 1);
    }
}

#define FIVE(more)                                                            \
  "{\"scenarios\":[" TCP ("a", more) "," TCP ("b", "") "," TCP ("c", "") ","  \
  TCP ("d", "") "," TCP ("e", "") "]}"

static struct scenario *
one_of (const char *text)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct scenario **all, *ret;
  size_t n;

  assert_int_equal (json_parse (text, strlen (text), JSON_FILE, "doc",
                                JSON_MAX_FILE, &doc, NULL),
                    0);
  assert_int_equal (scenario_list (doc, &all, &n, NULL), 0);
  assert_int_equal (n, 1);
  ret = all[0];
  free (all);
  return ret;
}

/* The built-in one, and perhaps another. */
static void
bind_builtin (struct world *w, const char *other)
{
  struct scenario *list[1] = { other ? one_of (other) : NULL };
  struct scenario *builtin = one_of (TCP ("builtin", ""));

  bindings_builtin (w->b, builtin);
  assert_int_equal (bindings_set (w->b, list, other ? 1 : 0, NULL), 0);
  scenario_unref (builtin);
  scenario_unref (list[0]);
}

/* It is for guests that no other is for, whatever comes first. */
static void
test_the_builtin (void **state)
{
  struct world *w = *state;
  static const char elsewhere[]
      = TCP ("up", "\"select\":{\"name\":\"b*\"},"),
        here[] = TCP ("up", "\"select\":{\"name\":\"a*\"},");
  struct guest *g;

  bind_builtin (w, NULL);
  assert_true (info (w)->builtin);
  assert_string_equal (info (w)->scenario->name, "builtin");
  bind_builtin (w, elsewhere);
  assert_string_equal (info (w)->scenario->name, "builtin");
  assert_int_equal (bindings_count (w->b), 1);
  /* One that is for it takes its place, and gives it back. */
  bind_builtin (w, here);
  assert_int_equal (bindings_count (w->b), 1);
  assert_string_equal (info (w)->scenario->name, "up");
  assert_false (info (w)->builtin);
  bind_builtin (w, elsewhere);
  assert_string_equal (info (w)->scenario->name, "builtin");
  /* So does another name of the guest. */
  g = a_guest (100, GUEST_RUNNING);
  snprintf (g->name, sizeof g->name, "bee");
  registry_update (w->env.registry, g);
  assert_int_equal (bindings_count (w->b), 1);
  assert_string_equal (info (w)->scenario->name, "up");
  registry_update (w->env.registry, a_guest (100, GUEST_RUNNING));
  assert_int_equal (bindings_count (w->b), 1);
  assert_string_equal (info (w)->scenario->name, "builtin");
  /* Of two of one name it is the other one. */
  bind_builtin (w, TCP ("builtin", "\"select\":{\"name\":\"b*\"},"));
  assert_int_equal (bindings_count (w->b), 0);
  bind_builtin (w, NULL);
  assert_int_equal (bindings_count (w->b), 1);
  bindings_builtin (w->b, NULL);
  assert_int_equal (bindings_set (w->b, NULL, 0, NULL), 0);
  assert_int_equal (bindings_count (w->b), 0);
}

/* What happens to all of them costs so much each, and what happens to one
 * guest costs what that one has. */
static void
test_a_thousand_guests (void **state)
{
  struct world *w = *state;
  uint64_t looked, before;

  add_guests (w, 999);
  bind (w, FIVE (""), kind_fake ());
  assert_int_equal (bindings_count (w->b), 5000);
  looked = bindings_looked_at (w->b);
  before = clock_us ();
  bind (w, FIVE ("\"send\":\"other\","), kind_fake ());
  print_message ("1000 guests, 5 scenarios: reloaded in %.1f ms, %llu looked "
                 "at\n",
                 (double) (clock_us () - before) / 1000,
                 (unsigned long long) (bindings_looked_at (w->b) - looked));
  assert_int_equal (bindings_count (w->b), 5000);
  assert_true (bindings_looked_at (w->b) - looked < 50000);
  looked = bindings_looked_at (w->b);
  registry_update (w->env.registry, a_guest (200, GUEST_RUNNING));
  assert_non_null (info (w)->guest);
  assert_true (bindings_looked_at (w->b) - looked < 200);
  registry_gone (w->env.registry, "rundir", "/run/x", A);
  assert_int_equal (bindings_count (w->b), 4995);
  /* Numbers and places are used again. */
  registry_update (w->env.registry, a_guest (300, GUEST_RUNNING));
  assert_int_equal (bindings_count (w->b), 5000);
  probe_each (w, 999);
  bind (w, TCP ("up", ""), kind_fake ());
  assert_int_equal (bindings_count (w->b), 1000);
  ask (w, OUTCOME_OK);
  assert_int_equal (bindings_set (w->b, NULL, 0, NULL), 0);
  assert_int_equal (bindings_count (w->b), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_runs_in_turn),
    T (test_counts_lateness),
    T (test_looks_again_soon),
    T (test_is_held_off),
    T (test_one_of_a_lane),
    T (test_changes_in_flight),
    T (test_failures_that_are_none),
    T (test_one_that_does_not_come_back),
    T (test_tells_what_it_knows),
    T (test_the_builtin),
    T (test_a_thousand_guests),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
