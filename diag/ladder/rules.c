/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of the ladder and of the verdict, together.
 */
#include "diag/ladder/rules_impl.h"

#include "base/error.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
verdict_done (struct verdict_rule *r)
{
  free (r->name);
  free (r->class_);
  free (r->culprit);
  free (r->says);
  free (r->next);
  free (r->codes);
  cond_list_free (r->when);
}

static void
finding_done (struct finding_rule *r)
{
  free (r->name);
  free (r->says);
  free (r->see);
  cond_list_free (r->when);
}

void
verdict_rules_done_ (struct verdict_rules *rules)
{
  for (size_t i = 0; i < rules->nfacets; i++)
    cond_list_free (rules->facets[i].when);
  for (size_t i = 0; i < rules->nverdicts; i++)
    verdict_done (&rules->verdicts[i]);
  for (size_t i = 0; i < rules->nfindings; i++)
    finding_done (&rules->findings[i]);
  free (rules->facets);
  free (rules->verdicts);
  free (rules->findings);
  if (rules->words)
    json_object_put (rules->words);
  *rules = (struct verdict_rules){ .refs = rules->refs };
}

/* ---- one file into the others ---- */

static struct verdict_rule *
verdict_named (struct verdict_rules *r, const char *name)
{
  for (size_t i = 0; i < r->nverdicts; i++)
    if (strcmp (r->verdicts[i].name, name) == 0)
      return &r->verdicts[i];
  return NULL;
}

static struct finding_rule *
finding_named (struct verdict_rules *r, const char *name)
{
  for (size_t i = 0; i < r->nfindings; i++)
    if (strcmp (r->findings[i].name, name) == 0)
      return &r->findings[i];
  return NULL;
}

/* Room for all that there will be. */
static int
grow (struct verdict_rules *rules, const struct verdict_rules *more)
{
  void *p = realloc (rules->facets, (rules->nfacets + more->nfacets + 1)
                                        * sizeof *rules->facets);

  if (p)
    rules->facets = p;
  if (p)
    p = realloc (rules->verdicts, (rules->nverdicts + more->nverdicts + 1)
                                      * sizeof *rules->verdicts);
  if (p)
    rules->verdicts = p;
  if (p)
    p = realloc (rules->findings, (rules->nfindings + more->nfindings + 1)
                                      * sizeof *rules->findings);
  if (p)
    rules->findings = p;
  return p ? 0 : -ENOMEM;
}

/* Those of more that have a name which is there change places with it, and
 * stay behind to be freed; returns how many do not, which come first. */
static size_t
swap_verdicts (struct verdict_rules *rules, struct verdict_rules *more)
{
  size_t n = 0;

  for (size_t i = 0; i < more->nverdicts; i++)
    {
      struct verdict_rule r = more->verdicts[i];
      struct verdict_rule *old = verdict_named (rules, r.name);

      if (old)
        {
          more->verdicts[i] = *old;
          *old = r;
          rules->replaced++;
          continue;
        }
      more->verdicts[i] = more->verdicts[n];
      more->verdicts[n++] = r;
    }
  return n;
}

static size_t
swap_findings (struct verdict_rules *rules, struct verdict_rules *more)
{
  size_t n = 0;

  for (size_t i = 0; i < more->nfindings; i++)
    {
      struct finding_rule r = more->findings[i];
      struct finding_rule *old = finding_named (rules, r.name);

      if (old)
        {
          more->findings[i] = *old;
          *old = r;
          rules->replaced++;
          continue;
        }
      more->findings[i] = more->findings[n];
      more->findings[n++] = r;
    }
  return n;
}

/* n of `size` bytes each, of `from`, before or behind the `have` in `to`. */
static void
join (void *to, size_t have, void *from, size_t n, size_t all, size_t size,
      bool before)
{
  char *at = to;

  if (before)
    memmove (at + n * size, at, have * size);
  else
    at += have * size;
  memcpy (at, from, n * size);
  /* What is left behind is what was replaced. */
  memmove (from, (char *) from + n * size, (all - n) * size);
}

static void
merge (struct verdict_rules *rules, struct verdict_rules *more)
{
  bool before = rules->shipped;
  size_t n = more->nfacets;

  join (rules->facets, rules->nfacets, more->facets, n, n,
        sizeof *rules->facets, before);
  rules->nfacets += n;
  more->nfacets = 0;
  n = swap_verdicts (rules, more);
  join (rules->verdicts, rules->nverdicts, more->verdicts, n,
        more->nverdicts, sizeof *rules->verdicts, before);
  rules->nverdicts += n;
  more->nverdicts -= n;
  n = swap_findings (rules, more);
  join (rules->findings, rules->nfindings, more->findings, n,
        more->nfindings, sizeof *rules->findings, before);
  rules->nfindings += n;
  more->nfindings -= n;
  /* Ours are for all; an operator's are of his file alone. */
  if (!before)
    {
      struct json_object *words = rules->words;

      rules->words = more->words;
      more->words = words;
    }
}

