/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog doctor: what each way to look lacks.  Without a guest it is
 * doctor_host.c.
 */
#include "supervisor/cli/cli.h"

#include "base/json.h"

#include <string.h>

struct doctor
{
  bool json;
  const char *kind; /* of the row before */
  struct doctor_count count;
};

void
doctor_add (struct doctor_count *n, const char *state)
{
  if (strcmp (state, "ok") == 0)
    n->ok++;
  else if (strcmp (state, "warn") == 0)
    n->warn++;
  else if (strcmp (state, "bad") == 0)
    n->bad++;
}

int
doctor_end (const struct doctor_count *n, bool json)
{
  if (!json)
    printf ("doctor ok=%u warn=%u bad=%u\n", n->ok, n->warn, n->bad);
  return n->bad ? EXIT_TROUBLE : n->warn ? EXIT_DEGRADED : EXIT_WELL;
}

static int
on_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct doctor *d = arg;
  const char *state = row_str (row, "state");
  const char *kind = row_str (row, "collector")[0] ? "collector" : "transport";
  char label[64], text[900];

  doctor_add (&d->count, state);
  if (d->json)
    {
      print_json (row);
      return 0;
    }
  /* Both have a console and a monitor: one reaches, one collects. */
  if (strcmp (kind, d->kind) != 0)
    printf ("%s%ss\n", d->kind[0] ? "\n" : "", kind);
  d->kind = kind[0] == 't' ? "transport" : "collector";
  snprintf (label, sizeof (label), "%-5s %-8s ", state, row_str (row, kind));
  if (strcmp (row_str (row, "what"), row_str (row, kind)) == 0)
    snprintf (text, sizeof (text), "%s", row_str (row, "finding"));
  else
    snprintf (text, sizeof (text), "%s: %s", row_str (row, "what"),
              row_str (row, "finding"));
  print_paragraph (stdout, label, text);
  if (row_str (row, "fix")[0])
    print_paragraph (stdout, "      mend it: ", row_str (row, "fix"));
  return 0;
}

static int
run (struct cli *cli)
{
  struct doctor d = { .json = cli->json, .kind = "" };
  int r = cli_rest (cli, &verb_doctor, 1);

  if (r)
    return r;
  if (!cli_arg (cli, 1))
    return doctor_host (cli);
  r = cli_ask (cli, true, client_request ("doctor", cli_arg (cli, 1)), on_row,
               &d);
  return r ? r : doctor_end (&d.count, cli->json);
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
  .run = run,
};
