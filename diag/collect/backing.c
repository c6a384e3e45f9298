/* SPDX-License-Identifier: Apache-2.0
 *
 * What of this host stands behind a guest's disk, and how that is: the device
 * and those below it, by what the kernel shows of them in /sys and in its list
 * of mounts.  No file system is asked for anything: it may be what is dead.
 */
#include "diag/collect/backing.h"

#include "base/cleanup.h"
#include "base/json.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MAX_DEVICES 16
#define MAX_DEPTH 6
#define MAX_MOUNTS (256u << 10)

/* The worse the later. */
static const char *const states[] = { "ok", "degraded", "suspended", "dead" };
enum
{
  STATE_OK,
  STATE_DEGRADED,
  STATE_SUSPENDED,
  STATE_DEAD,
};

struct chain
{
  const char *sys;
  struct json_object *list;
  char kinds[200];
  unsigned n;
  int worst;
};

/* Its first line, or "". */
static void
sys_text (const struct chain *c, const char *device, const char *what,
          char *dst, size_t n)
{
  struct buf text CLEANUP_BUF = BUF_INIT (256);
  char path[600];

  snprintf (path, sizeof path, "%s/block/%s/%s", c->sys, device, what);
  dst[0] = '\0';
  if (collect_slurp (path, &text, NULL) >= 0)
    snprintf (dst, n, "%.*s", (int) strcspn (buf_str (&text), "\n"),
              buf_str (&text));
}

/* ---- one device ---- */

/* By device mapper's own word for who made it. */
static const char *
dm_kind (const char *uuid)
{
  size_t n = strlen (uuid);

  if (strncmp (uuid, "LVM-", 4) == 0)
    return n > 6 && strcmp (uuid + n - 6, "-tpool") == 0 ? "thin-pool" : "lvm";
  if (strncmp (uuid, "CRYPT-", 6) == 0)
    return "crypt";
  return strncmp (uuid, "mpath-", 6) == 0 ? "multipath" : "dm";
}

static const char *
kind_of (const char *device, const char *uuid)
{
  static const struct
  {
    const char *begins, *kind;
  } names[] = {
    { "zd", "zvol" },   { "nvme", "nvme" }, { "loop", "loop" },
    { "nbd", "nbd" },   { "rbd", "rbd" },   { "drbd", "drbd" },
    { "md", "md" },     { "sd", "scsi" },   { "vd", "virtio" },
    { "mmc", "mmc" },   { "zram", "zram" }, { "bcache", "bcache" },
  };

  if (strncmp (device, "dm-", 3) == 0)
    return dm_kind (uuid);
  for (size_t i = 0; i < ARRAY_LEN (names); i++)
    if (strncmp (device, names[i].begins, strlen (names[i].begins)) == 0)
      return names[i].kind;
  return "device";
}

static bool
is_word (const char *text, const char *const *words)
{
  while (*words && strcmp (*words, text) != 0)
    words++;
  return *words != NULL;
}

static int
state_of (const struct chain *c, const char *device)
{
  /* Of a controller of NVMe, a disk of SCSI, an array of md. */
  static const char *const dead[]
      = { "dead", "offline", "transport-offline", "blocked", "deleting",
          "cancel", "inactive", "broken", "clear", NULL };
  char text[64];

  sys_text (c, device, "dm/suspended", text, sizeof text);
  if (strcmp (text, "1") == 0)
    return STATE_SUSPENDED;
  sys_text (c, device, "device/state", text, sizeof text);
  if (is_word (text, dead))
    return STATE_DEAD;
  sys_text (c, device, "md/array_state", text, sizeof text);
  if (is_word (text, dead))
    return STATE_DEAD;
  sys_text (c, device, "md/degraded", text, sizeof text);
  return atoi (text) > 0 ? STATE_DEGRADED : STATE_OK;
}

static bool
may_look (const char *name)
{
  return name[0] && name[0] != '.' && strlen (name) < 32
         && !strchr (name, '/');
}

