/* SPDX-License-Identifier: Apache-2.0
 *
 * A libvirt domain as a struct guest.  Internal to guests/.
 */
#ifndef HANGDOG_GUESTS_VIRT_DOMAIN_H
#define HANGDOG_GUESTS_VIRT_DOMAIN_H

#include "guests/guest.h"

struct error;

/* Fills g from the domain's live XML: name, uuid, display, sizes, consoles,
 * disks, nics, labels.  `local`: ptys are of this host.  Of an inactive
 * domain only what does not need a process. */
int virt_domain_from_xml (struct guest *g, const char *xml, size_t len,
                          bool active, bool local, enum console_mode mode,
                          struct error *err);

/* run, reason, intent from virDomainGetState(). */
void virt_domain_set_state (struct guest *g, int state, int reason);

#endif
