/* SPDX-License-Identifier: Apache-2.0
 *
 * Incidents: who is believed how much, and what ends them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/incidents-bed.h"

#include "diag/playbook.h"

/* ---- who is believed ---- */

static unsigned
steps_of (const struct world *w, const char *playbook)
{
  const struct playbook *p = playbook_find (w->d.playbooks, playbook);

  assert_non_null (p);
  return p->nsteps;
}

static void
who_cannot_be_asked_is_not_called_hung (void **state)
{
  struct world *w = *state;

  is_mute (w, A);
  assert_int_equal (newest (w)->stand, STAND_SUSPECTED);
  assert_string_equal (newest (w)->inc.playbook, "quick");
  assert_false (told_as_hung (w, A));
  brought_to (w, "unknown", "low");
  assert_int_equal (newest (w)->stand, STAND_NOT);
  /* unless something is found */
  is_mute (w, B);
  brought_to (w, "vmm-stuck", "high");
  assert_true (told_as_hung (w, B));
  /* or another check fails */
  is_mute (w, C);
  outcome (w, C, &w->tcp, OUTCOME_FAILED, "timeout", HEALTH_BECAME_FAILED);
  assert_true (told_as_hung (w, C));
  brought_to (w, "slow", "low");
}

/* What is seen from outside is looked at the first time: a suspicion, on disk,
 * until the check's threshold or the diagnosis says more. */
static void
a_first_look_is_a_suspicion (void **state)
{
  struct world *w = *state;

  outcome (w, A, &w->tcp, OUTCOME_FAILED, "timeout", HEALTH_BECAME_SUSPECT);
  assert_null (w->incidents->first);
  outcome (w, A, &w->tcp, OUTCOME_FAILED, "ticks-dead", HEALTH_BECAME_SUSPECT);
  assert_int_equal (newest (w)->stand, STAND_SUSPECTED);
  assert_true (w->nputs > 0);
  assert_false (told_as_hung (w, A));
  /* Again: it is the same trouble, and none in doubt. */
  outcome (w, A, &w->tcp, OUTCOME_FAILED, "ticks-dead", HEALTH_BECAME_FAILED);
  assert_true (told_as_hung (w, A));
  assert_null (newest (w)->next);
  brought_to (w, "hard-lockup", "high");
  /* Well before that: a near miss. */
  outcome (w, B, &w->tcp, OUTCOME_FAILED, "scheduler-dead",
           HEALTH_BECAME_SUSPECT);
  outcome (w, B, &w->tcp, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  assert_int_equal (newest (w)->stand, STAND_NOT);
  assert_int_equal (newest (w)->inc.timeline[newest (w)->inc.moments - 2].kind,
                    MOMENT_NEAR_MISS);
  brought_to (w, "none", "high");
  /* The diagnosis finds it. */
  outcome (w, C, &w->tcp, OUTCOME_FAILED, "vcpus-dead",
           HEALTH_BECAME_SUSPECT);
  brought_to (w, "hard-lockup", "high");
  assert_true (told_as_hung (w, C));
}

/* Nor does one look prove another, or a diagnosis that knows no more. */
static void
a_suspicion_proves_none (void **state)
{
  struct world *w = *state;

  outcome (w, A, &w->tcp, OUTCOME_FAILED, "ticks-dead", HEALTH_BECAME_SUSPECT);
  outcome (w, A, &w->uptime, OUTCOME_FAILED, "scheduler-dead",
           HEALTH_BECAME_SUSPECT);
  is_mute (w, A);
  assert_int_equal (newest (w)->stand, STAND_SUSPECTED);
  brought_to (w, "slow", "low");
  assert_int_equal (newest (w)->stand, STAND_SUSPECTED);
  assert_false (told_as_hung (w, A));
  /* Well again; and stands once more within ten minutes: it has to last. */
  outcome (w, A, &w->tcp, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  assert_int_equal (newest (w)->stand, STAND_NOT);
  outcome (w, A, &w->tcp, OUTCOME_FAILED, "ticks-dead", HEALTH_BECAME_SUSPECT);
  assert_int_equal (newest (w)->stand, STAND_NOT);
  outcome (w, A, &w->tcp, OUTCOME_FAILED, "ticks-dead", HEALTH_BECAME_FAILED);
  assert_true (told_as_hung (w, A));
  brought_to (w, "hard-lockup", "high");
}

static void
the_hypervisor_is_believed (void **state)
{
  struct world *w = *state;

  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_STOP, "");
  assert_null (w->incidents->first);
  /* At once: it says so once, and the guest may be another one by the time
   * that facts are told. */
  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_PANIC,
                  "poweroff");
  assert_true (told_as_hung (w, A));
  assert_string_equal (newest (w)->inc.code, CODE_VMM_EVENT);
  brought_to (w, "kernel-panic", "high");
}

