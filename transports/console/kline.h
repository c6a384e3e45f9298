/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking the kernel's lines out of what a terminal says.
 *
 * printk writes its line, with its time stamp, between any two bytes that a
 * process is writing; without it the two bytes stand side by side again.
 * Incremental: bytes may come in pieces of any size.
 */
#ifndef HANGDOG_TRANSPORTS_KLINE_H
#define HANGDOG_TRANSPORTS_KLINE_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

#define KLINE_STAMP_MAX 32

struct kline
{
  char held[KLINE_STAMP_MAX]; /* what may become a time stamp */
  unsigned nheld;
  unsigned stage, digits;
  bool in_line;
  size_t line_len;
};
#define KLINE_INIT { .nheld = 0 }

/* Appends the kernel's lines to kernel (may be NULL) and the rest to text;
 * carriage returns are left out of the former only. */
void kline_feed (struct kline *k, const char *data, size_t len,
                 struct buf *text, struct buf *kernel);
/* Nothing more comes: what was held back is text. */
void kline_end (struct kline *k, struct buf *text);

#endif
