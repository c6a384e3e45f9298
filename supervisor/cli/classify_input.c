/* SPDX-License-Identifier: Apache-2.0
 *
 * What hangdog classify reads: files, pipes, and files that grow.
 */
#include "supervisor/cli/classify.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/progress.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#define PIECE (128u << 10)
#define FOLLOW_MS 200    /* how often a growing file is looked at */
#define ROUND (4u << 20) /* at most so much of one file, then the next */

struct live;

struct input
{
  struct classify *c;
  const char *name; /* as it was given; "-" = standard input */
  int fd;
  bool checked; /* its beginning is that of a text */
  struct text_reader *reader;
  struct kept *kept;
  /* Of those that live. */
  struct live *live;
  struct watch *watch; /* a pipe */
  struct timer *timer;
  uint64_t pos;
  bool missing; /* it is waited for, and that was said */
  bool troubled;
};

/* All that live, and what ends them. */
struct live
{
  struct loop *loop;
  struct watch *signals;
  int signal_fd;
  char *buf;
  unsigned open;
  struct error *err;
  int failed;
};

/* ---- one input ---- */

static void
on_event (const struct text_event *e, void *arg)
{
  struct input *in = arg;
  uint64_t before = in->c->troubles;

  classify_event (in->c, in->name, e, in->kept);
  in->troubled = in->troubled || in->c->troubles > before;
}

static void
on_line (const struct text_msg *msg, void *arg)
{
  struct input *in = arg;

  kept_line (in->kept, msg);
}

