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

struct bound
{
  struct scenario *scenario;
  size_t len; /* of its entry in the state file */
  char who[64], by[64];
};

struct layers
{
  struct layers_env env;
  struct kept *kept;
  struct scenario **files;
  size_t nfiles;
  bool files_known; /* or known to be out of reach */
  bool files_read, bound_read;
  struct bound *list; /* room for BOUND_MAX, once there is one */
  unsigned n;
  size_t all_len;
};

/* ---- finding ---- */

static struct scenario *
file_named (struct layers *l, const char *name)
{
  for (size_t i = 0; i < l->nfiles; i++)
    if (strcmp (l->files[i]->name, name) == 0)
      return l->files[i];
  return NULL;
}

static struct bound *
bound_named (struct layers *l, const char *name)
{
  for (unsigned i = 0; i < l->n; i++)
    if (strcmp (l->list[i].scenario->name, name) == 0)
      return &l->list[i];
  return NULL;
}

static void
file_info (const struct scenario *s, struct layer_info *ret)
{
  *ret = (struct layer_info){
    .scenario = s,
    .origin = s->origin ? s->origin : "built-in",
    .who = "",
    .by = "",
  };
}

static void
bound_info (struct layers *l, const struct bound *b, struct layer_info *ret)
{
  *ret = (struct layer_info){
    .scenario = b->scenario,
    .origin = "bound",
    .who = b->who,
    .by = b->by,
    .shadowed = file_named (l, b->scenario->name) != NULL,
  };
}

static const struct scenario *
standby_info (struct layers *l, struct layer_info *ret)
{
  const struct scenario *s = bindings_default (l->env.bindings);

  if (s)
    {
      file_info (s, ret);
      ret->standby = true;
    }
  return s;
}

bool
layers_find (struct layers *l, const char *name, struct layer_info *ret)
{
  const struct scenario *s = file_named (l, name);
  const struct bound *b = s ? NULL : bound_named (l, name);
  struct layer_info standby;

  if (s)
    file_info (s, ret);
  else if (b)
    bound_info (l, b, ret);
  else if (standby_info (l, &standby)
           && strcmp (standby.scenario->name, name) == 0)
    *ret = standby;
  else
    return false;
  return true;
}

void
layers_each (struct layers *l,
             void (*fn) (const struct layer_info *info, void *arg), void *arg)
{
  struct layer_info info;

  for (size_t i = 0; i < l->nfiles; i++)
    {
      file_info (l->files[i], &info);
      fn (&info, arg);
    }
  for (unsigned i = 0; i < l->n; i++)
    {
      bound_info (l, &l->list[i], &info);
      fn (&info, arg);
    }
  if (standby_info (l, &info))
    fn (&info, arg);
}

/* ---- both together ---- */

static int
apply (struct layers *l, struct error *err)
{
  CLEANUP_FREE struct scenario **all = NULL;
  size_t n = 0;
  int r;

  if (!l->files_known)
    return 0;
  all = calloc (l->nfiles + l->n + 1, sizeof (struct scenario *));
  if (!all)
    return error_set (err, ENOMEM, "no memory for the scenarios");
  for (size_t i = 0; i < l->nfiles; i++)
    all[n++] = scenario_ref (l->files[i]);
  for (unsigned i = 0; i < l->n; i++)
    if (!file_named (l, l->list[i].scenario->name))
      all[n++] = scenario_ref (l->list[i].scenario);
  r = bindings_set (l->env.bindings, all, n, err);
  for (size_t i = 0; r < 0 && i < n; i++)
    scenario_unref (all[i]);
  if (r == 0 && l->files_read && l->bound_read && l->env.settled)
    l->env.settled (l->env.arg);
  return r;
}

static void
forget_files (struct scenario **files, size_t n)
{
  for (size_t i = 0; i < n; i++)
    scenario_unref (files[i]);
  free (files);
}

int
layers_files (struct layers *l, struct scenario **list, size_t n,
              struct error *err)
{
  struct scenario **copy = calloc (n + 1, sizeof (*copy));
  struct scenario **was = l->files;
  size_t nwas = l->nfiles;
  bool known = l->files_known, was_read = l->files_read;
  int r;

  if (!copy)
    return error_set (err, ENOMEM, "no memory for the scenarios");
  if (n)
    memcpy (copy, list, n * sizeof (*copy));
  l->files = copy;
  l->nfiles = n;
  l->files_known = l->files_read = true;
  r = apply (l, err);
  if (r < 0)
    {
      l->files = was;
      l->nfiles = nwas;
      l->files_known = known;
      l->files_read = was_read;
      free (copy);
      return r;
    }
  forget_files (was, nwas);
  for (unsigned i = 0; i < l->n; i++)
    if (file_named (l, l->list[i].scenario->name))
      log_warn ("scenario %s is bound, and a file has one of that name: the "
                "file's counts; unbind the other",
                l->list[i].scenario->name);
  return 0;
}

