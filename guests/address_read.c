/* SPDX-License-Identifier: Apache-2.0
 *
 * Lease files and ARP tables: texts by lines and words.
 */
#include "guests/address_read.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/opener.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FILE (1u << 20)
#define MAX_FILES 64u
#define MAX_WORDS 8u
#define WORD 64u

static int
by_text (const void *a, const void *b)
{
  return strcmp (a, b);
}

static bool
is_among (const char *text, const void *list, size_t n, size_t size)
{
  return n > 0 && bsearch (text, list, n, size, by_text) != NULL;
}

static void
found (const struct address_reading *r, enum address_from from,
       const char *mac, const char *ip, uint64_t age_ms, uint64_t until_s)
{
  struct address_claim c = { .from = from, .until_s = until_s };

  if (!address_clean_mac (c.mac, mac) || !address_clean (c.ip, ip)
      || !(is_among (c.mac, r->macs, r->nmacs, sizeof r->macs[0])
           || is_among (c.ip, r->ips, r->nips, sizeof r->ips[0])))
    return;
  c.seen_ms = age_ms < r->now_ms ? r->now_ms - age_ms : 0;
  address_claim_add (r->out, &c);
}

void
address_found (const struct address_reading *r, enum address_from from,
               const char *mac, const char *ip, uint64_t age_ms)
{
  found (r, from, mac, ip, age_ms, 0);
}

void
address_found_lease (const struct address_reading *r, const char *mac,
                     const char *ip, int64_t end_s)
{
  if (end_s == 0 || (end_s > 0 && (uint64_t) end_s > r->wall_ms / 1000))
    found (r, ADDRESS_LEASE, mac, ip, 0,
           end_s ? (uint64_t) end_s : ADDRESS_FOR_EVER);
}

/* ---- texts ---- */

/* The first words of a line, each as far as its bound, which is beyond any
 * address.  Returns how many there are. */
static unsigned
split (const char *line, size_t len, char words[MAX_WORDS][WORD])
{
  unsigned n = 0;

  for (size_t i = 0; i < len && n < MAX_WORDS;)
    {
      size_t from, size;

      while (i < len && (line[i] == ' ' || line[i] == '\t'))
        i++;
      for (from = i; i < len && line[i] != ' ' && line[i] != '\t';)
        i++;
      size = i - from < WORD - 1 ? i - from : WORD - 1;
      if (size == 0)
        break;
      memcpy (words[n], line + from, size);
      words[n++][size] = '\0';
    }
  return n;
}

static void
each_line (const struct address_reading *r, const char *text, size_t len,
           void (*fn) (const struct address_reading *r,
                       char words[MAX_WORDS][WORD], unsigned n))
{
  char words[MAX_WORDS][WORD];
  const char *end;

  /* A line without its end is one that is being written, or was cut: half an
   * address may be somebody else's whole one. */
  while (len > 0 && (end = memchr (text, '\n', len)) != NULL)
    {
      size_t n = (size_t) (end - text);

      fn (r, words, split (text, n, words));
      text += n + 1;
      len -= n + 1;
    }
}

/* When it ends; < 0: that is no time. */
static int64_t
end_of (const char *seconds)
{
  size_t n = strspn (seconds, "0123456789");

  return n == 0 || n > 12 || seconds[n] ? -1 : strtoll (seconds, NULL, 10);
}

static void
lease_line (const struct address_reading *r, char words[MAX_WORDS][WORD],
            unsigned n)
{
  if (n >= 3)
    address_found_lease (r, words[1], words[2], end_of (words[0]));
}

void
address_read_leases (const struct address_reading *r, const char *text,
                     size_t len)
{
  each_line (r, text, len, lease_line);
}

/* IP address, type, flags, mac, mask, device; 2 of the flags: it answered. */
static void
arp_line (const struct address_reading *r, char words[MAX_WORDS][WORD],
          unsigned n)
{
  if (n >= 6 && strncmp (words[2], "0x", 2) == 0
      && strtoul (words[2], NULL, 16) & 2)
    address_found (r, ADDRESS_NEIGHBOUR, words[3], words[0], 0);
}

void
address_read_arp (const struct address_reading *r, const char *text, size_t len)
{
  each_line (r, text, len, arp_line);
}

void
address_read_status (const struct address_reading *r, const char *text,
                     size_t len)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct json_object *list;

  if (json_parse (text, len, JSON_WIRE, "leases", MAX_FILE, &doc, NULL) < 0)
    return;
  list = json_root (doc);
  if (!json_object_is_type (list, json_type_array))
    return;
  for (size_t i = 0; i < json_object_array_length (list); i++)
    {
      struct json_object *o = json_object_array_get_idx (list, i);

      address_found_lease (r, json_get_str (o, "mac-address"),
                           json_get_str (o, "ip-address"),
                           json_get_int (o, "expiry-time", 0));
    }
}

/* ---- files ---- */

/* The caller frees it.  A file is read as far as the bound. */
static int
read_fd (int fd, char **ret, size_t *ret_len)
{
  char *text = malloc (MAX_FILE);
  size_t len = 0;
  int r = text ? io_read (fd, text, MAX_FILE, &len) : -ENOMEM;

  if (r < 0)
    {
      free (text);
      return r;
    }
  *ret = text;
  *ret_len = len;
  return 0;
}

