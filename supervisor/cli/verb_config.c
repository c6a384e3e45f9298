/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog config: checks the configuration, or prints its schema.
 */
#include "supervisor/cli/classify.h"
#include "supervisor/cli/config_show.h"
#include "supervisor/conf/finding.h"

#include "base/buf.h"

#include <string.h>

static int
schema (void)
{
  struct buf out = BUF_INIT (256u << 10);

  config_schema (&out);
  fputs (buf_str (&out), stdout);
  buf_done (&out);
  return EXIT_WELL;
}

static void
check_verdicts (const struct config *cfg, struct findings *f)
{
  struct verdict_files v;

  if (local_verdicts (cfg, &v, NULL) < 0)
    return;
  f->files += v.own.files;
  for (unsigned i = 0; i < conf_taken_told (&v.own); i++)
    finding_error (f, "verdicts", &v.own.faults[i].err);
  f->errors += v.own.nfaults - conf_taken_told (&v.own);
  if (v.own.missing)
    finding_note (f, v.own.missing,
                  "it is not there: no rules of the verdict of yours");
  verdict_files_done (&v);
}

/* The rules that it names, which the keeper has no programme for.  What is
 * wrong with itself the keeper says. */
static void
check_rules (const struct cli *cli, const char *file, struct findings *f)
{
  struct text_rules_read read = { 0 };
  struct error err = ERROR_INIT;
  CLEANUP_CONFIG const struct config *cfg = NULL;
  int r = local_config (file, &cfg, &err);

  if (r == 0 && local_rules (cfg, &read, &err) == 0)
    {
      f->files = read.own.files;
      for (unsigned i = 0; i < conf_taken_told (&read.own); i++)
        {
          const struct conf_fault *fault = &read.own.faults[i];

          finding_error (f, fault->file ? fault->file : "rules", &fault->err);
        }
      f->errors = read.own.nfaults;
      if (read.own.missing)
        finding_note (f, read.own.missing,
                      "it is not there: no text rules of yours");
    }
  text_rules_read_done (&read);
  if (r == 0)
    check_verdicts (cfg, f);
  fflush (stdout);
}

static void
how (struct program *p, const struct cli *cli, const char *file)
{
  if (cli->json)
    program_arg (p, "--json");
  if (file)
    {
      program_arg (p, "--config");
      program_arg (p, file);
    }
}

/* The playbooks that it names hangdog-check knows; and then the keeper, which
 * it becomes, reads the file itself: what passes there is what it will
 * take. */
static int
check (struct cli *cli)
{
  const char *file = cli->argc == 3 ? cli->argv[2] : cli->config_path;
  struct findings f = { .json = cli->json };
  struct program check;
  char told[48], keeper[4096];

  check_rules (cli, file, &f);
  snprintf (told, sizeof (told), "%u:%u:%u", f.files, f.errors, f.notes);
  snprintf (keeper, sizeof (keeper), "%s/hangdog-keeper", cli->libexec);
  program_init (&check, "hangdog-check");
  program_arg (&check, "--playbook");
  program_arg (&check, "config");
  how (&check, cli, file);
  program_arg (&check, told);
  program_arg (&check, keeper);
  program_arg (&check, "--check");
  how (&check, cli, file);
  return cli_exec (cli, &check);
}

static int
run (struct cli *cli)
{
  static const char *const words[] = { "check", "show", "schema", NULL };
  const char *what = cli_arg (cli, 1);
  bool origins = cli_flag (cli, "--origin");
  int r = cli_rest (cli, &verb_config, cli->argc);

  if (r)
    return r;
  if (!what)
    return cli_usage (&verb_config, NULL);
  if (strcmp (what, "schema") == 0 && cli->argc == 2)
    return schema ();
  if (strcmp (what, "show") == 0 && cli->argc <= 3)
    return config_show (cli,
                        cli_arg (cli, 2) ? cli_arg (cli, 2) : cli->config_path,
                        origins);
  if (origins)
    return cli_usage (&verb_config, "--origin is of `show`");
  if (strcmp (what, "check") == 0 && cli->argc <= 3)
    return check (cli);
  /* One of the words, and then one that is too many. */
  if (strcmp (what, "check") == 0 || strcmp (what, "schema") == 0
      || strcmp (what, "show") == 0)
    what = cli->argv[cli->argc - 1];
  else
    return cli_no_word (&verb_config, what, words);
  return cli_unknown (&verb_config, what);
}

const struct verb verb_config = {
  .name = "config",
  .args = "check [FILE] | show [FILE] [--origin] | schema",
  .summary = "check the configuration, show what is in force, or its schema",
  .help = "  check   what is wrong with it, and where\n"
          "  show    all of it, with what this host has where nothing is "
          "said; --origin: each\n          setting with the place that it is "
          "from\n"
          "  schema  the JSON Schema\n"
          "With check --json a row for each finding (severity, file, message, "
          "and line,\ncolumn, path, hint where there are any), and a last one "
          "of the kind \"checked\".\n"
          "Exit codes: 0 well, 2 it would not be taken.\n"
          "\nExamples:\n"
          "  hangdog config check /etc/hangdog/config.json\n"
          "  hangdog config check --json my.json | jq -r .message\n"
          "  hangdog config show --origin\n",
  .run = run,
};
