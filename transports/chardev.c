/* SPDX-License-Identifier: Apache-2.0 */
#include "transports/chardev.h"
#include "transports/sockdiag.h"

#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* A QEMU that is well accepts within a few milliseconds.  After HELD_MS it is
 * asked whether somebody else is connected; after ACCEPT_MS of nobody being
 * there either, it is QEMU itself that does not accept. */
#define HELD_MS 100
#define ACCEPT_MS 1500
#define STEP_MOST_MS 50

static void
keep (const struct sockdiag_answer *a, void *arg)
{
  memcpy (arg, a, sizeof *a);
}

static int
ino_of (int fd, uint32_t *ret_ino)
{
  struct stat st;

  if (fstat (fd, &st) < 0)
    return -errno;
  *ret_ino = (uint32_t) st.st_ino;
  return 0;
}

/* 1 accepted, 0 still in the listener's queue, < 0 not known. */
static int
accepted (int fd, struct socket_file *ret_file)
{
  struct sockdiag_answer own = { 0 }, peer = { 0 };
  uint32_t ino = 0;
  int r = ino_of (fd, &ino);

  if (r == 0)
    r = sockdiag_query (ino, ~0u, UDIAG_SHOW_PEER, keep, &own);
  if (r < 0)
    return r;
  /* A peer with inode 0 is one that nobody has accepted. */
  if (own.ino != ino || !own.has_peer)
    return -ENOENT;
  if (own.peer == 0)
    return 0;
  if (sockdiag_query (own.peer, ~0u, UDIAG_SHOW_VFS, keep, &peer) == 0
      && peer.has_vfs)
    {
      ret_file->known = true;
      ret_file->dev = peer.vfs.udiag_vfs_dev;
      ret_file->ino = peer.vfs.udiag_vfs_ino;
    }
  return 1;
}

struct held
{
  uint32_t ino;
  bool other;
  struct socket_file file; /* of the listener */
};

bool
socket_file_is (const struct socket_file *file,
                const struct sockdiag_answer *a)
{
  return file->known && a->has_vfs && a->vfs.udiag_vfs_dev == file->dev
         && a->vfs.udiag_vfs_ino == file->ino;
}

static void
find_listener (const struct sockdiag_answer *a, void *arg)
{
  struct held *h = arg;

  for (unsigned i = 0; i < a->nwaiting; i++)
    if (a->waiting[i] == h->ino && a->has_vfs)
      h->file = (struct socket_file){ true, a->vfs.udiag_vfs_dev,
                                      a->vfs.udiag_vfs_ino };
}

static void
find_accepted (const struct sockdiag_answer *a, void *arg)
{
  struct held *h = arg;

  /* A QEMU that is stuck has the sockets still of those who left: mostly us,
   * before we ask again. */
  if (socket_file_is (&h->file, a) && !a->gone)
    h->other = true;
}

int
chardev_held_by_other (int fd)
{
  struct held h = { 0 };
  int r = ino_of (fd, &h.ino);

  if (r == 0)
    r = sockdiag_query (0, 1u << TCP_LISTEN, UDIAG_SHOW_VFS | UDIAG_SHOW_ICONS,
                    find_listener, &h);
  if (r == 0 && !h.file.known)
    r = -ENOENT;
  if (r == 0)
    r = sockdiag_query (0, 1u << TCP_ESTABLISHED, UDIAG_SHOW_VFS, find_accepted,
                    &h);
  return r < 0 ? r : h.other;
}

int
chardev_file_held (const char *path)
{
  struct held h = { 0 };
  struct stat st;
  int r;

  if (stat (path, &st) < 0)
    return -errno;
  /* The kernel's own form of a device number. */
  h.file = (struct socket_file){ true,
                                 major (st.st_dev) << 20 | minor (st.st_dev),
                                 (uint32_t) st.st_ino };
  r = sockdiag_query (0, 1u << TCP_LISTEN, UDIAG_SHOW_VFS, find_accepted, &h);
  if (r == 0 && !h.other)
    r = -ENOENT; /* not even its listener: another network namespace */
  h.other = false;
  if (r == 0)
    r = sockdiag_query (0, 1u << TCP_ESTABLISHED, UDIAG_SHOW_VFS, find_accepted,
                    &h);
  return r < 0 ? r : h.other;
}

/* ---- waiting ---- */

int
chardev_wait_accepted (int fd, uint64_t deadline,
                       struct socket_file *ret_file, struct error *err)
{
  uint64_t start = clock_ms (), now, step = 1;
  struct pollfd p = { .fd = fd, .events = POLLIN };
  int r;

  if (deadline > start + ACCEPT_MS)
    deadline = start + ACCEPT_MS;
  for (;;)
    {
      r = accepted (fd, ret_file);
      /* Without the kernel's help nothing is known: the dialogue will see. */
      if (r != 0)
        return 0;
      now = clock_ms ();
      if (now - start >= HELD_MS && chardev_held_by_other (fd) == 1)
        return error_set (err, EBUSY, "another client is connected to it");
      if (now >= deadline)
        return error_set (err, ETIMEDOUT, "it is not accepted, though no "
                          "other client is connected: QEMU's main loop may "
                          "be stuck");
      /* Its first byte, or its end, may come sooner. */
      (void) poll (&p, 1, (int) step);
      step = 2 * step > STEP_MOST_MS ? STEP_MOST_MS : 2 * step;
    }
}

/* The listener's queue is full: with somebody connected that is a crowd, and
 * without it is those whom a stuck QEMU has left there. */
int
chardev_queue_full (const char *root, const char *name, struct error *err)
{
  char path[512];

  snprintf (path, sizeof path, "%s/%s", root, name);
  if (chardev_file_held (path) == 0)
    return error_set (err, ETIMEDOUT, "clients wait there and none is "
                      "accepted: QEMU's main loop may be stuck");
  return -EBUSY;
}
