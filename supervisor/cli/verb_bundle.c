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

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PARSE_MS 120000

struct parse
{
  bool json, raw;
  unsigned members, bad;
};

/* The parser gets its channel as 3 and the archive as 4, and nothing else. */
static pid_t
start_parser (const struct cli *cli, int channel, int file)
{
  char path[4096];
  pid_t pid;

  snprintf (path, sizeof (path), "%s/hangdog-parser", cli->libexec);
  pid = fork ();
  if (pid == 0)
    {
      int a = fcntl (channel, F_DUPFD, 10), b = fcntl (file, F_DUPFD, 10);

      if (a < 0 || b < 0 || dup2 (a, 3) < 0 || dup2 (b, 4) < 0)
        _exit (126);
      close_range (5, ~0u, 0);
      execl (path, "hangdog-parser", (char *) NULL);
      _exit (127);
    }
  return pid;
}

static void
member (struct parse *p, struct json_object *head, const struct frame *f)
{
  const char *name = json_get_str (head, "name");
  const char *state = json_get_str (head, "state");

  p->members++;
  if (state && strcmp (state, "ok") != 0)
    p->bad++;
  if (p->json)
    {
      print_json (head);
      return;
    }
  printf ("%10lld  ", (long long) json_get_int (head, "size", 0));
  if (state)
    printf ("%-8s ", state);
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
answers (struct parse *p, int sock, struct error *err)
{
  bool more = true;

  while (more)
    {
      CLEANUP_FRAME struct frame f = { 0 };
      struct json_object *e;
      const char *text;
      int r = frame_read (sock, &f, clock_ms () + PARSE_MS, err);

      if (r < 0)
        return error_wrap (err, "the parser process ended without an answer "
                                "(a damaged or hostile archive)");
      e = json_get (f.head, "error");
      if (e)
        {
          text = json_get_str (e, "message");
          return error_set (err, EBADMSG, "%s", text ? text : "not readable");
        }
      more = json_get_bool (f.head, "more", false);
      if (json_get_str (f.head, "name"))
        member (p, f.head, &f);
      else if (f.body_len)
        content (p, &f);
    }
  return 0;
}

static int
parse (struct cli *cli, struct parse *p, const char *task, const char *file,
       const char *name, struct error *err)
{
  CLEANUP_CLOSE int fd = -1, mine = -1;
  struct json_object *head;
  struct stat st;
  int pair[2], r;
  pid_t pid;

  fd = open (file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return error_errno (err, errno, "%s", file);
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return error_set (err, EINVAL, "%s is not a file", file);
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return error_errno (err, errno, "socketpair");
  mine = pair[0];
  pid = start_parser (cli, pair[1], fd);
  close (pair[1]);
  if (pid < 0)
    return error_errno (err, errno, "starting hangdog-parser");
  head = client_request (task, NULL);
  json_add_int (head, "id", 1);
  if (name)
    json_add_str (head, "name", name);
  r = frame_write (mine, head, NULL, 0, NULL, 0, clock_ms () + PARSE_MS, err);
  json_object_put (head);
  if (r == 0)
    r = answers (p, mine, err);
  close (steal_fd (&mine));
  waitpid (pid, NULL, 0);
  return r;
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
  if (!what || !file)
    return cli_usage (&verb_bundle, NULL);
  if (p.raw && isatty (STDOUT_FILENO))
    return cli_usage (&verb_bundle,
                      "--raw is not for a terminal: send it to a file");
  if (strcmp (what, "ls") == 0 && !name)
    r = parse (cli, &p, "bundle-list", file, NULL, &err);
  else if (strcmp (what, "verify") == 0 && !name)
    r = parse (cli, &p, "bundle-verify", file, NULL, &err);
  else if (strcmp (what, "cat") == 0 && name)
    r = parse (cli, &p, "bundle-cat", file, name, &err);
  else if (strcmp (what, "show") == 0 && !name)
    r = parse (cli, &p, "bundle-cat", file, "summary.txt", &err);
  else
    return cli_usage (&verb_bundle, NULL);
  if (r < 0)
    {
      cli_fail (&err);
      return EXIT_USAGE;
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
          "manifest.\n"
          "\nExamples:\n"
          "  hangdog bundle show incident.tar.zst\n"
          "  hangdog bundle cat incident.tar.zst sysrq/w.txt\n",
  .run = run,
};
