/* SPDX-License-Identifier: Apache-2.0
 *
 * Redaction: what names somebody goes, under one key always to the same and to
 * its own kind; what only looks like it stays; secrets go; and none of that
 * depends on how the text is cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "controller-proto/redact_impl.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const char key_a[] = "0123456789abcdef-a";
static const char key_b[] = "0123456789abcdef-b";

static struct redactor *
new (const char *key)
{
  struct redactor *r = NULL;
  struct error err = ERROR_INIT;

  if (redactor_new (key, strlen (key), &r, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return r;
}

static void
pass (struct redactor *r, enum redact_pass p, const char *text, size_t len,
      size_t step, struct buf *out)
{
  redact_begin (r, p);
  for (size_t at = 0; at < len; at += step)
    redact_feed (r, text + at, len - at < step ? len - at : step, out);
  assert_true (redact_end (r, out));
}

/* free() it. */
static char *
redacted (const char *key, const char *text, size_t step)
{
  CLEANUP_REDACTOR struct redactor *r = new (key);
  struct buf out = BUF_INIT (16u << 20);

  pass (r, REDACT_LEARN, text, strlen (text), step, NULL);
  pass (r, REDACT_REPLACE, text, strlen (text), step, &out);
  assert_false (out.cut);
  buf_putc (&out, '\0');
  return buf_steal (&out);
}

static void
assert_same (const char *text)
{
  CLEANUP_FREE char *out = redacted (key_a, text, 1000);

  assert_string_equal (out, text);
}

static void
assert_goes (const char *text, const char *what)
{
  CLEANUP_FREE char *out = redacted (key_a, text, 1000);

  assert_non_null (strstr (text, what));
  if (strstr (out, what))
    fail_msg ("%s is still in: %s", what, out);
}

/* ---- addresses ---- */

static void
test_go (void **state)
{
  assert_goes ("ip 10.0.2.15/24 dev eth0", "10.0.2.15");
  assert_goes ("10.0.2.15", "10.0.2.15");
  assert_goes ("at 8.8.8.8.", "8.8.8.8");
  assert_goes ("{\"a\":\"x\\n192.168.7.9\"}", "192.168.7.9");
  assert_goes ("{\"a\":\"{\\\"b\\\":\\\"\\\\n192.168.7.9\\\"}\"}",
               "192.168.7.9");
  assert_goes ("add:172.16.3.4:80", "172.16.3.4");
  assert_goes ("\\e[01;34m192.168.7.9\\e[0m", "192.168.7.9");
  assert_goes ("\033[1m192.168.7.9\033[0m", "192.168.7.9");
  assert_goes ("trace_172.16.3.4_x", "172.16.3.4");
  assert_goes ("4.3.2.10.in-addr.arpa", "4.3.2.10");
  assert_goes ("link/ether 02:16:3e:00:00:01 brd", "02:16:3e:00:00:01");
  assert_goes ("MAC 02-16-3E-AB-00-01", "02-16-3E-AB-00-01");
  assert_goes ("id 01:02:16:3e:00:00:01", "02:16:3e:00:00:01");
  assert_goes ("mac:02:16:3e:00:00:01", "02:16:3e:00:00:01");
  assert_goes ("inet6 2a00:1450:4001:81b::200e/64", "2a00:1450:4001:81b::200e");
  assert_goes ("[fd12:3456::1]:443", "fd12:3456::1");
  assert_goes ("::ffff:10.9.8.7 x", "10.9.8.7");
  /* It is made of a MAC. */
  assert_goes ("fe80::16:3eff:fe00:1/64", "16:3eff:fe00:1");
  assert_goes ("from ann.lee@shop.acme.com>", "ann.lee");
  assert_goes ("connect db1.acme.local:5432", "db1.acme");
}

