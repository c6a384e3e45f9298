/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer target: what devices behind a disk say of themselves.  Whatever it
 * is, shares are shares, a trouble has its words, and these are a line of
 * plain text.
 */
#include "diag/collect/health.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct health h;
  char *text = malloc (size ? size : 1); /* no more than there is */

  if (!text)
    return 0;
  memcpy (text, data, size);
  health_read (text, size, &h);
  MUST (h.pool <= POOL_FAILED && h.disk <= HEALTH_FAILING);
  MUST (h.data == -1 || (h.data >= 0 && h.data <= 1));
  MUST (h.metadata == -1 || (h.metadata >= 0 && h.metadata <= 1));
  MUST (h.media_errors >= -1);
  MUST (strnlen (h.why, sizeof h.why) < sizeof h.why);
  MUST (h.disk < HEALTH_WARNS || h.why[0]);
  for (const char *p = h.why; *p; p++)
    MUST (*p >= ' ' && *p < 0x7f);
  free (text);
  return 0;
}
