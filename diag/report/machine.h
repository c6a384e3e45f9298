/* SPDX-License-Identifier: Apache-2.0
 *
 * What machine a guest is, and on what host: a line each, for whoever opens
 * the bundle elsewhere.  Pure.
 */
#ifndef HANGDOG_DIAG_REPORT_MACHINE_H
#define HANGDOG_DIAG_REPORT_MACHINE_H

#include <json-c/json.h>

struct buf;

/* "2 CPUs (host), 256 MiB, pc-q35-7.2, kvm, QEMU 7.2.22, kernel 6.1.0-13" as
 * far as the `guest` and the `facts` of a manifest, or of what will be it,
 * know; not escaped; "" = nothing. */
void machine_guest (struct json_object *manifest, struct buf *out);
/* The same of its `host`. */
void machine_host (struct json_object *manifest, struct buf *out);

#endif
