/* SPDX-License-Identifier: Apache-2.0
 *
 * Logs with labels, and what a reader makes of them.
 */
#include "tests/corpus/corpus.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FILE (64u << 20)

const char *const group_names[]
    = { "no crash", "core", "kfence, ubsan", "sanitizer", "lockdep",
        "apart",    NULL };

static bool
begins (const char *s, const char *with)
{
  return strncmp (s, with, strlen (with)) == 0;
}

/* ---- labels ---- */

static enum group
group_of (const struct sample *s)
{
  static const char *const sanitizers[] = { "KASAN", "KMSAN", "KCSAN", "LEAK" };

  if (!s->title[0])
    return GROUP_NONE;
  if (strcmp (s->type, "SYZ_FAILURE") == 0 || strcmp (s->type, "REBOOT") == 0
      || begins (s->title, "trusty:") || begins (s->title, "go runtime")
      || begins (s->title, "unexpected kernel reboot"))
    return GROUP_APART;
  if (strcmp (s->type, "LOCKDEP") == 0)
    return GROUP_LOCKDEP;
  for (unsigned i = 0; i < ARRAY_LEN (sanitizers); i++)
    if (begins (s->type, sanitizers[i]))
      return GROUP_SANITIZER;
  if (begins (s->type, "KFENCE") || strstr (s->type, "UBSAN"))
    return GROUP_FENCE;
  return GROUP_CORE;
}

static void
label_copy (char *dst, size_t n, const char *value, size_t len)
{
  while (len > 0 && isspace ((unsigned char) value[len - 1]))
    len--;
  snprintf (dst, n, "%.*s", (int) len, value);
}

static void
label (struct sample *s, const char *line, size_t len)
{
  const char *colon = memchr (line, ':', len);
  const char *value = colon ? colon + 1 : NULL;
  size_t n = value ? (size_t) (line + len - value) : 0;

  while (n > 0 && *value == ' ')
    value++, n--;
  if (!value)
    return;
  if (begins (line, "TITLE:"))
    label_copy (s->title, sizeof (s->title), value, n);
  else if (begins (line, "TYPE:"))
    label_copy (s->type, sizeof (s->type), value, n);
  else if (begins (line, "FRAME:"))
    label_copy (s->frame, sizeof (s->frame), value, n);
  else if (begins (line, "ALT:") && s->nalts < MAX_ALTS)
    label_copy (s->alt[s->nalts++], sizeof (s->alt[0]), value, n);
  else if (begins (line, "CORRUPTED:"))
    s->corrupted = n > 0 && *value == 'Y';
}

/* Header lines, an empty line, the log, and in some files a line "REPORT:"
 * with what the log's report should look like. */
static void
read_labels (struct sample *s, size_t len)
{
  const char *p = s->text, *end = s->text + len, *cut;

  while (p < end)
    {
      const char *nl = memchr (p, '\n', (size_t) (end - p));
      size_t n = (size_t) ((nl ? nl : end) - p);

      if (n == 0)
        {
          p++;
          break;
        }
      label (s, p, n);
      p = nl ? nl + 1 : end;
    }
  s->log = p;
  cut = p < end ? memmem (p, (size_t) (end - p), "\nREPORT:\n", 9) : NULL;
  s->len = (size_t) ((cut ? cut + 1 : end) - p);
  s->group = group_of (s);
}

static int
load_file (const char *path, bool labelled, struct sample *s, struct error *err)
{
  CLEANUP_FCLOSE FILE *f = fopen (path, "re");
  struct stat st;
  size_t n;

  if (!f || fstat (fileno (f), &st) < 0)
    return error_errno (err, errno, "%s", path);
  if (st.st_size > MAX_FILE)
    return error_set (err, EFBIG, "%s: too large for a sample", path);
  s->text = malloc ((size_t) st.st_size + 1);
  if (!s->text)
    return error_set (err, ENOMEM, "%s: no memory", path);
  n = fread (s->text, 1, (size_t) st.st_size, f);
  s->text[n] = '\0';
  s->log = s->text;
  s->len = n;
  if (labelled)
    read_labels (s, n);
  return 0;
}

static int
by_name (const void *a, const void *b)
{
  return strverscmp (((const struct sample *) a)->name,
                     ((const struct sample *) b)->name);
}

