/* SPDX-License-Identifier: Apache-2.0
 *
 * Names, types and unwinding for tests that are not about them: none.  A test
 * may say which variables there are.
 */
#ifndef HANGDOG_TESTS_STAND_INS_H
#define HANGDOG_TESTS_STAND_INS_H

#include "base/error.h"
#include "kernel/memory/kernel.h"
#include "kernel/memory/unwind.h"

#include <string.h>

#define STAND_IN __attribute__ ((weak))

/* Ended by one without a name. */
struct stand_in_var
{
  const char *name;
  uint64_t at;
};
static const struct stand_in_var *stand_in_vars;

/* Ended by one without a type; one without a path is a per-cpu variable. */
struct stand_in_member
{
  const char *type, *path;
  uint32_t offset, size;
};
static const struct stand_in_member *stand_in_members;

STAND_IN int
kernel_symbols_ (struct kernel *k, struct error *err)
{
  if (!stand_in_vars)
    return error_set (err, ENOENT, "no symbols here");
  k->syms = (struct ksyms *) (uintptr_t) stand_in_vars;
  return 0;
}

STAND_IN int
kernel_types_ (struct kernel *k, struct error *err)
{
  if (!stand_in_members)
    return error_set (err, ENOENT, "no types here");
  k->btf = (struct btf *) (uintptr_t) stand_in_members;
  return 0;
}

STAND_IN int
kernel_unwinder_ (struct kernel *k, struct error *err)
{
  return error_set (err, ENOENT, "no unwinder here");
}

STAND_IN void
ksyms_free (struct ksyms *k)
{
}

STAND_IN size_t
ksyms_count (const struct ksyms *k)
{
  return 1;
}

STAND_IN uint64_t
ksyms_addr (const struct ksyms *k, const char *name)
{
  for (const struct stand_in_var *v = stand_in_vars; v && v->name; v++)
    if (strcmp (v->name, name) == 0)
      return v->at;
  return 0;
}

STAND_IN bool
ksyms_find (struct ksyms *k, uint64_t va, struct ksym *ret)
{
  for (const struct stand_in_var *v = stand_in_vars; v && v->name; v++)
    if (va - v->at < 0x100)
      {
        *ret = (struct ksym){
          .name = v->name, .start = v->at, .size = 0x100, .module = "fake"
        };
        return true;
      }
  return false;
}

STAND_IN void
btf_free (struct btf *b)
{
}

STAND_IN bool
btf_member (const struct btf *b, const char *type, const char *path,
            struct btf_member *ret)
{
  for (const struct stand_in_member *m = stand_in_members; m && m->type; m++)
    if (m->path && strcmp (m->type, type) == 0 && strcmp (m->path, path) == 0)
      {
        *ret = (struct btf_member){ .offset = m->offset, .size = m->size };
        return true;
      }
  return false;
}

STAND_IN bool
btf_percpu (const struct btf *b, const char *name, uint32_t *ret)
{
  for (const struct stand_in_member *m = stand_in_members; m && m->type; m++)
    if (!m->path && strcmp (m->type, name) == 0)
      {
        *ret = m->offset;
        return true;
      }
  return false;
}

STAND_IN void
orc_free (struct orc *o)
{
}

#endif
