/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog diagnose: what stopped in a guest, and why.
 */
#include "supervisor/cli/diagnose.h"
#include "supervisor/cli/progress.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>
#include <unistd.h>

/* Of those that run at once; one that is not among them has no time. */
#define STEPS_SHOWN 16

struct shown_step
{
  int64_t n; /* 0 = a free place */
  uint64_t began_ms;
  char name[64];
};

struct diagnose
{
  bool json, got;
  const char *guest, *dir; /* dir: where the bundle goes, too; NULL = nowhere */
  struct progress progress;
  unsigned ended;
  struct shown_step steps[STEPS_SHOWN];
  int code;
};

int
diagnose_code (const char *verdict)
{
  if (strcmp (verdict, "none") == 0 || strcmp (verdict, "well") == 0)
    return EXIT_WELL;
  if (strcmp (verdict, "slow") == 0)
    return EXIT_DEGRADED;
  /* Not judged: nothing says that it hangs, or that it does not. */
  if (strcmp (verdict, "unknown") == 0 || verdict[0] == '\0'
      || strcmp (verdict, "paused") == 0
      || strcmp (verdict, "console-busy") == 0
      || strcmp (verdict, "probe-misconfigured") == 0)
    return EXIT_NO_VERDICT;
  return EXIT_TROUBLE;
}

static struct shown_step *
step_numbered (struct diagnose *dg, int64_t n)
{
  for (unsigned i = 0; i < STEPS_SHOWN; i++)
    if (dg->steps[i].n == n)
      return &dg->steps[i];
  return NULL;
}

/* Who runs, beside how many have ended. */
static void
show_running (struct diagnose *dg, uint64_t total)
{
  char who[256] = "";
  size_t len = 0;

  for (unsigned i = 0; i < STEPS_SHOWN; i++)
    if (dg->steps[i].n && len < sizeof (who) - 2)
      len += (size_t) snprintf (who + len, sizeof (who) - len, "%s%.64s",
                                len ? ", " : "", dg->steps[i].name);
  if (dg->progress.terminal && len)
    progress_step (&dg->progress, dg->ended, total, who);
}

static void
told (const struct shown_step *step, struct json_object *row, char *dst,
      size_t n)
{
  const char *failure = json_get_str (row, "failure");
  char took[32];

  snprintf (dst, n, "%s%s%s%s%.300s", row_str (row, "step"), step ? "  " : "",
            step ? print_age (took, sizeof (took),
                              clock_ms () - step->began_ms)
                 : "",
            failure ? "  not got: " : "", failure ? failure : "");
}

/* Several run at once, so each has its line when it ends. */
static void
ended (struct diagnose *dg, struct json_object *row, int64_t n, int64_t total)
{
  struct shown_step *step = n > 0 ? step_numbered (dg, n) : NULL;
  char text[500];

  dg->ended++;
  told (step, row, text, sizeof (text));
  if (dg->progress.terminal)
    {
      progress_clear (&dg->progress);
      fprintf (stderr, "[%lld/%lld] ", (long long) n, (long long) total);
      print_text (stderr, text);
      fputc ('\n', stderr);
    }
  else
    progress_told (&dg->progress, (uint64_t) n, (uint64_t) total, text);
  if (step)
    step->n = 0;
}

/* On stderr: stdout begins with the verdict, for programmes. */
static void
progress (struct diagnose *dg, struct json_object *row)
{
  int64_t n = json_get_int (row, "n", 0);
  int64_t total = json_get_int (row, "total", 0);
  struct shown_step *step;

  if (json_get_bool (row, "ended", false))
    ended (dg, row, n, total);
  else if ((step = step_numbered (dg, 0)))
    {
      *step = (struct shown_step){ .n = n, .began_ms = clock_ms () };
      snprintf (step->name, sizeof (step->name), "%s", row_str (row, "step"));
    }
  show_running (dg, (uint64_t) total);
}

