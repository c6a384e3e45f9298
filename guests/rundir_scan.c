/* SPDX-License-Identifier: Apache-2.0
 *
 * One look at a run directory, in a job's thread.
 *
 * A folder is a guest if its name is a sane one.  Who runs in it is not
 * believed but checked: the pid file (or EVE, or a search of /proc) names a
 * process, and that process must be a QEMU whose command line names this
 * folder.  EVE uses the same folder name again after a restart.
 */
#include "guests/rundir.h"

#include "base/cleanup.h"
#include "base/job.h"
#include "base/opener.h"
#include "base/text.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- memory of the two halves ---- */

int
rundir_config_copy (struct rundir_config *dst, const struct rundir_config *src)
{
  *dst = (struct rundir_config){
    .root = strdup (src->root),
    .consoles = strdup (src->consoles),
    .monitor = strdup (src->monitor),
    .pidfile = strdup (src->pidfile),
    .eve = strdup (src->eve),
    .mode = src->mode,
  };
  if (dst->root && dst->consoles && dst->monitor && dst->pidfile && dst->eve)
    return 0;
  rundir_config_done (dst);
  return -ENOMEM;
}

void
rundir_config_done (struct rundir_config *cfg)
{
  free (cfg->root);
  free (cfg->consoles);
  free (cfg->monitor);
  free (cfg->pidfile);
  free (cfg->eve);
  memset (cfg, 0, sizeof *cfg);
}

struct rundir_scan *
rundir_scan_new (void)
{
  struct rundir_scan *s = calloc (1, sizeof *s);

  if (!s)
    return NULL;
  s->root_fd = -1;
  for (unsigned i = 0; i < EVE_FOLDERS; i++)
    s->eve_fd[i] = -1;
  return s;
}

static void
close_one (int fd)
{
  if (fd >= 0)
    close (fd);
}

void
rundir_scan_free (void *scan)
{
  struct rundir_scan *s = scan;

  if (!s)
    return;
  rundir_config_done (&s->cfg);
  for (size_t i = 0; i < s->nfolders; i++)
    {
      close_one (s->folders[i].inotify_fd);
      close_one (s->folders[i].pid_fd);
    }
  for (size_t i = 0; i < s->nguests; i++)
    guest_unref (s->guests[i]);
  close_one (s->root_fd);
  for (unsigned i = 0; i < EVE_FOLDERS; i++)
    close_one (s->eve_fd[i]);
  free (s->known);
  free (s->folders);
  free (s->guests);
  free (s->procs);
  free (s->doubles);
  free (s);
}

/* ---- which guest it is ---- */

/* `<app-uuid>.<version>.<appnum>` */
static void
uuid_of_name (const char *name, char *dst)
{
  char head[UUID_TEXT];

  guest_copy (head, sizeof head, name);
  if (name[strlen (head)] == '.' && strchr (name + strlen (head) + 1, '.'))
    uuid_copy (dst, head);
}

static const struct rundir_folder *
known_of (const struct rundir_scan *s, const char *name)
{
  for (size_t i = 0; i < s->nknown; i++)
    if (strcmp (s->known[i].name, name) == 0)
      return &s->known[i];
  return NULL;
}

/* From the folder's name, else from the process, else as it was last time
 * (the process may be dead), else made up. */
static void
find_uuid (const struct rundir_config *cfg, const char *name,
           const struct rundir_folder *known, const struct rundir_who *w,
           char *uuid)
{
  static const char none[] = "00000000-0000-0000-0000-000000000000";

  if (!uuid[0] && w->args && strcmp (qemu_args_uuid (w->args), none) != 0)
    uuid_copy (uuid, qemu_args_uuid (w->args));
  if (!uuid[0] && known)
    uuid_copy (uuid, known->uuid);
  if (!uuid[0])
    rundir_make_uuid (uuid, cfg->root, name);
}

/* ---- watching ---- */

