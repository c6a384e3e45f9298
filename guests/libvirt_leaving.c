/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether domains that began to migrate still do, in a job's thread.
 *
 * Of a migration that is given up libvirt (9.0) sends no event, and a guest
 * that is taken for one on its way is not watched.  To ask may mean to wait
 * for its QEMU: hence a job and a connection apart from those that look.
 */
#include "guests/libvirt.h"

#include "base/job.h"
#include "guests/virt.h"

#include <libvirt/virterror.h>

static bool
is_over (virConnectPtr conn, const char *uuid)
{
  virDomainPtr dom = virDomainLookupByUUIDString (conn, uuid);
  virDomainJobInfo info;
  bool over;

  if (!dom)
    return virt_error (&(struct error){ 0 }, uuid) == -ENOENT;
  over = virDomainGetJobInfo (dom, &info) == 0
         && info.type == VIR_DOMAIN_JOB_NONE;
  virDomainFree (dom);
  virResetLastError ();
  return over;
}

int
libvirt_leaving_run (struct job *job, void *leaving)
{
  struct libvirt_leaving *l = leaving;
  struct error why = ERROR_INIT;
  virConnectPtr conn = NULL;
  int r = virt_borrow (l->uri, &conn, &why);

  if (r < 0)
    return r;
  for (unsigned i = 0; i < l->asked.n && !job_stopping (job); i++)
    if (is_over (conn, l->asked.uuids[i]))
      libvirt_set_add (&l->over, l->asked.uuids[i]);
  virt_return (l->uri, conn);
  return 0;
}
