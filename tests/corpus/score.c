/* SPDX-License-Identifier: Apache-2.0
 *
 * score [-v] [-s SEED] [-r ROUNDS] labels|quiet|chunks|satyr|captures FOLDER...
 *
 * Measures kernel/text with texts that others have collected.  Prints a table;
 * -v also prints each miss, tab separated.  Exit 1 when something that was
 * promised is not held, 2 when it could not be measured.
 */
#include "tests/corpus/corpus.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <string.h>

struct task
{
  const char *name;
  int (*run) (const struct measure *m, const char *folder, unsigned rounds,
              struct error *err);
};

static int
labels (const struct measure *m, const char *folder, unsigned rounds,
        struct error *err)
{
  struct samples s;
  int r = samples_load (folder, true, &s, err);

  if (r < 0)
    return r;
  r = measure_labels (m, &s, err);
  samples_done (&s);
  return r;
}

static int
quiet (const struct measure *m, const char *folder, unsigned rounds,
       struct error *err)
{
  struct samples s;
  int r = samples_load (folder, true, &s, err);

  if (r < 0)
    return r;
  r = measure_quiet (m, &s, err);
  samples_done (&s);
  return r;
}

static int
chunks (const struct measure *m, const char *folder, unsigned rounds,
        struct error *err)
{
  struct samples s;
  int r = samples_load (folder, true, &s, err);

  if (r < 0)
    return r;
  r = measure_chunks (m, &s, "labelled logs, cut anywhere", rounds, err);
  samples_done (&s);
  return r;
}

static int
satyr (const struct measure *m, const char *folder, unsigned rounds,
       struct error *err)
{
  char path[4096];
  struct samples s;
  int r;

  snprintf (path, sizeof (path), "%s/kerneloopses", folder);
  r = samples_load (path, false, &s, err);
  if (r < 0)
    return r;
  snprintf (path, sizeof (path), "%s/expected.tsv", folder);
  r = measure_satyr (m, &s, path, err);
  if (r == 0)
    r = measure_chunks (m, &s, "oopses, cut anywhere", rounds, err);
  samples_done (&s);
  return r;
}

static int
captures (const struct measure *m, const char *folder, unsigned rounds,
          struct error *err)
{
  return measure_captures (m, folder, err);
}

static const struct task tasks[] = { { "labels", labels },
                                     { "quiet", quiet },
                                     { "chunks", chunks },
                                     { "satyr", satyr },
                                     { "captures", captures } };

static int
usage (void)
{
  fputs ("usage: score [-v] [-s SEED] [-r ROUNDS] "
         "labels|quiet|chunks|satyr|captures FOLDER\n",
         stderr);
  return 2;
}

int
main (int argc, char **argv)
{
  struct measure m = { .seed = 1 };
  struct text_rules *rules;
  struct error err = ERROR_INIT;
  unsigned rounds = 4;
  int opt, r;

  while ((opt = getopt (argc, argv, "vs:r:")) != -1)
    if (opt == 'v')
      m.verbose = true;
    else if (opt == 's')
      m.seed = strtoull (optarg, NULL, 0);
    else if (opt == 'r')
      rounds = (unsigned) strtoul (optarg, NULL, 0);
    else
      return usage ();
  if (argc - optind != 2)
    return usage ();
  if (text_rules_new (&rules, &err) < 0)
    {
      fprintf (stderr, "score: %s\n", error_text (&err));
      return 2;
    }
  m.rules = rules;
  r = -1;
  for (unsigned i = 0; i < ARRAY_LEN (tasks); i++)
    if (strcmp (tasks[i].name, argv[optind]) == 0)
      r = tasks[i].run (&m, argv[optind + 1], rounds, &err);
  text_rules_free (rules);
  if (r < 0)
    {
      fprintf (stderr, "score: %s\n",
               err.code ? error_text (&err) : "no such measurement");
      return 2;
    }
  return r > 0;
}
