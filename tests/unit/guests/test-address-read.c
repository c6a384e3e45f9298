/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses: how lease files, ARP tables and EVE's words are read, also hostile
 * ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/opener.h"
#include "guests/address.h"
#include "guests/address_read.h"

#include <stdio.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAC_A "52:54:00:00:00:0a"
#define MAC_B "52:54:00:00:00:0b"
#define NOW 100000000u

struct bed
{
  struct address_claims claims;
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

static const char macs[][ADDRESS_MAC_TEXT] = { MAC_A, MAC_B };

static struct address_reading
reading (struct bed *b)
{
  return (struct address_reading){ .out = &b->claims,
                                   .macs = macs,
                                   .nmacs = 2,
                                   .now_ms = NOW,
                                   .wall_ms = 1700000000000 };
}

static void
assert_claims (struct bed *b, const char *want)
{
  char got[1024] = "";

  for (size_t i = 0; i < b->claims.n; i++)
    snprintf (got + strlen (got), sizeof got - strlen (got), "%s%s %s %s",
              i ? "; " : "", address_from_names[b->claims.list[i].from],
              b->claims.list[i].mac + 15, b->claims.list[i].ip);
  assert_string_equal (got, want);
  b->claims.n = 0;
}

#define LEASES(text) address_read_leases (&r, text, strlen (text))
#define ARP(text) address_read_arp (&r, text, strlen (text))
#define STATUS(text) address_read_status (&r, text, strlen (text))

static void
reads_leases (void **state)
{
  struct bed *b = *state;
  struct address_reading r = reading (b);

  LEASES ("1700000001 " MAC_A " 192.0.2.7 web 01:" MAC_A "\n"
          "0 52:54:00:00:00:0B 192.0.2.8 * *\n"
          "1699999999 " MAC_A " 192.0.2.9 late *\n"
          "1700000001 52:54:00:00:00:0c 192.0.2.10 another *\n"
          "duid 00:01:00:01:2c\n"
          "1700000001 11223344 2001:db8::7 six 00:01\n");
  assert_int_equal (b->claims.list[0].until_s, 1700000001);
  assert_true (b->claims.list[1].until_s == ADDRESS_FOR_EVER);
  assert_claims (b, "lease 0a 192.0.2.7; lease 0b 192.0.2.8");
  /* A name that looks like a line is one word of it. */
  LEASES ("0 " MAC_A " 127.0.0.1 * *\n0 " MAC_A " 192.0.2.7\n"
          "x " MAC_A " 192.0.2.7 a *\n"
          "99999999999999999999 " MAC_A " 192.0.2.7 a *\n"
          "0\t" MAC_B "  192.0.2.8\ta\n\n \n");
  assert_claims (b, "lease 0a 192.0.2.7; lease 0b 192.0.2.8");
  /* Half a line: 192.0.2.70 is somebody else's. */
  LEASES ("0 " MAC_A " 192.0.2.7");
  assert_claims (b, "");
}

/* Of an address that a guest says it has it counts who has it, and no more. */
static void
reads_whose_an_address_is (void **state)
{
  static const char ips[][ADDRESS_TEXT] = { "192.0.2.10" };
  struct bed *b = *state;
  struct address_reading r = reading (b);

  r.ips = ips;
  r.nips = 1;
  LEASES ("0 52:54:00:00:00:0c 192.0.2.10 another *\n"
          "0 52:54:00:00:00:0c 192.0.2.11 another *\n");
  ARP ("192.0.2.10 0x1 0x2 52:54:00:00:00:0d * virbr0\n");
  assert_claims (b, "lease 0c 192.0.2.10; neighbour 0d 192.0.2.10");
}

static void
reads_arp (void **state)
{
  struct bed *b = *state;
  struct address_reading r = reading (b);

  ARP ("IP address       HW type     Flags       HW address            Mask     "
       "Device\n"
       "192.0.2.7        0x1         0x2         " MAC_A "     *        virbr0\n"
       "192.0.2.8        0x1         0x0         " MAC_B "     *        virbr0\n"
       "192.0.2.9        0x1         0x6         " MAC_B "     *        virbr0\n"
       "192.0.2.10       0x1         0x2         " MAC_B "\n");
  assert_claims (b, "neighbour 0a 192.0.2.7; neighbour 0b 192.0.2.9");
}

static void
reads_status (void **state)
{
  struct bed *b = *state;
  struct address_reading r = reading (b);

  STATUS ("[{\"ip-address\":\"192.0.2.7\",\"mac-address\":\"" MAC_A "\","
          "\"hostname\":\"web\",\"expiry-time\":1700000001},"
          "{\"ip-address\":\"192.0.2.8\",\"mac-address\":\"" MAC_B "\","
          "\"expiry-time\":1699999999},"
          "{\"ip-address\":7,\"mac-address\":[]},7,null,"
          "{\"ip-address\":\"2001:db8::8\",\"mac-address\":\"" MAC_B "\"}]");
  assert_claims (b, "lease 0a 192.0.2.7; lease 0b 2001:db8::8");
  STATUS ("{}");
  STATUS ("[{\"ip-address\":\"192.0.2.7\"");
  STATUS ("");
  assert_claims (b, "");
}

/* Long words, no words, NUL, no end. */
static void
survives_bytes (void **state)
{
  struct bed *b = *state;
  struct address_reading r = reading (b);
  CLEANUP_FREE char *big = malloc (70000);
  unsigned seed = 1;

  memset (big, 'a', 70000);
  big[69999] = '\n';
  address_read_leases (&r, big, 70000);
  for (unsigned i = 0; i < 70000; i++)
    big[i] = i % 2 ? ' ' : '1';
  big[69999] = '\n';
  address_read_leases (&r, big, 70000);
  address_read_arp (&r, big, 70000);
  for (unsigned round = 0; round < 50; round++)
    {
      for (unsigned i = 0; i < 4000; i++)
        {
          seed = seed * 1103515245 + 12345;
          big[i] = (char) (seed >> 16);
        }
      address_read_leases (&r, big, 4000);
      address_read_arp (&r, big, 4000);
      address_read_status (&r, big, 4000);
    }
  address_read_leases (&r, "0 " MAC_A " 192.0.2.7\0.8 *\n", 33);
  assert_true (b->claims.n <= 1);
}

static void
reads_files (void **state)
{
  struct bed *b = *state;
  struct address_reading r = reading (b);
  char dir[] = "/tmp/test-address.XXXXXX", path[80];
  static const char *const files[][2]
      = { { "virbr0.leases", "0 " MAC_A " 192.0.2.7 * *\n" },
          { "virbr1.status", "[{\"ip-address\":\"192.0.2.8\","
                             "\"mac-address\":\"" MAC_B "\"}]" },
          { "notes.txt", "0 " MAC_A " 192.0.2.99 * *\n" } };

  assert_non_null (mkdtemp (dir));
  for (unsigned i = 0; i < ARRAY_LEN (files); i++)
    {
      FILE *f;

      snprintf (path, sizeof path, "%s/%s", dir, files[i][0]);
      f = fopen (path, "w");
      assert_non_null (f);
      fputs (files[i][1], f);
      fclose (f);
    }
  snprintf (path, sizeof path, "%s/pipe.leases", dir);
  assert_int_equal (mkfifo (path, 0600), 0);
  assert_true (address_read_path (&r, opener_local (), dir, clock_ms () + 60000,
                                  NULL)
               < 0);
  assert_int_equal (b->claims.n, 2);
  b->claims.n = 0;
  unlink (path);
  snprintf (path, sizeof path, "%s/virbr0.leases", dir);
  assert_int_equal (address_read_path (&r, opener_local (), path,
                                       clock_ms () + 60000, NULL),
                    0);
  assert_claims (b, "lease 0a 192.0.2.7");
  for (unsigned i = 0; i < ARRAY_LEN (files); i++)
    {
      snprintf (path, sizeof path, "%s/%s", dir, files[i][0]);
      unlink (path);
    }
  rmdir (dir);
  assert_int_equal (address_read_path (&r, opener_local (), dir,
                                       clock_ms () + 60000, NULL),
                    0);
  assert_claims (b, "");
}

/* As the keeper: in a folder that it was told, and no other. */
static const char *keepers_root;

static int
open_as_keeper (struct opener *self, const struct open_req *req,
                uint64_t deadline, int *ret_fd, int *ret_lock,
                struct error *err)
{
  const char *const roots[] = { keepers_root, NULL };
  int rc = open_req_check (req, roots, err);

