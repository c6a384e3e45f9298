/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line's connection to the daemon.
 */
#include "supervisor/cli/cli.h"
#include "supervisor/conf/settings.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define HELLO_MS 5000
#define START_MS 10000
#define SETTLE_MS 8000
#define SAID_BYTES 16384

struct client
{
  int sock;
  int64_t last_id;
  pid_t keeper; /* one of our own, 0 if the daemon was there */
};

static int
hello (struct client *c, struct error *err)
{
  CLEANUP_FRAME struct frame f = { 0 };
  int64_t protocol;
  int r = frame_read (c->sock, &f, clock_ms () + HELLO_MS, err);

  if (r < 0)
    return error_wrap (err, "the daemon does not say hello");
  protocol = json_get_int (f.head, "protocol", 0);
  /* Refused rather than guessed: a daemon that still runs from before an
   * update would take our words for others. */
  if (protocol != 1)
    return error_set (err, EPROTO,
                      "the daemon speaks protocol %lld, this hangdog 1: "
                      "restart the daemon after an update",
                      (long long) protocol);
  return 0;
}

static int
try_connect (struct client *c, const char *path, struct error *err)
{
  int r = socket_connect (path, &c->sock, err);

  if (r < 0)
    return r;
  r = hello (c, err);
  if (r < 0)
    close (steal_fd (&c->sock));
  return r;
}

/* What a keeper of our own writes to stderr, and all its children with it: it
 * belongs on ours only when it fails, and nobody reads a pipe meanwhile.  So
 * it goes into memory, which is sealed so that it cannot grow. */
static int
open_said (void)
{
  int fd = memfd_create ("keeper", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd >= 0
      && (ftruncate (fd, SAID_BYTES) < 0
          || fcntl (fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0))
    close (steal_fd (&fd));
  return fd;
}

/* The last line that was meant for a person. */
static const char *
last_said (int fd, char text[SAID_BYTES + 1])
{
  static const char mark[] = "hangdog: ";
  ssize_t n = fd < 0 ? -1 : pread (fd, text, SAID_BYTES, 0);
  char *found = NULL;

  text[n > 0 ? n : 0] = '\0';
  for (char *p = text; (p = strstr (p, mark)); p++)
    if (p == text || p[-1] == '\n')
      found = p;
  if (!found)
    return "it said nothing; `hangdog daemon` may";
  found += sizeof (mark) - 1;
  found[strcspn (found, "\n")] = '\0';
  return found;
}

/* In the child. */
static void
become_keeper (const char *path, struct program *keeper, pid_t client, int said)
{
  int null = open ("/dev/null", O_RDWR);

  dup2 (null, STDOUT_FILENO);
  if (!getenv ("HANGDOG_DEBUG"))
    dup2 (said >= 0 ? said : null, STDERR_FILENO);
  /* A command that is killed cannot end what it started, which would hold
   * consoles and the lock from then on. */
  prctl (PR_SET_PDEATHSIG, SIGTERM);
  if (getppid () != client)
    _exit (124);
  execv (path, keeper->args);
  _exit (127);
}

static int
start_keeper (const struct cli *cli, struct client *c, const char *path,
              struct error *err)
{
  char path_of[4096];
  struct program keeper;
  uint64_t deadline = clock_ms () + START_MS;
  CLEANUP_CLOSE int said = open_said ();
  pid_t client = getpid ();
  char text[SAID_BYTES + 1];
  int status, r;
  bool bad;

  snprintf (path_of, sizeof (path_of), "%s/hangdog-keeper", cli->libexec);
  if (access (path_of, X_OK) < 0)
    {
      program_failed (path_of, errno, err);
      return -EIO;
    }
  program_keeper (&keeper, cli);
  c->keeper = fork ();
  if (c->keeper == 0)
    become_keeper (path_of, &keeper, client, said);
  if (c->keeper < 0)
    return error_errno (err, errno, "starting hangdog-keeper");
  do
    {
      r = try_connect (c, path, err);
      if (r == 0)
        return 0;
      if (waitpid (c->keeper, &status, WNOHANG) == c->keeper)
        {
          c->keeper = 0;
          /* A configuration that is wrong is the caller's, as here. */
          bad = WIFEXITED (status) && WEXITSTATUS (status) == EXIT_USAGE;
          return error_set (err, bad ? EINVAL : EIO,
                            "no daemon runs, and one for this command alone "
                            "did not start: %s",
                            last_said (said, text));
        }
      cli_nap (50);
    }
  while (clock_ms () < deadline);
  return error_wrap (err, "starting a daemon for this command");
}

/* ---- settling: all sources have looked once, the files are read ---- */

struct sources
{
  bool unhealthy;
};

static int
source_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct sources *s = arg;
  const char *kind = json_get_str (row, "row");

  if (kind && strcmp (kind, "source") == 0
      && !json_get_bool (row, "healthy", false))
    s->unhealthy = true;
  if (json_get_bool (row, "loading", false))
    s->unhealthy = true;
  return 0;
}

/* A fresh daemon knows no guest yet, and "there is none" would be a lie; nor
 * the playbooks of this host.  Not
 * for ever: a source that cannot be reached stays unhealthy, and the answer
 * says so. */
static void
settle (struct client *c)
{
  uint64_t deadline = clock_ms () + SETTLE_MS;
  struct sources s;

  do
    {
      s = (struct sources){ false };
      if (client_call (c, client_request ("list", NULL), source_row, &s, NULL)
          < 0)
        return;
      if (s.unhealthy)
        cli_nap (100);
    }
  while (s.unhealthy && clock_ms () < deadline);
}

