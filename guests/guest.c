/* SPDX-License-Identifier: Apache-2.0
 *
 * Snapshots of guests: counted, compared, printed.
 */
#include "guests/guest.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const guest_run_names[] = {
  [GUEST_UNKNOWN] = "unknown",   [GUEST_RUNNING] = "running",
  [GUEST_PAUSED] = "paused",     [GUEST_STARTING] = "starting",
  [GUEST_STOPPING] = "stopping", [GUEST_OFF] = "off",
  [GUEST_CRASHED] = "crashed",   [GUEST_RUN_MAX] = NULL,
};

const char *const guest_intent_names[] = {
  [INTENT_RUN] = "run",         [INTENT_START] = "start",
  [INTENT_PAUSE] = "pause",     [INTENT_STOP] = "stop",
  [INTENT_RESTART] = "restart", [INTENT_MIGRATE] = "migrate",
  [INTENT_SAVE] = "save",       [INTENT_HANDS_OFF] = "hands-off",
  [INTENT_MAX] = NULL,
};

const char *const boot_by_names[] = {
  [BOOT_BY_NOBODY] = "nobody", [BOOT_BY_TEXT] = "text",
  [BOOT_BY_MEMORY] = "memory", [BOOT_BY_BOTH] = "text and memory",
  [BOOT_BY_UPTIME] = "uptime", [BOOT_BY_RESET] = "reset",
  [BOOT_BY_START] = "start",   [BOOT_BY_MAX] = NULL,
};

bool
boot_is_suspected (enum boot_by by)
{
  return by == BOOT_BY_TEXT || by == BOOT_BY_MEMORY;
}

const char *const console_kind_names[] = {
  [CONSOLE_UNIX] = "unix",     [CONSOLE_PTY] = "pty",
  [CONSOLE_STREAM] = "stream", [CONSOLE_LOG] = "log",
  [CONSOLE_KIND_MAX] = NULL,
};

const char *const console_mode_names[] = {
  [CONSOLE_HOLD] = "hold",
  [CONSOLE_PROBE] = "probe",
  [CONSOLE_TAIL] = "tail",
  [CONSOLE_MODE_MAX] = NULL,
};

const char *const console_device_names[] = {
  [CONSOLE_DEV_UNKNOWN] = "unknown",
  [CONSOLE_DEV_SERIAL] = "serial",
  [CONSOLE_DEV_VIRTIO] = "virtio",
  [CONSOLE_DEV_MUX] = "mux",
  NULL,
};

static const char *const monitor_kind_names[] = {
  [MONITOR_NONE] = "none",
  [MONITOR_UNIX] = "unix",
  [MONITOR_LIBVIRT] = "libvirt",
};

static const char *const agent_kind_names[] = {
  [AGENT_NONE] = "none",
  [AGENT_UNIX] = "unix",
  [AGENT_LIBVIRT] = "libvirt",
};

/* One allocation: the count, the snapshot, and behind it the parts. */
struct guest_box
{
  atomic_uint refs;
  struct guest guest;
  max_align_t parts[];
};

static struct guest *
new_with_room (unsigned nconsoles, unsigned nnics, unsigned ndisks)
{
  size_t consoles = nconsoles * sizeof (struct guest_console);
  size_t nics = nnics * sizeof (struct guest_nic);
  size_t disks = ndisks * sizeof (struct guest_disk);
  struct guest_box *box = calloc (1, sizeof *box + consoles + nics + disks);
  char *parts;

  if (!box)
    return NULL;
  /* Texts alone but for the consoles, which come first: all is aligned. */
  parts = (char *) box->parts;
  box->guest.consoles = (void *) parts;
  box->guest.nics = (void *) (parts + consoles);
  box->guest.disks = (void *) (parts + consoles + nics);
  atomic_init (&box->refs, 1);
  return &box->guest;
}

struct guest *
guest_new (void)
{
  return new_with_room (GUEST_MAX_CONSOLES, GUEST_MAX_NICS, GUEST_MAX_DISKS);
}

