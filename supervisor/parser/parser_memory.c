/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's memory among the inputs of a parser: where it is was said by who
 * started it.
 */
#include "supervisor/parser/parser_memory.h"

#include "base/error.h"
#include "base/json.h"

static bool
range_of (struct json_object *triple, struct mem_range *ret)
{
  int64_t v[3];

  if (!json_object_is_type (triple, json_type_array)
      || json_object_array_length (triple) != 3)
    return false;
  for (size_t i = 0; i < 3; i++)
    {
      struct json_object *o = json_object_array_get_idx (triple, i);

      if (!json_object_is_type (o, json_type_int))
        return false;
      v[i] = json_object_get_int64 (o);
      if (v[i] < 0)
        return false;
    }
  *ret
      = (struct mem_range){ (uint64_t) v[0], (uint64_t) v[1], (uint64_t) v[2] };
  return true;
}

int
parser_memory (const struct parser_io *io, struct json_object *head,
               const struct mem_limits *limits, bool swapped,
               struct mem **ret, struct error *err)
{
  struct json_object *list = json_get (head, "ranges");
  struct mem_range ranges[MEM_MAX_RANGES];
  struct mem_source src = { .pagemap = -1,
                            .process = json_get_bool (head, "process", false),
                            .swapped = swapped,
                            .ranges = ranges };

  if (!json_object_is_type (list, json_type_array)
      || json_object_array_length (list) > MEM_MAX_RANGES)
    return error_set (err, EINVAL, "where the memory is was not said");
  for (size_t i = 0; i < json_object_array_length (list); i++)
    if (!range_of (json_object_array_get_idx (list, i), &ranges[i]))
      return error_set (err, EINVAL, "range %zu is none", i);
  src.nranges = json_object_array_length (list);
  src.fd = parser_input (io, 0, err);
  if (src.fd < 0)
    return src.fd;
  if (json_get_bool (head, "pagemap", false)
      && (src.pagemap = parser_input (io, 1, err)) < 0)
    return src.pagemap;
  return mem_open (&src, limits, ret, err);
}
