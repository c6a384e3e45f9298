/* SPDX-License-Identifier: Apache-2.0
 *
 * Real consoles without labels, told by the names of their files; and oopses
 * cut out of their logs, with the frames that others read from them.
 */
#include "tests/corpus/corpus.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <ctype.h>
#include <string.h>

/* ---- captures: FOLDER/debian-RELEASE/WHAT.txt ---- */

/* What must be found where the name has such a piece; all others are answers
 * to SysRq keys and boots: nothing may be found in them. */
static const struct
{
  const char *file, *kind;
  bool fatal; /* the guest stands still in the end */
} faults[] = {
  { "event-hung_task", "hung_task", false },
  { "event-accidental_oops", "", false },
  { "event-rcu_stall", "rcu", false },
  { "event-inject_nmi", "nmi", false },
  { "event-oom", "oom", false },
  { "event-nmi_panic", "panic", true },
  { "event-panic", "panic", true },
  { "quiet-hung_task", "hung_task", false },
  { "quiet-rcu_stall", "rcu", false },
  { "quiet-inject_nmi", "nmi", false },
  { "quiet-oom", "oom", false },
  { "quiet-panic", "panic", true },
};

struct capture
{
  struct found found;
  struct stage stage; /* in the end */
};

struct captures
{
  unsigned faults, faults_right, quiet_faults, quiet_right;
  unsigned calm, alarmed, stages, stages_right;
};

static const char *
wanted_kind (const struct sample *s, const char *folder, bool *ret_fatal)
{
  *ret_fatal = false;
  /* What these hold is told by their manifest, not by their names. */
  if (strstr (folder, "-6.12") && strstr (s->name, "event-rcu_stall"))
    return NULL;
  if (strstr (folder, "-6.12") && strstr (s->name, "quiet-hung_task"))
    return "";
  for (unsigned i = 0; i < ARRAY_LEN (faults); i++)
    if (strncmp (s->name, faults[i].file, strlen (faults[i].file)) == 0)
      {
        *ret_fatal = faults[i].fatal;
        return faults[i].kind;
      }
  return NULL;
}

static bool
has_kind (const struct found *f, const char *kind)
{
  for (unsigned i = 0; i < f->count; i++)
    if (strstr (f->list[i].kind, kind))
      return true;
  return false;
}

/* Of a log that holds a kernel's banner: where it got to, and which kernel. */
static bool
stage_right (const struct sample *s, const struct stage *st, const char *folder,
             bool fatal)
{
  const char *release = strstr (folder, "debian-");
  size_t n = strlen (st->release);

  /* SysRq R: the log of a boot, told again, is no boot. */
  if (strstr (s->name, "-R."))
    return st->boots == 0;
  if (n == 0 || !release || strncmp (st->release, release + 7, n) != 0)
    return false;
  if (strstr (s->name, "panic_vfs"))
    return st->stage == STAGE_KERNEL
           && (st->stop == STOP_PANIC || st->stop == STOP_NO_ROOT);
  if (fatal != (st->stop == STOP_PANIC))
    return false;
  /* Their init is that of an initramfs and stays there; the root that it
   * mounts may pass for a userspace.  One died before init ran. */
  return st->stage == STAGE_INITRAMFS || st->stage == STAGE_USERSPACE
         || strstr (s->name, "accidental");
}

static void
stage_of (const struct measure *m, const struct sample *s, struct stage *ret)
{
  static const struct text_reader_ops none = { 0 };
  struct text_reader *r;

  *ret = (struct stage) STAGE_INIT;
  if (text_reader_new (m->rules, &none, NULL, &r, NULL) < 0)
    return;
  text_reader_feed (r, s->log, s->len, 0);
  text_reader_end (r);
  *ret = *text_reader_stage (r);
  text_reader_free (r);
}

static int
one_capture (const struct measure *m, const struct sample *s,
             const char *folder, struct captures *c, struct error *err)
{
  bool fatal, right, quiet = strncmp (s->name, "quiet-", 6) == 0;
  const char *kind = wanted_kind (s, folder, &fatal);
  const struct text_event *e;
  struct stage st;
  struct found f;
  int r = found_read (m->rules, s->log, s->len, &f, err);

  if (r < 0)
    return r;
  e = found_first (&f);
  right = kind ? e && has_kind (&f, kind) : !e;
  *(quiet ? &c->quiet_faults : &c->faults) += kind != NULL;
  *(quiet ? &c->quiet_right : &c->faults_right) += kind && right;
  c->calm += !kind;
  c->alarmed += !kind && !right;
  if (!right)
    printf ("  %s/%s: wanted %s, got %s: %s\n", folder, s->name,
            kind ? kind : "nothing", e ? e->kind : "nothing",
            e ? e->title : "");
  found_done (&f);
  if (!memmem (s->log, s->len, "] Linux version ", 16))
    return 0;
  stage_of (m, s, &st);
  right = stage_right (s, &st, folder, fatal);
  c->stages++;
  c->stages_right += right;
  if (!right)
    printf ("  %s/%s: stands at %s, stop %s, kernel \"%s\"\n", folder, s->name,
            text_stage_names[st.stage], text_stop_names[st.stop], st.release);
  return 0;
}

static int
one_folder (const struct measure *m, const char *path, const char *name,
            struct captures *c, int *broken, struct error *err)
{
  struct samples s;
  int r = samples_load (path, false, &s, err);

  for (size_t i = 0; r == 0 && i < s.count; i++)
    r = one_capture (m, &s.list[i], name, c, err);
  if (r == 0)
    r = measure_chunks (m, &s, name, 4, err);
  if (r > 0)
    {
      ++*broken;
      r = 0;
    }
  samples_done (&s);
  return r;
}

