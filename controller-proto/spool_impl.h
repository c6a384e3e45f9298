/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the spool share.
 *
 *   spool.c          items and their documents
 *   spool_fill.c     what comes in
 *   spool_send.c     what goes out, to whom
 *   spool_form.c     and in which form
 *   spool_room.c     who has to go when room is short
 *   spool_recover.c  what a crash left half done
 *   spool_old.c      what an older hangdog left
 */
#ifndef HANGDOG_PROTO_SPOOL_IMPL_H
#define HANGDOG_PROTO_SPOOL_IMPL_H

#include "controller-proto/spool.h"

#define SPOOL_MAX_INCIDENT (64u << 10)
#define SPOOL_MAX_ITEM_FILE (SPOOL_MAX_INCIDENT + (16u << 10))
#define SPOOL_MAX_GAPS 64
/* Given back to the disk so that an incident fits when nothing else does. */
#define SPOOL_BALLAST "ballast"
#define SPOOL_BALLAST_BYTES (2 << 20)
#define SPOOL_BALLAST_LEAST (512 << 10)
/* Evidence of one incident, and a bundle, that is had on a full disk, too: the
 * ballast has room for both. */
#define SPOOL_SMALL_BYTES (1u << 20)

struct item
{
  struct spool_item pub;
  uint64_t json_bytes;      /* what its .json takes */
  bool behind;              /* what is on disk is older than this */
  struct json_object *gaps; /* open only: what was not kept; may be NULL */
  bool gaps_dirty;          /* not on disk yet */
};

struct spool
{
  int dirfd;
  int docs_fd, blobs_fd, open_fd, bad_fd, work_fd;
  struct spool_limits limits;
  struct item **items;
  size_t count, cap;
  char sinks[SPOOL_MAX_SINKS][SPOOL_SINK_NAME];
  unsigned nsinks;
  uint64_t evicted, gaps;
  unsigned taken_over, left_behind; /* of an older hangdog's */
  bool unread; /* a document could not be read, which may be there: nothing
                  is removed for belonging to nobody */
  spool_page_fn *page; /* NULL = there are no pages */
  void *page_arg;
  struct item *keep; /* is not evicted; NULL = any may be */
};

/* A uuid in its text form, which is also a safe file name. */
bool spool_id_ok (const char *id);
int spool_check_id (const char *id, struct error *err);
int spool_missing (const char *id, struct error *err); /* -ENOENT */
/* open/ID, or open/ID/sub; made where it is not there yet. */
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

/* "ID.SINK.tar.zst" */
#define SPOOL_FORM_NAME 96
char *spool_form_name (char dst[SPOOL_FORM_NAME], const char *id,
                       const char *sink);
/* Not kept any longer; what was sent stays known. */
void spool_form_drop (struct spool *sp, struct item *it, struct spool_at *at);
void spool_forms_drop (struct spool *sp, struct item *it);
/* A file of that name in blobs/: is it what an item has?  Those that lack
 * their file are made again. */
bool spool_form_known (struct spool *sp, const char *name);
void spool_forms_check (struct spool *sp);
/* How much of the disk those of an item take. */
uint64_t spool_forms_bytes (const struct item *it);
struct json_object *spool_form_to_json (const struct spool_form *form);
void spool_form_from_json (struct spool_form *form, struct json_object *o);
/* What a document says of its bundle, for that sink. */
void spool_form_tell (const struct item *it, const char *sink,
                      struct json_object *document);
struct spool_at *spool_find_at (struct item *it, const char *sink);
/* Makes one, in the place of a sink that nobody has any more where there are
 * many.  There are never more configured ones than places. */
struct spool_at *spool_make_at (struct spool *sp, struct item *it,
                                const char *sink);

/* Writes incidents/ID.json; incident may be NULL: then the one that the file
 * holds is kept. */
int spool_write_item (struct spool *sp, struct item *it,
                      struct json_object *incident, struct error *err);
/* {"spool":{...},"incident":{...}} of a file; checked to be that. */
int spool_load_item (int dirfd, const char *id, struct json_object **ret,
                     struct error *err);
/* What its "spool" says of how it is being sent: spool_send.c. */
void spool_at_to_json (const struct item *it, struct json_object *state);
void spool_at_from_json (struct item *it, struct json_object *state);
/* What its document says of itself. */
void spool_take_document (struct item *it, struct json_object *incident);

/* Nothing of it is to go to anybody any more. */
bool spool_is_quiet (const struct spool *sp, const struct item *it);
/* All have had their word: it is sent, or parked when one refused.  True when
 * that is new, and to be written down. */
bool spool_settle (struct spool *sp, struct item *it);

/* Calls fn for each name; what fn removes or moves may be gone afterwards. */
int spool_each_name (int dirfd, void (*fn) (const char *name, void *arg),
                     void *arg);
/* Removes a folder and what is in it; never follows a link. */
int spool_remove_tree (int dirfd, const char *name);
/* NAME of that folder goes to bad/, which is bounded. */
void spool_set_aside (struct spool *sp, int from, const char *place,
                      const char *name);

int spool_recover (struct spool *sp, struct error *err);
/* Before that: items of the first format become some of ours. */
int spool_take_over (struct spool *sp, struct error *err);

/* Makes room for need bytes, by eviction where that is allowed. */
enum spool_what
{
  SPOOL_BULK,
  SPOOL_CRITICAL, /* an incident's own record: may go below the free floor */
  SPOOL_SMALL,    /* as that, when nothing is left to be evicted */
  SPOOL_SCRATCH,  /* for a while: above the free floor, and no bundle that
                     somebody has still to get goes for it */
};
int spool_room (struct spool *sp, uint64_t need, enum spool_what what,
                struct error *err);
void spool_evict_sent (struct spool *sp);
void spool_ballast_make (struct spool *sp);
void spool_ballast_drop (struct spool *sp);

#endif
