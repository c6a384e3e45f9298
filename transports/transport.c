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
  &transport_ssh,
  &transport_acpi,
  &transport_agent,
  &transport_exec,
  &transport_http,
  &transport_icmp,
  &transport_dns,
  &transport_arp,
  NULL,
};

const struct transport_ops *
transport_find (const char *name)
{
  const struct transport_ops *const *t = transports;

  while (*t && strcmp ((*t)->name, name) != 0)
    t++;
  return *t;
}
