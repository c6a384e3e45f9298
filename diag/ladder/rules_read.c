/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of rules.
 *
 * Each is checked whole before anything of it is taken: a rule that can never
 * hold, or a class that nobody knows, is an error with its place.
 */
#include "diag/ladder/rules_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_ID "https://hangdog.dev/schema/verdict-rules/1"
#define TEMPLATE_MAX 600
#define PATH_MAX_ 128

const char *const finding_levels[] = { "pass", "warn", "fail", NULL };
const char *const verdict_confidences[]
    = { "low", "medium", "high", "certain", NULL };
/* What a rule may claim: certain is what two vantage points make of it. */
static const char *const claims[] = { "low", "medium", "high", NULL };

struct facet_doc
{
  int facet, state;
  struct json_object *when;
};

struct verdict_doc
{
  char *name, *class_, *culprit, *says, *next;
  int confidence;
  struct json_list codes;
  struct json_object *when;
};

struct finding_doc
{
  char *name, *says, *see;
  int level;
  struct json_object *when;
};

struct rules_doc
{
  char *schema;
  struct json_object *words;
  struct json_list facets, verdicts, findings;
};

#define WHEN_HELP "a condition, or a list of which all have to hold"

static const struct json_field facet_fields[] = {
  { "facet", JSON_ENUM, offsetof (struct facet_doc, facet), .required = true,
    .names = facet_names, .help = "of the ladder" },
  { "state", JSON_ENUM, offsetof (struct facet_doc, state), .required = true,
    .names = facet_state_names, .help = "that it is in" },
  { "if", JSON_RAW, offsetof (struct facet_doc, when), .required = true,
    .help = WHEN_HELP },
  { NULL },
};

static const struct json_field verdict_fields[] = {
  { "name", JSON_STRING, offsetof (struct verdict_doc, name),
    .required = true, .min = 1, .max = 63, .help = "of the rule" },
  { "class", JSON_STRING, offsetof (struct verdict_doc, class_),
    .required = true, .help = "one of docs/verdicts.md, or a template" },
  { "confidence", JSON_ENUM, offsetof (struct verdict_doc, confidence),
    .required = true, .names = claims,
    .help = "two vantage points make high certain" },
  { "codes", JSON_ARRAY, offsetof (struct verdict_doc, codes),
    .elem_kind = JSON_STRING, .max = 64,
    .help = "of the outcome that brought us here: any of these" },
  { "if", JSON_RAW, offsetof (struct verdict_doc, when), .help = WHEN_HELP },
  { "culprit", JSON_STRING, offsetof (struct verdict_doc, culprit),
    .max = TEMPLATE_MAX - 1, .help = "a template" },
  { "says", JSON_STRING, offsetof (struct verdict_doc, says),
    .required = true, .min = 1, .max = TEMPLATE_MAX - 1,
    .help = "one sentence for a person, a template" },
  { "next", JSON_STRING, offsetof (struct verdict_doc, next),
    .required = true, .min = 1, .max = TEMPLATE_MAX - 1,
    .help = "what to do now" },
  { NULL },
};

static const struct json_field finding_fields[] = {
  { "name", JSON_STRING, offsetof (struct finding_doc, name),
    .required = true, .min = 1, .max = 63, .help = "of the rule" },
  { "level", JSON_ENUM, offsetof (struct finding_doc, level),
    .required = true, .names = finding_levels, .help = "how bad it is" },
  { "if", JSON_RAW, offsetof (struct finding_doc, when), .required = true,
    .help = WHEN_HELP },
  { "says", JSON_STRING, offsetof (struct finding_doc, says),
    .required = true, .min = 1, .max = TEMPLATE_MAX - 1,
    .help = "one sentence for a person, a template" },
  { "see", JSON_STRING, offsetof (struct finding_doc, see), .max = 255,
    .help = "the file of the bundle that has more" },
  { NULL },
};

static const struct json_field rules_fields[] = {
  { "schema", JSON_STRING, offsetof (struct rules_doc, schema),
    .help = VERDICT_RULES_SCHEMA },
  { "words", JSON_RAW, offsetof (struct rules_doc, words),
    .help = "what $word stands for in conditions, codes and templates: a "
            "text, or a list of conditions" },
  { "facets", JSON_ARRAY, offsetof (struct rules_doc, facets),
    .sub = facet_fields, .elem_size = sizeof (struct facet_doc),
    .help = "the first of a facet that holds says its state" },
  { "verdicts", JSON_ARRAY, offsetof (struct rules_doc, verdicts),
    .sub = verdict_fields, .elem_size = sizeof (struct verdict_doc),
    .help = "the first that holds is the verdict" },
  { "findings", JSON_ARRAY, offsetof (struct rules_doc, findings),
    .sub = finding_fields, .elem_size = sizeof (struct finding_doc),
    .help = "all that hold are findings" },
  { NULL },
};

void
verdict_rules_schema (struct buf *out)
{
  json_schema (rules_fields, RULES_ID, "Rules of the ladder and the verdict",
               out);
}

/* ---- one file ---- */

struct reading
{
  const struct json_doc *doc;
  struct json_object *words; /* of all files so far */
  struct verdict_rules *out;
  struct error *err;
};

