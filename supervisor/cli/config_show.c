/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog config show: what is in force, and where each of it is from.
 */
#include "supervisor/cli/config_show.h"
#include "supervisor/cli/classify.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH 256

struct showing
{
  bool json;
  const char *file;
  const struct json_doc *doc; /* NULL: there is no file */
  struct table *table;
};

/* What is not in the file is what this host has without one. */
static void
origin (char *dst, size_t n, const struct showing *s, const char *path,
        bool said)
{
  struct error err = ERROR_INIT;

  if (!said)
    {
      snprintf (dst, n, "default");
      return;
    }
  json_error_at (s->doc, path, &err, "it is here");
  snprintf (dst, n, "%.400s:%u:%u", s->file, (unsigned) err.line,
            (unsigned) err.column);
}

static void
show_value (const struct showing *s, const char *path,
            struct json_object *value, bool said)
{
  struct buf text CLEANUP_BUF = BUF_INIT (SIZE_MAX / 2);
  char from[500];
  const char *cells[] = { path, NULL, from };

  origin (from, sizeof (from), s, path, said);
  if (s->json)
    {
      CLEANUP_JSON struct json_object *row = json_object_new_object ();

      json_add_str (row, "row", "setting");
      json_add_str (row, "path", path);
      json_object_object_add (row, "value", json_object_get (value));
      json_add_text (row, "origin", from, strlen (from));
      print_json (row);
      return;
    }
  if (json_object_is_type (value, json_type_string))
    text_escape (&text, json_object_get_string (value),
                 (size_t) json_object_get_string_len (value), 0);
  else
    json_show (value, &text);
  cells[1] = buf_str (&text);
  table_row (s->table, cells);
}

static struct json_object *
element (struct json_object *list, size_t i)
{
  return json_object_is_type (list, json_type_array)
                 && i < json_object_array_length (list)
             ? json_object_array_get_idx (list, i)
             : NULL;
}

/* value: what is in force; said: the same of the file, or NULL. */
static void
show (const struct showing *s, const char *path, struct json_object *value,
      struct json_object *said)
{
  char at[PATH];

  if (json_object_is_type (value, json_type_object))
    {
      json_object_object_foreach (value, key, member)
      {
        snprintf (at, sizeof (at), "%s%s%s", path, *path ? "." : "", key);
        show (s, at, member,
              json_object_is_type (said, json_type_object)
                  ? json_get (said, key)
                  : NULL);
      }
      return;
    }
  if (json_object_is_type (value, json_type_array)
      && json_object_is_type (element (value, 0), json_type_object))
    {
      for (size_t i = 0; i < json_object_array_length (value); i++)
        {
          snprintf (at, sizeof (at), "%s[%zu]", path, i);
          show (s, at, element (value, i), element (said, i));
        }
      return;
    }
  show_value (s, path, value, said != NULL);
}

static int
show_origins (struct showing *s, struct json_object *all)
{
  static const char *const titles[] = { "SETTING", "VALUE", "FROM", NULL };

  s->table = s->json ? NULL : table_new (titles);
  show (s, "", all, s->doc ? json_root (s->doc) : NULL);
  if (s->table)
    table_print (s->table, stdout);
  table_free (s->table);
  return EXIT_WELL;
}

int
config_show (struct cli *cli, const char *file, bool origins)
{
  CLEANUP_CONFIG const struct config *cfg = NULL;
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  CLEANUP_JSON struct json_object *all = NULL;
  struct showing s = { .json = cli->json };
  struct error err = ERROR_INIT;
  int r = 0;

  /* Nothing is wrong with none where nobody named one. */
  if (file && access (file, F_OK) < 0)
    r = error_errno (&err, errno, "%s", file);
  else
    r = local_config (file, &cfg, &err);
  s.file = file ? file : CONFIG_PATH;
  if (r == 0 && origins && access (s.file, F_OK) == 0)
    r = json_load (s.file, JSON_FILE, JSON_MAX_FILE, &doc, &err);
  if (r < 0)
    return cli_fail (&err);
  all = config_to_json (cfg);
  s.doc = doc;
  if (origins)
    return show_origins (&s, all);
  if (cli->json)
    print_json (all);
  else
    {
      struct buf out CLEANUP_BUF = BUF_INIT (SIZE_MAX / 2);

      json_show_spread (all, &out);
      puts (buf_str (&out));
    }
  return EXIT_WELL;
}
