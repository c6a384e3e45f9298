/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's memory out of an ELF core, as QEMU's dump-guest-memory, `virsh
 * dump --memory-only` and `hangdog core` write it.
 *
 * Written with paging a core has a program header per virtual piece, several
 * of which may be of one physical page: they are joined by physical address.
 */
#include "kernel/memory/mem.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/mem_impl.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_HEADERS (1u << 20)
#define HEADERS_AT_ONCE 512

struct core
{
  int fd;
  Elf64_Ehdr head;
  uint32_t nheaders;
  struct mem_range *ranges;
  size_t nranges, room;
  unsigned char *notes;
  size_t notes_len;
};

static void
core_clear (struct core *c)
{
  free (c->ranges);
  free (c->notes);
}

static int
read_whole (int fd, uint64_t at, void *dst, size_t len, const char *what,
            struct error *err)
{
  unsigned char *p = dst;

  if (at > INT64_MAX - len)
    return error_set (err, EBADMSG, "the core's %s are nowhere", what);
  while (len > 0)
    {
      ssize_t n = pread (fd, p, len, (off_t) at);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return error_errno (err, errno, "reading the core's %s", what);
      if (n == 0)
        return error_set (err, EBADMSG, "the core is cut off in its %s", what);
      p += n;
      at += (uint64_t) n;
      len -= (size_t) n;
    }
  return 0;
}

/* What it is instead, and what to do. */
static const char *
other_format (const unsigned char *head, size_t len)
{
  static const struct
  {
    const char *magic, *says;
  } known[] = {
    { "KDUMP   ", "a kdump-compressed dump; take one with --format elf" },
    { "makedumpfile", "a flattened kdump; take one with --format elf" },
    { "\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first" },
    { "\x1f\x8b", "compressed with gzip; unpack it first" },
    { "\xfd"
      "7zXZ",
      "compressed with xz; unpack it first" },
    { "\x04\x22\x4d\x18", "compressed with lz4; unpack it first" },
    { "LibvirtQemudSave", "a saved state of libvirt, not a core: take one"
                          " with virsh dump --memory-only" },
    { "LibvirtQemudPart", "a saved state of libvirt, not a core: take one"
                          " with virsh dump --memory-only" },
    { "QEVM", "a migration stream of QEMU, not a core: take one with"
              " dump-guest-memory" },
    { "PAGEDU64", "a Windows crash dump, not a core of a Linux guest" },
    { "PAGEDUMP", "a Windows crash dump, not a core of a Linux guest" },
  };

  for (size_t i = 0; i < ARRAY_LEN (known); i++)
    if (len >= strlen (known[i].magic)
        && memcmp (head, known[i].magic, strlen (known[i].magic)) == 0)
      return known[i].says;
  return NULL;
}

static int
check_head (struct core *c, struct error *err)
{
  union
  {
    unsigned char bytes[sizeof (Elf64_Ehdr)];
    Elf64_Ehdr elf;
  } head = { .bytes = { 0 } };
  ssize_t n;
  const char *other;

  do
    n = pread (c->fd, head.bytes, sizeof head, 0);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return error_errno (err, errno, "reading the core");
  other = other_format (head.bytes, (size_t) n);
  if (other)
    return error_set (err, EBADMSG, "this is %s", other);
  if (n < (ssize_t) sizeof head || memcmp (head.bytes, ELFMAG, SELFMAG) != 0)
    return error_set (err, EBADMSG, "this is no ELF core of a guest");
  if (head.bytes[EI_CLASS] != ELFCLASS64)
    return error_set (err, EBADMSG,
                      "the core is of a 32-bit guest, which is"
                      " not understood");
  if (head.bytes[EI_DATA] != ELFDATA2LSB)
    return error_set (err, EBADMSG,
                      "the core is of a big-endian guest, which"
                      " is not understood");
  c->head = head.elf;
  if (c->head.e_type != ET_CORE)
    return error_set (err, EBADMSG, "an ELF file, but no core");
  if (c->head.e_machine != EM_X86_64 && c->head.e_machine != EM_AARCH64)
    return error_set (err, EBADMSG,
                      "the core is of machine %u; x86-64 and"
                      " arm64 are understood",
                      c->head.e_machine);
  if (c->head.e_phentsize != sizeof (Elf64_Phdr))
    return error_set (err, EBADMSG,
                      "the core's program headers are of %u"
                      " bytes",
                      c->head.e_phentsize);
  return 0;
}

