/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-check: checks scenario documents.  A programme of its own because
 * knowing the kinds means linking the transports, which the command line
 * does not.
 */
#include "scenarios/scenario.h"
#include "supervisor/playbooks.h"

#include "base/buf.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
check_file (const char *path)
{
  struct scenario **list = NULL;
  struct error err = ERROR_INIT;
  size_t n = 0;
  int worst = 0;

  if (scenario_load (path, &list, &n, &err) < 0)
    {
      fprintf (stderr, "hangdog: %s\n", error_text (&err));
      return 2;
    }
  for (size_t i = 0; i < n; i++)
    {
      if (playbook_check (list[i]->playbook, &err) < 0)
        {
          fprintf (stderr, "hangdog: %s: playbook: %s\n", path,
                   error_text (&err));
          worst = 2;
        }
      else
        printf ("ok %s: %s (%s)\n", path, list[i]->name, list[i]->kind->name);
      scenario_unref (list[i]);
    }
  free (list);
  return worst;
}

int
main (int argc, char **argv)
{
  struct buf schema = BUF_INIT (1u << 20);
  int worst = argc < 2 ? 2 : 0;

  if (argc == 2 && strcmp (argv[1], "--schema") == 0)
    {
      scenario_schema (&schema);
      puts (buf_str (&schema));
      buf_done (&schema);
      return 0;
    }
  for (int i = 1; i < argc; i++)
    {
      int r = check_file (argv[i]);

      if (r > worst)
        worst = r;
    }
  return worst;
}
