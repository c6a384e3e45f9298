/* SPDX-License-Identifier: Apache-2.0
 *
 * Hypervisors whose guests hangdog does not know: said, not passed over.
 */
#include "supervisor/cli/cli.h"

#include "base/buf.h"
#include "base/json.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DOMAIN_STATUS "/run/domainmgr/DomainStatus"
#define MAX_STATUS (256u << 10)
#define MAX_DOMAINS 1024

/* VirtualizationMode of EVE's DomainStatus: a container without a VM around
 * it. */
#define EVE_NOHYPER 4

static bool
is_there (const char *path)
{
  return access (path, F_OK) == 0;
}

static bool
is_nohyper (int dir, const char *name)
{
  /* EVE's own status files: written by root, yet bounded and parsed as any
   * other text that was not written here. */
  int fd = openat (dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  char *text = fd < 0 ? NULL : malloc (MAX_STATUS);
  ssize_t n = text ? read (fd, text, MAX_STATUS - 1) : -1;
  struct json_doc *doc = NULL;
  bool yes = false;

  if (n > 0
      && json_parse (text, (size_t) n, JSON_WIRE, name, MAX_STATUS, &doc, NULL)
             == 0)
    yes = json_get_int (json_root (doc), "VirtualizationMode", 0)
          == EVE_NOHYPER;
  json_doc_free (doc);
  free (text);
  if (fd >= 0)
    close (fd);
  return yes;
}

static unsigned
count_nohyper (void)
{
  DIR *dir = opendir (DOMAIN_STATUS);
  struct dirent *e;
  unsigned n = 0, seen = 0;

  while (dir && (e = readdir (dir)) && seen++ < MAX_DOMAINS)
    {
      const char *dot = strrchr (e->d_name, '.');

      if (dot && strcmp (dot, ".json") == 0)
        n += is_nohyper (dirfd (dir), e->d_name);
    }
  if (dir)
    closedir (dir);
  return n;
}

void
unsupported_each (void (*fn) (const char *what, const char *why, void *arg),
                  void *arg)
{
  char text[160];
  unsigned n = count_nohyper ();

  if (is_there ("/proc/xen/capabilities") || is_there ("/dev/xen/xenbus"))
    fn ("Xen",
        "guests of Xen are not supported: they have no QEMU monitor and no "
        "console socket",
        arg);
  if (is_there ("/run/hypervisor/kubevirt")
      || is_there ("/var/run/kubevirt-private"))
    fn ("KubeVirt",
        "guests of KubeVirt are not supported from the host: they live in "
        "virt-launcher pods (there: source libvirt, uri qemu:///session)",
        arg);
  if (n)
    {
      snprintf (text, sizeof (text),
                "%u application%s of EVE run%s as a container without a VM, "
                "which is not supported",
                n, n == 1 ? "" : "s", n == 1 ? "s" : "");
      fn ("NOHYPER", text, arg);
    }
}

static void
one_line (const char *what, const char *why, void *arg)
{
  char label[64];

  snprintf (label, sizeof (label), "hangdog: %s: ", what);
  print_paragraph (stderr, label, why);
}

void
unsupported_lines (void)
{
  unsupported_each (one_line, NULL);
}
