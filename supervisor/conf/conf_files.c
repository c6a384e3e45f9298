/* SPDX-License-Identifier: Apache-2.0
 *
 * Files and folders that the configuration names.
 */
#include "supervisor/conf/conf_files.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/opener.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct reading
{
  struct opener *opener;
  const char *what;
  uint64_t deadline;
  conf_file_fn *fn;
  void *arg;
};

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
read_file (const struct reading *rd, const char *root, const char *name,
           struct error *err)
{
  struct open_req req = { .kind = OPEN_FILE, .root = root, .path = name };
  CLEANUP_BUF struct buf text = BUF_INIT (JSON_MAX_FILE);
  CLEANUP_CLOSE int fd = -1;
  struct error why = ERROR_INIT;
  char origin[4096];
  struct conf_file f = { .origin = origin };
  int r;

  snprintf (origin, sizeof (origin), "%s/%s", root, name);
  r = rd->opener->open (rd->opener, &req, rd->deadline, &fd, NULL, &why);
  if (r < 0)
    error_wrap (&why, "%s file", rd->what);
  else
    r = read_all (fd, origin, &text, &why);
  if (r < 0)
    f.why = &why;
  else
    {
      f.text = buf_str (&text);
      f.len = text.len;
    }
  return rd->fn (&f, rd->arg, err);
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
read_folder (const struct reading *rd, const char *root, int dirfd,
             struct error *err)
{
  struct dirent **names = NULL;
  int n, r = 0;

  n = scandirat (dirfd, ".", &names, is_json, by_name);
  if (n < 0)
    return error_errno (err, errno, "%s", root);
  if (n > CONF_FILES_MAX)
    r = error_set (err, E2BIG, "%s: more than %d %s files", root,
                   CONF_FILES_MAX, rd->what);
  for (int i = 0; i < n; i++)
    {
      if (r == 0)
        r = read_file (rd, root, names[i]->d_name, err);
      free (names[i]);
    }
  free (names);
  return r;
}

int
conf_files_each (struct opener *opener, const char *path, const char *what,
                 uint64_t deadline, conf_file_fn *fn, void *arg,
                 struct error *err)
{
  const struct reading rd = { opener, what, deadline, fn, arg };
  struct open_req req = { .kind = OPEN_DIR, .root = path, .path = "." };
  CLEANUP_CLOSE int dir = -1;
  CLEANUP_FREE char *folder = NULL;
  const char *slash = strrchr (path, '/');
  int r;

  r = opener->open (opener, &req, deadline, &dir, NULL, err);
  if (r == 0)
    return read_folder (&rd, path, dir, err);
  if (r != -ENOTDIR || !slash)
    return error_wrap (err, "%ss", what);
  folder = strndup (path, slash == path ? 1 : (size_t) (slash - path));
  if (!folder)
    return error_set (err, ENOMEM, "no memory");
  return read_file (&rd, folder, slash + 1, err);
}

struct taking
{
  conf_take_fn *fn;
  void *arg;
  struct conf_taken *ret;
};

static void
fault (struct conf_taken *t, const char *file, const struct error *why)
{
  struct conf_fault *f;

  if (t->nfaults++ >= CONF_FAULTS)
    return;
  f = &t->faults[t->nfaults - 1];
  f->file = strdup (file);
  f->err = *why;
}

static int
take_file (const struct conf_file *f, void *arg, struct error *err)
{
  struct taking *tk = arg;
  struct error why = ERROR_INIT;

  (void) err;
  tk->ret->files++;
  if (f->why)
    fault (tk->ret, f->origin, f->why);
  else if (tk->fn (f, tk->arg, &why) < 0)
    fault (tk->ret, f->origin, &why);
  else
    tk->ret->taken++;
  return 0;
}

void
conf_files_take (struct opener *opener, const struct json_list *paths,
                 const char *what, uint64_t deadline, conf_take_fn *fn,
                 void *arg, struct conf_taken *ret)
{
  struct taking tk = { fn, arg, ret };
  char *const *path = paths->items;

  *ret = (struct conf_taken){ 0 };
  for (size_t i = 0; i < paths->count; i++)
    {
      struct error why = ERROR_INIT;
      int r = conf_files_each (opener, path[i], what, deadline, take_file, &tk,
                               &why);

      if (r == -ENOENT)
        ret->missing = ret->missing ? ret->missing : path[i];
      else if (r < 0)
        fault (ret, path[i], &why);
    }
}

unsigned
conf_taken_told (const struct conf_taken *t)
{
  return t->nfaults < CONF_FAULTS ? t->nfaults : CONF_FAULTS;
}

void
conf_taken_done (struct conf_taken *t)
{
  for (unsigned i = 0; i < conf_taken_told (t); i++)
    free (t->faults[i].file);
  *t = (struct conf_taken){ 0 };
}
