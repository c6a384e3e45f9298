/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of JSON objects: read from the text as they stand there, shown in a
 * path, and checked for duplicates.  "a" and "\u0061" are the same key.
 */
#include "base/json_scan.h"

#include "base/buf.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_KEY 64 /* bytes of a key in a path */
#define SHORT_RUN 8  /* sorted by insertion */

struct key_iter
{
  const char *p;
  unsigned char bytes[4];
  unsigned n, i;
};

unsigned
json_hex4 (const char *p)
{
  unsigned v = 0;

  for (int i = 0; i < 4; i++)
    {
      unsigned c = (unsigned char) p[i];

      v = v << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
  return v;
}

static unsigned
encode (uint32_t cp, unsigned char out[4])
{
  if (cp < 0x80)
    {
      out[0] = (unsigned char) cp;
      return 1;
    }
  if (cp < 0x800)
    {
      out[0] = (unsigned char) (0xc0 | cp >> 6);
      out[1] = (unsigned char) (0x80 | (cp & 0x3f));
      return 2;
    }
  if (cp < 0x10000)
    {
      out[0] = (unsigned char) (0xe0 | cp >> 12);
      out[1] = (unsigned char) (0x80 | (cp >> 6 & 0x3f));
      out[2] = (unsigned char) (0x80 | (cp & 0x3f));
      return 3;
    }
  out[0] = (unsigned char) (0xf0 | cp >> 18);
  out[1] = (unsigned char) (0x80 | (cp >> 12 & 0x3f));
  out[2] = (unsigned char) (0x80 | (cp >> 6 & 0x3f));
  out[3] = (unsigned char) (0x80 | (cp & 0x3f));
  return 4;
}

/* The next byte of a string that has passed json_scan(), -1 at its end. */
static int
key_byte (struct key_iter *it)
{
  static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
  const char *simple;
  uint32_t cp;

  if (it->i < it->n)
    return it->bytes[it->i++];
  if (*it->p == '"')
    return -1;
  if (*it->p != '\\')
    return (unsigned char) *it->p++;
  it->p += 2;
  if (it->p[-1] != 'u')
    {
      simple = strchr (from, it->p[-1]);
      return simple ? to[simple - from] : it->p[-1];
    }
  cp = json_hex4 (it->p);
  it->p += 4;
  if (cp >= 0xd800 && cp < 0xdc00)
    {
      cp = 0x10000 + ((cp - 0xd800) << 10) + (json_hex4 (it->p + 2) - 0xdc00);
      it->p += 6;
    }
  it->n = encode (cp, it->bytes);
  it->i = 1;
  return it->bytes[0];
}

void
json_path_key (struct buf *path, const char *key, size_t len)
{
  bool plain = len > 0 && len <= SHOWN_KEY;

  for (size_t i = 0; plain && i < len; i++)
    plain = (key[i] >= 'a' && key[i] <= 'z') || (key[i] >= 'A' && key[i] <= 'Z')
            || (key[i] >= '0' && key[i] <= '9') || key[i] == '_'
            || key[i] == '-' || key[i] == '$';
  if (plain)
    {
      if (path->len > 0)
        buf_putc (path, '.');
      buf_append (path, key, len);
      return;
    }
  buf_puts (path, "[\"");
  text_escape (path, key, len <= SHOWN_KEY ? len : SHOWN_KEY, 0);
  buf_puts (path, len <= SHOWN_KEY ? "\"]" : "...\"]");
}

void
json_path_index (struct buf *path, size_t index)
{
  buf_printf (path, "[%zu]", index);
}

void
json_path_cut (struct buf *path, size_t len)
{
  path->cut = false;
  if (len < path->len)
    {
      path->len = len;
      path->data[len] = '\0';
    }
}

void
json_path_raw_key (struct buf *path, const char *raw)
{
  struct key_iter it = { .p = raw };
  char key[SHOWN_KEY + 1];
  size_t n = 0;
  int c;

  while (n < sizeof key && (c = key_byte (&it)) >= 0)
    key[n++] = (char) c;
  json_path_key (path, key, n);
}

static int
compare_text (const char *a, const char *b)
{
  struct key_iter ia = { .p = a }, ib = { .p = b };

  for (;;)
    {
      int ca = key_byte (&ia), cb = key_byte (&ib);

      if (ca != cb)
        return ca < cb ? -1 : 1;
      if (ca < 0)
        return 0;
    }
}

/* Is a to stand behind b?  The hash only saves time: keys that were chosen to
 * collide are still ordered by their text, so sorting stays n log n. */
static bool
behind (const char *text, const struct json_key *a, const struct json_key *b)
{
  int order;

  if (a->hash != b->hash)
    return a->hash > b->hash;
  order = compare_text (text + a->at, text + b->at);
  return order != 0 ? order > 0 : a->at > b->at;
}

static void
merge (const char *text, const struct json_key *a, size_t na,
       const struct json_key *b, size_t nb, struct json_key *out)
{
  while (na > 0 && nb > 0)
    if (behind (text, a, b))
      *out++ = *b++, nb--;
    else
      *out++ = *a++, na--;
  memcpy (out, a, na * sizeof *a);
  memcpy (out + na, b, nb * sizeof *b);
}

/* Short runs by insertion, then merged pairwise, back and forth between the
 * keys and the spare array.  Returns where the sorted keys are, NULL without
 * memory. */
static struct json_key *
sort_keys (struct json_keys *set, const char *text, struct json_key *k,
           size_t n)
{
  struct json_key *to;

  for (size_t i = 1; i < n; i++)
    {
      struct json_key one = k[i];
      size_t j = i, run = i - i % SHORT_RUN;

      for (; j > run && behind (text, &k[j - 1], &one); j--)
        k[j] = k[j - 1];
      k[j] = one;
    }
  if (n <= SHORT_RUN)
    return k;
  if (set->spare_cap < n)
    {
      free (set->spare);
      set->spare_cap = 0;
      set->spare = malloc (n * sizeof *k);
      if (!set->spare)
        return NULL;
      set->spare_cap = n;
    }
  to = set->spare;
  for (size_t run = SHORT_RUN; run < n; run *= 2)
    {
      struct json_key *from = k;

      for (size_t i = 0; i < n; i += 2 * run)
        {
          size_t na = n - i < run ? n - i : run;
          size_t nb = n - i - na < run ? n - i - na : run;

          merge (text, k + i, na, k + i + na, nb, to + i);
        }
      k = to;
      to = from;
    }
  return k;
}

int
json_keys_add (struct json_keys *set, const char *text, size_t at)
{
  struct key_iter it = { .p = text + at };
  uint32_t hash = 2166136261u;
  int c;

  if (set->n == set->cap)
    {
      size_t cap = set->cap > 0 ? set->cap * 2 : 64;
      struct json_key *p = reallocarray (set->keys, cap, sizeof *p);

      if (!p)
        return -ENOMEM;
      set->keys = p;
      set->cap = cap;
    }
  while ((c = key_byte (&it)) >= 0)
    hash = (hash ^ (uint32_t) c) * 16777619u;
  set->keys[set->n++] = (struct json_key){ hash, (uint32_t) at };
  return 0;
}

int
json_keys_twice (struct json_keys *set, const char *text, size_t from,
                 size_t *ret_first, size_t *ret_again)
{
  size_t n = set->n - from, first = 0, again = SIZE_MAX;
  struct json_key *k;

  set->n = from;
  if (n < 2)
    return 0;
  k = sort_keys (set, text, set->keys + from, n);
  if (!k)
    return -ENOMEM;
  for (size_t i = 1; i < n; i++)
    if (k[i].hash == k[i - 1].hash && k[i].at < again
        && compare_text (text + k[i].at, text + k[i - 1].at) == 0)
      {
        again = k[i].at;
        first = k[i - 1].at;
      }
  if (again == SIZE_MAX)
    return 0;
  *ret_first = first;
  *ret_again = again;
  return 1;
}

void
json_keys_done (struct json_keys *set)
{
  free (set->keys);
  free (set->spare);
}
