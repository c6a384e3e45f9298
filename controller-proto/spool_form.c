/* SPDX-License-Identifier: Apache-2.0
 *
 * What a sink gets in the bundle's place: a form of it that was redacted by
 * that sink's rules.
 *
 * The bundle itself stays as it is.  A form lies beside it from when it was
 * made until its sink has it or refuses it, and is what its item says: a file
 * that no item knows of is what a crash left half done, one that is lacking is
 * made again.
 */
#include "controller-proto/spool_impl.h"

#include "base/error.h"
#include "base/json.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* So much larger what is in a bundle may be of which nobody has noted that. */
#define GUESSED 8

char *
spool_form_name (char dst[SPOOL_FORM_NAME], const char *id, const char *sink)
{
  snprintf (dst, SPOOL_FORM_NAME, "%.36s.%.31s.tar.zst", id, sink);
  return dst;
}

/* ---- as it is on disk ---- */

struct json_object *
spool_form_to_json (const struct spool_form *form)
{
  struct json_object *o = json_object_new_object ();

  if (form->made_by[0])
    json_add_str (o, "made_by", form->made_by);
  json_add_str (o, "digest", form->digest);
  json_add_int (o, "bytes", (int64_t) form->bytes);
  return o;
}

void
spool_form_from_json (struct spool_form *form, struct json_object *o)
{
  const char *made_by = json_get_str (o, "made_by");
  const char *digest = json_get_str (o, "digest");
  int64_t bytes = json_get_int (o, "bytes", 0);

  snprintf (form->made_by, sizeof form->made_by, "%s", made_by ? made_by : "");
  snprintf (form->digest, sizeof form->digest, "%s", digest ? digest : "");
  form->bytes = bytes > 0 ? (uint64_t) bytes : 0;
}

static void
add_blob (struct json_object *to, const char *digest, uint64_t bytes)
{
  json_add_str (to, "sha256", digest);
  json_add_int (to, "bytes", (int64_t) bytes);
}

void
spool_form_tell (const struct item *it, const char *sink,
                 struct json_object *document)
{
  const struct spool_form *form = spool_form (&it->pub, sink);
  struct json_object *o, *redacted;

  json_object_object_del (document, "bundle");
  if (!it->pub.bundle)
    return;
  o = json_object_new_object ();
  add_blob (o, it->pub.digest, it->pub.bytes);
  if (form && form->digest[0])
    {
      redacted = json_object_new_object ();
      add_blob (redacted, form->digest, form->bytes);
      json_object_object_add (o, "redacted", redacted);
    }
  json_object_object_add (document, "bundle", o);
}

/* ---- what there is ---- */

const struct spool_form *
spool_form (const struct spool_item *item, const char *sink)
{
  for (unsigned i = 0; i < item->nat; i++)
    if (strcmp (item->at[i].sink, sink) == 0)
      return &item->at[i].form;
  return NULL;
}

uint64_t
spool_forms_bytes (const struct item *it)
{
  uint64_t n = 0;

  for (unsigned i = 0; i < it->pub.nat; i++)
    if (it->pub.at[i].form.made_by[0])
      n += it->pub.at[i].form.bytes;
  return n;
}

int
spool_work_fd (struct spool *sp)
{
  return sp->work_fd;
}