/* No event came: it was lost, or was before us. */
static void
its_state_is_believed (void **state)
{
  struct world *w = *state;
  struct active *a;

  is_now (w, A, 7, GUEST_PAUSED, "user");
  assert_null (w->incidents->first);
  is_now (w, A, 7, GUEST_CRASHED, "io-error");
  a = newest (w);
  assert_true (told_as_hung (w, A));
  brought_to (w, "io-error", "high");
  is_now (w, A, 7, GUEST_RUNNING, "");
  assert_int_equal (a->inc.end, INCIDENT_RECOVERED);
  /* Its process dies; an owner's destroy says so. */
  is_now (w, A, 0, GUEST_OFF, "crashed");
  assert_ptr_not_equal (newest (w), a);
  assert_non_null (strstr (newest (w)->inc.reason, "DIED"));
  brought_to (w, "vmm-dead", "high");
  lives (w, A, 9);
  a = newest (w);
  is_now (w, A, 0, GUEST_OFF, "destroyed");
  assert_ptr_equal (newest (w), a);
}

/* Ended for a panic that was told: the same trouble. */
static void
one_death_is_told_once (void **state)
{
  struct world *w = *state;
  struct active *a;

  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_PANIC, "");
  a = newest (w);
  is_now (w, A, 0, GUEST_OFF, "crashed");
  assert_ptr_equal (newest (w), a);
  assert_int_equal (a->inc.end, INCIDENT_REPLACED);
}

static void
kernel_text_raises_a_suspicion (void **state)
{
  struct world *w = *state;
  struct active *a;

  says (w, A, 7, "kernel.trouble.panic", PANIC "\033[2J");
  a = newest (w);
  assert_string_equal (a->inc.scenario, BY_KERNEL);
  assert_string_equal (a->inc.code, CODE_KERNEL_EVENT);
  assert_string_equal (a->inc.playbook, "quick");
  assert_non_null (strstr (a->inc.reason, PANIC));
  assert_null (strchr (a->inc.reason, '\033'));
  assert_int_equal (a->stand, STAND_SUSPECTED);
  on_disk (w, NULL);
  on_disk (w, NULL);
  assert_string_equal (w->running[0]->code, CODE_KERNEL_EVENT);
  /* Nothing else agrees: it is on record, and nobody is called hung. */
  verdict (w, "kernel-panic", "low");
  packed (w, NULL);
  assert_int_equal (a->stand, STAND_SUSPECTED);
  assert_false (told_as_hung (w, A));
  /* Who prints it over and over is not looked at over and over. */
  for (int i = 0; i < 20; i++)
    says (w, A, 7, "kernel.trouble.panic", PANIC);
  assert_ptr_equal (newest (w), a);
  /* Nor does it become truer by being said for long. */
  a->inc.opened_wall_ms -= 11 * 60 * 1000;
  says (w, A, 7, "kernel.trouble.panic", PANIC);
  assert_ptr_equal (newest (w), a);
  assert_int_equal (a->stand, STAND_SUSPECTED);
  a->inc.opened_wall_ms += 11 * 60 * 1000;
  /* Somebody was answered since. */
  outcome (w, A, &w->tcp, OUTCOME_OK, "ok", HEALTH_SAME);
  assert_int_equal (a->stand, STAND_NOT);
  assert_int_equal (a->inc.end, INCIDENT_RECOVERED);
  says (w, A, 7, "kernel.trouble.hung_task", "INFO: task x blocked");
  assert_ptr_equal (newest (w), a);
  /* Later it is news again. */
  a->inc.opened_wall_ms -= 11 * 60 * 1000;
  says (w, A, 7, "kernel.trouble.hung_task", "INFO: task x blocked");
  assert_ptr_not_equal (newest (w), a);
}

