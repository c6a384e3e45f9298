/* SPDX-License-Identifier: Apache-2.0
 *
 * What a task of the parser has in its hands: its questions, its inputs, and
 * somewhere to answer.  Tasks know no descriptor by number.
 */
#ifndef HANGDOG_SUPERVISOR_PARSER_IO_H
#define HANGDOG_SUPERVISOR_PARSER_IO_H

#include "base/channel.h"
#include "transports/memory/parser.h"

struct error;

struct parser_io
{
  int channel;
  int inputs[PARSER_MAX_INPUTS];
  unsigned ninputs;
  int failed; /* the first answer that could not be given: all after it are
                 dropped */
};

/* {"op":OP} to be filled and answered with. */
struct json_object *parser_message (const char *op);
/* Takes head.  No deadline: that is the process's own. */
void parser_answer (struct parser_io *io, struct json_object *head,
                    const void *body, size_t len);
/* 0, or why an answer was not given. */
int parser_answered (const struct parser_io *io, struct error *err);
/* {"op":"error",...}: the task could not do what it was asked. */
void parser_answer_error (struct parser_io *io, const struct error *why);

/* The next question: 1; 0: there is none any more. */
int parser_question (struct parser_io *io, struct frame *ret,
                     struct error *err);
/* The n-th descriptor that it was started with, -EBADF. */
int parser_input (const struct parser_io *io, unsigned n, struct error *err);

#endif