static void
test_stay (void **state)
{
  assert_same ("127.0.0.1 0.0.0.0 255.255.255.0 169.254.1.2 224.0.0.251");
  assert_same ("::1 :: fe80::1 ff02::1 2001:db8::7 192.0.2.4 203.0.113.9");
  assert_same ("Linux version 6.1.0.13 (gcc 12.2.0)");
  assert_same ("linux-image 6.1.0.13-amd64, BIOS 1.16.2.1, v1.2.3.4");
  assert_same ("1.3.6.1.4.1.2021 and 1.2.3 and 300.1.2.3");
  assert_same ("[   12.345678] ffffffff81234567 0xdead:beef 00:1f.2");
  assert_same ("pci 0000:00:1f.2: [8086:2922] type 00");
  assert_same ("2026-11-21T12:27:05.005Z 12:27:05 00:00:00:00:00:00");
  assert_same ("33:33:00:00:00:01 ff:ff:ff:ff:ff:ff");
  assert_same ("aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99");
  assert_same ("getty@tty1.service user@1000.service std::vector a::b");
  assert_same ("RIP: 0010:do_idle+0x1f/0x30 f5c71bef-3672-47da-8949-e57");
  assert_same ("libfoo.so.1.2.3.4 lists.debian.org me@kernel.org");
  assert_same ("debian login: root");
  assert_same ("[redacted] password=[redacted]");
}

/* Every address of a network: to one of the same network, and never two to one;
 * the kind stays, and so do the network's own address and its broadcast. */
static void
test_one_to_one (void **state)
{
  struct redact_faker key = { 0 };
  static unsigned char seen[65536];
  unsigned char net = 0;

  digest_key_init (&key.key, key_a, strlen (key_a));
  for (unsigned i = 0; i < 65536; i++)
    {
      unsigned char ip[4] = { 172, 20, (unsigned char) (i >> 8),
                              (unsigned char) i }, got[4];
      char text[FAKE_MAX];

      assert_true (redact_fake_ipv4 (&key, ip, text));
      assert_int_equal (inet_pton (AF_INET, text, got), 1);
      net = i == 0 ? got[1] : net;
      assert_true (got[0] == 172 && got[1] >= 16 && got[1] < 32
                   && got[1] == net);
      assert_int_equal (got[3] == 0, ip[3] == 0);
      assert_int_equal (got[3] == 255, ip[3] == 255);
      assert_int_equal (seen[got[2] << 8 | got[3]]++, 0);
    }
}

static bool
is_private (const unsigned char ip[4])
{
  return ip[0] == 10 || (ip[0] == 172 && ip[1] >= 16 && ip[1] < 32)
         || (ip[0] == 192 && ip[1] == 168)
         || (ip[0] == 100 && ip[1] >= 64 && ip[1] < 128);
}

static void
test_kinds (void **state)
{
  struct redact_faker key = { 0 };
  uint32_t x = 7;
  char text[FAKE_MAX], again[FAKE_MAX];

  digest_key_init (&key.key, key_a, strlen (key_a));
  for (unsigned i = 0; i < 3000; i++)
    {
      unsigned char ip[16], got[16];

      for (unsigned k = 0; k < 16; k++)
        ip[k] = (unsigned char) ((x = x * 1664525 + 1013904223) >> 24);
      if (redact_fake_ipv4 (&key, ip, text))
        {
          assert_int_equal (inet_pton (AF_INET, text, got), 1);
          assert_int_equal (is_private (got), is_private (ip));
          /* What came out would be replaced again: it is no special one. */
          assert_true (redact_fake_ipv4 (&key, got, again));
        }
      ip[0] = 0x20 | (ip[0] & 0x1f);
      if (redact_fake_ipv6 (&key, ip, text))
        {
          assert_int_equal (inet_pton (AF_INET6, text, got), 1);
          assert_int_equal (got[0] >> 5, 1);
          assert_memory_not_equal (got, ip, 16);
        }
      ip[0] &= 0xfe;
      if (redact_fake_mac (&key, ip, ':', false, text))
        assert_int_equal (strtoul (text, NULL, 16) & 3, ip[0] & 3);
    }
}

/* What is kept of what was made before changes nothing: neither of few networks,
 * nor of more than there is room for. */
