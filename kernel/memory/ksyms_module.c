/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of modules: each has an ELF symbol table of its own in memory.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/ksyms_impl.h"
#include "kernel/memory/space.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define SYMS_MAX (256u << 10)    /* of one module */
#define STRINGS_MAX (16u << 20)
#define MODULES_MAX 4096u

static void
free_syms (struct module_syms *m)
{
  free (m->syms);
  free (m->strings);
}

void
ksyms_modules_free_ (struct ksyms *k)
{
  for (size_t i = 0; i < k->nmodules; i++)
    free_syms (&k->modules[i]);
  free (k->modules);
}

static bool
within (uint64_t va, uint64_t at, uint64_t len)
{
  return va - at < len;
}

static const struct ksyms_area *
area_of (const struct module_syms *m, uint64_t va)
{
  for (unsigned i = 0; i < m->nareas; i++)
    if (within (va, m->areas[i].at, m->areas[i].len))
      return &m->areas[i];
  return NULL;
}

static bool
is_code (const struct module_syms *m, uint64_t va)
{
  const struct ksyms_area *area = area_of (m, va);

  return within (va, m->text, m->text_len) || (area && area->code);
}

static int
by_address (const void *a, const void *b)
{
  const struct module_sym *x = a, *y = b;

  /* Of one address the first in the table: that is what the name's place
   * follows. */
  if (x->at != y->at)
    return x->at < y->at ? -1 : 1;
  return x->name < y->name ? -1 : x->name > y->name;
}

/* A name that can be shown; what compilers leave behind is none. */
static bool
name_good (const char *s)
{
  size_t len = 0;

  if (*s == '\0' || *s == '$' || strncmp (s, ".L", 2) == 0)
    return false;
  for (; s[len]; len++)
    if (s[len] <= ' ' || s[len] > '~' || len >= KSYMS_NAME)
      return false;
  return true;
}

static char
letter (const struct module_syms *m, const Elf64_Sym *e)
{
  char c = is_code (m, e->st_value) ? 't' : 'd';

  return ELF64_ST_BIND (e->st_info) == STB_LOCAL ? c : (char) (c - 'a' + 'A');
}

/* Its names, from the end of the last one on unknown bytes: only as far as
 * there is something, and ended. */
static int
read_strings (struct module_syms *m, struct space *s,
              const struct ksyms_module *from, const Elf64_Sym *syms,
              struct error *err)
{
  uint64_t most = from->strtab_len;

  for (uint32_t i = 0; i < from->nsyms && from->strtab_len == 0; i++)
    if (syms[i].st_name + KSYMS_NAME > most && syms[i].st_name < STRINGS_MAX)
      most = (uint64_t) syms[i].st_name + KSYMS_NAME;
  if (most > STRINGS_MAX)
    most = STRINGS_MAX;
  m->strings = malloc (most + 1);
  if (!m->strings)
    return error_errno (err, ENOMEM, "symbols of a module");
  m->strings_len = (uint32_t) space_read_some (s, from->strtab, m->strings,
                                               most);
  m->strings[m->strings_len] = '\0';
  return 0;
}

static void
keep_syms (struct module_syms *m, const Elf64_Sym *syms, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++)
    {
      const Elf64_Sym *e = &syms[i];

      if (e->st_shndx != SHN_UNDEF && e->st_name < m->strings_len
          && (within (e->st_value, m->text, m->text_len)
              || area_of (m, e->st_value))
          && name_good (m->strings + e->st_name))
        m->syms[m->n++] = (struct module_sym){
          .at = e->st_value,
          .name = e->st_name,
          .size = e->st_size > UINT32_MAX ? UINT32_MAX : (uint32_t) e->st_size,
          .type = letter (m, e),
        };
    }
  qsort (m->syms, m->n, sizeof *m->syms, by_address);
}

static int
read_syms (struct module_syms *m, struct space *s,
           const struct ksyms_module *from, struct error *err)
{
  size_t len = (size_t) from->nsyms * sizeof (Elf64_Sym);
  CLEANUP_FREE Elf64_Sym *syms = NULL;
  int r;

  if (from->nsyms == 0)
    return 0;
  if (from->nsyms > SYMS_MAX)
    return error_set (err, EBADMSG, "a module with %u symbols", from->nsyms);
  syms = malloc (len);
  m->syms = reallocarray (NULL, from->nsyms, sizeof *m->syms);
  if (!syms || !m->syms)
    return error_errno (err, ENOMEM, "symbols of a module");
  if (space_read (s, from->symtab, syms, len) < 0)
    return error_set (err, EFAULT, "symbols of a module are not there");
  r = read_strings (m, s, from, syms, err);
  if (r == 0)
    keep_syms (m, syms, from->nsyms);
  return r;
}

