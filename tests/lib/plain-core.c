/* SPDX-License-Identifier: Apache-2.0
 *
 * plain-core CORE
 *
 * Makes a core's kernel one that was built without KALLSYMS_ALL and without
 * BTF, in place.  Its table of names is laid out anew as scripts/kallsyms
 * does, with what is in its code alone, and VMCOREINFO names the new places;
 * modules keep the symbols of their code; and types are nowhere any more.
 * Tables of 6.1 and newer, which VMCOREINFO tells of.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/kernel.h"
#include "kernel/memory/ksyms_impl.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_LOADS 64u
#define STEP (1u << 20)
#define MAX_TABLES (16u << 20)

struct plain
{
  int fd;
  struct kernel *k;
  Elf64_Phdr load[MAX_LOADS];
  unsigned nload;
  struct
  {
    const char *name;
    uint64_t was, is;
  } moved[8];
  unsigned nmoved;
};

static void
give_up (const char *why)
{
  fprintf (stderr, "plain-core: %s\n", why);
  exit (1);
}

/* ---- the file ---- */

static void
read_loads (struct plain *p)
{
  Elf64_Ehdr e;
  Elf64_Phdr h;

  if (pread (p->fd, &e, sizeof e, 0) != sizeof e)
    give_up ("no core");
  for (unsigned i = 0; i < e.e_phnum && p->nload < MAX_LOADS; i++)
    if (pread (p->fd, &h, sizeof h, (off_t) (e.e_phoff + i * sizeof h))
            == sizeof h
        && h.p_type == PT_LOAD)
      p->load[p->nload++] = h;
}

static void
write_at (struct plain *p, uint64_t va, const void *src, size_t len)
{
  const char *from = src;

  while (len > 0)
    {
      uint64_t pa, run;
      unsigned i = 0;

      if (space_translate (p->k->space, va, &pa, &run) < 0)
        give_up ("what is to be written is not mapped");
      run = run < len ? run : len;
      while (i < p->nload
             && (pa < p->load[i].p_paddr
                 || pa - p->load[i].p_paddr + run > p->load[i].p_filesz))
        i++;
      if (i == p->nload
          || pwrite (p->fd, from, run,
                     (off_t) (p->load[i].p_offset + pa - p->load[i].p_paddr))
                 != (ssize_t) run)
        give_up ("what is to be written is not in the core");
      va += run;
      from += run;
      len -= run;
    }
}

/* ---- the kernel's table of names ---- */

enum table
{
  NUM_SYMS,
  NAMES,
  MARKERS,
  SEQS,
  TOKEN_TABLE,
  TOKEN_INDEX,
  OFFSETS,
  BASE,
  TABLES,
};

static const char *const names_of[TABLES]
    = { [NUM_SYMS] = "kallsyms_num_syms",
        [NAMES] = "kallsyms_names",
        [TOKEN_TABLE] = "kallsyms_token_table",
        [TOKEN_INDEX] = "kallsyms_token_index",
        [OFFSETS] = "kallsyms_offsets",
        [BASE] = "kallsyms_relative_base" };

struct tables
{
  uint64_t was[TABLES], is[TABLES];
  unsigned char *raw; /* as it was, from the first on */
  uint64_t first, len, to; /* to: what each is aligned to */
  uint32_t *kept, n; /* by old number */
};

static uint64_t
align (const struct tables *t, uint64_t v)
{
  return (v + t->to - 1) & ~(t->to - 1);
}

static bool
name_is (const struct ksyms *k, uint32_t i, const char *name)
{
  const uint8_t *p = k->names + k->name_at[i];
  char have[64] = "";
  unsigned n;

  p += ksyms_length (p, k->long_names, &n);
  for (unsigned t = 0; t < n; t++)
    {
      size_t len = strlen (have);

      if (len + k->tokens[p[t]].len >= sizeof have)
        return false;
      memcpy (have + len, k->token_text + k->tokens[p[t]].at,
              k->tokens[p[t]].len);
      have[len + k->tokens[p[t]].len] = '\0';
    }
  return strcmp (have + 1, name) == 0; /* behind its type */
}

/* What scripts/kallsyms keeps without --all-symbols: what is in the code, and
 * of what is at its end the name of that alone. */
