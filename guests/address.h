/* SPDX-License-Identifier: Apache-2.0
 *
 * Which address a guest has: the choice among what several say.  Pure.
 *
 * A guest says itself, by ARP or DHCP, which address it has, and may lie.  So
 * an address that two guests claim is used for neither: whoever asks there
 * could be answered by the other one.  A claim need not be the best one of its
 * guest for that: the host has talked to that guest there.  What its agent says
 * is believed where the host knows nothing of that address, and spoils nobody
 * else's.
 */
#ifndef HANGDOG_GUESTS_ADDRESS_H
#define HANGDOG_GUESTS_ADDRESS_H

#include "guests/guest.h"

#define ADDRESS_TEXT 46
#define ADDRESS_MAC_TEXT 18

/* In the order in which they are believed. */
enum address_from
{
  ADDRESS_EVE,       /* the source of the guest, of all there are */
  ADDRESS_LABEL,     /* its owner wrote it into its labels: "address" */
  ADDRESS_LEASE,     /* whoever gave it to the guest */
  ADDRESS_NEIGHBOUR, /* the host has talked to it there */
  ADDRESS_ARP,       /* libvirt's word for the same, of its own host */
  ADDRESS_AGENT,     /* the guest's own word: nobody on the host knows it */
  ADDRESS_FROM_MAX,
};
extern const char *const address_from_names[];
/* It is the source's own word, and comes with each snapshot. */
bool address_of_source (const char *ip_from);

/* text in its one spelling, if it is a numeric address that a guest may have:
 * not loopback, multicast, link-local (which is none without a zone), nobody's
 * and everybody's.  dst stays as it is on false; text may be NULL. */
bool address_clean (char dst[ADDRESS_TEXT], const char *text);
/* Six bytes in hexadecimal, by colons, which is not zero nor a group's. */
bool address_clean_mac (char dst[ADDRESS_MAC_TEXT], const char *text);
bool address_is_six (const char *ip);

/* Somebody says that who has this mac has this address. */
struct address_claim
{
  char mac[ADDRESS_MAC_TEXT], ip[ADDRESS_TEXT]; /* both clean */
  enum address_from from;
  uint64_t seen_ms; /* when that was last so; on the scale of now_ms */
  uint64_t until_s; /* of a lease: when it ends, on the wall's scale */
};
#define ADDRESS_FOR_EVER LEASE_FOR_EVER

/* What was only overheard for so long does not stand against what is so now. */
#define ADDRESS_OLD_MS (10u * 60 * 1000)
/* And is not worth keeping after that. */
#define ADDRESS_KEPT_MS (60u * 60 * 1000)

/* All that is claimed; grows as far as max. */
struct address_claims
{
  struct address_claim *list;
  size_t n, cap;
  uint64_t dropped;
};
#define ADDRESS_MAX_CLAIMS 16384u
#define ADDRESS_MAX_OF_MAC 16u
void address_claim_add (struct address_claims *all,
                        const struct address_claim *claim);
/* Those that say the same become one, seen when the latest was; too old ones
 * go, and of one mac what is beyond the bound. */
void address_claims_tidy (struct address_claims *all, uint64_t now_ms);
void address_claims_done (struct address_claims *all);

/* One nic whose addresses are to be chosen. */
struct address_nic
{
  unsigned guest;        /* a number: other nics of it are no others */
  struct guest_nic *nic; /* in: mac, and what its source says; out: ip, ip2,
                            ip_from, refused */
  const char *label;     /* the owner's word, NULL = none */
};
/* Of all nics of all guests at once.  claims is sorted by this; own: addresses
 * of the host itself, which no guest has. */
void address_choose (struct address_nic *nics, size_t n,
                     struct address_claims *claims, const char *const *own,
                     size_t nown, uint64_t now_ms);

/* The members ip, ip2, ip_from and refused, and those of the lease. */
void address_copy (struct guest_nic *dst, const struct guest_nic *src);
/* Of each of g's nics, where one of these is the same. */
void address_put (struct guest *g, const struct guest_nic *nics, unsigned n);
/* What is known of them in was, an earlier snapshot of the same process, and
 * g's source did not say. */
void address_follow (const struct guest *was, struct guest *g);

#endif
