/* SPDX-License-Identifier: Apache-2.0
 *
 * A host and a guest's network, for tests: this process in a network namespace
 * of its own, another one called "blue", and a cable between them.  Nothing of
 * it is seen outside, and it is gone with the process.
 *
 *   here   hd0  192.0.2.1  2001:db8::1
 *   blue   hd1  192.0.2.9  2001:db8::9   52:54:00:00:00:09
 */
#ifndef HANGDOG_TESTS_NETNS_H
#define HANGDOG_TESTS_NETNS_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLUE_MAC "52:54:00:00:00:09"

/* A shell's exit status. */
static inline int
netns_sh (const char *command)
{
  int status;
  pid_t pid = fork ();

  if (pid == 0)
    {
      execl ("/bin/sh", "sh", "-c", command, (char *) NULL);
      _exit (127);
    }
  if (pid < 0 || waitpid (pid, &status, 0) < 0)
    return -1;
  return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

/* This thread: in blue, or back. */
static inline bool
netns_enter (const char *path)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  bool ok = fd >= 0 && setns (fd, CLONE_NEWNET) == 0;

  if (fd >= 0)
    close (fd);
  return ok;
}
#define NETNS_BLUE "/run/netns/blue"
#define NETNS_HERE "/run/netns/here"

static inline bool
netns_name (const char *path)
{
  int fd = open (path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

  if (fd < 0)
    return false;
  close (fd);
  return mount ("/proc/self/ns/net", path, NULL, MS_BIND, NULL) == 0;
}

/* False: not here (77).  Before there are threads. */
static inline bool
netns_make (void)
{
  if (geteuid () != 0 || netns_sh ("ip link >/dev/null 2>&1") != 0)
    return false;
  if (unshare (CLONE_NEWNS | CLONE_NEWNET) < 0
      || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    return false;
  if ((mkdir ("/run/netns", 0755) < 0 && errno != EEXIST)
      || mount ("tmpfs", "/run/netns", "tmpfs", 0, NULL) < 0
      || !netns_name (NETNS_HERE) || unshare (CLONE_NEWNET) < 0
      || !netns_name (NETNS_BLUE) || !netns_enter (NETNS_HERE))
    return false;
  return netns_sh (
             "exec 2>&1; set -e; ip link set lo up; ip -n blue link set lo up;"
             "ip link add hd0 type veth peer name hd1;"
             "ip link set hd1 netns blue;"
             "ip -n blue link set hd1 address " BLUE_MAC ";"
             "ip addr add 192.0.2.1/24 dev hd0;"
             "ip -n blue addr add 192.0.2.9/24 dev hd1;"
             "ip -6 addr add 2001:db8::1/64 dev hd0 nodad || :;"
             "ip -n blue -6 addr add 2001:db8::9/64 dev hd1 nodad || :;"
             "ip link set hd0 up; ip -n blue link set hd1 up")
         == 0;
}

#endif
