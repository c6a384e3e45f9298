/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's socket diagnosis of unix sockets.  Unprivileged, and only
 * within one network namespace: what is in another one is not found.
 */
#ifndef HANGDOG_TRANSPORTS_SOCKDIAG_H
#define HANGDOG_TRANSPORTS_SOCKDIAG_H

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOCKDIAG_BYTES 32768 /* one message of an answer */
#define WAITING_MOST 16 /* a queue is as long as its backlog: 1 with QEMU */

struct sockdiag_answer
{
  uint32_t ino;
  uint8_t state;
  bool has_peer, has_vfs;
  bool gone; /* its client has closed it, and who accepted it has not looked */
  uint32_t peer, queued;
  struct unix_diag_vfs vfs;
  unsigned nwaiting;
  uint32_t waiting[WAITING_MOST];
};
typedef void sockdiag_fn (const struct sockdiag_answer *a, void *arg);

/* A descriptor to ask by; SOCK_NONBLOCK or 0. */
int sockdiag_open (int flags);
/* ino 0 asks for all sockets in one of the states. */
int sockdiag_ask (int fd, uint32_t ino, uint32_t states, uint32_t show);
/* Hands each socket of one received message to fn.  1: more comes, 0: that
 * was all, < 0: the kernel refused. */
int sockdiag_parse (const void *data, size_t len, sockdiag_fn *fn, void *arg);
/* All three; blocking, though the kernel answers at once. */
int sockdiag_query (uint32_t ino, uint32_t states, uint32_t show,
                    sockdiag_fn *fn, void *arg);

#endif
