/* SPDX-License-Identifier: Apache-2.0
 *
 * Several diagnoses at once: what is soon gone is got of all guests before
 * what keeps.  Two may have steps that run; of the collectors only "a-host"
 * gets what fades.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/diagnose-bed.h"

#include "supervisor/incidents/turns.h"

#define GUESTS 8
#define LEGS(w, text) UNTIL_LOOP ((w)->d.loop, legs_are ((w), (text)))

static struct one
{
  struct world *w;
  struct diagnosis *dg;
  const struct guest *guest;
} all[GUESTS];
static unsigned ended;

static bool
legs_are (struct world *w, const char *text)
{
  return strcmp (buf_str (&w->legs), text) == 0;
}

static void
one_progress (unsigned n, unsigned total, const char *what, bool is_end,
              const char *failure, void *arg)
{
  on_progress (n, total, what, is_end, failure, ((struct one *) arg)->w);
}

static void
one_file (const char *name, uint64_t offset, const void *data, size_t len,
          void *arg)
{
}

static void
one_done (const struct verdict *verdict, struct json_object *head, void *arg)
{
  ((struct one *) arg)->dg = NULL;
  json_object_put (head);
  ended++;
}

static const struct diagnosis_ops one_ops = { .file = one_file,
                                              .progress = one_progress,
                                              .done = one_done };

static int
with_turns (void **state)
{
  struct world *w;

  setup (state);
  w = *state;
  assert_int_equal (turns_new (2, &w->d.turns, NULL), 0);
  for (unsigned i = 0; i < GUESTS; i++)
    {
      struct guest *g = living (7);

      all[i] = (struct one){ .w = w };
      g->inc.uuid[0] = (char) ('1' + i);
      all[i].guest = g;
    }
  ended = 0;
  return 0;
}

static int
without_turns (void **state)
{
  struct world *w = *state;
  struct turns *turns = w->d.turns;
  int r;

  for (unsigned i = 0; i < GUESTS; i++)
    {
      diagnosis_free (all[i].dg);
      guest_unref (all[i].guest);
    }
  r = teardown (state);
  turns_free (turns);
  return r;
}

/* Of the nth guest; steps as in playbook_of(). */
static void
look_at (struct world *w, unsigned n, const char *steps)
{
  static const struct cause cause = { "uptime", "silent", "It is silent." };
  struct one *o = &all[n - 1];
  struct playbook *p = playbook_of (steps);

  assert_int_equal (diagnosis_start (&w->d, o->guest, &cause, p, &one_ops, o,
                                     &o->dg, NULL),
                    0);
  playbook_unref (p);
}

/* "fN", which fades, and "sN", which does not. */
static void
look_both_ways (struct world *w, unsigned n)
{
  char steps[120];

  snprintf (steps, sizeof steps,
            "[{'do':'a-host','name':'f%u'},{'do':'a-host','name':'F%u'},"
            "{'do':'a-key','name':'s%u'}]",
            n, n, n);
  look_at (w, n, steps);
}

/* a-key is not let touch a guest that the registry does not know. */
static void
known (struct world *w, unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    {
      struct guest *g = living (7);

      g->inc.uuid[0] = (char) ('1' + i);
      registry_update (w->d.registry, g);
    }
}

static void
what_fades_is_got_of_all_first (void **state)
{
  struct world *w = *state;

  known (w, 4);
  for (unsigned i = 1; i <= 4; i++)
    look_both_ways (w, i);
  LEGS (w, "+f1 +f2 ");
  let_go ("f1 F1");
  LEGS (w, "+f1 +f2 -f1 +F1 -F1 +f3 ");
  let_go ("f1 F1 f2 F2");
  LEGS (w, "+f1 +f2 -f1 +F1 -F1 +f3 -f2 +F2 -F2 +f4 ");
  /* Nobody waits with what fades any more: the oldest. */
  buf_clear (&w->legs);
  let_go ("f1 F1 f2 F2 f3 F3");
  LEGS (w, "-f3 +F3 -F3 +s1 ");
  let_go ("f1 F1 f2 F2 f3 F3 f4 F4");
  LEGS (w, "-f3 +F3 -F3 +s1 -f4 +F4 -F4 +s2 ");
  buf_clear (&w->legs);
  let_go ("s1");
  LEGS (w, "-s1 +s3 ");
  let_go ("s2 s3");
  UNTIL_LOOP (w->d.loop, ended == 3);
  let_go ("s4");
  UNTIL_LOOP (w->d.loop, ended == 4);
}

