/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes of a guest, as a shell in it says them, into rows.
 *
 * The shell reads files of /proc by itself; a part "P" is a process with its
 * threads, "F" their sockets, "M" how many files they may have open, "L"
 * sockets that listen, "G" control groups, "N" names of containers, "S" units
 * that failed, "K" lines of the kernel's log about processes that ended; "H",
 * "U" and "B" control groups, processes and blocked threads once more, a second
 * later; "D" and "I" file systems, which may hang, and so come last.
 */
#include "diag/collect/app_rows_impl.h"

#include "base/cleanup.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"
#include "diag/outside/outside.h"
#include "kernel/memory/cgroup.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FRAMES 24
#define MAX_NAME 1024 /* of a frame, as it is shown */
#define TICKS 100.0 /* of a second, in all kernels that tell of them */
#define LISTENS "listen"
/* As many the script asks for at most. */
#define ASKED_PROCS 60
#define MAX_LISTENERS 200

/* Where no control group is mounted, or nothing runs, a grep has no file to
 * look at, and would read what is typed: it gets an end in its place. */
const char app_rows_script[]
    = "(echo '@@ S';u=$(timeout 3 systemctl --state=failed,auto-restart "
      "--no-legend --plain|cut -d' ' -f1|head -n 4);[ -n \"$u\" ]&&timeout 3 "
      "systemctl show -p Id,Result,ExecMainPID,ExecMainCode,ExecMainStatus,"
      "ExecMainExitTimestampMonotonic,NRestarts,ExecStart $u;"
      "cd /proc\nl=;b=;d=;n=;i=0;for p in [0-9]*;do [ -e $p/exe ]||continue;"
      "g=;while read -r x;do case $x in 0::*|*:name=systemd:*)"
      "[ ${#x} -gt ${#g} ]&&g=$x;;esac;done<$p/cgroup;case $g in */systemd-*|"
      "*getty*|*dbus*|*cron*|*syslog*|*/init.scope|*user@*|*polkit*)continue;;"
      "esac\ni=$((i+1));[ $i -gt 60 ]&&break;read -r c<$p/comm;"
      "read -r u x<uptime;read -r s<$p/stat;set -- ${s##*) };"
      "echo \"@@ P $p\";echo \"c $c\";echo \"g $g\";"
      "echo \"s $u $1 ${12} ${13}\";k=0;for t in $p/task/*;do k=$((k+1));"
      "[ $k -gt 40 ]&&break;w=;y=;read -r s<$t/stat;read -r w<$t/wchan;"
      "read -r y<$t/syscall;set -- ${s##*) };"
      "echo \"t ${t##*/} $1 ${w:-0} ${y%% *} ${y##* }\";"
      "\ncase $1 in D)b=\"$b $t\";;*)[ $k -lt 3 ];;esac&&"
      "while read -r x;do echo \"k $x\";done<$t/stack;done;"
      "set -- $p/fd/*;echo \"o $#\";l=\"$l $p\";g=${g#*:*:};"
      "case \"$d \" in *\" $g \"*);;*)d=\"$d $g\";"
      "n=\"$n $p/net/tcp $p/net/tcp6\";;esac;done\necho '@@ F';"
      "ls -l $(for p in $l;do echo $p/fd/;done)|sed -n "
      "'s/^\\([0-9]*\\)\\/fd.*/p \\1/p;s/.*socket:.\\([0-9]*\\).*/f \\1/p;"
      "/-> .dev/d;s/^l.w.* -> \\//w \\//p'|head -n 600;echo '@@ M';"
      "grep -s 'Max open' $(for p in $l;do echo $p/limits;done);"
      "echo '@@ L'\n"
      "grep -hs -e local_ -e ' 0A ' net/tcp net/tcp6 $n|sort -u|"
      "head -n 200;echo '@@ G';"
      "cd /sys/fs/cgroup;grep -sH . $(for g in $d;do for f in memory.max "
      "memory.current memory.events cgroup.freeze cpu.max cpu.stat;do "
      "echo .$g/$f;done;done)\necho '@@ N';for g in $d;do i=${g##*[-/]};"
      "i=${i%.scope};[ ${#i} = 64 ]&&echo \"n $g\"&&"
      "grep -ohs '\"Name\":\"/[^\"]*\\|cri.container-name\":\"[^\"]*' "
      "/var/lib/docker/containers/$i/config.v2.json "
      "/run/containerd/io*/*/$i/config.json;done;"
      "echo '@@ K'\ndmesg|grep -e oom-kill: "
      "-e segfault -e ' traps: ' -e ': unhandled' -e 'cgroup out of' "
      "-e 'killed as a'|"
      "tail -n 12|" INSIDE_MARK ";"
      "\nsleep 1;echo '@@ H';grep -sH ^nr_ $(for g in $d;do "
      "echo .$g/cpu.stat;done);"
      "cd /proc;for p in $l;do read -r s<$p/stat;read -r u x<uptime;"
      "set -- ${s##*) };echo \"@@ U $p\";echo \"s $u $1 ${12} ${13}\";done;"
      "for t in $b;do read -r s<$t/stat;set -- ${s##*) };"
      "echo \"@@ B ${t##*/}\";echo \"s $1\";done;echo '@@ D';"
      "timeout 2 df -P;echo '@@ I';timeout 2 df -Pi;echo '@@ end') 2>/dev/null"
      "</dev/null";

