/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the libvirt source: the loop's (libvirt.c), the jobs that look
 * (libvirt_scan.c, libvirt_leaving.c), and what libvirt calls
 * (libvirt_event.c).  Internal to guests/.
 */
#ifndef HANGDOG_GUESTS_LIBVIRT_H
#define HANGDOG_GUESTS_LIBVIRT_H

#include "base/error.h"
#include "guests/registry.h"

#include <libvirt/libvirt.h>
#include <stdatomic.h>

#define LIBVIRT_MAX_GUESTS 4096u
#define LIBVIRT_MAX_NAMED 64u

struct job;
struct loop;

/* A few domains by uuid; `all` when they are too many to name. */
struct libvirt_set
{
  char uuids[LIBVIRT_MAX_NAMED][UUID_TEXT];
  unsigned n;
  bool all;
};
void libvirt_set_add (struct libvirt_set *set, const char *uuid);
void libvirt_set_remove (struct libvirt_set *set, const char *uuid);
bool libvirt_set_has (const struct libvirt_set *set, const char *uuid);

/* ---- events ---- */

enum libvirt_note_kind
{
  LIBVIRT_DIRTY,     /* look at that domain again */
  LIBVIRT_EVENT,     /* and tell of this event */
  LIBVIRT_MIGRATING, /* it is being copied away */
  LIBVIRT_SETTLED,   /* its job (migration, save, ...) is over */
  LIBVIRT_CLOSED,    /* the connection is lost */
};

struct libvirt_note
{
  enum libvirt_note_kind kind;
  char uuid[UUID_TEXT];
  enum guest_event event;
  char detail[128];
};

/* Between callbacks, which libvirt may call at any time from any thread, and
 * the source, which may be stopped by then.  Counted. */
struct libvirt_link
{
  atomic_uint refs;
  struct loop *loop;
  /* The loop's thread only; NULL once the source is stopped. */
  void *owner;
  void (*on_note) (void *owner, const struct libvirt_note *note);
};
struct libvirt_link *libvirt_link_new (struct loop *loop);
struct libvirt_link *libvirt_link_ref (struct libvirt_link *link);
void libvirt_link_unref (struct libvirt_link *link);

/* Our callbacks on one connection.  In jobs only: both ask libvirt. */
struct libvirt_ears;
int libvirt_listen (virConnectPtr conn, struct libvirt_link *link,
                    struct libvirt_ears **ret_ears, struct error *err);
bool libvirt_ears_on (const struct libvirt_ears *ears, virConnectPtr conn);
void libvirt_ears_free (void *ears); /* may block */

/* ---- looking ---- */

struct libvirt_scan
{
  /* in */
  struct libvirt_link *link;
  char uri[256];
  bool local;
  enum console_mode mode;
  struct libvirt_set wanted, migrating;
  struct libvirt_ears *ears; /* in and out: replaced on a new connection */

  /* out */
  bool connected, listed; /* listed: guests is all there is */
  bool read_only;         /* in and out: asked on a new connection */
  struct guest **guests;
  size_t nguests;
  struct libvirt_set gone;
  struct libvirt_set unsure; /* two processes might be it */
  unsigned skipped;
  struct error why;
};

/* Of those that migrate: which do no more. */
struct libvirt_leaving
{
  char uri[256];
  struct libvirt_set asked, over;
};
int libvirt_leaving_run (struct job *job, void *leaving);

struct libvirt_scan *libvirt_scan_new (void);
void libvirt_scan_free (void *scan); /* may block: in a job's thread */
int libvirt_scan_run (struct job *job, void *scan);

#endif
