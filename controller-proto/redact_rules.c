/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of redaction: documents, one behind the other.
 */
#include "controller-proto/redact_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const redact_kinds[] = { "ipv4",     "ipv6", "mac",  "email",
                                     "hostname", "user", "uuid", "secret",
                                     NULL };

/* ---- the document ---- */

struct pattern_doc
{
  char *name, *regex, *until;
  int as;
  struct json_list near;
};

struct named_doc
{
  char *word;
  int as;
};

struct rules_doc
{
  char *schema, *name;
  int64_t version;
  struct json_list kinds, versions, domains, no_domains, keep;
  struct json_list learn, secrets, words, leave;
};

#define STRINGS(n, at, text)                                                  \
  { .name = n, .kind = JSON_ARRAY, .offset = offsetof (struct rules_doc, at), \
    .elem_kind = JSON_STRING, .help = text }
#define OBJECTS(n, at, table, type, text)                                     \
  { .name = n, .kind = JSON_ARRAY, .offset = offsetof (struct rules_doc, at), \
    .sub = table, .elem_size = sizeof (struct type), .help = text }

static const struct json_field learn_fields[] = {
  { .name = "as", .kind = JSON_ENUM, .required = true,
    .offset = offsetof (struct pattern_doc, as), .names = redact_kinds,
    .help = "what the word is" },
  { .name = "near", .kind = JSON_ARRAY, .required = true, .max = NEAR_MAX,
    .offset = offsetof (struct pattern_doc, near), .elem_kind = JSON_STRING,
    .help = "one of these is in the line, in any case" },
  { .name = "regex", .kind = JSON_STRING, .required = true,
    .offset = offsetof (struct pattern_doc, regex),
    .help = "with a group `word`" },
  { 0 },
};
static const struct json_field secret_fields[] = {
  { .name = "name", .kind = JSON_STRING, .required = true, .max = 31,
    .offset = offsetof (struct pattern_doc, name), .help = "for the counts" },
  { .name = "near", .kind = JSON_ARRAY, .required = true, .max = NEAR_MAX,
    .offset = offsetof (struct pattern_doc, near), .elem_kind = JSON_STRING,
    .help = "one of these is in the line, in any case" },
  { .name = "regex", .kind = JSON_STRING, .required = true,
    .offset = offsetof (struct pattern_doc, regex),
    .help = "with a group `secret`" },
  { .name = "until", .kind = JSON_STRING, .max = 31,
    .offset = offsetof (struct pattern_doc, until),
    .help = "goes on over the lines until this" },
  { 0 },
};
static const struct json_field named_fields[] = {
  { .name = "as", .kind = JSON_ENUM, .required = true,
    .offset = offsetof (struct named_doc, as), .names = redact_kinds,
    .help = "what the word is" },
  { .name = "word", .kind = JSON_STRING, .required = true, .min = 2,
    .max = WORD_BYTES - 1, .offset = offsetof (struct named_doc, word),
    .help = "replaced wherever it stands, in any case" },
  { 0 },
};
static const struct json_field leave_fields[] = {
  { .name = "member", .kind = JSON_STRING, .required = true,
    .offset = offsetof (struct redact_leave, member),
    .help = "a pattern of names" },
  { .name = "reason", .kind = JSON_STRING, .required = true,
    .offset = offsetof (struct redact_leave, reason), .help = "why" },
  { 0 },
};
static const struct json_field rules_fields[] = {
  { .name = "schema", .kind = JSON_STRING, .required = true,
    .offset = offsetof (struct rules_doc, schema),
    .help = REDACT_RULES_SCHEMA },
  { .name = "name", .kind = JSON_STRING, .required = true, .max = 63,
    .offset = offsetof (struct rules_doc, name), .help = "for the manifest" },
  { .name = "version", .kind = JSON_INT, .min = 1, .max = 1000000,
    .offset = offsetof (struct rules_doc, version), .help = "of this set" },
  STRINGS ("kinds", kinds, "what is replaced"),
  STRINGS ("version_words", versions, "before what is no address"),
  STRINGS ("domains", domains, "last parts of names of hosts"),
  STRINGS ("no_domains", no_domains, "last parts of what is no e-mail"),
  STRINGS ("keep", keep, "names that stay; * and ? as in a shell"),
  OBJECTS ("learn", learn, learn_fields, pattern_doc,
           "words that text tells of"),
  OBJECTS ("words", words, named_fields, named_doc, "words known before"),
  OBJECTS ("secrets", secrets, secret_fields, pattern_doc,
           "what becomes a mark"),
  OBJECTS ("leave_out", leave, leave_fields, redact_leave,
           "members that are left out"),
  { 0 },
};

/* ---- taking it ---- */

static int
take_words (struct redact_words *to, struct json_list *from,
            struct error *err)
{
  char **items = from->items, **more;

