/* SPDX-License-Identifier: Apache-2.0
 *
 * CPUs, run queues and a clock for tests of sections.
 */
#ifndef HANGDOG_TESTS_SYSTEM_BED_H
#define HANGDOG_TESTS_SYSTEM_BED_H

#include "tests/lib/fakekernel.h"

static inline void
make_quiet_system (struct fakekernel *f)
{
  fakekernel_new (f);
  fakekernel_type (f, "rq", 64, "nr_running@0:4 nr_switches@8:8 clock@16:8");
  fakekernel_type (f, "psi_group", 512, "avg@64:144");
  fakekernel_var (f, "runqueues", 64);
  fakekernel_var (f, "__per_cpu_offset", 64);
  fakekernel_var (f, "nr_cpu_ids", 8);
  fakekernel_var (f, "__cpu_online_mask", 8);
  fakekernel_var (f, "jiffies_64", 8);
  fakekernel_var (f, "avenrun", 24);
  fakekernel_var (f, "psi_system", 512);
  fakekernel_var (f, "tainted_mask", 8);
  fakekernel_var (f, "saved_command_line", 8);
}

static inline void
make_system (struct fakekernel *f)
{
  make_quiet_system (f);
  fakekernel_var (f, "panic_cpu", 4);
}

static inline uint64_t
var (struct fakekernel *f, const char *name)
{
  return fakekernel_at (f, name);
}

/* CPUs, each with its own area. */
static inline void
set_cpus (struct fakekernel *f, unsigned n, uint64_t area_of[])
{
  fakemem_u32 (&f->mem, var (f, "nr_cpu_ids"), n);
  fakemem_u64 (&f->mem, var (f, "__cpu_online_mask"), (1ULL << n) - 1);
  for (unsigned i = 0; i < n; i++)
    {
      area_of[i] = fakemem_alloc (&f->mem, 1 << 20) - FAKE_VARS;
      fakemem_u64 (&f->mem, var (f, "__per_cpu_offset") + 8 * i, area_of[i]);
    }
}

#endif
