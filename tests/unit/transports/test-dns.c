/* SPDX-License-Identifier: Apache-2.0
 *
 * DNS: packets made by hand, and a server on loopback that answers, lies and
 * cuts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "transports/net/dns.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- packets ---- */

struct packet
{
  unsigned char q[DNS_QUESTION_MAX], p[4096];
  size_t qlen, len;
};

static void
begin (struct packet *k, const char *name, enum dns_type type, unsigned n)
{
  k->qlen = dns_encode (name, type, 0x1234, k->q);
  memcpy (k->p, k->q, k->qlen);
  k->p[2] |= 0x80;
  k->p[7] = (unsigned char) n;
  k->len = k->qlen;
}

static void
bytes (struct packet *k, const char *data, size_t n)
{
  memcpy (k->p + k->len, data, n);
  k->len += n;
}
#define BYTES(k, literal) bytes (k, literal, sizeof (literal) - 1)

/* A record whose name is that of the question. */
#define RECORD(k, type, ttl, len, literal)                                    \
  BYTES (k, "\xc0\x0c\0" type "\0\1\0\0\0" ttl "\0" len literal)

static int
decode (struct packet *k, struct buf *text, struct dns_answer *ret)
{
  /* As large as it is, so that what reads behind it is seen. */
  unsigned char *exact = malloc (k->len ? k->len : 1);
  int rc;

  memcpy (exact, k->p, k->len);
  buf_clear (text);
  ret->text = text;
  rc = dns_decode (exact, k->len, k->q, k->qlen, ret, NULL);
  free (exact);
  return rc;
}

static void
says (struct packet *k, const char *text)
{
  struct buf b CLEANUP_BUF = BUF_INIT (DNS_TEXT_MAX);
  struct dns_answer a;

  assert_int_equal (decode (k, &b, &a), 0);
  assert_string_equal (buf_str (&b), text);
}

static void
test_types (void **state)
{
  struct packet k;

  begin (&k, "app.lan", DNS_A, 2);
  RECORD (&k, "\1", "\x3c", "\4", "\xc0\0\2\7");
  RECORD (&k, "\5", "\x3c", "\5", "\2ns\xc0\x10");
  says (&k, "app.lan. 60 A 192.0.2.7\napp.lan. 60 CNAME ns.lan.\n");
  begin (&k, "app.lan.", DNS_AAAA, 1);
  RECORD (&k, "\x1c", "\1", "\x10",
          "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\x9");
  says (&k, "app.lan. 1 AAAA 2001:db8::9\n");
  begin (&k, "x", DNS_TXT, 1);
  RECORD (&k, "\x10", "\1", "\xc", "\4a \"b\3\x1b[2\2\\.");
  says (&k, "x. 1 TXT \"a \\\"b\" \"\\027[2\" \"\\\\.\"\n");
  begin (&k, "_s._tcp.x", DNS_SRV, 1);
  RECORD (&k, "\x21", "\1", "\xb", "\0\1\0\2\x1f\x90\1h\xc0\x14\0");
  /* One byte too many in the record does no harm. */
  says (&k, "_s._tcp.x. 1 SRV 1 2 8080 h.x.\n");
  begin (&k, "x", DNS_SOA, 1);
  RECORD (&k, "\6", "\1", "\x18",
          "\xc0\xc\xc0\xc\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5");
  says (&k, "x. 1 SOA x. x. 1 2 3 4 5\n");
  begin (&k, "x", DNS_A, 1);
  RECORD (&k, "\x63", "\1", "\2", "ab");
  says (&k, "x. 1 TYPE99 2 bytes\n");
  begin (&k, ".", DNS_NS, 1);
  BYTES (&k, "\0\0\2\0\1\0\0\0\1\0\3\1a\0");
  says (&k, ". 1 NS a.\n");
  /* A dot within a label is none between two. */
  begin (&k, "x", DNS_PTR, 1);
  RECORD (&k, "\xc", "\1", "\5", "\3a.b\0");
  says (&k, "x. 1 PTR a\\.b.\n");
}

