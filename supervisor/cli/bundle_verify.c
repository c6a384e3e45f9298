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

static int
open_beside (const char *dir, const char *name, uint64_t *ret_size)
{
  CLEANUP_CLOSE int at
      = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
  struct stat st;

  if (at < 0 || !name || !text_is_name (name))
    return -1;
  fd = openat (at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return -1;
  *ret_size = (uint64_t) st.st_size;
  return steal_fd (&fd);
}

static bool
sum_is (struct look *l, int fd, uint64_t size, const char *sum)
{
  CLEANUP_FREE char *piece = malloc (PIECE);
  char hex[DIGEST_HEX];
  struct digest d;
  uint64_t done = 0;
  ssize_t n = piece ? 1 : -1;

  /* How fast it goes is said of this file. */
  l->progress.begun = clock_ms ();
  digest_init (&d);
  while (done < size && n > 0)
    {
      n = read (fd, piece, PIECE);
      if (n < 0 && errno == EINTR)
        n = 1;
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
 * "elsewhere": it is not there. */
static const char *
judge (struct look *l, const char *dir, struct json_object *a)
{
  const char *sum = json_get_str (a, "sha256");
  uint64_t size = 0;
  CLEANUP_CLOSE int fd = open_beside (dir, json_get_str (a, "name"), &size);

  if (fd < 0)
    return "elsewhere";
  if ((int64_t) size != json_get_int (a, "bytes", -1))
    return "differs";
  if (!sum)
    return "unsummed";
  return sum_is (l, fd, size, sum) ? "ok" : "differs";
}

static void
attached (struct look *l, const char *dir)
{
  size_t n = json_object_array_length (l->attached);

  for (size_t i = 0; i < n; i++)
    {
      struct json_object *a = json_object_array_get_idx (l->attached, i);
      const char *state = dir ? judge (l, dir, a) : "attached";

      if (dir)
        json_add_str (a, "state", state);
      l->seen->attached++;
      l->seen->elsewhere += strcmp (state, "elsewhere") == 0;
      l->seen->bad += strcmp (state, "differs") == 0;
      print_row (l, a, state);
    }
}

int
bundle_look (struct cli *cli, const char *file, const char *dir, bool verify,
             struct bundle_seen *ret, struct error *err)
{
  CLEANUP_FREE char *copy = strdup (file);
  struct look l = { .cli = cli,
                    .file = file,
                    .seen = ret,
                    .attached = json_object_new_array (),
                    .began_ms = clock_ms () };
  int r = archive_read (cli->libexec, file,
                        verify ? "bundle-verify" : "bundle-list", NULL, told,
                        &l, NULL, err);

  if (verify && !dir && copy)
    dir = dirname (copy);
  attached (&l, verify ? dir : NULL);
  if (l.shown)
    progress_end (&l.progress, r >= 0 && ret->bad == 0, "");
  json_object_put (l.attached);
  return r;
}
