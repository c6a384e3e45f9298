/* SPDX-License-Identifier: Apache-2.0
 *
 * Console bytes to lines.  See line.h.
 *
 * Two ways through: a line that lies whole in the piece and holds nothing to
 * take out is found by a word-wise scan and given where it lies; everything
 * else goes byte by byte through a terminal's states into a buffer.
 */
#include "kernel/text/line.h"

#include "base/clock.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256
/* Real sequences are shorter.  Beyond it a sequence was none: what follows is
 * text again, so that no stray ESC ] can swallow a kernel's last words. */
#define MAX_CSI 64
#define MAX_STRING 1024

enum state
{
  GROUND,
  ESCAPE,  /* after ESC */
  CHARSET, /* after ESC and an intermediate byte: one final byte to come */
  CSI,
  STRING,     /* OSC, DCS, APC, PM, SOS: to BEL or ESC \ */
  STRING_ESC, /* an ESC within one */
};

struct splitter
{
  text_line_fn *fn;
  void *arg;
  char *buf;
  size_t cap;
  size_t len; /* of what the line shows */
  size_t col; /* where the next byte goes; < len after backspaces */
  uint64_t cut;
  uint64_t pos;  /* of the stream: bytes that came, and those that did not */
  uint64_t at;   /* where the unfinished line begins */
  uint64_t number;
  uint64_t first_ms, last_ms;
  enum state state;
  unsigned nseq;  /* bytes of the control sequence so far */
  unsigned param; /* first number in a CSI */
  bool begun;     /* an unfinished line has bytes */
  bool cr;        /* a CR came: LF ends the line, text overwrites it */
  bool back;      /* backspaces moved the cursor */
  bool grown;     /* shows something that was not given yet */
  bool given;     /* was given open */
  bool torn;
};

/* ---- the scan ---- */

#define ONES (UINT64_MAX / 255)

/* Whether any of eight bytes is below 0x20 or 0x7f; those are looked at one
 * by one then, so a tab costs a little, no byte order matters, and neither does
 * what is carried over from a neighbour: it takes nothing away. */
static inline bool
has_control (uint64_t w)
{
  uint64_t low = w - ONES * 0x20, del = w + ONES;

  return ((low | del) & ~w & (ONES * 0x80)) != 0;
}

