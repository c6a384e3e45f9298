/* SPDX-License-Identifier: Apache-2.0
 *
 * A scenario document tried on a recorded console log.  See replay.h.
 *
 * Kinds that hear are told the same facts that the daemon would tell them,
 * and judged when they would fall due, by the log's clock.  Kinds that ask are
 * not: of them it is shown which lines their expressions match.
 */
#include "supervisor/check/replay.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/regex.h"
#include "base/text.h"
#include "scenarios/lines.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As the console hub tells of bytes. */
#define BYTES_MS 10000
/* A log with forged stamps may be as long as it likes. */
#define DUES_MAX 2000000
#define EXPECTS_MAX 64
#define GIVE_UP 3

struct player
{
  const struct scenario *s;
  void *state;
  struct lines *lines;
  struct health_state health;
  uint64_t next_ms;
  char said[sizeof ((struct outcome_report *) NULL)->code];
  bool failed; /* an incident would have begun */
};

struct expectation
{
  const struct scenario *s;
  char where[96], sample[120];
  struct regex *regex;
  bool wanted;
  uint64_t lines, first, last;
  unsigned given_up;
};

struct play
{
  const struct replay_options *options;
  enum replay_times times;
  struct player *players;
  size_t n;
  struct expectation expects[EXPECTS_MAX];
  size_t nexpects;
  const struct scenario *collecting;
  struct listener *listener;
  struct regex_scratch *scratch;
  struct stage stage;
  uint64_t line, ms; /* where the log is */
  uint64_t begun_ms; /* 0 = no line yet */
  uint64_t bytes, bytes_told, told_ms, dues;
};

/* ---- what is said ---- */

static const char *
when (const struct play *p, uint64_t ms, char *dst, size_t n)
{
  if (p->times == REPLAY_HOST)
    return clock_format (dst, n, ms);
  if (p->times == REPLAY_KERNEL)
    snprintf (dst, n, "%.3f s", (double) (ms - 1) / 1000);
  else
    snprintf (dst, n, "-");
  return dst;
}

static void
print_row (struct json_object *row)
{
  struct buf out CLEANUP_BUF = BUF_INIT (1u << 20);

  json_show (row, &out);
  puts (buf_str (&out));
}

static struct json_object *
row_of (const struct play *p, const char *what, const struct scenario *s,
        uint64_t ms)
{
  struct json_object *row = json_object_new_object ();
  char text[40];

  json_add_str (row, "row", what);
  json_add_str (row, "scenario", s ? s->name : NULL);
  if (ms && p->times != REPLAY_NONE)
    json_add_str (row, "time", when (p, ms, text, sizeof text));
  if (p->line)
    json_add_int (row, "line", (int64_t) p->line);
  return row;
}

static void
say_outcome (const struct play *p, const struct player *who, uint64_t ms,
             const struct outcome_report *r)
{
  char text[40];

  if (p->options->json)
    {
      CLEANUP_JSON struct json_object *row = row_of (p, "outcome", who->s, ms);

      json_add_str (row, "outcome", outcome_names[r->outcome]);
      json_add_str (row, "code", r->code);
      json_add_str (row, "sentence", r->sentence);
      json_add_str (row, "health", health_names[who->health.health]);
      print_row (row);
      return;
    }
  printf ("line %-6" PRIu64 " %s  %s: %s, %s: %s%s\n", p->line,
          when (p, ms, text, sizeof text), who->s->name,
          outcome_names[r->outcome], r->code, r->sentence,
          who->health.health == HEALTH_FAILED && !who->failed
              ? " [an incident]"
              : "");
}

