/* SPDX-License-Identifier: Apache-2.0
 *
 * Marks of trouble in console text.
 *
 * Only the plainest ones, and only since the last boot: the reading of
 * kernel text proper is the kernel room's.  Whatever is found here is
 * something that anybody in the guest could have printed.
 */
#include "diag/collect/collect.h"

#include <string.h>

static const struct
{
  const char *needle;
  const char *fact;
} marks[] = {
  { "Kernel panic - not syncing", "console.text.panic" },
  { "BUG: soft lockup", "console.text.soft_lockup" },
  { "detected hard LOCKUP", "console.text.hard_lockup" },
  { "detected stall", "console.text.rcu_stall" },
  { "self-detected stall", "console.text.rcu_stall" },
  { "blocked for more than", "console.text.hung_task" },
  { "Out of memory: Kill", "console.text.oom" },
  { "Memory cgroup out of memory: Kill", "console.text.oom" },
  { "Remounting filesystem read-only", "console.text.read_only" },
  { "blk_update_request: I/O error", "console.text.io_error" },
  { "I/O error, dev ", "console.text.io_error" },
};

/* Where the text of the last boot begins. */
static size_t
last_boot (const char *text, size_t len)
{
  static const char banner[] = "Linux version ";
  const char *p = text, *hit;
  size_t at = 0;

  while ((hit = memmem (p, len - (size_t) (p - text), banner,
                        sizeof banner - 1)))
    {
      at = (size_t) (hit - text);
      p = hit + 1;
    }
  return at;
}

static void
publish_line (struct collect_ctx *ctx, const char *fact, const char *text,
              size_t len, size_t at)
{
  size_t begin = at, end = at;

  while (begin > 0 && text[begin - 1] != '\n' && at - begin < 100)
    begin--;
  while (end < len && text[end] != '\n' && text[end] != '\r'
         && end - at < 200)
    end++;
  collect_text (ctx, fact, "console", text + begin, end - begin);
}

void
collect_marks (struct collect_ctx *ctx, const char *text, size_t len)
{
  size_t from = last_boot (text, len);

  for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
    {
      const char *hit = memmem (text + from, len - from, marks[i].needle,
                                strlen (marks[i].needle));

      if (hit)
        publish_line (ctx, marks[i].fact, text, len,
                      (size_t) (hit - text));
    }
}
