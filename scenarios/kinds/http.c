/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind http: one request to a web server in the guest, by what it answers and
 * by how long its certificate is good.
 */
#include "config.h"

#include "scenarios/scenario_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "transports/net/http.h"
#include "transports/net/socket.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DAY_MS (24ll * 60 * 60 * 1000)
#define MAX_REDIRECTS 5

struct tls
{
  bool verify;
  char *ca, *server_name;
  uint64_t warn_ms, fail_ms;
};

struct auth
{
  char *bearer, *user, *password;
};

struct expected
{
  struct json_list status, headers; /* of char * */
  struct scenario_expect answer;
};

struct own
{
  char *url;
  char *address;
  char *netns;
  int method;
  char *body;
  struct json_list headers; /* of char * */
  int64_t redirects;
  struct tls tls;
  struct auth auth;
  struct expected expect;
};

/* ---- the document ---- */

static const struct own defaults = { .tls = { .verify = true } };
static const char *const methods[] = { "GET", "HEAD", "POST", NULL };

#define AT(type, member) .offset = offsetof (struct type, member)

static const struct json_field tls_fields[] = {
  { .name = "verify", .kind = JSON_BOOL, AT (tls, verify),
    .help = "it must be who it says; default true" },
  { .name = "ca", .kind = JSON_STRING, AT (tls, ca), .min = 1, .max = 63,
    .help = "name of a file of authorities in the folder http beside the "
            "configuration; default the host's" },
  { .name = "server-name", .kind = JSON_STRING, AT (tls, server_name),
    .min = 1, .max = 253,
    .help = "what its certificate must be for, and Host; default the URL's" },
  { .name = "warn-before", .kind = JSON_DURATION, AT (tls, warn_ms), .min = 1,
    .max = 400 * DAY_MS,
    .help = "the outcome says so when the certificate ends that soon" },
  { .name = "fail-before", .kind = JSON_DURATION, AT (tls, fail_ms), .min = 1,
    .max = 400 * DAY_MS, .help = "and fails when it ends that soon" },
  { .name = NULL },
};

static const struct json_field auth_fields[] = {
  { .name = "bearer", .kind = JSON_STRING, AT (auth, bearer), .min = 1,
    .max = 63,
    .help = "name of a file with a token in the folder http beside the "
            "configuration" },
  { .name = "user", .kind = JSON_STRING, AT (auth, user), .min = 1,
    .max = 64, .help = "to log in as, with `password`" },
  { .name = "password", .kind = JSON_STRING, AT (auth, password), .min = 1,
    .max = 63, .help = "name of a file there that holds a password" },
  { .name = NULL },
};

static const struct json_field expect_fields[] = {
  { .name = "status", .kind = JSON_ARRAY, AT (expected, status), .max = 8,
    .elem_kind = JSON_STRING,
    .help = "one of them: \"200\", or \"2xx\" for all that begin so; default "
            "2xx" },
  { .name = "headers", .kind = JSON_ARRAY, AT (expected, headers), .max = 8,
    .elem_kind = JSON_STRING,
    .help = "PCRE2, each of which must match in the headers, which begin with "
            "the status line; ^ and $ are the ends of a line" },
  { .kind = JSON_GROUP, .sub = scenario_answer_members, AT (expected, answer) },
  { .name = NULL },
};

static const struct json_field fields[] = {
  { .name = "url", .kind = JSON_STRING, AT (own, url), .required = true,
    .min = 8, .max = 1024,
    .help = "\"http://guest:8080/health\"; \"guest\" is the guest's own "
            "address, another name needs `address`" },
  { .name = "address", .kind = JSON_STRING, AT (own, address), .min = 1,
    .max = 64,
    .help = "who is asked, \"IP:PORT\" or \"guest:PORT\"; default what the URL "
            "says" },
  { .kind = JSON_GROUP, .sub = scenario_netns_keys, AT (own, netns) },
  { .name = "method", .kind = JSON_ENUM, AT (own, method), .names = methods,
    .help = "default GET" },
  { .name = "body", .kind = JSON_STRING, AT (own, body), .min = 1,
    .max = 4096, .help = "of a POST" },
  { .name = "headers", .kind = JSON_ARRAY, AT (own, headers),
    .max = HTTP_MAX_HEADERS, .elem_kind = JSON_STRING,
    .help = "sent along, each \"Name: value\"" },
  { .name = "redirects", .kind = JSON_INT, AT (own, redirects), .min = 0,
    .max = MAX_REDIRECTS,
    .help = "that are followed, on the same host; default 0" },
  { .name = "tls", .kind = JSON_OBJECT, AT (own, tls), .sub = tls_fields,
    .help = "https: who it must be, and for how long" },
  { .name = "auth", .kind = JSON_OBJECT, AT (own, auth), .sub = auth_fields,
    .help = "how to log in" },
  { .name = "expect", .kind = JSON_OBJECT, AT (own, expect),
    .sub = expect_fields, .help = "what \"well\" means" },
  { .name = NULL },
};

