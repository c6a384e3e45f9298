/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a fuzz target over files, where there is no libFuzzer: those named on
 * the command line (a folder stands for the files in it), else the target's
 * own corpus, $srcdir/tests/fuzz/corpus/NAME for a programme fuzz-NAME.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/stat.h>

static int
feed_file (const char *path)
{
  CLEANUP_FCLOSE FILE *f = fopen (path, "re");
  CLEANUP_FREE uint8_t *data = NULL, *exact = NULL;
  size_t len = 0, cap = 0, n = 1;

  if (!f)
    {
      perror (path);
      return -1;
    }
  while (n > 0)
    {
      if (len == cap)
        {
          uint8_t *p = realloc (data, cap = cap > 0 ? cap * 2 : 4096);

          if (!p)
            return -1;
          data = p;
        }
      n = fread (data + len, 1, cap - len, f);
      len += n;
    }
  /* No spare bytes behind it, so that reading beyond the end is seen. */
  exact = malloc (len > 0 ? len : 1);
  if (ferror (f) || !exact)
    return -1;
  memcpy (exact, data, len);
  LLVMFuzzerTestOneInput (exact, len);
  return 1;
}

/* Returns the number of files that were fed. */
static int
feed (const char *path)
{
  CLEANUP_CLOSEDIR DIR *dir = NULL;
  struct dirent *e;
  struct stat st;
  int fed = 0;

  if (stat (path, &st) < 0 || !S_ISDIR (st.st_mode))
    return feed_file (path);
  dir = opendir (path);
  if (!dir)
    return -1;
  while ((e = readdir (dir)))
    {
      char name[4096];
      int r;

      if (e->d_name[0] == '.')
        continue;
      snprintf (name, sizeof name, "%s/%s", path, e->d_name);
      r = feed_file (name);
      if (r < 0)
        return r;
      fed += r;
    }
  return fed;
}

int
main (int argc, char **argv)
{
  const char *srcdir = getenv ("srcdir"), *name = strrchr (argv[0], '/');
  char corpus[4096];
  int fed = 0;

  name = name ? name + 1 : argv[0];
  name = strncmp (name, "lt-", 3) == 0 ? name + 3 : name;
  if (argc < 2)
    {
      snprintf (corpus, sizeof corpus, "%s/tests/fuzz/corpus/%s",
                srcdir ? srcdir : ".",
                strncmp (name, "fuzz-", 5) == 0 ? name + 5 : name);
      fed = feed (corpus);
    }
  for (int i = 1; i < argc && fed >= 0; i++)
    {
      int r = feed (argv[i]);

      fed = r < 0 ? r : fed + r;
    }
  if (fed > 0)
    printf ("%d inputs\n", fed);
  else
    fprintf (stderr, "%s: no input: name files or a corpus folder\n", name);
  return fed > 0 ? 0 : 1;
}
