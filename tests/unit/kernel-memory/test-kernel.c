/* SPDX-License-Identifier: Apache-2.0
 *
 * What sections ask of a kernel: members, variables, CPUs, names, and lists
 * that are whole, torn, endless, or changed while they are walked.
 */
#include "tests/lib/fakemem.h"
#include "base/clock.h"
#include "kernel/memory/kernel_impl.h"
#include "tests/unit/kernel-memory/stand-ins.h"

#define MIB (1ULL << 20)

struct bed
{
  struct fakemem f;
  struct mem *m;
  struct kernel *k;
};

static void
bed_open (struct bed *b, const struct stand_in_var *vars)
{
  struct error err = ERROR_INIT;
  struct vcpu_regs r;

  fakemem_new (&b->f, 64 * MIB);
  fakemem_kernel (&b->f, "6.1.0-test");
  r = fakemem_cpu (&b->f, 0);
  r.gs_base = FAKE_LINEAR + 0x10000;
  b->m = fakemem_open (&b->f);
  stand_in_vars = vars;
  if (kernel_find (b->m, &r, 1, &b->k, &err) < 0)
    fail_msg ("%s", error_text (&err));
}

static void
bed_close (struct bed *b)
{
  kernel_free (b->k);
  mem_free (b->m);
  fakemem_free (&b->f);
  stand_in_vars = NULL;
}

static void
members (void **state)
{
  struct bed b;
  uint64_t at, v;
  int64_t i;

  bed_open (&b, NULL);
  at = fakemem_alloc (&b.f, 64);
  fakemem_u64 (&b.f, at, 0xfedcba9876543210ULL);
  fakemem_u64 (&b.f, at + 8, UINT64_MAX);
  b.k->fields.at[TASK_PID] = (struct field_at){ .offset = 4, .size = 4 };
  b.k->fields.at[TASK_COMM] = (struct field_at){ .offset = 4, .size = 16 };
  b.k->fields.at[TASK_CPU] = (struct field_at){ .offset = 0, .size = 2 };
  b.k->fields.at[TASK_ON_CPU]
      = (struct field_at){ .offset = 0, .size = 8, .bit = 4, .bits = 5 };
  b.k->fields.at[TASK_MM] = (struct field_at){ .offset = 8, .size = 8 };
  b.k->fields.at[TASK_FLAGS]
      = (struct field_at){ .offset = 7, .size = 8, .bit = 7, .bits = 3 };
  assert_true (kernel_get (b.k, at, TASK_PID, &v));
  assert_int_equal (v, 0xfedcba98);
  assert_true (kernel_get_signed (b.k, at, TASK_PID, &i));
  assert_int_equal (i, (int32_t) 0xfedcba98);
  assert_true (kernel_get (b.k, at, TASK_CPU, &v));
  assert_int_equal (v, 0x3210);
  assert_true (kernel_get (b.k, at, TASK_ON_CPU, &v));
  assert_int_equal (v, 1);
  assert_true (kernel_get_signed (b.k, at, TASK_MM, &i));
  assert_int_equal (i, -1);
  assert_true (kernel_get (b.k, at, TASK_FLAGS, &v)); /* over two bytes */
  assert_int_equal (v, 7);
  assert_true (kernel_get_signed (b.k, at, TASK_FLAGS, &i));
  assert_int_equal (i, -1);
  assert_false (kernel_get (b.k, at, TASK_COMM, &v));
  assert_false (kernel_get (b.k, at, TASK_STATE, &v)); /* absent */
  assert_false (kernel_get (b.k, 0, TASK_PID, &v));
  bed_close (&b);
}

