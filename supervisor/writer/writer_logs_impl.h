/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two files of the console logs share.
 */
#ifndef HANGDOG_SUPERVISOR_WRITER_LOGS_IMPL_H
#define HANGDOG_SUPERVISOR_WRITER_LOGS_IMPL_H

#include "base/buf.h"
#include "supervisor/writer/writer_log_wait.h"
#include "supervisor/writer/writer_logs.h"

#define LINE_BYTES (8u << 10)
/* The clean text of one record: each byte may become an escape of four. */
#define CLEAN_BYTES (1u << 20)
#define UNKNOWN_BYTES (256u << 10)
#define LOGS_TOTAL (1u << 30)
#define LOGS_FREE_FLOOR (256u << 20)

enum log_file
{
  FILE_RAW,
  FILE_CLEAN,
  FILE_MAX,
};

struct console
{
  char uuid[65], name[65];
  int fd[FILE_MAX];
  uint64_t size[FILE_MAX], ino[FILE_MAX];
  struct console *newer, *older; /* of those with open files */
  bool in_lru, declared, greeted;

  /* The line that has no end yet. */
  struct buf line;
  uint64_t line_cut;  /* bytes of it beyond LINE_BYTES */
  uint64_t line_wall; /* when it began */
  uint64_t line_ms;   /* when it last grew, clock_ms() */
  bool line_open, line_goes_on;

  struct buf clean;       /* lines that are not in the file yet */
  struct wait_slot *wait; /* bytes that are not in the raw one; NULL = none */
  uint64_t wait_ms;       /* since when */

  uint64_t gap; /* lost, and not yet said so in the clean log */
  const char *gap_why;
  uint64_t info_bytes, info_gaps;
};

struct logs
{
  int dirfd;
  struct logs_limits limits;
  struct console **consoles;
  size_t count, cap;
  struct console **by_id;
  size_t cap_ids;
  unsigned closed; /* sweeps until ids of gone consoles are taken off */
  struct console *newest, *oldest;
  unsigned open_files;
  uint64_t on_disk;
  uint64_t full_until; /* clock_ms(): no write is tried before */
  struct wait_room *room; /* NULL: all is written at once */
  unsigned puts;          /* records since the last sweep */
  bool busy;              /* so many of them that they wait for each other */
  struct buf unknown;  /* records of ids that nobody declared yet */
  uint64_t unknown_ms;
  uint64_t stats_bytes, stats_gaps, stats_unknown;
};

struct console *logs_find_ (struct logs *l, const char *uuid,
                            const char *name);
int logs_open_file (struct logs *l, struct console *c, enum log_file f);
int logs_rotate (struct logs *l, struct console *c, enum log_file f);
/* How large a file may grow. */
uint64_t logs_rotate_at (const struct logs *l);
/* Removes the oldest rotated files, then what current ones hold beyond
 * logs_rotate_at() (the limit was higher once), then those of consoles that
 * nobody declared, until there is some air below the limit. */
void logs_prune (struct logs *l);
void logs_measure (struct logs *l);
void logs_close_oldest (struct logs *l, const struct console *keep);

void log_text_gap_ (struct buf *out, uint64_t bytes, const char *why);
/* The line as it stands becomes a line of the log. */
void log_text_end_ (struct console *c, struct buf *out, bool whole);
void log_text_put_ (struct console *c, struct buf *out, const char *p,
                    size_t len, uint64_t wall_ms, uint64_t now_ms);

void logs_keep_unknown (struct logs *l, uint32_t id, const void *data,
                        size_t len, uint64_t gap, uint64_t wall_ms,
                        uint64_t now_ms);
void logs_take_unknown (struct logs *l, uint32_t id, uint64_t now_ms);
void logs_drop_unknown (struct logs *l);

#endif
