/* SPDX-License-Identifier: Apache-2.0
 *
 * The report: one page of HTML that a bundle is read by.
 *
 * It needs no network, no script and no file beside it; what it shows of a
 * guest is escaped, and its own policy forbids whatever is not in it.  Pure:
 * it reads what is given, and that is hostile: the manifest is ours, or was
 * made by somebody else, and the files are what a guest said.
 */
#ifndef HANGDOG_DIAG_REPORT_H
#define HANGDOG_DIAG_REPORT_H

#include <json-c/json.h>
#include <stddef.h>

struct buf;
struct error;

#define REPORT_MAX (1u << 20) /* bytes of a page */

/* Where the files of a bundle are. */
struct report_source
{
  /* The first `max` bytes of a file into out, or, with `end`, the last ones;
   * *ret_size (not NULL): how long it is.  -ENOENT: there is none. */
  int (*read) (struct report_source *source, const char *name, size_t max,
               int end, struct buf *out, size_t *ret_size);
  /* Calls fn with the name of each file; order does not matter. */
  void (*each) (struct report_source *source,
                void (*fn) (const char *name, size_t size, void *arg),
                void *arg);
  const char *damage; /* why not all of them are there; NULL: they are */
};

/* The page into out, whose bound is REPORT_MAX.  manifest: manifest.json of
 * the bundle, or what will be it, without `files`.  folded (may be NULL): also
 * the stacks of its tasks, "STATE;OUTERMOST;...;INNERMOST N" a line; "" =
 * nobody told of any. */
#define FOLDED_MAX (1u << 20) /* no line begins behind it */
int report_html (struct report_source *source, struct json_object *manifest,
                 struct buf *out, struct buf *folded, struct error *err);

#endif
