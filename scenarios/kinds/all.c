/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind all: well when all of some other scenarios of the guest are.
 */
#include "scenarios/scenario_impl.h"

#include <string.h>

/* "2 of 3 failed: console: no-answer: ...; also ssh" */
static void
say_failed (const struct scenario_part *parts, size_t n,
            const struct parts_told *t, struct outcome_report *ret)
{
  struct buf others CLEANUP_BUF = BUF_INIT (80);
  size_t first = t->first[PART_FAILED];

  for (size_t i = first + 1; i < n; i++)
    if (t->says[i] == PART_FAILED)
      buf_printf (&others, "%s%s", others.len ? ", " : "; also ",
                  parts[i].name);
  report_set (ret, OUTCOME_FAILED, "part-failed",
              "%u of %zu failed: %.90s%s", t->n[PART_FAILED], n,
              t->why[first], buf_str (&others));
}

static void
combine (const struct scenario *s, const struct scenario_part *parts, size_t n,
         struct outcome_report *ret)
{
  struct parts_told t;

  (void) s;
  scenario_parts_count (parts, n, &t);
  ret->value = t.n[PART_WELL];
  if (t.n[PART_FAILED])
    say_failed (parts, n, &t, ret);
  else if (t.n[PART_UNTOLD])
    report_set (ret, OUTCOME_NO_VERDICT, "part-untold",
                "%u of %zu have no verdict: %.140s", t.n[PART_UNTOLD], n,
                t.why[t.first[PART_UNTOLD]]);
  else
    report_set (ret, OUTCOME_OK, "ok", "all %zu are well", n);
}

static const struct scenario_combine how
    = { .parts = scenario_parts_of, .combine = combine };

const struct scenario_kind kind_all = {
  .name = "all",
  .summary = "well when all of some other scenarios of the guest are",
  .fields = scenario_of_keys,
  .own_size = sizeof (struct json_list),
  .check = scenario_check_of,
  .combine = &how,
};
