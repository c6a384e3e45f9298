/* SPDX-License-Identifier: Apache-2.0
 *
 * probe, diagnose, incidents, doctor, spool: asking the daemon to do or tell.
 */
#include "supervisor/cli/cli.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/units.h"

#include <string.h>

static const char *
get (struct json_object *row, const char *key)
{
  const char *s = json_get_str (row, key);

  return s ? s : "";
}

/* ---- probe ---- */

struct probe
{
  bool json;
  unsigned ok, failed, none;
};

static int
probe_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct probe *p = arg;
  const char *outcome = get (row, "outcome");

  if (strcmp (outcome, "ok") == 0)
    p->ok++;
  else if (strcmp (outcome, "failed") == 0)
    p->failed++;
  else
    p->none++;
  if (p->json)
    {
      print_json (row);
      return 0;
    }
  printf ("outcome=%s guest=", outcome);
  print_text (stdout, get (row, "guest"));
  printf (" scenario=%s code=%s took=%lldms: ", get (row, "scenario"),
          get (row, "code"), (long long) json_get_int (row, "took_ms", 0));
  print_text (stdout, get (row, "sentence"));
  fputc ('\n', stdout);
  return 0;
}

static int
probe_run (struct cli *cli)
{
  const char *scenario = cli_option (cli, "--scenario");
  struct probe p = { .json = cli->json };
  struct json_object *head;
  struct client *c = NULL;
  struct error err = ERROR_INIT;
  int r = cli_rest (cli, &verb_probe, 1);

  if (r)
    return r;
  if (!cli_arg (cli, 1))
    return cli_usage (&verb_probe, "which guest?");
  r = client_open (cli, true, &c, &err);
  if (r == 0)
    {
      head = client_request ("probe", cli_arg (cli, 1));
      if (scenario)
        json_add_str (head, "scenario", scenario);
      r = client_call (c, head, probe_row, &p, &err);
    }
  client_close (c);
  if (r < 0)
    return cli_fail (&err);
  return p.failed ? EXIT_TROUBLE : p.none ? EXIT_NO_VERDICT : EXIT_WELL;
}

const struct verb verb_probe = {
  .name = "probe",
  .args = "GUEST [--scenario NAME]",
  .summary = "run a guest's scenarios now and say how they went",
  .help = "Exit codes: 0 all well, 3 one failed, 6 no verdict (busy, login "
          "prompt, ...).\n"
          "\nExample:\n  hangdog probe web-1 --scenario uptime\n",
  .run = probe_run,
};

/* ---- diagnose ---- */

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
      dg->step_ms = clock_ms ();
      fprintf (stderr, "[%lld/%lld] %s ... ",
               (long long) json_get_int (row, "n", 0),
               (long long) json_get_int (row, "total", 0),
               get (row, "step"));
      fflush (stderr);
      return;
    }
  fputs (print_age (took, sizeof (took), clock_ms () - dg->step_ms), stderr);
  if (json_get_str (row, "failure"))
    {
      fputs ("  not got: ", stderr);
      print_text (stderr, get (row, "failure"));
    }
  fputc ('\n', stderr);
}

static void
result (struct diagnose *dg, struct json_object *row)
{
  struct json_object *v = json_get (row, "verdict");

  dg->got = true;
  dg->code = verdict_code (get (v, "class"));
  if (dg->json)
    return;
  printf ("verdict=%s guest=", get (v, "class"));
  print_text (stdout, get (row, "guest"));
  printf (" confidence=%s incident=%s bundle=", get (v, "confidence"),
          get (row, "id"));
  print_text (stdout, get (row, "bundle"));
  fputc ('\n', stdout);
  print_paragraph (stdout, "", get (v, "sentence"));
  if (get (v, "culprit")[0])
    print_paragraph (stdout, "Culprit: ", get (v, "culprit"));
  if (get (v, "next")[0])
    print_paragraph (stdout, "Next: ", get (v, "next"));
  if (get (row, "bundle_error")[0])
    {
      fputs ("hangdog: the bundle could not be made: ", stderr);
      print_text (stderr, get (row, "bundle_error"));
      fputc ('\n', stderr);
      dg->code = EXIT_PARTIAL;
    }
}

static int
diagnose_row (struct json_object *row, const void *body, size_t len,
              void *arg)
{
  struct diagnose *dg = arg;
  const char *kind = get (row, "row");

  if (dg->json)
    print_json (row);
  if (strcmp (kind, "progress") == 0 && !dg->json)
    progress (dg, row);
  else if (strcmp (kind, "incident") == 0)
    result (dg, row);
  return 0;
}

