/* SPDX-License-Identifier: Apache-2.0
 *
 * libvirt on our loop: its event functions, and the source against the real
 * driver test:///default, which needs no hypervisor.
 *
 * One loop for the whole programme: libvirt takes its event implementation
 * once per process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/loop.h"
#include "guests/source.h"
#include "guests/virt.h"
#include "transports/monitor/monitor.h"
#include "tests/lib/until.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define URI "test:///default"

static struct loop *loop;

static void
rounds (unsigned n)
{
  while (n-- > 0)
    assert_int_equal (loop_round (loop, 5, NULL), 0);
}

/* ---- the six functions ---- */

struct probe
{
  int id, calls, got, freed;
  bool inside, freed_inside;
  bool remove_in_call;
};

static void
probe_free (void *opaque)
{
  struct probe *p = opaque;

  p->freed++;
  p->freed_inside |= p->inside;
}

static void
on_fd (int id, int fd, int events, void *opaque)
{
  struct probe *p = opaque;

  assert_int_equal (id, p->id);
  p->inside = true;
  p->calls++;
  p->got |= events;
  if (p->remove_in_call)
    assert_int_equal (virEventRemoveHandle (id), 0);
  p->inside = false;
}

static void
on_time (int id, void *opaque)
{
  struct probe *p = opaque;

  assert_int_equal (id, p->id);
  p->inside = true;
  p->calls++;
  if (p->remove_in_call)
    assert_int_equal (virEventRemoveTimeout (id), 0);
  p->inside = false;
}

static void
watches_one_fd_twice (void **state)
{
  struct probe r = { .calls = 0 }, w = { .calls = 0 };
  int fds[2];

  assert_int_equal (pipe2 (fds, O_CLOEXEC | O_NONBLOCK), 0);
  r.id = virEventAddHandle (fds[0], VIR_EVENT_HANDLE_READABLE, on_fd, &r,
                            probe_free);
  w.id = virEventAddHandle (fds[0], VIR_EVENT_HANDLE_READABLE, on_fd, &w,
                            probe_free);
  assert_true (r.id > 0 && w.id > 0 && r.id != w.id);
  rounds (3);
  assert_int_equal (r.calls + w.calls, 0);
  assert_int_equal (write (fds[1], "x", 1), 1);
  UNTIL_LOOP (loop, r.calls && w.calls);
  assert_int_equal (r.got, VIR_EVENT_HANDLE_READABLE);

  /* Switched off it is not called, removed it is freed, but later. */
  virEventUpdateHandle (r.id, 0);
  w.remove_in_call = true;
  w.calls = 0;
  UNTIL_LOOP (loop, w.freed == 1);
  assert_int_equal (w.calls, 1);
  assert_false (w.freed_inside);
  r.calls = 0;
  rounds (5);
  assert_int_equal (r.calls, 0);
  assert_int_equal (virEventRemoveHandle (w.id), -1);

  /* A hang-up is told unasked. */
  r.got = 0;
  r.remove_in_call = true;
  close (fds[1]);
  virEventUpdateHandle (r.id, VIR_EVENT_HANDLE_READABLE);
  UNTIL_LOOP (loop, r.freed == 1);
  assert_true (r.got & VIR_EVENT_HANDLE_HANGUP);
  close (fds[0]);
}

