/* SPDX-License-Identifier: Apache-2.0
 *
 * One question over HTTP or HTTPS.
 *
 * libcurl is in a process of its own, hangdog-net: it gets a socket that is
 * connected already, in whatever network namespace, looks up no names, follows
 * nothing, and is killed when its time is over.  It reads no file but those of
 * its question.  One that answered well is kept for the same guest's next
 * question, for the server may have taken it over: starting one, with libcurl's
 * libraries and the host's certificates, costs more than asking.  One that was
 * shown a secret is not kept.
 *
 * Secrets and certificates are in one folder; who asks names files in it, and
 * no paths, as in ssh/ssh.h.
 */
#ifndef HANGDOG_TRANSPORTS_NET_HTTP_H
#define HANGDOG_TRANSPORTS_NET_HTTP_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct http_pool;
struct net_place;

#define HTTP_BODY_MAX (64u << 10)
#define HTTP_HEAD_MAX (32u << 10)
#define HTTP_MAX_HEADERS 8

struct http_ask
{
  const struct net_place *at;
  const char *guest;   /* whose it is: uuid; NULL = nobody's */
  const char *address; /* numeric, with a port: who is asked */
  bool tls;
  const char *host;    /* in the URL and the certificate: a name or an address,
                          with brackets where that is IPv6 */
  unsigned port;       /* in the URL */
  const char *path;    /* with its question mark and what is behind it */
  const char *method;  /* "GET", "HEAD", "POST" */
  const char *body;    /* of a POST; NULL = empty */
  char *const *headers;
  size_t nheaders;
  bool insecure;          /* whoever answers will do */
  const char *dir;        /* the folder */
  const char *ca;         /* a name in it; NULL = the host's authorities */
  const char *bearer;     /* a name in it */
  const char *user, *password; /* password: a name in it */
};

enum http_end
{
  HTTP_END_OK,         /* there is a status */
  HTTP_END_NO_NETNS,
  HTTP_END_NO_ROUTE,
  HTTP_END_UNREACHABLE,
  HTTP_END_REFUSED,
  HTTP_END_TIMEOUT,    /* nobody answered the connection */
  HTTP_END_SILENT,     /* connected, and then not a word */
  HTTP_END_ENDLESS,    /* began to answer, and did not come to an end */
  HTTP_END_RESET,      /* it hung up */
  HTTP_END_PROTOCOL,   /* what answers is no HTTP, or has no end of headers */
  HTTP_END_TLS,        /* no TLS, or not who it must be */
  HTTP_END_EXPIRED,    /* its certificate is too old */
  HTTP_END_UNUSABLE,   /* our side: a file in the folder */
  HTTP_END_STUCK,      /* our side: the helper had to be killed */
  HTTP_END_MAX,
};

struct http_result
{
  enum http_end end;
  unsigned status;
  char redirect[1024];  /* where to, as a whole URL; "" = nowhere */
  bool cut;             /* the body went on */
  int64_t expires;      /* the certificate, seconds since the epoch; 0 = none */
  uint64_t connect_ms, took_ms;
  char detail[256];     /* for people; not escaped */
  struct buf headers;   /* lines as they came, the status line first */
  struct buf body;
};

void http_result_done (struct http_result *r);

/* A thread at a time or many.  libexec stays the caller's. */
int http_pool_new (const char *libexec, struct http_pool **ret,
                   struct error *err);
/* When nobody asks any more. */
void http_pool_free (struct http_pool *pool);
/* Of helpers that wait for a question, and of questions for one helper. */
#define HTTP_POOL_IDLE 4
#define HTTP_POOL_IDLE_MS 60000u
#define HTTP_POOL_QUESTIONS 1000u

/* Blocking, for jobs; back at the deadline.  < 0 only for failures of our own,
 * -ENOEXEC: there is no such helper.  http_result_done() it after success. */
int http_run (struct http_pool *pool, const struct http_ask *ask,
              uint64_t deadline, struct http_result *ret, struct error *err);

#endif
