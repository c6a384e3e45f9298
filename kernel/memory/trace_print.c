/* SPDX-License-Identifier: Apache-2.0
 *
 * What trace_printk() kept: where its format is, and the arguments as words
 * behind each other, each where it would be in a structure of words of four
 * bytes; strings are there themselves.  Put together here as printf does it.
 */
#include "kernel/memory/trace.h"

#include "kernel/memory/kernel.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH_MAX 128

/* What is between % and the letter. */
struct spec
{
  char flags[6];
  int width, precision; /* -1 = none */
  unsigned size;        /* bytes of a number */
  char letter;
};

struct printing
{
  struct kernel *k;
  const uint8_t *words;
  size_t len, at;
  char *dst;
  size_t size, n;
  bool short_of; /* words ended before the format did */
};

static void
put (struct printing *p, const char *text, size_t len)
{
  if (len > p->size - 1 - p->n)
    len = p->size - 1 - p->n;
  memcpy (p->dst + p->n, text, len);
  p->n += len;
}

/* ---- arguments ---- */

static uint64_t
take (struct printing *p, unsigned size)
{
  unsigned align = size > 4 ? 4 : size;
  uint64_t v = 0;

  p->at = (p->at + align - 1) / align * align;
  if (p->at > p->len || p->len - p->at < size)
    {
      p->short_of = true;
      return 0;
    }
  memcpy (&v, p->words + p->at, size);
  p->at += size;
  return v;
}

static const char *
take_text (struct printing *p, size_t *ret_len)
{
  const char *text = (const char *) p->words + p->at, *end;

  end = p->at < p->len ? memchr (text, '\0', p->len - p->at) : NULL;
  if (!end)
    {
      p->short_of = true;
      *ret_len = 0;
      return "";
    }
  *ret_len = (size_t) (end - text);
  p->at += *ret_len + 1;
  return text;
}

/* ---- one of them ---- */

static void
put_many (struct printing *p, char c, size_t n)
{
  for (; n > 0; n--)
    put (p, &c, 1);
}

static void
put_text (struct printing *p, const struct spec *s, const char *text,
          size_t len)
{
  size_t pad;

  if (s->precision >= 0 && len > (size_t) s->precision)
    len = (size_t) s->precision;
  pad = s->width > 0 && (size_t) s->width > len ? (size_t) s->width - len : 0;
  if (!strchr (s->flags, '-'))
    put_many (p, ' ', pad);
  put (p, text, len);
  if (strchr (s->flags, '-'))
    put_many (p, ' ', pad);
}

/* What stands before the digits; *v becomes what they are of. */
static const char *
sign_of (const struct spec *s, uint64_t *v)
{
  uint64_t sign = UINT64_C (1) << (s->size * 8 - 1);

  if (s->letter == 'x' || s->letter == 'X')
    return *v && strchr (s->flags, '#') ? "0x" : "";
  if (s->letter != 'd' && s->letter != 'i')
    return "";
  if (*v & sign)
    {
      *v = (0 - *v) & (sign | (sign - 1));
      return "-";
    }
  return strchr (s->flags, '+')   ? "+"
         : strchr (s->flags, ' ') ? " "
                                  : "";
}

static void
put_number (struct printing *p, const struct spec *s)
{
  uint64_t v = take (p, s->size);
  const char *before = sign_of (s, &v);
  bool left = strchr (s->flags, '-') != NULL;
  bool zeros = !left && s->precision < 0 && strchr (s->flags, '0');
  int at_least = s->precision > 0 ? s->precision : 1;
  char digits[WIDTH_MAX + 32];
  size_t n, pad;

  snprintf (digits, sizeof digits,
            s->letter == 'o'   ? "%.*" PRIo64
            : s->letter == 'x' ? "%.*" PRIx64
            : s->letter == 'X' ? "%.*" PRIX64
                               : "%.*" PRIu64,
            at_least, v);
  n = strlen (before) + strlen (digits);
  pad = s->width > 0 && (size_t) s->width > n ? (size_t) s->width - n : 0;
  if (!left && !zeros)
    put_many (p, ' ', pad);
  put (p, before, strlen (before));
  if (zeros)
    put_many (p, '0', pad);
  put (p, digits, strlen (digits));
  if (left)
    put_many (p, ' ', pad);
}

