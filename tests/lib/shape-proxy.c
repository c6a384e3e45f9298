/* SPDX-License-Identifier: Apache-2.0
 *
 * shape-proxy: a bad link on loopback, for tests.  Forwards TCP connections
 * and shapes, cuts, stalls or refuses them:
 *
 *   shape-proxy --listen 127.0.0.1:0 --to 127.0.0.1:PORT [option ...]
 *     --rate BYTES        per second, each way of each connection
 *     --delay MS          everything arrives so much later, each way
 *     --cut-after BYTES   after so many bytes from the client have reached
 *                         the target, both ends are reset; counted anew for
 *                         each connection
 *     --stall-after BYTES after so many nothing moves any more, either way,
 *                         and both ends stay open
 *     --drop-reply N      on the first N connections that get an answer: the
 *                         request arrives, the answer is swallowed and the
 *                         client is reset instead
 *     --accept-reset P    P percent of the connections are reset as soon as
 *                         accepted, evenly spread: 50 is each second one
 *
 * The first line on stdout is the port.  Ends on SIGTERM or SIGINT, and when
 * stdin, if a pipe or socket, is closed (so it never outlives its test), with
 * a line that says what it did:
 *
 *   connections 3 up 1000 down 20 cut 1 stalled 0 dropped 0 reset 0 failed 0
 *
 * One thread, at most MAX_CONNS connections, at most 128 KiB held per way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNS 64
#define CHUNK 4096
#define MAX_CHUNKS 32
#define CUT_WAIT_US 1000000
#define NEVER INT64_MAX

struct options
{
  struct sockaddr_in listen, to;
  int64_t rate, delay_us, cut_after, stall_after; /* -1 = not wanted */
  long drop_reply, accept_reset;
};

struct chunk
{
  int64_t due;
  size_t off, len;
  char data[CHUNK];
};

/* One direction of a connection. */
struct way
{
  int from, to;
  struct chunk chunks[MAX_CHUNKS];
  unsigned first, n;
  bool eof;                  /* from has said all */
  bool done;                 /* and to was told so */
  bool blocked;              /* to takes no more at present */
  int64_t tokens, filled_at; /* millionths of a byte; us */
  int64_t sent;
};

struct conn
{
  struct way up, down;
  bool connecting, stalled;
  int64_t cut_by; /* resetting, as soon as all has arrived or at this time */
};

struct proxy
{
  struct options opt;
  int listener, signals;
  bool watch_stdin;
  struct conn *conns[MAX_CONNS];
  unsigned long connections, cut, stalled, dropped, reset, failed;
  int64_t up, down;
};

