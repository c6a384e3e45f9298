/* SPDX-License-Identifier: Apache-2.0
 *
 * One read-only script in the guest's shell, and its answer in parts: what
 * those collectors share that ask somebody inside.
 */
#ifndef HANGDOG_DIAG_INSIDE_H
#define HANGDOG_DIAG_INSIDE_H

#include "base/buf.h"
#include "base/json.h"
#include "diag/collector.h"

#include <stdbool.h>

/* A way that a step names; console where it names none. */
struct inside_own
{
  int way; /* index into inside_ways */
};
extern const char *const inside_ways[]; /* ends with NULL */
extern const struct json_field inside_fields[];
extern const struct inside_own inside_default;
void inside_plan (const struct guest *g, const void *own,
                  struct collect_plan *ret);

/* Runs it by that way until the budget ends: 0 with what it said, or < 0 with
 * why nobody answered.  What came of it before it was cut off is there. */
int inside_ask (struct collect_ctx *ctx, const char *script, struct buf *ret,
                struct error *err);

/* Parts of such an answer begin with a line "@@ NAME".  NULL: no more. */
struct inside_part
{
  char name[40];
  const char *text;
  size_t len;
};
bool inside_next (const char **at, const char *end, struct inside_part *ret);

/* A line of df, of its blocks or of its inodes; false: it is none. */
struct inside_fs
{
  char device[80], place[120];
  unsigned percent;
  bool inodes, full;
};
bool inside_df (const char *line, bool inodes, struct inside_fs *ret);
/* "/data (/dev/vda, 100 %)" */
void inside_full (const struct inside_fs *fs, char *dst, size_t n);

/* Lines of the kernel's log are marked, and their stamps broken, or they would
 * be taken for what the kernel says on the console meanwhile. */
#define INSIDE_MARK "sed 's/^\\[/>/;t;s/^/|/'"
/* The lines that are marked, as they were. */
void inside_unmark (const struct inside_part *part, struct buf *out);
/* The part "links" in rows "net" (inside_links.c). */
struct outside;
void inside_links (const char *text, struct outside *o);

#endif
