/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry: changes, lives, sweeps, names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/loop.h"
#include "guests/registry.h"
#include <ctype.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A "aaaaaaaa-2222-4333-8444-555555555555"
#define B "bbbbbbbb-2222-4333-8444-555555555555"
#define A2 "aaaaaaaa-9999-4333-8444-555555555555"

struct world
{
  struct loop *loop;
  struct fact_bus *bus;
  struct fact_sub *sub;
  struct guest_registry *reg;
  struct buf heard, facts;
};

static void
hear (enum guest_change change, const struct guest *was,
      const struct guest *now, void *arg)
{
  static const char letters[] = { [GUEST_ADDED] = '+',
                                  [GUEST_CHANGED] = '~',
                                  [GUEST_REBOOTED] = '^',
                                  [GUEST_REPLACED] = '!',
                                  [GUEST_GONE] = '-' };
  struct world *w = arg;

  assert_true ((was == NULL) == (change == GUEST_ADDED));
  assert_true ((now == NULL) == (change == GUEST_GONE));
  buf_printf (&w->heard, "%c%c%u ", letters[change],
              (now ? now : was)->inc.uuid[0], (now ? now : was)->inc.boot);
}

static void
hear_event (const struct guest *g, enum guest_event event, const char *detail,
            void *arg)
{
  struct world *w = arg;

  buf_printf (&w->heard, "%s:%c%u ", guest_event_names[event], g->inc.uuid[0],
              g->inc.boot);
}

static void
on_fact (const struct fact *f, void *arg)
{
  struct world *w = arg;

  buf_printf (&w->facts, "%s=%s;", f->name, f->text);
}

static int
setup (void **state)
{
  struct world *w = calloc (1, sizeof *w);

  w->heard = (struct buf) BUF_INIT (4096);
  w->facts = (struct buf) BUF_INIT (4096);
  assert_int_equal (loop_new_fake (&w->loop, NULL), 0);
  assert_int_equal (fact_bus_new (w->loop, 64, &w->bus, NULL), 0);
  assert_int_equal (
      fact_subscribe (w->bus, "test", "", on_fact, w, &w->sub, NULL), 0);
  assert_int_equal (registry_new (w->loop, w->bus, &w->reg, NULL), 0);
  assert_int_equal (registry_listen (w->reg, hear, hear_event, w, NULL), 0);
  *state = w;
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;

  registry_free (w->reg);
  fact_unsubscribe (w->sub);
  fact_bus_free (w->bus);
  loop_free (w->loop);
  buf_done (&w->heard);
  buf_done (&w->facts);
  free (w);
  return 0;
}

static struct guest *
guest (const char *uuid, const char *name, int32_t pid)
{
  struct guest *g = guest_new ();

  strcpy (g->inc.uuid, uuid);
  g->inc.pid = pid;
  g->inc.start_time = pid ? 100 : 0;
  strcpy (g->name, name);
  strcpy (g->source, "rundir");
  strcpy (g->host, "/run/x");
  g->run = pid ? GUEST_RUNNING : GUEST_OFF;
  return g;
}

static void
expect (struct world *w, const char *heard)
{
  assert_string_equal (buf_str (&w->heard), heard);
  buf_clear (&w->heard);
}

static void
tells_what_changed_and_nothing_else (void **state)
{
  struct world *w = *state;
  struct guest *g;

  registry_update (w->reg, guest (A, "a", 7));
  expect (w, "+a0 ");
  registry_update (w->reg, guest (A, "a", 7));
  expect (w, "");
  g = guest (A, "a", 7);
  g->run = GUEST_PAUSED;
  strcpy (g->reason, "user");
  registry_update (w->reg, g);
  expect (w, "~a0 ");
  registry_update (w->reg, guest (A, "a", 8));
  expect (w, "!a0 ");
  registry_gone (w->reg, "rundir", "/run/other", A);
  expect (w, "");
  registry_gone (w->reg, "rundir", "/run/x", A);
  expect (w, "-a0 ");
  assert_int_equal (registry_count (w->reg), 0);

  assert_int_equal (loop_round (w->loop, 0, NULL), 0);
  assert_string_equal (buf_str (&w->facts),
                       "vmm.status=running;guest.intent=run;"
                       "vmm.status=paused user;"
                       "vmm.status=running;guest.intent=run;"
                       "vmm.status=off gone;");
}

