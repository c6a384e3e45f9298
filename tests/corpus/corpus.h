/* SPDX-License-Identifier: Apache-2.0
 *
 * What the measurements of kernel/text share: labelled logs, what a reader
 * finds in them, and what they look like when they are spoilt.
 */
#ifndef HANGDOG_TESTS_CORPUS_H
#define HANGDOG_TESTS_CORPUS_H

#include "kernel/text/reader.h"

struct buf;
struct error;

/* ---- labelled logs ---- */

enum group
{
  GROUP_NONE,      /* no crash: nothing may be raised */
  GROUP_CORE,      /* what any guest may have */
  GROUP_FENCE,     /* KFENCE and UBSAN: some guests have them */
  GROUP_SANITIZER, /* KASAN, KMSAN, KCSAN, leaks */
  GROUP_LOCKDEP,
  GROUP_APART, /* other programmes' troubles: listed, not counted */
  GROUP_MAX,
};
extern const char *const group_names[];

#define MAX_ALTS 8

struct sample
{
  char name[256]; /* of the file */
  char title[256], type[48], frame[128];
  char alt[MAX_ALTS][256];
  unsigned nalts;
  bool corrupted;
  enum group group;
  char *text;      /* the whole file, malloc'ed */
  const char *log; /* what a console said, within text */
  size_t len;
};

struct samples
{
  struct sample *list;
  size_t count, bytes;
};

/* All files of a folder, by name.  labelled: with header lines before the
 * log. */
int samples_load (const char *folder, bool labelled, struct samples *ret,
                  struct error *err);
void samples_done (struct samples *s);

/* ---- what is found ---- */

#define MAX_FOUND 512

struct found
{
  struct text_event *list; /* in order of their first lines */
  unsigned count, lost;    /* lost: beyond MAX_FOUND */
  unsigned infos;          /* not in the list: no alarms */
};

/* Reads a log in one piece. */
int found_read (const struct text_rules *rules, const char *log, size_t len,
                struct found *ret, struct error *err);
void found_done (struct found *f);
/* The one that counts, NULL = none. */
const struct text_event *found_first (const struct found *f);

bool same_type (const char *wanted, const char *got);
/* "KASAN-READ" and "KASAN-WRITE" are one class. */
bool same_class (const char *wanted, const char *got);
bool same_title (const struct sample *s, const struct text_event *e);

/* ---- lines, told apart without the help of what is measured ---- */

/* What stands behind stamps and callers. */
const char *line_body (const char *line, size_t len, size_t *ret_len);
bool body_is_frame (const char *body, size_t len);
/* Frames, registers, code, and the lines around them. */
bool body_is_stack (const char *body, size_t len);
/* And what names the CPU, the hardware, the modules, the locks. */
bool body_is_context (const char *body, size_t len);
bool log_has_frames (const char *log, size_t len);

/* ---- spoilt logs ---- */

struct dice
{
  uint64_t state;
};
uint64_t dice_next (struct dice *d);
/* 0 to n - 1. */
uint64_t dice_below (struct dice *d, uint64_t n);

enum mutation
{
  MUTATION_STRIPPED, /* no stacks, no registers */
  MUTATION_HEADS,    /* heads only: nor CPU, hardware, modules, locks */
  MUTATION_LEVEL4,   /* what a quiet console shows */
  MUTATION_DROP1,    /* of 100 lines, so many are lost */
  MUTATION_DROP3,
  MUTATION_DROP5,
  /* Nothing is missing; it was read elsewhere: */
  MUTATION_LEVELS,   /* "<6>[  1.0] ...": dmesg -r, pstore */
  MUTATION_SYSLOG,   /* "Nov 20 14:02:40 host kernel: ..." */
  MUTATION_ISO,      /* "2026-11-20T14:02:40+0000 host kernel: ..." */
  MUTATION_TERMINAL, /* CR, colours, a login prompt in the way */
  MUTATION_BARE,     /* no stamps, no callers */
  MUTATION_MAX,
};
extern const char *const mutation_names[];

/* Whether a guest of this sort would say anything at all. */
bool mutation_fits (enum mutation m, const struct sample *s);
void mutate (enum mutation m, const struct sample *s, struct dice *d,
             struct buf *out);
/* Two logs on one console, a few lines of each at a time. */
void mutate_mix (const struct sample *a, const struct sample *b, struct dice *d,
                 struct buf *out);

/* ---- measurements; each prints its rows and returns how many promises were
 * broken, or < 0 ---- */

struct measure
{
  const struct text_rules *rules;
  uint64_t seed;
  bool verbose;
};

/* "what  n/of  percent  (wanted ...: held)"; wanted 0 = none. */
int measure_row (const char *what, unsigned n, unsigned of, double wanted);

int measure_labels (const struct measure *m, const struct samples *s,
                    struct error *err);
int measure_satyr (const struct measure *m, const struct samples *s,
                   const char *expected, struct error *err);
int measure_captures (const struct measure *m, const char *folder,
                      struct error *err);
int measure_quiet (const struct measure *m, const struct samples *s,
                   struct error *err);
/* The same events however the text was cut. */
int measure_chunks (const struct measure *m, const struct samples *s,
                    const char *what, unsigned rounds, struct error *err);

#endif
