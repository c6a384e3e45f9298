/* SPDX-License-Identifier: Apache-2.0
 *
 * One question to a DNS server, by UDP, and by TCP where the answer does not
 * fit; and the packets of both, which come from a stranger.
 *
 * An answer is taken only from the address and port that was asked, with the
 * random number of the question and the question itself in it.
 */
#ifndef HANGDOG_TRANSPORTS_NET_DNS_H
#define HANGDOG_TRANSPORTS_NET_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;
struct net_place;

/* In the order of dns_type_names. */
enum dns_type
{
  DNS_A,
  DNS_AAAA,
  DNS_CNAME,
  DNS_NS,
  DNS_PTR,
  DNS_SOA,
  DNS_SRV,
  DNS_TXT,
  DNS_TYPE_MAX,
};
extern const char *const dns_type_names[];  /* ends with NULL */
/* "noerror", "formerr", ...: by number. */
extern const char *const dns_rcode_names[]; /* ends with NULL */
#define DNS_RCODE_MAX 11
const char *dns_rcode_name (unsigned rcode);

#define DNS_QUESTION_MAX 300 /* of bytes */
#define DNS_TEXT_MAX 8192

/* May be asked for: labels of 1 to 63 bytes that can be seen, 253 in all, with
 * or without a dot at the end; "." is the root. */
bool dns_name_ok (const char *name);

/* Bytes written to dst. */
size_t dns_encode (const char *name, enum dns_type type, uint16_t id,
                   unsigned char dst[DNS_QUESTION_MAX]);

struct dns_answer
{
  unsigned rcode;
  bool truncated;
  unsigned count; /* of its answers that could be read, of whatever type */
  /* One line for each: "app.example. 60 A 192.0.2.7"; what can't be seen is
   * escaped as in zone files; the caller's, DNS_TEXT_MAX. */
  struct buf *text;
};

/* 0; -ENOMSG: it is no answer to that question, -EBADMSG: it is one, and its
 * bytes make no sense. */
int dns_decode (const unsigned char *packet, size_t len,
                const unsigned char *question, size_t question_len,
                struct dns_answer *ret, struct error *err);

struct dns_check
{
  const struct net_place *at;
  const char *address; /* numeric, with a port */
  const char *name;
  enum dns_type type;
};

struct dns_result
{
  struct dns_answer answer; /* text: the caller's */
  bool tcp;
  uint64_t took_us;
};

/* In a job.  -ECONNREFUSED, -EHOSTUNREACH, -ETIMEDOUT, -EBADMSG,
 * -ECONNRESET: in TCP. */
int dns_ask (const struct dns_check *check, uint64_t deadline,
             struct dns_result *ret, struct error *err);

#endif
