/* SPDX-License-Identifier: Apache-2.0
 *
 * For the collector net (net_ask.c).
 */
#ifndef HANGDOG_DIAG_NET_ASK_H
#define HANGDOG_DIAG_NET_ASK_H

#include "diag/collect/collect.h"
#include "transports/net/socket.h"

/* ARP and ICMP echo; what came of them into doc. */
void net_ask_below (struct collect_ctx *ctx, const struct net_place *place,
                    struct json_object *doc);
/* For so long the headers of what passes on its first tap: net/tap.pcap. */
void net_capture (struct collect_ctx *ctx, const struct net_place *place,
                  uint64_t ms);
/* How much of a frame's first n bytes is no payload. */
size_t net_headers_len (const unsigned char *frame, size_t n);

#endif
