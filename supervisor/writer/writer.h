/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the writer: the loop thread in writer.c and writer_intake.c,
 * which never touches the disk; the disk thread's work in writer_disk.c and
 * writer_spool.c; shipping in writer_ship.c, to all sinks in writer_sinks.c.
 *
 * A request goes to the disk lane with its frame and comes back with its
 * answers; in between only the disk thread looks at it.
 */
#ifndef HANGDOG_SUPERVISOR_WRITER_H
#define HANGDOG_SUPERVISOR_WRITER_H

#include "base/channel.h"
#include "base/error.h"
#include "controller-proto/ship.h"
#include "controller-proto/spool.h"
#include "supervisor/writer/lane.h"
#include "supervisor/writer/writer_logs.h"

struct config;
struct disk;
struct intake;
struct loop;
struct shipper;
struct shippers;
struct writer;

struct writer_limits
{
  struct spool_limits spool;
  struct logs_limits logs;
};

/* ---- the command line (writer_options.c) ---- */

struct writer_options
{
  const char *state, *config;
  const char *libexec; /* NULL = bundles have no page */
  bool given[4]; /* fd 3 to 6: as we were started */
};
/* Negative: go on.  Else the exit code to end with. */
int writer_options (int argc, char **argv, struct writer_options *ret);

/* ---- requests ---- */

struct answer
{
  struct json_object *head;
  void *body;
  size_t body_len;
  int fd; /* -1 = none */
  struct answer *next;
};

struct request
{
  struct writer *w;
  unsigned peer;       /* which daemon asked: others get no answer */
  struct frame frame;  /* head NULL for the writer's own requests */
  const struct disk_op *op;
  struct answer *first, **end;
  int rc;
  struct error err;
  bool full;           /* what the disk thread says of room */
};

struct disk_op
{
  const char *name;
  int (*run) (struct disk *d, struct request *rq, struct error *err);
  bool look;    /* on the lane for what may hang */
  bool writes;  /* its end says whether there is room */
  bool ready;   /* afterwards something may be ready to ship */
  bool retry;   /* and a denial is not waited out any more */
  bool logs;    /* wants what the log pipe has by now to be in the logs */
};
const struct disk_op *disk_op_find (const char *name);
/* Those of incidents and the spool, until a name NULL (writer_spool.c). */
extern const struct disk_op spool_ops[];

/* Takes head and body (malloc'ed), also on failure. */
int request_answer (struct request *rq, struct json_object *head, void *body,
                    size_t body_len, int fd);
/* "It is done", and no more. */
int request_answer_empty (struct request *rq);
void request_free (struct request *rq);

/* ---- the disk thread's side ---- */

/* libexec: the folder of our programmes, NULL = none can be started. */
int disk_open (const char *state, const char *libexec,
               const struct writer_limits *limits, struct disk **ret,
               struct error *err);
void disk_close (struct disk *d);
/* From now on; of limits only what writer_options() takes. */
void disk_limit (struct disk *d, const struct writer_limits *limits);
struct spool *disk_spool (struct disk *d);
struct logs *disk_logs (struct disk *d);
/* Neither changes: any thread. */
const char *disk_path (const struct disk *d);
const char *disk_libexec (const struct disk *d);
/* What spool_page() is given: arg is the folder of our programmes. */
int writer_page (void *arg, int files, struct json_object *manifest,
                 struct error *err);
/* The caller's from now on: at the end, when the lane is gone. */
struct logs *disk_logs_take (struct disk *d);
/* What the last writes said; noted by the disk thread. */
void disk_note (struct disk *d, int rc);
/* Once a second. */
void disk_sweep (struct disk *d);
bool disk_full (struct disk *d);

/* ---- console bytes (loop thread): writer_intake.c ---- */

/* room: what the disk thread says of room, after it wrote some.  It lives as
 * long as the process. */
int intake_new (struct loop *loop, struct lane *disk_lane, struct disk *disk,
                void (*room) (bool full, void *arg), void *arg,
                struct intake **ret, struct error *err);
/* A new daemon's, which is taken, -1 = it has none; its ids begin anew. */
void intake_pipe (struct intake *in, int pipe);
/* What there is by now. */
void intake_read (struct intake *in);
/* What an id stands for from now on, as the frame says; close: for nothing. */
void intake_declare (struct intake *in, const struct frame *frame, bool close);

/* ---- redaction (a ship thread): writer_redact.c ---- */

/* What is to leave the host, before and after it. */
struct form_job
{
  struct disk *d;
  const struct sink_config *sink;
  const char *id;
  int work;     /* the spool's work/ */
  int evidence; /* of a document: what names are learnt from; -1 = a bundle */
  bool bundle;  /* it is there */
};
/* Puts what may go to that sink in the place of *fd, a document.  unmade: so
 * often that was tried in vain; *ret_unmade: once more, and the host was not
 * to blame. */
enum ship_end form_of_document (const struct form_job *job, unsigned unmade,
                                int *fd, bool *ret_unmade, struct error *err);
/* SHIP_DONE: what `have` says is what may go there (*ret_made false), or it was
 * made anew and is NAME in work/. */
enum ship_end form_of_bundle (const struct form_job *job, unsigned unmade,
                              const struct spool_form *have, bool *ret_made,
                              bool *ret_unmade,
                              char ret_name[SPOOL_WORK_NAME],
                              struct spool_form *ret, struct error *err);

/* ---- shipping (loop thread) ---- */

/* What a shipper says (docs/writer-protocol.md); incident and why may be
 * NULL. */
struct shipper_word
{
  const char *sink, *op, *incident, *why;
  uint64_t rev; /* 0 = none is meant */
};

struct shipper_ops
{
  void (*event) (void *arg, const struct shipper_word *word);
};

/* One sink's: writer_ship.c. */
int shipper_new (struct loop *loop, struct lane *disk_lane, struct disk *d,
                 const char *name, const struct shipper_ops *ops, void *arg,
                 struct shipper **ret, struct error *err);
void shipper_free (struct shipper *s);
/* The same, when what it does now is over. */
void shipper_retire (struct shipper *s);
const char *shipper_name (const struct shipper *s);
/* Takes a reference; sink is of cfg. */
void shipper_config (struct shipper *s, const struct config *cfg,
                     const struct sink_config *sink);
/* Something may be ready. */
void shipper_kick (struct shipper *s);
/* Somebody asks for it: a denial is not waited for any more. */
void shipper_retry (struct shipper *s);
/* Again, to who came later: that we are denied, if we are. */
void shipper_tell (struct shipper *s);

/* All of them: writer_sinks.c.  They live as long as the process. */
int shippers_new (struct loop *loop, struct lane *disk_lane, struct disk *d,
                  const struct shipper_ops *ops, void *arg,
                  struct shippers **ret, struct error *err);
void shippers_config (struct shippers *all, const struct config *cfg);
void shippers_kick (struct shippers *all);
void shippers_retry (struct shippers *all);
void shippers_tell (struct shippers *all); /* NULL is fine */

void writer_limits (const struct config *cfg, struct writer_limits *ret);
/* The body of the keeper's {"op":"reload"}.  Loop thread. */
void writer_reload (const char *text, size_t len, struct lane *disk_lane,
                    struct disk *d, struct shippers *all);

#endif
