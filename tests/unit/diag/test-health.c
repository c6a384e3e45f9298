/* SPDX-License-Identifier: Apache-2.0
 *
 * How the devices behind a guest's disk say that they are.  A pool that is
 * full and a disk that fails are not to be had here: what the kernel and such
 * disks say is as their documents have it.
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
#include "base/opener.h"
#include "diag/collect/cgroup.h"
#include "base/opener_impl.h"
#include "diag/collect/health.h"
#include "tests/lib/tmpdir.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

static struct health
health_of (const char *text)
{
  struct health h;

  health_read (text, strlen (text), &h);
  return h;
}

/* ---- thin pools ---- */

static void
pools (void **state)
{
  static const struct
  {
    const char *said;
    enum pool_state pool;
    double data, metadata;
    bool errors;
  } cases[] = {
    { "dm thin-pool 7 1024/4096 512/2048 - rw discard_passdown "
      "queue_if_no_space - 1024",
      POOL_OK, 0.25, 0.25, false },
    /* Word for word, of 6.12. */
    { "dm thin-pool 0 214/2048 128/128 - out_of_data_space "
      "discard_passdown queue_if_no_space - 512 \n",
      POOL_OUT_OF_DATA, 1, 214.0 / 2048, false },
    /* As older kernels have it. */
    { "dm thin-pool 0 10/100 99/100 17 rw no_discard_passdown "
      "error_if_no_space",
      POOL_OK, 0.99, 0.1, true },
    { "dm thin-pool 1 141/4096 2048/2048 - out_of_data_space "
      "discard_passdown queue_if_no_space - 1024",
      POOL_OUT_OF_DATA, 1, 141.0 / 4096, false },
    { "dm thin-pool 1 141/4096 2048/2048 - out_of_data_space "
      "discard_passdown error_if_no_space - 1024",
      POOL_OUT_OF_DATA, 1, 141.0 / 4096, true },
    { "dm thin-pool 1 4096/4096 9/2048 - ro discard_passdown "
      "queue_if_no_space - 1024",
      POOL_READ_ONLY, 9.0 / 2048, 1, false },
    { "dm thin-pool 1 4096/4096 9/2048 - ro discard_passdown "
      "queue_if_no_space needs_check 1024",
      POOL_NEEDS_CHECK, 9.0 / 2048, 1, false },
    { "dm thin-pool Fail", POOL_FAILED, -1, -1, false },
    { "dm thin-pool Error", POOL_FAILED, -1, -1, false },
    { "dm thin Fail", POOL_FAILED, -1, -1, false },
    { "dm linear\ndm thin-pool 1 0/1 0/1 - rw x", POOL_OK, 0, 0, false },
    /* No pools, and of no shape. */
    { "dm linear ", POOL_NONE, -1, -1, false },
    { "dm thin 204800 204799", POOL_NONE, -1, -1, false },
    { "dm crypt ", POOL_NONE, -1, -1, false },
    { "dm thin-pool ", POOL_NONE, -1, -1, false },
    { "dm thin-pool 1 9/0 5/4 - rw", POOL_OK, -1, -1, false },
    { "dm thin-pool 1 -1/9 a/b - rw", POOL_OK, -1, -1, false },
    { "thin-pool 1 0/1 0/1 - rw x", POOL_NONE, -1, -1, false },
    { "", POOL_NONE, -1, -1, false },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct health h = health_of (cases[i].said);

      if (h.pool != cases[i].pool || h.data < cases[i].data - 1e-9
          || h.data > cases[i].data + 1e-9
          || h.metadata < cases[i].metadata - 1e-9
          || h.metadata > cases[i].metadata + 1e-9
          || h.errors_if_full != cases[i].errors)
        fail_msg ("%s: %s %f %f", cases[i].said, pool_state_names[h.pool],
                  h.data, h.metadata);
    }
}

/* ---- disks ---- */