static struct guest_box *
guest_box (const struct guest *g)
{
  return container_of (g, struct guest_box, guest);
}

/* All but where the parts are. */
static void
copy_content (struct guest *dst, const struct guest *src)
{
  struct guest room = *dst;

  *dst = *src;
  dst->consoles = room.consoles;
  dst->nics = room.nics;
  dst->disks = room.disks;
  for (unsigned i = 0; i < src->nconsoles; i++)
    dst->consoles[i] = src->consoles[i];
  for (unsigned i = 0; i < src->nnics; i++)
    dst->nics[i] = src->nics[i];
  for (unsigned i = 0; i < src->ndisks; i++)
    dst->disks[i] = src->disks[i];
}

/* With room for all parts: a clone is made to be changed. */
struct guest *
guest_clone (const struct guest *g)
{
  struct guest *copy = guest_new ();

  if (!copy)
    return NULL;
  copy_content (copy, g);
  copy->labels = NULL;
  /* The count of references in json-c is not atomic. */
  if (g->labels)
    json_object_deep_copy (g->labels, &copy->labels, NULL);
  return copy;
}

struct guest *
guest_seal (struct guest *g)
{
  struct guest *fit = new_with_room (g->nconsoles, g->nnics, g->ndisks);

  if (!fit)
    return g;
  /* The labels move along: g's own reference is not given back. */
  copy_content (fit, g);
  free (guest_box (g));
  return fit;
}

struct guest *
guest_ref (const struct guest *g)
{
  struct guest_box *box = guest_box (g);

  /* Relaxed: whoever takes a reference has one already, so nothing can be
   * freed meanwhile; giving it back is what orders. */
  atomic_fetch_add_explicit (&box->refs, 1, memory_order_relaxed);
  return &box->guest;
}

void
guest_unref (const struct guest *g)
{
  struct guest_box *box;

  if (!g)
    return;
  box = guest_box (g);
  if (atomic_fetch_sub_explicit (&box->refs, 1, memory_order_acq_rel) != 1)
    return;
  json_object_put (box->guest.labels);
  free (box);
}

const char *
guest_mend_console (const struct guest *g, char *dst, size_t n)
{
  if (strcmp (g->source, "libvirt") != 0)
    return NULL;
  snprintf (dst, n,
            "virsh -c '%s' attach-device %s --config /dev/stdin "
            "<<<\"<serial type='pty'/>\"",
            g->host, g->inc.uuid);
  return dst;
}

void
guest_copy (char *dst, size_t n, const char *s)
{
  size_t len = strnlen (s, n - 1);

  /* The texts in a snapshot are compared and copied with themselves. */
  memmove (dst, s, len);
  dst[len] = '\0';
}

/* ---- comparing ---- */

/* Field by field, not memcmp: what is behind a string's NUL and between the
 * members says nothing about the guest. */
#define SAME_TEXT(member) (strcmp (a->member, b->member) == 0)

static bool
same_console (const struct guest_console *a, const struct guest_console *b)
{
  return SAME_TEXT (name) && SAME_TEXT (alias) && a->kind == b->kind
         && a->mode == b->mode && a->device == b->device && a->muxed == b->muxed
         && SAME_TEXT (root) && SAME_TEXT (path);
}

static bool
same_nic (const struct guest_nic *a, const struct guest_nic *b)
{
  return SAME_TEXT (mac) && SAME_TEXT (ifname) && SAME_TEXT (bridge)
         && SAME_TEXT (ip) && SAME_TEXT (ip2) && SAME_TEXT (ip_from)
         && SAME_TEXT (refused) && SAME_TEXT (lease)
         && a->lease_until_s == b->lease_until_s
         && a->lease_gone == b->lease_gone;
}

static bool
same_disk (const struct guest_disk *a, const struct guest_disk *b)
{
  return SAME_TEXT (target) && SAME_TEXT (path);
}

