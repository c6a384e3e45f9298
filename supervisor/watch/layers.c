/* SPDX-License-Identifier: Apache-2.0
 *
 * The layers of scenarios.
 */
#include "supervisor/watch/layers.h"
#include "supervisor/watch/bindings.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1

/* In order of rank: of two of one name the first one counts. */
enum rank
{
  OF_FILES,
  BOUND,
  NRANKS,
};

struct entry
{
  struct scenario *scenario;
  size_t len;           /* of one that is bound: in the state file */
  char who[64], by[64]; /* the same */
  char *fault; /* why it has no verdict by what there is; NULL = nothing */
};

struct layer
{
  struct entry
      *list; /* of those bound: room for BOUND_MAX, once there is one */
  size_t n;
  bool known; /* it counts as it is: or it is known to be out of reach */
  bool read;
};

struct layers
{
  struct layers_env env;
  struct kept *kept;
  struct layer ranks[NRANKS];
  size_t all_len;
};

/* ---- finding ---- */

static struct entry *
named_in (struct layer *layer, const char *name)
{
  for (size_t i = 0; i < layer->n; i++)
    if (strcmp (layer->list[i].scenario->name, name) == 0)
      return &layer->list[i];
  return NULL;
}

/* One of that name in a layer before that one. */
static struct entry *
outranked_by (struct layers *l, unsigned rank, const char *name)
{
  struct entry *e = NULL;

  for (unsigned i = 0; i < rank && !e; i++)
    e = named_in (&l->ranks[i], name);
  return e;
}

static void
scenario_info (const struct scenario *s, struct layer_info *ret)
{
  *ret = (struct layer_info){
    .scenario = s,
    .origin = s->origin ? s->origin : "built-in",
    .who = "",
    .by = "",
    .fault = "",
  };
}

static void
entry_info (struct layers *l, unsigned rank, const struct entry *e,
            struct layer_info *ret)
{
  scenario_info (e->scenario, ret);
  if (rank == BOUND)
    ret->origin = "bound";
  ret->who = e->who;
  ret->by = e->by;
  ret->fault = e->fault ? e->fault : "";
  ret->shadowed = outranked_by (l, rank, e->scenario->name) != NULL;
}

static const struct scenario *
standby_info (struct layers *l, struct layer_info *ret)
{
  const struct scenario *s = bindings_default (l->env.bindings);

  if (s)
    {
      scenario_info (s, ret);
      ret->standby = true;
    }
  return s;
}

bool
layers_find (struct layers *l, const char *name, struct layer_info *ret)
{
  struct layer_info standby;

  for (unsigned i = 0; i < NRANKS; i++)
    {
      const struct entry *e = named_in (&l->ranks[i], name);

      if (e)
        {
          entry_info (l, i, e, ret);
          return true;
        }
    }
  if (!standby_info (l, &standby) || strcmp (standby.scenario->name, name) != 0)
    return false;
  *ret = standby;
  return true;
}

void
layers_each (struct layers *l,
             void (*fn) (const struct layer_info *info, void *arg), void *arg)
{
  struct layer_info info;

  for (unsigned i = 0; i < NRANKS; i++)
    for (size_t k = 0; k < l->ranks[i].n; k++)
      {
        entry_info (l, i, &l->ranks[i].list[k], &info);
        fn (&info, arg);
      }
  if (standby_info (l, &info))
    fn (&info, arg);
}

/* ---- all of them together ---- */

static void
note_fault (struct entry *e, const char *why)
{
  if (why && (!e->fault || strcmp (e->fault, why) != 0))
    log_warn ("no verdict of %s", why);
  free (e->fault);
  e->fault = why ? strdup (why) : NULL;
}

/* The one place where what names others is looked at: the others may be of
 * another layer, and come and go with it.  It costs no other scenario
 * anything. */
