/* SPDX-License-Identifier: Apache-2.0
 *
 * The opener, for sockets of a network namespace.
 *
 * A namespace is of a thread: the one that opens goes there, makes the socket
 * and comes back.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <net/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/icmp6.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/opener.h"
#include "base/opener_impl.h"

#define FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)

static bool
is_host (const struct open_req *req)
{
  return strcmp (req->root, "/") == 0 && strcmp (req->path, "host") == 0;
}

static bool
ifname_ok (const char *name)
{
  size_t n = name ? strlen (name) : 0;

  return n > 0 && n < IFNAMSIZ && !strpbrk (name, "/ :")
         && strcmp (name, ".") != 0 && strcmp (name, "..") != 0;
}

int
check_socket_ (const struct open_req *req, struct error *err)
{
  bool arp = req->socket == OPEN_SOCKET_ARP
             || req->socket == OPEN_SOCKET_HEADERS;
  bool named = strcmp (req->root, OPEN_NETNS_DIR) == 0
               && !strchr (req->path, '/');

  if (req->socket <= OPEN_SOCKET_NONE || req->socket >= OPEN_SOCKET_MAX
      || arp != (req->ifname != NULL) || (arp && !ifname_ok (req->ifname))
      || (arp && req->six))
    return error_set (err, EINVAL, "not a socket that is made for anybody");
  /* Which of a process's files is open_proc_()'s to say. */
  if (!named && !is_host (req)
      && (strcmp (req->root, "/proc") != 0
          || !strstr (req->path, "/ns/net")))
    return error_set (err, EACCES, "%s/%s is no network namespace", req->root,
                      req->path);
  return 0;
}

/* ---- namespaces ---- */

static int
open_named (const struct open_req *req, int *ret_fd, struct error *err)
{
  CLEANUP_CLOSE int path = open_beneath_ (req, O_PATH | O_NOFOLLOW, err);
  struct statfs fs;
  int fd;

  if (path < 0)
    return path;
  if (fstatfs (path, &fs) < 0 || fs.f_type != NSFS_MAGIC)
    return error_set (err, EINVAL, "%s/%s is no namespace", req->root,
                      req->path);
  fd = open (fd_path_ (path).text, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return error_errno (err, errno, "opening %s/%s", req->root, req->path);
  *ret_fd = fd;
  return 0;
}

static int
open_namespace (const struct open_req *req, int *ret_fd, struct error *err)
{
  struct open_req proc = *req;

  if (strcmp (req->root, "/proc") != 0)
    return open_named (req, ret_fd, err);
  proc.kind = OPEN_PROC;
  return open_proc_ (&proc, ret_fd, err);
}

/* ---- sockets ---- */

static int
set_filter (int fd, const struct sock_filter *code, unsigned short n,
            struct error *err)
{
  struct sock_fprog prog
      = { .len = n, .filter = (struct sock_filter *) (uintptr_t) code };
  int on = 1;

  if (setsockopt (fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog) < 0
      || setsockopt (fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on) < 0)
    return error_errno (err, errno, "fixing what a socket hears");
  return 0;
}

#define ALL 0xffffffffu

static int
make_echo (bool six, int *ret_fd, struct error *err)
{
  /* From the IP header on. */
  static const struct sock_filter four[] = {
    BPF_STMT (BPF_LDX | BPF_B | BPF_MSH, 0),
    BPF_STMT (BPF_LD | BPF_B | BPF_IND, 0),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, ICMP_ECHOREPLY, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, ALL),
    BPF_STMT (BPF_RET | BPF_K, 0),
  };
  /* Behind it. */
  static const struct sock_filter sixth[] = {
    BPF_STMT (BPF_LD | BPF_B | BPF_ABS, 0),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, ICMP6_ECHO_REPLY, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, ALL),
    BPF_STMT (BPF_RET | BPF_K, 0),
  };
  int family = six ? AF_INET6 : AF_INET;
  int proto = six ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  CLEANUP_CLOSE int fd = socket (family, SOCK_DGRAM | FLAGS, proto);
  int r = 0;

  /* Not for our group in this namespace (net.ipv4.ping_group_range). */
  if (fd < 0 && errno == EACCES)
    {
      fd = socket (family, SOCK_RAW | FLAGS, proto);
      if (fd >= 0)
        r = six ? set_filter (fd, sixth, ARRAY_LEN (sixth), err)
                : set_filter (fd, four, ARRAY_LEN (four), err);
    }
  if (fd < 0)
    return error_errno (err, errno, "making a socket for ICMP");
  if (r < 0)
    return r;
  *ret_fd = steal_fd (&fd);
  return 0;
}

