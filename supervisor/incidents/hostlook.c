/* SPDX-License-Identifier: Apache-2.0
 *
 * One look at what this host is short of.
 */
#include "supervisor/incidents/hostlook.h"

#include "base/cleanup.h"
#include "base/pressure.h"

#include <stdio.h>

static bool
pressure (const char *path, const char *kind, double *ret)
{
  FILE *f CLEANUP_FCLOSE = fopen (path, "re");
  char text[256];

  if (!f)
    return false;
  text[fread (text, 1, sizeof (text) - 1, f)] = '\0';
  return pressure_avg10 (text, kind, ret);
}

static bool
memory_left (double *ret)
{
  FILE *f CLEANUP_FCLOSE = fopen ("/proc/meminfo", "re");
  unsigned long long total = 0, available = 0, v;
  char line[256];
  bool told = false;

  while (f && fgets (line, sizeof (line), f))
    if (sscanf (line, "MemTotal: %llu", &v) == 1)
      total = v;
    else if (sscanf (line, "MemAvailable: %llu", &v) == 1)
      {
        available = v;
        told = true;
      }
  if (!told || total == 0)
    return false;
  *ret = (double) available / (double) total;
  return true;
}

unsigned
hostlook (struct fact dst[HOSTLOOK_FACTS])
{
  static const struct
  {
    const char *name, *path, *kind;
  } all[] = {
    { "host.psi.memory.full", "/proc/pressure/memory", "full" },
    { "host.psi.cpu.some", "/proc/pressure/cpu", "some" },
    { "host.psi.io.full", "/proc/pressure/io", "full" },
  };
  unsigned n = 0;
  double v;

  for (size_t i = 0; i < ARRAY_LEN (all); i++)
    if (pressure (all[i].path, all[i].kind, &v))
      fact_real (&dst[n++], NULL, all[i].name, "host", v);
  if (memory_left (&v))
    fact_real (&dst[n++], NULL, "host.memory.available", "host", v);
  return n;
}