static int
diagnose_run (struct cli *cli)
{
  const char *playbook = cli_option (cli, "--playbook");
  struct diagnose dg = { .json = cli->json };
  struct json_object *head;
  struct client *c = NULL;
  struct error err = ERROR_INIT;
  int r = cli_rest (cli, &verb_diagnose, 1);

  if (r)
    return r;
  if (!cli_arg (cli, 1))
    return cli_usage (&verb_diagnose, "which guest?");
  r = client_open (cli, true, &c, &err);
  if (r == 0)
    {
      head = client_request ("diagnose", cli_arg (cli, 1));
      if (playbook)
        json_add_str (head, "playbook", playbook);
      r = client_call (c, head, diagnose_row, &dg, &err);
    }
  client_close (c);
  if (r < 0)
    return cli_fail (&err);
  return dg.got ? dg.code : EXIT_ERROR;
}

const struct verb verb_diagnose = {
  .name = "diagnose",
  .args = "GUEST [--playbook no-touch|quick|standard]",
  .summary = "look at a guest now, name what stopped, leave a bundle",
  .help = "Playbooks: no-touch asks the host alone; quick adds the monitor; "
          "standard also\nconnects to the guest and types SysRq into its "
          "console.\n"
          "Exit codes: 0 well (verdict none), 3 trouble found, 4 slow, 5 the "
          "bundle is\nmissing, 6 no verdict (unknown, paused, console-busy, "
          "probe-misconfigured).\n"
          "\nExample:\n  hangdog diagnose web-1 --playbook quick\n",
  .run = diagnose_run,
};

/* ---- incidents, spool ---- */

struct listing
{
  bool json;
  struct table *table;
  unsigned rows;
};

static int
incident_row (struct json_object *row, const void *body, size_t len,
              void *arg)
{
  struct listing *l = arg;
  struct json_object *v = json_get (row, "verdict");
  char bundle[700];
  const char *cells[]
      = { get (row, "id"),    get (row, "guest"), get (v, "class"),
          strcmp (get (row, "end"), "not-ended") != 0 ? get (row, "end")
                                                      : get (row, "phase"),
          bundle };

  /* The path ends the row, so that it can be cut out of it. */
  snprintf (bundle, sizeof (bundle), "%s%s%s", get (row, "shipped"),
            get (row, "shipped")[0] ? ", " : "", get (row, "bundle"));

  l->rows++;
  if (l->json)
    print_json (row);
  else
    table_row (l->table, cells);
  return 0;
}

static int
listing (struct cli *cli, const struct verb *verb, struct json_object *head,
         const char *const *titles, client_row_fn *fn, const char *what)
{
  struct listing l = { .json = cli->json, .table = table_new (titles) };
  struct client *c = NULL;
  struct error err = ERROR_INIT;
  int r = client_open (cli, true, &c, &err);

  if (r == 0)
    r = client_call (c, head, fn, &l, &err);
  else
    json_object_put (head);
  client_close (c);
  if (r == 0 && !cli->json)
    {
      printf ("%s=%u\n", what, l.rows);
      table_print (l.table, stdout);
    }
  table_free (l.table);
  return r < 0 ? cli_fail (&err) : EXIT_WELL;
}

static int
incidents_run (struct cli *cli)
{
  static const char *const titles[] = { "INCIDENT", "GUEST",  "VERDICT",
                                        "NOW",      "BUNDLE", NULL };
  int r = cli_rest (cli, &verb_incidents, 0);

  return r ? r
           : listing (cli, &verb_incidents,
                      client_request ("incidents", NULL), titles,
                      incident_row, "incidents");
}

const struct verb verb_incidents = {
  .name = "incidents",
  .args = "",
  .summary = "list the incidents of this run of the daemon",
  .help = "Newest first.  NOW is its phase (open, collecting, packed), or how "
          "it ended\n(recovered, rebooted, replaced).\n"
          "\nExample:\n  hangdog incidents --json | jq -r .verdict.class\n",
  .run = incidents_run,
};

static int
spool_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct listing *l = arg;
  struct json_object *item = json_get (row, "item");
  char size[32], attempts[32];
  const char *cells[6];

  if (l->json)
    print_json (row);
  if (!item)
    return 0;
  l->rows++;
  units_format_size (size, sizeof (size),
                     (uint64_t) json_get_int (item, "bytes", 0));
  snprintf (attempts, sizeof (attempts), "%lld",
            (long long) json_get_int (item, "attempts", 0));
  cells[0] = get (item, "incident");
  cells[1] = get (item, "place");
  cells[2] = size;
  cells[3] = attempts;
  cells[4] = get (item, "last_error");
  if (!l->json)
    table_row (l->table, cells);
  return 0;
}

