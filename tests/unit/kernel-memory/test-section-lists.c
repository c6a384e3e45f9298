/* SPDX-License-Identifier: Apache-2.0
 *
 * Sections that list: workqueues, names of kernel threads, network devices,
 * file systems; whole and torn.
 */
#include "tests/unit/kernel-memory/system-bed.h"

/* ---- workqueues ---- */

static void
make_work (struct fakekernel *f)
{
  make_system (f);
  fakekernel_with_tasks (f);
  fakekernel_type (f, "workqueue_struct", 96,
                   "pwqs@0=list_head list@16=list_head name@32:24");
  fakekernel_type (f, "pool_workqueue", 256,
                   "pool@0:8 wq@8:8 inactive_works@16=list_head "
                   "pwqs_node@32=list_head");
  fakekernel_type (f, "worker_pool", 256,
                   "cpu@4:4 id@12:4 watchdog_ts@24:8 worklist@40=list_head "
                   "nr_workers@56:4 nr_idle@60:4 nr_running@64:4 "
                   "workers@80=list_head");
  fakekernel_type (f, "worker", 160,
                   "current_work@16:8 current_func@24:8 current_pwq@32:8 "
                   "task@64:8 pool@72:8 node@80=list_head last_active@96:8 "
                   "desc@112:24");
  fakekernel_type (f, "work_struct", 32, "data@0:8 entry@8=list_head "
                                         "func@24:8");
  fakekernel_type (f, "kthread", 64, "data@24:8 full_name@40:8");
  fakekernel_var (f, "workqueues", 16);
  fakekernel_func (f, "hog");
  fakekernel_func (f, "behind");
}

struct queue
{
  uint64_t wq, pwq, pool;
};

static struct queue
add_queue (struct fakekernel *f, const char *name, int cpu)
{
  struct queue q = { .wq = fakemem_alloc (&f->mem, 96),
                     .pwq = fakemem_alloc (&f->mem, 4096),
                     .pool = fakemem_alloc (&f->mem, 256) };

  fakemem_text (&f->mem, q.wq + 32, name);
  fakemem_list (&f->mem, q.wq);
  fakemem_list_add (&f->mem, var (f, "workqueues"), q.wq + 16);
  fakemem_u64 (&f->mem, q.pwq, q.pool);
  fakemem_u64 (&f->mem, q.pwq + 8, q.wq);
  fakemem_list (&f->mem, q.pwq + 16);
  fakemem_list_add (&f->mem, q.wq, q.pwq + 32);
  fakemem_u32 (&f->mem, q.pool + 4, (uint32_t) cpu);
  fakemem_u32 (&f->mem, q.pool + 12, 7);
  fakemem_u32 (&f->mem, q.pool + 56, 2);
  fakemem_list (&f->mem, q.pool + 40);
  fakemem_list (&f->mem, q.pool + 80);
  return q;
}

static uint64_t
add_work (struct fakekernel *f, uint64_t list, const char *func, uint64_t pwq)
{
  uint64_t at = fakemem_alloc (&f->mem, 32);

  /* Some bits of colour above its flags. */
  fakemem_u64 (&f->mem, at, pwq | 0xf5);
  fakemem_u64 (&f->mem, at + 24, var (f, func));
  fakemem_list_add (&f->mem, list, at + 8);
  return at;
}

static uint64_t
add_worker (struct fakekernel *f, const struct queue *q, uint64_t task)
{
  uint64_t at = fakemem_alloc (&f->mem, 160);

  fakemem_u64 (&f->mem, at + 64, task);
  fakemem_u64 (&f->mem, at + 72, q->pool);
  fakemem_list_add (&f->mem, q->pool + 80, at + 80);
  return at;
}

