/* SPDX-License-Identifier: Apache-2.0
 *
 * Variables of a kernel that names no data, by what they lead to.
 *
 * Heads of lists in the image's data: the first node leads back to the head,
 * and belongs to something that is of the kind.  One pass finds all.  Others
 * are reached from those, or from the first task.
 */
#include "kernel/memory/kernel_impl.h"

#include "base/cleanup.h"
#include "kernel/memory/space_impl.h"

#include <stdlib.h>
#include <string.h>

#define PIECE (64u << 10)
#define MODULES_X86 0xffffffffa0000000ULL
#define MAX_NODES 10000u
#define NAME 16
#define STACK_MAX (64u << 10)

/* ---- what a node belongs to ---- */

/* A name of the kernel's own: letters, digits and a few more. */
static bool
name_at (struct kernel *k, uint64_t va, char dst[NAME])
{
  if (!space_text (k->space, va, dst, NAME) || dst[0] == '\0')
    return false;
  for (const char *c = dst; *c; c++)
    if ((*c < '0' || *c > '9') && (*c < 'a' || *c > 'z')
        && (*c < 'A' || *c > 'Z') && *c != '_' && *c != '-' && *c != '.')
      return false;
  return true;
}

static uint64_t
object_of (struct kernel *k, uint64_t node, enum field list)
{
  return node - k->fields.at[list].offset;
}

/* Modules are in other lists, too, by other members of theirs: then what is
 * taken for the module begins elsewhere in it. */
static bool
is_module (struct kernel *k, uint64_t node)
{
  uint64_t at = object_of (k, node, MODULE_LIST), state, symbols;
  char name[NAME];

  return name_at (k, at + k->fields.at[MODULE_NAME].offset, name)
         && (!kernel_has (k, MODULE_STATE)
             || (kernel_get (k, at, MODULE_STATE, &state) && state <= 3))
         && (!kernel_has (k, MODULE_KALLSYMS)
             || (kernel_get (k, at, MODULE_KALLSYMS, &symbols)
                 && (symbols == 0 || space_is_kernel (k->space, symbols))));
}

/* Its file system has a name, and it has one. */
static bool
is_super_block (struct kernel *k, uint64_t node)
{
  uint64_t at = object_of (k, node, SB_LIST), type, text;
  char name[NAME];

  return kernel_get (k, at, SB_TYPE, &type) && space_u64 (k->space, type, &text)
         && name_at (k, text, name)
         && name_at (k, at + k->fields.at[SB_ID].offset, name);
}

/* The first that is made has this name. */
static bool
is_workqueue (struct kernel *k, uint64_t node)
{
  uint64_t at = object_of (k, node, WQ_LIST), text;
  char name[NAME];

  text = at + k->fields.at[WQ_NAME].offset;
  return name_at (k, text, name) && strcmp (name, "events") == 0;
}

static const struct list_kind
{
  enum field list, also;
  bool (*is) (struct kernel *k, uint64_t node);
} kinds[LEARNED_LISTS] = {
  [LEARNED_MODULES] = { MODULE_LIST, MODULE_NAME, is_module },
  [LEARNED_SUPER_BLOCKS] = { SB_LIST, SB_ID, is_super_block },
  [LEARNED_WORKQUEUES] = { WQ_LIST, WQ_NAME, is_workqueue },
};

/* ---- heads of lists ---- */

struct region
{
  uint64_t begin, end;
};

struct pass
{
  struct kernel *k;
  struct kernel_learned *l;
  struct region modules;
};

static struct region
modules_region (struct kernel *k)
{
  struct region r = { MODULES_X86, UINT64_MAX };
  int64_t begin, end;

  if (k->info && vmcoreinfo_number (k->info, "MODULES_VADDR", &begin)
      && vmcoreinfo_number (k->info, "MODULES_END", &end))
    r = (struct region){ (uint64_t) begin, (uint64_t) end };
  else if (k->arch == ARCH_ARM64)
    r = (struct region){ 0, UINT64_MAX };
  return r;
}

static bool
is_head (struct kernel *k, uint64_t head, uint64_t first, uint64_t last)
{
  uint64_t back;

  return space_u64 (k->space, first + 8, &back) && back == head
         && space_u64 (k->space, last, &back) && back == head;
}

