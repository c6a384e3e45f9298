/* SPDX-License-Identifier: Apache-2.0
 *
 * The guest agent through libvirt, which holds the socket and syncs by itself.
 *
 * libvirt bounds how long it waits for an agent, but not for itself: so each
 * command is sent by a helper thread that may be left behind, as those of
 * monitor/libvirt.c are.  They are bounded together.
 */
#include "transports/agent/agent_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "guests/virt.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_HELPERS 32

/* Shared by who asks and the helper; the last one frees it. */
struct call
{
  pthread_mutex_t m;
  pthread_cond_t back;
  unsigned refs;
  bool done;
  atomic_bool at_agent; /* libvirt itself has answered */
  /* in; the helper's alone until done */
  char uri[sizeof ((struct guest *) 0)->host];
  struct incarnation inc;
  char *command;
  int seconds;
  /* out */
  int rc;
  int code; /* libvirt's */
  struct error why;
  char *text;
};

/* Of the process: helpers outlive whoever started them. */
static atomic_uint helpers;

static void
ask_unref (struct call *a)
{
  bool last;

  {
    LOCK_SCOPE (&a->m);
    last = --a->refs == 0;
  }
  if (!last)
    return;
  pthread_mutex_destroy (&a->m);
  pthread_cond_destroy (&a->back);
  free (a->command);
  free (a->text);
  free (a);
}

static void
ask_unrefp (struct call **a)
{
  if (*a)
    ask_unref (*a);
}

static struct call *
ask_new (const struct guest *g, const char *command)
{
  struct call *a = calloc (1, sizeof *a);
  pthread_condattr_t attr;

  if (!a)
    return NULL;
  pthread_mutex_init (&a->m, NULL);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&a->back, &attr);
  pthread_condattr_destroy (&attr);
  a->refs = 1;
  guest_copy (a->uri, sizeof a->uri, g->host);
  a->inc = g->inc;
  a->command = strdup (command);
  if (a->command)
    return a;
  ask_unref (a);
  return NULL;
}

/* ---- the helper's side ---- */

static int
ask_agent (struct call *a, virDomainPtr dom, struct error *why)
{
  int r = virt_check_life (dom, &a->inc, why);
  virErrorPtr e;

  if (r < 0)
    return r;
  atomic_store (&a->at_agent, true);
  a->text = virDomainQemuAgentCommand (dom, a->command, a->seconds, 0);
  if (a->text)
    return 0;
  e = virGetLastError ();
  a->code = e ? e->code : VIR_ERR_OK;
  return virt_error (why, "libvirt");
}

/* Over a connection of its own, which a stuck answer takes with it. */
static int
ask_domain (struct call *a, struct error *why)
{
  virConnectPtr conn = NULL;
  virDomainPtr dom;
  int r = virt_borrow (a->uri, &conn, why);

  if (r < 0)
    return r;
  dom = virDomainLookupByUUIDString (conn, a->inc.uuid);
  r = dom ? ask_agent (a, dom, why) : virt_error (why, a->inc.uuid);
  if (dom)
    virDomainFree (dom);
  virt_return (a->uri, conn);
  return r;
}

static void *
helper (void *arg)
{
  struct call *a = arg;
  struct error why = ERROR_INIT;
  int r = ask_domain (a, &why);

  {
    LOCK_SCOPE (&a->m);
    a->rc = r;
    a->why = why;
    a->done = true;
    pthread_cond_signal (&a->back);
  }
  ask_unref (a);
  atomic_fetch_sub (&helpers, 1);
  return NULL;
}

static int
spawn (struct call *a, struct error *err)
{
  pthread_attr_t attr;
  pthread_t thread;
  int r;

  if (atomic_fetch_add (&helpers, 1) >= MAX_HELPERS)
    {
      atomic_fetch_sub (&helpers, 1);
      return error_set (err, EAGAIN, "%u questions to agents through libvirt "
                        "have not come back", MAX_HELPERS);
    }
  pthread_attr_init (&attr);
  pthread_attr_setdetachstate (&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize (&attr, 256u << 10);
  a->refs++;
  r = pthread_create (&thread, &attr, helper, a);
  pthread_attr_destroy (&attr);
  if (r == 0)
    return 0;
  a->refs--;
  atomic_fetch_sub (&helpers, 1);
  return error_errno (err, r, "a thread for libvirt");
}

/* ---- the asker's side ---- */

/* 0 when the helper is done: then all in it is the asker's. */
static int
ask_wait (struct call *a, uint64_t deadline)
{
  const struct timespec until
      = { .tv_sec = (time_t) (deadline / 1000),
          .tv_nsec = (long) (deadline % 1000) * 1000000 };

  LOCK_SCOPE (&a->m);
  while (!a->done)
    if (pthread_cond_timedwait (&a->back, &a->m, &until) == ETIMEDOUT
        && !a->done)
      return -ETIMEDOUT;
  return 0;
}

/* What libvirt's own words for it mean. */
static int
say_failure (struct agent_talk *t, const struct call *a, struct error *err)
{
  const char *text = error_text (&a->why);

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
  if (a->rc == -ESTALE || a->rc == -ENOENT
      || a->code == VIR_ERR_OPERATION_INVALID)
    return agent_fail (t, ASK_TAKEN, EPIPE, err, "%.200s", text);
  return agent_fail (t, ASK_BROKEN, EIO, err, "%.200s", text);
}

/* "unable to execute QEMU agent command 'guest-exec': ...": the agent's own
 * error, which libvirt has taken apart. */
static bool
is_agents_word (const struct call *a, struct json_doc **ret_doc)
{
  static const char mark[] = "unable to execute QEMU agent command";
  const char *text = strstr (error_text (&a->why), mark);
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
take (struct agent_talk *t, struct call *a, struct json_doc **ret_doc,
      struct error *err)
{
  struct error why = ERROR_INIT;
  size_t len;
  int r;

  if (a->rc < 0)
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
  struct call *a CLEANUP (ask_unrefp) = NULL;
  uint64_t now = clock_ms ();
  int r;

  if (now >= t->deadline)
    return agent_fail (t, ASK_NO_ANSWER, ETIMEDOUT, err, "out of time");
  a = ask_new (t->g, text);
  if (!a)
    return error_errno (err, ENOMEM, "agent");
  /* libvirt counts in seconds: a helper may be there for one more than we. */
  a->seconds = (int) ((t->deadline - now) / 1000);
  if (a->seconds < 1)
    a->seconds = 1;
  r = spawn (a, err);
  if (r < 0)
    return r;
  t->begun = true;
  if (ask_wait (a, t->deadline) == 0)
    return take (t, a, ret_doc, err);
  if (atomic_load (&a->at_agent))
    return agent_fail (t, ASK_SILENT, ETIMEDOUT, err,
                       "its agent does not answer libvirt in time");
  return agent_fail (t, ASK_OPEN_TIMEOUT, ETIMEDOUT, err,
                     "%.100s does not answer", a->uri);
}
