/* SPDX-License-Identifier: Apache-2.0
 *
 * QEMU's options, as groups of key=value.
 *
 * A command line and a -readconfig file say the same things in two ways:
 * "-device virtconsole,chardev=c0,id=d0" is "[device "d0"]" with two lines.
 * Both become struct qemu_group here; the texts stay in the block that was
 * parsed.
 */
#include "guests/qemu_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MAX_JSON (64u << 10) /* of one option */

/* Options that take no value; every other one takes the next argument. */
static const char *const flags[] = {
  "S",
  "s",
  "h",
  "help",
  "version",
  "nodefaults",
  "nographic",
  "no-user-config",
  "no-shutdown",
  "no-reboot",
  "no-acpi",
  "no-hpet",
  "no-quit",
  "no-fd-bootchk",
  "enable-kvm",
  "daemonize",
  "snapshot",
  "full-screen",
  "usb",
  "mem-prealloc",
  "singlestep",
  "preconfig",
  "only-migratable",
  "xen-attach",
  "xen-domid-restrict",
  "win2k-hack",
  "alt-grab",
  "ctrl-grab",
  "semihosting",
  "show-cursor",
  "curses",
  "sdl",
  "old-param",
  "no-kvm",
  "nouserconfig",
  NULL,
};

/* What the first value without a key means. */
static const struct
{
  const char *kind, *key;
} implied[] = {
  { "name", "guest" },    { "m", "size" },          { "smp", "cpus" },
  { "device", "driver" }, { "chardev", "backend" }, { "netdev", "type" },
  { "drive", "file" },    { "blockdev", "driver" },
  { "machine", "type" },  { "object", "qom-type" },
  { "numa", "type" },     { "accel", "accel" },     { "cpu", "model" },
};

static bool
is_one_of (const char *word, const char *const *list)
{
  for (; *list; list++)
    if (strcmp (word, *list) == 0)
      return true;
  return false;
}

static struct qemu_group *
group_add (struct qemu_args *a, const char *kind, const char *id)
{
  struct qemu_group *g;

  if (a->ngroups == QEMU_MAX_GROUPS)
    return NULL;
  g = &a->groups[a->ngroups++];
  *g = (struct qemu_group){ kind, id, a->npairs, 0 };
  return g;
}

/* Pairs of the group that was added last. */
static void
pair_add (struct qemu_args *a, struct qemu_group *g, const char *key,
          const char *value)
{
  if (a->npairs == QEMU_MAX_PAIRS)
    return;
  /* A null of JSON. */
  a->pairs[a->npairs++] = (struct qemu_pair){ key, value ? value : "" };
  g->count++;
  if (strcmp (key, "id") == 0 && value)
    g->id = value;
}

const char *
qemu_group_get_ (const struct qemu_args *a, const struct qemu_group *g,
                 const char *key)
{
  for (unsigned i = 0; i < g->count; i++)
    if (strcmp (a->pairs[g->first + i].key, key) == 0)
      return a->pairs[g->first + i].value;
  return NULL;
}

static const struct qemu_group *
group_find (const struct qemu_args *a, const char *kind, const char *id)
{
  for (unsigned i = 0; i < a->ngroups; i++)
    if (strcmp (a->groups[i].kind, kind) == 0
        && (!id || strcmp (a->groups[i].id, id) == 0))
      return &a->groups[i];
  return NULL;
}

static const char *
first_value (const struct qemu_args *a, const char *kind, const char *key)
{
  const struct qemu_group *g = group_find (a, kind, NULL);
  const char *v = g ? qemu_group_get_ (a, g, key) : NULL;

  return v ? v : "";
}

/* ---- the command line ---- */

/* Cuts one "key=value" off *text, in place; ",," is a comma. */
static char *
next_part (char **text)
{
  char *part = *text, *in = part, *out = part;

  if (!part)
    return NULL;
  for (; *in; in++)
    {
      if (in[0] == ',' && in[1] == ',')
        in++;
      else if (in[0] == ',')
        break;
      *out++ = *in;
    }
  *text = *in ? in + 1 : NULL;
  *out = '\0';
  return part;
}

