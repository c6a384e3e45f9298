/* SPDX-License-Identifier: Apache-2.0
 *
 * What a domain's XML and state say, in our words.
 */
#include "guests/virt_domain.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "guests/qemu.h"
#include "guests/xml.h"

#include <json-c/json.h>
#include <libvirt/libvirt.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LABELS 32

/* A <serial>, <console>, <disk>, <interface> or <channel> while its element
 * is open. */
struct device
{
  char type[32], alias[64], target[64], target_name[128];
  char path[256], mode[16], state[16], mac[18], iobase[16];
  char bridge[32];
  /* Of a disk that somebody serves. */
  char protocol[16], server[128], port[16], socket[160];
};

/* All <qemu:arg> of a domain, each with its NUL, as on a command line. */
#define MAX_ARGS (16u << 10)

struct reading
{
  struct xml x;
  struct guest *g;
  struct device dev;
  char unit[16], label_key[64];
  unsigned nlabels;
  char *args;
  size_t args_len;
  bool active, local;
  enum console_mode mode;
};

/* ---- consoles ---- */

static bool
has_console (const struct guest *g, const char *name)
{
  return guest_console_find (g, name) != NULL;
}

/* Splits at the last slash; "/dev/pts/4" is "/dev/pts" and "4". */
static bool
split_path (struct guest_console *c, const char *path)
{
  const char *slash = strrchr (path, '/');

  if (path[0] != '/' || !slash || slash == path || !slash[1]
      || (size_t) (slash - path) >= sizeof c->root)
    return false;
  memcpy (c->root, path, (size_t) (slash - path));
  c->root[slash - path] = '\0';
  guest_copy (c->path, sizeof c->path, slash + 1);
  return true;
}

/* Where its kernel beats; firmware talks at another such port. */
static void
add_beat (struct reading *r)
{
  const struct device *d = &r->dev;
  struct guest_console at = { .kind = CONSOLE_UNIX };

  if (!r->active || !r->local || strcmp (d->type, "unix") != 0
      || strcmp (d->mode, "connect") == 0
      || strtoul (d->iobase, NULL, 0) != GUEST_BEAT_PORT
      || !split_path (&at, d->path))
    return;
  guest_copy (r->g->beat_root, sizeof r->g->beat_root, at.root);
  guest_copy (r->g->beat_path, sizeof r->g->beat_path, at.path);
}

/* The same by the options that libvirt hands through. */
static void
add_arg (struct reading *r)
{
  char value[1024];

  if (!xml_attr (&r->x, "value", value, sizeof value))
    return;
  if (!r->args)
    {
      r->args = malloc (MAX_ARGS);
      r->args_len = r->args ? (size_t) snprintf (r->args, MAX_ARGS, "kvm") + 1
                            : 0;
    }
  if (r->args && r->args_len + strlen (value) < MAX_ARGS)
    {
      memcpy (r->args + r->args_len, value, strlen (value) + 1);
      r->args_len += strlen (value) + 1;
    }
}

static void
look_for_beat (struct reading *r)
{
  CLEANUP_QEMU_ARGS struct qemu_args *args = NULL;
  struct guest_console at = { .kind = CONSOLE_UNIX };
  const char *path;

  if (!r->active || !r->local || !r->args || r->g->beat_path[0]
      || qemu_args_parse (r->args, r->args_len, &args, NULL) < 0)
    return;
  path = qemu_args_beat (args);
  if (!path || !split_path (&at, path))
    return;
  guest_copy (r->g->beat_root, sizeof r->g->beat_root, at.root);
  guest_copy (r->g->beat_path, sizeof r->g->beat_path, at.path);
}

static bool
place_console (const struct reading *r, const struct device *d,
               struct guest_console *c)
{
  c->mode = r->mode;
  if (!r->local)
    {
      /* libvirt streams it to us by its alias, if it is a pty there. */
      c->kind = CONSOLE_STREAM;
      guest_copy (c->path, sizeof c->path, d->alias);
      return strcmp (d->type, "pty") == 0;
    }
  if (strcmp (d->type, "pty") == 0)
    c->kind = CONSOLE_PTY;
  else if (strcmp (d->type, "unix") == 0 && strcmp (d->mode, "connect") != 0)
    c->kind = CONSOLE_UNIX;
  else if (strcmp (d->type, "file") == 0)
    {
      c->kind = CONSOLE_LOG;
      c->mode = CONSOLE_TAIL;
    }
  else
    return false;
  return split_path (c, d->path);
}

