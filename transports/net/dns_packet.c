/* SPDX-License-Identifier: Apache-2.0
 *
 * Packets of DNS (RFC 1035).  Every byte that is read is one that there is,
 * and a name may only point back, so it ends.
 */
#include "transports/net/dns.h"

#include "base/be.h"
#include "base/buf.h"
#include "base/error.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define HEADER 12
#define NAME_MAX_BYTES 255
/* Of answers that are looked at. */
#define MAX_ANSWERS 256

const char *const dns_type_names[]
    = { "A", "AAAA", "CNAME", "NS", "PTR", "SOA", "SRV", "TXT", NULL };
static const uint16_t numbers[DNS_TYPE_MAX] = {
  [DNS_A] = 1,    [DNS_AAAA] = 28, [DNS_CNAME] = 5, [DNS_NS] = 2,
  [DNS_PTR] = 12, [DNS_SOA] = 6,   [DNS_SRV] = 33,  [DNS_TXT] = 16,
};

const char *const dns_rcode_names[]
    = { "noerror",  "formerr", "servfail", "nxdomain", "notimp", "refused",
        "yxdomain", "yxrrset", "nxrrset",  "notauth",  "notzone", NULL };

const char *
dns_rcode_name (unsigned rcode)
{
  return rcode < DNS_RCODE_MAX ? dns_rcode_names[rcode] : "unknown";
}

static size_t
put16 (unsigned char *p, unsigned v)
{
  be_put16 (p, (uint16_t) v);
  return 2;
}

/* ---- questions ---- */

bool
dns_name_ok (const char *name)
{
  size_t n = strlen (name), label = 0;

  if (strcmp (name, ".") == 0)
    return true;
  if (n > 0 && name[n - 1] == '.')
    n--;
  if (n == 0 || n > 253)
    return false;
  for (size_t i = 0; i <= n; i++)
    {
      unsigned char c = (unsigned char) name[i];

      if (i == n || c == '.')
        {
          if (label == 0 || label > 63)
            return false;
          label = 0;
        }
      else if (c <= 0x20 || c >= 0x7f || c == '\\')
        return false;
      else
        label++;
    }
  return true;
}

size_t
dns_encode (const char *name, enum dns_type type, uint16_t id,
            unsigned char dst[DNS_QUESTION_MAX])
{
  size_t at = HEADER;

  memset (dst, 0, HEADER);
  put16 (dst, id);
  dst[2] = 1; /* whoever has to ask others for it may */
  dst[5] = 1; /* one question */
  while (*name && strcmp (name, ".") != 0)
    {
      size_t n = strcspn (name, ".");

      dst[at++] = (unsigned char) n;
      memcpy (dst + at, name, n);
      at += n;
      name += n + (name[n] == '.');
    }
  dst[at++] = 0;
  at += put16 (dst + at, numbers[type]);
  at += put16 (dst + at, 1);
  return at;
}

/* ---- answers ---- */

struct reader
{
  const unsigned char *p;
  size_t len, at;
};

static bool
has (const struct reader *r, size_t n)
{
  return n <= r->len - r->at;
}

static void
put_byte (struct buf *out, unsigned char c, bool dots)
{
  if (c <= 0x20 || c >= 0x7f)
    buf_printf (out, "\\%03u", c);
  else if (c == '\\' || c == '"' || (dots && c == '.'))
    buf_printf (out, "\\%c", c);
  else
    buf_putc (out, (char) c);
}

/* Moves behind it; out may be NULL. */
static bool
read_name (struct reader *r, struct buf *out)
{
  size_t at = r->at, bytes = 0, lowest = r->at;
  bool jumped = false;

  for (;;)
    {
      unsigned n;

      if (at >= r->len)
        return false;
      n = r->p[at++];
      if ((n & 0xc0) == 0xc0)
        {
          size_t to;

          if (at >= r->len)
            return false;
          to = (size_t) (n & 0x3f) << 8 | r->p[at++];
          if (!jumped)
            r->at = at;
          jumped = true;
          /* Always farther back than ever before: no loop. */
          if (to >= lowest)
            return false;
          at = lowest = to;
          continue;
        }
      bytes += n + 1;
      if (n & 0xc0 || bytes > NAME_MAX_BYTES || n > r->len - at)
        return false;
      if (n == 0)
        break;
      for (unsigned i = 0; out && i < n; i++)
        put_byte (out, r->p[at + i], true);
      if (out)
        buf_putc (out, '.');
      at += n;
    }
  if (out && bytes == 1)
    buf_putc (out, '.');
  if (!jumped)
    r->at = at;
  return true;
}

