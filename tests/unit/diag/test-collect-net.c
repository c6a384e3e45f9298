/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector net, of what it says that it could not get.  Whom it asks is
 * played; the host's interfaces are real.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "collect-bed.h"

#include "transports/net/arp.h"
#include "transports/net/icmp.h"
#include "transports/net/tcp.h"

int
tcp_check (const struct tcp_check *check, uint64_t deadline,
           struct tcp_result *ret, struct error *err)
{
  return error_set (err, ECONNREFUSED, "as played");
}

int
arp_ask (const struct arp_check *check, uint64_t deadline,
         struct arp_result *ret, struct error *err)
{
  return error_set (err, ENODEV, "the interface %s: as played",
                    check->ifname);
}

int
icmp_ask (const struct icmp_check *check, uint64_t deadline,
          struct icmp_result *ret, struct error *err)
{
  return error_set (err, EPERM, "as played");
}

/* That it has no interface here is said once; that a bridge has gone from
 * under its tap is another matter. */
static void
test_elsewhere (void **state)
{
  struct guest g = guest ();
  struct haul *h;

  g.nnics = 1;
  snprintf (g.nics[0].ifname, sizeof g.nics[0].ifname, "bn77");
  snprintf (g.nics[0].ip, sizeof g.nics[0].ip, "192.0.2.9");
  h = collected (&collect_net, &g, NULL, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "no network interface"));
  assert_null (strstr (buf_str (&h->gaps), "net/arp"));
  haul_free (h);
  snprintf (g.nics[0].ifname, sizeof g.nics[0].ifname, "lo");
  h = collected (&collect_net, &g, NULL, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "net/arp"));
  haul_free (h);
}

int
main (void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test (test_elsewhere) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
