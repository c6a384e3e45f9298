/* SPDX-License-Identifier: Apache-2.0
 *
 * Section procs: files and sockets of a process, its terminal, its control
 * group; and lies about them.
 */
#include "tests/unit/kernel-memory/system-bed.h"

#include "base/cleanup.h"

#define FILES 408
#define CGROUPS 416

static void
make_procs (struct fakekernel *f)
{
  make_system (f);
  fakekernel_type (f, "files_struct", 32, "fdt@8:8");
  fakekernel_type (f, "fdtable", 32, "max_fds@0:4 fd@8:8");
  fakekernel_type (f, "file", 64, "f_op@8:8 private_data@16:8");
  fakekernel_type (f, "socket", 32, "sk@8:8");
  fakekernel_type (f, "sock_common", 64,
                   "skc_family@0:2 skc_state@2:1 skc_num@4:2 skc_dport@6:2");
  fakekernel_type (f, "backlog", 8, "rmem_alloc@0:4");
  fakekernel_type (f, "sock", 128,
                   "__sk_common@0=sock_common sk_protocol@64:2 "
                   "sk_ack_backlog@68:4 sk_max_ack_backlog@72:4 "
                   "sk_backlog@76=backlog sk_wmem_queued@84:4");
  fakekernel_type (f, "flow", 8, "stopped@4:1 tco_stopped@5:1");
  fakekernel_type (f, "tty_struct", 96,
                   "name@16:64 flow@80=flow hw_stopped@88:1");
  fakekernel_type (f, "css_set", 128, "dfl_cgrp@0:8 subsys@8:8*4");
  fakekernel_type (f, "freezer", 8, "e_freeze@4:4");
  fakekernel_type (f, "cgroup", 64, "kn@0:8 freezer@16=freezer");
  fakekernel_type (f, "kernfs_node", 32, "name@0:8 __parent@8:8");
  fakekernel_type (f, "page_counter", 16, "usage@0:8 max@8:8");
  fakekernel_type (f, "mem_cgroup", 128,
                   "memory@16=page_counter memory_events@64:8*8");
  fakekernel_type (f, "cfs_bandwidth", 32,
                   "period@0:8 quota@8:8 nr_periods@16:4 nr_throttled@20:4");
  fakekernel_type (f, "task_group", 64, "cfs_bandwidth@32=cfs_bandwidth");
  fakekernel_enum (f, "cgroup_subsys_id", "cpu_cgrp_id memory_cgrp_id");
  fakekernel_enum (f, "memcg_memory_event", "MEMCG_LOW MEMCG_OOM_KILL");
  fakekernel_var (f, "socket_file_ops", 8);
  fakekernel_with_tasks (f);
}

/* A process with room for four files. */
static uint64_t
add_process (struct fakekernel *f, int pid, uint64_t *ret_list)
{
  uint64_t task = fakekernel_task (f, pid, "shop", 1);
  uint64_t files = fakemem_alloc (&f->mem, 32);
  uint64_t table = fakemem_alloc (&f->mem, 32);
  uint64_t signal = fakemem_alloc (&f->mem, 512);

  *ret_list = fakemem_alloc (&f->mem, 4096);
  fakemem_u64 (&f->mem, task + FAKE_MM, fakemem_alloc (&f->mem, 64));
  fakemem_u64 (&f->mem, task + FILES, files);
  fakemem_u64 (&f->mem, files + 8, table);
  fakemem_u32 (&f->mem, table, 4);
  fakemem_u64 (&f->mem, table + 8, *ret_list);
  fakemem_u64 (&f->mem, task + FAKE_SIGNAL, signal);
  fakemem_list (&f->mem, signal + FAKE_HEAD);
  fakemem_list_add (&f->mem, signal + FAKE_HEAD, task + FAKE_THREAD_NODE);
  fakemem_u64 (&f->mem, signal + 64 + 7 * 16, 2);
  return task;
}

