/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser's questions and answers.
 */
#include "supervisor/parser/parser_io.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <string.h>

struct json_object *
parser_message (const char *op)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "op", op);
  return o;
}

void
parser_answer (struct parser_io *io, struct json_object *head, const void *body,
               size_t len)
{
  struct error err = ERROR_INIT;

  if (!io->failed)
    io->failed = frame_write (io->channel, head, body, len, NULL, 0,
                              CLOCK_NEVER, &err);
  json_object_put (head);
}

int
parser_answered (const struct parser_io *io, struct error *err)
{
  if (io->failed)
    return error_errno (err, -io->failed, "answering");
  return 0;
}

void
parser_answer_error (struct parser_io *io, const struct error *why)
{
  struct json_object *head = parser_message ("error");
  struct json_object *e = json_object_new_object ();

  json_add_int (e, "errno", why->code);
  json_add_text (e, "message", error_text (why), strlen (error_text (why)));
  json_object_object_add (head, "error", e);
  parser_answer (io, head, NULL, 0);
}

int
parser_question (struct parser_io *io, struct frame *ret, struct error *err)
{
  int r = frame_read (io->channel, ret, CLOCK_NEVER, err);

  if (r == -EPIPE)
    return 0;
  return r < 0 ? r : 1;
}

int
parser_input (const struct parser_io *io, unsigned n, struct error *err)
{
  if (n >= io->ninputs)
    return error_set (err, EBADF, "input %u is asked for, of %u", n,
                      io->ninputs);
  return io->inputs[n];
}
