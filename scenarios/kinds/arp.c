/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind arp: who has the guest's address, asked on its interface of the host.
 * The guest's kernel answers, whatever its firewall thinks of pings; and who
 * else answers has taken its address.
 */
#include "scenarios/scenario_impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "transports/net/arp.h"
#include "transports/net/socket.h"

#include <math.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

struct own
{
  char *address;
  char *netns;
  char *interface;
};

static const struct json_field fields[] = {
  { .kind = JSON_GROUP, .sub = scenario_host_keys,
    .offset = offsetof (struct own, address) },
  { .kind = JSON_GROUP, .sub = scenario_netns_keys,
    .offset = offsetof (struct own, netns) },
  { .name = "interface", .kind = JSON_STRING,
    .offset = offsetof (struct own, interface), .min = 1, .max = IFNAMSIZ - 1,
    .help = "of the host: the bridge, or the guest's tap; default the tap" },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;
  int rc = scenario_check_host (at, own->address, true);

  if (rc >= 0)
    rc = scenario_check_netns (at, own->netns);
  if (rc >= 0 && own->interface && strpbrk (own->interface, "/ :"))
    rc = scenario_bad (at, "interface", "is no name of an interface");
  return rc;
}

/* The one that has the address, where that is known; else the first. */
static const char *
interface_of (const struct own *own, const struct guest *g, const char *ip,
              struct outcome_report *ret)
{
  const char *first = NULL;

  if (own->interface)
    return own->interface;
  for (unsigned i = 0; i < g->nnics; i++)
    {
      if (g->nics[i].ifname[0] && strcmp (g->nics[i].ip, ip) == 0)
        return g->nics[i].ifname;
      if (g->nics[i].ifname[0] && !first)
        first = g->nics[i].ifname;
    }
  if (!first)
    report_set (ret, OUTCOME_NO_VERDICT, "no-route",
                "no interface of the guest is on this host; name one as the "
                "scenario's interface");
  return first;
}

static void
judge (const struct arp_result *r, const char *ip, const char *ifname,
       struct outcome_report *ret)
{
  if (r->own || r->foreign)
    ret->value = (double) r->took_us / 1000;
  if (r->own && r->foreign)
    {
      report_set (ret, OUTCOME_FAILED, "arp-foreign",
                  "two have %s on %s: the guest (%s) and another (%s)", ip,
                  ifname, r->own_mac, r->foreign_mac);
      ret->way = WAY_ANSWERS;
    }
  else if (r->foreign)
    report_set (ret, OUTCOME_FAILED, "arp-foreign",
                "another than the guest has %s on %s: %s", ip, ifname,
                r->foreign_mac);
  else if (r->own)
    report_set (ret, OUTCOME_OK, "ok", "%s has %s", r->own_mac, ip);
  else
    report_set (ret, OUTCOME_FAILED, "timeout",
                "nobody on %s says that he has %s", ifname, ip);
}

static void
cost (const struct scenario *s, const struct transport_ops *way,
      struct scenario_cost *ret)
{
  ret->cpu_us = way->cpu_us;
  ret->network = 2 * 42;
}

static int
ask (const struct scenario *s, const struct guest *g,
     const struct transport_ops *way, const struct transport_env *env,
     struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  struct net_place place = net_place (env->opener, own->netns, g);
  struct outcome_report report = { .value = NAN };
  struct arp_check arp = { .at = &place, .guest = g };
  struct arp_result result;
  struct error why = ERROR_INIT;
  uint64_t begun = clock_ms ();
  char address[64];
  int rc;

  arp.address = scenario_host (own->address, true, g, address, sizeof address,
                               &report);
  if (arp.address)
    arp.ifname = interface_of (own, g, arp.address, &report);
  if (arp.address && arp.ifname)
    {
      rc = arp_ask (&arp, job_deadline (job), &result, &why);
      if (rc >= 0)
        judge (&result, arp.address, arp.ifname, &report);
      else if (judge_net (rc, &why, &report, err) < 0)
        return rc;
    }
  report.took_ms = clock_ms () - begun;
  *ret = report;
  return 0;
}

static const char *const uses[] = { "arp", NULL };

const struct scenario_kind kind_arp = {
  .name = "arp",
  .summary = "who has the guest's IPv4 address, and is it the guest",
  .transports = uses,
  .fields = fields,
  .own_size = sizeof (struct own),
  .check = check,
  .cost = cost,
  .ask = ask,
};