static const char *
implied_key (const char *kind)
{
  for (unsigned i = 0; i < ARRAY_LEN (implied); i++)
    if (strcmp (implied[i].kind, kind) == 0)
      return implied[i].key;
  return "";
}

/* As libvirt writes most of them: {"qom-type":"memory-backend-ram",...}. */
static bool
add_json (struct qemu_args *a, struct qemu_group *g, const char *text)
{
  struct json_doc *doc = NULL;
  struct json_object *root;

  if (text[0] != '{' || a->ndocs == QEMU_MAX_GROUPS
      || json_parse (text, strlen (text), JSON_WIRE, "an option", MAX_JSON,
                     &doc, NULL)
             < 0)
    return false;
  a->docs[a->ndocs++] = doc;
  root = json_root (doc);
  json_object_object_foreach (root, key, value)
    pair_add (a, g, key, json_object_get_string (value));
  return true;
}

static void
add_option (struct qemu_args *a, const char *kind, char *value)
{
  struct qemu_group *g;
  bool first = true;
  char *part;

  if (strcmp (kind, "M") == 0)
    kind = "machine";
  g = group_add (a, kind, "");
  if (g && add_json (a, g, value))
    return;
  while (g && (part = next_part (&value)))
    {
      char *equals = strchr (part, '=');

      if (equals)
        {
          *equals = '\0';
          pair_add (a, g, part, equals + 1);
        }
      else
        pair_add (a, g, first ? implied_key (kind) : part, first ? part : "on");
      first = false;
    }
}

/* "qemu-system-x86_64", "qemu-kvm", "kvm"; not "qemu-img". */
static bool
is_qemu (const char *program)
{
  const char *slash = strrchr (program, '/');
  const char *base = slash ? slash + 1 : program;

  return strncmp (base, "qemu-system-", 12) == 0
         || strcmp (base, "qemu-kvm") == 0 || strcmp (base, "kvm") == 0;
}

static char *
block_add (struct qemu_args *a, const char *text, size_t len)
{
  char *block;

  if (a->nblocks == QEMU_MAX_BLOCKS)
    return NULL;
  block = malloc (len + 1);
  if (!block)
    return NULL;
  memcpy (block, text, len);
  block[len] = '\0';
  a->blocks[a->nblocks++] = block;
  return block;
}

static void
parse_words (struct qemu_args *a, char *word, const char *end)
{
  while (word < end)
    {
      char *next = word + strlen (word) + 1;
      const char *kind = word;

      if (word[0] == '-' && word[1])
        {
          kind += word[1] == '-' ? 2 : 1;
          /* "-accel kvm" in one word. */
          if (strcmp (kind, "enable-kvm") == 0)
            group_add (a, kind, "");
          if (!is_one_of (kind, flags) && next < end)
            {
              word = next;
              next = word + strlen (word) + 1;
              add_option (a, kind, word);
            }
        }
      word = next;
    }
}

int
qemu_args_parse (const char *cmdline, size_t len, struct qemu_args **ret_args,
                 struct error *err)
{
  struct qemu_args *a;
  char *block;

  if (len == 0 || strnlen (cmdline, len) == len || !is_qemu (cmdline))
    return error_set (err, EINVAL, "not the command line of a QEMU");
  a = calloc (1, sizeof *a);
  block = a ? block_add (a, cmdline, len) : NULL;
  if (!block)
    {
      qemu_args_free (a);
      return error_errno (err, ENOMEM, "QEMU's command line");
    }
  parse_words (a, block + strlen (block) + 1, block + len);
  *ret_args = a;
  return 0;
}

void
qemu_args_free (struct qemu_args *a)
{
  if (!a)
    return;
  for (unsigned i = 0; i < a->nblocks; i++)
    free (a->blocks[i]);
  for (unsigned i = 0; i < a->ndocs; i++)
    json_doc_free (a->docs[i]);
  free (a);
}

/* ---- the -readconfig file ---- */

static char *
trim (char *s)
{
  char *end;

  while (isspace ((unsigned char) *s))
    s++;
  end = s + strlen (s);
  while (end > s && isspace ((unsigned char) end[-1]))
    *--end = '\0';
  return s;
}

