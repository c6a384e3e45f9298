/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog rules: which lines of a guest's text are heads of an event: what
 * there is, and whether an operator's own file would be taken.
 */
#include "supervisor/cli/classify.h"
#include "supervisor/cli/cli.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"

#include <string.h>

struct rule_list
{
  bool json;
  struct table *table;
  unsigned rules;
};

static void
on_rule (const struct text_rule *rule, void *arg)
{
  struct rule_list *l = arg;
  struct text_rule_info i;

  text_rule_info (rule, &i);
  l->rules++;
  if (l->json)
    {
      struct json_object *o = json_object_new_object ();

      json_add_str (o, "name", i.name);
      json_add_str (o, "kind", i.kind);
      json_add_str (o, "severity",
                    i.harmless ? "none" : text_severity_names[i.severity]);
      json_add_str (o, "type", i.type);
      json_add_str (o, "class", i.class_);
      json_add_str (o, "title", i.title);
      json_add_str (o, "origin", i.origin);
      json_add_bool (o, "builtin", i.builtin);
      json_add_bool (o, "replaces", i.replaces);
      print_json (o);
      json_object_put (o);
    }
  else
    table_row (l->table,
               (const char *const[]){
                   i.name, i.kind,
                   i.harmless ? "none" : text_severity_names[i.severity],
                   i.type, i.origin, i.title });
}

static int
list (struct cli *cli, const struct text_rules *rules)
{
  static const char *const titles[]
      = { "RULE", "KIND", "SEVERITY", "TYPE", "FROM", "TITLE", NULL };
  struct rule_list l = { .json = cli->json, .table = table_new (titles) };

  text_rules_each (rules, on_rule, &l);
  if (!cli->json)
    {
      printf ("rules=%u\n", l.rules);
      table_print (l.table, stdout);
    }
  table_free (l.table);
  return EXIT_WELL;
}

static void
count_rule (const struct text_rule *rule, void *arg)
{
  struct text_rule_info i;

  text_rule_info (rule, &i);
  *(unsigned *) arg += !i.builtin;
}

/* Each file beside ours alone, so that one does not hide another's fault. */
static int
check (struct cli *cli, const char *path)
{
  struct text_rules *rules = NULL;
  struct error err = ERROR_INIT;
  unsigned n = 0;
  int r = text_rules_new (&rules, &err);

  if (r == 0)
    r = classify_add_rules (rules, path, &err);
  if (r == 0)
    text_rules_each (rules, count_rule, &n);
  text_rules_free (rules);
  if (r < 0)
    {
      cli_fail (&err);
      return EXIT_USAGE;
    }
  fputs ("ok ", stdout);
  print_text (stdout, path);
  printf (": %u rules\n", n);
  return EXIT_WELL;
}

/* Those that the configuration names, together. */
static int
check_host (struct cli *cli)
{
  struct text_rules_read read = { 0 };
  struct error err = ERROR_INIT;
  CLEANUP_CONFIG const struct config *cfg = NULL;
  int r = local_config (cli->config_path, &cfg, &err);

  if (r != 0)
    return cli_fail (&err);
  r = local_rules (cfg, &read, &err);
  if (r < 0)
    return cli_fail (&err);
  local_rules_faults (&read);
  if (read.nfaults == 0)
    printf ("ok %u files: %u rules, %u of them in the place of ours\n",
            read.files, read.added, read.replaced);
  r = read.nfaults ? EXIT_USAGE : EXIT_WELL;
  text_rules_read_done (&read);
  return r;
}

static int
run (struct cli *cli)
{
  const char *what = cli_arg (cli, 1);
  struct text_rules *rules = NULL;
  struct error err = ERROR_INIT;
  int r = 0, worst = EXIT_WELL;

  /* Only who lists them needs them: a file that is to be checked may be among
   * those of this host. */
  if (what && strcmp (what, "list") == 0)
    r = classify_rules (cli, &rules, &err);
  if (r < 0)
    return cli_fail (&err);
  r = cli_rest (cli, &verb_rules, cli->argc);
  if (r == 0 && !what)
    r = cli_usage (&verb_rules, NULL);
  else if (r == 0 && strcmp (what, "list") == 0)
    r = cli->argc > 2 ? cli_unknown (&verb_rules, cli->argv[2])
                      : list (cli, rules);
  else if (r == 0 && strcmp (what, "schema") == 0)
    {
      struct buf schema = BUF_INIT (1u << 20);

      text_rules_schema (&schema);
      puts (buf_str (&schema));
      buf_done (&schema);
    }
  else if (r == 0 && strcmp (what, "check") == 0)
    {
      if (cli->argc == 2)
        worst = check_host (cli);
      for (int i = 2; i < cli->argc; i++)
        {
          r = check (cli, cli->argv[i]);
          worst = r ? r : worst;
        }
      r = worst;
    }
  else if (r == 0)
    r = cli_unknown (&verb_rules, what);
  text_rules_free (rules);
  return r;
}

const struct verb verb_rules = {
  .name = "rules",
  .args = "list [--rules FILE] [--shipped] | check [FILE...] | schema",
  .summary = "what is looked for in a guest's text; check rules of your own",
  .help = "list shows them in the order in which they are asked: also those "
          "that the\nconfiguration names (/etc/hangdog/rules.d), but with "
          "--shipped.\n"
          "check reads each FILE and tries the samples in it, which must and "
          "must not match;\nwithout FILE those that the configuration names, "
          "together.\n"
          "schema prints the JSON Schema of such a file.\n"
          "Exit codes: 0 well, 2 one of them would not be taken.\n"
          "\nExamples:\n"
          "  hangdog rules list | grep hung\n"
          "  hangdog rules check my-rules.json && hangdog classify --rules "
          "my-rules.json console.log\n",
  .run = run,
};
