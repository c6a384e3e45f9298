/* SPDX-License-Identifier: Apache-2.0
 *
 * control-ask SOCKET REQUEST [BODY]: asks the daemon's control socket and
 * prints each row as a line of JSON, the last one too.  Exit 1 when the answer
 * is an error, which is printed, too.
 */
#include <stdio.h>
#include <string.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#define PATIENCE_MS 60000

static int
fails (const struct error *err)
{
  fprintf (stderr, "control-ask: %s\n", error_text (err));
  return 2;
}

/* 1: more comes; 0: the end; 2: a failure. */
static int
one_row (int sock, bool *ret_refused)
{
  CLEANUP_FRAME struct frame f = { .head = NULL };
  struct error err = ERROR_INIT;

  if (frame_read (sock, &f, clock_ms () + PATIENCE_MS, &err) < 0)
    return fails (&err);
  puts (json_object_to_json_string_ext (f.head, JSON_C_TO_STRING_PLAIN));
  *ret_refused = json_get (f.head, "error") != NULL;
  return json_get_bool (f.head, "more", false);
}

static int
ask (const char *path, struct json_object *head, const char *body)
{
  CLEANUP_CLOSE int sock = -1;
  CLEANUP_FRAME struct frame hello = { .head = NULL };
  struct error err = ERROR_INIT;
  bool refused = false;
  int r;

  if (socket_connect (path, &sock, &err) < 0
      || frame_read (sock, &hello, clock_ms () + PATIENCE_MS, &err) < 0
      || frame_write (sock, head, body, body ? strlen (body) : 0, NULL, 0,
                      clock_ms () + PATIENCE_MS, &err)
             < 0)
    return fails (&err);
  do
    r = one_row (sock, &refused);
  while (r == 1);
  return r ? r : refused;
}

int
main (int argc, char **argv)
{
  CLEANUP_JSON struct json_object *head
      = argc > 2 ? json_tokener_parse (argv[2]) : NULL;

  if (!head || argc > 4)
    {
      fprintf (stderr, "usage: control-ask SOCKET REQUEST [BODY]\n");
      return 2;
    }
  json_add_int (head, "id", 1);
  return ask (argv[1], head, argc > 3 ? argv[3] : NULL);
}
