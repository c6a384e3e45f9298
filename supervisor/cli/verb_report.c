/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog report: the page of a bundle, made anew: of one that came without,
 * or by a newer hangdog than the one that packed it.
 */
#include "supervisor/cli/archive.h"

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/io.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PAGE_MS 20000
#define UNPACK_MAX (1ull << 30)

/* ---- the process that makes it ---- */

static int
make_page (struct cli *cli, int folder, int page, struct error *err)
{
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  CLEANUP_FRAME struct frame f = { 0 };
  uint64_t deadline = clock_ms () + PAGE_MS;
  struct helper h = HELPER_INIT;
  const char *why;
  int r = helper_start (&(struct helper_spec){ .libexec = cli->libexec,
                                               .program = "hangdog-report",
                                               .fds = (int[]){ folder, page },
                                               .nfds = 2 },
                        &h, err);

  json_add_str (head, "op", "report");
  if (r == 0)
    r = helper_say (&h, head, NULL, 0, NULL, 0, deadline, err);
  if (r == 0)
    r = helper_hear (&h, &f, deadline, err);
  if (r == 0 && !json_get_bool (f.head, "ok", false))
    {
      why = json_get_str (f.head, "why");
      r = error_set (err, EBADMSG, "%s",
                     why ? why : "hangdog-report did not say why");
    }
  helper_end (&h);
  return r;
}

/* ---- a folder for a while ---- */

/* What archive_unpack() made, and nothing else is in there. */
static void
empty (int dirfd, unsigned depth)
{
  int fd = openat (dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d CLEANUP_CLOSEDIR = fd < 0 ? NULL : fdopendir (fd);
  struct dirent *e;
  int sub;

  if (!d && fd >= 0)
    close (fd);
  while (d && (e = readdir (d)))
    {
      if (strcmp (e->d_name, ".") == 0 || strcmp (e->d_name, "..") == 0)
        continue;
      if (unlinkat (dirfd, e->d_name, 0) == 0 || depth > 8)
        continue;
      sub = openat (dirfd, e->d_name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (sub < 0)
        continue;
      empty (sub, depth + 1);
      close (sub);
      unlinkat (dirfd, e->d_name, AT_REMOVEDIR);
    }
}

static int
of_bundle (struct cli *cli, const char *file, int page, struct error *err)
{
  const char *tmp = getenv ("TMPDIR");
  CLEANUP_CLOSE int fd = -1;
  struct unpacked all;
  char path[4096];
  int r;

  snprintf (path, sizeof (path), "%s/hangdog-report.XXXXXX",
            tmp && tmp[0] == '/' ? tmp : "/tmp");
  if (!mkdtemp (path))
    return error_errno (err, errno, "making a folder in %s",
                        tmp && tmp[0] == '/' ? tmp : "/tmp");
  fd = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  r = fd < 0 ? error_errno (err, errno, "%s", path)
             : archive_unpack (cli, file, fd, UNPACK_MAX, &all, err);
  if (r == 0)
    r = make_page (cli, fd, page, err);
  if (fd >= 0)
    empty (fd, 0);
  rmdir (path);
  return r;
}

static int
of_folder (struct cli *cli, const char *path, int page, struct error *err)
{
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  return fd < 0 ? error_errno (err, errno, "%s", path)
                : make_page (cli, fd, page, err);
}

static int
make (struct cli *cli, const char *from, int page, struct error *err)
{
  struct stat st;

  if (stat (from, &st) < 0)
    return error_errno (err, errno, "%s", from);
  return S_ISDIR (st.st_mode) ? of_folder (cli, from, page, err)
                              : of_bundle (cli, from, page, err);
}

/* ---- where it goes ---- */

/* Whole or not at all. */
static int
into_file (struct cli *cli, const char *from, const char *to,
           struct error *err)
{
  char path[4096];
  CLEANUP_CLOSE int fd = -1;
  int r;

  if ((size_t) snprintf (path, sizeof (path), "%s.XXXXXX", to)
      >= sizeof (path))
    return error_set (err, ENAMETOOLONG, "%s", to);
  fd = mkostemp (path, O_CLOEXEC);
  if (fd < 0)
    return error_errno (err, errno, "%s", to);
  r = make (cli, from, fd, err);
  if (r == 0
      && (fchmod (fd, 0644) < 0 || fsync (fd) < 0 || rename (path, to) < 0))
    r = error_errno (err, errno, "%s", to);
  if (r < 0)
    unlink (path);
  return r;
}

static int
to_stdout (struct cli *cli, const char *from, struct error *err)
{
  FILE *f CLEANUP_FCLOSE = tmpfile ();
  char piece[16384];
  size_t n;
  int r;

  if (!f)
    return error_errno (err, errno, "a file for a while");
  r = make (cli, from, fileno (f), err);
  rewind (f);
  while (r == 0 && (n = fread (piece, 1, sizeof (piece), f)) > 0)
    fwrite (piece, 1, n, stdout);
  return r;
}

static int
run (struct cli *cli)
{
  const char *to = cli_option (cli, "-o"), *from = cli_arg (cli, 1);
  struct error err = ERROR_INIT;
  int r = cli_rest (cli, &verb_report, 1);

  if (r)
    return r;
  if (!from)
    return cli_usage (&verb_report, "of which bundle?");
  if (!to && isatty (STDOUT_FILENO))
    return cli_usage (&verb_report,
                      "a page is not for a terminal: -o FILE, or a pipe");
  r = to ? into_file (cli, from, to, &err) : to_stdout (cli, from, &err);
  if (r < 0)
    {
      cli_fail (&err);
      return err.code == EBADMSG || err.code == ENOENT || err.code == EINVAL
                 ? EXIT_USAGE
                 : EXIT_ERROR;
    }
  if (to)
    printf ("report %s\n", to);
  return EXIT_WELL;
}

const struct verb verb_report = {
  .name = "report",
  .args = "BUNDLE|FOLDER [-o FILE]",
  .summary = "make the page of a bundle: index.html, which needs no network",
  .help = "A bundle has its page already; this makes it anew, by this "
          "hangdog. FOLDER is an unpacked\nbundle. Without -o the page goes "
          "to the standard output.\n"
          "Exit codes: 0 made, 1 error, 2 no bundle that can be read.\n"
          "\nExamples:\n"
          "  hangdog report incident.tar.zst -o incident.html\n"
          "  hangdog bundle extract incident.tar.zst ./i && hangdog report "
          "./i >page.html\n",
  .run = run,
};
