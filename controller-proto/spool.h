/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool: incidents and their bundles on disk until all who are to have
 * them do.  Used by the writer process only; everything here may block on the
 * disk.
 *
 *   incidents/ID.json   the incident, a document with a revision, and how far
 *                       it is on its way to each sink
 *   blobs/ID.tar.zst    its bundle, once it is packed
 *   blobs/ID.SINK.tar.zst  a form of it for a sink that gets no other, until
 *                       that has it
 *   work/               where such a form is made
 *   open/ID/files/...   its evidence, until it is packed
 *   bad/                what could not be read
 *
 * An item is what its .json says: replaced in its place by fsync and rename,
 * at any time, and never moved.  Two parts of it are sent, each by itself: the
 * document, whenever it has a revision that a sink has not acknowledged, and
 * the bundle, once.  ID is a uuid.
 */
#ifndef HANGDOG_PROTO_SPOOL_H
#define HANGDOG_PROTO_SPOOL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct spool;
struct spool_load;

struct spool_limits
{
  uint64_t max_bytes;  /* default 1 GiB */
  uint64_t free_floor; /* default 256 MiB stay free on that volume */
  uint64_t max_artifact; /* one file of an open incident, default 16 MiB */
  unsigned keep_sent;  /* items that all sinks have, default 50 */
};

#define SPOOL_MAX_SINKS 4
#define SPOOL_SINK_NAME 32

enum spool_place
{
  SPOOL_OPEN,   /* not packed yet */
  SPOOL_READY,  /* packed, and some sink has not had its word */
  SPOOL_SENT,   /* all of it was acknowledged by every sink */
  SPOOL_PARKED, /* every sink had its word, and one refused */
  SPOOL_PLACE_MAX,
};
extern const char *const spool_place_names[];

enum spool_part
{
  SPOOL_DOCUMENT,
  SPOOL_BUNDLE,
  SPOOL_PARTS,
};

/* One part on its way to one sink. */
struct spool_sending
{
  uint64_t acked; /* the revision that the sink has; of a bundle 1 = it has */
  unsigned attempts;
  uint64_t next_ms; /* wall clock of the next attempt */
  bool refused;     /* not tried again before somebody says so */
  unsigned unmade;  /* so often what may go there could not be made; since
                       we began */
};

/* What a sink gets in the bundle's place: redacted, by its rules. */
struct spool_form
{
  char made_by[24];  /* by which rules it was made; "" = it is not there */
  char digest[65];   /* stays known when it is not there any more */
  uint64_t bytes;
};

struct spool_at
{
  char sink[SPOOL_SINK_NAME];
  struct spool_sending part[SPOOL_PARTS];
  struct spool_form form;
  char why[160]; /* what went wrong last */
};

struct spool_item
{
  char id[40];
  enum spool_place place;
  uint64_t rev;      /* of its document */
  uint64_t bytes;    /* of its evidence, or of its bundle */
  uint64_t unpacked; /* of what is in its bundle; 0 = nobody knows */
  uint64_t since_ms; /* wall clock of its arrival in this place */
  bool bundle;       /* it is there */
  bool stands;       /* its document says that it has not ended */
  char digest[65];
  char note[80];     /* what became of its bundle, if that is not there */
  struct spool_at at[SPOOL_MAX_SINKS];
  unsigned nat;
};

/* Recovers: what a crash left half done is finished or taken back; what an
 * older hangdog has left is taken over. */
int spool_open (int dirfd, const struct spool_limits *limits,
                struct spool **ret, struct error *err);
/* From now on; 0 = the default.  What is beyond goes as for want of room. */
void spool_limit (struct spool *sp, uint64_t max_bytes, uint64_t free_floor);
void spool_close (struct spool *sp);

/* Creates or replaces the document of an item, which may be anywhere: durable
 * when it returns.  One whose "rev" is no higher than what is there is there
 * already; without one, it is the next.  update: nothing is created (-ENOENT),
 * for one that was packed, and then dropped by somebody. */
int spool_incident (struct spool *sp, const char *id, const void *json,
                    size_t len, bool update, struct error *err);
bool spool_has (struct spool *sp, const char *id);
/* Appends to (offset = what is there) or begins a file of an open item.
 * -ENOSPC and -EFBIG are recorded in the item as gaps. */
int spool_artifact (struct spool *sp, const char *id, const char *name,
                    uint64_t offset, const void *data, size_t len,
                    struct error *err);
