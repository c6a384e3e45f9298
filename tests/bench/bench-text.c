/* SPDX-License-Identifier: Apache-2.0
 *
 * bench-text [-q] [CORPUS-FOLDER] - how fast kernel/text reads, whether that
 * stays so however much there is and whatever it is, and what a reader costs.
 * One line per figure; exit 1 when a promise is broken.  -q: a twentieth of
 * the bytes, to see that it runs.
 */
#include "tests/bench/textgen.h"
#include "tests/corpus/corpus.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <dirent.h>
#include <malloc.h>
#include <string.h>
#include <time.h>

#define MIB (1u << 20)
#define BUFFER (16u * MIB)
#define PIECE (16u << 10) /* what a console's ring holds */
#define RUNS 3            /* the best counts: others can only slow it down */
#define IDLE 1000

struct bench
{
  const struct text_rules *rules;
  char *text;    /* BUFFER bytes */
  unsigned part; /* of what is otherwise read, 1 = all */
  int broken;
};

struct run
{
  double seconds; /* of CPU */
  double bytes;
  uint64_t events, heads, lines;
  size_t memory; /* the most it had */
};

static double
cpu_seconds (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &ts);
  return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static size_t
heap (void)
{
  struct mallinfo2 m = mallinfo2 ();

  return m.uordblks + m.hblkhd;
}

static void
promise (struct bench *b, const char *what, double value, const char *unit,
         bool at_least, double limit)
{
  bool held = at_least ? value >= limit : value <= limit;

  printf ("text: %s: %.4g %s (promise %s %.4g: %s)\n", what, value, unit,
          at_least ? ">=" : "<=", limit, held ? "held" : "BROKEN");
  fflush (stdout);
  b->broken += !held;
}

static const struct text_reader_ops no_ops = { 0 };

/* Reads so many bytes: the buffer, and then what is in it from a line behind
 * `again` on, for ever: a guest boots once. */
static int
stream (struct bench *b, size_t len, size_t again, uint64_t bytes,
        struct run *ret, struct error *err)
{
  struct text_reader *r;
  struct text_reader_stats st;
  size_t before = heap (), at = 0, now;
  struct run run = { .bytes = (double) bytes };
  int rc = text_reader_new (b->rules, &no_ops, NULL, &r, err);
  uint64_t next_look = 0;
  double began;

  if (rc < 0)
    return rc;
  began = cpu_seconds ();
  for (uint64_t done = 0; done < bytes;)
    {
      size_t n = len - at < PIECE ? len - at : PIECE;

      n = bytes - done < n ? (size_t) (bytes - done) : n;
      text_reader_feed (r, b->text + at, n, 0);
      done += n;
      at = at + n < len ? at + n : again;
      if (done >= next_look)
        {
          now = heap ();
          if (now > before && now - before > run.memory)
            run.memory = now - before;
          next_look = done + MIB;
        }
    }
  text_reader_end (r);
  run.seconds = cpu_seconds () - began;
  text_reader_stats (r, &st);
  run.events = st.events;
  run.heads = st.heads;
  run.lines = st.lines;
  text_reader_free (r);
  *ret = run;
  return 0;
}

/* The best of a few. */
static int
best (struct bench *b, size_t len, size_t again, uint64_t bytes,
      struct run *ret, struct error *err)
{
  struct run one;
  int r = 0;

  for (unsigned i = 0; i < RUNS && r == 0; i++)
    {
      r = stream (b, len, again, bytes / b->part, &one, err);
      if (r == 0 && (i == 0 || one.seconds < ret->seconds))
        *ret = one;
    }
  return r;
}

static double
speed (const struct run *r)
{
  return r->seconds > 0 ? r->bytes / r->seconds / 1e6 : 0;
}

/* Where a line begins, behind at. */
static size_t
line_behind (const char *text, size_t len, size_t at)
{
  const char *nl = at < len ? memchr (text + at, '\n', len - at) : NULL;

  return nl ? (size_t) (nl + 1 - text) : 0;
}

static int
speeds (struct bench *b, struct error *err)
{
  struct run run = { 0 };
  size_t again;
  int r;

  textgen (TEXTGEN_BOOT, 1, b->text, BUFFER);
  again = line_behind (b->text, BUFFER, MIB);
  r = best (b, BUFFER, again, 200ull * MIB, &run, err);
  if (r < 0)
    return r;
  promise (b, "clean boot text, made here", speed (&run), "MB/s", true, 200);
  printf ("text: events in it: %llu (of %llu lines)\n",
          (unsigned long long) run.events, (unsigned long long) run.lines);
  textgen (TEXTGEN_DENSE, 1, b->text, BUFFER);
  r = best (b, BUFFER, 0, 64ull * MIB, &run, err);
  if (r < 0)
    return r;
  promise (b, "reports and nothing else, made here", speed (&run), "MB/s", true,
           50);
  printf ("text: events in it: %llu (%.3g MB/s of heads)\n",
          (unsigned long long) run.events,
          (double) run.heads / (run.seconds * 1e6));
  return 0;
}

