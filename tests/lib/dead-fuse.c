/* SPDX-License-Identifier: Apache-2.0
 *
 * dead-fuse FOLDER|FILE: mounts a file system there whose server takes every
 * request and answers none, so that whoever touches it sits in D.  Prints
 * "ready"; ends with its standard input, and then the kernel fails what waits.
 * Exit code 77 where there is no FUSE, or no right to mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUEST_MAX (FUSE_MIN_READ_BUFFER + 131072)

static int
skip (const char *what)
{
  fprintf (stderr, "dead-fuse: skipped: %s: %s\n", what, strerror (errno));
  return 77;
}

/* The one answer that is given: without it nothing is even asked. */
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
  char c;
  int fd;

  if (argc != 2)
    {
      fprintf (stderr, "usage: dead-fuse FOLDER|FILE\n");
      return 2;
    }
  fd = open ("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return skip ("/dev/fuse");
  if (mount_it (fd, argv[1]) < 0)
    return skip (argv[1]);
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
        continue;
      if (answer_init (fd, request) < 0)
        return skip ("FUSE_INIT");
      puts ("ready");
      fflush (stdout);
    }
  umount2 (argv[1], MNT_DETACH);
  return 0;
}
