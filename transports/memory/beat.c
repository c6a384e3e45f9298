/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading heartbeats: a table is checked and made into a plan of reads once,
 * and then only followed.
 */
#include "transports/memory/beat.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FSHIFT 11 /* of the load's fixed point */
#define THERE (3ULL << 62) /* of pagemap: present or swapped */

/* Where the pieces of a reading are put together. */
struct beat_raw
{
  unsigned char ticks[8], load[24], panic[4];
  unsigned char canary[BEAT_CANARY_LEN]; /* banner, boot, base */
  unsigned char cpu[BEAT_MAX_CPUS][BEAT_PER_CPU][8];
};

struct beat_piece
{
  uint64_t at; /* of the file */
  uint16_t to; /* of struct beat_raw */
  uint8_t len, range;
};

struct beat_span
{
  uint64_t at;
  uint16_t len, first, n; /* pieces */
};

struct beat_table
{
  struct beat_head head;
  uint16_t has;
  unsigned cpus; /* read */
  uint8_t cpu_has[BEAT_MAX_CPUS];
  uint8_t blocked_size; /* the same for all CPUs */
  uint8_t running_size;
  unsigned nspans, npieces;
  size_t bytes;
  struct beat_span spans[BEAT_MAX_READS];
  struct beat_piece pieces[]; /* by their place */
};

_Static_assert (sizeof (struct beat_raw) <= UINT16_MAX, "offsets are 16 bits");

void
beat_table_free (struct beat_table *t)
{
  free (t);
}

unsigned
beat_table_reads (const struct beat_table *t)
{
  return t->nspans;
}

size_t
beat_table_bytes (const struct beat_table *t)
{
  return t->bytes;
}

size_t
beat_table_size (const struct beat_table *t)
{
  return sizeof *t + t->npieces * sizeof t->pieces[0];
}

/* ---- one entry ---- */

/* Which bytes of each value there are: twice is once too often. */
struct cover
{
  uint64_t have;
  uint8_t size;
};
struct covers
{
  struct cover once[BEAT_ONCE], cpu[BEAT_MAX_CPUS][BEAT_PER_CPU];
};

static uint64_t
bits_of (unsigned at, unsigned len)
{
  return (len >= 64 ? UINT64_MAX : (1ULL << len) - 1) << at;
}

static int
check_value (const struct beat_entry *e, struct covers *c, struct error *err)
{
  struct cover *v;
  uint64_t bits;

  if (e->what >= BEAT_WHATS || (e->what < BEAT_ONCE && e->cpu != 0)
      || e->cpu >= BEAT_MAX_CPUS || e->size == 0 || e->size > BEAT_BANNER_LEN
      || !(beat_sizes (e->what) >> (e->size - 1) & 1))
    return error_set (err, EBADMSG, "a heartbeat's entry is of no known kind");
  if (e->len == 0 || e->at >= e->size || e->len > e->size - e->at)
    return error_set (err, EBADMSG, "a heartbeat's entry has an impossible "
                                    "length");
  v = e->what < BEAT_ONCE ? &c->once[e->what]
                          : &c->cpu[e->cpu][e->what - BEAT_ONCE];
  bits = bits_of (e->at, e->len);
  if ((v->size && v->size != e->size) || v->have & bits)
    return error_set (err, EBADMSG, "a heartbeat's table says something twice");
  v->size = e->size;
  v->have |= bits;
  return 0;
}

static int
place (const struct beat_entry *e, const struct memory_map *map,
       struct beat_piece *ret, struct error *err)
{
  if (e->gpa % BEAT_PAGE + e->len > BEAT_PAGE)
    return error_set (err, EBADMSG, "a heartbeat's entry crosses a page");
  for (unsigned i = 0; i < map->n && i < MEMORY_MAX_RANGES; i++)
    {
      const struct memory_range *r = &map->ranges[i];
      uint64_t in = e->gpa - r->gpa;

      if (e->gpa < r->gpa || in >= r->len || e->len > r->len - in)
        continue;
      if (in > INT64_MAX - BEAT_PAGE || r->at > INT64_MAX - BEAT_PAGE - in)
        break;
      ret->at = r->at + in;
      ret->len = e->len;
      ret->range = (uint8_t) i;
      return 0;
    }
  return error_set (err, ERANGE, "a heartbeat's entry leads out of the guest's "
                                 "memory");
}