static void
take_head (struct pass *p, uint64_t head, uint64_t first, uint64_t last)
{
  struct kernel *k = p->k;

  if (!is_head (k, head, first, last))
    return;
  for (unsigned i = 0; i < LEARNED_LISTS; i++)
    if (p->l->var[i] == 0 && kernel_has (k, kinds[i].list)
        && kernel_has (k, kinds[i].also)
        && (i != LEARNED_MODULES
            || first - p->modules.begin < p->modules.end - p->modules.begin)
        && kinds[i].is (k, first)
        && (i == LEARNED_WORKQUEUES || kinds[i].is (k, last)))
      p->l->var[i] = head;
}

static bool
outside (const struct kernel *k, uint64_t va)
{
  return va % 8 == 0 && space_is_kernel (k->space, va)
         && va - k->image.va >= k->image.len;
}

/* fn gets each word of the image's data, and the next, until it returns false.
 * Some is only written while booting. */
static void
each_pair (struct kernel *k, bool constants,
           bool (*fn) (uint64_t va, uint64_t first, uint64_t second, void *arg),
           void *arg)
{
  CLEANUP_FREE unsigned char *piece = malloc (PIECE);
  uint64_t end = k->image.va + k->image.len, va = k->image.va, pair[2];

  while (piece && va < end)
    {
      struct space_walk w;
      size_t n = 0;

      if (space_walk_ (k->space, va, &w) < 0)
        return;
      w.span -= va & (w.span - 1);
      if (w.mapped && !w.exec && (w.writable || constants))
        n = space_read_some (k->space, va, piece,
                             end - va < PIECE ? (size_t) (end - va) : PIECE);
      for (size_t i = 0; i + 16 <= n; i += 8)
        {
          memcpy (pair, piece + i, 16);
          if (!fn (va + i, pair[0], pair[1], arg))
            return;
        }
      /* None is missed that lies over the border. */
      va += n >= 16 ? n - 8 : w.span;
    }
}

static bool
take_pair (uint64_t va, uint64_t first, uint64_t second, void *arg)
{
  struct pass *p = arg;

  if (outside (p->k, first) && outside (p->k, second))
    take_head (p, va, first, second);
  return true;
}

static void
learn_lists (struct kernel *k, struct kernel_learned *l)
{
  struct pass p = { .k = k, .l = l, .modules = modules_region (k) };

  if (l->lists_tried || !k->btf)
    return;
  l->lists_tried = true;
  each_pair (k, false, take_pair, &p);
}

/* ---- what is reached otherwise ---- */

struct find_node
{
  struct kernel *k;
  uint64_t not_this, hit;
  uint64_t head;  /* of the list that it is in: that leads there, too */
  uint64_t stack; /* in the image: may have anything in it */
};

static bool
take_in_image (uint64_t node, void *arg)
{
  struct find_node *f = arg;

  if (node == f->not_this || node - f->k->image.va >= f->k->image.len)
    return true;
  f->hit = node;
  return false;
}

/* The one node of the list of the first task's network that is in the image
 * and no network. */
static uint64_t
learn_nets (struct kernel *k)
{
  uint64_t init = kernel_var (k, "init_task"), proxy, net;
  struct btf_member m, n;
  struct find_node f = { .k = k };

  if (init == 0 || !k->btf || !kernel_has (k, NET_LIST)
      || !btf_member (k->btf, "task_struct", "nsproxy", &m)
      || !btf_member (k->btf, "nsproxy", "net_ns", &n)
      || !space_u64 (k->space, init + m.offset, &proxy)
      || !space_u64 (k->space, proxy + n.offset, &net))
    return 0;
  f.not_this = net + k->fields.at[NET_LIST].offset;
  (void) kernel_list (k, f.not_this, MAX_NODES, take_in_image, &f);
  return f.hit;
}

static bool
take_bdev (uint64_t node, void *arg)
{
  struct find_node *f = arg;
  uint64_t at = object_of (f->k, node, SB_LIST);
  char name[NAME];

  if (!name_at (f->k, at + f->k->fields.at[SB_ID].offset, name)
      || strcmp (name, "bdev") != 0)
    return true;
  f->not_this = at;
  return false;
}

