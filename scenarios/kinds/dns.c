/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind dns: a question to the DNS server in the guest.
 */
#include "scenarios/scenario_impl.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "transports/net/dns.h"
#include "transports/net/socket.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct expected
{
  int rcode;
  struct scenario_expect answer;
};

struct own
{
  char *address;
  char *netns;
  char *query;
  int type;
  struct expected expect;
};

#define AT(member) .offset = offsetof (struct own, member)

static const struct json_field expect_fields[] = {
  { .name = "rcode", .kind = JSON_ENUM,
    .offset = offsetof (struct expected, rcode), .names = dns_rcode_names,
    .help = "how the server answers; default noerror" },
  { .kind = JSON_GROUP, .sub = scenario_answer_members,
    .offset = offsetof (struct expected, answer) },
  { .name = NULL },
};

static const struct json_field fields[] = {
  { .kind = JSON_GROUP, .sub = scenario_address_keys, AT (address) },
  { .kind = JSON_GROUP, .sub = scenario_netns_keys, AT (netns) },
  { .name = "query", .kind = JSON_STRING, AT (query), .required = true,
    .min = 1, .max = 254, .help = "the name that is asked for" },
  { .name = "type", .kind = JSON_ENUM, AT (type), .names = dns_type_names,
    .help = "of record; default A" },
  { .name = "expect", .kind = JSON_OBJECT, AT (expect), .sub = expect_fields,
    .help = "what \"well\" means; `output` is of the records, one a line: "
            "\"app.example. 60 A 192.0.2.7\"" },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;
  bool loopback;
  int rc = scenario_check_expect (at, &own->expect.answer);

  if (rc >= 0)
    rc = scenario_check_address (at, own->address, &loopback);
  if (rc >= 0)
    rc = scenario_check_netns (at, own->netns);
  if (rc >= 0 && !dns_name_ok (own->query))
    rc = scenario_bad (at, "query",
                       "is no name: labels of 1 to 63 bytes, 253 in all");
  return rc;
}

static void
judge (const struct own *own, const struct dns_answer *a,
       struct outcome_report *ret)
{
  struct scenario_expect ex = own->expect.answer;

  ex.status = -1;
  if (a->rcode != (unsigned) own->expect.rcode)
    report_set (ret, OUTCOME_FAILED, "rcode",
                "asked for %s, it answers %s (%u) instead of %s", own->query,
                dns_rcode_name (a->rcode), a->rcode,
                dns_rcode_names[own->expect.rcode]);
  else if (ex.output || ex.not_output)
    judge_answer (&ex, -1, buf_str (a->text), a->text->len, ret);
  else if (a->rcode == 0 && a->count == 0)
    report_set (ret, OUTCOME_FAILED, "mismatch",
                "it answers, and has no %s of %s", dns_type_names[own->type],
                own->query);
  else
    judge_answer (&ex, -1, buf_str (a->text), a->text->len, ret);
}

static void
cost (const struct scenario *s, const struct transport_ops *way,
      struct scenario_cost *ret)
{
  ret->cpu_us = way->cpu_us;
  ret->network = 300;
}

static int
ask (const struct scenario *s, const struct guest *g,
     const struct transport_ops *way, const struct transport_env *env,
     struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  struct net_place place = net_place (env->opener, own->netns, g);
  struct outcome_report report = { .value = NAN };
  struct buf text CLEANUP_BUF = BUF_INIT (DNS_TEXT_MAX);
  struct dns_check dns = { .at = &place, .name = own->query,
                           .type = (enum dns_type) own->type };
  struct dns_result result = { .answer = { .text = &text } };
  struct error why = ERROR_INIT;
  uint64_t begun = clock_ms ();
  char address[80];
  int rc;

  dns.address = scenario_address (own->address, g, address, sizeof address,
                                  &report);
  if (dns.address)
    {
      rc = dns_ask (&dns, job_deadline (job), &result, &why);
      if (rc >= 0)
        judge (own, &result.answer, &report);
      else if (judge_net (rc, &why, &report, err) < 0)
        return rc;
      if (rc >= 0 && isnan (report.value))
        report.value = (double) result.took_us / 1000;
    }
  report.took_ms = clock_ms () - begun;
  *ret = report;
  return 0;
}

static const char *const uses[] = { "dns", NULL };

const struct scenario_kind kind_dns = {
  .name = "dns",
  .summary = "a question to a DNS server in the guest",
  .application = true,
  .transports = uses,
  .timed = true,
  .fields = fields,
  .own_size = sizeof (struct own),
  .check = check,
  .cost = cost,
  .ask = ask,
};
