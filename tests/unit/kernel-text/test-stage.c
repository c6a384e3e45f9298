/* SPDX-License-Identifier: Apache-2.0
 *
 * Where guests stand, told line by line; boots that are boots and logs that
 * are shown again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel/text/stage_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct teller
{
  struct stage s;
  char path[4096]; /* "stage/stop" of each move, "!" before a new boot */
  bool moves;      /* write them down */
  bool open;       /* the next line is */
  uint64_t ms;     /* when it comes */
};

static void
tell (const struct text_line *line, void *arg)
{
  struct teller *t = arg;
  struct text_msg msg;
  enum stage_change change;
  size_t n = strlen (t->path);

  prefix_strip (line, &msg);
  change = stage_line (&t->s, &msg);
  if (change == STAGE_SAME)
    return;
  assert_true (change == STAGE_NEW_BOOT || t->s.line == line->number);
  snprintf (t->path + n, sizeof t->path - n, "%s%s%s%s%s", n > 0 ? " " : "",
            change == STAGE_NEW_BOOT ? "!" : "", text_stage_names[t->s.stage],
            t->s.stop != STOP_NONE ? "/" : "",
            t->s.stop != STOP_NONE ? text_stop_names[t->s.stop] : "");
}

/* A text without an end of line is a prompt that stands still. */
static void
feed (struct teller *t, const char *text)
{
  struct splitter *s = NULL;

  t->path[0] = '\0';
  assert_int_equal (splitter_new (tell, t, &s, NULL), 0);
  splitter_feed (s, text, strlen (text), 1 + t->ms);
  splitter_tick (s, 1000 + t->ms);
  splitter_free (s);
}

#define AFTER(t, text, want)                                                  \
  do                                                                          \
    {                                                                         \
      feed (t, text);                                                         \
      assert_string_equal ((t)->path, want);                                  \
    }                                                                         \
  while (0)

#define KERNEL                                                                \
  "[    0.000000] Linux version 6.1.0-41-cloud-amd64 (x) #1 SMP\r\n"          \
  "[    0.000000] Command line: console=ttyS0\r\n"                            \
  "[    0.123457] smp: Bringing up secondary CPUs ...\r\n"                    \
  "[    1.000010] Trying to unpack rootfs image as initramfs...\r\n"
#define OTHER_KERNEL                                                          \
  "[    0.000000] Linux version 6.1.0-41-cloud-amd64 (x) #1 SMP\r\n"          \
  "[    0.000000] Command line: console=ttyS0\r\n"                            \
  "[    0.123911] smp: Bringing up secondary CPUs ...\r\n"                    \
  "[    1.000310] Trying to unpack rootfs image as initramfs...\r\n"
#define RUN_INIT "[    2.000001] Run /init as init process\r\n"

static void
test_debian (void **state)
{
  struct teller t = { .s = STAGE_INIT };

  AFTER (&t, "SeaBIOS (version 1.16.2)\r\niPXE (http://ipxe.org) 00:03.0\r\n"
             "Booting from Hard Disk...\r\n",
         "!firmware");
  AFTER (&t, "GRUB loading.\r\nWelcome to GRUB!\r\n\033[2J\033[1;1H"
             "                   GNU GRUB  version 2.06\033[5;1H"
             "  Booting `Debian GNU/Linux'\r\n\r\n"
             "Loading Linux 6.1.0-41-amd64 ...\r\n",
         "bootloader");
  assert_string_equal (t.s.release, "6.1.0-41-amd64");
  AFTER (&t, "Decompressing Linux... Parsing ELF... done.\r\n" KERNEL RUN_INIT,
         "kernel initramfs");
  assert_string_equal (t.s.release, "6.1.0-41-cloud-amd64");
  AFTER (&t, "Loading, please wait...\r\nBegin: Running /scripts/local ...\r\n"
             "/dev/vda1: clean, 1/2 files, 3/4 blocks\r\n",
         "");
  AFTER (&t, "\r\nWelcome to \033[1mDebian GNU/Linux 12 (bookworm)\033[0m!\r\n"
             "[  OK  ] Started x.\r\n[    4.0] systemd[1]: Started y\r\n",
         "userspace");
  AFTER (&t, "\r\nDebian GNU/Linux 12 lab ttyS0\r\n\r\nlab login: ", "login");
  AFTER (&t, "lab login: root\r\nPassword: \r\nLast login: Mon Jan 1\r\n"
             "root@lab:~# ",
         "shell");
  AFTER (&t, "root@lab:~# reboot\r\n", "");
  AFTER (&t, "[  OK  ] Stopped x.\r\n[  OK  ] Reached target Reboot.\r\n"
             "[   90.0] reboot: Restarting system\r\n",
         "shutdown");
  AFTER (&t, "SeaBIOS (version 1.16.2)\r\n", "!firmware");
  assert_int_equal (t.s.boots, 2);
  assert_string_equal (t.s.release, "");
}