static void
test_hostile (void **state)
{
  struct buf b CLEANUP_BUF = BUF_INIT (DNS_TEXT_MAX);
  struct dns_answer a;
  struct packet k;

  /* To itself, to each other, forward, out of the packet. */
  begin (&k, "x", DNS_A, 1);
  BYTES (&k, "\xc0\x13\0\1\0\1\0\0\0\1\0\4aaaa");
  assert_int_equal (decode (&k, &b, &a), -EBADMSG);
  begin (&k, "x", DNS_NS, 1);
  RECORD (&k, "\2", "\1", "\4", "\xc0\x21\xc0\x1f");
  assert_int_equal (decode (&k, &b, &a), -EBADMSG);
  begin (&k, "x", DNS_NS, 1);
  RECORD (&k, "\2", "\1", "\2", "\xff\xff");
  assert_int_equal (decode (&k, &b, &a), -EBADMSG);
  /* Lengths that lie. */
  begin (&k, "x", DNS_A, 1);
  RECORD (&k, "\1", "\1", "\4", "aa");
  assert_int_equal (decode (&k, &b, &a), -EBADMSG);
  begin (&k, "x", DNS_A, 1);
  RECORD (&k, "\1", "\1", "\2", "aa");
  assert_int_equal (decode (&k, &b, &a), -EBADMSG);
  begin (&k, "x", DNS_TXT, 1);
  RECORD (&k, "\x10", "\1", "\2", "\x9z");
  assert_int_equal (decode (&k, &b, &a), -EBADMSG);
  begin (&k, "x", DNS_A, 1);
  BYTES (&k, "\x40"
             "aaaaaaaaaaaaaaaaaaaaa");
  assert_int_equal (decode (&k, &b, &a), -EBADMSG);
  /* Answers that are not there. */
  begin (&k, "x", DNS_A, 1);
  assert_int_equal (decode (&k, &b, &a), -EBADMSG);
  /* Every cut of a good one ends well or badly, and reads nothing behind it. */
  begin (&k, "app.lan", DNS_A, 2);
  RECORD (&k, "\1", "\x3c", "\4", "\xc0\0\2\7");
  RECORD (&k, "\5", "\x3c", "\5", "\2ns\xc0\x10");
  for (size_t full = k.len; k.len-- > 0;)
    {
      assert_true (full > k.len);
      assert_true (decode (&k, &b, &a) < 0);
    }
}

static void
test_whose (void **state)
{
  struct buf b CLEANUP_BUF = BUF_INIT (DNS_TEXT_MAX);
  struct dns_answer a;
  struct packet k;

  begin (&k, "app.lan", DNS_A, 0);
  assert_int_equal (decode (&k, &b, &a), 0);
  k.p[0] ^= 1;
  assert_int_equal (decode (&k, &b, &a), -ENOMSG);
  k.p[0] ^= 1;
  k.p[2] &= 0x7f;
  assert_int_equal (decode (&k, &b, &a), -ENOMSG);
  k.p[2] |= 0x80;
  k.p[13] = 'A';
  assert_int_equal (decode (&k, &b, &a), 0);
  k.p[13] = 'b';
  assert_int_equal (decode (&k, &b, &a), -ENOMSG);
  k.p[13] = 'a';
  k.p[5] = 0;
  assert_int_equal (decode (&k, &b, &a), -ENOMSG);
  k.p[3] = 5;
  assert_int_equal (decode (&k, &b, &a), 0);
  assert_int_equal (a.rcode, 5);
}

static void
test_names (void **state)
{
  char name[300];

  assert_true (dns_name_ok ("."));
  assert_true (dns_name_ok ("a"));
  assert_true (dns_name_ok ("_sip._tcp.x-1.lan."));
  assert_false (dns_name_ok (""));
  assert_false (dns_name_ok (".a"));
  assert_false (dns_name_ok ("a.."));
  assert_false (dns_name_ok ("a b"));
  assert_false (dns_name_ok ("a\\b"));
  memset (name, 'a', sizeof name);
  name[63] = '\0';
  assert_true (dns_name_ok (name));
  name[63] = 'a';
  name[64] = '\0';
  assert_false (dns_name_ok (name));
  for (size_t i = 0; i < sizeof name; i++)
    name[i] = i % 2 ? '.' : 'a';
  name[253] = '\0';
  assert_true (dns_name_ok (name));
  name[253] = '.';
  name[254] = '.';
  name[255] = '\0';
  assert_false (dns_name_ok (name));
}

/* ---- a server ---- */

enum manners
{
  ANSWERS,
  LIES_FIRST,
  CUTS,      /* and says the rest by TCP */
  CUTS_ONLY, /* and then takes no TCP */
  NONSENSE,
  SILENT,
  LOSES_FIRST,
};

struct server
{
  int udp, tcp;
  enum manners manners;
  char address[64];
  pthread_t thread;
};

static const char record[]
    = "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\7";

static size_t
make_answer (unsigned char *p, size_t n, bool cut)
{
  p[2] |= 0x80;
  p[2] = (unsigned char) (p[2] | (cut ? 2 : 0));
  p[7] = cut ? 0 : 1;
  if (!cut)
    memcpy (p + n, record, sizeof record - 1);
  return n + (cut ? 0 : sizeof record - 1);
}

static void
serve_tcp (struct server *s)
{
  unsigned char p[600];
  int fd = accept (s->tcp, NULL, NULL);
  ssize_t n = recv (fd, p, 512, 0);
  size_t len;

  assert_true (n > 14);
  len = make_answer (p + 2, (size_t) n - 2, false);
  p[0] = (unsigned char) (len >> 8);
  p[1] = (unsigned char) len;
  /* In two pieces. */
  assert_int_equal (send (fd, p, 9, MSG_NOSIGNAL), 9);
  assert_int_equal (send (fd, p + 9, len + 2 - 9, MSG_NOSIGNAL),
                    (ssize_t) (len + 2 - 9));
  close (fd);
}

