/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog config: checks the configuration, or prints its schema.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/settings.h"

#include "base/buf.h"

#include <string.h>

static int
schema (void)
{
  struct buf out = BUF_INIT (256u << 10);

  config_schema (&out);
  puts (buf_str (&out));
  buf_done (&out);
  return EXIT_WELL;
}

/* The keeper reads it: what passes here is what it will take. */
static int
check (struct cli *cli)
{
  const char *file = cli->argc == 3 ? cli->argv[2] : cli->config_path;
  struct program keeper;

  program_init (&keeper, "hangdog-keeper");
  program_arg (&keeper, "--check");
  if (cli->json)
    program_arg (&keeper, "--json");
  if (file)
    {
      program_arg (&keeper, "--config");
      program_arg (&keeper, file);
    }
  return cli_exec (cli, &keeper);
}

static int
run (struct cli *cli)
{
  const char *what = cli_arg (cli, 1);

  if (!what)
    return cli_usage (&verb_config, NULL);
  if (strcmp (what, "schema") == 0 && cli->argc == 2)
    return schema ();
  if (strcmp (what, "check") == 0 && cli->argc <= 3)
    return check (cli);
  return cli_unknown (&verb_config, what);
}

const struct verb verb_config = {
  .name = "config",
  .args = "check [FILE] | schema",
  .summary = "check the configuration, or print its JSON Schema",
  .help = "With --json a row for each finding (severity, file, message, and "
          "line, column, path,\nhint where there are any), and a last one of "
          "the kind \"checked\".\n"
          "Exit codes: 0 well, 2 it would not be taken.\n"
          "\nExamples:\n"
          "  hangdog config check /etc/hangdog/config.json\n"
          "  hangdog config check --json my.json | jq -r .message\n",
  .run = run,
};
