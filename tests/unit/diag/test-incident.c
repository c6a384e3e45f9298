/* SPDX-License-Identifier: Apache-2.0
 *
 * Incidents there and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "diag/incident.h"

#include <stdio.h>
#include <string.h>

static struct incident
sample (void)
{
  struct incident inc = { .rev = 4,
                          .phase = INCIDENT_PACKED,
                          .end = INCIDENT_REBOOTED,
                          .last_ok_wall_ms = 1772323200123,
                          .opened_wall_ms = 1772323260000,
                          .ended_wall_ms = 1772323270000 };

  incident_new_id (inc.id);
  snprintf (inc.inc.uuid, sizeof inc.inc.uuid, "%s",
            "0f3c9a52-0000-4000-8000-000000000001");
  inc.inc.pid = 4242;
  inc.inc.start_time = 987654321012;
  inc.inc.boot = 3;
  snprintf (inc.key, sizeof inc.key, "server nbd 10.0.0.1:10809");
  snprintf (inc.parent, sizeof inc.parent, "%s",
            "0f3c9a52-0000-4000-8000-000000000002");
  snprintf (inc.guest, sizeof inc.guest, "My App");
  snprintf (inc.scenario, sizeof inc.scenario, "uptime");
  snprintf (inc.code, sizeof inc.code, "silent");
  snprintf (inc.reason, sizeof inc.reason, "nothing came");
  snprintf (inc.playbook, sizeof inc.playbook, "quick");
  inc.severity = INCIDENT_WARNING;
  inc.attempts = 2;
  snprintf (inc.verdict.class_, sizeof inc.verdict.class_, "hard-lockup");
  snprintf (inc.verdict.confidence, sizeof inc.verdict.confidence, "medium");
  snprintf (inc.verdict.culprit, sizeof inc.verdict.culprit, "all vCPUs");
  snprintf (inc.verdict.sentence, sizeof inc.verdict.sentence, "It spins.");
  snprintf (inc.verdict.next, sizeof inc.verdict.next, "Look.");
  snprintf (inc.verdict.rule, sizeof inc.verdict.rule, "all-vcpus-spin");
  snprintf (inc.verdict.signature, sizeof inc.verdict.signature,
            "0123456789abcdef");
  inc.verdict.facts[0]
      = (struct verdict_fact){ "vcpu.busy", "2", "host", 12345 };
  inc.verdict.facts[1]
      = (struct verdict_fact){ "kernel.answers", "none", "sysrq", 12346 };
  inc.verdict.nfacts = 2;
  return inc;
}

#define FILL(to)                                                              \
  do                                                                          \
    {                                                                         \
      memset ((to), 1, sizeof (to) - 1);                                      \
      (to)[sizeof (to) - 1] = '\0';                                           \
    }                                                                         \
  while (0)

#define CHILDREN 48 /* as many as a host's has (incidents_host.c) */

/* As long as a guest can make it, of what grows most when it is written; once
 * as a guest's, with all that such a one has, once as the host's. */
static size_t
longest (bool of_host)
{
  struct incident inc = sample ();
  struct json_object *o;
  size_t len;

  FILL (inc.key);
  FILL (inc.guest);
  FILL (inc.reason);
  FILL (inc.no_bundle);
  FILL (inc.verdict.culprit);
  FILL (inc.verdict.sentence);
  FILL (inc.verdict.next);
  for (inc.verdict.nfacts = 0; inc.verdict.nfacts < VERDICT_FACTS;
       inc.verdict.nfacts++)
    {
      FILL (inc.verdict.facts[inc.verdict.nfacts].name);
      FILL (inc.verdict.facts[inc.verdict.nfacts].value);
      FILL (inc.verdict.facts[inc.verdict.nfacts].source);
    }
  for (unsigned i = 0; i < INCIDENT_MOMENTS; i++)
    {
      FILL (inc.timeline[i].what);
      inc.timeline[i].wall_ms = 1772323260000;
      inc.timeline[i].count = i;
    }
  inc.moments = INCIDENT_MOMENTS;
  for (unsigned i = 0; !of_host && i < INCIDENT_ACTS; i++)
    {
      FILL (inc.acts[i].why);
      snprintf (inc.acts[i].undo, sizeof inc.acts[i].undo, "{\"a\":\"%0180d\"}",
                1);
    }
  inc.nacts = of_host ? 0 : INCIDENT_ACTS;
  inc.children = of_host ? json_object_new_array () : NULL;
  for (unsigned i = 0; of_host && i < CHILDREN; i++)
    {
      struct json_object *c = json_object_new_object ();

      json_add_str (c, "incident", inc.id);
      json_add_text (c, "guest", inc.guest, strlen (inc.guest) / 4);
      json_add_str (c, "class", "filesystem-error");
      json_object_array_add (inc.children, c);
    }
  o = incident_to_json (&inc);
  len = strlen (json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN));
  json_object_put (o);
  json_object_put (inc.children);
  return len;
}

