/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog scenario test: a document tried on a recorded console log, in
 * hangdog-check, which knows the kinds.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/cli/scenario_test.h"

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