static inline bool
is_plain (unsigned char c)
{
  return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* The first byte that is not plain text. */
static const char *
find_control (const char *p, const char *end)
{
  uint64_t w;

  while (end - p >= 8)
    {
      memcpy (&w, p, 8);
      if (has_control (w))
        for (int i = 0; i < 8; i++)
          if (!is_plain ((unsigned char) p[i]))
            return p + i;
      p += 8;
    }
  while (p < end && is_plain ((unsigned char) *p))
    p++;
  return p;
}

static const char *
skip_nuls (const char *p, const char *end)
{
  uint64_t w = 0;

  while (end - p >= 8 && (memcpy (&w, p, 8), w == 0))
    p += 8;
  while (p < end && *p == '\0')
    p++;
  return p;
}

/* ---- giving lines ---- */

static void
give (struct splitter *s, const char *text, uint64_t end, bool open,
      bool over)
{
  struct text_line line = { .text = text, .len = s->len, .at = s->at,
                            .raw_len = end - s->at, .first_ms = s->first_ms,
                            .last_ms = s->last_ms, .cut = s->cut,
                            .open = open, .over = over, .again = s->given,
                            .torn = s->torn };

  /* An open line keeps its number when it is given again. */
  s->number += !s->given;
  line.number = s->number;
  s->fn (&line, s->arg);
}

/* What the line shows: blanks that rubbed something out are not text. */
static size_t
shown (const struct splitter *s)
{
  size_t len = s->len;

  while (s->back && len > s->col && s->buf[len - 1] == ' ')
    len--;
  return len;
}

static void
forget_line (struct splitter *s)
{
  s->len = s->col = 0;
  s->cut = 0;
  s->begun = s->cr = s->back = s->grown = s->given = s->torn = false;
}

static void
finish (struct splitter *s, uint64_t end, bool over)
{
  s->len = shown (s);
  give (s, s->buf ? s->buf : "", end, false, over);
  forget_line (s);
}

/* Something unfinished ends without an end of line; of one that never showed
 * anything nobody is told. */
static void
finish_torn_off (struct splitter *s)
{
  s->state = GROUND;
  if (s->begun && (s->len > 0 || s->given))
    finish (s, s->pos, false);
  forget_line (s);
}

static void
begin (struct splitter *s, uint64_t at, uint64_t ms)
{
  if (s->begun)
    return;
  s->begun = true;
  s->at = at;
  s->first_ms = ms;
}

/* ---- the slow way ---- */

static bool
grow (struct splitter *s, size_t need)
{
  size_t cap = s->cap > 0 ? s->cap : FIRST_CAP;
  char *p;

  if (need <= s->cap)
    return true;
  while (cap < need)
    cap *= 2;
  p = realloc (s->buf, cap);
  if (!p)
    return false;
  s->buf = p;
  s->cap = cap;
  return true;
}

/* Without memory the text counts as cut, and the line goes on. */
static void
add_text (struct splitter *s, const char *p, size_t n)
{
  size_t room = TEXT_LINE_MAX - s->col;
  size_t take = n < room ? n : room;

  if (s->cut > 0 || (take > 0 && !grow (s, s->col + take)))
    take = 0;
  if (take > 0)
    memcpy (s->buf + s->col, p, take);
  s->col += take;
  if (s->col > s->len)
    s->len = s->col;
  s->cut += n - take;
  s->grown = true;
}

static void
step_back (struct splitter *s)
{
  if (s->col == 0 || s->cut > 0)
    return;
  s->back = true;
  /* Over a whole character. */
  do
    s->col--;
  while (s->col > 0 && ((unsigned char) s->buf[s->col] & 0xc0) == 0x80);
}

/* Cursor sent to another row, screen cleared: firmware and boot menus do that
 * where others write a line feed. */
static bool
leaves_row (const struct splitter *s, unsigned char final)
{
  switch (final)
    {
    case 'A':
    case 'B':
    case 'E':
    case 'F':
    case 'H':
    case 'd':
    case 'f':
      return true;
    case 'J':
      return s->param >= 2;
    default:
      return false;
    }
}

static void
break_row (struct splitter *s, uint64_t end)
{
  if (s->len > 0)
    finish (s, end, false);
}

/* Bytes of sequences.  Returns false if the byte is not of it after all. */
static bool
step_escape (struct splitter *s, unsigned char c, uint64_t end)
{
  s->state = GROUND;
  if (c == '[')
    s->state = CSI;
  else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_')
    s->state = STRING;
  else if (c >= 0x20 && c < 0x30)
    s->state = CHARSET;
  else if (c == 'c' || c == 'D' || c == 'E' || c == 'M')
    break_row (s, end);
  else if (c >= 0x7f)
    return false;
  s->nseq = s->param = 0;
  return true;
}

static bool
step_csi (struct splitter *s, unsigned char c, uint64_t end)
{
  if (c >= 0x7f || ++s->nseq > MAX_CSI)
    {
      s->state = GROUND;
      return false;
    }
  if (c >= 0x40)
    {
      s->state = GROUND;
      if (leaves_row (s, c))
        break_row (s, end);
    }
  else if (c >= '0' && c <= '9' && s->param < 100)
    s->param = s->param * 10 + (c - '0');
  return true;
}

static bool
step_string (struct splitter *s, unsigned char c)
{
  if (++s->nseq <= MAX_STRING)
    return true;
  s->state = GROUND;
  return false;
}

/* A byte that is no control, within a sequence. */
static bool
step_sequence (struct splitter *s, unsigned char c, uint64_t end)
{
  switch (s->state)
    {
    case ESCAPE:
      return step_escape (s, c, end);
    case CHARSET:
      if (c < 0x30)
        return ++s->nseq <= MAX_CSI || (s->state = GROUND, false);
      s->state = GROUND;
      return c < 0x7f;
    case CSI:
      return step_csi (s, c, end);
    case STRING_ESC:
      s->state = GROUND;
      if (c == '\\')
        return true;
      /* It was the next sequence's. */
      return step_escape (s, c, end);
    case STRING:
      return step_string (s, c);
    case GROUND:
    default:
      return false;
    }
}

/* Returns true at the line's end. */
static bool
step_control (struct splitter *s, unsigned char c)
{
  switch (c)
    {
    case '\n':
      s->state = GROUND; /* no sequence goes over a line's end */
      return true;
    case '\r':
      s->cr = true;
      break;
    case '\b':
      if (s->state == GROUND && !s->cr)
        step_back (s);
      break;
    case 0x1b:
      s->state = s->state == STRING ? STRING_ESC : ESCAPE;
      break;
    case 0x07:
      if (s->state == STRING || s->state == STRING_ESC)
        s->state = GROUND;
      break;
    case 0x18:
    case 0x1a:
      s->state = GROUND;
      break;
    default:
      break;
    }
  return false;
}

/* Text after a CR: what the line showed is written over, as progress bars do
 * it.  It was said all the same, so it is given. */
static void
begin_over (struct splitter *s, uint64_t at, uint64_t ms)
{
  if (s->cr && s->len > 0)
    finish (s, at, true);
  s->cr = false;
  begin (s, at, ms);
}

/* From p to the line's end, or to the end of the piece. */
static const char *
feed_slowly (struct splitter *s, const char *p, const char *end, uint64_t ms)
{
  uint64_t base = s->pos + (uint64_t) (end - p); /* - (end - p): position */
  const char *q;

  while (p < end)
    {
      unsigned char c = (unsigned char) *p;
      uint64_t at = base - (uint64_t) (end - p);

      if (!is_plain (c))
        {
          begin (s, at, ms);
          q = c == '\0' ? skip_nuls (p, end) : p + 1;
          s->last_ms = ms;
          p = q;
          if (step_control (s, c))
            {
              finish (s, base - (uint64_t) (end - p), false);
              break;
            }
        }
      else if (s->state != GROUND && step_sequence (s, c, at + 1))
        {
          s->last_ms = ms;
          p++;
        }
      else
        {
          q = find_control (p, end);
          begin_over (s, at, ms);
          add_text (s, p, (size_t) (q - p));
          s->last_ms = ms;
          p = q;
        }
    }
  s->pos = base - (uint64_t) (end - p);
  return p;
}

/* ---- the fast way ---- */

/* A line that lies whole in the piece.  NULL: it must go the slow way. */
static const char *
feed_fast (struct splitter *s, const char *p, const char *end, uint64_t ms)
{
  const char *q = find_control (p, end), *next = q;
  size_t len = (size_t) (q - p);

  while (next < end && *next == '\r')
    next++;
  if (next == end || *next != '\n')
    return NULL;
  next++;
  s->at = s->pos;
  s->first_ms = s->last_ms = ms;
  s->pos += (uint64_t) (next - p);
  s->len = len < TEXT_LINE_MAX ? len : TEXT_LINE_MAX;
  s->cut = len - s->len;
  give (s, p, s->pos, false, false);
  s->len = 0;
  s->cut = 0;
  s->torn = false;
  return next;
}

static void
drop_buffer (struct splitter *s)
{
  if (s->begun && s->len > 0)
    return;
  free (s->buf);
  s->buf = NULL;
  s->cap = 0;
}

void
splitter_feed (struct splitter *s, const void *data, size_t len, uint64_t ms)
{
  const char *p = data, *end = p + len, *next;

  while (p < end)
    {
      next = NULL;
      if (!s->begun && s->state == GROUND)
        next = feed_fast (s, p, end, ms);
      p = next ? next : feed_slowly (s, p, end, ms);
    }
  drop_buffer (s);
}

/* ---- the rest ---- */

void
splitter_gap (struct splitter *s, uint64_t lost, uint64_t ms)
{
  if (lost == 0 && !s->begun && s->state == GROUND)
    return;
  s->torn = true;
  finish_torn_off (s);
  s->pos += lost;
  s->torn = lost > 0; /* the next line's beginning may be among them */
  drop_buffer (s);
}

uint64_t
splitter_tick (struct splitter *s, uint64_t now)
{
  size_t len = s->len;

  if (!s->begun || !s->grown || s->last_ms == 0)
    return CLOCK_NEVER;
  if (now < s->last_ms || now - s->last_ms < TEXT_LINE_OPEN_MS)
    return s->last_ms + TEXT_LINE_OPEN_MS;
  s->grown = false;
  s->len = shown (s);
  give (s, s->buf ? s->buf : "", s->pos, true, false);
  s->len = len;
  s->given = true;
  return CLOCK_NEVER;
}

void
splitter_end (struct splitter *s)
{
  finish_torn_off (s);
  drop_buffer (s);
}

size_t
splitter_size (const struct splitter *s)
{
  return sizeof *s + s->cap;
}

int
splitter_new (text_line_fn *fn, void *arg, struct splitter **ret,
              struct error *err)
{
  struct splitter *s = calloc (1, sizeof *s);

  if (!s)
    return error_set (err, ENOMEM, "no memory for the lines of a text");
  s->fn = fn;
  s->arg = arg;
  *ret = s;
  return 0;
}

void
splitter_free (struct splitter *s)
{
  if (!s)
    return;
  free (s->buf);
  free (s);
}
