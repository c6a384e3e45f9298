/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector image: real images, made by the tools that make them, which this
 * process has open as a QEMU would; and the parser.
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
#include "diag/collect/backing.h"
#include "tests/lib/built.h"
#include "tests/lib/tmpdir.h"

#include <limits.h>
#include <stdatomic.h>
#include <libgen.h>

static struct tmpdir tmp = { .fd = -1 };
static char libexec[PATH_MAX];

/* False where a tool is missing. */
static bool
make (const char *fmt, const char *path)
{
  char line[1000], where[300];

  snprintf (where, sizeof where, "%s/%s", tmp.path, path);
  snprintf (line, sizeof line,
            "PATH=$PATH:/usr/sbin:/sbin; cd %s && f=%s && { %s; } "
            ">>log 2>&1",
            tmp.path, path, fmt);
  return system (line) == 0;
}

#define EXT4 "truncate -s 8M $f && mkfs.ext4 -q -F -L root $f && "
#define BROKEN                                                                \
  "printf 'ssv error_count 3\\nssv first_error_func ext4_find_entry\\n"       \
  "ssv first_error_time 20260102030405\\nssv last_error_func ext4_lookup\\n"  \
  "ssv last_error_line 77\\nssv last_error_time 20260203040506\\n"            \
  "ssv state 2\\n' | debugfs -w -f - $f"

struct held
{
  int fds[3];
  struct guest g;
  struct guest_disk disks[2];
};

/* The guest whose QEMU this is. */
static void
hold (struct held *held, const char *const *names, unsigned n)
{
  memset (held, 0, sizeof *held);
  held->g = (struct guest){ .name = "vm", .display = "vm",
                            .disks = held->disks, .ndisks = 1 };
  held->g.inc.pid = getpid ();
  assert_int_equal (
      proc_start_time (getpid (), &held->g.inc.start_time, NULL), 0);
  snprintf (held->disks[0].target, sizeof held->disks[0].target, "vda");
  snprintf (held->disks[0].path, sizeof held->disks[0].path, "%s/%s",
            tmp.path, names[0]);
  for (unsigned i = 0; i < 3; i++)
    held->fds[i]
        = i < n ? openat (tmp.fd, names[i], O_RDWR | O_CLOEXEC) : -1;
}

static struct haul *
look (struct held *held, int want)
{
  struct transport_env env = { .opener = opener_local (),
                               .libexec = libexec };
  struct haul *h = haul_new ();
  struct error err = ERROR_INIT;
  int rc = collect (&collect_image, &held->g, &env, NULL, h, &err);

  if (rc != want)
    fail_msg ("%d: %s", rc, err.msg);
  for (unsigned i = 0; i < 3; i++)
    if (held->fds[i] >= 0)
      close (held->fds[i]);
  return h;
}

static void
noted_errors (const struct haul *h, const char *prefix)
{
  char name[FACT_NAME_MAX];

  snprintf (name, sizeof name, "disk.%s.fs.state", prefix);
  if (strcmp (text_of (h, name), "errors") != 0)
    fail_msg ("%s", file_of (h, "disk/images.json"));
  snprintf (name, sizeof name, "disk.%s.fs.errors", prefix);
  assert_int_equal (int_of (h, name), 3);
  snprintf (name, sizeof name, "disk.%s.fs.first_error", prefix);
  assert_non_null (strstr (text_of (h, name), "ext4_find_entry:"));
  assert_non_null (strstr (text_of (h, name), "2026-01-02T"));
  snprintf (name, sizeof name, "disk.%s.fs.last_error", prefix);
  assert_non_null (strstr (text_of (h, name), "ext4_lookup:77 "));
}

