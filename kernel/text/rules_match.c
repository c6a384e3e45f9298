/* SPDX-License-Identifier: Apache-2.0
 *
 * What is made of a match: values, an event's members, titles.
 */
#include "kernel/text/rules_priv.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_ 40 /* of groups: PCRE2 takes 32 */

struct rule_span
rule_member (const struct rule_match *m, enum rule_member w)
{
  unsigned group = m->rule->group[w];

  return group > 0 ? m->group[group] : (struct rule_span){ NULL, 0 };
}

struct rule_span
rule_named (const struct rule_match *m, const char *name, size_t len)
{
  unsigned group = 0;
  char text[NAME_MAX_];

  if (len < sizeof text)
    {
      memcpy (text, name, len);
      text[len] = '\0';
      group = regex_group_number (m->rule->match, text);
    }
  return group > 0 && group <= RULE_GROUPS_MAX
             ? m->group[group]
             : (struct rule_span){ NULL, 0 };
}

/* ---- members ---- */

static void
put (char *dst, size_t n, struct rule_span s)
{
  /* A task's name is padded in some lines. */
  while (s.len > 0 && s.text[s.len - 1] == ' ')
    s.len--;
  if (!s.text || s.len == 0)
    return;
  if (s.len >= n)
    s.len = n - 1;
  memcpy (dst, s.text, s.len);
  dst[s.len] = '\0';
}

static void
put_int (int *dst, struct rule_span s)
{
  int64_t v = 0;

  if (!s.text || s.len == 0)
    return;
  for (size_t i = 0; i < s.len; i++)
    {
      if (s.text[i] < '0' || s.text[i] > '9')
        return;
      v = v * 10 + (s.text[i] - '0');
      if (v > INT32_MAX)
        return;
    }
  *dst = (int) v;
}

static void
put_seconds (double *dst, struct rule_span s)
{
  char text[32], *end;
  double v;

  /* Digits and a point: strtod() knows more than kernels print. */
  if (!s.text || s.len == 0 || s.len >= sizeof text)
    return;
  for (size_t i = 0; i < s.len; i++)
    if (!strchr ("0123456789.", s.text[i]) || s.text[i] == '\0')
      return;
  memcpy (text, s.text, s.len);
  text[s.len] = '\0';
  v = strtod (text, &end);
  if (end > text && *end == '\0')
    *dst = v;
}

void
rule_fill (const struct rule_match *m, struct text_event *e)
{
  e->kind = m->rule->kind;
  e->rule = m->rule->name;
  e->severity = m->rule->severity;
  snprintf (e->type, sizeof e->type, "%s", m->rule->type);
  snprintf (e->class_, sizeof e->class_, "%s", m->rule->class_);
  put (e->comm, sizeof e->comm, rule_member (m, MEMBER_COMM));
  put_int (&e->pid, rule_member (m, MEMBER_PID));
  put_int (&e->cpu, rule_member (m, MEMBER_CPU));
  put_seconds (&e->seconds, rule_member (m, MEMBER_SECONDS));
  put (e->subject, sizeof e->subject, rule_member (m, MEMBER_SUBJECT));
  put (e->other, sizeof e->other, rule_member (m, MEMBER_OTHER));
  put (e->rip, sizeof e->rip, rule_member (m, MEMBER_RIP));
}

/* ---- titles ---- */

int
template_next (const char **at, struct template_piece *ret)
{
  const char *p = *at, *close;

  *ret = (struct template_piece){ .text = p };
  if (*p == '\0')
    return 0;
  while (*p && *p != '{')
    p++;
  ret->ntext = (size_t) (p - ret->text);
  if (*p == '\0')
    {
      *at = p;
      return 1;
    }
  if (p[1] == '{')
    {
      ret->ntext++;
      *at = p + 2;
      return 1;
    }
  close = strchr (p, '}');
  if (!close || close == p + 1)
    return -EINVAL;
  ret->name = p + 1;
  ret->nname = (size_t) (close - ret->name);
  *at = close + 1;
  return 1;
}

struct out
{
  char *dst;
  size_t n, len;
};

static void
add (struct out *o, const char *s, size_t len)
{
  size_t room = o->n - 1 - o->len;

  if (len > room)
    len = room;
  memcpy (o->dst + o->len, s, len);
  o->len += len;
}

/* False when nobody knows it. */
static bool
add_value (struct out *o, const struct template_piece *piece,
           const struct rule_match *m, rule_get_fn *get, void *arg)
{
  const char *value
      = get ? get (piece->name, piece->nname, arg) : NULL;
  struct rule_span s = { NULL, 0 };

  if (value && *value)
    s = (struct rule_span){ value, strlen (value) };
  else if (m)
    s = rule_named (m, piece->name, piece->nname);
  if (!s.text || s.len == 0)
    return false;
  add (o, s.text, s.len);
  return true;
}

bool
rule_expand (const char *tmpl, const struct rule_match *m, rule_get_fn *get,
             void *arg, char *dst, size_t n)
{
  struct out o = { .dst = dst, .n = n };
  struct template_piece piece;
  bool whole = true;

  while (template_next (&tmpl, &piece) == 1)
    {
      add (&o, piece.text, piece.ntext);
      if (piece.name && !add_value (&o, &piece, m, get, arg))
        whole = false;
    }
  dst[o.len] = '\0';
  return whole;
}