static int
load_all (const char *folder, bool labelled, DIR *dir, struct samples *all,
          struct error *err)
{
  struct dirent *e;
  char path[4096];

  while ((e = readdir (dir)))
    {
      struct sample *more, *s;
      int r;

      if (e->d_name[0] == '.' || e->d_type == DT_DIR)
        continue;
      more = reallocarray (all->list, all->count + 1, sizeof (*more));
      if (!more)
        return error_set (err, ENOMEM, "%s: no memory", folder);
      all->list = more;
      s = &all->list[all->count];
      memset (s, 0, sizeof (*s));
      snprintf (s->name, sizeof (s->name), "%s", e->d_name);
      snprintf (path, sizeof (path), "%s/%s", folder, e->d_name);
      r = load_file (path, labelled, s, err);
      if (r < 0)
        return r;
      all->count++;
      all->bytes += s->len;
    }
  return 0;
}

int
samples_load (const char *folder, bool labelled, struct samples *ret,
              struct error *err)
{
  CLEANUP_CLOSEDIR DIR *dir = opendir (folder);
  struct samples all = { 0 };
  int r;

  if (!dir)
    return error_errno (err, errno, "%s", folder);
  r = load_all (folder, labelled, dir, &all, err);
  if (r < 0)
    {
      samples_done (&all);
      return r;
    }
  /* By name: the same order, and so the same dice, on every machine. */
  if (all.count > 0)
    qsort (all.list, all.count, sizeof (*all.list), by_name);
  *ret = all;
  return 0;
}

void
samples_done (struct samples *s)
{
  for (size_t i = 0; i < s->count; i++)
    free (s->list[i].text);
  free (s->list);
  *s = (struct samples){ 0 };
}

/* ---- what is found ---- */

static void
on_event (const struct text_event *e, void *arg)
{
  struct found *f = arg;
  struct text_event *more;

  /* What we asked for ourselves, or what is worth a remark only, is no
   * alarm. */
  if (e->ours || e->severity == SEVERITY_INFO)
    {
      f->infos++;
      return;
    }
  if (f->count == MAX_FOUND)
    {
      f->lost++;
      return;
    }
  more = reallocarray (f->list, f->count + 1, sizeof (*more));
  if (!more)
    {
      f->lost++;
      return;
    }
  f->list = more;
  f->list[f->count++] = *e;
}

static int
by_line (const void *a, const void *b)
{
  const struct text_event *x = a, *y = b;

  if (x->first_line != y->first_line)
    return x->first_line < y->first_line ? -1 : 1;
  return x->id < y->id ? -1 : x->id > y->id;
}

int
found_read (const struct text_rules *rules, const char *log, size_t len,
            struct found *ret, struct error *err)
{
  static const struct text_reader_ops ops = { .event = on_event };
  struct found f = { 0 };
  struct text_reader *r;
  int rc = text_reader_new (rules, &ops, &f, &r, err);

  if (rc < 0)
    return rc;
  text_reader_feed (r, log, len, 0);
  text_reader_end (r);
  text_reader_free (r);
  /* They are told when their reports end, which may be in another order. */
  if (f.count > 0)
    qsort (f.list, f.count, sizeof (*f.list), by_line);
  *ret = f;
  return 0;
}

void
found_done (struct found *f)
{
  free (f->list);
  *f = (struct found){ 0 };
}

const struct text_event *
found_first (const struct found *f)
{
  return f->count > 0 ? &f->list[0] : NULL;
}

bool
same_type (const char *wanted, const char *got)
{
  /* A log without a type has one that its tracker does not name. */
  if (!wanted[0])
    return !got[0] || strcmp (got, "UNKNOWN") == 0;
  return strcmp (wanted, got) == 0;
}

static size_t
class_len (const char *type)
{
  if (begins (type, "NULL-"))
    return strlen (type);
  return strcspn (type, "-");
}

bool
same_class (const char *wanted, const char *got)
{
  size_t n = class_len (wanted);

  if (same_type (wanted, got))
    return true;
  return n > 0 && class_len (got) == n && memcmp (wanted, got, n) == 0;
}

bool
same_title (const struct sample *s, const struct text_event *e)
{
  if (strcmp (s->title, e->title) == 0)
    return true;
  for (unsigned i = 0; i < s->nalts; i++)
    if (strcmp (s->alt[i], e->title) == 0)
      return true;
  return false;
}
