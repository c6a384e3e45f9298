/* SPDX-License-Identifier: Apache-2.0
 *
 * Guests that fail together: one incident of the host, with theirs as
 * children.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/incidents-bed.h"

#include "supervisor/incidents/crowd.h"

#define D "dddddddd-2222-4333-8444-555555555555"
#define KEY "server nbd s:1"

static void
has_disk (struct world *w, const char *uuid, int32_t pid, const char *path)
{
  struct guest *g = living (uuid, pid);

  snprintf (g->disks[g->ndisks++].path, sizeof g->disks[0].path, "%s", path);
  registry_update (w->d.registry, g);
  turn (w);
}

/* Four guests of one server, and all of them known. */
static void
four (struct world *w)
{
  lives (w, D, 10);
  has_disk (w, A, 7, "nbd://s:1/a");
  has_disk (w, B, 8, "nbd://s:1/b");
  has_disk (w, C, 9, "nbd://s:1/c");
  has_disk (w, D, 10, "nbd://s:1/d");
}

static void
pass (struct world *w, uint64_t ms)
{
  loop_advance (w->d.loop, ms);
  turn (w);
}

static struct active *
of_host (struct world *w)
{
  struct active *found = NULL;

  for (struct active *a = w->incidents->first; a; a = a->next)
    if (incident_is_of_host (&a->inc))
      {
        assert_null (found);
        found = a;
      }
  return found;
}

static struct active *
of (struct world *w, const char *uuid)
{
  struct active *a = incidents_standing_of (w->incidents, uuid);

  assert_non_null (a);
  return a;
}

/* Two of four, and both are being looked at. */
static struct active *
two_fail (struct world *w)
{
  struct active *host;

  four (w);
  fails (w, A);
  fails (w, B);
  host = of_host (w);
  all_on_disk (w);
  return host;
}

static void
one_for_four (void **state)
{
  struct world *w = *state;
  static const char *const all[] = { A, B, C, D };
  struct active *host;

  four (w);
  fails (w, A);
  assert_null (of_host (w));
  pass (w, 3000);
  fails (w, B);
  host = of_host (w);
  assert_non_null (host);
  assert_string_equal (host->inc.key, KEY);
  assert_string_equal (host->inc.reason,
                       "2 of the 4 guests that have this in common failed "
                       "within 3 s: " KEY);
  fails (w, C);
  fails (w, D);
  assert_ptr_equal (of_host (w), host);
  for (int i = 0; i < 4; i++)
    assert_string_equal (of (w, all[i])->inc.parent, host->inc.id);
  /* It is nobody's, and is told as no guest's hang. */
  assert_true (incidents_concerns (w->incidents, &host->inc, C));
  assert_false (incidents_concerns (w->incidents, &of (w, A)->inc, C));
  assert_int_equal (incident_children (host), 4);
}

/* The first fact of its evidence whose name begins so. */
static const struct verdict_fact *
cited (const struct active *host, const char *begin)
{
  const struct verdict *v = &host->inc.verdict;

  for (unsigned i = 0; i < v->nfacts; i++)
    if (strncmp (v->facts[i].name, begin, strlen (begin)) == 0)
      return &v->facts[i];
  return NULL;
}

/* What is told of that guest's incident. */
static const char *
told_of (const struct active *host, const struct active *child)
{
  char name[80];
  const struct verdict_fact *f;

  snprintf (name, sizeof name, "child.%s", child->inc.id);
  f = cited (host, name);
  return f ? f->value : "";
}

/* And the head of its bundle has all of them. */
static void
evidence_is_packed (struct world *w, const struct active *host)
{
  struct json_object *facts = json_get (w->head, "facts");

  assert_true (host->inc.verdict.nfacts >= 2);
  assert_true (json_object_array_length (facts) >= host->inc.verdict.nfacts);
  for (unsigned i = 0; i < host->inc.verdict.nfacts; i++)
    assert_string_equal (
        json_get_str (json_object_array_get_idx (facts, i), "name"),
        host->inc.verdict.facts[i].name);
}

