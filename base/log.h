/* SPDX-License-Identifier: Apache-2.0
 *
 * The programme's own log, for main programs and the supervisor: library code
 * in the rooms neither logs nor exits, it returns errors and publishes facts.
 * One line per event on stderr: JSON when not a terminal (level, time, msg,
 * pid, func, file and, for a guest's line, guest and appuuid), plain text on
 * one.  Messages are escaped (text_escape) and cut to fit a line of PIPE_BUF
 * bytes.  log_open() comes before there are threads; log_at() may be called
 * from any.  A stderr that takes nothing for 100 ms loses the line; the next
 * one that goes out says how many were lost.
 *
 * guest is the guest's name or NULL; where it begins with a UUID, as on EVE,
 * that becomes appuuid.
 */
#ifndef HANGDOG_BASE_LOG_H
#define HANGDOG_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum log_level
{
  LOG_LEVEL_DEBUG,
  LOG_LEVEL_INFO,
  LOG_LEVEL_WARN,
  LOG_LEVEL_ERROR,
};

void log_open (const char *program, enum log_level least, bool json);
/* From then on the last lines are kept as JSON, at most `bytes` of them, for
 * who tells of what happened just now; after log_open(). */
void log_keep (size_t bytes);
/* Of those since from_wall_ms: what is about that guest, by the name that it
 * was logged by, or about none; NULL: about all.  Whole lines, the oldest
 * first, and of these the last that out has room for. */
void log_kept (const char *guest, uint64_t from_wall_ms, struct buf *out);
/* How many bytes are kept now. */
size_t log_kept_bytes (void);
void log_at (enum log_level level, const char *guest, const char *file,
             const char *func, const char *fmt, ...)
    __attribute__ ((format (printf, 5, 6)));

#define log_debug(...)                                                        \
  log_at (LOG_LEVEL_DEBUG, 0, __FILE__, __func__, __VA_ARGS__)
#define log_info(...)                                                         \
  log_at (LOG_LEVEL_INFO, 0, __FILE__, __func__, __VA_ARGS__)
#define log_warn(...)                                                         \
  log_at (LOG_LEVEL_WARN, 0, __FILE__, __func__, __VA_ARGS__)
#define log_error(...)                                                        \
  log_at (LOG_LEVEL_ERROR, 0, __FILE__, __func__, __VA_ARGS__)
#define log_guest(level, guest, ...)                                          \
  log_at (level, guest, __FILE__, __func__, __VA_ARGS__)

#endif
