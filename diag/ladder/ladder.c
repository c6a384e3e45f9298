/* SPDX-License-Identifier: Apache-2.0
 *
 * From facts to facets.
 *
 * The table is read top down; the first row of a facet whose conditions hold
 * says its state, so what is stronger evidence stands higher.  Without a row
 * that holds a facet is unknown: absence of news is no news.
 */
#include "diag/ladder/ladder_impl.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

const char *const facet_state_names[]
    = { "unknown", "alive", "slow", "dead", NULL };
const char *const facet_names[]
    = { "host",      "vmm",   "run-state", "vcpu",    "ticks",
        "scheduler", "block", "network",   "console", "application",
        NULL };

struct facet_rule
{
  enum facet_id facet;
  enum facet_state state;
  struct cond when[MAX_CONDS];
};

static const struct facet_rule rules[] = {
  /* Rung 0.  PSI in percent of time over 10 s. */
  { FACET_HOST, FACET_DEAD,
    { { "host.psi.memory.full", OP_ABOVE, NULL, 40 } } },
  { FACET_HOST, FACET_SLOW,
    { { "host.psi.memory.full", OP_ABOVE, NULL, 10 } } },
  { FACET_HOST, FACET_SLOW, { { "host.psi.io.full", OP_ABOVE, NULL, 60 } } },
  { FACET_HOST, FACET_SLOW, { { "host.psi.cpu.some", OP_ABOVE, NULL, 80 } } },
  { FACET_HOST, FACET_SLOW,
    { { "host.memory.available", OP_BELOW, NULL, 0.02 } } },
  { FACET_HOST, FACET_ALIVE, { { "host.psi.*", OP_THERE } } },
  { FACET_HOST, FACET_ALIVE, { { "host.memory.available", OP_THERE } } },

  /* Rung 1.  Once without an answer is slow, twice apart is dead.  Who
   * answers lives, whatever became of the process that we took for it. */
  { FACET_VMM, FACET_ALIVE, { { "vmm.monitor", OP_ALWAYS, "answers" } } },
  { FACET_VMM, FACET_DEAD, { { "qemu.state", OP_IS, "gone" } } },
  { FACET_VMM, FACET_DEAD, { { "qemu.state", OP_IS, "zombie" } } },
  { FACET_VMM, FACET_DEAD, { { "qemu.state", OP_IS, "stopped" } } },
  { FACET_VMM, FACET_DEAD, { { "vmm.monitor", OP_ALWAYS, "greets-only" } } },
  { FACET_VMM, FACET_ALIVE, { { "vmm.monitor", OP_IS, "answers" } } },
  { FACET_VMM, FACET_SLOW, { { "vmm.monitor", OP_IS, "greets-only" } } },
  { FACET_VMM, FACET_SLOW, { { "vmm.monitor", OP_IS, "no-greeting" } } },
  { FACET_VMM, FACET_ALIVE, { { "qemu.state", OP_IS, "running" } } },

  /* Rung 2.  QEMU's own words, or libvirt's state and reason. */
  { FACET_RUN_STATE, FACET_DEAD, { { "vmm.status", OP_HAS, "io-error" } } },
  { FACET_RUN_STATE, FACET_DEAD,
    { { "vmm.status", OP_HAS, "internal-error" } } },
  { FACET_RUN_STATE, FACET_DEAD, { { "vmm.status", OP_HAS, "panicked" } } },
  { FACET_RUN_STATE, FACET_DEAD, { { "vmm.status", OP_BEGINS, "paused" } } },
  { FACET_RUN_STATE, FACET_DEAD, { { "vmm.status", OP_BEGINS, "suspended" } } },
  { FACET_RUN_STATE, FACET_DEAD, { { "vmm.status", OP_BEGINS, "shut" } } },
  { FACET_RUN_STATE, FACET_DEAD, { { "vmm.status", OP_BEGINS, "off" } } },
  { FACET_RUN_STATE, FACET_DEAD, { { "vmm.status", OP_BEGINS, "crashed" } } },
  { FACET_RUN_STATE, FACET_ALIVE, { { "vmm.status", OP_BEGINS, "running" } } },

  /* Rungs 3 and 4.  Who answers SysRq takes interrupts.  No answer says
   * little: SysRq may be off, or this may not be the kernel's console. */
  { FACET_VCPU, FACET_ALIVE, { { "kernel.answers", OP_IS, "shown" } } },
  { FACET_VCPU, FACET_ALIVE, { { "kernel.answers", OP_IS, "disabled" } } },
  { FACET_VCPU, FACET_ALIVE, { { "vcpu.*.share", OP_ABOVE, NULL, 0.001 } } },
  { FACET_TICKS, FACET_ALIVE, { { "kernel.answers", OP_IS, "shown" } } },
  { FACET_TICKS, FACET_ALIVE, { { "kernel.answers", OP_IS, "disabled" } } },
  { FACET_TICKS, FACET_ALIVE, { { "net.answer", OP_IS, "open" } } },
  { FACET_TICKS, FACET_ALIVE, { { "net.answer", OP_IS, "refused" } } },
  { FACET_TICKS, FACET_ALIVE, { { "net.answer", OP_IS, "mismatch" } } },
  { FACET_TICKS, FACET_DEAD,
    { { "vcpu.busy", OP_ABOVE, NULL, 0 },
      { "vcpu.busy", OP_SAME_AS, "vcpu.count" },
      { "kernel.answers", OP_IS, "none" },
      { "net.guest_sent", OP_FALSE } } },

  /* Rung 5. */
  { FACET_SCHEDULER, FACET_ALIVE, { { "net.answer", OP_IS, "open" } } },
  { FACET_SCHEDULER, FACET_ALIVE, { { "net.answer", OP_IS, "mismatch" } } },
  { FACET_SCHEDULER, FACET_SLOW, { { EVENT_SOFT_LOCKUP, OP_THERE } } },
  { FACET_SCHEDULER, FACET_SLOW, { { EVENT_RCU_STALL, OP_THERE } } },
  { FACET_SCHEDULER, FACET_SLOW, { { "tasks.blocked", OP_ABOVE, NULL, 0 } } },

  /* Rung 6.  A disk that rests proves nothing, one that works proves all. */
  { FACET_BLOCK, FACET_DEAD, { { "vmm.status", OP_HAS, "io-error" } } },
  { FACET_BLOCK, FACET_DEAD, { { "disk.*.new_errors", OP_ABOVE, NULL, 0 } } },
  { FACET_BLOCK, FACET_ALIVE, { { "disk.any_moved", OP_TRUE } } },
  { FACET_BLOCK, FACET_DEAD,
    { { "tasks.in_io", OP_ABOVE, NULL, 0 },
      { "disk.any_moved", OP_FALSE } } },
  { FACET_BLOCK, FACET_SLOW,
    { { EVENT_HUNG_TASK, OP_THERE },
      { "disk.any_moved", OP_FALSE } } },

  { FACET_NETWORK, FACET_ALIVE, { { "net.answer", OP_IS, "open" } } },
  { FACET_NETWORK, FACET_ALIVE, { { "net.answer", OP_IS, "refused" } } },
  { FACET_NETWORK, FACET_ALIVE, { { "net.answer", OP_IS, "reset" } } },
  { FACET_NETWORK, FACET_ALIVE, { { "net.answer", OP_IS, "mismatch" } } },
  { FACET_NETWORK, FACET_DEAD, { { "net.answer", OP_IS, "timeout" } } },
  { FACET_NETWORK, FACET_DEAD, { { "net.answer", OP_IS, "unreachable" } } },
  { FACET_NETWORK, FACET_ALIVE, { { "net.guest_sent", OP_ABOVE, NULL, 0 } } },
  { FACET_NETWORK, FACET_DEAD, { { "net.not_taken", OP_ABOVE, NULL, 0 } } },

  /* It is the console that SysRq answers on. */
  { FACET_CONSOLE, FACET_ALIVE,
    { { "kernel.answers", OP_ONE_OF, "shown|disabled", .source = "sysrq" } } },
  { FACET_CONSOLE, FACET_DEAD, { { "console.state", OP_IS, "absent" } } },
  { FACET_CONSOLE, FACET_DEAD, { { "console.state", OP_IS, "broken" } } },
  { FACET_CONSOLE, FACET_ALIVE,
    { { "console.silent_ms", OP_BELOW, NULL, 5000 } } },

  /* Rung 8. */
  { FACET_APPLICATION, FACET_DEAD, { { "probe.*", OP_IS, "failed" } } },
  { FACET_APPLICATION, FACET_ALIVE, { { "probe.*", OP_IS, "ok" } } },
};

