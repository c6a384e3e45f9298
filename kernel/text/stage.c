/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a guest stands: what a kernel's banner and a login prompt tell.
 */
#include "kernel/text/stage.h"

#include <string.h>

const char *const text_stage_names[] = {
  [STAGE_UNKNOWN] = "unknown",
  [STAGE_FIRMWARE] = "firmware",
  [STAGE_BOOTLOADER] = "bootloader",
  [STAGE_KERNEL] = "kernel",
  [STAGE_INITRAMFS] = "initramfs",
  [STAGE_USERSPACE] = "userspace",
  [STAGE_LOGIN] = "login",
  [STAGE_SHELL] = "shell",
  [STAGE_SHUTDOWN] = "shutdown",
  NULL,
};

const char *const text_stop_names[] = {
  [STOP_NONE] = "none",
  [STOP_NO_BOOT_DEVICE] = "no-boot-device",
  [STOP_FIRMWARE_SHELL] = "firmware-shell",
  [STOP_BOOTLOADER] = "bootloader",
  [STOP_INITRAMFS] = "initramfs",
  [STOP_FSCK] = "fsck",
  [STOP_MAINTENANCE] = "maintenance",
  [STOP_PASSPHRASE] = "passphrase",
  [STOP_NO_ROOT] = "no-root",
  [STOP_HALTED] = "halted",
  [STOP_PANIC] = "panic",
  NULL,
};

static bool
begins (const struct text_msg *msg, const char *with)
{
  size_t n = strlen (with);

  return msg->len >= n && memcmp (msg->text, with, n) == 0;
}

enum stage_change
stage_line (struct stage *s, const struct text_msg *msg)
{
  enum text_stage was = s->stage;

  if (begins (msg, "Linux version ")
      && (msg->stamped ? msg->stamp_us == 0 : s->stage < STAGE_USERSPACE))
    {
      s->stage = STAGE_KERNEL;
      s->stop = STOP_NONE;
      s->boots++;
    }
  else if (begins (msg, "Kernel panic - not syncing"))
    s->stop = STOP_PANIC;
  else if (msg->line->open && memmem (msg->text, msg->len, "login:", 6))
    s->stage = STAGE_LOGIN;
  if (s->stage == was)
    return STAGE_SAME;
  s->line = msg->line->number;
  s->since_ms = msg->line->last_ms;
  return s->stage == STAGE_KERNEL ? STAGE_NEW_BOOT : STAGE_MOVED;
}

bool
stage_kernel_speaks (const struct stage *s, const struct text_msg *msg)
{
  return msg->from == FROM_KERNEL
         || (msg->from == FROM_UNKNOWN
             && (s->stage == STAGE_UNKNOWN || s->stage == STAGE_KERNEL));
}
