/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind sequence: other scenarios of the guest from the ground up, each of
 * which stands on the one before it.  What failed first on the way up is what
 * is told: what stands on it fails with it.
 */
#include "scenarios/scenario_impl.h"

#include <string.h>

/* One without a verdict on the way is passed over: what could not be asked is
 * not where it stops, and must not hide what failed above. */
static void
combine (const struct scenario *s, const struct scenario_part *parts, size_t n,
         struct outcome_report *ret)
{
  struct parts_told t;
  size_t at;

  (void) s;
  scenario_parts_count (parts, n, &t);
  ret->value = t.n[PART_WELL];
  if (t.n[PART_FAILED])
    {
      at = t.first[PART_FAILED];
      report_set (ret, OUTCOME_FAILED, "stops-at", "stops at %zu of %zu: %s",
                  at + 1, n, t.why[at]);
    }
  else if (t.n[PART_UNTOLD])
    {
      at = t.first[PART_UNTOLD];
      report_set (ret, OUTCOME_NO_VERDICT, "part-untold",
                  "%zu of %zu has no verdict: %s", at + 1, n, t.why[at]);
    }
  else
    report_set (ret, OUTCOME_OK, "ok", "all %zu are well, up to %s", n,
                parts[n - 1].name);
}

static const struct scenario_combine how
    = { .parts = scenario_parts_of, .combine = combine };

const struct scenario_kind kind_sequence = {
  .name = "sequence",
  .summary = "other scenarios from the ground up: where it stops",
  .fields = scenario_of_keys,
  .own_size = sizeof (struct json_list),
  .check = scenario_check_of,
  .combine = &how,
};