static void
recalls_boots_of_an_earlier_run (void **state)
{
  struct world *w = *state;
  struct incarnation inc = { .uuid = A, .pid = 7, .start_time = 100, .boot = 3 };

  /* Before it is found, and only for that process. */
  registry_recall (w->reg, &inc);
  inc.boot = 1;
  registry_recall (w->reg, &inc);
  inc.boot = 3;
  registry_update (w->reg, guest (A, "a", 7));
  expect (w, "+a3 ");
  registry_update (w->reg, guest (A, "a", 8));
  expect (w, "!a0 ");
  registry_gone (w->reg, "rundir", "/run/x", A);
  expect (w, "-a0 ");
  registry_update (w->reg, guest (A, "a", 7));
  expect (w, "+a0 "); /* told once */
  /* And after: a lower number changes nothing. */
  registry_recall (w->reg, &inc);
  expect (w, "^a3 ");
  inc.boot = 2;
  registry_recall (w->reg, &inc);
  expect (w, "");
  assert_true (registry_count (w->reg) == 1);
}

static void
counts_one_boot_once (void **state)
{
  struct world *w = *state;
  const struct guest *g = NULL;
  struct incarnation old;

  registry_update (w->reg, guest (A, "a", 7));
  assert_int_equal (registry_find (w->reg, A, &g, NULL), 0);
  old = g->inc;
  guest_unref (g);
  registry_event (w->reg, "rundir", "/run/x", A, GUEST_EVENT_RESET, NULL);
  expect (w, "+a0 ^a1 RESET:a1 ");
  /* The firmware's own reset behind it. */
  loop_advance (w->loop, 50);
  registry_event (w->reg, "rundir", "/run/x", A, GUEST_EVENT_RESET, NULL);
  expect (w, "");
  /* Of a life that is over already. */
  registry_rebooted (w->reg, &old, BOOT_BY_TEXT);
  expect (w, "");
  /* The banner of that very boot. */
  old.boot = 1;
  registry_rebooted (w->reg, &old, BOOT_BY_TEXT);
  expect (w, "");
  assert_true (registry_is_current (w->reg, &old));
  /* A real one, later; what its memory shows; and the next banner. */
  loop_advance (w->loop, 200000);
  registry_rebooted (w->reg, &old, BOOT_BY_TEXT);
  expect (w, "^a2 ");
  assert_false (registry_is_current (w->reg, &old));
  old.boot = 2;
  loop_advance (w->loop, 60000);
  registry_rebooted (w->reg, &old, BOOT_BY_MEMORY);
  expect (w, "");
  registry_rebooted (w->reg, &old, BOOT_BY_TEXT);
  expect (w, "^a3 ");
  /* Up already, and down again: an uptime that falls is no echo. */
  old.boot = 3;
  loop_advance (w->loop, 50000);
  registry_rebooted (w->reg, &old, BOOT_BY_UPTIME);
  expect (w, "^a4 ");
  old.boot = 4;
  registry_rebooted (w->reg, &old, BOOT_BY_MEMORY);
  expect (w, "");
  /* The source does not know the number: it stays. */
  registry_update (w->reg, guest (A, "a", 7));
  expect (w, "");
  loop_advance (w->loop, 5000);
  registry_event (w->reg, "rundir", "/run/x", A, GUEST_EVENT_RESET, NULL);
  loop_advance (w->loop, 5000);
  registry_event (w->reg, "rundir", "/run/x", A, GUEST_EVENT_RESET, NULL);
  expect (w, "^a5 RESET:a5 ^a6 RESET:a6 ");
  registry_event (w->reg, "rundir", "/run/x", A, GUEST_EVENT_PANIC, "x");
  registry_event (w->reg, "rundir", "/run/x", B, GUEST_EVENT_PANIC, "x");
  expect (w, "PANIC:a6 ");
}

/* Who told of it goes with the guest, whatever its source says next, until
 * somebody knows better. */
static void
tells_who_told_of_a_boot (void **state)
{
  struct world *w = *state;
  struct incarnation inc = { .uuid = A, .pid = 7, .start_time = 100 };
  const struct guest *g CLEANUP_GUEST = NULL;

  registry_update (w->reg, guest (A, "a", 7));
  /* of none that text showed */
  registry_boot_known (w->reg, &inc, BOOT_BY_UPTIME);
  expect (w, "+a0 ");
  registry_rebooted (w->reg, &inc, BOOT_BY_TEXT);
  registry_update (w->reg, guest (A, "a", 7));
  expect (w, "^a1 ");
  /* of a life that is over */
  registry_boot_known (w->reg, &inc, BOOT_BY_UPTIME);
  expect (w, "");
  inc.boot = 1;
  registry_boot_known (w->reg, &inc, BOOT_BY_UPTIME);
  expect (w, "~a1 ");
  registry_boot_known (w->reg, &inc, BOOT_BY_NOBODY); /* once */
  expect (w, "");
  loop_advance (w->loop, 200000);
  registry_rebooted (w->reg, &inc, BOOT_BY_TEXT);
  inc.boot = 2;
  registry_boot_known (w->reg, &inc, BOOT_BY_NOBODY);
  expect (w, "^a2 ~a2 ");
  registry_update (w->reg, guest (A, "a", 7));
  assert_int_equal (registry_find (w->reg, A, &g, NULL), 0);
  assert_int_equal (g->boot_by, BOOT_BY_NOBODY);
  registry_event (w->reg, "rundir", "/run/x", A, GUEST_EVENT_RESET, NULL);
  registry_update (w->reg, guest (A, "a", 8));
  expect (w, "^a3 RESET:a3 !a0 ");

  assert_int_equal (loop_round (w->loop, 0, NULL), 0);
  assert_string_equal (buf_str (&w->facts),
                       "vmm.status=running;guest.intent=run;"
                       "vmm.status=running;guest.intent=run;"
                       "guest.boot=1 text;guest.boot=1 uptime;"
                       "vmm.status=running;guest.intent=run;"
                       "guest.boot=2 text;guest.boot=2 nobody;"
                       "vmm.status=running;guest.intent=run;"
                       "guest.boot=3 reset;vmm.event=RESET;"
                       "vmm.status=running;guest.intent=run;");
}

