/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes to a sink that gets nothing as it is.  Where that cannot be made
 * nothing goes there, whatever the reason.  Ship thread.
 */
#include "supervisor/archive/redaction.h"
#include "supervisor/writer/writer.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define DOCUMENT_MAX (1u << 20)
/* So often somebody else may have been to blame. */
#define TRIES 5

static void
paths (const struct form_job *job, char work[4200], char bundle[4300])
{
  snprintf (work, 4200, "%s/spool/work", disk_path (job->d));
  snprintf (bundle, 4300, "%s/spool/blobs/%.36s.tar.zst", disk_path (job->d),
            job->id);
}

/* Rules or a key that are no good, or no programme: all else may be the want of
 * something that the host has again in a moment. */
static bool
is_for_somebody (int r)
{
  static const int no_good[]
      = { ENOENT, ENOTDIR, EISDIR,  ELOOP,   ENAMETOOLONG, EACCES, EPERM,
          EINVAL, E2BIG,   EFBIG,   ENODATA, EBADMSG,      ENOEXEC };

  for (unsigned i = 0; i < ARRAY_LEN (no_good); i++)
    if (r == -no_good[i])
      return true;
  return false;
}

static enum ship_end
begin (const struct form_job *job, const char *work, struct redaction **ret,
       struct error *err)
{
  const char *said = json_object_is_type (job->sink->redact, json_type_string)
                         ? json_object_get_string (job->sink->redact)
                         : NULL;
  bool strict = said && strcmp (said, "strict") == 0;
  const struct redaction_spec spec = { .libexec = disk_libexec (job->d),
                                       .beneath = work,
                                       .state = disk_path (job->d),
                                       .rules = strict ? NULL : said,
                                       .strict = strict };
  int r = spec.libexec ? redaction_new (&spec, ret, err)
                       : error_set (err, ENOEXEC, "no hangdog-redact");

  if (r == 0)
    return SHIP_DONE;
  error_wrap (err, "nothing goes there unredacted");
  return is_for_somebody (r) ? SHIP_DENIED : SHIP_RETRY;
}

/* What is in it does not get better; whose process ended by itself may have
 * met what it can't take. */
static bool
is_hopeless (int r, unsigned unmade)
{
  return r == -EBADMSG || r == -E2BIG
         || (!redaction_passes (r) && unmade + 1 >= TRIES);
}

enum ship_end
form_of_document (const struct form_job *job, unsigned unmade, int *fd,
                  bool *ret_unmade, struct error *err)
{
  CLEANUP_REDACTION struct redaction *s = NULL;
  CLEANUP_BUF struct buf out = BUF_INIT (DOCUMENT_MAX);
  CLEANUP_FREE char *text = malloc (DOCUMENT_MAX);
  CLEANUP_CLOSE int to = -1;
  char work[4200], bundle[4300];
  enum ship_end end;
  ssize_t n;
  int r;

  paths (job, work, bundle);
  if ((end = begin (job, work, &s, err)) != SHIP_DONE)
    return end;
  n = text ? pread (*fd, text, DOCUMENT_MAX, 0) : -1;
  r = n < 0 ? error_set (err, EIO, "the document can't be read")
            : redaction_document (s, job->evidence,
                                  job->bundle ? bundle : NULL, text,
                                  (size_t) n, &out, err);
  /* Who hangs is to be heard of, in few words if need be. */
  if (r < 0 && n >= 0 && is_hopeless (r, unmade))
    r = redaction_stub (text, (size_t) n, &out, err);
  if (r == 0 && (to = memfd_create ("incident", MFD_CLOEXEC)) < 0)
    r = error_errno (err, errno, "a document");
  if (r == 0 && (r = io_write (to, buf_str (&out), out.len)) < 0)
    error_errno (err, -r, "a document");
  if (r < 0)
    {
      error_wrap (err, "redacting the document");
      *ret_unmade = !redaction_passes (r);
      return SHIP_RETRY;
    }
  close (*fd);
  *fd = steal_fd (&to);
  return SHIP_DONE;
}

enum ship_end
form_of_bundle (const struct form_job *job, unsigned unmade,
                const struct spool_form *have, bool *ret_made, bool *ret_unmade,
                char ret_name[SPOOL_WORK_NAME], struct spool_form *ret,
                struct error *err)
{
  CLEANUP_REDACTION struct redaction *s = NULL;
  char work[4200], bundle[4300];
  struct redacted done = { 0 };
  enum ship_end end;
  int r;

  paths (job, work, bundle);
  if ((end = begin (job, work, &s, err)) != SHIP_DONE)
    return end;
  *ret_made = !have || strcmp (have->made_by, redaction_id (s)) != 0;
  if (!*ret_made)
    return SHIP_DONE;
  snprintf (ret_name, SPOOL_WORK_NAME, "%.36s.%.31s", job->id,
            job->sink->name);
  unlinkat (job->work, ret_name, 0);
  r = redaction_bundle (s, bundle, job->work, ret_name, &done, err);
  json_object_put (done.redaction);
  if (r < 0)
    {
      error_wrap (err, "redacting the bundle");
      *ret_unmade = !redaction_passes (r);
      return is_hopeless (r, unmade) ? SHIP_PARK : SHIP_RETRY;
    }
  *ret = (struct spool_form){ .bytes = done.bytes };
  snprintf (ret->made_by, sizeof ret->made_by, "%s", redaction_id (s));
  snprintf (ret->digest, sizeof ret->digest, "%s", done.digest);
  return SHIP_DONE;
}
