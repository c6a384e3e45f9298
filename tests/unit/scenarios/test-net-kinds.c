/* SPDX-License-Identifier: Apache-2.0
 *
 * Kinds icmp, arp, dns and http: which end means what, who is asked, and which
 * documents are none.
 */
#include "kind-bed.h"

#include "base/json.h"

#define DOC(kind, extra) "{\"name\":\"n\",\"kind\":\"" kind "\"" extra "}"
#define DAY 86400

static void
refused (const char *text, const char *why)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  struct scenario *s = NULL;

  assert_int_equal (json_parse (text, strlen (text), JSON_FILE, "doc",
                                JSON_MAX_FILE, &doc, &err),
                    0);
  if (scenario_parse (doc, json_root (doc), "", &s, &err) >= 0)
    fail_msg ("%s was taken", text);
  if (!strstr (err.msg, why))
    fail_msg ("%s: %s", text, err.msg);
}

static void
expect_on (const char *text, const struct guest *g, enum outcome outcome,
           const char *code, const char *says)
{
  struct outcome_report r;

  assert_int_equal (run_on (text, g, &r), 0);
  if (r.outcome != outcome || strcmp (r.code, code) != 0
      || !strstr (r.sentence, says))
    fail_msg ("%s: %s %s: %s", text, outcome_names[r.outcome], r.code,
              r.sentence);
}

/* What the network itself says means the same for all of them. */
static void
test_network (void **state)
{
  static const char *const texts[] = {
    DOC ("icmp", ",\"address\":\"192.0.2.1\""),
    DOC ("arp", ",\"address\":\"192.0.2.1\",\"interface\":\"br0\""),
    DOC ("dns", ",\"address\":\"192.0.2.1:53\",\"query\":\"x\""),
  };
  static const struct
  {
    int rc;
    enum outcome outcome;
    const char *code;
  } ends[] = {
    { -EHOSTUNREACH, OUTCOME_FAILED, "unreachable" },
    { -ETIMEDOUT, OUTCOME_FAILED, "timeout" },
    { -ECONNREFUSED, OUTCOME_FAILED, "refused" },
    { -EBADMSG, OUTCOME_FAILED, "protocol" },
    { -ENETUNREACH, OUTCOME_NO_VERDICT, "no-route" },
    { -ENETDOWN, OUTCOME_NO_VERDICT, "no-route" },
    { -ENODEV, OUTCOME_NO_VERDICT, "no-route" },
    { -ENONET, OUTCOME_NO_VERDICT, "no-netns" },
  };
  struct guest g = guest ();
  struct outcome_report r;

  for (size_t k = 0; k < ARRAY_LEN (texts); k++)
    {
      for (size_t i = 0; i < ARRAY_LEN (ends); i++)
        {
          fresh ();
          play.tcp_rc = ends[i].rc;
          expect_run (texts[k], ends[i].outcome, ends[i].code);
        }
      fresh ();
      play.tcp_rc = -ENOMEM;
      assert_int_equal (run_on (texts[k], &g, &r), -ENOMEM);
    }
}

static void
test_icmp (void **state)
{
  struct guest g = guest ();

  fresh ();
  expect_on (DOC ("icmp", ""), &g, OUTCOME_NO_VERDICT, "no-address", "IP");
  g.nnics = 1;
  snprintf (g.nics[0].ip, sizeof g.nics[0].ip, "192.0.2.9");
  play.icmp = (struct icmp_result){ .sent = 3 };
  expect_on (DOC ("icmp", ""), &g, OUTCOME_FAILED, "timeout", "none of 3");
  assert_string_equal (play.tcp_address, "192.0.2.9");
  assert_string_equal (play.netns, "");
  play.icmp.refused = EHOSTUNREACH;
  expect_on (DOC ("icmp", ""), &g, OUTCOME_FAILED, "unreachable", "route");
  play.icmp = (struct icmp_result){ .sent = 3, .received = 2,
                                    .least_us = 400, .mean_us = 500,
                                    .most_us = 60000 };
  expect_on (DOC ("icmp", ",\"netns\":\"guest\""), &g, OUTCOME_OK, "ok",
             "2 of 3");
  assert_string_equal (play.netns, "guest");
  expect_on (DOC ("icmp", ",\"max-loss\":20"), &g, OUTCOME_FAILED, "loss",
             "20 %");
  expect_on (DOC ("icmp", ",\"max-rtt\":\"59ms\""), &g, OUTCOME_FAILED,
             "slow", "60.0 ms");
  expect_on (DOC ("icmp", ",\"max-rtt\":\"5s\",\"address\":\"2001:db8::1\""),
             &g, OUTCOME_OK, "ok", "2 of 3");
  assert_string_equal (play.tcp_address, "2001:db8::1");
  assert_int_equal (play.icmp_check.wait_ms, 5000);
  refused (DOC ("icmp", ",\"address\":\"192.0.2.1:7\""), "without a port");
  refused (DOC ("icmp", ",\"netns\":\"../x\""), "without a path");
  refused (DOC ("icmp", ",\"timeout\":\"3s\",\"count\":20"), "timeout");
}

