/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's memory among the inputs of a parser.
 */
#ifndef HANGDOG_SUPERVISOR_PARSER_MEMORY_H
#define HANGDOG_SUPERVISOR_PARSER_MEMORY_H

#include "kernel/memory/mem.h"
#include "supervisor/parser/parser_io.h"

/* head: {"op":"memory",...}, docs/parser-protocol.md.  swapped: pages that the
 * host swapped out are waited for, which may be for ever. */
int parser_memory (const struct parser_io *io, struct json_object *head,
                   const struct mem_limits *limits, bool swapped,
                   struct mem **ret, struct error *err);

#endif