static bool
same_parts (const struct guest *a, const struct guest *b)
{
  if (a->nconsoles != b->nconsoles || a->nnics != b->nnics
      || a->ndisks != b->ndisks)
    return false;
  for (unsigned i = 0; i < a->nconsoles; i++)
    if (!same_console (&a->consoles[i], &b->consoles[i]))
      return false;
  for (unsigned i = 0; i < a->nnics; i++)
    if (!same_nic (&a->nics[i], &b->nics[i]))
      return false;
  for (unsigned i = 0; i < a->ndisks; i++)
    if (!same_disk (&a->disks[i], &b->disks[i]))
      return false;
  /* NULL is "none known", which an empty object is not. */
  if (!a->labels || !b->labels)
    return a->labels == b->labels;
  return json_object_equal (a->labels, b->labels);
}

bool
guest_same (const struct guest *a, const struct guest *b)
{
  if (a == b)
    return true;
  return incarnation_equal (&a->inc, &b->inc) && a->boot_by == b->boot_by
         && SAME_TEXT (name) && SAME_TEXT (display) && SAME_TEXT (source)
         && SAME_TEXT (host) && a->run == b->run && SAME_TEXT (reason)
         && a->intent == b->intent && SAME_TEXT (intent_from)
         && a->logs_disabled == b->logs_disabled && a->monitor == b->monitor
         && SAME_TEXT (monitor_root) && SAME_TEXT (monitor_path)
         && a->agent == b->agent && SAME_TEXT (agent_path)
         && SAME_TEXT (beat_root) && SAME_TEXT (beat_path)
         && a->memory_bytes == b->memory_bytes && a->vcpus == b->vcpus
         && SAME_TEXT (machine) && SAME_TEXT (accel) && SAME_TEXT (cpu)
         && same_parts (a, b);
}

/* ---- printing ---- */

static void
add (struct json_object *obj, const char *key, const char *text)
{
  if (text[0])
    json_add_text (obj, key, text, strlen (text));
}

static struct json_object *
console_to_json (const struct guest_console *c)
{
  struct json_object *obj = json_object_new_object ();

  add (obj, "name", c->name);
  add (obj, "alias", c->alias);
  json_add_str (obj, "kind", console_kind_names[c->kind]);
  json_add_str (obj, "mode", console_mode_names[c->mode]);
  json_add_str (obj, "device", console_device_names[c->device]);
  json_add_bool (obj, "muxed", c->muxed);
  add (obj, "root", c->root);
  add (obj, "path", c->path);
  return obj;
}

static void
add_lease (struct json_object *obj, const struct guest_nic *nic)
{
  char until[40];

  if (!nic->lease[0])
    return;
  add (obj, "lease", nic->lease);
  /* Beyond any calendar: nobody means that. */
  add (obj, "lease_until",
       nic->lease_until_s > 253402300799
           ? "ever"
           : clock_format (until, sizeof until, nic->lease_until_s * 1000));
  if (nic->lease_gone)
    json_add_bool (obj, "lease_gone", true);
}

static void
add_parts (struct json_object *obj, const struct guest *g)
{
  struct json_object *list = json_object_new_array ();

  for (unsigned i = 0; i < g->nconsoles; i++)
    json_object_array_add (list, console_to_json (&g->consoles[i]));
  json_object_object_add (obj, "consoles", list);

  list = json_object_new_array ();
  for (unsigned i = 0; i < g->nnics; i++)
    {
      struct json_object *nic = json_object_new_object ();

      add (nic, "mac", g->nics[i].mac);
      add (nic, "ifname", g->nics[i].ifname);
      if (g->nics[i].bridge[0])
        add (nic, "bridge", g->nics[i].bridge);
      add (nic, "ip", g->nics[i].ip);
      add (nic, "ip2", g->nics[i].ip2);
      add (nic, "ip_from", g->nics[i].ip_from);
      add (nic, "refused", g->nics[i].refused);
      add_lease (nic, &g->nics[i]);
      json_object_array_add (list, nic);
    }
  json_object_object_add (obj, "nics", list);

  list = json_object_new_array ();
  for (unsigned i = 0; i < g->ndisks; i++)
    {
      struct json_object *disk = json_object_new_object ();

      add (disk, "target", g->disks[i].target);
      add (disk, "path", g->disks[i].path);
      json_object_array_add (list, disk);
    }
  json_object_object_add (obj, "disks", list);
}

