/* SPDX-License-Identifier: Apache-2.0
 *
 * Which device a console of QEMU's is, by its options; and where the guest
 * agent's channel is.
 */
#include "guests/qemu_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HUB_DEPTH 4

/* True if path ends in FOLDER/FILE. */
static bool
is_path (const char *path, const char *folder, const char *file)
{
  size_t lp = strlen (path), lf = strlen (file), ld = strlen (folder);

  return lp >= lf + ld + 1 && strcmp (path + lp - lf, file) == 0
         && path[lp - lf - 1] == '/'
         && strncmp (path + lp - lf - 1 - ld, folder, ld) == 0
         && (lp == lf + ld + 1 || path[lp - lf - ld - 2] == '/');
}

static bool
ends_with_chardev (const char *value, const char *id)
{
  const char *p = value ? strstr (value, "chardev:") : NULL;

  return p && strcmp (p + 8, id) == 0;
}

/* Which kinds of front end chardev `id` has; follows hubs, which spread one
 * front end over several chardevs. */
static void
find_frontends (const struct qemu_args *a, const char *id, int depth,
                bool *serial, bool *virtio)
{
  for (unsigned i = 0; i < a->ngroups && depth < MAX_HUB_DEPTH; i++)
    {
      const struct qemu_group *g = &a->groups[i];
      const char *driver = qemu_group_get_ (a, g, "driver");
      const char *chardev = qemu_group_get_ (a, g, "chardev");

      if (strcmp (g->kind, "serial") == 0
          && ends_with_chardev (qemu_group_get_ (a, g, ""), id))
        *serial = true;
      if (strcmp (g->kind, "device") == 0 && driver && chardev
          && strcmp (chardev, id) == 0)
        {
          if (strcmp (driver, "virtconsole") == 0)
            *virtio = true;
          else if (strcmp (driver, "virtserialport") != 0)
            *serial = true; /* isa-serial, pci-serial, spapr-vty, ... */
        }
      if (strcmp (g->kind, "chardev") == 0)
        for (unsigned k = 0; k < g->count; k++)
          if (strncmp (a->pairs[g->first + k].key, "chardevs.", 9) == 0
              && strcmp (a->pairs[g->first + k].value, id) == 0)
            find_frontends (a, g->id, depth + 1, serial, virtio);
    }
}

static bool
console_of_chardev (const struct qemu_args *a, const char *folder,
                    const char *file, struct guest_console *c)
{
  for (unsigned i = 0; i < a->ngroups; i++)
    {
      const struct qemu_group *g = &a->groups[i];
      const char *path = qemu_group_get_ (a, g, "path");
      const char *mux = qemu_group_get_ (a, g, "mux");
      bool serial = false, virtio = false;

      if (strcmp (g->kind, "chardev") != 0 || !path
          || !is_path (path, folder, file))
        continue;
      find_frontends (a, g->id, 0, &serial, &virtio);
      c->muxed = mux && strcmp (mux, "on") == 0;
      c->device = serial && virtio ? CONSOLE_DEV_MUX
                  : virtio         ? CONSOLE_DEV_VIRTIO
                  : serial         ? CONSOLE_DEV_SERIAL
                                   : CONSOLE_DEV_UNKNOWN;
      guest_copy (c->alias, sizeof c->alias, g->id);
      return true;
    }
  return false;
}

/* "-serial unix:PATH,server": QEMU names that chardev serial0, serial1... */
static bool
console_of_serial (const struct qemu_args *a, const char *folder,
                   const char *file, struct guest_console *c)
{
  unsigned n = 0;

  for (unsigned i = 0; i < a->ngroups; i++)
    {
      const struct qemu_group *g = &a->groups[i];
      const char *value = qemu_group_get_ (a, g, "");
      const char *mon = value && strncmp (value, "mon:", 4) == 0 ? "mon:" : "";

      if (strcmp (g->kind, "serial") != 0)
        continue;
      n++;
      if (!value || strncmp (value + strlen (mon), "unix:", 5) != 0
          || !is_path (value + strlen (mon) + 5, folder, file))
        continue;
      c->device = CONSOLE_DEV_SERIAL;
      c->muxed = mon[0] != '\0';
      snprintf (c->alias, sizeof c->alias, "serial%u", n - 1);
      return true;
    }
  return false;
}

static bool
is_beat_port (const struct qemu_args *a, const struct qemu_group *g)
{
  const char *driver = qemu_group_get_ (a, g, "driver");
  const char *port = qemu_group_get_ (a, g, "iobase");

  return strcmp (g->kind, "device") == 0 && driver && port
         && strcmp (driver, "isa-debugcon") == 0
         && strtoul (port, NULL, 0) == GUEST_BEAT_PORT;
}

const char *
qemu_args_beat (const struct qemu_args *a)
{
  const char *chardev = NULL, *backend;

  for (unsigned i = 0; i < a->ngroups && !chardev; i++)
    if (is_beat_port (a, &a->groups[i]))
      chardev = qemu_group_get_ (a, &a->groups[i], "chardev");
  for (unsigned i = 0; i < a->ngroups && chardev; i++)
    {
      const struct qemu_group *g = &a->groups[i];

      if (strcmp (g->kind, "chardev") != 0 || strcmp (g->id, chardev) != 0)
        continue;
      backend = qemu_group_get_ (a, g, "backend");
      return backend && strcmp (backend, "socket") == 0
                 ? qemu_group_get_ (a, g, "path")
                 : NULL;
    }
  return NULL;
}

bool
qemu_args_console (const struct qemu_args *a, const char *folder,
                   const char *file, struct guest_console *c)
{
  return console_of_chardev (a, folder, file, c)
         || console_of_serial (a, folder, file, c);
}

/* ---- the agent ---- */

static const char *
path_of_chardev (const struct qemu_args *a, const char *id)
{
  for (unsigned i = 0; i < a->ngroups; i++)
    if (strcmp (a->groups[i].kind, "chardev") == 0
        && strcmp (a->groups[i].id, id) == 0)
      return qemu_group_get_ (a, &a->groups[i], "path");
  return NULL;
}

bool
qemu_args_agent (const struct qemu_args *a, const char *folder, char *file,
                 size_t n)
{
  for (unsigned i = 0; i < a->ngroups; i++)
    {
      const struct qemu_group *g = &a->groups[i];
      const char *name = qemu_group_get_ (a, g, "name");
      const char *chardev = qemu_group_get_ (a, g, "chardev");
      const char *path, *slash;

      if (strcmp (g->kind, "device") != 0 || !name || !chardev
          || strcmp (name, AGENT_PORT) != 0)
        continue;
      path = path_of_chardev (a, chardev);
      slash = path ? strrchr (path, '/') : NULL;
      if (!slash || strlen (slash + 1) >= n
          || !is_path (path, folder, slash + 1))
        continue;
      guest_copy (file, n, slash + 1);
      return true;
    }
  return false;
}
