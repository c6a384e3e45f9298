/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog list: who is there.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/cli/status.h"

#include "base/json.h"

#include <string.h>

struct list
{
  bool json;
  struct table *table;
  unsigned guests, by_word[WORD_MAX + 1], sick_sources;
  unsigned sources_seen;
  const char *trouble; /* of hangdog itself, or NULL */
  struct json_object *sources; /* the unhealthy ones */
  struct json_object *daemon;
};

static void
show (struct list *l, struct json_object *row)
{
  const char *cells[]
      = { json_get_str (row, "display"), json_get_str (row, "health"),
          json_get_str (row, "run"), json_get_str (row, "source"),
          json_get_str (row, "uuid") };

  if (!l->json)
    table_row (l->table, cells);
}

static int
on_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct list *l = arg;
  const char *kind = json_get_str (row, "row");
  const char *health = json_get_str (row, "health");

  if (l->json)
    print_json (row);
  /* Guests and the places they come from are rows of one answer, so that
   * "no guest" can be told from "not looked". */
  if (kind && strcmp (kind, "source") == 0)
    {
      l->sources_seen++;
      if (!json_get_bool (row, "healthy", false))
        {
          l->sick_sources++;
          json_object_array_add (l->sources, json_object_get (row));
        }
      return 0;
    }
  if (kind && strcmp (kind, "daemon") == 0)
    {
      l->daemon = json_object_get (row);
      l->trouble = daemon_trouble (row);
      return 0;
    }
  show (l, row);
  if (kind && strcmp (kind, "claimed-twice") == 0)
    return 0;
  l->guests++;
  l->by_word[health_word_find (health ? health : "")]++;
  return 0;
}

static void
sick_sources (struct list *l)
{
  for (size_t i = 0; i < json_object_array_length (l->sources); i++)
    {
      struct json_object *o = json_object_array_get_idx (l->sources, i);

      print_paragraph (stderr, "hangdog: source ", row_str (o, "state"));
    }
}

/* Nobody is there: that may be so, or nobody was asked. */
static void
nobody (const struct list *l)
{
  if (l->guests)
    return;
  if (l->sources_seen)
    print_paragraph (stderr, "hangdog: ",
                     "no guest is there; `hangdog status` says where was "
                     "looked");
  else
    print_paragraph (stderr, "hangdog: ",
                     "nowhere to look for guests: neither libvirt's socket "
                     "nor a QEMU run directory is on this host; name "
                     "\"sources\" in the configuration (`hangdog doctor` "
                     "says more)");
}

static int
run (struct cli *cli)
{
  static const char *const titles[]
      = { "GUEST", "HEALTH", "STATE", "SOURCE", "UUID", NULL };
  struct list l = { .json = cli->json };
  bool start = !cli_flag (cli, "--no-start");
  int r = cli_rest (cli, &verb_list, 0);

  if (r)
    return r;
  l.table = table_new (titles);
  l.sources = json_object_new_array ();
  r = cli_ask (cli, start, client_request ("list", NULL), on_row, &l);
  if (r == 0 && !l.json)
    {
      printf ("guests=%u well=%u hung=%u other=%u\n", l.guests,
              l.by_word[WORD_WELL], l.by_word[WORD_HUNG],
              l.guests - l.by_word[WORD_WELL] - l.by_word[WORD_HUNG]);
      table_sort (l.table);
      table_print (l.table, stdout);
      sick_sources (&l);
      nobody (&l);
      unsupported_lines ();
    }
  if (r == 0 && l.trouble)
    print_paragraph (stderr, "hangdog: ", l.trouble);
  if (r == 0)
    r = l.by_word[WORD_HUNG] ? EXIT_TROUBLE
        : l.trouble          ? EXIT_DEGRADED
                             : EXIT_WELL;
  table_free (l.table);
  json_object_put (l.sources);
  json_object_put (l.daemon);
  return r;
}

const struct verb verb_list = {
  .name = "list",
  .args = "[--no-start]",
  .summary = "list all guests of this host and how well they are",
  .help = "HEALTH is well, suspect, hung, impaired (it lives, and a check "
          "found something),\nconsole-lost or way-lost (well, but not by the "
          "preferred way), held-off (paused, stopping, ...: by "
          "its owner's will), watched (no scenario is bound to it), or "
          "unknown (not asked yet, or no\nanswer can be had).  Of a place "
          "that is claimed-twice another one has the same uuid,\nand is "
          "watched for it.\n"
          "  --no-start  ask a daemon that runs; do not start one for this\n"
          "Exit codes: 0, 3 when one is hung, 4 when hangdog itself is not "
          "well (it only\ndrains the consoles, or has no writer).\n"
          "\nExample:\n"
          "  hangdog list --json | jq -r 'select(.row == \"guest\").name'\n",
  .run = run,
};
