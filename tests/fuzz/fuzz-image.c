/* SPDX-License-Identifier: Apache-2.0
 *
 * Disk images of any bytes: refused, or what comes out is in its bounds.  The
 * first byte says how many layers the rest is cut into.
 */
#include "tests/fuzz/fuzz.h"

#include "kernel/image/image.h"

#include <string.h>

struct bytes
{
  const uint8_t *data[IMAGE_LAYERS];
  uint64_t size[IMAGE_LAYERS];
};

static int
on_read (void *arg, unsigned layer, uint64_t offset, void *dst, size_t len,
         struct error *err)
{
  struct bytes *b = arg;

  MUST (layer < IMAGE_LAYERS && len > 0 && offset < b->size[layer]
        && len <= b->size[layer] - offset);
  memcpy (dst, b->data[layer] + offset, len);
  return 0;
}

static void
check (const struct image *im)
{
  MUST (im->nfs <= IMAGE_FS_MAX && im->reads <= IMAGE_READS + 1);
  MUST (strlen (im->behind) < sizeof im->behind);
  for (unsigned i = 0; i < im->nfs; i++)
    {
      const struct image_fs *fs = &im->fs[i];

      MUST (fs->state < IMAGE_STATE_MAX && fs->type[0]);
      MUST (strlen (fs->label) < sizeof fs->label);
      MUST (strlen (fs->mounted_on) < sizeof fs->mounted_on);
      MUST (strlen (fs->first.where) < sizeof fs->first.where);
      MUST (strlen (fs->last.where) < sizeof fs->last.where);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct bytes b;
  struct image_source src = { .read = on_read, .arg = &b };
  struct image im;
  size_t part;

  if (size < 1)
    return 0;
  src.layers = 1 + data[0] % IMAGE_LAYERS;
  part = (size - 1) / src.layers;
  for (unsigned i = 0; i < src.layers; i++)
    {
      b.data[i] = data + 1 + i * part;
      b.size[i] = src.size[i] = part;
    }
  if (image_look (&src, &im, NULL) == 0)
    check (&im);
  return 0;
}
