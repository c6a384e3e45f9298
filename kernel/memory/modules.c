/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's modules: which there are, where their code and data is, and
 * their symbols, which only they have.
 */
#include "base/error.h"
#include "kernel/memory/infer_impl.h"

#include <stdlib.h>
#include <string.h>

#define MODULES_MAX 4096u
#define AREA_MAX (256u << 20)

/* Until 6.3 a module had one piece of memory, and one that is freed once it
 * has been loaded; code first in both. */
static void
areas_of_two (struct kernel *k, uint64_t at, struct kernel_module *m,
              struct ksyms_module *s)
{
  uint64_t size, text;

  if (kernel_get (k, at, MODULE_CORE_BASE, &m->text)
      && kernel_get (k, at, MODULE_CORE_TEXT, &text)
      && kernel_get (k, at, MODULE_CORE_SIZE, &size) && text <= size
      && size <= AREA_MAX)
    {
      m->text_len = text;
      s->areas[s->nareas++]
          = (struct ksyms_area){ .at = m->text + text, .len = size - text };
    }
  if (kernel_get (k, at, MODULE_INIT_BASE, &m->init) && m->init > 0
      && kernel_get (k, at, MODULE_INIT_TEXT, &text)
      && kernel_get (k, at, MODULE_INIT_SIZE, &size) && text <= size
      && size <= AREA_MAX)
    {
      m->init_len = text;
      s->areas[s->nareas++]
          = (struct ksyms_area){ .at = m->init, .len = text, .code = true };
      s->areas[s->nareas++]
          = (struct ksyms_area){ .at = m->init + text, .len = size - text };
    }
}

/* Where the module's i-th piece of memory is told. */
bool
kernel_module_piece_ (struct kernel *k, uint64_t at, unsigned i, uint64_t *ret)
{
  const struct field_at *mem = &k->fields.at[MODULE_MEM];
  uint32_t each = k->fields.at[MODULE_MEM_NEXT].offset - mem->offset;

  if (!kernel_has (k, MODULE_MEM_NEXT) || each == 0 || i >= KSYMS_AREAS
      || i >= mem->size / each)
    return false;
  *ret = at + mem->offset + (uint64_t) i * each;
  return true;
}

/* Which of mem[] is what; the kernel's enum says it. */
static int64_t
use (struct kernel *k, const char *name, int64_t usual)
{
  int64_t v;

  return k->btf && btf_enum (k->btf, name, &v) ? v : usual;
}

static void
areas_of_many (struct kernel *k, uint64_t at, struct kernel_module *m,
               struct ksyms_module *s)
{
  int64_t text = use (k, "MOD_TEXT", 0), init = use (k, "MOD_INIT_TEXT", 4);
  uint64_t piece;

  for (unsigned i = 0; kernel_module_piece_ (k, at, i, &piece); i++)
    {
      uint64_t base, size;

      if (!kernel_get (k, piece, MODULE_MEM_BASE, &base)
          || !kernel_get (k, piece, MODULE_MEM_SIZE, &size) || base == 0
          || size == 0 || size > AREA_MAX)
        continue;
      if (i == text)
        {
          m->text = base;
          m->text_len = size;
        }
      else
        s->areas[s->nareas++]
            = (struct ksyms_area){ .at = base, .len = size, .code = i == init };
      if (i == init)
        {
          m->init = base;
          m->init_len = size;
        }
    }
}

static bool
symbols_of (struct kernel *k, uint64_t at, struct ksyms_module *s)
{
  uint64_t table, n;

  if (!kernel_get (k, at, MODULE_KALLSYMS, &table)
      || !kernel_get (k, table, MODULE_SYMTAB, &s->symtab)
      || !kernel_get (k, table, MODULE_SYMTAB_N, &n)
      || !kernel_get (k, table, MODULE_STRTAB, &s->strtab) || n > UINT32_MAX)
    return false;
  s->nsyms = (uint32_t) n;
  return true;
}

/* Names of modules are those of files and go into reports. */
static bool
name_good (const char *name)
{
  if (*name == '\0')
    return false;
  for (; *name; name++)
    if (*name <= ' ' || *name > '~')
      return false;
  return true;
}

static int
by_text (const void *a, const void *b)
{
  const struct kernel_module *x = a, *y = b;

  return x->text < y->text ? -1 : x->text > y->text;
}

static bool
take_module (uint64_t node, void *arg)
{
  struct kernel *k = arg;
  struct kernel_module m = { .at = node - k->fields.at[MODULE_LIST].offset },
                       *grown;
  struct ksyms_module s = { .name = m.name };
  size_t size = k->fields.at[MODULE_NAME].size + 1u;

  if (!space_text (k->space, m.at + k->fields.at[MODULE_NAME].offset, m.name,
                   size < sizeof m.name ? size : sizeof m.name)
      || !name_good (m.name))
    return true;
  if (kernel_has (k, MODULE_MEM))
    areas_of_many (k, m.at, &m, &s);
  else
    areas_of_two (k, m.at, &m, &s);
  grown = reallocarray (k->modules, k->nmodules + 1, sizeof *grown);
  if (!grown)
    return false;
  k->modules = grown;
  k->modules[k->nmodules++] = m;
  s.text = m.text;
  s.text_len = m.text_len;
  if (k->syms && m.text > 0 && symbols_of (k, m.at, &s))
    ksyms_add_module (k->syms, k->space, &s, NULL);
  return true;
}

void
kernel_modules (struct kernel *k)
{
  uint64_t head;

  if (k->modules_read)
    return;
  k->modules_read = true;
  if (kernel_var (k, "modules") == 0 || !kernel_has (k, MODULE_LIST))
    infer_modules_ (k);
  head = kernel_var (k, "modules");
  if (head == 0 || !kernel_has (k, MODULE_LIST) || !kernel_has (k, MODULE_NAME))
    return;
  /* Of a torn list what could be had is better than nothing. */
  kernel_list (k, head, MODULES_MAX, take_module, k);
  if (k->nmodules > 0)
    qsort (k->modules, k->nmodules, sizeof *k->modules, by_text);
}

const struct kernel_module *
kernel_module_of (struct kernel *k, uint64_t va)
{
  size_t lo = 0, hi;

  kernel_modules (k);
  for (hi = k->nmodules; lo < hi;)
    {
      size_t mid = lo + (hi - lo) / 2;

      if (k->modules[mid].text <= va)
        lo = mid + 1;
      else
        hi = mid;
    }
  if (lo > 0 && va - k->modules[lo - 1].text < k->modules[lo - 1].text_len)
    return &k->modules[lo - 1];
  for (size_t i = 0; i < k->nmodules; i++)
    if (va - k->modules[i].init < k->modules[i].init_len)
      return &k->modules[i];
  return NULL;
}

bool
kernel_sym (struct kernel *k, uint64_t va, struct ksym *ret)
{
  if (!k->syms)
    return false;
  if (va - k->image.va >= k->image.len && space_is_kernel (k->space, va))
    kernel_modules (k);
  return ksyms_find (k->syms, va, ret);
}
