/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog playbook: what a diagnosis does.  Asked of hangdog-check, which
 * knows the collectors.
 */
#include "supervisor/cli/cli.h"

#include <string.h>

static int
run (struct cli *cli)
{
  static const char *const words[]
      = { "list", "show", "check", "schema", NULL };
  const char *what = cli_arg (cli, 1);
  struct program check;
  bool any = what && strcmp (what, "check") == 0;
  bool one = what && strcmp (what, "show") == 0;
  int r = cli_rest (cli, &verb_playbook, any ? cli->argc : one ? 2 : 1);

  if (!what)
    return cli_usage (&verb_playbook, NULL);
  for (size_t i = 0; words[i]; i++)
    {
      if (strcmp (words[i], what) != 0)
        continue;
      if (r)
        return r;
      if ((any || one) && cli->argc < 3)
        return cli_usage (&verb_playbook,
                          any ? "which file?" : "which playbook?");
      program_init (&check, "hangdog-check");
      program_arg (&check, "--playbook");
      program_arg (&check, what);
      if (cli->json)
        program_arg (&check, "--json");
      if (cli->config_path)
        {
          program_arg (&check, "--config");
          program_arg (&check, cli->config_path);
        }
      program_rest (&check, cli, 2);
      return cli_exec (cli, &check);
    }
  return cli_no_word (&verb_playbook, what, words);
}

const struct verb verb_playbook = {
  .name = "playbook",
  .args = "list | show NAME | check FILE... | schema",
  .summary = "what a diagnosis does: list, show and check playbooks",
  .help
  = "  list     the playbooks of this host: ours, and those of "
    "/etc/hangdog/playbooks.d (or what\n"
    "           the configuration names), with their steps and bounds; of "
    "files that are not\n"
    "           taken it is said why\n"
    "  show     one of them, as it is understood: fit to begin one's own "
    "with (give it\n"
    "           another name)\n"
    "  check    documents: mistakes with their place\n"
    "  schema   the JSON Schema of documents, for an editor\n"
    "With list --json a row for each; with check --json one for each that is "
    "good, one for\neach finding (severity, file, message, and line, column, "
    "path, hint where there are\nany), and a last one of the kind "
    "\"checked\".\n"
    "Exit codes: 0 well, 1 no memory or the like, 2 there is none of that "
    "name, or a document would not\nbe taken.\n"
    "\nExamples:\n"
    "  hangdog playbook list\n"
    "  hangdog playbook show standard >/etc/hangdog/playbooks.d/mine.json\n"
    "  hangdog playbook check /etc/hangdog/playbooks.d/*.json\n",
  .run = run,
};
