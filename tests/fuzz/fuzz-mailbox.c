/* SPDX-License-Identifier: Apache-2.0
 *
 * A mailbox of any bytes: refused, or what comes out is in its bounds.  The
 * input is a row of blocks; what it lacks is zeros.  A second time with the
 * checksums made right, so that what is behind them is reached.
 */
#include "tests/fuzz/fuzz.h"
#include "transports/disk/mailbox.h"

#include <math.h>
#include <string.h>

#define BLOCKS 2u
#define AREA (BLOCKS * MAILBOX_BLOCK)

static void
check_beat (const unsigned char *area)
{
  struct mailbox_beat b;

  if (mailbox_beat_decode (area, AREA, &b) != MAILBOX_GOOD)
    return;
  MUST (b.slot.seq <= MAILBOX_SEQ_MAX && b.nfigures <= MAILBOX_FIGURES);
  MUST (b.interval_s >= 1 && b.interval_s <= 86400);
  MUST (b.text_len <= MAILBOX_TEXT_MAX && !b.text[b.text_len]);
  MUST (strlen (b.boot) < sizeof b.boot && *b.boot);
  for (unsigned i = 0; i < b.nfigures; i++)
    MUST (isfinite (b.figures[i].value) && b.figures[i].value >= 0);
}

static void
check_command (const unsigned char *area)
{
  unsigned char block[MAILBOX_BLOCK];
  struct mailbox_command c;

  if (mailbox_command_decode (area, AREA, &c) != MAILBOX_GOOD)
    return;
  MUST (c.len <= MAILBOX_COMMAND_MAX && strlen (c.text) == c.len);
  MUST (strlen (c.id) == 32 || strlen (c.id) == 0);
  MUST (mailbox_command_encode (&c, block, NULL) == 0);
}

static void
check_answer (const unsigned char *area)
{
  struct mailbox_answer a;

  if (mailbox_answer_decode (area, AREA, &a) != MAILBOX_GOOD)
    return;
  MUST (a.len <= MAILBOX_OUTPUT_MAX && a.status >= 0 && a.status <= 255);
  MUST (strlen (a.id) == 32 && a.state < MAILBOX_ANSWER_STATES);
}

static void
check_all (const unsigned char *area)
{
  struct mailbox_header h;

  check_beat (area);
  check_command (area);
  check_answer (area);
  if (mailbox_header_decode (area, MAILBOX_BLOCK, &h, NULL) == 0)
    MUST (h.size <= MAILBOX_SIZE_MAX && strlen (h.id) == 32);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  unsigned char *area = calloc (1, AREA);

  MUST (area);
  if (size > AREA)
    size = AREA;
  memcpy (area, data, size);
  check_all (area);
  /* All of it is the payload of both slots. */
  for (unsigned i = 0; i < BLOCKS; i++)
    {
      size_t n = size < MAILBOX_RECORD_MAX ? size : MAILBOX_RECORD_MAX;

      MUST (mailbox_record ((const char *) data, n, area + i * MAILBOX_BLOCK,
                            NULL)
            == 0);
    }
  check_all (area);
  free (area);
  return 0;
}
