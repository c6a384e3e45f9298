/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of a memory heartbeat as bytes: a parser finds out where a guest's
 * kernel keeps what moves, and a daemon reads there again and again.
 *
 * It is here because those two may not know each other.  Whoever gets one has
 * it from a stranger: a parser may have been taken over by what it read.  So
 * there is nothing in it but places and lengths, of which each is checked
 * (transports/memory/beat.h), and what is read by it is only compared.
 *
 * Little endian.  A head of BEAT_HEAD bytes, then entries of BEAT_ENTRY bytes
 * each, in any order.  A value that crosses a page has several entries: no
 * entry does.
 */
#ifndef HANGDOG_BASE_BEAT_WIRE_H
#define HANGDOG_BASE_BEAT_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define BEAT_MAGIC 0x3174616562646768ULL /* "hgdbeat1" */
#define BEAT_HEAD 24u
#define BEAT_ENTRY 16u
#define BEAT_PAGE 4096u
#define BEAT_MAX_CPUS 64u /* those beyond are not read */

enum beat_what
{
  /* once */
  BEAT_TICKS,  /* jiffies_64 */
  BEAT_LOAD,   /* avenrun[3] */
  BEAT_PANIC,  /* panic_cpu: all ones = none */
  BEAT_BANNER, /* "Linux version ..." */
  BEAT_BOOT,   /* the boot task's stack canary: random in each boot */
  BEAT_BASE,   /* where this boot has put its memory or its image */
  BEAT_ONCE,
  /* of each CPU */
  BEAT_RUNNING = BEAT_ONCE,
  BEAT_SWITCHES,
  BEAT_BLOCKED, /* what it added to the tasks in D: it may be below 0 */
  BEAT_CLOCK,
  BEAT_CURR, /* whom it runs */
  BEAT_IDLE, /* its idle task */
  BEAT_WHATS,
};

#define BEAT_PER_CPU (BEAT_WHATS - BEAT_ONCE)
#define BEAT_BANNER_LEN 64u
#define BEAT_CANARY_LEN (BEAT_BANNER_LEN + 16u) /* with boot and base */
#define BEAT_MAX_ENTRIES (2u * (BEAT_ONCE + BEAT_PER_CPU * BEAT_MAX_CPUS))
#define BEAT_MAX_TABLE (BEAT_HEAD + BEAT_ENTRY * BEAT_MAX_ENTRIES)

/* How long a value may be: bit n-1 for n bytes. */
static inline uint64_t
beat_sizes (unsigned what)
{
  switch (what)
    {
    case BEAT_LOAD:
      return 1ULL << 23;
    case BEAT_PANIC:
      return 1ULL << 3;
    case BEAT_BANNER:
      return 1ULL << (BEAT_BANNER_LEN - 1);
    case BEAT_RUNNING:
    case BEAT_BLOCKED:
      return 1ULL << 3 | 1ULL << 7;
    default:
      return 1ULL << 7;
    }
}

struct beat_head
{
  uint16_t entries;
  uint16_t cpus; /* that the guest has; may be more than are read */
  uint16_t hz;   /* 0 = not known */
  /* beat_hash() of banner, boot and base: a number says as well as the bytes
   * that they are the same, and is no secret of the guest's. */
  uint64_t canary;
};

struct beat_entry
{
  uint64_t gpa;
  uint8_t what, cpu;
  uint8_t at;   /* of the value's bytes, the first that is there */
  uint8_t len;  /* and how many */
  uint8_t size; /* of the whole value */
};

static inline void
beat_put_ (unsigned char *p, uint64_t v, unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    p[i] = (unsigned char) (v >> 8 * i);
}

static inline uint64_t
beat_get_ (const unsigned char *p, unsigned n)
{
  uint64_t v = 0;

  for (unsigned i = 0; i < n; i++)
    v |= (uint64_t) p[i] << 8 * i;
  return v;
}

static inline void
beat_put_head (unsigned char p[BEAT_HEAD], const struct beat_head *h)
{
  beat_put_ (p, BEAT_MAGIC, 8);
  beat_put_ (p + 8, h->entries, 2);
  beat_put_ (p + 10, h->cpus, 2);
  beat_put_ (p + 12, h->hz, 2);
  beat_put_ (p + 14, 0, 2);
  beat_put_ (p + 16, h->canary, 8);
}

/* Of a table that was taken. */
static inline uint64_t
beat_get_canary (const unsigned char p[BEAT_HEAD])
{
  return beat_get_ (p + 16, 8);
}

static inline void
beat_put_entry (unsigned char p[BEAT_ENTRY], const struct beat_entry *e)
{
  beat_put_ (p, e->gpa, 8);
  beat_put_ (p + 8, e->what, 1);
  beat_put_ (p + 9, e->cpu, 1);
  beat_put_ (p + 10, e->at, 1);
  beat_put_ (p + 11, e->len, 1);
  beat_put_ (p + 12, e->size, 1);
  beat_put_ (p + 13, 0, 3);
}

static inline struct beat_entry
beat_get_entry (const unsigned char p[BEAT_ENTRY])
{
  return (struct beat_entry){ .gpa = beat_get_ (p, 8),
                              .what = p[8],
                              .cpu = p[9],
                              .at = p[10],
                              .len = p[11],
                              .size = p[12] };
}

/* Of BEAT_CANARY_LEN bytes, zeros where one of them is not known. */
static inline uint64_t
beat_hash (const unsigned char *bytes)
{
  uint64_t h = 0xcbf29ce484222325ULL;

  for (unsigned i = 0; i < BEAT_CANARY_LEN; i++)
    h = (h ^ bytes[i]) * 0x100000001b3ULL;
  return h;
}

#endif
