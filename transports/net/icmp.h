/* SPDX-License-Identifier: Apache-2.0
 *
 * ICMP echo: a few questions, and what came back of them.  An answer counts
 * when it comes from who was asked and carries the random bytes of its
 * question.
 */
#ifndef HANGDOG_TRANSPORTS_NET_ICMP_H
#define HANGDOG_TRANSPORTS_NET_ICMP_H

#include <stdint.h>

struct error;
struct net_place;

#define ICMP_MAX_COUNT 20
#define ICMP_MAX_BYTES 1400

struct icmp_check
{
  const struct net_place *at;
  const char *address;  /* numeric, without a port */
  unsigned count;       /* 1 to ICMP_MAX_COUNT */
  uint64_t interval_ms; /* between two */
  uint64_t wait_ms;     /* for the last one */
  unsigned bytes;       /* of data: 24 to ICMP_MAX_BYTES */
};

struct icmp_result
{
  unsigned sent, received;
  unsigned foreign;     /* echo replies that were none of ours */
  uint64_t least_us, mean_us, most_us; /* there and back; of those received */
  int refused;          /* an errno: what the network said; 0 = nothing */
};

/* In a job.  0 also when nothing came; < 0: not one could be sent (-ENONET,
 * -ENETUNREACH, -EHOSTUNREACH), or our own failures. */
int icmp_ask (const struct icmp_check *check, uint64_t deadline,
              struct icmp_result *ret, struct error *err);

#endif
