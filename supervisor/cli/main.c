/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog: finds the verb and runs it.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/conf/settings.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

const struct verb *const verbs[] = {
  &verb_daemon,     &verb_list,       &verb_status,
  &verb_doctor,     &verb_probe,      &verb_diagnose,
  &verb_incidents,  &verb_console,    &verb_bundle,
  &verb_analyze,    &verb_report,     &verb_classify,
  &verb_sysrq,      &verb_rules,
  &verb_inspect,    &verb_core,       &verb_spool,
  &verb_wait,       &verb_scenario,   &verb_config,
  &verb_tables,     &verb_controller, &verb_dump,
  &verb_playbook,   &verb_mailbox,    &verb_completion, &verb_version,
  NULL,
};

static void
drop_arg (struct cli *cli, int at, int n)
{
  memmove (&cli->argv[at], &cli->argv[at + n],
           (size_t) (cli->argc - at - n + 1) * sizeof (*cli->argv));
  cli->argc -= n;
}

const char *
cli_option (struct cli *cli, const char *name)
{
  size_t len = strlen (name);
  const char *value;

  for (int i = 1; i < cli->argc; i++)
    {
      /* What follows is not ours: a file may be called like an option. */
      if (strcmp (cli->argv[i], "--") == 0)
        break;
      if (strncmp (cli->argv[i], name, len) != 0)
        continue;
      if (cli->argv[i][len] == '=')
        {
          value = cli->argv[i] + len + 1;
          drop_arg (cli, i, 1);
          return value;
        }
      if (cli->argv[i][len] == '\0' && i + 1 < cli->argc)
        {
          value = cli->argv[i + 1];
          drop_arg (cli, i, 2);
          return value;
        }
    }
  return NULL;
}

bool
cli_flag (struct cli *cli, const char *name)
{
  for (int i = 1; i < cli->argc; i++)
    {
      if (strcmp (cli->argv[i], "--") == 0)
        break;
      if (strcmp (cli->argv[i], name) == 0)
        {
          drop_arg (cli, i, 1);
          return true;
        }
    }
  return false;
}

const char *
cli_arg (const struct cli *cli, int n)
{
  return n < cli->argc ? cli->argv[n] : NULL;
}

int
cli_usage (const struct verb *verb, const char *why)
{
  /* One line: it ends up in a log as often as before a person. */
  if (why)
    fprintf (stderr, "hangdog %s: %s (see `hangdog %s --help`)\n", verb->name,
             why, verb->name);
  else
    fprintf (stderr, "Usage: hangdog %s%s%s\n", verb->name,
             verb->args[0] ? " " : "", verb->args);
  return EXIT_USAGE;
}

int
cli_unknown (const struct verb *verb, const char *what)
{
  char why[256];

  snprintf (why, sizeof (why), "what is \"%.100s\" for?", what);
  return cli_usage (verb, why);
}

int
cli_no_word (const struct verb *verb, const char *what,
             const char *const *words)
{
  char near[160], why[320];

  snprintf (why, sizeof (why), "there is no \"%.60s\"%s", what,
            text_did_you_mean (near, sizeof (near), what, words));
  return cli_usage (verb, why);
}

static bool
is_among (const char *const *list, unsigned n, const char *s)
{
  for (unsigned i = 0; i < n; i++)
    if (strcmp (list[i], s) == 0)
      return true;
  return false;
}

/* The usage behind this one, of "WORD ... | WORD ..." or a line each; NULL:
 * it is the last. */
static const char *
usage_behind (const char *usage)
{
  const char *at = strstr (usage, " |");

  return at ? at + 2 + strspn (at + 2, " \n") : NULL;
}

/* Of a verb with several usages, is it for others than this word's? */
static bool
is_of_others (const struct verb *verb, const char *word, const char *option)
{
  const char *usage = verb->args, *end, *at;
  size_t n = strlen (word), len = strlen (option);

  while (strncmp (usage, word, n) != 0 || !strchr (" |", usage[n]))
    if (!(usage = usage_behind (usage)))
      return false;
  end = usage_behind (usage);
  /* The whole of it: "--all" is not "--all-too". */
  for (at = usage; (at = strstr (at, option)); at += len)
    if (!at[len] || strchr (" ]|\n", at[len]))
      break;
  return !at || (end && at > end);
}

/* What is wrong with an option that nobody took: the verb's usage knows.
 * last: nothing stands behind it. */
