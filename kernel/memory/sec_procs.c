/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "procs": what processes have open, how full the queues of their
 * sockets are, and what their control groups may use.
 *
 * A process's files are read by its table of descriptors; a file is a socket
 * when its operations are those of sockets.  Only sockets that wait for
 * somebody, or have somebody wait for them, are told: those that listen, and
 * those with bytes that nobody took.
 */
#include "kernel/memory/look.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES 65536u /* of one process */
#define MAX_READS 300000u /* files of all of them */
#define MAX_SOCKETS 4096u
#define MAX_GROUPS 1024u
#define LEAVE (6u << 20)
#define PIECE 512u /* descriptors at once */
#define RLIMIT_FILES 7u
#define RLIMIT_SIZE 16u
#define AF_UNIX 1u
#define AF_INET 2u
#define AF_INET6 10u
#define TCP 6u
#define UDP 17u
#define LISTENS 10u
#define ESTABLISHED 1u
#define SYN_SENT 2u
#define CLOSE_WAIT 8u
#define MUCH (16u << 10) /* bytes; less is on its way */
#define UNLIMITED (UINT64_MAX >> 2)

struct procs
{
  struct look *l;
  uint64_t socket_ops, first_space;
  unsigned files, sockets;
  uint64_t groups[MAX_GROUPS];
  unsigned ngroups;
  bool cut;
};

/* ---- sockets ---- */

struct sock_state
{
  uint64_t family, state, protocol, port, peer, waiting, room, unread, unsent,
      space;
};

static bool
read_sock (struct kernel *k, uint64_t sk, struct sock_state *s)
{
  *s = (struct sock_state){ 0 };
  if (!kernel_get (k, sk, SK_FAMILY, &s->family)
      || !kernel_get (k, sk, SK_STATE, &s->state))
    return false;
  (void) kernel_get (k, sk, SK_PROTOCOL, &s->protocol);
  (void) kernel_get (k, sk, SK_NUM, &s->port);
  (void) kernel_get (k, sk, SK_DPORT, &s->peer);
  (void) kernel_get (k, sk, SK_WAITING, &s->waiting);
  (void) kernel_get (k, sk, SK_ROOM, &s->room);
  (void) kernel_get (k, sk, SK_UNREAD, &s->unread);
  (void) kernel_get (k, sk, SK_UNSENT, &s->unsent);
  (void) kernel_get (k, sk, SK_NET, &s->space);
  s->peer = (s->peer >> 8 & 255) | (s->peer & 255) << 8;
  return s->family == AF_UNIX || s->family == AF_INET
         || s->family == AF_INET6;
}

static const char *
proto_name (const struct sock_state *s)
{
  return s->family == AF_UNIX       ? "unix"
         : (s->protocol & 255) == TCP ? "tcp"
         : (s->protocol & 255) == UDP ? "udp"
                                      : "raw";
}

static const char *
state_name (const struct sock_state *s)
{
  return s->state == LISTENS       ? "listen"
         : s->state == ESTABLISHED ? "connected"
         : s->state == SYN_SENT    ? "connecting"
         : s->state == CLOSE_WAIT  ? "left"
                                   : "other";
}

static void
say_socket (struct procs *p, const struct look_task *t, uint64_t sk)
{
  struct rows *rows = p->l->rows;
  struct sock_state s;
  bool listens;

  if (!read_sock (p->l->k, sk, &s))
    return;
  /* UDP has no such state; one that is bound is as good. */
  listens = s.state == LISTENS
            || (s.family != AF_UNIX && (s.protocol & 255) == UDP && s.port
                && !s.peer);
  if (!listens && s.unread < MUCH && s.unsent < MUCH && s.state != SYN_SENT
      && s.state != CLOSE_WAIT)
    return;
  if (p->sockets++ >= MAX_SOCKETS)
    {
      p->cut = true;
      return;
    }
  rows_begin (rows, "socket");
  rows_int (rows, "pid", t->pid);
  rows_str (rows, "proto", proto_name (&s));
  rows_str (rows, "state", listens ? "listen" : state_name (&s));
  if (s.family != AF_UNIX)
    rows_uint (rows, "port", s.port);
  if (s.family != AF_UNIX && s.peer)
    rows_uint (rows, "peer_port", s.peer);
  if (s.state == LISTENS)
    {
      rows_uint (rows, "waiting", s.waiting & UINT32_MAX);
      rows_uint (rows, "room", s.room & UINT32_MAX);
    }
  if (s.unread)
    rows_uint (rows, "unread", s.unread & UINT32_MAX);
  if (s.unsent && s.state != LISTENS)
    rows_uint (rows, "unsent", s.unsent & UINT32_MAX);
  if (s.space && s.space != p->first_space)
    rows_hex (rows, "space", s.space);
  rows_end (rows);
}