/* Where -o says: the row then says so, too, or why it is not there. */
static void
fetch (const struct diagnose *dg, struct json_object *row)
{
  const char *name = row_str (row, "guest");
  struct error why = ERROR_INIT;
  char bundle[PATH_MAX];

  if (!dg->dir || row_str (row, "bundle_error")[0])
    return;
  snprintf (bundle, sizeof (bundle), "%s", row_str (row, "bundle"));
  if (diagnose_fetch (dg->dir, text_is_name (name) ? name : "guest", bundle,
                      row, &why)
      >= 0)
    json_add_text (row, "bundle", bundle, strlen (bundle));
  else
    json_add_text (row, "bundle_error", error_text (&why),
                   strlen (error_text (&why)));
}

static void
result (struct diagnose *dg, struct json_object *row)
{
  struct json_object *v = json_get (row, "verdict");

  dg->got = true;
  progress_end (&dg->progress, !row_str (row, "bundle_error")[0],
                row_str (row, "bundle"));
  dg->code = row_str (row, "bundle_error")[0]
                 ? EXIT_PARTIAL
                 : diagnose_code (row_str (v, "class"));
  if (dg->json)
    return;
  printf ("verdict=%s guest=", row_str (v, "class"));
  print_text (stdout, row_str (row, "guest"));
  printf (" confidence=%s incident=%s bundle=", row_str (v, "confidence"),
          row_str (row, "id"));
  print_text (stdout, row_str (row, "bundle"));
  fputc ('\n', stdout);
  print_paragraph (stdout, "", row_str (v, "sentence"));
  if (row_str (v, "culprit")[0])
    print_paragraph (stdout, "Culprit: ", row_str (v, "culprit"));
  if (row_str (v, "next")[0])
    print_paragraph (stdout, "Next: ", row_str (v, "next"));
  if (row_str (row, "bundle_error")[0])
    {
      fputs (row_str (row, "bundle")[0] ? "hangdog: "
                                        : "hangdog: no bundle: ",
             stderr);
      print_text (stderr, row_str (row, "bundle_error"));
      fputc ('\n', stderr);
    }
}

static void
cancelled (struct diagnose *dg, struct json_object *row)
{
  dg->got = true;
  progress_end (&dg->progress, true, "cancelled");
  dg->code = EXIT_WELL;
  if (!dg->json)
    printf ("cancelled incident=%s\n", row_str (row, "incident"));
}

static int
on_row (struct json_object *row, const void *body, size_t len,
              void *arg)
{
  struct diagnose *dg = arg;
  const char *kind = row_str (row, "row");

  if (strcmp (kind, "incident") == 0)
    fetch (dg, row);
  if (dg->json)
    print_json (row);
  if (strcmp (kind, "progress") == 0 && !dg->json)
    progress (dg, row);
  else if (strcmp (kind, "accepted") == 0 && !dg->json)
    {
      /* By it one that is interrupted here is watched again. */
      fprintf (stderr, "incident=%s\n", row_str (row, "incident"));
      progress_begin (&dg->progress, dg->guest, false);
    }
  else if (strcmp (kind, "cancelled") == 0)
    cancelled (dg, row);
  else if (strcmp (kind, "incident") == 0)
    result (dg, row);
  return 0;
}

