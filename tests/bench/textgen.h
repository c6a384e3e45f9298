/* SPDX-License-Identifier: Apache-2.0
 *
 * Console text to measure with, made at run time: the same for the same seed.
 */
#ifndef HANGDOG_TESTS_BENCH_TEXTGEN_H
#define HANGDOG_TESTS_BENCH_TEXTGEN_H

#include <stddef.h>
#include <stdint.h>

enum textgen
{
  TEXTGEN_BOOT,  /* a kernel that starts, systemd, a login prompt, chatter */
  TEXTGEN_DENSE, /* one report after the other */
  /* Hostile: */
  TEXTGEN_LINE, /* a line that does not end */
  TEXTGEN_NUL,
  TEXTGEN_RANDOM,
  TEXTGEN_ANSI,   /* sequences that begin and do not end, and that do */
  TEXTGEN_NESTED, /* heads within heads, forged callers */
  TEXTGEN_HEADS,  /* nothing but first lines of reports */
  TEXTGEN_STARTS, /* literals that rules look for, and then no match */
  TEXTGEN_LONG,   /* the same, in lines as long as lines get */
  TEXTGEN_PROMPT, /* forged prompts, boot loaders, banners */
  TEXTGEN_MAX,
};
extern const char *const textgen_names[];

/* Fills dst with len bytes of it. */
void textgen (enum textgen what, uint64_t seed, char *dst, size_t len);

#endif
