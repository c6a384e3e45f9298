/* SPDX-License-Identifier: Apache-2.0
 *
 * How QEMU lays out a guest's memory, by its options.
 *
 * The memory of a machine is one piece, or one of each NUMA node, in the order
 * of the nodes.  It begins at the machine's base; on a PC what does not fit
 * below the hole for devices goes on at 4 GiB.  DIMMs follow behind.
 */
#include "transports/memory/memory.h"

#include "base/error.h"
#include "guests/qemu.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MiB (1ull << 20)
#define GiB (1ull << 30)
#define MAX_NODES 16u
#define MAX_SIZE (1ull << 46)
/* No PC splits what is smaller. */
#define NEVER_SPLIT 0xb0000000ull
/* Where AMD's processors have something else; larger guests there move. */
#define AMD_HOLE (1012 * GiB)

static int
add_piece (struct memory_plan *p, uint64_t gpa, uint64_t len, uint64_t at,
           unsigned block, struct error *err)
{
  if (p->npieces == MEMORY_MAX_RANGES)
    return error_set (err, E2BIG, "its memory is in too many pieces");
  p->pieces[p->npieces++] = (struct memory_piece){ gpa, len, at, block };
  return 0;
}

/* ---- numbers ---- */

/* "512M", "2G", "262144k", "268435456"; a number alone is in 1 << unit. */
static bool
parse_size (const char *text, unsigned unit, uint64_t *ret)
{
  static const char letters[] = "bkmgt";
  unsigned long long v;
  const char *letter;
  char *end;

  if (!text || !isdigit ((unsigned char) text[0]))
    return false;
  errno = 0;
  v = strtoull (text, &end, 0);
  if (errno)
    return false;
  if (*end)
    {
      letter = strchr (letters, tolower ((unsigned char) *end));
      if (!letter)
        return false;
      unit = (unsigned) (letter - letters) * 10;
    }
  if (v > (MAX_SIZE >> unit))
    return false;
  *ret = (uint64_t) v << unit;
  return true;
}

static uint64_t
round_up (uint64_t v, uint64_t to)
{
  return (v + to - 1) / to * to;
}

static bool
is_on (const char *value, bool dflt)
{
  if (!value)
    return dflt;
  return strcmp (value, "on") == 0 || strcmp (value, "true") == 0
         || strcmp (value, "yes") == 0;
}

/* ---- blocks ---- */

/* The backend with that id becomes a block; its number. */
static int
add_backend (const struct qemu_args *a, const char *id, struct memory_plan *p,
             struct error *err)
{
  struct memory_block *b = &p->blocks[p->n];
  unsigned n = qemu_args_count (a, "object");

  if (p->n == MEMORY_MAX_BLOCKS)
    return error_set (err, E2BIG, "its memory has too many backends");
  for (unsigned i = 0; i < n; i++)
    {
      const char *type = qemu_args_value (a, "object", i, "qom-type");
      const char *its = qemu_args_value (a, "object", i, "id");
      const char *path = qemu_args_value (a, "object", i, "mem-path");
      const char *share = qemu_args_value (a, "object", i, "share");

      if (!type || !its || strcmp (its, id) != 0
          || strncmp (type, "memory-backend-", 15) != 0)
        continue;
      if (!parse_size (qemu_args_value (a, "object", i, "size"), 0, &b->size)
          || b->size == 0)
        return error_set (err, EBADMSG,
                          "the size of its memory backend %.60s is not said",
                          id);
      guest_copy (b->id, sizeof b->id, id);
      guest_copy (b->path, sizeof b->path, path ? path : "");
      b->named = strcmp (type, "memory-backend-memfd") == 0 || path;
      b->shared = is_on (share, strcmp (type, "memory-backend-memfd") == 0);
      return (int) p->n++;
    }
  return error_set (err, EBADMSG, "its memory backend %.60s is not described",
                    id);
}

/* One for each NUMA node that has one, in the order of the nodes. */
static int
add_nodes (const struct qemu_args *a, struct memory_plan *p, struct error *err)
{
  const char *of_node[MAX_NODES] = { NULL };
  unsigned n = qemu_args_count (a, "numa"), next = 0;
  int r = 0;

  for (unsigned i = 0; i < n; i++)
    {
      const char *type = qemu_args_value (a, "numa", i, "type");
      const char *memdev = qemu_args_value (a, "numa", i, "memdev");
      const char *id = qemu_args_value (a, "numa", i, "nodeid");
      unsigned long node = id ? strtoul (id, NULL, 10) : next;

      if (!type || strcmp (type, "node") != 0)
        continue;
      if (node >= MAX_NODES)
        return error_set (err, EOPNOTSUPP, "it has more than %u NUMA nodes",
                          MAX_NODES);
      next = (unsigned) node + 1;
      of_node[node] = memdev;
    }
  for (unsigned i = 0; i < MAX_NODES && r >= 0; i++)
    if (of_node[i])
      r = add_backend (a, of_node[i], p, err);
  return r < 0 ? r : 0;
}

