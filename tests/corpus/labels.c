/* SPDX-License-Identifier: Apache-2.0
 *
 * How well labelled logs are understood.  The first event of a log counts.
 */
#include "tests/corpus/corpus.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* What the project wants to reach, in percent. */
#define WANT_DETECTED 99.5
#define WANT_TYPE 98
#define WANT_TITLE 92
#define WANT_FRAMES 98

struct counts
{
  unsigned logs, found, type, title, later;
};

struct score
{
  struct counts group[GROUP_MAX];
  unsigned with_frames, frames, first_frames; /* of those that hold any */
  unsigned labelled_frames, frame_right;
  unsigned corrupted, corrupted_right, corrupted_said;
  unsigned infos, lost;
  size_t bytes;
  uint64_t us;
};

int
measure_row (const char *what, unsigned n, unsigned of, double wanted)
{
  double percent = of > 0 ? 100.0 * n / of : 0;
  /* Of nothing nothing can be shown. */
  bool held = of > 0 && percent >= wanted;

  printf ("  %-46s %5u/%-5u %6.1f %%", what, n, of, percent);
  if (wanted > 0)
    printf ("  (wanted %.4g: %s)", wanted, held ? "held" : "BROKEN");
  putchar ('\n');
  return wanted > 0 && !held;
}

/* One line per thing that is wrong: for who makes the rules. */
static void
miss (const struct measure *m, const struct sample *s, const char *what,
      const char *wanted, const char *got, const struct text_event *e)
{
  if (m->verbose)
    printf ("miss\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%llu\n", s->name, what,
            group_names[s->group], wanted, got, e ? e->rule : "-",
            e ? text_evidence_names[e->evidence] : "-",
            (unsigned long long) (e ? e->first_line : 0));
}

static bool
found_title (const struct sample *s, const struct found *f)
{
  for (unsigned i = 0; i < f->count; i++)
    if (same_title (s, &f->list[i]))
      return true;
  return false;
}

static bool
has_frame (const struct text_event *e, const char *func)
{
  for (unsigned i = 0; i < e->nframes; i++)
    if (strcmp (e->frames[i].func, func) == 0)
      return true;
  return strcmp (e->rip, func) == 0;
}

static void
score_frames (struct score *sc, const struct measure *m, const struct sample *s,
              const struct found *f)
{
  const struct text_event *e = found_first (f);
  bool any = false;

  if (s->frame[0])
    {
      bool right = e && has_frame (e, s->frame);

      sc->labelled_frames++;
      sc->frame_right += right;
      if (!right)
        miss (m, s, "frame", s->frame, e && e->nframes ? e->frames[0].func : "",
              e);
    }
  if (!log_has_frames (s->log, s->len))
    return;
  for (unsigned i = 0; i < f->count && !any; i++)
    any = f->list[i].nframes > 0;
  sc->with_frames++;
  sc->frames += any;
  sc->first_frames += e && e->nframes > 0;
  if (!any)
    miss (m, s, "frames", "any", "none", e);
}

static void
score_title (struct counts *c, const struct measure *m, const struct sample *s,
             const struct found *f, const struct text_event *e)
{
  if (same_type (s->type, e->type))
    c->type++;
  else
    miss (m, s, "type", s->type, e->type, e);
  if (same_title (s, e))
    c->title++;
  else
    {
      bool later = found_title (s, f);

      /* Something else came first: another sort of miss. */
      c->later += later;
      miss (m, s, later ? "title-not-first" : "title", s->title, e->title, e);
    }
}

/* Of this process: others on the machine do not count. */
static uint64_t
cpu_us (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &ts);
  return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static int
score_one (struct score *sc, const struct measure *m, const struct sample *s,
           struct error *err)
{
  struct counts *c = &sc->group[s->group];
  uint64_t began = cpu_us ();
  const struct text_event *e;
  struct found f;
  int r = found_read (m->rules, s->log, s->len, &f, err);

