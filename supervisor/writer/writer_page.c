/* SPDX-License-Identifier: Apache-2.0
 *
 * The page of a bundle: made by hangdog-report, which reads what a guest said
 * and has nothing but that folder.  Disk thread.
 */
#include "supervisor/writer/writer.h"

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/json.h"
#include "config.h"
#include "controller-proto/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PAGE "index.html"
#define STACKS "stacks.folded"
#define SCOPE "stacks.speedscope.json"
#define PAGE_MS 5000

/* As bundle_pack() will have it, as far as it is for people. */
static struct json_object *
manifest_of (struct json_object *manifest)
{
  struct json_object *all = json_object_new_object ();
  struct json_object *tool = json_object_new_object ();
  struct json_object *clock = json_object_new_object ();
  char now[32];

  json_object_object_foreach (manifest, key, value)
    json_object_object_add (all, key, json_object_get (value));
  json_add_str (tool, "name", PACKAGE_NAME);
  json_add_str (tool, "version", PACKAGE_VERSION);
  json_object_object_add (all, "tool", tool);
  json_add_str (all, "created",
                clock_format (now, sizeof now, clock_wall_ms ()));
  json_add_str (clock, "utc", now);
  json_add_int (clock, "monotonic_ms", (int64_t) clock_ms ());
  json_object_object_add (all, "clock", clock);
  json_object_object_add (all, "host", bundle_host ());
  return all;
}

static int
ask (struct helper *h, struct json_object *manifest, struct error *err)
{
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  CLEANUP_JSON struct json_object *all = manifest_of (manifest);
  CLEANUP_FRAME struct frame f = { 0 };
  uint64_t deadline = clock_ms () + PAGE_MS;
  const char *text, *why;
  size_t len;
  int r;

  text = json_object_to_json_string_length (all, JSON_C_TO_STRING_PLAIN, &len);
  json_add_str (head, "op", "report");
  json_add_bool (head, "stacks", true);
  if ((r = helper_say (h, head, text, len, NULL, 0, deadline, err)) < 0
      || (r = helper_hear (h, &f, deadline, err)) < 0)
    return r;
  if (json_get_bool (f.head, "ok", false))
    return 0;
  why = json_get_str (f.head, "why");
  return error_set (err, EIO, "hangdog-report: %s",
                    why ? why : "it did not say why");
}

static int
make (int files, const char *name, struct error *err)
{
  int fd;

  /* One that was begun before a crash. */
  unlinkat (files, name, 0);
  fd = openat (files, name,
               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  return fd < 0 ? error_errno (err, errno, "%s", name) : fd;
}

int
writer_page (void *arg, int files, struct json_object *manifest,
             struct error *err)
{
  CLEANUP_CLOSE int page = make (files, PAGE, err);
  CLEANUP_CLOSE int stacks = page < 0 ? -1 : make (files, STACKS, err);
  CLEANUP_CLOSE int scope = stacks < 0 ? -1 : make (files, SCOPE, err);
  struct helper h = HELPER_INIT;
  int r = 0;

  if (scope < 0)
    {
      unlinkat (files, PAGE, 0);
      unlinkat (files, STACKS, 0);
      return -err->code;
    }
  r = helper_start (&(struct helper_spec){ .libexec = arg,
                                           .program = "hangdog-report",
                                           .fds = (int[]){ files, page,
                                                           stacks, scope },
                                           .nfds = 4 },
                    &h, err);
  if (r == 0)
    r = ask (&h, manifest, err);
  helper_end (&h);
  if (r == 0 && fsync (page) < 0)
    r = error_errno (err, errno, "%s", PAGE);
  if (r < 0)
    unlinkat (files, PAGE, 0);
  /* Nobody told of any task. */
  if (r < 0 || fsync (stacks) < 0 || lseek (stacks, 0, SEEK_END) <= 0)
    unlinkat (files, STACKS, 0);
  if (r < 0 || fsync (scope) < 0 || lseek (scope, 0, SEEK_END) <= 0)
    unlinkat (files, SCOPE, 0);
  return r;
}
