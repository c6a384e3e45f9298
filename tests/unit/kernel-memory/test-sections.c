/* SPDX-License-Identifier: Apache-2.0
 *
 * Sections that count: block requests, memory, the system, timers; each on a
 * kernel that has it, on one that lacks it, and on tables that lie.
 */
#include "tests/unit/kernel-memory/system-bed.h"

/* ---- io ---- */

#define TAGS 4

struct disks
{
  struct fakekernel f;
  uint64_t sb, disk, queue, set, tags, rqs, fixed, request[TAGS];
};

static void
make_disk (struct disks *d)
{
  struct fakekernel *f = &d->f;
  uint64_t var, inode;

  memset (d, 0, sizeof *d);
  fakekernel_new (f);
  fakekernel_type (f, "super_block", 64, "s_inodes@16=list_head");
  fakekernel_type (f, "inode", 64, "i_sb_list@32=list_head");
  fakekernel_type (f, "block_device", 32, "bd_disk@8:8");
  fakekernel_type (f, "bdev_inode", 128,
                   "bdev@0=block_device vfs_inode@64=inode");
  fakekernel_type (f, "gendisk", 64, "disk_name@12:32 queue@48:8");
  fakekernel_type (f, "request_queue", 32, "tag_set@8:8");
  fakekernel_type (f, "blk_mq_tag_set", 32, "nr_hw_queues@0:4 tags@8:8");
  fakekernel_type (f, "blk_mq_tags", 32,
                   "nr_tags@0:4 rqs@8:8 static_rqs@16:8");
  fakekernel_type (f, "request", 64,
                   "q@0:8 cmd_flags@8:4 tag@12:4 __sector@16:8 "
                   "__data_len@24:4 start_time_ns@32:8 state@40:4");
  var = fakekernel_var (f, "blockdev_superblock", 8);
  fakekernel_load (f);
  f->now_ns = 30000000000;
  d->sb = fakemem_alloc (&f->mem, 64);
  d->disk = fakemem_alloc (&f->mem, 64);
  d->queue = fakemem_alloc (&f->mem, 64);
  d->set = fakemem_alloc (&f->mem, 64);
  d->tags = fakemem_alloc (&f->mem, 64);
  d->rqs = fakemem_alloc (&f->mem, 8 * TAGS);
  d->fixed = fakemem_alloc (&f->mem, 8 * TAGS);
  inode = fakemem_alloc (&f->mem, 128);
  fakemem_u64 (&f->mem, var, d->sb);
  fakemem_list (&f->mem, d->sb + 16);
  fakemem_list_add (&f->mem, d->sb + 16, inode + 64 + 32);
  fakemem_u64 (&f->mem, inode + 8, d->disk);
  fakemem_text (&f->mem, d->disk + 12, "vda");
  fakemem_u64 (&f->mem, d->disk + 48, d->queue);
  fakemem_u64 (&f->mem, d->queue + 8, d->set);
  fakemem_u32 (&f->mem, d->set, 1);
  fakemem_u64 (&f->mem, d->set + 8, fakemem_alloc (&f->mem, 8));
  fakemem_u64 (&f->mem, fakemem_get (&f->mem, d->set + 8), d->tags);
  fakemem_u32 (&f->mem, d->tags, TAGS);
  fakemem_u64 (&f->mem, d->tags + 8, d->rqs);
  fakemem_u64 (&f->mem, d->tags + 16, d->fixed);
  for (unsigned i = 0; i < TAGS; i++)
    {
      d->request[i] = fakemem_alloc (&f->mem, 64);
      fakemem_u64 (&f->mem, d->fixed + 8 * i, d->request[i]);
      fakemem_u64 (&f->mem, d->request[i], d->queue);
      fakemem_u32 (&f->mem, d->request[i] + 12, i);
    }
}

