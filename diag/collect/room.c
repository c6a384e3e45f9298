/* SPDX-License-Identifier: Apache-2.0
 *
 * How much room this host's file systems have.  Who is asked how full it is
 * must be able to answer: those of a network and of a process (FUSE) are not
 * asked, and nothing that is mounted below one.
 */
#include "diag/collect/cgroup.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#define MAX_MOUNTS 512
#define MAX_ASKED 64
#define FULL 99                 /* per cent, with little left */
#define FULL_LEFT (1ull << 30)

struct mount
{
  char device[24]; /* "8:1", by which one that is mounted twice is known */
  char place[256], type[24];
  bool local, writable;
};

struct room
{
  struct collect_ctx *ctx;
  struct buf *table;
  char (*seen)[24];
  char (*away)[256]; /* where those are that are not asked */
  size_t nseen, naway;
  double fullest;
  char full[200];
};

static bool
is_local (const char *type)
{
  static const char *const local[]
      = { "ext2", "ext3", "ext4", "f2fs", "tmpfs" };

  for (size_t i = 0; i < ARRAY_LEN (local); i++)
    if (strcmp (type, local[i]) == 0)
      return true;
  return false;
}

static bool
has_nothing_below (const char *type)
{
  static const char *const kernels[]
      = { "proc", "sysfs", "devtmpfs", "cgroup", "cgroup2", "devpts",
          "mqueue", "securityfs", "debugfs", "tracefs", "pstore", "bpf",
          "configfs", "efivarfs", "hugetlbfs", "overlay", "squashfs",
          "ramfs", "rootfs", "iso9660", "autofs" };

  for (size_t i = 0; i < ARRAY_LEN (kernels); i++)
    if (strcmp (type, kernels[i]) == 0)
      return true;
  return false;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=.."
 * A space in a place is "\040": such a one is not found, and left alone. */
static bool
parse (const char *line, struct mount *ret)
{
  const char *rest = strstr (line, " - ");
  char options[8];

  *ret = (struct mount){ .local = false };
  /* Whether it can be written to by the host, not by us alone: our service has
   * most of them read-only. */
  if (!rest
      || sscanf (line, "%*u %*u %23s %*s %255s", ret->device, ret->place) != 2
      || sscanf (rest, " - %23s %*s %3s", ret->type, options) != 2
      || ret->place[0] != '/'
      || strlen (ret->place) >= sizeof ret->place - 1)
    return false;
  ret->local = is_local (ret->type);
  ret->writable = strncmp (options, "rw", 2) == 0;
  return true;
}

static bool
is_below (const char *place, const char *above)
{
  size_t n = strlen (above);

  return strncmp (place, above, n) == 0
         && (place[n] == '\0' || place[n] == '/' || above[n - 1] == '/');
}

static bool
may_ask (struct room *r, const struct mount *m)
{
  for (size_t i = 0; i < r->nseen; i++)
    if (strcmp (r->seen[i], m->device) == 0)
      return false;
  for (size_t i = 0; i < r->naway; i++)
    if (is_below (m->place, r->away[i]))
      return false;
  return m->local && m->writable && r->nseen < MAX_ASKED;
}

static void
tell (struct room *r, const struct mount *m, const struct statvfs *fs)
{
  uint64_t unit = fs->f_frsize ? fs->f_frsize : fs->f_bsize;
  uint64_t used = fs->f_blocks - fs->f_bfree;
  uint64_t size = used + fs->f_bavail, left = fs->f_bavail * unit;
  double share, inodes = 0;

  if (fs->f_blocks == 0 || fs->f_bfree > fs->f_blocks || size == 0)
    return;
  /* As df does: what is kept for root is not there. */
  share = 100.0 * (double) used / (double) size;
  if (fs->f_files > 0 && fs->f_ffree <= fs->f_files)
    inodes = 100.0 * (double) (fs->f_files - fs->f_ffree)
             / (double) fs->f_files;
  buf_printf (r->table, "%-30s %-7s %8" PRIu64 " MiB %8" PRIu64
              " MiB free %5.1f %% %5.1f %% of inodes\n",
              m->place, m->type, size * unit >> 20, left >> 20, share,
              inodes);
  if (share > r->fullest)
    r->fullest = share;
  if (!r->full[0] && ((share >= FULL && left < FULL_LEFT) || inodes >= FULL))
    snprintf (r->full, sizeof r->full, "%.150s (%s, %.0f %%%s)", m->place,
              m->type, share >= FULL ? share : inodes,
              share >= FULL ? "" : " of its inodes");
}

static void
ask (struct room *r, const struct mount *m)
{
  struct statvfs fs;

  if (!may_ask (r, m))
    return;
  memcpy (r->seen[r->nseen++], m->device, sizeof m->device);
  /* One that may not be seen, or that something else is mounted over. */
  if (statvfs (m->place, &fs) == 0)
    tell (r, m, &fs);
}

static void
each_mount (struct room *r, const char *text,
            void (*fn) (struct room *r, const struct mount *m))
{
  struct mount m;

  for (size_t n = 0; *text && n < MAX_MOUNTS; n++)
    {
      size_t len = strcspn (text, "\n");
      char line[1024];

      snprintf (line, sizeof line, "%.*s", (int) len, text);
      if (parse (line, &m))
        fn (r, &m);
      text += len + (text[len] == '\n');
    }
}

static void
note_away (struct room *r, const struct mount *m)
{
  if (!m->local && !has_nothing_below (m->type) && r->naway < MAX_MOUNTS)
    memcpy (r->away[r->naway++], m->place, sizeof m->place);
}

void
host_room_ (struct collect_ctx *ctx, const char *mountinfo)
{
  struct buf text CLEANUP_BUF = BUF_INIT (256u << 10);
  struct buf table CLEANUP_BUF = BUF_INIT (16u << 10);
  struct room r = { .ctx = ctx, .table = &table };

  if (collect_slurp (mountinfo, &text, NULL) < 0)
    return;
  r.seen = calloc (MAX_ASKED, sizeof *r.seen);
  r.away = calloc (MAX_MOUNTS, sizeof *r.away);
  if (r.seen && r.away)
    {
      each_mount (&r, buf_str (&text), note_away);
      each_mount (&r, buf_str (&text), ask);
    }
  if (table.len)
    {
      ctx->out->file (ctx->out, "host/filesystems", buf_str (&table),
                      table.len);
      collect_real (ctx, "host.fs.used", "host", r.fullest / 100);
    }
  if (r.full[0])
    collect_text (ctx, "host.fs.full", "host", r.full, strlen (r.full));
  free (r.seen);
  free (r.away);
}
