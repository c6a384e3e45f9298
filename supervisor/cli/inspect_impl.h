/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the view of `hangdog inspect`: what its files share.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_INSPECT_IMPL_H
#define HANGDOG_SUPERVISOR_CLI_INSPECT_IMPL_H

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
  struct row_list stacks; /* by their number, less 1; holes are NULL */
  struct row_list tasks;  /* until all are there */
  /* What findings are made of; tasks once they are printed. */
  struct row_list told, tasks_told;
  /* Findings stand before what they are found in: that waits here.  NULL: it
   * goes straight out. */
  FILE *body, *out;
  char *body_text;
  size_t body_len;
  struct row_list lacks;
  unsigned rows;
  int worst;     /* exit code of the worst that was found */
  bool arm;      /* its kernel is one for arm64 */
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

/* The frames of a row's stack, innermost first; NULL = it has none. */
struct json_object *inspect_stack_ (const struct inspect_view *v,
                                    struct json_object *row);

/* Where a task or CPU stands: `at` the first function that says something,
 * `top` the innermost one, each of 200 bytes and with its module; "" = not
 * known. */
void inspect_place_ (const struct inspect_view *v, struct json_object *row,
                     char *at, char *top);
/* Takes a reference of what findings may need. */
void inspect_keep_ (struct inspect_view *v, const char *kind,
                    struct json_object *row);
/* What stands out.  Heavier ones are said first. */
enum inspect_weight
{
  NOTE,
  DEGRADED,
  BLOCKED,
  STORAGE,
  DEADLOCK,
  LOCKUP,
  DEAD,
  NOT_RUN,
};

#define INSPECT_FINDINGS 24
struct findings
{
  struct inspect_view *v;
  struct finding
  {
    enum inspect_weight weight;
    char *text;
  } list[INSPECT_FINDINGS];
  size_t n;
};
/* Says and frees them; the exit code for the worst.  saw_all: that nothing
 * stands out may be said. */
int inspect_say_findings_ (struct findings *f, bool saw_all);
/* As rows or as text, of all that was kept; sets v->worst. */
void inspect_print_findings_ (struct inspect_view *v);
/* Its tasks are printed. */
void inspect_told_ (struct inspect_view *v);

/* How each kind of row is printed: to add one, add one line to the table in
 * inspect_rows.c.  NULL: as key=value. */
void inspect_print_row_ (struct inspect_view *v, const char *kind,
                         struct json_object *row);
void inspect_print_tasks_ (struct inspect_view *v);
void inspect_print_lacks_ (struct inspect_view *v);
/* One frame a line, under the words that are usual. */
void inspect_print_trace_ (struct inspect_view *v, struct json_object *stack);
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
