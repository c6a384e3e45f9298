/* SPDX-License-Identifier: Apache-2.0
 *
 * One question over HTTP, by libcurl.
 *
 * What is asked is one URL over one socket: no proxy, no cookie, no file of
 * the user's, no second connection, no encoding that would have to be
 * unpacked, and no name that would have to be looked up.
 */
#include "transports/net/http_client.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/store.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* As OpenSSL numbers it; libcurl hands it through. */
#define CERT_HAS_EXPIRED 10

struct http_client
{
  /* Kept: what it has read of the host's certificates stays with it. */
  CURL *curl;
  const struct http_ask *ask;
  struct http_result *ret;
  int fd;
  bool one_file; /* the host's authorities are in one */
  bool flood; /* its headers had no end */
  char error[CURL_ERROR_SIZE];
};

static void end (struct http_client *c, enum http_end how, const char *fmt,
                 ...) __attribute__ ((format (printf, 3, 4)));

static void
end (struct http_client *c, enum http_end how, const char *fmt, ...)
{
  va_list ap;

  c->ret->end = how;
  va_start (ap, fmt);
  vsnprintf (c->ret->detail, sizeof c->ret->detail, fmt, ap);
  va_end (ap);
}

/* ---- what libcurl asks back ---- */

static curl_socket_t
on_socket (void *arg, curlsocktype type, struct curl_sockaddr *address)
{
  struct http_client *c = arg;

  /* Once: a second connection would be to another. */
  return c->fd < 0 ? CURL_SOCKET_BAD : steal_fd (&c->fd);
}

