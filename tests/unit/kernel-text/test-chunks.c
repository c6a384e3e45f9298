/* SPDX-License-Identifier: Apache-2.0
 *
 * However a text is cut on its way, the same events come of it: boots, reports,
 * and texts that mean harm.  `make corpus` asks the same of collected logs.
 */
#include "tests/bench/textgen.h"
#include "tests/corpus/corpus.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT (24u << 10)
#define ROUNDS 6

static void
cut_anywhere (void **state)
{
  struct text_rules *rules;
  struct error err = ERROR_INIT;
  struct sample made[TEXTGEN_MAX] = { 0 };

  assert_int_equal (text_rules_new (&rules, &err), 0);
  for (unsigned i = 0; i < TEXTGEN_MAX; i++)
    {
      made[i].text = malloc (TEXT);
      assert_non_null (made[i].text);
      textgen ((enum textgen) i, 7 + i, made[i].text, TEXT);
      made[i].log = made[i].text;
      made[i].len = TEXT;
      snprintf (made[i].name, sizeof (made[i].name), "%s", textgen_names[i]);
    }
  for (uint64_t seed = 1; seed <= 2; seed++)
    {
      struct measure m = { .rules = rules, .seed = seed };
      struct samples s = { made, TEXTGEN_MAX, TEXTGEN_MAX * TEXT };

      if (measure_chunks (&m, &s, "made here", ROUNDS, &err) != 0)
        fail_msg ("other events: %s", error_text (&err));
    }
  for (unsigned i = 0; i < TEXTGEN_MAX; i++)
    free (made[i].text);
  text_rules_free (rules);
}

/* What is made for it must be what it is said to be, or the test above and
 * the bench measure nothing. */
static void
reports_are_found (void **state)
{
  struct text_rules *rules;
  struct error err = ERROR_INIT;
  char *text = malloc (TEXT);
  struct found f;

  assert_non_null (text);
  assert_int_equal (text_rules_new (&rules, &err), 0);
  textgen (TEXTGEN_DENSE, 1, text, TEXT);
  assert_int_equal (found_read (rules, text, TEXT, &f, &err), 0);
  assert_true (f.count >= 10);
  for (unsigned i = 0; i < f.count; i++)
    assert_true (f.list[i].title[0] != '\0');
  found_done (&f);
  textgen (TEXTGEN_BOOT, 1, text, TEXT);
  assert_int_equal (found_read (rules, text, TEXT, &f, &err), 0);
  assert_int_equal (f.count, 0);
  found_done (&f);
  free (text);
  text_rules_free (rules);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (cut_anywhere),
    cmocka_unit_test (reports_are_found),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
