/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog bundle: looking into a bundle.  Archives are hostile, so they are
 * read by the parser process, which can do nothing else; what it says is
 * printed escaped.
 */
#include "supervisor/cli/cli.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "transports/memory/parser.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Longer than its own deadline: the parser ends itself first, and says why. */
#define PARSE_MS 120000
enum
{
  FOREIGN = 1, /* it takes the parser for what others pack */
  ENDED,
};

struct parse
{
  const char *file;
  bool json, raw;
  bool content; /* a member's bytes are wanted, not the list */
  unsigned members, bad;
  struct json_object *end; /* what the parser ended with */
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

/* What the parser ends with. */
static int
ended (struct parse *p, struct json_object *head, struct error *err)
{
  const char *why = json_get_str (head, "why");
  const char *manifest = json_get_str (head, "manifest");

  if (json_get_bool (head, "ok", false))
    return 0;
  if (manifest)
    return error_set (err, EBADMSG, "%s: %s", p->file, manifest);
  if (why)
    return error_set (err, EBADMSG, "%s: %s%s", p->file, why,
                      json_get_bool (head, "torn", false)
                          ? " (what came before it is shown)"
                          : "");
  return 0; /* the members told it */
}

static int
answer (struct frame *f, void *arg)
{
  struct parse *p = arg;
  const char *op = json_get_str (f->head, "op");
  const char *state = json_get_str (f->head, "state");

  if (!op)
    return 0;
  if (strcmp (op, "end") == 0)
    {
      p->end = json_object_get (f->head);
      return ENDED;
    }
  if (strcmp (op, "foreign") == 0)
    return FOREIGN;
  if (strcmp (op, "data") == 0)
    content (p, f);
  else if (strcmp (op, "member") == 0)
    member (p, f->head, state ? state : "ok");
  else if (strcmp (op, "missing") == 0)
    member (p, f->head, "missing");
  return 0;
}

static int
ask (struct cli *cli, struct parse *p, const char *program, const char *task,
     const char *name, int fd, struct error *err)
{
  const char *args[] = { task, name, NULL };
  const struct parser_spec spec = { .libexec = cli->libexec,
                                    .program = program,
                                    .args = args,
                                    .inputs = &fd,
                                    .ninputs = 1 };
  struct parser_run *run = NULL;
  struct json_object *end;
  int r = parser_run_start (&spec, &run, err);

  if (r < 0)
    return r;
  r = parser_run_listen (run, clock_ms () + PARSE_MS, answer, p, err);
  /* One that does not answer may not end by itself either. */
  parser_run_end (run, r < 0, NULL);
  if (r < 0)
    return error_wrap (err, "%s", p->file);
  if (r == FOREIGN)
    return r;
  end = steal_ptr (&p->end);
  r = ended (p, end, err);
  json_object_put (end);
  return r;
}

static int
parse (struct cli *cli, struct parse *p, const char *task, const char *file,
       const char *name, struct error *err)
{
  CLEANUP_CLOSE int fd = -1;
  struct stat st;
  int r;

  p->file = file;
  p->content = name != NULL;
  /* O_NONBLOCK: opening a FIFO would wait for who writes to it. */
  fd = open (file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return error_errno (err, errno, "%s", file);
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return error_set (err, EINVAL, "%s is not a file", file);
  r = ask (cli, p, "hangdog-parser", task, name, fd, err);
  /* Archives of others take a library that starts slowly. */
  if (r == FOREIGN && lseek (fd, 0, SEEK_SET) == 0)
    r = ask (cli, p, "hangdog-parser-foreign", task, name, fd, err);
  if (r == FOREIGN)
    r = error_set (err, EBADMSG, "%s is no archive that can be read here",
                   file);
  return r;
}

static bool
known_word (const char *what)
{
  static const char *const words[] = { "show", "ls", "cat", "verify" };

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
  if (!known_word (what) || (name && strcmp (what, "cat") != 0))
    return cli_unknown (&verb_bundle, name ? name : what);
  if (!file)
    return cli_usage (&verb_bundle, "which file?");
  if (p.raw && isatty (STDOUT_FILENO))
    return cli_usage (&verb_bundle,
                      "--raw is not for a terminal: send it to a file");
  if (strcmp (what, "cat") == 0 && !name)
    return cli_usage (&verb_bundle, "which member? `hangdog bundle ls FILE` "
                                    "names them");
  if (strcmp (what, "ls") == 0)
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
  .args = "show FILE | ls FILE | cat FILE MEMBER [--raw] | verify FILE",
  .summary = "look into a bundle, which is read by a process without rights",
  .help = "show prints the summary; verify compares every member with the "
          "manifest;\n--raw prints a member's bytes as they are.\n"
          "Exit codes: 0 well, 2 no archive that can be read, 3 a member is "
          "damaged or missing.\n"
          "\nExamples:\n"
          "  hangdog bundle show incident.tar.zst\n"
          "  hangdog bundle cat incident.tar.zst sysrq/w.txt\n",
  .run = run,
};