static void
a_second_vantage_point_makes_it_firm (void **state)
{
  struct world *w = *state;

  says (w, A, 7, "kernel.trouble.panic", PANIC);
  brought_to (w, "kernel-panic", "high");
  assert_true (told_as_hung (w, A));
  says (w, B, 8, "kernel.trouble.panic", PANIC);
  brought_to (w, "unknown", "low"); /* it was only said */
  assert_int_equal (newest (w)->stand, STAND_NOT);
  assert_false (told_as_hung (w, B));
}

static bool
was_near_miss (const struct active *a)
{
  for (unsigned i = 0; i < a->inc.moments; i++)
    if (a->inc.timeline[i].kind == MOMENT_NEAR_MISS)
      return true;
  return false;
}

/* Looked at and found well, and not only unproven. */
static void
text_that_is_refuted_is_a_near_miss (void **state)
{
  struct world *w = *state;

  says (w, A, 7, "kernel.trouble.panic", PANIC);
  brought_to (w, "none", "high");
  assert_int_equal (newest (w)->stand, STAND_NOT);
  assert_true (was_near_miss (newest (w)));
  says (w, B, 8, "kernel.trouble.panic", PANIC);
  brought_to (w, "unknown", "low");
  assert_false (was_near_miss (newest (w)));
}

/* The look that text was worth must not stand in the way of the one that a
 * failed check is worth. */
static void
a_failed_check_outdoes_text (void **state)
{
  struct world *w = *state;
  struct active *text;

  says (w, A, 7, "kernel.trouble.soft_lockup", "BUG: soft lockup");
  text = newest (w);
  brought_to (w, "soft-lockup", "low");
  fails (w, A);
  assert_ptr_not_equal (newest (w), text);
  assert_int_equal (text->stand, STAND_NOT);
  assert_string_equal (newest (w)->inc.playbook, "standard");
  assert_true (told_as_hung (w, A));
  /* And text adds nothing to what is firm. */
  text->inc.opened_wall_ms = 0;
  text = newest (w);
  says (w, A, 7, "kernel.trouble.panic", PANIC);
  assert_ptr_equal (newest (w), text);
  brought_to (w, "soft-lockup", "medium");
}

/* pvpanic and the text of one panic come in the same breath. */
static void
one_panic_is_told_once (void **state)
{
  struct world *w = *state;

  says (w, A, 7, "kernel.trouble.panic", PANIC);
  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_PANIC, "");
  assert_int_equal (w->incidents->count, 1);
  assert_string_equal (newest (w)->inc.scenario, BY_MONITOR);
  assert_string_equal (newest (w)->inc.code, CODE_VMM_EVENT);
  assert_int_equal (newest (w)->stand, STAND_FIRM);
  assert_true (stands_on_disk (w, CODE_VMM_EVENT));
  on_disk (w, NULL);
  assert_string_equal (on_disk (w, NULL).code, CODE_VMM_EVENT);
  assert_string_equal (w->running[0]->code, CODE_VMM_EVENT);
  verdict (w, "kernel-panic", "high");
  packed (w, NULL);
}

/* The event comes a moment later: what the text was worth is begun already. */
static void
an_event_joins_what_text_began (void **state)
{
  struct world *w = *state;
  struct active *a;

  says (w, A, 7, "kernel.trouble.panic", PANIC);
  a = newest (w);
  on_disk (w, NULL);
  on_disk (w, NULL);
  assert_int_equal (a->life, LIFE_COLLECTING);
  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_PANIC, "");
  assert_int_equal (w->incidents->count, 1);
  assert_int_equal (w->nrunning, 1);
  assert_int_equal (a->life, LIFE_COLLECTING);
  assert_int_equal (a->stand, STAND_FIRM);
  assert_true (told_as_hung (w, A));
  /* Judged by what is known now, on disk, and for the next daemon. */
  assert_string_equal (w->running[0]->code, CODE_VMM_EVENT);
  assert_int_equal (w->running[0]->nsteps, steps_of (w, "quick"));
  assert_string_equal (w->last_put.code, CODE_VMM_EVENT);
  assert_string_equal (w->last_put.playbook, "quick");
  assert_true (stands_on_disk (w, CODE_VMM_EVENT));
  /* And the text once more, as its report ends. */
  says (w, A, 7, "kernel.trouble.panic", PANIC " in f");
  verdict (w, "kernel-panic", "high");
  packed (w, NULL);
  assert_int_equal (w->incidents->count, 1);
  assert_string_equal (a->inc.verdict.confidence, "high");
  assert_int_equal (w->nputs, 0);
}

