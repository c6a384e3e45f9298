/* SPDX-License-Identifier: Apache-2.0
 *
 * What is on a screen, and what the kernel wrote in between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "transports/console/kline.h"
#include "transports/console/prompt.h"

static void
test_screens (void **state)
{
  static const struct
  {
    const char *text;
    enum screen screen;
  } cases[] = {
    { "", SCREEN_UNKNOWN },
    { "foo\r\nbar\r\n", SCREEN_UNKNOWN },
    { "\r\n/ # ", SCREEN_SHELL },
    { "\r\n/ # \x1b[6n", SCREEN_SHELL },
    { "\x1b]0;root@x: ~\x07root@x:~# \x1b[?2004h", SCREEN_SHELL },
    { "user@host:~$ [   12.345678] eth0: link up\r\n", SCREEN_SHELL },
    { "user@host:~$ ls\r\nfile\r\n", SCREEN_UNKNOWN },
    { "100% # of disks", SCREEN_UNKNOWN },
    { "Debian GNU/Linux 12 debian ttyS0\r\n\r\ndebian login: ", SCREEN_LOGIN },
    { "debian login: [  5.000000] random: crng init done\r\n", SCREEN_LOGIN },
    { "debian login: root\r\nPassword: ", SCREEN_PASSWORD },
    { "Give root password for maintenance\r\n"
      "(or press Control-D to continue): ", SCREEN_MAINTENANCE },
    { "BusyBox v1.30.1 built-in shell (ash)\r\n\r\n(initramfs) ",
      SCREEN_INITRAMFS },
    { "\r\ngrub> ", SCREEN_BOOTLOADER },
    { "\r\ngrub rescue> ", SCREEN_BOOTLOADER },
    { "U-Boot 2023\r\n=> ", SCREEN_BOOTLOADER },
    { "Shell> ", SCREEN_BOOTLOADER },
    { "FS0:\\> ", SCREEN_BOOTLOADER },
    { "Use the ^ and v keys to select\r\n"
      "executed automatically in 5s.\r\nmore", SCREEN_BOOTLOADER },
    { "Use the ^ and v keys to select\r\n  Booting `Debian'\r\n\r\nLoading "
      "Linux 6.1\r\n", SCREEN_UNKNOWN },
    { "Use the ^ and v keys to select\r\n[    0.000000] Linux version\r\n",
      SCREEN_UNKNOWN },
    { "BdsDxe: failed to load Boot0001\r\nNo bootable device.\r\n",
      SCREEN_BOOTLOADER },
    { "BdsDxe: failed to load Boot0001\r\nBdsDxe: starting Boot0002\r\n",
      SCREEN_UNKNOWN },
    { "No bootable device.\r\n1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8"
      "\r\n9\r\n10\r\n", SCREEN_UNKNOWN },
    { "echo 'x\r\n> ", SCREEN_CONTINUATION },
    { "old line\rnew login: ", SCREEN_LOGIN },
    /* A Debian 12 guest with systemd, as its serial console said it. */
    { "[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mserial-getty@ttyS0"
      "\xe2\x80\xa6rvice\x1b[0m - Serial Getty on ttyS0.\r\r\n",
      SCREEN_BOOTING },
    { "         Stopping \x1b[0;1;39mdbus.service\x1b[0m - D-Bus System "
      "Message Bus...\r\r\n", SCREEN_BOOTING },
    { "[\x1b[0m\x1b[0;31m*     \x1b[0m] (1 of 3) Job systemd-udevd.service/"
      "start running (22s / 1min 49s)\r\r\n\x1bM\r\r\n\x1b[K",
      SCREEN_BOOTING },
    { "[ ***  ] A start job is running for x.mount (2s / no limit)\r\n",
      SCREEN_UNKNOWN },
    { "[\x1b[0;32m  OK  \x1b[0m] Finished \x1b[0;1;39msystemd-update-utmp"
      "\x1b[0m - System Boot in UTMP.\r\r\n\x1b[K         Starting \x1b[0;"
      "1;39mdbus.service\x1b[0m...\r\r\n\x0b\b \b\b \b printf '\\nHD%s%s:B\\n' "
      "68d4cb5d 27bb3681; uptime; printf '\\nHD%s%s:E:%d\\n' 68d4cb5d "
      "27bb3681 $?\r\n", SCREEN_BOOTING },
    { "[  OK  ] Reached target reboot.target - System Reboot.\r\r\n"
      "[  112.323658] systemd-journald[160]: Failed to send\r\n"
      "[  112.852447] reboot: Restarting system\r\n", SCREEN_BOOTING },
    { "[  OK  ] Started a.service.\r\n1\r\n2\r\n3\r\n4\r\n5\r\n",
      SCREEN_UNKNOWN },
    { "[  OK  ] Started a.service.\r\n\r\nDebian GNU/Linux 12 lab ttyS0\r\n"
      "\r\nlab login: ", SCREEN_LOGIN },
    { "lab login: root (automatic login)\r\n\r\r\nLast login: Fri Nov 20 "
      "11:14:54 UTC 2026 on ttyS0\r\n\x1b[?2004h\x1b]0;root@lab: ~\x07"
      "\x1b[01;32mroot@lab\x1b[00m:\x1b[01;34m~\x1b[00m# \x07",
      SCREEN_SHELL },
    { "[  OK  ] 12 tests passed\r\n", SCREEN_UNKNOWN },
    { "\x1b[", SCREEN_UNKNOWN },
    { "\x1b]0;unfinished", SCREEN_UNKNOWN },
  };
  const char *what;

  for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      enum screen s
          = screen_of (cases[i].text, strlen (cases[i].text), &what);

      if (s != cases[i].screen)
        fail_msg ("case %u (%s): %s, not %s", i, cases[i].text,
                  screen_names[s], screen_names[cases[i].screen]);
    }
  assert_int_equal (screen_login_lines ("a login: app: info\r\nx\r\n", 23), 1);
  assert_int_equal (screen_login_lines ("user did login: yes\r\n", 21), 0);
}

