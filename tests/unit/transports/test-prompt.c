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
    cmocka_unit_test (test_kernel_lines_are_taken_out),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
