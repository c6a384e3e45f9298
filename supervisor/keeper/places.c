/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper's folders, locks and socket.
 */
#include "supervisor/keeper/places.h"

#include "supervisor/conf/settings.h"

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE_PATH 4096 /* bytes */

int
place_folder (const char *path, mode_t mode, uid_t uid, gid_t gid, bool own,
              struct error *err)
{
  int r = mkdir (path, mode);

  /* Our umask is for files, and would shut out the group that may use the
   * control socket. */
  if (r == 0)
    r = chmod (path, mode);
  else if (errno == EEXIST)
    r = 0;
  if (r < 0)
    return error_errno (err, errno, "cannot make %s", path);
  if (own && lchown (path, uid, gid) < 0)
    return error_errno (err, errno, "cannot hand %s over", path);
  return 0;
}

/* ---- locks ---- */

int
place_lock_run (const char *run_path, int *ret_lock, struct error *err)
{
  CLEANUP_CLOSE int fd = -1;
  char path[PLACE_PATH], pid[32];
  ssize_t n;

  snprintf (path, sizeof (path), "%s/keeper.lock", run_path);
  fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0)
    return error_errno (err, errno, "%s", path);
  if (flock (fd, LOCK_EX | LOCK_NB) < 0)
    {
      n = read (fd, pid, sizeof (pid) - 1);
      pid[n > 0 ? n : 0] = '\0';
      pid[strcspn (pid, "\n")] = '\0';
      return error_set (err, EBUSY,
                        "hangdog already runs here (pid %.20s); another one "
                        "needs a --run and --state of its own",
                        pid[0] ? pid : "unknown");
    }
  snprintf (pid, sizeof (pid), "%d\n", (int) getpid ());
  if (ftruncate (fd, 0) < 0
      || write (fd, pid, strlen (pid)) != (ssize_t) strlen (pid))
    return error_errno (err, errno, "%s", path);
  *ret_lock = steal_fd (&fd);
  return 0;
}

/* Two writers in one spool would each take the other's work for their own. */
int
place_lock_state (const char *state_path, int *ret_lock, struct error *err)
{
  CLEANUP_CLOSE int fd = open (state_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    return error_errno (err, errno, "%s", state_path);
  /* A file system without locks is no reason not to start. */
  if (flock (fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
    return error_set (err, EBUSY,
                      "another hangdog keeps its spool and logs in %s: this "
                      "one needs a --state of its own",
                      state_path);
  *ret_lock = steal_fd (&fd);
  return 0;
}

/* ---- the control socket ---- */

static void
control_path (const char *run_path, char *dst)
{
  snprintf (dst, PLACE_PATH, "%s/" CONTROL_SOCKET, run_path);
}

static int
give_group (const char *path, const char *group, struct error *err)
{
  const struct group *gr = getgrnam (group);

  if (!gr)
    return error_set (err, EINVAL, "group \"%s\" does not exist", group);
  if (lchown (path, (uid_t) -1, gr->gr_gid) < 0)
    return error_errno (err, errno, "%s", path);
  return 0;
}

int
place_control (const char *run_path, const char *group, int *ret_fd,
               struct error *err)
{
  CLEANUP_CLOSE int fd = -1;
  char path[PLACE_PATH];
  struct stat st;
  int r;

  control_path (run_path, path);
  /* Whoever still listens there is left from a keeper before us, since we
   * have the lock: a daemon that is dying, or that the kernel keeps. */
  if (lstat (path, &st) == 0 && S_ISSOCK (st.st_mode))
    unlink (path);
  r = socket_listen (path, 0660, &fd, err);
  if (r < 0)
    return r;
  if (group[0])
    r = give_group (path, group, err);
  if (r < 0)
    {
      unlink (path);
      return r;
    }
  *ret_fd = steal_fd (&fd);
  return 0;
}

int
place_control_give (const char *run_path, uid_t uid, struct error *err)
{
  char path[PLACE_PATH];

  control_path (run_path, path);
  if (lchown (path, uid, (gid_t) -1) < 0)
    return error_errno (err, errno, "%s", path);
  return 0;
}

void
place_control_remove (const char *run_path)
{
  char path[PLACE_PATH];

  control_path (run_path, path);
  unlink (path);
}
