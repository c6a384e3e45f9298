/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kinds share that ask the guest agent.
 */
#include "scenarios/scenario_impl.h"

#include <stdio.h>

bool
judge_agent (const struct transport_ops *way, const struct guest *g,
             const struct ask_result *said, struct outcome_report *ret)
{
  ret->took_ms = said->took_ms;
  if (said->end == ASK_OK)
    return false;
  judge_end_by (way, said->end, said->detail, ret);
  if (!said->begun && ret->way == WAY_UNUSABLE)
    (void) judge_process (g, ret);
  return true;
}

void
scenario_cost_agent (const struct scenario *s, const struct transport_ops *way,
                     struct scenario_cost *ret)
{
  (void) s;
  ret->cpu_us = way->cpu_us;
}

int
scenario_check_in_guest (const struct scenario_at *at, const char *key,
                         const char *text)
{
  for (const unsigned char *p = (const unsigned char *) text; *p; p++)
    if (*p < 0x20 || *p == 0x7f)
      return scenario_bad (at, key, "has a control character");
  /* Windows has drives. */
  if (text[0] == '/' || (text[0] && text[1] == ':'))
    return 0;
  return scenario_bad (at, key, "must be a whole path in the guest");
}
