/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting, pinging, killing and restarting the keeper's children.
 */
#include "supervisor/keeper/children.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DEATHS_KEPT 8
#define DEATHS_WINDOW_MS (10u * 60 * 1000)

struct child
{
  struct loop *loop;
  struct child_spec spec;
  struct timer *ping, *restart, *kill;
  struct channel *channel;
  pid_t pid;
  bool stopping, renewing, killed_silent;
  bool kill_sent;     /* SIGKILL, by us */
  uint64_t asked, answered; /* ping numbers */
  uint64_t owed_ms;   /* unanswered time in which we ran on schedule */
  uint64_t last_ping_ms;
  uint64_t deaths[DEATHS_KEPT]; /* a ring of times, newest at ndeaths - 1 */
  unsigned ndeaths;
};

static void ping_due (struct timer *t, void *arg);
static void restart_due (struct timer *t, void *arg);
static void kill_due (struct timer *t, void *arg);
static void over (struct child *c, const char *how);
static const struct channel_ops child_channel_ops;

int
child_new (struct loop *loop, const struct child_spec *spec,
           struct child **ret, struct error *err)
{
  struct child *c = calloc (1, sizeof (*c));
  int r;

  if (!c)
    return error_set (err, ENOMEM, "no memory for a child");
  c->loop = loop;
  c->spec = *spec;
  r = loop_timer (loop, "child ping", ping_due, c, &c->ping, err);
  if (r == 0)
    r = loop_timer (loop, "child restart", restart_due, c, &c->restart, err);
  if (r == 0)
    r = loop_timer (loop, "child kill", kill_due, c, &c->kill, err);
  if (r < 0)
    {
      child_free (c);
      return r;
    }
  *ret = c;
  return 0;
}

void
child_free (struct child *c)
{
  if (!c)
    return;
  timer_free (c->ping);
  timer_free (c->restart);
  timer_free (c->kill);
  channel_free (c->channel);
  free (c);
}

pid_t
child_pid (const struct child *c)
{
  return c->pid;
}

struct channel *
child_channel (struct child *c)
{
  return c->channel;
}

unsigned
child_recent_deaths (const struct child *c)
{
  uint64_t now = loop_now (c->loop);
  unsigned n = 0;

  for (unsigned i = 0; i < c->ndeaths && i < DEATHS_KEPT; i++)
    if (now - c->deaths[i] < DEATHS_WINDOW_MS)
      n++;
  return n;
}

/* A child that stays root is root without powers: exec gives none back. */
static int
drop_capabilities (void)
{
  struct __user_cap_header_struct head
      = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct none[2] = { { 0 } };

  if (geteuid () == 0
      && prctl (PR_SET_SECUREBITS,
                SECBIT_NOROOT | SECBIT_NOROOT_LOCKED
                    | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED,
                0, 0, 0)
             < 0)
    return -1;
  return (int) syscall (SYS_capset, &head, none);
}

/* In the fork: only async-signal-safe calls, and no return. */
static void
become (const struct child_spec *spec, pid_t keeper, const char **argv,
        const int *fds, unsigned nfds)
{
  int high[CHILD_MAX_FDS];
  sigset_t none;

  /* Out of the way first: a target number may be a source of another. */
  for (unsigned i = 0; i < nfds; i++)
    {
      high[i] = fcntl (fds[i], F_DUPFD, 64);
      if (high[i] < 0)
        _exit (126);
    }
  for (unsigned i = 0; i < nfds; i++)
    if (dup2 (high[i], 3 + (int) i) < 0)
      _exit (126);
  if (close_range (3 + nfds, ~0u, 0) < 0)
    _exit (126);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  if (spec->drop)
    {
      if (setgroups (spec->ngroups, spec->groups) < 0
          || setresgid (spec->gid, spec->gid, spec->gid) < 0
          || setresuid (spec->uid, spec->uid, spec->uid) < 0)
        _exit (125);
    }
  if (drop_capabilities () < 0)
    _exit (125);
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  /* After setuid, which clears it: without its keeper a child must not go on
   * holding consoles. */
  prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  /* It may have died before; but in a container its number may be 1. */
  if (getppid () != keeper)
    _exit (124);
  execv (spec->program, (char *const *) argv);
  _exit (127);
}

int
child_start (struct child *c, struct error *err)
{
  const char *argv[32] = { c->spec.program };
  int fds[CHILD_MAX_FDS], pair[2];
  unsigned nfds = 0;
  pid_t pid, keeper = getpid ();
  int r;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return error_errno (err, errno, "socketpair");
  fds[0] = pair[1];
  r = c->spec.prepare (c->spec.arg, argv + 1, ARRAY_LEN (argv) - 1, fds + 1,
                       &nfds, err);
  if (r < 0)
    {
      close (pair[0]);
      close (pair[1]);
      return r;
    }
  nfds++;
  pid = fork ();
  if (pid == 0)
    become (&c->spec, keeper, argv, fds, nfds);
  r = errno;
  for (unsigned i = 0; i < nfds; i++)
    close (fds[i]);
  if (pid < 0)
    {
      close (pair[0]);
      return error_errno (err, r, "fork");
    }
  channel_free (c->channel);
  c->channel = NULL;
  r = channel_new (c->loop, c->spec.name, pair[0], 1u << 20,
                   &child_channel_ops, c, &c->channel, err);
  if (r < 0)
    {
      close (pair[0]);
      kill (pid, SIGKILL);
      c->pid = pid;
      return r;
    }
  c->pid = pid;
  c->renewing = c->killed_silent = c->kill_sent = false;
  c->asked = c->answered = c->owed_ms = 0;
  c->last_ping_ms = loop_now (c->loop);
  log_info ("%s started, pid %d", c->spec.name, (int) pid);
  if (c->spec.silent_ms)
    timer_in (c->ping, CHILD_PING_MS);
  if (c->spec.started)
    c->spec.started (c, c->spec.arg);
  return 0;
}

