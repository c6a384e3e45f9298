/* SPDX-License-Identifier: Apache-2.0
 *
 * What sections follow through a kernel's objects: tasks and their lists,
 * stacks, waiters and locks, queues, pools and works, timers in trees and
 * wheels.  Whatever these say, every section comes to an end, and its rows
 * are rows.
 *
 * Objects are all in one piece; what inputs put into it are most often
 * addresses of it, so a place of 8 bytes is given the address of another.
 */
#include "tests/fuzz/pokes.h"
#include "tests/unit/kernel-memory/system-bed.h"

#define PIECE (32u << 10)
#define N_TASKS 4u

struct bed
{
  struct fakekernel f;
  struct pokes pokes;
  uint64_t piece, used, cpu;
};

static uint64_t
take (struct bed *b, uint64_t len)
{
  uint64_t at = b->used;

  b->used += (len + 63) & ~63ULL;
  MUST (b->used <= b->piece + PIECE);
  return at;
}

static void
types (struct fakekernel *f)
{
  fakekernel_type (f, "mutex_waiter", 32, "list@0=list_head task@16:8");
  fakekernel_type (f, "mutex", 32, "owner@0:8 wait_list@16=list_head");
  fakekernel_type (f, "workqueue_struct", 64,
                   "pwqs@0=list_head list@16=list_head name@32:24");
  fakekernel_type (f, "pool_workqueue", 64,
                   "pool@0:8 wq@8:8 inactive_works@16=list_head "
                   "pwqs_node@32=list_head");
  fakekernel_type (f, "worker_pool", 128,
                   "cpu@4:4 id@12:4 watchdog_ts@24:8 worklist@40=list_head "
                   "nr_workers@56:4 nr_idle@60:4 workers@80=list_head");
  fakekernel_type (f, "worker", 128,
                   "current_work@16:8 current_func@24:8 current_pwq@32:8 "
                   "task@64:8 pool@72:8 node@80=list_head last_active@96:8 "
                   "desc@104:24");
  fakekernel_type (f, "work_struct", 32,
                   "data@0:8 entry@8=list_head func@24:8");
  fakekernel_type (f, "kthread", 64,
                   "threadfn@8:8 data@24:8 full_name@40:8");
  fakekernel_type (f, "rb_node", 24, "rb_right@8:8 rb_left@16:8");
  fakekernel_type (f, "rb_root", 8, "rb_node@0:8");
  fakekernel_type (f, "rb_root_cached", 16, "rb_root@0=rb_root");
  fakekernel_type (f, "timerqueue_head", 16, "rb_root@0=rb_root_cached");
  fakekernel_type (f, "timerqueue_node", 32, "node@0=rb_node expires@24:8");
  fakekernel_type (f, "hrtimer", 64, "node@0=timerqueue_node function@40:8");
  fakekernel_type (f, "hrtimer_clock_base", 64,
                   "active@32=timerqueue_head offset@56:8");
  fakekernel_type (f, "hrtimer_cpu_base", 128,
                   "clock_base@0=hrtimer_clock_base*2");
  fakekernel_type (f, "tick_device", 16, "evtdev@0:8");
  fakekernel_type (f, "timer_base", 256, "clk@16:8 cpu@32:4 vectors@64:128");
  fakekernel_type (f, "timer_list", 40,
                   "entry@0:16 expires@16:8 function@24:8 flags@32:4");
  fakekernel_type (f, "net", 64, "list@8=list_head dev_base_head@32=list_head");
  fakekernel_type (f, "net_device", 128,
                   "name@0:16 state@16:8 flags@24:4 dev_list@32=list_head "
                   "_tx@48:8 real_num_tx_queues@56:4");
  fakekernel_type (f, "netdev_queue", 64, "trans_start@8:8 state@16:8");
  fakekernel_type (f, "super_block", 128,
                   "s_list@0=list_head s_type@24:8 s_flags@32:8 "
                   "s_mounts@40=list_head s_id@64:32");
  fakekernel_type (f, "file_system_type", 16, "name@0:8");
  fakekernel_type (f, "vfsmount", 32, "mnt_root@0:8");
  fakekernel_type (f, "mount", 128,
                   "mnt_parent@16:8 mnt_mountpoint@24:8 mnt@32=vfsmount "
                   "mnt_instance@64=list_head mnt_ns@80:8");
  fakekernel_type (f, "qstr", 16, "name@8:8");
  fakekernel_type (f, "dentry", 64, "d_parent@24:8 d_name@32=qstr");
}

