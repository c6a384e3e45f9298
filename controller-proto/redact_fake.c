/* SPDX-License-Identifier: Apache-2.0
 *
 * Pseudonyms.
 *
 * An address is replaced byte by byte.  Each byte is moved within those values
 * that keep its kind, by a permutation that the key and the bytes before it
 * choose: so two addresses never become one, those of one network stay in one,
 * and one that is known tells nothing of the others but which are its
 * neighbours.
 */
#include "controller-proto/redact_impl.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* The values that a byte may become, by rising ranges; one that is in none
 * stays. */
#define RANGES_MAX 10
struct choice
{
  struct
  {
    unsigned char from, to;
  } ranges[RANGES_MAX];
  unsigned n;
};

static void
add_range (struct choice *c, unsigned from, unsigned to)
{
  c->ranges[c->n].from = (unsigned char) from;
  c->ranges[c->n++].to = (unsigned char) to;
}

/* From the last one, which it is in, and not at its beginning. */
static void
take_out (struct choice *c, unsigned from, unsigned to)
{
  unsigned end = c->ranges[c->n - 1].to;

  c->ranges[c->n - 1].to = (unsigned char) (from - 1);
  if (to < end)
    add_range (c, to + 1, end);
}

/* How many there are, and the how manieth of them byte is, from 0: as many as
 * there are when it is none. */
static unsigned
place_in (const struct choice *c, unsigned char byte, unsigned *ret_n)
{
  unsigned n = 0, at = 256;

  for (unsigned i = 0; i < c->n; i++)
    {
      unsigned from = c->ranges[i].from, to = c->ranges[i].to;

      if (byte >= from && byte <= to)
        at = n + byte - from;
      n += to - from + 1;
    }
  *ret_n = n;
  return at < n ? at : n;
}

static unsigned char
value_at (const struct choice *c, unsigned at)
{
  unsigned i = 0, n;

  while ((n = c->ranges[i].to - c->ranges[i].from + 1u) <= at)
    at -= n, i++;
  return (unsigned char) (c->ranges[i].from + at);
}

/* ---- a stream of numbers under the key ---- */

/* What the numbers are made of: the kind and the bytes before this one. */
struct seed
{
  unsigned char bytes[24];
  unsigned len;
};

static void
seed_init (struct seed *s, char kind, const unsigned char *before, unsigned n)
{
  s->bytes[0] = (unsigned char) kind;
  s->bytes[1] = (unsigned char) n;
  s->bytes[2] = 0; /* counts blocks */
  memcpy (s->bytes + 3, before, n);
  s->len = 3 + n;
}

struct stream
{
  const struct digest_key *key;
  struct seed seed;
  unsigned used;
  unsigned char block[DIGEST_BYTES];
};

static unsigned
stream_byte (struct stream *s)
{
  if (s->used == DIGEST_BYTES)
    {
      digest_mac (s->key, s->seed.bytes, s->seed.len, s->block);
      s->seed.bytes[2]++;
      s->used = 0;
    }
  return s->block[s->used++];
}

/* Below n, without a bias: what would make one is passed over. */
static unsigned
stream_below (struct stream *s, unsigned n)
{
  unsigned v, most = 256 - 256 % n;

  do
    v = stream_byte (s);
  while (v >= most);
  return v % n;
}

/* ---- orders ---- */

/* A hundred numbers and more make an order, and those of one network share it:
 * the ones made last are kept. */
static void
shuffle (const struct redact_faker *f, const struct seed *seed, unsigned n,
         unsigned char order[256])
{
  struct stream s = { .key = &f->key, .seed = *seed, .used = DIGEST_BYTES };

  for (unsigned i = 0; i < n; i++)
    order[i] = (unsigned char) i;
  for (unsigned i = n - 1; i > 0; i--)
    {
      unsigned k = stream_below (&s, i + 1);
      unsigned char was = order[i];

      order[i] = order[k];
      order[k] = was;
    }
}

