/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-check: checks scenario documents.  A program of its own because
 * knowing the kinds means linking the transports, which the command line
 * does not.
 */
#include "supervisor/check/check_impl.h"
#include "supervisor/conf/scenario_read.h"
#include "supervisor/check/replay.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void
check_playbook (struct findings *f, const char *path,
                const struct json_doc *doc, const struct scenario *s, size_t i,
                const struct playbook_set *playbooks)
{
  struct error err = ERROR_INIT;

  if (playbooks && scenario_playbook (doc, i, s, playbooks, &err) < 0)
    finding_error (f, path, &err);
  else
    {
      if (!f->json)
        printf ("ok %s: %s (%s)\n", path, s->name, s->kind->name);
      check_cost (f, path, s);
    }
}

/* The rows of the table in docs/scenarios.md. */
static void
print_codes (void)
{
  for (const struct outcome_code *c = outcome_codes; c->code; c++)
    printf ("| `%s` | %s | %s | %s%s|\n", c->code, outcome_names[c->outcome],
            c->way == WAY_UNSAID  ? "–"
            : c->way == WAY_GUEST ? "guest"
                                  : way_names[c->way],
            c->help, *c->help ? " " : "");
}

/* ---- what kinds there are ---- */

static void
print_value (const char *before, struct json_object *o, const char *key)
{
  struct json_object *v = json_get (o, key);
  struct buf shown CLEANUP_BUF = BUF_INIT (1024);

  if (!v)
    return;
  if (json_object_is_type (v, json_type_string))
    buf_puts (&shown, json_object_get_string (v));
  else
    json_show (v, &shown);
  printf ("%s%s", before, buf_str (&shown));
}

/* As a row of a table of docs/: the manual pages have it so, too. */
static void
print_key (struct json_object *key)
{
  struct json_object *values = json_get (key, "values");

  printf ("| `%s` | %s", json_get_str (key, "key"), json_get_str (key, "type"));
  for (size_t i = 0; values && i < json_object_array_length (values); i++)
    printf ("%s `%s`", i ? "," : "",
            json_object_get_string (json_object_array_get_idx (values, i)));
  /* Of strings and lists only the upper bound tells anything. */
  if (strncmp (json_get_str (key, "type"), "string", 6) == 0
      || strncmp (json_get_str (key, "type"), "list", 4) == 0)
    print_value (", at most ", key, "max");
  else
    {
      print_value (", from ", key, "min");
      print_value (json_get (key, "min") ? " to " : ", to ", key, "max");
    }
  if (json_get_bool (key, "required", false))
    printf (" | needed");
  else
    {
      printf (" | ");
      print_value ("", key, "default");
    }
  printf (" | %s |\n", json_get_str (key, "help") ? json_get_str (key, "help")
                                                 : "");
}

static void
print_kind (const struct scenario_kind *kind, bool json)
{
  CLEANUP_JSON struct json_object *o = scenario_kind_describe (kind);
  struct json_object *keys = json_get (o, "keys");
  struct buf line CLEANUP_BUF = BUF_INIT (1u << 20);

  if (json)
    {
      json_show (o, &line);
      puts (buf_str (&line));
      return;
    }
  printf ("# %s\n\n%s\n", kind->name, kind->summary);
  if (json_object_array_length (keys) > 0)
    printf ("\n| key | type | default | |\n|---|---|---|---|\n");
  for (size_t i = 0; i < json_object_array_length (keys); i++)
    print_key (json_object_array_get_idx (keys, i));
}

static int
no_kind (const char *name)
{
  const char *names[64];
  char near[80];
  size_t n = 0;

  for (; scenario_kinds[n] && n < ARRAY_LEN (names) - 1; n++)
    names[n] = scenario_kinds[n]->name;
  names[n] = NULL;
  fprintf (stderr,
           "hangdog: there is no kind \"%.60s\" of scenarios%s; `hangdog "
           "scenario kinds` lists them\n",
           name, text_did_you_mean (near, sizeof (near), name, names));
  return 2;
}

/* hangdog-check --kind-names: a line each. */
static void
print_kind_names (void)
{
  for (size_t i = 0; scenario_kinds[i]; i++)
    printf ("%-18s %s\n", scenario_kinds[i]->name,
            scenario_kinds[i]->summary);
  puts ("\n`hangdog scenario kinds KIND` says what one can be told; its manual "
        "page is hangdog-KIND(7).");
}

/* hangdog-check --kinds [--json] [KIND...] */
static int
print_kinds (char **names)
{
  bool json = *names && strcmp (*names, "--json") == 0;

  names += json;
  for (size_t i = 0; !*names && scenario_kinds[i]; i++)
    {
      printf ("%s", i && !json ? "\n" : "");
      print_kind (scenario_kinds[i], json);
    }
  for (; *names; names++)
    {
      const struct scenario_kind *kind = scenario_kind_find (*names);

      if (!kind)
        return no_kind (*names);
      print_kind (kind, json);
    }
  return 0;
}

/* What all files have together, for what looks at others. */
struct all
{
  struct playbook_set *playbooks; /* NULL: any may be named */
  struct scenario **list;
  const char **paths; /* of each, whose file it is from */
  size_t n;
};

static void
keep (struct all *all, const char *path, struct scenario *s)
{
  struct scenario **list
      = realloc (all->list, (all->n + 1) * sizeof (*list));
  const char **paths;

  if (list)
    all->list = list;
  paths = realloc (all->paths, (all->n + 1) * sizeof (*paths));
  if (paths)
    all->paths = paths;
  if (!list || !paths)
    {
      scenario_unref (s);
      return;
    }
  list[all->n] = s;
  paths[all->n++] = path;
}

