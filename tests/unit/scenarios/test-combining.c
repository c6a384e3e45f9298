/* SPDX-License-Identifier: Apache-2.0
 *
 * Kinds all, any and sequence: what becomes of what others have found.
 */
#include "kind-bed.h"

#include "base/error.h"

/* One letter for what a part says: o well, F failed, f failed once, O well
 * once after it had failed, - no verdict, . nothing yet, x not bound, s well
 * and too old. */
static void
fill (struct scenario_part *p, struct outcome_report *r, char says,
      const char *name)
{
  *r = (struct outcome_report){ .outcome = OUTCOME_OK };
  *p = (struct scenario_part){ .name = name,
                               .bound = says != 'x',
                               .last = r,
                               .age_ms = 29999,
                               .interval_ms = 10000,
                               .health = HEALTH_WELL };
  snprintf (r->code, sizeof r->code, "ok");
  snprintf (r->sentence, sizeof r->sentence, "up");
  if (says == '.')
    p->last = NULL;
  if (says == 's')
    p->age_ms = 30001;
  if (says == 'O')
    p->health = HEALTH_FAILED;
  if (says == 'F' || says == 'f')
    {
      r->outcome = OUTCOME_FAILED;
      snprintf (r->code, sizeof r->code, "no-answer");
      snprintf (r->sentence, sizeof r->sentence, "nobody answers");
      p->health = says == 'F' ? HEALTH_FAILED : HEALTH_SUSPECT;
    }
  if (says == '-')
    {
      r->outcome = OUTCOME_NO_VERDICT;
      snprintf (r->code, sizeof r->code, "console-busy");
      snprintf (r->sentence, sizeof r->sentence, "somebody has it");
    }
}

static void
says (const char *kind, const char *more, const char *parts,
      enum outcome outcome, const char *code, const char *sentence)
{
  static const char *const names[] = { "a", "b", "c", "d" };
  struct outcome_report reports[4], r = { .outcome = OUTCOME_NO_VERDICT };
  struct scenario_part p[4];
  const char *const *listed = NULL;
  size_t n = strlen (parts);
  char text[300], of[40] = "";
  struct scenario *s;

  for (size_t i = 0; i < n; i++)
    {
      fill (&p[i], &reports[i], parts[i], names[i]);
      snprintf (of + strlen (of), sizeof of - strlen (of), "%s\"%s\"",
                i ? "," : "", names[i]);
    }
  snprintf (text, sizeof text,
            "{\"name\":\"n\",\"kind\":\"%s\",\"of\":[%s]%s}", kind, of, more);
  s = parsed (text);
  assert_int_equal (s->kind->combine->parts (s, &listed), n);
  assert_string_equal (listed[n - 1], names[n - 1]);
  s->kind->combine->combine (s, p, n, &r);
  scenario_unref (s);
  if (r.outcome != outcome || strcmp (r.code, code) != 0
      || !strstr (r.sentence, sentence))
    fail_msg ("%s of %s: %s %s: %s", kind, parts, outcome_names[r.outcome],
              r.code, r.sentence);
  assert_int_equal (outcome_code_find (r.code)->outcome, r.outcome);
}

static void
test_all (void **state)
{
  says ("all", "", "ooo", OUTCOME_OK, "ok", "all 3 are well");
  says ("all", "", "oFo", OUTCOME_FAILED, "part-failed",
        "1 of 3 failed: b: no-answer: nobody answers");
  says ("all", "", "FoFF", OUTCOME_FAILED, "part-failed",
        "3 of 4 failed: a: no-answer: nobody answers; also c, d");
  /* What failed outweighs what is not known. */
  says ("all", "", "-xF", OUTCOME_FAILED, "part-failed", "1 of 3");
  says ("all", "", "o-o", OUTCOME_NO_VERDICT, "part-untold",
        "1 of 3 have no verdict: b: console-busy: somebody has it");
  says ("all", "", "o.o", OUTCOME_NO_VERDICT, "part-untold", "not asked yet");
  says ("all", "", "oso", OUTCOME_NO_VERDICT, "part-untold", "last 30s");
  says ("all", "", "oxo", OUTCOME_NO_VERDICT, "part-untold",
        "b: it is not asked of this guest");
  /* One failure that its thresholds do not believe is none here, either. */
  says ("all", "", "ofo", OUTCOME_NO_VERDICT, "part-untold", "failed just now");
  says ("all", "", "oOo", OUTCOME_NO_VERDICT, "part-untold", "not for long");
}