/* Those that the kernel had to follow it followed when it kept them. */
static const char *
put_pointer (struct printing *p, const struct spec *s, const char *fmt)
{
  const char *end = fmt;
  char text[600];
  struct ksym sym;
  size_t len;
  uint64_t v;

  while (isalnum ((unsigned char) *end))
    end++;
  if (isalnum ((unsigned char) *fmt) && !strchr ("SsBxKe", *fmt))
    {
      const char *kept = take_text (p, &len);

      put_text (p, s, kept, len);
      return end;
    }
  v = take (p, 8);
  if (strchr ("SB", *fmt) && *fmt)
    kernel_name_of (p->k, v, text, sizeof text);
  else if (*fmt == 's' && kernel_sym (p->k, v, &sym))
    snprintf (text, sizeof text, "%.500s", sym.name);
  else
    snprintf (text, sizeof text, "%s%0*" PRIx64, *fmt == 's' ? "0x" : "",
              *fmt == 's' ? 1 : 16, v);
  put_text (p, s, text, strlen (text));
  return end;
}

/* ---- the format ---- */

static int
take_count (struct printing *p, const char **fmt)
{
  int n = 0;

  if (**fmt == '*')
    {
      ++*fmt;
      n = (int) (int32_t) take (p, 4);
    }
  else
    for (; isdigit ((unsigned char) **fmt); ++*fmt)
      n = n < WIDTH_MAX ? n * 10 + (**fmt - '0') : n;
  return n > WIDTH_MAX ? WIDTH_MAX : n;
}

static void
take_size (const char **fmt, struct spec *s)
{
  s->size = 4;
  for (; strchr ("hlLzjtq", **fmt) && **fmt; ++*fmt)
    s->size = **fmt == 'h' ? s->size / 2 : 8;
  if (s->size == 0)
    s->size = 1;
}

/* Behind a %; returns where the format goes on. */
static const char *
put_one (struct printing *p, const char *fmt)
{
  struct spec s = { .precision = -1 };
  const char *text;
  size_t len;
  char c;

  for (size_t i = 0; strchr ("-+ #0", *fmt) && *fmt; fmt++)
    if (i < sizeof s.flags - 1)
      s.flags[i++] = *fmt;
  s.width = take_count (p, &fmt);
  if (s.width < 0)
    {
      s.flags[0] = '-';
      s.width = s.width < -WIDTH_MAX ? WIDTH_MAX : -s.width;
    }
  if (*fmt == '.')
    {
      fmt++;
      s.precision = take_count (p, &fmt);
    }
  take_size (&fmt, &s);
  s.letter = *fmt;
  switch (*fmt)
    {
    case '%':
      put (p, "%", 1);
      break;
    case 'c':
      c = (char) take (p, 1);
      put_text (p, &s, &c, 1);
      break;
    case 's':
      text = take_text (p, &len);
      put_text (p, &s, text, len);
      break;
    case 'p':
      return put_pointer (p, &s, fmt + 1);
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
      put_number (p, &s);
      break;
    default: /* no format of ours: what follows cannot be told apart */
      p->short_of = true;
      return fmt;
    }
  return fmt + 1;
}

size_t
trace_print (struct kernel *k, const char *fmt, const uint8_t *words,
             size_t len, char *dst, size_t size)
{
  struct printing p
      = { .k = k, .words = words, .len = len, .dst = dst, .size = size };

  while (*fmt && !p.short_of)
    {
      size_t plain = strcspn (fmt, "%");

      put (&p, fmt, plain);
      fmt += plain;
      if (*fmt == '%')
        fmt = put_one (&p, fmt + 1);
    }
  if (p.short_of)
    put (&p, "...", 3);
  dst[p.n] = '\0';
  return p.n;
}
