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

#include <libvirt/libvirt.h>

struct error;
struct loop;

enum virt_use
{
  VIRT_WATCH, /* discovery and events */
  VIRT_ASK,   /* jobs of a diagnosis, console streams */
  VIRT_USE_MAX,
};

int virt_init (struct loop *loop, struct error *err);

/* A connected, referenced connection (virConnectClose it).  Opens it when
 * there is none or the old one is dead. */
int virt_connect (const char *uri, enum virt_use use, virConnectPtr *ret_conn,
                  struct error *err);
/* The domain of that uuid on that host; virDomainFree it. */
int virt_domain (const char *uri, const char *uuid, virDomainPtr *ret_dom,
                 struct error *err);
/* err from libvirt's thread-local last error, with its text; returns
 * -EIO, or -ENOENT for no domain, -ETIMEDOUT for a busy one. */
int virt_error (struct error *err, const char *what);
/* Closes all; the process is ending. */
void virt_done (void);

#endif
