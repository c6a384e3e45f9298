/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest of two CPUs in a memory file, and the table of its heartbeat.
 * Included after cmocka.h.
 */
#ifndef HANGDOG_TESTS_MEMORY_BEAT_BED_H
#define HANGDOG_TESTS_MEMORY_BEAT_BED_H

#include "base/error.h"
#include "transports/memory/beat.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MiB (1ull << 20)
#define LOW 0x1000ull /* guest-physical memory begins here ... */
#define AT 0x3000ull  /* ... and there in the file */

/* ---- a guest, and a table for it ---- */

struct bed
{
  int fd;
  struct memory_map map;
  unsigned char table[BEAT_MAX_TABLE + BEAT_ENTRY];
  struct beat_head head;
  unsigned n;
};

static inline void
bed_new (struct bed *b)
{
  memset (b, 0, sizeof *b);
  b->fd = memfd_create ("guest", MFD_CLOEXEC);
  assert_true (b->fd >= 0);
  assert_int_equal (ftruncate (b->fd, 4 * MiB), 0);
  b->map.n = 2;
  b->map.ranges[0] = (struct memory_range){ LOW, MiB, AT, 0 };
  b->map.ranges[1] = (struct memory_range){ 1ull << 32, MiB, 2 * MiB, 0 };
  b->head.cpus = 2;
  b->head.hz = 250;
}

static inline void
bed_free (struct bed *b)
{
  close (b->fd);
}

static inline void
poke (struct bed *b, uint64_t gpa, const void *src, size_t len)
{
  uint64_t at = gpa < (1ull << 32) ? gpa - LOW + AT
                                   : gpa - (1ull << 32) + 2 * MiB;

  assert_int_equal (pwrite (b->fd, src, len, (off_t) at), (ssize_t) len);
}

static inline void
poke64 (struct bed *b, uint64_t gpa, uint64_t v)
{
  poke (b, gpa, &v, 8);
}

static inline void
entry (struct bed *b, unsigned what, unsigned cpu, uint64_t gpa, unsigned at,
       unsigned len, unsigned size)
{
  const struct beat_entry e = { gpa,         (uint8_t) what, (uint8_t) cpu,
                                (uint8_t) at, (uint8_t) len,  (uint8_t) size };

  beat_put_entry (b->table + BEAT_HEAD + BEAT_ENTRY * b->n++, &e);
}

static inline int
load (struct bed *b, struct beat_table **ret)
{
  struct error err = ERROR_INIT;
  int r;

  b->head.entries = (uint16_t) b->n;
  beat_put_head (b->table, &b->head);
  r = beat_table_new (b->table, BEAT_HEAD + BEAT_ENTRY * b->n, &b->map, -1, ret,
                      &err);
  assert_int_equal (r, -err.code);
  return r;
}

#define BANNER                                                                \
  "Linux version 6.1.0-test (who@where) #1 SMP something to 64 bytes!"
#define BOOT 0x5ec2e7c0ffee1234ull
#define RQ(cpu) (LOW + 0x10000 + 0x2000 * (cpu))

/* Two CPUs; the banner crosses a page, ticks lie in the second range. */
static inline void
fill (struct bed *b)
{
  unsigned char canary[BEAT_CANARY_LEN] = BANNER;
  uint64_t boot = BOOT;

  memcpy (canary + BEAT_BANNER_LEN, &boot, 8);
  poke (b, LOW + 0x1000 - 20, canary, 64);
  poke64 (b, LOW + 0x5000, BOOT);
  b->head.canary = beat_hash (canary);
  entry (b, BEAT_BANNER, 0, LOW + 0x1000 - 20, 0, 20, 64);
  entry (b, BEAT_BANNER, 0, LOW + 0x1000, 20, 44, 64);
  entry (b, BEAT_BOOT, 0, LOW + 0x5000, 0, 8, 8);
  entry (b, BEAT_TICKS, 0, (1ull << 32) + 64, 0, 8, 8);
  entry (b, BEAT_LOAD, 0, LOW + 0x6000, 0, 24, 24);
  entry (b, BEAT_PANIC, 0, LOW + 0x6100, 0, 4, 4);
  poke64 (b, LOW + 0x6100, UINT64_MAX);
  for (unsigned cpu = 0; cpu < 2; cpu++)
    {
      entry (b, BEAT_RUNNING, cpu, RQ (cpu) + 4, 0, 4, 4);
      entry (b, BEAT_SWITCHES, cpu, RQ (cpu) + 32, 0, 8, 8);
      entry (b, BEAT_BLOCKED, cpu, RQ (cpu) + 40, 0, 4, 4);
      entry (b, BEAT_CURR, cpu, RQ (cpu) + 48, 0, 8, 8);
      entry (b, BEAT_IDLE, cpu, RQ (cpu) + 56, 0, 8, 8);
      entry (b, BEAT_CLOCK, cpu, RQ (cpu) + 2048, 0, 8, 8);
    }
}

static inline void
put_cpu (struct bed *b, unsigned cpu, uint32_t running, uint64_t switches,
         int32_t blocked, bool idle, uint64_t clock)
{
  poke (b, RQ (cpu) + 4, &running, 4);
  poke64 (b, RQ (cpu) + 32, switches);
  poke (b, RQ (cpu) + 40, &blocked, 4);
  poke64 (b, RQ (cpu) + 48, idle ? 77 : 78);
  poke64 (b, RQ (cpu) + 56, 77);
  poke64 (b, RQ (cpu) + 2048, clock);
}

#endif
