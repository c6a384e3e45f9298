/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "net": network devices of all name spaces, whether they can send,
 * since when they cannot, and which addresses they have.
 */
#include "kernel/memory/look.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_SPACES 65536u
#define MAX_DEVICES 65536u
#define MAX_QUEUES 4096u
#define MAX_ADDRESSES 64u
#define ADDRESS_TEXT (INET6_ADDRSTRLEN + 8)
#define IFF_UP 1u

/* Bits of a device's state: started, and what it lacks. */
#define STATE_START (1u << 0)
#define STATE_PRESENT (1u << 1)
#define STATE_NO_CARRIER (1u << 2)
/* Of a queue's: stopped by the driver, by the amount that is under way, or
 * by the kernel. */
#define TX_DRIVER (1u << 0)
#define TX_STACK (1u << 1)
#define TX_FROZEN (1u << 2)

struct net
{
  struct look *l;
  unsigned spaces; /* that were begun */
  unsigned devices;
  struct look_ticks ticks; /* hz 0: not known */
  bool damaged;
  /* The addresses of one device: half a list is not told. */
  bool torn;
  unsigned naddresses;
  char addresses[2 * MAX_ADDRESSES][ADDRESS_TEXT];
};

static const char *
oper_name (uint64_t v)
{
  static const char *const names[]
      = { "unknown", "absent",  "down", "lower layer down",
          "testing", "dormant", "up" };

  return v < ARRAY_LEN (names) ? names[v] : "?";
}

/* The longest that a stopped queue has sent nothing. */
static void
say_queues (struct net *n, uint64_t dev)
{
  struct look *l = n->l;
  struct kernel *k = l->k;
  uint64_t tx, nr, state, at, age = 0;
  uint32_t each = 0, stopped = 0, frozen = 0, by_driver = 0;

  if (!kernel_get (k, dev, DEV_TX, &tx) || !tx
      || !kernel_get (k, dev, DEV_TX_N, &nr) || nr > MAX_QUEUES || !k->btf
      || !btf_sizeof (k->btf, "netdev_queue", &each) || each == 0
      || !kernel_has (k, TX_STATE))
    return;
  for (uint64_t i = 0; i < nr; i++)
    {
      uint64_t queue = tx + i * each;

      if (!kernel_get (k, queue, TX_STATE, &state)
          || !(state & (TX_DRIVER | TX_STACK | TX_FROZEN)))
        continue;
      stopped++;
      by_driver += (state & TX_DRIVER) != 0;
      frozen += (state & TX_FROZEN) != 0;
      if (n->ticks.hz && kernel_get (k, queue, TX_STARTED, &at)
          && at <= n->ticks.now && n->ticks.now - at > age)
        age = n->ticks.now - at;
    }
  rows_uint (l->rows, "tx_queues", nr);
  rows_uint (l->rows, "tx_stopped", stopped);
  if (by_driver)
    rows_uint (l->rows, "tx_stopped_by_driver", by_driver);
  if (frozen)
    rows_uint (l->rows, "tx_frozen", frozen);
  if (!stopped || !n->ticks.hz)
    return;
  rows_real (l->rows, "tx_silent_s", (double) age / n->ticks.hz, 3);
  if (kernel_get (k, dev, DEV_TIMEOUT, &at) && (at &= UINT32_MAX) > 0)
    rows_bool (l->rows, "tx_timed_out", by_driver && age > at);
}

/* ---- addresses ---- */

static bool
keep_address (struct net *n, int family, const void *bytes, uint64_t bits)
{
  char text[INET6_ADDRSTRLEN];

  if (n->naddresses == ARRAY_LEN (n->addresses))
    return false;
  inet_ntop (family, bytes, text, sizeof text);
  snprintf (n->addresses[n->naddresses++], ADDRESS_TEXT, "%s/%u", text,
            (unsigned) (bits & 255));
  return true;
}

/* A chain of its own, without a head.  False: it could not be followed. */
static bool
read_ip4 (struct net *n, uint64_t dev)
{
  struct kernel *k = n->l->k;
  uint64_t in, ifa, addr, bits;
  uint32_t local;

  if (!kernel_get (k, dev, DEV_IP4, &in))
    return false;
  if (!in)
    return true;
  if (!kernel_get (k, in, IN4_LIST, &ifa))
    return false;
  for (unsigned i = 0; ifa && i < MAX_ADDRESSES; i++)
    {
      if (!kernel_get (k, ifa, IFA4_LOCAL, &addr)
          || !kernel_get (k, ifa, IFA4_BITS, &bits))
        return false;
      local = (uint32_t) addr;
      if (!keep_address (n, AF_INET, &local, bits)
          || !kernel_get (k, ifa, IFA4_NEXT, &ifa))
        return false;
    }
  return true;
}

static bool
on_ip6 (uint64_t node, void *arg)
{
  struct net *n = arg;
  struct kernel *k = n->l->k;
  uint64_t ifa = node - k->fields.at[IFA6_LIST].offset, bits;
  unsigned char addr[16];

  n->torn = space_read (k->space, ifa + k->fields.at[IFA6_ADDR].offset, addr,
                        sizeof addr)
                < 0
            || !kernel_get (k, ifa, IFA6_BITS, &bits)
            || !keep_address (n, AF_INET6, addr, bits);
  return !n->torn;
}

