/* SPDX-License-Identifier: Apache-2.0
 *
 * What reads a console's bytes: the kernel's lines, the screen.  In pieces of
 * any size they must say the same as in one.
 */
#include "base/buf.h"
#include "transports/console/kline.h"
#include "transports/console/prompt.h"
#include "tests/fuzz/fuzz.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
feed (const char *p, size_t size, size_t piece, struct buf *text,
      struct buf *kernel)
{
  struct kline k = KLINE_INIT;

  for (size_t at = 0; at < size; at += piece)
    kline_feed (&k, p + at, size - at < piece ? size - at : piece, text,
                kernel);
  kline_end (&k, text);
}

static void
check_pieces (const char *p, size_t size, size_t piece)
{
  struct buf text = BUF_INIT (2 * size + 64), kernel = BUF_INIT (2 * size + 64);
  struct buf text2 = BUF_INIT (2 * size + 64);
  struct buf kernel2 = BUF_INIT (2 * size + 64);

  feed (p, size, size, &text, &kernel);
  feed (p, size, piece, &text2, &kernel2);
  MUST (text.len == text2.len
        && memcmp (buf_str (&text), buf_str (&text2), text.len) == 0);
  MUST (kernel.len == kernel2.len
        && memcmp (buf_str (&kernel), buf_str (&kernel2), kernel.len) == 0);
  MUST (text.len <= size && !text.cut && !kernel.cut);
  buf_done (&text);
  buf_done (&kernel);
  buf_done (&text2);
  buf_done (&kernel2);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *p = (const char *) data, *what = NULL;
  enum screen s;

  if (size == 0)
    return 0;
  check_pieces (p, size, 1 + data[0] % 16);
  s = screen_of (p, size, &what);
  MUST ((unsigned) s < SCREEN_MAX && what && screen_names[s]);
  MUST ((s == SCREEN_UNKNOWN) == (what[0] == '\0'));
  (void) screen_login_lines (p, size);
  return 0;
}
