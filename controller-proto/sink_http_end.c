/* SPDX-License-Identifier: Apache-2.0
 *
 * How an upload ended: what becomes of the item, and one sentence about what
 * was wrong and what mends it.
 *
 * Nothing but an answer of the controller parks an item.  All else (names,
 * certificates, proxies, links) says nothing about it: it stays in the spool
 * and goes when that is mended.
 */
#include "config.h"

#ifdef WITH_CURL

#include "controller-proto/sink_http_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <inttypes.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#define RETRY_AFTER_MAX_MS (60u * 60 * 1000)
#define WHERE_MAX 160

/* "https://host:port": the url without its path. */
static const char *
where (const struct transfer *t, char dst[WHERE_MAX])
{
  const char *url = t->cfg->url, *host = strstr (url, "://");
  size_t n = host ? (size_t) (host + 3 - url) + strcspn (host + 3, "/") : 0;

  snprintf (dst, WHERE_MAX, "%.*s", (int) (n < 1000 ? n : 1000), url);
  return dst;
}

/* ---- an answer ---- */

static void
quote (CURL *c, struct error *err, long status, const struct transfer *t)
{
  struct buf text CLEANUP_BUF = BUF_INIT (200);
  char *to = NULL;

  if (status >= 300 && status < 400
      && curl_easy_getinfo (c, CURLINFO_REDIRECT_URL, &to) == CURLE_OK && to)
    {
      text_escape (&text, to, strlen (to), 0);
      error_set (err, EREMOTEIO,
                 "the controller answers %ld and points to %s: that is not "
                 "followed; put the address that takes uploads into sink.url",
                 status, buf_str (&text));
      return;
    }
  text_escape (&text, buf_str (&t->answer), t->answer.len, 0);
  error_set (err, EREMOTEIO, "the controller answers %ld%s%s", status,
             text.len ? ": " : "", buf_str (&text));
  if (status == 407)
    error_set (err, EREMOTEIO,
               "the proxy answers 407: it wants a password; "
               "put it into https_proxy in the service's environment");
}

static enum ship_end
judge (CURL *c, long status, const struct transfer *t, struct error *err)
{
  if (status >= 200 && status < 300)
    {
      /* An answer before the end of what was sent cannot be about it. */
      if (t->at == t->item->size)
        return SHIP_DONE;
      error_set (err, EREMOTEIO,
                 "the controller answers %ld before it had "
                 "all of it",
                 status);
      return SHIP_RETRY;
    }
  quote (c, err, status, t);
  if (status == 401 || status == 403)
    {
      error_wrap (err, t->cfg->token_file && *t->cfg->token_file
                           ? "the token in sink.token-file is not taken"
                           : "a token is wanted: name its file in "
                             "sink.token-file");
      return SHIP_DENIED;
    }
  /* 3xx: a portal, or a proxy that is being set up.  It may pass. */
  if (status < 400 || status >= 500 || status == 407 || status == 408
      || status == 425 || status == 429)
    return SHIP_RETRY;
  return SHIP_PARK;
}

/* An answer that was too long, or too slow to end, is an answer; so is one
 * that came while the rest of the body could not be sent any more. */
static bool
answered (CURLcode code, long status)
{
  return status >= 200
         && (code == CURLE_OK || code == CURLE_WRITE_ERROR
             || code == CURLE_ABORTED_BY_CALLBACK
             || code == CURLE_OPERATION_TIMEDOUT
             || ((code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR)
                 && status >= 300));
}

/* ---- no answer ---- */

static enum ship_end
bad_certificate (CURL *c, const struct transfer *t, const char *detail,
                 struct error *err)
{
  char at[WHERE_MAX];
  const char *host = where (t, at);
  long why = 0;

  curl_easy_getinfo (c, CURLINFO_SSL_VERIFYRESULT, &why);
  if (why == X509_V_ERR_CERT_HAS_EXPIRED)
    error_set (err, EKEYEXPIRED,
               "the certificate of %s has expired: have it renewed there, "
               "or set this host's clock (%s)",
               host, detail);
  else if (why == X509_V_ERR_CERT_NOT_YET_VALID)
    error_set (err, EKEYEXPIRED,
               "the certificate of %s is not valid yet: set this host's "
               "clock (%s)",
               host, detail);
  /* curl compares the name itself, before it notes that OpenSSL is
   * content. */
  else if (why == X509_V_OK || why == X509_V_ERR_UNSPECIFIED)
    error_set (err, EKEYREJECTED,
               "the certificate of %s is made for another name: use that "
               "name in sink.url, or have it made for this one (%s)",
               host, detail);
  else
    error_set (err, EKEYREJECTED,
               "the certificate of %s is signed by nobody whom %s trusts: "
               "put the signer's certificate into sink.ca-file (%s)",
               host,
               t->cfg->ca_file && *t->cfg->ca_file ? t->cfg->ca_file
                                                   : "this system",
               detail);
  return SHIP_RETRY;
}

/* Servers tell why in an alert, and OpenSSL only in its text. */
static bool
no_tls (const struct transfer *t, const char *detail, struct error *err)
{
  char at[WHERE_MAX];
  const char *host = where (t, at);

  if (strstr (detail, "wrong version number")
      || strstr (detail, "packet length too long"))
    error_set (err, EPROTO,
               "what answers at %s speaks no TLS: say http:// in sink.url, "
               "or the port that does (%s)",
               host, detail);
  else if (strstr (detail, "unsupported protocol")
           || strstr (detail, "alert protocol version"))
    error_set (err, EPROTO,
               "%s offers no TLS 1.2 or later: it has to be switched on "
               "there (%s)",
               host, detail);
  else if (strstr (detail, "certificate required")
           || strstr (detail, "alert handshake failure")
           || strstr (detail, "alert bad certificate")
           || strstr (detail, "alert unknown ca"))
    error_set (err, EKEYREJECTED, "%s %s (%s)", host,
               t->cfg->cert_file && *t->cfg->cert_file
                   ? "does not take the certificate in sink.cert-file: have "
                     "it signed by an authority that it trusts"
                   : "wants a certificate of ours: name its file in "
                     "sink.cert-file, and the key's in sink.key-file",
               detail);
  else
    return false;
  return true;
}

