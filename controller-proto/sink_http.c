/* SPDX-License-Identifier: Apache-2.0
 *
 * The sinks "http" and "https": PUT to URL/NAME.
 *
 * The id goes along as Idempotency-Key and the checksum as Repr-Digest, so
 * that a repeated upload after a lost answer is applied once.  What the other
 * side says is bounded and only ever quoted, escaped.  Redirects are not
 * followed: a captive portal answers with one, and the token is for nobody
 * but the host that was configured.
 */
#include "config.h"

#ifdef WITH_CURL

#include "controller-proto/ship_impl.h"
#include "controller-proto/sink_http_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/store.h"
#include "base/text.h"
#include "controller-proto/sha256.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS 30000u
/* Slower than this for the whole timeout is a stalled link: less than any
 * radio does. */
#define STALL_BYTES_PER_S 32

static size_t
on_read (char *dst, size_t size, size_t n, void *arg)
{
  struct transfer *t = arg;
  uint64_t left = t->item->size - t->at;
  size_t want = size * n;

  if (want > left)
    want = (size_t) left;
  if (want == 0)
    return 0;
  for (;;)
    {
      ssize_t r = pread (t->item->fd, dst, want, (off_t) t->at);

      if (r < 0 && errno == EINTR)
        continue;
      if (r <= 0)
        {
          t->read_errno = r < 0 ? errno : ENODATA;
          return CURL_READFUNC_ABORT;
        }
      t->at += (uint64_t) r;
      return (size_t) r;
    }
}

/* curl may ask for the beginning again, when a kept connection had died. */
static int
on_seek (void *arg, curl_off_t offset, int origin)
{
  struct transfer *t = arg;

  if (origin != SEEK_SET || offset < 0 || (uint64_t) offset > t->item->size)
    return CURL_SEEKFUNC_FAIL;
  t->at = (uint64_t) offset;
  return CURL_SEEKFUNC_OK;
}

static size_t
on_answer (char *data, size_t size, size_t n, void *arg)
{
  struct transfer *t = arg;

  buf_append (&t->answer, data, size * n);
  t->answered += size * n;
  return t->answered > HTTP_MAX_BODY ? 0 : size * n;
}

/* curl keeps them all, and bounds each but not their number. */
static size_t
on_header (char *data, size_t size, size_t n, void *arg)
{
  struct transfer *t = arg;

  t->headers += size * n;
  return t->headers > HTTP_MAX_HEADERS ? 0 : size * n;
}

/* The stall limit counts bytes in both directions, so an answer that drips
 * would keep it quiet for ever. */
static int
on_progress (void *arg, curl_off_t dltotal, curl_off_t dlnow,
             curl_off_t ultotal, curl_off_t ulnow)
{
  struct transfer *t = arg;

  if (t->at < t->item->size)
    t->sent_ms = 0;
  else if (t->sent_ms == 0)
    t->sent_ms = clock_ms ();
  else if (clock_ms () - t->sent_ms > t->patience_ms)
    return 1;
  return 0;
}

/* ---- headers ---- */

static int
add_header (struct curl_slist **list, const char *line, struct error *err)
{
  struct curl_slist *more = curl_slist_append (*list, line);

  if (more == NULL)
    return error_set (err, ENOMEM, "no memory for a header");
  *list = more;
  return 0;
}

static int
add_token (struct curl_slist **list, const char *path, struct error *err)
{
  char *token = NULL;
  size_t len = 0;
  int r = secret_read (path, &token, &len, err);
  char line[4096 + 32];

  if (r < 0)
    return error_wrap (err, "the token file");
  if (len == 0 || len > 4096)
    r = error_set (err, EINVAL, "%s: not a token", path);
  for (size_t i = 0; r == 0 && i < len; i++)
    if (token[i] <= ' ' || token[i] > '~')
      r = error_set (err, EINVAL,
                     "%s: a token is one word of printable ASCII", path);
  if (r == 0)
    {
      snprintf (line, sizeof line, "Authorization: Bearer %s", token);
      r = add_header (list, line, err);
      explicit_bzero (line, sizeof line);
    }
  secret_free (token, len);
  return r;
}

