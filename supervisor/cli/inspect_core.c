/* SPDX-License-Identifier: Apache-2.0
 *
 * Cores for `hangdog inspect`: what is one by its first bytes, and those that
 * are compressed, into memory.  A parser expands them; here bytes are put
 * where it says.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/cli/inspect_view.h"
#include "supervisor/cli/progress.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "transports/memory/parser.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPAND_MS 180000
#define MAX_HELD (4ull << 30) /* of memory, for what is not zeros */
#define MAX_END (1ull << 42)

struct expand
{
  int fd;
  uint64_t at, held;
  int from; /* the parser's descriptor is the same open file */
  uint64_t total;
  struct progress progress;
  struct error *err;
};

static int
put (struct expand *e, const char *data, size_t len)
{
  e->held += len;
  if (e->held > MAX_HELD)
    return error_set (e->err, EFBIG,
                      "it is too large to be expanded in memory: unpack it "
                      "first, with `zstd -d --sparse`");
  while (len > 0)
    {
      ssize_t n = pwrite (e->fd, data, len, (off_t) e->at);

      if (n <= 0)
        return error_errno (e->err, errno, "expanding it");
      data += n;
      len -= (size_t) n;
      e->at += (uint64_t) n;
    }
  return 0;
}

static int
take (struct frame *f, void *arg)
{
  struct expand *e = arg;
  const char *op = json_get_str (f->head, "op");
  int64_t bytes = json_get_int (f->head, "bytes", -1);
  off_t read_to = lseek (e->from, 0, SEEK_CUR);

  if (read_to >= 0)
    progress_bytes (&e->progress, (uint64_t) read_to, e->total);
  if (op && strcmp (op, "data") == 0)
    return put (e, f->body, f->body_len);
  if (op && strcmp (op, "hole") == 0 && bytes >= 0
      && (uint64_t) bytes <= MAX_END - e->at)
    {
      e->at += (uint64_t) bytes;
      return 0;
    }
  if (op && strcmp (op, "end") == 0)
    return ftruncate (e->fd, (off_t) e->at) < 0
               ? error_errno (e->err, errno, "expanding it")
               : 1;
  if (op && strcmp (op, "error") == 0)
    return error_set (
        e->err, EBADMSG, "%s",
        json_get_str (json_get (f->head, "error"), "message")
            ? json_get_str (json_get (f->head, "error"), "message")
            : "it cannot be expanded");
  return error_set (e->err, EBADMSG,
                    "the parser process said what is no part "
                    "of a file");
}

/* *fd becomes a file in memory. */
static int
expand (const struct cli *cli, const char *what, int *fd, struct error *err)
{
  static const char *const args[] = { "unzstd", NULL };
  const struct parser_spec spec = { .libexec = cli->libexec,
                                    .program = "hangdog-parser",
                                    .deadline_ms = EXPAND_MS,
                                    .args = args,
                                    .inputs = fd,
                                    .ninputs = 1 };
  CLEANUP_CLOSE int memory = memfd_create ("core", MFD_CLOEXEC);
  struct expand e = { .fd = memory, .err = err };
  struct parser_run *run = NULL;
  struct stat st;
  int r;

  if (memory < 0)
    return error_errno (err, errno, "memory for %s", what);
  r = parser_run_start (&spec, &run, err);
  if (r < 0)
    return r;
  progress_late (&e.progress, what, cli->json);
  e.from = *fd;
  e.total = fstat (*fd, &st) == 0 ? (uint64_t) st.st_size : 0;
  r = parser_run_listen (run, clock_ms () + EXPAND_MS, take, &e, err);
  progress_end (&e.progress, r >= 0, "");
  parser_run_end (run, r < 0, NULL);
  if (r < 0)
    return error_wrap (err, "%s", what);
  close (*fd);
  *fd = steal_fd (&memory);
  return 0;
}

/* A name without a slash may be a guest's, too, and is a file's only when that
 * is a core. */
int
inspect_open_core (const struct cli *cli, const char *what, int *ret_fd,
                   struct error *err)
{
  CLEANUP_CLOSE int fd = open (what, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  bool path = strchr (what, '/') != NULL;
  char magic[4] = "";
  struct stat st;
  int r;

  if (fd < 0)
    return path ? error_errno (err, errno, "%s", what) : 0;
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return path ? error_set (err, EINVAL, "%s is not a file", what) : 0;
  (void) !pread (fd, magic, sizeof magic, 0);
  if (memcmp (magic, "\x28\xb5\x2f\xfd", 4) == 0)
    {
      r = expand (cli, what, &fd, err);
      if (r < 0)
        return r;
      (void) !pread (fd, magic, sizeof magic, 0);
      path = true;
    }
  if (memcmp (magic, "\177ELF", 4) != 0)
    return path ? error_set (err, EINVAL,
                             "%s is no ELF core, as dump-guest-memory and "
                             "`virsh dump --memory-only` make them",
                             what)
                : 0;
  *ret_fd = steal_fd (&fd);
  return 1;
}
