/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose a control group is, by paths as they are met.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel/memory/cgroup.h"

#include <stdio.h>
#include <string.h>

#define ID "4f2d1c0b9a8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c5b4a392817060504"
#define POD "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
#define POD_ "0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0"

static const struct
{
  const char *path;
  const char *unit, *container, *runtime, *pod, *machine, *session, *user;
} cases[] = {
  { "/", "" },
  { "", "" },
  { "/system.slice", "" },
  { "/init.scope", "init.scope" },
  { "/system.slice/ssh.service", "ssh.service" },
  { "/system.slice/system-getty.slice/getty@tty1.service",
    "getty@tty1.service" },
  { "/system.slice/dbus.socket", "dbus.socket" },
  { "/system.slice/docker.service", "docker.service" },
  { "/system.slice/docker-" ID ".scope", "", ID, "docker" },
  { "/system.slice/docker-short.scope", "docker-short.scope" },
  { "/docker/" ID, "", ID, "docker" },
  { "/docker/" ID "/system.slice/cron.service", "cron.service", ID, "docker" },
  { "/docker/buildkit", "" },
  { "/dockers/" ID, "" },
  { "/machine.slice/libpod-" ID ".scope/container", "", ID, "podman" },
  { "/machine.slice/libpod-conmon-" ID ".scope",
    "libpod-conmon-" ID ".scope" },
  { "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
    ".scope",
    "", ID, "podman", "", "", "", "1000" },
  { "/libpod_parent/libpod-" ID, "", ID, "podman" },
  { "/user.slice/user-1000.slice/session-c2.scope", "", "", NULL, "", "", "c2",
    "1000" },
  { "/user.slice/user-1000.slice/user@1000.service/app.slice/pulse.service",
    "pulse.service", "", NULL, "", "", "", "1000" },
  { "/user.slice/user-1000.slice", "", "", NULL, "", "", "", "1000" },
  { "/user.slice/user-.slice", "" },
  { "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" POD_
    ".slice/cri-containerd-" ID ".scope",
    "", ID, "containerd", POD },
  { "/kubepods.slice/kubepods-pod" POD_ ".slice/crio-" ID ".scope", "", ID,
    "cri-o", POD },
  { "/kubepods.slice/kubepods-pod" POD_ ".slice/crio-conmon-" ID ".scope",
    "crio-conmon-" ID ".scope", "", NULL, POD },
  { "/kubepods/besteffort/pod" POD "/" ID, "", ID, NULL, POD },
  { "/kubepods/pod" POD "/" ID "/init", "", ID, NULL, POD },
  { "/system.slice/containerd.service/kubepods-besteffort-pod" POD_
    ".slice:cri-containerd:" ID,
    "", ID, "containerd", POD },
  { "/system.slice/odd:name.service", "odd:name.service" },
  { "/k8s.io/" ID, "", ID, "containerd" },
  { "/system.slice/nerdctl-" ID ".scope", "", ID, "containerd" },
  { "/lxc.payload.web/system.slice/nginx.service", "nginx.service", "web",
    "lxc" },
  { "/lxc/web", "", "web", "lxc" },
  { "/lxc.monitor.web", "" },
  { "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope/libvirt/vcpu0", "", "",
    NULL, "", "qemu-1-web" },
  { "/machine.slice/machine-a\\x2.scope", "", "", NULL, "", "a\\x2" },
  { "/machine.slice/systemd-nspawn@box.service/payload/system.slice/x.service",
    "x.service", "", NULL, "", "box" },
  { "/system.slice/machine-x.scope", "machine-x.scope" },
  { "/a//b.service", "b.service" },
  { "/.service", "" },
};

static void
is (const char *path, const char *what, const char *have, const char *want)
{
  if (strcmp (have ? have : "-", want ? want : *what == 'r' ? "-" : "") != 0)
    fail_msg ("%s: %s is %s, not %s", path, what, have, want);
}

static void
test_paths (void **state)
{
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      const char *p = cases[i].path;
      struct cgroup_owner o;
      bool found = cgroup_owner_of (p, &o);

      is (p, "unit", o.unit, cases[i].unit);
      is (p, "container", o.container, cases[i].container);
      is (p, "runtime", o.runtime, cases[i].runtime);
      is (p, "pod", o.pod, cases[i].pod);
      is (p, "machine", o.machine, cases[i].machine);
      is (p, "session", o.session, cases[i].session);
      is (p, "user", o.user, cases[i].user);
      assert_int_equal (found, o.unit[0] || o.container[0] || o.pod[0]
                                   || o.machine[0] || o.session[0]
                                   || o.user[0]);
    }
}

/* A part longer than any name is cut, and ends. */
static void
test_long (void **state)
{
  char path[4096];
  struct cgroup_owner o;

  memset (path, 'a', sizeof path);
  path[0] = '/';
  snprintf (path + 3000, sizeof path - 3000, ".service");
  assert_true (cgroup_owner_of (path, &o));
  assert_int_equal (strlen (o.unit), CGROUP_NAME - 1);
}

int
main (void)
{
  const struct CMUnitTest tests[]
      = { cmocka_unit_test (test_paths), cmocka_unit_test (test_long) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
