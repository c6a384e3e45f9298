/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line.  One file per verb, one line in the table of main.c; this
 * is what verbs share.  Links no libvirt, ssh or curl.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_H
#define HANGDOG_SUPERVISOR_CLI_H

#include "base/channel.h"

#include <stdbool.h>
#include <stdio.h>

struct error;

enum exit_code
{
  EXIT_WELL = 0,
  EXIT_ERROR = 1,
  EXIT_USAGE = 2,
  EXIT_TROUBLE = 3,
  EXIT_DEGRADED = 4,
  EXIT_PARTIAL = 5,
  EXIT_NO_VERDICT = 6,
};

/* Options that every verb takes, wherever they stand. */
struct cli
{
  const char *run_path, *state_path, *config_path, *libexec;
  bool json;
  /* How it ends when the answer could not be given to whoever asked: 1 is a
   * warning for the caller of a plugin. */
  int untold;
  int argc;    /* what is left: argv[0] is the verb */
  char **argv;
};

struct verb
{
  const char *name;
  const char *args;    /* "GUEST [--playbook NAME]" */
  const char *summary; /* one line */
  const char *help;    /* options and examples */
  int (*run) (struct cli *cli);
};
extern const struct verb *const verbs[]; /* ends with NULL */

/* One per verb. */
extern const struct verb verb_daemon, verb_list, verb_status, verb_probe,
    verb_diagnose, verb_incidents, verb_spool, verb_console, verb_doctor,
    verb_dump, verb_scenario, verb_config, verb_bundle, verb_report, verb_wait,
    verb_controller, verb_sysrq, verb_tables, verb_completion, verb_version,
    verb_classify, verb_rules, verb_inspect, verb_core, verb_mailbox,
    verb_playbook;

/* Takes --NAME VALUE (or --NAME=VALUE) out of argv; NULL when it is not
 * there.  cli_flag: --NAME without a value. */
const char *cli_option (struct cli *cli, const char *name);
bool cli_flag (struct cli *cli, const char *name);
/* The n-th argument after the verb, NULL when there are fewer. */
const char *cli_arg (const struct cli *cli, int n);
/* Complains about arguments that nobody took, with the verb's usage.
 * Returns EXIT_USAGE, or 0 when all is well. */
int cli_rest (const struct cli *cli, const struct verb *verb, int max_args);
int cli_usage (const struct verb *verb, const char *why);
/* A word that the verb can do nothing with. */
int cli_unknown (const struct verb *verb, const char *what);
/* The same where it has to be one of these (NULL at the end): which one may be
 * meant is said. */
int cli_no_word (const struct verb *verb, const char *what,
                 const char *const *words);
/* cli_rest() for a verb that is about one guest: it must be named. */
int cli_guest (const struct cli *cli, const struct verb *verb,
               const char **ret_guest);
/* Prints err as "hangdog: ..." and returns the exit code that fits it. */
int cli_fail (const struct error *err);

/* A command line for one of our own programs, which live in libexec.  It
 * borrows its words; those that do not fit are an error of cli_exec(). */
struct program
{
  const char *name;
  char *args[128]; /* ends with NULL */
  unsigned n;
  bool full;
};
void program_init (struct program *p, const char *name);
void program_arg (struct program *p, const char *arg);
/* What is left of the caller's own arguments, from the n-th on. */
void program_rest (struct program *p, const struct cli *cli, int n);
/* A keeper for the folders and the configuration that cli names. */
void program_keeper (struct program *p, const struct cli *cli);
/* Why the program at path could not be run, errno being code. */
void program_failed (const char *path, int code, struct error *err);
/* Becomes it; returns an exit code when that cannot be. */
int cli_exec (struct cli *cli, const struct program *p);

/* Runs it, and calls fn for each row of JSON that it says; its exit code, or
 * EXIT_ERROR when it could not be run. */
int program_rows (const struct cli *cli, const struct program *p,
                  void (*fn) (struct json_object *row, void *arg), void *arg);

void cli_nap (unsigned ms);

/* What `scenario test --from` takes. */
extern const char *const console_words[];

