/* SPDX-License-Identifier: Apache-2.0
 *
 * Guest bytes on their way to a person.
 *
 * Everything a guest, an agent, a controller or an archive says goes through
 * text_escape() before it reaches a terminal, a log or a page.  It filters
 * characters, not sequences: an unterminated escape sequence matches no
 * pattern, so no pattern is looked for.  What is not plain printable UTF-8
 * comes out as a visible escape: \e for ESC, \xNN for each byte of other
 * C0/C1/invalid ones, \u{NNNN} for bidi overrides, zero-width and other format
 * characters.  At most four bytes come out for one that goes in.  A backslash
 * passes as it is, so escaping twice changes nothing; it is not meant to be
 * undone.  Where out is full it ends between characters.
 * The result is itself valid UTF-8 and holds no control characters but those
 * that the flags let through.
 */
#ifndef HANGDOG_BASE_TEXT_H
#define HANGDOG_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum text_flags
{
  TEXT_KEEP_NEWLINE = 1 << 0, /* "\n" passes; "\r\n" becomes "\n" */
  TEXT_KEEP_TAB = 1 << 1,
  TEXT_ASCII = 1 << 2,        /* everything above 0x7e is escaped too */
};

void text_escape (struct buf *out, const void *bytes, size_t len,
                  unsigned flags);

/* Length in bytes of the valid UTF-8 sequence at p (1 to 4), 0 if there is
 * none (overlong, surrogate, beyond U+10FFFF, truncated).  *ret_cp may be
 * NULL. */
unsigned text_utf8 (const unsigned char *p, size_t len, uint32_t *ret_cp);

/* True when s is a name fit for a path component or an id: 1 to 128 bytes of
 * [A-Za-z0-9._-], not starting with a dot or a dash. */
bool text_is_name (const char *s);

/* Writes into dst (of size n) the longest such name that can be made from
 * s: other bytes become '_'.  Never empty. */
void text_make_name (char *dst, size_t n, const char *s);

/* Shell-style match of the whole of s: * ? [set] [!set] and \ before a
 * character that shall mean itself; case-sensitive; ? is one UTF-8 character,
 * a set matches one byte; no backtracking blow-up. */
bool text_glob (const char *pattern, const char *s);

/* The member of the NULL terminated list nearest to word by edit distance,
 * or NULL when none is near enough to be worth suggesting. */
const char *text_nearest (const char *word, const char *const *list);
/* The same as the end of a message: " (did you mean "x"?)"; when none is near,
 * " (known: a, b)" if that fits into dst, else "".  Returns dst. */
const char *text_did_you_mean (char *dst, size_t n, const char *word,
                               const char *const *list);

#endif