/* Tasks of which each waits for what the next one has. */
static void
put_tasks (struct bed *b)
{
  struct fakekernel *f = &b->f;
  struct fakemem *m = &f->mem;
  uint64_t task[N_TASKS], mutex[N_TASKS], stack, at;

  for (unsigned i = 0; i < N_TASKS; i++)
    {
      mutex[i] = take (b, 64);
      fakemem_list (m, mutex[i] + 16);
    }
  for (unsigned i = 0; i < N_TASKS; i++)
    {
      task[i] = take (b, FAKE_TASK_SIZE);
      at = take (b, 64);
      fakemem_u64 (m, task[i] + FAKE_SIGNAL, at);
      fakemem_list (m, at + FAKE_HEAD);
      fakemem_list_add (m, at + FAKE_HEAD, task[i] + FAKE_THREAD_NODE);
      fakemem_list_add (m, fakekernel_at (f, "init_task") + FAKE_TASKS,
                        task[i] + FAKE_TASKS);
      fakemem_u32 (m, task[i] + FAKE_PID, 10 + i);
      fakemem_u32 (m, task[i] + FAKE_STATE, 2);
      fakemem_u64 (m, mutex[i], task[i]);
      stack = (b->used + 4095) & ~4095ULL;
      b->used = stack + 1024;
      fakemem_u64 (m, task[i] + FAKE_STACK_AT, stack);
      fakemem_u64 (m, task[i] + FAKE_THREAD + FAKE_SP, stack + 64);
      fakemem_u64 (m, stack + 112, fakekernel_at (f, "schedule") + 8);
      fakemem_u64 (m, stack + 128, fakekernel_at (f, "__mutex_lock") + 8);
      fakemem_u64 (m, stack + 144, fakekernel_at (f, "kthread") + 8);
      fakemem_u64 (m, stack + 256 + 16, task[i]);
      fakemem_list_add (m, mutex[(i + 1) % N_TASKS] + 16, stack + 256);
    }
  /* The first one has the CPU, and is a kernel thread. */
  at = take (b, 64);
  fakemem_u64 (m, at + 8, fakekernel_at (f, "kthread"));
  fakemem_u64 (m, task[0] + 400, at);
  fakemem_u32 (m, task[0] + FAKE_FLAGS, 0x200000);
  fakemem_u64 (m, b->cpu + var (f, "current_task"), task[0]);
}

static void
put_work (struct bed *b)
{
  struct fakekernel *f = &b->f;
  struct fakemem *m = &f->mem;
  uint64_t wq = take (b, 64), pwq, pool = take (b, 128);
  uint64_t worker = take (b, 128), work;

  pwq = (b->used + 255) & ~255ULL;
  b->used = pwq + 256;
  fakemem_list (m, var (f, "workqueues"));
  fakemem_list_add (m, var (f, "workqueues"), wq + 16);
  fakemem_list (m, wq);
  fakemem_list_add (m, wq, pwq + 32);
  fakemem_u64 (m, pwq, pool);
  fakemem_u64 (m, pwq + 8, wq);
  fakemem_list (m, pwq + 16);
  fakemem_list (m, pool + 40);
  fakemem_list (m, pool + 80);
  fakemem_list_add (m, pool + 80, worker + 80);
  for (unsigned i = 0; i < 3; i++)
    {
      work = take (b, 32);
      fakemem_u64 (m, work, pwq | 5);
      fakemem_u64 (m, work + 24, FAKE_TEXT);
      fakemem_list_add (m, i ? pool + 40 : pwq + 16, work + 8);
    }
  fakemem_u64 (m, worker + 16, work);
  fakemem_u64 (m, worker + 32, pwq);
}

static void
put_timers (struct bed *b)
{
  struct fakemem *m = &b->f.mem;
  uint64_t hr = b->cpu + var (&b->f, "hrtimer_bases"), node[3];
  uint64_t wheel = b->cpu + var (&b->f, "timer_bases") + 64, t;

  for (unsigned i = 0; i < 3; i++)
    {
      node[i] = take (b, 64);
      fakemem_u64 (m, node[i] + 24, 1000 * i);
    }
  fakemem_u64 (m, hr + 32, node[0]);
  fakemem_u64 (m, node[0] + 8, node[1]);
  fakemem_u64 (m, node[0] + 16, node[2]);
  for (unsigned i = 0; i < 3; i++)
    {
      t = take (b, 64);
      fakemem_u64 (m, t, fakemem_get (m, wheel));
      fakemem_u64 (m, wheel, t);
    }
}

