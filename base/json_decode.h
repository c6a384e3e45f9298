/* SPDX-License-Identifier: Apache-2.0
 *
 * What decoding and the schema printer both need to know about a table:
 * private to base/json_*.c.
 */
#ifndef HANGDOG_BASE_JSON_DECODE_H
#define HANGDOG_BASE_JSON_DECODE_H

#include "base/json.h"

struct buf;

/* The field that stands for one element of a JSON_ARRAY. */
struct json_field json_elem_field (const struct json_field *f);
/* Bytes of an element. */
size_t json_slot_size (const struct json_field *f);
/* Bounds of a JSON_STRING or JSON_BYTES in bytes. */
void json_string_bounds (const struct json_field *f, int64_t *ret_min,
                         int64_t *ret_max);

/* ---- escapes in JSON_BYTES ---- */

/* In place.  0, or -EINVAL with *ret_why naming the trouble. */
int json_unescape (char *s, const char **ret_why);
/* The other way, into the one spelling; no byte takes more than so many. */
#define JSON_ESCAPE_MAX 4
void json_escape (const char *s, struct buf *out);

#endif