static void
keeps_time (void **state)
{
  struct probe off = { .calls = 0 }, each = { .calls = 0 },
               slow = { .calls = 0 };
  uint64_t began;
  int calls;

  off.id = virEventAddTimeout (-1, on_time, &off, probe_free);
  each.id = virEventAddTimeout (0, on_time, &each, probe_free);
  slow.id = virEventAddTimeout (30, on_time, &slow, probe_free);
  began = clock_ms ();
  UNTIL_LOOP (loop, slow.calls >= 2);
  assert_true (clock_ms () - began >= 60);
  /* Every round: oftener, sooner or later, however few rounds there are in
   * that time on a machine that has much else to do. */
  UNTIL_LOOP (loop, each.calls > slow.calls + 2);
  assert_int_equal (off.calls, 0);

  virEventUpdateTimeout (each.id, -1);
  virEventUpdateTimeout (off.id, 0);
  UNTIL_LOOP (loop, off.calls > 0);
  calls = each.calls;
  rounds (4);
  assert_int_equal (each.calls, calls);
  off.remove_in_call = true;
  UNTIL_LOOP (loop, off.freed == 1);
  assert_false (off.freed_inside);
  assert_int_equal (virEventRemoveTimeout (each.id), 0);
  assert_int_equal (virEventRemoveTimeout (slow.id), 0);
  UNTIL_LOOP (loop, each.freed && slow.freed);
  assert_int_equal (virEventRemoveTimeout (slow.id), -1);
}

struct hammer
{
  int fds[2];
  atomic_bool done;
  atomic_int freed, called;
};

static void
hammer_free (void *opaque)
{
  struct hammer *h = opaque;

  atomic_fetch_add (&h->freed, 1);
}

static void
hammer_fd (int id, int fd, int events, void *opaque)
{
  struct hammer *h = opaque;

  atomic_fetch_add (&h->called, 1);
}

static void
hammer_time (int id, void *opaque)
{
  struct hammer *h = opaque;

  atomic_fetch_add (&h->called, 1);
}

/* As a job's thread does inside an RPC. */
static void *
hammer_run (void *arg)
{
  struct hammer *h = arg;

  for (unsigned i = 0; i < 2000; i++)
    {
      int a = virEventAddHandle (h->fds[0], VIR_EVENT_HANDLE_READABLE,
                                 hammer_fd, h, hammer_free);
      int t = virEventAddTimeout (-1, hammer_time, h, hammer_free);

      virEventUpdateTimeout (t, 0);
      virEventUpdateHandle (a, 0);
      virEventUpdateHandle (a, VIR_EVENT_HANDLE_READABLE);
      virEventUpdateTimeout (t, -1);
      virEventRemoveTimeout (t);
      virEventRemoveHandle (a);
    }
  atomic_store (&h->done, true);
  return NULL;
}

static void
may_be_called_from_any_thread (void **state)
{
  struct hammer h = { .called = 0 };
  pthread_t thread;

  assert_int_equal (pipe2 (h.fds, O_CLOEXEC | O_NONBLOCK), 0);
  assert_int_equal (write (h.fds[1], "x", 1), 1);
  assert_int_equal (pthread_create (&thread, NULL, hammer_run, &h), 0);
  UNTIL_LOOP (loop, atomic_load (&h.done));
  pthread_join (thread, NULL);
  UNTIL_LOOP (loop, atomic_load (&h.freed) == 4000);
  rounds (3);
  assert_int_equal (atomic_load (&h.freed), 4000);
  close (h.fds[0]);
  close (h.fds[1]);
}

static void
takes_one_loop_only (void **state)
{
  struct error err = ERROR_INIT;

  assert_int_equal (virt_init (loop, &err), -EALREADY);
}

/* ---- the source ---- */

struct world
{
  struct guest_source_env env;
  void *source;
  unsigned added, gone, events[GUEST_EVENT_MAX];
  struct guest *last;
};

static void
hear (enum guest_change change, const struct guest *was,
      const struct guest *now, void *arg)
{
  struct world *w = arg;

  w->added += change == GUEST_ADDED;
  w->gone += change == GUEST_GONE;
  if (now && strcmp (now->name, "unit-test") == 0)
    {
      guest_unref (w->last);
      w->last = guest_ref (now);
    }
}

static void
hear_event (const struct guest *g, enum guest_event event, const char *detail,
            void *arg)
{
  struct world *w = arg;

  w->events[event]++;
}