static bool
put_txt (struct buf *out, const unsigned char *p, size_t n)
{
  bool first = true;

  while (n > 0)
    {
      size_t len = *p++;

      n--;
      if (len > n)
        return false;
      buf_puts (out, first ? "\"" : " \"");
      for (size_t i = 0; i < len; i++)
        {
          /* A blank is one in a text. */
          if (p[i] == ' ')
            buf_putc (out, ' ');
          else
            put_byte (out, p[i], false);
        }
      buf_putc (out, '"');
      first = false;
      p += len;
      n -= len;
    }
  return true;
}

/* What a record says; r is at it, and n bytes are its. */
static bool
put_data (struct reader *r, unsigned type, size_t n, struct buf *out)
{
  const unsigned char *p = r->p + r->at;
  /* Names in it may point anywhere before, but end in it. */
  struct reader in = { r->p, r->at + n, r->at };
  char text[INET6_ADDRSTRLEN];

  switch (type)
    {
    case 1:
    case 28:
      if (n != (type == 1 ? 4 : 16))
        return false;
      inet_ntop (type == 1 ? AF_INET : AF_INET6, p, text, sizeof text);
      buf_puts (out, text);
      return true;
    case 2:
    case 5:
    case 12:
      return read_name (&in, out);
    case 33:
      if (n < 7)
        return false;
      buf_printf (out, "%u %u %u ", be_get16 (p), be_get16 (p + 2),
                  be_get16 (p + 4));
      in.at += 6;
      return read_name (&in, out);
    case 6:
      if (!read_name (&in, out))
        return false;
      buf_putc (out, ' ');
      if (!read_name (&in, out) || !has (&in, 20))
        return false;
      for (unsigned i = 0; i < 5; i++)
        buf_printf (out, " %u", be_get32 (in.p + in.at + 4 * i));
      return true;
    case 16:
      return put_txt (out, p, n);
    default:
      buf_printf (out, "%zu bytes", n);
      return true;
    }
}

static bool
read_record (struct reader *r, struct buf *out)
{
  const char *name = NULL;
  unsigned type, n;
  uint32_t ttl;

  if (!read_name (r, out) || !has (r, 10))
    return false;
  type = be_get16 (r->p + r->at);
  ttl = be_get32 (r->p + r->at + 4);
  n = be_get16 (r->p + r->at + 8);
  r->at += 10;
  if (!has (r, n))
    return false;
  for (unsigned i = 0; i < DNS_TYPE_MAX; i++)
    if (numbers[i] == type)
      name = dns_type_names[i];
  if (name)
    buf_printf (out, " %u %s ", ttl, name);
  else
    buf_printf (out, " %u TYPE%u ", ttl, type);
  if (!put_data (r, type, n, out))
    return false;
  buf_putc (out, '\n');
  r->at += n;
  return true;
}

/* The question comes back as it was sent; letters may have changed their
 * case on the way. */
static bool
same_question (const unsigned char *a, const unsigned char *b, size_t n)
{
  for (size_t i = 0; i < n; i++)
    {
      unsigned char x = a[i], y = b[i];

      x |= x >= 'A' && x <= 'Z' ? 0x20 : 0;
      y |= y >= 'A' && y <= 'Z' ? 0x20 : 0;
      if (x != y)
        return false;
    }
  return true;
}

int
dns_decode (const unsigned char *packet, size_t len,
            const unsigned char *question, size_t question_len,
            struct dns_answer *ret, struct error *err)
{
  struct reader r = { packet, len, HEADER };
  struct dns_answer a = { .text = ret->text };
  unsigned asked, count;

  if (len < HEADER || memcmp (packet, question, 2) != 0 || !(packet[2] & 0x80))
    return error_set (err, ENOMSG, "no answer to what was asked");
  a.rcode = packet[3] & 15u;
  a.truncated = packet[2] & 2;
  asked = be_get16 (packet + 4);
  count = be_get16 (packet + 6);
  /* A server that did not understand it need not repeat it. */
  if (asked == 0 && a.rcode != 0 && count == 0)
    {
      *ret = a;
      return 0;
    }
  if (asked != 1 || len < question_len
      || !same_question (packet + HEADER, question + HEADER,
                         question_len - HEADER))
    return error_set (err, ENOMSG, "no answer to what was asked");
  r.at = question_len;
  for (unsigned i = 0; i < count && i < MAX_ANSWERS; i++)
    {
      if (!read_record (&r, a.text))
        {
          /* What is cut off may be cut anywhere. */
          if (a.truncated)
            break;
          return error_set (err, EBADMSG,
                            "answer %u of %u makes no sense", i + 1, count);
        }
      a.count++;
    }
  *ret = a;
  return 0;
}