static bool
keep (const struct ksyms *k, uint32_t i)
{
  for (unsigned j = 0; j < ARRAY_LEN (k->text); j++)
    if (k->addr[i] >= k->text[j].lo && k->addr[i] < k->text[j].hi)
      return true;
  return name_is (k, i, "_etext") || name_is (k, i, "_einittext");
}

static size_t
name_len (const struct ksyms *k, uint32_t i)
{
  const uint8_t *p = k->names + k->name_at[i];
  unsigned n, head = ksyms_length (p, k->long_names, &n);

  return head + n;
}

static void
find_tables (struct plain *p, struct tables *t)
{
  const struct ksyms *k = p->k->syms;
  uint64_t names_end = 0, markers_end, gap;

  for (unsigned i = 0; i < TABLES; i++)
    if (names_of[i]
        && !vmcoreinfo_symbol (p->k->info, names_of[i], &t->was[i])
        && i != BASE)
      give_up ("VMCOREINFO does not tell of its names");
  /* Since 7.0 it is 4. */
  t->to = 8;
  for (unsigned i = 0; i < TABLES; i++)
    if (t->was[i] % 8 != 0)
      t->to = 4;
  t->kept = calloc (k->n, sizeof *t->kept);
  if (!t->kept)
    give_up ("no memory");
  for (uint32_t i = 0; i < k->n; i++)
    if (keep (k, i))
      t->kept[i] = ++t->n;
  names_end = t->was[NAMES] + k->name_at[k->n - 1] + name_len (k, k->n - 1);
  t->was[MARKERS] = align (t, names_end);
  markers_end = align (t, t->was[MARKERS] + (k->n + 255) / 256 * 4ull);
  /* The order by name was behind the markers first, and is the last now. */
  gap = t->was[TOKEN_TABLE] - markers_end;
  t->was[SEQS] = gap >= k->n * 3ull ? markers_end
                 : t->was[BASE]     ? t->was[BASE] + 8
                                    : align (t, t->was[OFFSETS] + k->n * 4ull);
}

/* Places of the same tables in the same order, without what is dropped. */
static void
lay_out (struct plain *p, struct tables *t, const uint64_t *size)
{
  uint64_t at = 0, last = 0;

  t->first = UINT64_MAX;
  for (unsigned i = 0; i < TABLES; i++)
    if (t->was[i] > 0 && t->was[i] < t->first)
      t->first = t->was[i];
  at = t->first;
  for (unsigned done = 0; done < TABLES; done++)
    {
      unsigned next = TABLES;

      for (unsigned i = 0; i < TABLES; i++)
        if (t->was[i] > last && (next == TABLES || t->was[i] < t->was[next]))
          next = i;
      if (next == TABLES)
        break;
      last = t->was[next];
      t->is[next] = at;
      at = align (t, at + size[next]);
      if (names_of[next])
        {
          p->moved[p->nmoved].name = names_of[next];
          p->moved[p->nmoved].was = last;
          p->moved[p->nmoved++].is = t->is[next];
        }
    }
}

static void
write_names (struct tables *t, const struct ksyms *k, unsigned char *dst)
{
  unsigned char *names = dst + (t->is[NAMES] - t->first), *to = names;
  unsigned char *markers = dst + (t->is[MARKERS] - t->first);

  memcpy (dst + (t->is[NUM_SYMS] - t->first), &t->n, sizeof t->n);
  for (uint32_t i = 0; i < k->n; i++)
    {
      uint32_t at = (uint32_t) (to - names);

      if (t->kept[i] == 0)
        continue;
      if ((t->kept[i] - 1) % KSYMS_EACH == 0)
        memcpy (markers + (t->kept[i] - 1) / KSYMS_EACH * 4, &at, sizeof at);
      memcpy (to, k->names + k->name_at[i], name_len (k, i));
      to += name_len (k, i);
    }
}