static uint16_t
to_of (const struct beat_entry *e)
{
  size_t to;

  switch (e->what)
    {
    case BEAT_TICKS:
      to = offsetof (struct beat_raw, ticks);
      break;
    case BEAT_LOAD:
      to = offsetof (struct beat_raw, load);
      break;
    case BEAT_PANIC:
      to = offsetof (struct beat_raw, panic);
      break;
    case BEAT_BANNER:
      to = offsetof (struct beat_raw, canary);
      break;
    case BEAT_BOOT:
      to = offsetof (struct beat_raw, canary) + BEAT_BANNER_LEN;
      break;
    case BEAT_BASE:
      to = offsetof (struct beat_raw, canary) + BEAT_BANNER_LEN + 8;
      break;
    default:
      to = offsetof (struct beat_raw, cpu)
           + 8 * (e->cpu * (size_t) BEAT_PER_CPU + e->what - BEAT_ONCE);
    }
  return (uint16_t) (to + e->at);
}

/* ---- all of them ---- */

static int
take_entries (struct beat_table *t, const unsigned char *bytes,
              const struct memory_map *map, struct covers *c,
              struct error *err)
{
  for (unsigned i = 0; i < t->head.entries; i++)
    {
      struct beat_entry e = beat_get_entry (bytes + BEAT_ENTRY * i);
      int r = check_value (&e, c, err);

      if (r == 0)
        r = place (&e, map, &t->pieces[i], err);
      if (r < 0)
        return r;
      t->pieces[i].to = to_of (&e);
    }
  t->npieces = t->head.entries;
  return 0;
}

static bool
is_whole (const struct cover *v)
{
  return v->size > 0 && v->have == bits_of (0, v->size);
}

static int
take_cpu (struct beat_table *t, const struct covers *c, unsigned cpu,
          struct error *err)
{
  const struct cover *v = c->cpu[cpu];
  const struct cover *blocked = &v[BEAT_BLOCKED - BEAT_ONCE];
  const struct cover *running = &v[BEAT_RUNNING - BEAT_ONCE];

  for (unsigned i = 0; i < BEAT_PER_CPU; i++)
    if (v[i].size && !is_whole (&v[i]))
      return error_set (err, EBADMSG, "half of a value is in a heartbeat's "
                                      "table");
    else if (v[i].size)
      {
        t->cpu_has[cpu] |= (uint8_t) (1u << i);
        t->cpus = cpu + 1;
      }
  if ((t->blocked_size && blocked->size && t->blocked_size != blocked->size)
      || (t->running_size && running->size && t->running_size != running->size))
    return error_set (err, EBADMSG, "a heartbeat's CPUs are not alike");
  t->blocked_size = blocked->size ? blocked->size : t->blocked_size;
  t->running_size = running->size ? running->size : t->running_size;
  return 0;
}

static int
take_values (struct beat_table *t, const struct covers *c, struct error *err)
{
  for (unsigned i = 0; i < BEAT_ONCE; i++)
    if (c->once[i].size && !is_whole (&c->once[i]))
      return error_set (err, EBADMSG, "half of a value is in a heartbeat's "
                                      "table");
    else if (c->once[i].size)
      t->has |= (uint16_t) (1u << i);
  for (unsigned cpu = 0; cpu < BEAT_MAX_CPUS; cpu++)
    {
      int r = take_cpu (t, c, cpu, err);

      if (r < 0)
        return r;
    }
  if (t->cpus > t->head.cpus)
    return error_set (err, EBADMSG, "a heartbeat has more CPUs than its guest");
  /* Without these another boot would be taken for this one. */
  if (!(t->has & (1u << BEAT_BANNER | 1u << BEAT_BOOT)))
    return error_set (err, EBADMSG, "a heartbeat's table has nothing to know "
                                    "its kernel by");
  return 0;
}

static int
by_place (const void *a, const void *b)
{
  const struct beat_piece *x = a, *y = b;

  return x->at < y->at ? -1 : x->at > y->at;
}

/* What is in one page is read at once: bytes between cost less than a call.  A
 * page of the guest is one of the file only where ranges begin at pages. */
