/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer target: the XML scanner never reads outside of its text, never
 * forgets the end, and what it hands out fits.
 */
#include "base/error.h"
#include "guests/xml.h"
#include "tests/fuzz/fuzz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct error err = ERROR_INIT;
  char *text = malloc (size ? size : 1);
  char out[16];
  struct xml x;
  size_t events = 0;
  int r;

  if (!text)
    return 0;
  memcpy (text, data, size);
  if (xml_init (&x, text, size, &err) == 0)
    while ((r = xml_next (&x, &err)) > 0)
      {
        /* At least a byte is used for each event but the close of <x/>. */
        if (++events > 2 * size + 2 || x.depth > XML_MAX_DEPTH)
          abort ();
        xml_attr (&x, "a", out, sizeof out);
        if (strlen (out) >= sizeof out)
          abort ();
        if (r == XML_TEXT)
          xml_text (&x, out, sizeof out);
        (void) xml_is (&x, "domain/*/x");
      }
  free (text);
  return 0;
}
