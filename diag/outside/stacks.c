/* SPDX-License-Identifier: Apache-2.0
 *
 * By which stacks a culprit is known when it comes again.
 */
#include "diag/outside/outside_impl.h"

#include "base/cleanup.h"
#include "kernel/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 64
#define MAX_KEYS 4 /* of a circle */

void
outside_add_stack_ (const struct outside *o, struct json_object *culprit,
                    struct json_object *row)
{
  struct json_object *list = json_get (culprit, "stacks");

  if (!outside_stack (o, row) || len_of (list) >= MAX_KEYS)
    return;
  if (!list)
    {
      list = json_object_new_array ();
      json_object_object_add (culprit, "stacks", list);
    }
  json_object_array_add (list, json_object_new_int64 (num_of (row, "stack")));
}

void
outside_row_key_ (const struct outside *o, struct json_object *row,
                  char dst[OUTSIDE_KEY])
{
  const char *names[DEPTH];
  unsigned n = outside_frames_ (o, row, names, DEPTH);
  unsigned from = outside_behind_panic_ (names, n);

  /* Who did not panic is not behind it. */
  if (from == n)
    from = 0;
  wait_key (names + from, n - from, dst, OUTSIDE_KEY);
}

static int
by_alphabet (const void *a, const void *b)
{
  return strcmp (a, b);
}

void
outside_take_key_ (const struct outside *o, struct json_object *culprit,
                      char dst[OUTSIDE_KEY])
{
  struct json_object *list = json_get (culprit, "stacks");
  char keys[MAX_KEYS][OUTSIDE_KEY];
  size_t n = len_of (list), len = 0, had = 0;

  dst[0] = '\0';
  for (size_t i = 0; i < n && had < MAX_KEYS; i++)
    {
      CLEANUP_JSON struct json_object *row = json_object_new_object ();

      json_object_object_add (
          row, "stack", json_object_get (json_object_array_get_idx (list, i)));
      outside_row_key_ (o, row, keys[had]);
      had += keys[had][0] != '\0';
    }
  qsort (keys, had, sizeof keys[0], by_alphabet);
  for (size_t i = 0; i < had && len < OUTSIDE_KEY - 1; i++)
    len += (size_t) snprintf (dst + len, OUTSIDE_KEY - len, "%s%.*s",
                              i ? "|" : "", (int) (OUTSIDE_KEY / had) - 2,
                              keys[i]);
  if (culprit)
    json_object_object_del (culprit, "stacks");
}
