/* SPDX-License-Identifier: Apache-2.0
 *
 * The scanner that runs before json-c: private to base/json*.c, the tests and
 * the fuzzer.
 *
 * A pure function over bytes.  Time is O(n log n) in the worst case, also for
 * keys that an attacker chose; memory is 8 bytes for each key of the objects
 * that are open, doubled while they are sorted.
 */
#ifndef HANGDOG_BASE_JSON_SCAN_H
#define HANGDOG_BASE_JSON_SCAN_H

#include "base/json.h"

#define JSON_MAX_PATH 200
#define JSON_MAX_SCAN ((size_t) 1 << 30) /* json-c counts in int */

struct json_fault
{
  int code;   /* positive errno value */
  size_t at;  /* offset in the text */
  char path[JSON_MAX_PATH + 4];
  char what[200];
};

/* Checks text.  clean, if given, holds a copy of the len bytes of text:
 * comments and trailing commas are overwritten with blanks there, so that
 * plain JSON of the same length remains.  ret_values is the number of values
 * in the document, nested ones included.  Negative errno value with ret_fault
 * filled; clean is then of no use. */
int json_scan (const char *text, size_t len, enum json_dialect dialect,
               char *clean, size_t *ret_values, struct json_fault *ret_fault);

/* Where the key of the value at `path` stands (the value itself for an array
 * element and for the root).  What does not exist is stood in for by the
 * nearest of its parents that does.  text must have passed json_scan(). */
size_t json_find (const char *text, size_t len, enum json_dialect dialect,
                  const char *path);

/* Both count from 1; a column is one UTF-8 character. */
void json_place (const char *text, size_t len, size_t at, size_t *ret_line,
                 size_t *ret_column);

/* Builds paths: key, a.key, a["odd key"], a[2].  Long keys are cut. */
void json_path_key (struct buf *path, const char *key, size_t len);
void json_path_index (struct buf *path, size_t index);
/* Back to its first len bytes. */
void json_path_cut (struct buf *path, size_t len);

/* ---- keys as they stand in the text, at the byte behind the quote ---- */

struct json_key
{
  uint32_t hash;
  uint32_t at;
};

struct json_keys
{
  struct json_key *keys, *spare;
  size_t n, cap, spare_cap;
};

unsigned json_hex4 (const char *p);
void json_path_raw_key (struct buf *path, const char *raw);

int json_keys_add (struct json_keys *set, const char *text, size_t at);
/* Is there a key twice among those from index `from` on?  Takes these out of
 * the set.  1 with the places of the earliest repetition, 0, or -ENOMEM. */
int json_keys_twice (struct json_keys *set, const char *text, size_t from,
                     size_t *ret_first, size_t *ret_again);
void json_keys_done (struct json_keys *set);

#endif
