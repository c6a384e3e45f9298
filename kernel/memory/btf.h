/* SPDX-License-Identifier: Apache-2.0
 *
 * BTF: the kernel's own description of its types, read strictly.
 *
 * All ids, string offsets and sums are checked once when it is taken in; a
 * blob with one wrong is refused.  Looking up goes at most 32 steps through
 * typedefs and qualifiers and 16 into structures without a name.
 */
#ifndef HANGDOG_KERNEL_MEMORY_BTF_H
#define HANGDOG_KERNEL_MEMORY_BTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct btf;
struct error;

#define BTF_MAX_BYTES (32u << 20)
#define BTF_MAX_TYPES (4u << 20)

/* How long the blob that begins like this is, from its first 24 bytes; 0 =
 * that is none. */
size_t btf_length (const void *header, size_t len);
/* Takes blob (malloc'ed), also when it fails. */
int btf_new (void *blob, size_t len, struct btf **ret, struct error *err);
void btf_free (struct btf *b);
size_t btf_types (const struct btf *b);

struct btf_member
{
  uint32_t offset; /* bytes; of a bit field, of its byte */
  uint32_t size;   /* bytes; 0 = not known (an array without length) */
  uint8_t bit, bits; /* of a bit field, else bits is 0 */
};

/* path "thread.sp" of type "task_struct" (structure or union; also a
 * typedef's name).  Members of structures without a name are the outer one's.
 * "a[3]" indexes an array.  False: there is none. */
bool btf_member (const struct btf *b, const char *type, const char *path,
                 struct btf_member *ret);
bool btf_sizeof (const struct btf *b, const char *type, uint32_t *ret);
/* An enumerator by its name, in any enum. */
bool btf_enum (const struct btf *b, const char *name, int64_t *ret);
/* The names of an enum, in order of value: NULL beyond. */
const char *btf_enum_name (const struct btf *b, const char *type,
                           int64_t value);
/* The offset of a per-cpu variable (DATASEC .data..percpu). */
bool btf_percpu (const struct btf *b, const char *name, uint32_t *ret);
/* For the names of types: "unsigned long", "struct foo *". */
size_t btf_type_name (const struct btf *b, uint32_t id, char *dst, size_t n);

#endif
