/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pressure.h"

#include <stdio.h>
#include <string.h>

bool
pressure_avg10 (const char *text, const char *kind, double *ret)
{
  size_t n = strlen (kind);

  for (const char *line = text; line;
       line = (line = strchr (line, '\n')) ? line + 1 : NULL)
    if (strncmp (line, kind, n) == 0
        && sscanf (line + n, " avg10=%lf", ret) == 1)
      return true;
  return false;
}
