/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of members, filled from the kernel's own types.
 */
#include "kernel/memory/fields.h"

#include "base/cleanup.h"
#include "kernel/memory/btf.h"

#include <string.h>

static const struct
{
  enum field field;
  const char *type, *path;
} wanted[] = {
#define FIELD(name, type, path) { name, type, path },
#define OR(name, type, path) { name, type, path },
#include "kernel/memory/fields.def"
#undef FIELD
#undef OR
};

void
fields_fill (struct fields *f, const struct btf *b,
             const struct vmcoreinfo *v)
{
  for (size_t i = 0; b && i < ARRAY_LEN (wanted); i++)
    {
      struct field_at *at = &f->at[wanted[i].field];
      struct btf_member m;

      if (at->size > 0
          || !btf_member (b, wanted[i].type, wanted[i].path, &m))
        continue;
      /* An array without length is a place all the same. */
      *at = (struct field_at){ .offset = m.offset,
                               .size = m.size == 0            ? 1
                                       : m.size > UINT16_MAX ? UINT16_MAX
                                                 : (uint16_t) m.size,
                               .bit = m.bit,
                               .bits = m.bits,
                               .how = FIELD_BTF };
    }
  (void) v;
}

const char *
field_name (enum field f)
{
  static const char *const names[] = {
#define FIELD(name, type, path) [name] = type "." path,
#define OR(name, type, path)
#include "kernel/memory/fields.def"
#undef FIELD
#undef OR
  };

  return f < ARRAY_LEN (names) && names[f] ? names[f] : "?";
}
