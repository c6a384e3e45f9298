/* SPDX-License-Identifier: Apache-2.0
 *
 * The XML pull scanner.
 */
#include "guests/xml.h"

#include "base/error.h"
#include "base/text.h"

#include <stdint.h>
#include <string.h>

#define MAX_NAME 256

static int
bad (const struct xml *x, const char *what, struct error *err)
{
  unsigned line = 1;

  /* Counted only when something is wrong. */
  for (const char *p = x->begin; p < x->at; p++)
    line += *p == '\n';
  return error_set (err, EINVAL, "XML, line %u: %s", line, what);
}

int
xml_init (struct xml *x, const char *text, size_t len, struct error *err)
{
  if (len > XML_MAX_BYTES)
    return error_set (err, EFBIG, "XML of %zu bytes", len);
  memset (x, 0, sizeof *x);
  x->begin = x->at = text;
  x->end = text + len;
  return 0;
}

static bool
is_space (char c)
{
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Bytes above 0x7f are letters of some language. */
static bool
is_name_char (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || (c >= '0' && c <= '9') || c == '_' || c == ':' || c == '-'
         || c == '.' || (unsigned char) c >= 0x80;
}

static bool
starts (const struct xml *x, const char *s)
{
  size_t n = strlen (s);

  return (size_t) (x->end - x->at) >= n && memcmp (x->at, s, n) == 0;
}

static void
skip_space (struct xml *x)
{
  while (x->at < x->end && is_space (*x->at))
    x->at++;
}

/* Moves behind the next `s`; *ret_span is what was before it. */
static int
until (struct xml *x, const char *s, struct xml_span *ret_span,
       struct error *err)
{
  const char *p = memmem (x->at, (size_t) (x->end - x->at), s, strlen (s));

  if (!p)
    return bad (x, "the text ends too early", err);
  *ret_span = (struct xml_span){ x->at, (size_t) (p - x->at) };
  x->at = p + strlen (s);
  return 0;
}

static int
read_name (struct xml *x, struct xml_span *ret, struct error *err)
{
  const char *p = x->at;

  while (x->at < x->end && is_name_char (*x->at))
    x->at++;
  if (x->at == p || x->at - p > MAX_NAME || *p == '-' || *p == '.'
      || (*p >= '0' && *p <= '9'))
    return bad (x, "a name was expected", err);
  *ret = (struct xml_span){ p, (size_t) (x->at - p) };
  return 0;
}

static bool
span_is (struct xml_span s, const char *text, size_t len)
{
  return s.len == len && memcmp (s.p, text, len) == 0;
}

/* ---- markup ---- */

static int
read_attr (struct xml *x, struct error *err)
{
  struct xml_span name, value;
  char quote[2] = "";
  int r = read_name (x, &name, err);

  if (r < 0)
    return r;
  skip_space (x);
  if (x->at == x->end || *x->at++ != '=')
    return bad (x, "'=' was expected behind an attribute's name", err);
  skip_space (x);
  if (x->at == x->end || (*x->at != '"' && *x->at != '\''))
    return bad (x, "an attribute's value needs quotes", err);
  quote[0] = *x->at++;
  r = until (x, quote, &value, err);
  if (r < 0)
    return r;
  /* As the standard has it, and a quote that was forgotten shows itself
   * here instead of swallowing the rest of the document. */
  if (memchr (value.p, '<', value.len))
    return bad (x, "'<' in an attribute", err);
  for (unsigned i = 0; i < x->nattrs; i++)
    /* Which of them counts is where parsers differ: an attacker's door. */
    if (span_is (x->attr_names[i], name.p, name.len))
      return bad (x, "an attribute is there twice", err);
  if (x->nattrs == XML_MAX_ATTRS)
    return bad (x, "too many attributes", err);
  x->attr_names[x->nattrs] = name;
  x->attr_values[x->nattrs++] = value;
  return 0;
}

static int
read_open (struct xml *x, struct error *err)
{
  int r;

  x->at++;
  x->nattrs = 0;
  if (x->depth == XML_MAX_DEPTH)
    return bad (x, "nested too deep", err);
  /* What follows the root would be another document. */
  if (x->depth == 0 && x->rooted)
    return bad (x, "a second root", err);
  r = read_name (x, &x->path[x->depth], err);
  if (r < 0)
    return r;
  x->depth++;
  x->rooted = true;
  for (;;)
    {
      const char *before = x->at;

      skip_space (x);
      if (starts (x, "/>"))
        {
          x->at += 2;
          x->empty = true;
          return XML_OPEN;
        }
      if (starts (x, ">"))
        {
          x->at++;
          return XML_OPEN;
        }
      if (x->at == before)
        return bad (x, "white space was expected before an attribute", err);
      r = read_attr (x, err);
      if (r < 0)
        return r;
    }
}

static int
read_close (struct xml *x, struct error *err)
{
  struct xml_span name;
  int r;

  x->at += 2;
  r = read_name (x, &name, err);
  if (r < 0)
    return r;
  skip_space (x);
  if (!starts (x, ">"))
    return bad (x, "'>' was expected", err);
  x->at++;
  if (x->depth == 0 || !span_is (x->path[x->depth - 1], name.p, name.len))
    return bad (x, "this element was not open", err);
  x->closing = true;
  return XML_CLOSE;
}

/* True when there is something else than white space. */
static bool
has_text (struct xml_span s)
{
  for (size_t i = 0; i < s.len; i++)
    if (!is_space (s.p[i]))
      return true;
  return false;
}

/* XML_TEXT, or 0 when it was nothing but space, or an error. */
static int
read_text (struct xml *x, struct error *err)
{
  const char *p = memchr (x->at, '<', (size_t) (x->end - x->at));

  if (!p)
    p = x->end;
  x->text = (struct xml_span){ x->at, (size_t) (p - x->at) };
  x->raw = false;
  if (!has_text (x->text))
    {
      x->at = p;
      return 0;
    }
  if (x->depth == 0)
    return bad (x, "text outside of the root", err);
  x->at = p;
  return XML_TEXT;
}

static int
read_cdata (struct xml *x, struct error *err)
{
  int r;

  x->at += 9;
  r = until (x, "]]>", &x->text, err);
  if (r < 0)
    return r;
  if (x->depth == 0)
    return bad (x, "text outside of the root", err);
  x->raw = true;
  return has_text (x->text) ? XML_TEXT : 0;
}

/* One piece of markup; 0 for those that tell nothing. */
static int
read_piece (struct xml *x, struct error *err)
{
  struct xml_span skipped;

  if (*x->at != '<')
    return read_text (x, err);
  if (starts (x, "</"))
    return read_close (x, err);
  if (starts (x, "<?"))
    return until (x, "?>", &skipped, err);
  if (starts (x, "<!--"))
    {
      x->at += 4;
      return until (x, "-->", &skipped, err);
    }
  if (starts (x, "<![CDATA["))
    return read_cdata (x, err);
  if (starts (x, "<!"))
    return bad (x, "a document type is not accepted", err);
  return read_open (x, err);
}

int
xml_next (struct xml *x, struct error *err)
{
  if (x->closing)
    {
      x->closing = false;
      x->depth--;
    }
  if (x->empty)
    {
      x->empty = false;
      x->closing = true;
      x->nattrs = 0;
      return XML_CLOSE;
    }
  while (x->at < x->end)
    {
      int r = read_piece (x, err);

      if (r != 0)
        return r;
    }
  if (x->depth > 0 || !x->rooted)
    return bad (x, "the text ends too early", err);
  return XML_END;
}

/* ---- asking ---- */

bool
xml_is (const struct xml *x, const char *path)
{
  for (unsigned i = 0; i < x->depth; i++)
    {
      size_t n = strcspn (path, "/");

      if (n == 0
          || (!span_is (x->path[i], path, n) && !(n == 1 && path[0] == '*')))
        return false;
      path += n;
      if (*path == '/')
        path++;
      else if (i + 1 < x->depth)
        return false;
    }
  return *path == '\0' && x->depth > 0;
}

bool
xml_name_is (const struct xml *x, const char *name)
{
  return x->depth > 0 && span_is (x->path[x->depth - 1], name, strlen (name));
}

struct out
{
  char *dst;
  size_t n, len;
};

/* Whole sequences only, so that a cut text stays UTF-8. */
static void
put (struct out *o, const char *s, size_t len)
{
  if (o->len + len < o->n)
    {
      memcpy (o->dst + o->len, s, len);
      o->len += len;
    }
  else
    o->n = o->len + 1;
}

static void
put_char (struct out *o, uint32_t c)
{
  char b[4];
  size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

  if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
    return;
  for (size_t i = n; i-- > 1; c >>= 6)
    b[i] = (char) (0x80 | (c & 0x3f));
  b[0] = (char) (lead[n] | c);
  put (o, b, n);
}

/* "&#10;" or "&#xA;": the digits between '#' and ';'. */
static uint32_t
char_reference (const char *p, size_t len)
{
  unsigned base = 10;
  uint32_t v = 0;

  if (len > 0 && *p == 'x')
    {
      base = 16;
      p++;
      len--;
    }
  if (len == 0 || len > 7)
    return 0;
  for (; len > 0; p++, len--)
    {
      unsigned d = *p >= '0' && *p <= '9'   ? (unsigned) (*p - '0')
                   : *p >= 'a' && *p <= 'f' ? (unsigned) (*p - 'a') + 10
                   : *p >= 'A' && *p <= 'F' ? (unsigned) (*p - 'A') + 10
                                            : 99;

      if (d >= base)
        return 0;
      v = v * base + d;
    }
  return v;
}

/* Puts what the entity at p stands for; returns its length, or 0 when it is
 * none: then the '&' is text. */
static size_t
put_entity (struct out *o, const char *p, size_t len)
{
  static const struct
  {
    const char *name;
    char c;
  } named[] = {
    { "&lt;", '<' },   { "&gt;", '>' },    { "&amp;", '&' },
    { "&quot;", '"' }, { "&apos;", '\'' },
  };
  const char *end;

  for (unsigned i = 0; i < sizeof named / sizeof named[0]; i++)
    if (len >= strlen (named[i].name)
        && memcmp (p, named[i].name, strlen (named[i].name)) == 0)
      {
        put (o, &named[i].c, 1);
        return strlen (named[i].name);
      }
  if (len < 4 || p[1] != '#')
    return 0;
  end = memchr (p, ';', len < 12 ? len : 12);
  if (!end)
    return 0;
  put_char (o, char_reference (p + 2, (size_t) (end - p) - 2));
  return (size_t) (end - p) + 1;
}

static void
decode (struct xml_span s, bool raw, char *dst, size_t n)
{
  struct out o = { dst, n, 0 };

  while (s.len > 0)
    {
      size_t used = 0;
      unsigned seq;

      if (*s.p == '&' && !raw)
        used = put_entity (&o, s.p, s.len);
      if (used == 0)
        {
          seq = text_utf8 ((const unsigned char *) s.p, s.len, NULL);
          used = seq ? seq : 1;
          put (&o, s.p, used);
        }
      s.p += used;
      s.len -= used;
    }
  dst[o.len] = '\0';
}

bool
xml_attr (const struct xml *x, const char *name, char *dst, size_t n)
{
  dst[0] = '\0';
  for (unsigned i = 0; i < x->nattrs; i++)
    if (span_is (x->attr_names[i], name, strlen (name)))
      {
        decode (x->attr_values[i], false, dst, n);
        return true;
      }
  return false;
}

bool
xml_attr_is (const struct xml *x, const char *name, const char *value)
{
  char have[64];

  return xml_attr (x, name, have, sizeof have) && strcmp (have, value) == 0;
}

void
xml_text (const struct xml *x, char *dst, size_t n)
{
  struct xml_span s = x->text;

  while (s.len > 0 && is_space (s.p[0]))
    {
      s.p++;
      s.len--;
    }
  while (s.len > 0 && is_space (s.p[s.len - 1]))
    s.len--;
  decode (s, x->raw, dst, n);
}