/* What stands there in the order of n (2 to 256) that the seed chooses. */
static unsigned
ordered (const struct redact_faker *f, const struct seed *seed, unsigned n,
         unsigned at)
{
  uint32_t h = 2166136261u ^ n;
  unsigned char order[256];
  struct redact_order *o;

  if (!f->orders)
    {
      shuffle (f, seed, n, order);
      return order[at];
    }
  for (unsigned i = 0; i < seed->len; i++)
    h = (h ^ seed->bytes[i]) * 16777619u;
  o = &f->orders[(h ^ h >> 15) & (REDACT_ORDERS - 1)];
  if (o->n != n || o->seed_len != seed->len
      || memcmp (o->seed, seed->bytes, seed->len) != 0)
    {
      shuffle (f, seed, n, o->order);
      memcpy (o->seed, seed->bytes, seed->len);
      o->seed_len = (unsigned char) seed->len;
      o->n = (uint16_t) n;
    }
  return o->order[at];
}

/* Where byte goes among the choice, which is shuffled. */
static unsigned char
moved (const struct redact_faker *f, char kind, const unsigned char *before,
       unsigned n, unsigned char byte, const struct choice *c)
{
  struct seed seed;
  unsigned all, at = place_in (c, byte, &all);

  if (at == all || all < 2)
    return byte;
  seed_init (&seed, kind, before, n);
  return value_at (c, ordered (f, &seed, all, at));
}

/* ---- IPv4 ---- */

static bool
stays_ipv4 (const unsigned char ip[4])
{
  return ip[0] == 0 || ip[0] == 127 || ip[0] >= 224
         || (ip[0] == 169 && ip[1] == 254)
         || (ip[0] == 192 && ip[1] == 0 && ip[2] == 2)
         || (ip[0] == 198 && ip[1] == 51 && ip[2] == 100)
         || (ip[0] == 203 && ip[1] == 0 && ip[2] == 113);
}

/* Networks of which only a part is special: the first byte stays there, so
 * that the second one can keep the kind. */
static void
second_choice (const unsigned char ip[4], struct choice *c)
{
  switch (ip[0])
    {
    case 172:
      if (ip[1] >= 16 && ip[1] <= 31)
        add_range (c, 16, 31);
      else
        {
          add_range (c, 0, 255);
          take_out (c, 16, 31);
        }
      break;
    case 192:
      add_range (c, 1, 255);
      take_out (c, 168, 168);
      break;
    case 100:
      if (ip[1] >= 64 && ip[1] <= 127)
        add_range (c, 64, 127);
      else
        {
          add_range (c, 0, 255);
          take_out (c, 64, 127);
        }
      break;
    case 169:
      add_range (c, 0, 253);
      break;
    case 198:
      add_range (c, 0, 255);
      take_out (c, 51, 51);
      break;
    case 203:
      add_range (c, 1, 255);
      break;
    default:
      add_range (c, 0, 255);
    }
}

static void
first_choice (struct choice *c)
{
  static const unsigned char parted[]
      = { 10, 100, 127, 169, 172, 192, 198, 203 };

  add_range (c, 1, 223);
  for (unsigned i = 0; i < sizeof parted; i++)
    take_out (c, parted[i], parted[i]);
}

static void
fake_ipv4 (const struct redact_faker *f, const unsigned char ip[4],
           unsigned char ret[4])
{
  for (unsigned i = 0; i < 4; i++)
    {
      struct choice c = { .n = 0 };

      if (i == 0)
        first_choice (&c);
      else if (i == 1)
        second_choice (ip, &c);
      else if (i == 2)
        add_range (&c, 0, 255);
      else /* a network's own address, and its broadcast, stay that */
        add_range (&c, 1, 254);
      ret[i] = moved (f, '4', ip, i, ip[i], &c);
    }
}

bool
redact_fake_ipv4 (const struct redact_faker *f, const unsigned char ip[4],
                  char dst[FAKE_MAX])
{
  unsigned char out[4];

  if (stays_ipv4 (ip))
    return false;
  fake_ipv4 (f, ip, out);
  snprintf (dst, FAKE_MAX, "%u.%u.%u.%u", out[0], out[1], out[2], out[3]);
  return true;
}

