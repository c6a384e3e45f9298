/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog tables: the members that this build has.
 */
#include "supervisor/cli/cli.h"

#include "base/json.h"

static int
on_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  const char *touches = json_get_str (row, "touches");
  char text[600];
  const char *cells[]
      = { row_str (row, "table"), row_str (row, "name"), text };

  snprintf (text, sizeof (text), "%s%s%s%s", row_str (row, "summary"),
            touches ? " [touches: " : "", touches ? touches : "",
            touches ? "]" : "");
  listing_row (arg, row, cells);
  return 0;
}

static int
run (struct cli *cli)
{
  static const char *const titles[] = { "TABLE", "NAME", "SUMMARY", NULL };
  int r = cli_rest (cli, &verb_tables, 0);

  return r ? r
           : cli_list (cli, "members", titles, client_request ("tables", NULL),
                       on_row);
}

const struct verb verb_tables = {
  .name = "tables",
  .args = "",
  .summary = "list what this build has: sources, transports, collectors, ...",
  .help = "What each does, and what using it does to the guest.\n"
          "Exit codes: 0 listed, 1 no daemon could be asked.\n"
          "\nExample:\n"
          "  hangdog tables --json | jq 'select(.table==\"collector\")'\n",
  .run = run,
};