/* Guests that are seen on this host and not supported, a line each on
 * stderr. */
void unsupported_lines (void);
/* Calls fn for each of them. */
void unsupported_each (void (*fn) (const char *what, const char *why,
                                   void *arg),
                       void *arg);

/* `doctor` without a guest. */
int doctor_host (struct cli *cli);
/* What doctor found, with and without a guest: "ok", "warn", "bad". */
struct doctor_count
{
  unsigned ok, warn, bad;
};
void doctor_add (struct doctor_count *n, const char *state);
/* The last line, and the exit code. */
int doctor_end (const struct doctor_count *n, bool json);

/* ---- the daemon ---- */

struct client;
/* Connects; without a running daemon and with `start` a private one is
 * started in its place, under the same lock, and stopped by client_close().
 * It has looked at all its sources when this returns. */
int client_open (const struct cli *cli, bool start, struct client **ret,
                 struct error *err);
void client_close (struct client *c);
int client_socket (const struct client *c);

/* fn is called per row (head and body); returning non-zero ends the call with
 * that value.  The last row (without "more") is given too when it has members
 * of its own.  0 or a negative error. */
typedef int client_row_fn (struct json_object *row, const void *body,
                           size_t body_len, void *arg);
int client_call (struct client *c, struct json_object *head,
                 client_row_fn *fn, void *arg, struct error *err);
/* The same for whole frames, which may bring descriptors; also those without
 * anything in them. */
typedef int client_frame_fn (struct frame *f, void *arg);
int client_call_frames (struct client *c, struct json_object *head,
                        client_frame_fn *fn, void *arg, struct error *err);
/* The member "error" of an answer. */
int client_error (struct json_object *e, struct error *err);
struct json_object *client_request (const char *op, const char *guest);
/* One request and nothing else: opens, calls, closes, says what failed.
 * Takes head.  EXIT_WELL, or the exit code for what was said. */
int cli_ask (const struct cli *cli, bool start, struct json_object *head,
             client_row_fn *fn, void *arg);

/* ---- printing ---- */

/* A row as one line of JSON. */
void print_json (struct json_object *row);
/* The same of one that does not say itself what it is a row of. */
void print_json_as (struct json_object *row, const char *kind);
/* What a row "daemon" says is wrong with hangdog itself, so that it would not
 * tell what is wrong with guests; NULL: nothing. */
const char *daemon_trouble (struct json_object *row);
/* A member of it, "" when it has none. */
const char *row_str (struct json_object *row, const char *key);
/* Of a row "incident": "collecting", "packed, of 3f2a1b4c". */
const char *incident_now (struct json_object *row, char *dst, size_t n);
/* Guest text: escaped. */
void print_text (FILE *to, const char *s);

/* The same after a label, wrapped on a terminal, and a newline. */
void print_paragraph (FILE *to, const char *label, const char *s);
/* Clears the terminal and shows what fits, from the top. */
void print_screen (const char *text);
/* Short: "850ms", "3.2s", "19s", "3m12s", "2h5m", "4d3h". */
const char *print_age (char *dst, size_t n, uint64_t ms);

/* A table whose columns are as wide as they need be.  On a terminal the last
 * one is wrapped to what is left; it is the one for text. */
struct table;
struct table *table_new (const char *const *titles);
void table_row (struct table *t, const char *const *cells);
/* By the first column, "web-2" before "web-10". */
void table_sort (struct table *t);
void table_print (struct table *t, FILE *to);
void table_free (struct table *t);

/* An answer that is a list: with --json the rows as they are, else a first
 * line "WHAT=rows" for programs and a table.  fn gets the listing as arg
 * and calls listing_row() for what it shows of a row.  Takes head; returns an
 * exit code. */
struct listing
{
  bool json;
  struct table *table;
  unsigned rows;
};
void listing_row (struct listing *l, struct json_object *row,
                  const char *const *cells);
int cli_list (const struct cli *cli, const char *what,
              const char *const *titles, struct json_object *head,
              client_row_fn *fn);

#endif
