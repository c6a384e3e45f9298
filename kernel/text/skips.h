/* SPDX-License-Identifier: Apache-2.0
 *
 * Names in stacks and what they are good for: data of titles.c.
 *
 * Patterns are a name, "begin*", "*end" or "*middle*"; lists end with NULL.
 */
#ifndef HANGDOG_KERNEL_TEXT_SKIPS_H
#define HANGDOG_KERNEL_TEXT_SKIPS_H

struct skip_bucket
{
  const char *pattern, *name;
};

/* Everybody's tools: a fault in them is the fault of who called. */
extern const char *const skip_tools[];
/* How an oops, a warning or a dump gets printed, and the ways there. */
extern const char *const skip_printing[];
/* Waiting: a task that hangs is in one of these for somebody else. */
extern const char *const skip_waiting[];
/* A hang in which any of these is known by it, whoever it was called by. */
extern const struct skip_bucket hung_buckets[]; /* ends with a NULL pattern */
/* What it is that it waits for: "storage-stalled", "lock-deadlock". */
extern const struct skip_bucket hung_classes[]; /* ends with a NULL pattern */
/* The timer's interrupt up to who notices a stall. */
extern const char *const skip_tick[];
/* What ends it: behind these stands who was interrupted. */
extern const char *const tick_entries[];
/* What calls through a pointer: below them stands whose loop it is. */
extern const char *const stall_anchors[];
/* The same, where the name itself tells which of many it is. */
extern const char *const stall_selves[];
/* Known by their own name wherever they are. */
extern const struct skip_bucket stall_buckets[];
/* Where stacks end. */
extern const char *const stack_bottoms[];
/* Warnings that callers cause: "caller/callee" is the title. */
extern const char *const blames_caller[];

#endif
