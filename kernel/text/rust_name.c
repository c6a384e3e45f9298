/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of Rust's.  See rust_name.h.
 */
#include "kernel/text/rust_name.h"

#include <stdint.h>
#include <string.h>

#define DEPTH_MAX 24
#define STEPS_MAX 512 /* back references could make it walk for ever */
#define OUT_MAX 256

struct mangled
{
  const char *s;
  size_t len, at;
  char out[OUT_MAX];
  size_t n;
  unsigned depth, steps, silent;
  bool bad;
};

static void read_path (struct mangled *m);
static void read_type (struct mangled *m);

static char
peek (const struct mangled *m)
{
  return m->at < m->len ? m->s[m->at] : '\0';
}

static char
next (struct mangled *m)
{
  char c = peek (m);

  if (c)
    m->at++;
  else
    m->bad = true;
  return c;
}

static bool
eat (struct mangled *m, char c)
{
  if (peek (m) != c)
    return false;
  m->at++;
  return true;
}

static void
put (struct mangled *m, const char *s, size_t len)
{
  if (m->silent || m->bad)
    return;
  if (len > sizeof m->out - m->n)
    {
      m->bad = true;
      return;
    }
  memcpy (m->out + m->n, s, len);
  m->n += len;
}

static void
puts_ (struct mangled *m, const char *s)
{
  put (m, s, strlen (s));
}

/* "_" is 0, "0_" is 1, "a_" is 11.  Hashes fill all 64 bits; should one go
 * beyond, it is of no use anyhow. */
static uint64_t
read_base62 (struct mangled *m)
{
  uint64_t v = 0;
  char c;

  if (eat (m, '_'))
    return 0;
  while ((c = next (m)) != '_')
    {
      unsigned digit;

      if (c >= '0' && c <= '9')
        digit = (unsigned) (c - '0');
      else if (c >= 'a' && c <= 'z')
        digit = (unsigned) (c - 'a') + 10;
      else if (c >= 'A' && c <= 'Z')
        digit = (unsigned) (c - 'A') + 36;
      else
        digit = 62;
      if (digit == 62)
        {
          m->bad = true;
          return 0;
        }
      v = v * 62 + digit;
    }
  return v + 1;
}

/* "s_" and the like tell apart what has the same name. */
static void
skip_disambiguator (struct mangled *m)
{
  if (eat (m, 's'))
    (void) read_base62 (m);
}

static void
read_name (struct mangled *m)
{
  size_t len = 0;

  skip_disambiguator (m);
  (void) eat (m, 'u');
  if (peek (m) < '0' || peek (m) > '9')
    m->bad = true;
  while (peek (m) >= '0' && peek (m) <= '9' && len < OUT_MAX)
    len = len * 10 + (size_t) (next (m) - '0');
  (void) eat (m, '_');
  if (m->bad || len > m->len - m->at)
    {
      m->bad = true;
      return;
    }
  put (m, m->s + m->at, len);
  m->at += len;
}

/* What was said before, at an earlier place of the name. */
static void
read_again (struct mangled *m, void (*fn) (struct mangled *m))
{
  size_t here = m->at - 1, back;
  uint64_t to = read_base62 (m);

  back = m->at;
  if (m->bad || to >= here)
    {
      m->bad = true;
      return;
    }
  m->at = to;
  fn (m);
  m->at = back;
}

static bool
deeper (struct mangled *m)
{
  if (++m->depth > DEPTH_MAX || ++m->steps > STEPS_MAX)
    m->bad = true;
  return !m->bad;
}

static void
read_nested (struct mangled *m)
{
  char space = next (m);

  read_path (m);
  puts_ (m, "::");
  if (space >= 'A' && space <= 'Z')
    puts_ (m, "{closure}");
  read_name (m);
}

/* Where an implementation stands is not part of what it is called. */
static void
skip_place (struct mangled *m)
{
  m->silent++;
  skip_disambiguator (m);
  read_path (m);
  m->silent--;
}

static void
read_implementation (struct mangled *m, bool trait)
{
  puts_ (m, "<");
  read_type (m);
  if (trait)
    {
      puts_ (m, " as ");
      read_path (m);
    }
  puts_ (m, ">");
}

static void
skip_arguments (struct mangled *m)
{
  m->silent++;
  while (!m->bad && !eat (m, 'E'))
    {
      if (eat (m, 'L'))
        (void) read_base62 (m);
      else
        read_type (m);
    }
  m->silent--;
}

static void
read_path (struct mangled *m)
{
  if (!deeper (m))
    return;
  switch (next (m))
    {
    case 'C':
      read_name (m);
      break;
    case 'M':
      skip_place (m);
      read_implementation (m, false);
      break;
    case 'X':
      skip_place (m);
      read_implementation (m, true);
      break;
    case 'Y':
      read_implementation (m, true);
      break;
    case 'N':
      read_nested (m);
      break;
    case 'I':
      read_path (m);
      skip_arguments (m);
      break;
    case 'B':
      read_again (m, read_path);
      break;
    default:
      m->bad = true;
    }
  m->depth--;
}

static const char *
plain_type (char c)
{
  static const char letters[] = "abcdefhijlmnostuvxyzp";
  static const char *const names[]
      = { "i8",  "bool", "char", "f64",   "str", "f32", "u8",
          "isize", "usize", "i32", "u32", "i128", "u128", "i16",
          "u16", "()", "...", "i64", "u64", "!", "_" };
  const char *p = c ? strchr (letters, c) : NULL;

  return p ? names[p - letters] : NULL;
}

static void
read_pointed (struct mangled *m, const char *sign)
{
  puts_ (m, sign);
  if (eat (m, 'L'))
    (void) read_base62 (m);
  read_type (m);
}

static void
read_type (struct mangled *m)
{
  const char *plain = plain_type (peek (m));

  if (!deeper (m))
    return;
  if (plain)
    {
      m->at++;
      puts_ (m, plain);
    }
  else if (eat (m, 'R'))
    read_pointed (m, "&");
  else if (eat (m, 'Q'))
    read_pointed (m, "&mut ");
  else if (eat (m, 'P'))
    read_pointed (m, "*const ");
  else if (eat (m, 'O'))
    read_pointed (m, "*mut ");
  else if (eat (m, 'S'))
    {
      puts_ (m, "[");
      read_type (m);
      puts_ (m, "]");
    }
  else if (eat (m, 'B'))
    read_again (m, read_type);
  else
    read_path (m);
  m->depth--;
}

bool
rust_name (const char *s, size_t len, char *dst, size_t n)
{
  struct mangled m = { .s = s + 2, .len = len < 2 ? 0 : len - 2 };

  if (len < 3 || s[0] != '_' || s[1] != 'R')
    return false;
  read_path (&m);
  if (m.bad || !m.n)
    return false;
  if (m.n >= n)
    m.n = n - 1;
  memcpy (dst, m.out, m.n);
  dst[m.n] = '\0';
  return true;
}