static void
test_arp (void **state)
{
  struct guest g = guest ();

  fresh ();
  g.nnics = 2;
  snprintf (g.nics[0].ip, sizeof g.nics[0].ip, "2001:db8::9");
  snprintf (g.nics[1].ip, sizeof g.nics[1].ip, "192.0.2.9");
  expect_on (DOC ("arp", ""), &g, OUTCOME_NO_VERDICT, "no-route",
             "no interface");
  snprintf (g.nics[0].ifname, sizeof g.nics[0].ifname, "tap0");
  snprintf (g.nics[1].ifname, sizeof g.nics[1].ifname, "tap1");
  expect_on (DOC ("arp", ""), &g, OUTCOME_FAILED, "timeout", "nobody on tap1");
  assert_string_equal (play.tcp_address, "192.0.2.9");
  assert_string_equal (play.ifname, "tap1");
  play.arp = (struct arp_result){ .own = true,
                                  .own_mac = "52:54:00:00:00:01" };
  expect_on (DOC ("arp", ",\"interface\":\"br0\""), &g, OUTCOME_OK, "ok",
             "52:54");
  assert_string_equal (play.ifname, "br0");
  play.arp.foreign = true;
  memcpy (play.arp.foreign_mac, "02:00:00:00:00:66", 18);
  expect_on (DOC ("arp", ""), &g, OUTCOME_FAILED, "arp-foreign", "two have");
  play.arp.own = false;
  expect_on (DOC ("arp", ""), &g, OUTCOME_FAILED, "arp-foreign",
             "02:00:00:00:00:66");
  g.nnics = 1;
  expect_on (DOC ("arp", ""), &g, OUTCOME_NO_VERDICT, "no-address", "IPv4");
  refused (DOC ("arp", ",\"address\":\"2001:db8::1\""), "IPv4");
  refused (DOC ("arp", ",\"interface\":\"a/b\""), "no name of an interface");
}

static void
test_dns (void **state)
{
#define DNS(extra)                                                            \
  DOC ("dns", ",\"address\":\"192.0.2.1:53\",\"query\":\"app.lan\"" extra)
  fresh ();
  play.output = "app.lan. 60 A 192.0.2.7\n";
  play.records = 1;
  expect_run (DNS (""), OUTCOME_OK, "ok");
  assert_string_equal (play.query, "app.lan A");
  expect_run (DNS (",\"type\":\"SRV\",\"netns\":\"blue\""), OUTCOME_OK, "ok");
  assert_string_equal (play.query, "app.lan SRV");
  assert_string_equal (play.netns, "blue");
  expect_run (DNS (",\"expect\":{\"output\":\" A 192\\\\.0\\\\.2\\\\.7$\"}"),
              OUTCOME_OK, "ok");
  expect_run (DNS (",\"expect\":{\"output\":\" A 192\\\\.0\\\\.2\\\\.8$\"}"),
              OUTCOME_FAILED, "mismatch");
  expect_run (DNS (",\"expect\":{\"not-output\":\"192\"}"), OUTCOME_FAILED,
              "forbidden");
  play.rcode = 3;
  expect_run (DNS (""), OUTCOME_FAILED, "rcode");
  expect_run (DNS (",\"expect\":{\"rcode\":\"nxdomain\"}"), OUTCOME_OK, "ok");
  play.rcode = 15;
  expect_run (DNS (""), OUTCOME_FAILED, "rcode");
  fresh ();
  expect_run (DNS (""), OUTCOME_FAILED, "mismatch");
  expect_run (DNS (",\"expect\":{\"not-output\":\"192\"}"), OUTCOME_OK, "ok");
  refused (DOC ("dns", ",\"address\":\"192.0.2.1:53\",\"query\":\"a..b\""),
           "is no name");
  refused (DOC ("dns", ",\"address\":\"dns:53\",\"query\":\"a\""), "address");
}

/* ---- http ---- */

#define HTTP(extra)                                                           \
  DOC ("http", ",\"url\":\"http://192.0.2.1:8080/health\"" extra)
#define HTTPS(extra) DOC ("http", ",\"url\":\"https://192.0.2.1/\"" extra)

