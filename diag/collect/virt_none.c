/* SPDX-License-Identifier: Apache-2.0
 *
 * The collectors without libvirt: see guests/virt_rooms.h.
 */
#include "guests/virt_rooms.h"

#include "base/error.h"
#include "diag/collect/collect.h"

int
sysrq_press_libvirt_ (struct collect_ctx *ctx, const unsigned *codes,
                      unsigned n, unsigned hold_ms, struct error *err)
{
  return error_set (err, ENOTSUP, VIRT_NONE_TEXT);
}

int
gdb_resume_libvirt_ (struct collect_ctx *ctx, struct error *err)
{
  return error_set (err, ENOTSUP, VIRT_NONE_TEXT);
}

int
nmi_libvirt_ (struct collect_ctx *ctx, struct error *err)
{
  return error_set (err, ENOTSUP, VIRT_NONE_TEXT);
}
