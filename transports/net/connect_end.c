/* SPDX-License-Identifier: Apache-2.0
 *
 * What an error of connecting means: the one table for all that connect.
 */
#include "transports/net/tcp.h"

#include "base/cleanup.h"

#include <errno.h>

enum ask_end
tcp_connect_end (int rc)
{
  static const struct
  {
    int rc;
    enum ask_end end;
  } known[] = {
    { -ECONNREFUSED, ASK_REFUSED },
    { -ECONNRESET, ASK_DISCONNECTED },
    { -EPIPE, ASK_DISCONNECTED },
    { -EHOSTUNREACH, ASK_UNREACHABLE },
    { -EHOSTDOWN, ASK_UNREACHABLE },
    { -ETIMEDOUT, ASK_TIMEOUT },
    /* The host's own: no route, no interface. */
    { -ENETUNREACH, ASK_NO_ROUTE },
    { -ENETDOWN, ASK_NO_ROUTE },
    { -ENODEV, ASK_NO_ROUTE },
    { -ENXIO, ASK_NO_ROUTE },
    { -ENONET, ASK_NO_NETNS },
  };

  for (unsigned i = 0; i < ARRAY_LEN (known); i++)
    if (known[i].rc == rc)
      return known[i].end;
  return ASK_MAX;
}
