/* SPDX-License-Identifier: Apache-2.0
 *
 * From a file of rules to rules that can be asked.
 */
#include "kernel/text/rules_priv.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX 200 /* of a list that is searched for the nearest name */
#define NOT_SAID (-1)

struct rule_samples
{
  struct json_list yes, no;
};

struct rule_doc
{
  char *name, *kind, *type, *class_;
  int severity, where;
  char *match, *report, *title, *bare;
  struct json_list any, nots, alt, by;
  struct rule_samples samples;
};

static const char *const schemas[] = { "hangdog/text-rules/1", NULL };
static const char *const wheres[] = {
  [WHERE_KERNEL] = "kernel", [WHERE_USER] = "user",
  [WHERE_BOOT] = "boot",     [WHERE_ANY] = "any",
  [WHERE_ANY + 1] = NULL,
};

#define AT(type, member) .offset = offsetof (struct type, member)

static const struct json_field sample_fields[] = {
  { "match", JSON_ARRAY, AT (rule_samples, yes), .elem_kind = JSON_STRING,
    .max = RULE_SAMPLES_MAX, .help = "whole lines that the rule matches" },
  { "not", JSON_ARRAY, AT (rule_samples, no), .elem_kind = JSON_STRING,
    .max = RULE_SAMPLES_MAX, .help = "whole lines that it must not match" },
  { .kind = JSON_END },
};

static const struct json_field rule_fields[] = {
  { "name", JSON_STRING, AT (rule_doc, name), .required = true, .min = 1,
    .max = 64, .help = "of the rule, as --explain shows it; unique" },
  { "kind", JSON_STRING, AT (rule_doc, kind), .required = true, .min = 1,
    .max = 40,
    .help = "of the event; \"harmless\": the line is none, whatever other "
            "rules say" },
  { "severity", JSON_ENUM, AT (rule_doc, severity),
    .names = text_severity_names,
    .help = "needed, but for harmless rules" },
  { "type", JSON_STRING, AT (rule_doc, type), .min = 0, .max = 63,
    .help = "as trackers have it: HANG, WARNING; with {names} as in title" },
  { "class", JSON_STRING, AT (rule_doc, class_), .min = 0, .max = 31,
    .help = "the class of verdict that it speaks for" },
  { "any", JSON_ARRAY, AT (rule_doc, any), .required = true,
    .elem_kind = JSON_STRING, .min = 1, .max = RULE_ANY_MAX,
    .help = "literals of 3 to 128 bytes; without one of them in the message "
            "\"match\" is not tried" },
  { "match", JSON_STRING, AT (rule_doc, match), .required = true, .min = 1,
    .max = REGEX_MAX_PATTERN,
    .help = "PCRE2 on the message, without stamps and other prefixes" },
  { "not", JSON_ARRAY, AT (rule_doc, nots), .elem_kind = JSON_STRING,
    .max = RULE_NOT_MAX, .help = "PCRE2s of which none may match" },
  { "where", JSON_ENUM, AT (rule_doc, where), .names = wheres,
    .help = "who must have said it: kernel (default), user, boot (before "
            "userspace), any (default of harmless rules)" },
  { "by", JSON_ARRAY, AT (rule_doc, by), .elem_kind = JSON_STRING,
    .max = RULE_BY_MAX,
    .help = "programmes, \"systemd\" or \"systemd[1]\": what syslog or the "
            "journal says of another one does not count" },
  { "report", JSON_STRING, AT (rule_doc, report), .min = 0, .max = 40,
    .help = "how the lines that follow are read; without it the line is all" },
  { "title", JSON_STRING, AT (rule_doc, title), .min = 1,
    .max = TEXT_TITLE_MAX - 1,
    .help = "with {names}: groups of match, and what the report finds; "
            "needed, but for harmless rules" },
  { "bare", JSON_STRING, AT (rule_doc, bare), .min = 0,
    .max = TEXT_TITLE_MAX - 1,
    .help = "the title when something it names was not found" },
  { "alt", JSON_ARRAY, AT (rule_doc, alt), .elem_kind = JSON_STRING,
    .max = TEXT_ALTS_MAX, .help = "titles that others have for it" },
  { "samples", JSON_OBJECT, AT (rule_doc, samples), .sub = sample_fields,
    .help = "what it is tried with" },
  { .kind = JSON_END },
};

static const struct rule_doc rule_doc_init
    = { .severity = NOT_SAID, .where = NOT_SAID };

static const struct json_field file_fields[] = {
  { "schema", JSON_ENUM, AT (rules_file, schema), .required = true,
    .names = schemas, .help = "which format this is" },
  { "rules", JSON_ARRAY, AT (rules_file, docs), .required = true,
    .sub = rule_fields, .elem_size = sizeof (struct rule_doc),
    .max = RULES_MAX, .elem_init = &rule_doc_init,
    .help = "the first that matches a line decides" },
  { .kind = JSON_END },
};