static int
pidfd_of (const struct rundir_who *w)
{
  struct qemu_proc again;
  int fd = (int) syscall (SYS_pidfd_open, w->proc.pid, 0);

  /* Opened by number, so check afterwards that it is still that one. */
  if (fd >= 0
      && (proc_start_time (w->proc.pid, &again.start_time, NULL) < 0
          || again.start_time != w->proc.start_time))
    {
      close (fd);
      return -1;
    }
  return fd;
}

/* A folder is watched until its QEMU has written its pid file, which it does
 * last; from then on the process itself is.  Inotify instances are few (128
 * for all of root's processes by default), so folders never get many. */
static void
watch_folder (const struct rundir_look *l, const struct rundir_folder *known,
              const struct rundir_who *w, struct rundir_folder *f)
{
  struct rundir_scan *s = l->scan;

  f->settled = w->by_file;
  f->watched = known && known->watched;
  if (f->watched && f->settled)
    s->nwatched--;
  if (f->watched || f->settled || s->nwatched >= RUNDIR_MAX_WATCHED)
    return;
  if (rundir_open (l, OPEN_INOTIFY, s->cfg.root, f->name, &f->inotify_fd, NULL)
      == 0)
    s->nwatched++;
}

static void
follow_process (const struct rundir_folder *known, const struct rundir_who *w,
                struct rundir_folder *f)
{
  f->pid = w->proc.pid;
  f->start_time = w->proc.start_time;
  f->followed = known && known->followed && known->pid == f->pid
                && known->start_time == f->start_time;
  if (!f->followed && f->pid)
    f->pid_fd = pidfd_of (w);
}

/* The watches come before the listing: what changes in between is then seen
 * twice rather than never. */
static void
watch_roots (const struct rundir_look *l)
{
  struct rundir_scan *s = l->scan;

  if (s->want_root)
    rundir_open (l, OPEN_INOTIFY, s->cfg.root, ".", &s->root_fd, NULL);
  for (unsigned i = 0; i < EVE_FOLDERS && s->cfg.eve[0]; i++)
    if (s->want_eve[i])
      rundir_open (l, OPEN_INOTIFY, s->cfg.eve, eve_folders[i], &s->eve_fd[i],
                   NULL);
}

/* ---- the whole ---- */

static int
scan_folder (const struct rundir_look *l, const char *name)
{
  struct rundir_scan *s = l->scan;
  const struct rundir_folder *known = known_of (s, name);
  struct rundir_folder *f = &s->folders[s->nfolders];
  struct rundir_entries *list CLEANUP_FREE = calloc (1, sizeof *list);
  char uuid[UUID_TEXT] = "";
  struct rundir_who w = { .folder = name, .uuid = uuid };
  struct qemu_args *args CLEANUP_QEMU_ARGS = NULL;
  bool has_pidfile, named;
  struct guest *g;
  int r;

  if (!list)
    return -ENOMEM;
  *f = (struct rundir_folder){ .inotify_fd = -1, .pid_fd = -1 };
  guest_copy (f->name, sizeof f->name, name);
  uuid_of_name (name, uuid);
  named = uuid[0] != '\0';
  has_pidfile = rundir_find_process (l, &w);
  watch_folder (l, known, &w, f);
  /* It may have come just before the watch was there. */
  if (f->inotify_fd >= 0 && !w.proc.pid)
    has_pidfile = rundir_find_process (l, &w);
  args = w.args;
  follow_process (known, &w, f);
  s->nfolders++;
  r = rundir_entries_read (l, name, list, NULL);
  if (r < 0)
    {
      f->blind = r != -ENOENT && known && known->uuid[0] && w.proc.pid
                 && w.proc.pid == known->pid;
      if (f->blind)
        guest_copy (f->uuid, sizeof f->uuid, known->uuid);
      return 0; /* else it went away while we looked: the next scan tells */
    }
  if (!named && !w.proc.pid && !has_pidfile && !rundir_is_guest (&s->cfg, list))
    return 0;
  find_uuid (&s->cfg, name, known, &w, uuid);
  guest_copy (f->uuid, sizeof f->uuid, uuid);
  if (known && known->pid == f->pid && known->start_time == f->start_time)
    f->orders = known->orders;
  g = rundir_guest (l, f, &w, has_pidfile, list);
  if (!g)
    return -ENOMEM;
  s->guests[s->nguests++] = guest_seal (g);
  return 0;
}

