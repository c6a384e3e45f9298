/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog dump: the daemon's own state, as it words it.
 */
#include "supervisor/cli/cli.h"

static int
on_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  fwrite (body, 1, len, stdout);
  return 0;
}

static int
run (struct cli *cli)
{
  int r = cli_rest (cli, &verb_dump, 0);

  return r ? r
           : cli_ask (cli, false, client_request ("dump", NULL), on_row, NULL);
}

const struct verb verb_dump = {
  .name = "dump",
  .args = "",
  .summary = "show the daemon's own state: jobs, timers, bounds, drops",
  .run = run,
};