static void
say_heard (const struct play *p, const struct line_hit *hit)
{
  struct buf quoted CLEANUP_BUF = BUF_INIT (1024);
  char text[40];

  text_escape (&quoted, hit->text, hit->len, 0);
  if (p->options->json)
    {
      CLEANUP_JSON struct json_object *row = row_of (p, "heard", NULL,
                                                     hit->at_ms);

      json_add_str (row, "fact", hit->name);
      json_add_text (row, "text", hit->text, hit->len);
      if (hit->has_value)
        json_add_int (row, "value", hit->value);
      if (hit->given_up)
        json_add_int (row, "given_up", (int64_t) hit->given_up);
      json_add_int (row, "more", hit->more);
      print_row (row);
      return;
    }
  printf ("line %-6" PRIu64 " %s  %s: ", p->line,
          when (p, hit->at_ms, text, sizeof text), hit->name);
  if (hit->given_up)
    printf ("the expression takes too many steps\n");
  else if (hit->more)
    printf ("%s (and %u before it)\n", buf_str (&quoted), hit->more);
  else
    printf ("%s\n", buf_str (&quoted));
}

static void
say_note (const struct play *p, const struct scenario *s, const char *text)
{
  if (p->options->json)
    {
      CLEANUP_JSON struct json_object *row = row_of (p, "note", s, 0);

      json_add_str (row, "message", text);
      print_row (row);
    }
  else
    printf ("%s%s%s\n", s ? s->name : "", s ? ": " : "", text);
}

/* ---- facts ---- */

static void
tell_all (struct play *p, struct fact *f, uint64_t ms)
{
  f->time_ms = ms;
  for (size_t i = 0; i < p->n; i++)
    {
      struct player *who = &p->players[i];
      const struct scenario_watch *watch = who->s->kind->watch;

      for (const char *const *name = watch ? watch->facts : NULL;
           who->state && name && *name; name++)
        if (strncmp (f->name, *name, strlen (*name)) == 0)
          {
            watch->fact (who->state, who->s, f, ms);
            break;
          }
    }
}

static void
tell_state (struct play *p, const char *state, uint64_t ms)
{
  struct fact f;

  fact_text (&f, NULL, "console.state", "console", state, strlen (state));
  tell_all (p, &f, ms);
}

static void
tell_bytes (struct play *p, uint64_t ms)
{
  struct fact f;

  fact_int (&f, NULL, "console.bytes", "console", (int64_t) p->bytes);
  p->told_ms = ms;
  p->bytes_told = p->bytes;
  tell_all (p, &f, ms);
}

static void
on_hit (const struct line_hit *hit, void *arg)
{
  struct play *p = arg;
  struct fact f;

  say_heard (p, hit);
  if (hit->given_up)
    fact_int (&f, NULL, hit->name, "console", (int64_t) hit->given_up);
  else if (hit->has_value)
    fact_int (&f, NULL, hit->name, "console", hit->value);
  else
    fact_text (&f, NULL, hit->name, "console", hit->text, hit->len);
  f.more = hit->more;
  tell_all (p, &f, hit->at_ms);
}

/* ---- judging ---- */

static void
judge (struct play *p, struct player *who, uint64_t ms)
{
  struct outcome_report r = { .outcome = OUTCOME_NO_VERDICT, .value = NAN };

  who->s->kind->watch->due (who->state, who->s, ms, &r);
  health_take (&who->health, who->s, &r, ms);
  if (strcmp (r.code, who->said) != 0
      || (who->health.health == HEALTH_FAILED && !who->failed))
    say_outcome (p, who, ms, &r);
  who->failed |= who->health.health == HEALTH_FAILED;
  memcpy (who->said, r.code, sizeof who->said);
}

static struct player *
next_due (struct play *p, uint64_t until)
{
  struct player *next = NULL;

  for (size_t i = 0; i < p->n; i++)
    if (p->players[i].state && p->players[i].next_ms <= until
        && (!next || p->players[i].next_ms < next->next_ms))
      next = &p->players[i];
  return next;
}

/* The log's clock goes on. */
static void
advance (struct play *p, uint64_t until)
{
  struct player *who;

  while (p->dues < DUES_MAX && (who = next_due (p, until)))
    {
      uint64_t at = who->next_ms;

      p->dues++;
      if (p->bytes != p->bytes_told && at >= p->told_ms + BYTES_MS)
        tell_bytes (p, p->told_ms + BYTES_MS);
      listener_due (p->listener, at);
      judge (p, who, at);
      who->next_ms = health_next (&who->health, who->s, at, 0);
      if (who->next_ms <= at)
        who->next_ms = at + 1;
    }
  listener_due (p->listener, until);
}

