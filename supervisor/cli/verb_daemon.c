/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog daemon: becomes the keeper, which starts all the others.
 */
#include "supervisor/cli/cli.h"

static int
run (struct cli *cli)
{
  struct program keeper;

  program_keeper (&keeper, cli);
  if (cli->json)
    program_arg (&keeper, "--json");
  program_rest (&keeper, cli, 1);
  return cli_exec (cli, &keeper);
}

const struct verb verb_daemon = {
  .name = "daemon",
  .args = "[--check] [--debug]",
  .summary = "watch all guests of this host until told to stop",
  .help = "  --check   read the configuration, say what is wrong, end\n"
          "  --debug   say more\n"
          "\nIt stays in the foreground; SIGHUP reads the configuration again, "
          "SIGTERM ends\nit.\n"
          "Exit codes: 0 told to end, or the configuration is well, 1 it could "
          "not start or go on,\n2 the configuration is not well.\n"
          "\nExamples:\n"
          "  hangdog daemon\n"
          "  hangdog --config my.json --run /tmp/hd --state /tmp/hd-state "
          "daemon --debug\n",
  .run = run,
};
