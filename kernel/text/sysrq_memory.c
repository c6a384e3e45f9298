/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq output as data: "Mem-Info:", which an OOM kill and a failed allocation
 * print, too.
 *
 * Names of numbers differ from kernel to kernel, so they are taken as they
 * come: pages where no unit is said, kB elsewhere.  A kernel without NUMA has
 * no "Node 0" before its zones.
 */
#include "kernel/text/sysrq_impl.h"

#include "base/cleanup.h"
#include "base/json.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAX_ZONES 16 /* of a node */
#define MAX_PAIRS 64
#define MAX_ORDERS 16
#define MAX_NAME 40

/* ---- "active_anon:713 isolated(anon):0kB shmem_thp: 0kB" ---- */

static bool
key_char (char ch)
{
  return isalnum ((unsigned char) ch) || ch == '_' || ch == '(' || ch == ')';
}

static bool
pair (struct cursor *c, struct json_object *into)
{
  struct cursor t = *c, key;
  char name[MAX_NAME];
  uint64_t v;

  for (key = t; t.p < t.end && key_char (*t.p); t.p++)
    ;
  key.end = t.p;
  if (key.p == key.end || cur_left (&key) >= sizeof name
      || !isalpha ((unsigned char) *key.p))
    return false;
  cur_copy (&key, name, sizeof name);
  if (cur_lit (&t, "? "))
    {
      bool yes = cur_lit (&t, "yes");

      if (!yes && !cur_lit (&t, "no"))
        return false;
      if (into && json_object_object_length (into) < MAX_PAIRS)
        json_add_bool (into, name, yes);
      *c = t;
      return true;
    }
  if (!cur_lit (&t, ":"))
    return false;
  cur_blanks (&t);
  if (!cur_u64 (&t, &v))
    return false;
  if (!cur_lit (&t, "kB"))
    cur_lit (&t, "KB");
  if (t.p < t.end && *t.p != ' ')
    return false;
  if (into && json_object_object_length (into) < MAX_PAIRS)
    json_add_int (into, name, v > INT64_MAX ? INT64_MAX : (int64_t) v);
  *c = t;
  return true;
}

/* Whether all of it is pairs; what came before a rest that is not is kept:
 * a line may be cut off. */
static bool
pairs (struct cursor c, struct json_object *into)
{
  unsigned n = 0;

  for (cur_blanks (&c); c.p < c.end; cur_blanks (&c), n++)
    if (!pair (&c, into))
      break;
  return n > 0;
}

/* ---- nodes and zones ---- */

static struct json_object *
member (struct json_object *o, const char *name, bool array)
{
  struct json_object *v = json_get (o, name);

  if (!v)
    {
      v = array ? json_object_new_array () : json_object_new_object ();
      json_object_object_add (o, name, v);
    }
  return v;
}

static struct json_object *
node_now (struct dump_ctx *ctx)
{
  struct json_object *nodes = member (ctx->memory, "nodes", true), *o;

  for (unsigned i = 0; i < ctx->nnodes; i++)
    if (ctx->nodes[i] == ctx->node)
      return json_object_array_get_idx (nodes, i);
  if (ctx->nnodes == DUMP_NODES)
    return NULL;
  o = json_object_new_object ();
  json_add_int (o, "node", ctx->node);
  json_object_array_add (nodes, o);
  ctx->nodes[ctx->nnodes++] = ctx->node;
  return o;
}

static struct json_object *
zone_of (struct json_object *node, const struct cursor *name)
{
  struct json_object *zones, *o;
  char zone[MAX_NAME];
  size_t n;

  if (!node)
    return NULL;
  cur_copy (name, zone, sizeof zone);
  zones = member (node, "zones", true);
  n = json_object_array_length (zones);
  for (size_t i = 0; i < n; i++)
    {
      const char *is;

      o = json_object_array_get_idx (zones, i);
      is = json_get_str (o, "zone");
      if (is && strcmp (is, zone) == 0)
        return o;
    }
  if (n == MAX_ZONES)
    return NULL;
  o = json_object_new_object ();
  json_add_text (o, "zone", zone, strlen (zone));
  json_object_array_add (zones, o);
  return o;
}

