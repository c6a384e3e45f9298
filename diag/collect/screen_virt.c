/* SPDX-License-Identifier: Apache-2.0
 *
 * A picture of a display through libvirt, which has a call of its own for it.
 */
#include "diag/collect/screen.h"

#include "base/error.h"
#include "guests/virt.h"

#include <stdlib.h>

static int
receive (struct collect_ctx *ctx, virStreamPtr st, struct buf *out,
         struct error *err)
{
  char piece[65536];
  int n;

  while (!out->cut && !collect_over (ctx))
    {
      n = virStreamRecv (st, piece, sizeof piece);
      if (n < 0)
        return virt_error (err, "a picture of the display");
      if (n == 0)
        return virStreamFinish (st) < 0
                   ? virt_error (err, "a picture of the display")
                   : 0;
      buf_append (out, piece, (size_t) n);
    }
  virStreamAbort (st);
  return error_set (err, out->cut ? EMSGSIZE : ETIMEDOUT,
                    "a picture of the display");
}

int
screen_libvirt_ (struct collect_ctx *ctx, struct buf *out, struct error *err)
{
  virDomainPtr dom;
  virStreamPtr st;
  char *mime;
  int rc = virt_domain (ctx->guest->host, &ctx->guest->inc, &dom, err);

  if (rc < 0)
    return rc;
  st = virStreamNew (virDomainGetConnect (dom), 0);
  mime = st ? virDomainScreenshot (dom, st, 0, 0) : NULL;
  rc = mime ? receive (ctx, st, out, err)
            : virt_error (err, "a picture of the display");
  free (mime);
  if (st)
    virStreamFree (st);
  virDomainFree (dom);
  return rc;
}
