/* SPDX-License-Identifier: Apache-2.0
 *
 * bench-beat core LIBEXEC CORE GUESTS BEATS - so many fake guests, each a
 *     memory file with the pages that a heartbeat reads of that core
 * bench-beat pid LIBEXEC PID BEATS - the guest of that QEMU, which is stopped
 *     for a moment
 * bench-beat follow LIBEXEC PID BEATS APART_MS - what is said of it
 *
 * CPU time by the scheduler's own account (/proc/self/schedstat), in
 * nanoseconds.  One line of NAME=VALUE.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/opener.h"
#include "kernel/memory/mem.h"
#include "transports/memory/beat.h"
#include "transports/memory/look_guest.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define TABLE_MS 20000

static int
die (const char *what, const struct error *err)
{
  fprintf (stderr, "bench-beat: %s: %s\n", what, error_text (err));
  return 1;
}

static uint64_t
cpu_ns (void)
{
  CLEANUP_CLOSE int fd = open ("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
  char text[128] = "";

  return fd >= 0 && read (fd, text, sizeof text - 1) > 0
             ? strtoull (text, NULL, 10)
             : 0;
}

/* The process's resident pages, in KiB, of all kinds. */
static long
resident (int pid)
{
  char path[64], line[256];
  long kib = -1;

  snprintf (path, sizeof path, "/proc/%d/status", pid);
  CLEANUP_FCLOSE FILE *f = fopen (path, "re");
  while (f && fgets (line, sizeof line, f))
    if (sscanf (line, "VmRSS: %ld", &kib) == 1)
      break;
  return kib;
}

static int
get_table (const char *libexec, struct json_object *where, const int *inputs,
           unsigned n, unsigned char *table, size_t *ret_len, struct error *err)
{
  const struct look_source src = {
    .libexec = libexec, .inputs = inputs, .ninputs = n, .where = where
  };
  const struct look_question q = { 0 };
  const uint64_t deadline = clock_ms () + TABLE_MS;
  struct look_session *s = NULL;
  int r = look_open (&src, deadline, &s, err);

  if (r == 0)
    r = look_beat (s, &q, deadline, table, ret_len, err);
  look_close (s);
  return r;
}

/* ---- fake guests ---- */

/* The pages that the table names, at the same place as in the guest. */
static int
copy_pages (struct mem *core, int fd, const unsigned char *table, size_t len)
{
  unsigned char page[BEAT_PAGE];

  for (size_t at = BEAT_HEAD; at + BEAT_ENTRY <= len; at += BEAT_ENTRY)
    {
      uint64_t gpa = beat_get_entry (table + at).gpa & ~(BEAT_PAGE - 1ull);

      if (mem_read (core, gpa, page, sizeof page, NULL) < 0
          || pwrite (fd, page, sizeof page, (off_t) gpa) != sizeof page)
        return -1;
    }
  return 0;
}

static int
make_guest (struct mem *core, uint64_t size, const unsigned char *table,
            size_t len)
{
  int fd = memfd_create ("guest", MFD_CLOEXEC);

  if (fd >= 0
      && (ftruncate (fd, (off_t) size) < 0
          || copy_pages (core, fd, table, len) < 0))
    {
      close (fd);
      fd = -1;
    }
  return fd;
}

static uint64_t
highest (const unsigned char *table, size_t len)
{
  uint64_t top = 0;

  for (size_t at = BEAT_HEAD; at + BEAT_ENTRY <= len; at += BEAT_ENTRY)
    {
      uint64_t gpa = beat_get_entry (table + at).gpa;

      top = gpa > top ? gpa : top;
    }
  return (top | (BEAT_PAGE - 1)) + 1;
}

static int
beat_all (struct beat_table **tables, const int *fds, unsigned guests,
          unsigned beats)
{
  struct error err = ERROR_INIT;
  struct beat b;

  for (unsigned i = 0; i < beats; i++)
    for (unsigned g = 0; g < guests; g++)
      if (beat_read (tables[g], fds[g], &b, &err) < 0)
        return die ("a beat", &err);
      else if (!b.canary_ok)
        {
          fprintf (stderr, "bench-beat: the canary differs\n");
          return 1;
        }
  return 0;
}

static int
fakes (const char *libexec, const char *path, unsigned guests, unsigned beats)
{
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC);
  CLEANUP_JSON struct json_object *where = json_object_new_object ();
  static unsigned char table[BEAT_MAX_TABLE];
  struct rlimit files = { guests + 64, guests + 64 };
  struct beat_table **tables = calloc (guests, sizeof *tables);
  int *fds = calloc (guests, sizeof *fds);
  struct memory_map map = { .n = 1 };
  struct error err = ERROR_INIT;
  struct mem *core = NULL;
  uint64_t began, took, size;
  size_t len = 0;

  json_add_str (where, "op", "core");
  if (fd < 0 || !tables || !fds || setrlimit (RLIMIT_NOFILE, &files) < 0)
    {
      perror (path);
      return 1;
    }
  if (get_table (libexec, where, &fd, 1, table, &len, &err) < 0
      || mem_open_core (fd, NULL, &core, &err) < 0)
    return die (path, &err);
  size = highest (table, len);
  map.ranges[0] = (struct memory_range){ 0, size, 0, 0 };
  for (unsigned i = 0; i < guests; i++)
    if ((fds[i] = make_guest (core, size, table, len)) < 0
        || beat_table_new (table, len, &map, -1, &tables[i], &err) < 0)
      return die ("a fake guest", &err);
  /* Once before, so that all is where it will be. */
  if (beat_all (tables, fds, guests, 1))
    return 1;
  began = cpu_ns ();
  if (beat_all (tables, fds, guests, beats))
    return 1;
  took = cpu_ns () - began;
  printf ("guests=%u ns=%" PRIu64 " per_second=%" PRIu64 " reads=%u bytes=%zu "
          "table=%zu\n",
          guests, took / guests / beats,
          (uint64_t) (1e9 * guests * beats / (double) took),
          beat_table_reads (tables[0]), beat_table_bytes (tables[0]),
          beat_table_size (tables[0]));
  return 0;
}

