/* SPDX-License-Identifier: Apache-2.0
 *
 * Claims to addresses, read from whoever keeps them: lease files of dnsmasq,
 * /proc/net/arp, the kernel's table of neighbours.  In a job's thread, but for
 * the texts, which are pure.  What a guest may have written (its names, its
 * claims) is bounded, and checked before it is taken.
 */
#ifndef HANGDOG_GUESTS_ADDRESS_READ_H
#define HANGDOG_GUESTS_ADDRESS_READ_H

#include "guests/address.h"

struct error;
struct opener;

/* Who reads, and of which macs it wants to know; of whom those addresses are,
 * it wants to know whoever has them. */
struct address_reading
{
  struct address_claims *out;
  const char (*macs)[ADDRESS_MAC_TEXT]; /* clean, sorted by strcmp() */
  size_t nmacs;
  const char (*ips)[ADDRESS_TEXT]; /* the same; NULL = none */
  size_t nips;
  uint64_t now_ms, wall_ms;
};
/* One finding, of whatever form; age_ms: how long it is since that was so. */
void address_found (const struct address_reading *r, enum address_from from,
                    const char *mac, const char *ip, uint64_t age_ms);
/* A lease, as long as it lives; end_s 0 = for ever, < 0 is none. */
void address_found_lease (const struct address_reading *r, const char *mac,
                          const char *ip, int64_t end_s);

/* "1763690000 52:54:00:00:00:01 192.0.2.7 name 01:52:..." by line; 0 = for
 * ever.  What has run out is no claim. */
void address_read_leases (const struct address_reading *r, const char *text,
                          size_t len);
/* libvirt's own: [{"ip-address", "mac-address", "expiry-time"}, ...] */
void address_read_status (const struct address_reading *r, const char *text,
                          size_t len);
/* /proc/net/arp, or a process's. */
void address_read_arp (const struct address_reading *r, const char *text,
                       size_t len);

/* A file of leases, or a folder of them (*.leases, *.status; of one that is
 * called *.leases itself all files).  One that is not there is none.
 * "/run/./zedrouter/x": /run is the root that is opened in; else it is the
 * folder itself, or that of the file. */
int address_read_path (const struct address_reading *r, struct opener *opener,
                       const char *path, uint64_t deadline, struct error *err);
/* Of the network namespace that we are in. */
int address_read_neighbours (const struct address_reading *r,
                             struct error *err);
/* Of that of a process, by /proc/PID/net/arp; -ESRCH when it is another by
 * now. */
int address_read_process (const struct address_reading *r, int32_t pid,
                          uint64_t start_time, struct error *err);

/* Addresses of the host itself, malloc'ed, as many as max. */
size_t address_read_own (char (*ret)[ADDRESS_TEXT], size_t max);

#endif
