/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets of a network namespace, echoes and ARP, between two namespaces of
 * its own: needs root and ip.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/opener.h"
#include "guests/guest.h"
#include "tests/lib/netns.h"
#include "transports/net/arp.h"
#include "transports/net/icmp.h"
#include "transports/net/socket.h"
#include "transports/net/tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

static bool has_six;

static struct net_place
blue (void)
{
  return net_place (opener_local (), "blue", NULL);
}

static struct net_place
here (void)
{
  return net_place (opener_local (), NULL, NULL);
}

/* ---- sockets ---- */

/* In blue, on its loopback. */
static int
listen_in_blue (char address[64])
{
  struct sockaddr_in sa = { .sin_family = AF_INET };
  socklen_t len = sizeof sa;
  int fd;

  assert_true (netns_enter (NETNS_BLUE));
  sa.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal (bind (fd, (struct sockaddr *) &sa, sizeof sa), 0);
  assert_int_equal (listen (fd, 4), 0);
  assert_int_equal (getsockname (fd, (struct sockaddr *) &sa, &len), 0);
  assert_true (netns_enter (NETNS_HERE));
  snprintf (address, 64, "127.0.0.1:%u", ntohs (sa.sin_port));
  return fd;
}

static int
connects (const struct net_place *at, const char *address, struct error *err)
{
  CLEANUP_CLOSE int fd = -1;

  return tcp_connect (at, address, clock_ms () + 20000, &fd, err);
}

static ino_t
where_am_i (void)
{
  struct stat sb;

  assert_int_equal (stat ("/proc/thread-self/ns/net", &sb), 0);
  return sb.st_ino;
}

static void
test_places (void **state)
{
  CLEANUP_CLOSE int listener = -1;
  struct net_place at = blue ();
  struct error err = ERROR_INIT;
  ino_t home = where_am_i ();
  char address[64];

  listener = listen_in_blue (address);
  assert_int_equal (connects (&at, address, &err), 0);
  assert_int_equal (where_am_i (), home);
  assert_int_equal (connects (NULL, address, &err), -ECONNREFUSED);
  at = here ();
  assert_int_equal (connects (&at, address, &err), -ECONNREFUSED);
  /* That it is not there is not what is asked there. */
  at.netns = "red";
  assert_int_equal (connects (&at, address, &err), -ENONET);
  assert_int_equal (err.code, ENONET);
  assert_non_null (strstr (error_text (&err), "red"));
  at.netns = "../netns/blue";
  assert_int_equal (connects (&at, address, &err), -ENONET);
  at.netns = "blue";
  at.opener = NULL;
  assert_int_equal (connects (&at, address, &err), -ENONET);
  assert_int_equal (where_am_i (), home);
}

static void
test_guests_own (void **state)
{
  CLEANUP_CLOSE int listener = -1;
  struct guest g = { .name = "vm" };
  struct error err = ERROR_INIT;
  struct net_place at;
  char address[64], c = 0;
  int ready[2];
  pid_t pid;

  assert_int_equal (pipe (ready), 0);
  listener = listen_in_blue (address);
  pid = fork ();
  if (pid == 0)
    {
      if (netns_enter (NETNS_BLUE) && write (ready[1], "x", 1) == 1)
        pause ();
      _exit (1);
    }
  assert_int_equal (read (ready[0], &c, 1), 1);
  at = net_place (opener_local (), NET_GUEST, &g);
  assert_int_equal (connects (&at, address, &err), -ENONET);
  g.inc.pid = pid;
  assert_int_equal (proc_start_time (pid, &g.inc.start_time, &err), 0);
  at = net_place (opener_local (), NET_GUEST, &g);
  assert_int_equal (connects (&at, address, &err), 0);
  /* Another process has that number by now. */
  at.start++;
  assert_int_equal (connects (&at, address, &err), -ENONET);
  kill (pid, SIGKILL);
  waitpid (pid, NULL, 0);
  at.start--;
  assert_int_equal (connects (&at, address, &err), -ENONET);
  close (ready[0]);
  close (ready[1]);
}

