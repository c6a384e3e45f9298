/* SPDX-License-Identifier: Apache-2.0
 *
 * Console text from templates.  In a template # is a digit, @ a hexadecimal
 * digit, % a letter, ~ a kernel's stamp with its caller, $ a function.
 */
#include "tests/bench/textgen.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>

const char *const textgen_names[] = { "clean boot text",
                                      "reports",
                                      "a line without an end",
                                      "NULs",
                                      "random bytes",
                                      "ANSI sequences",
                                      "nested reports",
                                      "heads alone",
                                      "literals that are no heads",
                                      "the same in lines of 8 KiB",
                                      "forged prompts",
                                      NULL };

static const char *const boot_kernel[] = {
  "~BIOS-e820: [mem 0x00000000@@@@@000-0x00000000@@@@@fff] usable",
  "~ACPI: SSDT 0x00000000@@@@@@@@ 000@@@ (v01 BOCHS  BXPC     00000001 BXPC)",
  "~smpboot: CPU0: Generic x86-64 Processor (family: 0x#f, model: 0x#)",
  "~rcu: \tRCU restricting CPUs from NR_CPUS=512 to nr_cpu_ids=#.",
  "~clocksource: tsc-early: mask: 0xffffffffffffffff max_cycles: 0x2@@@@@@@",
  "~pci 0000:00:0#.0: [1af4:10##] type 00 class 0x0@@@00",
  "~pci 0000:00:0#.0: reg 0x10: [io  0xc0@@-0xc0@@]",
  "~pnp 00:0#: Plug and Play ACPI device, IDs PNP0### (active)",
  "~NET: Registered PF_INET# protocol family",
  "~tcp_listen_portaddr_hash hash table entries: #### (order: #, ##### bytes)",
  "~Initialise system trusted keyrings, key type asymmetric registered",
  "~virtio_blk virtio#: [vda] ######## 512-byte logical blocks (##.# GB)",
  "~ata#: SATA max UDMA/133 abar m4096@0xfe@@@000 port 0xfe@@@100 irq ##",
  "~usb 1-#: new high-speed USB device number # using xhci_hcd",
  "~input: Power Button as /devices/LNXSYSTM:00/LNXPWRBN:00/input/input##",
  "~EXT4-fs (vda#): mounted filesystem with ordered data mode. Quota: none.",
  "~audit: type=2000 audit(1#########.###:#): state=initialized audit=0 res=1",
  "~systemd[1]: Detected virtualization kvm, architecture x86-64.",
  "~%%%%%%_driver: loading module, version #.##.#, feature mask 0x@@@@@@@@",
  "~IPv6: ADDRCONF(NETDEV_CHANGE): eth#: link becomes ready",
};

static const char *const boot_user[] = {
  "[  OK  ] Started Dispatch Password Requests to Console Directory Watch.",
  "[\033[0;32m  OK  \033[0m] Reached target \033[0;1;39mBasics\033[0m.",
  "         Starting Create Volatile Files and Directories number ##...",
  "[  OK  ] Finished Load Kernel Module %%%%%%.",
  "Nov #0 1#:##:## web-# dhclient[####]: DHCPACK of 10.0.#.## from 10.0.#.1",
  "Nov #0 1#:##:## web-# sshd[####]: Server listening on 0.0.0.0 port 22.",
  "%%%%%% service ready, ## workers, ### connections, uptime #### seconds",
  "127.0.0.1 - - \"GET /%%%%%%/%%%%/####.html HTTP/1.1\" 200 ####",
};

