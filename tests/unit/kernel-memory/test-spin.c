/* SPDX-License-Identifier: Apache-2.0
 *
 * CPUs that spin for a lock: for which, who else does, who may have it and who
 * cannot.
 */
#include "tests/unit/kernel-memory/system-bed.h"

#define CPUS 4
#define LOCK "{\"row\":\"spinlock\",\"kind\":\"spinlock\",\"at\":"

struct bed
{
  struct fakekernel f;
  uint64_t area[CPUS], task[CPUS], sp[CPUS];
};

static void
make (struct bed *b, bool debug)
{
  struct fakekernel *f = &b->f;

  memset (b, 0, sizeof *b);
  make_system (f);
  fakekernel_with_tasks (f);
  if (debug)
    fakekernel_type (f, "raw_spinlock", 24,
                     "raw_lock@0:4 magic@4:4 owner_cpu@8:4 owner@16:8");
  fakekernel_var (f, "current_task", 8);
  fakekernel_var (f, "__preempt_count", 4);
  fakekernel_var (f, "the_lock", 64);
  fakekernel_func (f, "native_queued_spin_lock_slowpath");
  fakekernel_func (f, "queued_write_lock_slowpath");
  fakekernel_func (f, "_raw_spin_lock");
  fakekernel_func (f, "work");
  fakekernel_func (f, "kthread");
  f->orc = 3;
  f->orc_told = true;
  fakekernel_plain_rules (f, "kthread");
  fakekernel_load (f);
  set_cpus (f, CPUS, b->area);
  f->k->cpus = calloc (CPUS, sizeof *f->k->cpus);
  f->k->ncpus = CPUS;
  for (unsigned i = 0; i < CPUS; i++)
    {
      char name[16];

      snprintf (name, sizeof name, "on-%u", i);
      b->task[i] = fakekernel_task (f, 10 + (int) i, name, 0);
      fakemem_u32 (&f->mem, b->task[i] + FAKE_ON_CPU, 1);
      fakemem_u64 (&f->mem, b->area[i] + var (f, "current_task"), b->task[i]);
    }
}

/* In func, that `caller` called, that kthread() called. */
static struct vcpu_regs *
run_in (struct bed *b, unsigned cpu, const char *func, const char *caller,
        uint32_t preempt)
{
  struct fakemem *m = &b->f.mem;
  struct vcpu_regs *r = &b->f.k->cpus[cpu];
  uint64_t sp = fakemem_get (m, b->task[cpu] + FAKE_STACK_AT) + 4096;

  *r = fakemem_cpu (m, cpu);
  r->halted = false;
  r->irqs_off = false;
  r->gs_base = b->area[cpu];
  r->pc = fakekernel_at (&b->f, func) + 0x40;
  r->sp = b->sp[cpu] = sp;
  memset (r->gpr, 0, sizeof r->gpr);
  fakemem_u64 (m, sp + 8, fakekernel_at (&b->f, caller) + 8);
  fakemem_u64 (m, sp + 24, fakekernel_at (&b->f, "kthread") + 8);
  fakemem_u32 (m, b->area[cpu] + var (&b->f, "__preempt_count"), preempt);
  return r;
}

static struct vcpu_regs *
spin_on (struct bed *b, unsigned cpu)
{
  return run_in (b, cpu, "native_queued_spin_lock_slowpath", "_raw_spin_lock",
                 1);
}

static void
code (struct bed *b, const char *func, const void *bytes, size_t len)
{
  fakemem_put (&b->f.mem, fakekernel_at (&b->f, func) + 0x40, bytes, len);
}

/* mov (%rdi),%eax; test %eax,%eax; jne; pause */
#define BY_RDI "\x8b\x07\x85\xc0\x75\xfa\xf3\x90"

static void
test_lock (void **state)
{
  struct bed b;
  uint64_t lock;

  make (&b, false);
  lock = var (&b.f, "the_lock") + 8;
  code (&b, "native_queued_spin_lock_slowpath", BY_RDI, 8);
  fakemem_u32 (&b.f.mem, lock, 1);
  (void) run_in (&b, 0, "work", "work", 1);
  spin_on (&b, 1)->gpr[7] = lock;
  (void) run_in (&b, 2, "work", "work", 0x80000000); /* may be preempted */
  run_in (&b, 3, "work", "work", 0)->cpl = 3;
  fakekernel_look (&b.f, &section_locks);
  assert_row (&b.f, "\"name\":\"the_lock+0x8\",\"value\":\"0x1\","
                    "\"waiters\":[{\"cpu\":1,\"pid\":11,\"comm\":\"on-1\"}],"
                    "\"owner_recorded\":false,\"maybe\":[{\"cpu\":0,\"pid\":"
                    "10,\"comm\":\"on-0\",\"preempt_off\":true,\"irqs_off\":"
                    "false}]}");
  /* The one that has it works with its address. */
  fakemem_u64 (&b.f.mem, b.sp[0] + 200, lock);
  fakekernel_look (&b.f, &section_locks);
  assert_row (&b.f, "\"irqs_off\":false,\"has_address\":true}]}");
  fakekernel_free (&b.f);
}

