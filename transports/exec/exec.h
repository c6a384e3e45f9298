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
struct job;
struct transport_env;

#define EXEC_MAX_OUTPUT (64u << 10) /* of stdout, and of stderr */
#define EXEC_MAX_ARGS 32
#define EXEC_MAX_LEFT (4u << 20) /* of the files that it left, together */
#define EXEC_MAX_FILES 32
/* The variable that names the folder for them. */
#define EXEC_FOLDER "HANGDOG_OUTPUT"

/* Who is given the files that a program left. */
struct exec_left
{
  /* The next piece; name: its bytes as text, no "/". */
  void (*piece) (void *arg, const char *name, const void *data, size_t len);
  /* What is not there, or not all of it; "": of none in particular. */
  void (*gap) (void *arg, const char *name, const char *why);
  void *arg;
};

struct exec_program
{
  const char *name;
  const char *const *args; /* behind its name */
  size_t nargs;
  struct json_object *environ; /* "HANGDOG_...": strings; what it gets beside
                                  PATH and LC_ALL */
  /* Not NULL: it is ended as soon as that job is to stop. */
  const struct job *job;
  /* Not NULL: it gets an empty folder of its own, and what it left there is
   * handed over before exec_run() returns. */
  const struct exec_left *left;
};

enum exec_end
{
  EXEC_EXITED,
  EXEC_SIGNAL,   /* it ended by one that nobody here has sent */
  EXEC_TIMEOUT,  /* it was ended at the deadline */
  EXEC_FULL,     /* it was ended: it did not stop to fill its folder */
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
 * our own failures, and -ECANCELED when the job was to stop. */
int exec_run (const struct transport_env *env,
              const struct exec_program *program, uint64_t deadline,
              struct exec_result *ret, struct error *err);
/* How long such a program has until then, as exec_run() would tell it. */
uint64_t exec_time (const struct exec_program *program, uint64_t deadline);
/* In a job: removes folders that were left when whoever ran a program was
 * killed. */
int exec_sweep (const struct transport_env *env, uint64_t deadline,
                struct error *err);

/* What a program is told of a guest, and one thing more of it; guests' own
 * words are among it, so all is escaped. */
struct json_object *exec_environ (const struct guest *g);
void exec_tell (struct json_object *told, const char *key, const char *value);

/* ---- between it and hangdog-exec ---- */

/* {"op": "run", "dirs": [...], "name", "args": [...], "environ": {...},
 * "timeout_ms"} is answered by {"op": "end", "end", "status", "killed",
 * "left", "cut", "output": how many bytes of the body are stdout,
 * "detail"}.  With "folder", in which one is to be made, there follow
 * {"op": "file", "name"} with a piece of it as body, {"op": "gap", "name",
 * "why"}, and {"op": "done"}.  {"op": "sweep", "folder"} is answered by
 * {"op": "done"}. */
extern const char *const exec_end_names[];

#endif
