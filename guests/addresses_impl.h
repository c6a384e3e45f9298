/* SPDX-License-Identifier: Apache-2.0
 *
 * The two halves of addresses: the loop's (addresses.c), and the job that
 * looks (addresses_look.c).  Internal to guests/.
 */
#ifndef HANGDOG_GUESTS_ADDRESSES_IMPL_H
#define HANGDOG_GUESTS_ADDRESSES_IMPL_H

#include "base/error.h"
#include "guests/address_read.h"

struct addresses;
struct job;

#define ADDRESSES_MAX_OWN 256u
#define ADDRESSES_MAX_ASKED 64u

/* A process, and whether its network is another than ours. */
struct addresses_place
{
  int32_t pid;
  uint64_t start_time;
  bool known, foreign;
};

/* One look.  The job owns it while it runs. */
struct addresses_look
{
  struct addresses *owner; /* the loop's */

  /* in */
  char uri[256]; /* "": the host itself; else that libvirt */
  struct opener *opener;
  char **paths;
  size_t npaths;
  char (*macs)[ADDRESS_MAC_TEXT]; /* sorted */
  size_t nmacs;
  struct addresses_place *places; /* of the host; in and out */
  size_t nplaces;
  char (*ips)[ADDRESS_TEXT]; /* sorted: are they somebody's? */
  size_t nips;
  char (*asked)[UUID_TEXT]; /* of libvirt: nobody knows theirs */
  size_t nasked;

  /* out */
  struct address_claims claims;
  bool leases_known; /* claims has all leases that there are */
  char (*own)[ADDRESS_TEXT];
  size_t nown;
  struct error why;
};
/* Room for the macs, places and asked of so many; NULL without memory. */
struct addresses_look *addresses_look_new (size_t nguests);
void addresses_look_free (void *look);
int addresses_look_run (struct job *job, void *look);

#endif
