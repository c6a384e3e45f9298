/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector host: what the host's kernel says of itself and of a guest's QEMU.
 * Processes and /proc are real.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "collect-bed.h"

#include "base/cleanup.h"
#include "diag/collect/cgroup.h"
#include "tests/lib/tmpdir.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void
be_guest (struct guest *g, pid_t pid)
{
  struct error err = ERROR_INIT;

  g->inc.pid = pid;
  if (proc_start_time (pid, &g->inc.start_time, &err) < 0)
    fail_msg ("%s", err.msg);
}

static void
test_host (void **state)
{
  struct guest g = guest ();
  struct haul *h = collected (&collect_host, &g, NULL, 0);
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  const char *otlp = file_of (h, "metrics/host.otlp.jsonl");
  const struct fact *f = fact_of (h, "host.memory.available");

  assert_non_null (f);
  assert_true (f->d > 0 && f->d <= 1);
  assert_true (int_of (h, "host.cpus") >= 1);
  assert_non_null (strstr (file_of (h, "host/meminfo"), "MemTotal"));
  assert_non_null (strstr (buf_str (&h->gaps), "process id is not known"));
  /* One line, and JSON in the strictest sense. */
  assert_ptr_equal (strchr (otlp, '\n'), otlp + strlen (otlp) - 1);
  if (json_parse (otlp, strlen (otlp), JSON_WIRE, "otlp", 1 << 20, &doc, &err)
      < 0)
    fail_msg ("%s", err.msg);
  assert_non_null (strstr (otlp, "\"timeUnixNano\":\"1"));
  assert_non_null (strstr (otlp, "\"system.memory.usage\""));
  haul_free (h);
}

static atomic_bool spin_on, spinning;
static pthread_t spinner;

static void *
spin (void *arg)
{
  prctl (PR_SET_NAME, "CPU 0/KVM");
  atomic_store (&spinning, true);
  while (atomic_load (&spin_on))
    ;
  return NULL;
}

/* As much processor time passes for the spinner as somebody sleeps, however
 * busy this machine is. */