/* ---- MAC ---- */

static void
fake_mac (const struct redact_faker *f, const unsigned char mac[6],
          unsigned char ret[6])
{
  for (unsigned i = 0; i < 6; i++)
    {
      struct choice c = { .n = 0 };

      /* The two low bits of the first say whose and of how many it is. */
      unsigned stay = i == 0 ? 2 : 0, low = mac[i] & ((1u << stay) - 1);

      add_range (&c, 0, 255u >> stay);
      ret[i] = (unsigned char) (moved (f, 'm', mac, i,
                                       (unsigned char) (mac[i] >> stay), &c)
                                    << stay
                                | low);
    }
}

static bool
stays_mac (const unsigned char mac[6])
{
  static const unsigned char none[6];

  return (mac[0] & 1) || memcmp (mac, none, sizeof none) == 0;
}

bool
redact_fake_mac (const struct redact_faker *f, const unsigned char mac[6],
                 char sep, bool upper, char dst[FAKE_MAX])
{
  unsigned char out[6];

  if (stays_mac (mac))
    return false;
  fake_mac (f, mac, out);
  for (unsigned i = 0; i < 6; i++)
    snprintf (dst + 3 * i, FAKE_MAX - 3 * i, upper ? "%02X%c" : "%02x%c",
              out[i], sep);
  dst[17] = '\0';
  return true;
}

/* ---- IPv6 ---- */

static bool
is_eui64 (const unsigned char ip[16])
{
  return ip[11] == 0xff && ip[12] == 0xfe;
}

static bool
holds_ipv4 (const unsigned char ip[16])
{
  static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
  static const unsigned char nat64[12] = { 0x00, 0x64, 0xff, 0x9b };

  return memcmp (ip, mapped, 12) == 0 || memcmp (ip, nat64, 12) == 0;
}

static bool
stays_ipv6 (const unsigned char ip[16])
{
  if (holds_ipv4 (ip))
    return stays_ipv4 (ip + 12);
  /* A link-local address that is made of a MAC tells it. */
  if (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80)
    return !is_eui64 (ip);
  if (ip[0] == 0x20 && ip[1] == 0x01 && ip[2] == 0x0d && ip[3] == 0xb8)
    return true;
  return (ip[0] & 0xe0) != 0x20 && (ip[0] & 0xfe) != 0xfc;
}

/* From the byte on, until the byte: what is zero stays so, for its shape. */
static void
move_groups (const struct redact_faker *f, const unsigned char ip[16],
             unsigned from, unsigned to, unsigned char ret[16])
{
  for (unsigned i = from; i < to; i++)
    {
      struct choice c = { .n = 0 };
      bool high = i % 2 == 0;

      if (high || ip[i - 1] == 0)
        add_range (&c, 1, 255);
      else
        add_range (&c, 0, 255);
      ret[i] = moved (f, '6', ip, i, ip[i], &c);
    }
}

static void
fake_host_part (const struct redact_faker *f, const unsigned char ip[16],
                unsigned char ret[16])
{
  unsigned char mac[6] = { ip[8] ^ 2, ip[9], ip[10], ip[13], ip[14], ip[15] };
  unsigned char out[6];

  fake_mac (f, mac, out);
  ret[8] = out[0] ^ 2;
  ret[9] = out[1];
  ret[10] = out[2];
  ret[13] = out[3];
  ret[14] = out[4];
  ret[15] = out[5];
}

