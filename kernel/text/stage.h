/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a guest stands: from its firmware to somebody at its login prompt.
 *
 * Text is all it has, so it is a guess that gets better with every line; it
 * says by which line it came there.  A new kernel banner, firmware or boot
 * loader begins a new boot.
 *
 * A banner is printed again by dmesg, by SysRq R, and on a second console that
 * comes up late.  After a shutdown, a panic, firmware or a boot loader it is
 * believed at once; else a line of the running boot decides (same stamp, same
 * words: that log again), which takes 100 ms of guest time.  A shell that was
 * seen to be told to show a log is believed in showing one.
 */
#ifndef HANGDOG_KERNEL_TEXT_STAGE_H
#define HANGDOG_KERNEL_TEXT_STAGE_H

#include "kernel/text/prefix.h"

enum text_stage
{
  STAGE_UNKNOWN,
  STAGE_FIRMWARE,   /* SeaBIOS, OVMF, U-Boot's SPL, coreboot, iPXE */
  STAGE_BOOTLOADER, /* GRUB, U-Boot, systemd-boot, isolinux */
  STAGE_KERNEL,     /* from its banner (or decompressor) on */
  STAGE_INITRAMFS,  /* initramfs-tools, dracut, mkinitfs: before the switch */
  STAGE_USERSPACE,  /* init of the real root runs */
  STAGE_LOGIN,      /* a login prompt was seen */
  STAGE_SHELL,      /* a shell prompt */
  STAGE_SHUTDOWN,   /* going down: halt, reboot, kexec */
  STAGE_MAX,
};
extern const char *const text_stage_names[]; /* ends with NULL */

/* Where a boot stands still until somebody does something. */
enum text_stop
{
  STOP_NONE,
  STOP_NO_BOOT_DEVICE, /* firmware found nothing to start */
  STOP_FIRMWARE_SHELL,
  STOP_BOOTLOADER,     /* "grub>", "grub rescue>", "=>" */
  STOP_INITRAMFS,      /* (initramfs), dracut:/#, an emergency shell */
  STOP_FSCK,           /* RUN fsck MANUALLY, a y/n question */
  STOP_MAINTENANCE,    /* Give root password for maintenance; emergency mode */
  STOP_PASSPHRASE,     /* a disk waits for its passphrase */
  STOP_NO_ROOT,        /* root file system not found, not mounted */
  STOP_HALTED,         /* "System halted", "reboot: Power down" */
  STOP_PANIC,
  STOP_MAX,
};
extern const char *const text_stop_names[];

struct stage
{
  enum text_stage stage;
  enum text_stop stop;
  uint32_t boots;       /* new boots seen in this text, 0 = none began */
  uint64_t line;        /* number of the line that brought it here */
  uint64_t since_ms;
  char release[64];     /* of the kernel, "" = not seen */
  bool replay;          /* an old log is shown again: what it tells of was */
  uint64_t printed_ms;  /* when a line with the kernel's stamp last came while
                           no shell was told to show a log; 0 = never */
  /* The tracker's own. */
  uint32_t flags;
  uint32_t ref_hash;    /* a line of this boot, to know it again by, */
  uint64_t ref_us;      /* and its stamp */
  uint64_t live_us;     /* latest stamp of this boot, */
  uint64_t live_ms;     /* and when it came; 0 = not known */
  uint64_t odd_us, odd_ms; /* of a stamp that the clock did not come to */
  uint64_t pending_line, pending_ms; /* of a banner that is not believed yet */
  char pending[64];     /* its release */
};
#define STAGE_INIT { .stage = STAGE_UNKNOWN }

enum stage_change
{
  STAGE_SAME,
  STAGE_MOVED,
  STAGE_NEW_BOOT, /* a boot began: whatever was before is another life */
};

/* Pure: a struct of one's own, no allocation. */
enum stage_change stage_line (struct stage *s, const struct text_msg *msg);
/* Whether a head like "INFO: ..." on this line may be the kernel's: it carries
 * a kernel's prefix, or nobody but a kernel speaks at this stage. */
bool stage_kernel_speaks (const struct stage *s, const struct text_msg *msg);

#endif