static void
test_io (void **state)
{
  struct disks d;

  make_disk (&d);
  fakemem_u32 (&d.f.mem, d.request[2] + 40, 1);
  fakemem_u32 (&d.f.mem, d.request[2] + 8, 1);
  fakemem_u64 (&d.f.mem, d.request[2] + 16, 15104);
  fakemem_u32 (&d.f.mem, d.request[2] + 24, 65536);
  fakemem_u64 (&d.f.mem, d.request[2] + 32, 10000000000);
  fakekernel_look (&d.f, &section_io);
  assert_row (&d.f, "{\"row\":\"request\",\"disk\":\"vda\",\"queue\":0,"
                    "\"tag\":2,\"op\":\"write\",\"sector\":15104,"
                    "\"bytes\":65536,\"age_s\":20.000}");
  assert_row (&d.f, "{\"row\":\"disk\",\"disk\":\"vda\",\"queues\":1,"
                    "\"tags\":4,\"in_flight\":1}");
  /* Of another disk, of another tag, done: none of them. */
  fakemem_u64 (&d.f.mem, d.request[2], d.queue + 8);
  fakekernel_look (&d.f, &section_io);
  assert_row (&d.f, "\"in_flight\":0}");
  fakemem_u64 (&d.f.mem, d.request[2], d.queue);
  fakemem_u32 (&d.f.mem, d.request[2] + 12, 3);
  fakekernel_look (&d.f, &section_io);
  assert_row (&d.f, "\"in_flight\":0}");
  fakemem_u32 (&d.f.mem, d.request[2] + 12, 2);
  fakemem_u32 (&d.f.mem, d.request[2] + 40, 2);
  fakekernel_look (&d.f, &section_io);
  assert_row (&d.f, "\"in_flight\":0}");
  fakekernel_free (&d.f);
}

/* With a scheduler the request of a tag is another one than the tag's own. */
static void
test_io_scheduler (void **state)
{
  struct disks d;
  uint64_t rq;

  make_disk (&d);
  rq = fakemem_alloc (&d.f.mem, 64);
  fakemem_u64 (&d.f.mem, rq, d.queue);
  fakemem_u32 (&d.f.mem, rq + 12, 1);
  fakemem_u32 (&d.f.mem, rq + 40, 1);
  fakemem_u64 (&d.f.mem, d.rqs + 8, rq);
  fakekernel_look (&d.f, &section_io);
  assert_row (&d.f, "\"tag\":1,\"op\":\"read\"");
  assert_row (&d.f, "\"in_flight\":1}");
  fakekernel_free (&d.f);
}

static void
test_io_hostile (void **state)
{
  struct disks d;

  make_disk (&d);
  fakemem_u32 (&d.f.mem, d.tags, UINT32_MAX);
  fakekernel_look (&d.f, &section_io);
  assert_row (&d.f, "\"tags\":0,");
  fakemem_u32 (&d.f.mem, d.tags, TAGS);
  fakemem_u64 (&d.f.mem, d.tags + 8, 0x1000);
  fakemem_u64 (&d.f.mem, d.tags + 16, UINT64_MAX - 8);
  fakekernel_look (&d.f, &section_io);
  assert_row (&d.f, "\"tags\":4,\"in_flight\":0}");
  fakemem_u32 (&d.f.mem, d.set, 0x80000000);
  fakekernel_look (&d.f, &section_io);
  assert_row (&d.f, "\"queues\":0,");
  fakemem_u64 (&d.f.mem, d.sb + 16, 0x1000);
  fakekernel_look (&d.f, &section_io);
  assert_row (&d.f, "the list of block devices is damaged");
  memset (&d.f.k->fields.at[REQUEST_STATE], 0, sizeof (struct field_at));
  fakekernel_look (&d.f, &section_io);
  assert_row (&d.f, "how they are made is not known");
  fakekernel_free (&d.f);
}

/* ---- mem ---- */

