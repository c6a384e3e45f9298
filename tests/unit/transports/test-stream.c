/* SPDX-License-Identifier: Apache-2.0
 *
 * A console through libvirt's stream, where no libvirtd is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libvirt/libvirt.h>
#include <string.h>

#include "base/error.h"
#include "base/job.h"
#include "base/loop.h"
#include "base/opener.h"
#include "tests/fakes/hubworld.h"
#include "transports/console/hub_impl.h"

/* The daemon ends its jobs first, since they use the hub: what is let go of
 * after that must not ask for a job. */
static void
test_ends_after_its_jobs (void **state)
{
  struct guest *g = hubworld_snapshot (0, CONSOLE_STREAM, CONSOLE_PROBE,
                                       "/none/none");
  virConnectPtr conn = virConnectOpen ("test:///default");
  struct error err = ERROR_INIT;
  struct job_pool *jobs;
  struct console *c;
  struct loop *loop;
  struct hub *hub;
  virStreamPtr st;

  assert_non_null (conn);
  assert_int_equal (loop_new (&loop, &err), 0);
  assert_int_equal (job_pool_new (loop, NULL, &jobs, &err), 0);
  assert_int_equal (hub_new (loop, jobs, opener_local (), NULL, NULL, NULL,
                             &hub, &err),
                    0);
  hub_guest (hub, GUEST_ADDED, NULL, g);
  c = console_find_locked_ (hub, g->inc.uuid, NULL);
  assert_non_null (c);
  /* As it is once its opening has come back. */
  c->phase = PHASE_UP;
  st = virStreamNew (conn, VIR_STREAM_NONBLOCK);
  assert_non_null (st);
  c->link.stream = st;

  job_pool_free (jobs, 100);
  hub_free (hub);
  loop_free (loop);
  guest_unref (g);
  (void) virStreamFree (st); /* nobody else does: it ends with the process */
  (void) virConnectClose (conn);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_ends_after_its_jobs),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
