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
  bool json, quiet;
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
    verb_dump, verb_scenario, verb_config, verb_bundle, verb_wait,
    verb_controller, verb_tables, verb_completion, verb_version;

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
/* Prints err as "hangdog: ..." and returns the exit code that fits it. */
int cli_fail (const struct error *err);
int cli_exec (struct cli *cli, const char *program, char *const *args);

/* What `wait --for` takes; ends with NULL. */
extern const char *const health_words[];

/* Guests that are seen on this host and not supported, a line each on
 * stderr. */
void unsupported_lines (void);
/* Calls fn for each of them. */
void unsupported_each (void (*fn) (const char *what, const char *why,
                                   void *arg),
                       void *arg);

/* `doctor` without a guest. */
int doctor_host (struct cli *cli);

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
/* The member "error" of an answer. */
int client_error (struct json_object *e, struct error *err);
struct json_object *client_request (const char *op, const char *guest);

/* ---- printing ---- */

/* A row as one line of JSON. */
void print_json (struct json_object *row);
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
void table_print (struct table *t, FILE *to);
void table_free (struct table *t);

#endif