/* ---- rows ---- */

/* A frame's name, which a guest said. */
static void
add_name (struct json_object *list, const char *name, size_t len)
{
  struct buf shown CLEANUP_BUF = BUF_INIT (MAX_NAME);

  text_escape (&shown, name, len, 0);
  json_object_array_add (list, json_object_new_string (buf_str (&shown)));
}

struct json_object *
app_row_new_ (const char *kind)
{
  struct json_object *row = json_object_new_object ();

  json_add_str (row, "row", kind);
  return row;
}

void
app_row_text_ (struct json_object *row, const char *key, const char *text)
{
  if (text && text[0])
    json_add_text (row, key, text, strlen (text));
}

void
app_row_done_ (struct app_rows *r, struct json_object *row)
{
  outside_add (r->to, row);
  json_object_put (row);
}

/* Copies the next line of a part. */
bool
app_rows_line_ (const char **at, const char *end, char dst[512])
{
  const char *nl;
  size_t n;

  if (*at >= end)
    return false;
  nl = memchr (*at, '\n', (size_t) (end - *at));
  n = (size_t) ((nl ? nl : end) - *at);
  snprintf (dst, 512, "%.*s", (int) (n < 511 ? n : 511), *at);
  dst[strcspn (dst, "\r")] = '\0';
  *at = nl ? nl + 1 : end;
  return true;
}

/* ---- a process ---- */

/* "0::/system.slice/shop.service", or of the old kind "1:name=systemd:/...". */
static const char *
path_of (const char *cgroup)
{
  const char *slash = strchr (cgroup, '/');

  return slash ? slash : "/";
}

static void
add_owner (struct json_object *row, const char *path)
{
  struct cgroup_owner o;

  app_row_text_ (row, "cgroup", path);
  if (!cgroup_owner_of (path, &o))
    return;
  app_row_text_ (row, "unit", o.unit);
  app_row_text_ (row, "container", o.container);
  app_row_text_ (row, "runtime", o.runtime);
}

/* A thread whose stack may follow: it is told when the next one comes. */
struct thread
{
  struct json_object *row, *frames;
  char wchan[64];
};

static void
thread_done (struct app_rows *r, struct thread *t)
{
  struct json_object *stack;

  if (!t->row)
    return;
  if (json_object_array_length (t->frames) == 0 && t->wchan[0]
      && t->wchan[0] != '0')
    add_name (t->frames, t->wchan, strlen (t->wchan));
  if (json_object_array_length (t->frames) > 0)
    {
      stack = app_row_new_ ("stack");
      json_add_int (stack, "id", ++r->stacks);
      json_object_object_add (stack, "frames", json_object_get (t->frames));
      app_row_done_ (r, stack);
      json_add_int (t->row, "stack", r->stacks);
    }
  app_row_done_ (r, t->row);
  json_object_put (t->frames);
  *t = (struct thread){ .row = NULL };
}

/* "t TID STATE WCHAN SYSCALL PC" */
static void
thread_begin (struct thread *t, const struct proc *p, const char *path,
              const char *line)
{
  char state, call[32] = "", pc[32] = "";
  long tid;

  if (sscanf (line, "%ld %c %63s %31s %31s", &tid, &state, t->wchan, call, pc)
          < 2
      || !isupper ((unsigned char) state))
    return;
  t->row = app_row_new_ ("task");
  t->frames = json_object_new_array ();
  json_add_int (t->row, "pid", tid);
  json_add_int (t->row, "tgid", p->pid);
  app_row_text_ (t->row, "comm", p->comm);
  app_row_text_ (t->row, "state", (char[]){ state, '\0' });
  if (isdigit ((unsigned char) call[0]))
    json_add_int (t->row, "syscall", atol (call));
  if (strncmp (pc, "0x", 2) == 0)
    app_row_text_ (t->row, "user_pc", pc);
  add_owner (t->row, path);
}

