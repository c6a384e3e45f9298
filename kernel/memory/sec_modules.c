/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "modules": what is loaded, how much, in which state, and what is odd
 * about it.
 */
#include "base/cleanup.h"
#include "kernel/memory/look.h"

#include <stdio.h>
#include <string.h>

/* The letters that an oops prints, in the order of their bits. */
static const char taints[] = "PFSRMBUDAWCIOELKXTNJ";
#define REFS_OWN 1 /* a module that is loaded holds itself */

static const char *
state_name (uint64_t state)
{
  static const char *const names[] = { "live", "coming", "going", "unformed" };

  return state < ARRAY_LEN (names) ? names[state] : "?";
}

static uint64_t
size_of (struct kernel *k, const struct kernel_module *m)
{
  uint64_t all = 0, size, piece;

  if (kernel_get (k, m->at, MODULE_CORE_SIZE, &size))
    all = size;
  if (kernel_get (k, m->at, MODULE_INIT_SIZE, &size))
    all += size;
  for (unsigned i = 0; kernel_module_piece_ (k, m->at, i, &piece); i++)
    if (kernel_get (k, piece, MODULE_MEM_SIZE, &size))
      all += size;
  return all;
}

static void
say_taints (struct look *l, uint64_t bits)
{
  char text[sizeof taints];
  size_t n = 0;

  for (size_t i = 0; i + 1 < sizeof taints; i++)
    if (bits >> i & 1)
      text[n++] = taints[i];
  text[n] = '\0';
  rows_str (l->rows, "taint", text);
}

static void
say_module (struct look *l, const struct kernel_module *m)
{
  uint64_t v;
  int64_t refs;

  rows_begin (l->rows, "module");
  rows_text (l->rows, "name", m->name, strlen (m->name));
  if (kernel_get (l->k, m->at, MODULE_STATE, &v))
    rows_str (l->rows, "state", state_name (v));
  if (kernel_get_signed (l->k, m->at, MODULE_REFS, &refs))
    rows_int (l->rows, "refs", refs - REFS_OWN);
  rows_uint (l->rows, "size", size_of (l->k, m));
  rows_hex (l->rows, "text", m->text);
  if (kernel_get (l->k, m->at, MODULE_TAINTS, &v) && v != 0)
    say_taints (l, v);
  rows_end (l->rows);
}

static int
run (struct look *l, struct error *err)
{
  uint64_t head, next;

  kernel_modules (l->k);
  head = kernel_var (l->k, "modules");
  /* A kernel may have all that it needs built in. */
  if (l->k->nmodules == 0
      && (head == 0 || !space_u64 (l->k->space, head, &next) || next != head))
    look_lacks (l, "modules", "all",
                head == 0 ? "the kernel does not say where its list is"
                          : "its list cannot be read");
  for (size_t i = 0; i < l->k->nmodules; i++)
    say_module (l, &l->k->modules[i]);
  return 0;
}

const struct section section_modules = {
  .name = "modules",
  .summary = "what is loaded into the kernel, and what is odd about it",
  .cheap = true,
  .run = run,
};