/* The text between the first pair of quotes, or all of it. */
static char *
unquote (char *s)
{
  char *open = strchr (s, '"'), *close;

  if (!open)
    return s;
  close = strchr (open + 1, '"');
  if (close)
    *close = '\0';
  return open + 1;
}

static struct qemu_group *
config_section (struct qemu_args *a, char *line)
{
  char *close = strrchr (line, ']');
  const char *kind = line + 1, *name = "";
  char *id;

  if (!close)
    return NULL;
  *close = '\0';
  id = strchr (line + 1, ' ');
  if (id)
    {
      *id = '\0';
      name = unquote (id + 1);
    }
  /* The same things have other names there. */
  if (strcmp (kind, "memory") == 0)
    kind = "m";
  else if (strcmp (kind, "smp-opts") == 0)
    kind = "smp";
  return group_add (a, kind, name);
}

void
qemu_args_add_config (struct qemu_args *a, const char *text, size_t len)
{
  struct qemu_group *g = NULL;
  char *line = block_add (a, text, len);

  while (line)
    {
      char *next = strchr (line, '\n');
      char *equals;

      if (next)
        *next++ = '\0';
      line = trim (line);
      equals = strchr (line, '=');
      if (line[0] == '[')
        g = config_section (a, line);
      else if (g && equals && line[0] != '#')
        {
          *equals = '\0';
          pair_add (a, g, trim (line), unquote (trim (equals + 1)));
        }
      line = next;
    }
}

/* ---- what it says ---- */

const char *
qemu_args_name (const struct qemu_args *a)
{
  return first_value (a, "name", "guest");
}

const char *
qemu_args_uuid (const struct qemu_args *a)
{
  return first_value (a, "uuid", "");
}

const char *
qemu_args_pidfile (const struct qemu_args *a)
{
  return first_value (a, "pidfile", "");
}

const char *
qemu_args_readconfig (const struct qemu_args *a)
{
  return first_value (a, "readconfig", "");
}

const char *
qemu_args_program (const struct qemu_args *a)
{
  const char *slash = strrchr (a->blocks[0], '/');

  return slash ? slash + 1 : a->blocks[0];
}

unsigned
qemu_args_count (const struct qemu_args *a, const char *kind)
{
  unsigned n = 0;

  for (unsigned i = 0; i < a->ngroups; i++)
    n += strcmp (a->groups[i].kind, kind) == 0;
  return n;
}

const char *
qemu_args_value (const struct qemu_args *a, const char *kind, unsigned n,
                 const char *key)
{
  for (unsigned i = 0; i < a->ngroups; i++)
    if (strcmp (a->groups[i].kind, kind) == 0 && n-- == 0)
      /* In a file it stands in the section's head. */
      return strcmp (key, "id") == 0 && a->groups[i].id[0]
                 ? a->groups[i].id
                 : qemu_group_get_ (a, &a->groups[i], key);
  return NULL;
}

const char *
qemu_args_last (const struct qemu_args *a, const char *kind, const char *key)
{
  const char *found = NULL;

  for (unsigned i = 0; i < a->ngroups; i++)
    if (strcmp (a->groups[i].kind, kind) == 0)
      {
        const char *v = qemu_group_get_ (a, &a->groups[i], key);

        found = v ? v : found;
      }
  return found;
}

/* "512" (MiB), "512M", "2G". */
static uint64_t
parse_memory (const char *text)
{
  char *end;
  unsigned long long v = strtoull (text, &end, 10);
  unsigned shift;

  switch (tolower ((unsigned char) *end))
    {
    case 'k':
      shift = 10;
      break;
    case '\0':
    case 'm':
      shift = 20;
      break;
    case 'g':
      shift = 30;
      break;
    case 't':
      shift = 40;
      break;
    default:
      return 0;
    }
  return !isdigit ((unsigned char) text[0]) || v > (UINT64_MAX >> shift)
             ? 0
             : v << shift;
}

static unsigned
parse_count (const char *text)
{
  unsigned long v = text ? strtoul (text, NULL, 10) : 0;

  return v > 65536 ? 0 : (unsigned) v;
}