static void
answers (unsigned status, const char *headers, const char *body)
{
  static struct http_result r;

  fresh ();
  r = (struct http_result){ .end = HTTP_END_OK, .status = status };
  play.http = &r;
  play.http_headers = headers;
  play.output = body;
}

static void
test_http (void **state)
{
  answers (200, "HTTP/1.1 200 OK\r\nX-Ready: yes\r\n", "up 42");
  expect_run (HTTP (""), OUTCOME_OK, "ok");
  assert_string_equal (play.tcp_address, "192.0.2.1:8080");
  assert_string_equal (play.http_host, "http://192.0.2.1:8080");
  assert_string_equal (play.http_path, "/health");
  assert_string_equal (play.http_ask.method, "GET");
  expect_run (HTTP (",\"expect\":{\"status\":[\"404\",\"2xx\"]}"), OUTCOME_OK,
              "ok");
  expect_run (HTTP (",\"expect\":{\"status\":[\"404\",\"201\"]}"),
              OUTCOME_FAILED, "http-status");
  expect_run (HTTP (",\"expect\":{\"headers\":[\"^X-Ready: yes\"]}"),
              OUTCOME_OK, "ok");
  expect_run (HTTP (",\"expect\":{\"headers\":[\"^HTTP\",\"^X-Ready: no\"]}"),
              OUTCOME_FAILED, "mismatch");
  expect_run (HTTP (",\"expect\":{\"output\":\"up (?<n>[0-9]+)\",\"compare\":"
                    "[{\"capture\":\"n\",\"op\":\">\",\"value\":50}]}"),
              OUTCOME_FAILED, "compare");
  expect_run (HTTP (",\"expect\":{\"not-output\":\"up\"}"), OUTCOME_FAILED,
              "forbidden");
  answers (503, "HTTP/1.1 503\r\n", "draining\033[2J");
  expect_run (HTTP (""), OUTCOME_FAILED, "http-status");
}

static void
test_http_ends (void **state)
{
  static const struct
  {
    enum http_end end;
    enum outcome outcome;
    const char *code;
  } ends[] = {
    { HTTP_END_NO_NETNS, OUTCOME_NO_VERDICT, "no-netns" },
    { HTTP_END_NO_ROUTE, OUTCOME_NO_VERDICT, "no-route" },
    { HTTP_END_UNREACHABLE, OUTCOME_FAILED, "unreachable" },
    { HTTP_END_REFUSED, OUTCOME_FAILED, "refused" },
    { HTTP_END_TIMEOUT, OUTCOME_FAILED, "timeout" },
    { HTTP_END_SILENT, OUTCOME_FAILED, "silent" },
    { HTTP_END_ENDLESS, OUTCOME_FAILED, "endless" },
    { HTTP_END_RESET, OUTCOME_FAILED, "reset" },
    { HTTP_END_PROTOCOL, OUTCOME_FAILED, "protocol" },
    { HTTP_END_TLS, OUTCOME_FAILED, "tls-failed" },
    { HTTP_END_EXPIRED, OUTCOME_FAILED, "tls-expires" },
    { HTTP_END_UNUSABLE, OUTCOME_NO_VERDICT, "http-unusable" },
    { HTTP_END_STUCK, OUTCOME_NO_VERDICT, "own-failure" },
  };
  struct http_result r = { .detail = "so it\033[2J is" };

  for (size_t i = 0; i < ARRAY_LEN (ends); i++)
    {
      fresh ();
      r.end = ends[i].end;
      play.http = &r;
      expect_run (HTTP (""), ends[i].outcome, ends[i].code);
    }
  assert_int_equal (ARRAY_LEN (ends) + 1, HTTP_END_MAX);
}

static void
test_http_redirects (void **state)
{
  static const struct http_result chain[]
      = { { .end = HTTP_END_OK, .status = 302,
            .redirect = "http://192.0.2.1:8080/a" },
          { .end = HTTP_END_OK, .status = 301,
            .redirect = "https://192.0.2.1:8443/b?c" },
          { .end = HTTP_END_OK, .status = 200 } },
      away[] = { { .end = HTTP_END_OK, .status = 302,
                   .redirect = "http://192.0.2.2:8080/a" },
                 { .end = HTTP_END_OK, .status = 200 } },
      plain[] = { { .end = HTTP_END_OK, .status = 302,
                    .redirect = "http://192.0.2.1/" },
                  { .end = HTTP_END_OK, .status = 200 } };

  fresh ();
  play.http = chain;
  expect_run (HTTP (",\"redirects\":2"), OUTCOME_OK, "ok");
  assert_int_equal (play.http_asked, 3);
  assert_string_equal (play.http_host, "https://192.0.2.1:8443");
  assert_string_equal (play.tcp_address, "192.0.2.1:8443");
  assert_string_equal (play.http_path, "/b?c");
  fresh ();
  play.http = chain;
  expect_run (HTTP (",\"redirects\":1"), OUTCOME_FAILED, "http-status");
  assert_int_equal (play.http_asked, 2);
  fresh ();
  play.http = chain;
  expect_run (HTTP (""), OUTCOME_FAILED, "http-status");
  /* To somebody else it does not go, nor out of TLS. */
  fresh ();
  play.http = away;
  expect_run (HTTP (",\"redirects\":5"), OUTCOME_FAILED, "http-status");
  assert_int_equal (play.http_asked, 1);
  fresh ();
  play.http = plain;
  expect_run (HTTPS (",\"redirects\":5"), OUTCOME_FAILED, "http-status");
  assert_int_equal (play.http_asked, 1);
}

