/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of `hangdog inspect`, for people.
 */
#ifndef HANGDOG_SUPERVISOR_CLI_INSPECT_VIEW_H
#define HANGDOG_SUPERVISOR_CLI_INSPECT_VIEW_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

struct cli;
struct error;
struct inspect_view;

/* 1: it is a core, open; 0: it may be a guest's name. */
int inspect_open_core (const struct cli *cli, const char *what, int *ret_fd,
                       struct error *err);

enum inspect_form
{
  INSPECT_JSON,
  INSPECT_TEXT,
  INSPECT_FOLDED, /* comm;outermost;...;innermost COUNT */
  INSPECT_TOP,    /* who does what, compared with the look before */
};

/* What a look leaves for the next one. */
struct inspect_past;
struct inspect_past *inspect_past_new (void);
void inspect_past_free (struct inspect_past *past);

/* past: for INSPECT_TOP; it outlives the view. */
struct inspect_view *inspect_view_new (enum inspect_form form, FILE *to,
                                       struct inspect_past *past);
void inspect_view_free (struct inspect_view *v);

/* Whole lines; they are checked already.  -EBADMSG: one is no row. */
int inspect_view_lines (struct inspect_view *v, const char *lines, size_t len);
/* Rows are missing: nothing is to be said of what is not among these. */
void inspect_view_cut (struct inspect_view *v);
/* What was kept back until all of it was there. */
void inspect_view_end (struct inspect_view *v);

/* After the end: EXIT_TROUBLE, EXIT_NO_VERDICT (it does not run),
 * EXIT_DEGRADED or EXIT_WELL, by what stands out. */
int inspect_view_worst (const struct inspect_view *v);
/* Rows that said what could not be found out. */
unsigned inspect_view_lacks (const struct inspect_view *v);
/* A section that was asked for and does not exist; NULL = none. */
const char *inspect_view_unknown (const struct inspect_view *v);
unsigned inspect_view_rows (const struct inspect_view *v);

#endif
