/* SPDX-License-Identifier: Apache-2.0
 *
 * The service manager's notify socket.
 */
#include "supervisor/keeper/notify.h"

#include "base/cleanup.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

void
notify (const char *state)
{
  const char *path = getenv ("NOTIFY_SOCKET");
  struct sockaddr_un un = { .sun_family = AF_UNIX };
  CLEANUP_CLOSE int fd = -1;
  size_t len;

  if (!path || (path[0] != '/' && path[0] != '@'))
    return;
  len = strlen (path);
  if (len >= sizeof (un.sun_path))
    return;
  memcpy (un.sun_path, path, len);
  if (path[0] == '@')
    un.sun_path[0] = '\0';
  fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd >= 0)
    (void) !sendto (fd, state, strlen (state), MSG_NOSIGNAL,
                    (struct sockaddr *) &un,
                    (socklen_t) (offsetof (struct sockaddr_un, sun_path)
                                 + len));
}
