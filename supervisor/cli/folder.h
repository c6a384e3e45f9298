/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder for a while: a bundle unpacked, or on its way to become one.
 */
#ifndef HANGDOG_CLI_FOLDER_H
#define HANGDOG_CLI_FOLDER_H

#include "supervisor/cli/cli.h"

struct error;

struct folder
{
  char path[4096];
  int fd;
};
#define FOLDER_INIT { .path = "", .fd = -1 }

/* In TMPDIR, or /tmp; nobody else may look into it. */
int folder_make (struct folder *f, struct error *err);
/* With all that is in it. */
void folder_drop (struct folder *f);

/* Has hangdog-report write the page of the bundle in that folder. */
int folder_page (struct cli *cli, int folder, int page, struct error *err);

#endif
