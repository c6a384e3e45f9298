/* SPDX-License-Identifier: Apache-2.0
 *
 * A probe failed: is the guest meant to run at all?  A run directory does not
 * say when somebody stopped its guest over the monitor, so that is asked
 * before a failure counts.  A guest that answers is never asked.
 */
#ifndef HANGDOG_SUPERVISOR_MEANT_H
#define HANGDOG_SUPERVISOR_MEANT_H

#include "guests/guest.h"

#include <stdbool.h>

struct daemon;
struct error;

/* Not: its QEMU was stopped by a signal or a debugger.  No tool of an owner's
 * does that, and the guest is as dead as any. */
bool guest_paused_by_owner (const struct guest *g);

/* status: what QEMU says of itself when stopped is true ("paused"), else what
 * is known.  On the loop, once. */
#define LIBVIRT_SILENT "libvirt does not answer"
typedef void meant_fn (bool stopped, const char *status, void *arg);

/* Over a libvirt that does not answer a guest can't either: that is told as
 * stopped, too, with the status LIBVIRT_SILENT.  Only where the console comes
 * through libvirt.  Negative when there is nobody to ask: then fn is not
 * called. */
int meant_ask (struct daemon *d, const struct guest *g, meant_fn *fn,
               void *arg, struct error *err);

#endif
