/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool: incidents and their bundles on disk until the controller has
 * them.  Used by the writer process only; everything here may block on the
 * disk.
 *
 *   open/ID/incident.json, open/ID/files/...   being diagnosed
 *   ready/ID.json, ready/ID.tar.zst            to be sent
 *   sent/ID.json, sent/ID.tar.zst              acknowledged
 *   parked/ID.json, parked/ID.tar.zst          refused, with the reason
 *   bad/                                       what could not be read
 *
 * An item moves by rename after fsync of file and folder; .json moves last,
 * so an item exists where its .json is.  ID is a uuid.
 */
#ifndef HANGDOG_PROTO_SPOOL_H
#define HANGDOG_PROTO_SPOOL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct spool;

struct spool_limits
{
  uint64_t max_bytes;  /* default 1 GiB */
  uint64_t free_floor; /* default 256 MiB stay free on that volume */
  uint64_t max_artifact; /* one file of an open incident, default 16 MiB */
  unsigned keep_sent;  /* items in sent/, default 50 */
};

enum spool_place
{
  SPOOL_OPEN,
  SPOOL_READY,
  SPOOL_SENT,
  SPOOL_PARKED,
  SPOOL_PLACE_MAX,
};
extern const char *const spool_place_names[];

struct spool_item
{
  char id[40];
  enum spool_place place;
  uint64_t bytes;
  uint64_t since_ms; /* wall clock of its arrival in this place */
  unsigned attempts;
  uint64_t next_ms;  /* wall clock of the next attempt, ready only */
  char last_error[200];
  char digest[65];
};

/* Recovers: what a crash left half done is finished or taken back. */
int spool_open (int dirfd, const struct spool_limits *limits,
                struct spool **ret, struct error *err);
/* From now on; 0 = the default.  What is beyond goes as for want of room. */
void spool_limit (struct spool *sp, uint64_t max_bytes, uint64_t free_floor);
void spool_close (struct spool *sp);

/* Creates or replaces incident.json of an open item: durable when it
 * returns.  -EALREADY for an id that is past open. */
int spool_incident (struct spool *sp, const char *id, const void *json,
                    size_t len, struct error *err);
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
/* Packs it, moves it to ready: durable when it returns. */
int spool_pack (struct spool *sp, const char *id, struct json_object *head,
                struct spool_item *ret_item, struct error *err);
/* An incident that needs no bundle: forgotten. */
int spool_drop (struct spool *sp, const char *id, struct error *err);

void spool_each (struct spool *sp, enum spool_place place,
                 void (*fn) (const struct spool_item *item, void *arg),
                 void *arg);
/* incident.json of an item, wherever it is. */
int spool_read_incident (struct spool *sp, const char *id, char **ret_json,
                         size_t *ret_len, struct error *err);
int spool_bundle_fd (struct spool *sp, const char *id, int *ret_fd,
                     struct error *err);

/* The oldest ready item whose time has come; false when there is none. */
bool spool_next (struct spool *sp, uint64_t wall_now_ms,
                 struct spool_item *ret);
/* When the next one is due (wall clock), UINT64_MAX without any. */
uint64_t spool_next_at (struct spool *sp);
/* All that is ready is due at once: the sink was changed or mended. */
void spool_due (struct spool *sp);
int spool_sent (struct spool *sp, const char *id, struct error *err);
int spool_failed (struct spool *sp, const char *id, uint64_t next_wall_ms,
                  const char *why, struct error *err);
int spool_park (struct spool *sp, const char *id, const char *why,
                struct error *err);
int spool_retry (struct spool *sp, const char *id, struct error *err);

struct spool_stats
{
  unsigned count[SPOOL_PLACE_MAX];
  uint64_t bytes;
  uint64_t evicted, gaps;
};
void spool_stats (struct spool *sp, struct spool_stats *ret);

#endif