void
text_rules_schema (struct buf *b)
{
  json_schema (file_fields, schemas[0], "hangdog text rules", b);
}

/* ---- errors ---- */

/* A rule of a document that is being read. */
struct place
{
  const struct text_rules *all;
  const struct json_doc *doc;
  const struct rules_file *file;
  size_t index;
  struct error *err;
};

static int
bad (const struct place *at, const char *key, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));

static int
bad (const struct place *at, const char *key, const char *fmt, ...)
{
  CLEANUP_BUF struct buf shown = BUF_INIT (400);
  char path[80], msg[300];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (msg, sizeof msg, fmt, ap);
  va_end (ap);
  text_escape (&shown, msg, strlen (msg), 0);
  snprintf (path, sizeof path, "rules[%zu]%s%s", at->index, *key ? "." : "",
            key);
  return json_error_at (at->doc, path, at->err, "%s", buf_str (&shown));
}

static int
bad_item (const struct place *at, const char *key, size_t i, const char *what)
{
  char path[40];

  snprintf (path, sizeof path, "%s[%zu]", key, i);
  return bad (at, path, "%s", what);
}

static int
unknown (const struct place *at, const char *key, const char *what,
         const char *word, const char *const *known)
{
  char rest[200];

  return bad (at, key, "unknown %s \"%.60s\"%s", what, word,
              text_did_you_mean (rest, sizeof rest, word, known));
}

/* ---- names ---- */

static bool
in_list (const char *const *list, const char *word, size_t len)
{
  for (; *list; list++)
    if (strlen (*list) == len && memcmp (*list, word, len) == 0)
      return true;
  return false;
}

static int
check_name (const struct place *at, const struct rule_doc *d)
{
  const struct rule_doc *docs = at->file->docs.items;

  if (!text_is_name (d->name))
    return bad (at, "name",
                "a name is made of letters, digits, \".\", \"_\" and \"-\", "
                "and does not begin with \".\" or \"-\"");
  for (size_t i = 0; i < at->index; i++)
    if (strcmp (docs[i].name, d->name) == 0)
      return bad (at, "name", "rules[%zu] has the name \"%s\" already", i,
                  d->name);
  /* An operator's rule takes the place of one of ours. */
  for (const struct rules_file *f = at->all->files; f; f = f->next)
    for (unsigned i = 0; i < f->n; i++)
      if ((f->batch > 0 || at->file->batch == 0)
          && strcmp (f->rules[i].name, d->name) == 0)
        return bad (at, "name", "%s has a rule of the name \"%s\" already",
                    f->origin, d->name);
  return 0;
}

static int
check_kind (const struct place *at, const struct rule_doc *d, bool *ret)
{
  const char *known[NAMES_MAX + 2];
  size_t n = 0;

  *ret = strcmp (d->kind, "harmless") == 0;
  if (*ret || text_kind_find (d->kind))
    return 0;
  known[n++] = "harmless";
  for (const struct text_kind *k = text_kinds; k->name && n < NAMES_MAX; k++)
    known[n++] = k->name;
  known[n] = NULL;
  return unknown (at, "kind", "kind", d->kind, known);
}

/* "systemd", or with its process: "systemd[1]". */
static int
check_by (const struct place *at, const struct rule_doc *d)
{
  char *const *by = d->by.items;

  for (size_t i = 0; i < d->by.count; i++)
    {
      const char *open = strchr (by[i], '['), *p = open ? open + 1 : "1]";

      while (*p >= '0' && *p <= '9')
        p++;
      if (by[i][0] == '\0' || open == by[i] || strcmp (p, "]") != 0
          || p[-1] == '[')
        return bad_item (at, "by", i,
                         "a programme's name, and perhaps its process in "
                         "brackets: systemd[1]");
    }
  return 0;
}

/* ---- expressions ---- */

static int
check_any (const struct place *at, const struct rule_doc *d)
{
  char *const *any = d->any.items;

  for (size_t i = 0; i < d->any.count; i++)
    {
      size_t len = strlen (any[i]);

      if (len < RULE_LITERAL_MIN || len > RULE_LITERAL_MAX)
        return bad_item (at, "any", i,
                         "a literal has 3 to 128 bytes; take more of what "
                         "the line always has");
    }
  return 0;
}

static int
compile (const struct place *at, const char *key, const char *pattern,
         struct regex **ret)
{
  struct error why = ERROR_INIT;
  struct regex *re;
  int rc = regex_new (pattern, &re, &why);

  if (rc == -ENOMEM)
    return error_set (at->err, ENOMEM, "not enough memory");
  if (rc < 0)
    return bad (at, key, "%s", error_text (&why));
  *ret = re;
  return 0;
}

