/* SPDX-License-Identifier: Apache-2.0
 *
 * What keeps a guest off its network, by its own devices: none there, one that
 * is down, that has no link, that sends nothing, or that lost its address.
 *
 * A guest may have devices that it does not use, so this is no finding by
 * itself: it is a reason where somebody was not answered.  Devices of other
 * name spaces are containers', if they are not hardware that was given away.
 * Nor need hardware have the address: a tunnel, a switch (OVS), or a device
 * that stands for the whole guest (dummy, lo) may.
 */
#include "diag/outside/outside_impl.h"

#include "base/cleanup.h"
#include "base/fact.h"

#include <fnmatch.h>

#define MAX_DEVICES 1024

/* The stronger comes later. */
enum amiss
{
  NOTHING,
  NO_ROUTE, /* to whoever is not beside it */
  NO_IPV4, /* none of its devices has one, which may be as it should */
  NO_ADDRESS_ABOVE, /* nor has what is stacked on it, as far as is seen */
  PUT_DOWN_ABOVE, /* the same of one that is none of hardware */
  NO_ADDRESS,
  NO_DEVICE,
  DOWN,
  MUTE,
  NO_LINK,
  PUT_DOWN, /* it has kept its address, so somebody wanted it */
  AMISS_MAX,
};

static const char *const words[AMISS_MAX] = {
  [NOTHING] = "nothing",
  [NO_ROUTE] = "no-route",
  [NO_IPV4] = "no-ipv4",
  [NO_ADDRESS_ABOVE] = "no-address-above",
  [PUT_DOWN_ABOVE] = "down",
  [NO_ADDRESS] = "no-address",
  [NO_DEVICE] = "no-device",
  [DOWN] = "down",
  [MUTE] = "mute",
  [NO_LINK] = "no-link",
  [PUT_DOWN] = "down",
};

static const char *const says[AMISS_MAX] = {
  [NO_ROUTE] = "no default route: whoever is not beside it gets no answer",
  [NO_IPV4] = "device %s is up and has no IPv4 address",
  [NO_ADDRESS_ABOVE]
  = "device %s is up, and nothing above it has an address",
  [PUT_DOWN_ABOVE] = "device %s is down, and has kept its address",
  [NO_ADDRESS] = "device %s is up and has no address",
  [NO_DEVICE] = "no network device: the guest has none of its own",
  [DOWN] = "device %s is down",
  [MUTE] = "device %s is up, and sends nothing",
  [NO_LINK] = "device %s has no carrier: its link is down",
  [PUT_DOWN] = "device %s is down, and has kept its address",
};

struct seen
{
  bool addressed; /* one that is stacked on others has an address */
  bool elsewhere; /* it has one on what is no hardware: ppp0, br-ex, dummy0 */
  bool ipv4; /* one of them has such an address */
  unsigned devices, up; /* of all name spaces: one may have been given away */
  unsigned well;
  enum amiss worst;
  struct json_object *who;
};

static bool
is (struct json_object *row, const char *key)
{
  return json_get_bool (row, key, false);
}

/* A device gives itself one of these, of its own link or of none. */
static bool
is_own (const char *address)
{
  return strncmp (address, "fe80:", 5) == 0
         || strncmp (address, "169.254.", 8) == 0
         || strncmp (address, "127.", 4) == 0
         || strcmp (address, "::1/128") == 0;
}

static bool
has_address (struct json_object *row, bool ipv4)
{
  struct json_object *list = json_get (row, "addresses");

  for (size_t i = 0; i < len_of (list); i++)
    {
      struct json_object *a = json_object_array_get_idx (list, i);
      const char *text = json_object_get_string (a);

      if (json_object_is_type (a, json_type_string) && !is_own (text)
          && !(ipv4 && strchr (text, ':')))
        return true;
    }
  return false;
}

static enum amiss
of_address (const struct seen *s, struct json_object *row)
{
  if (!json_get (row, "addresses") || (is (row, "under") && s->addressed))
    return NOTHING;
  if (!has_address (row, false))
    return s->elsewhere          ? NOTHING
           : is (row, "under") ? NO_ADDRESS_ABOVE
                               : NO_ADDRESS;
  return s->ipv4 ? NOTHING : NO_IPV4;
}

