/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-check --playbook: which there are on this host, one of them as it is
 * understood, and what is wrong with documents.  Here, because to know a
 * playbook's steps means linking the collectors.
 */
#include "supervisor/check/check_impl.h"
#include "supervisor/conf/conf_local.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/opener.h"
#include "base/text.h"
#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_MS 15000

struct ask
{
  bool json;
  const char *config; /* NULL: the default file, if it is there */
  char **args;        /* what is left */
};

static int
failed (const struct error *err)
{
  fprintf (stderr, "hangdog: %s\n", error_text (err));
  return 1;
}

static void
print (struct json_object *o)
{
  struct buf line CLEANUP_BUF = BUF_INIT (1u << 20);

  json_show (o, &line);
  puts (buf_str (&line));
}

/* Those that a daemon with that configuration would have; missing: the first
 * path that is not there. */
static int
read_all (const char *config, struct playbooks_read *ret, char *missing,
          size_t n, struct error *err)
{
  CLEANUP_CONFIG const struct config *cfg = NULL;
  struct error why = ERROR_INIT;
  int r = local_config (config, &cfg, &why);

  missing[0] = '\0';
  /* What is wrong with the configuration itself others say. */
  if (r < 0)
    return error_set (err, ENOMEM, "no memory for the configuration");
  r = playbooks_read (opener_local (), &cfg->playbooks,
                      clock_ms () + READ_MS, ret, err);
  /* Which is the configuration's. */
  if (r == 0 && ret->own.missing)
    snprintf (missing, n, "%s", ret->own.missing);
  ret->own.missing = NULL;
  return r;
}

/* What is not taken of them. */
static void
find_faults (struct findings *f, const struct playbooks_read *read,
             const char *missing)
{
  unsigned errors = f->errors + read->own.nfaults;

  for (unsigned i = 0; i < conf_taken_told (&read->own); i++)
    finding_error (f, read->own.faults[i].file ? read->own.faults[i].file : "?",
                   &read->own.faults[i].err);
  f->errors = errors;
  if (missing[0])
    finding_note (f, missing, "it is not there: no playbooks of yours");
}

void
check_playbooks (struct findings *f, const char *config,
                 struct playbook_set **ret)
{
  struct playbooks_read read = { .set = NULL };
  struct error err = ERROR_INIT;
  char missing[4096];

  *ret = NULL;
  if (read_all (config, &read, missing, sizeof (missing), &err) < 0)
    finding_error (f, "playbooks", &err);
  if (read.own.nfaults)
    finding_note (f, read.own.faults[0].file ? read.own.faults[0].file : "?",
                  "it is not taken, so which playbooks scenarios name is not "
                  "looked at (`hangdog playbook list` says why)");
  /* The one that a scenario names may be in the file that is not good. */
  if (read.set && read.own.nfaults == 0)
    *ret = playbook_set_ref (read.set);
  playbooks_read_done (&read);
}

/* ---- list, show ---- */

static void
list_row (const struct playbook *p)
{
  CLEANUP_JSON struct json_object *o = json_object_new_object ();
  struct json_object *steps = json_object_new_array ();

  json_add_str (o, "row", "playbook");
  json_add_str (o, "name", p->name);
  json_add_text (o, "summary", p->summary, strlen (p->summary));
  json_add_text (o, "origin", p->origin, strlen (p->origin));
  for (unsigned i = 0; i < p->nsteps; i++)
    json_object_array_add (steps, json_object_new_string (p->steps[i].name));
  json_object_object_add (o, "steps", steps);
  if (p->budget_ms)
    json_add_int (o, "budget_ms", (int64_t) p->budget_ms);
  if (p->bytes)
    json_add_int (o, "bytes", (int64_t) p->bytes);
  print (o);
}

static void
list_line (const struct playbook *p)
{
  struct buf said CLEANUP_BUF = BUF_INIT (4096 + 1024);
  char time[32] = "-", size[32] = "-";

  text_escape (&said, p->origin, strlen (p->origin), 0);
  buf_puts (&said, ": ");
  text_escape (&said, p->summary, strlen (p->summary), 0);

  if (p->budget_ms)
    units_format_duration (time, sizeof (time), p->budget_ms);
  if (p->bytes)
    units_format_size (size, sizeof (size), p->bytes);
  printf ("%-16s %2u steps  %6s %8s  %s\n", p->name, p->nsteps, time, size,
          buf_str (&said));
}

static int
list (const struct ask *ask)
{
  struct playbooks_read read = { .set = NULL };
  struct findings f = { .json = ask->json };
  struct error err = ERROR_INIT;
  char missing[4096];
  int rc;

  if (read_all (ask->config, &read, missing, sizeof (missing), &err) < 0)
    return failed (&err);
  if (!ask->json)
    printf ("playbooks=%u\n", read.set->n);
  for (unsigned i = 0; i < read.set->n; i++)
    if (ask->json)
      list_row (read.set->list[i]);
    else
      list_line (read.set->list[i]);
  find_faults (&f, &read, ask->json ? missing : "");
  rc = read.own.nfaults ? 2 : 0;
  playbooks_read_done (&read);
  return rc;
}

/* A document, fit to be the beginning of one's own. */
static void
print_document (const struct playbook *p, bool json)
{
  CLEANUP_JSON struct json_object *o = playbook_to_json (p);
  struct buf text CLEANUP_BUF = BUF_INIT (1u << 20);

  if (json)
    {
      print (o);
      return;
    }
  json_show_spread (o, &text);
  puts (buf_str (&text));
}

