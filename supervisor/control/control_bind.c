/* SPDX-License-Identifier: Apache-2.0
 *
 * Binding a scenario at run time, and unbinding it.
 */
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"
#include "supervisor/conf/scenario_read.h"
#include "supervisor/watch/layers.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <string.h>

/* Its text is in the body, or it is an object of the head. */
static int
read_text (struct answer *a, const struct frame *f, struct json_doc **ret,
           struct error *err)
{
  const char *origin = json_get_str (a->head, "origin");
  struct json_object *o = json_get (a->head, "document");
  const char *text = f->body;
  size_t len = f->body_len;

  if (!len && !json_object_is_type (o, json_type_object))
    return error_set (err, EINVAL, "there is no document");
  if (!len)
    {
      text = json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN);
      len = strlen (text);
    }
  if (len > BOUND_DOCUMENT_MAX)
    return error_set (err, EMSGSIZE,
                      "the document has %zu bytes; %u is the most that can be "
                      "bound",
                      len, BOUND_DOCUMENT_MAX);
  return json_parse (text, len, JSON_FILE, origin ? origin : "document",
                     BOUND_DOCUMENT_MAX, ret, err);
}

static int
read_scenario (const struct json_doc *doc, const char *uuid,
               const struct playbook_set *playbooks, struct scenario **ret,
               struct error *err)
{
  struct json_object *root = json_root (doc), *select;

  if (!json_object_is_type (root, json_type_object))
    return error_set (err, EINVAL, "a scenario is a JSON object");
  if (json_get (root, "scenarios"))
    return json_error_at (doc, "scenarios", err,
                          "one scenario is bound at a time");
  if (uuid)
    {
      select = json_object_new_object ();
      json_add_str (select, "uuid", uuid);
      json_object_object_add (root, "select", select);
    }
  return scenario_read (doc, root, "", playbooks, ret, err);
}

/* In force; what is left is the disk. */
static void
tell_bound (struct answer *a, const char *name, bool replaced)
{
  struct json_object *last = json_object_new_object ();
  struct control_keeping *k;

  json_add_bool (last, "replaced", replaced);
  (void) control_scenario_row (a, name);
  k = control_keep (a, last);
  if (k)
    layers_keep (a->d->layers, control_kept, k);
}

void
op_scenario_bind (struct answer *a, struct frame *f)
{
  CLEANUP_GUEST const struct guest *g = NULL;
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct scenario *s = NULL;
  struct error err = ERROR_INIT;
  bool replaced = false;
  int r;

  if (json_get_str (a->head, "guest"))
    {
      g = answer_guest (a);
      if (!g)
        return;
    }
  r = read_text (a, f, &doc, &err);
  if (r == 0)
    r = read_scenario (doc, g ? g->inc.uuid : NULL, a->d->playbooks, &s, &err);
  if (r == 0)
    r = layers_bind (a->d->layers, s, json_get_str (a->head, "who"), a->by,
                     &replaced, &err);
  if (r < 0)
    answer_error (a, &err);
  else
    tell_bound (a, s->name, replaced);
  scenario_unref (s);
}

void
op_scenario_unbind (struct answer *a, struct frame *f)
{
  const char *name = json_get_str (a->head, "scenario");
  struct control_keeping *k;
  struct error err = ERROR_INIT;
  int r;

  (void) f;
  if (!name)
    r = error_set (&err, EINVAL, "which scenario?");
  else
    r = layers_unbind (a->d->layers, name, &err);
  if (r < 0)
    {
      answer_error (a, &err);
      return;
    }
  k = control_keep (a, json_object_new_object ());
  if (k)
    layers_keep (a->d->layers, control_kept, k);
}
