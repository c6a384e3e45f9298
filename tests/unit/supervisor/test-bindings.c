/* SPDX-License-Identifier: Apache-2.0
 *
 * Bindings: when a check runs, what its outcome becomes, and what they tell of
 * where they ask.
 *
 * Loop, jobs, facts, registry and documents are the real ones; the kind of the
 * scenarios is one that does as the test says, and boots, texts and who knows
 * whether a guest is meant to run are faked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/job.h"
#include "base/json.h"
#include "base/loop.h"
#include "supervisor/bindings.h"
#include "supervisor/boots.h"
#include "supervisor/meant.h"
#include "supervisor/text.h"
#include "tests/lib/until.h"
#include "transports/transport.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A "aaaaaaaa-2222-4333-8444-555555555555"

struct world
{
  struct bindings_env env;
  struct transport_env transports;
  struct bindings *b;
  unsigned told; /* outcomes */
  enum health_change change;
  struct outcome_report last;
  struct binding_info info;
};

/* ---- what is faked ---- */

/* What the check does: read by its job. */
static struct
{
  pthread_mutex_t m;
  pthread_cond_t c;
  bool wait, entered;
  enum outcome outcome;
  char asked[64]; /* the document's "send" */
} check = { .m = PTHREAD_MUTEX_INITIALIZER, .c = PTHREAD_COND_INITIALIZER };

static enum typing typing_now;
static enum meant meant_now;
static struct loop *asked_on;

static int
run_check (const struct scenario *s, const struct guest *g,
           const struct transport_env *env, struct job *job,
           struct outcome_report *ret, struct error *err)
{
  struct scenario_knock k = { .send = NULL };
  LOCK_SCOPE (&check.m);

  check.entered = true;
  scenario_knock (s, g, &k);
  snprintf (check.asked, sizeof check.asked, "%s", k.send ? k.send : "");
  pthread_cond_broadcast (&check.c);
  while (check.wait)
    pthread_cond_wait (&check.c, &check.m);
  *ret = (struct outcome_report){ .outcome = check.outcome, .value = NAN };
  snprintf (ret->code, sizeof ret->code, "fake");
  return 0;
}

static void
set_waiting (bool wait)
{
  LOCK_SCOPE (&check.m);
  check.wait = wait;
  if (wait)
    check.entered = false;
  pthread_cond_broadcast (&check.c);
}

static void
until_entered (void)
{
  LOCK_SCOPE (&check.m);
  while (!check.entered)
    pthread_cond_wait (&check.c, &check.m);
}

bool
boots_answered (struct boots *b, const struct incarnation *inc,
                uint64_t begun_ms, const struct uptime *up)
{
  return false;
}

void
texts_answered (struct texts *t, const char *uuid)
{
}

bool
guest_paused_by_owner (const struct guest *g)
{
  return g->run == GUEST_PAUSED;
}

struct answer
{
  meant_fn *fn;
  void *arg;
};

static void
answer (void *arg)
{
  struct answer *a = arg;

  a->fn (meant_now, "paused", a->arg);
  free (a);
}

int
meant_ask (struct job_pool *jobs, const struct transport_env *env,
           const struct guest *g, meant_fn *fn, void *arg, struct error *err)
{
  struct answer *a;

  if (meant_now == MEANT_TO_RUN)
    return -ENOENT;
  a = malloc (sizeof *a);
  *a = (struct answer){ fn, arg };
  return loop_post (asked_on, answer, a, free);
}

static enum typing
may_type (void *arg, const char *uuid, const char *console, char *what,
          size_t n)
{
  snprintf (what, n, "its kernel boots");
  return typing_now;
}

/* ---- the world ---- */

static struct guest *
a_guest (uint64_t start_time, enum guest_run run)
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
  g->nconsoles = 1;
  snprintf (g->consoles[0].name, sizeof g->consoles[0].name, "cons");
  return g;
}

static void
on_guest (enum guest_change change, const struct guest *was,
          const struct guest *now, void *arg)
{
  struct world *w = arg;

  bindings_guest (w->b, change, was, now);
}

static void
on_outcome (const struct binding_info *info, enum health_change change,
            void *arg)
{
  struct world *w = arg;

  w->told++;
  w->change = change;
  w->last = *info->last;
}

static int
setup (void **state)
{
  static const struct job_limits few = { .max_threads = 4, .grace_ms = 100 };
  struct world *w = calloc (1, sizeof *w);

  check.wait = check.entered = false;
  check.outcome = OUTCOME_OK;
  typing_now = TYPING_FREE;
  meant_now = MEANT_TO_RUN;
  w->transports.may_type = may_type;
  w->env.transports = &w->transports;
  assert_int_equal (loop_new_fake (&w->env.loop, NULL), 0);
  asked_on = w->env.loop;
  assert_int_equal (job_pool_new (w->env.loop, &few, &w->env.jobs, NULL), 0);
  assert_int_equal (fact_bus_new (w->env.loop, 64, &w->env.bus, NULL), 0);
  assert_int_equal (
      registry_new (w->env.loop, w->env.bus, &w->env.registry, NULL), 0);
  assert_int_equal (bindings_new (&w->env, &w->b, NULL), 0);
  assert_int_equal (bindings_listen (w->b, on_outcome, w, NULL), 0);
  assert_int_equal (registry_listen (w->env.registry, on_guest, NULL, w, NULL), 0);
  registry_update (w->env.registry, a_guest (100, GUEST_RUNNING));
  *state = w;
  return 0;
}