/* What the machine makes itself. */
static int
add_default (const struct qemu_args *a, uint64_t size, struct memory_plan *p,
             struct error *err)
{
  struct memory_block *b = &p->blocks[0];
  const char *path = qemu_args_last (a, "mem-path", "");
  const char *m = qemu_args_last (a, "m", "size");

  if (m ? !parse_size (m, 20, &b->size) : !(b->size = size))
    return error_set (err, EBADMSG,
                      "how much memory it has is not on its command line, and "
                      "its configuration file cannot be read");
  /* As QEMU does. */
  b->size = round_up (b->size, 8192);
  guest_copy (b->path, sizeof b->path, path ? path : "");
  b->named = path != NULL;
  p->n = 1;
  return 0;
}

static int
add_ram (const struct qemu_args *a, uint64_t size, struct memory_plan *p,
         struct error *err)
{
  const char *backend = qemu_args_last (a, "machine", "memory-backend");
  int r;

  if (backend)
    {
      r = add_backend (a, backend, p, err);
      return r < 0 ? r : 0;
    }
  r = add_nodes (a, p, err);
  if (r < 0 || p->n > 0)
    return r;
  return add_default (a, size, p, err);
}

/* ---- machines ---- */

enum kind
{
  KIND_UNKNOWN,
  KIND_I440FX,
  KIND_Q35,
  KIND_MICROVM,
  KIND_VIRT,
};

static enum kind
kind_of (const struct qemu_args *a, const char *machine)
{
  const char *program = qemu_args_program (a);
  bool arm = strstr (program, "aarch64") || strstr (program, "system-arm");

  if (strstr (machine, "q35"))
    return KIND_Q35;
  if (strstr (machine, "microvm"))
    return KIND_MICROVM;
  if (strncmp (machine, "virt", 4) == 0)
    return arm ? KIND_VIRT : KIND_UNKNOWN;
  /* "rhel6.6.0" and "ubuntu" were i440fx, too. */
  if (strncmp (machine, "pc", 2) == 0 || strstr (machine, "i440fx")
      || strcmp (machine, "ubuntu") == 0 || strcmp (machine, "isapc") == 0)
    return KIND_I440FX;
  return KIND_UNKNOWN;
}

static const char *
machine_of (const struct qemu_args *a)
{
  const char *type = qemu_args_last (a, "machine", "type");
  const char *program = qemu_args_program (a);

  if (type)
    return type;
  /* Not said is the default, but a file that was not read may say it. */
  if (qemu_args_readconfig (a)[0] && qemu_args_count (a, "machine") == 0)
    return "";
  return strstr (program, "x86_64") || strstr (program, "i386")
                 || strcmp (program, "qemu-kvm") == 0
                 || strcmp (program, "kvm") == 0
             ? "pc"
             : "";
}

/* How much is below the hole. */
static uint64_t
pc_low (enum kind kind, uint64_t ram, uint64_t max)
{
  uint64_t low;

  switch (kind)
    {
    case KIND_Q35:
      low = ram >= NEVER_SPLIT ? 2 * GiB : NEVER_SPLIT;
      return max && low > max ? max : low;
    case KIND_MICROVM:
      low = 3 * GiB;
      return max && low > max ? max : low;
    default:
      low = max ? max : 0xe0000000ull;
      /* Whole gigabytes when it must be split. */
      return ram >= low && low > 3 * GiB ? 3 * GiB : low;
    }
}

/* The blocks one behind the other, from `from` of the whole on. */
static int
lay (struct memory_plan *p, unsigned blocks, uint64_t from, uint64_t len,
     uint64_t gpa, struct error *err)
{
  uint64_t begin = 0;
  int r = 0;

  for (unsigned i = 0; i < blocks && len > 0 && r == 0; i++)
    {
      uint64_t end = begin + p->blocks[i].size;

      if (from < end)
        {
          uint64_t n = end - from < len ? end - from : len;

          r = add_piece (p, gpa, n, from - begin, i, err);
          from += n;
          gpa += n;
          len -= n;
        }
      begin = end;
    }
  return r;
}

static int
unknown_machine (const struct qemu_args *a, const char *machine,
                 struct error *err)
{
  if (machine[0])
    return error_set (err, EOPNOTSUPP,
                      "where a machine of type \"%.40s\" has its memory is not "
                      "known here (%.40s)",
                      machine, qemu_args_program (a));
  return error_set (err, EOPNOTSUPP,
                    "its configuration file %.120s cannot be read, and without "
                    "the type of its machine it is not known how its memory "
                    "is split",
                    qemu_args_readconfig (a));
}

/* Lays out the machine's own memory; *ret_end: where DIMMs may begin. */
static int
lay_ram (const struct qemu_args *a, struct memory_plan *p, uint64_t *ret_end,
         struct error *err)
{
  const char *machine = machine_of (a);
  enum kind kind = kind_of (a, machine);
  uint64_t ram = 0, low, max = 0;
  unsigned n = p->n;
  int r;

