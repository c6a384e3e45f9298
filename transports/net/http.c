/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's side of HTTP: connects, and has the rest asked by a helper.
 */
#include "config.h"

#include "transports/net/http.h"
#include "transports/net/socket.h"
#include "transports/net/tcp.h"
#include "transports/transport.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/json.h"
#include "guests/guest.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELPER "hangdog-net"
/* It is back before it would be killed. */
#define MARGIN_MS 300

struct idle
{
  struct helper helper;
  /* What it has seen and may read: another question gets another one. */
  char guest[UUID_TEXT], ca[64];
  bool secret;
  unsigned questions;
  uint64_t since_ms;
};

struct http_pool
{
  const char *libexec;
  pthread_mutex_t lock;
  struct idle idle[HTTP_POOL_IDLE]; /* under lock, and so is n */
  unsigned n;
};

void
http_result_done (struct http_result *r)
{
  buf_done (&r->headers);
  buf_done (&r->body);
}

int
http_pool_new (const char *libexec, struct http_pool **ret, struct error *err)
{
  struct http_pool *pool = calloc (1, sizeof *pool);

  if (!pool)
    return error_set (err, ENOMEM, "no memory");
  pool->libexec = libexec;
  pthread_mutex_init (&pool->lock, NULL);
  *ret = pool;
  return 0;
}

void
http_pool_free (struct http_pool *pool)
{
  if (!pool)
    return;
  for (unsigned i = 0; i < pool->n; i++)
    helper_end (&pool->idle[i].helper);
  pthread_mutex_destroy (&pool->lock);
  free (pool);
}

/* ---- which helper ---- */

static bool
is_for (const struct idle *i, const struct http_ask *ask)
{
  return ask->guest && strcmp (i->guest, ask->guest) == 0
         && strcmp (i->ca, ask->ca ? ask->ca : "") == 0;
}

static struct idle
idle_for (const struct http_ask *ask)
{
  struct idle i = { .helper = HELPER_INIT,
                    .secret = ask->bearer || ask->password };

  snprintf (i.guest, sizeof i.guest, "%s", ask->guest ? ask->guest : "");
  snprintf (i.ca, sizeof i.ca, "%s", ask->ca ? ask->ca : "");
  return i;
}

/* Under lock.  The order stays: who waits for the longest time is first. */
static struct idle
remove_at (struct http_pool *pool, unsigned at)
{
  struct idle i = pool->idle[at];

  pool->n--;
  memmove (&pool->idle[at], &pool->idle[at + 1],
           (pool->n - at) * sizeof pool->idle[0]);
  return i;
}

/* The one of that guest that waits for the shortest time; those that wait for
 * too long have ended by themselves, or are about to. */
static int
take_helper (struct http_pool *pool, const struct http_ask *ask,
             struct idle *ret, struct error *err)
{
  const struct helper_spec spec
      = { .libexec = pool->libexec, .program = HELPER };
  struct idle new = idle_for (ask), old[HTTP_POOL_IDLE];
  uint64_t now = clock_ms ();
  unsigned nold = 0;
  bool found = false;

  pthread_mutex_lock (&pool->lock);
  while (pool->n > 0
         && now - pool->idle[0].since_ms >= HTTP_POOL_IDLE_MS * 3 / 4)
    old[nold++] = remove_at (pool, 0);
  for (unsigned k = pool->n; k-- > 0 && !found && !new.secret;)
    if ((found = is_for (&pool->idle[k], ask)))
      *ret = remove_at (pool, k);
  pthread_mutex_unlock (&pool->lock);
  while (nold > 0)
    helper_end (&old[--nold].helper);
  if (found)
    return 0;
  *ret = new;
  return helper_start (&spec, &ret->helper, err);
}

static void
give_back (struct http_pool *pool, struct idle *i)
{
  bool keep = ++i->questions < HTTP_POOL_QUESTIONS && i->guest[0]
              && !i->secret;
  struct idle old = *i;
  bool ends = true;

  i->since_ms = clock_ms ();
  pthread_mutex_lock (&pool->lock);
  if (keep)
    {
      ends = pool->n == HTTP_POOL_IDLE;
      if (ends)
        old = remove_at (pool, 0);
      pool->idle[pool->n++] = *i;
    }
  pthread_mutex_unlock (&pool->lock);
  if (ends)
    helper_end (&old.helper);
}

/* ---- question and answer ---- */

static int
say (struct helper *h, const struct http_ask *ask, int fd, uint64_t deadline,
     struct error *err)
{
  struct json_object *head = json_object_new_object ();
  struct json_object *headers = json_object_new_array ();
  int r;

  json_add_str (head, "op", "ask");
  json_add_str (head, "address", ask->address);
  json_add_bool (head, "tls", ask->tls);
  json_add_str (head, "host", ask->host);
  json_add_int (head, "port", ask->port);
  json_add_str (head, "path", ask->path);
  json_add_str (head, "method", ask->method);
  json_add_str (head, "body", ask->body);
  for (size_t i = 0; i < ask->nheaders; i++)
    json_object_array_add (headers,
                           json_object_new_string (ask->headers[i]));
  json_object_object_add (head, "headers", headers);
  json_add_bool (head, "insecure", ask->insecure);
  json_add_str (head, "dir", ask->dir);
  json_add_str (head, "ca", ask->ca);
  json_add_str (head, "bearer", ask->bearer);
  json_add_str (head, "user", ask->user);
  json_add_str (head, "password", ask->password);
  json_add_int (head, "ms",
                (int64_t) helper_left (deadline, MARGIN_MS));
  r = helper_say (h, head, NULL, 0, &fd, 1, deadline, err);
  json_object_put (head);
  return r;
}

