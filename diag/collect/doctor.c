/* SPDX-License-Identifier: Apache-2.0
 *
 * What each collector lacks on this host and guest, and the exact command that
 * mends it.  Looks only: of SysRq it knows what the console has already said.
 */
#include "diag/collect/collect.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/opener.h"
#include "kernel/text/sysrq.h"
#include "transports/console/hub.h"
#include "transports/monitor/monitor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_TEXT (256u << 10)

static void say (struct doctor_report *r, enum doctor_state state,
                 const char *what, const char *fix, const char *fmt, ...)
    __attribute__ ((format (printf, 5, 6)));

static void
say (struct doctor_report *r, enum doctor_state state, const char *what,
     const char *fix, const char *fmt, ...)
{
  char finding[320];
  va_list ap;

  va_start (ap, fmt);
  (void) vsnprintf (finding, sizeof finding, fmt, ap);
  va_end (ap);
  r->line (r, state, what, finding, fix);
}

static bool
is_libvirt (const struct guest *g)
{
  return g->monitor == MONITOR_LIBVIRT;
}

/* ---- host ---- */

static void
host_stacks (const struct transport_env *env, const struct guest *g,
             struct doctor_report *r, uint64_t deadline)
{
  CLEANUP_CLOSE int fd = -1;
  char path[64], aa[64];
  struct buf label CLEANUP_BUF = BUF_INIT (256);
  struct error err = ERROR_INIT;
  struct open_req req = { .kind = OPEN_PROC, .root = "/proc", .path = path,
                          .check_pid = g->inc.pid,
                          .check_start = g->inc.start_time };

  if (g->inc.pid <= 0 || !env->opener)
    {
      say (r, DOCTOR_NA, "QEMU process", NULL, "it is not on this host");
      return;
    }
  snprintf (path, sizeof path, "%d/task/%d/stack", g->inc.pid, g->inc.pid);
  if (env->opener->open (env->opener, &req, deadline, &fd, NULL, &err) == 0)
    {
      say (r, DOCTOR_OK, "QEMU process",
           NULL, "pid %d; the kernel stacks of its threads can be read",
           g->inc.pid);
      return;
    }
  snprintf (aa, sizeof aa, "/proc/%d/attr/current", g->inc.pid);
  if (collect_slurp (aa, &label, NULL) == 0
      && strstr (buf_str (&label), "(enforce)"))
    say (r, DOCTOR_WARN, "QEMU process",
         "echo 'ptrace (readby) peer=unconfined,' "
         ">>/etc/apparmor.d/local/abstractions/libvirt-qemu (and start the "
         "guest again)",
         "stacks can't be read (%s), and AppArmor confines it: %.60s",
         error_text (&err), buf_str (&label));
  else
    say (r, DOCTOR_WARN, "QEMU process",
         "sudo hangdog daemon (only its keeper stays privileged)",
         "the kernel stacks of its threads can't be read: %s",
         error_text (&err));
}

static void
host_doctor (const struct transport_env *env, const struct guest *g,
             struct doctor_report *r, uint64_t deadline)
{
  if (access ("/proc/pressure/memory", R_OK) < 0)
    say (r, DOCTOR_WARN, "pressure",
         "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&psi=1 /' /etc/default/grub && "
         "update-grub && reboot",
         "/proc/pressure is not there: a starved host is not told apart");
  else
    say (r, DOCTOR_OK, "pressure", NULL, "/proc/pressure can be read");
  host_stacks (env, g, r, deadline);
}

/* ---- console: is there text to look at? ---- */

/* What the ring of a console still has; false when there is none. */
static bool
kept_text (const struct transport_env *env, const struct guest *g,
           const char *console, struct buf *ret)
{
  if (!env->hub
      || hub_kept (env->hub, g->inc.uuid, console, ret, NULL, NULL) < 0)
    return false;
  return ret->len > 0;
}