int
client_open (const struct cli *cli, bool start, struct client **ret,
             struct error *err)
{
  struct client *c = calloc (1, sizeof (*c));
  char path[4096];
  int r;

  if (!c)
    return error_set (err, ENOMEM, "no memory");
  c->sock = -1;
  snprintf (path, sizeof (path), "%s/" CONTROL_SOCKET, cli->run_path);
  r = try_connect (c, path, err);
  /* Only where nobody listens.  One that does not answer holds the lock: a
   * second one beside it would fight over the same consoles. */
  if (r < 0 && start && (r == -ENOENT || r == -ECONNREFUSED))
    {
      r = start_keeper (cli, c, path, err);
      if (r == 0)
        settle (c);
    }
  else if (r == -ENOENT || r == -ECONNREFUSED)
    r = error_set (err, ECONNREFUSED,
                   "no daemon answers at %s; start it with `hangdog daemon` "
                   "(or systemctl start hangdog), or name its --run folder",
                   path);
  else if (r == -EACCES)
    r = error_set (err, EACCES,
                   "you may not use %s: be root, or a member of the group "
                   "that the configuration names",
                   path);
  if (r < 0)
    {
      client_close (c);
      return r;
    }
  *ret = c;
  return 0;
}

void
client_close (struct client *c)
{
  if (!c)
    return;
  if (c->sock >= 0)
    close (c->sock);
  /* SIGTERM, so that consoles are let go and what is queued is written; it
   * is waited for, since the next command may want the lock. */
  if (c->keeper > 0)
    {
      kill (c->keeper, SIGTERM);
      waitpid (c->keeper, NULL, 0);
    }
  free (c);
}

int
client_socket (const struct client *c)
{
  return c->sock;
}

struct json_object *
client_request (const char *op, const char *guest)
{
  struct json_object *head = json_object_new_object ();

  json_add_str (head, "op", op);
  if (guest)
    json_add_str (head, "guest", guest);
  return head;
}

int
client_error (struct json_object *e, struct error *err)
{
  static const struct
  {
    const char *name;
    int code;
  } codes[] = { { "ENOENT", ENOENT },     { "EINVAL", EINVAL },
                { "EEXIST", EEXIST },     { "EBUSY", EBUSY },
                { "EPERM", EPERM },       { "ENOSYS", ENOSYS },
                { "ETIMEDOUT", ETIMEDOUT }, { "ENOTSUP", EOPNOTSUPP },
                { "EACCES", EACCES },     { "EBADMSG", EBADMSG },
                { "ESTALE", ESTALE } };
  const char *code = json_get_str (e, "code");
  const char *text = json_get_str (e, "message");
  int n = EIO;

  for (unsigned i = 0; code && i < ARRAY_LEN (codes); i++)
    if (strcmp (codes[i].name, code) == 0)
      n = codes[i].code;
  return error_set (err, n, "%s", text ? text : "the daemon refused");
}

/* Without a daemon it is who asks that looks, with no more rights than his. */
static int
refused (const struct client *c, struct json_object *e, struct error *err)
{
  struct error said = ERROR_INIT;
  int r = client_error (e, &said);

  if (r == -ENOENT && c->keeper > 0 && geteuid () != 0)
    return error_set (err, ENOENT,
                      "%s; no daemon runs, and this user may not see much: "
                      "try as root",
                      error_text (&said));
  return error_set (err, -r, "%s", error_text (&said));
}

int
client_call_frames (struct client *c, struct json_object *head,
                    client_frame_fn *fn, void *arg, struct error *err)
{
  int64_t id = ++c->last_id;
  bool more = true;
  int r;

  json_add_int (head, "id", id);
  r = frame_write (c->sock, head, NULL, 0, NULL, 0, clock_ms () + HELLO_MS,
                   err);
  json_object_put (head);
  while (r >= 0 && more)
    {
      CLEANUP_FRAME struct frame f = { 0 };

      /* Without a limit: a diagnosis takes minutes, and a daemon that dies
       * closes the socket. */
      r = frame_read (c->sock, &f, CLOCK_NEVER, err);
      if (r < 0)
        return error_wrap (err, "the daemon went away");
      /* An answer to a request that was given up. */
      if (json_get_int (f.head, "re", -1) != id)
        continue;
      if (json_get (f.head, "error"))
        return refused (c, json_get (f.head, "error"), err);
      more = json_get_bool (f.head, "more", false);
      json_object_object_del (f.head, "re");
      json_object_object_del (f.head, "more");
      r = fn (&f, arg);
      if (r != 0)
        return r;
    }
  return r < 0 ? r : 0;
}

struct row_call
{
  client_row_fn *fn;
  void *arg;
};

static int
on_row (struct frame *f, void *arg)
{
  const struct row_call *call = arg;

  if (!call->fn
      || (json_object_object_length (f->head) == 0 && f->body_len == 0))
    return 0;
  return call->fn (f->head, f->body, f->body_len, call->arg);
}

int
client_call (struct client *c, struct json_object *head, client_row_fn *fn,
             void *arg, struct error *err)
{
  struct row_call call = { fn, arg };

  return client_call_frames (c, head, on_row, &call, err);
}

int
cli_ask (const struct cli *cli, bool start, struct json_object *head,
         client_row_fn *fn, void *arg)
{
  struct client *c = NULL;
  struct error err = ERROR_INIT;
  int r = client_open (cli, start, &c, &err);

  if (r == 0)
    r = client_call (c, head, fn, arg, &err);
  else
    json_object_put (head);
  client_close (c);
  return r < 0 ? cli_fail (&err) : EXIT_WELL;
}
