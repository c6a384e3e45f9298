/* SPDX-License-Identifier: Apache-2.0
 *
 * What one folder of a run directory shows of its guest: sockets, logs, and
 * how it is.
 */
#include "guests/rundir.h"

#include "base/cleanup.h"
#include "base/opener.h"

#include <dirent.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define MAX_READCONFIG (64u << 10)

/* ---- what is in the folder ---- */

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

int
rundir_entries_read (const struct rundir_look *l, const char *folder,
                     struct rundir_entries *list, struct error *err)
{
  int r = 0;
  DIR *dir CLEANUP_CLOSEDIR = rundir_list (l, folder, &r, err);
  struct dirent *de;

  if (!dir)
    return r;
  while ((de = readdir (dir)) && list->count < RUNDIR_MAX_ENTRIES)
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
entry_type (const struct rundir_entries *list, const char *name)
{
  for (unsigned i = 0; i < list->count; i++)
    if (strcmp (list->e[i].name, name) == 0)
      return list->e[i].type;
  return -1;
}

static void
add_endpoints (const struct rundir_look *l, struct guest *g, const char *folder,
               const struct rundir_entries *list, const struct qemu_args *args)
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
add_agent (struct guest *g, const char *folder,
           const struct rundir_entries *list, const struct qemu_args *args)
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
          const struct rundir_entries *list, const struct qemu_args *args)
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

bool
rundir_is_guest (const struct rundir_config *cfg,
                 const struct rundir_entries *list)
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
left_behind (const struct rundir_config *cfg, const struct rundir_entries *list,
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

struct guest *
rundir_guest (const struct rundir_look *l, struct rundir_folder *f,
              struct rundir_who *w, bool has_pidfile,
              const struct rundir_entries *list)
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
