/* SPDX-License-Identifier: Apache-2.0
 *
 * timeline.jsonl of a bundle: whoever knows of a moment tells of it, and how
 * the guest's clock stands to the host's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/incidents-bed.h"

#include "diag/timeline.h"
#include "scenarios/history.h"

static void
tells (struct world *w, const char *what)
{
  if (!strstr (w->timeline, what))
    fail_msg ("%s is not in:\n%s", what, w->timeline);
}

/* A diagnosis of a second, judged with what head has, as JSON with '. */
static void
judged_with (struct world *w, const char *head)
{
  struct diagnosis *dg = w->running[0];
  struct verdict v = { .class_ = "kernel-panic", .confidence = "high" };
  char text[1000];

  assert_int_equal (w->nrunning, 1);
  w->nrunning = 0;
  snprintf (text, sizeof text, "%s", head);
  for (char *p = text; *p; p++)
    *p = *p == '\'' ? '"' : *p;
  dg->ops->done (&v, json_tokener_parse (text), dg->arg);
  free (dg);
}

static void
all_who_know (void **state)
{
  struct world *w = *state;
  struct history history = { 0 };
  uint64_t now = clock_ms ();
  char events[600], head[600];

  history_add (&history, OUTCOME_OK, 10, now - 5000);
  history_add (&history, OUTCOME_OK, 10, now - 4000);
  history_add (&history, OUTCOME_FAILED, 10, now - 3000);
  history_add (&history, OUTCOME_FAILED, 10, now - 2000);
  history_add (&history, OUTCOME_OK, 10, now - 1000);
  w->history = &history;
  snprintf (events, sizeof events,
            "{\"title\":\"panic in \\u001b[2J\",\"severity\":\"fatal\","
            "\"stamp\":100.5,\"first_ms\":%llu,\"count\":2}\n"
            "no json\n{\"title\":\"later\",\"stamp\":101.0,\"first_ms\":%llu}\n",
            (unsigned long long) now, (unsigned long long) now + 750);
  w->events = events;
  says (w, A, 7, "vmm.event", "RESET");
  says (w, A, 7, "vmm.event", "RESET");
  says (w, A, 7, "guest.stage", "kernel");
  says (w, B, 8, "vmm.event", "SHUTDOWN of another");
  fails (w, A);
  all_on_disk (w);
  snprintf (head, sizeof head,
            "{'took_ms':1000,'collectors':[{'name':'memory','began_ms':100,"
            "'took_ms':50,'ok':false,'failure':'torn'},{'name':'gdb',"
            "'skipped':'vmm == dead'}],'impact':[{'collector':'sysrq',"
            "'what':'typed t','wall_ms':%llu}]}",
            (unsigned long long) clock_wall_ms ());
  judged_with (w, head);
  tells (w, "\"step\":\"confirmed\"");
  tells (w, "\"kind\":\"verdict\",\"step\":\"judged\"");
  tells (w, "\"what\":\"vmm.event: RESET\",\"count\":2");
  tells (w, "\"kind\":\"lifecycle\",\"source\":\"console\",\"what\":"
            "\"guest.stage: kernel\"");
  tells (w, "\"kind\":\"check\",\"source\":\"scenario\",\"what\":\"uptime: "
            "failed\"");
  tells (w, "\"what\":\"uptime: ok again\"");
  tells (w, "\"what\":\"fatal: panic in \\\\e[2J\",\"count\":2,"
            "\"guest_s\":100.5,\"guest_mono_ms\":");
  tells (w, "\"what\":\"memory begins\"");
  tells (w, "\"what\":\"memory ended: torn\"");
  tells (w, "\"source\":\"sysrq\",\"what\":\"typed t\"");
  assert_null (strstr (w->timeline, "of another"));
  assert_null (strstr (w->timeline, "gdb"));
  assert_null (strstr (w->timeline, "left-out"));
  packed (w, NULL);
}

/* By lines: the earliest, for it may be late and never early, and the next one
 * says how sure that is.  By its memory where that was read. */
static void
the_guests_clock (void **state)
{
  struct world *w = *state;
  struct json_object *clock;
  char events[300], head[400];

  snprintf (events, sizeof events,
            "{\"title\":\"a\",\"stamp\":10.0,\"first_ms\":510900}\n"
            "{\"title\":\"b\",\"stamp\":20.0,\"first_ms\":520500}\n"
            "{\"title\":\"c\",\"stamp\":30.0,\"first_ms\":537000}\n");
  w->events = events;
  fails (w, A);
  all_on_disk (w);
  judged_with (w, "{}");
  clock = json_get (w->head, "guest_clock");
  assert_string_equal (json_get_str (clock, "guest_by"), "console");
  assert_in_range (
      1000 * json_object_get_double (json_get (clock, "guest_offset_s")),
      500499, 500501);
  assert_in_range (
      1000 * json_object_get_double (json_get (clock, "guest_error_s")), 399,
      401);
  packed (w, NULL);
  json_object_put (w->head);
  w->head = NULL;
  fails (w, B);
  all_on_disk (w);
  snprintf (head, sizeof head,
            "{'facts':[{'name':'guest.clock_s','source':'memory','value':40.0,"
            "'time_ms':540200},{'name':'guest.clock_error_s','source':"
            "'memory','value':0.25,'time_ms':540200}]}");
  judged_with (w, head);
  clock = json_get (w->head, "guest_clock");
  assert_string_equal (json_get_str (clock, "guest_by"), "memory");
  assert_in_range (
      1000 * json_object_get_double (json_get (clock, "guest_offset_s")),
      500199, 500201);
  packed (w, NULL);
}

/* A guest that begins anew without end pushes out its own, and nobody's. */
static void
one_guest_talks (void **state)
{
  struct world *w = *state;
  char text[40];
  unsigned n = 0;

  says (w, A, 7, "vmm.event", "RESET");
  for (unsigned i = 0; i < 500; i++)
    {
      snprintf (text, sizeof text, "stage %u", i);
      says (w, B, 8, "guest.stage", text);
    }
  fails (w, A);
  all_on_disk (w);
  judged_with (w, "{}");
  tells (w, "vmm.event: RESET");
  packed (w, NULL);
  json_object_put (w->head);
  w->head = NULL;
  fails (w, B);
  all_on_disk (w);
  judged_with (w, "{}");
  tells (w, "stage 499");
  for (const char *p = w->timeline; (p = strstr (p, "guest.stage: ")); p++)
    n++;
  assert_in_range (n, 40, 48);
  packed (w, NULL);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH (up, all_who_know),
    WITH (up, the_guests_clock),
    WITH (up, one_guest_talks),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