static void
cpus (void **state)
{
  struct stand_in_var vars[] = {
    { "__per_cpu_offset", FAKE_RODATA + 0x1000 },
    { "nr_cpu_ids", FAKE_RODATA + 0x2000 },
    { "__cpu_online_mask", FAKE_RODATA + 0x3000 },
    { "__cpu_possible_mask", FAKE_RODATA + 0x4000 },
    { "current_task", 0x1fb80 },
    { NULL, 0 },
  };
  struct bed b;
  uint64_t base;

  bed_open (&b, vars);
  for (unsigned i = 0; i < 128; i++)
    fakemem_u64 (&b.f, vars[0].at + i * 8, 0x100000 * (i + 1));
  fakemem_u32 (&b.f, vars[1].at, 100);
  fakemem_u64 (&b.f, vars[2].at, 0x5);
  fakemem_u64 (&b.f, vars[2].at + 8, UINT64_MAX); /* more than there may be */
  fakemem_u64 (&b.f, vars[3].at, 0xff);
  mem_fresh (b.m);
  assert_int_equal (kernel_cpus (b.k), 100);
  fakemem_u64 (&b.f, vars[2].at + 8, 0);
  mem_fresh (b.m);
  assert_int_equal (kernel_cpus (b.k), 3);
  assert_true (kernel_percpu (b.k, "current_task", 2) == 0x300000 + 0x1fb80);
  assert_true (kernel_percpu (b.k, "current_task", 3) == 0);
  assert_true (kernel_percpu (b.k, "other", 2) == 0);
  assert_true (kernel_cpu_base (b.k, 0, &base));
  assert_int_equal (base, 0x100000);
  fakemem_u64 (&b.f, vars[2].at, 0);
  mem_fresh (b.m);
  assert_int_equal (kernel_cpus (b.k), 8);
  fakemem_u32 (&b.f, vars[1].at, 1u << 31); /* that many are none */
  fakemem_u64 (&b.f, vars[3].at, 0);
  mem_fresh (b.m);
  assert_int_equal (kernel_cpus (b.k), 1);
  bed_close (&b);

  /* Without tables: what the registers have. */
  bed_open (&b, NULL);
  assert_true (kernel_cpu_base (b.k, 0, &base));
  assert_true (base == FAKE_LINEAR + 0x10000);
  assert_false (kernel_cpu_base (b.k, 1, &base));
  bed_close (&b);
}

/* Who does not say so waits where the code says so. */
static void
halted (void **state)
{
  struct fakemem f;
  struct vcpu_regs r[4];
  struct kernel *k;
  struct mem *m;
  const unsigned char code[] = { 0x90, 0xfb, 0xf4, 0xc3 };

  fakemem_new (&f, 64 * MIB);
  fakemem_kernel (&f, "6.1.0-test");
  fakemem_put (&f, FAKE_IMAGE + 0x1000, code, sizeof code);
  for (unsigned i = 0; i < 4; i++)
    {
      r[i] = fakemem_cpu (&f, i);
      r[i].halted = false;
      r[i].pc = FAKE_IMAGE + 0x1000 + (i == 1 ? 2 : 3);
    }
  r[2].irqs_off = true;
  r[3].cpl = 3;
  m = fakemem_open (&f);
  assert_int_equal (kernel_find (m, r, 4, &k, NULL), 0);
  for (unsigned i = 0; i < 4; i++)
    assert_int_equal (k->cpus[i].halted, i == 0);
  kernel_free (k);
  mem_free (m);
  fakemem_free (&f);
}

/* What a later look asks: its CPUs are elsewhere, its kernel is not. */
static void
later (void **state)
{
  const unsigned char code[] = { 0xfb, 0xf4 };
  struct vcpu_regs r[2];
  struct kernel_cost cost;
  struct bed b;

  bed_open (&b, NULL);
  fakemem_put (&b.f, FAKE_IMAGE + 0x1000, code, sizeof code);
  for (unsigned i = 0; i < 2; i++)
    {
      r[i] = fakemem_cpu (&b.f, i);
      r[i].halted = false;
      r[i].pc = FAKE_IMAGE + 0x1000 + (i == 0 ? 2 : 1);
    }
  mem_again (b.m, CLOCK_NEVER);
  assert_int_equal (kernel_registers (b.k, r, 2, NULL), 0);
  assert_int_equal (b.k->ncpus, 2);
  assert_true (b.k->cpus[0].halted && !b.k->cpus[1].halted);
  assert_int_equal (kernel_registers (b.k, NULL, 0, NULL), 0);
  assert_int_equal (b.k->ncpus, 0);
  assert_string_equal (kernel_release (b.k), "6.1.0-test");
  assert_string_not_equal (kernel_lacks (b.k, PART_SYMBOLS), "");
  cost = kernel_cost (b.k);
  assert_int_equal (cost.find_us, b.k->cost.find_us);
  assert_true (kernel_still (b.k));
  fakemem_put (&b.f, b.k->banner_at + 6, "X", 1);
  mem_again (b.m, CLOCK_NEVER);
  assert_false (kernel_still (b.k));
  bed_close (&b);
}

/* ---- a kernel that names no data ---- */

