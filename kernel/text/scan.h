/* SPDX-License-Identifier: Apache-2.0
 *
 * Many literals, one pass: which of them are in a text?
 *
 * Two steps.  A filter looks at a few bytes here and there: each literal has a
 * piece of its own that is rare in what kernels print, placed so that one of
 * the looks must meet it; lines in which no such piece is seen, nearly all of
 * a healthy boot, are done.  The others go through an Aho-Corasick automaton,
 * from the first place where a literal could begin.  Both are linear in the
 * text, whatever the text and the literals are.  Case counts.
 *
 * Built once, never changed, shared by all threads.
 */
#ifndef HANGDOG_KERNEL_TEXT_SCAN_H
#define HANGDOG_KERNEL_TEXT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct text_scan;

#define SCAN_LITERAL_MIN 3
#define SCAN_LITERAL_MAX 128

struct scan_literal
{
  const char *text; /* no NULs in it; not needed any more after _new */
  size_t len;
  unsigned id;      /* several literals may have the same */
};

/* No literals at all are fine: then nothing is found.  -E2BIG: more than the
 * automaton may hold. */
int text_scan_new (const struct scan_literal *literals, size_t n,
                   struct text_scan **ret, struct error *err);
void text_scan_free (struct text_scan *s);
/* Words of 64 bits that a set of ids has. */
size_t text_scan_words (const struct text_scan *s);
/* Bytes of memory. */
size_t text_scan_size (const struct text_scan *s);

/* Bit id of set: the text has one of its literals.  False when it has none;
 * set is not touched then. */
bool text_scan_find (const struct text_scan *s, const char *text, size_t len,
                     uint64_t *set);

#endif