void
ladder_climb (struct fact_set *set, struct ladder *ret)
{
  memset (ret, 0, sizeof *ret);
  for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
    {
      struct facet *f = &ret->facets[rules[i].facet];
      const struct fact *why = NULL;

      if (f->state != FACET_UNKNOWN
          || !conds_hold (rules[i].when, set, &why))
        continue;
      f->state = rules[i].state;
      if (why)
        fact_describe (why, f->evidence, sizeof f->evidence);
    }
}

void
ladder_each_cond_ (cond_fn *fn, void *arg)
{
  for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
    for (size_t k = 0; k < MAX_CONDS && rules[i].when[k].op != OP_NONE; k++)
      fn (&rules[i].when[k], facet_names[rules[i].facet], arg);
}

struct json_object *
ladder_to_json (const struct ladder *ladder)
{
  struct json_object *out = json_object_new_array ();

  for (int i = 0; i < FACET_MAX; i++)
    {
      const struct facet *f = &ladder->facets[i];
      struct json_object *o = json_object_new_object ();

      json_add_str (o, "facet", facet_names[i]);
      json_add_str (o, "state", facet_state_names[f->state]);
      if (f->evidence[0])
        json_add_text (o, "evidence", f->evidence, strlen (f->evidence));
      json_object_array_add (out, o);
    }
  return out;
}
