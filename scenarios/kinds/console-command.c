/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind console-command: one shell command, over the console if nothing else
 * is said, judged by its exit status and output.  The framing by a nonce is
 * session_command()'s: nothing that did not come inside the frame is judged.
 */
#include "scenarios/scenario_impl.h"

static int
check (const struct scenario *s, const struct json_doc *doc, const char *path,
       struct error *err)
{
  /* A second line would be typed outside of the frame, where nothing tells
   * its answer from what the guest says by itself. */
  return scenario_check_asked (s, doc, path, "or a dialogue", err);
}

static const char *const uses[] = { "console", NULL };

const struct scenario_kind kind_console_command = {
  .name = "console-command",
  .summary = "one shell command over the console, by status and output",
  .transports = uses,
  .commands = true,
  .check = check,
  .ask = scenario_over_command,
};