/* <serial>, and those <console> that are not the first serial once more:
 * libvirt lists it twice, for old clients. */
static void
add_console (struct reading *r, bool is_serial)
{
  const struct device *d = &r->dev;
  struct guest *g = r->g;
  struct guest_console c = { .device = CONSOLE_DEV_UNKNOWN };

  if (!r->active || !d->alias[0] || g->nconsoles == GUEST_MAX_CONSOLES
      || (!is_serial && strcmp (d->target, "serial") == 0 && g->nconsoles)
      || has_console (g, d->alias))
    return;
  guest_copy (c.name, sizeof c.name, d->alias);
  if (snprintf (c.alias, sizeof c.alias, "char%s", d->alias)
      >= (int) sizeof c.alias)
    return;
  if (is_serial || strcmp (d->target, "serial") == 0)
    c.device = CONSOLE_DEV_SERIAL;
  else if (strcmp (d->target, "virtio") == 0)
    c.device = CONSOLE_DEV_VIRTIO;
  if (place_console (r, d, &c))
    g->consoles[g->nconsoles++] = c;
}

/* ---- the others ---- */

/* As QEMU spells it, and as it is in a guest that libvirt has not made. */
static void
served_path (const struct device *d, char *dst, size_t n)
{
  char path[512];

  if (d->socket[0])
    snprintf (path, sizeof path, "%s+unix:///%s?socket=%s", d->protocol,
              d->path, d->socket);
  else
    snprintf (path, sizeof path, "%s://%s%s%s/%s", d->protocol, d->server,
              d->port[0] ? ":" : "", d->port, d->path);
  guest_copy (dst, n, path);
}

static void
add_disk (struct reading *r)
{
  struct guest *g = r->g;
  struct guest_disk *disk = &g->disks[g->ndisks];

  if (g->ndisks == GUEST_MAX_DISKS || !r->dev.target_name[0])
    return;
  guest_copy (disk->target, sizeof disk->target, r->dev.target_name);
  if (r->dev.protocol[0])
    served_path (&r->dev, disk->path, sizeof disk->path);
  else
    guest_copy (disk->path, sizeof disk->path, r->dev.path);
  g->ndisks++;
}

static void
add_nic (struct reading *r)
{
  struct guest *g = r->g;
  struct guest_nic *nic = &g->nics[g->nnics];

  if (g->nnics == GUEST_MAX_NICS || !r->dev.mac[0])
    return;
  guest_copy (nic->mac, sizeof nic->mac, r->dev.mac);
  guest_copy (nic->ifname, sizeof nic->ifname, r->dev.target_name);
  guest_copy (nic->bridge, sizeof nic->bridge, r->dev.bridge);
  g->nnics++;
}

static void
add_label (struct reading *r, const char *key, const char *value)
{
  if (!key[0] || r->nlabels == MAX_LABELS)
    return;
  if (!r->g->labels)
    r->g->labels = json_object_new_object ();
  r->nlabels++;
  json_add_text (r->g->labels, key, value, strlen (value));
}

static void
add_channel (struct reading *r)
{
  if (!r->active || strcmp (r->dev.target_name, AGENT_PORT) != 0)
    return;
  add_label (r, "agent", r->dev.state[0] ? r->dev.state : "unknown");
  r->g->agent = AGENT_LIBVIRT;
}

static uint64_t
to_bytes (const char *number, const char *unit)
{
  static const struct
  {
    const char *unit;
    uint64_t factor;
  } units[] = {
    { "", 1024 },        { "KiB", 1024 },       { "k", 1024 },
    { "b", 1 },          { "bytes", 1 },        { "KB", 1000 },
    { "M", 1u << 20 },   { "MiB", 1u << 20 },   { "MB", 1000000 },
    { "G", 1u << 30 },   { "GiB", 1u << 30 },   { "GB", 1000000000 },
    { "T", 1ull << 40 }, { "TiB", 1ull << 40 }, { "TB", 1000000000000 },
  };
  unsigned long long v = strtoull (number, NULL, 10);

  for (unsigned i = 0; i < ARRAY_LEN (units); i++)
    if (strcmp (units[i].unit, unit) == 0)
      return v > UINT64_MAX / units[i].factor ? 0 : v * units[i].factor;
  return 0;
}

