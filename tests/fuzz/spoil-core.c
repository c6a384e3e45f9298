/* SPDX-License-Identifier: Apache-2.0
 *
 * spoil-core CORE FIRST COUNT [SECTION...]
 *
 * A real guest's memory, spoilt in COUNT ways: with each number from FIRST on
 * other bytes are wrong, few or many, and the look at it must end, within its
 * limits, with rows that are rows.  Nothing is written: what is read is
 * changed on its way (--wrap=pread), the same each time it is read.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "kernel/memory/inspect.h"
#include "supervisor/parser_run.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LINE 64u
#define MAX_ROW (256u << 10)
#define MAX_ROWS (24u << 20)
#define LOOK_MS 10000
#define GRACE_MS 5000
/* The headers of the file itself have a fuzzer of their own. */
#define HEADERS (1u << 16)

static struct
{
  uint64_t seed, rate;
  bool on;
} spoil;

ssize_t __real_pread (int fd, void *dst, size_t len, off_t at);
ssize_t __wrap_pread (int fd, void *dst, size_t len, off_t at);
ssize_t __real_pread64 (int fd, void *dst, size_t len, off_t at);
ssize_t __wrap_pread64 (int fd, void *dst, size_t len, off_t at);

static uint64_t
mix (uint64_t a, uint64_t b)
{
  uint64_t x = a * 0x9e3779b97f4a7c15u ^ (b + 0x7f4a7c159e3779b9u);

  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/* One byte or one word of the line at `line`, as far as it was read. */
static void
spoil_line (unsigned char *dst, uint64_t from, size_t len, uint64_t line)
{
  static const uint64_t words[] = { 0,
                                    UINT64_MAX,
                                    0x8000000000000000u,
                                    0xffffffff81000000u,
                                    0xffff888000000000u,
                                    1,
                                    0x7fffffff,
                                    0x4141414141414141u };
  uint64_t r = mix (spoil.seed ^ 0x5a5a, line);
  bool word = (r & 3) == 0;
  uint64_t at = line * LINE + ((r >> 8) % LINE & (word ? ~7ull : ~0ull));
  uint64_t value = (r & 4) ? words[(r >> 16) % 8] : mix (r, 1);

  for (unsigned i = 0; i < (word ? 8 : 1); i++)
    if (at + i >= from && at + i - from < len)
      {
        if (word)
          dst[at + i - from] = (unsigned char) (value >> (8 * i));
        else
          dst[at + i - from] ^= (unsigned char) (1u << (r >> 40) % 8);
      }
}

static ssize_t
spoilt (void *dst, ssize_t n, off_t at)
{
  uint64_t from = (uint64_t) at;

  if (!spoil.on || n <= 0 || from < HEADERS)
    return n;
  for (uint64_t line = from / LINE; line * LINE < from + (uint64_t) n; line++)
    if (mix (spoil.seed, line) % spoil.rate == 0)
      spoil_line (dst, from, (size_t) n, line);
  return n;
}

ssize_t
__wrap_pread (int fd, void *dst, size_t len, off_t at)
{
  return spoilt (dst, __real_pread (fd, dst, len, at), at);
}

ssize_t
__wrap_pread64 (int fd, void *dst, size_t len, off_t at)
{
  return spoilt (dst, __real_pread64 (fd, dst, len, at), at);
}

static int
take (const void *lines, size_t len, void *arg)
{
  unsigned *n = arg;

  MUST (parser_lines_check (lines, len, MAX_ROW, NULL) == 0);
  for (size_t i = 0; i < len; i++)
    *n += ((const char *) lines)[i] == '\n';
  return 0;
}

struct tally
{
  unsigned found, rows;
  uint64_t slowest_ms, slowest_seed;
};

static void
look (int fd, uint64_t seed, const char *const *sections, struct tally *t)
{
  static const uint64_t rates[]
      = { 1000000, 100000, 20000, 5000, 1000, 200, 50 };
  const struct mem_limits limits = { .deadline = clock_ms () + LOOK_MS };
  struct vcpu_regs *regs = calloc (REGS_MAX_CPUS, sizeof *regs);
  struct rows *rows = rows_new (take, &t->rows, MAX_ROWS);
  uint64_t begun = clock_ms (), took;
  struct kernel *k = NULL;
  struct mem *m = NULL;
  int n;

  MUST (regs && rows);
  spoil.seed = seed;
  spoil.rate = rates[seed % 7];
  spoil.on = true;
  MUST (mem_open_core (fd, &limits, &m, NULL) == 0);
  n = regs_of_core (m, regs, REGS_MAX_CPUS);
  if (kernel_find (m, n > 0 ? regs : NULL, n > 0 ? (unsigned) n : 0, &k, NULL)
      == 0)
    {
      t->found++;
      (void) look_run (k, sections, rows, NULL);
      MUST (rows_flush (rows) == 0 && !rows_failed (rows));
    }
  took = clock_ms () - begun;
  MUST (took < LOOK_MS + GRACE_MS);
  if (took > t->slowest_ms)
    {
      t->slowest_ms = took;
      t->slowest_seed = seed;
    }
  spoil.on = false;
  kernel_free (k);
  mem_free (m);
  rows_free (rows);
  free (regs);
}

int
main (int argc, char **argv)
{
  static const char *const all[] = { "all", NULL };
  struct tally t = { 0 };
  uint64_t first, count;
  int fd;

  if (argc < 4)
    {
      fprintf (stderr, "spoil-core CORE FIRST COUNT [SECTION...]\n");
      return 2;
    }
  fd = open (argv[1], O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    {
      perror (argv[1]);
      return 1;
    }
  first = strtoull (argv[2], NULL, 0);
  count = strtoull (argv[3], NULL, 0);
  for (uint64_t i = 0; i < count; i++)
    {
      /* The last one said is the one that failed. */
      if (getenv ("SPOIL_LOUD"))
        fprintf (stderr, "%llu\n", (unsigned long long) (first + i));
      look (fd, first + i, argc > 4 ? (const char *const *) argv + 4 : all, &t);
    }
  printf ("spoilt=%llu found=%u rows=%u slowest_ms=%llu (%llu)\n",
          (unsigned long long) count, t.found, t.rows,
          (unsigned long long) t.slowest_ms,
          (unsigned long long) t.slowest_seed);
  close (fd);
  return 0;
}