static bool
has_kernel_line (const struct buf *text)
{
  struct sysrq_dump *d = NULL;
  size_t n = 0;

  if (collect_sysrq_read (buf_str (text), text->len, &d, &n, NULL) < 0)
    return false;
  sysrq_dump_free (d);
  return n > 0;
}

static void
console_doctor (const struct transport_env *env, const struct guest *g,
                struct doctor_report *r, uint64_t deadline)
{
  struct buf text CLEANUP_BUF = BUF_INIT (MAX_TEXT);
  const struct guest_console *con = g->nconsoles ? &g->consoles[0] : NULL;
  const char *boot;
  char fix[200];

  if (!con)
    return;
  if (!kept_text (env, g, con->name, &text))
    {
      say (r, DOCTOR_NA, "kernel text", NULL,
           "nothing of %s is kept yet: whether the guest's kernel has it as "
           "console= is not known",
           con->name);
      return;
    }
  boot = strstr (buf_str (&text), "ommand line:");
  snprintf (fix, sizeof fix,
            "in the guest: sed -i 's/^GRUB_CMDLINE_LINUX=\"/&console=tty0 "
            "console=%s /' /etc/default/grub && update-grub && reboot",
            con->device == CONSOLE_DEV_SERIAL ? "ttyS0" : "hvc0");
  if (boot && !strstr (boot, "console="))
    say (r, DOCTOR_WARN, "kernel text", fix,
         "the guest's kernel command line has no console=: a panic would not "
         "be seen");
  else if (boot || has_kernel_line (&text))
    say (r, DOCTOR_OK, "kernel text", NULL, "the kernel writes to %s",
         con->name);
  else
    say (r, DOCTOR_NA, "kernel text", fix,
         "no line of the kernel among the %zu bytes kept of %s; if it has "
         "never written there, a panic would not be seen",
         text.len, con->name);
}

/* ---- sysrq ---- */

static void
sysrq_mask (const struct transport_env *env, const struct guest *g,
            struct doctor_report *r, const struct guest_console *con)
{
  static const char fix[]
      = "in the guest: echo kernel.sysrq=1 >/etc/sysctl.d/90-sysrq.conf && "
        "sysctl -w kernel.sysrq=1";
  struct buf text CLEANUP_BUF = BUF_INIT (MAX_TEXT);
  struct sysrq_dump *d = NULL;
  bool refused = false, shown = false;

  kept_text (env, g, con->name, &text);
  if (collect_sysrq_read (buf_str (&text), text.len, &d, NULL, NULL) == 0)
    {
      refused = sysrq_dump_refused (d);
      shown = strpbrk (sysrq_dump_keys (d), "dlmpqtwz") != NULL;
      sysrq_dump_free (d);
    }
  if (refused)
    say (r, DOCTOR_WARN, "SysRq mask", fix,
         "the kernel takes SysRq, but its mask refused a dump (the "
         "distributions' default does)");
  else if (shown)
    say (r, DOCTOR_OK, "SysRq mask", NULL, "the kernel has shown a dump");
  else
    say (r, DOCTOR_NA, "SysRq mask", fix,
         "not known until it is asked (`hangdog diagnose`); most "
         "distributions refuse dumps");
}

static void
sysrq_doctor (const struct transport_env *env, const struct guest *g,
              struct doctor_report *r, uint64_t deadline)
{
  const struct guest_console *con = NULL;
  bool key = sysrq_can_press (g, 'w');
  char fix[512];

