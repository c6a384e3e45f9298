/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog analyze: the rules of today on the facts of a bundle: what would be
 * said of it now, and what was said then.
 */
#include "supervisor/archive/archive.h"
#include "supervisor/cli/analyze.h"
#include "supervisor/cli/classify.h"
#include "supervisor/cli/progress.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/frame.h"
#include "base/json.h"
#include "base/opener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define READ_MS 15000

/* Those of this host, or ours and those at a path. */
static int
rules_of (struct cli *cli, const char *path, struct verdict_files *ret,
          struct error *err)
{
  CLEANUP_CONFIG const struct config *cfg = NULL;
  CLEANUP_FREE char *one = path ? realpath (path, NULL) : NULL;
  struct json_list list = { &one, 1 };
  int r;

  if (path && !one)
    return error_errno (err, errno, "%s", path);
  if (path)
    return verdict_files_read (opener_local (), &list, clock_ms () + READ_MS,
                               ret, err);
  r = local_config (cli->config_path, &cfg, err);
  return r < 0 ? r : r > 0 ? -EINVAL : local_verdicts (cfg, ret, err);
}

static void
line (const char *label, const char *text)
{
  if (!text[0])
    return;
  printf ("%-12s", label);
  print_text (stdout, text);
  fputc ('\n', stdout);
}

static void
rows (struct json_object *all, const char *key, const char *title,
      const char *a, const char *b)
{
  struct json_object *list = json_get (all, key);
  size_t n = json_count (list);

  if (n)
    printf ("\n%s:\n", title);
  for (size_t i = 0; i < n; i++)
    {
      struct json_object *o = json_object_array_get_idx (list, i);
      const char *x = a ? json_get_str (o, a) : json_object_get_string (o);
      const char *y = b ? json_get_str (o, b) : NULL;

      fputs ("  - ", stdout);
      print_text (stdout, x ? x : "");
      fputs (y ? ": " : "", stdout);
      print_text (stdout, y ? y : "");
      fputc ('\n', stdout);
    }
}

static void
show (const struct replay *r, struct json_object *all)
{
  const struct verdict *now = &r->now.verdict, *then = &r->then;
  char text[256];

  printf ("verdict=%s confidence=%s incident=", now->class_,
          now->confidence);
  print_text (stdout, r->incident);
  printf (" changed=%s facts=%u\n\n", replay_is_same (r) ? "no" : "yes",
          r->facts);
  line ("Guest", r->guest);
  line ("What", now->sentence);
  line ("Culprit", now->culprit);
  line ("Next", now->next);
  line ("Rule", now->rule);
  line ("Signature", now->signature);
  if (then->class_[0])
    {
      snprintf (text, sizeof (text), "%s, %s%s%s", then->class_,
                then->confidence, then->culprit[0] ? ": " : "", then->culprit);
      line ("It was", text);
    }
  rows (json_get (all, "verdict"), "evidence", "Evidence", "name", "value");
  rows (all, "findings", "Findings", "level", "says");
  rows (all, "questions", "Nobody could say", "about", "why");
  rows (all, "new_findings", "Not found then", NULL, NULL);
  rows (all, "lost_findings", "Found then, and not now", NULL, NULL);
}

/* ---- one ---- */

/* An unpacked bundle: whoever unpacked it looked at its names. */
static int
folder_manifest (const char *folder, struct json_doc **ret, struct error *err)
{
  CLEANUP_FREE char *path = NULL;

  if (asprintf (&path, "%s/manifest.json", folder) < 0)
    return error_set (err, ENOMEM, "no memory for a name");
  return json_load (path, JSON_WIRE, BUNDLE_MAX_MANIFEST, ret, err);
}

int
analyze_one (struct cli *cli, const struct verdict_rules *rules,
             const char *file, struct analyzed *ret, struct error *err)
{
  struct stat st;
  int r;

  *ret = (struct analyzed){ .damage = ERROR_INIT };
  r = stat (file, &st) == 0 && S_ISDIR (st.st_mode)
          ? folder_manifest (file, &ret->doc, err)
          : archive_manifest_of (cli->libexec, file, &ret->doc, &ret->damage,
                                 err);
  if (r == 0)
    {
      r = replay_manifest (rules, json_root (ret->doc), &ret->replay, err);
      if (r < 0)
        error_wrap (err, "%s", file);
      ret->done = r == 0;
    }
  if (r == 0)
    ret->all = replay_to_json (&ret->replay);
  else
    analyze_done (ret);
  return r;
}

