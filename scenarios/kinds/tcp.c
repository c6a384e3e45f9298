/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind tcp: connect, optionally send, optionally expect.
 *
 * A refused connection is a living kernel and a dead service.  A connection
 * that is taken on a loopback address proves nothing by itself: QEMU's user
 * networking takes it before it asks the guest, so there the document must
 * expect an answer.
 */
#include "scenarios/scenario_impl.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "transports/net/socket.h"
#include "transports/net/tcp.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct own
{
  char *address;
  char *netns;
  char *send; /* bytes */
  struct scenario_expect expect;
};

static const struct json_field fields[] = {
  { .kind = JSON_GROUP, .sub = scenario_address_keys,
    .offset = offsetof (struct own, address) },
  { .kind = JSON_GROUP, .sub = scenario_netns_keys,
    .offset = offsetof (struct own, netns) },
  { .name = "send", .kind = JSON_BYTES, .offset = offsetof (struct own, send),
    .min = 1, .max = 1024,
    .help = "sent after connecting, escapes as in a dialogue's step" },
  { .kind = JSON_GROUP, .sub = scenario_answer_keys,
    .offset = offsetof (struct own, expect) },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;
  bool loopback;
  int rc = scenario_check_expect (at, &own->expect);

  if (rc >= 0)
    rc = scenario_check_netns (at, own->netns);
  if (rc >= 0)
    rc = scenario_check_address (at, own->address, &loopback);
  if (rc >= 0 && loopback && !own->expect.output)
    rc = scenario_bad (at, "address",
                       "on a loopback address a connection alone proves "
                       "nothing (a forwarder takes it); add expect.output");
  return rc;
}

/* Seven packets of a connection that is closed at once, and what is said. */
static void
cost (const struct scenario *s, const struct transport_ops *way,
      struct scenario_cost *ret)
{
  const struct own *own = s->own;

  ret->cpu_us = way->cpu_us;
  ret->network = 7 * 60 + (own->send ? 60 + (double) strlen (own->send) : 0)
                 + (own->expect.output ? 200 : 0);
}

static void
hints (const struct scenario *s, const struct guest *g,
       struct json_object *all)
{
  const struct own *own = s->own;
  const struct scenario_place at = { .address = own->address,
                                     .netns = own->netns,
                                     .send = own->send,
                                     .expect = own->expect.output };

  scenario_hint_address (s, g, &at, all);
}

static int
ask (const struct scenario *s, const struct guest *g,
     const struct transport_ops *way, const struct transport_env *env,
     struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  struct outcome_report report = { .value = NAN };
  struct buf answer CLEANUP_BUF = BUF_INIT (4096);
  struct tcp_result result = { .answer = &answer };
  struct error why = ERROR_INIT;
  uint64_t begun = clock_ms ();
  char address[80];
  struct net_place place = net_place (env->opener, own->netns, g);
  struct tcp_check tcp = { .at = &place,
                           .send = own->send,
                           .expect = own->expect.output };
  int rc;

  tcp.address = scenario_address (own->address, g, address, sizeof address,
                                  &report);
  if (tcp.address)
    {
      rc = tcp_check (&tcp, job_deadline (job), &result, &why);
      if (rc < 0 && judge_net (rc, &why, &report, err) < 0)
        return rc;
      if (rc >= 0 && own->expect.output)
        {
          /* There is no exit status here: -1 takes any. */
          struct scenario_expect ex = own->expect;

          ex.status = -1;
          judge_answer (&ex, -1, buf_str (&answer), answer.len, &report);
        }
      else if (rc >= 0)
        report_set (&report, OUTCOME_OK, "ok", "connected in %llu ms",
                    (unsigned long long) result.connect_ms);
      if (isnan (report.value) && rc >= 0)
        report.value = (double) result.connect_ms;
    }
  report.took_ms = clock_ms () - begun;
  *ret = report;
  return 0;
}

static const char *const uses[] = { "tcp", NULL };

const struct scenario_kind kind_tcp = {
  .name = "tcp",
  .summary = "a TCP connection, optionally with a question and its answer",
  .application = true,
  .transports = uses,
  .timed = true,
  .fields = fields,
  .own_size = sizeof (struct own),
  .check = check,
  .cost = cost,
  .hints = hints,
  .ask = ask,
};
