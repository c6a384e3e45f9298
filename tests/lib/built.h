/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the programmes are that a test runs: in the build folder, which holds
 * tests/ with the test's own programme.
 */
#ifndef HANGDOG_TESTS_BUILT_H
#define HANGDOG_TESTS_BUILT_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "hangdog-writer", "tests/fakes/fake-qmp".  HANGDOG_LIBEXEC names another
 * folder, such as an installed one. */
static inline const char *
built_path (char dst[PATH_MAX], const char *name)
{
  const char *env = getenv ("HANGDOG_LIBEXEC");
  char dir[PATH_MAX - 64] = "";

  if (env && strncmp (name, "hangdog", 7) == 0)
    snprintf (dir, sizeof dir, "%s", env);
  else if (readlink ("/proc/self/exe", dir, sizeof dir - 1) > 0)
    {
      char *last = NULL;

      /* The last one: a folder above may be called tests, too. */
      for (char *p = dir; (p = strstr (p, "/tests/")); p++)
        last = p;
      if (last)
        *last = '\0';
    }
  snprintf (dst, PATH_MAX, "%s/%s", dir, name);
  return dst;
}

#endif
