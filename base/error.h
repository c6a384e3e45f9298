/* SPDX-License-Identifier: Apache-2.0
 *
 * The one error rule of the house.
 *
 * A function that can fail returns int: 0 (or a count) when well, a negative
 * errno value when not, and takes `struct error *err` as its last parameter.
 * It fills err only on failure, and touches none of its ret_ outputs then.
 * The caller owns err, usually on its stack, so that failing never allocates.
 * Context is added from the inside out:
 *
 *     if (open_it (path, &fd, err) < 0)
 *       return error_wrap (err, "reading the pid file");
 *
 * reads "reading the pid file: /run/x/pid: No such file or directory".
 * err may be NULL everywhere: then only the code is returned.  Messages say
 * what, where, and, if there is something to do, what to do.
 */
#ifndef HANGDOG_BASE_ERROR_H
#define HANGDOG_BASE_ERROR_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>

struct error
{
  int code;       /* positive errno value; 0 = nothing set */
  char msg[504];  /* always NUL terminated; cut with "..." when too long */
  /* Where in a document it is, for those who do not want to read it out of
   * msg; line 0 = it is not about one.  The path of the value and what is
   * said of it are pieces of msg. */
  unsigned line, column;
  unsigned short path_at, path_len, what_at;
};

#define ERROR_INIT { .code = 0 }

/* Sets err to code and the message; returns -code. */
int error_set (struct error *err, int code, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));

/* As error_set, with ": <strerror>" appended to the message. */
int error_errno (struct error *err, int code, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));

/* Puts "context: " before the message; returns -err->code (or -EIO if err
 * is NULL: keep the code yourself where it matters). */
int error_wrap (struct error *err, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));

/* Says where in a document the error that is set is. */
void error_place (struct error *err, size_t line, size_t column,
                  size_t path_at, size_t path_len, size_t what_at);

/* The message, never NULL, also for an err that was not set. */
const char *error_text (const struct error *err);

#endif
