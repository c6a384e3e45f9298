/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening what the daemon itself may not.
 *
 * Rooms that need a descriptor of something privileged (a guest's console,
 * its monitor socket, a file in its run directory, /proc/PID/mem) ask an
 * opener.  In the daemon that is the keeper, over its socket; in tests and in
 * the keeper itself it is opener_local().  A request names a *root* from the
 * configuration and a path beneath it, never a free path; symbolic links
 * inside the root are not followed out of it (openat2, RESOLVE_BENEATH; on a
 * kernel before 5.6, and mostly to a mailbox, they are not followed at all).
 */
#ifndef HANGDOG_BASE_OPENER_H
#define HANGDOG_BASE_OPENER_H

#include <stdbool.h>
#include <stdint.h>

struct error;

enum open_kind
{
  OPEN_FILE,    /* O_RDONLY regular file */
  OPEN_DIR,     /* O_RDONLY|O_DIRECTORY, for listing; path "." is the root */
  OPEN_INOTIFY, /* a new inotify fd, non-blocking, watching that folder for
                   create, delete, moved-to, moved-from, close-write, and its
                   own end */
  OPEN_UNIX,    /* a connected SOCK_STREAM, non-blocking; -EAGAIN: held by
                   another (the listener's queue is full) */
  OPEN_TTY,     /* a terminal device, O_RDWR|O_NOCTTY|O_NONBLOCK, exclusive
                   through the UUCP lock libvirt uses: -EBUSY when held */
  OPEN_PROC,    /* path "PID/NAME" or "PID/task/TID/NAME" below /proc (root is
                   "/proc") for NAME in a fixed list; the start time of PID
                   must be check_start.  mem, pagemap, maps, ns/net, task (a
                   folder) and pidfd are the thing itself.
                   map_files/START-END is the file of a mapping that is
                   writable and shared, O_RDONLY: a regular file or a memfd, at
                   least as large as the mapping's end in it; no other.
                   fd is a sealed list of its descriptors, "N TARGET" each;
                   fd/N the file of one, O_RDONLY: a block device, or a regular
                   file of 64 KiB or more that it has open for more than
                   running it; no other.
                   stack, syscall, wchan, status, stat and schedstat are a
                   sealed copy of the text in memory: the kernel asks for the
                   reader's rights at each read there, so the descriptor alone
                   would be worth nothing to the daemon.  Of a thread only
                   these texts. */
  OPEN_KMSG,    /* root "/dev", path "kmsg": a sealed copy of what the kernel's
                   log of this host has, the newest of it: lines as /dev/kmsg
                   has them */
  OPEN_HEALTH,  /* root "/dev/block", path "MAJOR:MINOR": a sealed copy of how
                   that block device says that it is, a line each:
                   "dm TYPE STATUS" for each target of device mapper, "nvme"
                   with the SMART log in hex digits, "ata-status" with the
                   sense data of SMART RETURN STATUS, "ata-data" with the
                   sector of SMART READ DATA; "asleep" alone of a disk that
                   would have to be woken for its answer, which is not done.
                   -ENODEV: of a kind that says nothing.  May never come
                   back */
  OPEN_MAILBOX, /* O_RDWR (O_RDONLY where it can only be read) of a regular file
                   or a block device of at most OPEN_MAILBOX_MAX bytes that
                   begins with OPEN_MAILBOX_MAGIC, which is read before: what
                   is no mailbox is never open for writing.  Has roots of its
                   own, in which nothing else is opened.  A guest may be able
                   to write beneath them: no link is followed but those of
                   /dev, and a device counts only in what /dev is (a
                   tmpfs) */
  OPEN_SOCKET,  /* a socket for the network (enum open_socket), non-blocking,
                   of a network namespace, in which it stays whoever has it:
                   root OPEN_NETNS_DIR, path its name there; root "/proc", path
                   "PID/ns/net", that of a process, as OPEN_PROC has it; root
                   "/", path "host", that of whoever opens */
  OPEN_KIND_MAX,
};

#define OPEN_MAILBOX_MAGIC "HANGDOG-MAILBOX 1 "
#define OPEN_MAILBOX_MAX (16u << 20)

#define OPEN_NETNS_DIR "/run/netns"

/* What it can do beyond a socket that anybody may have is what it is for, as
 * far as the kernel lets that be fixed: what it can hear is fixed by a filter
 * that can't be taken off. */
