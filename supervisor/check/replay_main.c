/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-check --replay: the command line of a replay.
 */
#include "supervisor/check/replay.h"
#include "supervisor/conf/finding.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct trial
{
  const char *log, *file;
  struct replay_options options;
};

/* [--json] [--from STATE] --replay LOG FILE */
static bool
read_trial (int argc, char **argv, struct trial *ret)
{
  *ret = (struct trial){ .options = { .from = "talking" } };
  for (int i = 1; i < argc; i++)
    if (strcmp (argv[i], "--json") == 0)
      ret->options.json = true;
    else if (strcmp (argv[i], "--from") == 0 && i + 1 < argc)
      ret->options.from = argv[++i];
    else if (strcmp (argv[i], "--replay") == 0 && i + 1 < argc)
      ret->log = argv[++i];
    else if (!ret->file)
      ret->file = argv[i];
    else
      return false;
  return ret->log && ret->file;
}

/* 0, 3 when an incident would have begun, 2 for what can't be tried. */
static int
run_trial (const struct trial *trial)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct findings f = { .json = trial->options.json };
  struct replay_log *log = NULL;
  struct scenario **list = NULL;
  struct error err = ERROR_INIT;
  const char *of = trial->file;
  size_t n = 0;
  int rc = json_load (of, JSON_FILE, JSON_MAX_FILE, &doc, &err);

  if (rc >= 0)
    rc = scenario_list (doc, &list, &n, &err);
  if (rc >= 0)
    {
      of = trial->log;
      rc = replay_log_open (of, &log, &err);
    }
  if (rc >= 0)
    rc = replay_play (list, n, log, &trial->options, &err);
  if (rc < 0)
    {
      finding_error (&f, of, &err);
      rc = 2;
    }
  replay_log_free (log);
  for (size_t i = 0; i < n; i++)
    scenario_unref (list[i]);
  free (list);
  return io_finish_stdout (NULL) < 0 ? 1 : rc;
}

bool
replay_wanted (int argc, char **argv)
{
  for (int i = 1; i < argc; i++)
    if (strcmp (argv[i], "--replay") == 0)
      return true;
  return false;
}

int
replay_main (int argc, char **argv)
{
  struct trial trial;

  if (read_trial (argc, argv, &trial))
    return run_trial (&trial);
  fputs ("Usage: hangdog scenario test FILE --replay LOG\n", stderr);
  return 2;
}
