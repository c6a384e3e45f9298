/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector application: how the services and containers of the guest do, and
 * which of them looks as if it were what is missed: stopped, blocked, taking
 * no connections, all its threads behind one lock, busy without a pause, or
 * killed for lack of memory in its control group.
 *
 * Asked of a shell in the guest, twice a second apart for the processor's
 * time.  Only what runs in a unit or a container of its own is looked at, and
 * of those not what every system has.
 */
#include "diag/collect/inside.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "diag/collect/collect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OUTPUT (64u << 10)
#define MAX_APPS 48
#define MAX_SOCKETS 32
#define BUSY_TICKS 80 /* of the hundred of a second */

static const char script[]
    = "l=; for p in /proc/[0-9]*; do e=$(readlink $p/exe) || continue; "
      "[ \"$e\" ] || continue; g=$(tail -n 1 $p/cgroup); case $g in "
      "*/systemd-*|*getty*|*ssh.service*|*dbus*|*cron*|*syslog*|*guest-agent*|"
      "*init.scope*|*user@*|*/session-*|*containerd.service*|"
      "*docker.service*) continue;; "
      "*.service*|*.scope*|*docker*|*kubepods*|*libpod*|*lxc*) ;; "
      "*) continue;; esac; q=${p#/proc/}; l=\"$l $q\"; "
      "echo \"@@ P $q\"; echo \"c $(cat $p/comm)\"; echo \"g $g\"; "
      "sed 's/.*) /s /' $p/stat; "
      "for t in $p/task/*; do echo \"t $(sed 's/.*) \\(.\\).*/\\1/' $t/stat) "
      "$(cat $t/wchan) $(cut -d' ' -f1 $t/syscall)\"; done 2>/dev/null | "
      "head -n 24; ls -l $p/fd 2>/dev/null | sed -n "
      "'s/.*socket:\\[\\([0-9]*\\)\\]/f \\1/p' | head -n 24; "
      "d=/sys/fs/cgroup${g#0::}; for m in max current; do "
      "echo \"m $m $(cat $d/memory.$m)\"; done 2>/dev/null; "
      "grep oom_kill $d/memory.events 2>/dev/null; done 2>/dev/null; "
      "echo '@@ L'; grep -h ' 0A ' /proc/net/tcp /proc/net/tcp6; "
      "echo '@@ F'; for u in $(systemctl --failed --no-legend --plain "
      "2>/dev/null | cut -d' ' -f1 | head -n 4); do "
      "systemctl show -p Id -p Result $u; done; sleep 1; "
      "for q in $l; do echo \"@@ U $q\"; sed 's/.*) /s /' /proc/$q/stat; "
      "done 2>/dev/null; echo '@@ end'";

struct app
{
  long pid;
  char comm[32], unit[80], wchan[64];
  char state;
  unsigned threads, futex, blocked;
  unsigned long long ticks, later; /* of a processor */
  bool twice;
  unsigned long long sockets[MAX_SOCKETS]; /* inodes */
  unsigned nsockets;
  bool listens;
  unsigned waiting; /* connections that it has not taken */
  unsigned long long oom;
};

struct apps
{
  struct app *list;
  unsigned n;
  char failed[200]; /* units, with their results */
};

/* ---- reading ---- */

/* "0::/system.slice/shop.service" is "shop.service" here. */
static void
read_unit (struct app *a, const char *line)
{
  const char *p = strrchr (line, '/');

  snprintf (a->unit, sizeof a->unit, "%.79s", p ? p + 1 : line);
}

/* What follows the name in /proc/PID/stat: "S 1 2 ...". */
static bool
read_stat (const char *line, char *state, unsigned long long *ticks)
{
  unsigned long long user, system;

  if (sscanf (line,
              "%c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", state,
              &user, &system)
      != 3)
    return false;
  *ticks = user + system;
  return true;
}

static void
read_thread (struct app *a, const char *line)
{
  char state, wchan[64] = "";

  if (sscanf (line, "%c %63s", &state, wchan) < 1)
    return;
  a->threads++;
  a->blocked += state == 'D';
  a->futex += strncmp (wchan, "futex_", 6) == 0;
  /* The first one's, unless another is blocked. */
  if (wchan[0] && wchan[0] != '0' && (!a->wchan[0] || state == 'D'))
    snprintf (a->wchan, sizeof a->wchan, "%s", wchan);
}

