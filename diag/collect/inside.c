/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector inside: what the guest says of itself, when somebody in it
 * answers: the counters of /proc in one read, the tail of its logs, what failed
 * to run, its file systems and containers.
 *
 * Read-only and bounded: each part is cut in the guest already, and all of them
 * together; of logs the newest lines are kept.  What may hang there (df on a
 * dead server, ip where the lock of all links is held) comes last, so that all
 * else is here by then.
 */
#include "diag/collect/inside.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "diag/collect/collect.h"
#include "diag/outside/outside.h"
#include "transports/ask.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OUTPUT (64u << 10)
#define MAX_PARTS 64 /* with those that say how much was cut */
#define FULL 98 /* percent of a file system */
#define FULL_LEFT_KB (64 << 10)

/* hd_o BOUND: $t, or the first lines of it where it has more bytes than that,
 * and then a line "@@ -BOUND OF"; hd_l the same of logs, and their last lines.
 * The files of /proc are read by one program for all of them, since each that
 * is begun takes a slow guest a tenth of a second; 33 KiB of them together.
 * Names that no alias of a person has. */
#define FILES                                                                 \
  "uptime loadavg meminfo vmstat pressure/cpu pressure/memory pressure/io "   \
  "stat buddyinfo diskstats net/dev softirqs mounts interrupts"
static const char script[]
    = "(LC_ALL=C;hd_k(){ " INSIDE_MARK ";};hd_o(){ n=${#t};"
      "if [ $n -le $1 ];then printf '%s\\n' \"$t\";else printf '%s\\n' \"$t\"|"
      "head -c $1|sed '$d';echo \"@@ -$1 $n\";fi;}\n"
      "hd_l(){ n=${#t};if [ $n -le $1 ];then printf '%s\\n' \"$t\"|hd_k;else "
      "printf '%s\\n' \"$t\"|tail -c $1|sed 1d|hd_k;echo \"@@ -$1 $n\";fi;}\n"
      "LC_ALL=C awk 'BEGIN{L=33792;c=split(\"" FILES "\",f,\" \");"
      "for(i=1;i<=c;i++){p=f[i];m=i<10?8192:12288;if(m>L)m=L;n=k=0;"
      "print \"@@ \" p;while((getline x<(\"/proc/\" p))>0){"
      "if(p==\"stat\"&&x~/^intr /){split(x,w,\" \");x=w[1] \" \" w[2]}"
      "n+=length(x)+1;if(n<=m+1){print x;k=n}}"
      "if(n>m+1)print \"@@ -\" m \" \" n-1;L-=k}}' 2>/dev/null||"
      "for f in " FILES ";do echo \"@@ $f\";head -c 2048 /proc/$f;echo;done\n"
      "echo '@@ dmesg';t=$(dmesg 2>/dev/null|tail -n 80);hd_l 8192;"
      "echo '@@ failed';t=$(timeout 3 systemctl --failed --no-legend --plain "
      "--no-pager 2>/dev/null);hd_o 2048\n"
      "echo '@@ journal';t=$(timeout 3 journalctl -q -n 60 -p warning "
      "--no-pager 2>/dev/null);hd_l 8192;echo '@@ containers'\n"
      "t=$(for c in docker podman crictl;do command -v $c >/dev/null&&"
      "timeout 3 $c ps -a 2>&1;done);hd_o 4096;echo '@@ df';"
      "t=$(timeout 5 df -P 2>/dev/null);hd_o 4096;echo '@@ links'\n"
      "t=$(for d in /sys/class/net/*;do f=;c=;h=0;u=0;o=0;"
      "{ read f <$d/flags;read c <$d/operstate;} 2>/dev/null;"
      "[ ! -e $d/device ]||h=1;set -- $d/upper_*;[ ! -e $1 ]||u=1;"
      "set -- $d/lower_*;[ ! -e $1 ]||o=1;"
      "echo \"= ${d##*/} ${f:-0} ${c:--} $h $u $o\";done;"
      "{ while read i d r;do echo \"~ $i $d\";done </proc/net/route;}"
      " 2>/dev/null|head -n 64);hd_o 2048;"
      "t=$(timeout 3 ip -o addr 2>/dev/null|sed -n 's/^[0-9]*: *\\([^ @]*\\)"
      "[^ ]* *inet6* *\\([^ ]*\\).*/+ \\1 \\2/p');hd_o 2048;"
      "echo '@@ end')</dev/null";

/* ---- asking ---- */