/* Of what nobody asks for. */
static void
test_requests (void **state)
{
  static const struct open_req bad[] = {
    { .root = "/", .path = "host" },
    { .root = "/", .path = "host", .socket = OPEN_SOCKET_MAX },
    { .root = "/", .path = "other", .socket = OPEN_SOCKET_TCP },
    { .root = "/run", .path = "netns/blue", .socket = OPEN_SOCKET_TCP },
    { .root = "/run/netns", .path = "a/b", .socket = OPEN_SOCKET_TCP },
    { .root = "/proc", .path = "1/mem", .socket = OPEN_SOCKET_TCP },
    { .root = "/", .path = "host", .socket = OPEN_SOCKET_ARP },
    { .root = "/", .path = "host", .socket = OPEN_SOCKET_ARP, .ifname = "" },
    { .root = "/", .path = "host", .socket = OPEN_SOCKET_ARP, .ifname = "a/b" },
    { .root = "/", .path = "host", .socket = OPEN_SOCKET_ARP,
      .ifname = "sixteen-bytes-xx" },
    { .root = "/", .path = "host", .socket = OPEN_SOCKET_ARP, .ifname = "hd0",
      .six = true },
    { .root = "/", .path = "host", .socket = OPEN_SOCKET_UDP,
      .ifname = "hd0" },
  };
  struct error err = ERROR_INIT;
  int fd = -1;

  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    {
      struct open_req req = bad[i];

      req.kind = OPEN_SOCKET;
      if (open_req_check (&req, NULL, &err) >= 0
          || opener_do (&req, &fd, NULL, &err) >= 0)
        fail_msg ("request %zu was let pass", i);
    }
  assert_int_equal (fd, -1);
}

/* What it can hear stays fixed, whoever has it. */
static void
filter_is_fixed (int fd)
{
  int off = 0;

  assert_int_equal (setsockopt (fd, SOL_SOCKET, SO_DETACH_FILTER, &off,
                                sizeof off),
                    -1);
  assert_int_equal (errno, EPERM);
}

static void
test_fixed (void **state)
{
  struct net_place at = blue ();
  struct error err = ERROR_INIT;
  int fd;

  assert_int_equal (net_socket (&at, OPEN_SOCKET_ECHO, false, NULL,
                                clock_ms () + 20000, &fd, &err),
                    0);
  filter_is_fixed (fd);
  close (fd);
  assert_int_equal (net_socket (&at, OPEN_SOCKET_ARP, false, "hd1",
                                clock_ms () + 20000, &fd, &err),
                    0);
  filter_is_fixed (fd);
  close (fd);
}

/* ---- echoes ---- */

static int
echo (const struct net_place *at, const char *address, uint64_t ms,
      struct icmp_result *ret)
{
  struct icmp_check check = { .at = at, .address = address, .count = 3,
                              .interval_ms = 10, .wait_ms = ms, .bytes = 56 };
  struct error err = ERROR_INIT;

  return icmp_ask (&check, clock_ms () + 60000, ret, &err);
}

static void
test_echo (void **state)
{
  struct net_place at = here ();
  struct icmp_result r;

  /* First without, then with sockets that the kernel numbers. */
  for (unsigned i = 0; i < 2; i++)
    {
      assert_int_equal (echo (&at, "192.0.2.9", 20000, &r), 0);
      assert_int_equal (r.sent, 3);
      assert_int_equal (r.received, 3);
      assert_int_equal (r.foreign, 0);
      assert_true (r.least_us <= r.mean_us && r.mean_us <= r.most_us);
      if (has_six)
        {
          assert_int_equal (echo (&at, "2001:db8::9", 20000, &r), 0);
          assert_int_equal (r.received, 3);
        }
      assert_int_equal (
          netns_sh ("echo 0 0 >/proc/sys/net/ipv4/ping_group_range"), 0);
    }
  assert_int_equal (
      netns_sh ("echo 1 0 >/proc/sys/net/ipv4/ping_group_range"), 0);
  /* From there, nobody is at ours but ourselves. */
  at = blue ();
  assert_int_equal (echo (&at, "192.0.2.1", 20000, &r), 0);
  assert_int_equal (r.received, 3);
  assert_int_equal (echo (&at, "198.51.100.7", 10, &r), -ENETUNREACH);
}

static void
test_nobody (void **state)
{
  struct net_place at = here ();
  struct icmp_result r;

  assert_int_equal (echo (&at, "192.0.2.77", 20000, &r), 0);
  assert_int_equal (r.received, 0);
  assert_int_equal (r.refused, EHOSTUNREACH);
}

struct liar
{
  pthread_t thread;
  atomic_bool stop;
};

/* Echo replies that nobody has asked for, from the right address. */
static void *
lie (void *arg)
{
  struct liar *l = arg;
  struct sockaddr_in to = { .sin_family = AF_INET };
  unsigned char packet[64] = { ICMP_ECHOREPLY };
  int fd;

  if (!netns_enter (NETNS_BLUE))
    return NULL;
  fd = socket (AF_INET, SOCK_RAW, IPPROTO_ICMP);
  inet_pton (AF_INET, "192.0.2.1", &to.sin_addr);
  packet[2] = 0xff; /* its sum: all but the type are zero */
  packet[3] = 0xff;
  while (!atomic_load (&l->stop))
    {
      struct pollfd none = { .fd = -1 };

      (void) !sendto (fd, packet, sizeof packet, 0, (struct sockaddr *) &to,
                      sizeof to);
      poll (&none, 1, 2);
    }
  close (fd);
  return NULL;
}