/* "[<0>] futex_wait_queue+0x63/0x90" */
static void
add_frame (struct thread *t, const char *line)
{
  const char *name = strncmp (line, "[<", 2) == 0 ? strchr (line, ' ') : NULL;
  size_t n;

  name = name ? name + 1 : line;
  n = strcspn (name, " ");
  if (t->frames && n > 0 && json_object_array_length (t->frames) < MAX_FRAMES
      && strncmp (name, "0x", 2) != 0)
    add_name (t->frames, name, n);
}

/* "UPTIME STATE USER SYSTEM" */
static bool
read_time (const char *line, char *state, double *at, double *ticks)
{
  unsigned long long user, system;

  if (sscanf (line, "%lf %c %llu %llu", at, state, &user, &system) != 4)
    return false;
  *ticks = ((double) user + (double) system) / TICKS;
  return true;
}

static void
read_process (struct app_rows *r, const struct inside_part *part)
{
  const char *at = part->text, *end = part->text + part->len;
  struct thread t = { .row = NULL };
  char line[512], path[256] = "/", state;
  struct proc *p;

  if (r->nprocs == MAX_PROCS)
    return;
  p = &r->procs[r->nprocs++];
  *p = (struct proc){ .pid = atol (part->name + 2) };
  while (app_rows_line_ (&at, end, line))
    if (strncmp (line, "c ", 2) == 0)
      snprintf (p->comm, sizeof p->comm, "%.31s", line + 2);
    else if (strncmp (line, "g ", 2) == 0)
      snprintf (path, sizeof path, "%.255s", path_of (line + 2));
    else if (strncmp (line, "s ", 2) == 0)
      (void) read_time (line + 2, &state, &p->at, &p->ticks);
    else if (strncmp (line, "o ", 2) == 0)
      p->files = atol (line + 2);
    else if (strncmp (line, "k ", 2) == 0)
      add_frame (&t, line + 2);
    else if (strncmp (line, "t ", 2) == 0)
      {
        thread_done (r, &t);
        thread_begin (&t, p, path, line + 2);
      }
  thread_done (r, &t);
}

/* ---- once more ---- */

static void
read_again (struct app_rows *r, const struct inside_part *part)
{
  long pid = atol (part->name + 2);
  const char *from = part->text;
  char line[512], state;
  double at, ticks;
  struct json_object *row;

  if (!app_rows_line_ (&from, part->text + part->len, line)
      || strncmp (line, "s ", 2) != 0
      || !read_time (line + 2, &state, &at, &ticks))
    return;
  for (unsigned i = 0; i < r->nprocs; i++)
    if (r->procs[i].pid == pid && r->procs[i].at > 0
        && at > r->procs[i].at)
      {
        row = app_row_new_ ("moved");
        json_add_str (row, "what", "task");
        json_add_int (row, "pid", pid);
        app_row_text_ (row, "state", (char[]){ state, '\0' });
        json_object_object_add (
            row, "apart_s", json_object_new_double (at - r->procs[i].at));
        json_object_object_add (
            row, "ran_s", json_object_new_double (ticks - r->procs[i].ticks));
        if (state == 'D')
          json_add_bool (row, "stuck", true);
        app_row_done_ (r, row);
        return;
      }
}

/* A thread that was blocked; the leader's own is told by read_again(). */
static void
read_blocked (struct app_rows *r, const struct inside_part *part)
{
  long tid = atol (part->name + 2);
  const char *from = part->text;
  struct json_object *row;
  char line[512];

  for (unsigned i = 0; i < r->nprocs; i++)
    if (r->procs[i].pid == tid)
      return;
  if (!app_rows_line_ (&from, part->text + part->len, line)
      || strncmp (line, "s ", 2) != 0)
    return;
  row = app_row_new_ ("moved");
  json_add_str (row, "what", "task");
  json_add_int (row, "pid", tid);
  json_add_bool (row, "stuck", line[2] == 'D');
  app_row_done_ (r, row);
}

/* ---- sockets and files ---- */

static void
read_sockets (struct app_rows *r, const struct inside_part *part)
{
  const char *at = part->text, *end = part->text + part->len;
  struct json_object *row;
  char line[512];
  long pid = 0;

  /* Of one process alone ls says no name. */
  if (r->nprocs == 1)
    pid = r->procs[0].pid;
  while (app_rows_line_ (&at, end, line))
    if (strncmp (line, "p ", 2) == 0)
      pid = atol (line + 2);
    else if (strncmp (line, "f ", 2) == 0 && pid > 0
             && r->nsockets < MAX_SOCKETS)
      r->sockets[r->nsockets++]
          = (struct socket){ pid, strtoull (line + 2, NULL, 10) };
    else if (strncmp (line, "w ", 2) == 0 && pid > 0)
      {
        row = app_row_new_ ("file");
        json_add_int (row, "pid", pid);
        app_row_text_ (row, "path", line + 2);
        app_row_done_ (r, row);
      }
}

