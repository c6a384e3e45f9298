/* SPDX-License-Identifier: Apache-2.0
 *
 * The QEMU process seen from the host: its state, its threads twice apart,
 * how busy each vCPU is, and the kernel stacks of threads that wait in the
 * kernel without end.
 *
 * A thread is a vCPU when QEMU named it so ("CPU 0/KVM"); where it does not
 * name its threads (EVE), guest time tells, and without KVM only the monitor.
 */
#include "diag/collect/collect.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/opener.h"
#include "kernel/wait.h"
#include "transports/monitor/look.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_THREADS 512
#define MAX_STACKS 16
#define MAX_VCPUS 64
#define MAX_PROCS 65536
#define MAX_VHOSTS 32
#define BUSY 0.9

struct thread
{
  int tid;
  char comm[20];
  char state, state_before;
  int vcpu; /* -1 = none */
  int owner; /* the process whose thread it is: a vhost's may be its own */
  bool twice;
  uint64_t start;
  uint64_t cpu, cpu_before, guest; /* clock ticks */
  struct thread_time time, time_before;
  double run, wait; /* of the time between the samples */
};

struct process
{
  int pid;
  struct thread threads[MAX_THREADS];
  size_t n;
  uint64_t sampled_us, before_us;
  uint64_t sampled_wall_ms, before_wall_ms;
};

/* comm may hold anything, so from the last parenthesis on. */
static bool
parse_stat (const char *text, struct thread *ret)
{
  const char *open = strchr (text, '('), *close = strrchr (text, ')');
  unsigned long long utime, stime, start, guest = 0;
  size_t n;
  char state;

  if (!open || !close || close < open)
    return false;
  n = (size_t) (close - open - 1);
  n = n < sizeof ret->comm ? n : sizeof ret->comm - 1;
  /* Fields 3, 14, 15, 22 and 43. */
  if (sscanf (close + 1,
              " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d "
              "%*d %*d %*d %*d %*d %llu %*u %*d %*u %*u %*u %*u %*u %*u %*u "
              "%*u %*u %*u %*u %*u %*u %*d %*d %*u %*u %*u %llu",
              &state, &utime, &stime, &start, &guest)
      < 4)
    return false;
  memcpy (ret->comm, open + 1, n);
  ret->comm[n] = '\0';
  ret->state = state;
  ret->cpu = utime + stime;
  ret->start = start;
  ret->guest = guest;
  return true;
}

static bool
read_stat (const char *path, struct thread *ret)
{
  struct buf text CLEANUP_BUF = BUF_INIT (2048);

  return collect_slurp (path, &text, NULL) >= 0
         && parse_stat (buf_str (&text), ret);
}

void
collect_shares (struct collect_ctx *ctx, const char *source,
                const struct vcpu_share *shares, size_t n)
{
  int64_t busy = 0;

  for (size_t i = 0; i < n; i++)
    {
      char name[FACT_NAME_MAX];

      if (shares[i].run + shares[i].wait >= BUSY)
        busy++;
      snprintf (name, sizeof name, "vcpu.%d.share", shares[i].number);
      collect_real (ctx, name, source, shares[i].run);
      snprintf (name, sizeof name, "vcpu.%d.waited", shares[i].number);
      collect_real (ctx, name, source, shares[i].wait);
    }
  collect_int (ctx, "vcpu.count", source, (int64_t) n);
  collect_int (ctx, "vcpu.busy", source, busy);
}

static int
vcpu_number (const char *comm)
{
  int n, end = 0;

  if (sscanf (comm, "CPU %d/%n", &n, &end) == 1 && end > 0 && n >= 0)
    return n;
  return -1;
}

static struct thread *
find (struct process *p, int tid)
{
  for (size_t i = 0; i < p->n; i++)
    if (p->threads[i].tid == tid)
      return &p->threads[i];
  return NULL;
}

