/* SPDX-License-Identifier: Apache-2.0
 *
 * What the host tells of a guest: lines of its kernel, control groups, and
 * which bytes of a frame are kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define PLAY_REAL_CLOCK 1
#include "play.h"

#include "base/cleanup.h"
#include "diag/collect/cgroup.h"
#include "diag/collect/net_ask.h"
#include "tests/lib/tmpdir.h"

#include <unistd.h>

static struct guest
guest (void)
{
  static struct guest_nic nics[1];
  static struct guest_disk disks[1];
  struct guest g = { .name = "vm", .display = "vm", .nics = nics, .nnics = 1,
                     .disks = disks, .ndisks = 1 };

  g.inc.pid = 4321;
  snprintf (nics[0].ifname, sizeof nics[0].ifname, "vnet7");
  snprintf (disks[0].path, sizeof disks[0].path, "/dev/vg/guest-root");
  return g;
}

static struct haul *
read_log (const char *text, uint64_t since)
{
  struct guest g = guest ();
  struct haul *h = haul_new ();
  struct collect_ctx ctx = { .guest = &g, .out = &h->out };
  CLEANUP_FREE char *copy = strdup (text);

  hostlog_read (&ctx, copy, since);
  return h;
}

static void
lines_of_the_guest (void **state)
{
  struct haul *h = read_log (
      "6,1,1000000,-;br0: port 2(vnet7) entered disabled state\n"
      " SUBSYSTEM=net\n"
      "6,2,2000000,-;br0: port 3(vnet70) entered disabled state\n"
      "6,3,3000000,-;process 14321 and 43210 are others\n"
      "4,4,4000000,-;guest-root: short read\n"
      "4,5,5000000,-;guest-root2: another's\n"
      "not a record at all 4321\n",
      9000000);
  const char *kept = file_of (h, "host/kernel.log");

  assert_non_null (strstr (kept, "(vnet7)"));
  assert_non_null (strstr (kept, "guest-root: short"));
  assert_null (strstr (kept, "vnet70"));
  assert_null (strstr (kept, "others"));
  assert_null (strstr (kept, "another's"));
  assert_null (strstr (kept, "SUBSYSTEM"));
  assert_null (strstr (kept, "no record"));
  assert_string_equal (text_of (h, "host.log.guest"),
                       "guest-root: short read");
  assert_null (fact_of (h, "host.log.trouble"));
  assert_null (fact_of (h, "qemu.oom_killed"));
  haul_free (h);
}

static void
trouble_of_the_host (void **state)
{
  static const char text[]
      = "3,1,1000000,-;blk_update_request: I/O error, dev sdb, sector 1\n"
        "3,2,8000000,-;Out of memory: Killed process 4321 (qemu-system-x86) "
        "total-vm:1kB\n"
        "6,3,8100000,-;oom_reaper: reaped process 4321 (qemu-system-x86)\n";
  struct haul *h = read_log (text, 5000000);

  /* What is old is of another day. */
  assert_null (strstr (file_of (h, "host/kernel.log"), "sdb"));
  assert_non_null (strstr (text_of (h, "host.log.trouble"), "Out of memory"));
  assert_int_equal (int_of (h, "qemu.oom_killed"), 1);
  /* What comes after that says less. */
  assert_non_null (strstr (text_of (h, "host.log.guest"), "Killed process"));
  haul_free (h);
  h = read_log ("3,2,8,-;Out of memory: Killed process 43210 (x)\n", 0);
  assert_null (fact_of (h, "qemu.oom_killed"));
  haul_free (h);
  h = read_log ("3,2,8,-;device-mapper: thin: 253:4: switching pool to "
                "out-of-data-space (queue IO) mode\n",
                0);
  assert_non_null (strstr (text_of (h, "host.log.trouble"), "253:4"));
  haul_free (h);
}

static void
a_long_log_is_cut_and_said_to_be (void **state)
{
  struct buf text CLEANUP_BUF = BUF_INIT (1u << 20);
  struct haul *h;

  for (unsigned i = 0; i < 3000; i++)
    buf_printf (&text, "6,%u,%u000000,-;br0: port 2(vnet7) entered state\n", i,
                i + 1);
  h = read_log (buf_str (&text), 0);
  assert_null (strstr (file_of (h, "host/kernel.log"), "[    1."));
  assert_non_null (strstr (file_of (h, "host/kernel.log"), "[ 3000."));
  assert_non_null (strstr (buf_str (&h->gaps), "cut to the last 64 KiB"));
  haul_free (h);
}