const char *const inside_ways[] = { "console", "agent", "ssh", NULL };
static const struct transport_ops *const ways[]
    = { &transport_console, &transport_agent, &transport_ssh };

const struct json_field inside_fields[] = {
  { .name = "way",
    .kind = JSON_ENUM,
    .offset = offsetof (struct inside_own, way),
    .names = inside_ways,
    .help = "who is asked: the shell on its console, its agent, or its ssh "
            "server as a scenario logs in there" },
  { .name = NULL },
};
const struct inside_own inside_default = { .way = 0 };

static const struct transport_ops *
way_of (const void *arg)
{
  const struct inside_own *own = arg;

  return ways[own ? own->way : inside_default.way];
}

void
inside_plan (const struct guest *g, const void *own, struct collect_plan *ret)
{
  const struct transport_ops *way = way_of (own);
  const char *why = way->absent ? way->absent (g) : NULL;

  ret->lane = way->lane;
  ret->touch = way == &transport_console ? TOUCH_CONSOLE
               : way == &transport_ssh   ? TOUCH_NETWORK
                                         : TOUCH_INTRUSIVE;
  snprintf (ret->acts[0], sizeof ret->acts[0],
            "runs a read-only command in the guest by its %s", way->name);
  if (why)
    snprintf (ret->never, sizeof ret->never, "%s", why);
}

/* As a scenario logs in: that which failed, or any. */
static bool
take_login (struct json_object *hints, const char *scenario, struct ask *ask)
{
  struct json_object *list = json_get (hints, "logins"), *best = NULL;
  size_t n = json_object_is_type (list, json_type_array)
                 ? json_object_array_length (list)
                 : 0;

  for (size_t i = 0; i < n; i++)
    {
      struct json_object *hint = json_object_array_get_idx (list, i);
      const char *of = json_get_str (hint, "scenario");

      if (!best || (of && scenario && strcmp (of, scenario) == 0))
        best = hint;
    }
  if (!best)
    return false;
  ask->address = json_get_str (best, "address");
  ask->netns = json_get_str (best, "netns");
  ask->user = json_get_str (best, "user");
  ask->key = json_get_str (best, "key");
  ask->password = json_get_str (best, "password");
  ask->accept_new = json_get_bool (best, "accept-new", false);
  return ask->address && ask->user;
}

int
inside_ask (struct collect_ctx *ctx, const char *command, struct buf *ret,
            struct error *err)
{
  const struct transport_ops *way = way_of (ctx->own);
  struct ask ask = { .command = command,
                     .who = "a diagnosis",
                     .until_ms = ctx->deadline };
  struct ask_result r = { .end = ASK_SILENT };
  uint64_t begun = clock_ms ();
  int rc;

  if (way == &transport_ssh && !take_login (ctx->hints, ctx->scenario, &ask))
    return error_set (err, ENOENT, "no scenario of it logs in by ssh");
  rc = way->command (ctx->env, ctx->guest, &ask, ctx->job, &r, err);

  if (rc < 0)
    return rc;
  if (r.begun)
    ctx->out->impact_since (ctx->out, begun,
                            "ran a read-only command by its %s", way->name);
  if (r.output.len > 0)
    collect_str (ctx, "inside.way", "inside", way->name);
  buf_append (ret, buf_str (&r.output), r.output.len);
  if (r.output.cut || ret->cut)
    ctx->out->gap (ctx->out, "inside", "cut off: it says more than %zu KiB",
                   ret->len >> 10);
  /* A part that hangs cuts it off: what is here is good. */
  if (r.end != ASK_OK && ret->len == 0)
    rc = error_set (err, ENODATA, "nobody inside answers by its %s: %s",
                    way->name, r.detail[0] ? r.detail : "no answer");
  else if (r.end != ASK_OK)
    ctx->out->gap (ctx->out, "inside", "cut off: %s",
                   r.detail[0] ? r.detail : "it did not come to its end");
  ask_result_done (&r);
  return rc;
}

/* What came may end anywhere, and with no zero behind it. */
static bool
is_head (const char *p, const char *end)
{
  return end - p >= 3 && memcmp (p, "@@ ", 3) == 0;
}

