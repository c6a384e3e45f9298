/* SPDX-License-Identifier: Apache-2.0
 *
 * Fake consoles: sockets, ptys, the log's clock, commands from outside.
 */
#include "tests/fakes/fakecons.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "tests/fakes/fakecons_impl.h"

#define OUT_MAX (4u << 20)
#define READ_SIZE 4096

/* In epoll_event.data: which of a console's descriptors it is. */
enum
{
  FD_LISTEN,
  FD_CONN,
  FD_SHELL,
  FD_KINDS,
};
#define MARK_TIMER UINT64_MAX
#define MARK_WAKE (UINT64_MAX - 1)

struct fakecons
{
  struct fakecons_config cfg;
  pthread_mutex_t m; /* everything but the atomics */
  struct fake *c;
  int epfd, timer_fd, wake_fd;
  uint64_t last_tick_ms;
  atomic_bool stop;
};

const struct fakecons_config *
fake_config (const struct fake *c)
{
  return &c->f->cfg;
}

const char *
fakecons_path (struct fakecons *f, unsigned console)
{
  return f->c[console].path;
}

int
fakecons_listener (struct fakecons *f, unsigned console)
{
  return f->c[console].listen_fd;
}

/* ---- writing ---- */

static void
blocked (struct fake *c, bool is)
{
  uint64_t now = clock_us ();

  if (is && !c->blocked_since)
    c->blocked_since = now;
  else if (!is && c->blocked_since)
    {
      c->blocked_us += now - c->blocked_since;
      c->blocked_since = 0;
    }
}

static void
arm (struct fake *c)
{
  struct epoll_event ev
      = { .events = 0, .data.u64 = (uint64_t) c->index * FD_KINDS + FD_CONN };

  if (c->fd < 0)
    return;
  if (!c->readable_off && c->play != FAKE_XOFF)
    ev.events |= EPOLLIN;
  if (c->out.len > c->out_at && c->play != FAKE_STOPPED)
    ev.events |= EPOLLOUT;
  if (ev.events == c->armed)
    return;
  c->armed = ev.events;
  (void) epoll_ctl (c->f->epfd, EPOLL_CTL_MOD, c->fd, &ev);
}

/* One client at a time: while there is one, others are left in the queue. */
static void
arm_listener (struct fake *c)
{
  struct epoll_event ev = { .data.u64 = (uint64_t) c->index * FD_KINDS };

  if (c->listen_fd < 0)
    return;
  ev.events = c->fd < 0 && c->accepting ? EPOLLIN : 0;
  (void) epoll_ctl (c->f->epfd, EPOLL_CTL_MOD, c->listen_fd, &ev);
}

static void
disconnect (struct fake *c)
{
  blocked (c, false);
  if (c->f->cfg.pty || c->fd < 0)
    return;
  close (c->fd);
  c->fd = -1;
  arm_listener (c);
}

/* A pty's slave that nobody has open: what QEMU looks for, too. */
static bool
is_connected (const struct fake *c)
{
  struct pollfd p = { .fd = c->fd, .events = 0 };

  if (c->fd < 0)
    return false;
  return !c->f->cfg.pty || (poll (&p, 1, 0) >= 0 && !(p.revents & POLLHUP));
}

static void
flush (struct fake *c)
{
  size_t left, n;
  ssize_t r;

  if (c->fd < 0 || c->play == FAKE_STOPPED)
    return;
  while ((left = c->out.len - c->out_at) > 0)
    {
      n = c->f->cfg.bytewise ? 1 : left;
      r = write (c->fd, c->out.data + c->out_at, n);
      if (r < 0 && errno == EAGAIN)
        {
          blocked (c, true);
          break;
        }
      if (r < 0)
        {
          disconnect (c);
          return;
        }
      blocked (c, false);
      c->bytes += (size_t) r;
      c->out_at += (size_t) r;
    }
  if (c->out_at == c->out.len)
    {
      buf_clear (&c->out);
      c->out_at = 0;
    }
  arm (c);
}