/* ---- URLs ---- */

struct url
{
  bool tls;
  char host[256]; /* "[2001:db8::7]" with its brackets */
  unsigned port;
  const char *path;
};

/* "http://HOST[:PORT][/...]", without a user and a fragment. */
static bool
url_parse (const char *text, struct url *ret)
{
  const char *p = text, *colon, *end;
  unsigned long port;
  char *stop;
  size_t n;

  ret->tls = strncasecmp (p, "https://", 8) == 0;
  if (!ret->tls && strncasecmp (p, "http://", 7) != 0)
    return false;
  for (const char *q = text; *q; q++)
    if ((unsigned char) *q <= 0x20 || (unsigned char) *q >= 0x7f || *q == '#'
        || *q == '\\')
      return false;
  p += ret->tls ? 8 : 7;
  end = p + strcspn (p, "/?");
  n = *p == '[' ? strcspn (p, "]") + 1 : strcspn (p, ":/?");
  if (n < 1 || p + n > end || n >= sizeof ret->host)
    return false;
  memcpy (ret->host, p, n);
  ret->host[n] = '\0';
  colon = p + n;
  port = ret->tls ? 443 : 80;
  if (*colon == ':')
    {
      port = strtoul (colon + 1, &stop, 10);
      if (stop == colon + 1 || colon[1] < '0' || colon[1] > '9')
        return false;
      colon = stop;
    }
  if (colon != end || port == 0 || port > 65535 || strchr (ret->host, '@'))
    return false;
  ret->port = (unsigned) port;
  ret->path = *end == '/' ? end : *end ? NULL : "/";
  return ret->path != NULL;
}

static bool
is_number (const char *host)
{
  unsigned char bin[16];
  char six[INET6_ADDRSTRLEN];
  size_t n = strlen (host);

  if (host[0] != '[')
    return inet_pton (AF_INET, host, bin) == 1;
  if (n - 2 >= sizeof six)
    return false;
  memcpy (six, host + 1, n - 2);
  six[n - 2] = '\0';
  return inet_pton (AF_INET6, six, bin) == 1;
}

/* ---- what the tables can't say ---- */

static int
check_status (const struct own *own, const struct scenario_at *at)
{
  char *const *list = own->expect.status.items;

  for (size_t i = 0; i < own->expect.status.count; i++)
    {
      const char *p = list[i];
      bool digits = strspn (p, "0123456789") == 3;

      if (strlen (p) != 3 || p[0] < '1' || p[0] > '9'
          || (!digits && strcasecmp (p + 1, "xx") != 0))
        return scenario_bad (at, "expect.status",
                             "must be numbers like \"200\" or classes like "
                             "\"2xx\"");
    }
  return 0;
}

static int
check_headers (const struct own *own, const struct scenario_at *at)
{
  char *const *list = own->headers.items;

  for (size_t i = 0; i < own->headers.count; i++)
    {
      const char *colon = strchr (list[i], ':');

      if (!colon || colon == list[i] || strlen (list[i]) > 512)
        return scenario_bad (at, "headers", "must be like \"Name: value\"");
      for (const char *p = list[i]; *p; p++)
        if ((unsigned char) *p < 0x20 || (unsigned char) *p >= 0x7f
            || (p < colon && *p == ' '))
          return scenario_bad (at, "headers", "has a byte that no header has");
    }
  list = own->expect.headers.items;
  for (size_t i = 0; i < own->expect.headers.count; i++)
    {
      CLEANUP_REGEX struct regex *re = NULL;
      struct error why = ERROR_INIT;

      if (strlen (list[i]) > SCENARIO_REGEX_MAX
          || regex_new (list[i], &re, &why) < 0)
        return scenario_bad (at, "expect.headers", "%s", error_text (&why));
    }
  return 0;
}

static int
check_url (const struct own *own, const struct scenario_at *at,
           struct url *ret)
{
  bool loopback;