bool
inside_next (const char **at, const char *end, struct inside_part *ret)
{
  const char *p = *at, *nl;
  size_t n;

  /* To the next head, at the beginning of a line. */
  while (p < end && !is_head (p, end))
    {
      nl = memchr (p, '\n', (size_t) (end - p));
      p = nl ? nl + 1 : end;
    }
  if (p >= end)
    return false;
  p += 3;
  nl = memchr (p, '\n', (size_t) (end - p));
  n = (size_t) ((nl ? nl : end) - p);
  if (n >= sizeof ret->name)
    n = sizeof ret->name - 1;
  memcpy (ret->name, p, n);
  ret->name[n] = '\0';
  ret->name[strcspn (ret->name, "\r")] = '\0';
  ret->text = nl ? nl + 1 : end;
  for (p = ret->text; p < end && !is_head (p, end); p = nl + 1)
    {
      nl = memchr (p, '\n', (size_t) (end - p));
      if (!nl)
        {
          p = end;
          break;
        }
    }
  ret->len = (size_t) (p - ret->text);
  *at = p;
  return true;
}

void
inside_unmark (const struct inside_part *part, struct buf *out)
{
  const char *p = part->text, *end = p + part->len, *nl;

  for (; p < end; p = nl + 1)
    {
      nl = memchr (p, '\n', (size_t) (end - p));
      if (!nl)
        nl = end;
      if (*p == '|' || *p == '>')
        {
          if (*p == '>')
            buf_putc (out, '[');
          buf_append (out, p + 1,
                      (size_t) (nl - p - 1) - (nl > p + 1 && nl[-1] == '\r'));
          buf_putc (out, '\n');
        }
      if (nl == end)
        return;
    }
}

/* ---- what it means ---- */

static void
tell_uptime (struct collect_ctx *ctx, const char *text)
{
  double v;

  if (sscanf (text, "%lf", &v) == 1 && v >= 0)
    collect_real (ctx, "guest.uptime_s", "inside", v);
}

static void
tell_load (struct collect_ctx *ctx, const char *text)
{
  double v;

  if (sscanf (text, "%lf", &v) == 1 && v >= 0)
    collect_real (ctx, "guest.load1", "inside", v);
}

static void
tell_memory (struct collect_ctx *ctx, const char *text)
{
  const char *all = strstr (text, "MemTotal:");
  const char *left = strstr (text, "MemAvailable:");
  unsigned long long total, available;

  if (all && left && sscanf (all, "MemTotal: %llu", &total) == 1
      && sscanf (left, "MemAvailable: %llu", &available) == 1 && total > 0)
    collect_real (ctx, "mem.available", "inside",
                  (double) available / (double) total);
}

/* "shop.service loaded failed failed ...": how many, and the first of them. */
static void
tell_failed (struct collect_ctx *ctx, const char *text)
{
  struct buf names CLEANUP_BUF = BUF_INIT (200);
  int64_t n = 0;

  while (*text)
    {
      size_t len = strcspn (text, "\n"), word;
      const char *p = text;

      while (p < text + len && (*p == ' ' || *p == '*'))
        p++;
      word = strcspn (p, " \r\n");
      if (word > 0 && memchr (p, '.', word))
        buf_printf (&names, "%s%.*s", n++ ? ", " : "", (int) word, p);
      text += len + (text[len] == '\n');
    }
  collect_int (ctx, "units.failed", "inside", n);
  if (n > 0)
    collect_text (ctx, "units.failed_which", "inside", buf_str (&names),
                  names.len);
}

/* "/dev/vda 100 99 1 99% /data".  What can only be read is full by nature, and
 * of a large one a hundredth is much. */
bool
inside_df (const char *line, bool inodes, struct inside_fs *ret)
{
  static const char *const by_nature[]
      = { "/dev/loop", "/dev/sr", "squashfs", "devtmpfs", "efivarfs" };
  unsigned long long left;

  *ret = (struct inside_fs){ .inodes = inodes };
  if (sscanf (line, "%79s %*u %*u %llu %u%% %119s", ret->device, &left,
              &ret->percent, ret->place)
          != 4
      || ret->place[0] != '/')
    return false;
  ret->full = ret->percent >= 100
              || (!inodes && ret->percent >= FULL && left < FULL_LEFT_KB);
  for (size_t i = 0; i < ARRAY_LEN (by_nature); i++)
    if (strncmp (ret->device, by_nature[i], strlen (by_nature[i])) == 0)
      ret->full = false;
  return true;
}

void
inside_full (const struct inside_fs *fs, char *dst, size_t n)
{
  snprintf (dst, n, "%s (%s, %u %%%s)", fs->place, fs->device, fs->percent,
            fs->inodes ? " of its inodes" : "");
}

