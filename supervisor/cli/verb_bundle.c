/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog bundle: looking into a bundle.  Archives are hostile, so they are
 * read by the parser process, which can do nothing else; what it says is
 * printed escaped.
 */
#include "supervisor/archive/archive.h"
#include "supervisor/cli/bundle.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct parse
{
  bool json, raw;
  bool content; /* a member's bytes are wanted, not the list */
  unsigned members, bad;
};

static void
member (struct parse *p, struct json_object *head, const char *state)
{
  const char *name = json_get_str (head, "name");

  p->members++;
  if (strcmp (state, "ok") != 0)
    p->bad++;
  if (p->content)
    return;
  if (p->json)
    {
      print_json (head);
      return;
    }
  printf ("%10lld  %-10s ", (long long) json_get_int (head, "bytes", 0),
          state);
  print_text (stdout, name ? name : "");
  fputc ('\n', stdout);
}

static void
content (struct parse *p, const struct frame *f)
{
  struct buf out = BUF_INIT (8u << 20);

  if (p->raw)
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
  else if (strcmp (op, "member") == 0)
    member (p, f->head, state ? state : "ok");
  else if (strcmp (op, "missing") == 0)
    member (p, f->head, "missing");
  return 0;
}

static int
parse (struct cli *cli, struct parse *p, const char *task, const char *file,
       const char *name, struct error *err)
{
  p->content = name != NULL;
  return archive_read (cli->libexec, file, task, name, told, p, err);
}

#define UNPACK_MAX (2ull << 30)

/* Into a folder that is made for it: nothing of anybody's is written over. */
static int
extract (struct cli *cli, const char *file, const char *dir,
         struct error *err)
{
  CLEANUP_CLOSE int fd = -1;
  struct unpacked all;
  int r;

  if (mkdir (dir, 0700) < 0)
    return error_errno (err, errno, "making %s", dir);
  fd = open (dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return error_errno (err, errno, "%s", dir);
  r = archive_unpack (cli->libexec, file, fd, UNPACK_MAX, &all, err);
  if (r == 0 && !cli->json)
    printf ("extract files=%u bytes=%llu\n", all.files,
            (unsigned long long) all.bytes);
  if (r == 0 && cli->json)
    printf ("{\"files\":%u,\"bytes\":%llu}\n", all.files,
            (unsigned long long) all.bytes);
  return r;
}

static const char *const words[]
    = { "show", "ls",     "cat",  "grep", "verify", "extract",
        "diff", "redact", NULL };

static int
ended (int r, const struct error *err)
{
  if (r >= 0)
    return EXIT_WELL;
  cli_fail (err);
  return err->code == EIO ? EXIT_ERROR : EXIT_USAGE;
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
      r = bundle_grep (cli, &what, cli_arg (cli, i), cli_arg (cli, 4) != NULL,
                       &hits, &err);
      if (r < 0)
        rc = ended (r, &err);
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
  return r < 0 ? ended (r, &err) : differ ? EXIT_TROUBLE : EXIT_WELL;
}

static int
run_redact (struct cli *cli)
{
  struct bundle_redact what = { .to = cli_option (cli, "-o"),
                                .key = cli_option (cli, "--key"),
                                .rules = cli_option (cli, "--rules"),
                                .strict = cli_flag (cli, "--strict") };
  bool dry = cli_flag (cli, "--dry-run");
  struct error err = ERROR_INIT;
  int r = cli_rest (cli, &verb_bundle, 3);

  if (r)
    return r;
  if (!(what.file = cli_arg (cli, 2)))
    return cli_usage (&verb_bundle, "which file?");
  if (!what.to == !dry)
    return cli_usage (&verb_bundle, "-o FILE says where it goes; --dry-run "
                                    "only says what would be replaced");
  return ended (bundle_redact (cli, &what, &err), &err);
}

/* Those that only read it out. */
static int
run_look (struct cli *cli, const char *what)
{
  struct parse p = { .json = cli->json, .raw = cli_flag (cli, "--raw") };
  const char *file = cli_arg (cli, 2), *name = cli_arg (cli, 3);
  struct error err = ERROR_INIT;
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
  if (strcmp (what, "extract") == 0)
    r = extract (cli, file, name, &err);
  else if (strcmp (what, "ls") == 0)
    r = parse (cli, &p, "bundle-list", file, NULL, &err);
  else if (strcmp (what, "verify") == 0)
    r = parse (cli, &p, "bundle-verify", file, NULL, &err);
  else
    r = parse (cli, &p, "bundle-cat", file, name ? name : "summary.txt", &err);
  if (strcmp (what, "verify") == 0 && !cli->json
      && (r >= 0 || p.members > 0))
    printf ("verify members=%u bad=%u%s\n", p.members, p.bad,
            r < 0 ? " torn=yes" : "");
  if (r < 0)
    return ended (r, &err);
  return p.bad ? EXIT_TROUBLE : EXIT_WELL;
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
  .args = "show FILE | ls FILE | cat FILE MEMBER [--raw] | verify FILE | "
          "extract FILE DIR | grep PATTERN FILE... [-i] [-l] [-c] "
          "[--member GLOB] | diff FILE FILE [--all] | redact FILE -o FILE "
          "[--key FILE] [--rules FILE] [--strict] [--dry-run]",
  .summary = "look into a bundle, which is read by a process without rights",
  .help = "show prints the summary; verify compares every member with the "
          "manifest, and of a\nbundle that is cut off tells what is whole; "
          "--raw prints a member's bytes as they are;\nextract makes DIR and "
          "unpacks into it.\n"
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
          "Exit codes: 0 well, 2 no archive that can be read, 3 a member is "
          "damaged or missing,\nnothing matches, or they differ.\n"
          "\nExamples:\n"
          "  hangdog bundle show incident.tar.zst\n"
          "  hangdog bundle cat incident.tar.zst sysrq/w.txt\n"
          "  hangdog bundle extract incident.tar.zst ./incident\n"
          "  hangdog bundle grep -i 'blocked for more' *.tar.zst\n"
          "  hangdog bundle diff before.tar.zst after.tar.zst\n"
          "  hangdog bundle redact incident.tar.zst -o public.tar.zst\n",
  .run = run,
};
