/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses: which texts are some, who is believed, and what two guests claim.
 * How they are read is test-address-read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "guests/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAC_A "52:54:00:00:00:0a"
#define MAC_B "52:54:00:00:00:0b"
#define NOW 100000000u

/* ---- texts ---- */

static void
only_addresses_of_guests (void **state)
{
  static const char *const bad[]
      = { NULL,        "",          "127.0.0.1", "127.9.9.9",
          "0.0.0.0",   "0.1.2.3",   "224.0.0.1", "239.255.255.250",
          "240.0.0.1", "255.255.255.255", "::", "::1",
          "::ffff:192.0.2.1", "::127.0.0.1", "ff02::1", "fe80::1",
          "febf::1", "fe80::1%eth0", "192.0.2", "192.0.2.1 ",
          " 192.0.2.1", "192.0.2.1/24", "192.0.2.01x", "name",
          "2001:db8::g", "192.0.2.1\n", "1.2.3.4.5" };
  static const char *const good[][2]
      = { { "192.0.2.7", "192.0.2.7" },
          { "169.254.1.1", "169.254.1.1" },
          { "2001:DB8:0:0::7", "2001:db8::7" },
          { "fd00::1", "fd00::1" } };
  char ip[ADDRESS_TEXT] = "as it was";

  for (unsigned i = 0; i < ARRAY_LEN (bad); i++)
    if (address_clean (ip, bad[i]))
      fail_msg ("\"%s\" is taken for \"%s\"", bad[i], ip);
  assert_string_equal (ip, "as it was");
  for (unsigned i = 0; i < ARRAY_LEN (good); i++)
    {
      assert_true (address_clean (ip, good[i][0]));
      assert_string_equal (ip, good[i][1]);
    }
}

static void
only_macs_of_one (void **state)
{
  static const char *const bad[]
      = { NULL, "", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff",
          "01:00:5e:00:00:01", "52:54:00:00:00", "52:54:00:00:00:0a:",
          "52-54-00-00-00-0a", "52:54:00:00:00:0g", "525400:00:00:0a:00" };
  char mac[ADDRESS_MAC_TEXT] = "";

  for (unsigned i = 0; i < ARRAY_LEN (bad); i++)
    if (address_clean_mac (mac, bad[i]))
      fail_msg ("\"%s\" is taken for \"%s\"", bad[i], mac);
  assert_true (address_clean_mac (mac, "52:54:00:AB:CD:EF"));
  assert_string_equal (mac, "52:54:00:ab:cd:ef");
}

/* ---- the choice ---- */

struct bed
{
  struct address_claims claims;
  struct guest_nic nics[4];
  struct address_nic all[4];
  size_t n;
};

static int
setup (void **state)
{
  *state = calloc (1, sizeof (struct bed));
  return 0;
}

static int
teardown (void **state)
{
  address_claims_done (&((struct bed *) *state)->claims);
  free (*state);
  return 0;
}

static struct guest_nic *
has (struct bed *b, unsigned guest, const char *mac)
{
  struct guest_nic *nic = &b->nics[b->n];

  snprintf (nic->mac, sizeof nic->mac, "%s", mac);
  b->all[b->n++] = (struct address_nic){ .guest = guest, .nic = nic };
  return nic;
}

static void
claim (struct bed *b, const char *mac, const char *ip, enum address_from from,
       uint64_t age_ms)
{
  struct address_claim c = { .from = from, .seen_ms = NOW - age_ms };

  assert_true (address_clean_mac (c.mac, mac));
  assert_true (address_clean (c.ip, ip));
  address_claim_add (&b->claims, &c);
}

static void
choose (struct bed *b)
{
  static const char *const own[] = { "192.0.2.1", "2001:db8::1" };

  address_claims_tidy (&b->claims, NOW);
  address_choose (b->all, b->n, &b->claims, own, ARRAY_LEN (own), NOW);
}

#define assert_nic(nic, a, a2, from, no)                                      \
  do                                                                          \
    {                                                                         \
      assert_string_equal ((nic)->ip, a);                                     \
      assert_string_equal ((nic)->ip2, a2);                                   \
      assert_string_equal ((nic)->ip_from, from);                             \
      assert_string_equal ((nic)->refused, no);                               \
    }                                                                         \
  while (0)

