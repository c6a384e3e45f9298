/* SPDX-License-Identifier: Apache-2.0
 *
 * A file that says it is a guest's core, and the texts that come with guests:
 * registers and VMCOREINFO.
 */
#include "base/error.h"
#include "kernel/memory/mem.h"
#include "kernel/memory/regs.h"
#include "kernel/memory/vmcoreinfo.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_CPUS 8

static void
check_regs (const struct vcpu_regs *r, int n)
{
  MUST (n <= MAX_CPUS);
  for (int i = 0; i < n; i++)
    MUST (r[i].arch != ARCH_NONE && r[i].cpl <= 3);
}

static void
check_info (const struct vmcoreinfo *v)
{
  uint64_t at;
  uint32_t n;
  int64_t i;

  MUST (strlen (vmcoreinfo_release (v)) <= 64);
  (void) vmcoreinfo_symbol (v, "_stext", &at);
  (void) vmcoreinfo_offset (v, "list_head.next", &n);
  (void) vmcoreinfo_size (v, "list_head", &n);
  (void) vmcoreinfo_number (v, "phys_base", &i);
  (void) vmcoreinfo_value (v, "KERNELOFFSET", &at);
}

static bool
take_info (const struct vmcoreinfo *v, uint64_t gpa, void *arg)
{
  MUST (mem_has (arg, gpa, 10));
  check_info (v);
  return false;
}

static void
texts (const uint8_t *data, size_t size)
{
  struct vcpu_regs r[MAX_CPUS];
  struct vmcoreinfo *v;
  char *exact = malloc (size > 0 ? size : 1);
  int n;

  MUST (exact);
  memcpy (exact, data, size);
  n = regs_parse (exact, size, r, MAX_CPUS, NULL);
  MUST (n > 0 || n == -EBADMSG);
  check_regs (r, n);
  if (vmcoreinfo_parse (exact, size, &v, NULL) == 0)
    {
      check_info (v);
      vmcoreinfo_free (v);
    }
  free (exact);
}

static void
read_all (struct mem *m)
{
  static unsigned char some[5000];
  uint64_t at = 0, len, total = 0;
  struct mem_note note;
  struct vcpu_regs r[MAX_CPUS];
  volatile unsigned sum = 0;

  check_regs (r, regs_of_core (m, r, MAX_CPUS));
  for (unsigned i = 0; mem_note (m, i, &note); i++)
    {
      MUST (memchr (note.name, '\0', sizeof note.name));
      for (size_t j = 0; j < note.len; j++)
        sum = sum + ((const unsigned char *) note.desc)[j];
    }
  for (unsigned i = 0; i < 1000 && (at = mem_next (m, at, &len)) != MEM_NONE;
       i++)
    {
      MUST (len > 0 && mem_has (m, at, len));
      total += len;
      (void) mem_read (m, at, some, 8, NULL);
      (void) mem_read (m, at + len / 2, some, sizeof some, NULL);
      (void) mem_read (m, at + len - 1, some, 2, NULL);
      at += len;
    }
  MUST (total <= mem_size (m));
  vmcoreinfo_scan (m, take_info, m);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  /* Sizes of a header may be terabytes: a scan of that ends by this. */
  const struct mem_limits limits = { .bytes = 1 << 20 };
  static int fd = -1;
  struct mem *m;
  int e;

  if (size > 1 << 16)
    return 0;
  if (fd < 0)
    fd = memfd_create ("fuzz", MFD_CLOEXEC);
  MUST (fd >= 0 && ftruncate (fd, 0) == 0);
  MUST (pwrite (fd, data, size, 0) == (ssize_t) size);
  texts (data, size);
  e = mem_open_core (fd, &limits, &m, NULL);
  MUST (e == 0 || e == -EBADMSG);
  if (e == 0)
    {
      read_all (m);
      mem_free (m);
    }
  return 0;
}
