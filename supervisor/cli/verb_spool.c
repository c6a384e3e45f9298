/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog spool: what waits to be sent.
 */
#include "supervisor/cli/cli.h"

#include "base/json.h"
#include "base/text.h"
#include "base/units.h"

#include <string.h>

static int
on_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct listing *l = arg;
  struct json_object *item = json_get (row, "item");
  char size[32], attempts[32];
  const char *cells[]
      = { row_str (item, "incident"), row_str (item, "place"), size, attempts,
          row_str (item, "last_error") };

  /* The last row holds totals. */
  if (!item)
    {
      if (l->json)
        print_json (row);
      return 0;
    }
  units_format_size (size, sizeof (size),
                     (uint64_t) json_get_int (item, "bytes", 0));
  snprintf (attempts, sizeof (attempts), "%lld",
            (long long) json_get_int (item, "attempts", 0));
  listing_row (l, row, cells);
  return 0;
}

static int
list (struct cli *cli, const char *place)
{
  static const char *const titles[]
      = { "INCIDENT", "PLACE", "SIZE", "TRIES", "LAST ERROR", NULL };
  static const char *const places[]
      = { "open", "ready", "sent", "parked", NULL };
  struct json_object *head;
  char known[80], why[160];
  unsigned i = 0;

  while (place && places[i] && strcmp (places[i], place) != 0)
    i++;
  if (place && !places[i])
    {
      snprintf (why, sizeof (why), "no place \"%.40s\"%s", place,
                text_did_you_mean (known, sizeof (known), place, places));
      return cli_usage (&verb_spool, why);
    }
  head = client_request ("spool", NULL);
  if (place)
    json_add_str (head, "place", place);
  return cli_list (cli, "items", titles, head, on_row);
}

static int
change (struct cli *cli, const char *op, const char *incident)
{
  struct json_object *head;

  if (!incident)
    return cli_usage (&verb_spool,
                      "which incident? `hangdog spool list` names them");
  head = client_request (op, NULL);
  json_add_str (head, "incident", incident);
  return cli_ask (cli, true, head, NULL, NULL);
}

static int
run (struct cli *cli)
{
  const char *what = cli_arg (cli, 1);
  int r = cli_rest (cli, &verb_spool, 2);

  if (r)
    return r;
  if (!what || strcmp (what, "list") == 0)
    return list (cli, cli_arg (cli, 2));
  if (strcmp (what, "retry") == 0)
    return change (cli, "spool-retry", cli_arg (cli, 2));
  if (strcmp (what, "drop") == 0)
    return change (cli, "spool-drop", cli_arg (cli, 2));
  return cli_unknown (&verb_spool, what);
}

const struct verb verb_spool = {
  .name = "spool",
  .args = "[list [PLACE] | retry INCIDENT | drop INCIDENT]",
  .summary = "show what waits to be sent, try again, or drop it",
  .help = "PLACE is open (being collected), ready (waits to be sent), sent, or "
          "parked\n(refused by a sink).\n"
          "Exit codes: 0, 2 no such incident.\n"
          "\nExamples:\n"
          "  hangdog spool list parked\n"
          "  hangdog spool retry 4f1c2f9e-...\n",
  .run = run,
};