static void
test_kept (void **state)
{
  CLEANUP_REDACTOR struct redactor *r = new (key_a);
  struct redact_faker bare = { .key = r->faker.key };
  char kept[FAKE_MAX], made[FAKE_MAX], text[120];
  uint32_t x = 5;

  for (unsigned i = 0; i < 4000; i++)
    {
      unsigned char ip[16];

      for (unsigned k = 0; k < 16; k++)
        ip[k] = (unsigned char) ((x = x * 1664525 + 1013904223) >> 24);
      /* Half of them in one network, with what that shares. */
      if (i % 2)
        memcpy (ip, "\x0a\x01\x02", 3);
      assert_int_equal (redact_fake_ipv4 (&r->faker, ip, kept),
                        redact_fake_ipv4 (&bare, ip, made));
      assert_string_equal (kept, made);
      if (i >= 400)
        continue;
      ip[0] = i % 2 ? 0x02 : ip[0] & 0xfe;
      assert_int_equal (redact_fake_mac (&r->faker, ip, ':', false, kept),
                        redact_fake_mac (&bare, ip, ':', false, made));
      assert_string_equal (kept, made);
      ip[0] = 0x20 | (ip[0] & 0x1f);
      assert_int_equal (redact_fake_ipv6 (&r->faker, ip, kept),
                        redact_fake_ipv6 (&bare, ip, made));
      assert_string_equal (kept, made);
      snprintf (text, sizeof text, "n%u.%.*s", i / 2 * 7, (int) (i % 90),
                "a-name-that-may-be-longer-than-what-is-kept-of-one-so-that-"
                "there-is-no-place-for-it-at-all");
      redact_fake_host (&r->faker, text, strlen (text), kept);
      redact_fake_host (&bare, text, strlen (text), made);
      assert_string_equal (kept, made);
      redact_fake_word (&r->faker, KIND_USER, text, strlen (text), kept);
      redact_fake_word (&bare, KIND_USER, text, strlen (text), made);
      assert_string_equal (kept, made);
    }
}

/* The literals that wake a rule, each in each case, at each end of a line. */
static void
test_near (void **state)
{
  static const char *const all[] = { "PassWord=hunter2", "x PSK: abcdefgh",
                                     "A Pwd=u8", "\"toKEN\":\"abcdefgh\"" };
  static const char *const secrets[] = { "hunter2", "abcdefgh", "u8" };

  for (size_t i = 0; i < ARRAY_LEN (all); i++)
    for (size_t pad = 0; pad < 70; pad++)
      {
        char text[200];

        snprintf (text, sizeof text, "%*s%s", (int) pad, "", all[i]);
        CLEANUP_FREE char *out = redacted (key_a, text, 1000);
        for (size_t k = 0; k < ARRAY_LEN (secrets); k++)
          assert_null (strstr (out, secrets[k]));
        assert_non_null (strstr (out, REDACT_MARK));
      }
}

/* Our own way of writing them is that of the C library. */
static void
test_ipv6_text (void **state)
{
  static const char *const texts[]
      = { "2a00:1450:4001:81b::200e", "2a00::", "2a00::1:0:0:1",
          "fd12:3456:789a:1:2:3:4:5", "2a00:0:0:1::1" };
  struct redact_faker key = { 0 };

  digest_key_init (&key.key, key_a, strlen (key_a));
  for (size_t i = 0; i < ARRAY_LEN (texts); i++)
    {
      unsigned char ip[16], got[16];
      char text[FAKE_MAX], canon[INET6_ADDRSTRLEN];

      inet_pton (AF_INET6, texts[i], ip);
      assert_true (redact_fake_ipv6 (&key, ip, text));
      assert_int_equal (inet_pton (AF_INET6, text, got), 1);
      inet_ntop (AF_INET6, got, canon, sizeof canon);
      assert_string_equal (text, canon);
      for (unsigned k = 2; k < 16; k += 2)
        assert_int_equal (ip[k] || ip[k + 1], got[k] || got[k + 1]);
    }
}

