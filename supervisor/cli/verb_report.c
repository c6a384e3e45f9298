/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog report: the page of a bundle, made anew: of one that came without,
 * or by a newer hangdog than the one that packed it.
 */
#include "supervisor/archive/archive.h"
#include "supervisor/archive/folder.h"
#include "supervisor/cli/cli.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define UNPACK_MAX (1ull << 30)

static int
of_bundle (struct cli *cli, const char *file, int page, struct error *err)
{
  struct folder f = FOLDER_INIT;
  struct unpacked all;
  int r = folder_make (NULL, &f, err);

  if (r == 0)
    r = archive_unpack (cli->libexec, file, f.fd, UNPACK_MAX, &all, err);
  if (r == 0)
    r = folder_page (cli->libexec, f.fd, page, err);
  folder_drop (&f);
  return r;
}

static int
of_folder (struct cli *cli, const char *path, int page, struct error *err)
{
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  return fd < 0 ? error_errno (err, errno, "%s", path)
                : folder_page (cli->libexec, fd, page, err);
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
