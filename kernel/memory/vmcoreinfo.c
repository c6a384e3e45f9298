/* SPDX-License-Identifier: Apache-2.0
 *
 * VMCOREINFO: lines KEY=VALUE, and where in a guest's memory they are.
 */
#include "kernel/memory/vmcoreinfo.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/mem_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST "OSRELEASE="
#define MAX_LINES 4096
/* Anybody in the guest can fill pages that begin like one: so many cost a
 * second, and take 400 MiB of it. */
#define MAX_FOUND 100000
#define PIECE_MIN (8ULL << 20)
#define PIECES_MAX 65536

struct line
{
  const char *key, *value; /* both ended */
};

struct vmcoreinfo
{
  char *text;
  struct line *lines;
  size_t n;
};

/* ---- taking it in ---- */

/* Ends its keys and values; false when a line is none. */
static bool
split (struct vmcoreinfo *v, char *p, char *end)
{
  for (char *eol; p < end && v->n < MAX_LINES; p = eol + 1)
    {
      char *eq;

      eol = memchr (p, '\n', (size_t) (end - p));
      if (!eol)
        eol = end; /* there is a byte behind it */
      *eol = '\0';
      if (eol == p)
        continue;
      eq = strchr (p, '=');
      if (!eq)
        return eol == end; /* cut off */
      for (const char *c = p; c < eol; c++)
        if ((unsigned char) *c < ' ' || (unsigned char) *c > '~')
          return false;
      *eq = '\0';
      v->lines[v->n++] = (struct line){ p, eq + 1 };
    }
  return true;
}

int
vmcoreinfo_parse (const char *text, size_t len, struct vmcoreinfo **ret,
                  struct error *err)
{
  struct vmcoreinfo *v;
  bool fits;

  if (len < strlen (FIRST) || memcmp (text, FIRST, strlen (FIRST)) != 0)
    return error_set (err, EBADMSG, "no VMCOREINFO: it begins with " FIRST);
  len = strnlen (text, len < VMCOREINFO_MAX ? len : VMCOREINFO_MAX);
  v = calloc (1, sizeof *v);
  if (v)
    {
      size_t lines = 1;

      for (size_t i = 0; i < len && lines < MAX_LINES; i++)
        lines += text[i] == '\n';
      v->text = malloc (len + 1);
      v->lines = calloc (lines, sizeof *v->lines);
    }
  if (!v || !v->text || !v->lines)
    {
      vmcoreinfo_free (v);
      return error_errno (err, ENOMEM, "VMCOREINFO");
    }
  memcpy (v->text, text, len);
  v->text[len] = '\0';
  fits = split (v, v->text, v->text + len);
  /* What does not say the size of a page and one symbol is a page of
   * somebody's document. */
  if (!fits || v->n < 3 || v->lines[0].value[0] == '\0'
      || strlen (v->lines[0].value) > 64)
    {
      vmcoreinfo_free (v);
      return error_set (err, EBADMSG, "VMCOREINFO without sense");
    }
  *ret = v;
  return 0;
}

void
vmcoreinfo_free (struct vmcoreinfo *v)
{
  if (!v)
    return;
  free (v->text);
  free (v->lines);
  free (v);
}

/* ---- asking ---- */

const char *
vmcoreinfo_release (const struct vmcoreinfo *v)
{
  return v->lines[0].value;
}

/* "KIND(name)", or the bare name when kind is NULL. */
static const char *
value_of (const struct vmcoreinfo *v, const char *kind, const char *name)
{
  size_t k = kind ? strlen (kind) : 0, n = strlen (name);

  for (size_t i = 0; i < v->n; i++)
    {
      const char *key = v->lines[i].key;

      if (kind ? strncmp (key, kind, k) == 0 && key[k] == '('
                     && strncmp (key + k + 1, name, n) == 0
                     && strcmp (key + k + 1 + n, ")") == 0
               : strcmp (key, name) == 0)
        return v->lines[i].value;
    }
  return NULL;
}

static bool
number (const char *text, int base, uint64_t *ret)
{
  char *end;

  if (!text || text[0] == '\0')
    return false;
  errno = 0;
  *ret = text[0] == '-' ? (uint64_t) strtoll (text, &end, base)
                        : strtoull (text, &end, base);
  return errno == 0 && *end == '\0';
}

static bool
number_u32 (const char *text, uint32_t *ret)
{
  uint64_t v;

  if (!number (text, 10, &v) || v > UINT32_MAX)
    return false;
  *ret = (uint32_t) v;
  return true;
}

bool
vmcoreinfo_symbol (const struct vmcoreinfo *v, const char *name, uint64_t *ret)
{
  uint64_t at;

  if (!number (value_of (v, "SYMBOL", name), 16, &at))
    return false;
  *ret = at;
  return true;
}

bool
vmcoreinfo_offset (const struct vmcoreinfo *v, const char *field, uint32_t *ret)
{
  return number_u32 (value_of (v, "OFFSET", field), ret);
}

bool
vmcoreinfo_size (const struct vmcoreinfo *v, const char *type, uint32_t *ret)
{
  return number_u32 (value_of (v, "SIZE", type), ret);
}

