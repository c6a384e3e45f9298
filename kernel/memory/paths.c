/* SPDX-License-Identifier: Apache-2.0
 *
 * What files are called: names up to a root, then up through the mounts.
 */
#include "kernel/memory/look.h"

#include <string.h>

#define DEPTH 64
#define NAME 256

/* A path grows from its end to its beginning. */
struct path
{
  char text[1024];
  size_t from;
};

static bool
prepend (struct path *p, const char *name)
{
  size_t n = strlen (name);

  if (n + 1 > p->from)
    return false;
  p->from -= n;
  memcpy (p->text + p->from, name, n);
  p->text[--p->from] = '/';
  return true;
}

/* The mount above; false = that was the last one. */
static bool
go_up (struct kernel *k, uint64_t *mount, uint64_t *dentry)
{
  uint64_t above;

  return kernel_get (k, *mount, MOUNT_PARENT, &above) && above != *mount
         && above != 0 && kernel_get (k, *mount, MOUNT_POINT, dentry)
         && (*mount = above) != 0;
}

bool
look_path (struct kernel *k, uint64_t vfsmount, uint64_t dentry, char *dst,
           size_t size)
{
  struct path p = { .from = sizeof p.text - 1 };
  uint64_t mount = 0, root, parent, at;
  char name[NAME];

  if (!kernel_has (k, DENTRY_PARENT) || !kernel_has (k, DENTRY_NAME))
    return false;
  if (vfsmount && kernel_has (k, MOUNT_MNT) && kernel_has (k, MNT_ROOT))
    mount = vfsmount - k->fields.at[MOUNT_MNT].offset;
  for (unsigned i = 0; i < DEPTH && dentry; i++)
    {
      if (mount
          && kernel_get (k, mount + k->fields.at[MOUNT_MNT].offset, MNT_ROOT,
                         &root)
          && root == dentry)
        {
          if (!go_up (k, &mount, &dentry))
            break;
          continue;
        }
      if (!kernel_get (k, dentry, DENTRY_PARENT, &parent))
        return false;
      if (parent == dentry)
        break;
      if (!kernel_get (k, dentry, DENTRY_NAME, &at)
          || !space_text (k->space, at, name, sizeof name) || !name[0]
          || !prepend (&p, name))
        return false;
      dentry = parent;
    }
  if (p.from == sizeof p.text - 1)
    p.text[--p.from] = '/';
  if (sizeof p.text - p.from > size)
    return false;
  memcpy (dst, p.text + p.from, sizeof p.text - p.from);
  return true;
}