/* Sorted by where their code is. */
static void
insert (struct ksyms *k, const struct module_syms *m)
{
  size_t i = k->nmodules++;

  for (; i > 0 && k->modules[i - 1].text > m->text; i--)
    k->modules[i] = k->modules[i - 1];
  k->modules[i] = *m;
}

int
ksyms_add_module (struct ksyms *k, struct space *s,
                  const struct ksyms_module *from, struct error *err)
{
  struct module_syms m = { .text = from->text, .text_len = from->text_len },
                     *grown;
  size_t len = strnlen (from->name, sizeof m.name - 1);
  int r;

  if (k->nmodules >= MODULES_MAX)
    return error_set (err, E2BIG, "more than %u modules", MODULES_MAX);
  memcpy (m.name, from->name, len);
  m.nareas = from->nareas < KSYMS_AREAS ? from->nareas : KSYMS_AREAS;
  memcpy (m.areas, from->areas, m.nareas * sizeof *m.areas);
  grown = reallocarray (k->modules, k->nmodules + 1, sizeof *grown);
  if (!grown)
    return error_errno (err, ENOMEM, "symbols of a module");
  k->modules = grown;
  r = read_syms (&m, s, from, err);
  if (r < 0)
    {
      free (m.strings);
      free (m.syms);
      /* Its place is known all the same. */
      m.strings = NULL;
      m.syms = NULL;
      m.n = 0;
    }
  insert (k, &m);
  return r;
}

/* ---- asking ---- */

static const struct module_syms *
module_of (const struct ksyms *k, uint64_t va)
{
  size_t lo = 0, hi = k->nmodules;

  while (lo < hi)
    {
      size_t mid = lo + (hi - lo) / 2;

      if (k->modules[mid].text <= va)
        lo = mid + 1;
      else
        hi = mid;
    }
  if (lo > 0
      && within (va, k->modules[lo - 1].text, k->modules[lo - 1].text_len))
    return &k->modules[lo - 1];
  for (size_t i = 0; i < k->nmodules; i++)
    if (area_of (&k->modules[i], va))
      return &k->modules[i];
  return NULL;
}

bool
ksyms_module_find_ (const struct ksyms *k, uint64_t va, struct ksym *ret)
{
  const struct module_syms *m = module_of (k, va);
  const struct module_sym *e;
  const struct ksyms_area *area;
  uint64_t begin, end;
  uint32_t lo = 0, hi;

  if (!m)
    return false;
  area = area_of (m, va);
  begin = within (va, m->text, m->text_len) ? m->text : area->at;
  end = begin == m->text ? m->text + m->text_len : area->at + area->len;
  for (hi = m->n; lo < hi;)
    {
      uint32_t mid = lo + (hi - lo) / 2;

      if (m->syms[mid].at <= va)
        lo = mid + 1;
      else
        hi = mid;
    }
  if (lo == 0 || m->syms[lo - 1].at < begin)
    return false;
  if (lo < m->n && m->syms[lo].at < end)
    end = m->syms[lo].at;
  for (e = &m->syms[lo - 1]; e > m->syms && e[-1].at == e->at; e--)
    continue;
  *ret = (struct ksym){ .name = m->strings + e->name,
                        .module = m->name,
                        .start = e->at,
                        .size = end - e->at,
                        .type = e->type };
  return true;
}

uint64_t
ksyms_module_addr_ (const struct ksyms *k, const char *name)
{
  for (size_t i = 0; i < k->nmodules; i++)
    for (uint32_t j = 0; j < k->modules[i].n; j++)
      {
        const struct module_sym *e = &k->modules[i].syms[j];

        if (strcmp (k->modules[i].strings + e->name, name) == 0)
          return e->at;
      }
  return 0;
}

bool
ksyms_module_text_ (const struct ksyms *k, uint64_t va)
{
  const struct module_syms *m = module_of (k, va);

  return m && is_code (m, va);
}
