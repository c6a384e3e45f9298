/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind ssh-command: one shell command, over ssh if nothing else is said,
 * judged as one over the console is.
 */
#include "scenarios/scenario_impl.h"

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  return scenario_check_question (s, at, "or a script in the guest");
}

static const char *const uses[] = { "ssh", NULL };

const struct scenario_kind kind_ssh_command = {
  .name = "ssh-command",
  .summary = "one shell command over ssh, by status and output",
  .application = true,
  .transports = uses,
  .commands = true,
  .timed = true,
  .fields = scenario_question_keys,
  .own_size = sizeof (struct scenario_question),
  .check = check,
  .cost = scenario_cost_question,
  .hints = scenario_hint_question,
  .ask = scenario_ask_question,
};
