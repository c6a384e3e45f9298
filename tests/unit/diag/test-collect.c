/* SPDX-License-Identifier: Apache-2.0
 *
 * Collectors: their table, monitor, disk.  Network and consoles are
 * test-collect-ways', host and QEMU's process test-collect-host's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "collect-played.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the table ---- */

static void
test_table (void **state)
{
  for (size_t i = 0; collectors[i]; i++)
    {
      const struct collector *c = collectors[i];

      assert_ptr_equal (collector_find (c->name), c);
      assert_true (c->summary && c->lane && c->run && c->budget_ms > 0);
      assert_non_null (collect_touch_names[c->touch]);
      /* What changes the guest says so before. */
      assert_true (c->touch != TOUCH_INTRUSIVE || c->plan);
      /* What touches less comes first. */
      assert_true (i == 0 || collectors[i - 1]->touch <= c->touch
                   || c->touch == TOUCH_CONSOLE
                   || c->touch == TOUCH_INTRUSIVE
                   || collectors[i - 1]->touch == TOUCH_INTRUSIVE);
    }
  assert_null (collector_find ("nothing"));
}

/* ---- monitor ---- */

static pid_t
stopped_child (void)
{
  pid_t pid = fork ();
  int status;

  assert_true (pid >= 0);
  if (pid == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      raise (SIGSTOP);
      _exit (0);
    }
  assert_int_equal (waitpid (pid, &status, WUNTRACED), pid);
  assert_true (WIFSTOPPED (status));
  return pid;
}

static void
end_child (pid_t pid)
{
  assert_int_equal (kill (pid, SIGKILL), 0);
  assert_int_equal (waitpid (pid, NULL, 0), pid);
}

static void
test_monitor (void **state)
{
  struct guest g = guest ();
  struct haul *h;
  uint64_t began;

  memset (&play, 0, sizeof play);
  play.status[0].status = "running";
  play.status[1].status = "paused";
  h = get (&collect_monitor, &g, NULL, 0);
  assert_int_equal (play.asked, 2);
  assert_int_equal (h->nfacts, 4);
  assert_string_equal (text_of (h, "vmm.status"), "paused");
  assert_string_equal (text_of (h, "vmm.monitor"), "answers");
  assert_true (h->facts[3].time_ms >= h->facts[0].time_ms + 1000);
  assert_non_null (strstr (file_of (h, "monitor/status.json"), "\"paused\""));
  haul_free (h);

  /* Greets, and then nothing: what was waited for it parts the samples. */
  for (int i = 0; i < 2; i++)
    {
      play.status[i].rc = -ETIMEDOUT;
      play.status[i].health = MONITOR_GREETS_ONLY;
      play.status[i].took_ms = MONITOR_HOLD_MS;
    }
  began = now_ms;
  h = get (&collect_monitor, &g, NULL, 0);
  assert_int_equal (now_ms - began, 2 * MONITOR_HOLD_MS);
  assert_string_equal (text_of (h, "vmm.monitor"), "greets-only");
  assert_string_equal (text_of (h, "vmm.status"), "(none)");
  assert_null (strchr (file_of (h, "monitor/status.json"), '\033'));
  haul_free (h);

  /* A process that is stopped is not asked again, and that is said. */
  g.inc.pid = stopped_child ();
  play.asked = 0;
  h = get (&collect_monitor, &g, NULL, 0);
  assert_int_equal (play.asked, 1);
  assert_string_equal (text_of (h, "qemu.state"), "stopped");
  assert_string_equal (text_of (h, "vmm.monitor"), "greets-only");
  haul_free (h);
  end_child (g.inc.pid);
  g.inc.pid = 0;

  /* Our own trouble is no fact about QEMU, but a step that failed. */
  for (int i = 0; i < 2; i++)
    {
      play.status[i].rc = -EMFILE;
      play.status[i].health = MONITOR_GONE;
      play.status[i].took_ms = 0;
    }
  h = get (&collect_monitor, &g, NULL, -EMFILE);
  assert_int_equal (h->nfacts, 0);
  haul_free (h);

  g.monitor = MONITOR_NONE;
  haul_free (get (&collect_monitor, &g, NULL, -ENOENT));
}

