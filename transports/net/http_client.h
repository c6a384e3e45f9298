/* SPDX-License-Identifier: Apache-2.0
 *
 * The side of hangdog-net that knows libcurl.
 */
#ifndef HANGDOG_TRANSPORTS_NET_HTTP_CLIENT_H
#define HANGDOG_TRANSPORTS_NET_HTTP_CLIENT_H

#include "transports/net/http.h"

struct http_client;

/* NULL without memory. */
struct http_client *http_client_new (void);
void http_client_free (struct http_client *c);
/* Asks over fd, which is connected, and is closed in every case.  Sets ret in
 * every case; its buffers are the caller's, empty and bounded. */
void http_client_ask (struct http_client *c, const struct http_ask *ask,
                      int fd, uint64_t deadline, struct http_result *ret);

#endif
