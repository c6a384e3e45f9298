/* SPDX-License-Identifier: Apache-2.0
 *
 * libvirt's lists of values, as JSON.
 */
#include "transports/monitor/libvirt_params.h"

#include "base/json.h"
#include "transports/monitor/look.h"

#include <string.h>

#define MAX_PARAMS 4096
#define MAX_STRING 512
#define MAX_TUNES 32 /* more is refused by libvirt's wire */

static struct json_object *
param_value (const virTypedParameter *p)
{
  switch (p->type)
    {
    case VIR_TYPED_PARAM_INT:
      return json_object_new_int (p->value.i);
    case VIR_TYPED_PARAM_UINT:
      return json_object_new_int64 (p->value.ui);
    case VIR_TYPED_PARAM_LLONG:
      return json_object_new_int64 (p->value.l);
    case VIR_TYPED_PARAM_ULLONG:
      return json_object_new_int64 (
          p->value.ul < INT64_MAX ? (int64_t) p->value.ul : INT64_MAX);
    case VIR_TYPED_PARAM_DOUBLE:
      return json_object_new_double (p->value.d);
    case VIR_TYPED_PARAM_BOOLEAN:
      return json_object_new_boolean (p->value.b);
    default:
      return NULL;
    }
}

struct json_object *
monitor_params_json_ (const virTypedParameter *params, int n)
{
  struct json_object *o = json_object_new_object ();

  for (int i = 0; i < n && i < MAX_PARAMS; i++)
    if (params[i].type == VIR_TYPED_PARAM_STRING)
      json_add_text (o, params[i].field, params[i].value.s,
                     strnlen (params[i].value.s, MAX_STRING));
    else
      json_object_object_add (o, params[i].field, param_value (&params[i]));
  return o;
}

/* "total_bytes_sec", "read_iops_sec" and their like; not their bursts
 * ("..._max"), which end. */
static bool
is_bound (const virTypedParameter *p, const char *of)
{
  return p->type == VIR_TYPED_PARAM_ULLONG && p->value.ul > 0
         && strstr (p->field, of) && !strstr (p->field, "_max");
}

struct json_object *
monitor_io_tune_ (virDomainPtr dom, const char *disk)
{
  virTypedParameter params[MAX_TUNES];
  int n = MAX_TUNES;
  struct json_object *o;
  bool throttled = false, crawls = false;

  memset (params, 0, sizeof params);
  if (virDomainGetBlockIoTune (dom, disk, params, &n, 0) < 0)
    return NULL;
  o = monitor_params_json_ (params, n);
  for (int i = 0; i < n; i++)
    {
      bool bytes = is_bound (&params[i], "_bytes_sec");
      bool ops = is_bound (&params[i], "_iops_sec");
      uint64_t v = bytes || ops ? params[i].value.ul : 0;
      int64_t limit = v < INT64_MAX ? (int64_t) v : INT64_MAX;

      throttled |= bytes || ops;
      crawls |= monitor_bounds_crawl_ (bytes ? limit : 0, ops ? limit : 0);
    }
  virTypedParamsClear (params, n);
  json_add_bool (o, "throttled", throttled);
  json_add_bool (o, "crawls", crawls);
  return o;
}
