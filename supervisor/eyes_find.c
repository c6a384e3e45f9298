/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a guest's kernel keeps what moves: asked of a parser, in a job.
 */
#include "supervisor/eyes_impl.h"

#include "supervisor/control.h"
#include "supervisor/inspect.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/job.h"
#include "base/json.h"
#include "transports/memory.h"

#include <stdlib.h>
#include <unistd.h>

void
find_free_ (void *arg)
{
  struct find *f = arg;

  guest_unref (f->guest);
  beat_table_free (f->table);
  if (f->fd >= 0)
    close (f->fd);
  free (f);
}

static int
ask_parser (struct find *f, const struct memory *m, unsigned char *table,
            size_t *ret_len)
{
  CLEANUP_JSON struct json_object *where = control_where (m);
  const int inputs[] = { m->fd, m->pagemap };
  const struct inspect_spec spec = { .libexec = f->env.libexec,
                                     .inputs = inputs,
                                     .ninputs = m->pagemap >= 0 ? 2 : 1,
                                     .where = where,
                                     .timeout_ms = FIND_MS / 2 };
  struct inspect_session *s = NULL;
  int r = inspect_open (&spec, &s, &f->why);

  if (r == 0)
    r = inspect_beat (s, &spec, table, ret_len, &f->why);
  inspect_close (s);
  return r;
}

int
find_run_ (struct job *job, void *arg)
{
  struct find *f = arg;
  CLEANUP_FREE unsigned char *bytes = malloc (BEAT_MAX_TABLE);
  struct memory m;
  size_t len = 0;
  int r;

  if (!bytes)
    return error_set (&f->why, ENOMEM, "no memory for a heartbeat");
  r = memory_open (&f->env, f->guest, job_deadline (job), &m, &f->why);
  if (r < 0)
    return r;
  r = ask_parser (f, &m, bytes, &len);
  if (r == 0)
    r = beat_table_new (bytes, len, &m.map, m.pagemap, &f->table, &f->why);
  if (r == 0)
    f->fd = steal_fd (&m.fd);
  memory_done (&m);
  return r;
}
