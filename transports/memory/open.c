/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's memory: opened.
 */
#include "transports/memory/memory.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/opener.h"
#include "guests/qemu.h"
#include "transports/monitor/monitor.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_MAPS (8u << 20)
#define MAX_CONFIG (256 << 10)
#define MAX_FOLDERS 16 /* that a configuration file is looked for from */
#define MAX_STATUS 4096u

/* ---- reading about it ---- */

static int
open_of (const struct transport_env *env, const struct guest *g,
         const char *name, uint64_t deadline, int *ret_fd, struct error *err)
{
  char path[96];
  const struct open_req req = { .kind = OPEN_PROC,
                                .root = "/proc",
                                .path = path,
                                .check_pid = g->inc.pid,
                                .check_start = g->inc.start_time };

  snprintf (path, sizeof path, "%d/%s", (int) g->inc.pid, name);
  return env->opener->open (env->opener, &req, deadline, ret_fd, NULL, err);
}

static int
read_at_most (int fd, size_t max, char **ret, size_t *ret_len,
              struct error *err)
{
  CLEANUP_FREE char *text = malloc (max + 1);
  size_t len = 0;
  int r;

  if (!text)
    return error_set (err, ENOMEM, "no memory");
  r = io_read (fd, text, max, &len);
  if (r < 0)
    return error_errno (err, -r, "reading");
  text[len] = '\0';
  *ret = steal_ptr (&text);
  *ret_len = len;
  return 0;
}

/* Beneath the deepest folder of the path that the opener has, if it has one:
 * whoever writes a command line names what he likes, and neither our rights
 * nor the keeper's are to be used for that. */
static int
open_config (const struct transport_env *env, const char *path,
             uint64_t deadline)
{
  CLEANUP_FREE char *root = strdup (path);
  char *slash;
  int fd = -1;

  for (unsigned i = 0; root && i < MAX_FOLDERS && fd < 0
                       && (slash = strrchr (root, '/')) && slash > root;
       i++)
    {
      const struct open_req req = { .kind = OPEN_FILE,
                                    .root = root,
                                    .path = path + (slash - root) + 1 };

      *slash = '\0';
      (void) env->opener->open (env->opener, &req, deadline, &fd, NULL, NULL);
    }
  return fd;
}

/* QEMU's own file, as it names it.  What it says is only where to look. */
static bool
read_config (const struct transport_env *env, uint64_t deadline,
             struct qemu_args *args)
{
  const char *path = qemu_args_readconfig (args);
  CLEANUP_CLOSE int fd = -1;
  CLEANUP_FREE char *text = NULL;
  struct stat st;
  size_t len = 0;

  if (path[0] == '\0')
    return true;
  fd = path[0] == '/' ? open_config (env, path, deadline) : -1;
  if (fd < 0 || fstat (fd, &st) < 0 || !S_ISREG (st.st_mode)
      || st.st_size > MAX_CONFIG
      || read_at_most (fd, MAX_CONFIG, &text, &len, NULL) < 0)
    return false;
  qemu_args_add_config (args, text, len);
  return true;
}

/* What of the process is swapped out is not read for a look: whoever swaps may
 * be what is dead. */
static void
note_swap (int32_t pid, struct memory_map *map)
{
  CLEANUP_FREE char *text = NULL;
  CLEANUP_CLOSE int fd = -1;
  unsigned long long kib = 0;
  char path[48], *line;
  size_t len = 0, have = strlen (map->note);

  snprintf (path, sizeof path, "/proc/%d/status", (int) pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read_at_most (fd, MAX_STATUS, &text, &len, NULL) < 0
      || !(line = strstr (text, "\nVmSwap:")))
    return;
  kib = strtoull (line + 8, NULL, 10);
  if (kib >= 1024)
    snprintf (map->note + have, sizeof map->note - have,
              "%s%llu MiB of its QEMU are swapped out on this host",
              have ? "; " : "", kib / 1024);
}

static void
note_config (const struct qemu_args *args, struct memory_map *map)
{
  size_t have = strlen (map->note);

  snprintf (map->note + have, sizeof map->note - have,
            "%sits configuration file %.80s is in no folder of \"roots\", and "
            "was not read",
            have ? "; " : "", qemu_args_readconfig (args));
}