void
fake_say (struct fake *c, const char *data, size_t len)
{
  size_t split;

  /* The kernel writes its line between any two bytes of a process. */
  if (c->f->cfg.weave && c->rate && len > 1)
    {
      split = fake_random (c) % len;
      buf_append (&c->out, data, split);
      fake_log_line (c, &c->out);
      buf_append (&c->out, data + split, len - split);
    }
  else
    buf_append (&c->out, data, len);
}

void
fake_says (struct fake *c, const char *text)
{
  fake_say (c, text, strlen (text));
}

/* ---- the log ---- */

static void
emit_log (struct fake *c, uint64_t passed_ms)
{
  if (!c->rate || !is_connected (c) || c->play == FAKE_STOPPED)
    return;
  /* A guest that waits for its UART logs nothing meanwhile. */
  if (c->out.len > c->out_at)
    return;
  c->owed_us += passed_ms * 1000 * c->rate;
  if (c->owed_us > 1000000ull * c->rate) /* at most a second's worth */
    c->owed_us = 1000000ull * c->rate;
  while (c->owed_us >= 1000000ull * FAKE_LINE)
    {
      c->owed_us -= 1000000ull * FAKE_LINE;
      fake_log_line (c, &c->out);
    }
  flush (c);
}

static void
tick (struct fakecons *f)
{
  uint64_t now = clock_ms (), slot = f->cfg.slot_ms, from = f->last_tick_ms + 1;

  f->last_tick_ms = now;
  if (now >= from + slot) /* late: each console once */
    from = now - slot + 1;
  for (uint64_t t = from; t <= now; t++)
    for (unsigned i = (unsigned) (t % slot); i < f->cfg.n;
         i += (unsigned) slot)
      {
        struct fake *c = &f->c[i];

        if (c->readable_off && is_connected (c))
          {
            c->readable_off = false;
            arm (c);
          }
        fake_tick (c, now);
        emit_log (c, slot);
        if (c->out.len > c->out_at)
          flush (c);
      }
}

/* ---- reading ---- */

static void
readable (struct fake *c)
{
  char buf[READ_SIZE];
  ssize_t n = read (c->fd, buf, sizeof buf);

  if (n <= 0)
    {
      if (n < 0 && errno == EAGAIN)
        return;
      if (c->f->cfg.pty)
        { /* the slave was closed: not readable until somebody opens it */
          c->readable_off = true;
          arm (c);
        }
      else
        disconnect (c);
      return;
    }
  if (c->shell_fd >= 0)
    {
      c->keys += (size_t) n;
      (void) !write (c->shell_fd, buf, (size_t) n);
      return;
    }
  for (ssize_t i = 0; i < n; i++)
    fake_key (c, buf[i]);
  flush (c);
}

static void
shell_readable (struct fake *c)
{
  char buf[READ_SIZE];
  ssize_t n = read (c->shell_fd, buf, sizeof buf);

  if (n > 0)
    {
      /* What it said before anybody listened is gone, as on a UART. */
      if (is_connected (c))
        fake_say (c, buf, (size_t) n);
      flush (c);
    }
  else if (n == 0 || errno != EAGAIN)
    {
      (void) epoll_ctl (c->f->epfd, EPOLL_CTL_DEL, c->shell_fd, NULL);
      close (c->shell_fd);
      c->shell_fd = -1;
    }
}

static void
watch (struct fake *c, int fd, unsigned kind)
{
  struct epoll_event ev
      = { .events = EPOLLIN,
          .data.u64 = (uint64_t) c->index * FD_KINDS + kind };

  (void) epoll_ctl (c->f->epfd, EPOLL_CTL_ADD, fd, &ev);
}

