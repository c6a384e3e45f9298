/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog sysrq: what a kernel's own dumps say, from any console log or dmesg.
 * Needs no daemon.
 */
#include "supervisor/cli/classify.h"
#include "supervisor/cli/cli.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "kernel/text/sysrq.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN_FRAMES 4

/* Everything below is made of guest text: it leaves through here. */
static void
say (const struct buf *b)
{
  print_text (stdout, buf_str (b));
  fputc ('\n', stdout);
}

/* ---- reading ---- */

static void
on_line (const struct text_line *line, void *arg)
{
  struct text_msg msg;

  prefix_strip (line, &msg);
  sysrq_dump_line (arg, &msg);
}

static int
open_file (const char *path, struct error *err)
{
  int fd = strcmp (path, "-") == 0 ? dup (0)
                                   : open (path, O_RDONLY | O_CLOEXEC);
  struct stat st;

  if (fd < 0)
    return error_errno (err, errno, "%s", path);
  if (fstat (fd, &st) == 0 && !S_ISDIR (st.st_mode))
    return fd;
  close (fd);
  return error_set (err, EINVAL, "%s is a folder", path);
}

static int
feed (int fd, const char *path, struct splitter *s, struct error *err)
{
  static char piece[64u << 10];
  bool checked = false;
  ssize_t n;
  int r;

  while ((n = read (fd, piece, sizeof piece)) != 0)
    {
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return error_errno (err, errno, "%s", path);
      r = checked ? 0
                  : packed_check (path, piece, (size_t) n, "sysrq parse -",
                                  err);
      if (r < 0)
        return r;
      checked = true;
      splitter_feed (s, piece, (size_t) n, 0);
    }
  return 0;
}

static int
read_file (const char *path, struct sysrq_dump *d, struct error *err)
{
  int fd CLEANUP_CLOSE = open_file (path, err), rc;
  struct splitter *s = NULL;

  rc = fd < 0 ? fd : splitter_new (on_line, d, &s, err);
  if (rc < 0)
    return rc;
  rc = feed (fd, path, s, err);
  splitter_end (s);
  splitter_free (s);
  sysrq_dump_end (d);
  if (rc == 0 && !sysrq_dump_any (d))
    return error_set (err, EINVAL,
                      "%s: no SysRq output and no piece of a dump in it",
                      path);
  return rc;
}

/* ---- for people ---- */

static void
frames (struct buf *b, const struct text_frame *f, unsigned n, unsigned most)
{
  const struct text_frame *from = sysrq_where (f, n);
  unsigned shown = 0;

  for (unsigned i = from ? (unsigned) (from - f) : 0; i < n; i++)
    {
      if (f[i].guess)
        continue;
      if (shown++ == most)
        {
          buf_puts (b, " < ...");
          return;
        }
      buf_printf (b, "%s%s%s%s%s", shown > 1 ? " < " : "", f[i].func,
                  f[i].module[0] ? " [" : "", f[i].module,
                  f[i].module[0] ? "]" : "");
    }
}

static void
whole_stack (const struct sysrq_task *t)
{
  for (unsigned i = 0; i < t->nframes; i++)
    {
      const struct text_frame *f = &t->frames[i];
      struct buf b CLEANUP_BUF = BUF_INIT (1024);

      buf_printf (&b, "      %s%s", f->guess ? "? " : "", f->func);
      if (f->size)
        buf_printf (&b, "+0x%llx/0x%llx", (unsigned long long) f->offset,
                    (unsigned long long) f->size);
      if (f->module[0])
        buf_printf (&b, " [%s]", f->module);
      say (&b);
    }
}

static void
task (const struct sysrq_task *t, bool whole)
{
  enum wait_for wait = sysrq_wait_of (t->frames, t->nframes);
  struct buf b CLEANUP_BUF = BUF_INIT (4096);

  buf_printf (&b, "  %s", t->comm);
  if (t->pid >= 0)
    buf_printf (&b, ":%d", t->pid);
  if (t->blocked_s >= 0)
    buf_printf (&b, ", for more than %.0f s", t->blocked_s);
  if (wait != WAIT_OTHER)
    buf_printf (&b, ", waits for %s",
                wait == WAIT_IO ? "storage" : "a lock");
  if (t->owner[0])
    buf_printf (&b, " of %s", t->owner);
  if (t->workqueue[0])
    buf_printf (&b, ", workqueue %s", t->workqueue);
  if (t->torn)
    buf_puts (&b, " (torn)");
  say (&b);
  if (whole)
    {
      whole_stack (t);
      return;
    }
  buf_clear (&b);
  frames (&b, t->frames, t->nframes, SHOWN_FRAMES);
  if (b.len)
    {
      fputs ("      in ", stdout);
      say (&b);
    }
}

static void
blocked (const struct sysrq_dump *d, const unsigned *idx, unsigned n,
         bool whole)
{
  const struct sysrq_task *tasks;

  sysrq_dump_tasks (d, &tasks);
  printf ("blocked:%s\n", n                    ? ""
                          : sysrq_dump_gaps (d) ? " nobody that was shown"
                                                : " nobody");
  for (unsigned i = 0; i < n; i++)
    task (&tasks[idx[i]], whole);
}

