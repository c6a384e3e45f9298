/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kinds share that look at what other scenarios of the guest have
 * found: which ones, and what each of them says now.
 */
#include "scenarios/scenario_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* What is older than so many of its intervals is no more said of the guest. */
#define STALE_INTERVALS 3

const struct json_field scenario_of_keys[] = {
  { .name = "of", .kind = JSON_ARRAY, .offset = 0, .required = true,
    .min = 1, .max = SCENARIO_MAX_PARTS, .elem_kind = JSON_STRING,
    .elem_size = sizeof (char *),
    .help = "names of other scenarios of the guest" },
  { .name = NULL },
};

int
scenario_check_of (const struct scenario *s, const struct scenario_at *at)
{
  const struct json_list *of = s->own;
  char *const *names = of->items;
  char key[32];

  for (size_t i = 0; i < of->count; i++)
    {
      snprintf (key, sizeof key, "of[%zu]", i);
      if (!text_is_name (names[i]))
        return scenario_bad (at, key, "is no name of a scenario");
      if (strcmp (names[i], s->name) == 0)
        return scenario_bad (at, key, "is this scenario itself");
      for (size_t k = 0; k < i; k++)
        if (strcmp (names[i], names[k]) == 0)
          return scenario_bad (at, key, "\"%s\" is there twice", names[i]);
    }
  return 0;
}

size_t
scenario_parts_of (const struct scenario *s, const char *const **ret)
{
  const struct json_list *of = s->own;

  *ret = of->items;
  return of->count;
}

/* Those of all scenarios that there are; it is not known before. */
static const struct scenario *
find (struct scenario *const *list, size_t n, const char *name)
{
  for (size_t i = 0; i < n; i++)
    if (strcmp (list[i]->name, name) == 0)
      return list[i];
  return NULL;
}

static int
no_such_part (struct scenario *const *list, size_t n, const char *name,
              size_t i, const char *part, struct error *err)
{
  const char *names[64];
  char near[200] = "";
  size_t k = 0;

  for (size_t j = 0; j < n && k < ARRAY_LEN (names) - 1; j++)
    if (!list[j]->kind->combine)
      names[k++] = list[j]->name;
  names[k] = NULL;
  text_did_you_mean (near, sizeof near, part, names);
  return error_set (err, ENOENT,
                    "scenario %s: of[%zu]: there is no scenario named \"%s\"%s",
                    name, i, part, near);
}

int
scenario_check_parts (struct scenario *const *list, size_t n,
                      const struct scenario *s, struct error *err)
{
  const char *const *names = NULL;
  size_t count
      = s->kind->combine ? s->kind->combine->parts (s, &names) : 0;

  for (size_t i = 0; i < count; i++)
    {
      const struct scenario *part = find (list, n, names[i]);

      if (!part)
        return no_such_part (list, n, s->name, i, names[i], err);
      if (part->kind->combine)
        return error_set (err, EINVAL,
                          "scenario %s: of[%zu]: \"%s\" is of kind %s, which "
                          "looks at others itself; name those",
                          s->name, i, names[i], part->kind->name);
    }
  return 0;
}

/* ---- what one of them says ---- */

enum part_says
scenario_part_says (const struct scenario_part *p, char *why, size_t n)
{
  const struct outcome_report *r = p->last;
  char age[32];

  if (!p->bound)
    snprintf (why, n, "%s: it is not asked of this guest", p->name);
  else if (!r)
    snprintf (why, n, "%s: it was not asked yet", p->name);
  else if (p->age_ms > STALE_INTERVALS * p->interval_ms)
    snprintf (why, n, "%s: it was asked last %s ago", p->name,
              units_format_duration (age, sizeof age, p->age_ms));
  else if (r->outcome == OUTCOME_OK && p->health == HEALTH_WELL)
    {
      snprintf (why, n, "%s: %s", p->name, r->sentence);
      return PART_WELL;
    }
  else if (r->outcome == OUTCOME_FAILED && p->health == HEALTH_FAILED)
    {
      snprintf (why, n, "%s: %s: %s", p->name, r->code, r->sentence);
      return PART_FAILED;
    }
  /* One answer that its thresholds do not believe yet. */
  else if (r->outcome == OUTCOME_FAILED)
    snprintf (why, n, "%s: it failed just now (%s), and is asked again",
              p->name, r->code);
  else if (r->outcome == OUTCOME_OK)
    snprintf (why, n, "%s: it is well again, not for long enough", p->name);
  else
    snprintf (why, n, "%s: %s: %s", p->name, r->code, r->sentence);
  return PART_UNTOLD;
}

void
scenario_parts_count (const struct scenario_part *parts, size_t n,
                      struct parts_told *ret)
{
  *ret = (struct parts_told){ 0 };
  for (size_t i = 0; i < n; i++)
    {
      enum part_says says = scenario_part_says (&parts[i], ret->why[i],
                                                sizeof ret->why[i]);

      if (ret->n[says]++ == 0)
        ret->first[says] = i;
      ret->says[i] = says;
    }
}