/* ---- lives ---- */

static void
live (struct player *who, uint64_t ms)
{
  const struct scenario_watch *watch = who->s->kind->watch;

  if (!watch)
    return;
  if (who->state)
    watch->state_free (who->state);
  who->state = watch->state_new (who->s, ms);
  who->health = (struct health_state){ .since_ms = ms };
  who->said[0] = '\0';
  who->failed = false;
  who->next_ms = health_next (&who->health, who->s, ms, 0);
}

static void
begin (struct play *p, const char *state, uint64_t ms)
{
  for (size_t i = 0; i < p->n; i++)
    live (&p->players[i], ms);
  tell_state (p, state, ms);
}

/* ---- lines ---- */

static void
try_expects (struct play *p, const struct text_line *line)
{
  for (size_t i = 0; i < p->nexpects; i++)
    {
      struct expectation *x = &p->expects[i];
      size_t n = line->len < 80 ? line->len : 80;
      struct buf quoted CLEANUP_BUF = BUF_INIT (sizeof x->sample - 1);
      int rc = x->given_up < GIVE_UP
                   ? regex_match (x->regex, line->text, line->len, NULL)
                   : 0;

      x->given_up += rc < 0;
      if (rc <= 0)
        continue;
      x->last = p->line;
      if (x->lines++ > 0)
        continue;
      x->first = p->line;
      text_escape (&quoted, line->text, n, 0);
      snprintf (x->sample, sizeof x->sample, "%s", buf_str (&quoted));
    }
}

static void
on_line (const struct text_msg *msg, uint64_t file_line, uint64_t ms,
         uint64_t bytes, void *arg)
{
  struct play *p = arg;

  if (!p->begun_ms)
    {
      p->begun_ms = ms;
      begin (p, p->options->from, ms);
    }
  /* A host's clock may be set back. */
  if (ms > p->ms)
    p->ms = ms;
  if (p->times != REPLAY_NONE)
    advance (p, p->ms);
  p->line = file_line;
  p->bytes += bytes;
  if (p->bytes_told == 0 || p->ms >= p->told_ms + BYTES_MS)
    tell_bytes (p, p->ms);
  if (!lines_old (&p->stage, msg))
    listener_line (p->listener, p->scratch, msg, 0, p->ms);
  try_expects (p, msg->line);
  if (stage_line (&p->stage, msg) != STAGE_NEW_BOOT)
    return;
  say_note (p, NULL, "a boot begins: what was known is over");
  begin (p, "talking", p->ms);
}

/* ---- the end ---- */

static void
say_expectation (const struct play *p, const struct expectation *x)
{
  if (p->options->json)
    {
      CLEANUP_JSON struct json_object *row = row_of (p, "expect", x->s, 0);

      json_object_object_del (row, "line");
      json_add_str (row, "where", x->where);
      json_add_bool (row, "wanted", x->wanted);
      json_add_int (row, "lines", (int64_t) x->lines);
      if (x->lines)
        {
          json_add_int (row, "first", (int64_t) x->first);
          json_add_int (row, "last", (int64_t) x->last);
          json_add_str (row, "text", x->sample);
        }
      json_add_bool (row, "given_up", x->given_up > 0);
      print_row (row);
      return;
    }
  if (x->given_up)
    printf ("%s: %s takes too many steps to match\n", x->s->name, x->where);
  if (x->lines)
    printf ("%s: %s%s matches %" PRIu64 " lines, from %" PRIu64 " to %" PRIu64
            ": %s\n",
            x->s->name, x->where, x->wanted ? "" : " (not wanted)", x->lines,
            x->first, x->last, x->sample);
  else
    printf ("%s: %s%s matches no line\n", x->s->name, x->where,
            x->wanted ? "" : " (not wanted)");
}

