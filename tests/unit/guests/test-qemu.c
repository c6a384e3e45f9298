/* SPDX-License-Identifier: Apache-2.0
 *
 * What a QEMU's command line says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "guests/qemu.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER "11111111-2222-4333-8444-555555555555.1.2"
#define DIR "/run/hypervisor/kvm/" FOLDER "/"

/* As EVE starts it. */
static const char eve_line[]
    = "/usr/lib/xen/bin/qemu-system-x86_64\0-display\0none\0-S\0"
      "-no-user-config\0-nodefaults\0-no-shutdown\0-serial\0"
      "chardev:charserial0\0-name\0" FOLDER "\0-uuid\0"
      "11111111-2222-4333-8444-555555555555\0-readconfig\0"
      "/run/domainmgr/xen/xen0.cfg\0-pidfile\0" DIR "pid";

static const char eve_config[]
    = "# This file\n"
      "[machine]\n  type = \"pc-q35-3.1\"\n  accel = \"kvm\"\n"
      "[memory]\n  size = \"1024\"\n"
      "[smp-opts]\n  cpus = \"3\"\n  sockets = \"1\"\n"
      "[chardev \"charmonitor\"]\n  backend = \"socket\"\n"
      "  path = \"" DIR "qmp\"\n  server = \"on\"\n"
      "[chardev \"charserial0\"]\n  backend = \"socket\"\n  mux = \"on\"\n"
      "  path = \"" DIR "cons\"\n  server = \"on\"\n"
      "[device \"charserial0\"]\n  driver = \"virtconsole\"\n"
      "  chardev = \"charserial0\"\n"
      "[chardev \"shim0\"]\n  backend = \"socket\"\n"
      "  path = \"" DIR "shim-cons\"\n"
      "[chardev \"hub0\"]\n  backend = \"hub\"\n"
      "  chardevs.0 = \"log0\"\n  chardevs.1 = \"shim0\"\n"
      "[device \"shimcons\"]\n  driver = \"virtconsole\"\n"
      "  chardev = \"hub0\"\n"
      "[drive \"drive-virtio-disk0\"]\n  file = \"/dev/zvol/a,b\"\n"
      "  format = \"raw\"\n"
      "[netdev \"hostnet0\"]\n  type = \"tap\"\n  ifname = \"nbu1x1\"\n"
      "[device \"net0\"]\n  driver = \"virtio-net-pci\"\n"
      "  netdev = \"hostnet0\"\n  mac = \"02:16:3e:00:00:01\"\n"
      "garbage\n[unclosed\n= \n";

/* Which of two processes with one uuid is meant, the disks tell. */
static void
finds_a_path_in_libvirts_json (void **state)
{
  static const char line[]
      = "/usr/bin/qemu-system-x86_64\0-name\0guest=web,debug-threads=on\0"
        "-blockdev\0{\"driver\":\"file\",\"filename\":\"/srv/web.qcow2\","
        "\"node-name\":\"libvirt-1-storage\"}\0-drive\0file=/srv/b.img";
  struct qemu_args *a CLEANUP_QEMU_ARGS = NULL;

  assert_int_equal (qemu_args_parse (line, sizeof line, &a, NULL), 0);
  assert_string_equal (qemu_args_name (a), "web");
  assert_true (qemu_args_mention (a, "/srv/web.qcow2"));
  assert_true (qemu_args_mention (a, "/srv/b.img"));
  assert_false (qemu_args_mention (a, "/srv/db.qcow2"));
}

