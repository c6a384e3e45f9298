/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames of an ACPI heartbeat: whatever comes, cut anywhere, the beats are the
 * same, and each byte is in one or is noise.
 */
#include "tests/fuzz/fuzz.h"
#include "transports/acpi/beat.h"

struct seen
{
  uint64_t n, sum;
};

static void
on_beat (const struct acpi_beat *beat, void *arg)
{
  struct seen *s = arg;

  MUST (beat->every_ms <= 65535u * 100);
  s->n++;
  s->sum = s->sum * 31 + beat->sequence + beat->clock + beat->every_ms;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct acpi_beat_reader whole = { .n = 0 }, cut = { .n = 0 };
  struct seen a = { 0 }, b = { 0 };
  size_t piece = size ? 1u + data[0] % 40 : 1;

  if (size == 0)
    return 0;
  acpi_beat_feed (&whole, data + 1, size - 1, on_beat, &a);
  for (size_t i = 1; i < size; i += piece)
    acpi_beat_feed (&cut, data + i, size - i < piece ? size - i : piece,
                    on_beat, &b);
  MUST (a.n == b.n && a.sum == b.sum && a.n == whole.frames);
  MUST (whole.n < ACPI_BEAT_BYTES && whole.n == cut.n);
  MUST (whole.frames * ACPI_BEAT_BYTES + whole.noise + whole.n == size - 1);
  MUST (cut.noise == whole.noise);
  return 0;
}
