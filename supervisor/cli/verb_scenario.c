/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog scenario: documents are looked at by hangdog-check, which knows the
 * kinds; what is bound is the daemon's to say (scenario_live.c).
 */
#include "supervisor/cli/scenario.h"
#include "supervisor/cli/scenario_test.h"

#include "base/cleanup.h"

#include <string.h>

static int
run_check (struct cli *cli, const char *option, int least, const char *lacks)
{
  struct program check;
  int r = cli_rest (cli, &verb_scenario, cli->argc);

  if (r)
    return r;
  if (cli->argc < least)
    return cli_usage (&verb_scenario, lacks);
  program_init (&check, "hangdog-check");
  if (option)
    program_arg (&check, option);
  if (cli->json)
    program_arg (&check, "--json");
  if (!option && cli->config_path)
    {
      program_arg (&check, "--config");
      program_arg (&check, cli->config_path);
    }
  program_rest (&check, cli, 2);
  return cli_exec (cli, &check);
}

static int
run_schema (struct cli *cli)
{
  struct program check;
  int r = cli_rest (cli, &verb_scenario, 1);

  if (r)
    return r;
  program_init (&check, "hangdog-check");
  program_arg (&check, "--schema");
  return cli_exec (cli, &check);
}

static int
run_kinds (struct cli *cli)
{
  bool whole = cli->argc > 2 || cli->json;

  return run_check (cli, whole ? "--kinds" : "--kind-names", 2, NULL);
}

static int
check (struct cli *cli)
{
  return run_check (cli, NULL, 3, "which file?");
}

static const struct
{
  const char *name;
  int (*run) (struct cli *cli);
} words[] = {
  { "list", scenario_list_bound },
  { "kinds", run_kinds },
  { "show", scenario_show },
  { "check", check },
  { "schema", run_schema },
  { "test", scenario_test },
  { "run", scenario_run },
  { "bind", scenario_bind },
  { "unbind", scenario_unbind },
  { "pause", scenario_pause },
  { "resume", scenario_resume },
};

static int
run (struct cli *cli)
{
  const char *names[ARRAY_LEN (words) + 1] = { NULL };
  const char *what = cli_arg (cli, 1);

  if (!what)
    return cli_usage (&verb_scenario, NULL);
  for (size_t i = 0; i < ARRAY_LEN (words); i++)
    {
      names[i] = words[i].name;
      if (strcmp (words[i].name, what) == 0)
        return words[i].run (cli);
    }
  return cli_no_word (&verb_scenario, what, names);
}

const struct verb verb_scenario = {
  .name = "scenario",
  .args = "list | kinds [KIND...] | show NAME | check FILE... | schema |\n"
          "                        test FILE --replay LOG [--from STATE] |\n"
          "                        run FILE GUEST | bind FILE... [--guest "
          "GUEST] | unbind NAME |\n"
          "                        pause [NAME] [--guest GUEST] [--all] --for "
          "10m [--reason TEXT] |\n"
          "                        resume [NAME] [--guest GUEST] [--all]",
  .summary = "what \"well\" means: check, try, bind and pause scenarios",
  .help
  = "  list     the scenarios that the daemon has, where each is from, and "
    "how its guests are\n"
    "  kinds    the kinds there are; of those that are named all their "
    "keys\n"
    "  show     one of them, as the daemon understands it\n"
    "  check    documents: mistakes with their place, and what each costs a "
    "day\n"
    "  schema   the JSON Schema of documents, for an editor\n"
    "  test     documents, on a recorded console log: what those that hear a "
    "console would have\n"
    "           said, and which lines the expressions of others match; --from "
    "is the console's\n"
    "           state at its beginning: talking (when nothing is said), "
    "silent, held, idle,\n"
    "           connecting, given-way, absent or broken\n"
    "  run      a document, once, on a guest; its outcome counts for nothing. "
    "Of a kind that\n"
    "           asks: what hears a console is tried by test, what looks at "
    "other scenarios\n"
    "           is to be bound\n"
    "  bind     documents, to the guests that they select, or to one; they "
    "stay bound over\n"
    "           a restart, until unbind\n"
    "  pause    nothing is asked for that long: of a scenario, of a guest, of "
    "both, or (with\n"
    "           --all) of everybody; --reason TEXT is shown in status; resume "
    "ends it\n"
    "With check --json a row for each finding (severity, file, message, and "
    "line, column,\npath, hint where there are any), one of the kind \"cost\" "
    "for each scenario, and a last\none of the kind \"checked\".\n"
    "Exit codes: 0 well, 2 a document would not be taken; of run those of "
    "probe; of test\n3 when an incident would have begun.\n"
    "\nExamples:\n"
    "  hangdog scenario check /etc/hangdog/scenarios/*.json\n"
    "  hangdog scenario run uptime-console.json web-1\n"
    "  hangdog scenario bind uptime-console.json --guest web-1\n"
    "  hangdog scenario pause --guest web-1 --for 2h --reason 'kernel "
    "update'\n",
  .run = run,
};
