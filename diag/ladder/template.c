/* SPDX-License-Identifier: Apache-2.0
 *
 * Words that stand for others, and templates.
 */
#include "diag/ladder/rules_impl.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "diag/ladder/cond_impl.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX 48

static size_t
word_len (const char *p)
{
  return *p >= 'a' && *p <= 'z'
             ? strspn (p, "abcdefghijklmnopqrstuvwxyz0123456789-")
             : 0;
}

static int
no_word (struct json_object *words, const char *word, struct error *err)
{
  const char *known[COND_KNOWN + 1];
  size_t n = 0;

  if (words)
    {
      json_object_object_foreach (words, key, value)
        {
          (void) value;
          if (n < COND_KNOWN)
            known[n++] = key;
        }
    }
  known[n] = NULL;
  return cond_unknown_ ("word", word, known, err);
}

int
words_expand_ (struct json_object *words, const char *text, char *dst,
               size_t n, struct error *err)
{
  struct buf out CLEANUP_BUF = BUF_INIT (n - 1);
  char word[WORD_MAX];

  for (const char *p = text; *p; p++)
    {
      size_t len = *p == '$' ? word_len (p + 1) : 0;
      const char *value;

      if ((unsigned char) *p < ' ' || *p == 0x7f)
        return error_set (err, EINVAL, "a control character");

      if (len == 0)
        {
          buf_putc (&out, *p);
          continue;
        }
      snprintf (word, sizeof word, "%.*s",
                (int) (len < WORD_MAX ? len : WORD_MAX - 1), p + 1);
      value = json_get_str (words, word);
      if (!value && json_get (words, word))
        return error_set (err, EINVAL, "$%s is a list of conditions, and "
                          "stands alone", word);
      if (!value)
        return no_word (words, word, err);
      for (const char *v = value; *v; v++)
        if ((unsigned char) *v < ' ' || *v == 0x7f)
          return error_set (err, EINVAL, "a control character in $%s", word);
      buf_puts (&out, value);
      p += len;
    }
  if (out.cut)
    return error_set (err, EINVAL, "longer than %zu bytes", n - 1);
  snprintf (dst, n, "%s", buf_str (&out));
  return 0;
}

/* "{name}" at p; its length, 0 = there is none.  else_: what stands there in
 * the place of a fact that there is not, of "{name|'text'}", or "". */
static size_t
name_at (const char *p, char *name, char *else_, size_t n)
{
  size_t len = *p == '{' ? strcspn (p + 1, "{}") : 0;
  char *text;

  if (len == 0 || p[1 + len] != '}' || len >= n)
    return 0;
  memcpy (name, p + 1, len);
  name[len] = '\0';
  text = strstr (name, "|'");
  snprintf (else_, n, "%s", text ? text + 2 : "");
  if (text && else_[0] && else_[strlen (else_) - 1] == '\'')
    {
      else_[strlen (else_) - 1] = '\0';
      *text = '\0';
    }
  return len + 2;
}

int
template_check_ (const char *text, bool bound, struct error *err)
{
  char name[COND_TEXT], else_[COND_TEXT];
  enum cond_type type;

  for (const char *p = text; *p;)
    {
      size_t len = name_at (p, name, else_, sizeof name);
      int r;

      if (len == 0)
        {
          if (*p == '{' || *p == '}')
            return error_set (err, EINVAL, "a name of a fact stands between "
                              "{ and }, and these nowhere else");
          p++;
          continue;
        }
      if (!bound && strstr (name, COND_BOUND))
        return error_set (err, EINVAL, "no condition of the rule says what "
                          COND_BOUND " is");
      r = strcmp (name, "scenario") == 0 || strcmp (name, "outcome") == 0
                  || strcmp (name, COND_BOUND) == 0
              ? 0
              : cond_check_names_ (name, &type, err);
      if (r < 0)
        return r;
      p += len;
    }
  return 0;
}

static const struct fact *
fact_told_of (const struct template_from *from, const char *names)
{
  struct fact_at at = { .begun = false };
  const struct fact_group *g;

  while (from->pairs.n > 0 && (g = fact_group_next_ (from->set, names, &at)))
    for (unsigned i = 0; i < from->pairs.n; i++)
      if (fact_same_ (from->set, fact_group_name_ (g),
                      from->pairs.list[i]->name))
        return from->pairs.list[i];
  return fact_last (from->set, names);
}

void
template_fill_ (const char *text, const struct template_from *from, char *dst,
                size_t n, struct cond_found *found)
{
  struct buf out CLEANUP_BUF = BUF_INIT (n - 1);
  const struct cause *cause = from->cause;
  const char *said
      = cause->sentence[0] ? cause->sentence : cause->code;
  char name[COND_TEXT], else_[COND_TEXT];

  for (const char *p = text; *p;)
    {
      size_t len = name_at (p, name, else_, sizeof name);
      const struct fact *f;

      if (len == 0)
        buf_putc (&out, *p);
      else if (strcmp (name, "scenario") == 0)
        text_escape (&out, cause->scenario, strlen (cause->scenario), 0);
      else if (strcmp (name, "outcome") == 0)
        text_escape (&out, said, strlen (said), 0);
      else if (strcmp (name, COND_BOUND) == 0)
        {
          fact_set_bound_ (from->set, name, sizeof name);
          text_escape (&out, name, strlen (name), 0);
        }
      else if ((f = fact_told_of (from, name)))
        {
          fact_value_ (f, &out);
          cond_found_add_ (found, f);
        }
      else
        buf_puts (&out, else_);
      p += len ? len : 1;
    }
  snprintf (dst, n, "%s", buf_str (&out));
}