/* One that ended and is not waited for yet has its number, and nothing else. */
static bool
has_ended (const struct guest *g)
{
  char state = proc_state (g->inc.pid);
  uint64_t start;

  return state == 0 || strchr ("ZXx", state)
         || proc_start_time (g->inc.pid, &start, NULL) < 0
         || start != g->inc.start_time;
}

static bool
nobody_may (void)
{
  char c = '\0';
  CLEANUP_CLOSE int fd
      = open ("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);

  return fd >= 0 && read (fd, &c, 1) == 1 && c == '3';
}

/* Why it may not be opened, when that is so for everybody. */
static int
refused (int r, struct error *err)
{
  if ((r == -EACCES || r == -EPERM) && nobody_may ())
    return error_set (err, EACCES,
                      "this host lets nobody read another process's memory "
                      "(kernel.yama.ptrace_scope is 3, until it is started "
                      "anew)");
  return r;
}

static int
find_map (const struct transport_env *env, const struct guest *g,
          uint64_t deadline, struct memory_map *ret, struct error *err)
{
  struct qemu_args *args CLEANUP_QEMU_ARGS = NULL;
  CLEANUP_FREE struct memory_plan *plan = calloc (1, sizeof *plan);
  CLEANUP_FREE char *maps = NULL;
  CLEANUP_CLOSE int fd = -1;
  struct qemu_proc proc;
  size_t len = 0;
  bool complete;
  int r;

  if (!plan)
    return error_set (err, ENOMEM, "no memory");
  r = qemu_proc_read (g->inc.pid, &proc, &args, err);
  if (has_ended (g))
    return error_set (err, ESTALE, "the QEMU of %s, process %d, has ended",
                      g->display, (int) g->inc.pid);
  if (r < 0)
    return r;
  complete = read_config (env, deadline, args);
  r = memory_plan_make (args, g->memory_bytes, plan, err);
  if (r < 0 && !complete)
    return error_wrap (err, "no folder of \"roots\" has it");
  if (r < 0)
    return r;
  r = open_of (env, g, "maps", deadline, &fd, err);
  if (r < 0)
    r = refused (r, err);
  if (r == 0)
    r = read_at_most (fd, MAX_MAPS, &maps, &len, err);
  if (r < 0)
    return error_wrap (err, "its mappings");
  r = memory_plan_place (plan, maps, len, ret, err);
  if (r == 0)
    note_swap (g->inc.pid, ret);
  if (r == 0 && !complete)
    note_config (args, ret);
  return r;
}

/* ---- opening ---- */

static int
open_process (const struct transport_env *env, const struct guest *g,
              uint64_t deadline, struct memory *m, struct error *err)
{
  int r = open_of (env, g, "mem", deadline, &m->fd, err);

  if (r < 0)
    return refused (r, err);
  /* Without it reading would fill what the guest has never touched. */
  return open_of (env, g, "pagemap", deadline, &m->pagemap, err);
}

static int
open_file (const struct transport_env *env, const struct guest *g,
           uint64_t deadline, struct memory *m, struct error *err)
{
  char name[80];

  snprintf (name, sizeof name, "map_files/%s", m->map.mapping);
  return open_of (env, g, name, deadline, &m->fd, err);
}

static void
by_process (struct memory_map *map)
{
  map->file = false;
  for (unsigned i = 0; i < map->n; i++)
    map->ranges[i].at = map->ranges[i].va;
}

int
memory_open (const struct transport_env *env, const struct guest *g,
             uint64_t deadline, struct memory *ret, struct error *err)
{
  struct memory m = { .fd = -1, .pagemap = -1 };
  uint64_t start = 0;
  int r;

  if (g->inc.pid <= 0 || !env->opener)
    return error_set (err, EOPNOTSUPP,
                      "%s has no process on this host: its memory can only be "
                      "read where it runs",
                      g->display);
  r = find_map (env, g, deadline, &m.map, err);
  if (r < 0)
    return r;
  if (m.map.file && open_file (env, g, deadline, &m, err) < 0)
    by_process (&m.map);
  if (!m.map.file)
    r = open_process (env, g, deadline, &m, err);
  /* What was found is that process's if it is the same now. */
  if (r == 0)
    r = proc_start_time (g->inc.pid, &start, err);
  if (r == 0 && start != g->inc.start_time)
    r = error_set (err, ESTALE, "process %d is another one by now",
                   (int) g->inc.pid);
  if (r < 0)
    {
      memory_done (&m);
      return r;
    }
  *ret = m;
  return 0;
}

void
memory_done (struct memory *m)
{
  if (m->fd >= 0)
    close (m->fd);
  if (m->pagemap >= 0)
    close (m->pagemap);
  m->fd = m->pagemap = -1;
}

struct json_object *
memory_where (const struct memory *m)
{
  struct json_object *o = json_object_new_object ();
  struct json_object *list = json_object_new_array ();

  json_add_str (o, "op", "memory");
  for (unsigned i = 0; i < m->map.n; i++)
    {
      const struct memory_range *r = &m->map.ranges[i];
      struct json_object *triple = json_object_new_array ();

      json_object_array_add (triple, json_object_new_int64 ((int64_t) r->gpa));
      json_object_array_add (triple, json_object_new_int64 ((int64_t) r->len));
      json_object_array_add (triple, json_object_new_int64 ((int64_t) r->at));
      json_object_array_add (list, triple);
    }
  json_object_object_add (o, "ranges", list);
  json_add_bool (o, "process", !m->map.file);
  json_add_bool (o, "pagemap", m->pagemap >= 0);
  return o;
}

int
memory_check (const struct transport_env *env, const struct guest *g,
              uint64_t deadline, const struct memory *m, struct error *err)
{
  struct memory_map now;
  int r = find_map (env, g, deadline, &now, err);

  if (r == 0 && !memory_map_same (&m->map, &now))
    r = error_set (err, ESTALE, "its memory is elsewhere by now");
  return r;
}

/* ---- by the monitor ---- */

static int
hmp (struct monitor *m, const char *line, uint64_t deadline,
     struct json_object **ret, struct error *err)
{
  struct json_object *args = json_object_new_object ();
  struct json_object *reply = NULL;
  int r;

  json_add_str (args, "command-line", line);
  r = monitor_command (m, "human-monitor-command", args, deadline, &reply, err);
  if (r < 0)
    return r;
  if (!json_object_is_type (reply, json_type_string))
    {
      json_object_put (reply);
      return error_set (err, EPROTO, "the monitor's answer is no text");
    }
  *ret = reply;
  return 0;
}

static int
open_monitor (const struct transport_env *env, const struct guest *g,
              uint64_t *deadline, struct monitor **ret, struct error *err)
{
  enum monitor_health health;
  uint64_t until = clock_ms () + MONITOR_HOLD_MS;

  if (g->monitor == MONITOR_NONE)
    return error_set (err, ENOENT, "it has no monitor that may be asked");
  if (until < *deadline)
    *deadline = until;
  return monitor_open (env, g, *deadline, ret, &health, err);
}

/* Nobody has to tell us when somebody else pauses it.  Of libvirt's it is
 * known, and a raw command more would be one more for nothing. */
static void
ask_state (struct monitor *m, const struct guest *g, uint64_t deadline,
           char state[MEMORY_STATE])
{
  CLEANUP_JSON struct json_object *reply = NULL;
  const char *status;

  if (g->monitor == MONITOR_LIBVIRT
      || monitor_command (m, "query-status", NULL, deadline, &reply, NULL) < 0)
    return;
  status = json_get_str (reply, "status");
  snprintf (state, MEMORY_STATE, "%s", status ? status : "");
}

int
memory_registers (const struct transport_env *env, const struct guest *g,
                  uint64_t deadline, char **ret, size_t *ret_len,
                  char state[MEMORY_STATE], struct error *err)
{
  CLEANUP_JSON struct json_object *reply = NULL;
  struct monitor *m = NULL;
  char *text;
  int r = open_monitor (env, g, &deadline, &m, err);

  state[0] = '\0';
  if (r < 0)
    return r;
  ask_state (m, g, deadline, state);
  r = hmp (m, "info registers -a", deadline, &reply, err);
  monitor_close (m);
  if (r < 0)
    return r;
  text = strdup (json_object_get_string (reply));
  if (!text)
    return error_set (err, ENOMEM, "no memory");
  *ret = text;
  *ret_len = memory_registers_trim (text, strlen (text));
  return 0;
}

static int
ask_address (struct monitor *m, uint64_t deadline, struct memory_range *r,
             struct error *err)
{
  CLEANUP_JSON struct json_object *reply = NULL;
  char line[48];
  const char *at;
  int rc;

  snprintf (line, sizeof line, "gpa2hva 0x%" PRIx64, r->gpa);
  rc = hmp (m, line, deadline, &reply, err);
  if (rc < 0)
    return rc;
  /* "Host virtual address for 0x0 (pc.ram) is 0x7f62a3e00000" */
  at = strstr (json_object_get_string (reply), ") is 0x");
  r->va = at ? strtoull (at + 5, NULL, 16) : 0;
  return r->va ? 0
               : error_set (err, EPROTO,
                            "the monitor does not say where %#" PRIx64 " is",
                            r->gpa);
}

/* All pieces of memory that the monitor knows; how many. */
static int
ask_where (const struct transport_env *env, const struct guest *g,
           uint64_t deadline, struct memory_range said[MEMORY_MAX_RANGES],
           struct error *err)
{
  CLEANUP_JSON struct json_object *reply = NULL;
  struct monitor *m = NULL;
  const char *text;
  int r, n = 0;

  r = open_monitor (env, g, &deadline, &m, err);
  if (r < 0)
    return r;
  r = hmp (m, "info mtree -f", deadline, &reply, err);
  if (r == 0)
    {
      text = json_object_get_string (reply);
      r = n = memory_mtree_parse (text, strlen (text), said, MEMORY_MAX_RANGES,
                                  err);
    }
  for (int i = 0; i < n && r >= 0; i++)
    r = ask_address (m, deadline, &said[i], err);
  monitor_close (m);
  return r < 0 ? r : n;
}

int
memory_cross_check (const struct transport_env *env, const struct guest *g,
                    uint64_t deadline, const struct memory_map *map,
                    struct error *err)
{
  struct memory_range said[MEMORY_MAX_RANGES];
  int n = ask_where (env, g, deadline, said, err);

  return n < 0 ? n : memory_compare (map, said, (unsigned) n, err);
}

int
memory_ask (const struct transport_env *env, const struct guest *g,
            uint64_t deadline, struct memory *m, struct error *err)
{
  struct memory_range said[MEMORY_MAX_RANGES];
  struct memory more = { .map = m->map, .fd = -1, .pagemap = -1 };
  int r = 0, n;

  if (m->map.plugged == 0 && !m->map.guess)
    return 0;
  n = ask_where (env, g, deadline, said, err);
  if (n < 0)
    return n;
  if (more.map.guess)
    r = memory_settle (&more.map, said, (unsigned) n, err);
  /* Settled is settled, whatever is not known of the rest. */
  if (r == 0 && !m->map.file)
    m->map = more.map;
  if (r == 0)
    r = memory_compare (&more.map, said, (unsigned) n, err);
  if (r == 0 && more.map.plugged > 0)
    r = memory_take_plugged (&more.map, said, (unsigned) n, err);
  if (r < 0)
    return r;
  if (!m->map.file)
    {
      m->map = more.map;
      return 0;
    }
  /* It is in no file that we have. */
  by_process (&more.map);
  r = open_process (env, g, deadline, &more, err);
  if (r < 0)
    {
      memory_done (&more);
      return r;
    }
  memory_done (m);
  *m = more;
  return 0;
}

/* ---- doctor ---- */

static void
doctor (const struct transport_env *env, const struct guest *g,
        struct doctor_report *r, uint64_t deadline)
{
  struct memory m = { .fd = -1, .pagemap = -1 };
  struct error err = ERROR_INIT;
  char text[420];
  int rc;

  if (g->inc.pid <= 0 || !env->opener)
    {
      r->line (r, DOCTOR_NA, "memory", "its QEMU is not on this host", NULL);
      return;
    }
  rc = memory_open (env, g, deadline, &m, &err);
  if (rc < 0)
    {
      r->line (r, rc == -EOPNOTSUPP ? DOCTOR_WARN : DOCTOR_BAD, "memory",
               error_text (&err), NULL);
      return;
    }
  snprintf (text, sizeof text,
            "%" PRIu64 " MiB in %u piece%s can be read (%s)%s%s",
            m.map.size >> 20, m.map.n, m.map.n == 1 ? "" : "s",
            m.map.file ? "by the file of its backend" : "by its process",
            m.map.note[0] ? "; " : "", m.map.note);
  r->line (r, m.map.note[0] ? DOCTOR_WARN : DOCTOR_OK, "memory", text, NULL);
  memory_done (&m);
}

const struct transport_ops transport_memory = {
  .name = "memory",
  .summary = "the guest's memory, read from outside",
  .touches = "nothing; a vCPU is kicked once for its registers",
  .lane = LANE_MEMORY,
  .doctor = doctor,
};
