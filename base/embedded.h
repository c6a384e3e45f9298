/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that the build makes a part of the programme (base/embed-files).
 */
#ifndef HANGDOG_BASE_EMBEDDED_H
#define HANGDOG_BASE_EMBEDDED_H

#include <stddef.h>

/* A list of them ends with a NULL name. */
struct embedded_file
{
  const char *name; /* without its folders */
  const unsigned char *text;
  size_t len;
};

#endif