static int
on_sockopt (void *arg, curl_socket_t fd, curlsocktype type)
{
  return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static size_t
on_header (char *data, size_t size, size_t n, void *arg)
{
  struct http_client *c = arg;

  /* Trailers come here, too, and those of "100 Continue". */
  if (c->ret->headers.len + n > HTTP_HEAD_MAX)
    {
      c->flood = true;
      return 0;
    }
  buf_append (&c->ret->headers, data, n);
  return n;
}

static size_t
on_body (char *data, size_t size, size_t n, void *arg)
{
  struct http_client *c = arg;

  buf_append (&c->ret->body, data, n);
  c->ret->cut = c->ret->body.cut;
  return c->ret->cut ? 0 : n;
}

/* ---- before ---- */

static bool
set_secret (struct http_client *c, const char *name, CURLoption what)
{
  struct error why = ERROR_INIT;
  char path[4200], *secret;
  size_t len;

  snprintf (path, sizeof path, "%s/%s", c->ask->dir, name);
  if (secret_read (path, &secret, &len, &why) < 0)
    {
      end (c, HTTP_END_UNUSABLE, "%s", error_text (&why));
      return false;
    }
  curl_easy_setopt (c->curl, what, secret);
  secret_free (secret, len);
  return true;
}

static bool
set_login (struct http_client *c)
{
  const struct http_ask *ask = c->ask;

  if (ask->bearer)
    {
      curl_easy_setopt (c->curl, CURLOPT_HTTPAUTH, (long) CURLAUTH_BEARER);
      return set_secret (c, ask->bearer, CURLOPT_XOAUTH2_BEARER);
    }
  if (!ask->user)
    return true;
  curl_easy_setopt (c->curl, CURLOPT_HTTPAUTH, (long) CURLAUTH_BASIC);
  curl_easy_setopt (c->curl, CURLOPT_USERNAME, ask->user);
  return !ask->password || set_secret (c, ask->password, CURLOPT_PASSWORD);
}

static void
set_tls (struct http_client *c)
{
  char path[4200];

  curl_easy_setopt (c->curl, CURLOPT_CERTINFO, 1L);
  curl_easy_setopt (c->curl, CURLOPT_SSL_VERIFYPEER,
                    c->ask->insecure ? 0L : 1L);
  curl_easy_setopt (c->curl, CURLOPT_SSL_VERIFYHOST,
                    c->ask->insecure ? 0L : 2L);
  curl_easy_setopt (c->curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  /* With a folder of them, too, it would read all of them each time. */
  if (c->one_file)
    curl_easy_setopt (c->curl, CURLOPT_CAPATH, NULL);
  if (!c->ask->ca)
    return;
  snprintf (path, sizeof path, "%s/%s", c->ask->dir, c->ask->ca);
  curl_easy_setopt (c->curl, CURLOPT_CAINFO, path);
  curl_easy_setopt (c->curl, CURLOPT_CAPATH, NULL);
}

static void
set_method (struct http_client *c, struct curl_slist **headers)
{
  const struct http_ask *ask = c->ask;

  if (strcmp (ask->method, "HEAD") == 0)
    curl_easy_setopt (c->curl, CURLOPT_NOBODY, 1L);
  else if (strcmp (ask->method, "POST") == 0)
    curl_easy_setopt (c->curl, CURLOPT_COPYPOSTFIELDS,
                      ask->body ? ask->body : "");
  for (size_t i = 0; i < ask->nheaders; i++)
    *headers = curl_slist_append (*headers, ask->headers[i]);
  /* It would wait for a word that many servers do not say. */
  *headers = curl_slist_append (*headers, "Expect:");
  curl_easy_setopt (c->curl, CURLOPT_HTTPHEADER, *headers);
}

/* A name stands for the address that is connected to already. */
static struct curl_slist *
set_url (struct http_client *c)
{
  const struct http_ask *ask = c->ask;
  struct curl_slist *names = NULL;
  char url[2400], entry[400];
  const char *colon = strrchr (ask->address, ':');

  snprintf (url, sizeof url, "%s://%s:%u%s", ask->tls ? "https" : "http",
            ask->host, ask->port, ask->path);
  curl_easy_setopt (c->curl, CURLOPT_URL, url);
  snprintf (entry, sizeof entry, "%s:%u:%.*s", ask->host, ask->port,
            (int) (colon - ask->address), ask->address);
  if (ask->host[0] != '[')
    names = curl_slist_append (NULL, entry);
  curl_easy_setopt (c->curl, CURLOPT_RESOLVE, names);
  return names;
}

static void
set_rest (struct http_client *c, uint64_t deadline)
{
  uint64_t now = clock_ms (), left = now < deadline ? deadline - now : 1;

  curl_easy_setopt (c->curl, CURLOPT_TIMEOUT_MS, (long) left);
  curl_easy_setopt (c->curl, CURLOPT_CONNECTTIMEOUT_MS, (long) left);
  curl_easy_setopt (c->curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt (c->curl, CURLOPT_ERRORBUFFER, c->error);
  curl_easy_setopt (c->curl, CURLOPT_PROXY, "");
  curl_easy_setopt (c->curl, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
  curl_easy_setopt (c->curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt (c->curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt (c->curl, CURLOPT_HTTP_VERSION,
                    (long) CURL_HTTP_VERSION_1_1);
  curl_easy_setopt (c->curl, CURLOPT_USERAGENT, "hangdog");
  curl_easy_setopt (c->curl, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt (c->curl, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt (c->curl, CURLOPT_BUFFERSIZE, 16384L);
  curl_easy_setopt (c->curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
  curl_easy_setopt (c->curl, CURLOPT_OPENSOCKETDATA, c);
  curl_easy_setopt (c->curl, CURLOPT_SOCKOPTFUNCTION, on_sockopt);
  curl_easy_setopt (c->curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt (c->curl, CURLOPT_HEADERDATA, c);
  curl_easy_setopt (c->curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt (c->curl, CURLOPT_WRITEDATA, c);
}

/* ---- after ---- */

/* "Expire date:Nov 21 02:43:50 2026 GMT", of the first: the server's own. */
static void
note_expiry (struct http_client *c)
{
  static const char key[] = "Expire date:";
  struct curl_certinfo *all = NULL;
  time_t t;

  if (curl_easy_getinfo (c->curl, CURLINFO_CERTINFO, &all) != CURLE_OK || !all
      || all->num_of_certs < 1)
    return;
  for (struct curl_slist *l = all->certinfo[0]; l; l = l->next)
    if (strncmp (l->data, key, sizeof key - 1) == 0)
      {
        t = curl_getdate (l->data + sizeof key - 1, NULL);
        c->ret->expires = t > 0 ? (int64_t) t : 0;
      }
}

static void
end_timeout (struct http_client *c)
{
  const struct http_result *r = c->ret;
  curl_off_t shaken = 0;

  curl_easy_getinfo (c->curl, CURLINFO_APPCONNECT_TIME_T, &shaken);
  if (c->ask->tls && shaken == 0)
    end (c, HTTP_END_SILENT,
         "it took the connection, and then did not agree on TLS in time");
  else if (r->headers.len == 0)
    end (c, HTTP_END_SILENT,
         "it took the connection and the question, and then did not answer");
  else
    end (c, HTTP_END_ENDLESS,
         "it began to answer, and was not done in time: %zu bytes of headers, "
         "%zu of content",
         r->headers.len, r->body.len);
}

static void
end_unverified (struct http_client *c)
{
  long why = 0;

  curl_easy_getinfo (c->curl, CURLINFO_SSL_VERIFYRESULT, &why);
  if (why == CERT_HAS_EXPIRED)
    end (c, HTTP_END_EXPIRED, "its certificate has expired");
  else
    end (c, HTTP_END_TLS, "its certificate is not taken: %s", c->error);
}

static void
conclude (struct http_client *c, CURLcode rc)
{
  const char *why = c->error[0] ? c->error : curl_easy_strerror (rc);
  char *to = NULL;
  long status = 0;

  curl_easy_getinfo (c->curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo (c->curl, CURLINFO_REDIRECT_URL, &to);
  note_expiry (c);
  c->ret->status = (unsigned) status;
  snprintf (c->ret->redirect, sizeof c->ret->redirect, "%s", to ? to : "");
  /* libcurl's word for a line that is longer than it has room for. */
  if (c->flood || (rc == CURLE_OUT_OF_MEMORY && c->fd < 0))
    end (c, HTTP_END_PROTOCOL, "its headers are more than %u KiB",
         HTTP_HEAD_MAX >> 10);
  else if ((rc == CURLE_OK || (rc == CURLE_WRITE_ERROR && c->ret->cut))
           && status >= 100)
    end (c, HTTP_END_OK, "%s", "");
  else if (rc == CURLE_OPERATION_TIMEDOUT)
    end_timeout (c);
  else if (rc == CURLE_PEER_FAILED_VERIFICATION)
    end_unverified (c);
  else if (rc == CURLE_SSL_CONNECT_ERROR)
    end (c, HTTP_END_TLS, "no TLS with it: %s", why);
  else if (rc == CURLE_SSL_CACERT_BADFILE || rc == CURLE_OUT_OF_MEMORY
           || rc == CURLE_FAILED_INIT || rc == CURLE_URL_MALFORMAT)
    end (c, HTTP_END_UNUSABLE, "%s", why);
  else if (rc == CURLE_GOT_NOTHING)
    end (c, HTTP_END_RESET, "it hung up without a word");
  else if (rc == CURLE_RECV_ERROR || rc == CURLE_SEND_ERROR
           || rc == CURLE_PARTIAL_FILE)
    end (c, HTTP_END_RESET, "it hung up: %s", why);
  else
    end (c, HTTP_END_PROTOCOL, "what answers is no HTTP: %s", why);
}

struct http_client *
http_client_new (void)
{
  struct http_client *c = calloc (1, sizeof *c);

  if (!c)
    return NULL;
  c->fd = -1;
  c->curl = curl_easy_init ();
  if (!c->curl)
    {
      free (c);
      return NULL;
    }
#if LIBCURL_VERSION_NUM >= 0x075400
  char *file = NULL;

  if (curl_easy_getinfo (c->curl, CURLINFO_CAINFO, &file) == CURLE_OK && file)
    c->one_file = access (file, R_OK) == 0;
#endif
  return c;
}

void
http_client_free (struct http_client *c)
{
  if (!c)
    return;
  curl_easy_cleanup (c->curl);
  curl_global_cleanup ();
  free (c);
}

void
http_client_ask (struct http_client *c, const struct http_ask *ask, int fd,
                 uint64_t deadline, struct http_result *ret)
{
  struct curl_slist *headers = NULL, *names;
  CURLcode rc;

  c->ask = ask;
  c->ret = ret;
  c->fd = fd;
  c->flood = false;
  c->error[0] = '\0';
  curl_easy_reset (c->curl);
  set_rest (c, deadline);
  set_tls (c);
  names = set_url (c);
  set_method (c, &headers);
  if (set_login (c))
    {
      rc = curl_easy_perform (c->curl);
      conclude (c, rc);
    }
  curl_easy_reset (c->curl);
  curl_slist_free_all (headers);
  curl_slist_free_all (names);
  if (c->fd >= 0)
    close (steal_fd (&c->fd));
}
