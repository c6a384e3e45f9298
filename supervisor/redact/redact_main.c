/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-redact: makes of the files of a bundle ones that may leave the host.
 *
 * What is in them a guest has said, so they are looked through here, by a
 * process that has the two descriptors that come with a question, and nothing
 * else.  Frames, each with one answer {"ok": BOOL, "why": TEXT,
 * "errno": N}:
 *
 *   {"op":"key"}                 body: the key
 *   {"op":"rules","origin"}      body: a document
 *   {"op":"strict"}              what may hold any secret is left out
 *   {"op":"word","origin","name"} of that kind
 *   {"op":"learn"}               a descriptor to read: "unlearnt": N so far
 *   {"op":"redact","json"}       one to read, one to write: "text": BOOL,
 *                                "hits": N; json: a document, as one
 *   {"op":"name","name"}         "name", or "left_out": why
 *   {"op":"done"}                "redaction": what the manifest is to say
 *
 * `hangdog-redact pack`: descriptor 4 is a folder, 5 where the bundle goes;
 * {"op":"pack","name"} with the manifest's head as its body packs it.
 */
#include "base/buf.h"
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/io.h"
#include "base/json.h"
#include "controller-proto/bundle.h"
#include "controller-proto/redact.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FD_FOLDER (HELPER_CHANNEL + 1)
#define FD_OUT (HELPER_CHANNEL + 2)
#define HEAD_MAX BUNDLE_MAX_MANIFEST
#define OUT_MAX (1u << 20) /* of what one piece of input may become */
#define PIECE (64u << 10)
#define SAY_MS 5000
#define STAY_MS (10u * 60 * 1000)

static int
answer (struct json_object *head, int rc, const struct error *err)
{
  json_add_int (head, "re", 1);
  json_add_bool (head, "ok", rc >= 0);
  if (rc < 0)
    {
      json_add_text (head, "why", error_text (err), strlen (error_text (err)));
      json_add_int (head, "errno", -rc);
    }
  return frame_write (HELPER_CHANNEL, head, NULL, 0, NULL, 0,
                      clock_ms () + SAY_MS, NULL);
}

/* ---- text ---- */

static int
through (struct redactor *r, enum redact_pass pass, int in, int out,
         bool *ret_text, struct error *err)
{
  CLEANUP_BUF struct buf text = BUF_INIT (OUT_MAX);
  char piece[PIECE];
  ssize_t n;
  int rc;

  redact_begin (r, pass);
  do
    {
      n = read (in, piece, sizeof piece);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return error_errno (err, errno, "reading a member");
      redact_feed (r, piece, (size_t) n, &text);
      if (n == 0)
        *ret_text = redact_end (r, &text);
      if (text.cut)
        return error_set (err, E2BIG, "a member grows beyond all measure");
      if (out >= 0 && (rc = io_write (out, buf_str (&text), text.len)) < 0)
        return error_errno (err, -rc, "writing a member");
      buf_clear (&text);
    }
  while (n != 0);
  return 0;
}

/* A document that is small enough to be held. */
static int
document (struct redactor *r, int in, int out, uint64_t *ret_hits,
          struct error *err)
{
  CLEANUP_BUF struct buf text = BUF_INIT (HEAD_MAX);
  CLEANUP_BUF struct buf shown = BUF_INIT (4 * HEAD_MAX);
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  CLEANUP_JSON struct json_object *is = NULL;
  struct error why = ERROR_INIT;
  char piece[PIECE];
  ssize_t n;
  int rc;

  while ((n = read (in, piece, sizeof piece)) != 0)
    if (n > 0)
      buf_append (&text, piece, (size_t) n);
    else if (errno != EINTR)
      return error_errno (err, errno, "reading a document");
  if (text.cut)
    return error_set (err, E2BIG, "a document of more than %u MiB",
                      HEAD_MAX >> 20);
  rc = json_parse (buf_str (&text), text.len, JSON_WIRE, "the document",
                   HEAD_MAX, &doc, &why);
  if (rc == -ENOMEM)
    return error_set (err, ENOMEM, "%s", error_text (&why));
  if (rc < 0)
    return error_set (err, EBADMSG, "%s", error_text (&why));
  is = redact_json (r, json_root (doc), ret_hits);
  json_show_spread (is, &shown);
  if (shown.cut)
    return error_set (err, E2BIG, "a document grows beyond all measure");
  rc = io_write (out, buf_str (&shown), shown.len);
  return rc < 0 ? error_errno (err, -rc, "writing a document") : 0;
}

static int
redact (struct redactor *r, struct frame *f, enum redact_pass pass,
        struct json_object *ret, struct error *err)
{
  unsigned want = pass == REDACT_LEARN ? 1 : 2;
  bool text = false;
  uint64_t hits = 0;
  int rc;