static void
reads_how_eve_starts_one (void **state)
{
  struct qemu_args *a CLEANUP_QEMU_ARGS = NULL;
  const struct guest *cg CLEANUP_GUEST = NULL;
  struct guest_console c = { .device = CONSOLE_DEV_UNKNOWN };
  struct guest *g = guest_new ();

  cg = g;
  assert_int_equal (qemu_args_parse (eve_line, sizeof eve_line, &a, NULL), 0);
  assert_string_equal (qemu_args_name (a), FOLDER);
  assert_string_equal (qemu_args_uuid (a),
                       "11111111-2222-4333-8444-555555555555");
  assert_string_equal (qemu_args_readconfig (a), "/run/domainmgr/xen/xen0.cfg");
  assert_string_equal (qemu_args_pidfile (a), DIR "pid");
  assert_false (qemu_args_console (a, FOLDER, "cons", &c));

  qemu_args_fill (a, g);
  assert_int_equal (g->vcpus, 0);
  qemu_args_add_config (a, eve_config, strlen (eve_config));
  qemu_args_fill (a, g);
  assert_int_equal (g->memory_bytes, 1024ull << 20);
  assert_int_equal (g->vcpus, 3);
  assert_string_equal (g->machine, "pc-q35-3.1");
  assert_string_equal (g->accel, "kvm");
  assert_string_equal (g->cpu, "");
  assert_int_equal (g->ndisks, 1);
  assert_string_equal (g->disks[0].target, "drive-virtio-disk0");
  assert_string_equal (g->disks[0].path, "/dev/zvol/a,b");
  assert_int_equal (g->nnics, 1);
  assert_string_equal (g->nics[0].ifname, "nbu1x1");
  assert_string_equal (g->nics[0].mac, "02:16:3e:00:00:01");

  assert_true (qemu_args_console (a, FOLDER, "cons", &c));
  assert_int_equal (c.device, CONSOLE_DEV_MUX);
  assert_true (c.muxed);
  assert_string_equal (c.alias, "charserial0");
  assert_true (qemu_args_console (a, FOLDER, "shim-cons", &c));
  assert_int_equal (c.device, CONSOLE_DEV_VIRTIO);
  assert_false (c.muxed);
  assert_false (qemu_args_console (a, FOLDER, "ons", &c));
  assert_false (qemu_args_console (a, "x" FOLDER, "cons", &c));
}

static void
reads_options_of_all_shapes (void **state)
{
  static const char line[]
      = "qemu-system-aarch64\0--name\0guest=a,,b,debug-threads=on\0-m\0"
        "size=2G,slots=2\0-smp\0sockets=2,cores=3\0-enable-kvm\0-cpu\0"
        "cortex-a72,pmu=off\0-M\0virt,gic-version=3\0-serial\0"
        "unix:/x/g/serial0,server,nowait\0-serial\0mon:unix:/x/g/s1,server\0"
        "-append\0-uuid no\0-drive\0if=virtio,file=/a/d.img\0-device\0"
        "virtio-net-pci,netdev=n,mac=1\0-netdev\0user,id=n\0-uuid";
  struct qemu_args *a CLEANUP_QEMU_ARGS = NULL;
  const struct guest *cg CLEANUP_GUEST = NULL;
  struct guest_console c = { .device = CONSOLE_DEV_UNKNOWN };
  struct guest *g = guest_new ();

  cg = g;
  assert_int_equal (qemu_args_parse (line, sizeof line, &a, NULL), 0);
  assert_string_equal (qemu_args_name (a), "a,b");
  /* Neither the kernel's words nor an option without its value. */
  assert_string_equal (qemu_args_uuid (a), "");
  qemu_args_fill (a, g);
  assert_int_equal (g->memory_bytes, 2ull << 30);
  assert_int_equal (g->vcpus, 6);
  assert_string_equal (g->machine, "virt");
  assert_string_equal (g->accel, "kvm");
  assert_string_equal (g->cpu, "cortex-a72");
  assert_string_equal (g->disks[0].target, "virtio0");
  assert_string_equal (g->disks[0].path, "/a/d.img");
  assert_string_equal (g->nics[0].ifname, "");
  assert_true (qemu_args_console (a, "g", "serial0", &c));
  assert_int_equal (c.device, CONSOLE_DEV_SERIAL);
  assert_false (c.muxed);
  assert_true (qemu_args_console (a, "g", "s1", &c));
  assert_true (c.muxed);
  assert_string_equal (c.alias, "serial1");
}