static void
text_joins_what_an_event_began (void **state)
{
  struct world *w = *state;
  struct active *a;

  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_PANIC, "");
  a = newest (w);
  says (w, A, 7, "kernel.trouble.panic", PANIC);
  on_disk (w, NULL);
  on_disk (w, NULL);
  says (w, A, 7, "kernel.trouble.panic", PANIC);
  assert_string_equal (w->running[0]->code, CODE_VMM_EVENT);
  verdict (w, "kernel-panic", "high");
  packed (w, NULL);
  says (w, A, 7, "kernel.trouble.panic", PANIC " in f");
  assert_int_equal (w->incidents->count, 1);
  assert_int_equal (a->stand, STAND_FIRM);
  assert_int_equal (w->nputs, 0);
}

/* What its playbook has more is done behind what was begun for the text. */
static void
a_failed_check_joins_what_text_began (void **state)
{
  struct world *w = *state;
  struct active *a;

  says (w, A, 7, "kernel.trouble.soft_lockup", "BUG: soft lockup");
  a = newest (w);
  on_disk (w, NULL);
  on_disk (w, NULL);
  assert_int_equal (w->running[0]->nsteps, steps_of (w, "quick"));
  fails (w, A);
  assert_int_equal (w->incidents->count, 1);
  assert_int_equal (w->nrunning, 1);
  assert_true (w->running[0]->nsteps >= steps_of (w, "standard"));
  assert_string_equal (w->running[0]->code, "silent");
  assert_string_equal (a->inc.playbook, "standard");
  assert_true (told_as_hung (w, A));
  verdict (w, "soft-lockup", "medium");
  packed (w, NULL);
  /* A check that may ask for less takes nothing away. */
  says (w, B, 8, "kernel.trouble.soft_lockup", "BUG: soft lockup");
  on_disk (w, NULL);
  on_disk (w, NULL);
  w->tcp.playbook = (char *) "no-touch";
  outcome (w, B, &w->tcp, OUTCOME_FAILED, "timeout", HEALTH_BECAME_FAILED);
  assert_int_equal (w->running[0]->nsteps, steps_of (w, "quick"));
  assert_string_equal (w->running[0]->code, "timeout");
  assert_string_equal (newest (w)->inc.playbook, "quick");
  assert_int_equal (w->incidents->count, 2);
  verdict (w, "soft-lockup", "medium");
  packed (w, NULL);
}

/* Judged already: a firmer word makes an incident of its own, and what was
 * only text does not stand for ever beside it. */
static void
judged_text_is_replaced (void **state)
{
  struct world *w = *state;
  struct active *a;

  says (w, A, 7, "kernel.trouble.panic", PANIC);
  a = newest (w);
  brought_to (w, "kernel-panic", "low");
  assert_int_equal (a->inc.end, INCIDENT_NOT_ENDED);
  fails (w, A);
  assert_int_equal (w->incidents->count, 2);
  assert_int_equal (a->inc.end, INCIDENT_REPLACED);
  assert_int_equal (a->stand, STAND_NOT);
  assert_int_equal (newest (w)->stand, STAND_FIRM);
  brought_to (w, "kernel-panic", "high");
  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_RESET, "");
  assert_int_equal (newest (w)->inc.end, INCIDENT_REBOOTED);
  assert_int_equal (a->inc.end, INCIDENT_REPLACED);
}

static void
text_that_is_no_suspicion (void **state)
{
  struct world *w = *state;
  struct incarnation inc = { .uuid = A, .pid = 7, .start_time = 100 };
  struct fact f;

  says (w, A, 7, "kernel.event.usb_plugged", "new device");
  says (w, A, 7, "kernel.event.panic", PANIC); /* worth no look by its rule */
  says (w, A, 7, "kernel.troubled", PANIC);
  says (w, A, 6, "kernel.trouble.panic", PANIC); /* of an earlier life */
  says (w, "dddddddd-2222-4333-8444-555555555555", 7, "kernel.trouble.panic",
        PANIC);
  says (w, "", 0, "kernel.trouble.panic", PANIC); /* the host's */
  fact_int (&f, &inc, "kernel.trouble.panic", "console", 1);
  fact_publish (w->d.bus, &f);
  turn (w);
  assert_null (w->incidents->first);
}

