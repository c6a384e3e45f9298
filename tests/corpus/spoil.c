/* SPDX-License-Identifier: Apache-2.0
 *
 * Logs as quiet, hurried and shared consoles show them.  Knows lines by their
 * looks, with no help of what is measured with it.
 */
#include "tests/corpus/corpus.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <ctype.h>
#include <string.h>

const char *const mutation_names[] = { "stacks stripped",
                                       "heads only",
                                       "loglevel 4",
                                       "1 % of lines lost",
                                       "3 % of lines lost",
                                       "5 % of lines lost",
                                       "whole, as dmesg -r",
                                       "whole, as in syslog",
                                       "whole, ISO dates",
                                       "whole, off a terminal",
                                       "whole, without stamps",
                                       NULL };

uint64_t
dice_next (struct dice *d)
{
  uint64_t z = d->state += 0x9e3779b97f4a7c15;

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

uint64_t
dice_below (struct dice *d, uint64_t n)
{
  return n > 0 ? dice_next (d) % n : 0;
}

/* ---- what a line is ---- */

static bool
has (const char *s, size_t len, const char *what)
{
  return memmem (s, len, what, strlen (what)) != NULL;
}

static bool
starts (const char *s, size_t len, const char *with)
{
  size_t n = strlen (with);

  return len >= n && memcmp (s, with, n) == 0;
}

static bool
starts_one (const char *s, size_t len, const char *const *list)
{
  for (; *list; list++)
    if (starts (s, len, *list))
      return true;
  return false;
}

/* "[   12.345678]", "[ T123]", "[  C0]" */
static size_t
bracket (const char *p, size_t len)
{
  const char *end;
  size_t n;

  if (len < 3 || p[0] != '[')
    return 0;
  end = memchr (p, ']', len > 40 ? 40 : len);
  n = end ? (size_t) (end - p) : 0;
  if (n < 2 || !isdigit ((unsigned char) p[n - 1]))
    return 0;
  for (size_t i = 1; i < n; i++)
    if (!isdigit ((unsigned char) p[i]) && !strchr (" .TCc@", p[i]))
      return 0;
  return n + 1;
}

const char *
line_body (const char *line, size_t len, size_t *ret_len)
{
  for (;;)
    {
      size_t n = bracket (line, len);

      if (len >= 3 && line[0] == '<' && line[2] == '>')
        n = 3;
      else if (n > 0 && n < len && line[n] == ' ')
        n++;
      if (n == 0)
        break;
      line += n;
      len -= n;
    }
  while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
    len--;
  *ret_len = len;
  return line;
}

static size_t
name_len (const char *p, size_t len)
{
  size_t n = 0;

  while (n < len && (isalnum ((unsigned char) p[n]) || strchr ("_.$<>:", p[n])))
    n++;
  return n;
}

/* "fs/file.c:12", as symbolised stacks have it. */
static bool
is_place (const char *p, size_t len)
{
  size_t n = 0;

  while (n < len && p[n] != ' ' && p[n] != ':')
    n++;
  return n > 2 && n + 1 < len && p[n] == ':' && p[n - 2] == '.'
         && isdigit ((unsigned char) p[n + 1]);
}

bool
body_is_frame (const char *p, size_t len)
{
  size_t n;

  while (len > 0 && *p == ' ')
    p++, len--;
  if (starts (p, len, "[<"))
    {
      /* An address: "[<ffffffff81000000>]" */
      for (n = 2; n < len && isxdigit ((unsigned char) p[n]); n++)
        continue;
      if (n == 2)
        return false;
      for (; n < len && strchr (">] ", p[n]); n++)
        continue;
      p += n;
      len -= n;
      /* arm: "[<80632588>] (func) from [<8062eec8>] (func+0x1/0x2)" */
      if (starts (p, len, "("))
        return has (p, len, ") from ");
    }
  if (starts (p, len, "? "))
    p += 2, len -= 2;
  n = name_len (p, len);
  if (n == 0)
    return false;
  if (starts (p + n, len - n, "+0x"))
    return memchr (p + n, '/', len - n) != NULL;
  if (starts (p + n, len - n, " from "))
    return has (p + n, len - n, "+0x");
  return n < len && p[n] == ' ' && is_place (p + n + 1, len - n - 1);
}

bool
body_is_stack (const char *p, size_t len)
{
  static const char *const heads[] = {
    "RIP:",      "RSP:",   "RAX:",  "RDX:",     "RBP:",       "R10:",
    "R13:",      "FS:",    "CS:",   "CR2:",     "DR0:",       "DR3:",
    "PKRU:",     "Code:",  "EIP:",  "EAX:",     "ESI:",       "DS:",
    "CR0:",      "pc :",   "lr :",  "sp :",     "x29:",       "x28:",
    "x27:",      "x26:",   "x25:",  "x24:",     "x23:",       "x22:",
    "x21:",      "x20:",   "x19:",  "x18:",     "x17:",       "x16:",
    "x15:",      "x14:",   "x13:",  "x12:",     "x11:",       "x10:",
    "x9 :",      "x8 :",   "x7 :",  "x6 :",     "x5 :",       "x4 :",
    "x3 :",      "x2 :",   "x1 :",  "x0 :",     "PC is",      "LR is",
    "epc :",     "gp :",   "<TASK", "</TASK",   "<IRQ",       "</IRQ",
    "<NMI",      "</NMI",  "<#",    "</#",      "Call Trace", "Call trace",
    "Backtrace", "Stack:", "RIP ",  "ORIG_RAX", "RSI:",       "R08:",
    "R11:",      "R14:",   "GS:",   "pstate:",  NULL
  };

  while (len > 0 && *p == ' ')
    p++, len--;
  /* arm: " r10:8348a400 r9:82fbdbac" */
  if (len > 3 && p[0] == 'r' && isdigit ((unsigned char) p[1])
      && (p[2] == ':' || p[3] == ':'))
    return true;
  return body_is_frame (p, len) || starts_one (p, len, heads);
}

bool
body_is_context (const char *p, size_t len)
{
  static const char *const heads[] = { "CPU:",
                                       "CPU ",
                                       "Hardware name:",
                                       "Modules linked",
                                       "Workqueue:",
                                       "task:",
                                       "NMI backtrace",
                                       "Sending NMI",
                                       "Kernel Offset",
                                       "Showing all locks",
                                       "Tainted:",
                                       "Not tainted",
                                       "Dumping ftrace",
                                       "Rebooting in",
                                       "RAX ",
                                       "Comm:",
                                       NULL };

  if (body_is_stack (p, len))
    return true;
  while (len > 0 && *p == ' ')
    p++, len--;
  return starts_one (p, len, heads) || has (p, len, " locks held by ")
         || has (p, len, " lock held by ")
         || (len > 3 && p[0] == '#' && isdigit ((unsigned char) p[1]));
}

static const char *
next_line (const char **p, const char *end, size_t *ret_len)
{
  const char *line = *p;
  const char *nl;

  if (line >= end)
    return NULL;
  nl = memchr (line, '\n', (size_t) (end - line));
  *p = nl ? nl + 1 : end;
  *ret_len = (size_t) (*p - line);
  return line;
}

bool
log_has_frames (const char *log, size_t len)
{
  const char *end = log + len, *line;
  size_t n, body_len;

  while ((line = next_line (&log, end, &n)))
    {
      const char *body = line_body (line, n, &body_len);

      if (body_is_frame (body, body_len))
        return true;
    }
  return false;
}

/* ---- spoiling ---- */

/* These raise the console's level themselves: a quiet guest shows them whole
 * (docs: "oops and panic raise the loglevel"). */
static bool
shows_all (const struct sample *s)
{
  static const char *const signs[] = { "Oops: ",
                                       "Oops[",
                                       "Kernel panic - not syncing",
                                       "general protection fault",
                                       "double fault",
                                       "Internal error:",
                                       NULL };

  for (unsigned i = 0; signs[i]; i++)
    if (has (s->log, s->len, signs[i]))
      return true;
  return false;
}

bool
mutation_fits (enum mutation m, const struct sample *s)
{
  /* Warnings are printed at level 4, and so not at all on such a console. */
  if (m == MUTATION_LEVEL4)
    return shows_all (s)
           || (!strstr (s->type, "WARNING") && s->group != GROUP_LOCKDEP);
  return true;
}

static bool
keeps (enum mutation m, const struct sample *s, const char *line, size_t len,
       struct dice *d)
{
  size_t n;
  const char *body = line_body (line, len, &n);

  switch (m)
    {
    case MUTATION_STRIPPED:
      return !body_is_stack (body, n);
    case MUTATION_HEADS:
      return !body_is_context (body, n);
    case MUTATION_LEVEL4:
      if (len > 3 && line[0] == '<' && line[2] == '>')
        return line[1] < '4';
      return shows_all (s) || !body_is_context (body, n);
    case MUTATION_DROP1:
      return dice_below (d, 100) >= 1;
    case MUTATION_DROP3:
      return dice_below (d, 100) >= 3;
    case MUTATION_DROP5:
      return dice_below (d, 100) >= 5;
    default:
      return true;
    }
}

/* The same line, as another log has it. */
static void
reprint (enum mutation m, const char *line, size_t len, struct dice *d,
         struct buf *out)
{
  size_t n;
  const char *body = line_body (line, len, &n);
  bool kernel = body != line;

  if (m == MUTATION_TERMINAL)
    {
      if (kernel && dice_below (d, 40) == 0)
        buf_puts (out, "web-1 login: ");
      if (dice_below (d, 10) == 0)
        buf_puts (out, "\033[0m\033[?25h");
      buf_append (out, line, (size_t) (body - line) + n);
      buf_puts (out, "\r\n");
      return;
    }
  /* What no kernel printed has no kernel's stamp either. */
  if (!kernel)
    {
      buf_append (out, line, len);
      return;
    }
  if (m == MUTATION_LEVELS)
    {
      buf_puts (out, "<6>");
      buf_append (out, line, len);
      return;
    }
  if (m == MUTATION_SYSLOG)
    buf_puts (out, "Nov 20 14:02:40 web-1 kernel: ");
  else if (m == MUTATION_ISO)
    buf_puts (out, "2026-11-20T14:02:40+0000 web-1 kernel: ");
  buf_append (out, body, n);
  buf_putc (out, '\n');
}

void
mutate (enum mutation m, const struct sample *s, struct dice *d,
        struct buf *out)
{
  const char *p = s->log, *end = s->log + s->len, *line;
  size_t n;

  buf_clear (out);
  while ((line = next_line (&p, end, &n)))
    if (m >= MUTATION_LEVELS)
      reprint (m, line, n, d, out);
    else if (keeps (m, s, line, n, d))
      buf_append (out, line, n);
}

void
mutate_mix (const struct sample *a, const struct sample *b, struct dice *d,
            struct buf *out)
{
  const char *p[2] = { a->log, b->log }, *line;
  const char *end[2] = { a->log + a->len, b->log + b->len };
  unsigned which = 0;
  size_t n;

  buf_clear (out);
  while (p[0] < end[0] || p[1] < end[1])
    {
      uint64_t run = 1 + dice_below (d, 5);

      for (; run > 0 && (line = next_line (&p[which], end[which], &n)); run--)
        {
          buf_append (out, line, n);
          /* Two writers never share a line here. */
          if (line[n - 1] != '\n')
            buf_putc (out, '\n');
        }
      which = !which;
    }
}