static const struct stand_in_member learn_members[] = {
  { "task_struct", "se.cfs_rq", 0x80, 8 },
  { "cfs_rq", "rq", 0x100, 8 },
  { "rq", "cpu", 0x900, 4 },
  { "rq", "idle", 0x910, 8 },
  { "runqueues", NULL, 0x2000, 0 },
  { NULL, NULL, 0, 0 },
};

#define OWN 0x10000 /* what a CPU has of its own */
#define TASKS 0x40

static uint64_t
make_task (struct bed *b, uint64_t at, uint64_t rq)
{
  fakemem_u64 (&b->f, at + 0x80, rq + 0x200);
  return at;
}

/* Three tasks of each of n CPUs; the last CPU's queue is another's. */
static void
make_queues (struct bed *b, uint64_t own, unsigned n, uint64_t init)
{
  fakemem_list (&b->f, init + TASKS);
  for (unsigned cpu = 0; cpu < n; cpu++)
    {
      uint64_t rq = own + cpu * OWN + 0x2000;

      fakemem_u64 (&b->f, rq + 0x200 + 0x100, rq);
      fakemem_u32 (&b->f, rq + 0x900, cpu);
      fakemem_u64 (&b->f, rq + 0x910,
                   cpu == 0 ? make_task (b, init, rq)
                            : make_task (b, fakemem_alloc (&b->f, 256), rq));
      for (unsigned i = 0; i < 3; i++)
        fakemem_list_add (&b->f, init + TASKS,
                          make_task (b, fakemem_alloc (&b->f, 256), rq)
                              + TASKS);
    }
}

static void
learned_cpus (void **state)
{
  static const struct stand_in_var vars[]
      = { { "init_task", FAKE_RODATA + 0x8000 }, { NULL, 0 } };
  struct bed b;
  uint64_t own, base;

  stand_in_members = learn_members;
  bed_open (&b, vars);
  b.k->fields.at[TASK_TASKS] = (struct field_at){ .offset = TASKS, .size = 16 };
  own = fakemem_alloc (&b.f, 4 * OWN);
  make_queues (&b, own, 4, vars[0].at);
  /* What says that it is of CPU 3 does not know an idle task of its own. */
  fakemem_u64 (&b.f, own + 3 * OWN + 0x2910, vars[0].at);
  mem_fresh (b.m);
  assert_int_equal (kernel_cpus (b.k), 3);
  for (unsigned cpu = 0; cpu < 3; cpu++)
    {
      assert_true (kernel_cpu_base (b.k, cpu, &base));
      assert_true (base == own + cpu * OWN);
      assert_true (kernel_percpu (b.k, "runqueues", cpu) == base + 0x2000);
    }
  assert_false (kernel_cpu_base (b.k, 3, &base));
  bed_close (&b);

  /* Nothing that fits: the registers' word counts. */
  bed_open (&b, vars);
  b.k->fields.at[TASK_TASKS] = (struct field_at){ .offset = TASKS, .size = 16 };
  assert_int_equal (kernel_cpus (b.k), 1);
  assert_true (kernel_cpu_base (b.k, 0, &base));
  assert_true (base == FAKE_LINEAR + 0x10000);
  bed_close (&b);
  stand_in_members = NULL;
}

/* The image's data, behind its constants; where it is in f.bytes. */
#define DATA (FAKE_RODATA + 0x200000)

static unsigned char *
map_data (struct bed *b)
{
  uint64_t pa = fakemem_take (&b->f, 2 << 20, 2 << 20);

  fakemem_map_x86 (&b->f, DATA, pa, 21, FAKE_WRITABLE | FAKE_NO_EXEC);
  b->k->image.len += 2 << 20;
  return b->f.bytes + pa;
}

/* A ring of list_heads: their addresses, and where they are. */
static void
make_ring (const uint64_t *va, unsigned char *const *of, unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    {
      memcpy (of[i], &va[(i + 1) % n], 8);
      memcpy (of[i] + 8, &va[(i + n - 1) % n], 8);
    }
}