  for (unsigned i = 0; !con && i < g->nconsoles; i++)
    if (g->consoles[i].kind != CONSOLE_LOG
        && g->consoles[i].mode != CONSOLE_TAIL)
      con = &g->consoles[i];
  if (!con)
    {
      say (r, DOCTOR_BAD, "SysRq", guest_mend_console (g, fix, sizeof fix),
           "no console to read the answer from");
      return;
    }
  if (key)
    say (r, DOCTOR_OK, "SysRq route", NULL,
         "as a key of the guest's keyboard, through the monitor");
  else if (con->device == CONSOLE_DEV_VIRTIO || con->muxed)
    say (r, DOCTOR_OK, "SysRq route", NULL, "^O over console %s", con->name);
  else
    say (r, DOCTOR_BAD, "SysRq route", "run hangdog where the monitor is",
         "a keyboard and BREAK need a monitor, and this guest has none");
  sysrq_mask (env, g, r, con);
}

/* ---- monitor: the devices by which a guest could speak for itself ---- */

struct device
{
  const char *name;
  const char *types[3]; /* of QEMU */
  const char *sign;     /* on the command line */
  const char *gives;
  const char *libvirt; /* the command, with URI and uuid as %s and %s */
  const char *qemu;    /* what to add to the command line */
};

static const struct device devices[] = {
  { "pvpanic", { "pvpanic", "pvpanic-pci" }, "pvpanic",
    "a panic is told by the guest's kernel itself",
    "virsh -c '%s' attach-device %s --config /dev/stdin "
    "<<<\"<panic model='isa'/>\"", "-device pvpanic" },
  { "watchdog", { "i6300esb", "ib700", "diag288" }, "i6300esb",
    "a guest that stops feeding it is told by QEMU",
    "virsh -c '%s' attach-device %s --config /dev/stdin "
    "<<<\"<watchdog model='i6300esb' action='none'/>\"",
    "-device i6300esb -action watchdog=none" },
  { "guest agent", { NULL }, "org.qemu.guest_agent.0",
    "the guest's user space can be asked beside the console",
    "virsh -c '%s' attach-device %s --config /dev/stdin "
    "<<<\"<channel type='unix'><target type='virtio' "
    "name='org.qemu.guest_agent.0'/></channel>\"",
    "-device virtserialport,chardev=ga,name=org.qemu.guest_agent.0" },
  { "vmcoreinfo", { "vmcoreinfo" }, "vmcoreinfo",
    "the guest's memory can be read without its debug information",
    "virt-xml --connect '%s' %s --edit --features vmcoreinfo.state=on",
    "-device vmcoreinfo" },
};

/* "child<pvpanic>" among the children of a QOM path. */
static void
add_types (struct monitor *m, const char *path, uint64_t until,
           struct buf *out)
{
  CLEANUP_JSON struct json_object *reply = NULL;
  struct json_object *args = json_object_new_object ();
  struct error err = ERROR_INIT;

  json_add_str (args, "path", path);
  if (monitor_command (m, "qom-list", args, until, &reply, &err) < 0
      || !json_object_is_type (reply, json_type_array))
    return;
  for (size_t i = 0; i < json_object_array_length (reply); i++)
    {
      const char *type
          = json_get_str (json_object_array_get_idx (reply, i), "type");

      if (type)
        buf_printf (out, "%s\n", type);
    }
}

/* Command line and, where asking does not taint, QEMU's objects.  False when
 * neither could be had. */
static bool
device_text (const struct transport_env *env, const struct guest *g,
             uint64_t deadline, struct buf *out)
{
  enum monitor_health health = MONITOR_GONE;
  struct error err = ERROR_INIT;
  uint64_t until = clock_ms () + MONITOR_HOLD_MS;
  struct monitor *m;
  char path[64];
  bool any = false;

  if (g->inc.pid > 0)
    {
      snprintf (path, sizeof path, "/proc/%d/cmdline", g->inc.pid);
      any = collect_slurp (path, out, NULL) == 0 && out->len > 0;
      for (size_t i = 0; i < out->len; i++)
        if (out->data[i] == '\0')
          out->data[i] = '\n';
    }
  until = until < deadline ? until : deadline;
  /* A command line with -readconfig does not have all. */
  if (g->monitor != MONITOR_UNIX
      || monitor_open (env, g, until, &m, &health, &err) < 0)
    return any && !strstr (buf_str (out), "-readconfig");
  add_types (m, "/machine/peripheral", until, out);
  add_types (m, "/machine/peripheral-anon", until, out);
  monitor_close (m);
  return true;
}