static void
test_mem (void **state)
{
  struct fakekernel f;
  uint64_t total, zones, nodes, node, node_stat;

  fakekernel_new (&f);
  fakekernel_enum (&f, "zone_stat_item",
                   "NR_FREE_PAGES NR_MLOCK NR_VM_ZONE_STAT_ITEMS");
  fakekernel_enum (&f, "node_stat_item", "NR_ACTIVE_ANON NR_DIRTY "
                                         "NR_VM_NODE_STAT_ITEMS");
  fakekernel_type (&f, "free_area", 16, "nr_free@8:8");
  fakekernel_type (&f, "zone", 128,
                   "present_pages@0:8 name@8:8 free_area@16=free_area*3 "
                   "_watermark@64:32");
  fakekernel_type (&f, "pglist_data", 512, "node_zones@128=zone*2");
  total = fakekernel_var (&f, "_totalram_pages", 8);
  zones = fakekernel_var (&f, "vm_zone_stat", 64);
  node_stat = fakekernel_var (&f, "vm_node_stat", 64);
  nodes = fakekernel_var (&f, "node_data", 64);
  fakekernel_load (&f);
  node = fakemem_alloc (&f.mem, 512);
  fakemem_u64 (&f.mem, total, 1000);
  fakemem_u64 (&f.mem, zones, 77);
  fakemem_u64 (&f.mem, zones + 8, (uint64_t) -5);
  fakemem_u64 (&f.mem, zones + 16, 99999);
  fakemem_u64 (&f.mem, node_stat + 8, 12);
  fakemem_u64 (&f.mem, nodes, node);
  fakemem_u64 (&f.mem, node + 128, 500);
  fakemem_u64 (&f.mem, node + 128 + 8, FAKE_VARS + 0x8000);
  fakemem_text (&f.mem, FAKE_VARS + 0x8000, "DMA32");
  fakemem_u64 (&f.mem, node + 128 + 16 + 8, 1);
  fakemem_u64 (&f.mem, node + 128 + 32 + 8, 2);
  fakemem_u64 (&f.mem, node + 128 + 48 + 8, 3);
  fakemem_u64 (&f.mem, node + 128 + 64, 41);
  fakekernel_look (&f, &section_mem);
  assert_row (&f, "\"total_pages\":1000,\"free_pages\":77,\"mlock\":0,"
                  "\"active_anon\":0,\"dirty\":12}");
  assert_row (&f, "{\"row\":\"zone\",\"node\":0,\"zone\":\"DMA32\","
                  "\"present\":500,\"min\":41,\"free_by_order\":[1,2,3]}");
  assert_no_row (&f, "99999");
  assert_int_equal (fakekernel_count (&f, "\"row\":\"zone\""), 1);
  fakekernel_free (&f);
}

/* Each CPU counts those that it killed, and what it swapped. */
static void
test_oom (void **state)
{
  struct fakekernel f;
  uint64_t area[2];

  make_system (&f);
  fakekernel_enum (&f, "vm_event_item", "PSWPIN OOM_KILL DROP_PAGECACHE");
  fakekernel_var (&f, "_totalram_pages", 8);
  fakekernel_var (&f, "vm_event_states", 64);
  fakekernel_load (&f);
  set_cpus (&f, 2, area);
  for (unsigned i = 0; i < 2; i++)
    {
      fakemem_u64 (&f.mem, area[i] + var (&f, "vm_event_states"), 1000);
      fakemem_u64 (&f.mem, area[i] + var (&f, "vm_event_states") + 8, 2 + i);
    }
  fakekernel_look (&f, &section_mem);
  assert_row (&f, "\"swapped_in\":2000,\"oom_kills\":5}");
  fakekernel_free (&f);
}

/* ---- system ---- */

static void
test_system (void **state)
{
  struct fakekernel f;
  uint64_t area[2];

  make_system (&f);
  fakekernel_load (&f);
  set_cpus (&f, 2, area);
  fakemem_u32 (&f.mem, area[1] + var (&f, "runqueues"), 3);
  fakemem_u64 (&f.mem, area[0] + var (&f, "runqueues") + 16, 97000000000);
  fakemem_u64 (&f.mem, area[1] + var (&f, "runqueues") + 16, 100000000000);
  f.now_ns = look_clock (f.k);
  assert_int_equal (f.now_ns, 100000000000);
  fakemem_u64 (&f.mem, var (&f, "jiffies_64"),
               (uint32_t) -(300 * 250) + 250ULL * 100);
  fakemem_u64 (&f.mem, var (&f, "avenrun"), 3 << 11);
  fakemem_u64 (&f.mem, var (&f, "psi_system") + 64 + 24, 50 << 11);
  fakemem_u64 (&f.mem, var (&f, "tainted_mask"), 1 << 9 | 1 << 12);
  fakemem_u32 (&f.mem, var (&f, "panic_cpu"), UINT32_MAX);
  fakemem_u64 (&f.mem, var (&f, "saved_command_line"), FAKE_VARS + 0x8000);
  fakemem_text (&f.mem, FAKE_VARS + 0x8000, "quiet \033]0;x\007");
  fakekernel_look (&f, &section_system);
  assert_row (&f, "\"uptime_s\":100.000,\"hz\":250,\"clock_s\":100.000,"
                  "\"cpus\":2,\"load\":[3.00,0.00,0.00]");
  assert_row (&f, "\"io_full\":50.00");
  assert_row (&f, "\"panicked\":false,\"taint\":4608,"
                  "\"taint_letters\":\"WO\"");
  assert_row (&f, "\"cmdline\":\"quiet ");
  assert_no_row (&f, "\033");
  assert_row (&f, "{\"row\":\"runqueue\",\"cpu\":0,\"running\":0,"
                  "\"switches\":0,\"behind_s\":3.000}");
  assert_row (&f, "\"cpu\":1,\"running\":3,");
  fakemem_u32 (&f.mem, var (&f, "panic_cpu"), 1);
  fakekernel_look (&f, &section_system);
  assert_row (&f, "\"panicked\":true,\"panic_cpu\":1");
  fakekernel_free (&f);
}

