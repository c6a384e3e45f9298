/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog incidents: what there was, for as long as the spool has it.
 */
#include "supervisor/cli/cli.h"

#include "base/json.h"

#include <string.h>

const char *
incident_now (struct json_object *row, char *dst, size_t n)
{
  long long children = (long long) json_get_int (row, "children", 0);
  long long repeats = (long long) json_get_int (row, "repeats", 0);
  const char *now
      = strcmp (row_str (row, "end"), "not-ended") != 0 ? row_str (row, "end")
        : json_get_bool (row, "perhaps_rebooted", false) ? "rebooted?"
        : json_get_bool (row, "flapping", false)         ? "flapping"
                                                         : row_str (row,
                                                                    "phase");

  if (children)
    snprintf (dst, n, "%s, %lld guests", now, children);
  else if (row_str (row, "repeat_of")[0])
    snprintf (dst, n, "%s, repeats %.8s", now, row_str (row, "repeat_of"));
  else if (repeats)
    snprintf (dst, n, "%s, came again %lld times", now, repeats);
  else if (row_str (row, "parent")[0])
    snprintf (dst, n, "%s, of %.8s", now, row_str (row, "parent"));
  else
    snprintf (dst, n, "%s", now);
  return dst;
}

static int
on_row (struct json_object *row, const void *body, size_t len,
              void *arg)
{
  struct json_object *v = json_get (row, "verdict");
  char bundle[700], now[64];
  const char *cells[] = { row_str (row, "id"),
                          row_str (row, "guest"),
                          row_str (row, "severity"),
                          row_str (v, "class"),
                          incident_now (row, now, sizeof (now)),
                          bundle };

  /* The path ends the row, so that it can be cut out of it. */
  snprintf (bundle, sizeof (bundle), "%s%s%s", row_str (row, "shipped"),
            row_str (row, "shipped")[0] ? ", " : "", row_str (row, "bundle"));

  listing_row (arg, row, cells);
  return 0;
}

static int
run (struct cli *cli)
{
  static const char *const titles[] = { "INCIDENT", "GUEST", "SEVERITY",
                                        "VERDICT",  "NOW",   "BUNDLE",
                                        NULL };
  int r = cli_rest (cli, &verb_incidents, 0);

  return r ? r
           : cli_list (cli, "incidents", titles,
                       client_request ("incidents", NULL), on_row);
}

const struct verb verb_incidents = {
  .name = "incidents",
  .args = "",
  .summary = "list the incidents that the spool has",
  .help = "Newest first.  SEVERITY is that of the scenario that failed; of "
          "more than one, the\nhighest.  NOW is its phase (open, collecting, "
          "packed), or how it ended\n(recovered, rebooted, replaced, "
          "withdrawn, closed); \"rebooted?\" while only its text\nshows that.  "
          "Closed: nothing stood any more when it was packed.\n"
          "Guests that failed together by something of the host are one "
          "incident of \"this host\",\nand theirs say \"of\" which, by its "
          "first letters (with --json: parent, and key of\nthe host's: what "
          "they have in common).\n"
          "Exit codes: 0 listed, be there any or none, 1 no daemon could be "
          "asked.\n"
          "\nExample:\n  hangdog incidents --json | jq -r .verdict.class\n",
  .run = run,
};
