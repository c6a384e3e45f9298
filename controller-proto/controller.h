/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference controller's inbox: files in a folder, and one row for each
 * in a data base.  Any thread.
 */
#ifndef HANGDOG_PROTO_CONTROLLER_H
#define HANGDOG_PROTO_CONTROLLER_H

#include <json-c/json.h>
#include <stdint.h>

struct error;
struct inbox;

enum
{
  INBOX_NEW = 0,
  INBOX_AGAIN = 1, /* the same content under the same id, or an older one of a
                      document: nothing changed */
  INBOX_NEWER = 2, /* a document that was there before */
};

/* data is path opened.  *ret_bundles is the folder that the parts of uploads
 * are to be made in (the caller's to close). */
int inbox_open (int data, const char *path, struct inbox **ret,
                int *ret_bundles, struct error *err);
void inbox_close (struct inbox *in);

/* The file `part` of the bundles' folder, already synced, becomes `name`.
 * INBOX_NEW, INBOX_AGAIN, or -EEXIST: that id or that name is there with
 * another content. */
int inbox_apply (struct inbox *in, const char *part, const char *id,
                 const char *name, const char *digest, uint64_t bytes,
                 struct error *err);

/* The same of an incident's document, which comes again with a higher rev. */
int inbox_document (struct inbox *in, const char *part, const char *name,
                    const char *id, int64_t rev, struct error *err);

/* {"bundles":[{"seq","id","name","digest","bytes","arrived","repeats"}]} of
 * the rows behind `after`, at most max. */
int inbox_list (struct inbox *in, int64_t after, unsigned max,
                struct json_object **ret, struct error *err);
/* {"incidents":[{"seq","id","rev","arrived","repeats"}]}, likewise. */
int inbox_incidents (struct inbox *in, int64_t after, unsigned max,
                     struct json_object **ret, struct error *err);

#endif