static int64_t
now_us (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Closes so that the other end sees a reset. */
static void
reset_fd (int fd)
{
  const struct linger linger = { .l_onoff = 1, .l_linger = 0 };

  if (fd < 0)
    return;
  setsockopt (fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  close (fd);
}

static void
drop_conn (struct proxy *p, unsigned i, bool reset)
{
  struct conn *c = p->conns[i];

  if (reset)
    {
      reset_fd (c->up.from);
      reset_fd (c->up.to);
    }
  else
    {
      close (c->up.from);
      close (c->up.to);
    }
  free (c);
  p->conns[i] = NULL;
}

/* ---- one way ---- */

static bool
wants_read (const struct way *w)
{
  return !w->eof && w->n < MAX_CHUNKS;
}

/* False when the connection is broken. */
static bool
read_some (struct proxy *p, struct way *w, int64_t now)
{
  while (wants_read (w))
    {
      struct chunk *c = &w->chunks[(w->first + w->n) % MAX_CHUNKS];
      ssize_t n = recv (w->from, c->data, sizeof c->data, 0);

      if (n < 0)
        return errno == EAGAIN || errno == EINTR;
      if (n == 0)
        w->eof = true;
      else
        {
          c->off = 0;
          c->len = (size_t) n;
          c->due = now + (p->opt.delay_us > 0 ? p->opt.delay_us : 0);
          w->n++;
        }
    }
  return true;
}

static int64_t
burst_of (int64_t rate)
{
  return rate / 20 > 0 ? rate / 20 : 1; /* 50 ms' worth */
}

/* How many of want bytes the rate lets pass now. */
static int64_t
allowed (const struct proxy *p, struct way *w, int64_t want, int64_t now)
{
  const int64_t rate = p->opt.rate;

  if (rate <= 0)
    return want;
  int64_t cap = burst_of (rate) * 1000000, passed = now - w->filled_at;
  /* Beyond a second it is full in any case, and the product might not fit. */
  w->tokens += (passed < 1000000 ? passed : 1000000) * rate;
  if (w->tokens > cap)
    w->tokens = cap;
  w->filled_at = now;
  int64_t have = w->tokens / 1000000;
  return have < want ? have : want;
}

/* Sends what is due; limit: bytes that may still pass, or NEVER.  False when
 * the connection is broken. */
static bool
send_some (struct proxy *p, struct way *w, int64_t limit, int64_t now)
{
  w->blocked = false;
  while (w->n > 0 && limit > 0)
    {
      struct chunk *c = &w->chunks[w->first];
      int64_t want = (int64_t) (c->len - c->off);

      if (c->due > now)
        return true;
      if (want > limit)
        want = limit;
      want = allowed (p, w, want, now);
      if (want == 0)
        return true;
      ssize_t n = send (w->to, c->data + c->off, (size_t) want, MSG_NOSIGNAL);
      if (n < 0)
        {
          w->blocked = errno == EAGAIN;
          return errno == EAGAIN || errno == EINTR;
        }
      w->tokens -= n * 1000000;
      w->sent += n;
      if (limit != NEVER)
        limit -= n;
      c->off += (size_t) n;
      if (c->off == c->len)
        {
          w->first = (w->first + 1) % MAX_CHUNKS;
          w->n--;
        }
    }
  if (w->n == 0 && w->eof && !w->done)
    {
      shutdown (w->to, SHUT_WR);
      w->done = true;
    }
  return true;
}

/* When this way has to be looked at again though no descriptor is ready. */
static int64_t
next_time (const struct proxy *p, const struct way *w, int64_t now)
{
  const struct chunk *c = &w->chunks[w->first];

  if (w->n == 0 || w->blocked)
    return NEVER;
  if (c->due > now)
    return c->due;
  if (p->opt.rate <= 0)
    return now;
  /* Not for each single byte: for what the bucket holds at most. */
  int64_t want = (int64_t) (c->len - c->off), burst = burst_of (p->opt.rate);
  int64_t lacks = (want < burst ? want : burst) * 1000000 - w->tokens;
  return lacks <= 0 ? now : now + lacks / p->opt.rate + 1;
}

/* ---- connections ---- */

/* Whether connection number k is one of the P percent. */
static bool
unlucky (const struct proxy *p, unsigned long k)
{
  unsigned long percent = (unsigned long) p->opt.accept_reset;

  return k * percent / 100 > (k - 1) * percent / 100;
}

static void
accept_one (struct proxy *p, int64_t now)
{
  int fd = accept4 (p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  const int one = 1;
  unsigned i = 0;

  if (fd < 0)
    return;
  p->connections++;
  if (unlucky (p, p->connections))
    {
      p->reset++;
      reset_fd (fd);
      return;
    }
  while (i < MAX_CONNS && p->conns[i])
    i++;
  struct conn *c = i < MAX_CONNS ? calloc (1, sizeof *c) : NULL;
  int to = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (!c || to < 0
      || (connect (to, (const struct sockaddr *) &p->opt.to, sizeof p->opt.to)
              < 0
          && errno != EINPROGRESS))
    {
      p->failed++;
      reset_fd (fd);
      reset_fd (to);
      free (c);
      return;
    }
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt (to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  c->up.from = c->down.to = fd;
  c->up.to = c->down.from = to;
  c->up.filled_at = c->down.filled_at = now;
  c->connecting = true;
  c->cut_by = NEVER;
  p->conns[i] = c;
}

/* False when the target did not take the connection. */
static bool
connected (struct conn *c)
{
  int code = 0;
  socklen_t len = sizeof code;

  if (getsockopt (c->up.to, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
    return false;
  c->connecting = false;
  return code == 0;
}

/* What has been sent but not yet acknowledged would be lost by a reset. */
static bool
all_arrived (int fd)
{
  int left = 0;

  return ioctl (fd, SIOCOUTQ, &left) < 0 || left == 0;
}

/* The client's bytes, up to where the link breaks. */
static bool
move_up (struct proxy *p, struct conn *c, int64_t now)
{
  const struct options *o = &p->opt;
  int64_t limit = NEVER;

  if (o->cut_after >= 0)
    limit = o->cut_after - c->up.sent;
  if (o->stall_after >= 0 && o->stall_after - c->up.sent < limit)
    limit = o->stall_after - c->up.sent;
  int64_t before = c->up.sent;
  bool well = send_some (p, &c->up, limit, now);
  p->up += c->up.sent - before;
  if (o->stall_after >= 0 && c->up.sent >= o->stall_after)
    {
      c->stalled = true;
      p->stalled++;
    }
  else if (o->cut_after >= 0 && c->up.sent >= o->cut_after)
    c->cut_by = now + CUT_WAIT_US;
  return well;
}

/* Moves what can be moved; false when the connection is to be reset. */
static bool
serve (struct proxy *p, struct conn *c, int64_t now)
{
  if (c->stalled)
    return true;
  if (c->cut_by != NEVER)
    {
      if (!all_arrived (c->up.to) && now < c->cut_by)
        return true;
      p->cut++;
      return false;
    }
  if (!read_some (p, &c->up, now) || !read_some (p, &c->down, now))
    return false;
  if (c->down.n > 0 && p->dropped < (unsigned long) p->opt.drop_reply)
    {
      p->dropped++;
      return false;
    }
  if (!move_up (p, c, now))
    return false;
  if (c->stalled || c->cut_by != NEVER)
    return true;
  int64_t before = c->down.sent;
  bool well = send_some (p, &c->down, NEVER, now);
  p->down += c->down.sent - before;
  return well;
}

static void
step (struct proxy *p, unsigned i, short client, short target, int64_t now)
{
  struct conn *c = p->conns[i];

  /* A stalled link tells neither end anything, but it ends with them. */
  if (c->stalled)
    {
      if ((client | target) & (POLLERR | POLLHUP))
        drop_conn (p, i, true);
      return;
    }
  if (c->connecting)
    {
      if (!(target & (POLLOUT | POLLERR | POLLHUP)))
        return;
      if (!connected (c))
        {
          p->failed++;
          drop_conn (p, i, true);
          return;
        }
    }
  if (!serve (p, c, now) || (client | target) & POLLERR)
    drop_conn (p, i, true);
  else if (c->up.done && c->down.done)
    drop_conn (p, i, false);
}

/* ---- the loop ---- */

static short
events_of (const struct conn *c, const struct way *in, const struct way *out)
{
  if (c->stalled || c->cut_by != NEVER)
    return 0;
  return (short) ((wants_read (in) ? POLLIN : 0)
                  | (out->blocked ? POLLOUT : 0));
}

/* Fills fds for all connections; returns when to wake up at the latest. */
static int64_t
prepare (const struct proxy *p, struct pollfd *fds, int64_t now)
{
  int64_t wake = NEVER;

  for (unsigned i = 0; i < MAX_CONNS; i++)
    {
      const struct conn *c = p->conns[i];
      struct pollfd *client = &fds[2 * i], *target = &fds[2 * i + 1];

      client->fd = target->fd = -1;
      client->revents = target->revents = 0;
      if (!c)
        continue;
      /* An end that is through with both ways would report HUP for ever. */
      client->fd = c->up.eof && c->down.done ? -1 : c->up.from;
      client->events = c->connecting ? 0 : events_of (c, &c->up, &c->down);
      target->fd = c->down.eof && c->up.done ? -1 : c->up.to;
      target->events
          = c->connecting ? POLLOUT : events_of (c, &c->down, &c->up);
      if (c->connecting || c->stalled)
        continue;
      int64_t at = c->cut_by != NEVER ? now + 1000 : next_time (p, &c->up, now);
      if (at < wake)
        wake = at;
      if (c->cut_by == NEVER)
        at = next_time (p, &c->down, now);
      if (at < wake)
        wake = at;
    }
  return wake;
}

static void
run (struct proxy *p)
{
  struct pollfd fds[3 + 2 * MAX_CONNS];

  for (;;)
    {
      int64_t now = now_us ();
      int64_t wake = prepare (p, fds + 3, now);
      int wait = wake == NEVER ? -1 : (int) ((wake - now + 999) / 1000);

      fds[0] = (struct pollfd){ .fd = p->signals, .events = POLLIN };
      fds[1] = (struct pollfd){ .fd = p->watch_stdin ? STDIN_FILENO : -1,
                                .events = POLLIN };
      fds[2] = (struct pollfd){ .fd = p->listener, .events = POLLIN };
      if (poll (fds, 3 + 2 * MAX_CONNS, wait < 0 && wake != NEVER ? 0 : wait)
          < 0)
        continue;
      if (fds[0].revents)
        return;
      if (fds[1].revents)
        {
          char c[64];

          if (read (STDIN_FILENO, c, sizeof c) <= 0)
            return;
        }
      now = now_us ();
      for (unsigned i = 0; i < MAX_CONNS; i++)
        if (p->conns[i])
          step (p, i, fds[3 + 2 * i].revents, fds[4 + 2 * i].revents, now);
      if (fds[2].revents)
        accept_one (p, now);
    }
}

/* ---- the start ---- */

static bool
parse_address (const char *s, struct sockaddr_in *ret)
{
  char host[64];
  const char *colon = strrchr (s, ':');
  size_t len = colon ? (size_t) (colon - s) : 0;

  if (!colon || len >= sizeof host)
    return false;
  memcpy (host, s, len);
  host[len] = '\0';
  *ret = (struct sockaddr_in){
    .sin_family = AF_INET,
    .sin_port = htons ((uint16_t) atoi (colon + 1)),
  };
  return inet_pton (AF_INET, host, &ret->sin_addr) == 1;
}

static bool
parse (int argc, char **argv, struct options *o)
{
  static const struct option longs[] = {
    { "listen", required_argument, NULL, 'l' },
    { "to", required_argument, NULL, 't' },
    { "rate", required_argument, NULL, 'r' },
    { "delay", required_argument, NULL, 'd' },
    { "cut-after", required_argument, NULL, 'c' },
    { "stall-after", required_argument, NULL, 's' },
    { "drop-reply", required_argument, NULL, 'n' },
    { "accept-reset", required_argument, NULL, 'p' },
    { 0 },
  };
  int opt;
  bool listen = false, to = false;

  *o = (struct options){ .rate = -1, .cut_after = -1, .stall_after = -1 };
  while ((opt = getopt_long (argc, argv, "", longs, NULL)) >= 0)
    {
      long v = opt == '?' ? -1 : atol (optarg);

      if (opt == 'l')
        listen = parse_address (optarg, &o->listen);
      else if (opt == 't')
        to = parse_address (optarg, &o->to);
      else if (v < 0)
        return false;
      else if (opt == 'r')
        o->rate = v;
      else if (opt == 'd')
        o->delay_us = (int64_t) v * 1000;
      else if (opt == 'c')
        o->cut_after = v;
      else if (opt == 's')
        o->stall_after = v;
      else if (opt == 'n')
        o->drop_reply = v;
      else
        o->accept_reset = v;
    }
  return listen && to && optind == argc && o->accept_reset <= 100
         && o->rate < 1000000000;
}

static bool
begin (struct proxy *p)
{
  struct sockaddr_in *a = &p->opt.listen;
  socklen_t len = sizeof *a;
  struct stat sb;
  const int one = 1;
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  sigprocmask (SIG_BLOCK, &set, NULL);
  p->signals = signalfd (-1, &set, SFD_CLOEXEC);
  p->watch_stdin = fstat (STDIN_FILENO, &sb) == 0
                   && (S_ISFIFO (sb.st_mode) || S_ISSOCK (sb.st_mode));
  p->listener = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (p->signals < 0 || p->listener < 0)
    return false;
  setsockopt (p->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind (p->listener, (struct sockaddr *) a, len) < 0
      || listen (p->listener, MAX_CONNS) < 0
      || getsockname (p->listener, (struct sockaddr *) a, &len) < 0)
    return false;
  printf ("%u\n", ntohs (a->sin_port));
  fflush (stdout);
  return true;
}

int
main (int argc, char **argv)
{
  struct proxy p = { 0 };

  if (!parse (argc, argv, &p.opt))
    {
      fputs ("usage: shape-proxy --listen ADDR:PORT --to ADDR:PORT\n"
             "  [--rate BYTES] [--delay MS] [--cut-after BYTES]\n"
             "  [--stall-after BYTES] [--drop-reply N] [--accept-reset P]\n",
             stderr);
      return 2;
    }
  if (!begin (&p))
    {
      perror ("shape-proxy");
      return 1;
    }
  run (&p);
  for (unsigned i = 0; i < MAX_CONNS; i++)
    if (p.conns[i])
      drop_conn (&p, i, true);
  close (p.listener);
  close (p.signals);
  printf ("connections %lu up %lld down %lld cut %lu stalled %lu dropped %lu "
          "reset %lu failed %lu\n",
          p.connections, (long long) p.up, (long long) p.down, p.cut, p.stalled,
          p.dropped, p.reset, p.failed);
  return 0;
}