/* Who comes when others are at what keeps: not after all that they do. */
static void
also_of_one_that_comes_later (void **state)
{
  static const char two[] = "[{'do':'a-net','name':'s%u'},"
                            "{'do':'a-net','name':'S%u'}]";
  struct world *w = *state;
  char steps[100];

  known (w, 3);
  for (unsigned i = 1; i <= 2; i++)
    {
      snprintf (steps, sizeof steps, two, i, i);
      look_at (w, i, steps);
    }
  LEGS (w, "+s1 +s2 ");
  look_both_ways (w, 3);
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0); /* it asks */
  let_go ("s1");
  LEGS (w, "+s1 +s2 -s1 +f3 ");
  let_go ("s1 f3 F3");
  LEGS (w, "+s1 +s2 -s1 +f3 -f3 +F3 -F3 +S1 ");
  let_go ("s1 s2 S1 S2 s3");
  UNTIL_LOOP (w->d.loop, ended == 3);
}

static void
who_waits_has_its_budget_later (void **state)
{
  struct world *w = *state;

  known (w, 3);
  look_both_ways (w, 1);
  look_both_ways (w, 2);
  LEGS (w, "+f1 +f2 ");
  look_at (w, 3, "'budget':'10s','steps':[{'do':'a-host','name':'f3'}]");
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0); /* it asks */
  LEGS (w, "+f1 +f2 ");
  loop_advance (w->d.loop, 30000);
  let_go ("f1 F1 f3");
  UNTIL_LOOP (w->d.loop, ended == 1);
  assert_non_null (strstr (buf_str (&w->legs), "-f3 "));
  assert_null (all[2].dg);
  let_go ("f1 F1 f2 F2 s1 s2");
  UNTIL_LOOP (w->d.loop, ended == 3);
}

static void
who_is_called_off_lets_others_in (void **state)
{
  struct world *w = *state;

  known (w, 3);
  for (unsigned i = 1; i <= 3; i++)
    look_both_ways (w, i);
  LEGS (w, "+f1 +f2 ");
  diagnosis_stop (all[1].dg, "called off");
  LEGS (w, "+f1 +f2 !f2 +f3 ");
  turns_limit (w->d.turns, 1);
  let_go ("f1 F1");
  /* One is at it already. */
  UNTIL_LOOP (w->d.loop, strstr (buf_str (&w->legs), "-f1 "));
  assert_null (strstr (buf_str (&w->legs), "+s1"));
  let_go ("f1 F1 f3 F3 s1 s3");
  UNTIL_LOOP (w->d.loop, ended == 3);
}

/* Nothing is told again and again while all wait. */
static void
who_waits_is_quiet (void **state)
{
  struct world *w = *state;
  uint64_t rounds = 0, until = clock_ms () + 100;

  known (w, GUESTS);
  for (unsigned i = 1; i <= GUESTS; i++)
    look_both_ways (w, i);
  LEGS (w, "+f1 +f2 ");
  for (; clock_ms () < until; rounds++)
    assert_int_equal (loop_round (w->d.loop, 50, NULL), 0);
  assert_in_range (rounds, 1, 20);
  let_go ("f1 F1 s1 f2 F2 s2 f3 F3 s3 f4 F4 s4 f5 F5 s5 f6 F6 s6 f7 F7 s7 "
          "f8 F8 s8");
  UNTIL_LOOP (w->d.loop, ended == GUESTS);
}

#undef T
#define T(fn) cmocka_unit_test_setup_teardown (fn, with_turns, without_turns)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (what_fades_is_got_of_all_first),
    T (also_of_one_that_comes_later),
    T (who_waits_has_its_budget_later),
    T (who_is_called_off_lets_others_in),
    T (who_waits_is_quiet),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