static void
read_line (struct app *a, const char *line)
{
  unsigned long long v;

  if (strncmp (line, "c ", 2) == 0)
    snprintf (a->comm, sizeof a->comm, "%.31s", line + 2);
  else if (strncmp (line, "g ", 2) == 0)
    read_unit (a, line + 2);
  else if (strncmp (line, "s ", 2) == 0)
    (void) read_stat (line + 2, &a->state, &a->ticks);
  else if (strncmp (line, "t ", 2) == 0)
    read_thread (a, line + 2);
  else if (sscanf (line, "f %llu", &v) == 1 && a->nsockets < MAX_SOCKETS)
    a->sockets[a->nsockets++] = v;
  else if (sscanf (line, "oom_kill %llu", &v) == 1)
    a->oom = v;
}

/* Copies the next line of a part. */
static bool
next_line (const char **at, const char *end, char dst[512])
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

static void
read_app (struct apps *apps, const struct inside_part *part)
{
  const char *at = part->text;
  char line[512];
  struct app *a;

  if (apps->n == MAX_APPS)
    return;
  a = &apps->list[apps->n++];
  a->pid = atol (part->name + 2);
  while (next_line (&at, part->text + part->len, line))
    read_line (a, line);
}

/* Of a socket that listens: how many connections nobody has taken. */
static void
read_listener (struct apps *apps, const char *line)
{
  unsigned waiting;
  unsigned long long inode;

  if (sscanf (line, "%*s %*s %*s 0A %*x:%x %*s %*s %*s %*s %llu", &waiting,
              &inode)
      != 2)
    return;
  for (unsigned i = 0; i < apps->n; i++)
    for (unsigned k = 0; k < apps->list[i].nsockets; k++)
      if (apps->list[i].sockets[k] == inode)
        {
          apps->list[i].listens = true;
          if (waiting > apps->list[i].waiting)
            apps->list[i].waiting = waiting;
        }
}

/* "Result=oom-kill", "Id=shop.service", in any order. */
static void
read_failed (struct apps *apps, const char *line)
{
  size_t n = strlen (apps->failed);

  if (strncmp (line, "Id=", 3) == 0)
    snprintf (apps->failed + n, sizeof apps->failed - n, "%s%s",
              n ? ", " : "", line + 3);
  else if (strncmp (line, "Result=", 7) == 0)
    snprintf (apps->failed + n, sizeof apps->failed - n, "%s(%s)",
              n ? " " : "", line + 7);
}

static void
read_again (struct apps *apps, const struct inside_part *part)
{
  long pid = atol (part->name + 2);
  char state, line[512];
  const char *at = part->text;

  if (!next_line (&at, part->text + part->len, line))
    return;
  for (unsigned i = 0; i < apps->n; i++)
    if (apps->list[i].pid == pid && strncmp (line, "s ", 2) == 0)
      apps->list[i].twice = read_stat (line + 2, &state, &apps->list[i].later);
}

static void
read_part (struct apps *apps, const struct inside_part *part)
{
  const char *at = part->text, *end = part->text + part->len;
  char line[512];

  if (strncmp (part->name, "P ", 2) == 0)
    read_app (apps, part);
  else if (strncmp (part->name, "U ", 2) == 0)
    read_again (apps, part);
  else if (strcmp (part->name, "L") == 0)
    while (next_line (&at, end, line))
      read_listener (apps, line);
  else if (strcmp (part->name, "F") == 0)
    while (next_line (&at, end, line))
      read_failed (apps, line);
}

/* ---- which one it is ---- */

static bool
is_busy (const struct app *a)
{
  return a->twice && a->later >= a->ticks + BUSY_TICKS;
}

static unsigned
score (const struct app *a)
{
  if (a->state == 'T' || a->state == 't')
    return 7;
  if (a->waiting > 0)
    return 6;
  if (a->blocked > 0)
    return 5;
  if (a->oom > 0)
    return 4;
  if (is_busy (a))
    return 3;
  if (a->threads > 1 && a->futex + 1 >= a->threads)
    return 2;
  return 0;
}