static void *
serve (void *arg)
{
  struct server *s = arg;
  unsigned char p[600];
  struct sockaddr_in from;
  socklen_t len = sizeof from;
  ssize_t n = recvfrom (s->udp, p, 512, 0, (struct sockaddr *) &from, &len);
  bool cut = s->manners == CUTS || s->manners == CUTS_ONLY;
  size_t size;

  if (n < 12 || s->manners == SILENT)
    return NULL;
  if (s->manners == LOSES_FIRST)
    n = recvfrom (s->udp, p, 512, 0, (struct sockaddr *) &from, &len);
  size = make_answer (p, (size_t) n, cut);
  if (s->manners == NONSENSE)
    size--;
  if (s->manners == LIES_FIRST)
    {
      p[1] ^= 1;
      p[size - 1] = 66;
      sendto (s->udp, p, size, 0, (struct sockaddr *) &from, len);
      p[1] ^= 1;
      p[size - 1] = 7;
    }
  sendto (s->udp, p, size, 0, (struct sockaddr *) &from, len);
  if (s->manners == CUTS)
    serve_tcp (s);
  return NULL;
}

/* Both of the same number. */
static bool
bind_both (struct server *s)
{
  struct sockaddr_in sa = { .sin_family = AF_INET };
  socklen_t len = sizeof sa;

  sa.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  s->udp = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  s->tcp = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal (bind (s->udp, (struct sockaddr *) &sa, sizeof sa), 0);
  assert_int_equal (getsockname (s->udp, (struct sockaddr *) &sa, &len), 0);
  snprintf (s->address, sizeof s->address, "127.0.0.1:%u",
            ntohs (sa.sin_port));
  if (bind (s->tcp, (struct sockaddr *) &sa, sizeof sa) == 0
      && (s->manners != CUTS || listen (s->tcp, 4) == 0))
    return true;
  close (s->udp);
  close (s->tcp);
  return false;
}

static int
ask (enum manners manners, uint64_t ms, struct dns_result *ret)
{
  struct server s = { .manners = manners };
  struct dns_check check = { .address = s.address, .name = "app.lan",
                             .type = DNS_A };
  struct error err = ERROR_INIT;
  int rc;

  while (!bind_both (&s))
    ;
  assert_int_equal (pthread_create (&s.thread, NULL, serve, &s), 0);
  rc = dns_ask (&check, clock_ms () + ms, ret, &err);
  pthread_join (s.thread, NULL);
  close (s.udp);
  close (s.tcp);
  return rc;
}

static void
test_server (void **state)
{
  static const struct
  {
    enum manners manners;
    uint64_t ms;
    int rc;
    bool tcp;
  } cases[] = {
    { ANSWERS, 60000, 0, false },
    { LIES_FIRST, 60000, 0, false },
    { LOSES_FIRST, 60000, 0, false },
    { CUTS, 60000, 0, true },
    { CUTS_ONLY, 60000, -ECONNREFUSED, false },
    { NONSENSE, 60000, -EBADMSG, false },
    { SILENT, 200, -ETIMEDOUT, false },
  };

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct buf b CLEANUP_BUF = BUF_INIT (DNS_TEXT_MAX);
      struct dns_result r = { .answer = { .text = &b } };
      int rc = ask (cases[i].manners, cases[i].ms, &r);

      if (rc != cases[i].rc)
        fail_msg ("case %zu: %d", i, rc);
      if (rc < 0)
        continue;
      assert_int_equal (r.tcp, cases[i].tcp);
      assert_string_equal (buf_str (&b), "app.lan. 60 A 192.0.2.7\n");
    }
}

static void
test_nobody (void **state)
{
  struct buf b CLEANUP_BUF = BUF_INIT (DNS_TEXT_MAX);
  struct dns_result r = { .answer = { .text = &b } };
  struct server s = { .manners = SILENT };
  struct dns_check check = { .address = s.address, .name = "app.lan" };
  struct error err = ERROR_INIT;

  while (!bind_both (&s))
    ;
  close (s.udp);
  assert_int_equal (dns_ask (&check, clock_ms () + 60000, &r, &err),
                    -ECONNREFUSED);
  close (s.tcp);
  check.name = "a..b";
  assert_int_equal (dns_ask (&check, clock_ms () + 60000, &r, &err), -EINVAL);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_types),  cmocka_unit_test (test_hostile),
    cmocka_unit_test (test_whose),  cmocka_unit_test (test_names),
    cmocka_unit_test (test_server), cmocka_unit_test (test_nobody),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
