/* SPDX-License-Identifier: Apache-2.0
 *
 * The census of stacks as text: "STATE;OUTERMOST;...;INNERMOST N", a stack a
 * line, N tasks on it; so grep reads it, and all that draw folded stacks.
 */
#include "diag/report/tasks.h"

#include <stdlib.h>
#include <string.h>

/* A guest's word: it ends no line and begins no frame. */
static void
put_frame (struct buf *out, const char *frame)
{
  for (; *frame; frame++)
    buf_putc (out, *frame > ' ' && *frame < 0x7f && *frame != ';' ? *frame
                                                                  : '_');
}

void
report_folded (const struct report_tasks *t, struct buf *out)
{
  struct report_pile *piles = NULL;
  unsigned n = t->n ? report_piles (t, &piles) : 0;

  for (unsigned i = 0; i < n && out->len < FOLDED_MAX; i++)
    {
      const struct report_task *one = piles[i].one;

      put_frame (out, one->state[0] ? one->state : "?");
      for (unsigned k = one->nframes; k > 0; k--)
        {
          buf_putc (out, ';');
          put_frame (out, one->frames[k - 1]);
        }
      buf_printf (out, " %u\n", piles[i].tasks);
    }
  free (piles);
}
