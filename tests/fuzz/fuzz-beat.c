/* SPDX-License-Identifier: Apache-2.0
 *
 * A heartbeat's table from a parser that was taken over: refused, or followed
 * within the guest's memory and nowhere else.
 */
#include "tests/fuzz/fuzz.h"
#include "transports/memory/beat.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUEST (1u << 20)
#define AT 0x5000u /* of the file: what is around it is not the guest's */

static const struct memory_map map
    = { .n = 2,
        .ranges = { { 0, GUEST / 2, AT, 0 },
                    { 1ull << 32, GUEST / 2, AT + GUEST / 2, 0 } } };

/* Ones are outside the guest, zeros inside: what is read is zeros. */
static int
make_file (void)
{
  static unsigned char ones[AT];
  int fd = memfd_create ("fuzz", MFD_CLOEXEC);

  memset (ones, 0xff, sizeof ones);
  MUST (fd >= 0 && ftruncate (fd, AT + GUEST) == 0);
  MUST (pwrite (fd, ones, sizeof ones, 0) == AT);
  MUST (pwrite (fd, ones, sizeof ones, AT + GUEST) == AT);
  return fd;
}

static void
check_beat (const struct beat *b)
{
  MUST (b->cpus <= BEAT_MAX_CPUS && b->cpus <= b->of_cpus);
  MUST (b->ticks == 0 && b->blocked == 0);
  for (unsigned i = 0; i < 3; i++)
    MUST (b->load[i] == 0);
  for (unsigned i = 0; i < b->cpus; i++)
    MUST (b->cpu[i].switches == 0 && b->cpu[i].clock_ns == 0
          && b->cpu[i].running == 0);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static int fd = -1;
  struct beat_table *t = NULL;
  struct beat_verdict v;
  struct beat a, b;
  unsigned char *exact;

  if (size > BEAT_MAX_TABLE + 100)
    return 0;
  if (fd < 0)
    fd = make_file ();
  exact = malloc (size > 0 ? size : 1);
  MUST (exact);
  memcpy (exact, data, size);
  if (beat_table_new (exact, size, &map, -1, &t, NULL) == 0)
    {
      MUST (beat_table_reads (t) <= BEAT_MAX_READS);
      MUST (beat_table_bytes (t) <= BEAT_MAX_BYTES);
      MUST (beat_read (t, fd, &a, NULL) == 0);
      check_beat (&a);
      b = a;
      a.canary_ok = b.canary_ok = true;
      b.at_ms += 5000;
      beat_compare (&a, &b, NULL, &v);
      MUST (v.vcpu.why[0] && v.ticks.why[0] && v.scheduler.why[0]);
    }
  beat_table_free (t);
  free (exact);
  return 0;
}