static unsigned
count_vcpus (const struct qemu_args *a)
{
  static const char *const parts[] = { "sockets", "dies", "cores", "threads" };
  const struct qemu_group *g = group_find (a, "smp", NULL);
  unsigned n = 1;

  /* Not said is one, but a file that was not read may say it. */
  if (!g)
    return qemu_args_readconfig (a)[0] && a->nblocks < QEMU_MAX_BLOCKS ? 0 : 1;
  if (qemu_group_get_ (a, g, "cpus"))
    return parse_count (qemu_group_get_ (a, g, "cpus"));
  for (unsigned i = 0; i < ARRAY_LEN (parts); i++)
    {
      unsigned v = parse_count (qemu_group_get_ (a, g, parts[i]));

      if (v && n <= 65536 / v)
        n *= v;
    }
  return n;
}

static void
fill_nics (const struct qemu_args *a, struct guest *g)
{
  for (unsigned i = 0; i < a->ngroups && g->nnics < GUEST_MAX_NICS; i++)
    {
      const struct qemu_group *dev = &a->groups[i], *net;
      struct guest_nic *nic = &g->nics[g->nnics];
      const char *netdev = qemu_group_get_ (a, dev, "netdev");
      const char *mac = qemu_group_get_ (a, dev, "mac"), *tap, *bridge;

      if (strcmp (dev->kind, "device") != 0 || !netdev)
        continue;
      net = group_find (a, "netdev", netdev);
      tap = net ? qemu_group_get_ (a, net, "ifname") : NULL;
      guest_copy (nic->mac, sizeof nic->mac, mac ? mac : "");
      bridge = net ? qemu_group_get_ (a, net, "br") : NULL;
      guest_copy (nic->ifname, sizeof nic->ifname, tap ? tap : "");
      guest_copy (nic->bridge, sizeof nic->bridge, bridge ? bridge : "");
      g->nnics++;
    }
}

/* Named as QEMU's own statistics name them: the drive's id, else the
 * device's. */
static void
fill_disks (const struct qemu_args *a, struct guest *g)
{
  for (unsigned i = 0; i < a->ngroups && g->ndisks < GUEST_MAX_DISKS; i++)
    {
      const struct qemu_group *d = &a->groups[i];
      struct guest_disk *disk = &g->disks[g->ndisks];
      const char *file = qemu_group_get_ (a, d, "file");
      const char *bus = qemu_group_get_ (a, d, "if");

      if (strcmp (d->kind, "drive") != 0)
        continue;
      if (d->id[0])
        guest_copy (disk->target, sizeof disk->target, d->id);
      else
        snprintf (disk->target, sizeof disk->target, "%s%u",
                  bus ? bus : "drive", g->ndisks);
      guest_copy (disk->path, sizeof disk->path, file ? file : "");
      g->ndisks++;
    }
}

bool
qemu_args_mention (const struct qemu_args *a, const char *text)
{
  for (unsigned i = 0; i < a->npairs; i++)
    if ((a->pairs[i].key && strstr (a->pairs[i].key, text))
        || (a->pairs[i].value && strstr (a->pairs[i].value, text)))
      return true;
  return false;
}

static void
fill_machine (const struct qemu_args *a, struct guest *g)
{
  const char *accel = first_value (a, "accel", "accel");

  if (!accel[0])
    accel = first_value (a, "machine", "accel");
  if (!accel[0] && group_find (a, "enable-kvm", NULL))
    accel = "kvm";
  guest_copy (g->accel, sizeof g->accel, accel);
  guest_copy (g->machine, sizeof g->machine,
              first_value (a, "machine", "type"));
  guest_copy (g->cpu, sizeof g->cpu, first_value (a, "cpu", "model"));
}

void
qemu_args_fill (const struct qemu_args *a, struct guest *g)
{
  fill_machine (a, g);
  if (g->memory_bytes == 0)
    g->memory_bytes = parse_memory (first_value (a, "m", "size"));
  if (g->vcpus == 0)
    g->vcpus = count_vcpus (a);
  if (g->nnics == 0)
    fill_nics (a, g);
  if (g->ndisks == 0)
    fill_disks (a, g);
}