/* More than 65534 are counted in the first section header. */
static int
count_headers (struct core *c, struct error *err)
{
  Elf64_Shdr first;
  int e;

  c->nheaders = c->head.e_phnum;
  if (c->head.e_phnum == PN_XNUM)
    {
      e = read_whole (c->fd, c->head.e_shoff, &first, sizeof first,
                      "section header", err);
      if (e < 0)
        return e;
      c->nheaders = first.sh_info;
    }
  if (c->nheaders == 0 || c->nheaders > MAX_HEADERS)
    return error_set (err, EBADMSG, "the core has %u program headers",
                      c->nheaders);
  return 0;
}

static int
add_notes (struct core *c, const Elf64_Phdr *p, struct error *err)
{
  unsigned char *more;
  int e;

  if (p->p_filesz == 0)
    return 0;
  if (p->p_filesz > MEM_MAX_NOTES_LEN - c->notes_len)
    return error_set (err, EBADMSG, "the core has more than %u MiB of notes",
                      MEM_MAX_NOTES_LEN >> 20);
  more = realloc (c->notes, c->notes_len + (size_t) p->p_filesz);
  if (!more)
    return error_errno (err, ENOMEM, "the core's notes");
  c->notes = more;
  e = read_whole (c->fd, p->p_offset, more + c->notes_len, (size_t) p->p_filesz,
                  "notes", err);
  if (e == 0)
    c->notes_len += (size_t) p->p_filesz;
  return e;
}

static int
add_load (struct core *c, const Elf64_Phdr *p, struct error *err)
{
  struct mem_range r = { p->p_paddr, p->p_filesz, p->p_offset };
  struct mem_range *last = c->nranges > 0 ? &c->ranges[c->nranges - 1] : NULL;

  /* What a core left out is not there; what points nowhere neither. */
  if (r.len == 0 || r.gpa >= MEM_TOP || r.len > MEM_TOP - r.gpa
      || r.at > INT64_MAX - r.len)
    return 0;
  if (last && last->gpa + last->len == r.gpa && last->at + last->len == r.at)
    {
      last->len += r.len;
      return 0;
    }
  if (c->nranges == c->room)
    {
      size_t room = c->room > 0 ? c->room * 2 : 16;
      struct mem_range *more = realloc (c->ranges, room * sizeof *more);

      if (!more)
        return error_errno (err, ENOMEM, "the core's ranges");
      c->ranges = more;
      c->room = room;
    }
  c->ranges[c->nranges++] = r;
  return 0;
}

static int
read_headers (struct core *c, struct error *err)
{
  CLEANUP_FREE Elf64_Phdr *some = malloc (HEADERS_AT_ONCE * sizeof *some);

  if (!some)
    return error_errno (err, ENOMEM, "the core's headers");
  for (uint32_t i = 0; i < c->nheaders; i += HEADERS_AT_ONCE)
    {
      uint32_t n = c->nheaders - i < HEADERS_AT_ONCE ? c->nheaders - i
                                                     : HEADERS_AT_ONCE;
      int e = read_whole (c->fd, c->head.e_phoff + i * sizeof *some, some,
                          n * sizeof *some, "program headers", err);

      for (uint32_t j = 0; e == 0 && j < n; j++)
        if (some[j].p_type == PT_NOTE)
          e = add_notes (c, &some[j], err);
        else if (some[j].p_type == PT_LOAD)
          e = add_load (c, &some[j], err);
      if (e < 0)
        return e;
    }
  return 0;
}