static int
at_ (struct reading *rd, const char *path, const char *member,
     const struct error *why)
{
  char at[PATH_MAX_ + 32];

  snprintf (at, sizeof at, "%s.%s", path, member);
  return json_error_at (rd->doc, at, rd->err, "%s", error_text (why));
}

/* A template with its words in place; *ret is the caller's. */
static int
take_template (struct reading *rd, const char *path, const char *member,
               const char *text, const struct cond_list *when, char **ret)
{
  struct error why = ERROR_INIT;
  char full[TEMPLATE_MAX];

  if (words_expand_ (rd->words, text ? text : "", full, sizeof full, &why) < 0
      || template_check_ (full, cond_list_binder_ (when), &why) < 0)
    return at_ (rd, path, member, &why);
  *ret = strdup (full);
  return *ret ? 0 : error_set (rd->err, ENOMEM, "no memory for rules");
}

static int
take_when (struct reading *rd, const char *path, struct json_object *when,
           struct cond_list **ret)
{
  char at[PATH_MAX_ + 8];

  snprintf (at, sizeof at, "%s.if", path);
  return cond_list_read_words_ (rd->doc, when, at, rd->words, ret, rd->err);
}

static bool
is_name (const char *s)
{
  return s[strspn (s, "abcdefghijklmnopqrstuvwxyz0123456789-._")] == '\0';
}

static int
check_name (struct reading *rd, const char *path, const char *name)
{
  struct error why = ERROR_INIT;

  if (!is_name (name))
    error_set (&why, EINVAL,
               "a name is of small letters, digits, \"-\", \".\" and \"_\"");
  for (size_t i = 0; !why.code && i < rd->out->nverdicts; i++)
    if (strcmp (rd->out->verdicts[i].name, name) == 0)
      error_set (&why, EINVAL, "another rule of this file is called so");
  for (size_t i = 0; !why.code && i < rd->out->nfindings; i++)
    if (strcmp (rd->out->findings[i].name, name) == 0)
      error_set (&why, EINVAL, "another rule of this file is called so");
  return why.code ? at_ (rd, path, "name", &why) : 0;
}

static int
take_facet (struct reading *rd, const char *path, const struct facet_doc *d)
{
  struct facet_rule *r = &rd->out->facets[rd->out->nfacets];
  struct error why = ERROR_INIT;

  if (d->state == FACET_UNKNOWN)
    {
      error_set (&why, EINVAL, "what is unknown needs no rule");
      return at_ (rd, path, "state", &why);
    }
  r->facet = (enum facet_id) d->facet;
  r->state = (enum facet_state) d->state;
  int rc = take_when (rd, path, d->when, &r->when);
  rd->out->nfacets += rc == 0;
  return rc;
}

/* ["$mute", "timeout"] as one list of words. */
static int
take_codes (struct reading *rd, const char *path, const struct json_list *l,
            char **ret)
{
  struct buf out CLEANUP_BUF = BUF_INIT (4096);
  char *const *code = l->items;

  for (size_t i = 0; i < l->count; i++)
    {
      struct error why = ERROR_INIT;
      char one[1024];

      if (words_expand_ (rd->words, code[i], one, sizeof one, &why) == 0
          && (!one[0]
              || one[strspn (one, "abcdefghijklmnopqrstuvwxyz0123456789-|")]))
        error_set (&why, EINVAL, "\"%s\" is no code of an outcome", one);
      if (why.code)
        return at_ (rd, path, "codes", &why);
      buf_printf (&out, "%s%s", i ? "|" : "", one);
    }
  *ret = out.cut ? NULL : strdup (buf_str (&out));
  return *ret ? 0 : error_set (rd->err, ENOMEM, "no memory for rules");
}

static int
check_class (struct reading *rd, const char *path, const char *class_)
{
  struct error why = ERROR_INIT;
  char near[160];

  for (size_t i = 0; verdict_classes[i]; i++)
    if (strcmp (class_, verdict_classes[i]) == 0)
      return 0;
  if (class_[0] == '{')
    return 0;
  error_set (&why, EINVAL, "there is no class \"%s\"%s", class_,
             text_did_you_mean (near, sizeof near, class_, verdict_classes));
  return at_ (rd, path, "class", &why);
}

static int
take_verdict (struct reading *rd, const char *path,
              const struct verdict_doc *d)
{
  struct verdict_rule *r = &rd->out->verdicts[rd->out->nverdicts];
  int rc = check_name (rd, path, d->name);

  if (rc < 0)
    return rc;
  /* From here on it is freed with the others. */
  rd->out->nverdicts++;
  r->confidence = claims[d->confidence];
  r->own = rd->out->shipped;
  rc = take_when (rd, path, d->when, &r->when);
  if (rc == 0)
    rc = take_template (rd, path, "name", d->name, r->when, &r->name);
  if (rc == 0)
    rc = take_template (rd, path, "class", d->class_, r->when, &r->class_);
  if (rc == 0)
    rc = check_class (rd, path, r->class_);
  if (rc == 0)
    rc = take_template (rd, path, "culprit", d->culprit, r->when, &r->culprit);
  if (rc == 0)
    rc = take_template (rd, path, "says", d->says, r->when, &r->says);
  if (rc == 0)
    rc = take_template (rd, path, "next", d->next, r->when, &r->next);
  if (rc == 0)
    rc = take_codes (rd, path, &d->codes, &r->codes);
  if (rc == 0 && r->when->n == 0 && !r->codes[0])
    {
      struct error why = ERROR_INIT;

      error_set (&why, EINVAL, "without \"if\" and \"codes\" it always holds");
      rc = at_ (rd, path, "name", &why);
    }
  return rc;
}