static int
spool_run (struct cli *cli)
{
  static const char *const titles[]
      = { "INCIDENT", "PLACE", "SIZE", "TRIES", "LAST ERROR", NULL };
  const char *what = cli_arg (cli, 1);
  struct json_object *head;
  int r = cli_rest (cli, &verb_spool, 2);

  if (r)
    return r;
  if (!what || strcmp (what, "list") == 0)
    {
      head = client_request ("spool", NULL);
      if (cli_arg (cli, 2))
        json_add_str (head, "place", cli_arg (cli, 2));
      return listing (cli, &verb_spool, head, titles, spool_row, "items");
    }
  if ((strcmp (what, "retry") == 0 || strcmp (what, "drop") == 0)
      && cli_arg (cli, 2))
    {
      struct client *c = NULL;
      struct error err = ERROR_INIT;

      head = client_request (what[0] == 'r' ? "spool-retry" : "spool-drop",
                             NULL);
      json_add_str (head, "incident", cli_arg (cli, 2));
      r = client_open (cli, true, &c, &err);
      if (r == 0)
        r = client_call (c, head, NULL, NULL, &err);
      else
        json_object_put (head);
      client_close (c);
      return r < 0 ? cli_fail (&err) : EXIT_WELL;
    }
  return cli_usage (&verb_spool, NULL);
}

const struct verb verb_spool = {
  .name = "spool",
  .args = "[list [PLACE] | retry INCIDENT | drop INCIDENT]",
  .summary = "show what waits to be sent, try again, or drop it",
  .help = "PLACE is open (being collected), ready (waits to be sent), sent, or "
          "parked\n(refused by the controller).\n"
          "\nExamples:\n"
          "  hangdog spool list parked\n"
          "  hangdog spool retry 4f1c2f9e-...\n",
  .run = spool_run,
};

/* ---- doctor ---- */

struct doctor
{
  bool json;
  const char *kind; /* of the row before */
  unsigned ok, warn, bad;
};

static int
doctor_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct doctor *d = arg;
  const char *state = get (row, "state");
  const char *kind = get (row, "collector")[0] ? "collector" : "transport";
  char label[64], text[900];

  if (strcmp (state, "ok") == 0)
    d->ok++;
  else if (strcmp (state, "warn") == 0)
    d->warn++;
  else if (strcmp (state, "bad") == 0)
    d->bad++;
  if (d->json)
    {
      print_json (row);
      return 0;
    }
  /* Both have a console and a monitor: one reaches, one collects. */
  if (strcmp (kind, d->kind) != 0)
    printf ("%s%ss\n", d->kind[0] ? "\n" : "", kind);
  d->kind = kind[0] == 't' ? "transport" : "collector";
  snprintf (label, sizeof (label), "%-5s %-8s ", state, get (row, kind));
  if (strcmp (get (row, "what"), get (row, kind)) == 0)
    snprintf (text, sizeof (text), "%s", get (row, "finding"));
  else
    snprintf (text, sizeof (text), "%s: %s", get (row, "what"),
              get (row, "finding"));
  print_paragraph (stdout, label, text);
  if (get (row, "fix")[0])
    print_paragraph (stdout, "      mend it: ", get (row, "fix"));
  return 0;
}

static int
doctor_run (struct cli *cli)
{
  struct doctor d = { .json = cli->json, .kind = "" };
  struct client *c = NULL;
  struct error err = ERROR_INIT;
  int r = cli_rest (cli, &verb_doctor, 1);

  if (r)
    return r;
  if (!cli_arg (cli, 1))
    return doctor_host (cli);
  r = client_open (cli, true, &c, &err);
  if (r == 0)
    r = client_call (c, client_request ("doctor", cli_arg (cli, 1)),
                     doctor_row, &d, &err);
  client_close (c);
  if (r < 0)
    return cli_fail (&err);
  if (!cli->json)
    printf ("doctor ok=%u warn=%u bad=%u\n", d.ok, d.warn, d.bad);
  return d.bad ? EXIT_TROUBLE : d.warn ? EXIT_DEGRADED : EXIT_WELL;
}

const struct verb verb_doctor = {
  .name = "doctor",
  .args = "[GUEST]",
  .summary = "say what each way to look lacks here, and how to mend it",
  .help = "Without GUEST: what this host lacks.  With: what each transport and "
          "collector lacks\nfor that guest.  It only looks.\n"
          "Exit codes: 0 nothing lacks, 3 something does not work, 4 something "
          "is limited.\n"
          "\nExample:\n  hangdog doctor web-1\n",
  .run = doctor_run,
};
