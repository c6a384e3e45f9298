/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog diagnose --dry-run: what would be done, and is not.
 */
#include "supervisor/cli/diagnose.h"

#include "base/json.h"
#include "base/units.h"

#include <string.h>

static void
bounds (struct json_object *row, char time[32], char size[32])
{
  units_format_duration (time, 32, (uint64_t) json_get_int (row, "ms", 0));
  units_format_size (size, 32, (uint64_t) json_get_int (row, "bytes", 0));
}

static void
list_of (const char *label, struct json_object *list)
{
  if (json_object_is_type (list, json_type_string))
    print_paragraph (stdout, label, json_object_get_string (list));
  for (size_t i = 0; json_object_is_type (list, json_type_array)
                     && i < json_object_array_length (list);
       i++)
    print_paragraph (stdout, label,
                     json_object_get_string (
                         json_object_array_get_idx (list, i)));
}

static void
step (struct json_object *row)
{
  char time[32], size[32];

  bounds (row, time, size);
  printf ("\n%lld. %s  ", (long long) json_get_int (row, "n", 0),
          row_str (row, "step"));
  if (strcmp (row_str (row, "step"), row_str (row, "collector")) != 0)
    printf ("(%s)  ", row_str (row, "collector"));
  printf ("touches %s, at most %s, about %s\n", row_str (row, "touch"), time,
          size);
  print_paragraph (stdout, "   ", row_str (row, "summary"));
  list_of ("   if: ", json_get (row, "if"));
  list_of ("   does: ", json_get (row, "acts"));
  if (row_str (row, "never")[0])
    print_paragraph (stdout, "   left out here: ", row_str (row, "never"));
}

struct plan
{
  bool json;
  struct json_object *steps; /* told behind the first line */
};

static int
on_row (struct json_object *row, const void *body, size_t len, void *arg)
{
  struct plan *p = arg;
  char time[32], size[32];

  (void) body;
  (void) len;
  if (p->json)
    print_json (row);
  else if (strcmp (row_str (row, "row"), "step") == 0)
    json_object_array_add (p->steps, json_object_get (row));
  else if (strcmp (row_str (row, "row"), "plan") == 0)
    {
      bounds (row, time, size);
      printf ("plan=%s guest=", row_str (row, "playbook"));
      print_text (stdout, row_str (row, "guest"));
      printf (" steps=%lld touching=%lld time=%s bytes=%s\n",
              (long long) json_get_int (row, "steps", 0),
              (long long) json_get_int (row, "touching", 0), time, size);
      print_paragraph (stdout, "From: ", row_str (row, "origin"));
      for (size_t i = 0; i < json_object_array_length (p->steps); i++)
        step (json_object_array_get_idx (p->steps, i));
    }
  return 0;
}

int
diagnose_plan (const struct cli *cli, const char *guest, const char *playbook)
{
  CLEANUP_JSON struct json_object *steps = json_object_new_array ();
  struct plan p = { .json = cli->json, .steps = steps };
  struct json_object *head = client_request ("plan", guest);

  if (playbook)
    json_add_str (head, "playbook", playbook);
  return cli_ask (cli, true, head, on_row, &p);
}