void
analyze_done (struct analyzed *a)
{
  if (a->done)
    replay_done (&a->replay);
  json_object_put (a->all);
  json_doc_free (a->doc);
  *a = (struct analyzed){ .damage = ERROR_INIT };
}

static int
exit_of (const struct error *err)
{
  return err->code == EBADMSG || err->code == EINVAL || err->code == ENOENT
             ? EXIT_USAGE
             : EXIT_ERROR;
}

static int
analyze (struct cli *cli, const struct verdict_rules *rules, const char *file)
{
  struct error err = ERROR_INIT;
  struct progress progress;
  struct analyzed a;
  bool said;
  int r;

  progress_begin (&progress, file, cli->json);
  r = analyze_one (cli, rules, file, &a, &err);
  said = progress_end (&progress, r == 0,
                       r == 0 ? a.replay.now.verdict.class_
                              : error_text (&err));
  if (r < 0)
    {
      if (!said)
        cli_fail (&err);
      return exit_of (&err);
    }
  if (cli->json)
    print_json (a.all);
  else
    show (&a.replay, a.all);
  r = a.damage.code ? EXIT_PARTIAL : EXIT_WELL;
  if (r)
    cli_fail (&a.damage);
  analyze_done (&a);
  return r;
}

static int
judge (struct cli *cli, const struct verdict_rules *rules)
{
  struct bundle_list list = { .n = 0 };
  struct error err = ERROR_INIT;
  int r = 0;

  for (int i = 1; r == 0 && cli_arg (cli, i); i++)
    r = bundle_list_add (&list, cli_arg (cli, i), &err);
  bundle_list_sort (&list);
  if (r < 0)
    {
      cli_fail (&err);
      r = exit_of (&err);
    }
  else
    r = list.many ? analyze_many (cli, rules, &list)
                  : analyze (cli, rules, list.names[0]);
  bundle_list_done (&list);
  return r;
}

static int
run (struct cli *cli)
{
  const char *path = cli_option (cli, "--rules");
  struct verdict_files v = { .rules = NULL };
  struct error err = ERROR_INIT;
  int r = cli_rest (cli, &verb_analyze, cli->argc);

  if (r)
    return r;
  if (!cli_arg (cli, 1))
    return cli_usage (&verb_analyze, "which bundle?");
  r = rules_of (cli, path, &v, &err);
  for (unsigned i = 0; r == 0 && i < conf_taken_told (&v.own); i++)
    cli_fail (&v.own.faults[i].err);
  if (r < 0)
    {
      cli_fail (&err);
      r = exit_of (&err);
    }
  /* Whoever names rules wants these. */
  else if (path && v.own.nfaults)
    r = EXIT_USAGE;
  else
    r = judge (cli, v.rules);
  verdict_files_done (&v);
  return r;
}

const struct verb verb_analyze = {
  .name = "analyze",
  .args = "BUNDLE|FOLDER... [--rules FILE|DIR]",
  .summary = "what the rules of today say of a bundle, beside what was said",
  .help = "Replays the rules of the ladder and the verdict on the facts in a "
          "bundle's manifest:\nthose of this host (the shipped ones, and "
          "those that the configuration names), or\nwith --rules the shipped "
          "ones and those in FILE or DIR. Nothing is asked of\nanybody, and "
          "the bundle stays as it is.\n"
          "The first line says whether class, culprit or confidence differ "
          "(changed=yes);\nfindings that are new or gone are told behind.\n"
          "Of several, or of a FOLDER with bundles in it, a line each: what "
          "it was, and what\nit is now (= the same); the first line counts "
          "them. FOLDER may be an unpacked bundle.\n"
          "One that is damaged is judged as long as its manifest is whole, "
          "which comes first.\n"
          "With --json a row each: verdict, was, same, changed, ladder, "
          "findings, questions,\nnew_findings, lost_findings; of several "
          "also bundle, damaged or error.\n"
          "Exit codes: 0 judged, 1 an error, 2 no bundle, or rules that are "
          "not good,\n5 not all: one was damaged, or could not be read.\n"
          "\nExamples:\n"
          "  hangdog analyze b.tar.zst\n"
          "  hangdog analyze b.tar.zst --rules mine.json\n"
          "  hangdog analyze /srv/bundles --rules mine.json\n"
          "  hangdog analyze b.tar.zst --json | jq -r .verdict.class\n",
  .run = run,
};