#define BEARER ",\"auth\":{\"bearer\":\"t\"}"
#define LOGIN ",\"auth\":{\"user\":\"me\",\"password\":\"t\"}"

/* Another port, or another scheme, is another service: it has no business with
 * the secret. */
static void
test_http_secret_stays (void **state)
{
  static const struct http_result within[]
      = { { .end = HTTP_END_OK, .status = 302,
            .redirect = "http://192.0.2.1:8080/b" },
          { .end = HTTP_END_OK, .status = 200 } },
      port[] = { { .end = HTTP_END_OK, .status = 302,
                   .redirect = "http://192.0.2.1:9090/b" },
                 { .end = HTTP_END_OK, .status = 200 } },
      scheme[] = { { .end = HTTP_END_OK, .status = 302,
                     .redirect = "https://192.0.2.1:8080/b" },
                   { .end = HTTP_END_OK, .status = 200 } };
  static const char *const texts[] = { HTTP (",\"redirects\":5" BEARER),
                                       HTTP (",\"redirects\":5" LOGIN) };

  for (size_t i = 0; i < ARRAY_LEN (texts); i++)
    {
      fresh ();
      play.http = within;
      expect_run (texts[i], OUTCOME_OK, "ok");
      assert_int_equal (play.http_asked, 2);
      fresh ();
      play.http = port;
      expect_run (texts[i], OUTCOME_FAILED, "http-status");
      assert_int_equal (play.http_asked, 1);
      fresh ();
      play.http = scheme;
      expect_run (texts[i], OUTCOME_FAILED, "http-status");
      assert_int_equal (play.http_asked, 1);
    }
}

static void
test_http_note (void **state)
{
  static const struct
  {
    const char *text;
    bool noted;
  } cases[] = { { HTTP (""), false },
                { HTTPS (BEARER), false },
                { HTTP (BEARER), true },
                { HTTP (LOGIN), true } };

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct scenario *s = parsed (cases[i].text);

      assert_int_equal (s->kind->note (s) != NULL, cases[i].noted);
      scenario_unref (s);
    }
}

static void
test_http_expiry (void **state)
{
#define DAYS                                                                  \
  ",\"tls\":{\"warn-before\":\"480h\",\"fail-before\":\"168h\"}"
  struct http_result r = { .end = HTTP_END_OK, .status = 200 };
  int64_t now = (int64_t) (clock_wall_ms () / 1000);
  struct guest g = guest ();
  struct outcome_report report;

  fresh ();
  play.http = &r;
  /* Half a day more, for the time until it is looked at. */
  r.expires = now + 30 * DAY + DAY / 2;
  expect_on (HTTPS (DAYS), &g, OUTCOME_OK, "ok", "answers 200 in");
  run_on (HTTPS (DAYS), &g, &report);
  assert_true (report.value == 30);
  r.expires = now + 10 * DAY + DAY / 2;
  expect_on (HTTPS (DAYS), &g, OUTCOME_OK, "ok", "ends in 10 days");
  r.expires = now + 3 * DAY + DAY / 2;
  expect_on (HTTPS (DAYS), &g, OUTCOME_FAILED, "tls-expires", "3 days");
  expect_on (HTTPS (""), &g, OUTCOME_OK, "ok", "answers");
}

