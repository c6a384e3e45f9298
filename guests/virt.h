/* SPDX-License-Identifier: Apache-2.0
 *
 * libvirt on our own loop, and its connections.
 *
 * virt_init() registers the loop as libvirt's event implementation (once per
 * process, before any connection).  Connections are made in jobs, kept, and
 * looked up by URI; two per URI, so that a stuck call on one (diagnosis) does
 * not delay the other (discovery).  All functions but virt_init() are called
 * from job threads: a libvirt call may block for as long as libvirtd likes.
 */
#ifndef HANGDOG_GUESTS_VIRT_H
#define HANGDOG_GUESTS_VIRT_H

#include "guests/virt_rooms.h"

#include <libvirt/libvirt.h>
#include <stdbool.h>

struct incarnation;

enum virt_use
{
  VIRT_WATCH, /* discovery and events */
  VIRT_ASK,   /* console streams, calls that do not wait for a QEMU */
  VIRT_USE_MAX,
};

/* A connected, referenced connection (virConnectClose it).  Opens it when
 * there is none or the old one is dead. */
int virt_connect (const char *uri, enum virt_use use, virConnectPtr *ret_conn,
                  struct error *err);
/* Whether it may only look: no console is streamed over it, no key pressed, no
 * monitor command sent. */
bool virt_read_only (virConnectPtr conn);
/* Who is told, on the loop's thread, that a VIRT_ASK connection of
 * virt_connect() was lost: the streams over it hear nothing of that (libvirt
 * 9.0, when libvirtd ends).  conn is to be compared only.  One listener; NULL:
 * none.  Loop thread. */
void virt_on_lost (void (*fn) (virConnectPtr conn, void *arg), void *arg);
/* A connection for this caller alone, to be given back.  For calls that wait
 * for a QEMU: clients of libvirt before 10.1 may lose one thread's call while
 * another thread's is waiting on the same connection, so that a stuck guest
 * would make its neighbours look stuck. */
int virt_borrow (const char *uri, virConnectPtr *ret_conn, struct error *err);
void virt_return (const char *uri, virConnectPtr conn);
/* The domain of that life on that host, over the shared VIRT_ASK connection;
 * virDomainFree it. -ESTALE when it lives another one by now: libvirt goes by
 * the uuid alone, so this is asked directly before something is done to it. */
int virt_domain (const char *uri, const struct incarnation *inc,
                 virDomainPtr *ret_dom, struct error *err);
/* 0, or -ESTALE.  dom is one that was looked up just now. */
int virt_check_life (virDomainPtr dom, const struct incarnation *inc,
                     struct error *err);
/* err from libvirt's thread-local last error, with its text; returns -EIO,
 * or -ENOENT for no domain, -ETIMEDOUT for a busy one, -EACCES, -ENOTSUP. */
int virt_error (struct error *err, const char *what);
#endif
