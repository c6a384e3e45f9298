/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and writing a mailbox's blocks.
 */
#include "transports/disk/mailbox.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_MAGIC "HMBX "
#define MAX_LINES 64
/* Of a value; more than any of ours needs. */
#define VALUE_MAX 200
#define KEY_MAX 24
#define SUM_DIGITS 10
#define LEN_DIGITS 6

const char *const mailbox_state_names[] = { "good", "empty", "bad", NULL };
const char *const mailbox_answer_names[]
    = { "begun", "done", "killed", "expired", "refused", NULL };
const char *const mailbox_figure_names[] = {
  "uptime",         "load1",         "load5",
  "load15",         "running",       "blocked",
  "tasks",          "mem_total_kib", "mem_available_kib",
  "swap_total_kib", "swap_free_kib", "root_free_kib",
  "root_free_percent", NULL,
};

uint32_t
mailbox_crc (const void *data, size_t len)
{
  const unsigned char *p = data;
  uint32_t crc = UINT32_MAX;

  /* Bit by bit: records are small, and rarely read. */
  for (size_t i = 0; i < len; i++)
    {
      crc ^= p[i];
      for (unsigned bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
  return ~crc;
}

/* ---- a record ---- */

struct record
{
  const char *payload;
  size_t len;
  const char *body; /* behind the empty line */
  size_t body_len;
};

/* So many digits and no other character. */
static bool
digits (const char *p, size_t n, uint64_t *ret)
{
  uint64_t v = 0;

  if (n == 0 || n > 18)
    return false;
  for (size_t i = 0; i < n; i++)
    {
      if (p[i] < '0' || p[i] > '9')
        return false;
      v = v * 10 + (uint64_t) (p[i] - '0');
    }
  *ret = v;
  return true;
}

/* "KEY=VALUE" as it must be. */
static bool
line_is_plain (const char *p, size_t n)
{
  const char *eq = memchr (p, '=', n);
  size_t key = eq ? (size_t) (eq - p) : 0;

  if (key == 0 || key >= KEY_MAX || n - key - 1 > VALUE_MAX)
    return false;
  for (size_t i = 0; i < key; i++)
    if (!(p[i] >= 'a' && p[i] <= 'z') && !(p[i] >= '0' && p[i] <= '9')
        && p[i] != '_')
      return false;
  for (size_t i = key + 1; i < n; i++)
    if (p[i] < 0x20 || p[i] > 0x7e)
      return false;
  return true;
}

/* Where the lines end and the body begins. */
static bool
split (struct record *r)
{
  const char *p = r->payload, *end = p + r->len;

  for (unsigned lines = 0; p < end; lines++)
    {
      const char *nl = memchr (p, '\n', (size_t) (end - p));

      if (!nl || lines > MAX_LINES)
        return false;
      if (nl == p)
        {
          r->body = p + 1;
          r->body_len = (size_t) (end - r->body);
          return true;
        }
      if (!line_is_plain (p, (size_t) (nl - p)))
        return false;
      p = nl + 1;
    }
  return false;
}

/* A block behind its magic: "CCCCCCCCCC LLLLLL\n" and the payload. */
static bool
open_record (const char *block, const char *magic, struct record *ret)
{
  size_t at = strlen (magic), room;
  uint64_t sum, len;

  if (memcmp (block, magic, at) != 0 || !digits (block + at, SUM_DIGITS, &sum)
      || block[at + SUM_DIGITS] != ' ')
    return false;
  at += SUM_DIGITS + 1;
  if (!digits (block + at, LEN_DIGITS, &len) || block[at + LEN_DIGITS] != '\n')
    return false;
  at += LEN_DIGITS + 1;
  room = MAILBOX_BLOCK - at;
  if (len == 0 || len > room || mailbox_crc (block + at, len) != sum)
    return false;
  *ret = (struct record){ .payload = block + at, .len = (size_t) len };
  return split (ret);
}

/* The value of a key, which stands there once; false: not, or twice, or does
 * not fit. */
static bool
value_of (const struct record *r, const char *key, char *dst, size_t n)
{
  const char *p = r->payload, *end = r->body - 1;
  size_t klen = strlen (key);
  bool found = false;

  while (p < end)
    {
      const char *nl = memchr (p, '\n', (size_t) (end - p) + 1);
      size_t len = (size_t) (nl - p);

      if (len > klen && p[klen] == '=' && memcmp (p, key, klen) == 0)
        {
          size_t vlen = len - klen - 1;

          if (found || vlen >= n)
            return false;
          memcpy (dst, p + klen + 1, vlen);
          dst[vlen] = '\0';
          found = true;
        }
      p = nl + 1;
    }
  return found;
}

static bool
count_of (const struct record *r, const char *key, uint64_t max,
          uint64_t *ret)
{
  char text[24];
  uint64_t v;

  if (!value_of (r, key, text, sizeof text)
      || !digits (text, strlen (text), &v) || v > max)
    return false;
  *ret = v;
  return true;
}

static bool
truth_of (const struct record *r, const char *key, bool *ret)
{
  char text[8];

  if (!value_of (r, key, text, sizeof text)
      || (strcmp (text, "yes") != 0 && strcmp (text, "no") != 0))
    return false;
  *ret = text[0] == 'y';
  return true;
}

static bool
is_kind (const struct record *r, const char *kind)
{
  char text[16];

  return value_of (r, "kind", text, sizeof text) && strcmp (text, kind) == 0;
}

static bool
is_id (const char *s)
{
  return strlen (s) == 32 && strspn (s, "0123456789abcdef") == 32;
}

/* Any word for telling boots apart. */
static bool
is_boot (const char *s)
{
  return *s && s[strspn (s, "0123456789abcdef-")] == '\0';
}

static bool
is_empty (const char *block)
{
  for (size_t i = 0; i < MAILBOX_BLOCK; i++)
    if (block[i])
      return false;
  return true;
}

/* ---- two slots ---- */

/* What is in one block, into a struct of the kind's own. */
typedef bool take_fn (const struct record *r, void *ret);

/* Of both slots the newer one that is whole and in its place; scratch: of the
 * same size as ret. */
static enum mailbox_state
newest (const void *blocks, size_t len, const char *kind, take_fn *take,
        void *ret, void *scratch, size_t size, struct mailbox_slot *ret_slot)
{
  struct mailbox_slot best = { 0 };
  unsigned good = 0, empty = 0;

  if (len != 2 * MAILBOX_BLOCK)
    return MAILBOX_BAD;
  for (unsigned i = 0; i < 2; i++)
    {
      const char *block = (const char *) blocks + i * MAILBOX_BLOCK;
      struct record r;
      uint64_t seq;

      if (is_empty (block))
        {
          empty++;
          continue;
        }
      memset (scratch, 0, size);
      /* One in the other's place is a copy of what was. */
      if (!open_record (block, RECORD_MAGIC, &r) || !is_kind (&r, kind)
          || !count_of (&r, "seq", MAILBOX_SEQ_MAX, &seq) || seq % 2 != i
          || !take (&r, scratch))
        continue;
      good++;
      if (good > 1 && seq < best.seq)
        continue;
      best.seq = seq;
      memcpy (ret, scratch, size);
    }
  if (good == 0)
    return empty == 2 ? MAILBOX_EMPTY : MAILBOX_BAD;
  best.other_bad = good + empty < 2;
  *ret_slot = best;
  return MAILBOX_GOOD;
}

/* ---- header ---- */

bool
mailbox_has_magic (const void *bytes, size_t len)
{
  size_t n = strlen (MAILBOX_MAGIC);

  return len >= n && memcmp (bytes, MAILBOX_MAGIC, n) == 0;
}

int
mailbox_header_decode (const void *block, size_t len,
                       struct mailbox_header *ret, struct error *err)
{
  struct mailbox_header h = { 0 };
  struct record r;
  uint64_t bs;
  char mode[16];

  if (!mailbox_has_magic (block, len))
    return error_set (err, ENOENT, "there is no mailbox");
  if (len < MAILBOX_BLOCK || !open_record (block, MAILBOX_MAGIC, &r)
      || !is_kind (&r, "header")
      || !count_of (&r, "size", MAILBOX_SIZE_MAX, &h.size)
      || h.size < MAILBOX_SIZE_MIN
      || !count_of (&r, "block", MAILBOX_BLOCK, &bs) || bs != MAILBOX_BLOCK
      || !value_of (&r, "mode", mode, sizeof mode)
      || !value_of (&r, "id", h.id, sizeof h.id) || !is_id (h.id))
    return error_set (err, EBADMSG, "the mailbox's header is not whole");
  /* A mode of tomorrow is not one in which commands may be written. */
  h.report_only = strcmp (mode, "commands") != 0;
  *ret = h;
  return 0;
}

/* Zeroes, and in front what is there. */
static void
close_record (const char *magic, const char *payload, size_t len,
              unsigned char *block)
{
  int at;

  memset (block, 0, MAILBOX_BLOCK);
  at = snprintf ((char *) block, MAILBOX_BLOCK, "%s%010lu %06zu\n", magic,
                 (unsigned long) mailbox_crc (payload, len), len);
  memcpy (block + at, payload, len);
}

void
mailbox_header_encode (const struct mailbox_header *h,
                       unsigned char block[MAILBOX_BLOCK])
{
  char text[300];
  int n = snprintf (text, sizeof text,
                    "kind=header\nsize=%llu\nblock=%u\nmode=%s\nid=%s\n\n",
                    (unsigned long long) h->size, MAILBOX_BLOCK,
                    h->report_only ? "report-only" : "commands", h->id);

  close_record (MAILBOX_MAGIC, text, (size_t) n, block);
}

int
mailbox_record (const char *payload, size_t len,
                unsigned char block[MAILBOX_BLOCK], struct error *err)
{
  if (len > MAILBOX_RECORD_MAX)
    return error_set (err, E2BIG, "a record of %zu bytes", len);
  close_record (RECORD_MAGIC, payload, len, block);
  return 0;
}

void
mailbox_make (const struct mailbox_header *h, unsigned char *image)
{
  memset (image, 0, h->size);
  mailbox_header_encode (h, image);
}

/* ---- heartbeat ---- */

static bool
figure_value (const char *text, double *ret)
{
  char *end;
  double v;

  /* Not what strtod() takes besides: blanks, signs, hexadecimal, nan. */
  if (!*text || strlen (text) > 20
      || text[strspn (text, "0123456789.")] != '\0')
    return false;
  v = strtod (text, &end);
  if (*end || !isfinite (v))
    return false;
  *ret = v;
  return true;
}

static void
take_figures (const struct record *r, struct mailbox_beat *b)
{
  for (const char *const *name = mailbox_figure_names; *name; name++)
    {
      char text[24];
      double v;

      if (b->nfigures < MAILBOX_FIGURES
          && value_of (r, *name, text, sizeof text)
          && figure_value (text, &v))
        {
          struct mailbox_figure *f = &b->figures[b->nfigures++];

          snprintf (f->name, sizeof f->name, "%s", *name);
          f->value = v;
        }
    }
}

static bool
take_beat (const struct record *r, void *ret)
{
  struct mailbox_beat *b = ret;
  uint64_t interval;
  double up;

  if (!value_of (r, "boot", b->boot, sizeof b->boot) || !is_boot (b->boot)
      || !value_of (r, "run", b->run, sizeof b->run) || !is_boot (b->run)
      || !count_of (r, "time", MAILBOX_SEQ_MAX * 10, &b->time_s)
      || !count_of (r, "interval", 86400, &interval) || interval == 0
      || !truth_of (r, "commands", &b->commands)
      || r->body_len > MAILBOX_TEXT_MAX)
    return false;
  b->interval_s = (unsigned) interval;
  take_figures (r, b);
  up = mailbox_figure (b, "uptime");
  if (isnan (up) || up >= 1e12)
    return false;
  b->uptime_s = (uint64_t) up;
  b->text_len = r->body_len;
  memcpy (b->text, r->body, r->body_len);
  return true;
}

enum mailbox_state
mailbox_beat_decode (const void *blocks, size_t len, struct mailbox_beat *ret)
{
  struct mailbox_beat beat = { 0 }, scratch;
  struct mailbox_slot slot;
  enum mailbox_state st = newest (blocks, len, "beat", take_beat, &beat,
                                  &scratch, sizeof beat, &slot);

  if (st == MAILBOX_GOOD)
    {
      beat.slot = slot;
      *ret = beat;
    }
  return st;
}

double
mailbox_figure (const struct mailbox_beat *b, const char *name)
{
  for (unsigned i = 0; i < b->nfigures; i++)
    if (strcmp (b->figures[i].name, name) == 0)
      return b->figures[i].value;
  return (double) NAN;
}

enum mailbox_move
mailbox_compare (const char *boot, uint64_t seq,
                 const struct mailbox_beat *now)
{
  bool same = strcmp (boot, now->boot) == 0;

  if (!*boot)
    return MAILBOX_FIRST;
  if (same && now->slot.seq == seq)
    return MAILBOX_SAME;
  /* A script begins where the one before it stopped, in another boot, too. */
  if (now->slot.seq <= seq)
    return MAILBOX_OLDER;
  return same ? MAILBOX_MOVED : MAILBOX_REBOOTED;
}

/* ---- command ---- */

static bool
take_command (const struct record *r, void *ret)
{
  struct mailbox_command *c = ret;
  uint64_t timeout;

  if (!value_of (r, "id", c->id, sizeof c->id))
    return false;
  if (!*c->id)
    return true;
  if (!is_id (c->id) || !value_of (r, "boot", c->boot, sizeof c->boot)
      || !is_boot (c->boot)
      || !count_of (r, "until", MAILBOX_SEQ_MAX * 100, &c->until_s)
      || !count_of (r, "timeout", MAILBOX_TIMEOUT_MAX, &timeout) || timeout == 0
      || r->body_len == 0 || r->body_len > MAILBOX_COMMAND_MAX
      || memchr (r->body, '\0', r->body_len))
    return false;
  c->timeout_s = (unsigned) timeout;
  c->len = r->body_len;
  memcpy (c->text, r->body, r->body_len);
  return true;
}

enum mailbox_state
mailbox_command_decode (const void *blocks, size_t len,
                        struct mailbox_command *ret)
{
  struct mailbox_command cmd = { 0 }, scratch;
  struct mailbox_slot slot;
  enum mailbox_state st = newest (blocks, len, "command", take_command, &cmd,
                                  &scratch, sizeof cmd, &slot);

  if (st == MAILBOX_GOOD)
    {
      cmd.slot = slot;
      *ret = cmd;
    }
  return st;
}

int
mailbox_command_encode (const struct mailbox_command *c,
                        unsigned char block[MAILBOX_BLOCK], struct error *err)
{
  char text[MAILBOX_BLOCK];
  int n;

  if (c->len > MAILBOX_COMMAND_MAX)
    return error_set (err, E2BIG,
                      "a command of %zu bytes is too long for a mailbox",
                      c->len);
  if (*c->id && (c->timeout_s == 0 || c->timeout_s > MAILBOX_TIMEOUT_MAX))
    return error_set (err, ERANGE, "a command that may run for %u s",
                      c->timeout_s);
  n = snprintf (text, sizeof text, "kind=command\nseq=%llu\nid=%s\n",
                (unsigned long long) c->slot.seq, c->id);
  if (*c->id)
    n += snprintf (text + n, sizeof text - (size_t) n,
                   "boot=%s\nuntil=%llu\ntimeout=%u\n", c->boot,
                   (unsigned long long) c->until_s, c->timeout_s);
  n += snprintf (text + n, sizeof text - (size_t) n, "\n");
  if (*c->id)
    {
      memcpy (text + n, c->text, c->len);
      n += (int) c->len;
    }
  return mailbox_record (text, (size_t) n, block, err);
}

/* ---- answer ---- */

static bool
take_answer (const struct record *r, void *ret)
{
  struct mailbox_answer *a = ret;
  uint64_t status, len, sum;
  char state[16];
  int i = 0;

  if (!value_of (r, "id", a->id, sizeof a->id) || !is_id (a->id)
      || !value_of (r, "state", state, sizeof state)
      || !count_of (r, "status", 255, &status)
      || !truth_of (r, "truncated", &a->truncated)
      || !count_of (r, "length", MAILBOX_OUTPUT_MAX, &len)
      || !count_of (r, "sum", UINT32_MAX, &sum))
    return false;
  while (mailbox_answer_names[i] && strcmp (mailbox_answer_names[i], state))
    i++;
  if (!mailbox_answer_names[i])
    return false;
  a->state = (enum mailbox_answer_state) i;
  a->status = (int) status;
  a->len = (size_t) len;
  a->sum = (uint32_t) sum;
  return true;
}

enum mailbox_state
mailbox_answer_decode (const void *blocks, size_t len,
                       struct mailbox_answer *ret)
{
  struct mailbox_answer a = { 0 }, scratch;
  struct mailbox_slot slot;
  enum mailbox_state st = newest (blocks, len, "answer", take_answer, &a,
                                  &scratch, sizeof a, &slot);

  if (st == MAILBOX_GOOD)
    {
      a.slot = slot;
      *ret = a;
    }
  return st;
}

bool
mailbox_output_fits (const struct mailbox_answer *a, const void *output,
                     size_t len)
{
  return len == a->len && mailbox_crc (output, len) == a->sum;
}
