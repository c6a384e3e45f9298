/* SPDX-License-Identifier: Apache-2.0
 *
 * The TCP check.
 */
#include "transports/net/tcp.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/regex.h"
#include "transports/transport.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_ANSWER 4096u
#define MAX_ANSWER (1u << 20)

static int
send_all (int fd, const char *text, uint64_t deadline, struct error *err)
{
  int r = io_send (fd, text, strlen (text), deadline);

  if (r == -ETIMEDOUT)
    return error_set (err, ETIMEDOUT, "timed out while sending");
  return r < 0 ? error_errno (err, -r, "sending") : 0;
}

/* ---- the expected answer ---- */

/* Reads until the pattern matches, the answer ends, or its bound is full. */
static int
await_answer (int fd, struct regex *re, struct buf *answer, uint64_t deadline,
              struct error *err)
{
  for (;;)
    {
      char chunk[2048];
      ssize_t n;
      int r;

      r = tcp_wait (fd, POLLIN, deadline, "waiting for the answer", err);
      /* Who said something lives, whatever it is. */
      if (r == -ETIMEDOUT && answer->len > 0)
        return error_set (err, ENOMSG,
                          "%zu bytes in all the time, without the expected "
                          "answer",
                          answer->len);
      if (r < 0)
        return r;
      n = recv (fd, chunk, sizeof chunk, 0);
      if (n < 0 && (errno == EAGAIN || errno == EINTR))
        continue;
      if (n < 0)
        return error_errno (err, errno, "reading the answer");
      buf_append (answer, chunk, (size_t) n);
      /* Also at the end: the last bytes may be the ones.  From the beginning
       * each time: a match may span what came before, and the bound on the
       * answer bounds this, too. */
      r = regex_match (re, buf_str (answer), answer->len, err);
      if (r != 0)
        return r < 0 ? r : 0;
      if (n == 0)
        return error_set (err, ENOMSG,
                          "the connection ended without the expected answer");
      if (answer->cut)
        return error_set (err, ENOMSG, "%zu bytes without the expected answer",
                          answer->max);
    }
}

int
tcp_check (const struct tcp_check *check, uint64_t deadline,
           struct tcp_result *ret, struct error *err)
{
  struct regex *re CLEANUP_REGEX = NULL;
  size_t max = check->max_bytes ? check->max_bytes : DEFAULT_ANSWER;
  struct buf answer CLEANUP_BUF
      = BUF_INIT (max > MAX_ANSWER ? MAX_ANSWER : max);
  uint64_t began = clock_ms (), connected;
  int fd CLEANUP_CLOSE = -1;
  int r = 0;

  /* Before connecting: a pattern that does not compile is our mistake, and
   * costs the guest nothing. */
  if (check->expect)
    r = regex_new (check->expect, &re, err);
  if (r == 0)
    r = tcp_connect (check->at, check->address, deadline, &fd, err);
  if (r < 0)
    return r;
  connected = clock_ms ();
  if (check->send)
    r = send_all (fd, check->send, deadline, err);
  if (r == 0 && check->expect)
    r = await_answer (fd, re, &answer, deadline, err);
  /* What did come is worth showing in every case. */
  if (ret->answer)
    buf_append (ret->answer, buf_str (&answer), answer.len);
  if (r < 0)
    {
      error_wrap (err, "%s", check->address);
      return r;
    }
  ret->connect_ms = connected - began;
  ret->answer_ms = clock_ms () - connected;
  return 0;
}

/* ---- doctor ---- */

static void
tcp_doctor (const struct transport_env *env, const struct guest *g,
            struct doctor_report *rep, uint64_t deadline)
{
  char text[160];
  unsigned known = 0;

  for (unsigned i = 0; i < g->nnics; i++)
    if (g->nics[i].ip[0])
      {
        snprintf (text, sizeof text, "address %s on %s%s%s", g->nics[i].ip,
                  g->nics[i].ifname[0] ? g->nics[i].ifname : "an interface",
                  g->nics[i].ip_from[0] ? ", says " : "", g->nics[i].ip_from);
        rep->line (rep, DOCTOR_OK, "tcp", text, NULL);
        known++;
      }
    else if (g->nics[i].refused[0])
      {
        snprintf (text, sizeof text,
                  "%s is claimed by another guest or the host, too, and used "
                  "for neither",
                  g->nics[i].refused);
        rep->line (rep, DOCTOR_WARN, "tcp", text,
                   "give one of them another address");
        known++;
      }
  if (g->nnics == 0)
    rep->line (rep, DOCTOR_NA, "tcp", "the guest has no network interface",
               NULL);
  else if (known == 0)
    rep->line (rep, DOCTOR_WARN, "tcp",
               "no address of the guest is known from outside",
               "write the address into the scenario: \"address\": "
               "\"192.0.2.7:80\"");
}

const struct transport_ops transport_tcp = {
  .name = "tcp",
  .summary = "TCP connection to a numeric address, with an optional dialogue",
  .touches = "one connection to the guest's service per check",
  .lane = LANE_TCP,
  .cpu_us = 150,
  .doctor = tcp_doctor,
};
