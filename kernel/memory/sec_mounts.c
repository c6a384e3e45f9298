/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "mounts": file systems, where they are mounted, and whether they
 * are read-only, frozen, or failed to write.
 */
#include "kernel/memory/look.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define MAX_FILESYSTEMS 65536u
#define MAX_MOUNTS 4096u /* of one file system */
#define TOLD_MOUNTS 4u
#define SB_RDONLY 1u
#define SB_KERNMOUNT (1u << 22)
#define MNT_READONLY 0x40u
#define ERRNO_MASK 0xfffu

struct mounts
{
  struct look *l;
  unsigned told, more;
  bool writable; /* a place of it, as far as who mounted it goes */
};

/* These are read-only against the will of who mounted them after an error
 * only; others because there is no other way. */
static const char *const given_up[]
    = { "ext2", "ext3", "ext4", "btrfs", "f2fs", "vfat", "msdos", "nilfs2",
        "ubifs" };

static void
say_mount (struct mounts *m, uint64_t mount)
{
  struct kernel *k = m->l->k;
  uint64_t ns, flags, dentry = 0;
  uint64_t vfs = mount + k->fields.at[MOUNT_MNT].offset;
  char path[1024];

  /* Those of no name space, or an error in its place, are the kernel's. */
  if (kernel_get (k, mount, MOUNT_NS, &ns)
      && (ns == 0 || ns > (uint64_t) -4096))
    return;
  if (!kernel_get (k, vfs, MNT_ROOT, &dentry)
      || !look_path (k, vfs, dentry, path, sizeof path))
    return;
  if (kernel_get (k, vfs, MNT_FLAGS, &flags) && !(flags & MNT_READONLY))
    m->writable = true;
  if (m->told++ < TOLD_MOUNTS)
    rows_str (m->l->rows, NULL, path);
  else
    m->more++;
}

static bool
on_mount (uint64_t node, void *arg)
{
  struct mounts *m = arg;

  say_mount (m, node - m->l->k->fields.at[MOUNT_INSTANCE].offset);
  return true;
}

/* A list, in the newest kernels a chain. */
static void
say_mounts (struct mounts *m, uint64_t sb)
{
  struct kernel *k = m->l->k;
  uint64_t at;

  if (!kernel_has (k, SB_MOUNTS) || !kernel_has (k, MOUNT_MNT))
    return;
  rows_array (m->l->rows, "at");
  if (kernel_has (k, MOUNT_INSTANCE))
    (void) kernel_list (k, sb + k->fields.at[SB_MOUNTS].offset, MAX_MOUNTS,
                        on_mount, m);
  else if (kernel_get (k, sb, SB_MOUNTS, &at))
    for (unsigned i = 0; at && i < MAX_MOUNTS; i++)
      {
        say_mount (m, at);
        if (!kernel_get (k, at, MOUNT_NEXT, &at))
          break;
      }
  rows_array_end (m->l->rows);
  if (m->more)
    rows_uint (m->l->rows, "more_places", m->more);
}

static const char *
frozen_name (uint64_t frozen)
{
  static const char *const names[]
      = { NULL, "writing", "page faults", "file system", "all" };

  return frozen < ARRAY_LEN (names) ? names[frozen] : "?";
}

static bool
is_given_up (const struct mounts *m, const char *type, uint64_t flags)
{
  for (size_t i = 0; i < ARRAY_LEN (given_up); i++)
    if (strcmp (type, given_up[i]) == 0)
      return m->writable && (flags & SB_RDONLY);
  return false;
}

static void
say_state (struct look *l, uint64_t sb, uint64_t flags, bool gave_up)
{
  struct kernel *k = l->k;
  uint64_t v;

  rows_bool (l->rows, "read_only", (flags & SB_RDONLY) != 0);
  if (gave_up)
    rows_bool (l->rows, "given_up", true);
  if (kernel_get (k, sb, SB_FROZEN, &v) && frozen_name (v & UINT32_MAX))
    rows_str (l->rows, "frozen", frozen_name (v & UINT32_MAX));
  /* The last that could not be written, as whoever syncs is told. */
  if (kernel_get (k, sb, SB_ERROR, &v) && (v & ERRNO_MASK))
    {
      const char *name = strerrorname_np ((int) (v & ERRNO_MASK));

      rows_str (l->rows, "write_error", name ? name : "?");
    }
}

static bool
on_super (uint64_t node, void *arg)
{
  struct look *l = arg;
  struct kernel *k = l->k;
  uint64_t sb = node - k->fields.at[SB_LIST].offset, flags, type, at, dev;
  struct mounts m = { .l = l };
  char name[64] = "", type_name[64], id[33] = "";
  size_t len = k->fields.at[SB_ID].size;

  if (!kernel_get (k, sb, SB_FLAGS, &flags) || (flags & SB_KERNMOUNT))
    return !rows_failed (l->rows);
  if (kernel_get (k, sb, SB_TYPE, &type) && kernel_get (k, type, FS_NAME, &at))
    (void) space_text (k->space, at, name, sizeof name);
  if (len > 0 && len < sizeof id)
    (void) space_read (k->space, sb + k->fields.at[SB_ID].offset, id, len);
  memcpy (type_name, name, sizeof type_name);
  rows_begin (l->rows, "mount");
  rows_str (l->rows, "type", name);
  rows_str (l->rows, "device", id);
  if (kernel_get (k, sb, SB_DEV, &dev))
    {
      snprintf (name, sizeof name, "%u:%u", (unsigned) (dev & UINT32_MAX) >> 20,
                (unsigned) dev & 0xfffff);
      rows_str (l->rows, "dev", name);
    }
  say_mounts (&m, sb);
  say_state (l, sb, flags, is_given_up (&m, type_name, flags));
  rows_end (l->rows);
  return !rows_failed (l->rows);
}

static int
run (struct look *l, struct error *err)
{
  struct kernel *k = l->k;
  uint64_t head = kernel_var (k, "super_blocks");

  if (!head || !kernel_has (k, SB_LIST) || !kernel_has (k, SB_FLAGS))
    look_lacks (l, "mounts", "all",
                head ? "how file systems are made is not known"
                     : "no symbol super_blocks");
  else if (kernel_list (k, head, MAX_FILESYSTEMS, on_super, l) < 0)
    look_lacks (l, "mounts", "some file systems", "their list is damaged");
  return 0;
}

const struct section section_mounts = {
  .name = "mounts",
  .summary = "file systems, where they are mounted, and their errors",
  .cheap = true,
  .run = run,
};
