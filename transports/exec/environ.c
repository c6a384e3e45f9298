/* SPDX-License-Identifier: Apache-2.0
 *
 * What a program of the operator's is told of a guest.
 */
#include "transports/exec/exec.h"

#include "base/json.h"
#include "base/text.h"
#include "guests/guest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAX_LABELS 32
#define ENV_VALUE 256

void
exec_tell (struct json_object *told, const char *key, const char *value)
{
  struct buf text CLEANUP_BUF = BUF_INIT (ENV_VALUE);

  text_escape (&text, value, strlen (value), 0);
  json_add_str (told, key, buf_str (&text));
}

static void
tell_labels (struct json_object *told, struct json_object *labels)
{
  unsigned n = 0;

  if (!labels)
    return;
  json_object_object_foreach (labels, key, value)
  {
    char name[80];
    size_t len = (size_t) snprintf (name, sizeof name, "HANGDOG_LABEL_%.60s",
                                    key);

    if (n++ == MAX_LABELS || !json_object_is_type (value, json_type_string))
      continue;
    for (size_t i = 8; i < len; i++)
      name[i] = isascii (name[i]) && isalnum (name[i])
                    ? (char) toupper (name[i])
                    : '_';
    exec_tell (told, name, json_object_get_string (value));
  }
}

struct json_object *
exec_environ (const struct guest *g)
{
  struct json_object *o = json_object_new_object ();
  char number[32];

  exec_tell (o, "HANGDOG_GUEST", g->name);
  exec_tell (o, "HANGDOG_UUID", g->inc.uuid);
  exec_tell (o, "HANGDOG_NAME", g->display);
  if (g->inc.pid > 0)
    {
      snprintf (number, sizeof number, "%d", (int) g->inc.pid);
      exec_tell (o, "HANGDOG_QEMU_PID", number);
    }
  for (unsigned i = 0; i < g->nnics; i++)
    if (g->nics[i].ip[0])
      {
        exec_tell (o, "HANGDOG_ADDRESS", g->nics[i].ip);
        break;
      }
  tell_labels (o, g->labels);
  return o;
}