static void
sample_thread (struct process *p, int owner, int tid, bool second)
{
  struct thread t = { .tid = tid, .vcpu = -1, .owner = owner }, *known;
  char path[64];

  snprintf (path, sizeof path, "/proc/%d/task/%d/stat", owner, tid);
  if (!read_stat (path, &t) || !monitor_thread_time (owner, tid, &t.time))
    return;
  known = second ? find (p, tid) : NULL;
  if (known && known->start == t.start)
    {
      known->twice = true;
      known->state_before = known->state;
      known->cpu_before = known->cpu;
      known->state = t.state;
      known->cpu = t.cpu;
      known->time_before = known->time;
      known->time = t.time;
      known->guest = t.guest;
    }
  else if (!second && p->n < MAX_THREADS)
    p->threads[p->n++] = t;
}

static bool
is_vhost (const struct process *p, const char *comm)
{
  char want[24];

  snprintf (want, sizeof want, "vhost-%d", p->pid);
  return strncmp (comm, want, strlen (want)) == 0
         && (comm[strlen (want)] == '\0' || comm[strlen (want)] == '\n');
}

/* The kernel's threads that carry its network, where they are no threads of
 * QEMU itself (before 6.4). */
static void
sample_vhosts (struct process *p, bool second)
{
  CLEANUP_CLOSEDIR DIR *dir = opendir ("/proc");
  unsigned vhosts = 0;
  struct dirent *e;

  for (size_t i = 0; second && i < p->n; i++)
    if (p->threads[i].owner != p->pid)
      sample_thread (p, p->threads[i].owner, p->threads[i].tid, true);
  for (unsigned i = 0; !second && dir && i < MAX_PROCS; i++)
    {
      struct buf comm CLEANUP_BUF = BUF_INIT (64);
      char path[48];
      int tid;

      if (!(e = readdir (dir)))
        break;
      tid = atoi (e->d_name);
      if (tid <= 0)
        continue;
      snprintf (path, sizeof path, "/proc/%d/comm", tid);
      if (collect_slurp (path, &comm, NULL) < 0
          || !is_vhost (p, buf_str (&comm)))
        continue;
      sample_thread (p, tid, tid, false);
      if (++vhosts == MAX_VHOSTS)
        break;
    }
}

static int
sample (struct process *p, bool second, struct error *err)
{
  CLEANUP_CLOSEDIR DIR *dir = NULL;
  struct dirent *e;
  char path[40];

  snprintf (path, sizeof path, "/proc/%d/task", p->pid);
  dir = opendir (path);
  if (!dir)
    return error_errno (err, errno, "%s", path);
  p->before_us = p->sampled_us;
  p->sampled_us = clock_us ();
  p->before_wall_ms = p->sampled_wall_ms;
  p->sampled_wall_ms = clock_wall_ms ();
  while ((e = readdir (dir)))
    if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
      sample_thread (p, p->pid, atoi (e->d_name), second);
  sample_vhosts (p, second);
  return 0;
}

/* Names first; without any, those that ran guest code, oldest first. */
static void
name_vcpus (struct process *p)
{
  int next = 0;

  for (size_t i = 0; i < p->n; i++)
    {
      p->threads[i].vcpu = vcpu_number (p->threads[i].comm);
      if (p->threads[i].vcpu >= 0)
        next++;
    }
  if (next)
    return;
  for (size_t i = 0; i < p->n; i++)
    if (p->threads[i].guest > 0)
      p->threads[i].vcpu = next++;
}

static void
shares (struct process *p)
{
  double ns = (double) (p->sampled_us - p->before_us) * 1e3;

  for (size_t i = 0; i < p->n; i++)
    {
      struct thread *t = &p->threads[i];

      if (!t->twice || ns <= 0 || t->time.run < t->time_before.run
          || t->time.wait < t->time_before.wait)
        continue;
      t->run = (double) (t->time.run - t->time_before.run) / ns;
      t->wait = (double) (t->time.wait - t->time_before.wait) / ns;
    }
}