static const char *
hex (const char *what, const uint8_t *data, size_t n)
{
  static char text[1100];
  size_t at = (size_t) sprintf (text, "%s ", what);

  for (size_t i = 0; i < n; i++)
    at += (size_t) sprintf (text + at, "%02x", data[i]);
  return text;
}

static void
nvme (void **state)
{
  uint8_t log[512] = { [1] = 0x37, [2] = 0x01, [3] = 100, [4] = 10, [5] = 3 };
  struct health h = health_of (hex ("nvme", log, sizeof log));

  assert_int_equal (h.disk, HEALTH_OK);
  assert_int_equal (h.media_errors, 0);
  assert_string_equal (h.why, "");
  log[160] = 4;
  log[161] = 1;
  h = health_of (hex ("nvme", log, sizeof log));
  assert_int_equal (h.disk, HEALTH_WARNS);
  assert_int_equal (h.media_errors, 260);
  assert_string_equal (h.why, "260 media errors");
  log[160] = log[161] = 0;
  log[5] = 120;
  h = health_of (hex ("nvme", log, sizeof log));
  assert_string_equal (h.why, "120 % of its life used");
  log[0] = 1 << 0 | 1 << 3;
  h = health_of (hex ("nvme", log, sizeof log));
  assert_int_equal (h.disk, HEALTH_FAILING);
  assert_string_equal (h.why, "its spare blocks run out, its media are "
                              "read-only, 120 % of its life used");
  /* All that it may say together is cut, not lost. */
  memset (log, 0xff, sizeof log);
  h = health_of (hex ("nvme", log, sizeof log));
  assert_int_equal (h.disk, HEALTH_FAILING);
  assert_true (h.media_errors > 0 && strlen (h.why) < sizeof h.why);
  /* Too short. */
  assert_int_equal (health_of (hex ("nvme", log, 511)).disk, HEALTH_UNKNOWN);
}

/* What the state of its registers is told by: in a descriptor, or in fixed
 * places. */
static void
ata_status (void **state)
{
  uint8_t d[32] = { 0x72, 1, 0, 0x1d, 0, 0, 0, 14, 0x09, 0x0c };
  uint8_t f[32] = { 0x70, 0, 1, 0, 0x50 };

  /* Word for word, of libata. */
  assert_int_equal (health_of ("ata-status 7201001d0000000e090c00000001000000"
                               "4f00c2005000000000000000000000\n")
                        .disk,
                    HEALTH_OK);
  d[17] = 0x4f;
  d[19] = 0xc2;
  assert_int_equal (health_of (hex ("ata-status", d, 32)).disk, HEALTH_OK);
  d[17] = 0xf4;
  d[19] = 0x2c;
  assert_int_equal (health_of (hex ("ata-status", d, 32)).disk,
                    HEALTH_FAILING);
  d[17] = 0;
  assert_int_equal (health_of (hex ("ata-status", d, 32)).disk,
                    HEALTH_UNKNOWN);
  f[10] = 0xf4;
  f[11] = 0x2c;
  assert_int_equal (health_of (hex ("ata-status", f, 32)).disk,
                    HEALTH_FAILING);
  /* It does not know what it was asked. */
  f[2] = 5;
  assert_int_equal (health_of (hex ("ata-status", f, 32)).disk,
                    HEALTH_UNKNOWN);
}

static void
ata_data (void **state)
{
  uint8_t data[512] = { 16, 0, 5, 0x33, 0, 100, 100, 77 }, sum = 0;
  struct health h;

  data[14] = 197;
  data[14 + 5] = 8;
  for (size_t i = 0; i < 511; i++)
    sum = (uint8_t) (sum + data[i]);
  data[511] = (uint8_t) -sum;
  h = health_of (hex ("ata-data", data, 512));
  assert_int_equal (h.disk, HEALTH_WARNS);
  assert_int_equal (h.media_errors, 8);
  assert_string_equal (h.why, "8 sectors that it can't read");
  /* What does not add up says nothing; nor does what has no such numbers. */
  data[510] = 1;
  assert_int_equal (health_of (hex ("ata-data", data, 512)).media_errors, -1);
  memset (data, 0, sizeof data);
  assert_int_equal (health_of (hex ("ata-data", data, 512)).media_errors, -1);
}

