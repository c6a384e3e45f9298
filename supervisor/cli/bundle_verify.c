/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog bundle ls and verify: the members of a bundle, and what lies beside
 * it: too large for it, or nobody else's business.
 *
 * What a bundle says of such a file is a stranger's word: only a name in a
 * folder of the caller's is looked for, never a path of the bundle's.
 */
#include "supervisor/archive/archive.h"
#include "supervisor/cli/bundle.h"
#include "supervisor/cli/progress.h"

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

#define QUIET_MS 1000 /* what is done by then says nothing of how far it is */
#define PIECE (256u << 10)

struct look
{
  struct cli *cli;
  const char *file;
  struct bundle_seen *seen;
  struct json_object *attached; /* their frames, for the end */
  uint64_t began_ms;
  unsigned members, total; /* total 0 = the manifest is not seen yet */
  struct progress progress;
  bool shown; /* progress was begun */
};

/* ---- how far ---- */

static bool
is_long (struct look *l)
{
  if (!l->shown && clock_ms () >= l->began_ms + QUIET_MS)
    {
      progress_begin (&l->progress, l->file, l->cli->json);
      l->shown = true;
    }
  return l->shown;
}

/* ---- what is told ---- */

static void
print_row (struct look *l, struct json_object *head, const char *state)
{
  const char *name = json_get_str (head, "name");

  if (l->shown)
    progress_clear (&l->progress);
  if (l->cli->json)
    {
      print_json (head);
      return;
    }
  printf ("%10lld  %-10s ", (long long) json_get_int (head, "bytes", 0),
          state);
  print_text (stdout, name ? name : "");
  if (json_get_str (head, "send"))
    {
      printf (" (beside the bundle; sent: ");
      print_text (stdout, json_get_str (head, "send"));
      fputc (')', stdout);
    }
  fputc ('\n', stdout);
}

static void
member (struct look *l, struct json_object *head, const char *state)
{
  const char *name = json_get_str (head, "name");

  l->seen->members++;
  if (strcmp (state, "ok") != 0)
    l->seen->bad++;
  print_row (l, head, state);
  if (l->total && is_long (l))
    progress_step (&l->progress, ++l->members, l->total, name ? name : "");
  else
    l->members++;
}

static int
told (const char *op, struct frame *f, void *arg, struct error *err)
{
  struct look *l = arg;
  const char *state = json_get_str (f->head, "state");

  (void) err;
  if (strcmp (op, "member") == 0)
    member (l, f->head, state ? state : "ok");
  else if (strcmp (op, "missing") == 0)
    member (l, f->head, state ? state : "missing");
  else if (strcmp (op, "listed") == 0)
    l->total = (unsigned) json_get_int (f->head, "members", 0);
  else if (strcmp (op, "attachment") == 0
           && json_object_array_length (l->attached) < BUNDLE_MAX_ATTACHED)
    json_object_array_add (l->attached, json_object_get (f->head));
  return 0;
}

/* ---- what lies beside it ---- */

/* -ENOENT: there is no such file; else why it cannot be read. */
static int
open_beside (int dir, const char *name, uint64_t *ret_size)
{
  CLEANUP_CLOSE int fd = -1;
  struct stat st;

  if (!name || !text_is_name (name))
    return -ENOENT;
  /* Not opened, whatever it may do: a link, a pipe. */
  if (fstatat (dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return -errno;
  if (!S_ISREG (st.st_mode))
    return -ENOENT;
  fd = openat (dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  if (fstat (fd, &st) < 0)
    return -errno;
  if (!S_ISREG (st.st_mode))
    return -ENOENT;
  *ret_size = (uint64_t) st.st_size;
  return steal_fd (&fd);
}

/* 1: it is; 0: it is another, or the file was cut off meanwhile; else why it
 * cannot be read. */
static int
sum_is (struct look *l, int fd, uint64_t size, const char *sum)
{
  CLEANUP_FREE char *piece = malloc (PIECE);
  char hex[DIGEST_HEX];
  struct digest d;
  uint64_t done = 0;
  ssize_t n = 1;

  if (!piece)
    return -ENOMEM;
  /* How fast it goes is said of this file. */
  l->progress.begun = clock_ms ();
  digest_init (&d);
  while (done < size && n > 0)
    {
      n = read (fd, piece, PIECE);
      if (n < 0 && errno == EINTR)
        n = 1;
      else if (n < 0)
        return -errno;
      else if (n > 0)
        {
          digest_add (&d, piece, (size_t) n);
          done += (uint64_t) n;
          if (is_long (l))
            progress_bytes (&l->progress, done, size);
        }
    }
  digest_end_hex (&d, hex);
  return done == size && strcmp (hex, sum) == 0;
}

/* "ok", "differs"; "unsummed": of that size, and nobody knows more;
 * "elsewhere": it is not there; "unreadable": it is, or may be. */
static const char *
judge (struct look *l, int dir, struct json_object *a)
{
  const char *sum = json_get_str (a, "sha256");
  uint64_t size = 0;
  CLEANUP_CLOSE int fd = open_beside (dir, json_get_str (a, "name"), &size);
  int same;

  if (fd < 0)
    return fd == -ENOENT || fd == -ELOOP ? "elsewhere" : "unreadable";
  if ((int64_t) size != json_get_int (a, "bytes", -1))
    return "differs";
  if (!sum)
    return "unsummed";
  same = sum_is (l, fd, size, sum);
  return same < 0 ? "unreadable" : same ? "ok" : "differs";
}

static void
attached (struct look *l, int dir)
{
  size_t n = json_object_array_length (l->attached);

  for (size_t i = 0; i < n; i++)
    {
      struct json_object *a = json_object_array_get_idx (l->attached, i);
      const char *state = dir >= 0 ? judge (l, dir, a) : "attached";

      if (dir >= 0)
        json_add_str (a, "state", state);
      l->seen->attached++;
      l->seen->elsewhere += strcmp (state, "elsewhere") == 0;
      l->seen->unreadable += strcmp (state, "unreadable") == 0;
      l->seen->bad += strcmp (state, "differs") == 0;
      print_row (l, a, state);
    }
}

/* To look for names in, and for nothing else. */
static int
open_folder (const char *file, const char *dir, int *ret, struct error *err)
{
  CLEANUP_FREE char *copy = strdup (file);

  if (!copy)
    return error_set (err, ENOMEM, "no memory");
  if (!dir)
    dir = dirname (copy);
  *ret = open (dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return *ret < 0 ? error_errno (err, errno, "%s", dir) : 0;
}

int
bundle_look (struct cli *cli, const char *file, const char *dir, bool verify,
             struct bundle_seen *ret, struct error *err)
{
  CLEANUP_CLOSE int at = -1;
  struct look l = { .cli = cli,
                    .file = file,
                    .seen = ret,
                    .began_ms = clock_ms () };
  int r = verify ? open_folder (file, dir, &at, err) : 0;

  if (r < 0)
    return r;
  l.attached = json_object_new_array ();
  r = archive_read (cli->libexec, file,
                    verify ? "bundle-verify" : "bundle-list", NULL, told, &l,
                    NULL, err);
  attached (&l, at);
  if (l.shown)
    progress_end (&l.progress, r >= 0 && ret->bad == 0, "");
  json_object_put (l.attached);
  return r;
}
