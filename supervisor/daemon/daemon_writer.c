/* SPDX-License-Identifier: Apache-2.0
 *
 * What the writer says of itself, by op, and who waits for it to be there.
 */
#include "supervisor/control/daemon.h"
#include "supervisor/incidents/incidents.h"
#include "supervisor/links/writer_link.h"
#include "supervisor/watch/layers.h"
#include "supervisor/watch/pauses.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <string.h>

static void
writer_up (void *arg)
{
  struct daemon *d = arg;

  writer_state_up (&d->writer_state);
  if (d->pauses)
    pauses_writer_up (d->pauses);
  if (d->layers)
    layers_writer_up (d->layers);
  if (!d->drain_only && d->incidents)
    incidents_writer_up (d->incidents);
}

/* ---- the writer's words, by op ---- */

/* Many; the spool says what has which. */
static void
said_told (struct daemon *d, const char *id, struct json_object *head)
{
}

static void
said_shipped (struct daemon *d, const char *id, struct json_object *head)
{
  const char *sink = json_get_str (head, "sink");

  log_info ("incident %s reached the controller", id);
  if (d->incidents)
    incidents_shipped (d->incidents, id, sink ? sink : "");
}

static void
said_parked (struct daemon *d, const char *id, struct json_object *head)
{
  const char *why = json_get_str (head, "why");

  log_warn ("incident %s was refused by the controller and is parked: %s", id,
            why ? why : "");
  if (d->incidents)
    incidents_parked (d->incidents, id, why ? why : "");
}

static void
said_denied (struct daemon *d, const char *id, struct json_object *head)
{
  log_error ("the controller denies us: nothing can be sent before this is "
             "mended: %s",
             d->writer_state.denied);
}

static void
said_retried (struct daemon *d, const char *id, struct json_object *head)
{
  log_info ("all that the controller denied is sent again");
}

static void
said_disk (struct daemon *d, const char *id, struct json_object *head)
{
  if (d->writer_state.full_since_ms)
    log_error ("the disk is full: evidence is being lost");
  else
    log_info ("the disk has room again");
}

static const struct
{
  const char *op;
  void (*said) (struct daemon *d, const char *id, struct json_object *head);
} writer_words[] = {
  { "told", said_told },
  { "shipped", said_shipped }, { "parked", said_parked },
  { "denied", said_denied },   { "retried", said_retried },
  { "disk", said_disk },
};

static void
writer_event (struct json_object *head, void *arg)
{
  struct daemon *d = arg;
  const char *op = json_get_str (head, "op");
  const char *id = json_get_str (head, "incident");

  if (!writer_state_hear (&d->writer_state, head, clock_ms ()))
    log_warn ("the writer said \"%.40s\", which is no word of its",
              op ? op : "");
  for (size_t i = 0; op && i < ARRAY_LEN (writer_words); i++)
    if (strcmp (writer_words[i].op, op) == 0)
      writer_words[i].said (d, id ? id : "?", head);
}

const struct writer_link_ops daemon_writer = {
  .up = writer_up,
  .event = writer_event,
};
