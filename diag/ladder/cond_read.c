/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions, from words.
 *
 * A condition that can never hold is worse than none: who wrote it believes
 * that something is looked at.  So each name, each word that a fact may be and
 * each source is looked up, and what is not known is an error.
 */
#include "diag/ladder/cond_impl.h"
#include "diag/ladder/rules_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/units.h"
#include "diag/facts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 10

/* ---- words ---- */

struct words
{
  char text[COND_TEXT]; /* with a NUL after each word */
  const char *word[MAX_WORDS + 1];
  bool quoted[MAX_WORDS + 1];
  unsigned n;
};

static int
split (const char *text, struct words *w, struct error *err)
{
  char *p = w->text;

  memset (w, 0, sizeof *w);
  if (strlen (text) >= COND_TEXT)
    return error_set (err, EINVAL, "longer than %d characters",
                      COND_TEXT - 1);
  for (const char *c = text; *c; c++)
    if (*c < ' ' || *c > '~')
      return error_set (err, EINVAL,
                        "only printable ASCII may stand in a condition");
  memcpy (w->text, text, strlen (text) + 1);
  for (;;)
    {
      p += strspn (p, " ");
      if (!*p)
        break;
      if (w->n == MAX_WORDS)
        return error_set (err, EINVAL, "too many words");
      w->quoted[w->n] = *p == '\'';
      if (w->quoted[w->n])
        p++;
      w->word[w->n] = p;
      p += strcspn (p, w->quoted[w->n] ? "'" : " '");
      if (w->quoted[w->n] ? !*p || (p[1] && p[1] != ' ') : *p == '\'')
        return error_set (err, EINVAL,
                          "a text in '...' begins and ends as a word does");
      w->n++;
      if (*p)
        *p++ = '\0';
    }
  if (w->n == 0)
    return error_set (err, EINVAL, "no condition");
  return 0;
}

static bool
is_word (const struct words *w, unsigned i, const char *word)
{
  return i < w->n && !w->quoted[i] && strcmp (w->word[i], word) == 0;
}

/* In one spelling: what has to be is quoted, and nothing else. */
static void
put_words (const struct words *w, struct buf *out)
{
  for (unsigned i = 0; i < w->n; i++)
    {
      bool quote = !w->word[i][0] || strchr (w->word[i], ' ')
                   || (w->quoted[i] && strpbrk (w->word[i], "@|"));

      buf_puts (out, i ? " " : "");
      buf_printf (out, quote ? "'%s'" : "%s", w->word[i]);
    }
}

/* ---- values ---- */

static int
read_number (const char *text, double *ret, struct error *err)
{
  char *end;
  double v = strtod (text, &end);

  if (strspn (text, "+-.0123456789eE") != strlen (text) || end == text || *end
      || !isfinite (v))
    return error_set (err, EINVAL, "\"%s\" is not a number", text);
  *ret = v;
  return 0;
}

static int
name_is_number (const char *name, void *arg, struct error *err)
{
  struct cond_wanted w = { .type = COND_IS_NUMBER };

  (void) arg;
  return cond_name_fits_ (name, &w, err);
}

/* "== 3", "== @vcpu.count", and more or less than a number. */
static int
read_value_number (struct cond *c, const char *value, bool quoted,
                   struct error *err)
{
  enum cond_type type;

  if (value[0] != '@' || quoted)
    return read_number (value, &c->num, err);
  if (c->op != OP_EQUALS)
    return error_set (err, EINVAL,
                      "another fact's number can only be compared with ==");
  c->op = OP_SAME_AS;
  c->text = value + 1;
  int r = cond_check_names_ (c->text, &type, err);
  return r < 0 ? r : cond_each_name_ (c->text, name_is_number, NULL, err);
}

static int
read_value_bool (struct cond *c, const char *value, struct error *err)
{
  bool is_true = strcmp (value, "true") == 0;

  if (!is_true && strcmp (value, "false") != 0)
    return error_set (err, EINVAL, "%s is true or false, not \"%s\"", c->fact,
                      value);
  c->op = (c->op == OP_IS) == is_true ? OP_TRUE : OP_FALSE;
  return 0;
}

/* Each word of "a|b" by itself, or the whole text. */
static int
read_value_text (struct cond *c, const char *value, struct error *err)
{
  struct cond_wanted w = { COND_IS_TEXT, c->op, value };
  char word[COND_TEXT];
  size_t len;

  c->text = value;
  if (!value[0] && c->op != OP_IS && c->op != OP_ISNT)
    return error_set (err, EINVAL, "an empty text: that is always so");
  if (c->op != OP_ONE_OF)
    return cond_each_name_ (c->fact, cond_name_fits_, &w, err);
  for (const char *p = value;; p += len + 1)
    {
      len = strcspn (p, "|");
      snprintf (word, sizeof word, "%.*s", (int) len, p);
      w.text = word;
      if (len == 0)
        return error_set (err, EINVAL, "\"%s\": words with | between them "
                          "are wanted", value);
      int r = cond_each_name_ (c->fact, cond_name_fits_, &w, err);
      if (r < 0 || !p[len])
        return r;
    }
}

