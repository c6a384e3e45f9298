/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the transfer of an upload and the judgement of its end.
 */
#ifndef HANGDOG_PROTO_SINK_HTTP_IMPL_H
#define HANGDOG_PROTO_SINK_HTTP_IMPL_H

#include "base/buf.h"
#include "controller-proto/ship.h"

#include <curl/curl.h>

#define HTTP_MAX_BODY (16u << 10)
#define HTTP_MAX_HEADERS (64u << 10)

struct transfer
{
  const struct sink_config *cfg;
  const struct ship_item *item;
  uint64_t at; /* next byte to send */
  int read_errno;
  struct buf answer; /* the beginning of the body, for the message */
  size_t answered, headers;
  uint64_t sent_ms; /* clock when all was sent, 0 before */
  uint64_t patience_ms;
  uint64_t timeout_ms;
  char detail[CURL_ERROR_SIZE];
};

/* What the end of a transfer means, in words that say what mends it. */
enum ship_end http_end (CURL *c, CURLcode code, const struct transfer *t,
                        uint64_t *ret_retry_after_ms, struct error *err);

#endif