static const char *
state_word (char c)
{
  switch (c)
    {
    case 'R':
    case 'S':
    case 'I':
      return "running";
    case 'D':
      return "disk-sleep";
    case 'T':
    case 't':
      return "stopped";
    case 'Z':
    case 'X':
      return "zombie";
    default:
      return "unknown";
    }
}

static void
publish_vhosts (struct collect_ctx *ctx, struct process *p)
{
  int64_t n = 0;
  bool moved = false;

  for (size_t i = 0; i < p->n; i++)
    if (is_vhost (p, p->threads[i].comm))
      {
        n++;
        moved |= p->threads[i].time.run != p->threads[i].time_before.run;
      }
  if (!n)
    return;
  collect_int (ctx, "qemu.vhost_threads", "host", n);
  collect_bool (ctx, "qemu.vhost_moved", "host", moved);
}

static void
publish (struct collect_ctx *ctx, struct process *p)
{
  struct vcpu_share vcpus[MAX_VCPUS];
  struct thread *main_thread = find (p, p->pid);
  double ran = 0, waited = 0;
  int64_t stuck = 0;
  size_t n = 0;

  if (main_thread)
    collect_str (ctx, "qemu.state", "host", state_word (main_thread->state));
  for (size_t i = 0; i < p->n; i++)
    {
      struct thread *t = &p->threads[i];

      /* Twice in D may be two short waits, but seldom on one that is idle:
       * no time was used in between either. */
      if (t->twice && t->state == 'D' && t->state_before == 'D'
          && t->cpu == t->cpu_before)
        stuck++;
      ran += t->run;
      waited += t->wait;
      if (t->vcpu >= 0 && t->twice && n < MAX_VCPUS)
        vcpus[n++] = (struct vcpu_share){ t->vcpu, t->run,
                                           t->wait };
    }
  collect_int (ctx, "qemu.stuck_threads", "host", stuck);
  publish_vhosts (ctx, p);
  if (main_thread && main_thread->twice)
    collect_real (ctx, "qemu.wanted", "host", ran + waited);
  /* Who wanted nothing was refused nothing. */
  if (ran + waited > 0)
    collect_real (ctx, "qemu.got", "host", ran / (ran + waited));
  if (n)
    collect_shares (ctx, "host", vcpus, n);
  /* Over a socket the monitor tells it. */
  else if (ctx->guest->monitor != MONITOR_UNIX)
    ctx->out->gap (ctx->out, "qemu/vcpus",
                   "which threads are vCPUs can't be told from /proc alone: "
                   "they have no names and no guest time");
}

/* One of the samples, of those who are in all that there are. */
static void
measure (const struct process *p, bool first, struct otlp *o)
{
  double total = 0;
  size_t count = 0;
  char n[16];

  otlp_at (o, first ? p->before_wall_ms : p->sampled_wall_ms);
  for (size_t i = 0; i < p->n; i++)
    {
      const struct thread *t = &p->threads[i];
      double s = (double) (first ? t->time_before.run : t->time.run) / 1e9;

      if (p->before_wall_ms && !t->twice)
        continue;
      total += s;
      count++;
      if (t->vcpu < 0)
        continue;
      snprintf (n, sizeof n, "%d", t->vcpu);
      otlp_sum (o, "vm.vcpu.time", "s", s, "cpu.logical_number", n);
    }
  otlp_sum (o, "process.cpu.time", "s", total, NULL, NULL);
  otlp_gauge (o, "process.thread.count", "{thread}", (double) count, NULL,
              NULL);
}

/* ---- through the opener: what only the privileged may read ---- */