static void
write_addresses (struct tables *t, const struct ksyms *k, unsigned char *dst)
{
  const unsigned char *old = t->raw + (t->was[OFFSETS] - t->first);
  unsigned char *to = dst + (t->is[OFFSETS] - t->first);
  const unsigned char *seq = t->raw + (t->was[SEQS] - t->first);
  unsigned char *order = dst + (t->is[SEQS] - t->first);

  for (uint32_t i = 0; i < k->n; i++)
    {
      int32_t off;
      uint32_t n = (uint32_t) seq[i * 3] << 16 | (uint32_t) seq[i * 3 + 1] << 8
                   | seq[i * 3 + 2];

      if (t->kept[i] > 0)
        {
          memcpy (&off, old + i * 4ull, sizeof off);
          if (k->layout == LAYOUT_PLACE)
            off = (int32_t) (k->addr[i] - t->is[OFFSETS]
                             - (t->kept[i] - 1) * 4ull);
          memcpy (to + (t->kept[i] - 1) * 4ull, &off, sizeof off);
        }
      if (n < k->n && t->kept[n] > 0)
        {
          n = t->kept[n] - 1;
          *order++ = (unsigned char) (n >> 16);
          *order++ = (unsigned char) (n >> 8);
          *order++ = (unsigned char) n;
        }
    }
}

static void
strip_names (struct plain *p)
{
  const struct ksyms *k = p->k->syms;
  struct tables t = { .n = 0 };
  uint64_t size[TABLES] = { 0 }, end = 0;
  unsigned char *dst;

  find_tables (p, &t);
  for (uint32_t i = 0; i < k->n; i++)
    if (t.kept[i] > 0)
      size[NAMES] += name_len (k, i);
  size[NUM_SYMS] = 4;
  size[MARKERS] = (t.n + 255) / 256 * 4ull;
  size[SEQS] = t.n * 3ull;
  size[TOKEN_INDEX] = 512;
  size[OFFSETS] = t.n * 4ull;
  size[BASE] = 8;
  for (unsigned i = 0; i < 256; i++)
    {
      uint64_t to = (uint64_t) k->tokens[i].at + k->tokens[i].len + 1;

      size[TOKEN_TABLE] = to > size[TOKEN_TABLE] ? to : size[TOKEN_TABLE];
    }
  lay_out (p, &t, size);
  for (unsigned i = 0; i < TABLES; i++)
    {
      uint64_t n = i == SEQS      ? k->n * 3ull
                   : i == OFFSETS ? k->n * 4ull
                                  : size[i];

      end = t.was[i] + n > end ? t.was[i] + n : end;
    }
  t.len = end - t.first;
  t.raw = t.len < MAX_TABLES ? malloc (t.len) : NULL;
  dst = t.raw ? calloc (1, t.len) : NULL;
  if (!dst || space_read (p->k->space, t.first, t.raw, t.len) < 0)
    give_up ("its tables of names cannot be read");
  write_names (&t, k, dst);
  write_addresses (&t, k, dst);
  memcpy (dst + (t.is[TOKEN_TABLE] - t.first),
          t.raw + (t.was[TOKEN_TABLE] - t.first), size[TOKEN_TABLE]);
  memcpy (dst + (t.is[TOKEN_INDEX] - t.first),
          t.raw + (t.was[TOKEN_INDEX] - t.first), size[TOKEN_INDEX]);
  if (t.was[BASE] > 0)
    memcpy (dst + (t.is[BASE] - t.first), t.raw + (t.was[BASE] - t.first), 8);
  write_at (p, t.first, dst, t.len);
  printf ("names=%u of %u\n", t.n, k->n);
  free (dst);
  free (t.raw);
  free (t.kept);
}

/* ---- modules ---- */

static bool
is_code (const struct kernel_module *m, uint64_t va)
{
  return va - m->text < m->text_len || va - m->init < m->init_len;
}

static void
strip_module (struct plain *p, const struct kernel_module *m)
{
  const uint64_t typetab_at = 24; /* struct mod_kallsyms, behind strtab */
  uint64_t table, symtab, typetab, n;
  uint64_t kept = 1;
  Elf64_Sym s;
  char type;

  if (!kernel_get (p->k, m->at, MODULE_KALLSYMS, &table)
      || !kernel_get (p->k, table, MODULE_SYMTAB, &symtab)
      || !kernel_get (p->k, table, MODULE_SYMTAB_N, &n)
      || !space_u64 (p->k->space, table + typetab_at, &typetab))
    return;
  for (uint64_t i = 1; i < n; i++)
    {
      if (space_read (p->k->space, symtab + i * sizeof s, &s, sizeof s) < 0
          || space_read (p->k->space, typetab + i, &type, 1) < 0)
        give_up ("a module's symbols cannot be read");
      if (!is_code (m, s.st_value))
        continue;
      write_at (p, symtab + kept * sizeof s, &s, sizeof s);
      write_at (p, typetab + kept++, &type, 1);
    }
  write_at (p, table + p->k->fields.at[MODULE_SYMTAB_N].offset, &kept,
            p->k->fields.at[MODULE_SYMTAB_N].size);
}

