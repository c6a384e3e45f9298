/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-net: questions on descriptor 3, each with a connected socket, and
 * their answers.  Started by transports/net/http.c; ends with its channel, when
 * nothing is asked for a minute, and in every question at its alarm.
 */
#include "transports/net/http_client.h"

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/json.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 2000
#define MAX_MS (24u * 60 * 60 * 1000)

static int
answer (struct http_result *r)
{
  struct json_object *head = json_object_new_object ();
  int64_t headers = (int64_t) r->headers.len;
  int rc;

  json_add_int (head, "re", 1);
  json_add_int (head, "end", r->end);
  json_add_int (head, "status", r->status);
  json_add_text (head, "redirect", r->redirect, strlen (r->redirect));
  json_add_bool (head, "cut", r->cut);
  json_add_int (head, "expires", r->expires);
  json_add_int (head, "headers", headers);
  json_add_text (head, "detail", r->detail, strlen (r->detail));
  /* One piece, for one body. */
  r->headers.max += r->body.len;
  buf_append (&r->headers, buf_str (&r->body), r->body.len);
  rc = frame_write (HELPER_CHANNEL, head, buf_str (&r->headers),
                    r->headers.len, NULL, 0, clock_ms () + ANSWER_MS, NULL);
  json_object_put (head);
  return rc;
}

static bool
read_ask (const struct frame *f, char *headers[HTTP_MAX_HEADERS],
          struct http_ask *ask, int64_t *ret_ms)
{
  struct json_object *list = json_get (f->head, "headers");
  size_t n = json_count (list);

  *ask = (struct http_ask){
    .address = json_get_str (f->head, "address"),
    .tls = json_get_bool (f->head, "tls", false),
    .host = json_get_str (f->head, "host"),
    .port = (unsigned) json_get_int (f->head, "port", 0),
    .path = json_get_str (f->head, "path"),
    .method = json_get_str (f->head, "method"),
    .body = json_get_str (f->head, "body"),
    .headers = headers,
    .nheaders = n,
    .insecure = json_get_bool (f->head, "insecure", false),
    .dir = json_get_str (f->head, "dir"),
    .ca = json_get_str (f->head, "ca"),
    .bearer = json_get_str (f->head, "bearer"),
    .user = json_get_str (f->head, "user"),
    .password = json_get_str (f->head, "password"),
  };
  *ret_ms = json_get_int (f->head, "ms", 0);
  if (n > HTTP_MAX_HEADERS)
    return false;
  for (size_t i = 0; i < n; i++)
    headers[i] = (char *) (uintptr_t) json_object_get_string (
        json_object_array_get_idx (list, i));
  return ask->address && strrchr (ask->address, ':') && ask->host && ask->path
         && ask->method && ask->dir && f->nfds == 1 && *ret_ms > 0
         && *ret_ms <= MAX_MS;
}

static const char *
beside (char path[4200], const char *dir, const char *name)
{
  snprintf (path, 4200, "%s/%s", dir, name ? name : "");
  return name ? path : NULL;
}

/* Once: who asks again asks with the same files. */
static void
enclose (const struct http_ask *ask)
{
  char ca[4200], bearer[4200], password[4200];

  helper_enclose (&(struct helper_jail){
      .read = { beside (ca, ask->dir, ask->ca),
                beside (bearer, ask->dir, ask->bearer),
                beside (password, ask->dir, ask->password) } });
}

/* False: there is no use in another. */
static bool
serve_one (struct http_client *client, bool first, uint64_t wait_ms)
{
  struct http_result result = { .end = HTTP_END_UNUSABLE,
                                .headers = BUF_INIT (HTTP_HEAD_MAX),
                                .body = BUF_INIT (HTTP_BODY_MAX) };
  CLEANUP_FRAME struct frame f = { 0 };
  char *headers[HTTP_MAX_HEADERS];
  struct http_ask ask;
  int64_t ms;
  int rc;

  if (frame_read (HELPER_CHANNEL, &f, clock_ms () + wait_ms, NULL) < 0
      || !read_ask (&f, headers, &ask, &ms))
    return false;
  if (first)
    enclose (&ask);
  alarm ((unsigned) (ms / 1000 + 3));
  http_client_ask (client, &ask, steal_fd (&f.fds[0]),
                   clock_ms () + (uint64_t) ms, &result);
  rc = answer (&result);
  alarm (0);
  buf_done (&result.headers);
  buf_done (&result.body);
  return rc >= 0;
}

int
main (void)
{
  struct http_client *client;
  bool served;

  /* It holds a token and speaks to a stranger. */
  helper_confine (&(struct helper_limits){
      .memory_bytes = 512u << 20, .files = 32, .file_bytes = 1u << 20,
      .stays = true });
  signal (SIGPIPE, SIG_IGN);
  client = http_client_new ();
  served = client && serve_one (client, true, 2000);
  while (served && serve_one (client, false, HTTP_POOL_IDLE_MS))
    ;
  http_client_free (client);
  if (!served)
    fprintf (stderr, "hangdog-net: started by hangdog, not by people\n");
  return served ? 0 : 2;
}
