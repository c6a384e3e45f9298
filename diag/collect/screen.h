/* SPDX-License-Identifier: Apache-2.0
 *
 * For the collector screen: the way through libvirt (screen_virt.c).
 */
#ifndef HANGDOG_DIAG_SCREEN_H
#define HANGDOG_DIAG_SCREEN_H

#include "diag/collect/collect.h"

#define SCREEN_MAX (8u << 20)

int screen_libvirt_ (struct collect_ctx *ctx, struct buf *out,
                     struct error *err);

#endif
