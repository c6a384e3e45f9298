/* SPDX-License-Identifier: Apache-2.0
 *
 * What is concluded from what is behind a guest's disks, and what is found
 * there: pools, devices, hardware, the host's own memory.
 */
#include "concludes.h"

#define LIVES "kernel.panicked=0;kernel.clock_moved=1;kernel.switches=20"
#define WEB "what the check web asks for"
#define WELL LIVES ";vcpu.irqs_off=0;tasks.blocked=0;tasks.in_lock=0"

/* What is behind its disk says why; one that is only fuller than it should be
 * does not, nor does a disk that is well. */
static void
what_is_behind_a_disk (void **state)
{
#define FULL "disk.vda.pool_trouble@host=thin pool p has no room"
#define NEARLY "disk.vda.pool@host=p;disk.vda.pool_data@host=0.99"
#define STALLED                                                               \
  ";finding.storage_stalled=disk vda: 1 request;"                             \
  "culprit.storage_stalled=disk vda;disk.any_moved=0;"
  concludes (LIVES STALLED FULL, "no-answer", "storage-stalled",
             "disk vda; thin pool p has no room");
  concludes (LIVES STALLED NEARLY, "no-answer", "storage-stalled", "disk vda");
  /* Another disk's pool is not why this one stands. */
  concludes (LIVES STALLED FULL ";disk.vda.waits_s=9.0;disk.vdb.waits_s=0.0",
             "no-answer", "storage-stalled",
             "disk vda; thin pool p has no room");
  concludes (LIVES STALLED "disk.vdb.pool_trouble@host=p is full;"
             "disk.vda.waits_s=9.0;disk.vdb.waits_s=0.0",
             "no-answer", "storage-stalled", "disk vda");
  concludes (LIVES STALLED "disk.vdb.host_trouble@host=a read fails;"
             "disk.vda.waits_s=9.0;disk.vdb.waits_s=0.0",
             "no-answer", "storage-stalled", "disk vda");
  concludes (LIVES STALLED "disk.vdb.crawls@monitor=1;"
             "disk.vda.waits_s=9.0;disk.vdb.waits_s=0.0",
             "no-answer", "storage-stalled", "disk vda");
  concludes ("vmm.status@monitor=io-error;" FULL, "silent", "io-error",
             "thin pool p has no room");
  concludes ("vmm.status@monitor=io-error;" NEARLY, "silent", "io-error",
             "io-error");
  concludes ("vmm.status@monitor=running;disk.vda.new_errors@monitor=3;"
             "disk.vdb.pool_trouble@host=p is full",
             "silent", "storage-stalled",
             "host side of the guest's disk: requests fail");
  concludes ("vmm.status@monitor=running;disk.vda.new_errors@monitor=3;" FULL,
             "no-answer", "storage-stalled", "thin pool p has no room");
  concludes ("vmm.status@monitor=running;kernel.answers@sysrq=shown;"
             "tasks.in_io@sysrq=2;disk.any_moved@monitor=0;" FULL,
             "no-answer", "storage-stalled", "thin pool p has no room");
  concludes (WELL ";" FULL, "disk-stalled", "storage-stalled",
             "thin pool p has no room");
  /* Alone it is no verdict. */
  concludes (WELL ";" FULL, "status", "application-dead", WEB);
  concludes (WELL ";disk.vda.health@host=failing", "status",
             "application-dead", WEB);
  /* Slow for its disk, and for something else. */
  concludes (WELL ";disk.vda.latency_ms@monitor=900.0", "slow", "slow",
             "host side of the guest's disk");
  concludes (WELL ";disk.vda.latency_ms@monitor=90.0", "slow", "slow", WEB);
}

/* "": nothing at all. */
static void
finds (const char *text, const char *want)
{
  size_t n;

  if (is_found (text, want, &n) != (want[0] != '\0') || (!want[0] && n))
    fail_msg ("%s: not \"%s\", %zu", text, want, n);
}

static void
tells_what_is_behind (void **state)
{
  static const struct
  {
    const char *facts, *finding;
  } cases[] = {
    { "disk.vda.pool_trouble@host=thin pool p is read-only", "pool-fails" },
    { "disk.vda.pool_data@host=0.90", "pool-short" },
    { "disk.vda.pool_metadata@host=0.95", "pool-short" },
    { "disk.vda.io_status@monitor=nospace", "host-has-no-room" },
    { "disk.vda.host_free@host=4096", "host-room-short" },
    { "host.fs.full@host=/var (ext4, 100 %)", "host-fs-full" },
    { "net.br0.carrier@host=1;net.tap1.link_changes@host=3", "" },
    { "net.br0.carrier@host=0", "no-carrier-there" },
    { "net.tap1.link_changes@host=30", "link-flaps" },
    { "disk.vda.host_free@host=99999999;disk.vda.io_status@monitor=ok", "" },
    { "disk.vda.backing_state@host=suspended", "backing-stands" },
    { "disk.vda.backing_state@host=degraded", "backing-degraded" },
    { "disk.vda.health@host=failing", "hardware-fails" },
    { "disk.vda.health@host=warns", "hardware-warns" },
    { "disk.vda.latency_ms@monitor=900.0", "disk-takes-long" },
    { "disk.vda.slowest_ms@monitor=1000.0", "disk-took-long" },
    { "host.memory_uncorrected@host=1", "host-memory-fails" },
    { "host.machine_checks@host=2", "host-machine-checks" },
    { "host.log.trouble@host=mce: x", "host-kernel-tells" },
    { "disk.vda.pool@host=p;disk.vda.pool_data@host=0.89;"
      "disk.vda.pool_metadata@host=0.2;disk.vda.pool_state@host=ok",
      "" },
    { "disk.vda.health@host=ok;disk.vda.media_errors@host=0;"
      "disk.vda.backing_state@host=ok;host.machine_checks@host=0",
      "" },
    { "disk.vda.latency_ms@monitor=90.0;disk.vda.slowest_ms@monitor=50.0;"
      "host.memory_uncorrected@host=0;host.memory_errors@host=4",
      "" },
  };

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    finds (cases[i].facts, cases[i].finding);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (what_is_behind_a_disk),
    cmocka_unit_test (tells_what_is_behind),
  };

  return cmocka_run_group_tests (tests, begin_rules, end_rules);
}
