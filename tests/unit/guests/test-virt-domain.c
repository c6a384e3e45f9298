/* SPDX-License-Identifier: Apache-2.0
 *
 * A domain's XML and state as a guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "guests/virt_domain.h"

#include <libvirt/libvirt.h>
#include <string.h>

/* What libvirt 9 gives for a running domain, shortened. */
static const char domain[]
    = "<domain type='kvm' id='1'>\n"
      "<name>shop &amp; co</name>\n"
      "<uuid>AAAAAAAA-2222-4333-8444-555555555555</uuid>\n"
      "<title>The shop</title>\n"
      "<metadata>"
      "<hd:labels xmlns:hd='urn:hangdog:labels'>"
      "<hd:label name='owner'>team-a</hd:label><hd:label name='e'/>"
      "</hd:labels>"
      "<libosinfo:libosinfo xmlns:libosinfo='x'>"
      "<libosinfo:os id='http://debian.org/debian/12'/>"
      "</libosinfo:libosinfo></metadata>\n"
      "<memory unit='MiB'>512</memory><currentMemory>1</currentMemory>\n"
      "<vcpu placement='static' current='2'>4</vcpu>\n"
      "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>\n"
      "<cpu mode='custom' match='exact'><model fallback='forbid'>"
      "EPYC-Milan</model></cpu>\n"
      "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>\n"
      "<disk type='file' device='disk'><driver name='qemu'/>"
      "<source file='/img/a.qcow2' index='2'/><backingStore type='file'>"
      "<source file='/img/base'/></backingStore>"
      "<target dev='vda' bus='virtio'/></disk>\n"
      "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
      "<disk type='network' device='disk'>"
      "<source protocol='nbd' name='data'><host name='10.0.0.1' port='10809'/>"
      "</source><target dev='vdb'/></disk>"
      "<disk type='network' device='disk'>"
      "<source protocol='nbd' name='more'>"
      "<host transport='unix' socket='/run/n'/></source>"
      "<target dev='vdc'/></disk>"
      "<interface type='network'><mac address='52:54:00:00:00:01'/>"
      "<source network='default' bridge='virbr0'/><target dev='vnet0'/>"
      "</interface>\n"
      "<serial type='pty'><source path='/dev/pts/4'/>"
      "<target type='isa-serial' port='0'><model name='isa-serial'/></target>"
      "<alias name='serial0'/></serial>\n"
      "<serial type='file'><source path='/var/log/g.log'/>"
      "<target type='isa-serial' port='1'/><alias name='serial1'/></serial>\n"
      "<serial type='tcp'><source mode='bind' host='0' service='1'/>"
      "<alias name='serial2'/></serial>\n"
      "<console type='pty' tty='/dev/pts/4'><source path='/dev/pts/4'/>"
      "<target type='serial' port='0'/><alias name='serial0'/></console>\n"
      "<console type='unix'><source mode='bind' path='/run/g/c1.sock'/>"
      "<target type='virtio' port='1'/><alias name='console1'/></console>\n"
      "<console type='unix'><source mode='bind' path='/run/g/c2.sock'/>"
      "<target type='virtio' port='1'/><alias name='console1'/></console>\n"
      "<channel type='unix'><source mode='bind' path='/run/g/ga.sock'/>"
      "<target type='virtio' name='org.qemu.guest_agent.0' "
      "state='connected'/><alias name='channel0'/></channel>\n"
      "</devices></domain>\n";

