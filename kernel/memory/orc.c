/* SPDX-License-Identifier: Apache-2.0
 *
 * ORC: the table that says for each piece of code where its caller's frame is.
 *
 * Two arrays: addresses, as distances from the place where they stand, and
 * rules of six bytes.  How the last two bytes of a rule are divided changed
 * twice and how registers are numbered once, sometimes without a change of
 * version: it is found out from the kernel's types, else from what occurs
 * most, for nearly all code is called and has its frame above the stack
 * pointer.
 */
#include "kernel/memory/kernel.h"
#include "kernel/memory/unwind.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES (4u << 20)
#define MAX_MODULE_ENTRIES (1u << 20)
#define MAX_MODULES 4096u
/* So many are looked at to learn how they are made. */
#define SAMPLE 20000

struct rule
{
  int16_t sp_offset, bp_offset;
  uint16_t flags;
};
_Static_assert (sizeof (struct rule) == 6, "as the kernel has it");

struct table
{
  uint64_t of;   /* the struct module; 0 = the kernel */
  uint64_t base; /* where[] counts from here */
  uint32_t *where; /* ascending */
  struct rule *rules;
  size_t n;
};

struct orc
{
  struct table core;
  struct table *modules; /* those that were needed */
  size_t nmodules;
  size_t entries;        /* of all */
  unsigned type_shift, type_bits;
  int end_shift, signal_shift; /* -1 = there is none */
  const uint8_t *regs;
};

/* By the kernel's number. */
static const uint8_t regs_first[16] = {
  [1] = ORC_PREV_SP,     [2] = ORC_DX,  [3] = ORC_DI,
  [4] = ORC_BP,          [5] = ORC_SP,  [6] = ORC_R10,
  [7] = ORC_R13,         [8] = ORC_BP_INDIRECT,
  [9] = ORC_SP_INDIRECT,
};
static const uint8_t regs_later[16] = {
  [2] = ORC_DX,  [3] = ORC_SP,  [4] = ORC_BP,
  [5] = ORC_DI,  [6] = ORC_R10, [7] = ORC_R13,
  [8] = ORC_PREV_SP,            [9] = ORC_SP_INDIRECT,
  [10] = ORC_BP_INDIRECT,
};

/* ---- reading ---- */

static void
table_done (struct table *t)
{
  free (t->where);
  free (t->rules);
  memset (t, 0, sizeof *t);
}

struct pair
{
  uint32_t where, index;
};

static int
by_where (const void *a, const void *b)
{
  const struct pair *x = a, *y = b;

  return x->where < y->where ? -1 : x->where > y->where;
}

/* The build sorts it, and so does the start of older kernels: seldom used. */
static int
sort (struct table *t)
{
  CLEANUP_FREE struct pair *order = calloc (t->n, sizeof *order);
  struct rule *rules = malloc (t->n * sizeof *rules);

  if (!order || !rules)
    {
      free (rules);
      return -ENOMEM;
    }
  for (size_t i = 0; i < t->n; i++)
    order[i] = (struct pair){ t->where[i], (uint32_t) i };
  qsort (order, t->n, sizeof *order, by_where);
  for (size_t i = 0; i < t->n; i++)
    {
      t->where[i] = order[i].where;
      rules[i] = t->rules[order[i].index];
    }
  free (t->rules);
  t->rules = rules;
  return 0;
}

/* Distances become addresses above a base that all of them have below them. */
static int
resolve (struct table *t, uint64_t ips, const int32_t *distance)
{
  uint64_t low = UINT64_MAX, high = 0, at;
  bool sorted = true;

  for (size_t i = 0; i < t->n; i++)
    {
      at = ips + 4 * i + (uint64_t) (int64_t) distance[i];
      low = at < low ? at : low;
      high = at > high ? at : high;
    }
  if (high - low > UINT32_MAX)
    return -EBADMSG;
  t->base = low;
  for (size_t i = 0; i < t->n; i++)
    {
      at = ips + 4 * i + (uint64_t) (int64_t) distance[i] - low;
      t->where[i] = (uint32_t) at;
      sorted = sorted && (i == 0 || t->where[i - 1] <= t->where[i]);
    }
  return sorted ? 0 : sort (t);
}