int
measure_captures (const struct measure *m, const char *folder,
                  struct error *err)
{
  CLEANUP_CLOSEDIR DIR *dir = opendir (folder);
  struct captures c = { 0 };
  struct dirent *e;
  int r = 0, broken = 0;

  if (!dir)
    return error_errno (err, errno, "%s", folder);
  puts ("captures: real kernels, faults made on purpose, SysRq output");
  while (r == 0 && (e = readdir (dir)))
    {
      char path[4096];

      if (strncmp (e->d_name, "debian-", 7) != 0)
        continue;
      snprintf (path, sizeof (path), "%s/%s", folder, e->d_name);
      r = one_folder (m, path, e->d_name, &c, &broken, err);
    }
  if (r < 0)
    return r;
  broken += measure_row ("faults: the kind is right", c.faults_right, c.faults,
                         98);
  broken += measure_row ("faults of quiet guests", c.quiet_right,
                         c.quiet_faults, 90);
  broken += measure_row ("SysRq output and boots: in peace", c.calm - c.alarmed,
                         c.calm, 100);
  broken += measure_row ("boot stage, stop and kernel", c.stages_right,
                         c.stages, 100);
  return broken;
}

/* ---- oopses: FILE<tab>first<tab>last<tab>frames<tab>... ---- */

struct oops
{
  char file[128], first[128], last[128];
  unsigned frames;
};

static bool
read_oops (const char *line, struct oops *o)
{
  return sscanf (line, "%127[^\t]\t%127[^\t]\t%127[^\t]\t%u", o->file, o->first,
                 o->last, &o->frames)
         == 4;
}

/* Compilers' own endings are not part of a name here. */
static bool
same_func (const char *wanted, const char *got)
{
  size_t n = strlen (wanted);
  const char *dot = strchr (wanted, '.');

  if (dot)
    n = (size_t) (dot - wanted);
  return strncmp (wanted, got, n) == 0 && (got[n] == '\0' || got[n] == '.');
}

static const struct sample *
find_sample (const struct samples *s, const char *name)
{
  for (size_t i = 0; i < s->count; i++)
    if (strcmp (s->list[i].name, name) == 0)
      return &s->list[i];
  return NULL;
}

/* The event of a cut oops that has most of it. */
static const struct text_event *
longest (const struct found *f)
{
  const struct text_event *best = found_first (f);

  for (unsigned i = 1; i < f->count; i++)
    if (f->list[i].nframes > best->nframes)
      best = &f->list[i];
  return best;
}

struct satyr
{
  unsigned rows, first, last, count, expected_first, expected_last;
};

static void
judge_oops (const struct measure *m, const struct oops *o,
            const struct found *f, struct satyr *t)
{
  const struct text_event *e = longest (f);
  const char *first = e && e->nframes ? e->frames[0].func : "";
  const char *last = e && e->nframes ? e->frames[e->nframes - 1].func : "";
  bool head, tail, count;

  /* A function that only the line with the instruction pointer names. */
  head = e && (same_func (o->first, first) || same_func (o->first, e->rip));
  tail = same_func (o->last, last);
  count = (e ? e->nframes : 0) == o->frames;
  t->rows++;
  t->count += count;
  t->expected_first += o->first[0] != '-';
  t->first += o->first[0] != '-' && head;
  t->expected_last += o->last[0] != '-';
  t->last += o->last[0] != '-' && tail;
  if (m->verbose && !(head && tail && count))
    printf ("oops\t%s\twanted %u %s..%s\tgot %u %s..%s\t%s\n", o->file,
            o->frames, o->first, o->last, e ? e->nframes : 0, first, last,
            e ? e->title : "-");
}

static void
count_found (const struct measure *m, const struct samples *s)
{
  unsigned found = 0, framed = 0, with_frames = 0;

  for (size_t i = 0; i < s->count; i++)
    {
      const struct sample *x = &s->list[i];
      bool has = log_has_frames (x->log, x->len), got = false;
      struct found f;

      if (found_read (m->rules, x->log, x->len, &f, NULL) < 0)
        continue;
      for (unsigned k = 0; k < f.count; k++)
        got = got || f.list[k].nframes > 0;
      if (m->verbose && (f.count == 0 || (has && !got)))
        printf ("oops\t%s\t%u events, %s frames\n", x->name, f.count,
                got ? "with" : "no");
      found += f.count > 0;
      with_frames += has;
      framed += has && got;
      found_done (&f);
    }
  measure_row ("found at all", found, (unsigned) s->count, 0);
  measure_row ("frames, of texts that hold any", framed, with_frames, 0);
}

int
measure_satyr (const struct measure *m, const struct samples *s,
               const char *expected, struct error *err)
{
  CLEANUP_FCLOSE FILE *in = fopen (expected, "re");
  struct satyr t = { 0 };
  struct oops o;
  char line[1024];

  if (!in)
    return error_errno (err, errno, "%s", expected);
  printf ("oopses cut out of their logs: %zu (old kernels, five "
          "architectures)\n",
          s->count);
  count_found (m, s);
  while (fgets (line, sizeof (line), in))
    {
      const struct sample *x;
      struct found f;
      int r;

      if (!read_oops (line, &o) || !(x = find_sample (s, o.file)))
        continue;
      r = found_read (m->rules, x->log, x->len, &f, err);
      if (r < 0)
        return r;
      judge_oops (m, &o, &f, &t);
      found_done (&f);
    }
  measure_row ("first function as expected", t.first, t.expected_first, 0);
  measure_row ("last function as expected", t.last, t.expected_last, 0);
  measure_row ("number of frames as expected", t.count, t.rows, 0);
  return 0;
}
