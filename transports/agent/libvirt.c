/* SPDX-License-Identifier: Apache-2.0
 *
 * The guest agent through libvirt, which holds the socket and syncs by itself.
 *
 * libvirt bounds how long it waits for an agent, but not for itself: so each
 * command is a call that may be left behind (transports/virt_call.h).
 */
#include "transports/agent/agent_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "guests/virt.h"
#include "transports/virt_call.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct agent_call
{
  struct virt_call base; /* reached: libvirt has the agent's answer to get */
  /* in */
  char *command;
  int seconds;
  /* out */
  int code; /* libvirt's */
  char *text;
};

static atomic_uint helpers;

static struct agent_call *
agent_call_of (struct virt_call *c)
{
  return (struct agent_call *) c;
}

/* ---- the helper's side ---- */

static int
ask_agent (struct virt_call *c, virDomainPtr dom, struct error *why)
{
  struct agent_call *a = agent_call_of (c);
  int r = virt_check_life (dom, &c->inc, why);
  virErrorPtr e;

  if (r < 0)
    return r;
  atomic_store (&c->reached, true);
  a->text = virDomainQemuAgentCommand (dom, a->command, a->seconds, 0);
  if (a->text)
    return 0;
  e = virGetLastError ();
  a->code = e ? e->code : VIR_ERR_OK;
  return virt_error (why, "libvirt");
}

static void
call_done (struct virt_call *c)
{
  struct agent_call *a = agent_call_of (c);

  free (a->command);
  free (a->text);
}

static const struct virt_call_kind questions
    = { .what = "questions to agents through libvirt",
        .size = sizeof (struct agent_call),
        .helpers = &helpers,
        .ask = ask_agent,
        .done = call_done };

/* ---- the asker's side ---- */

static struct agent_call *
call_new (const struct guest *g, const char *command)
{
  struct agent_call *a = agent_call_of (virt_call_new (&questions, g));

  if (!a)
    return NULL;
  a->command = strdup (command);
  if (a->command)
    return a;
  virt_call_unref (&a->base);
  return NULL;
}

static void
call_unrefp (struct agent_call **a)
{
  if (*a)
    virt_call_unref (&(*a)->base);
}

/* What libvirt's own words for it mean. */
static int
say_failure (struct agent_talk *t, const struct agent_call *a,
             struct error *err)
{
  const char *text = error_text (&a->base.why);

  switch (a->code)
    {
    case VIR_ERR_AGENT_UNRESPONSIVE:
    case VIR_ERR_AGENT_UNSYNCED:
      /* Of a command that was sent after its own sync was answered. */
      if (strstr (text, "to command"))
        return agent_fail (t, ASK_NO_ANSWER, ETIMEDOUT, err, "%.200s", text);
      if (strstr (text, "not connected"))
        return agent_fail (t, ASK_SILENT, ETIMEDOUT, err,
                           "no agent in the guest has the channel open");
      return agent_fail (t, ASK_SILENT, ETIMEDOUT, err,
                         "its agent does not answer: %.150s", text);
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_NO_SUPPORT:
      return agent_fail (t, ASK_ABSENT, ENOENT, err, "%.200s", text);
    case VIR_ERR_OPERATION_DENIED:
      return agent_fail (t, ASK_BLOCKED, EACCES, err,
                         "libvirt lets this host's daemon only look: no "
                         "command goes to an agent");
    case VIR_ERR_OPERATION_TIMEOUT:
      return agent_fail (t, ASK_BUSY, EBUSY, err,
                         "another client of libvirt has the agent: %.150s",
                         text);
    default:
      break;
    }
  /* The life was over, or the domain is. */
  if (a->base.rc == -ESTALE || a->base.rc == -ENOENT
      || a->code == VIR_ERR_OPERATION_INVALID)
    return agent_fail (t, ASK_TAKEN, EPIPE, err, "%.200s", text);
  return agent_fail (t, ASK_BROKEN, EIO, err, "%.200s", text);
}

/* "unable to execute QEMU agent command 'guest-exec': ...": the agent's own
 * error, which libvirt has taken apart. */
static bool
is_agents_word (const struct agent_call *a, struct json_doc **ret_doc)
{
  static const char mark[] = "unable to execute QEMU agent command";
  const char *text = strstr (error_text (&a->base.why), mark);
  const char *desc = text ? strstr (text, "': ") : NULL;
  CLEANUP_JSON struct json_object *reply = NULL;
  struct json_object *e;

  if (!desc)
    return false;
  reply = json_object_new_object ();
  e = json_object_new_object ();
  json_add_str (e, "class", strstr (desc, "not been found") ? "CommandNotFound"
                                                            : "GenericError");
  json_add_text (e, "desc", desc + 3, strlen (desc + 3));
  json_object_object_add (reply, "error", e);
  desc = json_object_to_json_string_ext (reply, JSON_C_TO_STRING_PLAIN);
  return agent_wire_parse (desc, strlen (desc), ret_doc, NULL) == 0;
}

static int
take (struct agent_talk *t, struct agent_call *a, struct json_doc **ret_doc,
      struct error *err)
{
  struct error why = ERROR_INIT;
  size_t len;
  int r;

  if (a->base.rc < 0)
    return is_agents_word (a, ret_doc) ? 0 : say_failure (t, a, err);
  len = strlen (a->text);
  t->wire.total += len;
  if (t->wire.total > AGENT_MAX_BYTES)
    return agent_fail (t, ASK_PROTOCOL, EMSGSIZE, err,
                       "the agent said more than %u KiB: given up",
                       AGENT_MAX_BYTES >> 10);
  r = agent_wire_parse (a->text, len, ret_doc, &why);
  return r < 0 ? agent_fail (t, ASK_PROTOCOL, -r, err, "%.200s",
                             error_text (&why))
               : 0;
}

int
agent_libvirt_call (struct agent_talk *t, const char *text,
                    struct json_doc **ret_doc, struct error *err)
{
  struct agent_call *a CLEANUP (call_unrefp) = NULL;
  uint64_t now = clock_ms ();
  int r;

  if (now >= t->deadline)
    return agent_fail (t, ASK_NO_ANSWER, ETIMEDOUT, err, "out of time");
  a = call_new (t->g, text);
  if (!a)
    return error_errno (err, ENOMEM, "agent");
  /* libvirt counts in seconds: a helper may be there for one more than we. */
  a->seconds = (int) ((t->deadline - now) / 1000);
  if (a->seconds < 1)
    a->seconds = 1;
  r = virt_call_start (&a->base, err);
  if (r < 0)
    return r;
  t->begun = true;
  if (virt_call_wait (&a->base, t->deadline) == 0)
    return take (t, a, ret_doc, err);
  if (atomic_load (&a->base.reached))
    return agent_fail (t, ASK_SILENT, ETIMEDOUT, err,
                       "its agent does not answer libvirt in time");
  return agent_fail (t, ASK_OPEN_TIMEOUT, ETIMEDOUT, err,
                     "%.100s does not answer", a->base.uri);
}
