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
#include "base/clock.h"
#include "base/job.h"
#include "base/opener.h"
#include "base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_READCONFIG (64u << 10)
#define MAX_ENTRIES 256u /* in a guest's folder */

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

/* ---- what is in the folder ---- */

static DIR *
list_folder (const struct rundir_look *l, const char *path, int *ret_code,
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

static void
read_config_file (const struct rundir_look *l, struct qemu_args *args)
{
  const struct rundir_config *cfg = &l->scan->cfg;
  const char *roots[] = { cfg->root, cfg->eve };
  const char *path = qemu_args_readconfig (args);
  char *text CLEANUP_FREE = NULL;
  size_t len = 0;

  /* Only below a root that we were given. */
  for (unsigned i = 0; i < ARRAY_LEN (roots) && path[0]; i++)
    {
      size_t rl = strlen (roots[i]);

      if (rl == 0 || strncmp (path, roots[i], rl) != 0 || path[rl] != '/')
        continue;
      text = malloc (MAX_READCONFIG);
      if (text
          && rundir_read (l, roots[i], path + rl + 1, text, MAX_READCONFIG,
                          &len)
                 == 0)
        qemu_args_add_config (args, text, len);
      return;
    }
}

/* What EVE's own names mean, for when the command line can't be had. */
static void
guess_console (struct guest_console *c)
{
  if (strcmp (c->name, "cons") == 0)
    {
      c->device = CONSOLE_DEV_MUX;
      c->muxed = true;
    }
  else if (strcmp (c->name, "shim-cons") == 0)
    c->device = CONSOLE_DEV_VIRTIO;
  else if (strncmp (c->name, "serial", 6) == 0)
    c->device = CONSOLE_DEV_SERIAL;
}

static void
add_console (const struct rundir_look *l, struct guest *g, const char *folder,
             const char *file, unsigned char type, const struct qemu_args *args)
{
  struct guest_console *c;
  struct guest_console seen = { .device = CONSOLE_DEV_UNKNOWN };

  c = &g->consoles[g->nconsoles];
  guest_copy (c->name, sizeof c->name, file);
  guest_copy (c->root, sizeof c->root, l->scan->cfg.root);
  if (snprintf (c->path, sizeof c->path, "%s/%s", folder, file)
      >= (int) sizeof c->path)
    return;
  g->nconsoles++;
  c->kind = type == DT_REG ? CONSOLE_LOG : CONSOLE_UNIX;
  c->mode = type == DT_REG ? CONSOLE_TAIL : l->scan->cfg.mode;
  guess_console (c);
  if (!args || !qemu_args_console (args, folder, file, &seen))
    return;
  guest_copy (c->alias, sizeof c->alias, seen.alias);
  c->muxed = seen.muxed;
  /* A chardev whose front ends were made in a file that we may not read
   * looks like one without any: then the name says more. */
  if (seen.device != CONSOLE_DEV_UNKNOWN
      && !(c->device == CONSOLE_DEV_MUX && seen.muxed))
    c->device = seen.device;
}

/* One comma separated name; moves *list behind it. */
static bool
next_name (const char **list, char *name, size_t n)
{
  size_t len = strcspn (*list, ",");

  if (**list == '\0')
    return false;
  snprintf (name, n, "%.*s", (int) len, *list);
  *list += len + ((*list)[len] == ',');
  return true;
}

struct entries
{
  unsigned count;
  struct
  {
    char name[32];
    unsigned char type;
  } e[MAX_ENTRIES];
};

static bool
is_console_name (const struct rundir_config *cfg, const char *name)
{
  const char *rest = cfg->consoles;
  char one[32];

  while (next_name (&rest, one, sizeof one))
    if (strcmp (one, name) == 0)
      return true;
  return false;
}

static int
read_entries (const struct rundir_look *l, const char *folder,
              struct entries *list, struct error *err)
{
  int r = 0;
  DIR *dir CLEANUP_CLOSEDIR = list_folder (l, folder, &r, err);
  struct dirent *de;

  if (!dir)
    return r;
  while ((de = readdir (dir)) && list->count < MAX_ENTRIES)
    {
      /* Only the type that the listing itself gives: a daemon without
       * rights can't stat in a folder of root's.  What stands where a console
       * should be is taken for one, so that who opens it says what it is. */
      if (strlen (de->d_name) >= sizeof list->e[0].name
          || (de->d_type != DT_SOCK && de->d_type != DT_REG
              && de->d_type != DT_UNKNOWN
              && !is_console_name (&l->scan->cfg, de->d_name)))
        continue;
      guest_copy (list->e[list->count].name, sizeof list->e[0].name,
                  de->d_name);
      list->e[list->count++].type = de->d_type;
    }
  return 0;
}

static int
entry_type (const struct entries *list, const char *name)
{
  for (unsigned i = 0; i < list->count; i++)
    if (strcmp (list->e[i].name, name) == 0)
      return list->e[i].type;
  return -1;
}

static void
add_endpoints (const struct rundir_look *l, struct guest *g, const char *folder,
               const struct entries *list, const struct qemu_args *args)
{
  const struct rundir_config *cfg = &l->scan->cfg;
  const char *rest = cfg->consoles;
  char name[32];
  int type;

  while (next_name (&rest, name, sizeof name)
         && g->nconsoles < GUEST_MAX_CONSOLES)
    {
      type = entry_type (list, name);
      if (type >= 0)
        add_console (l, g, folder, name, (unsigned char) type, args);
    }
  type = entry_type (list, cfg->monitor);
  /* listener.qmp is its owner's for the guest's whole life. */
  if (type < 0 || type == DT_REG || strcmp (cfg->monitor, "listener.qmp") == 0)
    return;
  if (snprintf (g->monitor_path, sizeof g->monitor_path, "%s/%s", folder,
                cfg->monitor)
      >= (int) sizeof g->monitor_path)
    return;
  g->monitor = MONITOR_UNIX;
  guest_copy (g->monitor_root, sizeof g->monitor_root, cfg->root);
}

/* Where QEMU's options say that the agent's channel is; EVE makes none. */
static void
add_agent (struct guest *g, const char *folder, const struct entries *list,
           const struct qemu_args *args)
{
  char file[sizeof list->e[0].name];

  if (args && qemu_args_agent (args, folder, file, sizeof file)
      && entry_type (list, file) >= 0
      && snprintf (g->agent_path, sizeof g->agent_path, "%s/%s", folder, file)
             < (int) sizeof g->agent_path)
    g->agent = AGENT_UNIX;
}

/* Where its kernel beats: a socket in this folder that its QEMU listens at. */
static void
add_beat (const struct rundir_look *l, struct guest *g, const char *folder,
          const struct entries *list, const struct qemu_args *args)
{
  const char *path = args ? qemu_args_beat (args) : NULL;
  const char *slash = path ? strrchr (path, '/') : NULL;
  int type = slash ? entry_type (list, slash + 1) : -1;

  if (type < 0 || type == DT_REG
      || snprintf (g->beat_path, sizeof g->beat_path, "%s/%s", folder,
                   slash + 1)
             >= (int) sizeof g->beat_path)
    return;
  guest_copy (g->beat_root, sizeof g->beat_root, l->scan->cfg.root);
}

/* ---- one guest ---- */

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

/* A folder that holds nothing of a guest is none. */
static bool
is_guest (const struct rundir_config *cfg, const struct entries *list)
{
  const char *rest = cfg->consoles;
  char name[32];

  while (next_name (&rest, name, sizeof name))
    if (entry_type (list, name) >= 0)
      return true;
  return entry_type (list, cfg->monitor) >= 0;
}

/* A QEMU that ends removes its pid file and its sockets, whoever asked it to.
 * One that is killed by a signal, or aborts, can't. */
static bool
left_behind (const struct rundir_config *cfg, const struct entries *list,
             bool has_pidfile)
{
  return has_pidfile && entry_type (list, cfg->monitor) == DT_SOCK;
}

static void
set_run (struct guest *g, const struct rundir_who *w, bool has_pidfile,
         bool left)
{
  if (w->proc.pid && (w->proc.state == 'T' || w->proc.state == 't'))
    {
      g->run = GUEST_PAUSED;
      snprintf (g->reason, sizeof g->reason, "process-stopped");
    }
  else if (w->proc.pid)
    g->run = GUEST_RUNNING;
  else
    {
      g->run = GUEST_OFF;
      guest_copy (g->reason, sizeof g->reason,
                  left          ? "crashed"
                  : has_pidfile ? "no-process"
                                : "no-pid-file");
    }
}

/* What EVE's state adds to what the process shows. */
static void
refine_run (struct guest *g)
{
  const char *state;
  struct json_object *v = NULL;

  if (!g->labels || !json_object_object_get_ex (g->labels, "eve.state", &v))
    return;
  state = json_object_get_string (v);
  if (g->run == GUEST_OFF && g->intent == INTENT_START)
    g->run = GUEST_STARTING;
  else if (g->run == GUEST_RUNNING && strcmp (state, "HALTING") == 0)
    g->run = GUEST_STOPPING;
  else if (g->run == GUEST_RUNNING && strcmp (state, "BROKEN") == 0)
    g->run = GUEST_CRASHED;
  else
    return;
  guest_copy (g->reason, sizeof g->reason, state);
}

static struct guest *
build_guest (const struct rundir_look *l, struct rundir_folder *f,
             struct rundir_who *w, bool has_pidfile, const struct entries *list)
{
  const char *folder = f->name;
  const struct rundir_config *cfg = &l->scan->cfg;
  struct guest *g = guest_new ();

  if (!g)
    return NULL;
  guest_copy (g->inc.uuid, sizeof g->inc.uuid, f->uuid);
  g->inc.pid = w->proc.pid;
  g->inc.start_time = w->proc.start_time;
  guest_copy (g->name, sizeof g->name, folder);
  guest_copy (g->display, sizeof g->display, folder);
  snprintf (g->source, sizeof g->source, "rundir");
  guest_copy (g->host, sizeof g->host, cfg->root);
  set_run (g, w, has_pidfile, left_behind (cfg, list, has_pidfile));
  g->intent = INTENT_RUN;
  if (w->args)
    {
      read_config_file (l, w->args);
      qemu_args_fill (w->args, g);
    }
  add_endpoints (l, g, folder, list, w->args);
  add_agent (g, folder, list, w->args);
  add_beat (l, g, folder, list, w->args);
  if (cfg->eve[0]
      && eve_join (l->scan->opener, cfg->eve, l->deadline, &f->orders, g, NULL)
             > 0)
    refine_run (g);
  return g;
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
  struct entries *list CLEANUP_FREE = calloc (1, sizeof *list);
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
  r = read_entries (l, name, list, NULL);
  if (r < 0)
    {
      f->blind = r != -ENOENT && known && known->uuid[0] && w.proc.pid
                 && w.proc.pid == known->pid;
      if (f->blind)
        guest_copy (f->uuid, sizeof f->uuid, known->uuid);
      return 0; /* else it went away while we looked: the next scan tells */
    }
  if (!named && !w.proc.pid && !has_pidfile && !is_guest (&s->cfg, list))
    return 0;
  find_uuid (&s->cfg, name, known, &w, uuid);
  guest_copy (f->uuid, sizeof f->uuid, uuid);
  if (known && known->pid == f->pid && known->start_time == f->start_time)
    f->orders = known->orders;
  g = build_guest (l, f, &w, has_pidfile, list);
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
  dir = list_folder (&l, ".", &r, &s->why);
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