static void
test_liar (void **state)
{
  struct net_place at = here ();
  struct liar l = { .stop = false };
  struct icmp_result r;

  assert_int_equal (
      netns_sh ("ip netns exec blue sh -c "
                "'echo 1 >/proc/sys/net/ipv4/icmp_echo_ignore_all'"),
      0);
  assert_int_equal (pthread_create (&l.thread, NULL, lie, &l), 0);
  do
    assert_int_equal (echo (&at, "192.0.2.9", 100, &r), 0);
  while (r.foreign == 0);
  atomic_store (&l.stop, true);
  pthread_join (l.thread, NULL);
  assert_int_equal (r.received, 0);
  assert_int_equal (
      netns_sh ("ip netns exec blue sh -c "
                "'echo 0 >/proc/sys/net/ipv4/icmp_echo_ignore_all'"),
      0);
}

/* ---- ARP ---- */

static int
who_has (const char *ifname, const char *address, const char *mac,
         uint64_t ms, struct arp_result *ret)
{
  struct net_place at = here ();
  struct guest_nic nic = { .ip = "" };
  struct guest g = { .nnics = 1, .nics = &nic };
  struct arp_check check = { .at = &at, .ifname = ifname, .address = address,
                             .guest = &g };
  struct error err = ERROR_INIT;

  snprintf (nic.mac, sizeof nic.mac, "%s", mac);
  return arp_ask (&check, clock_ms () + ms, ret, &err);
}

static void
test_arp (void **state)
{
  struct arp_result r;

  assert_int_equal (who_has ("hd0", "192.0.2.9", BLUE_MAC, 60000, &r), 0);
  assert_true (r.own);
  assert_false (r.foreign);
  assert_string_equal (r.own_mac, BLUE_MAC);
  assert_int_equal (who_has ("hd0", "192.0.2.9", "52:54:00:00:00:0A", 60000,
                             &r),
                    0);
  assert_false (r.own);
  assert_true (r.foreign);
  assert_string_equal (r.foreign_mac, BLUE_MAC);
  assert_int_equal (who_has ("hd0", "192.0.2.77", BLUE_MAC, 100, &r), 0);
  assert_false (r.own || r.foreign);
  assert_int_equal (who_has ("hd7", "192.0.2.9", BLUE_MAC, 100, &r), -ENODEV);
  assert_int_equal (who_has ("lo", "192.0.2.9", BLUE_MAC, 100, &r), -ENODEV);
}

/* Who asks is noted down by nobody: he has no address. */
static void
test_arp_leaves_nothing (void **state)
{
  struct arp_result r;

  assert_int_equal (netns_sh ("ip -n blue neigh flush dev hd1"), 0);
  assert_int_equal (who_has ("hd0", "192.0.2.9", BLUE_MAC, 60000, &r), 0);
  assert_true (r.own);
  assert_int_equal (
      netns_sh ("ip -4 -n blue neigh show dev hd1 | grep -q lladdr"), 1);
}

/* A bridge takes what arrives at its ports, as it does of a guest's tap. */
static void
test_arp_on_port (void **state)
{
  struct arp_result r;

  if (netns_sh ("ip link add br0 type bridge 2>/dev/null") != 0)
    skip ();
  assert_int_equal (netns_sh ("ip link set hd0 master br0 && ip link set br0 "
                              "up"),
                    0);
  assert_int_equal (who_has ("hd0", "192.0.2.9", BLUE_MAC, 60000, &r), 0);
  assert_true (r.own);
  assert_int_equal (netns_sh ("ip link del br0"), 0);
  assert_int_equal (netns_sh ("ip link set hd0 down"), 0);
  assert_int_equal (who_has ("hd0", "192.0.2.9", BLUE_MAC, 100, &r),
                    -ENETDOWN);
  assert_int_equal (netns_sh ("ip link set hd0 up"), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_places),
    cmocka_unit_test (test_guests_own),
    cmocka_unit_test (test_requests),
    cmocka_unit_test (test_fixed),
    cmocka_unit_test (test_echo),
    cmocka_unit_test (test_nobody),
    cmocka_unit_test (test_liar),
    cmocka_unit_test (test_arp),
    cmocka_unit_test (test_arp_leaves_nothing),
    cmocka_unit_test (test_arp_on_port),
  };

  if (!netns_make ())
    {
      printf ("skipped: needs root, ip, and network namespaces\n");
      return 77;
    }
  has_six = netns_sh ("ip -6 addr show dev hd0 | grep -q 2001:db8") == 0;
  return cmocka_run_group_tests (tests, NULL, NULL);
}
