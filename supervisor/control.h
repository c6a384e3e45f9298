/* SPDX-License-Identifier: Apache-2.0
 *
 * The control socket: what the command line, tests and operators ask of the
 * daemon.  Frames as in base/channel.h; the first one is the server's hello.
 * Whoever may open the socket (root, and the group of the configuration) may
 * ask; who asks is known by SO_PEERCRED and written into what it causes.
 *
 * An operation is one function and one line of the table in control.c.
 */
#ifndef HANGDOG_SUPERVISOR_CONTROL_H
#define HANGDOG_SUPERVISOR_CONTROL_H

#include "base/channel.h"
#include "scenarios/scenario.h"

#include <stdbool.h>

struct binding_info;
struct buf;
struct client;
struct control;
struct daemon;
struct error;
struct guest;
struct outcome_report;

#define CONTROL_PROTOCOL 1

/* listen_fd is taken. */
int control_new (struct daemon *d, int listen_fd, struct control **ret,
                 struct error *err);
void control_free (struct control *c);
unsigned control_clients (const struct control *c);

/* ---- for the operations ---- */

/* One request being answered, over as many rows as it likes.  Freed by
 * answer_end()/answer_error(), or when the client goes: then `gone` is
 * called, once, and the answer must not be touched any more. */
struct answer
{
  struct daemon *d;
  struct client *client;
  struct json_object *head; /* the request's */
  void (*gone) (struct answer *a);
  void *arg; /* the operation's */
  bool cut;    /* a row did not fit the client's queue */
  char by[64]; /* "uid 0 (pid 123)" */
  struct answer *next;
  /* Until its turn has come. */
  void (*run) (struct answer *a, struct frame *frame);
  void *body;
  size_t body_len;
  struct answer *next_due;
};

/* Takes row's reference.  false when the client is too slow to take it. */
bool answer_row (struct answer *a, struct json_object *row);
bool answer_bytes (struct answer *a, struct json_object *row,
                   const void *body, size_t len);
/* A row, and a descriptor beside it, which stays the caller's. */
bool answer_fd (struct answer *a, struct json_object *row, int fd);
void answer_end (struct answer *a, struct json_object *last /* or NULL */);
void answer_error (struct answer *a, const struct error *why);
/* Another request of the same client that is still being answered. */
struct answer *answer_find (struct answer *a, int64_t id);
/* The guest named by the member "guest"; on NULL the answer is ended, and
 * gone. */
const struct guest *answer_guest (struct answer *a);

/* Into the row of a check: the number that its answer has, if it has one. */
void control_add_value (struct json_object *row,
                        const struct outcome_report *last);

/* ---- of scenarios ---- */

/* A binding_listen_fn of the daemon: whoever waits for that outcome is told. */
void control_outcome (const struct binding_info *info,
                      enum health_change change, void *daemon);
/* Which ways did not bring the answer, and why. */
struct json_object *control_tried (const struct outcome_report *r);

struct control_op
{
  const char *name;
  void (*run) (struct answer *a, struct frame *frame);
};

void op_list (struct answer *a, struct frame *f);
void op_status (struct answer *a, struct frame *f);
void op_incidents (struct answer *a, struct frame *f);
void op_dump (struct answer *a, struct frame *f);
void op_tables (struct answer *a, struct frame *f);
void op_probe (struct answer *a, struct frame *f);
void op_scenario_run (struct answer *a, struct frame *f);
void op_diagnose (struct answer *a, struct frame *f);
void op_release (struct answer *a, struct frame *f);
void op_doctor (struct answer *a, struct frame *f);
void op_inspect (struct answer *a, struct frame *f);
void op_core (struct answer *a, struct frame *f);
void op_spool (struct answer *a, struct frame *f);
void op_console (struct answer *a, struct frame *f);
void op_input (struct answer *a, struct frame *f);

#endif