/* A socket as the i-th file. */
static uint64_t
add_socket (struct fakekernel *f, uint64_t list, unsigned i, unsigned family,
            unsigned state, unsigned port)
{
  uint64_t file = fakemem_alloc (&f->mem, 64);
  uint64_t socket = fakemem_alloc (&f->mem, 32);
  uint64_t sk = fakemem_alloc (&f->mem, 128);

  fakemem_u64 (&f->mem, list + 8 * i, file);
  fakemem_u64 (&f->mem, file + 8, var (f, "socket_file_ops"));
  fakemem_u64 (&f->mem, file + 16, socket);
  fakemem_u64 (&f->mem, socket + 8, sk);
  fakemem_u64 (&f->mem, sk, family | state << 16 | (uint64_t) port << 32);
  fakemem_u32 (&f->mem, sk + 64, 6);
  return sk;
}

static void
test_sockets (void **state)
{
  struct fakekernel f;
  uint64_t list, task, sk, tty, signal;

  make_procs (&f);
  fakekernel_load (&f);
  task = add_process (&f, 50, &list);
  sk = add_socket (&f, list, 0, 2, 10, 8080);
  fakemem_u32 (&f.mem, sk + 68, 3);
  fakemem_u32 (&f.mem, sk + 72, 2);
  sk = add_socket (&f, list, 2, 10, 1, 40000);
  fakemem_u64 (&f.mem, sk, 10 | 1 << 16 | 40000ULL << 32 | 0x3800ULL << 48);
  fakekernel_look (&f, &section_procs);
  assert_row (&f, "{\"row\":\"socket\",\"pid\":50,\"proto\":\"tcp\","
                  "\"state\":\"listen\",\"port\":8080,\"waiting\":3,"
                  "\"room\":2}");
  assert_row (&f, "{\"row\":\"process\",\"pid\":50,\"files\":2,"
                  "\"max_files\":2}");
  assert_row (&f, "{\"row\":\"sockets\",\"told\":1}");
  /* Who is served at once has nothing to say. */
  assert_no_row (&f, "connected");
  fakemem_u32 (&f.mem, sk + 76, 1 << 20);
  tty = fakemem_alloc (&f.mem, 96);
  fakemem_text (&f.mem, tty + 16, "hvc0");
  signal = fakemem_get (&f.mem, task + FAKE_SIGNAL);
  fakemem_u64 (&f.mem, signal + 8, tty);
  fakekernel_look (&f, &section_procs);
  assert_row (&f, "\"state\":\"connected\",\"port\":40000,\"peer_port\":56,"
                  "\"unread\":1048576");
  assert_row (&f, "\"tty\":\"hvc0\"");
  fakekernel_free (&f);
}

/* That all were looked at is told by who saw them. */
static void
test_sees_nobody (void **state)
{
  struct fakekernel f;
  uint64_t list, task;

  make_procs (&f);
  fakekernel_load (&f);
  fakekernel_look (&f, &section_procs);
  assert_no_row (&f, "\"row\":\"sockets\"");
  task = add_process (&f, 50, &list);
  fakekernel_look (&f, &section_procs);
  assert_row (&f, "{\"row\":\"sockets\",\"told\":0}");
  /* Who else there is behind that one is not known. */
  fakemem_u64 (&f.mem, task + FAKE_TASKS, 0x4141);
  fakekernel_look (&f, &section_procs);
  assert_no_row (&f, "\"row\":\"sockets\"");
  fakekernel_free (&f);
}

/* What holds the output of its terminal back. */
static void
test_stopped_terminal (void **state)
{
  static const struct
  {
    uint64_t flow, line;
    const char *row;
  } cases[] = {
    { 1ULL << 32, 0, "\"tty\":\"ttyS0\",\"tty_stopped\":\"key\"}" },
    /* A program stops it as ^S does, and leaves a mark of its own. */
    { 0x0101ULL << 32, 0, "\"tty_stopped\":\"program\"}" },
    { 0, 1, "\"tty_stopped\":\"line\"}" },
    { 0, 0, "\"tty\":\"ttyS0\"}" },
  };
  struct fakekernel f;
  uint64_t list, task, tty;

  make_procs (&f);
  fakekernel_load (&f);
  task = add_process (&f, 50, &list);
  tty = fakemem_alloc (&f.mem, 96);
  fakemem_text (&f.mem, tty + 16, "ttyS0");
  fakemem_u64 (&f.mem, fakemem_get (&f.mem, task + FAKE_SIGNAL) + 8, tty);
  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      fakemem_u64 (&f.mem, tty + 80, cases[i].flow);
      fakemem_u64 (&f.mem, tty + 88, cases[i].line);
      fakekernel_look (&f, &section_procs);
      assert_row (&f, cases[i].row);
    }
  fakekernel_free (&f);
}

