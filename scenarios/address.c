/* SPDX-License-Identifier: Apache-2.0
 *
 * The key "address": "192.0.2.1:22", "[2001:db8::1]:22", or "guest:22" for
 * the guest's own.
 */
#include "scenarios/scenario_impl.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define GUEST "guest:"

const struct json_field scenario_address_keys[] = {
  { .name = "address", .kind = JSON_STRING, .required = true, .min = 1,
    .max = 64,
    .help = "\"IP:PORT\", or \"guest:PORT\" for the guest's own" },
  { .name = NULL },
};

static bool
address_ok (const char *address, bool *ret_loopback)
{
  const char *colon = strrchr (address, ':');
  unsigned char bin[16];
  char host[64];
  size_t n, digits;
  unsigned long port;

  if (!colon)
    return false;
  digits = strspn (colon + 1, "0123456789");
  if (!digits || digits > 5 || colon[1 + digits])
    return false;
  port = strtoul (colon + 1, NULL, 10);
  n = (size_t) (colon - address);
  if (!port || port > 65535 || n >= sizeof host)
    return false;
  *ret_loopback = false;
  if (n + 1 == strlen (GUEST) && strncmp (address, GUEST, n + 1) == 0)
    return true;
  memcpy (host, address, n);
  host[n] = '\0';
  if (n > 2 && host[0] == '[' && host[n - 1] == ']')
    {
      host[n - 1] = '\0';
      *ret_loopback = strcmp (host + 1, "::1") == 0;
      return inet_pton (AF_INET6, host + 1, bin) == 1;
    }
  if (inet_pton (AF_INET, host, bin) != 1)
    return false;
  *ret_loopback = bin[0] == 127;
  return true;
}

int
scenario_check_address (const struct scenario_at *at, const char *address,
                        bool *ret_loopback)
{
  if (address_ok (address, ret_loopback))
    return 0;
  return scenario_bad (at, "address",
                       "must be \"IP:PORT\" (\"192.0.2.7:22\", "
                       "\"[2001:db8::7]:22\") or \"guest:PORT\"; names are "
                       "not looked up");
}

static const char *
own_ip (const struct guest *g, bool four, struct outcome_report *ret)
{
  for (unsigned i = 0; i < g->nnics; i++)
    {
      const struct guest_nic *nic = &g->nics[i];

      if (nic->ip[0] && !(four && strchr (nic->ip, ':')))
        return nic->ip;
      if (four && nic->ip2[0] && !strchr (nic->ip2, ':'))
        return nic->ip2;
    }
  for (unsigned i = 0; i < g->nnics; i++)
    if (g->nics[i].refused[0])
      {
        /* Whoever answers there may be the other one. */
        report_set (ret, OUTCOME_NO_VERDICT, "no-address",
                    "%s (%s) is claimed by another guest or the host, too: it "
                    "is used for neither",
                    g->nics[i].refused, g->nics[i].ip_from);
        return NULL;
      }
  if (g->nnics == 0)
    report_set (ret, OUTCOME_NO_VERDICT, "no-address",
                "the guest has no network interface that is known here, so no "
                "IP%s address",
                four ? "v4" : "");
  else
    report_set (ret, OUTCOME_NO_VERDICT, "no-address",
                "the guest's %saddress is not known here; write it into the "
                "scenario's address",
                four ? "IPv4 " : "IP ");
  return NULL;
}

const char *
scenario_address (const char *address, const struct guest *g, char *dst,
                  size_t n, struct outcome_report *ret)
{
  const char *ip;
  bool six;

  /* "guest:80": the address changes with each DHCP lease, the document does
   * not. */
  if (strncmp (address, GUEST, strlen (GUEST)) != 0)
    return address;
  ip = own_ip (g, false, ret);
  if (!ip)
    return NULL;
  six = strchr (ip, ':') != NULL;
  snprintf (dst, n, "%s%s%s:%s", six ? "[" : "", ip, six ? "]" : "",
            address + strlen (GUEST));
  return dst;
}

/* ---- without a port ---- */

const struct json_field scenario_host_keys[] = {
  { .name = "address", .kind = JSON_STRING, .min = 1, .max = 64,
    .help = "\"IP\", or \"guest\" for the guest's own; default guest" },
  { .name = NULL },
};

int
scenario_check_host (const struct scenario_at *at, const char *address,
                     bool four)
{
  unsigned char bin[16];

  if (!address || strcmp (address, "guest") == 0
      || inet_pton (AF_INET, address, bin) == 1
      || (!four && inet_pton (AF_INET6, address, bin) == 1))
    return 0;
  return scenario_bad (at, "address",
                       "must be an %saddress without a port, or \"guest\"; "
                       "names are not looked up",
                       four ? "IPv4 " : "IP ");
}

const char *
scenario_host (const char *address, bool four, const struct guest *g,
               char *dst, size_t n, struct outcome_report *ret)
{
  const char *ip = address;

  if (!address || strcmp (address, "guest") == 0)
    ip = own_ip (g, four, ret);
  if (!ip)
    return NULL;
  snprintf (dst, n, "%s", ip);
  return dst;
}