static void
test_any (void **state)
{
  says ("any", "", "FoF", OUTCOME_OK, "ok", "1 of 3 are well: b: up");
  says ("any", "", "FFF", OUTCOME_FAILED, "too-few",
        "0 of 3 are well, and 1 must be: a: no-answer");
  says ("any", "", "F-F", OUTCOME_NO_VERDICT, "part-untold", "b: console-busy");
  says ("any", "", "FsF", OUTCOME_NO_VERDICT, "part-untold", "b: it was asked");
  says ("any", ",\"at-least\":2", "ooF", OUTCOME_OK, "ok", "2 of 3");
  says ("any", ",\"at-least\":2", "oFF", OUTCOME_FAILED, "too-few", "2 must");
  says ("any", ",\"at-least\":2", "o-F", OUTCOME_NO_VERDICT, "part-untold",
        "and 1 are well");
  /* Nobody who has no verdict could help any more. */
  says ("any", ",\"at-least\":3", "o-FF", OUTCOME_FAILED, "too-few", "3 must");
}

static void
test_sequence (void **state)
{
  says ("sequence", "", "ooo", OUTCOME_OK, "ok", "all 3 are well, up to c");
  says ("sequence", "", "oFFF", OUTCOME_FAILED, "stops-at",
        "stops at 2 of 4: b: no-answer: nobody answers");
  says ("sequence", "", "-oF", OUTCOME_FAILED, "stops-at", "stops at 3 of 3");
  says ("sequence", "", "o-o", OUTCOME_NO_VERDICT, "part-untold",
        "2 of 3 has no verdict: b: console-busy");
}

/* Only together it is known whether they are there. */
static void
test_list (void **state)
{
  static const struct
  {
    const char *of, *says;
  } cases[] = {
    { "\"ssh\",\"tcp\"", NULL },
    { "\"ssh\",\"tpc\"", "scenario way: of[1]: there is no scenario named "
                         "\"tpc\" (did you mean \"tcp\"?)" },
    { "\"other\"", "of[0]: \"other\" is of kind any, which looks at others "
                   "itself" },
  };
  struct scenario *list[] = {
    parsed ("{\"name\":\"tcp\",\"kind\":\"tcp\",\"address\":\"192.0.2.1:1\"}"),
    parsed ("{\"name\":\"ssh\",\"kind\":\"tcp\",\"address\":\"192.0.2.1:2\"}"),
    parsed ("{\"name\":\"other\",\"kind\":\"any\",\"of\":[\"way\"]}"),
    NULL,
  };
  char text[200];

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct error err = ERROR_INIT;
      int rc;

      snprintf (text, sizeof text,
                "{\"name\":\"way\",\"kind\":\"any\",\"of\":[%s]}",
                cases[i].of);
      list[3] = parsed (text);
      assert_int_equal (scenario_check_parts (list, 4, list[0], &err), 0);
      rc = scenario_check_parts (list, 4, list[3], &err);
      assert_int_equal (rc < 0, cases[i].says != NULL);
      if (cases[i].says && !strstr (error_text (&err), cases[i].says))
        fail_msg ("%s", error_text (&err));
      scenario_unref (list[3]);
    }
  for (size_t i = 0; i < 3; i++)
    scenario_unref (list[i]);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_all),
    cmocka_unit_test (test_any),
    cmocka_unit_test (test_sequence),
    cmocka_unit_test (test_list),
  };

  return cmocka_run_group_tests_name ("combining", tests, NULL, NULL);
}
