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
#include "transports/memory/look.h"

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
  const struct inspect_spec spec = { .libexec = libexec,
                                     .inputs = inputs,
                                     .ninputs = n,
                                     .where = where,
                                     .timeout_ms = TABLE_MS };
  struct inspect_session *s = NULL;
  int r = inspect_open (&spec, &s, err);

  if (r == 0)
    r = inspect_beat (s, &spec, table, ret_len, err);
  inspect_close (s);
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

static struct json_object *
where_of (const struct memory *m)
{
  struct json_object *o = json_object_new_object ();
  struct json_object *list = json_object_new_array ();

  json_add_str (o, "op", "memory");
  for (unsigned i = 0; i < m->map.n; i++)
    {
      struct json_object *t = json_object_new_array ();

      json_object_array_add (
          t, json_object_new_int64 ((int64_t) m->map.ranges[i].gpa));
      json_object_array_add (
          t, json_object_new_int64 ((int64_t) m->map.ranges[i].len));
      json_object_array_add (
          t, json_object_new_int64 ((int64_t) m->map.ranges[i].at));
      json_object_array_add (list, t);
    }
  json_object_object_add (o, "ranges", list);
  json_add_bool (o, "process", !m->map.file);
  json_add_bool (o, "pagemap", m->pagemap >= 0);
  return o;
}

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
  struct guest *g;
  struct memory m;
  struct beat_table *t;
};

static int
open_live (const char *libexec, int pid, struct live *l)
{
  struct transport_env env = { .opener = opener_local () };
  static unsigned char table[BEAT_MAX_TABLE];
  struct error err = ERROR_INIT;
  size_t len = 0;
  int inputs[2];

  *l = (struct live){ .g = guest_new () };
  l->g->inc.pid = pid;
  if (proc_start_time (pid, &l->g->inc.start_time, &err) < 0
      || memory_open (&env, l->g, clock_ms () + TABLE_MS, &l->m, &err) < 0)
    return die ("its memory", &err);
  CLEANUP_JSON struct json_object *where = where_of (&l->m);
  inputs[0] = l->m.fd;
  inputs[1] = l->m.pagemap;
  if (get_table (libexec, where, inputs, l->m.pagemap >= 0 ? 2 : 1, table, &len,
                 &err)
          < 0
      || beat_table_new (table, len, &l->m.map, l->m.pagemap, &l->t, &err) < 0)
    return die ("its heartbeat", &err);
  return 0;
}

static void
close_live (struct live *l)
{
  beat_table_free (l->t);
  memory_done (&l->m);
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
  if (beat_read (l.t, l.m.fd, &a, &err) < 0)
    return die ("a beat", &err);
  began = cpu_ns ();
  if (beat_all (&l.t, &l.m.fd, 1, beats))
    return 1;
  took = cpu_ns () - began;
  usleep (3000000);
  if (beat_read (l.t, l.m.fd, &b, &err) < 0)
    return die ("the second beat", &err);
  printf ("by=%s ns=%" PRIu64 " reads=%u bytes=%zu growth_kib=%ld ",
          l.m.map.file ? "file" : "process", took / beats,
          beat_table_reads (l.t), beat_table_bytes (l.t),
          growth (pid, l.t, l.m.fd, beats));
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
  if (beat_read (l.t, l.m.fd, &a, &err) < 0)
    return die ("a beat", &err);
  for (unsigned i = 0; i < n; i++, a = b)
    {
      usleep (apart_ms * 1000);
      if (beat_read (l.t, l.m.fd, &b, &err) < 0)
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
