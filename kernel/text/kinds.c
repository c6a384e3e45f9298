/* SPDX-License-Identifier: Apache-2.0
 *
 * The kinds of events there are.  See event.h.
 */
#include "kernel/text/event.h"

#include <string.h>

const struct text_kind text_kinds[] = {
  { "panic", "the kernel gave up" },
  { "oops",
    "a fault within the kernel, of a sort that its first line did not say" },
  { "gpf", "a general protection fault within the kernel" },
  { "null_deref", "the kernel used a NULL pointer" },
  { "paging_fault", "the kernel used an address that is not mapped" },
  { "double_fault", "a fault while a fault was handled" },
  { "stack_overflow", "a kernel stack was used up or written over" },
  { "divide_error", "the kernel divided by zero" },
  { "invalid_opcode", "the kernel came upon an instruction that is none" },
  { "int3", "the kernel ran into a breakpoint, or stands in its debugger" },
  { "unhandled_fault", "a fault that the kernel has no handler for" },
  { "alignment_trap", "an access that is not aligned" },
  { "internal_error", "arm: an exception within the kernel" },
  { "kernel_bug",
    "the kernel found itself in a state that must not be (BUG)" },
  { "bug", "the kernel complains of a bug of its own" },
  { "warning", "the kernel found something that it did not expect (WARNING)" },
  { "refcount", "a reference count overflowed or was used after its end" },
  { "list_corruption", "a linked list was written over" },
  { "usercopy", "a copy to or from userspace beyond an object's bounds" },
  { "object_bug",
    "an object was used before or after its life (ODEBUG, kobject)" },
  { "memory_corruption", "a memory allocator found its memory written over" },
  { "bad_page", "a page or its table is in a state that must not be" },
  { "hung_task", "a task waits for too long" },
  { "soft_lockup", "a CPU does not schedule" },
  { "hard_lockup", "a CPU does not take interrupts" },
  { "rcu_stall", "a CPU or task holds up RCU's grace periods" },
  { "workqueue_lockup", "workers do not get on with their work" },
  { "cant_die", "a task that was killed does not die" },
  { "atomic_sleep", "something slept or scheduled where that must not be" },
  { "preempt_bug", "per-CPU data used where the task may move" },
  { "lockdep",
    "an order of locks that may end in a deadlock, or locks misused" },
  { "suspicious_rcu", "RCU used without its protection" },
  { "spinlock_bug",
    "a spinlock, mutex or semaphore misused or held for too long" },
  { "ubsan", "undefined behaviour was caught" },
  { "kasan", "a wrong memory access was caught by KASAN" },
  { "kmsan", "uninitialised memory was used, caught by KMSAN" },
  { "kcsan", "a data race was caught by KCSAN" },
  { "kfence", "a wrong memory access was caught by KFENCE" },
  { "memory_leak", "memory that nobody refers to" },
  { "rust_panic", "code in Rust gave up" },
  { "unwind_bug", "the unwinder met a stack that it does not understand" },
  { "netdev_refs", "a network device waits for its last user" },
  { "vfs_bug", "a file system's objects were used after their end" },
  { "nmi", "a non-maskable interrupt that nobody wanted" },
  { "mce", "the hardware reported an error" },

  /* storage */
  { "io_error", "a block device failed a request, or a programme got EIO" },
  { "io_timeout", "a block device did not answer a request in time" },
  { "device_reset", "a device or its link was reset after it did not answer" },
  { "device_offline", "a device was given up: it answers no more" },
  { "raid_degraded", "an array lost a disk" },
  { "path_failed", "one of several ways to a disk failed" },
  { "pool_full", "a thin pool or snapshot has no room left" },
  { "data_corrupt", "data is not what its checksum says" },
  { "remote_storage_lost", "a disk on the network does not answer" },
  { "storage_slow", "a programme says that its disk is slow" },

  /* file systems */
  { "fs_error", "a file system found an error" },
  { "fs_warning", "a file system has something to say" },
  { "fs_readonly", "a file system takes no writes any more" },
  { "fs_shutdown", "a file system gave up altogether" },
  { "fs_frozen", "the file systems were frozen on purpose" },
  { "server_not_responding", "a file server does not answer" },
  { "server_responds", "a file server answers again" },
  { "mount_failed", "something could not be mounted" },
  { "disk_full", "a programme found no space on a disk" },

  /* network */
  { "net_tx_timeout", "a network device does not send" },
  { "net_table_full", "a table of connections, neighbours or routes is full" },
  { "net_memory", "there is no memory for sockets" },
  { "net_overload", "more connections come than are served" },
  { "net_duplicate_address", "another machine has this one's address" },
  { "no_address", "nobody gave the guest an address" },
  { "link_down", "a network link went down" },

  /* memory */
  { "oom", "memory ran out and the kernel looks for somebody to kill" },
  { "oom_kill", "a task was killed for want of memory" },
  { "oom_kill_cgroup",
    "a task was killed because its cgroup reached its limit" },
  { "oom_deadlock", "memory ran out and nobody can be killed" },
  { "alloc_failure", "the kernel did not get memory that it wanted" },
  { "no_memory_user", "a programme did not get memory that it wanted" },
  { "swap_error", "swap can not be read or written" },
  { "balloon", "the balloon took what the guest needs, or gave nothing" },
  { "memory_error", "memory is broken: an error that could not be corrected" },
  { "memory_error_corrected", "an error of memory was corrected" },
  { "mce_corrected", "the hardware reported an error that it corrected" },

  /* userspace */
  { "init_died", "init crashed, froze, or has nothing to run" },
  { "init_stuck", "init does not answer" },
  { "no_init", "there is no init that works" },
  { "unit_failed", "a service, mount or target of init failed" },
  { "unit_unmet", "a unit of init lacks another that failed" },
  { "boot_asked", "boot was told to end elsewhere than it does as a rule" },
  { "job_waiting", "boot or shutdown waits for a job" },
  { "device_missing", "a device that boot waits for did not come" },
  { "emergency_mode", "boot ended in emergency or rescue mode" },
  { "service_killed", "a service was ended by a signal, or had to be killed" },
  { "service_stuck", "a service does not get on" },
  { "unkillable", "processes do not die" },
  { "console_dead", "nobody serves the console: its getty does not start" },
  { "journal_broken", "the journal can not be written" },
  { "segfault", "a programme crashed" },
  { "program_broken", "a programme can not run, or ended itself" },
  { "task_exhaustion", "no more tasks can be made" },
  { "file_exhaustion", "no more files can be opened" },
  { "runtime_stuck", "a container runtime does not answer" },
  { "container_failed", "a container did not start or stop" },
  { "node_pressure", "a node evicts for want of memory or disk" },
  { "provisioning_failed", "the guest was not set up at its first boot" },

  /* boot */
  { "no_boot_device", "the firmware found nothing to start" },
  { "boot_option_failed", "the firmware could not start one of its options" },
  { "boot_denied", "secure boot refused what should start" },
  { "firmware_shell", "the firmware stands in its shell" },
  { "firmware_crash", "the firmware crashed" },
  { "netboot_failed", "the guest could not boot from the network" },
  { "bootloader_error", "a boot loader did not find or load what it should" },
  { "bootloader_stopped", "a boot loader stands at its prompt" },
  { "kernel_load_failed", "the kernel could not be loaded or unpacked" },
  { "initramfs_broken", "the initial RAM disk is damaged" },
  { "initramfs_shell", "boot stands in the shell of the initial RAM disk" },
  { "root_missing", "the root file system was not found or not mounted" },
  { "fsck_needed", "a file system check waits for somebody" },
  { "maintenance_prompt", "boot waits for root's password" },
  { "passphrase_prompt", "boot waits for a disk's passphrase" },
  { "kdump", "a crash kernel saves a dump" },

  /* hardware and hypervisors */
  { "clock_unstable", "a clock of the guest can not be trusted" },
  { "clock_late", "clocks or interrupts came late: the processor was away" },
  { "time_jump", "the time of day jumped" },
  { "scheduler_failed",
    "a scheduler of somebody's own (sched_ext) was thrown out" },
  { "rt_hog", "a real-time task takes all of a processor" },
  { "work_hog", "a work item takes a processor for long" },
  { "irq_lost", "an interrupt that nobody handles" },
  { "cpu_failed", "a processor did not start" },
  { "thermal", "the machine is too hot" },
  { "pcie_error", "an error on the PCIe bus" },
  { "iommu_fault", "a device used memory that it may not" },
  { "usb_error", "a USB device does not answer well" },
  { "gpu_error", "the graphics processor hangs" },
  { "watchdog_device", "a watchdog device was not fed, or runs on" },
  { "suspend_failed", "the guest did not go to sleep or wake up" },
  { "virtio_error", "a virtio device is broken" },
  { "xen_error", "something between the guest and Xen does not work" },
  { "hyperv_error", "something between the guest and Hyper-V does not work" },
  { "kvm_guest", "something between the guest and KVM does not work" },
  { "hypervisor_crash", "a hypervisor on the console crashed" },

  /* Windows */
  { "windows_stop", "Windows stopped (a blue screen)" },
  { "windows_boot_failed", "Windows does not boot" },
  { "windows_sac", "a Windows guest's administration console" },
  { NULL, NULL },
};

const struct text_kind *
text_kind_find (const char *name)
{
  const struct text_kind *k;

  for (k = text_kinds; k->name; k++)
    if (strcmp (k->name, name) == 0)
      return k;
  return NULL;
}
