/* SPDX-License-Identifier: Apache-2.0
 *
 * BTF: whatever it is, it is refused, or all that can be asked of it stays
 * within it and comes to an end.
 *
 * An input without a header is given one: its first two bytes say where the
 * types end and the names begin.
 */
#include "base/error.h"
#include "kernel/memory/btf_impl.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void *
with_header (const uint8_t *data, size_t size, size_t *ret_len)
{
  uint32_t types = size < 2 ? 0 : (data[0] | (uint32_t) data[1] << 8) * 4;
  uint32_t head[6] = { 0x0001eb9f, 24 };
  uint8_t *p = malloc (size + sizeof head);

  MUST (p);
  if (btf_length (data, size) > 0)
    {
      *ret_len = size;
      return memcpy (p, data, size);
    }
  size -= size < 2 ? size : 2;
  types = types < size ? types : (uint32_t) size & ~3u;
  head[3] = head[4] = types;
  head[5] = (uint32_t) size - types;
  memcpy (p, head, sizeof head);
  memcpy (p + sizeof head, data + 2, size);
  *ret_len = size + sizeof head;
  return p;
}

static void
ask_members (const struct btf *b, const char *type, uint32_t id)
{
  struct btf_rec r = btf_rec (b, id);
  unsigned kind = btf_kind_of (r.info);
  const uint8_t *m = btf_extra (b, id);
  struct btf_member at;
  char path[256];

  if (kind != KIND_STRUCT && kind != KIND_UNION)
    return;
  for (unsigned n = btf_vlen (r.info); n > 0; n--, m += 12)
    {
      static const char *const more[] = { "", "[0]", "[1][2]", ".x", ".next" };

      for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        {
          snprintf (path, sizeof path, "%.200s%s", b->strs + btf_u32 (m),
                    more[i]);
          if (btf_member (b, type, path, &at))
            MUST (at.bits <= 64 && at.bit < 8 && (at.bits == 0 || at.size <= 8)
                  && (at.bits > 0 || at.bit == 0));
        }
    }
}

static void
ask (const struct btf *b)
{
  char name[128];

  for (uint32_t id = 0; id < btf_types (b); id++)
    {
      struct btf_rec r = btf_rec (b, id);
      const char *type = id > 0 ? b->strs + r.name : "";
      uint32_t size;
      int64_t v;

      MUST (btf_type_name (b, id, name, sizeof name) > 0);
      MUST (memchr (name, '\0', sizeof name));
      btf_sizeof (b, type, &size);
      btf_percpu (b, type, &size);
      btf_enum_name (b, type, 1);
      btf_enum (b, type, &v);
      /* What fans out is counted for each question: few of them are enough. */
      if (id > 0 && id < 64)
        ask_members (b, type, id);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct error err = ERROR_INIT;
  struct btf *b = NULL;
  size_t len;
  void *blob;

  if (size > 1 << 14)
    return 0;
  blob = with_header (data, size, &len);
  if (btf_new (blob, len, &b, &err) == 0)
    ask (b);
  else
    MUST (!b && err.code != 0);
  btf_free (b);
  return 0;
}