/* The daemon refuses all of them for one such name. */
static void
check_name (struct findings *f, const char *path, const struct json_doc *doc,
            const struct scenario *s, size_t i, const struct all *all)
{
  struct error err = ERROR_INIT;
  char at[80];

  for (size_t k = 0; k < all->n; k++)
    if (strcmp (all->list[k]->name, s->name) == 0)
      {
        scenario_place (doc, i, "name", at, sizeof (at));
        json_error_at (doc, at, &err,
                       "there is another scenario named \"%s\" in %s",
                       s->name, all->paths[k]);
        finding_error (f, path, &err);
        return;
      }
}

/* One that is in none of these files may be in one that is not looked at: that
 * is said, and no mistake. */
static void
check_parts (struct findings *f, struct all *all)
{
  for (size_t i = 0; i < all->n; i++)
    {
      struct error err = ERROR_INIT;
      int rc = scenario_check_parts (all->list, all->n, all->list[i], &err);

      if (rc == -ENOENT)
        finding_note (f, all->paths[i], error_text (&err));
      else if (rc < 0)
        finding_error (f, all->paths[i], &err);
    }
}

static void
all_free (struct all *all)
{
  for (size_t i = 0; i < all->n; i++)
    scenario_unref (all->list[i]);
  free (all->list);
  free (all->paths);
  playbook_set_unref (all->playbooks);
}

static bool
is_for_all (const struct scenario *s)
{
  const struct scenario_select *sel = &s->select;

  return !sel->name && !sel->uuid && !sel->display_name && !sel->labels;
}

/* Only a guest that no scenario is for has the built-in one. */
static void
check_standby (struct findings *f, const struct all *all)
{
  size_t first = all->n;
  char text[200];

  for (size_t i = all->n; i-- > 0;)
    if (is_for_all (all->list[i]))
      {
        if (all->list[i]->kind == &kind_memory_heartbeat)
          return;
        first = i;
      }
  if (first == all->n)
    return;
  snprintf (text, sizeof (text),
            "scenario \"%.60s\" is for all guests, so that none of them has "
            "the built-in memory heartbeat (select some, or bind one of that "
            "kind, too)",
            all->list[first]->name);
  finding_note (f, all->paths[first], text);
}

static void
note_kind (struct findings *f, const char *path, const struct scenario *s)
{
  const char *note = s->kind->note ? s->kind->note (s) : NULL;
  char text[300];

  if (!note)
    return;
  snprintf (text, sizeof text, "scenario %.63s: %s", s->name, note);
  finding_note (f, path, text);
}

static void
check_file (struct findings *f, const char *path, struct all *all)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct scenario **list = NULL;
  struct error err = ERROR_INIT;
  struct stat st;
  size_t n = 0;

  f->files++;
  if (stat (path, &st) == 0 && S_ISDIR (st.st_mode))
    {
      error_set (&err, EISDIR, "%s: it is a folder; name its files: %s/*.json",
                 path, path);
      finding_error (f, path, &err);
      return;
    }
  if (json_load (path, JSON_FILE, JSON_MAX_FILE, &doc, &err) < 0
      || scenario_list (doc, &list, &n, &err) < 0)
    {
      finding_error (f, path, &err);
      return;
    }
  for (size_t i = 0; i < n; i++)
    {
      check_playbook (f, path, doc, list[i], i, all->playbooks);
      check_name (f, path, doc, list[i], i, all);
      note_kind (f, path, list[i]);
      keep (all, path, list[i]);
    }
  free (list);
}

int
main (int argc, char **argv)
{
  struct buf schema = BUF_INIT (1u << 20);
  struct findings f = { 0 };
  struct all all = { 0 };
  const char *config = NULL;
  int first = 1;

  io_open_standard ();
  if (argc == 2 && strcmp (argv[1], "--schema") == 0)
    {
      scenario_schema (&schema);
      fputs (buf_str (&schema), stdout);
      buf_done (&schema);
      return findings_end (&f);
    }
  if (argc == 2 && strcmp (argv[1], "--codes") == 0)
    {
      print_codes ();
      return findings_end (&f);
    }
  if (argc == 2 && strcmp (argv[1], "--kind-names") == 0)
    {
      print_kind_names ();
      return findings_end (&f);
    }
  if (replay_wanted (argc, argv))
    return replay_main (argc, argv);
  if (argc > 1 && strcmp (argv[1], "--kinds") == 0)
    {
      int rc = print_kinds (argv + 2);

      return rc ? rc : findings_end (&f);
    }
  if (argc > 1 && strcmp (argv[1], "--playbook") == 0)
    return playbook_main (argc, argv);
  for (; first < argc && strncmp (argv[first], "--", 2) == 0; first++)
    if (strcmp (argv[first], "--json") == 0)
      f.json = true;
    else if (strcmp (argv[first], "--config") == 0 && first + 1 < argc)
      config = argv[++first];
    else
      break;
  if (first == argc)
    {
      fputs ("Usage: hangdog scenario check FILE...\n", stderr);
      return 2;
    }
  check_playbooks (&f, config, &all.playbooks);
  for (int i = first; i < argc; i++)
    check_file (&f, argv[i], &all);
  check_parts (&f, &all);
  check_standby (&f, &all);
  all_free (&all);
  return findings_end (&f);
}