static void
look_for_faults (struct layers *l, struct scenario *const *all, size_t n)
{
  for (unsigned i = 0; i < NRANKS; i++)
    for (size_t k = 0; k < l->ranks[i].n; k++)
      {
        struct entry *e = &l->ranks[i].list[k];
        struct error why = ERROR_INIT;

        if (!outranked_by (l, i, e->scenario->name)
            && scenario_check_parts (all, n, e->scenario, &why) < 0)
          note_fault (e, error_text (&why));
        else
          note_fault (e, NULL);
      }
}

static int
apply (struct layers *l, struct error *err)
{
  CLEANUP_FREE struct scenario **all = NULL;
  size_t n = 0, room = 1;
  bool read = true;
  int r;

  for (unsigned i = 0; i < NRANKS; i++)
    {
      if (!l->ranks[i].known)
        return 0;
      read &= l->ranks[i].read;
      room += l->ranks[i].n;
    }
  all = calloc (room, sizeof (struct scenario *));
  if (!all)
    return error_set (err, ENOMEM, "no memory for the scenarios");
  for (unsigned i = 0; i < NRANKS; i++)
    for (size_t k = 0; k < l->ranks[i].n; k++)
      if (!outranked_by (l, i, l->ranks[i].list[k].scenario->name))
        all[n++] = scenario_ref (l->ranks[i].list[k].scenario);
  r = bindings_set (l->env.bindings, all, n, err);
  for (size_t i = 0; r < 0 && i < n; i++)
    scenario_unref (all[i]);
  if (r < 0)
    return r;
  /* The bindings' references are ours no more; the layers have their own. */
  look_for_faults (l, all, n);
  if (read && l->env.settled)
    l->env.settled (l->env.arg);
  return 0;
}

static void
entry_free (struct entry *e)
{
  scenario_unref (e->scenario);
  free (e->fault);
}

static void
forget (struct layer *layer)
{
  for (size_t i = 0; i < layer->n; i++)
    entry_free (&layer->list[i]);
  free (layer->list);
}

int
layers_files (struct layers *l, struct scenario **list, size_t n,
              struct error *err)
{
  struct layer *files = &l->ranks[OF_FILES], was = *files;
  const struct layer *bound = &l->ranks[BOUND];
  struct layer now = { calloc (n + 1, sizeof (struct entry)), n, true, true };
  int r;

  if (!now.list)
    return error_set (err, ENOMEM, "no memory for the scenarios");
  for (size_t i = 0; i < n; i++)
    now.list[i].scenario = list[i];
  *files = now;
  r = apply (l, err);
  if (r < 0)
    {
      *files = was;
      free (now.list);
      return r;
    }
  forget (&was);
  for (size_t i = 0; i < bound->n; i++)
    if (named_in (files, bound->list[i].scenario->name))
      log_warn ("scenario %s is bound, and a file has one of that name: the "
                "file's counts; unbind the other",
                bound->list[i].scenario->name);
  return 0;
}

void
layers_no_files (struct layers *l)
{
  struct error err = ERROR_INIT;

  if (l->ranks[OF_FILES].known)
    return;
  l->ranks[OF_FILES].known = true;
  if (apply (l, &err) < 0)
    log_error ("bound scenarios are not taken: %s", error_text (&err));
}

/* ---- what is bound ---- */

static size_t
text_len (struct json_object *o)
{
  return strlen (json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN));
}

static struct json_object *
entry_of (const struct entry *b)
{
  struct json_object *o = json_object_new_object ();

  json_add_text (o, "who", b->who, strlen (b->who));
  json_add_text (o, "by", b->by, strlen (b->by));
  json_object_object_add (o, "document", scenario_to_json (b->scenario));
  return o;
}

/* Has no reference of its own yet. */
static struct entry
bound_of (struct scenario *s, const char *who, const char *by)
{
  struct entry b = { .scenario = s };
  CLEANUP_JSON struct json_object *o = NULL;

  snprintf (b.who, sizeof (b.who), "%s", who ? who : "");
  snprintf (b.by, sizeof (b.by), "%s", by ? by : "");
  o = entry_of (&b);
  b.len = text_len (o) + 1;
  return b;
}

