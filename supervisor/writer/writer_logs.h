/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer's console logs.  Disk thread only.
 *
 *   UUID/NAME.raw   the bytes as they came
 *   UUID/NAME.log   one line per line: host time, a mark, the text escaped
 *
 * A line begins with "2026-03-01T10:00:00.123Z" and two blanks, or "+ " when
 * it goes on where the last one stopped without its end having come.  Lines
 * that begin with "-- " are ours: no guest can write one.
 *
 * On a host with many lines a second, what quiet consoles say waits for more
 * of it, for up to seven seconds, in a memory file that outlives a writer that
 * is killed (logs_wait_in); else all is in the files at once.
 */
#ifndef HANGDOG_SUPERVISOR_WRITER_LOGS_H
#define HANGDOG_SUPERVISOR_WRITER_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct logs;

struct logs_limits
{
  uint64_t total;      /* all console logs together, default 1 GiB */
  uint64_t free_floor; /* this much of the volume stays free, 256 MiB */
  uint64_t rotate;     /* one file, default 4 MiB; less when the files of all
                          consoles together would not stay below the total */
  unsigned keep;       /* rotated ones of each, default 4 */
  unsigned max_files;  /* open at a time, default what the process may */
};

/* dirfd is duplicated. */
int logs_new (int dirfd, const struct logs_limits *limits, struct logs **ret,
              struct error *err);
void logs_free (struct logs *l);
/* Takes fd, a memory file: what waits is kept there.  What a writer before us
 * left in it is written first. */
int logs_wait_in (struct logs *l, int fd, struct error *err);

/* From now on; 0 = the default.  What is beyond is removed. */
void logs_limit (struct logs *l, uint64_t total, uint64_t free_floor);

/* Says who id is.  -EINVAL for a uuid or name that is no file name. */
int logs_declare (struct logs *l, uint32_t id, const char *uuid,
                  const char *name, uint64_t now_ms,
                  struct error *err);
/* Its console is gone.  What is still on its way comes until the sweep after
 * the next; then the id means nothing. */
void logs_close_id (struct logs *l, uint32_t id);
/* The ids of the last peer mean nothing any more. */
void logs_forget_ids (struct logs *l);
/* data, or (len 0) a gap. */
void logs_put (struct logs *l, uint32_t id, const void *data, size_t len,
               uint64_t gap, uint64_t wall_ms, uint64_t now_ms);
/* Once a second: lines without an end, room on the disk. */
void logs_sweep (struct logs *l, uint64_t now_ms);

/* What waits, of one guest or (NULL) of all, is written. */
void logs_flush (struct logs *l, const char *uuid, uint64_t now_ms);

/* True while what comes cannot be kept for want of room. */
bool logs_full (const struct logs *l);

struct logs_info
{
  char raw[192], clean[192]; /* relative to the folder of the logs */
  uint64_t bytes, gaps;      /* kept and not kept, since the start */
};
int logs_info (struct logs *l, const char *uuid, const char *name,
               struct logs_info *ret, struct error *err);

/* The end of the clean log of each of this guest's consoles, whole lines, at
 * most LOGS_TAIL bytes. */
#define LOGS_TAIL (256u << 10)
void logs_tail (struct logs *l, const char *uuid,
                void (*fn) (const char *console, const void *text, size_t len,
                            void *arg),
                void *arg);

struct logs_stats
{
  unsigned consoles, open_files;
  uint64_t bytes_on_disk, bytes, gaps, unknown;
};
void logs_stats (const struct logs *l, struct logs_stats *ret);

#endif
