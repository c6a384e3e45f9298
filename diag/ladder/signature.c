/* SPDX-License-Identifier: Apache-2.0
 *
 * The signature of a verdict: the same trouble again has the same one.
 *
 * It is made of the class and of the innermost functions of who did it; where
 * no stack is known, of the culprit without what passes.  SIGNATURE_FORMAT
 * stands before it: what was made in another way is another's.
 *
 * It guards nothing; a guest that forges it makes its own troubles look like
 * one.
 */
#include "diag/ladder/rules_impl.h"

#include "base/buf.h"
#include "base/digest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- what counts ---- */

static size_t
hex_len (const char *p)
{
  return strspn (p, "0123456789abcdefABCDEF");
}

/* Length of what differs from one time to the next, at p: a number, an address,
 * with its offset into a function; 0 = it counts. */
static size_t
passing (const char *p, bool in_word)
{
  size_t n = strncmp (p, "+0x", 3) == 0 ? 3 : strncmp (p, "0x", 2) == 0 ? 2 : 0;

  if (n)
    {
      n += hex_len (p + n);
      if (strncmp (p + n, "/0x", 3) == 0)
        n += 3 + hex_len (p + n + 3);
      return n;
    }
  n = hex_len (p);
  if (!in_word && n >= 8 && !isalnum ((unsigned char) p[n]))
    return n;
  return strspn (p, "0123456789");
}

/* Runs of what passes are one "#", or nothing behind a function's name. */
static void
normalise (const char *text, struct buf *out)
{
  for (const char *p = text; *p;)
    {
      bool in_word = p > text && isalnum ((unsigned char) p[-1]);
      size_t n = passing (p, in_word);

      if (n == 0)
        buf_putc (out, *p++);
      else if (*p != '+')
        buf_putc (out, '#');
      p += n;
    }
}

/* ---- whose stack it is ---- */

/* That of a fact which names a culprit: culprit.X has stack.X, tasks.culprit
 * stack.tasks; false: it has none. */
static bool
stack_of (const char *fact, char name[FACT_NAME_MAX])
{
  static const char *const named[][2] = { { "tasks.culprit", "stack.tasks" },
                                          { "lock.owner", "stack.lock" },
                                          { "lock.name", "stack.lock" },
                                          { "app.culprit", "stack.app" } };

  for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
    if (strcmp (fact, named[i][0]) == 0)
      {
        snprintf (name, FACT_NAME_MAX, "%s", named[i][1]);
        return true;
      }
  if (strncmp (fact, "culprit.", 8) != 0)
    return false;
  snprintf (name, FACT_NAME_MAX, "stack.%.60s", fact + 8);
  return true;
}

static void
of_class (const char *class_, char name[FACT_NAME_MAX])
{
  snprintf (name, FACT_NAME_MAX, "stack.%s", class_);
  for (char *p = name; *p; p++)
    if (*p == '-')
      *p = '_';
}

/* What it rests on is what is seen of QEMU itself. */
static bool
is_of_qemu (const struct verdict *v)
{
  for (unsigned i = 0; i < v->nfacts; i++)
    if (strncmp (v->facts[i].name, "qemu.", 5) == 0)
      return true;
  return strncmp (v->class_, "vmm-", 4) == 0;
}

/* Of who the culprit was named by; else what is known of that class. */
static const struct fact *
stack_for (const struct verdict *v, struct fact_set *set,
           const struct cond_found *who)
{
  const struct fact *f = NULL;
  char name[FACT_NAME_MAX];

  for (unsigned i = 0; who && i < who->n && !f; i++)
    if (stack_of (who->list[i]->name, name))
      f = fact_last (set, name);
  of_class (v->class_, name);
  if (!f)
    f = fact_last (set, name);
  if (!f && is_of_qemu (v))
    f = fact_last (set, "stack.qemu");
  return f && f->type == FACT_TEXT && f->text[0] ? f : NULL;
}

void
verdict_sign_ (struct verdict *v, const struct cause *cause,
               struct fact_set *set, const struct cond_found *who)
{
  struct buf text CLEANUP_BUF = BUF_INIT (1024);
  const struct fact *stack = set ? stack_for (v, set, who) : NULL;
  unsigned char md[DIGEST_BYTES];
  struct digest d;
  size_t n;

  buf_printf (&text, "%s\n%s", v->class_, stack ? "at\n" : "");
  normalise (stack ? stack->text : v->culprit, &text);
  /* What nobody can explain is the same if the same check says it. */
  if (!stack && !v->culprit[0])
    buf_printf (&text, "\n%s\n%s", cause->scenario, cause->code);
  digest_init (&d);
  digest_add (&d, buf_str (&text), text.len);
  digest_end (&d, md);
  n = (size_t) snprintf (v->signature, sizeof v->signature, "%s",
                         SIGNATURE_FORMAT);
  for (unsigned i = 0; i < 8; i++)
    snprintf (v->signature + n + 2 * i, sizeof v->signature - n - 2 * i,
              "%02x", md[i]);
}