static void
counts_a_start_without_a_pid_as_a_boot (void **state)
{
  struct world *w = *state;
  struct guest *g;

  registry_update (w->reg, guest (A, "a", 0));
  g = guest (A, "a", 0);
  g->run = GUEST_RUNNING;
  registry_update (w->reg, g);
  expect (w, "+a0 ^a1 ");
}

static void
names_it_in_lower_case (void **state)
{
  struct world *w = *state;
  struct guest *g = guest (A, "a", 7);

  for (char *p = g->inc.uuid; *p; p++)
    *p = (char) toupper ((unsigned char) *p);
  assert_string_not_equal (g->inc.uuid, A);
  registry_update (w->reg, g);
  registry_update (w->reg, guest (A, "a", 7));
  expect (w, "+a0 "); /* and no change of it */
  registry_event (w->reg, "rundir", "/run/x", A, GUEST_EVENT_PANIC, "x");
  registry_gone (w->reg, "rundir", "/run/x", A);
  expect (w, "PANIC:a0 -a0 ");
}

static void
sweeps_only_its_own (void **state)
{
  struct world *w = *state;
  struct guest *g = guest (A2, "other", 9);

  strcpy (g->source, "libvirt");
  registry_update (w->reg, g);
  registry_update (w->reg, guest (A, "a", 7));
  registry_update (w->reg, guest (B, "b", 8));
  expect (w, "+a0 +a0 +b0 ");
  registry_sweep_begin (w->reg, "rundir", "/run/x");
  registry_update (w->reg, guest (B, "b", 8));
  registry_sweep_end (w->reg, "rundir", "/run/x");
  expect (w, "-a0 ");
  registry_sweep_begin (w->reg, "rundir", "/run/x");
  registry_sweep_end (w->reg, "rundir", "/run/x");
  expect (w, "-b0 ");
  assert_int_equal (registry_count (w->reg), 1);
}

static void
lets_the_first_source_own_it (void **state)
{
  struct world *w = *state;
  struct guest *g = guest (A, "second", 7);

  assert_true (registry_update (w->reg, guest (A, "first", 7)));
  strcpy (g->source, "libvirt");
  assert_false (registry_update (w->reg, g));
  expect (w, "+a0 ");
  assert_int_equal (registry_count (w->reg), 1);
}

/* A migration between two hosts that are both watched: whoever listens knows
 * one guest of that uuid all the time. */
static void
follows_it_from_host_to_host (void **state)
{
  struct world *w = *state;
  const struct guest *g = NULL;
  struct guest *there;

  registry_update (w->reg, guest (A, "a", 7));
  there = guest (A, "a", 0);
  strcpy (there->host, "qemu+ssh://there/system");
  there->run = GUEST_STARTING;
  registry_update (w->reg, there);
  expect (w, "+a0 ");
  there = guest (A, "a", 0);
  strcpy (there->host, "qemu+ssh://there/system");
  there->run = GUEST_RUNNING;
  registry_update (w->reg, there);
  expect (w, "");
  assert_int_equal (registry_count (w->reg), 1);
  /* Off here, and then not even defined any more. */
  registry_update (w->reg, guest (A, "a", 0));
  expect (w, "!a0 ");
  assert_int_equal (registry_find (w->reg, A, &g, NULL), 0);
  assert_string_equal (g->host, "qemu+ssh://there/system");
  guest_unref (g);
  registry_gone (w->reg, "rundir", "/run/x", A);
  expect (w, "");
  /* And back. */
  registry_update (w->reg, guest (A, "a", 8));
  expect (w, "");
  registry_gone (w->reg, "rundir", "qemu+ssh://there/system", A);
  expect (w, "!a0 ");
  assert_int_equal (registry_find (w->reg, A, &g, NULL), 0);
  assert_int_equal (g->inc.pid, 8);
  guest_unref (g);
  registry_gone (w->reg, "rundir", "/run/x", A);
  expect (w, "-a0 ");
  assert_int_equal (registry_count (w->reg), 0);
}

