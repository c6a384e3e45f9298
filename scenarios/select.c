/* SPDX-License-Identifier: Apache-2.0
 *
 * Which guests a scenario is for, and when it keeps quiet.
 */
#include "scenarios/scenario_impl.h"

#include "base/text.h"

#include <time.h>

static bool
labels_match (struct json_object *want, struct json_object *have)
{
  json_object_object_foreach (want, key, glob)
  {
    struct json_object *value;

    /* A label that the guest does not have is no match, also for "*": who
     * asks for a label wants those that carry it. */
    if (!have || !json_object_object_get_ex (have, key, &value)
        || !json_object_is_type (value, json_type_string)
        || !text_glob (json_object_get_string (glob),
                       json_object_get_string (value)))
      return false;
  }
  return true;
}

bool
scenario_selects (const struct scenario *s, const struct guest *g)
{
  const struct scenario_select *sel = &s->select;

  /* Either name: people know one, scripts the other. */
  if (sel->name && !text_glob (sel->name, g->name)
      && !text_glob (sel->name, g->display))
    return false;
  if (sel->uuid && !text_glob (sel->uuid, g->inc.uuid))
    return false;
  if (sel->display_name && !text_glob (sel->display_name, g->display))
    return false;
  return !sel->labels || labels_match (sel->labels, g->labels);
}

bool
scenario_quiet (const struct scenario *s, uint64_t wall_ms)
{
  /* Local time, asked anew each time: quiet hours are people's, and move with
   * daylight saving. */
  const struct scenario_hours *h = s->quiet_hours.items;
  time_t t = (time_t) (wall_ms / 1000);
  struct tm tm;
  int now, today, yesterday;

  if (s->quiet_hours.count == 0 || !localtime_r (&t, &tm))
    return false;
  now = tm.tm_hour * 60 + tm.tm_min;
  today = 1 << tm.tm_wday;
  yesterday = 1 << (tm.tm_wday + 6) % 7;
  for (size_t i = 0; i < s->quiet_hours.count; i++, h++)
    {
      int from = hours_minute (h->from), to = hours_minute (h->to);
      int days = hours_days (h->days);

      if (from < to)
        {
          if ((days & today) && now >= from && now < to)
            return true;
        }
      /* Over midnight: the days are those on which it begins. */
      else if (((days & today) && now >= from)
               || ((days & yesterday) && now < to))
        return true;
    }
  return false;
}
