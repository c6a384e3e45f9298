/* SPDX-License-Identifier: Apache-2.0
 *
 * Pressing keys through libvirt, which has a call of its own for it.
 */
#include "diag/collect/collect.h"

#include "base/error.h"
#include "guests/virt.h"

int
sysrq_press_libvirt_ (struct collect_ctx *ctx, const unsigned *codes,
                      unsigned n, unsigned hold_ms, struct error *err)
{
  virDomainPtr dom;
  unsigned keys[8];
  int rc = virt_domain (ctx->guest->host, &ctx->guest->inc, &dom, err);

  if (rc < 0)
    return rc;
  for (unsigned i = 0; i < n && i < 8; i++)
    keys[i] = codes[i];
  /* The loop stops a diagnosis when the guest boots anew in one process. */
  if (collect_over (ctx))
    rc = error_set (err, ECANCELED, "told to stop before the key was pressed");
  else if (virDomainSendKey (dom, VIR_KEYCODE_SET_LINUX, hold_ms, keys,
                             (int) n, 0)
           < 0)
    rc = virt_error (err, "pressing keys");
  virDomainFree (dom);
  return rc;
}