/* Any file of the host's that is longer than its bound. */
static void
what_is_cut_is_said (void **state)
{
  struct guest g = guest ();
  struct haul *h = haul_new ();
  struct collect_ctx ctx = { .guest = &g, .out = &h->out };

  assert_true (collect_copy (&ctx, "/proc/self/status", "qemu/status", 10,
                             NULL));
  assert_int_equal (strlen (file_of (h, "qemu/status")), 10);
  assert_non_null (strstr (buf_str (&h->gaps), "the first 10 bytes"));
  haul_free (h);
}

/* Of this process: there is some control group on each host. */
static void
groups_are_found (void **state)
{
  struct guest g = guest ();
  struct haul *h = haul_new ();
  struct collect_ctx ctx = { .guest = &g, .out = &h->out };
  struct cgroups c = { .known = false };

  g.inc.pid = getpid ();
  collect_cgroups (&ctx, &c);
  assert_true (c.known);
  assert_int_equal (int_of (h, "qemu.cgroup.frozen"), 0);
  collect_cgroups_again (&ctx, &c);
  haul_free (h);
}

/* A folder that looks like one of theirs: so many of 100 ms, and so long not. */
static const char *
held_back (struct haul *h, const char *quota, const char *throttled)
{
  struct guest g = guest ();
  struct collect_ctx ctx = { .guest = &g, .out = &h->out };
  struct tmpdir tmp;
  struct cgroups c = { .known = true, .at_us = clock_us () - 1000000 };
  char text[80];

  assert_int_equal (tmpdir_make (&tmp), 0);
  snprintf (text, sizeof text, "%s 100000\n", quota);
  assert_int_equal (tmpdir_put (tmp.fd, "cpu.max", text, strlen (text)), 0);
  snprintf (text, sizeof text, "nr_throttled 9\nthrottled_usec %s\n",
            throttled);
  assert_int_equal (tmpdir_put (tmp.fd, "cpu.stat", text, strlen (text)), 0);
  snprintf (c.group[CGROUP_UNIFIED], sizeof c.group[0], "%s", tmp.path);
  collect_cgroups_again (&ctx, &c);
  tmpdir_done (&tmp);
  return text_of (h, "qemu.cgroup.held_back");
}

static void
a_quota_is_named (void **state)
{
  struct haul *h = haul_new ();

  assert_int_equal (
      strncmp (held_back (h, "10000", "900000"),
               "quota of 0.10 processors (control group ", 40), 0);
  assert_in_range ((int) (fact_of (h, "qemu.cgroup.throttled")->d * 100), 70,
                   91);
  haul_free (h);
  /* One that is hardly felt, and none. */
  h = haul_new ();
  assert_string_equal (held_back (h, "10000", "20000"), "(none)");
  assert_string_equal (held_back (h, "max", "900000"), "(none)");
  haul_free (h);
}

static void
no_payload (void **state)
{
  unsigned char f[96] = { 0 };

  f[12] = 8; /* IPv4, TCP with 12 bytes of options */
  f[14] = 0x45;
  f[23] = 6;
  f[34 + 12] = 0x80;
  assert_int_equal (net_headers_len (f, sizeof f), 14 + 20 + 32);
  assert_int_equal (net_headers_len (f, 40), 40);
  f[23] = 17;
  assert_int_equal (net_headers_len (f, sizeof f), 14 + 20 + 8);
  f[20] = 0x20, f[21] = 1; /* a later fragment */
  assert_int_equal (net_headers_len (f, sizeof f), 14 + 20);
  f[13] = 6; /* ARP */
  assert_int_equal (net_headers_len (f, sizeof f), 14 + 28);
  f[12] = 0x86, f[13] = 0xdd;
  f[20] = 58;
  assert_int_equal (net_headers_len (f, sizeof f), 14 + 40 + 8);
  f[12] = 0x12;
  assert_int_equal (net_headers_len (f, sizeof f), 14);
  /* Any bytes: never more than there are. */
  for (unsigned i = 0; i < 20000; i++)
    {
      size_t n = i % 97;

      for (size_t k = 0; k < sizeof f; k++)
        f[k] = (unsigned char) random ();
      if (i % 3 == 0)
        f[12] = 8, f[13] = 0;
      assert_in_range (net_headers_len (f, n), 0, n);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (lines_of_the_guest),
    cmocka_unit_test (trouble_of_the_host),
    cmocka_unit_test (a_long_log_is_cut_and_said_to_be),
    cmocka_unit_test (what_is_cut_is_said),
    cmocka_unit_test (groups_are_found),
    cmocka_unit_test (a_quota_is_named),
    cmocka_unit_test (no_payload),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