static void
test_keys (void **state)
{
  static const char text[] = "10.1.2.3 10.1.2.3 10.1.2.4 02:16:3e:00:00:01";
  CLEANUP_FREE char *a = redacted (key_a, text, 100);
  CLEANUP_FREE char *again = redacted (key_a, text, 100);
  CLEANUP_FREE char *b = redacted (key_b, text, 100);
  char first[20], second[20], third[20];

  assert_string_equal (a, again);
  assert_string_not_equal (a, b);
  assert_int_equal (sscanf (a, "%19s %19s %19s", first, second, third), 3);
  assert_string_equal (first, second);
  assert_string_not_equal (first, third);
  assert_int_equal (strncmp (first, "10.", 3), 0);
  *strrchr (first, '.') = *strrchr (third, '.') = '\0';
  assert_string_equal (first, third);
}

/* ---- words ---- */

static void
test_words (void **state)
{
  assert_goes ("systemd[1]: Hostname set to <shop-till-7>.\n"
               "x shop-till-7 kernel: y\n", "shop-till-7");
  assert_goes ("Nov 1 10:00:00 till9 sshd: x\n\ntill9 login: \n", "till9");
  assert_goes ("cd /home" "/walter/x; id Walter", "Walter");
  assert_goes ("Accepted publickey for gretel from 10.0.0.1\n", "gretel");
  assert_goes ("bob77@till9:~$ ls\nfor bob77.\n", "bob77");
  /* The same word is the same everywhere; a part of another word is none. */
  CLEANUP_FREE char *out = redacted (
      key_a, "Hostname set to <till9>\ntill9 till9x a-till9-b\n", 7);
  char host[32];
  assert_int_equal (sscanf (out, "Hostname set to <%31[^>]>", host), 1);
  char want[160];
  snprintf (want, sizeof want, "Hostname set to <%s>\n%s till9x a-%s-b\n",
            host, host, host);
  assert_string_equal (out, want);
}

/* ---- secrets ---- */

static void
test_secrets (void **state)
{
  static const struct
  {
    const char *text, *what;
  } all[] = {
    { "curl http://bob:hunter2@host/", "hunter2" },
    { "mysql --password=hunter2 -u x", "hunter2" },
    { "x --token hunter2hunter2", "hunter2" },
    { "{\"password\": \"hunter2\"}", "hunter2" },
    { "{\"cmd\":\"{\\\"password\\\":\\\"hunter2\\\"}\"}", "hunter2" },
    { "DB_PASSWORD=hunter2", "hunter2" },
    { "Authorization: Basic aHVudGVyMg==", "aHVudGVyMg" },
    { "authorization: Bearer hunter2.hunter2", "hunter2" },
    { "key AKIAIOSFODNN7EXAMPLE ok", "AKIAIOSFODNN7EXAMPLE" },
    { "aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYEX", "wJalr" },
    { "t eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.SflKxwRJSMeKKF", "eyJzdWIi" },
    { "root:$6$salt$abcdefghijklmnop:19000", "$6$salt" },
    { "network={ psk=\"hunter22\" }", "hunter22" },
    { "ghp_abcdefghijklmnopqrstuvwxyz012345", "ghp_abc" },
    { "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabcd\n"
      "-----END RSA PRIVATE KEY-----\n", "MIIEow" },
    { "{\"k\":\"-----BEGIN PRIVATE KEY-----\\nMIIEow\\n-----END PRIVATE "
      "KEY-----\",\"l\":\"-----BEGIN PRIVATE KEY-----\\nMIIxyz\\n-----END "
      "PRIVATE KEY-----\"}", "MIIxyz" },
  };

  for (size_t i = 0; i < ARRAY_LEN (all); i++)
    {
      CLEANUP_FREE char *out = redacted (key_a, all[i].text, 1000);

      if (strstr (out, all[i].what) || !strstr (out, REDACT_MARK))
        fail_msg ("%s", out);
    }
}

/* Words as a document's value, in quotes of a shell, within others of their
 * kind: what is in there goes, and what is around it stays what it was. */