static int
plan (struct beat_table *t, struct error *err)
{
  struct beat_span *s = NULL;
  unsigned range = 0;

  qsort (t->pieces, t->npieces, sizeof t->pieces[0], by_place);
  for (unsigned i = 0; i < t->npieces; i++)
    {
      const struct beat_piece *p = &t->pieces[i];
      uint64_t end = p->at + p->len;

      if (s && p->range == range && p->at / BEAT_PAGE == s->at / BEAT_PAGE
          && end - s->at <= BEAT_PAGE)
        {
          if (end - s->at > s->len)
            s->len = (uint16_t) (end - s->at);
          s->n++;
          continue;
        }
      if (t->nspans >= BEAT_MAX_READS)
        return error_set (err, E2BIG, "a heartbeat would take more than %u "
                                      "reads", BEAT_MAX_READS);
      s = &t->spans[t->nspans++];
      *s = (struct beat_span){ p->at, p->len, (uint16_t) i, 1 };
      range = p->range;
    }
  for (unsigned i = 0; i < t->nspans; i++)
    t->bytes += t->spans[i].len;
  if (t->bytes > BEAT_MAX_BYTES)
    return error_set (err, E2BIG, "a heartbeat would read too much");
  return 0;
}

/* Of a process: touching what it does not have may give it that. */
static int
check_there (const struct beat_table *t, int pagemap, struct error *err)
{
  long page = sysconf (_SC_PAGESIZE);
  uint64_t entry;

  for (unsigned i = 0; page > 0 && i < t->nspans; i++)
    {
      uint64_t first = t->spans[i].at / (uint64_t) page;
      uint64_t last = (t->spans[i].at + t->spans[i].len - 1) / (uint64_t) page;

      for (uint64_t at = first; at <= last; at++)
        if (pread (pagemap, &entry, sizeof entry, (off_t) (at * sizeof entry))
                != sizeof entry
            || !(entry & THERE))
          return error_set (err, ERANGE, "a heartbeat's entry leads to memory "
                                         "that the guest has not used");
    }
  return 0;
}

int
beat_table_new (const void *bytes, size_t len, const struct memory_map *map,
                int pagemap, struct beat_table **ret, struct error *err)
{
  CLEANUP_FREE struct beat_table *t = NULL;
  CLEANUP_FREE struct covers *c = NULL;
  const unsigned char *p = bytes;
  unsigned n;
  int r;

  if (len < BEAT_HEAD || len > BEAT_MAX_TABLE || beat_get_ (p, 8) != BEAT_MAGIC)
    return error_set (err, EBADMSG, "that is no heartbeat's table");
  n = (unsigned) beat_get_ (p + 8, 2);
  if (n == 0 || n > BEAT_MAX_ENTRIES || len != BEAT_HEAD + BEAT_ENTRY * n)
    return error_set (err, EBADMSG, "a heartbeat's table has another length");
  t = calloc (1, sizeof *t + n * sizeof t->pieces[0]);
  c = calloc (1, sizeof *c);
  if (!t || !c)
    return error_set (err, ENOMEM, "no memory for a heartbeat");
  t->head = (struct beat_head){ .entries = (uint16_t) n,
                                .cpus = (uint16_t) beat_get_ (p + 10, 2),
                                .hz = (uint16_t) beat_get_ (p + 12, 2),
                                .canary = beat_get_ (p + 16, 8) };
  r = take_entries (t, p + BEAT_HEAD, map, c, err);
  if (r == 0)
    r = take_values (t, c, err);
  if (r == 0)
    r = plan (t, err);
  if (r == 0 && pagemap >= 0)
    r = check_there (t, pagemap, err);
  if (r < 0)
    return r;
  *ret = steal_ptr (&t);
  return 0;
}

/* ---- reading ---- */

static void
decode_cpu (const struct beat_table *t, unsigned i,
            const unsigned char raw[BEAT_PER_CPU][8], struct beat_cpu *c)
{
  uint8_t both = 1u << (BEAT_CURR - BEAT_ONCE) | 1u << (BEAT_IDLE - BEAT_ONCE);
  uint64_t running
      = beat_get_ (raw[BEAT_RUNNING - BEAT_ONCE], t->running_size);

  c->has = t->cpu_has[i];
  c->switches = beat_get_ (raw[BEAT_SWITCHES - BEAT_ONCE], 8);
  c->clock_ns = beat_get_ (raw[BEAT_CLOCK - BEAT_ONCE], 8);
  c->running = running < UINT32_MAX ? (uint32_t) running : UINT32_MAX;
  c->idle = (c->has & both) == both
            && memcmp (raw[BEAT_CURR - BEAT_ONCE], raw[BEAT_IDLE - BEAT_ONCE],
                       8)
                   == 0;
}

/* A task may go to sleep on one CPU and be woken on another: only the sum
 * means something, and each part wraps at its own size. */
static void
decode_blocked (const struct beat_table *t, const struct beat_raw *raw,
                struct beat *b)
{
  uint64_t sum = 0;

