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
#include "transports/net/tcp.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define GUEST "guest:"

/* "192.0.2.1:22", "[2001:db8::1]:22" or "guest:22". */
static bool
address_ok (const char *address, bool *ret_loopback)
{
  const char *colon = strrchr (address, ':');
  unsigned char bin[16];
  char host[64];
  size_t n, digits;
  unsigned long port;

  if (!colon)
    return false;
  digits = strspn (colon + 1, "0123456789");
  if (!digits || digits > 5 || colon[1 + digits])
    return false;
  port = strtoul (colon + 1, NULL, 10);
  n = (size_t) (colon - address);
  if (!port || port > 65535 || n >= sizeof host)
    return false;
  *ret_loopback = false;
  if (n + 1 == strlen (GUEST) && strncmp (address, GUEST, n + 1) == 0)
    return true;
  memcpy (host, address, n);
  host[n] = '\0';
  if (n > 2 && host[0] == '[' && host[n - 1] == ']')
    {
      host[n - 1] = '\0';
      *ret_loopback = strcmp (host + 1, "::1") == 0;
      return inet_pton (AF_INET6, host + 1, bin) == 1;
    }
  if (inet_pton (AF_INET, host, bin) != 1)
    return false;
  *ret_loopback = bin[0] == 127;
  return true;
}

static int
check (const struct scenario *s, const struct json_doc *doc, const char *path,
       struct error *err)
{
  char at[200];
  bool loopback;
  int rc = scenario_check_uses (s, doc, path,
                                USES_ADDRESS | USES_SEND | USES_OUTPUT, err);

  if (rc < 0)
    return rc;
  if (!s->address)
    return json_error_at (doc, path, err,
                          "a tcp scenario needs an \"address\"");
  scenario_path (at, sizeof at, path, "address");
  if (!address_ok (s->address, &loopback))
    return json_error_at (doc, at, err,
                          "must be \"IP:PORT\" (\"192.0.2.7:22\", "
                          "\"[2001:db8::7]:22\") or \"guest:PORT\"; names "
                          "are not looked up");
  if (loopback && !s->expect.output)
    return json_error_at (doc, at, err,
                          "on a loopback address a connection alone proves "
                          "nothing (a forwarder takes it); add "
                          "expect.output");
  return 0;
}

/* The address to connect to, or NULL with ret filled. */
static const char *
resolve (const struct scenario *s, const struct guest *g, char *dst, size_t n,
         struct outcome_report *ret)
{
  /* "guest:80": the address changes with each DHCP lease, the document does
   * not. */
  if (strncmp (s->address, GUEST, strlen (GUEST)) != 0)
    return s->address;
  for (unsigned i = 0; i < g->nnics; i++)
    if (g->nics[i].ip[0])
      {
        bool six = strchr (g->nics[i].ip, ':') != NULL;

        snprintf (dst, n, "%s%s%s:%s", six ? "[" : "", g->nics[i].ip,
                  six ? "]" : "", s->address + strlen (GUEST));
        return dst;
      }
  report_set (ret, OUTCOME_NO_VERDICT, "no-address",
              "the guest's IP address is not known here; write it into the "
              "scenario's address");
  return NULL;
}

/* False: our own failure. */
static bool
judge_error (int rc, const struct error *why, struct outcome_report *ret)
{
  static const struct
  {
    int rc;
    enum outcome outcome;
    const char *code;
  } known[] = {
    { -ECONNREFUSED, OUTCOME_FAILED, "refused" },
    { -ECONNRESET, OUTCOME_FAILED, "reset" },
    { -EPIPE, OUTCOME_FAILED, "reset" },
    { -EHOSTUNREACH, OUTCOME_FAILED, "unreachable" },
    { -ETIMEDOUT, OUTCOME_FAILED, "timeout" },
    { -ENOMSG, OUTCOME_FAILED, "mismatch" },
    /* The host's own: no route, no interface. */
    { -ENETUNREACH, OUTCOME_NO_VERDICT, "no-route" },
    { -ENETDOWN, OUTCOME_NO_VERDICT, "no-route" },
    { -ECANCELED, OUTCOME_NO_VERDICT, "stopped" },
    { -E2BIG, OUTCOME_NO_VERDICT, "regex-limit" },
  };
  char text[160];

  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (known[i].rc == rc)
      {
        report_set (ret, known[i].outcome, known[i].code, "%s",
                    report_quote (text, sizeof text, error_text (why),
                                  strlen (error_text (why))));
        return true;
      }
  return false;
}

static int
run (const struct scenario *s, const struct guest *g,
     const struct transport_env *env, struct job *job,
     struct outcome_report *ret, struct error *err)
{
  struct outcome_report report = { .value = NAN };
  struct buf answer CLEANUP_BUF = BUF_INIT (4096);
  struct tcp_result result = { .answer = &answer };
  struct error why = ERROR_INIT;
  uint64_t begun = clock_ms ();
  char address[80];
  struct tcp_check tcp = { .send = s->send, .expect = s->expect.output };
  int rc;

  snprintf (report.transport, sizeof report.transport, "tcp");
  tcp.address = resolve (s, g, address, sizeof address, &report);
  if (tcp.address)
    {
      rc = tcp_check (&tcp, job_deadline (job), &result, &why);
      if (rc < 0 && !judge_error (rc, &why, &report))
        {
          if (err)
            *err = why;
          return rc;
        }
      if (rc >= 0 && s->expect.output)
        {
          /* There is no exit status here: -1 takes any. */
          struct scenario_expect ex = s->expect;

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
  .transports = uses,
  .check = check,
  .run = run,
};