static enum amiss
of_device (const struct seen *s, struct json_object *row)
{
  bool hardware = is (row, "hardware");

  if (!is (row, "up"))
    return has_address (row, false) ? hardware ? PUT_DOWN : PUT_DOWN_ABOVE
           : hardware               ? DOWN
                                    : NOTHING;
  if (!hardware)
    return NOTHING;
  if (json_get (row, "carrier") && !is (row, "carrier"))
    return NO_LINK;
  return is (row, "tx_timed_out") ? MUTE : of_address (s, row);
}

static bool
is_its_own (struct json_object *row)
{
  return num_of (row, "space") == 0 && strcmp (str_of (row, "name"), "lo") != 0;
}

static struct json_object *
next_of_its_own (const struct outside *o, size_t *i)
{
  struct json_object *row;

  while ((row = outside_next_ (o, "net", i)))
    if (is_its_own (row))
      return row;
  return NULL;
}

/* Has an address for its containers and guests, or one that packets reach only
 * through another device that has one: with such it is not on its network. */
static bool
is_for_others (const char *name)
{
  static const char *const patterns[]
      = { "docker*",  "br-????????????", "virbr*",    "vnet*",  "lxcbr*",
          "lxdbr*",   "incusbr*",        "podman*",   "cni*",   "nerdctl*",
          "cbr0",     "veth*",           "cali*",     "vxlan*", "flannel*",
          "cilium*",  "weave",           "kube-*",    "nodelocaldns",
          "antrea-*", "ovn-k8s-*",       "wg*",       "tailscale*" };

  for (size_t i = 0; i < ARRAY_LEN (patterns); i++)
    if (fnmatch (patterns[i], name, 0) == 0)
      return true;
  return false;
}

static void
count_one (struct json_object *row, struct seen *s)
{
  bool hardware = is (row, "hardware"), up = is (row, "up");
  bool reached = up && has_address (row, false)
                 && !is_for_others (str_of (row, "name"));

  s->devices += hardware;
  s->up += hardware && up;
  s->addressed = s->addressed || (is (row, "over") && reached);
  if (num_of (row, "space") != 0)
    return;
  s->elsewhere = s->elsewhere
                 || (!hardware && !is (row, "over") && reached
                     && (!json_get (row, "carrier") || is (row, "carrier")));
  s->ipv4 = s->ipv4 || has_address (row, true);
}

static void
count (const struct outside *o, struct seen *s)
{
  struct json_object *row;
  size_t i = 0;

  for (unsigned n = 0;
       n < MAX_DEVICES && (row = outside_next_ (o, "net", &i)); n++)
    count_one (row, s);
}

/* Routes are known, and none is for all else. */
static bool
lost_route (const struct outside *o)
{
  struct json_object *row;
  bool known = false;
  size_t i = 0;

  while ((row = outside_next_ (o, "route", &i)))
    {
      known = true;
      if (is (row, "default"))
        return false;
    }
  return known;
}

static void
look_at_all (const struct outside *o, struct seen *s)
{
  struct json_object *row;
  size_t i = 0;

  count (o, s);
  if (s->devices == 0)
    s->worst = NO_DEVICE;
  else if (s->ipv4 && lost_route (o))
    s->worst = NO_ROUTE;
  for (unsigned n = 0; n < MAX_DEVICES && (row = next_of_its_own (o, &i)); n++)
    {
      enum amiss amiss = of_device (s, row);

      s->well += amiss <= NO_IPV4 && is (row, "hardware");
      /* One that nobody has begun to use is no news beside one that is up. */
      if ((amiss == DOWN && s->up > 0) || amiss <= s->worst)
        continue;
      s->worst = amiss;
      s->who = row;
    }
}

void
outside_network_facts (const struct outside *o, const char *source,
                       const struct incarnation *inc, outside_fact_fn *fn,
                       void *arg)
{
  struct buf text CLEANUP_BUF = BUF_INIT (FACT_TEXT_MAX);
  struct seen s = { 0 };
  bool known = false;
  struct json_object *row;
  struct fact f;

  for (size_t i = 0; !known && (row = outside_next_ (o, "net", &i));)
    known = json_get (row, "hardware") != NULL;
  if (!known)
    return;
  look_at_all (o, &s);
  fact_text (&f, inc, "net.amiss", source, words[s.worst],
             strlen (words[s.worst]));
  fn (&f, arg);
  fact_int (&f, inc, "net.devices_well", source, s.well);
  fn (&f, arg);
  if (s.worst == NOTHING)
    return;
  buf_printf (&text, says[s.worst], s.who ? str_of (s.who, "name") : "");
  fact_text (&f, inc, "net.culprit", source, buf_str (&text), text.len);
  fn (&f, arg);
}