static void
test_nested (void **state)
{
  static const struct
  {
    const char *text, *what, *stays;
  } all[] = {
    { "sh -c \"curl -u bob:hunter2 https://h/\"", "hunter2", "-u bob:" },
    { "['sshpass', '-p', 'hunter2', 'ssh']", "hunter2", "'ssh']" },
    { "sshpass -phunter2 ssh x", "hunter2", " ssh x" },
    { "http://bob:hun@ter2@db/x y@z", "ter2", "@db/x y@z" },
    { "password='hunter2' token=\"hunter3x\"", "hunter", "token=" },
    { "Authorization: Bearer eyJhbGci.eyJzdWIi.SflKxwRJ", "SflKx", "Auth" },
    { "a=[10.1.2.3]:{user@shop.acme.com;10.1.2.4}", "10.1.2.", "a=[" },
    { "[2a00:1450::5]->[::ffff:10.9.8.7]:80", "10.9.8.7", "]->[" },
    { "-----BEGIN PRIVATE KEY-----\npassword=x\n"
      "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nok",
      "MIIE", "ok" },
  };

  for (size_t i = 0; i < ARRAY_LEN (all); i++)
    {
      CLEANUP_FREE char *out = redacted (key_a, all[i].text, 1000);

      if (strstr (out, all[i].what) || !strstr (out, all[i].stays))
        fail_msg ("%s", out);
    }
}

/* JSON in a string of JSON, and so on: at each depth its quotes have more
 * backslashes. */
static void
test_deep_json (void **state)
{
  CLEANUP_JSON struct json_object *o = json_tokener_parse (
      "{\"password\":\"hunter2\",\"api_key\":\"hunter4x\","
      "\"ip\":\"10.1.2.3\",\"header\":\"Authorization: Basic "
      "aHVudGVyMg==\",\"pem\":\"-----BEGIN PRIVATE KEY-----\\nMIIEow\\n"
      "-----END PRIVATE KEY-----\\n\",\"stays\":5}");
  static const char *const gone[]
      = { "hunter2", "hunter4x", "10.1.2.3", "aHVudG", "MIIEow" };

  for (unsigned depth = 0; depth < 5; depth++)
    {
      struct json_object *outer = json_object_new_object ();
      CLEANUP_FREE char *out
          = redacted (key_a, json_object_to_json_string (o), 1000);
      CLEANUP_JSON struct json_object *is = json_tokener_parse (out);

      for (size_t i = 0; i < ARRAY_LEN (gone); i++)
        if (strstr (out, gone[i]))
          fail_msg ("depth %u: %s in %s", depth, gone[i], out);
      assert_non_null (is);
      assert_non_null (strstr (out, "stays"));
      json_add_str (outer, "within", json_object_to_json_string (o));
      json_object_put (o);
      o = outer;
    }
}

/* What was JSON is JSON, and as many lines as there were. */
static void
test_json_stays (void **state)
{
  static const char text[]
      = "{\"a\":\"password=x\",\"ip\":\"10.0.0.1\",\"n\":22.879999,"
        "\"cmd\":\"qemu -object secret,data=hunter2\\n10.0.0.2\"}";
  CLEANUP_FREE char *out = redacted (key_a, text, 3);
  CLEANUP_JSON struct json_object *o = json_tokener_parse (out);

  assert_non_null (o);
  assert_non_null (strstr (out, "22.879999"));
  CLEANUP_FREE char *pem = redacted (
      key_a, "a\n-----BEGIN PRIVATE KEY-----\nb\nc\n-----END x\nd 9.8.7.6\n",
      5);
  assert_string_not_equal (pem, "");
  unsigned lines = 0;
  for (const char *p = pem; (p = strchr (p, '\n')); p++)
    lines++;
  assert_int_equal (lines, 6);
  assert_non_null (strstr (pem, "-----END x\nd "));
  assert_null (strstr (pem, "9.8.7.6"));
}

/* ---- pieces, long lines, bytes that are no text ---- */

static void
test_pieces (void **state)
{
  static const char text[]
      = "Hostname set to <till9>\r\n10.1.2.3 2a00:1450::7 password=abc\n"
        "02:16:3e:00:00:01 till9 http://a:b@c.acme.com/ ann@acme.com";
  CLEANUP_FREE char *whole = redacted (key_a, text, sizeof text);

  for (size_t step = 1; step < 40; step++)
    {
      CLEANUP_FREE char *out = redacted (key_a, text, step);

      assert_string_equal (out, whole);
    }
}

