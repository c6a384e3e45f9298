/* SPDX-License-Identifier: Apache-2.0
 *
 * Incidents that say nothing new: one bundle of the same trouble, and not too
 * many of one guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/incidents-bed.h"

#include "base/cleanup.h"

static int
with_repeats (void **state)
{
  struct world *w;

  up (state);
  w = *state;
  incidents_repeat (w->incidents, 6 * 3600 * 1000);
  return 0;
}

#define T(fn) WITH (with_repeats, fn)

static void
judged (struct world *w, const char *class_, const char *signature)
{
  struct diagnosis *dg = w->running[0];
  struct verdict v = { .confidence = "high" };

  assert_int_equal (w->nrunning, 1);
  w->nrunning = 0;
  snprintf (v.class_, sizeof v.class_, "%s", class_);
  snprintf (v.signature, sizeof v.signature, "%s", signature);
  dg->ops->done (&v, json_object_new_object (), dg->arg);
  free (dg);
}

/* From its begin to its end; the incident, which is over. */
static struct active *
hangs (struct world *w, const char *uuid, const char *class_,
       const char *signature)
{
  struct active *a;

  fails (w, uuid);
  a = newest (w);
  all_on_disk (w);
  if (w->head)
    json_object_put (w->head);
  w->head = NULL;
  judged (w, class_, signature);
  packed (w, NULL);
  outcome (w, uuid, &w->uptime, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  assert_int_equal (a->inc.end, INCIDENT_RECOVERED);
  return a;
}

static bool
says_so (struct world *w, const struct active *a, const char *what)
{
  return strstr (stored (w, a->inc.id)->text, what) != NULL;
}

static void
the_same_again_is_counted (void **state)
{
  struct world *w = *state;
  struct active *first = hangs (w, A, "lock-deadlock", "0011"), *again;
  uint64_t rev = first->inc.rev;

  assert_non_null (w->head);
  again = hangs (w, A, "lock-deadlock", "0011");
  assert_null (w->head);
  assert_string_equal (again->inc.repeat_of, first->inc.id);
  assert_string_equal (again->bundle, "");
  assert_string_equal (again->inc.verdict.class_, "lock-deadlock");
  assert_int_equal (again->life, LIFE_DONE);
  assert_int_equal (first->inc.repeats, 1);
  assert_true (first->inc.rev > rev);
  assert_true (says_so (w, first, "\"repeats\":1"));
  assert_true (says_so (w, again, "\"repeat_of\""));
  /* Also a third time, and in another life. */
  lives (w, A, 70);
  again = hangs (w, A, "lock-deadlock", "0011");
  assert_string_equal (again->inc.repeat_of, first->inc.id);
  assert_int_equal (first->inc.repeats, 2);
}

static void
what_differs_is_not (void **state)
{
  struct world *w = *state;

  hangs (w, A, "lock-deadlock", "0011");
  hangs (w, A, "lock-deadlock", "0012");
  assert_non_null (w->head);
  hangs (w, B, "lock-deadlock", "0011");
  assert_non_null (w->head);
}

/* What nobody can explain is worth its evidence. */
static void
nor_what_is_unknown (void **state)
{
  struct world *w = *state;

  hangs (w, A, "unknown", "0011");
  hangs (w, A, "unknown", "0011");
  assert_non_null (w->head);
}

static void
not_for_ever (void **state)
{
  struct world *w = *state;
  struct active *first = hangs (w, A, "lock-deadlock", "0011");

  first->inc.opened_wall_ms -= 6 * 3600 * 1000 + 1000;
  hangs (w, A, "lock-deadlock", "0011");
  assert_non_null (w->head);
  incidents_repeat (w->incidents, 0);
  hangs (w, A, "lock-deadlock", "0011");
  assert_non_null (w->head);
}

static void
what_is_ordered_is_packed (void **state)
{
  struct world *w = *state;
  const struct guest *g CLEANUP_GUEST = NULL;
  char id[UUID_TEXT];

  hangs (w, A, "lock-deadlock", "0011");
  registry_find (w->d.registry, A, &g, NULL);
  assert_int_equal (
      incidents_order (w->incidents, g, NULL, "me", NULL, NULL, id, NULL), 0);
  all_on_disk (w);
  json_object_put (w->head);
  w->head = NULL;
  judged (w, "lock-deadlock", "0011");
  assert_non_null (w->head);
  packed (w, NULL);
}

static void
not_too_many_of_one_guest (void **state)
{
  struct world *w = *state;
  struct active *a;
  char signature[8];

  for (unsigned i = 0; i < 3; i++)
    {
      snprintf (signature, sizeof signature, "%u", i);
      w->incidents->max_bundles = 2;
      a = hangs (w, A, "lock-deadlock", signature);
      assert_int_equal (w->head != NULL, i < 2);
    }
  assert_string_equal (a->inc.repeat_of, "");
  assert_true (says_so (w, a, "2 bundles of this guest"));
  hangs (w, B, "lock-deadlock", "9");
  assert_non_null (w->head);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (the_same_again_is_counted), T (what_differs_is_not),
    T (nor_what_is_unknown),       T (not_for_ever),
    T (what_is_ordered_is_packed), T (not_too_many_of_one_guest),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
