/* SPDX-License-Identifier: Apache-2.0
 *
 * spoil-core [-j WORKERS] [-s SECTION]... FIRST COUNT CORE...
 *
 * Real guests' memory, spoilt in COUNT ways: with each number from FIRST on
 * other bits, words, pointers or pages are wrong, few or many, and the look at
 * it must end, within its limits, with rows that are rows.  Numbers take the
 * cores in turn.  Nothing is written: a core is mapped, and what is read is
 * changed on its way (--wrap=pread), the same each time it is read.
 *
 * Workers look; who crashes or does not come back is counted, said with its
 * number, and another one takes over.  The last line has all figures; exit
 * code 1 when not all looks came to an end.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "kernel/memory/kernel.h"
#include "tests/fuzz/fuzz.h"
#include "transports/memory/parser.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE 64u
#define PAGE 4096u
#define MAX_ROW (256u << 10)
#define MAX_ROWS (24u << 20)
/* The parser's own limit; what a look may take of a CPU with all that a
 * sanitizer adds (a busy machine gives it less than the clock says); and when
 * one is called hung that does nothing. */
#define LOOK_MS 10000
#define LOOK_CPU_MS 15000
#define HUNG_MS 120000
/* The headers of the file itself have a fuzzer of their own. */
#define HEADERS (1u << 16)
#define MAX_WORKERS 16
#define MAX_CORES 8
#define MAX_SECTIONS 16
/* Then something is wrong with all of them. */
#define MAX_BAD 20

enum damage
{
  BITS, /* and words */
  POINTERS,
  PAGES,
  ALL,
  NKINDS
};

struct image
{
  int fd;
  const unsigned char *bytes;
  uint64_t len;
};

static struct
{
  uint64_t seed, rate;
  enum damage kind;
  bool late, on;
  const struct image *image;
} spoil;

ssize_t __real_pread (int fd, void *dst, size_t len, off_t at);
ssize_t __wrap_pread (int fd, void *dst, size_t len, off_t at);
ssize_t __wrap_pread64 (int fd, void *dst, size_t len, off_t at);

