/* SPDX-License-Identifier: Apache-2.0
 *
 * A judgement: the ladder, the verdict, what else is found, and what nobody
 * could say.
 */
#include "diag/ladder/rules_impl.h"

#include "base/buf.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

#define FINDINGS_MOST 64
#define EACH_MOST 4 /* of one rule */
#define QUESTIONS_MOST 32
#define SAYS_MAX 600

/* ---- findings ---- */

static struct json_object *
evidence (const struct cond_found *found)
{
  struct json_object *list = json_object_new_array ();

  for (unsigned i = 0; i < found->n && i < VERDICT_FACTS; i++)
    {
      struct json_object *o = json_object_new_object ();
      struct verdict_fact f;

      fact_keep_ (found->list[i], &f);
      json_add_text (o, "name", f.name, strlen (f.name));
      json_add_text (o, "value", f.value, strlen (f.value));
      json_add_text (o, "source", f.source, strlen (f.source));
      json_add_int (o, "time_ms", (int64_t) f.time_ms);
      json_object_array_add (list, o);
    }
  return list;
}

/* What a facet rests on counts here whatever its state: where two disagree,
 * one of them is alive. */
static void
gather_facets (const struct cond_list *list, const struct ladder *ladder,
               struct cond_found *found)
{
  for (unsigned i = 0; i < list->n; i++)
    if (list->conds[i].op == OP_FACET)
      {
        const struct facet *f = &ladder->facets[list->conds[i].facet];

        for (unsigned k = 0; k < f->nfacts; k++)
          cond_found_add_ (found, f->facts[k]);
      }
}

static void
find (const struct finding_rule *r, const struct judgement *j,
      struct fact_set *set, const struct cause *cause)
{
  struct json_object *o = json_object_new_object ();
  struct template_from from = { .set = set, .cause = cause };
  struct cond_found found = { .n = 0 };
  char says[SAYS_MAX];

  cond_list_pairs_ (r->when, set, &from.pairs);
  cond_list_gather_ (r->when, set, &j->ladder, &found);
  gather_facets (r->when, &j->ladder, &found);
  template_fill_ (r->says, &from, says, sizeof says, &found);
  json_add_str (o, "rule", r->name);
  json_add_str (o, "level", r->level);
  json_add_text (o, "says", says, strlen (says));
  if (r->see[0])
    json_add_text (o, "see", r->see, strlen (r->see));
  json_object_object_add (o, "evidence", evidence (&found));
  json_object_array_add (j->findings, o);
}

/* The worst first, and of one level in the order of the rules; of one that
 * holds of several (disks, vCPUs) of each. */
static void
find_all (const struct verdict_rules *rules, struct fact_set *set,
          const struct cause *cause, const struct judgement *j)
{
  for (int level = 2; level >= 0; level--)
    for (size_t i = 0; i < rules->nfindings; i++)
      for (unsigned n = 0;
           n < EACH_MOST && rules->findings[i].level == finding_levels[level]
           && json_object_array_length (j->findings) < FINDINGS_MOST
           && cond_list_holds_nth_ (rules->findings[i].when, set, &j->ladder,
                                    n, NULL, NULL);
           n++)
        find (&rules->findings[i], j, set, cause);
}

/* ---- open questions ---- */

static void
ask (struct json_object *list, const char *about, const char *what,
     const char *why)
{
  struct json_object *o;
  struct buf text CLEANUP_BUF = BUF_INIT (300);

  if (json_object_array_length (list) >= QUESTIONS_MOST)
    return;
  o = json_object_new_object ();
  buf_printf (&text, "%s%s%s", what, what[0] ? ": " : "", why);
  json_add_text (o, "about", about, strlen (about));
  json_add_text (o, "why", buf_str (&text), text.len);
  json_object_array_add (list, o);
}

static const char *
text_of (struct json_object *o, const char *key)
{
  const char *s = json_get_str (o, key);

  return s ? s : "";
}

static void
open_questions (const struct judgement *j, struct json_object *gaps)
{
  size_t n = json_object_is_type (gaps, json_type_array)
                 ? json_object_array_length (gaps)
                 : 0;

  for (int i = 0; i < FACET_MAX; i++)
    if (j->ladder.facets[i].state == FACET_UNKNOWN)
      ask (j->questions, facet_names[i], "",
           "nothing that was asked speaks of it");
  for (size_t i = 0; i < n; i++)
    {
      struct json_object *gap = json_object_array_get_idx (gaps, i);

      ask (j->questions, text_of (gap, "collector"), text_of (gap, "what"),
           text_of (gap, "why"));
    }
}

/* ---- all of it ---- */

void
ladder_judge (const struct verdict_rules *rules, struct fact_set *set,
              const struct cause *cause, struct json_object *gaps,
              struct judgement *ret)
{
  memset (ret, 0, sizeof *ret);
  ret->findings = json_object_new_array ();
  ret->questions = json_object_new_array ();
  ladder_climb (rules, set, &ret->ladder);
  ladder_verdict (rules, &ret->ladder, set, cause, &ret->verdict);
  find_all (rules, set, cause, ret);
  if (strcmp (ret->verdict.class_, "unknown") == 0
      || strcmp (ret->verdict.confidence, "low") == 0)
    open_questions (ret, gaps);
}

void
judgement_tell (const struct judgement *j, const struct cause *cause,
                struct json_object *head)
{
  struct json_object *o = json_object_new_object ();

  json_add_text (o, "scenario", cause->scenario, strlen (cause->scenario));
  json_add_text (o, "code", cause->code, strlen (cause->code));
  json_add_text (o, "sentence", cause->sentence, strlen (cause->sentence));
  json_object_object_add (head, "cause", o);
  json_object_object_add (head, "ladder", ladder_to_json (&j->ladder));
  json_object_object_add (head, "findings", json_object_get (j->findings));
  if (json_object_array_length (j->questions))
    json_object_object_add (head, "questions",
                            json_object_get (j->questions));
}

void
judgement_done (struct judgement *j)
{
  json_object_put (j->findings);
  json_object_put (j->questions);
  j->findings = j->questions = NULL;
}