/* What is amiss with it, one after the other. */
static void
describe (const struct app *a, char *dst, size_t n)
{
  struct buf text CLEANUP_BUF = BUF_INIT (512);

  buf_printf (&text, "%s, %s (%ld)", a->unit, a->comm, a->pid);
  if (a->state == 'T' || a->state == 't')
    buf_puts (&text, ", is stopped");
  if (a->waiting > 0)
    buf_printf (&text, ", takes no connections: %u wait", a->waiting);
  if (a->blocked > 0)
    buf_printf (&text, ", blocked in %s", a->wchan);
  if (a->futex > 0 && a->threads > 1)
    buf_printf (&text, ", %u of %u threads wait in a futex", a->futex,
                a->threads);
  else if (a->blocked == 0 && a->wchan[0])
    buf_printf (&text, ", waits in %s", a->wchan);
  if (is_busy (a))
    buf_puts (&text, ", runs without a pause");
  if (a->oom > 0)
    buf_printf (&text, ", %llu killed for lack of memory in its group",
                a->oom);
  snprintf (dst, n, "%s", buf_str (&text));
}

static void
tell (struct collect_ctx *ctx, const struct apps *apps)
{
  CLEANUP_JSON struct json_object *doc = json_object_new_object ();
  struct json_object *list = json_object_new_array ();
  const struct app *worst = NULL;
  char text[240];

  for (unsigned i = 0; i < apps->n; i++)
    {
      const struct app *a = &apps->list[i];
      struct json_object *o = json_object_new_object ();

      describe (a, text, sizeof text);
      json_add_text (o, "what", text, strlen (text));
      json_add_int (o, "pid", a->pid);
      json_add_text (o, "unit", a->unit, strlen (a->unit));
      json_add_int (o, "threads", a->threads);
      json_add_bool (o, "listens", a->listens);
      json_add_int (o, "amiss", score (a));
      json_object_array_add (list, o);
      if (score (a) > 0 && (!worst || score (a) > score (worst)))
        worst = a;
    }
  json_object_object_add (doc, "applications", list);
  json_add_text (doc, "failed", apps->failed, strlen (apps->failed));
  collect_json (ctx, "application/applications.json", doc);
  collect_int (ctx, "app.count", "inside", apps->n);
  if (apps->failed[0])
    collect_str (ctx, "app.failed", "inside", apps->failed);
  if (!worst)
    return;
  describe (worst, text, sizeof text);
  collect_str (ctx, "app.culprit", "inside", text);
}

static void
apps_done (struct apps *apps)
{
  free (apps->list);
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  struct buf said CLEANUP_BUF = BUF_INIT (MAX_OUTPUT);
  struct buf shown CLEANUP_BUF = BUF_INIT (4 * MAX_OUTPUT);
  struct apps apps CLEANUP (apps_done) = { .n = 0 };
  struct inside_part part;
  const char *at, *end;
  int rc = inside_ask (ctx, script, &said, err);

  if (rc < 0)
    return rc;
  apps.list = calloc (MAX_APPS, sizeof *apps.list);
  if (!apps.list)
    return error_set (err, ENOMEM, "no memory for what it said");
  text_escape (&shown, buf_str (&said), said.len,
               TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
  ctx->out->file (ctx->out, "application/asked.txt", buf_str (&shown),
                  shown.len);
  at = buf_str (&said);
  end = at + said.len;
  while (inside_next (&at, end, &part))
    read_part (&apps, &part);
  tell (ctx, &apps);
  return 0;
}

const struct collector collect_application = {
  .name = "application",
  .summary = "services and containers of the guest: state, where threads wait, "
             "memory bounds, connections",
  .touch = TOUCH_CONSOLE,
  .lane = LANE_CONSOLE,
  .budget_ms = 15000,
  .bytes = 24 << 10,
  .fields = inside_fields,
  .own_size = sizeof (struct inside_own),
  .own_init = &inside_default,
  .plan = inside_plan,
  .run = run,
};
