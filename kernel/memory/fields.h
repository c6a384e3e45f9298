/* SPDX-License-Identifier: Apache-2.0
 *
 * Where members are: one table of what the sections need, filled from the
 * kernel's types, where those lack from VMCOREINFO, and where both lack by
 * inference from what is in memory.
 *
 * A member that nobody knows is absent: then that part of a section is off.
 * A kernel that calls it otherwise has another row in the table: the first
 * that exists counts.
 */
#ifndef HANGDOG_KERNEL_MEMORY_FIELDS_H
#define HANGDOG_KERNEL_MEMORY_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

struct btf;
struct vmcoreinfo;

/* FIELD (name, type, path): names may come several times in a row of their
 * own file, fields.def, the first that exists is taken. */
enum field
{
#define FIELD(name, type, path) name,
#define OR(name, type, path)
#include "kernel/memory/fields.def"
#undef FIELD
#undef OR
  FIELD_MAX,
};

struct field_at
{
  uint32_t offset;
  uint16_t size;     /* 0 = absent */
  uint8_t bit, bits; /* of a bit field, else bits is 0 */
  uint8_t how;       /* enum field_how */
};

enum field_how
{
  FIELD_ABSENT,
  FIELD_BTF,
  FIELD_INFO,     /* VMCOREINFO */
  FIELD_INFERRED,
};

struct fields
{
  struct field_at at[FIELD_MAX];
};

/* b and v may be NULL. */
void fields_fill (struct fields *f, const struct btf *b,
                  const struct vmcoreinfo *v);
const char *field_name (enum field f); /* "task_struct.comm" */

static inline bool
fields_has (const struct fields *f, enum field which)
{
  return f->at[which].size > 0;
}

/* Kernels without BTF, by what is in memory (fields_infer.c): fills only what
 * is absent, and only what proved itself on all tasks that it looked at. */
struct kernel;
int fields_infer (struct kernel *k);

#endif