static void
let_it_spin (uint64_t ms)
{
  clockid_t id;
  struct timespec a, b;

  assert_int_equal (pthread_getcpuclockid (spinner, &id), 0);
  clock_gettime (id, &a);
  do
    clock_gettime (id, &b);
  while ((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000
         < (int64_t) ms);
}

/* How many points has the metric of that name? */
static size_t
points_of (const struct haul *h, const char *name)
{
  const char *text = strstr (file_of (h, "metrics/host.otlp.jsonl"), name);
  const char *end = text ? strstr (text, "]}}") : NULL;
  size_t n = 0;

  for (; text && end && (text = strstr (text, "\"timeUnixNano\"")); text++)
    n += text < end;
  return n;
}

static void
test_vcpus (void **state)
{
  struct guest g = guest ();
  struct haul *h;
  const struct fact *f;

  atomic_store (&spin_on, true);
  assert_int_equal (pthread_create (&spinner, NULL, spin, NULL), 0);
  while (!atomic_load (&spinning))
    ;
  while_asleep = let_it_spin;
  be_guest (&g, getpid ());
  h = collected (&collect_host, &g, NULL, 0);
  while_asleep = NULL;
  atomic_store (&spin_on, false);
  pthread_join (spinner, NULL);
  assert_string_equal (text_of (h, "qemu.state"), "running");
  assert_int_equal (int_of (h, "vcpu.count"), 1);
  assert_int_equal (int_of (h, "vcpu.busy"), 1);
  assert_int_equal (int_of (h, "qemu.stuck_threads"), 0);
  f = fact_of (h, "vcpu.0.share");
  assert_true (f && f->d > 0.9); /* more where its slices are long */
  assert_non_null (strstr (file_of (h, "qemu/threads.txt"), "CPU 0/KVM"));
  assert_non_null (strstr (file_of (h, "qemu/status"), "State:"));
  assert_non_null (strstr (file_of (h, "metrics/host.otlp.jsonl"),
                           "\"cpu.logical_number\""));
  /* Of each sample one, so that there is a course to draw. */
  assert_int_equal (points_of (h, "\"process.cpu.time\""), 2);
  assert_int_equal (points_of (h, "\"system.cpu.load_average.1m\""), 2);
  assert_int_equal (points_of (h, "\"system.linux.pressure.io.some\""), 2);
  haul_free (h);
}

static void
test_process_states (void **state)
{
  struct guest g = guest ();
  struct haul *h;
  int status;
  pid_t pid = fork ();

  if (pid == 0)
    {
      raise (SIGSTOP);
      _exit (0);
    }
  assert_int_equal (waitpid (pid, &status, WUNTRACED), pid);
  assert_true (WIFSTOPPED (status));
  be_guest (&g, pid);
  h = collected (&collect_host, &g, NULL, 0);
  assert_string_equal (text_of (h, "qemu.state"), "stopped");
  /* Which of its threads are vCPUs the monitor tells, where it is asked; and
   * what only a tracer may read is missing on every host. */
  assert_null (strstr (buf_str (&h->gaps), "qemu/vcpus"));
  assert_null (strstr (buf_str (&h->gaps), "qemu/io"));
  haul_free (h);
  g.monitor = MONITOR_NONE;
  h = collected (&collect_host, &g, NULL, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "qemu/vcpus"));
  haul_free (h);

  /* The number belongs to another process now. */
  g.inc.start_time++;
  h = collected (&collect_host, &g, NULL, 0);
  assert_string_equal (text_of (h, "qemu.state"), "gone");
  assert_string_equal (file_of (h, "qemu/stat"), "(none)");
  haul_free (h);
  g.inc.start_time--;

  kill (pid, SIGKILL);
  assert_int_equal (waitpid (pid, &status, 0), pid);
  h = collected (&collect_host, &g, NULL, 0);
  assert_string_equal (text_of (h, "qemu.state"), "gone");
  haul_free (h);
}

static int
open_stack (struct opener *self, const struct open_req *req,
            uint64_t deadline, int *ret_fd, int *ret_lock, struct error *err)
{
  static const char text[] = "[<0>] pipe_write+0x1/0x2\n";
  char want[64];
  int fd;

  if (req->kind == OPEN_KMSG)
    return error_set (err, EPERM, "not for us");
  assert_int_equal (req->kind, OPEN_PROC);
  assert_string_equal (req->root, "/proc");
  snprintf (want, sizeof want, "%d/task/", req->check_pid);
  assert_int_equal (strncmp (req->path, want, strlen (want)), 0);
  assert_true (req->check_start > 0);
  if (strstr (req->path, "stack"))
    {
      fd = memfd_create ("stack", MFD_CLOEXEC);
      assert_int_equal (write (fd, text, sizeof text - 1), sizeof text - 1);
    }
  else
    {
      fd = memfd_create ("wchan", MFD_CLOEXEC);
      assert_int_equal (write (fd, "anon_pipe_write", 15), 15);
    }
  lseek (fd, 0, SEEK_SET);
  *ret_fd = fd;
  if (ret_lock)
    *ret_lock = -1;
  return 0;
}

static void
test_stacks (void **state)
{
  struct opener opener = { .open = open_stack };
  struct guest g = guest ();
  struct haul *h;

  be_guest (&g, getpid ());
  the_opener = &opener;
  h = collected (&collect_host, &g, NULL, 0);
  the_opener = NULL;
  assert_non_null (strstr (file_of (h, "qemu/stacks.txt"), "pipe_write"));
  assert_string_equal (text_of (h, "qemu.blocked_in"), "anon_pipe_write");
  haul_free (h);
  h = collected (&collect_host, &g, NULL, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "nobody to open it"));
  haul_free (h);
}

