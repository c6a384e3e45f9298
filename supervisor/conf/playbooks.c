/* SPDX-License-Identifier: Apache-2.0
 *
 * Playbooks of this host.  See playbooks.h.
 */
#include "supervisor/conf/playbooks.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading
{
  struct playbook **own;
  unsigned n;
};

/* "file PATH", as of scenarios. */
static int
read_doc (const struct json_doc *doc, const char *path, struct playbook **ret,
          struct error *err)
{
  CLEANUP_FREE char *origin = malloc (strlen (path) + sizeof ("file "));

  if (!origin)
    return error_set (err, ENOMEM, "no memory for playbooks");
  snprintf (origin, strlen (path) + sizeof ("file "), "file %s", path);
  return playbook_read (doc, json_root (doc), "", origin, ret, err);
}

static int
check_alone (const struct reading *rd, const struct json_doc *doc,
             const struct playbook *p, struct error *err)
{
  for (unsigned i = 0; i < rd->n; i++)
    if (strcmp (rd->own[i]->name, p->name) == 0)
      return json_error_at (doc, "name", err,
                            "there is another playbook named \"%s\": %s",
                            p->name, rd->own[i]->origin);
  if (rd->n >= PLAYBOOKS_MAX)
    return error_set (err, E2BIG, "more than %d playbooks", PLAYBOOKS_MAX);
  return 0;
}

static int
take (const struct conf_file *f, void *arg, struct error *err)
{
  struct reading *rd = arg;
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct playbook *p = NULL;
  struct playbook **own;
  int r = json_parse (f->text, f->len, JSON_FILE, f->origin, JSON_MAX_FILE,
                      &doc, err);

  if (r == 0)
    r = read_doc (doc, f->origin, &p, err);
  if (r == 0)
    r = check_alone (rd, doc, p, err);
  own = r < 0 ? NULL : realloc (rd->own, (rd->n + 1) * sizeof (*own));
  if (!own)
    {
      playbook_unref (p);
      return r < 0 ? r : error_set (err, ENOMEM, "no memory for playbooks");
    }
  rd->own = own;
  own[rd->n++] = p;
  return 0;
}

static unsigned
count_replaced (struct playbook *const *own, unsigned n)
{
  struct playbook_set *ours = NULL;
  unsigned count = 0;

  if (n && playbook_set_new (NULL, 0, &ours, NULL) < 0)
    return 0;
  for (unsigned i = 0; i < n; i++)
    count += playbook_find (ours, own[i]->name) != NULL;
  playbook_set_unref (ours);
  return count;
}

int
playbooks_read (struct opener *opener, const struct json_list *paths,
                uint64_t deadline, struct playbooks_read *ret,
                struct error *err)
{
  struct reading rd = { .own = NULL };
  int r;

  *ret = (struct playbooks_read){ .set = NULL };
  conf_files_take (opener, paths, "playbook", deadline, take, &rd, &ret->own);
  ret->replaced = count_replaced (rd.own, rd.n);
  r = playbook_set_new (rd.own, rd.n, &ret->set, err);
  for (unsigned i = 0; i < rd.n; i++)
    playbook_unref (rd.own[i]);
  free (rd.own);
  return r;
}

void
playbooks_read_done (struct playbooks_read *r)
{
  playbook_set_unref (r->set);
  conf_taken_done (&r->own);
  *r = (struct playbooks_read){ .set = NULL };
}