  if (r < 0)
    return r;
  sc->us += cpu_us () - began;
  sc->bytes += s->len;
  sc->infos += s->group == GROUP_NONE ? f.infos : 0;
  sc->lost += f.lost;
  c->logs++;
  e = found_first (&f);
  c->found += e != NULL;
  if (s->group == GROUP_NONE)
    {
      for (unsigned i = 0; i < f.count; i++)
        miss (m, s, "false-alarm", "", f.list[i].title, &f.list[i]);
    }
  else if (!e)
    miss (m, s, "not-found", s->title, "", NULL);
  else
    score_title (c, m, s, &f, e);
  if (s->group != GROUP_NONE && s->group != GROUP_APART)
    {
      score_frames (sc, m, s, &f);
      sc->corrupted += s->corrupted;
      sc->corrupted_right += e && s->corrupted && e->corrupted;
      sc->corrupted_said += e && e->corrupted;
    }
  found_done (&f);
  return 0;
}

static struct counts
sum (const struct score *sc, enum group last)
{
  struct counts all = { 0 };

  for (unsigned g = GROUP_CORE; g <= last; g++)
    {
      all.logs += sc->group[g].logs;
      all.found += sc->group[g].found;
      all.type += sc->group[g].type;
      all.title += sc->group[g].title;
      all.later += sc->group[g].later;
    }
  return all;
}

static void
groups (const struct score *sc)
{
  printf ("\n  %-14s %6s %9s %9s %9s %12s\n", "group", "logs", "detected",
          "TYPE", "title", "title later");
  for (unsigned g = 0; g < GROUP_MAX; g++)
    {
      const struct counts *c = &sc->group[g];

      printf ("  %-14s %6u %9u %9u %9u %12u\n", group_names[g], c->logs,
              c->found, c->type, c->title, c->later);
    }
}

static int
print (const struct score *sc)
{
  struct counts all = sum (sc, GROUP_LOCKDEP), core = sum (sc, GROUP_CORE);
  struct counts fence = sum (sc, GROUP_FENCE);
  const struct counts *none = &sc->group[GROUP_NONE];
  int broken = 0;

  broken
      += measure_row ("detection: recall", all.found, all.logs, WANT_DETECTED);
  broken += measure_row ("detection: precision", all.found,
                         all.found + none->found, 100);
  printf ("  %-46s %5u/%-5u           (wanted 0: %s)\n",
          "false alarms on logs without a crash", none->found, none->logs,
          none->found ? "BROKEN" : "held");
  printf ("  %-46s %5u\n", "remarks (severity info) there", sc->infos);
  broken += measure_row ("TYPE exact", all.type, all.logs, WANT_TYPE);
  measure_row ("title exact (or ALT): all", all.title, all.logs, 0);
  broken += measure_row ("title exact: no sanitizer, no lockdep", core.title,
                         core.logs, WANT_TITLE);
  measure_row ("title exact: the same with KFENCE, UBSAN", fence.title,
               fence.logs, 0);
  broken += measure_row ("frames, of logs that hold any", sc->frames,
                         sc->with_frames, WANT_FRAMES);
  measure_row ("frames in the first event", sc->first_frames, sc->with_frames,
               0);
  measure_row ("FRAME is among the first event's", sc->frame_right,
               sc->labelled_frames, 0);
  measure_row ("CORRUPTED is said where it is", sc->corrupted_right,
               sc->corrupted, 0);
  measure_row ("CORRUPTED is so where it is said", sc->corrupted_right,
               sc->corrupted_said, 0);
  if (sc->lost > 0)
    printf ("  events beyond %d of a log: %u\n", MAX_FOUND, sc->lost);
  printf ("  %-46s %8.1f MB/s\n", "speed (a reader per log, reports are dense)",
          sc->us > 0 ? (double) sc->bytes / (double) sc->us : 0);
  groups (sc);
  return broken;
}

int
measure_labels (const struct measure *m, const struct samples *s,
                struct error *err)
{
  struct score sc = { 0 };

  if (m->verbose)
    puts ("miss\tfile\twhat\tgroup\twanted\tgot\trule\tevidence\tline");
  for (size_t i = 0; i < s->count; i++)
    {
      int r = score_one (&sc, m, &s->list[i], err);

      if (r < 0)
        return error_wrap (err, "%s", s->list[i].name);
    }
  printf ("labelled logs: %zu, %zu bytes; %u listed apart, not counted\n",
          s->count, s->bytes, sc.group[GROUP_APART].logs);
  return print (&sc);
}