/* ---- disk ---- */

#define S(rd, err)                                                            \
  "{\"rd_bytes\":0,\"rd_ops\":" #rd ",\"wr_bytes\":0,\"wr_ops\":5,"           \
  "\"flush_ops\":0,\"errors\":" #err "}"

static void
test_disk (void **state)
{
  struct guest g = guest ();
  struct haul *h;

  memset (&play, 0, sizeof play);
  play.stats[0] = "{\"vda\":" S (1, 0) ",\"VD.b/x\":" S (9, 2) "}";
  play.stats[1] = "{\"vda\":" S (2, 0) ",\"VD.b/x\":" S (9, 5) ",\"new\":"
                  S (1, 1) "}";
  h = get (&collect_disk, &g, NULL, 0);
  assert_int_equal (int_of (h, "disk.vda.moved"), 1);
  assert_int_equal (int_of (h, "disk.vda.new_errors"), 0);
  assert_int_equal (int_of (h, "disk.vd_b_x.moved"), 0);
  assert_int_equal (int_of (h, "disk.vd_b_x.new_errors"), 3);
  assert_int_equal (int_of (h, "disk.vd_b_x.errors"), 5);
  assert_int_equal (int_of (h, "disk.new.moved"), -999);
  assert_int_equal (int_of (h, "disk.any_moved"), 1);
  assert_non_null (strstr (file_of (h, "disk/blockstats.json"), "second"));
  haul_free (h);

  play.stats[1] = play.stats[0];
  h = get (&collect_disk, &g, NULL, 0);
  assert_int_equal (int_of (h, "disk.any_moved"), 0);
  haul_free (h);

  /* Of a guest without disks none stands still. */
  play.stats[0] = play.stats[1] = "{}";
  h = get (&collect_disk, &g, NULL, 0);
  assert_int_equal (int_of (h, "disk.any_moved"), -999);
  haul_free (h);

  /* The first sample is kept when the second fails. */
  play.stats[1] = NULL;
  h = get (&collect_disk, &g, NULL, -ETIMEDOUT);
  assert_int_equal (h->nfacts, 0);
  assert_non_null (strstr (file_of (h, "disk/blockstats.json"), "first"));
  haul_free (h);
  play.stats[0] = NULL;
  haul_free (get (&collect_disk, &g, NULL, -ETIMEDOUT));
}

/* In the monitor's two samples: nobody waits for two more. */
static void
test_disk_by_monitor (void **state)
{
  struct guest g = guest ();
  uint64_t began = now_ms;
  struct haul *h;

  memset (&play, 0, sizeof play);
  play.status[0].status = play.status[1].status = "running";
  play.stats[0] = "{\"vda\":" S (1, 0) "}";
  play.stats[1] = "{\"vda\":" S (1, 1) "}";
  h = get (&collect_monitor, &g, NULL, 0);
  assert_in_range (now_ms - began, 1000, 1100);
  assert_int_equal (int_of (h, "disk.any_moved"), 0);
  assert_int_equal (int_of (h, "disk.vda.new_errors"), 1);
  assert_non_null (strstr (file_of (h, "disk/blockstats.json"), "second"));
  haul_free (h);

  /* One that answers the second time has been counted once. */
  play.status[0].rc = -ETIMEDOUT;
  play.status[0].health = MONITOR_GREETS_ONLY;
  h = get (&collect_monitor, &g, NULL, 0);
  assert_int_equal (int_of (h, "disk.any_moved"), -999);
  assert_non_null (strstr (file_of (h, "disk/blockstats.json"), "first"));
  haul_free (h);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_table),
    cmocka_unit_test (test_monitor),
    cmocka_unit_test (test_disk),
    cmocka_unit_test (test_disk_by_monitor),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