static void
test_work (void **state)
{
  struct fakekernel f;
  struct queue q;
  uint64_t worker, task, hog;

  make_work (&f);
  fakekernel_load (&f);
  fakemem_list (&f.mem, var (&f, "workqueues"));
  f.now_ns = 100000000000;
  fakemem_u64 (&f.mem, var (&f, "jiffies_64"),
               (uint32_t) -(300 * 250) + 250ULL * 100);
  q = add_queue (&f, "events", 1);
  task = fakekernel_task (&f, 33, "kworker/1:0", 2);
  fakemem_u64 (&f.mem, task + FAKE_SCHED + FAKE_ARRIVAL, 96000000000);
  worker = add_worker (&f, &q, task);
  hog = fakemem_alloc (&f.mem, 32);
  fakemem_u64 (&f.mem, worker + 16, hog);
  fakemem_u64 (&f.mem, worker + 24, var (&f, "hog"));
  fakemem_u64 (&f.mem, worker + 32, q.pwq);
  fakemem_u64 (&f.mem, worker + 96, (uint32_t) -(300 * 250) + 250ULL * 90);
  (void) add_worker (&f, &q, 0); /* idle */
  (void) add_work (&f, q.pool + 40, "behind", q.pwq);
  (void) add_work (&f, q.pool + 40, "behind", 0);
  (void) add_work (&f, q.pwq + 16, "behind", q.pwq);
  fakemem_u64 (&f.mem, q.pool + 24, (uint32_t) -(300 * 250) + 250ULL * 70);
  fakekernel_look (&f, &section_work);
  assert_row (&f, "{\"row\":\"work\",\"pool\":7,\"state\":\"running\","
                  "\"func\":\"hog\",\"queue\":\"events\",\"pid\":33,"
                  "\"comm\":\"kworker/1:0\",\"asleep_s\":4.000,"
                  "\"busy_at_most_s\":10.000}");
  assert_row (&f, "{\"row\":\"work\",\"pool\":7,\"state\":\"waiting\","
                  "\"func\":\"behind\",\"queue\":\"events\"}");
  assert_row (&f, "\"state\":\"waiting\",\"func\":\"behind\"}");
  assert_row (&f, "{\"row\":\"workpool\",\"pool\":7,\"cpu\":1,\"workers\":2,"
                  "\"idle\":0,\"on_cpu\":0,\"waiting\":2,\"held_back\":1,"
                  "\"no_progress_s\":30.000}");
  fakekernel_free (&f);
}

static void
test_work_torn (void **state)
{
  struct fakekernel f;
  struct queue q, r;

  make_work (&f);
  fakekernel_load (&f);
  fakemem_list (&f.mem, var (&f, "workqueues"));
  q = add_queue (&f, "one", 0);
  r = add_queue (&f, "two", -1);
  fakemem_u64 (&f.mem, q.pool + 40, 0x1000);
  fakemem_u64 (&f.mem, r.pwq, 0x10); /* a pool that is nowhere */
  fakekernel_look (&f, &section_work);
  assert_int_equal (fakekernel_count (&f, "\"row\":\"workpool\""), 1);
  assert_row (&f, "a list of them is damaged");
  /* More than are told are counted. */
  fakemem_list (&f.mem, q.pool + 40);
  for (int i = 0; i < 1100; i++)
    (void) add_work (&f, q.pool + 40, "behind", q.pwq);
  fakekernel_look (&f, &section_work);
  assert_int_equal (fakekernel_count (&f, "\"row\":\"work\""), 1024);
  assert_row (&f, "76 more than are told");
  assert_row (&f, "\"waiting\":1100");
  fakekernel_free (&f);
}

/* A module's function has its name also when nobody asked for modules. */
static void
test_work_of_module (void **state)
{
  struct fakekernel f;
  struct queue q;
  uint64_t module, text, tables;

  make_work (&f);
  fakekernel_type (&f, "module_layout", 16, "base@0:8 size@8:4 text_size@12:4");
  fakekernel_type (&f, "mod_kallsyms", 24,
                   "symtab@0:8 num_symtab@8:4 strtab@16:8");
  fakekernel_type (&f, "module", 192,
                   "list@8=list_head name@24:56 core_layout@96=module_layout "
                   "init_layout@112=module_layout kallsyms@128:8");
  fakekernel_var (&f, "modules", 16);
  fakekernel_load (&f);
  fakemem_list (&f.mem, var (&f, "workqueues"));
  fakemem_list (&f.mem, var (&f, "modules"));
  module = fakemem_alloc (&f.mem, 192);
  text = fakemem_alloc (&f.mem, 4096);
  tables = fakemem_alloc (&f.mem, 4096);
  fakemem_list_add (&f.mem, var (&f, "modules"), module + 8);
  fakemem_text (&f.mem, module + 24, "zoo");
  fakemem_u64 (&f.mem, module + 96, text);
  fakemem_u32 (&f.mem, module + 104, 4096);
  fakemem_u32 (&f.mem, module + 108, 4096);
  fakemem_u64 (&f.mem, module + 128, tables);
  fakemem_u64 (&f.mem, tables, tables + 256);
  fakemem_u32 (&f.mem, tables + 8, 2);
  fakemem_u64 (&f.mem, tables + 16, tables + 512);
  /* The second of its symbols: a function of 64 bytes. */
  fakemem_u32 (&f.mem, tables + 256 + 24, 1);
  fakemem_u32 (&f.mem, tables + 256 + 28, 2 | 1 << 16);
  fakemem_u64 (&f.mem, tables + 256 + 32, text + 128);
  fakemem_u64 (&f.mem, tables + 256 + 40, 64);
  fakemem_text (&f.mem, tables + 513, "zoo_hog");
  q = add_queue (&f, "events", 1);
  fakemem_u64 (&f.mem, add_work (&f, q.pool + 40, "hog", q.pwq) + 24,
               text + 128);
  fakekernel_look (&f, &section_work);
  assert_row (&f, "\"state\":\"waiting\",\"func\":\"zoo_hog\"");
  fakekernel_free (&f);
}