/* ---- asked ---- */

/* What each device says, by its number; the rest is refused so. */
static const struct
{
  const char *number, *says;
  int code;
} devices[] = {
  { "253:2", "dm thin 2048 2047\n", 0 },
  { "253:1",
    "dm thin-pool 1 9/100 100/100 - out_of_data_space discard_passdown "
    "queue_if_no_space - 10\n",
    0 },
  { "8:0", NULL, EPERM },
  { "8:16", NULL, ENODEV },
  { "8:32", NULL, ETIMEDOUT },
  { "252:0", "dm crypt \n", 0 },
  { "253:5", "dm thin Fail\n", 0 },
  { "253:6", "dm thin-pool Fail\n", 0 },
  { "259:0", "nvme 00", 0 },
  { "8:48", "asleep\n", 0 },
};
static atomic_uint asked;
static bool asleep;

static int
answer (struct opener *self, const struct open_req *req, uint64_t deadline,
        int *ret_fd, int *ret_lock, struct error *err)
{
  assert_int_equal (req->kind, OPEN_HEALTH);
  assert_int_equal (open_req_check (req, NULL, err), 0);
  asked++;
  for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++)
    if (strcmp (devices[i].number, req->path) == 0)
      {
        if (!devices[i].says)
          return error_set (err, devices[i].code, "no for %s", req->path);
        *ret_fd = memfd_create ("health", MFD_CLOEXEC);
        assert_true (write (*ret_fd, devices[i].says,
                            strlen (devices[i].says)) > 0);
        lseek (*ret_fd, 0, SEEK_SET);
        *ret_lock = -1;
        return 0;
      }
  fail_msg ("nobody has %s", req->path);
  return -ENOENT;
}

static struct haul *
ask (struct json_object *list)
{
  struct opener opener = { .open = answer };
  struct transport_env env = { .opener = &opener };
  struct health_asked *all = health_asked_new ();
  struct haul *h = haul_new ();
  struct guest g = { .name = "g" };
  struct collect_ctx ctx = { .guest = &g, .env = &env, .out = &h->out,
                             .deadline = clock_ms () + 60000 };

  assert_non_null (list);
  asked = 0;
  health_ask_together (&ctx, &list, 1, true, all);
  asleep = health_slept (list, all);
  health_ask (&ctx, "vda", list, all);
  /* What another disk of the guest has in common with it is not asked again. */
  unsigned once = asked;
  health_ask (&ctx, "vdb", list, all);
  assert_int_equal (asked, once);
  for (size_t i = h->nfacts; i > 0; i--)
    if (strncmp (h->facts[i - 1].name, "disk.vdb.", 9) == 0)
      h->nfacts--;
  health_asked_free (all);
  return h;
}

static void
a_pool_behind_a_disk (void **state)
{
  CLEANUP_JSON struct json_object *list = json_tokener_parse (
      "[{'device':'dm-2','kind':'lvm','number':'253:2','name':'vg-web'},"
      "{'device':'dm-1','kind':'thin-pool','number':'253:1',"
      "'name':'vg-thin-tpool'},"
      "{'device':'dm-0','kind':'crypt','number':'252:0'},"
      "{'device':'sdb','kind':'scsi','number':'8:16'},"
      "{'device':'vdb','kind':'virtio','number':'254:0'}]");
  struct haul *h = ask (list);

  assert_string_equal (text_of (h, "disk.vda.pool"), "vg-thin-tpool");
  assert_string_equal (text_of (h, "disk.vda.pool_state"), "out-of-data");
  assert_true (fact_of (h, "disk.vda.pool_data")->d == 1);
  assert_string_equal (text_of (h, "disk.vda.pool_trouble"),
                       "thin pool vg-thin-tpool has no room for data, and "
                       "lets writes wait");
  assert_null (fact_of (h, "disk.vda.health"));
  /* Keys are never near it; a kind that says nothing is no gap. */
  assert_int_equal (asked, 3);
  assert_string_equal (buf_str (&h->gaps), "");
  assert_string_equal (
      json_get_str (json_object_array_get_idx (list, 1), "pool"),
      "out-of-data");
  haul_free (h);
}

