/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind ssh-command: one shell command, over ssh if nothing else is said,
 * judged as one over the console is.
 */
#include "scenarios/scenario_impl.h"

static int
check (const struct scenario *s, const struct json_doc *doc, const char *path,
       struct error *err)
{
  return scenario_check_asked (s, doc, path, "or a script in the guest", err);
}

static const char *const uses[] = { "ssh", NULL };

const struct scenario_kind kind_ssh_command = {
  .name = "ssh-command",
  .summary = "one shell command over ssh, by status and output",
  .transports = uses,
  .commands = true,
  .greets = "^SSH-",
  .check = check,
  .ask = scenario_over_command,
};
