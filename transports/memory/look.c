/* SPDX-License-Identifier: Apache-2.0
 *
 * A look at a guest's memory.
 */
#include "transports/memory/look.h"
#include "transports/memory/parser.h"

#include "base/beat_wire.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WHY 300

/* What comes of one question. */
struct heard
{
  look_rows_fn *fn;
  void *arg;
  uint64_t bytes;
  struct json_object *end;
  struct error *err;
};

/* ---- what is believed ---- */

/* Kinds of rows that are not the parser's to say: of which guest all this is,
 * and where it ends. */
static bool
is_ours (const char *kind, size_t len)
{
  static const char *const ours[] = { "guest", "core", "sample", "end" };

  for (size_t i = 0; i < ARRAY_LEN (ours); i++)
    if (strlen (ours[i]) == len && memcmp (kind, ours[i], len) == 0)
      return true;
  return false;
}

/* Each line, which is an object already, begins with its kind in plain
 * letters. */
static bool
have_kinds (const char *lines, size_t len)
{
  static const char begin[] = "{\"row\":\"";
  const size_t at = sizeof begin - 1;

  while (len > 0)
    {
      const char *end = memchr (lines, '\n', len);
      size_t line = (size_t) (end - lines) + 1, n = 0;

      if (line <= at || memcmp (lines, begin, at) != 0)
        return false;
      while ((lines[at + n] >= 'a' && lines[at + n] <= 'z')
             || lines[at + n] == '-' || lines[at + n] == '_')
        n++;
      if (n == 0 || lines[at + n] != '"' || is_ours (lines + at, n))
        return false;
      lines += line;
      len -= line;
    }
  return true;
}

static int
take_rows (struct heard *l, const struct frame *f)
{
  int r = parser_lines_check (f->body, f->body_len, LOOK_MAX_ROW, l->err);

  if (r < 0)
    return r;
  if (!have_kinds (f->body, f->body_len))
    return error_set (l->err, EBADMSG,
                      "the parser process said what is not its to say (what it "
                      "read is hostile)");
  l->bytes += f->body_len;
  if (l->bytes > LOOK_MAX_BYTES)
    return error_set (l->err, EFBIG,
                      "the parser process does not stop saying rows (what it "
                      "read is hostile)");
  r = l->fn (f->body, f->body_len, l->arg);
  return r < 0 ? error_errno (l->err, -r, "taking rows") : 0;
}

static void
take_text (struct json_object *to, struct json_object *from, const char *key)
{
  const char *text = json_get_str (from, key);

  if (text)
    json_add_text (to, key, text, strnlen (text, MAX_WHY));
}

/* By name and kind: its other members might mean something to whoever passes
 * this on. */
static struct json_object *
end_of (struct json_object *said)
{
  static const char *const parts[]
      = { "registers", "vmcoreinfo", "symbols", "types", "unwinder" };
  static const char *const costs[]
      = { "bytes",     "reads",      "cpu_us",   "find_us",
          "locate_us", "symbols_us", "types_us", "unwinder_us" };
  struct json_object *end = json_object_new_object ();
  struct json_object *lacks = json_object_new_object ();
  struct json_object *cost = json_object_new_object ();

  json_add_bool (end, "found", json_get_bool (said, "found", false));
  take_text (end, said, "why");
  json_add_int (end, "dropped", json_get_int (said, "dropped", 0));
  for (size_t i = 0; i < ARRAY_LEN (parts); i++)
    take_text (lacks, json_get (said, "lacks"), parts[i]);
  json_object_object_add (end, "lacks", lacks);
  for (size_t i = 0; i < ARRAY_LEN (costs); i++)
    if (json_get (json_get (said, "cost"), costs[i]))
      json_add_int (cost, costs[i],
                    json_get_int (json_get (said, "cost"), costs[i], 0));
  json_object_object_add (end, "cost", cost);
  return end;
}

/* The parser's own trouble: it could not begin. */
int
look_error (struct json_object *e, struct error *err)
{
  const char *text = json_get_str (e, "message");
  int64_t code = json_get_int (e, "errno", EIO);

  return error_set (err, code > 0 && code < 4096 ? (int) code : EIO, "%s",
                    text ? text : "the parser process gave up");
}

static int
take (struct frame *f, void *arg)
{
  struct heard *l = arg;
  const char *op = json_get_str (f->head, "op");

  if (op && strcmp (op, "rows") == 0)
    return take_rows (l, f);
  if (op && strcmp (op, "end") == 0)
    {
      l->end = end_of (f->head);
      return 1;
    }
  if (op && strcmp (op, "error") == 0)
    return look_error (json_get (f->head, "error"), l->err);
  return 0;
}

static void
add_spent (struct json_object *end, const struct parser_end *spent)
{
  struct json_object *o = json_object_new_object ();

  json_add_int (o, "cpu_us", (int64_t) spent->cpu_us);
  json_add_int (o, "wall_us", (int64_t) spent->wall_us);
  json_add_int (o, "peak_bytes", (int64_t) spent->peak_bytes);
  json_object_object_add (end, "spent", o);
}

/* A parser that a signal ended has a reason that is worth more than that it
 * did not answer. */
int
look_ended (int r, const struct parser_end *end, struct error *err)
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

/* ---- a session ---- */

struct look_session
{
  struct parser_run *parser; /* NULL = it has ended */
  bool bad;                  /* it is not to be waited for */
};

static void
end_it (struct look_session *s, struct parser_end *ret)
{
  parser_run_end (s->parser, s->bad, ret);
  s->parser = NULL;
}

void
look_close (struct look_session *s)
{
  if (!s)
    return;
  end_it (s, NULL);
  free (s);
}