static uint64_t
mix (uint64_t a, uint64_t b)
{
  uint64_t x = a * 0x9e3779b97f4a7c15u ^ (b + 0x7f4a7c159e3779b9u);

  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/* ---- damage ---- */

/* What was read, and from where. */
struct piece
{
  unsigned char *dst;
  uint64_t from;
  size_t len;
};

static void
set_byte (const struct piece *p, uint64_t at, unsigned char v)
{
  if (at >= p->from && at - p->from < p->len)
    p->dst[at - p->from] = v;
}

static void
set_word (const struct piece *p, uint64_t at, uint64_t v)
{
  for (unsigned i = 0; i < 8; i++)
    set_byte (p, at + i, (unsigned char) (v >> (8 * i)));
}

static uint64_t
word_of (uint64_t at)
{
  uint64_t v = 0;

  if (at + sizeof v <= spoil.image->len)
    memcpy (&v, spoil.image->bytes + at, sizeof v);
  return v;
}

/* One bit, or one word of the line at `at`. */
static void
spoil_bits (const struct piece *p, uint64_t at, uint64_t r)
{
  static const uint64_t words[] = { 0,
                                    UINT64_MAX,
                                    0x8000000000000000u,
                                    0xffffffff81000000u,
                                    0xffff888000000000u,
                                    1,
                                    0x7fffffff,
                                    0x4141414141414141u };

  if ((r & 3) == 0)
    set_word (p, at + (r >> 8) % 8 * 8,
              (r & 4) ? words[(r >> 16) % 8] : mix (r, 1));
  else
    {
      at += (r >> 8) % LINE;
      if (at < spoil.image->len)
        set_byte (p, at,
                  spoil.image->bytes[at]
                      ^ (unsigned char) (1u << (r >> 40) % 8));
    }
}

static bool
is_pointer (uint64_t v)
{
  return v >> 47 == 0x1ffff && v != UINT64_MAX;
}

/* A pointer becomes another one, of this guest or nearly so: lists that run in
 * circles or into each other, structures that begin elsewhere. */
static void
spoil_pointers (const struct piece *p, uint64_t at, uint64_t r)
{
  for (unsigned i = 0; i < LINE / 8; i++, r = mix (r, i))
    {
      uint64_t v = word_of (at + 8 * i), other = v;

      if (!is_pointer (v) || r % 2)
        continue;
      for (unsigned try = 0; (r >> 1) % 4 == 0 && try < 32; try++)
        {
          other = word_of (mix (r, try) % spoil.image->len & ~7ull);
          if (is_pointer (other) && other != v)
            break;
        }
      set_word (p, at + 8 * i,
                (r >> 1) % 4 == 0   ? other
                : (r >> 1) % 4 == 1 ? word_of (at + 8 * i - 8)
                : (r >> 1) % 4 == 2 ? v + (r >> 8) % 512 * 8 - 2048
                                    : v ^ 1ull << (r >> 8) % 48);
    }
}

/* A whole page is empty, full, noise, another one, or its own, moved by a
 * word. */
static void
spoil_page (const struct piece *p, uint64_t at, uint64_t r)
{
  uint64_t npages = spoil.image->len / PAGE;
  uint64_t other = mix (r, 7) % npages * PAGE + at % PAGE;

  for (unsigned i = 0; i < LINE; i += 8)
    switch (r % 5)
      {
      case 0:
        set_word (p, at + i, 0);
        break;
      case 1:
        set_word (p, at + i, UINT64_MAX);
        break;
      case 2:
        set_word (p, at + i, mix (r, at + i));
        break;
      case 3:
        set_word (p, at + i, word_of (other + i));
        break;
      case 4:
        set_word (p, at + i, word_of (at + i + 8));
        break;
      }
}

static bool
hit (uint64_t what, uint64_t where, uint64_t rate)
{
  return mix (spoil.seed ^ what << 56, where) % rate == 0;
}

static void
spoil_line (const struct piece *p, uint64_t at)
{
  uint64_t line = at / LINE, page = at / PAGE;

  /* A page has 64 lines: as much is wrong as with the others. */
  if ((spoil.kind == PAGES || spoil.kind == ALL)
      && hit (PAGES, page, spoil.rate))
    spoil_page (p, at, mix (spoil.seed ^ 0xa5a5, page));
  if ((spoil.kind == POINTERS || spoil.kind == ALL)
      && hit (POINTERS, line, spoil.rate))
    spoil_pointers (p, at, mix (spoil.seed ^ 0x3c3c, line));
  if ((spoil.kind == BITS || spoil.kind == ALL)
      && hit (BITS, line, spoil.rate))
    spoil_bits (p, at, mix (spoil.seed ^ 0x5a5a, line));
}

ssize_t
__wrap_pread (int fd, void *dst, size_t len, off_t off)
{
  const struct image *i = spoil.image;
  struct piece p = { dst, (uint64_t) off, len };

  if (!i || fd != i->fd)
    return __real_pread (fd, dst, len, off);
  if (off < 0)
    {
      errno = EINVAL;
      return -1;
    }
  if (p.from >= i->len)
    return 0;
  if (p.len > i->len - p.from)
    p.len = i->len - p.from;
  memcpy (dst, i->bytes + p.from, p.len);
  if (spoil.on)
    for (uint64_t at = p.from / LINE * LINE; at < p.from + p.len; at += LINE)
      if (at >= HEADERS)
        spoil_line (&p, at);
  return (ssize_t) p.len;
}

ssize_t
__wrap_pread64 (int fd, void *dst, size_t len, off_t at)
{
  return __wrap_pread (fd, dst, len, at);
}

/* ---- a look ---- */

/* Shared by all workers and who watches them. */
struct worker
{
  pid_t pid;
  uint64_t number;         /* of the image it looks at */
  _Atomic uint64_t begun;  /* clock_ms(); 0 = it looks at none */
};

struct tally
{
  _Atomic uint64_t next; /* number */
  uint64_t end;
  _Atomic uint64_t ended, found, rows;
  _Atomic uint64_t longest, dearest; /* ms << 32 | number; by clock, by CPU */
  struct worker workers[MAX_WORKERS];
};

struct job
{
  struct image images[MAX_CORES];
  unsigned nimages;
  const char *sections[MAX_SECTIONS + 1];
  struct tally *t;
};

static int
take (const void *lines, size_t len, void *arg)
{
  uint64_t *n = arg;

  MUST (parser_lines_check (lines, len, MAX_ROW, NULL) == 0);
  for (size_t i = 0; i < len; i++)
    *n += ((const char *) lines)[i] == '\n';
  return 0;
}

/* True when a kernel was found.  Late damage is done when it has been: its
 * tables are whole then, and what is read by them is not. */
static bool
look (const struct image *image, const char *const *sections, uint64_t *rows_n)
{
  const struct mem_limits limits = { .deadline = clock_ms () + LOOK_MS };
  struct vcpu_regs *regs = calloc (REGS_MAX_CPUS, sizeof *regs);
  struct rows *rows = rows_new (take, rows_n, MAX_ROWS);
  struct kernel *k = NULL;
  struct mem *m = NULL;
  bool found;
  int n;

  MUST (regs && rows);
  spoil.on = !spoil.late;
  MUST (mem_open_core (image->fd, &limits, &m, NULL) == 0);
  n = regs_of_core (m, regs, REGS_MAX_CPUS);
  found = kernel_find (m, n > 0 ? regs : NULL, n > 0 ? (unsigned) n : 0, &k,
                       NULL)
          == 0;
  if (found)
    {
      spoil.on = true;
      mem_fresh (m);
      (void) look_run (k, sections, rows, NULL);
      MUST (rows_flush (rows) == 0 && !rows_failed (rows));
    }
  kernel_free (k);
  mem_free (m);
  rows_free (rows);
  free (regs);
  return found;
}

static void
spoil_by (const struct job *job, uint64_t number)
{
  static const uint64_t rates[]
      = { 1000000, 100000, 20000, 5000, 1000, 200, 50 };

  spoil.seed = number;
  spoil.rate = rates[number % 7];
  spoil.kind = number / 7 % NKINDS;
  spoil.late = number / 28 % 2;
  spoil.image = &job->images[number / 56 % job->nimages];
}

static uint64_t
cpu_ms (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static void
keep_worst (_Atomic uint64_t *worst, uint64_t ms, uint64_t number)
{
  uint64_t was = *worst;

  while (ms > was >> 32
         && !atomic_compare_exchange_weak (
             worst, &was, ms << 32 | (number & UINT32_MAX)))
    ;
}

static void
work (struct job *job, struct worker *w)
{
  struct tally *t = job->t;
  uint64_t number, cpu, rows;
  bool found;

  while ((number = t->next++) < t->end)
    {
      rows = 0;
      cpu = cpu_ms ();
      w->number = number;
      w->begun = clock_ms ();
      spoil_by (job, number);
      found = look (spoil.image, job->sections, &rows);
      cpu = cpu_ms () - cpu;
      MUST (cpu < LOOK_CPU_MS);
      keep_worst (&t->longest, clock_ms () - w->begun, number);
      keep_worst (&t->dearest, cpu, number);
      w->begun = 0;
      t->ended++;
      t->found += found;
      t->rows += rows;
    }
  exit (0);
}

/* ---- who watches ---- */

struct bad
{
  unsigned crashes, hangs;
};

static void
start (struct job *job, struct worker *w)
{
  pid_t pid;

  w->begun = 0;
  fflush (NULL);
  pid = fork ();
  MUST (pid >= 0);
  if (pid == 0)
    work (job, w);
  w->pid = pid; /* shared: only who watches writes it */
}

/* Whoever ended: well, or in the middle of a look. */
static bool
reap (struct job *job, unsigned nworkers, struct bad *bad)
{
  int status;
  pid_t pid = waitpid (-1, &status, WNOHANG);

  if (pid <= 0)
    return false;
  for (struct worker *w = job->t->workers; w < job->t->workers + nworkers; w++)
    if (w->pid == pid)
      {
        w->pid = 0;
        if (status == 0)
          return true;
        if (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL)
          bad->hangs++;
        else
          bad->crashes++;
        printf ("number %llu: status 0x%x\n", (unsigned long long) w->number,
                (unsigned) status);
        if (bad->crashes + bad->hangs < MAX_BAD)
          start (job, w);
      }
  return true;
}

static unsigned
watch (struct job *job, unsigned nworkers, struct bad *bad)
{
  const struct timespec moment = { .tv_nsec = 200000000 };
  unsigned alive;
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGCHLD);
  sigprocmask (SIG_BLOCK, &set, NULL);
  for (unsigned i = 0; i < nworkers; i++)
    start (job, &job->t->workers[i]);
  do
    {
      (void) sigtimedwait (&set, NULL, &moment);
      while (reap (job, nworkers, bad))
        ;
      alive = 0;
      for (unsigned i = 0; i < nworkers; i++)
        {
          struct worker *w = &job->t->workers[i];
          uint64_t begun = w->begun;

          alive += w->pid != 0;
          if (w->pid && begun && clock_ms () > begun + HUNG_MS)
            kill (w->pid, SIGKILL);
        }
    }
  while (alive > 0);
  return bad->crashes + bad->hangs;
}

static int
usage (void)
{
  fprintf (stderr,
           "spoil-core [-j WORKERS] [-s SECTION]... FIRST COUNT CORE...\n");
  return 2;
}

static bool
map (struct image *i, const char *path)
{
  struct stat st;
  void *p;

  i->fd = open (path, O_RDONLY | O_CLOEXEC);
  if (i->fd < 0 || fstat (i->fd, &st) < 0 || st.st_size < PAGE)
    return false;
  i->len = (uint64_t) st.st_size;
  p = mmap (NULL, i->len, PROT_READ, MAP_PRIVATE, i->fd, 0);
  i->bytes = p;
  return p != MAP_FAILED;
}

int
main (int argc, char **argv)
{
  static struct job job;
  struct bad bad = { 0, 0 };
  unsigned workers = 1, n = 0;
  uint64_t first, count;
  int opt;

  while ((opt = getopt (argc, argv, "j:s:")) != -1)
    if (opt == 'j')
      workers = (unsigned) atoi (optarg);
    else if (opt == 's' && n < MAX_SECTIONS)
      job.sections[n++] = optarg;
    else
      return usage ();
  if (n == 0)
    job.sections[0] = "all";
  if (argc - optind < 3 || workers < 1 || workers > MAX_WORKERS)
    return usage ();
  first = strtoull (argv[optind], NULL, 0);
  count = strtoull (argv[optind + 1], NULL, 0);
  for (int i = optind + 2; i < argc && job.nimages < MAX_CORES; i++)
    if (!map (&job.images[job.nimages++], argv[i]))
      {
        perror (argv[i]);
        return 1;
      }
  job.t = mmap (NULL, sizeof *job.t, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  MUST (job.t != MAP_FAILED);
  job.t->next = first;
  job.t->end = first + count;
  (void) watch (&job, workers, &bad);
  printf ("images=%llu ended=%llu found=%llu rows=%llu longest_ms=%llu (%llu)"
          " longest_cpu_ms=%llu (%llu) crashes=%u hangs=%u\n",
          (unsigned long long) count, (unsigned long long) job.t->ended,
          (unsigned long long) job.t->found, (unsigned long long) job.t->rows,
          (unsigned long long) (job.t->longest >> 32),
          (unsigned long long) (job.t->longest & UINT32_MAX),
          (unsigned long long) (job.t->dearest >> 32),
          (unsigned long long) (job.t->dearest & UINT32_MAX), bad.crashes,
          bad.hangs);
  return job.t->ended == count && bad.crashes + bad.hangs == 0 ? 0 : 1;
}
