/* SPDX-License-Identifier: Apache-2.0
 *
 * Scenario documents from anybody: each is taken or gets one printable line
 * with a place; what is taken is taken again from its canonical form, and
 * that form does not move.
 */
#include "base/error.h"
#include "scenarios/scenario.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
one_line (const struct error *err)
{
  MUST (err->code > 0 && err->msg[0]);
  for (const unsigned char *p = (const unsigned char *) err->msg; *p; p++)
    MUST (*p >= 0x20 && *p != 0x7f);
}

static void
again (const struct scenario *s)
{
  CLEANUP_JSON struct json_object *first = scenario_to_json (s);
  CLEANUP_JSON struct json_object *second = NULL;
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  const char *text = json_object_to_json_string (first);
  struct scenario *t;
  struct error err = ERROR_INIT;

  MUST (json_parse (text, strlen (text), JSON_WIRE, "again", JSON_MAX_FILE,
                    &doc, &err)
        == 0);
  MUST (scenario_parse (doc, json_root (doc), "", &t, &err) == 0);
  second = scenario_to_json (t);
  MUST (strcmp (text, json_object_to_json_string (second)) == 0);
  scenario_unref (t);
}

static void
parse (const struct json_doc *doc, struct json_object *obj, const char *path)
{
  struct error err = ERROR_INIT;
  struct scenario *s;

  if (scenario_parse (doc, obj, path, &s, &err) < 0)
    {
      one_line (&err);
      return;
    }
  scenario_quiet (s, 1772323200000);
  again (s);
  scenario_unref (s);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct json_object *list, *root;
  struct error err = ERROR_INIT;

  if (json_parse ((const char *) data, size, JSON_FILE, "fuzz", 65536, &doc,
                  &err)
      < 0)
    {
      one_line (&err);
      return 0;
    }
  root = json_root (doc);
  list = json_object_is_type (root, json_type_object)
             ? json_object_object_get (root, "scenarios")
             : NULL;
  if (!json_object_is_type (list, json_type_array))
    parse (doc, root, "");
  else
    for (size_t i = 0; i < json_object_array_length (list) && i < 16; i++)
      {
        char path[40];

        snprintf (path, sizeof path, "scenarios[%zu]", i);
        parse (doc, json_object_array_get_idx (list, i), path);
      }
  return 0;
}