static void
free_headers (struct curl_slist **list)
{
  /* One of them is the token. */
  for (struct curl_slist *l = *list; l; l = l->next)
    explicit_bzero (l->data, strlen (l->data));
  curl_slist_free_all (*list);
}

static int
make_headers (const struct sink_config *cfg, const struct ship_item *item,
              struct curl_slist **list, struct error *err)
{
  char line[256], b64[SHA256_BASE64];
  int r;

  if (!sha256_hex_to_base64 (item->digest, b64))
    return error_set (err, EINVAL, "no checksum is known of %s", item->name);
  snprintf (line, sizeof line, "Repr-Digest: sha-256=:%s:", b64);
  if ((r = add_header (list, line, err)) < 0)
    return r;
  snprintf (line, sizeof line, "Idempotency-Key: \"%.64s\"", item->id);
  if ((r = add_header (list, line, err)) < 0
      || (r = add_header (list,
                          item->replace
                              ? "Content-Type: application/json"
                              : "Content-Type: application/octet-stream",
                          err)) < 0)
    return r;
  return cfg->token_file && *cfg->token_file
             ? add_token (list, cfg->token_file, err)
             : 0;
}

/* ---- who is trusted, and who we are ---- */

struct client
{
  char *pem;
  size_t len;
};

static void
free_client (struct client *k)
{
  secret_free (k->pem, k->len);
}

/* The key by content and not by name: what was checked is what is used, and
 * curl takes no copy of it that nobody wipes. */
static int
add_client (CURL *c, const struct sink_config *cfg, struct client *k,
            struct error *err)
{
  bool apart = cfg->key_file && *cfg->key_file;
  struct curl_blob blob = { .flags = CURL_BLOB_NOCOPY };
  CURLcode code;
  int r;

  if (!cfg->cert_file || !*cfg->cert_file)
    return 0;
  r = secret_read (apart ? cfg->key_file : cfg->cert_file, &k->pem, &k->len,
                   err);
  if (r < 0)
    return error_wrap (err, apart ? "sink.key-file" : "sink.cert-file");
  blob.data = k->pem;
  blob.len = k->len;
  code = curl_easy_setopt (c, CURLOPT_SSLKEY_BLOB, &blob);
  if (code == CURLE_OK && apart)
    code = curl_easy_setopt (c, CURLOPT_SSLCERT, cfg->cert_file);
  else if (code == CURLE_OK)
    code = curl_easy_setopt (c, CURLOPT_SSLCERT_BLOB, &blob);
  /* Without one OpenSSL would ask a terminal, and wait. */
  if (code == CURLE_OK)
    code = curl_easy_setopt (c, CURLOPT_KEYPASSWD, "");
  if (code != CURLE_OK)
    return error_set (err, ENOSYS, "this libcurl takes no client "
                      "certificates: %s", curl_easy_strerror (code));
  return 0;
}