/* "3*4kB (UME) 0*8kB ... = 178700kB", or a piece of it. */
static bool
orders (struct cursor c, struct json_object *zone)
{
  struct json_object *list = member (zone, "orders", true), *o = NULL;
  uint64_t free_, kb;
  unsigned n = 0;

  for (cur_blanks (&c); c.p < c.end; cur_blanks (&c), n++)
    {
      struct cursor types;

      if (cur_lit (&c, "= "))
        {
          if (cur_u64 (&c, &kb))
            json_add_int (zone, "free_kb", (int64_t) (kb & INT64_MAX));
          return true;
        }
      if (cur_lit (&c, "(") && cur_word (&c, &types))
        {
          size_t last = json_object_array_length (list);

          if (!o && last)
            o = json_object_array_get_idx (list, last - 1);
          if (o && types.end[-1] == ')' && types.end - types.p < 12)
            json_add_text (o, "types", types.p,
                           (size_t) (types.end - types.p) - 1);
          continue;
        }
      if (!cur_u64 (&c, &free_) || !cur_lit (&c, "*") || !cur_u64 (&c, &kb)
          || !cur_lit (&c, "kB")
          || json_object_array_length (list) >= MAX_ORDERS)
        break;
      o = json_object_new_object ();
      json_add_int (o, "kb", (int64_t) (kb & INT64_MAX));
      json_add_int (o, "free", (int64_t) (free_ & INT64_MAX));
      json_object_array_add (list, o);
    }
  return n > 0;
}

static bool
hugepages (struct cursor c, struct json_object *node)
{
  static const struct
  {
    const char *says, *name;
  } parts[] = {
    { "hugepages_total=", "total" },
    { "hugepages_free=", "free" },
    { "hugepages_surp=", "surplus" },
    { "hugepages_size=", "size_kb" },
  };
  struct json_object *list, *o;
  uint64_t v;

  if (!cur_at (&c, "hugepages_"))
    return false;
  list = member (node, "hugepages", true);
  if (json_object_array_length (list) >= MAX_ORDERS)
    return true;
  o = json_object_new_object ();
  for (size_t i = 0; i < ARRAY_LEN (parts); i++)
    {
      const char *at = cur_find (&c, parts[i].says);
      struct cursor t = { at ? at + strlen (parts[i].says) : c.end, c.end };

      if (cur_u64 (&t, &v))
        json_add_int (o, parts[i].name, (int64_t) (v & INT64_MAX));
    }
  json_object_array_add (list, o);
  return true;
}

static bool
is_zone (const struct cursor *c)
{
  static const char *const zones[]
      = { "DMA", "DMA32", "Normal", "HighMem", "Movable", "Device" };

  for (size_t i = 0; i < ARRAY_LEN (zones); i++)
    if (cur_left (c) == strlen (zones[i]) && cur_at (c, zones[i]))
      return true;
  return false;
}

/* What follows "Node 0 ", or stands alone: "DMA32 free:...", "DMA32: 3*4kB",
 * "active_anon:2852kB ...". */
static bool
node_line (struct dump_ctx *ctx, struct cursor c)
{
  struct json_object *node, *zone;
  struct cursor name = c, t = c;
  bool buddies, is;

  while (t.p < t.end && isalnum ((unsigned char) *t.p))
    t.p++;
  name.end = t.p;
  buddies = cur_lit (&t, ":") && (t.p == t.end || *t.p == ' ');
  is = is_zone (&name) && (buddies || cur_at (&t, " free:"));
  if (!is && !cur_at (&c, "hugepages_") && !pairs (c, NULL))
    return false;
  node = node_now (ctx);
  if (!node || hugepages (c, node))
    return true;
  if (!is)
    return pairs (c, member (node, "kb", false));
  zone = zone_of (node, &name);
  json_object_put (ctx->zone);
  ctx->zone = json_object_get (zone);
  if (!zone)
    return true;
  if (buddies)
    {
      orders (t, zone);
      return true;
    }
  return pairs (t, member (zone, "kb", false));
}

/* ---- what there is once ---- */

static bool
reserve (struct cursor c, struct json_object *zone)
{
  struct json_object *list;
  uint64_t v;

  if (!cur_lit (&c, "lowmem_reserve[]:"))
    return false;
  if (!zone || json_get (zone, "lowmem_reserve"))
    return true;
  list = json_object_new_array ();
  for (cur_blanks (&c); cur_u64 (&c, &v); cur_blanks (&c))
    if (json_object_array_length (list) < MAX_ZONES)
      json_object_array_add (list, json_object_new_int64 (
                                       (int64_t) (v & INT64_MAX)));
  json_object_object_add (zone, "lowmem_reserve", list);
  return true;
}