static int
setup (void **state)
{
  struct world *w = calloc (1, sizeof *w);
  const struct guest_source_config cfg
      = { .kind = (char *) "libvirt", .uri = (char *) URI, .console_mode = -1 };

  w->env.loop = loop;
  assert_int_equal (job_pool_new (loop, NULL, &w->env.jobs, NULL), 0);
  assert_int_equal (registry_new (loop, NULL, &w->env.registry, NULL), 0);
  assert_int_equal (
      registry_listen (w->env.registry, hear, hear_event, w, NULL), 0);
  assert_int_equal (
      guest_source_libvirt.start (&w->env, &cfg, &w->source, NULL), 0);
  *state = w;
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;

  struct job_stats stats;

  guest_source_libvirt.stop (w->source);
  UNTIL_LOOP (loop, (job_pool_stats (w->env.jobs, &stats), stats.running == 0));
  job_pool_free (w->env.jobs, 5000);
  registry_free (w->env.registry);
  guest_unref (w->last);
  free (w);
  rounds (10);
  return 0;
}

static const char domain[]
    = "<domain type='test'><name>unit-test</name><memory>65536</memory>"
      "<vcpu>1</vcpu><os><type>hvm</type></os><devices/></domain>";

static const char *
domain_again (const char *uuid, char again[512])
{
  snprintf (again, 512, "%.*s<uuid>%s</uuid>%s", (int) strlen ("<domain "
            "type='test'>"), domain, uuid, domain + strlen ("<domain "
            "type='test'>"));
  return again;
}

static void
hears_what_happens_to_a_domain (void **state)
{
  struct world *w = *state;
  struct buf line CLEANUP_BUF = BUF_INIT (512);
  virConnectPtr conn = virConnectOpen (URI);
  virDomainPtr dom, other;
  struct incarnation first;
  char again[512];

  assert_non_null (conn);
  UNTIL_LOOP (loop, guest_source_libvirt.healthy (w->source));
  UNTIL_LOOP (loop, w->added == 1); /* the driver's own "test" */
  dom = virDomainCreateXML (conn, domain, 0);
  assert_non_null (dom);
  UNTIL_LOOP (loop, w->last && w->last->run == GUEST_RUNNING);
  assert_int_equal (w->last->memory_bytes, 64u << 20);
  assert_int_equal (w->last->monitor, MONITOR_LIBVIRT);
  assert_string_equal (w->last->host, URI);

  assert_int_equal (virDomainSuspend (dom), 0);
  UNTIL_LOOP (loop, w->last->run == GUEST_PAUSED && w->events[GUEST_EVENT_STOP] == 1);
  assert_int_equal (w->last->intent, INTENT_PAUSE);
  assert_int_equal (virDomainResume (dom), 0);
  UNTIL_LOOP (loop, w->last->run == GUEST_RUNNING && w->events[GUEST_EVENT_RESUME] == 1);

  /* No process: libvirt's number of the start tells this life. */
  first = w->last->inc;
  assert_int_equal (first.pid, 0);
  assert_true (first.start_time > 0);
  assert_int_equal (virt_check_life (dom, &first, NULL), 0);
  assert_int_equal (virDomainDestroy (dom), 0);
  UNTIL_LOOP (loop, w->gone == 1);
  assert_int_equal (w->events[GUEST_EVENT_SHUTDOWN], 1);
  virDomainFree (dom);
  dom = virDomainCreateXML (conn, domain_again (first.uuid, again), 0);
  assert_non_null (dom);
  assert_int_equal (virt_check_life (dom, &first, NULL), -ESTALE);
  assert_int_equal (virt_domain (URI, &first, &other, NULL), -ESTALE);
  UNTIL_LOOP (loop, w->last->run == GUEST_RUNNING
         && !incarnation_equal (&w->last->inc, &first));
  assert_int_equal (virt_check_life (dom, &w->last->inc, NULL), 0);
  assert_int_equal (virDomainDestroy (dom), 0);
  UNTIL_LOOP (loop, w->gone == 2);
  virDomainFree (dom);
  virConnectClose (conn);
  guest_source_libvirt.describe (w->source, &line);
  assert_non_null (strstr (buf_str (&line), "connected"));
}