static void
add_kind (struct chain *c, const char *kind)
{
  size_t n = strlen (c->kinds);

  snprintf (c->kinds + n, sizeof c->kinds - n, "%s%s", n ? " > " : "", kind);
}

/* What the kernel has of it, as it is. */
static void
add_texts (struct chain *c, const char *device, struct json_object *o)
{
  /* Counts of requests that ended with an error, or too late: of SCSI. */
  static const struct
  {
    const char *file, *key;
  } texts[] = {
    { "dev", "number" },
    { "dm/name", "name" },
    { "inflight", "inflight" },
    { "device/ioerr_cnt", "errors" },
    { "device/iotmo_cnt", "timeouts" },
  };
  char text[160];

  for (size_t i = 0; i < ARRAY_LEN (texts); i++)
    {
      sys_text (c, device, texts[i].file, text, sizeof text);
      if (text[0])
        json_add_text (o, texts[i].key, text, strlen (text));
    }
}

/* And those below it. */
static void
add_device (struct chain *c, const char *device, unsigned depth)
{
  CLEANUP_CLOSEDIR DIR *dir = NULL;
  char uuid[160], path[600];
  struct json_object *o;
  struct dirent *e;
  int state;

  if (!may_look (device) || depth > MAX_DEPTH || c->n >= MAX_DEVICES)
    return;
  c->n++;
  sys_text (c, device, "dm/uuid", uuid, sizeof uuid);
  state = state_of (c, device);
  c->worst = state > c->worst ? state : c->worst;
  add_kind (c, kind_of (device, uuid));
  o = json_object_new_object ();
  json_add_text (o, "device", device, strlen (device));
  json_add_str (o, "kind", kind_of (device, uuid));
  json_add_str (o, "state", states[state]);
  add_texts (c, device, o);
  json_object_array_add (c->list, o);
  snprintf (path, sizeof path, "%s/block/%s/slaves", c->sys, device);
  dir = opendir (path);
  while (dir && (e = readdir (dir)))
    if (e->d_name[0] != '.')
      {
        char below[300];

        /* A partition has no folder of its own there. */
        snprintf (below, sizeof below, "%s", e->d_name);
        snprintf (path, sizeof path, "%s/class/block/%s/partition", c->sys,
                  below);
        if (access (path, F_OK) == 0)
          backing_whole_ (below);
        add_device (c, below, depth + 1);
      }
}

/* "sda2" to "sda", "nvme0n1p3" to "nvme0n1". */
void
backing_whole_ (char *name)
{
  size_t n = strlen (name), end = n;

  while (end && isdigit ((unsigned char) name[end - 1]))
    end--;
  if (end < n && end > 1 && name[end - 1] == 'p'
      && isdigit ((unsigned char) name[end - 2]))
    end--;
  name[end] = '\0';
}

static void
add_number (struct chain *c, unsigned major, unsigned minor)
{
  char path[600], to[600], *base;
  ssize_t n;

  snprintf (path, sizeof path, "%s/dev/block/%u:%u", c->sys, major, minor);
  n = readlink (path, to, sizeof to - 1);
  if (n <= 0)
    return;
  to[n] = '\0';
  base = strrchr (to, '/');
  base = base ? base + 1 : to;
  snprintf (path, sizeof path, "%s/class/block/%.64s/partition", c->sys, base);
  if (access (path, F_OK) == 0)
    backing_whole_ (base);
  add_device (c, base, 0);
}

/* ---- which one ---- */

/* "36 35 98:0 /root /mnt rw shared:1 - ext4 /dev/vda1 rw": of the mount that
 * has the file, by its path alone; the last of the longest, for it hides those
 * before. */
struct mount
{
  unsigned major, minor;
  char type[40], source[100];
};