static struct guest *
remote (const char *host, enum guest_run run, enum guest_intent intent)
{
  struct guest *g = guest (A, "a", 0);

  strcpy (g->host, host);
  g->run = run;
  g->intent = intent;
  return g;
}

/* Of neither host a pid is known: it must not be lost for looking alike. */
static void
follows_it_between_remote_hosts (void **state)
{
  struct world *w = *state;
  const struct guest *g = NULL;

  registry_update (w->reg, remote ("one", GUEST_RUNNING, INTENT_RUN));
  /* One host by two names. */
  registry_update (w->reg, remote ("uno", GUEST_RUNNING, INTENT_RUN));
  expect (w, "+a0 ");
  registry_gone (w->reg, "rundir", "uno", A);
  registry_update (w->reg, remote ("two", GUEST_PAUSED, INTENT_MIGRATE));
  expect (w, "");
  /* What it says from there is not heard before it has arrived. */
  registry_event (w->reg, "rundir", "two", A, GUEST_EVENT_RESUME, NULL);
  expect (w, "");
  registry_event (w->reg, "rundir", "one", A, GUEST_EVENT_STOP, NULL);
  expect (w, "STOP:a0 ");
  registry_update (w->reg, remote ("two", GUEST_RUNNING, INTENT_RUN));
  registry_update (w->reg, remote ("one", GUEST_OFF, INTENT_MIGRATE));
  expect (w, "!a0 ");
  assert_int_equal (registry_find (w->reg, A, &g, NULL), 0);
  assert_string_equal (g->host, "two");
  guest_unref (g);
  /* And one that is off where it came from is no hindrance to go back. */
  registry_update (w->reg, remote ("two", GUEST_OFF, INTENT_STOP));
  registry_update (w->reg, remote ("one", GUEST_RUNNING, INTENT_RUN));
  assert_int_equal (registry_find (w->reg, A, &g, NULL), 0);
  assert_string_equal (g->host, "one");
  guest_unref (g);
}

static void
finds_by_what_people_type (void **state)
{
  struct world *w = *state;
  const struct guest *g = NULL;
  struct error err = ERROR_INIT;
  struct guest *named = guest (B, "web", 8);

  strcpy (named->display, "Shop front");
  registry_update (w->reg, guest (A, "database", 7));
  registry_update (w->reg, guest (A2, "cache", 9));
  registry_update (w->reg, named);

  assert_int_equal (registry_find (w->reg, "web", &g, &err), 0);
  assert_string_equal (g->inc.uuid, B);
  guest_unref (g);
  assert_int_equal (registry_find (w->reg, "Shop front", &g, &err), 0);
  guest_unref (g);
  assert_int_equal (registry_find (w->reg, "BBBB", &g, &err), 0);
  guest_unref (g);
  assert_int_equal (registry_find (w->reg, "bbb", &g, &err), -ENOENT);
  assert_int_equal (registry_find (w->reg, "aaaaaaaa-", &g, &err), -EEXIST);
  assert_int_equal (registry_find (w->reg, A, &g, &err), 0);
  guest_unref (g);
  assert_int_equal (registry_find (w->reg, "databse", &g, &err), -ENOENT);
  assert_non_null (strstr (err.msg, "did you mean 'database'"));
}

static void
refuses_more_than_it_can_hold (void **state)
{
  struct world *w = *state;
  char uuid[UUID_TEXT];

  for (unsigned i = 0; i < 9000; i++)
    {
      snprintf (uuid, sizeof uuid, "%08x-2222-4333-8444-555555555555", i);
      registry_update (w->reg, guest (uuid, "x", 7));
    }
  assert_int_equal (registry_count (w->reg), 8192);
  assert_int_equal (registry_refused (w->reg), 9000 - 8192);
}

int
main (void)
{
#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T (tells_what_changed_and_nothing_else),
    T (counts_one_boot_once),
    T (tells_who_told_of_a_boot),
    T (names_it_in_lower_case),
    T (counts_a_start_without_a_pid_as_a_boot),
    T (sweeps_only_its_own),
    T (lets_the_first_source_own_it),
    T (finds_by_what_people_type),
    T (follows_it_from_host_to_host),
    T (recalls_boots_of_an_earlier_run),
    T (follows_it_between_remote_hosts),
    T (refuses_more_than_it_can_hold),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