static void
test_bounded (void **state)
{
  size_t guests = longest (false), hosts = longest (true);

  print_message ("FIGURE incident.json at its longest: %zu bytes, of the "
                 "host's %zu (at most 65536)\n",
                 guests, hosts);
  assert_in_range (guests, 8192, 65536);
  assert_in_range (hosts, 8192, 65536);
}

static void
test_there_and_back (void **state)
{
  struct incident a = sample (), b;
  struct error err = ERROR_INIT;
  struct json_object *o = incident_to_json (&a);

  memset (&b, 0xaa, sizeof b);
  if (incident_from_json (o, &b, &err) < 0)
    fail_msg ("%s", err.msg);
  assert_string_equal (a.id, b.id);
  assert_string_equal (a.key, b.key);
  assert_string_equal (a.parent, b.parent);
  assert_true (incarnation_equal (&a.inc, &b.inc));
  assert_true (a.rev == b.rev);
  assert_string_equal (a.guest, b.guest);
  assert_string_equal (a.scenario, b.scenario);
  assert_string_equal (a.code, b.code);
  assert_string_equal (json_get_str (o, "code"), "silent");
  assert_string_equal (a.reason, b.reason);
  assert_string_equal (a.playbook, b.playbook);
  assert_int_equal (a.severity, b.severity);
  assert_string_equal (json_get_str (o, "severity"), "warning");
  assert_int_equal (a.attempts, b.attempts);
  assert_int_equal (a.phase, b.phase);
  assert_int_equal (a.end, b.end);
  assert_true (a.last_ok_wall_ms == b.last_ok_wall_ms);
  assert_true (a.opened_wall_ms == b.opened_wall_ms);
  assert_true (b.collected_wall_ms == 0);
  assert_true (a.ended_wall_ms == b.ended_wall_ms);
  assert_string_equal (a.verdict.class_, b.verdict.class_);
  assert_string_equal (a.verdict.culprit, b.verdict.culprit);
  assert_string_equal (a.verdict.sentence, b.verdict.sentence);
  assert_string_equal (a.verdict.next, b.verdict.next);
  assert_string_equal (a.verdict.rule, b.verdict.rule);
  assert_string_equal (a.verdict.signature, b.verdict.signature);
  assert_int_equal (b.verdict.nfacts, 2);
  assert_string_equal (b.verdict.facts[1].name, "kernel.answers");
  assert_string_equal (b.verdict.facts[1].value, "none");
  assert_string_equal (b.verdict.facts[1].source, "sysrq");
  assert_int_equal (b.verdict.facts[1].time_ms, 12346);
  assert_string_equal (json_get_str (o, "opened"),
                       "2026-03-01T00:01:00.000Z");
  json_object_put (o);

  /* Without a verdict there is none. */
  memset (&a.verdict, 0, sizeof a.verdict);
  o = incident_to_json (&a);
  assert_null (json_get (o, "verdict"));
  assert_int_equal (incident_from_json (o, &b, &err), 0);
  assert_string_equal (b.verdict.class_, "");
  json_object_put (o);
}

