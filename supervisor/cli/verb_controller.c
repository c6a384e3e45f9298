/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog controller: becomes the reference controller.
 */
#include "supervisor/cli/cli.h"

static int
run (struct cli *cli)
{
  struct program controller;

  program_init (&controller, "hangdog-controller");
  program_rest (&controller, cli, 1);
  return cli_exec (cli, &controller);
}

const struct verb verb_controller = {
  .name = "controller",
  .args = "--listen ADDRESS:PORT --data DIR [--token-file FILE]",
  .summary = "run the reference controller, which receives bundles",
  .help = "Example:\n"
          "  hangdog controller --listen 127.0.0.1:8080 --data /srv/hangdog\n",
  .run = run,
};
