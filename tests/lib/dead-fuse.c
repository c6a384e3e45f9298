/* SPDX-License-Identifier: Apache-2.0
 *
 * dead-fuse [-l | -s MS BACKING] FOLDER|FILE: mounts a file system there whose
 * server takes every request and answers none, so that whoever touches it is
 * stuck in the kernel.  With -l, of a FILE only, it dies later: until SIGUSR1
 * it is a well file of a few lines, which grows by one a second.  With -s, of a
 * FILE only, it lives and is slow: it reads as BACKING does, each read MS later.
 * Prints "ready"; ends with its standard input, and then the kernel fails what
 * waits.  Exit code 77 where there is no FUSE, or no right to mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX (FUSE_MIN_READ_BUFFER + 131072)

static int
skip (const char *what)
{
  fprintf (stderr, "dead-fuse: skipped: %s: %s\n", what, strerror (errno));
  return 77;
}

#define LINE "a line of a log\n"
#define LINE_LEN (sizeof LINE - 1)

static volatile sig_atomic_t dead = 1;
static int backing = -1;
static long slow_ms;

static void
on_signal (int sig)
{
  dead = 1;
}

static int
answer (int fd, const void *request, int error, const void *data, size_t len)
{
  const struct fuse_in_header *in = request;
  static char out[sizeof (struct fuse_out_header) + 131072];
  struct fuse_out_header head = { .unique = in->unique, .error = error };

  head.len = (unsigned) (sizeof head + len);
  memcpy (out, &head, sizeof head);
  if (len)
    memcpy (out + sizeof head, data, len);
  return write (fd, out, head.len) == (ssize_t) head.len ? 0 : -1;
}

static uint64_t
size_now (void)
{
  static time_t began;
  struct stat st;

  if (backing >= 0)
    return fstat (backing, &st) < 0 ? 0 : (uint64_t) st.st_size;
  if (!began)
    began = time (NULL);
  return (uint64_t) (time (NULL) - began + 3) * LINE_LEN;
}

static void
answer_slowly (int fd, const void *request)
{
  const struct fuse_read_in *in
      = (const void *) ((const struct fuse_in_header *) request + 1);
  struct timespec ts = { slow_ms / 1000, slow_ms % 1000 * 1000000L };
  static char data[131072];
  ssize_t n = pread (backing, data,
                     in->size < sizeof data ? in->size : sizeof data,
                     (off_t) in->offset);

  nanosleep (&ts, NULL);
  answer (fd, request, n < 0 ? -EIO : 0, data, n < 0 ? 0 : (size_t) n);
}

static void
answer_read (int fd, const void *request)
{
  const struct fuse_read_in *in
      = (const void *) ((const struct fuse_in_header *) request + 1);
  char data[65536];
  size_t n = 0;
  uint64_t size = size_now ();

  while (n < in->size && n < sizeof data && in->offset + n < size)
    {
      data[n] = LINE[(in->offset + n) % LINE_LEN];
      n++;
    }
  answer (fd, request, 0, data, n);
}

static void
answer_well (int fd, const void *request)
{
  const struct fuse_in_header *in = request;
  struct fuse_attr_out attr = { .attr = { .ino = 1, .nlink = 1,
                                          .mode = S_IFREG | 0644,
                                          .size = size_now () } };
  /* Or the kernel would keep what it has read once. */
  struct fuse_open_out opened
      = { .fh = 1, .open_flags = backing >= 0 ? FOPEN_DIRECT_IO : 0 };

  switch (in->opcode)
    {
    case FUSE_GETATTR:
      answer (fd, request, 0, &attr, sizeof attr);
      break;
    case FUSE_OPEN:
      answer (fd, request, 0, &opened, sizeof opened);
      break;
    case FUSE_READ:
      if (backing >= 0)
        answer_slowly (fd, request);
      else
        answer_read (fd, request);
      break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      break;
    case FUSE_FLUSH:
    case FUSE_RELEASE:
      answer (fd, request, 0, NULL, 0);
      break;
    default:
      answer (fd, request, -ENOSYS, NULL, 0);
    }
}

/* The one answer that is always given: without it nothing is even asked. */
static int
answer_init (int fd, const void *request)
{
  const struct fuse_in_header *in = request;
  struct
  {
    struct fuse_out_header head;
    struct fuse_init_out init;
  } out;

  memset (&out, 0, sizeof out);
  out.head.len = sizeof out;
  out.head.unique = in->unique;
  out.init.major = FUSE_KERNEL_VERSION;
  out.init.minor = FUSE_KERNEL_MINOR_VERSION;
  out.init.max_write = 4096;
  return write (fd, &out, sizeof out) == (ssize_t) sizeof out ? 0 : -1;
}

static int
mount_it (int fd, const char *where)
{
  char options[128];
  struct stat st;

  if (stat (where, &st) < 0)
    return -1;
  snprintf (options, sizeof options,
            "fd=%d,rootmode=%o,user_id=0,group_id=0,allow_other", fd,
            S_ISDIR (st.st_mode) ? 040755u : 0100644u);
  return mount ("dead-fuse", where, "fuse", MS_NOSUID | MS_NODEV, options);
}

int
main (int argc, char **argv)
{
  static char request[REQUEST_MAX];
  struct pollfd p[2] = { { .events = POLLIN }, { .fd = 0, .events = POLLIN } };
  const char *where = argc > 1 ? argv[argc - 1] : NULL;
  char c;
  int fd;

  if (argc == 3 && strcmp (argv[1], "-l") == 0)
    dead = 0;
  else if (argc == 5 && strcmp (argv[1], "-s") == 0
           && (backing = open (argv[3], O_RDONLY | O_CLOEXEC)) >= 0)
    {
      slow_ms = atol (argv[2]);
      dead = 0;
    }
  else if (argc != 2)
    {
      fprintf (stderr,
               "usage: dead-fuse [-l | -s MS BACKING] FOLDER|FILE\n");
      return 2;
    }
  signal (SIGUSR1, on_signal);
  fd = open ("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return skip ("/dev/fuse");
  if (mount_it (fd, where) < 0)
    return skip (where);
  p[0].fd = fd;
  for (;;)
    {
      if (poll (p, 2, -1) < 0 && errno != EINTR)
        break;
      if (p[1].revents && read (0, &c, 1) <= 0)
        break;
      if (!p[0].revents)
        continue;
      if (read (fd, request, sizeof request) < 0)
        {
          if (errno == EINTR || errno == EAGAIN || errno == ENOENT)
            continue;
          break;
        }
      if (((struct fuse_in_header *) request)->opcode != FUSE_INIT)
        {
          if (!dead)
            answer_well (fd, request);
          continue;
        }
      if (answer_init (fd, request) < 0)
        return skip ("FUSE_INIT");
      puts ("ready");
      fflush (stdout);
    }
  umount2 (where, MNT_DETACH);
  return 0;
}