static int
by_address (const void *a, const void *b)
{
  const struct mem_range *x = a, *y = b;

  if (x->gpa != y->gpa)
    return x->gpa < y->gpa ? -1 : 1;
  return x->len > y->len ? -1 : x->len < y->len;
}

/* Sorted, apart from each other; of two that have one address the first is
 * believed. */
static void
join_ranges (struct core *c)
{
  size_t n = 0;

  qsort (c->ranges, c->nranges, sizeof *c->ranges, by_address);
  for (size_t i = 0; i < c->nranges; i++)
    {
      struct mem_range r = c->ranges[i],
                       *last = n > 0 ? &c->ranges[n - 1] : NULL;
      uint64_t over = last && last->gpa + last->len > r.gpa
                          ? last->gpa + last->len - r.gpa
                          : 0;

      if (over >= r.len)
        continue;
      r.gpa += over;
      r.at += over;
      r.len -= over;
      if (last && last->gpa + last->len == r.gpa
          && last->at + last->len == r.at)
        last->len += r.len;
      else
        c->ranges[n++] = r;
    }
  c->nranges = n;
}

/* The notes, up to the first that does not fit. */
static void
split_notes (struct mem *m, size_t len)
{
  size_t at = 0;

  while (m->nnotes < MEM_MAX_NOTES && len - at >= sizeof (Elf64_Nhdr))
    {
      struct mem_note *note = &m->note[m->nnotes];
      Elf64_Nhdr head;
      uint64_t name, desc, end;

      memcpy (&head, m->notes + at, sizeof head);
      name = at + sizeof head;
      desc = name + (((uint64_t) head.n_namesz + 3) & ~3ULL);
      end = desc + head.n_descsz;
      if (end > len)
        return;
      *note = (struct mem_note){ .type = head.n_type,
                                 .desc = m->notes + desc,
                                 .len = head.n_descsz };
      memcpy (note->name, m->notes + name,
              head.n_namesz < sizeof note->name - 1 ? head.n_namesz
                                                    : sizeof note->name - 1);
      m->nnotes++;
      end = (end + 3) & ~3ULL;
      if (end >= len)
        return;
      at = (size_t) end;
    }
}

static int
core_read (struct core *c, struct error *err)
{
  int e = check_head (c, err);

  if (e == 0)
    e = count_headers (c, err);
  if (e == 0)
    e = read_headers (c, err);
  if (e < 0)
    return e;
  if (c->nranges == 0)
    return error_set (err, EBADMSG, "there is no memory in the core");
  join_ranges (c);
  return 0;
}

/* A disk that was full leaves a core without its end. */
static uint64_t
not_there (int fd, const struct mem_range *ranges, size_t n)
{
  off_t end = lseek (fd, 0, SEEK_END);
  uint64_t cut = 0;

  for (size_t i = 0; end >= 0 && i < n; i++)
    {
      const struct mem_range *r = &ranges[i];

      if (r->at + r->len > (uint64_t) end)
        cut += r->at >= (uint64_t) end ? r->len
                                       : r->at + r->len - (uint64_t) end;
    }
  return cut;
}

int
mem_open_core (int fd, const struct mem_limits *limits, struct mem **ret,
               struct error *err)
{
  CLEANUP (core_clear) struct core c = { .fd = fd };
  struct mem_source src = { .fd = fd, .pagemap = -1 };
  struct mem_note *notes;
  struct mem *m;
  int e = core_read (&c, err);

  if (e < 0)
    return e;
  notes = calloc (MEM_MAX_NOTES, sizeof *notes);
  if (!notes)
    return error_errno (err, ENOMEM, "the core's notes");
  e = mem_new_ (&src, c.ranges, c.nranges, limits, &m, err);
  if (e < 0)
    {
      free (notes);
      return e;
    }
  c.ranges = NULL;
  m->machine = c.head.e_machine;
  m->cut = not_there (fd, m->ranges, m->nranges);
  m->note = notes;
  m->notes = steal_ptr (&c.notes);
  split_notes (m, c.notes_len);
  *ret = m;
  return 0;
}
