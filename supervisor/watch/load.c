/* SPDX-License-Identifier: Apache-2.0
 *
 * Scenario files and folders, read through the opener.
 */
#include "supervisor/watch/load.h"
#include "supervisor/conf/conf_files.h"
#include "supervisor/conf/scenario_read.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list
{
  struct scenario **items;
  size_t n;
  const struct playbook_set *playbooks; /* NULL: any may be named */
  const char *path; /* of the file that is being read */
};

static int
say_origin (struct scenario *s, const char *path, struct error *err)
{
  size_t n = strlen (path) + sizeof ("file ");

  s->origin = malloc (n);
  if (!s->origin)
    return error_set (err, ENOMEM, "no memory for scenarios");
  snprintf (s->origin, n, "file %s", path);
  return 0;
}

static void
list_free (struct list *l)
{
  for (size_t i = 0; i < l->n; i++)
    scenario_unref (l->items[i]);
  free (l->items);
}

/* Takes s, the i-th of doc, also when it fails. */
static int
add (struct list *l, struct scenario *s, const struct json_doc *doc, size_t i,
     struct error *err)
{
  struct scenario **items;
  char at[80];
  /* What is built in has none. */
  int r = l->path ? say_origin (s, l->path, err) : 0;

  if (r == 0 && l->playbooks)
    r = scenario_playbook (doc, i, s, l->playbooks, err);
  for (size_t k = 0; k < l->n && r == 0; k++)
    if (strcmp (l->items[k]->name, s->name) == 0)
      {
        scenario_place (doc, i, "name", at, sizeof (at));
        r = json_error_at (doc, at, err,
                           "there is another scenario named \"%s\"", s->name);
      }
  items = r < 0 ? NULL : realloc (l->items, (l->n + 1) * sizeof (*items));
  if (!items)
    {
      scenario_unref (s);
      return r < 0 ? r : error_set (err, ENOMEM, "no memory for scenarios");
    }
  l->items = items;
  items[l->n++] = s;
  return 0;
}

static int
load_text (const char *text, size_t len, const char *origin, struct list *l,
           struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct scenario **some = NULL;
  size_t n = 0;
  int r = json_parse (text, len, JSON_FILE, origin, JSON_MAX_FILE, &doc, err);

  if (r == 0)
    r = scenario_list (doc, &some, &n, err);
  if (r < 0)
    return r;
  for (size_t i = 0; i < n; i++)
    if (r == 0)
      r = add (l, some[i], doc, i, err);
    else
      scenario_unref (some[i]);
  free (some);
  return r;
}

static int
on_file (const struct conf_file *f, void *arg, struct error *err)
{
  if (f->why)
    {
      *err = *f->why;
      return -err->code;
    }
  ((struct list *) arg)->path = f->origin;
  return load_text (f->text, f->len, f->origin, arg, err);
}

int
load_scenarios (struct opener *opener, const struct config *cfg,
                const struct playbook_set *playbooks, uint64_t deadline,
                struct scenario ***ret, size_t *ret_n, struct error *err)
{
  char *const *paths = cfg->scenarios.items;
  struct list l = { .playbooks = playbooks };
  int r = 0;

  for (size_t i = 0; i < cfg->scenarios.count && r == 0; i++)
    r = conf_files_each (opener, paths[i], "scenario", deadline, on_file, &l,
                         err);
  if (r < 0)
    {
      list_free (&l);
      return r;
    }
  *ret = l.items;
  *ret_n = l.n;
  return 0;
}

/* Nothing in the guest notices it, nor what is collected when it fails: its
 * playbook is one that gives the guest nothing, no key either. */
static const char builtin[]
    = "{ \"schema\": \"" SCENARIO_SCHEMA "\", \"name\": \"heartbeat\","
      "  \"kind\": \"memory-heartbeat\", \"playbook\": \"quick\","
      "  \"description\": \"built in: of guests that no scenario is for\","
      "  \"interval\": \"30s\", \"retry-interval\": \"6s\" }";

struct scenario *
load_builtin (const struct config *cfg)
{
  struct list l = { 0 };
  struct scenario *ret = NULL;

  if (cfg->default_scenario && cfg->heartbeat_ms
      && load_text (builtin, strlen (builtin), "built-in", &l, NULL) == 0
      && l.n == 1)
    ret = scenario_ref (l.items[0]);
  list_free (&l);
  return ret;
}
