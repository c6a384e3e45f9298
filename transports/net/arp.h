/* SPDX-License-Identifier: Apache-2.0
 *
 * ARP: who has the guest's address, asked on the interface that it is on.
 *
 * It is asked as a host does that has no address yet (RFC 5227): nobody notes
 * down anything of who asked.
 */
#ifndef HANGDOG_TRANSPORTS_NET_ARP_H
#define HANGDOG_TRANSPORTS_NET_ARP_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct guest;
struct net_place;

struct arp_check
{
  const struct net_place *at;
  const char *ifname;
  const char *address;       /* IPv4 */
  const struct guest *guest; /* whose interfaces may have it */
};

struct arp_result
{
  bool own, foreign; /* one of its interfaces answered; another did */
  char own_mac[18], foreign_mac[18];
  uint64_t took_us; /* the first answer, of whoever it was */
};

/* In a job.  0 also when nobody answered; -ENETDOWN: the interface is down,
 * -ENODEV: there is none of that name. */
int arp_ask (const struct arp_check *check, uint64_t deadline,
             struct arp_result *ret, struct error *err);

#endif
