/* SPDX-License-Identifier: Apache-2.0
 *
 * libvirt's lists of values.
 */
#ifndef HANGDOG_TRANSPORTS_MONITOR_LIBVIRT_PARAMS_H
#define HANGDOG_TRANSPORTS_MONITOR_LIBVIRT_PARAMS_H

#include <json-c/json.h>
#include <libvirt/libvirt.h>

/* An object of their names; what is too much is left out. */
struct json_object *monitor_params_json_ (const virTypedParameter *params,
                                          int n);
/* What its owner lets a disk do: those values, and "throttled", "crawls" (as
 * in monitor_disk_bounds_()).  NULL: not told. */
struct json_object *monitor_io_tune_ (virDomainPtr dom, const char *disk);

#endif