static int
show (const struct ask *ask)
{
  struct playbooks_read read = { .set = NULL };
  struct error err = ERROR_INIT;
  struct findings f = { .json = false };
  const struct playbook *p;
  char missing[4096];
  int rc = 0;

  if (read_all (ask->config, &read, missing, sizeof (missing), &err) < 0)
    return failed (&err);
  p = playbook_find (read.set, ask->args[0]);
  if (p)
    print_document (p, ask->json);
  else
    {
      find_faults (&f, &read, "");
      (void) playbook_check (read.set, ask->args[0], &err);
      rc = failed (&err) + 1;
    }
  playbooks_read_done (&read);
  return rc;
}

/* ---- check ---- */

/* Two of one name: the daemon would take neither file's. */
static int
check_alone (const struct json_doc *doc, const struct playbook *p,
             struct playbook *const *all, unsigned n, struct error *err)
{
  for (unsigned i = 0; i < n; i++)
    if (strcmp (all[i]->name, p->name) == 0)
      return json_error_at (doc, "name", err,
                            "there is another playbook named \"%s\" in %s",
                            p->name, all[i]->origin);
  return 0;
}

static int
read_one (const char *path, struct playbook *const *all, unsigned n,
          struct playbook **ret, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct playbook *p = NULL;
  int r = json_load (path, JSON_FILE, JSON_MAX_FILE, &doc, err);

  if (r == 0)
    r = playbook_read (doc, json_root (doc), "", path, &p, err);
  if (r == 0)
    r = check_alone (doc, p, all, n, err);
  if (r < 0)
    {
      playbook_unref (p);
      return r;
    }
  *ret = p;
  return 0;
}

static void
say_ok (const struct findings *f, const struct playbook *p)
{
  if (f->json)
    list_row (p);
  else
    printf ("ok %s: %s, %u steps\n", p->origin, p->name, p->nsteps);
}

static int
check (const struct ask *ask)
{
  struct findings f = { .json = ask->json };
  struct playbook *all[PLAYBOOKS_MAX];
  unsigned n = 0;

  for (char **file = ask->args; *file; file++)
    {
      struct error err = ERROR_INIT;

      f.files++;
      if (n == ARRAY_LEN (all))
        error_set (&err, E2BIG, "%s: more than %d playbooks at once", *file,
                   PLAYBOOKS_MAX);
      else if (read_one (*file, all, n, &all[n], &err) == 0)
        {
          say_ok (&f, all[n++]);
          continue;
        }
      finding_error (&f, *file, &err);
    }
  while (n > 0)
    playbook_unref (all[--n]);
  return findings_end (&f);
}

static int
schema (const struct ask *ask)
{
  struct buf text CLEANUP_BUF = BUF_INIT (1u << 20);

  (void) ask;
  playbook_schema (&text);
  fputs (buf_str (&text), stdout);
  return 0;
}

/* ---- of a configuration ---- */

/* A link in the chain of `hangdog config check`: what is wrong with the
 * playbooks is said here, and then this becomes the next programme, whose
 * command line is left: COUNTS PATH ARGS... with --told COUNTS behind. */
static int
check_config (const struct ask *ask)
{
  struct playbooks_read read = { .set = NULL };
  struct findings f = { .json = ask->json };
  struct error err = ERROR_INIT;
  char told[48], missing[4096], *next[64];
  unsigned n = 0;

  if (sscanf (ask->args[0], "%u:%u:%u", &f.files, &f.errors, &f.notes) != 3)
    return 2;
  if (read_all (ask->config, &read, missing, sizeof (missing), &err) == 0)
    {
      f.files += read.own.files;
      find_faults (&f, &read, missing);
    }
  playbooks_read_done (&read);
  fflush (stdout);
  snprintf (told, sizeof (told), "%u:%u:%u", f.files, f.errors, f.notes);
  for (char **arg = ask->args + 1; *arg && n < ARRAY_LEN (next) - 3; arg++)
    next[n++] = *arg;
  next[n++] = (char *) "--told";
  next[n++] = told;
  next[n] = NULL;
  execv (next[0], next);
  error_errno (&err, errno, "%s", next[0]);
  return failed (&err);
}

static const struct
{
  const char *name;
  int least, most; /* arguments; -1 = any */
  int (*run) (const struct ask *ask);
} words[] = {
  { "list", 0, 0, list },    { "show", 1, 1, show },
  { "check", 1, -1, check }, { "schema", 0, 0, schema },
  { "config", 2, -1, check_config },
};

/* hangdog-check --playbook WORD [--json] [--config FILE] [ARG...] */
int
playbook_main (int argc, char **argv)
{
  struct ask ask = { .args = argv + 3 };
  int n, rc;

  for (size_t i = 0; argc > 2 && i < ARRAY_LEN (words); i++)
    {
      if (strcmp (argv[2], words[i].name) != 0)
        continue;
      for (; *ask.args; ask.args++)
        if (strcmp (*ask.args, "--json") == 0)
          ask.json = true;
        else if (strcmp (*ask.args, "--config") == 0 && ask.args[1])
          ask.config = *++ask.args;
        else
          break;
      for (n = 0; ask.args[n];)
        n++;
      if (n < words[i].least || (words[i].most >= 0 && n > words[i].most))
        break;
      rc = words[i].run (&ask);
      if (rc == 0 && io_finish_stdout (NULL) < 0)
        rc = 1;
      return rc;
    }
  fputs ("Usage: hangdog playbook list | show NAME | check FILE... | schema\n",
         stderr);
  return 2;
}