/* Room for it, with what it replaces gone. */
static int
check_room (struct layers *l, const struct entry *was, const struct entry *b,
            struct error *err)
{
  CLEANUP_JSON struct json_object *document = scenario_to_json (b->scenario);
  struct layer *bound = &l->ranks[BOUND];
  size_t len = text_len (document);

  if (len > BOUND_DOCUMENT_MAX)
    return error_set (err, EMSGSIZE,
                      "the document has %zu bytes; %u is the most that can be "
                      "bound",
                      len, BOUND_DOCUMENT_MAX);
  if (!was && bound->n >= BOUND_MAX)
    return error_set (err, ENOBUFS, "%u scenarios are bound already",
                      BOUND_MAX);
  if (l->all_len - (was ? was->len : 0) + b->len > BOUND_ALL_MAX)
    return error_set (err, ENOBUFS,
                      "all bound scenarios together have more than %u KiB",
                      BOUND_ALL_MAX >> 10);
  if (!bound->list)
    bound->list = calloc (BOUND_MAX, sizeof (*bound->list));
  if (!bound->list)
    return error_set (err, ENOMEM, "no memory for bound scenarios");
  return 0;
}

/* At the end, or in the place of was, which the caller keeps. */
static struct entry *
put_in (struct layers *l, struct entry *was, const struct entry *now)
{
  struct layer *bound = &l->ranks[BOUND];
  struct entry *b = was ? was : &bound->list[bound->n++];

  *b = *now;
  scenario_ref (b->scenario);
  l->all_len += b->len;
  return b;
}

static void
take_out (struct layers *l, struct entry *b)
{
  struct layer *bound = &l->ranks[BOUND];
  size_t i = (size_t) (b - bound->list);

  l->all_len -= b->len;
  entry_free (b);
  memmove (b, b + 1, (--bound->n - i) * sizeof (*b));
}

int
layers_bind (struct layers *l, struct scenario *s, const char *who,
             const char *by, bool *ret_replaced, struct error *err)
{
  struct entry *was = named_in (&l->ranks[BOUND], s->name), *b;
  struct entry old = { .scenario = NULL };
  const struct entry now = bound_of (s, who, by);
  const struct entry *before = outranked_by (l, BOUND, s->name);
  const char *origin = before ? before->scenario->origin : NULL;
  int r;

  if (!l->ranks[OF_FILES].known)
    return error_set (err, EBUSY,
                      "the scenarios of the files are not read yet: whether "
                      "one has that name is not known");
  if (before)
    return error_set (err, EEXIST,
                      "there is a scenario \"%s\" already: %s; change it "
                      "there, or give this one another name",
                      s->name, origin ? origin : "built in");
  r = check_room (l, was, &now, err);
  if (r < 0)
    return r;
  if (was)
    {
      old = *was;
      l->all_len -= old.len;
    }
  b = put_in (l, was, &now);
  r = apply (l, err);
  if (r < 0 && !was)
    take_out (l, b);
  else if (r < 0)
    {
      l->all_len += old.len - b->len;
      entry_free (b);
      *b = old;
    }
  if (r < 0)
    return r;
  entry_free (&old);
  *ret_replaced = was != NULL;
  return 0;
}

int
layers_unbind (struct layers *l, const char *name, struct error *err)
{
  struct entry *b = named_in (&l->ranks[BOUND], name);
  const struct entry *before = outranked_by (l, BOUND, name);
  struct error why = ERROR_INIT;

  if (!b && before)
    return error_set (
        err, EPERM, "scenario \"%s\" is of the %s: take it out there", name,
        before->scenario->origin ? before->scenario->origin : "built-in ones");
  if (!b)
    return error_set (err, ENOENT, "no scenario \"%s\" is bound", name);
  take_out (l, b);
  /* Only for want of memory: the next change takes it along. */
  if (apply (l, &why) < 0)
    log_error ("scenario %s is asked until the next change: %s", name,
               error_text (&why));
  return 0;
}