  if (from->count == 0)
    return 0;
  more = realloc (to->words, (to->n + from->count) * sizeof *more);
  if (!more)
    return error_set (err, ENOMEM, "no memory for rules");
  to->words = more;
  for (size_t i = 0; i < from->count; i++)
    more[to->n++] = steal_ptr (&items[i]);
  return 0;
}

static int
take_kinds (struct redact_rules *rules, const struct json_doc *doc,
            const struct json_list *from, struct error *err)
{
  char **items = from->items, path[32];
  unsigned k;

  for (size_t i = 0; i < from->count; i++)
    {
      for (k = 0; k < KIND_SECRET; k++)
        if (strcmp (items[i], redact_kinds[k]) == 0)
          break;
      if (k == KIND_SECRET)
        {
          snprintf (path, sizeof path, "kinds[%zu]", i);
          return json_error_at (doc, path, err,
                                "no kind \"%.40s\" (known: ipv4, ipv6, mac, "
                                "email, hostname, user, uuid)",
                                items[i]);
        }
      rules->kinds[k] = true;
    }
  return 0;
}

static void
take_near (struct redact_rules *rules, unsigned pattern,
           const struct json_list *from)
{
  struct redact_begins *begins
      = &rules->begins[rules->learns[pattern] ? REDACT_LEARN : REDACT_REPLACE];
  char **items = from->items;

  for (size_t i = 0; i < from->count && i < NEAR_MAX; i++)
    {
      struct redact_near *near = &rules->nears[rules->nnears++];
      unsigned at;

      near->len = (unsigned char) strlen (items[i]);
      for (size_t k = 0; k < near->len; k++)
        near->text[k] = (char) tolower ((unsigned char) items[i][k]);
      near->pattern = (unsigned char) pattern;
      at = redact_pair ((unsigned char) near->text[0],
                        (unsigned char) near->text[1]);
      begins->bits[at / 8] |= (unsigned char) (1u << at % 8);
      near->next = begins->first[at % REDACT_FIRSTS];
      begins->first[at % REDACT_FIRSTS] = (uint16_t) rules->nnears;
    }
}

static int
check_near (const struct json_doc *doc, const struct json_list *from,
            const char *of, struct error *err)
{
  char **items = from->items, path[64];

  snprintf (path, sizeof path, "%s.near", of);
  if (from->count == 0)
    return json_error_at (doc, path, err,
                          "nothing is `near`: which lines are to be tried?");
  for (size_t i = 0; i < from->count; i++)
    if (strlen (items[i]) < 2 || strlen (items[i]) >= NEAR_BYTES)
      {
        snprintf (path, sizeof path, "%s.near[%zu]", of, i);
        return json_error_at (doc, path, err, "it has 2 to %d bytes",
                              NEAR_BYTES - 1);
      }
  return 0;
}

/* The expression, with the group that is meant. */
static int
take_regex (struct redact_pattern *p, const struct json_doc *doc,
            const char *regex, const char *group, const char *of,
            struct error *err)
{
  struct error why = ERROR_INIT;
  char path[64];

  snprintf (path, sizeof path, "%s.regex", of);
  if (regex_new (regex, &p->regex, &why) < 0)
    return json_error_at (doc, path, err, "%s", error_text (&why));
  p->group = regex_group_number (p->regex, group);
  if (p->group != 0)
    return 0;
  regex_free (steal_ptr (&p->regex));
  return json_error_at (doc, path, err, "it has no group (?<%s>...)", group);
}

static int
take_pattern (struct redact_rules *rules, const struct json_doc *doc,
              const struct pattern_doc *from, bool learns, const char *of,
              struct error *err)
{
  struct redact_pattern *p = &rules->patterns[rules->npatterns];
  char path[64];
  int r;

  if (rules->npatterns == PATTERNS_MAX)
    return json_error_at (doc, of, err, "more than %d expressions with those "
                          "that are shipped", PATTERNS_MAX);
  snprintf (path, sizeof path, "%s.as", of);
  if (learns && from->as != KIND_HOSTNAME && from->as != KIND_USER)
    return json_error_at (doc, path, err, "a word is a hostname or a user");
  if ((r = check_near (doc, &from->near, of, err)) < 0)
    return r;
  memset (p, 0, sizeof *p);
  r = take_regex (p, doc, from->regex, learns ? "word" : "secret", of, err);
  if (r < 0)
    return r;
  snprintf (p->name, sizeof p->name, "%s", from->name ? from->name : "");
  snprintf (p->until, sizeof p->until, "%s", from->until ? from->until : "");
  p->as = learns ? (enum redact_kind) from->as : KIND_SECRET;
  rules->learns[rules->npatterns] = learns;
  take_near (rules, rules->npatterns++, &from->near);
  return 0;
}

static int
take_patterns (struct redact_rules *rules, const struct json_doc *doc,
               const struct json_list *list, bool learns, struct error *err)
{
  const struct pattern_doc *all = list->items;
  char path[32];
  int r = 0;

  for (size_t i = 0; i < list->count && r == 0; i++)
    {
      snprintf (path, sizeof path, "%s[%zu]", learns ? "learn" : "secrets", i);
      r = take_pattern (rules, doc, &all[i], learns, path, err);
    }
  return r;
}

