/* SPDX-License-Identifier: Apache-2.0
 *
 * What the values in a guest agent's replies mean.
 */
#include "transports/agent/wire.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* ---- base64 ---- */

static int
digit (unsigned char c)
{
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters to the bytes that they are; 0 when they are none. */
static size_t
decode_four (const unsigned char *p, bool last, unsigned char out[3])
{
  int d[4];
  size_t n = 3;
  unsigned v;

  if (last && p[3] == '=')
    n = p[2] == '=' ? 1 : 2;
  for (size_t i = 0; i < 4; i++)
    {
      d[i] = i > n ? 0 : digit (p[i]);
      if (d[i] < 0)
        return 0;
    }
  v = (unsigned) d[0] << 18 | (unsigned) d[1] << 12 | (unsigned) d[2] << 6
      | (unsigned) d[3];
  out[0] = (unsigned char) (v >> 16);
  out[1] = (unsigned char) (v >> 8);
  out[2] = (unsigned char) v;
  return n;
}

int
agent_base64 (const char *text, size_t len, struct buf *out, struct error *err)
{
  unsigned char bytes[3];

  for (size_t i = 0; i < len; i += 4)
    {
      size_t n = len - i < 4 ? 0
                             : decode_four ((const unsigned char *) text + i,
                                            len - i == 4, bytes);

      if (n == 0)
        return error_set (err, EPROTO, "the agent's base64 is none");
      buf_append (out, bytes, n);
    }
  return 0;
}

static int
need_object (struct json_object *value, const char *what, struct error *err)
{
  if (json_object_is_type (value, json_type_object))
    return 0;
  return error_set (err, EPROTO, "the agent's answer to %s is no object", what);
}

/* ---- guest-info ---- */

static const char *const used[] = {
  "guest-exec",      "guest-exec-status",           "guest-file-open",
  "guest-file-read", "guest-file-close",            "guest-get-osinfo",
  "guest-get-time",  "guest-network-get-interfaces",
};

static bool
is_enabled (struct json_object *list, const char *name)
{
  for (size_t i = 0; i < json_object_array_length (list); i++)
    {
      struct json_object *c = json_object_array_get_idx (list, i);
      const char *its = json_get_str (c, "name");

      if (its && strcmp (its, name) == 0)
        return json_get_bool (c, "enabled", false);
    }
  return false;
}

int
agent_said_info (struct json_object *value, char *ret_version, size_t n,
                 char *ret_missing, size_t missing_n, struct error *err)
{
  struct json_object *list = json_get (value, "supported_commands");
  const char *version = json_get_str (value, "version");
  size_t at = 0;

  if (!version || !json_object_is_type (list, json_type_array))
    return error_set (err, EPROTO, "the agent does not say what it can");
  snprintf (ret_version, n, "%s", version);
  /* It is shown to people. */
  for (char *p = ret_version; *p; p++)
    if (!isalnum ((unsigned char) *p) && !strchr (".-+~_ ()", *p))
      *p = '?';
  ret_missing[0] = '\0';
  for (size_t i = 0; i < ARRAY_LEN (used); i++)
    if (!is_enabled (list, used[i]) && at < missing_n)
      at += (size_t) snprintf (ret_missing + at, missing_n - at, "%s%s",
                               at ? " " : "", used[i]);
  return 0;
}

/* ---- guest-exec-status ---- */

static int
add_data (struct json_object *value, const char *key, struct buf *out,
          struct error *err)
{
  struct json_object *data = json_get (value, key);

  if (!data)
    return 0;
  if (!json_object_is_type (data, json_type_string))
    return error_set (err, EPROTO, "the agent's %s is no text", key);
  return agent_base64 (json_object_get_string (data),
                       (size_t) json_object_get_string_len (data), out, err);
}

int
agent_said_status (struct json_object *value, struct agent_status *ret,
                   struct buf *out, struct error *err)
{
  struct json_object *exited = NULL;
  int64_t signal, status;
  int r = need_object (value, "guest-exec-status", err);

  if (r < 0)
    return r;
  exited = json_get (value, "exited");
  if (!json_object_is_type (exited, json_type_boolean))
    return error_set (err, EPROTO, "the agent does not say whether it ended");
  *ret = (struct agent_status){ .exited = json_object_get_boolean (exited) };
  if (!ret->exited)
    return 0;
  signal = json_get_int (value, "signal", 0);
  status = json_get_int (value, "exitcode", signal ? -1 : INT64_MIN);
  /* Windows has exit codes of 32 bits. */
  if (signal < 0 || signal > 255 || status < INT32_MIN || status > UINT32_MAX)
    return error_set (err, EPROTO, "the agent says no status that there is");
  ret->signal = (int) signal;
  ret->status = status > INT32_MAX ? INT32_MAX : (int) status;
  if ((r = add_data (value, "out-data", out, err)) < 0
      || (r = add_data (value, "err-data", out, err)) < 0)
    return r;
  ret->cut = out->cut || json_get_bool (value, "out-truncated", false)
             || json_get_bool (value, "err-truncated", false);
  return 0;
}

/* ---- guest-file-read ---- */

int
agent_said_piece (struct json_object *value, struct buf *out, bool *ret_more,
                  struct error *err)
{
  int64_t count = json_get_int (value, "count", -1);
  size_t had = out->len;
  int r = need_object (value, "guest-file-read", err);

  if (r < 0)
    return r;
  r = add_data (value, "buf-b64", out, err);
  if (r < 0)
    return r;
  if (count < 0 || (!out->cut && (uint64_t) count != out->len - had))
    return error_set (err, EPROTO, "the agent's piece of a file has another "
                      "length than it says");
  *ret_more = count > 0 && !json_get_bool (value, "eof", false);
  return 0;
}

/* ---- guest-network-get-interfaces ---- */

/* An address that is good for reaching the guest from elsewhere, in its usual
 * spelling. */
static bool
read_ip (const char *text, struct agent_address *a)
{
  struct in6_addr six;
  struct in_addr four;
  uint32_t v;

  if (inet_pton (AF_INET, text, &four) == 1)
    {
      v = ntohl (four.s_addr);
      a->v6 = false;
      return v != 0 && v >> 24 != 127 && v >> 16 != 0xa9fe && v < 0xe0000000
             && inet_ntop (AF_INET, &four, a->ip, sizeof a->ip);
    }
  if (inet_pton (AF_INET6, text, &six) != 1)
    return false;
  a->v6 = true;
  return !IN6_IS_ADDR_UNSPECIFIED (&six) && !IN6_IS_ADDR_LOOPBACK (&six)
         && !IN6_IS_ADDR_LINKLOCAL (&six) && !IN6_IS_ADDR_MULTICAST (&six)
         && !IN6_IS_ADDR_V4MAPPED (&six)
         && inet_ntop (AF_INET6, &six, a->ip, sizeof a->ip);
}

static void
read_mac (const char *text, char dst[18])
{
  dst[0] = '\0';
  if (!text || strlen (text) != 17)
    return;
  for (unsigned i = 0; i < 17; i++)
    if (i % 3 == 2 ? text[i] != ':' : !isxdigit ((unsigned char) text[i]))
      return;
  for (unsigned i = 0; i < 18; i++)
    dst[i] = (char) tolower ((unsigned char) text[i]);
}

/* Windows has spaces in them. */
static void
read_name (const char *text, char *dst, size_t n)
{
  size_t len = text ? strlen (text) : 0;

  dst[0] = '\0';
  for (size_t i = 0; i < len; i++)
    if ((unsigned char) text[i] < 0x20 || (unsigned char) text[i] >= 0x7f)
      return;
  if (len < n && len > 0)
    memcpy (dst, text, len + 1);
}

static void
add_interface (struct json_object *nic, struct agent_address *ret, size_t max,
               size_t *n)
{
  struct json_object *list = json_get (nic, "ip-addresses");
  struct agent_address a = { 0 };

  read_name (json_get_str (nic, "name"), a.ifname, sizeof a.ifname);
  read_mac (json_get_str (nic, "hardware-address"), a.mac);
  if (!json_object_is_type (list, json_type_array))
    return;
  for (size_t i = 0; i < json_object_array_length (list) && *n < max; i++)
    {
      struct json_object *one = json_object_array_get_idx (list, i);
      const char *ip = json_get_str (one, "ip-address");
      int64_t prefix = json_get_int (one, "prefix", 0);

      if (!ip || !read_ip (ip, &a))
        continue;
      a.prefix = prefix > 0 && prefix <= (a.v6 ? 128 : 32) ? (unsigned) prefix
                                                          : 0;
      ret[(*n)++] = a;
    }
}

int
agent_said_addresses (struct json_object *value, struct agent_address *ret,
                      size_t max, size_t *ret_n, struct error *err)
{
  size_t n = 0;

  if (!json_object_is_type (value, json_type_array))
    return error_set (err, EPROTO, "the agent's interfaces are no list");
  for (size_t i = 0; i < json_object_array_length (value) && n < max; i++)
    add_interface (json_object_array_get_idx (value, i), ret, max, &n);
  *ret_n = n;
  return 0;
}