/* Rates are told apart by the clock; a time that fits none is not told. */
static void
test_ticks (void **state)
{
  static const unsigned rates[] = { 100, 250, 300, 1000 };
  struct fakekernel f;
  struct look l;
  struct look_ticks t;

  make_system (&f);
  fakekernel_load (&f);
  for (unsigned i = 0; i < 4; i++)
    {
      l = (struct look){ .k = f.k, .now_ns = 5000000000 };
      fakemem_u64 (&f.mem, var (&f, "jiffies_64"),
                   (uint32_t) -(300 * (int) rates[i]) + 5ULL * rates[i]);
      mem_fresh (f.m);
      assert_true (look_ticks (&l, &t));
      assert_int_equal (t.hz, rates[i]);
      assert_int_equal (t.up_ms, 5000);
    }
  l.now_ns = 500000000000000;
  assert_false (look_ticks (&l, &t));
  fakekernel_free (&f);
}

/* ---- timers ---- */


/* linked: their nodes also know the ones beside them, since 7.1. */
static void
make_timers (struct fakekernel *f, bool linked)
{
  make_system (f);
  fakekernel_type (f, "rb_node", 24, "rb_right@8:8 rb_left@16:8");
  fakekernel_type (f, "rb_root", 8, "rb_node@0:8");
  fakekernel_type (f, "rb_root_cached", 16, "rb_root@0=rb_root");
  fakekernel_type (f, "timerqueue_head", 16, "rb_root@0=rb_root_cached");
  fakekernel_type (f, "timerqueue_node", 32, "node@0=rb_node expires@24:8");
  fakekernel_type (f, "timerqueue_linked_node", 48,
                   "node@0=rb_node expires@40:8");
  fakekernel_type (f, "hrtimer", 64,
                   linked ? "node@0=timerqueue_linked_node "
                            "_softexpires@48:8 function@56:8"
                          : "node@0=timerqueue_node _softexpires@32:8 "
                            "function@40:8");
  fakekernel_type (f, "hrtimer_clock_base", 64,
                   "active@32=timerqueue_head offset@56:8");
  fakekernel_type (f, "hrtimer_cpu_base", 256,
                   "nr_hangs@26:2 clock_base@64=hrtimer_clock_base*2");
  fakekernel_type (f, "tick_device", 16, "evtdev@0:8");
  fakekernel_type (f, "clock_event_device", 64,
                   "next_event@24:8 state_use_accessors@32:4 name@40:8");
  fakekernel_type (f, "timer_base", 256, "clk@16:8 cpu@32:4 vectors@64:128");
  fakekernel_type (f, "timer_list", 40,
                   "entry@0:16 expires@16:8 function@24:8 flags@32:4");
  fakekernel_var (f, "hrtimer_bases", 256);
  fakekernel_var (f, "timer_bases", 512);
  fakekernel_var (f, "tick_cpu_device", 16);
  fakekernel_func (f, "tick_sched_timer");
  fakekernel_func (f, "process_timeout");
}

static uint64_t
hrtimer (struct fakekernel *f, uint64_t expires, const char *func)
{
  uint64_t at = fakemem_alloc (&f->mem, 64);

  fakemem_u64 (&f->mem, at + 24, expires);
  fakemem_u64 (&f->mem, at + 40, var (f, func));
  return at;
}

