/* SPDX-License-Identifier: Apache-2.0
 *
 * Playbooks: reading them, and writing them again.
 */
#include "diag/playbook.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "diag/ladder/cond.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000
#define MINUTE (60 * SECOND)

#define AT(type, member) .offset = offsetof (struct type, member)

/* ---- the tables ---- */

struct head
{
  char *schema, *name, *summary;
  uint64_t budget_ms, bytes;
  struct json_list steps; /* of struct json_object * */
};

static const struct json_field head_fields[] = {
  { .name = "schema", .kind = JSON_STRING, AT (head, schema),
    .help = PLAYBOOK_SCHEMA },
  { .name = "name", .kind = JSON_STRING, AT (head, name), .required = true,
    .min = 1, .max = PLAYBOOK_NAME - 1,
    .help = "[A-Za-z0-9._-]; of a shipped one: it takes its place" },
  { .name = "summary", .kind = JSON_STRING, AT (head, summary), .min = 0,
    .max = 200, .help = "for people, one line" },
  { .name = "budget", .kind = JSON_DURATION, AT (head, budget_ms),
    .min = SECOND, .max = 60LL * MINUTE,
    .help = "of all steps together: when it is over, no other begins; "
            "default none" },
  { .name = "bytes", .kind = JSON_SIZE, AT (head, bytes), .min = 64LL << 10,
    .max = 1LL << 30,
    .help = "what all steps together may bring; default none" },
  { .name = "steps", .kind = JSON_ARRAY, AT (head, steps), .required = true,
    .min = 1, .max = PLAYBOOK_STEPS, .elem_kind = JSON_RAW,
    .help = "in their order: a collector's name, or an object" },
  { .name = NULL },
};

/* A step, with what its collector reads of it behind. */
struct step
{
  char *what, *name;
  uint64_t budget_ms;
  struct json_object *when;
};
#define OWN_AT                                                                \
  ((sizeof (struct step) + _Alignof (max_align_t) - 1)                        \
   / _Alignof (max_align_t) * _Alignof (max_align_t))

static const struct json_field step_fields[] = {
  { .name = "do", .kind = JSON_STRING, AT (step, what), .required = true,
    .min = 1, .max = PLAYBOOK_NAME - 1,
    .help = "a collector; other keys are those of it" },
  { .name = "name", .kind = JSON_STRING, AT (step, name), .min = 1,
    .max = PLAYBOOK_NAME - 1,
    .help = "of which there is one in a playbook; default as `do`" },
  { .name = "budget", .kind = JSON_DURATION, AT (step, budget_ms),
    .min = 100, .max = 30LL * MINUTE,
    .help = "when it is over, the step is given up; default the "
            "collector's" },
  { .name = "if", .kind = JSON_RAW, AT (step, when),
    .help = "a condition, or a list of which all must hold; else the step is "
            "left out" },
  { .name = NULL },
};

static void
step_table (const struct collector *c, struct json_field ret[3])
{
  ret[0] = (struct json_field){ .kind = JSON_GROUP, .sub = step_fields };
  ret[1] = (struct json_field){ .kind = c->fields ? JSON_GROUP : JSON_END,
                                .sub = c->fields,
                                .offset = OWN_AT };
  ret[2] = (struct json_field){ .kind = JSON_END };
}

/* ---- places ---- */

struct at
{
  const struct json_doc *doc;
  const char *path; /* of the playbook, or of its step */
  struct error *err;
};

static void
join (char *dst, size_t n, const char *path, const char *key)
{
  snprintf (dst, n, "%s%s%s", path, path[0] && key[0] ? "." : "", key);
}

static int
bad (const struct at *at, const char *key, const char *why)
{
  char path[160];

  join (path, sizeof path, at->path, key);
  return json_error_at (at->doc, path, at->err, "%s", why);
}

static int
check_name (const struct at *at, const char *key, const char *name)
{
  if (text_is_name (name))
    return 0;
  return bad (at, key,
              "a name is made of letters, digits, \".\", \"_\" and \"-\", "
              "and does not begin with \".\" or \"-\"");
}

