/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose process is in a guest's folder: claimed by the pid file, by EVE, or
 * found in /proc, and in every case checked.
 */
#include "guests/rundir.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/opener.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PIDFILE 32

/* ---- opening ---- */

int
rundir_open (const struct rundir_look *l, enum open_kind kind, const char *root,
             const char *path, int *ret_fd, struct error *err)
{
  const struct open_req req = { .kind = kind, .root = root, .path = path };
  struct opener *opener = l->scan->opener;

  return opener->open (opener, &req, l->deadline, ret_fd, NULL, err);
}

int
rundir_read (const struct rundir_look *l, const char *root, const char *path,
             char *buf, size_t max, size_t *ret_len)
{
  int fd CLEANUP_CLOSE = -1;
  size_t len = 0;
  int r;

  r = rundir_open (l, OPEN_FILE, root, path, &fd, NULL);
  if (r < 0)
    return r;
  r = io_read (fd, buf, max - 1, &len);
  if (r < 0)
    return r;
  buf[len] = '\0';
  *ret_len = len;
  return 0;
}

DIR *
rundir_list (const struct rundir_look *l, const char *path, int *ret_code,
             struct error *err)
{
  int fd = -1;
  DIR *dir;

  *ret_code = rundir_open (l, OPEN_DIR, l->scan->cfg.root, path, &fd, err);
  if (*ret_code < 0)
    return NULL;
  dir = fdopendir (fd);
  if (!dir)
    {
      *ret_code = error_errno (err, errno, "%s/%s", l->scan->cfg.root, path);
      close (fd);
    }
  return dir;
}

/* ---- who runs here ---- */

static bool
is_in_folder (const char *path, const char *folder)
{
  size_t len = strlen (folder);
  const char *slash = strrchr (path, '/');

  return slash && (size_t) (slash - path) > len
         && slash[-(ptrdiff_t) len - 1] == '/'
         && strncmp (slash - len, folder, len) == 0;
}

static bool
names_guest (const struct qemu_args *args, const char *folder, const char *uuid)
{
  if (strcmp (qemu_args_name (args), folder) == 0
      || is_in_folder (qemu_args_pidfile (args), folder))
    return true;
  /* The folder's uuid alone is not enough while a version of the same
   * application is being replaced by the next one. */
  return uuid[0] && qemu_args_name (args)[0] == '\0'
         && strcasecmp (qemu_args_uuid (args), uuid) == 0;
}

/* Anybody can call a process a QEMU and give it a guest's name: a guest's is
 * of root, or of whoever owns the folder in which its sockets are.  One that
 * the folder itself names may have given up root for a user of the system. */
static bool
is_of_folder (const struct rundir_look *l, const struct rundir_who *w,
              const struct qemu_proc *proc, bool named)
{
  const uint32_t uids[] = { proc->ruid, proc->euid };
  uint32_t owner = l->scan->owner;
  bool asked = false;

  for (unsigned i = 0; i < ARRAY_LEN (uids); i++)
    {
      if (uids[i] == 0 || uids[i] == owner
          || (named && uids[i] <= QEMU_SYSTEM_UID_MAX))
        continue;
      if (!asked)
        {
          int fd CLEANUP_CLOSE = -1;
          struct stat st;

          if (rundir_open (l, OPEN_DIR, l->scan->cfg.root, w->folder, &fd, NULL)
                  < 0
              || fstat (fd, &st) < 0)
            return false;
          owner = st.st_uid;
          asked = true;
        }
      if (uids[i] != owner)
        return false;
    }
  return true;
}

static bool
try_pid (const struct rundir_look *l, struct rundir_who *w, int32_t pid,
         bool named)
{
  struct qemu_args *args = NULL;
  struct qemu_proc proc;

  if (pid <= 0 || qemu_proc_read (pid, &proc, &args, NULL) < 0)
    return false;
  if (proc.state == 'Z' || proc.state == 'X'
      || !is_of_folder (l, w, &proc, named)
      || !names_guest (args, w->folder, w->uuid))
    {
      qemu_args_free (args);
      return false;
    }
  w->proc = proc;
  w->args = args;
  return true;
}

/* All QEMUs of this host, looked up once per scan and only if needed. */
static bool
remember (const struct qemu_proc *proc, const struct qemu_args *args, void *arg)
{
  struct rundir_scan *s = arg;
  struct rundir_proc *p = &s->procs[s->nprocs];
  const char *file = qemu_args_pidfile (args);
  const char *slash = strrchr (file, '/');

  p->pid = proc->pid;
  guest_copy (p->name, sizeof p->name, qemu_args_name (args));
  if (slash)
    snprintf (p->folder, sizeof p->folder, "%.*s", (int) (slash - file), file);
  guest_copy (p->uuid, sizeof p->uuid, qemu_args_uuid (args));
  return ++s->nprocs == RUNDIR_MAX_GUESTS;
}

static void
search_processes (const struct rundir_look *l, struct rundir_who *w)
{
  struct rundir_scan *s = l->scan;

  if (!s->procs)
    {
      s->procs = calloc (RUNDIR_MAX_GUESTS, sizeof *s->procs);
      if (!s->procs)
        return;
      qemu_proc_find (remember, s, NULL);
    }
  for (size_t i = 0; i < s->nprocs; i++)
    {
      const struct rundir_proc *p = &s->procs[i];
      const char *slash = strrchr (p->folder, '/');

      if ((strcmp (p->name, w->folder) == 0
           || (slash && strcmp (slash + 1, w->folder) == 0)
           || (w->uuid[0] && strcasecmp (p->uuid, w->uuid) == 0))
          && try_pid (l, w, p->pid, false))
        return;
    }
}

bool
rundir_find_process (const struct rundir_look *l, struct rundir_who *w)
{
  const struct rundir_config *cfg = &l->scan->cfg;
  char path[RUNDIR_NAME + 64], text[MAX_PIDFILE];
  size_t len = 0;
  bool has_file;

  snprintf (path, sizeof path, "%s/%s", w->folder, cfg->pidfile);
  has_file = rundir_read (l, cfg->root, path, text, sizeof text, &len) == 0
             && len > 0;
  w->by_file
      = has_file && try_pid (l, w, (int32_t) strtol (text, NULL, 10), true);
  if (w->by_file)
    return true;
  if (cfg->eve[0] && w->uuid[0]
      && try_pid (l, w,
                  eve_pid (l->scan->opener, cfg->eve, l->deadline, w->uuid),
                  true))
    return has_file;
  /* The number in the file may be of another pid namespace. */
  search_processes (l, w);
  return has_file;
}

void
rundir_make_uuid (char *uuid, const char *root, const char *name)
{
  uint64_t h[2] = { 0xcbf29ce484222325u, 0x84222325cbf29ce4u };
  const char *parts[] = { root, "/", name };

  for (unsigned i = 0; i < ARRAY_LEN (parts); i++)
    for (const char *p = parts[i]; *p; p++)
      for (unsigned k = 0; k < 2; k++)
        h[k] = (h[k] ^ (unsigned char) *p) * 0x100000001b3u + k;
  /* Version 8 ("vendor's own") and the usual variant. */
  snprintf (uuid, UUID_TEXT, "%08x-%04x-8%03x-%04x-%012llx",
            (unsigned) (h[0] >> 32), (unsigned) (h[0] >> 16 & 0xffff),
            (unsigned) (h[0] & 0xfff),
            (unsigned) (h[1] >> 48 & 0x3fff) | 0x8000,
            (unsigned long long) (h[1] & 0xffffffffffffu));
}