  return rc < 0 ? rc : opener_do (req, ret_fd, ret_lock, err);
}

/* EVE has a folder of that name, with a file by the name of each bridge. */
static void
reads_a_folder_of_leases (void **state)
{
  struct bed *b = *state;
  struct address_reading r = reading (b);
  struct opener keeper = { .open = open_as_keeper };
  char dir[] = "/tmp/test-address.XXXXXX", folder[60], path[80];
  char below[80];
  FILE *f;

  assert_non_null (mkdtemp (dir));
  keepers_root = dir;
  snprintf (below, sizeof below, "%s/./dnsmasq.leases", dir);
  /* It comes later, and is none until then. */
  assert_int_equal (address_read_path (&r, &keeper, below, clock_ms () + 5000,
                                       NULL),
                    0);
  assert_claims (b, "");
  snprintf (folder, sizeof folder, "%s/dnsmasq.leases", dir);
  assert_int_equal (mkdir (folder, 0700), 0);
  snprintf (path, sizeof path, "%s/bn1", folder);
  f = fopen (path, "w");
  assert_non_null (f);
  fputs ("0 " MAC_A " 192.0.2.7 * *\n", f);
  fclose (f);
  assert_int_equal (address_read_path (&r, opener_local (), folder,
                                       clock_ms () + 5000, NULL),
                    0);
  assert_claims (b, "lease 0a 192.0.2.7");
  b->claims.n = 0;
  assert_int_equal (address_read_path (&r, &keeper, below, clock_ms () + 5000,
                                       NULL),
                    0);
  assert_claims (b, "lease 0a 192.0.2.7");
  b->claims.n = 0;
  /* A file beneath a root; and what is not beneath it stays shut. */
  strncat (below, "/bn1", sizeof below - strlen (below) - 1);
  assert_int_equal (address_read_path (&r, &keeper, below, clock_ms () + 5000,
                                       NULL),
                    0);
  assert_claims (b, "lease 0a 192.0.2.7");
  assert_int_equal (address_read_path (&r, &keeper, folder, clock_ms () + 5000,
                                       NULL),
                    -EACCES);
  unlink (path);
  rmdir (folder);
  rmdir (dir);
}

/* The kernel's own: whatever there is, it is told. */
static void
asks_the_kernel (void **state)
{
  struct bed *b = *state;
  struct address_reading r = reading (b);
  char own[8][ADDRESS_TEXT];

  assert_int_equal (address_read_neighbours (&r, NULL), 0);
  assert_true (address_read_own (own, 8) <= 8);
  assert_true (address_read_process (&r, getpid (), 1, NULL) < 0);
}

#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (reads_leases),
    T (reads_whose_an_address_is),
    T (reads_arp),
    T (reads_status),
    T (survives_bytes),
    T (reads_files),
    T (reads_a_folder_of_leases),
    T (asks_the_kernel),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
