/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog classify: what went wrong in a console log, with no daemon and no
 * guest: any Linux log, from anywhere.
 */
#include "supervisor/cli/classify.h"
#include "supervisor/cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

#include <fcntl.h>
#include <sys/stat.h>

#define MAX_RULES (1u << 20)

int
classify_add_rules (struct text_rules *rules, const char *path,
                    struct error *err)
{
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  CLEANUP_FREE char *text = malloc (MAX_RULES);
  struct stat st;
  size_t n;
  int r;

  if (fd < 0)
    return error_errno (err, errno, "%s", path);
  if (!text)
    return error_set (err, ENOMEM, "no memory");
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return error_set (err, EINVAL, "%s is not a file", path);
  r = io_read (fd, text, MAX_RULES, &n);
  if (r < 0)
    return error_errno (err, -r, "%s", path);
  if (n == MAX_RULES)
    return error_set (err, EINVAL, "%s: more than 1MiB of rules", path);
  return text_rules_take (rules, text, n, path, err);
}

/* A file that is not good is told of and left out, as a daemon does. */
static int
rules_of_host (const struct cli *cli, struct text_rules **ret,
               struct error *err)
{
  struct text_rules_read read = { 0 };
  CLEANUP_CONFIG const struct config *cfg = NULL;
  int r = local_config (cli->config_path, &cfg, err);

  if (r > 0)
    fprintf (stderr, "hangdog: rules of your own are left out: %s\n",
             error_text (err));
  if (r >= 0)
    r = local_rules (cfg, &read, err);
  if (r == 0)
    {
      local_rules_faults (&read);
      *ret = steal_ptr (&read.rules);
    }
  text_rules_read_done (&read);
  return r;
}

int
classify_rules (struct cli *cli, struct text_rules **ret, struct error *err)
{
  struct text_rules *rules = NULL;
  const char *path;
  int r = cli_flag (cli, "--shipped") ? text_rules_new (&rules, err)
                                      : rules_of_host (cli, &rules, err);

  while (r == 0 && (path = cli_option (cli, "--rules")))
    r = classify_add_rules (rules, path, err);
  if (r < 0)
    {
      text_rules_free (rules);
      return r;
    }
  *ret = rules;
  return 0;
}

static int
options (struct cli *cli, struct classify *c)
{
  bool nagios = cli_flag (cli, "--nagios"), npd = cli_flag (cli, "--npd");

  c->follow = cli_flag (cli, "--follow");
  c->explain = cli_flag (cli, "--explain");
  c->all = cli_flag (cli, "--all");
  if (nagios + npd + cli->json > 1)
    return cli_usage (&verb_classify,
                      "--json, --nagios, --npd: only one of them");
  if ((nagios || npd) && c->follow)
    return cli_usage (&verb_classify, "a check ends, and --follow does not");
  c->how = cli->json ? TELL_JSON
           : nagios  ? TELL_NAGIOS
           : npd     ? TELL_NPD
                     : TELL_TEXT;
  if (nagios || npd)
    cli->untold = nagios ? 3 : 2;
  return 0;
}

/* What those who asked for a check take for "it could not be said". */
static int
no_check (const struct classify *c, const struct error *err)
{
  char why[61];

  if (c->how != TELL_NAGIOS && c->how != TELL_NPD)
    return cli_fail (err);
  snprintf (why, sizeof (why), "%s", error_text (err));
  fputs (c->how == TELL_NAGIOS ? "HANGDOG UNKNOWN - " : "", stdout);
  print_text (stdout, why);
  putchar ('\n');
  return c->how == TELL_NAGIOS ? 3 : 2;
}

static int
run (struct cli *cli)
{
  struct classify c = { .out = stdout };
  struct text_rules *rules = NULL;
  struct error err = ERROR_INIT;
  char *memory = NULL, *standard[] = { (char *) "-" };
  char **files;
  size_t len = 0;
  int r = options (cli, &c), n, bad;

  if (r)
    return r;
  if (classify_rules (cli, &rules, &err) < 0)
    return no_check (&c, &err);
  c.rules = rules;
  r = cli_rest (cli, &verb_classify, cli->argc);
  if (r)
    {
      text_rules_free (rules);
      return r;
    }
  n = cli->argc > 1 ? cli->argc - 1 : 1;
  files = cli->argc > 1 ? cli->argv + 1 : standard;
  c.many = n > 1;
  /* Its first line sums up, so the rest has to wait for it. */
  if (c.how == TELL_TEXT && !c.follow)
    c.out = open_memstream (&memory, &len);
  if (!c.out)
    c.out = stdout;
  bad = classify_files (&c, files, n);
  if (c.out != stdout)
    fclose (c.out);
  r = classify_end (&c, bad);
  if (memory)
    fwrite (memory, 1, len, stdout);
  if (c.unshown)
    printf ("... and %llu more: --json tells of all\n",
            (unsigned long long) c.unshown);
  free (memory);
  text_rules_free (rules);
  return r;
}

const struct verb verb_classify = {
  .name = "classify",
  .args = "[FILE...] [--json | --nagios | --npd] [--follow] [--explain] "
          "[--all]\n"
          "               [--rules FILE] [--shipped]",
  .summary = "say what went wrong in a console log, a dmesg or a pstore dump",
  .help
  = "Reads its standard input where no FILE is named, and for \"-\".  A pipe "
    "is read as it\ncomes, and ends with its writer.\n"
    "--json     one object for each event: title, type, class, severity, "
    "corrupted,\n"
    "           evidence, first_line, last_line, frames, cpu, comm, pid, "
    "kernel, stage,\n"
    "           signature, kind, rule, subject, ...\n"
    "--follow   goes on as a file grows, also when it is rotated or cut\n"
    "--explain  which rule fired, and which lines it took\n"
    "--all      also remarks (severity info), and what we ourselves asked "
    "for by SysRq\n"
    "--rules    rules of your own, which go before all others; may be given "
    "again\n"
    "--shipped  not those that the configuration names (/etc/hangdog/rules.d)\n"
    "--nagios   one line; exit code 0 well, 1 warning, 2 critical, 3 "
    "unknown\n"
    "--npd      one line of at most 80 characters; 0 well, 1 not well, 2 "
    "unknown: a\n"
    "           plugin of node-problem-detector's custom plugin monitor\n"
    "Exit codes: 0 nothing is wrong, 2 a file cannot be read, 3 trouble was "
    "found, or a\nguest stands still where its boot ended (stop=).\n"
    "\nExamples:\n"
    "  hangdog classify /var/log/libvirt/qemu/web-1-console.log\n"
    "  journalctl -k -o short-monotonic | hangdog classify --json\n"
    "  hangdog classify --follow --json console.log | jq .title\n",
  .run = run,
};
