/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-controller: the reference receiver of bundles.
 *
 * Small on purpose: it shows what the other side of the protocol has to do,
 * and it is what the tests send to.  An item is applied once: its id, its
 * checksum and its arrival are one row, written after the file is on disk.
 *
 *   PUT /bundles/NAME  201 new; 200 had it, same checksum; 409 another one.
 *                      ID.json is an incident's document: 201 new; 200 a
 *                      higher "rev", or one that is no higher and changes
 *                      nothing
 *   GET /bundles       a JSON list
 *   GET /bundles/NAME  the file
 *   GET /incidents     a JSON list: of which incident which rev is there
 *   GET /healthz       ok
 */
#include "config.h"

#include "controller-proto/controller.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/store.h"
#include "base/text.h"
#include "base/units.h"
#include "controller-proto/sha256.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define THREADS 4
#define MAX_CONNECTIONS 64
#define IDLE_TIMEOUT_S 60
#define DEFAULT_MAX_UPLOAD (256u << 20)
#define LIST_MAX 1000
#define MAX_DOCUMENT (1u << 20)

struct controller
{
  struct inbox *inbox;
  int dirfd;
  char *token;
  size_t token_len;
  uint64_t max_upload;
};

/* One request. */
struct request
{
  struct controller *c;
  bool upload;
  char name[129], id[129], digest[SHA256_HEX];
  char part[160];
  int fd;
  uint64_t size;
  struct sha256 *sum;
  int failed; /* HTTP status that the upload has earned so far */
  const char *why;
};

/* ---- answers ---- */

static enum MHD_Result
answer (struct MHD_Connection *conn, unsigned status, const char *type,
        const char *body)
{
  struct MHD_Response *r = MHD_create_response_from_buffer (
      strlen (body), (void *) (uintptr_t) body, MHD_RESPMEM_MUST_COPY);
  enum MHD_Result ok;

  if (r == NULL)
    return MHD_NO;
  MHD_add_response_header (r, "Content-Type", type);
  MHD_add_response_header (r, "Cache-Control", "no-store");
  MHD_add_response_header (r, "X-Content-Type-Options", "nosniff");
  if (status == MHD_HTTP_UNAUTHORIZED)
    MHD_add_response_header (r, "WWW-Authenticate", "Bearer");
  ok = MHD_queue_response (conn, status, r);
  MHD_destroy_response (r);
  return ok;
}

static enum MHD_Result
problem (struct MHD_Connection *conn, unsigned status, const char *what)
{
  CLEANUP_JSON struct json_object *o = json_object_new_object ();

  json_add_int (o, "status", status);
  json_add_str (o, "title", what);
  return answer (conn, status, "application/problem+json",
                 json_object_to_json_string (o));
}

/* ---- who may ---- */

static bool
allowed (struct controller *c, struct MHD_Connection *conn)
{
  const char *h;

  if (c->token == NULL)
    return true;
  h = MHD_lookup_connection_value (conn, MHD_HEADER_KIND, "Authorization");
  if (h == NULL || strncasecmp (h, "Bearer ", 7) != 0)
    return false;
  h += 7;
  return strlen (h) == c->token_len
         && CRYPTO_memcmp (h, c->token, c->token_len) == 0;
}

/* ---- PUT ---- */

/* "sha-256=:BASE64:" among other sums.  0, or the status to answer. */
static unsigned
want_digest (struct MHD_Connection *conn, char ret[SHA256_HEX])
{
  const char *h
      = MHD_lookup_connection_value (conn, MHD_HEADER_KIND, "Repr-Digest");
  const char *end;

  if (h == NULL || (h = strstr (h, "sha-256=:")) == NULL)
    return MHD_HTTP_BAD_REQUEST;
  h += strlen ("sha-256=:");
  end = strchr (h, ':');
  if (end == NULL || !sha256_base64_to_hex (h, (size_t) (end - h), ret))
    return MHD_HTTP_BAD_REQUEST;
  return 0;
}

static bool
want_id (struct MHD_Connection *conn, char ret[129])
{
  const char *h = MHD_lookup_connection_value (conn, MHD_HEADER_KIND,
                                               "Idempotency-Key");
  size_t n = h ? strlen (h) : 0;

  if (n < 3 || n > 130 || h[0] != '"' || h[n - 1] != '"')
    return false;
  snprintf (ret, 129, "%.*s", (int) (n - 2), h + 1);
  return text_is_name (ret);
}

/* What can be said before the body comes: with "Expect: 100-continue" the
 * sender is spared the rest.  NULL when it may go on. */