static void
finds_the_agent_s_channel (void **state)
{
  static const char line[]
      = "qemu-kvm\0-chardev\0socket,id=x,path=/run/" FOLDER
        "/other,server=on\0-device\0virtserialport,chardev=x,name=com.x\0"
        "-chardev\0socket,id=qga,path=/run/" FOLDER "/qga.sock,server=on\0"
        "-device\0virtserialport,chardev=qga,name=org.qemu.guest_agent.0";
  static const char config[]
      = "[chardev \"c1\"]\n  backend = \"socket\"\n  path = \"/a/g/ga\"\n"
        "[device \"d1\"]\n  driver = \"virtserialport\"\n  chardev = \"c1\"\n"
        "  name = \"org.qemu.guest_agent.0\"\n";
  struct qemu_args *a CLEANUP_QEMU_ARGS = NULL;
  struct qemu_args *b CLEANUP_QEMU_ARGS = NULL;
  char file[32] = "";

  assert_int_equal (qemu_args_parse (line, sizeof line, &a, NULL), 0);
  assert_true (qemu_args_agent (a, FOLDER, file, sizeof file));
  assert_string_equal (file, "qga.sock");
  /* Of another folder, and a name that would not fit. */
  assert_false (qemu_args_agent (a, "else", file, sizeof file));
  assert_false (qemu_args_agent (a, FOLDER, file, 4));
  assert_int_equal (qemu_args_parse ("kvm", 4, &b, NULL), 0);
  assert_false (qemu_args_agent (b, "g", file, sizeof file));
  qemu_args_add_config (b, config, strlen (config));
  assert_true (qemu_args_agent (b, "g", file, sizeof file));
  assert_string_equal (file, "ga");
}

static void
refuses_other_programs (void **state)
{
  static const struct
  {
    const char *line;
    size_t len;
    bool ok;
  } cases[] = {
    { "qemu-img\0x", 11, false },
    { "", 0, false },
    { "qemu-kvm", 9, true },
    { "/usr/bin/kvm", 13, true },
    { "/usr/bin/kvm", 12, false }, /* no NUL */
    { "bash\0qemu-system-x", 19, false },
    { "/opt/qemu-system-riscv64", 25, true },
  };

  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct qemu_args *a CLEANUP_QEMU_ARGS = NULL;

      assert_int_equal (qemu_args_parse (cases[i].line, cases[i].len, &a, NULL)
                            == 0,
                        cases[i].ok);
    }
}

static void
survives_more_than_it_can_hold (void **state)
{
  struct qemu_args *a CLEANUP_QEMU_ARGS = NULL;
  struct guest_console c;
  size_t len = 300000, at = 0;
  char *line CLEANUP_FREE = calloc (1, len);
  char *config CLEANUP_FREE = calloc (1, len);

  at = strlen (strcpy (line, "qemu-system-x")) + 1;
  while (at + 40 < len)
    at += strlen (strcpy (line + at, "-chardev")) + 1
          + strlen (strcpy (line + at + 9, "hub,id=x,chardevs.0=x")) + 1;
  assert_int_equal (qemu_args_parse (line, at, &a, NULL), 0);
  /* A hub of itself, many times. */
  assert_false (qemu_args_console (a, "g", "cons", &c));
  for (at = 0; at + 8 < len; at += 7)
    memcpy (config + at, "[a \"b\"\n", 7);
  qemu_args_add_config (a, config, len);
}

static void
knows_a_uuid (void **state)
{
  char uuid[UUID_TEXT] = "untouched";

  assert_true (uuid_copy (uuid, "ABCDEF01-2222-4333-8444-55555555555F"));
  assert_string_equal (uuid, "abcdef01-2222-4333-8444-55555555555f");
  assert_false (uuid_is_valid (""));
  assert_false (uuid_is_valid ("abcdef01-2222-4333-8444-55555555555"));
  assert_false (uuid_is_valid ("abcdef01-2222-4333-8444-55555555555ff"));
  assert_false (uuid_is_valid ("abcdef01-2222-4333-8444+555555555555"));
  assert_false (uuid_is_valid ("gbcdef01-2222-4333-8444-555555555555"));
}