enum open_socket
{
  OPEN_SOCKET_NONE,
  OPEN_SOCKET_TCP,
  OPEN_SOCKET_UDP,
  OPEN_SOCKET_ECHO, /* ICMP: SOCK_DGRAM where the namespace has such for us
                       (the kernel numbers the questions then), else SOCK_RAW
                       that hears echo replies and nothing else */
  OPEN_SOCKET_ARP,  /* AF_PACKET, SOCK_DGRAM, bound to the interface: hears ARP
                       replies alone, by a filter that is locked.  Whoever has
                       it may bind it to another interface of that namespace,
                       and send any frame */
  OPEN_SOCKET_HEADERS, /* AF_PACKET, SOCK_RAW, bound to the interface: hears
                          the first 96 bytes of each frame, by a filter that
                          is locked.  As with ARP whoever has it may bind it to
                          another interface there, and send */
  OPEN_SOCKET_MAX,
};

struct open_req
{
  enum open_kind kind;
  const char *root;     /* absolute folder, must be one the keeper was told */
  const char *path;     /* relative to root, without "." and ".." */
  int32_t check_pid;    /* OPEN_UNIX: the process that listens there must be
                           this one (0 = any): -ESTALE if not.  Mind that
                           libvirt listens itself and hands the socket to
                           QEMU: the pid is libvirt's then.
                           OPEN_TTY: the process that has the other end must
                           live (0 = not known): -ESTALE if not, for the
                           number may be another's terminal by now */
  uint64_t check_start; /* start time that check_pid (if not 0) or PID must
                           have: -ESTALE if not */
  int32_t lock_pid;     /* OPEN_TTY: who reads the terminal (0 = the caller);
                           the keeper puts the daemon's pid here */
  const char *lock_dir; /* OPEN_TTY: NULL = /var/lock; never from a wire */
  enum open_socket socket; /* OPEN_SOCKET, and these: */
  bool six;                /* IPv6 */
  const char *ifname;      /* OPEN_SOCKET_ARP, OPEN_SOCKET_HEADERS */
};

/* The terminal lock.  libvirt and others look for a file
 *
 *     /var/lock/LCK..NAME     holding "%10d\n", a pid
 *
 * (NAME: the device path without "/dev", with "_" for "/": /dev/pts/3 is
 * LCK.._pts_3) and take the terminal for free when that pid is dead.  So the
 * lock is the file, not a descriptor.  ret_lock is the open lock file, with
 * flock() held, by which two of ours that carry the same pid tell each other
 * apart, and by which the file is known to be still ours when it is removed.
 *
 *   - To let go, the process that opened (it has the right to remove the file)
 *     calls open_lock_release().  Through an opener that is ->release().
 *   - Closing ret_lock alone leaves the file: libvirt sees the terminal as held
 *     until the process lock_pid ends; the next opener of ours with the same
 *     lock_pid takes it over.
 *   - After a kill -9 of lock_pid the file is stale: the next taker, libvirt or
 *     we, removes it.  If the keeper dies and lock_pid lives, the lock stands.
 *
 * Where no lock can be made (no such folder, no right to write there: libvirt
 * without root goes on, too) ret_lock is -1.  In every case the terminal itself
 * is flock()ed, and a lock of another that can be seen is obeyed. */

struct opener
{
  /* Blocking, any thread but the loop's; never longer than deadline
   * (clock_ms()) when a keeper answers; a local open is at the mercy of the
   * file system.  *ret_lock may be NULL (not for OPEN_TTY); it is set to -1
   * where there is no lock. */
  int (*open) (struct opener *self, const struct open_req *req,
               uint64_t deadline, int *ret_fd, int *ret_lock,
               struct error *err);
  /* Gives a terminal's lock back and closes lock_fd (-1 is fine).  req as it
   * was opened with.  Close the terminal first. */
  void (*release) (struct opener *self, const struct open_req *req,
                   int lock_fd);
};

/* Opens with the rights of the calling process, beneath any root. */
struct opener *opener_local (void);
int opener_do (const struct open_req *req, int *ret_fd, int *ret_lock,
               struct error *err);
void open_lock_release (const struct open_req *req, int lock_fd);

/* For the keeper, before opener_do(): is the request well-formed, and its root
 * one of the list (NULL terminated, compared as text)?  -EINVAL, -EACCES. */
int open_req_check (const struct open_req *req, const char *const *roots,
                    struct error *err);

/* Start time (field 22 of /proc/PID/stat) or -ESRCH. */
int proc_start_time (int32_t pid, uint64_t *ret, struct error *err);
/* 'R', 'S', 'T', 'Z' (field 3 there); '?': that can't be made out; 0: it can't
 * be read, for it is gone, or nobody lets us. */
char proc_state (int32_t pid);

#endif