static void
asks_without_tainting (void **state)
{
  struct world *w = *state;
  struct error err = ERROR_INIT;
  struct transport_env env = { .opener = NULL };
  const struct guest *g CLEANUP_GUEST = NULL;
  enum monitor_health health = MONITOR_HEALTH_MAX;
  struct json_object *stats = NULL;
  char status[32] = "";

  UNTIL_LOOP (loop, w->added == 1);
  assert_int_equal (registry_find (w->env.registry, "test", &g, &err), 0);
  if (monitor_status (&env, g, clock_ms () + UNTIL_MS, &health, status,
                      sizeof status, &err)
      < 0)
    fail_msg ("%s", error_text (&err));
  assert_string_equal (status, "running");
  assert_int_equal (health, MONITOR_ANSWERS);
  /* This driver has no counters and no monitor to speak to. */
  (void) monitor_blockstats (&env, g, clock_ms () + UNTIL_MS, &stats, &err);
  json_object_put (stats);
}

static void
tells_a_domain_that_is_not_there (void **state)
{
  struct error err = ERROR_INIT;
  struct transport_env env = { .opener = NULL };
  struct guest *g = guest_new ();
  enum monitor_health health = MONITOR_HEALTH_MAX;
  char status[32] = "untouched";

  strcpy (g->host, URI);
  strcpy (g->inc.uuid, "11111111-2222-4333-8444-555555555555");
  g->monitor = MONITOR_LIBVIRT;
  assert_int_equal (monitor_status (&env, g, clock_ms () + UNTIL_MS, &health,
                                    status, sizeof status, &err),
                    -ENOENT);
  assert_int_equal (health, MONITOR_GONE);
  assert_string_equal (status, "untouched");
  guest_unref (g);
}

static void
can_be_stopped_while_it_looks (void **state)
{
  struct world *w = *state;

  loop_round (loop, 0, NULL);
  guest_source_libvirt.stop (w->source);
  w->source = NULL;
  rounds (20);
  assert_int_equal (w->added, 0);
}

static void
tries_again_when_there_is_no_host (void **state)
{
  struct world *w = *state;
  const struct guest_source_config cfg
      = { .uri = (char *) "test:///no/such/file", .console_mode = -1 };
  struct buf line CLEANUP_BUF = BUF_INIT (1024);
  void *source = NULL;
  uint64_t until = clock_ms () + UNTIL_MS;

  assert_int_equal (guest_source_libvirt.start (&w->env, &cfg, &source, NULL),
                    0);
  do
    {
      assert_true (clock_ms () < until);
      rounds (1);
      buf_clear (&line);
      guest_source_libvirt.describe (source, &line);
    }
  while (!strstr (buf_str (&line), "next try"));
  assert_false (guest_source_libvirt.healthy (source));
  assert_non_null (strstr (buf_str (&line), "not connected"));
  guest_source_libvirt.stop (source);
}

int
main (void)
{
#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (watches_one_fd_twice),
    cmocka_unit_test (keeps_time),
    cmocka_unit_test (may_be_called_from_any_thread),
    cmocka_unit_test (takes_one_loop_only),
    T (hears_what_happens_to_a_domain),
    T (asks_without_tainting),
    T (tells_a_domain_that_is_not_there),
    T (can_be_stopped_while_it_looks),
    T (tries_again_when_there_is_no_host),
  };
  struct error err = ERROR_INIT;
  int r;

  if (loop_new (&loop, &err) < 0 || virt_init (loop, &err) < 0)
    {
      fprintf (stderr, "%s\n", error_text (&err));
      return 1;
    }
  r = cmocka_run_group_tests (tests, NULL, NULL);
  virt_done ();
  loop_free (loop);
  return r;
}
