/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of today on the facts of a bundle.
 */
#include "diag/ladder/replay.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- facts ---- */

static const char *
text_of (struct json_object *o, const char *key)
{
  const char *s = json_get_str (o, key);

  return s ? s : "";
}

/* A text that fits, and is not empty. */
static bool
take_name (struct json_object *o, const char *key, char *dst, size_t n)
{
  const char *s = text_of (o, key);

  return s[0] && strlen (s) < n && snprintf (dst, n, "%s", s) > 0;
}

static bool
take_value (struct json_object *v, struct fact *f)
{
  switch (json_object_get_type (v))
    {
    case json_type_string:
      f->type = FACT_TEXT;
      snprintf (f->text, sizeof f->text, "%s", json_object_get_string (v));
      return true;
    case json_type_int:
      f->type = FACT_INT;
      f->i = json_object_get_int64 (v);
      return true;
    case json_type_double:
      f->type = FACT_REAL;
      f->d = json_object_get_double (v);
      return true;
    case json_type_boolean:
      f->type = FACT_BOOL;
      f->b = json_object_get_boolean (v);
      return true;
    default:
      return false;
    }
}

/* Of what life it is, as far as others of the same bundle may be of another:
 * its last number.  All are of one guest. */
static void
take_boot (struct json_object *o, struct fact *f)
{
  const char *last = strrchr (text_of (o, "incarnation"), '/');

  f->inc.boot = last ? (uint32_t) strtoul (last + 1, NULL, 10) : 0;
}

static bool
take_fact (struct json_object *o, struct fact *f)
{
  int64_t at = json_get_int (o, "time_ms", -1);
  int64_t sample = json_get_int (o, "sample", 0);
  int64_t kernel_us = json_get_int (o, "kernel_us", 0);

  *f = (struct fact){ .type = FACT_TEXT };
  if (!json_object_is_type (o, json_type_object) || at < 0 || sample < 0
      || sample > UINT32_MAX || kernel_us < 0
      || !take_name (o, "name", f->name, sizeof f->name)
      || !take_name (o, "source", f->source, sizeof f->source))
    return false;
  f->time_ms = (uint64_t) at;
  f->sample = (uint32_t) sample;
  f->kernel_us = (uint64_t) kernel_us;
  take_boot (o, f);
  return take_value (json_get (o, "value"), f);
}

/* ---- the judgement ---- */

static void
judge (const struct verdict_rules *rules, struct json_object *manifest,
       const struct incident *inc, struct fact_set *set, struct replay *ret)
{
  struct json_object *o = json_get (manifest, "cause");
  char scenario[64], code[32], sentence[200];

  /* What brought us here may have changed since the incident began. */
  snprintf (scenario, sizeof scenario, "%s",
            o ? text_of (o, "scenario") : inc->scenario);
  snprintf (code, sizeof code, "%s", o ? text_of (o, "code") : inc->code);
  snprintf (sentence, sizeof sentence, "%s",
            o ? text_of (o, "sentence") : inc->reason);
  const struct cause cause = { scenario, code, sentence };
  ladder_judge (rules, set, &cause, json_get (manifest, "gaps"), &ret->now);
}

int
replay_manifest (const struct verdict_rules *rules,
                 struct json_object *manifest, struct replay *ret,
                 struct error *err)
{
  struct json_object *list = json_get (manifest, "facts");
  bool any = json_object_is_type (list, json_type_array);
  size_t n = any ? json_object_array_length (list) : 0;
  CLEANUP_FREE struct fact *facts = NULL;
  struct fact_set *set = NULL;
  struct incident inc;
  int r = incident_from_json (json_get (manifest, "incident"), &inc, err);