static void
until_idle (struct world *w)
{
  struct job_stats stats;

  UNTIL_LOOP (w->env.loop,
              (job_pool_stats (w->env.jobs, &stats),
               stats.running + stats.discarded == 0));
}

static int
teardown (void **state)
{
  struct world *w = *state;

  set_waiting (false);
  until_idle (w);
  assert_int_equal (job_pool_free (w->env.jobs, UNTIL_MS), 0);
  registry_free (w->env.registry);
  bindings_free (w->b);
  fact_bus_free (w->env.bus);
  loop_free (w->env.loop);
  free (w);
  return 0;
}

/* Takes over the documents; `kind` is asked instead of tcp when it is given. */
static void
bind (struct world *w, const char *text, const struct scenario_kind *kind)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct scenario **all;
  size_t n;

  assert_int_equal (json_parse (text, strlen (text), JSON_FILE, "doc",
                                JSON_MAX_FILE, &doc, NULL),
                    0);
  assert_int_equal (scenario_list (doc, &all, &n, NULL), 0);
  for (size_t i = 0; kind && i < n; i++)
    all[i]->kind = kind;
  assert_int_equal (bindings_set (w->b, all, n, NULL), 0);
  free (all);
}

/* Its documents are tcp's. */
static const struct scenario_kind *
kind_fake (void)
{
  static struct scenario_kind kind;

  if (!kind.run)
    {
      kind = kind_tcp;
      kind.run = run_check;
    }
  return &kind;
}

#define TCP(name, more)                                                       \
  "{\"name\":\"" name "\",\"kind\":\"tcp\",\"interval\":\"30s\"," more        \
  "\"initial-delay\":\"0s\",\"failure-threshold\":2,\"retry-interval\":\"5s\","                        \
  "\"address\":\"192.0.2.1:1\"}"

static void
get_info (const struct binding_info *info, void *arg)
{
  struct world *w = arg;

  w->info = *info;
}

static const struct binding_info *
info (struct world *w)
{
  memset (&w->info, 0, sizeof w->info);
  bindings_each (w->b, A, get_info, w);
  return &w->info;
}

/* Runs it now, and waits for what becomes of it. */
static void
ask (struct world *w, enum outcome outcome)
{
  unsigned before = w->told;

  check.outcome = outcome;
  assert_int_equal (bindings_probe (w->b, A, "up", NULL), 0);
  UNTIL_LOOP (w->env.loop, w->told > before);
}

/* The same when it falls due; no further, since its time is the clock's. */
static void
in_turn (struct world *w)
{
  unsigned before = w->told;

  loop_advance (w->env.loop, info (w)->next_ms - loop_now (w->env.loop));
  UNTIL_LOOP (w->env.loop, w->told > before);
}

#define assert_last(w, o, text)                                               \
  do                                                                          \
    {                                                                         \
      assert_int_equal ((w)->last.outcome, o);                                \
      assert_string_equal ((w)->last.code, text);                             \
    }                                                                         \
  while (0)

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
  typing_now = TYPING_BOOTING;
  ask (w, OUTCOME_FAILED);
  assert_last (w, OUTCOME_NO_VERDICT, "booting");
  typing_now = TYPING_LOGIN;
  meant_now = MEANT_TO_STAND;
  ask (w, OUTCOME_FAILED);
  assert_last (w, OUTCOME_NO_VERDICT, "paused");
  meant_now = MEANT_UNKNOWN;
  ask (w, OUTCOME_FAILED);
  assert_last (w, OUTCOME_NO_VERDICT, "libvirt-silent");
  assert_int_equal (info (w)->failures, 0);
  assert_int_equal (info (w)->health, HEALTH_WELL);
  meant_now = MEANT_TO_RUN;
  ask (w, OUTCOME_FAILED);
  assert_last (w, OUTCOME_FAILED, "fake");
  assert_int_equal (info (w)->failures, 1);
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

/* ---- where they ask ---- */

static void
assert_addresses (struct world *w, const char *want)
{
  CLEANUP_JSON struct json_object *got = bindings_addresses (w->b, A);

  assert_string_equal (
      json_object_to_json_string_ext (got, JSON_C_TO_STRING_PLAIN), want);
}

/* The words of one check are not sent with what another one expects. */
static void
test_tells_where_it_asks (void **state)
{
  struct world *w = *state;

  assert_addresses (w, "{\"addresses\":[]}");
  bind (w,
        "{\"scenarios\":["
        "{\"name\":\"a\",\"kind\":\"tcp\",\"address\":\"192.0.2.1:1\","
        "\"send\":\"hello\"},"
        "{\"name\":\"b\",\"kind\":\"tcp\",\"address\":\"192.0.2.2:2\","
        "\"expect\":{\"output\":\"^SSH-\"}}]}",
        NULL);
  assert_addresses (w, "{\"address\":\"192.0.2.2:2\",\"expect\":\"^SSH-\","
                       "\"addresses\":[\"192.0.2.1:1\",\"192.0.2.2:2\"]}");
}

#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_runs_in_turn),
    T (test_looks_again_soon),
    T (test_is_held_off),
    T (test_one_of_a_lane),
    T (test_changes_in_flight),
    T (test_failures_that_are_none),
    T (test_one_that_does_not_come_back),
    T (test_tells_where_it_asks),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