static void
believes_in_order (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A);

  choose (b);
  assert_nic (a, "", "", "", "");
  claim (b, MAC_A, "192.0.2.9", ADDRESS_ARP, 0);
  choose (b);
  assert_nic (a, "192.0.2.9", "", "arp", "");
  claim (b, MAC_A, "192.0.2.8", ADDRESS_NEIGHBOUR, 0);
  claim (b, MAC_A, "2001:db8::8", ADDRESS_NEIGHBOUR, 0);
  choose (b);
  assert_nic (a, "192.0.2.8", "2001:db8::8", "neighbour", "");
  claim (b, MAC_A, "192.0.2.7", ADDRESS_LEASE, 0);
  choose (b);
  assert_nic (a, "192.0.2.7", "2001:db8::8", "lease", "");
  b->all[0].label = "192.0.2.6";
  choose (b);
  assert_nic (a, "192.0.2.6", "2001:db8::8", "label", "");
  b->all[0].label = "my server";
  choose (b);
  assert_nic (a, "192.0.2.7", "2001:db8::8", "lease", "");
  /* As its source says, nobody else is asked. */
  snprintf (a->ip_from, sizeof a->ip_from, "eve");
  snprintf (a->ip, sizeof a->ip, "10.1.0.2");
  snprintf (a->ip2, sizeof a->ip2, "fd00::2");
  choose (b);
  assert_nic (a, "10.1.0.2", "fd00::2", "eve", "");
}

static void
takes_what_was_seen_last (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, "52:54:00:00:00:0A");

  claim (b, MAC_A, "192.0.2.7", ADDRESS_NEIGHBOUR, 5000);
  claim (b, MAC_A, "192.0.2.8", ADDRESS_NEIGHBOUR, 1000);
  claim (b, MAC_A, "192.0.2.9", ADDRESS_NEIGHBOUR, 9000);
  claim (b, MAC_B, "192.0.2.3", ADDRESS_NEIGHBOUR, 0);
  choose (b);
  assert_nic (a, "192.0.2.8", "", "neighbour", "");
  /* Seen again: the same claim, and the latest. */
  claim (b, MAC_A, "192.0.2.9", ADDRESS_NEIGHBOUR, 0);
  choose (b);
  assert_int_equal (b->claims.n, 4);
  assert_nic (a, "192.0.2.9", "", "neighbour", "");
}

static void
lease (struct bed *b, const char *mac, const char *ip, uint64_t until_s)
{
  claim (b, mac, ip, ADDRESS_LEASE, 0);
  b->claims.list[b->claims.n - 1].until_s = until_s;
}

/* A guest that was installed anew has two until the old one runs out. */
static void
the_lease_that_lives_longer (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A);

  lease (b, MAC_A, "192.0.2.3", 1700000100);
  lease (b, MAC_A, "192.0.2.9", 1700003600);
  lease (b, MAC_A, "192.0.2.5", 1700000200);
  choose (b);
  assert_nic (a, "192.0.2.9", "", "lease", "");
  /* Told again, and renewed by then. */
  lease (b, MAC_A, "192.0.2.5", 1700007200);
  choose (b);
  assert_int_equal (b->claims.n, 3);
  assert_nic (a, "192.0.2.5", "", "lease", "");
  lease (b, MAC_A, "192.0.2.4", ADDRESS_FOR_EVER);
  choose (b);
  assert_nic (a, "192.0.2.4", "", "lease", "");
}

/* B has had an address leased to A's mac, and answers there itself: that it is
 * not what B is asked at is no matter. */
static void
where_another_was_seen_is_nobodys (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A), *o = has (b, 1, MAC_B);

  lease (b, MAC_A, "192.0.2.7", 1700007200);
  lease (b, MAC_B, "192.0.2.9", 1700003600);
  claim (b, MAC_B, "192.0.2.7", ADDRESS_NEIGHBOUR, ADDRESS_OLD_MS);
  choose (b);
  assert_nic (a, "", "", "lease", "192.0.2.7");
  assert_nic (o, "192.0.2.9", "", "lease", "");
  /* Nor what the owner or the source says. */
  b->all[0].label = "192.0.2.7";
  choose (b);
  assert_nic (a, "", "", "label", "192.0.2.7");
  b->all[0].label = NULL;
  snprintf (a->ip_from, sizeof a->ip_from, "eve");
  snprintf (a->ip, sizeof a->ip, "192.0.2.7");
  choose (b);
  assert_nic (a, "", "", "eve", "192.0.2.7");
  address_copy (a, &(struct guest_nic){ .ip2 = "" });
  /* Who has gone answers nobody. */
  b->n = 1;
  choose (b);
  assert_nic (a, "192.0.2.7", "", "lease", "");
  /* Nor do two cards of one guest stand against each other. */
  b->n = 2;
  b->all[1].guest = 0;
  choose (b);
  assert_nic (a, "192.0.2.7", "", "lease", "");
}