static bool
is_of_guest (struct json_object *child, const struct incident *inc)
{
  return strcmp (json_get_str (child, "incident"), inc->id) == 0
         && strcmp (json_get_str (child, "guest"), inc->guest) == 0
         && strcmp (json_get_str (child, "class"), inc->verdict.class_) == 0;
}

/* The documents of both, as whoever gets them has them. */
static void
names_each_other (struct world *w, const struct active *host)
{
  CLEANUP_JSON struct json_object *doc
      = json_tokener_parse (stored (w, host->inc.id)->text);
  struct json_object *list = json_get (doc, "children");
  unsigned named = 0;

  for (const struct active *a = w->incidents->first; a; a = a->next)
    for (size_t i = 0; a != host && i < json_object_array_length (list); i++)
      if (is_of_guest (json_object_array_get_idx (list, i), &a->inc))
        {
          named++;
          assert_non_null (strstr (stored (w, a->inc.id)->text, "\"parent\""));
        }
  assert_int_equal (named, 4);
  assert_null (host->inc.children);
}

/* Two have begun at once; each is looked at as its scenario says, and the
 * host's is judged when theirs are. */
static void
judged_by_its_children (void **state)
{
  struct world *w = *state;
  struct active *host;

  w->incidents->max_begun = 2;
  four (w);
  fails (w, A);
  all_on_disk (w);
  assert_int_equal (w->nrunning, 1);
  fails (w, B);
  fails (w, C);
  fails (w, D);
  host = of_host (w);
  assert_string_equal (of (w, A)->inc.playbook, "standard");
  assert_string_equal (of (w, D)->inc.playbook, "standard");
  all_on_disk (w);
  assert_int_equal (w->nrunning, 2);
  assert_int_equal (host->life, LIFE_WAITING);
  pass (w, 20000);
  assert_int_equal (host->life, LIFE_WAITING);
  verdict (w, "unknown", "low");
  all_on_disk (w);
  verdict_by (w, "storage-stalled", "medium", "disk.any_moved", "monitor");
  all_on_disk (w);
  verdict_by (w, "storage-stalled", "high", "disk.any_moved", "memory");
  assert_int_equal (host->life, LIFE_WAITING);
  verdict (w, "kernel-panic", "high");
  assert_int_equal (host->life, LIFE_PACKING);
  assert_string_equal (host->inc.verdict.class_, "storage-stalled");
  assert_string_equal (host->inc.verdict.confidence, "high");
  assert_string_equal (host->inc.verdict.culprit, KEY);
  assert_non_null (strstr (host->inc.verdict.sentence,
                           "of 4 that were looked at, 2 are storage-stalled"));
  /* Two had failed when it began. */
  assert_non_null (strstr (host->inc.verdict.sentence, "4 of the 4 guests"));
  assert_int_equal (json_object_array_length (json_get (w->head, "children")),
                    4);
  assert_string_equal (cited (host, "host.crowd")->value, host->inc.reason);
  assert_non_null (strstr (told_of (host, of (w, B)),
                           "storage-stalled (medium), disk vda; "
                           "disk.any_moved=no by monitor"));
  assert_non_null (strstr (told_of (host, of (w, C)), "by memory"));
  /* What another shows is no evidence of it. */
  assert_string_equal (told_of (host, of (w, D)), "");
  assert_string_equal (cited (host, "host.psi.cpu.some")->source, "host");
  evidence_is_packed (w, host);
  while (w->npacks)
    packed (w, NULL);
  assert_int_equal (host->life, LIFE_DONE);
  names_each_other (w, host);
}