/* The list whose nodes begin a module, and not another that modules are in. */
static void
learned_modules (void **state)
{
  const uint64_t region = 0xffffffffc0300000ULL;
  struct bed b;
  unsigned char *data, *first, *second;
  uint64_t pa;

  stand_in_members = learn_members;
  bed_open (&b, NULL);
  data = map_data (&b);
  pa = fakemem_take (&b.f, 8192, 4096);
  first = b.f.bytes + pa;
  second = first + 4096;
  fakemem_map_x86 (&b.f, region, pa, 12, FAKE_WRITABLE);
  fakemem_map_x86 (&b.f, region + 0x8000, pa + 4096, 12, FAKE_WRITABLE);
  mem_fresh (b.m);
  b.k->fields.at[MODULE_LIST] = (struct field_at){ .offset = 8, .size = 16 };
  b.k->fields.at[MODULE_NAME] = (struct field_at){ .offset = 24, .size = 56 };
  b.k->fields.at[MODULE_STATE] = (struct field_at){ .offset = 0, .size = 4 };
  for (unsigned list = 0; list < 2; list++)
    {
      const unsigned at = list == 0 ? 0x300 : 8; /* another list comes first */
      const unsigned head = 0xfff8 + list * 0x20000; /* over a border */

      make_ring (
          (const uint64_t[]){ region + at, region + 0x8000 + at, DATA + head },
          (unsigned char *const[]){ first + at, second + at, data + head }, 3);
    }
  strcpy ((char *) first + 24, "hang");
  strcpy ((char *) second + 24, "virtio_blk");
  strcpy ((char *) first + 0x300 + 16, "x");
  strcpy ((char *) second + 0x300 + 16, "y\033");
  assert_true (kernel_var (b.k, "modules") == DATA + 0xfff8 + 0x20000);
  assert_int_equal (kernel_var (b.k, "others"), 0);
  assert_int_equal (kernel_var (b.k, "super_blocks"), 0);
  bed_close (&b);

  /* Without types nothing is guessed. */
  stand_in_members = NULL;
  bed_open (&b, NULL);
  assert_int_equal (kernel_var (b.k, "modules"), 0);
  bed_close (&b);
}

static void
put_u64 (unsigned char *p, uint64_t v)
{
  memcpy (p, &v, sizeof v);
}

static void
learned_lists (void **state)
{
  static const struct stand_in_var vars[]
      = { { "init_task", FAKE_RODATA + 0x8000 }, { NULL, 0 } };
  static const struct stand_in_member members[]
      = { { "task_struct", "nsproxy", 0x10, 8 },
          { "nsproxy", "net_ns", 0x28, 8 },
          { "task_struct", "worker_private", 0x18, 8 },
          { "kthread", "data", 0x8, 8 },
          { "pglist_data", "kswapd", 0x30, 8 },
          { NULL, NULL, 0, 0 } };
  struct bed b;
  unsigned char *data;
  uint64_t sb[2], type, wq, net, proxy, kswapd, node;

  stand_in_members = members;
  bed_open (&b, vars);
  data = map_data (&b);
  mem_fresh (b.m);
  b.k->fields.at[SB_LIST] = (struct field_at){ .offset = 0, .size = 16 };
  b.k->fields.at[SB_TYPE] = (struct field_at){ .offset = 0x28, .size = 8 };
  b.k->fields.at[SB_ID] = (struct field_at){ .offset = 0x40, .size = 32 };
  b.k->fields.at[WQ_LIST] = (struct field_at){ .offset = 16, .size = 16 };
  b.k->fields.at[WQ_NAME] = (struct field_at){ .offset = 0x40, .size = 24 };
  b.k->fields.at[NET_LIST] = (struct field_at){ .offset = 0x20, .size = 16 };
  type = fakemem_alloc (&b.f, 64);
  fakemem_u64 (&b.f, type, type + 8);
  fakemem_text (&b.f, type + 8, "bdev");
  for (unsigned i = 0; i < 2; i++)
    {
      sb[i] = fakemem_alloc (&b.f, 256);
      fakemem_u64 (&b.f, sb[i] + 0x28, type);
      fakemem_text (&b.f, sb[i] + 0x40, i == 0 ? "sysfs" : "bdev");
    }
  make_ring ((const uint64_t[]){ DATA + 0x100, sb[0], sb[1] },
             (unsigned char *const[]){ data + 0x100, fakemem_at (&b.f, sb[0]),
                                       fakemem_at (&b.f, sb[1]) },
             3);
  wq = fakemem_alloc (&b.f, 256);
  fakemem_text (&b.f, wq + 0x40, "events");
  make_ring (
      (const uint64_t[]){ DATA + 0x200, wq + 16 },
      (unsigned char *const[]){ data + 0x200, fakemem_at (&b.f, wq + 16) }, 2);
  /* The first network is in the image itself; another is not. */
  net = fakemem_alloc (&b.f, 256);
  proxy = fakemem_alloc (&b.f, 256);
  make_ring ((const uint64_t[]){ DATA + 0x300, DATA + 0x420, net + 0x20 },
             (unsigned char *const[]){ data + 0x300, data + 0x420,
                                       fakemem_at (&b.f, net + 0x20) },
             3);
  fakemem_u64 (&b.f, vars[0].at + 0x10, proxy);
  fakemem_u64 (&b.f, proxy + 0x28, DATA + 0x400);
  put_u64 (data + 0x800, sb[1]);
  kswapd = fakemem_alloc (&b.f, 256);
  node = fakemem_alloc (&b.f, 256);
  b.k->fields.at[TASK_TASKS] = (struct field_at){ .offset = TASKS, .size = 16 };
  b.k->fields.at[TASK_COMM] = (struct field_at){ .offset = 0x90, .size = 16 };
  fakemem_list (&b.f, vars[0].at + TASKS);
  fakemem_list_add (&b.f, vars[0].at + TASKS, kswapd + TASKS);
  fakemem_text (&b.f, kswapd + 0x90, "kswapd0");
  fakemem_u64 (&b.f, kswapd + 0x18, kswapd + 0xb0);
  fakemem_u64 (&b.f, kswapd + 0xb8, node);
  /* On a stack, beside something that is none, and where it is. */
  b.k->fields.at[TASK_STACK] = (struct field_at){ .offset = 0xa0, .size = 8 };
  fakemem_u64 (&b.f, vars[0].at + 0xa0, DATA + 0x10000);
  put_u64 (data + 0x10100, node);
  put_u64 (data + 0x20000, node);
  put_u64 (data + 0x20008, 77);
  put_u64 (data + 0x30000, node);
  assert_true (kernel_var (b.k, "super_blocks") == DATA + 0x100);
  assert_true (kernel_var (b.k, "workqueues") == DATA + 0x200);
  assert_true (kernel_var (b.k, "net_namespace_list") == DATA + 0x300);
  /* The list's own head points there, too, but that is not the one. */
  assert_true (kernel_var (b.k, "blockdev_superblock") == DATA + 0x800);
  assert_int_equal (kernel_var (b.k, "modules"), 0);
  /* What the thread was given must know the thread. */
  assert_int_equal (kernel_var (b.k, "node_data"), 0);
  fakemem_u64 (&b.f, node + 0x30, kswapd);
  mem_fresh (b.m);
  memset (b.k->learned->tried, 0, sizeof b.k->learned->tried);
  assert_true (kernel_var (b.k, "node_data") == DATA + 0x30000);
  bed_close (&b);
  stand_in_members = NULL;
}