static void
a_pool_that_failed (void **state)
{
  CLEANUP_JSON struct json_object *list = json_tokener_parse (
      "[{'device':'dm-5','kind':'lvm','number':'253:5','name':'vg-web'},"
      "{'device':'dm-6','kind':'thin-pool','number':'253:6',"
      "'name':'vg-thin-tpool'},"
      "{'device':'nvme0n1','kind':'nvme','number':'259:0'}]");
  struct haul *h = ask (list);

  assert_string_equal (text_of (h, "disk.vda.pool_trouble"),
                       "thin pool vg-thin-tpool has failed");
  assert_null (fact_of (h, "disk.vda.pool_data"));
  /* It was asked, and said nothing that can be read. */
  assert_null (fact_of (h, "disk.vda.health"));
  assert_int_equal (asked, 3);
  haul_free (h);
}

static void
who_does_not_tell (void **state)
{
  CLEANUP_JSON struct json_object *list = json_tokener_parse (
      "[{'device':'sda','kind':'scsi','number':'8:0'},"
      "{'device':'sdc','kind':'scsi','number':'8:32'},{},7,"
      "{'device':'sdd','kind':'scsi'}]");
  struct haul *h = ask (list);

  assert_int_equal (h->nfacts, 0);
  assert_int_equal (asked, 2);
  /* One for the disk, and each with its own reason in the file. */
  assert_non_null (strstr (buf_str (&h->gaps), "vda: how sda behind it is: "
                                               "no for 8:0"));
  assert_null (strstr (buf_str (&h->gaps), "sdc"));
  assert_string_equal (
      json_get_str (json_object_array_get_idx (list, 1), "not_asked"),
      "no for 8:32");
  haul_free (h);
}

/* It is let sleep: its image is not read, and that it has no SMART to tell is
 * no gap. */
static void
who_sleeps (void **state)
{
  CLEANUP_JSON struct json_object *list = json_tokener_parse (
      "[{'device':'dm-2','kind':'lvm','number':'253:2','name':'vg-web'},"
      "{'device':'sdd','kind':'scsi','number':'8:48'}]");
  struct haul *h = ask (list);

  assert_true (asleep);
  assert_int_equal (asked, 2);
  assert_int_equal (int_of (h, "disk.vda.asleep"), 1);
  assert_null (fact_of (h, "disk.vda.health"));
  assert_string_equal (buf_str (&h->gaps), "");
  assert_true (json_get_bool (json_object_array_get_idx (list, 1), "asleep",
                              false));
  haul_free (h);
}

/* ---- some that never answer ---- */

#define DEAD "8:100"
static atomic_bool living_asked;
static atomic_uint dead_asked;

/* A dead one holds who asks it until the living one was asked. */
static int
answer_or_hang (struct opener *self, const struct open_req *req,
                uint64_t deadline, int *ret_fd, int *ret_lock,
                struct error *err)
{
  struct timespec nap = { 0, 1000000 };

  if (strncmp (req->path, DEAD, 5) != 0)
    {
      atomic_store (&living_asked, true);
      return answer (self, req, deadline, ret_fd, ret_lock, err);
    }
  atomic_fetch_add (&dead_asked, 1);
  while (!atomic_load (&living_asked) && clock_ms () < deadline)
    nanosleep (&nap, NULL);
  return error_set (err, ETIMEDOUT, "%s is stuck", req->path);
}

/* Side by side; and those that the kernel calls dead after those that may
 * live. */
