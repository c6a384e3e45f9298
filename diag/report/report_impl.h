/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to diag/report: one page in the making, and its sections.
 */
#ifndef HANGDOG_DIAG_REPORT_IMPL_H
#define HANGDOG_DIAG_REPORT_IMPL_H

#include "diag/report/report.h"

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define ROWS_MAX (8u << 20)   /* bytes that are read of a file */
#define ALL_READ_MAX (24u << 20) /* of all files */
#define ROW_MAX (64u << 10)   /* of one row */
#define ROWS_MOST 50000
#define SHOWN_MOST 200        /* rows of a table */
#define FILES_READ 64
#define MARKS_MOST 64
#define OURS_MOST 16
#define CONSOLE_LOG "console/tail.log"
#define TEXT_SHOWN 1500      /* bytes of one text of somebody else's */

/* A file of the bundle, read once. */
struct file_text
{
  char name[128];
  bool there;
  struct buf text;
  unsigned nlines;
  unsigned from, to; /* lines of it that a section shows; 0 = none */
};

struct mark
{
  unsigned file, line;
  bool plain; /* only what was said around then: nothing rests on it */
};

struct report_tasks;

struct page
{
  struct buf *out; /* of the section in the making */
  struct report_source *source;
  struct json_object *manifest, *incident, *verdict; /* the last two may be
                                                        NULL */
  uint64_t zero_ms; /* wall time that times are told from; 0 = none */
  int64_t mono_to_wall;  /* what is added to clock_ms() of the host */
  int64_t guest_to_wall; /* to ms of the guest's own clock */
  bool knows_mono, knows_guest;
  bool guest_stood; /* its clock, when it was read */
  struct file_text *files[FILES_READ];
  unsigned nfiles;
  size_t read;
  struct mark marks[MARKS_MOST]; /* lines that something links to */
  unsigned nmarks;
  struct report_tasks *tasks;
  /* Lines of the console that came while hangdog typed there. */
  struct stretch
  {
    unsigned from, to;
  } ours[OURS_MOST];
  unsigned nours;
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
/* Whether the section has room for one more of a list. */
bool room (const struct page *p);
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
/* The name of a fact, which tells what it means; and its value with its
 * unit. */
void html_fact (struct page *p, const char *name);
void html_value (struct page *p, const char *name, const char *value);
/* A link to the page of another incident, unpacked beside this one. */
void html_incident (struct page *p, const char *id);
/* "2026-01-02T03:04:05.678Z" as ms. */
int iso_ms (const char *text, uint64_t *ret);

/* ---- files (files.c) ---- */

/* NULL: there is no such file.  It stays until the page is done. */
struct file_text *file_read (struct page *p, const char *name);
void files_done (struct page *p);
/* The first line from `from` on that has `what`, 0 = none; lines count from
 * 1. */
unsigned file_line_with (const struct file_text *f, const char *what,
                         unsigned from);
/* Calls fn with each line, without its end. */
void file_lines (const struct file_text *f,
                 void (*fn) (unsigned n, const char *line, size_t len,
                             void *arg),
                 void *arg);
/* Each row of a file of JSON lines, with the number of its line; those that
 * are none are skipped.  False: there is no such file. */
bool rows_each (struct page *p, const char *name,
                void (*fn) (struct json_object *row, unsigned line, void *arg),
                void *arg);

/* ---- places (places.c): where in the files a thing stands ---- */

/* A link to that line, shown below with what is around it; line 0: the file
 * itself. */
void html_place (struct page *p, const char *file, unsigned line);
/* The same, of a line that is linked because of its time alone: it is not
 * shown as evidence. */
void html_place_plain (struct page *p, const char *file, unsigned line);
/* A place of evidence that has none of its own: of a fact.  False: nobody
 * knows. */
bool place_of_fact (struct page *p, const char *source, const char *name,
                    const char *value, const char **ret_file,
                    unsigned *ret_line);
/* Where a line that an event of the kernel's text begins with stands. */
bool place_of_text (struct page *p, const char *text, const char **ret_file,
                    unsigned *ret_line);
/* Text of ours that may name files of the bundle: each becomes a link. */
void html_prose (struct page *p, const char *text);
/* Lines from..to of a file, each with its address. */
void html_lines (struct page *p, const struct file_text *f, unsigned from,
                 unsigned to);

/* ---- times (times.c) ---- */

void times_learn (struct page *p);
/* One axis of before and after zero_ms, each part with a scale of its own. */
struct axis
{
  uint64_t from, zero, to;
};
double axis_at (const struct axis *a, double wall_ms); /* 0..100 */
void axis_draw (struct page *p, const struct axis *a, unsigned high);

/* ---- sections ---- */

void report_verdict (struct page *p);
void report_children (struct page *p);
void report_ladder (struct page *p);
void report_findings (struct page *p);
void report_timeline (struct page *p);
void report_census (struct page *p);
void report_waits (struct page *p);
void report_metrics (struct page *p);
void report_work (struct page *p);
void report_words (struct page *p);
void report_places (struct page *p);
void report_facts (struct page *p);
void report_files (struct page *p);

/* Parts of report_metrics(): true = there was something. */
bool report_pressure (struct page *p);
bool report_moved (struct page *p);

extern const char report_style[];
extern const char report_style_hash[]; /* "sha256-...", checked by a test */

#endif
