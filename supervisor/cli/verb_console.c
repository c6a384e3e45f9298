/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog console: read a guest's console along with everybody else, and
 * type, if nobody else does.
 */
#include "supervisor/cli/cli.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>

#define QUIT_KEY 0x1d /* ^] */
#define SEND_MS 5000

struct seat
{
  struct client *client;
  bool write, raw, tty_in;
  int signals; /* SIGINT, SIGTERM, SIGHUP */
  int64_t last_id;
  struct termios saved;
};

static void
note (const char *text)
{
  fputs ("\r\nhangdog: ", stderr);
  print_text (stderr, text);
  fputs ("\r\n", stderr);
}

/* Guest bytes reach a terminal only through the filter, unless --raw says
 * that this terminal may be driven by the guest. */
static void
show (struct seat *s, const void *body, size_t len)
{
  struct buf out = BUF_INIT (1u << 20);
  const char *p;

  if (s->raw)
    {
      fwrite (body, 1, len, stdout);
      fflush (stdout);
      return;
    }
  text_escape (&out, body, len, TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
  for (p = buf_str (&out); *p; p++)
    {
      /* The terminal is raw: nobody else returns the carriage. */
      if (*p == '\n' && s->tty_in)
        fputc ('\r', stdout);
      fputc (*p, stdout);
    }
  fflush (stdout);
  buf_done (&out);
}

/* 1 = go on, 0 = the end, < 0 error. */
static int
from_daemon (struct seat *s, int64_t id, struct error *err)
{
  CLEANUP_FRAME struct frame f = { 0 };
  struct json_object *e;
  const char *text;
  int r = frame_read (client_socket (s->client), &f, CLOCK_NEVER, err);

  if (r < 0)
    return error_wrap (err, "the daemon went away");
  e = json_get (f.head, "error");
  if (e)
    {
      text = json_get_str (e, "message");
      /* A key that was refused does not end the reading. */
      if (json_get_int (f.head, "re", -1) != id)
        {
          note (text ? text : "refused");
          return 1;
        }
      return client_error (e, err);
    }
  if (json_get_int (f.head, "re", -1) != id)
    return 1;
  if (json_get_int (f.head, "lost", 0) > 0)
    fprintf (stderr, "\r\nhangdog: %lld bytes were missed here\r\n",
             (long long) json_get_int (f.head, "lost", 0));
  text = json_get_str (f.head, "note");
  if (text)
    note (text);
  if (f.body_len)
    show (s, f.body, f.body_len);
  return json_get_bool (f.head, "more", false) ? 1 : 0;
}

static int
from_person (struct seat *s, int64_t id, struct error *err)
{
  char keys[512];
  struct json_object *head;
  ssize_t n = read (STDIN_FILENO, keys, sizeof (keys));
  char *quit;
  int r;

  if (n <= 0)
    return 0;
  quit = s->tty_in ? memchr (keys, QUIT_KEY, (size_t) n) : NULL;
  if (quit)
    n = quit - keys;
  if (n > 0)
    {
      head = client_request ("input", NULL);
      json_add_int (head, "id", ++s->last_id);
      json_add_int (head, "to", id);
      r = frame_write (client_socket (s->client), head, keys, (size_t) n, NULL,
                       0, clock_ms () + SEND_MS, err);
      json_object_put (head);
      if (r < 0)
        return r;
    }
  return quit ? 0 : 1;
}

static int
converse (struct seat *s, int64_t id, struct error *err)
{
  struct pollfd fds[] = { { client_socket (s->client), POLLIN, 0 },
                          { s->signals, POLLIN, 0 },
                          { STDIN_FILENO, POLLIN, 0 } };
  /* Who only reads into a pipe has no keyboard: stdin may be at its end, and
   * poll() would call at once, for ever. */
  nfds_t n = s->tty_in || s->write ? 3 : 2;
  int r = 1;

  while (r > 0)
    {
      if (poll (fds, n, -1) < 0)
        {
          if (errno == EINTR)
            continue;
          return error_errno (err, errno, "poll");
        }
      if (fds[0].revents)
        r = from_daemon (s, id, err);
      /* Nobody reads along any more. */
      if (r > 0 && (fds[1].revents || ferror (stdout)))
        r = 0;
      if (r > 0 && n == 3 && fds[2].revents)
        {
          r = from_person (s, id, err);
          /* A pipe that ended: what was typed is on its way, its answer is
           * worth waiting for. */
          if (r == 0 && !s->tty_in)
            {
              n = 2;
              r = 1;
            }
        }
    }
  return r;
}

/* The terminal is raw meanwhile: a signal that just ended this programme would
 * leave it so. */
static int
converse_raw (struct seat *s, int64_t id, struct error *err)
{
  struct termios raw;
  sigset_t ends, before;
  int r;

  sigemptyset (&ends);
  sigaddset (&ends, SIGINT);
  sigaddset (&ends, SIGTERM);
  sigaddset (&ends, SIGHUP);
  s->signals = signalfd (-1, &ends, SFD_CLOEXEC);
  if (s->signals < 0)
    return error_errno (err, errno, "signalfd");
  sigprocmask (SIG_BLOCK, &ends, &before);
  s->tty_in = isatty (STDIN_FILENO) && tcgetattr (STDIN_FILENO, &s->saved) == 0;
  if (s->tty_in)
    {
      fprintf (stderr, "hangdog: %s; leave with Ctrl-]\n",
               s->write ? "asking for the keyboard" : "reading along");
      raw = s->saved;
      /* Every key is the guest's, ^C too; the way out is ^]. */
      cfmakeraw (&raw);
      tcsetattr (STDIN_FILENO, TCSANOW, &raw);
    }
  r = converse (s, id, err);
  if (s->tty_in)
    {
      tcsetattr (STDIN_FILENO, TCSANOW, &s->saved);
      fputc ('\n', stderr);
    }
  close (s->signals);
  sigprocmask (SIG_SETMASK, &before, NULL);
  return r;
}

static int
sit (struct seat *s, const char *guest, const char *console, bool take,
     struct error *err)
{
  struct json_object *head = client_request ("console", guest);
  int64_t id = s->last_id = 1000;
  int r;

  json_add_int (head, "id", id);
  json_add_bool (head, "write", s->write);
  json_add_bool (head, "take", take);
  if (console)
    json_add_str (head, "console", console);
  r = frame_write (client_socket (s->client), head, NULL, 0, NULL, 0,
                   clock_ms () + SEND_MS, err);
  json_object_put (head);
  return r < 0 ? r : converse_raw (s, id, err);
}

static int
on_released (struct json_object *row, const void *body, size_t len, void *arg)
{
  const struct cli *cli = arg;
  uint64_t ms = (uint64_t) json_get_int (row, "for_ms", 0);
  char age[32];

  if (cli->json)
    {
      print_json (row);
      return 0;
    }
  printf ("%s guest=", ms ? "released" : "taken-back");
  print_text (stdout, row_str (row, "guest"));
  if (ms)
    printf (" for=%s", print_age (age, sizeof (age), ms));
  fputc ('\n', stdout);
  return 0;
}

static int
release (struct cli *cli)
{
  const char *for_ = cli_option (cli, "--for");
  const char *console = cli_option (cli, "--console");
  struct json_object *head;
  int r = cli_rest (cli, &verb_console, 2);

  if (r)
    return r;
  if (!cli_arg (cli, 2))
    return cli_usage (&verb_console, "release which guest's console?");
  head = client_request ("console-release", cli_arg (cli, 2));
  if (for_)
    json_add_str (head, "for", for_);
  if (console)
    json_add_str (head, "console", console);
  return cli_ask (cli, false, head, on_released, cli);
}

static int
run (struct cli *cli)
{
  struct seat s = { 0 };
  struct error err = ERROR_INIT;
  const char *console, *guest;
  bool take;
  int r;

  if (cli_arg (cli, 1) && strcmp (cli_arg (cli, 1), "release") == 0)
    return release (cli);
  console = cli_option (cli, "--console");
  s.raw = cli_flag (cli, "--raw");
  take = cli_flag (cli, "--take");
  s.write = cli_flag (cli, "--write") || take;
  r = cli_guest (cli, &verb_console, &guest);
  if (r)
    return r;
  r = client_open (cli, true, &s.client, &err);
  if (r == 0)
    r = sit (&s, guest, console, take, &err);
  client_close (s.client);
  return r < 0 ? cli_fail (&err) : EXIT_WELL;
}

const struct verb verb_console = {
  .name = "console",
  .args = "GUEST [--console NAME] [--write | --take] [--raw]\n"
          "       hangdog console release GUEST [--console NAME] [--for 10m]",
  .summary = "read a guest's console, and type into it",
  .help = "Many may read; one may type (--write).  --take takes the keyboard "
          "from another person.\nControl characters are shown, not obeyed; "
          "--raw passes them to your terminal.\n`release` lets go of the "
          "console, so that virsh console or another tool gets in, for "
          "a day at most;\n--for 0s takes it back.\n"
          "Exit codes: 0, 2 no such guest or console, 6 another person has "
          "the keyboard.\n"
          "\nExamples:\n"
          "  hangdog console web-1\n"
          "  hangdog console web-1 --write --raw\n"
          "  hangdog console release web-1 --for 10m\n",
  .run = run,
};