static void
that_is_long_ago (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A);

  has (b, 1, MAC_B);
  lease (b, MAC_A, "192.0.2.7", 1700007200);
  lease (b, MAC_B, "192.0.2.9", 1700003600);
  claim (b, MAC_B, "192.0.2.7", ADDRESS_NEIGHBOUR, ADDRESS_OLD_MS + 1);
  choose (b);
  assert_nic (a, "192.0.2.7", "", "lease", "");
}

static void
what_a_guest_says_of_itself (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A), *o = has (b, 1, MAC_B);

  claim (b, MAC_A, "192.0.2.7", ADDRESS_AGENT, 0);
  claim (b, MAC_A, "2001:db8::7", ADDRESS_AGENT, 0);
  choose (b);
  assert_nic (a, "192.0.2.7", "2001:db8::7", "agent", "");
  /* The host's own is never one. */
  claim (b, MAC_B, "192.0.2.1", ADDRESS_AGENT, 0);
  choose (b);
  assert_nic (o, "", "", "", "");
  /* Two that say the same are not known from each other. */
  claim (b, MAC_B, "192.0.2.7", ADDRESS_AGENT, 0);
  choose (b);
  assert_nic (a, "2001:db8::7", "", "agent", "192.0.2.7");
  assert_nic (o, "", "", "agent", "192.0.2.7");
  /* What the host knows is better, also of another guest, which does not lose
   * it by that. */
  claim (b, MAC_B, "192.0.2.7", ADDRESS_ARP, 0);
  choose (b);
  assert_nic (a, "2001:db8::7", "", "agent", "192.0.2.7");
  assert_nic (o, "192.0.2.7", "", "arp", "");
  claim (b, MAC_A, "192.0.2.5", ADDRESS_NEIGHBOUR, 0);
  choose (b);
  assert_nic (a, "192.0.2.5", "2001:db8::7", "neighbour", "");
}

static void
what_it_says_is_another_ones (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A), *o = has (b, 1, MAC_B);

  /* Overheard long ago, or leased and not its best: it is the other one's. */
  claim (b, MAC_A, "192.0.2.7", ADDRESS_AGENT, 0);
  claim (b, MAC_B, "192.0.2.7", ADDRESS_NEIGHBOUR, ADDRESS_OLD_MS + 1);
  choose (b);
  assert_nic (a, "", "", "agent", "192.0.2.7");
  assert_nic (o, "192.0.2.7", "", "neighbour", "");
  b->claims.n = 0;
  claim (b, MAC_A, "192.0.2.8", ADDRESS_AGENT, 0);
  lease (b, MAC_B, "192.0.2.8", 1700000000);
  lease (b, MAC_B, "192.0.2.9", 1700000001);
  choose (b);
  assert_nic (a, "", "", "agent", "192.0.2.8");
  assert_nic (o, "192.0.2.9", "", "lease", "");
}

/* Nor is it that of a machine that is no guest. */
static void
what_it_says_is_a_strangers (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A);

  claim (b, "52:54:00:00:00:77", "192.0.2.77", ADDRESS_NEIGHBOUR, 0);
  claim (b, MAC_A, "192.0.2.77", ADDRESS_AGENT, 0);
  choose (b);
  assert_nic (a, "", "", "agent", "192.0.2.77");
  /* Of who is known here that is no matter. */
  claim (b, MAC_A, "192.0.2.77", ADDRESS_LEASE, 0);
  choose (b);
  assert_nic (a, "192.0.2.77", "", "lease", "");
}

static void
what_two_claim_is_nobodys (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A), *o = has (b, 1, MAC_B);

  claim (b, MAC_A, "192.0.2.7", ADDRESS_LEASE, 0);
  claim (b, MAC_B, "192.0.2.7", ADDRESS_NEIGHBOUR, 0);
  choose (b);
  assert_nic (a, "", "", "lease", "192.0.2.7");
  assert_nic (o, "", "", "neighbour", "192.0.2.7");
  /* Of an address of the other family nothing is said. */
  claim (b, MAC_A, "2001:db8::7", ADDRESS_LEASE, 0);
  choose (b);
  assert_nic (a, "2001:db8::7", "", "lease", "192.0.2.7");
  /* The other one goes. */
  b->n = 1;
  choose (b);
  assert_nic (a, "192.0.2.7", "2001:db8::7", "lease", "");
}

