/* SPDX-License-Identifier: Apache-2.0
 *
 * What is on the screen: decided from the last lines a console said.
 */
#ifndef HANGDOG_TRANSPORTS_PROMPT_H
#define HANGDOG_TRANSPORTS_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

enum screen
{
  SCREEN_UNKNOWN,
  SCREEN_SHELL,
  SCREEN_CONTINUATION, /* a shell that waits for the rest of a command */
  SCREEN_LOGIN,
  SCREEN_PASSWORD,
  SCREEN_MAINTENANCE,  /* asks for root's password after a failed boot */
  SCREEN_INITRAMFS,    /* a shell, but of an unfinished boot */
  SCREEN_BOOTLOADER,   /* GRUB, U-Boot, firmware, iPXE */
  SCREEN_BOOTING,      /* services start or stop, and there is no prompt: as
                        * long as that is new, nobody can answer yet */
  SCREEN_MAX,
};
extern const char *const screen_names[];

/* bytes: raw console output, of which the last 4 KiB are looked at.  What the
 * kernel wrote in between does not count.  *ret_what (may be NULL) names what
 * was seen, for people: "GRUB's menu". */
enum screen screen_of (const char *bytes, size_t len, const char **ret_what);

/* How many lines of it begin like a login prompt, also with other output
 * behind it: only a suspicion.  Looks at all len bytes. */
unsigned screen_login_lines (const char *bytes, size_t len);

/* What a kernel says that has just been started: several lines by a clock
 * below a minute, and no complaint among them.  Where a reset is told to
 * nobody, this is all that shows one.  kernel: whole lines, as kline_feed()
 * finds them. */
bool kernel_is_young (const char *kernel);

/* Nothing may be typed there but what asks for it. */
bool screen_is_closed (enum screen s);

#endif