static void
test_others (void **state)
{
  static const struct
  {
    const char *text, *want;
  } cases[] = {
    { "BdsDxe: failed to load Boot0001 \"UEFI QEMU\": Not Found\r\n"
      "BdsDxe: loading Boot0002 \"UEFI Misc\"\r\n"
      "EFI stub: Loaded initrd from LINUX_EFI_INITRD_MEDIA_GUID\r\n",
      "firmware/no-boot-device firmware bootloader" },
    { "U-Boot SPL 2023.01\nU-Boot 2023.01 (Jan 01)\nStarting kernel ...\n"
      "[    0.000000] Booting Linux on physical CPU 0x0000000000\n"
      "[    0.000000] Linux version 6.6.1 (x)\n"
      "[    1.000000] Run /sbin/init as init process\n",
      "!firmware bootloader kernel userspace" },
    { "coreboot-4.19 Mon bootblock starting\ncoreboot-4.19 romstage starting\n"
      "[NOTE ]  coreboot-4.19 ramstage starting\nStarting depthcharge on x\n"
      "coreboot-4.19 Mon bootblock starting\n",
      "!firmware bootloader !firmware" },
    { "NOTICE:  BL31: v2.4(release)\nINFO:    BL31: Initializing\n",
      "!firmware" },
    { "OpenSBI v1.3\n\nU-Boot 2023.01\nHit any key to stop autoboot:  0\n=> ",
      "!firmware bootloader bootloader/bootloader" },
    { "[    0.000000] Linux version 6.6.1-arch1-1 (x)\n"
      "[    1.000000] Run /init as init process\n"
      ":: running early hook [udev]\n:: mounting '/dev/vda' on real root\n"
      "Welcome to Arch Linux!\n",
      "!kernel initramfs userspace" },
    { "[    0.000000] Linux version 6.6.1-0-virt (x)\nAlpine Init 3.9.0-r0\n"
      " * Mounting boot media: ok.\nOpenRC 0.52 is starting up Linux 6.6\n"
      " * Mounting /proc ...\nlocalhost login: ",
      "!kernel initramfs userspace login" },
    { "[    0.000000] Linux version 6.6.1-100.fc39 (x)\n"
      "[    1.0] systemd[1]: systemd 254 running in system mode\n"
      "[    1.1] systemd[1]: Running in initrd.\n"
      "Welcome to Fedora Linux 39 dracut-059 (Initramfs)!\n"
      "[  OK  ] Reached target Basic System.\n"
      "[    2.0] systemd[1]: Switching root.\n"
      "Welcome to Fedora Linux 39!\n",
      "!kernel initramfs userspace" },
    { "Linux version 5.4.0 (x)\nCommand line: console=ttyS0\n"
      "init started: BusyBox v1.35.0\n\n"
      "Please press Enter to activate this console. ",
      "!kernel userspace login" },
    { "INIT: version 2.88 booting\n[ ok ] Starting x.\n"
      "INIT: Switching to runlevel: 6\nWill now restart.\n",
      "!userspace shutdown" },
    { "procd: - early -\nprocd: - init -\nBusyBox v1.36\nroot@OpenWrt:/# ",
      "userspace shell" },
    { "~ # ", "shell" },
    { "bash-5.2# ls", "shell" },
    { "[root@lab ~]# ", "shell" },
    { "lab:~# ", "shell" },
    { "(none) login: ", "login" },
    { "$ ", "shell" },
    { "# a comment\n", "" },
    { "costs 5$ and more\n", "" },
    { "see #5 for more\n", "" },
    { "Failed login: x\n", "" },
    { "hello\n[   12.000000] usb 1-1: new\n", "userspace" },
    { "[   12.000000] usb 1-1: new\n", "" },
    { "INFO:    PSCI Power Domain Map:\n", "" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct teller t = { .s = STAGE_INIT };

      AFTER (&t, cases[i].text, cases[i].want);
    }
}

static void
test_stops (void **state)
{
  static const struct
  {
    const char *text;
    enum text_stage stage;
    enum text_stop stop;
  } cases[] = {
    { "Booting from Hard Disk...\nBoot failed: not a bootable disk\n\n"
      "No bootable device.\n",
      STAGE_FIRMWARE, STOP_NO_BOOT_DEVICE },
    { "iPXE initialising devices...ok\nNothing to boot: No such file\n"
      "No more network devices\n",
      STAGE_FIRMWARE, STOP_NO_BOOT_DEVICE },
    { "BdsDxe: failed to load Boot0001\nUEFI Interactive Shell v2.2\n"
      "\033[1mShell> ",
      STAGE_FIRMWARE, STOP_FIRMWARE_SHELL },
    { "GRUB loading.\nerror: no such device: 12.\nEntering rescue mode...\n"
      "grub rescue> ",
      STAGE_BOOTLOADER, STOP_BOOTLOADER },
    { KERNEL RUN_INIT "Gave up waiting for root file system device.\n"
                      "ALERT!  /dev/vdz does not exist.  Dropping to a shell!\n"
                      "\n(initramfs) ",
      STAGE_INITRAMFS, STOP_NO_ROOT },
    { KERNEL RUN_INIT "Begin: Mounting root ... \n(initramfs) ",
      STAGE_INITRAMFS, STOP_INITRAMFS },
    { KERNEL RUN_INIT
      "[  180.0] dracut-initqueue[212]: Warning: dracut-initqueue timeout - x\n"
      "Generating \"/run/initramfs/rdsosreport.txt\"\n\ndracut:/# ",
      STAGE_INITRAMFS, STOP_NO_ROOT },
    { KERNEL RUN_INIT "dracut:/# ", STAGE_INITRAMFS, STOP_INITRAMFS },
    { KERNEL RUN_INIT
      "/dev/vda1: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.\n"
      "\t(i.e., without -a or -p options)\n(initramfs) ",
      STAGE_INITRAMFS, STOP_INITRAMFS },
    { KERNEL RUN_INIT "Welcome to Debian GNU/Linux 12 (bookworm)!\n"
                      "You are in emergency mode. After logging in, type\n"
                      "Give root password for maintenance\n"
                      "(or press Control-D to continue): ",
      STAGE_USERSPACE, STOP_MAINTENANCE },
    { KERNEL RUN_INIT "Please unlock disk vda5_crypt: ", STAGE_INITRAMFS,
      STOP_PASSPHRASE },
    { KERNEL RUN_INIT
      "\xf0\x9f\x94\x90 Please enter passphrase for disk x (root): ",
      STAGE_INITRAMFS, STOP_PASSPHRASE },
    { KERNEL "[    3.0] VFS: Cannot open root device \"vdz\"\n"
             "[    3.0] Kernel panic - not syncing: VFS: Unable to mount\n",
      STAGE_KERNEL, STOP_PANIC },
    { KERNEL "[    3.000000] Waiting for root device /dev/vdz...\n",
      STAGE_KERNEL, STOP_NO_ROOT },
    { KERNEL RUN_INIT "~ # poweroff\nThe system is going down NOW!\n"
                      "[   30.0] reboot: Power down\n",
      STAGE_SHUTDOWN, STOP_HALTED },
    { "~ # \n[  300.0] reboot: System halted\n", STAGE_SHUTDOWN, STOP_HALTED },
    { "lab login: \n[  300.0] Kernel panic - not syncing: x\n", STAGE_LOGIN,
      STOP_PANIC },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct teller t = { .s = STAGE_INIT };

      feed (&t, cases[i].text);
      assert_string_equal (text_stage_names[t.s.stage],
                           text_stage_names[cases[i].stage]);
      assert_string_equal (text_stop_names[t.s.stop],
                           text_stop_names[cases[i].stop]);
    }
}

/* What ends a stop. */
static void
test_goes_on (void **state)
{
  struct teller t = { .s = STAGE_INIT };

  feed (&t, KERNEL RUN_INIT "Please unlock disk vda5_crypt: ");
  AFTER (&t, "cryptsetup: x: set up successfully\nBegin: Mounting root\n",
         "initramfs");
  feed (&t, "You are in emergency mode.\n");
  AFTER (&t, "root@lab:~# ls\n", "");
  assert_int_equal (t.s.stop, STOP_MAINTENANCE);
  AFTER (&t, "Welcome to Debian GNU/Linux 12 (bookworm)!\n", "userspace");
}

/* A boot that shows itself, and nothing before it. */
static void
test_new_boots (void **state)
{
  struct teller t = { .s = STAGE_INIT };

  /* Silently reset: the running boot's own line never comes. */
  feed (&t, KERNEL RUN_INIT "lab login: ");
  AFTER (&t, OTHER_KERNEL, "!kernel");
  assert_int_equal (t.s.boots, 2);
  assert_string_equal (t.s.release, "6.1.0-41-cloud-amd64");
  AFTER (&t, RUN_INIT, "initramfs");
  /* A boot loop in the kernel itself. */
  {
    struct teller u = { .s = STAGE_INIT };
    const char *early = "[    0.000000] Linux version 6.1.0 (x)\n"
                        "[    0.000000] Command line: x\n";

    feed (&u, KERNEL RUN_INIT "lab login: ");
    AFTER (&u, early, "");
    AFTER (&u, early, "!kernel");
    AFTER (&u, early, "!kernel");
  }
  AFTER (&t, "[    2.5] Kernel panic - not syncing: x\n" OTHER_KERNEL,
         "initramfs/panic !kernel");
  AFTER (&t, "[    2.5] Kernel panic - not syncing: x\n" KERNEL,
         "kernel/panic !kernel");
  assert_int_equal (t.s.boots, 4);
  /* A quiet one: nothing but what is wrong, and the prompt. */
  AFTER (&t, RUN_INIT "~ # \n[  500.0] reboot: Restarting system\n",
         "initramfs shell shutdown");
  AFTER (&t, "[    0.7] ACPI: x failed\n", "!kernel");
  AFTER (&t, "[  500.0] reboot: Restarting system\n~ # ", "shutdown !shell");
  AFTER (&t, "Loading, please wait...\n", "!initramfs");
  /* Firmware that comes round again. */
  AFTER (&t, "SeaBIOS (version 1)\nNo bootable device.\nSeaBIOS (version 1)\n",
         "!firmware firmware/no-boot-device !firmware");
}

/* A stamp that nobody's clock can have come to makes no other line old. */
static void
test_from_the_future (void **state)
{
  struct teller t = { .s = STAGE_INIT };

  t.ms = 1000;
  feed (&t, KERNEL RUN_INIT "~ # ");
  t.ms = 5000;
  feed (&t, "~ # cat x\n[99999999.000000] y\n");
  assert_true (t.s.replay);
  feed (&t, "[99999999.500000] y\n[    9.500000] usb 1-1: gone\n");
  assert_false (t.s.replay);
  assert_int_equal (t.s.live_us, 9500000);
  feed (&t, "[99999999.500000] y\n");
  t.ms = 20000;
  AFTER (&t, "[   21.500000] Kernel panic - not syncing: x\n", "shell/panic");
  /* A clock that did jump goes on from there. */
  t = (struct teller){ .s = STAGE_INIT };
  t.ms = 1000;
  feed (&t, KERNEL RUN_INIT "~ # ");
  for (uint64_t s = 0; s <= 120; s += 20)
    {
      char line[64];

      t.ms = 5000 + s * 1000;
      snprintf (line, sizeof line, "[ %4u.000000] tick\n",
                (unsigned) (7000 + s));
      feed (&t, line);
      assert_true (t.s.live_us >= 7000000000ull ? s >= 60 : s < 60);
    }
}

static void
test_shown_again (void **state)
{
  struct teller t = { .s = STAGE_INIT };

  feed (&t, KERNEL RUN_INIT "~ # ");
  AFTER (&t, "~ # dmesg\n" KERNEL RUN_INIT
             "[    1.5] Kernel panic - not syncing: x\n", "");
  assert_true (t.s.replay);
  AFTER (&t, "~ # ", "");
  assert_false (t.s.replay);
  /* One that fails while somebody reads is no old one. */
  t.s.live_us = 7000000;
  AFTER (&t, "~ # less /var/log/kern.log\nKernel panic - not syncing: x\n"
             "Mar  1 10:00:00 lab kernel: [   99.5] Kernel panic - not "
             "syncing: x\n[    6.5] Kernel panic - not syncing: x\n", "");
  assert_true (t.s.replay);
  AFTER (&t, "[    8.5] Kernel panic - not syncing: x\n", "shell/panic");
  assert_false (t.s.replay);
  /* The boot before went on for longer than this one can have. */
  t = (struct teller){ .s = STAGE_INIT };
  feed (&t, KERNEL RUN_INIT "~ # ");
  t.ms = 100 * 1000;
  AFTER (&t, "~ # cat /var/crash/dmesg.1\n[  912.1] Kernel panic - not "
             "syncing: x\n", "");
  assert_true (t.s.replay);
  t.ms = 900 * 1000;
  AFTER (&t, "[  912.5] Kernel panic - not syncing: x\n", "shell/panic");
  assert_false (t.s.replay);
  t = (struct teller){ .s = STAGE_INIT };
  feed (&t, KERNEL RUN_INIT "~ # ");
  AFTER (&t, "~ # sudo cat /var/log/kern.log | head\n" OTHER_KERNEL
             "SeaBIOS (version 1)\nGRUB loading.\nLoading, please wait...\n"
             "~ # ", "");
  AFTER (&t, "~ # cat /proc/version\nLinux version 6.1.0 (x)\n~ # ", "");
  AFTER (&t, "~ # ./x\nLinux version 6.1.0 (x)\nnothing\n~ # ", "");
  /* By a script, and by SysRq R: the log has this boot's own line. */
  AFTER (&t, "~ # ./report.sh\n" KERNEL RUN_INIT "~ # ", "");
  /* What is said is no command. */
  AFTER (&t, "~ # ./x; sudo /bin/dmesg | wc\nGRUB loading.\n~ # ", "");
  {
    struct teller u = { .s = STAGE_INIT };

    feed (&u, KERNEL RUN_INIT "~ # one more line\n");
    AFTER (&u, "GRUB loading.\n", "!bootloader");
    feed (&u, KERNEL RUN_INIT "~ # echo dmesg | wc\n");
    AFTER (&u, "GRUB loading.\n", "!bootloader");
  }
  AFTER (&t, "[    9.0] sysrq: Replay kernel logs on consoles\n" KERNEL, "");
  assert_true (t.s.replay);
  /* What is said is no command. */
  AFTER (&t, "~ # ./x; sudo /bin/dmesg | wc\nGRUB loading.\n~ # ", "");
  {
    struct teller u = { .s = STAGE_INIT };

    feed (&u, KERNEL RUN_INIT "~ # one more line\n");
    AFTER (&u, "GRUB loading.\n", "!bootloader");
    feed (&u, KERNEL RUN_INIT "~ # echo dmesg | wc\n");
    AFTER (&u, "GRUB loading.\n", "!bootloader");
  }
  AFTER (&t, "[    9.0] sysrq: Replay kernel logs on consoles\n", "");
  assert_false (t.s.replay);
  assert_int_equal (t.s.boots, 1);
  /* A second console that comes up late. */
  t = (struct teller){ .s = STAGE_INIT };
  feed (&t, KERNEL);
  AFTER (&t, KERNEL "[    1.100000] x\n" RUN_INIT, "initramfs");
  assert_int_equal (t.s.boots, 1);
  AFTER (&t, "lab login: ", "login");
  /* On a console that had nothing of it so far. */
  {
    struct teller u = { .s = STAGE_INIT };

    feed (&u, "[    1.000010] Trying to unpack rootfs image\n~ # ");
    AFTER (&u, "[    0.000000] Linux version 6.1.0 (x)\n[    0.5] y\n"
               "[    1.000010] Trying to unpack rootfs image\n", "");
    assert_string_equal (u.s.release, "6.1.0");
    assert_int_equal (u.s.boots, 0);
  }
  /* And the boot after it. */
  AFTER (&t, "[   50.0] reboot: Restarting system\n" OTHER_KERNEL,
         "shutdown !kernel");
}

static void
test_kernel_speaks (void **state)
{
  struct text_line line = { .text = "BUG: x", .len = 6 };
  struct text_line stamped = { .text = "[    5.000000] BUG: x", .len = 21 };
  struct text_line user = { .text = "a[1]: BUG: x", .len = 12 };
  struct stage s = STAGE_INIT;
  struct teller t = { .s = STAGE_INIT };
  struct text_msg bare, kernel, prog;

  prefix_strip (&line, &bare);
  prefix_strip (&stamped, &kernel);
  prefix_strip (&user, &prog);
  assert_true (stage_kernel_speaks (&s, &bare));
  assert_true (stage_kernel_speaks (&s, &kernel));
  assert_false (stage_kernel_speaks (&s, &prog));
  s.stage = STAGE_FIRMWARE;
  assert_false (stage_kernel_speaks (&s, &bare));
  assert_true (stage_kernel_speaks (&s, &kernel));
  s.stage = STAGE_KERNEL;
  assert_true (stage_kernel_speaks (&s, &bare));
  /* One without stamps, and one that has them. */
  feed (&t, "Linux version 5.4.0 (x)\nCommand line: x\nx login: ");
  assert_true (stage_kernel_speaks (&t.s, &bare));
  feed (&t, "[   90.0] reboot: Restarting system\n" KERNEL RUN_INIT "x login: ");
  assert_false (stage_kernel_speaks (&t.s, &bare));
}

/* Where the kernel prints is its console; where somebody lets a log be shown
 * need not be. */
static void
test_printed (void **state)
{
  struct teller t = { .s = STAGE_INIT, .ms = 5000 };

  feed (&t, "~ # dmesg\n" KERNEL "[   40.5] eth0: link up\n~ # ");
  assert_int_equal (t.s.printed_ms, 0);
  feed (&t, "[   50.5] eth0: link down\n");
  assert_in_range (t.s.printed_ms, 5000, 6100);
  t = (struct teller){ .s = STAGE_INIT, .ms = 5000 };
  feed (&t, "up 3 min\n~ # ls\n~ # ");
  assert_int_equal (t.s.printed_ms, 0);
  feed (&t, KERNEL RUN_INIT);
  assert_true (t.s.printed_ms > 0);
}

static void
test_names (void **state)
{
  for (int i = 0; i < STAGE_MAX; i++)
    assert_non_null (text_stage_names[i]);
  for (int i = 0; i < STOP_MAX; i++)
    assert_non_null (text_stop_names[i]);
  assert_null (text_stage_names[STAGE_MAX]);
  assert_null (text_stop_names[STOP_MAX]);
}

/* The first that fits wins: none may stand behind one that always fits. */
static void
test_marks (void **state)
{
  unsigned n = 0;

  for (int first = 0; first < 256; first++)
    for (const struct stage_mark *m = stage_marks ((unsigned char) first);
         m && m->text; m++, n++)
      {
        assert_int_equal ((unsigned char) m->text[0], first);
        assert_int_equal (m->len, strlen (m->text));
        assert_true (m->len >= 3 && m->by != 0);
        assert_true (m->stage < STAGE_MAX && m->stop < STOP_MAX);
        for (const struct stage_mark *before
             = stage_marks ((unsigned char) first);
             before < m; before++)
          if (!before->has && (before->by & m->by) == m->by
              && strncmp (m->text, before->text, before->len) == 0)
            fail_msg ("\"%s\" is never asked, for \"%s\"", m->text,
                      before->text);
      }
  assert_true (n > 300);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_debian),
    cmocka_unit_test (test_others),
    cmocka_unit_test (test_stops),
    cmocka_unit_test (test_goes_on),
    cmocka_unit_test (test_new_boots),
    cmocka_unit_test (test_from_the_future),
    cmocka_unit_test (test_shown_again),
    cmocka_unit_test (test_kernel_speaks),
    cmocka_unit_test (test_printed),
    cmocka_unit_test (test_names),
    cmocka_unit_test (test_marks),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