static int
take_finding (struct reading *rd, const char *path,
              const struct finding_doc *d)
{
  struct finding_rule *r = &rd->out->findings[rd->out->nfindings];
  int rc = check_name (rd, path, d->name);

  if (rc < 0)
    return rc;
  rd->out->nfindings++;
  r->level = finding_levels[d->level];
  r->own = rd->out->shipped;
  rc = take_when (rd, path, d->when, &r->when);
  if (rc == 0)
    rc = take_template (rd, path, "name", d->name, r->when, &r->name);
  if (rc == 0)
    rc = take_template (rd, path, "says", d->says, r->when, &r->says);
  if (rc == 0)
    rc = take_template (rd, path, "see", d->see, r->when, &r->see);
  if (rc == 0 && r->when->n == 0)
    {
      struct error why = ERROR_INIT;

      error_set (&why, EINVAL, "without a condition it always holds");
      rc = at_ (rd, path, "if", &why);
    }
  return rc;
}

/* A word is new, and a text or a list of texts. */
static int
take_words (struct reading *rd, struct json_object *words)
{
  if (!words)
    return 0;
  if (!json_object_is_type (words, json_type_object))
    return json_error_at (rd->doc, "words", rd->err, "not an object");
  json_object_object_foreach (words, key, value)
    {
      char at[PATH_MAX_];
      bool list = json_object_is_type (value, json_type_array);

      snprintf (at, sizeof at, "words.%.60s", key);
      if (key[0] < 'a' || key[0] > 'z'
          || key[strspn (key, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        return json_error_at (rd->doc, "words", rd->err, "a word is of small "
                              "letters, digits and \"-\"");
      if (json_get (rd->words, key))
        return json_error_at (rd->doc, at, rd->err, "there is such a word "
                              "already");
      if (!list && !json_object_is_type (value, json_type_string))
        return json_error_at (rd->doc, at, rd->err,
                              "not a text, nor a list of conditions");
      json_object_object_add (rd->words, key, json_object_get (value));
    }
  return 0;
}

static int
take_all (struct reading *rd, const struct rules_doc *d)
{
  struct verdict_rules *out = rd->out;
  const struct facet_doc *facets = d->facets.items;
  const struct verdict_doc *verdicts = d->verdicts.items;
  const struct finding_doc *findings = d->findings.items;
  char path[PATH_MAX_];
  int r = 0;

  out->facets = calloc (d->facets.count + 1, sizeof *out->facets);
  out->verdicts = calloc (d->verdicts.count + 1, sizeof *out->verdicts);
  out->findings = calloc (d->findings.count + 1, sizeof *out->findings);
  if (!out->facets || !out->verdicts || !out->findings)
    return error_set (rd->err, ENOMEM, "no memory for rules");
  for (size_t i = 0; r == 0 && i < d->facets.count; i++)
    {
      snprintf (path, sizeof path, "facets[%zu]", i);
      r = take_facet (rd, path, &facets[i]);
    }
  for (size_t i = 0; r == 0 && i < d->verdicts.count; i++)
    {
      snprintf (path, sizeof path, "verdicts[%zu]", i);
      r = take_verdict (rd, path, &verdicts[i]);
    }
  for (size_t i = 0; r == 0 && i < d->findings.count; i++)
    {
      snprintf (path, sizeof path, "findings[%zu]", i);
      r = take_finding (rd, path, &findings[i]);
    }
  return r;
}

int
verdict_rules_read_ (struct verdict_rules *into, const struct json_doc *doc,
                     struct verdict_rules *ret, struct error *err)
{
  struct rules_doc d = { .words = NULL };
  struct reading rd = { .out = ret, .err = err };
  int r;

  *ret = (struct verdict_rules){ .shipped = into->shipped,
                                 .words = json_object_new_object () };
  json_object_object_foreach (into->words, key, value)
    json_object_object_add (ret->words, key, json_object_get (value));
  rd.doc = doc;
  rd.words = ret->words;
  r = json_decode (doc, json_root (doc), "", rules_fields, &d, err);
  if (r == 0 && d.schema && strcmp (d.schema, VERDICT_RULES_SCHEMA) != 0)
    r = json_error_at (doc, "schema", err, "not \"%s\"",
                       VERDICT_RULES_SCHEMA);
  if (r == 0)
    r = take_words (&rd, d.words);
  if (r == 0)
    r = take_all (&rd, &d);
  json_decoded_done (rules_fields, &d);
  if (r < 0)
    verdict_rules_done_ (ret);
  return r;
}