static const char *
check_put (struct request *rq, struct MHD_Connection *conn, unsigned *status)
{
  const char *len = MHD_lookup_connection_value (conn, MHD_HEADER_KIND,
                                                 "Content-Length");
  char *end;

  *status = MHD_HTTP_BAD_REQUEST;
  if (!text_is_name (rq->name))
    return "not a name for a bundle";
  if (!want_id (conn, rq->id))
    return "an Idempotency-Key is needed";
  if (want_digest (conn, rq->digest) != 0)
    return "a Repr-Digest with sha-256 is needed";
  *status = MHD_HTTP_LENGTH_REQUIRED;
  if (len == NULL || *len < '0' || *len > '9')
    return "a Content-Length is needed";
  errno = 0;
  unsigned long long n = strtoull (len, &end, 10);
  *status = MHD_HTTP_CONTENT_TOO_LARGE;
  if (errno || *end || n > rq->c->max_upload)
    return "larger than this controller takes";
  return NULL;
}

static enum MHD_Result
begin_put (struct request *rq, struct MHD_Connection *conn)
{
  struct controller *c = rq->c;
  unsigned status;
  const char *why = check_put (rq, conn, &status);

  if (why)
    return problem (conn, status, why);
  /* Each upload has a file of its own: two of the same name may race. */
  snprintf (rq->part, sizeof rq->part, ".part-%" PRIxPTR, (uintptr_t) rq);
  unlinkat (c->dirfd, rq->part, 0);
  rq->fd = openat (c->dirfd, rq->part,
                   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (rq->fd < 0 || sha256_new (&rq->sum, NULL) < 0)
    return problem (conn, MHD_HTTP_SERVICE_UNAVAILABLE, "no room");
  rq->upload = true;
  return MHD_YES;
}

static void
take (struct request *rq, const char *data, size_t len)
{
  int r;

  if (rq->failed)
    return;
  if (len > rq->c->max_upload - rq->size)
    {
      rq->failed = MHD_HTTP_CONTENT_TOO_LARGE;
      rq->why = "larger than this controller takes";
      return;
    }
  sha256_add (rq->sum, data, len);
  rq->size += len;
  r = io_write (rq->fd, data, len);
  if (r < 0)
    {
      rq->failed = r == -ENOSPC ? MHD_HTTP_INSUFFICIENT_STORAGE
                                : MHD_HTTP_INTERNAL_SERVER_ERROR;
      rq->why = "the body cannot be stored";
    }
}

/* "ID.json" is a document.  Its name says whose it is, and so must it. */
static bool
is_document (const struct request *rq)
{
  size_t n = strlen (rq->name);

  return n > 5 && strcmp (rq->name + n - 5, ".json") == 0;
}

static int
apply_document (struct request *rq, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  CLEANUP_FREE char *text = NULL;
  const char *id;
  char name[160];
  int64_t rev;
  size_t len;
  int r = store_get_file (rq->c->dirfd, rq->part, MAX_DOCUMENT, &text, &len,
                          err);

  if (r < 0
      || (r = json_parse (text, len, JSON_WIRE, rq->name, MAX_DOCUMENT, &doc,
                          err))
             < 0)
    return r;
  id = json_get_str (json_root (doc), "id");
  rev = json_get_int (json_root (doc), "rev", 0);
  snprintf (name, sizeof name, "%.140s.json", id ? id : "");
  if (rev < 1 || strcmp (name, rq->name) != 0)
    return error_set (err, EINVAL, "a document has its name as id, and a rev");
  return inbox_document (rq->c->inbox, rq->part, rq->name, id, rev, err);
}

static enum MHD_Result
end_put (struct request *rq, struct MHD_Connection *conn)
{
  struct error err = ERROR_INIT;
  char hex[SHA256_HEX];
  int r;

  if (rq->failed)
    return problem (conn, (unsigned) rq->failed, rq->why);
  sha256_end (rq->sum, hex);
  if (strcmp (hex, rq->digest) != 0)
    return problem (conn, MHD_HTTP_UNPROCESSABLE_CONTENT,
                    "the body is not what Repr-Digest says");
  if (fsync (rq->fd) < 0)
    return problem (conn, MHD_HTTP_INTERNAL_SERVER_ERROR, "fsync failed");
  if (is_document (rq))
    r = apply_document (rq, &err);
  else
    r = inbox_apply (rq->c->inbox, rq->part, rq->id, rq->name, rq->digest,
                     rq->size, &err);
  if (r < 0)
    log_error ("%s: %s", rq->name, error_text (&err));
  switch (r)
    {
    case INBOX_NEW:
      log_info ("%s: %" PRIu64 " bytes", rq->name, rq->size);
      return answer (conn, MHD_HTTP_CREATED, "application/json",
                     "{\"applied\":true}\n");
    case INBOX_NEWER:
      return answer (conn, MHD_HTTP_OK, "application/json",
                     "{\"applied\":true}\n");
    case -EINVAL:
    case -EFBIG:
      return problem (conn, MHD_HTTP_UNPROCESSABLE_CONTENT,
                      "no document of an incident");
    case INBOX_AGAIN:
      return answer (conn, MHD_HTTP_OK, "application/json",
                     "{\"applied\":false}\n");
    case -EEXIST:
      return problem (conn, MHD_HTTP_CONFLICT,
                      "that id or name has another content");
    default:
      return problem (conn, MHD_HTTP_SERVICE_UNAVAILABLE,
                      "it cannot be recorded now");
    }
}

/* ---- GET ---- */

typedef int list_fn (struct inbox *in, int64_t after, unsigned max,
                     struct json_object **ret, struct error *err);

static enum MHD_Result
get_list (struct controller *c, struct MHD_Connection *conn, list_fn *fn)
{
  const char *after
      = MHD_lookup_connection_value (conn, MHD_GET_ARGUMENT_KIND, "after");
  CLEANUP_JSON struct json_object *list = NULL;
  struct error err = ERROR_INIT;

  if (fn (c->inbox, after ? strtoll (after, NULL, 10) : 0, LIST_MAX, &list,
          &err) < 0)
    return problem (conn, MHD_HTTP_SERVICE_UNAVAILABLE, "no list now");
  return answer (conn, MHD_HTTP_OK, "application/json",
                 json_object_to_json_string_ext (list,
                                                 JSON_C_TO_STRING_PLAIN));
}

static enum MHD_Result
get_bundle (struct controller *c, struct MHD_Connection *conn,
            const char *name)
{
  CLEANUP_CLOSE int fd = -1;
  struct MHD_Response *r;
  enum MHD_Result ok;
  struct stat st;

  /* A name begins with a letter or digit: parts and the data base do not
   * match it, or are not in that folder. */
  if (text_is_name (name))
    fd = openat (c->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return problem (conn, MHD_HTTP_NOT_FOUND, "no such bundle");
  r = MHD_create_response_from_fd64 ((uint64_t) st.st_size, fd);
  if (r == NULL)
    return MHD_NO;
  fd = -1; /* the response has it */
  MHD_add_response_header (r, "Content-Type", "application/octet-stream");
  MHD_add_response_header (r, "X-Content-Type-Options", "nosniff");
  ok = MHD_queue_response (conn, MHD_HTTP_OK, r);
  MHD_destroy_response (r);
  return ok;
}

/* ---- requests ---- */

static enum MHD_Result
first_look (struct request *rq, struct MHD_Connection *conn, const char *url,
            const char *method)
{
  static const char prefix[] = "/bundles/";
  bool get = strcmp (method, "GET") == 0;

  if (get && strcmp (url, "/healthz") == 0)
    return answer (conn, MHD_HTTP_OK, "text/plain", "ok\n");
  if (!allowed (rq->c, conn))
    return problem (conn, MHD_HTTP_UNAUTHORIZED, "a token is needed");
  if (get && strcmp (url, "/bundles") == 0)
    return get_list (rq->c, conn, inbox_list);
  if (get && strcmp (url, "/incidents") == 0)
    return get_list (rq->c, conn, inbox_incidents);
  if (strncmp (url, prefix, strlen (prefix)) != 0)
    return problem (conn, MHD_HTTP_NOT_FOUND, "nothing is there");
  if (get)
    return get_bundle (rq->c, conn, url + strlen (prefix));
  if (strcmp (method, "PUT") != 0)
    return problem (conn, MHD_HTTP_METHOD_NOT_ALLOWED, "PUT or GET");
  snprintf (rq->name, sizeof rq->name, "%s", url + strlen (prefix));
  if (strlen (url + strlen (prefix)) >= sizeof rq->name)
    return problem (conn, MHD_HTTP_BAD_REQUEST, "not a name for a bundle");
  return begin_put (rq, conn);
}

static enum MHD_Result
on_request (void *arg, struct MHD_Connection *conn, const char *url,
            const char *method, const char *version, const char *data,
            size_t *len, void **state)
{
  struct request *rq = *state;

  if (rq == NULL)
    {
      rq = calloc (1, sizeof *rq);
      if (rq == NULL)
        return MHD_NO;
      rq->c = arg;
      rq->fd = -1;
      *state = rq;
      return first_look (rq, conn, url, method);
    }
  if (!rq->upload)
    {
      *len = 0; /* a body that nobody asked for */
      return MHD_YES;
    }
  if (*len > 0)
    {
      take (rq, data, *len);
      *len = 0;
      return MHD_YES;
    }
  return end_put (rq, conn);
}

static void
on_completed (void *arg, struct MHD_Connection *conn, void **state,
              enum MHD_RequestTerminationCode why)
{
  struct request *rq = *state;

  if (rq == NULL)
    return;
  if (rq->fd >= 0)
    {
      close (rq->fd);
      unlinkat (rq->c->dirfd, rq->part, 0); /* gone already when applied */
    }
  sha256_free (rq->sum);
  free (rq);
  *state = NULL;
}

/* ---- main ---- */

static int
parse_listen (const char *text, struct sockaddr_in *ret, struct error *err)
{
  char host[64];
  const char *colon = strrchr (text, ':');
  char *end;
  unsigned long port;

  if (colon == NULL || (size_t) (colon - text) >= sizeof host)
    return error_set (err, EINVAL, "--listen wants ADDRESS:PORT");
  snprintf (host, sizeof host, "%.*s", (int) (colon - text), text);
  port = strtoul (colon + 1, &end, 10);
  memset (ret, 0, sizeof *ret);
  ret->sin_family = AF_INET;
  ret->sin_port = htons ((uint16_t) port);
  if (colon[1] == '\0' || *end || port > 65535
      || inet_pton (AF_INET, host, &ret->sin_addr) != 1)
    return error_set (err, EINVAL, "%s: not an IPv4 address and port", text);
  return 0;
}

static void
usage (void)
{
  puts ("Usage: hangdog-controller --data DIR [--listen ADDR:PORT] "
        "[--token-file F] [--max-upload SIZE] "
        "[--tls-cert F --tls-key F]");
}

/* One line, as every verb says it. */
static int
bad_usage (const char *why)
{
  fprintf (stderr, "hangdog controller: %s (see `hangdog controller --help`)\n",
           why);
  return 2;
}

struct options
{
  const char *data, *token_file, *tls_cert, *tls_key;
  struct sockaddr_in addr;
  uint64_t max_upload;
};

static int
parse_options (int argc, char **argv, struct options *o)
{
  static const struct option longs[]
      = { { "listen", required_argument, NULL, 'l' },
          { "data", required_argument, NULL, 'd' },
          { "token-file", required_argument, NULL, 't' },
          { "max-upload", required_argument, NULL, 'm' },
          { "tls-cert", required_argument, NULL, 'C' },
          { "tls-key", required_argument, NULL, 'K' },
          { "help", no_argument, NULL, 'h' },
          { "version", no_argument, NULL, 'v' },
          { 0 } };
  struct error err = ERROR_INIT;
  char why[128];
  int c;

  while ((c = getopt_long (argc, argv, ":h", longs, NULL)) != -1)
    switch (c)
      {
      case 'l':
        if (parse_listen (optarg, &o->addr, &err) < 0)
          return bad_usage (error_text (&err));
        break;
      case 'd':
        o->data = optarg;
        break;
      case 't':
        o->token_file = optarg;
        break;
      case 'm':
        if (units_parse_size (optarg, &o->max_upload, &err) < 0)
          return bad_usage (error_text (&err));
        break;
      case 'C':
        o->tls_cert = optarg;
        break;
      case 'K':
        o->tls_key = optarg;
        break;
      case 'h':
        usage ();
        return 0;
      case 'v':
        puts (PACKAGE_STRING);
        return 0;
      default:
        snprintf (why, sizeof why, "%s \"%.60s\"",
                  c == ':' ? "a value is missing after" : "unknown option",
                  argv[optind - 1]);
        return bad_usage (why);
      }
  if (o->data == NULL || optind != argc || !o->tls_cert != !o->tls_key)
    {
      if (o->data && optind == argc)
        return bad_usage ("--tls-cert and --tls-key go together");
      if (optind < argc)
        snprintf (why, sizeof why, "what is \"%.60s\" for?", argv[optind]);
      return bad_usage (optind < argc ? why
                                      : "--data is missing: where are bundles "
                                        "to be kept?");
    }
  return -1;
}

/* What MHD speaks TLS with; all NULL: it speaks none. */
struct tls
{
  char *cert, *key;
  size_t cert_len, key_len;
};

static void
tls_done (struct tls *t)
{
  secret_free (t->cert, t->cert_len);
  secret_free (t->key, t->key_len);
}

static int
tls_read (const struct options *o, struct tls *t, struct error *err)
{
  int r;

  if (o->tls_cert == NULL)
    return 0;
  if (MHD_is_feature_supported (MHD_FEATURE_TLS) != MHD_YES)
    return error_set (err, ENOTSUP, "this libmicrohttpd speaks no TLS");
  if ((r = secret_read (o->tls_cert, &t->cert, &t->cert_len, err)) < 0
      || (r = secret_read (o->tls_key, &t->key, &t->key_len, err)) < 0)
    return r;
  return 0;
}

static int
serve (struct controller *c, const struct tls *tls,
       const struct sockaddr_in *addr, const sigset_t *stop, struct error *err)
{
  char host[INET_ADDRSTRLEN];
  const union MHD_DaemonInfo *info;
  struct MHD_OptionItem with_tls[]
      = { { MHD_OPTION_HTTPS_MEM_CERT, 0, tls->cert },
          { MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key },
          { MHD_OPTION_HTTPS_PRIORITIES, 0,
            (void *) (uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3" },
          { MHD_OPTION_END, 0, NULL } };
  struct MHD_Daemon *d = MHD_start_daemon (
      MHD_USE_EPOLL_INTERNAL_THREAD | (tls->cert ? MHD_USE_TLS : 0), 0, NULL,
      NULL, on_request, c,
      MHD_OPTION_SOCK_ADDR, (const struct sockaddr *) addr,
      MHD_OPTION_THREAD_POOL_SIZE, (unsigned) THREADS,
      MHD_OPTION_CONNECTION_LIMIT, (unsigned) MAX_CONNECTIONS,
      MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) IDLE_TIMEOUT_S,
      MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_ARRAY,
      tls->cert ? with_tls : &with_tls[3], MHD_OPTION_END);
  int sig;

  if (d == NULL)
    return error_errno (err, errno ? errno : EADDRINUSE, "listening%s",
                        tls->cert ? ", or using the certificate" : "");
  info = MHD_get_daemon_info (d, MHD_DAEMON_INFO_BIND_PORT);
  inet_ntop (AF_INET, &addr->sin_addr, host, sizeof host);
  printf ("listening %s://%s:%u\n", tls->cert ? "https" : "http", host,
          info && info->port ? info->port : ntohs (addr->sin_port));
  fflush (stdout);
  sigwait (stop, &sig);
  MHD_stop_daemon (d);
  return 0;
}

static int
run (const struct options *o, const sigset_t *stop, struct error *err)
{
  struct controller c = { .dirfd = -1, .max_upload = o->max_upload };
  CLEANUP_CLOSE int data = -1;
  CLEANUP (tls_done) struct tls tls = { 0 };
  int r;

  if (o->token_file
      && (r = secret_read (o->token_file, &c.token, &c.token_len, err)) < 0)
    return error_wrap (err, "the token file");
  if ((r = tls_read (o, &tls, err)) < 0)
    error_wrap (err, "TLS");
  else if (mkdir (o->data, 0700) < 0 && errno != EEXIST)
    r = error_errno (err, errno, "making %s", o->data);
  else if ((data = open (o->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
    r = error_errno (err, errno, "opening %s", o->data);
  else if ((r = inbox_open (data, o->data, &c.inbox, &c.dirfd, err)) == 0)
    r = serve (&c, &tls, &o->addr, stop, err);
  inbox_close (c.inbox);
  if (c.dirfd >= 0)
    close (c.dirfd);
  secret_free (c.token, c.token_len);
  return r;
}

int
main (int argc, char **argv)
{
  struct options o
      = { .addr = { .sin_family = AF_INET,
                    .sin_addr.s_addr = htonl (INADDR_LOOPBACK) },
          .max_upload = DEFAULT_MAX_UPLOAD };
  struct error err = ERROR_INIT;
  sigset_t stop;
  int r = parse_options (argc, argv, &o);

  if (r >= 0)
    return r;
  log_open ("hangdog-controller", LOG_LEVEL_INFO, !isatty (2));
  signal (SIGPIPE, SIG_IGN);
  /* Blocked before the first thread is made, so that all inherit it. */
  sigemptyset (&stop);
  sigaddset (&stop, SIGTERM);
  sigaddset (&stop, SIGINT);
  pthread_sigmask (SIG_BLOCK, &stop, NULL);
  if (run (&o, &stop, &err) < 0)
    {
      log_error ("%s", error_text (&err));
      return 1;
    }
  return 0;
}
