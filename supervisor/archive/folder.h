/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder for a while: a bundle unpacked, or on its way to become one.
 */
#ifndef HANGDOG_ARCHIVE_FOLDER_H
#define HANGDOG_ARCHIVE_FOLDER_H

struct error;

struct folder
{
  char path[4096];
  int fd;
};
#define FOLDER_INIT { .path = "", .fd = -1 }

/* Beneath that one; NULL = TMPDIR, or /tmp.  Nobody else may look into it. */
int folder_make (const char *beneath, struct folder *f, struct error *err);
/* With all that is in it. */
void folder_drop (struct folder *f);

/* Has hangdog-report write the page of the bundle in that folder, which says
 * so where that is damaged (NULL: it is whole). */
int folder_page (const char *libexec, int folder, int page,
                 const char *damage, struct error *err);

#endif