int
verdict_rules_take_doc (struct verdict_rules *rules,
                        const struct json_doc *doc, struct error *err)
{
  struct verdict_rules more;
  int r = verdict_rules_read_ (rules, doc, &more, err);

  if (r < 0)
    return r;
  if (rules->nfacets + more.nfacets > VERDICT_RULES_MOST
      || rules->nverdicts + more.nverdicts > VERDICT_RULES_MOST
      || rules->nfindings + more.nfindings > VERDICT_RULES_MOST)
    r = json_error_at (doc, "", err, "more than %d rules in all files",
                       VERDICT_RULES_MOST);
  else if (grow (rules, &more) < 0)
    r = error_set (err, ENOMEM, "no memory for rules");
  else
    {
      const char *text = json_object_to_json_string_ext (
          json_root (doc), JSON_C_TO_STRING_PLAIN);

      merge (rules, &more);
      digest_add (&rules->sum, text, strlen (text) + 1);
    }
  verdict_rules_done_ (&more);
  return r;
}

int
verdict_rules_take (struct verdict_rules *rules, const char *text, size_t len,
                    const char *origin, struct error *err)
{
  struct json_doc *doc CLEANUP_JSON_DOC = NULL;
  int r = json_parse (text, len, JSON_FILE, origin, JSON_MAX_FILE, &doc, err);

  return r < 0 ? r : verdict_rules_take_doc (rules, doc, err);
}

/* ---- for all ---- */

void
verdict_rules_sum (const struct verdict_rules *rules,
                   char ret_hex[DIGEST_HEX])
{
  struct digest sum = rules->sum;

  digest_end_hex (&sum, ret_hex);
}

int
verdict_rules_new (struct verdict_rules **ret, struct error *err)
{
  struct verdict_rules *rules = calloc (1, sizeof *rules);
  int r = 0;

  if (!rules)
    return error_set (err, ENOMEM, "no memory for rules");
  rules->refs = 1;
  digest_init (&rules->sum);
  rules->words = json_object_new_object ();
  for (const struct embedded_file *f = verdict_rules_shipped;
       f->name && r == 0; f++)
    r = verdict_rules_take (rules, (const char *) f->text, f->len, f->name,
                            err);
  rules->shipped = true;
  rules->replaced = 0;
  if (r < 0)
    {
      verdict_rules_unref (rules);
      return r;
    }
  *ret = rules;
  return 0;
}

struct verdict_rules *
verdict_rules_ref (struct verdict_rules *rules)
{
  __atomic_add_fetch (&rules->refs, 1, __ATOMIC_RELAXED);
  return rules;
}

void
verdict_rules_unref (struct verdict_rules *rules)
{
  if (!rules || __atomic_sub_fetch (&rules->refs, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  verdict_rules_done_ (rules);
  free (rules);
}

void
verdict_rules_count (const struct verdict_rules *rules,
                     struct verdict_rules_count *ret)
{
  *ret = (struct verdict_rules_count){ rules->nfacets, rules->nverdicts,
                                       rules->nfindings, 0,
                                       rules->replaced };
  for (size_t i = 0; i < rules->nverdicts; i++)
    ret->own += rules->verdicts[i].own;
  for (size_t i = 0; i < rules->nfindings; i++)
    ret->own += rules->findings[i].own;
}

void
verdict_rules_each_code (const struct verdict_rules *rules,
                         void (*fn) (const char *rule, const char *code,
                                     void *arg),
                         void *arg)
{
  char code[64];
  size_t len;

  for (size_t i = 0; i < rules->nverdicts; i++)
    for (const char *p = rules->verdicts[i].codes; *p;
         p += len + (p[len] == '|'))
      {
        len = strcspn (p, "|");
        snprintf (code, sizeof code, "%.*s", (int) len, p);
        fn (rules->verdicts[i].name, code, arg);
      }
}

static void
each_of (const struct cond_list *list, const char *where, cond_fn *fn,
         void *arg)
{
  for (unsigned i = 0; i < list->n; i++)
    {
      const struct cond *c = &list->conds[i];

      if (c->pair)
        {
          fn (&c->pair[0], where, arg);
          fn (&c->pair[1], where, arg);
        }
      else if (c->op != OP_FACET)
        fn (c, where, arg);
    }
}

void
verdict_rules_each_cond_ (const struct verdict_rules *rules, cond_fn *fn,
                          void *arg)
{
  for (size_t i = 0; i < rules->nfacets; i++)
    each_of (rules->facets[i].when, facet_names[rules->facets[i].facet], fn,
             arg);
  for (size_t i = 0; i < rules->nverdicts; i++)
    each_of (rules->verdicts[i].when, rules->verdicts[i].class_, fn, arg);
  for (size_t i = 0; i < rules->nfindings; i++)
    each_of (rules->findings[i].when, rules->findings[i].name, fn, arg);
}
