/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog rules: which lines of a guest's text are heads of an event: what
 * there is, and whether an operator's own file would be taken.
 */
#include "supervisor/cli/classify.h"
#include "supervisor/cli/cli.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/store.h"
#include "controller-proto/redact.h"

#include <fcntl.h>
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

/* Rules of the verdict stand in files of their own. */
static bool
is_of_verdict (const struct json_doc *doc)
{
  static const char *const keys[]
      = { "verdicts", "facets", "findings", "words" };
  const char *schema = json_get_str (json_root (doc), "schema");

  if (schema && strcmp (schema, VERDICT_RULES_SCHEMA) == 0)
    return true;
  for (size_t i = 0; i < ARRAY_LEN (keys); i++)
    if (json_get (json_root (doc), keys[i]))
      return true;
  return false;
}

static int
check_verdict (const struct json_doc *doc, unsigned *n, struct error *err)
{
  struct verdict_rules *rules = NULL;
  struct verdict_rules_count before, after;
  int r = verdict_rules_new (&rules, err);

  if (r < 0)
    return r;
  verdict_rules_count (rules, &before);
  r = verdict_rules_take_doc (rules, doc, err);
  verdict_rules_count (rules, &after);
  *n = (unsigned) (after.own + after.facets - before.facets);
  verdict_rules_unref (rules);
  return r;
}

static bool
is_of_redaction (const struct json_doc *doc)
{
  const char *schema = json_get_str (json_root (doc), "schema");

  return schema && strcmp (schema, REDACT_RULES_SCHEMA) == 0;
}

/* Behind those that are shipped, as it would be taken. */
static int
check_redaction (const char *path, struct error *err)
{
  CLEANUP_REDACTOR struct redactor *r = NULL;
  CLEANUP_FREE char *text = NULL;
  size_t len;
  int rc = store_get_file (AT_FDCWD, path, REDACT_RULES_MAX, &text, &len, err);

  if (rc == 0)
    rc = redactor_new ("it replaces nothing", REDACT_KEY_MIN, &r, err);
  return rc < 0 ? rc : redactor_rules (r, text, len, path, err);
}

static int
check_text (const char *path, unsigned *n, struct error *err)
{
  struct text_rules *rules = NULL;
  int r = text_rules_new (&rules, err);

  if (r == 0)
    r = classify_add_rules (rules, path, err);
  if (r == 0)
    text_rules_each (rules, count_rule, n);
  text_rules_free (rules);
  return r;
}

/* Each file beside ours alone, so that one does not hide another's fault. */
static int
check (struct cli *cli, const char *path)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  unsigned n = 0;
  /* What is no document is told by those who read it. */
  bool is = json_load (path, JSON_FILE, JSON_MAX_FILE, &doc, NULL) == 0;
  bool redact = is && is_of_redaction (doc);
  bool verdict = is && !redact && is_of_verdict (doc);
  int r = redact    ? check_redaction (path, &err)
          : verdict ? check_verdict (doc, &n, &err)
                    : check_text (path, &n, &err);

  if (r < 0)
    {
      cli_fail (&err);
      return EXIT_USAGE;
    }
  fputs ("ok ", stdout);
  print_text (stdout, path);
  if (redact)
    puts (": rules of redaction");
  else
    printf (": %u rules%s\n", n, verdict ? " of the verdict" : "");
  return EXIT_WELL;
}

static int
check_host_verdicts (const struct config *cfg)
{
  struct verdict_files v;
  struct error err = ERROR_INIT;
  struct verdict_rules_count n;

  if (local_verdicts (cfg, &v, &err) < 0)
    return cli_fail (&err);
  for (unsigned i = 0; i < conf_taken_told (&v.own); i++)
    cli_fail (&v.own.faults[i].err);
  verdict_rules_count (v.rules, &n);
  if (v.own.nfaults == 0 && v.own.files)
    printf ("ok %u files: %zu rules of the verdict, %zu of them in the place "
            "of ours\n", v.own.files, n.own, n.replaced);
  int r = v.own.nfaults ? EXIT_USAGE : EXIT_WELL;
  verdict_files_done (&v);
  return r;
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
  if (read.own.nfaults == 0)
    printf ("ok %u files: %u rules, %u of them in the place of ours\n",
            read.own.files, read.added, read.replaced);
  r = read.own.nfaults ? EXIT_USAGE : EXIT_WELL;
  text_rules_read_done (&read);
  return check_host_verdicts (cfg) != EXIT_WELL ? EXIT_USAGE : r;
}

static int
run (struct cli *cli)
{
  const char *what = cli_arg (cli, 1);
  struct text_rules *rules = NULL;
  struct error err = ERROR_INIT;
  int r = 0, worst = EXIT_WELL;

  bool verdict = cli_flag (cli, "--verdict");
  bool redact = cli_flag (cli, "--redact");

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

      if (redact)
        redact_rules_schema (&schema);
      else if (verdict)
        verdict_rules_schema (&schema);
      else
        text_rules_schema (&schema);
      fputs (buf_str (&schema), stdout);
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
  .args = "list [--rules FILE] [--shipped] | check [FILE...] | "
          "schema [--verdict|--redact]",
  .summary = "what is looked for in a guest's text; check rules of your own",
  .help = "list shows them in the order in which they are asked: also those "
          "that the\nconfiguration names (/etc/hangdog/rules.d), but with "
          "--shipped.\n"
          "check reads each FILE and tries the samples in it, which must and "
          "must not match;\nwithout FILE those that the configuration names, "
          "together.\n"
          "Rules of the verdict (docs/verdicts.md) and of redaction "
          "(docs/bundle.md) are told from\nthese by what is in the file.\n"
          "schema prints the JSON Schema of such a file; of the verdict's "
          "with --verdict, of\nredaction's with --redact.\n"
          "Exit codes: 0 well, 2 one of them would not be taken.\n"
          "\nExamples:\n"
          "  hangdog rules list | grep hung\n"
          "  hangdog rules check my-rules.json && hangdog classify --rules "
          "my-rules.json console.log\n",
  .run = run,
};
