/* SPDX-License-Identifier: Apache-2.0
 *
 * A real hangdog-writer, driven over its channels as the keeper and the
 * daemon do, and a real hangdog-controller that it may send to.  For cmocka
 * tests.
 */
#ifndef HANGDOG_TESTS_WRITER_BED_H
#define HANGDOG_TESTS_WRITER_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/channel.h"
#include "base/json.h"
#include "supervisor/links/logpipe.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/until.h"

#include <limits.h>
#include <sys/resource.h>

#define BED_WORDS 64

struct bed
{
  struct tmpdir tmp;
  char state[128]; /* the folder of the writer */
  char url[128];   /* of the controller, "" without */
  pid_t controller, writer;
  int keeper, daemon; /* our ends */
  struct logpipe *lp;
  int64_t last_id;
  const char *shim; /* for its LD_PRELOAD, NULL = none */
  char libexec[PATH_MAX]; /* the programmes that it may start, "" = none */
  rlim_t files;     /* that it may open, 0 = as many as we */
  /* Its words that came while an answer was waited for; the oldest go. */
  struct frame words[BED_WORDS];
  unsigned nwords;
};

/* url stays "" where there is no controller, or no curl to reach it. */
void bed_start_controller (struct bed *w, const char *token_file);
/* sink NULL = nothing is sent.  Again after bed_kill_writer(). */
void bed_start_writer (struct bed *w, const char *sink);
/* The keeper's word: another configuration with that sink. */
void bed_reload (struct bed *w, const char *sink);
/* Its wait status. */
int bed_kill_writer (struct bed *w, int sig);
/* The sink that sends to the controller. */
void bed_sink_of (struct bed *w, char dst[256]);
/* A configuration with that sink and little room to leave; returns dst. */
#define BED_CONFIG 1024
const char *bed_config_of (const char *sink, char dst[BED_CONFIG]);
int bed_setup (void **state);
int bed_teardown (void **state);
struct json_object *bed_op_new (const char *op, const char *incident);
/* Reads until the answer of that id, or until op "event" comes when id is 0.
 * Words that come before an answer are kept for who waits for them; what else
 * comes is passed over. */
int bed_await (struct bed *w, int64_t id, const char *event,
               const char *incident, struct frame *ret);
/* Those were said to another daemon, or by another writer. */
void bed_forget_words (struct bed *w);
int64_t bed_send_op (struct bed *w, struct json_object *head, const void *body,
                     size_t len);
/* Asks and waits; the code of the error answer or 0; < 0 = the writer went. */
int bed_ask (struct bed *w, struct json_object *head, const void *body,
             size_t len, struct frame *ret);
/* The n-th. */
char *bed_uuid (char dst[40], unsigned n);
int bed_put_incident (struct bed *w, const char *id);
/* A revision of it; end: "not-ended", or how it ended, which is of what was
 * there before. */
int bed_put_rev (struct bed *w, const char *id, unsigned rev, const char *end);
/* Whatever document. */
int bed_put_text (struct bed *w, const char *id, const char *json);
int bed_put_artifact (struct bed *w, const char *id, const char *name,
                      const void *data, size_t len);
int bed_pack (struct bed *w, const char *id, char digest[65]);
/* An incident with two artifacts. */
void bed_fill (struct bed *w, const char *id);
/* What the controller says it has, and the one row of an incident. */
struct json_object *bed_controller_get (struct bed *w, const char *what);
struct json_object *bed_controller_list (struct bed *w);
struct json_object *bed_row_of (struct json_object *list, const char *id);
void bed_console_open (struct bed *w, int id, const char *name);
/* Waits until the log ("raw", "clean") says that so many bytes were dealt
 * with; its text, to be freed. */
char *bed_log_text (struct bed *w, const char *name, uint64_t bytes,
                    const char *which);

#endif