static void
errors_of_ext4 (void **state)
{
  static const char *const names[] = { "ext4.raw" };
  struct held held;
  struct haul *h;

  if (!make (EXT4 BROKEN, "ext4.raw"))
    skip ();
  hold (&held, names, 1);
  h = look (&held, 0);
  noted_errors (h, "vda");
  assert_string_equal (text_of (h, "disk.vda.fs.type"), "ext4");
  assert_string_equal (text_of (h, "disk.vda.host_read"), "ok");
  assert_true (int_of (h, "disk.vda.host_free") > 0);
  assert_int_equal (int_of (h, "disk.vda.image_corrupt"), 0);
  assert_null (fact_of (h, "disk.vda.host_trouble"));
  assert_string_equal (text_of (h, "disk.behind"), "files or devices that the "
                       "host itself reads well");
  /* What this machine's own disks say is theirs. */
  assert_true (!h->gaps.len
               || strstr (buf_str (&h->gaps), " behind it is: "));
  haul_free (h);
}

static void
a_healthy_one (void **state)
{
  static const char *const names[] = { "well.raw" };
  struct held held;
  struct haul *h;

  if (!make (EXT4 "true", "well.raw"))
    skip ();
  hold (&held, names, 1);
  h = look (&held, 0);
  assert_string_equal (text_of (h, "disk.vda.fs.state"), "clean");
  assert_int_equal (int_of (h, "disk.vda.fs.errors"), 0);
  assert_null (fact_of (h, "disk.vda.fs.last_error"));
  haul_free (h);
}

/* A partition in a qcow2 image that has only what was written since, over
 * another that has the rest. */
static void
errors_behind_layers (void **state)
{
  static const char *const names[] = { "top.qcow2", "middle.qcow2",
                                       "base.raw" };
  struct held held;
  struct haul *h;

  if (!make (EXT4 BROKEN, "part")
      || !make ("truncate -s 10M $f && dd if=part of=$f bs=1M seek=1 "
                "conv=notrunc && printf "
                "'\\200\\0\\0\\0\\203\\0\\0\\0\\0\\010\\0\\0\\0\\100' | dd of=$f "
                "bs=1 seek=446 conv=notrunc && printf '\\125\\252' | "
                "dd of=$f bs=1 seek=510 conv=notrunc",
                "base.raw")
      || !make ("qemu-img create -q -f qcow2 -F raw -b base.raw $f",
                "middle.qcow2")
      || !make ("qemu-img create -q -f qcow2 -F qcow2 -b middle.qcow2 $f",
                "top.qcow2"))
    skip ();
  hold (&held, names, 3);
  h = look (&held, 0);
  noted_errors (h, "vda1");
  assert_non_null (strstr (file_of (h, "disk/images.json"), "\"qcow2\""));
  haul_free (h);
  /* What QEMU has not open is not opened by its name. */
  hold (&held, names, 2);
  h = look (&held, 0);
  assert_null (fact_of (h, "disk.vda1.fs.state"));
  haul_free (h);
  /* And all of it in one image, in many clusters. */
  if (!make ("qemu-img convert -q -S 0 -O qcow2 -o cluster_size=4k base.raw $f",
             "whole.qcow2"))
    skip ();
  hold (&held, (const char *const[]){ "whole.qcow2" }, 1);
  h = look (&held, 0);
  noted_errors (h, "vda1");
  haul_free (h);
}

/* It takes no writes any more: what of the host is amiss is told in words. */
static void
one_that_qemu_gave_up (void **state)
{
  static const char *const names[] = { "bad.qcow2" };
  struct held held;
  struct haul *h;

  if (!make ("qemu-img create -q -f qcow2 $f 1M && printf '\\002' | "
             "dd of=$f bs=1 seek=79 conv=notrunc status=none",
             "bad.qcow2"))
    skip ();
  hold (&held, names, 1);
  h = look (&held, 0);
  assert_int_equal (int_of (h, "disk.vda.image_corrupt"), 1);
  assert_string_equal (text_of (h, "disk.vda.image"), held.disks[0].path);
  /* A guest may have written that itself: its host is not blamed for it. */
  assert_null (fact_of (h, "disk.vda.host_trouble"));
  haul_free (h);
}