static const char *const report[][14] = {
  { "~INFO: task %%%%%%:#### blocked for more than 12# seconds.",
    "~      Not tainted 6.1.0-##-amd64 #1",
    "~\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this "
    "message.",
    "~task:%%%%%%          state:D stack:0     pid:####  ppid:1      "
    "flags:0x0000400#",
    "~Call Trace:", "~ <TASK>", "~ __schedule+0x3@@/0x9@@",
    "~ schedule+0x5@/0xe@", "~ $+0x1@@/0x4@@", "~ $+0x1@@/0x4@@",
    "~ do_syscall_64+0x5@/0xc@", "~ </TASK>", NULL },
  { "~BUG: kernel NULL pointer dereference, address: 00000000000000@@",
    "~#PF: supervisor read access in kernel mode",
    "~Oops: 0000 [#1] PREEMPT SMP NOPTI",
    "~CPU: # PID: #### Comm: %%%%%% Not tainted 6.1.0-##-amd64 #1",
    "~RIP: 0010:$+0x@@/0x1@@", "~RSP: 0018:ffff@@@@@@@@@@@@ EFLAGS: 000102@@",
    "~Call Trace:", "~ <TASK>", "~ $+0x1@@/0x4@@", "~ $+0x1@@/0x4@@",
    "~ $+0x1@@/0x4@@", "~ </TASK>", "~---[ end trace 0000000000000000 ]---",
    NULL },
  { "~watchdog: BUG: soft lockup - CPU## stuck for 2#s! [%%%%%%:####]",
    "~Modules linked in: %%%%%% %%%%%% %%%%%% %%%%%%",
    "~CPU: # PID: #### Comm: %%%%%% Not tainted 6.1.0-##-amd64 #1",
    "~RIP: 0010:$+0x@@/0x1@@", "~Call Trace:", "~ <IRQ>", "~ $+0x1@@/0x4@@",
    "~ </IRQ>", "~ <TASK>", "~ $+0x1@@/0x4@@", "~ $+0x1@@/0x4@@", "~ </TASK>",
    NULL },
  { "~------------[ cut here ]------------",
    "~WARNING: CPU: # PID: #### at fs/%%%%%%/inode.c:#### $+0x1@@/0x4@@",
    "~Modules linked in: %%%%%% %%%%%%",
    "~CPU: # PID: #### Comm: %%%%%% Not tainted 6.1.0-##-amd64 #1",
    "~RIP: 0010:$+0x@@/0x1@@", "~Call Trace:", "~ <TASK>", "~ $+0x1@@/0x4@@",
    "~ ? $+0x1@@/0x4@@", "~ $+0x1@@/0x4@@", "~ </TASK>",
    "~---[ end trace 0000000000000000 ]---", NULL },
  { "~rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "~rcu: \t#-...!: (# ticks this GP) idle=@@@/1/0x4000000000000000 "
    "softirq=####/####",
    "~rcu: \t(detected by #, t=##### jiffies, g=####, q=### ncpus=#)",
    "~Sending NMI from CPU 1 to CPUs 0:", "~NMI backtrace for cpu 0",
    "~CPU: 0 PID: #### Comm: %%%%%% Not tainted 6.1.0-##-amd64 #1",
    "~RIP: 0010:$+0x@@/0x1@@", "~Call Trace:", "~ <TASK>", "~ $+0x1@@/0x4@@",
    "~ $+0x1@@/0x4@@", "~ </TASK>", NULL },
};

static const char *const functions[]
    = { "ext4_file_write_iter", "vfs_write",
        "blk_mq_submit_bio",    "io_schedule",
        "nfs_wait_on_request",  "tcp_sendmsg_locked",
        "do_filp_open",         "kthread",
        "worker_thread",        "process_one_work",
        "xfs_trans_commit",     "folio_wait_bit",
        "mutex_lock",           "ksys_read",
        "path_openat" };

static const char *const ansi[] = { "\033[2J",
                                    "\033[1;##;##m",
                                    "\033]0;%%%%%%",
                                    "\033[",
                                    "\033",
                                    "\033[?25",
                                    "\b\b\b\b",
                                    "\033[9999999999999999C",
                                    "\r",
                                    "\033P%%%",
                                    "x",
                                    "\233##m",
                                    "\n" };

static const char *const nested[] = {
  "~Kernel panic - not syncing: BUG: soft lockup - CPU## stuck for ###s!",
  "[ T####][ C##][~INFO: task INFO: task x:1 blocked for more than:1 blocked",
  "~Call Trace:",
  "~ <TASK>",
  "~ <IRQ>",
  "~ <NMI>",
  "~ $+0x@@/0x@@",
  "~WARNING: CPU: # PID: # at WARNING: CPU: # PID: # at BUG: KASAN: in $",
  "~rcu: INFO: rcu_sched self-detected stall on CPU { INFO: rcu_sched",
  "~task:task:task:%%%%    state:D stack:0 pid:#### ppid:#### flags:0x0",
};

static const char *const heads[] = {
  "~INFO: task %%%%%%:#### blocked for more than 1## seconds.",
  "~BUG: unable to handle page fault for address: ffff@@@@@@@@@@@@",
  "~Kernel panic - not syncing: %%%%%% %%%%%%",
  "~WARNING: CPU: # PID: #### at mm/%%%%%%.c:### $+0x@@/0x@@",
  "~watchdog: BUG: soft lockup - CPU## stuck for 2#s! [%%%%%%:####]",
  "~Out of memory: Killed process #### (%%%%%%) total-vm:######kB",
  "~EXT4-fs error (device vda#): $:###: inode ######: comm %%%%%%: bad",
};

static const char *const starts[] = {
  "~INFO: task INFO: task INFO: task INFO: task INFO: task INFO: task INFO:",
  "~BUG: BUG: BUG: BUG: BUG: BUG: BUG: BUG: BUG: BUG: BUG: BUG: BUG: BUG: ",
  "WARNING: WARNING: WARNING: blocked for more than blocked for more than",
  "~soft lockup soft lockup - CPU soft lockup - CPU#%%% stuck for %%%s!",
  "~Kernel panic Kernel panic Kernel panic not syncing not syncing oom-kill",
  "~detected stall detected stalls detected expedited stall on on on CPUs",
};

