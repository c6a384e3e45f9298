/* SPDX-License-Identifier: Apache-2.0
 *
 * The kinds of events, the rules and docs/text-events.md say the same; classes
 * are those of docs/verdicts.md.
 */
#include "kernel/text/rules_impl.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE_MAX (1u << 17)

struct pages
{
  char *events, *verdicts;
  unsigned bad;
};

static char *
page (const char *name)
{
  const char *src = getenv ("srcdir");
  char path[1024], *text = calloc (1, PAGE_MAX);
  CLEANUP_FCLOSE FILE *f = NULL;

  snprintf (path, sizeof path, "%s/docs/%s", src ? src : ".", name);
  f = fopen (path, "rbe");
  assert_non_null (f);
  assert_non_null (text);
  assert_true (fread (text, 1, PAGE_MAX - 1, f) > 0);
  return text;
}

/* The row of a kind: from its name to the line's end. */
static bool
row_of (const struct pages *p, const char *kind, char *dst, size_t n)
{
  char head[80];
  const char *at;

  snprintf (head, sizeof head, "\n| `%s` | ", kind);
  at = strstr (p->events, head);
  if (!at)
    return false;
  snprintf (dst, n, "%.*s", (int) strcspn (at + 1, "\n"), at + 1);
  return true;
}

static void
rule_is_there (const struct text_rule *rule, void *arg)
{
  struct pages *p = arg;
  char row[1024], class_[40];

  snprintf (class_, sizeof class_, "`%s`", rule->class_);
  if (rule->harmless)
    return;
  if (!row_of (p, rule->kind, row, sizeof row)
      || !strstr (row, text_severity_names[rule->severity])
      || (*rule->class_ && !strstr (row, class_)))
    p->bad += fprintf (stderr, "docs/text-events.md: not as %s has it: %s\n",
                       rule->name, rule->kind)
              > 0;
  if (*rule->class_ && !strstr (p->verdicts, class_))
    p->bad += fprintf (stderr, "%s: docs/verdicts.md has no class %s\n",
                       rule->name, class_)
              > 0;
}

static void
test_page (void **state)
{
  struct pages p = { page ("text-events.md"), page ("verdicts.md"), 0 };
  struct text_rules *r = NULL;
  unsigned rows = 0, kinds = 0;

  for (const struct text_kind *k = text_kinds; k->name; k++, kinds++)
    {
      char row[1024];

      if (!row_of (&p, k->name, row, sizeof row) || !strstr (row, k->summary))
        p.bad += fprintf (stderr, "docs/text-events.md: nothing of %s\n",
                          k->name)
                 > 0;
    }
  for (const char *at = p.events; (at = strstr (at, "\n| `")); at++)
    rows++;
  assert_int_equal (rows, kinds);
  assert_int_equal (text_rules_new (&r, NULL), 0);
  text_rules_each (r, rule_is_there, &p);
  text_rules_free (r);
  assert_int_equal (p.bad, 0);
  free (p.events);
  free (p.verdicts);
}

int
main (void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test (test_page) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
