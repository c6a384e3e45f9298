/* SPDX-License-Identifier: Apache-2.0
 *
 * Operation plan: what a diagnosis of this guest would do now.  Of what is
 * known already; it asks nobody.
 */
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"

#include "base/error.h"
#include "base/job.h"
#include "base/json.h"
#include "diag/collect/collect.h"
#include "diag/ladder/cond.h"
#include "diag/playbook.h"

#include <stdio.h>
#include <string.h>

struct sums
{
  uint64_t ms, bytes;
  unsigned touch; /* steps that touch the guest */
};

static void
add_acts (struct json_object *row, const struct collect_plan *plan)
{
  struct json_object *acts = json_object_new_array ();

  for (unsigned i = 0; i < COLLECT_ACTS && plan->acts[i][0]; i++)
    json_object_array_add (acts, json_object_new_string (plan->acts[i]));
  json_object_object_add (row, "acts", acts);
}

/* The network step asks where a scenario of the guest asks. */
static void
add_address (struct answer *a, const struct guest *g,
             const struct playbook_step *step, struct collect_plan *plan)
{
  CLEANUP_JSON struct json_object *hints = NULL;
  struct json_object *known;
  const char *address;

  /* Its step may have one of its own. */
  if (strcmp (step->collector->name, "net") != 0
      || strncmp (plan->acts[0], "connects by TCP to", 18) == 0)
    return;
  hints = bindings_hints (a->d->bindings, g->inc.uuid);
  known = collect_best_address (hints, "");
  address = known ? json_get_str (known, "address") : NULL;
  if (address)
    snprintf (plan->acts[0], sizeof (plan->acts[0]),
              "connects by TCP to %.60s once%s", address,
              json_get_str (known, "send") ? ", and sends what its scenario "
                                             "does"
                                           : "");
}

static void
plan_step (struct answer *a, const struct guest *g, unsigned n,
           const struct playbook_step *step, struct sums *sums)
{
  struct json_object *row = json_object_new_object ();
  struct collect_plan plan;

  collector_plan (step->collector, g, step->own, &plan);
  add_address (a, g, step, &plan);
  if (step->budget_ms)
    plan.ms = step->budget_ms;
  json_add_str (row, "row", "step");
  json_add_int (row, "n", n);
  json_add_str (row, "step", step->name);
  json_add_str (row, "collector", step->collector->name);
  json_add_str (row, "summary", step->collector->summary);
  json_add_str (row, "touch", collect_touch_names[plan.touch]);
  json_add_str (row, "lane", job_lane_names[plan.lane]);
  json_add_int (row, "ms", (int64_t) plan.ms);
  json_add_int (row, "bytes", (int64_t) plan.bytes);
  if (step->when)
    json_object_object_add (row, "if", cond_list_to_json (step->when));
  if (plan.never[0])
    json_add_text (row, "never", plan.never, strlen (plan.never));
  else
    add_acts (row, &plan);
  answer_row (a, row);
  if (plan.never[0])
    return;
  sums->ms += plan.ms;
  sums->bytes += plan.bytes;
  sums->touch += plan.touch != TOUCH_NOTHING;
}

static uint64_t
bounded (uint64_t v, uint64_t most)
{
  return most && most < v ? most : v;
}

void
op_plan (struct answer *a, struct frame *f)
{
  CLEANUP_GUEST const struct guest *g = answer_guest (a);
  const char *name = json_get_str (a->head, "playbook");
  const struct playbook *p;
  struct json_object *row;
  struct sums sums = { 0 };
  struct error err = ERROR_INIT;

  (void) f;
  if (!g)
    return;
  if (!name)
    name = playbook_default;
  if (playbook_check (a->d->playbooks, name, &err) < 0)
    {
      answer_error (a, &err);
      return;
    }
  p = playbook_find (a->d->playbooks, name[0] ? name : playbook_default);
  for (unsigned i = 0; i < p->nsteps; i++)
    plan_step (a, g, i + 1, &p->steps[i], &sums);
  row = json_object_new_object ();
  json_add_str (row, "row", "plan");
  json_add_text (row, "guest", g->display, strlen (g->display));
  json_add_str (row, "uuid", g->inc.uuid);
  json_add_str (row, "playbook", p->name);
  json_add_text (row, "origin", p->origin, strlen (p->origin));
  json_add_int (row, "steps", p->nsteps);
  json_add_int (row, "touching", sums.touch);
  json_add_int (row, "ms", (int64_t) bounded (sums.ms, p->budget_ms));
  json_add_int (row, "bytes", (int64_t) bounded (sums.bytes, p->bytes));
  answer_end (a, row);
}