/* Makes the page of a bundle that is about to be packed, in its folder; the
 * manifest is what is known of it by then.  A failure becomes a gap. */
typedef int spool_page_fn (void *arg, int files, struct json_object *manifest,
                           struct error *err);
void spool_page (struct spool *sp, spool_page_fn *fn, void *arg);
/* Packs it: durable when it returns.  With "no_bundle": true in its head no
 * bundle is made of it, and its evidence is removed. */
int spool_pack (struct spool *sp, const char *id, struct json_object *head,
                struct spool_item *ret_item, struct error *err);
/* Forgotten, wherever it is. */
int spool_drop (struct spool *sp, const char *id, struct error *err);

/* The oldest first. */
void spool_each (struct spool *sp, enum spool_place place,
                 void (*fn) (const struct spool_item *item, void *arg),
                 void *arg);
/* The document, with its "rev": as the bundle has it; as it is sent to a sink
 * (NULL = to none) it tells of the bundle, too. */
int spool_document (struct spool *sp, const char *id, const char *sink,
                    char **ret_json, size_t *ret_len, struct error *err);
int spool_bundle_fd (struct spool *sp, const char *id, int *ret_fd,
                     struct error *err);

/* ---- what a sink gets in the bundle's place: spool_form.c ---- */

/* What is known of it; NULL = nothing. */
const struct spool_form *spool_form (const struct spool_item *item,
                                     const char *sink);
int spool_form_fd (struct spool *sp, const char *id, const char *sink,
                   int *ret_fd, struct error *err);
/* What may go there could not be made of it, and that was not for want of
 * anything; beside what else is noted. */
void spool_form_unmade (struct spool *sp, const char *sink,
                        const struct spool_load *load);
/* Before it is made of a bundle: there is room for it, and for what is unpacked
 * and rewritten meanwhile. */
int spool_form_room (struct spool *sp, const char *id, struct error *err);
#define SPOOL_WORK_NAME 96
/* The file of that name in work/ becomes it, whatever there was; durable when
 * it returns. */
int spool_form_put (struct spool *sp, const char *id, const char *sink,
                    const char *work, const struct spool_form *form,
                    struct error *err);
/* work/, for as long as the spool is open; emptied when that begins.  Any
 * thread may work in there. */
int spool_work_fd (struct spool *sp);
/* The evidence of an open item, -1 = there is none. */
int spool_evidence_fd (struct spool *sp, const char *id);

/* ---- sending: spool_send.c ---- */

/* Who is to have what comes; at most SPOOL_MAX_SINKS names.  What is ready and
 * waited only for another is done with that. */
void spool_sinks (struct spool *sp, const char *const *names, unsigned n);

/* What is to go to one sink next. */
struct spool_load
{
  struct spool_item item;
  enum spool_part part;
  uint64_t rev; /* of the document; 1 of a bundle */
  unsigned attempts, unmade;
};
/* The oldest whose time has come, documents before bundles: they are small and
 * say more.  No bundle before its document.  False when there is none. */
bool spool_next (struct spool *sp, const char *sink, uint64_t wall_now_ms,
                 struct spool_load *ret);
/* When the next one is due (wall clock), UINT64_MAX without any. */
uint64_t spool_next_at (struct spool *sp, const char *sink);
/* All that is to go there is due at once: it was changed or mended. */
void spool_due (struct spool *sp, const char *sink);
/* What became of it.  -EALREADY where that was noted; what cannot be written
 * down is known until we end, and then told once more. */
int spool_sent (struct spool *sp, const char *sink,
                const struct spool_load *load, struct error *err);
int spool_failed (struct spool *sp, const char *sink,
                  const struct spool_load *load, uint64_t next_wall_ms,
                  const char *why, struct error *err);
int spool_park (struct spool *sp, const char *sink,
                const struct spool_load *load, const char *why,
                struct error *err);
/* To all sinks that have not got it, at once, also those that refused it. */
int spool_retry (struct spool *sp, const char *id, struct error *err);

struct spool_stats
{
  unsigned count[SPOOL_PLACE_MAX];
  uint64_t bytes;
  uint64_t evicted, gaps;
  unsigned taken_over;  /* when it was opened: items of an older hangdog */
  unsigned left_behind; /* and those of them that could not be read */
};
void spool_stats (struct spool *sp, struct spool_stats *ret);

#endif
