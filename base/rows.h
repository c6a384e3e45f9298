/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of JSON, written as they come: one object on one line, no tree in
 * memory.  For whoever says thousands of them.
 *
 * Names are ours and are not escaped; all text is (also what a terminal would
 * act on, as json_add_text does it).  Nesting is counted: a row that is ended
 * too early or too late is an error of ours and makes rows_failed() true.
 */
#ifndef HANGDOG_BASE_ROWS_H
#define HANGDOG_BASE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one row.  Who takes rows from a stranger refuses longer ones, and with
 * them all there are: so none is made.  One that became longer is dropped and
 * counted; who says lists and texts of a guest's bounds them before that. */
#define ROWS_MAX_ROW (256u << 10)

struct rows;

/* Whole lines go to fn when some have gathered and at rows_flush(); a negative
 * return ends it: all further rows are dropped. */
typedef int rows_fn (const void *lines, size_t len, void *arg);

/* At most `max` bytes in all (0 = 256 MiB): beyond that rows are counted and
 * dropped. */
struct rows *rows_new (rows_fn *fn, void *arg, uint64_t max);
void rows_free (struct rows *r);
int rows_flush (struct rows *r);
bool rows_failed (const struct rows *r);
uint64_t rows_dropped (const struct rows *r);
uint64_t rows_left (const struct rows *r); /* bytes that may still be said */

void rows_begin (struct rows *r, const char *kind); /* {"row":"KIND" */
void rows_end (struct rows *r);                     /* }\n */

/* name NULL: an element of an array. */
void rows_int (struct rows *r, const char *name, int64_t v);
void rows_uint (struct rows *r, const char *name, uint64_t v);
void rows_real (struct rows *r, const char *name, double v, int digits);
void rows_hex (struct rows *r, const char *name, uint64_t v); /* "0x1f" */
void rows_bool (struct rows *r, const char *name, bool v);
void rows_str (struct rows *r, const char *name, const char *text); /* NULL:
                                                          nothing is said */
void rows_text (struct rows *r, const char *name, const void *text,
                size_t len); /* bytes of a guest */
void rows_array (struct rows *r, const char *name);
void rows_array_end (struct rows *r);
void rows_object (struct rows *r, const char *name);
void rows_object_end (struct rows *r);

#endif