static void
its_source_is_no_better_then (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A), *o = has (b, 1, MAC_B);

  snprintf (a->ip_from, sizeof a->ip_from, "eve");
  snprintf (a->ip, sizeof a->ip, "10.1.0.2");
  claim (b, MAC_B, "10.1.0.2", ADDRESS_NEIGHBOUR, 0);
  for (unsigned i = 0; i < 3; i++)
    {
      /* Also from what was found the last time. */
      choose (b);
      assert_nic (a, "", "", "eve", "10.1.0.2");
      assert_nic (o, "", "", "neighbour", "10.1.0.2");
    }
  b->n = 1;
  choose (b);
  assert_nic (a, "10.1.0.2", "", "eve", "");
}

static void
two_nics_of_one_guest_may (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 3, MAC_A), *o = has (b, 3, MAC_B);

  claim (b, MAC_A, "192.0.2.7", ADDRESS_LEASE, 0);
  claim (b, MAC_B, "192.0.2.7", ADDRESS_NEIGHBOUR, 0);
  choose (b);
  assert_nic (a, "192.0.2.7", "", "lease", "");
  assert_nic (o, "192.0.2.7", "", "neighbour", "");
}

static void
what_is_old_does_not_stand_against_now (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A), *o = has (b, 1, MAC_B);

  claim (b, MAC_A, "192.0.2.7", ADDRESS_NEIGHBOUR, ADDRESS_OLD_MS + 1);
  claim (b, MAC_B, "192.0.2.7", ADDRESS_LEASE, 0);
  choose (b);
  assert_nic (a, "", "", "neighbour", "192.0.2.7");
  assert_nic (o, "192.0.2.7", "", "lease", "");
  /* A lease is never old: it says itself how long it holds. */
  claim (b, MAC_A, "192.0.2.7", ADDRESS_LEASE, ADDRESS_OLD_MS + 1);
  choose (b);
  assert_nic (o, "", "", "lease", "192.0.2.7");
}

static void
both_old (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A), *o = has (b, 1, MAC_B);

  claim (b, MAC_A, "192.0.2.7", ADDRESS_NEIGHBOUR, ADDRESS_OLD_MS + 1);
  claim (b, MAC_B, "192.0.2.7", ADDRESS_NEIGHBOUR, ADDRESS_OLD_MS + 2);
  choose (b);
  assert_nic (a, "", "", "neighbour", "192.0.2.7");
  assert_nic (o, "", "", "neighbour", "192.0.2.7");
}

static void
the_hosts_own_is_no_guests (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A), *o = has (b, 1, MAC_B);

  claim (b, MAC_A, "192.0.2.1", ADDRESS_NEIGHBOUR, 0);
  snprintf (o->ip_from, sizeof o->ip_from, "eve");
  snprintf (o->ip, sizeof o->ip, "192.0.2.1");
  for (unsigned i = 0; i < 2; i++)
    {
      choose (b);
      assert_nic (a, "", "", "", "");
      assert_nic (o, "", "", "eve", "192.0.2.1");
    }
}

static void
one_mac_twice (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A), *o = has (b, 1, MAC_A);

  claim (b, MAC_A, "192.0.2.7", ADDRESS_LEASE, 0);
  choose (b);
  assert_nic (a, "", "", "lease", "192.0.2.7");
  assert_nic (o, "", "", "lease", "192.0.2.7");
}

static void
a_guest_that_claims_all (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A);
  struct guest_nic *o = has (b, 1, MAC_B);
  char ip[ADDRESS_TEXT];

  claim (b, MAC_B, "10.0.7.7", ADDRESS_LEASE, 0);
  for (unsigned i = 1; i < 20000; i++)
    {
      snprintf (ip, sizeof ip, "10.0.%u.%u", i / 256, i % 256);
      claim (b, MAC_A, ip, ADDRESS_NEIGHBOUR, 1 + i % 7);
    }
  assert_true (b->claims.n <= ADDRESS_MAX_CLAIMS);
  assert_true (b->claims.dropped > 0);
  choose (b);
  assert_int_equal (b->claims.n, ADDRESS_MAX_OF_MAC + 1);
  assert_true (a->ip[0]);
  /* It costs others no more than what is kept of it. */
  assert_nic (o, "10.0.7.7", "", "lease", "");
}

static void
old_ones_go (void **state)
{
  struct bed *b = *state;

  claim (b, MAC_A, "192.0.2.7", ADDRESS_NEIGHBOUR, ADDRESS_KEPT_MS + 1);
  claim (b, MAC_A, "192.0.2.8", ADDRESS_NEIGHBOUR, ADDRESS_KEPT_MS);
  choose (b);
  assert_int_equal (b->claims.n, 1);
  assert_string_equal (b->claims.list[0].ip, "192.0.2.8");
}

/* ---- snapshots ---- */