/* ---- a real one ---- */

/* What a guest itself takes is not to be seen: meanwhile it does not run.  It
 * is the bench's own. */
static long
growth (int pid, struct beat_table *t, int fd, unsigned beats)
{
  long before, after;

  kill (pid, SIGSTOP);
  before = resident (pid);
  (void) beat_all (&t, &fd, 1, beats);
  after = resident (pid);
  kill (pid, SIGCONT);
  return after - before;
}

struct live
{
  struct transport_env env;
  struct guest *g;
  struct look_guest at;
  struct beat_table *t;
};

static int
open_live (const char *libexec, int pid, struct live *l)
{
  const uint64_t deadline = clock_ms () + TABLE_MS;
  static unsigned char table[BEAT_MAX_TABLE];
  struct error err = ERROR_INIT;
  size_t len = 0;

  *l = (struct live){ .env = { .opener = opener_local (), .libexec = libexec },
                      .g = guest_new (),
                      .at = { .env = &l->env, .no_registers = true } };
  l->at.guest = l->g;
  l->g->inc.pid = pid;
  if (proc_start_time (pid, &l->g->inc.start_time, &err) < 0
      || look_guest_open (&l->at, deadline, &err) < 0)
    return die ("its memory", &err);
  if (look_guest_beat (&l->at, deadline, table, &len, &err) < 0
      || beat_table_new (table, len, &l->at.memory.map, l->at.memory.pagemap,
                         &l->t, &err)
             < 0)
    return die ("its heartbeat", &err);
  look_guest_forget (&l->at);
  return 0;
}

static void
close_live (struct live *l)
{
  beat_table_free (l->t);
  look_guest_close (&l->at);
  guest_unref (l->g);
}

static void
print_verdict (const struct beat *a, const struct beat *b)
{
  struct beat_verdict v;

  beat_compare (a, b, NULL, &v);
  printf ("vcpu=%s ticks=%s scheduler=%s canary=%s rebooted=%d\n",
          beat_state_names[v.vcpu.state], beat_state_names[v.ticks.state],
          beat_state_names[v.scheduler.state], b->canary_ok ? "ok" : "differs",
          v.rebooted);
  fprintf (stderr, "vcpu: %s\nticks: %s\nscheduler: %s\n", v.vcpu.why,
           v.ticks.why, v.scheduler.why);
  fflush (stdout);
}

static int
real (const char *libexec, int pid, unsigned beats)
{
  struct error err = ERROR_INIT;
  struct beat a, b;
  uint64_t began, took;
  struct live l;

  if (open_live (libexec, pid, &l))
    return 1;
  if (beat_read (l.t, l.at.memory.fd, &a, &err) < 0)
    return die ("a beat", &err);
  began = cpu_ns ();
  if (beat_all (&l.t, &l.at.memory.fd, 1, beats))
    return 1;
  took = cpu_ns () - began;
  usleep (3000000);
  if (beat_read (l.t, l.at.memory.fd, &b, &err) < 0)
    return die ("the second beat", &err);
  printf ("by=%s ns=%" PRIu64 " reads=%u bytes=%zu growth_kib=%ld ",
          l.at.memory.map.file ? "file" : "process", took / beats,
          beat_table_reads (l.t), beat_table_bytes (l.t),
          growth (pid, l.t, l.at.memory.fd, beats));
  print_verdict (&a, &b);
  close_live (&l);
  return 0;
}

/* What each beat says, compared with the one before. */
static int
follow (const char *libexec, int pid, unsigned n, unsigned apart_ms)
{
  struct error err = ERROR_INIT;
  struct beat a, b;
  struct live l;

  if (open_live (libexec, pid, &l))
    return 1;
  if (beat_read (l.t, l.at.memory.fd, &a, &err) < 0)
    return die ("a beat", &err);
  for (unsigned i = 0; i < n; i++, a = b)
    {
      usleep (apart_ms * 1000);
      if (beat_read (l.t, l.at.memory.fd, &b, &err) < 0)
        return die ("a beat", &err);
      print_verdict (&a, &b);
    }
  close_live (&l);
  return 0;
}

int
main (int argc, char **argv)
{
  if (argc == 6 && strcmp (argv[1], "core") == 0 && atoi (argv[4]) > 0
      && atoi (argv[5]) > 0)
    return fakes (argv[2], argv[3], (unsigned) atoi (argv[4]),
                  (unsigned) atoi (argv[5]));
  if (argc == 5 && strcmp (argv[1], "pid") == 0 && atoi (argv[3]) > 1
      && atoi (argv[4]) > 0)
    return real (argv[2], atoi (argv[3]), (unsigned) atoi (argv[4]));
  if (argc == 6 && strcmp (argv[1], "follow") == 0 && atoi (argv[3]) > 1
      && atoi (argv[4]) > 0 && atoi (argv[5]) > 0)
    return follow (argv[2], atoi (argv[3]), (unsigned) atoi (argv[4]),
                   (unsigned) atoi (argv[5]));
  fprintf (stderr, "bench-beat: core LIBEXEC CORE GUESTS BEATS | pid LIBEXEC "
                   "PID BEATS | follow LIBEXEC PID BEATS APART_MS\n");
  return 2;
}
