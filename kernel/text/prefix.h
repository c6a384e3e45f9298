/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands before a message: stamps, levels, callers, syslog and journal
 * heads, a login prompt that was in the way; in any order, several times.
 */
#ifndef HANGDOG_KERNEL_TEXT_PREFIX_H
#define HANGDOG_KERNEL_TEXT_PREFIX_H

#include "kernel/text/line.h"

enum text_from
{
  FROM_UNKNOWN, /* bare text */
  FROM_KERNEL,  /* a kernel's stamp, "<N>", or syslog's "kernel:" */
  FROM_USER,    /* syslog or journal of another programme */
};

enum text_caller
{
  CALLER_NONE,
  CALLER_TASK, /* [T123] */
  CALLER_CPU,  /* [C0] */
};

struct text_msg
{
  const struct text_line *line;
  const char *text; /* the message, within line->text */
  size_t len;
  enum text_from from;
  int level;        /* 0 (emergency) to 7, -1 = not said */
  bool stamped;
  uint64_t stamp_us; /* the kernel's own clock; only if stamped */
  enum text_caller caller;
  uint32_t caller_id;
  const char *ident; /* FROM_USER: "systemd", within line->text */
  size_t ident_len;
  uint32_t pid;      /* of ident; 0 = not said */
};

/* Fills all of *ret; never fails: a line without prefixes is all message. */
void prefix_strip (const struct text_line *line, struct text_msg *ret);

#endif
