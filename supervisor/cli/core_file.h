/* SPDX-License-Identifier: Apache-2.0
 *
 * The file that `hangdog core` writes: sparse, within what it may take of the
 * disk, and under its name only when all of it is there.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_CORE_FILE_H
#define HANGDOG_SUPERVISOR_CLI_CORE_FILE_H

#include "base/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core_file;
struct error;

struct core_file_spec
{
  const char *path;
  uint64_t max;   /* it may take of the disk, 0 = what is free */
  uint64_t leave; /* must stay free there, 0 = what is usual */
  bool force;     /* over another file, and away with what was left of such */
  bool keep;      /* what there is of it, if it does not become whole */
  bool sum;       /* what is put in is summed, too */
};

/* -EEXIST: something has that name.  spec->path stays the caller's. */
int core_file_new (const struct core_file_spec *spec, struct core_file **ret,
                   struct error *err);
/* It will be that long, and hold about that much. */
int core_file_begin (struct core_file *f, uint64_t bytes, uint64_t present,
                     struct error *err);
/* From the beginning to the end, with gaps.  -EFBIG, -ENOSPC: more than it
 * may. */
int core_file_put (struct core_file *f, uint64_t at, const void *data,
                   size_t len, struct error *err);
/* On disk, and under its name. */
int core_file_commit (struct core_file *f, struct error *err);

uint64_t core_file_written (const struct core_file *f);
/* The SHA-256 of the whole file, its holes as the zeros that they read as.
 * Once.  False: none was wanted, or it took longer than is spent on it. */
#define CORE_SUM_MS 10000 /* of the processor */
bool core_file_sum (struct core_file *f, char ret_hex[DIGEST_HEX]);
/* Where what there is of it is kept; NULL: it is whole, or not kept. */
const char *core_file_partial (const struct core_file *f);
/* Takes away what did not become whole. */
void core_file_free (struct core_file *f);

#endif