/* What /proc calls kernel threads. */
static void
test_names (void **state)
{
  static const struct
  {
    const char *comm, *full, *desc;
    uint32_t flags;
    bool busy;
    const char *name;
  } all[] = {
    { "rcu_tasks_kthre", "rcu_tasks_kthread", NULL, 0x200000, false,
      "rcu_tasks_kthread" },
    { "kworker/0:1", NULL, "events", 0x200020, false, "kworker/0:1-events" },
    { "kworker/0:1", NULL, "events", 0x200020, true, "kworker/0:1+events" },
    { "kworker/R-mm_pe", "kworker/R-mm_percpu_wq", "", 0x200020, false,
      "kworker/R-mm_percpu_wq" },
    { "kthreadd", NULL, NULL, 0x200000, false, NULL },
    { "bash", "no such thing", NULL, 0, false, NULL },
  };
  struct fakekernel f;

  make_work (&f);
  fakekernel_load (&f);
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    {
      uint64_t task = fakekernel_task (&f, 10 + (int) i, all[i].comm, 0x402);
      uint64_t kthread = fakemem_alloc (&f.mem, 64);
      uint64_t worker = fakemem_alloc (&f.mem, 160), text;
      char want[80];

      fakemem_u32 (&f.mem, task + FAKE_FLAGS, all[i].flags);
      fakemem_u64 (&f.mem, task + 400, kthread);
      if (all[i].full)
        {
          text = fakemem_alloc (&f.mem, 64);
          fakemem_text (&f.mem, text, all[i].full);
          fakemem_u64 (&f.mem, kthread + 40, text);
        }
      if (all[i].desc)
        {
          fakemem_u64 (&f.mem, kthread + 24, worker);
          fakemem_u64 (&f.mem, worker + 16, all[i].busy);
          fakemem_u64 (&f.mem, worker + 72, worker);
          fakemem_text (&f.mem, worker + 112, all[i].desc);
        }
      fakekernel_look (&f, &section_tasks);
      snprintf (want, sizeof want,
                "\"pid\":%d,\"tgid\":%d,\"comm\":\"%s\",%s%s%s",
                10 + (int) i, 10 + (int) i, all[i].comm,
                all[i].name ? "\"name\":\"" : "\"state\"",
                all[i].name ? all[i].name : "", all[i].name ? "\"" : "");
      assert_row (&f, want);
    }
  fakekernel_free (&f);
}

/* ---- net ---- */

static void
make_net (struct fakekernel *f)
{
  make_system (f);
  fakekernel_type (f, "net", 64, "list@8=list_head dev_base_head@32=list_head");
  fakekernel_type (f, "device", 16, "parent@8:8");
  fakekernel_type (f, "adjacent", 32, "upper@0=list_head lower@16=list_head");
  fakekernel_type (f, "in_device", 32, "ifa_list@16:8");
  fakekernel_type (f, "in_ifaddr", 32,
                   "ifa_next@16:8 ifa_local@24:4 ifa_prefixlen@28:1");
  fakekernel_type (f, "inet6_dev", 32, "addr_list@8=list_head");
  fakekernel_type (f, "in6_addr", 16, "bytes@0:8");
  fakekernel_type (f, "inet6_ifaddr", 64,
                   "addr@0=in6_addr prefix_len@16:4 if_list@24=list_head");
  fakekernel_type (f, "net_device", 256,
                   "name@0:16 state@16:8 flags@24:4 ifindex@28:4 "
                   "dev_list@32=list_head _tx@48:8 real_num_tx_queues@56:4 "
                   "operstate@60:1 mtu@64:4 watchdog_timeo@68:4 "
                   "dev@72=device adj_list@88=adjacent ip_ptr@120:8 "
                   "ip6_ptr@128:8");
  fakekernel_type (f, "netdev_queue", 64, "trans_start@8:8 state@16:8");
  fakekernel_var (f, "net_namespace_list", 16);
}