static void
bad_option (const struct verb *verb, const char *word, const char *option,
            bool last, char *why, size_t n)
{
  char copy[800], near[80];
  const char *known[16], *at = strstr (verb->args, option);
  size_t len = strlen (option);
  unsigned k = 0;

  if (at && strchr (" ]|\n", at[len]) && word
      && is_of_others (verb, word, option))
    {
      snprintf (why, n, "\"%.60s\" is not for %s %.60s", option, verb->name,
                word);
      return;
    }
  if (at && last && at[len] == ' ' && at[len + 1] != '|')
    {
      snprintf (why, n, "a value is missing after \"%.60s\"", option);
      return;
    }
  if ((at && strchr (" ]|\n", at[len])) || strcmp (option, "--json") == 0)
    {
      snprintf (why, n, "\"%.60s\" is there twice, or excludes another",
                option);
      return;
    }
  snprintf (copy, sizeof (copy), "%s", verb->args);
  for (char *s = strstr (copy, "--"); s && k < ARRAY_LEN (known) - 2;)
    {
      const char *one = s;

      s += strcspn (s, " ]\n");
      if (*s)
        *s++ = '\0';
      if (!is_among (known, k, one))
        known[k++] = one;
      s = strstr (s, "--");
    }
  /* Of all verbs, so no usage names it. */
  known[k++] = "--json";
  known[k] = NULL;
  snprintf (why, n, "unknown option \"%.60s\"%s", option,
            text_did_you_mean (near, sizeof (near), option, known));
}

int
cli_rest (const struct cli *cli, const struct verb *verb, int max_args)
{
  char why[256];

  for (int i = 1; i < cli->argc; i++)
    if (cli->argv[i][0] == '-' && cli->argv[i][1])
      {
        bad_option (verb, i > 1 ? cli_arg (cli, 1) : NULL, cli->argv[i],
                    i == cli->argc - 1, why, sizeof (why));
        return cli_usage (verb, why);
      }
  if (cli->argc - 1 > max_args)
    return cli_unknown (verb, cli->argv[max_args + 1]);
  return 0;
}

int
cli_guest (const struct cli *cli, const struct verb *verb,
           const char **ret_guest)
{
  int r = cli_rest (cli, verb, 1);

  if (r)
    return r;
  if (!cli_arg (cli, 1))
    return cli_usage (verb, "which guest?");
  *ret_guest = cli_arg (cli, 1);
  return 0;
}

int
cli_fail (const struct error *err)
{
  print_paragraph (stderr, "hangdog: ", error_text (err));

  /* What the caller named wrongly; not what this host lacks. */
  return err->code == EINVAL || err->code == ENOENT || err->code == EEXIST
             ? EXIT_USAGE
         : err->code == EBUSY ? EXIT_NO_VERDICT
                              : EXIT_ERROR;
}

void
cli_nap (unsigned ms)
{
  struct timespec ts = { ms / 1000, (long) (ms % 1000) * 1000000 };

  nanosleep (&ts, NULL);
}

static void
help (FILE *to)
{
  fputs ("hangdog: says of every guest of this host whether it is well,\n"
         "and if not, what stopped and why\n\n"
         "Usage: hangdog [--run DIR] [--state DIR] [--config FILE] [--json] "
         "VERB ...\n\nVerbs:\n",
         to);
  for (unsigned i = 0; verbs[i]; i++)
    fprintf (to, "  %-12s %s\n", verbs[i]->name, verbs[i]->summary);
  fputs ("\n`hangdog VERB --help` tells more, with examples.\n"
         "Exit codes: 0 well, 1 error, 2 usage or bad input, 3 trouble found, "
         "4 degraded,\n5 partial, 6 no verdict.\n",
         to);
}

static int
verb_help (const struct verb *v)
{
  printf ("Usage: hangdog %s%s%s\n\n%s\n", v->name, v->args[0] ? " " : "",
          v->args, v->summary);
  if (v->help)
    printf ("\n%s", v->help);
  return EXIT_WELL;
}

static const struct verb *
find_verb (const char *name)
{
  for (unsigned i = 0; verbs[i]; i++)
    if (strcmp (verbs[i]->name, name) == 0)
      return verbs[i];
  return NULL;
}

/* What the manual of a later version has: said, so that nobody looks for a
 * slip of the pen. */
static const struct
{
  const char *name, *instead;
} later[] = {
  { "demo", "./quickstart in the sources shows a hang from start to end" },
  { "metrics", "hangdog status --json has the numbers of now" },
  { "monitor", "hangdog diagnose GUEST --playbook quick asks the monitor" },
};

