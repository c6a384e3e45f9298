/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog scenario: checks documents in hangdog-check, which knows the kinds.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/cli/scenario_test.h"

#include <string.h>

static int
run (struct cli *cli)
{
  const char *what = cli_arg (cli, 1);
  struct program check;
  int r;

  if (what && strcmp (what, "test") == 0)
    return scenario_test (cli);
  r = cli_rest (cli, &verb_scenario, cli->argc);
  if (r)
    return r;
  program_init (&check, "hangdog-check");
  if (!what)
    return cli_usage (&verb_scenario, NULL);
  if (strcmp (what, "schema") == 0 && cli->argc == 2)
    program_arg (&check, "--schema");
  else if (strcmp (what, "check") == 0)
    {
      if (cli->argc == 2)
        return cli_usage (&verb_scenario, "which file?");
      if (cli->json)
        program_arg (&check, "--json");
      program_rest (&check, cli, 2);
    }
  else
    return cli_unknown (&verb_scenario, strcmp (what, "schema") == 0
                                            ? cli_arg (cli, 2)
                                            : what);
  return cli_exec (cli, &check);
}

const struct verb verb_scenario = {
  .name = "scenario",
  .args = "check FILE... | schema | test FILE --replay LOG [--from STATE]",
  .summary = "check scenario documents, try them, or print their JSON Schema",
  .help = "With --json a row for each finding (severity, file, message, and "
          "line, column, path,\nhint where there are any), and a last one of "
          "the kind \"checked\".\n"
          "test: what scenarios that hear a console would have said of a "
          "recorded log, and which\nlines the expressions of others match; "
          "--from STATE is the console's at its beginning.\n"
          "Exit codes: 0 well, 2 one of them would not be taken, 3 test: an "
          "incident would have begun.\n"
          "\nExamples:\n"
          "  hangdog scenario check /etc/hangdog/scenarios/*.json\n"
          "  hangdog scenario test heartbeat.json --replay console.log\n"
          "  hangdog scenario schema >scenario-1.json\n",
  .run = run,
};
