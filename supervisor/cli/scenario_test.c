/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog scenario test: a document tried on a recorded console log, in
 * hangdog-check, which knows the kinds.
 */
#include "supervisor/cli/scenario_test.h"
#include "supervisor/cli/cli.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* Those of the fact console.state (docs/facts.md). */
const char *const console_words[]
    = { "talking",    "silent",    "held",   "idle",
        "connecting", "given-way", "absent", "broken", NULL };

/* One that there is not would be as if nobody read it. */
static int
check_state (const char *from)
{
  char near[160], why[300];

  for (unsigned i = 0; console_words[i]; i++)
    if (strcmp (console_words[i], from) == 0)
      return 0;
  snprintf (why, sizeof (why), "no state of a console is \"%.60s\"%s", from,
            text_did_you_mean (near, sizeof (near), from, console_words));
  return cli_usage (&verb_scenario, why);
}

int
scenario_test (struct cli *cli)
{
  const char *log = cli_option (cli, "--replay");
  const char *from = cli_option (cli, "--from");
  struct program check;
  int r = cli_rest (cli, &verb_scenario, 2);

  if (r)
    return r;
  if (cli->argc < 3)
    return cli_usage (&verb_scenario, "which file?");
  if (!log)
    return cli_usage (&verb_scenario, "on which log (--replay LOG)?");
  if (from && (r = check_state (from)))
    return r;
  program_init (&check, "hangdog-check");
  if (cli->json)
    program_arg (&check, "--json");
  if (from)
    {
      program_arg (&check, "--from");
      program_arg (&check, from);
    }
  program_arg (&check, "--replay");
  program_arg (&check, log);
  program_rest (&check, cli, 2);
  return cli_exec (cli, &check);
}