static void
states (struct json_object *doc)
{
  struct json_object *all = json_get (doc, "states");
  struct buf b CLEANUP_BUF = BUF_INIT (1024);

  if (!all || json_object_object_length (all) == 0)
    return;
  buf_puts (&b, "states:");
  json_object_object_foreach (all, state, n)
    buf_printf (&b, " %s %lld", state, (long long) json_object_get_int64 (n));
  say (&b);
}

/* The kernel's own watch may have named some without a stack. */
static void
hung (struct json_object *doc)
{
  struct json_object *all = json_get (doc, "hung");
  size_t n = json_count (all);

  if (n)
    puts ("hung, as the kernel said:");
  for (size_t i = 0; i < n; i++)
    {
      struct json_object *h = json_object_array_get_idx (all, i);
      struct buf b CLEANUP_BUF = BUF_INIT (1024);

      buf_printf (&b, "  %s:%lld", row_str (h, "comm"),
                  (long long) json_get_int (h, "pid", -1));
      if (json_get (h, "blocked_s"))
        buf_printf (&b, " for more than %lld s",
                    (long long) json_get_int (h, "blocked_s", 0));
      if (row_str (h, "owner")[0])
        buf_printf (&b, ", waits for a lock of %s", row_str (h, "owner"));
      say (&b);
    }
}

static void
cpus (const struct sysrq_dump *d)
{
  const struct sysrq_cpu *all;
  unsigned n = sysrq_dump_cpus (d, &all);

  if (n)
    puts ("cpus:");
  for (unsigned i = 0; i < n; i++)
    {
      const struct sysrq_cpu *c = &all[i];
      struct buf b CLEANUP_BUF = BUF_INIT (4096);

      buf_printf (&b, "  cpu %d: %s", c->cpu, c->idle ? "idle" : c->comm);
      if (!c->idle && c->pid >= 0)
        buf_printf (&b, ":%d", c->pid);
      if (c->rip[0])
        buf_printf (&b, " in %s%s", c->user ? "userspace at " : "", c->rip);
      if (!c->idle && !c->user && c->nframes > c->interrupted)
        {
          buf_puts (&b, " < ");
          frames (&b, c->frames + c->interrupted, c->nframes - c->interrupted,
                  SHOWN_FRAMES);
        }
      if (c->torn)
        buf_puts (&b, " (torn)");
      say (&b);
    }
}

static void
zones (struct json_object *node)
{
  struct json_object *all = json_get (node, "zones");
  size_t n = json_count (all);

  for (size_t i = 0; i < n; i++)
    {
      struct json_object *z = json_object_array_get_idx (all, i);
      struct json_object *kb = json_get (z, "kb");
      struct buf b CLEANUP_BUF = BUF_INIT (1024);
      int64_t free_ = json_get_int (kb, "free", -1);
      int64_t min = json_get_int (kb, "min", -1);

      buf_printf (&b, "  node %lld %s: %lld kB free of %lld, min %lld%s",
                  (long long) json_get_int (node, "node", 0),
                  row_str (z, "zone"), (long long) free_,
                  (long long) json_get_int (kb, "managed", -1),
                  (long long) min,
                  free_ >= 0 && free_ < min ? ": below" : "");
      say (&b);
    }
}

static void
memory (struct json_object *doc)
{
  struct json_object *all = json_get (doc, "memory"), *m, *nodes;
  size_t n = json_count (all);

  if (!n)
    return;
  /* The latest says where it stands now. */
  m = json_object_array_get_idx (all, n - 1);
  printf ("memory: %lld pages, %lld of them reserved; %lld free; swap %lld "
          "of %lld kB free\n",
          (long long) json_get_int (m, "ram_pages", -1),
          (long long) json_get_int (m, "reserved_pages", -1),
          (long long) json_get_int (json_get (m, "pages"), "free", -1),
          (long long) json_get_int (m, "swap_free_kb", -1),
          (long long) json_get_int (m, "swap_total_kb", -1));
  nodes = json_get (m, "nodes");
  n = json_count (nodes);
  for (size_t i = 0; i < n; i++)
    zones (json_object_array_get_idx (nodes, i));
}

static size_t
length (struct json_object *doc, const char *name, const char *sub)
{
  struct json_object *v = json_get (doc, name);

  v = sub && v ? json_get (v, sub) : v;
  return json_count (v);
}

static void
others (struct json_object *doc)
{
  size_t locks = length (doc, "locks", NULL);
  size_t busy = length (doc, "workqueues", "workqueues");
  size_t events = length (doc, "ftrace", "events");

  if (locks)
    printf ("locks: held by %zu tasks\n", locks);
  if (busy)
    printf ("workqueues: %zu busy\n", busy);
  if (length (doc, "timers", "cpus"))
    printf ("timers: of %zu CPUs\n", length (doc, "timers", "cpus"));
  if (events)
    printf ("ftrace: %zu events\n", events);
}