static void
tell_full (struct collect_ctx *ctx, const char *text)
{
  struct inside_fs fs;
  char line[512], full[300];

  while (*text)
    {
      snprintf (line, sizeof line, "%.*s", (int) strcspn (text, "\n"), text);
      if (inside_df (line, false, &fs) && fs.full)
        {
          inside_full (&fs, full, sizeof full);
          collect_str (ctx, "fs.full", "inside", full);
          return;
        }
      text += strcspn (text, "\n");
      text += *text == '\n';
    }
}

static void
on_fact (const struct fact *f, void *arg)
{
  struct collect_ctx *ctx = arg;

  ctx->out->fact (ctx->out, f);
}

static void
tell_links (struct collect_ctx *ctx, const char *text)
{
  struct outside *o = outside_new ();

  if (!o)
    return;
  inside_links (text, o);
  outside_network_facts (o, "inside", &ctx->guest->inc, on_fact, ctx);
  outside_free (o);
}

static const struct
{
  const char *name;
  void (*tell) (struct collect_ctx *ctx, const char *text);
} parts[] = { { "uptime", tell_uptime },
              { "loadavg", tell_load },
              { "meminfo", tell_memory },
              { "failed", tell_failed },
              { "links", tell_links },
              { "df", tell_full } };

static bool
is_marked (const char *part)
{
  return strcmp (part, "dmesg") == 0 || strcmp (part, "journal") == 0;
}

/* "pressure/cpu" is a file inside/pressure-cpu.txt. */
static void
file_name (char *dst, size_t n, const char *part)
{
  char name[40];

  text_make_name (name, sizeof name, part);
  for (char *p = name; *p; p++)
    *p = *p == '/' || *p == '_' ? '-' : *p;
  snprintf (dst, n, "inside/%s.txt", name);
}

static void
take_part (struct collect_ctx *ctx, const struct inside_part *part)
{
  struct buf shown CLEANUP_BUF = BUF_INIT (4 * MAX_OUTPUT);
  struct buf text CLEANUP_BUF = BUF_INIT (MAX_OUTPUT);
  char file[64];

  if (part->len == 0)
    return;
  file_name (file, sizeof file, part->name);
  if (is_marked (part->name))
    inside_unmark (part, &text);
  else
    buf_append (&text, part->text, part->len);
  if (text.len == 0)
    return;
  text_escape (&shown, buf_str (&text), text.len,
               TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
  ctx->out->file (ctx->out, file, buf_str (&shown), shown.len);
  for (size_t i = 0; i < ARRAY_LEN (parts); i++)
    if (strcmp (parts[i].name, part->name) == 0)
      parts[i].tell (ctx, buf_str (&text));
}

/* "-4096 51234": of the part before. */
static bool
take_cut (struct collect_ctx *ctx, const struct inside_part *part,
          const char *of)
{
  unsigned long long kept, all;
  char name[64];

  if (sscanf (part->name, "-%llu %llu", &kept, &all) != 2)
    return false;
  file_name (name, sizeof name, of);
  ctx->out->gap (ctx->out, name, "cut to its %s %llu of %llu bytes",
                 is_marked (of) ? "last" : "first", kept, all);
  return true;
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  struct buf said CLEANUP_BUF = BUF_INIT (MAX_OUTPUT);
  char of[40] = "";
  struct inside_part part;
  const char *at, *end;
  bool whole = false;
  int rc = inside_ask (ctx, script, &said, err);

  if (rc < 0)
    return rc;
  at = buf_str (&said);
  end = at + said.len;
  for (unsigned n = 0; n < MAX_PARTS && inside_next (&at, end, &part); n++)
    {
      whole = whole || strcmp (part.name, "end") == 0;
      if (take_cut (ctx, &part, of))
        continue;
      take_part (ctx, &part);
      memcpy (of, part.name, sizeof of);
    }
  if (!whole)
    ctx->out->gap (ctx->out, "inside", "its end is missing");
  return 0;
}

const struct collector collect_inside = {
  .name = "inside",
  .summary = "what the guest says of itself: /proc, logs, failed units, file "
             "systems, containers",
  .touch = TOUCH_CONSOLE,
  .lane = LANE_CONSOLE,
  .budget_ms = 8000,
  .bytes = 60 << 10,
  .fields = inside_fields,
  .own_size = sizeof (struct inside_own),
  .own_init = &inside_default,
  .plan = inside_plan,
  .run = run,
};
