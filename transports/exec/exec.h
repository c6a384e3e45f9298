/* SPDX-License-Identifier: Apache-2.0
 *
 * A program of the operator's on this host, run by a process of its own
 * (hangdog-exec), which ends with all that the program has started.
 *
 * Who names it may be a stranger (a scenario may come from a controller), so
 * it is a name in one of the folders of the configuration, and neither it nor
 * its folder may be writable by others.
 */
#ifndef HANGDOG_TRANSPORTS_EXEC_H
#define HANGDOG_TRANSPORTS_EXEC_H

#include "base/buf.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

struct error;
struct guest;
struct transport_env;

#define EXEC_MAX_OUTPUT (64u << 10) /* of stdout, and of stderr */
#define EXEC_MAX_ARGS 32

struct exec_program
{
  const char *name;
  const char *const *args; /* behind its name */
  size_t nargs;
  struct json_object *environ; /* "HANGDOG_...": strings; what it gets beside
                                  PATH and LC_ALL */
};

enum exec_end
{
  EXEC_EXITED,
  EXEC_SIGNAL,   /* it ended by one that nobody here has sent */
  EXEC_TIMEOUT,  /* it was ended at the deadline */
  EXEC_UNUSABLE, /* it was not started: detail says why, and what to do */
  EXEC_STUCK,    /* who runs it did not come back */
  EXEC_END_MAX,
};

struct exec_result
{
  enum exec_end end;
  int status; /* or the signal */
  unsigned killed; /* of what it has started: those that it left behind */
  bool left;       /* and some of them are stuck in the kernel */
  bool cut;        /* it said more than is kept */
  struct buf output, errors;
  char detail[256]; /* not escaped */
};

static inline void
exec_result_done (struct exec_result *r)
{
  buf_done (&r->output);
  buf_done (&r->errors);
}

/* In a job, back half a second after the deadline at the latest; < 0 only for
 * our own failures. */
int exec_run (const struct transport_env *env,
              const struct exec_program *program, uint64_t deadline,
              struct exec_result *ret, struct error *err);

/* What a program is told of a guest, and one thing more of it; guests' own
 * words are among it, so all is escaped. */
struct json_object *exec_environ (const struct guest *g);
void exec_tell (struct json_object *told, const char *key, const char *value);

/* ---- between it and hangdog-exec ---- */

/* {"op": "run", "dirs": [...], "name", "args": [...], "environ": {...},
 * "timeout_ms"} is answered by {"op": "end", "end", "status", "killed",
 * "left", "cut", "output": how many bytes of the body are stdout,
 * "detail"}. */
extern const char *const exec_end_names[];

#endif
