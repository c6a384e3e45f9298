/* SPDX-License-Identifier: Apache-2.0
 *
 * Bindings: kinds that are told of facts, and kinds that look at others.
 */
#include "bindings-bed.h"

/* Counts what it is told. */
struct heard_state
{
  unsigned facts;
  int64_t last;
  uint64_t last_ms;
};

static unsigned states; /* that there are */

static void *
state_new (const struct scenario *s, uint64_t now_ms)
{
  states++;
  return calloc (1, sizeof (struct heard_state));
}

static void
state_free (void *state)
{
  states--;
  free (state);
}

static void
on_fact (void *state, const struct scenario *s, const struct fact *fact,
         uint64_t now_ms)
{
  struct heard_state *h = state;

  h->facts++;
  h->last = fact->i;
  h->last_ms = now_ms;
}

static void
on_due (void *state, const struct scenario *s, uint64_t now_ms,
        struct outcome_report *ret)
{
  const struct heard_state *h = state;

  ret->outcome = h->last < 0 ? OUTCOME_FAILED : OUTCOME_OK;
  ret->value = h->facts;
  snprintf (ret->code, sizeof ret->code, "heard");
}

/* A negative fact says in how many ms it wants to be heard. */
static uint64_t
on_soon (void *state, const struct scenario *s)
{
  const struct heard_state *h = state;

  return h->last < 0 ? h->last_ms + (uint64_t) -h->last : 0;
}

static const char *const facts[] = { "console.bytes", "console.state", NULL };
static const char *const uses_console[] = { "console", NULL };
static const struct scenario_watch of_boot = {
  .facts = facts,
  .state_new = state_new,
  .state_free = state_free,
  .fact = on_fact,
  .due = on_due,
  .soon = on_soon,
};
static const struct scenario_watch of_process = {
  .facts = facts,
  .of_process = true,
  .state_new = state_new,
  .state_free = state_free,
  .fact = on_fact,
  .due = on_due,
};
/* Their documents are tcp's. */
static struct scenario_kind kind_boot, kind_process, kind_of_all;

static void
make_kinds (void)
{
  kind_boot = kind_process = kind_of_all = kind_tcp;
  kind_boot.ask = kind_process.ask = kind_of_all.ask = NULL;
  kind_boot.transports = kind_process.transports = uses_console;
  kind_boot.watch = &of_boot;
  kind_process.watch = &of_process;
}

static void
say (struct world *w, const char *name, uint64_t start_time, unsigned boot,
     int64_t v)
{
  struct incarnation inc = { .uuid = A, .pid = 7, .start_time = start_time,
                             .boot = boot };
  struct fact f;

  fact_int (&f, &inc, name, "test", v);
  fact_publish (w->env.bus, &f);
}

/* Every fact so far has been told. */
static void
until_told (struct world *w)
{
  static int64_t n;
  const struct fact *f;

  say (w, "test.end", 100, 0, ++n);
  UNTIL_LOOP (w->env.loop,
              (f = fact_latest (w->env.facts, A, "test.end")) && f->i == n);
}

static void
test_watches (void **state)
{
  struct world *w = *state;

  states = 0;
  /* What is known already is told, too. */
  say (w, "console.bytes", 100, 0, 1);
  until_told (w);
  bind (w, TCP ("up", ""), &kind_boot);
  assert_int_equal (states, 1);
  say (w, "console.bytes.serial1", 100, 0, 2);
  say (w, "console.state", 100, 0, 3);
  say (w, "vmm.status", 100, 0, 4);
  say (w, "console.bytes", 99, 0, 5); /* of another life */
  until_told (w);
  assert_int_equal (w->told, 0);
  in_turn (w);
  assert_last (w, OUTCOME_OK, "heard");
  assert_int_equal (w->last.value, 3);
  assert_string_equal (w->last.transport, "console");
  assert_int_equal (w->change, HEALTH_BECAME_WELL);
  /* It is due again an interval later, by itself. */
  assert_int_equal (info (w)->next_ms, loop_now (w->env.loop) + 30000);
  say (w, "console.bytes", 100, 0, -1);
  until_told (w);
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_FAILED, "heard");
  /* Of a guest that is not meant to answer it is no failure. */
  meant_now = MEANT_TO_STAND;
  ask (w, OUTCOME_OK);
  assert_last (w, OUTCOME_NO_VERDICT, "paused");
}

/* Who has heard what he must say is not waited for longer; and says it once. */
static void
test_says_it_soon (void **state)
{
  struct world *w = *state;
  uint64_t now;

  bind (w, TCP ("up", ""), &kind_boot);
  in_turn (w);
  now = loop_now (w->env.loop);
  assert_int_equal (info (w)->next_ms, now + 30000);
  say (w, "console.bytes", 100, 0, -40000);
  until_told (w);
  assert_int_equal (info (w)->next_ms, now + 30000);
  say (w, "console.bytes", 100, 0, -5000);
  until_told (w);
  assert_int_equal (info (w)->next_ms, now + 5000);
  in_turn (w);
  assert_last (w, OUTCOME_FAILED, "heard");
  assert_true (loop_now (w->env.loop) < now + 6000);
  /* What was due already was said. */
  say (w, "console.bytes", 100, 0, 3);
  until_told (w);
  assert_true (info (w)->next_ms > loop_now (w->env.loop) + 4000);
}