/* ---- what is anywhere in the memory ---- */

static void
put_hex (struct plain *p, off_t at, uint64_t v)
{
  char text[17];

  snprintf (text, sizeof text, "%016llx", (unsigned long long) v);
  if (pwrite (p->fd, text, 16, at) != 16)
    give_up ("VMCOREINFO cannot be written");
}

/* Each copy of VMCOREINFO has the new places. */
static unsigned
tell_places (struct plain *p, const char *b, size_t len, off_t at)
{
  unsigned found = 0;

  for (unsigned i = 0; i < p->nmoved; i++)
    {
      char line[64];
      size_t n = (size_t) snprintf (line, sizeof line, "SYMBOL(%s)=%016llx",
                                    p->moved[i].name,
                                    (unsigned long long) p->moved[i].was);
      const char *from = b, *hit;

      while ((hit = memmem (from, len - (size_t) (from - b), line, n)) != NULL)
        {
          put_hex (p, at + (hit - b) + (off_t) n - 16, p->moved[i].is);
          from = hit + n;
          found++;
        }
    }
  return found;
}

/* Other tables of types, the modules' and copies of them: without their heads
 * they are none. */
static unsigned
wipe_types (struct plain *p, const char *b, size_t len, off_t at)
{
  static const unsigned char magic[] = { 0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0 };
  static const char nothing[24];
  unsigned found = 0;

  for (size_t i = 0; i + 32 <= len; i += 4)
    if (memcmp (b + i, magic, sizeof magic) == 0)
      {
        if (pwrite (p->fd, nothing, sizeof nothing, at + (off_t) i)
            != (ssize_t) sizeof nothing)
          give_up ("types cannot be wiped");
        found++;
      }
  return found;
}

static void
all_over (struct plain *p)
{
  char *b = malloc (STEP + 4096);
  unsigned places = 0, types = 0;
  off_t at = 0;
  ssize_t n;

  /* What is across the end of one piece is in the next, too. */
  while (b && (n = pread (p->fd, b, STEP + 4096, at)) > 0)
    {
      places += tell_places (p, b, (size_t) n, at);
      types += wipe_types (p, b, (size_t) n, at);
      at += STEP;
    }
  free (b);
  printf ("places=%u types=%u\n", places, types);
  if (places == 0)
    give_up ("VMCOREINFO was not found");
}

static void
strip_types (struct plain *p)
{
  uint64_t begin = ksyms_addr (p->k->syms, "__start_BTF");
  uint64_t end = ksyms_addr (p->k->syms, "__stop_BTF");
  static const char nothing[4096];

  for (uint64_t at = begin; begin > 0 && at < end;)
    {
      size_t n = end - at < sizeof nothing ? end - at : sizeof nothing;

      write_at (p, at, nothing, n);
      at += n;
    }
}

int
main (int argc, char **argv)
{
  struct plain p = { .nload = 0 };
  const struct mem_limits limits = { .deadline = 0 };
  struct vcpu_regs *regs = calloc (REGS_MAX_CPUS, sizeof *regs);
  struct error err = ERROR_INIT;
  struct mem *m;
  int n;

  if (argc != 2 || !regs)
    give_up ("plain-core CORE");
  p.fd = open (argv[1], O_RDWR | O_CLOEXEC);
  if (p.fd < 0)
    give_up ("it cannot be opened to be written");
  read_loads (&p);
  if (mem_open_core (p.fd, &limits, &m, &err) < 0)
    give_up (error_text (&err));
  n = regs_of_core (m, regs, REGS_MAX_CPUS);
  if (kernel_find (m, n > 0 ? regs : NULL, n > 0 ? (unsigned) n : 0, &p.k,
                   &err)
      < 0)
    give_up (error_text (&err));
  if (!p.k->info || !p.k->syms || !p.k->btf)
    give_up ("it lacks something already");
  kernel_modules (p.k);
  for (size_t i = 0; i < p.k->nmodules; i++)
    strip_module (&p, &p.k->modules[i]);
  strip_types (&p);
  strip_names (&p);
  all_over (&p);
  kernel_free (p.k);
  mem_free (m);
  free (regs);
  return close (p.fd) == 0 ? 0 : 1;
}