static int
run (struct cli *cli)
{
  const char *playbook = cli_option (cli, "--playbook"), *guest = NULL;
  bool watch = cli_flag (cli, "--watch"), cancel = cli_flag (cli, "--cancel");
  bool dry = cli_flag (cli, "--dry-run"), all = cli_flag (cli, "--all");
  const char *dir = cli_option (cli, "-o");
  struct diagnose dg = { .json = cli->json, .dir = dir };
  struct error err = ERROR_INIT;
  struct json_object *head;
  int r = all ? cli_rest (cli, &verb_diagnose, 0)
              : cli_guest (cli, &verb_diagnose, &guest);

  if (r)
    return r;
  if (all && (watch || cancel || dry))
    return cli_usage (&verb_diagnose,
                      "--all goes with --playbook and -o alone");
  if (all)
    return diagnose_all (cli, playbook, dir);
  if (dir && (cancel || dry))
    return cli_usage (&verb_diagnose,
                      "-o DIR is where a bundle goes, and none is made");
  if (dir && diagnose_folder (dir, &err) < 0)
    return cli_fail (&err);
  if (watch + cancel + (dry || playbook) > 1)
    return cli_usage (&verb_diagnose, "--playbook, --watch or --cancel?");
  if (dry)
    return diagnose_plan (cli, guest, playbook);
  if (watch || cancel)
    {
      head = client_request (watch ? "watch" : "cancel", NULL);
      json_add_text (head, "of", guest, strlen (guest));
    }
  else
    head = client_request ("diagnose", guest);
  if (playbook)
    json_add_str (head, "playbook", playbook);
  dg.guest = guest;
  /* A daemon that is started for this has no diagnosis under way. */
  r = cli_ask (cli, !watch && !cancel, head, on_row, &dg);
  if (!dg.got)
    progress_end (&dg.progress, false, "no verdict came");
  if (r)
    return r;
  /* An end without an incident is a daemon that was stopped on the way. */
  return dg.got ? dg.code : EXIT_ERROR;
}

const struct verb verb_diagnose = {
  .name = "diagnose",
  .args = "GUEST [--playbook NAME] [-o DIR] |\n"
          "                 GUEST [--playbook NAME] --dry-run |\n"
          "                 --all [--playbook NAME] [-o DIR] |\n"
          "                 GUEST|INCIDENT --watch [-o DIR] |\n"
          "                 GUEST|INCIDENT --cancel",
  .summary = "look at a guest now, name what stopped, leave a bundle",
  .help = "Playbooks, of which standard is the one that is done without "
          "--playbook:\n"
          "  no-touch   asks the host alone\n"
          "  quick      as no-touch, and the monitor and the guest's memory: "
          "nothing is typed\n"
          "  standard   as quick, and also connects to the guest, takes a "
          "picture of its display,\n             types SysRq into its "
          "console, runs commands that only read in its shell,\n"
          "             asks for its vCPUs' registers (which taints a domain "
          "of libvirt's)\n"
          "  deep       as standard (that taints, too), with more time, more "
          "raw questions to the\n             monitor and 10 s of packets\n"
          "`hangdog playbook list` has them with their steps, and one's own. "
          "Ctrl-C ends this\ncommand and not the diagnosis, which the daemon "
          "goes on with: --watch shows it again.\n\n"
          "  --dry-run  show what would be done: the steps, their conditions, "
          "time and bytes,\n             and every act that touches the "
          "guest; nothing is done\n"
          "  --all      each guest, two at once, with lines of progress\n"
          "  -o DIR     the bundle is copied there, too, under the guest's "
          "name; DIR is made.\n             Who is but a member of `group` may "
          "not read it: with sudo\n"
          "  --watch    look at one that is under way, whoever ordered it; of "
          "one that is\n             over, its end\n"
          "  --cancel   call it off: what was found so far is judged and "
          "packed\n"
          "INCIDENT is what `hangdog incidents` shows; GUEST stands for its "
          "newest diagnosis\nthat is not packed yet.\n"
          "Exit codes: 0 well (verdict none), 3 trouble found, 4 slow, 5 the "
          "bundle is\nmissing or could not be copied (-o), 6 no verdict "
          "(unknown, paused, console-busy,\nprobe-misconfigured); 0 also when "
          "it was called off.\n"
          "Of --all the first of 3, 5 (of one there is no bundle, or no copy), "
          "4 and 6 (or there\nis no guest) that one of them has.\n"
          "\nExamples:\n"
          "  hangdog diagnose web-1 --playbook quick\n"
          "  hangdog diagnose web-1 --dry-run\n"
          "  hangdog diagnose --all --playbook quick -o evidence\n"
          "  hangdog diagnose web-1 --watch\n",
  .run = run,
};