/* ---- collected logs ---- */

static size_t
gather (struct bench *b, const struct samples *s, bool crash)
{
  size_t n = 0;

  for (size_t i = 0; i < s->count; i++)
    {
      const struct sample *x = &s->list[i];

      if ((x->group != GROUP_NONE) != crash || x->len > BUFFER - n)
        continue;
      memcpy (b->text + n, x->log, x->len);
      n += x->len;
    }
  return n;
}

/* What is like it in FOLDER/debian-*: the logs of whole boots. */
static size_t
gather_boots (struct bench *b, const char *folder)
{
  CLEANUP_CLOSEDIR DIR *dir = opendir (folder);
  struct dirent *e;
  size_t n = 0;

  while (dir && (e = readdir (dir)))
    {
      char path[4608];
      CLEANUP_FCLOSE FILE *f = NULL;

      if (strncmp (e->d_name, "debian-", 7) != 0)
        continue;
      snprintf (path, sizeof (path), "%s/%s/boot.txt", folder, e->d_name);
      f = fopen (path, "re");
      if (f)
        n += fread (b->text + n, 1, BUFFER - n, f);
    }
  return n;
}

static int
collected (struct bench *b, const char *corpora, struct error *err)
{
  struct run run = { 0 };
  struct samples s;
  char path[4096];
  size_t n;
  int r;

  snprintf (path, sizeof (path), "%s/sysrq-captures", corpora);
  n = gather_boots (b, path);
  r = n > 0 ? best (b, n, 0, 200ull * MIB, &run, err) : 0;
  if (r == 0 && n > 0)
    promise (b, "boots of real kernels, over and over", speed (&run), "MB/s",
             true, 200);
  snprintf (path, sizeof (path), "%s/syzkaller/report", corpora);
  if (r == 0 && access (path, R_OK) < 0)
    printf ("text: collected logs: left out, no corpus (%s)\n", path);
  if (r < 0 || access (path, R_OK) < 0)
    return r;
  r = samples_load (path, true, &s, err);
  if (r < 0)
    return r;
  /* They were collected because they look like trouble: no measure of clean
   * text. */
  n = gather (b, &s, false);
  r = n > 0 ? best (b, n, 0, 64ull * MIB, &run, err) : 0;
  if (r == 0 && n > 0)
    printf ("text: what looks like a crash and is none, over and over: %.4g "
            "MB/s\n",
            speed (&run));
  n = r == 0 ? gather (b, &s, true) : 0;
  if (n > 0)
    r = best (b, n, 0, 64ull * MIB, &run, err);
  if (r == 0 && n > 0)
    promise (b, "collected logs with crashes, over and over", speed (&run),
             "MB/s", true, 50);
  samples_done (&s);
  return r;
}

/* ---- as much as there is ---- */

static int
linear_one (struct bench *b, enum textgen what, const char *name,
            struct error *err)
{
  static const unsigned mb[] = { 1, 10, 100, 1000 };
  double ns[ARRAY_LEN (mb)], worst = 0;
  struct run run;

  textgen (what, 2, b->text, BUFFER);
  printf ("text: %s:", name);
  for (unsigned i = 0; i < ARRAY_LEN (mb); i++)
    {
      uint64_t bytes = mb[i] * (uint64_t) MIB / (i > 0 ? b->part : 1);
      size_t again
          = what == TEXTGEN_BOOT ? line_behind (b->text, BUFFER, MIB) : 0;
      int r = 0;

      ns[i] = 0;
      /* A megabyte takes so little time that one run says nothing. */
      for (unsigned k = 0; k < (i < 2 ? 5u : 1u) && r == 0; k++)
        {
          r = stream (b, BUFFER, again, bytes, &run, err);
          if (k == 0 || run.seconds * 1e9 / run.bytes < ns[i])
            ns[i] = run.seconds * 1e9 / run.bytes;
        }
      if (r < 0)
        return r;
      printf (" %.3g MB %.2f ns/B", (double) bytes / MIB, ns[i]);
      worst = ns[i] / ns[0] > worst ? ns[i] / ns[0] : worst;
    }
  putchar ('\n');
  promise (b, "the most per byte, of that at 1 MB", worst, "times", false, 1.5);
  return 0;
}

/* ---- what it costs to have one ---- */

