/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames of a guest's ACPI heartbeat; pure.
 */
#include "transports/acpi/beat.h"

#include "base/le.h"

#include <stdbool.h>
#include <string.h>

static const unsigned char magic[] = { 0xa5, 'H', 'D', 1 };

/* Fletcher-16: a frame of which a byte is missing or changed is none. */
static bool
is_whole (const unsigned char *p)
{
  unsigned a = 0, b = 0;

  for (unsigned i = 0; i < ACPI_BEAT_BYTES - 2; i++)
    {
      a = (a + p[i]) % 255;
      b = (b + a) % 255;
    }
  return p[ACPI_BEAT_BYTES - 2] == a && p[ACPI_BEAT_BYTES - 1] == b;
}

static bool
may_be_frame (const struct acpi_beat_reader *r)
{
  unsigned n = r->n < sizeof magic ? r->n : sizeof magic;

  return memcmp (r->held, magic, n) == 0
         && (r->n < ACPI_BEAT_BYTES || is_whole (r->held));
}

static void
drop_byte (struct acpi_beat_reader *r)
{
  memmove (r->held, r->held + 1, --r->n);
  r->noise++;
}

void
acpi_beat_feed (struct acpi_beat_reader *r, const void *bytes, size_t len,
                void (*fn) (const struct acpi_beat *beat, void *arg), void *arg)
{
  const unsigned char *p = bytes;
  struct acpi_beat beat;

  for (size_t i = 0; i < len; i++)
    {
      r->held[r->n++] = p[i];
      /* What follows the first byte of one that is none may be one. */
      while (r->n > 0 && !may_be_frame (r))
        drop_byte (r);
      if (r->n < ACPI_BEAT_BYTES)
        continue;
      beat = (struct acpi_beat){
        .sequence = le_get32 (r->held + 4),
        .clock = le_get32 (r->held + 8),
        .every_ms = le_get16 (r->held + 12) * 100u,
      };
      r->frames++;
      r->n = 0;
      fn (&beat, arg);
    }
}