static bool
take_pointer (uint64_t va, uint64_t first, uint64_t second, void *arg)
{
  struct find_node *f = arg;

  if (first != f->not_this || va - f->head < 16 || va - f->stack < STACK_MAX)
    return true;
  f->hit = va;
  return false;
}

/* A variable with the address of the block devices' super block. */
static uint64_t
learn_bdev (struct kernel *k)
{
  struct find_node f = { .k = k, .head = kernel_var (k, "super_blocks") };

  if (f.head == 0 || !kernel_has (k, SB_ID))
    return 0;
  (void) kernel_list (k, f.head, MAX_NODES, take_bdev, &f);
  if (f.not_this != 0)
    each_pair (k, true, take_pointer, &f);
  return f.hit;
}

static bool
take_kswapd (uint64_t node, void *arg)
{
  struct find_node *f = arg;
  uint64_t task = object_of (f->k, node, TASK_TASKS);
  char comm[NAME];

  if (!space_text (f->k->space, task + f->k->fields.at[TASK_COMM].offset, comm,
                   sizeof comm)
      || strcmp (comm, "kswapd0") != 0)
    return true;
  f->not_this = task;
  return false;
}

/* A table of nodes: the next is one, too, or there is none. */
static bool
take_table (uint64_t va, uint64_t first, uint64_t second, void *arg)
{
  struct find_node *f = arg;

  return second != 0 && !outside (f->k, second)
             ? true
             : take_pointer (va, first, second, arg);
}

/* Each node of memory has a thread, whose argument is the node, which knows
 * the thread; the table of nodes begins with the first one's. */
static uint64_t
learn_nodes (struct kernel *k)
{
  struct find_node f = { .k = k, .head = kernel_var (k, "init_task") };
  struct btf_member kthread, data, back;
  uint64_t at, task;

  if (f.head == 0 || !kernel_has (k, TASK_TASKS) || !kernel_has (k, TASK_COMM)
      || (!btf_member (k->btf, "task_struct", "worker_private", &kthread)
          && !btf_member (k->btf, "task_struct", "set_child_tid", &kthread))
      || !btf_member (k->btf, "kthread", "data", &data)
      || !btf_member (k->btf, "pglist_data", "kswapd", &back))
    return 0;
  (void) kernel_list (k, f.head + k->fields.at[TASK_TASKS].offset, MAX_NODES,
                      take_kswapd, &f);
  task = f.not_this;
  if (task == 0 || !space_u64 (k->space, task + kthread.offset, &at)
      || !space_u64 (k->space, at + data.offset, &f.not_this)
      || !space_u64 (k->space, f.not_this + back.offset, &at) || at != task)
    return 0;
  f.head += k->fields.at[TASK_TASKS].offset;
  if (!kernel_get (k, kernel_var (k, "init_task"), TASK_STACK, &f.stack))
    return 0;
  each_pair (k, true, take_table, &f);
  return f.hit;
}

uint64_t
kernel_learn_var_ (struct kernel *k, const char *name)
{
  static const char *const names[LEARNED_MAX] = {
    [LEARNED_MODULES] = "modules",
    [LEARNED_SUPER_BLOCKS] = "super_blocks",
    [LEARNED_WORKQUEUES] = "workqueues",
    [LEARNED_NETS] = "net_namespace_list",
    [LEARNED_BDEV] = "blockdev_superblock",
    [LEARNED_NODES] = "node_data",
  };
  struct kernel_learned *l;

  for (unsigned i = 0; i < LEARNED_MAX; i++)
    {
      if (strcmp (name, names[i]) != 0)
        continue;
      l = kernel_learned_ (k);
      if (!l || !k->btf)
        return 0;
      if (i < LEARNED_LISTS)
        learn_lists (k, l);
      else if (!l->tried[i])
        {
          l->tried[i] = true;
          l->var[i] = i == LEARNED_NETS   ? learn_nets (k)
                      : i == LEARNED_BDEV ? learn_bdev (k)
                                          : learn_nodes (k);
        }
      return l->var[i];
    }
  return 0;
}