/* What it knows is over with the boot, or the process. */
static void
test_forgets (void **state)
{
  struct world *w = *state;
  struct incarnation inc = { .uuid = A, .pid = 7, .start_time = 100 };

  states = 0;
  bind (w, TCP ("up", ""), &kind_boot);
  say (w, "console.bytes", 100, 0, 1);
  until_told (w);
  registry_rebooted (w->env.registry, &inc, BOOT_BY_RESET);
  in_turn (w);
  assert_true (w->last.value == 0);
  bind (w, TCP ("up", ""), &kind_process);
  say (w, "console.bytes", 100, 1, 1);
  until_told (w);
  loop_advance (w->env.loop, 3 * 60 * 1000);
  inc.boot = 1;
  registry_rebooted (w->env.registry, &inc, BOOT_BY_RESET);
  in_turn (w);
  assert_true (w->last.value == 1);
  registry_update (w->env.registry, a_guest (200, GUEST_RUNNING));
  in_turn (w);
  assert_true (w->last.value == 0);
  /* Another text begins anew, the same one does not. */
  say (w, "console.bytes", 200, 0, 1);
  until_told (w);
  bind (w, TCP ("up", ""), &kind_process);
  ask (w, OUTCOME_OK);
  assert_true (w->last.value == 1);
  assert_int_equal (states, 1);
  assert_int_equal (bindings_set (w->b, NULL, 0, NULL), 0);
  assert_int_equal (states, 0);
}

/* ---- others ---- */

static const char *const names[] = { "a", "b", "both", "nowhere" };

static size_t
parts_of (const struct scenario *s, const char *const **ret)
{
  *ret = names;
  return ARRAY_LEN (names);
}

static struct scenario_part seen[4];

static void
combine_all (const struct scenario *s, const struct scenario_part *parts,
             size_t n, struct outcome_report *ret)
{
  assert_int_equal (n, 4);
  memcpy (seen, parts, sizeof seen);
  ret->outcome = OUTCOME_OK;
  for (size_t i = 0; i < 2; i++)
    if (!parts[i].last || parts[i].last->outcome != OUTCOME_OK)
      ret->outcome = OUTCOME_FAILED;
  snprintf (ret->code, sizeof ret->code, "all");
}

static const struct scenario_combine all_of = { parts_of, combine_all };
static void
probe (struct world *w, const char *name, enum outcome outcome)
{
  unsigned before = w->told;

  check.outcome = outcome;
  assert_int_equal (bindings_probe (w->b, A, name, NULL), 0);
  UNTIL_LOOP (w->env.loop, w->told > before);
}

static void
test_combines (void **state)
{
  static const char text[]
      = "{\"scenarios\":[" TCP ("a", "") "," TCP ("b", "") ","
        TCP ("both", "") "]}";
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct world *w = *state;
  struct scenario **all;
  size_t n;

  assert_int_equal (json_parse (text, strlen (text), JSON_FILE, "doc",
                                JSON_MAX_FILE, &doc, NULL),
                    0);
  assert_int_equal (scenario_list (doc, &all, &n, NULL), 0);
  kind_of_all.combine = &all_of;
  all[0]->kind = all[1]->kind = kind_fake ();
  all[2]->kind = &kind_of_all;
  assert_int_equal (bindings_set (w->b, all, n, NULL), 0);
  free_all (all, n);

  probe (w, "both", OUTCOME_OK);
  assert_last (w, OUTCOME_FAILED, "all");
  assert_true (seen[0].bound && !seen[0].last);
  assert_false (seen[2].bound); /* it is one that combines itself */
  assert_false (seen[3].bound);
  probe (w, "a", OUTCOME_OK);
  probe (w, "b", OUTCOME_FAILED);
  probe (w, "both", OUTCOME_OK);
  assert_last (w, OUTCOME_FAILED, "all");
  assert_int_equal (seen[0].health, HEALTH_WELL);
  assert_int_equal (seen[1].health, HEALTH_SUSPECT);
  probe (w, "b", OUTCOME_OK);
  probe (w, "both", OUTCOME_OK);
  assert_last (w, OUTCOME_OK, "all");
  /* Not what they found in another life. */
  registry_update (w->env.registry, a_guest (200, GUEST_RUNNING));
  probe (w, "both", OUTCOME_OK);
  assert_last (w, OUTCOME_FAILED, "all");
  assert_null (seen[0].last);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_watches), T (test_says_it_soon),
    T (test_forgets),
    T (test_combines),
  };

  make_kinds ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