/* ---- reading ---- */

static bool
is_device (const struct reading *r)
{
  return r->x.depth == 3 && xml_is (&r->x, "domain/devices/*");
}

/* Inside of a device: its <source>, <target>, <alias>, <mac>. */
static void
open_part (struct reading *r)
{
  static const char *const sources[] = { "path", "file", "dev", "name", "dir" };
  const struct xml *x = &r->x;
  struct device *d = &r->dev;

  if (xml_is (x, "domain/devices/*/source"))
    {
      xml_attr (x, "mode", d->mode, sizeof d->mode);
      xml_attr (x, "bridge", d->bridge, sizeof d->bridge);
      xml_attr (x, "protocol", d->protocol, sizeof d->protocol);
      for (unsigned i = 0; i < ARRAY_LEN (sources) && !d->path[0]; i++)
        xml_attr (x, sources[i], d->path, sizeof d->path);
    }
  else if (xml_is (x, "domain/devices/*/source/host"))
    {
      xml_attr (x, "name", d->server, sizeof d->server);
      xml_attr (x, "port", d->port, sizeof d->port);
      xml_attr (x, "socket", d->socket, sizeof d->socket);
    }
  else if (xml_is (x, "domain/devices/*/target"))
    {
      xml_attr (x, "type", d->target, sizeof d->target);
      xml_attr (x, "state", d->state, sizeof d->state);
      if (!xml_attr (x, "dev", d->target_name, sizeof d->target_name))
        xml_attr (x, "name", d->target_name, sizeof d->target_name);
    }
  else if (xml_is (x, "domain/devices/*/alias"))
    xml_attr (x, "name", d->alias, sizeof d->alias);
  else if (xml_is (x, "domain/devices/*/mac"))
    xml_attr (x, "address", d->mac, sizeof d->mac);
  else if (xml_is (x, "domain/devices/*/address"))
    xml_attr (x, "iobase", d->iobase, sizeof d->iobase);
}

/* The local part of the innermost name: "hd:label" is "label". */
static bool
local_name_is (const struct xml *x, const char *name)
{
  const struct xml_span *s = &x->path[x->depth - 1];
  size_t n = strlen (name);

  return s->len >= n && memcmp (s->p + s->len - n, name, n) == 0
         && (s->len == n || s->p[s->len - n - 1] == ':');
}

/* <metadata> may hold anything; these we know: <x:label name="k">v</x:label>
 * of anybody, libosinfo's <os id="...">, OpenStack's <nova:name>. */
static void
open_metadata (struct reading *r)
{
  const struct xml *x = &r->x;
  char id[128];

  r->label_key[0] = '\0';
  if (local_name_is (x, "label"))
    {
      if (!xml_attr (x, "name", r->label_key, sizeof r->label_key))
        xml_attr (x, "key", r->label_key, sizeof r->label_key);
    }
  else if (local_name_is (x, "os") && xml_attr (x, "id", id, sizeof id))
    add_label (r, "os", id);
  else if (xml_name_is (x, "nova:name"))
    guest_copy (r->label_key, sizeof r->label_key, "nova.name");
}

/* What it was started as. */
static void
open_machine (struct reading *r)
{
  const struct xml *x = &r->x;
  struct guest *g = r->g;
  char type[16];

  if (xml_is (x, "domain") && xml_attr (x, "type", type, sizeof type))
    /* "qemu": without any that is faster. */
    guest_copy (g->accel, sizeof g->accel,
                strcmp (type, "qemu") == 0 ? "tcg" : type);
  else if (xml_is (x, "domain/os/type"))
    xml_attr (x, "machine", g->machine, sizeof g->machine);
  else if (xml_is (x, "domain/cpu"))
    xml_attr (x, "mode", g->cpu, sizeof g->cpu);
}

static bool
in_metadata (const struct reading *r)
{
  return r->x.depth > 2 && r->x.path[1].len == 8
         && memcmp (r->x.path[1].p, "metadata", 8) == 0;
}