void
layers_no_files (struct layers *l)
{
  struct error err = ERROR_INIT;

  if (l->files_known)
    return;
  l->files_known = true;
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
entry_of (const struct bound *b)
{
  struct json_object *o = json_object_new_object ();

  json_add_text (o, "who", b->who, strlen (b->who));
  json_add_text (o, "by", b->by, strlen (b->by));
  json_object_object_add (o, "document", scenario_to_json (b->scenario));
  return o;
}

/* Has no reference of its own yet. */
static struct bound
bound_of (struct scenario *s, const char *who, const char *by)
{
  struct bound b = { .scenario = s };
  CLEANUP_JSON struct json_object *o = NULL;

  snprintf (b.who, sizeof (b.who), "%s", who ? who : "");
  snprintf (b.by, sizeof (b.by), "%s", by ? by : "");
  o = entry_of (&b);
  b.len = text_len (o) + 1;
  return b;
}

/* Room for it, with what it replaces gone. */
static int
check_room (struct layers *l, const struct bound *was, const struct bound *b,
            struct error *err)
{
  CLEANUP_JSON struct json_object *document = scenario_to_json (b->scenario);
  size_t len = text_len (document);

  if (len > BOUND_DOCUMENT_MAX)
    return error_set (err, EMSGSIZE,
                      "the document has %zu bytes; %u is the most that can be "
                      "bound",
                      len, BOUND_DOCUMENT_MAX);
  if (!was && l->n >= BOUND_MAX)
    return error_set (err, ENOBUFS, "%u scenarios are bound already",
                      BOUND_MAX);
  if (l->all_len - (was ? was->len : 0) + b->len > BOUND_ALL_MAX)
    return error_set (err, ENOBUFS,
                      "all bound scenarios together have more than %u KiB",
                      BOUND_ALL_MAX >> 10);
  if (!l->list)
    l->list = calloc (BOUND_MAX, sizeof (*l->list));
  if (!l->list)
    return error_set (err, ENOMEM, "no memory for bound scenarios");
  return 0;
}

/* At the end, or in the place of was, which the caller keeps. */
static struct bound *
put_in (struct layers *l, struct bound *was, const struct bound *now)
{
  struct bound *b = was ? was : &l->list[l->n++];

  *b = *now;
  scenario_ref (b->scenario);
  l->all_len += b->len;
  return b;
}

static void
take_out (struct layers *l, struct bound *b)
{
  size_t i = (size_t) (b - l->list);

  l->all_len -= b->len;
  scenario_unref (b->scenario);
  memmove (b, b + 1, (--l->n - i) * sizeof (*b));
}

int
layers_bind (struct layers *l, struct scenario *s, const char *who,
             const char *by, bool *ret_replaced, struct error *err)
{
  struct bound *was = bound_named (l, s->name), *b, old;
  const struct bound now = bound_of (s, who, by);
  const struct scenario *file = file_named (l, s->name);
  int r;

  if (!l->files_known)
    return error_set (err, EBUSY,
                      "the scenarios of the files are not read yet: whether "
                      "one has that name is not known");
  if (file)
    return error_set (err, EEXIST,
                      "there is a scenario \"%s\" already: %s; change it "
                      "there, or give this one another name",
                      s->name, file->origin ? file->origin : "built in");
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
  if (r < 0)
    {
      if (!was)
        {
          take_out (l, b);
          return r;
        }
      l->all_len += old.len - b->len;
      scenario_unref (b->scenario);
      *b = old;
      return r;
    }
  if (was)
    scenario_unref (old.scenario);
  *ret_replaced = was != NULL;
  return 0;
}

int
layers_unbind (struct layers *l, const char *name, struct error *err)
{
  struct bound *b = bound_named (l, name);
  const struct scenario *file = file_named (l, name);
  struct error why = ERROR_INIT;

  if (!b && file)
    return error_set (err, EPERM,
                      "scenario \"%s\" is of the %s: take it out there", name,
                      file->origin ? file->origin : "built-in ones");
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
  for (unsigned i = 0; i < l->n; i++)
    json_object_array_add (all, entry_of (&l->list[i]));
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
  struct error err = ERROR_INIT;
  struct bound b;
  int r = 0;

  if (!document
      || scenario_parse (NULL, document, "bound", &s, &err) < 0)
    {
      /* Of a daemon that knew more than we do. */
      log_error ("a scenario that was bound is not taken: %s",
                 document ? error_text (&err) : "it has no document");
      scenario_unref (s);
      return false;
    }
  b = bound_of (s, json_get_str (o, "who"), json_get_str (o, "by"));
  /* What was bound since we started is newer. */
  if (!bound_named (l, s->name))
    r = check_room (l, NULL, &b, &err);
  if (r < 0)
    log_error ("scenario %s, which was bound, is not taken: %s", s->name,
               error_text (&err));
  else if (!bound_named (l, s->name))
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
  l->bound_read = true;
  if (apply (l, &err) < 0)
    log_error ("bound scenarios are not taken: %s", error_text (&err));
  else if (l->n)
    log_info ("%u scenarios that were bound", l->n);
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
  forget_files (l->files, l->nfiles);
  for (unsigned i = 0; i < l->n; i++)
    scenario_unref (l->list[i].scenario);
  free (l->list);
  free (l);
}

void
layers_writer_up (struct layers *l)
{
  kept_up (l->kept);
}