static int
compile_all (const struct place *at, const struct rule_doc *d,
             struct text_rule *r)
{
  char *const *nots = d->nots.items;
  int rc = compile (at, "match", d->match, &r->match);

  if (rc < 0)
    return rc;
  if (regex_matches_nothing (r->match))
    return bad (at, "match", "matches a line with nothing in it");
  r->groups = regex_groups (r->match);
  if (r->groups > RULE_GROUPS_MAX)
    return bad (at, "match",
                "has %u groups, %d are allowed; write (?:...) where nobody "
                "asks what was there",
                r->groups, RULE_GROUPS_MAX);
  for (unsigned i = 0; i < MEMBER_MAX; i++)
    r->group[i]
        = (uint16_t) regex_group_number (r->match, rule_member_names[i]);
  r->nots = calloc (d->nots.count + 1, sizeof *r->nots);
  if (!r->nots)
    return error_set (at->err, ENOMEM, "not enough memory");
  for (size_t i = 0; i < d->nots.count; i++)
    {
      char key[32];

      snprintf (key, sizeof key, "not[%zu]", i);
      rc = compile (at, key, nots[i], &r->nots[i]);
      if (rc < 0)
        return rc;
      r->n_nots++;
      if (regex_matches_nothing (r->nots[i]))
        return bad (at, key, "matches every line, so the rule never would");
    }
  return 0;
}

/* ---- titles ---- */

static int
check_template (const struct place *at, const char *key, const char *tmpl,
                const struct text_rule *r)
{
  struct template_piece piece;
  int rc;

  while ((rc = template_next (&tmpl, &piece)) == 1)
    {
      char name[40] = "";

      if (!piece.name)
        continue;
      if (piece.nname < sizeof name)
        memcpy (name, piece.name, piece.nname);
      if (!in_list (rule_member_names, piece.name, piece.nname)
          && !in_list (text_title_names, piece.name, piece.nname)
          && (!name[0] || !regex_has_group (r->match, name)))
        return bad (at, key,
                    "nobody fills in {%.*s}: match has no group of that name",
                    (int) (piece.nname < 40 ? piece.nname : 40), piece.name);
    }
  return rc < 0 ? bad (at, key,
                       "a brace with no name that ends; write {{ for a brace")
                : 0;
}

static int
check_titles (const struct place *at, const struct rule_doc *d,
              const struct text_rule *r)
{
  char *const *alt = d->alt.items;
  int rc;

  if (r->harmless && (d->title || d->bare || d->report || d->alt.count > 0))
    return bad (at, "", "a harmless rule has no title and no report");
  if (r->harmless)
    return 0;
  if (d->severity == NOT_SAID)
    return bad (at, "", "the key \"severity\" is missing");
  if (!d->title)
    return bad (at, "", "the key \"title\" is missing");
  rc = check_template (at, "type", r->type, r);
  if (rc == 0)
    rc = check_template (at, "title", d->title, r);
  if (rc == 0)
    rc = check_template (at, "bare", r->bare, r);
  for (size_t i = 0; i < d->alt.count && rc == 0; i++)
    {
      char key[32];

      snprintf (key, sizeof key, "alt[%zu]", i);
      rc = check_template (at, key, alt[i], r);
    }
  return rc;
}

/* ---- samples ---- */

/* A literal that the lines do not have would switch the rule off unseen. */
static int
check_samples (const struct place *at, const struct rule_doc *d)
{
  char *const *any = d->any.items, *const *yes = d->samples.yes.items;

  for (size_t i = 0; i < d->samples.yes.count; i++)
    {
      bool found = false;

      for (size_t k = 0; k < d->any.count && !found; k++)
        found = strstr (yes[i], any[k]) != NULL;
      if (!found)
        return bad_item (at, "samples.match", i,
                         "has none of the literals in \"any\", so the rule "
                         "would never be asked");
    }
  return 0;
}

/* ---- a rule, a file ---- */

static const char *
said (const char *s)
{
  return s ? s : "";
}

static void
take_texts (struct text_rule *r, const struct rule_doc *d)
{
  char *const *alt = d->alt.items;
  const struct text_kind *kind = text_kind_find (d->kind);

  r->name = d->name;
  /* Not the file's text: who remembers an event's kind outlives it. */
  r->kind = kind ? kind->name : "harmless";
  r->severity = d->severity == NOT_SAID ? SEVERITY_INFO
                                        : (enum text_severity) d->severity;
  r->type = said (d->type);
  r->class_ = said (d->class_);
  r->report = said (d->report);
  r->title = said (d->title);
  r->bare = said (d->bare);
  for (size_t i = 0; i < TEXT_ALTS_MAX; i++)
    r->alt[i] = i < d->alt.count ? alt[i] : "";
  r->where = d->where != NOT_SAID ? (enum rule_where) d->where
             : r->harmless        ? WHERE_ANY
                                  : WHERE_KERNEL;
  r->any = d->any.items;
  r->n_any = (unsigned) d->any.count;
  r->nots_text = d->nots.items;
  r->yes = d->samples.yes.items;
  r->n_yes = (unsigned) d->samples.yes.count;
  r->no = d->samples.no.items;
  r->n_no = (unsigned) d->samples.no.count;
  r->by = d->by.items;
  r->n_by = (unsigned) d->by.count;
}

