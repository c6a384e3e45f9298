/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of what is kept: a writer with one state file, in memory.  Included
 * once in a programme.
 */
#ifndef HANGDOG_TESTS_KEPT_BED_H
#define HANGDOG_TESTS_KEPT_BED_H

#include "base/error.h"
#include "base/json.h"
#include "supervisor/writer_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_WRITER ((struct writer_link *) 1)

static char *kept_text; /* NULL = no such file */
static bool kept_away, kept_refuses;
static unsigned kept_saved, kept_failed;

static inline void
kept_put (const char *text)
{
  free (kept_text);
  kept_text = text ? strdup (text) : NULL;
}

static inline void
kept_reset (void)
{
  kept_put (NULL);
  kept_away = kept_refuses = false;
  kept_saved = kept_failed = 0;
}

static void
kept_told (const struct error *why, void *arg)
{
  kept_saved += !why;
  kept_failed += why != NULL;
}

static inline int
kept_get (channel_reply_fn *fn, void *arg)
{
  struct frame f = { .body = kept_text,
                     .body_len = kept_text ? strlen (kept_text) : 0 };
  struct error why = ERROR_INIT;

  if (kept_text)
    {
      fn (&f, NULL, arg);
      return 0;
    }
  error_set (&why, ENOENT, "no such file");
  fn (NULL, &why, arg);
  return 0;
}

/* Answers before it returns. */
int
writer_link_call (struct writer_link *wl, struct json_object *head,
                  const void *body, size_t body_len, uint64_t timeout_ms,
                  channel_reply_fn *fn, void *arg, struct error *err)
{
  bool get = strcmp (json_get_str (head, "op"), "state-get") == 0;
  struct error why = ERROR_INIT;

  json_object_put (head);
  if (kept_away)
    return error_set (err, ENOTCONN, "the writer is away");
  if (get)
    return kept_get (fn, arg);
  if (kept_refuses)
    {
      error_set (&why, ENOSPC, "the disk is full");
      fn (NULL, &why, arg);
      return 0;
    }
  free (kept_text);
  kept_text = strndup (body, body_len);
  fn (&(struct frame){ .body = NULL }, NULL, arg);
  return 0;
}

bool
writer_link_broke (int code)
{
  return code == ENOTCONN;
}

#endif
