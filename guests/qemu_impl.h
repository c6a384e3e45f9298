/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside struct qemu_args, for the files that read it.
 */
#ifndef HANGDOG_GUESTS_QEMU_IMPL_H
#define HANGDOG_GUESTS_QEMU_IMPL_H

#include "guests/qemu.h"

struct json_doc;

#define QEMU_MAX_GROUPS 512u
#define QEMU_MAX_PAIRS 4096u
#define QEMU_MAX_BLOCKS 2u /* the command line and one file */

struct qemu_pair
{
  const char *key, *value;
};

struct qemu_group
{
  const char *kind, *id;
  unsigned first, count; /* pairs */
};

struct qemu_args
{
  char *blocks[QEMU_MAX_BLOCKS];
  unsigned nblocks;
  struct qemu_group groups[QEMU_MAX_GROUPS];
  unsigned ngroups;
  struct qemu_pair pairs[QEMU_MAX_PAIRS];
  unsigned npairs;
  /* Options in JSON: pairs are theirs. */
  struct json_doc *docs[QEMU_MAX_GROUPS];
  unsigned ndocs;
};

/* The value of key, NULL when it has none. */
const char *qemu_group_get_ (const struct qemu_args *a,
                             const struct qemu_group *g, const char *key);

#endif
