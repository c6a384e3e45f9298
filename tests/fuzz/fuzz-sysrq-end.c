/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an answer to SysRq ends: the key, and what a guest printed of it.
 */
#include "diag/collect/sysrq_impl.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  char *text;
  enum sysrq_end end;

  if (size == 0 || !(text = malloc (size)))
    return 0;
  memcpy (text, data + 1, size - 1);
  text[size - 1] = '\0';
  end = sysrq_end_of ((char) data[0], text, size - 1);
  MUST (end >= SYSRQ_END_NONE && end <= SYSRQ_END_WHOLE);
  MUST (sysrq_quiet_ms (end) <= 10500);
  free (text);
  return 0;
}
