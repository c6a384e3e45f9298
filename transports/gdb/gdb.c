/* SPDX-License-Identifier: Apache-2.0
 *
 * A visit at QEMU's gdb socket: which threads there are, the registers of each,
 * and away.
 */
#include "transports/gdb/gdb.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/opener.h"
#include "base/text.h"
#include "guests/qemu.h"
#include "transports/gdb/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLOSE_MS 500
#define MAX_BYTES (1u << 20) /* of all answers */

struct gdb
{
  int fd;
  enum gdb_arch arch;
  uint64_t deadline;
  struct gdb_wire wire;
  char in[4096];
  size_t have, at; /* in `in`: what was not looked at */
  size_t total;
  bool many; /* it speaks of processes: then one says which is let go */
};

/* ---- where ---- */

/* "unix:PATH,server=on": PATH. */
static bool
path_of (const char *value, char path[GDB_PATH_MAX])
{
  size_t n;

  if (!value || strncmp (value, "unix:", 5) != 0)
    return false;
  n = strcspn (value + 5, ",");
  if (n == 0 || n >= GDB_PATH_MAX || value[5] != '/')
    return false;
  snprintf (path, GDB_PATH_MAX, "%.*s", (int) n, value + 5);
  return true;
}

/* Of the chardev of that id. */
static bool
path_of_chardev (const struct qemu_args *args, const char *id,
                 char path[GDB_PATH_MAX])
{
  unsigned n = qemu_args_count (args, "chardev");

  for (unsigned i = 0; i < n; i++)
    {
      const char *is = qemu_args_value (args, "chardev", i, "id");
      const char *at = qemu_args_value (args, "chardev", i, "path");

      if (is && at && strcmp (is, id) == 0 && at[0] == '/'
          && strlen (at) < GDB_PATH_MAX)
        {
          snprintf (path, GDB_PATH_MAX, "%s", at);
          return true;
        }
    }
  return false;
}

int
gdb_find (const struct guest *g, char path[GDB_PATH_MAX], struct error *err)
{
  CLEANUP_QEMU_ARGS struct qemu_args *args = NULL;
  struct qemu_proc proc;
  const char *value;
  int r = qemu_proc_read (g->inc.pid, &proc, &args, err);

  if (r < 0)
    return r;
  if (proc.start_time != g->inc.start_time)
    return error_set (err, ESTALE, "its QEMU is another one by now");
  value = qemu_args_value (args, "gdb", 0, "");
  if (path_of (value, path)
      || (value && strncmp (value, "chardev:", 8) == 0
          && path_of_chardev (args, value + 8, path)))
    return 0;
  return error_set (err, ENOENT,
                    "its QEMU was not started with a gdb socket");
}

/* ---- words ---- */

static int
send_text (struct gdb *gdb, const char *text, size_t len, struct error *err)
{
  int r = io_send (gdb->fd, text, len, gdb->deadline);

  if (r == -ETIMEDOUT)
    return error_set (err, ETIMEDOUT, "gdb's socket takes nothing");
  return r < 0 ? error_errno (err, -r, "gdb's socket") : 0;
}

static int
receive (struct gdb *gdb, struct error *err)
{
  ssize_t n;
  int r;

  do
    {
      r = io_wait (gdb->fd, POLLIN, gdb->deadline);
      if (r == -ETIMEDOUT)
        return error_set (err, ETIMEDOUT, "no answer over gdb's socket");
      if (r < 0)
        return error_errno (err, -r, "gdb's socket");
      n = recv (gdb->fd, gdb->in, sizeof gdb->in, MSG_DONTWAIT);
    }
  while (n < 0 && (errno == EAGAIN || errno == EINTR));
  if (n <= 0)
    return error_set (err, EPIPE, "gdb's socket was closed by QEMU");
  gdb->have = (size_t) n;
  gdb->at = 0;
  gdb->total += (size_t) n;
  if (gdb->total > MAX_BYTES)
    return error_set (err, E2BIG, "more than %u bytes over gdb's socket",
                      MAX_BYTES);
  return 0;
}

/* That the guest stands now, which it says by itself: nobody asked for it. */
static bool
is_stop (const struct buf *p)
{
  return p->len > 0 && (p->data[0] == 'T' || p->data[0] == 'S');
}

/* The answer is in gdb->wire.packet. */
static int
ask (struct gdb *gdb, const char *text, struct error *err)
{
  struct buf frame CLEANUP_BUF = BUF_INIT (256);
  size_t used;
  int r;

  gdb_wire_frame (&frame, text);
  r = send_text (gdb, buf_str (&frame), frame.len, err);
  while (r == 0)
    {
      if (gdb->at == gdb->have)
        r = receive (gdb, err);
      if (r < 0)
        return r;
      r = gdb_wire_feed (&gdb->wire, gdb->in + gdb->at, gdb->have - gdb->at,
                         &used, err);
      gdb->at += used;
      if (r > 0 && is_stop (&gdb->wire.packet))
        r = send_text (gdb, "+", 1, err);
    }
  return r < 0 ? r : send_text (gdb, "+", 1, err);
}

static bool
said (const struct gdb *gdb, const char *what)
{
  const struct buf *p = &gdb->wire.packet;

  return p->len > 0 && memmem (p->data, p->len, what, strlen (what));
}

/* ---- a visit ---- */

