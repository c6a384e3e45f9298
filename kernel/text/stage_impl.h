/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines by which a stage is known, for stage.c alone.
 */
#ifndef HANGDOG_KERNEL_TEXT_STAGE_IMPL_H
#define HANGDOG_KERNEL_TEXT_STAGE_IMPL_H

#include "kernel/text/stage.h"

#include <string.h>

enum mark_by
{
  BY_BARE = 1,   /* a line without a prefix */
  BY_KERNEL = 2, /* one that may be the kernel's */
  BY_USER = 4,   /* a programme's, by syslog or journal */
  BY_BOTH = BY_BARE | BY_USER,
};

enum mark_flag
{
  /* Said once in a boot: seen again, a new one. */
  MARK_FIRST = 1,
  /* A kernel's last words: what comes next is another life. */
  MARK_OVER = 2,
  /* At any stage there is, which it does not change; its own is for when
   * none is known. */
  MARK_HERE = 4,
  /* Too common a word: only where its stage has begun, or the one before. */
  MARK_ONLY = 8,
  /* systemd in the initramfs. */
  MARK_INITRD = 16,
  /* An init begins: after a shutdown, a new boot. */
  MARK_BACK = 32,
  /* A version follows: that is the kernel's release. */
  MARK_RELEASE = 64,
};

/* A message that begins with text and has `has` (if any) further on. */
struct stage_mark
{
  const char *text, *has;
  uint8_t len; /* of text */
  uint8_t by, stage, stop, flags;
};

/* Those that begin with this byte, the one that is asked first in front; ends
 * with a NULL text.  NULL: there are none. */
const struct stage_mark *stage_marks (unsigned char first);

/* ---- text ---- */

struct view
{
  const char *p, *end;
};

static inline bool
begins (struct view v, const char *with)
{
  size_t n = strlen (with);

  return (size_t) (v.end - v.p) >= n && memcmp (v.p, with, n) == 0;
}

static inline bool
holds (struct view v, const char *what)
{
  return memmem (v.p, (size_t) (v.end - v.p), what, strlen (what)) != NULL;
}

static inline bool
is_digit (char c)
{
  return c >= '0' && c <= '9';
}

static inline bool
is_name (char c)
{
  return is_digit (c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || c == '-' || c == '_' || c == '.';
}

static inline struct view
skip_blanks (struct view v)
{
  while (v.p < v.end && (*v.p == ' ' || *v.p == '\t'))
    v.p++;
  return v;
}

/* ---- prompts (stage_prompt.c) ---- */

/* "lab login: ", "login:"; nobody's "Last login: Mon". */
bool prompt_is_login (struct view v);
/* Returns true and what was typed, if the line is a shell's prompt. */
bool prompt_is_shell (const struct text_line *line, struct view v,
                      struct view *ret);
/* Does what was typed show a log?  Any word of it may: "sudo cat x | head". */
bool prompt_shows_log (struct view typed);

#endif