static int
load_rule (const struct place *at, const struct rule_doc *d,
           struct text_rule *r)
{
  int rc = check_name (at, d);

  if (rc == 0)
    rc = check_kind (at, d, &r->harmless);
  if (rc < 0)
    return rc;
  take_texts (r, d);
  r->origin = at->file->origin;
  r->batch = at->file->batch;
  r->builtin = r->batch == 0;
  if (*r->report && !in_list (text_recipes, r->report, strlen (r->report)))
    return unknown (at, "report", "report", r->report, text_recipes);
  rc = check_any (at, d);
  if (rc == 0)
    rc = check_by (at, d);
  if (rc == 0)
    rc = compile_all (at, d, r);
  if (rc == 0)
    rc = check_titles (at, d, r);
  if (rc == 0)
    rc = check_samples (at, d);
  return rc;
}

struct room
{
  size_t rules, literals, code;
};

static void
count_rule (const struct text_rule *r, struct room *room)
{
  room->rules++;
  room->literals += r->n_any;
  room->code += regex_size (r->match);
  for (unsigned k = 0; k < r->n_nots; k++)
    room->code += regex_size (r->nots[k]);
}

/* Is it too much of something? */
static int
check_room (const struct place *at, const struct room *room)
{
  if (room->rules > RULES_MAX)
    return bad (at, "", "with it there are more than %d rules", RULES_MAX);
  if (room->literals > RULES_LITERALS_MAX)
    return bad (at, "any", "with these there are more than %d literals",
                RULES_LITERALS_MAX);
  if (room->code > RULES_CODE_MAX)
    return bad (at, "match",
                "with it the regular expressions of all rules take more than "
                "%u bytes",
                RULES_CODE_MAX);
  return 0;
}

static int
load_rules (struct place *at, struct rules_file *f)
{
  const struct rule_doc *docs = f->docs.items;
  struct room room = { 0, 0, 0 };
  int rc = 0;

  f->rules = calloc (f->docs.count + 1, sizeof *f->rules);
  if (!f->rules)
    return error_set (at->err, ENOMEM, "not enough memory");
  for (const struct rules_file *o = at->all->files; o; o = o->next)
    for (unsigned i = 0; i < o->n; i++)
      count_rule (o->rules + i, &room);
  for (; at->index < f->docs.count && rc == 0; at->index++)
    {
      struct text_rule *r = f->rules + at->index;

      /* Counted before it is read: what it has is freed with the file. */
      f->n++;
      rc = load_rule (at, docs + at->index, r);
      if (rc < 0)
        break;
      count_rule (r, &room);
      rc = check_room (at, &room);
    }
  return rc;
}

void
rules_file_free (struct rules_file *f)
{
  if (!f)
    return;
  for (unsigned i = 0; i < f->n; i++)
    {
      struct text_rule *r = f->rules + i;

      regex_free (r->match);
      for (unsigned k = 0; k < r->n_nots; k++)
        regex_free (r->nots[k]);
      free (r->nots);
    }
  free (f->rules);
  json_decoded_done (file_fields, f);
  free (f->origin);
  free (f);
}

int
rules_file_load (const struct text_rules *r, const char *json, size_t len,
                 const char *origin, unsigned batch, struct rules_file **ret,
                 struct json_doc **ret_doc, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct rules_file *f;
  struct place at = { .all = r, .err = err };
  int rc = json_parse (json, len, JSON_FILE, origin, JSON_MAX_FILE, &doc, err);

  if (rc < 0)
    return rc;
  f = calloc (1, sizeof *f);
  if (f)
    f->origin = strdup (origin);
  if (!f || !f->origin)
    {
      free (f);
      return error_set (err, ENOMEM, "not enough memory");
    }
  f->batch = batch;
  at.doc = doc;
  at.file = f;
  rc = json_decode (doc, json_root (doc), "", file_fields, f, err);
  if (rc == 0)
    rc = load_rules (&at, f);
  if (rc < 0)
    {
      rules_file_free (f);
      return rc;
    }
  *ret = f;
  if (ret_doc)
    *ret_doc = steal_ptr (&doc);
  return 0;
}