/* Bounded, with places left for what must not be missing. */
static void
test_timeline (void **state)
{
  struct incident a = sample (), b;
  char who[32];
  struct error err = ERROR_INIT;
  struct json_object *o;

  snprintf (a.parent, sizeof a.parent, "0f3c9a52-0000-4000-8000-000000000009");
  incident_note (&a, MOMENT_SUSPECTED, 1772323260000, "kernel: panic");
  for (unsigned i = 0; i < 40; i++)
    {
      snprintf (who, sizeof who, "check-%u", i % 20);
      incident_note (&a, MOMENT_JOINED, 1772323260000 + i, who);
    }
  assert_int_equal (a.moments, INCIDENT_MOMENTS - INCIDENT_MOMENTS_KEPT);
  assert_int_equal (a.timeline[1].count, 2);
  assert_int_equal (a.moments_lost, 2 * (20 - (a.moments - 1)));
  for (unsigned k = 0; k < MOMENT_MAX; k++)
    if (k != MOMENT_JOINED)
      incident_note (&a, (enum incident_moment_kind) k, 1772323261000, NULL);
  assert_true (incident_has_moment (&a, MOMENT_SHIPPED, ""));
  assert_false (incident_has_moment (&a, MOMENT_SHIPPED, "there"));
  assert_int_equal (incident_end_moment (INCIDENT_REBOOTED), MOMENT_REBOOTED);
  assert_int_equal (incident_end_moment (INCIDENT_CLOSED), MOMENT_CLOSED);
  for (unsigned k = INCIDENT_REPLACED; k <= INCIDENT_CLOSED; k++)
    assert_string_equal (
        incident_moment_names[incident_end_moment ((enum incident_end) k)],
        incident_end_names[k]);
  o = incident_to_json (&a);
  assert_int_equal (incident_from_json (o, &b, &err), 0);
  assert_string_equal (a.parent, b.parent);
  assert_int_equal (a.moments, b.moments);
  assert_int_equal (a.moments_lost, b.moments_lost);
  for (unsigned i = 0; i < a.moments; i++)
    {
      assert_int_equal (a.timeline[i].kind, b.timeline[i].kind);
      assert_int_equal (a.timeline[i].count, b.timeline[i].count);
      assert_true (a.timeline[i].wall_ms == b.timeline[i].wall_ms);
      assert_string_equal (a.timeline[i].what, b.timeline[i].what);
    }
  json_object_put (o);
}

/* What another hangdog has written there is passed over. */
static void
test_strange_timeline (void **state)
{
  static const char list[]
      = "[1,{},{\"step\":\"new\",\"time_ms\":1},{\"step\":\"packed\"},"
        "{\"step\":\"packed\",\"time_ms\":-1},"
        "{\"step\":\"packed\",\"time_ms\":5,\"count\":0},"
        "{\"step\":\"closed\",\"time_ms\":7,\"what\":3}]";
  struct json_object *o = json_tokener_parse (list);
  struct json_object *many = json_object_new_array ();
  struct incident inc;

  memset (&inc, 0, sizeof inc);
  incident_timeline_read (o, &inc);
  assert_int_equal (inc.moments, 1);
  assert_int_equal (inc.timeline[0].kind, MOMENT_CLOSED);
  assert_string_equal (inc.timeline[0].what, "");
  for (unsigned i = 0; i < 1000; i++)
    json_object_array_add (
        many, json_object_get (json_object_array_get_idx (o, 6)));
  incident_timeline_read (many, &inc);
  assert_int_equal (inc.moments, INCIDENT_MOMENTS);
  incident_timeline_read (NULL, &inc);
  json_object_put (o);
  json_object_put (many);
}

/* A scenario may be called "order", too. */
static void
test_who_told (void **state)
{
  struct incident inc = sample ();

  snprintf (inc.scenario, sizeof inc.scenario, "%s", BY_ORDER);
  snprintf (inc.code, sizeof inc.code, "%s", CODE_ORDERED);
  assert_true (incident_is_by (&inc, BY_ORDER, CODE_ORDERED));
  assert_false (incident_is_by (&inc, BY_MONITOR, CODE_VMM_EVENT));
  snprintf (inc.code, sizeof inc.code, "silent");
  assert_false (incident_is_by (&inc, BY_ORDER, CODE_ORDERED));
  inc.code[0] = '\0';
  assert_true (incident_is_by (&inc, BY_ORDER, CODE_ORDERED));
}

/* As it was written before an outcome's code had a field of its own. */
static void
test_older (void **state)
{
  static const char older[]
      = "{\"schema\":\"hangdog/incident/1\","
        "\"id\":\"0f3c9a52-0000-4000-8000-000000000009\","
        "\"incarnation\":{\"uuid\":\"u\",\"pid\":1,\"start_time\":2,"
        "\"boot\":0},\"guest\":\"web\",\"scenario\":\"uptime\","
        "\"reason\":\"silent: nothing came\",\"playbook\":\"standard\","
        "\"phase\":\"open\",\"end\":\"not-ended\",\"opened_ms\":5}";
  struct json_object *o = json_tokener_parse (older);
  struct error err = ERROR_INIT;
  struct incident inc;

  memset (&inc, 0xaa, sizeof inc);
  if (incident_from_json (o, &inc, &err) < 0)
    fail_msg ("%s", err.msg);
  assert_string_equal (inc.code, "");
  assert_string_equal (inc.reason, "silent: nothing came");
  assert_int_equal (inc.phase, INCIDENT_OPEN);
  json_object_put (o);
}