/* Where a verb was expected. */
static int
unknown_option (const char *option)
{
  static const char *const known[] = { "--run",  "--state",   "--config",
                                       "--json", "--help",    "--version",
                                       NULL };
  char near[80];

  for (unsigned i = 0; i < 3; i++)
    if (strcmp (known[i], option) == 0)
      {
        fprintf (stderr, "hangdog: a value is missing after \"%s\"\n",
                 option);
        return EXIT_USAGE;
      }
  fprintf (stderr, "hangdog: unknown option \"");
  print_text (stderr, option);
  fprintf (stderr, "\"%s\n",
           text_did_you_mean (near, sizeof (near), option, known));
  return EXIT_USAGE;
}

static int
unknown_verb (const char *name)
{
  const char *names[32];
  char near[80];
  unsigned n = 0;

  if (name[0] == '-')
    return unknown_option (name);
  for (unsigned i = 0; i < ARRAY_LEN (later); i++)
    if (strcmp (later[i].name, name) == 0)
      {
        fprintf (stderr,
                 "hangdog: %s is not in this version (" PACKAGE_VERSION
                 "); %s\n",
                 name, later[i].instead);
        return EXIT_NO_VERDICT;
      }
  for (; verbs[n] && n < ARRAY_LEN (names) - 1; n++)
    names[n] = verbs[n]->name;
  names[n] = NULL;
  fprintf (stderr, "hangdog: there is no verb \"");
  print_text (stderr, name);
  fprintf (stderr, "\"%s; `hangdog --help` lists them\n",
           text_did_you_mean (near, sizeof (near), name, names));
  return EXIT_USAGE;
}

/* Options that every verb takes, from the environment and then from the
 * command line.  The name of one that says nothing, else NULL. */
static const char *
common_options (struct cli *cli)
{
  const struct
  {
    const char *option, *variable;
    const char **value;
  } common[] = { { "--run", "HANGDOG_RUN", &cli->run_path },
                 { "--state", "HANGDOG_STATE", &cli->state_path },
                 { "--config", NULL, &cli->config_path } };
  const char *libexec = getenv ("HANGDOG_LIBEXEC");

  if (libexec && libexec[0] == '/')
    cli->libexec = libexec;
  for (unsigned i = 0; i < ARRAY_LEN (common); i++)
    {
      const char *env = common[i].variable ? getenv (common[i].variable) : NULL;
      const char *value = cli_option (cli, common[i].option);

      if (value && !value[0])
        return common[i].option;
      if (value || (env && env[0]))
        *common[i].value = value ? value : env;
    }
  cli->json = cli_flag (cli, "--json");
  return NULL;
}

static int
run_verb (struct cli *cli)
{
  const char *empty = common_options (cli);
  const struct verb *v;

  if (empty)
    {
      fprintf (stderr, "hangdog: a value is missing after \"%s\"\n", empty);
      return EXIT_USAGE;
    }
  if (cli->argc < 2)
    {
      help (stderr);
      return EXIT_USAGE;
    }
  if (strcmp (cli->argv[1], "--help") == 0 || strcmp (cli->argv[1], "-h") == 0
      || (strcmp (cli->argv[1], "help") == 0 && cli->argc == 2))
    {
      help (stdout);
      return EXIT_WELL;
    }
  if (strcmp (cli->argv[1], "--version") == 0)
    cli->argv[1] = (char *) "version";
  if (strcmp (cli->argv[1], "help") == 0)
    {
      drop_arg (cli, 1, 1);
      cli->argv[cli->argc++] = (char *) "--help";
    }
  /* From here on argv[0] is the verb, as verbs expect. */
  drop_arg (cli, 0, 1);
  v = find_verb (cli->argv[0]);
  if (!v)
    return unknown_verb (cli->argv[0]);
  /* Before the verb looks at anything: help must not need a daemon. */
  if (cli_flag (cli, "--help") || cli_flag (cli, "-h"))
    return verb_help (v);
  return v->run (cli);
}

int
main (int argc, char **argv)
{
  struct cli cli = { .run_path = RUN_PATH,
                     .state_path = STATE_PATH,
                     .libexec = LIBEXECDIR,
                     .untold = EXIT_ERROR,
                     .argc = argc,
                     .argv = argv };
  struct error err = ERROR_INIT;
  int code;

  io_open_standard ();
  /* A daemon that goes is an error to be told, not a silent end; `| head` is
   * noticed by stdio. */
  signal (SIGPIPE, SIG_IGN);
  code = run_verb (&cli);
  /* Half an answer on a disk that is full must not pass for a whole one. */
  if (io_finish_stdout (&err) == 0)
    return code;
  cli_fail (&err);
  return cli.untold;
}