/* Two that wait for one lock, the last of them known by the lock only. */
static void
test_queue (void **state)
{
  struct bed b;
  uint64_t lock;

  make (&b, false);
  lock = var (&b.f, "the_lock");
  /* mov 0x0(%r13),%eax; mov 0x8(%rdi),%edx */
  code (&b, "native_queued_spin_lock_slowpath", "\x41\x8b\x45\x00\x8b\x57\x08",
        7);
  fakemem_u32 (&b.f.mem, lock, (3 + 1) << 18 | 0x101);
  run_in (&b, 0, "work", "work", 0)->irqs_off = true;
  spin_on (&b, 2)->gpr[13] = lock;
  spin_on (&b, 3)->gpr[7] = FAKE_LINEAR;
  run_in (&b, 1, "work", "work", 0)->halted = true;
  fakekernel_look (&b.f, &section_locks);
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"spinlock\""), 1);
  assert_row (&b.f, "\"value\":\"0x100101\",\"waiters\":[{\"cpu\":2,\"pid\":12,"
                    "\"comm\":\"on-2\"},{\"cpu\":3,\"pid\":13,\"comm\":"
                    "\"on-3\"}],\"owner_recorded\":false,\"maybe\":[]}");
  /* A kernel that does not count: whoever is not idle. */
  for (unsigned i = 0; i < CPUS; i++)
    fakemem_u32 (&b.f.mem, b.area[i] + var (&b.f, "__preempt_count"), 0);
  fakekernel_look (&b.f, &section_locks);
  assert_row (&b.f, "\"maybe\":[{\"cpu\":0,\"pid\":10,\"comm\":\"on-0\","
                    "\"irqs_off\":true}]}");
  fakekernel_free (&b.f);
}

/* What reads two words, or one that is no lock, or is no code: nobody says for
 * which lock it is. */
static void
test_unknown (void **state)
{
  struct bed b;
  uint64_t lock;
  struct vcpu_regs *r;

  make (&b, false);
  lock = var (&b.f, "the_lock");
  code (&b, "native_queued_spin_lock_slowpath", "\x8b\x07\x8b\x03\x8b\x04\x24",
        7);
  fakemem_u32 (&b.f.mem, lock, 1);
  fakemem_u32 (&b.f.mem, lock + 4, 1);
  fakemem_u32 (&b.f.mem, lock + 8, 0x202);
  for (unsigned i = 1; i < CPUS; i++)
    (void) run_in (&b, i, "work", "work", 1);
  r = spin_on (&b, 0);
  r->gpr[7] = lock;
  r->gpr[3] = lock + 4;
  fakekernel_look (&b.f, &section_locks);
  assert_row (&b.f, "{\"row\":\"spinlock\",\"kind\":\"spinlock\",\"waiters\":"
                    "[{\"cpu\":0,\"pid\":10,\"comm\":\"on-0\"}]}");
  r->gpr[3] = lock + 8;
  fakekernel_look (&b.f, &section_locks);
  assert_row (&b.f, LOCK);
  r->gpr[7] = lock + 8;
  fakekernel_look (&b.f, &section_locks);
  assert_no_row (&b.f, LOCK);
  r->gpr[7] = 0x1000;
  fakekernel_look (&b.f, &section_locks);
  assert_no_row (&b.f, LOCK);
  /* Interrupted while it spun: its registers are another's. */
  (void) run_in (&b, 0, "work", "native_queued_spin_lock_slowpath", 1);
  b.f.k->cpus[0].gpr[7] = lock;
  code (&b, "work", BY_RDI, 8);
  fakekernel_look (&b.f, &section_locks);
  assert_row (&b.f, "\"waiters\":[{\"cpu\":0,");
  assert_no_row (&b.f, LOCK);
  (void) run_in (&b, 0, "queued_write_lock_slowpath", "work", 1);
  fakekernel_look (&b.f, &section_locks);
  assert_row (&b.f, "\"kind\":\"rwlock\",\"waiters\":[{\"cpu\":0,");
  b.f.k->ncpus = 0;
  fakekernel_look (&b.f, &section_locks);
  assert_no_row (&b.f, "spinlock");
  fakekernel_free (&b.f);
}

/* Kernels for debugging write down who has it, and mark what a lock is. */
static void
test_debug (void **state)
{
  struct bed b;
  uint64_t lock;

  make (&b, true);
  lock = var (&b.f, "the_lock");
  code (&b, "native_queued_spin_lock_slowpath", BY_RDI, 8);
  fakemem_u32 (&b.f.mem, lock, 0x101);
  for (unsigned i = 1; i < CPUS; i++)
    (void) run_in (&b, i, "work", "work", 1);
  spin_on (&b, 0)->gpr[7] = lock;
  fakekernel_look (&b.f, &section_locks);
  assert_no_row (&b.f, LOCK);
  fakemem_u32 (&b.f.mem, lock + 4, 0xdead4ead);
  fakemem_u32 (&b.f.mem, lock + 8, 2);
  fakemem_u64 (&b.f.mem, lock + 16, b.task[2]);
  fakekernel_look (&b.f, &section_locks);
  assert_row (&b.f, "\"owner\":{\"cpu\":2,\"pid\":12,\"comm\":\"on-2\"}}");
  assert_no_row (&b.f, "maybe");
  /* Whoever that is, it is no task. */
  fakemem_u64 (&b.f.mem, lock + 16, lock);
  fakekernel_look (&b.f, &section_locks);
  assert_row (&b.f, "\"owner_recorded\":false");
  fakekernel_free (&b.f);
}

int
main (void)
{
  const struct CMUnitTest tests[]
      = { cmocka_unit_test (test_lock), cmocka_unit_test (test_queue),
          cmocka_unit_test (test_unknown), cmocka_unit_test (test_debug) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
