/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-report: makes the page of a bundle from the folder that it is, or
 * will be.
 *
 * What is in that folder a guest has said, and in a bundle from elsewhere
 * somebody else has written: so it is read here, by a process that has this
 * folder and nothing else.  One question: frame {"op": "report"} with the
 * manifest as its body; descriptor 4 is the folder, 5 the file that the page
 * is written to; with "stacks" 6 and 7 those that its stacks are written to, as
 * text and for speedscope.  Without a body the folder has a
 * manifest.json.  "damage": TEXT, and the page says that the bundle is damaged.
 * One answer: {"ok": BOOL, "why": TEXT}.
 */
#include "base/buf.h"
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/io.h"
#include "base/json.h"
#include "base/text.h"
#include "controller-proto/bundle.h"
#include "diag/report/report.h"
#include "diag/report/speedscope.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FD_FOLDER (HELPER_CHANNEL + 1)
#define FD_PAGE (HELPER_CHANNEL + 2)
#define FD_STACKS (HELPER_CHANNEL + 3) /* with {"stacks": true} */
#define FD_SCOPE (HELPER_CHANNEL + 4)  /* the same */
#define STACKS_MAX (2 * FOLDED_MAX) /* the last line begins before that */
/* Whoever writes more than the limit is killed, and there is no page. */
#define FILE_MAX (STACKS_MAX > REPORT_MAX ? STACKS_MAX : REPORT_MAX)
#define DEPTH_MAX 4
#define FILES_MOST 1024
#define SAY_MS 2000
#define MAKE_MS 10000

struct file_of
{
  char *name;
  size_t size;
};

struct folder
{
  struct report_source source;
  int fd;
  struct file_of *files;
  unsigned nfiles;
};

/* ---- the folder ---- */

