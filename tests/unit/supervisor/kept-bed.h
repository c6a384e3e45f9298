/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of what is kept: a writer with one state file, in memory.  Included
 * once in a programme.
 */
#ifndef HANGDOG_TESTS_KEPT_BED_H
#define HANGDOG_TESTS_KEPT_BED_H

#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "supervisor/links/writer_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_AGAIN_MS 30000

#define KEPT_WRITER ((struct writer_link *) 1)

static struct loop *kept_loop;
static char *kept_text; /* NULL = no such file */
static char *kept_bad;  /* what was put aside */
static int kept_unread; /* why it can't be read, an errno, or 0 */
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
  free (kept_bad);
  kept_bad = NULL;
  kept_unread = 0;
  kept_away = kept_refuses = false;
  kept_saved = kept_failed = 0;
  assert_int_equal (loop_new_fake (&kept_loop, NULL), 0);
}

static inline void
kept_done (void)
{
  kept_put (NULL);
  free (kept_bad);
  kept_bad = NULL;
  loop_free (kept_loop);
}

static inline void
kept_wait (void)
{
  loop_advance (kept_loop, KEPT_AGAIN_MS);
  assert_int_equal (loop_round (kept_loop, 0, NULL), 0);
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

  if (kept_unread)
    {
      error_set (&why, kept_unread, "it did not answer");
      fn (NULL, &why, arg);
      return 0;
    }
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
  bool bad = strstr (json_get_str (head, "name"), ".bad") != NULL;
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
  free (bad ? kept_bad : kept_text);
  *(bad ? &kept_bad : &kept_text) = strndup (body, body_len);
  fn (&(struct frame){ .body = NULL }, NULL, arg);
  return 0;
}

bool
writer_link_broke (int code)
{
  return code == ENOTCONN;
}

#endif
