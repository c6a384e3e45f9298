/* SPDX-License-Identifier: Apache-2.0
 *
 * State files of the daemon, through the writer.
 */
#include "supervisor/kept.h"
#include "supervisor/writer_link.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 30000

struct kept
{
  struct writer_link *writer;
  struct kept_ops ops;
  void *arg;
  bool asked, known;
  bool behind; /* it changed, and that is not on disk */
};

struct saving
{
  struct kept *k;
  kept_done_fn *done;
  void *arg;
};

int
kept_new (struct writer_link *writer, const struct kept_ops *ops, void *arg,
          struct kept **ret, struct error *err)
{
  struct kept *k = calloc (1, sizeof (*k));

  if (!k)
    return error_set (err, ENOMEM, "no memory for %s", ops->what);
  k->writer = writer;
  k->ops = *ops;
  k->arg = arg;
  *ret = k;
  return 0;
}

void
kept_free (struct kept *k)
{
  free (k);
}

/* ---- writing ---- */

static void
saved (struct frame *frame, const struct error *err, void *arg)
{
  struct saving *s = arg;

  (void) frame;
  if (err)
    {
      s->k->behind = true;
      log_warn ("%s is not on disk: %s", s->k->ops.what, error_text (err));
    }
  if (s->done)
    s->done (err, s->arg);
  free (s);
}

static int
put (struct kept *k, kept_done_fn *done, void *arg, struct error *err)
{
  struct json_object *head;
  CLEANUP_JSON struct json_object *root = k->ops.give (k->arg);
  const char *text = json_object_to_json_string_ext (root,
                                                     JSON_C_TO_STRING_PLAIN);
  struct saving *s = calloc (1, sizeof (*s));
  int r;

  if (!s)
    return error_set (err, ENOMEM, "no memory to write %s", k->ops.what);
  *s = (struct saving){ k, done, arg };
  head = json_object_new_object ();
  json_add_str (head, "op", "state-put");
  json_add_str (head, "name", k->ops.file);
  r = writer_link_call (k->writer, head, text, strlen (text), TIMEOUT_MS,
                        saved, s, err);
  if (r < 0)
    free (s);
  return r;
}

void
kept_save (struct kept *k, kept_done_fn *done, void *arg)
{
  struct error err = ERROR_INIT;
  int r;

  k->behind = false;
  if (!k->writer)
    r = error_set (&err, ENOTCONN, "there is no writer");
  else if (!k->known)
    r = error_set (&err, ENOTCONN,
                   "what was there before is not read yet: the writer is away");
  else
    r = put (k, done, arg, &err);
  if (r == 0)
    return;
  /* Written when the writer is back. */
  k->behind = true;
  if (done)
    done (&err, arg);
}

/* ---- reading ---- */

static void
take (struct kept *k, struct frame *frame, const struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error why = ERROR_INIT;

  if (err && err->code != ENOENT)
    log_warn ("%s is not known: %s", k->ops.what, error_text (err));
  else if (!err && frame->body_len
           && json_parse (frame->body, frame->body_len, JSON_WIRE,
                          k->ops.file, JSON_MAX_FILE, &doc, &why)
                  < 0)
    log_warn ("%s can't be read: %s", k->ops.what, error_text (&why));
  k->ops.take (doc ? json_root (doc) : NULL, k->arg);
}

static void
got (struct frame *frame, const struct error *err, void *arg)
{
  struct kept *k = arg;

  /* The writer died: its successor is asked again. */
  if (err && writer_link_broke (err->code))
    {
      k->asked = false;
      return;
    }
  k->known = true;
  take (k, frame, err);
  if (k->behind)
    kept_save (k, NULL, NULL);
}

static void
load (struct kept *k)
{
  struct json_object *head = json_object_new_object ();

  k->asked = true;
  json_add_str (head, "op", "state-get");
  json_add_str (head, "name", k->ops.file);
  if (writer_link_call (k->writer, head, NULL, 0, TIMEOUT_MS, got, k, NULL)
      < 0)
    k->asked = false;
}

void
kept_up (struct kept *k)
{
  if (!k->writer)
    return;
  if (!k->asked)
    load (k);
  else if (k->known && k->behind)
    kept_save (k, NULL, NULL);
}