/* Who fails of the same when it is judged changes what is said of it. */
static void
judged_again_when_it_grows (void **state)
{
  struct world *w = *state;
  struct active *host;
  uint64_t rev;

  host = two_fail (w);
  verdict_by (w, "storage-stalled", "high", "disk.any_moved", "memory");
  verdict (w, "unknown", "low");
  pass (w, 11000);
  while (w->npacks)
    packed (w, NULL);
  assert_int_equal (host->life, LIFE_DONE);
  assert_string_equal (host->inc.verdict.confidence, "medium");
  rev = host->inc.rev;
  fails (w, C);
  all_on_disk (w);
  verdict_by (w, "storage-stalled", "high", "disk.any_moved", "memory");
  while (w->npacks)
    packed (w, NULL);
  assert_string_equal (host->inc.verdict.confidence, "medium");
  pass (w, 11000);
  assert_string_equal (host->inc.verdict.confidence, "high");
  assert_true (told_of (host, of (w, C))[0]);
  assert_non_null (strstr (host->inc.verdict.sentence, "of 3 that were"));
  assert_non_null (strstr (host->inc.verdict.sentence,
                           "3 of the 4 guests that have this in common failed "
                           "within 11 s"));
  assert_true (host->inc.rev > rev + 1);
  assert_non_null (strstr (stored (w, host->inc.id)->text, "of 3 that were"));
  assert_int_equal (w->npacks, 0);
  rev = host->inc.rev;
  pass (w, 60000);
  assert_int_equal (host->inc.rev, rev);
}

/* Two that were called so, and of whom nobody has seen anything but that they
 * failed: that is one kind of evidence. */
static void
not_sure_without_evidence (void **state)
{
  struct world *w = *state;
  struct active *host;

  host = two_fail (w);
  verdict_by (w, "storage-stalled", "high", "probe.up", "scenario");
  /* What its own programs say blames no host. */
  verdict_by (w, "storage-stalled", "high", "disk.any_moved", "inside");
  fails (w, C);
  all_on_disk (w);
  verdict_by (w, "storage-stalled", "high", "kernel.trouble", "console");
  pass (w, 11000);
  assert_int_equal (host->life, LIFE_PACKING);
  assert_string_equal (host->inc.verdict.class_, "storage-stalled");
  assert_string_equal (host->inc.verdict.confidence, "medium");
  assert_true (told_of (host, of (w, A))[0]);
}

/* Whoever comes within the time to settle is waited for. */
static void
not_too_soon (void **state)
{
  struct world *w = *state;
  struct active *host;

  host = two_fail (w);
  verdict (w, "lock-deadlock", "high");
  verdict (w, "lock-deadlock", "high");
  assert_int_equal (host->life, LIFE_WAITING);
  pass (w, 9000);
  fails (w, C); /* joins, and is looked at */
  all_on_disk (w);
  verdict (w, "lock-deadlock", "high");
  pass (w, 9000);
  assert_int_equal (host->life, LIFE_WAITING);
  pass (w, 1000);
  assert_int_equal (host->life, LIFE_PACKING);
  /* What they show is nothing that a server's end brings about. */
  assert_string_equal (host->inc.verdict.class_, "lock-deadlock");
  assert_string_equal (host->inc.verdict.confidence, "low");
}