static const char *const prompts[] = {
  "login: ",
  "web-# login: ~",
  "grub> ",
  "grub rescue> ",
  "(initramfs) ",
  "SeaBIOS (version 1.16.#)",
  "~Linux version 6.#.0-%%%% (x@y) #1 SMP",
  "U-Boot 202#.0# (Jan 01 202# - 00:00:00 +0000)",
  "Give root password for maintenance",
  "dracut:/# ",
  "Booting the kernel.",
  "reboot: Restarting system",
  "[  OK  ] Reached target Graphical Interface.",
};

struct out
{
  char *p, *end;
  uint64_t state, us;
};

static uint64_t
dice (struct out *o)
{
  uint64_t z = o->state += 0x9e3779b97f4a7c15;

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  return z ^ (z >> 29);
}

static void
put (struct out *o, const char *s, size_t n)
{
  size_t room = (size_t) (o->end - o->p);

  n = n < room ? n : room;
  memcpy (o->p, s, n);
  o->p += n;
}

static void
put_stamp (struct out *o)
{
  char s[48];
  int n;

  o->us += dice (o) % 3000;
  n = snprintf (s, sizeof (s), "[%5llu.%06llu] ",
                (unsigned long long) (o->us / 1000000),
                (unsigned long long) (o->us % 1000000));
  put (o, s, (size_t) n);
}

static void
put_template (struct out *o, const char *t)
{
  for (; *t; t++)
    {
      char c = *t;

      if (c == '~')
        {
          put_stamp (o);
          continue;
        }
      if (c == '$')
        {
          const char *f = functions[dice (o) % ARRAY_LEN (functions)];

          put (o, f, strlen (f));
          continue;
        }
      c = c == '#'   ? (char) ('0' + dice (o) % 10)
          : c == '@' ? "0123456789abcdef"[dice (o) % 16]
          : c == '%' ? (char) ('a' + dice (o) % 26)
                     : c;
      put (o, &c, 1);
    }
}

static void
fill (struct out *o, const char *const *list, size_t n, const char *between)
{
  while (o->p < o->end)
    {
      put_template (o, list[dice (o) % n]);
      put (o, between, strlen (between));
    }
}

/* Lines of 8 KiB, each begun as a kernel begins it. */
static void
fill_long (struct out *o, const char *const *list, size_t n)
{
  while (o->p < o->end)
    {
      char *end = o->end - o->p > 8000 ? o->p + 8000 : o->end;
      const char *t = list[dice (o) % n];

      put_stamp (o);
      while (o->p < end)
        put_template (o, t + (t[0] == '~'));
      put (o, "\n", 1);
    }
}

static void
some (struct out *o, const char *const *list, size_t n, unsigned lines)
{
  while (lines-- > 0)
    {
      put_template (o, list[dice (o) % n]);
      put (o, "\r\n", 2);
    }
}

/* One kernel; what it and its programmes say goes on for ever after. */
static void
boot (struct out *o)
{
  put_template (o, "~Linux version 6.1.0-##-amd64 (builder@host) (gcc 12.#.0) "
                   "#1 SMP PREEMPT_DYNAMIC\r\n"
                   "~Command line: root=/dev/vda1 ro console=ttyS0\r\n");
  some (o, boot_kernel, ARRAY_LEN (boot_kernel), 400);
  some (o, boot_user, ARRAY_LEN (boot_user), 100);
  put_template (o, "\r\nDebian GNU/Linux 12 web-1 ttyS0\r\n\r\nweb-1 login: ");
  while (o->p < o->end)
    {
      some (o, boot_user, ARRAY_LEN (boot_user), 5);
      some (o, boot_kernel, ARRAY_LEN (boot_kernel), 5);
    }
}

static void
dense (struct out *o)
{
  while (o->p < o->end)
    {
      const char *const *line = report[dice (o) % ARRAY_LEN (report)];

      for (; *line; line++)
        {
          put_template (o, *line);
          put (o, "\r\n", 2);
        }
    }
}

void
textgen (enum textgen what, uint64_t seed, char *dst, size_t len)
{
  struct out o = { dst, dst + len, seed, 0 };

#define FILL(list, between) fill (&o, list, ARRAY_LEN (list), between)
  switch (what)
    {
    case TEXTGEN_BOOT:
      boot (&o);
      break;
    case TEXTGEN_DENSE:
      dense (&o);
      break;
    case TEXTGEN_LINE:
      FILL (starts, " ");
      break;
    case TEXTGEN_RANDOM:
      for (size_t i = 0; i < len; i++)
        dst[i] = (char) dice (&o);
      break;
    case TEXTGEN_ANSI:
      FILL (ansi, "");
      break;
    case TEXTGEN_NESTED:
      FILL (nested, "\n");
      break;
    case TEXTGEN_HEADS:
      FILL (heads, "\n");
      break;
    case TEXTGEN_STARTS:
      FILL (starts, "\n");
      break;
    case TEXTGEN_LONG:
      fill_long (&o, starts, ARRAY_LEN (starts));
      break;
    case TEXTGEN_PROMPT:
      FILL (prompts, "\n");
      break;
    default:
      memset (dst, 0, len);
      break;
    }
#undef FILL
}
