/* SPDX-License-Identifier: Apache-2.0
 *
 * What this host's kernel says: of the guest, by the names that it has there
 * (its process, its taps, its disks), and of trouble of its own that is new.
 * The log is the host's; a line of it is kept only for one of these two.
 */
#include "diag/collect/cgroup.h"

#include "base/cleanup.h"
#include "base/opener.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FILE_NAME "host/kernel.log"
#define MAX_LOG (512u << 10)
#define MAX_KEPT (64u << 10)
#define RECENT_US (900u * 1000000u)
#define MAX_NAMES 40

/* What the kernel says of memory, disks and itself when it is in trouble. */
static const char *const troubles[] = {
  "Machine check", "mce: [Hardware Error]", "Hardware Error", "EDAC ",
  "I/O error", "critical medium error", "Out of memory:", "oom-kill:",
  "blocked for more than", "soft lockup", "hard LOCKUP", "rcu_sched",
  "rcu_preempt", "Kernel panic", "Oops:", "BUG:", "nvme nvme",
  "switching pool to", "task abort", "Remounting filesystem read-only",
  "Call Trace:",
};

struct names
{
  char list[MAX_NAMES][64];
  size_t n;
};

static void
add_name (struct names *names, const char *name)
{
  /* What is short is a word of anybody's. */
  if (strlen (name) >= 3 && strlen (name) < 64 && names->n < MAX_NAMES)
    snprintf (names->list[names->n++], 64, "%s", name);
}

static void
names_of (const struct guest *g, struct names *names)
{
  char pid[24];

  if (g->inc.pid > 0)
    {
      snprintf (pid, sizeof pid, "%d", g->inc.pid);
      add_name (names, pid);
      snprintf (pid, sizeof pid, "vhost-%d", g->inc.pid);
      add_name (names, pid);
    }
  for (unsigned i = 0; i < g->nnics; i++)
    add_name (names, g->nics[i].ifname);
  for (unsigned i = 0; i < g->ndisks; i++)
    {
      const char *base = strrchr (g->disks[i].path, '/');

      add_name (names, base ? base + 1 : "");
    }
}

static bool
is_word (char c)
{
  return isalnum ((unsigned char) c) || c == '_' || c == '-';
}

/* Not as a part of something longer. */
static bool
has_name (const char *line, const char *name)
{
  size_t n = strlen (name);

  for (const char *p = line; (p = strstr (p, name)); p++)
    if ((p == line || !is_word (p[-1])) && !is_word (p[n]))
      return true;
  return false;
}

static bool
names_it (const char *line, const struct names *names)
{
  for (size_t i = 0; i < names->n; i++)
    if (has_name (line, names->list[i]))
      return true;
  return false;
}

static bool
is_trouble (const char *line)
{
  for (size_t i = 0; i < ARRAY_LEN (troubles); i++)
    if (strstr (line, troubles[i]))
      return true;
  return false;
}

/* "Out of memory: Killed process 123 (qemu-system-x86) ..." */
static bool
kills (const char *line, int pid)
{
  const char *at = strstr (line, "Killed process ");

  return at && pid > 0 && atoi (at + strlen ("Killed process ")) == pid;
}

struct said
{
  char of_guest[256], trouble[256];
  bool killed;
};

static void
one_line (struct collect_ctx *ctx, const char *text, uint64_t at_us,
          uint64_t since_us, const struct names *names, struct said *said,
          struct buf *out)
{
  bool its = names_it (text, names);
  bool bad = is_trouble (text) && at_us >= since_us;

  if (!its && !bad)
    return;
  buf_printf (out, "[%5" PRIu64 ".%06" PRIu64 "] %s\n", at_us / 1000000,
              at_us % 1000000, text);
  /* What comes after that is of a process that is gone. */
  if (its && !said->killed)
    snprintf (said->of_guest, sizeof said->of_guest, "%s", text);
  if (bad)
    snprintf (said->trouble, sizeof said->trouble, "%s", text);
  said->killed |= kills (text, ctx->guest->inc.pid);
}

void
hostlog_read (struct collect_ctx *ctx, char *text, uint64_t since_us)
{
  struct buf out CLEANUP_BUF = BUF_INIT (MAX_LOG);
  struct names names = { .n = 0 };
  struct said said = { .killed = false };
  char *save = NULL;
  size_t skip;

  names_of (ctx->guest, &names);
  for (char *line = strtok_r (text, "\n", &save); line;
       line = strtok_r (NULL, "\n", &save))
    {
      char *msg = line[0] == ' ' ? NULL : strchr (line, ';');
      uint64_t at_us = 0;

      /* Lines of a record's own properties are indented. */
      if (!msg || sscanf (line, "%*u,%*u,%" SCNu64, &at_us) != 1)
        continue;
      one_line (ctx, msg + 1, at_us, since_us, &names, &said, &out);
    }
  skip = out.len > MAX_KEPT ? out.len - MAX_KEPT : 0;
  if (skip)
    ctx->out->gap (ctx->out, FILE_NAME, "cut to the last %u KiB of %zu",
                   MAX_KEPT >> 10, out.len >> 10);
  if (out.len)
    ctx->out->file (ctx->out, FILE_NAME, buf_str (&out) + skip,
                    out.len - skip);
  if (said.of_guest[0])
    collect_str (ctx, "host.log.guest", "host", said.of_guest);
  if (said.trouble[0])
    collect_str (ctx, "host.log.trouble", "host", said.trouble);
  if (said.killed)
    collect_bool (ctx, "qemu.oom_killed", "host", true);
}

void
collect_hostlog (struct collect_ctx *ctx)
{
  struct opener *opener = ctx->env->opener;
  const struct open_req req = { .kind = OPEN_KMSG, .root = "/dev",
                                .path = "kmsg" };
  struct buf text CLEANUP_BUF = BUF_INIT (MAX_LOG + 4096);
  CLEANUP_FREE char *copy = NULL;
  CLEANUP_CLOSE int fd = -1;
  struct error why = ERROR_INIT;
  struct timespec now;
  uint64_t now_us;
  int lock = -1;

  if (!opener)
    {
      ctx->out->gap (ctx->out, FILE_NAME, "nobody to open it");
      return;
    }
  if (opener->open (opener, &req, collect_until (ctx, 1000), &fd, &lock, &why)
          < 0
      || collect_slurp_fd (fd, &text, &why) < 0)
    {
      ctx->out->gap (ctx->out, FILE_NAME, "%s", error_text (&why));
      return;
    }
  copy = strdup (buf_str (&text));
  clock_gettime (CLOCK_MONOTONIC, &now);
  now_us = (uint64_t) now.tv_sec * 1000000;
  if (!copy)
    ctx->out->gap (ctx->out, FILE_NAME, "no memory");
  else
    hostlog_read (ctx, copy, now_us > RECENT_US ? now_us - RECENT_US : 0);
}
