/* SPDX-License-Identifier: Apache-2.0
 *
 * Names in stacks and what they are good for: data of titles.c.
 *
 * Patterns are a name, "begin*", "*end" or "*middle*".  In a list those that
 * begin with an asterisk come first, the others by their first three bytes,
 * all of which are literal: each frame of each stack is looked up.
 */
#ifndef HANGDOG_KERNEL_TEXT_SKIPS_H
#define HANGDOG_KERNEL_TEXT_SKIPS_H

struct skip_list
{
  const char *const *names;
  unsigned n;
};

struct skip_bucket
{
  const char *pattern, *name;
};

/* Everybody's tools: a fault in them is the fault of who called. */
extern const struct skip_list skip_tools;
/* How an oops, a warning or a dump gets printed, and the ways there. */
extern const struct skip_list skip_printing;
/* Waiting: a task that hangs is in one of these for somebody else. */
extern const struct skip_list skip_waiting;
/* A hang in which any of these is known by it, whoever it was called by. */
extern const struct skip_bucket hung_buckets[]; /* ends with a NULL pattern */
/* The timer's interrupt up to who notices a stall. */
extern const struct skip_list skip_tick;
/* What ends it: behind these stands who was interrupted. */
extern const struct skip_list tick_entries;
/* What calls through a pointer: below them stands whose loop it is. */
extern const struct skip_list stall_anchors;
/* The same, where the name itself tells which of many it is. */
extern const struct skip_list stall_selves;
/* Known by their own name wherever they are. */
extern const struct skip_bucket stall_buckets[];
/* Where stacks end. */
extern const struct skip_list stack_bottoms;
/* Warnings that callers cause: "caller/callee" is the title. */
extern const struct skip_list blames_caller;

#endif
