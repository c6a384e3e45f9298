/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses by libvirt: the leases of its networks, and its host's ARP table.
 *
 * The leases are asked by network, since that is one call for all guests; the
 * ARP table by domain, since libvirt has no other, so only of those of whom
 * nothing better is known.
 */
#include "guests/virt_address.h"

#include "base/error.h"
#include "base/job.h"
#include "guests/virt.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdlib.h>

#define MAX_NETWORKS 64

static void
leases_of (virNetworkPtr net, const struct address_reading *r)
{
  virNetworkDHCPLeasePtr *all = NULL;
  int n = virNetworkGetDHCPLeases (net, NULL, &all, 0);

  for (int i = 0; i < n; i++)
    {
      address_found_lease (r, all[i]->mac, all[i]->ipaddr, all[i]->expirytime);
      virNetworkDHCPLeaseFree (all[i]);
    }
  free (all);
}

static int
all_leases (virConnectPtr conn, const struct job *job,
            const struct address_reading *r, struct error *err)
{
  virNetworkPtr *nets = NULL;
  int n = virConnectListAllNetworks (conn, &nets,
                                     VIR_CONNECT_LIST_NETWORKS_ACTIVE);

  if (n < 0)
    return virt_error (err, "networks");
  for (int i = 0; i < n; i++)
    {
      if (i < MAX_NETWORKS && !job_stopping (job))
        leases_of (nets[i], r);
      virNetworkFree (nets[i]);
    }
  free (nets);
  return 0;
}

static void
overheard_of (virDomainPtr dom, const struct address_reading *r)
{
  virDomainInterfacePtr *all = NULL;
  int n = virDomainInterfaceAddresses (
      dom, &all, VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP, 0);

  for (int i = 0; i < n; i++)
    {
      for (unsigned k = 0; k < all[i]->naddrs; k++)
        address_found (r, ADDRESS_ARP, all[i]->hwaddr, all[i]->addrs[k].addr,
                       0);
      virDomainInterfaceFree (all[i]);
    }
  free (all);
}

int
virt_addresses (const char *uri, const char (*uuids)[UUID_TEXT], size_t n,
                const struct job *job, const struct address_reading *r,
                struct error *err)
{
  virConnectPtr conn = NULL;
  int rc = virt_connect (uri, VIRT_ASK, &conn, err);

  if (rc < 0)
    return rc;
  /* A host without networks of libvirt's has an ARP table. */
  rc = all_leases (conn, job, r, err);
  for (size_t i = 0; i < n && !job_stopping (job); i++)
    {
      virDomainPtr dom = virDomainLookupByUUIDString (conn, uuids[i]);

      if (!dom)
        continue;
      overheard_of (dom, r);
      virDomainFree (dom);
    }
  virResetLastError ();
  virConnectClose (conn);
  return rc == -ENOTSUP ? 0 : rc;
}
