/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose a control group is, by the names that those who make them give them:
 * systemd's units, sessions and machines, and what runs containers.
 */
#ifndef HANGDOG_KERNEL_MEMORY_CGROUP_H
#define HANGDOG_KERNEL_MEMORY_CGROUP_H

#include <stdbool.h>

#define CGROUP_NAME 256

/* "" = not that, or not known. */
struct cgroup_owner
{
  char unit[CGROUP_NAME];      /* "ssh.service"; in a container: of its own */
  char container[CGROUP_NAME]; /* its id or name */
  const char *runtime;         /* "docker"; NULL = not known */
  char pod[CGROUP_NAME];       /* the uid of its pod */
  char machine[CGROUP_NAME];   /* a guest or nspawn container of machined */
  char session[CGROUP_NAME];
  char user[CGROUP_NAME]; /* number of whose session or service it is */
};

/* By the path from the root; false: nothing is known of it. */
bool cgroup_owner_of (const char *path, struct cgroup_owner *ret);

#endif
