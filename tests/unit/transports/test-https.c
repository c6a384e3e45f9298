/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTPS: whom hangdog-net takes for the one who is meant, and how long he may
 * say that he is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "tests/fakes/tlspeer.h"
#include "tests/lib/built.h"
#include "tests/lib/tmpdir.h"
#include "transports/net/http.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define DAY 86400

static struct tmpdir tmp;
static char libexec[PATH_MAX];
static struct http_pool *pool;
static struct ca *ca;
static struct tlspeer *peer;

static void
ends (const char *cert, const struct http_ask *changed, enum http_end end,
      const char *says, struct http_result *ret)
{
  char path[128], address[64];
  struct peer_plan plan = { .cert = path, .reply = "HTTP/1.1 200 OK\r\n"
                                                "Content-Length: 0\r\n"
                                                "Connection: close\r\n\r\n" };
  struct http_ask ask = *changed;
  struct error err = ERROR_INIT;

  snprintf (path, sizeof path, "%s/%s", tmp.path, cert);
  tlspeer_plan (peer, &plan);
  snprintf (address, sizeof address, "127.0.0.1:%u", tlspeer_port (peer));
  ask.address = address;
  ask.tls = true;
  ask.port = tlspeer_port (peer);
  ask.path = "/";
  ask.method = "POST";
  ask.body = "x";
  ask.dir = tmp.path;
  if (!ask.host)
    ask.host = "127.0.0.1";
  if (http_run (pool, &ask, clock_ms () + 60000, ret, &err) < 0)
    fail_msg ("%s", error_text (&err));
  if (ret->end != end || !strstr (ret->detail, says))
    fail_msg ("%s: ended as %d instead of %d: %s", cert, (int) ret->end,
              (int) end, ret->detail);
  http_result_done (ret);
}

static void
test_who (void **state)
{
  const struct http_ask own = { .ca = "ca.pem" }, any = { .insecure = true },
                        host = { .ca = NULL },
                        other = { .ca = "ca.pem", .host = "app.lan" },
                        missing = { .ca = "none.pem" };
  int64_t now = (int64_t) (clock_wall_ms () / 1000);
  struct http_result r;

  ends ("good", &own, HTTP_END_OK, "", &r);
  assert_int_equal (r.status, 200);
  /* To the day: a certificate is made with the seconds of its making. */
  assert_true (r.expires > now + 9 * DAY && r.expires < now + 11 * DAY);
  ends ("good", &host, HTTP_END_TLS, "not taken", &r);
  ends ("good", &other, HTTP_END_TLS, "not taken", &r);
  ends ("named", &other, HTTP_END_OK, "", &r);
  ends ("good", &missing, HTTP_END_UNUSABLE, "", &r);
  ends ("good", &any, HTTP_END_OK, "", &r);
  /* Once with another authority, and then again without. */
  ends ("good", &host, HTTP_END_TLS, "not taken", &r);
}

static void
test_expired (void **state)
{
  const struct http_ask own = { .ca = "ca.pem" }, any = { .insecure = true };
  struct http_result r;

  ends ("old", &own, HTTP_END_EXPIRED, "expired", &r);
  ends ("old", &any, HTTP_END_OK, "", &r);
  assert_true (r.expires > 0
               && r.expires < (int64_t) (clock_wall_ms () / 1000));
}

/* What a check costs, for docs/kinds/http.md: HANGDOG_MEASURE=1. */
static void
test_cost (void **state)
{
  const struct http_ask own = { .ca = "ca.pem" }, host = { .ca = NULL };
  struct http_result r;
  char *which = getenv ("HANGDOG_MEASURE");

  if (!which)
    skip ();
  for (unsigned i = 0; i < 100; i++)
    if (strcmp (which, "host") == 0)
      ends ("good", &host, HTTP_END_TLS, "", &r);
    else
      ends ("good", &own, HTTP_END_OK, "", &r);
}

static int
begin (void **state)
{
  struct error err = ERROR_INIT;
  char path[PATH_MAX];

  snprintf (libexec, sizeof libexec, "%s", built_path (path, "hangdog-net"));
  *strrchr (libexec, '/') = '\0';
  if (tmpdir_make (&tmp) < 0 || http_pool_new (libexec, &pool, &err) < 0)
    return -1;
  ca = ca_new (tmp.path, "ca");
  ca_issue (ca, tmp.path, "good", "IP:127.0.0.1", -1, 10);
  ca_issue (ca, tmp.path, "named", "DNS:app.lan", -1, 10);
  ca_issue (ca, tmp.path, "old", "IP:127.0.0.1", -10, -2);
  peer = tlspeer_new ();
  return 0;
}

static int
finish (void **state)
{
  http_pool_free (pool);
  tlspeer_free (peer);
  ca_free (ca);
  tmpdir_remove (tmp.path);
  return 0;
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_who),
    cmocka_unit_test (test_expired),
    cmocka_unit_test (test_cost),
  };

  signal (SIGPIPE, SIG_IGN); /* the peer is a thread of ours */
  return cmocka_run_group_tests (tests, begin, finish);
}
