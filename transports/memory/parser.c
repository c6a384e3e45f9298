/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a parser.
 */
#include "transports/memory/parser.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/json_scan.h"
#include "base/text.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define MAX_ARGS 16
#define FOLLOW_MS 500 /* for it to end by itself */
#define DIE_MS 2000   /* for the kernel to end it */

struct parser_run
{
  struct helper is;
  uint64_t begun_us;
};

/* ---- start ---- */

static int
fill_args (const struct parser_spec *spec, char *inputs, char *deadline,
           const char *argv[MAX_ARGS], struct error *err)
{
  unsigned n = 0;

  argv[n++] = "--inputs";
  argv[n++] = inputs;
  if (spec->deadline_ms)
    {
      argv[n++] = "--deadline";
      argv[n++] = deadline;
    }
  for (const char *const *a = spec->args; *a; a++)
    {
      if (n == MAX_ARGS - 1)
        return error_set (err, E2BIG, "too many words for a parser");
      argv[n++] = *a;
    }
  argv[n] = NULL;
  return 0;
}

int
parser_run_start (const struct parser_spec *spec, struct parser_run **ret,
                  struct error *err)
{
  const char *argv[MAX_ARGS];
  const struct helper_spec how = { .libexec = spec->libexec,
                                   .program = spec->program,
                                   .args = argv,
                                   .fds = spec->inputs,
                                   .nfds = spec->ninputs,
                                   .environ = true };
  CLEANUP_FREE struct parser_run *p = NULL;
  struct error why = ERROR_INIT;
  char inputs[16], deadline[32];
  int r;

  if (spec->ninputs == 0 || spec->ninputs > PARSER_MAX_INPUTS)
    return error_set (err, EINVAL, "%u inputs for a parser", spec->ninputs);
  snprintf (inputs, sizeof inputs, "%u", spec->ninputs);
  snprintf (deadline, sizeof deadline, "%llums",
            (unsigned long long) spec->deadline_ms);
  r = fill_args (spec, inputs, deadline, argv, err);
  if (r < 0)
    return r;
  p = calloc (1, sizeof *p);
  if (!p)
    return error_set (err, ENOMEM, "no memory");
  *p = (struct parser_run){ .is = HELPER_INIT, .begun_us = clock_us () };
  r = helper_start (&how, &p->is, &why);
  if (r < 0)
    return error_set (err, r == -ENOEXEC ? EIO : -r, "%s", error_text (&why));
  *ret = steal_ptr (&p);
  return 0;
}

/* ---- questions and answers ---- */

/* A stream that ends is a parser that ended. */
static int
ended (int r, struct error *err)
{
  if (r == -ETIMEDOUT)
    return error_set (err, ETIMEDOUT,
                      "the parser process did not answer in time");
  return error_set (err, EBADMSG,
                    "the parser process ended without an answer (what it read "
                    "is damaged or hostile)");
}

int
parser_run_ask (struct parser_run *p, struct json_object *head,
                const void *body, size_t len, uint64_t deadline,
                struct error *err)
{
  int r = frame_write (p->is.sock, head, body, len, NULL, 0, deadline, err);

  json_object_put (head);
  return r == -EPIPE || r == -ECONNRESET || r == -ETIMEDOUT ? ended (r, err)
                                                            : r;
}

int
parser_run_listen (struct parser_run *p, uint64_t deadline, parser_frame_fn *fn,
                   void *arg, struct error *err)
{
  for (;;)
    {
      CLEANUP_FRAME struct frame f = { 0 };
      int r = frame_read (p->is.sock, &f, deadline, err);

      if (r < 0)
        return ended (r, err);
      r = fn (&f, arg);
      if (r != 0)
        return r;
    }
}

/* ---- the end ---- */

void
parser_run_end (struct parser_run *p, bool now, struct parser_end *ret)
{
  struct parser_end end = { .status = -1 };
  struct rusage usage = { 0 };
  int status = 0;
  bool gone;

  if (!p)
    return;
  close (p->is.sock);
  gone = !now
         && helper_wait (&p->is, clock_ms () + FOLLOW_MS, &status, &usage);
  if (!gone)
    {
      kill (p->is.pid, SIGKILL);
      gone = helper_wait (&p->is, clock_ms () + DIE_MS, &status, &usage);
    }
  end.left = !gone;
  end.wall_us = clock_us () - p->begun_us;
  end.cpu_us
      = (uint64_t) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000
        + (uint64_t) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  end.peak_bytes = (uint64_t) usage.ru_maxrss * 1024;
  gone = gone && status != -1;
  if (gone && WIFSIGNALED (status))
    end.signal = WTERMSIG (status);
  if (gone && WIFEXITED (status))
    end.status = WEXITSTATUS (status);
  if (ret)
    *ret = end;
  free (p);
}

/* ---- what it says ---- */

/* JSON has nothing against DEL, the second set of control characters and what
 * turns the direction of text; a terminal acts on them. */
static bool
is_quiet (const char *line, size_t len)
{
  struct buf shown CLEANUP_BUF = BUF_INIT (len + 1);
  bool plain = true;

  for (size_t i = 0; i < len && plain; i++)
    plain = line[i] >= 0x20 && line[i] < 0x7f;
  if (plain)
    return true;
  /* What is escaped grows. */
  text_escape (&shown, line, len, 0);
  return shown.len == len && !shown.cut;
}

int
parser_lines_check (const char *lines, size_t len, size_t max,
                    struct error *err)
{
  struct json_fault fault;

  while (len > 0)
    {
      const char *end = memchr (lines, '\n', len);
      size_t n = end ? (size_t) (end - lines) : len, values;

      if (!end || n == 0 || n > max || lines[0] != '{' || !is_quiet (lines, n)
          || json_scan (lines, n, JSON_WIRE, NULL, &values, &fault) < 0)
        return error_set (err, EBADMSG,
                          "the parser process said what is no row (what it "
                          "read is hostile)");
      lines += n + 1;
      len -= n + 1;
    }
  return 0;
}
