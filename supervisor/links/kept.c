/* SPDX-License-Identifier: Apache-2.0
 *
 * State files of the daemon, through the writer.
 */
#include "supervisor/links/kept.h"
#include "supervisor/links/writer_link.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 30000
#define AGAIN_MS 30000

struct kept
{
  struct writer_link *writer;
  struct kept_ops ops;
  void *arg;
  bool asked, known;
  bool behind; /* it changed, and that is not on disk */
  struct timer *again; /* it could not be read */
  struct error why;    /* the last time; code 0 = it was not tried */
};

struct saving
{
  struct kept *k;
  kept_done_fn *done;
  void *arg;
};

static void load (struct kept *k);

static void
load_due (struct timer *t, void *arg)
{
  struct kept *k = arg;

  (void) t;
  if (!k->asked)
    load (k);
}

int
kept_new (struct loop *loop, struct writer_link *writer,
          const struct kept_ops *ops, void *arg, struct kept **ret,
          struct error *err)
{
  struct kept *k = calloc (1, sizeof (*k));
  int r;

  if (!k)
    return error_set (err, ENOMEM, "no memory for %s", ops->what);
  r = loop_timer (loop, "what is kept", load_due, k, &k->again, err);
  if (r < 0)
    {
      free (k);
      return r;
    }
  k->writer = writer;
  k->ops = *ops;
  k->arg = arg;
  *ret = k;
  return 0;
}

void
kept_free (struct kept *k)
{
  if (!k)
    return;
  timer_free (k->again);
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

static struct json_object *
ask_for (const char *op, const char *name)
{
  struct json_object *head = json_object_new_object ();

  json_add_str (head, "op", op);
  json_add_str (head, "name", name);
  return head;
}

static int
put (struct kept *k, kept_done_fn *done, void *arg, struct error *err)
{
  CLEANUP_JSON struct json_object *root = k->ops.give (k->arg);
  const char *text = json_object_to_json_string_ext (root,
                                                     JSON_C_TO_STRING_PLAIN);
  struct saving *s = calloc (1, sizeof (*s));
  int r;

  if (!s)
    return error_set (err, ENOMEM, "no memory to write %s", k->ops.what);
  *s = (struct saving){ k, done, arg };
  r = writer_link_call (k->writer, ask_for ("state-put", k->ops.file), text,
                        strlen (text), TIMEOUT_MS, saved, s, err);
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
                   "what was there before is not read yet: %s",
                   k->why.code ? error_text (&k->why) : "the writer is away");
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
known (struct kept *k)
{
  k->known = true;
  if (k->behind)
    kept_save (k, NULL, NULL);
}

/* The file may have all that we have not: nothing is written over it. */
static void
not_known (struct kept *k, const struct error *why)
{
  if (k->why.code != why->code)
    log_warn ("%s is not known, and is not written before it is: %s",
              k->ops.what, error_text (why));
  k->why = *why;
  k->asked = false;
  /* The writer died: its successor is asked. */
  if (!writer_link_broke (why->code))
    timer_in (k->again, AGAIN_MS);
}

static void
put_aside (struct frame *frame, const struct error *err, void *arg)
{
  struct kept *k = arg;

  (void) frame;
  if (err)
    not_known (k, err);
  else
    known (k);
}

static void
aside (struct kept *k, const struct frame *frame, const char *why)
{
  struct error err = ERROR_INIT;
  char name[64];

  snprintf (name, sizeof (name), "%.50s.bad", k->ops.file);
  log_error ("%s can't be taken as it is, a copy is in the state folder as "
             "%s: %s",
             k->ops.what, name, why);
  if (writer_link_call (k->writer, ask_for ("state-put", name), frame->body,
                        frame->body_len, TIMEOUT_MS, put_aside, k, &err)
      < 0)
    not_known (k, &err);
}

static void
got (struct frame *frame, const struct error *err, void *arg)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct kept *k = arg;
  struct error why = ERROR_INIT;

  if (err && err->code != ENOENT)
    not_known (k, err);
  else if (err || !frame->body_len)
    {
      (void) k->ops.take (NULL, k->arg);
      known (k);
    }
  else if (json_parse (frame->body, frame->body_len, JSON_WIRE, k->ops.file,
                       JSON_MAX_FILE, &doc, &why)
           < 0)
    {
      (void) k->ops.take (NULL, k->arg);
      aside (k, frame, error_text (&why));
    }
  else if (!k->ops.take (json_root (doc), k->arg))
    aside (k, frame, "not all of it is known here");
  else
    known (k);
}

static void
load (struct kept *k)
{
  struct error err = ERROR_INIT;

  k->asked = true;
  if (writer_link_call (k->writer, ask_for ("state-get", k->ops.file), NULL, 0,
                        TIMEOUT_MS, got, k, &err)
      < 0)
    not_known (k, &err);
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