static bool
mount_of (const char *mounts, const char *path, struct mount *ret)
{
  size_t best = 0;

  for (const char *line = mounts; line && *line;)
    {
      char at[300];
      const char *end = strchr (line, '\n'), *dash = strstr (line, " - ");
      struct mount m;
      size_t len;

      if (dash && (!end || dash < end)
          && sscanf (line, "%*u %*u %u:%u %*s %299s", &m.major, &m.minor, at)
                 == 3
          && sscanf (dash, " - %39s %99s", m.type, m.source) == 2)
        {
          len = strcmp (at, "/") == 0 ? 0 : strlen (at);
          if (strncmp (path, at, len) == 0 && path[len] == '/'
              && len + 1 >= best)
            {
              best = len + 1;
              *ret = m;
            }
        }
      line = end ? end + 1 : NULL;
    }
  return best > 0;
}

bool
backing_is_device (const char *path)
{
  /* Anybody may put a link there. */
  static const char *const others[] = { "/dev/shm/", "/dev/fd/" };

  if (strncmp (path, "/dev/", 5) != 0)
    return false;
  for (size_t i = 0; i < ARRAY_LEN (others); i++)
    if (strncmp (path, others[i], strlen (others[i])) == 0)
      return false;
  for (const char *p = strstr (path, "/.."); p; p = strstr (p + 1, "/.."))
    if (p[3] == '\0' || p[3] == '/')
      return false;
  return !strstr (path, "//") && !strstr (path, "/./");
}

/* Of the first part of such a name: "persist" of "persist/vault". */
static void
add_zpool (struct chain *c, const char *zfs, const char *source)
{
  static const char *const dead[]
      = { "FAULTED", "OFFLINE", "REMOVED", "UNAVAIL", NULL };
  struct buf text CLEANUP_BUF = BUF_INIT (64);
  char pool[32], path[300], word[32] = "";
  struct json_object *o;
  int state;

  snprintf (pool, sizeof pool, "%.*s", (int) strcspn (source, "/"), source);
  snprintf (path, sizeof path, "%.200s/%s/state", zfs, pool);
  if (!may_look (pool) || collect_slurp (path, &text, NULL) < 0
      || sscanf (buf_str (&text), "%31s", word) != 1)
    return;
  state = strcmp (word, "SUSPENDED") == 0   ? STATE_SUSPENDED
          : strcmp (word, "DEGRADED") == 0 ? STATE_DEGRADED
          : is_word (word, dead)           ? STATE_DEAD
                                           : STATE_OK;
  c->n++;
  c->worst = state > c->worst ? state : c->worst;
  add_kind (c, "zpool");
  o = json_object_new_object ();
  json_add_text (o, "device", pool, strlen (pool));
  json_add_str (o, "kind", "zpool");
  json_add_str (o, "state", states[state]);
  json_object_array_add (c->list, o);
}

struct json_object *
backing_look (const struct backing_of *from, const char *path,
              char ret_kinds[200], const char **ret_state)
{
  struct chain c = { .sys = from->sys, .list = json_object_new_array () };
  struct buf mounts CLEANUP_BUF = BUF_INIT (MAX_MOUNTS);
  static const char zvols[] = "/dev/zvol/";
  struct mount m;
  struct stat st;

  if (backing_is_device (path))
    {
      if (stat (path, &st) == 0 && S_ISBLK (st.st_mode))
        add_number (&c, major (st.st_rdev), minor (st.st_rdev));
      if (strncmp (path, zvols, strlen (zvols)) == 0)
        add_zpool (&c, from->zfs, path + strlen (zvols));
    }
  else if (collect_slurp (from->mounts, &mounts, NULL) >= 0
           && mount_of (buf_str (&mounts), path, &m))
    {
      for (char *p = m.type; *p; p++)
        *p = isalnum ((unsigned char) *p) || strchr ("._-", *p) ? *p : '_';
      add_kind (&c, m.type);
      if (strcmp (m.type, "zfs") == 0)
        add_zpool (&c, from->zfs, m.source);
      else
        add_number (&c, m.major, m.minor);
    }
  snprintf (ret_kinds, 200, "%s", c.kinds);
  *ret_state = c.n ? states[c.worst] : NULL;
  return c.list;
}
