/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder for a while, and the page of a bundle that lies in one.
 */
#include "supervisor/archive/folder.h"

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/io.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PAGE_MS 20000

/* Ours alone: nobody else has put anything in there. */
static void
empty (int dirfd, unsigned depth)
{
  int fd = openat (dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d CLEANUP_CLOSEDIR = fd < 0 ? NULL : fdopendir (fd);
  struct dirent *e;
  int sub;

  if (!d && fd >= 0)
    close (fd);
  while (d && (e = readdir (d)))
    {
      if (strcmp (e->d_name, ".") == 0 || strcmp (e->d_name, "..") == 0)
        continue;
      if (unlinkat (dirfd, e->d_name, 0) == 0 || depth > 8)
        continue;
      sub = openat (dirfd, e->d_name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (sub < 0)
        continue;
      empty (sub, depth + 1);
      close (sub);
      unlinkat (dirfd, e->d_name, AT_REMOVEDIR);
    }
}

int
folder_make (const char *beneath, struct folder *f, struct error *err)
{
  const char *tmp = beneath ? beneath : getenv ("TMPDIR");

  tmp = tmp && tmp[0] == '/' ? tmp : "/tmp";
  snprintf (f->path, sizeof (f->path), "%s/hangdog-bundle.XXXXXX", tmp);
  if (!mkdtemp (f->path))
    {
      f->path[0] = '\0';
      return error_errno (err, errno, "making a folder in %s", tmp);
    }
  f->fd = open (f->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return f->fd < 0 ? error_errno (err, errno, "%s", f->path) : 0;
}

void
folder_drop (struct folder *f)
{
  if (f->fd >= 0)
    {
      empty (f->fd, 0);
      close (f->fd);
      f->fd = -1;
    }
  if (f->path[0])
    rmdir (f->path);
  f->path[0] = '\0';
}

/* ---- the process that makes it ---- */

int
folder_page (const char *libexec, int folder, int page, const char *damage,
             struct error *err)
{
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  CLEANUP_FRAME struct frame f = { 0 };
  uint64_t deadline = clock_ms () + PAGE_MS;
  struct helper h = HELPER_INIT;
  int64_t code;
  const char *why;
  int r = helper_start (&(struct helper_spec){ .libexec = libexec,
                                               .program = "hangdog-report",
                                               .fds = (int[]){ folder, page },
                                               .nfds = 2 },
                        &h, err);

  json_add_str (head, "op", "report");
  if (damage)
    json_add_text (head, "damage", damage, strlen (damage));
  if (r == 0)
    r = helper_say (&h, head, NULL, 0, NULL, 0, deadline, err);
  if (r == 0)
    r = helper_hear (&h, &f, deadline, err);
  if (r == 0 && !json_get_bool (f.head, "ok", false))
    {
      why = json_get_str (f.head, "why");
      code = json_get_int (f.head, "errno", EBADMSG);
      r = error_set (err, code > 0 && code < 4096 ? (int) code : EBADMSG, "%s",
                     why ? why : "hangdog-report did not say why");
    }
  helper_end (&h);
  return r;
}
