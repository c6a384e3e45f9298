/* SPDX-License-Identifier: Apache-2.0
 *
 * Connecting by TCP before a deadline; without the check's PCRE2, for
 * programmes that want nothing else.
 */
#include "transports/net/tcp.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* "127.0.0.1:22" or "[::1]:80". */
static int
parse_address (const char *text, struct sockaddr_storage *ret,
               socklen_t *ret_len, struct error *err)
{
  struct sockaddr_in *v4 = (struct sockaddr_in *) ret;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) ret;
  const char *colon = text ? strrchr (text, ':') : NULL;
  bool six = text && text[0] == '[';
  char host[INET6_ADDRSTRLEN];
  size_t len;
  char *end;
  unsigned long port;

  if (!colon || (six && colon[-1] != ']'))
    goto bad;
  port = strtoul (colon + 1, &end, 10);
  if (colon[1] < '0' || colon[1] > '9' || *end || port == 0 || port > 65535)
    goto bad;
  len = (size_t) (colon - text) - (six ? 2 : 0);
  if (len >= sizeof host)
    goto bad;
  memcpy (host, text + (six ? 1 : 0), len);
  host[len] = '\0';
  memset (ret, 0, sizeof *ret);
  if (six && inet_pton (AF_INET6, host, &v6->sin6_addr) == 1)
    {
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons ((uint16_t) port);
      *ret_len = sizeof *v6;
      return 0;
    }
  if (!six && inet_pton (AF_INET, host, &v4->sin_addr) == 1)
    {
      v4->sin_family = AF_INET;
      v4->sin_port = htons ((uint16_t) port);
      *ret_len = sizeof *v4;
      return 0;
    }
bad:
  return error_set (err, EINVAL,
                    "'%.64s' is no numeric address with a port "
                    "(\"127.0.0.1:22\", \"[::1]:80\")",
                    text ? text : "");
}

/* In slices: poll() takes an int, and a deadline may be farther off. */
int
tcp_wait (int fd, short events, uint64_t deadline, const char *stage,
          struct error *err)
{
  for (;;)
    {
      struct pollfd p = { .fd = fd, .events = events };
      uint64_t now = clock_ms ();
      uint64_t left = now < deadline ? deadline - now : 0;
      int r;

      if (left == 0)
        return error_set (err, ETIMEDOUT, "timed out %s", stage);
      r = poll (&p, 1, left > 60000 ? 60000 : (int) left);
      if (r > 0)
        return 0;
      if (r < 0 && errno != EINTR)
        return error_errno (err, errno, "poll while %s", stage);
    }
}

int
tcp_connect (const char *address, uint64_t deadline, int *ret_fd,
             struct error *err)
{
  struct sockaddr_storage addr;
  socklen_t len = 0, size = sizeof (int);
  int fd CLEANUP_CLOSE = -1;
  int r, code = 0;

  r = parse_address (address, &addr, &len, err);
  if (r < 0)
    return r;
  /* Numeric addresses only: a resolver would block for as long as it likes,
   * and the guest may be the resolver. */
  fd = socket (addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return error_errno (err, errno, "socket");
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
