/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose a control group is.
 *
 * Each part of the path is compared with a table; what is deeper says more.
 * A container has its id in hexadecimal: without that a name that only begins
 * like one (the container's monitor) would be taken for it.
 */
#include "kernel/memory/cgroup.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ID_MIN 32 /* digits of a container's id, at least */

enum what
{
  UNIT,
  CONTAINER,
  POD,
  MACHINE,
  SESSION,
  USER,
};

enum form
{
  ANY,
  HEX,    /* a long number */
  UID,    /* 8-4-4-4-12 digits, or 32 without dashes */
  NUMBER, /* a short one */
};

/* A part of the path: what it begins and ends with, and what is between.
 * `in`: the part before it, if that matters; with a * it begins so. */
static const struct rule
{
  const char *in, *head, *tail;
  enum what what;
  enum form form;
  const char *runtime;
} rules[] = {
  { NULL, "docker-", ".scope", CONTAINER, HEX, "docker" },
  { "docker", "", "", CONTAINER, HEX, "docker" },
  { NULL, "libpod-", ".scope", CONTAINER, HEX, "podman" },
  { NULL, "libpod-payload-", "", CONTAINER, HEX, "podman" },
  { NULL, "libpod-", "", CONTAINER, HEX, "podman" },
  { NULL, "cri-containerd-", ".scope", CONTAINER, HEX, "containerd" },
  { NULL, "nerdctl-", ".scope", CONTAINER, HEX, "containerd" },
  { "k8s.io", "", "", CONTAINER, HEX, "containerd" },
  { NULL, "crio-", ".scope", CONTAINER, HEX, "cri-o" },
  { NULL, "crio-", "", CONTAINER, HEX, "cri-o" },
  { "cri-containerd", "", "", CONTAINER, HEX, "containerd" },
  { "pod*", "", "", CONTAINER, HEX, NULL },
  { NULL, "lxc.payload.", "", CONTAINER, ANY, "lxc" },
  { "lxc", "", "", CONTAINER, ANY, "lxc" },
  { NULL, "kubepods-besteffort-pod", ".slice", POD, UID, NULL },
  { NULL, "kubepods-burstable-pod", ".slice", POD, UID, NULL },
  { NULL, "kubepods-pod", ".slice", POD, UID, NULL },
  { NULL, "pod", "", POD, UID, NULL },
  { "machine.slice", "machine-", ".scope", MACHINE, ANY, NULL },
  { NULL, "systemd-nspawn@", ".service", MACHINE, ANY, NULL },
  { NULL, "session-", ".scope", SESSION, ANY, NULL },
  { NULL, "user-", ".slice", USER, NUMBER, NULL },
  { NULL, "", ".service", UNIT, ANY, NULL },
  { NULL, "", ".scope", UNIT, ANY, NULL },
  { NULL, "", ".socket", UNIT, ANY, NULL },
  { NULL, "", ".mount", UNIT, ANY, NULL },
  { NULL, "", ".swap", UNIT, ANY, NULL },
};

struct part
{
  const char *at;
  size_t len;
};

static bool
begins (const struct part *p, const char *head)
{
  size_t n = strlen (head);

  return p->len >= n && memcmp (p->at, head, n) == 0;
}

static bool
is_in (const struct part *before, const char *in)
{
  size_t n = strlen (in);

  return in[n - 1] == '*' ? before->len >= n - 1
                                && memcmp (before->at, in, n - 1) == 0
                          : before->len == n
                                && memcmp (before->at, in, n) == 0;
}

static bool
has_form (const char *s, size_t len, enum form form)
{
  size_t digits = 0, others = 0;

  for (size_t i = 0; i < len; i++)
    if (form == NUMBER ? isdigit ((unsigned char) s[i])
                       : isxdigit ((unsigned char) s[i]))
      digits++;
    else if (form != UID || (s[i] != '-' && s[i] != '_'))
      others++;
  switch (form)
    {
    case HEX:
      return others == 0 && digits >= ID_MIN;
    case UID:
      return others == 0 && digits == ID_MIN;
    case NUMBER:
      return others == 0 && digits > 0;
    default:
      return len > 0;
    }
}

/* What a rule leaves of a part that it fits; false: it does not. */
static bool
fits (const struct rule *r, const struct part *before, const struct part *p,
      struct part *ret)
{
  size_t head = strlen (r->head), tail = strlen (r->tail);

  if ((r->in && !is_in (before, r->in)) || !begins (p, r->head)
      || p->len < head + tail
      || memcmp (p->at + p->len - tail, r->tail, tail) != 0)
    return false;
  *ret = (struct part){ p->at + head, p->len - head - tail };
  return has_form (ret->at, ret->len, r->form);
}

/* "\x2d", as systemd writes what has a meaning in its names. */
static bool
escaped (const struct part *p, size_t at, char *ret)
{
  unsigned v = 0;

  if (p->len - at < 4 || p->at[at] != '\\' || p->at[at + 1] != 'x')
    return false;
  for (size_t i = at + 2; i < at + 4; i++)
    {
      int c = tolower ((unsigned char) p->at[i]);

      if (!isxdigit (c))
        return false;
      v = v * 16 + (unsigned) (isdigit (c) ? c - '0' : c - 'a' + 10);
    }
  *ret = (char) v;
  return v != 0;
}

static void
copy (char dst[CGROUP_NAME], const struct part *p, enum what what)
{
  size_t n = 0;

  for (size_t i = 0; i < p->len && n < CGROUP_NAME - 1; i++, n++)
    {
      dst[n] = p->at[i];
      if (what == POD && dst[n] == '_')
        dst[n] = '-';
      else if (what == MACHINE && escaped (p, i, &dst[n]))
        i += 3;
    }
  dst[n] = '\0';
}

static void
take (struct cgroup_owner *o, const struct rule *r, const struct part *part,
      const struct part *rest)
{
  switch (r->what)
    {
    case UNIT:
      copy (o->unit, part, UNIT);
      break;
    case CONTAINER:
      copy (o->container, rest, CONTAINER);
      o->runtime = r->runtime;
      o->unit[0] = '\0'; /* that was who runs it */
      break;
    case POD:
      copy (o->pod, rest, POD);
      break;
    case MACHINE:
      copy (o->machine, rest, MACHINE);
      o->unit[0] = '\0';
      break;
    case SESSION:
      copy (o->session, rest, SESSION);
      break;
    default:
      copy (o->user, rest, USER);
    }
}

/* Parts are between slashes; containerd without systemd has some of its own:
 * "of.slice:cri-containerd:ID". */
static bool
next_part (const char **path, bool *colons, struct part *ret)
{
  static const char slice[] = ".slice:";
  const char *at = *path, *colon;
  size_t len;

  at += strspn (at, "/");
  len = strcspn (at, *colons ? "/:" : "/");
  colon = memchr (at, ':', len);
  if (colon && colon - at > (ptrdiff_t) strlen (slice)
      && memcmp (colon + 1 - strlen (slice), slice, strlen (slice)) == 0)
    {
      *colons = true;
      len = (size_t) (colon - at);
    }
  else if (at[len] != ':')
    *colons = false;
  *ret = (struct part){ at, len };
  *path = at + len + (at[len] != '\0');
  return len > 0;
}

bool
cgroup_owner_of (const char *path, struct cgroup_owner *ret)
{
  struct part before = { "", 0 }, part, rest;
  bool found = false, colons = false;

  *ret = (struct cgroup_owner){ 0 };
  while (next_part (&path, &colons, &part))
    {
      for (size_t i = 0; i < ARRAY_LEN (rules); i++)
        if (fits (&rules[i], &before, &part, &rest))
          {
            take (ret, &rules[i], &part, &rest);
            found = true;
            break;
          }
      before = part;
    }
  return found;
}