  guest_copy (p->machine, sizeof p->machine, machine);
  for (unsigned i = 0; i < n; i++)
    ram += p->blocks[i].size;
  if (kind == KIND_VIRT)
    {
      *ret_end = round_up (GiB + ram, GiB);
      return lay (p, n, 0, ram, GiB, err);
    }
  (void) parse_size (qemu_args_last (a, "machine", "max-ram-below-4g"), 0,
                     &max);
  /* All PCs are the same below that. */
  if (kind == KIND_UNKNOWN
      && (machine[0] || ram >= NEVER_SPLIT
          || strstr (qemu_args_program (a), "aarch64")))
    return unknown_machine (a, machine, err);
  low = pc_low (kind, ram, max);
  low = low < ram ? low : ram;
  r = lay (p, n, 0, low, 0, err);
  if (r == 0 && ram > low)
    r = lay (p, n, low, ram - low, 4 * GiB, err);
  *ret_end = round_up (4 * GiB + ram - low, GiB);
  if (ram > AMD_HOLE - 8 * GiB)
    guest_copy (p->note, sizeof p->note,
                "on AMD processors a guest this large has its upper memory "
                "elsewhere");
  return r;
}

/* ---- DIMMs ---- */

static int
add_dimms (const struct qemu_args *a, struct memory_plan *p, uint64_t next,
           struct error *err)
{
  unsigned n = qemu_args_count (a, "device");

  for (unsigned i = 0; i < n; i++)
    {
      const char *driver = qemu_args_value (a, "device", i, "driver");
      const char *memdev = qemu_args_value (a, "device", i, "memdev");
      const char *addr = qemu_args_value (a, "device", i, "addr");
      uint64_t gpa = next, len;
      int r;

      if (!driver || !memdev
          || (strcmp (driver, "pc-dimm") != 0 && strcmp (driver, "nvdimm") != 0
              && strncmp (driver, "virtio-mem", 10) != 0))
        continue;
      if (driver[0] == 'v')
        addr = qemu_args_value (a, "device", i, "memaddr");
      r = add_backend (a, memdev, p, err);
      if (r < 0)
        return r;
      len = p->blocks[r].size;
      /* 0 is QEMU's word for "anywhere". */
      if (!parse_size (addr, 0, &gpa) || gpa == 0)
        gpa = next;
      next = round_up (gpa + len, 2 * MiB);
      r = add_piece (p, gpa, len, 0, (unsigned) r, err);
      if (r < 0)
        return r;
    }
  return 0;
}

/* ---- what cannot be read ---- */

static int
refuse_encrypted (const struct qemu_args *a, struct error *err)
{
  static const struct
  {
    const char *type, *what;
  } kinds[] = {
    { "sev-guest", "AMD SEV" },   { "sev-snp-guest", "AMD SEV-SNP" },
    { "tdx-guest", "Intel TDX" }, { "s390-pv-guest", "IBM Secure Execution" },
    { "pef-guest", "IBM PEF" },   { "rme-guest", "Arm CCA" }
  };
  unsigned n = qemu_args_count (a, "object");
  const char *what = NULL;

  for (unsigned i = 0; i < n; i++)
    {
      const char *type = qemu_args_value (a, "object", i, "qom-type");

      for (unsigned k = 0; type && k < sizeof kinds / sizeof *kinds; k++)
        if (strcmp (type, kinds[k].type) == 0)
          what = kinds[k].what;
    }
  if (!what
      && (qemu_args_last (a, "machine", "confidential-guest-support")
          || qemu_args_last (a, "machine", "memory-encryption")))
    what = "its processor";
  if (!what)
    return 0;
  return error_set (err, EOPNOTSUPP,
                    "its memory is encrypted by %s: from the host only "
                    "ciphertext can be read, so nothing is said of its kernel",
                    what);
}

int
memory_plan_make (const struct qemu_args *args, uint64_t size,
                  struct memory_plan *ret, struct error *err)
{
  struct memory_plan *p = calloc (1, sizeof *p);
  uint64_t end = 0;
  int r;

  if (!p)
    return error_set (err, ENOMEM, "no memory");
  r = refuse_encrypted (args, err);
  if (r == 0)
    r = add_ram (args, size, p, err);
  if (r == 0)
    r = lay_ram (args, p, &end, err);
  if (r == 0)
    r = add_dimms (args, p, end, err);
  if (r == 0 && !p->note[0] && qemu_args_count (args, "incoming") > 0)
    guest_copy (p->note, sizeof p->note,
                "it came by migration: if that goes on after it was started "
                "(post-copy), pages that are not here yet are read as absent");
  p->pluggable = qemu_args_last (args, "m", "maxmem") != NULL;
  if (r == 0)
    *ret = *p;
  free (p);
  return r;
}
