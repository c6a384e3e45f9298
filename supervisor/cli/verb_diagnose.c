/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog diagnose: what stopped in a guest, and why.
 */
#include "supervisor/cli/cli.h"

#include "base/clock.h"
#include "base/json.h"

#include <string.h>

struct diagnose
{
  bool json, got;
  uint64_t step_ms;
  int code;
};

static int
verdict_code (const char *verdict)
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

static void
progress (struct diagnose *dg, struct json_object *row)
{
  char took[32];

  if (!json_get_bool (row, "ended", false))
    {
      /* On stderr: stdout begins with the verdict, for programmes. */
      dg->step_ms = clock_ms ();
      fprintf (stderr, "[%lld/%lld] %s ... ",
               (long long) json_get_int (row, "n", 0),
               (long long) json_get_int (row, "total", 0),
               row_str (row, "step"));
      fflush (stderr);
      return;
    }
  fputs (print_age (took, sizeof (took), clock_ms () - dg->step_ms), stderr);
  if (json_get_str (row, "failure"))
    {
      fputs ("  not got: ", stderr);
      print_text (stderr, row_str (row, "failure"));
    }
  fputc ('\n', stderr);
}

static void
result (struct diagnose *dg, struct json_object *row)
{
  struct json_object *v = json_get (row, "verdict");

  dg->got = true;
  dg->code = row_str (row, "bundle_error")[0]
                 ? EXIT_PARTIAL
                 : verdict_code (row_str (v, "class"));
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
      fputs ("hangdog: the bundle could not be made: ", stderr);
      print_text (stderr, row_str (row, "bundle_error"));
      fputc ('\n', stderr);
    }
}

static void
cancelled (struct diagnose *dg, struct json_object *row)
{
  dg->got = true;
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

  if (dg->json)
    print_json (row);
  if (strcmp (kind, "progress") == 0 && !dg->json)
    progress (dg, row);
  else if (strcmp (kind, "accepted") == 0 && !dg->json)
    /* By it one that is interrupted here is watched again. */
    fprintf (stderr, "incident=%s\n", row_str (row, "incident"));
  else if (strcmp (kind, "cancelled") == 0)
    cancelled (dg, row);
  else if (strcmp (kind, "incident") == 0)
    result (dg, row);
  return 0;
}

static int
run (struct cli *cli)
{
  const char *playbook = cli_option (cli, "--playbook"), *guest;
  bool watch = cli_flag (cli, "--watch"), cancel = cli_flag (cli, "--cancel");
  struct diagnose dg = { .json = cli->json };
  struct json_object *head;
  int r = cli_guest (cli, &verb_diagnose, &guest);

  if (r)
    return r;
  if (watch + cancel + (playbook != NULL) > 1)
    return cli_usage (&verb_diagnose, "--playbook, --watch or --cancel?");
  if (watch || cancel)
    {
      head = client_request (watch ? "watch" : "cancel", NULL);
      json_add_text (head, "of", guest, strlen (guest));
    }
  else
    head = client_request ("diagnose", guest);
  if (playbook)
    json_add_str (head, "playbook", playbook);
  /* A daemon that is started for this has no diagnosis under way. */
  r = cli_ask (cli, !watch && !cancel, head, on_row, &dg);
  if (r)
    return r;
  /* An end without an incident is a daemon that was stopped on the way. */
  return dg.got ? dg.code : EXIT_ERROR;
}

const struct verb verb_diagnose = {
  .name = "diagnose",
  .args = "GUEST [--playbook NAME] |\n"
          "                 GUEST|INCIDENT [--watch | --cancel]",
  .summary = "look at a guest now, name what stopped, leave a bundle",
  .help = "Playbooks: no-touch asks the host alone; quick adds the monitor; "
          "standard also\nconnects to the guest and types SysRq into its "
          "console; deep does so with more\ntime.  Interrupted here it goes "
          "on there.\n"
          "  --watch    look at one that is under way, whoever ordered it; of "
          "one that is\n             over, its end\n"
          "  --cancel   call it off: what was found so far is judged and "
          "packed\n"
          "INCIDENT is what `hangdog incidents` shows; GUEST stands for its "
          "newest diagnosis\nthat is not packed yet.\n"
          "Exit codes: 0 well (verdict none), 3 trouble found, 4 slow, 5 the "
          "bundle is\nmissing, 6 no verdict (unknown, paused, console-busy, "
          "probe-misconfigured); 0 also when it was called off.\n"
          "\nExamples:\n"
          "  hangdog diagnose web-1 --playbook quick\n"
          "  hangdog diagnose web-1 --watch\n",
  .run = run,
};