/* ---- a step ---- */

static int
find_collector (const struct at *at, const char *key, const char *name,
                const struct collector **ret)
{
  const char *names[64];
  char near[200], why[300];
  size_t n = 0;

  *ret = collector_find (name);
  if (*ret)
    return 0;
  for (; collectors[n] && n < ARRAY_LEN (names) - 1; n++)
    names[n] = collectors[n]->name;
  names[n] = NULL;
  snprintf (why, sizeof why, "there is no such collector%s",
            text_did_you_mean (near, sizeof near, name, names));
  return bad (at, key, why);
}

/* Its name, or "" where the decoder is to say what is wrong. */
static const char *
collector_name (struct json_object *o)
{
  const char *name = json_get_str (o, "do");

  return name ? name : "";
}

static int
take_step (const struct at *at, struct step *read,
           struct playbook_step *ret)
{
  const struct collector *c = ret->collector;
  const char *name = read->name ? read->name : c->name;
  char path[160];
  int r = check_name (at, "name", name);

  if (r < 0)
    return r;
  snprintf (ret->name, sizeof ret->name, "%s", name);
  ret->budget_ms = read->budget_ms;
  if (read->when)
    {
      join (path, sizeof path, at->path, "if");
      r = cond_list_read (at->doc, read->when, path, &ret->when, at->err);
      if (r < 0)
        return r;
    }
  if (!c->fields)
    return 0;
  if (c->check)
    r = c->check (at->doc, at->path, (char *) read + OWN_AT,
                  ret->budget_ms ? ret->budget_ms : c->budget_ms, at->err);
  if (r < 0)
    return r;
  ret->own = malloc (c->own_size);
  if (!ret->own)
    return error_set (at->err, ENOMEM, "no memory for a playbook");
  /* What it points at goes along. */
  memcpy (ret->own, (char *) read + OWN_AT, c->own_size);
  memset ((char *) read + OWN_AT, 0, c->own_size);
  return 0;
}

static int
read_object (const struct at *at, struct json_object *o,
             struct playbook_step *ret)
{
  struct json_field table[3];
  struct step *read;
  int r;

  if (collector_name (o)[0])
    r = find_collector (at, "do", collector_name (o), &ret->collector);
  else
    {
      struct step none = { .what = NULL };

      /* Fails: it has no `do`, or one that is no name. */
      r = json_decode (at->doc, o, at->path, step_fields, &none, at->err);
      json_decoded_done (step_fields, &none);
      r = r < 0 ? r : bad (at, "do", "must name a collector");
    }
  if (r < 0)
    return r;
  read = calloc (1, OWN_AT + ret->collector->own_size);
  if (!read)
    return error_set (at->err, ENOMEM, "no memory for a playbook");
  if (ret->collector->own_init)
    memcpy ((char *) read + OWN_AT, ret->collector->own_init,
            ret->collector->own_size);
  step_table (ret->collector, table);
  r = json_decode (at->doc, o, at->path, table, read, at->err);
  if (r == 0)
    r = take_step (at, read, ret);
  json_decoded_done (table, read);
  free (read);
  return r;
}

/* A name alone is an object that says no more than it. */
static int
read_step (const struct at *at, struct json_object *o,
           struct playbook_step *ret)
{
  CLEANUP_JSON struct json_object *said = NULL;
  int r;

  if (json_object_is_type (o, json_type_object))
    return read_object (at, o, ret);
  if (!json_object_is_type (o, json_type_string))
    return bad (at, "", "must be a collector's name, or an object");
  r = find_collector (at, "", json_object_get_string (o), &ret->collector);
  if (r < 0)
    return r;
  said = json_object_new_object ();
  json_add_str (said, "do", ret->collector->name);
  return read_object (at, said, ret);
}

static void
step_done (struct playbook_step *s)
{
  if (s->own)
    json_decoded_done (s->collector->fields, s->own);
  free (s->own);
  cond_list_free (s->when);
}