static void
timed_out (const struct transfer *t, const char *detail, struct error *err)
{
  char at[WHERE_MAX];
  const char *host = where (t, at);

  /* Connected, and the greeting was never answered. */
  if (strstr (detail, "SSL connection timeout"))
    error_set (err, ETIMEDOUT,
               "%s takes the connection and begins no TLS within %" PRIu64
               " s: is it the port in sink.url?",
               host, t->timeout_ms / 1000);
  else
    error_set (err, ETIMEDOUT,
               "%s makes no progress for %" PRIu64 " s, with %" PRIu64
               " of %" PRIu64 " bytes sent: see sink.timeout",
               host, t->timeout_ms / 1000, t->at, t->item->size);
}

static void
broken (CURLcode code, const struct transfer *t, const char *detail,
        struct error *err)
{
  char at[WHERE_MAX];
  const char *host = where (t, at);

  switch (code)
    {
    case CURLE_COULDNT_RESOLVE_HOST:
      error_set (err, ENOENT,
                 "the name of %s leads nowhere: look at sink.url and at this "
                 "host's resolver (%s)",
                 host, detail);
      break;
    case CURLE_COULDNT_CONNECT:
      error_set (err, ECONNREFUSED,
                 "nobody answers at %s: is the controller up, and the way to "
                 "it open? (%s)",
                 host, detail);
      break;
    case CURLE_SSL_CACERT_BADFILE:
      error_set (err, EINVAL,
                 "sink.ca-file cannot be used: it has to be readable for "
                 "user %u and hold certificates in PEM (%s)",
                 (unsigned) geteuid (), detail);
      break;
    case CURLE_SSL_CONNECT_ERROR:
      error_set (err, EPROTO, "no TLS with %s: %s", host, detail);
      break;
    case CURLE_WRITE_ERROR:
      error_set (err, EMSGSIZE,
                 "what answers at %s sends more than %u KiB of headers: is "
                 "it the controller?",
                 host, HTTP_MAX_HEADERS >> 10);
      break;
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_ABORTED_BY_CALLBACK:
      timed_out (t, detail, err);
      break;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      error_set (err, EINVAL, "the sink's url cannot be used: %s", detail);
      break;
    default:
      error_set (err, ECONNABORTED,
                 "%s broke off with %" PRIu64 " of %" PRIu64
                 " bytes sent%s (%s)",
                 host, t->at, t->item->size,
                 /* The alert that says so may be lost. */
                 t->at == 0 && strncmp (host, "https:", 6) == 0
                     ? ": does it take the certificate in sink.cert-file?"
                     : "",
                 detail);
    }
}

/* An answer of the proxy to CONNECT is none of the controller's. */
static bool
by_proxy (CURL *c, CURLcode code, const struct transfer *t, const char *detail,
          struct error *err)
{
  bool named = t->cfg->proxy && *t->cfg->proxy;
  const char *proxy
      = named ? "sink.proxy" : "https_proxy in the service's environment";
  long connect = 0;

  curl_easy_getinfo (c, CURLINFO_HTTP_CONNECTCODE, &connect);
  if (code != CURLE_OK && connect >= 300)
    error_set (err, EREMOTEIO,
               "the proxy answers %ld and lets nothing through: look at %s",
               connect, proxy);
  else if (code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_PROXY
           || (code == CURLE_COULDNT_CONNECT && named
               && strcmp (t->cfg->proxy, "none") != 0))
    error_set (err, ENOENT, "the proxy cannot be used: look at %s (%s)", proxy,
               detail);
  else
    return false;
  return true;
}

enum ship_end
http_end (CURL *c, CURLcode code, const struct transfer *t,
          uint64_t *ret_retry_after_ms, struct error *err)
{
  const char *detail = *t->detail ? t->detail : curl_easy_strerror (code);
  curl_off_t wait = 0;
  long status = 0;

  if (t->read_errno)
    {
      error_errno (err, t->read_errno, "reading %s", t->item->name);
      return SHIP_RETRY;
    }
  if (by_proxy (c, code, t, detail, err))
    return SHIP_RETRY;
  curl_easy_getinfo (c, CURLINFO_RESPONSE_CODE, &status);
  if (answered (code, status))
    {
      if (curl_easy_getinfo (c, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK
          && wait > 0)
        *ret_retry_after_ms = (uint64_t) wait < RETRY_AFTER_MAX_MS / 1000
                                  ? (uint64_t) wait * 1000
                                  : RETRY_AFTER_MAX_MS;
      return judge (c, status, t, err);
    }
  if (code == CURLE_PEER_FAILED_VERIFICATION)
    return bad_certificate (c, t, detail, err);
  if (code == CURLE_SSL_CERTPROBLEM)
    {
      error_set (err, EINVAL,
                 "sink.cert-file and sink.key-file have to hold a "
                 "certificate in PEM and its key without a password (%s)",
                 detail);
      return SHIP_DENIED;
    }
  if (!no_tls (t, detail, err))
    broken (code, t, detail, err);
  return SHIP_RETRY;
}

#else
typedef int sink_http_end_unused;
#endif
