/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog bundle: looking into a bundle.  Archives are hostile, so they are
 * read by the parser process, which can do nothing else; what it says is
 * printed escaped.
 */
#include "supervisor/archive/archive.h"
#include "supervisor/cli/bundle.h"
#include "supervisor/cli/progress.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct parse
{
  bool json, raw;
  unsigned members, bad;
  struct buf text; /* json: of the member that is wanted */
};

static void
content (struct parse *p, const struct frame *f)
{
  struct buf out = BUF_INIT (8u << 20);

  if (p->json)
    buf_append (&p->text, f->body, f->body_len);
  else if (p->raw)
    fwrite (f->body, 1, f->body_len, stdout);
  else
    {
      text_escape (&out, f->body, f->body_len,
                   TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
      fwrite (buf_str (&out), 1, out.len, stdout);
    }
  buf_done (&out);
}

static int
told (const char *op, struct frame *f, void *arg, struct error *err)
{
  struct parse *p = arg;
  const char *state = json_get_str (f->head, "state");

  if (strcmp (op, "data") == 0)
    content (p, f);
  if (strcmp (op, "member") == 0)
    {
      p->members++;
      p->bad += state && strcmp (state, "ok") != 0;
    }
  return 0;
}

static int
parse (struct cli *cli, struct parse *p, const char *task, const char *file,
       const char *name, struct error *err)
{
  /* What is printed says itself how far it is. */
  bool quiet = cli->json || isatty (STDOUT_FILENO);
  struct progress progress;
  const struct archive_far far = { progress_far, &progress };
  int r;

  progress_late (&progress, file, quiet);
  r = archive_read (cli->libexec, file, task, name, told, p, &far, err);
  progress_end (&progress, r >= 0, "");
  return r;
}

#define UNPACK_MAX (2ull << 30)
#define SHOW_MAX (1u << 20) /* of incident.json */

/* Into a folder that is made for it: nothing of anybody's is written over. */
static int
extract (struct cli *cli, const char *file, const char *dir,
         unsigned *ret_files, struct error *err)
{
  CLEANUP_CLOSE int fd = -1;
  struct unpacked all;
  struct progress progress;
  const struct archive_far far = { progress_far, &progress };
  int r;

  if (mkdir (dir, 0700) < 0)
    return errno == EEXIST
               ? error_set (err, EEXIST, "%s is there already: name a folder "
                                         "that is to be made", dir)
               : error_errno (err, errno, "making %s", dir);
  fd = open (dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return error_errno (err, errno, "%s", dir);
  progress_late (&progress, file, cli->json);
  r = archive_unpack (cli->libexec, file, fd, UNPACK_MAX, &all, &far, err);
  progress_end (&progress, r >= 0, "");
  *ret_files = all.files;
  if (r < 0 && !all.files)
    {
      rmdir (dir);
      return r;
    }
  if (!cli->json)
    printf ("extract files=%u bytes=%llu\n", all.files,
            (unsigned long long) all.bytes);
  else
    printf ("{\"files\":%u,\"bytes\":%llu}\n", all.files,
            (unsigned long long) all.bytes);
  return r;
}

static const char *const words[]
    = { "show", "ls",     "cat",  "grep", "verify", "extract",
        "diff", "redact", NULL };

/* some: a part of what was wanted was had, and of the rest it is said why not.
 * The same for all who read a bundle; only of verify that is what it was asked
 * for. */
static int
code_of (bool some, const struct error *err)
{
  return err->code == EIO                 ? EXIT_ERROR
         : some && err->code == EBADMSG ? EXIT_PARTIAL
                                         : EXIT_USAGE;
}

static int
ended (int r, bool some, const struct error *err)
{
  if (r >= 0)
    return EXIT_WELL;
  cli_fail (err);
  return code_of (some, err);
}

/* As grep: 0 found, 3 nothing found. */
static int
run_grep (struct cli *cli)
{
  struct bundle_grep what = { .member = cli_option (cli, "--member"),
                              .nocase = cli_flag (cli, "-i"),
                              .names = cli_flag (cli, "-l"),
                              .counts = cli_flag (cli, "-c") };
  struct error err = ERROR_INIT;
  unsigned hits = 0;
  int rc = EXIT_WELL, r;

  if ((r = cli_rest (cli, &verb_bundle, 66)))
    return r;
  what.pattern = cli_arg (cli, 2);
  if (!what.pattern || !cli_arg (cli, 3))
    return cli_usage (&verb_bundle, "which pattern, and in which bundle?");
  for (int i = 3; cli_arg (cli, i); i++)
    {
      bool some = false;

      r = bundle_grep (cli, &what, cli_arg (cli, i), cli_arg (cli, 4) != NULL,
                       &hits, &some, &err);
      if (r < 0)
        rc = ended (r, some, &err);
    }
  return rc ? rc : hits ? EXIT_WELL : EXIT_TROUBLE;
}

static int
run_diff (struct cli *cli)
{
  bool numbers = cli_flag (cli, "--all"), differ = false;
  struct error err = ERROR_INIT;
  int r = cli_rest (cli, &verb_bundle, 4);

  if (r)
    return r;
  if (!cli_arg (cli, 3))
    return cli_usage (&verb_bundle, "which two bundles?");
  r = bundle_diff (cli, cli_arg (cli, 2), cli_arg (cli, 3), numbers, &differ,
                   &err);
  return r < 0 ? ended (r, false, &err) : differ ? EXIT_TROUBLE : EXIT_WELL;
}

static int
run_redact (struct cli *cli)
{
  struct bundle_redact what = { .to = cli_option (cli, "-o"),
                                .key = cli_option (cli, "--key"),
                                .rules = cli_option (cli, "--rules"),
                                .strict = cli_flag (cli, "--strict") };
  bool dry = cli_flag (cli, "--dry-run"), said = false;
  struct error err = ERROR_INIT;
  int r = cli_rest (cli, &verb_bundle, 3);

  if (r)
    return r;
  if (!(what.file = cli_arg (cli, 2)))
    return cli_usage (&verb_bundle, "which file?");
  if (!what.to == !dry)
    return cli_usage (&verb_bundle, "-o FILE says where it goes; --dry-run "
                                    "only says what would be replaced");
  r = bundle_redact (cli, &what, &said, &err);
  return r < 0 && said ? code_of (false, &err) : ended (r, false, &err);
}

/* The incident, as its bundle has it, on one line. */
static int
print_member (struct parse *p, const char *file, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  int r = json_parse (buf_str (&p->text), p->text.len, JSON_WIRE,
                      "incident.json", SHOW_MAX, &doc, err);

  if (r < 0)
    {
      error_wrap (err, "%s", file);
      err->code = EBADMSG;
      return -EBADMSG;
    }
  print_json (json_root (doc));
  return 0;
}

static int
show (struct cli *cli, struct parse *p, const char *file, struct error *err)
{
  struct error trouble = ERROR_INIT;
  int r;

  if (!p->json)
    return parse (cli, p, "bundle-cat", file, "summary.txt", err);
  p->text = (struct buf) BUF_INIT (SHOW_MAX);
  r = parse (cli, p, "bundle-cat", file, "incident.json", err);
  /* Of one that is damaged, what there is of it. */
  if (p->members && print_member (p, file, &trouble) < 0)
    {
      p->members = 0;
      if (r >= 0)
        *err = trouble;
      r = -EBADMSG;
    }
  buf_done (&p->text);
  return r;
}

static int
verify (struct cli *cli, const char *file, const char *dir)
{
  struct bundle_seen seen = { 0 };
  struct error err = ERROR_INIT;
  int r = bundle_look (cli, file, dir, true, &seen, &err);

  if (!cli->json && (r >= 0 || seen.members > 0))
    {
      printf ("verify members=%u bad=%u", seen.members, seen.bad);
      if (seen.attached)
        printf (" attachments=%u elsewhere=%u", seen.attached,
                seen.elsewhere);
      if (seen.unreadable)
        printf (" unreadable=%u", seen.unreadable);
      puts (r < 0 ? " torn=yes" : "");
    }
  r = ended (r, seen.members > 0, &err);
  if (r == EXIT_PARTIAL || (r == EXIT_WELL && seen.bad))
    return EXIT_TROUBLE;
  /* Whether it is what it was nobody knows. */
  return r == EXIT_WELL && seen.unreadable ? EXIT_ERROR : r;
}

static int
ls (struct cli *cli, struct parse *p, const char *file, struct error *err)
{
  struct bundle_seen seen = { 0 };
  int r = bundle_look (cli, file, NULL, false, &seen, err);

  p->members = seen.members;
  p->bad = seen.bad;
  return r;
}

/* Those that only read it out. */
static int
look (struct cli *cli, struct parse *p, const char *what, const char *file,
      const char *name)
{
  struct error err = ERROR_INIT;
  unsigned files = 0;
  int r;

  if (strcmp (what, "extract") == 0)
    r = extract (cli, file, name, &files, &err);
  else if (strcmp (what, "ls") == 0)
    r = ls (cli, p, file, &err);
  else if (strcmp (what, "show") == 0)
    r = show (cli, p, file, &err);
  else
    {
      p->json = false;
      r = parse (cli, p, "bundle-cat", file, name, &err);
    }
  r = ended (r, p->members + files > 0, &err);
  return r == EXIT_WELL && p->bad ? EXIT_PARTIAL : r;
}

static int
run_look (struct cli *cli, const char *what)
{
  struct parse p = { .json = cli->json,
                     .raw = strcmp (what, "cat") == 0
                            && cli_flag (cli, "--raw") };
  const char *dir = strcmp (what, "verify") == 0
                        ? cli_option (cli, "--attachments")
                        : NULL;
  const char *file = cli_arg (cli, 2), *name = cli_arg (cli, 3);
  int r = cli_rest (cli, &verb_bundle, 3);

  if (r)
    return r;
  if (name && strcmp (what, "cat") != 0 && strcmp (what, "extract") != 0)
    return cli_unknown (&verb_bundle, name);
  if (!file)
    return cli_usage (&verb_bundle, "which file?");
  if (p.raw && isatty (STDOUT_FILENO))
    return cli_usage (&verb_bundle,
                      "--raw is not for a terminal: send it to a file");
  if (strcmp (what, "cat") == 0 && !name)
    return cli_usage (&verb_bundle, "which member? `hangdog bundle ls FILE` "
                                    "names them");
  if (strcmp (what, "extract") == 0 && !name)
    return cli_usage (&verb_bundle, "into which new folder?");
  if (strcmp (what, "verify") == 0)
    return verify (cli, file, dir);
  return look (cli, &p, what, file, name);
}

static int
run (struct cli *cli)
{
  static int (*const others[]) (struct cli *)
      = { [3] = run_grep, [6] = run_diff, [7] = run_redact };
  const char *what = cli_arg (cli, 1);
  unsigned i = 0;

  if (!what)
    return cli_usage (&verb_bundle, NULL);
  while (words[i] && strcmp (words[i], what) != 0)
    i++;
  if (!words[i])
    return cli_no_word (&verb_bundle, what, words);
  return i < ARRAY_LEN (others) && others[i] ? others[i] (cli)
                                             : run_look (cli, what);
}

const struct verb verb_bundle = {
  .name = "bundle",
  .args = "show FILE |\n"
          "               ls FILE |\n"
          "               cat FILE MEMBER [--raw] |\n"
          "               verify FILE [--attachments DIR] |\n"
          "               extract FILE DIR |\n"
          "               grep PATTERN FILE... [-i] [-l] [-c] "
          "[--member GLOB] |\n"
          "               diff FILE FILE [--all] |\n"
          "               redact FILE -o FILE [--key FILE] [--rules FILE] "
          "[--strict]\n"
          "                 [--dry-run]",
  .summary = "look into a bundle, which is read by a process without rights",
  .help = "show prints the summary (--json: the incident as one object); "
          "verify\n"
          "compares every member with the manifest, and of a bundle that is "
          "damaged tells what\nis whole; what lies beside a bundle (a core) is "
          "compared, too, where it is in DIR, or\nwhere FILE is; "
          "--raw prints a member's bytes as they "
          "are (summary.ansi: --raw | less -R);\nextract makes DIR and unpacks "
          "into it.\n"
          "grep prints lines of its members that match a regular expression, "
          "as MEMBER:LINE: TEXT;\n-i in any case, -l only the members' "
          "names, -c how many.\n"
          "diff tells what two of them say differently: verdict, ladder, "
          "findings, facts (those\nthat are numbers only with --all), "
          "versions, members.\n"
          "redact makes one that may leave the host: addresses and names are "
          "replaced by\npseudonyms that are the same in every bundle under "
          "the same key (FILE, of 16 bytes or\nmore; else the host's own, in "
          "its state folder), secrets by a mark; --rules FILE adds\nrules "
          "(docs/bundle.md; `hangdog rules check FILE` tries them), --strict "
          "leaves out\nmembers that may hold any secret. --dry-run only "
          "counts.\n"
          "Exit codes: 0 well, 1 error, 2 no archive that can be read, or no "
          "such member; 3 what\nwas asked is not so: verify finds it damaged, "
          "grep nothing, diff what differs; 5 it is\ndamaged, and show, ls, "
          "cat, grep and extract gave what can be read (as report and\nanalyze "
          "do); diff and redact take none that is damaged.\n"
          "\nExamples:\n"
          "  hangdog bundle show incident.tar.zst\n"
          "  hangdog bundle cat incident.tar.zst sysrq/w.txt\n"
          "  hangdog bundle extract incident.tar.zst ./incident\n"
          "  hangdog bundle grep -i 'blocked for more' *.tar.zst\n"
          "  hangdog bundle diff before.tar.zst after.tar.zst\n"
          "  hangdog bundle redact incident.tar.zst -o public.tar.zst\n",
  .run = run,
};