static void
what_there_is_not (void **state)
{
  static const char *const names[] = { "small" };
  struct held held;
  struct haul *h;

  /* A file that is no image; and no image at all. */
  assert_int_equal (tmpdir_put (tmp.fd, "small", "secret", 6), 0);
  hold (&held, names, 1);
  h = look (&held, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "vda: "));
  assert_null (fact_of (h, "disk.vda.host_read"));
  haul_free (h);
  hold (&held, names, 0);
  snprintf (held.disks[0].path, sizeof held.disks[0].path,
            "nbd://192.0.2.1:1/x");
  h = look (&held, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "no file or device"));
  assert_string_equal (text_of (h, "disk.vda.backing"),
                       "server nbd 192.0.2.1:1");
  assert_string_equal (text_of (h, "disk.behind"), "server nbd 192.0.2.1:1");
  haul_free (h);
  /* Of one of two it is not known what the other waits for. */
  hold (&held, names, 0);
  snprintf (held.disks[0].path, sizeof held.disks[0].path, "json:{}");
  snprintf (held.disks[1].path, sizeof held.disks[1].path,
            "nbd://192.0.2.1:1/x");
  snprintf (held.disks[1].target, sizeof held.disks[1].target, "vdb");
  held.g.ndisks = 2;
  h = look (&held, 0);
  assert_null (fact_of (h, "disk.behind"));
  haul_free (h);
  hold (&held, names, 0);
  held.g.ndisks = 0;
  haul_free (look (&held, -ENODEV));
}

/* ---- many, and most of them dead ---- */

static char stuck_fd[32][24]; /* "PID/fd/N" */
static unsigned nstuck;
static atomic_uint opened;

static bool
is_stuck (const char *path)
{
  for (unsigned i = 0; i < nstuck; i++)
    if (strcmp (stuck_fd[i], path) == 0)
      return true;
  return false;
}

/* As the keeper does, after a while. */
static int
open_or_hang (struct opener *self, const struct open_req *req,
              uint64_t deadline, int *ret_fd, int *ret_lock,
              struct error *err)
{
  struct timespec nap = { 0, 600000000 };

  if (!is_stuck (req->path))
    return opener_do (req, ret_fd, ret_lock, err);
  atomic_fetch_add (&opened, 1);
  nanosleep (&nap, NULL);
  return error_set (err, ETIMEDOUT, "the file system it is on is stuck");
}

/* Fifteen that hang would have taken all of the budget, one by one. */
static void
the_last_one_answers (void **state)
{
  struct opener opener = { .open = open_or_hang };
  struct transport_env env = { .opener = &opener, .libexec = libexec };
  struct guest_disk disks[GUEST_MAX_DISKS] = { 0 };
  struct guest g = { .name = "vm", .display = "vm", .disks = disks,
                     .ndisks = GUEST_MAX_DISKS };
  struct haul *h = haul_new ();
  int fds[GUEST_MAX_DISKS];

  g.inc.pid = getpid ();
  assert_int_equal (proc_start_time (getpid (), &g.inc.start_time, NULL), 0);
  nstuck = 0;
  for (unsigned i = 0; i < GUEST_MAX_DISKS; i++)
    {
      bool last = i == GUEST_MAX_DISKS - 1;
      char name[20];

      snprintf (name, sizeof name, "disk%u.raw", i);
      assert_true (make ("truncate -s 1M $f", name));
      snprintf (disks[i].target, sizeof disks[i].target, "vd%c",
                (char) ('a' + i));
      snprintf (disks[i].path, sizeof disks[i].path, "%s/%s", tmp.path, name);
      fds[i] = openat (tmp.fd, name, O_RDWR | O_CLOEXEC);
      if (!last)
        snprintf (stuck_fd[nstuck++], sizeof stuck_fd[0], "%d/fd/%d",
                  getpid (), fds[i]);
    }
  assert_int_equal (collect (&collect_image, &g, &env, NULL, h, NULL), 0);
  assert_int_equal (opened, GUEST_MAX_DISKS - 1);
  assert_string_equal (text_of (h, "disk.vda.host_read"), "late");
  assert_string_equal (text_of (h, "disk.vdo.host_read"), "late");
  assert_string_equal (text_of (h, "disk.vdp.host_read"), "ok");
  assert_null (fact_of (h, "disk.behind"));
  for (unsigned i = 0; i < GUEST_MAX_DISKS; i++)
    close (fds[i]);
  haul_free (h);
}