static int
idle (struct bench *b, struct error *err)
{
  struct text_reader *r[IDLE];
  size_t before = heap (), bytes;
  struct text_reader_stats st;
  unsigned n = 0;
  int rc = 0;

  textgen (TEXTGEN_BOOT, 3, b->text, MIB);
  /* It has read a boot, and stands at an unfinished prompt. */
  bytes = line_behind (b->text, MIB, 256u << 10);
  for (; n < IDLE && rc == 0; n++)
    {
      rc = text_reader_new (b->rules, &no_ops, NULL, &r[n], err);
      if (rc < 0)
        break;
      text_reader_feed (r[n], b->text, bytes / 16, 1000);
      text_reader_feed (r[n], "\nweb-1 login: ", 14, 1001);
      text_reader_tick (r[n], 3600 * 1000);
    }
  if (rc == 0)
    {
      text_reader_stats (r[0], &st);
      promise (b, "memory of a reader that is idle", st.memory, "bytes", false,
               4096);
      promise (b, "the same as malloc has it, of 1,000",
               (double) (heap () - before) / IDLE, "bytes", false, 4096);
    }
  while (n > 0)
    text_reader_free (r[--n]);
  return rc;
}

/* ---- whatever it is ---- */

static int
hostile (struct bench *b, struct error *err)
{
  for (unsigned i = TEXTGEN_LINE; i < TEXTGEN_MAX; i++)
    {
      uint64_t bytes = i == TEXTGEN_LINE ? 1000ull * MIB : 32ull * MIB;
      struct run run;
      char what[128];
      int r;

      textgen ((enum textgen) i, 4, b->text, BUFFER);
      r = stream (b, BUFFER, 0, bytes / b->part, &run, err);
      if (r < 0)
        return r;
      snprintf (what, sizeof (what), "hostile, %s (%.0f MB, %llu events)",
                textgen_names[i], run.bytes / MIB,
                (unsigned long long) run.events);
      promise (b, what, speed (&run), "MB/s", true, 5);
      promise (b, "  the most memory it had", (double) run.memory / 1024, "KiB",
               false, 1024);
    }
  return 0;
}

/* ---- how soon ---- */

struct soon
{
  double at;
};

static void
on_suspect (const struct text_event *e, void *arg)
{
  struct soon *s = arg;

  s->at = cpu_seconds ();
}

static int
by_value (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

/* From a piece's being fed to the suspicion that its last line raises. */
static int
soon (struct bench *b, struct error *err)
{
  static const struct text_reader_ops ops = { .suspect = on_suspect };
  static const char head[]
      = "[  100.000001] INFO: task kworker/0:1:17 blocked for more than 120 "
        "seconds.\n";
  double took[200];
  unsigned seen = 0;

  textgen (TEXTGEN_BOOT, 5, b->text, MIB);
  for (unsigned i = 0; i < ARRAY_LEN (took); i++)
    {
      struct soon s = { 0 };
      struct text_reader *r;
      double began;
      int rc = text_reader_new (b->rules, &ops, &s, &r, err);

      if (rc < 0)
        return rc;
      text_reader_feed (r, b->text, line_behind (b->text, MIB, 200), 1);
      memcpy (b->text + PIECE, head, sizeof (head) - 1);
      b->text[PIECE - 1] = '\n';
      began = cpu_seconds ();
      text_reader_feed (r, b->text, PIECE + sizeof (head) - 1, 2);
      if (s.at > 0)
        took[seen++] = s.at - began;
      text_reader_free (r);
    }
  if (seen == 0)
    {
      puts ("text: no suspicion was raised by a hung task (BROKEN)");
      b->broken++;
      return 0;
    }
  qsort (took, seen, sizeof (*took), by_value);
  promise (b, "16 KiB, then a head: to the suspicion, 99 of 100",
           took[seen * 99 / 100] * 1e3, "ms", false, 5);
  return 0;
}

static int
all (struct bench *b, const char *corpora, struct error *err)
{
  int r = speeds (b, err);

  if (r == 0 && corpora)
    r = collected (b, corpora, err);
  if (r == 0)
    r = linear_one (b, TEXTGEN_BOOT, "clean, per byte", err);
  if (r == 0)
    r = linear_one (b, TEXTGEN_DENSE, "reports, per byte", err);
  if (r == 0)
    r = idle (b, err);
  if (r == 0)
    r = soon (b, err);
  if (r == 0)
    r = hostile (b, err);
  return r;
}

int
main (int argc, char **argv)
{
  struct bench b = { .part = 1 };
  struct text_rules *rules = NULL;
  struct error err = ERROR_INIT;
  int opt, r;

  while ((opt = getopt (argc, argv, "q")) != -1)
    if (opt == 'q')
      b.part = 20;
    else
      return 2;
  /* Blocks of every size count as what malloc gives out. */
  mallopt (M_MMAP_THRESHOLD, 1 << 30);
  b.text = malloc (BUFFER);
  r = b.text ? text_rules_new (&rules, &err)
             : error_set (&err, ENOMEM, "no memory");
  b.rules = rules;
  if (r == 0)
    r = all (&b, argv[optind], &err);
  text_rules_free (rules);
  free (b.text);
  if (r < 0)
    {
      fprintf (stderr, "bench-text: %s\n", error_text (&err));
      return 2;
    }
  return b.broken > 0;
}
