/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog report: the page of a bundle, made anew: of one that came without,
 * or by a newer hangdog than the one that packed it.
 */
#include "supervisor/archive/archive.h"
#include "supervisor/archive/folder.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/progress.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define UNPACK_MAX (1ull << 30)

/* How far it is, and what the bundle lacks. */
struct making
{
  struct cli *cli;
  const char *from;
  struct progress progress;
  struct error damage; /* code 0: it is whole */
  bool nowhere;        /* the page cannot be put where it is to go */
};

#define STEPS 2

static int
page_of (struct making *m, int folder, int page, struct error *err)
{
  int r;

  progress_step (&m->progress, STEPS, STEPS, "the page");
  r = folder_page (m->cli->libexec, folder, page,
                   m->damage.code ? error_text (&m->damage) : NULL, err);
  return r < 0 ? error_wrap (err, "%s", m->from) : 0;
}

/* Of one that is damaged the page is of what came before that. */
static int
of_bundle (struct making *m, int page, struct error *err)
{
  struct folder f = FOLDER_INIT;
  struct unpacked all;
  int r = folder_make (NULL, &f, err);

  progress_step (&m->progress, 1, STEPS, "unpacking");
  if (r == 0)
    r = archive_unpack (m->cli->libexec, m->from, f.fd, UNPACK_MAX, &all, NULL,
                        err);
  if (r == -EBADMSG && faccessat (f.fd, "manifest.json", R_OK, 0) == 0)
    {
      m->damage = *err;
      r = 0;
    }
  if (r == 0)
    r = page_of (m, f.fd, page, m->damage.code ? &(struct error) ERROR_INIT
                                               : err);
  if (r < 0 && m->damage.code)
    *err = m->damage;
  folder_drop (&f);
  return r;
}

static int
of_folder (struct making *m, int page, struct error *err)
{
  CLEANUP_CLOSE int fd = open (m->from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  return fd < 0 ? error_errno (err, errno, "%s", m->from)
                : page_of (m, fd, page, err);
}

static int
make (struct making *m, int page, struct error *err)
{
  struct stat st;

  if (stat (m->from, &st) < 0)
    return error_errno (err, errno, "%s", m->from);
  return S_ISDIR (st.st_mode) ? of_folder (m, page, err)
                              : of_bundle (m, page, err);
}

/* ---- where it goes ---- */

/* Whole or not at all. */
static int
into_file (struct making *m, const char *to, struct error *err)
{
  char path[4096];
  CLEANUP_CLOSE int fd = -1;
  int r;

  if ((size_t) snprintf (path, sizeof (path), "%s.XXXXXX", to)
      >= sizeof (path))
    return error_set (err, ENAMETOOLONG, "%s", to);
  fd = mkostemp (path, O_CLOEXEC);
  m->nowhere = fd < 0;
  if (fd < 0)
    return error_errno (err, errno, "making %s", to);
  r = make (m, fd, err);
  if (r == 0
      && (fchmod (fd, 0644) < 0 || fsync (fd) < 0 || rename (path, to) < 0))
    {
      m->nowhere = true;
      r = error_errno (err, errno, "making %s", to);
    }
  if (r < 0)
    unlink (path);
  return r;
}

static int
to_stdout (struct making *m, struct error *err)
{
  FILE *f CLEANUP_FCLOSE = tmpfile ();
  char piece[16384];
  size_t n;
  int r;

  if (!f)
    return error_errno (err, errno, "a file for a while");
  r = make (m, fileno (f), err);
  rewind (f);
  while (r == 0 && (n = fread (piece, 1, sizeof (piece), f)) > 0)
    fwrite (piece, 1, n, stdout);
  return r;
}

static void
say_made (const struct making *m, const char *to)
{
  CLEANUP_JSON struct json_object *o = NULL;

  if (!m->cli->json)
    {
      fputs ("report ", stdout);
      print_text (stdout, to);
      fputc ('\n', stdout);
      return;
    }
  o = json_object_new_object ();
  json_add_text (o, "bundle", m->from, strlen (m->from));
  json_add_text (o, "report", to, strlen (to));
  if (m->damage.code)
    json_add_text (o, "damaged", error_text (&m->damage),
                   strlen (error_text (&m->damage)));
  print_json (o);
}

static int
run (struct cli *cli)
{
  const char *to = cli_option (cli, "-o"), *from = cli_arg (cli, 1);
  struct making m = { .cli = cli, .from = from, .damage = ERROR_INIT };
  struct error err = ERROR_INIT;
  int r = cli_rest (cli, &verb_report, 1);
  bool said;

  if (r)
    return r;
  if (!from)
    return cli_usage (&verb_report, "of which bundle?");
  if (!to && cli->json)
    return cli_usage (&verb_report, "--json tells what was made: -o FILE says "
                                    "where the page goes");
  if (!to && isatty (STDOUT_FILENO))
    return cli_usage (&verb_report,
                      "a page is not for a terminal: -o FILE, or a pipe");
  progress_begin (&m.progress, from, cli->json);
  r = to ? into_file (&m, to, &err) : to_stdout (&m, &err);
  said = progress_end (&m.progress, r == 0,
                       r < 0 ? error_text (&err) : to ? to : "standard output");
  if (r < 0)
    {
      if (!said)
        cli_fail (&err);
      return !m.nowhere
                     && (err.code == EBADMSG || err.code == ENOENT
                         || err.code == EINVAL)
                 ? EXIT_USAGE
                 : EXIT_ERROR;
    }
  if (m.damage.code)
    cli_fail (&m.damage);
  if (to)
    say_made (&m, to);
  return m.damage.code ? EXIT_PARTIAL : EXIT_WELL;
}

const struct verb verb_report = {
  .name = "report",
  .args = "BUNDLE|FOLDER [-o FILE]",
  .summary = "make the page of a bundle: index.html, which needs no network",
  .help = "A bundle has its page already; this makes it anew, by this "
          "hangdog. FOLDER is an unpacked\nbundle. Without -o the page goes "
          "to the standard output; with it JSON can\ntell what was made: "
          "bundle, report, damaged.\n"
          "Of a bundle that is damaged it is made of what can be read, and "
          "the page says so.\n"
          "Exit codes: 0 made, 1 error, 2 no bundle that can be read, 5 made "
          "of a part of it.\n"
          "\nExamples:\n"
          "  hangdog report incident.tar.zst -o incident.html\n"
          "  hangdog bundle extract incident.tar.zst ./i && hangdog report "
          "./i >page.html\n",
  .run = run,
};
