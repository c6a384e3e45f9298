/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind all: well when all of some other scenarios of the guest are.
 */
#include "scenarios/scenario_impl.h"

#include <string.h>

struct own
{
  struct json_list of;
};

static const struct json_field fields[] = {
  { .kind = JSON_GROUP, .sub = scenario_of_keys,
    .offset = offsetof (struct own, of) },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;

  return scenario_check_of (s, at, &own->of);
}

static size_t
parts_of (const struct scenario *s, const char *const **ret)
{
  const struct own *own = s->own;

  *ret = own->of.items;
  return own->of.count;
}

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
    = { .parts = parts_of, .combine = combine };

const struct scenario_kind kind_all = {
  .name = "all",
  .summary = "well when all of some other scenarios of the guest are",
  .fields = fields,
  .own_size = sizeof (struct own),
  .check = check,
  .combine = &how,
};