  if (!url_parse (own->url, ret))
    return scenario_bad (at, "url",
                         "must be \"http://HOST:PORT/PATH\" or https, without "
                         "blanks, a user and a fragment");
  if (own->address)
    return scenario_check_address (at, own->address, &loopback);
  if (strcmp (ret->host, "guest") != 0 && !is_number (ret->host))
    return scenario_bad (at, "url",
                         "names are not looked up: write \"guest\", an "
                         "address, or \"address\": \"IP:PORT\" beside it");
  return 0;
}

static int
check_tls (const struct own *own, const struct url *url,
           const struct scenario_at *at)
{
  const struct tls *t = &own->tls;
  const struct auth *a = &own->auth;
  bool secret = a->bearer || a->password;
  bool used = t->ca || t->server_name || t->warn_ms || t->fail_ms;

  if (!url->tls && (used || !t->verify))
    return scenario_bad (at, "tls", "the URL is not one of https");
  if ((t->ca && !net_name_ok (t->ca))
      || (a->bearer && !net_name_ok (a->bearer))
      || (a->password && !net_name_ok (a->password)))
    return scenario_bad (at, t->ca ? "tls" : "auth",
                         "files are named in the folder http beside the "
                         "configuration, without a path");
  if (t->server_name && strpbrk (t->server_name, "/:@?# []\\"))
    return scenario_bad (at, "tls.server-name", "is no name");
  if ((a->user != NULL) != (a->password != NULL)
      || (a->bearer && a->user))
    return scenario_bad (at, "auth",
                         "needs a \"bearer\", or a \"user\" and a "
                         "\"password\"");
  if (secret && url->tls && !t->verify)
    return scenario_bad (at, "auth",
                         "a secret is not shown to a server that nobody "
                         "knows: leave tls.verify on, with a \"ca\"");
  return 0;
}

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;
  struct url url;
  int rc;

#ifndef WITH_CURL
  return scenario_bad (at, "kind",
                       "this hangdog is built without curl (configure "
                       "--without-curl)");
#endif
  if ((rc = check_url (own, at, &url)) < 0
      || (rc = scenario_check_netns (at, own->netns)) < 0
      || (rc = check_tls (own, &url, at)) < 0
      || (rc = check_status (own, at)) < 0
      || (rc = check_headers (own, at)) < 0)
    return rc;
  if (own->body && strcmp (methods[own->method], "POST") != 0)
    return scenario_bad (at, "body", "only a POST has one");
  return scenario_check_expect (at, &own->expect.answer);
}

/* The owner's choice: the application may have no TLS. */
static const char *
note (const struct scenario *s)
{
  const struct own *own = s->own;
  struct url url;

  if (!(own->auth.bearer || own->auth.password) || !url_parse (own->url, &url)
      || url.tls)
    return NULL;
  return "over http:// the secret in auth goes in the clear, to whoever "
         "answers at that address; https shows it to nobody else";
}

/* ---- the asking ---- */

/* Who is asked, as "IP:PORT", and who he is in the URL. */
static const char *
address_of (const struct own *own, const struct guest *g, struct url *url,
            char *dst, size_t n, struct outcome_report *ret)
{
  bool guest = strcmp (url->host, "guest") == 0;
  char text[300];
  const char *known;
  size_t host;

  snprintf (text, sizeof text, "%s:%u", url->host, url->port);
  known = scenario_address (own->address ? own->address : text, g, dst, n,
                            ret);
  if (!known)
    return NULL;
  if (known != dst)
    snprintf (dst, n, "%s", known);
  host = (size_t) (strrchr (dst, ':') - dst);
  if (guest)
    snprintf (url->host, sizeof url->host, "%.*s", (int) host, dst);
  return dst;
}

/* Follows in place; text is what url->path points into from then on.  False:
 * it leads away, and is the answer. */
static bool
follow (const struct http_result *r, const char *asked, bool secret,
        struct url *url, char *text, size_t n, char *address, size_t size)
{
  struct url to;
  size_t host = (size_t) (strrchr (address, ':') - address);
  char ip[80];

  snprintf (text, n, "%s", r->redirect);
  /* A server has no say in who else is asked, nor in showing what was for
   * TLS without it; and a secret is for the one service that it was meant for:
   * another port is another one. */
  if (!url_parse (text, &to) || strcasecmp (to.host, asked) != 0
      || (url->tls && !to.tls)
      || (secret && (to.tls != url->tls || to.port != url->port)))
    return false;
  snprintf (ip, sizeof ip, "%.*s", (int) host, address);
  if (to.port != url->port)
    snprintf (address, size, "%s:%u", ip, to.port);
  url->tls = to.tls;
  url->port = to.port;
  url->path = to.path;
  return true;
}