/* ---- guests that come and go ---- */

static void
another_life_ends_it (void **state)
{
  struct world *w = *state;
  struct active *a;

  fails (w, A);
  a = newest (w);
  on_disk (w, NULL);
  on_disk (w, NULL);
  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_RESET, "");
  assert_int_equal (a->inc.end, INCIDENT_REBOOTED);
  assert_int_equal (a->stand, STAND_NOT);
  assert_int_equal (a->life, LIFE_COLLECTING); /* what was begun is packed */
  assert_true (w->running[0]->stopped);
  verdict (w, "unknown", "low");
  packed (w, NULL);
  assert_int_equal (a->life, LIFE_DONE);
  assert_int_equal (a->inc.end, INCIDENT_REBOOTED);
  fails (w, B);
  lives (w, B, 80);
  assert_int_equal (newest (w)->inc.end, INCIDENT_REPLACED);
  brought_to (w, "unknown", "low");
}

/* ---- a boot that only text shows ---- */

static void
shows_boot (struct world *w, const char *uuid, int32_t pid, unsigned boot)
{
  struct incarnation inc = { .pid = pid, .start_time = 100, .boot = boot };

  snprintf (inc.uuid, sizeof inc.uuid, "%s", uuid);
  registry_rebooted (w->d.registry, &inc, BOOT_BY_TEXT);
}

/* Its uptime says so, or that it was none. */
static void
boot_known (struct world *w, const char *uuid, bool was_one)
{
  const struct guest *g CLEANUP_GUEST = NULL;

  assert_int_equal (registry_find (w->d.registry, uuid, &g, NULL), 0);
  registry_boot_known (w->d.registry, &g->inc,
                       was_one ? BOOT_BY_UPTIME : BOOT_BY_NOBODY);
}

static void
reaches (struct world *w, const char *uuid, int32_t pid, unsigned boot,
         const char *stage)
{
  struct incarnation inc = { .pid = pid, .start_time = 100, .boot = boot };
  struct fact f;

  snprintf (inc.uuid, sizeof inc.uuid, "%s", uuid);
  fact_text (&f, &inc, "guest.stage", "console", stage, strlen (stage));
  fact_publish (w->d.bus, &f);
  turn (w);
}

