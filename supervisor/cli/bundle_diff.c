/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog bundle diff: what two bundles say differently: the verdict, the
 * ladder, findings, facts, who made them of what, and their members.
 */
#include "supervisor/archive/archive.h"
#include "supervisor/cli/bundle.h"

#include "base/buf.h"
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

#include <string.h>

#define ROWS_MAX 2048

struct diff
{
  struct json_object *a, *b; /* manifests */
  struct json_object *out;   /* rows: about, what, a, b */
  bool numbers;
};

static void
row (struct diff *d, const char *about, const char *what,
     struct json_object *a, struct json_object *b)
{
  struct json_object *o;

  if ((!a && !b) || (a && b && json_object_equal (a, b))
      || json_object_array_length (d->out) >= ROWS_MAX)
    return;
  o = json_object_new_object ();
  json_add_str (o, "about", about);
  json_add_text (o, "what", what, strlen (what));
  json_object_object_add (o, "a", json_object_get (a));
  json_object_object_add (o, "b", json_object_get (b));
  json_object_array_add (d->out, o);
}

static struct json_object *
path_of (struct json_object *o, const char *path)
{
  char part[64];

  while (o && *path)
    {
      size_t n = strcspn (path, "/");

      snprintf (part, sizeof (part), "%.*s", (int) n, path);
      o = json_get (o, part);
      path += n + (path[n] == '/');
    }
  return o;
}

static void
values (struct diff *d)
{
  static const struct
  {
    const char *about, *what, *path;
  } all[] = {
    { "verdict", "class", "incident/verdict/class" },
    { "verdict", "culprit", "incident/verdict/culprit" },
    { "verdict", "confidence", "incident/verdict/confidence" },
    { "verdict", "rule", "incident/verdict/rule" },
    { "verdict", "signature", "incident/verdict/signature" },
    { "made", "tool", "tool/version" },
    { "made", "schema", "schema" },
    { "made", "redaction", "redaction/mode" },
    { "guest", "uuid", "guest/uuid" },
    { "guest", "name", "guest/display" },
    { "guest", "kernel", "vm/kernel" },
    { "guest", "vcpus", "guest/vcpus" },
    { "guest", "memory", "guest/memory_bytes" },
    { "host", "name", "host/name" },
    { "host", "kernel", "host/kernel" },
    { "host", "os", "host/os" },
    { "cause", "scenario", "cause/scenario" },
    { "cause", "code", "cause/code" },
  };

  for (unsigned i = 0; i < ARRAY_LEN (all); i++)
    row (d, all[i].about, all[i].what, path_of (d->a, all[i].path),
         path_of (d->b, all[i].path));
}

/* What names a row of a list, and what is compared of it. */
struct list
{
  const char *list, *about, *key, *by, *value;
};

static bool
is_same (const struct list *l, struct json_object *x, struct json_object *y)
{
  const char *kx = json_get_str (x, l->key), *ky = json_get_str (y, l->key);
  const char *bx, *by;

  if (!kx || !ky || strcmp (kx, ky) != 0)
    return false;
  if (!l->by)
    return true;
  bx = json_get_str (x, l->by);
  by = json_get_str (y, l->by);
  return bx && by && strcmp (bx, by) == 0;
}

static struct json_object *
find (const struct list *l, struct json_object *list, struct json_object *x)
{
  for (size_t i = json_count (list); i > 0; i--)
    {
      struct json_object *y = json_object_array_get_idx (list, i - 1);

      if (is_same (l, x, y))
        return y;
    }
  return NULL;
}

static bool
is_number (struct json_object *v)
{
  return json_object_is_type (v, json_type_int)
         || json_object_is_type (v, json_type_double);
}

static void
compare_row (struct diff *d, const struct list *l, struct json_object *x,
             struct json_object *y)
{
  struct json_object *o = x ? x : y;
  struct json_object *a = x ? json_get (x, l->value) : NULL;
  struct json_object *b = y ? json_get (y, l->value) : NULL;
  const char *key = json_get_str (o, l->key);
  const char *by = l->by ? json_get_str (o, l->by) : NULL;
  char what[256];

  /* Numbers always differ; whoever wants to see them says so. */
  if (!d->numbers && a && b && is_number (a) && is_number (b))
    return;
  snprintf (what, sizeof (what), "%s%s%s%s", key ? key : "?", by ? " (" : "",
            by ? by : "", by ? ")" : "");
  row (d, l->about, what, a, b);
}

/* Is there one like it before it?  The last of several is compared. */
static bool
comes_again (const struct list *l, struct json_object *list, size_t i)
{
  struct json_object *x = json_object_array_get_idx (list, i);

  return find (l, list, x) != x;
}

static void
lists (struct diff *d)
{
  static const struct list all[] = {
    { "ladder", "facet", "facet", NULL, "state" },
    { "findings", "finding", "rule", NULL, "level" },
    { "collectors", "collector", "name", NULL, "status" },
    { "facts", "fact", "name", "source", "value" },
    { "files", "member", "path", NULL, "path" },
  };

  for (unsigned k = 0; k < ARRAY_LEN (all); k++)
    {
      const struct list *l = &all[k];
      struct json_object *a = json_get (d->a, l->list);
      struct json_object *b = json_get (d->b, l->list);

      for (size_t i = 0; i < json_count (a); i++)
        if (!comes_again (l, a, i))
          compare_row (d, l, json_object_array_get_idx (a, i),
                       find (l, b, json_object_array_get_idx (a, i)));
      for (size_t i = 0; i < json_count (b); i++)
        if (!comes_again (l, b, i)
            && !find (l, a, json_object_array_get_idx (b, i)))
          compare_row (d, l, NULL, json_object_array_get_idx (b, i));
    }
}

static void
print_value (struct json_object *v)
{
  if (!v)
    fputs ("-", stdout);
  else
    print_text (stdout, json_object_get_string (v));
}

static void
show (struct cli *cli, struct diff *d)
{
  char last[32] = "";

  if (cli->json)
    {
      for (size_t i = 0; i < json_object_array_length (d->out); i++)
        print_json (json_object_array_get_idx (d->out, i));
      return;
    }
  printf ("diff differences=%zu\n", json_object_array_length (d->out));
  for (size_t i = 0; i < json_object_array_length (d->out); i++)
    {
      struct json_object *o = json_object_array_get_idx (d->out, i);
      const char *about = json_get_str (o, "about");

      if (strcmp (last, about) != 0)
        printf ("\n%s:\n", about);
      snprintf (last, sizeof (last), "%s", about);
      fputs ("  ", stdout);
      print_text (stdout, json_get_str (o, "what"));
      fputs (": ", stdout);
      print_value (json_get (o, "a"));
      fputs (" | ", stdout);
      print_value (json_get (o, "b"));
      fputc ('\n', stdout);
    }
}

int
bundle_diff (struct cli *cli, const char *a, const char *b, bool numbers,
             bool *ret_differ, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *one = NULL, *two = NULL;
  struct diff d = { .numbers = numbers };
  int r;

  if ((r = archive_manifest (cli->libexec, a, &one, err)) < 0
      || (r = archive_manifest (cli->libexec, b, &two, err)) < 0)
    return r;
  d.a = json_root (one);
  d.b = json_root (two);
  d.out = json_object_new_array ();
  values (&d);
  lists (&d);
  show (cli, &d);
  *ret_differ = json_object_array_length (d.out) > 0;
  json_object_put (d.out);
  return 0;
}