  if (r < 0)
    return error_wrap (err, "no manifest of an incident");
  memset (ret, 0, sizeof *ret);
  facts = calloc (REPLAY_FACTS, sizeof *facts);
  if (!facts || fact_set_new (REPLAY_FACTS, &set, NULL) < 0)
    return error_set (err, ENOMEM, "no memory for the facts of a bundle");
  for (size_t i = 0; i < n; i++)
    if (ret->facts < REPLAY_FACTS
        && take_fact (json_object_array_get_idx (list, i), &facts[ret->facts]))
      ret->facts++;
    else
      ret->left_out++;
  fact_set_fill (set, facts, ret->facts);
  judge (rules, manifest, &inc, set, ret);
  /* They point into facts. */
  for (int i = 0; i < FACET_MAX; i++)
    ret->now.ladder.facets[i].nfacts = 0;
  fact_set_free (set);
  ret->then = inc.verdict;
  /* A host's incident is judged by what its guests were found to be: no rule
   * knows of that. */
  if (incident_is_of_host (&inc) && inc.verdict.class_[0])
    {
      ret->now.verdict = inc.verdict;
      json_object_put (ret->now.questions);
      ret->now.questions = json_object_new_array ();
    }
  ret->was = json_get (manifest, "findings");
  snprintf (ret->guest, sizeof ret->guest, "%s", inc.guest);
  snprintf (ret->incident, sizeof ret->incident, "%s", inc.id);
  return 0;
}

/* ---- what differs ---- */

static const struct
{
  const char *name;
  size_t offset;
} parts[] = {
  { "class", offsetof (struct verdict, class_) },
  { "culprit", offsetof (struct verdict, culprit) },
  { "confidence", offsetof (struct verdict, confidence) },
};

static bool
is_other (const struct replay *r, size_t part)
{
  return strcmp ((const char *) &r->now.verdict + parts[part].offset,
                 (const char *) &r->then + parts[part].offset)
         != 0;
}

bool
replay_is_same (const struct replay *r)
{
  for (size_t i = 0; i < ARRAY_LEN (parts); i++)
    if (is_other (r, i))
      return false;
  return true;
}

#define NAMES_MOST 64

/* Names of a's rules that b has not. */
static struct json_object *
only_in (struct json_object *a, struct json_object *b)
{
  struct json_object *out = json_object_new_array ();
  size_t na = json_object_is_type (a, json_type_array)
                  ? json_object_array_length (a) : 0;
  size_t nb = json_object_is_type (b, json_type_array)
                  ? json_object_array_length (b) : 0;

  for (size_t i = 0; i < na && i < NAMES_MOST; i++)
    {
      const char *name = text_of (json_object_array_get_idx (a, i), "rule");
      size_t k = 0;

      while (k < nb && k < NAMES_MOST
             && strcmp (name, text_of (json_object_array_get_idx (b, k),
                                       "rule"))
                    != 0)
        k++;
      if (k == nb || k == NAMES_MOST)
        json_object_array_add (out, json_object_new_string (name));
    }
  return out;
}

struct json_object *
replay_to_json (const struct replay *r)
{
  struct json_object *o = json_object_new_object ();
  struct json_object *changed = json_object_new_array ();

  json_add_text (o, "incident", r->incident, strlen (r->incident));
  json_add_text (o, "guest", r->guest, strlen (r->guest));
  json_add_int (o, "facts", r->facts);
  if (r->left_out)
    json_add_int (o, "facts_left_out", r->left_out);
  json_object_object_add (o, "verdict", verdict_to_json (&r->now.verdict));
  if (r->then.class_[0])
    json_object_object_add (o, "was", verdict_to_json (&r->then));
  json_object_object_add (o, "ladder", ladder_to_json (&r->now.ladder));
  json_object_object_add (o, "findings", json_object_get (r->now.findings));
  json_object_object_add (o, "questions", json_object_get (r->now.questions));
  json_add_bool (o, "same", replay_is_same (r));
  for (size_t i = 0; i < ARRAY_LEN (parts); i++)
    if (is_other (r, i))
      json_object_array_add (changed, json_object_new_string (parts[i].name));
  json_object_object_add (o, "changed", changed);
  json_object_object_add (o, "new_findings",
                          only_in (r->now.findings, r->was));
  json_object_object_add (o, "lost_findings",
                          only_in (r->was, r->now.findings));
  return o;
}

void
replay_done (struct replay *r)
{
  judgement_done (&r->now);
}
