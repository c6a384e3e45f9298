/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything in base that reads short text of unknown origin: escaping, names,
 * patterns, suggestions, durations, sizes.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "tests/unit/base/text-check.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
check_escape (const uint8_t *data, size_t size, unsigned flags, size_t bound)
{
  struct buf out = BUF_INIT (8 * size + 1), cut = BUF_INIT (bound);
  struct buf again = BUF_INIT (8 * size + 1);

  text_escape (&out, data, size, flags);
  MUST (!out.cut && out.len <= 4 * size);
  MUST (!check_escaped (buf_str (&out), out.len, flags));
  text_escape (&again, buf_str (&out), out.len, flags);
  MUST (again.len == out.len
        && strcmp (buf_str (&again), buf_str (&out)) == 0);
  text_escape (&cut, data, size, flags);
  MUST (cut.len <= bound && cut.cut == (out.len > bound));
  MUST (memcmp (buf_str (&cut), buf_str (&out), cut.len) == 0);
  MUST (!check_escaped (buf_str (&cut), cut.len, flags));
  buf_done (&again);
  buf_done (&cut);
  buf_done (&out);
}

static void
check_utf8_same (const uint8_t *data, size_t size)
{
  for (size_t i = 0; i < size; i++)
    {
      uint32_t a = 0, b = 0;
      unsigned n = text_utf8 (data + i, size - i, &a);

      MUST (n == check_utf8 (data + i, size - i, &b));
      MUST (n == 0 || a == b);
    }
}

static void
check_strings (const char *a, const char *b)
{
  const char *const words[] = { "interval", b, "timeout", "", NULL };
  struct error err = ERROR_INIT;
  uint64_t v = 0;
  char name[40];

  text_make_name (name, sizeof name, a);
  MUST (text_is_name (name));
  MUST (!text_is_name (a) || strncmp (name, a, strlen (name)) == 0);
  text_glob (a, b);
  MUST (text_glob ("*", a));
  if (!strpbrk (a, "*?[\\"))
    MUST (text_glob (a, b) == (strcmp (a, b) == 0));
  text_nearest (a, words);
  if (units_parse_duration (a, &v, &err) == 0)
    MUST (a[0] >= '0' && a[0] <= '9');
  else
    MUST (!check_escaped (err.msg, strlen (err.msg), 0));
  if (units_parse_size (a, &v, &err) == 0)
    MUST (a[0] >= '0' && a[0] <= '9');
  else
    MUST (!check_escaped (err.msg, strlen (err.msg), 0));
}

/* The first byte: flags and where to cut; the rest: the text, split at its
 * first NUL where two strings are wanted. */
int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  CLEANUP_FREE char *a = NULL;
  size_t split;

  if (size < 1 || size > 4096)
    return 0;
  check_escape (data + 1, size - 1, data[0] & 7, data[0] >> 3);
  check_utf8_same (data + 1, size - 1);
  a = calloc (1, size + 2);
  memcpy (a, data + 1, size - 1);
  split = strlen (a);
  check_strings (a, split + 1 < size ? a + split + 1 : "");
  return 0;
}
