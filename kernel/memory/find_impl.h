/* SPDX-License-Identifier: Apache-2.0
 *
 * The ways of finding a kernel, and what they share.
 */
#ifndef HANGDOG_KERNEL_MEMORY_FIND_IMPL_H
#define HANGDOG_KERNEL_MEMORY_FIND_IMPL_H

#include "kernel/memory/kernel.h"

#define FIND_BANNER "Linux version "
#define FIND_ROOTS 8 /* different page tables that are tried */
/* Debug kernels have three times the 45 MiB of a distribution's. */
#define FIND_IMAGE_MAX (256u << 20)
/* Freed parts of an image are holes in it; modules are farther away. */
#define FIND_IMAGE_GAP (16u << 20)

/* "Linux version 6.1.0" at the beginning of text: its release, and how long
 * the line is.  False: only looks like one. */
bool find_banner_is_ (const char *text, size_t len, char release[65],
                      size_t *ret_len);
/* The first banner in bytes, at any address or, which is much faster, at
 * multiples of 8.  Returns its offset, or len when there is none. */
size_t find_banner_in_ (const void *bytes, size_t len, bool any);

/* The image that a space maps from va on, below end: its bounds and its
 * banner into k.  1 found, 0 not, negative: no more reading. */
int find_image_ (struct kernel *k, struct space *s, uint64_t va, uint64_t end);

/* Each way: 1 found and k has space, arch, found, image, banner, release; 0
 * not; negative: no more reading. */
int find_by_registers_ (struct kernel *k);
int find_by_vmcoreinfo_ (struct kernel *k);
int find_by_image_ (struct kernel *k);  /* x86-64 */
int find_by_banner_ (struct kernel *k); /* arm64 */

/* Takes s when it is the one. */
int find_in_space_ (struct kernel *k, const struct space_def *def, uint64_t va,
                    uint64_t end, const char *how);

/* Once symbols are known: the VMCOREINFO that this kernel wrote. */
void find_vmcoreinfo_ (struct kernel *k);
/* By looking through all memory; true: there is one. */
bool find_vmcoreinfo_of_ (struct kernel *k);
void find_true_banner_ (struct kernel *k);
/* Instead of the table of a process, which goes when that goes. */
void find_own_table_ (struct kernel *k);

/* All of its CPUs are where no kernel that is understood can be. */
bool find_none_runs_ (const struct kernel *k);
/* Why there is none: a sentence into err; returns -ENXIO where all was seen
 * that would tell of one, else -ENOENT. */
int find_nothing_ (struct kernel *k, struct error *err);

#define FIND_X86_BEGIN 0xffffffff80000000ULL
#define FIND_X86_END 0xffffffffc0000000ULL

#endif