/* Of the outcomes that are no answer. */
static const struct
{
  enum outcome outcome;
  const char *code;
} ends[HTTP_END_MAX] = {
  [HTTP_END_NO_NETNS] = { OUTCOME_NO_VERDICT, "no-netns" },
  [HTTP_END_NO_ROUTE] = { OUTCOME_NO_VERDICT, "no-route" },
  [HTTP_END_UNREACHABLE] = { OUTCOME_FAILED, "unreachable" },
  [HTTP_END_REFUSED] = { OUTCOME_FAILED, "refused" },
  [HTTP_END_TIMEOUT] = { OUTCOME_FAILED, "timeout" },
  [HTTP_END_SILENT] = { OUTCOME_FAILED, "silent" },
  [HTTP_END_ENDLESS] = { OUTCOME_FAILED, "endless" },
  [HTTP_END_RESET] = { OUTCOME_FAILED, "reset" },
  [HTTP_END_PROTOCOL] = { OUTCOME_FAILED, "protocol" },
  [HTTP_END_TLS] = { OUTCOME_FAILED, "tls-failed" },
  [HTTP_END_EXPIRED] = { OUTCOME_FAILED, "tls-expires" },
  [HTTP_END_UNUSABLE] = { OUTCOME_NO_VERDICT, "http-unusable" },
  [HTTP_END_STUCK] = { OUTCOME_NO_VERDICT, "own-failure" },
};

static bool
status_ok (const struct own *own, unsigned status)
{
  char *const *list = own->expect.status.items;

  if (own->expect.status.count == 0)
    return status / 100 == 2;
  for (size_t i = 0; i < own->expect.status.count; i++)
    {
      unsigned n = (unsigned) strtoul (list[i], NULL, 10);

      if (n == status || (n < 10 && n == status / 100))
        return true;
    }
  return false;
}

/* False when ret was set. */
static bool
judge_headers (const struct own *own, const struct http_result *r,
               struct outcome_report *ret)
{
  char *const *list = own->expect.headers.items;

  for (size_t i = 0; i < own->expect.headers.count; i++)
    {
      struct scenario_expect ex = { .status = -1, .output = list[i] };
      char seen[100];

      judge_answer (&ex, -1, buf_str (&r->headers), r->headers.len, ret);
      if (ret->outcome == OUTCOME_FAILED)
        report_set (ret, OUTCOME_FAILED, "mismatch",
                    "no header is as expected: %s",
                    report_quote (seen, sizeof seen, list[i],
                                  strlen (list[i])));
      if (ret->outcome != OUTCOME_OK)
        return false;
    }
  return true;
}

static double
days_left (const struct http_result *r)
{
  return ((double) r->expires * 1000 - (double) clock_wall_ms ())
         / (double) DAY_MS;
}

/* Of an answer that is well but for that. */
static void
judge_expiry (const struct own *own, const struct http_result *r,
              struct outcome_report *ret)
{
  double days = days_left (r), ms = days * (double) DAY_MS;

  if (!r->expires || !(own->tls.warn_ms || own->tls.fail_ms))
    return;
  ret->value = floor (days);
  if (ms < (double) own->tls.fail_ms)
    report_set (ret, OUTCOME_FAILED, "tls-expires",
                "it answers, and its certificate ends in %.0f days",
                floor (days));
  else if (ms < (double) own->tls.warn_ms)
    report_set (ret, OUTCOME_OK, "ok",
                "it answers %u; its certificate ends in %.0f days, renew it",
                r->status, floor (days));
}

static void
judge (const struct own *own, const struct http_result *r, unsigned followed,
       struct outcome_report *ret)
{
  struct scenario_expect ex = own->expect.answer;
  char seen[170], again[40] = "";

