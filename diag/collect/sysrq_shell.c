/* SPDX-License-Identifier: Apache-2.0
 *
 * The same keys, by a shell in the guest: what is written into
 * /proc/sysrq-trigger is asked by root, so no mask refuses it, and the answer
 * is read from the kernel's log, so no loglevel hides it and none is changed.
 *
 * For guests that are alive enough: whoever answers here can write, fork and
 * read.
 */
#include "diag/collect/sysrq_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "diag/collect/collect.h"
#include "diag/collect/inside.h"

#include <stdio.h>
#include <string.h>

#define MAX_OUTPUT (1u << 20)
#define MAX_PARTS (SYSRQ_MAX_KEYS + 2)
#define MAX_SHOWN 98304 /* of one answer */
#define HOLD_MS 5000 /* of what its console says of it, a key */

/* Of its log all from the last header on, each line marked and the stamp that
 * it begins with broken: else it would be taken for what the kernel says
 * meanwhile, and taken out. */
static void
make_script (struct buf *out, const char *keys)
{
  buf_puts (out, "if [ -w /proc/sysrq-trigger ]; then for k in");
  for (const char *k = keys; *k; k++)
    buf_printf (out, " %c", *k);
  buf_printf (out, "; do echo \"@@ $k\"; echo $k >/proc/sysrq-trigger; "
                   "dmesg | sed -n '/[Ss]ys[Rr]q *: /h;/[Ss]ys[Rr]q *: /!H;"
                   "${x;p}' | head -c %u | " INSIDE_MARK "; done; "
                   "echo '@@ end'; else echo '@@ cannot'; fi",
              MAX_SHOWN);
}

/* A long answer pushes its own beginning out of the log. */
static void
tell_missing (struct collect_ctx *ctx, char key, const struct buf *text)
{
  size_t n = strcspn (buf_str (text), "\n");
  char file[32];

  snprintf (file, sizeof file, "sysrq/%c.txt", key);
  if (!memmem (buf_str (text), n, "sysrq", 5)
      && !memmem (buf_str (text), n, "SysRq", 5))
    ctx->out->gap (ctx->out, file,
                   "its beginning is no longer in the guest's log");
  if (text->len >= MAX_SHOWN)
    ctx->out->gap (ctx->out, file, "cut after its first %u KiB",
                   MAX_SHOWN >> 10);
}

/* As it stood in the log. */
static void
take_part (struct collect_ctx *ctx, const struct inside_part *part)
{
  struct buf text CLEANUP_BUF = BUF_INIT (SYSRQ_MAX_BODY);
  const char key = part->name[0];

  inside_unmark (part, &text);
  if (text.len > 0)
    {
      sysrq_keep (ctx, key, ANSWER_SHOWN, &text, 0, true);
      tell_missing (ctx, key, &text);
    }
  else
    ctx->out->gap (ctx->out, "sysrq", "%c: its log has nothing of it", key);
}

int
sysrq_by_shell (struct collect_ctx *ctx, const char *keys, int way,
                struct error *err)
{
  struct buf script CLEANUP_BUF = BUF_INIT (1024);
  struct buf said CLEANUP_BUF = BUF_INIT (MAX_OUTPUT);
  const struct inside_own own = { .way = way };
  struct collect_ctx inner = *ctx;
  struct inside_part part;
  const char *at, *end;
  bool whole = false;
  uint64_t begun = clock_ms ();
  int rc;

  inner.own = &own;
  make_script (&script, keys);
  sysrq_announce (ctx, 't', HOLD_MS * strlen (keys));
  rc = inside_ask (&inner, buf_str (&script), &said, err);
  sysrq_announce (ctx, '\0', 0);
  if (rc < 0)
    return rc;
  at = buf_str (&said);
  end = at + said.len;
  for (unsigned n = 0; n < MAX_PARTS && inside_next (&at, end, &part); n++)
    if (strcmp (part.name, "cannot") == 0)
      return error_set (err, EACCES,
                        "who answers in the guest may not use SysRq");
    else if (strcmp (part.name, "end") == 0)
      whole = true;
    else if (part.name[0] && !part.name[1] && strchr (keys, part.name[0]))
      take_part (ctx, &part);
  if (whole)
    ctx->out->impact_since (ctx->out, begun,
                            "wrote SysRq %s into the guest's "
                            "/proc/sysrq-trigger",
                            keys);
  return 0;
}