static void
the_dead_hold_nobody_up (void **state)
{
  struct json_object *lists[2]
      = { json_object_new_array (),
          json_tokener_parse ("[{'device':'nvme0n1','kind':'nvme',"
                              "'number':'259:0'}]") };
  struct opener opener = { .open = answer_or_hang };
  struct transport_env env = { .opener = &opener };
  struct health_asked *all = health_asked_new ();
  struct haul *h = haul_new ();
  struct guest g = { .name = "g" };
  struct collect_ctx ctx = { .guest = &g, .env = &env, .out = &h->out,
                             .deadline = clock_ms () + 60000 };
  uint64_t began = clock_ms ();

  for (unsigned i = 0; i < 20; i++)
    {
      struct json_object *o = json_object_new_object ();
      char number[20];

      snprintf (number, sizeof number, DEAD "%u", i);
      json_add_str (o, "device", "sdx");
      json_add_str (o, "kind", "scsi");
      json_add_str (o, "number", number);
      json_add_str (o, "state", i < 6 ? "ok" : "dead");
      json_object_array_add (lists[0], o);
    }
  health_ask_together (&ctx, lists, 2, false, all);
  assert_true (clock_ms () - began < 1400);
  assert_int_equal (dead_asked, 20);
  health_ask (&ctx, "vda", lists[0], all);
  health_ask (&ctx, "vdb", lists[1], all);
  assert_non_null (strstr (buf_str (&h->gaps), "vda: how sdx behind it is: "));
  assert_null (strstr (buf_str (&h->gaps), "vdb"));
  json_object_put (lists[0]);
  json_object_put (lists[1]);
  health_asked_free (all);
  haul_free (h);
}

/* Who could not be asked for lack of time is a gap, with that reason. */
static void
no_time_is_a_reason (void **state)
{
  CLEANUP_JSON struct json_object *list = json_tokener_parse (
      "[{'device':'nvme0n1','kind':'nvme','number':'259:0'}]");
  struct health_asked *all = health_asked_new ();
  struct haul *h = haul_new ();
  struct guest g = { .name = "g" };
  struct collect_ctx ctx = { .guest = &g, .out = &h->out,
                             .deadline = clock_ms () };

  health_ask (&ctx, "vda", list, all);
  assert_non_null (strstr (buf_str (&h->gaps), "the budget ended"));
  health_asked_free (all);
  haul_free (h);
}

/* By what CHECK POWER MODE says, in either format. */
static void
power_modes (void **state)
{
  static const struct
  {
    uint8_t mode;
    bool asleep;
  } cases[] = { { 0x00, true },  { 0x01, true },  { 0x40, true },
                { 0x41, false }, { 0x80, false }, { 0x81, false },
                { 0x83, false }, { 0xff, false } };
  uint8_t d[32] = { 0x72, 0x01, 0, 0x1d, 0, 0, 0, 0x0e, 0x09, 0x0c };
  uint8_t f[32] = { 0x70, 0, 0x01, 0, 0x50, 0, 0, 0x0a };
  bool is;

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      d[13] = f[6] = cases[i].mode;
      assert_int_equal (open_asleep_ (d, sizeof d, &is), 0);
      assert_true (is == cases[i].asleep);
      assert_int_equal (open_asleep_ (f, sizeof f, &is), 0);
      assert_true (is == cases[i].asleep);
    }
  /* Who does not say it is not taken for awake. */
  assert_int_equal (open_asleep_ (d, 21, &is), -EBADMSG);
  memset (d, 0, sizeof d);
  assert_int_equal (open_asleep_ (d, sizeof d, &is), -EBADMSG);
}

