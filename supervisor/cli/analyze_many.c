/* SPDX-License-Identifier: Apache-2.0
 *
 * Many bundles at once: which they are, and a row for each.
 */
#include "supervisor/cli/analyze.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "supervisor/cli/progress.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BUNDLES_MOST 10000
#define DEPTH_MOST 6
#define SUFFIX ".tar.zst"

/* ---- which ---- */

static int
add (struct bundle_list *l, const char *path, struct error *err)
{
  char **more;

  if (l->n == BUNDLES_MOST)
    return error_set (err, E2BIG, "more than %d bundles at once",
                      BUNDLES_MOST);
  more = reallocarray (l->names, l->n + 1, sizeof *more);
  if (!more)
    return error_set (err, ENOMEM, "no memory for names of bundles");
  l->names = more;
  more[l->n] = strdup (path);
  if (!more[l->n])
    return error_set (err, ENOMEM, "no memory for names of bundles");
  l->n++;
  return 0;
}

static bool
ends_with (const char *name, const char *end)
{
  size_t n = strlen (name), k = strlen (end);

  return n > k && strcmp (name + n - k, end) == 0;
}

static bool
is_unpacked (const char *folder)
{
  CLEANUP_FREE char *path = NULL;
  struct stat st;

  return asprintf (&path, "%s/manifest.json", folder) > 0
         && stat (path, &st) == 0 && S_ISREG (st.st_mode);
}

/* Links are left: a folder of them has an end. */
static int
walk (struct bundle_list *l, const char *folder, unsigned depth,
      struct error *err)
{
  DIR *d CLEANUP_CLOSEDIR = opendir (folder);
  struct dirent *e;
  int r = 0;

  if (!d)
    return error_errno (err, errno, "%s", folder);
  while (r == 0 && (e = readdir (d)))
    {
      CLEANUP_FREE char *path = NULL;
      struct stat st;

      if (e->d_name[0] == '.'
          || asprintf (&path, "%s/%s", folder, e->d_name) < 0
          || lstat (path, &st) < 0)
        continue;
      if (S_ISREG (st.st_mode) && ends_with (e->d_name, SUFFIX))
        r = add (l, path, err);
      else if (S_ISDIR (st.st_mode) && is_unpacked (path))
        r = add (l, path, err);
      else if (S_ISDIR (st.st_mode) && depth < DEPTH_MOST)
        r = walk (l, path, depth + 1, err);
    }
  return r;
}

int
bundle_list_add (struct bundle_list *list, const char *path,
                 struct error *err)
{
  size_t before = list->n;
  struct stat st;
  int r;

  if (stat (path, &st) < 0 || !S_ISDIR (st.st_mode) || is_unpacked (path))
    {
      list->many |= list->n > 0;
      return add (list, path, err);
    }
  list->many = true;
  r = walk (list, path, 0, err);
  if (r == 0 && list->n == before)
    return error_set (err, ENOENT,
                      "%s: there is no bundle in it: neither manifest.json "
                      "nor a file that ends in " SUFFIX, path);
  return r;
}

static int
by_name (const void *a, const void *b)
{
  return strverscmp (*(char *const *) a, *(char *const *) b);
}

void
bundle_list_sort (struct bundle_list *list)
{
  if (list->n)
    qsort (list->names, list->n, sizeof *list->names, by_name);
}

void
bundle_list_done (struct bundle_list *list)
{
  for (size_t i = 0; i < list->n; i++)
    free (list->names[i]);
  free (list->names);
  *list = (struct bundle_list){ 0 };
}

/* ---- a row for each ---- */

struct tally
{
  struct cli *cli;
  struct table *table;
  struct progress progress;
  unsigned judged, changed, failed, damaged;
};

static void
row (struct tally *t, const char *file, const struct analyzed *a)
{
  const struct verdict *now = &a->replay.now.verdict, *then = &a->replay.then;
  bool same = replay_is_same (&a->replay);

  t->judged++;
  t->changed += !same;
  if (t->cli->json)
    {
      json_add_text (a->all, "bundle", file, strlen (file));
      if (a->damage.code)
        json_add_text (a->all, "damaged", a->damage.msg,
                       strlen (a->damage.msg));
      print_json (a->all);
      return;
    }
  table_row (t->table,
             (const char *const[]){
                 file, a->replay.guest, then->class_[0] ? then->class_ : "-",
                 same ? "=" : now->class_, now->confidence, now->culprit });
}

static void
no_row (struct tally *t, const char *file, const struct error *err)
{
  struct json_object *o;

  t->failed++;
  if (!t->cli->json)
    return;
  o = json_object_new_object ();
  json_add_text (o, "bundle", file, strlen (file));
  json_add_text (o, "error", err->msg, strlen (err->msg));
  print_json (o);
  json_object_put (o);
}

static void
each (struct tally *t, const struct verdict_rules *rules, const char *file)
{
  struct error err = ERROR_INIT;
  struct analyzed a;

  if (analyze_one (t->cli, rules, file, &a, &err) < 0)
    {
      progress_clear (&t->progress);
      cli_fail (&err);
      no_row (t, file, &err);
      return;
    }
  if (a.damage.code)
    {
      t->damaged++;
      progress_clear (&t->progress);
      cli_fail (&a.damage);
    }
  row (t, file, &a);
  analyze_done (&a);
}

int
analyze_many (struct cli *cli, const struct verdict_rules *rules,
              const struct bundle_list *list)
{
  static const char *const titles[]
      = { "BUNDLE", "GUEST", "WAS", "IS", "CONFIDENCE", "CULPRIT", NULL };
  struct tally t = { .cli = cli, .table = table_new (titles) };
  char text[80];

  progress_begin (&t.progress, "bundles", cli->json);
  for (size_t i = 0; i < list->n; i++)
    {
      const char *slash = strrchr (list->names[i], '/');

      progress_step (&t.progress, i + 1, list->n,
                     slash ? slash + 1 : list->names[i]);
      each (&t, rules, list->names[i]);
    }
  snprintf (text, sizeof text, "%u judged, %u could not be read", t.judged,
            t.failed);
  progress_end (&t.progress, t.failed == 0, text);
  if (!cli->json)
    {
      printf ("bundles=%zu judged=%u changed=%u damaged=%u failed=%u\n",
              list->n, t.judged, t.changed, t.damaged, t.failed);
      table_print (t.table, stdout);
    }
  table_free (t.table);
  return !t.judged                 ? EXIT_USAGE
         : t.failed + t.damaged    ? EXIT_PARTIAL
                                   : EXIT_WELL;
}