struct json_object *
guest_to_json (const struct guest *g)
{
  struct json_object *obj = json_object_new_object ();
  struct json_object *labels = NULL;

  json_add_str (obj, "uuid", g->inc.uuid);
  json_add_int (obj, "pid", g->inc.pid);
  json_add_int (obj, "start_time", (int64_t) g->inc.start_time);
  json_add_int (obj, "boot", g->inc.boot);
  add (obj, "name", g->name);
  add (obj, "display", g->display);
  add (obj, "source", g->source);
  add (obj, "host", g->host);
  json_add_str (obj, "run", guest_run_names[g->run]);
  add (obj, "reason", g->reason);
  json_add_str (obj, "intent", guest_intent_names[g->intent]);
  add (obj, "intent_from", g->intent_from);
  json_add_bool (obj, "logs_disabled", g->logs_disabled);
  json_add_str (obj, "monitor", monitor_kind_names[g->monitor]);
  add (obj, "monitor_root", g->monitor_root);
  add (obj, "monitor_path", g->monitor_path);
  json_add_str (obj, "agent", agent_kind_names[g->agent]);
  add (obj, "agent_path", g->agent_path);
  add (obj, "beat_root", g->beat_root);
  add (obj, "beat_path", g->beat_path);
  json_add_int (obj, "memory_bytes", (int64_t) g->memory_bytes);
  json_add_int (obj, "vcpus", g->vcpus);
  add (obj, "machine", g->machine);
  add (obj, "accel", g->accel);
  add (obj, "cpu", g->cpu);
  add_parts (obj, g);
  /* A copy: json-c counts references without atomics, and this snapshot may
   * be looked at by several threads. */
  if (g->labels && json_object_deep_copy (g->labels, &labels, NULL) == 0)
    json_object_object_add (obj, "labels", labels);
  return obj;
}

/* "nbd+unix:///EXPORT?socket=PATH": the socket is who serves. */
static const char *
socket_of (const char *rest, size_t *ret_len)
{
  const char *socket = strstr (rest, "socket=");

  if (!socket)
    return NULL;
  socket += strlen ("socket=");
  *ret_len = strcspn (socket, "&");
  return socket;
}

/* "nbd://HOST:PORT/EXPORT", and QEMU's older "nbd:HOST:PORT:exportname=E" and
 * "nbd:unix:PATH:exportname=E". */
bool
guest_disk_server (const char *path, char *dst, size_t n)
{
  size_t scheme = strspn (path, "abcdefghijklmnopqrstuvwxyz0123456789");
  size_t whole = strcspn (path, ":"), len;
  const char *rest = path + whole, *who, *end;

  /* "json:{...}" may name more than one. */
  if (!*rest || scheme == 0 || strncmp (path, "json:", 5) == 0)
    return false;
  if (strncmp (rest, "://", 3) == 0)
    {
      rest += 3;
      who = socket_of (rest, &len);
      if (!who)
        {
          who = rest;
          len = strcspn (rest, "/?");
        }
    }
  else if (scheme != 3 || strncmp (path, "nbd", 3) != 0)
    return false;
  else
    {
      who = rest + 1;
      if (strncmp (who, "unix:", 5) == 0)
        who += 5;
      end = strstr (who, ":exportname=");
      len = end ? (size_t) (end - who) : strlen (who);
    }
  if (len == 0)
    return false;
  snprintf (dst, n, "%.*s %.*s", (int) (scheme < 15 ? scheme : 15), path,
            (int) len, who);
  return true;
}

const struct guest_console *
guest_console_find (const struct guest *g, const char *name)
{
  for (unsigned i = 0; i < g->nconsoles; i++)
    if (strcmp (g->consoles[i].name, name) == 0)
      return &g->consoles[i];
  return NULL;
}