/* At least a moment: 0 is no limit to some. */
static uint64_t
left (uint64_t deadline)
{
  uint64_t now = clock_ms ();

  return deadline > now ? deadline - now : 1;
}

int
look_open (const struct look_source *src, uint64_t deadline,
           struct look_session **ret, struct error *err)
{
  static const char *const args[] = { "inspect", NULL };
  const struct parser_spec start
      = { .libexec = src->libexec,
          .program = "hangdog-parser",
          .deadline_ms = left (deadline) + src->keep_ms + 1000,
          .args = args,
          .inputs = src->inputs,
          .ninputs = src->ninputs };
  struct look_session *s = calloc (1, sizeof *s);
  int r;

  if (!s)
    return error_set (err, ENOMEM, "no memory");
  r = parser_run_start (&start, &s->parser, err);
  /* One that has gone already may have said why: the first look hears it. */
  if (r == 0
      && (r = parser_run_ask (s->parser, json_object_get (src->where), NULL, 0,
                              deadline, err))
             < 0
      && r != -EBADMSG)
    {
      s->bad = true;
      look_close (s);
      return r;
    }
  if (r < 0 && !s->parser)
    {
      free (s);
      return r;
    }
  *ret = s;
  return 0;
}

static int
ask (struct look_session *s, const struct look_question *q, const char *op,
     uint64_t deadline, struct error *err)
{
  struct json_object *question = json_object_new_object ();
  size_t len = q->registers ? q->registers_len : 0;

  json_add_str (question, "op", op);
  /* What it has found by then it says: some time is left for that. */
  json_add_int (question, "deadline_ms", (int64_t) (left (deadline) * 5 / 6));
  if (q->moved)
    {
      json_add_bool (question, "moved", true);
      json_add_int (question, "apart_ms", (int64_t) q->apart_ms);
    }
  if (q->sections)
    json_object_object_add (question, "sections",
                            json_object_get (q->sections));
  /* Of very many vCPUs the first ones. */
  if (len > FRAME_MAX_BODY)
    len = FRAME_MAX_BODY;
  return parser_run_ask (s->parser, question, q->registers, len, deadline,
                         err);
}

/* Asks and listens.  On a failure the parser is no more. */
static int
converse (struct look_session *s, const struct look_question *q,
          const char *op, uint64_t deadline, parser_frame_fn *fn, void *arg,
          struct error *err)
{
  struct parser_end spent;
  int r;

  if (!s->parser)
    return error_set (err, EPIPE, "the parser process has ended");
  r = ask (s, q, op, deadline, err);
  /* It may have said why it does not want to be asked. */
  if (r >= 0 || r == -EBADMSG)
    r = parser_run_listen (s->parser, deadline, fn, arg, err);
  if (r >= 0)
    return r;
  s->bad = r != -EBADMSG;
  end_it (s, &spent);
  return look_ended (r, &spent, err);
}

int
look_ask (struct look_session *s, const struct look_question *q,
          uint64_t deadline, look_rows_fn *fn, void *arg,
          struct json_object **ret_end, struct error *err)
{
  struct error why = ERROR_INIT;
  struct heard l = { .fn = fn, .arg = arg, .err = &why };
  int r = converse (s, q, "look", deadline, take, &l, &why);

  if (r < 0)
    {
      json_object_put (l.end);
      if (err)
        *err = why;
      return r;
    }
  *ret_end = l.end;
  return 0;
}

/* ---- where its heartbeat is ---- */

struct beat_answer
{
  unsigned char *dst;
  size_t len;
  bool none; /* it was looked for all over: there is no kernel */
  struct error *err;
};

static int
take_beat (struct frame *f, void *arg)
{
  struct beat_answer *a = arg;
  const char *op = json_get_str (f->head, "op");
  const char *why = json_get_str (f->head, "why");

  if (op && strcmp (op, "error") == 0)
    return look_error (json_get (f->head, "error"), a->err);
  if (!op || strcmp (op, "beat") != 0)
    return 0;
  if (json_get_bool (f->head, "found", false) && f->body_len <= BEAT_MAX_TABLE)
    {
      memcpy (a->dst, f->body, f->body_len);
      a->len = f->body_len;
    }
  else
    {
      a->none = json_get_bool (f->head, "none", false);
      error_set (a->err, a->none ? ENXIO : ENOENT, "%s",
                 why ? why : "it has no heartbeat");
    }
  return 1;
}

int
look_beat (struct look_session *s, const struct look_question *q,
           uint64_t deadline, unsigned char *dst, size_t *ret_len,
           struct error *err)
{
  struct error why = ERROR_INIT;
  struct beat_answer a = { .dst = dst, .err = &why };
  int r = converse (s, q, "beat", deadline, take_beat, &a, &why);

  if (r >= 0 && a.len == 0)
    r = a.none ? -ENXIO : -ENOENT;
  if (r < 0)
    {
      if (err)
        *err = why;
      return r;
    }
  *ret_len = a.len;
  return 0;
}

/* ---- one look and no more ---- */

int
look_once (const struct look_source *src, const struct look_question *q,
           uint64_t deadline, look_rows_fn *fn, void *arg,
           struct json_object **ret_end, struct error *err)
{
  struct look_session *s = NULL;
  struct json_object *end = NULL;
  struct parser_end spent;
  int r = look_open (src, deadline, &s, err);

  if (r < 0)
    return r;
  r = look_ask (s, q, deadline, fn, arg, &end, err);
  if (r == 0)
    {
      end_it (s, &spent);
      r = look_ended (0, &spent, err);
      add_spent (end, &spent);
      if (r == 0)
        *ret_end = end;
      else
        json_object_put (end);
    }
  look_close (s);
  return r;
}
