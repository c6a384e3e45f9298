/* SPDX-License-Identifier: Apache-2.0
 *
 * The transports' room without libvirt: see guests/virt_rooms.h.
 */
#include "guests/virt_rooms.h"

#include "base/error.h"
#include "transports/agent/agent_impl.h"
#include "transports/console/hub_impl.h"
#include "transports/monitor/libvirt.h"
#include "transports/monitor/look.h"

/* ---- monitor ---- */

static int
open_monitor (const struct transport_env *env, const struct guest *g,
              uint64_t deadline, void **ret_self,
              enum monitor_health *ret_health, struct error *err)
{
  *ret_health = MONITOR_GONE;
  return error_set (err, ENOTSUP, VIRT_NONE_TEXT);
}

/* Never called: none was opened. */
static int
command (void *self, const char *name, struct json_object *args,
         uint64_t deadline, struct json_object **ret_reply, struct error *err)
{
  return error_set (err, ENOTSUP, VIRT_NONE_TEXT);
}

static void
close_monitor (void *self)
{
}

const struct monitor_ops monitor_libvirt = {
  .name = "libvirt",
  .open = open_monitor,
  .command = command,
  .close = close_monitor,
};

int
monitor_libvirt_status (const struct guest *g, uint64_t deadline,
                        enum monitor_health *ret_health, char *ret_status,
                        size_t n, struct error *err)
{
  *ret_health = MONITOR_GONE;
  return error_set (err, ENOTSUP, VIRT_NONE_TEXT);
}

int
monitor_libvirt_blockstats (const struct guest *g, uint64_t deadline,
                            struct json_object **ret, struct error *err)
{
  return error_set (err, ENOTSUP, VIRT_NONE_TEXT);
}

int
monitor_libvirt_look (const struct guest *g, unsigned wants,
                      uint64_t deadline, struct monitor_look *ret,
                      struct error *err)
{
  return error_set (err, ENOTSUP, VIRT_NONE_TEXT);
}

int
monitor_libvirt_typed (const struct guest *g, uint64_t deadline,
                       struct json_object **ret, struct error *err)
{
  return error_set (err, ENOTSUP, VIRT_NONE_TEXT);
}

/* ---- agent ---- */

int
agent_libvirt_call (struct agent_talk *t, const char *text,
                    struct json_doc **ret_doc, struct error *err)
{
  return agent_fail (t, ASK_ABSENT, ENOTSUP, err, VIRT_NONE_TEXT);
}

/* ---- console ---- */

void
console_stream_free_ (void *stream)
{
}

void
console_stream_drop_ (struct console *c, void *stream)
{
}

void
console_stream_listen_ (struct hub *hub, bool on)
{
}

static int
open_stream (const struct open_task *task, uint64_t deadline,
             struct console_link *ret_link, struct error *err)
{
  return error_set (err, ENOTSUP, VIRT_NONE_TEXT);
}

const struct console_ops console_stream = {
  .name = "stream",
  .open = open_stream,
};