/* ---- files ---- */

static void
try_file (struct procs *p, const struct look_task *t, uint64_t file)
{
  struct kernel *k = p->l->k;
  uint64_t ops, socket, sk;

  if (p->socket_ops && kernel_get (k, file, FILE_OP, &ops)
      && ops == p->socket_ops && kernel_get (k, file, FILE_PRIVATE, &socket)
      && socket && kernel_get (k, socket, SOCKET_SK, &sk) && sk)
    say_socket (p, t, sk);
}

/* How many are open; -1 = not known. */
static int64_t
each_file (struct procs *p, const struct look_task *t)
{
  struct kernel *k = p->l->k;
  uint64_t files, table, list, max, piece[PIECE];
  int64_t open = 0;

  if (!kernel_get (k, t->at, TASK_FILES, &files) || !files
      || !kernel_get (k, files, FILES_TABLE, &table) || !table
      || !kernel_get (k, table, TABLE_LIST, &list)
      || !kernel_get (k, table, TABLE_MAX, &max))
    return -1;
  for (uint64_t at = 0; at < max && at < MAX_FILES; at += PIECE)
    {
      size_t n = max - at < PIECE ? (size_t) (max - at) : PIECE;

      if (space_read (k->space, list + 8 * at, piece, 8 * n) < 0)
        return open > 0 ? open : -1;
      for (size_t i = 0; i < n; i++)
        if (piece[i])
          {
            open++;
            if (p->files++ < MAX_READS)
              try_file (p, t, piece[i]);
            else
              p->cut = true;
          }
    }
  return open;
}

/* Who holds a terminal's output back.  Told to stop by a program (tcflow), it
 * has both marks, and no key lets it go on. */
static const char *
who_stops (struct kernel *k, uint64_t tty)
{
  uint64_t v;

  if (kernel_get (k, tty, TTY_TOLD_TO_STOP, &v) && v)
    return "program";
  if (kernel_get (k, tty, TTY_KEY_STOPPED, &v) && v)
    return "key";
  return kernel_get (k, tty, TTY_LINE_STOPPED, &v) && v ? "line" : NULL;
}

/* The terminal that its keys come from. */
static void
say_terminal (struct look *l, uint64_t signal)
{
  struct kernel *k = l->k;
  const char *by;
  char name[64];
  uint64_t tty;

  if (!kernel_get (k, signal, SIGNAL_TTY, &tty) || !tty
      || !kernel_has (k, TTY_NAME)
      || !space_text (k->space, tty + k->fields.at[TTY_NAME].offset, name,
                      sizeof name)
      || !name[0])
    return;
  rows_text (l->rows, "tty", name, strlen (name));
  by = who_stops (k, tty);
  if (by)
    rows_str (l->rows, "tty_stopped", by);
}

static void
say_process (struct procs *p, const struct look_task *t)
{
  struct kernel *k = p->l->k;
  uint64_t signal, max;
  int64_t open = each_file (p, t);

  if (open < 0)
    return;
  rows_begin (p->l->rows, "process");
  rows_int (p->l->rows, "pid", t->pid);
  rows_uint (p->l->rows, "files", (uint64_t) open);
  if (kernel_get (k, t->at, TASK_SIGNAL, &signal) && signal)
    {
      if (kernel_has (k, SIGNAL_LIMITS)
          && space_u64 (k->space,
                        signal + k->fields.at[SIGNAL_LIMITS].offset
                            + RLIMIT_FILES * RLIMIT_SIZE,
                        &max)
          && max < UNLIMITED)
        rows_uint (p->l->rows, "max_files", max);
      say_terminal (p->l, signal);
    }
  rows_end (p->l->rows);
}

/* ---- control groups ---- */

/* What that controller keeps of the group in `set`; its first member is what
 * the set points to.  0 = not known. */
static uint64_t
state_of (struct kernel *k, uint64_t set, const char *controller)
{
  uint64_t group;
  int64_t id;

  return k->btf && btf_enum (k->btf, controller, &id) && id >= 0 && id <= 63
                 && kernel_has (k, CSS_SET_SUBSYS)
                 && space_u64 (k->space,
                               set + k->fields.at[CSS_SET_SUBSYS].offset
                                   + 8 * (uint64_t) id,
                               &group)
             ? group
             : 0;
}

/* What its processes use and may; its pages are 4 KiB, but for those of some
 * arm64, where they are as large as in its tables. */
