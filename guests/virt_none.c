/* SPDX-License-Identifier: Apache-2.0
 *
 * The guests' room without libvirt: see virt_rooms.h.
 */
#include "guests/virt_rooms.h"

#include "base/buf.h"
#include "base/error.h"
#include "guests/source.h"
#include "guests/virt_address.h"

int
virt_init (struct loop *loop, struct error *err)
{
  return 0;
}

void
virt_done (void)
{
}

int
virt_addresses (const char *uri, const char (*uuids)[UUID_TEXT], size_t n,
                const struct job *job, const struct address_reading *r,
                struct error *err)
{
  return error_set (err, ENOTSUP, VIRT_NONE_TEXT);
}

static int
start (const struct guest_source_env *env,
       const struct guest_source_config *cfg, void **ret_self,
       struct error *err)
{
  return error_set (err, ENOTSUP, VIRT_NONE_TEXT);
}

static void
nothing (void *self)
{
}

static void
describe (void *self, struct buf *out)
{
  buf_puts (out, VIRT_NONE_TEXT);
}

static bool
healthy (void *self)
{
  return false;
}

const struct guest_source_ops guest_source_libvirt = {
  .name = "libvirt",
  .summary = "not in this process: " VIRT_NONE_TEXT,
  .start = start,
  .refresh = nothing,
  .describe = describe,
  .healthy = healthy,
  .stop = nothing,
};