/* Of two folders of one guest (an old version being removed beside its
 * successor) the one that runs counts, then the younger. */
static int
by_worth (const void *pa, const void *pb)
{
  const struct guest *a = *(struct guest *const *)pa;
  const struct guest *b = *(struct guest *const *)pb;
  int r = strcmp (a->inc.uuid, b->inc.uuid);

  if (r == 0)
    r = (a->inc.pid == 0) - (b->inc.pid == 0);
  if (r == 0 && a->inc.start_time != b->inc.start_time)
    r = a->inc.start_time > b->inc.start_time ? -1 : 1;
  return r;
}

static void
note_double (struct rundir_scan *s, const struct guest *g,
             const struct guest *taken)
{
  struct rundir_double *d;

  if (!s->doubles)
    s->doubles = calloc (RUNDIR_MAX_DOUBLES, sizeof *s->doubles);
  if (!s->doubles || s->ndoubles == RUNDIR_MAX_DOUBLES)
    return;
  d = &s->doubles[s->ndoubles++];
  guest_copy (d->uuid, sizeof d->uuid, g->inc.uuid);
  guest_copy (d->name, sizeof d->name, g->name);
  guest_copy (d->taken, sizeof d->taken, taken->name);
  d->running = g->inc.pid != 0;
}

static void
drop_doubles (struct rundir_scan *s)
{
  size_t kept = 0;

  if (s->nguests > 1)
    qsort (s->guests, s->nguests, sizeof *s->guests, by_worth);
  for (size_t i = 0; i < s->nguests; i++)
    if (kept
        && strcmp (s->guests[kept - 1]->inc.uuid, s->guests[i]->inc.uuid) == 0)
      {
        note_double (s, s->guests[i], s->guests[kept - 1]);
        guest_unref (s->guests[i]);
      }
    else
      s->guests[kept++] = s->guests[i];
  s->nguests = kept;
}

static int
scan_all (const struct rundir_look *l, const struct job *job, DIR *dir,
          struct error *err)
{
  struct rundir_scan *s = l->scan;
  struct dirent *de;

  while ((de = readdir (dir)))
    {
      if (de->d_name[0] == '.'
          || (de->d_type != DT_DIR && de->d_type != DT_UNKNOWN))
        continue;
      if (!text_is_name (de->d_name) || s->nfolders == RUNDIR_MAX_GUESTS)
        {
          s->skipped++;
          continue;
        }
      if (job_stopping (job))
        return error_set (err, ETIMEDOUT, "%s: out of time after %zu folders",
                          s->cfg.root, s->nfolders);
      if (scan_folder (l, de->d_name) < 0)
        return error_errno (err, ENOMEM, "%s", s->cfg.root);
    }
  return 0;
}

int
rundir_scan_run (struct job *job, void *scan)
{
  struct rundir_scan *s = scan;
  const struct rundir_look l = { s, job_deadline (job) };
  int r = 0;
  DIR *dir CLEANUP_CLOSEDIR = NULL;
  struct stat st;

  s->folders = calloc (RUNDIR_MAX_GUESTS, sizeof *s->folders);
  s->guests = calloc (RUNDIR_MAX_GUESTS, sizeof (struct guest *));
  if (!s->folders || !s->guests)
    return error_errno (&s->why, ENOMEM, "%s", s->cfg.root);
  for (size_t i = 0; i < s->nknown; i++)
    s->nwatched += s->known[i].watched;
  watch_roots (&l);
  dir = rundir_list (&l, ".", &r, &s->why);
  if (r == -ENOENT)
    {
      /* EVE makes it with the first guest: no folder is no guests. */
      s->listed = true;
      s->why = (struct error) ERROR_INIT;
      return 0;
    }
  if (!dir)
    return r;
  s->owner = fstat (dirfd (dir), &st) == 0 ? st.st_uid : 0;
  r = scan_all (&l, job, dir, &s->why);
  if (r < 0)
    return r;
  drop_doubles (s);
  s->listed = true;
  return 0;
}
