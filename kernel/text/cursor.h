/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a line from left to right.
 *
 * A cursor is what is left of a line.  Each of these either takes what it
 * names and moves on, or leaves the cursor where it was and says false.
 */
#ifndef HANGDOG_KERNEL_TEXT_CURSOR_H
#define HANGDOG_KERNEL_TEXT_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor
{
  const char *p, *end;
};

static inline size_t
cur_left (const struct cursor *c)
{
  return (size_t) (c->end - c->p);
}

/* Blanks and tabs, as many as there are. */
void cur_blanks (struct cursor *c);
/* And those at the end. */
void cur_trim (struct cursor *c);
bool cur_lit (struct cursor *c, const char *lit);
/* Whether it begins with lit; takes nothing. */
bool cur_at (const struct cursor *c, const char *lit);
/* The first place of lit in what is left, NULL = nowhere. */
const char *cur_find (const struct cursor *c, const char *lit);
/* Up to the next blank, at least one byte. */
bool cur_word (struct cursor *c, struct cursor *ret);
/* Numbers; one that does not fit is as large as can be. */
bool cur_u64 (struct cursor *c, uint64_t *ret);
bool cur_i64 (struct cursor *c, int64_t *ret);
/* With or without "0x"; *ret_digits (may be NULL) counts the digits. */
bool cur_hex (struct cursor *c, uint64_t *ret, unsigned *ret_digits);
/* A number that is to be an int: -1 where it does not fit. */
bool cur_int (struct cursor *c, int *ret);
/* Copies what is left into dst, trimmed and cut to n - 1 bytes. */
void cur_copy (const struct cursor *c, char *dst, size_t n);

#endif
