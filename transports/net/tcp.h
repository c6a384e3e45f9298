/* SPDX-License-Identifier: Apache-2.0
 *
 * A TCP check: connect, optionally send, optionally expect.  In a job's
 * thread.  `address` is numeric ("127.0.0.1:22", "[::1]:80"): names are the
 * dns check's business.
 */
#ifndef HANGDOG_TRANSPORTS_TCP_H
#define HANGDOG_TRANSPORTS_TCP_H

#include "transports/ask.h"

#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;
struct net_place;

struct tcp_check
{
  const struct net_place *at; /* net/socket.h; NULL = plain, the host's */
  const char *address;
  const char *send;        /* may be NULL */
  const char *expect;      /* PCRE2, may be NULL: the connection is enough */
  size_t max_bytes;        /* of the answer, default 4096 */
};

struct tcp_result
{
  uint64_t connect_ms, answer_ms;
  struct buf *answer;      /* raw bytes, caller's; may be NULL.  Gets what
                              came also when the check failed */
};

/* 0; -ECONNREFUSED, -EHOSTUNREACH, -ETIMEDOUT (err says at which stage),
 * -ENOMSG answered, but something else, -E2BIG with what is too hard to
 * match, -ENONET: the network namespace can't be had. */
int tcp_check (const struct tcp_check *check, uint64_t deadline,
               struct tcp_result *ret, struct error *err);

/* The first half of it: a connected socket, non-blocking.  Fails as above. */
int tcp_connect (const struct net_place *at, const char *address,
                 uint64_t deadline, int *ret_fd, struct error *err);
/* What such a failure means; ASK_MAX: it is our own. */
enum ask_end tcp_connect_end (int rc);
/* Waits for poll()'s events; -ETIMEDOUT says "timed out STAGE". */
int tcp_wait (int fd, short events, uint64_t deadline, const char *stage,
              struct error *err);

#endif
