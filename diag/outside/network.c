/* SPDX-License-Identifier: Apache-2.0
 *
 * What keeps a guest off its network, by its own devices: none there, one that
 * is down, that has no link, that sends nothing, or that lost its address.
 *
 * A guest may have devices that it does not use, so this is no finding by
 * itself: it is a reason where somebody was not answered.  Devices of other
 * name spaces are containers'.
 */
#include "diag/outside/outside_impl.h"

#include "base/cleanup.h"
#include "base/fact.h"

#define MAX_DEVICES 1024

/* The stronger comes later. */
enum amiss
{
  NOTHING,
  NO_ROUTE, /* to whoever is not beside it */
  NO_IPV4, /* none of its devices has one, which may be as it should */
  NO_ADDRESS,
  NO_DEVICE,
  DOWN,
  MUTE,
  NO_LINK,
  PUT_DOWN, /* it has kept its address, so somebody wanted it */
  AMISS_MAX,
};

static const char *const words[AMISS_MAX] = {
  [NOTHING] = "nothing",       [NO_ROUTE] = "no-route",
  [NO_IPV4] = "no-ipv4",       [NO_ADDRESS] = "no-address",
  [NO_DEVICE] = "no-device",   [DOWN] = "down",
  [MUTE] = "mute",             [NO_LINK] = "no-link",
  [PUT_DOWN] = "down",
};

static const char *const says[AMISS_MAX] = {
  [NO_ROUTE] = "no default route: whoever is not beside it gets no answer",
  [NO_IPV4] = "device %s is up and has no IPv4 address",
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
  bool ipv4; /* one of them has such an address */
  unsigned devices, up, well;
  enum amiss worst;
  struct json_object *who;
};

static bool
is (struct json_object *row, const char *key)
{
  return json_get_bool (row, key, false);
}

/* Only of its own link a device gives itself one of these. */
static bool
is_link_local (const char *address)
{
  return strncmp (address, "fe80:", 5) == 0
         || strncmp (address, "169.254.", 8) == 0;
}

static bool
has_address (struct json_object *row, bool ipv4)
{
  struct json_object *list = json_get (row, "addresses");

  for (size_t i = 0; i < len_of (list); i++)
    {
      struct json_object *a = json_object_array_get_idx (list, i);
      const char *text = json_object_get_string (a);

      if (json_object_is_type (a, json_type_string) && !is_link_local (text)
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
    return NO_ADDRESS;
  return s->ipv4 ? NOTHING : NO_IPV4;
}

static enum amiss
of_device (const struct seen *s, struct json_object *row)
{
  bool hardware = is (row, "hardware");

  if (!is (row, "up"))
    return has_address (row, false) ? PUT_DOWN : hardware ? DOWN : NOTHING;
  if (!hardware)
    return NOTHING;
  if (json_get (row, "carrier") && !is (row, "carrier"))
    return NO_LINK;
  return is (row, "tx_timed_out") ? MUTE : of_address (s, row);
}

static struct json_object *
next_of_its_own (const struct outside *o, size_t *i)
{
  struct json_object *row;

  while ((row = outside_next_ (o, "net", i)))
    if (num_of (row, "space") == 0 && strcmp (str_of (row, "name"), "lo") != 0)
      return row;
  return NULL;
}

static void
count (const struct outside *o, struct seen *s)
{
  struct json_object *row;
  size_t i = 0;

  for (unsigned n = 0; n < MAX_DEVICES && (row = next_of_its_own (o, &i)); n++)
    {
      s->devices += is (row, "hardware");
      s->up += is (row, "hardware") && is (row, "up");
      s->addressed = s->addressed
                     || (is (row, "over") && is (row, "up")
                         && has_address (row, false));
      s->ipv4 = s->ipv4 || has_address (row, true);
    }
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
