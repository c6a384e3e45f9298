/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to diag/report: one page in the making, and its sections.
 */
#ifndef HANGDOG_DIAG_REPORT_IMPL_H
#define HANGDOG_DIAG_REPORT_IMPL_H

#include "diag/report/report.h"

#include <stdbool.h>
#include <stdint.h>

#define ROWS_MAX (8u << 20)   /* bytes that are read of a file of rows */
#define ROW_MAX (64u << 10)   /* of one row */
#define ROWS_MOST 50000
#define SHOWN_MOST 400        /* rows of a table, lines of a file */

struct page
{
  struct buf *out;
  struct report_source *source;
  struct json_object *manifest, *incident, *verdict; /* the last two may be
                                                        NULL */
  uint64_t zero_ms; /* wall time that times are told from; 0 = none */
};

/* ---- text (html.c) ---- */

void html (struct page *p, const char *markup); /* our own */
void html_text (struct page *p, const char *s); /* anybody's; NULL is "" */
void html_bytes (struct page *p, const char *s, size_t len);
/* Of our own markup and numbers, without a %s of somebody else's. */
void html_printf (struct page *p, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));
/* "<td>" text "</td>" and the like. */
void html_in (struct page *p, const char *tag, const char *class_,
              const char *s);
/* An id or the part of an address behind "#": letters, digits, dashes. */
void html_id (struct page *p, const char *s);
/* A link to a file of the bundle, as its name is shown. */
void html_file (struct page *p, const char *name);
void section_begin (struct page *p, const char *id, const char *title);
void section_end (struct page *p);
void html_ms (struct page *p, int64_t ms);    /* "1.2 s" */
void html_bytes_of (struct page *p, uint64_t n); /* "12 KiB" */
void html_when (struct page *p, uint64_t wall_ms); /* from zero_ms, and UTC in
                                                      its title */
const char *str_of (struct json_object *obj, const char *key); /* never NULL */
size_t array_len (struct json_object *array); /* 0 when it is none */
/* A value as text, of any sort. */
void value_text (struct json_object *value, char *dst, size_t n);

/* ---- files (rows.c) ---- */

/* Each row of a file of JSON lines; those that are none are skipped.  False:
 * there is no such file. */
bool rows_each (struct page *p, const char *name,
                void (*fn) (struct json_object *row, void *arg), void *arg);

/* ---- sections ---- */

void report_verdict (struct page *p);
void report_ladder (struct page *p);
void report_findings (struct page *p);
void report_timeline (struct page *p);
void report_census (struct page *p);
void report_waits (struct page *p);
void report_metrics (struct page *p);
void report_work (struct page *p);
void report_words (struct page *p);
void report_facts (struct page *p);
void report_files (struct page *p);

extern const char report_style[];

#endif