static void
test_http_who (void **state)
{
  struct guest g = guest ();
  CLEANUP_JSON struct json_object *all = json_object_new_object ();
  struct json_object *hint;
  struct scenario *s;

  answers (200, "", "");
  expect_on (DOC ("http", ",\"url\":\"http://guest:81/x\""), &g,
             OUTCOME_NO_VERDICT, "no-address", "IP");
  g.nnics = 1;
  snprintf (g.nics[0].ip, sizeof g.nics[0].ip, "2001:db8::9");
  expect_on (DOC ("http", ",\"url\":\"http://guest:81\",\"netns\":\"guest\""),
             &g, OUTCOME_OK, "ok", "200");
  assert_string_equal (play.tcp_address, "[2001:db8::9]:81");
  assert_string_equal (play.http_host, "http://[2001:db8::9]:81");
  assert_string_equal (play.http_path, "/");
  assert_string_equal (play.netns, "guest");
  expect_on (DOC ("http", ",\"url\":\"https://app.lan/x\",\"address\":"
                          "\"guest:8443\""),
             &g, OUTCOME_OK, "ok", "200");
  assert_string_equal (play.tcp_address, "[2001:db8::9]:8443");
  assert_string_equal (play.http_host, "https://app.lan:443");
  expect_on (DOC ("http", ",\"url\":\"https://guest/x\",\"tls\":"
                          "{\"server-name\":\"app.lan\",\"ca\":\"own.pem\"}"),
             &g, OUTCOME_OK, "ok", "200");
  assert_string_equal (play.http_host, "https://app.lan:443");

  s = parsed (DOC ("http", ",\"url\":\"http://guest:81\",\"netns\":\"b\""));
  scenario_hints (s, &g, all);
  scenario_unref (s);
  hint = json_object_array_get_idx (json_get (all, "addresses"), 0);
  assert_string_equal (json_get_str (hint, "address"), "[2001:db8::9]:81");
  assert_string_equal (json_get_str (hint, "netns"), "b");
  assert_string_equal (json_get_str (hint, "expect"), "^HTTP/1");
  s = parsed (DOC ("http", ",\"url\":\"https://guest/\""));
  scenario_hints (s, &g, all);
  scenario_unref (s);
  hint = json_object_array_get_idx (json_get (all, "addresses"), 1);
  assert_null (json_get_str (hint, "expect"));
}

static void
test_http_documents (void **state)
{
  static const struct
  {
    const char *text, *why;
  } bad[] = {
    { DOC ("http", ",\"url\":\"ftp://192.0.2.1/\""), "http://HOST" },
    { DOC ("http", ",\"url\":\"http://u@192.0.2.1/\""), "http://HOST" },
    { DOC ("http", ",\"url\":\"http://192.0.2.1:0/\""), "http://HOST" },
    { DOC ("http", ",\"url\":\"http://192.0.2.1:99999/\""), "http://HOST" },
    { DOC ("http", ",\"url\":\"http://192.0.2.1:8x/\""), "http://HOST" },
    { DOC ("http", ",\"url\":\"http://[::1/\""), "http://HOST" },
    { DOC ("http", ",\"url\":\"http:///abc\""), "http://HOST" },
    { DOC ("http", ",\"url\":\"http://192.0.2.1/a b\""), "http://HOST" },
    { DOC ("http", ",\"url\":\"http://app.lan/\""), "not looked up" },
    { DOC ("http", ",\"url\":\"http://[app]/\""), "not looked up" },
    { HTTP (",\"tls\":{\"verify\":false}"), "not one of https" },
    { HTTPS (",\"tls\":{\"ca\":\"../x\"}"), "without a path" },
    { HTTP (",\"auth\":{\"bearer\":\"/etc/shadow\"}"), "without a path" },
    { HTTP (",\"auth\":{\"user\":\"a\"}"), "needs a" },
    { HTTPS (",\"tls\":{\"verify\":false},\"auth\":{\"bearer\":\"t\"}"),
      "nobody knows" },
    { HTTP (",\"headers\":[\"no colon\"]"), "Name: value" },
    { HTTP (",\"headers\":[\"a: b\\r\\nc: d\"]"), "no header has" },
    { HTTP (",\"expect\":{\"status\":[\"20x\"]}"), "2xx" },
    { HTTP (",\"expect\":{\"headers\":[\"(\"]}"), "expect.headers" },
    { HTTP (",\"body\":\"x\""), "POST" },
  };

  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    refused (bad[i].text, bad[i].why);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_network), cmocka_unit_test (test_icmp),
    cmocka_unit_test (test_arp),     cmocka_unit_test (test_dns),
#ifdef WITH_CURL
    cmocka_unit_test (test_http),
    cmocka_unit_test (test_http_ends),
    cmocka_unit_test (test_http_redirects),
    cmocka_unit_test (test_http_secret_stays),
    cmocka_unit_test (test_http_note),
    cmocka_unit_test (test_http_expiry),
    cmocka_unit_test (test_http_who),
    cmocka_unit_test (test_http_documents),
#endif
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
