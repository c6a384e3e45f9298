/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog classify, in pieces: what is read (classify_input.c), and how it is
 * told (classify_print.c).
 */
#ifndef HANGDOG_SUPERVISOR_CLI_CLASSIFY_H
#define HANGDOG_SUPERVISOR_CLI_CLASSIFY_H

#include "kernel/text/reader.h"
#include "supervisor/conf/conf_local.h"
#include "supervisor/text/text_rules.h"

#include <stdbool.h>
#include <stdio.h>

struct cli;
struct error;
struct kept;

/* The rules that a daemon with that configuration would have. */
int local_rules (const struct config *cfg, struct text_rules_read *ret,
                 struct error *err);
/* Says on stderr which files are not taken. */
void local_rules_faults (const struct text_rules_read *r);

/* Those, or with --shipped ours alone; and before them those of all --rules
 * FILE that cli has. */
int classify_rules (struct cli *cli, struct text_rules **ret,
                    struct error *err);
/* Those of a file before all there are; its samples are tried. */
int classify_add_rules (struct text_rules *rules, const char *path,
                        struct error *err);

enum tell
{
  TELL_TEXT,
  TELL_JSON,
  TELL_NAGIOS, /* one line and an exit code each, as these expect */
  TELL_NPD,
};

struct classify
{
  const struct text_rules *rules;
  enum tell how;
  bool follow, explain, all;
  bool many; /* files: events say which */
  FILE *out; /* where events go: stdout, or memory until all is read */
  unsigned severity[SEVERITY_MAX];
  unsigned hidden; /* events that only --all shows */
  uint64_t unshown; /* those for which `out` has no room: see --json */
  uint64_t lines, bytes, boots;
  uint64_t given_up; /* expressions that took too many steps */
  struct stage stage; /* where the last file ends */
  uint64_t troubles; /* events that are no remarks */
  char worst[TEXT_TITLE_MAX];
  enum text_severity worst_severity;
  bool troubled;
};

/* Reads all of them, one after the other; those that live (a pipe, or with
 * --follow) at the same time.  Says on stderr what cannot be read.  0, or the
 * exit code for that. */
int classify_files (struct classify *c, char *const *files, int n);

/* Whether a file that begins so is of a sort that must be unpacked before it
 * is read; then err says how, for that verb ("classify -"). */
int packed_check (const char *name, const char *p, size_t len,
                  const char *verb, struct error *err);

/* ---- telling ---- */

/* An event of a file.  kept: its latest lines, NULL without --explain. */
void classify_event (struct classify *c, const char *file,
                     const struct text_event *e, const struct kept *kept);
/* Where a file without any trouble ends: a guest that stands still there is
 * not well, though nobody said a word about it. */
void classify_stands (struct classify *c, const char *file,
                      const struct stage *stage);
/* All is read: what is not told yet.  Returns the exit code for what was
 * found; bad is that for what could not be read, 0 = nothing. */
int classify_end (struct classify *c, int bad);

/* The latest lines of a text, for --explain: bounded. */
int kept_new (struct kept **ret, struct error *err);
void kept_free (struct kept *k);
void kept_line (struct kept *k, const struct text_msg *msg);
/* Calls fn for those from first to last that are still there. */
void kept_each (const struct kept *k, uint64_t first, uint64_t last,
                void (*fn) (uint64_t number, const char *text, void *arg),
                void *arg);

#endif
