/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq by the guest's keyboard: alt, sysrq and the key, pressed together.
 *
 * The best route where it works: it needs no focus, no open terminal and no
 * free console, types nothing at a shell, and through libvirt there is a
 * call of its own for it, so that nothing is tainted.  Guests without a
 * keyboard (microvm) just do not answer.
 */
#include "diag/collect/collect.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "transports/monitor/monitor.h"

#include <string.h>

#define KEY_LEFTALT 56
#define KEY_SYSRQ 99
#define HOLD_MS 100

/* Linux input codes.  No 'R': it needs shift, and a kernel that does not
 * look at shift would take it for 'r' and change the keyboard. */
static const struct
{
  char key;
  unsigned code;
} codes[] = {
  { '1', 2 },  { '2', 3 },  { '3', 4 },  { '4', 5 },  { '5', 6 },
  { '6', 7 },  { '7', 8 },  { '8', 9 },  { '9', 10 }, { '0', 11 },
  { 'q', 16 }, { 'w', 17 }, { 't', 20 }, { 'p', 25 }, { 'd', 32 },
  { 'h', 35 }, { 'l', 38 }, { 'z', 44 }, { 'm', 50 },
};

static unsigned
code_of (char key)
{
  for (size_t i = 0; i < ARRAY_LEN (codes); i++)
    if (codes[i].key == key)
      return codes[i].code;
  return 0;
}

bool
sysrq_can_press (const struct guest *g, char key)
{
  if (!code_of (key))
    return false;
  return g->monitor == MONITOR_LIBVIRT || g->monitor == MONITOR_UNIX;
}

int
sysrq_ask_monitor (struct collect_ctx *ctx, const char *command,
                   struct json_object *args, struct error *err)
{
  enum monitor_health health = MONITOR_GONE;
  struct json_object *reply = NULL;
  uint64_t until = collect_until (ctx, MONITOR_HOLD_MS);
  struct monitor *m;
  int rc = monitor_open (ctx->env, ctx->guest, until, &m, &health, err);

  if (rc < 0)
    {
      json_object_put (args);
      return rc;
    }
  rc = monitor_command (m, command, args, until, &reply, err);
  monitor_close (m);
  if (rc < 0)
    return rc;
  json_object_put (reply);
  if (ctx->guest->monitor == MONITOR_LIBVIRT)
    ctx->out->impact (ctx->out,
                      "sent %s as a raw monitor command: libvirt marks the "
                      "domain as tainted (custom-monitor)",
                      command);
  return 0;
}

static int
press_qmp (struct collect_ctx *ctx, char key, struct error *err)
{
  const char code[2] = { key, '\0' };
  const char *const names[] = { "alt", "sysrq", code };
  struct json_object *args = json_object_new_object ();
  struct json_object *keys = json_object_new_array ();

  for (size_t i = 0; i < ARRAY_LEN (names); i++)
    {
      struct json_object *k = json_object_new_object ();

      json_add_str (k, "type", "qcode");
      json_add_str (k, "data", names[i]);
      json_object_array_add (keys, k);
    }
  json_object_object_add (args, "keys", keys);
  return sysrq_ask_monitor (ctx, "send-key", args, err);
}

int
sysrq_press (struct collect_ctx *ctx, char key, struct error *err)
{
  const unsigned keys[] = { KEY_LEFTALT, KEY_SYSRQ, code_of (key) };

  if (ctx->guest->monitor == MONITOR_LIBVIRT)
    return sysrq_press_libvirt_ (ctx, keys, ARRAY_LEN (keys), HOLD_MS, err);
  return press_qmp (ctx, key, err);
}