static void
reads_a_running_domain (void **state)
{
  struct guest *g = guest_new ();
  struct error err = ERROR_INIT;

  if (virt_domain_from_xml (g, domain, strlen (domain), true, true,
                            CONSOLE_HOLD, &err)
      < 0)
    fail_msg ("%s", error_text (&err));
  assert_string_equal (g->name, "shop & co");
  assert_string_equal (g->display, "The shop");
  assert_string_equal (g->inc.uuid, "aaaaaaaa-2222-4333-8444-555555555555");
  assert_int_equal (g->memory_bytes, 512ull << 20);
  assert_int_equal (g->vcpus, 2);
  assert_string_equal (g->machine, "pc-q35-7.2");
  assert_string_equal (g->accel, "kvm");
  assert_string_equal (g->cpu, "EPYC-Milan");
  assert_int_equal (g->ndisks, 4);
  assert_string_equal (g->disks[2].path, "nbd://10.0.0.1:10809/data");
  assert_string_equal (g->disks[3].path, "nbd+unix:///more?socket=/run/n");
  assert_string_equal (g->disks[0].target, "vda");
  assert_string_equal (g->disks[0].path, "/img/a.qcow2");
  assert_string_equal (g->disks[1].path, "");
  assert_int_equal (g->nnics, 1);
  assert_string_equal (g->nics[0].mac, "52:54:00:00:00:01");
  assert_string_equal (g->nics[0].ifname, "vnet0");
  assert_string_equal (g->nics[0].bridge, "virbr0");
  assert_string_equal (json_get_str (g->labels, "owner"), "team-a");
  assert_string_equal (json_get_str (g->labels, "os"),
                       "http://debian.org/debian/12");
  assert_string_equal (json_get_str (g->labels, "agent"), "connected");
  assert_int_equal (g->agent, AGENT_LIBVIRT);

  /* The mirrored console is not listed again, the tcp one not at all. */
  assert_int_equal (g->nconsoles, 3);
  assert_string_equal (g->consoles[0].name, "serial0");
  assert_string_equal (g->consoles[0].alias, "charserial0");
  assert_int_equal (g->consoles[0].kind, CONSOLE_PTY);
  assert_int_equal (g->consoles[0].mode, CONSOLE_HOLD);
  assert_int_equal (g->consoles[0].device, CONSOLE_DEV_SERIAL);
  assert_string_equal (g->consoles[0].root, "/dev/pts");
  assert_string_equal (g->consoles[0].path, "4");
  assert_int_equal (g->consoles[1].kind, CONSOLE_LOG);
  assert_int_equal (g->consoles[1].mode, CONSOLE_TAIL);
  assert_string_equal (g->consoles[1].root, "/var/log");
  assert_int_equal (g->consoles[2].kind, CONSOLE_UNIX);
  assert_int_equal (g->consoles[2].device, CONSOLE_DEV_VIRTIO);
  assert_string_equal (g->consoles[2].root, "/run/g");
  assert_string_equal (g->consoles[2].path, "c1.sock");
  guest_unref (g);
}

/* By the domain's XML, or by options that libvirt hands through; a debug port
 * of another number is none, and neither is a console. */
static void
finds_the_port_where_it_beats (void **state)
{
#define HEAD                                                                   \
  "<domain type='kvm' id='1' xmlns:qemu='http://libvirt.org/schemas/domain/"   \
  "qemu/1.0'><name>a</name><uuid>aaaaaaaa-2222-4333-8444-555555555555</uuid>"
#define SERIAL(n, path, iobase)                                                \
  "<serial type='unix'><source mode='bind' path='" path "'/>"                  \
  "<target type='isa-debug' port='" n "'><model name='isa-debugcon'/></target>" \
  "<alias name='serial" n "'/><address type='isa' iobase='" iobase "'/></serial>"
  static const struct
  {
    const char *xml, *path;
    bool active;
  } cases[] = {
    { HEAD "<devices>" SERIAL ("1", "/run/g/fw", "0x402")
           SERIAL ("2", "/run/g/beat", "0x580") "</devices></domain>",
      "beat", true },
    { HEAD "<devices>" SERIAL ("1", "/run/g/fw", "0x402") "</devices></domain>",
      "", true },
    { HEAD "<devices>" SERIAL ("2", "/run/g/beat", "0x580")
           "</devices></domain>",
      "", false },
    { HEAD "<qemu:commandline><qemu:arg value='-chardev'/>"
           "<qemu:arg value='socket,id=hb,path=/run/g/b2,server=on,wait=off'/>"
           "<qemu:arg value='-device'/>"
           "<qemu:arg value='isa-debugcon,iobase=0x580,chardev=hb'/>"
           "</qemu:commandline></domain>",
      "b2", true },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct guest *g = guest_new ();

      assert_int_equal (virt_domain_from_xml (g, cases[i].xml,
                                              strlen (cases[i].xml),
                                              cases[i].active, true,
                                              CONSOLE_HOLD, NULL),
                        0);
      assert_int_equal (g->nconsoles, 0);
      assert_string_equal (g->beat_path, cases[i].path);
      if (cases[i].path[0])
        assert_string_equal (g->beat_root, "/run/g");
      guest_unref (g);
    }
}

