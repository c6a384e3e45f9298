/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory heartbeat: what moves in a guest while it lives, read for a few
 * microseconds, without its monitor, its help, or a wakeup of it.
 *
 *     a parser's answer -> beat_table_new() -> beat_read(), beat_read(), ...
 *                                              beat_compare (two of them)
 *
 * The table is a stranger's: every entry of it is checked before the first
 * read, and what is read is only compared, never followed.  It is good for one
 * boot of one process: when `canary_ok` is false another kernel is there, and
 * a parser has to look again.
 *
 * A reset does not clear memory: until the next kernel has come to where the
 * canary is, all stands still and the canary is the old one (16 s on a guest
 * under software emulation on a busy host).  Of a guest that was at work when
 * it was reset that looks like a death: whoever acts on `dead` makes sure that
 * there was no RESET event, and looks again.
 */
#ifndef HANGDOG_TRANSPORTS_MEMORY_BEAT_H
#define HANGDOG_TRANSPORTS_MEMORY_BEAT_H

#include "base/beat_wire.h"
#include "transports/memory/memory.h"

struct beat_table;
struct error;

/* Of one read of a guest: a table that wants more is refused. */
#define BEAT_MAX_READS 160u
#define BEAT_MAX_BYTES (256u << 10)

/* bytes: what the parser said.  pagemap: of the process, or -1: pages that it
 * does not have are refused, since reading them could fill them.  -EBADMSG: it
 * is no table; -ERANGE: it leads out of the guest's memory; -E2BIG. */
int beat_table_new (const void *bytes, size_t len, const struct memory_map *map,
                    int pagemap, struct beat_table **ret, struct error *err);
void beat_table_free (struct beat_table *t);
unsigned beat_table_reads (const struct beat_table *t);
size_t beat_table_bytes (const struct beat_table *t); /* of one reading */
size_t beat_table_size (const struct beat_table *t);  /* of host memory */

/* Bits of `has`: 1 << enum beat_what. */
struct beat_cpu
{
  uint64_t switches, clock_ns;
  uint32_t running; /* tasks that want it, with the one that has it */
  uint8_t has;      /* 1 << (what - BEAT_ONCE) */
  bool idle;        /* it runs its idle task */
};

struct beat
{
  uint64_t at_ms; /* clock_ms() when it was read */
  uint64_t ticks;
  unsigned load[3];  /* in hundredths */
  int64_t blocked;   /* tasks in D; only of all CPUs together */
  int64_t panic_cpu; /* -1 = none */
  unsigned hz;       /* 0 = not known */
  unsigned cpus;     /* read */
  unsigned of_cpus;  /* that the guest has */
  uint16_t has;
  bool canary_ok; /* false: nothing else of this means anything */
  struct beat_cpu cpu[BEAT_MAX_CPUS];
};

/* A few preads and nothing else: no allocation, no lock.  It can wait where
 * the guest's memory is swapped out to what is dead: in a job.  ret stays
 * untouched on an error.  -EIO and others of pread(). */
int beat_read (const struct beat_table *t, int fd, struct beat *ret,
               struct error *err);

/* ---- to and from another process of the same build ---- */

/* All of a table, as long as it lives. */
const void *beat_table_flat (const struct beat_table *t, size_t *ret_len);
/* Checked as if it came from a stranger.  -EBADMSG. */
int beat_table_unflat (const void *bytes, size_t len, struct beat_table **ret,
                       struct error *err);
/* How much of a beat has something in it. */
#define BEAT_FLAT(n)                                                          \
  (offsetof (struct beat, cpu) + (n) * sizeof (struct beat_cpu))

/* ---- two of them; pure ---- */

enum beat_state
{
  BEAT_UNKNOWN,
  BEAT_ALIVE,
  BEAT_SLOW,
  BEAT_DEAD,
};
extern const char *const beat_state_names[];

/* What the monitor and the host know and memory does not. */
enum beat_known
{
  BEAT_NOT_KNOWN,
  BEAT_NO,
  BEAT_YES,
};
struct beat_vcpus
{
  enum beat_known ran; /* the host gave its vCPUs time, or they wanted none */
  /* Of all vCPUs at the later beat, from its registers. */
  enum beat_known halted, irqs_on;
};

struct beat_facet
{
  enum beat_state state;
  char why[160]; /* numbers and our own words only */
};

struct beat_verdict
{
  bool rebooted;
  uint64_t apart_ms;
  struct beat_facet vcpu, ticks, scheduler; /* rungs 3, 4, 5 */
  uint64_t stopped; /* CPUs that had something to do and did nothing */
};

/* Nearer together than this they say nothing; a CPU that does not look at its
 * clock for so long is stopped; one that does not switch for so long is what a
 * kernel calls locked up. */
#define BEAT_APART_MS 500u
#define BEAT_STOPPED_MS 2000u
#define BEAT_LOCKED_MS 20000u

/* b is the later one; vcpus NULL: nothing is known.  A guest all of whose CPUs
 * are idle may take no tick for seconds and is well; memory alone cannot tell
 * it from one that nothing wakes any more: `unknown`, until registers say that
 * its CPUs are halted with interrupts on. */
void beat_compare (const struct beat *a, const struct beat *b,
                   const struct beat_vcpus *vcpus, struct beat_verdict *ret);

#endif
