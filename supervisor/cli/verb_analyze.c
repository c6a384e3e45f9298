/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog analyze: the rules of today on the facts of a bundle: what would be
 * said of it now, and what was said then.
 */
#include "supervisor/archive/archive.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/classify.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/frame.h"
#include "base/json.h"
#include "base/opener.h"
#include "diag/ladder/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
  size_t n = json_object_is_type (list, json_type_array)
                 ? json_object_array_length (list) : 0;

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

static int
analyze (struct cli *cli, const struct verdict_rules *rules, const char *file,
         struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  CLEANUP_JSON struct json_object *all = NULL;
  struct replay replay;
  int r = archive_manifest (cli->libexec, file, &doc, err);

  if (r == 0)
    r = replay_manifest (rules, json_root (doc), &replay, err);
  if (r < 0)
    return r;
  all = replay_to_json (&replay);
  if (cli->json)
    print_json (all);
  else
    show (&replay, all);
  replay_done (&replay);
  return 0;
}

static int
run (struct cli *cli)
{
  const char *path = cli_option (cli, "--rules");
  const char *file = cli_arg (cli, 1);
  struct verdict_files v = { .rules = NULL };
  struct error err = ERROR_INIT;
  int r = cli_rest (cli, &verb_analyze, 2);

  if (r)
    return r;
  if (!file)
    return cli_usage (&verb_analyze, "which bundle?");
  r = rules_of (cli, path, &v, &err);
  if (r == 0 && v.own.nfaults)
    {
      for (unsigned i = 0; i < conf_taken_told (&v.own); i++)
        cli_fail (&v.own.faults[i].err);
      /* Whoever names rules wants these. */
      if (path)
        {
          verdict_files_done (&v);
          return EXIT_USAGE;
        }
    }
  if (r == 0)
    r = analyze (cli, v.rules, file, &err);
  verdict_files_done (&v);
  if (r >= 0)
    return EXIT_WELL;
  cli_fail (&err);
  return r == -EBADMSG || r == -EINVAL || r == -ENOENT ? EXIT_USAGE
                                                       : EXIT_ERROR;
}

const struct verb verb_analyze = {
  .name = "analyze",
  .args = "BUNDLE [--rules FILE|DIR]",
  .summary = "what the rules of today say of a bundle, beside what was said",
  .help = "Replays the rules of the ladder and the verdict on the facts in a "
          "bundle's manifest:\nthose of this host (the shipped ones, and "
          "those that the configuration names), or\nwith --rules the shipped "
          "ones and those in FILE or DIR. Nothing is asked of\nanybody, and "
          "the bundle stays as it is.\n"
          "The first line says whether class, culprit or confidence differ "
          "(changed=yes);\nfindings that are new or gone are told behind.\n"
          "With --json one row: verdict, was, same, changed, ladder, findings, "
          "questions,\nnew_findings, lost_findings.\n"
          "Exit codes: 0 it was judged, 1 an error, 2 no bundle, or rules "
          "that are not good.\n"
          "\nExamples:\n"
          "  hangdog analyze b.tar.zst\n"
          "  hangdog analyze b.tar.zst --rules mine.json\n"
          "  hangdog analyze b.tar.zst --json | jq -r .verdict.class\n",
  .run = run,
};