/* A tap that is a bridge's port gives what arrives to the bridge before it is
 * sorted by protocol: only who hears all protocols hears it. */
static int
listen_on (int fd, const char *ifname, const struct sock_filter *code,
           unsigned short n, struct error *err)
{
  struct sockaddr_ll at = { .sll_family = AF_PACKET,
                            .sll_protocol = htons (ETH_P_ALL) };
  int r;

  at.sll_ifindex = (int) if_nametoindex (ifname);
  if (!at.sll_ifindex)
    return error_errno (err, errno, "the interface %s", ifname);
  r = set_filter (fd, code, n, err);
  if (r < 0)
    return r;
  if (bind (fd, (struct sockaddr *) &at, sizeof at) < 0)
    return error_errno (err, errno, "listening on %s", ifname);
  return 0;
}

static int
make_headers (const char *ifname, int *ret_fd, struct error *err)
{
  static const struct sock_filter some[] = { BPF_STMT (BPF_RET | BPF_K, 96) };
  /* Protocol 0: hears nothing at all until it is bound. */
  CLEANUP_CLOSE int fd = socket (AF_PACKET, SOCK_RAW | FLAGS, 0);
  int r;

  if (fd < 0)
    return error_errno (err, errno, "making a socket for frames");
  r = listen_on (fd, ifname, some, ARRAY_LEN (some), err);
  if (r < 0)
    return r;
  *ret_fd = steal_fd (&fd);
  return 0;
}

static int
make_arp (const char *ifname, int *ret_fd, struct error *err)
{
  static const struct sock_filter replies[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, (__u32) (SKF_AD_OFF + SKF_AD_PROTOCOL)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 0, 5),
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, (__u32) (SKF_AD_OFF + SKF_AD_PKTTYPE)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 3, 0),
    BPF_STMT (BPF_LD | BPF_H | BPF_ABS, 6),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, ARPOP_REPLY, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, 64),
    BPF_STMT (BPF_RET | BPF_K, 0),
  };
  CLEANUP_CLOSE int fd = socket (AF_PACKET, SOCK_DGRAM | FLAGS, 0);
  int r;

  if (fd < 0)
    return error_errno (err, errno, "making a socket for ARP");
  r = listen_on (fd, ifname, replies, ARRAY_LEN (replies), err);
  if (r < 0)
    return r;
  *ret_fd = steal_fd (&fd);
  return 0;
}

static int
make (const struct open_req *req, int *ret_fd, struct error *err)
{
  int fd;

  if (req->socket == OPEN_SOCKET_ECHO)
    return make_echo (req->six, ret_fd, err);
  if (req->socket == OPEN_SOCKET_HEADERS)
    return make_headers (req->ifname, ret_fd, err);
  if (req->socket == OPEN_SOCKET_ARP)
    return make_arp (req->ifname, ret_fd, err);
  fd = socket (req->six ? AF_INET6 : AF_INET,
               (req->socket == OPEN_SOCKET_TCP ? SOCK_STREAM : SOCK_DGRAM)
                   | FLAGS,
               0);
  if (fd < 0)
    return error_errno (err, errno, "making a socket");
  *ret_fd = fd;
  return 0;
}

int
open_socket_ (const struct open_req *req, int *ret_fd, struct error *err)
{
  CLEANUP_CLOSE int home = -1, there = -1;
  int r, fd = -1;

  if (is_host (req))
    return make (req, ret_fd, err);
  r = open_namespace (req, &there, err);
  if (r < 0)
    return r;
  home = open ("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (home < 0)
    return error_errno (err, errno, "opening the own namespace");
  if (setns (there, CLONE_NEWNET) < 0)
    return error_errno (err, errno, "going to the namespace %s/%s", req->root,
                        req->path);
  r = make (req, &fd, err);
  if (setns (home, CLONE_NEWNET) < 0)
    {
      if (fd >= 0)
        close (fd);
      return error_set (err, ENOTRECOVERABLE,
                        "there is no way back from the namespace %s/%s: %s",
                        req->root, req->path, strerror (errno));
    }
  if (r < 0)
    return r;
  *ret_fd = fd;
  return 0;
}
