/* SPDX-License-Identifier: Apache-2.0
 *
 * VMCOREINFO: what a kernel writes down about itself for whoever reads its
 * memory.  Lines KEY=VALUE; text of the guest, so all of it may be a lie: who
 * takes an address from it looks whether what is there fits.
 */
#ifndef HANGDOG_KERNEL_MEMORY_VMCOREINFO_H
#define HANGDOG_KERNEL_MEMORY_VMCOREINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct mem;
struct vmcoreinfo;

#define VMCOREINFO_MAX (64u << 10)

/* -EBADMSG when it does not begin with OSRELEASE= or has no sense. */
int vmcoreinfo_parse (const char *text, size_t len, struct vmcoreinfo **ret,
                      struct error *err);
void vmcoreinfo_free (struct vmcoreinfo *v);
/* What is at that address; NULL = there is none. */
struct vmcoreinfo *vmcoreinfo_read (struct mem *m, uint64_t gpa);

const char *vmcoreinfo_release (const struct vmcoreinfo *v);
bool vmcoreinfo_symbol (const struct vmcoreinfo *v, const char *name,
                        uint64_t *ret);
bool vmcoreinfo_offset (const struct vmcoreinfo *v, const char *field,
                        uint32_t *ret); /* "printk_info.seq" */
bool vmcoreinfo_size (const struct vmcoreinfo *v, const char *type,
                      uint32_t *ret);
bool vmcoreinfo_number (const struct vmcoreinfo *v, const char *name,
                        int64_t *ret); /* NUMBER(..), decimal or 0x */
bool vmcoreinfo_value (const struct vmcoreinfo *v, const char *key,
                       uint64_t *ret); /* KERNELOFFSET=, PAGESIZE= */

/* All of it, as a kernel writes it; how many bytes, or 0 when dst is too
 * small. */
size_t vmcoreinfo_text (const struct vmcoreinfo *v, char *dst, size_t size);

/* Each page of the guest that is there and begins with OSRELEASE=, until fn
 * returns true: there may be several, of an earlier kernel, of a safe copy, or
 * somebody's joke.  Returns false when fn never did. */
bool vmcoreinfo_scan (struct mem *m,
                      bool (*fn) (const struct vmcoreinfo *v, uint64_t gpa,
                                  void *arg),
                      void *arg);
/* The same, of so many pages that are there: counted down, and fn may change
 * the number. */
bool vmcoreinfo_scan_some (struct mem *m, uint64_t *pages,
                           bool (*fn) (const struct vmcoreinfo *v,
                                       uint64_t gpa, void *arg),
                           void *arg);

#endif