/* "123/limits:Max open files   1024   4096  files" */
static void
read_limit (struct app_rows *r, const char *line)
{
  const char *text = strstr (line, "files");
  long pid = atol (line), max = text ? atol (text + 5) : 0;
  struct json_object *row;

  for (unsigned i = 0; i < r->nprocs && max > 0; i++)
    if (r->procs[i].pid == pid
        || (r->nprocs == 1 && !isdigit ((unsigned char) line[0])))
      {
        row = app_row_new_ ("process");
        json_add_int (row, "pid", r->procs[i].pid);
        json_add_int (row, "files", r->procs[i].files);
        json_add_int (row, "max_files", max);
        app_row_done_ (r, row);
        return;
      }
}

static void
listener (struct app_rows *r, long pid, unsigned port, unsigned waiting)
{
  struct json_object *row = app_row_new_ ("socket");

  json_add_int (row, "pid", pid);
  json_add_str (row, "proto", "tcp");
  json_add_str (row, "state", LISTENS);
  json_add_int (row, "port", port);
  json_add_int (row, "waiting", waiting);
  app_row_done_ (r, row);
}

/* Of a socket that listens: how many connections nobody has taken.  Whose it
 * is only root is told of all: pid 0 is somebody. */
static void
read_listener (struct app_rows *r, const char *line)
{
  unsigned waiting, port, owners = 0;
  unsigned long long inode;

  if (sscanf (line,
              "%*s %*[0-9A-Fa-f]:%x %*s 0A %*x:%x %*s %*s %*s %*s %llu",
              &port, &waiting, &inode)
      != 3)
    return;
  for (unsigned i = 0; i < r->nsockets; i++)
    if (r->sockets[i].inode == inode)
      {
        listener (r, r->sockets[i].pid, port, waiting);
        owners++;
      }
  if (owners == 0)
    listener (r, 0, port, waiting);
}

/* Where nobody listens a row of its own says so, once it is known: the list was
 * had (its title came, which is sorted behind all that listen), and neither it
 * nor the processes whose name spaces it is of were too many. */
static bool
tells_all_listeners (const struct app_rows *r, const struct inside_part *part)
{
  const char *at = part->text, *end = part->text + part->len;
  unsigned lines = 0;
  bool title = false;
  char line[512];

  while (app_rows_line_ (&at, end, line))
    {
      lines += line[0] != '\0';
      title = title || strstr (line, "local_address");
    }
  return title && lines < MAX_LISTENERS && r->nprocs < ASKED_PROCS;
}

/* ---- all others, line by line ---- */

static void
each_line (struct app_rows *r, const struct inside_part *part)
{
  const char *at = part->text, *end = part->text + part->len;
  char line[512], kind = part->name[0];

  if (kind == 'L' && tells_all_listeners (r, part))
    app_row_done_ (r, app_row_new_ ("sockets"));
  while (app_rows_line_ (&at, end, line))
    switch (kind)
      {
      case 'M':
        read_limit (r, line);
        break;
      case 'L':
        read_listener (r, line);
        break;
      case 'G':
      case 'H':
        app_rows_group_ (r, line, kind == 'H');
        break;
      case 'N':
        app_rows_name_ (r, line);
        break;
      case 'S':
        app_rows_unit_ (r, line);
        break;
      default:
        app_rows_fs_ (r, line, kind == 'I');
      }
  if (kind == 'S')
    app_rows_unit_done_ (r);
  if (kind == 'H')
    app_rows_groups_done_ (r);
}

/* ---- for who asks ---- */

struct app_rows *
app_rows_new (struct outside *to)
{
  struct app_rows *r = calloc (1, sizeof *r);

  if (r)
    r->to = to;
  return r;
}

void
app_rows_free (struct app_rows *r)
{
  free (r);
}

void
app_rows_part (struct app_rows *r, const struct inside_part *part)
{
  if (strncmp (part->name, "P ", 2) == 0)
    read_process (r, part);
  else if (strncmp (part->name, "U ", 2) == 0)
    read_again (r, part);
  else if (strncmp (part->name, "B ", 2) == 0)
    read_blocked (r, part);
  else if (strcmp (part->name, "F") == 0)
    read_sockets (r, part);
  else if (strcmp (part->name, "K") == 0)
    app_rows_log_ (r, part);
  else if (part->name[0] && !part->name[1]
           && strchr ("MLGHNSDI", part->name[0]))
    each_line (r, part);
}

unsigned
app_rows_processes (const struct app_rows *r)
{
  return r->nprocs;
}

const char *
app_rows_full (const struct app_rows *r)
{
  return r->full[0] ? r->full : NULL;
}
