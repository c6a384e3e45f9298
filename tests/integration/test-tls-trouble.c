/* SPDX-License-Identifier: Apache-2.0
 *
 * The real hangdog-writer against receivers over TLS: each thing that is wrong
 * gives one line that says what to do, leaves the bundle in the spool, and
 * does not outlive its mending.
 */
#include "tls-bed.h"

#include <openssl/tls1.h>

/* Too long a label for any resolver to ask for. */
#define NO_NAME                                                               \
  "a123456789012345678901234567890123456789012345678901234567890123456789.x"
#define STRANGER                                                              \
  ",\"cert-file\":\"DIR/stranger.pem\",\"key-file\":\"DIR/stranger.key\""
#define MOVED(to)                                                             \
  "HTTP/1.1 302 Found\r\nLocation: " to                                       \
  "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

static const struct trouble troubles[] = {
  { .name = "wrong CA", .more = ",\"ca-file\":\"DIR/other.pem\"",
    .say = "signed by nobody", .mend = "sink.ca-file" },
  { .name = "unknown CA", .more = "", .say = "this system trusts",
    .mend = "sink.ca-file" },
  { .name = "no CA file", .more = ",\"ca-file\":\"DIR/nothing.pem\"",
    .say = "cannot be used", .mend = "sink.ca-file" },
  { .name = "wrong name", .cert = "elsewhere",
    .say = "made for another name", .mend = "sink.url" },
  { .name = "expired", .cert = "expired", .say = "has expired",
    .mend = "renewed" },
  { .name = "not valid yet", .cert = "early", .say = "not valid yet",
    .mend = "clock" },
  { .name = "TLS 1.1", .max_version = TLS1_1_VERSION,
    .say = "offers no TLS 1.2", .mend = "switched on" },
  { .name = "no TLS", .cert = "", .say = "speaks no TLS",
    .mend = "http:// in sink.url" },
  { .name = "mute", .cert = "", .then = PEER_SILENT, .say = "begins no TLS",
    .mend = "sink.url" },
  { .name = "cut", .then = PEER_CUT, .say = "broke off with",
    .mend = "bytes sent" },
  { .name = "silent", .then = PEER_SILENT, .say = "makes no progress",
    .mend = "sink.timeout" },
  { .name = "redirect", .reply = MOVED ("https://portal.example/login"),
    .say = "points to https://portal.example/login: that is not followed",
    .mend = "sink.url" },
  { .name = "redirect to a file", .reply = MOVED ("file:///etc/passwd"),
    .say = "answers 302", .mend = "file:///etc/passwd" },
  { .name = "huge error", .then = PEER_BODY,
    .reply = "HTTP/1.1 503 Later\r\nConnection: close\r\n\r\n",
    .say = "answers 503", .mend = "not sent" },
  { .name = "no client certificate", .client_ca = "ours",
    .say = "wants a certificate of ours", .mend = "sink.cert-file" },
  { .name = "strange client certificate", .client_ca = "ours",
    .more = CA STRANGER, .say = "does not take the certificate",
    .mend = "signed by an authority that it trusts" },
  { .name = "open key",
    .more = CA ",\"cert-file\":\"DIR/device.pem\","
               "\"key-file\":\"DIR/open.key\"",
    .say = "open.key", .mend = "chmod 600", .denied = true },
  { .name = "key of another",
    .more = CA ",\"cert-file\":\"DIR/device.pem\","
               "\"key-file\":\"DIR/stranger.key\"",
    .say = "in PEM and its key", .mend = "sink.key-file", .denied = true },
  { .name = "no token file", .more = CA ",\"token-file\":\"DIR/none\"",
    .say = "the token file", .mend = "/none", .denied = true },
  { .name = "bad token", .more = CA TOKEN_FILE,
    .reply = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
    .say = "answers 401", .mend = "sink.token-file", .denied = true },
  { .name = "nobody", .host = NO_NAME, .say = "leads nowhere",
    .mend = "resolver" },
  { .name = "no proxy", .more = CA ",\"proxy\":\"http://127.0.0.1:1\"",
    .say = "the proxy cannot be used", .mend = "sink.proxy" },
};

static void
test_troubles (void **state)
{
  struct world *w = *state;
  static char cert[32][200], ca[32][200];
  CLEANUP_FRAME struct frame shipped = { 0 };
  struct peer_plan plan;
  struct peer_saw saw;
  char sink[1024], line[1024], digest[65];

  w->stall = "1s";
  start_writer (w, NULL);
  pack (w, INC ("1"), digest);
  write_file (w, "open.key", "x", 0644);
  for (size_t i = 0; i < ARRAY_LEN (troubles); i++)
    {
      const struct trouble *t = &troubles[i];

      plan_of (w, t, &plan, cert[i], ca[i]);
      /* It may be that the writer tries once more as it did before, in the
       * moment between this and the reload: that is not let in either. */
      if (!plan.reply)
        plan.reply = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n"
                     "Connection: close\r\n\r\n";
      tlspeer_plan (w->peer, &plan);
      sink_of (w, "https", t->host ? t->host : "localhost",
               t->more ? t->more : CA, sink);
      reload (w, sink);
      await_line (w, t->say, t->mend, line);
      if (t->denied ? !strstr (line, "before this is mended")
                    : !strstr (line, "was not sent"))
        fail_msg ("%s: %s", t->name, line);
      printf ("%-26s %.300s\n", t->name, line);
      expect_place (w, INC ("1"), "ready");
    }
  /* All of it is mended: it goes, whole, and once. */
  plan_of (w, NULL, &plan, cert[31], ca[31]);
  tlspeer_plan (w->peer, &plan);
  w->stall = "30s";
  sink_of (w, "https", "localhost", CA, sink);
  reload (w, sink);
  await_frame (w, 0, "shipped", INC ("1"), &shipped);
  expect_place (w, INC ("1"), "sent");
  tlspeer_saw (w->peer, &saw);
  assert_string_equal (saw.digest, digest);
  assert_true (saw.version >= TLS1_2_VERSION);
  assert_null (strstr (w->text, TOKEN));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_troubles),
  };

#ifndef WITH_CURL
  printf ("built without curl\n");
  return 77;
#endif
  return cmocka_run_group_tests (tests, NULL, NULL);
}
