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
  .args = "--data DIR [--listen ADDRESS:PORT] [--token-file FILE] "
          "[--max-upload SIZE] [--tls-cert FILE --tls-key FILE]",
  .summary = "run the reference controller, which receives bundles",
  .help = "  --data DIR          where bundles are kept\n"
          "  --listen A:PORT     default 127.0.0.1, any free port; says which\n"
          "  --token-file FILE   who sends must bring what is in it\n"
          "  --max-upload SIZE   a larger bundle is refused\n"
          "  --tls-cert, --tls-key  PEM files; without them it speaks plain "
          "HTTP\n"
          "Exit codes: 0 told to end, 1 it could not start or go on, 2 an "
          "option is wrong, 6 not in\nthis build.\n"
          "\nExample:\n"
          "  hangdog controller --listen 127.0.0.1:8080 --data /srv/hangdog\n",
  .run = run,
};