int
spool_evidence_fd (struct spool *sp, const char *id)
{
  char path[64];

  snprintf (path, sizeof path, "%.36s/files", id);
  return openat (sp->open_fd, path,
                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int
spool_form_fd (struct spool *sp, const char *id, const char *sink, int *ret_fd,
               struct error *err)
{
  char name[SPOOL_FORM_NAME];
  int fd = openat (sp->blobs_fd, spool_form_name (name, id, sink),
                   O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

  if (fd < 0)
    return error_errno (err, errno, "opening %s", name);
  *ret_fd = fd;
  return 0;
}

/* ---- it comes and goes ---- */

int
spool_form_room (struct spool *sp, const char *id, struct error *err)
{
  struct item *it;
  uint64_t unpacked;
  int r = spool_lookup (sp, id, &it, err);

  if (r < 0)
    return r;
  if (!it->pub.bundle)
    return error_set (err, ENOENT, "no bundle of incident %s", id);
  unpacked = it->pub.unpacked ? it->pub.unpacked : GUESSED * it->pub.bytes;
  /* As it was, as it is to be, and that packed: its body, and the whole. */
  sp->keep = it;
  r = spool_room (sp, 2 * unpacked + 2 * it->pub.bytes, SPOOL_SCRATCH, err);
  if (r == 0)
    r = spool_room (sp, it->pub.bytes, SPOOL_BULK, err);
  sp->keep = NULL;
  return r;
}

void
spool_form_unmade (struct spool *sp, const char *sink,
                   const struct spool_load *load)
{
  struct item *it = spool_find (sp, load->item.id);
  struct spool_at *at = it ? spool_make_at (sp, it, sink) : NULL;

  if (at)
    at->part[load->part].unmade++;
}

int
spool_form_put (struct spool *sp, const char *id, const char *sink,
                const char *work, const struct spool_form *form,
                struct error *err)
{
  char name[SPOOL_FORM_NAME];
  struct spool_at *at;
  struct item *it;
  int r = spool_lookup (sp, id, &it, err);

  if (r < 0)
    return r;
  if (!it->pub.bundle || (at = spool_make_at (sp, it, sink)) == NULL)
    return error_set (err, ENOENT, "no bundle of incident %s", id);
  spool_form_drop (sp, it, at);
  if (renameat (sp->work_fd, work, sp->blobs_fd,
                spool_form_name (name, id, sink))
          < 0
      || fsync (sp->blobs_fd) < 0)
    return error_errno (err, errno, "keeping %s", name);
  at->form = *form;
  r = spool_write_item (sp, it, NULL, err);
  if (r < 0)
    spool_form_drop (sp, it, at);
  return r;
}

void
spool_form_drop (struct spool *sp, struct item *it, struct spool_at *at)
{
  char name[SPOOL_FORM_NAME];

  if (!at->form.made_by[0])
    return;
  unlinkat (sp->blobs_fd, spool_form_name (name, it->pub.id, at->sink), 0);
  at->form.made_by[0] = '\0';
}

void
spool_forms_drop (struct spool *sp, struct item *it)
{
  for (unsigned i = 0; i < it->pub.nat; i++)
    spool_form_drop (sp, it, &it->pub.at[i]);
}

/* ---- after a crash ---- */

bool
spool_form_known (struct spool *sp, const char *name)
{
  char want[SPOOL_FORM_NAME];
  struct item *it;
  char id[40];

  snprintf (id, sizeof id, "%.36s", name);
  it = spool_find (sp, id);
  for (unsigned i = 0; it && i < it->pub.nat; i++)
    if (it->pub.at[i].form.made_by[0]
        && strcmp (spool_form_name (want, id, it->pub.at[i].sink), name) == 0)
      return true;
  return false;
}

void
spool_forms_check (struct spool *sp)
{
  for (size_t i = 0; i < sp->count; i++)
    for (unsigned k = 0; k < sp->items[i]->pub.nat; k++)
      {
        struct item *it = sp->items[i];
        struct spool_at *at = &it->pub.at[k];
        char name[SPOOL_FORM_NAME];
        struct stat st;

        spool_form_name (name, it->pub.id, at->sink);
        /* Who noted that it is there, or refused, may not have come so far as
         * to remove it. */
        if (!at->form.made_by[0]
            || (!at->part[SPOOL_BUNDLE].acked
                && !at->part[SPOOL_BUNDLE].refused
                && fstatat (sp->blobs_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0
                && S_ISREG (st.st_mode)
                && (uint64_t) st.st_size == at->form.bytes
                && it->pub.bundle))
          continue;
        spool_form_drop (sp, it, at);
      }
}
