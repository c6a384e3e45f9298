/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of transports: to add one, add one line.
 */
#include "transports/transport.h"

#include <string.h>

const struct transport_ops *const transports[] = {
  &transport_console,
  &transport_monitor,
  &transport_tcp,
  &transport_memory,
  NULL,
};

const struct transport_ops *
transport_find (const char *name)
{
  for (unsigned i = 0; transports[i]; i++)
    if (strcmp (transports[i]->name, name) == 0)
      return transports[i];
  return NULL;
}
