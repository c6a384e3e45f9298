/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind console-command: one shell command, over the console if nothing else
 * is said, judged by its exit status and output.  The framing by a nonce is
 * session_command()'s: nothing that did not come inside the frame is judged.
 */
#include "scenarios/scenario_impl.h"

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  /* A second line would be typed outside of the frame, where nothing tells
   * its answer from what the guest says by itself. */
  return scenario_check_question (s, at, "or a dialogue");
}

static void
expects (const struct scenario *s, scenario_expect_fn *fn, void *arg)
{
  const struct scenario_question *own = s->own;

  if (own->what.expect.output)
    fn ("expect.output", own->what.expect.output, true, arg);
  if (own->what.expect.not_output)
    fn ("expect.not-output", own->what.expect.not_output, false, arg);
}

static const char *const uses[] = { "console", NULL };

const struct scenario_kind kind_console_command = {
  .name = "console-command",
  .summary = "one shell command over the console, by status and output",
  .application = true,
  .transports = uses,
  .commands = true,
  .timed = true,
  .fields = scenario_question_keys,
  .own_size = sizeof (struct scenario_question),
  .check = check,
  .cost = scenario_cost_question,
  .hints = scenario_hint_question,
  .expects = expects,
  .ask = scenario_ask_question,
};
