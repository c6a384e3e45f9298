/* SPDX-License-Identifier: Apache-2.0
 *
 * Console bytes to lines.
 *
 * Fed with pieces of any size; the lines are the same however it was cut.
 * What terminals take for themselves is taken out: CR, NUL, BEL, ANSI and OSC
 * sequences, what was overwritten by backspaces.  Bytes from 0x80 on pass as
 * they are, valid UTF-8 or not.  A line ends at LF, or where the cursor is
 * sent to another row (firmware and boot menus); one that begins anew after a
 * CR, as progress bars do, is given as `over`.  One that waits for its end (a
 * prompt) is given when it stood still for a while (splitter_tick), and given
 * again, whole and with the same number, if it goes on after all.
 *
 * Bounded: a line is cut at TEXT_LINE_MAX bytes and the rest of it counted; a
 * line that lies whole in the piece is given without copying, so an idle
 * console has no buffer at all.
 */
#ifndef HANGDOG_KERNEL_TEXT_LINE_H
#define HANGDOG_KERNEL_TEXT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define TEXT_LINE_MAX 8192
#define TEXT_LINE_OPEN_MS 300 /* a line that did not grow for so long */

struct text_line
{
  const char *text; /* no NUL at the end; good during the call only */
  size_t len;
  uint64_t number;   /* of the stream's lines, from 1 */
  uint64_t at;       /* position of its first raw byte in the stream */
  uint64_t raw_len;  /* raw bytes it came from, with the line's end */
  uint64_t first_ms, last_ms; /* host's arrival of its first and last byte */
  uint64_t cut;      /* bytes beyond TEXT_LINE_MAX, not in text */
  bool open;         /* its end has not come yet: a prompt, perhaps */
  bool over;         /* text after a CR wrote over it: progress, mostly */
  bool again;        /* it was given open before, shorter */
  bool torn;         /* bytes were lost (a gap) before or in it */
};

typedef void text_line_fn (const struct text_line *line, void *arg);

struct splitter;
int splitter_new (text_line_fn *fn, void *arg, struct splitter **ret,
                  struct error *err);
void splitter_free (struct splitter *s);
/* ms: when this piece arrived; 0 = not known (a file). */
void splitter_feed (struct splitter *s, const void *data, size_t len,
                    uint64_t ms);
/* So many bytes never came here: what is unfinished is given as torn.  0: none
 * are missing, but what comes begins anew (a file was cut). */
void splitter_gap (struct splitter *s, uint64_t lost, uint64_t ms);
/* Gives the open line if it stood still.  Returns when it wants to be called
 * again (clock_ms() scale), CLOCK_NEVER when there is nothing to wait for. */
uint64_t splitter_tick (struct splitter *s, uint64_t now);
/* The stream is over: what is unfinished is a line. */
void splitter_end (struct splitter *s);
/* Bytes of memory it has now. */
size_t splitter_size (const struct splitter *s);

#endif
