/* SPDX-License-Identifier: Apache-2.0
 *
 * Standing incidents as one small state file.
 */
#include "supervisor/incidents/standing.h"
#include "supervisor/links/writer_link.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

#define STANDING_FILE "standing.json"
#define SAVE_TIMEOUT_MS 30000

struct standing
{
  struct json_object *list; /* array of incidents */
  bool loading;
  void (*loaded) (void *arg);
  void *arg;
};

int
standing_new (struct standing **ret, struct error *err)
{
  struct standing *s = calloc (1, sizeof (*s));

  if (!s)
    return error_set (err, ENOMEM, "no memory");
  s->list = json_object_new_array ();
  *ret = s;
  return 0;
}

void
standing_free (struct standing *s)
{
  if (!s)
    return;
  json_object_put (s->list);
  free (s);
}

void
standing_clear (struct standing *s)
{
  json_object_put (s->list);
  s->list = json_object_new_array ();
}

void
standing_add (struct standing *s, const struct incident *inc)
{
  json_object_array_add (s->list, incident_to_json (inc));
}

static void
saved (struct frame *frame, const struct error *err, void *arg)
{
  if (err)
    log_warn ("the list of standing incidents is not on disk: %s",
              error_text (err));
}

void
standing_save (struct standing *s, struct writer_link *wl)
{
  struct json_object *head = json_object_new_object ();
  const char *text
      = json_object_to_json_string_ext (s->list, JSON_C_TO_STRING_PLAIN);
  struct error err = ERROR_INIT;

  json_add_str (head, "op", "state-put");
  json_add_str (head, "name", STANDING_FILE);
  if (writer_link_call (wl, head, text, strlen (text), SAVE_TIMEOUT_MS, saved,
                        NULL, &err)
      < 0)
    log_warn ("the list of standing incidents is not on disk: %s",
              error_text (&err));
}

static void
take (struct standing *s, struct frame *frame, const struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error why = ERROR_INIT;

  if (err && err->code != ENOENT)
    log_warn ("the list of standing incidents is not known: %s",
              error_text (err));
  if (err || !frame->body_len)
    return;
  if (json_parse (frame->body, frame->body_len, JSON_WIRE, STANDING_FILE,
                  JSON_MAX_FILE, &doc, &why)
      < 0)
    {
      log_warn ("the list of standing incidents can't be read: %s",
                error_text (&why));
      return;
    }
  if (!json_object_is_type (json_root (doc), json_type_array))
    return;
  json_object_put (s->list);
  s->list = json_object_get (json_root (doc));
}

static void
got (struct frame *frame, const struct error *err, void *arg)
{
  struct standing *s = arg;

  /* The writer died: its successor is asked again. */
  if (err && writer_link_broke (err->code))
    {
      s->loading = false;
      return;
    }
  take (s, frame, err);
  s->loaded (s->arg);
}

void
standing_load (struct standing *s, struct writer_link *wl,
               void (*loaded) (void *arg), void *arg)
{
  struct json_object *head = json_object_new_object ();
  struct error err = ERROR_INIT;

  s->loading = true;
  s->loaded = loaded;
  s->arg = arg;
  json_add_str (head, "op", "state-get");
  json_add_str (head, "name", STANDING_FILE);
  if (writer_link_call (wl, head, NULL, 0, SAVE_TIMEOUT_MS, got, s, &err) < 0)
    s->loading = false;
}

bool
standing_loaded (const struct standing *s)
{
  return s->loading;
}

void
standing_each (struct standing *s,
               void (*fn) (const struct incident *inc, void *arg), void *arg)
{
  /* fn may lead to standing_clear(): walk a list of our own. */
  CLEANUP_JSON struct json_object *list = json_object_get (s->list);
  struct incident inc;

  for (size_t i = 0; i < json_object_array_length (list); i++)
    if (incident_from_json (json_object_array_get_idx (list, i), &inc, NULL)
        == 0)
      fn (&inc, arg);
}