static bool
open_read (struct collect_ctx *ctx, const struct thread *t, const char *what,
           struct buf *out, struct error *why)
{
  const struct incarnation *inc = &ctx->guest->inc;
  CLEANUP_CLOSE int fd = -1;
  char path[64];
  struct open_req req = { .kind = OPEN_PROC, .root = "/proc", .path = path,
                          .check_pid = inc->pid,
                          .check_start = inc->start_time };
  struct opener *opener = ctx->env->opener;
  int lock = -1;

  if (t->owner != inc->pid)
    {
      error_set (why, ENOTSUP, "a thread of the kernel's own");
      return false;
    }
  snprintf (path, sizeof path, "%d/task/%d/%s", inc->pid, t->tid, what);
  if (!opener)
    {
      error_set (why, ENOTSUP, "nobody to open it");
      return false;
    }
  return opener->open (opener, &req, collect_until (ctx, 1000), &fd, &lock,
                       why)
             >= 0
         && collect_slurp_fd (fd, out, why) >= 0;
}

/* Those that tell most come first: a guest may have more vCPUs than are asked
 * for. */
static size_t
worth_a_stack (struct process *p, struct thread *ret[MAX_THREADS])
{
  size_t n = 0;

  for (size_t i = 0; i < p->n; i++)
    if (p->threads[i].state == 'D' || p->threads[i].tid == p->pid)
      ret[n++] = &p->threads[i];
  for (size_t i = 0; i < p->n; i++)
    if (p->threads[i].vcpu >= 0 && p->threads[i].state != 'D'
        && p->threads[i].tid != p->pid)
      ret[n++] = &p->threads[i];
  return n;
}

/* By what QEMU is known to wait when it comes again: where its thread is, by
 * its stack, else by the function that the kernel names. */
static void
tell_wait (struct collect_ctx *ctx, char *stack, const char *wchan)
{
  const char *names[32];
  char key[FACT_TEXT_MAX], *rest = NULL;
  unsigned n = 0;

  for (char *p = strtok_r (stack, "\n", &rest); p && n < 32;
       p = strtok_r (NULL, "\n", &rest))
    {
      const char *name = strchr (p, ' ');

      if (strncmp (p, "[<", 2) == 0 && name)
        names[n++] = name + 1;
    }
  wait_key (names, n, key, sizeof key);
  if (key[0] || (wchan[0] && strcmp (wchan, "0") != 0))
    collect_str (ctx, "stack.qemu", "host", key[0] ? key : wchan);
}

static void
stacks (struct collect_ctx *ctx, struct process *p, struct buf *table)
{
  struct buf all CLEANUP_BUF = BUF_INIT (MAX_STACKS * 8192 + 4096);
  struct thread *list[MAX_THREADS];
  struct error why = ERROR_INIT;
  size_t n = worth_a_stack (p, list), got = 0, asked = 0;
  bool told = false;

  for (; asked < n && asked < MAX_STACKS && !collect_over (ctx); asked++)
    {
      struct thread *t = list[asked];
      struct buf stack CLEANUP_BUF = BUF_INIT (8192);
      struct buf wchan CLEANUP_BUF = BUF_INIT (128);

      if (open_read (ctx, t, "wchan", &wchan, NULL) && wchan.len)
        {
          buf_printf (table, "wchan of %d: %s\n", t->tid, buf_str (&wchan));
          /* Asleep in a write to a pipe: who reads the guest's log does not
           * read.  It is no D state, and stops the guest all the same. */
          if (strstr (buf_str (&wchan), "pipe_write"))
            collect_str (ctx, "qemu.blocked_in", "host", buf_str (&wchan));
        }
      if (open_read (ctx, t, "stack", &stack, &why))
        {
          got++;
          buf_printf (&all, "== %d %s %c\n%s\n", t->tid, t->comm, t->state,
                      buf_str (&stack));
        }
      if (!told
          && (t->state == 'D' || strstr (buf_str (&wchan), "pipe_write")))
        {
          buf_putc (&stack, '\0');
          tell_wait (ctx, stack.data, buf_str (&wchan));
          told = true;
        }
    }
  if (got)
    ctx->out->file (ctx->out, "qemu/stacks.txt", buf_str (&all), all.len);
  if (got < asked)
    ctx->out->gap (ctx->out, "qemu/stacks.txt", "%zu of %zu: %s", asked - got,
                   asked, error_text (&why));
  if (asked < n)
    ctx->out->gap (ctx->out, "qemu/stacks.txt", "not asked for: %zu of %zu: "
                   "%s", n - asked, n,
                   asked == MAX_STACKS ? "those of waiting threads come first"
                                       : "the budget ended");
}