static void
test_groups (void **state)
{
  struct fakekernel f;
  uint64_t list, task, set, group, kn, root, name, mem, cpu;

  make_procs (&f);
  fakekernel_load (&f);
  task = add_process (&f, 50, &list);
  set = fakemem_alloc (&f.mem, 128);
  group = fakemem_alloc (&f.mem, 64);
  kn = fakemem_alloc (&f.mem, 32);
  root = fakemem_alloc (&f.mem, 32);
  name = fakemem_alloc (&f.mem, 64);
  mem = fakemem_alloc (&f.mem, 128);
  fakemem_text (&f.mem, name, "shop.service");
  fakemem_u64 (&f.mem, task + CGROUPS, set);
  fakemem_u64 (&f.mem, set, group);
  fakemem_u64 (&f.mem, set + 16, mem);
  fakemem_u64 (&f.mem, group, kn);
  fakemem_u32 (&f.mem, group + 20, 1);
  fakemem_u64 (&f.mem, kn, name);
  fakemem_u64 (&f.mem, kn + 8, root);
  fakemem_u64 (&f.mem, mem + 16, 100);
  fakemem_u64 (&f.mem, mem + 24, 256);
  fakemem_u64 (&f.mem, mem + 72, 5);
  fakekernel_look (&f, &section_procs);
  assert_row (&f, "{\"row\":\"cgroup\",\"cgroup\":\"/shop.service\","
                  "\"frozen\":true,\"used\":409600,\"max\":1048576,"
                  "\"oom_kills\":5}");
  /* No bound at all is a number as well. */
  fakemem_u64 (&f.mem, mem + 24, INT64_MAX / 4096);
  cpu = fakemem_alloc (&f.mem, 64);
  fakemem_u64 (&f.mem, set + 8, cpu);
  fakemem_u64 (&f.mem, cpu + 32, 100000000);
  fakemem_u64 (&f.mem, cpu + 40, 1000000);
  fakemem_u64 (&f.mem, cpu + 48, 20 | 19ULL << 32);
  fakekernel_look (&f, &section_procs);
  assert_no_row (&f, "\"max\":");
  assert_row (&f, "\"oom_kills\":5,\"cpus\":0.010,\"periods\":20,"
                  "\"throttled\":19}");
  fakemem_u64 (&f.mem, cpu + 40, UINT64_MAX);
  fakekernel_look (&f, &section_procs);
  assert_no_row (&f, "\"cpus\":");
  fakekernel_free (&f);
}

static void
test_lies (void **state)
{
  struct fakekernel f;
  uint64_t list, task, files, table;

  make_procs (&f);
  fakekernel_load (&f);
  task = add_process (&f, 50, &list);
  files = fakemem_get (&f.mem, task + FILES);
  table = fakemem_get (&f.mem, files + 8);
  /* More files than there is memory, files that are none. */
  fakemem_u32 (&f.mem, table, UINT32_MAX);
  for (unsigned i = 0; i < 8; i++)
    fakemem_u64 (&f.mem, list + 8 * i, 0x4141414141414141ULL * i);
  fakekernel_look (&f, &section_procs);
  assert_no_row (&f, "\"row\":\"socket\"");
  /* Tables that lead to themselves. */
  fakemem_u64 (&f.mem, table + 8, table);
  fakekernel_look (&f, &section_procs);
  fakemem_u64 (&f.mem, files + 8, 8);
  fakekernel_look (&f, &section_procs);
  assert_no_row (&f, "\"row\":\"process\"");
  fakekernel_free (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_sockets),
    cmocka_unit_test (test_sees_nobody),
    cmocka_unit_test (test_stopped_terminal),
    cmocka_unit_test (test_groups),
    cmocka_unit_test (test_lies),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