static void
test_timers_linked (void **state)
{
  struct fakekernel f;
  uint64_t area[1], a;

  make_timers (&f, true);
  fakekernel_load (&f);
  set_cpus (&f, 1, area);
  f.now_ns = 100000000000;
  a = fakemem_alloc (&f.mem, 64);
  fakemem_u64 (&f.mem, a + 24, a); /* before it */
  fakemem_u64 (&f.mem, a + 40, 101000000000);
  fakemem_u64 (&f.mem, a + 56, var (&f, "process_timeout"));
  fakemem_u64 (&f.mem, area[0] + var (&f, "hrtimer_bases") + 64 + 32, a);
  fakekernel_look (&f, &section_timers);
  assert_row (&f, "\"hrtimers\":{\"pending\":1,"
                  "\"first\":\"process_timeout\",\"due_s\":1.000}");
  fakekernel_free (&f);
}

static void
test_timers (void **state)
{
  struct fakekernel f;
  uint64_t area[1], base, dev, a, b, c, t;

  make_timers (&f, false);
  fakekernel_load (&f);
  set_cpus (&f, 1, area);
  f.now_ns = 100000000000;
  fakemem_u64 (&f.mem, var (&f, "jiffies_64"),
               (uint32_t) -(300 * 250) + 250ULL * 100);
  dev = fakemem_alloc (&f.mem, 64);
  fakemem_u64 (&f.mem, area[0] + var (&f, "tick_cpu_device"), dev);
  fakemem_u64 (&f.mem, dev + 24, 97500000000);
  fakemem_u32 (&f.mem, dev + 32, 3);
  fakemem_u64 (&f.mem, dev + 40, FAKE_VARS + 0x8000);
  fakemem_text (&f.mem, FAKE_VARS + 0x8000, "lapic");
  base = area[0] + var (&f, "hrtimer_bases") + 64;
  a = hrtimer (&f, 101000000000, "process_timeout");
  b = hrtimer (&f, 95000000000, "tick_sched_timer");
  c = hrtimer (&f, 1000103000000000, "process_timeout");
  fakemem_u64 (&f.mem, base + 32, a);
  fakemem_u64 (&f.mem, a + 16, b);
  /* Of a clock that is ahead of it. */
  fakemem_u64 (&f.mem, base + 64 + 32, c);
  fakemem_u64 (&f.mem, base + 64 + 56, 1000000000000000);
  t = fakemem_alloc (&f.mem, 40);
  fakemem_u64 (&f.mem, t + 16, (uint32_t) -(300 * 250) + 250ULL * 98);
  fakemem_u64 (&f.mem, t + 24, var (&f, "process_timeout"));
  fakemem_u64 (&f.mem, area[0] + var (&f, "timer_bases") + 64 + 8, t);
  fakekernel_look (&f, &section_timers);
  assert_row (&f, "{\"row\":\"timers\",\"cpu\":0,\"clock\":\"lapic\","
                  "\"clock_state\":\"one shot\",\"next_event_s\":-2.500,"
                  "\"hrtimers\":{\"pending\":3,"
                  "\"first\":\"tick_sched_timer\",\"due_s\":-5.000},"
                  "\"timers\":{\"pending\":1,"
                  "\"first\":\"process_timeout\",\"due_s\":-2.000}}");
  /* One that may wait is not overdue. */
  fakemem_u32 (&f.mem, t + 32, 0x80000);
  fakekernel_look (&f, &section_timers);
  assert_row (&f, "\"timers\":{\"pending\":0}");
  /* Trees and lists that lead back into themselves. */
  fakemem_u64 (&f.mem, b + 8, a);
  fakemem_u64 (&f.mem, b + 16, a);
  fakemem_u32 (&f.mem, t + 32, 0);
  fakemem_u64 (&f.mem, t, t);
  fakekernel_look (&f, &section_timers);
  assert_int_equal (fakekernel_count (&f, "\"cut\":true"), 2);
  fakekernel_free (&f);
}

/* ---- no time ---- */

/* What was not read is said, and not that the guest has none of it. */
static void
test_time_is_up (void **state)
{
  static const char *const names[] = { "system", "modules", NULL };
  struct error err = ERROR_INIT;
  struct fakekernel f;
  struct rows *rows;

  fakekernel_new (&f);
  fakekernel_with_tasks (&f);
  fakekernel_var (&f, "modules", 16);
  fakekernel_load (&f);
  f.rows = strdup ("");
  rows = rows_new (fakekernel_take_, &f, 0);
  mem_again (f.m, 1);
  assert_int_equal (look_run (f.k, names, rows, &err), 0);
  rows_flush (rows);
  assert_row (&f, "{\"row\":\"lacks\",\"section\":\"system\","
                  "\"what\":\"the rest\",\"why\":\"the time for reading "
                  "was up\"}");
  assert_row (&f, "{\"row\":\"lacks\",\"section\":\"modules\","
                  "\"what\":\"the rest\"");
  assert_no_row (&f, "its list cannot");
  rows_free (rows);
  fakekernel_free (&f);
}

