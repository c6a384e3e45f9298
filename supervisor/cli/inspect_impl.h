/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the view of `hangdog inspect`: what its files share.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_INSPECT_IMPL_H
#define HANGDOG_SUPERVISOR_CLI_INSPECT_IMPL_H

#include "diag/outside/outside.h"
#include "supervisor/cli/inspect_view.h"

#include <stdint.h>

struct row_list
{
  struct json_object **rows; /* each a reference */
  size_t n, cap;
};

struct inspect_view
{
  enum inspect_form form;
  FILE *to;
  struct inspect_past *past;
  struct outside *seen;  /* all that findings are made of, and stacks */
  struct row_list tasks; /* until all are there */
  /* Findings stand before what they are found in: that waits here.  NULL: it
   * goes straight out. */
  FILE *body, *out;
  char *body_text;
  size_t body_len;
  struct row_list lacks;
  unsigned rows;
  int worst;     /* exit code of the worst that was found */
  bool cut;      /* rows are missing */
  char last[32]; /* kind of the row before */
};

/* Seconds of a row; any number may stand there. */
static inline uint64_t
inspect_ms_ (double s)
{
  return s > 0 && s < 1e12 ? (uint64_t) (s * 1000) : 0;
}

/* Takes a reference; false without memory. */
bool row_list_add (struct row_list *l, struct json_object *row);
void row_list_done (struct row_list *l);

/* What stands out, as rows or as text; sets v->worst. */
void inspect_say_findings_ (struct inspect_view *v);

/* How each kind of row is printed: to add one, add one line to the table in
 * inspect_rows.c.  NULL: as key=value. */
void inspect_print_row_ (struct inspect_view *v, const char *kind,
                         struct json_object *row);
void inspect_print_tasks_ (struct inspect_view *v);
void inspect_print_lacks_ (struct inspect_view *v);
/* One frame a line, under the words that are usual. */
void inspect_print_trace_ (struct inspect_view *v, struct json_object *stack);
/* What is waited for (inspect_locks.c). */
void inspect_print_lock_ (struct inspect_view *v, struct json_object *row);
void inspect_print_spinlock_ (struct inspect_view *v, struct json_object *row);
void inspect_print_deadlock_ (struct inspect_view *v, struct json_object *row);
void inspect_print_disk_ (struct inspect_view *v, struct json_object *row);
void inspect_print_request_ (struct inspect_view *v, struct json_object *row);
void inspect_print_moved_ (struct inspect_view *v, struct json_object *row);
/* What was traced (inspect_trace.c). */
void inspect_print_trace_buffer_ (struct inspect_view *v,
                                  struct json_object *row);
void inspect_print_trace_cpu_ (struct inspect_view *v,
                               struct json_object *row);
void inspect_print_trace_event_ (struct inspect_view *v,
                                 struct json_object *row);
void inspect_print_folded_ (struct inspect_view *v);
void inspect_print_top_ (struct inspect_view *v);
/* One line of a CPU, without its stack. */
void inspect_print_cpu_line_ (struct inspect_view *v, struct json_object *row);

#endif