bool
vmcoreinfo_number (const struct vmcoreinfo *v, const char *name, int64_t *ret)
{
  const char *text = value_of (v, "NUMBER", name);
  uint64_t n;

  if (!number (text, text && text[0] == '0' && text[1] == 'x' ? 16 : 10, &n))
    return false;
  *ret = (int64_t) n;
  return true;
}

bool
vmcoreinfo_value (const struct vmcoreinfo *v, const char *key, uint64_t *ret)
{
  const char *text = value_of (v, NULL, key);
  uint64_t n;

  /* Only sizes of pages are decimal there. */
  if (!number (text, strcmp (key, "PAGESIZE") == 0 ? 10 : 16, &n))
    return false;
  *ret = n;
  return true;
}

size_t
vmcoreinfo_text (const struct vmcoreinfo *v, char *dst, size_t size)
{
  size_t len = 0;

  for (size_t i = 0; i < v->n; i++)
    {
      int n = snprintf (dst + len, size - len, "%s=%s\n", v->lines[i].key,
                        v->lines[i].value);

      if (n < 0 || (size_t) n >= size - len)
        return 0;
      len += (size_t) n;
    }
  return len;
}

/* ---- looking for it ---- */

/* Mostly one page, but newer kernels take more. */
struct vmcoreinfo *
vmcoreinfo_read (struct mem *m, uint64_t gpa)
{
  CLEANUP_FREE char *text = malloc (VMCOREINFO_MAX);
  struct vmcoreinfo *v = NULL;
  size_t n = 0;

  while (text && n < VMCOREINFO_MAX
         && mem_read (m, gpa + n, text + n, MEM_PAGE, NULL) == 0)
    {
      n += MEM_PAGE;
      if (memchr (text + n - MEM_PAGE, '\0', MEM_PAGE))
        break;
    }
  if (n == 0 || vmcoreinfo_parse (text, n, &v, NULL) < 0)
    return NULL;
  return v;
}

/* true = enough. */
static bool
try_at (struct mem *m, uint64_t gpa, unsigned *found,
        bool (*fn) (const struct vmcoreinfo *v, uint64_t gpa, void *arg),
        void *arg, bool *ret)
{
  struct vmcoreinfo *v = vmcoreinfo_read (m, gpa);

  if (!v)
    return false;
  *ret = fn (v, gpa, arg);
  vmcoreinfo_free (v);
  return *ret || ++*found == MAX_FOUND;
}

struct scan
{
  struct mem *m;
  bool (*fn) (const struct vmcoreinfo *v, uint64_t gpa, void *arg);
  void *arg;
  unsigned found;
  uint64_t *pages; /* so many may still be looked at */
  bool ret;
};

/* false = enough, or no more reading. */
static bool
scan_piece (struct scan *s, uint64_t gpa, uint64_t end)
{
  uint64_t begin, len;

  while (gpa < end && (begin = mem_next (s->m, gpa, &len)) != MEM_NONE
         && begin < end)
    {
      gpa = begin + len < end ? begin + len : end;
      begin = (begin + MEM_PAGE - 1) & ~(uint64_t) (MEM_PAGE - 1);
      for (; begin < gpa; begin += MEM_PAGE)
        {
          char first[sizeof FIRST - 1];
          int e;

          if (*s->pages == 0)
            return false;
          --*s->pages;
          e = mem_peek_ (s->m, begin, first, sizeof first);

          if (e == -EFAULT) /* the file is shorter */
            break;
          if (e < 0 && e != -EIO)
            return false;
          if (e == 0 && memcmp (first, FIRST, sizeof first) == 0
              && try_at (s->m, begin, &s->found, s->fn, s->arg, &s->ret))
            return false;
        }
    }
  return true;
}

/* The n-th piece from the beginning of memory, not counting what is not. */
static bool
scan_nth (struct scan *s, uint64_t n, uint64_t piece)
{
  uint64_t at = n * piece, end = at + piece;

  for (size_t i = 0; i < s->m->nranges && end > 0; i++)
    {
      const struct mem_range *r = &s->m->ranges[i];
      uint64_t stop = end < r->len ? end : r->len;

      if (at < stop && !scan_piece (s, r->gpa + at, r->gpa + stop))
        return false;
      at = at > r->len ? at - r->len : 0;
      end = end > r->len ? end - r->len : 0;
    }
  return true;
}

/* From both ends: booting takes it from the bottom of memory or, where there
 * is more, from its top. */
bool
vmcoreinfo_scan (struct mem *m,
                 bool (*fn) (const struct vmcoreinfo *v, uint64_t gpa,
                             void *arg),
                 void *arg)
{
  uint64_t all = UINT64_MAX;

  return vmcoreinfo_scan_some (m, &all, fn, arg);
}

bool
vmcoreinfo_scan_some (struct mem *m, uint64_t *pages,
                      bool (*fn) (const struct vmcoreinfo *v, uint64_t gpa,
                                  void *arg),
                      void *arg)
{
  struct scan s = { .m = m, .fn = fn, .arg = arg, .pages = pages };
  uint64_t piece = mem_size (m) / PIECES_MAX, low = 0, high;

  piece = piece < PIECE_MIN ? PIECE_MIN : piece & ~(uint64_t) (MEM_PAGE - 1);
  for (high = (mem_size (m) + piece - 1) / piece; low < high; low++)
    if (!scan_nth (&s, low, piece)
        || (low < --high && !scan_nth (&s, high, piece)))
      break;
  return s.ret;
}