/* Guest bytes grow when they are escaped; the incident is still read. */
static void
test_hostile_bytes (void **state)
{
  struct incident a = sample (), b;
  struct error err = ERROR_INIT;
  struct json_object *o;

  memset (a.guest, '\033', sizeof a.guest - 1);
  memset (a.reason, '\x9b', sizeof a.reason - 1);
  o = incident_to_json (&a);
  if (incident_from_json (o, &b, &err) < 0)
    fail_msg ("%s", err.msg);
  for (const char *p = b.guest; *p; p++)
    assert_true (*p >= 0x20);
  json_object_put (o);
}

static void
test_refused (void **state)
{
  static const struct
  {
    const char *drop, *key, *value; /* value is JSON */
    const char *error;
  } cases[] = {
    { "schema", NULL, NULL, "schema" },
    { NULL, "schema", "\"hangdog/incident/2\"", "schema" },
    { "id", NULL, NULL, "id: missing" },
    { NULL, "id", "\"0123456789012345678901234567890123456\"", "longer" },
    { NULL, "id", "7", "id: must be a string" },
    { "incarnation", NULL, NULL, "incarnation: missing" },
    { NULL, "incarnation", "[]", "incarnation" },
    { NULL, "incarnation", "{\"uuid\":\"u\",\"pid\":-1}", "pid" },
    { NULL, "incarnation", "{\"uuid\":\"u\",\"pid\":4294967296}", "pid" },
    { NULL, "incarnation", "{\"uuid\":\"u\",\"boot\":\"x\"}", "boot" },
    { NULL, "phase", "\"wild\"", "phase: no known value" },
    { "phase", NULL, NULL, "phase: missing" },
    { NULL, "end", "0", "end" },
    { NULL, "opened_ms", "-5", "opened_ms" },
    { NULL, "attempts", "-1", "attempts" },
    { NULL, "playbook", "7", "playbook" },
    { NULL, "severity", "7", "severity" },
    { NULL, "severity", "\"high\"", "severity: no known value" },
    { NULL, "code", "[]", "code: must be a string" },
    { NULL, "opened_ms", "1.5", "opened_ms" },
    { NULL, "verdict", "7", "verdict" },
    { NULL, "verdict", "{\"class\":\"no-such\",\"confidence\":\"low\"}",
      "class" },
    { NULL, "verdict", "{\"class\":\"slow\"}", "confidence" },
    { NULL, "verdict",
      "{\"class\":\"slow\",\"confidence\":\"low\",\"evidence\":[1]}",
      "evidence" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct incident a = sample (), b;
      struct error err = ERROR_INIT;
      struct json_object *o = incident_to_json (&a);

      memset (&b, 0x55, sizeof b);
      if (cases[i].drop)
        json_object_object_del (o, cases[i].drop);
      else
        json_object_object_add (o, cases[i].key,
                                json_tokener_parse (cases[i].value));
      assert_int_equal (incident_from_json (o, &b, &err), -EINVAL);
      if (!strstr (err.msg, cases[i].error))
        fail_msg ("%zu: %s", i, err.msg);
      assert_int_equal (b.guest[0], 0x55); /* untouched */
      json_object_put (o);
    }
}

static void
test_ids (void **state)
{
  char a[UUID_TEXT], b[UUID_TEXT];

  for (int i = 0; i < 100; i++)
    {
      incident_new_id (a);
      incident_new_id (b);
      assert_string_not_equal (a, b);
      assert_int_equal (strlen (a), 36);
      assert_int_equal (a[14], '4');
      assert_non_null (strchr ("89ab", a[19]));
      assert_int_equal (strspn (a, "0123456789abcdef-"), 36);
    }
}

static void
test_names (void **state)
{
  for (int i = 0; i <= INCIDENT_ENDED; i++)
    assert_non_null (incident_phase_names[i]);
  assert_null (incident_phase_names[INCIDENT_ENDED + 1]);
  for (int i = 0; i <= INCIDENT_WITHDRAWN; i++)
    assert_non_null (incident_end_names[i]);
  assert_null (incident_end_names[INCIDENT_CLOSED + 1]);
  for (int i = 0; verdict_classes[i]; i++)
    assert_true (strlen (verdict_classes[i])
                 < sizeof ((struct verdict *) 0)->class_);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_there_and_back),
    cmocka_unit_test (test_bounded),
    cmocka_unit_test (test_timeline),
    cmocka_unit_test (test_strange_timeline),
    cmocka_unit_test (test_older),         cmocka_unit_test (test_who_told),
    cmocka_unit_test (test_hostile_bytes), cmocka_unit_test (test_refused),
    cmocka_unit_test (test_ids),           cmocka_unit_test (test_names),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