static void
test_net (void **state)
{
  struct fakekernel f;
  uint64_t net, dev, tx;

  make_net (&f);
  fakekernel_load (&f);
  f.now_ns = 100000000000;
  fakemem_u64 (&f.mem, var (&f, "jiffies_64"),
               (uint32_t) -(300 * 250) + 250ULL * 100);
  net = fakemem_alloc (&f.mem, 64);
  dev = fakemem_alloc (&f.mem, 256);
  tx = fakemem_alloc (&f.mem, 128);
  fakemem_list (&f.mem, var (&f, "net_namespace_list"));
  fakemem_list_add (&f.mem, var (&f, "net_namespace_list"), net + 8);
  fakemem_list (&f.mem, net + 32);
  fakemem_list_add (&f.mem, net + 32, dev + 32);
  fakemem_text (&f.mem, dev, "eth0");
  fakemem_u64 (&f.mem, dev + 16, 3);
  fakemem_u32 (&f.mem, dev + 24, 1);
  fakemem_u32 (&f.mem, dev + 28, 2);
  fakemem_u64 (&f.mem, dev + 48, tx);
  fakemem_u32 (&f.mem, dev + 56, 2);
  fakemem_put (&f.mem, dev + 60, "\x06", 1);
  fakemem_u32 (&f.mem, dev + 64, 1500);
  fakemem_u32 (&f.mem, dev + 68, 5 * 250);
  fakekernel_look (&f, &section_net);
  assert_row (&f, "{\"row\":\"net\",\"name\":\"eth0\",\"index\":2,\"up\":true,"
                  "\"started\":true,\"carrier\":true,\"state\":\"up\","
                  "\"mtu\":1500,\"hardware\":false,\"addresses\":[],"
                  "\"tx_queues\":2,\"tx_stopped\":0}");
  /* A queue that the driver stopped and never woke. */
  fakemem_u64 (&f.mem, tx + 64 + 16, 1);
  fakemem_u64 (&f.mem, tx + 64 + 8, (uint32_t) -(300 * 250) + 250ULL * 80);
  fakemem_u64 (&f.mem, dev + 16, 7);
  fakekernel_look (&f, &section_net);
  assert_row (&f, "\"carrier\":false");
  assert_row (&f, "\"tx_stopped\":1,\"tx_stopped_by_driver\":1,"
                  "\"tx_silent_s\":20.000,\"tx_timed_out\":true}");
  /* By the amount under way is nothing of the driver's. */
  fakemem_u64 (&f.mem, tx + 64 + 16, 2);
  fakekernel_look (&f, &section_net);
  assert_row (&f, "\"tx_timed_out\":false");
  /* More queues than there are. */
  fakemem_u32 (&f.mem, dev + 56, UINT32_MAX);
  fakekernel_look (&f, &section_net);
  assert_no_row (&f, "tx_queues");
  fakemem_u64 (&f.mem, net + 32, 8);
  fakekernel_look (&f, &section_net);
  assert_row (&f, "their list is damaged");
  fakekernel_free (&f);
}