static int
read_table (struct kernel *k, uint64_t ips, uint64_t rules, size_t n,
            struct table *ret)
{
  struct table t = { .n = n };
  CLEANUP_FREE int32_t *distance = malloc (n * sizeof *distance);
  int r;

  t.where = malloc (n * sizeof *t.where);
  t.rules = malloc (n * sizeof *t.rules);
  if (!distance || !t.where || !t.rules)
    r = -ENOMEM;
  else if ((r = space_read (k->space, ips, distance, n * sizeof *distance))
               == 0
           && (r = space_read (k->space, rules, t.rules, n * sizeof *t.rules))
                  == 0)
    r = resolve (&t, ips, distance);
  if (r < 0)
    {
      table_done (&t);
      return r;
    }
  *ret = t;
  return 0;
}

/* ---- how rules are made ---- */

static int
shift_of (const struct btf *b, const char *member)
{
  struct btf_member m;

  if (!b || !btf_member (b, "orc_entry", member, &m) || m.bits == 0
      || m.offset < 4 || m.offset > 5)
    return -1;
  return (int) ((m.offset - 4) * 8 + m.bit);
}

static void
learn_fields (struct orc *o, const struct btf *b)
{
  unsigned kinds[8] = { 0 }, most = 0;
  bool bit11 = false;
  struct btf_member m;
  size_t step = o->core.n / SAMPLE + 1;

  if (b && btf_member (b, "orc_entry", "type", &m)
      && (m.bits == 2 || m.bits == 3) && shift_of (b, "type") >= 0)
    {
      o->type_shift = (unsigned) shift_of (b, "type");
      o->type_bits = m.bits;
      o->end_shift = shift_of (b, "end");
      o->signal_shift = shift_of (b, "signal");
      return;
    }
  for (size_t i = 0; i < o->core.n; i += step)
    {
      kinds[o->core.rules[i].flags >> 8 & 7]++;
      bit11 |= (o->core.rules[i].flags & 0x800) != 0;
    }
  for (unsigned i = 1; i < 8; i++)
    if (kinds[i] > kinds[most])
      most = i;
  o->type_shift = 8;
  o->type_bits = most == 2 ? 3 : 2;
  o->signal_shift = most == 2 ? 11 : bit11 ? 10 : -1;
  o->end_shift = most == 2 ? -1 : bit11 ? 11 : 10;
}

static int
learn_regs (struct orc *o)
{
  unsigned of[16] = { 0 }, most = 1;
  size_t step = o->core.n / SAMPLE + 1;

  for (size_t i = 0; i < o->core.n; i += step)
    of[o->core.rules[i].flags & 15]++;
  for (unsigned i = 1; i < 16; i++)
    if (of[i] > of[most])
      most = i;
  o->regs = most == 5 ? regs_first : most == 3 ? regs_later : NULL;
  return o->regs ? 0 : -EBADMSG;
}

/* ---- looking up ---- */

static const struct rule *
rule_at (const struct table *t, uint64_t pc)
{
  size_t lo = 0, hi = t->n, mid;
  uint32_t at;

  if (t->n == 0 || pc < t->base || pc - t->base > UINT32_MAX)
    return NULL;
  at = (uint32_t) (pc - t->base);
  while (hi - lo > 1)
    {
      mid = lo + (hi - lo) / 2;
      if (t->where[mid] <= at)
        lo = mid;
      else
        hi = mid;
    }
  return &t->rules[lo];
}

/* Also when it could not be read: then it has no entries and is not tried
 * again. */
