/* SPDX-License-Identifier: Apache-2.0
 *
 * What libvirt can say of a guest without a raw monitor command.
 */
#ifndef HANGDOG_TRANSPORTS_MONITOR_LIBVIRT_H
#define HANGDOG_TRANSPORTS_MONITOR_LIBVIRT_H

#include "transports/monitor/monitor.h"

/* The typed ways behind monitor_status() and monitor_blockstats(). */
int monitor_libvirt_status (const struct guest *g, uint64_t deadline,
                            enum monitor_health *ret_health, char *ret_status,
                            size_t n, struct error *err);
int monitor_libvirt_blockstats (const struct guest *g, uint64_t deadline,
                                struct json_object **ret, struct error *err);

#endif
