/* SPDX-License-Identifier: Apache-2.0
 *
 * Typing behind QEMU's mux, no faster than the guest takes it.
 *
 * The mux keeps 32 bytes for a guest that takes none just then, and does not
 * look whether more come: they are lost, and the last 32 said again and again.
 * So no more is typed at a time than has room there, and the next piece goes
 * when the one before has come back as its echo.  Where no echo comes (a
 * password, a shell without one, a guest that is dead) that is found out once
 * for a lease, and from then on the guest is given a little time instead.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "transports/console/hub_impl.h"

#define PIECE 16
#define PAUSE_MS 4
/* For an echo: of a console that says nothing at all, and of one that says
 * something else, or that had echoed before. */
#define SILENT_MS 300
#define NOISY_MS 2000
/* So many pieces without one, and it is not waited for any more: what echoes
 * is a line editor that shows it in another way. */
#define MOST_MISSES 3
#define KEPT 512
#define LINE_KILL "\x15"
#define ERASE_MS 100

/* What is looked at of text: line editors put ends of lines, spaces and escape
 * sequences in between where a line is full. */
struct plain
{
  char text[KEPT];
  size_t len;
  enum { PLAIN, ESCAPE, SEQUENCE } in;
};

static void
plain_add (struct plain *p, const char *data, size_t n)
{
  for (size_t i = 0; i < n; i++)
    {
      unsigned char ch = (unsigned char) data[i];

      if (p->in == ESCAPE)
        p->in = ch == '[' ? SEQUENCE : PLAIN;
      else if (p->in == SEQUENCE)
        p->in = ch >= 0x40 && ch < 0x7f ? PLAIN : SEQUENCE;
      else if (ch == 0x1b)
        p->in = ESCAPE;
      else if (ch > ' ' && ch != 0x7f)
        {
          if (p->len == sizeof p->text)
            {
              memmove (p->text, p->text + KEPT / 2, KEPT / 2);
              p->len = KEPT / 2;
            }
          p->text[p->len++] = (char) ch;
        }
    }
}

/* 1: it came back; 0: it did not in time. */
static int
echo_comes (struct lease *l, const struct plain *want, uint64_t from,
            uint64_t deadline)
{
  struct ring *ring = l->console->ring;
  struct plain seen = { .len = 0 };
  uint64_t now = clock_ms (), third, pos = from, lost;
  uint64_t silent, noisy;
  char chunk[256];
  size_t n;

  /* What is typed is to be answered, too. */
  third = now + (deadline > now ? deadline - now : 0) / 3;
  noisy = now + NOISY_MS < third ? now + NOISY_MS : third;
  silent = now + SILENT_MS < third ? now + SILENT_MS : third;
  if (l->echoes)
    silent = noisy;
  for (;;)
    {
      while ((n = ring_read (ring, &pos, chunk, sizeof chunk, &lost)) > 0)
        {
          plain_add (&seen, chunk, n);
          if (memmem (seen.text, seen.len, want->text, want->len))
            return 1;
          /* A guest may say more all the time than is read. */
          if (clock_ms () >= noisy || lease_check_ (l, NULL) < 0)
            return 0;
        }
      if (ring_wait (ring, pos, pos > from ? noisy : silent) < 0)
        return 0;
    }
}

static void
await_echo (struct lease *l, const char *piece, size_t n, uint64_t from,
            uint64_t deadline)
{
  struct plain want = { .len = 0 };

  plain_add (&want, piece, n);
  if (l->echoless || want.len == 0)
    lease_pause_ (l, PAUSE_MS);
  else if (echo_comes (l, &want, from, deadline))
    l->echoes = true;
  else if (++l->misses >= MOST_MISSES || !l->echoes)
    l->echoless = true;
}

/* Its time is over within a line: the rest would come as an answer to whatever
 * asks by then, and its end would have half a command run. */
static int
give_up (struct lease *l, char last, struct error *err)
{
  if (last != '\r' && last != '\n')
    (void) lease_write_raw (l, LINE_KILL, 1, clock_ms () + ERASE_MS, NULL);
  return error_set (err, ETIMEDOUT, "console %s takes what is typed too slowly",
                    l->def.name);
}

int
lease_write_slowly_ (struct lease *l, const char *p, size_t len,
                     uint64_t deadline, struct error *err)
{
  int r = 0;

  while (len > 0 && r == 0)
    {
      size_t n = len < PIECE ? len : PIECE;
      uint64_t from = ring_head (l->console->ring);

      r = lease_write_raw (l, p, n, deadline, err);
      len -= n;
      if (len > 0 && r == 0)
        await_echo (l, p, n, from, deadline);
      p += n;
      if (len > 0 && r == 0 && clock_ms () >= deadline)
        return give_up (l, p[-1], err);
    }
  return r;
}