static void
names (void **state)
{
  const struct stand_in_var vars[] = { { "fn", FAKE_IMAGE }, { NULL, 0 } };
  struct bed b;
  char text[64];

  bed_open (&b, vars);
  kernel_name_of (b.k, FAKE_IMAGE + 0x12, text, sizeof text);
  assert_string_equal (text, "fn+0x12/0x100 [fake]");
  for (size_t n = 1; n < 20; n++)
    {
      char cut[20];

      kernel_name_of (b.k, FAKE_IMAGE + 0x12, cut, n);
      assert_memory_equal (cut, text, n - 1);
      assert_int_equal (cut[n - 1], 0);
    }
  kernel_name_of (b.k, 0x1234, text, sizeof text);
  assert_string_equal (text, "0x1234");
  bed_close (&b);
}

/* ---- lists ---- */

#define NODES 1000

struct seen
{
  struct bed *b;
  uint64_t at[NODES * 2];
  unsigned n, stop;
  uint64_t cut; /* the guest takes that node away when the first is told */
};

static bool
tell (uint64_t node, void *arg)
{
  struct seen *s = arg;

  if (s->n == 0 && s->cut != 0)
    {
      uint64_t next = fakemem_get (&s->b->f, s->cut);
      uint64_t prev = fakemem_get (&s->b->f, s->cut + 8);

      fakemem_u64 (&s->b->f, prev, next);
      fakemem_u64 (&s->b->f, next + 8, prev);
      fakemem_u64 (&s->b->f, s->cut, 0xdead);
      fakemem_u64 (&s->b->f, s->cut + 8, 0xdead);
    }
  s->at[s->n++] = node;
  return s->n != s->stop;
}

struct list
{
  struct bed b;
  uint64_t head, node[NODES];
};