/* What the host's kernel has suspended is woken by being opened. */
static void
who_is_suspended (void **state)
{
  struct tmpdir tmp = { .fd = -1 };
  char line[300];

  assert_int_equal (tmpdir_make (&tmp), 0);
  snprintf (line, sizeof line, "mkdir -p %s/8:0/device/power", tmp.path);
  assert_int_equal (system (line), 0);
  assert_false (open_suspended_ (tmp.path, "8:0"));
  assert_int_equal (tmpdir_put (tmp.fd, "8:0/device/power/runtime_status",
                                "active\n", 7), 0);
  assert_false (open_suspended_ (tmp.path, "8:0"));
  assert_int_equal (tmpdir_put (tmp.fd, "8:0/device/power/runtime_status",
                                "suspended\n", 10), 0);
  assert_true (open_suspended_ (tmp.path, "8:0"));
  assert_false (open_suspended_ (tmp.path, "8:16"));
  tmpdir_done (&tmp);
}

/* The opener itself; a loop device has nothing to say. */
static void
what_may_be_asked (void **state)
{
  static const char *const bad[]
      = { "8", "8:", ":1", "8:0/x", "08:0", "8:0 ", "+8:0", "8:-1",
          "99999999999:0", "../8:0" };
  struct open_req req
      = { .kind = OPEN_HEALTH, .root = "/dev/block", .path = "7:0" };
  struct error err = ERROR_INIT;
  int fd, lock;

  assert_int_equal (opener_do (&req, &fd, &lock, &err), -ENODEV);
  req.path = "4095:4095";
  assert_int_equal (opener_do (&req, &fd, &lock, &err), -ENODEV);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    {
      req.path = bad[i];
      if (open_req_check (&req, NULL, &err) == 0)
        fail_msg ("%s", bad[i]);
    }
  req.path = "8:0";
  req.root = "/dev";
  assert_int_equal (open_req_check (&req, NULL, &err), -EACCES);
}

/* ---- the host's own hardware ---- */

static void
hardware (void **state)
{
  struct tmpdir tmp = { .fd = -1 };
  struct haul *h = haul_new ();
  struct guest g = { .name = "g" };
  struct collect_ctx ctx = { .guest = &g, .out = &h->out };
  char line[600], irqs[128];

  assert_int_equal (tmpdir_make (&tmp), 0);
  snprintf (irqs, sizeof irqs, "%s/interrupts", tmp.path);
  host_hardware_ (&ctx, tmp.path, irqs);
  assert_int_equal (h->nfacts, 0);
  snprintf (line, sizeof line,
            "cd %s && mkdir -p devices/system/edac/mc/mc0 "
            "devices/system/edac/mc/mc1 && cd devices/system/edac/mc && "
            "echo 3 >mc0/ce_count && echo 0 >mc0/ue_count && "
            "echo 1 >mc1/ce_count && echo 2 >mc1/ue_count",
            tmp.path);
  assert_int_equal (system (line), 0);
  snprintf (line, sizeof line,
            "           CPU0       CPU1\n"
            "  8:          1          0   IO-APIC   8-edge      rtc0\n"
            "MCE:          2          1   Machine check exceptions\n"
            "MCP:        300        300   Machine check polls\n");
  assert_int_equal (tmpdir_put (tmp.fd, "interrupts", line, strlen (line)),
                    0);
  host_hardware_ (&ctx, tmp.path, irqs);
  assert_int_equal (int_of (h, "host.memory_errors"), 6);
  assert_int_equal (int_of (h, "host.memory_uncorrected"), 2);
  assert_int_equal (int_of (h, "host.machine_checks"), 3);
  haul_free (h);
  tmpdir_done (&tmp);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (pools),
    cmocka_unit_test (nvme),
    cmocka_unit_test (ata_status),
    cmocka_unit_test (ata_data),
    cmocka_unit_test (a_pool_behind_a_disk),
    cmocka_unit_test (a_pool_that_failed),
    cmocka_unit_test (who_does_not_tell),
    cmocka_unit_test (who_sleeps),
    cmocka_unit_test (the_dead_hold_nobody_up),
    cmocka_unit_test (no_time_is_a_reason),
    cmocka_unit_test (power_modes),
    cmocka_unit_test (who_is_suspended),
    cmocka_unit_test (what_may_be_asked),
    cmocka_unit_test (hardware),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