static struct guest *
a_guest (const char *ip, const char *from, const char *refused)
{
  struct guest *g = guest_new ();

  g->nnics = 1;
  snprintf (g->nics[0].mac, sizeof g->nics[0].mac, MAC_A);
  snprintf (g->nics[0].ip, sizeof g->nics[0].ip, "%s", ip);
  snprintf (g->nics[0].ip_from, sizeof g->nics[0].ip_from, "%s", from);
  snprintf (g->nics[0].refused, sizeof g->nics[0].refused, "%s", refused);
  return g;
}

static void
goes_on_in_snapshots (void **state)
{
  static const struct
  {
    const char *was[3], *now[3], *then[3];
  } cases[] = {
    /* What others found stays. */
    { { "192.0.2.7", "lease", "" }, { "", "", "" }, { "192.0.2.7", "lease", "" } },
    { { "", "lease", "192.0.2.7" }, { "", "", "" }, { "", "lease", "192.0.2.7" } },
    /* What its source said, and does not say any more, goes. */
    { { "10.1.0.2", "eve", "" }, { "", "", "" }, { "", "", "" } },
    { { "10.1.0.2", "eve", "" }, { "10.1.0.3", "eve", "" }, { "10.1.0.3", "eve", "" } },
    { { "192.0.2.7", "lease", "" }, { "10.1.0.3", "eve", "" }, { "10.1.0.3", "eve", "" } },
    /* And what is not its own is not, until it is known to be. */
    { { "", "eve", "10.1.0.2" }, { "10.1.0.2", "eve", "" }, { "", "eve", "10.1.0.2" } },
    { { "", "eve", "10.1.0.2" }, { "10.1.0.3", "eve", "" }, { "10.1.0.3", "eve", "" } },
  };

  for (unsigned i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct guest *was
          = a_guest (cases[i].was[0], cases[i].was[1], cases[i].was[2]);
      struct guest *now
          = a_guest (cases[i].now[0], cases[i].now[1], cases[i].now[2]);

      address_follow (was, now);
      assert_nic (&now->nics[0], cases[i].then[0], "", cases[i].then[1],
                  cases[i].then[2]);
      guest_unref (was);
      guest_unref (now);
    }
}

/* Whoever is believed about the address, the lease is known; also when it is
 * not listed any more, and in the next snapshot. */
static void
a_lease_is_remembered (void **state)
{
  struct bed *b = *state;
  struct guest_nic *a = has (b, 0, MAC_A), next = { .mac = MAC_A };
  struct guest was = { .nnics = 1, .nics = a }, g = { .nnics = 1,
                                                      .nics = &next };

  choose (b);
  assert_string_equal (a->lease, "");
  assert_false (a->lease_gone);
  claim (b, MAC_A, "192.0.2.7", ADDRESS_LEASE, 0);
  b->claims.list[0].until_s = 900;
  claim (b, MAC_A, "192.0.2.8", ADDRESS_LEASE, 0);
  b->claims.list[1].until_s = 500;
  claim (b, MAC_B, "192.0.2.9", ADDRESS_LEASE, 0);
  choose (b);
  assert_string_equal (a->lease, "192.0.2.7");
  assert_int_equal (a->lease_until_s, 900);
  /* Of the address that it has. */
  snprintf (a->ip_from, sizeof a->ip_from, "eve");
  snprintf (a->ip, sizeof a->ip, "192.0.2.8");
  choose (b);
  assert_string_equal (a->lease, "192.0.2.8");
  assert_int_equal (a->lease_until_s, 500);
  assert_false (a->lease_gone);
  b->claims.n = 0;
  choose (b);
  assert_string_equal (a->lease, "192.0.2.8");
  assert_int_equal (a->lease_until_s, 500);
  assert_true (a->lease_gone);
  address_follow (&was, &g);
  assert_string_equal (next.lease, "192.0.2.8");
  assert_true (next.lease_gone);
}

#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (only_addresses_of_guests),
    T (only_macs_of_one),
    T (believes_in_order),
    T (takes_what_was_seen_last),
    T (the_lease_that_lives_longer),
    T (where_another_was_seen_is_nobodys),
    T (that_is_long_ago),
    T (what_a_guest_says_of_itself),
    T (what_it_says_is_another_ones),
    T (what_it_says_is_a_strangers),
    T (what_two_claim_is_nobodys),
    T (its_source_is_no_better_then),
    T (two_nics_of_one_guest_may),
    T (what_is_old_does_not_stand_against_now),
    T (both_old),
    T (the_hosts_own_is_no_guests),
    T (one_mac_twice),
    T (a_guest_that_claims_all),
    T (old_ones_go),
    T (goes_on_in_snapshots),
    T (a_lease_is_remembered),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