static void
list_open (struct list *l)
{
  bed_open (&l->b, NULL);
  l->head = fakemem_alloc (&l->b.f, 16);
  fakemem_list (&l->b.f, l->head);
  for (unsigned i = 0; i < NODES; i++)
    {
      l->node[i] = fakemem_alloc (&l->b.f, 16);
      fakemem_list_add (&l->b.f, l->head, l->node[i]);
    }
}

static int
go (struct list *l, struct seen *s, unsigned max)
{
  s->b = &l->b;
  mem_fresh (l->b.m);
  return kernel_list (l->b.k, l->head, max, tell, s);
}

static void
whole_lists (void **state)
{
  static struct list l;
  struct seen s = { .n = 0 };

  list_open (&l);
  assert_int_equal (go (&l, &s, NODES), 0);
  assert_int_equal (s.n, NODES);
  assert_memory_equal (s.at, l.node, sizeof l.node);
  s = (struct seen){ .stop = 7 };
  assert_int_equal (go (&l, &s, NODES), 0);
  assert_int_equal (s.n, 7);
  s = (struct seen){ .n = 0 };
  assert_int_equal (go (&l, &s, 100), -E2BIG);
  assert_int_equal (s.n, 100);
  fakemem_list (&l.b.f, l.head);
  s = (struct seen){ .n = 0 };
  assert_int_equal (go (&l, &s, NODES), 0);
  assert_int_equal (s.n, 0);
  l.head = 0x1000;
  assert_int_equal (go (&l, &s, NODES), -EFAULT);
  bed_close (&l.b);
}

/* All but what is between the damages is told, once. */
static void
torn_lists (void **state)
{
  static struct list l;
  struct seen s = { .n = 0 };

  list_open (&l);
  fakemem_u64 (&l.b.f, l.node[400], 0x6b6b6b6b6b6b6b6bULL);
  assert_int_equal (go (&l, &s, NODES), -EFAULT);
  assert_int_equal (s.n, NODES);
  for (unsigned i = 0; i < NODES; i++)
    assert_true (s.at[i] == l.node[i <= 400 ? i : NODES - 1 - (i - 401)]);
  s = (struct seen){ .n = 0 };
  fakemem_u64 (&l.b.f, l.node[600] + 8, 0);
  assert_int_equal (go (&l, &s, NODES), -EFAULT);
  assert_int_equal (s.n, 401 + NODES - 600);
  bed_close (&l.b);
}

/* Both directions fit, and it never comes back to its head. */
static void
endless_lists (void **state)
{
  static struct list l;
  struct seen s = { .n = 0 };

  list_open (&l);
  fakemem_u64 (&l.b.f, l.node[500], l.node[0]);
  fakemem_u64 (&l.b.f, l.node[0] + 8, l.node[500]);
  assert_int_equal (go (&l, &s, NODES), -EFAULT);
  assert_true (s.n <= NODES);
  for (unsigned i = 1; i < s.n; i++)
    assert_true (s.at[i] != s.at[i - 1]);
  bed_close (&l.b);

  list_open (&l);
  for (unsigned i = 0; i < NODES; i++) /* a ring of its own */
    fakemem_u64 (&l.b.f, l.node[i] + 8, i > 0 ? l.node[i - 1] : l.head);
  fakemem_u64 (&l.b.f, l.node[NODES - 1], l.node[NODES / 2]);
  s = (struct seen){ .n = 0 };
  assert_int_equal (go (&l, &s, NODES), -EFAULT);
  assert_int_equal (s.n, NODES);
  bed_close (&l.b);
}

/* A node that leaves while we go is no damage: it is looked at again. */
static void
lists_of_the_living (void **state)
{
  static struct list l;
  struct seen s = { .n = 0 };

  unsigned i = 1;

  list_open (&l);
  /* The first of another page: the one before it is kept as it was. */
  while (l.node[i] / 4096 == l.node[0] / 4096)
    i++;
  s.cut = l.node[i];
  assert_int_equal (go (&l, &s, NODES), 0);
  assert_int_equal (s.n, NODES - 1);
  bed_close (&l.b);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (members),
    cmocka_unit_test (cpus),
    cmocka_unit_test (names),
    cmocka_unit_test (halted),
    cmocka_unit_test (later),
    cmocka_unit_test (learned_cpus),
    cmocka_unit_test (learned_modules),
    cmocka_unit_test (learned_lists),
    cmocka_unit_test (whole_lists),
    cmocka_unit_test (torn_lists),
    cmocka_unit_test (endless_lists),
    cmocka_unit_test (lists_of_the_living),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
