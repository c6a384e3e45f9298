/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of sources: to add one, add one line.
 */
#include "config.h"

#include "guests/source.h"

#include <string.h>

const struct guest_source_ops *const guest_sources[] = {
  &guest_source_rundir,
  &guest_source_libvirt,
  NULL,
};

const struct guest_source_ops *
guest_source_find (const char *kind)
{
  for (unsigned i = 0; guest_sources[i]; i++)
    if (strcmp (guest_sources[i]->name, kind) == 0)
      return guest_sources[i];
  return NULL;
}