/* However many tasks there are, what comes behind them is told. */
static void
test_too_many_tasks (void **state)
{
  static const char *const names[] = { "tasks", "modules", NULL };
  struct error err = ERROR_INIT;
  struct fakekernel f;
  struct rows *rows;

  fakekernel_new (&f);
  fakekernel_with_tasks (&f);
  fakekernel_load (&f);
  for (int i = 0; i < 100; i++)
    fakekernel_task (&f, 1 + i, "task", 1);
  mem_fresh (f.m);
  f.rows = strdup ("");
  rows = rows_new (fakekernel_take_, &f, (8 << 20) + 4096);
  assert_int_equal (look_run (f.k, names, rows, &err), 0);
  rows_flush (rows);
  assert_in_range (fakekernel_count (&f, "\"row\":\"task\""), 5, 60);
  assert_row (&f, "\"what\":\"some tasks\",\"why\":\"");
  assert_row (&f, " more than are told\"}");
  assert_row (&f, "\"section\":\"modules\"");
  assert_int_equal (rows_dropped (rows), 0);
  rows_free (rows);
  fakekernel_free (&f);
}

/* ---- its own name ---- */

static void
test_host (void **state)
{
  static const char *const names[] = { "modules", NULL };
  struct error err = ERROR_INIT;
  struct fakekernel f;
  uint64_t uts;

  fakekernel_new (&f);
  fakekernel_type (&f, "uts_namespace", 400, "name@4:390");
  uts = fakekernel_var (&f, "init_uts_ns", 400) + 4;
  fakekernel_load (&f);
  fakemem_text (&f.mem, uts + 65, "web-1\033[2J");
  fakemem_text (&f.mem, uts + 130, f.k->release);
  for (unsigned i = 0; i < 2; i++)
    {
      struct rows *rows = rows_new (fakekernel_take_, &f, 0);

      free (f.rows);
      f.rows = strdup ("");
      f.rows_len = 0;
      mem_fresh (f.m);
      assert_int_equal (look_run (f.k, names, rows, &err), 0);
      rows_flush (rows);
      rows_free (rows);
      if (i == 0)
        assert_row (&f, "\"host\":\"web-1\\\\e[2J\",");
      else
        assert_no_row (&f, "\"host\"");
      /* Of another kernel, or no names at all. */
      fakemem_text (&f.mem, uts + 130, "9.9");
    }
  fakekernel_free (&f);
}

/* ---- kernels that lack it all ---- */

static void
test_nothing (void **state)
{
  static const struct section *const all[]
      = { &section_io,     &section_mem, &section_timers, &section_work,
          &section_net,    &section_mounts, &section_modules, &section_dmesg };
  struct fakekernel f;

  fakekernel_new (&f);
  fakekernel_load (&f);
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    {
      fakekernel_look (&f, all[i]);
      assert_row (&f, "{\"row\":\"lacks\",\"section\":");
      assert_row (&f, all[i]->name);
      assert_int_equal (fakekernel_count (&f, "\"row\""), 1);
      assert_ptr_equal (section_find (all[i]->name), all[i]);
    }
  assert_null (section_find ("no such"));
  fakekernel_look (&f, &section_system);
  assert_row (&f, "{\"row\":\"system\",\"cpus\":1}");
  fakekernel_free (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_io),         cmocka_unit_test (test_io_scheduler),
    cmocka_unit_test (test_io_hostile), cmocka_unit_test (test_mem),
    cmocka_unit_test (test_system),     cmocka_unit_test (test_ticks),
    cmocka_unit_test (test_timers),
    cmocka_unit_test (test_timers_linked),
    cmocka_unit_test (test_oom),
    cmocka_unit_test (test_too_many_tasks),
    cmocka_unit_test (test_host),
    cmocka_unit_test (test_time_is_up),     cmocka_unit_test (test_nothing),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
