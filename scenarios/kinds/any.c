/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind any: well when one of some other scenarios of the guest is, or as many
 * as are wanted.
 */
#include "scenarios/scenario_impl.h"

#include <string.h>

struct own
{
  struct json_list of; /* the first: scenario_parts_of() */
  int64_t least;
};

static const struct own defaults = { .least = 1 };

static const struct json_field fields[] = {
  { .kind = JSON_GROUP, .sub = scenario_of_keys,
    .offset = offsetof (struct own, of) },
  { .name = "at-least", .kind = JSON_INT,
    .offset = offsetof (struct own, least), .min = 1,
    .max = SCENARIO_MAX_PARTS,
    .help = "so many of them must be well; default 1" },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;

  if ((size_t) own->least > own->of.count)
    return scenario_bad (at, "at-least",
                         "can never be: there are but %zu in `of`",
                         own->of.count);
  return scenario_check_of (s, at);
}

static void
combine (const struct scenario *s, const struct scenario_part *parts, size_t n,
         struct outcome_report *ret)
{
  const struct own *own = s->own;
  unsigned least = (unsigned) own->least;
  struct parts_told t;

  scenario_parts_count (parts, n, &t);
  ret->value = t.n[PART_WELL];
  if (t.n[PART_WELL] >= least)
    report_set (ret, OUTCOME_OK, "ok", "%u of %zu are well: %.140s",
                t.n[PART_WELL], n, t.why[t.first[PART_WELL]]);
  /* Those without a verdict could still make it. */
  else if (t.n[PART_WELL] + t.n[PART_UNTOLD] >= least)
    report_set (ret, OUTCOME_NO_VERDICT, "part-untold",
                "%u of %zu have no verdict, and %u are well: %.120s",
                t.n[PART_UNTOLD], n, t.n[PART_WELL],
                t.why[t.first[PART_UNTOLD]]);
  else
    report_set (ret, OUTCOME_FAILED, "too-few",
                "%u of %zu are well, and %u must be: %.140s", t.n[PART_WELL],
                n, least, t.why[t.first[PART_FAILED]]);
}

static const struct scenario_combine how
    = { .parts = scenario_parts_of, .combine = combine };

const struct scenario_kind kind_any = {
  .name = "any",
  .summary = "well when one of some other scenarios of the guest is",
  .fields = fields,
  .own_size = sizeof (struct own),
  .own_init = &defaults,
  .check = check,
  .combine = &how,
};