/* ---- the whole ---- */

static int
read_steps (const struct at *at, const struct json_list *list,
            struct playbook *p)
{
  struct json_object *const *all = list->items;
  char key[32], path[160];
  const struct at step = { at->doc, path, at->err };
  int r = 0;

  p->steps = calloc (list->count, sizeof (*p->steps));
  if (!p->steps)
    return error_set (at->err, ENOMEM, "no memory for a playbook");
  for (size_t i = 0; i < list->count && r == 0; i++)
    {
      struct playbook_step *s = &p->steps[i];

      snprintf (key, sizeof key, "steps[%zu]", i);
      join (path, sizeof path, at->path, key);
      r = read_step (&step, all[i], s);
      if (r == 0 && playbook_step_named (p, s->name))
        r = bad (&step, "",
                 "there is another step of that name; give it a \"name\" of "
                 "its own");
      p->nsteps++;
    }
  return r;
}

/* It is done where nobody knows better, and stands for that it touches
 * nothing. */
static int
check_harmless (const struct at *at, const struct playbook *p)
{
  char key[32];

  for (unsigned i = 0;
       i < p->nsteps && strcmp (p->name, playbook_harmless) == 0; i++)
    if (p->steps[i].collector->touch != TOUCH_NOTHING)
      {
        snprintf (key, sizeof key, "steps[%u]", i);
        return bad (at, key,
                    "of that name only a playbook that touches no guest may "
                    "be; give yours another");
      }
  return 0;
}

static int
fill (const struct at *at, struct head *head, const char *origin,
      struct playbook *p)
{
  int r = 0;

  if (head->schema && strcmp (head->schema, PLAYBOOK_SCHEMA) != 0)
    return bad (at, "schema", "must be \"" PLAYBOOK_SCHEMA "\"");
  r = check_name (at, "name", head->name);
  if (r < 0)
    return r;
  snprintf (p->name, sizeof p->name, "%s", head->name);
  p->summary = steal_ptr (&head->summary);
  if (!p->summary)
    p->summary = strdup ("");
  p->origin = strdup (origin);
  p->budget_ms = head->budget_ms;
  p->bytes = head->bytes;
  if (!p->summary || !p->origin)
    return error_set (at->err, ENOMEM, "no memory for a playbook");
  r = read_steps (at, &head->steps, p);
  return r < 0 ? r : check_harmless (at, p);
}

int
playbook_read (const struct json_doc *doc, struct json_object *obj,
               const char *path, const char *origin, struct playbook **ret,
               struct error *err)
{
  const struct at at = { doc, path, err };
  struct head head = { .name = NULL };
  struct playbook *p;
  int r;

  if (!json_object_is_type (obj, json_type_object))
    return json_error_at (doc, path, err, "a playbook must be an object");
  p = calloc (1, sizeof (*p));
  if (!p)
    return error_set (err, ENOMEM, "no memory for a playbook");
  p->refs = 1;
  r = json_decode (doc, obj, path, head_fields, &head, err);
  if (r == 0)
    r = fill (&at, &head, origin, p);
  json_decoded_done (head_fields, &head);
  if (r < 0)
    {
      playbook_unref (p);
      return r;
    }
  *ret = p;
  return 0;
}

struct playbook *
playbook_ref (struct playbook *p)
{
  __atomic_add_fetch (&p->refs, 1, __ATOMIC_RELAXED);
  return p;
}