static const char *
text_of (struct json_object *head, const char *key)
{
  const char *text = json_get_str (head, key);

  return text ? text : "";
}

/* A stranger's word: the server may have taken the helper over. */
static int
take (const struct frame *f, struct http_result *ret, struct error *err)
{
  int64_t end = json_get_int (f->head, "end", -1);
  int64_t status = json_get_int (f->head, "status", 0);
  int64_t headers = json_get_int (f->head, "headers", 0);
  int64_t expires = json_get_int (f->head, "expires", 0);

  if (end < 0 || end >= HTTP_END_MAX || headers < 0
      || headers > HTTP_HEAD_MAX || (uint64_t) headers > f->body_len
      || f->body_len - (size_t) headers > HTTP_BODY_MAX || expires < 0
      || (end == HTTP_END_OK && (status < 100 || status > 999)))
    return helper_lies (HELPER, err);
  ret->end = (enum http_end) end;
  ret->status = (unsigned) status;
  ret->cut = json_get_bool (f->head, "cut", false);
  ret->expires = expires;
  snprintf (ret->redirect, sizeof ret->redirect, "%s",
            text_of (f->head, "redirect"));
  snprintf (ret->detail, sizeof ret->detail, "%s",
            text_of (f->head, "detail"));
  if (!f->body_len)
    return 0;
  buf_append (&ret->headers, f->body, (size_t) headers);
  buf_append (&ret->body, (const char *) f->body + headers,
              f->body_len - (size_t) headers);
  return 0;
}

static int
converse (struct http_pool *pool, const struct http_ask *ask, int fd,
          uint64_t deadline, struct http_result *ret, struct error *err)
{
  CLEANUP_FRAME struct frame f = { 0 };
  struct error why = ERROR_INIT;
  struct idle i;
  int r = take_helper (pool, ask, &i, err);

  if (r < 0)
    return r;
  r = say (&i.helper, ask, fd, deadline, &why);
  if (r >= 0)
    r = helper_hear (&i.helper, &f, deadline, &why);
  if (r >= 0 && (r = take (&f, ret, err)) >= 0)
    {
      give_back (pool, &i);
      return r;
    }
  helper_end (&i.helper);
  if (helper_ended_text (r, HELPER, ret->detail, sizeof ret->detail))
    {
      ret->end = HTTP_END_STUCK;
      return 0;
    }
  if (err && why.code)
    *err = why;
  return r;
}

/* False: our own failure. */
static bool
end_of_connecting (int rc, const struct error *why, struct http_result *ret)
{
  static const enum http_end ends[ASK_MAX] = {
    [ASK_REFUSED] = HTTP_END_REFUSED,
    [ASK_UNREACHABLE] = HTTP_END_UNREACHABLE,
    [ASK_TIMEOUT] = HTTP_END_TIMEOUT,
    [ASK_DISCONNECTED] = HTTP_END_RESET,
    [ASK_NO_ROUTE] = HTTP_END_NO_ROUTE,
    [ASK_NO_NETNS] = HTTP_END_NO_NETNS,
  };
  enum ask_end end = tcp_connect_end (rc);

  if (end == ASK_MAX)
    return false;
  ret->end = ends[end];
  snprintf (ret->detail, sizeof ret->detail, "%.255s", error_text (why));
  return true;
}

int
http_run (struct http_pool *pool, const struct http_ask *ask,
          uint64_t deadline, struct http_result *ret, struct error *err)
{
  struct http_result result = { .headers = BUF_INIT (HTTP_HEAD_MAX),
                                .body = BUF_INIT (HTTP_BODY_MAX) };
  struct error why = ERROR_INIT;
  uint64_t begun = clock_ms ();
  CLEANUP_CLOSE int fd = -1;
  int r = tcp_connect (ask->at, ask->address, deadline, &fd, &why);

  result.connect_ms = clock_ms () - begun;
  if (r >= 0)
    r = converse (pool, ask, fd, deadline, &result, &why);
  else if (end_of_connecting (r, &why, &result))
    r = 0;
  if (r < 0)
    {
      if (err)
        *err = why;
      http_result_done (&result);
      return r;
    }
  result.took_ms = clock_ms () - begun;
  *ret = result;
  return 0;
}

/* ---- doctor ---- */

static void
http_doctor (const struct transport_env *env, const struct guest *g,
             struct doctor_report *rep, uint64_t deadline)
{
#ifdef WITH_CURL
  char path[4200];

  snprintf (path, sizeof path, "%s/%s", env->libexec ? env->libexec : "",
            HELPER);
  if (access (path, X_OK) < 0)
    rep->line (rep, DOCTOR_BAD, "http", "hangdog-net is not installed",
               "make install (or set HANGDOG_LIBEXEC to the build folder)");
  else
    rep->line (rep, DOCTOR_OK, "http", "hangdog-net is installed", NULL);
#else
  rep->line (rep, DOCTOR_NA, "http", "this build is without curl", NULL);
#endif
}

const struct transport_ops transport_http = {
  .name = "http",
  .summary = "a question over HTTP or HTTPS, by a process of its own",
  .touches = "one connection and one request to the guest's service per check",
  .lane = LANE_HTTP,
  .cpu_us = 1000,
  .doctor = http_doctor,
};