static void
say_memory (struct look *l, uint64_t set)
{
  struct kernel *k = l->k;
  const struct space_def *def = space_def (k->space);
  unsigned shift = def->page_shift ? def->page_shift : 12;
  uint64_t group = state_of (k, set, "memory_cgrp_id"), used, max, kills;
  int64_t which;

  if (!group)
    return;
  if (kernel_get (k, group, MEMCG_USED, &used) && used < UNLIMITED >> shift)
    rows_uint (l->rows, "used", used << shift);
  if (kernel_get (k, group, MEMCG_MAX, &max) && max < UINT64_MAX >> (shift + 2))
    rows_uint (l->rows, "max", max << shift);
  if (kernel_has (k, MEMCG_EVENTS)
      && btf_enum (k->btf, "MEMCG_OOM_KILL", &which) && which >= 0
      && which < 64
      && space_u64 (k->space,
                    group + k->fields.at[MEMCG_EVENTS].offset
                        + 8 * (uint64_t) which,
                    &kills))
    rows_uint (l->rows, "oom_kills", kills);
}

/* How much of the processors they may use, and how often that was not enough
 * for a period.  The root's own is no bound. */
static void
say_quota (struct look *l, uint64_t set)
{
  struct kernel *k = l->k;
  uint64_t group = state_of (k, set, "cpu_cgrp_id");
  uint64_t quota, period, periods, throttled;

  if (!group || !kernel_get (k, group, GROUP_QUOTA, &quota)
      || !kernel_get (k, group, GROUP_PERIOD, &period)
      || !kernel_get (k, group, GROUP_PERIODS, &periods)
      || !kernel_get (k, group, GROUP_THROTTLED, &throttled) || quota == 0
      || quota >= UNLIMITED || period == 0 || period >= UNLIMITED)
    return;
  rows_real (l->rows, "cpus", (double) quota / (double) period, 3);
  rows_uint (l->rows, "periods", periods & UINT32_MAX);
  rows_uint (l->rows, "throttled", throttled & UINT32_MAX);
}

static bool
is_new (struct procs *p, uint64_t group)
{
  for (unsigned i = 0; i < p->ngroups; i++)
    if (p->groups[i] == group)
      return false;
  if (p->ngroups == MAX_GROUPS)
    {
      p->cut = true;
      return false;
    }
  p->groups[p->ngroups++] = group;
  return true;
}

static void
say_group (struct procs *p, const struct look_task *t)
{
  struct look *l = p->l;
  uint64_t set, group, frozen;
  char path[LOOK_CGROUP];
  const char *name;

  if (!kernel_get (l->k, t->at, TASK_CGROUPS, &set)
      || !kernel_get (l->k, set, CSS_SET_CGROUP, &group)
      || !is_new (p, group)
      || !(name = look_cgroup_path (l->k, group, path)))
    return;
  rows_begin (l->rows, "cgroup");
  rows_text (l->rows, "cgroup", name, strlen (name));
  if (kernel_get (l->k, group, CGROUP_FROZEN, &frozen))
    rows_bool (l->rows, "frozen", frozen != 0);
  say_memory (l, set);
  say_quota (l, set);
  rows_end (l->rows);
}

static int
run (struct look *l, struct error *err)
{
  CLEANUP_FREE struct procs *p = calloc (1, sizeof *p);
  unsigned seen = 0;

  if (!p)
    return error_set (err, ENOMEM, "no memory for processes");
  p->l = l;
  p->socket_ops = kernel_var (l->k, "socket_file_ops");
  p->first_space = kernel_var (l->k, "init_net");
  if (!p->socket_ops || !kernel_has (l->k, SOCKET_SK)
      || !kernel_has (l->k, SK_STATE))
    look_lacks (l, "procs", "sockets", "how they are made is not known");
  for (size_t i = 0; l->tasks && i < l->tasks->n && !rows_failed (l->rows)
                     && rows_left (l->rows) > LEAVE;
       i++)
    {
      const struct look_task *t = &l->tasks->tasks[i];

      if (t->pid != t->tgid || t->kernel_thread || !t->mm)
        continue;
      seen++;
      say_group (p, t);
      say_process (p, t);
    }
  /* That nobody listens is told by who has seen them all. */
  if (seen > 0 && !l->tasks->damaged && !p->cut && p->socket_ops
      && kernel_has (l->k, SOCKET_SK) && kernel_has (l->k, SK_STATE)
      && rows_left (l->rows) > LEAVE)
    {
      rows_begin (l->rows, "sockets");
      rows_uint (l->rows, "told", p->sockets);
      rows_end (l->rows);
    }
  if (p->cut)
    look_lacks (l, "procs", "some sockets or control groups",
                "there are more than are told");
  return 0;
}

const struct section section_procs = {
  .name = "procs",
  .summary = "processes: open files, queues of sockets, bounds of their "
             "control groups",
  .cheap = true,
  .run = run,
};