/* The same text in pieces of every size gives the same. */
static void
test_a_young_kernel (void **state)
{
#define FOUR                                                                  \
  "[    5.545292] Unstable clock detected, switching default tracing\n"         \
  "[    6.010423] Freeing unused kernel image memory: 2040K\n"                 \
  "[    6.050287] Run /init as init process\n"                                 \
  "[    8.269074] virtio_blk virtio2: 2/0/0 default/read/poll queues\n"
  assert_true (kernel_is_young (FOUR "[    9.342441] EXT4-fs (vda): mounted"));
  assert_false (kernel_is_young (""));
  assert_false (kernel_is_young (FOUR));
  assert_false (kernel_is_young (FOUR "[   26.1] watchdog: BUG: soft lockup\n"));
  assert_false (kernel_is_young (FOUR "[   60.000000] eth0: link up\n"));
  assert_false (kernel_is_young (FOUR "something else\n"));
}

static void
test_kernel_lines_are_taken_out (void **state)
{
  static const char in[]
      = "HDab[   12.345678] usb 1-1: new\r\ncd:E:[0.1] x[[    1.000000] a\r\n"
        "[  OK  ] Started.\r\n[1234567.123456][  T1] b\r\nend [12.34567";
  static const char text_want[]
      = "HDabcd:E:[0.1] x[[  OK  ] Started.\r\nend [12.34567";
  static const char kernel_want[] = "[   12.345678] usb 1-1: new\n"
                                    "[    1.000000] a\n"
                                    "[1234567.123456][  T1] b\n";

  for (size_t piece = 1; piece < sizeof in; piece++)
    {
      struct buf text = BUF_INIT (1000), kernel = BUF_INIT (1000);
      struct kline k = KLINE_INIT;

      for (size_t at = 0; at < sizeof in - 1; at += piece)
        kline_feed (&k, in + at,
                    sizeof in - 1 - at < piece ? sizeof in - 1 - at : piece,
                    &text, &kernel);
      kline_end (&k, &text);
      assert_string_equal (buf_str (&text), text_want);
      assert_string_equal (buf_str (&kernel), kernel_want);
      buf_done (&text);
      buf_done (&kernel);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_screens),
    cmocka_unit_test (test_a_young_kernel),
    cmocka_unit_test (test_kernel_lines_are_taken_out),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