static int
take_named (struct redact_rules *rules, const struct json_doc *doc,
            struct json_list *list, struct error *err)
{
  struct named_doc *all = list->items;
  struct redact_named *more;
  char path[48];

  if (list->count == 0)
    return 0;
  more = realloc (rules->named,
                  (rules->nnamed + list->count) * sizeof *more);
  if (!more)
    return error_set (err, ENOMEM, "no memory for rules");
  rules->named = more;
  for (size_t i = 0; i < list->count; i++)
    {
      if (all[i].as != KIND_HOSTNAME && all[i].as != KIND_USER)
        {
          snprintf (path, sizeof path, "words[%zu].as", i);
          return json_error_at (doc, path, err,
                                "a word is a hostname or a user");
        }
      more[rules->nnamed].as = (enum redact_kind) all[i].as;
      more[rules->nnamed++].word = steal_ptr (&all[i].word);
    }
  return 0;
}

static int
take_leave (struct redact_rules *rules, struct json_list *list,
            struct error *err)
{
  struct redact_leave *all = list->items, *more;

  if (list->count == 0)
    return 0;
  more = realloc (rules->leave,
                  (rules->nleave + list->count) * sizeof *more);
  if (!more)
    return error_set (err, ENOMEM, "no memory for rules");
  rules->leave = more;
  for (size_t i = 0; i < list->count; i++)
    {
      more[rules->nleave].member = steal_ptr (&all[i].member);
      more[rules->nleave++].reason = steal_ptr (&all[i].reason);
    }
  return 0;
}

static int
take (struct redact_rules *rules, const struct json_doc *doc,
      struct rules_doc *d, struct error *err)
{
  int r;

  if (strcmp (d->schema, REDACT_RULES_SCHEMA) != 0)
    return json_error_at (doc, "schema", err, "it is not %s",
                          REDACT_RULES_SCHEMA);
  if ((r = take_kinds (rules, doc, &d->kinds, err)) < 0
      || (r = take_words (&rules->versions, &d->versions, err)) < 0
      || (r = take_words (&rules->domains, &d->domains, err)) < 0
      || (r = take_words (&rules->no_domains, &d->no_domains, err)) < 0
      || (r = take_words (&rules->keep, &d->keep, err)) < 0
      || (r = take_patterns (rules, doc, &d->learn, true, err)) < 0
      || (r = take_patterns (rules, doc, &d->secrets, false, err)) < 0
      || (r = take_named (rules, doc, &d->words, err)) < 0
      || (r = take_leave (rules, &d->leave, err)) < 0)
    return r;
  /* The one that was added last is the one to name. */
  snprintf (rules->name, sizeof rules->name, "%s", d->name);
  rules->version = d->version;
  return 0;
}

int
redact_rules_add (struct redact_rules *rules, const char *text, size_t len,
                  const char *origin, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct rules_doc d = { .version = 1 };
  int r = json_parse (text, len, JSON_FILE, origin, REDACT_RULES_MAX, &doc,
                      err);

  if (r < 0)
    return r;
  r = json_decode (doc, json_root (doc), "", rules_fields, &d, err);
  if (r == 0)
    r = take (rules, doc, &d, err);
  json_decoded_done (rules_fields, &d);
  return r;
}

void
redact_rules_schema (struct buf *out)
{
  json_schema (rules_fields, REDACT_RULES_SCHEMA, "hangdog redaction rules",
               out);
}

static void
words_done (struct redact_words *w)
{
  for (size_t i = 0; i < w->n; i++)
    free (w->words[i]);
  free (w->words);
}

void
redact_rules_done (struct redact_rules *rules)
{
  words_done (&rules->versions);
  words_done (&rules->domains);
  words_done (&rules->no_domains);
  words_done (&rules->keep);
  for (unsigned i = 0; i < rules->npatterns; i++)
    regex_free (rules->patterns[i].regex);
  for (size_t i = 0; i < rules->nleave; i++)
    {
      free (rules->leave[i].member);
      free (rules->leave[i].reason);
    }
  for (size_t i = 0; i < rules->nnamed; i++)
    free (rules->named[i].word);
  free (rules->leave);
  free (rules->named);
}

bool
redact_listed (const struct redact_words *list, const char *word, size_t len,
               bool glob)
{
  char low[FAKE_MAX + 1];

  if (len > FAKE_MAX)
    return false;
  for (size_t i = 0; i < len; i++)
    low[i] = (char) tolower ((unsigned char) word[i]);
  low[len] = '\0';
  for (size_t i = 0; i < list->n; i++)
    if (glob ? text_glob (list->words[i], low)
             : strcmp (list->words[i], low) == 0)
      return true;
  return false;
}
