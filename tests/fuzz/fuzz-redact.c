/* SPDX-License-Identifier: Apache-2.0
 *
 * Redaction given any bytes.  The first byte says in how large pieces the rest
 * is fed; with bit 7 it is a document of rules, used on itself.
 *
 * Whatever it is: it comes to an end, what comes out is bounded, has as many
 * lines, does not depend on the pieces, and what was replaced is not there any
 * more: an address that is put before and behind it goes.  What is a document
 * of JSON is one afterwards, of the same shape.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "controller-proto/redact.h"
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <string.h>

#define INPUT_MAX (40u << 10)
#define OUT_MAX (1u << 20)
#define ADDRESS "\n198.18.77.3\n"

static struct redactor *
new (void)
{
  struct redactor *r = NULL;
  struct error err = ERROR_INIT;

  MUST (redactor_new ("0123456789abcdef", 16, &r, &err) == 0);
  return r;
}

static bool
run (struct redactor *r, const char *p, size_t len, size_t step,
     struct buf *out)
{
  buf_clear (out);
  redact_begin (r, REDACT_REPLACE);
  for (size_t at = 0; at < len; at += step)
    redact_feed (r, p + at, len - at < step ? len - at : step, out);
  return redact_end (r, out);
}

static size_t
lines (const char *p, size_t len)
{
  size_t n = 0;

  for (size_t i = 0; i < len; i++)
    n += p[i] == '\n';
  return n;
}

static void
look_through (const char *p, size_t len, size_t step)
{
  CLEANUP_REDACTOR struct redactor *r = new ();
  CLEANUP_BUF struct buf whole = BUF_INIT (OUT_MAX);
  CLEANUP_BUF struct buf pieces = BUF_INIT (OUT_MAX);
  bool text;

  redact_begin (r, REDACT_LEARN);
  redact_feed (r, p, len, NULL);
  redact_end (r, NULL);
  text = run (r, p, len, len, &whole);
  MUST (!whole.cut);
  MUST (text == run (r, p, len, step, &pieces));
  if (!text)
    return;
  MUST (whole.len == pieces.len
        && memcmp (buf_str (&whole), buf_str (&pieces), whole.len) == 0);
  MUST (lines (p, len) == lines (buf_str (&whole), whole.len));
  MUST (!strstr (buf_str (&whole), ADDRESS));
}

static size_t
size_of (struct json_object *o)
{
  return json_object_is_type (o, json_type_object)
             ? (size_t) json_object_object_length (o)
         : json_object_is_type (o, json_type_array)
             ? json_object_array_length (o)
             : 1;
}

static void
document (const char *p, size_t len)
{
  CLEANUP_REDACTOR struct redactor *r = NULL;
  CLEANUP_JSON_DOC struct json_doc *was = NULL, *is = NULL;
  CLEANUP_JSON struct json_object *o = NULL;
  CLEANUP_BUF struct buf text = BUF_INIT (16 * OUT_MAX);
  struct error err = ERROR_INIT;
  uint64_t hits;

  if (json_parse (p, len, JSON_WIRE, "fuzz", INPUT_MAX, &was, &err) < 0)
    return;
  r = new ();
  redact_begin (r, REDACT_LEARN);
  redact_feed (r, p, len, NULL);
  redact_end (r, NULL);
  o = redact_json (r, json_root (was), &hits);
  MUST (size_of (o) == size_of (json_root (was)));
  json_show_spread (o, &text);
  MUST (!text.cut);
  MUST (json_parse (buf_str (&text), text.len, JSON_WIRE, "fuzz",
                    16 * OUT_MAX, &is, &err)
        == 0);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  CLEANUP_BUF struct buf text = BUF_INIT (OUT_MAX);
  struct error err = ERROR_INIT;

  if (size < 2 || size > INPUT_MAX)
    return 0;
  if (data[0] & 0x80)
    {
      CLEANUP_REDACTOR struct redactor *r = new ();

      if (redactor_rules (r, (const char *) data + 1, size - 1, "fuzz", &err)
          == 0)
        run (r, (const char *) data + 1, size - 1, size, &text);
      return 0;
    }
  document ((const char *) data + 1, size - 1);
  buf_puts (&text, ADDRESS);
  buf_append (&text, data + 1, size - 1);
  buf_puts (&text, ADDRESS);
  look_through (buf_str (&text), text.len, 1 + (data[0] & 0x7f));
  return 0;
}