  if (f->nfds != want)
    return error_set (err, EINVAL, "%u descriptors instead of %u", f->nfds,
                      want);
  if (want == 2 && json_get_bool (f->head, "json", false))
    {
      rc = document (r, f->fds[0], f->fds[1], &hits, err);
      text = true;
    }
  else
    {
      rc = through (r, pass, f->fds[0], want == 2 ? f->fds[1] : -1, &text,
                    err);
      hits = redact_hits (r);
    }
  json_add_bool (ret, "text", text);
  json_add_int (ret, "hits", (int64_t) hits);
  json_add_int (ret, "unlearnt", (int64_t) redact_unlearnt (r));
  return rc;
}

struct service
{
  struct redactor *r; /* NULL before there is a key */
  bool strict;
};

/* Names of members may tell of a host, too. */
static void
name_of (struct service *s, const char *name, struct json_object *ret)
{
  CLEANUP_BUF struct buf out = BUF_INIT (4096);
  const char *why = redact_left_out (s->r, name);

  if (!why && s->strict && strcmp (name, "manifest.json") != 0
      && strcmp (bundle_sensitivity (name), "secret") == 0)
    why = "it may hold a secret that no rule knows";
  json_add_str (ret, "left_out", why);
  redact_begin (s->r, REDACT_REPLACE);
  redact_feed (s->r, name, strlen (name), &out);
  redact_end (s->r, &out);
  json_add_text (ret, "name", buf_str (&out), out.len);
}

static struct json_object *
sum_up (const struct service *s)
{
  struct json_object *o = redact_to_json (s->r);

  if (s->strict)
    json_add_bool (o, "strict", true);
  return o;
}

static int
obey (struct service *s, struct frame *f, struct json_object *ret,
      struct error *err)
{
  struct redactor *r = s->r;
  const char *op = json_get_str (f->head, "op");
  const char *origin = json_get_str (f->head, "origin");
  const char *name = json_get_str (f->head, "name");

  if (op && strcmp (op, "key") == 0 && !r)
    return redactor_new (f->body, f->body_len, &s->r, err);
  if (!op || !r)
    return error_set (err, EPROTO, "no question, or no key before it");
  if (strcmp (op, "rules") == 0)
    return redactor_rules (r, f->body, f->body_len,
                           origin ? origin : "rules", err);
  if (strcmp (op, "learn") == 0)
    return redact (r, f, REDACT_LEARN, ret, err);
  if (strcmp (op, "redact") == 0)
    return redact (r, f, REDACT_REPLACE, ret, err);
  if (strcmp (op, "word") == 0 && name)
    redactor_word (r, origin ? origin : "", name);
  else if (strcmp (op, "name") == 0 && name)
    name_of (s, name, ret);
  else if (strcmp (op, "strict") == 0)
    s->strict = true;
  else if (strcmp (op, "done") == 0)
    json_object_object_add (ret, "redaction", sum_up (s));
  else
    return error_set (err, EPROTO, "no such question");
  return 0;
}

static int
serve (void)
{
  struct service s = { 0 };
  int rc = 0;

  while (rc == 0)
    {
      CLEANUP_FRAME struct frame f = { 0 };
      CLEANUP_JSON struct json_object *ret = json_object_new_object ();
      struct error err = ERROR_INIT;

      if (frame_read (HELPER_CHANNEL, &f, clock_ms () + STAY_MS, NULL) < 0)
        break;
      rc = answer (ret, obey (&s, &f, ret, &err), &err);
    }
  redactor_free (s.r);
  return rc < 0;
}

/* ---- packing ---- */

static int
pack (struct frame *f, struct json_object *ret, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  const char *name = json_get_str (f->head, "name");
  char digest[65];
  uint64_t size;
  int r = json_parse (f->body, f->body_len, JSON_WIRE, "manifest.json",
                      HEAD_MAX, &doc, err);

  if (r == 0)
    r = bundle_pack (FD_FOLDER, FD_OUT, name ? name : "", json_root (doc),
                     bundle_order, digest, &size, err);
  if (r < 0)
    return r;
  json_add_str (ret, "digest", digest);
  json_add_int (ret, "bytes", (int64_t) size);
  return 0;
}

static int
pack_once (void)
{
  CLEANUP_FRAME struct frame f = { 0 };
  CLEANUP_JSON struct json_object *ret = json_object_new_object ();
  struct error err = ERROR_INIT;

  if (frame_read (HELPER_CHANNEL, &f, clock_ms () + SAY_MS, NULL) < 0)
    return 2;
  return answer (ret, pack (&f, ret, &err), &err) < 0;
}

int
main (int argc, char **argv)
{
  bool packs = argc > 1 && strcmp (argv[1], "pack") == 0;

  helper_confine (&(struct helper_limits){ .memory_bytes = 512u << 20,
                                           .files = 32,
                                           .file_bytes = 2ull << 30 });
  if (packs)
    return pack_once ();
  /* Files come as descriptors. */
  helper_enclose (&(struct helper_jail){ .read = { NULL } });
  helper_no_files ();
  return serve ();
}