/* A chain for one family, a list for the other; both may be a hostile one's. */
static void
test_net_addresses (void **state)
{
  struct fakekernel f;
  uint64_t net, dev, in, ifa, in6, ifa6;

  make_net (&f);
  fakekernel_load (&f);
  net = fakemem_alloc (&f.mem, 64);
  dev = fakemem_alloc (&f.mem, 256);
  in = fakemem_alloc (&f.mem, 32);
  ifa = fakemem_alloc (&f.mem, 32);
  in6 = fakemem_alloc (&f.mem, 32);
  ifa6 = fakemem_alloc (&f.mem, 64);
  fakemem_list (&f.mem, var (&f, "net_namespace_list"));
  fakemem_list_add (&f.mem, var (&f, "net_namespace_list"), net + 8);
  fakemem_list (&f.mem, net + 32);
  fakemem_list_add (&f.mem, net + 32, dev + 32);
  fakemem_text (&f.mem, dev, "ens3");
  fakemem_u64 (&f.mem, dev + 80, net);
  fakemem_list (&f.mem, dev + 88);
  fakemem_list_add (&f.mem, dev + 88, in6 + 16);
  fakemem_list (&f.mem, dev + 104);
  fakemem_u64 (&f.mem, dev + 120, in);
  fakemem_u64 (&f.mem, dev + 128, in6);
  fakemem_u64 (&f.mem, in + 16, ifa);
  fakemem_put (&f.mem, ifa + 24, "\x0a\x00\x02\x0f\x18", 5);
  fakemem_put (&f.mem, ifa6, "\xfe\x80", 2);
  fakemem_put (&f.mem, ifa6 + 15, "\x05", 1);
  fakemem_u32 (&f.mem, ifa6 + 16, 64);
  fakemem_list (&f.mem, in6 + 8);
  fakemem_list_add (&f.mem, in6 + 8, ifa6 + 24);
  fakekernel_look (&f, &section_net);
  assert_row (&f, "\"hardware\":true,\"under\":true,\"addresses\":["
                  "\"10.0.2.15/24\",\"fe80::5/64\"]");
  /* Round and round it goes, as far as it may. */
  fakemem_u64 (&f.mem, ifa + 16, ifa);
  fakekernel_look (&f, &section_net);
  assert_row (&f, "\"10.0.2.15/24\",\"10.0.2.15/24\"");
  /* Of what is torn nothing is told: half a list looks as if one was gone. */
  fakemem_u64 (&f.mem, ifa + 16, 8);
  fakekernel_look (&f, &section_net);
  assert_row (&f, "\"hardware\":true,\"under\":true}");
  fakemem_u64 (&f.mem, ifa + 16, 0);
  fakemem_u64 (&f.mem, dev + 128, 8);
  fakekernel_look (&f, &section_net);
  assert_row (&f, "\"hardware\":true,\"under\":true}");
  fakemem_u64 (&f.mem, dev + 128, 0);
  fakekernel_look (&f, &section_net);
  assert_row (&f, "\"addresses\":[\"10.0.2.15/24\"]");
  fakekernel_free (&f);
}

/* ---- mounts ---- */

#define MOUNT_SIZE 128

static void
make_mounts (struct fakekernel *f)
{
  fakekernel_new (f);
  fakekernel_type (f, "sb_writers", 16, "frozen@0:4");
  fakekernel_type (f, "super_block", 256,
                   "s_list@0=list_head s_dev@16:4 s_type@24:8 s_flags@32:8 "
                   "s_mounts@40=list_head s_id@64:32 s_wb_err@96:4 "
                   "s_writers@104=sb_writers");
  fakekernel_type (f, "file_system_type", 16, "name@0:8");
  fakekernel_type (f, "vfsmount", 32, "mnt_root@0:8 mnt_flags@16:4");
  fakekernel_type (f, "mount", MOUNT_SIZE,
                   "mnt_parent@16:8 mnt_mountpoint@24:8 mnt@32=vfsmount "
                   "mnt_instance@64=list_head mnt_ns@80:8");
  fakekernel_type (f, "qstr", 16, "name@8:8");
  fakekernel_type (f, "dentry", 64, "d_parent@24:8 d_name@32=qstr");
  fakekernel_var (f, "super_blocks", 16);
}

static uint64_t
add_dentry (struct fakekernel *f, uint64_t parent, const char *name)
{
  uint64_t at = fakemem_alloc (&f->mem, 64), text = fakemem_alloc (&f->mem, 64);

  fakemem_text (&f->mem, text, name);
  fakemem_u64 (&f->mem, at + 24, parent ? parent : at);
  fakemem_u64 (&f->mem, at + 40, text);
  return at;
}

static uint64_t
add_mount (struct fakekernel *f, uint64_t sb, uint64_t parent, uint64_t point,
           uint64_t root)
{
  uint64_t at = fakemem_alloc (&f->mem, MOUNT_SIZE);

  fakemem_u64 (&f->mem, at + 16, parent ? parent : at);
  fakemem_u64 (&f->mem, at + 24, point);
  fakemem_u64 (&f->mem, at + 32, root);
  fakemem_u64 (&f->mem, at + 80, FAKE_VARS);
  fakemem_list_add (&f->mem, sb + 40, at + 64);
  return at;
}