static void
connectable (struct fake *c)
{
  int fd, size = (int) c->f->cfg.sndbuf;

  if (c->fd >= 0 || !c->accepting)
    return;
  fd = accept4 (c->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0)
    return;
  if (size)
    (void) setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  c->fd = fd;
  arm_listener (c);
  c->connects++;
  c->armed = EPOLLIN;
  watch (c, fd, FD_CONN);
  arm (c);
  flush (c);
}

static void
dispatch (struct fakecons *f, const struct epoll_event *ev)
{
  struct fake *c = &f->c[ev->data.u64 / FD_KINDS];

  switch (ev->data.u64 % FD_KINDS)
    {
    case FD_LISTEN:
      connectable (c);
      break;
    case FD_CONN:
      if (ev->events & (EPOLLIN | EPOLLHUP))
        readable (c);
      if (c->fd >= 0 && (ev->events & EPOLLOUT))
        flush (c);
      break;
    case FD_SHELL:
      shell_readable (c);
      break;
    }
}

void
fakecons_run (struct fakecons *f)
{
  struct epoll_event ev[256];
  uint64_t v;
  int n;

  while (!atomic_load (&f->stop))
    {
      n = epoll_wait (f->epfd, ev, ARRAY_LEN (ev), -1);
      LOCK_SCOPE (&f->m);

      for (int i = 0; i < n; i++)
        if (ev[i].data.u64 == MARK_TIMER)
          {
            (void) !read (f->timer_fd, &v, sizeof v);
            tick (f);
          }
        else if (ev[i].data.u64 != MARK_WAKE)
          dispatch (f, &ev[i]);
    }
}

void
fakecons_stop (struct fakecons *f)
{
  uint64_t one = 1;

  atomic_store (&f->stop, true);
  (void) !write (f->wake_fd, &one, sizeof one);
}

/* ---- making ---- */

static int
start_shell (struct fake *c, const char *shell, struct error *err)
{
  struct winsize ws = { .ws_row = 24, .ws_col = 80 };
  int master, flags;
  pid_t pid = forkpty (&master, NULL, NULL, &ws);

  if (pid < 0)
    return error_errno (err, errno, "starting %s", shell);
  if (pid == 0)
    {
      const char *busybox = strstr (shell, "busybox");

      setenv ("TERM", "vt100", 1);
      setenv ("PS1", "\\u@fake:\\w# ", 1);
      unsetenv ("ENV");
      if (busybox)
        execl (shell, "sh", "-i", (char *) NULL);
      else if (strstr (shell, "bash"))
        execl (shell, "bash", "--norc", "--noprofile", "-i", (char *) NULL);
      else
        {
          setenv ("PS1", "# ", 1);
          execl (shell, "sh", "-i", (char *) NULL);
        }
      _exit (127);
    }
  flags = fcntl (master, F_GETFL);
  (void) fcntl (master, F_SETFL, flags | O_NONBLOCK);
  (void) fcntl (master, F_SETFD, FD_CLOEXEC);
  c->shell_fd = master;
  c->shell_pid = pid;
  watch (c, master, FD_SHELL);
  return 0;
}

static int
make_socket (struct fake *c, struct error *err)
{
  struct sockaddr_un sa = { .sun_family = AF_UNIX };

  c->listen_fd
      = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  memcpy (sa.sun_path, c->path, sizeof sa.sun_path);
  (void) unlink (c->path);
  /* The backlog is QEMU's. */
  if (c->listen_fd < 0
      || bind (c->listen_fd, (struct sockaddr *) &sa, sizeof sa) < 0
      || listen (c->listen_fd, 1) < 0)
    return error_errno (err, errno, "listening at %s", c->path);
  watch (c, c->listen_fd, FD_LISTEN);
  return 0;
}