static bool
read_ip6 (struct net *n, uint64_t dev)
{
  struct kernel *k = n->l->k;
  uint64_t in;

  if (!kernel_get (k, dev, DEV_IP6, &in))
    return false;
  n->torn = false;
  return !in
         || (kernel_list (k, in + k->fields.at[IN6_LIST].offset,
                          MAX_ADDRESSES, on_ip6, n)
                 != -EFAULT
             && !n->torn);
}

/* None is told as none only where it is known how they are kept. */
static void
say_addresses (struct net *n, uint64_t dev)
{
  static const enum field ip6[]
      = { DEV_IP6, IN6_LIST, IFA6_LIST, IFA6_ADDR, IFA6_BITS };
  struct kernel *k = n->l->k;
  bool knows_ip6 = true;

  if (!kernel_has (k, DEV_IP4) || !kernel_has (k, IN4_LIST)
      || !kernel_has (k, IFA4_NEXT) || !kernel_has (k, IFA4_LOCAL)
      || !kernel_has (k, IFA4_BITS))
    return;
  for (size_t i = 0; i < ARRAY_LEN (ip6); i++)
    knows_ip6 = knows_ip6 && kernel_has (k, ip6[i]);
  n->naddresses = 0;
  if (!read_ip4 (n, dev))
    return;
  if (knows_ip6 && !read_ip6 (n, dev))
    return;
  rows_array (n->l->rows, "addresses");
  for (unsigned i = 0; i < n->naddresses; i++)
    rows_str (n->l->rows, NULL, n->addresses[i]);
  rows_array_end (n->l->rows);
}

/* A list with somebody in it, at a member of the device. */
static bool
has_list (struct kernel *k, uint64_t dev, enum field f)
{
  uint64_t head = dev + k->fields.at[f].offset, next;

  return kernel_get (k, head, LIST_NEXT, &next) && next && next != head;
}

/* What is plugged in hangs on a bus; bonds, bridges, tunnels do not. */
static void
say_place (struct net *n, uint64_t dev)
{
  struct look *l = n->l;
  struct kernel *k = l->k;
  uint64_t parent;

  if (kernel_get (k, dev, DEV_PARENT, &parent))
    rows_bool (l->rows, "hardware", parent != 0);
  if (kernel_has (k, DEV_UPPER) && has_list (k, dev, DEV_UPPER))
    rows_bool (l->rows, "under", true);
  if (kernel_has (k, DEV_LOWER) && has_list (k, dev, DEV_LOWER))
    rows_bool (l->rows, "over", true);
}

static bool
on_device (uint64_t node, void *arg)
{
  struct net *n = arg;
  struct look *l = n->l;
  struct kernel *k = l->k;
  uint64_t dev = node - k->fields.at[DEV_LIST].offset, v, flags;
  char name[17] = "";
  size_t len = k->fields.at[DEV_NAME].size;

  if (++n->devices > MAX_DEVICES || rows_failed (l->rows))
    return false;
  if (!kernel_get (k, dev, DEV_FLAGS, &flags) || len == 0
      || len >= sizeof name
      || space_read (k->space, dev + k->fields.at[DEV_NAME].offset, name, len)
             < 0)
    return true;
  rows_begin (l->rows, "net");
  rows_str (l->rows, "name", name);
  if (kernel_get (k, dev, DEV_INDEX, &v))
    rows_uint (l->rows, "index", v);
  if (n->spaces > 1)
    rows_uint (l->rows, "space", n->spaces - 1);
  rows_bool (l->rows, "up", (flags & IFF_UP) != 0);
  if (kernel_get (k, dev, DEV_STATE, &v))
    {
      rows_bool (l->rows, "started", (v & STATE_START) != 0);
      rows_bool (l->rows, "carrier", (v & STATE_NO_CARRIER) == 0);
      if (!(v & STATE_PRESENT))
        rows_bool (l->rows, "present", false);
    }
  if (kernel_get (k, dev, DEV_OPERSTATE, &v))
    rows_str (l->rows, "state", oper_name (v & 255));
  if (kernel_get (k, dev, DEV_MTU, &v))
    rows_uint (l->rows, "mtu", v);
  say_place (n, dev);
  say_addresses (n, dev);
  say_queues (n, dev);
  rows_end (l->rows);
  return true;
}

static bool
on_space (uint64_t node, void *arg)
{
  struct net *n = arg;
  struct kernel *k = n->l->k;
  uint64_t net = node - k->fields.at[NET_LIST].offset;

  n->spaces++;
  if (kernel_list (k, net + k->fields.at[NET_DEVICES].offset, MAX_DEVICES,
                   on_device, n)
      < 0)
    n->damaged = true;
  return n->devices <= MAX_DEVICES && !rows_failed (n->l->rows);
}

static int
run (struct look *l, struct error *err)
{
  struct kernel *k = l->k;
  uint64_t head = kernel_var (k, "net_namespace_list");
  struct net n = { .l = l };

  if (!head || !kernel_has (k, NET_DEVICES) || !kernel_has (k, DEV_LIST))
    {
      look_lacks (l, "net", "all",
                  head ? "how network devices are made is not known"
                       : "no symbol net_namespace_list");
      return 0;
    }
  if (!look_ticks (l, &n.ticks))
    n.ticks.hz = 0;
  if (kernel_list (k, head, MAX_SPACES, on_space, &n) < 0 || n.damaged)
    look_lacks (l, "net", "some devices", "their list is damaged");
  return 0;
}

const struct section section_net = {
  .name = "net",
  .summary = "network devices: carrier, and queues that do not send",
  .cheap = true,
  .run = run,
};
