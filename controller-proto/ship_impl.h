/* SPDX-License-Identifier: Apache-2.0
 *
 * The members of the table of sinks.
 */
#ifndef HANGDOG_PROTO_SHIP_IMPL_H
#define HANGDOG_PROTO_SHIP_IMPL_H

#include "controller-proto/ship.h"

extern const struct sink_ops sink_http, sink_https, sink_dir;

#endif
