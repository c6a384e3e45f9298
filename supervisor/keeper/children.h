/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper's children: started, watched, restarted, killed.
 *
 * A child is pinged over its channel; one that does not answer for
 * `silent_ms` is killed.  Only time in which the keeper itself ran on
 * schedule counts: a starved host is not a stuck child.  A child that dies is
 * started again at once, then with a growing delay.  One that does not even
 * die, because the kernel holds a thread of it, is left behind.
 */
#ifndef HANGDOG_SUPERVISOR_CHILDREN_H
#define HANGDOG_SUPERVISOR_CHILDREN_H

#include "base/channel.h"

#include <stdbool.h>
#include <sys/types.h>

struct error;
struct loop;
struct child;

#define CHILD_MAX_FDS 8
#define CHILD_PING_MS 250
#define CHILD_SILENT_MS 1250
#define CHILD_DIES_MS 1000 /* after SIGKILL, unless it is stuck */

struct child_spec
{
  const char *name;    /* "daemon" */
  const char *program; /* absolute path */
  uint64_t silent_ms;  /* 0 = not pinged */
  /* Fills argv (NULL terminated) and the descriptors that the child gets as
   * 4, 5, ... (3 is its channel to the keeper).  They are closed in the
   * keeper after the start. */
  int (*prepare) (void *arg, const char **argv, unsigned max_argv, int *fds,
                  unsigned *nfds, struct error *err);
  void (*started) (struct child *c, void *arg);
  void (*on_frame) (struct child *c, struct frame *frame, void *arg);
  void (*died) (struct child *c, const char *how, void *arg);
  void *arg;
  uid_t uid;
  gid_t gid;
  gid_t groups[16];
  unsigned ngroups;
  bool drop; /* take on uid, gid and groups */
};

int child_new (struct loop *loop, const struct child_spec *spec,
               struct child **ret, struct error *err);
int child_start (struct child *c, struct error *err);
/* SIGTERM, then SIGKILL after grace_ms; not started again. */
void child_stop (struct child *c, uint64_t grace_ms);
/* The same, but then started again, as prepare() says by then: no death. */
void child_renew (struct child *c, uint64_t grace_ms);
void child_free (struct child *c);
pid_t child_pid (const struct child *c); /* 0 = not running */
struct channel *child_channel (struct child *c);
/* Deaths in the last ten minutes. */
unsigned child_recent_deaths (const struct child *c);
/* The keeper's SIGCHLD. */
void child_reaped (struct child *c, pid_t pid, int status);

#endif