/* By its port alone: firmware has another such device. */
static void
finds_the_port_where_it_beats (void **state)
{
  static const char line[]
      = "qemu-system-x86_64\0-chardev\0socket,id=fw,path=/run/g/fw\0-device\0"
        "isa-debugcon,iobase=0x402,chardev=fw\0-chardev\0"
        "socket,id=hb,path=/run/g/beat,server=on,wait=off\0-device\0"
        "isa-debugcon,iobase=0x580,chardev=hb";
  static const char file[]
      = "[chardev \"hb\"]\n  backend = \"socket\"\n"
        "  path = \"" DIR "beat\"\n  server = \"on\"\n"
        "[device \"hbdev\"]\n  driver = \"isa-debugcon\"\n"
        "  iobase = \"1408\"\n  chardev = \"hb\"\n";
  static const char none[]
      = "kvm\0-chardev\0file,id=hb,path=/run/g/beat\0-device\0"
        "isa-debugcon,iobase=0x580,chardev=hb";
  struct qemu_args *a = NULL;

  assert_int_equal (qemu_args_parse (line, sizeof line, &a, NULL), 0);
  assert_string_equal (qemu_args_beat (a), "/run/g/beat");
  qemu_args_free (a);
  assert_int_equal (qemu_args_parse (eve_line, sizeof eve_line, &a, NULL), 0);
  assert_null (qemu_args_beat (a));
  qemu_args_add_config (a, file, strlen (file));
  assert_string_equal (qemu_args_beat (a), DIR "beat");
  qemu_args_free (a);
  /* Only a socket is read. */
  assert_int_equal (qemu_args_parse (none, sizeof none, &a, NULL), 0);
  assert_null (qemu_args_beat (a));
  qemu_args_free (a);
}

static void
takes_no_other_process_for_one (void **state)
{
  struct qemu_args *a = NULL;
  struct qemu_proc proc;

  assert_int_equal (qemu_proc_read (getpid (), &proc, &a, NULL), -EINVAL);
  assert_true (qemu_proc_read (INT32_MAX, &proc, &a, NULL) < 0);
  assert_null (a);
}

/* No other test's: that of run directories looks at all processes, also at
 * these, should it run beside this one. */
#define OF_ORDER "7e57a6e5-2222-4333-8444-555555555555"

/* This programme, started again under a QEMU's name, as user `uid`. */
static pid_t
start_as (uid_t uid)
{
  char *argv[] = { (char *) "/usr/bin/qemu-system-test", (char *) "-uuid",
                   (char *) OF_ORDER, NULL };
  int begun[2];
  pid_t pid;
  char c;

  assert_int_equal (pipe2 (begun, O_CLOEXEC), 0);
  pid = fork ();
  if (pid == 0)
    {
      if (setuid (uid) == 0)
        execv ("/proc/self/exe", argv);
      _exit (1);
    }
  close (begun[1]);
  assert_int_equal (read (begun[0], &c, 1), 0); /* its exec closes it */
  close (begun[0]);
  return pid;
}

struct order
{
  pid_t mine[2]; /* the same test may run twice on one machine */
  pid_t pids[2];
  unsigned n;
};

static bool
note_order (const struct qemu_proc *proc, const struct qemu_args *args,
            void *arg)
{
  struct order *o = arg;

  if (o->n < 2 && (proc->pid == o->mine[0] || proc->pid == o->mine[1])
      && strcmp (qemu_args_uuid (args), OF_ORDER) == 0)
    o->pids[o->n++] = proc->pid;
  return false;
}

/* Anybody can call a process so: who finds two takes the first. */
static void
names_those_of_the_system_first (void **state)
{
  struct order o = { .n = 0 };
  pid_t first, second;

  if (geteuid () != 0)
    skip ();
  o.mine[0] = first = start_as (12345);
  o.mine[1] = second = start_as (0);
  qemu_proc_find (note_order, &o, NULL);
  kill (first, SIGKILL);
  kill (second, SIGKILL);
  assert_int_equal (waitpid (first, NULL, 0), first);
  assert_int_equal (waitpid (second, NULL, 0), second);
  assert_int_equal (o.n, 2);
  assert_int_equal (o.pids[0], second);
  assert_int_equal (o.pids[1], first);
}

int
main (int argc, char **argv)
{
  if (strstr (argv[0], "qemu-system-"))
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      for (;;)
        pause ();
    }

  const struct CMUnitTest tests[] = {
    cmocka_unit_test (finds_a_path_in_libvirts_json),
    cmocka_unit_test (reads_how_eve_starts_one),
    cmocka_unit_test (reads_options_of_all_shapes),
    cmocka_unit_test (finds_the_agent_s_channel),
    cmocka_unit_test (refuses_other_programs),
    cmocka_unit_test (survives_more_than_it_can_hold),
    cmocka_unit_test (knows_a_uuid),
    cmocka_unit_test (finds_the_port_where_it_beats),
    cmocka_unit_test (takes_no_other_process_for_one),
    cmocka_unit_test (names_those_of_the_system_first),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