/* A process of which one thread is stuck in the kernel does not die of it:
 * see kill_due(). */
static void
kill_now (struct child *c)
{
  kill (c->pid, SIGKILL);
  c->kill_sent = true;
  timer_in (c->kill, CHILD_DIES_MS);
}

static void
on_frame (struct channel *ch, struct frame *frame, void *arg)
{
  struct child *c = arg;
  const char *op = json_get_str (frame->head, "op");

  if (op && strcmp (op, "pong") == 0)
    {
      c->answered = (uint64_t) json_get_int (frame->head, "n", 0);
      if (c->answered == c->asked)
        c->owed_ms = 0;
      return;
    }
  if (c->spec.on_frame)
    c->spec.on_frame (c, frame, c->spec.arg);
}

static void
on_close (struct channel *ch, const struct error *why, void *arg)
{
  struct child *c = arg;

  /* Its death comes by SIGCHLD; a child that only hung up is of no use. */
  if (c->pid > 0 && !c->stopping && !c->renewing)
    kill_now (c);
}

static const struct channel_ops child_channel_ops = {
  .on_frame = on_frame,
  .on_close = on_close,
};

static void
ping_due (struct timer *t, void *arg)
{
  struct child *c = arg;
  uint64_t now = loop_now (c->loop);
  uint64_t since = now - c->last_ping_ms;
  struct json_object *head;

  c->last_ping_ms = now;
  if (c->pid <= 0)
    return;
  if (c->answered != c->asked)
    {
      /* Ticks that came late say that we were starved or stopped ourselves:
       * they count as one period at most. */
      c->owed_ms += since > 2 * CHILD_PING_MS ? CHILD_PING_MS : since;
      if (c->owed_ms >= c->spec.silent_ms)
        {
          log_error ("%s (pid %d) has not answered for %llu ms: killed",
                     c->spec.name, (int) c->pid,
                     (unsigned long long) c->owed_ms);
          c->killed_silent = true;
          kill_now (c);
          return;
        }
    }
  else
    {
      head = json_object_new_object ();
      c->asked++;
      json_add_str (head, "op", "ping");
      json_add_int (head, "n", (int64_t) c->asked);
      channel_send (c->channel, head, NULL, 0, NULL, 0);
    }
  timer_in (c->ping, CHILD_PING_MS);
}

static void
restart_due (struct timer *t, void *arg)
{
  struct child *c = arg;
  struct error err = ERROR_INIT;

  if (child_start (c, &err) < 0)
    {
      log_error ("%s: %s; trying again in 5 s", c->spec.name,
                 error_text (&err));
      timer_in (c->restart, 5000);
    }
}

static void
kill_due (struct timer *t, void *arg)
{
  struct child *c = arg;

  if (c->pid <= 0)
    return;
  if (c->kill_sent)
    {
      over (c, "does not die: a thread of it is stuck in the kernel; it is "
               "left behind");
      return;
    }
  log_warn ("%s (pid %d) did not end in time: killed", c->spec.name,
            (int) c->pid);
  kill_now (c);
}

void
child_stop (struct child *c, uint64_t grace_ms)
{
  c->stopping = true;
  c->renewing = false;
  timer_stop (c->restart);
  timer_stop (c->ping);
  if (c->pid > 0)
    {
      kill (c->pid, SIGTERM);
      timer_in (c->kill, grace_ms);
    }
}

void
child_renew (struct child *c, uint64_t grace_ms)
{
  if (c->stopping || c->pid <= 0)
    return; /* the next start is a new one anyway */
  if (c->renewing)
    return; /* its grace began when it was told first */
  c->renewing = true;
  timer_stop (c->ping);
  kill (c->pid, SIGTERM);
  timer_in (c->kill, grace_ms);
}

/* Dead, or as good as dead. */
static void
over (struct child *c, const char *how)
{
  pid_t pid = c->pid;
  unsigned recent;

  c->pid = 0;
  timer_stop (c->ping);
  timer_stop (c->kill);
  channel_free (c->channel);
  c->channel = NULL;
  if (c->renewing)
    timer_in (c->restart, 0);
  else if (!c->stopping)
    {
      c->deaths[c->ndeaths++ % DEATHS_KEPT] = loop_now (c->loop);
      if (c->ndeaths >= 2 * DEATHS_KEPT)
        c->ndeaths -= DEATHS_KEPT;
      recent = child_recent_deaths (c);
      log_error ("%s (pid %d) %s", c->spec.name, (int) pid, how);
      /* At once the first time: guests' consoles wait. */
      timer_in (c->restart, recent <= 1 ? 0 : recent < 6 ? recent * 200 : 5000);
    }
  if (c->spec.died)
    c->spec.died (c, how, c->spec.arg);
}

void
child_reaped (struct child *c, pid_t pid, int status)
{
  char how[96];

  if (pid != c->pid || pid <= 0)
    return;
  if (WIFSIGNALED (status))
    snprintf (how, sizeof (how), "killed by signal %d%s", WTERMSIG (status),
              c->killed_silent ? " (it did not answer)" : "");
  else
    snprintf (how, sizeof (how), "exited with %d", WEXITSTATUS (status));
  over (c, how);
}
