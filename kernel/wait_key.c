/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stack is known by when the same trouble comes again.
 */
#include "kernel/wait.h"

#include "kernel/text/frames.h"

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* How one gets into the kernel, or is looked at there; and what a loop calls
 * now and then: who spins stands in it by chance.  A "*" stands for any end. */
static const char *const says_little[] = {
  "entry_SYSCALL*", "do_syscall_*",  "x64_sys_call",  "do_fast_syscall*",
  "__do_fast_sys*", "asm_*",         "el0*",          "el1*",
  "do_el0*",        "invoke_sysc*",  "common_interr*", "sysvec_*",
  "__sysvec_*",     "exc_*",         "dump_stack*",   "show_stack*",
  "__dump_stack*",  "ktime_get*",    "read_tsc*",     "rdtsc*",
  "sched_clock*",   "native_sched*", "cond_resched*", "_cond_resched*",
  "__cond_resched*", "cpu_relax*",   "srso_*",        "__x86_return*",
  "__x86_indir*",   "kthread",      "ret_from_*",     "kernel_thread*",
};

static bool
says_something (const char *name)
{
  const char *one[] = { name };
  struct wait wait;

  for (size_t i = 0; i < ARRAY_LEN (says_little); i++)
    {
      size_t n = strcspn (says_little[i], "*");

      if (strncmp (says_little[i], name, n) == 0
          && (says_little[i][n] || !name[n]))
        return false;
    }
  wait_of (one, 1, &wait);
  /* A disk's function is one, though it is known to be waited in. */
  return wait.at >= 0;
}

/* Without "+0x1f/0x80", ".isra.0" and the like; a module stays.  False: it is
 * no name. */
static bool
plain (const char *frame, char *dst, size_t n)
{
  const char *module = strstr (frame, " [");
  char name[KEY_NAME];
  size_t len = strcspn (frame, "+. \t");

  if (len == 0 || len >= sizeof name || strncmp (frame, "0x", 2) == 0
      || frame[0] == '<')
    return false;
  memcpy (name, frame, len);
  name[len] = '\0';
  frame_generic_syscall (name, name, sizeof name);
  snprintf (dst, n, "%s%.*s", name,
            module ? (int) strcspn (module + 1, "]") + 2 : 0,
            module ? module : "");
  return says_something (name);
}

void
wait_key (const char *const *names, unsigned n, char *dst, size_t size)
{
  char name[KEY_NAME + 40], before[KEY_NAME + 40] = "";
  size_t len = 0;
  unsigned had = 0;

  dst[0] = '\0';
  for (unsigned i = 0; i < n && had < KEY_FRAMES; i++)
    {
      size_t need;

      if (!names[i] || !plain (names[i], name, sizeof name)
          || strcmp (name, before) == 0)
        continue;
      need = strlen (name) + (len > 0);
      if (len + need >= size)
        return;
      len += (size_t) snprintf (dst + len, size - len, "%s%s", len ? ";" : "",
                                name);
      memcpy (before, name, sizeof before);
      had++;
    }
}