/* That nobody had the time to read it says nothing against a disk. */
static void
no_time_is_no_trouble (void **state)
{
  static const char *const names[] = { "disk0.raw" };
  struct transport_env env = { .opener = opener_local (),
                               .libexec = libexec };
  struct held held;
  struct haul *h = haul_new ();
  struct collect_ctx ctx = { .guest = &held.g, .env = &env, .out = &h->out,
                             .deadline = clock_ms () + 500 };

  assert_true (make ("truncate -s 1M $f", "disk0.raw"));
  hold (&held, names, 1);
  assert_int_equal (collect_image.run (&ctx, NULL), 0);
  assert_null (fact_of (h, "disk.vda.host_read"));
  assert_null (fact_of (h, "disk.vda.host_trouble"));
  assert_non_null (strstr (buf_str (&h->gaps), "vda: the budget ended before "
                                               "it was read"));
  close (held.fds[0]);
  haul_free (h);
}

/* ---- what is behind it ---- */

#define DEVICES                                                               \
  "mkdir -p $f/dev/block $f/class/block/sdb2 && cd $f && "                    \
  "d() { mkdir -p block/$1/slaves; ln -s ../../block/$1 dev/block/$2; } && "  \
  "d dm-2 253:2; d dm-1 253:1; d dm-0 253:0; d nvme0n1 259:0; "               \
  "d md0 9:0; d sdb 8:16; "                                                   \
  "mkdir -p block/sdb/sdb2 && ln -s ../../block/sdb/sdb2 dev/block/8:18 && "  \
  "echo 2 >class/block/sdb2/partition && "                                    \
  "mkdir block/dm-2/slaves/dm-1 block/dm-1/slaves/dm-0 "                      \
  "block/dm-0/slaves/nvme0n1 block/md0/slaves/sdb2"
#define STATES                                                                \
  "cd $f/block && mkdir dm-2/dm dm-1/dm dm-0/dm nvme0n1/device sdb/device "   \
  "md0/md && echo LVM-abc >dm-2/dm/uuid && echo vg-web >dm-2/dm/name && "     \
  "echo LVM-abc-tpool >dm-1/dm/uuid && echo CRYPT-LUKS2-x >dm-0/dm/uuid && "  \
  "echo 0 >dm-2/dm/suspended && echo live >nvme0n1/device/state && "          \
  "echo running >sdb/device/state && echo clean >md0/md/array_state && "      \
  "echo 1 >md0/md/degraded"
#define MOUNTS                                                                \
  "printf '%s\\n' '21 1 253:2 / / rw shared:1 - ext4 /dev/dm-2 rw' "           \
  "'22 21 0:40 / /persist/vault rw - zfs persist/vault rw' "                  \
  "'23 21 9:0 / /persist rw - xfs /dev/md0 rw' "                              \
  "'24 21 8:18 / /pers rw - ext4 /dev/sdb2 rw' >$f/mounts"

static void
behind (const char *path, const char *want_kinds, const char *want_state)
{
  char sys[PATH_MAX + 16], mounts[PATH_MAX + 16], zfs[PATH_MAX + 16];
  const struct backing_of from = { sys, mounts, zfs };
  const char *state = "";
  char kinds[200];

  snprintf (sys, sizeof sys, "%s/sys", tmp.path);
  snprintf (mounts, sizeof mounts, "%s/sys/mounts", tmp.path);
  snprintf (zfs, sizeof zfs, "%s/sys/zfs", tmp.path);
  json_object_put (backing_look (&from, path, kinds, &state));
  assert_string_equal (kinds, want_kinds);
  assert_string_equal (state ? state : "(none)", want_state);
}

static void
stays_among_devices (void **state)
{
  static const char *const not[]
      = { "/srv/x", "/dev/../srv/x", "/dev/mapper/../../srv/x", "/dev/..",
          "/dev/shm/x", "/dev//shm/x", "/dev/./shm/x", "/dev/fd/3", "dev/x",
          "" };

  assert_true (backing_is_device ("/dev/sda"));
  assert_true (backing_is_device ("/dev/vg..x/..web"));
  for (size_t i = 0; i < sizeof not / sizeof *not; i++)
    if (backing_is_device (not[i]))
      fail_msg ("%s", not[i]);
}

