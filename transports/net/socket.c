/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets of a network namespace, and numeric addresses.
 */
#include "transports/net/socket.h"

#include "base/error.h"
#include "base/text.h"
#include "guests/guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct net_place
net_place (struct opener *opener, const char *netns, const struct guest *g)
{
  struct net_place at = { .netns = netns, .opener = opener };

  if (netns && g && strcmp (netns, NET_GUEST) == 0)
    {
      at.pid = g->inc.pid;
      at.start = g->inc.start_time;
    }
  return at;
}

bool
net_name_ok (const char *name)
{
  return text_is_name (name);
}

/* False: a process has to be known, and is not. */
static bool
name_place (const struct net_place *at, struct open_req *req, char *path,
            size_t n)
{
  req->root = "/";
  req->path = "host";
  if (!at->netns)
    return true;
  req->path = path;
  if (strcmp (at->netns, NET_GUEST) != 0)
    {
      req->root = OPEN_NETNS_DIR;
      snprintf (path, n, "%s", at->netns);
      return true;
    }
  req->root = "/proc";
  req->check_start = at->start;
  snprintf (path, n, "%d/ns/net", (int) at->pid);
  return at->pid > 0 && at->start > 0;
}

int
net_socket (const struct net_place *at, enum open_socket what, bool six,
            const char *ifname, uint64_t deadline, int *ret_fd,
            struct error *err)
{
  static const struct net_place host;
  struct open_req req = { .kind = OPEN_SOCKET, .socket = what, .six = six,
                          .ifname = ifname };
  bool plain = what == OPEN_SOCKET_TCP || what == OPEN_SOCKET_UDP;
  char path[128];
  int fd, r;

  if (!at)
    at = &host;
  if (!at->netns && plain)
    {
      fd = socket (six ? AF_INET6 : AF_INET,
                   (what == OPEN_SOCKET_TCP ? SOCK_STREAM : SOCK_DGRAM)
                       | SOCK_CLOEXEC | SOCK_NONBLOCK,
                   0);
      if (fd < 0)
        return error_errno (err, errno, "socket");
      *ret_fd = fd;
      return 0;
    }
  if (!name_place (at, &req, path, sizeof path))
    return error_set (err, ENONET,
                      "the process that runs the guest is not known here, "
                      "nor is its network namespace");
  if (!at->opener)
    return error_set (err, ENONET, "nobody opens sockets here");
  r = at->opener->open (at->opener, &req, deadline, ret_fd, NULL, err);
  /* What is wrong is the place, not who is asked there. */
  if (at->netns
      && (r == -ENOENT || r == -ESTALE || r == -ESRCH || r == -EPERM
          || r == -EACCES || r == -EINVAL))
    {
      if (err)
        err->code = ENONET;
      error_wrap (err, "network namespace %s", at->netns);
      return -ENONET;
    }
  return r;
}

/* ---- addresses ---- */

static int
fill (const char *host, bool six, uint16_t port, struct sockaddr_storage *ret,
      socklen_t *ret_len)
{
  struct sockaddr_in *v4 = (struct sockaddr_in *) ret;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) ret;

  memset (ret, 0, sizeof *ret);
  if (six && inet_pton (AF_INET6, host, &v6->sin6_addr) == 1)
    {
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons (port);
      *ret_len = sizeof *v6;
      return 0;
    }
  if (!six && inet_pton (AF_INET, host, &v4->sin_addr) == 1)
    {
      v4->sin_family = AF_INET;
      v4->sin_port = htons (port);
      *ret_len = sizeof *v4;
      return 0;
    }
  return -EINVAL;
}

int
net_address (const char *text, struct sockaddr_storage *ret,
             socklen_t *ret_len, struct error *err)
{
  if (text && fill (text, strchr (text, ':') != NULL, 0, ret, ret_len) == 0)
    return 0;
  return error_set (err, EINVAL, "'%.64s' is no numeric address",
                    text ? text : "");
}

int
net_address_port (const char *text, struct sockaddr_storage *ret,
                  socklen_t *ret_len, struct error *err)
{
  const char *colon = text ? strrchr (text, ':') : NULL;
  bool six = text && text[0] == '[';
  char host[INET6_ADDRSTRLEN];
  unsigned long port;
  size_t len;
  char *end;

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
  if (fill (host, six, (uint16_t) port, ret, ret_len) == 0)
    return 0;
bad:
  return error_set (err, EINVAL,
                    "'%.64s' is no numeric address with a port "
                    "(\"127.0.0.1:22\", \"[::1]:80\")",
                    text ? text : "");
}

void
net_doctor (const struct transport_env *env, const struct guest *g,
            struct doctor_report *r, uint64_t deadline)
{
}
