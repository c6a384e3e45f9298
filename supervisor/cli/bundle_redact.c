/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog bundle redact: the same bundle, without what names somebody and
 * without secrets.
 */
#include "supervisor/archive/redaction.h"
#include "supervisor/cli/bundle.h"
#include "supervisor/cli/progress.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void
show (const struct cli *cli, struct redacted *done)
{
  const char *key = json_get_str (done->redaction, "key");
  struct json_object *counts = json_get (done->redaction, "counts");

  if (cli->json)
    {
      json_add_int (done->redaction, "members", done->members);
      json_add_int (done->redaction, "left_out", done->left_out);
      if (done->digest[0])
        {
          json_add_str (done->redaction, "sha256", done->digest);
          json_add_int (done->redaction, "bytes", (int64_t) done->bytes);
        }
      print_json (done->redaction);
      return;
    }
  printf ("redact members=%u left_out=%u replaced=%lld key=%s\n",
          done->members, done->left_out, (long long) done->hits,
          key ? key : "?");
  json_object_object_foreach (counts, name, n)
    {
      printf ("%10lld  ", (long long) json_object_get_int64 (n));
      print_text (stdout, name);
      fputc ('\n', stdout);
    }
}

static void
step (void *arg, unsigned n, unsigned of, const char *member)
{
  progress_step (arg, n, of, member);
}

/* The folder of a file that is to be made; its name in there is *ret_name. */
static int
folder_of (const char *to, const char **ret_name, struct error *err)
{
  const char *slash = strrchr (to, '/'), *name = slash ? slash + 1 : to;
  char path[4096];
  int dir;

  snprintf (path, sizeof (path), "%.*s", slash ? (int) (slash - to) + 1 : 1,
            slash ? to : ".");
  dir = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0)
    return error_errno (err, errno, "%s", path);
  if (faccessat (dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
    {
      close (dir);
      return error_set (err, EEXIST, "%s is there already", to);
    }
  *ret_name = name;
  return dir;
}

int
bundle_redact (struct cli *cli, const struct bundle_redact *what,
               bool *ret_said, struct error *err)
{
  struct progress p;
  struct redaction_spec spec = { .libexec = cli->libexec,
                                 .state = cli->state_path,
                                 .key = what->key,
                                 .rules = what->rules,
                                 .strict = what->strict,
                                 .any_key = true,
                                 .step = step,
                                 .arg = &p };
  CLEANUP_REDACTION struct redaction *s = NULL;
  CLEANUP_CLOSE int dir = -1;
  struct redacted done = { 0 };
  const char *name = NULL;
  int r;

  if (what->to && (dir = folder_of (what->to, &name, err)) < 0)
    return dir;
  if ((r = redaction_new (&spec, &s, err)) < 0)
    return r;
  if (redaction_key_trouble (s))
    fprintf (stderr, "hangdog: no key of the host (%s): one for this bundle "
                     "alone\n",
             redaction_key_trouble (s));
  progress_begin (&p, what->file, cli->json);
  r = redaction_bundle (s, what->file, dir, name, &done, err);
  *ret_said = progress_end (&p, r == 0,
                            r < 0      ? error_text (err)
                            : what->to ? what->to
                                       : "nothing was written");
  if (r == 0)
    show (cli, &done);
  json_object_put (done.redaction);
  return r;
}