static void
stands_as_long_as_one_does (void **state)
{
  struct world *w = *state;
  struct active *host;

  four (w);
  fails (w, A);
  fails (w, B);
  host = of_host (w);
  outcome (w, A, &w->uptime, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  assert_int_equal (host->stand, STAND_FIRM);
  /* It fails again: the host's trouble is not over. */
  fails (w, A);
  assert_string_equal (of (w, A)->inc.parent, host->inc.id);
  outcome (w, A, &w->uptime, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  outcome (w, B, &w->uptime, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  assert_int_equal (host->stand, STAND_NOT);
  assert_int_equal (host->inc.end, INCIDENT_RECOVERED);
}

static void
others_are_not_of_it (void **state)
{
  struct world *w = *state;

  four (w);
  has_disk (w, C, 9, "nbd://t:1/c");
  fails (w, A);
  fails (w, B);
  fails (w, C);
  assert_string_equal (of (w, C)->inc.parent, "");
  /* Nor is one that failed too long ago the beginning of one. */
  pass (w, CROWD_WINDOW_MS + 1000);
  has_disk (w, D, 10, "nbd://t:1/d");
  fails (w, D);
  assert_string_equal (of (w, D)->inc.parent, "");
}

/* An operator's playbook is his word. */
static void
his_own_playbook (void **state)
{
  struct world *w = *state;

  w->uptime.playbook = (char *) "no-touch";
  four (w);
  fails (w, A);
  fails (w, B);
  assert_string_equal (of (w, B)->inc.playbook, "no-touch");
}

static bool
pressed (struct world *w, unsigned n)
{
  static const char *const all[] = { A, B, C, D };
  const struct guest *list[4] = { NULL };
  bool taken;

  for (unsigned i = 0; i < n; i++)
    assert_int_equal (registry_find (w->d.registry, all[i], &list[i], NULL),
                      0);
  taken = incidents_pressed (w->incidents, list, n,
                             "6 of 6 guests stopped answering");
  for (unsigned i = 0; i < n; i++)
    guest_unref (list[i]);
  return taken;
}

/* On a host that is always short, it is the server all the same. */
static void
those_of_one_server_are_its_own (void **state)
{
  struct world *w = *state;

  four (w);
  assert_false (pressed (w, 4));
  assert_null (of_host (w));
  /* Of three servers, it is the host's. */
  has_disk (w, B, 8, "nbd://t:1/b");
  has_disk (w, C, 9, "nbd://u:1/c");
  assert_true (pressed (w, 4));
  assert_string_equal (of_host (w)->inc.code, CODE_PRESSED);
}

static void
a_host_that_is_short (void **state)
{
  struct world *w = *state;
  struct active *host;

  assert_true (pressed (w, 3));
  assert_true (pressed (w, 3));
  host = of_host (w);
  assert_non_null (host);
  assert_string_equal (host->inc.code, CODE_PRESSED);
  w->cpu_some = 97;
  on_disk (w, NULL);
  assert_int_equal (host->life, LIFE_PACKING);
  assert_string_equal (host->inc.verdict.class_, "host-starved");
  assert_string_equal (host->inc.verdict.culprit, "host CPU");
  assert_string_equal (host->inc.verdict.confidence, "high");
  assert_string_equal (cited (host, "host.psi.cpu.some")->value, "97.00");
  assert_string_equal (cited (host, "host.crowd")->value,
                       "6 of 6 guests stopped answering");
  evidence_is_packed (w, host);
  packed (w, NULL);
  for (int i = 0; i < 6; i++)
    {
      pass (w, 60000);
      pressed (w, 3);
    }
  assert_int_equal (host->stand, STAND_FIRM);
  for (int i = 0; i < 14; i++)
    pass (w, 10000);
  assert_int_equal (host->stand, STAND_NOT);
  assert_int_equal (host->inc.end, INCIDENT_RECOVERED);
}

/* Its own kernel does not say so now. */
static void
perhaps_short (void **state)
{
  struct world *w = *state;
  struct active *host;

  assert_true (pressed (w, 3));
  host = of_host (w);
  w->cpu_some = 20;
  on_disk (w, NULL);
  assert_string_equal (host->inc.verdict.class_, "host-starved");
  assert_string_equal (host->inc.verdict.culprit, "this host");
  assert_string_equal (host->inc.verdict.confidence, "medium");
  assert_non_null (cited (host, "host.psi.cpu.some"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH (up, one_for_four),
    WITH (up, judged_by_its_children),
    WITH (up, judged_again_when_it_grows),
    WITH (up, not_sure_without_evidence),
    WITH (up, not_too_soon),
    WITH (up, stands_as_long_as_one_does),
    WITH (up, others_are_not_of_it),
    WITH (up, his_own_playbook),
    WITH (up, a_host_that_is_short),
    WITH (up, perhaps_short),
    WITH (up, those_of_one_server_are_its_own),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
