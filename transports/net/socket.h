/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets of the network namespace in which a guest is reached.
 *
 * The daemon is in the host's, and has no rights.  A plain socket of the
 * host's it makes itself; others its opener makes (OPEN_SOCKET), and a socket
 * stays in its namespace whoever has it.
 */
#ifndef HANGDOG_TRANSPORTS_NET_SOCKET_H
#define HANGDOG_TRANSPORTS_NET_SOCKET_H

#include "base/opener.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct doctor_report;
struct error;
struct guest;
struct transport_env;

/* In which namespace, and who opens there.  All zero: the host's, plain
 * sockets only. */
struct net_place
{
  const char *netns;     /* NULL = the host's; a name in OPEN_NETNS_DIR; or
                            NET_GUEST */
  int32_t pid;           /* of NET_GUEST: the process that runs the guest */
  uint64_t start;
  struct opener *opener; /* NULL: none */
};
#define NET_GUEST "guest"

/* netns NULL = the host's. */
struct net_place net_place (struct opener *opener, const char *netns,
                            const struct guest *g);
/* May be the name of a namespace. */
bool net_name_ok (const char *name);

/* In a job; non-blocking socket.  at NULL: all zero.  ifname: of OPEN_SOCKET_ARP.  -ENONET: there
 * is no such namespace now, or no right to go there; another error is of the
 * socket. */
int net_socket (const struct net_place *at, enum open_socket what, bool six,
                const char *ifname, uint64_t deadline, int *ret_fd,
                struct error *err);

/* A numeric address without a port into *ret, the port being 0. */
int net_address (const char *text, struct sockaddr_storage *ret,
                 socklen_t *ret_len, struct error *err);
/* With one: "127.0.0.1:22", "[::1]:80". */
int net_address_port (const char *text, struct sockaddr_storage *ret,
                      socklen_t *ret_len, struct error *err);

/* The member `doctor` of those that need no more than the network: tcp.c says
 * what is known of it. */
void net_doctor (const struct transport_env *env, const struct guest *g,
                 struct doctor_report *r, uint64_t deadline);

#endif
