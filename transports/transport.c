/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of transports: to add one, add one line.
 */
#include "transports/transport.h"

const struct transport_ops *const transports[] = {
  &transport_console,
  &transport_monitor,
  &transport_tcp,
  &transport_memory,
  &transport_ssh,
  NULL,
};
