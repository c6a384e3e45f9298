/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind icmp: echoes.  A kernel answers them by itself: who answers has a
 * living network, and nothing is said of what runs in it.
 */
#include "scenarios/scenario_impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "transports/net/icmp.h"
#include "transports/net/socket.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* For the last one. */
#define WAIT_MS 1000

struct own
{
  char *address;
  char *netns;
  int64_t count, bytes, max_loss;
  uint64_t spacing_ms, max_rtt_ms;
};

#define AT(member) .offset = offsetof (struct own, member)

static const struct own defaults
    = { .count = 3, .bytes = 56, .max_loss = 50, .spacing_ms = 200 };

static const struct json_field fields[] = {
  { .kind = JSON_GROUP, .sub = scenario_host_keys, AT (address) },
  { .kind = JSON_GROUP, .sub = scenario_netns_keys, AT (netns) },
  { .name = "count", .kind = JSON_INT, AT (count), .min = 1,
    .max = ICMP_MAX_COUNT, .help = "echoes for one check; default 3" },
  { .name = "spacing", .kind = JSON_DURATION, AT (spacing_ms), .min = 10,
    .max = 5000, .help = "from one to the next; default 200ms" },
  { .name = "bytes", .kind = JSON_INT, AT (bytes), .min = 24,
    .max = ICMP_MAX_BYTES, .help = "of data in each; default 56" },
  { .name = "max-loss", .kind = JSON_INT, AT (max_loss), .min = 0, .max = 99,
    .help = "percent that may be lost; default 50" },
  { .name = "max-rtt", .kind = JSON_DURATION, AT (max_rtt_ms), .min = 1,
    .max = 60000,
    .help = "the slowest may take so long; default as long as it likes" },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;
  int rc = scenario_check_host (at, own->address, false);

  if (rc >= 0)
    rc = scenario_check_netns (at, own->netns);
  if (rc >= 0 && (uint64_t) (own->count - 1) * own->spacing_ms
                     >= s->timeout_ms)
    rc = scenario_bad (at, "spacing",
                       "so many echoes so far apart take longer than the "
                       "timeout");
  return rc;
}

static void
judge (const struct own *own, const char *address,
       const struct icmp_result *r, struct outcome_report *ret)
{
  unsigned asked = (unsigned) own->count;
  unsigned lost = asked - r->received;
  double most = (double) r->most_us / 1000;

  if (r->received)
    ret->value = (double) r->mean_us / 1000;
  if (r->received == 0 && r->refused)
    report_set (ret, OUTCOME_FAILED, "unreachable", "%s: %s", address,
                strerror (r->refused));
  else if (r->received == 0)
    report_set (ret, OUTCOME_FAILED, "timeout",
                "%s answered none of %u echoes", address, asked);
  else if (lost * 100 > asked * (unsigned) own->max_loss)
    report_set (ret, OUTCOME_FAILED, "loss",
                "%s answered %u of %u echoes: more than %d %% were lost",
                address, r->received, asked, (int) own->max_loss);
  else if (own->max_rtt_ms && most > (double) own->max_rtt_ms)
    report_set (ret, OUTCOME_FAILED, "slow",
                "%s took %.1f ms for an echo, and may take %llu ms", address,
                most, (unsigned long long) own->max_rtt_ms);
  else
    report_set (ret, OUTCOME_OK, "ok", "%u of %u echoes in %.2f to %.2f ms",
                r->received, asked, (double) r->least_us / 1000, most);
}

static void
cost (const struct scenario *s, const struct transport_ops *way,
      struct scenario_cost *ret)
{
  const struct own *own = s->own;

  ret->cpu_us = way->cpu_us;
  ret->network = 2 * (double) own->count * (double) (own->bytes + 28);
}

static int
ask (const struct scenario *s, const struct guest *g,
     const struct transport_ops *way, const struct transport_env *env,
     struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  struct net_place place = net_place (env->opener, own->netns, g);
  struct outcome_report report = { .value = NAN };
  struct icmp_check icmp = { .at = &place,
                             .count = (unsigned) own->count,
                             .bytes = (unsigned) own->bytes,
                             .interval_ms = own->spacing_ms,
                             .wait_ms = own->max_rtt_ms > WAIT_MS
                                            ? own->max_rtt_ms
                                            : WAIT_MS };
  struct icmp_result result;
  struct error why = ERROR_INIT;
  uint64_t begun = clock_ms ();
  char address[64];
  int rc;

  icmp.address = scenario_host (own->address, false, g, address,
                                sizeof address, &report);
  if (icmp.address)
    {
      rc = icmp_ask (&icmp, job_deadline (job), &result, &why);
      if (rc >= 0)
        judge (own, icmp.address, &result, &report);
      else if (judge_net (rc, &why, &report, err) < 0)
        return rc;
    }
  report.took_ms = clock_ms () - begun;
  *ret = report;
  return 0;
}

static const char *const uses[] = { "icmp", NULL };

const struct scenario_kind kind_icmp = {
  .name = "icmp",
  .summary = "ICMP echoes (ping), by loss and time",
  .transports = uses,
  .fields = fields,
  .own_size = sizeof (struct own),
  .own_init = &defaults,
  .check = check,
  .cost = cost,
  .ask = ask,
};