/* ---- more threads than are asked for ---- */

#define MANY 20
static pthread_barrier_t all_named;

static void *
be_vcpu (void *arg)
{
  char name[16];

  snprintf (name, sizeof name, "CPU %u/KVM", *(unsigned *) arg);
  prctl (PR_SET_NAME, name);
  pthread_barrier_wait (&all_named);
  pthread_barrier_wait (&all_named);
  return NULL;
}

/* Those that are not asked for are told of, and so is one of many that can't be
 * read. */
static int
open_some_stacks (struct opener *self, const struct open_req *req,
                  uint64_t deadline, int *ret_fd, int *ret_lock,
                  struct error *err)
{
  char first[64];

  snprintf (first, sizeof first, "%d/task/%d/stack", req->check_pid,
            req->check_pid);
  if (req->kind == OPEN_PROC && strcmp (req->path, first) == 0)
    return error_set (err, EACCES, "not this one");
  return open_stack (self, req, deadline, ret_fd, ret_lock, err);
}

static void
test_many_threads (void **state)
{
  struct opener opener = { .open = open_some_stacks };
  struct guest g = guest ();
  pthread_t threads[MANY];
  unsigned numbers[MANY];
  struct haul *h;

  pthread_barrier_init (&all_named, NULL, MANY + 1);
  for (unsigned i = 0; i < MANY; i++)
    {
      numbers[i] = i;
      assert_int_equal (pthread_create (&threads[i], NULL, be_vcpu,
                                        &numbers[i]),
                        0);
    }
  pthread_barrier_wait (&all_named);
  be_guest (&g, getpid ());
  the_opener = &opener;
  h = collected (&collect_host, &g, NULL, 0);
  the_opener = NULL;
  pthread_barrier_wait (&all_named);
  for (unsigned i = 0; i < MANY; i++)
    pthread_join (threads[i], NULL);
  pthread_barrier_destroy (&all_named);
  assert_non_null (strstr (file_of (h, "qemu/stacks.txt"), "CPU 14/KVM"));
  assert_non_null (strstr (buf_str (&h->gaps), "1 of 16: not this one"));
  assert_non_null (strstr (buf_str (&h->gaps), "not asked for: 5 of 21"));
  haul_free (h);
}

/* ---- the host's end of its network ---- */

static void
put (const struct tmpdir *tmp, const char *name, const char *text)
{
  assert_int_equal (tmpdir_put (tmp->fd, name, text, strlen (text)), 0);
}

/* A /sys with a tap that is a port of br7, and one that is taken down. */
static void
make_sys (const struct tmpdir *tmp)
{
  static const char *const folders[]
      = { "class", "class/net", "class/net/tap3", "class/net/tap3/brport",
          "class/net/br7", "class/net/tap4" };

  for (size_t i = 0; i < ARRAY_LEN (folders); i++)
    assert_int_equal (mkdirat (tmp->fd, folders[i], 0755), 0);
  put (tmp, "class/net/tap3/carrier", "1\n");
  put (tmp, "class/net/tap3/carrier_changes", "5\n");
  put (tmp, "class/net/tap3/brport/state", "3\n");
  assert_int_equal (symlinkat ("../br7", tmp->fd, "class/net/tap3/master"), 0);
  put (tmp, "class/net/br7/carrier", "1\n");
  put (tmp, "class/net/br7/carrier_changes", "2\n");
  put (tmp, "class/net/tap4/carrier_changes", "40\n");
}