static void
end_player (struct play *p, struct player *who)
{
  bool pattern = who->s->kind == &kind_console_pattern;

  if (who->state && p->times == REPLAY_NONE && !pattern)
    say_note (p, who->s,
              "is not judged: the log has no times, neither hangdog's nor a "
              "kernel's");
  else if (who->state)
    judge (p, who, p->ms);
  else if (!who->s->kind->expects)
    say_note (p, who->s, "asks nobody over a console: nothing to try");
}

static int
finish (struct play *p)
{
  int rc = 0;

  if (p->dues >= DUES_MAX)
    say_note (p, NULL, "the log goes on for too long: the rest of it was not "
                       "judged");
  listener_due (p->listener, p->ms + LINES_AGAIN_MS);
  for (size_t i = 0; i < p->n; i++)
    {
      struct player *who = &p->players[i];

      end_player (p, who);
      if (who->failed || (p->times == REPLAY_NONE && who->health.failures))
        rc = 3;
    }
  for (size_t i = 0; i < p->nexpects; i++)
    say_expectation (p, &p->expects[i]);
  if (p->options->json)
    {
      CLEANUP_JSON struct json_object *row = row_of (p, "replayed", NULL, 0);

      json_add_str (row, "times", replay_times_names[p->times]);
      json_add_int (row, "bytes", (int64_t) p->bytes);
      print_row (row);
    }
  return rc;
}

/* ---- making ---- */

static void
add_expectation (const char *where, const char *regex, bool wanted, void *arg)
{
  struct play *p = arg;
  struct expectation *x = &p->expects[p->nexpects];

  if (p->nexpects == EXPECTS_MAX || regex_new (regex, &x->regex, NULL) < 0)
    return;
  x->s = p->collecting;
  x->wanted = wanted;
  snprintf (x->where, sizeof x->where, "%s", where);
  p->nexpects++;
}

static int
make (struct play *p, struct scenario *const *list, size_t n,
      struct error *err)
{
  CLEANUP_FREE struct lines **lines = calloc (n + 1, sizeof *lines);
  size_t k = 0;
  int rc = 0;

  p->players = calloc (n + 1, sizeof *p->players);
  if (!lines || !p->players)
    return error_set (err, ENOMEM, "no memory for the scenarios");
  for (size_t i = 0; i < n && rc >= 0; i++)
    {
      struct player *who = &p->players[p->n++];

      who->s = list[i];
      rc = scenario_lines (list[i], &who->lines, err);
      if (who->lines)
        lines[k++] = who->lines;
      p->collecting = list[i];
      if (list[i]->kind->expects)
        list[i]->kind->expects (list[i], add_expectation, p);
    }
  if (rc >= 0)
    rc = lines_scratch_new (&p->scratch, err);
  if (rc >= 0)
    rc = listener_new (NULL, on_hit, p, &p->listener, err);
  return rc < 0 ? rc : listener_set (p->listener, lines, k, err);
}

static void
unmake (struct play *p)
{
  for (size_t i = 0; i < p->n; i++)
    {
      struct player *who = &p->players[i];

      if (who->state)
        who->s->kind->watch->state_free (who->state);
      lines_unref (who->lines);
    }
  for (size_t i = 0; i < p->nexpects; i++)
    regex_free (p->expects[i].regex);
  listener_free (p->listener);
  regex_scratch_free (p->scratch);
  free (p->players);
  free (p);
}

int
replay_play (struct scenario *const *list, size_t n, struct replay_log *log,
             const struct replay_options *options, struct error *err)
{
  struct play *p = calloc (1, sizeof *p);
  int rc;

  if (!p)
    return error_set (err, ENOMEM, "no memory to replay a log");
  p->options = options;
  p->times = replay_log_times (log);
  p->stage = (struct stage) STAGE_INIT;
  rc = make (p, list, n, err);
  if (rc >= 0)
    {
      if (p->times == REPLAY_NONE)
        say_note (p, NULL, "the log has no times: only patterns are judged");
      replay_log_each (log, on_line, p);
      rc = finish (p);
    }
  unmake (p);
  return rc;
}