/* Twenty below it: those that are looked at are told, and no more. */
static void
what_is_behind_is_bounded (void **state)
{
  char sys[PATH_MAX + 16], mounts[PATH_MAX + 16], kinds[200];
  const struct backing_of from = { sys, mounts, "/nowhere" };
  const char *of;
  struct json_object *list;

  assert_true (make ("mkdir -p $f && cd $f && "
                     "mkdir -p dev/block block/md9/slaves class/block && "
                     "ln -s ../../block/md9 dev/block/9:9 && "
                     "for i in a b c d e f g h i j k l m n o p q r s t;do "
                     "mkdir -p block/sd$i/slaves block/md9/slaves/sd$i;"
                     "done;echo '23 21 9:9 / / rw - xfs /dev/md9 rw' >many",
                     "wide"));
  snprintf (sys, sizeof sys, "%s/wide", tmp.path);
  snprintf (mounts, sizeof mounts, "%s/wide/many", tmp.path);
  list = backing_look (&from, "/srv/web.img", kinds, &of);
  assert_int_equal (json_object_array_length (list), 16);
  json_object_put (list);
}

static void
what_is_behind (void **state)
{
  assert_true (make (DEVICES, "sys"));
  assert_true (make (STATES, "sys"));
  assert_true (make (MOUNTS, "sys"));
  behind ("/srv/web.img", "ext4 > lvm > thin-pool > crypt > nvme", "ok");
  /* The longest that is a folder above it. */
  behind ("/persist/web.img", "xfs > md > scsi", "degraded");
  behind ("/pers/web.img", "ext4 > scsi", "ok");
  behind ("/persist/vault/x", "zfs", "(none)");
  /* ZFS tells of its pools elsewhere; a volume has a name there. */
  assert_true (make ("mkdir -p $f/zfs/persist && "
                     "echo ONLINE >$f/zfs/persist/state", "sys"));
  behind ("/persist/vault/x", "zfs > zpool", "ok");
  assert_true (make ("echo SUSPENDED >$f/zfs/persist/state", "sys"));
  behind ("/dev/zvol/persist/web", "zpool", "suspended");
  behind ("/dev/zvol/other/web", "", "(none)");
  behind ("/dev/no-such-device", "", "(none)");
  behind ("nbd://192.0.2.1/x", "", "(none)");
  /* The worst of them all counts. */
  assert_true (make ("echo 1 >$f/block/dm-1/dm/suspended", "sys"));
  behind ("/srv/web.img", "ext4 > lvm > thin-pool > crypt > nvme",
          "suspended");
  assert_true (make ("echo dead >$f/block/nvme0n1/device/state", "sys"));
  behind ("/srv/web.img", "ext4 > lvm > thin-pool > crypt > nvme", "dead");
  /* Round and round: that ends. */
  assert_true (make ("mkdir $f/block/nvme0n1/slaves/dm-2", "sys"));
  behind ("/srv/web.img", "ext4 > lvm > thin-pool > crypt > nvme > lvm > "
                          "thin-pool > crypt",
          "dead");
}

static int
start (void **state)
{
  char program[PATH_MAX];

  built_path (program, "hangdog-parser");
  snprintf (libexec, sizeof libexec, "%s", dirname (program));
  return tmpdir_make (&tmp);
}

static int
stop (void **state)
{
  tmpdir_done (&tmp);
  return 0;
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (errors_of_ext4),
    cmocka_unit_test (a_healthy_one),
    cmocka_unit_test (errors_behind_layers),
    cmocka_unit_test (one_that_qemu_gave_up),
    cmocka_unit_test (what_there_is_not),
    cmocka_unit_test (the_last_one_answers),
    cmocka_unit_test (no_time_is_no_trouble),
    cmocka_unit_test (stays_among_devices),
    cmocka_unit_test (what_is_behind_is_bounded),
    cmocka_unit_test (what_is_behind),
  };

  return cmocka_run_group_tests (tests, start, stop);
}
