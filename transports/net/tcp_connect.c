/* SPDX-License-Identifier: Apache-2.0
 *
 * Connecting by TCP before a deadline; without the check's PCRE2, for
 * programmes that want nothing else.
 */
#include "transports/net/socket.h"
#include "transports/net/tcp.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

int
tcp_wait (int fd, short events, uint64_t deadline, const char *stage,
          struct error *err)
{
  int r = io_wait (fd, events, deadline);

  if (r == -ETIMEDOUT)
    return error_set (err, ETIMEDOUT, "timed out %s", stage);
  return r < 0 ? error_errno (err, -r, "poll while %s", stage) : 0;
}

int
tcp_connect (const struct net_place *at, const char *address,
             uint64_t deadline, int *ret_fd, struct error *err)
{
  struct sockaddr_storage addr;
  socklen_t len = 0, size = sizeof (int);
  int fd CLEANUP_CLOSE = -1;
  int r, code = 0;

  /* Numeric addresses only: a resolver would block for as long as it likes,
   * and the guest may be the resolver. */
  r = net_address_port (address, &addr, &len, err);
  if (r == 0)
    r = net_socket (at, OPEN_SOCKET_TCP, addr.ss_family == AF_INET6, NULL,
                    deadline, &fd, err);
  if (r < 0)
    return r;
  if (connect (fd, (struct sockaddr *) &addr, len) < 0)
    {
      if (errno != EINPROGRESS && errno != EINTR)
        return error_errno (err, errno, "connecting to %s", address);
      r = tcp_wait (fd, POLLOUT, deadline, "while connecting", err);
      if (r < 0)
        {
          error_wrap (err, "%s", address);
          return r;
        }
      /* Writable means decided, not connected. */
      if (getsockopt (fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
        code = errno;
      if (code)
        return error_errno (err, code, "connecting to %s", address);
    }
  *ret_fd = steal_fd (&fd);
  return 0;
}