void
layers_keep (struct layers *l, kept_done_fn *done, void *arg)
{
  kept_save (l->kept, done, arg);
}

/* ---- on disk ---- */

static struct json_object *
give (void *arg)
{
  struct layers *l = arg;
  struct json_object *root = json_object_new_object ();
  struct json_object *all = json_object_new_array ();

  json_add_int (root, "format", FORMAT);
  for (size_t i = 0; i < l->ranks[BOUND].n; i++)
    json_object_array_add (all, entry_of (&l->ranks[BOUND].list[i]));
  json_object_object_add (root, "bound", all);
  return root;
}

/* Its playbook may be gone meanwhile: that costs evidence (no-touch is done in
 * its place), and is no reason not to ask the guest. */
static bool
take_one (struct layers *l, struct json_object *o)
{
  struct json_object *document = json_get (o, "document");
  struct scenario *s = NULL;
  struct layer *bound = &l->ranks[BOUND];
  struct error err = ERROR_INIT;
  struct entry b;
  int r = 0;

  if (!document || scenario_parse (NULL, document, "bound", &s, &err) < 0)
    {
      /* Of a daemon that knew more than we do. */
      log_error ("a scenario that was bound is not taken: %s",
                 document ? error_text (&err) : "it has no document");
      scenario_unref (s);
      return false;
    }
  b = bound_of (s, json_get_str (o, "who"), json_get_str (o, "by"));
  /* What was bound since we started is newer. */
  if (!named_in (bound, s->name))
    r = check_room (l, NULL, &b, &err);
  if (r < 0)
    log_error ("scenario %s, which was bound, is not taken: %s", s->name,
               error_text (&err));
  else if (!named_in (bound, s->name))
    put_in (l, NULL, &b);
  scenario_unref (s);
  return r == 0;
}

static bool
take (struct json_object *root, void *arg)
{
  struct layers *l = arg;
  struct json_object *all = root ? json_get (root, "bound") : NULL;
  bool there = json_object_is_type (all, json_type_array);
  bool whole = !root || there;
  struct error err = ERROR_INIT;

  for (size_t i = 0; there && i < json_object_array_length (all); i++)
    whole &= take_one (l, json_object_array_get_idx (all, i));
  l->ranks[BOUND].read = true;
  if (apply (l, &err) < 0)
    log_error ("bound scenarios are not taken: %s", error_text (&err));
  else if (l->ranks[BOUND].n)
    log_info ("%zu scenarios that were bound", l->ranks[BOUND].n);
  return whole && (!root || json_get_int (root, "format", FORMAT) <= FORMAT);
}

static const struct kept_ops kept_ops = {
  .file = "bound.json",
  .what = "the list of bound scenarios",
  .take = take,
  .give = give,
};

/* ---- making ---- */

int
layers_new (const struct layers_env *env, struct layers **ret,
            struct error *err)
{
  struct layers *l = calloc (1, sizeof (*l));
  int r;

  if (!l)
    return error_set (err, ENOMEM, "no memory for layers of scenarios");
  l->env = *env;
  /* What is bound comes later, and counts as far as it is there. */
  l->ranks[BOUND].known = true;
  r = kept_new (env->loop, env->writer, &kept_ops, l, &l->kept, err);
  if (r < 0)
    {
      layers_free (l);
      return r;
    }
  *ret = l;
  return 0;
}

void
layers_free (struct layers *l)
{
  if (!l)
    return;
  kept_free (l->kept);
  for (unsigned i = 0; i < NRANKS; i++)
    forget (&l->ranks[i]);
  free (l);
}

void
layers_writer_up (struct layers *l)
{
  kept_up (l->kept);
}
