/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the spool share.
 */
#ifndef HANGDOG_PROTO_SPOOL_IMPL_H
#define HANGDOG_PROTO_SPOOL_IMPL_H

#include "controller-proto/spool.h"

#define SPOOL_MAX_INCIDENT (256u << 10)
#define SPOOL_MAX_ITEM_FILE (SPOOL_MAX_INCIDENT + (16u << 10))
#define SPOOL_MAX_GAPS 64
/* Given back to the disk so that an incident fits when nothing else does. */
#define SPOOL_BALLAST "ballast"
#define SPOOL_BALLAST_BYTES (512u << 10)

struct item
{
  struct spool_item pub;
  bool bundle;              /* its .tar.zst is there */
  uint64_t json_bytes;      /* past open: what its .json takes */
  struct json_object *gaps; /* open only: what was not kept; may be NULL */
  bool gaps_dirty;          /* not on disk yet */
};

struct spool
{
  int dirfd;
  int place_fd[SPOOL_PLACE_MAX];
  int bad_fd;
  struct spool_limits limits;
  struct item **items;
  size_t count, cap;
  uint64_t evicted, gaps;
  spool_page_fn *page; /* NULL = there are no pages */
  void *page_arg;
};

/* A uuid in its text form, which is also a safe file name. */
bool spool_id_ok (const char *id);
int spool_check_id (const char *id, struct error *err);
int spool_missing (const char *id, struct error *err); /* -ENOENT */
/* open/ID, or open/ID/sub. */
int spool_open_dir (struct spool *sp, const char *id, const char *sub,
                    int *ret, struct error *err);
struct item *spool_find (struct spool *sp, const char *id);
/* The same of an id that somebody gave: one that is none, or is not there, is
 * an error. */
int spool_lookup (struct spool *sp, const char *id, struct item **ret,
                  struct error *err);
/* The caller's to fill; NULL without memory. */
struct item *spool_add (struct spool *sp, const char *id,
                        enum spool_place place);
void spool_forget (struct spool *sp, struct item *it);

/* "ID.json" / "ID.tar.zst"; n >= 64. */
char *spool_json_name (char *dst, const char *id);
char *spool_bundle_name (char *dst, const char *id);

/* Writes place/ID.json for an item past open; incident may be NULL: then the
 * one that the file holds is kept. */
int spool_write_item (struct spool *sp, struct item *it,
                      struct json_object *incident, struct error *err);
int spool_load_item (struct spool *sp, enum spool_place place, const char *id,
                     struct json_object **ret, struct error *err);
/* Removes a folder and what is in it; never follows a link. */
int spool_remove_tree (int dirfd, const char *name);

int spool_recover (struct spool *sp, struct error *err);

/* Makes room for need bytes, by eviction where that is allowed.  critical:
 * an incident's own record, which may go below the free floor. */
int spool_room (struct spool *sp, uint64_t need, bool critical,
                struct error *err);
void spool_evict_sent (struct spool *sp);
void spool_ballast_make (struct spool *sp);
void spool_ballast_drop (struct spool *sp);

#endif
