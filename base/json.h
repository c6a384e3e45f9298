/* SPDX-License-Identifier: Apache-2.0
 *
 * Strict JSON, with places.
 *
 * Two dialects: files of ours may carry comments and trailing commas; what
 * comes over a wire (guest, monitor, controller) may not.  In both, a scanner
 * of our own runs before json-c and refuses what json-c lets pass: duplicate
 * keys, text after the value, raw control characters, invalid UTF-8, lone
 * surrogates, \u0000, NaN, integers that do not fit 64 bits (-2^63 to
 * 2^64-1), nesting beyond the limit, more bytes than the limit.  Errors name
 * "origin:line:col: path: what".
 *
 * Documents are decoded by tables (struct json_field), so that the same data
 * checks a document, fills a C struct, suggests the nearest known key, writes
 * the struct as a document again, and prints the JSON Schema.
 */
#ifndef HANGDOG_BASE_JSON_H
#define HANGDOG_BASE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;

enum json_dialect
{
  JSON_WIRE, /* RFC 8259, nothing else */
  JSON_FILE, /* plus comments and trailing commas */
};

#define JSON_MAX_DEPTH 32
#define JSON_MAX_FILE (1u << 20) /* bytes of a configuration file */

struct json_doc; /* the text, its origin, and the json-c tree */

/* text need not be NUL terminated; it is copied.  max_bytes bounds it before
 * anything looks at it. */
int json_parse (const char *text, size_t len, enum json_dialect dialect,
                const char *origin, size_t max_bytes,
                struct json_doc **ret_doc, struct error *err);

/* Reads a regular file (a folder, a fifo, a device is a clear error). */
int json_load (const char *path, enum json_dialect dialect, size_t max_bytes,
               struct json_doc **ret_doc, struct error *err);

void json_doc_free (struct json_doc *doc);
static inline void
json_doc_freep (struct json_doc **doc)
{
  json_doc_free (*doc);
}
#define CLEANUP_JSON_DOC __attribute__ ((cleanup (json_doc_freep)))

static inline void
json_putp_ (struct json_object **o)
{
  if (*o)
    json_object_put (*o);
}
#define CLEANUP_JSON __attribute__ ((cleanup (json_putp_)))

struct json_object *json_root (const struct json_doc *doc);

/* An error about the value at `path` ("scenarios[2].interval"): finds its
 * line and column again in the text.  Always returns -EINVAL. */
int json_error_at (const struct json_doc *doc, const char *path,
                   struct error *err, const char *fmt, ...)
    __attribute__ ((format (printf, 4, 5)));

/* ---- decoding by table ---- */

enum json_kind
{
  JSON_END = 0, /* ends a table */
  JSON_BOOL,     /* bool */
  JSON_INT,      /* int64_t, within min..max (0,0 = any) */
  JSON_DOUBLE,   /* double */
  JSON_DURATION, /* uint64_t ms, from "30s", within min..max ms (0,0 = any) */
  JSON_SIZE,     /* uint64_t bytes, from "64MiB" or an integer */
  JSON_STRING,   /* char *, malloc'ed; length within min..max (0,0 = 1..4096) */
  JSON_BYTES,    /* char *, malloc'ed; in the document with the escapes \r \n
                    \t \e \xNN \\ as in C, in the struct the bytes that are
                    meant (no NUL), and it is they that lie within min..max */
  JSON_ENUM,     /* int, index into names */
  JSON_OBJECT,   /* a struct inside this one, decoded by `sub` */
  JSON_ARRAY,    /* struct json_list, elements of elem_size by `sub` (objects)
                    or by elem_kind; min to max elements (max 0 = 1024) */
  JSON_RAW,      /* struct json_object *, any value, a reference is taken */
  JSON_GROUP,    /* a struct inside this one, decoded by `sub`, whose keys stand
                    in the same object as those beside it; it has no name */
};

struct json_list
{
  void *items;
  size_t count;
};