static const struct
{
  const char *word;
  enum cond_type type; /* COND_IS_ANY: what the fact is */
  enum cond_op op;
} ops[] = {
  { "==", COND_IS_ANY, OP_IS },
  { "!=", COND_IS_ANY, OP_ISNT },
  { "begins", COND_IS_TEXT, OP_BEGINS },
  { "has", COND_IS_TEXT, OP_HAS },
  { "in", COND_IS_TEXT, OP_ONE_OF },
  { "always", COND_IS_TEXT, OP_ALWAYS },
  { ">", COND_IS_NUMBER, OP_ABOVE },
  { "<", COND_IS_NUMBER, OP_BELOW },
  { ">=", COND_IS_NUMBER, OP_AT_LEAST },
  { "<=", COND_IS_NUMBER, OP_AT_MOST },
};
#define NOPS ARRAY_LEN (ops)

static int
find_op (const struct words *w, unsigned i, size_t *ret, struct error *err)
{
  static const char *const known[]
      = { "==", "!=",     "begins", "has", "in", "always", ">", "<",
          ">=", "<=", "by",  "then", NULL };

  for (size_t k = 0; k < NOPS; k++)
    if (is_word (w, i, ops[k].word))
      {
        *ret = k;
        if (i + 1 < w->n)
          return 0;
        return error_set (err, EINVAL, "nothing stands after \"%s\"",
                          ops[k].word);
      }
  return cond_unknown_ ("comparison", w->word[i], known, err);
}

static int
read_value (struct cond *c, const struct words *w, unsigned i,
            enum cond_type is, struct error *err)
{
  size_t op = 0;
  int r = find_op (w, i, &op, err);

  if (r < 0)
    return r;
  const char *value = w->word[i + 1];
  struct cond_wanted want = { .type = ops[op].type == COND_IS_ANY ? is
                                                          : ops[op].type };

  c->op = ops[op].op;
  r = cond_each_name_ (c->fact, cond_name_fits_, &want, err);
  if (r < 0)
    return r;
  if (want.type == COND_IS_TEXT)
    {
      if (ops[op].type == COND_IS_ANY && !w->quoted[i + 1]
          && strchr (value, '|'))
        return error_set (err, EINVAL, "one of several words is said with "
                          "\"in\": %s in %s", c->fact, value);
      return read_value_text (c, value, err);
    }
  if (want.type == COND_IS_BOOL)
    return read_value_bool (c, value, err);
  if (ops[op].type == COND_IS_ANY)
    c->op = c->op == OP_IS ? OP_EQUALS : OP_DIFFERS;
  return read_value_number (c, value, w->quoted[i + 1], err);
}

/* ---- the whole ---- */

static int
read_facet (struct cond *c, const struct words *w, struct error *err)
{
  bool other = is_word (w, 1, "!=");
  const char *p = w->n > 2 ? w->word[2] : "";
  char state[16];
  size_t len;
  int k;

  if (w->n != 3 || (!other && !is_word (w, 1, "==") && !is_word (w, 1, "in")))
    return error_set (err, EINVAL, "a facet is asked for by its state: "
                      "%s == alive, %s != dead, %s in alive|unknown",
                      w->word[0], w->word[0], w->word[0]);
  c->op = OP_FACET;
  for (;; p += len + 1)
    {
      len = strcspn (p, "|");
      snprintf (state, sizeof state, "%.*s", (int) len, p);
      for (k = FACET_DEAD; k >= 0; k--)
        if (strcmp (state, facet_state_names[k]) == 0)
          break;
      if (k < 0)
        return cond_unknown_ ("state of a facet", state, facet_state_names,
                              err);
      c->states |= 1u << k;
      if (!p[len])
        break;
    }
  if (other)
    c->states ^= (1u << (FACET_DEAD + 1)) - 1;
  if (c->states == 0 || c->states == (1u << (FACET_DEAD + 1)) - 1)
    return error_set (err, EINVAL, "that is %s so",
                      c->states ? "always" : "never");
  return 0;
}

/* "by sysrq", "by 2". */
static int
read_by (struct cond *c, const struct words *w, unsigned i,
         struct error *err)
{
  const char *known[COND_KNOWN + 1], *who = i + 1 < w->n ? w->word[i + 1] : "";
  size_t n = 0;