void
playbook_unref (struct playbook *p)
{
  if (!p || __atomic_sub_fetch (&p->refs, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  for (unsigned i = 0; i < p->nsteps; i++)
    step_done (&p->steps[i]);
  free (p->steps);
  free (p->summary);
  free (p->origin);
  free (p);
}

const struct playbook_step *
playbook_step_named (const struct playbook *p, const char *name)
{
  for (unsigned i = 0; i < p->nsteps; i++)
    if (strcmp (p->steps[i].name, name) == 0)
      return &p->steps[i];
  return NULL;
}

/* ---- as a document ---- */

static struct json_object *
step_to_json (const struct playbook_step *s)
{
  struct step said = { .what = (char *) s->collector->name,
                       .budget_ms = s->budget_ms };
  struct json_object *o, *own;

  if (strcmp (s->name, s->collector->name) != 0)
    said.name = (char *) s->name;
  if (s->when)
    said.when = cond_list_to_json (s->when);
  o = json_encode (step_fields, &said);
  if (said.when)
    json_object_put (said.when);
  if (!s->own)
    return o;
  own = json_encode (s->collector->fields, s->own);
  json_object_object_foreach (own, key, value)
    json_object_object_add (o, key, json_object_get (value));
  json_object_put (own);
  return o;
}

struct json_object *
playbook_to_json (const struct playbook *p)
{
  const struct head head = { .schema = (char *) PLAYBOOK_SCHEMA,
                             .name = (char *) p->name,
                             .summary = p->summary,
                             .budget_ms = p->budget_ms,
                             .bytes = p->bytes };
  struct json_object *o = json_encode (head_fields, &head);
  struct json_object *steps = json_object_new_array ();

  for (unsigned i = 0; i < p->nsteps; i++)
    json_object_array_add (steps, step_to_json (&p->steps[i]));
  json_object_object_add (o, "steps", steps);
  return o;
}

/* {"if": it does that, "then": these are its keys too}. */
static struct json_object *
keys_schema (const struct collector *c)
{
  struct json_object *out = json_object_new_object ();
  struct json_object *is = json_object_new_object ();
  struct json_object *names = json_object_new_object ();
  struct json_object *name = json_object_new_object ();
  struct json_object *then = c->fields ? json_schema_object (c->fields)
                                       : json_object_new_object ();

  json_add_str (name, "const", c->name);
  json_object_object_add (names, "do", name);
  json_object_object_add (is, "properties", names);
  json_object_object_del (then, "additionalProperties");
  if (c->fields)
    json_object_object_del (json_get (then, "properties"), "$schema");
  json_add_str (then, "description", c->summary);
  json_object_object_add (out, "if", is);
  json_object_object_add (out, "then", then);
  return out;
}

static struct json_object *
when_schema (void)
{
  static const char text[]
      = "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":"
        "{\"type\":\"string\"}}],\"description\":\"a condition, or several "
        "that must all hold\"}";

  return json_tokener_parse (text);
}

static struct json_object *
steps_schema (void)
{
  struct json_object *step = json_schema_object (step_fields);
  struct json_object *props = json_get (step, "properties");
  struct json_object *names = json_object_new_array ();
  struct json_object *keys = json_object_new_array ();
  struct json_object *name = json_object_new_object ();
  struct json_object *any = json_object_new_array ();
  struct json_object *out = json_object_new_object ();

  for (size_t i = 0; collectors[i]; i++)
    {
      json_object_array_add (names,
                             json_object_new_string (collectors[i]->name));
      json_object_array_add (keys, keys_schema (collectors[i]));
    }
  json_object_object_del (props, "$schema");
  json_object_object_add (props, "if", when_schema ());
  json_object_object_add (json_get (props, "do"), "enum",
                          json_object_get (names));
  /* Unevaluated, not additional: the latter knows of no "then". */
  json_object_object_del (step, "additionalProperties");
  json_object_object_add (step, "allOf", keys);
  json_add_bool (step, "unevaluatedProperties", false);
  json_object_object_add (name, "enum", names);
  json_object_array_add (any, name);
  json_object_array_add (any, step);
  json_object_object_add (out, "anyOf", any);
  return out;
}

void
playbook_schema (struct buf *out)
{
  struct json_object *body = json_schema_object (head_fields);

  json_object_object_add (json_get (json_get (body, "properties"), "steps"),
                          "items", steps_schema ());
  json_schema_print (PLAYBOOK_SCHEMA, "What a diagnosis does", body, out);
}
