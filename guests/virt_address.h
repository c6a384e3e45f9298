/* SPDX-License-Identifier: Apache-2.0
 *
 * What libvirt knows of guests' addresses.  There twice: see virt_rooms.h.
 */
#ifndef HANGDOG_GUESTS_VIRT_ADDRESS_H
#define HANGDOG_GUESTS_VIRT_ADDRESS_H

#include "guests/address_read.h"

struct job;

/* The leases of all its networks, and what its host has overheard (ARP) of
 * these guests.  In a job; no call that waits for a QEMU. */
int virt_addresses (const char *uri, const char (*uuids)[UUID_TEXT], size_t n,
                    const struct job *job, const struct address_reading *r,
                    struct error *err);

#endif