static void
write_table (struct collect_ctx *ctx, struct process *p)
{
  struct buf table CLEANUP_BUF = BUF_INIT (64u << 10);

  buf_printf (&table, "%8s %-16s %5s %4s %10s %6s %6s\n", "tid", "name",
              "state", "vcpu", "cpu ticks", "ran", "waited");
  for (size_t i = 0; i < p->n; i++)
    {
      struct thread *t = &p->threads[i];

      buf_printf (&table, "%8d %-16s %c>%c   %4d %10" PRIu64 " %6.2f %6.2f\n",
                  t->tid, t->comm, t->twice ? t->state_before : '?', t->state,
                  t->vcpu, t->cpu, t->run, t->wait);
    }
  stacks (ctx, p, &table);
  if (table.cut || p->n == MAX_THREADS)
    ctx->out->gap (ctx->out, "qemu/threads.txt",
                   "cut: its first %u threads at most", MAX_THREADS);
  ctx->out->file (ctx->out, "qemu/threads.txt", buf_str (&table), table.len);
}

static void
copy_files (struct collect_ctx *ctx, int pid)
{
  static const char *const files[] = { "stat", "status", "io", "cgroup" };

  for (size_t i = 0; i < ARRAY_LEN (files); i++)
    {
      char path[48], name[40];

      snprintf (path, sizeof path, "/proc/%d/%s", pid, files[i]);
      snprintf (name, sizeof name, "qemu/%s", files[i]);
      /* Who may not trace QEMU may not read its counters, on any host. */
      if (strcmp (files[i], "io") == 0 && access (path, R_OK) < 0
          && errno == EACCES)
        continue;
      collect_copy (ctx, path, name, 16384, NULL);
    }
}

void
collect_qemu (struct collect_ctx *ctx, struct otlp *o)
{
  CLEANUP_FREE struct process *p = NULL;
  const struct incarnation *inc = &ctx->guest->inc;
  struct error why = ERROR_INIT;
  uint64_t start = 0;
  int rc;

  if (inc->pid <= 0)
    {
      ctx->out->gap (ctx->out, "qemu",
                     "its process id is not known on this host");
      return;
    }
  rc = proc_start_time (inc->pid, &start, &why);
  if (rc == -ESRCH || rc == -ENOENT || (rc >= 0 && start != inc->start_time))
    {
      /* Identity first: another process of that number is not the guest. */
      collect_str (ctx, "qemu.state", "host", "gone");
      return;
    }
  p = calloc (1, sizeof *p);
  if (rc < 0 || !p)
    {
      ctx->out->gap (ctx->out, "qemu", "%s",
                     rc < 0 ? error_text (&why) : "no memory");
      return;
    }
  p->pid = inc->pid;
  copy_files (ctx, p->pid);
  if (sample (p, false, &why) < 0)
    {
      ctx->out->gap (ctx->out, "qemu/threads.txt", "%s", error_text (&why));
      return;
    }
  if (collect_pause (ctx, COLLECT_APART_MS))
    sample (p, true, NULL);
  else
    ctx->out->gap (ctx->out, "qemu/threads.txt",
                   "no second sample: the budget ended");
  name_vcpus (p);
  shares (p);
  publish (ctx, p);
  if (p->before_wall_ms)
    measure (p, true, o);
  measure (p, false, o);
  write_table (ctx, p);
}