static void
missing (struct json_object *doc)
{
  struct json_object *gaps = json_get (doc, "gaps");
  size_t n = json_count (gaps);

  if (n)
    puts ("missing:");
  for (size_t i = 0; i < n; i++)
    {
      struct json_object *g = json_object_array_get_idx (gaps, i);
      struct buf b CLEANUP_BUF = BUF_INIT (1024);

      buf_printf (&b, "  line %lld: %s: %s",
                  (long long) json_get_int (g, "line", 0), row_str (g, "kind"),
                  row_str (g, "what"));
      if (json_get_int (g, "count", 1) > 1)
        buf_printf (&b, " (%lld)", (long long) json_get_int (g, "count", 1));
      say (&b);
    }
}

static void
people (const struct sysrq_dump *d, const unsigned *idx, unsigned n)
{
  struct json_object *doc CLEANUP_JSON = sysrq_dump_to_json_short (d);
  const struct sysrq_task *tasks;
  struct buf b CLEANUP_BUF = BUF_INIT (2048);

  states (doc);
  if (sysrq_dump_tasks (d, &tasks) || strchr (sysrq_dump_keys (d), 'w'))
    blocked (d, idx, n, false);
  hung (doc);
  cpus (d);
  memory (doc);
  others (doc);
  if (sysrq_dump_refused (d))
    puts ("refused: the guest does not allow this key (kernel.sysrq)");
  if (sysrq_dump_help (d)[0])
    {
      buf_printf (&b, "keys it has: %s", sysrq_dump_help (d));
      say (&b);
    }
  missing (doc);
}

/* ---- the verb ---- */

static void
as_json (const struct sysrq_dump *d, const unsigned *idx, unsigned n,
         bool only_blocked)
{
  const struct sysrq_task *tasks;
  struct json_object *o;

  sysrq_dump_tasks (d, &tasks);
  if (!only_blocked)
    {
      o = sysrq_dump_to_json (d);
      print_json (o);
      json_object_put (o);
      return;
    }
  for (unsigned i = 0; i < n; i++)
    {
      o = sysrq_task_to_json (&tasks[idx[i]]);
      print_json (o);
      json_object_put (o);
    }
}

static int
show (const struct cli *cli, const struct sysrq_dump *d, bool only_blocked)
{
  const struct sysrq_cpu *all;
  unsigned n = sysrq_dump_blocked (d, NULL, 0);
  unsigned *idx CLEANUP_FREE = calloc (n + 1, sizeof *idx);

  if (!idx)
    return EXIT_ERROR;
  sysrq_dump_blocked (d, idx, n);
  if (cli->json)
    as_json (d, idx, n, only_blocked);
  else
    {
      printf ("tasks=%u blocked=%u cpus=%u gaps=%u keys=%s\n",
              sysrq_dump_latest (d, 0, NULL, 0), n,
              sysrq_dump_cpus (d, &all), sysrq_dump_gaps (d),
              sysrq_dump_keys (d));
      if (only_blocked)
        blocked (d, idx, n, true);
      else
        people (d, idx, n);
    }
  return sysrq_dump_gaps (d) ? EXIT_PARTIAL : EXIT_WELL;
}

static int
run (struct cli *cli)
{
  bool only_blocked = cli_flag (cli, "--blocked");
  struct error err = ERROR_INIT;
  struct sysrq_dump *d = NULL;
  const char *what = cli_arg (cli, 1), *file = cli_arg (cli, 2);
  int r = cli_rest (cli, &verb_sysrq, 2);

  if (r)
    return r;
  if (!what)
    return cli_usage (&verb_sysrq, "what is to be done?");
  if (strcmp (what, "parse") != 0)
    return cli_unknown (&verb_sysrq, what);
  if (!file)
    return cli_usage (&verb_sysrq, "which file? (\"-\" is stdin)");
  r = sysrq_dump_new (&d, &err);
  if (r == 0)
    r = read_file (file, d, &err);
  r = r < 0 ? cli_fail (&err) : show (cli, d, only_blocked);
  sysrq_dump_free (d);
  return r;
}

const struct verb verb_sysrq = {
  .name = "sysrq",
  .args = "parse FILE|- [--blocked]",
  .summary = "say what a kernel's SysRq dumps mean",
  .help
  = "Reads a console log or a dmesg that holds SysRq output, or the same dumps "
    "as\nother reports print them (hung tasks, OOM kills, stalls): states of "
    "tasks, who\nis blocked and where, what each CPU did, memory, and what is "
    "missing of it.\n"
    "\n"
    "  --blocked   only the blocked tasks, with their whole stacks\n"
    "  --json      everything, as one document (docs/sysrq-json.md); with\n"
    "              --blocked a line per task\n"
    "\n"
    "Exit code: 0 all of it was read, 2 no such file or no dump in it, 5 some "
    "is missing.\n"
    "\nExamples:\n"
    "  hangdog sysrq parse console.log\n"
    "  dmesg | hangdog sysrq parse - --blocked\n"
    "  hangdog sysrq parse t.txt --json | jq -r '.blocked[] | \"\\(.comm) "
    "\\(.in)\"'\n",
  .run = run,
};
