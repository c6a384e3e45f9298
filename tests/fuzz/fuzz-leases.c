/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer target: lease files and ARP tables, whose names guests choose.
 * Whatever stands there, a claim is of a mac that was asked for, its address is
 * one that a guest may have, and the choice among them uses none twice.
 */
#include "guests/address_read.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define NOW 100000000u

static const char macs[][ADDRESS_MAC_TEXT]
    = { "52:54:00:00:00:0a", "52:54:00:00:00:0b" };

static void
check (const struct address_claims *all)
{
  for (size_t i = 0; i < all->n; i++)
    {
      const struct address_claim *c = &all->list[i];
      char ip[ADDRESS_TEXT];

      MUST (strcmp (c->mac, macs[0]) == 0 || strcmp (c->mac, macs[1]) == 0);
      MUST (address_clean (ip, c->ip) && strcmp (ip, c->ip) == 0);
      MUST (c->seen_ms <= NOW);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct address_claims claims = { .n = 0 };
  const struct address_reading r = { .out = &claims,
                                     .macs = macs,
                                     .nmacs = 2,
                                     .now_ms = NOW,
                                     .wall_ms = 1700000000000 };
  struct guest_nic nics[2] = { { .mac = "52:54:00:00:00:0a" },
                               { .mac = "52:54:00:00:00:0b" } };
  struct address_nic all[2]
      = { { .guest = 0, .nic = &nics[0] }, { .guest = 1, .nic = &nics[1] } };
  char *text = malloc (size ? size : 1);

  if (!text)
    return 0;
  memcpy (text, data, size);
  address_read_leases (&r, text, size);
  address_read_arp (&r, text, size);
  address_read_status (&r, text, size);
  check (&claims);
  address_claims_tidy (&claims, NOW);
  MUST (claims.n <= 2 * ADDRESS_MAX_OF_MAC);
  address_choose (all, 2, &claims, NULL, 0, NOW);
  MUST (!nics[0].ip[0] || strcmp (nics[0].ip, nics[1].ip) != 0);
  MUST (!nics[0].ip2[0] || strcmp (nics[0].ip2, nics[1].ip2) != 0);
  for (unsigned i = 0; i < 2; i++)
    MUST (!nics[i].lease[0] || address_clean ((char[ADDRESS_TEXT]){ "" },
                                              nics[i].lease));
  address_claims_done (&claims);
  free (text);
  return 0;
}
