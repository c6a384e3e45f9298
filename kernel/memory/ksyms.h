/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of the kernel's and its modules' addresses, from the tables that the
 * kernel carries for its own messages.
 *
 * Layouts of 4.6 to 7.x, told apart by trying them against what is known (the
 * markers, the mapped text), never by version.
 */
#ifndef HANGDOG_KERNEL_MEMORY_KSYMS_H
#define HANGDOG_KERNEL_MEMORY_KSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct ksyms;
struct space;
struct vmcoreinfo;

#define KSYMS_MAX (2u << 20)
#define KSYMS_NAME 512

/* The image as it is mapped. */
struct ksyms_image
{
  uint64_t va, len;
};

/* By the addresses in VMCOREINFO where it has them (v may be NULL), else by
 * looking for the tables in the image. */
int ksyms_load (struct space *s, const struct ksyms_image *image,
                const struct vmcoreinfo *v, struct ksyms **ret,
                struct error *err);
void ksyms_free (struct ksyms *k);
size_t ksyms_count (const struct ksyms *k);
/* Whether data has names, too (KALLSYMS_ALL). */
bool ksyms_has_data (const struct ksyms *k);
/* "scanned" or "vmcoreinfo", and which layout: for whoever wonders. */
const char *ksyms_how (const struct ksyms *k);

/* 0 when there is none.  Of several with one name: the first. */
uint64_t ksyms_addr (const struct ksyms *k, const char *name);

/* A name that is known from elsewhere; a few, and name stays the caller's. */
bool ksyms_add (struct ksyms *k, const char *name, uint64_t va);

struct ksym
{
  const char *name;   /* until the next call that names something */
  const char *module; /* NULL = the kernel itself */
  uint64_t start, size; /* size 0 = not known */
  char type;
};
/* What va is in; false when it is in nothing. */
bool ksyms_find (struct ksyms *k, uint64_t va, struct ksym *ret);
bool ksyms_is_text (const struct ksyms *k, uint64_t va);

/* A module's, read by kernel_modules(): names are copied. */
#define KSYMS_AREAS 8
struct ksyms_area
{
  uint64_t at, len;
  bool code; /* as well: what runs while it is loaded */
};
struct ksyms_module
{
  const char *name;
  uint64_t text, text_len; /* where its code is */
  /* Where else it has something. */
  struct ksyms_area areas[KSYMS_AREAS];
  unsigned nareas;
  uint64_t symtab, strtab; /* Elf64_Sym */
  uint32_t nsyms;
  uint64_t strtab_len; /* 0 = not known */
};
int ksyms_add_module (struct ksyms *k, struct space *s,
                      const struct ksyms_module *m, struct error *err);

#endif