static int
make_pty (struct fake *c, struct error *err)
{
  struct termios t;
  int flags;

  if (openpty (&c->fd, &c->slave_fd, NULL, NULL, NULL) < 0
      || ttyname_r (c->slave_fd, c->path, sizeof c->path) != 0)
    return error_errno (err, errno, "making a pty");
  /* QEMU makes its ptys raw, too; other makers may not. */
  (void) tcgetattr (c->slave_fd, &t);
  cfmakeraw (&t);
  if (!c->f->cfg.cooked)
    (void) tcsetattr (c->slave_fd, TCSANOW, &t);
  /* Closed again: only now does the master see that nobody is there. */
  close (c->slave_fd);
  c->slave_fd = -1;
  flags = fcntl (c->fd, F_GETFL);
  (void) fcntl (c->fd, F_SETFL, flags | O_NONBLOCK);
  (void) fcntl (c->fd, F_SETFD, FD_CLOEXEC);
  c->readable_off = true;
  c->armed = EPOLLIN;
  watch (c, c->fd, FD_CONN);
  arm (c);
  return 0;
}

static int
make_one (struct fakecons *f, unsigned i, struct error *err)
{
  struct fake *c = &f->c[i];
  int r;

  c->f = f;
  c->index = i;
  c->listen_fd = c->fd = c->slave_fd = c->shell_fd = -1;
  c->accepting = true;
  c->rate = f->cfg.rate;
  c->play = f->cfg.play;
  c->random = i * 7919 + 1;
  c->out.max = OUT_MAX;
  /* Spread over the time that one line takes. */
  c->owed_us = 1000000ull * FAKE_LINE * i / f->cfg.n;
  snprintf (c->path, sizeof c->path,
            f->cfg.folders ? "%s/fake%u/cons" : "%s/cons%u",
            f->cfg.dir ? f->cfg.dir : "", i);
  r = f->cfg.pty ? make_pty (c, err) : make_socket (c, err);
  if (r == 0 && f->cfg.shell)
    r = start_shell (c, f->cfg.shell, err);
  if (r == 0 && !f->cfg.shell)
    fake_begin (c);
  return r;
}

int
fakecons_new (const struct fakecons_config *cfg, struct fakecons **ret_f,
              struct error *err)
{
  struct fakecons *f = calloc (1, sizeof *f);
  struct itimerspec every = { { 0, 1000000 }, { 0, 1000000 } };
  struct epoll_event ev = { .events = EPOLLIN };
  int r = 0;

