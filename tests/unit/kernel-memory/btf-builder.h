/* SPDX-License-Identifier: Apache-2.0
 *
 * BTF, made by a test: types and names are appended, then put together.
 */
#ifndef HANGDOG_TESTS_BTF_BUILDER_H
#define HANGDOG_TESTS_BTF_BUILDER_H

#include "kernel/memory/btf_impl.h"

#include <stdlib.h>
#include <string.h>

struct btf_builder
{
  unsigned char types[65536];
  char strs[65536];
  uint32_t len, slen, n;
};

static inline void
bb_new (struct btf_builder *b)
{
  memset (b, 0, sizeof *b);
  b->slen = 1; /* the empty name */
}

static inline void
bb_u32 (struct btf_builder *b, uint32_t v)
{
  memcpy (b->types + b->len, &v, 4);
  b->len += 4;
}

static inline uint32_t
bb_str (struct btf_builder *b, const char *s)
{
  uint32_t at = b->slen;

  if (*s == '\0')
    return 0;
  memcpy (b->strs + at, s, strlen (s) + 1);
  b->slen += (uint32_t) strlen (s) + 1;
  return at;
}

/* Returns its id; what its kind adds is appended by bb_u32() and the like. */
static inline uint32_t
bb_type (struct btf_builder *b, const char *name, unsigned kind, unsigned vlen,
         bool kflag, uint32_t ref)
{
  bb_u32 (b, bb_str (b, name));
  bb_u32 (b, kind << 24 | vlen | (kflag ? 1u << 31 : 0));
  bb_u32 (b, ref);
  return ++b->n;
}

static inline uint32_t
bb_int (struct btf_builder *b, const char *name, uint32_t size)
{
  uint32_t id = bb_type (b, name, KIND_INT, 0, false, size);

  bb_u32 (b, size * 8);
  return id;
}

static inline uint32_t
bb_array (struct btf_builder *b, uint32_t of, uint32_t n)
{
  uint32_t id = bb_type (b, "", KIND_ARRAY, 0, false, 0);

  bb_u32 (b, of);
  bb_u32 (b, 1);
  bb_u32 (b, n);
  return id;
}

static inline void
bb_member (struct btf_builder *b, const char *name, uint32_t type,
           uint32_t offset)
{
  bb_u32 (b, bb_str (b, name));
  bb_u32 (b, type);
  bb_u32 (b, offset);
}

/* malloc'ed */
static inline void *
bb_blob (const struct btf_builder *b, size_t *ret_len)
{
  uint32_t head[6] = { 0x0001eb9f, 24, 0, b->len, b->len, b->slen };
  unsigned char *p = malloc (sizeof head + b->len + b->slen);

  if (!p)
    abort ();
  memcpy (p, head, sizeof head);
  memcpy (p + 24, b->types, b->len);
  memcpy (p + 24 + b->len, b->strs, b->slen);
  *ret_len = sizeof head + b->len + b->slen;
  return p;
}

/* One of each kind, as a kernel of "task_struct" and friends. */
static inline void
bb_kernel (struct btf_builder *b)
{
  uint32_t u64, u32, ch, list, ptr, anon, thread, state, task, var, comm;

  bb_new (b);
  u32 = bb_int (b, "unsigned int", 4);
  u64 = bb_int (b, "unsigned long", 8);
  ch = bb_int (b, "char", 1);
  ptr = bb_type (b, "", KIND_PTR, 0, false, u32);
  list = bb_type (b, "list_head", KIND_STRUCT, 2, false, 16);
  bb_member (b, "next", ptr, 0);
  bb_member (b, "prev", ptr, 64);
  thread = bb_type (b, "thread_struct", KIND_STRUCT, 2, false, 32);
  bb_member (b, "tls", thread + 1, 0);
  bb_member (b, "sp", u64, 192);
  (void) bb_array (b, u64, 3);
  state = bb_type (b, "state_t", KIND_TYPEDEF, 0, false, u32);
  anon = bb_type (b, "", KIND_UNION, 2, false, 8);
  bb_member (b, "rcu_users", state, 0);
  bb_member (b, "rcu", u64, 0);
  comm = bb_array (b, ch, 16);
  task = bb_type (b, "task_struct", KIND_STRUCT, 7, true, 128);
  bb_member (b, "__state", state, 0);
  bb_member (b, "on_rq", u32, 32 | 1u << 24);
  bb_member (b, "in_iowait", u32, 37 | 3u << 24);
  bb_member (b, "", anon, 64);
  bb_member (b, "tasks", list, 128);
  bb_member (b, "comm", comm, 256);
  bb_member (b, "thread", thread, 384);
  (void) bb_type (b, "pid_type", KIND_ENUM, 2, true, 4);
  bb_u32 (b, bb_str (b, "PIDTYPE_PID"));
  bb_u32 (b, 0);
  bb_u32 (b, bb_str (b, "PIDTYPE_BAD"));
  bb_u32 (b, (uint32_t) -1);
  (void) bb_type (b, "big", KIND_ENUM64, 1, false, 8);
  bb_u32 (b, bb_str (b, "BIG_ONE"));
  bb_u32 (b, 5);
  bb_u32 (b, 1);
  var = bb_type (b, "current_task", KIND_VAR, 0, false, ptr);
  bb_u32 (b, 1);
  (void) bb_type (b, ".data..percpu", KIND_DATASEC, 1, false, 8192);
  bb_u32 (b, var);
  bb_u32 (b, 4096);
  bb_u32 (b, 8);
  (void) bb_type (b, "nowhere", KIND_FWD, 0, false, 0);
  (void) bb_type (b, "", KIND_VOLATILE, 0, false, task);
  (void) bb_type (b, "", KIND_CONST, 0, false, task);
  (void) bb_type (b, "", KIND_RESTRICT, 0, false, ptr);
  (void) bb_type (b, "", KIND_FUNC_PROTO, 1, false, u32);
  bb_u32 (b, bb_str (b, "arg"));
  bb_u32 (b, ptr);
  (void) bb_type (b, "schedule", KIND_FUNC, 1, false, b->n);
  (void) bb_type (b, "double", KIND_FLOAT, 0, false, 8);
  (void) bb_type (b, "user", KIND_DECL_TAG, 0, false, task);
  bb_u32 (b, (uint32_t) -1);
  (void) bb_type (b, "rcu", KIND_TYPE_TAG, 0, false, task);
}

#endif