  if (who[0] >= '0' && who[0] <= '9')
    {
      if (who[1] || who[0] < '2')
        return error_set (err, EINVAL,
                          "\"by %s\": sources are counted from 2 to 9", who);
      if (c->op == OP_ABSENT)
        return error_set (err, EINVAL,
                          "what is not there nobody says, nor do %s", who);
      c->sources = (unsigned) (who[0] - '0');
      return 0;
    }
  for (const struct fact_source *s = fact_sources; s->name && n < COND_KNOWN;
       s++)
    known[n++] = s->name;
  known[n] = NULL;
  if (!fact_source_find (who))
    return cond_unknown_ ("source", who, known, err);
  c->source = who;
  return 0;
}

/* A fact, with a comparison or without: to the end, or to the first word that
 * is no part of it. */
static int
read_fact (struct cond *c, const struct words *w, unsigned *i,
           struct error *err)
{
  enum cond_type type;

  *c = (struct cond){ .fact = *i < w->n ? w->word[*i] : "", .op = OP_THERE };
  if (!c->fact[0])
    return error_set (err, EINVAL, "a fact is missing");
  int r = cond_check_names_ (c->fact, &type, err);
  if (r < 0)
    return r;
  ++*i;
  if (*i == w->n || is_word (w, *i, "by") || is_word (w, *i, "then")
      || is_word (w, *i, "within"))
    return 0;
  r = read_value (c, w, *i, type, err);
  *i += 2;
  return r;
}

static int
read_then (struct cond *c, const struct words *w, unsigned i,
           struct error *err)
{
  struct cond *pair = calloc (2, sizeof *pair);

  if (!pair)
    return error_set (err, ENOMEM, "no memory for a condition");
  pair[0] = *c;
  *c = (struct cond){ .fact = pair[0].fact, .op = OP_THEN, .pair = pair };
  i++;
  if (is_word (w, i, "no"))
    {
      c->op = OP_THEN_NO;
      i++;
    }
  int r = read_fact (&pair[1], w, &i, err);
  if (r < 0)
    return r;
  if (pair[0].op == OP_ALWAYS || pair[1].op == OP_ALWAYS)
    return error_set (err, EINVAL,
                      "\"always\" is no moment, and nothing comes after it");
  if (!is_word (w, i, "within") || i + 2 != w->n)
    return error_set (err, EINVAL, "how soon after it? As in: %s then %s%s "
                      "within 30s", pair[0].fact,
                      c->op == OP_THEN_NO ? "no " : "", pair[1].fact);
  return units_parse_duration (w->word[i + 1], &c->within_ms, err);
}

static int
read_words (struct cond *c, const struct words *w, struct error *err)
{
  unsigned i = 0;
  int r;

  for (int k = 0; k < FACET_MAX; k++)
    if (is_word (w, 0, facet_names[k]))
      {
        c->facet = (enum facet_id) k;
        return read_facet (c, w, err);
      }
  if (is_word (w, 0, "no") && w->n > 1)
    {
      enum cond_type type;

      i = 2;
      c->fact = w->word[1];
      c->op = OP_ABSENT;
      r = cond_check_names_ (c->fact, &type, err);
    }
  else
    r = read_fact (c, w, &i, err);
  if (r < 0)
    return r;
  if (is_word (w, i, "then") && c->op != OP_ABSENT)
    return read_then (c, w, i, err);
  if (is_word (w, i, "by"))
    {
      r = read_by (c, w, i, err);
      i += 2;
    }
  if (r == 0 && i < w->n)
    return error_set (err, EINVAL,
                      "\"%s\" is one word too many (a text of several stands "
                      "between '...')", w->word[i]);
  return r;
}

/* A text of w as it lies in the copy of w->text. */
static const char *
moved (const char *p, const struct words *w, const char *copy)
{
  return p && p >= w->text && p < w->text + COND_TEXT ? copy + (p - w->text)
                                                      : p;
}

static void
move (struct cond *c, const struct words *w, const char *copy)
{
  c->fact = moved (c->fact, w, copy);
  c->text = moved (c->text, w, copy);
  c->source = moved (c->source, w, copy);
}

static void
cond_done (struct cond *c)
{
  free (c->pair);
  free (c->said);
}

/* One block has the spelling first, and after it the words. */
static int
keep_texts (struct cond *c, const struct words *w, const char *text,
            struct error *err)
{
  struct buf said CLEANUP_BUF = BUF_INIT (2 * COND_TEXT);
  char *block;

  put_words (w, &said);
  block = malloc (said.len + 1 + strlen (text) + 1);
  if (!block || said.cut)
    {
      free (block);
      return error_set (err, ENOMEM, "no memory for a condition");
    }
  memcpy (block, buf_str (&said), said.len + 1);
  memcpy (block + said.len + 1, w->text, strlen (text) + 1);
  c->said = block;
  move (c, w, block + said.len + 1);
  for (int i = 0; c->pair && i < 2; i++)
    move (&c->pair[i], w, block + said.len + 1);
  return 0;
}