/* A file of ours, by our own names: no links, no devices. */
static int
open_file (struct folder *f, const char *name, struct stat *st)
{
  int fd = openat (f->fd, name,
                   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

  if (fd < 0)
    return -errno;
  if (fstat (fd, st) < 0 || !S_ISREG (st->st_mode))
    {
      close (fd);
      return -ENOENT;
    }
  return fd;
}

static int
read_file (struct report_source *source, const char *name, size_t max, int end,
           struct buf *out, size_t *ret_size)
{
  struct folder *f = container_of (source, struct folder, source);
  char piece[16384];
  struct stat st;
  int fd CLEANUP_CLOSE = open_file (f, name, &st);
  size_t left = max;
  ssize_t n;

  if (fd < 0)
    return fd;
  if (end && (uint64_t) st.st_size > max
      && lseek (fd, st.st_size - (off_t) max, SEEK_SET) < 0)
    return -errno;
  while (left > 0
         && (n = read (fd, piece,
                       left < sizeof (piece) ? left : sizeof (piece)))
                != 0)
    {
      if (n < 0)
        return -errno;
      buf_append (out, piece, (size_t) n);
      left -= (size_t) n;
    }
  *ret_size = (size_t) st.st_size;
  return 0;
}

struct walk
{
  struct folder *folder;
  void (*fn) (const char *name, size_t size, void *arg);
  void *arg;
};

static void
walk (struct walk *w, const char *prefix, unsigned depth)
{
  int fd = openat (w->folder->fd, prefix[0] ? prefix : ".",
                   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *d CLEANUP_CLOSEDIR = fd < 0 ? NULL : fdopendir (fd);
  char name[PATH_MAX];
  struct dirent *e;
  struct stat st;

  if (!d && fd >= 0)
    close (fd);
  while (d && (e = readdir (d)))
    {
      if (!text_is_name (e->d_name))
        continue;
      snprintf (name, sizeof (name), "%s%s%s", prefix, prefix[0] ? "/" : "",
                e->d_name);
      if (fstatat (w->folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        continue;
      if (S_ISDIR (st.st_mode) && depth < DEPTH_MAX)
        walk (w, name, depth + 1);
      else if (S_ISREG (st.st_mode))
        w->fn (name, (size_t) st.st_size, w->arg);
    }
}

/* ---- names in order, once ---- */

static void
add_name (const char *name, size_t size, void *arg)
{
  struct folder *f = arg;
  struct file_of *more;

  if (f->nfiles == FILES_MOST)
    return;
  more = realloc (f->files, (f->nfiles + 1) * sizeof (*more));
  if (!more)
    return;
  f->files = more;
  f->files[f->nfiles].name = strdup (name);
  f->files[f->nfiles].size = size;
  f->nfiles += f->files[f->nfiles].name != NULL;
}

static int
by_name (const void *a, const void *b)
{
  const struct file_of *x = a, *y = b;

  return strcmp (x->name, y->name);
}

static void
each_file (struct report_source *source,
           void (*fn) (const char *name, size_t size, void *arg), void *arg)
{
  struct folder *f = container_of (source, struct folder, source);

  for (unsigned i = 0; i < f->nfiles; i++)
    fn (f->files[i].name, f->files[i].size, arg);
}

/* ---- the question ---- */

/* Without them the page is as good. */
static void
put_stacks (const struct buf *stacks)
{
  static const struct speedscope scope
      = { .name = "where its tasks stand", .unit = "none" };
  CLEANUP_BUF struct buf out = BUF_INIT (STACKS_MAX);

  (void) io_write (FD_STACKS, buf_str (stacks), stacks->len);
  if (speedscope_write (&scope, buf_str (stacks), stacks->len, &out, NULL)
          == 0
      && !out.cut && io_write (FD_SCOPE, buf_str (&out), out.len) < 0)
    /* Half a document is none; whoever asked leaves out what is empty. */
    (void) !ftruncate (FD_SCOPE, 0);
}

static int
page (const struct frame *f, struct error *err)
{
  CLEANUP_BUF struct buf out = BUF_INIT (REPORT_MAX);
  CLEANUP_BUF struct buf text = BUF_INIT (BUNDLE_MAX_MANIFEST);
  CLEANUP_BUF struct buf stacks = BUF_INIT (STACKS_MAX);
  bool wanted = json_get_bool (f->head, "stacks", false);
  struct folder folder
      = { .source = { .read = read_file,
                      .each = each_file,
                      .damage = json_get_str (f->head, "damage") },
          .fd = FD_FOLDER };
  struct walk w = { .folder = &folder, .fn = add_name, .arg = &folder };
  struct json_doc *doc = NULL;
  size_t size;
  int r;

  walk (&w, "", 0);
  if (folder.nfiles)
    qsort (folder.files, folder.nfiles, sizeof (*folder.files), by_name);
  if (f->body_len)
    buf_append (&text, f->body, f->body_len);
  else if ((r = read_file (&folder.source, "manifest.json",
                           BUNDLE_MAX_MANIFEST, 0, &text, &size))
           < 0)
    return error_set (err, -r, "manifest.json can't be read: %s",
                      strerror (-r));
  else if (size > BUNDLE_MAX_MANIFEST)
    return error_set (err, EBADMSG, "its manifest has more than %u MiB",
                      BUNDLE_MAX_MANIFEST >> 20);
  r = json_parse (buf_str (&text), text.len, JSON_WIRE, "manifest.json",
                  BUNDLE_MAX_MANIFEST, &doc, err);
  /* What came from afar may be anybody's; of one of ours that was redacted
   * strictly the incident may be gone. */
  if (r == 0 && !f->body_len && !folder.source.damage
      && !json_get (json_root (doc), "schema")
      && !json_get (json_root (doc), "incident"))
    r = error_set (err, EBADMSG, "its manifest names no schema and no "
                                 "incident: this is no bundle of hangdog's");
  if (r == 0)
    r = report_html (&folder.source, json_root (doc), &out,
                     wanted ? &stacks : NULL, err);
  if (r == 0 && (r = io_write (FD_PAGE, buf_str (&out), out.len)) < 0)
    error_set (err, -r, "the page can't be written: %s", strerror (-r));
  if (r == 0 && wanted && !stacks.cut && stacks.len)
    put_stacks (&stacks);
  json_doc_free (doc);
  for (unsigned i = 0; i < folder.nfiles; i++)
    free (folder.files[i].name);
  free (folder.files);
  return r;
}

static int
answer (int rc, const struct error *err)
{
  CLEANUP_JSON struct json_object *head = json_object_new_object ();

  json_add_int (head, "re", 1);
  json_add_bool (head, "ok", rc == 0);
  if (rc < 0)
    {
      json_add_text (head, "why", error_text (err), strlen (error_text (err)));
      /* Who asks is of this host, too. */
      json_add_int (head, "errno", -rc);
    }
  return frame_write (HELPER_CHANNEL, head, NULL, 0, NULL, 0,
                      clock_ms () + SAY_MS, NULL);
}

int
main (void)
{
  CLEANUP_FRAME struct frame f = { 0 };
  struct error err = ERROR_INIT;

  helper_confine (&(struct helper_limits){ .memory_bytes = 512u << 20,
                                           .files = 32,
                                           .file_bytes = FILE_MAX });
  helper_enclose (&(struct helper_jail){ .read = { "/proc/self/fd/4" } });
  alarm (MAKE_MS / 1000 + 1);
  if (frame_read (HELPER_CHANNEL, &f, clock_ms () + SAY_MS, NULL) < 0)
    {
      fprintf (stderr, "hangdog-report: started by hangdog, not by people\n");
      return 2;
    }
  return answer (page (&f, &err), &err) < 0;
}