static void
on_open (struct reading *r)
{
  const struct xml *x = &r->x;
  char current[16];

  if (is_device (r))
    {
      memset (&r->dev, 0, sizeof r->dev);
      xml_attr (x, "type", r->dev.type, sizeof r->dev.type);
    }
  else if (xml_is (x, "domain/devices/*/source/host")
           || (x->depth == 4 && xml_is (x, "domain/devices/*/*")))
    open_part (r);
  else if (xml_is (x, "domain/qemu:commandline/qemu:arg"))
    add_arg (r);
  else if (xml_is (x, "domain/memory"))
    xml_attr (x, "unit", r->unit, sizeof r->unit);
  else if (xml_is (x, "domain/vcpu")
           && xml_attr (x, "current", current, sizeof current))
    r->g->vcpus = (unsigned) strtoul (current, NULL, 10);
  else if (in_metadata (r))
    open_metadata (r);
  else
    open_machine (r);
}

static void
on_text (struct reading *r)
{
  const struct xml *x = &r->x;
  struct guest *g = r->g;
  char text[256];

  xml_text (x, text, sizeof text);
  if (xml_is (x, "domain/name"))
    guest_copy (g->name, sizeof g->name, text);
  else if (xml_is (x, "domain/uuid"))
    uuid_copy (g->inc.uuid, text);
  else if (xml_is (x, "domain/title"))
    guest_copy (g->display, sizeof g->display, text);
  else if (xml_is (x, "domain/memory"))
    g->memory_bytes = to_bytes (text, r->unit);
  else if (xml_is (x, "domain/vcpu") && g->vcpus == 0)
    g->vcpus = (unsigned) strtoul (text, NULL, 10);
  else if (xml_is (x, "domain/cpu/model"))
    guest_copy (g->cpu, sizeof g->cpu, text);
  else if (in_metadata (r) && r->label_key[0])
    add_label (r, r->label_key, text);
}

static void
on_close (struct reading *r)
{
  const struct xml *x = &r->x;

  if (in_metadata (r))
    r->label_key[0] = '\0';
  if (!is_device (r))
    return;
  if (strcmp (r->dev.target, "isa-debug") == 0)
    add_beat (r);
  else if (xml_name_is (x, "serial"))
    add_console (r, true);
  else if (xml_name_is (x, "console"))
    add_console (r, false);
  else if (xml_name_is (x, "disk"))
    add_disk (r);
  else if (xml_name_is (x, "interface"))
    add_nic (r);
  else if (xml_name_is (x, "channel"))
    add_channel (r);
}

int
virt_domain_from_xml (struct guest *g, const char *xml, size_t len, bool active,
                      bool local, enum console_mode mode, struct error *err)
{
  struct reading r = { .g = g, .active = active, .local = local, .mode = mode };
  int ev;

  ev = xml_init (&r.x, xml, len, err);
  if (ev < 0)
    return ev;
  while ((ev = xml_next (&r.x, err)) > 0)
    switch (ev)
      {
      case XML_OPEN:
        on_open (&r);
        break;
      case XML_TEXT:
        on_text (&r);
        break;
      case XML_CLOSE:
        on_close (&r);
        break;
      }
  if (ev == 0)
    look_for_beat (&r);
  free (r.args);
  if (ev < 0)
    return ev;
  if (!g->inc.uuid[0] || !g->name[0])
    return error_set (err, EINVAL, "a domain without name or uuid");
  if (!g->display[0])
    guest_copy (g->display, sizeof g->display, g->name);
  return 0;
}

/* ---- state ---- */

struct state
{
  int reason; /* -1: any other */
  enum guest_run run;
  enum guest_intent intent;
  const char *text;
};

static const struct state running[] = {
  { VIR_DOMAIN_RUNNING_POSTCOPY, GUEST_RUNNING, INTENT_MIGRATE, "postcopy" },
  { VIR_DOMAIN_RUNNING_CRASHED, GUEST_CRASHED, INTENT_RUN, "panicked" },
  { -1, GUEST_RUNNING, INTENT_RUN, "" },
};

