/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog version.
 */
#include "supervisor/cli/cli.h"

#include "base/json.h"
#include "config.h"

static int
run (struct cli *cli)
{
  struct json_object *row;
  int r = cli_rest (cli, &verb_version, 0);

  if (r)
    return r;
  if (!cli->json)
    {
      puts ("hangdog " PACKAGE_VERSION);
      return EXIT_WELL;
    }
  row = json_object_new_object ();
  json_add_str (row, "name", "hangdog");
  json_add_str (row, "version", PACKAGE_VERSION);
#ifdef WITH_LIBVIRT
  json_add_bool (row, "libvirt", true);
#else
  json_add_bool (row, "libvirt", false);
#endif
  print_json (row);
  json_object_put (row);
  return EXIT_WELL;
}

const struct verb verb_version = {
  .name = "version",
  .args = "",
  .summary = "say which version this is",
  .help = "Exit codes: 0.\n"
          "\nExamples:\n  hangdog version\n  hangdog version --json\n",
  .run = run,
};