static const struct table *
module_table (struct kernel *k, uint64_t pc)
{
  struct orc *o = k->orc;
  const struct kernel_module *m = kernel_module_of (k, pc);
  uint64_t n = 0, ips, rules;
  struct table *t;

  if (!m)
    return NULL;
  for (size_t i = 0; i < o->nmodules; i++)
    if (o->modules[i].of == m->at)
      return &o->modules[i];
  if (o->nmodules >= MAX_MODULES)
    return NULL;
  t = reallocarray (o->modules, o->nmodules + 1, sizeof *t);
  if (!t)
    return NULL;
  o->modules = t;
  t = &o->modules[o->nmodules++];
  *t = (struct table){ 0 };
  if (kernel_get (k, m->at, MODULE_ORCS, &n) && n > 0
      && n <= MAX_MODULE_ENTRIES && n <= MAX_ENTRIES - o->entries
      && kernel_get (k, m->at, MODULE_ORC_IP, &ips)
      && kernel_get (k, m->at, MODULE_ORC, &rules)
      && read_table (k, ips, rules, (size_t) n, t) == 0)
    o->entries += t->n;
  t->of = m->at;
  return t;
}

static enum orc_type
type_of (const struct orc *o, uint16_t flags)
{
  static const uint8_t narrow[4] = { ORC_CALL, ORC_REGS, ORC_IRET, 0 };
  static const uint8_t wide[8] = { ORC_UNKNOWN, ORC_END,  ORC_CALL,
                                   ORC_REGS,    ORC_IRET, 0, 0, 0 };
  unsigned type = flags >> o->type_shift & ((1u << o->type_bits) - 1);

  if (o->end_shift >= 0 && (flags >> o->end_shift & 1))
    return ORC_END;
  return o->type_bits == 3 ? wide[type] : narrow[type];
}

bool
orc_find (struct kernel *k, uint64_t pc, struct orc_row *ret)
{
  const struct orc *o = k->orc;
  const struct table *t;
  const struct rule *rule = NULL;

  if (!o)
    return false;
  if (pc - k->image.va < k->image.len)
    rule = rule_at (&o->core, pc);
  else if ((t = module_table (k, pc)))
    rule = rule_at (t, pc);
  if (!rule)
    return false;
  *ret = (struct orc_row){
    .type = type_of (o, rule->flags),
    .sp = o->regs[rule->flags & 15],
    .bp = o->regs[rule->flags >> 4 & 15],
    .sp_offset = rule->sp_offset,
    .bp_offset = rule->bp_offset,
    .signal = o->signal_shift >= 0 && (rule->flags >> o->signal_shift & 1),
  };
  /* Where nothing is known the older ones had no type of its own. */
  if (ret->sp == ORC_NOTHING && ret->type == ORC_CALL)
    ret->type = ORC_UNKNOWN;
  return true;
}

/* ---- beginning and end ---- */

int
orc_load (struct kernel *k, struct orc **ret, struct error *err)
{
  uint64_t ips = kernel_var (k, "__start_orc_unwind_ip");
  uint64_t ips_end = kernel_var (k, "__stop_orc_unwind_ip");
  uint64_t rules = kernel_var (k, "__start_orc_unwind");
  struct orc *o;
  size_t n;
  int r;

  /* Tables of code alone do not name it. */
  if (!ips && k->syms && !ksyms_has_data (k->syms)
      && orc_scan_ (k, &ips, &n))
    rules = ips_end = ips + 4 * (uint64_t) n;
  if (!ips || !rules || ips_end < ips || ips_end - ips < 4)
    return error_set (err, ENOENT, "the kernel has no ORC tables");
  n = (size_t) (ips_end - ips) / 4;
  if ((ips_end - ips) / 4 > MAX_ENTRIES)
    return error_set (err, EBADMSG, "an ORC table of %zu entries", n);
  if ((o = calloc (1, sizeof *o)) == NULL)
    return error_set (err, ENOMEM, "no memory for the ORC table");
  r = read_table (k, ips, rules, n, &o->core);
  if (r < 0)
    error_errno (err, -r, "the ORC table");
  else if ((r = learn_regs (o)) < 0)
    error_set (err, -r, "an ORC table of a kind that is not known here");
  if (r < 0)
    {
      orc_free (o);
      return r;
    }
  learn_fields (o, k->btf);
  o->entries = o->core.n;
  *ret = o;
  return 0;
}

void
orc_free (struct orc *o)
{
  if (!o)
    return;
  table_done (&o->core);
  for (size_t i = 0; i < o->nmodules; i++)
    table_done (&o->modules[i]);
  free (o->modules);
  free (o);
}