static bool
ends_in (const char *name, const char *end)
{
  size_t n = strlen (name), m = strlen (end);

  return n > m && strcmp (name + n - m, end) == 0;
}

static int
read_file (const struct address_reading *r, struct opener *opener,
           const char *root, const char *name, uint64_t deadline,
           struct error *err)
{
  const struct open_req req = { .kind = OPEN_FILE, .root = root, .path = name };
  CLEANUP_FREE char *text = NULL;
  CLEANUP_CLOSE int fd = -1;
  struct stat sb;
  size_t len = 0;
  int rc = opener->open (opener, &req, deadline, &fd, NULL, err);

  if (rc < 0)
    return rc;
  if (fstat (fd, &sb) < 0 || !S_ISREG (sb.st_mode))
    return error_set (err, EINVAL, "%s/%s is no file", root, name);
  rc = read_fd (fd, &text, &len);
  if (rc < 0)
    return error_errno (err, -rc, "%s/%s", root, name);
  if (ends_in (name, ".status"))
    address_read_status (r, text, len);
  else
    address_read_leases (r, text, len);
  return 0;
}

static int
read_folder (const struct address_reading *r, struct opener *opener,
             const struct open_req *of, int fd, uint64_t deadline,
             struct error *err)
{
  CLEANUP_CLOSEDIR DIR *dir = NULL;
  bool itself = strcmp (of->path, ".") == 0;
  /* EVE's: one by the name of each bridge. */
  bool all = ends_in (itself ? of->root : of->path, ".leases");
  char name[PATH_MAX];
  struct dirent *e;
  unsigned n = 0;
  int rc = 0, one;

  dir = io_opendir (fd);
  if (!dir)
    return error_errno (err, errno, "%s", of->root);
  while (n < MAX_FILES && (e = readdir (dir)))
    if (e->d_name[0] != '.'
        && (all || ends_in (e->d_name, ".leases")
            || ends_in (e->d_name, ".status")))
      {
        n++;
        snprintf (name, sizeof name, "%s%s%s", itself ? "" : of->path,
                  itself ? "" : "/", e->d_name);
        one = read_file (r, opener, of->root, name, deadline, err);
        if (one < 0 && one != -ENOENT)
          rc = one;
      }
  return rc;
}

/* The root that is opened in, and what is beneath it. */
static const char *
split_root (const char *path, char *root, size_t n)
{
  const char *mark = strstr (path, "/./");

  snprintf (root, n, "%.*s", mark ? (int) (mark - path) : (int) strlen (path),
            path);
  return mark ? mark + 3 : ".";
}

int
address_read_path (const struct address_reading *r, struct opener *opener,
                   const char *path, uint64_t deadline, struct error *err)
{
  char root[PATH_MAX];
  const char *below = split_root (path, root, sizeof root);
  const struct open_req req = { .kind = OPEN_DIR, .root = root, .path = below };
  CLEANUP_CLOSE int fd = -1;
  char *slash = strrchr (root, '/');
  int rc = opener->open (opener, &req, deadline, &fd, NULL, err);

  if (rc == 0)
    return read_folder (r, opener, &req, fd, deadline, err);
  if (rc == -ENOTDIR && below[0] != '.')
    rc = read_file (r, opener, root, below, deadline, err);
  else if (rc == -ENOTDIR && slash)
    {
      const char *name = path + (slash - root) + 1;

      slash[slash == root] = '\0';
      rc = read_file (r, opener, root, name, deadline, err);
    }
  return rc == -ENOENT ? 0 : rc;
}

int
address_read_process (const struct address_reading *r, int32_t pid,
                      uint64_t start_time, struct error *err)
{
  CLEANUP_FREE char *text = NULL;
  CLEANUP_CLOSE int fd = -1;
  char path[64];
  uint64_t start = 0;
  size_t len = 0;
  int rc;

  snprintf (path, sizeof path, "/proc/%d/net/arp", (int) pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return error_errno (err, errno, "%s", path);
  rc = read_fd (fd, &text, &len);
  if (rc < 0)
    return error_errno (err, -rc, "%s", path);
  /* Behind the reading: whose it was is only then sure. */
  rc = proc_start_time (pid, &start, err);
  if (rc < 0)
    return rc;
  if (start != start_time)
    return error_set (err, ESRCH, "%s is another process's by now", path);
  address_read_arp (r, text, len);
  return 0;
}

/* ---- the host ---- */

size_t
address_read_own (char (*ret)[ADDRESS_TEXT], size_t max)
{
  struct ifaddrs *all = NULL;
  size_t n = 0;

  if (getifaddrs (&all) < 0)
    return 0;
  for (const struct ifaddrs *i = all; i && n < max; i = i->ifa_next)
    {
      char text[INET6_ADDRSTRLEN];
      int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
      const void *bin
          = family == AF_INET
                ? (const void *) &((const struct sockaddr_in *) i->ifa_addr)
                      ->sin_addr
                : (const void *) &((const struct sockaddr_in6 *) i->ifa_addr)
                      ->sin6_addr;

      if ((family == AF_INET || family == AF_INET6)
          && inet_ntop (family, bin, text, sizeof text)
          && address_clean (ret[n], text))
        n++;
    }
  freeifaddrs (all);
  return n;
}