  if (!f)
    return error_errno (err, ENOMEM, "making fake consoles");
  f->cfg = *cfg;
  if (!f->cfg.slot_ms)
    f->cfg.slot_ms = 20;
  pthread_mutex_init (&f->m, NULL);
  f->epfd = epoll_create1 (EPOLL_CLOEXEC);
  f->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  f->timer_fd = timerfd_create (CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  (void) timerfd_settime (f->timer_fd, 0, &every, NULL);
  ev.data.u64 = MARK_TIMER;
  (void) epoll_ctl (f->epfd, EPOLL_CTL_ADD, f->timer_fd, &ev);
  ev.data.u64 = MARK_WAKE;
  (void) epoll_ctl (f->epfd, EPOLL_CTL_ADD, f->wake_fd, &ev);
  f->last_tick_ms = clock_ms ();
  f->c = calloc (cfg->n, sizeof *f->c);
  if (!f->c)
    r = error_errno (err, ENOMEM, "making fake consoles");
  for (unsigned i = 0; r == 0 && i < cfg->n; i++)
    r = make_one (f, i, err);
  if (r < 0)
    {
      f->cfg.n = 0;
      fakecons_free (f);
      return r;
    }
  *ret_f = f;
  return 0;
}

void
fakecons_free (struct fakecons *f)
{
  if (!f)
    return;
  for (unsigned i = 0; i < f->cfg.n; i++)
    {
      struct fake *c = &f->c[i];

      cleanup_close_ (&c->listen_fd);
      cleanup_close_ (&c->fd);
      cleanup_close_ (&c->shell_fd);
      if (c->shell_pid > 0)
        {
          (void) kill (c->shell_pid, SIGKILL);
          (void) waitpid (c->shell_pid, NULL, 0);
        }
      if (!f->cfg.pty)
        (void) unlink (c->path);
      buf_done (&c->out);
    }
  free (f->c);
  cleanup_close_ (&f->epfd);
  cleanup_close_ (&f->timer_fd);
  cleanup_close_ (&f->wake_fd);
  pthread_mutex_destroy (&f->m);
  free (f);
}

/* ---- commands ---- */

static size_t
unescape (char *s)
{
  char *to = s;

  for (; *s; s++)
    if (*s == '\\' && s[1])
      {
        s++;
        *to++ = (char) (*s == 'n' ? '\n' : *s == 'r' ? '\r'
                                       : *s == 'e' ? 0x1b
                                                   : *s);
      }
    else
      *to++ = *s;
  *to = '\0';
  return (size_t) (to - s);
}

static int
set_play (struct fake *c, const char *name)
{
  for (unsigned i = 0; i < FAKE_PLAY_MAX; i++)
    if (strcmp (name, fake_play_names[i]) == 0)
      {
        c->play = (enum fake_play) i;
        fake_begin (c);
        flush (c);
        arm (c);
        return 0;
      }
  return -EINVAL;
}

static int
command_one (struct fake *c, const char *verb, char *arg)
{
  if (strcmp (verb, "play") == 0)
    return set_play (c, arg);
  if (strcmp (verb, "rate") == 0)
    c->rate = (unsigned) atoi (arg);
  else if (strcmp (verb, "say") == 0)
    {
      buf_puts (&c->out, arg);
      flush (c);
    }
  else if (strcmp (verb, "drop") == 0)
    disconnect (c);
  else if (strcmp (verb, "accept") == 0)
    {
      c->accepting = atoi (arg) != 0;
      arm_listener (c);
    }
  else
    return -EINVAL;
  return 0;
}

int
fakecons_command (struct fakecons *f, const char *line)
{
  char verb[16] = "", which[16] = "", arg[1024] = "";
  unsigned first = 0, last = f->cfg.n;
  int r = 0;
  LOCK_SCOPE (&f->m);

  if (sscanf (line, "%15s %15s %1023[^\n]", verb, which, arg) < 2)
    return -EINVAL;
  if (strcmp (which, "*") != 0)
    {
      first = (unsigned) atoi (which);
      last = first + 1;
    }
  if (strcmp (verb, "say") == 0)
    (void) unescape (arg);
  for (unsigned i = first; r == 0 && i < last && i < f->cfg.n; i++)
    r = command_one (&f->c[i], verb, arg);
  return r;
}

void
fakecons_stats (struct fakecons *f, int console, struct fakecons_stats *ret)
{
  uint64_t now = clock_us ();
  LOCK_SCOPE (&f->m);

  memset (ret, 0, sizeof *ret);
  for (unsigned i = 0; i < f->cfg.n; i++)
    {
      const struct fake *c = &f->c[i];

      if (console >= 0 && i != (unsigned) console)
        continue;
      ret->bytes += c->bytes;
      ret->lines += c->lines;
      ret->connects += c->connects;
      ret->keys += c->keys;
      ret->executed += c->executed;
      ret->blocked_us
          += c->blocked_us + (c->blocked_since ? now - c->blocked_since : 0);
      ret->connected = is_connected (c);
    }
}

void
fakecons_report (struct fakecons *f, struct buf *out)
{
  struct fakecons_stats s;

  fakecons_stats (f, -1, &s);
  buf_printf (out,
              "{\"consoles\":%u,\"bytes\":%llu,\"lines\":%llu,"
              "\"connects\":%llu,\"keys\":%llu,\"executed\":%llu,"
              "\"blocked_seconds\":%.6f}\n",
              f->cfg.n, (unsigned long long) s.bytes,
              (unsigned long long) s.lines, (unsigned long long) s.connects,
              (unsigned long long) s.keys, (unsigned long long) s.executed,
              (double) s.blocked_us / 1e6);
}