static void
streams_what_is_elsewhere (void **state)
{
  struct guest *g = guest_new ();

  assert_int_equal (virt_domain_from_xml (g, domain, strlen (domain), true,
                                          false, CONSOLE_PROBE, NULL),
                    0);
  /* libvirt streams ptys alone. */
  assert_int_equal (g->nconsoles, 1);
  assert_int_equal (g->consoles[0].kind, CONSOLE_STREAM);
  assert_string_equal (g->consoles[0].path, "serial0");
  assert_string_equal (g->consoles[0].root, "");
  guest_unref (g);

  g = guest_new ();
  assert_int_equal (virt_domain_from_xml (g, domain, strlen (domain), false,
                                          true, CONSOLE_HOLD, NULL),
                    0);
  assert_int_equal (g->nconsoles, 0);
  guest_unref (g);
}

static void
refuses_what_is_no_domain (void **state)
{
  static const char *const cases[] = {
    "",
    "<domain/>",
    "<domain><name>x</name></domain>",
    "<domain><name>x</name><uuid>no</uuid></domain>",
    "<domain><name>x</name><uuid>aaaaaaaa-2222-4333-8444-555555555555</uuid>",
  };

  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct guest *g = guest_new ();

      assert_int_equal (virt_domain_from_xml (g, cases[i], strlen (cases[i]),
                                              true, true, CONSOLE_HOLD, NULL),
                        -EINVAL);
      guest_unref (g);
    }
}

static void
knows_every_state (void **state)
{
  static const struct
  {
    int state, reason;
    enum guest_run run;
    enum guest_intent intent;
    const char *text;
  } cases[] = {
    { VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED, GUEST_RUNNING, INTENT_RUN,
      "" },
    { VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_POSTCOPY, GUEST_RUNNING,
      INTENT_MIGRATE, "postcopy" },
    { VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER, GUEST_PAUSED, INTENT_PAUSE,
      "user" },
    { VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_IOERROR, GUEST_CRASHED, INTENT_RUN,
      "io-error" },
    { VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_SNAPSHOT, GUEST_PAUSED, INTENT_SAVE,
      "snapshot" },
    { VIR_DOMAIN_PAUSED, 99, GUEST_PAUSED, INTENT_RUN, "unknown" },
    { VIR_DOMAIN_SHUTDOWN, 1, GUEST_STOPPING, INTENT_STOP, "shutdown" },
    { VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DESTROYED, GUEST_OFF, INTENT_STOP,
      "destroyed" },
    { VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_CRASHED, GUEST_OFF, INTENT_RUN,
      "crashed" },
    { VIR_DOMAIN_CRASHED, 1, GUEST_CRASHED, INTENT_RUN, "panicked" },
    { 77, 0, GUEST_UNKNOWN, INTENT_RUN, "" },
    { -1, 0, GUEST_UNKNOWN, INTENT_RUN, "" },
  };

  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct guest *g = guest_new ();

      virt_domain_set_state (g, cases[i].state, cases[i].reason);
      assert_int_equal (g->run, cases[i].run);
      assert_int_equal (g->intent, cases[i].intent);
      assert_string_equal (g->reason, cases[i].text);
      guest_unref (g);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (reads_a_running_domain),
    cmocka_unit_test (finds_the_port_where_it_beats),
    cmocka_unit_test (streams_what_is_elsewhere),
    cmocka_unit_test (refuses_what_is_no_domain),
    cmocka_unit_test (knows_every_state),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