struct json_field
{
  const char *name;
  enum json_kind kind;
  size_t offset;                /* in the struct that is filled */
  bool required;
  int64_t min, max;
  const char *const *names;     /* JSON_ENUM: NULL terminated */
  const struct json_field *sub; /* JSON_OBJECT, JSON_GROUP, JSON_ARRAY of
                                   objects */
  size_t elem_size;             /* JSON_ARRAY of objects */
  enum json_kind elem_kind;     /* JSON_ARRAY of plain values */
  const char *help;             /* one line, for the schema and the manual */
  const void *elem_init;        /* JSON_ARRAY: the defaults of an element,
                                   copied before it is decoded (no pointers
                                   that would be freed); NULL: zeroes */
  bool keep_empty;              /* JSON_ARRAY: json_encode() writes it also when
                                   it is empty: nothing said means another
                                   thing here than none */
};

/* Fills *out (whose present content is the defaults: fields that the document
 * does not have stay as they are) from the object at `path` of doc.  Unknown
 * keys, wrong types and values out of range are errors that name the place.
 * Strings that are replaced are freed, so defaults are malloc'ed or NULL.
 * "$schema" at the top of a document (path "") is ignored.  On failure *out
 * may be half filled: json_decoded_done() it.  doc may be NULL when obj came
 * from elsewhere: errors then name the path alone. */
int json_decode (const struct json_doc *doc, struct json_object *obj,
                 const char *path, const struct json_field *fields, void *out,
                 struct error *err);

/* The other way: a new object with every member in the table's order, in one
 * spelling, so that equal structs give equal text.  What no document could say
 * is left out: a string that is NULL or too short, a number or an enum out of
 * its bounds, an empty list, an object that lacks what it must have.  So a
 * struct that stands for "not given" is decoded again to what it was. */
struct json_object *json_encode (const struct json_field *fields,
                                 const void *in);

/* Frees what json_decode() allocated; not out itself. */
void json_decoded_done (const struct json_field *fields, void *out);

/* The field of that name, also in a JSON_GROUP, or NULL; *ret_offset is that
 * of its slot in the struct that the table is of. */
const struct json_field *json_field_named (const struct json_field *fields,
                                           const char *key,
                                           size_t *ret_offset);

/* The JSON Schema (2020-12) of a table as an object schema, printed into b.
 * It bounds strings in characters where json_decode() counts bytes. */
void json_schema (const struct json_field *fields, const char *id,
                  const char *title, struct buf *b);
/* The two halves of it, for who has something to add: what an object of the
 * table may be ("properties", "required", "additionalProperties"), and the
 * printing, which takes it over. */
struct json_object *json_schema_object (const struct json_field *fields);
void json_schema_print (const char *id, const char *title,
                        struct json_object *body, struct buf *b);

/* ---- small helpers for building and reading ---- */

/* Adds a string value that may hold anything: invalid UTF-8 and control
 * characters are escaped with text_escape() first; newlines and tabs stay. */
void json_add_text (struct json_object *obj, const char *key,
                    const char *bytes, size_t len);
/* For strings of our own; s may be NULL: nothing is added then. */
void json_add_str (struct json_object *obj, const char *key, const char *s);
void json_add_int (struct json_object *obj, const char *key, int64_t v);
void json_add_bool (struct json_object *obj, const char *key, bool v);

/* obj on one line, fit for a terminal: whatever its strings and keys hold,
 * they are escaped as by json_add_text(), which changes nothing where that
 * was done before.  All JSON that goes to stdout goes through here. */
void json_show (struct json_object *obj, struct buf *out);
/* The same over many lines, for people. */
void json_show_spread (struct json_object *obj, struct buf *out);

/* Readers for wire objects: NULL, dflt when absent or of another type. */
const char *json_get_str (struct json_object *obj, const char *key);
int64_t json_get_int (struct json_object *obj, const char *key, int64_t dflt);
bool json_get_bool (struct json_object *obj, const char *key, bool dflt);
struct json_object *json_get (struct json_object *obj, const char *key);
/* How many elements list has; 0: none, or it is no array. */
size_t json_count (struct json_object *list);

#endif