  if (t->cpus == 0 || t->cpus < t->head.cpus)
    return;
  for (unsigned i = 0; i < t->cpus; i++)
    {
      if (!(t->cpu_has[i] & 1u << (BEAT_BLOCKED - BEAT_ONCE)))
        return;
      sum += beat_get_ (raw->cpu[i][BEAT_BLOCKED - BEAT_ONCE],
                        t->blocked_size);
    }
  b->blocked = t->blocked_size == 4 ? (int64_t) (int32_t) (uint32_t) sum
                                    : (int64_t) sum;
  /* A CPU has come up since that the table does not know. */
  if (b->blocked < 0)
    return;
  b->has |= (uint16_t) (1u << BEAT_BLOCKED);
}

static void
decode (const struct beat_table *t, const struct beat_raw *raw, struct beat *b)
{
  uint32_t panic = (uint32_t) beat_get_ (raw->panic, 4);

  b->has = t->has;
  b->hz = t->head.hz;
  b->cpus = t->cpus;
  b->of_cpus = t->head.cpus;
  b->canary_ok = beat_hash (raw->canary) == t->head.canary;
  b->ticks = beat_get_ (raw->ticks, 8);
  for (unsigned i = 0; i < 3; i++)
    b->load[i] = (unsigned) ((beat_get_ (raw->load + 8 * i, 8) & UINT32_MAX)
                                 * 100
                             >> FSHIFT);
  b->panic_cpu = t->has & 1u << BEAT_PANIC && panic != UINT32_MAX
                     ? (int64_t) panic
                     : -1;
  for (unsigned i = 0; i < t->cpus; i++)
    decode_cpu (t, i, raw->cpu[i], &b->cpu[i]);
  decode_blocked (t, raw, b);
}

int
beat_read (const struct beat_table *t, int fd, struct beat *ret,
           struct error *err)
{
  unsigned char page[BEAT_PAGE];
  struct beat_raw raw;
  uint64_t now = clock_ms ();

  memset (&raw, 0, sizeof raw);
  for (unsigned i = 0; i < t->nspans; i++)
    {
      const struct beat_span *s = &t->spans[i];
      ssize_t n;

      do
        n = pread (fd, page, s->len, (off_t) s->at);
      while (n < 0 && errno == EINTR);
      if (n != s->len)
        return error_errno (err, n < 0 ? errno : EIO,
                            "reading the guest's memory");
      for (unsigned j = s->first; j < (unsigned) s->first + s->n; j++)
        memcpy ((unsigned char *) &raw + t->pieces[j].to,
                page + (t->pieces[j].at - s->at), t->pieces[j].len);
    }
  memset (ret, 0, offsetof (struct beat, cpu));
  memset (ret->cpu, 0, t->cpus * sizeof ret->cpu[0]);
  ret->at_ms = now;
  decode (t, &raw, ret);
  return 0;
}

/* ---- to and from another process ---- */

const void *
beat_table_flat (const struct beat_table *t, size_t *ret_len)
{
  *ret_len = beat_table_size (t);
  return t;
}

static bool
is_span (const struct beat_table *t, const struct beat_span *s)
{
  if (s->len == 0 || s->len > BEAT_PAGE || s->first > t->npieces
      || s->n > t->npieces - s->first)
    return false;
  for (unsigned i = s->first; i < (unsigned) s->first + s->n; i++)
    {
      const struct beat_piece *p = &t->pieces[i];

      if (p->at < s->at || p->at - s->at > s->len
          || p->len > s->len - (p->at - s->at)
          || p->to > sizeof (struct beat_raw)
          || p->len > sizeof (struct beat_raw) - p->to)
        return false;
    }
  return true;
}

static bool
is_size (uint8_t size)
{
  return size == 0 || size == 4 || size == 8;
}

int
beat_table_unflat (const void *bytes, size_t len, struct beat_table **ret,
                   struct error *err)
{
  CLEANUP_FREE struct beat_table *t = len >= sizeof *t ? malloc (len) : NULL;
  bool good = false;

  if (t)
    {
      memcpy (t, bytes, len);
      good = t->npieces <= BEAT_MAX_ENTRIES && len == beat_table_size (t)
             && t->nspans <= BEAT_MAX_READS && t->cpus <= BEAT_MAX_CPUS
             && is_size (t->blocked_size) && is_size (t->running_size);
    }
  for (unsigned i = 0; good && i < t->nspans; i++)
    good = is_span (t, &t->spans[i]);
  if (!good)
    return error_set (err, EBADMSG, "that is no heartbeat's table of ours");
  *ret = steal_ptr (&t);
  return 0;
}
