/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of members, filled from the kernel's own types, and where those
 * lack from VMCOREINFO.
 */
#include "kernel/memory/fields.h"

#include "base/cleanup.h"
#include "kernel/memory/btf.h"
#include "kernel/memory/vmcoreinfo.h"

#include <stdio.h>
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

/* VMCOREINFO tells where members are and not how large: those that are not a
 * word, as they are in all kernels that tell of them. */
static uint16_t
usual_size (const char *type, const char *path)
{
  static const struct
  {
    const char *type, *path;
    uint16_t size;
  } known[] = {
    { "printk_info", "text_len", 2 }, { "printk_info", "caller_id", 4 },
    { "printk_log", "len", 2 },       { "printk_log", "text_len", 2 },
    { "printk_log", "dict_len", 2 },  { "uts_namespace", "name", 390 },
    { "prb_desc_ring", "count_bits", 4 },
    { "prb_data_ring", "size_bits", 4 },
    { "prb_desc", "text_blk_lpos", 16 },
    { "printk_ringbuffer", "desc_ring", 48 },
    { "printk_ringbuffer", "text_data_ring", 32 },
    { "printk_info", "dev_info", 64 },
    { "dev_printk_info", "subsystem", 16 },
    { "dev_printk_info", "device", 48 },
  };

  for (size_t i = 0; i < ARRAY_LEN (known); i++)
    if (strcmp (known[i].type, type) == 0 && strcmp (known[i].path, path) == 0)
      return known[i].size;
  return 8;
}

static void
from_btf (const struct btf *b, size_t i, struct field_at *at)
{
  struct btf_member m;

  if (!btf_member (b, wanted[i].type, wanted[i].path, &m))
    return;
  /* An array without length is a place all the same. */
  *at = (struct field_at){ .offset = m.offset,
                           .size = m.size == 0           ? 1
                                   : m.size > UINT16_MAX ? UINT16_MAX
                                                         : (uint16_t) m.size,
                           .bit = m.bit,
                           .bits = m.bits,
                           .how = FIELD_BTF };
}

static void
from_info (const struct vmcoreinfo *v, size_t i, struct field_at *at)
{
  char name[128];
  uint32_t offset;

  snprintf (name, sizeof name, "%s.%s", wanted[i].type, wanted[i].path);
  if (vmcoreinfo_offset (v, name, &offset))
    *at = (struct field_at){ .offset = offset,
                             .size = usual_size (wanted[i].type,
                                                 wanted[i].path),
                             .how = FIELD_INFO };
}

/* Of a record's head VMCOREINFO leaves out the byte of the facility, which is
 * so far behind the length of its text in all kernels that have either. */
static void
beside (struct fields *f)
{
  static const struct
  {
    enum field field, known;
    uint8_t behind;
  } bytes[] = {
    { INFO_FACILITY, INFO_LEN, 2 },
    { LOG_FACILITY, LOG_TEXT_LEN, 4 },
  };

  for (size_t i = 0; i < ARRAY_LEN (bytes); i++)
    if (!fields_has (f, bytes[i].field) && fields_has (f, bytes[i].known))
      f->at[bytes[i].field] = (struct field_at){
        .offset = f->at[bytes[i].known].offset + bytes[i].behind,
        .size = 1,
        .how = FIELD_INFO,
      };
}

void
fields_fill (struct fields *f, const struct btf *b,
             const struct vmcoreinfo *v)
{
  for (size_t i = 0; i < ARRAY_LEN (wanted); i++)
    {
      struct field_at *at = &f->at[wanted[i].field];

      if (at->size == 0 && b)
        from_btf (b, i, at);
      if (at->size == 0 && v)
        from_info (v, i, at);
    }
  beside (f);
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