static bool
has_device (const struct device *d, const char *text)
{
  char child[64];

  if (strstr (text, d->sign))
    return true;
  for (unsigned i = 0; i < 3 && d->types[i]; i++)
    {
      snprintf (child, sizeof child, "child<%s>", d->types[i]);
      if (strstr (text, child))
        return true;
    }
  return false;
}

/* The two "%s" of a command. */
static void
fill (char *dst, size_t n, const char *command, const struct guest *g)
{
  const char *a = strstr (command, "%s"), *b = strstr (a + 2, "%s");

  snprintf (dst, n, "%.*s%s%.*s%s%s", (int) (a - command), command, g->host,
            (int) (b - a - 2), a + 2, g->inc.uuid, b + 2);
}

static void
monitor_doctor (const struct transport_env *env, const struct guest *g,
                struct doctor_report *r, uint64_t deadline)
{
  struct buf text CLEANUP_BUF = BUF_INIT (MAX_TEXT);
  char fix[400];

  if (g->run == GUEST_OFF || g->monitor == MONITOR_NONE)
    return;
  if (!device_text (env, g, deadline, &text))
    {
      say (r, DOCTOR_NA, "devices", NULL,
           "which devices the guest has can't be seen from here");
      return;
    }
  for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++)
    {
      const struct device *d = &devices[i];

      if (has_device (d, buf_str (&text)))
        {
          say (r, DOCTOR_OK, d->name, NULL, "the guest has it: %s", d->gives);
          continue;
        }
      if (is_libvirt (g))
        fill (fix, sizeof fix, d->libvirt, g);
      else
        snprintf (fix, sizeof fix, "add to QEMU's command line: %s", d->qemu);
      say (r, DOCTOR_WARN, d->name, fix, "the guest has none; with it %s",
           d->gives);
    }
}

/* ---- disk, net ---- */

static void
disk_doctor (const struct transport_env *env, const struct guest *g,
             struct doctor_report *r, uint64_t deadline)
{
  if (g->ndisks == 0)
    say (r, DOCTOR_NA, "disks", NULL, "the guest has none that is known");
  else if (g->monitor == MONITOR_NONE)
    say (r, DOCTOR_BAD, "disks", "run hangdog where the monitor is",
         "%u, whose counters need a monitor", g->ndisks);
  else
    say (r, DOCTOR_OK, "disks", NULL, "%u, counted by QEMU", g->ndisks);
}

static void
net_doctor (const struct transport_env *env, const struct guest *g,
            struct doctor_report *r, uint64_t deadline)
{
  char path[96];

  if (g->nnics == 0)
    {
      say (r, DOCTOR_NA, "interface", NULL, "the guest has none");
      return;
    }
  for (unsigned i = 0; i < g->nnics; i++)
    {
      const char *name = g->nics[i].ifname;

      snprintf (path, sizeof path, "/sys/class/net/%.31s/statistics", name);
      if (name[0] && !strchr (name, '/') && access (path, R_OK) == 0)
        say (r, DOCTOR_OK, "interface", NULL, "%s: its counters can be read",
             name);
      else
        say (r, DOCTOR_NA, "interface", NULL,
             "%s is not on this host (user networking?): whether packets move "
             "is not seen",
             name[0] ? name : g->nics[i].mac);
    }
}

const struct collector_doctor collector_doctors[] = {
  { &collect_host, host_doctor },       { &collect_console, console_doctor },
  { &collect_monitor, monitor_doctor }, { &collect_disk, disk_doctor },
  { &collect_net, net_doctor },         { &collect_sysrq, sysrq_doctor },
  { NULL, NULL },
};