static void
put_rest (struct bed *b)
{
  struct fakekernel *f = &b->f;
  struct fakemem *m = &f->mem;
  uint64_t net = take (b, 64), dev = take (b, 128), sb = take (b, 128);
  uint64_t mount = take (b, 128), root = take (b, 64), leaf = take (b, 64);

  fakemem_list (m, var (f, "net_namespace_list"));
  fakemem_list_add (m, var (f, "net_namespace_list"), net + 8);
  fakemem_list (m, net + 32);
  fakemem_list_add (m, net + 32, dev + 32);
  fakemem_text (m, dev, "eth0");
  fakemem_u64 (m, dev + 48, take (b, 128));
  fakemem_u32 (m, dev + 56, 2);
  fakemem_list (m, var (f, "super_blocks"));
  fakemem_list_add (m, var (f, "super_blocks"), sb);
  fakemem_list (m, sb + 40);
  fakemem_list_add (m, sb + 40, mount + 64);
  fakemem_u64 (m, mount + 16, mount);
  fakemem_u64 (m, mount + 32, leaf);
  fakemem_u64 (m, mount + 80, net);
  fakemem_u64 (m, root + 24, root);
  fakemem_u64 (m, leaf + 24, root);
  fakemem_u64 (m, leaf + 40, dev);
}

static void
make (struct bed *b)
{
  struct fakekernel *f = &b->f;
  static const char *const vars[]
      = { "workqueues", "net_namespace_list", "super_blocks", "hrtimer_bases",
          "timer_bases", "tick_cpu_device", "current_task" };

  make_system (f);
  fakekernel_with_tasks (f);
  types (f);
  for (size_t i = 0; i < sizeof vars / sizeof vars[0]; i++)
    fakekernel_var (f, vars[i], 512);
  fakekernel_func (f, "schedule");
  fakekernel_func (f, "__mutex_lock");
  fakekernel_func (f, "kthread");
  f->orc = 3;
  f->orc_told = true;
  fakekernel_plain_rules (f, "kthread");
  fakekernel_load (f);
  set_cpus (f, 1, &b->cpu);
  f->now_ns = 1000000000;
  b->piece = b->used = fakemem_alloc (&f->mem, PIECE);
  put_tasks (b);
  put_work (b);
  put_timers (b);
  put_rest (b);
  pokes_keep (&b->pokes, &f->mem, b->piece, PIECE);
}

/* Six bytes: a place, a place whose address it is given, and how much more. */
static void
cross (struct bed *b, const uint8_t *data, size_t size)
{
  for (size_t i = 1; i + 6 <= size; i += 6)
    {
      uint64_t at = ((data[i] | (uint64_t) data[i + 1] << 8) * 8) % PIECE;
      uint64_t to = ((data[i + 2] | (uint64_t) data[i + 3] << 8) * 8) % PIECE;

      fakemem_u64 (&b->f.mem, b->piece + at,
                   b->piece + to + (data[i + 4] & 7) * (data[i + 5] & 15));
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const struct section *const all[]
      = { &section_tasks,  &section_locks, &section_work,
          &section_timers, &section_net,   &section_mounts,
          &section_cpus };
  static struct bed b;

  if (size > 4096)
    return 0;
  if (!b.f.k)
    make (&b);
  mem_again (b.f.m, 0);
  if (size > 0 && data[0] & 0x40)
    {
      pokes_apply (&b.pokes, NULL, 0);
      cross (&b, data, size);
    }
  else
    pokes_apply (&b.pokes, data, size);
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    {
      pokes_look (&b.f, all[i]);
      if (size == 0)
        {
          if (all[i] == &section_cpus) /* registers, but for these: */
            assert_row (&b.f, "\"begun\":\"kthread\"");
          else
            assert_no_row (&b.f, "lacks");
          MUST (fakekernel_count (&b.f, "\"row\":\"deadlock\"")
                == (all[i] == &section_locks));
        }
    }
  return 0;
}
