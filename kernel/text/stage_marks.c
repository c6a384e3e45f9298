/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines by which firmware, boot loaders, kernels, initramfs, init systems
 * and those who wait for a person are known.  Data; the first that fits wins.
 *
 * One list per first byte, so that a line is compared with a handful.
 */
#include "kernel/text/stage_impl.h"

/* clang-format off */
#define MARK(text_, by_, stage_, stop_, flags_) \
  { text_, NULL, sizeof (text_) - 1, by_, STAGE_##stage_, STOP_##stop_, flags_ }
#define MARK_HAS(text_, has_, by_, stage_, stop_, flags_) \
  { text_, has_, sizeof (text_) - 1, by_, STAGE_##stage_, STOP_##stop_, flags_ }

static const struct stage_mark marks_hash[] = {
  MARK ("## Flattened Device Tree", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("## Booting kernel from", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("## Loading kernel from", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("## Error: ", BY_BARE, BOOTLOADER, NONE, MARK_ONLY),
  { NULL },
};

static const struct stage_mark marks_paren[] = {
  MARK ("(initramfs)", BY_BARE, INITRAMFS, INITRAMFS, 0),
  { NULL },
};

static const struct stage_mark marks_star[] = {
  MARK ("*** An error occurred during the file system check",
    BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  { NULL },
};

static const struct stage_mark marks_dash[] = {
  MARK ("- runit: enter stage: /etc/runit/1",
    BY_BARE, USERSPACE, NONE, MARK_FIRST),
  MARK ("- runit: enter stage: /etc/runit/2", BY_BARE, USERSPACE, NONE, 0),
  MARK ("- runit: enter stage: /etc/runit/3", BY_BARE, SHUTDOWN, NONE, 0),
  MARK ("---[ end Kernel panic", BY_KERNEL, UNKNOWN, PANIC, MARK_HERE),
  { NULL },
};

static const struct stage_mark marks_slash[] = {
  MARK_HAS ("/dev/", "UNEXPECTED INCONSISTENCY",
    BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  { NULL },
};

static const struct stage_mark marks_colon[] = {
  MARK (":: running cleanup hook", BY_BARE, INITRAMFS, NONE, 0),
  MARK (":: running early hook", BY_BARE, INITRAMFS, NONE, MARK_FIRST),
  MARK (":: Triggering uevents", BY_BARE, INITRAMFS, NONE, 0),
  MARK (":: running late hook", BY_BARE, INITRAMFS, NONE, 0),
  MARK (":: performing fsck", BY_BARE, INITRAMFS, NONE, 0),
  MARK (":: running hook", BY_BARE, INITRAMFS, NONE, 0),
  MARK (":: mounting '", BY_BARE, INITRAMFS, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_equal[] = {
  MARK ("=> ", BY_BARE, BOOTLOADER, BOOTLOADER, MARK_ONLY),
  { NULL },
};

static const struct stage_mark marks_greater[] = {
  MARK (">>Start PXE over", BY_BARE, FIRMWARE, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_UA[] = {
  MARK ("An error occurred during the file system check",
    BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("Asking all remaining processes to terminate",
    BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("A maintenance shell will now be started",
    BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("A password is required to access the",
    BY_BARE, INITRAMFS, PASSPHRASE, MARK_HERE),
  MARK ("All filesystems unmounted", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Alpine Init ", BY_BARE, INITRAMFS, NONE, MARK_FIRST),
  MARK ("Abort<y>?", BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK_HAS ("ALERT!  ", "does not exist", BY_BARE, INITRAMFS, NO_ROOT, 0),
  { NULL },
};

static const struct stage_mark marks_UB[] = {
  MARK ("Boot failed: could not read the boot disk",
    BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("Boot failed: not a bootable disk",
    BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("Booting Linux on physical CPU", BY_BARE | BY_KERNEL, KERNEL, NONE, 0),
  MARK ("BdsDxe: No bootable option", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("Booting using the fdt blob", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("Booting in insecure mode", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("Booting from Hard Disk", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("Booting from 0000:7c00", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("BdsDxe: failed to load", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("Booting a command list", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("Booting from network", BY_BARE, FIRMWARE, NONE, MARK_ONLY),
  MARK ("Booting from Floppy", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("Booting from DVD/CD", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("Booting the kernel", BY_BARE | BY_KERNEL, KERNEL, NONE, 0),
  MARK ("BdsDxe: starting ", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("Booting from ROM", BY_BARE, FIRMWARE, NONE, MARK_ONLY),
  MARK ("Booting from DVD", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("BdsDxe: loading ", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("Boot Failed. ", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("Booting `", BY_BARE, BOOTLOADER, NONE, 0),
  MARK_HAS ("Boot in ", " s.", BY_BARE, BOOTLOADER, NONE, MARK_ONLY),
  MARK ("Begin: ", BY_BARE, INITRAMFS, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_UC[] = {
  MARK ("Cannot open access to console, the root account is locked",
    BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  MARK ("Computer is booting, SAC started", BY_BARE, KERNEL, NONE, MARK_FIRST),
  MARK ("Caching service dependencies", BY_BARE, USERSPACE, NONE, 0),
  MARK ("Could not find kernel image", BY_BARE, BOOTLOADER, BOOTLOADER, 0),
  MARK ("Connect to /lost+found<y>?", BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("Checking local filesystems", BY_BARE, USERSPACE, NONE, 0),
  MARK ("Configuring (net", BY_BARE, FIRMWARE, NONE, MARK_ONLY),
  MARK ("Cloud-init v. ", BY_BOTH, USERSPACE, NONE, 0),
  MARK ("Create<y>?", BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("Clear<y>?", BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("CBFS: ", BY_BARE, FIRMWARE, NONE, MARK_ONLY),
  MARK ("CBMEM:", BY_BARE, FIRMWARE, NONE, MARK_ONLY),
  { NULL },
};

static const struct stage_mark marks_UD[] = {
  MARK ("Decompressing Linux...", BY_BARE, KERNEL, NONE, 0),
  MARK ("Dropping to a shell!", BY_BARE, INITRAMFS, INITRAMFS, 0),
  MARK ("Deactivating swap", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Device 0: ", BY_BARE, FIRMWARE, NONE, MARK_ONLY),
  { NULL },
};

static const struct stage_mark marks_UE[] = {
  MARK ("Exiting depthcharge with", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("Entering emergency mode. Exit the shell to continue",
    BY_BARE, INITRAMFS, INITRAMFS, 0),
  MARK ("EVENT: The CMD command is now available", BY_BARE, USERSPACE, NONE, 0),
  MARK ("ERROR: Failed to mount the real root", BY_BARE, INITRAMFS, NO_ROOT, 0),
  MARK ("ERROR: Unable to find root device", BY_BARE, INITRAMFS, NO_ROOT, 0),
  MARK ("Error loading operating system", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("Entering single-user mode",
    BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  MARK ("ERROR: Failed to mount '", BY_BARE, INITRAMFS, NO_ROOT, 0),
  MARK ("Entering rescue mode...", BY_BARE, BOOTLOADER, BOOTLOADER, 0),
  MARK ("Enter passphrase for hd", BY_BARE, BOOTLOADER, PASSPHRASE, MARK_ONLY),
  MARK ("Enter LUKS passphrase", BY_BARE, INITRAMFS, PASSPHRASE, MARK_HERE),
  MARK ("Enter passphrase for", BY_BARE, INITRAMFS, PASSPHRASE, MARK_HERE),
  MARK ("EFI Shell version", BY_BARE, FIRMWARE, FIRMWARE_SHELL, 0),
  MARK ("Enter passphrase:", BY_BARE, INITRAMFS, PASSPHRASE, MARK_HERE),
  MARK_HAS ("ERROR: device '", "not found", BY_BARE, INITRAMFS, NO_ROOT, 0),
  MARK ("Enter PIN for", BY_BARE, INITRAMFS, PASSPHRASE, MARK_HERE),
  MARK ("EFI stub: ", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("Expand<y>?", BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("EXTLINUX ", BY_BARE, BOOTLOADER, NONE, MARK_FIRST),
  MARK ("EDK II", BY_BARE, FIRMWARE, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_UF[] = {
  MARK ("FATAL: Failed to mount block device of live image",
    BY_BOTH | BY_KERNEL, INITRAMFS, NO_ROOT, 0),
  MARK ("Failed to boot both default and fallback",
    BY_BARE, BOOTLOADER, BOOTLOADER, 0),
  MARK ("Failure: File system check of the root",
    BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("FATAL: No bootable medium found",
    BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("FATAL: INT18: BOOT FAILURE", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("Force rewrite<y>?", BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("Firmware Base", BY_BARE, FIRMWARE, NONE, MARK_ONLY),
  MARK ("Fix<y>?", BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("FMAP: ", BY_BARE, FIRMWARE, NONE, MARK_ONLY),
  { NULL },
};

static const struct stage_mark marks_UG[] = {
  MARK ("Generating \"/run/initramfs/rdsosreport.txt\"",
    BY_BARE, INITRAMFS, INITRAMFS, 0),
  MARK ("Gave up waiting for suspend", BY_BARE, INITRAMFS, NONE, 0),
  MARK ("Gave up waiting for root", BY_BARE, INITRAMFS, NO_ROOT, 0),
  MARK ("Give root password for", BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  MARK ("GRUB Loading stage", BY_BARE, BOOTLOADER, NONE, MARK_FIRST),
  MARK ("GNU GRUB  version", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("GRUB loading", BY_BARE, BOOTLOADER, NONE, MARK_FIRST),
  { NULL },
};

static const struct stage_mark marks_UH[] = {
  MARK ("Hit any key to stop autoboot", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("Hostname set to <", BY_USER, USERSPACE, NONE, 0),
  MARK ("Halting system.", BY_BOTH, SHUTDOWN, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_UI[] = {
  MARK ("Installing packages to root filesystem", BY_BARE, INITRAMFS, NONE, 0),
  MARK ("INIT: Switching to runlevel: 0", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("INIT: Switching to runlevel: 6", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("INIT: Entering runlevel: ", BY_BOTH, USERSPACE, NONE, 0),
  MARK ("Invalid partition table", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("INIT: Sending processes", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Ignore error<y>?", BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("INIT: version ", BY_BOTH, USERSPACE, NONE, MARK_FIRST),
  MARK ("INFO:    PSCI", BY_BARE, FIRMWARE, NONE, MARK_ONLY),
  MARK ("INFO:    BL", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("ISOLINUX ", BY_BARE, BOOTLOADER, NONE, MARK_FIRST),
  MARK_HAS ("Inode ", " Fix<y>?", BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK_HAS ("Inode ", " Clear<y>?", BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  { NULL },
};

static const struct stage_mark marks_UK[] = {
  MARK ("Killing remaining processes", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Kernel panic - not syncing", BY_KERNEL, UNKNOWN, PANIC, MARK_HERE),
  MARK ("KASLR disabled", BY_BARE, KERNEL, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_UL[] = {
  MARK ("Loading initial ramdisk", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("Loading, please wait...", BY_BARE, INITRAMFS, NONE, MARK_FIRST),
  MARK ("Loading /vmlinuz", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("Loading vmlinuz", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("Loading Linux ", BY_BARE, BOOTLOADER, NONE, MARK_RELEASE),
  MARK ("Loading /boot/", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("Loading Xen ", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("Last login: ", BY_BARE, SHELL, NONE, 0),
  MARK ("LILO ", BY_BARE, BOOTLOADER, NONE, MARK_ONLY),
  { NULL },
};

static const struct stage_mark marks_UM[] = {
  MARK ("Minimal BASH-like line editing", BY_BARE, BOOTLOADER, BOOTLOADER, 0),
  MARK ("Mounting local filesystems", BY_BARE, USERSPACE, NONE, 0),
  MARK ("Missing operating system", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("Mounting root failed", BY_BARE, INITRAMFS, NO_ROOT, 0),
  MARK ("Mounting boot media", BY_BARE, INITRAMFS, NONE, 0),
  MARK ("MBR: no bootable", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("Machine UUID ", BY_BARE, FIRMWARE, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_UN[] = {
  MARK ("No configuration methods succeeded",
    BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("NOTICE:  Booting Trusted Firmware",
    BY_BARE, FIRMWARE, NONE, MARK_FIRST),
  MARK ("No DEFAULT or UI configuration", BY_BARE, BOOTLOADER, BOOTLOADER, 0),
  MARK ("No bootable option or device", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("No root device specified", BY_BARE, INITRAMFS, NO_ROOT, 0),
  MARK ("No more network devices", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("No bootable device", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("No bootable medium", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("Nothing to boot:", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("No Media Present", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("Non-System disk", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("No boot devices", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("NOTICE:  BL1: ", BY_BARE, FIRMWARE, NONE, MARK_FIRST),
  MARK ("No boot device", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("No init found.", BY_BARE, INITRAMFS, NO_ROOT, 0),
  MARK ("NOTICE:  BL", BY_BARE, FIRMWARE, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_UO[] = {
  MARK ("Operating System not found", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("OpenSBI v", BY_BARE, FIRMWARE, NONE, MARK_FIRST),
  MARK ("OpenBIOS ", BY_BARE, FIRMWARE, NONE, MARK_FIRST),
  MARK_HAS ("OpenRC ", "is starting up", BY_BARE, USERSPACE, NONE, MARK_FIRST),
  { NULL },
};

static const struct stage_mark marks_UP[] = {
  MARK ("Press any key to enter the Boot Manager Menu",
    BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("Please press Enter to activate this console", BY_BARE, LOGIN, NONE, 0),
  MARK ("Please enter LUKS passphrase",
    BY_BARE, INITRAMFS, PASSPHRASE, MARK_HERE),
  MARK ("Please enter LUKS2 token PIN",
    BY_BARE, INITRAMFS, PASSPHRASE, MARK_HERE),
  MARK ("Press Enter for maintenance",
    BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  MARK ("Please enter passphrase for",
    BY_BARE, INITRAMFS, PASSPHRASE, MARK_HERE),
  MARK ("Please enter the passphrase",
    BY_BARE, INITRAMFS, PASSPHRASE, MARK_HERE),
  MARK ("Press any key to continue", BY_BARE, BOOTLOADER, NONE, MARK_ONLY),
  MARK ("Please enter recovery key", BY_BARE, INITRAMFS, PASSPHRASE, MARK_HERE),
  MARK ("Press ESC for boot menu", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("Press F12 for boot menu", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("Please unlock disk", BY_BARE, INITRAMFS, PASSPHRASE, MARK_HERE),
  MARK ("Password for /dev/", BY_BARE, INITRAMFS, PASSPHRASE, MARK_HERE),
  MARK ("Press F2 to enter", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("Press Ctrl-B for", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("Press Ctrl-B to", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("Platform Name  ", BY_BARE, FIRMWARE, NONE, MARK_ONLY),
  MARK ("Physical KASLR", BY_BARE, KERNEL, NONE, 0),
  MARK_HAS ("Press ESC in ", "startup.nsh",
    BY_BARE, FIRMWARE, FIRMWARE_SHELL, 0),
  MARK ("Powering off.", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Power down.", BY_KERNEL, SHUTDOWN, HALTED, MARK_OVER),
  MARK ("PXELINUX ", BY_BARE, BOOTLOADER, NONE, MARK_FIRST),
  MARK ("PXE-M0F", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("PXE-E", BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  { NULL },
};

static const struct stage_mark marks_UQ[] = {
  MARK ("Queued start job for default target", BY_USER, USERSPACE, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_UR[] = {
  MARK ("Rebooting machine from restart handler",
    BY_KERNEL, SHUTDOWN, NONE, MARK_OVER),
  MARK ("Reboot and Select proper Boot device",
    BY_BARE, FIRMWARE, NO_BOOT_DEVICE, 0),
  MARK ("Run /usr/lib/systemd/systemd as init", BY_KERNEL, USERSPACE, NONE, 0),
  MARK ("Run /lib/systemd/systemd as init", BY_KERNEL, USERSPACE, NONE, 0),
  MARK ("Remounting remaining filesystems", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target emergency.target",
    BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  MARK ("Reached target System Power Off", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target System Shutdown", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target shutdown.target", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target poweroff.target", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target Emergency Mode",
    BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  MARK ("Reached target rescue.target",
    BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  MARK ("Reached target System Reboot", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target Late Shutdown", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target reboot.target", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target umount.target", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Running in initial RAM disk", BY_USER, INITRAMFS, NONE, MARK_INITRD),
  MARK ("Reached target final.target", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target Rescue Mode",
    BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  MARK ("Requesting system poweroff", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target System Halt", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target Unmount All", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target Final Step", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Rust Hypervisor Firmware", BY_BARE, FIRMWARE, NONE, MARK_FIRST),
  MARK ("Requesting system reboot", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target Power-Off", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target Power Off", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reached target Shutdown", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Run /sbin/init as init", BY_KERNEL, USERSPACE, NONE, 0),
  MARK ("Requesting system halt", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Run /bin/init as init", BY_KERNEL, USERSPACE, NONE, 0),
  MARK ("Run /etc/init as init", BY_KERNEL, USERSPACE, NONE, 0),
  MARK ("Run /bin/bash as init", BY_KERNEL, USERSPACE, NONE, 0),
  MARK ("Reached target Reboot", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Run /bin/sh as init", BY_KERNEL, USERSPACE, NONE, 0),
  MARK ("Reached target Halt", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Restarting system.", BY_KERNEL, SHUTDOWN, NONE, MARK_OVER),
  MARK ("Retrieving file: ", BY_BARE, BOOTLOADER, NONE, MARK_ONLY),
  MARK ("Run /init as init", BY_KERNEL, INITRAMFS, NONE, 0),
  MARK ("Running in initrd", BY_USER, INITRAMFS, NONE, MARK_INITRD),
  MARK ("Rebooting system", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Reconnect<y>?", BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("Recreate<y>?", BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("Rebooting.", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK_HAS ("Run /", " as init process", BY_KERNEL, USERSPACE, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_US[] = {
  MARK ("Starting the hotplug events dispatcher", BY_BARE, USERSPACE, NONE, 0),
  MARK ("Sending SIGTERM to remaining processes", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Sending SIGKILL to remaining processes", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Syncing filesystems and block devices", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Starting OpenBSD Secure Shell server", BY_BOTH, USERSPACE, NONE, 0),
  MARK ("System initialization complete", BY_BARE, USERSPACE, NONE, 0),
  MARK ("Sent SIGTERM to all processes", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Sent SIGKILL to all processes", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Starting System Power Off...", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("SCRIPT FAILED: continuing", BY_BARE, BOOTLOADER, NONE, MARK_ONLY),
  MARK ("Starting System Reboot...", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Started Emergency Shell", BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  MARK ("Starting Power-Off...", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Started Rescue Shell", BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  MARK ("Startup finished in ", BY_BOTH, USERSPACE, NONE, 0),
  MARK ("Starting depthcharge on ", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("Starting kernel ...", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("Starting new kernel", BY_KERNEL, SHUTDOWN, NONE, MARK_OVER),
  MARK ("Starting initramfs", BY_BARE, INITRAMFS, NONE, 0),
  MARK ("Starting syslogd: ", BY_BARE, USERSPACE, NONE, 0),
  MARK ("Starting network: ", BY_BARE, USERSPACE, NONE, 0),
  MARK ("Starting services:", BY_BARE, USERSPACE, NONE, 0),
  MARK ("Starting Reboot...", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("SeaBIOS (version ", BY_BARE, FIRMWARE, NONE, MARK_FIRST),
  MARK ("Set hostname to <", BY_USER, USERSPACE, NONE, 0),
  MARK ("Starting dracut ", BY_BOTH, INITRAMFS, NONE, MARK_INITRD),
  MARK ("Starting klogd: ", BY_BARE, USERSPACE, NONE, 0),
  MARK ("Setting hostname", BY_BARE, USERSPACE, NONE, 0),
  MARK ("Starting Halt...", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Started dracut ", BY_BOTH, INITRAMFS, NONE, MARK_INITRD),
  MARK ("Switching root.", BY_USER, USERSPACE, NONE, 0),
  MARK ("Start PXE over", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("System halted.", BY_KERNEL, SHUTDOWN, HALTED, MARK_OVER),
  MARK ("Shutting down.", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Scanning mmc ", BY_BARE, BOOTLOADER, NONE, MARK_ONLY),
  MARK ("Starting udev", BY_BARE, USERSPACE, NONE, 0),
  MARK ("SYSLINUX ", BY_BARE, BOOTLOADER, NONE, MARK_FIRST),
  MARK ("Shell> ", BY_BARE, FIRMWARE, FIRMWARE_SHELL, 0),
  MARK ("SLOF", BY_BARE, FIRMWARE, NONE, MARK_FIRST),
  MARK ("SAC>", BY_BARE, USERSPACE, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_UT[] = {
  MARK ("Target filesystem doesn't have requested",
    BY_BARE, INITRAMFS, NO_ROOT, 0),
  MARK ("The highlighted entry will be executed", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("The CMD command is now available", BY_BARE, USERSPACE, NONE, 0),
  MARK ("Terminating remaining processes", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("The system will power off now", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("The system will reboot now", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("The system is going down", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("The system will halt now", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK_HAS ("The root filesystem on ", "requires a manual fsck",
    BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("TianoCore", BY_BARE, FIRMWARE, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_UU[] = {
  MARK ("Unable to find a medium containing a live file system",
    BY_BARE, INITRAMFS, NO_ROOT, 0),
  MARK ("UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY",
    BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("Using makefile-style concurrent boot", BY_BARE, USERSPACE, NONE, 0),
  MARK ("Unmounting local filesystems", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("UEFI Interactive Shell v", BY_BARE, FIRMWARE, FIRMWARE_SHELL, 0),
  MARK ("Use the \342\206\221 and", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("UEFI firmware (version ", BY_BARE, FIRMWARE, NONE, MARK_FIRST),
  MARK ("Uncompressing Linux...", BY_BARE, KERNEL, NONE, 0),
  MARK ("Unmounting filesystems", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK ("Use the ^ and v keys", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("U-Boot SPL ", BY_BARE, FIRMWARE, NONE, MARK_FIRST),
  MARK ("U-Boot TPL ", BY_BARE, FIRMWARE, NONE, MARK_FIRST),
  MARK ("UEFI v2.", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("U-Boot 2", BY_BARE, BOOTLOADER, NONE, MARK_FIRST),
  MARK ("U-Boot> ", BY_BARE, BOOTLOADER, BOOTLOADER, 0),
  { NULL },
};

static const struct stage_mark marks_UV[] = {
  MARK ("VFS: Cannot open root device", BY_KERNEL, KERNEL, NO_ROOT, MARK_HERE),
  MARK ("VFS: Unable to mount root fs", BY_KERNEL, KERNEL, NO_ROOT, MARK_HERE),
  MARK ("Virtual KASLR", BY_BARE, KERNEL, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_UW[] = {
  MARK ("Warning: Not all disks have been found",
    BY_BOTH | BY_KERNEL, INITRAMFS, NO_ROOT, 0),
  MARK ("Wrong Image Format for boot", BY_BARE, BOOTLOADER, BOOTLOADER, 0),
  MARK ("Waiting for link-up on net", BY_BARE, FIRMWARE, NONE, 0),
  MARK_HAS ("Warning: dracut-initqueue", "timeout",
    BY_BOTH | BY_KERNEL, INITRAMFS, NO_ROOT, 0),
  MARK ("Welcome to emergency mode",
    BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  MARK ("Waiting for root device ", BY_KERNEL, KERNEL, NO_ROOT, 0),
  MARK ("Warning: Could not boot.", BY_BOTH | BY_KERNEL, INITRAMFS, NO_ROOT, 0),
  MARK ("Welcome to rescue mode", BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  MARK ("Welcome to GRUB!", BY_BARE, BOOTLOADER, NONE, MARK_FIRST),
  MARK ("Will now restart", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK_HAS ("Warning: /dev/", "does not exist",
    BY_BOTH | BY_KERNEL, INITRAMFS, NO_ROOT, 0),
  MARK ("Will now halt", BY_BOTH, SHUTDOWN, NONE, 0),
  MARK_HAS ("Welcome to ", "nitramfs)", BY_BOTH, INITRAMFS, NONE, MARK_INITRD),
  MARK_HAS ("Welcome to ", "dracut", BY_BOTH, INITRAMFS, NONE, MARK_INITRD),
  MARK_HAS ("Welcome to ", "nitrd)", BY_BOTH, INITRAMFS, NONE, MARK_INITRD),
  MARK_HAS ("Welcome to ", "!", BY_BOTH, USERSPACE, NONE, MARK_BACK),
  { NULL },
};

static const struct stage_mark marks_UY[] = {
  MARK ("You are now being dropped into an emergency shell",
    BY_BARE, INITRAMFS, INITRAMFS, 0),
  MARK ("You are in emergency mode",
    BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  MARK ("You are in rescue mode", BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  { NULL },
};

static const struct stage_mark marks_bracket[] = {
  MARK_HAS ("[NOTE ]  coreboot-", "bootblock starting",
    BY_BARE, FIRMWARE, NONE, MARK_FIRST),
  MARK ("[NOTE ]  coreboot-", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("[INFO ]  CBFS: ", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("[DEBUG]  FMAP: ", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("[rootfs ", BY_BARE, INITRAMFS, INITRAMFS, 0),
  { NULL },
};

static const struct stage_mark marks_lb[] = {
  MARK ("boot: ", BY_BARE, BOOTLOADER, BOOTLOADER, MARK_ONLY),
  { NULL },
};

static const struct stage_mark marks_lc[] = {
  MARK ("cloud-init[", BY_BARE, USERSPACE, NONE, 0),
  MARK_HAS ("coreboot-", "bootblock starting",
    BY_BARE, FIRMWARE, NONE, MARK_FIRST),
  MARK_HAS ("coreboot-", "starting", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("ci-info: ", BY_BARE, USERSPACE, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_ld[] = {
  MARK ("dracut-initqueue timeout", BY_BOTH | BY_KERNEL, INITRAMFS, NO_ROOT, 0),
  MARK ("dracut: Switching root", BY_BOTH | BY_KERNEL, USERSPACE, NONE, 0),
  MARK ("dracut: Starting", BY_BOTH | BY_KERNEL, INITRAMFS, NONE, MARK_INITRD),
  MARK ("dracut: ", BY_BOTH | BY_KERNEL, INITRAMFS, NONE, MARK_INITRD),
  MARK ("dracut:/", BY_BARE, INITRAMFS, INITRAMFS, 0),
  { NULL },
};

static const struct stage_mark marks_le[] = {
  MARK ("early console in setup code", BY_BARE, KERNEL, NONE, 0),
  MARK ("early console in decompress", BY_BARE, KERNEL, NONE, 0),
  MARK ("early console in extract", BY_BARE, KERNEL, NONE, 0),
  MARK ("error: ", BY_BARE, BOOTLOADER, NONE, MARK_ONLY),
  { NULL },
};

static const struct stage_mark marks_lf[] = {
  MARK ("fsck failed.  A maintenance shell",
    BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  MARK ("fsck exited with status code 4", BY_BOTH, USERSPACE, FSCK, MARK_HERE),
  { NULL },
};

static const struct stage_mark marks_lg[] = {
  MARK ("grub rescue>", BY_BARE, BOOTLOADER, BOOTLOADER, 0),
  MARK ("grub>", BY_BARE, BOOTLOADER, BOOTLOADER, 0),
  { NULL },
};

static const struct stage_mark marks_li[] = {
  MARK ("initramfs emergency recovery shell launched",
    BY_BARE, INITRAMFS, INITRAMFS, 0),
  MARK ("iPXE initialising devices", BY_BARE, FIRMWARE, NONE, MARK_FIRST),
  MARK ("init: Console is alive", BY_BOTH | BY_KERNEL, INITRAMFS, NONE, 0),
  MARK ("init started: BusyBox",
    BY_BOTH | BY_KERNEL, USERSPACE, NONE, MARK_FIRST),
  MARK ("init: - preinit -", BY_BOTH | BY_KERNEL, INITRAMFS, NONE, 0),
  MARK ("initqueue:/", BY_BARE, INITRAMFS, INITRAMFS, 0),
  MARK ("iPXE 1.", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("iPXE 2.", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("iPXE (", BY_BARE, FIRMWARE, NONE, 0),
  MARK ("iPXE> ", BY_BARE, FIRMWARE, FIRMWARE_SHELL, 0),
  { NULL },
};

static const struct stage_mark marks_lk[] = {
  MARK ("kexec_core: Starting new kernel",
    BY_KERNEL, SHUTDOWN, NONE, MARK_OVER),
  MARK ("kexec: Starting new kernel", BY_KERNEL, SHUTDOWN, NONE, MARK_OVER),
  { NULL },
};

static const struct stage_mark marks_lm[] = {
  MARK_HAS ("mount: mounting ", " on /root failed",
    BY_BARE, INITRAMFS, NO_ROOT, 0),
  MARK_HAS ("mount: mounting ", " on /sysroot failed",
    BY_BARE, INITRAMFS, NO_ROOT, 0),
  { NULL },
};

static const struct stage_mark marks_ln[] = {
  MARK ("net0: ", BY_BARE, FIRMWARE, NONE, MARK_ONLY),
  { NULL },
};

static const struct stage_mark marks_lp[] = {
  MARK ("procd: - shutdown -", BY_BOTH | BY_KERNEL, SHUTDOWN, NONE, 0),
  MARK ("procd: - early -", BY_BOTH | BY_KERNEL, USERSPACE, NONE, 0),
  MARK ("procd: - init -", BY_BOTH | BY_KERNEL, USERSPACE, NONE, 0),
  MARK ("pre-mount:/", BY_BARE, INITRAMFS, INITRAMFS, 0),
  { NULL },
};

static const struct stage_mark marks_lq[] = {
  MARK ("qboot", BY_BARE, FIRMWARE, NONE, MARK_FIRST),
  { NULL },
};

static const struct stage_mark marks_lr[] = {
  MARK ("reboot: Restarting with command",
    BY_KERNEL, SHUTDOWN, NONE, MARK_OVER),
  MARK ("reboot: Restarting system", BY_KERNEL, SHUTDOWN, NONE, MARK_OVER),
  MARK ("reboot: machine restart", BY_KERNEL, SHUTDOWN, NONE, MARK_OVER),
  MARK ("reboot: System halted", BY_KERNEL, SHUTDOWN, HALTED, MARK_OVER),
  MARK ("reboot: Power down", BY_KERNEL, SHUTDOWN, HALTED, MARK_OVER),
  MARK ("reboot: Power off", BY_KERNEL, SHUTDOWN, HALTED, MARK_OVER),
  MARK ("reboot: power off", BY_KERNEL, SHUTDOWN, HALTED, MARK_OVER),
  MARK_HAS ("run-init: ", "No such file", BY_BARE, INITRAMFS, NO_ROOT, 0),
  MARK ("rc.sysinit", BY_BARE, USERSPACE, NONE, 0),
  { NULL },
};

static const struct stage_mark marks_ls[] = {
  MARK ("systemd-boot ", BY_BARE, BOOTLOADER, NONE, 0),
  MARK ("switch_root:/", BY_BARE, INITRAMFS, INITRAMFS, 0),
  MARK ("sulogin: ", BY_BOTH, USERSPACE, MAINTENANCE, MARK_HERE),
  { NULL },
};

static const struct stage_mark *const by_first[256] = {
  ['#'] = marks_hash,
  ['('] = marks_paren,
  ['*'] = marks_star,
  ['-'] = marks_dash,
  ['/'] = marks_slash,
  [':'] = marks_colon,
  ['='] = marks_equal,
  ['>'] = marks_greater,
  ['A'] = marks_UA,
  ['B'] = marks_UB,
  ['C'] = marks_UC,
  ['D'] = marks_UD,
  ['E'] = marks_UE,
  ['F'] = marks_UF,
  ['G'] = marks_UG,
  ['H'] = marks_UH,
  ['I'] = marks_UI,
  ['K'] = marks_UK,
  ['L'] = marks_UL,
  ['M'] = marks_UM,
  ['N'] = marks_UN,
  ['O'] = marks_UO,
  ['P'] = marks_UP,
  ['Q'] = marks_UQ,
  ['R'] = marks_UR,
  ['S'] = marks_US,
  ['T'] = marks_UT,
  ['U'] = marks_UU,
  ['V'] = marks_UV,
  ['W'] = marks_UW,
  ['Y'] = marks_UY,
  ['['] = marks_bracket,
  ['b'] = marks_lb,
  ['c'] = marks_lc,
  ['d'] = marks_ld,
  ['e'] = marks_le,
  ['f'] = marks_lf,
  ['g'] = marks_lg,
  ['i'] = marks_li,
  ['k'] = marks_lk,
  ['m'] = marks_lm,
  ['n'] = marks_ln,
  ['p'] = marks_lp,
  ['q'] = marks_lq,
  ['r'] = marks_lr,
  ['s'] = marks_ls,
};

const struct stage_mark *
stage_marks (unsigned char first)
{
  return by_first[first];
}