static void
set_trust (CURL *c, const struct sink_config *cfg)
{
  curl_easy_setopt (c, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt (c, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt (c, CURLOPT_SSL_VERIFYHOST, 2L);
  if (cfg->ca_file && *cfg->ca_file)
    {
      curl_easy_setopt (c, CURLOPT_CAINFO, cfg->ca_file);
      /* Else the system's folder would be trusted beside it. */
      curl_easy_setopt (c, CURLOPT_CAPATH, NULL);
    }
}

/* Without sink.proxy it is what the environment says, as everywhere. */
static void
set_proxy (CURL *c, const struct sink_config *cfg)
{
  curl_easy_setopt (c, CURLOPT_PROXY_SSLVERSION,
                    (long) CURL_SSLVERSION_TLSv1_2);
  /* The token is not for the proxy. */
  curl_easy_setopt (c, CURLOPT_HEADEROPT, (long) CURLHEADER_SEPARATE);
  curl_easy_setopt (c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (cfg->proxy && *cfg->proxy)
    curl_easy_setopt (c, CURLOPT_PROXY,
                      strcmp (cfg->proxy, "none") == 0 ? "" : cfg->proxy);
}

/* ---- sending ---- */

static void
set_up (CURL *c, const struct sink_config *cfg, const char *url,
        struct curl_slist *headers, struct transfer *t)
{
  uint64_t timeout = cfg->timeout_ms ? cfg->timeout_ms : DEFAULT_TIMEOUT_MS;
  long stall = STALL_BYTES_PER_S;

  curl_easy_setopt (c, CURLOPT_URL, url);
  curl_easy_setopt (c, CURLOPT_ERRORBUFFER, t->detail);
  curl_easy_setopt (c, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt (c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt (c, CURLOPT_PROTOCOLS,
                    (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  curl_easy_setopt (c, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt (c, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
  curl_easy_setopt (c, CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
  curl_easy_setopt (c, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt (c, CURLOPT_INFILESIZE_LARGE,
                    (curl_off_t) t->item->size);
  curl_easy_setopt (c, CURLOPT_READFUNCTION, on_read);
  curl_easy_setopt (c, CURLOPT_READDATA, t);
  curl_easy_setopt (c, CURLOPT_SEEKFUNCTION, on_seek);
  curl_easy_setopt (c, CURLOPT_SEEKDATA, t);
  curl_easy_setopt (c, CURLOPT_WRITEFUNCTION, on_answer);
  curl_easy_setopt (c, CURLOPT_WRITEDATA, t);
  curl_easy_setopt (c, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt (c, CURLOPT_HEADERDATA, t);
  curl_easy_setopt (c, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt (c, CURLOPT_CONNECTTIMEOUT_MS, (long) timeout);
  /* What we slow down ourselves is not stalled. */
  if (cfg->max_rate && cfg->max_rate < 2 * STALL_BYTES_PER_S)
    stall = (long) (cfg->max_rate / 2);
  curl_easy_setopt (c, CURLOPT_LOW_SPEED_LIMIT, stall);
  curl_easy_setopt (c, CURLOPT_LOW_SPEED_TIME,
                    (long) ((timeout + 999) / 1000));
  t->timeout_ms = timeout;
  t->patience_ms = timeout * 2;
  curl_easy_setopt (c, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt (c, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt (c, CURLOPT_XFERINFODATA, t);
  if (cfg->max_rate)
    curl_easy_setopt (c, CURLOPT_MAX_SEND_SPEED_LARGE,
                      (curl_off_t) cfg->max_rate);
  set_trust (c, cfg);
  set_proxy (c, cfg);
}

static enum ship_end
send_http (const struct sink_config *cfg, const struct ship_item *item,
           uint64_t *ret_retry_after_ms, struct error *err)
{
  CLEANUP (free_headers) struct curl_slist *headers = NULL;
  CLEANUP (free_client) struct client client = { 0 };
  struct transfer t = { .cfg = cfg, .item = item, .answer = BUF_INIT (400) };
  char url[2400];
  size_t n = strlen (cfg->url);
  enum ship_end end;
  CURL *c;

  if (!text_is_name (item->name) || !sha256_hex_ok (item->digest))
    {
      error_set (err, EINVAL, "%s: no name for an upload, or no checksum",
                 item->name);
      return SHIP_PARK;
    }
  if ((size_t) snprintf (url, sizeof url, "%s%s%s", cfg->url,
                         n && cfg->url[n - 1] == '/' ? "" : "/", item->name)
      >= sizeof url)
    {
      error_set (err, EINVAL, "the sink's url is too long");
      return SHIP_RETRY;
    }
  /* A token that cannot be read is the configuration's fault, not the
   * item's: nothing will go before it is mended. */
  if (make_headers (cfg, item, &headers, err) < 0)
    return SHIP_DENIED;
  c = curl_easy_init ();
  if (c == NULL)
    {
      error_set (err, ENOMEM, "no memory for an upload");
      return SHIP_RETRY;
    }
  set_up (c, cfg, url, headers, &t);
  if (add_client (c, cfg, &client, err) < 0)
    end = SHIP_DENIED;
  else
    end = http_end (c, curl_easy_perform (c), &t, ret_retry_after_ms, err);
  curl_easy_cleanup (c);
  buf_done (&t.answer);
  return end;
}

const struct sink_ops sink_http = {
  .name = "http",
  .summary = "PUT to http://HOST/PATH/NAME",
  .send = send_http,
};

const struct sink_ops sink_https = {
  .name = "https",
  .summary = "PUT to https://HOST/PATH/NAME",
  .send = send_http,
};

#else
typedef int sink_http_unused;
#endif
