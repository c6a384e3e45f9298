/* SPDX-License-Identifier: Apache-2.0
 *
 * One look at what this host is short of, for an incident of its own: the
 * kernel's own pressure and what memory is left.
 */
#ifndef HANGDOG_SUPERVISOR_HOSTLOOK_H
#define HANGDOG_SUPERVISOR_HOSTLOOK_H

#include "base/fact.h"

#define HOSTLOOK_FACTS 4

/* host.psi.cpu.some, .io.full, .memory.full, host.memory.available, as far as
 * the kernel tells; returns how many.  Of /proc alone: it does not block. */
unsigned hostlook (struct fact dst[HOSTLOOK_FACTS]);

#endif
