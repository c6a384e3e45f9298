/* SPDX-License-Identifier: Apache-2.0
 *
 * How the answers to SysRq end, in kernels from 5.10 on.
 *
 * Most dumps have something that stands at their end, or say at their
 * beginning how much is to come.  w has neither: the tasks that it shows may be
 * the last or not, so quiet alone ends it.
 */
#include "diag/collect/sysrq_impl.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

#define QUIET_MS 700       /* nothing stands at its end */
#define SETTLE_MS 200      /* behind what comes last */
#define UNFINISHED_MS 2000 /* what comes last has not come */
/* The kernel itself waits 10 s for CPUs that don't show their stack, and takes
 * no other key meanwhile. */
#define CPUS_MS 10500

static const char *
find (const char *p, const char *end, const char *what)
{
  return memmem (p, (size_t) (end - p), what, strlen (what));
}

static bool
has (const char *p, const char *end, const char *what)
{
  return find (p, end, what) != NULL;
}

static unsigned
count (const char *p, const char *end, const char *what)
{
  unsigned n = 0;

  for (; (p = find (p, end, what)) != NULL; p += strlen (what))
    n++;
  return n;
}

/* Its last line, whole or not; as a pair of ends. */
static const char *
last_line (const char *p, const char *end)
{
  const char *nl;

  if (end > p && end[-1] == '\n')
    end--;
  nl = memrchr (p, '\n', (size_t) (end - p));
  return nl ? nl + 1 : p;
}

/* ---- key by key ---- */

static enum sysrq_end
by_mark (const char *p, const char *end, const char *mark)
{
  return has (p, end, mark) ? SYSRQ_END_SEEN : SYSRQ_END_MISSING;
}

/* The registers of one CPU and its stack; counters of its PMU may follow. */
static enum sysrq_end
end_of_p (const char *p, const char *end)
{
  const char *line = last_line (p, end);

  return has (line, end, "</TASK>") || has (line, end, "PMC")
             ? SYSRQ_END_SEEN
             : SYSRQ_END_NONE;
}

/* "0,2-5:" */
static unsigned
cpus_in (const char *p, const char *end)
{
  unsigned n = 0;

  while (p < end && *p >= '0' && *p <= '9')
    {
      char *next;
      unsigned long from = strtoul (p, &next, 10), to = from;

      if (*next == '-')
        to = strtoul (next + 1, &next, 10);
      if (to < from || to > 65536)
        return 0;
      n += (unsigned) (to - from + 1);
      p = next + (*next == ',');
    }
  return n;
}

/* Who is asked shows his own stack, and then says whom else he has asked. */
static enum sysrq_end
end_of_l (const char *p, const char *end)
{
  static const char to[] = " to CPUs ";
  const char *asked = find (p, end, "Sending NMI from CPU "), *nl, *line;

  if (!asked || !(nl = memchr (asked, '\n', (size_t) (end - asked))))
    return SYSRQ_END_NONE;
  asked = find (asked, nl, to);
  if (!asked)
    return SYSRQ_END_NONE;
  if (count (nl, end, "NMI backtrace for cpu ")
      < cpus_in (asked + sizeof to - 1, nl))
    return SYSRQ_END_CPUS;
  line = last_line (p, end);
  return has (line, end, "</TASK>") || has (line, end, " skipped: ")
                 || has (line, end, "took too long to run")
             ? SYSRQ_END_SEEN
             : SYSRQ_END_NONE;
}

static unsigned
count_cpus (const char *p, const char *end)
{
  unsigned n = 0;

  for (const char *at = p; (at = find (at, end, "cpu: ")) != NULL; at += 5)
    n += at == p || at[-1] == '\n' || (at[-1] == ' ' && at - 1 > p
                                       && at[-2] == ']');
  return n;
}

/* As many devices as CPUs, each with a last line. */
static enum sysrq_end
end_of_q (const char *p, const char *end)
{
  static const char device[] = "Per CPU device: ";
  unsigned n = count_cpus (p, end);
  const char *last = p, *at = p;

  if (n == 0 || count (p, end, device) < n)
    return SYSRQ_END_MISSING;
  for (; (at = find (at, end, device)) != NULL; at++)
    last = at;
  return by_mark (last, end, " retries:");
}

/* A line before what was traced, and one behind it. */
static enum sysrq_end
end_of_z (const char *p, const char *end)
{
  static const char line[] = "---------------------------------";

  return count (p, end, line) >= 2 ? SYSRQ_END_SEEN
                                   : by_mark (p, end, "(ftrace buffer empty)");
}

/* The same line as its first is the last that the log has. */
static enum sysrq_end
end_of_R (const char *p, const char *end)
{
  const char *nl = memchr (p, '\n', (size_t) (end - p));
  const char *head = nl ? memchr (p, '[', (size_t) (nl - p)) : NULL;
  size_t n;

  if (!nl)
    return SYSRQ_END_MISSING;
  head = head ? head : p;
  n = (size_t) (nl - head);
  return memmem (nl, (size_t) (end - nl), head, n) ? SYSRQ_END_SEEN
                                                   : SYSRQ_END_MISSING;
}

/* With lockdep only; others take d for h. */
static enum sysrq_end
end_of_d (const char *p, const char *end)
{
  return has (p, end, "lockdep is turned off")
             ? SYSRQ_END_SEEN
             : by_mark (p, end, "=============================");
}

/* Some kernels know how many pages are poisoned, and who took most. */
static enum sysrq_end
end_of_m (const char *p, const char *end)
{
  return by_mark (p, end, " pages reserved");
}

static enum sysrq_end
end_of_t (const char *p, const char *end)
{
  return by_mark (p, end, "Showing busy workqueues");
}

/* "Changing Loglevel", and then to which; a level that hides that it does. */
static enum sysrq_end
end_of_level (const char *p, const char *end)
{
  return has (p, end, "Loglevel set") ? SYSRQ_END_WHOLE : SYSRQ_END_SEEN;
}

static const struct
{
  char key;
  enum sysrq_end (*of) (const char *p, const char *end);
} ends[] = {
  { 'd', end_of_d }, { 'l', end_of_l }, { 'm', end_of_m }, { 'p', end_of_p },
  { 'q', end_of_q }, { 't', end_of_t }, { 'z', end_of_z }, { 'R', end_of_R },
};

enum sysrq_end
sysrq_end_of (char key, const char *text, size_t len)
{
  const char *end = text + len, *nl = memchr (text, '\n', len);

  if (key >= '0' && key <= '9')
    return end_of_level (text, end);
  /* The header alone: the loglevel may hide the rest. */
  if (!nl || nl + 1 == end)
    return SYSRQ_END_NONE;
  for (size_t i = 0; i < ARRAY_LEN (ends); i++)
    if (ends[i].key == key)
      return ends[i].of (text, end);
  return SYSRQ_END_NONE;
}

uint64_t
sysrq_quiet_ms (enum sysrq_end end)
{
  static const uint64_t ms[] = { [SYSRQ_END_NONE] = QUIET_MS,
                                 [SYSRQ_END_MISSING] = UNFINISHED_MS,
                                 [SYSRQ_END_CPUS] = CPUS_MS,
                                 [SYSRQ_END_SEEN] = SETTLE_MS,
                                 [SYSRQ_END_WHOLE] = 0 };

  return ms[end];
}