static uint64_t
add_super (struct fakekernel *f, const char *type, const char *id)
{
  uint64_t at = fakemem_alloc (&f->mem, 256), fs = fakemem_alloc (&f->mem, 64);
  uint64_t name = fakemem_alloc (&f->mem, 64);

  fakemem_text (&f->mem, name, type);
  fakemem_u64 (&f->mem, fs, name);
  fakemem_u64 (&f->mem, at + 24, fs);
  fakemem_text (&f->mem, at + 64, id);
  fakemem_list (&f->mem, at + 40);
  fakemem_list_add (&f->mem, var (f, "super_blocks"), at);
  return at;
}

static void
test_mounts (void **state)
{
  struct fakekernel f;
  uint64_t a, b, c, root, data, inner, top, sub;

  make_mounts (&f);
  fakekernel_load (&f);
  fakemem_list (&f.mem, var (&f, "super_blocks"));
  a = add_super (&f, "ext4", "vda1");
  b = add_super (&f, "xfs", "vdb");
  c = add_super (&f, "pipefs", "pipefs");
  fakemem_u64 (&f.mem, c + 32, 1 << 22); /* the kernel's own */
  root = add_dentry (&f, 0, "/");
  data = add_dentry (&f, add_dentry (&f, root, "srv"), "data");
  top = add_mount (&f, a, 0, root, root);
  inner = add_dentry (&f, 0, "/");
  sub = add_mount (&f, b, top, data, inner);
  fakemem_u32 (&f.mem, a + 16, 254 << 20 | 1);
  fakemem_u64 (&f.mem, b + 32, 1);
  fakemem_u32 (&f.mem, b + 96, 0x3005); /* EIO, and seen */
  fakemem_u32 (&f.mem, b + 104, 4);
  fakekernel_look (&f, &section_mounts);
  assert_row (&f, "{\"row\":\"mount\",\"type\":\"ext4\",\"device\":\"vda1\","
                  "\"dev\":\"254:1\",\"at\":[\"/\"],\"read_only\":false}");
  assert_row (&f, "\"at\":[\"/srv/data\"],\"read_only\":true,"
                  "\"frozen\":\"all\",\"write_error\":\"EIO\"}");
  assert_int_equal (fakekernel_count (&f, "\"row\""), 2);
  /* Read-only, and it was not mounted so: a place of it alone may be. */
  fakemem_u64 (&f.mem, a + 32, 1);
  fakekernel_look (&f, &section_mounts);
  assert_row (&f, "\"at\":[\"/\"],\"read_only\":true,\"given_up\":true}");
  assert_int_equal (fakekernel_count (&f, "given_up"), 1);
  fakemem_u32 (&f.mem, top + 48, 0x40);
  fakekernel_look (&f, &section_mounts);
  assert_int_equal (fakekernel_count (&f, "given_up"), 0);
  fakemem_u64 (&f.mem, a + 32, 0);
  /* Mounts that are above each other, names that are their own parents. */
  fakemem_u64 (&f.mem, top + 16, sub);
  fakemem_u64 (&f.mem, data + 24, data);
  fakekernel_look (&f, &section_mounts);
  assert_int_equal (fakekernel_count (&f, "\"row\":\"mount\""), 2);
  fakemem_u64 (&f.mem, sub + 24, root);
  fakemem_u64 (&f.mem, sub + 32, root);
  fakekernel_look (&f, &section_mounts);
  assert_int_equal (fakekernel_count (&f, "\"row\":\"mount\""), 2);
  /* A mount of no name space, and an error in its place. */
  fakemem_u64 (&f.mem, top + 80, 0);
  fakemem_u64 (&f.mem, sub + 80, (uint64_t) -22);
  fakekernel_look (&f, &section_mounts);
  assert_int_equal (fakekernel_count (&f, "\"at\":[]"), 2);
  fakemem_u64 (&f.mem, a, 0x1000);
  fakekernel_look (&f, &section_mounts);
  assert_row (&f, "their list is damaged");
  fakekernel_free (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_work),  cmocka_unit_test (test_work_torn),
    cmocka_unit_test (test_work_of_module),
    cmocka_unit_test (test_names), cmocka_unit_test (test_net),
    cmocka_unit_test (test_net_addresses),
    cmocka_unit_test (test_mounts),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
