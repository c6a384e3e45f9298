/* SPDX-License-Identifier: Apache-2.0
 *
 * One guest's health in a word: a way that is lost is a finding, and a check
 * that really fails is worse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "supervisor/control/word.h"
#include "supervisor/watch/meant.h"

#include <stdio.h>
#include <string.h>

bool
guest_paused_by_owner (const struct guest *g)
{
  return g->run == GUEST_PAUSED;
}

struct check
{
  enum health health;
  const char *code; /* NULL = it was not asked yet */
};

static const struct
{
  const char *what;
  struct check checks[3];
  unsigned n;
  const char *by, *code; /* of the incident that stands */
  const char *word, *finding;
} cases[] = {
  { "nobody asks", { { 0 } }, 0, NULL, NULL, "watched", NULL },
  { "not yet", { { HEALTH_UNKNOWN, NULL } }, 1, NULL, NULL, "unknown", NULL },
  { "well", { { HEALTH_WELL, "ok" } }, 1, NULL, NULL, "well", NULL },
  { "once", { { HEALTH_SUSPECT, "silent" } }, 1, NULL, NULL, "suspect", NULL },
  { "hung", { { HEALTH_WELL, "ok" }, { HEALTH_FAILED, "silent" } }, 2, NULL,
    NULL, "hung", NULL },
  { "lost once", { { HEALTH_SUSPECT, "console-lost" } }, 1, NULL, NULL,
    "suspect", NULL },
  { "lost", { { HEALTH_FAILED, "console-lost" } }, 1, NULL, NULL,
    "console-lost", "console-lost!" },
  { "and its incident", { { HEALTH_FAILED, "console-lost" } }, 1, "up",
    "console-lost", "console-lost", "console-lost!" },
  { "another way", { { HEALTH_WELL, "ok" }, { HEALTH_FAILED, "way-lost" } }, 2,
    "up", "way-lost", "way-lost", "way-lost!" },
  { "two of them",
    { { HEALTH_FAILED, "way-lost" }, { HEALTH_FAILED, "console-lost" } }, 2,
    NULL, NULL, "way-lost", "way-lost!" },
  { "and a check that fails",
    { { HEALTH_FAILED, "console-lost" }, { HEALTH_FAILED, "status" } }, 2, "up",
    "console-lost", "hung", NULL },
  { "it hung, and answers by another way now",
    { { HEALTH_FAILED, "console-lost" } }, 1, "up", "silent", "console-lost",
    "console-lost!" },
  { "it was lost, and hangs now", { { HEALTH_FAILED, "silent" } }, 1, "up",
    "console-lost", "hung", NULL },
  { "after a restart", { { HEALTH_UNKNOWN, NULL } }, 1, "up", "console-lost",
    "console-lost", "reason" },
  { "the same of a hang", { { HEALTH_UNKNOWN, NULL } }, 1, "up", "silent",
    "hung", NULL },
  { "found in one that lives",
    { { HEALTH_WELL, "ok" }, { HEALTH_FAILED, "tls-expires" } }, 2, "up",
    "tls-expires", "impaired", "tls-expires!" },
  { "and one that fails",
    { { HEALTH_FAILED, "tls-expires" }, { HEALTH_FAILED, "silent" } }, 2, NULL,
    NULL, "hung", NULL },
  { "the same after a restart", { { HEALTH_UNKNOWN, NULL } }, 1, "up",
    "console-flood", "impaired", "reason" },
  { "its hypervisor says more", { { HEALTH_FAILED, "console-lost" } }, 1,
    BY_MONITOR, CODE_VMM_EVENT, "hung", NULL },
};

static void
says (void **state)
{
  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct guest g = { .run = GUEST_RUNNING };
      struct incident inc = { .reason = "reason" };
      struct word_parts p = { .n = 0 };
      const struct incident *standing = cases[i].by ? &inc : NULL;
      const char *finding;

      for (unsigned k = 0; k < cases[i].n; k++)
        {
          const struct check *c = &cases[i].checks[k];
          struct outcome_report last = { .took_ms = 0 };

          snprintf (last.code, sizeof last.code, "%s", c->code ? c->code : "");
          snprintf (last.sentence, sizeof last.sentence, "%s!", last.code);
          word_part (&p, c->health, c->code ? &last : NULL);
        }
      snprintf (inc.scenario, sizeof inc.scenario, "%s",
                cases[i].by ? cases[i].by : "");
      snprintf (inc.code, sizeof inc.code, "%s",
                cases[i].code ? cases[i].code : "");
      finding = word_finding (standing, &p);
      if (strcmp (word_of (&g, standing, &p), cases[i].word) != 0
          || strcmp (finding ? finding : "",
                     cases[i].finding ? cases[i].finding : "")
                 != 0)
        fail_msg ("%s: \"%s\", \"%s\"", cases[i].what,
                  word_of (&g, standing, &p), finding ? finding : "");
      /* Its owner's will is above all. */
      g.run = GUEST_PAUSED;
      assert_string_equal (word_of (&g, standing, &p), "held-off");
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test (says) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