static int
arch_of (const struct guest *g, enum gdb_arch *ret, struct error *err)
{
  CLEANUP_QEMU_ARGS struct qemu_args *args = NULL;
  struct qemu_proc proc;
  const char *program;
  int r = qemu_proc_read (g->inc.pid, &proc, &args, err);

  if (r < 0)
    return r;
  program = qemu_args_program (args);
  *ret = strstr (program, "aarch64") ? GDB_AARCH64 : GDB_X86_64;
  return 0;
}

/* Beside its monitor's socket, in the same folder, whatever QEMU's own mount
 * namespace calls that; else where it says, if that is a folder we were told
 * of. */
static const char *
place_of (const struct guest *g, const char *path, char root[GDB_PATH_MAX],
          char beneath[2 * GDB_PATH_MAX])
{
  const char *file = strrchr (path, '/') + 1;
  const char *slash = strrchr (g->monitor_path, '/');
  size_t folder = slash ? (size_t) (slash - g->monitor_path) : 0;
  size_t n = (size_t) (file - 1 - path);

  if (folder > 0 && n > folder && path[n - folder - 1] == '/'
      && strncmp (path + n - folder, g->monitor_path, folder) == 0)
    {
      snprintf (root, GDB_PATH_MAX, "%s", g->monitor_root);
      snprintf (beneath, 2 * GDB_PATH_MAX, "%.*s/%s", (int) folder,
                g->monitor_path, file);
      return beneath;
    }
  snprintf (root, GDB_PATH_MAX, "%.*s", (int) n, path);
  return file;
}

static int
connect_to (struct gdb *gdb, const struct transport_env *env,
            const struct guest *g, const char *path, struct error *err)
{
  char root[GDB_PATH_MAX], beneath[2 * GDB_PATH_MAX];
  const struct open_req req = { .kind = OPEN_UNIX,
                                .root = root,
                                .path = place_of (g, path, root, beneath),
                                .check_pid = g->inc.pid,
                                .check_start = g->inc.start_time };

  return env->opener->open (env->opener, &req, gdb->deadline, &gdb->fd, NULL,
                            err);
}

int
gdb_open (const struct transport_env *env, const struct guest *g,
          const char *path, uint64_t deadline, struct gdb **ret,
          struct error *err)
{
  struct gdb *gdb;
  enum gdb_arch arch;
  int r = arch_of (g, &arch, err);

  if (r < 0)
    return r;
  gdb = calloc (1, sizeof *gdb);
  if (!gdb)
    return error_set (err, ENOMEM, "no memory for gdb's protocol");
  gdb->fd = -1;
  gdb->arch = arch;
  gdb->deadline = deadline;
  gdb_wire_init (&gdb->wire);
  r = connect_to (gdb, env, g, path, err);
  if (r < 0)
    {
      gdb_wire_done (&gdb->wire);
      free (gdb);
      return r;
    }
  *ret = gdb;
  return 0;
}

static int
ask_threads (struct gdb *gdb, char (*dst)[GDB_THREAD], unsigned *ret_n,
             struct error *err)
{
  const char *question = "qfThreadInfo";
  bool more = true;
  int r = 0;

  *ret_n = 0;
  while (r == 0 && more && *ret_n < GDB_MAX_VCPUS)
    {
      r = ask (gdb, question, err);
      if (r == 0)
        *ret_n = gdb_threads (buf_str (&gdb->wire.packet),
                              gdb->wire.packet.len, dst, *ret_n,
                              GDB_MAX_VCPUS, &more);
      question = "qsThreadInfo";
    }
  return r;
}

static int
read_one (struct gdb *gdb, unsigned n, const char *thread, struct buf *out,
          struct error *err)
{
  char text[GDB_THREAD + 8];
  int r;

  snprintf (text, sizeof text, "Hg%s", thread);
  r = ask (gdb, text, err);
  if (r == 0)
    r = ask (gdb, "g", err);
  if (r < 0)
    return r;
  buf_printf (out, "%sCPU#%u\n", n ? "\n" : "", n);
  if (!gdb_registers (gdb->arch, buf_str (&gdb->wire.packet),
                      gdb->wire.packet.len, out))
    return error_set (err, EBADMSG, "these are no registers of vCPU %u", n);
  return 0;
}

int
gdb_read (struct gdb *gdb, struct buf *out, struct error *err)
{
  char (*threads)[GDB_THREAD] CLEANUP_FREE
      = calloc (GDB_MAX_VCPUS, sizeof *threads);
  unsigned n = 0;
  int r;

  if (!threads)
    return error_set (err, ENOMEM, "no memory for gdb's protocol");
  r = ask (gdb, "qSupported:multiprocess+", err);
  if (r == 0)
    {
      gdb->many = said (gdb, "multiprocess+");
      r = ask_threads (gdb, threads, &n, err);
    }
  for (unsigned i = 0; r == 0 && i < n; i++)
    r = read_one (gdb, i, threads[i], out, err);
  if (r == 0 && n == 0)
    r = error_set (err, ENODATA, "gdb's socket names no vCPU");
  return r;
}

int
gdb_close (struct gdb *gdb, struct error *err)
{
  int r;

  if (!gdb)
    return 0;
  /* However late it is. */
  if (gdb->deadline < clock_ms () + CLOSE_MS)
    gdb->deadline = clock_ms () + CLOSE_MS;
  r = ask (gdb, gdb->many ? "D;1" : "D", err);
  if (r == 0 && !said (gdb, "OK"))
    r = error_set (err, EIO, "QEMU does not let go over gdb's socket");
  close (gdb->fd);
  gdb_wire_done (&gdb->wire);
  free (gdb);
  return r;
}
