/* SPDX-License-Identifier: Apache-2.0
 *
 * Scenario files and folders, read through the opener.
 */
#include "supervisor/load.h"
#include "supervisor/playbooks.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/opener.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct list
{
  struct scenario **items;
  size_t n;
};

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
  struct error why = ERROR_INIT;
  char at[80];
  int r = 0;

  if (playbook_check (s->playbook, &why) < 0)
    {
      scenario_place (doc, i, "playbook", at, sizeof (at));
      r = json_error_at (doc, at, err, "%s", error_text (&why));
    }
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
read_all (int fd, const char *origin, struct buf *out, struct error *err)
{
  char block[8192];
  ssize_t n;

  while ((n = read (fd, block, sizeof (block))) > 0)
    {
      buf_append (out, block, (size_t) n);
      if (out->cut)
        return error_set (err, EFBIG, "%s: more than %u bytes", origin,
                          JSON_MAX_FILE);
    }
  return n < 0 ? error_errno (err, errno, "%s", origin) : 0;
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
load_file (struct opener *opener, const char *root, const char *name,
           uint64_t deadline, struct list *l, struct error *err)
{
  struct open_req req = { .kind = OPEN_FILE, .root = root, .path = name };
  CLEANUP_BUF struct buf text = BUF_INIT (JSON_MAX_FILE);
  CLEANUP_CLOSE int fd = -1;
  char origin[4096];
  int r;

  snprintf (origin, sizeof (origin), "%s/%s", root, name);
  r = opener->open (opener, &req, deadline, &fd, NULL, err);
  if (r < 0)
    return error_wrap (err, "scenario file");
  r = read_all (fd, origin, &text, err);
  return r < 0 ? r : load_text (buf_str (&text), text.len, origin, l, err);
}

static int
by_name (const struct dirent **a, const struct dirent **b)
{
  return strcmp ((*a)->d_name, (*b)->d_name);
}

static int
is_json (const struct dirent *e)
{
  size_t n = strlen (e->d_name);

  return e->d_name[0] != '.' && n > 5
         && strcmp (e->d_name + n - 5, ".json") == 0;
}

static int
load_folder (struct opener *opener, const char *root, int dirfd,
             uint64_t deadline, struct list *l, struct error *err)
{
  struct dirent **names = NULL;
  int n, r = 0;

  n = scandirat (dirfd, ".", &names, is_json, by_name);
  if (n < 0)
    return error_errno (err, errno, "%s", root);
  if (n > LOAD_MAX_FILES)
    r = error_set (err, E2BIG, "%s: more than %d scenario files", root,
                   LOAD_MAX_FILES);
  for (int i = 0; i < n; i++)
    {
      if (r == 0)
        r = load_file (opener, root, names[i]->d_name, deadline, l, err);
      free (names[i]);
    }
  free (names);
  return r;
}

static int
load_path (struct opener *opener, const char *path, uint64_t deadline,
           struct list *l, struct error *err)
{
  struct open_req req = { .kind = OPEN_DIR, .root = path, .path = "." };
  CLEANUP_CLOSE int dir = -1;
  CLEANUP_FREE char *folder = NULL;
  const char *slash = strrchr (path, '/');
  int r;

  r = opener->open (opener, &req, deadline, &dir, NULL, err);
  if (r == 0)
    return load_folder (opener, path, dir, deadline, l, err);
  if (r != -ENOTDIR || !slash)
    return error_wrap (err, "scenarios");
  folder = strndup (path, slash == path ? 1 : (size_t) (slash - path));
  if (!folder)
    return error_set (err, ENOMEM, "no memory");
  return load_file (opener, folder, slash + 1, deadline, l, err);
}

int
load_scenarios (struct opener *opener, const struct config *cfg,
                uint64_t deadline, struct scenario ***ret, size_t *ret_n,
                struct error *err)
{
  char *const *paths = cfg->scenarios.items;
  struct list l = { 0 };
  int r = 0;

  for (size_t i = 0; i < cfg->scenarios.count && r == 0; i++)
    r = load_path (opener, paths[i], deadline, &l, err);
  if (r < 0)
    {
      list_free (&l);
      return r;
    }
  *ret = l.items;
  *ret_n = l.n;
  return 0;
}
