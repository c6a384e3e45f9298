/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog probe: a guest's scenarios, now.
 */
#include "supervisor/cli/probe.h"

#include "base/json.h"

#include <string.h>

/* Which ways did not bring the answer: " [console: login-prompt]". */
static void
print_tried (struct json_object *row)
{
  struct json_object *all = json_get (row, "tried");

  for (size_t i = 0; all && i < json_object_array_length (all); i++)
    {
      struct json_object *t = json_object_array_get_idx (all, i);

      printf (" [%s: %s]", row_str (t, "transport"), row_str (t, "code"));
    }
}

int
probe_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct probed *p = arg;
  const char *outcome = row_str (row, "outcome");

  if (strcmp (outcome, "ok") == 0)
    p->ok++;
  else if (strcmp (outcome, "failed") == 0)
    p->failed++;
  else
    p->none++;
  if (p->json)
    {
      print_json_as (row, "outcome");
      return 0;
    }
  printf ("outcome=%s guest=", outcome);
  print_text (stdout, row_str (row, "guest"));
  printf (" scenario=%s code=%s took=%lldms: ", row_str (row, "scenario"),
          row_str (row, "code"), (long long) json_get_int (row, "took_ms", 0));
  print_text (stdout, row_str (row, "sentence"));
  print_tried (row);
  fputc ('\n', stdout);
  return 0;
}

int
probe_end (const struct probed *p)
{
  /* One failure outweighs any number of scenarios that could not be asked. */
  return p->failed ? EXIT_TROUBLE : p->none ? EXIT_NO_VERDICT : EXIT_WELL;
}

static int
run (struct cli *cli)
{
  const char *scenario = cli_option (cli, "--scenario"), *guest = NULL;
  bool all = cli_flag (cli, "--all");
  struct probed p = { .json = cli->json };
  struct json_object *head;
  int r = all ? cli_rest (cli, &verb_probe, cli->argc)
              : cli_guest (cli, &verb_probe, &guest);

  if (all && !r && cli_arg (cli, 1))
    return cli_usage (&verb_probe, "one guest, or --all?");
  if (r)
    return r;
  head = client_request ("probe", guest);
  json_add_bool (head, "all", all);
  json_add_str (head, "scenario", scenario);
  r = cli_ask (cli, true, head, probe_row, &p);
  if (r)
    return r;
  if (all && !cli->json)
    printf ("probed=%u ok=%u failed=%u no-verdict=%u\n",
            p.ok + p.failed + p.none, p.ok, p.failed, p.none);
  return probe_end (&p);
}

const struct verb verb_probe = {
  .name = "probe",
  .args = "(GUEST | --all) [--scenario NAME]",
  .summary = "run a guest's scenarios now and say how they went",
  .help = "  --all  of every guest, sixteen at a time, each told when it is "
          "there; a line of sums\n         at the end\n"
          "Exit codes: 0 all well, 2 no such guest or scenario, 3 one failed, "
          "6 no verdict\n(busy, login prompt, ...).\n"
          "\nExamples:\n"
          "  hangdog probe web-1 --scenario uptime\n"
          "  hangdog probe --all\n",
  .run = run,
};