/* However a line of no end is cut, no address gets through. */
static void
test_long_line (void **state)
{
  size_t len = 200000;
  CLEANUP_FREE char *text = malloc (len + 1);

  for (unsigned fill = 0; fill < 4; fill++)
    {
      memset (text, "x,./"[fill], len);
      text[len] = '\0';
      /* In the last one a line can be cut nowhere but between addresses. */
      for (size_t at = 100; at + 40 < len; at += fill < 3 ? 997 : 13)
        memcpy (text + at,
                fill == 0   ? "-198.18.77.3 "
                : fill == 3 ? "/198.18.77.3/"
                            : ",198.18.77.3,",
                13);
      CLEANUP_FREE char *out = redacted (key_a, text, 4096);
      assert_null (strstr (out, "198.18.77.3"));
    }
}

static void
test_binary (void **state)
{
  CLEANUP_REDACTOR struct redactor *r = new (key_a);
  CLEANUP_BUF struct buf out = BUF_INIT (1000);

  redact_begin (r, REDACT_REPLACE);
  redact_feed (r, "abc\0def", 7, &out);
  assert_false (redact_end (r, &out));
  assert_non_null (redact_left_out (r, "console/tail.raw"));
  assert_null (redact_left_out (r, "console/tail.log"));
}

/* ---- rules ---- */

static void
test_rules (void **state)
{
  static const char mine[]
      = "{\"schema\":\"hangdog/redact-rules/1\",\"name\":\"mine\","
        "\"version\":7,\"kinds\":[\"uuid\"],"
        "\"words\":[{\"as\":\"hostname\",\"word\":\"Acme\"}],"
        "\"secrets\":[{\"name\":\"pin\",\"near\":[\"pin\"],"
        "\"regex\":\"PIN (?<secret>[0-9]+)\"}]}";
  static const char *const bad[] = {
    "{\"schema\":\"x\",\"name\":\"a\"}",
    "{\"schema\":\"hangdog/redact-rules/1\",\"name\":\"a\",\"kinds\":[\"x\"]}",
    "{\"schema\":\"hangdog/redact-rules/1\",\"name\":\"a\",\"secrets\":"
    "[{\"name\":\"p\",\"near\":[\"p\"],\"regex\":\"(?<secret>a)\"}]}",
    "{\"schema\":\"hangdog/redact-rules/1\",\"name\":\"a\",\"secrets\":"
    "[{\"name\":\"p\",\"near\":[\"pp\"],\"regex\":\"(a)\"}]}",
  };
  CLEANUP_REDACTOR struct redactor *r = new (key_a);
  CLEANUP_BUF struct buf out = BUF_INIT (1000);
  CLEANUP_JSON struct json_object *o = NULL;
  struct error err = ERROR_INIT;
  static const char text[]
      = "acme PIN 1234 f5c71bef-3672-47da-8949-e5740e542e32";

  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    assert_int_equal (redactor_rules (r, bad[i], strlen (bad[i]), "bad", &err),
                      -EINVAL);
  assert_int_equal (redactor_rules (r, mine, strlen (mine), "mine", &err), 0);
  pass (r, REDACT_REPLACE, text, strlen (text), 100, &out);
  assert_null (strstr (buf_str (&out), "acme"));
  assert_null (strstr (buf_str (&out), "1234"));
  assert_null (strstr (buf_str (&out), "f5c71bef"));
  o = redact_to_json (r);
  assert_string_equal (json_get_str (o, "ruleset"), "mine");
  assert_int_equal (json_get_int (json_get (o, "counts"), "secret.pin", 0), 1);
  assert_int_equal (json_get_int (json_get (o, "counts"), "uuid", 0), 1);
}

int
main (void)
{
#define U cmocka_unit_test
  const struct CMUnitTest tests[] = {
    U (test_go),      U (test_stay),    U (test_one_to_one), U (test_kinds),
    U (test_kept),      U (test_near),  U (test_ipv6_text), U (test_keys),  U (test_words),      U (test_secrets),
    U (test_json_stays), U (test_pieces), U (test_long_line), U (test_binary),
    U (test_rules),   U (test_nested),  U (test_deep_json),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
