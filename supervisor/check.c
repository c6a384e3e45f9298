/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-check: checks scenario documents.  A programme of its own because
 * knowing the kinds means linking the transports, which the command line
 * does not.
 */
#include "scenarios/scenario.h"
#include "supervisor/finding.h"
#include "supervisor/playbooks.h"
#include "supervisor/replay.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
check_playbook (struct findings *f, const char *path,
                const struct json_doc *doc, const struct scenario *s, size_t i)
{
  struct error err = ERROR_INIT, why = ERROR_INIT;
  char at[80];

  if (playbook_check (s->playbook, &why) < 0)
    {
      scenario_place (doc, i, "playbook", at, sizeof (at));
      json_error_at (doc, at, &err, "%s", error_text (&why));
      finding_error (f, path, &err);
    }
  else if (!f->json)
    printf ("ok %s: %s (%s)\n", path, s->name, s->kind->name);
}

/* The rows of the table in docs/scenarios.md. */
static void
print_codes (void)
{
  for (const struct outcome_code *c = outcome_codes; c->code; c++)
    printf ("| `%s` | %s | %s%s|\n", c->code, outcome_names[c->outcome],
            c->help, *c->help ? " " : "");
}

static void
check_file (struct findings *f, const char *path)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct scenario **list = NULL;
  struct error err = ERROR_INIT;
  size_t n = 0;

  f->files++;
  if (json_load (path, JSON_FILE, JSON_MAX_FILE, &doc, &err) < 0
      || scenario_list (doc, &list, &n, &err) < 0)
    {
      finding_error (f, path, &err);
      return;
    }
  for (size_t i = 0; i < n; i++)
    {
      check_playbook (f, path, doc, list[i], i);
      scenario_unref (list[i]);
    }
  free (list);
}

int
main (int argc, char **argv)
{
  struct buf schema = BUF_INIT (1u << 20);
  struct findings f = { 0 };
  int first = 1;

  io_open_standard ();
  if (argc == 2 && strcmp (argv[1], "--schema") == 0)
    {
      scenario_schema (&schema);
      puts (buf_str (&schema));
      buf_done (&schema);
      return findings_end (&f);
    }
  if (argc == 2 && strcmp (argv[1], "--codes") == 0)
    {
      print_codes ();
      return findings_end (&f);
    }
  if (replay_wanted (argc, argv))
    return replay_main (argc, argv);
  if (argc > 1 && strcmp (argv[1], "--json") == 0)
    {
      f.json = true;
      first++;
    }
  if (first == argc)
    {
      fputs ("Usage: hangdog scenario check FILE...\n", stderr);
      return 2;
    }
  for (int i = first; i < argc; i++)
    check_file (&f, argv[i]);
  return findings_end (&f);
}
