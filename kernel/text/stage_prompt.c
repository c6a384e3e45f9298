/* SPDX-License-Identifier: Apache-2.0
 *
 * Prompts of logins and shells, and what is typed at them.
 */
#include "kernel/text/stage_impl.h"

#include "base/cleanup.h"

#define PROMPT_MAX 96

bool
prompt_is_login (struct view v)
{
  struct view w = v;

  /* Of a guest without a name it is "(none)". */
  while (w.p < w.end && w.p - v.p < 64
         && (is_name (*w.p) || *w.p == '(' || *w.p == ')'))
    w.p++;
  if (begins (v, "login:"))
    return true;
  if (w.p == v.p || w.p == w.end || *w.p != ' ' || begins (v, "Last ")
      || begins (v, "Failed "))
    return false;
  w.p++;
  return begins (w, "login:");
}

/* Where a prompt's path goes: "~", "/etc", "~/x". */
static const char *
skip_path (const char *p, const char *end)
{
  if (p == end || (*p != '~' && *p != '/'))
    return NULL;
  while (p < end && (is_name (*p) || *p == '/' || *p == '~' || *p == '+'))
    p++;
  return p;
}

static const char *const shells[] = { "bash-", "sh-", "sh", "ash", "bash",
                                      "zsh", "mksh", "dash" };

/* What stands before the "# " or "$ " of a shell's prompt: "~ ", "/ ",
 * "root@lab:~", "lab:~", "[root@lab ~]", "bash-5.2". */
static bool
is_prompt_head (struct view v)
{
  const char *p = v.p, *end = v.end;

  if (p < end && end[-1] == ' ')
    end--;
  if (p == end)
    return false;
  if (*p == '(' && (p = memchr (p, ')', (size_t) (end - p)))) /* a venv's */
    for (p++; p < end && *p == ' '; p++)
      ;
  if (!p || p == end)
    return false;
  if (*p == '[' && end[-1] == ']')
    {
      p = memchr (p, '@', (size_t) (end - p));
      return p && memchr (p, ' ', (size_t) (end - p));
    }
  if (*p == '~' || *p == '/')
    return skip_path (p, end) == end;
  for (size_t i = 0; i < ARRAY_LEN (shells); i++)
    {
      size_t n = strlen (shells[i]);

      if ((size_t) (end - p) >= n && memcmp (p, shells[i], n) == 0
          && (p + n == end || (is_digit (p[n]) && end - p < 12)))
        return true;
    }
  for (; p < end && (is_name (*p) || *p == '@'); p++)
    ;
  return p > v.p && p < end && *p == ':' && skip_path (p + 1, end) == end;
}

bool
prompt_is_shell (const struct text_line *line, struct view v, struct view *ret)
{
  size_t n = (size_t) (v.end - v.p);
  const char *p, *q;

  if (n == 0 || (unsigned char) *v.p <= ' ')
    return false;
  n = n < PROMPT_MAX ? n : PROMPT_MAX;
  p = memchr (v.p, '#', n);
  q = memchr (v.p, '$', p ? (size_t) (p - v.p) : n);
  p = q ? q : p;
  if (!p || (p + 1 < v.end && p[1] != ' '))
    return false;
  *ret = (struct view){ p + 1, v.end };
  *ret = skip_blanks (*ret);
  if (p == v.p)
    return line->open && ret->p == ret->end;
  return is_prompt_head ((struct view){ v.p, p });
}

static const char *const showers[]
    = { "dmesg", "cat",  "less",  "more",    "tail",    "head", "journalctl",
        "grep",  "zcat", "zgrep", "logread", "strings", "vi",   "vim",
        "nano",  "awk",  "sed",   "tac",     "view",    "egrep" };

/* Words behind which stands a command. */
static const char *const runners[]
    = { "sudo", "doas", "busybox", "time", "watch", "env", "exec", "nohup" };

static bool
is_among (const char *p, size_t n, const char *const *words, size_t nwords)
{
  for (size_t i = 0; i < nwords; i++)
    if (n == strlen (words[i]) && memcmp (p, words[i], n) == 0)
      return true;
  return false;
}

bool
prompt_shows_log (struct view v)
{
  bool command = true; /* the next word is one */
  const char *start;

  while (v.p < v.end)
    {
      if (!is_name (*v.p) && *v.p != '/')
        {
          command |= memchr ("|;&(`", *v.p, 5) != NULL;
          v.p++;
          continue;
        }
      for (start = v.p; v.p < v.end && (is_name (*v.p) || *v.p == '/'); v.p++)
        if (*v.p == '/')
          start = v.p + 1;
      if (command
          && is_among (start, (size_t) (v.p - start), showers,
                       sizeof showers / sizeof *showers))
        return true;
      command = command
                && is_among (start, (size_t) (v.p - start), runners,
                             sizeof runners / sizeof *runners);
    }
  return false;
}
