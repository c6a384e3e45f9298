/* SPDX-License-Identifier: Apache-2.0
 *
 * A look at a guest's memory.
 */
#include "supervisor/inspect.h"
#include "supervisor/parser_run.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <signal.h>
#include <string.h>

#define USUAL_MS 12000 /* the parser's own limit of one question is 10 s */

struct look
{
  inspect_rows_fn *fn;
  void *arg;
  struct json_object *end;
  struct error *err;
};

/* The parser's own trouble: it could not begin. */
int
inspect_error (struct json_object *e, struct error *err)
{
  const char *text = json_get_str (e, "message");
  int64_t code = json_get_int (e, "errno", EIO);

  return error_set (err, code > 0 && code < 4096 ? (int) code : EIO, "%s",
                    text ? text : "the parser process gave up");
}

static int
take (struct frame *f, void *arg)
{
  struct look *l = arg;
  const char *op = json_get_str (f->head, "op");
  int r;

  if (op && strcmp (op, "rows") == 0)
    {
      r = parser_lines_check (f->body, f->body_len, INSPECT_MAX_ROW, l->err);
      if (r == 0 && (r = l->fn (f->body, f->body_len, l->arg)) < 0)
        error_errno (l->err, -r, "taking rows");
      return r < 0 ? r : 0;
    }
  if (op && strcmp (op, "end") == 0)
    {
      l->end = json_object_get (f->head);
      return 1;
    }
  if (op && strcmp (op, "error") == 0)
    return inspect_error (json_get (f->head, "error"), l->err);
  return 0;
}

static void
add_spent (struct json_object *end, const struct parser_end *spent)
{
  struct json_object *o = json_object_new_object ();

  json_object_object_del (end, "op");
  json_object_object_del (end, "spent");
  json_add_int (o, "cpu_us", (int64_t) spent->cpu_us);
  json_add_int (o, "wall_us", (int64_t) spent->wall_us);
  json_add_int (o, "peak_bytes", (int64_t) spent->peak_bytes);
  json_object_object_add (end, "spent", o);
}

/* A parser that a signal ended has a reason that is worth more than that it
 * did not answer. */
int
inspect_ended (int r, const struct parser_end *end, struct error *err)
{
  if (end->left)
    return error_set (err, ETIMEDOUT,
                      "reading the memory waits in this host's kernel and "
                      "cannot be ended: it may be swapped out to what is dead");
  if (r != -EBADMSG || end->signal == 0)
    return r;
  if (end->signal == SIGALRM || end->signal == SIGXCPU)
    return error_set (err, ETIMEDOUT,
                      "reading the memory took too long and was given up");
  return error_set (err, EBADMSG,
                    "the parser process was ended by signal %d (%s): what it "
                    "read is damaged or hostile",
                    end->signal,
                    end->signal == SIGSYS ? "it wanted what it may not"
                                          : "it crashed");
}

static int
ask (const struct inspect_spec *spec, struct parser_run *p, uint64_t deadline,
     struct look *l)
{
  struct json_object *question = json_object_new_object ();
  size_t len;
  int r;

  json_add_str (question, "op", "look");
  if (spec->sections)
    json_object_object_add (question, "sections",
                            json_object_get (spec->sections));
  r = parser_run_ask (p, json_object_get (spec->where), NULL, 0, deadline,
                      l->err);
  if (r < 0)
    {
      json_object_put (question);
      return r;
    }
  /* Of very many vCPUs the first ones. */
  len = spec->registers ? spec->registers_len : 0;
  if (len > FRAME_MAX_BODY)
    len = FRAME_MAX_BODY;
  return parser_run_ask (p, question, spec->registers, len, deadline, l->err);
}

int
inspect_run (const struct inspect_spec *spec, inspect_rows_fn *fn, void *arg,
             struct json_object **ret_end, struct error *err)
{
  static const char *const args[] = { "inspect", NULL };
  uint64_t ms = spec->timeout_ms ? spec->timeout_ms : USUAL_MS;
  const struct parser_spec start = { .libexec = spec->libexec,
                                     .program = "hangdog-parser",
                                     .deadline_ms = ms + 1000,
                                     .args = args,
                                     .inputs = spec->inputs,
                                     .ninputs = spec->ninputs };
  struct error why = ERROR_INIT;
  struct look l = { .fn = fn, .arg = arg, .err = &why };
  struct parser_run *p = NULL;
  struct parser_end spent;
  uint64_t deadline;
  int r = parser_run_start (&start, &p, err);

  if (r < 0)
    return r;
  deadline = clock_ms () + ms;
  r = ask (spec, p, deadline, &l);
  /* It may have said why it does not want to be asked. */
  if (r >= 0 || r == -EBADMSG)
    r = parser_run_listen (p, deadline, take, &l, &why);
  parser_run_end (p, r < 0 && r != -EBADMSG, &spent);
  r = inspect_ended (r, &spent, &why);
  if (r < 0)
    {
      json_object_put (l.end);
      if (err)
        *err = why;
      return r;
    }
  add_spent (l.end, &spent);
  *ret_end = l.end;
  return 0;
}
