/* SPDX-License-Identifier: Apache-2.0
 *
 * hang-shim.so: for LD_PRELOAD.  A disk that hangs: while the file $HD_HANG
 * exists, fsync() and fdatasync() do not come back.
 */
#include <dlfcn.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPORT __attribute__ ((visibility ("default")))

static void
hang (void)
{
  const char *path = getenv ("HD_HANG");

  while (path && access (path, F_OK) == 0)
    poll (NULL, 0, 5);
}

EXPORT int
fsync (int fd)
{
  hang ();
  return ((__typeof__ (&fsync)) dlsym (RTLD_NEXT, "fsync")) (fd);
}

EXPORT int
fdatasync (int fd)
{
  hang ();
  return ((__typeof__ (&fdatasync)) dlsym (RTLD_NEXT, "fdatasync")) (fd);
}
