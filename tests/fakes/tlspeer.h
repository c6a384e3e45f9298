/* SPDX-License-Identifier: Apache-2.0
 *
 * A controller over TLS that misbehaves as told, certificates for it, and an
 * HTTP proxy in front of it: threads of the test, on loopback.
 */
#ifndef HANGDOG_FAKES_TLSPEER_H
#define HANGDOG_FAKES_TLSPEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ca;
struct tlspeer;
struct tlsproxy;

/* ---- certificates ---- */

/* Makes an authority and writes NAME.pem into dir. */
struct ca *ca_new (const char *dir, const char *name);
void ca_free (struct ca *ca);
/* DIR/NAME.pem and, mode 0600, DIR/NAME.key, signed by ca, for subject
 * (subjectAltName: a host name or an address), from days_from to days_to
 * relative to today.  */
void ca_issue (struct ca *ca, const char *dir, const char *name,
               const char *subject, int days_from, int days_to);

/* ---- the peer ---- */

enum peer_then
{
  PEER_ANSWER,      /* reads all, says reply */
  PEER_CUT,         /* closes in the middle of the body */
  PEER_HEADERS,     /* reads all, then headers without end */
  PEER_BODY,        /* reads all, says reply, then a body without end */
  PEER_SILENT,      /* reads all, and says nothing for a while */
};

struct peer_plan
{
  const char *cert;      /* path without ending; NULL = speaks no TLS,
                            and answers the greeting with 400 */
  const char *client_ca; /* path of a PEM: a client certificate is wanted */
  int max_version;       /* 0, or TLS1_1_VERSION */
  enum peer_then then;
  const char *reply;     /* NULL = 201 */
};

struct peer_saw
{
  unsigned connections, requests; /* requests: with their whole body */
  int version;                    /* of TLS */
  char head[4096];
  char digest[65];                /* of the last whole body */
  char client[64];                /* common name of its certificate */
};

struct tlspeer *tlspeer_new (void);
void tlspeer_free (struct tlspeer *p);
unsigned tlspeer_port (const struct tlspeer *p);
/* From the next connection on. */
void tlspeer_plan (struct tlspeer *p, const struct peer_plan *plan);
void tlspeer_saw (struct tlspeer *p, struct peer_saw *ret);

/* ---- the proxy ---- */

/* refusal NULL = CONNECT is done, to the port it names on loopback. */
struct tlsproxy *tlsproxy_new (const char *refusal);
void tlsproxy_free (struct tlsproxy *x);
unsigned tlsproxy_port (const struct tlsproxy *x);
/* What came before the tunnel stood, of all connections; their number. */
unsigned tlsproxy_saw (struct tlsproxy *x, char *dst, size_t cap);

#endif