/* "65402 pages RAM", "Free swap  = 0kB". */
static bool
totals (struct cursor c, struct json_object *memory)
{
  static const struct
  {
    const char *says, *name;
  } tails[] = {
    { " total pagecache pages", "pagecache_pages" },
    { " pages in swap cache", "swap_cache_pages" },
    { " pages RAM", "ram_pages" },
    { " pages HighMem", "highmem_pages" },
    { " pages reserved", "reserved_pages" },
    { " pages cma reserved", "cma_reserved_pages" },
    { " pages hwpoisoned", "hwpoisoned_pages" },
  }, heads[] = {
    { "Free swap", "swap_free_kb" },
    { "Total swap", "swap_total_kb" },
  };
  uint64_t v;

  for (size_t i = 0; i < ARRAY_LEN (heads); i++)
    if (cur_lit (&c, heads[i].says))
      {
        cur_blanks (&c);
        if (!cur_lit (&c, "="))
          return false;
        cur_blanks (&c);
        if (cur_u64 (&c, &v))
          json_add_int (memory, heads[i].name, (int64_t) (v & INT64_MAX));
        return true;
      }
  if (cur_at (&c, "Swap cache stats:"))
    return true;
  if (!cur_u64 (&c, &v))
    return false;
  for (size_t i = 0; i < ARRAY_LEN (tails); i++)
    if (cur_at (&c, tails[i].says))
      {
        json_add_int (memory, tails[i].name, (int64_t) (v & INT64_MAX));
        return true;
      }
  return false;
}

static bool
memory_line (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  struct cursor t;
  int node;

  (void) d;
  cur_blanks (&c);
  if (totals (c, ctx->memory) || reserve (c, ctx->zone))
    return true;
  if (ctx->zone && c.p < c.end
      && (isdigit ((unsigned char) *c.p) || *c.p == '(' || *c.p == '='))
    return orders (c, ctx->zone);
  t = c;
  if (cur_lit (&t, "Node ") && cur_int (&t, &node))
    {
      ctx->node = node;
      cur_blanks (&t);
      return t.p == t.end || node_line (ctx, t);
    }
  /* Pages of the whole machine come first. */
  if (!json_get (ctx->memory, "nodes") && pairs (c, NULL)
      && !cur_find (&c, "kB"))
    return pairs (c, member (ctx->memory, "pages", false));
  /* "DMA per-cpu:" and its lines: nothing of interest. */
  if (cur_find (&c, " per-cpu:") || cur_at (&c, "CPU "))
    return true;
  return node_line (ctx, c);
}

bool
dump_memory_head (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  const char key[2] = { d->key, '\0' };
  struct json_object *o;

  cur_blanks (&c);
  if (!cur_lit (&c, "Mem-Info:") && !cur_lit (&c, "Mem-info:"))
    return false;
  dump_section (d, ctx, memory_line);
  if (!d->memories)
    d->memories = json_object_new_array ();
  if (json_object_array_length (d->memories) == DUMP_MEMORIES)
    {
      json_object_array_del_idx (d->memories, 0, 1);
      dump_gap (d, "limit", 1, "earlier memory reports");
    }
  o = json_object_new_object ();
  json_add_int (o, "line", (int64_t) d->line);
  json_add_text (o, "key", key, strlen (key));
  json_object_array_add (d->memories, o);
  json_object_put (ctx->memory);
  ctx->memory = json_object_get (o);
  json_object_put (ctx->zone);
  ctx->zone = NULL;
  ctx->node = 0;
  ctx->nnodes = 0;
  return true;
}

/* The number of reserved pages is the last that every kernel prints. */
void
dump_memory_end (struct sysrq_dump *d)
{
  size_t n = json_count (d->memories);

  for (size_t i = 0; i < n; i++)
    {
      struct json_object *o = json_object_array_get_idx (d->memories, i);
      bool whole = json_get (o, "reserved_pages") != NULL;

      json_add_bool (o, "complete", whole);
      if (!whole)
        dump_gap (d, "cut", 1, "memory of line %lld",
                  (long long) json_get_int (o, "line", 0));
    }
}