static void
format_ipv6 (const unsigned char ip[16], char dst[FAKE_MAX])
{
  unsigned best = 8, best_n = 1, n;
  size_t at = 0;

  for (unsigned i = 0; i < 8; i++)
    {
      for (n = 0; i + n < 8 && !ip[2 * (i + n)] && !ip[2 * (i + n) + 1];)
        n++;
      if (n > best_n)
        best = i, best_n = n;
    }
  for (unsigned i = 0; i < 8; i++)
    {
      if (i == best)
        {
          at += (size_t) snprintf (dst + at, FAKE_MAX - at, "::");
          i += best_n - 1;
          continue;
        }
      at += (size_t) snprintf (dst + at, FAKE_MAX - at, "%s%x",
                               i > 0 && i != best + best_n ? ":" : "",
                               (unsigned) ip[2 * i] << 8 | ip[2 * i + 1]);
    }
}

bool
redact_fake_ipv6 (const struct redact_faker *f, const unsigned char ip[16],
                  char dst[FAKE_MAX])
{
  struct choice c = { .n = 0 };
  unsigned char out[16];

  if (stays_ipv6 (ip))
    return false;
  memcpy (out, ip, sizeof out);
  if (holds_ipv4 (ip))
    {
      fake_ipv4 (f, ip + 12, out + 12);
      snprintf (dst, FAKE_MAX, "%s%u.%u.%u.%u",
                ip[1] ? "64:ff9b::" : "::ffff:", out[12], out[13], out[14],
                out[15]);
      return true;
    }
  if ((ip[0] & 0xe0) == 0x20)
    {
      add_range (&c, 0x20, 0x3f);
      out[0] = moved (f, '6', ip, 0, ip[0], &c);
      move_groups (f, ip, 1, 8, out);
    }
  else if ((ip[0] & 0xfe) == 0xfc)
    move_groups (f, ip, 1, 8, out);
  if (is_eui64 (ip))
    fake_host_part (f, ip, out);
  else
    move_groups (f, ip, 8, 16, out);
  format_ipv6 (out, dst);
  return true;
}

/* ---- words ---- */

/* The same few names stand in every line of a log. */
static void
word_sum (const struct redact_faker *f, const char *kind, const char *word,
          size_t len, char ret_hex[9])
{
  struct redact_sum *kept = NULL;
  unsigned char md[DIGEST_BYTES];
  uint32_t h = 2166136261u;
  char text[300];
  size_t n = (size_t) snprintf (text, sizeof text, "%s", kind) + 1;

  for (size_t i = 0; i < len && n < sizeof text; i++)
    text[n++] = (char) tolower ((unsigned char) word[i]);
  if (f->sums && n <= sizeof kept->text)
    {
      for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char) text[i]) * 16777619u;
      kept = &f->sums[(h ^ h >> 15) & (REDACT_SUMS - 1)];
    }
  if (kept && kept->len == n && memcmp (kept->text, text, n) == 0)
    {
      memcpy (ret_hex, kept->hex, 9);
      return;
    }
  digest_mac (&f->key, text, n, md);
  snprintf (ret_hex, 9, "%02x%02x%02x%02x", md[0], md[1], md[2], md[3]);
  if (!kept)
    return;
  memcpy (kept->text, text, n);
  memcpy (kept->hex, ret_hex, 9);
  kept->len = (unsigned char) n;
}

void
redact_fake_word (const struct redact_faker *f, enum redact_kind kind,
                  const char *word, size_t len, char dst[FAKE_MAX])
{
  const char *as = kind == KIND_USER ? "user" : "host";
  char hex[9];

  word_sum (f, as, word, len, hex);
  snprintf (dst, FAKE_MAX, "%s-%s", as, hex);
}

void
redact_fake_host (const struct redact_faker *f, const char *name, size_t len,
                  char dst[FAKE_MAX])
{
  const char *dot = memchr (name, '.', len);
  size_t first = dot ? (size_t) (dot - name) : len;
  char host[FAKE_MAX], hex[9];

  redact_fake_word (f, KIND_HOSTNAME, name, first, host);
  if (!dot)
    {
      snprintf (dst, FAKE_MAX, "%s", host);
      return;
    }
  word_sum (f, "domain", dot + 1, len - first - 1, hex);
  snprintf (dst, FAKE_MAX, "%.40s.dom-%s.example", host, hex);
}