static void
test_links (void **state)
{
  struct tmpdir tmp = { .fd = -1 };
  struct guest g = guest ();
  struct haul *h = haul_new ();
  struct collect_ctx ctx = { .guest = &g, .out = &h->out };
  CLEANUP_JSON struct json_object *doc = json_object_new_object ();

  assert_int_equal (tmpdir_make (&tmp), 0);
  make_sys (&tmp);
  g.nnics = 1;
  snprintf (g.nics[0].ifname, sizeof g.nics[0].ifname, "tap3");
  collect_links (&ctx, tmp.path, doc);
  assert_int_equal (int_of (h, "net.carrier"), 1);
  assert_int_equal (int_of (h, "net.tap3.link_changes"), 5);
  assert_int_equal (int_of (h, "net.br7.link_changes"), 2);
  assert_int_equal (json_get_int (json_get (doc, "tap3"), "port_state", 0), 3);
  haul_free (h);
  /* Beside it one that has none; and names that lead elsewhere. */
  h = haul_new ();
  ctx.out = &h->out;
  g.nnics = 3;
  snprintf (g.nics[0].ifname, sizeof g.nics[0].ifname, "tap4");
  snprintf (g.nics[1].ifname, sizeof g.nics[1].ifname, "tap3");
  snprintf (g.nics[2].ifname, sizeof g.nics[2].ifname, "../net/br7");
  json_object_put (doc);
  doc = json_object_new_object ();
  collect_links (&ctx, tmp.path, doc);
  assert_int_equal (int_of (h, "net.carrier"), 0);
  assert_int_equal (int_of (h, "net.tap3.carrier"), 1);
  assert_int_equal (int_of (h, "net.tap4.carrier"), 0);
  assert_int_equal (int_of (h, "net.tap4.link_changes"), 40);
  assert_int_equal (json_object_object_length (doc), 3);
  haul_free (h);
  tmpdir_done (&tmp);
}

/* ---- its file systems ---- */

static struct haul *
room_of (const struct tmpdir *tmp, const char *mounts)
{
  struct guest g = guest ();
  struct haul *h = haul_new ();
  struct collect_ctx ctx = { .guest = &g, .out = &h->out };
  char path[128];

  put (tmp, "mountinfo", mounts);
  snprintf (path, sizeof path, "%s/mountinfo", tmp->path);
  host_room_ (&ctx, path);
  return h;
}

static void
test_room (void **state)
{
  struct tmpdir tmp = { .fd = -1 };
  struct haul *h;
  const char *said;

  assert_int_equal (tmpdir_make (&tmp), 0);
  h = room_of (&tmp,
               "1 0 8:1 / / ro,noatime shared:1 - ext4 /dev/vda1 rw\n"
               "2 1 8:1 /x /usr rw - ext4 /dev/vda1 rw\n"
               "3 1 0:9 / /proc rw - proc proc rw\n"
               "4 1 0:50 / /dev rw - nfs4 server:/x rw\n"
               "5 4 0:51 / /dev/shm rw - tmpfs tmpfs rw\n"
               "6 1 0:52 / /tmp rw - ext4 /dev/vdc ro\n"
               "7 1 0:53 / /usr/bin rw - overlay overlay rw\n"
               "no mount at all\n");
  said = file_of (h, "host/filesystems");
  /* One line: of what is there once, here, and can be written to. */
  assert_ptr_equal (strchr (said, '\n'), said + strlen (said) - 1);
  assert_int_equal (strncmp (said, "/ ", 2), 0);
  assert_non_null (strstr (said, " MiB free "));
  assert_true (fact_of (h, "host.fs.used")->d > 0);
  assert_true (fact_of (h, "host.fs.used")->d <= 1);
  haul_free (h);
  h = room_of (&tmp, "4 1 0:50 / / rw - fuse.sshfs x rw\n"
                     "5 4 0:51 / /dev/shm rw - tmpfs tmpfs rw\n");
  assert_int_equal (h->nfiles + h->nfacts, 0);
  haul_free (h);
  tmpdir_done (&tmp);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_host),
    cmocka_unit_test (test_vcpus),
    cmocka_unit_test (test_process_states),
    cmocka_unit_test (test_stacks),
    cmocka_unit_test (test_many_threads),
    cmocka_unit_test (test_links),
    cmocka_unit_test (test_room),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