int
cond_read_ (struct cond *c, const char *text, struct error *err)
{
  struct words w;
  int r = split (text, &w, err);

  *c = (struct cond){ .op = OP_NONE };
  if (r == 0)
    r = read_words (c, &w, err);
  if (r == 0)
    r = keep_texts (c, &w, text, err);
  if (r < 0)
    {
      cond_done (c);
      *c = (struct cond){ .op = OP_NONE };
    }
  return r;
}

/* ---- lists ---- */

struct listing
{
  const struct json_doc *doc;
  struct json_object *words; /* NULL = there are none */
  struct cond_list *list;
  struct error *err;
};

static int
read_text (struct listing *l, const char *text, const char *path)
{
  struct error why = ERROR_INIT;
  char full[2 * COND_TEXT];
  int r = -EINVAL;

  if (l->list->n == COND_MOST)
    return json_error_at (l->doc, path, l->err, "more than %d conditions",
                          COND_MOST);
  snprintf (full, sizeof full, "%s", text);
  if (!l->words || words_expand_ (l->words, text, full, sizeof full, &why) == 0)
    r = cond_read_ (&l->list->conds[l->list->n], full, &why);
  l->list->n += r == 0;
  return r == 0         ? 0
         : r == -ENOMEM ? error_set (l->err, ENOMEM, "%s", why.msg)
                        : json_error_at (l->doc, path, l->err, "%s", why.msg);
}

static const char *
text_of (struct json_object *o)
{
  const char *s = json_object_is_type (o, json_type_string)
                      ? json_object_get_string (o)
                      : NULL;

  return s && strlen (s) == (size_t) json_object_get_string_len (o) ? s : NULL;
}

/* One, or with "$word" a list of them. */
static int
read_at (struct listing *l, struct json_object *o, const char *path)
{
  const char *text = text_of (o);
  struct json_object *many = NULL;
  int r = 0;

  if (!text)
    return json_error_at (l->doc, path, l->err, "a condition is a text");
  if (text[0] == '$' && l->words)
    many = json_get (l->words, text + 1);
  if (!json_object_is_type (many, json_type_array))
    return read_text (l, text, path);
  for (size_t i = 0; r == 0 && i < json_object_array_length (many); i++)
    {
      const char *one = text_of (json_object_array_get_idx (many, i));

      r = one ? read_text (l, one, path)
              : json_error_at (l->doc, path, l->err,
                               "%s is no list of conditions", text);
    }
  return r;
}

/* Of at most COND_MOST, no more than are there. */
static void
cut_to_size (struct cond_list **list)
{
  size_t n = (*list)->n;
  struct cond_list *less
      = realloc (*list, sizeof *less + n * sizeof less->conds[0]);

  if (less)
    *list = less;
}

int
cond_list_read_words_ (const struct json_doc *doc, struct json_object *when,
                       const char *path, struct json_object *words,
                       struct cond_list **ret, struct error *err)
{
  bool many = json_object_is_type (when, json_type_array);
  size_t n = !when ? 0 : many ? json_object_array_length (when) : 1;
  struct listing l = { doc, words, NULL, err };
  struct error why = ERROR_INIT;
  int r = 0;

  if (n > COND_MOST)
    return json_error_at (doc, path, err, "more than %d conditions",
                          COND_MOST);
  l.list = calloc (1, sizeof *l.list + COND_MOST * sizeof l.list->conds[0]);
  if (!l.list)
    return error_set (err, ENOMEM, "no memory for conditions");
  for (size_t i = 0; i < n && r == 0; i++)
    {
      char at[512];

      snprintf (at, sizeof at, "%s[%zu]", path, i);
      r = many ? read_at (&l, json_object_array_get_idx (when, i), at)
               : read_at (&l, when, path);
    }
  if (r == 0 && cond_list_check_bound_ (l.list, &why) < 0)
    r = json_error_at (doc, path, err, "%s", why.msg);
  if (r < 0)
    {
      cond_list_free (l.list);
      return r;
    }
  cut_to_size (&l.list);
  *ret = l.list;
  return 0;
}

int
cond_list_read (const struct json_doc *doc, struct json_object *when,
                const char *path, struct cond_list **ret, struct error *err)
{
  return cond_list_read_words_ (doc, when, path, NULL, ret, err);
}

void
cond_list_free (struct cond_list *list)
{
  for (unsigned i = 0; list && i < list->n; i++)
    cond_done (&list->conds[i]);
  free (list);
}

struct json_object *
cond_list_to_json (const struct cond_list *list)
{
  struct json_object *out;

  if (list && list->n == 1)
    return json_object_new_string (list->conds[0].said);
  out = json_object_new_array ();
  for (unsigned i = 0; list && i < list->n; i++)
    json_object_array_add (out, json_object_new_string (list->conds[i].said));
  return out;
}
