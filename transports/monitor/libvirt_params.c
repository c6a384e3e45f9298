/* SPDX-License-Identifier: Apache-2.0
 *
 * libvirt's lists of values, as JSON.
 */
#include "transports/monitor/libvirt_params.h"

#include "base/json.h"

#include <string.h>

#define MAX_PARAMS 4096
#define MAX_STRING 512

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