static void
text_alone_ends_no_hang (void **state)
{
  struct world *w = *state;
  struct active *a;

  fails (w, A);
  a = newest (w);
  brought_to (w, "userspace-stuck", "high");
  shows_boot (w, A, 7, 0);
  assert_true (told_as_hung (w, A));
  assert_true (a->perhaps_rebooted);
  assert_int_equal (a->inc.end, INCIDENT_NOT_ENDED);
  assert_true (stands_on_disk (w, a->inc.id));
  /* However far that text goes, whoever is less sure, and more text. */
  reaches (w, A, 7, 1, "login");
  is_mute (w, A);
  says (w, A, 7, "kernel.trouble.panic", PANIC);
  outcome (w, A, &w->tcp, OUTCOME_OK, "ok", HEALTH_SAME);
  assert_ptr_equal (newest (w), a);
  assert_true (told_as_hung (w, A));
  /* Its uptime says that it was a lie: then it is what it was. */
  boot_known (w, A, false);
  assert_false (a->perhaps_rebooted);
  assert_true (told_as_hung (w, A));
  /* And what fails then is the same hang. */
  fails (w, A);
  assert_ptr_equal (newest (w), a);
  assert_int_equal (a->inc.end, INCIDENT_NOT_ENDED);
  /* Again, and who raised it is answered. */
  shows_boot (w, A, 7, 1);
  assert_true (a->perhaps_rebooted);
  outcome (w, A, &w->uptime, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  assert_false (told_as_hung (w, A));
  assert_int_equal (a->inc.end, INCIDENT_REBOOTED);
  assert_false (stands_on_disk (w, ""));
}

static void
others_confirm_it (void **state)
{
  struct world *w = *state;
  struct active *a;

  fails (w, A);
  a = newest (w);
  brought_to (w, "userspace-stuck", "high");
  shows_boot (w, A, 7, 0);
  boot_known (w, A, true); /* by an uptime */
  assert_int_equal (a->inc.end, INCIDENT_REBOOTED);
  boot_known (w, A, true); /* of nothing any more */

  fails (w, B);
  a = newest (w);
  brought_to (w, "userspace-stuck", "high");
  shows_boot (w, B, 8, 0);
  registry_event (w->d.registry, "rundir", HOST, B, GUEST_EVENT_RESET, "");
  assert_int_equal (a->inc.end, INCIDENT_REBOOTED);

  /* It fails in its new life, too: another trouble, and no moment in between in
   * which it is well. */
  fails (w, C);
  a = newest (w);
  brought_to (w, "userspace-stuck", "high");
  shows_boot (w, C, 9, 0);
  fails (w, C);
  assert_int_equal (a->inc.end, INCIDENT_REBOOTED);
  assert_ptr_not_equal (newest (w), a);
  assert_true (told_as_hung (w, C));
  brought_to (w, "boot-stuck", "high");
}

/* What text raised, text may end, but not by a banner alone. */
static void
text_ends_what_text_raised (void **state)
{
  struct world *w = *state;
  struct active *a;

  says (w, A, 7, "kernel.trouble.panic", PANIC);
  a = newest (w);
  brought_to (w, "kernel-panic", "low");
  shows_boot (w, A, 7, 0);
  assert_int_equal (a->stand, STAND_SUSPECTED);
  reaches (w, A, 7, 1, "kernel");
  reaches (w, A, 7, 0, "login"); /* said of the life before */
  assert_int_equal (a->stand, STAND_SUSPECTED);
  reaches (w, A, 7, 1, "userspace");
  assert_int_equal (a->inc.end, INCIDENT_REBOOTED);
}

/* ---- the same over and over ---- */

static void
ten_thousand_times_is_one_incident (void **state)
{
  struct world *w = *state;
  struct active *a;

  says (w, A, 7, "kernel.trouble.rcu_stall", "INFO: rcu detected stall in f");
  a = newest (w);
  brought_to (w, "rcu-stall", "low");
  outcome (w, A, &w->tcp, OUTCOME_OK, "ok", HEALTH_SAME);
  assert_int_equal (a->inc.end, INCIDENT_RECOVERED);
  /* A fact each ten seconds is what there is of it: for a day. */
  for (unsigned i = 0; i < 10000; i++)
    {
      a->inc.opened_wall_ms -= 8000;
      says (w, A, 7, "kernel.trouble.rcu_stall",
            "INFO: rcu detected stall in f");
    }
  assert_int_equal (w->incidents->count, 1);
  assert_int_equal (w->nputs, 0);
  /* Other words are news, and so are these in another life. */
  says (w, A, 7, "kernel.trouble.rcu_stall", "INFO: rcu detected stall in g");
  assert_int_equal (w->incidents->count, 2);
  brought_to (w, "rcu-stall", "low");
}

/* What is done on the word of text alone, and without any configuration, may
 * ask the monitor; the guest is given nothing. */
static void
what_is_careful_gives_nothing (void **state)
{
  const struct world *w = *state;
  const struct playbook *p = playbook_find (w->d.playbooks, CAREFUL_PLAYBOOK);

  assert_non_null (p);
  for (unsigned i = 0; i < p->nsteps; i++)
    assert_true (p->steps[i].collector->touch <= TOUCH_MONITOR);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH (up, who_cannot_be_asked_is_not_called_hung),
    WITH (up, a_first_look_is_a_suspicion),
    WITH (up, a_suspicion_proves_none),
    WITH (up, the_hypervisor_is_believed),
    WITH (up, its_state_is_believed),
    WITH (up, one_death_is_told_once),
    WITH (up, kernel_text_raises_a_suspicion),
    WITH (up, a_second_vantage_point_makes_it_firm),
    WITH (up, text_that_is_refuted_is_a_near_miss),
    WITH (up, a_failed_check_outdoes_text),
    WITH (up, one_panic_is_told_once),
    WITH (up, an_event_joins_what_text_began),
    WITH (up, text_joins_what_an_event_began),
    WITH (up, a_failed_check_joins_what_text_began),
    WITH (up, judged_text_is_replaced),
    WITH (up, text_that_is_no_suspicion),
    WITH (up, another_life_ends_it),
    WITH (up, text_alone_ends_no_hang),
    WITH (up, others_confirm_it),
    WITH (up, what_is_careful_gives_nothing),
    WITH (up, text_ends_what_text_raised),
    WITH (up, ten_thousand_times_is_one_incident),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