  if (r->end != HTTP_END_OK)
    {
      report_set (ret, ends[r->end].outcome, ends[r->end].code, "%s",
                  report_quote (seen, sizeof seen, r->detail,
                                strlen (r->detail)));
      return;
    }
  if (followed)
    snprintf (again, sizeof again, ", redirected %u times", followed);
  if (!status_ok (own, r->status))
    {
      const char *what = r->redirect[0] ? r->redirect : buf_str (&r->body);

      report_set (ret, OUTCOME_FAILED, "http-status", "it answers %u%s: %s",
                  r->status, again,
                  report_quote (seen, 100, what, strlen (what)));
      return;
    }
  if (!judge_headers (own, r, ret))
    return;
  ex.status = -1;
  judge_answer (&ex, -1, buf_str (&r->body), r->body.len, ret);
  if (ret->outcome != OUTCOME_OK)
    return;
  report_set (ret, OUTCOME_OK, "ok", "it answers %u in %llu ms%s, %s%zu bytes",
              r->status, (unsigned long long) r->took_ms, again,
              r->cut ? "more than " : "", r->body.len);
  judge_expiry (own, r, ret);
}

/* One after the other while they lead on. */
static int
run (const struct own *own, const struct transport_env *env,
     struct url *url, char *address, size_t size, struct http_ask *ask,
     uint64_t deadline, struct outcome_report *ret, struct error *err)
{
  char text[sizeof ((struct http_result *) 0)->redirect];
  struct http_result r;

  for (unsigned followed = 0;; followed++)
    {
      bool more;
      int rc;

      ask->address = address;
      ask->tls = url->tls;
      ask->host = own->tls.server_name ? own->tls.server_name : url->host;
      ask->port = url->port;
      ask->path = url->path;
      rc = http_run (env->http, ask, deadline, &r, err);
      if (rc < 0)
        return rc;
      more = r.end == HTTP_END_OK && r.redirect[0]
             && followed < (unsigned) own->redirects
             && follow (&r, ask->host, ask->bearer || ask->password, url, text,
                        sizeof text, address, size);
      if (!more)
        judge (own, &r, followed, ret);
      if (!more && isnan (ret->value))
        ret->value = (double) r.took_ms;
      http_result_done (&r);
      if (!more)
        return 0;
    }
}

static void
cost (const struct scenario *s, const struct transport_ops *way,
      struct scenario_cost *ret)
{
  /* With the body, as far as that is listened to, it may be more. */
  ret->cpu_us = way->cpu_us;
  ret->network = 3000;
}

static int
ask (const struct scenario *s, const struct guest *g,
     const struct transport_ops *way, const struct transport_env *env,
     struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  struct net_place place = net_place (env->opener, own->netns, g);
  struct outcome_report report = { .value = NAN };
  struct http_ask question = { .at = &place,
                               .guest = g->inc.uuid,
                               .method = methods[own->method],
                               .body = own->body,
                               .headers = own->headers.items,
                               .nheaders = own->headers.count,
                               .insecure = !own->tls.verify,
                               .dir = env->http_dir,
                               .ca = own->tls.ca,
                               .bearer = own->auth.bearer,
                               .user = own->auth.user,
                               .password = own->auth.password };
  uint64_t begun = clock_ms ();
  struct url url;
  char address[128];
  int rc;

  if (!env->http || !url_parse (own->url, &url))
    return error_set (err, EINVAL, "nobody asks over HTTP here");
  if (address_of (own, g, &url, address, sizeof address, &report))
    {
      rc = run (own, env, &url, address, sizeof address, &question,
                job_deadline (job), &report, err);
      if (rc < 0)
        return rc;
    }
  report.took_ms = clock_ms () - begun;
  *ret = report;
  return 0;
}

/* Of a server that speaks in the clear it can be told what it is; the words
 * ask for nothing. */
static void
hints (const struct scenario *s, const struct guest *g,
       struct json_object *all)
{
  const struct own *own = s->own;
  struct outcome_report unused = { .value = NAN };
  struct scenario_place at = { .netns = own->netns };
  char address[128];
  struct url url;

  if (!url_parse (own->url, &url)
      || !address_of (own, g, &url, address, sizeof address, &unused))
    return;
  at.address = address;
  if (!url.tls)
    {
      at.send = "HEAD / HTTP/1.0\r\n\r\n";
      at.expect = "^HTTP/1";
    }
  scenario_hint_address (s, g, &at, all);
}

static const char *const uses[] = { "http", NULL };

const struct scenario_kind kind_http = {
  .name = "http",
  .summary = "a request over HTTP or HTTPS, by status, headers, content and "
             "certificate",
  .application = true,
  .transports = uses,
  .timed = true,
  .fields = fields,
  .own_size = sizeof (struct own),
  .own_init = &defaults,
  .check = check,
  .note = note,
  .cost = cost,
  .hints = hints,
  .ask = ask,
};
