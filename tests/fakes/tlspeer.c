/* SPDX-License-Identifier: Apache-2.0
 *
 * The controller of tlspeer.h, and its proxy.
 */
#include "tests/fakes/tlspeer.h"

#include "base/cleanup.h"
#include "controller-proto/sha256.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SILENT_MS 4000

static int
listen_loopback (unsigned *ret_port)
{
  struct sockaddr_in a = { .sin_family = AF_INET };
  socklen_t len = sizeof a;
  int s = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  if (s < 0 || bind (s, (struct sockaddr *) &a, sizeof a) < 0
      || listen (s, 8) < 0 || getsockname (s, (struct sockaddr *) &a, &len) < 0)
    abort ();
  *ret_port = ntohs (a.sin_port);
  return s;
}

/* Nobody waits for ever on a test that went wrong. */
static void
patience (int s)
{
  struct timeval tv = { .tv_sec = 10 };

  setsockopt (s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  setsockopt (s, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

/* ---- the peer ---- */

struct tlspeer
{
  pthread_t thread;
  pthread_mutex_t lock;
  int listener;
  unsigned port;
  struct peer_plan plan;
  struct peer_saw saw;
};

/* One connection. */
struct talk
{
  struct tlspeer *p;
  struct peer_plan plan;
  int fd;
  SSL *ssl;
  char head[4096];
  size_t n, length;
  struct sha256 *sum;
};

static int
get (struct talk *t, void *dst, size_t n)
{
  return t->ssl ? SSL_read (t->ssl, dst, (int) n) : (int) read (t->fd, dst, n);
}

static int
put (struct talk *t, const void *src, size_t n)
{
  return t->ssl ? SSL_write (t->ssl, src, (int) n)
                : (int) write (t->fd, src, n);
}

/* The head, and where its end is. */
static char *
read_head (struct talk *t)
{
  char *end = NULL, *at;

  while (end == NULL && t->n < sizeof t->head - 1)
    {
      int r = get (t, t->head + t->n, sizeof t->head - 1 - t->n);

      if (r <= 0)
        return NULL;
      t->n += (size_t) r;
      t->head[t->n] = '\0';
      end = strstr (t->head, "\r\n\r\n");
    }
  if (end && (at = strcasestr (t->head, "Content-Length:")))
    t->length = strtoul (at + 15, NULL, 10);
  if (end && strcasestr (t->head, "100-continue"))
    put (t, "HTTP/1.1 100 Continue\r\n\r\n", 25);
  return end;
}

static bool
read_body (struct talk *t, const char *end)
{
  char buf[16384];
  size_t got = t->n - (size_t) (end + 4 - t->head);

  sha256_add (t->sum, end + 4, got);
  while (got < t->length)
    {
      int r = get (t, buf, sizeof buf);

      if (r <= 0)
        return false;
      sha256_add (t->sum, buf, (size_t) r);
      got += (size_t) r;
      if (t->plan.then == PEER_CUT && got > t->length / 2)
        return false;
    }
  return true;
}

static void
note (struct talk *t)
{
  struct peer_saw *s = &t->p->saw;
  X509 *cert = t->ssl ? SSL_get1_peer_certificate (t->ssl) : NULL;

  pthread_mutex_lock (&t->p->lock);
  s->requests++;
  s->version = t->ssl ? SSL_version (t->ssl) : 0;
  memcpy (s->head, t->head, sizeof s->head);
  sha256_end (t->sum, s->digest);
  s->client[0] = '\0';
  if (cert)
    X509_NAME_get_text_by_NID (X509_get_subject_name (cert), NID_commonName,
                               s->client, sizeof s->client);
  pthread_mutex_unlock (&t->p->lock);
  X509_free (cert);
}

static void
await_end (struct talk *t)
{
  poll (&(struct pollfd){ .fd = t->fd, .events = POLLRDHUP }, 1, SILENT_MS);
}

static void
converse (struct talk *t)
{
  static const char created[] = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n"
                                "Connection: close\r\n\r\n";
  const char *reply = t->plan.reply ? t->plan.reply : created;
  const char *end;
  char junk[8192];

  if (t->ssl == NULL)
    {
      static const char bad[] = "HTTP/1.1 400 Bad Request\r\n\r\n";

      get (t, junk, sizeof junk);
      if (t->plan.then != PEER_SILENT)
        put (t, bad, sizeof bad - 1);
      else
        await_end (t);
      return;
    }
  end = read_head (t);
  if (end == NULL || !read_body (t, end))
    return;
  note (t);
  memset (junk, 'z', sizeof junk);
  switch (t->plan.then)
    {
    case PEER_SILENT:
      await_end (t);
      break;
    case PEER_HEADERS:
      put (t, "HTTP/1.1 200 OK\r\n", 17);
      memcpy (junk, "X-A: ", 5);
      memcpy (junk + 1000, "\r\n", 2);
      while (put (t, junk, 1002) > 0)
        ;
      break;
    case PEER_BODY:
      put (t, reply, strlen (reply));
      while (put (t, junk, sizeof junk) > 0)
        ;
      break;
    default:
      put (t, reply, strlen (reply));
    }
}

/* NULL when the plan's files are not there. */
static SSL_CTX *
context (const struct peer_plan *plan)
{
  SSL_CTX *c = SSL_CTX_new (TLS_server_method ());
  char path[300];

  if (plan->max_version)
    {
      /* Else this OpenSSL would refuse to be so old. */
      SSL_CTX_set_security_level (c, 0);
      SSL_CTX_set_min_proto_version (c, plan->max_version);
      SSL_CTX_set_max_proto_version (c, plan->max_version);
    }
  snprintf (path, sizeof path, "%s.pem", plan->cert);
  if (SSL_CTX_use_certificate_chain_file (c, path) != 1)
    abort ();
  snprintf (path, sizeof path, "%s.key", plan->cert);
  if (SSL_CTX_use_PrivateKey_file (c, path, SSL_FILETYPE_PEM) != 1)
    abort ();
  if (plan->client_ca)
    {
      if (SSL_CTX_load_verify_file (c, plan->client_ca) != 1)
        abort ();
      SSL_CTX_set_verify (c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                          NULL);
    }
  return c;
}

static void
serve_one (struct tlspeer *p, int fd)
{
  struct talk t = { .p = p, .fd = fd };
  SSL_CTX *ctx = NULL;

  pthread_mutex_lock (&p->lock);
  t.plan = p->plan;
  p->saw.connections++;
  pthread_mutex_unlock (&p->lock);
  patience (fd);
  if (sha256_new (&t.sum, NULL) < 0)
    abort ();
  if (t.plan.cert)
    {
      ctx = context (&t.plan);
      t.ssl = SSL_new (ctx);
      SSL_set_fd (t.ssl, fd);
    }
  if (t.ssl == NULL || SSL_accept (t.ssl) == 1)
    converse (&t);
  else
    {
      /* What is not read makes a reset, which takes the alert with it. */
      char junk[4096];

      shutdown (fd, SHUT_WR);
      while (read (fd, junk, sizeof junk) > 0)
        ;
    }
  if (t.ssl && t.plan.then != PEER_CUT)
    SSL_shutdown (t.ssl);
  SSL_free (t.ssl);
  SSL_CTX_free (ctx);
  sha256_free (t.sum);
  close (fd);
}

static void *
serve (void *arg)
{
  struct tlspeer *p = arg;
  int fd;

  while ((fd = accept (p->listener, NULL, NULL)) >= 0)
    serve_one (p, fd);
  return NULL;
}

struct tlspeer *
tlspeer_new (void)
{
  struct tlspeer *p = calloc (1, sizeof *p);

  if (p == NULL)
    abort ();
  pthread_mutex_init (&p->lock, NULL);
  p->listener = listen_loopback (&p->port);
  if (pthread_create (&p->thread, NULL, serve, p) != 0)
    abort ();
  return p;
}

void
tlspeer_free (struct tlspeer *p)
{
  if (p == NULL)
    return;
  shutdown (p->listener, SHUT_RDWR);
  pthread_join (p->thread, NULL);
  close (p->listener);
  pthread_mutex_destroy (&p->lock);
  free (p);
}

unsigned
tlspeer_port (const struct tlspeer *p)
{
  return p->port;
}

void
tlspeer_plan (struct tlspeer *p, const struct peer_plan *plan)
{
  pthread_mutex_lock (&p->lock);
  p->plan = *plan;
  pthread_mutex_unlock (&p->lock);
}

void
tlspeer_saw (struct tlspeer *p, struct peer_saw *ret)
{
  pthread_mutex_lock (&p->lock);
  *ret = p->saw;
  pthread_mutex_unlock (&p->lock);
}

/* ---- the proxy ---- */

struct tlsproxy
{
  pthread_t thread;
  pthread_mutex_t lock;
  int listener;
  unsigned port, connections;
  const char *refusal;
  char text[8192];
  size_t len;
};

/* Both ways until one of them ends. */
static void
pump (int a, int b)
{
  struct pollfd p[2]
      = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
  char buf[16384];

  while (poll (p, 2, 10000) > 0)
    for (unsigned i = 0; i < 2; i++)
      if (p[i].revents)
        {
          ssize_t n = read (p[i].fd, buf, sizeof buf);

          if (n <= 0 || send (p[1 - i].fd, buf, (size_t) n, MSG_NOSIGNAL) != n)
            return;
        }
}

static void
proxy_one (struct tlsproxy *x, int fd)
{
  struct sockaddr_in a = { .sin_family = AF_INET };
  CLEANUP_CLOSE int to = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char head[4096] = "", *colon;
  size_t n = 0;

  patience (fd);
  while (n < sizeof head - 1 && !strstr (head, "\r\n\r\n"))
    {
      ssize_t r = read (fd, head + n, sizeof head - 1 - n);

      if (r <= 0)
        return;
      n += (size_t) r;
      head[n] = '\0';
    }
  pthread_mutex_lock (&x->lock);
  x->connections++;
  x->len += (size_t) snprintf (x->text + x->len, sizeof x->text - x->len, "%s",
                               head);
  if (x->len >= sizeof x->text)
    x->len = sizeof x->text - 1;
  pthread_mutex_unlock (&x->lock);
  if (x->refusal)
    {
      (void) !write (fd, x->refusal, strlen (x->refusal));
      return;
    }
  colon = strncmp (head, "CONNECT ", 8) == 0 ? strchr (head + 8, ':') : NULL;
  a.sin_port = htons ((uint16_t) (colon ? atoi (colon + 1) : 0));
  a.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  if (connect (to, (struct sockaddr *) &a, sizeof a) < 0)
    return;
  (void) !write (fd, "HTTP/1.1 200 OK\r\n\r\n", 19);
  pump (fd, to);
}

static void *
proxy (void *arg)
{
  struct tlsproxy *x = arg;
  int fd;

  while ((fd = accept (x->listener, NULL, NULL)) >= 0)
    {
      proxy_one (x, fd);
      close (fd);
    }
  return NULL;
}

struct tlsproxy *
tlsproxy_new (const char *refusal)
{
  struct tlsproxy *x = calloc (1, sizeof *x);

  if (x == NULL)
    abort ();
  x->refusal = refusal;
  pthread_mutex_init (&x->lock, NULL);
  x->listener = listen_loopback (&x->port);
  if (pthread_create (&x->thread, NULL, proxy, x) != 0)
    abort ();
  return x;
}

void
tlsproxy_free (struct tlsproxy *x)
{
  if (x == NULL)
    return;
  shutdown (x->listener, SHUT_RDWR);
  pthread_join (x->thread, NULL);
  close (x->listener);
  pthread_mutex_destroy (&x->lock);
  free (x);
}

unsigned
tlsproxy_port (const struct tlsproxy *x)
{
  return x->port;
}

unsigned
tlsproxy_saw (struct tlsproxy *x, char *dst, size_t cap)
{
  unsigned n;

  pthread_mutex_lock (&x->lock);
  snprintf (dst, cap, "%s", x->text);
  n = x->connections;
  pthread_mutex_unlock (&x->lock);
  return n;
}