static int
input_open (struct input *in, struct error *err)
{
  struct stat st;

  if (strcmp (in->name, "-") == 0)
    {
      in->fd = STDIN_FILENO;
      return 0;
    }
  /* O_NONBLOCK: opening a FIFO would wait for who writes to it. */
  in->fd = open (in->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (in->fd < 0)
    return error_errno (err, errno, "%s", in->name);
  if (fstat (in->fd, &st) < 0 || S_ISDIR (st.st_mode))
    {
      close (steal_fd (&in->fd));
      return error_set (err, EINVAL, "%s is a folder", in->name);
    }
  return 0;
}

static int
input_init (struct input *in, struct classify *c, const char *name,
            struct error *err)
{
  static const struct text_reader_ops plain = { .event = on_event };
  static const struct text_reader_ops keep
      = { .event = on_event, .line = on_line };

  *in = (struct input){ .c = c, .name = name, .fd = -1 };
  if (c->explain && kept_new (&in->kept, err) < 0)
    return -ENOMEM;
  return text_reader_new (c->rules, c->explain ? &keep : &plain, in,
                          &in->reader, err);
}

static void
input_done (struct input *in)
{
  struct text_reader_stats stats;

  watch_free (in->watch);
  timer_free (in->timer);
  if (in->fd > STDIN_FILENO)
    close (in->fd);
  if (in->reader)
    {
      text_reader_end (in->reader);
      text_reader_stats (in->reader, &stats);
      in->c->lines += stats.lines;
      in->c->bytes += stats.bytes;
      in->c->given_up += stats.limits_hit;
      in->c->stage = *text_reader_stage (in->reader);
      in->c->boots += in->c->stage.boots;
      if (!in->troubled)
        classify_stands (in->c, in->name, &in->c->stage);
      text_reader_free (in->reader);
    }
  kept_free (in->kept);
  *in = (struct input){ .fd = -1 };
}

/* Reads a piece and feeds it: bytes, 0 at the end, or < 0. */
static ssize_t
input_piece (struct input *in, char *buf, uint64_t ms, struct error *err)
{
  ssize_t n = read (in->fd, buf, PIECE);
  int r;

  if (n < 0)
    return errno == EAGAIN || errno == EINTR
               ? -EAGAIN
               : error_errno (err, errno, "%s", in->name);
  if (!in->checked)
    {
      r = packed_check (in->name, buf, (size_t) n, "classify -", err);
      if (r < 0)
        return r;
      in->checked = n > 0;
    }
  if (n > 0)
    text_reader_feed (in->reader, buf, (size_t) n, ms);
  in->pos += (uint64_t) n;
  return n;
}

static int
read_whole (struct classify *c, const char *name, char *buf, struct error *err)
{
  struct progress progress;
  struct input in;
  struct stat st;
  ssize_t n = input_init (&in, c, name, err);

  progress_late (&progress, name, c->how != TELL_TEXT);
  if (n == 0)
    n = input_open (&in, err);
  if (n == 0 && fstat (in.fd, &st) == 0)
    do
      {
        n = input_piece (&in, buf, 0, err);
        progress_bytes (&progress, in.pos, (uint64_t) st.st_size);
      }
    while (n > 0);
  input_done (&in);
  progress_end (&progress, n >= 0 || n == -EAGAIN, "");
  /* A device without more to say, opened so that it cannot make us wait. */
  return n == -EAGAIN ? 0 : (int) n;
}

/* ---- those that live ---- */

static void
live_end (struct input *in)
{
  struct live *l = in->live;

  input_done (in);
  if (--l->open == 0)
    loop_stop (l->loop);
}

static void
live_fail (struct input *in, int r)
{
  struct live *l = in->live;

  print_paragraph (stderr, "hangdog: ", error_text (l->err));
  l->failed = r;
  *l->err = (struct error) ERROR_INIT;
  live_end (in);
}

/* Was it replaced by another, or cut?  Then its beginning comes next. */
static void
look_again (struct input *in, uint64_t now)
{
  struct stat is, was;
  int fd;

  if (fstat (in->fd, &was) < 0 || !S_ISREG (was.st_mode))
    return;
  if ((uint64_t) was.st_size < in->pos)
    {
      /* What is new does not go on where the old line stopped. */
      text_reader_gap (in->reader, 0, now);
      if (lseek (in->fd, 0, SEEK_SET) == 0)
        in->pos = 0;
      return;
    }
  if (strcmp (in->name, "-") == 0 || stat (in->name, &is) < 0
      || (is.st_ino == was.st_ino && is.st_dev == was.st_dev))
    return;
  fd = open (in->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return;
  /* Its writer may have had a last word before it turned to the new one. */
  while (input_piece (in, in->live->buf, now, NULL) > 0)
    continue;
  if (in->fd > STDIN_FILENO)
    close (in->fd);
  in->fd = fd;
  in->pos = 0;
}

/* A file that is not there yet is waited for. */
static bool
live_there (struct input *in)
{
  struct error why = ERROR_INIT;

  if (in->fd >= 0 || input_open (in, &why) == 0)
    return true;
  if (!in->missing)
    print_paragraph (stderr, "hangdog: waiting: ", error_text (&why));
  in->missing = true;
  return false;
}

static void
on_timer (struct timer *t, void *arg)
{
  struct input *in = arg;
  uint64_t now = loop_now (in->live->loop), next, at = now + FOLLOW_MS;
  ssize_t n = 0;
  size_t got = 0;

  /* A pipe's watch reads it; here it only grows older. */
  if (!in->watch && live_there (in))
    {
      while (got < ROUND
             && (n = input_piece (in, in->live->buf, now, in->live->err)) > 0)
        got += (size_t) n;
      if (n < 0 && n != -EAGAIN)
        {
          live_fail (in, (int) n);
          return;
        }
      if (n == 0)
        look_again (in, now);
    }
  next = text_reader_tick (in->reader, now);
  if (got >= ROUND)
    at = now;
  timer_at (t, in->watch ? next : next < at ? next : at);
}

static void
on_pipe (struct watch *w, int fd, unsigned events, void *arg)
{
  struct input *in = arg;
  uint64_t now = loop_now (in->live->loop), next;
  ssize_t n = input_piece (in, in->live->buf, now, in->live->err);

  if (n == -EAGAIN)
    return;
  if (n < 0)
    live_fail (in, (int) n);
  else if (n == 0)
    live_end (in);
  else if ((next = text_reader_tick (in->reader, now)) != CLOCK_NEVER)
    timer_at (in->timer, next);
}

static void
on_signal (struct watch *w, int fd, unsigned events, void *arg)
{
  loop_stop (arg);
}

/* One that is not there may come; a folder becomes no file. */
static bool
is_folder (const char *name)
{
  struct stat st;

  return stat (name, &st) == 0 && S_ISDIR (st.st_mode);
}

/* Not a file with a beginning and an end. */
static bool
is_pipe (int fd)
{
  struct stat st;

  return fd >= 0 && fstat (fd, &st) == 0
         && (S_ISFIFO (st.st_mode) || S_ISSOCK (st.st_mode) || isatty (fd));
}

static int
live_add (struct live *l, struct input *in, struct classify *c,
          const char *name, struct error *err)
{
  int r = input_init (in, c, name, err);

  if (r < 0)
    return r;
  in->live = l;
  if (strcmp (name, "-") == 0 || !c->follow || is_folder (name))
    r = input_open (in, err);
  if (r < 0)
    return r;
  r = loop_timer (l->loop, "classify", on_timer, in, &in->timer, err);
  if (r < 0)
    return r;
  if (is_pipe (in->fd))
    {
      return loop_watch (l->loop, "classify", in->fd, LOOP_READ, on_pipe, in,
                         &in->watch, err);
    }
  timer_in (in->timer, 0);
  return 0;
}

/* An interrupt ends the reading, and what was found is still told. */
static int
live_new (struct live *l, struct error *err)
{
  sigset_t set;
  int r;

  l->signal_fd = -1;
  l->buf = malloc (PIECE);
  if (!l->buf)
    return error_set (err, ENOMEM, "no memory");
  r = loop_new (&l->loop, err);
  if (r < 0)
    return r;
  sigemptyset (&set);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGTERM);
  sigprocmask (SIG_BLOCK, &set, NULL);
  l->signal_fd = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (l->signal_fd < 0)
    return error_errno (err, errno, "signalfd");
  return loop_watch (l->loop, "signals", l->signal_fd, LOOP_READ, on_signal,
                     l->loop, &l->signals, err);
}

static int
read_live (struct classify *c, char *const *files, int n, struct error *err)
{
  CLEANUP_FREE struct input *ins = calloc ((size_t) n, sizeof (*ins));
  struct live l = { .err = err, .open = (unsigned) n };
  int r = ins ? live_new (&l, err) : error_set (err, ENOMEM, "no memory");
  int i = 0;

  for (; r == 0 && i < n; i++)
    r = live_add (&l, &ins[i], c, files[i], err);
  if (r == 0)
    r = loop_run (l.loop, err);
  while (i > 0)
    input_done (&ins[--i]);
  watch_free (l.signals);
  loop_free (l.loop);
  if (l.signal_fd >= 0)
    close (l.signal_fd);
  free (l.buf);
  if (r == 0 && l.failed)
    r = error_set (err, -l.failed, "%s", "");
  return r;
}

static bool
lives (const char *name)
{
  struct stat st;

  if (strcmp (name, "-") == 0)
    return is_pipe (STDIN_FILENO);
  return stat (name, &st) == 0 && S_ISFIFO (st.st_mode);
}

int
classify_files (struct classify *c, char *const *files, int n)
{
  CLEANUP_FREE char *buf = malloc (PIECE);
  int bad = 0;

  if (!buf)
    return EXIT_ERROR;
  if (c->follow)
    {
      struct error err = ERROR_INIT;

      if (read_live (c, files, n, &err) == 0)
        return 0;
      if (err.msg[0])
        cli_fail (&err);
      return EXIT_USAGE;
    }
  for (int i = 0; i < n; i++)
    {
      struct error err = ERROR_INIT;
      int r = lives (files[i]) ? read_live (c, &files[i], 1, &err)
                               : read_whole (c, files[i], buf, &err);

      if (r < 0 && err.msg[0])
        cli_fail (&err);
      if (r < 0)
        bad = EXIT_USAGE;
    }
  return bad;
}
