/* SPDX-License-Identifier: Apache-2.0
 *
 * What collectors do to a guest through libvirt, which has a call of its own
 * for it: nothing is tainted.
 */
#include "diag/collect/collect.h"

#include "base/error.h"
#include "guests/virt.h"

int
gdb_resume_libvirt_ (struct collect_ctx *ctx, struct error *err)
{
  virDomainPtr dom;
  int rc = virt_domain (ctx->guest->host, &ctx->guest->inc, &dom, err);

  if (rc < 0)
    return rc;
  if (virDomainResume (dom) < 0)
    rc = virt_error (err, "letting the guest go on");
  virDomainFree (dom);
  return rc;
}

int
nmi_libvirt_ (struct collect_ctx *ctx, struct error *err)
{
  virDomainPtr dom;
  int rc = virt_domain (ctx->guest->host, &ctx->guest->inc, &dom, err);

  if (rc < 0)
    return rc;
  if (virDomainInjectNMI (dom, 0) < 0)
    rc = virt_error (err, "sending an NMI");
  virDomainFree (dom);
  return rc;
}
