/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog bundle: looking into a bundle.  Archives are hostile, so they are
 * read by the parser process, which can do nothing else; what it says is
 * printed escaped.
 */
#include "supervisor/cli/archive.h"

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
  return archive_read (cli, file, task, name, told, p, err);
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
  r = archive_unpack (cli, file, fd, UNPACK_MAX, &all, err);
  if (r == 0 && !cli->json)
    printf ("extract files=%u bytes=%llu\n", all.files,
            (unsigned long long) all.bytes);
  if (r == 0 && cli->json)
    printf ("{\"files\":%u,\"bytes\":%llu}\n", all.files,
            (unsigned long long) all.bytes);
  return r;
}

static bool
known_word (const char *what)
{
  static const char *const words[] = { "show", "ls", "cat", "verify",
                                       "extract" };

  for (unsigned i = 0; i < ARRAY_LEN (words); i++)
    if (strcmp (words[i], what) == 0)
      return true;
  return false;
}

static int
run (struct cli *cli)
{
  struct parse p = { .json = cli->json, .raw = cli_flag (cli, "--raw") };
  const char *what = cli_arg (cli, 1), *file = cli_arg (cli, 2);
  const char *name = cli_arg (cli, 3);
  struct error err = ERROR_INIT;
  int r = cli_rest (cli, &verb_bundle, 3);

  if (r)
    return r;
  if (!what)
    return cli_usage (&verb_bundle, NULL);
  if (!known_word (what)
      || (name && strcmp (what, "cat") != 0 && strcmp (what, "extract") != 0))
    return cli_unknown (&verb_bundle, name ? name : what);
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
  if (r < 0)
    {
      cli_fail (&err);
      return err.code == EIO ? EXIT_ERROR : EXIT_USAGE;
    }
  if (strcmp (what, "verify") == 0 && !cli->json)
    printf ("verify members=%u bad=%u\n", p.members, p.bad);
  return p.bad ? EXIT_TROUBLE : EXIT_WELL;
}

const struct verb verb_bundle = {
  .name = "bundle",
  .args = "show FILE | ls FILE | cat FILE MEMBER [--raw] | verify FILE | "
          "extract FILE DIR",
  .summary = "look into a bundle, which is read by a process without rights",
  .help = "show prints the summary; verify compares every member with the "
          "manifest;\n--raw prints a member's bytes as they are; extract makes "
          "DIR and unpacks into it.\n"
          "Exit codes: 0 well, 2 no archive that can be read, 3 a member is "
          "damaged or missing.\n"
          "\nExamples:\n"
          "  hangdog bundle show incident.tar.zst\n"
          "  hangdog bundle cat incident.tar.zst sysrq/w.txt\n"
          "  hangdog bundle extract incident.tar.zst ./incident\n",
  .run = run,
};