static const struct state paused[] = {
  { VIR_DOMAIN_PAUSED_USER, GUEST_PAUSED, INTENT_PAUSE, "user" },
  { VIR_DOMAIN_PAUSED_MIGRATION, GUEST_PAUSED, INTENT_MIGRATE, "migration" },
  { VIR_DOMAIN_PAUSED_POSTCOPY, GUEST_PAUSED, INTENT_MIGRATE, "postcopy" },
  { VIR_DOMAIN_PAUSED_POSTCOPY_FAILED, GUEST_CRASHED, INTENT_MIGRATE,
    "postcopy-failed" },
  { VIR_DOMAIN_PAUSED_SAVE, GUEST_PAUSED, INTENT_SAVE, "save" },
  { VIR_DOMAIN_PAUSED_DUMP, GUEST_PAUSED, INTENT_SAVE, "dump" },
  { VIR_DOMAIN_PAUSED_SNAPSHOT, GUEST_PAUSED, INTENT_SAVE, "snapshot" },
  { VIR_DOMAIN_PAUSED_FROM_SNAPSHOT, GUEST_PAUSED, INTENT_PAUSE,
    "from-snapshot" },
  { VIR_DOMAIN_PAUSED_IOERROR, GUEST_CRASHED, INTENT_RUN, "io-error" },
  { VIR_DOMAIN_PAUSED_WATCHDOG, GUEST_PAUSED, INTENT_RUN, "watchdog" },
  { VIR_DOMAIN_PAUSED_CRASHED, GUEST_CRASHED, INTENT_RUN, "panicked" },
  { VIR_DOMAIN_PAUSED_SHUTTING_DOWN, GUEST_STOPPING, INTENT_STOP,
    "shutting-down" },
  { VIR_DOMAIN_PAUSED_STARTING_UP, GUEST_STARTING, INTENT_START,
    "starting-up" },
  { -1, GUEST_PAUSED, INTENT_RUN, "unknown" },
};

static const struct state off[] = {
  { VIR_DOMAIN_SHUTOFF_SHUTDOWN, GUEST_OFF, INTENT_STOP, "shutdown" },
  { VIR_DOMAIN_SHUTOFF_DESTROYED, GUEST_OFF, INTENT_STOP, "destroyed" },
  { VIR_DOMAIN_SHUTOFF_MIGRATED, GUEST_OFF, INTENT_MIGRATE, "migrated" },
  { VIR_DOMAIN_SHUTOFF_SAVED, GUEST_OFF, INTENT_SAVE, "saved" },
  { VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT, GUEST_OFF, INTENT_STOP, "from-snapshot" },
  /* These nobody has asked for. */
  { VIR_DOMAIN_SHUTOFF_CRASHED, GUEST_OFF, INTENT_RUN, "crashed" },
  { VIR_DOMAIN_SHUTOFF_FAILED, GUEST_OFF, INTENT_RUN, "failed" },
  { VIR_DOMAIN_SHUTOFF_DAEMON, GUEST_OFF, INTENT_RUN, "daemon" },
  /* Defined, and not started since libvirt came up. */
  { -1, GUEST_OFF, INTENT_STOP, "" },
};

static const struct state stopping[]
    = { { -1, GUEST_STOPPING, INTENT_STOP, "shutdown" } };
static const struct state crashed[]
    = { { -1, GUEST_CRASHED, INTENT_RUN, "panicked" } };
static const struct state suspended[]
    = { { -1, GUEST_PAUSED, INTENT_PAUSE, "pm-suspended" } };
static const struct state unknown[] = { { -1, GUEST_UNKNOWN, INTENT_RUN, "" } };

void
virt_domain_set_state (struct guest *g, int state, int reason)
{
  static const struct state *const tables[] = {
    [VIR_DOMAIN_NOSTATE] = unknown,   [VIR_DOMAIN_RUNNING] = running,
    [VIR_DOMAIN_BLOCKED] = running,   [VIR_DOMAIN_PAUSED] = paused,
    [VIR_DOMAIN_SHUTDOWN] = stopping, [VIR_DOMAIN_SHUTOFF] = off,
    [VIR_DOMAIN_CRASHED] = crashed,   [VIR_DOMAIN_PMSUSPENDED] = suspended,
  };
  const struct state *s = unknown;

  if (state >= 0 && state < (int) ARRAY_LEN (tables))
    s = tables[state];
  while (s->reason != -1 && s->reason != reason)
    s++;
  g->run = s->run;
  g->intent = s->intent;
  guest_copy (g->reason, sizeof g->reason, s->text);
  if (s->intent != INTENT_RUN)
    snprintf (g->intent_from, sizeof g->intent_from, "libvirt: %s", s->text);
  else
    guest_copy (g->intent_from, sizeof g->intent_from, "libvirt");
}
